//! Networks in files: alone, in the format `safetensors`, or as part of a training run's checkpoint.
//!
//! A file is judged before it is believed. What was read is checked as a network, and must be what would be written of it, byte for byte:
//! nothing in a file is passed over, and nothing of the network that it is loaded into stays.

use std::path::Path;

use spikegrad_network::{Models, Network, NetworkSpec, Scalar};
use spikegrad_training::checkpoint::{parts, whole};
use spikegrad_training::{CheckpointError, write_whole};

use crate::network_file::{self, Wanted};

/// Saves a network, all of it: what it is, as data, and its parameters under their names, in a file of the format `safetensors`, which
/// other languages read too. Arrays are row-major; weights are `N_post x N_pre`.
///
/// ```
/// use spikegrad_network::{Network, NetworkSpec};
///
/// let spec: NetworkSpec = toml::from_str(
///     r#"
///     outputs = 1
///
///     [[populations]]
///     name = "hidden"
///     model = "theta"
///     size = 5
///     gate = { shape = "raised cosine", width = 0.3 }
///     parameters = { tau_v = 25.0 }
///
///     [[projections]]
///     name = "slow"
///     tau = 20.0
///     "#,
/// )?;
/// let mut network = spec.build()?;
/// network.parameters.get_mut("hidden.bias")?.fill(0.01);
///
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("network.safetensors");
/// spikegrad_tasks::save(&network, &path)?;
/// let again: Network<f64> = spikegrad_tasks::load(&path)?;
/// assert_eq!(again.parameters, network.parameters);
/// assert_eq!(again.spec(), network.spec());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the file cannot be written, the numbers are neither f32 nor f64, or a parameter is out of its domain, not zero where masked or
/// of the wrong sign; an older file then stays as it was.
pub fn save<T: Scalar>(network: &Network<T>, path: &Path) -> Result<(), CheckpointError> {
    let sound = network.validate().and_then(|()| network.check_signs());
    sound.map_err(|source| CheckpointError::Parameters { path: path.to_owned(), source: source.into() })?;
    write_whole(path, &[&network_file::encode(path, network)?])
}

/// The network of a file that [`save`] wrote, or of a training run's checkpoint. It needs no code but that of its models; those of
/// `spikegrad-models` are known.
///
/// # Errors
/// If the file cannot be read, is damaged, contradicts itself, or is of another float type or another version of the format.
pub fn load<T: Scalar>(path: &Path) -> Result<Network<T>, CheckpointError> {
    load_with(path, &Models::new())
}

/// The network of a file, with models of one's own among the `models`.
///
/// ```
/// use spikegrad_models::{GateShape, Theta};
/// use spikegrad_network::{Models, Network, Population};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("network.safetensors");
/// # let population = Population::new("hidden", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
/// # let network = Network::builder().population(population).synapse("slow", 20.0).build()?;
/// # spikegrad_tasks::save(&network, &path)?;
/// // `Theta` stands for a model of one's own.
/// let network: Network<f64> = spikegrad_tasks::load_with(&path, &Models::new().with::<Theta>())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`load`]; a model that is not among the `models`.
pub fn load_with<T: Scalar>(path: &Path, models: &Models) -> Result<Network<T>, CheckpointError> {
    let bytes = whole(path)?;
    let (network, _) = parts(path, &bytes)?;
    network_file::decode(path, network, &Wanted { models, like: None })
}

/// Loads the network of a file, or of a training run's checkpoint, into one of the same structure. Afterwards `network` has the
/// parameters, signs, masks and frozen groups and entries of the file, and none of its own; its memory limit stays.
///
/// # Errors
/// As [`load`]; a network of another structure, of which the first difference is named. `network` then stays as it was.
pub fn load_into<T: Scalar>(network: &mut Network<T>, path: &Path) -> Result<(), CheckpointError> {
    let bytes = whole(path)?;
    let (saved, _) = parts(path, &bytes)?;
    *network = network_file::like(network, path, saved)?;
    Ok(())
}

/// What the network of a file, or of a training run's checkpoint, is.
///
/// # Errors
/// If the file cannot be read, is damaged, or is of another version of the format.
pub fn describe(path: &Path) -> Result<NetworkSpec, CheckpointError> {
    let bytes = whole(path)?;
    network_file::describe(path, parts(path, &bytes)?.0)
}

#[cfg(test)]
mod tests;
