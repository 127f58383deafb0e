//! Recurrent weights of low rank, `W_k = L R` (equation (70)), and their transpose (equation (71)). What a step releases goes
//! through the `r` numbers `u = R q`, so that it costs `N r + r A` for `A` active neurons in place of `N A`.

use std::ops::Range;

use nalgebra::RealField;

use crate::columns::Charges;
use crate::kernels::{axpy, dot};
use crate::{Group, Network};

/// The two factors of a class's weights: where they lie in the parameters, and which of them is trainable.
#[derive(Clone, Debug)]
pub(crate) struct LowRank {
    rank: usize,
    size: usize,
    left: Range<usize>,
    right: Range<usize>,
    trains_left: bool,
    trains_right: bool,
}

/// `u = R q` and its cotangent, kept from step to step so that none has to allocate.
#[derive(Clone, Debug)]
pub(crate) struct Modes<T> {
    u: Vec<T>,
    u_bar: Vec<T>,
}

impl<T> Default for Modes<T> {
    fn default() -> Self {
        Self { u: Vec::new(), u_bar: Vec::new() }
    }
}

impl LowRank {
    /// The factors of a class, if it has any.
    pub(crate) fn new<T: RealField + Copy>(network: &Network<T>, class: usize) -> Option<Self> {
        let (left, right) = (Group::Left(class), Group::Right(class));
        let layout = network.parameters.layout();
        network.ranks[class].map(|rank| Self {
            rank,
            size: network.neurons,
            left: layout.range(left),
            right: layout.range(right),
            trains_left: network.is_trainable(left),
            trains_right: network.is_trainable(right),
        })
    }

    /// `J += W q` for charges `q`, which are scaled by their gain.
    #[inline(always)]
    pub(crate) fn add<T: RealField + Copy>(
        &self,
        parameters: &[T],
        released: Charges<'_, T>,
        modes: &mut Modes<T>,
        j: &mut [T],
    ) {
        if released.neurons.is_empty() {
            return;
        }
        self.project(parameters, released, modes);
        for (&u, column) in modes.u.iter().zip(parameters[self.left.clone()].chunks_exact(self.size)) {
            axpy(j, released.gain * u, column);
        }
    }

    /// `u = R q`.
    #[inline(always)]
    fn project<T: RealField + Copy>(&self, parameters: &[T], released: Charges<'_, T>, modes: &mut Modes<T>) {
        modes.u.clear();
        modes.u.resize(self.rank, T::zero());
        let right = &parameters[self.right.clone()];
        for (&neuron, &charge) in released.neurons.iter().zip(released.charges) {
            axpy(&mut modes.u, charge, &right[neuron as usize * self.rank..][..self.rank]);
        }
    }

    /// The transpose of [`add`](Self::add): writes what a unit of charge of each neuron is worth, without the gain, to
    /// `products`, and adds to the factors' part of a gradient.
    #[inline(always)]
    pub(crate) fn add_vjp<T: RealField + Copy>(
        &self,
        parameters: &[T],
        released: Charges<'_, T>,
        modes: &mut Modes<T>,
        j_bar: &[T],
        parameters_bar: &mut [T],
        products: &mut [T],
    ) {
        if released.neurons.is_empty() {
            return;
        }
        let (left, right) = (&parameters[self.left.clone()], &parameters[self.right.clone()]);
        modes.u_bar.clear();
        modes.u_bar.extend(left.chunks_exact(self.size).map(|column| dot(column, j_bar)));
        if self.trains_left {
            self.project(parameters, released, modes);
            let left_bar = parameters_bar[self.left.clone()].chunks_exact_mut(self.size);
            for (&u, column) in modes.u.iter().zip(left_bar) {
                axpy(column, released.gain * u, j_bar);
            }
        }
        let charges = released.neurons.iter().zip(released.charges);
        for ((&neuron, &charge), product) in charges.zip(products) {
            let column = neuron as usize * self.rank..(neuron as usize + 1) * self.rank;
            *product = dot(&right[column.clone()], &modes.u_bar);
            if self.trains_right && charge != T::zero() {
                let right_bar = &mut parameters_bar[self.right.clone()];
                axpy(&mut right_bar[column], released.gain * charge, &modes.u_bar);
            }
        }
    }

    /// `J_0 = W s_0`, mode by mode, for which there is no tape yet.
    pub(crate) fn start<T: RealField + Copy>(&self, parameters: &[T], s: &[T], j: &mut [T]) {
        for (mode, column) in parameters[self.left.clone()].chunks_exact(self.size).enumerate() {
            axpy(j, self.mode(parameters, mode, s), column);
        }
    }

    /// The transpose of [`start`](Self::start) by the factors; frozen ones are set to zero later.
    pub(crate) fn start_vjp<T: RealField + Copy>(
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
    fn mode<T: RealField + Copy>(&self, parameters: &[T], mode: usize, s: &[T]) -> T {
        let row = parameters[self.right.clone()].iter().skip(mode).step_by(self.rank);
        row.zip(s).fold(T::zero(), |sum, (&r, &s)| sum + r * s)
    }
}
