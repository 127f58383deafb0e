//! The network (equations (3), (4)): populations, synapse classes, masks, what is trainable, and its parameters.

use std::collections::HashSet;
use std::sync::Arc;

use nalgebra::RealField;
use num_dual::Dual64;
use spikegrad_integrators::{Method, tableau};
use spikegrad_models::{Integration, Reset};

use crate::dale::Sign;
use crate::delay::Delayed;
use crate::kernels::ARCH;
use crate::memory::{self, MEMORY_LIMIT};
use crate::parameters::Layout;
use crate::population::{Block, BlockMut, Dynamics, ParameterBar, Part, Setting, method_of};
use crate::split::{self, Steps};
use crate::{Error, Group, Parameters, Population};

/// Where a population lies in the network's vectors.
#[derive(Clone, Debug)]
pub(crate) struct Place<T: 'static> {
    pub(crate) name: String,
    pub(crate) offset: usize,
    pub(crate) size: usize,
    /// Start of its other state variables, behind the `N` voltages.
    pub(crate) rest: usize,
    /// Start of its latches or refractory times, behind all membrane variables; empty for models that have neither.
    pub(crate) latch: usize,
    pub(crate) latches: usize,
    pub(crate) dim: usize,
    pub(crate) shape: spikegrad_models::GateShape,
    pub(crate) per_neuron: bool,
    pub(crate) dynamics: &'static dyn Dynamics<T>,
    /// Start and length of the model's parameters in the flat vector.
    pub(crate) parameters: std::ops::Range<usize>,
    pub(crate) width: usize,
    /// Whether any parameter of the neurons is trainable, which every step asks, and whether the gate's width is.
    pub(crate) trains_neurons: bool,
    pub(crate) trains_width: bool,
}

impl<T> Place<T> {
    /// Where it lies, in a network whose voltages and other state variables are so many numbers.
    #[inline(always)]
    fn part(&self, membrane: usize) -> Part {
        Part { offset: self.offset, size: self.size, rest: self.rest, latch: membrane + self.latch }
    }

    /// How many other state variables and how many latches it has.
    #[inline(always)]
    fn lengths(&self) -> (usize, usize) {
        ((self.dim - 1) * self.size, self.latches)
    }

    /// The part of a gradient that its loops add to.
    #[inline(always)]
    pub(crate) fn parameter_bar<'a>(&self, gradient: &'a mut [T]) -> ParameterBar<'a, T> {
        // Most are not trained, and every step asks.
        if !self.trains_neurons && !self.trains_width {
            return ParameterBar { neuron: None, width: None };
        }
        let (neuron, rest) = gradient[self.parameters.start..].split_at_mut(self.parameters.len());
        ParameterBar {
            neuron: self.trains_neurons.then_some(neuron),
            width: self.trains_width.then_some(&mut rest[0]),
        }
    }
}

/// A network of gated-synapse spiking neurons: its structure and its parameters.
///
/// Generic over the float type; build it in f64 and convert with [`to_f32`](Self::to_f32).
///
/// ```
/// use spikegrad_models::{GateShape, Theta};
/// use spikegrad_network::{Network, Population};
///
/// let mut network = Network::builder()
///     .population(Population::new("theta", Theta::default(), 20, GateShape::RaisedCosine, 0.3))
///     .synapse("slow", 20.0)
///     .synapse("fast", 5.0)
///     .without_autapses("fast")
///     .inputs(2)
///     .outputs(1)
///     .build()?;
/// network.parameters.readout_mut().fill(0.1);
/// assert_eq!(network.parameters.recurrent(1).shape(), (20, 20));
/// # Ok::<(), spikegrad_network::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Network<T: 'static> {
    /// Every parameter, and where it lies.
    pub parameters: Parameters<T>,
    /// The loops that step it.
    pub(crate) steps: &'static dyn Steps<T>,
    pub(crate) places: Vec<Place<T>>,
    pub(crate) classes: Vec<String>,
    /// What each neuron does to its targets, where that is fixed.
    pub(crate) signs: Vec<Option<Sign>>,
    /// Whose the delays of each class are.
    pub(crate) delayed: Vec<Delayed>,
    /// Rank of each class's weights, where they are two factors.
    pub(crate) ranks: Vec<Option<usize>>,
    pub(crate) masks: Vec<(Group, Arc<Vec<bool>>)>,
    pub(crate) frozen: HashSet<Group>,
    /// Entries of groups, column-major, that keep their values.
    pub(crate) frozen_entries: Vec<(Group, Arc<Vec<bool>>)>,
    pub(crate) neurons: usize,
    pub(crate) membrane: usize,
    pub(crate) latches: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// The most bytes that one of its large vectors takes.
    pub(crate) memory_limit: usize,
}

