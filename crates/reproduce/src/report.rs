//! What an experiment hands in: settings, judged figures, prose, tables and plots, written as JSON, SVG and one page.
//!
//! ```
//! use spikegrad_reproduce::report::Report;
//!
//! let mut report = Report::new("free-fall", "A stone falls", 1, false);
//! report
//!     .setting("height", 20)
//!     .prose("The stone falls for <i>t</i> seconds.")
//!     .figure("time", 2.02, "s", Some([2.0, 2.04]))
//!     .figure("heat", 0.1, "J", None);
//! assert_eq!(report.pass(), Some(true));
//! ```

mod html;
mod numbers;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use spikegrad_report::Section;
use spikegrad_report::numbers::plain;

use crate::{Error, file};
pub(crate) use html::{settings_table, symbols, verdict};
use numbers::plain_band;
pub(crate) use numbers::{band, largest, least};

/// One number of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// How much; not a number, or infinite, is a missed band.
    pub value: f64,
    /// The unit; may be empty.
    pub unit: String,
    /// Between which bounds it must lie, both inclusive; none if it is only reported.
    pub band: Option<[f64; 2]>,
    /// Whether it does; none without a band and in a quick run.
    pub pass: Option<bool>,
}

/// The results of one experiment.
///
/// Prose, captions and table cells are plain text in which `<b> <i> <em> <strong> <code> <sub> <sup>` may stand;
/// everything else is escaped.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    name: String,
    title: String,
    seed: u64,
    quick: bool,
    seconds: f64,
    settings: Map<String, Value>,
    figures: Vec<Figure>,
    answer: Vec<String>,
    sections: Vec<Section>,
}

/// `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// The experiment.
    pub name: String,
    /// The seed of the run.
    pub seed: u64,
    /// The version of this package that ran it.
    pub version: String,
    /// The settings of the run, in the order in which they were given.
    pub settings: Map<String, Value>,
    /// Wall time.
    pub seconds: f64,
    /// Whether every band was met; null if none was judged.
    pub pass: Option<bool>,
    /// The figures of the run.
    pub figures: Vec<Measured>,
}

/// A figure in `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What it is.
    pub name: String,
    /// How much; null if it is not a finite number.
    pub value: Option<f64>,
    /// The unit.
    pub unit: String,
    /// The bounds of the band; an open end is the largest finite number.
    pub band: Option<[f64; 2]>,
    /// Whether it lies within; null if it is not judged.
    pub pass: Option<bool>,
}

/// A report that has been written.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether every band was met; none if none was judged.
    pub pass: Option<bool>,
    /// The page.
    pub page: PathBuf,
    /// What was written to `metrics.json`.
    pub metrics: Metrics,
}

