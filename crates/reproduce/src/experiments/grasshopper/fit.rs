//! The neuron models, fitted to spike trains by van Rossum's distance, and what a fitted one says of other seconds.

use std::ops::Range;

use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use spikegrad::prelude::*;

use super::data::{Recording, SAMPLE, SECOND, counts, fitted_seconds};
use super::linear::LinearNonlinear;
use super::score::{correlation, smoothed};
use crate::Error;
use crate::experiments::Context;

/// The step, ms.
pub(super) const H: f64 = 0.25;
/// Length of a trial that is fitted, and of the time before it in which the state comes to depend on the stimulus alone, ms. The gradient
/// by a spike that hardly comes about has no bound, and the cost's jump where the spike is lost is not in it. With few spikes in a trial,
/// clipping each trial's gradient takes the weight from such spikes; in long trials they decide about all others, and spikes get lost one by one.
const TRIAL: f64 = 50.0;
const BEFORE: f64 = 100.0;
/// The quantile of earlier norms at which the gradient of a trial is clipped.
const CLIP: f64 = 0.1;
/// Time constant of the distance, ms: about the time between two spikes, under which spikes that are apart still attract each other. Under a
/// much shorter one, leaving a spike out costs less than having it in the wrong place.
pub(super) const DISTANCE: f64 = 10.0;
/// The width of gates in each stage of a fit, as parts of the model's own. A wide gate sees more spikes that could be; the charge of a narrow one
/// is at the spike's own time.
pub(super) const GATES: [f64; 2] = [1.0, 0.4];
/// Trials of a batch.
pub(super) const BATCH: usize = 40;
/// Iterations between two checkpoints, and between two looks at all trials, of which the best is kept.
const EVERY: usize = 50;
const LOOK: usize = 10;
/// Standard deviations of the noise among which the fitted seconds choose, as parts of the current at threshold.
const NOISES: [f64; 6] = [0.0, 0.125, 0.25, 0.5, 1.0, 2.0];
/// Trials of a quick fit, which takes no noise either.
const QUICK_TRIALS: usize = 2;
/// Noisy runs that a rate is the mean of.
const COPIES: usize = 20;
/// The standard deviation of the current that the features make before a fit, in the unit of currents, and by how much the logarithms of
/// strengths and constants differ between starts.
const STRENGTH: f64 = 0.9;
const SPREAD: f64 = 0.15;
/// Steps of the search for the tonic current that makes as many spikes as were recorded.
const HALVINGS: usize = 14;

/// A model that is fitted.
pub(super) struct Model {
    /// Its name.
    pub(super) name: &'static str,
    /// The network with the numbers of the model that a fit begins with, for so many features.
    build: fn(usize) -> Result<Network<f64>, spikegrad::network::Error>,
    /// The current at threshold: what input weights and tonic currents are measured by.
    unit: f64,
    /// The width of the gates at first.
    gate: f64,
    /// What is fitted besides input weights and tonic currents, and at which learning rate: of its logarithm, for what is positive.
    free: &'static [(&'static str, f64)],
    /// Neurons before the one whose spikes are compared.
    pub(super) hidden: usize,
}

