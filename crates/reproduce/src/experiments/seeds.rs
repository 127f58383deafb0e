//! An experiment repeated on consecutive seeds: every figure of every seed against its band, how each figure spreads, and
//! how many seeds meet all of their bands.

use spikegrad_report::numbers::value;

use crate::report::{Report, band};

/// A figure that every seed has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measure {
    /// The name of the figure.
    pub(super) name: &'static str,
    /// The unit; may be empty.
    pub(super) unit: &'static str,
    /// The band, both ends inclusive; `None` for a figure that is only reported.
    pub(super) band: Option<[f64; 2]>,
}

impl Measure {
    /// Whether a value meets the band. Not a number meets none.
    pub(super) fn met(&self, value: f64) -> bool {
        self.band.is_none_or(|[low, high]| value.is_finite() && low <= value && value <= high)
    }
}

/// A measure, and what it is among the figures `F` of a seed.
pub(super) type Judged<F> = (Measure, fn(&F) -> f64);

/// An entry of a table of measures.
pub(super) const fn judged<F: ?Sized>(
    name: &'static str,
    unit: &'static str,
    band: Option<[f64; 2]>,
    of: fn(&F) -> f64,
) -> Judged<F> {
    (Measure { name, unit, band }, of)
}

/// What is said of how a figure spreads.
const SPREAD: [&str; 3] = ["least", "median", "largest"];

/// The figures of several seeds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seeds {
    measures: Vec<Measure>,
    rows: Vec<(u64, Vec<f64>)>,
}

