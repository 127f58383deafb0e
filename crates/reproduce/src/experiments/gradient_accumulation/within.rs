//! Two other ways to accumulate: updates within a trial, with states handed on, against one update a trial; and micro-batches that are
//! added up behind the optimiser instead of before it.

use rayon::prelude::*;
use spikegrad::adjoint::Sweep;
use spikegrad::network::{Group, Network, NetworkState, SplitStep, Trial};
use spikegrad::tasks::predictive_coding::PredictiveCoding;
use spikegrad::tasks::{Optimiser, Purpose, RunningQuantile, Task, generator};
use spikegrad::training::clip_norm;

use super::courses::cost;
use crate::Error;
use crate::experiments::dial::{Cell, GROUPS, network, options};

/// Trials of a batch whose trials are cut, and pieces of each.
pub(super) const CUT: (usize, usize) = (16, 5);
/// Micro-batches and trials of each.
pub(super) const MICRO: (usize, usize) = (4, 16);

/// A way to accumulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Way {
    /// One update a batch of whole trials.
    WholeTrials,
    /// An update after every piece of the trials of a batch.
    Pieces,
    /// The gradients of micro-batches are added up, and the optimiser takes one step.
    BeforeOptimiser,
    /// The optimiser takes a step for each micro-batch, all gradients from before the first, each with its part of the learning rate.
    BehindOptimiser,
}

impl Way {
    /// All ways.
    pub(super) const ALL: [Self; 4] =
        [Self::WholeTrials, Self::Pieces, Self::BeforeOptimiser, Self::BehindOptimiser];

    /// The name on the page.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WholeTrials => "one update a trial",
            Self::Pieces => "an update after every fifth of a trial",
            Self::BeforeOptimiser => "micro-batches added up before the optimiser",
            Self::BehindOptimiser => "micro-batches added up behind the optimiser",
        }
    }
}

/// A training by one of these ways.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Trained {
    pub(super) way: Way,
    pub(super) factor: f64,
    /// Cost on held-out trials at the end; infinite for a training that did not stay finite.
    pub(super) cost: f64,
    /// Steps of the optimiser.
    pub(super) updates: usize,
}

/// A network with its optimiser and its clipping.
struct Pupil<'a> {
    task: &'a PredictiveCoding,
    network: Network<f64>,
    optimiser: Optimiser<f64, Group>,
    quantiles: Vec<RunningQuantile>,
    clip: spikegrad::tasks::Clip,
}

impl<'a> Pupil<'a> {
    fn new(task: &'a PredictiveCoding, cell: Cell, factor: f64, seed: u64) -> Result<Self, Error> {
        let (network, options) = (network(task, cell, seed)?, options(task, 1, factor, seed));
        let optimiser = Optimiser::new(&network, options.rule, &options.rates).map_err(Error::experiment)?;
        let clip = options.clip.unwrap_or(spikegrad::tasks::Clip { quantile: 0.5, factor: 2.0 });
        Ok(Self { task, network, optimiser, quantiles: vec![RunningQuantile::default(); GROUPS.len()], clip })
    }

    /// The mean gradient of trials, each clipped by group as the recipe does it, and the states in which they ended.
    fn gradient(&mut self, trials: &[Trial<f64>]) -> Result<(Vec<f64>, Vec<NetworkState<f64>>), Error> {
        let scheme = SplitStep::new(&self.network, self.task.h).map_err(Error::experiment)?;
        let one = |trial: &Trial<f64>| -> Result<_, Error> {
            let run = scheme.run(trial, self.task.loss()).map_err(Error::experiment)?;
            let (mut sweep, mut bar) = (Sweep::new(), self.network.parameters.zeros_like());
            sweep.gradient(&run, bar.values_mut()).map_err(Error::experiment)?;
            Ok((bar, run.state(sweep.state()).map_err(Error::experiment)?))
        };
        let all: Vec<_> = trials.par_iter().map(one).collect::<Result<_, _>>()?;
        let layout = self.network.parameters.layout();
        let mut mean = vec![0.0; layout.len()];
        // Norms of this batch first, where there are none of an earlier one; they then also clip it.
        let fresh = self.quantiles.iter().all(RunningQuantile::is_empty);
        let push = |quantiles: &mut [RunningQuantile]| {
            for (bar, _) in &all {
                quantiles.iter_mut().zip(GROUPS).for_each(|(q, (group, _))| q.push(bar.norm(group)));
            }
        };
        if fresh {
            push(&mut self.quantiles);
        }
        let largest: Vec<Option<f64>> = self
            .quantiles
            .iter()
            .map(|q| Ok(q.quantile(self.clip.quantile)?.map(|norm| norm * self.clip.factor)))
            .collect::<Result<_, spikegrad::training::Error>>()
            .map_err(Error::experiment)?;
        if !fresh {
            push(&mut self.quantiles);
        }
        let mut states = Vec::with_capacity(all.len());
        for (mut bar, state) in all {
            for ((group, _), largest) in GROUPS.into_iter().zip(&largest) {
                clip_norm(bar.group_mut(group), *largest);
            }
            mean.iter_mut().zip(bar.values()).for_each(|(sum, x)| *sum += x / trials.len() as f64);
            states.push(state);
        }
        Ok((mean, states))
    }

