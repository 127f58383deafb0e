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

use crate::kernels::{ARCH, LANES, axpy, dispatch, dot, scale, tree};

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

impl<T: RealField + Copy> Charges<'_, T> {
    /// The columns, and what they are multiplied by, of `C` neurons, which is how many there are.
    #[inline(always)]
    fn arrays<const C: usize>(self) -> ([u32; C], [T; C]) {
        let (mut columns, mut gains) = ([0; C], [T::zero(); C]);
        columns.copy_from_slice(self.neurons);
        gains.copy_from_slice(self.charges);
        (
            columns,
            gains.map(
                #[inline(always)]
                |charge| self.gain * charge,
            ),
        )
    }

    #[inline(always)]
    fn split_at(self, index: usize) -> (Self, Self) {
        let (neurons, charges) = (self.neurons.split_at(index), self.charges.split_at(index));
        let part = |neurons, charges| Self { neurons, charges, gain: self.gain };
        (part(neurons.0, charges.0), part(neurons.1, charges.1))
    }
}

/// A class whose charges come to its currents at once, by the columns of the neurons that released any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Class<T> {
    /// Its place among all classes.
    pub(crate) number: usize,
    /// Where its weights begin in the parameters.
    pub(crate) weights: usize,
    /// What is left of traces and currents after a step.
    pub(crate) keep: T,
    /// What a unit of charge adds.
    pub(crate) gain: T,
    /// Whether its gradient is written at once.
    pub(crate) writes: bool,
}

impl<T> Class<T> {
    /// Its part of a vector that has `n` numbers for each class.
    #[inline(always)]
    fn of<'a>(&self, x: &'a [T], n: usize) -> &'a [T] {
        &x[self.number * n..][..n]
    }

    #[inline(always)]
    fn of_mut<'a>(&self, x: &'a mut [T], n: usize) -> &'a mut [T] {
        &mut x[self.number * n..][..n]
    }
}

/// Equations (19), (20) for some classes: `s_k = keep s_k + gain q` and `J_k = keep J_k + gain W_k q`, over the neurons that
/// released charges `q`, column after column, `W_k` by columns.
pub(crate) struct Forward<'a, T> {
    pub(crate) size: usize,
    pub(crate) classes: &'a [Class<T>],
    pub(crate) parameters: &'a [T],
    pub(crate) neurons: &'a [u32],
    pub(crate) charges: &'a [T],
    /// Of all classes.
    pub(crate) s: &'a mut [T],
    pub(crate) j: &'a mut [T],
    pub(crate) reading: Option<Reading<'a, T>>,
}

/// What is read of the traces of class 0 at the end of a step: `o . s_0` and `s_0 . s_0` as [`dot`] has them, and a copy.
pub(crate) struct Reading<'a, T> {
    pub(crate) o: &'a [T],
    pub(crate) kept: &'a mut [T],
    pub(crate) sums: &'a mut [T; 2],
}

/// Their transpose by charges and weights, equations (22), (23): writes the sum over the classes of `gain (s_bar + W^T J_bar)` to
/// `charge_bar` and the cotangents of the gains, and adds `gain J_bar q^T` to the columns of gradients that are written.
pub(crate) struct Backward<'a, T> {
    pub(crate) size: usize,
    pub(crate) classes: &'a [Class<T>],
    pub(crate) parameters: &'a [T],
    pub(crate) neurons: &'a [u32],
    pub(crate) charges: &'a [T],
    /// Of all classes.
    pub(crate) s_bar: &'a [T],
    pub(crate) j_bar: &'a [T],
    pub(crate) parameters_bar: &'a mut [T],
    pub(crate) charge_bar: &'a mut [T],
    /// One for each of all classes.
    pub(crate) gain_bar: &'a mut [T],
}

