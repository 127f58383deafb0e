//! The gated networks that the experiment trains.
//!
//! Which of the networks that a seed draws will learn single episodes well shows early. Their training therefore has several
//! starts: each network is trained for some hundred iterations, and the one with the smallest cost in validation goes on. For
//! streams it does not show early. Their training is begun anew, with another network, where it failed by its own account.

use std::ops::ControlFlow;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use spikegrad::models::GateShape;
use spikegrad::network::Network;
use spikegrad::tasks::delayed_xor::DelayedXor;
use spikegrad::tasks::{Iteration, Observer, Purpose, TrainingOptions, Validated, generator, train};

use super::scoring::{Draw, Gated, Scores, score};
use super::{Amounts, SINGLE, STREAMS, TESTS, Test};
use crate::Error;
use crate::experiments::Context;
use crate::experiments::clock::Clock;
use crate::experiments::seeds::Judged;
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
    /// What each start had reached when one of them was chosen.
    pub(super) starts: Vec<Reached>,
    /// The start that went on.
    pub(super) start: usize,
    /// What every training came to, by [`confirmed`](Self::confirmed), the last level being reached; the best one is this.
    pub(super) tried: Vec<Option<f64>>,
    /// Part of cues answered rightly on the first of its tests, in trials that neither training nor the choice of the best
    /// network has seen and that do not judge it. The best of many validations on the same trials flatters a network.
    pub(super) confirmed: f64,
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

    /// What the training came to by its own account: nothing if the last level was never reached.
    pub(super) fn found(&self) -> Option<f64> {
        self.best_validation().map(|_| self.confirmed).filter(|confirmed| !confirmed.is_nan())
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

/// How far a start had come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reached {
    /// Level of difficulty; none if the training became non-finite.
    pub(super) level: Option<f64>,
    /// The last validation; none if it was not time for one.
    pub(super) validation: Option<Validated>,
}

impl Reached {
    /// What a training that became non-finite has reached.
    const NOTHING: Self = Self { level: None, validation: None };

    /// What a training reached in its first `iterations`.
    fn of(history: &[Iteration], iterations: usize) -> Self {
        let seen = &history[..iterations.min(history.len())];
        Self {
            level: seen.last().map(|done| done.level),
            validation: seen.iter().rev().find_map(|done| done.validation),
        }
    }

    /// What starts are ordered by, the smaller the better: the cost in validation. It tells more of the end than the level
    /// does: a network may climb fast and badly.
    fn cost(&self) -> f64 {
        self.validation.map(|found| found.cost).filter(|cost| !cost.is_nan()).unwrap_or(f64::INFINITY)
    }
}

/// The start that goes on: that of the smallest cost, the first of equal ones. One that became non-finite is chosen last.
fn chosen(starts: &[Reached]) -> usize {
    let rank = |k: usize| (starts[k].cost(), starts[k].level.is_none());
    (1..starts.len()).fold(0, |best, k| if rank(k) < rank(best) { k } else { best })
}

/// The seed of a start: that of the training for the first one, and for each other one a number that it draws.
fn seed_of(seed: u64, start: usize) -> u64 {
    match start {
        0 => seed,
        _ => generator(seed, Purpose::Initialisation, start as u64).random(),
    }
}

/// A network to be trained.
pub(super) struct Plan {
    /// What it is called in figures.
    pub(super) name: &'static str,
    /// The file that it is kept in.
    key: &'static str,
    /// What it is trained on.
    task: fn() -> DelayedXor<f32>,
    /// Iterations of training, at most.
    iterations: usize,
    /// How many networks it begins with, and the iterations after which one of them is chosen.
    starts: (usize, usize),
    /// How often it is begun anew at most, as long as it fails by its own account.
    again: usize,
    /// The figures that judge the network; the first one is the accuracy whose band it must meet by its own account.
    pub(super) judged: &'static [Judged<[Scores]>],
    /// Which tests it is judged by.
    tests: &'static [&'static str],
}

/// One network for single episodes, both timings, and one for streams.
pub(super) const PLANS: [Plan; 2] = [
    Plan {
        name: "gated, exact gradient",
        key: "single",
        task: DelayedXor::default,
        iterations: 4500,
        starts: (5, 800),
        again: 0,
        judged: &SINGLE,
        tests: &["standard", "controlled"],
    },
    Plan {
        name: "gated, exact gradient, streams",
        key: "stream",
        task: DelayedXor::streams,
        iterations: 9000,
        starts: (1, 1000),
        again: 2,
        judged: &STREAMS,
        tests: &["standard-stream", "controlled-stream"],
    },
];

