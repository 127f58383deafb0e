//! Projections with a list of connections: the columns of the weights are runs of postsynaptic neurons and weights, so that memory,
//! time and gradient follow the connections.

use super::connector::{Connections, Post, Posts};
use super::step::{ProjectionBar, ProjectionParts, ProjectionStep};
use crate::Scalar;
use crate::kernels::{prefetch_from, scale};

/// Connections that are worked on before the next ones are asked for: a line of short numbers of neurons. To ask for all of a column at
/// once takes as long as to wait for it.
const CHUNK: usize = 32;

/// `y += x` times the column of presynaptic neuron `pre`.
#[inline(always)]
pub(crate) fn add_column<T: Scalar>(list: &Connections, w: &[T], pre: usize, x: T, y: &mut [T]) {
    add(list, w, (pre, pre), x, y);
}

/// [`add_column`] for `pre`, before that for `next`, whose column is asked for meanwhile: the machine does not foresee the beginnings
/// of columns.
#[inline(always)]
fn add<T: Scalar>(list: &Connections, w: &[T], visit: (usize, usize), x: T, y: &mut [T]) {
    match list.posts() {
        Posts::Short(posts) => add_by(list, posts, w, visit, x, y),
        Posts::Long(posts) => add_by(list, posts, w, visit, x, y),
    }
}

#[inline(always)]
fn add_by<T: Scalar, P: Post>(
    list: &Connections,
    posts: &[P],
    w: &[T],
    (pre, next): (usize, usize),
    x: T,
    y: &mut [T],
) {
    let (column, next) = (list.column(pre), list.column(next).start);
    let (post_chunks, post_rest) = posts[column.clone()].as_chunks::<CHUNK>();
    let (w_chunks, w_rest) = w[column].as_chunks::<CHUNK>();
    for (chunk, (some_posts, some_w)) in post_chunks.iter().zip(w_chunks).enumerate() {
        prefetch_from(posts, next + chunk * CHUNK, CHUNK);
        prefetch_from(w, next + chunk * CHUNK, CHUNK);
        for k in 0..CHUNK {
            y[some_posts[k].index()] += x * some_w[k];
        }
    }
    for (&post, &w) in post_rest.iter().zip(w_rest) {
        y[post.index()] += x * w;
    }
}

/// The product of the column of presynaptic neuron `pre` with `y`.
#[inline(always)]
pub(crate) fn column_dot<T: Scalar>(list: &Connections, w: &[T], pre: usize, y: &[T]) -> T {
    dot(list, w, (pre, pre), y)
}

/// [`column_dot`] for `pre`, before that for `next`.
#[inline(always)]
fn dot<T: Scalar>(list: &Connections, w: &[T], visit: (usize, usize), y: &[T]) -> T {
    match list.posts() {
        Posts::Short(posts) => dot_by(list, posts, w, visit, y),
        Posts::Long(posts) => dot_by(list, posts, w, visit, y),
    }
}

