//! A population as it is described before there is a network.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use spikegrad_models::{GateShape, NeuronVjp};

use super::loops::Facts;
use super::registry::{ModelLoops, loops_of};
use crate::Sign;
use crate::once::{once, once_if_any};

/// The gate of a population's neurons.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateSpec {
    /// The shape: in text `box`, `raised cosine` or `triangular`.
    #[serde(with = "shape")]
    pub shape: GateShape,
    /// Width of its active zone, in the unit of the voltage.
    pub width: f64,
}

/// A population as data: everything but what becomes of its numbers.
///
/// In text all of `name`, `model`, `size`, the `gate` of a model that spikes and every one of the model's `parameters` are given, the
/// rest may be left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PopulationSpec {
    /// The population's name.
    pub name: String,
    /// The name of the neuron model, [`NAME`](spikegrad_models::Neuron::NAME).
    pub model: String,
    /// Number of neurons.
    pub size: usize,
    /// Whether every neuron has parameters of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_neuron: bool,
    /// What the neurons do to their targets, where that is fixed (Dale's law).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<Sign>,
    /// The gate; `None` for neurons that never spike, and only for these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateSpec>,
    /// The values that the neurons' parameters begin with, by the names and in the units of the model.
    #[serde(default, deserialize_with = "once")]
    pub parameters: BTreeMap<String, f64>,
    /// The state that neurons start in, by the names of its variables; `None` for the model's resting state.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "once_if_any")]
    pub rest: Option<BTreeMap<String, f64>>,
}

/// A gate's shape by its name.
mod shape {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use spikegrad_models::GateShape;

    pub(super) fn serialize<S: Serializer>(shape: &GateShape, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(shape.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<GateShape, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(from)?;
        GateShape::ALL.into_iter().find(|shape| shape.name() == name).ok_or_else(|| {
            let known = GateShape::ALL.map(GateShape::name).join(", ");
            D::Error::custom(format!("there is no gate shape `{name}`: choose one of {known}"))
        })
    }
}

/// A population: so many neurons of one model with one gate.
///
/// ```
/// use spikegrad_models::{GateShape, Theta};
/// use spikegrad_network::Population;
///
/// let population = Population::new("theta", Theta { tau_v: 25.0 }, 80, GateShape::RaisedCosine, 0.3);
/// assert_eq!(population.size(), 80);
/// assert_eq!(population.spec().parameters["tau_v"], 25.0);
/// ```
#[derive(Clone, Debug)]
pub struct Population {
    pub(crate) spec: PopulationSpec,
    /// `None` for a model that has the name of another one.
    pub(crate) loops: Option<ModelLoops>,
}

/// The names of a model's state variables; those that it does not name are called by their place.
pub(crate) fn variable_names(model: &dyn Facts) -> Vec<String> {
    let name = |i: usize| model.variables().get(i).map_or_else(|| format!("x{i}"), |v| v.name.to_owned());
    (0..model.dim()).map(name).collect()
}

impl Population {
    /// `size` neurons with the values of `neuron`, and a gate of the given shape whose active zone of the given width
    /// (in the unit of the voltage) ends at threshold. The names of the models of `spikegrad-models` are taken.
    pub fn new<N: NeuronVjp>(name: &str, neuron: N, size: usize, shape: GateShape, width: f64) -> Self {
        Self::of(name, neuron, size, Some(GateSpec { shape, width }))
    }

    /// `size` neurons with the values of `neuron`, which never spike and have no gate: others send to them, and
    /// [readouts](crate::Readout) take their voltages.
    ///
    /// ```
    /// use spikegrad_models::{GateShape, LeakyIntegrator, Lif};
    /// use spikegrad_network::{Network, Population, Projection, Readout};
    ///
    /// let network = Network::builder()
    ///     .population(Population::new("hidden", Lif::default(), 20, GateShape::RaisedCosine, 0.3))
    ///     .population(Population::without_spikes("classes", LeakyIntegrator { tau_v: 50.0 }, 10))
    ///     .projection(Projection::new("inside", 5.0).between("hidden", "hidden"))
    ///     .projection(Projection::new("out", 5.0).between("hidden", "classes"))
    ///     .readout(Readout::new("choice", 3).voltages("classes"))
    ///     .build()?;
    /// assert_eq!(network.parameters.get("choice.weight")?.len(), 3 * 10);
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    pub fn without_spikes<N: NeuronVjp>(name: &str, neuron: N, size: usize) -> Self {
        Self::of(name, neuron, size, None)
    }

    fn of<N: NeuronVjp>(name: &str, neuron: N, size: usize, gate: Option<GateSpec>) -> Self {
        let loops = loops_of::<N>();
        let (params, rest) = (neuron.params(), neuron.rest());
        let (params, rest) = (params.as_ref(), rest.as_ref());
        let names = N::PARAMETERS.iter().map(|p| p.name.to_owned());
        let own = loops
            .filter(|loops| loops.of::<f64>().rest(params) != rest)
            .map(|loops| variable_names(loops.of::<f64>()).into_iter().zip(rest.iter().copied()).collect());
        Self {
            spec: PopulationSpec {
                name: name.to_owned(),
                model: N::NAME.to_owned(),
                size,
                per_neuron: false,
                sign: None,
                gate,
                parameters: names.zip(params.iter().copied()).collect(),
                rest: own,
            },
            loops,
        }
    }

    /// Lets the neurons excite their targets only (Dale's law): training keeps their recurrent weights from becoming
    /// negative.
    #[must_use]
    pub fn excitatory(mut self) -> Self {
        self.spec.sign = Some(Sign::Excitatory);
        self
    }

    /// Lets the neurons inhibit their targets only (Dale's law): training keeps their recurrent weights from becoming
    /// positive.
    #[must_use]
    pub fn inhibitory(mut self) -> Self {
        self.spec.sign = Some(Sign::Inhibitory);
        self
    }

    /// Gives every neuron parameters of its own, to be set and trained one by one, instead of one value for all.
    #[must_use]
    pub fn per_neuron(mut self) -> Self {
        self.spec.per_neuron = true;
        self
    }

    /// The population's name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Number of neurons.
    pub fn size(&self) -> usize {
        self.spec.size
    }

    /// The name of the neuron model.
    pub fn model(&self) -> &str {
        &self.spec.model
    }

    /// The population as data.
    pub fn spec(&self) -> &PopulationSpec {
        &self.spec
    }
}
