//! The network (equations (3), (4)): populations, projections, masks, what is trainable, and its parameters.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use num_dual::Dual64;
use spikegrad_integrators::Method;
use spikegrad_models::Parameter;

use crate::kernels::ARCH;
use crate::memory;
use crate::placed::Placed;
use crate::populations::{Context, method_of};
use crate::projections::{Connections, Delayed, Wire};
use crate::readout::Readouts;
use crate::{Error, Group, Models, NetworkSpec, Parameters, Projection, Scalar, Sign};

/// A network of gated-synapse spiking neurons: its structure and its parameters.
///
/// Generic over the float type; build it in f64 and convert with [`to_f32`](Self::to_f32).
///
/// ```
/// use spikegrad_models::{GateShape, Theta};
/// use spikegrad_network::{Network, Population, Projection};
///
/// let mut network = Network::builder()
///     .population(Population::new("theta", Theta::default(), 20, GateShape::RaisedCosine, 0.3))
///     .projection(Projection::new("slow", 20.0))
///     .projection(Projection::new("fast", 5.0).without_autapses())
///     .inputs(2)
///     .outputs(1)
///     .build()?;
/// network.parameters.readout_mut(0).fill(0.1);
/// assert_eq!(network.parameters.weight(1).shape(), (20, 20));
/// # Ok::<(), spikegrad_network::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Network<T> {
    /// Every parameter, and where it lies.
    pub parameters: Parameters<T>,
    pub(crate) places: Vec<Placed>,
    pub(crate) wires: Vec<Wire>,
    /// Number of traces and of currents of all projections.
    pub(crate) traces: usize,
    pub(crate) currents: usize,
    /// Whether every projection goes from all neurons to all.
    pub(crate) whole: bool,
    /// Number of channels of event sources.
    pub(crate) channels: usize,
    /// The projection whose traces the network's own readout reads.
    pub(crate) read: usize,
    /// The readouts with names.
    pub(crate) readouts: Readouts,
    /// What each neuron does to its targets, where that is fixed.
    pub(crate) signs: Vec<Option<Sign>>,
    pub(crate) masks: Vec<(Group, Arc<Vec<bool>>)>,
    pub(crate) frozen: HashSet<Group>,
    /// Entries of groups, column-major, that keep their values.
    pub(crate) frozen_entries: Vec<(Group, Arc<Vec<bool>>)>,
    pub(crate) neurons: usize,
    pub(crate) membrane: usize,
    pub(crate) latches: usize,
    pub(crate) inputs: usize,
    /// The number of outputs of all readouts.
    pub(crate) outputs: usize,
    /// The most bytes that one of its large vectors takes.
    pub(crate) memory_limit: usize,
    /// What it was built from, without lists of connections, which are those of the wires.
    pub(crate) description: Arc<NetworkSpec>,
}

impl<T: Scalar> Network<T> {
    /// Number of neurons `N`.
    pub fn neurons(&self) -> usize {
        self.neurons
    }

