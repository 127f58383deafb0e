//! What changes a network. A change that is refused leaves it as it was.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use spikegrad::network::{Group, Initialisation, Network};

use crate::error::Error;
use crate::float::Float;

/// A change of a network of any type.
pub(crate) trait Change<R> {
    fn make<T: Float>(self, network: &mut Arc<Network<T>>) -> Result<R, Error>;
}

/// The group that a name is, or is a part of.
pub(crate) fn group<T: Float>(network: &Network<T>, name: &str) -> Result<Group, Error> {
    let layout = network.parameters.layout();
    if let Some(entry) = layout.entries().iter().find(|entry| entry.name == name) {
        return Ok(entry.group);
    }
    Ok(layout.find(name)?.group)
}

/// Trains the groups of these names from now on, or does not.
pub(crate) struct Train<'a> {
    pub(crate) names: &'a [String],
    pub(crate) trains: bool,
}

impl Change<()> for Train<'_> {
    fn make<T: Float>(self, network: &mut Arc<Network<T>>) -> Result<(), Error> {
        let groups = self.names.iter().map(|name| group(network, name)).collect::<Result<Vec<_>, _>>()?;
        let network = Arc::make_mut(network);
        for group in groups {
            if self.trains { network.unfreeze(group)? } else { network.freeze(group)? }
        }
        Ok(())
    }
}

/// Restricts a matrix of weights to the entries that exist, column-major.
pub(crate) struct Mask<'a> {
    pub(crate) name: &'a str,
    pub(crate) exists: &'a [bool],
}

impl Change<()> for Mask<'_> {
    fn make<T: Float>(self, network: &mut Arc<Network<T>>) -> Result<(), Error> {
        let group = group(network, self.name)?;
        let layout = network.parameters.layout();
        let (len, rows) = layout.entry(group).map_or((0, 1), |entry| (entry.range.len(), entry.rows.max(1)));
        if len != self.exists.len() {
            let (expected, found) = (format!("give {len} entries"), self.exists.len().to_string());
            return Err(Error::Array { what: "mask", expected, found });
        }
        let exists = self.exists;
        Ok(Arc::make_mut(network).set_mask(group, |row, column| exists[column * rows + row])?)
    }
}

/// Leaves entries of a parameter untrained, column-major.
pub(crate) struct Freeze<'a> {
    pub(crate) name: &'a str,
    pub(crate) frozen: &'a [bool],
}

impl Change<()> for Freeze<'_> {
    fn make<T: Float>(self, network: &mut Arc<Network<T>>) -> Result<(), Error> {
        let group = group(network, self.name)?;
        Ok(Arc::make_mut(network).set_frozen_entries(group, self.frozen)?)
    }
}

/// Draws weights and tonic currents.
pub(crate) struct Initialise {
    pub(crate) how: Initialisation,
    pub(crate) seed: u64,
}

impl Change<()> for Initialise {
    fn make<T: Float>(self, network: &mut Arc<Network<T>>) -> Result<(), Error> {
        // In double precision, so that both types get the same numbers.
        let mut double = network.to_f64();
        double.initialise(&self.how, &mut ChaCha8Rng::seed_from_u64(self.seed))?;
        *network = Arc::new(double.to_scalar());
        Ok(())
    }
}

/// Puts parameters that a step took out of their joint domains back.
pub(crate) struct Project;

impl Change<()> for Project {
    fn make<T: Float>(self, network: &mut Arc<Network<T>>) -> Result<(), Error> {
        Arc::make_mut(network).project();
        Ok(())
    }
}