/// All models.
pub(super) const MODELS: [Model; 4] = [
    Model {
        name: "LIF",
        build: |features| {
            let cell = Lif { tau_v: TAU_V, ..Lif::default() };
            cell_of(Population::new("cell", cell, 1, GateShape::RaisedCosine, 0.5), features)
        },
        unit: 1.0 / TAU_V,
        gate: 0.5,
        free: &[("cell.tau_v", 1e-3), ("cell.v_reset", 1e-3)],
        hidden: 0,
    },
    Model {
        name: "adaptive LIF",
        build: |features| {
            let cell = AdaptiveLif { tau_v: TAU_V, tau_a: 50.0, v_theta: 1.0, beta: 0.1 };
            cell_of(Population::new("cell", cell, 1, GateShape::RaisedCosine, 0.5), features)
        },
        unit: 1.0 / TAU_V,
        gate: 0.5,
        free: &[("cell.tau_v", 1e-3), ("cell.tau_a", 1e-3), ("cell.beta", 2e-4)],
        hidden: 0,
    },
    Model {
        name: "AdEx",
        build: |features| {
            // In nA, nF and uS, as quick as the receptor.
            let cell = AdEx {
                capacitance: 0.1,
                g_l: 0.1 / TAU_V,
                tau_w: 50.0,
                a: 0.001,
                b: 0.01,
                v_reset: -60.0,
                ..AdEx::tonic()
            };
            cell_of(Population::new("cell", cell, 1, GateShape::RaisedCosine, 8.0), features)
        },
        unit: 18.0 * 0.1 / TAU_V,
        gate: 8.0,
        free: &[
            ("cell.g_L", 1e-3),
            ("cell.tau_w", 1e-3),
            ("cell.a", 1e-5),
            ("cell.b", 2e-5),
            ("cell.v_reset", 1e-2),
        ],
        hidden: 0,
    },
    Model {
        name: "network",
        build: |features| {
            let lif = Lif { tau_v: TAU_V, ..Lif::default() };
            let cell = AdaptiveLif { tau_v: TAU_V, tau_a: 50.0, v_theta: 1.0, beta: 0.1 };
            Network::builder()
                .population(Population::new("hidden", lif, HIDDEN, GateShape::RaisedCosine, 0.5))
                .population(Population::new("cell", cell, 1, GateShape::RaisedCosine, 0.5))
                .projection(Projection::new("forward", 3.0).between("hidden", "cell"))
                .projection(Projection::new("own", 10.0).between("cell", "cell"))
                .inputs(features)
                .build()
        },
        unit: 1.0 / TAU_V,
        gate: 0.5,
        free: &[
            ("cell.tau_v", 1e-3),
            ("cell.tau_a", 1e-3),
            ("cell.beta", 2e-4),
            ("hidden.tau_v", 1e-3),
            ("forward.weight", 2e-3),
            ("forward.tau", 1e-3),
            ("own.weight", 1e-3),
            ("own.tau", 1e-3),
        ],
        hidden: HIDDEN,
    },
];

/// The membrane time constant that fits begin with, ms: the shortest intervals between spikes are 3 to 4 ms.
const TAU_V: f64 = 5.0;
/// Hidden neurons of the network.
const HIDDEN: usize = 8;

/// One neuron, whose synapse on itself has no weight.
fn cell_of(cell: Population, features: usize) -> Result<Network<f64>, spikegrad::network::Error> {
    let mut network = Network::builder().population(cell).synapse("none", 10.0).inputs(features).build()?;
    network.freeze(Group::Weight(0))?;
    Ok(network)
}

/// A fitted model.
pub(super) struct Fitted {
    /// Which of the random starts it came from.
    pub(super) start: u64,
    pub(super) network: Network<f64>,
    /// Mean distance in a trial of the fitted seconds, with the gates of the last stage: before the fit, and after it.
    pub(super) before: f64,
    pub(super) cost: f64,
    /// The costs of all iterations, one list for each stage.
    pub(super) history: Vec<Vec<f64>>,
    /// Neurons before the one whose spikes are compared.
    hidden: usize,
    /// Standard deviation of the noise that makes the best rate of the fitted seconds, in the unit of currents.
    pub(super) noise: f64,
}