impl Plan {
    /// What the network is trained on.
    pub(super) fn task(&self) -> DelayedXor<f32> {
        (self.task)()
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

    /// The networks that it begins with, and the iterations after which one of them is chosen.
    pub(super) fn starts(&self, amounts: &Amounts) -> (usize, usize) {
        amounts.starts.unwrap_or(self.starts)
    }

    /// The least accuracy that meets the band.
    pub(super) fn least(&self) -> f64 {
        self.judged[0].0.band.unwrap_or_default()[0]
    }

    /// Trains the network, or goes on where an earlier run was interrupted.
    pub(super) fn train(&self, context: &Context, amounts: &Amounts) -> Result<Trained, Error> {
        let bar = context.bar(self.iterations(amounts) as u64, self.name);
        let mut clock = Clock::new(context, self.key);
        let starts = self.screened(context, amounts, &bar, &mut clock)?;
        let first = chosen(&starts);
        // A training that is lost may be followed by one that is not; if all are, the first one tells why.
        let mut attempt = |start, name: &str| {
            bar.set_prefix(name.to_owned());
            match self.train_start(context, amounts, start, &bar, &mut clock) {
                Err(error) if !error.diverged() => Err(error),
                finite_or_not => Ok(finite_or_not),
            }
        };
        let found = |one: &Result<Trained, Error>| one.as_ref().ok().and_then(Trained::found);
        let mut best = attempt(first, self.name)?;
        let mut tried = vec![found(&best)];
        for again in 0..self.again {
            if found(&best).is_some_and(|found| found >= self.least()) {
                break;
            }
            // Networks that no training began with.
            let name = format!("{}, training {} of at most {}", self.name, again + 2, self.again + 1);
            let next = attempt(starts.len() + again, &name)?;
            tried.push(found(&next));
            if best.is_err() || found(&next) > found(&best) {
                best = next;
            }
        }
        bar.finish_and_clear();
        let (seconds, seconds_before) = (clock.seconds(), clock.before);
        best.map(|best| Trained { starts, tried, seconds, seconds_before, ..best })
    }

    /// Trains one start to the end.
    fn train_start(
        &self,
        context: &Context,
        amounts: &Amounts,
        start: usize,
        bar: &indicatif::ProgressBar,
        clock: &mut Clock,
    ) -> Result<Trained, Error> {
        let task = self.task();
        let mut run = self.start(context, amounts, start)?;
        let initial = run.network.clone();
        let history = run.train(&task, bar, clock, None)?;
        clock.keep();
        let Start { network, options } = run;
        let gated = Gated { network, h: options.h };
        let validated = |done: &Iteration| Some((done.iteration + 1, done.validation?.score));
        Ok(Trained {
            name: self.name,
            confirmed: self.confirm(&gated, amounts, context.seed)?,
            gated,
            initial,
            batch: options.batch,
            cost: history.iter().map(|done| done.cost).collect(),
            level: history.iter().map(|done| done.level).collect(),
            validation: history.iter().filter_map(validated).collect(),
            best: history.iter().any(|done| done.level >= 1.0 && done.validation.is_some()),
            starts: Vec::new(),
            start,
            tried: Vec::new(),
            seconds: clock.seconds(),
            seconds_before: clock.before,
            task,
            tests: self.tests,
        })
    }

    /// How far each start comes in the iterations after which one is chosen, or what an interrupted run had found of that.
    fn screened(
        &self,
        context: &Context,
        amounts: &Amounts,
        bar: &indicatif::ProgressBar,
        clock: &mut Clock,
    ) -> Result<Vec<Reached>, Error> {
        let (starts, iterations) = self.starts(amounts);
        let path = context.state.join(format!("{}.starts.json", self.key));
        let mut reached: Vec<Reached> = file::read_json(&path).unwrap_or_default();
        for k in reached.len()..starts {
            bar.set_prefix(format!("start {} of {starts}", k + 1));
            let mut run = self.start(context, amounts, k)?;
            reached.push(match run.train(&self.task(), bar, clock, Some(iterations)) {
                Ok(history) => Reached::of(&history, iterations),
                // A start that is lost is one that is not chosen; if all are, the first one tells why.
                Err(error) if error.diverged() => Reached::NOTHING,
                Err(error) => return Err(error),
            });
            clock.keep();
            let text = serde_json::to_string(&reached)
                .map_err(|source| Error::Json { name: self.key.to_owned(), source })?;
            file::write(&path, &text)?;
        }
        Ok(reached)
    }

    /// A start of its own seed and file.
    fn start(&self, context: &Context, amounts: &Amounts, start: usize) -> Result<Start, Error> {
        let seed = seed_of(context.seed, start);
        let checkpoint = Some(context.checkpoint(&format!("{}-{start}", self.key), EVERY));
        Ok(Start {
            network: self.task().network(GATE.1, seed).map_err(Error::experiment)?.to_f32(),
            options: TrainingOptions { checkpoint, ..self.options(amounts, seed) },
        })
    }

    /// The accuracy on the first of the tests, in trials of validation that were not used before.
    fn confirm(&self, gated: &Gated, amounts: &Amounts, seed: u64) -> Result<f64, Error> {
        let Some((_, test)) = self.tests().next() else { return Ok(f64::NAN) };
        let trials = amounts.confirmed.div_ceil(test.episodes);
        Ok(score(gated, &test.task(), trials, Draw::confirmation(seed))?.accuracy())
    }
}

/// A network to begin with, and how it is trained.
struct Start {
    network: Network<f32>,
    options: TrainingOptions,
}

impl Start {
    /// Trains the network to the end, or until it has been trained for `stop` iterations, or goes on where an earlier run was
    /// interrupted.
    fn train(
        &mut self,
        task: &DelayedXor<f32>,
        bar: &indicatif::ProgressBar,
        clock: &mut Clock,
        stop: Option<usize>,
    ) -> Result<Vec<Iteration>, Error> {
        let mut watch = Watch { bar, clock, stop };
        train(&mut self.network, task, &self.options, &mut watch).map_err(Error::experiment)
    }
}

/// Trains all networks, or goes on where an earlier run was interrupted.
pub(super) fn trained(context: &Context, amounts: &Amounts) -> Result<Vec<Trained>, Error> {
    PLANS.iter().map(|plan| plan.train(context, amounts)).collect()
}

/// Moves a progress bar, keeps the time and stops a start.
struct Watch<'a> {
    bar: &'a indicatif::ProgressBar,
    clock: &'a mut Clock,
    /// The iterations after which it stops.
    stop: Option<usize>,
}

