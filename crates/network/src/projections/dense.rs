//! The dense path: currents `J = W s` are formed anew at every step, as a product with all columns at once, four at a time, so that
//! a vector over the postsynaptic neurons is read and written a quarter as often as column by column.

use super::step::{ProjectionBar, ProjectionParts, ProjectionStep};
use super::time_constants::decay_at;
use crate::Scalar;
use crate::kernels::{LANES, axpy, dot_lanes, tree};

/// Columns that are taken together.
const COLUMNS: usize = 4;

/// `y = W x`, `W` by columns.
#[inline(always)]
pub(super) fn multiply<T: Scalar>(w: &[T], x: &[T], y: &mut [T]) {
    let n = y.len();
    y.fill(T::zero());
    let (quads, rest) = x.as_chunks::<COLUMNS>();
    let (left, right) = w.split_at(quads.len() * COLUMNS * n);
    for (x, w) in quads.iter().zip(left.chunks_exact(COLUMNS * n)) {
        let ((a, b), (c, d)) = (w[..2 * n].split_at(n), w[2 * n..].split_at(n));
        for ((((y, &a), &b), &c), &d) in y.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *y += (x[0] * a + x[1] * b) + (x[2] * c + x[3] * d);
        }
    }
    for (&x, column) in rest.iter().zip(right.chunks_exact(n)) {
        axpy(y, x, column);
    }
}

/// `y += W^T x`; `lanes` is work space.
#[inline(always)]
fn add_transposed<T: Scalar>(w: &[T], x: &[T], y: &mut [T], lanes: &mut Vec<[T; LANES]>) {
    lanes.resize(y.len(), [T::zero(); LANES]);
    for (column, lanes) in w.chunks_exact(x.len()).zip(lanes.iter_mut()) {
        dot_lanes(column, x, lanes);
    }
    for (y, lanes) in y.iter_mut().zip(lanes) {
        *y += tree(lanes);
    }
}

/// `W += y x^T`.
#[inline(always)]
fn add_outer<T: Scalar>(w: &mut [T], y: &[T], x: &[T]) {
    for (&x, column) in x.iter().zip(w.chunks_exact_mut(y.len())) {
        axpy(column, x, y);
    }
}

/// The transpose of `J' = W s'` at the end of a step: adds to the cotangents of traces and weights.
#[inline(always)]
pub(super) fn product_vjp<T: Scalar>(parts: &ProjectionParts<T>, bar: &mut ProjectionBar<'_, T>) {
    let w = &bar.parameters[parts.weights.clone()];
    add_transposed(w, bar.j_bar, bar.s_bar, &mut bar.scratch.lanes);
    if parts.trains_weights {
        add_outer(&mut bar.parameters_bar[parts.weights.clone()], bar.j_bar, bar.kept.1);
    }
}

/// Equations (19), (20) for any time constants.
#[inline(always)]
pub(super) fn step<T: Scalar>(parts: &ProjectionParts<T>, step: ProjectionStep<'_, T>) {
    let ProjectionStep { parameters, released: (neurons, charges), s, j, .. } = step;
    for (i, s) in s.iter_mut().enumerate() {
        *s *= decay_at(&parts.decays, i).a;
    }
    for (&neuron, &charge) in neurons.iter().zip(charges) {
        s[neuron as usize] += decay_at(&parts.decays, neuron as usize).b * charge;
    }
    multiply(&parameters[parts.weights.clone()], s, j);
}

/// The transpose of [`step`], equations (22), (23), (26).
#[inline(always)]
pub(super) fn step_vjp<T: Scalar>(parts: &ProjectionParts<T>, mut bar: ProjectionBar<'_, T>) {
    product_vjp(parts, &mut bar);
    let ProjectionBar { released: (neurons, charges), charge_bar, s_bar, kept, parameters_bar, .. } = bar;
    let decays = &parts.decays[..];
    for (&neuron, charge_bar) in neurons.iter().zip(charge_bar) {
        let i = neuron as usize;
        *charge_bar += decay_at(decays, i).b * s_bar[i];
    }
    if parts.trains_tau {
        let tau_bar = &mut parameters_bar[parts.tau.clone()];
        let last = tau_bar.len() - 1;
        for (i, &s) in kept.0.iter().enumerate() {
            tau_bar[i.min(last)] += decay_at(decays, i).a_by_tau * s * s_bar[i];
        }
        for (&neuron, &charge) in neurons.iter().zip(charges) {
            let i = neuron as usize;
            tau_bar[i.min(last)] += decay_at(decays, i).b_by_tau * charge * s_bar[i];
        }
    }
}
