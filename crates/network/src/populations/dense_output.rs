//! The loops over neurons whose hard resets are located on the dense output of the step (equations (47) to (50)). Each
//! neuron goes its own way through a step, so that nothing here is vectorised.

use spikegrad_integrators::{EventLog, FiringField, FiringFieldVjp, ResetStep};
use spikegrad_models::math::real;
use spikegrad_models::{Locate, Neuron, NeuronVjp};

use super::block::{Block, BlockMut};
use super::charge::add_charges;
use super::loops::{Context, GRAZING};
use super::neuron::{
    add_params, gate_of, hard_reset, latch_at, params_at, put_state, rhs_vjp, state_at, zeros,
};
use super::released::Released;
use crate::Scalar;

/// Whether the resets of a model are located here.
pub(super) const fn is_on_dense_output<N: Neuron>() -> bool {
    matches!(N::LOCATE, Locate::DenseOutput)
}

/// One neuron with its current held, and the cotangents that its transpose collects.
struct FiringNeuron<N: Neuron, T: Scalar> {
    params: N::Params<T>,
    current: T,
    /// The conductance, whose part of the current falls as the voltage rises (equation (83)); zero where no channels end.
    conductance: T,
    /// Whether `params_bar` is wanted.
    train: bool,
    params_bar: N::Params<T>,
    current_bar: T,
    conductance_bar: T,
}

impl<N: Neuron, T: Scalar> FiringNeuron<N, T> {
    fn new(at: &Context<'_, T>, size: usize, i: usize, current: T) -> Self {
        Self {
            params: params_at::<N, T>(at, size, i),
            current,
            conductance: at.conductance.get(i).copied().unwrap_or_else(T::zero),
            train: false,
            params_bar: zeros::<T, N::Params<T>>(),
            current_bar: T::zero(),
            conductance_bar: T::zero(),
        }
    }

    /// The current at a voltage.
    #[inline(always)]
    fn current_at(&self, v: T) -> T {
        self.current - self.conductance * v
    }

    /// Whether an explicit step of `h` is stable with the conductance: the voltage relaxes at a rate of at most `2 / h`.
    fn is_stable(&self, x: &N::State<T>, h: T) -> bool {
        let slope = |current: T| N::rhs(&self.params, x, current).as_ref()[0];
        self.conductance == T::zero()
            || h * self.conductance * (slope(T::one()) - slope(T::zero())) < real(2.0)
    }
}

impl<N: Neuron, T: Scalar> FiringField<T> for FiringNeuron<N, T> {
    type State = N::State<T>;

    #[inline(always)]
    fn rhs(&self, x: &N::State<T>) -> N::State<T> {
        N::rhs(&self.params, x, self.current_at(x.as_ref()[0]))
    }

    fn threshold(&self) -> T {
        hard_reset::<N, T>(&self.params).threshold
    }

    fn jump(&self, x: &N::State<T>) -> N::State<T> {
        N::after_spike(&self.params, x)
    }

    fn refractory(&self) -> T {
        N::refractory(&self.params).unwrap_or_else(T::zero)
    }
}

impl<N: NeuronVjp, T: Scalar> FiringFieldVjp<T> for FiringNeuron<N, T> {
    #[inline(always)]
    fn rhs_vjp(&mut self, x: &N::State<T>, f_bar: &N::State<T>, x_bar: &mut N::State<T>) {
        let v = x.as_ref()[0];
        let (current, params, params_bar) = (self.current_at(v), &self.params, &mut self.params_bar);
        let current_bar = rhs_vjp::<N, T>(self.train, params, x, current, f_bar, x_bar, params_bar);
        self.current_bar += current_bar;
        self.conductance_bar -= v * current_bar;
        x_bar.as_mut()[0] -= self.conductance * current_bar;
    }

    fn jump_vjp(&mut self, before: &N::State<T>, after_bar: &N::State<T>, before_bar: &mut N::State<T>) {
        let mut after_bar = *after_bar;
        N::reset_vjp(&self.params, T::zero(), after_bar.as_ref()[0], &mut self.params_bar);
        after_bar.as_mut()[0] = T::zero();
        N::jump_vjp(&self.params, before, &after_bar, before_bar, &mut self.params_bar);
    }

    fn threshold_vjp(&mut self, threshold_bar: T) {
        N::reset_vjp(&self.params, threshold_bar, T::zero(), &mut self.params_bar);
    }

    fn refractory_vjp(&mut self, refractory_bar: T) {
        N::refractory_vjp(&self.params, refractory_bar, &mut self.params_bar);
    }
}

fn step<T: Scalar>(at: &Context<'_, T>) -> ResetStep<T> {
    ResetStep { tableau: at.tableau, h: at.h }
}

