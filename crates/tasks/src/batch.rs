//! The gradient of a mini-batch, trials in parallel, the same bits on any number of threads.
//!
//! Trial `b` goes to lane `b mod lanes`; a lane adds its trials in order, and the lanes are added in a fixed tree. Which
//! thread works on which lane does not matter, and memory does not grow with the batch.

use aligned_vec::AVec;
use rayon::prelude::*;
use spikegrad_adjoint::{Error as SweepError, Memory, Sweep};
use spikegrad_integrators::{EventCounts, EventLog, Total, norm};
use spikegrad_network::kernels::{add_in_tree, wide::axpy};
use spikegrad_network::{Entry, Group, LockstepGroup, Loss, Parameters, Scalar, SplitStep, SplitTape, Trial};

use crate::Error;
use crate::clip::clip_factor;
use crate::lockstep::norm_by_columns;

/// Lanes unless said otherwise.
pub const DEFAULT_LANES: usize = 8;

/// Parameters that are added up over the lanes at once: 8 of 32 KiB in f32.
const PIECE: usize = 8192;

/// The workspace of a batch's gradient: after the first batch nothing is allocated in the loops over steps.
#[derive(Debug)]
pub struct Batch<T> {
    lanes: Vec<Lane<T>>,
    count: usize,
    pub(crate) memory: Memory,
    pub(crate) lockstep: Option<bool>,
    pub(crate) groups: Vec<LockstepGroup<T>>,
    pub(crate) panels: Vec<AVec<T>>,
    /// Bytes that the system was asked for beside those of single trials, and that it has.
    pub(crate) granted: f64,
}

#[derive(Debug)]
struct Lane<T> {
    sweep: Sweep<T, SplitTape<T>>,
    /// Sum over the lane's trials.
    sum: AVec<T>,
    /// One trial's gradient, which becomes the sum if it is the lane's first.
    trial: AVec<T>,
    results: Vec<TrialResult<T>>,
    log: EventLog,
    events: EventCounts,
}

/// What became of one trial of a batch.
#[derive(Debug)]
pub struct TrialResult<T> {
    /// Its cost, or why it has none.
    pub cost: Result<T, SweepError>,
    /// Norms of its gradient by group, before clipping, in the order of the layout; empty where nothing is clipped.
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
    /// Whether the trials took every step together, as [`Batch::lockstep`] allows; the other fields do not depend on it.
    pub in_lockstep: bool,
}

impl<T> BatchResult<T> {
    /// Number of trials that became non-finite and were left out.
    pub fn skipped(&self) -> usize {
        self.trials.iter().filter(|t| t.cost.is_err()).count()
    }
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
        Self {
            lanes: Vec::new(),
            count: lanes.max(1),
            memory: Memory::Stored,
            lockstep: None,
            groups: Vec::new(),
            panels: Vec::new(),
            granted: 0.0,
        }
    }

    /// How much each lane keeps of the trial that it works on; [`Memory::Stored`] unless said otherwise. The result does not
    /// depend on it.
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = memory;
        // A lane's sweep is made with its memory.
        self.lanes.clear();
        self
    }

    /// Whether trials take every step together, where the network lets them ([`SplitStep::is_for_lockstep`]): `None`, as it is unless
    /// said otherwise, where that is faster, which it is for weights that are far beyond the near caches. The result has the same
    /// bits; only trials whose [memory](Self::memory) is [`Memory::Stored`] take steps together.
    #[must_use]
    pub fn lockstep(mut self, together: Option<bool>) -> Self {
        self.lockstep = together;
        self
    }

    /// The lanes of so many trials.
    pub(crate) fn lanes_of(&self, trials: usize) -> usize {
        self.count.min(trials)
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
        if trials.is_empty() {
            return Err(Error::EmptyBatch);
        }
        if gradient.values().len() != layout.len() {
            let found = gradient.values().len();
            return Err(Error::Length { what: "the gradient", expected: layout.len(), found });
        }
        if let Some(clip) = clip {
            check_clip(layout.entries(), clip)?;
        }
        if let Some(result) = self.in_lockstep(scheme, trials, loss, clip, gradient)? {
            return Ok(result);
        }
        let count = self.lanes_of(trials.len());
        if self.lanes.len() != count || self.lanes[0].sum.len() != layout.len() {
            let lane = || Lane {
                sweep: Sweep::new().memory(self.memory),
                sum: AVec::new(0),
                trial: AVec::new(0),
                results: Vec::new(),
                log: EventLog::default(),
                events: EventCounts::default(),
            };
            self.lanes.clear();
            self.lanes.resize_with(count, lane);
        }
        self.lanes.par_iter_mut().enumerate().try_for_each(|(index, lane)| {
            lane.run(scheme, trials.iter().skip(index).step_by(count), loss, clip)
        })?;

        let mut lanes: Vec<_> = self.lanes.iter_mut().map(|lane| lane.results.drain(..)).collect();
        let results: Vec<_> = (0..trials.len()).filter_map(|b| lanes[b % count].next()).collect();
        drop(lanes);
        let (mut cost, mut finite) = (Total::default(), 0);
        for &trial in results.iter().filter_map(|trial| trial.cost.as_ref().ok()) {
            cost += trial;
            finite += 1;
        }
        let events = self.lanes.iter().map(|lane| lane.events).sum();
        let mean = T::one() / T::from_subset(&f64::from(finite.max(1)));
        // Piece by piece, so that what one level of the tree writes is still in a cache when the next one reads it.
        let mut rest: Vec<_> = self.lanes.iter_mut().map(|lane| lane.sum.chunks_mut(PIECE)).collect();
        let pieces: Vec<_> = gradient
            .values_mut()
            .chunks_mut(PIECE)
            .map(|target| (target, rest.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()))
            .collect();
        pieces.into_par_iter().for_each(|(target, mut lanes)| {
            add_in_tree(&mut lanes, |low, high| axpy(low, T::one(), high));
            for (target, &sum) in target.iter_mut().zip(&*lanes[0]) {
                *target = mean * sum;
            }
        });
        Ok(BatchResult { cost: mean * cost.value(), events, trials: results, in_lockstep: false })
    }
}

