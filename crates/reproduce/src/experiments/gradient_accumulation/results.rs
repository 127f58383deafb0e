//! The results of the experiment, and what is read off them: spreads over seeds, predictions, the best of a grid.

use spikegrad_report::numbers::value;

use super::courses::{Course, Worth};
use super::stages::{OfGroup, Stage};
use super::within::{Trained, Way};

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

/// Geometric mean of the seeds' values, the least and the largest. Seeds without a finite, positive value are counted, not averaged.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    pub(super) mean: f64,
    least: f64,
    largest: f64,
    missing: usize,
}

impl Spread {
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let all: Vec<f64> = values.collect();
        let finite: Vec<f64> = all.iter().copied().filter(|x| x.is_finite() && *x > 0.0).collect();
        let mean = (finite.iter().map(|x| x.ln()).sum::<f64>() / finite.len() as f64).exp();
        Self {
            mean,
            least: finite.iter().copied().fold(f64::INFINITY, f64::min),
            largest: finite.iter().copied().fold(0.0, f64::max),
            missing: all.len() - finite.len(),
        }
    }

    pub(super) fn text(&self) -> String {
        if !self.mean.is_finite() {
            return "none".to_owned();
        }
        let missing = if self.missing > 0 { format!(", {} without", self.missing) } else { String::new() };
        format!("{} ({} to {}{missing})", short(self.mean), short(self.least), short(self.largest))
    }
}

/// Three digits.
pub(super) fn short(x: f64) -> String {
    match x.abs() {
        size if size >= 100.0 => format!("{x:.0}"),
        size if size >= 10.0 => format!("{x:.1}"),
        size if size >= 1.0 => format!("{x:.2}"),
        _ => value(Some((x * 1e4).round() / 1e4)),
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
    pub(super) fn mean(&self, cell: usize, stage: usize, of: impl Fn(&Stage) -> f64) -> f64 {
        let seeds = &self.stages[cell].1;
        seeds.iter().map(|seed| of(&seed[stage])).sum::<f64>() / seeds.len() as f64
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

/// The best end of trainings that satisfy a condition, over a grid of settings, seed by seed.
pub(super) fn best(seeds: &[Vec<Course>], keep: impl Fn(&Course) -> bool) -> Spread {
    Spread::of(seeds.iter().map(|courses| {
        courses.iter().filter(|course| keep(course)).map(Course::last).fold(f64::INFINITY, f64::min)
    }))
}

pub(super) fn way_cost(seeds: &[Vec<Trained>], way: Way) -> Spread {
    Spread::of(
        seeds.iter().map(|all| {
            all.iter().filter(|one| one.way == way).map(|one| one.cost).fold(f64::INFINITY, f64::min)
        }),
    )
}
