//! Visits to the presynaptic columns of a weight matrix, which are most of a large network's time: several columns at once,
//! so that a vector over the postsynaptic neurons is read and written once for all of them.
//!
//! `f32` and `f64` have loops in the machine's widest vectors; other scalars, such as dual numbers, have plain ones.
//! Both add in the same order, so that the width of the vectors does not change a bit.

use std::any::Any;
use std::fmt::Debug;
use std::sync::LazyLock;

use nalgebra::RealField;

use crate::kernels::{LANES, axpy, dot, tree};

/// Columns that are taken together.
const GROUP: usize = 4;

/// What a step released: the columns that are visited.
#[derive(Clone, Copy)]
pub(crate) struct Charges<'a, T> {
    /// Which neurons, in ascending order.
    pub(crate) neurons: &'a [u32],
    /// The charge of each.
    pub(crate) charges: &'a [T],
    /// A factor of all charges.
    pub(crate) gain: T,
}

/// The loops over columns for one scalar.
pub(crate) trait Columns<T>: Debug + Send + Sync {
    /// `y += gain W q` over the columns of the neurons that released charges `q`, column after column, `W` by columns.
    fn add(&self, w: &[T], released: Charges<'_, T>, y: &mut [T]);

    /// Its transpose: writes `products = W^T y_bar` for these columns, and adds `gain y_bar q^T` to those of the gradient, if
    /// there is one.
    fn add_vjp(
        &self,
        w: &[T],
        released: Charges<'_, T>,
        y_bar: &[T],
        w_bar: Option<&mut [T]>,
        products: &mut [T],
    );
}

/// The loops for a scalar.
pub(crate) fn columns<T: RealField + Copy>() -> &'static dyn Columns<T> {
    static VECTORS: LazyLock<Vectors> = LazyLock::new(|| Vectors(pulp::Arch::new()));
    let single: &'static dyn Columns<f32> = &*VECTORS;
    let double: &'static dyn Columns<f64> = &*VECTORS;
    let of = |loops: &dyn Any| loops.downcast_ref::<&'static dyn Columns<T>>().copied();
    of(&single).or_else(|| of(&double)).unwrap_or(&Plain)
}

/// Loops in the machine's widest vectors, which were looked up once.
#[derive(Debug)]
struct Vectors(pulp::Arch);

/// Loops that any scalar can do.
#[derive(Debug)]
struct Plain;

impl<T: RealField + Copy> Columns<T> for Plain {
    fn add(&self, w: &[T], released: Charges<'_, T>, y: &mut [T]) {
        let n = y.len();
        for (&column, &charge) in released.neurons.iter().zip(released.charges) {
            axpy(y, released.gain * charge, &w[column as usize * n..][..n]);
        }
    }

    fn add_vjp(
        &self,
        w: &[T],
        released: Charges<'_, T>,
        y_bar: &[T],
        mut w_bar: Option<&mut [T]>,
        products: &mut [T],
    ) {
        let n = y_bar.len();
        for ((&column, &charge), product) in released.neurons.iter().zip(released.charges).zip(products) {
            let start = column as usize * n;
            *product = dot(&w[start..][..n], y_bar);
            if let Some(w_bar) = &mut w_bar {
                axpy(&mut w_bar[start..][..n], released.gain * charge, y_bar);
            }
        }
    }
}

/// Cuts columns off a matrix, in ascending order.
struct Cut<'a, T> {
    rest: &'a mut [T],
    start: usize,
    rows: usize,
}

impl<'a, T> Cut<'a, T> {
    #[inline(always)]
    fn column(&mut self, column: u32) -> &'a mut [T] {
        let first = column as usize * self.rows;
        let (cut, rest) = std::mem::take(&mut self.rest)[first - self.start..].split_at_mut(self.rows);
        (self.rest, self.start) = (rest, first + self.rows);
        cut
    }
}

