//! A projection as it is described before there is a network.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use spikegrad_models::{ExponentialSynapse, Kinetics, Parameter, Receptor, ShortTermPlasticity};

use super::connector::Connector;
use super::synapses;
use super::wire::Delayed;
use crate::once::once;

/// The populations that a projection comes from and goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Between {
    pub(crate) pre: String,
    pub(crate) post: String,
}

/// The delays of a projection, ms, and whose they are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Delay {
    Axonal(f64),
    Connection(f64),
}

fn exponential() -> String {
    ExponentialSynapse::NAME.to_owned()
}

fn is_exponential(kinetics: &str) -> bool {
    kinetics == ExponentialSynapse::NAME
}

fn yes() -> bool {
    true
}

fn is_all_to_all(connector: &Connector) -> bool {
    *connector == Connector::AllToAll
}

/// A projection: synapses of one kind from the neurons of a population, or of all, to those of a population, or of all. Traces
/// belong to its presynaptic neurons and currents to its postsynaptic ones; between them stand its weights, `N_post x N_pre`.
///
/// ```
/// use spikegrad_models::{GateShape, Lif};
/// use spikegrad_network::{Network, Population, Projection};
///
/// let layer = |name, size| Population::new(name, Lif::default(), size, GateShape::RaisedCosine, 0.3);
/// let network = Network::builder()
///     .population(layer("hidden", 100))
///     .population(layer("out", 10))
///     .projection(Projection::new("forward", 5.0).between("hidden", "out"))
///     .projection(Projection::new("inside", 10.0).between("hidden", "hidden").without_autapses())
///     .build()?;
/// assert_eq!(network.parameters.weight(0).shape(), (10, 100));
/// # Ok::<(), spikegrad_network::Error>(())
/// ```
/// A projection is data: in text it has a `name` and a `tau`, and may have `kinetics`, `short_term`, a `receptor` and the `parameters` of these, `tau_per_neuron`, `rank`, `autapses`, `between`, `delay`
/// (`{ axonal = 1.5 }` or `{ connection = 1.5 }`) and a `connector`, see [`NetworkSpec`](crate::NetworkSpec).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    pub(crate) name: String,
    pub(crate) tau: f64,
    #[serde(default = "exponential", skip_serializing_if = "is_exponential")]
    pub(crate) kinetics: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) short_term: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) receptor: Option<String>,
    /// The values that the synapses' parameters behind `tau` begin with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "once")]
    pub(crate) parameters: BTreeMap<String, f64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) tau_per_neuron: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rank: Option<usize>,
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub(crate) autapses: bool,
    /// The populations that it comes from and goes to; `None` for all neurons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) between: Option<Between>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delay: Option<Delay>,
    #[serde(default, skip_serializing_if = "is_all_to_all")]
    pub(crate) connector: Connector,
}

impl Projection {
    /// A projection from all neurons to all, with exponential synapses of time constant `tau`, ms.
    pub fn new(name: &str, tau: f64) -> Self {
        Self::with(name, ExponentialSynapse { tau })
    }

    /// A projection from all neurons to all, with synapses of these kinetics. Parameters behind `tau` are called `PROJECTION.tau_rise`
    /// and the like.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Theta};
    /// use spikegrad_models::{AlphaSynapse, DifferenceOfExponentials};
    /// use spikegrad_network::{Network, Population, Projection};
    ///
    /// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// let network = Network::builder()
    ///     .population(population)
    ///     .projection(Projection::with("fast", AlphaSynapse { tau: 2.0 }))
    ///     .projection(Projection::with("slow", DifferenceOfExponentials { tau: 80.0, tau_rise: 2.0 }))
    ///     .build()?;
    /// assert_eq!(network.parameters.get("slow.tau_rise")?, [2.0]);
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    pub fn with<K: Kinetics>(name: &str, kinetics: K) -> Self {
        let values = kinetics.params();
        let values = values.as_ref();
        let behind = K::PARAMETERS.iter().zip(values).skip(1);
        Self {
            name: name.to_owned(),
            tau: values[0],
            kinetics: K::NAME.to_owned(),
            short_term: None,
            receptor: None,
            parameters: behind.map(|(parameter, &value)| (parameter.name.to_owned(), value)).collect(),
            tau_per_neuron: false,
            between: None,
            delay: None,
            rank: None,
            autapses: true,
            connector: Connector::AllToAll,
        }
    }

