//! The registry of experiments and what each one is handed.

mod classify;
mod clock;
mod delayed_xor;
mod dial;
mod fashion_mnist;
mod gradient_accumulation;
mod grasshopper;
mod intervals;
mod japanese_vowels;
mod naive;
mod neurons;
mod plausible_rules;
mod predictive_coding;
mod rate_limit;
mod seeds;
mod small_tasks;
mod statistics;
mod synapse;
mod three_factors;
mod ucr;
mod yin_yang;

use std::path::{Path, PathBuf};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use spikegrad::network::{Loss, Sample, SampleBar};
use spikegrad::tasks::Checkpoint;

use crate::Error;
use crate::report::Report;

/// What an experiment is run with.
#[derive(Clone, Debug)]
pub struct Context {
    /// Seed of every generator in the experiment.
    pub seed: u64,
    /// The seeds of an experiment that is repeated, `seed` first; that one alone for any other.
    pub seeds: Vec<u64>,
    /// Threads of the rayon pool that the experiment already runs in.
    pub threads: usize,
    /// Whether to do little: the same code on fewer trials, no band is judged.
    pub quick: bool,
    /// The directory of data that the project does not bring along, if the command line names one.
    pub data: Option<PathBuf>,
    /// The data set that the experiment is made with, for an experiment that is made with several.
    pub set: Option<String>,
    /// Progress bars on standard error, hidden when that is not a terminal.
    pub progress: MultiProgress,
    /// Where the experiment keeps what an interrupted run shall not lose. What lies there when it starts is of a run with
    /// the same settings, seed and version.
    pub state: PathBuf,
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

    /// The directory of the data, which an experiment cannot do without.
    fn data(&self, name: &'static str, needed: &'static str) -> Result<&Path, Error> {
        self.data.as_deref().ok_or(Error::NoData { name, needed })
    }

    /// Where a training of this name is kept every `every` iterations.
    pub fn checkpoint(&self, name: &str, every: usize) -> Checkpoint {
        Checkpoint { path: self.state.join(format!("{name}.checkpoint")), every }
    }
}

/// `int sum_i s_i dt` as a loss.
pub(crate) struct Activity;

impl Loss<f64> for Activity {
    fn value(&self, at: &Sample<'_, f64>) -> f64 {
        at.s.iter().sum()
    }

    fn vjp(&self, _: &Sample<'_, f64>, value_bar: f64, bar: &mut SampleBar<'_, f64>) {
        bar.s.iter_mut().for_each(|s| *s += value_bar);
    }
}

/// What the paper shows, and the figure of ours that stands beside it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The paper's figure and what it says, in words.
    pub says: &'static str,
    /// The name of the plot in the report's directory.
    pub plot: &'static str,
}

/// An entry of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Experiment {
    /// The name on the command line, and of the report's directory.
    pub name: &'static str,
    /// The title of its page.
    pub title: &'static str,
    /// Whether it is run only if it is named: it explains or repeats a result, and is none.
    pub on_request: bool,
    /// On how many consecutive seeds it is repeated, if the command line does not say; 1 for an experiment that has one seed.
    pub seeds: usize,
    /// The data sets that it is made with where the command line names none, each with a report of its own; empty for an experiment that
    /// has no choice.
    pub sets: &'static [&'static str],
    /// What it reproduces.
    pub claims: &'static [Claim],
    /// Writes the settings, all of them: a report with the same ones, seed and version is not made again.
    pub settings: fn(&Context, &mut Report),
    /// The experiment itself, called inside the rayon pool with the report that has its settings.
    pub run: fn(&Context, &mut Report) -> Result<(), Error>,
}