impl Seeds {
    /// No seeds yet.
    pub(super) fn new(measures: impl IntoIterator<Item = Measure>) -> Self {
        Self { measures: measures.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds the figures of a seed, in the order of the measures. A figure that is left out is missing, which meets no band.
    pub(super) fn push(&mut self, seed: u64, values: impl IntoIterator<Item = f64>) {
        let values = values.into_iter().chain(std::iter::repeat(f64::NAN)).take(self.measures.len());
        self.rows.push((seed, values.collect()));
    }

    /// The seeds that miss a band, with the measures and the values that miss.
    pub(super) fn missed(&self) -> Vec<(u64, Vec<(&Measure, f64)>)> {
        let missed = self.rows.iter().map(|(seed, values)| {
            let pairs = self.measures.iter().zip(values.iter().copied());
            (*seed, pairs.filter(|(measure, value)| !measure.met(*value)).collect::<Vec<_>>())
        });
        missed.filter(|(_, figures)| !figures.is_empty()).collect()
    }

    /// How many seeds meet every band.
    pub(super) fn meet(&self) -> usize {
        self.rows.len() - self.missed().len()
    }

    /// Least, median and largest value of a measure. A value that is not a number is sorted to an end, where it shows.
    fn spread(&self, measure: usize) -> [f64; 3] {
        let mut sorted: Vec<f64> = self.rows.iter().map(|(_, values)| values[measure]).collect();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return [f64::NAN; 3] };
        [sorted[0], 0.5 * (sorted[last / 2] + sorted[last.div_ceil(2)]), sorted[last]]
    }

    /// Writes the verdict, that at least `needed` seeds meet every band, what missed, the spread and the table. `who` says
    /// what is repeated and stands before the names of the figures.
    pub(super) fn report(&self, report: &mut Report, who: &str, needed: usize) {
        let all = self.rows.len();
        report.figure(
            format!("{who}seeds that meet every band, of {all}"),
            self.meet() as f64,
            "",
            Some([needed as f64, all as f64]),
        );
        let missed = self.missed();
        for (seed, figures) in &missed {
            for (measure, value) in figures {
                report.figure(
                    format!("{who}missed by seed {seed}: {}", measure.name),
                    *value,
                    measure.unit,
                    None,
                );
            }
        }
        for (k, measure) in self.measures.iter().enumerate() {
            for (name, value) in SPREAD.into_iter().zip(self.spread(k)) {
                report.figure(format!("{who}{}: {name}", measure.name), value, measure.unit, None);
            }
        }
        let name = |measure: &Measure| match measure.unit {
            "" => measure.name.to_owned(),
            unit => format!("{} ({unit})", measure.name),
        };
        let names: Vec<String> = self.measures.iter().map(name).collect();
        let names = names.iter().map(String::as_str);
        let head: Vec<&str> = std::iter::once("seed").chain(names).chain(["bands"]).collect();
        report.table(
            "Every figure of every seed, and how the figures spread. A figure in bold misses the band that stands below it.",
            &head,
            self.rows(),
        );
    }

    /// The rows of the table: seeds, spread, bands.
    fn rows(&self) -> Vec<Vec<String>> {
        let mut rows: Vec<_> = self.rows.iter().map(|(seed, values)| self.row(*seed, values)).collect();
        let row = |name: &str, cell: &dyn Fn(usize) -> String| {
            let cells = (0..self.measures.len()).map(cell);
            std::iter::once(name.to_owned()).chain(cells).chain([String::new()]).collect::<Vec<_>>()
        };
        for (at, name) in SPREAD.into_iter().enumerate() {
            rows.push(row(name, &|k| number(self.spread(k)[at])));
        }
        rows.push(row("band", &|k| self.measures[k].band.map_or_else(String::new, band)));
        rows
    }

    fn row(&self, seed: u64, values: &[f64]) -> Vec<String> {
        let cells = self.measures.iter().zip(values).map(|(measure, &figure)| {
            if measure.met(figure) { number(figure) } else { format!("<b>{}</b>", number(figure)) }
        });
        let misses =
            self.measures.iter().zip(values).filter(|(measure, figure)| !measure.met(**figure)).count();
        let verdict = if misses == 0 { "all met".to_owned() } else { format!("<b>{misses} missed</b>") };
        std::iter::once(seed.to_string()).chain(cells).chain([verdict]).collect()
    }
}

/// A figure as it is written in a table.
fn number(figure: f64) -> String {
    value(Some(figure))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: Measure = Measure { name: "error", unit: "", band: Some([0.0, 0.1]) };
    const RATE: Measure = Measure { name: "rate", unit: "Hz", band: None };

    fn seeds(errors: &[f64]) -> Seeds {
        let mut seeds = Seeds::new([ERROR, RATE]);
        for (seed, &error) in (7..).zip(errors) {
            seeds.push(seed, [error, 40.0]);
        }
        seeds
    }

    fn report(seeds: &Seeds, needed: usize, quick: bool) -> Report {
        let mut report = Report::new("sample", "Sample", 7, quick);
        seeds.report(&mut report, "", needed);
        report
    }

    #[test]
    fn so_many_seeds_must_meet_every_band() {
        let seeds = seeds(&[0.05, 0.2, 0.1, 0.0]);
        assert_eq!((seeds.meet(), seeds.missed()), (3, vec![(8, vec![(&ERROR, 0.2)])]));
        assert_eq!(report(&seeds, 3, false).pass(), Some(true));
        assert_eq!(report(&seeds, 4, false).pass(), Some(false));
        // A quick run is never a pass.
        assert_eq!(report(&seeds, 1, true).pass(), None);
    }

    #[test]
    fn what_is_not_a_number_or_missing_is_missed() {
        let mut seeds = seeds(&[f64::NAN, 0.05]);
        seeds.push(9, []);
        let missed: Vec<u64> = seeds.missed().iter().map(|(seed, _)| *seed).collect();
        assert_eq!((missed, seeds.meet()), (vec![7, 9], 1));
        // It shows in the spread as well.
        assert!(
            report(&seeds, 1, false).figures().iter().any(|f| f.name == "error: largest" && f.value.is_nan())
        );
    }

    #[test]
    fn a_seed_that_misses_is_named_and_the_spread_is_that_of_all() {
        let report = report(&seeds(&[0.05, 0.2, 0.01, 0.03]), 3, false);
        let value = |name: &str| report.figures().iter().find(|f| f.name == name).map(|f| f.value);
        assert_eq!(value("missed by seed 8: error"), Some(0.2));
        assert_eq!(value("missed by seed 7: error"), None);
        assert_eq!(value("error: least"), Some(0.01));
        assert_eq!(value("error: median"), Some(0.04));
        assert_eq!(value("error: largest"), Some(0.2));
        assert_eq!(value("rate: median"), Some(40.0));
        assert_eq!(value("seeds that meet every band, of 4"), Some(3.0));
    }

    #[test]
    fn the_table_has_every_seed_the_spread_and_the_bands() {
        let rows = seeds(&[0.05, 0.2]).rows();
        let text: Vec<String> = rows.iter().map(|row| row.join(" | ")).collect();
        assert_eq!(
            text,
            [
                "7 | 0.05 | 40 | all met",
                "8 | <b>0.2</b> | 40 | <b>1 missed</b>",
                "least | 0.05 | 40 | ",
                "median | 0.125 | 40 | ",
                "largest | 0.2 | 40 | ",
                "band | 0 to 0.1 |  | ",
            ]
        );
    }
}
