//! Two tasks that a network learns in seconds, for experiments that train many: auto-encoding by 30 non-leaky integrate-and-fire
//! neurons, and delayed exclusive-or by 80 theta neurons, one episode at a time with short delays.

use spikegrad::models::GateShape;
use spikegrad::network::{Group, Network, Trial};
use spikegrad::tasks::delayed_xor::{Curriculum, DelayedXor};
use spikegrad::tasks::predictive_coding::PredictiveCoding;
use spikegrad::tasks::{
    LearningRate, Purpose, Schedule, Task, TrainingOptions, TrainingStage, evaluate, generator,
};

use crate::Error;

/// Shape and width of the gate in both tasks.
const GATE: (GateShape, f64) = (GateShape::RaisedCosine, 0.3);
/// Neurons of the auto-encoder.
const NEURONS: usize = 30;
/// Trials of a batch of either task.
const BATCH: [usize; 2] = [10, 24];
/// Factor on the learning rates of the recipe for episodes, whose training has eighteen times as many iterations.
const FASTER: f64 = 3.0;
/// Length of held-out trials of the auto-encoder, ms.
const TEST_DURATION: f64 = 300.0;
/// Gaps and delays of the short episodes, ms.
const DELAYS: std::ops::Range<f64> = 15.0..40.0;
/// Weight of the time outside the response windows: a small one keeps networks from staying silent.
const OUTSIDE: f64 = 0.3;

/// The text with a capital letter at its beginning, as a heading has.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A task with its network and recipe.
pub(super) struct SmallTask {
    /// The name of the task.
    pub(super) name: &'static str,
    /// The name of the task's files and plots.
    pub(super) key: &'static str,
    /// What the score is.
    pub(super) score: &'static str,
    /// Whether a score is good that is large.
    pub(super) is_better_above: bool,
    /// The recurrent weights that are trained, as a projection.
    pub(super) recurrent: usize,
    /// The groups that are trained, with the names that readers know.
    pub(super) groups: &'static [(Group, &'static str)],
    /// Iterations of training.
    pub(super) iterations: usize,
    /// The task.
    kind: Kind,
}

enum Kind {
    Autoencoding(Box<PredictiveCoding>),
    Xor(Box<DelayedXor<f64>>),
}

impl SmallTask {
    /// Auto-encoding of a two-dimensional signal.
    pub(super) fn autoencoding() -> Self {
        let task =
            PredictiveCoding { test_duration: TEST_DURATION, ..PredictiveCoding::autoencoder(NEURONS) };
        Self {
            name: "auto-encoding",
            key: "autoencoding",
            score: "normalised RMSE",
            is_better_above: false,
            recurrent: 1,
            groups: &[
                (Group::Weight(1), "W_f"),
                (Group::Input, "U"),
                (Group::Bias, "I_o"),
                (Group::Readout(0), "O"),
            ],
            iterations: 200,
            kind: Kind::Autoencoding(Box::new(task)),
        }
    }

    /// Single episodes of delayed XOR.
    pub(super) fn xor() -> Self {
        let curriculum = Curriculum { outside: (OUTSIDE, OUTSIDE), ..Curriculum::default() };
        let task = DelayedXor { gap: DELAYS, delay: DELAYS, curriculum, ..DelayedXor::default() };
        Self {
            name: "delayed XOR, short episodes",
            key: "xor",
            score: "accuracy",
            is_better_above: true,
            recurrent: 0,
            groups: &[
                (Group::Weight(0), "W"),
                (Group::Weight(1), "W_f"),
                (Group::Input, "U"),
                (Group::Bias, "I_o"),
                (Group::Readout(0), "O"),
            ],
            iterations: 250,
            kind: Kind::Xor(Box::new(task)),
        }
    }

    /// The task itself.
    pub(super) fn task(&self) -> &dyn Task<f64> {
        match &self.kind {
            Kind::Autoencoding(task) => &**task,
            Kind::Xor(task) => &**task,
        }
    }

    /// The trial number `index` of `count` that no training has seen, as difficult as those at the end of a training; the random numbers are
    /// those of the test trial number `drawn`.
    pub(super) fn late_trial(&self, seed: u64, drawn: usize, (index, count): (usize, usize)) -> Trial<f64> {
        let rng = &mut generator(seed, Purpose::Test, drawn as u64);
        let stage =
            TrainingStage { purpose: Purpose::Test, ..TrainingStage::training(99, 100, count, index) };
        self.task().trial(stage, rng)
    }

    /// The network before training.
    pub(super) fn network(&self, seed: u64) -> Result<Network<f64>, Error> {
        let made = match &self.kind {
            Kind::Autoencoding(task) => task.network(GATE.0, GATE.1, seed),
            Kind::Xor(task) => task.network(GATE.1, seed),
        };
        made.map_err(Error::experiment)
    }

    /// The recipe of the task's own experiment for fewer iterations, all learning rates times `factor`; without levels of difficulty, so
    /// that nothing but gradients and learning rates decides.
    pub(super) fn options(&self, iterations: usize, seed: u64, factor: f64) -> TrainingOptions {
        let (options, factor) = match &self.kind {
            Kind::Autoencoding(task) => {
                (TrainingOptions { batch: BATCH[0], ..task.options(iterations, seed) }, factor)
            }
            Kind::Xor(task) => {
                let options = TrainingOptions {
                    batch: BATCH[1],
                    pulls: Vec::new(),
                    average: 20,
                    validation: None,
                    schedule: Schedule::HeldCosine { hold: 0.5, last: 0.03 },
                    ..task.options(iterations, seed)
                };
                (options, FASTER * factor)
            }
        };
        let scaled = |rate: &LearningRate<Group>| LearningRate { rate: factor * rate.rate, ..*rate };
        TrainingOptions { rates: options.rates.iter().map(scaled).collect(), ..options }
    }

    /// The score on held-out trials: normalised RMSE over all of them, or the part of cues that are answered rightly.
    pub(super) fn judge(
        &self,
        network: &Network<f64>,
        purpose: Purpose,
        seed: u64,
        trials: usize,
    ) -> Result<f64, Error> {
        let options = self.options(1, seed, 1.0);
        let task = self.task();
        let pairs = evaluate(network, task, &options, purpose, trials, |trial, recording| {
            if self.is_better_above {
                return (task.score(trial, recording), 1.0);
            }
            let square = |x: f64| x * x;
            let error = recording.output.iter().zip(&trial.targets).map(|(o, d)| square(o - d)).sum();
            (error, trial.targets.iter().map(|&d| square(d)).sum::<f64>())
        });
        let pairs = pairs.map_err(Error::experiment)?;
        let total = |f: fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>();
        let ratio = total(|pair| pair.0) / total(|pair| pair.1);
        Ok(if self.is_better_above { ratio } else { ratio.sqrt() })
    }

    /// The step of the scheme, ms.
    pub(super) fn h(&self) -> f64 {
        self.options(1, 0, 1.0).h
    }
}