/// The loops over columns for one scalar.
pub(crate) trait Columns<T>: Debug + Send + Sync {
    fn forward(&self, step: Forward<'_, T>);
    fn backward(&self, step: Backward<'_, T>);

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
    fn forward(&self, step: Forward<'_, T>) {
        let Forward { s, j, reading, .. } = step;
        for class in step.classes {
            let (s, j) = (class.of_mut(s, step.size), class.of_mut(j, step.size));
            let w = &step.parameters[class.weights..];
            scale(s, class.keep);
            scale(j, class.keep);
            // A charge that is zero by chance still has a derivative, which dual numbers carry.
            for (&column, &charge) in step.neurons.iter().zip(step.charges) {
                s[column as usize] += class.gain * charge;
                axpy(j, class.gain * charge, &w[column as usize * step.size..][..step.size]);
            }
        }
        if let Some(reading) = reading {
            let s = &s[..step.size];
            reading.kept.copy_from_slice(s);
            *reading.sums = [dot(reading.o, s), dot(s, s)];
        }
    }

    fn backward(&self, step: Backward<'_, T>) {
        let Backward { charge_bar, gain_bar, parameters_bar, .. } = step;
        charge_bar.fill(T::zero());
        for class in step.classes {
            let (s_bar, j_bar) = (class.of(step.s_bar, step.size), class.of(step.j_bar, step.size));
            let mut by_gain = T::zero();
            let charges = step.neurons.iter().zip(step.charges);
            for ((&column, &charge), charge_bar) in charges.zip(&mut *charge_bar) {
                let start = class.weights + column as usize * step.size;
                let worth = s_bar[column as usize] + dot(&step.parameters[start..][..step.size], j_bar);
                *charge_bar += class.gain * worth;
                by_gain += charge * worth;
                if class.writes {
                    axpy(&mut parameters_bar[start..][..step.size], class.gain * charge, j_bar);
                }
            }
            gain_bar[class.number] = by_gain;
        }
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
const ADDED: usize = 8;

/// Calls a macro with a number below [`ADDED`] as a literal.
macro_rules! literally {
    ($count:expr, $call:ident) => {
        match $count {
            0 => $call!(0),
            1 => $call!(1),
            2 => $call!(2),
            3 => $call!(3),
            4 => $call!(4),
            5 => $call!(5),
            6 => $call!(6),
            _ => $call!(7),
        }
    };
}

macro_rules! vectors {
    ($scalar:ty, $vectors:ident, $lanes:ident, $as_simd:ident, $as_mut_simd:ident, $splat:ident, $add:ident, $mul:ident, $reduce:ident, $partial_load:ident) => {
        const _: () = {
            impl pulp::WithSimd for Forward<'_, $scalar> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) {
                    let Self { size, classes, parameters, neurons, charges, s, j, reading } = self;
                    // The first columns, as many as do not make a whole group, come with the decay.
                    let (first, groups) = neurons.split_at(neurons.len() % ADDED);
                    let (first_charges, group_charges) = charges.split_at(first.len());
                    macro_rules! decay_and_add {
                        ($count:literal) => {{
                            let (mut columns, mut each) = ([0; $count], [0.0; $count]);
                            columns.copy_from_slice(first);
                            each.copy_from_slice(first_charges);
                            for class in classes {
                                let (s, j) = (class.of_mut(s, size), class.of_mut(j, size));
                                let (w, gains) = (&parameters[class.weights..], each.map(|q| class.gain * q));
                                add::<S, $count, true>(simd, w, class.keep, columns, gains, s, j);
                                for (&neuron, &charge) in neurons.iter().zip(charges) {
                                    s[neuron as usize] += class.gain * charge;
                                }
                            }
                        }};
                    }
                    literally!(first.len(), decay_and_add);
                    if !groups.is_empty() {
                        for class in classes {
                            let w = &parameters[class.weights..];
                            let released =
                                Charges { neurons: groups, charges: group_charges, gain: class.gain };
                            add_groups(simd, w, released, class.of_mut(j, size));
                        }
                    }
                    let Some(reading) = reading else { return };
                    // How many vectors the lanes of a product are.
                    match LANES / S::$lanes {
                        1 => read::<S, 1>(simd, &s[..size], reading),
                        2 => read::<S, 2>(simd, &s[..size], reading),
                        4 => read::<S, 4>(simd, &s[..size], reading),
                        8 => read::<S, 8>(simd, &s[..size], reading),
                        _ => read::<S, LANES>(simd, &s[..size], reading),
                    }
                }
            }

            #[inline(always)]
            fn read<S: pulp::Simd, const K: usize>(simd: S, s: &[$scalar], reading: Reading<'_, $scalar>) {
                let Reading { o, kept, sums } = reading;
                let ((s, s_rest), (o, o_rest)) = (s.as_chunks::<LANES>(), o[..s.len()].as_chunks::<LANES>());
                let (kept, kept_rest) = kept.split_at_mut(s.len() * LANES);
                let (mut product, mut square) = ([simd.$splat(0.0); K], [simd.$splat(0.0); K]);
                for ((s, o), kept) in s.iter().zip(o).zip(kept.as_chunks_mut::<LANES>().0) {
                    let (s, o, kept) = (S::$as_simd(s).0, S::$as_simd(o).0, S::$as_mut_simd(kept).0);
                    for k in 0..K {
                        kept[k] = s[k];
                        product[k] = simd.$add(product[k], simd.$mul(o[k], s[k]));
                        square[k] = simd.$add(square[k], simd.$mul(s[k], s[k]));
                    }
                }
                // What is left, in vectors that are not full.
                if !s_rest.is_empty() {
                    kept_rest.copy_from_slice(s_rest);
                    let parts = s_rest.chunks(S::$lanes).zip(o_rest.chunks(S::$lanes));
                    for (k, (s, o)) in parts.enumerate() {
                        let (s, o) = (simd.$partial_load(s), simd.$partial_load(o));
                        product[k] = simd.$add(product[k], simd.$mul(o, s));
                        square[k] = simd.$add(square[k], simd.$mul(s, s));
                    }
                }
                *sums = [sum::<S, K>(simd, product), sum::<S, K>(simd, square)];
            }

            /// Adds columns, times a charge each and the gain, to `y`.
            #[inline(always)]
            fn add_all<S: pulp::Simd>(
                simd: S,
                w: &[$scalar],
                released: Charges<'_, $scalar>,
                y: &mut [$scalar],
            ) {
                let (first, groups) = released.split_at(released.neurons.len() % ADDED);
                macro_rules! add_first {
                    ($count:literal) => {{
                        let (columns, gains) = first.arrays::<$count>();
                        add::<S, $count, false>(simd, w, 1.0, columns, gains, &mut [], y);
                    }};
                }
                literally!(first.neurons.len(), add_first);
                add_groups(simd, w, groups, y);
            }

            /// The same for whole groups of columns.
            #[inline(always)]
            fn add_groups<S: pulp::Simd>(
                simd: S,
                w: &[$scalar],
                mut released: Charges<'_, $scalar>,
                y: &mut [$scalar],
            ) {
                while !released.neurons.is_empty() {
                    let (group, others) = released.split_at(ADDED);
                    let (columns, gains) = group.arrays::<ADDED>();
                    add::<S, ADDED, false>(simd, w, 1.0, columns, gains, &mut [], y);
                    released = others;
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
                        add_all(simd, rows, Charges { neurons: steps, charges, gain }, column);
                    }
                }
            }

            /// Adds `C` columns, times a gain each, to `y`, which decays first, as does `s` of the same length.
            #[inline(always)]
            fn add<S: pulp::Simd, const C: usize, const DECAYS: bool>(
                simd: S,
                w: &[$scalar],
                keep: $scalar,
                columns: [u32; C],
                gains: [$scalar; C],
                s: &mut [$scalar],
                y: &mut [$scalar],
            ) {
                if C == 0 && !DECAYS {
                    return;
                }
                let n = y.len();
                let (y, y_rest) = S::$as_mut_simd(y);
                let (s, s_rest) = S::$as_mut_simd(s);
                let vectors = y.len();
                let s = &mut s[..if DECAYS { vectors } else { 0 }];
                let mut xs = [&[] as &[S::$vectors]; C];
                let (keep_all, mut splats) = (simd.$splat(keep), [simd.$splat(0.0); C]);
                for c in 0..C {
                    xs[c] = &S::$as_simd(&w[columns[c] as usize * n..][..n]).0[..vectors];
                    splats[c] = simd.$splat(gains[c]);
                }
                for i in 0..vectors {
                    if DECAYS {
                        s[i] = simd.$mul(s[i], keep_all);
                    }
                    let mut sum = if DECAYS { simd.$mul(y[i], keep_all) } else { y[i] };
                    for c in 0..C {
                        sum = simd.$add(sum, simd.$mul(splats[c], xs[c][i]));
                    }
                    y[i] = sum;
                }
                if !y_rest.is_empty() {
                    add_rest(
                        w,
                        n,
                        if DECAYS { Some(keep) } else { None },
                        (&columns, &gains),
                        s_rest,
                        y_rest,
                    );
                }
            }

            /// The same for what is left of columns of length `n`.
            #[inline(never)]
            fn add_rest(
                w: &[$scalar],
                n: usize,
                keep: Option<$scalar>,
                (columns, gains): (&[u32], &[$scalar]),
                s: &mut [$scalar],
                y: &mut [$scalar],
            ) {
                if let Some(keep) = keep {
                    s.iter_mut().for_each(|s| *s *= keep);
                    y.iter_mut().for_each(|y| *y *= keep);
                }
                for (&column, &gain) in columns.iter().zip(gains) {
                    let rest = &w[(column as usize + 1) * n - y.len()..][..y.len()];
                    for (y, &x) in y.iter_mut().zip(rest) {
                        *y += gain * x;
                    }
                }
            }

            impl pulp::WithSimd for Backward<'_, $scalar> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) {
                    // How many vectors the lanes of a product are.
                    match LANES / S::$lanes {
                        1 => visit_all::<S, 1>(simd, self),
                        2 => visit_all::<S, 2>(simd, self),
                        4 => visit_all::<S, 4>(simd, self),
                        8 => visit_all::<S, 8>(simd, self),
                        _ => visit_all::<S, LANES>(simd, self),
                    }
                }
            }

            /// What a class has to do with its transpose, besides the gradient.
            #[derive(Clone, Copy)]
            struct Side<'a> {
                gain: $scalar,
                w: &'a [$scalar],
                s_bar: &'a [$scalar],
                j_bar: &'a [$scalar],
            }

