//! The gradient of a mini-batch of a network, trials in parallel, the same bits on any number of threads.

use std::sync::{Mutex, PoisonError};

use spikegrad_adjoint::{Error as SweepError, Memory, Sweep};
use spikegrad_integrators::{EventCounts, EventLog, norm};
use spikegrad_network::{Group, Loss, Parameters, Scalar, SplitStep, SplitTape, Trial};
use spikegrad_training::{BatchResult, DEFAULT_LANES, Lanes, TrialGradient, WholeBatch};

use crate::Error;
use crate::lockstep::{Together, norm_by_columns};

/// The workspace of a batch's gradient: after the first batch nothing is allocated in the loops over steps.
#[derive(Debug)]
pub struct Batch<T> {
    lanes: Lanes<T, NetworkLane<T>>,
    count: usize,
    memory: Memory,
    together: Mutex<Together<T>>,
}

impl<T: Scalar> Default for Batch<T> {
    fn default() -> Self {
        Self::with_lanes(DEFAULT_LANES)
    }
}

impl<T: Scalar> Batch<T> {
    /// A workspace with as many lanes: at most so many threads work at once, and memory is that of so many gradients.
    /// The result depends on the number of lanes (in its last bits) and on nothing else.
    pub fn with_lanes(lanes: usize) -> Self {
        let (count, memory) = (lanes.max(1), Memory::Stored);
        Self { lanes: Lanes::new(count, memory), count, memory, together: Mutex::default() }
    }

    /// How much each lane keeps of the trial that it works on; [`Memory::Stored`] unless said otherwise. The result does not
    /// depend on it.
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = memory;
        // A lane's sweep is made with its memory.
        self.lanes = Lanes::new(self.count, memory);
        self
    }

    /// Whether trials take every step together, where the network lets them ([`SplitStep::is_for_lockstep`]): `None`, as it is unless
    /// said otherwise, where that is faster, which it is for weights that are far beyond the near caches. The result has the same
    /// bits; only trials whose [memory](Self::memory) is [`Memory::Stored`] take steps together.
    #[must_use]
    pub fn lockstep(self, together: Option<bool>) -> Self {
        self.together.lock().unwrap_or_else(PoisonError::into_inner).lockstep = together;
        self
    }

    /// Writes the mean gradient over the batch to `gradient`.
    ///
    /// `clip` holds a largest norm for each group of the layout; each trial's gradient is scaled down to it before it is added,
    /// as by [`clip_norm`](crate::clip_norm), for which `None` and zero clip nothing. A trial that becomes non-finite is left out and counted.
    ///
    /// # Errors
    /// If the batch is empty, a trial does not fit the network, `gradient` is not one of this network, `clip` has not one norm for
    /// each group or one that is negative or not a number, or the memory does not suffice for a trial.
    pub fn gradient(
        &mut self,
        scheme: &SplitStep<'_, T>,
        trials: &[Trial<T>],
        loss: &dyn Loss<T>,
        clip: Option<&[Option<T>]>,
        gradient: &mut Parameters<T>,
    ) -> Result<BatchResult<T>, Error> {
        let layout = scheme.network().parameters.layout();
        let found = gradient.values().len();
        if found != layout.len() {
            let expected = layout.len();
            return Err(spikegrad_training::Error::Length { what: "the gradient", expected, found }.into());
        }
        let groups = layout.entries().iter().map(|entry| (entry.name.as_str(), entry.range.clone()));
        let ready = OfNetwork { scheme, loss, together: &self.together };
        self.lanes.gradient(&ready, groups, trials, clip, gradient.values_mut())
    }
}

/// A network's scheme with the loss of its trials: what knows the gradient of a trial.
pub(crate) struct OfNetwork<'a, 'n, T: Scalar> {
    pub(crate) scheme: &'a SplitStep<'n, T>,
    pub(crate) loss: &'a dyn Loss<T>,
    pub(crate) together: &'a Mutex<Together<T>>,
}

/// What a lane works with.
#[derive(Debug)]
pub struct NetworkLane<T> {
    sweep: Sweep<T, SplitTape<T>>,
    log: EventLog,
}

impl<T: Scalar> TrialGradient<T> for OfNetwork<'_, '_, T> {
    type Trial = Trial<T>;
    type Lane = NetworkLane<T>;
    type Error = Error;

    fn lane(&self, memory: Memory) -> NetworkLane<T> {
        NetworkLane { sweep: Sweep::new().memory(memory), log: EventLog::default() }
    }

    fn gradient(
        &self,
        trial: &Trial<T>,
        lane: &mut NetworkLane<T>,
        gradient: &mut [T],
        events: Option<&mut EventCounts>,
    ) -> Result<Result<T, SweepError>, Error> {
        let run = self.scheme.run(trial, self.loss)?;
        let NetworkLane { sweep, log } = lane;
        log.clear();
        let cost = sweep.watched_gradient(&run, gradient, |steps, tape| {
            if events.is_some() {
                run.log_crossings(steps, tape, log);
            }
        });
        if let Some(events) = events {
            *events += log.counts();
        }
        Ok(cost)
    }

    fn norm(&self, group: usize, gradient: &[T]) -> T {
        let entries = self.scheme.network().parameters.layout().entries();
        match entries.get(group).filter(|entry| matches!(entry.group, Group::Weight(_))) {
            Some(entry) if self.scheme.is_for_lockstep() => norm_by_columns(gradient, entry.rows),
            _ => norm(gradient),
        }
    }

    fn batch_at_once(
        &self,
        batch: &WholeBatch<'_, T, Trial<T>>,
        gradient: &mut [T],
    ) -> Result<Option<BatchResult<T>>, Error> {
        let mut together = self.together.lock().unwrap_or_else(PoisonError::into_inner);
        together.gradient(self.scheme, batch, self.loss, gradient)
    }
}
