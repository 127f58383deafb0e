//! The page: one file without scripts, fonts or anything else to load.

use std::fmt::Write as _;

use serde_json::Value;

use super::numbers::{band, minutes, value};
use super::{Metrics, Report, Section};
use crate::markup::{escape, inline};

/// The look of every page.
pub(crate) const STYLE: &str = include_str!("style.css");

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
    let mut out = String::new();
    let title = escape(&report.title);
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<p class=\"kicker\">spikegrad reproduction</p>\n<h1>{title}</h1>\n\
         <p class=\"meta\">{name} \u{b7} seed {seed} \u{b7} version {version} \u{b7} {time}</p>\n</header>\n",
        name = escape(&report.name),
        seed = report.seed,
        version = env!("CARGO_PKG_VERSION"),
        time = minutes(report.seconds),
    );
    banner(&mut out, report);
    figures(&mut out, report);
    for section in &report.sections {
        self::section(&mut out, section);
    }
    settings(&mut out, report);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn banner(out: &mut String, report: &Report) {
    let judged = report.figures.iter().filter(|figure| figure.pass.is_some()).count();
    let missed: Vec<String> = report
        .figures
        .iter()
        .filter(|figure| figure.pass == Some(false))
        .map(|figure| inline(&figure.name))
        .collect();
    let plural = |count: usize| if count == 1 { "band" } else { "bands" };
    let (class, head, rest) = match report.pass() {
        _ if report.quick => (
            "quick",
            "Quick run: not the claim".to_owned(),
            "The same code on much less work. No band is judged; run without <code>--quick</code> to test the claim."
                .to_owned(),
        ),
        Some(true) => ("pass", "\u{2713} Pass".to_owned(), format!("{judged} of {judged} {} met.", plural(judged))),
        Some(false) => (
            "fail",
            "\u{2717} Fail".to_owned(),
            format!("{} of {judged} {} missed: {}.", missed.len(), plural(judged), missed.join("; ")),
        ),
        None => ("quick", "Not judged".to_owned(), "This report has no bands.".to_owned()),
    };
    let _ = writeln!(out, "<div class=\"banner {class}\"><strong>{head}</strong> <span>{rest}</span></div>");
}

fn figures(out: &mut String, report: &Report) {
    if report.figures.is_empty() {
        return;
    }
    out.push_str(
        "<section>\n<h2>Figures</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th>figure</th>\
         <th class=\"number\">value</th><th>unit</th><th>band</th><th>verdict</th></tr></thead>\n<tbody>\n",
    );
    for figure in &report.figures {
        let (class, words) = match (figure.band, figure.pass) {
            (None, _) => ("none", ""),
            (Some(_), pass) => verdict(pass),
        };
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td class=\"number\">{}</td><td>{}</td><td class=\"band\">{}</td><td class=\"{class}\">{words}</td></tr>",
            inline(&figure.name),
            value(Some(figure.value)),
            inline(&figure.unit),
            figure.band.map_or_else(|| "reported".to_owned(), band),
        );
    }
    out.push_str("</tbody>\n</table></div>\n</section>\n");
}

fn section(out: &mut String, section: &Section) {
    let _ = match section {
        Section::Heading(text) => writeln!(out, "<h2>{}</h2>", inline(text)),
        Section::Prose(text) => writeln!(out, "<p>{}</p>", inline(text)),
        Section::Table { caption, header, rows } => {
            let numeric = |column: usize| {
                !rows.is_empty() && rows.iter().all(|row| row.get(column).is_none_or(|cell| is_number(cell)))
            };
            let class = |column: usize| if numeric(column) { " class=\"number\"" } else { "" };
            let _ = write!(
                out,
                "<div class=\"scroll\"><table>\n<caption>{}</caption>\n<thead><tr>",
                inline(caption)
            );
            for (column, name) in header.iter().enumerate() {
                let _ = write!(out, "<th{}>{}</th>", class(column), inline(name));
            }
            out.push_str("</tr></thead>\n<tbody>\n");
            for row in rows {
                out.push_str("<tr>");
                for (column, cell) in row.iter().enumerate() {
                    let _ = write!(out, "<td{}>{}</td>", class(column), inline(cell));
                }
                out.push_str("</tr>\n");
            }
            writeln!(out, "</tbody>\n</table></div>")
        }
        Section::Plot { file, title, caption, svg } => writeln!(
            out,
            "<figure>\n<div class=\"card\">{svg}</div>\n<figcaption><strong>{}</strong> {} <a href=\"{file}\">SVG</a></figcaption>\n</figure>",
            inline(title),
            inline(caption),
        ),
    };
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

fn settings(out: &mut String, report: &Report) {
    out.push_str("<section>\n<h2>Settings</h2>\n");
    settings_table(out, &report.metrics());
    out.push_str("</section>\n");
}

/// Settings, seed, version and wall time as a table.
pub(crate) fn settings_table(out: &mut String, metrics: &Metrics) {
    out.push_str("<div class=\"scroll\"><table class=\"settings\">\n<tbody>\n");
    let rows = metrics.settings.iter().map(|(name, setting)| (name.as_str(), plain(setting)));
    for (name, setting) in rows.chain([
        ("seed", metrics.seed.to_string()),
        ("version", metrics.version.clone()),
        ("wall time", minutes(metrics.seconds)),
    ]) {
        let _ = writeln!(out, "<tr><td>{}</td><td>{}</td></tr>", inline(name), escape(&setting));
    }
    out.push_str("</tbody>\n</table></div>\n");
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
    fn numbers_are_told_from_words() {
        for cell in ["1.5", "-2e-3", "\u{2212}4", "97.1 %", "0.5 \u{b1} 0.1", ""] {
            assert!(is_number(cell), "{cell}");
        }
        for cell in ["a", "3 neurons", "none"] {
            assert!(!is_number(cell), "{cell}");
        }
    }

    #[test]
    fn settings_are_plain() {
        assert_eq!(plain(&serde_json::json!([1, "b", true])), "1, b, yes");
    }
}
