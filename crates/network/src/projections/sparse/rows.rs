//! Loops over columns for trials that lie side by side: a number of a neuron is a row of numbers, one of each trial. All trials go over a
//! column together where any of them released charge; each adds as it does by itself, in the same order, or adds zero.

use std::fmt::Debug;

use aligned_vec::AVec;

use super::vectors::Vectors;
use crate::Scalar;
use crate::kernels::{LANES, dispatch};

/// Trials that lie side by side.
pub(crate) const TRIALS: usize = 16;

/// One number of each trial.
pub(crate) type Row<T> = [T; TRIALS];

/// Makes so many rows, whose numbers are to be written.
pub(crate) fn rows_of<T: Scalar>(rows: &mut AVec<Row<T>>, count: usize) {
    rows.resize(count, [T::zero(); TRIALS]);
}

/// The columns that trials side by side visit in a step.
#[derive(Clone, Copy)]
pub(crate) struct RowColumns<'a, T> {
    /// The presynaptic neurons, in ascending order.
    pub(crate) neurons: &'a [u32],
    /// The number of the first column of the weights.
    pub(crate) first: usize,
    /// What each trial releases, for all columns; zero where that is nothing.
    pub(crate) charges: &'a [Row<T>],
    /// What a unit of charge adds.
    pub(crate) gain: T,
}

impl<'a, T> RowColumns<'a, T> {
    /// The places of the columns among those of the weights.
    #[inline(always)]
    fn places(self) -> impl Iterator<Item = usize> + 'a {
        let first = self.first;
        self.neurons.iter().map(
            #[inline(always)]
            move |&neuron| neuron as usize - first,
        )
    }
}

/// Equations (19), (20): `s = keep s + gain q` and `J = keep J + gain W q`, `W` by columns.
pub(crate) struct RowForward<'a, T> {
    pub(crate) w: &'a [T],
    pub(crate) keep: T,
    pub(crate) visits: RowColumns<'a, T>,
    /// Room for the charges times the gain.
    pub(crate) gains: &'a mut [Row<T>],
    pub(crate) s: &'a mut [Row<T>],
    pub(crate) j: &'a mut [Row<T>],
}

/// The transpose by charges and weights, equations (22), (23): adds `gain (s_bar + W^T J_bar)` to the cotangents of the charges of the
/// visited columns, and `gain J_bar q^T` to those columns of the gradient, if that is given.
pub(crate) struct RowBackward<'a, T> {
    pub(crate) w: &'a [T],
    pub(crate) visits: RowColumns<'a, T>,
    pub(crate) s_bar: &'a [Row<T>],
    pub(crate) j_bar: &'a [Row<T>],
    /// The cotangents of the charges of all columns.
    pub(crate) charge_bar: &'a mut [Row<T>],
    pub(crate) w_bar: Option<&'a mut [Row<T>]>,
}

/// `x . s`, or `s . s` without `x`, of each trial, in the partial sums and the tree of [`dot`](crate::kernels::dot).
struct RowDot<'a, T> {
    x: Option<&'a [T]>,
    s: &'a [Row<T>],
}

struct RowSpread<'a, T> {
    y: &'a mut [Row<T>],
    x: &'a [T],
}

struct RowAdd<'a, T, X> {
    y: &'a mut [Row<T>],
    a: &'a Row<T>,
    x: &'a [X],
}

