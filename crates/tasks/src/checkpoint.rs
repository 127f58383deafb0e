//! Networks and training runs in files. This is the only place that knows their format: a magic number, a version, a
//! checksum, the length of the contents, then the contents.
//!
//! A file is judged before it is believed. The header is read before the contents, and no length that a file names is
//! given memory unless the file has it. What was read is checked as a network and as a run, and must be what `save` would
//! write of it, byte for byte: nothing in a file is passed over, and nothing of the network that it is loaded into stays.
//!
//! Numbers are kept as f64, which f32 survives unchanged.

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use spikegrad_network::{Group, Network, Scalar, Sign};

use crate::clip::RunningQuantile;
use crate::optimiser::OptimiserState;
use crate::validation::Course;
use crate::{Iteration, file};

const MAGIC: [u8; 8] = *b"spikegrd";
const VERSION: u32 = 7;
/// Magic number, version, checksum and length.
const HEADER: usize = MAGIC.len() + 16;

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
    /// A directory, a device or a pipe.
    #[error("{} is not a regular file: give the path of one", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
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
    #[error("{} is damaged: its length or its checksum does not fit its contents; restore it from a copy, or delete the file or give another path to start anew", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
    },
    /// A whole file with contents that this library does not write.
    #[error("{} contradicts itself in {what}: restore it from a copy, or delete the file or give another path to start anew", path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// What does not go together.
        what: &'static str,
    },
    /// Parameters that are none of a network: not finite, out of their domain, not zero where masked, of the wrong sign.
    #[error("{} cannot hold this network: {source}", path.display())]
    Network {
        /// The file.
        path: PathBuf,
        /// What is wrong with the network.
        source: spikegrad_network::Error,
    },
    /// A file of another network, of other options or of another float type.
    #[error("{} does not fit the {what}: it has `{found}`, expected `{expected}`; use it with what it was written by, delete the file, or give another path", path.display())]
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

/// A network as it is kept: parameters, signs, masks, what is frozen, and what they belong to.
// Strings are borrowed from the contents: decoding an owned one would take memory for whatever length it claims.
#[derive(serde::Serialize, serde::Deserialize)]
struct Saved<'a> {
    float: &'a str,
    #[serde(borrow)]
    structure: Vec<&'a str>,
    parameters: Vec<f64>,
    signs: Vec<Option<Sign>>,
    masks: Vec<(Group, Vec<bool>)>,
    frozen: Vec<Group>,
    frozen_entries: Vec<(Group, Vec<bool>)>,
    training: Option<Cow<'a, Training>>,
}

/// Fingerprints of what a training run began with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Origin {
    /// Of its first training trial and its loss.
    pub(crate) task: u32,
    /// Of its network's parameters.
    pub(crate) start: u32,
}

/// A number that tells other numbers from these.
pub(crate) fn fingerprint(numbers: impl IntoIterator<Item = f64>) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    numbers.into_iter().for_each(|x| hash.update(&x.to_bits().to_le_bytes()));
    hash.finalize()
}

/// The state of a training run besides the network.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Training {
    #[serde(deserialize_with = "texts")]
    pub(crate) options: Vec<String>,
    pub(crate) origin: Origin,
    /// The parameters as the last iteration left them: those of the network are what training returns once it has ended.
    pub(crate) last: Vec<f64>,
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
    pub(crate) fn new<T: Scalar>(
        options: Vec<String>,
        origin: Origin,
        last: &[T],
        optimiser: &OptimiserState<T>,
        quantiles: Vec<RunningQuantile>,
        course: Course,
        history: Vec<Iteration>,
    ) -> Self {
        Self {
            options,
            origin,
            last: widen(last),
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

    /// The same state with the optimiser's numbers rounded to `T`.
    fn narrowed<T: Scalar>(&self) -> Self {
        let optimiser = self.optimiser::<T>();
        Self {
            last: widen(&narrow::<T>(&self.last)),
            first: widen(&optimiser.first),
            second: widen(&optimiser.second),
            start: widen(&optimiser.start),
            mean: widen(&optimiser.mean),
            ..self.clone()
        }
    }

    pub(crate) fn optimiser<T: Scalar>(&self) -> OptimiserState<T> {
        OptimiserState {
            step: self.step,
            first: narrow(&self.first),
            second: narrow(&self.second),
            start: narrow(&self.start),
            mean: narrow(&self.mean),
        }
    }
}

/// Strings that are borrowed before they are copied.
fn texts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Vec::<&str>::deserialize(deserializer).map(|texts| texts.into_iter().map(str::to_owned).collect())
}

