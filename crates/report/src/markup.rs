//! Text that goes into XML and HTML.

/// The inline elements that [`inline`] lets through.
const INLINE: [&str; 7] = ["b", "i", "em", "strong", "code", "sub", "sup"];

/// `text` with the five characters that mean something to XML replaced, and control characters that XML forbids
/// removed.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// `text` as HTML: everything is escaped, then the bare tags `<b> <i> <em> <strong> <code> <sub> <sup>` are let through
/// again if they nest properly in this text. Attributes never survive, so neither scripts nor styles nor links can.
///
/// ```
/// use spikegrad_report::markup::inline;
///
/// assert_eq!(inline("W<sub>f</sub> < 1 <script>"), "W<sub>f</sub> &lt; 1 &lt;script&gt;");
/// ```
#[must_use]
pub fn inline(text: &str) -> String {
    let escaped = escape(text);
    let mut out = String::with_capacity(escaped.len());
    let mut open = Vec::new();
    let mut rest = escaped.as_str();
    while let Some(at) = rest.find("&lt;") {
        out.push_str(&rest[..at]);
        rest = &rest[at + 4..];
        let Some((tag, after)) = rest.split_once("&gt;") else {
            out.push_str("&lt;");
            continue;
        };
        if INLINE.contains(&tag) {
            open.push(tag);
            out.push_str(&format!("<{tag}>"));
            rest = after;
        } else if let Some(name) = tag.strip_prefix('/').filter(|name| INLINE.contains(name)) {
            if open.pop() != Some(name) {
                return escaped;
            }
            out.push_str(&format!("</{name}>"));
            rest = after;
        } else {
            out.push_str("&lt;");
        }
    }
    out.push_str(rest);
    if open.is_empty() { out } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_character_is_escaped() {
        assert_eq!(escape("a<b & \"c\" > 'd'\u{0}"), "a&lt;b &amp; &quot;c&quot; &gt; &#39;d&#39;");
    }

    #[test]
    fn simple_inline_tags_pass() {
        assert_eq!(
            inline("W<sub>f</sub> & <b>bold <i>both</i></b>"),
            "W<sub>f</sub> &amp; <b>bold <i>both</i></b>"
        );
    }

    #[test]
    fn scripts_attributes_and_strays_do_not() {
        assert_eq!(inline("<script>x</script>"), "&lt;script&gt;x&lt;/script&gt;");
        assert_eq!(inline("<b onclick='x'>y"), "&lt;b onclick=&#39;x&#39;&gt;y");
        assert_eq!(inline("<b>never closed"), "&lt;b&gt;never closed");
        assert_eq!(inline("<b><i>crossed</b></i>"), "&lt;b&gt;&lt;i&gt;crossed&lt;/b&gt;&lt;/i&gt;");
        assert_eq!(inline("1 < 2 and <i>v</i> < <b>3</b>"), "1 &lt; 2 and <i>v</i> &lt; <b>3</b>");
    }
}
