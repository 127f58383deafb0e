//! What can be trained: a program with parameters, trials, and an exact gradient of the cost of each.

use std::path::Path;

use nalgebra::RealField;
use rand_chacha::ChaCha8Rng;
use spikegrad_adjoint::{BoxError, Error as SweepError, Memory};
use spikegrad_integrators::{EventCounts, Parametric, norm};

use crate::{BatchResult, CheckpointError, Error, TrainingStage, Validated, checkpoint};

/// The exact gradient of the cost of each trial, by parameters that stay as they are.
pub trait TrialGradient<T: RealField + Copy>: Sync {
    /// One trial.
    type Trial: Send + Sync;
    /// What one lane of a batch works with, from trial to trial: a [`Sweep`](spikegrad_adjoint::Sweep), for instance.
    type Lane: Send;
    /// The program's own error; [`Error`] for a program without one.
    type Error: From<Error> + std::error::Error + Send + Sync + 'static;

    /// A lane's workspace, which keeps as much of a trial as `memory` says.
    fn lane(&self, memory: Memory) -> Self::Lane;

    /// Adds the gradient of a trial's cost to `gradient`, which comes with zeros, and returns the cost, or why this trial has none.
    /// Where there are `events`, what the program counts in the trial is added to them.
    ///
    /// # Errors
    /// What is wrong with the trial or the program, so that nothing else would do better.
    fn gradient(
        &self,
        trial: &Self::Trial,
        lane: &mut Self::Lane,
        gradient: &mut [T],
        events: Option<&mut EventCounts>,
    ) -> Result<Result<T, SweepError>, Self::Error>;

    /// The norm of the part of a gradient that belongs to group number `group`. A program that adds squares in another order elsewhere
    /// does so here as well.
    fn norm(&self, _group: usize, gradient: &[T]) -> T {
        norm(gradient)
    }

    /// Computes the mean gradient of a whole batch in a way of its own, with the bits that it has trial by trial; `None`, as by
    /// default, where there is none.
    ///
    /// # Errors
    /// As [`gradient`](Self::gradient).
    fn batch_at_once(
        &self,
        _: &WholeBatch<'_, T, Self::Trial>,
        _gradient: &mut [T],
    ) -> Result<Option<BatchResult<T>>, Self::Error> {
        Ok(None)
    }
}

impl<T: RealField + Copy, G: TrialGradient<T>> TrialGradient<T> for &G {
    type Trial = G::Trial;
    type Lane = G::Lane;
    type Error = G::Error;

    fn lane(&self, memory: Memory) -> G::Lane {
        G::lane(self, memory)
    }

    fn gradient(
        &self,
        trial: &G::Trial,
        lane: &mut G::Lane,
        gradient: &mut [T],
        events: Option<&mut EventCounts>,
    ) -> Result<Result<T, SweepError>, G::Error> {
        G::gradient(self, trial, lane, gradient, events)
    }

    fn norm(&self, group: usize, gradient: &[T]) -> T {
        G::norm(self, group, gradient)
    }

    fn batch_at_once(
        &self,
        batch: &WholeBatch<'_, T, G::Trial>,
        gradient: &mut [T],
    ) -> Result<Option<BatchResult<T>>, G::Error> {
        G::batch_at_once(self, batch, gradient)
    }
}

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

    /// How well a held-out trial goes, and what was counted in it; by default the score is the cost below zero.
    ///
    /// # Errors
    /// What is wrong with the trial or the program, so that nothing else would do better.
    fn judge(
        &self,
        ready: &Self::Ready<'_>,
        trial: &Self::Trial,
    ) -> Result<Result<(Validated, EventCounts), SweepError>, Self::Error> {
        let (mut unused, mut events) = (vec![T::zero(); self.values().len()], EventCounts::default());
        let lane = &mut ready.lane(Memory::Stored);
        let found = ready.gradient(trial, lane, &mut unused, Some(&mut events))?;
        Ok(found.map(|cost| {
            let cost: f64 = cost.to_subset_unchecked();
            (Validated { score: -cost, cost }, events)
        }))
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
    /// What is wrong with them.
    fn check_kept(&self) -> Result<(), BoxError> {
        self.check_values()
    }

    /// What a checkpoint keeps of the program; by default names and values of its parameters.
    ///
    /// # Errors
    /// If the program cannot be kept.
    fn encode(&self, path: &Path) -> Result<Vec<u8>, CheckpointError> {
        checkpoint::encode_values(path, self)
    }

    /// Takes over what [`encode`](Self::encode) made.
    ///
    /// # Errors
    /// If it is of another program. The program then stays as it was.
    fn decode(&mut self, path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
        checkpoint::decode_values(path, self, bytes)
    }
}

/// The first batch of a training run.
pub struct FirstBatch<'a, T: RealField + Copy, P: Program<T> + ?Sized> {
    /// Its trials; those of the last part, where it is computed in parts.
    pub trials: &'a [P::Trial],
    /// What was counted in it.
    pub events: &'a EventCounts,
    /// Its mean gradient.
    pub gradient: &'a [T],
    /// The groups with a learning rate above zero.
    pub trained: &'a [P::Group],
}

/// A batch that is computed at once.
#[derive(Clone, Copy, Debug)]
pub struct WholeBatch<'a, T, Trial> {
    /// Its trials.
    pub trials: &'a [Trial],
    /// Trial `b` is added to lane `b mod lanes`, and the lanes are added in a tree ([`add_in_tree`](crate::add_in_tree)).
    pub lanes: usize,
    /// How much of a trial may be kept.
    pub memory: Memory,
    /// The largest norm of each group, where gradients are clipped.
    pub clip: Option<&'a [Option<T>]>,
}