            /// Two classes at a time, where they are alike: to come to a neuron's columns is a good part of a small network's time.
            #[inline(always)]
            fn visit_all<S: pulp::Simd, const K: usize>(simd: S, step: Backward<'_, $scalar>) {
                let Backward { size, parameters, parameters_bar, charge_bar, gain_bar, .. } = step;
                let visits = (step.neurons, step.charges);
                let weights = |class: &Class<$scalar>| class.weights..class.weights + size * size;
                let side = |class: &Class<$scalar>| Side {
                    gain: class.gain,
                    w: &parameters[weights(class)],
                    s_bar: class.of(step.s_bar, size),
                    j_bar: class.of(step.j_bar, size),
                };
                let (mut classes, mut is_first) = (step.classes, true);
                if classes.is_empty() {
                    charge_bar.fill(0.0);
                }
                // Whether there is anything left of a column, for which nothing is got ready otherwise.
                macro_rules! visit {
                    ($count:literal, $writes:literal, $sides:expr, $w_bar:expr) => {
                        if size % LANES == 0 {
                            visit::<S, K, $count, $writes, false>(
                                simd, $sides, $w_bar, visits, is_first, charge_bar,
                            )
                        } else {
                            visit::<S, K, $count, $writes, true>(
                                simd, $sides, $w_bar, visits, is_first, charge_bar,
                            )
                        }
                    };
                }
                while let [a, others @ ..] = classes {
                    classes = others;
                    if let [b, others @ ..] = others
                        && a.writes == b.writes
                        && a.weights + size * size == b.weights
                    {
                        let sides = [side(a), side(b)];
                        let gains = if a.writes {
                            let w_bar = &mut parameters_bar[a.weights..][..2 * size * size];
                            let (a, b) = w_bar.split_at_mut(size * size);
                            visit!(2, true, sides, [a, b])
                        } else {
                            visit!(2, false, sides, [&mut [], &mut []])
                        };
                        (gain_bar[a.number], gain_bar[b.number]) = (gains[0], gains[1]);
                        classes = others;
                    } else {
                        let gains = if a.writes {
                            visit!(1, true, [side(a)], [&mut parameters_bar[weights(a)]])
                        } else {
                            visit!(1, false, [side(a)], [&mut []])
                        };
                        gain_bar[a.number] = gains[0];
                    }
                    is_first = false;
                }
            }

