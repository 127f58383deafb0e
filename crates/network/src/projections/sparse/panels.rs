//! Loops over panels: some rows of a weight matrix, its columns one behind the other, of which a block stays in a near cache while all
//! trials of a group go over the columns that they need. They add in the order of the loops over whole columns, so that a trial has
//! the same bits by itself and in a group.

use std::fmt::Debug;
use std::ops::Range;

use super::vectors::Vectors;
use crate::Scalar;
use crate::kernels::{LANES, dispatch};

/// Bytes of a column's piece: as many rows as the registers of most machines hold.
const PIECE: usize = 256;

/// Bytes of a column in a panel.
const COLUMN: usize = 2048;

/// Columns of a block: with the columns of a panel, half of a small second cache.
pub(crate) const BLOCK: usize = 128;

/// Rows of a piece.
pub(crate) const fn piece_rows<T>() -> usize {
    PIECE / size_of::<T>()
}

/// The rows of every panel of a matrix of so many rows.
pub(crate) fn panels_of<T>(rows: usize) -> impl Iterator<Item = Range<usize>> {
    let most = COLUMN / size_of::<T>();
    (0..rows).step_by(most).map(move |first| first..(first + most).min(rows))
}

/// How many numbers a column has in a panel of so many rows: whole pieces.
pub(crate) const fn stride_of<T>(rows: usize) -> usize {
    rows.next_multiple_of(piece_rows::<T>())
}

/// Copies a weight matrix to its panels, zeros below the last row; they are as long as [`panels_len`] says.
pub(crate) fn to_panels<T: Scalar>(w: &[T], rows: usize, mut panels: &mut [T]) {
    let columns = w.len() / rows;
    for part in panels_of::<T>(rows) {
        let stride = stride_of::<T>(part.len());
        let (panel, rest) = panels.split_at_mut(columns * stride);
        for (target, column) in panel.chunks_exact_mut(stride).zip(w.chunks_exact(rows)) {
            target[..part.len()].copy_from_slice(&column[part.clone()]);
            target[part.len()..].fill(T::zero());
        }
        panels = rest;
    }
}

/// Numbers of all panels of a matrix.
pub(crate) fn panels_len<T>(rows: usize, columns: usize) -> usize {
    panels_of::<T>(rows).map(|part| columns * stride_of::<T>(part.len())).sum()
}

/// `y = keep y + gain W q` for the rows of a panel and a block of columns, column after column.
pub(crate) struct PanelForward<'a, T> {
    /// The columns, as long as `y` each.
    pub(crate) block: &'a [T],
    /// The number of the first column.
    pub(crate) first: usize,
    pub(crate) keep: T,
    pub(crate) gain: T,
    pub(crate) neurons: &'a [u32],
    pub(crate) charges: &'a [T],
    /// The rows' numbers, whole pieces of them.
    pub(crate) y: &'a mut [T],
}

/// Adds the products of columns with `y`, over the rows of a panel, to the partial sums of the products of whole columns.
pub(crate) struct PanelBackward<'a, T> {
    /// The columns, as long as `y` each.
    pub(crate) block: &'a [T],
    /// The number of the first column.
    pub(crate) first: usize,
    pub(crate) neurons: &'a [u32],
    /// The rows' numbers, whole pieces of them.
    pub(crate) y: &'a [T],
    /// The partial sums of each of the neurons.
    pub(crate) sums: &'a mut [[T; LANES]],
}

/// What one trial adds to some columns of a gradient, for the rows of a panel: `gain J_bar q^T` over its steps.
#[derive(Clone, Copy)]
pub(crate) struct PanelOuter<'a, T> {
    /// The cotangents `J_bar` of every step, a piece each.
    pub(crate) rows: &'a [T],
    pub(crate) gain: T,
    /// The places in `steps` and `charges` at which the parts of the columns begin, and the end of the last part.
    pub(crate) starts: &'a [u32],
    pub(crate) steps: &'a [u32],
    pub(crate) charges: &'a [T],
    /// Ones for the entries of each column that are trained, and zeros for others; empty where all are trained.
    pub(crate) trained: &'a [T],
}

