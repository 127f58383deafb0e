//! What can go wrong, in the words of the crates below, and which Python exception it becomes.

use pyo3::PyErr;
use pyo3::exceptions::{PyFileNotFoundError, PyMemoryError, PyOSError, PyRuntimeError, PyValueError};
use spikegrad::tasks::CheckpointError;
use spikegrad::{adjoint, network, tasks, training};

/// Why a call was refused or failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The network, a trial, the step or a run.
    #[error(transparent)]
    Network(#[from] network::Error),
    /// A batch, a training or a loss.
    #[error(transparent)]
    Tasks(#[from] tasks::Error),
    /// A gradient or its check.
    #[error(transparent)]
    Adjoint(#[from] adjoint::Error),
    /// A graph of NIR.
    #[error(transparent)]
    Nir(#[from] spikegrad_nir::Error),
    /// One trial of several.
    #[error("trial {trial}: {source}")]
    Trial {
        /// The index, counted from 0.
        trial: usize,
        /// The error of this trial.
        source: Box<Error>,
    },
    /// Text that describes no network, no loss or no training.
    #[error("{what}: {why}")]
    Text {
        /// What the text was to be.
        what: &'static str,
        /// The reader's reason.
        why: String,
    },
    /// An array that does not fit.
    #[error("{what}: {expected}, not {found}")]
    Array {
        /// The name of the array.
        what: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Numbers of one type where the network has those of another.
    #[error(
        "the network computes in {expected}, and these trials are in {found}: make them for this network"
    )]
    Type {
        /// The network's type.
        expected: &'static str,
        /// The other one.
        found: &'static str,
    },
    /// An argument that does not go together with another.
    #[error("{what}: {why}")]
    Argument {
        /// The name of the argument.
        what: String,
        /// What to change.
        why: String,
    },
    /// Threads that the system does not give.
    #[error("no threads to compute on: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// Something that panicked in another thread.
    #[error("another call failed while it used this object: make a new one")]
    Poisoned,
}

impl Error {
    /// This error, of a trial.
    pub(crate) fn of_trial(self, trial: usize) -> Self {
        Self::Trial { trial, source: Box::new(self) }
    }

    pub(crate) fn argument(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Argument { what: what.into(), why: why.into() }
    }
}

/// The kinds of Python exceptions.
enum Kind {
    /// An argument that is to be changed.
    Value,
    /// A computation that did not come to a finite end.
    Runtime,
    Memory,
    System(std::io::ErrorKind),
}

fn of_network(error: &network::Error) -> Kind {
    use network::Error as E;
    match error {
        E::Diverged(_) | E::NonFiniteOutput { .. } | E::NonFiniteGradient { .. } => Kind::Runtime,
        E::OutOfMemory { .. } | E::MemoryLimit { .. } => Kind::Memory,
        _ => Kind::Value,
    }
}

fn of_adjoint(error: &adjoint::Error) -> Kind {
    use adjoint::Error as E;
    match error {
        E::Diverged(_) | E::NonFiniteGradient { .. } | E::Objective(_) => Kind::Runtime,
        E::OutOfMemory { .. } => Kind::Memory,
        _ => Kind::Value,
    }
}

fn of_file(error: &CheckpointError) -> Kind {
    match error {
        CheckpointError::Io { source, .. } => Kind::System(source.kind()),
        _ => Kind::Value,
    }
}

fn of_tasks(error: &tasks::Error) -> Kind {
    use tasks::Error as E;
    match error {
        E::Network(error) => of_network(error),
        E::Training(error) => of_training(error),
        E::Sample { source, .. } => of_tasks(source),
        E::ShortCrossings { .. } | E::HeldOut { .. } => Kind::Runtime,
        _ => Kind::Value,
    }
}

fn of_training(error: &training::Error) -> Kind {
    use training::Error as E;
    match error {
        E::Adjoint(error) => of_adjoint(error),
        E::Checkpoint(error) => of_file(error),
        E::BatchMemory { .. } => Kind::Memory,
        E::NoFiniteTrial { .. } | E::Step { .. } | E::StepRefused { .. } => Kind::Runtime,
        _ => Kind::Value,
    }
}

fn kind(error: &Error) -> Kind {
    match error {
        Error::Network(error) => of_network(error),
        Error::Tasks(error) => of_tasks(error),
        Error::Adjoint(error) => of_adjoint(error),
        Error::Trial { source, .. } => kind(source),
        Error::Threads(_) | Error::Poisoned => Kind::Runtime,
        Error::Nir(_)
        | Error::Text { .. }
        | Error::Array { .. }
        | Error::Type { .. }
        | Error::Argument { .. } => Kind::Value,
    }
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let words = error.to_string();
        match kind(&error) {
            Kind::Value => PyValueError::new_err(words),
            Kind::Runtime => PyRuntimeError::new_err(words),
            Kind::Memory => PyMemoryError::new_err(words),
            Kind::System(std::io::ErrorKind::NotFound) => PyFileNotFoundError::new_err(words),
            Kind::System(_) => PyOSError::new_err(words),
        }
    }
}

impl From<CheckpointError> for Error {
    fn from(error: CheckpointError) -> Self {
        Self::Tasks(error.into())
    }
}
