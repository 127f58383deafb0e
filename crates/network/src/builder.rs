//! How a network is put together from populations and projections.

use crate::assemble::{assemble, find};
use crate::populations::ModelLoops;
use crate::{Error, Network, NetworkSpec, Population, Projection, Readout, SourceSpec};

/// Collects the parts of a [`Network`]: a [`NetworkSpec`], and the models of its populations.
#[derive(Clone, Debug, Default)]
pub struct NetworkBuilder {
    spec: NetworkSpec,
    /// The loops of each population's model; `None` for a model that has the name of another one.
    loops: Vec<Option<ModelLoops>>,
    /// The name of a projection that was to be changed before it was there.
    unknown: Option<String>,
}

impl NetworkBuilder {
    /// Adds a population; neurons are numbered population by population.
    #[must_use]
    pub fn population(mut self, population: Population) -> Self {
        self.spec.populations.push(population.spec);
        self.loops.push(population.loops);
        self
    }

    /// Adds a projection. Unless [`read_from`](Self::read_from) names another one, the first one's traces are read out and are what
    /// the loss sees as `s`.
    #[must_use]
    pub fn projection(mut self, projection: Projection) -> Self {
        self.spec.projections.push(projection);
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
        self.spec.sources.push(SourceSpec { name: name.to_owned(), channels });
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
        match self.spec.projections.iter_mut().find(|p| p.name == projection) {
            Some(found) => *found = change(found.clone()),
            None => self.unknown = Some(projection.to_owned()),
        }
        self
    }

    /// Adds a readout with a name, whose outputs follow those of all others.
    #[must_use]
    pub fn readout(mut self, readout: Readout) -> Self {
        self.spec.readouts.push(readout);
        self
    }

    /// Reads the network's own outputs from the traces of this projection, which are those of its presynaptic neurons.
    #[must_use]
    pub fn read_from(mut self, projection: &str) -> Self {
        self.spec.read_from = Some(projection.to_owned());
        self
    }

    /// Sets the number of inputs.
    #[must_use]
    pub fn inputs(mut self, inputs: usize) -> Self {
        self.spec.inputs = inputs;
        self
    }

    /// Sets the number of the network's own outputs, which are called `readout`.
    #[must_use]
    pub fn outputs(mut self, outputs: usize) -> Self {
        self.spec.outputs = outputs;
        self
    }

    /// Sets the most bytes that the parameters may take, and so what is on its way behind delays, and the traces of a recording:
    /// 16 GiB unless said otherwise. No portable program can ask how much memory there is; the limit turns a network that was
    /// never meant, or a trial of years, into an error.
    #[must_use]
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.spec.memory_limit = Some(bytes);
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
        if let Some(name) = &self.unknown {
            find("projection", name, self.spec.projections.iter().map(|p| &p.name))?;
        }
        assemble(self.spec, &self.loops)
    }
}

impl Network<f64> {
    /// Starts a network.
    pub fn builder() -> NetworkBuilder {
        NetworkBuilder::default()
    }
}
