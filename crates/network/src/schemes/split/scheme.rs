//! The scheme of the split step: what is looked up once for all of its runs.

use std::ops::Range;
use std::sync::Arc;

use spikegrad_integrators::Method;

use super::conductances::Conductances;
use crate::kernels::{ARCH, LINE};
use crate::placed::Placed;
use crate::populations::Context;
use crate::projections::{
    Columns, Delayed, Delays, LowRank, Path, Pathway, SparseProjection, Waiting, columns,
};
use crate::schemes::grid::step_size;
use crate::schemes::outputs::{OutputLoops, output_loops, rows_of_columns};
use crate::schemes::run::Read;
use crate::{Error, Feature, Group, Network, Scalar, memory};

/// The split step of a network: exact decay of the synapses, the neurons' flow with the current held. It has order 1 in the
/// step and takes every network; [`PlainStep`](crate::PlainStep#when-to-take-which-scheme) says when that is the better scheme.
///
/// ```
/// # use spikegrad_models::{GateShape, Theta};
/// # use spikegrad_network::*;
/// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
/// # let network = Network::builder().population(population).synapse("slow", 20.0).inputs(1).build()?;
/// let scheme = SplitStep::new(&network, 0.5)?;
/// let trial = Trial::silent(100, 1.0, network.inputs());
/// let run = scheme.run(&trial, &NoLoss)?;
/// # Ok::<(), spikegrad_network::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SplitStep<'n, T: 'static> {
    pub(super) network: &'n Network<T>,
    /// The widest vectors of this machine.
    pub(super) arch: pulp::Arch,
    pub(super) columns: &'static dyn Columns<T>,
    /// What the loops of each population need to know.
    pub(super) contexts: Vec<Context<'n, T>>,
    pub(super) h: T,
    pub(super) projections: Vec<Pathway<T>>,
    /// The projections whose traces are conductances.
    pub(super) conductances: Conductances<T>,
    /// What is left of the traces and currents of each projection after a step, where all neurons have one time constant.
    pub(super) keep: Vec<T>,
    /// The projections on the sparse path, as the loops over columns see them.
    pub(super) sparse: Vec<SparseProjection<T>>,
    /// Length of `[v | rest | latches]`.
    pub(super) membrane: usize,
    /// Length of a frame of the tape's frames, and of the state that it begins with.
    pub(super) stride: usize,
    pub(super) state: usize,
    /// The traces that the network's own readout reads, among all.
    pub(super) read: Range<usize>,
    /// The network's own readout by rows, where it has several outputs.
    pub(super) readout_rows: Vec<T>,
    /// Length of what is on its way.
    pub(super) way: usize,
    /// Whether all columns are visited at every step.
    pub(super) dense: bool,
    /// Whether the loops over columns read out the synapses, too: one output of all, of a projection on the sparse path.
    pub(super) reads: bool,
    /// Whether any time constant is trainable, or traces are conductances: the gradient needs `s` and `J` of every step.
    pub(super) keeps_synapses: bool,
    /// Whether the gradient of any weights waits for further steps.
    pub(super) waits: bool,
    /// What a step adds to the tape's synapses.
    pub(in crate::schemes) kept: usize,
    /// What a step adds to what arrived.
    pub(super) kept_arrivals: usize,
}

impl<'n, T: Scalar> SplitStep<'n, T> {
    /// The split step of `h` ms, each population by the method that its model names, [`Neuron::METHOD`].
    ///
    /// [`Neuron::METHOD`]: spikegrad_models::Neuron::METHOD
    ///
    /// ```
    /// use spikegrad_models::{GateShape, HodgkinHuxley};
    /// use spikegrad_network::{Network, NoLoss, Population, SplitStep, Trial};
    ///
    /// let population = Population::new("squid", HodgkinHuxley::default(), 1, GateShape::RaisedCosine, 30.0);
    /// let mut network = Network::builder().population(population).synapse("slow", 5.0).build()?;
    /// network.parameters.bias_mut()[0] = 10.0; // uA/cm2
    /// // By the exponential midpoint. Explicit methods need a fifth of this step.
    /// let scheme = SplitStep::new(&network, 0.25)?;
    /// let recording = scheme.run(&Trial::silent(400, 0.25, 0), &NoLoss)?.record()?;
    /// assert_eq!(recording.spike_counts(), [7]);
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    ///
    /// # Errors
    /// If `h` is not positive and finite in the network's float type, a parameter of the network is out of its domain, or delays are so many steps long that what is
    /// on its way does not fit into memory.
    pub fn new(network: &'n Network<T>, h: f64) -> Result<Self, Error> {
        Self::with_method(network, h, None)
    }

