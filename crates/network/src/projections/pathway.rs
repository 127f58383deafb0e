//! A projection as a step sees it, of any kind, and the way that its charges take.

use std::sync::Arc;

use spikegrad_integrators::Decay;

use super::connector::Connections;
use super::delayed::Delays;
use super::low_rank::LowRank;
use super::short_term::{Released, ShortTermStep};
use super::sparse::{Columns, SparseProjection};
use super::stages::Stages;
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
    /// The filters of kinetics that have more than one.
    stages: Option<Stages<T>>,
    short_term: Option<ShortTermStep<T>>,
}

/// How charges come to the traces and currents of a projection.
#[derive(Clone, Debug)]
pub(crate) enum Path<T: 'static> {
    /// Charges arrive at once, and the columns of the neurons that released any are visited; all neurons are connected with all.
    Sparse,
    /// Charges arrive at once, and only the columns of neurons that release some are visited, between some of the neurons.
    Block(&'static dyn Columns<T>),
    /// Charges arrive at once, and all columns of the weights are visited.
    Dense,
    /// Charges arrive at once, and the columns are lists of connections.
    Connected(Arc<Connections>),
    /// Charges arrive at once, through two factors of the weights.
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
        Self { parts, path: Path::Sparse, stages: None, short_term: None }
    }

    /// Adds the filters and the short-term plasticity of projection `k`, with their state at `start` among what is on its way; returns
    /// the end of it.
    pub(crate) fn add_synapse(
        &mut self,
        wire: &Wire,
        parameters: &Parameters<T>,
        (k, h): (usize, T),
        start: usize,
        is_trainable: impl Fn(Group) -> bool,
    ) -> usize {
        let (pre, post) = (wire.pre.len(), wire.post.len());
        let mut end = start;
        self.stages = (wire.kinetics.stages.len() > 1).then(|| {
            let stages =
                Stages::new(wire.kinetics, parameters, (k, h), &self.parts, end, (pre, post), is_trainable);
            self.parts.trains_tau = stages.trains();
            end += stages.len();
            stages
        });
        let first = wire.short_term_from();
        self.short_term = wire.short_term.map(|model| {
            let step = ShortTermStep::new(model, parameters, (k, first), h, end, pre);
            end += step.len();
            step
        });
        end
    }

    /// What the transpose needs of a step besides traces and currents: `keeps` says whether these are kept.
    pub(crate) fn kept(&self, keeps: bool) -> usize {
        let delays = self.delays().filter(|_| keeps && self.stages.is_none());
        self.short_term.as_ref().map_or(0, ShortTermStep::len)
            + self.stages.as_ref().map_or(0, Stages::kept)
            + delays.map_or(0, |delays| delays.row(0).len())
    }

    /// Whose a number of what is on its way is.
    pub(crate) fn neuron(&self, wire: &Wire, component: usize) -> Option<usize> {
        let of_stages = |stages: &Stages<T>| match stages.neuron(component)? {
            Ok(pre) => Some(wire.pre.start + pre),
            Err(post) => Some(wire.post.start + post),
        };
        let of_short_term = |step: &ShortTermStep<T>| Some(wire.pre.start + step.neuron(component)?);
        let delays = self.delays().and_then(|delays| delays.neuron(wire, component));
        let stages = || self.stages.as_ref().and_then(of_stages);
        delays.or_else(stages).or_else(|| self.short_term.as_ref().and_then(of_short_term))
    }

    /// Writes what is on its way at the start of a trial, where that is not zero.
    pub(crate) fn start_way(&self, way: &mut [T]) {
        if let Some(short_term) = &self.short_term {
            short_term.start(way);
        }
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
        let Some(short_term) = &self.short_term else { return self.step_filters(arch, step) };
        let ProjectionStep { parameters, released: (neurons, charges), .. } = step;
        let ProjectionStep { scratch, rows, way, s, j, .. } = step;
        let mut released = std::mem::take(&mut scratch.short_term.released);
        released.clear();
        short_term.step(parameters, way, rows, Released { neurons, charges, released: &mut released });
        let released_step = ProjectionStep {
            released: (neurons, &released),
            scratch: &mut *scratch,
            rows,
            way,
            s,
            j,
            ..step
        };
        self.step_filters(arch, released_step);
        scratch.short_term.released = released;
    }

    /// A step of the filters and of the way to them.
    fn step_filters(&self, arch: pulp::Arch, step: ProjectionStep<'_, T>) {
        let Some(stages) = &self.stages else { return self.step_path(arch, &self.parts, step) };
        let ProjectionStep { s, j, way, rows, scratch, .. } = step;
        stages.keep(way, rows);
        let (mut q, mut y) = std::mem::take(&mut scratch.arriving);
        q.clear();
        q.resize(s.len(), T::zero());
        y.clear();
        y.resize(j.len(), T::zero());
        let arriving = ProjectionStep {
            s: &mut q,
            j: &mut y,
            way: &mut *way,
            rows: &mut *rows,
            scratch: &mut *scratch,
            keeps: false,
            ..step
        };
        self.step_path(arch, &stages.arriving, arriving);
        stages.step((&q, &y), way, (s, j));
        if stages.trains() {
            rows.extend_from_slice(&q);
            rows.extend_from_slice(&y);
        }
        scratch.arriving = (q, y);
    }

    fn step_path(&self, arch: pulp::Arch, parts: &ProjectionParts<T>, step: ProjectionStep<'_, T>) {
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
        let Some(short_term) = &self.short_term else { return self.step_filters_vjp(arch, bar) };
        let ProjectionBar { parameters, released: (neurons, charges), row, .. } = bar;
        let ProjectionBar { charge_bar, scratch, way_bar, parameters_bar, waiting, s_bar, .. } = bar;
        let (start, row) = row.split_at(short_term.len());
        let mut of = std::mem::take(&mut scratch.short_term);
        short_term.release_again(parameters, start, (neurons, charges), &mut of);
        let released = std::mem::take(&mut of.released);
        let inner = ProjectionBar {
            released: (neurons, &released),
            charge_bar: &mut of.released_bar,
            row,
            way_bar: &mut *way_bar,
            scratch: &mut *scratch,
            parameters_bar: &mut *parameters_bar,
            waiting,
            s_bar,
            ..bar
        };
        self.step_filters_vjp(arch, inner);
        of.released = released;
        let charges = (neurons, charges, charge_bar);
        short_term.step_vjp((parameters, parameters_bar), start, way_bar, charges, &mut of);
        scratch.short_term = of;
    }

    /// The transpose of [`step_filters`](Self::step_filters).
    fn step_filters_vjp(&self, arch: pulp::Arch, bar: ProjectionBar<'_, T>) {
        let Some(stages) = &self.stages else { return self.step_path_vjp(arch, &self.parts, bar) };
        let ProjectionBar { j_bar, kept, row, .. } = bar;
        let ProjectionBar { s_bar, charge_bar, scratch, way_bar, parameters_bar, waiting, .. } = bar;
        let (mut q_bar, mut y_bar) = std::mem::take(&mut scratch.arriving);
        q_bar.resize(s_bar.len(), T::zero());
        y_bar.resize(j_bar.len(), T::zero());
        stages.arrived_vjp(way_bar, (s_bar, j_bar), (&mut q_bar, &mut y_bar));
        let arriving = ProjectionBar {
            s_bar: &mut q_bar,
            j_bar: &y_bar,
            kept: (&[], &[]),
            row: &[],
            charge_bar,
            scratch: &mut *scratch,
            way_bar: &mut *way_bar,
            parameters_bar: &mut *parameters_bar,
            waiting,
            ..bar
        };
        self.step_path_vjp(arch, &stages.arriving, arriving);
        stages.filters_vjp(kept, row, way_bar, (s_bar, j_bar), parameters_bar);
        scratch.arriving = (q_bar, y_bar);
    }

    fn step_path_vjp(&self, arch: pulp::Arch, parts: &ProjectionParts<T>, bar: ProjectionBar<'_, T>) {
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
