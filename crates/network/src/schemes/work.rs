//! What the split step has to do on a trial, in numbers that no clock can blur: columns visited, operations, bytes.

use std::ops::{Add, AddAssign};

use super::split::{SplitRun, SplitTape};
use crate::projections::Delayed;
use crate::{Error, Group, Scalar};

/// The work of a trial's exact gradient, forwards and backwards, counted from the charges that were released.
///
/// A column is one column of one `W_k`, so that a neuron in the active zone costs as many columns as there are synapse
/// classes, once on the way forwards (equation (20)) and once on the way back (equations (22), (23)). Nothing else in a
/// step grows faster than `N`. Weights of low rank cost the columns of their left factor in every step in which anything was
/// released, and the right factor's columns of `r` numbers are in operations and bytes only. The dense path visits all
/// columns in every step, and a class with delays each of its columns twice.
///
/// Operations and bytes are what the equations ask for step by step; terms that do not grow with `N` are left out, as
/// are the start of the trial and the equations of the neurons and of the loss, which the network does not know.
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
        let (size, classes, outputs) =
            (count(network.neurons()), count(network.classes().len()), count(network.outputs()));
        let inputs = count(self.shared().input(n).iter().filter(|i| **i != T::zero()).count());
        let (mut active, mut released) = (0, 0);
        for (_, &charge) in tape.last_charges() {
            active += 1;
            released += u64::from(charge != T::zero());
        }
        let trained = |group: fn(usize) -> Group| {
            count((0..network.classes().len()).filter(|&k| network.is_trainable(group(k))).count())
        };
        let (trained_weights, trained_tau) = (trained(Group::Recurrent), trained(Group::Tau));
        // A delay deals a charge to two steps, and so visits its column twice.
        let delayed = |k: usize| network.delayed[k] != Delayed::Not;
        let twice = |classes: &mut dyn Iterator<Item = usize>| {
            count(classes.map(|k| 1 + usize::from(delayed(k))).sum())
        };
        let full = || (0..network.classes.len()).filter(|&k| network.ranks[k].is_none());
        let trained_columns = twice(&mut full().filter(|&k| network.is_trainable(Group::Recurrent(k))));
        // Of weights of low rank, the long columns, which are those of the left factor, and the entries of the short ones.
        let ranks = |group: fn(usize) -> Group| -> u64 {
            let trainable = network.ranks.iter().enumerate().filter(|(k, _)| network.is_trainable(group(*k)));
            count(trainable.filter_map(|(_, &rank)| rank).sum())
        };
        let rank = count(network.ranks.iter().flatten().sum());
        let (left, left_bar) = if active > 0 { (rank, ranks(Group::Left)) } else { (0, 0) };
        // Forwards, again for the gradient of the left factor, and in the products of the transpose.
        let (short, short_bar) = ((2 * rank + ranks(Group::Left)) * active, ranks(Group::Right) * released);
        let (columns, gradients) = if dense {
            (classes * size, trained_weights * size)
        } else {
            (twice(&mut full()) * active + left, trained_columns * released + left_bar)
        };

        // Vectors of length `N` by what is done to them, equation by equation; on the dense path currents do not decay.
        let currents = if dense { 0 } else { classes };
        let forward = 2 * inputs + classes // (17)
            + classes + currents // (19), (20): decay
            + 2 * columns // (20)
            + 2 * outputs; // (4)
        let backward = 4 * outputs // (21)
            + 2 * columns // (22)
            + 2 * gradients // (23)
            + if dense { 3 } else { 4 } * trained_tau // (26)
            + classes + 2 * currents + 2 * inputs + 1; // (25)
        let weights_read = 2 * (columns + inputs + outputs) + 1;
        let gradient = 2 * (gradients + inputs + outputs + 1);
        // Current, synapses read out and, where the transpose asks for them, all synapses; then the readout, and the charges with
        // the gate's slopes at both ends.
        let kept = 2 + if dense || trained_tau > 0 { 2 * classes } else { 0 };
        let float = count(size_of::<T>());
        let membrane = count(self.synapses(0).start);
        let charge = 3 * float + count(size_of::<u32>());
        let tape = 2 * ((membrane + kept * size + outputs) * float + active * charge);
        WorkCounters {
            steps: 1,
            columns_forward: columns,
            columns_backward: columns,
            flops: (forward + backward) * size + 2 * (short + short_bar),
            bytes: ((weights_read + gradient) * size + short + 2 * short_bar) * float + tape,
        }
    }
}
