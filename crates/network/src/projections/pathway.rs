//! A projection as a step sees it, of any kind, and the way that its charges take.

use std::sync::Arc;

use spikegrad_integrators::Decay;

use super::connector::Connections;
use super::delayed::Delays;
use super::low_rank::LowRank;
use super::sparse::{Columns, SparseProjection};
use super::step::{ProjectionBar, ProjectionParts, ProjectionStep};
use super::wire::Wire;
use super::{block, connected, dense};
use crate::kernels::{axpy, vectorise};
use crate::{Group, Parameters, Scalar};

/// A projection as a step sees it.
#[derive(Clone, Debug)]
pub(crate) struct Pathway<T: 'static> {
    pub(crate) parts: ProjectionParts<T>,
    pub(crate) path: Path<T>,
}

/// How charges come to the traces and currents of a projection.
#[derive(Clone, Debug)]
pub(crate) enum Path<T: 'static> {
    /// At once, by the columns of the neurons that released any, from all neurons to all.
    Sparse,
    /// At once, by the columns of the neurons that released any, between some of the neurons.
    Block(&'static dyn Columns<T>),
    /// At once, by all columns.
    Dense,
    /// At once, by columns that are lists of connections.
    Connected(Arc<Connections>),
    /// At once, through two factors of the weights.
    LowRank(LowRank),
    /// Later.
    Delayed(Delays<T>),
}

impl<T: Scalar> Pathway<T> {
    /// Projection `k` under steps of `h` ms, on the sparse path.
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
            weights: layout.range(Group::Weight(k)),
            tau: layout.range(Group::Tau(k)),
            delay: layout.range(Group::Delay(k)),
            trains_weights: is_trainable(Group::Weight(k)),
            trains_tau: is_trainable(Group::Tau(k)),
            trains_delay: is_trainable(Group::Delay(k)),
        };
        Self { parts, path: Path::Sparse }
    }

    /// Whether the projection is one of those that the loops over columns take together.
    pub(crate) fn is_sparse(&self) -> bool {
        matches!(self.path, Path::Sparse)
    }

    /// Projection number `number` as the loops over columns see it; `waits` says whether gradients of weights wait for further steps.
    pub(crate) fn to_sparse(&self, number: usize, wire: &Wire, waits: bool) -> SparseProjection<T> {
        let ProjectionParts { decays, weights, trains_weights, .. } = &self.parts;
        SparseProjection {
            number,
            trace: wire.trace,
            current: wire.current,
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

    /// The connections of a projection that lists them.
    fn connections(&self) -> Option<&Connections> {
        match &self.path {
            Path::Connected(list) => Some(list),
            Path::Delayed(delays) => delays.connections(),
            _ => None,
        }
    }

    /// `J_0 = W s_0`, to be added to `j`.
    pub(crate) fn start(&self, parameters: &[T], s: &[T], j: &mut [T]) {
        if let Path::LowRank(low_rank) = &self.path {
            return low_rank.start(parameters, s, j);
        }
        let (w, size) = (&parameters[self.parts.weights.clone()], j.len());
        for (pre, &s) in s.iter().enumerate().filter(|(_, s)| **s != T::zero()) {
            match self.connections() {
                Some(list) => connected::add_column(list, w, pre, s, j),
                None => axpy(j, s, &w[pre * size..][..size]),
            }
        }
    }

    /// The transpose of [`start`](Self::start) by the weights, equation (27).
    pub(crate) fn start_vjp(&self, parameters: &[T], s: &[T], j_bar: &[T], parameters_bar: &mut [T]) {
        if let Path::LowRank(low_rank) = &self.path {
            return low_rank.start_vjp(parameters, s, j_bar, parameters_bar);
        }
        let (w_bar, size) = (&mut parameters_bar[self.parts.weights.clone()], j_bar.len());
        for (pre, &s) in s.iter().enumerate() {
            match self.connections() {
                Some(list) => connected::add_to_column(list, w_bar, pre, s, j_bar),
                None => axpy(&mut w_bar[pre * size..][..size], s, j_bar),
            }
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
                Path::Connected(list) => connected::step(list, parts, step),
                Path::Block(loops) => block::step(*loops, parts, step),
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
                Path::Connected(list) => connected::step_vjp(list, parts, bar),
                Path::Block(loops) => block::step_vjp(*loops, parts, bar),
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
