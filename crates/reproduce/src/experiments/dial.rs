//! The dial from rate to spiking, as the experiments turn it: one task, one recipe and one code, and neurons that differ in the width
//! of their gate alone; beside them the paper's neuron and the theta neuron.

use rayon::prelude::*;
use spikegrad::adjoint::Sweep;
use spikegrad::integrators::{EventCounts, EventLog};
use spikegrad::models::{GateShape, Nif, RectifiedNif, Theta};
use spikegrad::network::{Group, InitialState, Loss, Network, Population, Projection, SplitStep, Trial};
use spikegrad::tasks::predictive_coding::PredictiveCoding;
use spikegrad::tasks::{Purpose, TrainingOptions, generator};

use crate::Error;

/// Neurons of every network.
pub(super) const NEURONS: usize = 30;
/// The price of activity.
pub(super) const LAMBDA: f64 = 0.03;
/// The groups that are trained, with the names that pages give them.
pub(super) const GROUPS: [(Group, &str); 4] =
    [(Group::Weight(1), "W_f"), (Group::Input, "U"), (Group::Bias, "b"), (Group::Readout(0), "O")];

/// What a network is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    /// The rectified neuron with a box gate of this width: 1 is a threshold-linear rate unit.
    Dial(f64),
    /// The paper's neuron, which withdraws charge and has no floor, with a box gate of this width.
    Paper(f64),
    /// The theta neuron with a raised-cosine gate of this width.
    Theta(f64),
}

impl Cell {
    /// The name on a page.
    pub(super) fn name(self) -> String {
        match self {
            Self::Dial(1.0) => "rate network".to_owned(),
            Self::Dial(width) => format!("width {width}"),
            Self::Paper(width) => format!("the paper's neuron, width {width}"),
            Self::Theta(width) => format!("theta, width {width}"),
        }
    }

    fn population(self) -> Population {
        match self {
            Self::Dial(width) => Population::new("cells", RectifiedNif, NEURONS, GateShape::Box, width),
            Self::Paper(width) => Population::new("cells", Nif, NEURONS, GateShape::Box, width),
            Self::Theta(width) => {
                Population::new("cells", Theta::default(), NEURONS, GateShape::RaisedCosine, width)
            }
        }
    }
}

/// Auto-encoding of a two-dimensional signal by trials of `duration` ms, with a step of `h` ms.
pub(super) fn task(duration: f64, h: f64) -> PredictiveCoding {
    PredictiveCoding { h, duration: (duration, duration), ..PredictiveCoding::autoencoder(NEURONS) }
}

/// A network of these cells as training begins with it; the weights depend on the seed alone.
pub(super) fn network(task: &PredictiveCoding, cell: Cell, seed: u64) -> Result<Network<f64>, Error> {
    let start = task.network(GateShape::Box, 0.5, seed).map_err(Error::experiment)?;
    with_cell(task, &start, cell)
}

/// A network with the weights of another one and other neurons.
pub(super) fn with_cell(
    task: &PredictiveCoding,
    network: &Network<f64>,
    cell: Cell,
) -> Result<Network<f64>, Error> {
    let fast = Projection::new("fast", task.tau_fast).without_autapses();
    let mut other = built(cell, task.tau, fast, (network.inputs(), network.outputs()))?;
    for (group, _) in GROUPS {
        other.parameters.group_mut(group).copy_from_slice(network.parameters.group(group));
    }
    Ok(other)
}

/// A network of these cells without any weights: they are read out through slow synapses with the time constant `tau`, ms, and connected with
/// each other through `recurrent` alone.
pub(super) fn built(
    cell: Cell,
    tau: f64,
    recurrent: Projection,
    (inputs, outputs): (usize, usize),
) -> Result<Network<f64>, Error> {
    let build = || -> Result<Network<f64>, spikegrad::network::Error> {
        let mut network = Network::builder()
            .population(cell.population())
            .synapse("slow", tau)
            .projection(recurrent)
            .inputs(inputs)
            .outputs(outputs)
            .build()?;
        network.set_mask(Group::Weight(0), |_, _| false)?;
        network.freeze(Group::Weight(0))?;
        Ok(network)
    };
    build().map_err(Error::experiment)
}

