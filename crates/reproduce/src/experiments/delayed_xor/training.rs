//! The gated networks that the experiment trains.

use std::time::Instant;

use spikegrad::models::GateShape;
use spikegrad::network::Network;
use spikegrad::tasks::delayed_xor::DelayedXor;
use spikegrad::tasks::{Iteration, Observer, TrainingOptions, train};

use super::scoring::Gated;
use super::{Amounts, TESTS, Test};
use crate::Error;
use crate::experiments::Context;
use crate::file;

/// Shape and width of the gate.
pub(super) const GATE: (GateShape, f64) = (GateShape::RaisedCosine, 0.3);
/// Iterations between two checkpoints.
const EVERY: usize = 50;

/// A trained network.
pub(super) struct Trained {
    /// What it is called in figures.
    pub(super) name: &'static str,
    /// The network.
    pub(super) gated: Gated,
    /// The network before training.
    pub(super) initial: Network<f32>,
    /// Trials of a batch.
    pub(super) batch: usize,
    /// Cost of every batch.
    pub(super) cost: Vec<f64>,
    /// Level of difficulty at every iteration.
    pub(super) level: Vec<f64>,
    /// Part of cues answered rightly in validation, beside the iteration.
    pub(super) validation: Vec<(usize, f64)>,
    /// Whether the network is the best one of a validation at the last level.
    pub(super) best: bool,
    /// Wall time of training, over all interruptions, s.
    pub(super) seconds: f64,
    /// The part of it that was spent before the last interruption.
    pub(super) seconds_before: f64,
    /// What it was trained on.
    pub(super) task: DelayedXor<f32>,
    /// Which tests it is judged by.
    pub(super) tests: &'static [&'static str],
}

impl Trained {
    /// What its wall time is called.
    pub(super) fn wall_time(&self) -> String {
        format!("training, {}: wall time", self.name)
    }

    /// The best validation at the last level of difficulty, which is that of the network, and the iteration it was at; none
    /// if that level was never reached.
    pub(super) fn best_validation(&self) -> Option<(usize, f64)> {
        best_at_last_level(&self.level, &self.validation)
    }
}

/// The validation with the highest score, the last of equal ones, among those at level 1. `level` has an entry for every
/// iteration; iterations of validations are counted from 1. A score that is not a number is no score.
fn best_at_last_level(level: &[f64], validation: &[(usize, f64)]) -> Option<(usize, f64)> {
    let last =
        |&&(at, score): &&(usize, f64)| level.get(at - 1).is_some_and(|&l| l >= 1.0) && !score.is_nan();
    validation.iter().filter(last).copied().max_by(|a, b| a.1.total_cmp(&b.1))
}

/// A network to be trained.
pub(super) struct Plan {
    /// What it is called in figures.
    pub(super) name: &'static str,
    /// The file that it is kept in.
    key: &'static str,
    /// Episodes of a training trial, at least and at most.
    stream: (usize, usize),
    /// Iterations of training, at most.
    iterations: usize,
    /// Which tests it is judged by.
    tests: &'static [&'static str],
}

/// One network for single episodes, both timings, and one for streams.
pub(super) const PLANS: [Plan; 2] = [
    Plan {
        name: "gated, exact gradient",
        key: "single",
        stream: (1, 1),
        iterations: 5000,
        tests: &["standard", "controlled"],
    },
    Plan {
        name: "gated, exact gradient, streams",
        key: "stream",
        stream: (1, 3),
        iterations: 9000,
        tests: &["standard-stream", "controlled-stream"],
    },
];

impl Plan {
    /// What the network is trained on.
    pub(super) fn task(&self) -> DelayedXor<f32> {
        DelayedXor { stream: self.stream, ..DelayedXor::default() }
    }

    /// Iterations of training, at most.
    pub(super) fn iterations(&self, amounts: &Amounts) -> usize {
        amounts.iterations.unwrap_or(self.iterations)
    }

