//! Numbers as people read them.

/// Four significant digits; powers of ten outside 1e-4 to 1e6. In the characters that every terminal has.
pub(crate) fn plain(value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else { return "not finite".to_owned() };
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if value == value.round() && size < 1e6 {
        format!("{value}")
    } else if (1e-4..1e6).contains(&size) {
        let decimals = (3.0 - size.log10().floor()).clamp(0.0, 8.0) as usize;
        let text = format!("{value:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        let text = format!("{value:.3e}");
        match text.split_once('e') {
            Some((mantissa, power)) => {
                let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
                format!("{mantissa}e{power}")
            }
            None => text,
        }
    }
}

/// The same as HTML: a true minus sign, powers of ten set as such.
pub(crate) fn value(value: Option<f64>) -> String {
    let text = plain(value).replace('-', "\u{2212}");
    match text.split_once('e').filter(|(mantissa, _)| mantissa.ends_with(|c: char| c.is_ascii_digit())) {
        Some(("1", power)) => format!("10<sup>{power}</sup>"),
        Some((mantissa, power)) => format!("{mantissa}\u{b7}10<sup>{power}</sup>"),
        None => text,
    }
}

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

/// A wall time.
pub(crate) fn minutes(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    format!("{} min {:02} s", whole / 60, whole % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_short() {
        for (number, text) in [
            (0.047_123_4, "0.04712"),
            (0.9, "0.9"),
            (36.0, "36"),
            (1234.56, "1235"),
            (99_999.6, "100000"),
            (-0.5, "-0.5"),
            (1e-13, "1e-13"),
            (2.5e7, "2.5e7"),
            (1e7, "1e7"),
        ] {
            assert_eq!(plain(Some(number)), text);
        }
        assert_eq!(plain(Some(f64::NAN)), "not finite");
        assert_eq!(value(None), "not finite");
        assert_eq!(value(Some(-1.5e-13)), "\u{2212}1.5\u{b7}10<sup>\u{2212}13</sup>");
    }

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

    #[test]
    fn times_are_in_minutes() {
        assert_eq!(minutes(1.25), "1.2 s");
        assert_eq!(minutes(125.0), "2 min 05 s");
    }
}
