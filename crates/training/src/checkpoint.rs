//! Training runs on disk: a magic number, a version, a checksum and the length of the contents, then the contents: the length and the
//! bytes of what the program keeps of itself ([`Program::encode`]), and the state of the run.
//!
//! A file is judged before it is believed. No length that a file names is given memory unless the file has it. What was read is
//! checked as a program and as a run, and must be what would be written of it, byte for byte: nothing in a file is passed over.
//!
//! Numbers of a run are kept as f64, which f32 survives unchanged.

use std::io::Read;
use std::path::{Path, PathBuf};

use nalgebra::RealField;
use serde::Deserialize;

use crate::clip::RunningQuantile;
use crate::optimiser::OptimiserState;
use crate::validation::Course;
use crate::{CheckpointError, Iteration, Program, file};

/// Version of the format of checkpoints, and of the programs in them.
pub const VERSION: u32 = 8;

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
    /// The fingerprint of the program's trials and their cost ([`Program::fingerprint`]).
    pub(crate) task: u32,
    /// The fingerprint of the program's parameters.
    pub(crate) start: u32,
}

/// The state of a training run besides the program.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Training {
    #[serde(deserialize_with = "texts")]
    pub(crate) options: Vec<String>,
    pub(crate) origin: Origin,
    /// The parameters as the last iteration left them: those of the program are what training returns once it has ended.
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
    pub(crate) fn new<T: RealField + Copy>(
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
    fn narrowed<T: RealField + Copy>(&self) -> Self {
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

/// Strings that are borrowed before they are copied.
fn texts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Vec::<&str>::deserialize(deserializer).map(|texts| texts.into_iter().map(str::to_owned).collect())
}

fn widen<T: RealField + Copy>(x: &[T]) -> Vec<f64> {
    x.iter().map(|x| x.to_subset_unchecked()).collect()
}

fn narrow<T: RealField + Copy>(x: &[f64]) -> Vec<T> {
    x.iter().map(T::from_subset).collect()
}

/// What the iterations of a training run did, of its checkpoint; `None` for a file that is no checkpoint.
///
/// # Errors
/// If the file cannot be read, is damaged, or is of another version of the format.
pub fn history(path: &Path) -> Result<Option<Vec<Iteration>>, CheckpointError> {
    let bytes = whole(path)?;
    let (_, Some(training)) = parts(path, &bytes)? else { return Ok(None) };
    Ok(Some(decode(path, training)?.history))
}

pub(crate) fn save_training<T: RealField + Copy, P: Program<T>>(
    path: &Path,
    program: &mut P,
    training: &Training,
) -> Result<(), CheckpointError> {
    check(path, program, Some(training))?;
    let program = program.encode(path)?;
    let mut contents = (program.len() as u64).to_le_bytes().to_vec();
    contents.extend(program);
    contents.extend(state(path, training)?);
    file::write_whole(path, &[&header(&contents), &contents])
}

/// Takes over the program of a training run's checkpoint, and returns what its iterations did.
///
/// # Errors
/// If the file cannot be read, is damaged, is no checkpoint, or that of another program. The program then stays as it was.
pub fn load_run<T: RealField + Copy, P: Program<T>>(
    path: &Path,
    program: &mut P,
) -> Result<Vec<Iteration>, CheckpointError> {
    or_as_it_was(path, program, |program| load_training(path, program)).map(|training| training.history)
}

/// What `take_over` makes of a program, or its error and the program as it was.
pub(crate) fn or_as_it_was<T: RealField + Copy, P: Program<T>, R>(
    path: &Path,
    program: &mut P,
    take_over: impl FnOnce(&mut P) -> Result<R, CheckpointError>,
) -> Result<R, CheckpointError> {
    // What could not be taken back is refused before anything is taken.
    program.check_kept().map_err(|source| CheckpointError::Parameters { path: path.to_owned(), source })?;
    let own = program.encode(path)?;
    let result = take_over(program);
    if result.is_err() {
        program.decode(path, &own)?;
    }
    result
}

/// Takes over the program of a checkpoint, and returns the state of its run. Where that fails, the program may be that of the file.
pub(crate) fn load_training<T: RealField + Copy, P: Program<T>>(
    path: &Path,
    program: &mut P,
) -> Result<Training, CheckpointError> {
    let bytes = whole(path)?;
    let (saved, training) = parts(path, &bytes)?;
    let training = training.ok_or_else(|| CheckpointError::Mismatch {
        path: path.to_owned(),
        what: "kind",
        expected: "a checkpoint of a training run".into(),
        found: "a file of another kind".into(),
    })?;
    program.decode(path, saved)?;
    let run = decode(path, training)?;
    check(path, program, Some(&run))?;
    // In the optimiser's float type, which is the program's.
    if state(path, &run.narrowed::<T>())? != training {
        let what = "contents that are not those of the run";
        return Err(CheckpointError::Contradiction { path: path.to_owned(), what });
    }
    Ok(run)
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

/// What stands before the contents of a checkpoint.
fn header(contents: &[u8]) -> Vec<u8> {
    let (checksum, length) = (crc32fast::hash(contents).to_le_bytes(), (contents.len() as u64).to_le_bytes());
    [&MAGIC[..], &VERSION.to_le_bytes(), &checksum, &length].concat()
}

/// Refuses what is no program or no state that a run can be in. The program is the same afterwards.
pub(crate) fn check<T: RealField + Copy, P: Program<T>>(
    path: &Path,
    program: &mut P,
    training: Option<&Training>,
) -> Result<(), CheckpointError> {
    let valid = |program: &P| {
        let finite = |x: &T| x.is_finite();
        let refused = |source| CheckpointError::Parameters { path: path.to_owned(), source };
        program.check_kept().map_err(refused)?;
        match program.values().iter().position(|x| !finite(x)) {
            Some(index) => Err(refused(format!("parameter {index} is not finite").into())),
            None => Ok(()),
        }
    };
    valid(program)?;
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
    // Any of these may become the program's parameters.
    let kept = [training.last.as_slice(), &training.start, &training.mean].into_iter();
    let kept: Vec<_> = kept.chain(training.course.kept()).filter(|kept| !kept.is_empty()).collect();
    if kept.iter().any(|kept| kept.len() != program.values().len()) {
        return contradiction("the number of its kept parameters");
    }
    let own = program.values().to_vec();
    let judged = kept.into_iter().try_for_each(|kept| {
        program.values_mut().copy_from_slice(&narrow::<T>(kept));
        valid(program)
    });
    program.values_mut().copy_from_slice(&own);
    judged
}

/// All bytes of a file.
///
/// # Errors
/// If the file cannot be read, or is none.
pub fn whole(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    let (file, size) = file::open(path)?;
    let io = file::io("read", path);
    let mut bytes = Vec::new();
    let length = usize::try_from(size).map_err(|e| io(std::io::Error::other(e)))?;
    bytes.try_reserve_exact(length).map_err(|e| io(std::io::Error::other(e)))?;
    file.take(size).read_to_end(&mut bytes).map_err(&io)?;
    Ok(bytes)
}

/// The bytes of the program of a file, and those of the run's state where the file is a checkpoint. A file that is none is the program's
/// alone.
///
/// # Errors
/// If the file is a damaged checkpoint, or one of another version of the format.
pub fn parts<'a>(path: &Path, bytes: &'a [u8]) -> Result<(&'a [u8], Option<&'a [u8]>), CheckpointError> {
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
