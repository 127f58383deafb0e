//! Parameters under their names: what each is, where it lies, what values it may have and whether it is trained.

use std::ops::Range;

use crate::parameters::Named;
use crate::{Error, Group, Network, Scalar};

/// What values a parameter may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Domain {
    /// Any finite number.
    Any,
    /// Positive numbers.
    Positive,
    /// Numbers between 0 and 1, both excluded.
    Fraction,
    /// Numbers that are not negative: weights of conductances.
    NotNegative,
    /// Weights of the sign that their presynaptic neuron has, [`Network::sign`], and any where it has none.
    SignOfNeuron,
    /// Gate widths: positive numbers, and so small that the zone fits between reset and threshold.
    Zone,
    /// Initial voltages: numbers below the neuron's threshold.
    BelowThreshold,
}

/// A parameter of a network under its name.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NamedParameter<'a> {
    /// The name, as in `slow.weight`.
    pub name: &'a str,
    /// The group that it is, or is a part of.
    pub group: Group,
    /// Where it lies in the flat vector, column-major.
    pub range: Range<usize>,
    /// The shape: `[rows, columns]` of a matrix, row = postsynaptic, or `[length]`.
    pub shape: &'a [usize],
    /// The unit, `1` where the parameter has none.
    pub unit: &'a str,
    /// What values it may have.
    pub domain: Domain,
    /// Whether its group is trained; single entries may still be frozen or masked.
    pub trained: bool,
}

impl<T: Scalar> Network<T> {
    /// Every parameter under its name, in the order of [`Layout::names`](crate::Layout::names).
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Lif};
    /// # use spikegrad_network::{Domain, Network, Population};
    /// # let population = Population::new("hidden", Lif::default(), 5, GateShape::RaisedCosine, 0.3);
    /// let network = Network::builder().population(population).synapse("slow", 20.0).build()?;
    /// let trained: Vec<_> = network.named_parameters().filter(|p| p.trained).map(|p| p.name).collect();
    /// assert_eq!(trained, ["slow.weight", "input.weight", "hidden.bias", "readout.weight"]);
    /// let start = network.parameter("hidden.initial.v")?;
    /// assert_eq!((start.shape, start.domain), (&[5][..], Domain::BelowThreshold));
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    pub fn named_parameters(&self) -> impl Iterator<Item = NamedParameter<'_>> {
        self.parameters.layout().names().iter().map(|named| self.described(named))
    }

    /// The parameter of this name.
    ///
    /// # Errors
    /// If there is none; the error lists the names that there are.
    pub fn parameter(&self, name: &str) -> Result<NamedParameter<'_>, Error> {
        Ok(self.described(self.parameters.layout().find(name)?))
    }

    fn described<'a>(&'a self, named: &'a Named) -> NamedParameter<'a> {
        let Named { name, group, range, shape, unit } = named;
        NamedParameter {
            name,
            group: *group,
            range: range.clone(),
            shape,
            unit,
            domain: self.domain(named),
            trained: self.is_trainable(*group),
        }
    }

    fn domain(&self, named: &Named) -> Domain {
        let reset = |population: usize| {
            let place = &self.places[population];
            place.loops.of::<T>().reset(&self.context(place, T::one(), None), 0)
        };
        match named.group {
            Group::Weight(k) => {
                if self.wires[k].receptor.is_some() {
                    return Domain::NotNegative;
                }
                // The channels of event sources have no signs.
                let signed = self.wires[k].pre.clone().any(|neuron| self.sign(neuron).is_some());
                if signed { Domain::SignOfNeuron } else { Domain::Any }
            }
            Group::GateWidth(population) if reset(population).widest_zone().is_some() => Domain::Zone,
            Group::Initial => {
                let from = named.range.start - self.parameters.layout().range(Group::Initial).start;
                let of_voltage = self.places.iter().position(|place| place.offset == from);
                match of_voltage.filter(|_| from < self.neurons).map(reset) {
                    Some(reset) if reset.starts_below_threshold() => Domain::BelowThreshold,
                    _ => Domain::Any,
                }
            }
            group if self.is_below_one(group) => Domain::Fraction,
            group if self.is_positive(group) => Domain::Positive,
            _ => Domain::Any,
        }
    }
}