impl Model {
    /// Fits the model from a random start, or goes on where an earlier run was interrupted.
    pub(super) fn fit(
        &self,
        context: &Context,
        recording: &Recording,
        linear: &LinearNonlinear,
        start: u64,
        iterations: usize,
    ) -> Result<Fitted, Error> {
        let mut network = self.start(recording, linear, start)?;
        let mut trials = trials(recording, self.hidden);
        if context.quick {
            trials.truncate(QUICK_TRIALS);
        }
        let mut history = Vec::new();
        let neurons = self.hidden..self.hidden + 1;
        self.set_gates(&mut network, GATES[GATES.len() - 1]);
        let before = cost(&network, &trials, neurons.clone())?;
        for (stage, gate) in GATES.into_iter().enumerate() {
            self.set_gates(&mut network, gate);
            let key = format!("{} {} start {start} stage {stage}", recording.name, self.name);
            let task = task(trials.clone(), neurons.clone(), start);
            let options = TrainingOptions {
                h: H,
                iterations,
                batch: BATCH.min(trials.len()),
                seed: start,
                rates: self.rates(&mut network)?,
                schedule: Schedule::Cosine { last: 0.02 },
                clip: Some(Clip { quantile: CLIP, factor: 1.0 }),
                // Whether the gate is resolved is shown beside the result.
                short_crossings: 1.0,
                validation: Some(Validation::keep_best(LOOK.min(iterations), trials.len(), usize::MAX)),
                checkpoint: Some(context.checkpoint(&crate::file::safe_name(&key), EVERY)),
                ..TrainingOptions::default()
            };
            let mut bar = context.bar(iterations as u64, key);
            let done = train(&mut network, &task, &options, &mut bar).map_err(Error::experiment)?;
            bar.finish_and_clear();
            history.push(done.iter().map(|done| done.cost).collect());
        }
        let cost = cost(&network, &trials, neurons)?;
        let mut fitted = Fitted { start, network, before, cost, history, hidden: self.hidden, noise: 0.0 };
        if !context.quick {
            fitted.choose_noise(recording, self.unit)?;
        }
        Ok(fitted)
    }

    /// Sets the width of all gates, as a part of the model's own.
    fn set_gates(&self, network: &mut Network<f64>, part: f64) {
        for population in 0..network.populations().count() {
            network.parameters.group_mut(Group::GateWidth(population)).fill(part * self.gate);
        }
    }

    /// The tonic current of the neuron whose spikes are compared that makes as many spikes as were recorded in the fitted seconds.
    fn match_rate(&self, recording: &Recording, network: &mut Network<f64>) -> Result<(), Error> {
        let wanted: f64 = fitted_seconds().map(|second| recording.counts(second).iter().sum::<f64>()).sum();
        let seconds: Vec<usize> = fitted_seconds().collect();
        let (mut low, mut high) = (-4.0 * self.unit, 8.0 * self.unit);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            network.parameters.bias_mut()[self.hidden] = middle;
            let made = |&second: &usize| spikes(network, recording, (second, self.hidden), 0.0, (0, 0));
            let made = seconds.par_iter().map(made).collect::<Result<Vec<_>, _>>()?;
            if (made.iter().map(Vec::len).sum::<usize>() as f64) < wanted {
                low = middle
            } else {
                high = middle
            }
        }
        network.parameters.bias_mut()[self.hidden] = high;
        Ok(())
    }

    /// The network that a fit begins with: the filter of the linear model at a random strength, with noise, random time constants, and a tonic
    /// current that makes the recorded rate.
    fn start(
        &self,
        recording: &Recording,
        linear: &LinearNonlinear,
        start: u64,
    ) -> Result<Network<f64>, Error> {
        let mut network = (self.build)(recording.width).map_err(Error::experiment)?;
        let rng = &mut generator(start, Purpose::Initialisation, 0);
        let mut normal = || -> f64 { StandardNormal.sample(rng) };
        let filter = recording.rotate(&linear.filter);
        let drive = |second: usize| {
            let samples = recording.rotated[second * SECOND * recording.width..].chunks(recording.width);
            samples
                .take(SECOND)
                .map(|x| x.iter().zip(&filter).map(|(x, w)| x * w).sum::<f64>())
                .collect::<Vec<_>>()
        };
        let drive: Vec<f64> = fitted_seconds().flat_map(drive).collect();
        let mean = drive.iter().sum::<f64>() / drive.len() as f64;
        let deviation = (drive.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / drive.len() as f64).sqrt();
        for neuron in 0..network.neurons() {
            let strength = STRENGTH * self.unit * (SPREAD * normal()).exp() / deviation;
            for (feature, weight) in filter.iter().enumerate() {
                let noise = 0.05 * self.unit * normal();
                network.parameters.input_mut()[(neuron, feature)] = strength * weight + noise;
            }
            network.parameters.bias_mut()[neuron] = self.unit * (1.2 + 0.1 * normal());
        }
        for &(name, _) in self.free.iter().filter(|(name, _)| name.contains(".tau")) {
            if let Ok(constants) = network.parameters.get_mut(name) {
                constants.iter_mut().for_each(|constant| *constant *= (SPREAD * normal()).exp());
            }
        }
        for name in ["forward.weight", "own.weight"] {
            if let Ok(weights) = network.parameters.get_mut(name) {
                weights.iter_mut().for_each(|weight| *weight = 0.02 * normal());
            }
        }
        self.match_rate(recording, &mut network)?;
        Ok(network)
    }

    /// The learning rates; what has one is fitted.
    fn rates(&self, network: &mut Network<f64>) -> Result<Vec<LearningRate<Group>>, Error> {
        let mut rates = vec![
            LearningRate { group: Group::Input, rate: 1e-3 * self.unit },
            LearningRate { group: Group::Bias, rate: 2e-3 * self.unit },
        ];
        for &(name, rate) in self.free {
            let entries = network.parameters.layout().entries();
            let Some(entry) = entries.iter().find(|entry| entry.name == name) else { continue };
            let group = entry.group;
            network.unfreeze(group).map_err(Error::experiment)?;
            rates.push(LearningRate { group, rate });
        }
        Ok(rates)
    }
}