impl Observer<Network<f32>> for Watch<'_> {
    fn iteration(&mut self, done: &Iteration, network: &Network<f32>) -> ControlFlow<()> {
        let iterations = done.iteration + 1;
        if iterations.is_multiple_of(EVERY) {
            self.clock.keep();
        }
        let stopped = self.stop.is_some_and(|stop| iterations >= stop);
        if stopped { ControlFlow::Break(()) } else { self.bar.clone().iteration(done, network) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(level: f64, cost: f64) -> Reached {
        Reached { level: Some(level), validation: Some(Validated { score: 0.9, cost }) }
    }

    #[test]
    fn the_start_of_the_smallest_cost_goes_on() {
        let nan = reached(0.9, f64::NAN);
        assert_eq!(chosen(&[reached(0.6, 0.008), nan, reached(0.5, 0.007), reached(0.6, 0.007)]), 2);
        assert_eq!(chosen(&[reached(0.3, 0.004)]), 0);
        // What became non-finite, or has not been validated, is chosen if there is nothing else.
        let unseen = Reached { level: Some(0.0), validation: None };
        assert_eq!(chosen(&[Reached::NOTHING, unseen, reached(0.0, 0.02)]), 2);
        assert_eq!(chosen(&[Reached::NOTHING, unseen, unseen]), 1);
        assert_eq!(chosen(&[Reached::NOTHING; 2]), 0);
    }

    #[test]
    fn what_a_start_reached_is_what_the_others_had_time_for() {
        let done = |iteration: usize, level: f64, cost: Option<f64>| Iteration {
            iteration,
            cost: 1.0,
            skipped: 0,
            events: Default::default(),
            factor: 1.0,
            level,
            validation: cost.map(|cost| Validated { score: 0.9, cost }),
        };
        let history = [done(0, 0.0, Some(0.02)), done(1, 0.03, None), done(2, 0.06, Some(0.01))];
        let of = |iterations| Reached::of(&history, iterations);
        let expected = [(Some(0.0), 0.02), (Some(0.03), 0.02), (Some(0.06), 0.01), (Some(0.06), 0.01)];
        assert_eq!([1, 2, 3, 9].map(of).map(|reached| (reached.level, reached.cost())), expected);
        assert_eq!(Reached::of(&[], 3), Reached::NOTHING);
    }

    #[test]
    fn every_start_has_a_seed_of_its_own() {
        let seeds: std::collections::HashSet<u64> =
            (1..=20).flat_map(|seed| (0..4).map(move |start| seed_of(seed, start))).collect();
        assert_eq!(seeds.len(), 80);
        assert_eq!(seed_of(7, 0), 7);
    }

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