            /// Comes to the columns of some neurons in `C` classes; returns the cotangents of the gains. The first classes write the
            /// cotangents of the charges, the others add to them.
            #[inline(always)]
            fn visit<S: pulp::Simd, const K: usize, const C: usize, const WRITES: bool, const REST: bool>(
                simd: S,
                sides: [Side<'_>; C],
                mut w_bar: [&mut [$scalar]; C],
                (neurons, charges): (&[u32], &[$scalar]),
                is_first: bool,
                charge_bar: &mut [$scalar],
            ) -> [$scalar; C] {
                let n = sides[0].j_bar.len();
                let mut ys = [&[] as &[[$scalar; LANES]]; C];
                for c in 0..C {
                    ys[c] = sides[c].j_bar[..n].as_chunks().0;
                }
                let blocks = ys[0].len();
                let whole = blocks * LANES;
                let mut gain_bar = [0.0; C];
                for ((&neuron, &charge), charge_bar) in neurons.iter().zip(charges).zip(charge_bar) {
                    let first = neuron as usize * n;
                    let (mut xs, mut splats) = (ys, [simd.$splat(0.0); C]);
                    for c in 0..C {
                        xs[c] = &sides[c].w[first..][..n].as_chunks().0[..blocks];
                        splats[c] = simd.$splat(sides[c].gain * charge);
                    }
                    let mut sums = [[simd.$splat(0.0); K]; C];
                    // The products of the columns with `J_bar`, and in the same pass what is added to those of the gradient.
                    if WRITES {
                        let bars = w_bar.each_mut().map(
                            #[inline(always)]
                            |w_bar| &mut w_bar[first..][..n].as_chunks_mut::<LANES>().0[..blocks],
                        );
                        for block in 0..blocks {
                            for c in 0..C {
                                let (x, y) = (S::$as_simd(&xs[c][block]).0, S::$as_simd(&ys[c][block]).0);
                                let bar = S::$as_mut_simd(&mut bars[c][block]).0;
                                for k in 0..K {
                                    sums[c][k] = simd.$add(sums[c][k], simd.$mul(x[k], y[k]));
                                    bar[k] = simd.$add(bar[k], simd.$mul(splats[c], y[k]));
                                }
                            }
                        }
                    } else {
                        for block in 0..blocks {
                            for c in 0..C {
                                let (x, y) = (S::$as_simd(&xs[c][block]).0, S::$as_simd(&ys[c][block]).0);
                                for k in 0..K {
                                    sums[c][k] = simd.$add(sums[c][k], simd.$mul(x[k], y[k]));
                                }
                            }
                        }
                    }
                    let mut total = if is_first { 0.0 } else { *charge_bar };
                    for c in 0..C {
                        let side = &sides[c];
                        if REST {
                            let mut lanes = [0.0; LANES];
                            S::$as_mut_simd(&mut lanes).0.copy_from_slice(&sums[c]);
                            let (x, y) = (&side.w[first..][whole..n], &side.j_bar[whole..]);
                            let bar = if WRITES { &mut w_bar[c][first..][whole..n] } else { &mut [] };
                            visit_rest(x, y, &mut lanes, side.gain * charge, bar);
                            sums[c].copy_from_slice(&S::$as_simd(&lanes).0[..K]);
                        }
                        let worth = side.s_bar[neuron as usize] + sum::<S, K>(simd, sums[c]);
                        total += side.gain * worth;
                        gain_bar[c] += charge * worth;
                    }
                    *charge_bar = total;
                }
                gain_bar
            }

            /// What is left of a column. It stands apart, because a loop that seldom runs makes the others slow.
            #[inline(never)]
            fn visit_rest(
                x: &[$scalar],
                y: &[$scalar],
                lanes: &mut [$scalar; LANES],
                factor: $scalar,
                bar: &mut [$scalar],
            ) {
                for ((x, y), lane) in x.iter().zip(y).zip(lanes) {
                    *lane += x * y;
                }
                for (bar, y) in bar.iter_mut().zip(y) {
                    *bar += factor * y;
                }
            }

            /// The sum of some vectors' lanes in the fixed tree, whose first levels are sums of whole vectors.
            #[inline(always)]
            fn sum<S: pulp::Simd, const K: usize>(simd: S, mut sums: [S::$vectors; K]) -> $scalar {
                let mut width = K;
                while width > 1 {
                    width /= 2;
                    for k in 0..width {
                        sums[k] = simd.$add(sums[k], sums[k + width]);
                    }
                }
                if cfg!(target_arch = "x86_64") {
                    // There, it adds halves to halves, too.
                    return simd.$reduce(sums[0]);
                }
                let mut lanes = [0.0; LANES];
                S::$as_mut_simd(&mut lanes).0[0] = sums[0];
                tree(&mut lanes[..S::$lanes.min(LANES)])
            }

            impl Columns<$scalar> for Vectors {
                fn forward(&self, step: Forward<'_, $scalar>) {
                    dispatch(self.0, step);
                }

                fn backward(&self, step: Backward<'_, $scalar>) {
                    dispatch(self.0, step);
                }

                fn add_outer(
                    &self,
                    n: usize,
                    rows: &[$scalar],
                    gain: $scalar,
                    bursts: Bursts<'_, $scalar>,
                    w_bar: &mut [$scalar],
                ) {
                    dispatch(self.0, AddOuter { n, rows, gain, bursts, w_bar });
                }
            }
        };
    };
}