/// The loops over panels for one scalar.
pub(crate) trait PanelLoops<T>: Debug + Send + Sync {
    fn forward(&self, step: PanelForward<'_, T>);
    fn backward(&self, step: PanelBackward<'_, T>);
    /// `J_bar` of every step, a piece each, from the cotangents of the currents: the last one is zero, and each is that of the step
    /// behind it, `keep` times, with what the current of that step adds.
    fn expand(&self, keep: T, current_bar: &[T], rows: &mut [T]);
    /// Adds what a trial adds to columns, times a factor, to `sums`, a piece for each column.
    fn add_outer(&self, outer: PanelOuter<'_, T>, factor: T, sums: &mut [T]);
    /// Adds the squares of what a trial adds to columns to the partial sums of each column.
    fn add_squares(&self, outer: PanelOuter<'_, T>, sums: &mut [[T; LANES]]);
}

struct Expand<'a, T> {
    keep: T,
    current_bar: &'a [T],
    rows: &'a mut [T],
}

struct AddOuter<'a, T> {
    outer: PanelOuter<'a, T>,
    factor: T,
    sums: &'a mut [T],
}

struct AddSquares<'a, T> {
    outer: PanelOuter<'a, T>,
    sums: &'a mut [[T; LANES]],
}

/// Runs an operation by a function that has the number of vectors that some numbers are as a constant.
macro_rules! in_vectors {
    ($operation:ty, $numbers:expr, $lanes:ident, $function:ident) => {
        impl pulp::WithSimd for $operation {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: pulp::Simd>(self, simd: S) {
                match $numbers / S::$lanes {
                    1 => $function::<S, 1>(simd, self),
                    2 => $function::<S, 2>(simd, self),
                    4 => $function::<S, 4>(simd, self),
                    8 => $function::<S, 8>(simd, self),
                    16 => $function::<S, 16>(simd, self),
                    _ => $function::<S, { $numbers }>(simd, self),
                }
            }
        }
    };
}

macro_rules! panels {
    ($scalar:ty, $vectors:ident, $lanes:ident, $as_simd:ident, $as_mut_simd:ident, $splat:ident, $add:ident, $mul:ident) => {
        const _: () = {
            const ROWS: usize = piece_rows::<$scalar>();

            in_vectors!(PanelForward<'_, $scalar>, ROWS, $lanes, forward);
            in_vectors!(PanelBackward<'_, $scalar>, LANES, $lanes, backward);
            in_vectors!(Expand<'_, $scalar>, ROWS, $lanes, expand);
            in_vectors!(AddOuter<'_, $scalar>, ROWS, $lanes, add_outer);
            in_vectors!(AddSquares<'_, $scalar>, ROWS, $lanes, add_squares);

            #[inline(always)]
            fn forward<S: pulp::Simd, const V: usize>(simd: S, step: PanelForward<'_, $scalar>) {
                let PanelForward { block, first, keep, gain, neurons, charges, y } = step;
                let (keep, stride) = (simd.$splat(keep), y.len());
                for (piece, y) in y.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
                    let y = &mut S::$as_mut_simd(y).0[..V];
                    let mut sum = [simd.$splat(0.0); V];
                    for v in 0..V {
                        sum[v] = simd.$mul(y[v], keep);
                    }
                    for (&neuron, &charge) in neurons.iter().zip(charges) {
                        let start = (neuron as usize - first) * stride + piece * ROWS;
                        let column = S::$as_simd(&block[start..][..ROWS]).0;
                        let (column, charge) = (&column[..V], simd.$splat(gain * charge));
                        for v in 0..V {
                            sum[v] = simd.$add(sum[v], simd.$mul(charge, column[v]));
                        }
                    }
                    y.copy_from_slice(&sum);
                }
            }

            #[inline(always)]
            fn backward<S: pulp::Simd, const K: usize>(simd: S, step: PanelBackward<'_, $scalar>) {
                let PanelBackward { block, first, neurons, y, sums } = step;
                let (ys, stride) = (y.as_chunks::<LANES>().0, y.len());
                for (&neuron, sums) in neurons.iter().zip(sums) {
                    let column = block[(neuron as usize - first) * stride..][..stride].as_chunks::<LANES>().0;
                    let sums = &mut S::$as_mut_simd(sums).0[..K];
                    let mut sum = [simd.$splat(0.0); K];
                    sum.copy_from_slice(sums);
                    for (x, y) in column.iter().zip(ys) {
                        let (x, y) = (&S::$as_simd(x).0[..K], &S::$as_simd(y).0[..K]);
                        for k in 0..K {
                            sum[k] = simd.$add(sum[k], simd.$mul(x[k], y[k]));
                        }
                    }
                    sums.copy_from_slice(&sum);
                }
            }

            #[inline(always)]
            fn expand<S: pulp::Simd, const V: usize>(simd: S, expand: Expand<'_, $scalar>) {
                let Expand { keep, current_bar, rows } = expand;
                let (keep, mut bar) = (simd.$splat(keep), [simd.$splat(0.0); V]);
                let steps = rows.as_chunks_mut::<ROWS>().0.iter_mut().zip(current_bar.as_chunks::<ROWS>().0);
                for (row, current_bar) in steps.rev() {
                    S::$as_mut_simd(row).0[..V].copy_from_slice(&bar);
                    let current_bar = &S::$as_simd(current_bar).0[..V];
                    for v in 0..V {
                        bar[v] = simd.$add(simd.$mul(keep, bar[v]), current_bar[v]);
                    }
                }
            }

            /// What a trial adds to a column, but for entries that are not trained.
            #[inline(always)]
            fn column<S: pulp::Simd, const V: usize>(
                simd: S,
                outer: &PanelOuter<'_, $scalar>,
                j: usize,
            ) -> [S::$vectors; V] {
                let part = outer.starts[j] as usize..outer.starts[j + 1] as usize;
                let mut sum = [simd.$splat(0.0); V];
                for (&step, &charge) in outer.steps[part.clone()].iter().zip(&outer.charges[part]) {
                    let row = &S::$as_simd(&outer.rows[step as usize * ROWS..][..ROWS]).0[..V];
                    let charge = simd.$splat(outer.gain * charge);
                    for v in 0..V {
                        sum[v] = simd.$add(sum[v], simd.$mul(charge, row[v]));
                    }
                }
                if !outer.trained.is_empty() {
                    let trained = &S::$as_simd(&outer.trained[j * ROWS..][..ROWS]).0[..V];
                    for v in 0..V {
                        sum[v] = simd.$mul(sum[v], trained[v]);
                    }
                }
                sum
            }

            #[inline(always)]
            fn add_outer<S: pulp::Simd, const V: usize>(simd: S, add: AddOuter<'_, $scalar>) {
                let AddOuter { outer, factor, sums } = add;
                let factor = simd.$splat(factor);
                for (j, sums) in sums.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
                    if outer.starts[j] == outer.starts[j + 1] {
                        continue;
                    }
                    let (column, sums) = (column::<S, V>(simd, &outer, j), &mut S::$as_mut_simd(sums).0[..V]);
                    for v in 0..V {
                        sums[v] = simd.$add(sums[v], simd.$mul(factor, column[v]));
                    }
                }
            }

            #[inline(always)]
            fn add_squares<S: pulp::Simd, const V: usize>(simd: S, add: AddSquares<'_, $scalar>) {
                let AddSquares { outer, sums } = add;
                for (j, sums) in sums.iter_mut().enumerate() {
                    if outer.starts[j] == outer.starts[j + 1] {
                        continue;
                    }
                    let (column, sums) = (column::<S, V>(simd, &outer, j), S::$as_mut_simd(sums).0);
                    let lanes = sums.len();
                    for v in 0..V {
                        sums[v % lanes] = simd.$add(sums[v % lanes], simd.$mul(column[v], column[v]));
                    }
                }
            }

            impl PanelLoops<$scalar> for Vectors {
                fn forward(&self, step: PanelForward<'_, $scalar>) {
                    dispatch(self.0, step);
                }

                fn backward(&self, step: PanelBackward<'_, $scalar>) {
                    dispatch(self.0, step);
                }

                fn expand(&self, keep: $scalar, current_bar: &[$scalar], rows: &mut [$scalar]) {
                    dispatch(self.0, Expand { keep, current_bar, rows });
                }

                fn add_outer(&self, outer: PanelOuter<'_, $scalar>, factor: $scalar, sums: &mut [$scalar]) {
                    dispatch(self.0, AddOuter { outer, factor, sums });
                }

                fn add_squares(&self, outer: PanelOuter<'_, $scalar>, sums: &mut [[$scalar; LANES]]) {
                    dispatch(self.0, AddSquares { outer, sums });
                }
            }
        };
    };
}

panels!(f32, f32s, F32_LANES, as_simd_f32s, as_mut_simd_f32s, splat_f32s, add_f32s, mul_f32s);
panels!(f64, f64s, F64_LANES, as_simd_f64s, as_mut_simd_f64s, splat_f64s, add_f64s, mul_f64s);
