//! Figures on pages that a run of the reproduction gave. `docs/results/NAME.json` has the metrics of the run that is quoted, with its date
//! and the kind of machine. A mark behind a figure names experiment and metric, and renderers do not show it:
//!
//! ```text
//! 98.8, 98.7, 98.7 %<!-- yin-yang: seed *: accuracy on 10000 points -->
//! ```
//!
//! A star stands for any text, and a name with a star for all metrics that it fits, in the order of the run; several names are separated
//! by semicolons. `least of`, `largest of`, `met of` and `judged of` before a name make one number of all that it fits: the last two count
//! bands. Where no metrics were kept, the mark names the date of the run instead, `<!-- delayed-xor-seeds of 2026-11-28 -->`; experiments
//! that may do so are listed below.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::scan;

/// The folder of the metrics that pages quote.
pub(crate) const FOLDER: &str = "docs/results";

/// Experiments whose figures are quoted without metrics: runs of hours from before metrics were kept. Whoever runs one again keeps
/// its metrics by `cargo xtask keep` and takes it off this list.
const DATED: [&str; 2] = ["delayed-xor", "delayed-xor-seeds"];

/// Rows of tables of results that name one of these have no mark yet: the metrics of `three-factors` and `plausible-rules` were not kept.
const NOT_YET: [&str; 3] = ["three-factors", "plausible-rules", "docs/accumulation.md"];

/// The metrics of a run that pages quote.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Run {
    figures: Vec<Figure>,
}

#[derive(Clone, Debug, PartialEq)]
struct Figure {
    name: String,
    value: Option<f64>,
    unit: String,
    band: Option<[f64; 2]>,
    pass: Option<bool>,
    /// Whether it is one number of several metrics.
    is_summary: bool,
}

/// What pages may quote: runs whose metrics were kept, and the names of all experiments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) runs: BTreeMap<String, Run>,
    pub(crate) experiments: BTreeSet<String>,
}

impl Run {
    /// Reads a file of [`FOLDER`]. `name` is that of the file, without its ending.
    pub(crate) fn read(name: &str, text: &str) -> Result<Self, String> {
        let file: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
        for key in ["date", "machine"] {
            if file[key].as_str().is_none_or(str::is_empty) {
                return Err(format!("`{key}` is missing"));
            }
        }
        let metrics = &file["metrics"];
        if metrics["name"] != name {
            return Err(format!("the metrics are those of {}", metrics["name"]));
        }
        if metrics["settings"]["quick"] != false {
            return Err("figures of a quick run are no results".to_owned());
        }
        let figures = metrics["figures"].as_array().ok_or("`figures` are missing")?;
        let band = |value: &Value| Some([value[0].as_f64()?, value[1].as_f64()?]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let figures = figures.iter().map(|figure| Figure {
            name: text(&figure["name"]),
            value: figure["value"].as_f64(),
            unit: text(&figure["unit"]),
            band: band(&figure["band"]),
            pass: figure["pass"].as_bool(),
            is_summary: false,
        });
        Ok(Self { figures: figures.collect() })
    }

    /// The figures that a name in a mark stands for.
    fn named(&self, name: &str) -> Result<Vec<Figure>, String> {
        let (what, pattern) = match name.split_once(" of ") {
            Some((what @ ("least" | "largest" | "met" | "judged"), pattern)) => (Some(what), pattern),
            _ => (None, name),
        };
        let found: Vec<&Figure> = self.figures.iter().filter(|figure| fits(pattern, &figure.name)).collect();
        if found.is_empty() {
            return Err(format!("the run has no metric `{pattern}`"));
        }
        let Some(what) = what else { return Ok(found.into_iter().cloned().collect()) };
        let values = || found.iter().filter_map(|figure| figure.value);
        let count = |which: &dyn Fn(&&&Figure) -> bool| Some(found.iter().filter(which).count() as f64);
        let value = match what {
            "least" => values().reduce(f64::min),
            "largest" => values().reduce(f64::max),
            "met" => count(&|figure| figure.pass == Some(true)),
            _ => count(&|figure| figure.pass.is_some()),
        };
        let is_count = matches!(what, "met" | "judged");
        let unit = if is_count { String::new() } else { found[0].unit.clone() };
        Ok(vec![Figure { name: name.to_owned(), value, unit, band: None, pass: None, is_summary: true }])
    }
}

/// The names of all experiments, in the source of their registry.
pub(crate) fn experiments(source: &str) -> BTreeSet<String> {
    let names = source.split("name: \"").skip(1).filter_map(|rest| rest.split('"').next());
    names.map(str::to_owned).collect()
}

/// Whether a name fits a pattern whose stars stand for any text.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            ends.into_iter().any(|at| fits(rest, &name[at..]))
        }),
    }
}