/// Collects the parts of a [`Network`].
#[derive(Clone, Debug, Default)]
pub struct NetworkBuilder {
    populations: Vec<Population>,
    classes: Vec<(String, f64)>,
    per_neuron: Vec<String>,
    delays: Vec<(String, Delayed, f64)>,
    ranks: Vec<(String, usize)>,
    no_autapses: Vec<String>,
    inputs: usize,
    outputs: usize,
    memory_limit: Option<usize>,
}

impl NetworkBuilder {
    /// Adds a population; neurons are numbered population by population.
    #[must_use]
    pub fn population(mut self, population: Population) -> Self {
        self.populations.push(population);
        self
    }

    /// Adds a synapse class with its time constant in ms. The first class is the one that is read out and that the
    /// loss sees as `s`.
    #[must_use]
    pub fn synapse(mut self, name: &str, tau: f64) -> Self {
        self.classes.push((name.to_owned(), tau));
        self
    }

    /// Gives each presynaptic neuron a time constant of its own in a synapse class, to be set and trained one by one.
    /// Such a network takes the dense path of the split step.
    #[must_use]
    pub fn tau_per_neuron(mut self, class: &str) -> Self {
        self.per_neuron.push(class.to_owned());
        self
    }

    /// Gives each presynaptic neuron a delay in a synapse class, ms, to be set and trained one by one: its charge arrives so
    /// much later, at trace and currents alike (equations (66), (67)). The gradient's cost still follows the spikes.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Theta};
    /// # use spikegrad_network::{Group, Network, Population};
    /// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// let mut network =
    ///     Network::builder().population(population).synapse("slow", 20.0).axonal_delays("slow", 1.5).build()?;
    /// network.parameters.group_mut(Group::Delay(0))[3] = 2.25;
    /// network.unfreeze(Group::Delay(0))?;
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    #[must_use]
    pub fn axonal_delays(mut self, class: &str, delay: f64) -> Self {
        self.delays.push((class.to_owned(), Delayed::Axonal, delay));
        self
    }

    /// Gives each connection of a synapse class a delay, ms, to be set and trained one by one. Currents arrive so much later;
    /// the trace, which is the presynaptic neuron's, does not. A spike costs `N` scattered additions instead of one product
    /// over a column.
    #[must_use]
    pub fn connection_delays(mut self, class: &str, delay: f64) -> Self {
        self.delays.push((class.to_owned(), Delayed::Connections, delay));
        self
    }

    /// Makes the weights of a synapse class the product `W = L R` of two factors, `N x r` and `r x N`, to be set and trained in
    /// place of `W` (equations (70), (71)): a network of low rank has few modes of activity by construction, and a step that
    /// releases charge of `A` neurons costs `N r + r A` in place of `N A`. Where both factors are zero, so is their gradient:
    /// start at least one of them at random.
    ///
    /// Masks, delays, Dale's law and time constants of each neuron need every weight by itself and do not go with it.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Theta};
    /// # use spikegrad_network::{Network, Population};
    /// # let population = Population::new("theta", Theta::default(), 100, GateShape::RaisedCosine, 0.3);
    /// let mut network =
    ///     Network::builder().population(population).synapse("slow", 20.0).low_rank("slow", 2).build()?;
    /// assert_eq!(network.parameters.left(0).shape(), (100, 2));
    /// network.parameters.right_mut(0).fill(0.01);
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    #[must_use]
    pub fn low_rank(mut self, class: &str, rank: usize) -> Self {
        self.ranks.push((class.to_owned(), rank));
        self
    }

    /// Masks the diagonal of a synapse class: no neuron connects to itself, as fast synapses must not.
    #[must_use]
    pub fn without_autapses(mut self, class: &str) -> Self {
        self.no_autapses.push(class.to_owned());
        self
    }

    /// Sets the number of inputs.
    #[must_use]
    pub fn inputs(mut self, inputs: usize) -> Self {
        self.inputs = inputs;
        self
    }

