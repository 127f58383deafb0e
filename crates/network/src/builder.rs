//! How a network is put together from populations and projections.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use spikegrad_integrators::tableau;
use spikegrad_models::{Locate, Reset};

use crate::kernels::ARCH;
use crate::memory::{self, MEMORY_LIMIT};
use crate::parameters::Layout;
use crate::placed::Placed;
use crate::populations::{Block, BlockMut, Context, Offsets, PopulationLoops};
use crate::projections::{Delayed, Wire};
use crate::{Error, Feature, Group, Network, Parameters, Population, Projection};

/// Collects the parts of a [`Network`].
#[derive(Clone, Debug, Default)]
pub struct NetworkBuilder {
    populations: Vec<Population>,
    projections: Vec<Projection>,
    sources: Vec<(String, usize)>,
    inputs: usize,
    outputs: usize,
    read: Option<String>,
    /// The name of a projection that was to be changed before it was there.
    unknown: Option<String>,
    memory_limit: Option<usize>,
}

impl NetworkBuilder {
    /// Adds a population; neurons are numbered population by population.
    #[must_use]
    pub fn population(mut self, population: Population) -> Self {
        self.populations.push(population);
        self
    }

    /// Adds a projection. Unless [`read_from`](Self::read_from) names another one, the first one's traces are read out and are what
    /// the loss sees as `s`.
    #[must_use]
    pub fn projection(mut self, projection: Projection) -> Self {
        self.projections.push(projection);
        self
    }

    /// Adds a source of so many channels that release charges from outside the network, the [`events`](crate::Trial::events) of a
    /// trial. Projections come from a source by its name, as from a population, and can be of any kind.
    ///
    /// ```
    /// use spikegrad_models::{GateShape, Lif};
    /// use spikegrad_network::{Event, Network, Population, Projection, Trial};
    ///
    /// let network = Network::builder()
    ///     .population(Population::new("lif", Lif::default(), 10, GateShape::RaisedCosine, 0.3))
    ///     .source("retina", 100)
    ///     .projection(Projection::new("inside", 10.0))
    ///     .projection(Projection::new("from_retina", 5.0).between("retina", "lif"))
    ///     .build()?;
    /// assert_eq!(network.parameters.weight(1).shape(), (10, 100));
    /// let mut trial = Trial::silent(200, 0.5, 0);
    /// trial.events = vec![Event { time: 12.3, channel: 7, charge: 1.0 }];
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    #[must_use]
    pub fn source(mut self, name: &str, channels: usize) -> Self {
        self.sources.push((name.to_owned(), channels));
        self
    }

    /// Adds a projection from all neurons to all, with its time constant in ms: short for [`Projection::new`].
    #[must_use]
    pub fn synapse(self, name: &str, tau: f64) -> Self {
        self.projection(Projection::new(name, tau))
    }

    /// Changes a projection that was added before.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Theta};
    /// # use spikegrad_network::{Network, Population};
    /// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// let builder = Network::builder().population(population).synapse("slow", 20.0).synapse("fast", 5.0);
    /// let network = builder.change("fast", |fast| fast.without_autapses()).build()?;
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    #[must_use]
    pub fn change(mut self, projection: &str, change: impl FnOnce(Projection) -> Projection) -> Self {
        match self.projections.iter_mut().find(|p| p.name == projection) {
            Some(found) => *found = change(found.clone()),
            None => self.unknown = Some(projection.to_owned()),
        }
        self
    }