    /// The split step with one method, a table or an exponential one, for all neurons that have no closed form, whatever their
    /// models name; `None` is as [`new`](Self::new).
    ///
    /// ```
    /// use spikegrad_integrators::tableau;
    /// use spikegrad_models::{GateShape, Theta};
    /// use spikegrad_network::{Network, Population, SplitStep};
    ///
    /// let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// let network = Network::builder().population(population).synapse("slow", 20.0).build()?;
    /// let scheme = SplitStep::with_method(&network, 0.5, tableau::RK4)?;
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_method(
        network: &'n Network<T>,
        h: f64,
        method: impl Into<Option<Method>>,
    ) -> Result<Self, Error> {
        let h = step_size(h)?;
        network.validate()?;
        let method = method.into();
        let conductances = Conductances::new(network);
        let context = |place: &Placed| {
            let at = network.context(place, h, method);
            Context { growth: place.loops.of::<T>().growth(&at), ..at }
        };
        let projection = |k| Pathway::new(&network.parameters, k, h, |group| network.is_trainable(group));
        let projections: Vec<_> = (0..network.wires.len()).map(projection).collect();
        let dense = projections.iter().any(|p| p.parts.decays.len() > 1);
        let kept = network.wires[network.read].pre.len() + network.readouts.traces;
        let state = network.membrane + network.latches + kept;
        let mut scheme = Self {
            network,
            arch: *ARCH,
            columns: columns(),
            contexts: network.places.iter().map(context).collect(),
            conductances,
            h,
            keeps_synapses: false,
            keep: projections.iter().map(|p| p.parts.decays[0].a).collect(),
            projections,
            sparse: Vec::new(),
            membrane: network.membrane + network.latches,
            // Frames begin at lines of the caches, as their vector does.
            stride: (state + network.neurons + network.outputs + 1)
                .next_multiple_of((LINE / size_of::<T>()).max(1)),
            state,
            read: network.wires[network.read].traces(),
            readout_rows: match network.description.outputs {
                0 | 1 => Vec::new(),
                rows => rows_of_columns(network.parameters.group(Group::Readout(0)), rows),
            },
            way: 0,
            dense: false,
            reads: false,
            waits: false,
            kept: 0,
            kept_arrivals: 0,
        };
        scheme.lay_out(dense)?;
        // Every run takes a state. To ask for its memory now turns what would abort later into an error.
        memory::ask(
            "the state, with all charge on its way behind delays,",
            memory::bytes::<T>(&[scheme.way]),
        )?;
        Ok(scheme)
    }