/// Trials of the fitted seconds.
fn trials(recording: &Recording, neuron: usize) -> Vec<Trial<f64>> {
    let before = (BEFORE / SAMPLE) as usize;
    let length = (TRIAL / SAMPLE) as usize;
    let starts = fitted_seconds()
        .flat_map(|second| (0..SECOND / length).map(move |part| second * SECOND + part * length));
    // Nothing is known of the time before the recording.
    starts
        .filter(|&start| start >= before)
        .map(|start| trial(recording, start - before, before, length, neuron))
        .collect()
}

/// A trial that begins at a sample, so many samples before the loss looks.
fn trial(recording: &Recording, from: usize, before: usize, length: usize, neuron: usize) -> Trial<f64> {
    let samples = before + length;
    let mut trial = Trial::silent(samples, SAMPLE, recording.width);
    trial
        .inputs
        .copy_from_slice(&recording.rotated[from * recording.width..(from + samples) * recording.width]);
    trial.weights = vec![1.0; samples];
    trial.weights[..before].fill(0.0);
    let start = from as f64 * SAMPLE;
    let spikes = recording.spikes_in(start, start + samples as f64 * SAMPLE);
    trial.target_spikes = spikes.map(|time| Spike { neuron, time, count: 1 }).collect();
    trial
}

/// The trials, and all of them once more to find the best parameters by.
fn task(trials: Vec<Trial<f64>>, neurons: Range<usize>, seed: u64) -> DatasetTask<f64> {
    let loss = VanRossum { neurons, tau: DISTANCE };
    DatasetTask::new(trials.clone(), trials, Vec::new(), loss, Reading::Cost, seed)
}

/// The mean distance of the trials.
fn cost(network: &Network<f64>, trials: &[Trial<f64>], neurons: Range<usize>) -> Result<f64, Error> {
    let loss = VanRossum { neurons, tau: DISTANCE };
    let scheme = SplitStep::new(network, H).map_err(Error::experiment)?;
    let cost = |trial: &Trial<f64>| {
        let run = scheme.run(trial, &loss).map_err(Error::experiment)?;
        Sweep::new().cost(&run).map_err(Error::experiment)
    };
    let costs = trials.par_iter().map(cost).collect::<Result<Vec<f64>, Error>>()?;
    Ok(costs.iter().sum::<f64>() / costs.len() as f64)
}