macro_rules! vectors {
    ($scalar:ty, $vectors:ident, $lanes:ident, $as_simd:ident, $as_mut_simd:ident, $splat:ident, $add:ident, $mul:ident) => {
        const _: () = {
            struct Add<'a> {
                w: &'a [$scalar],
                released: Charges<'a, $scalar>,
                y: &'a mut [$scalar],
            }

            impl pulp::WithSimd for Add<'_> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) {
                    let Self { w, released, y } = self;
                    let (groups, rest) = released.neurons.as_chunks::<GROUP>();
                    let (charges, charges_rest) = released.charges.as_chunks::<GROUP>();
                    for (&columns, &charges) in groups.iter().zip(charges) {
                        add(simd, w, columns, charges.map(|q| released.gain * q), y);
                    }
                    // Those that are left are taken together, too.
                    let gain = released.gain;
                    match (rest, charges_rest) {
                        (&[a, b, c], &[p, q, r]) => {
                            add(simd, w, [a, b, c], [gain * p, gain * q, gain * r], y)
                        }
                        (&[a, b], &[p, q]) => add(simd, w, [a, b], [gain * p, gain * q], y),
                        (&[a], &[p]) => add(simd, w, [a], [gain * p], y),
                        _ => {}
                    }
                }
            }

            #[inline(always)]
            fn add<S: pulp::Simd, const C: usize>(
                simd: S,
                w: &[$scalar],
                columns: [u32; C],
                gains: [$scalar; C],
                y: &mut [$scalar],
            ) {
                let n = y.len();
                let (y, y_rest) = S::$as_mut_simd(y);
                let mut xs = [&[] as &[S::$vectors]; C];
                let mut xs_rest = [&[] as &[$scalar]; C];
                let mut splats = [simd.$splat(0.0); C];
                for c in 0..C {
                    let (x, x_rest) = S::$as_simd(&w[columns[c] as usize * n..][..n]);
                    (xs[c], xs_rest[c]) = (&x[..y.len()], &x_rest[..y_rest.len()]);
                    splats[c] = simd.$splat(gains[c]);
                }
                for (i, y) in y.iter_mut().enumerate() {
                    let mut sum = *y;
                    for c in 0..C {
                        sum = simd.$add(sum, simd.$mul(splats[c], xs[c][i]));
                    }
                    *y = sum;
                }
                for (i, y) in y_rest.iter_mut().enumerate() {
                    for c in 0..C {
                        *y += gains[c] * xs_rest[c][i];
                    }
                }
            }

            struct AddVjp<'a> {
                w: &'a [$scalar],
                released: Charges<'a, $scalar>,
                y_bar: &'a [$scalar],
                w_bar: Option<&'a mut [$scalar]>,
                products: &'a mut [$scalar],
            }

            impl pulp::WithSimd for AddVjp<'_> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) {
                    // How many vectors the lanes of a product are.
                    match LANES / S::$lanes {
                        1 => self.visit::<S, 1>(simd),
                        2 => self.visit::<S, 2>(simd),
                        4 => self.visit::<S, 4>(simd),
                        8 => self.visit::<S, 8>(simd),
                        _ => self.visit::<S, LANES>(simd),
                    }
                }
            }

            impl AddVjp<'_> {
                #[inline(always)]
                fn visit<S: pulp::Simd, const K: usize>(self, simd: S) {
                    let Self { w, released, y_bar, w_bar, products } = self;
                    let (groups, rest) = released.neurons.as_chunks::<GROUP>();
                    let (charges, charges_rest) = released.charges.as_chunks::<GROUP>();
                    let (products, products_rest) = products.as_chunks_mut::<GROUP>();
                    let mut bars = w_bar.map(|rest| Cut { rest, start: 0, rows: y_bar.len() });
                    let gain = released.gain;
                    for ((&columns, &charges), products) in groups.iter().zip(charges).zip(products) {
                        let gains = charges.map(|q| gain * q);
                        *products = visit::<S, GROUP, K>(simd, w, columns, gains, y_bar, &mut bars);
                    }
                    let bars = &mut bars;
                    match (rest, charges_rest, products_rest) {
                        (&[a, b, c], &[p, q, r], [x, y, z]) => {
                            let gains = [gain * p, gain * q, gain * r];
                            [*x, *y, *z] = visit::<S, 3, K>(simd, w, [a, b, c], gains, y_bar, bars);
                        }
                        (&[a, b], &[p, q], [x, y]) => {
                            [*x, *y] = visit::<S, 2, K>(simd, w, [a, b], [gain * p, gain * q], y_bar, bars);
                        }
                        (&[a], &[p], [x]) => {
                            [*x] = visit::<S, 1, K>(simd, w, [a], [gain * p], y_bar, bars);
                        }
                        _ => {}
                    }
                }
            }

            /// The products of some columns with `y`, which is added, times each gain, to those of the gradient.
            #[inline(always)]
            fn visit<S: pulp::Simd, const C: usize, const K: usize>(
                simd: S,
                w: &[$scalar],
                columns: [u32; C],
                gains: [$scalar; C],
                y: &[$scalar],
                bars: &mut Option<Cut<'_, $scalar>>,
            ) -> [$scalar; C] {
                let products = dots::<S, C, K>(simd, w, columns, y);
                if let Some(bars) = bars {
                    for c in 0..C {
                        outer(simd, gains[c], y, bars.column(columns[c]));
                    }
                }
                products
            }

            /// The products of some columns with `y`.
            #[inline(always)]
            fn dots<S: pulp::Simd, const C: usize, const K: usize>(
                simd: S,
                w: &[$scalar],
                columns: [u32; C],
                y: &[$scalar],
            ) -> [$scalar; C] {
                let n = y.len();
                let whole = n - n % LANES;
                let (ys, _) = S::$as_simd(&y[..whole]);
                let (ys, _) = ys.as_chunks::<K>();
                let mut xs = [&[] as &[[S::$vectors; K]]; C];
                for c in 0..C {
                    let (x, _) = S::$as_simd(&w[columns[c] as usize * n..][..whole]);
                    xs[c] = &x.as_chunks::<K>().0[..ys.len()];
                }
                let mut sums = [[simd.$splat(0.0); K]; C];
                for (i, y) in ys.iter().enumerate() {
                    for c in 0..C {
                        for k in 0..K {
                            sums[c][k] = simd.$add(sums[c][k], simd.$mul(xs[c][i][k], y[k]));
                        }
                    }
                }
                let mut products = [0.0; C];
                for c in 0..C {
                    let mut lanes = [0.0; LANES];
                    S::$as_mut_simd(&mut lanes).0.copy_from_slice(&sums[c]);
                    let x = &w[columns[c] as usize * n..][whole..n];
                    for ((&x, &y), lane) in x.iter().zip(&y[whole..]).zip(&mut lanes) {
                        *lane += x * y;
                    }
                    products[c] = tree(&lanes);
                }
                products
            }

            /// Adds `y`, times a gain, to a column of the gradient.
            #[inline(always)]
            fn outer<S: pulp::Simd>(simd: S, gain: $scalar, y: &[$scalar], bar: &mut [$scalar]) {
                let (ys, y_rest) = S::$as_simd(y);
                let (bar, bar_rest) = S::$as_mut_simd(bar);
                let splat = simd.$splat(gain);
                for (bar, &y) in bar.iter_mut().zip(ys) {
                    *bar = simd.$add(*bar, simd.$mul(splat, y));
                }
                for (bar, &y) in bar_rest.iter_mut().zip(y_rest) {
                    *bar += gain * y;
                }
            }

            impl Columns<$scalar> for Vectors {
                fn add(&self, w: &[$scalar], released: Charges<'_, $scalar>, y: &mut [$scalar]) {
                    self.0.dispatch(Add { w, released, y });
                }

                fn add_vjp(
                    &self,
                    w: &[$scalar],
                    released: Charges<'_, $scalar>,
                    y_bar: &[$scalar],
                    w_bar: Option<&mut [$scalar]>,
                    products: &mut [$scalar],
                ) {
                    self.0.dispatch(AddVjp { w, released, y_bar, w_bar, products });
                }
            }
        };
    };
}

