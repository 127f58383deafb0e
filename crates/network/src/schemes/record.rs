//! Recordings: traces and spikes of a run, as many as are asked for, for plots and analyses.

use spikegrad_integrators::{EventCounts, EventLog, Step};

use super::split::SplitRun;
use crate::{Error, Network, NetworkState, Scalar, Spike, memory};

/// The traces of a trial. Grid point `n` of a trace is the right end of step `n`; traces are one time after the other. What
/// [`Probes`] did not ask for is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording<T> {
    /// Times of the grid points, ms.
    pub time: Vec<f64>,
    /// Voltages after resets, `steps x N`.
    pub v: Vec<T>,
    /// Traces of each projection, `projections x steps x N_pre`.
    pub s: Vec<Vec<T>>,
    /// Synaptic currents `W_k s_k` of each projection, `projections x steps x N_post`; conductances where it has a receptor.
    pub synaptic_current: Vec<Vec<T>>,
    /// The current held over each step, `steps x N`: of conductances the part `G E` that does not depend on the voltage.
    pub current: Vec<T>,
    /// Readout, `steps x outputs`.
    pub output: Vec<T>,
    /// Spikes in order of time. [`spike_counts`](Self::spike_counts) and [`spike_times`](Self::spike_times) sort them by neuron.
    pub spikes: Vec<Spike>,
    /// How well the active zone was resolved: spikes, grazing ones, crossings of the zone.
    pub events: EventCounts,
    /// The cost.
    pub cost: T,
    /// The state in which the run ended, for another one to go on from.
    pub state: NetworkState<T>,
    /// Number of neurons of the network.
    neurons: usize,
}

impl<T> Recording<T> {
    /// How often each neuron fired, `N`.
    pub fn spike_counts(&self) -> Vec<u64> {
        let mut counts = vec![0_u64; self.neurons];
        for spike in &self.spikes {
            counts[spike.neuron] = counts[spike.neuron].saturating_add(spike.count);
        }
        counts
    }

    /// When each neuron fired, ms, `N` lists in order of time; one time for all spikes of a neuron that fired more than
    /// [`Spike::EACH`] times in a step.
    pub fn spike_times(&self) -> Vec<Vec<f64>> {
        let mut times = vec![Vec::new(); self.neurons];
        self.spikes.iter().for_each(|spike| times[spike.neuron].push(spike.time));
        times
    }
}

/// What a run records, so that a long run of a large network can be looked at: nothing but the cost, the counts of events and the final
/// state, and what is asked for beside them.
///
/// ```
/// # use spikegrad_models::{GateShape, Theta};
/// # use spikegrad_network::*;
/// # let population = Population::new("theta", Theta::default(), 50, GateShape::RaisedCosine, 0.3);
/// # let mut network = Network::builder().population(population).synapse("slow", 20.0).build()?;
/// network.parameters.bias_mut().fill(0.03);
/// let scheme = SplitStep::new(&network, 0.5)?;
/// let trial = Trial::silent(1000, 1.0, 0);
/// // The voltages of three neurons every 5 ms, and all spikes.
/// let probes = Probes::default().voltages([0, 7, 40]).spikes(0..50).every(10);
/// let recording = scheme.run(&trial, &NoLoss)?.probe(&probes)?;
/// assert_eq!((recording.time.len(), recording.v.len()), (200, 200 * 3));
/// assert!(recording.spikes.len() > 500 && recording.current.is_empty());
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probes {
    every: usize,
    voltages: Neurons,
    currents: Neurons,
    spikes: Neurons,
    traces: Projections,
    synaptic_currents: Projections,
    outputs: bool,
}

/// Neurons that are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Neurons {
    All,
    These(Vec<usize>),
}

/// Projections that are recorded, by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Projections {
    All,
    These(Vec<String>),
}

impl Default for Probes {
    fn default() -> Self {
        let (neurons, projections) = (Neurons::These(Vec::new()), Projections::These(Vec::new()));
        Self {
            every: 1,
            voltages: neurons.clone(),
            currents: neurons.clone(),
            spikes: neurons,
            traces: projections.clone(),
            synaptic_currents: projections,
            outputs: false,
        }
    }
}

impl Probes {
    /// Everything that there is, at every step: what [`SplitRun::record`] keeps.
    pub fn everything() -> Self {
        Self {
            every: 1,
            voltages: Neurons::All,
            currents: Neurons::All,
            spikes: Neurons::All,
            traces: Projections::All,
            synaptic_currents: Projections::All,
            outputs: true,
        }
    }

