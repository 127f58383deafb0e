//! A projection of any kind, and the way that its charges take.

use spikegrad_integrators::Decay;

use super::delayed::Delays;
use super::dense;
use super::low_rank::LowRank;
use super::sparse::SparseProjection;
use super::step::{ProjectionBar, ProjectionParts, ProjectionStep};
use crate::kernels::{axpy, vectorise};
use crate::{Group, Parameters, Scalar};

/// A projection as a step sees it.
#[derive(Clone, Debug)]
pub(crate) struct Projection<T> {
    pub(crate) parts: ProjectionParts<T>,
    pub(crate) path: Path<T>,
}

/// How charges come to the traces and currents of a projection.
#[derive(Clone, Debug)]
pub(crate) enum Path<T> {
    /// At once, by the columns of the neurons that released any.
    Sparse,
    /// At once, by all columns.
    Dense,
    /// At once, through two factors of the weights.
    LowRank(LowRank),
    /// Later.
    Delayed(Delays<T>),
}

impl<T: Scalar> Projection<T> {
    /// Synapse class `k` under steps of `h` ms, on the sparse path.
    pub(crate) fn new(
        parameters: &Parameters<T>,
        k: usize,
        h: T,
        is_trainable: impl Fn(Group) -> bool,
    ) -> Self {
        let layout = parameters.layout();
        let taus = parameters.group(Group::Tau(k));
        let parts = ProjectionParts {
            decays: taus.iter().map(|&tau| Decay::new(tau, h)).collect(),
            weights: layout.range(Group::Recurrent(k)),
            tau: layout.range(Group::Tau(k)),
            delay: layout.range(Group::Delay(k)),
            trains_weights: is_trainable(Group::Recurrent(k)),
            trains_tau: is_trainable(Group::Tau(k)),
            trains_delay: is_trainable(Group::Delay(k)),
        };
        Self { parts, path: Path::Sparse }
    }

    pub(crate) fn is_sparse(&self) -> bool {
        matches!(self.path, Path::Sparse)
    }

    /// Projection number `number` as the loops over columns see it; `waits` says whether gradients of weights wait for further steps.
    pub(crate) fn to_sparse(&self, number: usize, waits: bool) -> SparseProjection<T> {
        let ProjectionParts { decays, weights, trains_weights, .. } = &self.parts;
        SparseProjection {
            number,
            weights: weights.start,
            keep: decays[0].a,
            gain: decays[0].b,
            writes: *trains_weights && !waits,
        }
    }

    /// The projection's delays, if it has any.
    pub(crate) fn delays(&self) -> Option<&Delays<T>> {
        match &self.path {
            Path::Delayed(delays) => Some(delays),
            _ => None,
        }
    }

    /// `J_0 = W s_0`, to be added to `j`.
    pub(crate) fn start(&self, parameters: &[T], s: &[T], j: &mut [T]) {
        if let Path::LowRank(low_rank) = &self.path {
            return low_rank.start(parameters, s, j);
        }
        let columns = parameters[self.parts.weights.clone()].chunks_exact(j.len());
        for (&s, column) in s.iter().zip(columns) {
            if s != T::zero() {
                axpy(j, s, column);
            }
        }
    }

    /// The transpose of [`start`](Self::start) by the weights, equation (27).
    pub(crate) fn start_vjp(&self, parameters: &[T], s: &[T], j_bar: &[T], parameters_bar: &mut [T]) {
        if let Path::LowRank(low_rank) = &self.path {
            return low_rank.start_vjp(parameters, s, j_bar, parameters_bar);
        }
        let columns = parameters_bar[self.parts.weights.clone()].chunks_exact_mut(j_bar.len());
        for (&s, column) in s.iter().zip(columns) {
            axpy(column, s, j_bar);
        }
    }

    /// What a step does to a projection that is not on the sparse path. It stands apart, because loops that seldom run make the
    /// others slow.
    #[inline(never)]
    pub(crate) fn step(&self, arch: pulp::Arch, step: ProjectionStep<'_, T>) {
        let parts = &self.parts;
        vectorise::<T, _>(
            arch,
            #[inline(always)]
            || match &self.path {
                Path::Delayed(delays) => delays.step(parts, step),
                Path::Dense => dense::step(parts, step),
                Path::LowRank(low_rank) => low_rank.step(parts, step),
                Path::Sparse => {}
            },
        );
    }

    /// The transpose of [`step`](Self::step), up to the decay of traces and currents; on the sparse path what the loops over columns
    /// leave of it, the gradient of the time constant.
    #[inline(never)]
    pub(crate) fn step_vjp(&self, arch: pulp::Arch, bar: ProjectionBar<'_, T>) {
        let parts = &self.parts;
        vectorise::<T, _>(
            arch,
            #[inline(always)]
            || match &self.path {
                Path::Delayed(delays) => delays.step_vjp(parts, bar),
                Path::Dense => dense::step_vjp(parts, bar),
                Path::LowRank(low_rank) => low_rank.step_vjp(parts, bar),
                Path::Sparse => {
                    if parts.trains_tau {
                        let bars = (&*bar.s_bar, bar.j_bar);
                        parts.tau_vjp(bar.kept, bars, bar.gain_bar, bar.parameters_bar);
                    }
                }
            },
        );
    }
}