    /// Chooses the path of each projection and makes the rings of the delays.
    fn lay_out(&mut self, dense: bool) -> Result<(), Error> {
        let network = self.network;
        (self.dense, self.way) = (dense, 0);
        for (k, (projection, wire)) in self.projections.iter_mut().zip(&network.wires).enumerate() {
            // The state on its way: that of the delays, then that of filters and short-term plasticity.
            projection.path = if wire.delayed != Delayed::Not {
                let values = network.parameters.group(Group::Delay(k));
                let delays = Delays::new(wire, values, self.h, dense, self.way, network.memory_limit)?;
                self.way += delays.len();
                Path::Delayed(delays)
            } else if dense {
                Path::Dense
            } else if let Some(list) = &wire.connections {
                Path::Connected(Arc::clone(list))
            } else if let Some(rank) = wire.rank {
                let (layout, post) = (network.parameters.layout(), wire.post.len());
                Path::LowRank(LowRank::new(layout, k, rank, post, |group| network.is_trainable(group)))
            } else if wire.is_whole(network.neurons) && wire.is_plain() {
                Path::Sparse
            } else {
                Path::Block(self.columns)
            };
            let trains = |group| network.is_trainable(group);
            self.way = projection.add_synapse(wire, &network.parameters, (k, self.h), self.way, trains);
        }
        let sparse = self.projections.iter().enumerate().filter(|(_, p)| p.is_sparse());
        let waits = Waiting::<T>::is_worth_it(network.neurons, network.neurons);
        self.waits = waits && sparse.clone().any(|(_, p)| p.parts.trains_weights);
        self.sparse = sparse.map(|(number, p)| p.to_sparse(number, &network.wires[number], waits)).collect();
        self.reads = network.outputs == 1
            && network.readouts.all.is_empty()
            && network.read == 0
            && self.sparse.first().is_some_and(|s| s.number == 0);
        self.keeps_synapses = self.projections.iter().any(|p| p.parts.trains_tau);
        // The transpose of what channels do asks for conductances.
        self.keeps_synapses |= !self.conductances.is_empty();
        let keeps = self.keeps_synapses || dense;
        let kept = network.traces + if dense { network.traces } else { network.currents };
        self.kept = if keeps { kept } else { 0 };
        self.kept_arrivals = self.projections.iter().map(|p| p.kept(self.keeps_synapses)).sum();
        Ok(())
    }

    /// The delays of the projections that have any.
    pub(super) fn delays(&self) -> impl Iterator<Item = &Delays<T>> {
        self.projections.iter().filter_map(Pathway::delays)
    }

    /// Takes the dense path: `J_k = W_k s_k` as a product at every step instead of column by column where charge was
    /// released. Networks with a time constant for each neuron always do, since their `J_k` does not decay as a whole;
    /// others gain from it only where most neurons stand in the active zone most of the time (see
    /// `docs/reference/performance.md`). Both paths give the same gradient to rounding.
    /// Networks with a delay for each connection, with lists of connections or with weights of low rank have no dense path and keep
    /// the sparse one.
    #[must_use]
    pub fn dense(mut self) -> Self {
        if self.network.check_goes_with(Feature::DensePath).is_ok() {
            // The rings of delays are shorter than before.
            let laid_out = self.lay_out(true);
            debug_assert!(laid_out.is_ok());
        }
        self
    }

    /// Whether this is the dense path.
    pub fn is_dense(&self) -> bool {
        self.dense
    }

    /// The network that is stepped.
    pub fn network(&self) -> &'n Network<T> {
        self.network
    }

    /// The loops over several outputs, with the readout by rows.
    pub(super) fn outputs(&self) -> Option<(&'static dyn OutputLoops<T>, &[T])> {
        output_loops(self.network.description.outputs).map(|loops| (loops, &self.readout_rows[..]))
    }

    /// What a tape keeps of step `index`.
    pub(super) fn frame<'t>(&self, frames: &'t [T], index: usize) -> Frame<'t, T> {
        self.frame_of(&frames[index * self.stride..][..self.stride + self.state])
    }

    /// What a tape keeps of a step, from its frame and the state that the next frame begins with.
    #[inline(always)]
    pub(super) fn frame_of<'t>(&self, frame: &'t [T]) -> Frame<'t, T> {
        let (frame, next) = frame.split_at(self.stride);
        let (before, rest) = frame.split_at(self.state);
        let (current, rest) = rest.split_at(self.network.neurons);
        let (output, square) = rest.split_at(self.network.outputs);
        let (after, s) = next.split_at(self.membrane);
        Frame {
            before: &before[..self.membrane],
            current,
            read: Read { output, square: square[0] },
            after,
            s,
        }
    }

    /// The populations with what their loops need to know.
    pub(super) fn places(&self) -> impl Iterator<Item = (&Placed, &Context<'_, T>)> {
        self.network.places.iter().zip(&self.contexts)
    }
}

/// A frame of the tape.
pub(super) struct Frame<'t, T> {
    /// Membrane state at the start of the step, and at its end.
    pub(super) before: &'t [T],
    pub(super) after: &'t [T],
    pub(super) current: &'t [T],
    /// Traces at its end that the network's own readout reads, behind them those that readouts with names read, and what was read.
    pub(super) s: &'t [T],
    pub(super) read: Read<'t, T>,
}
