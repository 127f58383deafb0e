//! The flow of neurons without a hard reset, with the current held: a step of an explicit or of an exponential method.

use spikegrad_integrators::{Exponential, tableau::MAX_STAGES};
use spikegrad_models::{Array, Neuron, NeuronVjp};

use super::block::{Block, BlockMut};
use super::loops::Context;
use super::neuron::{add_params, is_open, put_state, rhs_vjp, state_at, zeros};
use crate::Scalar;

/// One smooth step of one neuron with its current held.
#[inline(always)]
fn flow<N: Neuron, T: Scalar, const EULER: bool>(
    at: &Context<'_, T>,
    params: &N::Params<T>,
    mut x: N::State<T>,
    current: T,
) -> N::State<T> {
    if EULER {
        let f = N::rhs(params, &x, current);
        for (x, &f) in x.as_mut().iter_mut().zip(f.as_ref()) {
            *x += at.h * f;
        }
        return x;
    }
    let (mut points, mut slopes) = ([x; MAX_STAGES], [x; MAX_STAGES]);
    at.tableau.step(at.h, &mut x, &mut points, &mut slopes, |_, x, f| *f = N::rhs(params, x, current));
    x
}

/// The transpose of [`flow`]: turns `bar` of the end into that of the start and returns the current's cotangent. Without `train`,
/// `params_bar` means nothing.
#[inline(always)]
fn transpose<N: NeuronVjp, T: Scalar, const EULER: bool>(
    at: &Context<'_, T>,
    train: bool,
    params: &N::Params<T>,
    x: N::State<T>,
    current: T,
    bar: &mut N::State<T>,
    params_bar: &mut N::Params<T>,
) -> T {
    if EULER {
        let f_bar = N::State::<T>::from_fn(|c| at.h * bar.as_ref()[c]);
        return rhs_vjp::<N, T>(train, params, &x, current, &f_bar, bar, params_bar);
    }
    let (mut points, mut slopes) = ([x; MAX_STAGES], [x; MAX_STAGES]);
    let mut end = x;
    at.tableau.step(at.h, &mut end, &mut points, &mut slopes, |_, x, f| *f = N::rhs(params, x, current));
    let (mut points_bar, mut slope_bar) = ([zeros::<T, N::State<T>>(); MAX_STAGES], x);
    let mut current_bar = T::zero();
    at.tableau.step_vjp(at.h, &points, bar, &mut points_bar, &mut slope_bar, |_, x, f_bar, x_bar| {
        current_bar += rhs_vjp::<N, T>(train, params, x, current, f_bar, x_bar, params_bar);
    });
    current_bar
}

/// [`flow`] by an exponential method, equation (64).
#[inline(always)]
fn relaxed_flow<N: Neuron, T: Scalar>(
    at: &Context<'_, T>,
    method: Exponential,
    params: &N::Params<T>,
    x: N::State<T>,
    current: T,
) -> N::State<T> {
    method.step(at.h, x, |x, slope, relaxation| {
        (*slope, *relaxation) = (N::rhs(params, x, current), N::relaxation(params, x));
    })
}

/// The transpose of [`relaxed_flow`], as [`transpose`].
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
fn relaxed_transpose<N: NeuronVjp, T: Scalar>(
    at: &Context<'_, T>,
    train: bool,
    method: Exponential,
    params: &N::Params<T>,
    x: N::State<T>,
    current: T,
    bar: &mut N::State<T>,
    params_bar: &mut N::Params<T>,
) -> T {
    let mut current_bar = T::zero();
    method.step_vjp(
        at.h,
        x,
        bar,
        |x, slope, relaxation| {
            (*slope, *relaxation) = (N::rhs(params, x, current), N::relaxation(params, x));
        },
        |x, slope_bar, relaxation_bar, x_bar| {
            current_bar += rhs_vjp::<N, T>(train, params, x, current, slope_bar, x_bar, params_bar);
            N::relaxation_vjp(params, x, relaxation_bar, x_bar, params_bar);
        },
    );
    current_bar
}

