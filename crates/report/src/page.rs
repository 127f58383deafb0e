//! The page: one file without scripts, fonts or anything else to load.

use crate::markup::escape;
use crate::section::{Section, Tone};

/// The look of every page.
const STYLE: &str = include_str!("style.css");

/// A page that needs no other file: style sheet and drawings are inside.
///
/// ```
/// use spikegrad_report::{Page, Tone};
///
/// let mut page = Page::new("Spoken digits");
/// page.kicker("training")
///     .meta(["seed 1", "2 min 05 s"])
///     .banner(Tone::Caution, "Not converged", "The cost still falls by 3 % in the last tenth of the iterations.")
///     .heading("Settings")
///     .settings([("neurons", "128"), ("learning rate", "0.001")])
///     .heading("Again")
///     .code("spikegrad train digits.toml --seed 1");
/// let html = page.render();
/// assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<h1>Spoken digits</h1>"));
/// ```
///
/// Title, kicker, meta and code are plain text. In all other texts `<b> <i> <em> <strong> <code> <sub> <sup>` may stand. Everything
/// else is escaped.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    title: String,
    window: Option<String>,
    kicker: String,
    meta: Vec<String>,
    sections: Vec<Section>,
}

impl Page {
    /// An empty page with its title.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            window: None,
            kicker: "spikegrad".to_owned(),
            meta: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// Sets the title that the browser shows; without it the browser shows the title of the page.
    pub fn window_title(&mut self, title: impl Into<String>) -> &mut Self {
        self.window = Some(title.into());
        self
    }

    /// Sets the small line above the title: what kind of page this is.
    pub fn kicker(&mut self, text: impl Into<String>) -> &mut Self {
        self.kicker = text.into();
        self
    }

    /// Adds parts to the line below the title: name, seed, version, time.
    pub fn meta<T: Into<String>>(&mut self, parts: impl IntoIterator<Item = T>) -> &mut Self {
        self.meta.extend(parts.into_iter().map(Into::into));
        self
    }

    /// Adds a sentence in a coloured box.
    pub fn banner(&mut self, tone: Tone, head: impl Into<String>, text: impl Into<String>) -> &mut Self {
        self.section(Section::Banner { tone, head: head.into(), text: text.into() })
    }

    /// Adds a heading.
    pub fn heading(&mut self, text: impl Into<String>) -> &mut Self {
        self.section(Section::Heading(text.into()))
    }

    /// Adds a paragraph.
    pub fn prose(&mut self, text: impl Into<String>) -> &mut Self {
        self.section(Section::Prose(text.into()))
    }

    /// Adds a list, each item with a bullet; a list without items adds nothing.
    pub fn list<T: Into<String>>(&mut self, items: impl IntoIterator<Item = T>) -> &mut Self {
        self.section(Section::List(items.into_iter().map(Into::into).collect()))
    }

    /// Adds lines of code or a command, shown character by character.
    pub fn code(&mut self, text: impl Into<String>) -> &mut Self {
        self.section(Section::Code(text.into()))
    }

    /// Adds a table. Columns whose cells all read as numbers are aligned to the right.
    pub fn table(
        &mut self,
        caption: impl Into<String>,
        header: &[&str],
        rows: Vec<Vec<String>>,
    ) -> &mut Self {
        let header = header.iter().map(|&name| name.to_owned()).collect();
        self.section(Section::Table { caption: caption.into(), header, rows })
    }

    /// Adds names and their values in two columns. Values are shown character by character.
    pub fn settings<N: Into<String>, V: Into<String>>(
        &mut self,
        settings: impl IntoIterator<Item = (N, V)>,
    ) -> &mut Self {
        let settings = settings.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.section(Section::Settings(settings.collect()))
    }

    /// Adds a plot. The drawing, as [`Plot::render`](crate::plot::Plot::render) makes it, goes into the page as it stands.
    pub fn plot(
        &mut self,
        title: impl Into<String>,
        caption: impl Into<String>,
        svg: impl Into<String>,
    ) -> &mut Self {
        self.section(Section::Plot {
            file: None,
            title: title.into(),
            caption: caption.into(),
            svg: svg.into(),
        })
    }

    /// Adds any part.
    pub fn section(&mut self, section: Section) -> &mut Self {
        self.sections.push(section);
        self
    }

    /// The whole page as HTML, to be written to a file.
    #[must_use]
    pub fn render(&self) -> String {
        let meta: Vec<String> = self.meta.iter().map(|part| escape(part)).collect();
        let meta = if meta.is_empty() {
            String::new()
        } else {
            format!("<p class=\"meta\">{}</p>\n", meta.join(" \u{b7} "))
        };
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <title>{window}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <header>\n<p class=\"kicker\">{kicker}</p>\n<h1>{title}</h1>\n{meta}</header>\n",
            window = escape(self.window.as_ref().unwrap_or(&self.title)),
            kicker = escape(&self.kicker),
            title = escape(&self.title),
        );
        for section in &self.sections {
            out.push_str(&section.html());
        }
        out.push_str("</main>\n</body>\n</html>\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_well_formed_and_safe() {
        let mut page = Page::new("A <sample> & more");
        page.meta(["seed <7>", "1.2 s"])
            .banner(Tone::Bad, "2 < 3", "<script>alert(2)</script>")
            .prose("Some <b>prose</b> & <script>alert(1)</script>")
            .list(["first & foremost", "W<sub>f</sub>"])
            .code("a < b && c")
            .table("A table", &["x", "y<sub>1</sub>"], vec![vec!["1.5".into(), "<a>".into()]])
            .settings([("a<b", "<c>")])
            .plot("Title", "Caption", "<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>");
        let html = page.render();
        roxmltree::Document::parse(&html[html.find("<html").unwrap()..]).unwrap();
        assert!(html.contains("<title>A &lt;sample&gt; &amp; more</title>"));
        assert!(html.contains("Some <b>prose</b> &amp; &lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(html.contains("y<sub>1</sub>") && html.contains("&lt;a&gt;"));
        assert!(!html.contains("<script") && !html.contains("http://fonts"));
        assert!(html.contains("seed &lt;7&gt; \u{b7} 1.2 s"), "{html}");
    }

    #[test]
    fn the_window_has_the_title_of_the_page_or_its_own() {
        let mut page = Page::new("Reproductions");
        assert!(page.render().contains("<title>Reproductions</title>"));
        page.window_title("All reproductions");
        let html = page.render();
        assert!(html.contains("<title>All reproductions</title>") && html.contains("<h1>Reproductions</h1>"));
    }
}
