//! Training by each rule: the choice of a learning rate, the same for all rules, and the trainings themselves.

use std::ops::ControlFlow;

use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use spikegrad::network::Network;
use spikegrad::tasks::{Iteration, Observer, Purpose, TrainingOptions};
use spikegrad::training;

use super::super::small_tasks::SmallTask;
use super::program::ApproximatelyTrained;
use super::rules::Rule;
use super::{Amounts, SNAPSHOTS};
use crate::experiments::Context;
use crate::{Error, file};

/// Iterations between two checkpoints.
const EVERY: usize = 50;

/// A training by a rule.
pub(super) struct Trained {
    /// The network before training.
    pub(super) start: Network<f64>,
    /// The network after training, or as far as it came.
    pub(super) network: Network<f64>,
    /// Parameters at the parts of training in [`SNAPSHOTS`], the start first.
    pub(super) snapshots: Vec<Vec<f64>>,
    /// Mean cost of every batch.
    pub(super) costs: Vec<f64>,
    /// The score on held-out trials; not a number if the training became non-finite.
    pub(super) score: f64,
}

/// What the choice of a learning rate found for one rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tuned {
    /// The factor on the learning rates of the task's recipe that was chosen.
    pub(super) factor: f64,
    /// Factors and the scores in validation; none where the training became non-finite.
    pub(super) tried: Vec<(f64, Option<f64>)>,
}

/// What is trained, and where its files are.
pub(super) struct Plan<'a> {
    pub(super) context: &'a Context,
    pub(super) small: &'a SmallTask,
    pub(super) amounts: &'a Amounts,
    pub(super) bar: &'a ProgressBar,
}

/// A network, the cost of every batch of its training, and snapshots of its parameters.
type Run = (Network<f64>, Vec<f64>, Vec<Vec<f64>>);

