//! The products of the dense path: all columns of a matrix at once, four at a time, so that a vector over the
//! postsynaptic neurons is read and written a quarter as often as column by column.

use nalgebra::RealField;

use crate::kernels::{LANES, axpy, dot_lanes, tree};

/// Columns that are taken together.
const COLUMNS: usize = 4;

/// `y = W x`, `W` by columns.
#[inline(always)]
pub(crate) fn multiply<T: RealField + Copy>(w: &[T], x: &[T], y: &mut [T]) {
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
pub(crate) fn add_transposed<T: RealField + Copy>(
    w: &[T],
    x: &[T],
    y: &mut [T],
    lanes: &mut Vec<[T; LANES]>,
) {
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
pub(crate) fn add_outer<T: RealField + Copy>(w: &mut [T], y: &[T], x: &[T]) {
    for (&x, column) in x.iter().zip(w.chunks_exact_mut(y.len())) {
        axpy(column, x, y);
    }
}
