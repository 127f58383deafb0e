//! The sparse step of a synapse class, and its transpose: visits to the presynaptic columns of a weight matrix, which are most
//! of a large network's time. A vector over the postsynaptic neurons is read and written as seldom as can be: once for several
//! columns, once for a column's product and its gradient, once for several steps' gradients.
//!
//! `f32` and `f64` have loops in the machine's widest vectors; other scalars, such as dual numbers, have plain ones.
//! Both add in the same order, so that the width of the vectors does not change a bit.

use std::any::Any;
use std::fmt::Debug;
use std::sync::LazyLock;

use nalgebra::RealField;

use crate::kernels::{ARCH, LANES, axpy, dot, scale, tree};

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
    /// Equations (19), (20): `s = keep s + gain q` and `j = keep j + gain W q`, over the neurons that released charges `q`,
    /// column after column, `W` by columns.
    fn forward(&self, w: &[T], keep: T, released: Charges<'_, T>, s: &mut [T], j: &mut [T]);

    /// Their transpose by charges and weights, equations (22), (23): adds `gain (s_bar + W^T j_bar)` to `charge_bar` and, if there
    /// is a gradient `w_bar`, `gain j_bar q^T` to its columns. Returns the cotangent of the gain.
    fn backward(
        &self,
        w: &[T],
        released: Charges<'_, T>,
        s_bar: &[T],
        j_bar: &[T],
        w_bar: Option<&mut [T]>,
        charge_bar: &mut [T],
    ) -> T;

    /// Their transpose by weights for several steps: adds `gain j_bar q^T` to `w_bar`, the `j_bar` of each step being one of
    /// `rows`, `n` numbers each.
    fn add_outer(&self, n: usize, rows: &[T], gain: T, bursts: Bursts<'_, T>, w_bar: &mut [T]);
}

/// What several steps released, neuron by neuron, so that a column of the gradient is read and written once for all of them.
#[derive(Clone, Copy)]
pub(crate) struct Bursts<'a, T> {
    /// The neurons that released charge, with the ends of their parts of the following.
    pub(crate) neurons: &'a [(u32, u32)],
    /// In which steps.
    pub(crate) steps: &'a [u32],
    /// The charge in each.
    pub(crate) charges: &'a [T],
}

impl<'a, T> Bursts<'a, T> {
    /// The neurons with their steps and charges.
    #[inline(always)]
    fn parts(self) -> impl Iterator<Item = (usize, &'a [u32], &'a [T])> {
        let mut start = 0;
        self.neurons.iter().map(
            #[inline(always)]
            move |&(neuron, end)| {
                let part = start..end as usize;
                start = part.end;
                (neuron as usize, &self.steps[part.clone()], &self.charges[part])
            },
        )
    }
}

/// The loops for a scalar.
pub(crate) fn columns<T: RealField + Copy>() -> &'static dyn Columns<T> {
    static VECTORS: LazyLock<Vectors> = LazyLock::new(|| Vectors(*ARCH));
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
    fn forward(&self, w: &[T], keep: T, released: Charges<'_, T>, s: &mut [T], j: &mut [T]) {
        let n = j.len();
        scale(s, keep);
        scale(j, keep);
        // A charge that is zero by chance still has a derivative, which dual numbers carry.
        for (&column, &charge) in released.neurons.iter().zip(released.charges) {
            s[column as usize] += released.gain * charge;
            axpy(j, released.gain * charge, &w[column as usize * n..][..n]);
        }
    }

    fn backward(
        &self,
        w: &[T],
        released: Charges<'_, T>,
        s_bar: &[T],
        j_bar: &[T],
        mut w_bar: Option<&mut [T]>,
        charge_bar: &mut [T],
    ) -> T {
        let (n, mut gain_bar) = (j_bar.len(), T::zero());
        let charges = released.neurons.iter().zip(released.charges);
        for ((&column, &charge), charge_bar) in charges.zip(charge_bar) {
            let start = column as usize * n;
            let worth = s_bar[column as usize] + dot(&w[start..][..n], j_bar);
            *charge_bar += released.gain * worth;
            gain_bar += charge * worth;
            if let Some(w_bar) = &mut w_bar {
                axpy(&mut w_bar[start..][..n], released.gain * charge, j_bar);
            }
        }
        gain_bar
    }

    fn add_outer(&self, n: usize, rows: &[T], gain: T, bursts: Bursts<'_, T>, w_bar: &mut [T]) {
        for (neuron, steps, charges) in bursts.parts() {
            for (&step, &charge) in steps.iter().zip(charges) {
                axpy(&mut w_bar[neuron * n..][..n], gain * charge, &rows[step as usize * n..][..n]);
            }
        }
    }
}

/// Columns that are added to a vector together.
const ADDED: usize = 4;

