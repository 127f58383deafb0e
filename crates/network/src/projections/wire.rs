//! A projection in a network: between which neurons it stands, and where its traces and currents lie in the vectors of all.

use std::ops::Range;
use std::sync::Arc;

use spikegrad_models::Parameter;

use super::connected::{add_column, add_to_column, column_dot};
use super::connector::Connections;
use super::synapses::{KineticsModel, ReceptorModel, ShortTermModel};
use crate::Scalar;
use crate::kernels::{axpy, dot};

/// Whose the delays of a projection are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Delayed {
    /// Nobody's: charge arrives in the step in which it is released.
    #[default]
    Not,
    /// One for each presynaptic neuron.
    Axonal,
    /// One for each connection.
    Connections,
}

impl Delayed {
    /// Whose the delays are, in words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Not => "none",
            Self::Axonal => "axonal",
            Self::Connections => "connection",
        }
    }
}

/// A projection in a network.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    pub(crate) name: String,
    /// The presynaptic and the postsynaptic neurons.
    pub(crate) pre: Range<usize>,
    pub(crate) post: Range<usize>,
    /// Where its traces begin among all traces, and its currents among all currents.
    pub(crate) trace: usize,
    pub(crate) current: usize,
    pub(crate) delayed: Delayed,
    /// Rank of the weights, where they are two factors.
    pub(crate) rank: Option<usize>,
    /// The connections, where they are a list.
    pub(crate) connections: Option<Arc<Connections>>,
    /// Whether each presynaptic neuron has a time constant of its own.
    pub(crate) own_taus: bool,
    pub(crate) kinetics: KineticsModel,
    pub(crate) short_term: Option<ShortTermModel>,
    pub(crate) receptor: Option<ReceptorModel>,
}

impl Wire {
    /// Whether its synapses are exponential ones that release what they get.
    pub(crate) fn is_plain(&self) -> bool {
        self.kinetics.stages.len() == 1 && self.short_term.is_none()
    }

    /// Where the parameters of its short-term plasticity begin among those behind `tau`.
    pub(crate) fn short_term_from(&self) -> usize {
        self.kinetics.parameters.len() - 1
    }

    /// Where those of its receptor begin.
    pub(crate) fn receptor_from(&self) -> usize {
        self.short_term_from() + self.short_term.map_or(0, |model| model.parameters.len())
    }

    /// The parameters of its synapses behind `tau`.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &'static Parameter> {
        let short_term = self.short_term.map_or(&[][..], |model| model.parameters);
        let receptor = self.receptor.map_or(&[][..], |model| model.parameters);
        self.kinetics.parameters.iter().skip(1).chain(short_term).chain(receptor)
    }

    /// Whether the projection goes from all of so many neurons to all.
    pub(crate) fn is_whole(&self, neurons: usize) -> bool {
        self.pre == (0..neurons) && self.post == (0..neurons)
    }

    /// The projection's traces in a vector of all.
    #[inline(always)]
    pub(crate) fn traces(&self) -> Range<usize> {
        self.trace..self.trace + self.pre.len()
    }

    /// The projection's currents in a vector of all.
    #[inline(always)]
    pub(crate) fn currents(&self) -> Range<usize> {
        self.current..self.current + self.post.len()
    }

    /// Which weights are those of its presynaptic neuron number `pre`.
    pub(crate) fn column(&self, pre: usize) -> Range<usize> {
        match &self.connections {
            Some(connections) => connections.column(pre),
            None => pre * self.post.len()..(pre + 1) * self.post.len(),
        }
    }

    /// `y += x` times the column of presynaptic neuron number `pre` of the weights `w`.
    pub(crate) fn add_column<T: Scalar>(&self, w: &[T], pre: usize, x: T, y: &mut [T]) {
        match &self.connections {
            Some(list) => add_column(list, w, pre, x, y),
            None => axpy(y, x, &w[self.column(pre)]),
        }
    }

    /// The product of a column with `y`.
    pub(crate) fn column_dot<T: Scalar>(&self, w: &[T], pre: usize, y: &[T]) -> T {
        match &self.connections {
            Some(list) => column_dot(list, w, pre, y),
            None => dot(&w[self.column(pre)], y),
        }
    }

    /// Adds `x y` to a column of a gradient.
    pub(crate) fn add_to_column<T: Scalar>(&self, w_bar: &mut [T], pre: usize, x: T, y: &[T]) {
        match &self.connections {
            Some(list) => add_to_column(list, w_bar, pre, x, y),
            None => axpy(&mut w_bar[self.column(pre)], x, y),
        }
    }

    /// The part of ascending `neurons` that is presynaptic.
    #[inline(always)]
    pub(crate) fn presynaptic(&self, neurons: &[u32]) -> Range<usize> {
        let below = |end: usize| neurons.partition_point(|&i| (i as usize) < end);
        below(self.pre.start)..below(self.pre.end)
    }
}
