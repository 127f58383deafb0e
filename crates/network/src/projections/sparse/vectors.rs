//! Loops over columns in the machine's widest vectors, for `f32` and `f64`. A vector over the postsynaptic neurons is read and
//! written as seldom as can be: once for several columns, once for a column's product and its gradient.

use super::visits::{
    BlockBackward, Bursts, Charges, Columns, ColumnsBackward, ColumnsForward, Reading, SparseProjection,
};
use crate::kernels::{LANES, dispatch, tree};

/// Loops in the machine's widest vectors, which were looked up once.
#[derive(Debug)]
pub(super) struct Vectors(pub(super) pulp::Arch);

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
    ($scalar:ty, $vectors:ident, $lanes:ident, $as_simd:ident, $as_mut_simd:ident, $splat:ident, $add:ident, $mul:ident, $reduce:ident, $partial_load:ident, $partial_store:ident) => {
        const _: () = {
            impl pulp::WithSimd for ColumnsForward<'_, $scalar> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) {
                    let Self { size, projections, parameters, neurons, charges, s, j, reading } = self;
                    // The first columns, as many as do not make a whole group, come with the decay.
                    let (first, groups) = neurons.split_at(neurons.len() % ADDED);
                    let (first_charges, group_charges) = charges.split_at(first.len());
                    macro_rules! decay_and_add {
                        ($count:literal) => {{
                            let (mut columns, mut each) = ([0; $count], [0.0; $count]);
                            columns.copy_from_slice(first);
                            each.copy_from_slice(first_charges);
                            for projection in projections {
                                let (s, j) =
                                    (projection.traces_mut(s, size), projection.currents_mut(j, size));
                                let (w, gains) =
                                    (&parameters[projection.weights..], each.map(|q| projection.gain * q));
                                add::<S, $count, true>(simd, w, projection.keep, columns, gains, s, j);
                                for (&neuron, &charge) in neurons.iter().zip(charges) {
                                    s[neuron as usize] += projection.gain * charge;
                                }
                            }
                        }};
                    }
                    literally!(first.len(), decay_and_add);
                    if !groups.is_empty() {
                        for projection in projections {
                            let w = &parameters[projection.weights..];
                            let released =
                                Charges { neurons: groups, charges: group_charges, gain: projection.gain };
                            add_groups(simd, w, released, projection.currents_mut(j, size));
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

            /// Adds whole groups of columns, times a charge each and the gain, to `y`.
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
                let (keep_all, mut splats) = (simd.$splat(keep), [simd.$splat(0.0); C]);
                for c in 0..C {
                    splats[c] = simd.$splat(gains[c]);
                }
                // The ends of vectors that are not whole, as whole vectors that begin earlier: they are worked out before the others change
                // what both have, and stored after them, so that a length costs hardly more than the next longer whole one.
                let is_whole = n % S::$lanes == 0;
                let from = if is_whole { n } else { n.saturating_sub(S::$lanes) };
                let [mut y_end, mut s_end] = [simd.$splat(0.0); 2];
                if !is_whole {
                    y_end = end_of(simd, &y[from..]);
                    if DECAYS {
                        (y_end, s_end) =
                            (simd.$mul(y_end, keep_all), simd.$mul(end_of(simd, &s[from..n]), keep_all));
                    }
                    for c in 0..C {
                        let x = end_of(simd, &w[columns[c] as usize * n..][from..n]);
                        y_end = simd.$add(y_end, simd.$mul(splats[c], x));
                    }
                }
                {
                    let y = S::$as_mut_simd(y).0;
                    let s = S::$as_mut_simd(s).0;
                    let vectors = y.len();
                    let s = &mut s[..if DECAYS { vectors } else { 0 }];
                    let mut xs = [&[] as &[S::$vectors]; C];
                    for c in 0..C {
                        xs[c] = &S::$as_simd(&w[columns[c] as usize * n..][..n]).0[..vectors];
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
                }
                if !is_whole {
                    put_end(simd, &mut y[from..], y_end);
                    if DECAYS {
                        put_end(simd, &mut s[from..n], s_end);
                    }
                }
            }

            /// A vector that `x` is the whole of, or the start of.
            #[inline(always)]
            fn end_of<S: pulp::Simd>(simd: S, x: &[$scalar]) -> S::$vectors {
                let (whole, part) = S::$as_simd(x);
                match whole.first() {
                    Some(&whole) => whole,
                    None => simd.$partial_load(part),
                }
            }

            /// Stores a vector, or as much of it as there is room for.
            #[inline(always)]
            fn put_end<S: pulp::Simd>(simd: S, to: &mut [$scalar], end: S::$vectors) {
                let (whole, part) = S::$as_mut_simd(to);
                match whole.first_mut() {
                    Some(to) => *to = end,
                    None => simd.$partial_store(part, end),
                }
            }

            impl pulp::WithSimd for ColumnsBackward<'_, $scalar> {
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

            impl pulp::WithSimd for BlockBackward<'_, $scalar> {
                type Output = $scalar;

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, simd: S) -> $scalar {
                    // How many vectors the lanes of a product are.
                    match LANES / S::$lanes {
                        1 => visit_block::<S, 1>(simd, self),
                        2 => visit_block::<S, 2>(simd, self),
                        4 => visit_block::<S, 4>(simd, self),
                        8 => visit_block::<S, 8>(simd, self),
                        _ => visit_block::<S, LANES>(simd, self),
                    }
                }
            }

            /// The columns of one projection between some of the neurons; returns the cotangent of the gain.
            #[inline(always)]
            fn visit_block<S: pulp::Simd, const K: usize>(
                simd: S,
                block: BlockBackward<'_, $scalar>,
            ) -> $scalar {
                let BlockBackward { gain, w, s_bar, j_bar, w_bar, neurons, charges, charge_bar } = block;
                let sides = [Side { gain, w, s_bar, j_bar }];
                let visits = (neurons, charges);
                let [gain_bar] = match w_bar {
                    Some(w_bar) => {
                        visit::<S, K, 1, true, true>(simd, sides, [w_bar], visits, true, charge_bar)
                    }
                    None => visit::<S, K, 1, false, true>(simd, sides, [&mut []], visits, true, charge_bar),
                };
                gain_bar
            }

            /// What a projection has to do with its transpose, besides the gradient.
            #[derive(Clone, Copy)]
            struct Side<'a> {
                gain: $scalar,
                w: &'a [$scalar],
                s_bar: &'a [$scalar],
                j_bar: &'a [$scalar],
            }

            /// Two projections at a time, where they are alike: to come to a neuron's columns is a good part of a small network's time.
            #[inline(always)]
            fn visit_all<S: pulp::Simd, const K: usize>(simd: S, step: ColumnsBackward<'_, $scalar>) {
                let ColumnsBackward { size, parameters, parameters_bar, charge_bar, gain_bar, .. } = step;
                let visits = (step.neurons, step.charges);
                let weights = |projection: &SparseProjection<$scalar>| {
                    projection.weights..projection.weights + size * size
                };
                macro_rules! side {
                    ($projection:ident) => {
                        Side {
                            gain: $projection.gain,
                            w: &parameters[weights($projection)],
                            s_bar: $projection.traces(step.s_bar, size),
                            j_bar: $projection.currents(step.j_bar, size),
                        }
                    };
                }
                let (mut projections, mut is_first) = (step.projections, true);
                if projections.is_empty() {
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
                while let [a, others @ ..] = projections {
                    projections = others;
                    if let [b, others @ ..] = others
                        && a.writes == b.writes
                        && a.weights + size * size == b.weights
                    {
                        let sides = [side!(a), side!(b)];
                        let gains = if a.writes {
                            let w_bar = &mut parameters_bar[a.weights..][..2 * size * size];
                            let (a, b) = w_bar.split_at_mut(size * size);
                            visit!(2, true, sides, [a, b])
                        } else {
                            visit!(2, false, sides, [&mut [], &mut []])
                        };
                        (gain_bar[a.number], gain_bar[b.number]) = (gains[0], gains[1]);
                        projections = others;
                    } else {
                        let gains = if a.writes {
                            visit!(1, true, [side!(a)], [&mut parameters_bar[weights(a)]])
                        } else {
                            visit!(1, false, [side!(a)], [&mut []])
                        };
                        gain_bar[a.number] = gains[0];
                    }
                    is_first = false;
                }
            }

            /// Comes to the columns of some neurons in `C` projections; returns the cotangents of the gains. The first projections write the
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
                // The ends of `J_bar` behind whole blocks, as blocks that are zero behind the end, for the products; and its last whole
                // blocks, for the gradient: they begin earlier, and are worked out before the others change what both have.
                let mut ends = [[simd.$splat(0.0); K]; C];
                let mut lasts = ends;
                let last = n.saturating_sub(LANES);
                if REST {
                    for c in 0..C {
                        ends[c] = block_at::<S, K>(simd, &sides[c].j_bar[whole..n], n - whole);
                        lasts[c] = block_at::<S, K>(simd, &sides[c].j_bar[last..n], LANES);
                    }
                }
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
                        let mut bars = w_bar.each_mut().map(
                            #[inline(always)]
                            |w_bar| &mut w_bar[first..][..n],
                        );
                        let mut new = lasts;
                        if REST {
                            for c in 0..C {
                                let old = block_at::<S, K>(simd, &bars[c][last..], LANES);
                                for k in 0..K {
                                    new[c][k] = simd.$add(old[k], simd.$mul(splats[c], lasts[c][k]));
                                }
                            }
                        }
                        {
                            let bars = bars.each_mut().map(
                                #[inline(always)]
                                |bar| &mut bar.as_chunks_mut::<LANES>().0[..blocks],
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
                        }
                        if REST {
                            for c in 0..C {
                                put_block::<S, K>(simd, &mut bars[c][last..], &new[c]);
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
                            // Weights behind the end of the column are multiplied by zero.
                            let x = block_at::<S, K>(simd, &side.w[first + whole..], n - whole);
                            for k in 0..K {
                                sums[c][k] = simd.$add(sums[c][k], simd.$mul(x[k], ends[c][k]));
                            }
                        }
                        let worth = side.s_bar[neuron as usize] + sum::<S, K>(simd, sums[c]);
                        total += side.gain * worth;
                        gain_bar[c] += charge * worth;
                    }
                    *charge_bar = total;
                }
                gain_bar
            }

            /// A block of lanes from the start of `x`; the first `count` of them, and zeros, where `x` is shorter.
            #[inline(always)]
            fn block_at<S: pulp::Simd, const K: usize>(
                simd: S,
                x: &[$scalar],
                count: usize,
            ) -> [S::$vectors; K] {
                if let Some(block) = x.first_chunk::<LANES>() {
                    let block = S::$as_simd(block).0;
                    return std::array::from_fn(
                        #[inline(always)]
                        |k| block[k],
                    );
                }
                let mut block = [simd.$splat(0.0); K];
                for (vector, x) in block.iter_mut().zip(x[..count.min(x.len())].chunks(S::$lanes)) {
                    *vector = simd.$partial_load(x);
                }
                block
            }

            /// Writes a block of lanes, or as much of it as there is room for.
            #[inline(always)]
            fn put_block<S: pulp::Simd, const K: usize>(
                simd: S,
                to: &mut [$scalar],
                block: &[S::$vectors; K],
            ) {
                // Not by way of an array, which would be copied by a call of the library in either case.
                if let Some(to) = to.first_chunk_mut::<LANES>() {
                    let to = S::$as_mut_simd(to).0;
                    for k in 0..K {
                        to[k] = block[k];
                    }
                } else {
                    for (to, &vector) in to.chunks_mut(S::$lanes).zip(block) {
                        simd.$partial_store(to, vector);
                    }
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
                fn forward(&self, step: ColumnsForward<'_, $scalar>) {
                    dispatch(self.0, step);
                }

                fn backward(&self, step: ColumnsBackward<'_, $scalar>) {
                    dispatch(self.0, step);
                }

                fn block_backward(&self, block: BlockBackward<'_, $scalar>) -> $scalar {
                    dispatch(self.0, block)
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
    partial_load_f32s,
    partial_store_f32s
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
    partial_load_f64s,
    partial_store_f64s
);