/// The exponential method of neurons that relax, which all do that have conductances: an explicit step would diverge where these are
/// large.
#[inline(always)]
fn method<N: Neuron, T: Scalar>(at: &Context<'_, T>) -> Option<Exponential> {
    if const { is_open::<N>() } { at.exponential.or(Some(Exponential::Midpoint)) } else { at.exponential }
}

/// Takes the state of all neurons from `before` to `v` and `rest`, the current held, equation (18) without the charge. Branches on
/// the method stand outside the loops, so that these vectorise.
#[inline(always)]
pub(super) fn forward<N: Neuron, T: Scalar>(
    at: &Context<'_, T>,
    before: &[T],
    before_rest: &[T],
    current: &[T],
    v: &mut [T],
    rest: &mut [T],
    params: impl Fn(usize) -> N::Params<T>,
) {
    if N::RELAXES
        && let Some(method) = method::<N, T>(at)
    {
        for i in 0..v.len() {
            let x = state_at::<N, T>(before, before_rest, i);
            put_state::<N, T>(&relaxed_flow::<N, T>(at, method, &params(i), x, current[i]), v, rest, i);
        }
    } else if const { is_open::<N>() } {
        // Neurons with conductances always take an exponential method.
    } else if at.tableau.stages() == 1 {
        explicit::<N, T, true>(at, before, before_rest, current, v, rest, params);
    } else {
        explicit::<N, T, false>(at, before, before_rest, current, v, rest, params);
    }
}

/// [`flow`] of all neurons.
// As a function of its own, because the compiler then knows that its arguments do not overlap.
#[inline(always)]
fn explicit<N: Neuron, T: Scalar, const EULER: bool>(
    at: &Context<'_, T>,
    before: &[T],
    before_rest: &[T],
    current: &[T],
    v: &mut [T],
    rest: &mut [T],
    params: impl Fn(usize) -> N::Params<T>,
) {
    let size = v.len();
    let (before, current) = (&before[..size], &current[..size]);
    for i in 0..size {
        let x = state_at::<N, T>(before, before_rest, i);
        put_state::<N, T>(&flow::<N, T, EULER>(at, &params(i), x, current[i]), v, rest, i);
    }
}

/// The transpose of [`forward`]: turns `bar` of the end of the step into that of its start, writes `current_bar` and, with `train`,
/// adds to `neuron_bar`.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
pub(super) fn flow_vjp<N: NeuronVjp, T: Scalar>(
    at: &Context<'_, T>,
    train: bool,
    before: Block<'_, T>,
    current: &[T],
    bar: BlockMut<'_, T>,
    current_bar: &mut [T],
    neuron_bar: &mut [T],
    params: impl Fn(usize) -> N::Params<T>,
) {
    let BlockMut { v: v_bar, rest: rest_bar, .. } = bar;
    let size = v_bar.len();
    let before_v = &before.v[..size];
    // The flow stands in the loop itself: a closure might not be inlined into the wide vectors.
    macro_rules! run {
        (|$p:ident, $x:ident, $current:ident, $x_bar:ident, $p_bar:ident| $flow:expr) => {
            for i in 0..size {
                let ($p, $current) = (&params(i), current[i]);
                let $x = state_at::<N, T>(before_v, before.rest, i);
                let $x_bar = &mut state_at::<N, T>(v_bar, rest_bar, i);
                let $p_bar = &mut zeros::<T, N::Params<T>>();
                current_bar[i] = $flow;
                put_state::<N, T>($x_bar, v_bar, rest_bar, i);
                if train {
                    add_params::<N, T>(at, size, i, $p_bar, neuron_bar);
                }
            }
        };
    }
    if N::RELAXES
        && let Some(method) = method::<N, T>(at)
    {
        run!(|p, x, i, x_bar, p_bar| relaxed_transpose::<N, T>(at, train, method, p, x, i, x_bar, p_bar));
    } else if const { is_open::<N>() } {
        // As above.
    } else if at.tableau.stages() == 1 {
        run!(|p, x, i, x_bar, p_bar| transpose::<N, T, true>(at, train, p, x, i, x_bar, p_bar));
    } else {
        run!(|p, x, i, x_bar, p_bar| transpose::<N, T, false>(at, train, p, x, i, x_bar, p_bar));
    }
}
