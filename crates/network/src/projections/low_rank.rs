//! Recurrent weights of low rank, `W_k = L R` (equation (70)), and their transpose (equation (71)). What a step releases goes
//! through the `r` numbers `u = R q`, so that it costs `N r + r A` for `A` active neurons in place of `N A`.

use std::ops::Range;

use super::sparse::Charges;
use super::step::{ProjectionBar, ProjectionParts, ProjectionStep, Scratch};
use crate::kernels::{axpy, dot, scale};
use crate::parameters::Layout;
use crate::{Group, Scalar};

/// The two factors of a projection's weights: where they lie in the parameters, and which of them is trainable.
#[derive(Clone, Debug)]
pub(crate) struct LowRank {
    rank: usize,
    /// Number of postsynaptic neurons.
    size: usize,
    left: Range<usize>,
    right: Range<usize>,
    trains_left: bool,
    trains_right: bool,
}

impl LowRank {
    /// The factors of projection `k`, of so many modes, to so many neurons.
    pub(crate) fn new(
        layout: &Layout,
        k: usize,
        rank: usize,
        size: usize,
        is_trainable: impl Fn(Group) -> bool,
    ) -> Self {
        let (left, right) = (Group::Left(k), Group::Right(k));
        Self {
            rank,
            size,
            left: layout.range(left),
            right: layout.range(right),
            trains_left: is_trainable(left),
            trains_right: is_trainable(right),
        }
    }

    /// Equations (19), (20), with the product of equation (70).
    #[inline(always)]
    pub(super) fn step<T: Scalar>(&self, parts: &ProjectionParts<T>, step: ProjectionStep<'_, T>) {
        let ProjectionStep { parameters, released: (neurons, charges), s, j, scratch, .. } = step;
        let decay = parts.decays[0];
        scale(s, decay.a);
        scale(j, decay.a);
        for (&neuron, &charge) in neurons.iter().zip(charges) {
            s[neuron as usize] += decay.b * charge;
        }
        self.add(parameters, Charges { neurons, charges, gain: decay.b }, scratch, j);
    }

    /// The transpose of [`step`](Self::step), equations (22), (26), (71).
    #[inline(always)]
    pub(super) fn step_vjp<T: Scalar>(&self, parts: &ProjectionParts<T>, bar: ProjectionBar<'_, T>) {
        let ProjectionBar { released: (neurons, charges), charge_bar, s_bar, j_bar, kept, .. } = bar;
        let gain = parts.decays[0].b;
        let released = Charges { neurons, charges, gain };
        bar.scratch.products.resize(neurons.len(), T::zero());
        self.add_vjp(bar.parameters, released, bar.scratch, j_bar, bar.parameters_bar);
        let mut by_b = T::zero();
        let of_neurons = neurons.iter().zip(charges).zip(&bar.scratch.products);
        for (((&neuron, &charge), &product), charge_bar) in of_neurons.zip(charge_bar) {
            let worth = s_bar[neuron as usize] + product;
            *charge_bar += gain * worth;
            by_b += charge * worth;
        }
        if parts.trains_tau {
            parts.tau_vjp(kept, (s_bar, j_bar), by_b, bar.parameters_bar);
        }
    }

    /// `J += W q` for charges `q`, which are scaled by their gain.
    #[inline(always)]
    fn add<T: Scalar>(
        &self,
        parameters: &[T],
        released: Charges<'_, T>,
        scratch: &mut Scratch<T>,
        j: &mut [T],
    ) {
        if released.neurons.is_empty() {
            return;
        }
        self.project(parameters, released, scratch);
        for (&u, column) in scratch.u.iter().zip(parameters[self.left.clone()].chunks_exact(self.size)) {
            axpy(j, released.gain * u, column);
        }
    }

    /// `u = R q`.
    #[inline(always)]
    fn project<T: Scalar>(&self, parameters: &[T], released: Charges<'_, T>, scratch: &mut Scratch<T>) {
        scratch.u.clear();
        scratch.u.resize(self.rank, T::zero());
        let right = &parameters[self.right.clone()];
        for (&neuron, &charge) in released.neurons.iter().zip(released.charges) {
            axpy(&mut scratch.u, charge, &right[neuron as usize * self.rank..][..self.rank]);
        }
    }

    /// The transpose of [`add`](Self::add): writes what a unit of charge of each neuron is worth, without the gain, to
    /// `products`, and adds to the factors' part of a gradient.
    #[inline(always)]
    fn add_vjp<T: Scalar>(
        &self,
        parameters: &[T],
        released: Charges<'_, T>,
        scratch: &mut Scratch<T>,
        j_bar: &[T],
        parameters_bar: &mut [T],
    ) {
        if released.neurons.is_empty() {
            return;
        }
        let (left, right) = (&parameters[self.left.clone()], &parameters[self.right.clone()]);
        scratch.u_bar.clear();
        scratch.u_bar.extend(left.chunks_exact(self.size).map(|column| dot(column, j_bar)));
        if self.trains_left {
            self.project(parameters, released, scratch);
            let left_bar = parameters_bar[self.left.clone()].chunks_exact_mut(self.size);
            for (&u, column) in scratch.u.iter().zip(left_bar) {
                axpy(column, released.gain * u, j_bar);
            }
        }
        let charges = released.neurons.iter().zip(released.charges);
        for ((&neuron, &charge), product) in charges.zip(&mut scratch.products) {
            let column = neuron as usize * self.rank..(neuron as usize + 1) * self.rank;
            *product = dot(&right[column.clone()], &scratch.u_bar);
            if self.trains_right && charge != T::zero() {
                let right_bar = &mut parameters_bar[self.right.clone()];
                axpy(&mut right_bar[column], released.gain * charge, &scratch.u_bar);
            }
        }
    }

    /// `J_0 = W s_0`, mode by mode, for which there is no tape yet.
    pub(crate) fn start<T: Scalar>(&self, parameters: &[T], s: &[T], j: &mut [T]) {
        for (mode, column) in parameters[self.left.clone()].chunks_exact(self.size).enumerate() {
            axpy(j, self.mode(parameters, mode, s), column);
        }
    }

    /// The transpose of [`start`](Self::start) by the factors; frozen ones are set to zero later.
    pub(crate) fn start_vjp<T: Scalar>(
        &self,
        parameters: &[T],
        s: &[T],
        j_bar: &[T],
        parameters_bar: &mut [T],
    ) {
        for (mode, column) in parameters[self.left.clone()].chunks_exact(self.size).enumerate() {
            let (u, u_bar) = (self.mode(parameters, mode, s), dot(column, j_bar));
            axpy(&mut parameters_bar[self.left.clone()][mode * self.size..][..self.size], u, j_bar);
            let right_bar = parameters_bar[self.right.clone()].iter_mut().skip(mode).step_by(self.rank);
            for (bar, &s) in right_bar.zip(s) {
                *bar += s * u_bar;
            }
        }
    }

    /// One entry of `R s`.
    fn mode<T: Scalar>(&self, parameters: &[T], mode: usize, s: &[T]) -> T {
        let row = parameters[self.right.clone()].iter().skip(mode).step_by(self.rank);
        row.zip(s).fold(T::zero(), |sum, (&r, &s)| sum + r * s)
    }
}
