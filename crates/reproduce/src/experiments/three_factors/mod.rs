//! The experiment `three-factors`: the exact gradient of recurrent weights as presynaptic trace times postsynaptic sensitivity times error;
//! where it lies beside spikes, what a pair of spikes changes by the time between them, and what of it a rule of spike-timing-dependent
//! plasticity with a third factor would catch.

mod factors;
mod page;
mod spikes;
mod stdp;

use std::ops::ControlFlow;

use rand::seq::SliceRandom;
use rayon::prelude::*;
use spikegrad::network::{Group, Network};
use spikegrad::tasks::{Iteration, Observer, Purpose, TrainingOptions, generator, train};

use super::Context;
use super::intervals::{relative_difference, worse};
use super::small_tasks::SmallTask;
use super::statistics::{norm, weights_at_median};
use crate::report::Report;
use crate::{Error, file};
use factors::Factors;
use spikes::{Near, Window};
use stdp::{Caught, caught, kept};

/// What networks are told apart by: weights before training, after a fifth of its iterations, and after all.
const NETWORKS: [&str; 3] = ["untrained", "early in training", "trained"];
/// The places of these networks in [`NETWORKS`].
const UNTRAINED: usize = 0;
const EARLY: usize = 1;
const TRAINED: usize = 2;
/// The share of iterations after which it is early: the gradients of trials still agree, which they do not at a minimum.
const SHARE: f64 = 0.2;

/// How much is done.
struct Amounts {
    /// The share of a task's iterations that a training has.
    share: f64,
    /// Trials of a batch, if not as many as the recipe of the task has.
    batch: Option<usize>,
    /// Trials whose gradients are looked at.
    trials: usize,
}

impl Amounts {
    fn of(context: &Context) -> Self {
        if context.quick {
            return Self { share: 0.02, batch: Some(8), trials: 8 };
        }
        Self { share: 1.0, batch: None, trials: 160 }
    }

    fn iterations(&self, small: &SmallTask) -> usize {
        (self.share * small.iterations as f64).round() as usize
    }
}

/// What was found in one network.
struct Look {
    /// The largest difference between the sum of the products and the engine's gradient, over the largest entry.
    error: f64,
    near: Near,
    window: Window,
    caught: Caught,
    /// Mean firing rate, Hz.
    rate: f64,
    /// Trials that stayed finite.
    trials: usize,
}

/// What was found on a task: by seed, then by [`NETWORKS`].
struct Found {
    small: SmallTask,
    looks: Vec<[Look; NETWORKS.len()]>,
    /// Scores on held-out trials after training.
    scores: Vec<f64>,
}

/// What stays the same over the experiment.
pub(super) fn settings(context: &Context, report: &mut Report) {
    let amounts = Amounts::of(context);
    for small in [SmallTask::autoencoding(), SmallTask::xor()] {
        let options = small.options(amounts.iterations(&small), 0, 1.0);
        let rates: Vec<_> =
            options.rates.iter().map(|rate| format!("{} {}", rate.group, rate.rate)).collect();
        report
            .setting(format!("{}: iterations", small.name), options.iterations)
            .setting(format!("{}: trials a batch", small.name), amounts.batch.unwrap_or(options.batch))
            .setting(format!("{}: learning rates", small.name), rates)
            .setting(format!("{}: h (ms)", small.name), options.h);
    }
    report
        .setting("trials whose gradients are looked at", amounts.trials)
        .setting("times from a spike (ms)", spikes::NEAR.to_vec())
        .setting("edges of fitted windows (ms)", stdp::EDGES.to_vec())
        .setting("seeds", context.seeds.clone());
}

