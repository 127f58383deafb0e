//! The page of a report: verdict, figures and their bands, then what the experiment had to say, then settings.

use std::fmt::Write as _;

use serde_json::Value;
use spikegrad_report::markup::inline;
use spikegrad_report::numbers::{minutes, value};
use spikegrad_report::{Page, Section, Tone};

use super::numbers::band;
use super::{Metrics, Report};

/// Class and words of a verdict.
pub(crate) fn verdict(pass: Option<bool>) -> (&'static str, &'static str) {
    match pass {
        Some(true) => ("pass", "\u{2713} pass"),
        Some(false) => ("fail", "\u{2717} missed"),
        None => ("none", "not judged"),
    }
}

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let mut page = Page::new(&report.title);
    page.kicker("spikegrad reproduction").meta([
        report.name.clone(),
        format!("seed {}", report.seed),
        format!("version {}", env!("CARGO_PKG_VERSION")),
        minutes(report.seconds),
    ]);
    banner(&mut page, report);
    if !report.answer.is_empty() {
        page.heading("The answer");
        for text in &report.answer {
            page.prose(symbols(text));
        }
    }
    page.section(Section::Html(figures(report)));
    for section in &report.sections {
        page.section(with_symbols(section));
    }
    let settings = settings_table(&report.metrics());
    page.section(Section::Html(format!("<section>\n<h2>Settings</h2>\n{settings}</section>\n")));
    page.render()
}

fn banner(page: &mut Page, report: &Report) {
    let judged = report.figures.iter().filter(|figure| figure.pass.is_some()).count();
    let missed: Vec<&str> = report
        .figures
        .iter()
        .filter(|figure| figure.pass == Some(false))
        .map(|figure| figure.name.as_str())
        .collect();
    let plural = |count: usize| if count == 1 { "band" } else { "bands" };
    match report.pass() {
        _ if report.quick => page.banner(
            Tone::Caution,
            "Quick run: not judged",
            "The same code did much less work, to show that it runs. Its numbers are no results: run without <code>--quick</code> for those.",
        ),
        Some(true) => {
            page.banner(Tone::Good, "\u{2713} Pass", format!("{judged} of {judged} {} met.", plural(judged)))
        }
        Some(false) => page.banner(
            Tone::Bad,
            "\u{2717} Fail",
            format!("{} of {judged} {} missed: {}.", missed.len(), plural(judged), missed.join("; ")),
        ),
        None => page.banner(Tone::Caution, "Not judged", "This report has no bands."),
    };
}

fn figures(report: &Report) -> String {
    let mut out = String::new();
    if report.figures.is_empty() {
        return out;
    }
    out.push_str(
        "<section>\n<h2>What was measured</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>measure</th>\
         <th class=\"number\">value</th><th>unit</th><th>band</th><th>verdict</th></tr></thead>\n<tbody>\n",
    );
    for figure in &report.figures {
        let (class, words) = match (figure.band, figure.pass) {
            (None, _) => ("none", ""),
            (Some(_), pass) => verdict(pass),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td class=\"number\">{}</td><td>{}</td><td class=\"band\">{}</td><td class=\"{class}\">{words}</td></tr>",
            inline(&symbols(&figure.name)),
            value(Some(figure.value)),
            inline(&figure.unit),
            figure.band.map_or_else(|| "reported".to_owned(), band),
        );
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
    out
}

/// A text in which symbols such as `W_f` and `O^T`, as names of figures have them, become subscripts and superscripts.
pub(crate) fn symbols(text: &str) -> String {
    let mut out = String::new();
    let characters: Vec<char> = text.chars().collect();
    let at = |k: usize| characters.get(k).copied().unwrap_or(' ');
    let mut k = 0;
    while k < characters.len() {
        let is_letter = k > 0
            && at(k - 1).is_alphabetic()
            && (k < 2 || !(at(k - 2).is_alphanumeric() || at(k - 2) == '_'));
        let is_short = at(k + 1).is_alphanumeric() && !at(k + 2).is_alphanumeric() && at(k + 2) != '_';
        match at(k) {
            '_' if is_letter && is_short => out.push_str(&format!("<sub>{}</sub>", at(k + 1))),
            '^' if is_short => out.push_str(&format!("<sup>{}</sup>", at(k + 1))),
            c => {
                out.push(c);
                k += 1;
                continue;
            }
        }
        k += 2;
    }
    out
}

/// A table whose head and cells have the names of figures; other parts have their own indices.
fn with_symbols(section: &Section) -> Section {
    let all = |cells: &[String]| cells.iter().map(|cell| symbols(cell)).collect();
    match section {
        Section::Table { caption, header, rows } => Section::Table {
            caption: symbols(caption),
            header: all(header),
            rows: rows.iter().map(|row| all(row)).collect(),
        },
        other => other.clone(),
    }
}

/// Settings, seed, version and wall time as a table.
pub(crate) fn settings_table(metrics: &Metrics) -> String {
    let settings = metrics.settings.iter().map(|(name, setting)| (name.clone(), plain(setting)));
    let run = [
        ("seed".to_owned(), metrics.seed.to_string()),
        ("version".to_owned(), metrics.version.clone()),
        ("wall time".to_owned(), minutes(metrics.seconds)),
    ];
    Section::Settings(settings.chain(run).collect()).html()
}

/// A setting as text: strings without quotes, lists with commas.
fn plain(setting: &Value) -> String {
    match setting {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Null => "none".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_have_their_indices() {
        for (text, expected) in [
            ("bias W_f", "bias W<sub>f</sub>"),
            ("O against U^T: mean", "O against U<sup>T</sup>: mean"),
            ("bias of |mean|^2 over n", "bias of |mean|<sup>2</sup> over n"),
            ("|d_I f p_v|", "|d<sub>I</sub> f p<sub>v</sub>|"),
            ("cell.tau_v, tau_f, W_, 2^10, a_b_c", "cell.tau_v, tau_f, W_, 2^10, a_b_c"),
        ] {
            assert_eq!(symbols(text), expected);
        }
    }

    #[test]
    fn settings_are_plain() {
        assert_eq!(plain(&serde_json::json!([1, "b", true])), "1, b, yes");
    }
}
