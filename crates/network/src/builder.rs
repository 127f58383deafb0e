//! How a network is put together from populations and synapse classes.

use std::collections::HashSet;
use std::sync::Arc;

use spikegrad_integrators::tableau;
use spikegrad_models::{Locate, Reset};

use crate::kernels::ARCH;
use crate::memory::{self, MEMORY_LIMIT};
use crate::parameters::Layout;
use crate::placed::Placed;
use crate::populations::{Block, BlockMut, Context, Offsets, PopulationLoops};
use crate::projections::Delayed;
use crate::{Error, Group, Network, Parameters, Population};

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
