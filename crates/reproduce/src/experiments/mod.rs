//! The registry of experiments and what each one is handed.

mod naive;
mod neurons;
mod predictive_coding;
mod synapse;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::Error;
use crate::report::Report;

/// What an experiment is run with.
#[derive(Clone, Debug)]
pub struct Context {
    /// Seed of every generator in the experiment.
    pub seed: u64,
    /// Threads of the rayon pool that the experiment already runs in.
    pub threads: usize,
    /// Whether to do little: the same code on fewer trials, no band is judged.
    pub quick: bool,
    /// Progress bars on standard error, hidden when that is not a terminal.
    pub progress: MultiProgress,
}

impl Context {
    /// A progress bar of `length` steps; `finish_and_clear` it when the work is done.
    pub fn bar(&self, length: u64, task: impl Into<String>) -> ProgressBar {
        let style =
            ProgressStyle::with_template("{prefix:>22} {bar:32} {pos}/{len} {elapsed} (eta {eta}) {msg}");
        let bar = self.progress.add(ProgressBar::new(length)).with_prefix(task.into());
        match style {
            Ok(style) => bar.with_style(style),
            // A plain bar is as good; the template is a constant and does parse.
            Err(_) => bar,
        }
    }

    /// An empty report of this run.
    pub fn report(&self, name: &str, title: &str) -> Report {
        Report::new(name, title, self.seed, self.quick)
    }
}

/// An entry of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Experiment {
    /// The name on the command line, and of the report's directory.
    pub name: &'static str,
    /// The title of its page.
    pub title: &'static str,
    /// The experiment itself, called inside the rayon pool.
    pub run: fn(&Context) -> Result<Report, Error>,
}

/// Every experiment, in the order in which they run.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "synapse",
        title: "The differentiable synapse: unit charge at any speed",
        run: synapse::run,
    },
    Experiment {
        name: "neurons",
        title: "Any neuron: every model alone, and trained in a network",
        run: neurons::run,
    },
    Experiment {
        name: "predictive-coding",
        title: "Predictive coding: a balanced network learned by gradient descent",
        run: predictive_coding::run,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_for_directories() {
        for (at, experiment) in EXPERIMENTS.iter().enumerate() {
            assert_eq!(experiment.name, crate::file::safe_name(experiment.name));
            assert!(EXPERIMENTS[..at].iter().all(|earlier| earlier.name != experiment.name));
        }
    }
}