    fn step(&mut self, gradient: &[f64], factor: f64) -> Result<(), Error> {
        self.optimiser.step(&mut self.network, gradient, factor).map_err(Error::experiment)
    }

    /// The batch number `index`.
    fn batch(&self, seed: u64, index: usize, count: usize) -> Result<Vec<Trial<f64>>, Error> {
        let draw = |trial: usize| {
            let rng = &mut generator(seed, Purpose::Training, (index * count + trial) as u64);
            self.task.trial_of(self.task.duration.1, rng).map_err(Error::experiment)
        };
        (0..count).map(draw).collect()
    }

    fn learn(&mut self, way: Way, seed: u64, index: usize) -> Result<(), Error> {
        match way {
            Way::WholeTrials => {
                let (gradient, _) = self.gradient(&self.batch(seed, index, CUT.0)?)?;
                self.step(&gradient, 1.0)
            }
            Way::Pieces => {
                let whole = self.batch(seed, index, CUT.0)?;
                let mut states = Vec::new();
                for number in 0..CUT.1 {
                    let pieces: Vec<_> = whole
                        .iter()
                        .enumerate()
                        .map(|(trial, whole)| piece(whole, number, states.get(trial).cloned()))
                        .collect();
                    let (gradient, ended) = self.gradient(&pieces)?;
                    states = ended;
                    self.step(&gradient, 1.0)?;
                }
                Ok(())
            }
            Way::BeforeOptimiser | Way::BehindOptimiser => {
                let batch = self.batch(seed, index, MICRO.0 * MICRO.1)?;
                let parts: Vec<Vec<f64>> = batch
                    .chunks_exact(MICRO.1)
                    .map(|trials| Ok(self.gradient(trials)?.0))
                    .collect::<Result<_, Error>>()?;
                let part = 1.0 / MICRO.0 as f64;
                if way == Way::BehindOptimiser {
                    return parts.iter().try_for_each(|gradient| self.step(gradient, part));
                }
                let sum = |at: usize| parts.iter().map(|gradient| part * gradient[at]).sum();
                let mean: Vec<f64> = (0..parts[0].len()).map(sum).collect();
                self.step(&mean, 1.0)
            }
        }
    }
}

/// A piece of a trial, from the state in which the piece before it ended. Its cost is the mean over its own time.
fn piece(whole: &Trial<f64>, number: usize, state: Option<NetworkState<f64>>) -> Trial<f64> {
    let samples = whole.samples / CUT.1;
    let cut = |values: &[f64]| {
        let width = values.len() / whole.samples;
        values[number * samples * width..][..samples * width].to_vec()
    };
    let mut piece = Trial::silent(samples, whole.interval, 0);
    (piece.inputs, piece.targets) = (cut(&whole.inputs), cut(&whole.targets));
    piece.initial = if state.is_none() { whole.initial.clone() } else { None };
    piece.state = state;
    piece.scale = piece.duration();
    piece
}

/// Trains by one way on so many trials.
pub(super) fn train(
    task: &PredictiveCoding,
    cell: Cell,
    (way, factor): (Way, f64),
    (seed, trials): (u64, usize),
    held_out: &[Trial<f64>],
) -> Result<Trained, Error> {
    let mut pupil = Pupil::new(task, cell, factor, seed)?;
    let batch = if matches!(way, Way::WholeTrials | Way::Pieces) { CUT.0 } else { MICRO.0 * MICRO.1 };
    let learned = (0..(trials / batch).max(1)).try_for_each(|index| pupil.learn(way, seed, index));
    // What leaves its domain or the finite numbers has failed, and says so by its cost.
    let cost = if learned.is_ok() { cost(&pupil.network, task, held_out) } else { f64::INFINITY };
    Ok(Trained { way, factor, cost, updates: pupil.optimiser.steps() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::dial;

    #[test]
    fn pieces_of_a_trial_are_the_trial() {
        let task = dial::task(10.0, 0.1);
        let mut pupil = Pupil::new(&task, Cell::Dial(0.2), 1.0, 3).unwrap();
        let whole = pupil.batch(3, 0, 2).unwrap();
        let (_, ended) = pupil.gradient(&whole).unwrap();
        let mut states: Vec<NetworkState<f64>> = Vec::new();
        for number in 0..CUT.1 {
            let pieces: Vec<_> = whole
                .iter()
                .enumerate()
                .map(|(at, whole)| piece(whole, number, states.get(at).cloned()))
                .collect();
            states = pupil.gradient(&pieces).unwrap().1;
        }
        assert_eq!(states[0].values(), ended[0].values());
        assert_eq!(states[1].values(), ended[1].values());
    }

    #[test]
    fn every_way_takes_its_steps_and_lowers_the_cost() {
        let task = dial::task(10.0, 0.1);
        let held_out = super::super::courses::held_out(&task, 5, 4).unwrap();
        let before = cost(&network(&task, Cell::Dial(0.2), 5).unwrap(), &task, &held_out);
        for (way, updates) in Way::ALL.into_iter().zip([40, 200, 10, 40]) {
            let trained = train(&task, Cell::Dial(0.2), (way, 1.0), (5, 640), &held_out).unwrap();
            assert_eq!(trained.updates, updates, "{way:?}");
            assert!(trained.cost < before, "{way:?}: {} from {before}", trained.cost);
        }
    }
}