vectors!(f32, f32s, F32_LANES, as_simd_f32s, as_mut_simd_f32s, splat_f32s, add_f32s, mul_f32s);
vectors!(f64, f64s, F64_LANES, as_simd_f64s, as_mut_simd_f64s, splat_f64s, add_f64s, mul_f64s);

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(n: usize, seed: f64) -> Vec<f64> {
        (0..n).map(|i| (seed + i as f64).sin()).collect()
    }

    /// The vectors' loops against the plain ones, to the bit.
    fn agree<T: RealField + Copy>() {
        for n in [1, 7, 16, 33, 80] {
            for visited in [0, 1, 3, 4, 5, 11] {
                let cast = |x: Vec<f64>| -> Vec<T> { x.into_iter().map(|x| T::from_subset(&x)).collect() };
                let (w, y) = (cast(matrix(n * n, 0.1)), cast(matrix(n, 0.2)));
                let chosen: Vec<u32> = (0..n as u32).filter(|i| i % 3 != 1).take(visited).collect();
                let charges = cast(matrix(chosen.len(), 0.3));
                let released = Charges { neurons: &chosen, charges: &charges, gain: T::from_subset(&0.7) };
                let run = |loops: &dyn Columns<T>, gradient: bool| {
                    let (mut y, mut bar) = (y.clone(), w.clone());
                    let mut products = vec![T::zero(); chosen.len()];
                    loops.add_vjp(&w, released, &y, gradient.then_some(&mut bar), &mut products);
                    loops.add(&w, released, &mut y);
                    (y, bar, products)
                };
                for gradient in [false, true] {
                    assert_eq!(run(columns::<T>(), gradient), run(&Plain, gradient), "{n} {visited}");
                }
            }
        }
    }

    #[test]
    fn vectors_and_plain_loops_agree_to_the_bit() {
        agree::<f32>();
        agree::<f64>();
    }
}
