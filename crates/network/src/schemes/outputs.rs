//! The loops over a readout of several outputs, whose weights lie neuron by neuron: few numbers each, which do not fill a vector by
//! themselves.

use std::fmt::Debug;
use std::sync::LazyLock;

use num_dual::Dual64;

use crate::Scalar;
use crate::kernels::{ARCH, LANES, dispatch};
use crate::scalar::ForEach;

/// `o += O s`, term by term; `O` by columns, at most [`LANES`] rows.
struct Reading<'a, T> {
    columns: &'a [T],
    s: &'a [T],
    output: &'a mut [T],
}

/// The transpose: `s_bar += O^T o_bar`, each product in the tree of [`dot`](crate::kernels::dot), and `O_bar += o_bar s^T`.
struct ReadingBar<'a, T> {
    /// `O` by rows.
    rows: &'a [T],
    s: &'a [T],
    output_bar: &'a [T],
    s_bar: &'a mut [T],
    columns_bar: &'a mut [T],
}

/// The loops for one scalar, with the bits of the loops over numbers.
pub(crate) trait OutputLoops<T>: Debug + Send + Sync {
    /// `o += O s` for at most [`LANES`] outputs.
    fn read(&self, columns: &[T], s: &[T], output: &mut [T]);
    /// Adds `O^T o_bar` to `s_bar` and `o_bar s^T` to the gradient of the columns.
    fn read_vjp(&self, rows: &[T], s: &[T], output_bar: &[T], s_bar: &mut [T], columns_bar: &mut [T]);
}

/// Loops in the machine's widest vectors.
#[derive(Debug)]
struct Vectors(pulp::Arch);

static VECTORS: LazyLock<Vectors> = LazyLock::new(|| Vectors(*ARCH));

struct Loops;

impl ForEach for Loops {
    type Of<T: 'static> = Option<&'static dyn OutputLoops<T>>;

    fn single(&self) -> Option<&'static dyn OutputLoops<f32>> {
        Some(&*VECTORS)
    }

    fn double(&self) -> Option<&'static dyn OutputLoops<f64>> {
        Some(&*VECTORS)
    }

    fn dual(&self) -> Option<&'static dyn OutputLoops<Dual64>> {
        None
    }
}

/// The loops for so many outputs; none where a loop over numbers does it: for one output, for many, and for dual numbers.
pub(crate) fn output_loops<T: Scalar>(outputs: usize) -> Option<&'static dyn OutputLoops<T>> {
    if (2..=LANES).contains(&outputs) { T::choose(&Loops) } else { None }
}

/// The rows of a matrix that is given by its columns, one behind the other.
pub(crate) fn rows_of_columns<T: Scalar>(columns: &[T], rows: usize) -> Vec<T> {
    let count = columns.len() / rows.max(1);
    (0..rows).flat_map(|row| (0..count).map(move |column| columns[column * rows + row])).collect()
}

