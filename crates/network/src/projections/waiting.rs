//! Gradients of weights that wait: a neuron that spikes releases charge in several steps on end, and its column of the gradient
//! is read and written once for them instead of once for each.

use aligned_vec::AVec;

use super::sparse::Bursts;
use crate::Scalar;

/// Steps that wait at most.
const STEPS: usize = 8;

/// What of the nearest caches a projection may take, bytes.
const NEAR: usize = 1 << 17;

/// Steps of the transpose whose gradients of weights wait: the cotangents of their currents, and what they released.
#[derive(Clone, Debug)]
pub(crate) struct Waiting<T> {
    /// How many steps wait.
    steps: usize,
    /// How many presynaptic and how many postsynaptic neurons there are.
    pre: usize,
    post: usize,
    /// `J_bar` of each projection and step, `N_post` each.
    rows: AVec<T>,
    /// Neuron, step and charge as they came.
    came: Vec<(u32, u32, T)>,
    /// Where the part of each neuron in the sorted steps and charges ends.
    ends: Vec<u32>,
    /// Neurons, steps and charges sorted by neuron, as [`Bursts`].
    neurons: Vec<(u32, u32)>,
    sorted: Vec<u32>,
    charges: Vec<T>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        let (rows, came, charges) = (AVec::new(0), Vec::new(), Vec::new());
        let (ends, neurons, sorted) = (Vec::new(), Vec::new(), Vec::new());
        Self { steps: 0, pre: 0, post: 0, rows, came, ends, neurons, sorted, charges }
    }
}

impl<T: Scalar> Waiting<T> {
    /// Whether to wait in a projection between so many neurons: where all columns of a projection and of its gradient fit into the nearest
    /// caches together, writing them at once takes less time.
    pub(crate) fn is_worth_it(pre: usize, post: usize) -> bool {
        2.0 * pre as f64 * post as f64 * size_of::<T>() as f64 > NEAR as f64
    }

    /// Forgets what waits, and makes room for so many presynaptic and postsynaptic neurons, and projections.
    pub(crate) fn clear(&mut self, pre: usize, post: usize, projections: usize) {
        (self.pre, self.post) = (pre, post);
        self.rows.resize(projections * STEPS * post, T::zero());
        self.ends.resize(pre, 0);
        self.done();
    }

    /// Whether there is room for anything that waits.
    #[inline(always)]
    pub(crate) fn is_used(&self) -> bool {
        !self.rows.is_empty()
    }

    /// Makes room for the charges of as many neurons as there may be.
    pub(crate) fn reserve(&mut self) {
        let most = STEPS * self.pre;
        self.came.reserve_exact(most);
        self.neurons.clear();
        self.neurons.reserve_exact(self.pre);
        self.sorted.clear();
        self.sorted.reserve_exact(most);
        self.charges.clear();
        self.charges.reserve_exact(most);
    }

    /// Keeps `J_bar` of a projection for the step that comes next.
    #[inline(always)]
    pub(crate) fn keep(&mut self, projection: usize, j_bar: &[T]) {
        self.rows[(projection * STEPS + self.steps) * self.post..][..self.post].copy_from_slice(j_bar);
    }

    /// One more step waits, with what it released; returns whether another one can.
    #[inline(always)]
    pub(crate) fn goes_on(&mut self, neurons: &[u32], charges: &[T]) -> bool {
        let step = self.steps as u32;
        self.came.extend(neurons.iter().zip(charges).map(|(&neuron, &charge)| (neuron, step, charge)));
        self.steps += 1;
        self.steps < STEPS
    }

    /// What the steps that wait released, neuron by neuron, in the order in which it came.
    pub(crate) fn sort(&mut self) {
        self.ends.fill(0);
        for &(neuron, ..) in &self.came {
            self.ends[neuron as usize] += 1;
        }
        let mut start = 0;
        for end in &mut self.ends {
            start += std::mem::replace(end, start);
        }
        self.sorted.resize(self.came.len(), 0);
        self.charges.resize(self.came.len(), T::zero());
        for &(neuron, step, charge) in &self.came {
            let end = &mut self.ends[neuron as usize];
            (self.sorted[*end as usize], self.charges[*end as usize]) = (step, charge);
            *end += 1;
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
        Bursts { neurons: &self.neurons, steps: &self.sorted, charges: &self.charges }
    }

    /// `J_bar` of a projection in the steps that wait.
    pub(crate) fn rows(&self, projection: usize) -> &[T] {
        &self.rows[projection * STEPS * self.post..][..self.steps * self.post]
    }

    /// Forgets the steps that waited.
    pub(crate) fn done(&mut self) {
        self.steps = 0;
        self.came.clear();
    }
}
