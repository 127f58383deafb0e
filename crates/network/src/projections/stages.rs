//! Kinetics of several filters (equations (76) to (79)): what arrives in a step, `q` and `y = W q`, goes to a cascade of traces and
//! one of currents. The columns of the weights are visited once, whatever the number of filters, forwards and back.
//!
//! The last filter's traces and currents lie with those of all projections; those of the filters before it lie in the part of the
//! state that is on its way, filter by filter, traces first.

use std::ops::Range;

use spikegrad_integrators::{Cascade, Decay};

use super::step::ProjectionParts;
use super::synapses::KineticsModel;
use crate::kernels::{axpy, dot, scale};
use crate::{Group, Parameters, Scalar};

/// A projection's filters under steps of one size.
#[derive(Clone, Debug)]
pub(crate) struct Stages<T> {
    cascade: Cascade<T>,
    /// Where each filter's time constant lies in the flat vector, and whether it is trained.
    taus: Vec<(usize, bool)>,
    /// The projection as a path sees it, for which what arrives is all that it does.
    pub(super) arriving: ProjectionParts<T>,
    /// Where the filters before the last one lie.
    hidden: Range<usize>,
    pre: usize,
    post: usize,
}

/// The last filter's traces and currents.
type Last<'a, T> = (&'a mut [T], &'a mut [T]);

impl<T: Scalar> Stages<T> {
    /// For projection `k` from `pre` neurons to `post`, with the filters before the last one at `start`.
    pub(super) fn new(
        model: KineticsModel,
        parameters: &Parameters<T>,
        (k, h): (usize, T),
        parts: &ProjectionParts<T>,
        start: usize,
        (pre, post): (usize, usize),
        is_trainable: impl Fn(Group) -> bool,
    ) -> Self {
        let taus = model.stages.iter().map(|&stage| {
            let group = match stage {
                0 => Group::Tau(k),
                _ => Group::Synapse { projection: k, parameter: stage - 1 },
            };
            (parameters.layout().range(group).start, is_trainable(group))
        });
        let taus: Vec<_> = taus.collect();
        let values: Vec<_> = taus.iter().map(|&(at, _)| parameters.values()[at]).collect();
        let (zero, one) = (T::zero(), T::one());
        let at_once = Decay { a: zero, b: one, a_by_tau: zero, b_by_tau: zero };
        let hidden = start..start + (model.stages.len() - 1) * (pre + post);
        Self {
            cascade: Cascade::new(&values, h),
            taus,
            arriving: ProjectionParts { decays: vec![at_once], trains_tau: false, ..parts.clone() },
            hidden,
            pre,
            post,
        }
    }

    /// Whether any time constant is trained.
    pub(super) fn trains(&self) -> bool {
        self.taus.iter().any(|&(_, trained)| trained)
    }

    /// Length of the filters before the last one.
    pub(super) fn len(&self) -> usize {
        self.hidden.len()
    }

    /// What the transpose needs of a step: these filters at its start, and what arrived.
    pub(super) fn kept(&self) -> usize {
        if self.trains() { self.len() + self.pre + self.post } else { 0 }
    }

    /// The neuron that a number of these filters belongs to, counted from the first presynaptic or postsynaptic one.
    pub(super) fn neuron(&self, component: usize) -> Option<Result<usize, usize>> {
        let at = component.checked_sub(self.hidden.start).filter(|&at| at < self.len())?;
        let at = at % (self.pre + self.post);
        Some(if at < self.pre { Ok(at) } else { Err(at - self.pre) })
    }

