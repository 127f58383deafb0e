//! What can go wrong in a command.

use std::path::{Path, PathBuf};

use crate::mistake;

/// Why a command was refused or stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Tasks(#[from] spikegrad::tasks::Error),
    #[error(transparent)]
    File(#[from] spikegrad::tasks::CheckpointError),
    #[error(transparent)]
    Network(#[from] spikegrad::network::Error),
    #[error(transparent)]
    Adjoint(#[from] spikegrad::adjoint::Error),
    #[error("{}{}", .0, mistake::way_out(.0))]
    Data(#[from] spikegrad_data::Error),
    #[error(transparent)]
    Report(#[from] spikegrad_report::Error),
    /// A mistake in a file of settings.
    #[error("{}, line {line}: {why}\n  {line} | {shown}", path.display())]
    Settings { path: PathBuf, line: usize, shown: String, why: String },
    /// A mistake in what was set on the command line.
    #[error("--set {given}: {why}")]
    Set { given: String, why: String },
    /// Settings that do not go together with the data or with each other.
    #[error("{key}: {why}")]
    Together { key: String, why: String },
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    /// A file that would be overwritten.
    #[error("{} is there already: give another name, or --force to overwrite it", path.display())]
    Exists { path: PathBuf },
    /// A command that needs what a training leaves behind.
    #[error("{} is not there: train first, with\n  {command}", path.display())]
    Untrained { path: PathBuf, command: String },
    /// A training of other settings that is kept where this one would be.
    #[error("{why}\nto begin anew:\n  {again}")]
    Other { why: String, again: String },
    /// A trial that is not there.
    #[error("there is no trial {index} in the {part} part: it has {count}, numbered from 0")]
    NoTrial { index: usize, part: &'static str, count: usize },
    /// A kind of file that nothing is known about.
    #[error("{}: give a file that ends in {known}", path.display())]
    Kind { path: PathBuf, known: &'static str },
    /// A gradient that is not that of the cost.
    #[error("the gradient check failed")]
    Check,
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn together(key: &str, why: impl Into<String>) -> Self {
        Self::Together { key: key.to_owned(), why: why.into() }
    }
}
