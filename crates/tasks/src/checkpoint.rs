//! Networks and training runs in files. This is the only place that knows their format: a magic number, a version, a
//! checksum, then the contents. A file is written whole under another name, synced and renamed, so that whatever happens
//! the old one or the new one is there.
//!
//! Numbers are kept as f64, which f32 survives unchanged.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use nalgebra::RealField;
use spikegrad_network::{Group, Network};

use crate::Iteration;
use crate::clip::RunningQuantile;
use crate::optimiser::OptimiserState;
use crate::validation::Course;

const MAGIC: [u8; 8] = *b"spikegrd";
const VERSION: u32 = 5;
/// Magic number, version and checksum.
const HEADER: usize = MAGIC.len() + 8;

/// Where a training run is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The file. If it is there when training starts, training goes on from it.
    pub path: PathBuf,
    /// Number of iterations between two writings; it is also written when training ends or is stopped.
    pub every: usize,
}

/// Why a file could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file of something else.
    #[error("{} is not a spikegrad file: give the path of one that `save` or a checkpoint wrote", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A file of another version of the format.
    #[error("{} has version {found} of the format, this library reads {VERSION}: read it with the release that wrote it", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// A damaged file.
    #[error("{} is damaged: its checksum does not fit its contents; restore it from a copy or start anew", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
    },
    /// A file of another network, of other options or of another float type.
    #[error("{} does not fit the {what}: it has `{found}`, expected `{expected}`", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What this network or run is.
        expected: String,
        /// What the file holds.
        found: String,
    },
}

/// A network as it is kept: parameters, masks, what is frozen, and what they belong to.
#[derive(serde::Serialize, serde::Deserialize)]
struct Saved {
    float: String,
    structure: Vec<String>,
    parameters: Vec<f64>,
    masks: Vec<(Group, Vec<bool>)>,
    frozen: Vec<Group>,
    frozen_entries: Vec<(Group, Vec<bool>)>,
    training: Option<Training>,
}

/// The state of a training run besides the network.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Training {
    pub(crate) options: String,
    step: i32,
    first: Vec<f64>,
    second: Vec<f64>,
    start: Vec<f64>,
    mean: Vec<f64>,
    pub(crate) quantiles: Vec<RunningQuantile>,
    pub(crate) course: Course,
    pub(crate) history: Vec<Iteration>,
}

impl Training {
    pub(crate) fn new<T: RealField + Copy>(
        options: String,
        optimiser: &OptimiserState<T>,
        quantiles: Vec<RunningQuantile>,
        course: Course,
        history: Vec<Iteration>,
    ) -> Self {
        Self {
            options,
            step: optimiser.step,
            first: widen(&optimiser.first),
            second: widen(&optimiser.second),
            start: widen(&optimiser.start),
            mean: widen(&optimiser.mean),
            quantiles,
            course,
            history,
        }
    }

    pub(crate) fn optimiser<T: RealField + Copy>(&self) -> OptimiserState<T> {
        OptimiserState {
            step: self.step,
            first: narrow(&self.first),
            second: narrow(&self.second),
            start: narrow(&self.start),
            mean: narrow(&self.mean),
        }
    }
}

fn widen<T: RealField + Copy>(x: &[T]) -> Vec<f64> {
    x.iter().map(|x| x.to_subset_unchecked()).collect()
}

fn narrow<T: RealField + Copy>(x: &[f64]) -> Vec<T> {
    x.iter().map(T::from_subset).collect()
}

/// Saves a network: its parameters, masks and what is frozen.
///
/// ```
/// # use spikegrad_models::{GateShape, Theta};
/// # use spikegrad_network::{Network, Population};
/// # let build = || {
/// #     let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
/// #     Network::builder().population(population).synapse("slow", 20.0).build()
/// # };
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("network.spikegrad");
/// let mut network = build()?;
/// network.parameters.bias_mut().fill(0.01);
/// spikegrad_tasks::save(&network, &path)?;
///
/// let mut again = build()?;
/// spikegrad_tasks::load(&mut again, &path)?;
/// assert_eq!(again.parameters, network.parameters);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the file cannot be written; an older one then stays as it was.
pub fn save<T: RealField + Copy>(network: &Network<T>, path: &Path) -> Result<(), CheckpointError> {
    write(path, &saved(network, None))
}

