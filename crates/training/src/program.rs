//! What can be trained: a program with parameters, trials, and an exact gradient of the cost of each.

use std::path::Path;

use nalgebra::RealField;
use rand_chacha::ChaCha8Rng;
use spikegrad_adjoint::{BoxError, Error as SweepError, Memory};
use spikegrad_integrators::{EventCounts, Parametric};

use crate::gradient::{TrialGradient, of_trial};
use crate::{CheckpointError, Error, TrainingStage, Validated, values};

/// A program that can be trained: a network on a task, a network of rate units, an ordinary differential equation with its integrator.
/// It has parameters with names and domains ([`Parametric`]), makes trials, and knows the exact gradient of the cost of each
/// ([`TrialGradient`]).
///
/// ```
/// use rand::RngExt;
/// use rand_chacha::ChaCha8Rng;
/// use spikegrad_adjoint::{Error as SweepError, Memory};
/// use spikegrad_integrators::{EventCounts, ParameterGroup, Parametric};
/// use spikegrad_training::{Error, LearningRate, Program, TrainingOptions, TrainingStage, TrialGradient, train};
///
/// /// A line through noisy points.
/// struct Line([f64; 2]);
///
/// impl Parametric<f64> for Line {
///     type Group = &'static str;
///     fn groups(&self) -> impl Iterator<Item = ParameterGroup<'_, &'static str>> {
///         ["intercept", "slope"].into_iter().enumerate().map(|(i, name)| ParameterGroup {
///             group: name,
///             name,
///             range: i..i + 1,
///             is_positive: false,
///             is_trainable: true,
///         })
///     }
///     fn values(&self) -> &[f64] {
///         &self.0
///     }
///     fn values_mut(&mut self) -> &mut [f64] {
///         &mut self.0
///     }
/// }
///
/// impl TrialGradient<f64> for Line {
///     type Trial = (f64, f64);
///     type Lane = ();
///     type Error = Error;
///     fn lane(&self, _: Memory) {}
///     fn gradient(
///         &self,
///         &(x, y): &(f64, f64),
///         _: &mut (),
///         gradient: &mut [f64],
///         _: Option<&mut EventCounts>,
///     ) -> Result<Result<f64, SweepError>, Error> {
///         let error = self.0[0] + self.0[1] * x - y;
///         gradient.copy_from_slice(&[error, error * x]);
///         Ok(Ok(0.5 * error * error))
///     }
/// }
///
/// impl Program<f64> for Line {
///     type Trial = (f64, f64);
///     type Lane = ();
///     type Error = Error;
///     type Ready<'a> = &'a Self;
///     fn ready(&self) -> Result<&Self, Error> {
///         Ok(self)
///     }
///     fn trial(&self, _: TrainingStage, rng: &mut ChaCha8Rng) -> (f64, f64) {
///         let x = rng.random_range(-1.0..1.0);
///         (x, 2.0 + 3.0 * x + rng.random_range(-0.1..0.1))
///     }
/// }
///
/// let mut line = Line([0.0; 2]);
/// let rates = ["intercept", "slope"].map(|group| LearningRate { group, rate: 0.05 });
/// let options = TrainingOptions { iterations: 300, rates: rates.to_vec(), ..TrainingOptions::default() };
/// let history = train(&mut line, &options, &mut ())?;
/// assert!(history[299].cost < 0.01 * history[0].cost);
/// assert!((line.0[0] - 2.0).abs() < 0.05 && (line.0[1] - 3.0).abs() < 0.05);
/// # Ok::<(), Error>(())
/// ```
pub trait Program<T: RealField + Copy>: Parametric<T> + Sync {
    /// One trial.
    type Trial: Send + Sync;
    /// What one lane of a batch works with.
    type Lane: Send;
    /// The program's own error; [`Error`] for a program without one.
    type Error: From<Error> + std::error::Error + Send + Sync + 'static;
    /// What knows the gradient of trials while the parameters stay as they are; `&'a Self` where nothing has to be made ready for it.
    type Ready<'a>: TrialGradient<T, Trial = Self::Trial, Lane = Self::Lane, Error = Self::Error>
    where
        Self: 'a;