/// A mark on a page.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mark<'a> {
    line: usize,
    /// From the end of the mark, cell or paragraph before to the mark.
    before: &'a str,
    /// The row of a table that it stands in.
    row: Option<&'a str>,
    experiment: &'a str,
    /// The metrics, or the date of a run whose metrics were not kept.
    names: Result<&'a str, &'a str>,
}

/// The marks of a page: comments that begin with the name of an experiment, or what looks like one.
fn marks<'a>(page: &'a str, experiments: &BTreeSet<String>) -> Vec<Mark<'a>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut fenced = false;
    for (index, line) in page.lines().enumerate() {
        let at = line.as_ptr() as usize - page.as_ptr() as usize;
        let is_row = line.trim_start().starts_with('|');
        fenced ^= line.trim_start().starts_with("```");
        if fenced || is_row || line.trim().is_empty() {
            start = at;
        }
        if fenced {
            continue;
        }
        let mut offset = 0;
        while let Some(open) = line[offset..].find("<!-- ").map(|open| offset + open) {
            let Some(close) = line[open..].find("-->").map(|close| open + close) else { break };
            let inner = line[open + 5..close].trim();
            if is_row && let Some(bar) = line[offset..open].rfind('|') {
                start = at + offset + bar + 1;
            }
            let word = inner.split([':', ' ']).next().unwrap_or_default();
            let names = inner[word.len()..]
                .strip_prefix(": ")
                .map(Ok)
                .or_else(|| inner[word.len()..].strip_prefix(" of ").map(Err));
            // Other comments have meanings of their own.
            let is_other = ["code", "region", "results", "endregion"].contains(&word);
            if let Some(names) = names.filter(|_| !is_other || experiments.contains(word)) {
                let before = &page[start..at + open];
                let row = is_row.then_some(line);
                found.push(Mark { line: index + 1, before, row, experiment: word, names });
            }
            offset = close + 3;
            start = at + offset;
        }
    }
    found
}

/// A number on a page, and how many of its digits stand behind the point, times ten to its exponent.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Number {
    value: f64,
    /// The unit of its last digit.
    last: f64,
}

