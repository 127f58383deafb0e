//! Networks and training runs on disk. A network alone is a file of the format `safetensors`; a checkpoint of a training run is a magic
//! number, a version, a checksum and the length of the contents, then the contents: the length and the bytes of such a file, and the
//! state of the run.
//!
//! A file is judged before it is believed. No length that a file names is given memory unless the file has it. What was read is
//! checked as a network and as a run, and must be what would be written of it, byte for byte: nothing in a file is passed over, and
//! nothing of the network that it is loaded into stays.
//!
//! Numbers of a run are kept as f64, which f32 survives unchanged.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use spikegrad_network::{Models, Network, NetworkSpec, Scalar};

use crate::clip::RunningQuantile;
use crate::network_file::{self, VERSION, Wanted};
use crate::optimiser::OptimiserState;
use crate::origin::Origin;
use crate::validation::Course;
use crate::{CheckpointError, Iteration, file};

const MAGIC: [u8; 8] = *b"spikegrd";

/// Where a training run is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The file. If it is there when training starts, training goes on from it.
    pub path: PathBuf,
    /// Number of iterations between two writings; it is also written when training ends or is stopped.
    pub every: usize,
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
    check(path, network, None)?;
    file::write_whole(path, &[&network_file::encode(path, network)?])
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
    *network = like(network, path, saved)?;
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

/// What the iterations of a training run did, of its checkpoint; `None` for the file of a network alone.
///
/// # Errors
/// If the file cannot be read, is damaged, or is of another version of the format.
pub fn history(path: &Path) -> Result<Option<Vec<Iteration>>, CheckpointError> {
    let bytes = whole(path)?;
    let (_, Some(training)) = parts(path, &bytes)? else { return Ok(None) };
    Ok(Some(decode(path, training)?.history))
}

pub(crate) fn save_training<T: Scalar>(
    path: &Path,
    network: &Network<T>,
    training: &Training,
) -> Result<(), CheckpointError> {
    check(path, network, Some(training))?;
    let contents = encode(path, network, training)?;
    file::write_whole(path, &[&header(&contents), &contents])
}

pub(crate) fn load_training<T: Scalar>(
    path: &Path,
    network: &mut Network<T>,
) -> Result<Training, CheckpointError> {
    let bytes = whole(path)?;
    let (saved, training) = parts(path, &bytes)?;
    let training = training.ok_or_else(|| CheckpointError::Mismatch {
        path: path.to_owned(),
        what: "kind",
        expected: "a checkpoint of a training run".into(),
        found: "a network alone".into(),
    })?;
    let loaded = like(network, path, saved)?;
    let run = decode(path, training)?;
    check(path, &loaded, Some(&run))?;
    // In the optimiser's float type, which is the network's.
    if state(path, &run.narrowed::<T>())? != training {
        let what = "contents that are not those of the run";
        return Err(CheckpointError::Contradiction { path: path.to_owned(), what });
    }
    *network = loaded;
    Ok(run)
}

/// The network of these bytes, which must be of the structure of `network`.
fn like<T: Scalar>(network: &Network<T>, path: &Path, bytes: &[u8]) -> Result<Network<T>, CheckpointError> {
    let wanted = Wanted { models: &network.models(), like: Some(&network.spec()) };
    let mut loaded = network_file::decode::<T>(path, bytes, &wanted)?;
    loaded.set_memory_limit(Some(network.memory_limit()));
    Ok(loaded)
}

/// The state of a run of its bytes.
fn decode(path: &Path, bytes: &[u8]) -> Result<Training, CheckpointError> {
    let decoded = bincode::serde::borrow_decode_from_slice(bytes, bincode::config::standard());
    let (run, _) = decoded.map_err(|_| CheckpointError::Corrupt { path: path.to_owned() })?;
    Ok(run)
}

/// The bytes of a run's state.
fn state(path: &Path, training: &Training) -> Result<Vec<u8>, CheckpointError> {
    bincode::serde::encode_to_vec(training, bincode::config::standard())
        .map_err(|e| file::io("encode", path)(std::io::Error::other(e)))
}

/// The contents of a checkpoint: a network, its length before it, and the state of the run.
fn encode<T: Scalar>(
    path: &Path,
    network: &Network<T>,
    training: &Training,
) -> Result<Vec<u8>, CheckpointError> {
    let network = network_file::encode(path, network)?;
    let mut contents = (network.len() as u64).to_le_bytes().to_vec();
    contents.extend(network);
    contents.extend(state(path, training)?);
    Ok(contents)
}

/// What stands before the contents of a checkpoint.
fn header(contents: &[u8]) -> Vec<u8> {
    let (checksum, length) = (crc32fast::hash(contents).to_le_bytes(), (contents.len() as u64).to_le_bytes());
    [&MAGIC[..], &VERSION.to_le_bytes(), &checksum, &length].concat()
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

/// All bytes of a file.
fn whole(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    let (file, size) = file::open(path)?;
    let io = file::io("read", path);
    let mut bytes = Vec::new();
    let length = usize::try_from(size).map_err(|e| io(std::io::Error::other(e)))?;
    bytes.try_reserve_exact(length).map_err(|e| io(std::io::Error::other(e)))?;
    file.take(size).read_to_end(&mut bytes).map_err(&io)?;
    Ok(bytes)
}

/// The bytes of the network of a file, and those of the run's state of a checkpoint.
fn parts<'a>(path: &Path, bytes: &'a [u8]) -> Result<(&'a [u8], Option<&'a [u8]>), CheckpointError> {
    let corrupt = || CheckpointError::Corrupt { path: path.to_owned() };
    let Some(rest) = bytes.strip_prefix(&MAGIC) else {
        return Ok((bytes, None));
    };
    let (version, rest) = rest.split_first_chunk().ok_or_else(corrupt)?;
    let found = u32::from_le_bytes(*version);
    if found != VERSION {
        return Err(CheckpointError::Version { path: path.to_owned(), found, read: VERSION, by: None });
    }
    let (checksum, rest) = rest.split_first_chunk().ok_or_else(corrupt)?;
    let (length, contents) = rest.split_first_chunk().ok_or_else(corrupt)?;
    let fits = u64::from_le_bytes(*length) == contents.len() as u64;
    if !fits || crc32fast::hash(contents) != u32::from_le_bytes(*checksum) {
        return Err(corrupt());
    }
    let (length, rest) = contents.split_first_chunk().ok_or_else(corrupt)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| corrupt())?;
    let (network, training) = rest.split_at_checked(length).ok_or_else(corrupt)?;
    Ok((network, Some(training)))
}

#[cfg(test)]
mod tests;