/// Runs the experiment.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let amounts = Amounts::of(context);
    let mut found = Vec::new();
    for small in [SmallTask::autoencoding(), SmallTask::xor()] {
        let bar = context.bar((context.seeds.len() * amounts.iterations(&small)) as u64, small.name);
        let (mut looks, mut scores) = (Vec::new(), Vec::new());
        for &seed in &context.seeds {
            let start = small.network(seed)?;
            let mut network = start.clone();
            let options = small.options(amounts.iterations(&small), seed, 1.0);
            let options = TrainingOptions {
                batch: amounts.batch.unwrap_or(options.batch),
                checkpoint: Some(context.checkpoint(&format!("{}-{seed}", small.key), 50)),
                ..options
            };
            // A training that is gone on with has passed the iteration before: what it left is kept.
            let path = context.state.join(format!("{}-{seed}.early.json", small.key));
            let after = ((SHARE * options.iterations as f64).round() as usize).max(1);
            let mut watch = Watch { bar: &bar, after, path: &path, failed: None };
            train(&mut network, small.task(), &options, &mut watch).map_err(Error::experiment)?;
            if let Some(error) = watch.failed {
                return Err(error);
            }
            let mut early = start.clone();
            let kept: Option<Vec<f64>> = file::read_json(&path);
            let kept = kept.filter(|kept| kept.len() == early.parameters.values().len());
            let kept = kept.ok_or(Error::Missing { what: "the network early in training" })?;
            early.parameters.values_mut().copy_from_slice(&kept);
            scores.push(small.judge(&network, Purpose::Test, seed, amounts.trials)?);
            let control = control(&start, &network, seed);
            let look = |network| look(&small, network, seed, &amounts);
            looks.push([look(&control)?, look(&early)?, look(&network)?]);
        }
        bar.finish_and_clear();
        found.push(Found { small, looks, scores });
    }
    page::write(report, &found)
}

/// The network before training with the entries of the trained readout in random order: a readout of zero has no error.
fn control(start: &Network<f64>, trained: &Network<f64>, seed: u64) -> Network<f64> {
    let mut control = start.clone();
    let mut readout = trained.parameters.group(Group::Readout(0)).to_vec();
    readout.shuffle(&mut generator(seed, Purpose::Initialisation, u64::from(u32::MAX)));
    control.parameters.group_mut(Group::Readout(0)).copy_from_slice(&readout);
    control
}

/// Takes the gradient of a network apart.
fn look(small: &SmallTask, network: &Network<f64>, seed: u64, amounts: &Amounts) -> Result<Look, Error> {
    let (n, k, h) = (network.neurons(), small.recurrent, small.h());
    let trial = |index: usize| small.late_trial(seed, index, (index, amounts.trials));
    let all = (0..amounts.trials).into_par_iter();
    let all = all.map(|index| Factors::of(network, small.task(), k, h, &trial(index)));
    let all: Vec<Factors> = all.collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().collect();
    let exists: Vec<bool> = match network.mask(Group::Weight(k)) {
        Some(mask) => mask.to_vec(),
        None => vec![true; n * n],
    };
    // Each trial is clipped at the median norm.
    let weights = weights_at_median(all.iter().map(|one| norm(&one.gradient)));

    let parts: Vec<(Near, Window, f64)> = all
        .par_iter()
        .zip(&weights)
        .map(|(factors, &weight)| {
            let (mut near, mut window) = (Near::new(n), Window::new());
            near.add(factors, weight, &exists);
            window.add(factors, weight, &exists);
            let [sum, gradient] = [&factors.sum(|_, _| 1.0), &factors.gradient].map(|all| kept(all, &exists));
            (near, window, relative_difference(&gradient, &sum))
        })
        .collect();
    let (mut near, mut window, mut error) = (Near::new(n), Window::new(), 0.0_f64);
    for (one, other, differs) in parts {
        near.merge(&one);
        window.merge(&other);
        error = worse(error, differs);
    }
    let seconds: f64 = all.iter().map(|one| one.steps as f64 * h * 1e-3).sum();
    let spikes: usize = all.iter().flat_map(|one| &one.spikes).map(Vec::len).sum();
    Ok(Look {
        // Where every trial was lost nothing was compared.
        error: if all.is_empty() { f64::NAN } else { error },
        near,
        window,
        caught: caught(&all, &weights, &exists, seed),
        rate: spikes as f64 / (n as f64 * seconds),
        trials: all.len(),
    })
}

/// Moves a bar that several trainings share, and keeps the parameters early in training.
struct Watch<'a> {
    bar: &'a indicatif::ProgressBar,
    after: usize,
    path: &'a std::path::Path,
    failed: Option<Error>,
}

impl Observer<Network<f64>> for Watch<'_> {
    fn iteration(&mut self, done: &Iteration, network: &Network<f64>) -> ControlFlow<()> {
        self.bar.inc(1);
        if done.iteration + 1 == self.after {
            let values = serde_json::to_string(network.parameters.values());
            let kept = values
                .map_err(|source| Error::Json { name: "three-factors".to_owned(), source })
                .and_then(|text| file::write(self.path, &text));
            if let Err(error) = kept {
                self.failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}
