//! Tasks: seeded trial generators with a score.

use nalgebra::RealField;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use spikegrad_network::{Loss, Recording, Trial};

/// How far training has come, for tasks that grow harder on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// The iteration.
    pub iteration: usize,
    /// How many there will be.
    pub iterations: usize,
    /// Index of the trial in its batch.
    pub trial: usize,
    /// Level of difficulty, from 0 to 1; it rises with the validation score, and is 1 where nothing is validated.
    pub level: f64,
}

impl Stage {
    /// The stage of a held-out trial: training is over, the difficulty the last.
    pub fn held_out(trial: usize) -> Self {
        Self { iteration: 1, iterations: 1, trial, level: 1.0 }
    }

    /// The part of training that is done, in `[0, 1]`.
    pub fn progress(&self) -> f64 {
        self.iteration as f64 / self.iterations.max(1) as f64
    }
}

/// What a network is trained to do.
///
/// ```
/// use rand::RngExt;
/// use rand_chacha::ChaCha8Rng;
/// use spikegrad_network::{Loss, Recording, Trial};
/// use spikegrad_tasks::{Quadratic, Stage, Task};
///
/// /// Holds the mean of a noisy input.
/// struct Mean(Quadratic<f64>);
///
/// impl Task<f64> for Mean {
///     fn trial(&self, _: Stage, rng: &mut ChaCha8Rng) -> Trial<f64> {
///         let level = rng.random_range(-1.0..1.0);
///         let mut trial = Trial::silent(100, 1.0, 1);
///         trial.inputs.iter_mut().for_each(|i| *i = level + rng.random_range(-0.1..0.1));
///         trial.targets = vec![level; 100];
///         trial
///     }
///     fn loss(&self) -> &dyn Loss<f64> {
///         &self.0
///     }
///     fn score(&self, trial: &Trial<f64>, recording: &Recording<f64>) -> f64 {
///         let last = recording.output.len() - 1;
///         (recording.output[last] - trial.targets[99]).abs()
///     }
/// }
/// ```
pub trait Task<T: RealField + Copy>: Sync {
    /// A random trial; the same generator state gives the same trial.
    fn trial(&self, stage: Stage, rng: &mut ChaCha8Rng) -> Trial<T>;

    /// The loss that training goes down.
    fn loss(&self) -> &dyn Loss<T>;

    /// How well a trial went, in the task's own measure.
    fn score(&self, trial: &Trial<T>, recording: &Recording<T>) -> f64;
}

/// What a generator is for; each purpose has streams of its own, so that held-out trials were never trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Weights at the start.
    Initialisation,
    /// Training trials.
    Training,
    /// Trials that steer training.
    Validation,
    /// Trials that judge the result.
    Test,
}

/// The generator of trial `index` of a seed: portable, and independent of every other index and purpose.
pub fn generator(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((purpose as u64) << 60 | index);
    rng
}
