//! Bands in words, and the extremes of numbers that may be missing.

use spikegrad_report::numbers::{plain, value};

/// What stands for an open end.
fn is_open(end: f64) -> bool {
    end.abs() >= f64::MAX
}

/// The largest of some numbers: no number if one of them is none, which is worse than all others, or if there are none.
pub(crate) fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    let larger = |a: f64, b: f64| if a.is_nan() || a > b { a } else { b };
    values.into_iter().reduce(larger).unwrap_or(f64::NAN)
}

/// The least of some numbers, likewise.
pub(crate) fn least(values: impl IntoIterator<Item = f64>) -> f64 {
    -largest(values.into_iter().map(|x| -x))
}

/// A band in words, as HTML.
pub(crate) fn band(band: [f64; 2]) -> String {
    phrase(band, value, "\u{2264} ", "\u{2265} ")
}

/// A band in words, for the terminal.
pub(crate) fn plain_band(band: [f64; 2]) -> String {
    phrase(band, plain, "<= ", ">= ")
}

fn phrase([low, high]: [f64; 2], text: fn(Option<f64>) -> String, at_most: &str, at_least: &str) -> String {
    match (is_open(low), is_open(high)) {
        (true, true) => "any number".to_owned(),
        (true, false) => format!("{at_most}{}", text(Some(high))),
        (false, true) => format!("{at_least}{}", text(Some(low))),
        (false, false) if low == high => text(Some(low)),
        (false, false) => format!("{} to {}", text(Some(low)), text(Some(high))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_read_as_one_would_say_them() {
        assert_eq!(plain_band([0.0, 0.06]), "0 to 0.06");
        assert_eq!(band([0.985, f64::INFINITY]), "\u{2265} 0.985");
        assert_eq!(band([f64::MIN, 0.06]), "\u{2264} 0.06");
        assert_eq!(plain_band([0.0, 0.0]), "0");
    }

    #[test]
    fn what_is_no_number_is_neither_lost_nor_passed_over() {
        assert_eq!((largest([1.0, 3.0, 2.0]), least([2.0, 1.0, 3.0])), (3.0, 1.0));
        for at in 0..3 {
            let mut values = [1.0, 3.0, 2.0];
            values[at] = f64::NAN;
            assert!(largest(values).is_nan() && least(values).is_nan());
        }
        assert!(largest([]).is_nan() && least([]).is_nan());
    }
}