fn widen<T: Scalar>(x: &[T]) -> Vec<f64> {
    x.iter().map(|x| x.to_subset_unchecked()).collect()
}

fn narrow<T: Scalar>(x: &[f64]) -> Vec<T> {
    x.iter().map(T::from_subset).collect()
}

/// Saves a network: its parameters, signs, masks and what is frozen.
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
/// If the file cannot be written, or a parameter is out of its domain, not zero where masked or of the wrong sign; an older
/// file then stays as it was.
pub fn save<T: Scalar>(network: &Network<T>, path: &Path) -> Result<(), CheckpointError> {
    write(path, network, None)
}

/// Loads a saved network, or that of a training run's checkpoint, into one of the same structure. Afterwards `network` has
/// the parameters, signs, masks and frozen groups and entries of the file, and none of its own.
///
/// # Errors
/// If the file cannot be read, is damaged, contradicts itself, or is of a network of another structure or float type;
/// `network` then stays as it was.
pub fn load<T: Scalar>(network: &mut Network<T>, path: &Path) -> Result<(), CheckpointError> {
    read(network, path).map(|_| ())
}

pub(crate) fn save_training<T: Scalar>(
    path: &Path,
    network: &Network<T>,
    training: &Training,
) -> Result<(), CheckpointError> {
    write(path, network, Some(training))
}

pub(crate) fn load_training<T: Scalar>(
    path: &Path,
    network: &mut Network<T>,
) -> Result<Training, CheckpointError> {
    let mut loaded = network.clone();
    let training = read(&mut loaded, path)?.ok_or_else(|| CheckpointError::Mismatch {
        path: path.to_owned(),
        what: "kind",
        expected: "a checkpoint of a training run".into(),
        found: "a network alone".into(),
    })?;
    *network = loaded;
    Ok(training)
}

fn float<T>() -> String {
    format!("f{}", 8 * size_of::<T>())
}

/// The contents of a file.
fn encode<T: Scalar>(
    path: &Path,
    network: &Network<T>,
    training: Option<&Training>,
) -> Result<Vec<u8>, CheckpointError> {
    let groups = || network.parameters.layout().entries().iter().map(|e| e.group);
    let (float, structure) = (float::<T>(), network.structure());
    let saved = Saved {
        float: &float,
        structure: structure.iter().map(String::as_str).collect(),
        parameters: widen(network.parameters.values()),
        signs: (0..network.neurons()).map(|neuron| network.sign(neuron)).collect(),
        masks: groups().filter(own_mask).filter_map(|g| Some((g, network.mask(g)?.to_vec()))).collect(),
        frozen: groups().filter(|&g| !network.is_trainable(g)).collect(),
        frozen_entries: groups().filter_map(|g| Some((g, network.frozen_entries(g)?.to_vec()))).collect(),
        training: training.map(Cow::Borrowed),
    };
    bincode::serde::encode_to_vec(saved, bincode::config::standard())
        .map_err(|e| file::io("encode", path)(std::io::Error::other(e)))
}

/// Whether a group can have a mask of its own. Delays have that of their weights.
fn own_mask(group: &Group) -> bool {
    matches!(group, Group::Weight(_) | Group::Input | Group::Readout)
}