/// The loops over rows for one scalar.
pub(crate) trait RowLoops<T>: Debug + Send + Sync {
    fn forward(&self, step: RowForward<'_, T>);
    fn backward(&self, step: RowBackward<'_, T>);
    /// `x . s` of each trial.
    fn dot(&self, x: &[T], s: &[Row<T>]) -> Row<T>;
    /// `s . s` of each trial.
    fn square(&self, s: &[Row<T>]) -> Row<T>;
    /// `y_i = x_i` for numbers that all trials share.
    fn spread(&self, y: &mut [Row<T>], x: &[T]);
    /// `y_i += a x_i` for numbers that all trials share.
    fn add_outer(&self, y: &mut [Row<T>], a: &Row<T>, x: &[T]);
    /// `y_i += a x_i`, trial by trial.
    fn add_rows(&self, y: &mut [Row<T>], a: &Row<T>, x: &[Row<T>]);
}

/// Rows of currents that are formed together.
const TOGETHER: usize = 4;

macro_rules! rows {
    ($scalar:ty, $vectors:ident, $lanes:ident, $as_simd:ident, $as_mut_simd:ident, $splat:ident, $add:ident, $mul:ident) => {
        const _: () = {
            /// Calls a function with the number of vectors of a row.
            macro_rules! by_width {
                ($function:ident, $simd:expr, $step:expr) => {
                    match TRIALS / S::$lanes {
                        1 => $function::<S, 1>($simd, $step),
                        2 => $function::<S, 2>($simd, $step),
                        4 => $function::<S, 4>($simd, $step),
                        8 => $function::<S, 8>($simd, $step),
                        _ => $function::<S, TRIALS>($simd, $step),
                    }
                };
            }

            /// The vectors of rows.
            #[inline(always)]
            fn of<S: pulp::Simd, const K: usize>(rows: &[Row<$scalar>]) -> &[[S::$vectors; K]] {
                S::$as_simd(rows.as_flattened()).0.as_chunks().0
            }

            #[inline(always)]
            fn of_mut<S: pulp::Simd, const K: usize>(rows: &mut [Row<$scalar>]) -> &mut [[S::$vectors; K]] {
                S::$as_mut_simd(rows.as_flattened_mut()).0.as_chunks_mut().0
            }

            impl pulp::WithSimd for RowForward<'_, $scalar> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) {
                    by_width!(forward, simd, self);
                }
            }

            #[inline(always)]
            fn forward<S: pulp::Simd, const K: usize>(simd: S, step: RowForward<'_, $scalar>) {
                let RowForward { w, keep, visits, gains, s, j } = step;
                let (size, keep, gain) = (j.len(), simd.$splat(keep), simd.$splat(visits.gain));
                let charges = of::<S, K>(visits.charges);
                let (s, j) = (of_mut::<S, K>(s), of_mut::<S, K>(j));
                let gains = &mut of_mut::<S, K>(gains)[..visits.neurons.len()];
                for s in &mut *s {
                    for k in 0..K {
                        s[k] = simd.$mul(s[k], keep);
                    }
                }
                for (column, to) in visits.places().zip(&mut *gains) {
                    for k in 0..K {
                        to[k] = simd.$mul(gain, charges[column][k]);
                        s[column][k] = simd.$add(s[column][k], to[k]);
                    }
                }
                let (blocks, rest) = j.as_chunks_mut::<TOGETHER>();
                let whole = blocks.len() * TOGETHER;
                for (block, j) in blocks.iter_mut().enumerate() {
                    let mut sums = *j;
                    for r in 0..TOGETHER {
                        for k in 0..K {
                            sums[r][k] = simd.$mul(sums[r][k], keep);
                        }
                    }
                    for (column, charge) in visits.places().zip(&*gains) {
                        let w = &w[column * size + block * TOGETHER..][..TOGETHER];
                        for r in 0..TOGETHER {
                            let w = simd.$splat(w[r]);
                            for k in 0..K {
                                sums[r][k] = simd.$add(sums[r][k], simd.$mul(charge[k], w));
                            }
                        }
                    }
                    *j = sums;
                }
                for (i, j) in rest.iter_mut().enumerate() {
                    let mut sum = *j;
                    for k in 0..K {
                        sum[k] = simd.$mul(sum[k], keep);
                    }
                    for (column, charge) in visits.places().zip(&*gains) {
                        let w = simd.$splat(w[column * size + whole + i]);
                        for k in 0..K {
                            sum[k] = simd.$add(sum[k], simd.$mul(charge[k], w));
                        }
                    }
                    *j = sum;
                }
            }

            impl pulp::WithSimd for RowBackward<'_, $scalar> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) {
                    by_width!(backward, simd, self);
                }
            }