    /// Sets the number of outputs.
    #[must_use]
    pub fn outputs(mut self, outputs: usize) -> Self {
        self.outputs = outputs;
        self
    }

    /// Sets the most bytes that the parameters may take, and so what is on its way behind delays, and the traces of a recording:
    /// 16 GiB unless said otherwise. No portable program can ask how much memory there is; the limit turns a network that was
    /// never meant, or a trial of years, into an error.
    #[must_use]
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory_limit = Some(bytes);
        self
    }

    /// The network, with all weights and tonic currents zero, neurons at rest, and weights, tonic currents and readout
    /// trainable; time constants, neuron parameters, initial state and gate widths are frozen until
    /// [`Network::unfreeze`] says otherwise.
    ///
    /// # Errors
    /// If there is no population, neuron or synapse class, a name occurs twice, a value is out of its domain, or the parameters do
    /// not fit into memory.
    pub fn build(self) -> Result<Network<f64>, Error> {
        let empty = |what| Err(Error::Empty { what });
        if self.populations.is_empty() {
            return empty("population");
        }
        if self.classes.is_empty() {
            return empty("synapse class");
        }
        if self.populations.iter().any(|p| p.size == 0) {
            return empty("neuron in one of the populations");
        }
        let duplicate = |what, names: &[&str]| {
            let mut seen = HashSet::new();
            match names.iter().find(|n| !seen.insert(**n)) {
                Some(name) => Err(Error::Duplicate { what, name: (*name).to_owned() }),
                None => Ok(()),
            }
        };
        duplicate("population", &self.populations.iter().map(|p| p.name.as_str()).collect::<Vec<_>>())?;
        duplicate("synapse class", &self.classes.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>())?;
        let class = |name: &String| match self.classes.iter().position(|(n, _)| n == name) {
            Some(index) => Ok(index),
            None => {
                let known: Vec<_> = self.classes.iter().map(|(n, _)| n.as_str()).collect();
                Err(Error::UnknownClass { name: name.clone(), known: known.join(", ") })
            }
        };
        let per_neuron = self.per_neuron.iter().map(class).collect::<Result<Vec<_>, _>>()?;
        let mut delayed = vec![(Delayed::Not, 0.0); self.classes.len()];
        for (name, whose, delay) in &self.delays {
            delayed[class(name)?] = (*whose, *delay);
        }
        if let Some(class) = delayed.iter().position(|d| d.0 == Delayed::Connections)
            && per_neuron.contains(&class)
        {
            return Err(Error::DenseDelays { class });
        }
        let no_autapses = self.no_autapses.iter().map(class).collect::<Result<Vec<_>, _>>()?;

        // A sum that overflows is more than any memory, which is found below.
        let n = self.populations.iter().fold(0_usize, |n, p| n.saturating_add(p.size));
        let mut ranks = vec![None; self.classes.len()];
        for (name, rank) in &self.ranks {
            let class = class(name)?;
            if *rank == 0 || *rank > n {
                return Err(Error::Rank { class, rank: *rank, neurons: n });
            }
            for (is_there, what) in [
                (no_autapses.contains(&class), "a mask"),
                (delayed[class].0 != Delayed::Not, "delays"),
                (!per_neuron.is_empty(), "a time constant for each neuron"),
            ] {
                if is_there {
                    return Err(Error::LowRank { class, what });
                }
            }
            ranks[class] = Some(*rank);
        }
        let mut layout = Layout::default();
        for (k, (name, _)) in self.classes.iter().enumerate() {
            match ranks[k] {
                None => layout.push(Group::Recurrent(k), format!("W[{name}]"), n, n),
                Some(rank) => {
                    layout.push(Group::Left(k), format!("L[{name}]"), n, rank);
                    layout.push(Group::Right(k), format!("R[{name}]"), rank, n);
                }
            }
        }
        layout.push(Group::Input, "U".into(), n, self.inputs);
        layout.push(Group::Bias, "I_o".into(), n, 1);
        layout.push(Group::Readout, "O".into(), self.outputs, n);
        for (k, (name, _)) in self.classes.iter().enumerate() {
            layout.push(
                Group::Tau(k),
                format!("tau[{name}]"),
                if per_neuron.contains(&k) { n } else { 1 },
                1,
            );
        }
        for (k, (name, _)) in self.classes.iter().enumerate() {
            let name = format!("delay[{name}]");
            match delayed[k].0 {
                Delayed::Not => {}
                Delayed::Axonal => layout.push(Group::Delay(k), name, n, 1),
                Delayed::Connections => layout.push(Group::Delay(k), name, n, n),
            }
        }
        let mut places = Vec::new();
        let (mut offset, mut rest, mut latch) = (0, n, 0);
        for (index, p) in self.populations.iter().enumerate() {
            let Some(dynamics) = p.dynamics else {
                return Err(Error::ModelName { population: p.name.clone(), model: p.model });
            };
            let each = if p.per_neuron { p.size } else { 1 };
            let start = layout.len();
            for (parameter, info) in dynamics.parameters().iter().enumerate() {
                let group = Group::Neuron { population: index, parameter };
                layout.push(group, format!("{}.{}", p.name, info.name), each, 1);
            }
            let parameters = start..layout.len();
            let width = layout.len();
            layout.push(Group::GateWidth(index), format!("{}.gate_width", p.name), 1, 1);
            let dim = dynamics.dim();
            let probe = probe(p);
            let reset = dynamics.reset(&probe, 0);
            let (hard, located) = (matches!(reset, Reset::To { .. }), dynamics.is_located());
            let closed = dynamics.integration() == Integration::ClosedForm;
            if hard && !closed && !located {
                return Err(Error::NoClosedForm { population: p.name.clone() });
            }
            if located && (!hard || closed) {
                return Err(Error::Located { population: p.name.clone() });
            }
            if closed && !hard {
                return Err(Error::NothingToLocate { population: p.name.clone() });
            }
            if closed && !is_affine(p, dynamics) {
                return Err(Error::NotAffine { population: p.name.clone() });
            }
            let latches = if dynamics.keeps(&probe) { p.size } else { 0 };
            places.push(Place {
                name: p.name.clone(),
                offset,
                size: p.size,
                rest,
                latch,
                latches,
                dim,
                shape: p.shape,
                per_neuron: p.per_neuron,
                dynamics,
                parameters,
                width,
                trains_neurons: false,
                trains_width: false,
            });
            offset = offset.saturating_add(p.size);
            rest = rest.saturating_add(p.size.saturating_mul(dim - 1));
            latch = latch.saturating_add(latches);
        }
        layout.push(Group::Initial, "x_0".into(), rest, 1);

        let memory_limit = self.memory_limit.unwrap_or(MEMORY_LIMIT);
        memory::check("the network's parameters", layout.bytes::<f64>(), memory_limit)?;
        if n > u32::MAX as usize {
            return Err(Error::TooManyNeurons { neurons: n });
        }
        let mut parameters = Parameters::zeros(Arc::new(layout))?;
        for (k, (_, tau)) in self.classes.iter().enumerate() {
            parameters.group_mut(Group::Tau(k)).fill(*tau);
            parameters.group_mut(Group::Delay(k)).fill(delayed[k].1);
        }
        for (index, (place, p)) in places.iter().zip(&self.populations).enumerate() {
            for (parameter, &value) in p.parameters.iter().enumerate() {
                parameters.group_mut(Group::Neuron { population: index, parameter }).fill(value);
            }
            parameters.group_mut(Group::GateWidth(index))[0] = p.width;
            let x = parameters.group_mut(Group::Initial);
            x[place.offset..][..p.size].fill(p.rest[0]);
            for (c, &value) in p.rest.iter().enumerate().skip(1) {
                x[place.rest + (c - 1) * p.size..][..p.size].fill(value);
            }
        }
        let frozen = parameters.layout().entries().iter().map(|e| e.group).filter(|g| {
            let weights = matches!(g, Group::Recurrent(_) | Group::Left(_) | Group::Right(_));
            !weights && !matches!(g, Group::Input | Group::Bias | Group::Readout)
        });
        let mut signs = memory::room("the neurons' signs", n)?;
        for population in &self.populations {
            signs.extend(std::iter::repeat_n(population.sign, population.size));
        }
        let mut network = Network {
            frozen: frozen.collect(),
            frozen_entries: Vec::new(),
            parameters,
            steps: split::DOUBLE,
            places,
            classes: self.classes.into_iter().map(|(name, _)| name).collect(),
            signs,
            delayed: delayed.into_iter().map(|(whose, _)| whose).collect(),
            ranks,
            masks: Vec::new(),
            neurons: n,
            membrane: rest,
            latches: latch,
            inputs: self.inputs,
            outputs: self.outputs,
            memory_limit,
        };
        for k in no_autapses {
            network.set_mask(Group::Recurrent(k), |post, pre| post != pre)?;
        }
        network.validate()?;
        Ok(network)
    }
}

