//! A projection as it is described before there is a network.

use serde::{Deserialize, Serialize};

use super::connector::Connector;
use super::wire::Delayed;

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
/// A projection is data: in text it has a `name` and a `tau`, and may have `tau_per_neuron`, `rank`, `autapses`, `between`, `delay`
/// (`{ axonal = 1.5 }` or `{ connection = 1.5 }`) and a `connector`, see [`NetworkSpec`](crate::NetworkSpec).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Projection {
    pub(crate) name: String,
    pub(crate) tau: f64,
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
        Self {
            name: name.to_owned(),
            tau,
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

    /// Gives each presynaptic neuron a time constant of its own, to be set and trained one by one. A network with such a projection
    /// takes the dense path of the split step.
    #[must_use]
    pub fn tau_per_neuron(mut self) -> Self {
        self.tau_per_neuron = true;
        self
    }

    /// Gives each presynaptic neuron a delay, ms, to be set and trained one by one: its charge arrives so much later, at trace and
    /// currents alike (equations (66), (67)). The gradient's cost still follows the spikes.
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