    /// Number of membrane variables: `N` voltages and the populations' other state variables.
    pub fn membrane(&self) -> usize {
        self.membrane
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of outputs of all readouts.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Names of the projections, in the order of [`Group::Weight`].
    pub fn projections(&self) -> impl ExactSizeIterator<Item = &str> {
        // Readouts may have traces of their own behind them.
        self.description.projections.iter().map(Projection::name)
    }

    /// The presynaptic neurons of a projection, which have its traces, and its postsynaptic neurons, which have its currents.
    /// The channels of event sources are numbered after the neurons.
    ///
    /// # Panics
    /// If there is no such projection.
    pub fn ends(&self, projection: usize) -> (Range<usize>, Range<usize>) {
        let wire = &self.wires[projection];
        (wire.pre.clone(), wire.post.clone())
    }

    /// Number of channels of event sources, which [`Event::channel`](crate::Event::channel) counts.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The connections of a sparse projection, in the order of its weights; `None` where the weights are a matrix or two factors.
    pub fn connections(&self, projection: usize) -> Option<&Connections> {
        self.wires.get(projection)?.connections.as_deref()
    }

    /// Names of the readouts, in the order of [`Group::Readout`], and their outputs among all; the network's own one, which is called
    /// `readout`, is first.
    pub fn readouts(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        let named = self.description.readouts.iter().zip(&self.readouts.all);
        let named = named.map(|(readout, place)| (readout.name(), place.outputs.clone()));
        std::iter::once(("readout", 0..self.description.outputs)).chain(named)
    }

    /// The projection whose traces the network's own readout reads.
    pub fn read_from(&self) -> usize {
        self.read
    }

    /// Number of traces of all projections, and of those that readouts have of their own, the length of [`InitialState::s`](crate::InitialState::s).
    pub fn traces(&self) -> usize {
        self.traces
    }

    /// Names and ranges of the populations' neurons.
    pub fn populations(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        self.places.iter().map(|p| (p.name.as_str(), p.offset..p.offset + p.size))
    }

    /// The most bytes that one large vector of the network or of its runs takes.
    pub fn memory_limit(&self) -> usize {
        self.memory_limit
    }

    /// Sets the most bytes that a recording, or what is on its way behind delays, may take, as
    /// [`NetworkBuilder::memory_limit`](crate::NetworkBuilder::memory_limit) does; `None` for 16 GiB.
    pub fn set_memory_limit(&mut self, bytes: Option<usize>) {
        self.memory_limit = bytes.unwrap_or(memory::MEMORY_LIMIT);
    }

    /// The models of the network's populations, to build another network of them from a description.
    pub fn models(&self) -> Models {
        Models::of(self.places.iter().map(|place| place.loops))
    }

    /// Leaves a group's gradient at zero and, where that saves something, uncomputed; training does not move it.
    ///
    /// # Errors
    /// If the network does not have the group.
    pub fn freeze(&mut self, group: Group) -> Result<(), Error> {
        self.check_group(group)?;
        self.frozen.insert(group);
        self.note_frozen();
        Ok(())
    }

    /// Leaves the gradient of those entries `(row, column)` of a group at zero for which `frozen` is true, so that training
    /// does not change them; the other ones are trained. A vector has one column, and an entry of a list of connections is
    /// `(post, pre)`. Where `frozen` is true for none, no entry is
    /// frozen by itself any more.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Nif};
    /// # use spikegrad_network::{Group, Network, Population};
    /// # let population = Population::new("nif", Nif, 6, GateShape::Box, 0.3);
    /// # let mut network = Network::builder().population(population).synapse("slow", 10.0).build()?;
    /// // A reservoir of four neurons that stays as it is; the weights to and from the other two are trained.
    /// network.freeze_entries(Group::Weight(0), |post, pre| post < 4 && pre < 4)?;
    /// assert_eq!(network.frozen_entries(Group::Weight(0)).map(|f| f.iter().filter(|f| **f).count()), Some(16));
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the network does not have the group, or there is no memory for the list.
    pub fn freeze_entries(
        &mut self,
        group: Group,
        frozen: impl Fn(usize, usize) -> bool,
    ) -> Result<(), Error> {
        let entry = self.check_group(group)?;
        let mut flags = memory::room("the list of frozen entries", entry.range.len())?;
        flags.extend(self.coordinates(entry).map(|(row, column)| frozen(row, column)));
        self.replace_frozen_entries(group, flags);
        Ok(())
    }

    /// Freezes the entries of a group for which `frozen` is true, as [`frozen_entries`](Self::frozen_entries) has them, and no
    /// others.
    ///
    /// # Errors
    /// If the network does not have the group, or it has another number of entries.
    pub fn set_frozen_entries(&mut self, group: Group, frozen: &[bool]) -> Result<(), Error> {
        let entry = self.check_group(group)?;
        if frozen.len() != entry.range.len() {
            let what = format!("the frozen entries of {}", entry.name);
            return Err(Error::Shape { what, expected: entry.range.len(), found: frozen.len() });
        }
        let frozen = memory::collect("the list of frozen entries", frozen.iter().copied())?;
        self.replace_frozen_entries(group, frozen);
        Ok(())
    }

    fn replace_frozen_entries(&mut self, group: Group, frozen: Vec<bool>) {
        self.frozen_entries.retain(|(g, _)| *g != group);
        if frozen.contains(&true) {
            self.frozen_entries.push((group, Arc::new(frozen)));
        }
    }

    /// The connections that the entries of a group belong to one by one.
    pub(crate) fn list(&self, group: Group) -> Option<&Connections> {
        match group {
            Group::Weight(k) => self.connections(k),
            Group::Delay(k) if self.wires.get(k)?.delayed == Delayed::Connections => self.connections(k),
            _ => None,
        }
    }

    /// The row and the column of every entry of a group: of connections that are listed, the postsynaptic and the presynaptic neuron.
    pub(crate) fn coordinates(&self, entry: &crate::Entry) -> Box<dyn Iterator<Item = (usize, usize)> + '_> {
        let rows = entry.rows.max(1);
        match self.list(entry.group) {
            Some(list) => Box::new(list.pairs()),
            None => Box::new((0..entry.range.len()).map(move |i| (i % rows, i / rows))),
        }
    }

