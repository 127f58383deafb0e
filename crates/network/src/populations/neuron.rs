//! One neuron of a population: how its parameters and its state are found, and how they are put back.

use spikegrad_integrators::HardReset;
use spikegrad_models::{Array, Gate, Neuron, NeuronVjp, Reset};

use super::block::{Block, BlockMut};
use super::loops::Context;
use crate::Scalar;

impl<T: Scalar> Context<'_, T> {
    /// How many other state variables a population of model `N` has, and how many latches: most have none, which the compiler then
    /// knows.
    #[inline(always)]
    fn lengths<N: Neuron>(&self) -> (usize, usize) {
        let size = self.offsets.size;
        let latches = if keeps::<N, T>(&params_at::<N, T>(self, size, 0)) { size } else { 0 };
        ((<N::State<T> as Array<T>>::LEN - 1) * size, latches)
    }

    /// The population's part of a membrane state.
    #[inline(always)]
    pub(super) fn block<'x, N: Neuron>(&self, x: &'x [T]) -> Block<'x, T> {
        self.offsets.block(x, self.lengths::<N>())
    }

    /// The population's part of a membrane state, to be written.
    #[inline(always)]
    pub(super) fn block_mut<'x, N: Neuron>(&self, x: &'x mut [T]) -> BlockMut<'x, T> {
        self.offsets.block_mut(x, self.lengths::<N>())
    }
}

#[inline(always)]
pub(super) fn params_at<N: Neuron, T: Scalar>(at: &Context<'_, T>, size: usize, i: usize) -> N::Params<T> {
    let (stride, of_set) = if at.per_neuron { (size, i) } else { (1, 0) };
    N::Params::<T>::from_fn(|j| {
        if const { is_open::<N>() } && j == N::PARAMETERS.len() {
            at.conductance[i]
        } else {
            at.parameters[j * stride + of_set]
        }
    })
}

#[inline(always)]
pub(super) fn add_params<N: Neuron, T: Scalar>(
    at: &Context<'_, T>,
    size: usize,
    i: usize,
    add: &N::Params<T>,
    target: &mut [T],
) {
    let (stride, of_set) = if at.per_neuron { (size, i) } else { (1, 0) };
    for (j, &a) in add.as_ref().iter().enumerate() {
        // Conductances are those of each neuron, and stand behind the parameters.
        let is_conductance = const { is_open::<N>() } && j == N::PARAMETERS.len();
        target[j * stride + if is_conductance { i } else { of_set }] += a;
    }
}

/// Whether this is a model with a conductance: it has a parameter that it does not list.
pub(super) const fn is_open<N: Neuron>() -> bool {
    <N::Params<f64> as Array<f64>>::LEN != N::PARAMETERS.len()
}

#[inline(always)]
pub(super) fn state_at<N: Neuron, T: Scalar>(v: &[T], rest: &[T], i: usize) -> N::State<T> {
    let size = v.len();
    N::State::<T>::from_fn(|c| if c == 0 { v[i] } else { rest[(c - 1) * size + i] })
}

#[inline(always)]
pub(super) fn put_state<N: Neuron, T: Scalar>(x: &N::State<T>, v: &mut [T], rest: &mut [T], i: usize) {
    let size = v.len();
    for (c, &value) in x.as_ref().iter().enumerate() {
        if c == 0 {
            v[i] = value;
        } else {
            rest[(c - 1) * size + i] = value;
        }
    }
}

#[inline(always)]
pub(super) fn gate_of<N: Neuron, T: Scalar>(
    at: &Context<'_, T>,
    params: &N::Params<T>,
) -> (Gate<T>, Reset<T>) {
    let reset = N::reset(params);
    (Gate { shape: at.shape, width: at.width, threshold: reset.threshold() }, reset)
}

/// Whether a neuron keeps a number besides its state.
#[inline(always)]
pub(super) fn keeps<N: Neuron, T: Scalar>(params: &N::Params<T>) -> bool {
    matches!(N::reset(params), Reset::Latch { .. }) || N::refractory(params).is_some()
}

/// [`NeuronVjp::rhs_vjp`]; without `train`, what it adds to `params_bar` means nothing, and need not be added.
#[inline(always)]
pub(super) fn rhs_vjp<N: NeuronVjp, T: Scalar>(
    train: bool,
    params: &N::Params<T>,
    x: &N::State<T>,
    current: T,
    f_bar: &N::State<T>,
    x_bar: &mut N::State<T>,
    params_bar: &mut N::Params<T>,
) -> T {
    if train || const { !N::BY_STATE } {
        N::rhs_vjp(params, x, current, f_bar, x_bar, params_bar)
    } else {
        N::rhs_vjp_by_state(params, x, current, f_bar, x_bar)
    }
}

#[inline(always)]
pub(super) fn zeros<T: Scalar, A: Array<T>>() -> A {
    A::from_fn(|_| T::zero())
}

#[inline(always)]
pub(super) fn hard_reset<N: Neuron, T: Scalar>(params: &N::Params<T>) -> HardReset<T> {
    match N::reset(params) {
        Reset::To { threshold, value } => HardReset { threshold, value },
        other => HardReset { threshold: other.threshold(), value: T::zero() },
    }
}

#[inline(always)]
pub(super) fn latch_at<T: Scalar>(latch: &[T], i: usize) -> T {
    latch.get(i).copied().unwrap_or_else(T::zero)
}
