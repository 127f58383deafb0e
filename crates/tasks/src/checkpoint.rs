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
mod tests {
    use std::fs;

    use super::*;
    use crate::predictive_coding::PredictiveCoding;
    use crate::safetensors::Container;
    use crate::{TrainingOptions, Validation, train};
    use rand::{Rng, RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use spikegrad_models::{GateShape, Theta};
    use spikegrad_network::{Connector, Group, Population, Projection, Sign};

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

    /// The bytes of a network, with the checksum inside that fits what a mutation left of them.
    fn resealed(bytes: Vec<u8>) -> Vec<u8> {
        match Container::read(&bytes) {
            Ok(mut container) => {
                network_file::seal(&mut container);
                container.write().expect("bytes")
            }
            Err(_) => bytes,
        }
    }

    fn bytes_of(network: &Network<f64>) -> Vec<u8> {
        network_file::encode(Path::new("memory"), network).expect("encoded")
    }

    #[test]
    fn a_checkpoint_gives_its_network_and_says_what_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("run");
        let trained = trained(&path);
        let loaded: Network<f64> = load(&path).expect("loaded");
        assert_eq!(bytes_of(&loaded), bytes_of(&trained));
        assert_eq!(describe(&path).expect("a description"), trained.spec());
        // An iteration of training needs a checkpoint, not a network alone.
        save(&trained, &path).expect("saved");
        let error = load_training(&path, &mut trained.clone()).map(|_| ()).expect_err("refused").to_string();
        assert!(error.contains("it has `a network alone`"), "{error}");
    }

    #[test]
    fn checkpoints_of_older_formats_are_refused_by_their_number() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("run");
        fs::write(&path, [&MAGIC[..], &7_u32.to_le_bytes(), &[0; 40]].concat()).expect("written");
        let error = load::<f64>(&path).expect_err("refused");
        assert!(matches!(error, CheckpointError::Version { found: 7, .. }), "{error}");
    }

    #[test]
    fn checkpoints_of_other_connections_are_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("run");
        let listed = |pairs: &[(u32, u32)]| {
            let population = Population::new("theta", Theta::default(), 3, GateShape::Box, 0.3);
            let slow = Projection::new("slow", 20.0).connected(Connector::Pairs(pairs.to_vec()));
            Network::builder().population(population).projection(slow).build().expect("a network")
        };
        save(&listed(&[(0, 1), (2, 0)]), &path).expect("saved");
        load_into(&mut listed(&[(2, 0), (0, 1)]), &path).expect("the same connections");
        let error = load_into(&mut listed(&[(0, 1), (2, 1)]), &path).expect_err("refused").to_string();
        assert!(error.contains("projections[0].connector = a list of 2 pairs"), "{error}");
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
        let (_, state_of_run) = parts(&path, &run).expect("a checkpoint");
        let (network_of_run, state_of_run) = (bytes_of(&runs), state_of_run.expect("a state").to_vec());
        let (mut loaded, mut refused) = (0, 0);
        for case in 0..10_000 {
            let of_run = case % 2 == 0;
            let (good, network) = if of_run { (&run, &runs) } else { (&alone, &particular()) };
            let mut bytes = good.clone();
            if case % 8 < 2 {
                mutate(&mut bytes, rng);
            } else {
                // The checksums fit: it is the decoders and the checks behind them that are attacked.
                let mut saved = if of_run { network_of_run.clone() } else { alone.clone() };
                let mut state = state_of_run.clone();
                if of_run && case % 4 == 0 {
                    mutate(&mut state, rng);
                } else {
                    mutate(&mut saved, rng);
                    saved = resealed(saved);
                }
                bytes = saved;
                if of_run {
                    let length = (bytes.len() as u64).to_le_bytes();
                    let contents = [&length[..], &bytes, &state].concat();
                    bytes = [header(&contents), contents].concat();
                }
            }
            // A file that is written over is flushed to the disk at once, a new one is not.
            fs::remove_file(&path).expect("removed");
            fs::write(&path, &bytes).expect("written");
            let mut target = network.clone();
            let mut result = None;
            let used = allocation_counter::measure(|| {
                result = Some(match of_run {
                    true => load_training(&path, &mut target).map(Some),
                    false => load_into(&mut target, &path).map(|()| None),
                });
            });
            assert!(used.bytes_max < (8 << 20) + 64 * bytes.len() as u64, "case {case}: {used:?}");
            match result.expect("measured") {
                Ok(training) => {
                    loaded += 1;
                    target.validate().expect("a valid network");
                    target.check_signs().expect("signs");
                    check(&path, &target, training.as_ref()).expect("what is loaded can be saved");
                    let (saved, _) = parts(&path, &bytes).expect("a good file");
                    let (found, again) = (Container::read(saved), bytes_of(&target));
                    let again = Container::read(&again).expect("read").tensors;
                    assert!(found.expect("read").tensors == again, "case {case}: not what the file says");
                }
                Err(error) => {
                    refused += 1;
                    assert!(error.to_string().contains("run"), "{error}");
                    assert!(
                        bytes_of(&target) == bytes_of(network),
                        "case {case}: changed by a file that was refused"
                    );
                }
            }
        }
        assert!(loaded > 100 && refused > 5_000, "loaded {loaded}, refused {refused}");
    }
}