macro_rules! outputs {
    ($scalar:ty, $vectors:ident, $lanes:ident, $splat:ident, $add:ident, $mul:ident, $partial_load:ident, $partial_store:ident) => {
        const _: () = {
            impl pulp::WithSimd for Reading<'_, $scalar> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) {
                    // How many vectors the outputs are.
                    match self.output.len().div_ceil(S::$lanes) {
                        1 => read::<S, 1>(simd, self),
                        2 => read::<S, 2>(simd, self),
                        3..=4 => read::<S, 4>(simd, self),
                        5..=8 => read::<S, 8>(simd, self),
                        _ => read::<S, LANES>(simd, self),
                    }
                }
            }

            /// A few numbers as vectors, zeros behind the end.
            #[inline(always)]
            fn load<S: pulp::Simd, const K: usize>(simd: S, x: &[$scalar]) -> [S::$vectors; K] {
                let mut vectors = [simd.$splat(0.0); K];
                for (vector, x) in vectors.iter_mut().zip(x.chunks(S::$lanes)) {
                    *vector = simd.$partial_load(x);
                }
                vectors
            }

            #[inline(always)]
            fn store<S: pulp::Simd, const K: usize>(simd: S, x: &mut [$scalar], vectors: [S::$vectors; K]) {
                for (vector, x) in vectors.into_iter().zip(x.chunks_mut(S::$lanes)) {
                    simd.$partial_store(x, vector);
                }
            }

            #[inline(always)]
            fn read<S: pulp::Simd, const K: usize>(simd: S, step: Reading<'_, $scalar>) {
                let Reading { columns, s, output } = step;
                let mut sum = load::<S, K>(simd, output);
                for (column, &s) in columns.chunks_exact(output.len()).zip(s) {
                    let (column, s) = (load::<S, K>(simd, column), simd.$splat(s));
                    for k in 0..K {
                        sum[k] = simd.$add(sum[k], simd.$mul(s, column[k]));
                    }
                }
                store::<S, K>(simd, output, sum);
            }

            impl pulp::WithSimd for ReadingBar<'_, $scalar> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) {
                    let Self { rows, s, output_bar, s_bar, columns_bar } = self;
                    products::<S>(simd, rows, output_bar, s_bar);
                    match output_bar.len().div_ceil(S::$lanes) {
                        1 => outer::<S, 1>(simd, s, output_bar, columns_bar),
                        2 => outer::<S, 2>(simd, s, output_bar, columns_bar),
                        3..=4 => outer::<S, 4>(simd, s, output_bar, columns_bar),
                        5..=8 => outer::<S, 8>(simd, s, output_bar, columns_bar),
                        _ => outer::<S, LANES>(simd, s, output_bar, columns_bar),
                    }
                }
            }

            #[inline(always)]
            fn outer<S: pulp::Simd, const K: usize>(
                simd: S,
                s: &[$scalar],
                output_bar: &[$scalar],
                columns_bar: &mut [$scalar],
            ) {
                let bars = load::<S, K>(simd, output_bar);
                for (column, &s) in columns_bar.chunks_exact_mut(output_bar.len()).zip(s) {
                    let (mut new, s) = (load::<S, K>(simd, column), simd.$splat(s));
                    for k in 0..K {
                        new[k] = simd.$add(new[k], simd.$mul(s, bars[k]));
                    }
                    store::<S, K>(simd, column, new);
                }
            }

            /// Adds the product of each column of the readout with `output_bar`, all neurons of a vector at a time.
            #[inline(always)]
            fn products<S: pulp::Simd>(
                simd: S,
                rows: &[$scalar],
                output_bar: &[$scalar],
                s_bar: &mut [$scalar],
            ) {
                let size = s_bar.len();
                let mut bars = [simd.$splat(0.0); LANES];
                for (to, &bar) in bars.iter_mut().zip(output_bar) {
                    *to = simd.$splat(bar);
                }
                for (block, s_bar) in s_bar.chunks_mut(S::$lanes).enumerate() {
                    let first = block * S::$lanes;
                    let mut sums = [simd.$splat(0.0); LANES];
                    for k in 0..LANES {
                        if k < output_bar.len() {
                            let row = simd.$partial_load(&rows[k * size + first..][..s_bar.len()]);
                            sums[k] = simd.$add(sums[k], simd.$mul(row, bars[k]));
                        }
                    }
                    let mut width = LANES / 2;
                    while width > 0 {
                        for lane in 0..width {
                            sums[lane] = simd.$add(sums[lane], sums[lane + width]);
                        }
                        width /= 2;
                    }
                    let old = simd.$partial_load(s_bar);
                    simd.$partial_store(s_bar, simd.$add(old, sums[0]));
                }
            }

            impl OutputLoops<$scalar> for Vectors {
                fn read(&self, columns: &[$scalar], s: &[$scalar], output: &mut [$scalar]) {
                    dispatch(self.0, Reading { columns, s, output });
                }

                fn read_vjp(
                    &self,
                    rows: &[$scalar],
                    s: &[$scalar],
                    output_bar: &[$scalar],
                    s_bar: &mut [$scalar],
                    columns_bar: &mut [$scalar],
                ) {
                    dispatch(self.0, ReadingBar { rows, s, output_bar, s_bar, columns_bar });
                }
            }
        };
    };
}

outputs!(f32, f32s, F32_LANES, splat_f32s, add_f32s, mul_f32s, partial_load_f32s, partial_store_f32s);
outputs!(f64, f64s, F64_LANES, splat_f64s, add_f64s, mul_f64s, partial_load_f64s, partial_store_f64s);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{axpy, dot};

    fn agree<T: Scalar>() {
        let numbers = |count: usize, seed: f64| -> Vec<T> {
            (0..count).map(|i| T::from_subset(&(seed + i as f64).sin())).collect()
        };
        for outputs in 2..=LANES {
            for size in [1, 3, 16, 37, 128] {
                let Some(loops) = output_loops::<T>(outputs) else { return };
                let (o, s) = (numbers(outputs * size, 0.1), numbers(size, 0.2));
                let bars = numbers(outputs, 0.3);
                let (mut read, mut expected) = (vec![T::zero(); outputs], vec![T::zero(); outputs]);
                loops.read(&o, &s, &mut read);
                let (mut s_bar, mut o_bar) = (numbers(size, 0.4), numbers(outputs * size, 0.5));
                let (mut s_expected, mut o_expected) = (s_bar.clone(), o_bar.clone());
                loops.read_vjp(&rows_of_columns(&o, outputs), &s, &bars, &mut s_bar, &mut o_bar);
                for (j, &s) in s.iter().enumerate() {
                    let column = j * outputs..(j + 1) * outputs;
                    axpy(&mut expected, s, &o[column.clone()]);
                    s_expected[j] += dot(&o[column.clone()], &bars);
                    axpy(&mut o_expected[column], s, &bars);
                }
                assert!(read == expected && s_bar == s_expected && o_bar == o_expected, "{outputs} {size}");
            }
        }
    }

    #[test]
    fn vectors_and_loops_over_numbers_agree_to_the_bit() {
        agree::<f32>();
        agree::<f64>();
    }
}
