//! The split step of a population and its transpose: the flow of its neurons, by how they are reset, and the charges.

use std::marker::PhantomData;

use pulp::NullaryFnOnce;
use spikegrad_models::{NeuronVjp, Reset};

use super::block::{Block, BlockMut, Offsets};
use super::charge::{GateBar, add_charges, add_slopes, total};
use super::closed_form::{self, is_closed_form};
use super::dense_output::{self, is_on_dense_output};
use super::loops::{Context, Flow, FlowBar};
use super::neuron::{gate_of, is_open, params_at};
use super::released::{Active, GROUP, Released};
use super::smooth;
use crate::Scalar;
use crate::kernels::vectorise;

/// Equation (18) for a population of model `N`. The loops are compiled for the machine's widest vectors: what they call must be
/// inlined into them.
pub(super) fn forward<N: NeuronVjp, T: Scalar>(at: &Context<'_, T>, flow: &mut Flow<'_, T>) {
    if const { is_on_dense_output::<N>() } {
        let (before, after) = (at.block::<N>(flow.before), at.block_mut::<N>(flow.after));
        let (offset, current) = (at.offsets.offset, at.offsets.of(flow.current));
        return dense_output::forward::<N, T>(at, before, after, current, offset, flow.released);
    }
    let step = Step { at, flow, model: PhantomData::<N> };
    // Neurons with conductances of their own gain little from wide vectors, for which they would be compiled once more.
    if const { is_open::<N>() } { step.call() } else { vectorise::<T, _>(at.arch, step) }
}

/// The transpose of [`forward`], equation (24).
pub(super) fn backward<N: NeuronVjp, T: Scalar>(at: &Context<'_, T>, flow: &mut FlowBar<'_, T>) {
    let step = Step { at, flow, model: PhantomData::<N> };
    if const { is_on_dense_output::<N>() || is_open::<N>() } {
        step.call()
    } else {
        vectorise::<T, _>(at.arch, step)
    }
}

/// Equation (18) for all neurons of a population, which have `params`: one set for `G` of them at a time, or one each.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
fn forward_loop<N: NeuronVjp, T: Scalar, const G: usize>(
    at: &Context<'_, T>,
    before: Block<'_, T>,
    after: BlockMut<'_, T>,
    current: &[T],
    offset: usize,
    released: &mut Released<T>,
    params: impl Fn(usize) -> N::Params<T>,
) {
    let size = before.v.len();
    let BlockMut { v, rest, latch } = after;
    let (current, before_v) = (&current[..size], &before.v[..size]);
    let v = &mut v[..size];
    let first = released.len;
    released.make_room(size);
    // Where the active zone begins.
    let all = gate_of::<N, T>(at, &params(0)).0.lower();
    let lower = |i: usize| if G > 1 { all } else { gate_of::<N, T>(at, &params(i)).0.lower() };
    // Branches on constants of the model leave nothing to be compiled where it is not taken.
    if const { is_closed_form::<N>() } {
        let after = BlockMut { v, rest, latch };
        closed_form::forward::<N, T, G>(at, before, after, current, offset, released, lower, &params);
        add_charges::<N, T, G>(at, before_v, v, offset, first, released, params);
        return;
    }
    smooth::forward::<N, T>(at, before_v, before.rest, current, v, rest, &params);
    if let Reset::Latch { .. } = N::reset(&params(0)) {
        for i in 0..size {
            let (gate, reset) = gate_of::<N, T>(at, &params(i));
            let held = before.latch[i];
            let (charge, _) = total(&gate, &reset, v[i], held);
            latch[i] = if v[i] > gate.lower() { charge } else { T::zero() };
            if charge > held {
                released.push(offset + i, charge - held);
            }
        }
    } else if !matches!(N::reset(&params(0)), Reset::Never) {
        // Few neurons are near threshold: they are found by comparing vectors.
        let periodic = matches!(N::reset(&params(0)), Reset::Periodic);
        let rectified = matches!(N::reset(&params(0)), Reset::Rectify);
        released.look(
            offset,
            before_v,
            v,
            #[inline(always)]
            |i, old, new| {
                let lower = lower(i);
                let near = (new > lower) | (old > lower) | (periodic & (new < T::zero()));
                near & (!rectified | (new > old))
            },
        );
        if rectified {
            for v in &mut *v {
                *v = if *v < T::zero() { T::zero() } else { *v };
            }
        }
    }
    add_charges::<N, T, G>(at, before_v, v, offset, first, released, params);
}