macro_rules! vectors {
    ($scalar:ty, $vectors:ident, $lanes:ident, $as_simd:ident, $as_mut_simd:ident, $splat:ident, $add:ident, $mul:ident) => {
        const _: () = {
            struct Forward<'a> {
                w: &'a [$scalar],
                keep: $scalar,
                released: Charges<'a, $scalar>,
                s: &'a mut [$scalar],
                j: &'a mut [$scalar],
            }

            impl pulp::WithSimd for Forward<'_> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) {
                    let Self { w, keep, released, s, j } = self;
                    let Charges { neurons, charges, gain } = released;
                    add::<S, 0, true>(simd, w, keep, [], [], s);
                    for (&neuron, &charge) in neurons.iter().zip(charges) {
                        s[neuron as usize] += gain * charge;
                    }
                    add_all::<S, true>(simd, w, keep, neurons, charges, gain, j);
                }
            }

            /// Adds columns, times a charge each and the gain, to `y`, which decays first.
            #[inline(always)]
            fn add_all<S: pulp::Simd, const DECAYS: bool>(
                simd: S,
                w: &[$scalar],
                keep: $scalar,
                columns: &[u32],
                charges: &[$scalar],
                gain: $scalar,
                y: &mut [$scalar],
            ) {
                // The first columns, as many as do not make a whole group, come with the decay.
                let (first, groups) = columns.split_at(columns.len() % ADDED);
                let (q, charges) = charges.split_at(first.len());
                match (first, q) {
                    (&[a, b, c], &[p, q, r]) => {
                        add::<S, 3, DECAYS>(simd, w, keep, [a, b, c], [gain * p, gain * q, gain * r], y)
                    }
                    (&[a, b], &[p, q]) => add::<S, 2, DECAYS>(simd, w, keep, [a, b], [gain * p, gain * q], y),
                    (&[a], &[p]) => add::<S, 1, DECAYS>(simd, w, keep, [a], [gain * p], y),
                    _ if DECAYS => add::<S, 0, DECAYS>(simd, w, keep, [], [], y),
                    _ => {}
                }
                for (&columns, q) in groups.as_chunks::<ADDED>().0.iter().zip(charges.as_chunks::<ADDED>().0)
                {
                    add::<S, ADDED, false>(simd, w, keep, columns, q.map(|q| gain * q), y);
                }
            }

            struct AddOuter<'a> {
                n: usize,
                rows: &'a [$scalar],
                gain: $scalar,
                bursts: Bursts<'a, $scalar>,
                w_bar: &'a mut [$scalar],
            }

            impl pulp::WithSimd for AddOuter<'_> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) {
                    let Self { n, rows, gain, bursts, w_bar } = self;
                    for (neuron, steps, charges) in bursts.parts() {
                        let column = &mut w_bar[neuron * n..][..n];
                        add_all::<S, false>(simd, rows, 1.0, steps, charges, gain, column);
                    }
                }
            }

            /// Adds some columns, times a gain each, to `y`, which decays first.
            #[inline(always)]
            fn add<S: pulp::Simd, const C: usize, const DECAYS: bool>(
                simd: S,
                w: &[$scalar],
                keep: $scalar,
                columns: [u32; C],
                gains: [$scalar; C],
                y: &mut [$scalar],
            ) {
                let n = y.len();
                let (y, y_rest) = S::$as_mut_simd(y);
                let mut xs = [&[] as &[S::$vectors]; C];
                let mut xs_rest = [&[] as &[$scalar]; C];
                let (keep_all, mut splats) = (simd.$splat(keep), [simd.$splat(0.0); C]);
                for c in 0..C {
                    let (x, x_rest) = S::$as_simd(&w[columns[c] as usize * n..][..n]);
                    (xs[c], xs_rest[c]) = (&x[..y.len()], &x_rest[..y_rest.len()]);
                    splats[c] = simd.$splat(gains[c]);
                }
                for (i, y) in y.iter_mut().enumerate() {
                    let mut sum = if DECAYS { simd.$mul(*y, keep_all) } else { *y };
                    for c in 0..C {
                        sum = simd.$add(sum, simd.$mul(splats[c], xs[c][i]));
                    }
                    *y = sum;
                }
                for (i, y) in y_rest.iter_mut().enumerate() {
                    if DECAYS {
                        *y *= keep;
                    }
                    for c in 0..C {
                        *y += gains[c] * xs_rest[c][i];
                    }
                }
            }

            struct Backward<'a> {
                w: &'a [$scalar],
                released: Charges<'a, $scalar>,
                s_bar: &'a [$scalar],
                j_bar: &'a [$scalar],
                w_bar: Option<&'a mut [$scalar]>,
                charge_bar: &'a mut [$scalar],
            }

            impl pulp::WithSimd for Backward<'_> {
                type Output = $scalar;

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) -> $scalar {
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

            impl Backward<'_> {
                #[inline(always)]
                fn visit<S: pulp::Simd, const K: usize>(self, simd: S) -> $scalar {
                    let Self { w, released, s_bar, j_bar, w_bar, charge_bar } = self;
                    let Charges { neurons, charges, gain } = released;
                    let n = j_bar.len();
                    let whole = n - n % LANES;
                    let (y, y_rest) = j_bar.split_at(whole);
                    let ys = S::$as_simd(y).0.as_chunks::<K>().0;
                    let mut gain_bar = 0.0;
                    let visits = neurons.iter().zip(charges).zip(charge_bar);
                    // The product of a column with `y`, and in the same pass whatever else is done with its vectors.
                    macro_rules! visit {
                        ($visit:ident, $zipped:expr, |$other:ident, $k:ident, $y:ident| $also:expr) => {{
                            let ((&column, &charge), charge_bar) = $visit;
                            let (x, x_rest) = w[column as usize * n..][..n].split_at(whole);
                            let xs = S::$as_simd(x).0.as_chunks::<K>().0;
                            let mut sums = [simd.$splat(0.0); K];
                            for (($y, x), $other) in ys.iter().zip(xs).zip($zipped) {
                                for $k in 0..K {
                                    sums[$k] = simd.$add(sums[$k], simd.$mul(x[$k], $y[$k]));
                                    $also;
                                }
                            }
                            let mut lanes = [0.0; LANES];
                            if !y_rest.is_empty() {
                                S::$as_mut_simd(&mut lanes).0.copy_from_slice(&sums);
                                for ((x, y), lane) in x_rest.iter().zip(y_rest).zip(&mut lanes) {
                                    *lane += x * y;
                                }
                                sums.copy_from_slice(&S::$as_simd(&lanes).0[..K]);
                            }
                            // The tree's first levels, as far as they are sums of whole vectors.
                            let mut width = K;
                            while width > 1 {
                                width /= 2;
                                for k in 0..width {
                                    sums[k] = simd.$add(sums[k], sums[k + width]);
                                }
                            }
                            S::$as_mut_simd(&mut lanes).0[0] = sums[0];
                            let worth = s_bar[column as usize] + tree(&mut lanes[..S::$lanes.min(LANES)]);
                            *charge_bar += gain * worth;
                            gain_bar += charge * worth;
                        }};
                    }
                    let Some(mut rest) = w_bar else {
                        for column in visits {
                            visit!(column, ys, |_y, k, y| ());
                        }
                        return gain_bar;
                    };
                    // Columns of the gradient are cut off one after the other.
                    let mut start = 0;
                    for column in visits {
                        let ((&neuron, &charge), _) = column;
                        let first = neuron as usize * n;
                        let (bar, after) = std::mem::take(&mut rest)[first - start..].split_at_mut(n);
                        (rest, start) = (after, first + n);
                        let (bar, bar_rest) = bar.split_at_mut(whole);
                        for (bar, y) in bar_rest.iter_mut().zip(y_rest) {
                            *bar += gain * charge * y;
                        }
                        let (bars, splat) =
                            (S::$as_mut_simd(bar).0.as_chunks_mut::<K>().0, simd.$splat(gain * charge));
                        visit!(column, bars, |bar, k, y| bar[k] = simd.$add(bar[k], simd.$mul(splat, y[k])));
                    }
                    gain_bar
                }
            }

            impl Columns<$scalar> for Vectors {
                fn forward(
                    &self,
                    w: &[$scalar],
                    keep: $scalar,
                    released: Charges<'_, $scalar>,
                    s: &mut [$scalar],
                    j: &mut [$scalar],
                ) {
                    self.0.dispatch(Forward { w, keep, released, s, j });
                }

                fn backward(
                    &self,
                    w: &[$scalar],
                    released: Charges<'_, $scalar>,
                    s_bar: &[$scalar],
                    j_bar: &[$scalar],
                    w_bar: Option<&mut [$scalar]>,
                    charge_bar: &mut [$scalar],
                ) -> $scalar {
                    self.0.dispatch(Backward { w, released, s_bar, j_bar, w_bar, charge_bar })
                }

                fn add_outer(
                    &self,
                    n: usize,
                    rows: &[$scalar],
                    gain: $scalar,
                    bursts: Bursts<'_, $scalar>,
                    w_bar: &mut [$scalar],
                ) {
                    self.0.dispatch(AddOuter { n, rows, gain, bursts, w_bar });
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
                let ends = chosen.iter().scan(0, |end, &i| {
                    *end += 1 + i % 6;
                    Some((i, *end))
                });
                let ends: Vec<(u32, u32)> = ends.collect();
                let steps: Vec<u32> = (0..ends.last().map_or(0, |e| e.1)).map(|i| i * 5 % n as u32).collect();
                let given = cast(matrix(steps.len(), 0.4));
                let bursts = Bursts { neurons: &ends, steps: &steps, charges: &given };
                let run = |loops: &dyn Columns<T>, gradient: bool| {
                    let (mut j, mut s, mut bar) = (y.clone(), w[..n].to_vec(), w.clone());
                    let mut charge_bar = charges.clone();
                    let w_bar = gradient.then_some(&mut bar[..]);
                    let gain_bar = loops.backward(&w, released, &s, &j, w_bar, &mut charge_bar);
                    loops.forward(&w, T::from_subset(&0.9), released, &mut s, &mut j);
                    loops.add_outer(n, &w, released.gain, bursts, &mut bar);
                    (s, j, bar, charge_bar, gain_bar)
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
