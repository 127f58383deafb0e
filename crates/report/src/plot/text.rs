//! The size of text without a font: widths of Helvetica's characters, close to those of every common sans-serif.

/// A run of text and where its baseline lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Run<'a> {
    Plain(&'a str),
    Sub(&'a str),
    Super(&'a str),
}

/// How much smaller sub- and superscripts are.
pub(super) const SCRIPT: f64 = 0.72;

/// Splits `text` at `_{...}` and `^{...}`.
pub(super) fn runs(text: &str) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("_{").into_iter().chain(rest.find("^{")).min() {
        let Some(length) = rest[at..].find('}') else { break };
        if at > 0 {
            runs.push(Run::Plain(&rest[..at]));
        }
        let inner = &rest[at + 2..at + length];
        runs.push(if rest[at..].starts_with('_') { Run::Sub(inner) } else { Run::Super(inner) });
        rest = &rest[at + length + 1..];
    }
    if !rest.is_empty() {
        runs.push(Run::Plain(rest));
    }
    runs
}

/// The width of `text` at a font size of one.
fn unit_width(text: &str) -> f64 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | '\'' => 0.23,
        ' ' | '.' | ',' | ':' | ';' | '!' | '|' | 'f' | 't' | 'I' | '/' | '[' | ']' | '\u{2009}' => 0.28,
        'r' | '(' | ')' | '-' | '{' | '}' | '"' => 0.34,
        'c' | 'k' | 's' | 'v' | 'x' | 'y' | 'z' | 'J' => 0.5,
        'a'..='z' if !matches!(c, 'm' | 'w') => 0.556,
        '0'..='9' | '#' | '$' | '_' => 0.556,
        '+' | '<' | '=' | '>' | '\u{2212}' | '~' | '\u{d7}' => 0.585,
        'm' | 'M' | '%' => 0.86,
        'w' | 'C' | 'D' | 'H' | 'N' | 'R' | 'U' => 0.72,
        'G' | 'O' | 'Q' => 0.78,
        'W' | '@' => 0.97,
        'A'..='Z' => 0.667,
        _ => 0.62,
    };
    text.chars().map(of).sum()
}

/// The width of one line of `text` in pixels at this font size, with its scripts.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let total: f64 = runs(text)
        .iter()
        .map(|run| match run {
            Run::Plain(part) => unit_width(part),
            Run::Sub(part) | Run::Super(part) => SCRIPT * unit_width(part),
        })
        .sum();
    total * size
}

/// The largest size up to `size` at which `text` is no wider than `limit`, but never below 7.
pub(super) fn fit(text: &str, size: f64, limit: f64) -> f64 {
    let natural = width(text, size);
    if natural <= limit { size } else { (size * limit / natural).max(7.0) }
}

/// `text` in lines that are no wider than `limit` where spaces allow it.
pub(super) fn wrap(text: &str, size: f64, limit: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size) <= limit => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_split_off() {
        assert_eq!(runs("W_{f} s"), [Run::Plain("W"), Run::Sub("f"), Run::Plain(" s")]);
        assert_eq!(runs("10^{-3}"), [Run::Plain("10"), Run::Super("-3")]);
        assert_eq!(runs("a_b and _{open"), [Run::Plain("a_b and _{open")]);
    }

    #[test]
    fn long_text_shrinks_and_wraps() {
        assert!(width("predictive", 10.0) > 40.0 && width("predictive", 10.0) < 60.0);
        assert_eq!(fit("a", 10.0, 100.0), 10.0);
        assert!(fit("a rather long label", 10.0, 70.0) < 10.0);
        assert_eq!(wrap("no quantile clipping", 10.0, 60.0), ["no quantile", "clipping"]);
    }
}
