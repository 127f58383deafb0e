//! Whether the gradient brings the cost of a handful of trials down: one step, smaller ones, and some tens of steps. All of it is done
//! to copies of the network.

use spikegrad_integrators::norm;
use spikegrad_network::{Group, Loss, Network, Parameters, Scalar, SplitStep, Trial};
use spikegrad_training::Error as TrainingError;

use super::thresholds::FITTED;
use crate::RunningQuantile;
use crate::{Batch, Error, Optimiser, TrainingOptions};

/// Factors on all learning rates that are tried until one step lowers the cost.
const SMALLER: [f64; 4] = [1.0, 0.1, 0.01, 0.001];

/// Factors on all learning rates that are tried until the cost falls by [`FITTED`] in many steps.
const OTHERS: [f64; 4] = [1.0, 10.0, 0.1, 100.0];

/// Whether the network can learn a handful of trials.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct LearningHealth {
    /// Number of trials.
    pub trials: usize,
    /// Steps of each fit, at most.
    pub steps: usize,
    /// Their mean cost.
    pub before: f64,
    /// Their mean cost after one step; `None` if it is not finite, or the step was refused.
    pub after: Option<f64>,
    /// The largest factor on all learning rates, of those that were tried, with which one step lowers the cost.
    pub falls_at: Option<f64>,
    /// How much the first step changes each group.
    pub updates: Vec<Update>,
    /// Courses with some factors on all learning rates, up to the first one that lowers the cost by [`FITTED`].
    pub fits: Vec<Fit>,
}

/// How much a step changes a group.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Update {
    /// The group's name.
    pub group: String,
    /// The norm of the step over that of the group; `None` if the group is zero.
    pub size: Option<f64>,
}

/// A course of steps.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Fit {
    /// The factor on all learning rates.
    pub factor: f64,
    /// The lowest cost on the way.
    pub cost: f64,
}

impl LearningHealth {
    /// The lowest cost that was reached.
    pub fn best(&self) -> Fit {
        let start = Fit { factor: 1.0, cost: self.before };
        self.fits.iter().copied().fold(start, |best, fit| if fit.cost < best.cost { fit } else { best })
    }

    /// Whether a cost is lower than that at the start by [`FITTED`].
    pub(super) fn is_fitted(&self, cost: f64) -> bool {
        is_fitted(self.before, cost)
    }
}

fn is_fitted(before: f64, cost: f64) -> bool {
    before - cost >= FITTED * before.abs()
}

/// The trials, and how they are learned.
pub(super) struct Lesson<'a, T> {
    pub(super) trials: &'a [Trial<T>],
    pub(super) loss: &'a dyn Loss<T>,
    pub(super) training: &'a TrainingOptions,
}

/// A copy of a network that is trained.
#[derive(Clone)]
struct Pupil<T> {
    network: Network<T>,
    optimiser: Optimiser<T, Group>,
    quantiles: Vec<RunningQuantile>,
    gradient: Parameters<T>,
}