/// The numbers of a text, and what follows the last one. Code is not searched, nor are links.
fn numbers(text: &str) -> (Vec<Number>, &str) {
    let (mut found, mut rest) = (Vec::new(), text);
    let (mut at, mut code) = (0, false);
    let bytes = text.as_bytes();
    while at < text.len() {
        let word_before = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        match bytes[at] {
            b'`' => code = !code,
            b']' if text[at..].starts_with("](") => {
                at += text[at..].find(')').unwrap_or(text.len() - at - 1);
            }
            b'0'..=b'9' if !code && !word_before => {
                let digits = |at: usize| bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let mut end = at + digits(at);
                let mut decimals = 0;
                if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
                    decimals = digits(end + 1);
                    end += 1 + decimals;
                }
                let mut exponent = 0i32;
                if let Some(rest) = text[end..].strip_prefix('e') {
                    let sign = usize::from(rest.starts_with('-'));
                    let length = sign + rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
                    if let Ok(power) = rest[..length].parse() {
                        exponent = power;
                        end += 1 + length;
                    }
                }
                let sign =
                    if text[..at].ends_with(['-', '\u{2212}']) && !dash(&text[..at]) { -1.0 } else { 1.0 };
                let value: f64 = text[at..end].parse().unwrap_or(f64::NAN);
                found.push(Number { value: sign * value, last: 10f64.powi(exponent - decimals as i32) });
                rest = &text[end..];
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    (found, rest)
}

/// Whether the sign at the end of a text joins two words or numbers.
fn dash(text: &str) -> bool {
    let before = text.chars().rev().nth(1);
    before.is_some_and(|c| c.is_alphanumeric())
}

/// Whether a figure on a page is a value, rounded as the page rounds. `percent`: the page has a part as per cent.
fn agrees(number: Number, value: f64, percent: bool) -> bool {
    let value = if percent { 100.0 * value } else { value };
    (number.value - value).abs() <= 0.5 * number.last * (1.0 + 1e-9)
}

/// What is wrong with the figures of a page, each with its place.
pub(crate) fn check(name: &str, page: &str, known: &Known) -> Vec<String> {
    let mut found = Vec::new();
    let marks = marks(page, &known.experiments);
    for mark in &marks {
        if let Err(why) = check_mark(mark, page, known) {
            found.push(format!("{name}:{}: {why}", mark.line));
        }
    }
    found.extend(unmarked(page, &marks).into_iter().map(|(line, row)| {
        format!(
            "{name}:{line}: no mark says which run gave this row: {row}. Put `<!-- EXPERIMENT: METRIC -->` behind its figures, \
             or `<!-- EXPERIMENT of DATE -->`"
        )
    }));
    found
}

/// The names of the runs that a page quotes.
pub(crate) fn quoted(page: &str, known: &Known) -> BTreeSet<String> {
    let marks = marks(page, &known.experiments);
    marks.into_iter().filter(|mark| mark.names.is_ok()).map(|mark| mark.experiment.to_owned()).collect()
}

fn check_mark(mark: &Mark<'_>, page: &str, known: &Known) -> Result<(), String> {
    let experiment = mark.experiment;
    let is_known = |name: &str| {
        // An experiment with several data sets has a run for each.
        known.experiments.iter().any(|known| name == known || name.starts_with(&format!("{known}-")))
    };
    if !is_known(experiment) {
        return Err(format!("the mark names `{experiment}`, and no experiment has that name"));
    }
    let run = known.runs.get(experiment);
    let names = match (mark.names, run) {
        (Ok(names), Some(_)) => names,
        (Ok(_), None) => {
            return Err(format!("there is no {FOLDER}/{experiment}.json; `cargo xtask keep` writes it"));
        }
        (Err(_), Some(_)) => {
            return Err(format!("the metrics of `{experiment}` are in {FOLDER}: name them in the mark"));
        }
        (Err(date), None) if !DATED.contains(&experiment) => {
            return Err(format!("`{experiment}` of {date} has to keep its metrics: `cargo xtask keep`"));
        }
        (Err(date), None) if !is_date(date) => {
            return Err(format!("`{date}` is no date, such as 2026-11-28"));
        }
        (Err(_), None) => return Ok(()),
    };
    let run = run.ok_or("no run")?;
    let mut figures = Vec::new();
    for name in names.split(';') {
        figures.extend(run.named(name.trim())?);
    }
    let (numbers, rest) = numbers(mark.before);
    let is_cell = mark.row.is_some();
    if numbers.len() < figures.len() || (is_cell && numbers.len() != figures.len()) {
        return Err(format!(
            "the mark stands for {} figures of `{experiment}`, and {} stand before it",
            figures.len(),
            numbers.len()
        ));
    }
    let rest = rest.trim_start();
    let percent = rest.starts_with('%');
    if let Some(last) = figures.last().filter(|last| !last.unit.is_empty() && !rest.starts_with(&last.unit)) {
        return Err(format!("the unit of `{}` is {}, and does not follow its figure", last.name, last.unit));
    }
    for (number, figure) in numbers[numbers.len() - figures.len()..].iter().zip(&figures) {
        let percent = percent && figure.unit != "%";
        let Some(value) = figure.value else {
            return Err(format!("`{}` of `{experiment}` is no number", figure.name));
        };
        if !agrees(*number, value, percent) {
            let value = if percent { 100.0 * value } else { value };
            return Err(format!(
                "{} is not `{}` of `{experiment}`, which is {value}",
                number.value, figure.name
            ));
        }
    }
    if let Some(row) = mark.row {
        check_band(mark.line, row, page, &figures, percent)?;
    }
    Ok(())
}

/// Whether a row of a table with bands states the band that its figures were judged by, and says so where one is missed.
fn check_band(line: usize, row: &str, page: &str, figures: &[Figure], percent: bool) -> Result<(), String> {
    let lines: Vec<&str> = page.lines().take(line).collect();
    let head = lines.iter().rposition(|line| line.starts_with("|---")).and_then(|at| at.checked_sub(1));
    let Some(head) = head.and_then(|head| lines.get(head)) else { return Ok(()) };
    let Some(column) = cells(head).iter().position(|cell| *cell == "band") else { return Ok(()) };
    if figures.iter().any(|figure| figure.pass == Some(false)) && !row.contains("missed") {
        return Err("a figure of this row missed its band; the row has to say `missed`".to_owned());
    }
    let cells = cells(row);
    let (stated, _) = numbers(cells.get(column).copied().unwrap_or_default());
    for figure in figures {
        let scale = |end: f64| if percent && figure.unit != "%" { 100.0 * end } else { end };
        let is_end = |number: &Number, band: [f64; 2]| {
            band.iter().any(|&end| (scale(end) - number.value).abs() <= 1e-9 * number.value.abs().max(1.0))
        };
        match (stated.first(), figure.band) {
            (Some(number), Some(band)) if !is_end(number, band) => {
                return Err(format!(
                    "the band of `{}` is {} to {}",
                    figure.name,
                    scale(band[0]),
                    scale(band[1])
                ));
            }
            (Some(_), None) if !figure.is_summary => {
                return Err(format!("`{}` was judged by no band", figure.name));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The cells of a row.
fn cells(row: &str) -> Vec<&str> {
    row.trim().trim_matches('|').split('|').map(str::trim).collect()
}

/// Rows of the tables between `<!-- results` and `<!-- /results -->` without a mark, with what they begin with.
fn unmarked<'a>(page: &'a str, marks: &[Mark<'_>]) -> Vec<(usize, &'a str)> {
    let (mut found, mut inside, mut rows, mut first, mut is_coming) = (Vec::new(), false, 0, "", false);
    for (index, line) in page.lines().enumerate() {
        if line.starts_with("<!-- results") || line.starts_with("<!-- /results") {
            inside = line.starts_with("<!-- results");
        }
        if !(inside && line.starts_with('|')) {
            rows = 0;
            continue;
        }
        rows += 1;
        // The head, and the line below it.
        if rows <= 2 {
            continue;
        }
        // A row whose first cell is empty belongs to the one above.
        let cell = cells(line).first().copied().unwrap_or_default();
        let names_one = NOT_YET.iter().any(|name| line.contains(name));
        if !cell.is_empty() {
            (first, is_coming) = (cell, false);
        }
        is_coming |= names_one;
        let is_marked = marks.iter().any(|mark| mark.line == index + 1);
        if !is_marked && !is_coming {
            found.push((index + 1, first));
        }
    }
    found
}

/// Whether a text is a day, `2026-11-28`.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    matches!(parts[..], [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2))
}

/// `keep`: writes the metrics of finished runs into [`FOLDER`]. The date is that of the run, which its file has.
pub(crate) fn keep(root: &Path, directories: &[std::path::PathBuf], machine: &str) -> Result<(), String> {
    let target = root.join(FOLDER);
    std::fs::create_dir_all(&target).map_err(|error| format!("{}: {error}", target.display()))?;
    for directory in directories {
        let path = directory.join("metrics.json");
        let at = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|error| at(&error))?;
        let mut metrics: Value = serde_json::from_str(&text).map_err(|error| at(&error))?;
        // Where data lay on one machine says nothing elsewhere.
        if let Some(settings) = metrics["settings"].as_object_mut() {
            settings.retain(|_, value| scan::machine_paths(value.to_string().as_bytes()).is_empty());
        }
        let written = path.metadata().and_then(|metadata| metadata.modified()).map_err(|error| at(&error))?;
        let seconds = written.duration_since(std::time::UNIX_EPOCH).map_err(|error| at(&error))?.as_secs();
        let name = metrics["name"].as_str().unwrap_or_default().to_owned();
        let file =
            serde_json::json!({ "date": day(seconds / 86_400), "machine": machine, "metrics": metrics });
        let text = serde_json::to_string_pretty(&file).map_err(|error| at(&error))? + "\n";
        Run::read(&name, &text).map_err(|error| at(&error))?;
        let to = target.join(format!("{name}.json"));
        std::fs::write(&to, text).map_err(|error| format!("{}: {error}", to.display()))?;
        println!("{}", to.display());
    }
    Ok(())
}

/// The day, `2026-11-28`, so many days after the first of January 1970 (Hinnant's algorithm).
fn day(days: u64) -> String {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + 400 * era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = r#"{"date": "2026-11-29", "machine": "m", "metrics": {"name": "fall", "settings": {"quick": false}, "figures": [
        {"name": "seed 1: time", "value": 2.0249, "unit": "", "band": [1.9, 2.1], "pass": true},
        {"name": "seed 2: time", "value": 2.0351, "unit": "", "band": [1.9, 2.1], "pass": true},
        {"name": "right", "value": 0.98449, "unit": "", "band": [0.97, 1.0], "pass": true},
        {"name": "rate", "value": 36.69, "unit": "Hz", "band": null, "pass": null},
        {"name": "error", "value": 5.2e-15, "unit": "", "band": [0.0, 1e-15], "pass": false},
        {"name": "lost", "value": null, "unit": "", "band": null, "pass": null}]}}"#;

    fn known() -> Known {
        let experiments = ["fall", "jump", "delayed-xor"].map(str::to_owned).into_iter().collect();
        Known { runs: BTreeMap::from([("fall".to_owned(), Run::read("fall", RUN).unwrap())]), experiments }
    }

    fn found(page: &str) -> Vec<String> {
        check("a.md", page, &known())
    }

    /// That a page has one mistake, which is told with its line and these words.
    fn refused(page: &str, line: usize, words: &str) {
        let found = found(page);
        assert_eq!(found.len(), 1, "{page}\n{found:?}");
        assert!(found[0].starts_with(&format!("a.md:{line}: ")) && found[0].contains(words), "{found:?}");
    }

    /// A table of results with this row.
    fn table(row: &str) -> String {
        format!(
            "<!-- results -->\n\n| measure | band | measured |\n|---|---|---|\n{row}\n\n<!-- /results -->\n"
        )
    }

    #[test]
    fn figures_that_round_to_their_metrics_pass() {
        for page in [
            "It takes 2.02<!-- fall: seed 1: time --> s, or 2.0 and\n2.04<!-- fall: seed *: time --> s.",
            "36.7 Hz<!-- fall: rate -->, 98.4 %<!-- fall: right -->, 5e-15<!-- fall: error --> and 0.984<!-- fall: right -->",
            "from 2.02 to 2.04<!-- fall: least of seed *: time; largest of seed *: time -->, 3 of 4<!-- fall: met of *; judged of * -->",
            "80 neurons answer 97 %<!-- delayed-xor of 2026-11-28 -->",
            "```text\n1<!-- fall: rate -->\n```",
            "| a | b |\n|---|---|\n| error | 5e-15<!-- fall: error --> |",
            &table("| time | at most 2.1 | 2.02, 2.04<!-- fall: seed *: time --> |"),
            &table("| right answers | at least 97 % | 98.4 %<!-- fall: right --> |"),
            &table("| error | at most 1e-15 | 5.2e-15: missed<!-- fall: error --> |"),
            &table(
                "| rate | for comparison | 37 Hz<!-- fall: rate --> |\n| right | | 98.4 %<!-- fall: right --> |",
            ),
            &table("| **A rule**: `three-factors` | | 1 |\n| | | 2 |"),
        ] {
            assert_eq!(found(page), [""; 0], "{page}");
        }
    }

    #[test]
    fn a_figure_that_does_not_round_to_its_metric_is_refused() {
        refused("a\n2.03<!-- fall: seed 1: time -->", 2, "2.03 is not `seed 1: time`");
        refused("2.02, 2.03<!-- fall: seed *: time -->", 1, "2.03 is not `seed 2: time`");
        refused("98.5 %<!-- fall: right -->", 1, "98.5 is not `right`");
        // Rounded once, and not twice.
        refused("98.5 %<!-- fall: right -->", 1, "98.449");
        refused("-2.02<!-- fall: seed 1: time -->", 1, "-2.02 is not");
        refused("4<!-- fall: met of * -->", 1, "4 is not `met of *`");
        refused("0<!-- fall: lost -->", 1, "no number");
    }

    #[test]
    fn a_mark_that_names_nothing_is_refused() {
        refused("2.0<!-- fail: seed 1: time -->", 1, "no experiment has that name");
        refused("2.0<!-- fall: seed 3: time -->", 1, "no metric `seed 3: time`");
        refused("2.0<!-- jump: height -->", 1, "no docs/results/jump.json");
        refused("2.0<!-- jump of 2026-11-28 -->", 1, "has to keep its metrics");
        refused("2.0<!-- fall of 2026-11-28 -->", 1, "name them in the mark");
        refused("2.0<!-- delayed-xor of November -->", 1, "is no date");
        refused("so<!-- fall: rate -->", 1, "1 figures of `fall`, and 0 stand before it");
        refused("3 and `4`\n\nor<!-- fall: rate -->", 3, "0 stand before it");
        refused("36.7<!-- fall: rate -->", 1, "the unit of `rate` is Hz");
    }

    #[test]
    fn a_row_of_results_without_a_mark_is_refused() {
        refused(&table("| time | at most 2.1 | 2.02 s |"), 5, "no mark says which run gave this row: time");
        refused(&table("| rate | | 37 Hz<!-- fall: rate --> |\n| | | 3 |"), 6, "this row: rate");
        refused(&table("| `three-factors` | | 1 |\n| | | 2 |\n| time | | 3 |"), 7, "this row: time");
        refused(
            &table("| time | at most 2.1 | 2.0, 2.02, 2.04<!-- fall: seed *: time --> |"),
            5,
            "3 stand before",
        );
        // A table of something else needs no mark.
        assert_eq!(found("| a | b |\n|---|---|\n| 1 | 2 |\n"), [""; 0]);
    }

    #[test]
    fn a_band_that_the_run_did_not_have_is_refused() {
        refused(&table("| time | at most 2.2 | 2.02, 2.04<!-- fall: seed *: time --> |"), 5, "is 1.9 to 2.1");
        refused(&table("| rate | at most 40 Hz | 36.7 Hz<!-- fall: rate --> |"), 5, "judged by no band");
        refused(&table("| error | at most 1e-15 | 5.2e-15<!-- fall: error --> |"), 5, "has to say `missed`");
    }

    #[test]
    fn runs_that_are_no_results_are_refused() {
        let read = |from: &str, to: &str| Run::read("fall", &RUN.replace(from, to)).unwrap_err();
        assert!(read("\"quick\": false", "\"quick\": true").contains("quick run"));
        assert!(read("\"name\": \"fall\"", "\"name\": \"jump\"").contains("jump"));
        assert!(read("2026-11-29", "").contains("`date` is missing"));
        assert!(read("\"machine\": \"m\", ", "").contains("`machine` is missing"));
    }

    #[test]
    fn experiments_are_those_of_the_registry() {
        let source =
            "Experiment {\n    name: \"fall\",\n    title: \"A stone\",\n},\nExperiment { name: \"jump\" }";
        assert_eq!(experiments(source).into_iter().collect::<Vec<_>>(), ["fall", "jump"]);
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (days, expected) in
            [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_786, "2026-11-29")]
        {
            assert_eq!(day(days), expected);
        }
    }

    #[test]
    fn metrics_are_kept_with_the_day_of_their_run() {
        let root = std::env::temp_dir().join(format!("spikegrad-keep-{}", std::process::id()));
        let run = root.join("fall");
        std::fs::create_dir_all(&run).unwrap();
        let mut metrics = serde_json::from_str::<Value>(RUN).unwrap()["metrics"].clone();
        metrics["settings"]["data"] = format!("/{}/x", "home").into();
        let metrics = metrics.to_string();
        std::fs::write(run.join("metrics.json"), &metrics).unwrap();
        keep(&root, std::slice::from_ref(&run), "a machine").unwrap();
        let kept = std::fs::read_to_string(root.join(FOLDER).join("fall.json")).unwrap();
        assert_eq!(Run::read("fall", &kept).unwrap(), Run::read("fall", RUN).unwrap());
        assert!(!kept.contains("data"), "{kept}");
        let date = serde_json::from_str::<Value>(&kept).unwrap()["date"].as_str().unwrap().to_owned();
        assert!(is_date(&date) && date.as_str() >= "2026", "{date}");
        std::fs::write(run.join("metrics.json"), metrics.replace("false", "true")).unwrap();
        assert!(keep(&root, std::slice::from_ref(&run), "a machine").unwrap_err().contains("quick run"));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