/// The spikes of a neuron in a second, ms from its start, with a noisy current of this strength on it.
fn spikes(
    network: &Network<f64>,
    recording: &Recording,
    (second, neuron): (usize, usize),
    noise: f64,
    (seed, copy): (u64, u64),
) -> Result<Vec<f64>, Error> {
    let before = ((BEFORE / SAMPLE) as usize).min(second * SECOND);
    let mut trial = trial(recording, second * SECOND - before, before, SECOND, neuron);
    trial.target_spikes.clear();
    if noise > 0.0 {
        let neurons = network.neurons();
        let rng = &mut generator(seed, Purpose::Test, 1000 * copy + second as u64);
        trial.currents = vec![0.0; trial.samples * neurons];
        for sample in trial.currents.chunks_mut(neurons) {
            let normal: f64 = StandardNormal.sample(rng);
            sample[neuron] = noise * normal;
        }
    }
    let scheme = SplitStep::new(network, H).map_err(Error::experiment)?;
    let probes = Probes::default().spikes([neuron]);
    let run = scheme.run(&trial, &NoLoss).map_err(Error::experiment)?;
    let recorded = run.probe(&probes).map_err(Error::experiment)?;
    let start = before as f64 * SAMPLE;
    let times = recorded.spikes.iter().map(|spike| spike.time - start);
    Ok(times.filter(|&time| (0.0..1e3).contains(&time)).collect())
}

impl Fitted {
    /// The weights of the features of the neuron whose spikes are compared.
    pub(super) fn filter(&self, recording: &Recording) -> Vec<f64> {
        let rotated: Vec<f64> = self.network.parameters.input().row(self.hidden).iter().copied().collect();
        recording.rotate_back(&rotated)
    }

    /// By how much the fitted constants of another start differ at most, as parts of the larger one. A reset is measured by the way from
    /// it to threshold, of which it may be no part.
    pub(super) fn difference(&self, other: &Self) -> f64 {
        let constants = |fitted: &Self| -> Vec<(bool, f64)> {
            let all = fitted.network.named_parameters().filter(|p| p.range.len() == 1 && p.trained);
            let value = |at: usize| fitted.network.parameters.values()[at];
            all.map(|p| (p.name.ends_with("v_reset"), value(p.range.start))).collect()
        };
        let pairs = constants(self).into_iter().zip(constants(other));
        let parts = pairs.map(|((is_reset, a), (_, b))| {
            let whole = if is_reset { a.abs().max(b.abs()).max(1.0) } else { a.abs().max(b.abs()) };
            (a - b).abs() / whole
        });
        parts.fold(0.0, f64::max)
    }

    /// The spikes of a second, ms from its start, with a noisy current of this strength on the neuron whose spikes are compared.
    fn spikes(&self, recording: &Recording, second: usize, noise: f64, copy: u64) -> Result<Vec<f64>, Error> {
        spikes(&self.network, recording, (second, self.hidden), noise, (self.start, copy))
    }

    /// The spikes of the seconds without any noise.
    pub(super) fn trains(&self, recording: &Recording, seconds: &[usize]) -> Result<Vec<Vec<f64>>, Error> {
        seconds.par_iter().map(|&second| self.spikes(recording, second, 0.0, 0)).collect()
    }

    /// The rate in the seconds: spikes a sample, the mean of many noisy runs.
    pub(super) fn rates(&self, recording: &Recording, seconds: &[usize]) -> Result<Vec<Vec<f64>>, Error> {
        let copies = if self.noise > 0.0 { COPIES } else { 1 };
        let of = |&second: &usize| {
            let mut rate = vec![0.0; SECOND];
            for copy in 0..copies {
                let spikes = self.spikes(recording, second, self.noise, copy as u64)?;
                rate.iter_mut().zip(counts(spikes)).for_each(|(r, count)| *r += count / copies as f64);
            }
            Ok(rate)
        };
        seconds.par_iter().map(of).collect()
    }

    /// Takes the noise whose rate comes nearest to the recorded one in the fitted seconds.
    fn choose_noise(&mut self, recording: &Recording, unit: f64) -> Result<(), Error> {
        let seconds: Vec<usize> = fitted_seconds().collect();
        let recorded: Vec<_> = seconds.iter().map(|&second| smoothed(&recording.counts(second))).collect();
        let mut best = (f64::NEG_INFINITY, 0.0);
        for noise in NOISES {
            self.noise = noise * unit;
            let rates: Vec<_> = self.rates(recording, &seconds)?.iter().map(|rate| smoothed(rate)).collect();
            let found = correlation(&rates, &recorded);
            if found > best.0 {
                best = (found, self.noise);
            }
        }
        self.noise = best.1;
        Ok(())
    }
}