impl Report {
    /// An empty report. In a quick one no band is judged.
    pub fn new(name: impl Into<String>, title: impl Into<String>, seed: u64, quick: bool) -> Self {
        Self {
            name: name.into(),
            title: title.into(),
            seed,
            quick,
            seconds: 0.0,
            settings: Map::from_iter([("quick".to_owned(), Value::Bool(quick))]),
            figures: Vec::new(),
            answer: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// Records a setting.
    pub fn setting(&mut self, name: impl Into<String>, value: impl Into<Value>) -> &mut Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// Records a figure; with a band (both ends inclusive) it is judged, unless this is a quick run. Prefer closed
    /// bounds: an infinite one is written to `metrics.json` as the largest finite number.
    pub fn figure(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: impl Into<String>,
        band: Option<[f64; 2]>,
    ) -> &mut Self {
        let pass = band
            .filter(|_| !self.quick)
            .map(|[low, high]| value.is_finite() && low <= value && value <= high);
        self.figures.push(Figure { name: name.into(), value, unit: unit.into(), band, pass });
        self
    }

    /// Adds a paragraph to the answer, which stands above the figures: what they say, in words.
    pub fn answer(&mut self, text: impl Into<String>) -> &mut Self {
        self.answer.push(text.into());
        self
    }

    /// Adds a heading.
    pub fn heading(&mut self, text: impl Into<String>) -> &mut Self {
        self.sections.push(Section::Heading(text.into()));
        self
    }

    /// Adds a paragraph.
    pub fn prose(&mut self, text: impl Into<String>) -> &mut Self {
        self.sections.push(Section::Prose(text.into()));
        self
    }

    /// Adds a table. Cells that read as numbers are aligned to the right.
    pub fn table(
        &mut self,
        caption: impl Into<String>,
        header: &[&str],
        rows: Vec<Vec<String>>,
    ) -> &mut Self {
        let header = header.iter().map(|&name| name.to_owned()).collect();
        self.sections.push(Section::Table { caption: caption.into(), header, rows });
        self
    }

    /// Adds a plot, which also becomes a file of its own (`.svg` is appended where missing).
    pub fn plot(
        &mut self,
        file: &str,
        title: impl Into<String>,
        caption: impl Into<String>,
        svg: impl Into<String>,
    ) -> &mut Self {
        let name = file::safe_name(file);
        let stem = name.strip_suffix(".svg").unwrap_or(&name);
        let taken = |candidate: &str| {
            self.sections
                .iter()
                .any(|section| matches!(section, Section::Plot { file: Some(file), .. } if file == candidate))
        };
        let mut file = format!("{stem}.svg");
        let mut number = 2;
        while taken(&file) {
            file = format!("{stem}-{number}.svg");
            number += 1;
        }
        self.sections.push(Section::Plot {
            file: Some(file),
            title: title.into(),
            caption: caption.into(),
            svg: svg.into(),
        });
        self
    }

    /// Adds to the wall time: whoever runs the experiment adds what that took, and the experiment what an earlier,
    /// interrupted run had spent on results that it found.
    pub fn add_seconds(&mut self, seconds: f64) -> &mut Self {
        self.seconds += seconds;
        self
    }

    /// The experiment's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The figures so far.
    #[must_use]
    pub fn figures(&self) -> &[Figure] {
        &self.figures
    }

    /// Whether every judged figure lies in its band; none if none is judged.
    #[must_use]
    pub fn pass(&self) -> Option<bool> {
        let judged = self.figures.iter().filter_map(|figure| figure.pass);
        judged.reduce(|all, pass| all && pass)
    }

    /// What `metrics.json` will say.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let figures = self.figures.iter().map(|figure| Measured {
            name: figure.name.clone(),
            value: Some(figure.value).filter(|value| value.is_finite()),
            unit: figure.unit.clone(),
            // JSON has no infinity, and null would read as a missing band.
            band: figure
                .band
                .map(|band| band.map(|end| if end.is_nan() { end } else { end.clamp(f64::MIN, f64::MAX) })),
            pass: figure.pass,
        });
        Metrics {
            name: self.name.clone(),
            seed: self.seed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings: self.settings.clone(),
            seconds: self.seconds,
            pass: self.pass(),
            figures: figures.collect(),
        }
    }

    /// Writes `DIR/NAME/`: the plots, `report.html`, and last `metrics.json`, whose presence means that all is there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if a file cannot be written, [`Error::Band`] if the ends of a band are no numbers or the wrong
    /// way round.
    pub fn write(&self, dir: &Path) -> Result<Outcome, Error> {
        for figure in &self.figures {
            if let Some([low, high]) =
                figure.band.filter(|[low, high]| low.is_nan() || high.is_nan() || low > high)
            {
                return Err(Error::Band { figure: figure.name.clone(), low, high });
            }
        }
        let metrics = self.metrics();
        let mut json = serde_json::to_string_pretty(&metrics)
            .map_err(|source| Error::Json { name: self.name.clone(), source })?;
        json.push('\n');
        let dir = dir.join(file::safe_name(&self.name));
        file::create_dir(&dir)?;
        let done = dir.join("metrics.json");
        file::remove(&done)?;
        for section in &self.sections {
            if let Section::Plot { file: Some(file), svg, .. } = section {
                file::write(&dir.join(file), svg)?;
            }
        }
        let page = dir.join("report.html");
        file::write(&page, &html::page(self))?;
        file::write(&done, &json)?;
        Ok(Outcome { pass: metrics.pass, page, metrics })
    }
}