            #[inline(always)]
            fn backward<S: pulp::Simd, const K: usize>(simd: S, step: RowBackward<'_, $scalar>) {
                let RowBackward { w, visits, s_bar, j_bar, charge_bar, mut w_bar } = step;
                let (size, bars, gain) = (j_bar.len(), of::<S, K>(j_bar), simd.$splat(visits.gain));
                let (s_bar, charge_bar) = (of::<S, K>(s_bar), of_mut::<S, K>(charge_bar));
                let charges = of::<S, K>(visits.charges);
                for column in visits.places() {
                    let w = &w[column * size..][..size];
                    let product = product::<S, K>(simd, w, bars);
                    for k in 0..K {
                        let worth = simd.$add(s_bar[column][k], product[k]);
                        charge_bar[column][k] = simd.$add(charge_bar[column][k], simd.$mul(gain, worth));
                    }
                    let Some(w_bar) = &mut w_bar else { continue };
                    let mut charge = charges[column];
                    for k in 0..K {
                        charge[k] = simd.$mul(gain, charge[k]);
                    }
                    let w_bar = of_mut::<S, K>(&mut w_bar[column * size..][..size]);
                    for (w_bar, bar) in w_bar.iter_mut().zip(bars) {
                        for k in 0..K {
                            w_bar[k] = simd.$add(w_bar[k], simd.$mul(charge[k], bar[k]));
                        }
                    }
                }
            }

            /// `x . s` of each trial, in the partial sums and the tree of a product of two vectors.
            #[inline(always)]
            fn product<S: pulp::Simd, const K: usize>(
                simd: S,
                x: &[$scalar],
                s: &[[S::$vectors; K]],
            ) -> [S::$vectors; K] {
                let mut sums = [[simd.$splat(0.0); K]; LANES];
                let ((xs, x_rest), (blocks, rest)) = (x.as_chunks::<LANES>(), s.as_chunks::<LANES>());
                for (x, s) in xs.iter().zip(blocks) {
                    for lane in 0..LANES {
                        let x = simd.$splat(x[lane]);
                        for k in 0..K {
                            sums[lane][k] = simd.$add(sums[lane][k], simd.$mul(x, s[lane][k]));
                        }
                    }
                }
                // Each lane by its number, so that the sums stay in registers.
                for lane in 0..LANES {
                    if let (Some(&x), Some(s)) = (x_rest.get(lane), rest.get(lane)) {
                        let x = simd.$splat(x);
                        for k in 0..K {
                            sums[lane][k] = simd.$add(sums[lane][k], simd.$mul(x, s[k]));
                        }
                    }
                }
                tree::<S, K>(simd, sums)
            }

            /// `s . s` in the same way.
            #[inline(always)]
            fn square<S: pulp::Simd, const K: usize>(simd: S, s: &[[S::$vectors; K]]) -> [S::$vectors; K] {
                let mut sums = [[simd.$splat(0.0); K]; LANES];
                let (blocks, rest) = s.as_chunks::<LANES>();
                for s in blocks {
                    for lane in 0..LANES {
                        for k in 0..K {
                            sums[lane][k] = simd.$add(sums[lane][k], simd.$mul(s[lane][k], s[lane][k]));
                        }
                    }
                }
                for lane in 0..LANES {
                    if let Some(s) = rest.get(lane) {
                        for k in 0..K {
                            sums[lane][k] = simd.$add(sums[lane][k], simd.$mul(s[k], s[k]));
                        }
                    }
                }
                tree::<S, K>(simd, sums)
            }

            #[inline(always)]
            fn tree<S: pulp::Simd, const K: usize>(
                simd: S,
                mut sums: [[S::$vectors; K]; LANES],
            ) -> [S::$vectors; K] {
                let mut width = LANES / 2;
                while width > 0 {
                    for lane in 0..width {
                        for k in 0..K {
                            sums[lane][k] = simd.$add(sums[lane][k], sums[lane + width][k]);
                        }
                    }
                    width /= 2;
                }
                sums[0]
            }