/// The transpose of [`forward_loop`], equation (24).
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
fn backward_loop<N: NeuronVjp, T: Scalar, const G: usize>(
    at: &Context<'_, T>,
    train: bool,
    before: Block<'_, T>,
    after: Block<'_, T>,
    current: &[T],
    offset: usize,
    active: Active<'_, T>,
    charge_bar: &mut [T],
    bar: BlockMut<'_, T>,
    current_bar: &mut [T],
    conductance_bar: &mut [T],
    neuron_bar: &mut [T],
    width: Option<&mut T>,
    params: impl Fn(usize) -> N::Params<T>,
) {
    let size = before.v.len();
    let BlockMut { v: v_bar, rest: rest_bar, latch: latch_bar } = bar;
    let (v_bar, current_bar) = (&mut v_bar[..size], &mut current_bar[..size]);
    let (current, before_v, after_v) = (&current[..size], &before.v[..size], &after.v[..size]);
    let latched = matches!(N::reset(&params(0)), Reset::Latch { .. });

    // A restarted latch is a constant: its cotangent ends here.
    if latched {
        for i in 0..size {
            let (gate, _) = gate_of::<N, T>(at, &params(i));
            if !(after_v[i] > gate.lower()) {
                latch_bar[i] = T::zero();
            }
        }
    }
    // So is a voltage on the floor. One that fires and falls to 0 has released charge, and none on the floor has.
    if matches!(N::reset(&params(0)), Reset::Rectify) {
        let mut released = active.neurons.iter().map(|&neuron| neuron as usize - offset).peekable();
        for i in 0..size {
            if released.next_if_eq(&i).is_none() && after_v[i] == T::zero() {
                v_bar[i] = T::zero();
            }
        }
    }
    // What the charge depends on: the end of the step now, its start after the flow.
    if latched {
        for (&neuron, charge_bar) in active.neurons.iter().zip(&mut *charge_bar) {
            let latch_bar = &mut latch_bar[neuron as usize - offset];
            (*charge_bar, *latch_bar) = (*charge_bar + *latch_bar, -*charge_bar);
        }
    }
    let gate_bar = GateBar { v: &mut *v_bar, neuron: &mut *neuron_bar, width };
    add_slopes::<N, T>(at, train, latched, before_v, after_v, offset, active, charge_bar, gate_bar, &params);
    let bar = BlockMut { v: &mut *v_bar, rest: rest_bar, latch: latch_bar };
    if const { is_on_dense_output::<N>() } {
        let neuron_bar = if train { Some(neuron_bar) } else { None };
        dense_output::flow_vjp::<N, T>(at, before, current, bar, (current_bar, conductance_bar), neuron_bar);
    } else if const { is_closed_form::<N>() } {
        let active = active.neurons;
        closed_form::flow_vjp::<N, T, G>(
            at,
            train,
            before,
            current,
            offset,
            active,
            bar,
            current_bar,
            neuron_bar,
            &params,
        );
    } else {
        smooth::flow_vjp::<N, T>(at, train, before, current, bar, current_bar, neuron_bar, &params);
    }
    if !latched {
        for (&neuron, &start_bar) in active.neurons.iter().zip(&*charge_bar) {
            v_bar[neuron as usize - offset] += start_bar;
        }
    }
}

/// A population's part of a [`Flow`] or of its transpose. A closure that only borrows reaches the wide vectors through a shim that
/// is not inlined, and so never sees them; this is a closure written out.
struct Step<'s, 'p, F, N, T> {
    at: &'s Context<'p, T>,
    flow: &'s mut F,
    model: PhantomData<N>,
}

impl<N: NeuronVjp, T: Scalar> NullaryFnOnce for Step<'_, '_, Flow<'_, T>, N, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { at, flow, .. } = self;
        let (before, after) = (at.block::<N>(flow.before), at.block_mut::<N>(flow.after));
        let (Offsets { offset, size, .. }, current) = (at.offsets, at.offsets.of(flow.current));
        if const { !T::VECTORISES || is_open::<N>() } || at.per_neuron {
            let params = |i| params_at::<N, T>(at, size, i);
            forward_loop::<N, T, 1>(at, before, after, current, offset, flow.released, params);
        } else {
            let p = params_at::<N, T>(at, size, 0);
            forward_loop::<N, T, GROUP>(at, before, after, current, offset, flow.released, |_| p);
        }
    }
}

impl<N: NeuronVjp, T: Scalar> NullaryFnOnce for Step<'_, '_, FlowBar<'_, T>, N, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { at, flow, .. } = self;
        let (before, after) = (at.block::<N>(flow.before), at.block::<N>(flow.after));
        let (Offsets { offset, size, .. }, current) = (at.offsets, at.offsets.of(flow.current));
        let bar = at.block_mut::<N>(flow.bar);
        let current_bar = &mut flow.current_bar[offset..][..size];
        let (active, charge_bar, width) =
            (flow.active, &mut *flow.charge_bar, flow.parameters.width.as_deref_mut());
        let neuron = flow.parameters.neuron.as_deref_mut();
        macro_rules! run {
            ($group:expr, $train:expr, $target:expr, $params:expr) => {
                backward_loop::<N, T, $group>(
                    at,
                    $train,
                    before,
                    after,
                    current,
                    offset,
                    active,
                    charge_bar,
                    bar,
                    current_bar,
                    &mut *flow.conductance_bar,
                    $target,
                    width,
                    $params,
                )
            };
        }
        let (train, target) = (neuron.is_some(), neuron.unwrap_or_default());
        if const { !T::VECTORISES || is_on_dense_output::<N>() || is_open::<N>() } || at.per_neuron {
            return run!(1, train, target, |i| params_at::<N, T>(at, size, i));
        }
        // Each with its own copy of the loops, in which `train` is a constant.
        let shared = params_at::<N, T>(at, size, 0);
        if train { run!(GROUP, true, target, |_| shared) } else { run!(GROUP, false, target, |_| shared) }
    }
}
