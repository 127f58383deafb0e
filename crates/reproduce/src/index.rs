//! The page that links all reports of a directory.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use spikegrad_report::markup::{escape, inline};
use spikegrad_report::numbers::{minutes, value};
use spikegrad_report::{Page, Section, Tone};

use crate::experiments::{EXPERIMENTS, Experiment};
use crate::report::{Metrics, band, settings_table, symbols, verdict};
use crate::{Error, file};

/// A directory with a `metrics.json`, and what became of reading it.
struct Entry {
    directory: String,
    /// The names of its plots.
    plots: Vec<String>,
    metrics: Result<Metrics, String>,
}

/// Writes `OUT/index.html` from every `OUT/*/metrics.json`: known experiments in the order of the registry, others
/// after them. A file that cannot be read is listed as such. Returns the page's path.
///
/// # Errors
///
/// [`Error::Io`] if the directory cannot be listed or the page not written.
pub fn write(out: &Path) -> Result<PathBuf, Error> {
    let mut entries = Vec::new();
    for path in file::children(out)? {
        let metrics = path.join("metrics.json");
        if !metrics.is_file() {
            continue;
        }
        let metrics = std::fs::read_to_string(&metrics)
            .map_err(|error| error.to_string())
            .and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()))
            .and_then(|metrics: Metrics| match metrics.is_sound() {
                true => Ok(metrics),
                false => Err("its verdicts are not those of its figures".to_owned()),
            });
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let plots =
            file::children(&path)?.into_iter().map(|path| name(&path)).filter(|name| name.ends_with(".svg"));
        entries.push(Entry { directory: name(&path), plots: plots.collect(), metrics });
    }
    let rank = |entry: &Entry| EXPERIMENTS.iter().position(|known| is_of(&entry.directory, known));
    entries.sort_by_key(|entry| (rank(entry).unwrap_or(usize::MAX), entry.directory.clone()));
    file::create_dir(out)?;
    let path = out.join("index.html");
    file::write(&path, &page(&entries))?;
    Ok(path)
}

/// Whether a report is one of an experiment: of its name, or of its name and a data set.
fn is_of(directory: &str, experiment: &Experiment) -> bool {
    let rest = directory.strip_prefix(experiment.name);
    rest.is_some_and(|rest| rest.is_empty() || (!experiment.sets.is_empty() && rest.starts_with('-')))
}

fn page(entries: &[Entry]) -> String {
    let mut page = Page::new("Reproductions");
    page.window_title("spikegrad reproductions")
        .meta(["Gradient descent for spiking neural networks (Huh and Sejnowski 2018)"]);
    banner(&mut page, entries);
    for entry in entries {
        let mut html = String::new();
        section(&mut html, entry);
        page.section(Section::Html(html));
    }
    page.render()
}

fn banner(page: &mut Page, entries: &[Entry]) {
    let count = |wanted: Option<bool>| {
        entries
            .iter()
            .filter(|entry| entry.metrics.as_ref().is_ok_and(|metrics| metrics.pass == wanted))
            .count()
    };
    let unreadable = entries.iter().filter(|entry| entry.metrics.is_err()).count();
    let (passed, missed, unjudged) = (count(Some(true)), count(Some(false)), count(None));
    let (tone, head) = match () {
        () if entries.is_empty() => (Tone::Caution, "Nothing has been run yet"),
        () if missed + unreadable > 0 => (Tone::Bad, "\u{2717} Fail"),
        () if unjudged > 0 => (Tone::Caution, "Not judged"),
        () => (Tone::Good, "\u{2713} Pass"),
    };
    let mut parts = Vec::new();
    for (count, words) in [
        (passed, "met all bands"),
        (missed, "missed a band"),
        (
            unjudged,
            "ran without a verdict: a quick run shows that the code works, and its figures are no results",
        ),
        (unreadable, "could not be read"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    }
    page.banner(tone, head, parts.join(", "));
}

fn section(out: &mut String, entry: &Entry) {
    let directory = escape(&entry.directory);
    let known = EXPERIMENTS.iter().find(|known| is_of(&entry.directory, known));
    let title = match (known, &entry.metrics) {
        (Some(known), Ok(metrics)) => match metrics.name.strip_prefix(known.name) {
            Some(set) if !set.is_empty() => format!("{}: {}", known.title, &set[1..]),
            _ => known.title.to_owned(),
        },
        (Some(known), Err(_)) => known.title.to_owned(),
        (None, _) => entry.directory.clone(),
    };
    let title = escape(&title);
    let metrics = match &entry.metrics {
        Ok(metrics) => metrics,
        Err(reason) => {
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "<section class=\"work\"><h2>{title}<span class=\"badge fail\">unreadable</span></h2>\n\
                 <p>{directory}/metrics.json: {}. Delete the directory and run it again.</p></section>",
                escape(reason)
            );
            return;
        }
    };
    let (class, words) = verdict(metrics.pass);
    let _ = write!(
        out,
        "<section class=\"work\">\n<h2><a href=\"{directory}/report.html\">{title}</a><span class=\"badge {class}\">{words}</span></h2>\n\
         <p class=\"meta\">{directory} \u{b7} seed {} \u{b7} version {} \u{b7} {}</p>\n",
        metrics.seed,
        escape(&metrics.version),
        minutes(metrics.seconds),
    );
    if let Some(known) = known {
        claims(out, entry, known);
    }
    let _ = write!(
        out,
        "<div class=\"scroll\"><table>\n<thead><tr><th>measure</th><th class=\"number\">value</th><th>unit</th>\
         <th>band</th><th>verdict</th></tr></thead>\n<tbody>\n"
    );
    for figure in &metrics.figures {
        let (class, words) = if figure.band.is_some() { verdict(figure.pass) } else { ("none", "") };
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td class=\"number\">{}</td><td>{}</td><td class=\"band\">{}</td><td class=\"{class}\">{words}</td></tr>",
            inline(&symbols(&figure.name)),
            value(figure.value),
            inline(&figure.unit),
            figure.band.map_or_else(|| "reported".to_owned(), band),
        );
    }
    out.push_str("</tbody>\n</table></div>\n<details>\n<summary>Settings</summary>\n");
    out.push_str(&settings_table(metrics));
    out.push_str("</details>\n</section>\n");
}