vectors!(
    f32,
    f32s,
    F32_LANES,
    as_simd_f32s,
    as_mut_simd_f32s,
    splat_f32s,
    add_f32s,
    mul_f32s,
    reduce_sum_f32s,
    partial_load_f32s
);
vectors!(
    f64,
    f64s,
    F64_LANES,
    as_simd_f64s,
    as_mut_simd_f64s,
    splat_f64s,
    add_f64s,
    mul_f64s,
    reduce_sum_f64s,
    partial_load_f64s
);

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: f64) -> Vec<f64> {
        (0..count).map(|i| (seed + i as f64).sin()).collect()
    }

    /// The vectors' loops against the plain ones, to the bit.
    fn agree<T: RealField + Copy>() {
        let cast = |x: Vec<f64>| -> Vec<T> { x.into_iter().map(|x| T::from_subset(&x)).collect() };
        for n in [1, 7, 16, 33, 80] {
            let (w, x) = (cast(numbers(2 * n * n, 0.1)), cast(numbers(2 * n, 0.2)));
            for visited in [0, 1, 3, 4, 5, 8, 11, 30] {
                let neurons: Vec<u32> = (0..n as u32).filter(|i| i % 3 != 1).take(visited).collect();
                let charges = cast(numbers(neurons.len(), 0.3));
                let ends = neurons.iter().scan(0, |end, &i| {
                    *end += 1 + i % 12;
                    Some((i, *end))
                });
                let ends: Vec<(u32, u32)> = ends.collect();
                let steps: Vec<u32> = (0..ends.last().map_or(0, |e| e.1)).map(|i| i * 5 % n as u32).collect();
                let given = cast(numbers(steps.len(), 0.4));
                let bursts = Bursts { neurons: &ends, steps: &steps, charges: &given };
                let run = |loops: &dyn Columns<T>, writes: [bool; 2], first: usize| {
                    // Either class may have the first half of the weights.
                    let classes = [0, 1].map(|number| Class {
                        number,
                        weights: (number ^ first) * n * n,
                        keep: T::from_subset(&0.9),
                        gain: T::from_subset(&(0.7 + number as f64)),
                        writes: writes[number],
                    });
                    let (mut s, mut j, mut bar) = (x.clone(), x.clone(), w.clone());
                    let (mut charge_bar, mut gain_bar) = (charges.clone(), [T::zero(); 2]);
                    let mut kept = vec![T::zero(); n];
                    let mut sums = [T::zero(); 2];
                    loops.backward(Backward {
                        size: n,
                        classes: &classes,
                        parameters: &w,
                        neurons: &neurons,
                        charges: &charges,
                        s_bar: &s,
                        j_bar: &j,
                        parameters_bar: &mut bar,
                        charge_bar: &mut charge_bar,
                        gain_bar: &mut gain_bar,
                    });
                    loops.forward(Forward {
                        size: n,
                        classes: &classes,
                        parameters: &w,
                        neurons: &neurons,
                        charges: &charges,
                        s: &mut s,
                        j: &mut j,
                        reading: Some(Reading { o: &w[..n], kept: &mut kept, sums: &mut sums }),
                    });
                    loops.add_outer(n, &w, T::from_subset(&0.7), bursts, &mut bar);
                    (s, j, bar, charge_bar, gain_bar, kept, sums)
                };
                for (writes, first) in
                    [([false, false], 0), ([false, true], 0), ([true, true], 0), ([true, true], 1)]
                {
                    let (vectors, plain) = (run(columns::<T>(), writes, first), run(&Plain, writes, first));
                    assert_eq!(vectors, plain, "{n} {visited} {writes:?} {first}");
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