impl Plan<'_> {
    /// Tries each factor on the learning rates on a network and trials of their own, and chooses the one with the best validation.
    pub(super) fn tune(&self, rule: &Rule, seed: u64) -> Result<Tuned, Error> {
        let path = self.context.state.join(format!("{}-{}-tuned.json", self.small.key, rule.key));
        if let Some(tuned) = file::read_json(&path) {
            return Ok(tuned);
        }
        let mut tried = Vec::new();
        for &factor in self.amounts.factors {
            let key = format!("{}-{}-tuning-{factor}", self.small.key, rule.key);
            let found = match self.run(rule, seed, factor, self.amounts.tuning(self.small), &key) {
                Ok((network, ..)) => {
                    Some(self.small.judge(&network, Purpose::Validation, seed, self.amounts.judged))
                }
                Err(error) if error.diverged() => None,
                Err(error) => return Err(error),
            };
            // A network that becomes non-finite on a held-out trial is one that is not chosen.
            let score = match found.transpose() {
                Ok(score) => score.filter(|score| score.is_finite()),
                Err(error) if error.diverged() => None,
                Err(error) => return Err(error),
            };
            tried.push((factor, score));
        }
        let tuned = Tuned { factor: self.best(&tried), tried };
        let text = serde_json::to_string(&tuned)
            .map_err(|source| Error::Json { name: rule.key.to_owned(), source })?;
        file::write(&path, &text)?;
        Ok(tuned)
    }

    /// The factor of the best score, the first of equal ones.
    fn best(&self, tried: &[(f64, Option<f64>)]) -> f64 {
        let sign = if self.small.is_better_above { 1.0 } else { -1.0 };
        let rank = |score: Option<f64>| score.map_or(f64::NEG_INFINITY, |score| sign * score);
        let better = |best: (f64, Option<f64>), next: &(f64, Option<f64>)| {
            if rank(next.1) > rank(best.1) { *next } else { best }
        };
        tried.iter().skip(1).fold(tried[0], better).0
    }

    /// Trains by a rule on one of the seeds.
    pub(super) fn train(&self, rule: &Rule, seed: u64, factor: f64) -> Result<Trained, Error> {
        let key = format!("{}-{}-{seed}", self.small.key, rule.key);
        let start = self.small.network(seed)?;
        match self.run(rule, seed, factor, self.amounts.iterations(self.small), &key) {
            Ok((network, costs, snapshots)) => {
                let score = match self.small.judge(&network, Purpose::Test, seed, self.amounts.judged) {
                    Err(error) if error.diverged() => f64::NAN,
                    score => score?,
                };
                Ok(Trained { start, network, snapshots, costs, score })
            }
            // A training that is lost is a result about its rule.
            Err(error) if error.diverged() => {
                let snapshots = vec![start.parameters.values().to_vec()];
                Ok(Trained { network: start.clone(), start, snapshots, costs: Vec::new(), score: f64::NAN })
            }
            Err(error) => Err(error),
        }
    }

    /// Trains, or goes on where an earlier run was interrupted: the network, the cost of every batch, and the snapshots.
    fn run(&self, rule: &Rule, seed: u64, factor: f64, iterations: usize, key: &str) -> Result<Run, Error> {
        let mut network = self.small.network(seed)?;
        let parts = rule.parts(&network, seed);
        let mut snapshots = vec![network.parameters.values().to_vec()];
        let options = self.small.options(iterations, seed, factor);
        let path = |at: usize| self.context.state.join(format!("{key}.{at}.json"));
        let at: Vec<usize> =
            SNAPSHOTS[1..].iter().map(|part| ((part * iterations as f64) as usize).max(1)).collect();
        let mut keep = Keep { bar: self.bar, at: &at, path: &path, failed: None };
        let mut program = ApproximatelyTrained {
            network: &mut network,
            task: self.small.task(),
            h: options.h,
            parts: &parts,
            rule: rule.name,
        };
        let done = training::train(&mut program, &self.of_any(&options, key), &mut keep);
        if let Some(error) = keep.failed {
            return Err(error);
        }
        let history = done.map_err(Error::experiment)?;
        for &at in &at {
            let values = file::read_json::<Vec<f64>>(&path(at));
            snapshots.push(values.ok_or(Error::Missing { what: "a snapshot of the training of a rule" })?);
        }
        Ok((network, history.iter().map(|done| done.cost).collect(), snapshots))
    }

    /// The options without those of a scheme.
    fn of_any(
        &self,
        options: &TrainingOptions,
        key: &str,
    ) -> training::TrainingOptions<spikegrad::network::Group> {
        training::TrainingOptions {
            iterations: options.iterations,
            batch: self.amounts.batch.unwrap_or(options.batch),
            seed: options.seed,
            rule: options.rule,
            rates: options.rates.clone(),
            pulls: options.pulls.clone(),
            schedule: options.schedule,
            average: options.average,
            clip: options.clip,
            unclipped: options.unclipped.clone(),
            checkpoint: Some(self.context.checkpoint(key, EVERY)),
            ..training::TrainingOptions::default()
        }
    }
}

/// Moves the bar and keeps parameters on the way.
struct Keep<'a> {
    bar: &'a ProgressBar,
    at: &'a [usize],
    path: &'a dyn Fn(usize) -> std::path::PathBuf,
    failed: Option<Error>,
}

impl Observer<ApproximatelyTrained<'_>> for Keep<'_> {
    fn iteration(&mut self, done: &Iteration, trained: &ApproximatelyTrained<'_>) -> ControlFlow<()> {
        self.bar.inc(1);
        let after = done.iteration + 1;
        if self.at.contains(&after) {
            let values = serde_json::to_string(trained.network.parameters.values());
            let kept = values
                .map_err(|source| Error::Json { name: trained.rule.to_owned(), source })
                .and_then(|text| file::write(&(self.path)(after), &text));
            if let Err(error) = kept {
                self.failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}