/// The split step's flow, equation (18).
pub(super) fn forward<N: NeuronVjp, T: Scalar>(
    at: &Context<'_, T>,
    before: Block<'_, T>,
    after: BlockMut<'_, T>,
    current: &[T],
    offset: usize,
    released: &mut Released<T>,
) {
    let size = before.v.len();
    let first = released.len();
    released.make_room(size);
    for i in 0..size {
        let p = params_at::<N, T>(at, size, i);
        let cell = FiringNeuron::<N, T>::new(at, size, i, current[i]);
        let (mut x, mut wait) = (state_at::<N, T>(before.v, before.rest, i), latch_at(before.latch, i));
        let stable = cell.is_stable(&x, at.h);
        let spikes = step(at).step(&cell, &mut x, &mut wait);
        if !stable {
            // Nothing that follows from this step may look like a result.
            x.as_mut()[0] = T::zero() / T::zero();
        }
        put_state::<N, T>(&x, after.v, after.rest, i);
        if let Some(latch) = after.latch.get_mut(i) {
            *latch = wait;
        }
        let lower = gate_of::<N, T>(at, &p).0.lower();
        if spikes > 0 || before.v[i] > lower || after.v[i] > lower {
            released.push(offset + i, real(f64::from(spikes)));
        }
    }
    add_charges::<N, T, 1>(at, before.v, after.v, offset, first, released, |i| {
        params_at::<N, T>(at, size, i)
    });
}

/// The middle line of equation (24), the transpose of the flow without its charge: turns `bar` of the end into that of the
/// start and writes `current_bar`.
pub(super) fn flow_vjp<N: NeuronVjp, T: Scalar>(
    at: &Context<'_, T>,
    before: Block<'_, T>,
    current: &[T],
    bar: BlockMut<'_, T>,
    (current_bar, conductance_bar): (&mut [T], &mut [T]),
    mut neuron_bar: Option<&mut [T]>,
) {
    let size = before.v.len();
    for i in 0..size {
        let mut cell = FiringNeuron::<N, T>::new(at, size, i, current[i]);
        cell.train = neuron_bar.is_some();
        let (x, wait) = (state_at::<N, T>(before.v, before.rest, i), latch_at(before.latch, i));
        let (mut x_bar, mut wait_bar) = (state_at::<N, T>(bar.v, bar.rest, i), latch_at(bar.latch, i));
        step(at).step_vjp(&mut cell, &x, wait, &mut x_bar, &mut wait_bar);
        put_state::<N, T>(&x_bar, bar.v, bar.rest, i);
        if let Some(latch) = bar.latch.get_mut(i) {
            *latch = wait_bar;
        }
        current_bar[i] = cell.current_bar;
        if let Some(bar) = conductance_bar.get_mut(i) {
            *bar = cell.conductance_bar;
        }
        if let Some(target) = &mut neuron_bar {
            add_params::<N, T>(at, size, i, &cell.params_bar, target);
        }
    }
}

/// Calls `visit` with the time since the start of the step of every spike.
pub(super) fn spike_times<N: NeuronVjp, T: Scalar>(
    at: &Context<'_, T>,
    before: Block<'_, T>,
    current: T,
    i: usize,
    visit: &mut dyn FnMut(T),
) {
    let cell = FiringNeuron::<N, T>::new(at, before.v.len(), i, current);
    let (x, wait) = (state_at::<N, T>(before.v, before.rest, i), latch_at(before.latch, i));
    step(at).spikes(&cell, &x, wait, |time, _| visit(time));
}

/// Logs what a step with spikes tells of them: how many cross the threshold tangentially or nearly so, and how steep the
/// upstroke is there.
pub(super) fn log_spike<N: NeuronVjp, T: Scalar>(
    at: &Context<'_, T>,
    before: Block<'_, T>,
    current: T,
    i: usize,
    log: &mut EventLog,
) {
    let mut cell = FiringNeuron::<N, T>::new(at, before.v.len(), i, current);
    let reset = hard_reset::<N, T>(&cell.params);
    let x = state_at::<N, T>(before.v, before.rest, i);
    let least = real::<T>(GRAZING) * (reset.threshold - reset.value);
    step(at).spikes(&cell, &x, latch_at(before.latch, i), |_, slope| {
        if !(slope.abs() * at.h >= least) {
            log.grazing();
        }
    });
    let mut at_threshold = x;
    at_threshold.as_mut()[0] = reset.threshold;
    let (mut f_bar, mut x_bar) = (zeros::<T, N::State<T>>(), zeros::<T, N::State<T>>());
    f_bar.as_mut()[0] = T::one();
    cell.rhs_vjp(&at_threshold, &f_bar, &mut x_bar);
    log.upstroke((at.h * x_bar.as_ref()[0]).to_subset_unchecked());
}
