//! The results of the experiment, and what is read off them: spreads over seeds, predictions, the best of a grid.

use spikegrad_report::numbers::value;

use super::courses::{Course, Worth};
use super::stages::{OfGroup, Stage};
use super::within::{Trained, Way};
use crate::experiments::intervals::Mean;

/// The exponent of the tail below which there is no variance.
pub(super) const NO_VARIANCE: f64 = 2.0;

/// All results. A network has one entry for each seed.
#[derive(Default)]
pub(super) struct Results {
    /// Trials whose gradients were taken, and trials of a training by batches.
    pub(super) trials: usize,
    pub(super) budget: usize,
    /// The three stages of every seed.
    pub(super) stages: Vec<(String, Vec<Vec<Stage>>)>,
    pub(super) courses: Vec<(String, Vec<Vec<Course>>)>,
    pub(super) within: Vec<(String, Vec<Vec<Trained>>)>,
    /// Time of a trial by batch, ms.
    pub(super) times: Vec<Vec<f64>>,
}

/// The geometric mean of the seeds' values and its 95 % confidence interval. A seed without a finite, positive value has no logarithm: the
/// mean is of the other seeds, and every text says of how many.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    /// Of logarithms.
    logarithm: Mean,
    seeds: usize,
    counted: usize,
}

impl Spread {
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let all: Vec<f64> = values.collect();
        let logarithms: Vec<f64> =
            all.iter().filter(|x| x.is_finite() && **x > 0.0).map(|x| x.ln()).collect();
        Self { logarithm: Mean::of(&logarithms), seeds: all.len(), counted: logarithms.len() }
    }

    /// The mean of the seeds that have a value; not a number where none has.
    pub(super) fn mean(&self) -> f64 {
        self.logarithm.mean.exp()
    }

    /// The 95 % confidence interval; none for one seed.
    fn interval(&self) -> Option<[f64; 2]> {
        let Mean { mean, half } = self.logarithm;
        half.is_finite().then(|| [mean - half, mean + half].map(f64::exp))
    }

    /// On which side of 1 a ratio is, where a factor below `margin` is none.
    pub(super) fn side(&self, margin: f64) -> Side {
        let mean = self.mean();
        if !mean.is_finite() {
            return Side::Unknown;
        }
        if mean < margin && mean > 1.0 / margin {
            return Side::Same;
        }
        match self.interval() {
            Some([low, high]) if low <= 1.0 && 1.0 <= high => Side::Unknown,
            _ if mean > 1.0 => Side::More,
            _ => Side::Less,
        }
    }

    /// Of how many seeds the mean is, where these are not all.
    pub(super) fn counted(&self) -> Option<String> {
        (self.counted < self.seeds).then(|| format!("{} of {} seeds", self.counted, self.seeds))
    }

    /// The name of a figure, with the number of seeds where these are not all.
    pub(super) fn named(&self, name: &str) -> String {
        self.counted().map_or_else(|| name.to_owned(), |counted| format!("{name}, {counted}"))
    }

    /// The mean.
    pub(super) fn brief(&self) -> String {
        self.with(None)
    }

    /// The mean and its interval.
    pub(super) fn text(&self) -> String {
        self.with(self.interval().map(|[low, high]| format!("{} to {}", short(low), short(high))))
    }

    fn with(&self, interval: Option<String>) -> String {
        if self.counted == 0 {
            return "none".to_owned();
        }
        let behind: Vec<String> = interval.into_iter().chain(self.counted()).collect();
        match behind.is_empty() {
            true => short(self.mean()),
            false => format!("{} ({})", short(self.mean()), behind.join("; ")),
        }
    }
}

/// What the seeds say of a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// It is below 1.
    Less,
    /// It is about 1.
    Same,
    /// It is above 1.
    More,
    /// The confidence interval contains 1, although the mean does not say so; or there is no ratio.
    Unknown,
}

/// Three digits.
pub(super) fn short(x: f64) -> String {
    match x.abs() {
        size if size >= 100.0 => format!("{x:.0}"),
        size if size >= 10.0 => format!("{x:.1}"),
        size if size >= 1.0 => format!("{x:.2}"),
        size if size >= 0.1 => format!("{x:.3}"),
        0.0 => "0".to_owned(),
        size => {
            let unit = 10_f64.powf(size.log10().floor() - 2.0);
            value(Some((x / unit).round() * unit))
        }
    }
}

impl Results {
    pub(super) fn stage(&self, cell: usize, stage: usize, of: impl Fn(&Stage) -> f64) -> Spread {
        Spread::of(self.stages[cell].1.iter().map(|seed| of(&seed[stage])))
    }

    pub(super) fn group(
        &self,
        cell: usize,
        stage: usize,
        group: usize,
        of: impl Fn(&OfGroup) -> f64,
    ) -> Spread {
        self.stage(cell, stage, |stage| of(&stage.groups[group]))
    }