    /// Voltages of some neurons, which are the columns of [`Recording::v`] in this order.
    #[must_use]
    pub fn voltages(mut self, neurons: impl IntoIterator<Item = usize>) -> Self {
        self.voltages = Neurons::These(neurons.into_iter().collect());
        self
    }

    /// Currents into some neurons, which are the columns of [`Recording::current`] in this order.
    #[must_use]
    pub fn currents(mut self, neurons: impl IntoIterator<Item = usize>) -> Self {
        self.currents = Neurons::These(neurons.into_iter().collect());
        self
    }

    /// Spikes of some neurons, whichever steps are recorded.
    #[must_use]
    pub fn spikes(mut self, neurons: impl IntoIterator<Item = usize>) -> Self {
        self.spikes = Neurons::These(neurons.into_iter().collect());
        self
    }

    /// The traces of a projection, beside those of projections that were named before.
    #[must_use]
    pub fn traces(mut self, projection: &str) -> Self {
        self.traces.add(projection);
        self
    }

    /// The synaptic currents of a projection, beside those of projections that were named before.
    #[must_use]
    pub fn synaptic_currents(mut self, projection: &str) -> Self {
        self.synaptic_currents.add(projection);
        self
    }

    /// All outputs.
    #[must_use]
    pub fn outputs(mut self) -> Self {
        self.outputs = true;
        self
    }

    /// Traces at the end of every so many steps only; spikes are those of all steps. With the number of steps in a sample, these are
    /// the ends of the samples.
    #[must_use]
    pub fn every(mut self, steps: usize) -> Self {
        self.every = steps;
        self
    }
}

impl Neurons {
    /// The neurons of a network that these are; `None` for all of them.
    fn of<T: Scalar>(&self, network: &Network<T>) -> Result<Option<&[usize]>, Error> {
        let Self::These(neurons) = self else { return Ok(None) };
        match neurons.iter().find(|&&neuron| neuron >= network.neurons) {
            None => Ok(Some(neurons)),
            Some(neuron) => Err(Error::Unknown {
                what: "neuron",
                name: neuron.to_string(),
                known: format!("0 to {}", network.neurons - 1),
            }),
        }
    }
}

impl Projections {
    fn add(&mut self, projection: &str) {
        if let Self::These(names) = self {
            names.push(projection.to_owned());
        }
    }

    /// Whether each of the projections of a network is among these. Readouts may have traces of their own behind them.
    fn of<T: Scalar>(&self, network: &Network<T>) -> Result<Vec<bool>, Error> {
        let Self::These(names) = self else { return Ok(vec![true; network.wires.len()]) };
        let known = || network.wires.iter().map(|wire| wire.name.as_str());
        match names.iter().find(|name| known().all(|known| known != *name)) {
            None => Ok(known().map(|known| names.iter().any(|name| name == known)).collect()),
            Some(name) => Err(Error::Unknown {
                what: "projection",
                name: name.clone(),
                known: known().collect::<Vec<_>>().join(", "),
            }),
        }
    }
}

/// Adds the numbers of some neurons to a trace.
fn keep<T: Copy>(trace: &mut Vec<T>, neurons: Option<&[usize]>, all: &[T]) {
    match neurons {
        None => trace.extend_from_slice(all),
        Some(neurons) => trace.extend(neurons.iter().map(|&neuron| all[neuron])),
    }
}

