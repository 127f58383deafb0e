//! Recordings: the traces and spikes of a run, for plots and analyses.

use spikegrad_integrators::{EventCounts, EventLog, Step};

use super::split::SplitRun;
use crate::projections::Wire;
use crate::{Error, Scalar, Spike, memory};

/// The traces of a trial. Grid point `n` of a trace is the right end of step `n`; traces are one time after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording<T> {
    /// Times of the grid points, ms.
    pub time: Vec<f64>,
    /// Voltages after resets, `steps x N`.
    pub v: Vec<T>,
    /// Traces of each projection, `projections x steps x N_pre`.
    pub s: Vec<Vec<T>>,
    /// Synaptic currents `W_k s_k` of each projection, `projections x steps x N_post`.
    pub synaptic_current: Vec<Vec<T>>,
    /// The current held over each step, `steps x N`.
    pub current: Vec<T>,
    /// Readout, `steps x outputs`.
    pub output: Vec<T>,
    /// Spikes in order of time. [`spike_counts`](Self::spike_counts) and [`spike_times`](Self::spike_times) sort them by neuron.
    pub spikes: Vec<Spike>,
    /// How well the active zone was resolved: spikes, grazing ones, crossings of the zone.
    pub events: EventCounts,
    /// The cost.
    pub cost: T,
}

impl<T> Recording<T> {
    /// Number of neurons.
    fn neurons(&self) -> usize {
        self.v.len().checked_div(self.time.len()).unwrap_or(0)
    }

    /// How often each neuron fired, `N`.
    pub fn spike_counts(&self) -> Vec<u64> {
        let mut counts = vec![0_u64; self.neurons()];
        for spike in &self.spikes {
            counts[spike.neuron] = counts[spike.neuron].saturating_add(spike.count);
        }
        counts
    }

    /// When each neuron fired, ms, `N` lists in order of time; one time for all spikes of a neuron that fired more than
    /// [`Spike::EACH`] times in a step.
    pub fn spike_times(&self) -> Vec<Vec<f64>> {
        let mut times = vec![Vec::new(); self.neurons()];
        self.spikes.iter().for_each(|spike| times[spike.neuron].push(spike.time));
        times
    }
}

impl<T: Scalar> SplitRun<'_, T> {
    /// Runs the trial and keeps all traces.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the run does not stay finite, [`Error::MemoryLimit`] or [`Error::OutOfMemory`] if the traces do not
    /// fit into memory.
    pub fn record(&self) -> Result<Recording<T>, Error> {
        let (network, steps) = (self.network(), self.steps());
        let (n, wires, outputs) = (network.neurons(), &network.wires, network.outputs());
        let numbers = 2.0 * n as f64 + (network.traces + network.currents + outputs) as f64;
        let traces = steps as f64 * (numbers * size_of::<T>() as f64 + size_of::<f64>() as f64);
        memory::check("the traces of the recording", traces, network.memory_limit)?;
        let trace = |width: usize| memory::room("a trace of the recording", steps * width);
        let of_each = |width: fn(&Wire) -> usize| {
            wires.iter().map(|wire| trace(width(wire))).collect::<Result<Vec<_>, _>>()
        };
        let mut recording = Recording {
            time: memory::room("the times of the recording", steps)?,
            v: trace(n)?,
            s: of_each(|wire| wire.pre.len())?,
            synaptic_current: of_each(|wire| wire.post.len())?,
            current: trace(n)?,
            output: trace(outputs)?,
            spikes: Vec::new(),
            events: EventCounts::default(),
            cost: T::zero(),
        };
        let (mut log, mut fits) = (EventLog::default(), Ok(()));
        recording.cost = self.watch(|step, x, tape| {
            recording.time.push(self.time(step + 1));
            recording.v.extend_from_slice(&x[..n]);
            for k in 0..wires.len() {
                recording.s[k].extend_from_slice(&x[self.synapses(k)]);
                recording.synaptic_current[k].extend_from_slice(&x[self.synaptic_current(k)]);
            }
            recording.current.extend_from_slice(self.last_current(tape));
            recording.output.extend_from_slice(self.last_output(tape));
            self.log_crossings(step..step + 1, tape, &mut log);
            let spikes = &mut recording.spikes;
            let first = spikes.len();
            let most = n.saturating_mul(Spike::EACH as usize);
            if spikes.capacity() - first < most && spikes.try_reserve(most).is_err() {
                let bytes = memory::bytes::<Spike>(&[first + most]);
                fits = Err(Error::OutOfMemory { what: "the spikes of the recording".into(), bytes });
            }
            if fits.is_ok() {
                self.locate_spikes(step, tape, |spike| spikes.push(spike));
                spikes[first..].sort_by(|a, b| a.time.total_cmp(&b.time));
            }
        })?;
        recording.events = log.counts();
        fits.map(|()| recording)
    }
}
