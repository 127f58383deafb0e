//! Gradients of weights that wait: a neuron that spikes releases charge in several steps on end, and its column of the gradient
//! is read and written once for them instead of once for each.

use std::ops::Range;

use nalgebra::RealField;

use crate::columns::Bursts;
use crate::population::Released;

/// Steps whose gradients wait at most.
const STEPS: usize = 8;

/// What of the nearest caches a class may take, bytes.
const NEAR: usize = 1 << 17;

/// The cotangents of the currents of the last steps of the transpose, and what those steps released.
#[derive(Clone, Debug)]
pub(crate) struct Waiting<T> {
    /// Steps that wait.
    steps: usize,
    size: usize,
    /// For each class and step that waits, `J_bar`, `N` each.
    rows: Vec<T>,
    /// Of each neuron, where its part of the following ends.
    ends: Vec<u32>,
    /// As [`Bursts`].
    neurons: Vec<(u32, u32)>,
    of_steps: Vec<u32>,
    charges: Vec<T>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        let (ends, neurons, of_steps) = (Vec::new(), Vec::new(), Vec::new());
        Self { steps: 0, size: 0, rows: Vec::new(), ends, neurons, of_steps, charges: Vec::new() }
    }
}

impl<T: RealField + Copy> Waiting<T> {
    /// Forgets what waits, and makes room for so many neurons and classes.
    pub(crate) fn clear(&mut self, size: usize, classes: usize) {
        (self.steps, self.size) = (0, size);
        self.rows.resize(classes * STEPS * size, T::zero());
        self.ends.resize(size, 0);
    }

    /// Whether to wait in a network of so many neurons: where all columns of a class and of its gradient fit into the nearest
    /// caches together, writing them at once takes less time.
    pub(crate) fn is_worth_it(size: usize) -> bool {
        2 * size * size * size_of::<T>() > NEAR
    }

    /// Makes room for the charges of as many neurons as there may be.
    pub(crate) fn reserve(&mut self) {
        self.of_steps.clear();
        self.of_steps.reserve_exact(STEPS * self.size);
        self.charges.clear();
        self.charges.reserve_exact(STEPS * self.size);
        self.neurons.clear();
        self.neurons.reserve_exact(self.size);
    }

    /// Keeps `J_bar` of a class for the step that comes next.
    #[inline(always)]
    pub(crate) fn keep(&mut self, class: usize, j_bar: &[T]) {
        self.rows[(class * STEPS + self.steps) * self.size..][..self.size].copy_from_slice(j_bar);
    }

    /// One more step waits; returns whether another one can.
    #[inline(always)]
    pub(crate) fn goes_on(&mut self) -> bool {
        self.steps += 1;
        self.steps < STEPS
    }

    /// What the steps that wait released, neuron by neuron, the step that came first first; `part` says where the charges of
    /// each lie.
    #[inline(always)]
    pub(crate) fn sort(&mut self, released: &Released<T>, part: impl Fn(usize) -> Range<usize>) {
        self.ends.fill(0);
        for step in 0..self.steps {
            for &neuron in released.part(&part(step)).0 {
                self.ends[neuron as usize] += 1;
            }
        }
        let mut start = 0;
        for end in &mut self.ends {
            start += std::mem::replace(end, start);
        }
        self.of_steps.resize(start as usize, 0);
        self.charges.resize(start as usize, T::zero());
        for step in 0..self.steps {
            let (neurons, charges) = released.part(&part(step));
            for (&neuron, &charge) in neurons.iter().zip(charges) {
                let end = &mut self.ends[neuron as usize];
                (self.of_steps[*end as usize], self.charges[*end as usize]) = (step as u32, charge);
                *end += 1;
            }
        }
        self.neurons.clear();
        start = 0;
        for (neuron, &end) in self.ends.iter().enumerate() {
            if end > start {
                self.neurons.push((neuron as u32, end));
                start = end;
            }
        }
    }

    /// What was sorted.
    pub(crate) fn bursts(&self) -> Bursts<'_, T> {
        Bursts { neurons: &self.neurons, steps: &self.of_steps, charges: &self.charges }
    }

    /// `J_bar` of a class in the steps that wait.
    pub(crate) fn rows(&self, class: usize) -> &[T] {
        &self.rows[class * STEPS * self.size..][..self.steps * self.size]
    }

    /// How many wait.
    pub(crate) fn steps(&self) -> usize {
        self.steps
    }

    /// None waits any longer.
    pub(crate) fn done(&mut self) {
        self.steps = 0;
    }
}