    /// The arithmetic mean over seeds, for what may be negative.
    pub(super) fn mean(&self, cell: usize, stage: usize, of: impl Fn(&Stage) -> f64) -> Mean {
        let seeds: Vec<f64> = self.stages[cell].1.iter().map(|seed| of(&seed[stage])).collect();
        Mean::of(&seeds)
    }

    /// Whether a figure was measured: whether it is a number somewhere.
    pub(super) fn is_measured(&self, of: impl Fn(&Stage) -> f64) -> bool {
        self.stages.iter().flat_map(|(_, seeds)| seeds.iter().flatten()).any(|stage| !of(stage).is_nan())
    }

    /// A figure of one network over that of another one, seed by seed.
    pub(super) fn over(&self, [one, other]: [usize; 2], stage: usize, of: impl Fn(&Stage) -> f64) -> Spread {
        let pairs = self.stages[one].1.iter().zip(&self.stages[other].1);
        Spread::of(pairs.map(|(one, other)| of(&one[stage]) / of(&other[stage])))
    }

    /// Where the stages of a trained network are.
    pub(super) fn cell(&self, name: &str) -> usize {
        self.stages.iter().position(|(other, _)| other == name).unwrap_or(0)
    }
}

/// The batch that the noise predicts for a network, seed by seed: the noise scale in Adam's metric in the middle of training.
pub(super) fn predicted(results: &Results, cell: usize) -> Spread {
    results.stage(cell, 1, |stage| stage.adam_scale)
}

/// The batch that training shows.
pub(super) fn shown(worths: &[Worth]) -> Spread {
    Spread::of(worths.iter().map(|worth| worth.useful))
}

/// The best end of the trainings of a seed that satisfy a condition.
fn best_of(courses: &[Course], keep: impl Fn(&Course) -> bool) -> f64 {
    courses.iter().filter(|course| keep(course)).map(Course::last).fold(f64::INFINITY, f64::min)
}

/// The best end of trainings that satisfy a condition, over a grid of settings, seed by seed.
pub(super) fn best(seeds: &[Vec<Course>], keep: impl Fn(&Course) -> bool) -> Spread {
    Spread::of(seeds.iter().map(|courses| best_of(courses, &keep)))
}

/// The best end without clipping over that with it, seed by seed.
pub(super) fn gain_of_clipping(seeds: &[Vec<Course>]) -> Spread {
    Spread::of(
        seeds.iter().map(|courses| best_of(courses, |one| !one.clip) / best_of(courses, |one| one.clip)),
    )
}

fn cost_of_way(all: &[Trained], way: Way) -> f64 {
    all.iter().filter(|one| one.way == way).map(|one| one.cost).fold(f64::INFINITY, f64::min)
}

pub(super) fn way_cost(seeds: &[Vec<Trained>], way: Way) -> Spread {
    Spread::of(seeds.iter().map(|all| cost_of_way(all, way)))
}

/// The cost of one way over that of another one, seed by seed.
pub(super) fn way_ratio(seeds: &[Vec<Trained>], [one, other]: [Way; 2]) -> Spread {
    Spread::of(seeds.iter().map(|all| cost_of_way(all, one) / cost_of_way(all, other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_says_which_seeds_it_lacks() {
        let all = Spread::of([1.0, 4.0].into_iter());
        assert!((all.mean() - 2.0).abs() < 1e-12 && all.counted().is_none());
        assert_eq!((all.brief().as_str(), all.named("scale").as_str()), ("2.00", "scale"));
        // The logarithms are a standard error of ln(4) / 2 apart from their mean: 2 exp(12.706 ln(2)).
        assert_eq!(
            all.text(),
            format!("2.00 ({} to {})", short(2.0 * 2f64.powf(-12.706)), short(2.0 * 2f64.powf(12.706)))
        );
        let some = Spread::of([3.0, f64::NAN, f64::INFINITY, -1.0].into_iter());
        assert_eq!(
            (some.brief(), some.named("scale")),
            ("3.00 (1 of 4 seeds)".into(), "scale, 1 of 4 seeds".into())
        );
        assert_eq!(Spread::of([f64::NAN].into_iter()).text(), "none");
    }

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(
            [0.0, 0.000_612_4, 0.0123, 0.123_4, 12.34, 1234.0].map(short),
            ["0", "0.000612", "0.0123", "0.123", "12.3", "1234"]
        );
    }

    #[test]
    fn a_side_needs_seeds_that_agree() {
        let side = |values: &[f64]| Spread::of(values.iter().copied()).side(1.1);
        assert_eq!(side(&[1.05, 1.02, 0.99]), Side::Same);
        assert_eq!(side(&[2.0, 2.1, 1.9]), Side::More);
        assert_eq!(side(&[0.5, 0.51, 0.49]), Side::Less);
        // A mean of 1.3, and a seed that says the contrary.
        assert_eq!(side(&[2.0, 1.9, 0.6]), Side::Unknown);
        assert_eq!((side(&[2.0]), side(&[f64::NAN])), (Side::More, Side::Unknown));
    }
}