    /// Makes ready for the trials of a batch.
    ///
    /// # Errors
    /// If the program cannot be run with its parameters.
    fn ready(&self) -> Result<Self::Ready<'_>, Self::Error>;

    /// A random trial; the same generator state gives the same trial.
    fn trial(&self, stage: TrainingStage, rng: &mut ChaCha8Rng) -> Self::Trial;

    /// How well a held-out trial goes, and what was counted in it; by default the score is the cost below zero. As much of the trial may
    /// be kept as `memory` says.
    ///
    /// # Errors
    /// What is wrong with the trial or the program, so that nothing else would do better.
    fn judge(
        &self,
        ready: &Self::Ready<'_>,
        trial: &Self::Trial,
        memory: Memory,
    ) -> Result<Result<(Validated, EventCounts), SweepError>, Self::Error> {
        let (mut unused, mut events) = (vec![T::zero(); self.values().len()], EventCounts::default());
        match ready.gradient(trial, &mut ready.lane(memory), &mut unused, Some(&mut events))? {
            Ok(cost) => {
                let cost: f64 = cost.to_subset_unchecked();
                Ok(Ok((Validated { score: -cost, cost }, events)))
            }
            Err(error) => Ok(Err(of_trial(error)?)),
        }
    }

    /// Whether a trial stays finite; by default, whether it can be judged. A program that knows it for less says so here.
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    fn stays_finite(
        &self,
        ready: &Self::Ready<'_>,
        trial: &Self::Trial,
        memory: Memory,
    ) -> Result<Result<(), SweepError>, Self::Error> {
        Ok(self.judge(ready, trial, memory)?.map(drop))
    }

    /// Whether trials can be made. Training asks before it makes the first one.
    ///
    /// # Errors
    /// The number that is out of its domain.
    fn check(&self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Looks at the first batch, before the first step: whether it makes sense to train on.
    ///
    /// # Errors
    /// Why it does not.
    fn check_first(&self, _: &FirstBatch<'_, T, Self>) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Settings of the program, one a line, that must be the same for training to go on from its checkpoint; by default there are none.
    fn identity(&self) -> Vec<String> {
        Vec::new()
    }

    /// A number that tells the trials and the cost of this program from others, given the first trial; training goes on from its
    /// checkpoint only where it is the same. By default, nothing is told.
    fn fingerprint(&self, _: &Self::Trial) -> u32 {
        0
    }

    /// Bytes of a trial; what it points to is to be counted too.
    fn trial_bytes(&self, _: &Self::Trial) -> usize {
        size_of::<Self::Trial>()
    }

    /// Whether a file may keep the program with its parameters; by default whether it can be run with them.
    ///
    /// # Errors
    /// If a parameter has a value that a file may not keep.
    fn check_kept(&self) -> Result<(), BoxError> {
        self.check_values()
    }

    /// What a checkpoint keeps of the program; by default names and values of its parameters.
    ///
    /// # Errors
    /// If the program cannot be kept.
    fn encode(&self, path: &Path) -> Result<Vec<u8>, CheckpointError> {
        values::encode(path, self)
    }

    /// Takes over what [`encode`](Self::encode) made.
    ///
    /// # Errors
    /// If it is of another program. The program then stays as it was.
    fn decode(&mut self, path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
        values::decode(path, self, bytes)
    }
}

/// The first batch of a training run.
pub struct FirstBatch<'a, T: RealField + Copy, P: Program<T> + ?Sized> {
    /// How many trials it has.
    pub count: usize,
    /// Makes one of them, by its index, once more.
    pub trial: &'a dyn Fn(usize) -> P::Trial,
    /// What was counted in it.
    pub events: &'a EventCounts,
    /// The mean gradient of the batch.
    pub gradient: &'a [T],
    /// The groups with a learning rate above zero.
    pub trained: &'a [P::Group],
}