/// Loads the parameters, masks and what is frozen of a saved network, or of a training run's checkpoint, into one of the
/// same structure.
///
/// # Errors
/// If the file cannot be read, is damaged, or is of a network of another structure or float type; `network` then stays as
/// it was.
pub fn load<T: RealField + Copy>(network: &mut Network<T>, path: &Path) -> Result<(), CheckpointError> {
    restore(network, path).map(|_| ())
}

pub(crate) fn save_training<T: RealField + Copy>(
    path: &Path,
    network: &Network<T>,
    training: &Training,
) -> Result<(), CheckpointError> {
    write(path, &saved(network, Some(training.clone())))
}

pub(crate) fn load_training<T: RealField + Copy>(
    path: &Path,
    network: &mut Network<T>,
) -> Result<Training, CheckpointError> {
    restore(network, path)?.ok_or_else(|| CheckpointError::Mismatch {
        path: path.to_owned(),
        what: "kind",
        expected: "a checkpoint of a training run".into(),
        found: "a network alone".into(),
    })
}

fn float<T>() -> String {
    format!("f{}", 8 * size_of::<T>())
}

fn saved<T: RealField + Copy>(network: &Network<T>, training: Option<Training>) -> Saved {
    let groups = || network.parameters.layout().entries().iter().map(|e| e.group);
    Saved {
        float: float::<T>(),
        structure: network.structure(),
        parameters: widen(network.parameters.values()),
        masks: groups()
            // Delays have the mask of their weights.
            .filter(|g| !matches!(g, Group::Delay(_)))
            .filter_map(|g| Some((g, network.mask(g)?.to_vec())))
            .collect(),
        frozen: groups().filter(|&g| !network.is_trainable(g)).collect(),
        frozen_entries: groups().filter_map(|g| Some((g, network.frozen_entries(g)?.to_vec()))).collect(),
        training,
    }
}

fn restore<T: RealField + Copy>(
    network: &mut Network<T>,
    path: &Path,
) -> Result<Option<Training>, CheckpointError> {
    let saved = read(path)?;
    let mismatch = |what, expected: String, found: String| {
        Err(CheckpointError::Mismatch { path: path.to_owned(), what, expected, found })
    };
    if saved.float != float::<T>() {
        return mismatch("float type", float::<T>(), saved.float);
    }
    let structure = network.structure();
    if structure != saved.structure {
        let line = structure.iter().zip(&saved.structure).find(|(a, b)| a != b);
        let count = |lines: &[String]| format!("{} populations and groups", lines.len());
        let (expected, found) = match line {
            Some((expected, found)) => (expected.clone(), found.clone()),
            None => (count(&structure), count(&saved.structure)),
        };
        return mismatch("network", expected, found);
    }
    let corrupt = || CheckpointError::Corrupt { path: path.to_owned() };
    let mut restored = network.clone();
    restored.unfreeze_all();
    for group in saved.frozen {
        restored.freeze(group).map_err(|_| corrupt())?;
    }
    let rows = |group| network.parameters.layout().entry(group).map_or(1, |e| e.rows);
    for (group, mask) in saved.masks {
        let exists = |row, column| mask.get(column * rows(group) + row).copied().unwrap_or(false);
        restored.set_mask(group, exists).map_err(|_| corrupt())?;
    }
    for (group, entries) in saved.frozen_entries {
        let frozen = |row, column| entries.get(column * rows(group) + row).copied().unwrap_or(false);
        restored.freeze_entries(group, frozen).map_err(|_| corrupt())?;
    }
    if restored.parameters.values().len() != saved.parameters.len() {
        return Err(corrupt());
    }
    restored.parameters.values_mut().copy_from_slice(&narrow::<T>(&saved.parameters));
    *network = restored;
    Ok(saved.training)
}

fn write(path: &Path, saved: &Saved) -> Result<(), CheckpointError> {
    let io = |action, source| CheckpointError::Io { action, path: path.to_owned(), source };
    let payload = bincode::serde::encode_to_vec(saved, bincode::config::standard())
        .map_err(|e| io("encode", std::io::Error::other(e)))?;
    let directory = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(|e| io("create a file beside", e))?;
    let mut put = |bytes: &[u8]| file.write_all(bytes).map_err(|e| io("write", e));
    put(&MAGIC)?;
    put(&VERSION.to_le_bytes())?;
    put(&crc32fast::hash(&payload).to_le_bytes())?;
    put(&payload)?;
    file.as_file().sync_all().map_err(|e| io("sync", e))?;
    file.persist(path).map_err(|e| io("replace", e.error))?;
    Ok(())
}

