//! What can go wrong in training, and with files.

use std::path::PathBuf;

use spikegrad_adjoint::BoxError;

/// Why a batch or a training run was refused or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A sweep failed.
    #[error(transparent)]
    Adjoint(#[from] spikegrad_adjoint::Error),
    /// A file could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A program that cannot be run.
    #[error("{0}")]
    Program(#[source] BoxError),
    /// A reducer that could not add the lanes of a batch up.
    #[error("the lanes of a batch could not be added up: {0}")]
    Reducer(#[source] BoxError),
    /// A batch without trials.
    #[error("the batch is empty: give at least one trial")]
    EmptyBatch,
    /// A batch that does not fit into memory.
    #[error(
        "a batch of {trials} trials takes {bytes} bytes, more than there are: take a smaller batch, shorter trials, or \
         `micro_batch`, so that fewer trials are there at once"
    )]
    BatchMemory {
        /// Trials that are there at once.
        trials: usize,
        /// What they take.
        bytes: u128,
    },
    /// Every trial of a batch became non-finite.
    #[error("all {trials} trials of iteration {iteration} became non-finite, first of all: {first}")]
    NoFiniteTrial {
        /// The iteration.
        iteration: usize,
        /// Trials in the batch.
        trials: usize,
        /// What happened in the first of them.
        first: spikegrad_adjoint::Error,
    },
    /// A trial without a finite cost, where every trial has to have one.
    #[error("trial {trial} has no finite cost: {why}")]
    NotFinite {
        /// The trial, counted from 0.
        trial: usize,
        /// What happened in it.
        why: spikegrad_adjoint::Error,
    },
    /// A parameter that is stepped in its logarithm and has none.
    #[error("{name} is {value} at entry {index}: it is fitted by its logarithm, so give a number above zero")]
    NotPositive {
        /// The group's name.
        name: String,
        /// The index of the entry in its group, column-major.
        index: usize,
        /// The value of the parameter.
        value: f64,
    },
    /// A learning rate, a pull or a fit of a group that cannot be stepped.
    #[error("the {what} name {name}, which {why}")]
    Untrainable {
        /// `rates`, `pulls` or `groups`.
        what: &'static str,
        /// The group's name.
        name: String,
        /// Why it cannot, and what to change.
        why: &'static str,
    },
    /// A group that is named twice.
    #[error("{what} name {name} twice: leave one of them out")]
    Twice {
        /// The option.
        what: &'static str,
        /// The group's name.
        name: String,
    },
    /// A step that would take a parameter out of its domain. It was not taken.
    #[error(
        "the step of iteration {iteration} would take {what} at entry {index} to {value}, and was not taken: lower its learning \
         rate, which is {rate} in this iteration, or clip its gradient"
    )]
    Step {
        /// The iteration.
        iteration: usize,
        /// The parameter, or what the optimiser remembers of its gradient.
        what: String,
        /// The index of the entry in its group, column-major.
        index: usize,
        /// What it would become.
        value: f64,
        /// The learning rate or pull, with the schedule's factor.
        rate: f64,
    },
    /// A step to parameters that the program cannot be run with. It was not taken.
    #[error(
        "the step of iteration {iteration} was not taken, since no training could go on from it; lower the learning rates, or \
         clip the gradients. What would be wrong: {reason}"
    )]
    StepRefused {
        /// The iteration.
        iteration: usize,
        /// Why the program would be refused.
        reason: BoxError,
    },
    /// An option out of its domain.
    #[error("{option} = {value}: {expected}")]
    Option {
        /// The option.
        option: &'static str,
        /// The option's value.
        value: f64,
        /// What it must be.
        expected: &'static str,
    },
    /// A largest norm that nothing can be clipped at.
    #[error(
        "the largest norm of {name} is {value}: give a number above zero, or `None` for a group that is not clipped"
    )]
    Clip {
        /// The group's name.
        name: String,
        /// The group's largest norm.
        value: f64,
    },
    /// Largest norms of another program.
    #[error("there are {found} largest norms for {expected} groups of parameters: give one for each group")]
    ClipLength {
        /// Number of the program's groups.
        expected: usize,
        /// Number of largest norms.
        found: usize,
    },
    /// A gradient, or a set of parameters, of another program.
    #[error("{what} has {found} entries, there are {expected} parameters: use one made for them")]
    Length {
        /// The name of the argument.
        what: &'static str,
        /// Number of parameters.
        expected: usize,
        /// Length of the argument.
        found: usize,
    },
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
    #[error(
        "{} has version {found} of the format, written by {}, and this library reads {read}: read it with the release that wrote it",
        path.display(),
        by.as_deref().map_or_else(|| "another release".to_owned(), |by| format!("spikegrad {by}"))
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The file's version of the format.
        found: u32,
        /// The version of the format that this library reads.
        read: u32,
        /// The version of the library that wrote it, where the file says it.
        by: Option<String>,
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
    /// A file whose description of a network is none.
    #[error("{} does not describe a network: {reason}; restore it from a copy, or write it again", path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong with the description.
        reason: String,
    },
    /// A network of numbers that files do not keep, such as dual numbers.
    #[error("{} would hold numbers of {bytes} bytes: save a network of f32 or f64", path.display())]
    Float {
        /// The file.
        path: PathBuf,
        /// Bytes of a number.
        bytes: usize,
    },
    /// An array that is not what the description of the network says.
    #[error("{} has {found} for `{name}`, expected {expected}: restore it from a copy, or write it again", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// The name of the array.
        name: String,
        /// What the network needs.
        expected: String,
        /// What the file holds.
        found: String,
    },
    /// Parameters that the program cannot be run with: not finite, out of their domain, not zero where masked, of the wrong sign.
    #[error("{} cannot hold these parameters: {source}", path.display())]
    Parameters {
        /// The file.
        path: PathBuf,
        /// The parameter that is wrong, and why.
        source: BoxError,
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

impl Error {
    /// The error of a program that has no error type of its own, for `map_err`.
    pub fn program(error: impl Into<BoxError>) -> Self {
        Self::Program(error.into())
    }

    /// Refuses the value of an option unless it is within its domain.
    ///
    /// # Errors
    /// [`Error::Option`].
    pub fn unless(valid: bool, option: &'static str, value: f64, expected: &'static str) -> Result<(), Self> {
        if valid { Ok(()) } else { Err(Self::Option { option, value, expected }) }
    }

    /// Refuses the value of an option unless it is positive and finite.
    ///
    /// # Errors
    /// [`Error::Option`].
    pub fn unless_positive(option: &'static str, value: f64) -> Result<(), Self> {
        Self::unless(value > 0.0 && value.is_finite(), option, value, "it must be positive and finite")
    }
}