impl Metrics {
    /// Whether `other` is of the same experiment with the same settings, seed and version, so that it came out the same.
    #[must_use]
    pub fn is_same_run(&self, other: &Self) -> bool {
        // Numbers are compared as they are written: not every one survives being read back to its last bit.
        let settings = |metrics: &Self| serde_json::to_string(&metrics.settings).ok();
        let of =
            |metrics: &Self| (metrics.name.clone(), metrics.seed, metrics.version.clone(), settings(metrics));
        of(self) == of(other)
    }

    /// Whether every verdict is the one that its figures ask for. A file that was changed may have others.
    pub(crate) fn is_sound(&self) -> bool {
        let quick = self.settings.get("quick") == Some(&Value::Bool(true));
        let verdict = |figure: &Measured| {
            let band = figure.band.filter(|_| !quick);
            band.map(|[low, high]| figure.value.is_some_and(|value| low <= value && value <= high))
        };
        let judged = self.figures.iter().filter_map(verdict);
        self.figures.iter().all(|figure| figure.pass == verdict(figure))
            && self.pass == judged.reduce(|all, pass| all && pass)
    }

    /// The figures as a table for the terminal.
    #[must_use]
    pub fn summary(&self) -> String {
        let rows: Vec<[String; 4]> = self
            .figures
            .iter()
            .map(|figure| {
                let verdict = match figure.pass {
                    Some(true) => "pass",
                    Some(false) => "MISSED",
                    None if figure.band.is_some() => "not judged",
                    None => "",
                };
                let value = format!("{} {}", plain(figure.value), figure.unit).trim_end().to_owned();
                [
                    figure.name.clone(),
                    value,
                    figure.band.map(plain_band).unwrap_or_default(),
                    verdict.to_owned(),
                ]
            })
            .collect();
        let header = ["measure", "value", "band", ""].map(str::to_owned);
        let all: Vec<&[String; 4]> = std::iter::once(&header).chain(&rows).collect();
        let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2)];
        let mut out = String::new();
        for row in all {
            let line = format!(
                "  {:<a$}  {:<b$}  {:<c$}  {}",
                row[0],
                row[1],
                row[2],
                row[3],
                a = widths[0],
                b = widths[1],
                c = widths[2]
            );
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(quick: bool) -> Report {
        let mut report = Report::new("sample", "A <sample> & more", 7, quick);
        report
            .setting("z first", 1)
            .setting("a second", "text")
            .figure("inside", 0.5, "ms", Some([0.0, 1.0]))
            .figure("only reported", 3.0, "", None)
            .prose("Some <b>prose</b> & <script>alert(1)</script>")
            .table("A table", &["x", "y<sub>1</sub>"], vec![vec!["1.5".into(), "<a>".into()]])
            .plot("A plot", "Title", "Caption", "<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>")
            .plot("a-plot.svg", "Again", "Caption", "<svg/>")
            .add_seconds(1.0)
            .add_seconds(0.25);
        report
    }

    fn json(report: &Report) -> String {
        let dir = tempfile::tempdir().unwrap();
        report.write(dir.path()).unwrap();
        std::fs::read_to_string(dir.path().join("sample").join("metrics.json")).unwrap()
    }

    #[test]
    fn metrics_have_exactly_the_promised_form() {
        let expected = format!(
            r#"{{"name":"sample","seed":7,"version":"{}","settings":{{"quick":false,"z first":1,"a second":"text"}},"seconds":1.25,"pass":true,"figures":[{{"name":"inside","value":0.5,"unit":"ms","band":[0.0,1.0],"pass":true}},{{"name":"only reported","value":3.0,"unit":"","band":null,"pass":null}}]}}"#,
            env!("CARGO_PKG_VERSION")
        );
        let compact =
            serde_json::to_string(&serde_json::from_str::<Value>(&json(&sample(false))).unwrap()).unwrap();
        assert_eq!(compact, expected);
    }

    #[test]
    fn metrics_can_be_read_back() {
        let report = sample(false);
        let read: Metrics = serde_json::from_str(&json(&report)).unwrap();
        assert_eq!(read, report.metrics());
    }

    #[test]
    fn a_quick_run_judges_nothing() {
        let mut report = sample(true);
        report.figure("far outside", 9.0, "", Some([0.0, 1.0])).figure(
            "no number",
            f64::NAN,
            "",
            Some([0.0, 1.0]),
        );
        assert_eq!(report.pass(), None);
        let value: Value = serde_json::from_str(&json(&report)).unwrap();
        assert_eq!(value["pass"], Value::Null);
        assert_eq!(value["settings"]["quick"], true);
        assert!(value["figures"].as_array().unwrap().iter().all(|figure| figure["pass"].is_null()));
    }

    #[test]
    fn band_edges_are_inside() {
        let judge = |value: f64, band: [f64; 2]| {
            Report::new("", "", 1, false).figure("f", value, "", Some(band)).pass()
        };
        for (value, band, pass) in [
            (0.06, [0.0, 0.06], true),
            (0.0, [0.0, 0.06], true),
            (0.06_f64.next_up(), [0.0, 0.06], false),
            (0.0_f64.next_down(), [0.0, 0.06], false),
            (0.0, [0.0, 0.0], true),
            (1e300, [0.0, f64::INFINITY], true),
            (f64::NAN, [0.0, 1.0], false),
            (f64::INFINITY, [0.0, f64::INFINITY], false),
        ] {
            assert_eq!(judge(value, band), Some(pass), "{value} in {band:?}");
        }
    }

    #[test]
    fn one_missed_band_fails_the_report() {
        let mut report = sample(false);
        assert_eq!(report.pass(), Some(true));
        report.figure("outside", 2.0, "", Some([0.0, 1.0]));
        assert_eq!(report.pass(), Some(false));
        assert_eq!(Report::new("", "", 1, false).figure("f", 1.0, "", None).pass(), None);
    }

    #[test]
    fn numbers_that_json_lacks_become_null_and_fail() {
        let mut report = sample(false);
        report.figure("bad", f64::NAN, "", Some([0.98, f64::INFINITY]));
        let value: Value = serde_json::from_str(&json(&report)).unwrap();
        let bad = &value["figures"][2];
        assert_eq!((&bad["value"], &bad["pass"]), (&Value::Null, &Value::Bool(false)));
        assert_eq!(bad["band"][1].as_f64(), Some(f64::MAX));
        assert_eq!(value["pass"], false);
    }

    #[test]
    fn a_band_the_wrong_way_round_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        for band in [[1.0, 0.0], [f64::NAN, 1.0]] {
            let mut report = sample(false);
            report.figure("slope", 0.5, "", Some(band));
            let error = report.write(dir.path()).unwrap_err();
            assert!(matches!(&error, Error::Band { figure, .. } if figure == "slope"), "{error}");
        }
    }

    #[test]
    fn plots_become_files_with_names_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let outcome = sample(false).write(dir.path()).unwrap();
        assert_eq!(outcome.page, dir.path().join("sample").join("report.html"));
        let names: Vec<String> = file::children(&dir.path().join("sample"))
            .unwrap()
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["a-plot-2.svg", "a-plot.svg", "metrics.json", "report.html"]);
    }

    #[test]
    fn the_page_is_well_formed_and_safe() {
        for quick in [false, true] {
            let page = html::page(&sample(quick));
            let body = &page[page.find("<html").unwrap()..];
            roxmltree::Document::parse(body).unwrap();
            assert!(page.contains("A &lt;sample&gt; &amp; more"));
            assert!(page.contains("Some <b>prose</b> &amp; &lt;script&gt;alert(1)&lt;/script&gt;"));
            assert!(page.contains("y<sub>1</sub>") && page.contains("&lt;a&gt;"));
            assert!(!page.contains("<script") && !page.contains("http://fonts"));
            assert_eq!(page.contains("Quick run: not judged"), quick);
        }
    }

    #[test]
    fn the_summary_lines_up() {
        let mut report = sample(false);
        report.figure("bad", f64::NAN, "", Some([0.0, 1.0]));
        let summary = report.metrics().summary();
        assert!(summary.contains("  inside         0.5 ms"), "{summary}");
        assert!(summary.lines().any(|line| line.ends_with("MISSED")), "{summary}");
    }
}
