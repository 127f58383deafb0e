//! Sparse steps of projections, and their transpose: visits to the presynaptic columns of a weight matrix, which are most of a
//! large network's time.
//!
//! `f32` and `f64` have loops in the machine's widest vectors; dual numbers have plain ones. Both add in the same order, so that the
//! width of the vectors does not change a bit.

mod panels;
mod plain;
mod rows;
mod vectors;
mod visits;

use std::sync::LazyLock;

use num_dual::Dual64;
pub(crate) use panels::{
    BLOCK, PanelBackward, PanelForward, PanelLoops, PanelOuter, panels_len, panels_of, piece_rows, stride_of,
    to_panels,
};
pub(crate) use rows::{Row, RowBackward, RowColumns, RowForward, RowLoops, TRIALS, rows_of};
pub(crate) use visits::{
    BlockBackward, Bursts, Charges, Columns, ColumnsBackward, ColumnsForward, Reading, SparseProjection,
};

use crate::Scalar;
use crate::kernels::ARCH;
use crate::scalar::ForEach;
use plain::Plain;
use vectors::Vectors;

struct ColumnLoops;

impl ForEach for ColumnLoops {
    type Of<T: 'static> = &'static dyn Columns<T>;

    fn single(&self) -> &'static dyn Columns<f32> {
        &*VECTORS
    }

    fn double(&self) -> &'static dyn Columns<f64> {
        &*VECTORS
    }

    #[inline]
    fn dual(&self) -> &'static dyn Columns<Dual64> {
        &Plain
    }
}

static VECTORS: LazyLock<Vectors> = LazyLock::new(|| Vectors(*ARCH));

/// The loops over columns for a scalar.
pub(crate) fn columns<T: Scalar>() -> &'static dyn Columns<T> {
    T::choose(&ColumnLoops)
}

struct PanelsOf;

impl ForEach for PanelsOf {
    type Of<T: 'static> = Option<&'static dyn PanelLoops<T>>;

    fn single(&self) -> Option<&'static dyn PanelLoops<f32>> {
        Some(&*VECTORS)
    }

    fn double(&self) -> Option<&'static dyn PanelLoops<f64>> {
        Some(&*VECTORS)
    }

    fn dual(&self) -> Option<&'static dyn PanelLoops<Dual64>> {
        None
    }
}

/// The loops over panels for a scalar; dual numbers have none.
pub(crate) fn panels<T: Scalar>() -> Option<&'static dyn PanelLoops<T>> {
    T::choose(&PanelsOf)
}

struct RowsOf;

impl ForEach for RowsOf {
    type Of<T: 'static> = Option<&'static dyn RowLoops<T>>;

    fn single(&self) -> Option<&'static dyn RowLoops<f32>> {
        Some(&*VECTORS)
    }

    fn double(&self) -> Option<&'static dyn RowLoops<f64>> {
        Some(&*VECTORS)
    }

    fn dual(&self) -> Option<&'static dyn RowLoops<Dual64>> {
        None
    }
}

/// The loops over rows for a scalar; dual numbers have none.
pub(crate) fn row_loops<T: Scalar>() -> Option<&'static dyn RowLoops<T>> {
    T::choose(&RowsOf)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: f64) -> Vec<f64> {
        (0..count).map(|i| (seed + i as f64).sin()).collect()
    }

    /// The vectors' loops against the plain ones, to the bit.
    fn agree<T: Scalar>() {
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
                    // Either projection may have the first half of the weights.
                    let projections = [0, 1].map(|number| SparseProjection {
                        number,
                        trace: number * n,
                        current: number * n,
                        weights: (number ^ first) * n * n,
                        keep: T::from_subset(&0.9),
                        gain: T::from_subset(&(0.7 + number as f64)),
                        writes: writes[number],
                    });
                    let (mut s, mut j, mut bar) = (x.clone(), x.clone(), w.clone());
                    let (mut charge_bar, mut gain_bar) = (charges.clone(), [T::zero(); 2]);
                    let mut kept = vec![T::zero(); n];
                    let mut sums = [T::zero(); 2];
                    loops.backward(ColumnsBackward {
                        size: n,
                        projections: &projections,
                        parameters: &w,
                        neurons: &neurons,
                        charges: &charges,
                        s_bar: &s,
                        j_bar: &j,
                        parameters_bar: &mut bar,
                        charge_bar: &mut charge_bar,
                        gain_bar: &mut gain_bar,
                    });
                    loops.forward(ColumnsForward {
                        size: n,
                        projections: &projections,
                        parameters: &w,
                        neurons: &neurons,
                        charges: &charges,
                        s: &mut s,
                        j: &mut j,
                        reading: Some(Reading { o: &w[..n], kept: &mut kept, sums: &mut sums }),
                    });
                    loops.add_outer(n, &w, T::from_subset(&0.7), bursts, &mut bar);
                    // As many columns as there are neurons, of another length.
                    let (rows, mut of_block) = (2 * n - 3 * (n / 4), charges.clone());
                    let mut block_bar = vec![T::zero(); rows * n];
                    let block = loops.block_backward(BlockBackward {
                        gain: T::from_subset(&0.8),
                        w: &w[..rows * n],
                        s_bar: &x[..n],
                        j_bar: &x[..rows],
                        w_bar: writes[0].then_some(&mut block_bar[..]),
                        neurons: &neurons,
                        charges: &charges,
                        charge_bar: &mut of_block,
                    });
                    (s, j, bar, charge_bar, gain_bar, kept, sums, (block, block_bar, of_block))
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