#[inline(always)]
fn dot_by<T: Scalar, P: Post>(
    list: &Connections,
    posts: &[P],
    w: &[T],
    (pre, next): (usize, usize),
    y: &[T],
) -> T {
    let (column, next) = (list.column(pre), list.column(next).start);
    let (post_chunks, post_rest) = posts[column.clone()].as_chunks::<CHUNK>();
    let (w_chunks, w_rest) = w[column].as_chunks::<CHUNK>();
    let mut sums = [T::zero(); 4];
    for (chunk, (some_posts, some_w)) in post_chunks.iter().zip(w_chunks).enumerate() {
        prefetch_from(posts, next + chunk * CHUNK, CHUNK);
        prefetch_from(w, next + chunk * CHUNK, CHUNK);
        sum(some_posts, some_w, y, &mut sums);
    }
    sum(post_rest, w_rest, y, &mut sums);
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// Adds a part of a product to four sums, so that none waits for the one before.
#[inline(always)]
fn sum<T: Scalar, P: Post>(posts: &[P], w: &[T], y: &[T], sums: &mut [T; 4]) {
    let (quads, rest) = posts.as_chunks::<4>();
    let (w_quads, w_rest) = w.as_chunks::<4>();
    for (posts, w) in quads.iter().zip(w_quads) {
        for k in 0..4 {
            sums[k] += w[k] * y[posts[k].index()];
        }
    }
    for (&post, &w) in rest.iter().zip(w_rest) {
        sums[0] += w * y[post.index()];
    }
}

/// The product of a column with `y`, as [`column_dot`] forms it, and in the same pass `w_bar += x y` for the column of a gradient. That
/// gradient waits for no further steps: the entries of `y` in several steps lie beyond the nearest caches, and to come to each of them
/// takes longer than to write a column of the gradient.
#[inline(always)]
fn dot_and_add<T: Scalar>(
    list: &Connections,
    columns: (&[T], &mut [T]),
    visit: (usize, usize),
    x: T,
    y: &[T],
) -> T {
    match list.posts() {
        Posts::Short(posts) => dot_and_add_by(list, posts, columns, visit, x, y),
        Posts::Long(posts) => dot_and_add_by(list, posts, columns, visit, x, y),
    }
}

#[inline(always)]
fn dot_and_add_by<T: Scalar, P: Post>(
    list: &Connections,
    posts: &[P],
    (w, w_bar): (&[T], &mut [T]),
    (pre, next): (usize, usize),
    x: T,
    y: &[T],
) -> T {
    let (column, next) = (list.column(pre), list.column(next).start);
    let (post_chunks, post_rest) = posts[column.clone()].as_chunks::<CHUNK>();
    let (w_chunks, w_rest) = w[column.clone()].as_chunks::<CHUNK>();
    let mut sums = [T::zero(); 4];
    for (chunk, (some_posts, some_w)) in post_chunks.iter().zip(w_chunks).enumerate() {
        let done = chunk * CHUNK;
        prefetch_from(posts, next + done, CHUNK);
        prefetch_from(w, next + done, CHUNK);
        prefetch_from(w_bar, next + done, CHUNK);
        let bar = &mut w_bar[column.start + done..][..CHUNK];
        sum_and_add(some_posts, (some_w, bar), x, y, &mut sums);
    }
    let bar = &mut w_bar[column.end - post_rest.len()..column.end];
    sum_and_add(post_rest, (w_rest, bar), x, y, &mut sums);
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// [`sum`], and `w_bar += x y`.
#[inline(always)]
fn sum_and_add<T: Scalar, P: Post>(
    posts: &[P],
    (w, w_bar): (&[T], &mut [T]),
    x: T,
    y: &[T],
    sums: &mut [T; 4],
) {
    let (quads, rest) = posts.as_chunks::<4>();
    let (w_quads, w_rest) = w.as_chunks::<4>();
    let (bar_quads, bar_rest) = w_bar.as_chunks_mut::<4>();
    for ((posts, w), bar) in quads.iter().zip(w_quads).zip(bar_quads) {
        for k in 0..4 {
            let y = y[posts[k].index()];
            sums[k] += w[k] * y;
            bar[k] += x * y;
        }
    }
    for ((&post, &w), bar) in rest.iter().zip(w_rest).zip(bar_rest) {
        let y = y[post.index()];
        sums[0] += w * y;
        *bar += x * y;
    }
}

/// Adds `x y` to the column of presynaptic neuron `pre` in a gradient.
#[inline(always)]
pub(crate) fn add_to_column<T: Scalar>(list: &Connections, w_bar: &mut [T], pre: usize, x: T, y: &[T]) {
    let column = list.column(pre);
    match list.posts() {
        Posts::Short(posts) => add_to(&posts[column.clone()], &mut w_bar[column], x, y),
        Posts::Long(posts) => add_to(&posts[column.clone()], &mut w_bar[column], x, y),
    }
}

#[inline(always)]
fn add_to<T: Scalar, P: Post>(posts: &[P], w_bar: &mut [T], x: T, y: &[T]) {
    for (&post, w_bar) in posts.iter().zip(w_bar) {
        *w_bar += x * y[post.index()];
    }
}

/// Neurons with those that follow them; the last one with itself.
#[inline(always)]
fn visits(neurons: &[u32]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let following = neurons.iter().skip(1).chain(neurons.last());
    neurons.iter().zip(following).map(
        #[inline(always)]
        |(&pre, &next)| (pre as usize, next as usize),
    )
}

/// Equations (19), (20).
#[inline(always)]
pub(super) fn step<T: Scalar>(list: &Connections, parts: &ProjectionParts<T>, step: ProjectionStep<'_, T>) {
    let ProjectionStep { parameters, released: (neurons, charges), s, j, .. } = step;
    let (decay, w) = (parts.decays[0], &parameters[parts.weights.clone()]);
    scale(s, decay.a);
    scale(j, decay.a);
    for (visit, &charge) in visits(neurons).zip(charges) {
        s[visit.0] += decay.b * charge;
        add(list, w, visit, decay.b * charge, j);
    }
}

/// The transpose of [`step`], equations (22), (23), (26).
#[inline(always)]
pub(super) fn step_vjp<T: Scalar>(list: &Connections, parts: &ProjectionParts<T>, bar: ProjectionBar<'_, T>) {
    let ProjectionBar { parameters, parameters_bar, released: (neurons, charges), s_bar, j_bar, .. } = bar;
    let (decay, w) = (parts.decays[0], &parameters[parts.weights.clone()]);
    let mut gain_bar = T::zero();
    for ((visit, &charge), charge_bar) in visits(neurons).zip(charges).zip(bar.charge_bar) {
        let product = if parts.trains_weights && charge != T::zero() {
            let columns = (w, &mut parameters_bar[parts.weights.clone()]);
            dot_and_add(list, columns, visit, decay.b * charge, j_bar)
        } else {
            dot(list, w, visit, j_bar)
        };
        let worth = s_bar[visit.0] + product;
        *charge_bar += decay.b * worth;
        gain_bar += charge * worth;
    }
    if parts.trains_tau {
        parts.tau_vjp(bar.kept, (s_bar, j_bar), gain_bar, parameters_bar);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Connector;

    /// Columns longer than a chunk and shorter, with numbers of two bytes and of four.
    #[test]
    fn columns_are_those_of_plain_loops() {
        for (post, bytes) in [(65_536, 2), (65_537, 4)] {
            let connector = Connector::Probability { probability: 6e-4, seed: 3 };
            let connected = connector.connect("slow", (post, 20), true, usize::MAX).expect("connections");
            let list = connected.expect("a list");
            assert_eq!(list.number_bytes(), bytes);
            let columns: Vec<_> = (0..20).map(|pre| list.column(pre)).collect();
            assert!(columns.iter().any(|c| c.len() > CHUNK) && columns.iter().any(|c| c.len() % 4 > 0));
            let w: Vec<f64> = (0..list.len()).map(|k| (k as f64).sin()).collect();
            let y: Vec<f64> = (0..post).map(|i| (i as f64).cos()).collect();
            let (mut sum, mut expected) = (y.clone(), y.clone());
            let (mut w_bar, mut expected_bar) = (w.clone(), w.clone());
            let neurons: Vec<u32> = (0..20).collect();
            for visit in visits(&neurons) {
                add(&list, &w, visit, 0.3, &mut sum);
                let product = dot_and_add(&list, (&w, &mut w_bar), visit, 0.7, &y);
                assert_eq!(product, dot(&list, &w, visit, &y));
                let mut plain = 0.0;
                for k in columns[visit.0].clone() {
                    expected[list.post(k)] += 0.3 * w[k];
                    expected_bar[k] += 0.7 * y[list.post(k)];
                    plain += w[k] * y[list.post(k)];
                }
                assert!((product - plain).abs() < 1e-12, "{product} {plain}");
            }
            assert_eq!((&sum, &w_bar), (&expected, &expected_bar));
            add_to_column(&list, &mut w_bar, 7, 0.7, &y);
            columns[7].clone().for_each(|k| expected_bar[k] += 0.7 * y[list.post(k)]);
            assert_eq!(w_bar, expected_bar);
        }
    }
}