fn read(path: &Path) -> Result<Saved, CheckpointError> {
    let io = |source| CheckpointError::Io { action: "read", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut f| f.read_to_end(&mut bytes)).map_err(io)?;
    let corrupt = || CheckpointError::Corrupt { path: path.to_owned() };
    if bytes.get(..MAGIC.len()) != Some(MAGIC.as_slice()) {
        return Err(CheckpointError::Foreign { path: path.to_owned() });
    }
    let number = |at: usize| -> Result<u32, CheckpointError> {
        let four = bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).ok_or_else(corrupt)?;
        Ok(u32::from_le_bytes(four))
    };
    let (version, checksum) = (number(MAGIC.len())?, number(MAGIC.len() + 4)?);
    if version != VERSION {
        return Err(CheckpointError::Version { path: path.to_owned(), found: version });
    }
    let payload = &bytes[HEADER..];
    if crc32fast::hash(payload) != checksum {
        return Err(corrupt());
    }
    match bincode::serde::decode_from_slice(payload, bincode::config::standard()) {
        Ok((saved, read)) if read == payload.len() => Ok(saved),
        _ => Err(corrupt()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spikegrad_models::{GateShape, Theta};
    use spikegrad_network::Population;

    fn network(n: usize) -> Network<f64> {
        let population = Population::new("theta", Theta::default(), n, GateShape::RaisedCosine, 0.3);
        let builder =
            Network::builder().population(population).synapse("slow", 20.0).without_autapses("slow");
        let mut network = builder.inputs(1).outputs(1).build().expect("a network");
        network.parameters.bias_mut().iter_mut().zip(0..).for_each(|(b, i)| *b = 0.1 / f64::from(i + 1));
        network.freeze(Group::Input).expect("a group");
        network.freeze_entries(Group::Bias, |row, _| row % 2 == 0).expect("a group");
        network
    }

    #[test]
    fn saved_networks_come_back_to_the_bit() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("network");
        let saved = network(5);
        save(&saved, &path).expect("saved");
        let mut loaded = network(5);
        loaded.parameters.values_mut().iter_mut().for_each(|x| *x += 1.0);
        loaded.unfreeze_all();
        load(&mut loaded, &path).expect("loaded");
        assert_eq!(loaded.parameters, saved.parameters);
        assert_eq!(loaded.mask(Group::Recurrent(0)), saved.mask(Group::Recurrent(0)));
        assert!(!loaded.is_trainable(Group::Input) && loaded.is_trainable(Group::Bias));
        assert_eq!(loaded.frozen_entries(Group::Bias), Some([true, false, true, false, true].as_slice()));

        let single = saved.to_f32();
        save(&single, &path).expect("saved");
        let mut loaded = network(5).to_f32();
        load(&mut loaded, &path).expect("loaded");
        assert_eq!(loaded.parameters, single.parameters);
    }

    #[test]
    fn damaged_and_foreign_files_are_refused_and_nothing_is_changed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("network");
        save(&network(5), &path).expect("saved");
        let good = std::fs::read(&path).expect("bytes");
        let mut target = network(5);
        let before = target.parameters.clone();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            std::fs::write(&path, bad).expect("written");
            let error = load(&mut target, &path).expect_err("refused");
            let expected = match at {
                0..8 => matches!(error, CheckpointError::Foreign { .. }),
                8..12 => matches!(error, CheckpointError::Version { .. }),
                _ => matches!(error, CheckpointError::Corrupt { .. }),
            };
            assert!(expected, "byte {at}: {error}");
        }
        for length in 0..good.len() {
            std::fs::write(&path, &good[..length]).expect("written");
            assert!(load(&mut target, &path).is_err(), "cut at {length}");
        }
        assert_eq!(target.parameters, before);
    }

    #[test]
    fn files_of_another_network_say_what_differs() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("network");
        save(&network(5), &path).expect("saved");
        let error = load(&mut network(6), &path).expect_err("refused").to_string();
        assert!(error.contains("it has `population theta: 5 theta neurons"), "{error}");
        let error = load(&mut network(5).to_f32(), &path).expect_err("refused").to_string();
        assert!(error.contains("fit the float type: it has `f64`, expected `f32`"), "{error}");
        let missing = load(&mut network(5), &directory.path().join("none"));
        assert!(matches!(missing, Err(CheckpointError::Io { action: "read", .. })));
    }
}
