//! Recordings: the traces of a run, for plots and analyses.

use nalgebra::RealField;
use spikegrad_integrators::Step;

use crate::split::{SplitRun, SplitTape};

/// The traces of a trial. Grid point `n` of a trace is the right end of step `n`; traces are one time after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording<T> {
    /// Times of the grid points, ms.
    pub time: Vec<f64>,
    /// Voltages after resets, `steps x N`.
    pub v: Vec<T>,
    /// Synapses of each class, `classes x steps x N`.
    pub s: Vec<Vec<T>>,
    /// Synaptic currents `W_k s_k` of each class, `classes x steps x N`.
    pub synaptic_current: Vec<Vec<T>>,
    /// The current held over each step, `steps x N`.
    pub current: Vec<T>,
    /// Readout, `steps x outputs`.
    pub output: Vec<T>,
    /// Spikes as (neuron, time of the step's right end in ms), in order of time.
    pub spikes: Vec<(usize, f64)>,
    /// The cost.
    pub cost: T,
}

impl<T: RealField + Copy> SplitRun<'_, T> {
    /// Runs the trial and keeps all traces.
    pub fn record(&self) -> Recording<T> {
        let (network, steps) = (self.network(), self.steps());
        let (n, classes) = (network.neurons(), network.classes().len());
        let (mut x, mut tape) = (vec![T::zero(); self.dim()], SplitTape::default());
        let mut recording = Recording {
            time: Vec::with_capacity(steps),
            v: Vec::with_capacity(steps * n),
            s: vec![Vec::with_capacity(steps * n); classes],
            synaptic_current: vec![Vec::with_capacity(steps * n); classes],
            current: Vec::with_capacity(steps * n),
            output: Vec::with_capacity(steps * network.outputs()),
            spikes: Vec::new(),
            cost: T::zero(),
        };
        self.start(&mut x);
        for step in 0..steps {
            self.rewind(&x, &mut tape);
            recording.cost += self.step(step, &mut x, &mut tape);
            let time = self.time(step + 1);
            recording.time.push(time);
            recording.v.extend_from_slice(&x[..n]);
            for k in 0..classes {
                recording.s[k].extend_from_slice(&x[self.synapses(k)]);
                recording.synaptic_current[k].extend_from_slice(&x[self.synaptic_current(k)]);
            }
            recording.current.extend_from_slice(self.last_current(&tape));
            recording.output.extend_from_slice(self.last_output(&tape));
            self.last_spikes(&tape, |neuron, count| {
                recording.spikes.extend((0..count).map(|_| (neuron, time)));
            });
        }
        recording
    }
}
