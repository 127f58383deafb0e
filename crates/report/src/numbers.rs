//! Numbers as people read them.

/// A number with four significant digits, and with a power of ten outside 1e-4 to 1e6, in the characters that every terminal has.
///
/// ```
/// use spikegrad_report::numbers::plain;
///
/// assert_eq!(plain(Some(0.047_123_4)), "0.04712");
/// assert_eq!(plain(Some(2.5e7)), "2.5e7");
/// assert_eq!(plain(None), "not finite");
/// ```
#[must_use]
pub fn plain(value: Option<f64>) -> String {
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

/// The same number as HTML, with a true minus sign and its power of ten raised.
#[must_use]
pub fn value(value: Option<f64>) -> String {
    let text = plain(value).replace('-', "\u{2212}");
    match text.split_once('e').filter(|(mantissa, _)| mantissa.ends_with(|c: char| c.is_ascii_digit())) {
        Some(("1", power)) => format!("10<sup>{power}</sup>"),
        Some((mantissa, power)) => format!("{mantissa}\u{b7}10<sup>{power}</sup>"),
        None => text,
    }
}

/// A wall time in minutes and seconds, or in seconds where it is short.
#[must_use]
pub fn minutes(seconds: f64) -> String {
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
    fn times_are_in_minutes() {
        assert_eq!(minutes(1.25), "1.2 s");
        assert_eq!(minutes(125.0), "2 min 05 s");
    }
}
