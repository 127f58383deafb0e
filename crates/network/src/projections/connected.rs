//! Projections with a list of connections: the columns of the weights are runs of postsynaptic neurons and weights, so that memory,
//! time and gradient follow the connections.

use super::connector::Connections;
use super::step::{ProjectionBar, ProjectionParts, ProjectionStep};
use crate::Scalar;
use crate::kernels::scale;

/// `y += x` times the column of presynaptic neuron `pre`.
#[inline(always)]
pub(crate) fn add_column<T: Scalar>(list: &Connections, w: &[T], pre: usize, x: T, y: &mut [T]) {
    let column = list.column(pre);
    for (&post, &w) in list.posts()[column.clone()].iter().zip(&w[column]) {
        y[post as usize] += x * w;
    }
}

/// The product of the column of presynaptic neuron `pre` with `y`, in four sums, so that none waits for the one before.
#[inline(always)]
pub(crate) fn column_dot<T: Scalar>(list: &Connections, w: &[T], pre: usize, y: &[T]) -> T {
    let column = list.column(pre);
    let (posts, w) = (&list.posts()[column.clone()], &w[column]);
    let (quads, rest) = posts.as_chunks::<4>();
    let (w_quads, w_rest) = w.as_chunks::<4>();
    let mut sums = [T::zero(); 4];
    for (posts, w) in quads.iter().zip(w_quads) {
        for k in 0..4 {
            sums[k] += w[k] * y[posts[k] as usize];
        }
    }
    for (&post, &w) in rest.iter().zip(w_rest) {
        sums[0] += w * y[post as usize];
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// The product of a column with `y`, as [`column_dot`] forms it, and in the same pass `w_bar += x y` for the column of a gradient: to
/// come to the entries of `y`, which lie apart, is most of the time.
#[inline(always)]
fn column_dot_and_add<T: Scalar>(
    list: &Connections,
    (w, w_bar): (&[T], &mut [T]),
    pre: usize,
    x: T,
    y: &[T],
) -> T {
    let column = list.column(pre);
    let (posts, w) = (&list.posts()[column.clone()], &w[column.clone()]);
    let (quads, rest) = posts.as_chunks::<4>();
    let (w_quads, w_rest) = w.as_chunks::<4>();
    let (bar_quads, bar_rest) = w_bar[column].as_chunks_mut::<4>();
    let mut sums = [T::zero(); 4];
    for ((posts, w), bar) in quads.iter().zip(w_quads).zip(bar_quads) {
        for k in 0..4 {
            let y = y[posts[k] as usize];
            sums[k] += w[k] * y;
            bar[k] += x * y;
        }
    }
    for ((&post, &w), bar) in rest.iter().zip(w_rest).zip(bar_rest) {
        let y = y[post as usize];
        sums[0] += w * y;
        *bar += x * y;
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Adds `x y` to the column of presynaptic neuron `pre` in a gradient.
#[inline(always)]
pub(crate) fn add_to_column<T: Scalar>(list: &Connections, w_bar: &mut [T], pre: usize, x: T, y: &[T]) {
    let column = list.column(pre);
    for (&post, w_bar) in list.posts()[column.clone()].iter().zip(&mut w_bar[column]) {
        *w_bar += x * y[post as usize];
    }
}

/// Equations (19), (20).
#[inline(always)]
pub(super) fn step<T: Scalar>(list: &Connections, parts: &ProjectionParts<T>, step: ProjectionStep<'_, T>) {
    let ProjectionStep { parameters, released: (neurons, charges), s, j, .. } = step;
    let (decay, w) = (parts.decays[0], &parameters[parts.weights.clone()]);
    scale(s, decay.a);
    scale(j, decay.a);
    for (&neuron, &charge) in neurons.iter().zip(charges) {
        s[neuron as usize] += decay.b * charge;
        add_column(list, w, neuron as usize, decay.b * charge, j);
    }
}

/// The transpose of [`step`], equations (22), (23), (26).
#[inline(always)]
pub(super) fn step_vjp<T: Scalar>(list: &Connections, parts: &ProjectionParts<T>, bar: ProjectionBar<'_, T>) {
    let ProjectionBar { parameters, parameters_bar, released: (neurons, charges), s_bar, j_bar, .. } = bar;
    let (decay, w) = (parts.decays[0], &parameters[parts.weights.clone()]);
    let mut gain_bar = T::zero();
    for ((&neuron, &charge), charge_bar) in neurons.iter().zip(charges).zip(bar.charge_bar) {
        let i = neuron as usize;
        let product = if parts.trains_weights && charge != T::zero() {
            let columns = (w, &mut parameters_bar[parts.weights.clone()]);
            column_dot_and_add(list, columns, i, decay.b * charge, j_bar)
        } else {
            column_dot(list, w, i, j_bar)
        };
        let worth = s_bar[i] + product;
        *charge_bar += decay.b * worth;
        gain_bar += charge * worth;
    }
    if parts.trains_tau {
        parts.tau_vjp(bar.kept, (s_bar, j_bar), gain_bar, parameters_bar);
    }
}
