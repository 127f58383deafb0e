//! A population as it is described before there is a network.

use spikegrad_models::{GateShape, NeuronVjp};

use super::loops::ModelLoops;
use super::registry::loops_of;
use crate::Sign;

/// A population: so many neurons of one model with one gate.
///
/// ```
/// use spikegrad_models::{GateShape, Theta};
/// use spikegrad_network::Population;
///
/// let population = Population::new("theta", Theta { tau_v: 25.0 }, 80, GateShape::RaisedCosine, 0.3);
/// assert_eq!(population.size(), 80);
/// ```
#[derive(Clone, Debug)]
pub struct Population {
    pub(crate) name: String,
    pub(crate) size: usize,
    pub(crate) shape: GateShape,
    pub(crate) width: f64,
    pub(crate) parameters: Vec<f64>,
    pub(crate) rest: Vec<f64>,
    pub(crate) per_neuron: bool,
    pub(crate) sign: Option<Sign>,
    pub(crate) model: &'static str,
    /// `None` for a model that has the name of another one.
    pub(crate) loops: Option<ModelLoops>,
}

impl Population {
    /// `size` neurons with the values of `neuron`, and a gate of the given shape whose active zone of the given width
    /// (in the unit of the voltage) ends at threshold. The names of the models of `spikegrad-models` are taken.
    pub fn new<N: NeuronVjp>(name: &str, neuron: N, size: usize, shape: GateShape, width: f64) -> Self {
        Self {
            name: name.to_owned(),
            size,
            shape,
            width,
            parameters: neuron.params().as_ref().to_vec(),
            rest: neuron.rest().as_ref().to_vec(),
            per_neuron: false,
            sign: None,
            model: N::NAME,
            loops: loops_of::<N>(),
        }
    }

    /// Lets the neurons excite their targets only (Dale's law): training keeps their recurrent weights from becoming
    /// negative.
    #[must_use]
    pub fn excitatory(mut self) -> Self {
        self.sign = Some(Sign::Excitatory);
        self
    }

    /// Lets the neurons inhibit their targets only (Dale's law): training keeps their recurrent weights from becoming
    /// positive.
    #[must_use]
    pub fn inhibitory(mut self) -> Self {
        self.sign = Some(Sign::Inhibitory);
        self
    }

    /// Gives every neuron parameters of its own, to be set and trained one by one, instead of one value for all.
    #[must_use]
    pub fn per_neuron(mut self) -> Self {
        self.per_neuron = true;
        self
    }

    /// The population's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of neurons.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The name of the neuron model.
    pub fn model(&self) -> &'static str {
        self.model
    }
}
