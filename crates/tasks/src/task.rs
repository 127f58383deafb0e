//! Tasks: seeded trial generators with a score.

use rand_chacha::ChaCha8Rng;
use spikegrad_network::{Loss, Recording, Scalar, Trial};
use spikegrad_training::TrainingStage;

use crate::Error;

/// The most numbers, inputs and targets, that a trial of the tasks of this crate has: 512 MiB in f64.
pub(crate) const MOST_NUMBERS: f64 = (1_u64 << 26) as f64;

/// What a network is trained to do.
///
/// ```
/// use rand::RngExt;
/// use rand_chacha::ChaCha8Rng;
/// use spikegrad_network::{Loss, Recording, Trial};
/// use spikegrad_tasks::{QuadraticLoss, TrainingStage, Task};
///
/// /// Holds the mean of a noisy input.
/// struct Mean(QuadraticLoss<f64>);
///
/// impl Task<f64> for Mean {
///     fn trial(&self, _: TrainingStage, rng: &mut ChaCha8Rng) -> Trial<f64> {
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
pub trait Task<T: Scalar>: Sync {
    /// Whether trials can be made of the task's own numbers. Training and evaluation ask before they make the first one.
    ///
    /// # Errors
    /// The number that is out of its domain.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// A number that tells the trials of a task from others, where they are given and not drawn. Training goes on from its checkpoint only
    /// where it is the same. By default, it is 0: of trials that are drawn, training looks at the first one.
    fn fingerprint(&self) -> u32 {
        0
    }

    /// A random trial; the same generator state gives the same trial.
    fn trial(&self, stage: TrainingStage, rng: &mut ChaCha8Rng) -> Trial<T>;

    /// The loss that training goes down.
    fn loss(&self) -> &dyn Loss<T>;

    /// How well a trial went, in the task's own measure. Where a [`Validation`](crate::Validation) steers training, a larger score must be a
    /// better one: minus an error, or 1 for a right answer and 0 for a wrong one.
    fn score(&self, trial: &Trial<T>, recording: &Recording<T>) -> f64;
}
