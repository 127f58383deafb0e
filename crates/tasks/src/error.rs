//! What can go wrong with tasks, and in training and evaluation of networks.

use spikegrad_integrators::{Divergence, RESOLVED_STEPS};
use spikegrad_training::{CheckpointError, Error as TrainingError};

/// Why a task, a check or a training run was refused or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network, a trial or the scheme was refused.
    #[error(transparent)]
    Network(#[from] spikegrad_network::Error),
    /// Training was refused or stopped, whatever is trained.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// A data set of which a part is empty.
    #[error("the {part} part has no trials: give it a larger share of the data")]
    NoTrials {
        /// The part.
        part: &'static str,
    },
    /// A sample of a data set that is no trial.
    #[error("sample {sample}: {source}")]
    Sample {
        /// The sample, counted from 0.
        sample: usize,
        /// The error of the sample.
        source: Box<Self>,
    },
    /// A series of targets that does not fit the input.
    #[error(
        "the target has {found} time points, the input {expected}: give a target for every time point of the input"
    )]
    TargetLength {
        /// Time points of the input.
        expected: usize,
        /// Time points of the target.
        found: usize,
    },
    /// A loss of spikes that does not say whose.
    #[error("loss.population: name the population whose spikes are looked at, one of {known}")]
    NoPopulation {
        /// The populations of the network.
        known: String,
    },
    /// A learning rate of nothing, or of something that has another one.
    #[error("the learning rate of `{name}`: {why}")]
    LearningRate {
        /// The name that has the learning rate.
        name: String,
        /// The reason, and the change to make.
        why: String,
    },
    /// Steps that do not resolve the active zone.
    #[error(
        "{:.0} % of {crossings} crossings of the active zone in the first batch take fewer than {RESOLVED_STEPS} steps of \
         {h} ms, at most {:.0} % may: the gradient is not that of the equations; take a smaller step h or a wider gate, or raise \
         `short_crossings` to train the program as it is",
        100.0 * share,
        100.0 * allowed
    )]
    ShortCrossings {
        /// Step size, ms.
        h: f64,
        /// Crossings of the zone that were counted.
        crossings: u64,
        /// The share of them that was short.
        share: f64,
        /// The largest share allowed.
        allowed: f64,
    },
    /// A held-out trial that became non-finite.
    #[error("held-out trial {trial}: {why}")]
    HeldOut {
        /// The trial, counted from 0.
        trial: usize,
        /// What is not finite, and since when.
        #[source]
        why: Divergence,
    },
    /// A network that was never given weights.
    #[error(
        "training would change nothing: its gradient is zero in everything that is trained, and {groups} are all zero; give \
         them values before training, at random for example"
    )]
    NoWeights {
        /// The groups without a weight that is not zero.
        groups: String,
    },
}

impl From<spikegrad_adjoint::Error> for Error {
    fn from(error: spikegrad_adjoint::Error) -> Self {
        Self::Training(error.into())
    }
}

impl From<CheckpointError> for Error {
    fn from(error: CheckpointError) -> Self {
        Self::Training(error.into())
    }
}

impl Error {
    /// The error as one of sample `sample`.
    pub(crate) fn in_sample(self, sample: usize) -> Self {
        Self::Sample { sample, source: Box::new(self) }
    }

    /// Refuses the value of an option unless it is within its domain.
    pub(crate) fn unless(
        valid: bool,
        option: &'static str,
        value: f64,
        expected: &'static str,
    ) -> Result<(), Self> {
        Ok(TrainingError::unless(valid, option, value, expected)?)
    }

    /// Refuses the value of an option unless it is positive and finite.
    pub(crate) fn unless_positive(option: &'static str, value: f64) -> Result<(), Self> {
        Ok(TrainingError::unless_positive(option, value)?)
    }
}
