//! Whether the parameters of a network are in their domain.

use spikegrad_integrators::first_non_finite;

use crate::{Error, Group, Network, Scalar};

impl<T: Scalar> Network<T> {
    /// Checks every parameter: finite, in its domain, zero where masked.
    ///
    /// # Errors
    /// The first value that is not, with its name; signs of neurons whose weights are of low rank.
    pub fn validate(&self) -> Result<(), Error> {
        self.check_rules()?;
        for named in self.parameters.layout().names() {
            let values = &self.parameters.values()[named.range.clone()];
            if let Some(index) = first_non_finite(values) {
                return Err(Error::NonFinite { what: named.name.clone(), index });
            }
            let (positive, below_one) = (self.is_positive(named.group), self.is_below_one(named.group));
            if !positive && !below_one {
                continue;
            }
            let fits = |&x: &T| (!positive || x > T::zero()) && (!below_one || x < T::one());
            if let Some(&value) = values.iter().find(|&x| !fits(x)) {
                let (what, value) = (named.name.clone(), value.to_subset_unchecked());
                return Err(match below_one {
                    true => Error::NotFraction { what, value },
                    false => Error::NotPositive { what, value },
                });
            }
        }
        for (k, wire) in self.wires.iter().enumerate().filter(|(_, wire)| wire.receptor.is_some()) {
            let group = Group::Weight(k);
            let weights = self.parameters.group(group);
            if let Some(index) = weights.iter().position(|&w| w < T::zero()) {
                let (name, value) = (format!("{}.weight", wire.name), weights[index].to_subset_unchecked());
                return Err(Error::NegativeConductance { name, index, value });
            }
        }
        for (group, mask) in &self.masks {
            let values = self.parameters.group(*group);
            if let Some(index) = mask.iter().zip(values).position(|(&exists, &x)| !exists && x != T::zero()) {
                return Err(Error::Masked {
                    group: *group,
                    name: self.parameters.layout().name(*group),
                    index,
                    value: values[index].to_subset_unchecked(),
                });
            }
        }
        for place in &self.places {
            let at = self.context(place, T::one(), None);
            for i in 0..if place.per_neuron { place.size } else { 1 } {
                if let Some(widest) = place.loops.of::<T>().reset(&at, i).widest_zone()
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
        if let Some(index) = first_non_finite(x) {
            return Err(Error::NonFinite { what: "the initial membrane state".into(), index });
        }
        for place in &self.places {
            let at = self.context(place, T::one(), None);
            for i in 0..place.size {
                let reset = place.loops.of::<T>().reset(&at, if place.per_neuron { i } else { 0 });
                let v = x[place.offset + i];
                if reset.starts_below_threshold() && !(v < reset.threshold()) {
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
}
