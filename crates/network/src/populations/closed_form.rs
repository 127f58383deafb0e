//! The flow of neurons whose equation has a closed form, with hard resets inside the step (equations (29) to (31)).

use spikegrad_integrators::{Affine, AffineBar};
use spikegrad_models::{Array, Locate, Neuron, NeuronVjp};

use super::block::{Block, BlockMut};
use super::loops::Context;
use super::neuron::{add_params, hard_reset, rhs_vjp, zeros};
use super::released::{Released, gathered};
use crate::Scalar;

/// Whether the resets of a model are located here.
pub(super) const fn is_closed_form<N: Neuron>() -> bool {
    matches!(N::LOCATE, Locate::ClosedForm)
}

/// The affine coefficients of a model that says it has them.
#[inline(always)]
pub(super) fn affine<N: Neuron, T: Scalar>(params: &N::Params<T>, current: T) -> Affine<T> {
    let f = |v: T, current: T| N::rhs(params, &N::State::<T>::from_fn(|_| v), current).as_ref()[0];
    // The rate does not depend on the current, and is taken without it to be the same to the bit for all neurons.
    Affine { a: f(T::one(), T::zero()) - f(T::zero(), T::zero()), c: f(T::zero(), current) }
}

/// How the flow of [`affine`] grows in a step, and the derivative of that by its rate.
#[inline(always)]
pub(super) fn growth<N: Neuron, T: Scalar>(at: &Context<'_, T>, params: &N::Params<T>) -> (T, T) {
    let flow = affine::<N, T>(params, T::zero());
    (flow.phi(at.h), flow.phi_by_a(at.h))
}

/// The first of [`growth`], alone where it is not known.
#[inline(always)]
fn phi<N: Neuron, T: Scalar>(at: &Context<'_, T>, params: &N::Params<T>) -> T {
    at.growth.map_or_else(|| affine::<N, T>(params, T::zero()).phi(at.h), |(phi, _)| phi)
}

/// The transpose of [`affine`]: adds, with `train`, to the parameters and returns the cotangent of the current.
#[inline(always)]
fn affine_vjp<N: NeuronVjp, T: Scalar>(
    train: bool,
    params: &N::Params<T>,
    current: T,
    bar: &AffineBar<T>,
    params_bar: &mut N::Params<T>,
) -> T {
    let mut x_bar = zeros::<T, N::State<T>>();
    let mut by = |v: T, current: T, f_bar: T| {
        let (x, f_bar) = (N::State::<T>::from_fn(|_| v), N::State::<T>::from_fn(|_| f_bar));
        rhs_vjp::<N, T>(train, params, &x, current, &f_bar, &mut x_bar, params_bar)
    };
    by(T::one(), T::zero(), bar.a);
    by(T::zero(), T::zero(), -bar.a);
    by(T::zero(), current, bar.c)
}

/// Resets those of `neurons` that reach threshold in a step, whose voltages `after` are those that they would have at its end
/// without a reset, and writes how many spikes there were; in the vectors of [`add_charges`](super::charge::add_charges).
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the arguments are those of the step")]
fn fire<N: Neuron, T: Scalar, const G: usize>(
    at: &Context<'_, T>,
    before: &[T],
    current: &[T],
    after: &mut [T],
    offset: usize,
    neurons: &[u32],
    spikes: &mut [T],
    params: impl Fn(usize) -> N::Params<T>,
) {
    for (neurons, spikes) in neurons.chunks(G).zip(spikes.chunks_mut(G)) {
        let p = params(neurons[0] as usize - offset);
        let reset = hard_reset::<N, T>(&p);
        let phi = phi::<N, T>(at, &p);
        let (start, smooth) =
            (gathered::<T, G>(before, offset, neurons), gathered::<T, G>(after, offset, neurons));
        let input = gathered::<T, G>(current, offset, neurons);
        let (mut ends, mut fires, mut repeats) = (smooth, [T::zero(); G], [0; G]);
        for lane in 0..G {
            let spike = affine::<N, T>(&p, input[lane]).spike(reset, start[lane], smooth[lane], phi);
            ends[lane] = spike.end;
            fires[lane] = if spike.fires { T::one() } else { T::zero() };
            repeats[lane] = u8::from(spike.repeats);
        }
        let any = repeats != [0; G];
        for (lane, (&neuron, spikes)) in neurons.iter().zip(spikes).enumerate() {
            (after[neuron as usize - offset], *spikes) = if any {
                affine::<N, T>(&p, input[lane]).step_by(reset, start[lane], at.h, phi)
            } else {
                (ends[lane], fires[lane])
            };
        }
    }
}