/// Every experiment, in the order in which they run.
pub const EXPERIMENTS: &[Experiment] = &[
    Experiment {
        name: "synapse",
        title: "The differentiable synapse: unit charge at any speed",
        on_request: false,
        seeds: 1,
        sets: &[],
        claims: &[Claim {
            says: "Figure 1: a synapse that follows the voltage through an active zone delivers its whole charge when the \
                   neuron depolarises fully, at any speed, a part of it when it depolarises partly, and nothing below.",
            plot: "depolarisations.svg",
        }],
        settings: synapse::settings,
        run: synapse::run,
    },
    Experiment {
        name: "neurons",
        title: "Any neuron: every model alone, and trained in a network",
        on_request: false,
        seeds: 1,
        sets: &[],
        claims: &[],
        settings: neurons::settings,
        run: neurons::run,
    },
    Experiment {
        name: "predictive-coding",
        title: "Predictive coding: a balanced network learned by gradient descent",
        on_request: false,
        seeds: 3,
        sets: &[],
        claims: &[
            Claim {
                says: "Figure 2: a network trained by gradient descent alone represents its input by precisely timed spikes: \
                       the readout follows the signal.",
                plot: "readout.svg",
            },
            Claim {
                says: "Figure 2: input and fast recurrent currents are large and opposite; what is left is small.",
                plot: "balance.svg",
            },
            Claim {
                says: "Figure 2: the fast weights are those that theory derives from input and readout weights.",
                plot: "weights.svg",
            },
        ],
        settings: predictive_coding::settings,
        run: predictive_coding::run,
    },
    Experiment {
        name: "delayed-xor",
        title: "Delayed-memory XOR: spiking neurons that keep two pulses in mind",
        on_request: false,
        seeds: 1,
        sets: &[],
        claims: &[Claim {
            says: "Figure 3: spiking neurons whose time constants are tens of milliseconds keep two pulses in mind for hundreds \
                   and answer the cue with their exclusive-or, in all six kinds of trials.",
            plot: "trials.svg",
        }],
        settings: delayed_xor::settings,
        run: delayed_xor::run,
    },
    Experiment {
        name: "yin-yang",
        title: "Yin-Yang: points of a figure that a line cannot divide",
        on_request: false,
        seeds: 3,
        sets: &[],
        claims: &[],
        settings: yin_yang::settings,
        run: yin_yang::run,
    },
    Experiment {
        name: "rate-limit",
        title: "Rate and spikes: what a rate network has to do with a spiking one",
        on_request: false,
        seeds: 3,
        sets: &[],
        claims: &[],
        settings: rate_limit::settings,
        run: rate_limit::run,
    },
    Experiment {
        name: "gradient-accumulation",
        title: "How gradients should be accumulated, with rates and with spikes",
        on_request: false,
        seeds: 3,
        sets: &[],
        claims: &[],
        settings: gradient_accumulation::settings,
        run: gradient_accumulation::run,
    },
    Experiment {
        name: "three-factors",
        title: "Three factors: the exact gradient beside spikes, and what plasticity would catch of it",
        on_request: false,
        seeds: 3,
        sets: &[],
        claims: &[],
        settings: three_factors::settings,
        run: three_factors::run,
    },
    Experiment {
        name: "plausible-rules",
        title: "Plausible rules: the exact adjoint with one part replaced",
        on_request: false,
        seeds: 3,
        sets: &[],
        claims: &[],
        settings: plausible_rules::settings,
        run: plausible_rules::run,
    },
    Experiment {
        name: "gradient-accumulation-tasks",
        title: "Gradients of single trials on other tasks",
        on_request: true,
        seeds: 3,
        sets: gradient_accumulation::other::SETS,
        claims: &[],
        settings: gradient_accumulation::other::settings,
        run: gradient_accumulation::other::run,
    },
    Experiment {
        name: "japanese-vowels",
        title: "Japanese vowels: nine speakers told apart",
        on_request: true,
        seeds: 3,
        sets: &[],
        claims: &[],
        settings: japanese_vowels::settings,
        run: japanese_vowels::run,
    },
    Experiment {
        name: "grasshopper",
        title: "Grasshopper: neuron models fitted to recorded spikes",
        on_request: true,
        seeds: 1,
        sets: &[],
        claims: &[],
        settings: grasshopper::settings,
        run: grasshopper::run,
    },
    Experiment {
        name: "japanese-vowels-choice",
        title: "Japanese vowels: how the recipe was chosen",
        on_request: true,
        seeds: 3,
        sets: &[],
        claims: &[],
        settings: japanese_vowels::choice::settings,
        run: japanese_vowels::choice::run,
    },
    Experiment {
        name: "ucr",
        title: "Time series of the UCR and UEA archives",
        on_request: true,
        seeds: 3,
        sets: ucr::SETS,
        claims: &[],
        settings: ucr::settings,
        run: ucr::run,
    },
    Experiment {
        name: "ucr-choice",
        title: "Time series of the UCR and UEA archives: how the recipe was chosen",
        on_request: true,
        seeds: 3,
        sets: ucr::SETS,
        claims: &[],
        settings: ucr::choice_settings,
        run: ucr::choose,
    },
    Experiment {
        name: "fashion-mnist",
        title: "Fashion-MNIST: pieces of clothing told apart",
        on_request: true,
        seeds: 1,
        sets: &[],
        claims: &[],
        settings: fashion_mnist::settings,
        run: fashion_mnist::run,
    },
    Experiment {
        name: "predictive-coding-seeds",
        title: "Predictive coding: the same figures on many seeds",
        on_request: true,
        seeds: 20,
        sets: &[],
        claims: &[],
        settings: predictive_coding::settings,
        run: predictive_coding::seeds::run,
    },
    Experiment {
        name: "delayed-xor-seeds",
        title: "Delayed-memory XOR: the same figures on many seeds",
        on_request: true,
        seeds: 6,
        sets: &[],
        claims: &[],
        settings: delayed_xor::seeds::settings,
        run: delayed_xor::seeds::run,
    },
    Experiment {
        name: "delayed-xor-ablation",
        title: "Delayed-memory XOR: what each part of the training recipe does",
        on_request: true,
        seeds: 1,
        sets: &[],
        claims: &[],
        settings: delayed_xor::ablation::settings,
        run: delayed_xor::ablation::run,
    },
];

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_for_directories() {
        for (at, experiment) in EXPERIMENTS.iter().enumerate() {
            assert_eq!(experiment.name, crate::file::safe_name(experiment.name));
            assert!(EXPERIMENTS[..at].iter().all(|earlier| earlier.name != experiment.name));
        }
    }

    /// The context of a quick run.
    pub(crate) fn context(state: &std::path::Path, seeds: &[u64]) -> Context {
        Context {
            seed: seeds[0],
            seeds: seeds.to_vec(),
            threads: 1,
            quick: true,
            data: None,
            set: None,
            progress: MultiProgress::new(),
            state: state.to_owned(),
        }
    }

    #[test]
    fn other_seeds_are_another_run() {
        for experiment in EXPERIMENTS.iter().filter(|experiment| experiment.seeds > 1) {
            let settings = |seeds: &[u64]| {
                let context = context(std::path::Path::new("unused"), seeds);
                let mut report = context.report(experiment.name, experiment.title);
                (experiment.settings)(&context, &mut report);
                report.metrics()
            };
            assert!(settings(&[1, 2]).is_same_run(&settings(&[1, 2])), "{}", experiment.name);
            assert!(!settings(&[1, 2]).is_same_run(&settings(&[1, 2, 3])), "{}", experiment.name);
        }
    }

    #[test]
    fn many_seeds_in_short_are_never_a_pass() {
        let many = EXPERIMENTS.iter().filter(|experiment| experiment.name.ends_with("-seeds"));
        for experiment in many {
            let dir = tempfile::tempdir().unwrap();
            let context = context(dir.path(), &[3, 4]);
            let mut report = context.report(experiment.name, experiment.title);
            (experiment.run)(&context, &mut report).unwrap();
            assert_eq!(report.pass(), None, "{}", experiment.name);
            let met = report
                .figures()
                .iter()
                .find(|figure| figure.name.contains("seeds that meet every band, of 2"));
            assert!(
                met.is_some_and(|figure| figure.band.is_some() && figure.value < 2.0),
                "{}",
                experiment.name
            );
        }
    }
}