    /// Which entries of a group are frozen one by one, column-major, if any were.
    pub fn frozen_entries(&self, group: Group) -> Option<&[bool]> {
        self.frozen_entries.iter().find(|(g, _)| *g == group).map(|(_, frozen)| frozen.as_slice())
    }

    /// Computes a group's gradient, all of it.
    ///
    /// # Errors
    /// If the network does not have the group.
    pub fn unfreeze(&mut self, group: Group) -> Result<(), Error> {
        self.check_group(group)?;
        self.frozen.remove(&group);
        self.frozen_entries.retain(|(g, _)| *g != group);
        self.note_frozen();
        Ok(())
    }

    /// Computes the gradient of everything there is.
    pub fn unfreeze_all(&mut self) {
        self.frozen.clear();
        self.frozen_entries.clear();
        self.note_frozen();
    }

    pub(crate) fn check_group(&self, group: Group) -> Result<&crate::Entry, Error> {
        let layout = self.parameters.layout();
        layout.entry(group).ok_or_else(|| {
            let known = layout.entries().iter().map(|e| e.name.as_str()).collect::<Vec<_>>().join(", ");
            Error::NoGroup { group, known }
        })
    }

    pub(crate) fn note_frozen(&mut self) {
        let Self { places, frozen, .. } = self;
        for (population, place) in places.iter_mut().enumerate() {
            let mut neuron = (0..place.loops.of::<T>().parameters().len())
                .map(|parameter| Group::Neuron { population, parameter });
            place.trains_neurons = neuron.any(|group| !frozen.contains(&group));
            place.trains_width = place.width.is_some() && !frozen.contains(&Group::GateWidth(population));
        }
    }

    /// Whether a group's gradient is computed.
    pub fn is_trainable(&self, group: Group) -> bool {
        !self.frozen.contains(&group)
    }

    /// Whether only positive values of a group make sense: time constants, delays, gate widths, some parameters of neurons and synapses.
    pub fn is_positive(&self, group: Group) -> bool {
        match group {
            Group::Tau(_) | Group::Delay(_) | Group::GateWidth(_) => true,
            Group::Neuron { population, parameter } => {
                let place = self.places.get(population);
                place.and_then(|p| p.loops.of::<T>().parameters().get(parameter)).is_some_and(|p| p.positive)
            }
            Group::Synapse { projection, parameter } => {
                self.synapse_parameter(projection, parameter).is_some_and(|p| p.positive)
            }
            _ => false,
        }
    }

    /// Whether only values below 1 make sense, as for the part of resources that a spike releases.
    pub(crate) fn is_below_one(&self, group: Group) -> bool {
        match group {
            Group::Synapse { projection, parameter } => {
                self.synapse_parameter(projection, parameter).is_some_and(|p| p.below_one)
            }
            _ => false,
        }
    }