/// The same network with threshold and charge divided by `k`, in units of its threshold: currents are `k` times as large, and what a spike
/// does is divided by `k`. Weights stay, since they do both.
pub(super) fn with_small_spikes(network: &Network<f64>, k: f64) -> Network<f64> {
    let mut scaled = network.clone();
    for (group, factor) in [(Group::Input, k), (Group::Bias, k), (Group::Readout(0), 1.0 / k)] {
        scaled.parameters.group_mut(group).iter_mut().for_each(|value| *value *= factor);
    }
    scaled
}

/// The trained entries of a gradient of [`with_small_spikes`], as the gradient by the parameters of the network that it was made of.
pub(super) fn by_large_spikes(gradient: &mut [f64], network: &Network<f64>, k: f64) {
    let mut from = 0;
    for (group, _) in GROUPS {
        let len = network.parameters.group(group).len();
        let factor = match group {
            Group::Input | Group::Bias => k,
            Group::Readout(_) => 1.0 / k,
            _ => 1.0,
        };
        gradient[from..from + len].iter_mut().for_each(|value| *value *= factor);
        from += len;
    }
}

/// The options of a training: the recipe of predictive coding, with `factor` on all of its learning rates.
pub(super) fn options(task: &PredictiveCoding, iterations: usize, factor: f64, seed: u64) -> TrainingOptions {
    let mut options = task.options(iterations, seed);
    options.rates.iter_mut().for_each(|rate| rate.rate *= factor);
    // Narrow gates are part of what is asked: the share of short crossings is reported.
    options.short_crossings = 1.0;
    options
}

/// Trials of their own, for what is measured; with other initial voltages for every `phase`.
pub(super) fn trials(
    task: &PredictiveCoding,
    duration: f64,
    (seed, purpose): (u64, Purpose),
    count: usize,
    phases: usize,
) -> Result<Vec<Trial<f64>>, Error> {
    let mut all = Vec::with_capacity(count * phases);
    for index in 0..count {
        let rng = &mut generator(seed, purpose, 1_000_000 + index as u64);
        let trial = task.trial_of(duration, rng).map_err(Error::experiment)?;
        for _ in 0..phases {
            let voltages = (0..NEURONS).map(|_| rand::RngExt::random::<f64>(rng)).collect();
            all.push(Trial { initial: Some(InitialState { x: voltages, s: Vec::new() }), ..trial.clone() });
        }
    }
    Ok(all)
}

/// What a trial says.
pub(super) struct Answer {
    pub(super) cost: f64,
    /// The gradient by the trained groups, one after the other in the order of [`GROUPS`].
    pub(super) gradient: Vec<f64>,
    /// What was counted, where it was asked for.
    pub(super) events: EventCounts,
}

/// The gradient of every trial by itself; an error for the first trial that does not stay finite.
pub(super) fn gradients(
    network: &Network<f64>,
    h: f64,
    loss: &dyn Loss<f64>,
    trials: &[Trial<f64>],
    count_events: bool,
) -> Result<Vec<Answer>, Error> {
    let scheme = SplitStep::new(network, h).map_err(Error::experiment)?;
    trials
        .par_iter()
        .map_init(
            || (Sweep::new(), network.parameters.zeros_like()),
            |(sweep, bar), trial| {
                let run = scheme.run(trial, loss).map_err(Error::experiment)?;
                bar.values_mut().fill(0.0);
                let cost = sweep.gradient(&run, bar.values_mut()).map_err(Error::experiment)?;
                let gradient =
                    GROUPS.iter().flat_map(|&(group, _)| bar.group(group).iter().copied()).collect();
                let mut log = EventLog::default();
                if count_events {
                    sweep.events(&run, &mut log).map_err(Error::experiment)?;
                }
                Ok(Answer { cost, gradient, events: log.counts() })
            },
        )
        .collect()
}

