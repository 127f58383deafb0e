//! The one error type of this crate.

use std::path::{Path, PathBuf};

use spikegrad::tasks::CheckpointError;

/// What can go wrong between the command line and the finished report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be read or written.
    #[error("cannot {action} `{}`; check that the path exists, is writable and that the disk is not full", path.display())]
    Io {
        /// What was attempted: "write", "create", ...
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's own reason.
        source: std::io::Error,
    },
    /// Standard output was closed or is full.
    #[error("cannot write to standard output; redirect it to a file or a terminal that stays open")]
    Output(#[from] std::io::Error),
    /// A value could not be written as JSON.
    #[error("cannot write the metrics of `{name}` as JSON; settings must be numbers, strings, lists or maps")]
    Json {
        /// The report.
        name: String,
        /// The serialiser's reason.
        source: serde_json::Error,
    },
    /// A band that no value can lie in.
    #[error(
        "the band [{low}, {high}] of `{figure}` is not an interval; give the lower bound first, then the upper"
    )]
    Band {
        /// The figure.
        figure: String,
        /// The lower bound of the band.
        low: f64,
        /// The upper bound of the band.
        high: f64,
    },
    /// A name on the command line is not an experiment.
    #[error("there is no experiment `{name}`; choose from: {}", known.join(", "))]
    UnknownExperiment {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// A name behind an experiment is none of its tasks.
    #[error("there is no task `{name}`; choose from: {}", known.join(", "))]
    UnknownTask {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// `--seeds` was given to an experiment that is made with one seed.
    #[error("`{name}` is made with one seed; name with --seeds only what is repeated: {}", repeated.join(", "))]
    OneSeed {
        /// The experiment.
        name: &'static str,
        /// The experiments that are repeated on seeds.
        repeated: Vec<&'static str>,
    },
    /// There are not so many seeds after the first.
    #[error("there are no {seeds} seeds from {seed} on; choose a smaller --seed")]
    LastSeed {
        /// The first seed.
        seed: u64,
        /// How many were asked for.
        seeds: usize,
    },
    /// The thread pool could not be built.
    #[error("cannot start {threads} threads; ask for fewer with --threads")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// The pool's reason.
        source: rayon::ThreadPoolBuildError,
    },
    /// More threads than any machine has use for.
    #[error("{threads} threads are too many; ask for at most {most} with --threads")]
    TooManyThreads {
        /// How many were asked for.
        threads: usize,
        /// How many there may be.
        most: usize,
    },
    /// What an interrupted run left cannot be gone on from.
    #[error(
        "what an earlier run left in `{}` cannot be used; run again with --fresh, which removes it and starts anew",
        state.display()
    )]
    State {
        /// The directory.
        state: PathBuf,
        /// The reason.
        source: Box<Error>,
    },
    /// An experiment needs data that the project does not bring along.
    #[error("`{name}` needs {needed}: give their directory with --data DIR")]
    NoData {
        /// The experiment.
        name: &'static str,
        /// What is to lie in the directory, and where it comes from.
        needed: &'static str,
    },
    /// A part of the program that is not in this version.
    #[error("`{what}` is not in this version; choose another name or update")]
    Missing {
        /// The experiment or subcommand.
        what: &'static str,
    },
    /// A plot could not be drawn.
    #[error(transparent)]
    Draw(#[from] spikegrad_report::Error),
    /// A library error inside an experiment.
    #[error("the experiment stopped: {0}")]
    Experiment(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// One or more experiments ended in an error; the others were finished and written.
    #[error("not every experiment came to its end; {}", list(failures))]
    Failed {
        /// Experiment and error, in the order in which they ran.
        failures: Vec<(String, Error)>,
    },
}

impl Error {
    /// Whether a training, or a held-out trial, became non-finite: a result about its seed, unlike a full disk.
    pub(crate) fn diverged(&self) -> bool {
        use spikegrad::{tasks, training};
        let Self::Experiment(source) = self else { return false };
        let of_the_numbers = |error: &training::Error| {
            use training::Error::{NoFiniteTrial, Step, StepRefused};
            matches!(error, NoFiniteTrial { .. } | Step { .. } | StepRefused { .. })
        };
        match source.downcast_ref() {
            Some(tasks::Error::HeldOut { .. }) => true,
            Some(tasks::Error::Training(error)) => of_the_numbers(error),
            Some(_) => false,
            None => source.downcast_ref().is_some_and(of_the_numbers),
        }
    }

    /// Wraps an error of another crate, for `map_err(Error::experiment)` in experiments.
    pub fn experiment(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Experiment(Box::new(source))
    }

    /// Says what helps where the cause is a file that an earlier run left in `state`.
    pub(crate) fn about_state(self, state: &Path) -> Self {
        let cause = match &self {
            Self::Experiment(source) => source,
            _ => return self,
        };
        let file = match cause.downcast_ref() {
            Some(spikegrad::tasks::Error::Training(spikegrad::training::Error::Checkpoint(file))) => {
                Some(file)
            }
            _ => cause.downcast_ref(),
        };
        match file {
            // The system's refusal is no damage.
            None | Some(CheckpointError::Io { .. }) => self,
            Some(_) => Self::State { state: state.to_owned(), source: Box::new(self) },
        }
    }
}

fn list(failures: &[(String, Error)]) -> String {
    let each: Vec<String> =
        failures.iter().map(|(name, error)| format!("{name}: {}", explain(error))).collect();
    each.join("; ")
}

/// An error and its causes in one line.
#[must_use]
pub fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors already quote their cause.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_that_diverged_is_told_from_a_full_disk() {
        let why = spikegrad::integrators::Divergence::State { step: 1, time: 0.1, neuron: 2 };
        use spikegrad::{tasks, training};
        let training = || training::Error::NoFiniteTrial { iteration: 3, trials: 20, first: why.into() };
        assert!(Error::experiment(training()).diverged());
        assert!(Error::experiment(tasks::Error::from(training())).diverged());
        assert!(Error::experiment(tasks::Error::HeldOut { trial: 5, why }).diverged());
        let (what, value) = ("W".to_owned(), f64::INFINITY);
        let step = training::Error::Step { iteration: 3, what, index: 0, value, rate: 0.1 };
        assert!(Error::experiment(step).diverged());
        assert!(!Error::experiment(std::io::Error::other("the disk is full")).diverged());
        assert!(!Error::experiment(training::Error::EmptyBatch).diverged());
        assert!(!Error::Missing { what: "power" }.diverged());
    }
}