    fn synapse_parameter(&self, projection: usize, parameter: usize) -> Option<&'static Parameter> {
        self.wires.get(projection)?.parameters().nth(parameter)
    }

    /// Restricts `W_k`, `U` or `O` to the entries `(row, column)` for which `exists` is true, and sets all others to
    /// zero. Masked entries have a gradient of zero. Where all entries exist there is no mask any more.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Nif};
    /// # use spikegrad_network::{Group, Network, Population};
    /// # let population = Population::new("nif", Nif, 6, GateShape::Box, 0.3);
    /// # let mut network = Network::builder().population(population).synapse("slow", 10.0).build()?;
    /// // Two feed-forward layers of three neurons.
    /// network.set_mask(Group::Weight(0), |post, pre| post >= 3 && pre < 3)?;
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the group has no mask, or there is no memory for it.
    pub fn set_mask(&mut self, group: Group, exists: impl Fn(usize, usize) -> bool) -> Result<(), Error> {
        let entry = match (group, self.parameters.layout().entry(group)) {
            (Group::Weight(_) | Group::Input | Group::Readout(_), Some(entry))
                if self.list(group).is_none() =>
            {
                entry
            }
            _ => return Err(Error::NoMask { group, name: self.parameters.layout().name(group) }),
        };
        let rows = entry.rows;
        let mask = (0..entry.range.len()).map(|i| exists(i % rows, i / rows));
        let mask: Vec<bool> = memory::collect("the mask", mask)?;
        for (value, &exists) in self.parameters.group_mut(group).iter_mut().zip(&mask) {
            if !exists {
                *value = T::zero();
            }
        }
        self.masks.retain(|(g, _)| *g != group);
        if mask.contains(&false) {
            self.masks.push((group, Arc::new(mask)));
        }
        Ok(())
    }

    /// The mask of a group, column-major, if it has one. Delays of connections have that of their weights.
    pub fn mask(&self, group: Group) -> Option<&[bool]> {
        let group = match group {
            Group::Delay(k) if self.wires.get(k).is_some_and(|w| w.delayed == Delayed::Connections) => {
                Group::Weight(k)
            }
            group => group,
        };
        self.masks.iter().find(|(g, _)| *g == group).map(|(_, mask)| mask.as_slice())
    }

    /// What the loops over a population need to know, for a method or that which its model names.
    pub(crate) fn context<'a>(&'a self, place: &Placed, h: T, method: Option<Method>) -> Context<'a, T> {
        let method = method.unwrap_or_else(|| method_of(place.loops.of::<T>().integration()));
        Context {
            arch: *ARCH,
            h,
            tableau: method.explicit(),
            exponential: method.exponential(),
            parameters: &self.parameters.values()[place.parameters.clone()],
            conductance: &[],
            per_neuron: place.per_neuron,
            shape: place.shape,
            width: place.width.map_or_else(T::one, |width| self.parameters.values()[width]),
            growth: None,
            offsets: place.offsets(self.membrane),
        }
    }

    /// This network with another scalar.
    fn convert<U: Scalar>(&self, scalar: impl Fn(T) -> U) -> Network<U> {
        Network {
            parameters: self.parameters.map(scalar),
            places: self.places.clone(),
            wires: self.wires.clone(),
            traces: self.traces,
            currents: self.currents,
            whole: self.whole,
            channels: self.channels,
            read: self.read,
            readouts: self.readouts.clone(),
            signs: self.signs.clone(),
            masks: self.masks.clone(),
            frozen: self.frozen.clone(),
            frozen_entries: self.frozen_entries.clone(),
            neurons: self.neurons,
            membrane: self.membrane,
            latches: self.latches,
            inputs: self.inputs,
            outputs: self.outputs,
            memory_limit: self.memory_limit,
            description: Arc::clone(&self.description),
        }
    }

    /// This network with numbers of any scalar.
    pub fn to_scalar<U: Scalar>(&self) -> Network<U> {
        let number = |x: T| -> f64 { x.to_subset_unchecked() };
        self.convert(|x| U::from_subset(&number(x)))
    }

    /// This network in single precision.
    pub fn to_f32(&self) -> Network<f32> {
        self.convert(|x| x.to_subset_unchecked())
    }

    /// This network in double precision.
    pub fn to_f64(&self) -> Network<f64> {
        self.convert(|x| x.to_subset_unchecked())
    }

    /// This network over dual numbers with tangents zero: seed the parameters' tangents and run it for a forward
    /// sensitivity.
    #[inline]
    pub fn to_dual(&self) -> Network<Dual64> {
        self.convert(|x| Dual64::from_re(x.to_subset_unchecked()))
    }
}
