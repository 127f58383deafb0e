//! What the split step has to do on a trial, in numbers that no clock can blur: columns visited, operations, bytes.

use std::ops::{Add, AddAssign};

use super::split::{SplitRun, SplitTape};
use crate::projections::Delayed;
use crate::{Error, Group, Scalar};

/// The work of a trial's exact gradient, forwards and backwards, counted from the charges that were released.
///
/// A column is one column of one `W_k`, so that a neuron in the active zone costs as many columns as it has
/// projections, once on the way forwards (equation (20)) and once on the way back (equations (22), (23)). Nothing else in a
/// step grows faster than `N`. Weights of low rank cost the columns of their left factor in every step in which anything was
/// released, and the right factor's columns of `r` numbers are in operations and bytes only. The dense path visits all
/// columns in every step, and a projection with delays each of its columns twice. Operations and bytes of listed connections follow
/// the connections.
///
/// Operations and bytes are what the equations ask for step by step; terms that do not grow with `N` are left out, as
/// are the start of the trial and the equations of the neurons, of the loss, of filters behind the first one, of short-term plasticity
/// and of channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkCounters {
    /// Steps.
    pub steps: u64,
    /// Columns of weights visited forwards: read once.
    pub columns_forward: u64,
    /// Columns of weights visited backwards: read once, and their gradient read and written.
    pub columns_backward: u64,
    /// Additions and multiplications.
    pub flops: u64,
    /// Bytes of weights, gradient and tape that are read or written. The state and its cotangent, which every step
    /// passes through, are taken to lie in the nearest cache and are not counted.
    pub bytes: u64,
}

impl WorkCounters {
    /// Columns of weights visited both ways.
    pub fn columns(&self) -> u64 {
        self.columns_forward + self.columns_backward
    }
}

impl Add for WorkCounters {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl AddAssign for WorkCounters {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.columns_forward += other.columns_forward;
        self.columns_backward += other.columns_backward;
        self.flops += other.flops;
        self.bytes += other.bytes;
    }
}

impl<T: Scalar> SplitRun<'_, T> {
    /// Runs the trial forwards and counts the work of its gradient. Runs that do not ask are not slowed down.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Theta};
    /// # use spikegrad_network::*;
    /// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// # let mut network = Network::builder().population(population).synapse("slow", 20.0).inputs(1).build()?;
    /// network.parameters.bias_mut().fill(0.03); // five neurons at about 70 Hz
    /// let scheme = SplitStep::new(&network, 1.0)?;
    /// let trial = Trial::silent(100, 1.0, network.inputs());
    /// let work = scheme.run(&trial, &NoLoss)?.work()?;
    /// assert_eq!(work.steps, 100);
    /// // Every spike passes the zone in a few steps; dense products would visit 500 columns each way.
    /// assert!(work.columns_forward > 0 && work.columns_forward < 250);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Diverged`] if the run does not stay finite.
    pub fn work(&self) -> Result<WorkCounters, Error> {
        let mut work = WorkCounters::default();
        self.watch(|n, _, tape| work += self.last_work(n, tape))?;
        Ok(work)
    }

    /// The work of step `n`, the last one of the tape, and of its transpose.
    fn last_work(&self, n: usize, tape: &SplitTape<T>) -> WorkCounters {
        let (network, dense) = (self.network(), self.scheme().is_dense());
        let count = |n: usize| n as u64;
        let (size, outputs) = (count(network.neurons()), count(network.outputs()));
        let read = count(network.wires[network.read].pre.len());
        let inputs = count(self.shared().input(n).iter().filter(|i| **i != T::zero()).count());
        let charges: Vec<(usize, T)> = tape.last_charges().map(|(i, &charge)| (i, charge)).collect();
        let mut work = WorkCounters { steps: 1, ..WorkCounters::default() };
        // Numbers that are read or written, by what they are: of weights and of their gradients.
        let (mut read_numbers, mut bar_numbers, mut index_bytes) = (0, 0, 0);
        for (k, wire) in network.wires.iter().enumerate() {
            let trains = |group: fn(usize) -> Group| network.is_trainable(group(k));
            let (pre, post) = (count(wire.pre.len()), count(wire.post.len()));
            let own = || charges.iter().filter(|(i, _)| wire.pre.contains(i));
            let (active, released) = (count(own().count()), own().filter(|(_, q)| *q != T::zero()).count());
            let released = count(released);
            // A delay deals a charge to two steps, and so visits its column twice.
            let twice = 1 + u64::from(wire.delayed != Delayed::Not);
            let tau = u64::from(trains(Group::Tau));
            // Decay of traces and currents, the current, their transposes, and the time constant's gradient; on the dense path
            // currents do not decay: (17), (19), (20), (25), (26).
            work.flops += post + pre + pre + if dense { 0 } else { 3 * post };
            work.flops += tau * if dense { 3 * pre } else { 2 * (pre + post) };
            if let Some(rank) = wire.rank.map(count) {
                let (left, right) = (u64::from(trains(Group::Left)), u64::from(trains(Group::Right)));
                let columns = if active > 0 { rank } else { 0 };
                // Forwards, again for the gradient of the left factor, and in the products of the transpose.
                let (short, short_bar) = ((2 + left) * rank * active, right * rank * released);
                work.columns_forward += columns;
                work.columns_backward += columns;
                work.flops += (4 + 2 * left) * columns * post + 2 * (short + short_bar);
                read_numbers += 2 * columns * post + short;
                bar_numbers += left * columns * post + short_bar;
                continue;
            }
            let (columns, written) = if dense { (pre, pre) } else { (twice * active, twice * released) };
            let written = if trains(Group::Weight) { written } else { 0 };
            work.columns_forward += columns;
            work.columns_backward += columns;
            // Numbers in these columns, which are not all of one length where connections are listed.
            let entries = |columns: u64, only_charged: bool| match &wire.connections {
                None => columns * post,
                Some(list) => {
                    let own = own().filter(|(_, q)| !only_charged || *q != T::zero());
                    twice * own.map(|(i, _)| count(list.column(i - wire.pre.start).len())).sum::<u64>()
                }
            };
            let visited = entries(columns, false);
            let written = if written > 0 { entries(written, true) } else { 0 };
            work.flops += 4 * visited + 2 * written;
            read_numbers += 2 * visited;
            bar_numbers += written;
            if let Some(list) = &wire.connections {
                index_bytes += (2 * visited + written) * count(list.number_bytes());
            }
        }
        // Input, readout, and the sum of the cotangents of the current.
        work.flops += 4 * inputs * size + 6 * outputs * read + size;
        read_numbers += (2 * inputs + 1) * size + 2 * outputs * read;
        bar_numbers += (inputs + 1) * size + outputs * read;
        // Current, traces read out and, where the transpose asks for them, all traces and currents; then the readout, and the
        // charges with the gate's slopes at both ends.
        let kept = self.scheme().kept;
        let float = count(size_of::<T>());
        let frame = count(self.synapses(0).start + kept) + size + read + outputs;
        let charge = 3 * float + count(size_of::<u32>());
        let tape = 2 * (frame * float + count(charges.len()) * charge);
        work.bytes = (read_numbers + 2 * bar_numbers) * float + index_bytes + tape;
        work
    }
}
