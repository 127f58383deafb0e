//! The gradient of a trial, and what comes of a batch of them.

use aligned_vec::AVec;
use nalgebra::RealField;
use spikegrad_adjoint::{Error as SweepError, Memory};
use spikegrad_integrators::{EventCounts, norm};

use crate::Error;

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

    /// Adds the gradient of a trial's cost to `gradient`, which comes with zeros, and returns the cost, or why this trial has none: a cost or
    /// a gradient that is not finite is an error of the trial.
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

    /// How many trials [`gradients`](Self::gradients) takes together at most, and before that how many of them take as long one by one;
    /// `None`, as by default, where nothing is gained by that.
    fn group_size(&self) -> Option<GroupSize> {
        None
    }

    /// As [`gradient`](Self::gradient) for some trials, at most as many as [`group_size`](Self::group_size) says: adds the gradient of each to its
    /// own, with the bits that it has alone, and returns the costs in order. `events` is asked in order of the trials, see [`Counted`].
    ///
    /// # Errors
    /// As [`gradient`](Self::gradient).
    fn gradients(
        &self,
        trials: &[&Self::Trial],
        lane: &mut Self::Lane,
        gradients: &mut [AVec<T>],
        events: Counted<'_>,
    ) -> Result<Vec<Result<T, SweepError>>, Self::Error> {
        let mut costs = Vec::with_capacity(trials.len());
        for (index, (&trial, gradient)) in trials.iter().zip(gradients).enumerate() {
            costs.push(gradient_alone(self, (index, trial), lane, gradient, events)?);
        }
        Ok(costs)
    }

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

    fn group_size(&self) -> Option<GroupSize> {
        G::group_size(self)
    }

    fn gradients(
        &self,
        trials: &[&G::Trial],
        lane: &mut G::Lane,
        gradients: &mut [AVec<T>],
        events: Counted<'_>,
    ) -> Result<Vec<Result<T, SweepError>>, G::Error> {
        G::gradients(self, trials, lane, gradients, events)
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

/// How many trials a program runs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSize {
    /// So many trials one by one take about as long as a full group.
    pub least: usize,
    /// The most trials of a group.
    pub most: usize,
}

/// Asked with the number of a trial and `None`, says whether its events are to be counted, which takes time; then is told
/// them, if the trial has a cost.
pub type Counted<'a> = &'a mut dyn FnMut(usize, Option<EventCounts>) -> bool;

/// The gradient of one trial of several, with its number, for [`TrialGradient::gradients`].
///
/// # Errors
/// As [`TrialGradient::gradient`].
pub fn gradient_alone<T: RealField + Copy, G: TrialGradient<T> + ?Sized>(
    program: &G,
    (index, trial): (usize, &G::Trial),
    lane: &mut G::Lane,
    gradient: &mut [T],
    events: Counted<'_>,
) -> Result<Result<T, SweepError>, G::Error> {
    let mut counts = events(index, None).then(EventCounts::default);
    let cost = program.gradient(trial, lane, gradient, counts.as_mut())?;
    if let (Ok(_), Some(counts)) = (&cost, counts) {
        events(index, Some(counts));
    }
    Ok(cost)
}

/// A batch that is computed at once.
#[derive(Clone, Copy, Debug)]
pub struct WholeBatch<'a, T, Trial> {
    /// The trials of the batch.
    pub trials: &'a [Trial],
    /// Trial `b` is added to lane `b mod lanes`, and the lanes are added in a tree ([`add_in_tree`](spikegrad_integrators::add_in_tree)).
    pub lanes: usize,
    /// How much of a trial may be kept.
    pub memory: Memory,
    /// The largest norm of each group, where gradients are clipped.
    pub clip: Option<&'a [Option<T>]>,
}

/// What became of one trial of a batch.
#[derive(Debug)]
pub struct TrialResult<T> {
    /// The trial's cost, or why it has none.
    pub cost: Result<T, SweepError>,
    /// Norms of its gradient by group, before clipping, in the order of the groups; empty where nothing is clipped.
    pub norms: Vec<T>,
}

/// The result of a batch.
#[derive(Debug)]
pub struct BatchResult<T> {
    /// Mean cost over the finite trials.
    pub cost: T,
    /// What was counted in the finite trials of each lane up to the first one with a spike. Where there are no spikes here, no
    /// neuron fired in the whole batch.
    pub events: EventCounts,
    /// The trials, in order.
    pub trials: Vec<TrialResult<T>>,
    /// Whether the program computed the batch in a way of its own ([`TrialGradient::batch_at_once`]); the other fields do not depend on it.
    pub in_lockstep: bool,
}

impl<T> BatchResult<T> {
    /// Number of trials that became non-finite and were left out.
    pub fn skipped(&self) -> usize {
        self.trials.iter().filter(|t| t.cost.is_err()).count()
    }
}

/// An error that is one trial's own.
///
/// # Errors
/// The error, where the memory does not suffice: other trials would not have more.
pub fn of_trial(error: SweepError) -> Result<SweepError, Error> {
    match error {
        SweepError::Budget { .. } | SweepError::TapeSize | SweepError::OutOfMemory { .. } => {
            Err(error.into())
        }
        error => Ok(error),
    }
}