/// The network of a file, with all that `target` has besides its structure replaced.
fn restore<T: Scalar>(
    path: &Path,
    saved: &Saved<'_>,
    target: &Network<T>,
) -> Result<Network<T>, CheckpointError> {
    let mismatch = |what, expected: &str, found: &str| {
        let (expected, found) = (expected.to_owned(), found.to_owned());
        Err(CheckpointError::Mismatch { path: path.to_owned(), what, expected, found })
    };
    if saved.float != float::<T>() {
        return mismatch("float type", &float::<T>(), saved.float);
    }
    let structure = target.structure();
    if structure != saved.structure {
        let line = structure.iter().zip(&saved.structure).find(|(a, b)| a != b);
        let count = |lines: usize| format!("{lines} populations and groups");
        return match line {
            Some((expected, found)) => mismatch("network", expected, found),
            None => mismatch("network", &count(structure.len()), &count(saved.structure.len())),
        };
    }
    let contradiction = |what| CheckpointError::Contradiction { path: path.to_owned(), what };
    let mut network = target.clone();
    if saved.parameters.len() != network.parameters.values().len() {
        return Err(contradiction("the number of parameters"));
    }
    if saved.signs.len() != network.neurons() {
        return Err(contradiction("the number of signs"));
    }
    network.set_signs(|neuron| saved.signs[neuron]);
    network.unfreeze_all();
    let invalid = |source| CheckpointError::Network { path: path.to_owned(), source };
    for &group in &saved.frozen {
        network.freeze(group).map_err(invalid)?;
    }
    let of = |entries: &[(Group, Vec<bool>)], group| {
        entries.iter().find(|(g, _)| *g == group).map(|(_, entries)| entries.clone())
    };
    for entry in target.parameters.layout().entries() {
        let (group, rows) = (entry.group, entry.rows);
        let exists = of(&saved.masks, group);
        let frozen = of(&saved.frozen_entries, group);
        if [&exists, &frozen].into_iter().flatten().any(|entries| entries.len() != entry.range.len()) {
            return Err(contradiction("the size of a mask"));
        }
        if own_mask(&group) {
            let exists = |row, column| exists.as_ref().is_none_or(|mask| mask[column * rows + row]);
            network.set_mask(group, exists).map_err(invalid)?;
        }
        if let Some(frozen) = frozen {
            network.freeze_entries(group, |row, column| frozen[column * rows + row]).map_err(invalid)?;
        }
    }
    network.parameters.values_mut().copy_from_slice(&narrow::<T>(&saved.parameters));
    Ok(network)
}

/// Refuses what is no network or no state that a run can be in.
pub(crate) fn check<T: Scalar>(
    path: &Path,
    network: &Network<T>,
    training: Option<&Training>,
) -> Result<(), CheckpointError> {
    let valid = |network: &Network<T>| {
        let found = network.validate().and_then(|()| network.check_signs());
        found.map_err(|source| CheckpointError::Network { path: path.to_owned(), source })
    };
    valid(network)?;
    let Some(training) = training else { return Ok(()) };
    let contradiction = |what| Err(CheckpointError::Contradiction { path: path.to_owned(), what });
    let finite = |x: &[f64]| x.iter().all(|x| x.is_finite());
    // One step an iteration, at most.
    let steps_fit = usize::try_from(training.step).is_ok_and(|steps| steps <= training.history.len());
    if !steps_fit
        || !finite(&training.first)
        || !finite(&training.second)
        || training.second.iter().any(|x| *x < 0.0)
    {
        return contradiction("the state of its optimiser");
    }
    if !training.quantiles.iter().all(RunningQuantile::is_sound) {
        return contradiction("its norms of gradients");
    }
    if training.history.iter().enumerate().any(|(index, done)| done.iteration != index) {
        return contradiction("the order of its iterations");
    }
    // Any of these may become the network's parameters.
    let kept = [training.last.as_slice(), &training.start, &training.mean].into_iter();
    let mut network = network.clone();
    for kept in kept.chain(training.course.kept()) {
        if !kept.is_empty() {
            if kept.len() != network.parameters.values().len() {
                return contradiction("the number of its kept parameters");
            }
            network.parameters.values_mut().copy_from_slice(&narrow::<T>(kept));
            valid(&network)?;
        }
    }
    Ok(())
}