impl<T: Scalar> SplitRun<'_, T> {
    /// Runs the trial and keeps all traces.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the run does not stay finite, [`Error::MemoryLimit`] or [`Error::OutOfMemory`] if the traces do not
    /// fit into memory.
    pub fn record(&self) -> Result<Recording<T>, Error> {
        self.probe(&Probes::everything())
    }

    /// Runs the trial and keeps what was asked for.
    ///
    /// # Errors
    /// [`Error::Unknown`] if there is no such neuron or projection, [`Error::Empty`] for traces of every 0 steps;
    /// [`Error::MemoryLimit`] or [`Error::OutOfMemory`] if the traces do not fit into memory, before anything is run, or the spikes
    /// do not; [`Error::Diverged`] if the run does not stay finite.
    pub fn probe(&self, probes: &Probes) -> Result<Recording<T>, Error> {
        let (network, limit) = (self.network(), self.network().memory_limit);
        let (n, wires) = (network.neurons(), &network.wires);
        let Some(points) = self.steps().checked_div(probes.every) else {
            return Err(Error::Empty { what: "step between two points of the recording, `Probes::every`" });
        };
        let (voltages, currents) = (probes.voltages.of(network)?, probes.currents.of(network)?);
        let (traces, synaptic) = (probes.traces.of(network)?, probes.synaptic_currents.of(network)?);
        let fires = match probes.spikes.of(network)? {
            None => vec![true; n],
            Some(neurons) => {
                let mut fires = vec![false; n];
                neurons.iter().for_each(|&neuron| fires[neuron] = true);
                fires
            }
        };
        let spikes = fires.contains(&true);
        let outputs = if probes.outputs { network.outputs() } else { 0 };
        let count = |neurons: Option<&[usize]>| neurons.map_or(n, <[usize]>::len);
        let width = |is_kept: bool, width: usize| if is_kept { width } else { 0 };
        let s = wires.iter().zip(&traces).map(|(wire, &is_kept)| width(is_kept, wire.pre.len()));
        let j = wires.iter().zip(&synaptic).map(|(wire, &is_kept)| width(is_kept, wire.post.len()));
        let all = count(voltages) as f64 + count(currents) as f64 + outputs as f64;
        let all = s.clone().chain(j.clone()).fold(all, |all, width| all + width as f64);
        let bytes = points as f64 * (all * size_of::<T>() as f64 + size_of::<f64>() as f64);
        memory::check("the traces of the recording", bytes, limit)?;
        let trace = |width: usize| memory::room("a trace of the recording", points * width);
        let (mut time, mut v) =
            (memory::room("the times of the recording", points)?, trace(count(voltages))?);
        let mut s = s.map(trace).collect::<Result<Vec<_>, _>>()?;
        let mut synaptic_current = j.map(trace).collect::<Result<Vec<_>, _>>()?;
        let (mut current, mut output) = (trace(count(currents))?, trace(outputs)?);
        let (mut spikes_found, mut log, mut fits) = (Vec::new(), EventLog::default(), Ok(()));
        let mut state = None;
        let cost = self.watch(|step, x, tape| {
            self.log_crossings(step..step + 1, tape, &mut log);
            if spikes && fits.is_ok() {
                fits = self.keep_spikes(step, tape, &fires, &mut spikes_found);
            }
            if step + 1 == self.steps() {
                state = self.state(x).ok();
            }
            if !(step + 1).is_multiple_of(probes.every) {
                return;
            }
            time.push(self.time(step + 1));
            keep(&mut v, voltages, &x[..n]);
            for k in 0..wires.len() {
                if traces[k] {
                    s[k].extend_from_slice(&x[self.synapses(k)]);
                }
                if synaptic[k] {
                    synaptic_current[k].extend_from_slice(&x[self.synaptic_current(k)]);
                }
            }
            keep(&mut current, currents, self.last_current(tape));
            if probes.outputs {
                output.extend_from_slice(self.last_output(tape));
            }
        })?;
        fits?;
        // A trial has a sample, and that a last step.
        let Some(state) = state else { return Err(Error::Empty { what: "sample in the trial" }) };
        let (spikes, events) = (spikes_found, log.counts());
        Ok(Recording {
            time,
            v,
            s,
            synaptic_current,
            current,
            output,
            spikes,
            events,
            cost,
            state,
            neurons: n,
        })
    }

    /// Adds the spikes of a step, in order of time, of the neurons that are asked for.
    fn keep_spikes(
        &self,
        step: usize,
        tape: &super::split::SplitTape<T>,
        fires: &[bool],
        spikes: &mut Vec<Spike>,
    ) -> Result<(), Error> {
        let (what, first) = ("the spikes of the recording", spikes.len());
        let most = fires.len().saturating_mul(Spike::EACH as usize);
        if spikes.capacity() - first < most && spikes.try_reserve(most).is_err() {
            let bytes = memory::bytes::<Spike>(&[first + most]);
            return Err(Error::OutOfMemory { what: what.into(), bytes });
        }
        self.locate_spikes(step, tape, |spike| {
            if fires[spike.neuron] {
                spikes.push(spike);
            }
        });
        spikes[first..].sort_by(|a, b| a.time.total_cmp(&b.time));
        memory::check(what, memory::bytes::<Spike>(&[spikes.len()]), self.network().memory_limit)
    }
}