    /// Lets the projection come from the population `pre` and go to the population `post`, which may be the same one.
    #[must_use]
    pub fn between(mut self, pre: &str, post: &str) -> Self {
        self.between = Some(Between { pre: pre.to_owned(), post: post.to_owned() });
        self
    }

    /// Connects some pairs of neurons only. Weights, their gradient and the time that both take follow the connections, `S` numbers
    /// in place of `N_post x N_pre`.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Lif};
    /// use spikegrad_network::{Connector, Network, Population, Projection};
    ///
    /// # let population = Population::new("lif", Lif::default(), 1000, GateShape::RaisedCosine, 0.3);
    /// let one_percent = Connector::Probability { probability: 0.01, seed: 1 };
    /// let network = Network::builder()
    ///     .population(population)
    ///     .projection(Projection::new("slow", 10.0).connected(one_percent))
    ///     .build()?;
    /// let connections = network.connections(0).expect("a list");
    /// assert!((9_000..11_000).contains(&connections.len()));
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    #[must_use]
    pub fn connected(mut self, connector: Connector) -> Self {
        self.connector = connector;
        self
    }

    /// Gives the synapses short-term plasticity: of a charge they release what their presynaptic neuron still has (equations (80) to
    /// (82)). It has one state for each presynaptic neuron, which begins at rest.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Theta};
    /// use spikegrad_models::TsodyksMarkram;
    /// use spikegrad_network::{Network, Population, Projection};
    ///
    /// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// let facilitating = TsodyksMarkram { u: 0.15, tau_rec: 130.0, tau_facil: 500.0 };
    /// let network = Network::builder()
    ///     .population(population)
    ///     .projection(Projection::new("slow", 20.0).short_term(facilitating))
    ///     .build()?;
    /// assert_eq!(network.parameters.get("slow.tau_facil")?, [500.0]);
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    #[must_use]
    pub fn short_term<P: ShortTermPlasticity>(mut self, plasticity: P) -> Self {
        if let Some(old) = self.short_term.take().and_then(|name| synapses::short_term(&name).ok()) {
            self.forget(old.parameters);
        }
        let values = plasticity.params();
        let named = P::PARAMETERS.iter().zip(values.as_ref());
        self.parameters.extend(named.map(|(parameter, &value)| (parameter.name.to_owned(), value)));
        self.short_term = Some(P::NAME.to_owned());
        self
    }

    /// Makes the traces conductances, `I = G (e_rev - v)` with `G = W s`, in place of currents (equations (83) to (85)). Weights are then
    /// not negative, whatever the sign of the presynaptic neuron: the reversal potential says what they do. Training keeps them so.
    /// Populations whose neurons have no voltage but a phase, as theta neurons, or a count, as NIF neurons, are refused.
    ///
    /// ```
    /// use spikegrad_models::{Conductance, GateShape, Lif};
    /// use spikegrad_network::{Network, Population, Projection};
    ///
    /// let network = Network::builder()
    ///     .population(Population::new("lif", Lif::default(), 100, GateShape::RaisedCosine, 0.3))
    ///     .projection(Projection::new("excite", 5.0).receptor(Conductance { e_rev: 4.0 }))
    ///     .projection(Projection::new("inhibit", 10.0).receptor(Conductance { e_rev: -0.5 }))
    ///     .build()?;
    /// assert_eq!(network.parameters.get("inhibit.e_rev")?, [-0.5]);
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    #[must_use]
    pub fn receptor<R: Receptor>(mut self, receptor: R) -> Self {
        if let Some(old) = self.receptor.take().and_then(|name| synapses::receptor(&name).ok()) {
            self.forget(old.parameters);
        }
        let values = receptor.params();
        let named = R::PARAMETERS.iter().zip(values.as_ref());
        self.parameters.extend(named.map(|(parameter, &value)| (parameter.name.to_owned(), value)));
        self.receptor = Some(R::NAME.to_owned());
        self
    }

