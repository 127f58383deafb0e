//! What the loops over columns are asked to do: which columns are visited, with which charges, in which projections.

use std::fmt::Debug;

use crate::Scalar;

/// What a step released: the columns that are visited.
#[derive(Clone, Copy)]
pub(crate) struct Charges<'a, T> {
    /// The indices of the neurons, in ascending order.
    pub(crate) neurons: &'a [u32],
    /// The charge of each.
    pub(crate) charges: &'a [T],
    /// A factor of all charges.
    pub(crate) gain: T,
}

impl<T: Scalar> Charges<'_, T> {
    /// The columns, and what they are multiplied by, of `C` neurons, which is how many there are.
    #[inline(always)]
    pub(super) fn arrays<const C: usize>(self) -> ([u32; C], [T; C]) {
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
    pub(super) fn split_at(self, index: usize) -> (Self, Self) {
        let (neurons, charges) = (self.neurons.split_at(index), self.charges.split_at(index));
        let part = |neurons, charges| Self { neurons, charges, gain: self.gain };
        (part(neurons.0, charges.0), part(neurons.1, charges.1))
    }
}

/// A projection whose charges come to its currents at once, by the columns of the neurons that released any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SparseProjection<T> {
    /// The projection's place among all.
    pub(crate) number: usize,
    /// Where its traces and its currents begin.
    pub(crate) trace: usize,
    pub(crate) current: usize,
    /// Where the weights begin in the parameters.
    pub(crate) weights: usize,
    /// The part of traces and currents that is left after a step.
    pub(crate) keep: T,
    /// What a unit of charge adds.
    pub(crate) gain: T,
    /// Whether the gradient of the weights is written at once.
    pub(crate) writes: bool,
}

impl<T> SparseProjection<T> {
    /// The projection's part of a vector of traces, of which there are `n`.
    #[inline(always)]
    pub(super) fn traces<'a>(&self, s: &'a [T], n: usize) -> &'a [T] {
        &s[self.trace..][..n]
    }

    /// The projection's part of a vector of currents, of which there are `n`.
    #[inline(always)]
    pub(super) fn currents<'a>(&self, j: &'a [T], n: usize) -> &'a [T] {
        &j[self.current..][..n]
    }

    #[inline(always)]
    pub(super) fn traces_mut<'a>(&self, s: &'a mut [T], n: usize) -> &'a mut [T] {
        &mut s[self.trace..][..n]
    }

    #[inline(always)]
    pub(super) fn currents_mut<'a>(&self, j: &'a mut [T], n: usize) -> &'a mut [T] {
        &mut j[self.current..][..n]
    }
}

/// Equations (19), (20) for some projections: `s_k = keep s_k + gain q` and `J_k = keep J_k + gain W_k q`, over the neurons that
/// released charges `q`, column after column, `W_k` by columns.
pub(crate) struct ColumnsForward<'a, T> {
    pub(crate) size: usize,
    pub(crate) projections: &'a [SparseProjection<T>],
    pub(crate) parameters: &'a [T],
    pub(crate) neurons: &'a [u32],
    pub(crate) charges: &'a [T],
    /// Traces and currents of all projections, `N` numbers each.
    pub(crate) s: &'a mut [T],
    pub(crate) j: &'a mut [T],
    pub(crate) reading: Option<Reading<'a, T>>,
}

/// The readout of the traces of projection 0 at the end of a step: `o . s_0` and `s_0 . s_0` as [`dot`](crate::kernels::dot) has
/// them, and a copy of the traces.
pub(crate) struct Reading<'a, T> {
    pub(crate) o: &'a [T],
    pub(crate) kept: &'a mut [T],
    pub(crate) sums: &'a mut [T; 2],
}

/// The transpose of [`ColumnsForward`] by charges and weights, equations (22), (23): writes the sum over the projections of
/// `gain (s_bar + W^T J_bar)` to `charge_bar` and the cotangents of the gains, and adds `gain J_bar q^T` to the columns of gradients
/// that are written.
pub(crate) struct ColumnsBackward<'a, T> {
    pub(crate) size: usize,
    pub(crate) projections: &'a [SparseProjection<T>],
    pub(crate) parameters: &'a [T],
    pub(crate) neurons: &'a [u32],
    pub(crate) charges: &'a [T],
    /// Cotangents of the traces and currents of all projections.
    pub(crate) s_bar: &'a [T],
    pub(crate) j_bar: &'a [T],
    pub(crate) parameters_bar: &'a mut [T],
    pub(crate) charge_bar: &'a mut [T],
    /// Cotangents of the gains of all projections.
    pub(crate) gain_bar: &'a mut [T],
}

/// [`ColumnsBackward`] for one projection between some of the neurons: writes `gain (s_bar + W^T J_bar)` of the neurons to `charge_bar`,
/// and adds `gain J_bar q^T` to the gradient of the weights, if that is given.
pub(crate) struct BlockBackward<'a, T> {
    /// What a unit of charge adds.
    pub(crate) gain: T,
    /// The weights, by columns as long as `j_bar`.
    pub(crate) w: &'a [T],
    pub(crate) s_bar: &'a [T],
    pub(crate) j_bar: &'a [T],
    pub(crate) w_bar: Option<&'a mut [T]>,
    pub(crate) neurons: &'a [u32],
    pub(crate) charges: &'a [T],
    pub(crate) charge_bar: &'a mut [T],
}

/// The loops over columns for one scalar.
pub(crate) trait Columns<T>: Debug + Send + Sync {
    fn forward(&self, step: ColumnsForward<'_, T>);
    fn backward(&self, step: ColumnsBackward<'_, T>);

    /// Returns the cotangent of the gain.
    fn block_backward(&self, block: BlockBackward<'_, T>) -> T;

    /// The transpose of several steps by the weights: adds `gain j_bar q^T` to `w_bar`, the `j_bar` of each step being one of `rows`,
    /// `n` numbers each.
    fn add_outer(&self, n: usize, rows: &[T], gain: T, bursts: Bursts<'_, T>, w_bar: &mut [T]);
}

/// What several steps released, neuron by neuron, so that a column of the gradient is read and written once for all of them.
#[derive(Clone, Copy)]
pub(crate) struct Bursts<'a, T> {
    /// The neurons that released charge, with the ends of their parts of the following.
    pub(crate) neurons: &'a [(u32, u32)],
    /// The steps in which a neuron released charge.
    pub(crate) steps: &'a [u32],
    /// The charge in each of these steps.
    pub(crate) charges: &'a [T],
}

impl<'a, T> Bursts<'a, T> {
    /// The neurons with their steps and charges.
    #[inline(always)]
    pub(super) fn parts(self) -> impl Iterator<Item = (usize, &'a [u32], &'a [T])> {
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