/// The cost of every trial; an error for the first trial that does not stay finite.
pub(super) fn costs(
    network: &Network<f64>,
    h: f64,
    loss: &dyn Loss<f64>,
    trials: &[Trial<f64>],
) -> Result<Vec<f64>, Error> {
    let scheme = SplitStep::new(network, h).map_err(Error::experiment)?;
    let cost = |sweep: &mut Sweep<f64, _>, trial: &Trial<f64>| {
        let run = scheme.run(trial, loss).map_err(Error::experiment)?;
        sweep.cost(&run).map_err(Error::experiment)
    };
    trials.par_iter().map_init(Sweep::new, cost).collect()
}

/// Where the groups lie in the gradient of an [`Answer`].
pub(super) fn ranges(network: &Network<f64>) -> [std::ops::Range<usize>; GROUPS.len()] {
    let mut from = 0;
    GROUPS.map(|(group, _)| {
        let start = from;
        from += network.parameters.group(group).len();
        start..from
    })
}

/// The outputs of every trial, at the ends of its samples.
pub(super) fn outputs(
    network: &Network<f64>,
    h: f64,
    loss: &dyn Loss<f64>,
    trials: &[Trial<f64>],
) -> Result<Vec<Vec<f64>>, Error> {
    let scheme = SplitStep::new(network, h).map_err(Error::experiment)?;
    trials
        .par_iter()
        .map(|trial| {
            let run = scheme.run(trial, loss).map_err(Error::experiment)?;
            let hold = (trial.interval / h).round() as usize;
            let (mut output, mut step) = (Vec::new(), 0);
            run.watch(|_, _, tape| {
                step += 1;
                if step % hold == 0 {
                    output.extend_from_slice(run.last_output(tape));
                }
            })
            .map_err(Error::experiment)?;
            Ok(output)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use spikegrad::tasks::{QuadraticLoss, Task};

    #[test]
    fn small_spikes_are_the_network_in_units_of_its_threshold() {
        let task = task(20.0, 0.05);
        let trials = trials(&task, 20.0, (3, Purpose::Test), 2, 2).unwrap();
        for cell in [Cell::Dial(0.2), Cell::Paper(0.2)] {
            let network = network(&task, cell, 5).unwrap();
            // One spike of size 1 is the network itself.
            let same =
                gradients(&with_small_spikes(&network, 1.0), task.h, task.loss(), &trials, false).unwrap();
            let plain = gradients(&network, task.h, task.loss(), &trials, true).unwrap();
            assert_eq!(same[1].gradient, plain[1].gradient);
            assert!(plain[1].events.spikes > 0);
            // The gradient by the scaled parameters is that by the others, by the chain rule: differences along it agree.
            let (k, e) = (3.0, 1e-7);
            let loss = QuadraticLoss { lambda: LAMBDA / (k * k) };
            let mut found =
                gradients(&with_small_spikes(&network, k), task.h, &loss, &trials, false).unwrap();
            let bar = &mut found[0].gradient;
            by_large_spikes(bar, &network, k);
            for (group, range) in GROUPS.into_iter().map(|(group, _)| group).zip(ranges(&network)) {
                let cost = |sign: f64| {
                    let mut moved = network.clone();
                    let values = moved.parameters.group_mut(group);
                    let norm = bar[range.clone()].iter().map(|x| x * x).sum::<f64>().sqrt();
                    values.iter_mut().zip(&bar[range.clone()]).for_each(|(v, b)| *v += sign * e * b / norm);
                    let moved = with_small_spikes(&moved, k);
                    (gradients(&moved, task.h, &loss, &trials[..1], false).unwrap()[0].cost, norm)
                };
                let ((high, norm), (low, _)) = (cost(1.0), cost(-1.0));
                assert!(
                    ((high - low) / (2.0 * e) / norm - 1.0).abs() < 1e-4,
                    "{cell:?} {group}: {high} {low} {norm}"
                );
            }
        }
    }
}
