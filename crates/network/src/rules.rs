//! Whether what a network's projections have goes together, and goes with what is asked of the network.

use crate::projections::{Delayed, Wire};
use crate::{Error, Feature, Group, Network, Scalar};

impl Wire {
    /// What the projection has by itself.
    fn features(&self, neurons: usize) -> impl Iterator<Item = Feature> {
        let delays = match self.delayed {
            Delayed::Not => None,
            Delayed::Axonal => Some(Feature::AxonalDelays),
            Delayed::Connections => Some(Feature::ConnectionDelays),
        };
        let low_rank = self.rank.map(|_| Feature::LowRank);
        let own = self.post.is_empty();
        let list = if own { Feature::OwnTraces } else { Feature::Connections };
        let connections = self.connections.as_ref().map(|_| list);
        let source = (self.pre.start >= neurons).then_some(Feature::EventSource);
        let stages = (self.kinetics.stages.len() > 1).then_some(Feature::Stages);
        let short_term = self.short_term.map(|_| Feature::ShortTerm);
        let receptor = self.receptor.map(|_| Feature::Conductance);
        let of_synapse = stages.into_iter().chain(short_term).chain(receptor);
        low_rank.into_iter().chain(connections).chain(delays).chain(source).chain(of_synapse)
    }
}

impl<T: Scalar> Network<T> {
    /// Refuses what a projection has together with `other`, which is asked of the whole network.
    pub(crate) fn check_goes_with(&self, other: Feature) -> Result<(), Error> {
        self.wires.iter().try_for_each(|wire| check(wire, wire.features(self.neurons), other))
    }

    /// Refuses conductances on neurons that have no voltage to speak of.
    pub(crate) fn check_receptors(&self) -> Result<(), Error> {
        for wire in self.wires.iter().filter(|wire| wire.receptor.is_some()) {
            for place in &self.places {
                let loops = place.loops.of::<T>();
                let ends_here = place.offset < wire.post.end && wire.post.start < place.offset + place.size;
                let reset = loops.reset(&self.context(place, T::one(), None), 0);
                if ends_here && (reset.wraps() || !loops.takes_conductances()) {
                    return Err(Error::NoVoltage {
                        projection: wire.name.clone(),
                        population: place.name.clone(),
                        model: loops.model(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Refuses projections whose features do not go together, and features that do not go with the network.
    pub(crate) fn check_rules(&self) -> Result<(), Error> {
        for (k, wire) in self.wires.iter().enumerate() {
            for feature in wire.features(self.neurons) {
                wire.features(self.neurons)
                    .try_for_each(|other| check(wire, std::iter::once(feature), other))?;
            }
            if self.mask(Group::Weight(k)).is_some() {
                check(wire, wire.features(self.neurons), Feature::Mask)?;
            }
        }
        if self.signs.iter().any(Option::is_some) {
            self.check_goes_with(Feature::Signs)?;
        }
        if self.wires.iter().any(|wire| wire.own_taus) {
            self.check_goes_with(Feature::DensePath)?;
        }
        Ok(())
    }
}

fn check(wire: &Wire, features: impl Iterator<Item = Feature>, other: Feature) -> Result<(), Error> {
    for feature in features {
        if !feature.goes_with(other) {
            return Err(Error::Excluded { projection: wire.name.clone(), feature, other });
        }
    }
    Ok(())
}