/// What the paper shows, in words, and ours below.
fn claims(out: &mut String, entry: &Entry, known: &Experiment) {
    for claim in known.claims.iter().filter(|claim| entry.plots.iter().any(|plot| plot == claim.plot)) {
        let (directory, plot, says) = (escape(&entry.directory), escape(claim.plot), escape(claim.says));
        let _ = writeln!(
            out,
            "<figure>\n<figcaption><strong>The paper.</strong> {says} <strong>Ours:</strong></figcaption>\n\
             <div class=\"card\"><img src=\"{directory}/{plot}\" alt=\"{plot} of {directory}\"/></div>\n</figure>"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;

    fn index(dir: &Path) -> String {
        let page = std::fs::read_to_string(write(dir).unwrap()).unwrap();
        roxmltree::Document::parse(&page[page.find("<html").unwrap()..]).unwrap();
        page
    }

    #[test]
    fn reports_are_listed_in_the_order_of_the_registry() {
        let dir = tempfile::tempdir().unwrap();
        for (name, value) in [("predictive-coding", 0.5), ("synapse", 0.5), ("another", 2.0)] {
            Report::new(name, name, 1, false)
                .figure("f", value, "ms", Some([0.0, 1.0]))
                .write(dir.path())
                .unwrap();
        }
        let page = index(dir.path());
        let place = |name: &str| page.find(&format!("href=\"{name}/report.html\"")).unwrap();
        assert!(
            place("synapse") < place("predictive-coding") && place("predictive-coding") < place("another")
        );
        assert!(page.contains("2 met all bands, 1 missed a band"), "{page}");
    }

    #[test]
    fn the_paper_stands_beside_our_figures_where_there_are_any() {
        let dir = tempfile::tempdir().unwrap();
        let mut report = Report::new("synapse", "", 1, false);
        report.setting("gate width", 0.25).write(dir.path()).unwrap();
        assert!(!index(dir.path()).contains("The paper."));
        report.plot("depolarisations", "", "", "<svg/>").write(dir.path()).unwrap();
        let page = index(dir.path());
        assert!(
            page.contains("The paper.") && page.contains("src=\"synapse/depolarisations.svg\""),
            "{page}"
        );
        assert!(page.contains("<td>gate width</td><td>0.25</td>"), "{page}");
    }

    #[test]
    fn a_quick_run_is_never_a_pass() {
        let dir = tempfile::tempdir().unwrap();
        Report::new("synapse", "", 1, true).figure("f", 0.5, "", Some([0.0, 1.0])).write(dir.path()).unwrap();
        let page = index(dir.path());
        assert!(page.contains("Not judged") && !page.contains("\u{2713}"));
    }

    #[test]
    fn broken_metrics_are_shown_not_hidden() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("synapse")).unwrap();
        std::fs::write(dir.path().join("synapse").join("metrics.json"), "{").unwrap();
        assert!(index(dir.path()).contains("unreadable"));
    }

    #[test]
    fn a_verdict_that_its_figures_do_not_have_is_none() {
        let dir = tempfile::tempdir().unwrap();
        Report::new("synapse", "", 1, false)
            .figure("f", 2.0, "", Some([0.0, 1.0]))
            .write(dir.path())
            .unwrap();
        assert!(index(dir.path()).contains("Fail"));
        let path = dir.path().join("synapse").join("metrics.json");
        let honest = std::fs::read_to_string(&path).unwrap();
        for forged in
            [honest.replace("false", "true"), honest.replacen("\"pass\": false", "\"pass\": true", 1)]
        {
            assert_ne!(forged, honest);
            std::fs::write(&path, forged).unwrap();
            let page = index(dir.path());
            assert!(page.contains("unreadable") && page.contains("not those of its figures"), "{page}");
        }
    }

    #[test]
    fn an_empty_directory_has_a_page_too() {
        let dir = tempfile::tempdir().unwrap();
        assert!(index(&dir.path().join("new")).contains("Nothing has been run yet"));
    }
}