impl Network<f64> {
    /// Starts a network.
    pub fn builder() -> NetworkBuilder {
        NetworkBuilder::default()
    }
}

impl<T: RealField + Copy> Network<T> {
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

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Names of the synapse classes; the first is read out.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Names and ranges of the populations' neurons.
    pub fn populations(&self) -> impl Iterator<Item = (&str, std::ops::Range<usize>)> {
        self.places.iter().map(|p| (p.name.as_str(), p.offset..p.offset + p.size))
    }

    /// The structure, line by line: populations with their models and gates, then every group with its size. Two networks
    /// of one structure can have each other's parameters.
    pub fn structure(&self) -> Vec<String> {
        let population = |p: &Place<T>| {
            let (model, gate) = (p.dynamics.model(), p.shape.name());
            format!("population {}: {} {model} neurons, {gate} gate", p.name, p.size)
        };
        let entry = |e: &crate::Entry| {
            // One neuron has one delay in either case, but not the same one.
            let of = match e.group {
                Group::Delay(k) if self.delayed[k] == Delayed::Connections => ", of connections",
                _ => "",
            };
            format!("{}: {} parameters{of}", e.name, e.range.len())
        };
        let groups = self.parameters.layout().entries().iter().map(entry);
        self.places.iter().map(population).chain(groups).collect()
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
    /// does not change them; the other ones are trained. A vector has one column. Where `frozen` is true for none, no entry is
    /// frozen by itself any more.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Nif};
    /// # use spikegrad_network::{Group, Network, Population};
    /// # let population = Population::new("nif", Nif, 6, GateShape::Box, 0.3);
    /// # let mut network = Network::builder().population(population).synapse("slow", 10.0).build()?;
    /// // A reservoir of four neurons that stays as it is; the weights to and from the other two are trained.
    /// network.freeze_entries(Group::Recurrent(0), |post, pre| post < 4 && pre < 4)?;
    /// assert_eq!(network.frozen_entries(Group::Recurrent(0)).map(|f| f.iter().filter(|f| **f).count()), Some(16));
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
        let rows = entry.rows.max(1);
        let frozen = (0..entry.range.len()).map(|i| frozen(i % rows, i / rows));
        let frozen: Vec<bool> = memory::collect("the list of frozen entries", frozen)?;
        self.frozen_entries.retain(|(g, _)| *g != group);
        if frozen.contains(&true) {
            self.frozen_entries.push((group, Arc::new(frozen)));
        }
        Ok(())
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

    fn check_group(&self, group: Group) -> Result<&crate::Entry, Error> {
        let layout = self.parameters.layout();
        layout.entry(group).ok_or_else(|| {
            let known = layout.entries().iter().map(|e| e.group.to_string()).collect::<Vec<_>>().join(", ");
            Error::NoGroup { group, known }
        })
    }

    fn note_frozen(&mut self) {
        let Self { places, frozen, .. } = self;
        for (population, place) in places.iter_mut().enumerate() {
            let mut neuron = (0..place.dynamics.parameters().len())
                .map(|parameter| Group::Neuron { population, parameter });
            place.trains_neurons = neuron.any(|group| !frozen.contains(&group));
            place.trains_width = !frozen.contains(&Group::GateWidth(population));
        }
    }

    /// Whether a group's gradient is computed.
    pub fn is_trainable(&self, group: Group) -> bool {
        !self.frozen.contains(&group)
    }

    /// Whether only positive values of a group make sense: time constants, delays, gate widths, some neuron parameters.
    pub fn is_positive(&self, group: Group) -> bool {
        match group {
            Group::Tau(_) | Group::Delay(_) | Group::GateWidth(_) => true,
            Group::Neuron { population, parameter } => {
                let place = self.places.get(population);
                place.and_then(|p| p.dynamics.parameters().get(parameter)).is_some_and(|p| p.positive)
            }
            _ => false,
        }
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
    /// network.set_mask(Group::Recurrent(0), |post, pre| post >= 3 && pre < 3)?;
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the group has no mask, or there is no memory for it.
    pub fn set_mask(&mut self, group: Group, exists: impl Fn(usize, usize) -> bool) -> Result<(), Error> {
        let entry = match (group, self.parameters.layout().entry(group)) {
            (Group::Recurrent(_) | Group::Input | Group::Readout, Some(entry)) => entry,
            _ => return Err(Error::NoMask { group }),
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
            Group::Delay(k) if self.delayed.get(k) == Some(&Delayed::Connections) => Group::Recurrent(k),
            group => group,
        };
        self.masks.iter().find(|(g, _)| *g == group).map(|(_, mask)| mask.as_slice())
    }

    /// Checks every parameter: finite, in its domain, zero where masked.
    ///
    /// # Errors
    /// The first value that is not, with its name; signs of neurons whose weights are of low rank.
    pub fn validate(&self) -> Result<(), Error> {
        if self.signs.iter().any(Option::is_some) {
            self.check_full_rank("Dale's law")?;
        }
        for entry in self.parameters.layout().entries() {
            let values = &self.parameters.values()[entry.range.clone()];
            if let Some(index) = values.iter().position(|x| !x.is_finite()) {
                return Err(Error::NonFinite { what: entry.name.clone(), index });
            }
            let positive = self.is_positive(entry.group);
            if let Some(&value) = values.iter().find(|&&x| positive && x <= T::zero()) {
                return Err(Error::NotPositive {
                    what: entry.name.clone(),
                    value: value.to_subset_unchecked(),
                });
            }
        }
        for (group, mask) in &self.masks {
            let values = self.parameters.group(*group);
            if let Some(index) = mask.iter().zip(values).position(|(&exists, &x)| !exists && x != T::zero()) {
                return Err(Error::Masked {
                    group: *group,
                    index,
                    value: values[index].to_subset_unchecked(),
                });
            }
        }
        for place in &self.places {
            let at = self.setting(place, T::one(), None);
            for i in 0..if place.per_neuron { place.size } else { 1 } {
                if let Some(widest) = place.dynamics.reset(&at, i).widest_zone()
                    && !(at.width <= widest)
                {
                    return Err(Error::GateWidth {
                        population: place.name.clone(),
                        width: at.width.to_subset_unchecked(),
                        widest: widest.to_subset_unchecked(),
                    });
                }
            }
        }
        self.check_initial(self.parameters.group(Group::Initial))
    }

    /// Checks an initial membrane state: finite, below threshold where there is a reset.
    pub(crate) fn check_initial(&self, x: &[T]) -> Result<(), Error> {
        if x.len() != self.membrane {
            return Err(Error::Shape {
                what: "the initial membrane state".into(),
                expected: self.membrane,
                found: x.len(),
            });
        }
        if let Some(index) = x.iter().position(|x| !x.is_finite()) {
            return Err(Error::NonFinite { what: "the initial membrane state".into(), index });
        }
        for place in &self.places {
            let at = self.setting(place, T::one(), None);
            for i in 0..place.size {
                let reset = place.dynamics.reset(&at, if place.per_neuron { i } else { 0 });
                let v = x[place.offset + i];
                if matches!(reset, Reset::Subtract | Reset::To { .. }) && !(v < reset.threshold()) {
                    return Err(Error::AboveThreshold {
                        neuron: place.offset + i,
                        v: v.to_subset_unchecked(),
                        threshold: reset.threshold().to_subset_unchecked(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Refuses delays on behalf of a scheme that has none.
    pub(crate) fn check_undelayed(&self, scheme: &'static str) -> Result<(), Error> {
        match self.delayed.iter().position(|&whose| whose != Delayed::Not) {
            Some(class) => Err(Error::Delayed { class, scheme }),
            None => Ok(()),
        }
    }

    /// Refuses weights of low rank on behalf of what needs every weight by itself.
    pub(crate) fn check_full_rank(&self, what: &'static str) -> Result<(), Error> {
        match self.ranks.iter().position(Option::is_some) {
            Some(class) => Err(Error::LowRank { class, what }),
            None => Ok(()),
        }
    }

    /// What the loops over a population need to know, for a method or that which its model names.
    pub(crate) fn setting<'a>(&'a self, place: &Place<T>, h: T, method: Option<Method>) -> Setting<'a, T> {
        let method = method.unwrap_or_else(|| method_of(place.dynamics.integration()));
        Setting {
            arch: *ARCH,
            h,
            tableau: method.explicit(),
            exponential: method.exponential(),
            parameters: &self.parameters.values()[place.parameters.clone()],
            per_neuron: place.per_neuron,
            shape: place.shape,
            width: self.parameters.values()[place.width],
            growth: None,
            part: place.part(self.membrane),
        }
    }

    fn convert<U: RealField + Copy>(
        &self,
        scalar: impl Fn(T) -> U,
        dynamics: impl Fn(&'static dyn Dynamics<T>) -> &'static dyn Dynamics<U>,
        steps: &'static dyn Steps<U>,
    ) -> Network<U> {
        let place = |p: &Place<T>| Place {
            name: p.name.clone(),
            offset: p.offset,
            size: p.size,
            rest: p.rest,
            latch: p.latch,
            latches: p.latches,
            dim: p.dim,
            shape: p.shape,
            per_neuron: p.per_neuron,
            dynamics: dynamics(p.dynamics),
            parameters: p.parameters.clone(),
            width: p.width,
            trains_neurons: p.trains_neurons,
            trains_width: p.trains_width,
        };
        Network {
            parameters: self.parameters.map(scalar),
            steps,
            places: self.places.iter().map(place).collect(),
            classes: self.classes.clone(),
            signs: self.signs.clone(),
            delayed: self.delayed.clone(),
            ranks: self.ranks.clone(),
            masks: self.masks.clone(),
            frozen: self.frozen.clone(),
            frozen_entries: self.frozen_entries.clone(),
            neurons: self.neurons,
            membrane: self.membrane,
            latches: self.latches,
            inputs: self.inputs,
            outputs: self.outputs,
            memory_limit: self.memory_limit,
        }
    }

    /// The same network in single precision.
    pub fn to_f32(&self) -> Network<f32> {
        self.convert(|x| x.to_subset_unchecked(), |d| d.single(), split::SINGLE)
    }

    /// The same network in double precision.
    pub fn to_f64(&self) -> Network<f64> {
        self.convert(|x| x.to_subset_unchecked(), |d| d.double(), split::DOUBLE)
    }

    /// The same network over dual numbers with tangents zero: seed the parameters' tangents and run it for a forward
    /// sensitivity.
    pub fn to_dual(&self) -> Network<Dual64> {
        self.convert(|x| Dual64::from_re(x.to_subset_unchecked()), |d| d.dual(), split::DUAL)
    }
}

/// The setting of a population that is in no network yet, to ask its model with.
fn probe(p: &Population) -> Setting<'_, f64> {
    Setting {
        arch: *ARCH,
        h: 1.0,
        tableau: tableau::EULER,
        exponential: None,
        parameters: &p.parameters,
        per_neuron: false,
        shape: p.shape,
        width: p.width,
        growth: None,
        part: Part::default(),
    }
}

/// Whether a model's `f` is affine in its only variable, at a rate that does not depend on the current, to rounding, between
/// rest and threshold.
fn is_affine(p: &Population, dynamics: &dyn Dynamics<f64>) -> bool {
    let at = probe(p);
    let f = |v: f64, current: f64| {
        let mut f = [0.0];
        let x = Block { v: &[v], rest: &[], latch: &[] };
        dynamics.rhs(&at, x, &[current], BlockMut { v: &mut f, rest: &mut [], latch: &mut [] });
        f[0]
    };
    if dynamics.dim() != 1 {
        return false;
    }
    let (low, rate) = (f(0.0, 0.1), f(1.0, 0.0) - f(0.0, 0.0));
    let scale = low.abs().max(rate.abs()).max(f64::MIN_POSITIVE);
    [0.25, 0.5, 1.0].iter().all(|&v| (f(v, 0.1) - low - v * rate).abs() <= 1e-12 * scale)
}

/// A population's part of a membrane state, of which voltages and other state variables are so many numbers.
#[inline(always)]
pub(crate) fn block<'a, T>(place: &Place<T>, membrane: usize, x: &'a [T]) -> Block<'a, T> {
    place.part(membrane).block(x, place.lengths())
}

/// The same to be written.
#[inline(always)]
pub(crate) fn block_mut<'a, T>(place: &Place<T>, membrane: usize, x: &'a mut [T]) -> BlockMut<'a, T> {
    place.part(membrane).block_mut(x, place.lengths())
}