            impl pulp::WithSimd for RowDot<'_, $scalar> {
                type Output = Row<$scalar>;

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) -> Row<$scalar> {
                    by_width!(dot, simd, self)
                }
            }

            #[inline(always)]
            fn dot<S: pulp::Simd, const K: usize>(
                simd: S,
                RowDot { x, s }: RowDot<'_, $scalar>,
            ) -> Row<$scalar> {
                let rows = of::<S, K>(s);
                let sum = match x {
                    Some(x) => product::<S, K>(simd, &x[..s.len()], rows),
                    None => square::<S, K>(simd, rows),
                };
                let mut row = [[0.0; TRIALS]];
                of_mut::<S, K>(&mut row)[0] = sum;
                row[0]
            }

            impl pulp::WithSimd for RowSpread<'_, $scalar> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) {
                    by_width!(spread, simd, self);
                }
            }

            #[inline(always)]
            fn spread<S: pulp::Simd, const K: usize>(simd: S, step: RowSpread<'_, $scalar>) {
                for (y, &x) in of_mut::<S, K>(step.y).iter_mut().zip(step.x) {
                    *y = [simd.$splat(x); K];
                }
            }

            impl pulp::WithSimd for RowAdd<'_, $scalar, $scalar> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) {
                    by_width!(add_outer, simd, self);
                }
            }

            #[inline(always)]
            fn add_outer<S: pulp::Simd, const K: usize>(simd: S, step: RowAdd<'_, $scalar, $scalar>) {
                let a = of::<S, K>(std::slice::from_ref(step.a))[0];
                for (y, &x) in of_mut::<S, K>(step.y).iter_mut().zip(step.x) {
                    let x = simd.$splat(x);
                    for k in 0..K {
                        y[k] = simd.$add(y[k], simd.$mul(a[k], x));
                    }
                }
            }

            impl pulp::WithSimd for RowAdd<'_, $scalar, Row<$scalar>> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) {
                    by_width!(add_rows, simd, self);
                }
            }

            #[inline(always)]
            fn add_rows<S: pulp::Simd, const K: usize>(simd: S, step: RowAdd<'_, $scalar, Row<$scalar>>) {
                let a = of::<S, K>(std::slice::from_ref(step.a))[0];
                for (y, x) in of_mut::<S, K>(step.y).iter_mut().zip(of::<S, K>(step.x)) {
                    for k in 0..K {
                        y[k] = simd.$add(y[k], simd.$mul(a[k], x[k]));
                    }
                }
            }

            impl RowLoops<$scalar> for Vectors {
                fn forward(&self, step: RowForward<'_, $scalar>) {
                    dispatch(self.0, step);
                }

                fn backward(&self, step: RowBackward<'_, $scalar>) {
                    dispatch(self.0, step);
                }

                fn dot(&self, x: &[$scalar], s: &[Row<$scalar>]) -> Row<$scalar> {
                    dispatch(self.0, RowDot { x: Some(x), s })
                }

                fn square(&self, s: &[Row<$scalar>]) -> Row<$scalar> {
                    dispatch(self.0, RowDot { x: None, s })
                }

                fn spread(&self, y: &mut [Row<$scalar>], x: &[$scalar]) {
                    dispatch(self.0, RowSpread { y, x });
                }

                fn add_outer(&self, y: &mut [Row<$scalar>], a: &Row<$scalar>, x: &[$scalar]) {
                    dispatch(self.0, RowAdd { y, a, x });
                }

                fn add_rows(&self, y: &mut [Row<$scalar>], a: &Row<$scalar>, x: &[Row<$scalar>]) {
                    dispatch(self.0, RowAdd { y, a, x });
                }
            }
        };
    };
}

rows!(f32, f32s, F32_LANES, as_simd_f32s, as_mut_simd_f32s, splat_f32s, add_f32s, mul_f32s);
rows!(f64, f64s, F64_LANES, as_simd_f64s, as_mut_simd_f64s, splat_f64s, add_f64s, mul_f64s);
