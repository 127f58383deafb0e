//! The parts of a page, each as HTML.

use std::fmt::Write as _;

use crate::markup::{escape, inline};

/// The longest cell that is kept in one line, in characters.
const SHORT: usize = 26;

/// What a banner says at a glance: the colour that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well: green.
    Good,
    /// Something is wrong: red.
    Bad,
    /// Something is to be known before the page is believed: yellow.
    Caution,
}

impl Tone {
    /// The class of the style sheet.
    fn class(self) -> &'static str {
        match self {
            Self::Good => "pass",
            Self::Bad => "fail",
            Self::Caution => "quick",
        }
    }
}

/// A part of a page.
///
/// Texts are plain text in which `<b> <i> <em> <strong> <code> <sub> <sup>` may stand; everything else in them is escaped.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Section {
    /// One sentence in a coloured box.
    Banner {
        /// The colour of the box.
        tone: Tone,
        /// The first words of the sentence, larger than the others.
        head: String,
        /// The other words.
        text: String,
    },
    /// A heading.
    Heading(String),
    /// A paragraph.
    Prose(String),
    /// A list, each item with a bullet.
    List(Vec<String>),
    /// Lines of code or a command, shown character by character.
    Code(String),
    /// A table.
    Table {
        /// What it shows.
        caption: String,
        /// Names of the columns.
        header: Vec<String>,
        /// Cells, row by row.
        rows: Vec<Vec<String>>,
    },
    /// Names and their values in two columns. A value is shown character by character.
    Settings(Vec<(String, String)>),
    /// A plot.
    Plot {
        /// Path of a file with the same drawing, which the caption links to, if there is one.
        file: Option<String>,
        /// What it is called.
        title: String,
        /// What it shows.
        caption: String,
        /// The drawing, as [`Plot::render`](crate::plot::Plot::render) makes it. It goes into the page as it stands.
        svg: String,
    },
    /// HTML that goes into the page as it stands: the caller answers for it.
    Html(String),
}

impl Section {
    /// The part as HTML that ends with a line break.
    #[must_use]
    pub fn html(&self) -> String {
        match self {
            Self::Banner { tone, head, text } => format!(
                "<div class=\"banner {}\"><strong>{}</strong> <span>{}</span></div>\n",
                tone.class(),
                inline(head),
                inline(text)
            ),
            Self::Heading(text) => format!("<h2>{}</h2>\n", inline(text)),
            Self::Prose(text) => format!("<p>{}</p>\n", inline(text)),
            Self::List(items) => {
                let items: String = items.iter().map(|item| format!("<li>{}</li>\n", inline(item))).collect();
                // A list without items is not valid.
                if items.is_empty() { items } else { format!("<ul>\n{items}</ul>\n") }
            }
            Self::Code(text) => {
                format!("<div class=\"scroll\"><pre><code>{}</code></pre></div>\n", escape(text))
            }
            Self::Table { caption, header, rows } => table(caption, header, rows),
            Self::Settings(settings) => self::settings(settings),
            Self::Plot { file, title, caption, svg } => {
                let link = file.as_ref().map(|file| format!(" <a href=\"{}\">SVG</a>", escape(file)));
                format!(
                    "<figure>\n<div class=\"card\">{svg}</div>\n<figcaption><strong>{}</strong> {}{}</figcaption>\n</figure>\n",
                    sentence(title),
                    inline(caption),
                    link.unwrap_or_default()
                )
            }
            Self::Html(html) => html.clone(),
        }
    }
}

