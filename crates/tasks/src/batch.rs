//! The gradient of a mini-batch of a network, trials in parallel, the same bits on any number of threads.

use std::sync::{Mutex, PoisonError};

use aligned_vec::AVec;
use spikegrad_adjoint::{Error as SweepError, Memory, Sweep};
use spikegrad_integrators::{EventCounts, EventLog, norm};
use spikegrad_network::{Group, Loss, Parameters, Scalar, SideBySide, SideTape, SplitStep, SplitTape, Trial};
use spikegrad_training::{
    BatchResult, Counted, DEFAULT_LANES, GroupSize, Lanes, TrialGradient, WholeBatch, gradient_alone,
};

use crate::Error;
use crate::lockstep::{Together, norm_by_columns};

/// The workspace of a batch's gradient: after the first batch nothing is allocated in the loops over steps.
#[derive(Debug)]
pub struct Batch<T> {
    lanes: Lanes<T, NetworkLane<T>>,
    count: usize,
    memory: Memory,
    together: Mutex<Together<T>>,
    side_by_side: bool,
}

impl<T: Scalar> Default for Batch<T> {
    fn default() -> Self {
        Self::with_lanes(DEFAULT_LANES)
    }
}

impl<T: Scalar> Batch<T> {
    /// A workspace with as many lanes: at most so many threads work at once, and memory is that of so many gradients, and of four groups of gradients a thread where trials lie side by
    /// side.
    /// The result depends on the number of lanes (in its last bits) and on nothing else.
    pub fn with_lanes(lanes: usize) -> Self {
        let (count, memory) = (lanes.max(1), Memory::Stored);
        let together = Mutex::default();
        Self { lanes: Lanes::new(count, memory), count, memory, together, side_by_side: true }
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

    /// Whether trials may lie side by side, where the network lets them ([`SplitStep::side_by_side`]) and there are enough of them for all threads, as they may
    /// unless said otherwise. The result has the same bits.
    #[must_use]
    pub fn side_by_side(mut self, side_by_side: bool) -> Self {
        self.side_by_side = side_by_side;
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
        let (together, side_by_side) = (&self.together, self.side_by_side);
        let ready = OfNetwork { scheme, loss, together, side_by_side };
        self.lanes.gradient(&ready, groups, trials, clip, gradient.values_mut())
    }
}

/// A network's scheme with the loss of its trials: what knows the gradient of a trial.
pub(crate) struct OfNetwork<'a, 'n, T: Scalar> {
    pub(crate) scheme: &'a SplitStep<'n, T>,
    pub(crate) loss: &'a dyn Loss<T>,
    pub(crate) together: &'a Mutex<Together<T>>,
    pub(crate) side_by_side: bool,
}

/// What a lane works with.
#[derive(Debug)]
pub struct NetworkLane<T> {
    sweep: Sweep<T, SplitTape<T>>,
    log: EventLog,
    side: SideTape<T>,
}

impl<'n, T: Scalar> OfNetwork<'_, 'n, T> {
    /// The network for trials side by side, if they are to lie so.
    fn side(&self) -> Option<SideBySide<'_, 'n, T>> {
        self.scheme.side_by_side().filter(|_| self.side_by_side)
    }
}

impl<T: Scalar> TrialGradient<T> for OfNetwork<'_, '_, T> {
    type Trial = Trial<T>;
    type Lane = NetworkLane<T>;
    type Error = Error;

    fn lane(&self, memory: Memory) -> NetworkLane<T> {
        let (sweep, log, side) = (Sweep::new().memory(memory), EventLog::default(), SideTape::default());
        NetworkLane { sweep, log, side }
    }

    fn gradient(
        &self,
        trial: &Trial<T>,
        lane: &mut NetworkLane<T>,
        gradient: &mut [T],
        events: Option<&mut EventCounts>,
    ) -> Result<Result<T, SweepError>, Error> {
        let run = self.scheme.run(trial, self.loss)?;
        let NetworkLane { sweep, log, .. } = lane;
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

    fn group_size(&self) -> Option<GroupSize> {
        let (least, most) = (SideBySide::<T>::LEAST, SideBySide::<T>::TRIALS);
        self.side().map(|_| GroupSize { least, most })
    }

    fn gradients(
        &self,
        trials: &[&Trial<T>],
        lane: &mut NetworkLane<T>,
        gradients: &mut [AVec<T>],
        events: Counted<'_>,
    ) -> Result<Vec<Result<T, SweepError>>, Error> {
        let side = self.side();
        let mut costs = vec![None; trials.len()];
        if let Some(side) = &side {
            let mut own: Vec<_> = gradients.iter_mut().map(|gradient| &mut gradient[..]).collect();
            costs = side.gradients(trials, self.loss, &mut lane.side, &mut own)?;
        }
        let mut all = Vec::with_capacity(trials.len());
        for (index, (&trial, gradient)) in trials.iter().zip(gradients).enumerate() {
            all.push(match (costs[index], &side) {
                (Some(cost), Some(side)) => {
                    if events(index, None) {
                        events(index, Some(side.events(&mut lane.side, index)));
                    }
                    Ok(cost)
                }
                // By itself, a trial says what went wrong in it.
                _ => {
                    gradient.fill(T::zero());
                    gradient_alone(self, (index, trial), lane, gradient, events)?
                }
            });
        }
        Ok(all)
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