    /// How it is trained.
    pub(super) fn options(&self, amounts: &Amounts, seed: u64) -> TrainingOptions {
        let options = self.task().options(self.iterations(amounts), seed);
        TrainingOptions { batch: amounts.batch.unwrap_or(options.batch), ..options }
    }

    /// The tests that judge the network, with their places in [`TESTS`].
    pub(super) fn tests(&self) -> impl Iterator<Item = (usize, &'static Test)> {
        TESTS.iter().enumerate().filter(|(_, test)| self.tests.contains(&test.key))
    }

    /// Trains the network, or goes on where an earlier run was interrupted.
    pub(super) fn train(&self, context: &Context, amounts: &Amounts) -> Result<Trained, Error> {
        let task = self.task();
        let initial = task.network(GATE.1, context.seed).map_err(Error::experiment)?.to_f32();
        let mut network = initial.clone();
        let checkpoint = Some(context.checkpoint(self.key, EVERY));
        let options = TrainingOptions { checkpoint, ..self.options(amounts, context.seed) };
        let mut bar = context.bar(options.iterations as u64, self.name);
        let mut clock = Clock::new(context, self.key);
        let mut watch = Watch { bar: &mut bar, clock: &mut clock };
        let history = train(&mut network, &task, &options, &mut watch).map_err(Error::experiment)?;
        clock.keep();
        bar.finish_and_clear();
        let validated = |done: &Iteration| Some((done.iteration + 1, done.validation?.score));
        Ok(Trained {
            name: self.name,
            gated: Gated { network, h: options.h },
            initial,
            batch: options.batch,
            cost: history.iter().map(|done| done.cost).collect(),
            level: history.iter().map(|done| done.level).collect(),
            validation: history.iter().filter_map(validated).collect(),
            best: history.iter().any(|done| done.level >= 1.0 && done.validation.is_some()),
            seconds: clock.seconds(),
            seconds_before: clock.before,
            task,
            tests: self.tests,
        })
    }
}

/// Trains all networks, or goes on where an earlier run was interrupted.
pub(super) fn trained(context: &Context, amounts: &Amounts) -> Result<Vec<Trained>, Error> {
    PLANS.iter().map(|plan| plan.train(context, amounts)).collect()
}

/// Moves a progress bar and keeps the time.
struct Watch<'a> {
    bar: &'a mut indicatif::ProgressBar,
    clock: &'a mut Clock,
}

impl Observer<f32> for Watch<'_> {
    fn iteration(&mut self, done: &Iteration, network: &Network<f32>) -> std::ops::ControlFlow<()> {
        if (done.iteration + 1).is_multiple_of(EVERY) {
            self.clock.keep();
        }
        self.bar.iteration(done, network)
    }
}

/// Wall time of a training that may be interrupted.
pub(super) struct Clock {
    path: std::path::PathBuf,
    before: f64,
    start: Instant,
}

impl Clock {
    /// Goes on from what was kept under this name.
    pub(super) fn new(context: &Context, name: &str) -> Self {
        let path = context.state.join(format!("{name}.seconds.json"));
        let kept = file::read_json(&path).filter(|seconds: &f64| *seconds >= 0.0);
        Self { before: kept.unwrap_or(0.0), path, start: Instant::now() }
    }

    /// Seconds so far.
    pub(super) fn seconds(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }

    /// Writes them down. A clock that cannot be written is no reason to stop training.
    fn keep(&self) {
        let _ = file::write(&self.path, &self.seconds().to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_validation_is_one_at_the_last_level() {
        let level = [0.5, 0.5, 1.0, 1.0, 1.0, 1.0];
        let validation = [(2, 0.99), (3, 0.7), (4, 0.9), (5, 0.9), (6, f64::NAN)];
        assert_eq!(best_at_last_level(&level, &validation), Some((5, 0.9)));
        // On the way up a high score is one on easier trials.
        assert_eq!(best_at_last_level(&level[..2], &validation[..1]), None);
        assert_eq!(best_at_last_level(&[], &[]), None);
    }
}