/// Whether the largest norms are those of these groups, and none is negative or not a number.
fn check_clip<T: Scalar>(groups: &[Entry], clip: &[Option<T>]) -> Result<(), Error> {
    let (expected, found) = (groups.len(), clip.len());
    if found != expected {
        return Err(Error::ClipLength { expected, found });
    }
    for (entry, largest) in groups.iter().zip(clip) {
        if let Some(largest) = largest.filter(|&largest| !(largest >= T::zero())) {
            let (group, name, value) = (entry.group, entry.name.clone(), largest.to_subset_unchecked());
            return Err(Error::Clip { group, name, value });
        }
    }
    Ok(())
}

/// An error that is one trial's own.
///
/// # Errors
/// The error, where the memory does not suffice: other trials would not have more.
pub(crate) fn of_trial(error: SweepError) -> Result<SweepError, Error> {
    match error {
        SweepError::Budget { .. } | SweepError::TapeSize | SweepError::OutOfMemory { .. } => {
            Err(error.into())
        }
        error => Ok(error),
    }
}

impl<T: Scalar> Lane<T> {
    fn run<'t>(
        &mut self,
        scheme: &SplitStep<'_, T>,
        trials: impl Iterator<Item = &'t Trial<T>>,
        loss: &dyn Loss<T>,
        clip: Option<&[Option<T>]>,
    ) -> Result<(), Error> {
        let layout = scheme.network().parameters.layout();
        let (mut is_first, by_columns) = (true, scheme.is_for_lockstep());
        if self.trial.is_empty() {
            // The last batch's sum is not needed any more: a lane with a single trial needs one gradient's memory.
            std::mem::swap(&mut self.sum, &mut self.trial);
        }
        self.results.clear();
        self.events = EventCounts::default();
        for trial in trials {
            let run = scheme.run(trial, loss)?;
            // Each trial has a place of its own, so that one that fails half-way leaves nothing behind.
            self.trial.resize(layout.len(), T::zero());
            self.trial.fill(T::zero());
            let (looks, log) = (self.events.spikes == 0, &mut self.log);
            log.clear();
            let cost = self.sweep.watched_gradient(&run, &mut self.trial, |steps, tape| {
                if looks {
                    run.log_crossings(steps, tape, log);
                }
            });
            let cost = match cost {
                Err(error) => Err(of_trial(error)?),
                cost => cost,
            };
            let mut norms = Vec::new();
            if cost.is_ok() {
                if looks {
                    self.events += self.log.counts();
                }
                for (g, entry) in layout.entries().iter().enumerate() {
                    let part = &mut self.trial[entry.range.clone()];
                    let mut factor = T::one();
                    if let Some(clip) = clip {
                        let of_columns = by_columns && matches!(entry.group, Group::Weight(_));
                        let norm = if of_columns { norm_by_columns(part, entry.rows) } else { norm(part) };
                        factor = clip_factor(part, norm, clip[g]);
                        norms.push(norm);
                    }
                    if !is_first {
                        axpy(&mut self.sum[entry.range.clone()], factor, part);
                    } else if factor != T::one() {
                        part.iter_mut().for_each(|x| *x *= factor);
                    }
                }
                if is_first {
                    std::mem::swap(&mut self.sum, &mut self.trial);
                    is_first = false;
                }
            }
            self.results.push(TrialResult { cost, norms });
        }
        if is_first {
            self.sum.clear();
            self.sum.resize(layout.len(), T::zero());
        }
        Ok(())
    }
}