    /// The traces and the currents of filter `i` among these.
    fn of<'h>(&self, hidden: &'h [T], i: usize) -> (&'h [T], &'h [T]) {
        hidden[i * (self.pre + self.post)..][..self.pre + self.post].split_at(self.pre)
    }

    /// Keeps the filters before the last one, if the transpose asks for them.
    pub(super) fn keep(&self, way: &[T], rows: &mut Vec<T>) {
        if self.trains() {
            rows.extend_from_slice(&way[self.hidden.clone()]);
        }
    }

    /// Lets what arrived, traces `q` and currents `y`, come to the filters.
    pub(super) fn step(&self, (q, y): (&[T], &[T]), way: &mut [T], last: Last<'_, T>) {
        let (hidden, filters) = (&mut way[self.hidden.clone()], self.cascade.stages());
        // From the last one to the first, which gives what it had at the start of the step.
        for to in (0..filters).rev() {
            let (before, own) = hidden.split_at_mut((to * (self.pre + self.post)).min(self.hidden.len()));
            let (s, j) = match to + 1 == filters {
                true => (&mut *last.0, &mut *last.1),
                false => own[..self.pre + self.post].split_at_mut(self.pre),
            };
            let (phi, gamma) = (self.cascade.phi(to, to), self.cascade.gamma(to));
            scale(s, phi);
            scale(j, phi);
            for from in 0..to {
                let (phi, (s_from, j_from)) = (self.cascade.phi(to, from), self.of(before, from));
                axpy(s, phi, s_from);
                axpy(j, phi, j_from);
            }
            axpy(s, gamma, q);
            axpy(j, gamma, y);
        }
    }

    /// Writes the cotangents of what arrives.
    pub(super) fn arrived_vjp(
        &self,
        way_bar: &[T],
        (s_bar, j_bar): (&[T], &[T]),
        (q_bar, y_bar): (&mut [T], &mut [T]),
    ) {
        q_bar.fill(T::zero());
        y_bar.fill(T::zero());
        let last = self.cascade.stages() - 1;
        for to in 0..=last {
            let (s_bar, j_bar) = match to == last {
                true => (s_bar, j_bar),
                false => self.of(&way_bar[self.hidden.clone()], to),
            };
            axpy(q_bar, self.cascade.gamma(to), s_bar);
            axpy(y_bar, self.cascade.gamma(to), j_bar);
        }
    }

    /// The transpose of [`step`](Self::step) by the filters, up to what the last one keeps of itself, and by the time constants: for
    /// the last one's traces and currents at the start of the step, and what was kept of it.
    pub(super) fn filters_vjp(
        &self,
        (s, j): (&[T], &[T]),
        kept: &[T],
        way_bar: &mut [T],
        (s_bar, j_bar): (&[T], &[T]),
        parameters_bar: &mut [T],
    ) {
        let (hidden_bar, last) = (&mut way_bar[self.hidden.clone()], self.cascade.stages() - 1);
        if self.trains() {
            let (hidden, arrived) = kept.split_at(self.len());
            let (q, y) = arrived.split_at(self.pre);
            for to in 0..=last {
                let (s_bar, j_bar) = if to == last { (s_bar, j_bar) } else { self.of(hidden_bar, to) };
                let by_gamma = dot(q, s_bar) + dot(y, j_bar);
                for (of, &(at, _)) in self.taus.iter().enumerate() {
                    parameters_bar[at] += self.cascade.gamma_by_tau(to, of) * by_gamma;
                }
                for from in 0..=to {
                    let (s, j) = if from == last { (s, j) } else { self.of(hidden, from) };
                    let by_phi = dot(s, s_bar) + dot(j, j_bar);
                    for (of, &(at, _)) in self.taus.iter().enumerate() {
                        parameters_bar[at] += self.cascade.phi_by_tau(to, from, of) * by_phi;
                    }
                }
            }
        }
        for from in 0..last {
            let (own, later) = hidden_bar[from * (self.pre + self.post)..].split_at_mut(self.pre + self.post);
            let (s_from, j_from) = own.split_at_mut(self.pre);
            scale(s_from, self.cascade.phi(from, from));
            scale(j_from, self.cascade.phi(from, from));
            for to in from + 1..=last {
                let (s_bar, j_bar) = match to == last {
                    true => (s_bar, j_bar),
                    false => self.of(later, to - from - 1),
                };
                axpy(s_from, self.cascade.phi(to, from), s_bar);
                axpy(j_from, self.cascade.phi(to, from), j_bar);
            }
        }
    }
}