fn write<T: Scalar>(
    path: &Path,
    network: &Network<T>,
    training: Option<&Training>,
) -> Result<(), CheckpointError> {
    check(path, network, training)?;
    let contents = encode(path, network, training)?;
    let length = (contents.len() as u64).to_le_bytes();
    let checksum = crc32fast::hash(&contents).to_le_bytes();
    file::write_whole(path, &[&MAGIC, &VERSION.to_le_bytes(), &checksum, &length, &contents])
}

fn read<T: Scalar>(network: &mut Network<T>, path: &Path) -> Result<Option<Training>, CheckpointError> {
    let contents = contents(path)?;
    let corrupt = || CheckpointError::Corrupt { path: path.to_owned() };
    let decoded = bincode::serde::borrow_decode_from_slice(&contents, bincode::config::standard());
    let (saved, _): (Saved<'_>, usize) = decoded.map_err(|_| corrupt())?;
    let loaded = restore(path, &saved, network)?;
    let training = saved.training.map(Cow::into_owned);
    check(path, &loaded, training.as_ref())?;
    // In the optimiser's float type, which is the network's.
    let narrowed = training.as_ref().map(|training| training.narrowed::<T>());
    if encode(path, &loaded, narrowed.as_ref())? != contents {
        let what = "contents that are not those of the network";
        return Err(CheckpointError::Contradiction { path: path.to_owned(), what });
    }
    *network = loaded;
    Ok(training)
}

/// What stands behind the header of a file, with the checksum that the header says.
fn contents(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    let (mut file, size) = file::open(path)?;
    let io = file::io("read", path);
    let mut header = Vec::with_capacity(HEADER);
    file.by_ref().take(HEADER as u64).read_to_end(&mut header).map_err(&io)?;
    let corrupt = || CheckpointError::Corrupt { path: path.to_owned() };
    let Some(rest) = header.strip_prefix(&MAGIC) else {
        return Err(CheckpointError::Foreign { path: path.to_owned() });
    };
    let (version, rest) = rest.split_first_chunk().ok_or_else(corrupt)?;
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(CheckpointError::Version { path: path.to_owned(), found: version });
    }
    let (checksum, rest) = rest.split_first_chunk().ok_or_else(corrupt)?;
    let length = u64::from_le_bytes(rest.try_into().map_err(|_| corrupt())?);
    if size.checked_sub(HEADER as u64) != Some(length) {
        return Err(corrupt());
    }
    let mut contents = Vec::new();
    let length = usize::try_from(length).map_err(|_| corrupt())?;
    contents.try_reserve_exact(length).map_err(|e| io(std::io::Error::other(e)))?;
    file.take(length as u64).read_to_end(&mut contents).map_err(&io)?;
    if contents.len() != length || crc32fast::hash(&contents) != u32::from_le_bytes(*checksum) {
        return Err(corrupt());
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::predictive_coding::PredictiveCoding;
    use crate::{TrainingOptions, Validation, train};
    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use spikegrad_models::{GateShape, Theta};
    use spikegrad_network::{Error, Population};

    fn network(n: usize) -> Network<f64> {
        let population = Population::new("theta", Theta::default(), n, GateShape::RaisedCosine, 0.3);
        let builder = Network::builder()
            .population(population)
            .synapse("slow", 20.0)
            .change("slow", |p| p.without_autapses());
        let mut network = builder.inputs(1).outputs(1).build().expect("a network");
        network.parameters.bias_mut().iter_mut().zip(0..).for_each(|(b, i)| *b = 0.1 / f64::from(i + 1));
        network.freeze(Group::Input).expect("a group");
        network.freeze_entries(Group::Bias, |row, _| row % 2 == 0).expect("a group");
        network
    }

    /// A network with a mask, signs and frozen entries that no other one here has.
    fn particular() -> Network<f64> {
        let mut network = network(4);
        network.parameters.weight_mut(0).fill(0.25);
        network.set_signs(|neuron| [None, Some(Sign::Inhibitory), Some(Sign::Excitatory), None][neuron]);
        network.set_mask(Group::Weight(0), |post, pre| post != pre && post != 0).expect("a mask");
        network.freeze_entries(Group::Weight(0), |post, _| post == 3).expect("a group");
        network.unfreeze(Group::Bias).expect("a group");
        network
    }

    /// A network of the same structure with constraints of its own.
    fn other() -> Network<f64> {
        let mut network = network(4);
        network.parameters.weight_mut(0).fill(0.5);
        network.parameters.readout_mut().fill(1.5);
        network.parameters.group_mut(Group::Tau(0)).fill(30.0);
        network.set_signs(|neuron| (neuron == 0).then_some(Sign::Inhibitory));
        network.set_mask(Group::Readout, |_, column| column == 1).expect("a mask");
        network.set_mask(Group::Weight(0), |post, pre| post == pre).expect("a mask");
        network.freeze_entries(Group::Readout, |_, column| column == 0).expect("a group");
        network.freeze(Group::Weight(0)).expect("a group");
        network.unfreeze(Group::Tau(0)).expect("a group");
        network
    }

    /// All that `save` writes of a network, which is all that there is besides the structure's code.
    fn all<T: Scalar>(network: &Network<T>) -> Vec<u8> {
        encode(Path::new("memory"), network, None).expect("encoded")
    }

    /// A whole file around `contents`.
    fn sealed(contents: &[u8]) -> Vec<u8> {
        let checksum = crc32fast::hash(contents).to_le_bytes();
        let length = (contents.len() as u64).to_le_bytes();
        [&MAGIC[..], &VERSION.to_le_bytes(), &checksum, &length, contents].concat()
    }

    /// The file of `network` with its contents changed, and a checksum that fits.
    fn forge(network: &Network<f64>, change: impl FnOnce(&mut Saved<'_>)) -> Vec<u8> {
        let contents = all(network);
        let (mut saved, _) = bincode::serde::borrow_decode_from_slice(&contents, bincode::config::standard())
            .expect("decoded");
        change(&mut saved);
        sealed(&bincode::serde::encode_to_vec(saved, bincode::config::standard()).expect("encoded"))
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
        assert_eq!(loaded.mask(Group::Weight(0)), saved.mask(Group::Weight(0)));
        assert!(!loaded.is_trainable(Group::Input) && loaded.is_trainable(Group::Bias));
        assert_eq!(loaded.frozen_entries(Group::Bias), Some([true, false, true, false, true].as_slice()));

        let single = saved.to_f32();
        save(&single, &path).expect("saved");
        let mut loaded = network(5).to_f32();
        load(&mut loaded, &path).expect("loaded");
        assert_eq!(loaded.parameters, single.parameters);
    }

    #[test]
    fn a_loaded_network_is_the_saved_one_in_every_respect() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("network");
        for (saved, target) in [(particular(), other()), (other(), particular()), (network(4), particular())]
        {
            save(&saved, &path).expect("saved");
            let mut loaded = target;
            load(&mut loaded, &path).expect("loaded");
            assert_eq!(all(&loaded), all(&saved));
            assert!((0..4).all(|neuron| loaded.sign(neuron) == saved.sign(neuron)));
            assert_eq!(loaded.mask(Group::Readout), saved.mask(Group::Readout));
            assert_eq!(loaded.frozen_entries(Group::Readout), saved.frozen_entries(Group::Readout));
            loaded.validate().expect("valid");
        }
    }

    #[test]
    fn files_that_contradict_themselves_are_refused_by_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("network");
        let saved = particular();
        let entry = |group, index: usize| saved.parameters.layout().range(group).start + index;
        let (weight, tau) = (Group::Weight(0), Group::Tau(0));
        let bytes = [
            forge(&saved, |s| s.parameters[entry(weight, 0)] = 0.01),
            forge(&saved, |s| s.parameters[entry(weight, 6)] = 0.5),
            forge(&saved, |s| s.parameters[entry(Group::Bias, 1)] = f64::NAN),
            forge(&saved, |s| s.parameters[entry(tau, 0)] = 0.0),
            forge(&saved, |s| s.masks[0].1.push(true)),
            forge(&saved, |s| s.frozen_entries[0].1.truncate(3)),
            forge(&saved, |s| s.parameters.truncate(3)),
            forge(&saved, |s| s.signs.push(None)),
            forge(&saved, |s| s.masks.push((tau, vec![true]))),
            forge(&saved, |s| s.masks.push(s.masks[0].clone())),
            forge(&saved, |s| s.frozen.push(Group::Weight(9))),
            forge(&saved, |s| s.structure.push("another population")),
        ];
        let reasons = [
            "W[0] is masked at entry 0, but its value is 0.01",
            "W[0] is 0.5 at entry 6, but neuron 1 is inhibitory",
            "I_o has a non-finite value at index 1",
            "tau[slow] = 0",
            "contradicts itself in the size of a mask",
            "contradicts itself in the size of a mask",
            "contradicts itself in the number of parameters",
            "contradicts itself in the number of signs",
            "contradicts itself in contents that are not those of the network",
            "contradicts itself in contents that are not those of the network",
            "the network has no W[9]",
            "does not fit the network",
        ];
        for (bytes, reason) in bytes.iter().zip(reasons) {
            fs::write(&path, bytes).expect("written");
            let mut target = other();
            let error = load(&mut target, &path).expect_err(reason).to_string();
            assert!(error.contains(reason), "{error}");
            assert_eq!(all(&target), all(&other()));
        }
    }

    #[test]
    fn what_could_not_be_loaded_is_not_saved() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("network");
        save(&particular(), &path).expect("saved");
        let before = fs::read(&path).expect("bytes");
        let mut ruined = particular();
        ruined.parameters.bias_mut()[2] = f64::NAN;
        let error = save(&ruined, &path).expect_err("refused");
        assert!(matches!(error, CheckpointError::Network { source: Error::NonFinite { .. }, .. }), "{error}");
        let mut ruined = particular();
        ruined.parameters.weight_mut(0)[(1, 2)] = -0.5;
        let error = save(&ruined, &path).expect_err("refused");
        assert!(matches!(error, CheckpointError::Network { source: Error::WrongSign { .. }, .. }), "{error}");
        assert_eq!(fs::read(&path).expect("bytes"), before);
    }

    #[test]
    fn damaged_and_foreign_files_are_refused_and_nothing_is_changed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("network");
        save(&network(5), &path).expect("saved");
        let good = fs::read(&path).expect("bytes");
        let mut target = network(5);
        let before = target.parameters.clone();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            fs::write(&path, bad).expect("written");
            let error = load(&mut target, &path).expect_err("refused");
            let expected = match at {
                0..8 => matches!(error, CheckpointError::Foreign { .. }),
                8..12 => matches!(error, CheckpointError::Version { .. }),
                _ => matches!(error, CheckpointError::Corrupt { .. }),
            };
            assert!(expected, "byte {at}: {error}");
        }
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).expect("written");
            assert!(load(&mut target, &path).is_err(), "cut at {length}");
        }
        fs::write(&path, [good.as_slice(), &[0]].concat()).expect("written");
        assert!(matches!(load(&mut target, &path), Err(CheckpointError::Corrupt { .. })));
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

    #[test]
    fn one_delay_of_a_neuron_is_not_one_of_a_connection() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("network");
        let builder = || {
            let population = Population::new("theta", Theta::default(), 1, GateShape::RaisedCosine, 0.3);
            Network::builder().population(population).synapse("slow", 20.0)
        };
        save(&builder().change("slow", |p| p.axonal_delays(1.0)).build().expect("a network"), &path)
            .expect("saved");
        let mut target = builder().change("slow", |p| p.connection_delays(1.0)).build().expect("a network");
        let error = load(&mut target, &path).expect_err("refused").to_string();
        assert!(error.contains("delay[slow]"), "{error}");
    }

    /// The file of a training run with everything that one can have, and its network.
    fn trained(path: &Path) -> Network<f64> {
        let task = PredictiveCoding { duration: (10.0, 20.0), ..PredictiveCoding::autoencoder(6) };
        let mut network = task.network(GateShape::RaisedCosine, 0.3, 3).expect("a network");
        let validation = Validation {
            every: 1,
            trials: 2,
            rise_at: 0.0,
            fall_below: 0.0,
            go_back: Some(0.1),
            rise: 1.0,
            slow: 0.5,
            patience: 9,
        };
        let options = TrainingOptions {
            batch: 2,
            average: 3,
            pulls: vec![crate::Pull { group: Group::Weight(1), part: 0.1 }],
            validation: Some(validation),
            checkpoint: Some(Checkpoint { path: path.to_owned(), every: 1 }),
            ..task.options(3, 3)
        };
        train(&mut network, &task, &options, &mut ()).expect("trained");
        network
    }

    /// Changes some bytes, or how many there are; often to such as stand for long lengths and numbers out of any domain.
    fn mutate(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
        const SPECIAL: [f64; 6] = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300, 5e-324];
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len().max(1));
            let to = (at + rng.random_range(1..40)).min(bytes.len());
            let mut fresh = match rng.random_range(0..6) {
                0 => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << rng.random_range(0..8);
                    }
                    continue;
                }
                1 => Vec::new(),
                2 => {
                    bytes.truncate(at);
                    continue;
                }
                3 => {
                    let mut length = vec![253];
                    length.extend((rng.next_u64() >> rng.random_range(0..64)).to_le_bytes());
                    length
                }
                4 => SPECIAL[rng.random_range(0..SPECIAL.len())].to_le_bytes().to_vec(),
                _ => (0..rng.random_range(1..9)).map(|_| rng.random()).collect(),
            };
            let in_place = rng.random_bool(0.5) && at + fresh.len() <= bytes.len();
            let to = if in_place { at + fresh.len() } else { to };
            bytes.splice(at.min(bytes.len())..to, fresh.drain(..));
        }
    }

    #[test]
    fn ten_thousand_forged_files_do_no_harm() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("run");
        let rng = &mut ChaCha8Rng::seed_from_u64(18);
        let runs = trained(&path);
        let run = fs::read(&path).expect("bytes");
        save(&particular(), &path).expect("saved");
        let alone = fs::read(&path).expect("bytes");
        let (mut loaded, mut refused) = (0, 0);
        for case in 0..10_000 {
            let (good, network) = if case % 2 == 0 { (&run, &runs) } else { (&alone, &particular()) };
            let mut bytes = good.clone();
            if case % 8 == 0 {
                mutate(&mut bytes, rng);
            } else {
                // The checksum fits: it is the decoder and the checks behind it that are attacked.
                let mut contents = bytes.split_off(HEADER);
                mutate(&mut contents, rng);
                bytes = sealed(&contents);
            }
            // A file that is written over is flushed to the disk at once, a new one is not.
            fs::remove_file(&path).expect("removed");
            fs::write(&path, &bytes).expect("written");
            let mut target = network.clone();
            let mut result = None;
            let used = allocation_counter::measure(|| result = Some(read(&mut target, &path)));
            assert!(used.bytes_max < (8 << 20) + 64 * bytes.len() as u64, "case {case}: {used:?}");
            match result.expect("measured") {
                Ok(training) => {
                    loaded += 1;
                    target.validate().expect("a valid network");
                    target.check_signs().expect("signs");
                    check(&path, &target, training.as_ref()).expect("what is loaded can be saved");
                    let again = encode(&path, &target, training.as_ref()).expect("encoded");
                    assert!(sealed(&again) == bytes, "case {case}: not what the file says");
                }
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().contains("run"), "{error}");
                    assert!(all(&target) == all(network), "case {case}: changed by a file that was refused");
                }
            }
        }
        assert!(loaded > 100 && refused > 5_000, "loaded {loaded}, refused {refused}");
    }
}