/// The transpose of what [`fire`] does to the voltages, for neurons that are to take the step without a reset after this: turns the
/// cotangents of their ends into those of the ends without a reset, writes what spikes add to those of currents, and adds to
/// those of the parameters. Neurons whose spikes are not simple are left aside, their cotangents in the place of those of the
/// currents; returns whether there are any.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the arguments are those of the step")]
fn fire_vjp<N: NeuronVjp, T: Scalar, const G: usize>(
    at: &Context<'_, T>,
    train: bool,
    before: &[T],
    current: &[T],
    offset: usize,
    neurons: &[u32],
    v_bar: &mut [T],
    current_bar: &mut [T],
    neuron_bar: &mut [T],
    params: impl Fn(usize) -> N::Params<T>,
) -> bool {
    let mut any_apart = false;
    for neurons in neurons.chunks(G) {
        let p = params(neurons[0] as usize - offset);
        let reset = hard_reset::<N, T>(&p);
        let phi = phi::<N, T>(at, &p);
        let (v, input) =
            (gathered::<T, G>(before, offset, neurons), gathered::<T, G>(current, offset, neurons));
        let mut bars = gathered::<T, G>(v_bar, offset, neurons);
        let (mut by_current, mut apart) = ([T::zero(); G], [0; G]);
        let mut by_params = [zeros::<T, N::Params<T>>(); G];
        for lane in 0..G {
            let flow = affine::<N, T>(&p, input[lane]);
            let spike = flow.spike(reset, v[lane], flow.advance_by(v[lane], phi), phi);
            let (mut bar, end_bar) = (AffineBar::zero(), bars[lane]);
            let smooth_bar = flow.spike_vjp(reset, &spike, end_bar, &mut bar);
            let add = affine_vjp::<N, T>(train, &p, input[lane], &bar, &mut by_params[lane]);
            N::reset_vjp(&p, bar.threshold, bar.value, &mut by_params[lane]);
            let simple = spike.is_simple();
            bars[lane] = if simple { smooth_bar } else { T::zero() };
            by_current[lane] = if simple { add } else { end_bar };
            apart[lane] = u8::from(!simple);
        }
        any_apart |= apart[..neurons.len()].contains(&1);
        for (lane, &neuron) in neurons.iter().enumerate() {
            let i = neuron as usize - offset;
            (v_bar[i], current_bar[i]) = (bars[lane], by_current[lane]);
            if train && apart[lane] == 0 {
                add_params::<N, T>(at, before.len(), i, &by_params[lane], neuron_bar);
            }
        }
    }
    any_apart
}

/// The step of all neurons, whose voltages come to `after` without being wrapped, and the spikes of those that release charge or
/// stand in the active zone, which begins at `lower`. Their partial charges are for [`add_charges`](super::charge::add_charges).
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
pub(super) fn forward<N: Neuron, T: Scalar, const G: usize>(
    at: &Context<'_, T>,
    before: Block<'_, T>,
    after: BlockMut<'_, T>,
    current: &[T],
    offset: usize,
    released: &mut Released<T>,
    lower: impl Fn(usize) -> T,
    params: impl Fn(usize) -> N::Params<T>,
) {
    let BlockMut { v, latch, .. } = after;
    let size = v.len();
    let (before_v, first) = (&before.v[..size], released.len);
    // Where all neurons would be without a reset.
    if let Some((phi, _)) = at.growth {
        let p = params(0);
        for i in 0..size {
            v[i] = affine::<N, T>(&p, current[i]).advance_by(before_v[i], phi);
        }
    } else {
        for i in 0..size {
            v[i] = affine::<N, T>(&params(i), current[i]).advance(before_v[i], at.h);
        }
    }
    latch.fill(T::zero());
    let refractory = |i: usize| N::refractory(&params(i)).is_some();
    let waits = |i: usize| if refractory(i) { before.latch[i] } else { T::zero() };
    // Few neurons are near threshold: they are found by comparing vectors.
    let near = |i: usize, new: T, old: T| {
        let lower = lower(i);
        (new > lower) | (old > lower)
    };
    released.look(
        offset,
        before_v,
        v,
        #[inline(always)]
        |i, old, new| near(i, new, old) | (waits(i) > T::zero()),
    );
    if N::refractory(&params(0)).is_none() {
        let part = first..released.len;
        let (neurons, charge) = (&released.neurons[part.clone()], &mut released.charge[part]);
        fire::<N, T, G>(at, before_v, current, v, offset, neurons, charge, &params);
        return;
    }
    // Some that wait release nothing: they are taken off the list.
    for k in first..std::mem::replace(&mut released.len, first) {
        let i = released.neurons[k] as usize - offset;
        let (p, old) = (params(i), before_v[i]);
        let Some(refractory) = N::refractory(&p) else { continue };
        let (affine, reset) = (affine::<N, T>(&p, current[i]), hard_reset::<N, T>(&p));
        let (wait, mut spikes) = (waits(i), T::zero());
        if wait > T::zero() || v[i] >= reset.threshold {
            (v[i], latch[i], spikes) = affine.step_refractory(reset, refractory, (old, wait), at.h);
        }
        if spikes > T::zero() || near(i, v[i], old) {
            released.push(offset + i, spikes);
        }
    }
}