    /// Takes out the parameters of something that the projection no longer has.
    fn forget(&mut self, parameters: &[Parameter]) {
        parameters.iter().for_each(|parameter| {
            self.parameters.remove(parameter.name);
        });
    }

    /// Gives each presynaptic neuron a time constant of its own, to be set and trained one by one. A network with such a projection
    /// takes the dense path of the split step.
    #[must_use]
    pub fn tau_per_neuron(mut self) -> Self {
        self.tau_per_neuron = true;
        self
    }

    /// Gives each presynaptic neuron a delay, ms, to be set and trained one by one: its charge arrives so much later, at trace and
    /// currents alike (equations (66), (67)). A gradient still visits only the columns of neurons that release charge.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Theta};
    /// # use spikegrad_network::{Group, Network, Population, Projection};
    /// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// let slow = Projection::new("slow", 20.0).axonal_delays(1.5);
    /// let mut network = Network::builder().population(population).projection(slow).build()?;
    /// network.parameters.group_mut(Group::Delay(0))[3] = 2.25;
    /// network.unfreeze(Group::Delay(0))?;
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    #[must_use]
    pub fn axonal_delays(mut self, delay: f64) -> Self {
        self.delay = Some(Delay::Axonal(delay));
        self
    }

    /// Gives each connection a delay, ms, to be set and trained one by one. Currents arrive so much later; the trace, which is the
    /// presynaptic neuron's, does not. A spike costs as many scattered additions as its neuron has connections, instead of one
    /// product over a column.
    #[must_use]
    pub fn connection_delays(mut self, delay: f64) -> Self {
        self.delay = Some(Delay::Connection(delay));
        self
    }

    /// Makes the weights the product `W = L R` of two factors, `N_post x r` and `r x N_pre`, to be set and trained in place of `W`
    /// (equations (70), (71)): a network of low rank has few modes of activity by construction, and a step that releases charge of
    /// `A` neurons costs `N_post r + r A` in place of `N_post A`. Where both factors are zero, so is their gradient: start at least
    /// one of them at random.
    ///
    /// Masks, delays, Dale's law and time constants of each neuron need every weight by itself and do not go with it.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Theta};
    /// # use spikegrad_network::{Network, Population, Projection};
    /// # let population = Population::new("theta", Theta::default(), 100, GateShape::RaisedCosine, 0.3);
    /// let slow = Projection::new("slow", 20.0).low_rank(2);
    /// let mut network = Network::builder().population(population).projection(slow).build()?;
    /// assert_eq!(network.parameters.left(0).shape(), (100, 2));
    /// network.parameters.right_mut(0).fill(0.01);
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    #[must_use]
    pub fn low_rank(mut self, rank: usize) -> Self {
        self.rank = Some(rank);
        self
    }

    /// Lets no neuron connect to itself, as fast synapses must not: masks the diagonal, or leaves it out of the connections.
    #[must_use]
    pub fn without_autapses(mut self) -> Self {
        self.autapses = false;
        self
    }

    /// The projection's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which pairs of neurons it connects.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Whose its delays are, and the value that they begin with, ms.
    pub(crate) fn delays(&self) -> (Delayed, f64) {
        match self.delay {
            None => (Delayed::Not, 0.0),
            Some(Delay::Axonal(delay)) => (Delayed::Axonal, delay),
            Some(Delay::Connection(delay)) => (Delayed::Connections, delay),
        }
    }
}