    /// Reads the outputs from the traces of this projection, which are those of its presynaptic neurons.
    #[must_use]
    pub fn read_from(mut self, projection: &str) -> Self {
        self.read = Some(projection.to_owned());
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
    /// If there is no population, neuron or projection, a name occurs twice or is not known, a value is out of its domain, what
    /// a projection has does not go together, or the parameters do not fit into memory.
    pub fn build(self) -> Result<Network<f64>, Error> {
        let empty = |what| Err(Error::Empty { what });
        if self.populations.is_empty() {
            return empty("population");
        }
        if self.projections.is_empty() {
            return empty("projection");
        }
        if self.populations.iter().any(|p| p.size == 0) {
            return empty("neuron in one of the populations");
        }
        let sources = self.sources.iter().map(|(name, _)| name);
        distinct("population or source", self.populations.iter().map(|p| &p.name).chain(sources))?;
        distinct("projection", self.projections.iter().map(|p| &p.name))?;
        // A sum that overflows is more than any memory, which is found below.
        let n = self.populations.iter().fold(0_usize, |n, p| n.saturating_add(p.size));
        let memory_limit = self.memory_limit.unwrap_or(MEMORY_LIMIT);
        let wires = self.wires(n, memory_limit)?;
        if let Some(name) = &self.unknown {
            find("projection", name, self.projections.iter().map(|p| &p.name))?;
        }
        let read = match &self.read {
            None => 0,
            Some(name) => find("projection", name, self.projections.iter().map(|p| &p.name))?,
        };
        let mut layout = Layout::default();
        for (k, Wire { name, pre, post, rank, connections, .. }) in wires.iter().enumerate() {
            match (rank, connections) {
                (Some(rank), _) => {
                    layout.push(Group::Left(k), format!("L[{name}]"), post.len(), *rank);
                    layout.push(Group::Right(k), format!("R[{name}]"), *rank, pre.len());
                }
                (None, Some(list)) => layout.push(Group::Weight(k), format!("W[{name}]"), list.len(), 1),
                (None, None) => layout.push(Group::Weight(k), format!("W[{name}]"), post.len(), pre.len()),
            }
        }
        layout.push(Group::Input, "U".into(), n, self.inputs);
        layout.push(Group::Bias, "I_o".into(), n, 1);
        layout.push(Group::Readout, "O".into(), self.outputs, wires[read].pre.len());
        for (k, wire) in wires.iter().enumerate() {
            let taus = if wire.own_taus { wire.pre.len() } else { 1 };
            layout.push(Group::Tau(k), format!("tau[{}]", wire.name), taus, 1);
        }
        for (k, Wire { name, pre, post, connections, delayed, .. }) in wires.iter().enumerate() {
            let name = format!("delay[{name}]");
            match (delayed, connections) {
                (Delayed::Not, _) => {}
                (Delayed::Axonal, _) => layout.push(Group::Delay(k), name, pre.len(), 1),
                (Delayed::Connections, Some(list)) => layout.push(Group::Delay(k), name, list.len(), 1),
                (Delayed::Connections, None) => layout.push(Group::Delay(k), name, post.len(), pre.len()),
            }
        }
        let mut places = Vec::new();
        let (mut offset, mut rest, mut latch) = (0, n, 0);
        for (index, p) in self.populations.iter().enumerate() {
            let Some(loops) = p.loops else {
                return Err(Error::ModelName { population: p.name.clone(), model: p.model });
            };
            let of_model = loops.of::<f64>();
            let each = if p.per_neuron { p.size } else { 1 };
            let start = layout.len();
            for (parameter, info) in of_model.parameters().iter().enumerate() {
                let group = Group::Neuron { population: index, parameter };
                layout.push(group, format!("{}.{}", p.name, info.name), each, 1);
            }
            let parameters = start..layout.len();
            let width = layout.len();
            layout.push(Group::GateWidth(index), format!("{}.gate_width", p.name), 1, 1);
            let dim = of_model.dim();
            let probe = probe(p);
            let reset = of_model.reset(&probe, 0);
            let hard = matches!(reset, Reset::To { .. });
            if hard != (of_model.locate() != Locate::No) {
                return Err(Error::Locate { population: p.name.clone(), hard });
            }
            if of_model.locate() == Locate::ClosedForm && !is_affine(p, of_model) {
                return Err(Error::NotAffine { population: p.name.clone() });
            }
            let latches = if of_model.keeps(&probe) { p.size } else { 0 };
            places.push(Placed {
                name: p.name.clone(),
                offset,
                size: p.size,
                rest,
                latch,
                latches,
                dim,
                shape: p.shape,
                per_neuron: p.per_neuron,
                loops,
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

        memory::check("the network's parameters", layout.bytes::<f64>(), memory_limit)?;
        // Channels are numbered as neurons are.
        let all = self.sources.iter().fold(n, |all, (_, channels)| all.saturating_add(*channels));
        if all > u32::MAX as usize {
            return Err(Error::TooManyNeurons { neurons: all });
        }
        let mut parameters = Parameters::zeros(Arc::new(layout))?;
        for (k, projection) in self.projections.iter().enumerate() {
            parameters.group_mut(Group::Tau(k)).fill(projection.tau);
            parameters.group_mut(Group::Delay(k)).fill(projection.delay);
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
            let weights = matches!(g, Group::Weight(_) | Group::Left(_) | Group::Right(_));
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
            places,
            traces: wires.last().map_or(0, |wire| wire.traces().end),
            currents: wires.last().map_or(0, |wire| wire.currents().end),
            whole: wires.iter().all(|wire| wire.pre.len() == n && wire.post.len() == n),
            wires,
            channels: self.sources.iter().fold(0, |all, (_, channels)| all.saturating_add(*channels)),
            read,
            signs,
            masks: Vec::new(),
            neurons: n,
            membrane: rest,
            latches: latch,
            inputs: self.inputs,
            outputs: self.outputs,
            memory_limit,
        };
        for (k, projection) in self.projections.iter().enumerate().filter(|(_, p)| !p.autapses) {
            let wire = &network.wires[k];
            // A list of connections leaves them out already.
            if wire.connections.is_none() && wire.pre == wire.post {
                if wire.rank.is_some() {
                    let (feature, other) = (Feature::LowRank, Feature::Mask);
                    return Err(Error::Excluded { projection: projection.name.clone(), feature, other });
                }
                network.set_mask(Group::Weight(k), |post, pre| post != pre)?;
            }
        }
        network.validate()?;
        Ok(network)
    }

    /// The neurons of a population, or the channels of a source, which are numbered after the neurons.
    fn neurons(&self, what: &'static str, name: &str) -> Result<Range<usize>, Error> {
        let parts = self.populations.iter().map(|p| (&p.name, p.size));
        let parts = parts.chain(self.sources.iter().map(|(name, channels)| (name, *channels)));
        let index = find(what, name, parts.clone().map(|(name, _)| name))?;
        let ends = parts.scan(0_usize, |end, (_, size)| {
            let start = *end;
            *end = end.saturating_add(size);
            Some(start..*end)
        });
        Ok(ends.skip(index).next().unwrap_or_default())
    }

    /// Where each projection lies between `n` neurons.
    fn wires(&self, n: usize, memory_limit: usize) -> Result<Vec<Wire>, Error> {
        let (mut trace, mut current) = (0_usize, 0_usize);
        let mut wires = Vec::with_capacity(self.projections.len());
        for projection in &self.projections {
            let (pre, post) = match &projection.ends {
                None => (0..n, 0..n),
                Some((pre, post)) => {
                    (self.neurons("population or source", pre)?, self.neurons("population", post)?)
                }
            };
            if post.start >= n {
                return Err(Error::IntoSource { projection: projection.name.clone() });
            }
            let name = projection.name.clone();
            let most = pre.len().min(post.len());
            if let Some(rank) = projection.rank
                && (rank == 0 || rank > most)
            {
                return Err(Error::Rank { projection: name, rank, most });
            }
            let autapses = projection.autapses || pre != post;
            let sizes = (post.len(), pre.len());
            let connections = projection.connector.connect(&name, sizes, autapses, memory_limit)?;
            let (delayed, rank) = (projection.delayed, projection.rank);
            let own_taus = projection.tau_per_neuron;
            let (traces, currents) = (pre.len(), post.len());
            wires.push(Wire { name, pre, post, trace, current, delayed, rank, connections, own_taus });
            (trace, current) = (trace.saturating_add(traces), current.saturating_add(currents));
        }
        Ok(wires)
    }
}

/// The place of a name among those that there are.
fn find<'a>(
    what: &'static str,
    name: &str,
    names: impl Iterator<Item = &'a String> + Clone,
) -> Result<usize, Error> {
    names.clone().position(|n| n == name).ok_or_else(|| {
        let known = names.map(String::as_str).collect::<Vec<_>>().join(", ");
        Error::Unknown { what, name: name.to_owned(), known }
    })
}

/// Refuses a name that occurs twice.
fn distinct<'a>(what: &'static str, mut names: impl Iterator<Item = &'a String>) -> Result<(), Error> {
    let mut seen = HashSet::new();
    match names.find(|name| !seen.insert(*name)) {
        Some(name) => Err(Error::Duplicate { what, name: name.clone() }),
        None => Ok(()),
    }
}

impl Network<f64> {
    /// Starts a network.
    pub fn builder() -> NetworkBuilder {
        NetworkBuilder::default()
    }
}

/// What the loops of a population that is in no network yet need to know, to ask its model.
fn probe(p: &Population) -> Context<'_, f64> {
    Context {
        arch: *ARCH,
        h: 1.0,
        tableau: tableau::EULER,
        exponential: None,
        parameters: &p.parameters,
        per_neuron: false,
        shape: p.shape,
        width: p.width,
        growth: None,
        offsets: Offsets::default(),
    }
}

/// Whether a model's `f` is affine in its only variable, at a rate that does not depend on the current, to rounding, between
/// rest and threshold.
fn is_affine(p: &Population, of_model: &dyn PopulationLoops<f64>) -> bool {
    let at = probe(p);
    let f = |v: f64, current: f64| {
        let mut f = [0.0];
        let x = Block { v: &[v], rest: &[], latch: &[] };
        of_model.rhs(&at, x, &[current], BlockMut { v: &mut f, rest: &mut [], latch: &mut [] });
        f[0]
    };
    if of_model.dim() != 1 {
        return false;
    }
    let (low, rate) = (f(0.0, 0.1), f(1.0, 0.0) - f(0.0, 0.0));
    let scale = low.abs().max(rate.abs()).max(f64::MIN_POSITIVE);
    [0.25, 0.5, 1.0].iter().all(|&v| (f(v, 0.1) - low - v * rate).abs() <= 1e-12 * scale)
}