/// The transpose of [`forward`] without the charges: turns `bar` of the end of the step into that of its start and writes
/// `current_bar`. A spike is a factor on the cotangent of the end of the step without a reset, and adds to that of the current; what is
/// not as simple is done apart.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
pub(super) fn flow_vjp<N: NeuronVjp, T: Scalar, const G: usize>(
    at: &Context<'_, T>,
    train: bool,
    before: Block<'_, T>,
    current: &[T],
    offset: usize,
    active: &[u32],
    bar: BlockMut<'_, T>,
    current_bar: &mut [T],
    neuron_bar: &mut [T],
    params: impl Fn(usize) -> N::Params<T>,
) {
    let BlockMut { v: v_bar, latch: latch_bar, .. } = bar;
    let size = v_bar.len();
    let before_v = &before.v[..size];
    // All neurons take the step without a reset, in vectors; the cotangent of what is done apart waits in that of the current.
    current_bar.fill(T::zero());
    let waits = |i: usize| N::refractory(&params(i)).is_some() && before.latch[i] > T::zero();
    let mut any_apart = false;
    if N::refractory(&params(0)).is_none() {
        any_apart = fire_vjp::<N, T, G>(
            at,
            train,
            before_v,
            current,
            offset,
            active,
            v_bar,
            current_bar,
            neuron_bar,
            &params,
        );
    } else {
        for i in 0..size {
            let p = params(i);
            let flow = affine::<N, T>(&p, current[i]);
            let end = flow.advance_by(before_v[i], phi::<N, T>(at, &p));
            let (apart, bar) = ((end >= N::reset(&p).threshold()) | waits(i), v_bar[i]);
            current_bar[i] = if apart { bar } else { T::zero() };
            v_bar[i] = if apart { T::zero() } else { bar };
            latch_bar[i] = if apart { latch_bar[i] } else { -flow.rhs(end) * bar };
            any_apart |= apart;
        }
    }
    macro_rules! smooth {
        ($i:ident, $p:expr, $growth:expr) => {
            for $i in 0..size {
                let p = $p;
                let (flow, growth) = (affine::<N, T>(&p, current[$i]), $growth(&p));
                let mut bar = AffineBar::zero();
                let start_bar = flow.advance_by_vjp(before_v[$i], growth, v_bar[$i], &mut bar);
                let mut params_bar = zeros::<T, N::Params<T>>();
                current_bar[$i] += affine_vjp::<N, T>(train, &p, current[$i], &bar, &mut params_bar);
                v_bar[$i] = start_bar;
                if train {
                    add_params::<N, T>(at, size, $i, &params_bar, neuron_bar);
                }
            }
        };
    }
    if let Some(shared) = at.growth {
        let p = params(0);
        smooth!(i, p, |_| shared);
    } else {
        smooth!(i, params(i), |p| growth::<N, T>(at, p));
    }
    // A neuron that fires is on the list; one that waits need not be.
    let apart = |&i: &usize| {
        let p = params(i);
        let (flow, reset, phi) =
            (affine::<N, T>(&p, current[i]), hard_reset::<N, T>(&p), phi::<N, T>(at, &p));
        let smooth = flow.advance_by(before_v[i], phi);
        if N::refractory(&p).is_some() {
            smooth >= reset.threshold && !waits(i)
        } else {
            !flow.spike(reset, before_v[i], smooth, phi).is_simple()
        }
    };
    let active = if any_apart { active } else { &[] };
    let firing = active.iter().map(|&neuron| neuron as usize - offset).filter(apart);
    for i in firing.chain((0..before.latch.len()).filter(|&i| waits(i))) {
        let p = params(i);
        let (flow, reset) = (affine::<N, T>(&p, current[i]), hard_reset::<N, T>(&p));
        let (mut bar, end_bar) = (AffineBar::zero(), current_bar[i]);
        if let Some(refractory) = N::refractory(&p) {
            let (start, bars) = ((before_v[i], before.latch[i]), (end_bar, latch_bar[i]));
            flow.step_refractory_vjp(reset, refractory, start, at.h, bars, &mut bar);
            latch_bar[i] = bar.wait;
        } else {
            flow.step_vjp(reset, before_v[i], at.h, end_bar, &mut bar);
        }
        v_bar[i] = bar.v;
        let mut params_bar = zeros::<T, N::Params<T>>();
        current_bar[i] = affine_vjp::<N, T>(train, &p, current[i], &bar, &mut params_bar);
        if train {
            N::reset_vjp(&p, bar.threshold, bar.value, &mut params_bar);
            N::refractory_vjp(&p, bar.refractory, &mut params_bar);
            add_params::<N, T>(at, size, i, &params_bar, neuron_bar);
        }
    }
}