fn table(caption: &str, header: &[String], rows: &[Vec<String>]) -> String {
    let numeric = |column: usize| {
        !rows.is_empty() && rows.iter().all(|row| row.get(column).is_none_or(|cell| is_number(cell)))
    };
    let class = |column: usize| if numeric(column) { " class=\"number\"" } else { "" };
    // Writing to a string cannot fail.
    let mut out = String::new();
    let _ = write!(out, "<div class=\"scroll\"><table>\n<caption>{}</caption>\n<thead><tr>", inline(caption));
    for (column, name) in header.iter().enumerate() {
        let _ = write!(out, "<th{}>{}</th>", class(column), inline(name));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let class = match numeric(column) {
                true => " class=\"number\"",
                false if is_short(cell) => " class=\"short\"",
                false if cell.chars().count() > SHORT => " class=\"long\"",
                false => "",
            };
            let _ = write!(out, "<td{class}>{}</td>", inline(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table></div>\n");
    out
}

fn settings(settings: &[(String, String)]) -> String {
    let mut out = "<div class=\"scroll\"><table class=\"settings\">\n<tbody>\n".to_owned();
    for (name, value) in settings {
        let _ = writeln!(out, "<tr><td>{}</td><td>{}</td></tr>", inline(name), escape(value));
    }
    out.push_str("</tbody>\n</table></div>\n");
    out
}

/// Whether a cell holds a number, possibly with a sign, an uncertainty or a unit sign.
fn is_number(cell: &str) -> bool {
    let cell = cell.trim();
    cell.is_empty()
        || matches!(cell, "-" | "\u{2013}" | "\u{2014}")
        || (cell.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '\u{2212}' | '.'))
            && cell.contains(|c: char| c.is_ascii_digit())
            && !cell.contains(|c: char| c.is_ascii_alphabetic() && c != 'e'))
}

/// Whether a cell with a number among its words is short enough to stand in one line: `7.5 (6.6 to 8.5)`.
fn is_short(cell: &str) -> bool {
    cell.chars().count() <= SHORT && cell.contains(|c: char| c.is_ascii_digit())
}

/// A title as the first sentence of a caption.
fn sentence(title: &str) -> String {
    let ends = title.ends_with(|c: char| c.is_alphanumeric() || c == ')');
    format!("{}{}", inline(title), if ends { "." } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_from_words() {
        for cell in ["1.5", "-2e-3", "\u{2212}4", "97.1 %", "0.5 \u{b1} 0.1", ""] {
            assert!(is_number(cell), "{cell}");
        }
        for cell in ["a", "3 neurons", "none"] {
            assert!(!is_number(cell), "{cell}");
        }
    }

    #[test]
    fn a_link_stands_only_where_there_is_a_file() {
        let plot = |file: Option<&str>| Section::Plot {
            file: file.map(str::to_owned),
            title: "Cost.".to_owned(),
            caption: "It falls.".to_owned(),
            svg: "<svg/>".to_owned(),
        };
        assert!(plot(None).html().ends_with("It falls.</figcaption>\n</figure>\n"));
        assert!(plot(Some("a&b.svg")).html().contains("It falls. <a href=\"a&amp;b.svg\">SVG</a>"));
    }

    #[test]
    fn a_title_ends_like_a_sentence() {
        for (title, expected) in
            [("Cost", "Cost."), ("Cost.", "Cost."), ("Cost (log)", "Cost (log)."), ("", "")]
        {
            assert_eq!(sentence(title), expected);
        }
    }

    #[test]
    fn short_cells_with_numbers_stay_in_one_line() {
        let row = |cell: &str| vec!["width 0.5".to_owned(), cell.to_owned()];
        let rows = vec![row("7.5 (6.6 to 8.5)"), row("no variance at all, in so many words: 3"), row("none")];
        let html = Section::Table { caption: String::new(), header: row("b"), rows }.html();
        // The two numbers, and the name beside each.
        for (class, times) in [("short", 4), ("long", 1)] {
            assert_eq!(html.matches(&format!("<td class=\"{class}\">")).count(), times, "{html}");
        }
    }

    #[test]
    fn code_is_shown_character_by_character() {
        let html = Section::Code("train <b> && echo \"done\"\nnext".to_owned()).html();
        assert!(html.contains("train &lt;b&gt; &amp;&amp; echo &quot;done&quot;\nnext"), "{html}");
    }

    #[test]
    fn a_list_without_items_leaves_nothing() {
        assert_eq!(Section::List(Vec::new()).html(), "");
    }
}