impl<T: Scalar> Lesson<'_, T> {
    /// Takes steps of the gradient, each time from the network as it is given. `None` if the cost is not finite or zero at the start.
    pub(super) fn learn(&self, network: &Network<T>, steps: usize) -> Result<Option<LearningHealth>, Error> {
        let mut batch = Batch::with_lanes(self.training.lanes).memory(self.training.memory);
        let mut pupil = self.pupil(network)?;
        let Some(before) = self.look(&mut batch, &mut pupil)?.filter(|cost| *cost != 0.0) else {
            return Ok(None);
        };
        let (mut after, mut updates, mut falls_at) = (None, Vec::new(), None);
        for factor in SMALLER {
            let mut stepped = pupil.clone();
            let is_taken = self.step(&mut stepped, factor)?;
            let cost = if is_taken { self.look(&mut batch, &mut stepped)? } else { None };
            if factor == 1.0 {
                after = cost;
                updates = if is_taken { self.updates(network, &stepped.network) } else { Vec::new() };
            }
            if cost.is_some_and(|cost| cost < before) {
                falls_at = Some(factor);
                break;
            }
        }
        let mut found = LearningHealth {
            trials: self.trials.len(),
            steps,
            before,
            after,
            falls_at,
            updates,
            fits: Vec::new(),
        };
        for factor in OTHERS {
            let cost = self.fit(&mut batch, self.pupil(network)?, (steps, factor, before))?;
            found.fits.push(Fit { factor, cost });
            if found.is_fitted(cost) {
                break;
            }
        }
        Ok(Some(found))
    }

    fn pupil(&self, network: &Network<T>) -> Result<Pupil<T>, Error> {
        Ok(Pupil {
            optimiser: Optimiser::new(network, self.training.rule, &self.training.rates)?,
            quantiles: vec![RunningQuantile::default(); network.parameters.layout().entries().len()],
            gradient: network.parameters.zeros_like(),
            network: network.clone(),
        })
    }

    /// The mean cost, `None` if it is not finite in some trial; the gradient is that of the pupil then. The first look at the trials
    /// finds the norms that it clips at.
    fn look(&self, batch: &mut Batch<T>, pupil: &mut Pupil<T>) -> Result<Option<f64>, Error> {
        let Pupil { network, quantiles, gradient, .. } = pupil;
        let scheme = match SplitStep::with_method(network, self.training.h, self.training.method) {
            Ok(scheme) => scheme,
            // Steps may lead to where no run is possible.
            Err(_) => return Ok(None),
        };
        let clip = self.training.clip;
        let is_new = quantiles.iter().all(RunningQuantile::is_empty);
        let looks = if clip.is_some() && is_new { 2 } else { 1 };
        let mut cost = None;
        for _ in 0..looks {
            let largest = clip.map(|clip| clip.largest(quantiles, network, &self.training.unclipped));
            let largest = largest.transpose()?;
            let result = batch.gradient(&scheme, self.trials, self.loss, largest.as_deref(), gradient)?;
            for trial in &result.trials {
                quantiles.iter_mut().zip(&trial.norms).for_each(|(quantile, &norm)| quantile.push(norm));
            }
            let mean: f64 = result.cost.to_subset_unchecked();
            cost = (result.skipped() == 0).then_some(mean);
        }
        Ok(cost)
    }

    /// Takes a step; `false` if it is refused.
    fn step(&self, pupil: &mut Pupil<T>, factor: f64) -> Result<bool, Error> {
        match pupil.optimiser.step(&mut pupil.network, &pupil.gradient, factor) {
            Ok(()) => Ok(true),
            Err(TrainingError::Step { .. } | TrainingError::StepRefused { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The lowest cost of some steps, which end where it is a fifth of that before.
    fn fit(
        &self,
        batch: &mut Batch<T>,
        mut pupil: Pupil<T>,
        (steps, factor, before): (usize, f64, f64),
    ) -> Result<f64, Error> {
        const DONE: f64 = 0.2;
        let mut lowest = before;
        for step in 0..=steps {
            let Some(cost) = self.look(batch, &mut pupil)? else { break };
            lowest = lowest.min(cost);
            let is_done = before > 0.0 && lowest <= DONE * before;
            if is_done || step == steps || !self.step(&mut pupil, factor)? {
                break;
            }
        }
        Ok(lowest)
    }

    fn updates(&self, before: &Network<T>, after: &Network<T>) -> Vec<Update> {
        let layout = before.parameters.layout();
        let groups = self.training.rates.iter().filter(|rate| rate.rate > 0.0);
        let of = |rate: &crate::LearningRate<Group>| {
            let (old, new) = (before.parameters.group(rate.group), after.parameters.group(rate.group));
            let step: Vec<T> = new.iter().zip(old).map(|(&new, &old)| new - old).collect();
            let (step, size): (f64, f64) =
                (norm(&step).to_subset_unchecked(), norm(old).to_subset_unchecked());
            Update { group: layout.name(rate.group), size: (size > 0.0).then_some(step / size) }
        };
        groups.map(of).collect()
    }
}
