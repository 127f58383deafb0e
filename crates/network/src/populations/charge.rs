//! What a step releases through the gate, and its transpose.

use spikegrad_models::math::floor;
use spikegrad_models::{Gate, Neuron, NeuronVjp, Reset};

use super::loops::{Context, ParameterBar};
use super::neuron::{add_params, gate_of, params_at, zeros};
use super::released::{Active, Released, gather};
use crate::Scalar;

/// `Q` since the last reset for a voltage that has not been wrapped yet, and the whole spikes in it.
#[inline(always)]
pub(super) fn total<T: Scalar>(gate: &Gate<T>, reset: &Reset<T>, v: T, latch: T) -> (T, T) {
    if let Reset::Latch { .. } = reset {
        let charge = gate.charge(v);
        return (if charge > latch { charge } else { latch }, T::zero());
    }
    let whole = turns(reset, v);
    (whole + gate.charge(v - whole), whole)
}

/// How often a voltage has passed threshold and not been wrapped yet.
#[inline(always)]
pub(super) fn turns<T: Scalar>(reset: &Reset<T>, v: T) -> T {
    match reset {
        Reset::Periodic => floor(v),
        Reset::Subtract | Reset::Rectify => floor(if v > T::zero() { v } else { T::zero() }),
        Reset::To { .. } | Reset::Latch { .. } | Reset::Never => T::zero(),
    }
}

/// Wraps the voltages of the neurons that are on the list from number `first` on, adds the spikes of that and `G(v') - G(v)` to
/// their charges and keeps the densities `g(v)` and `g(v')`. With a latch the charges are known already. Voltages lie scattered,
/// so they are gathered into vectors of `G`, one by one where neurons have parameters of their own.
#[inline(always)]
pub(super) fn add_charges<N: Neuron, T: Scalar, const G: usize>(
    at: &Context<'_, T>,
    before: &[T],
    after: &mut [T],
    offset: usize,
    first: usize,
    released: &mut Released<T>,
    params: impl Fn(usize) -> N::Params<T>,
) {
    released.pad();
    let Released { len, neurons, charge, slopes: [starts, ends], .. } = released;
    // Whole groups: a list is longer than what is in it.
    let groups = first..first + (*len - first).next_multiple_of(G);
    let neurons = neurons[groups.clone()].as_chunks::<G>().0.iter();
    let charges = charge[groups.clone()].as_chunks_mut::<G>().0.iter_mut();
    let starts = starts[groups.clone()].as_chunks_mut::<G>().0.iter_mut();
    let ends = ends[groups].as_chunks_mut::<G>().0.iter_mut();
    for (((neurons, charges), starts), ends) in neurons.zip(charges).zip(starts).zip(ends) {
        let (gate, reset) = gate_of::<N, T>(at, &params(neurons[0] as usize - offset));
        let (old, new) = (gather(before, offset, neurons), gather(after, offset, neurons));
        let [mut released, mut wrapped] = [[T::zero(); G]; 2];
        let mut slopes = [[T::zero(); G]; 2];
        // The last neuron fills up its group: nothing that is done to it depends on how many there are.
        gate.shape.known(
            #[inline(always)]
            |shape| {
                let gate = Gate { shape, ..gate };
                for lane in 0..G {
                    let whole = turns(&reset, new[lane]);
                    let (start, end) = (old[lane], new[lane] - whole);
                    let moved = gate.charge(end) - gate.charge(start);
                    released[lane] = whole + moved;
                    (slopes[0][lane], slopes[1][lane]) = (gate.density(start), gate.density(end));
                    wrapped[lane] = end;
                }
            },
        );
        match reset {
            Reset::Periodic | Reset::Subtract | Reset::Rectify => *charges = released,
            Reset::To { .. } => {
                for (charge, moved) in charges.iter_mut().zip(released) {
                    *charge += moved;
                }
            }
            Reset::Latch { .. } | Reset::Never => {}
        }
        [*starts, *ends] = slopes;
        if reset.wraps() {
            for lane in 0..G {
                after[neurons[lane] as usize - offset] = wrapped[lane];
            }
        }
    }
}

/// Where [`add_slopes`] adds to.
pub(super) struct GateBar<'a, T> {
    pub(super) v: &'a mut [T],
    pub(super) neuron: &'a mut [T],
    pub(super) width: Option<&'a mut T>,
}

/// The transpose of [`add_charges`]: adds the cotangents of the charges to the voltages at the end of the step, the gate's width
/// and, with `train`, its threshold, and turns them into what they add to the voltages at its start. With a latch, a charge
/// depends on that in place of the start, which is left out.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
pub(super) fn add_slopes<N: NeuronVjp, T: Scalar>(
    at: &Context<'_, T>,
    train: bool,
    latched: bool,
    before: &[T],
    after: &[T],
    offset: usize,
    active: Active<'_, T>,
    charge_bar: &mut [T],
    mut bar: GateBar<'_, T>,
    params: impl Fn(usize) -> N::Params<T>,
) {
    let slopes = active.slopes[0].iter().zip(active.slopes[1]);
    for ((&neuron, (&start, &end)), charge_bar) in active.neurons.iter().zip(slopes).zip(charge_bar) {
        let i = neuron as usize - offset;
        let end = end * *charge_bar;
        let start = if latched { T::zero() } else { -start * *charge_bar };
        bar.v[i] += end;
        *charge_bar = start;
        if let Some(width) = &mut bar.width {
            // dG/dDelta = g (1 - u)
            let (gate, _) = gate_of::<N, T>(at, &params(i));
            let rest = |v: T| T::one() - gate.position(v);
            **width += end * rest(after[i]) + start * rest(before[i]);
        }
        if train {
            let mut params_bar = zeros::<T, N::Params<T>>();
            N::reset_vjp(&params(i), -(end + start), T::zero(), &mut params_bar);
            add_params::<N, T>(at, after.len(), i, &params_bar, bar.neuron);
        }
    }
}

/// Adds the cotangent of the gate's width for that of the charge at `v`.
#[inline(always)]
pub(super) fn add_width<T: Scalar>(
    parameters: &mut ParameterBar<'_, T>,
    gate: &Gate<T>,
    v: T,
    charge_bar: T,
) {
    if let Some(width) = &mut parameters.width {
        **width += gate.charge_by_width(v) * charge_bar;
    }
}

/// Adds the cotangent of the gate's threshold to the parameter that it is.
#[inline(always)]
pub(super) fn add_threshold<N: NeuronVjp, T: Scalar>(
    at: &Context<'_, T>,
    size: usize,
    i: usize,
    threshold_bar: T,
    parameters: &mut ParameterBar<'_, T>,
) {
    if let Some(target) = &mut parameters.neuron {
        let mut params_bar = zeros::<T, N::Params<T>>();
        N::reset_vjp(&params_at::<N, T>(at, size, i), threshold_bar, T::zero(), &mut params_bar);
        add_params::<N, T>(at, size, i, &params_bar, target);
    }
}
