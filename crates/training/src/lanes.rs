//! The gradient of a batch, trials in parallel, the same bits on any number of threads and however the batch is cut into parts.
//!
//! Trial `b` goes to lane `b mod lanes`; a lane adds its trials in order, and the lanes are added in a fixed tree. Which
//! thread works on which lane does not matter, and memory does not grow with the batch.

use std::ops::Range;

use aligned_vec::AVec;
use nalgebra::RealField;
use rayon::prelude::*;
use spikegrad_adjoint::{BoxError, Error as SweepError, Memory};
use spikegrad_integrators::{EventCounts, Total};

use crate::clip::clip_factor;
use crate::vector::add_scaled;
use crate::{Error, TrialGradient, WholeBatch};

/// Lanes unless said otherwise.
pub const DEFAULT_LANES: usize = 8;

/// Parameters that are added up over the lanes at once: 8 of 32 KiB in f32.
const PIECE: usize = 8192;

/// What became of one trial of a batch.
#[derive(Debug)]
pub struct TrialResult<T> {
    /// Its cost, or why it has none.
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

/// What one lane has found in its trials.
#[derive(Debug)]
pub struct LaneTotal<T> {
    /// The sum of the gradients of its trials, each clipped.
    pub sum: AVec<T>,
    /// What became of its trials, in order.
    pub results: Vec<TrialResult<T>>,
    /// What was counted in them.
    pub events: EventCounts,
}

/// Adds the lanes of a batch up. [`Tree`] does it here; another one may run some lanes on other machines.
pub trait Reducer<T>: Sync {
    /// Whether this process runs the trials of a lane: all, unless others take part.
    fn runs(&self, _lane: usize, _lanes: usize) -> bool {
        true
    }

    /// Makes the first lane's sum that of all lanes, with the bits of [`add_in_tree`], and completes the results and counts of the lanes
    /// that did not run here.
    ///
    /// # Errors
    /// Why a lane is not there.
    fn add_up(&self, lanes: &mut [LaneTotal<T>]) -> Result<(), BoxError>;
}

/// Adds lanes of this process in the order of [`add_in_tree`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Tree;

impl<T: RealField + Copy> Reducer<T> for Tree {
    fn add_up(&self, lanes: &mut [LaneTotal<T>]) -> Result<(), BoxError> {
        // Piece by piece, so that what one level of the tree writes is still in a cache when the next one reads it.
        let pieces = lanes.first().map_or(0, |lane| lane.sum.len().div_ceil(PIECE));
        let mut rest: Vec<_> = lanes.iter_mut().map(|lane| lane.sum.chunks_mut(PIECE)).collect();
        let pieces: Vec<_> =
            (0..pieces).map(|_| rest.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()).collect();
        pieces.into_par_iter().for_each(|mut lanes| {
            add_in_tree(&mut lanes, |low, high| add_scaled(low, T::one(), high));
        });
        Ok(())
    }
}

/// Adds all items to the first one in a tree whose shape depends on their number alone.
pub fn add_in_tree<A>(items: &mut [A], add: impl Fn(&mut A, &A)) {
    let mut width = items.len();
    while width > 1 {
        let half = width.div_ceil(2);
        let (low, high) = items.split_at_mut(half);
        low.iter_mut().zip(&high[..width - half]).for_each(|(low, high)| add(low, high));
        width = half;
    }
}

/// The workspace of a batch's gradient: after the first batch nothing is allocated in the loops over steps.
#[derive(Debug)]
pub struct Lanes<T, L> {
    lanes: Vec<Lane<T, L>>,
    totals: Vec<LaneTotal<T>>,
    count: usize,
    memory: Memory,
    /// The groups that are clipped, each by itself.
    groups: Vec<Range<usize>>,
    /// Trials of the batch that were added so far, and that there will be.
    added: usize,
    of: usize,
}

#[derive(Debug)]
struct Lane<T, L> {
    work: L,
    /// One trial's gradient, which becomes the sum if it is the lane's first.
    trial: AVec<T>,
    is_first: bool,
}

impl<T: RealField + Copy, L: Send> Lanes<T, L> {
    /// A workspace with as many lanes: at most so many threads work at once, and memory is that of so many gradients.
    /// The result depends on the number of lanes (in its last bits) and on nothing else. Each lane keeps as much of the trial that it works
    /// on as `memory` says.
    pub fn new(lanes: usize, memory: Memory) -> Self {
        let (lanes, totals, count) = (Vec::new(), Vec::new(), lanes.max(1));
        Self { lanes, totals, count, memory, groups: Vec::new(), added: 0, of: 0 }
    }

    /// Writes the mean gradient over the batch to `gradient`.
    ///
    /// `groups` are the groups of the parameters, with their names; they cover `gradient`.
    /// `clip` holds a largest norm for each of them; each trial's gradient is scaled down to it before it is added,
    /// as by [`clip_norm`](crate::clip_norm), for which `None` and zero clip nothing. A trial that becomes non-finite is left out and counted.
    ///
    /// # Errors
    /// If the batch is empty, a trial does not fit the program, `clip` has not one norm for
    /// each group or one that is negative or not a number, or the memory does not suffice for a trial.
    pub fn gradient<'n, P: TrialGradient<T, Lane = L>>(
        &mut self,
        program: &P,
        groups: impl Iterator<Item = (&'n str, Range<usize>)>,
        trials: &[P::Trial],
        clip: Option<&[Option<T>]>,
        gradient: &mut [T],
    ) -> Result<BatchResult<T>, P::Error> {
        self.start(program, groups, trials.len(), clip, gradient.len())?;
        let batch = WholeBatch { trials, lanes: self.count.min(trials.len()), memory: self.memory, clip };
        if let Some(result) = program.batch_at_once(&batch, gradient)? {
            return Ok(result);
        }
        self.add(program, trials, clip, &Tree)?;
        Ok(self.finish(&Tree, gradient)?)
    }

    /// Begins a batch of so many trials and parameters, which [`add`](Self::add) takes part by part and [`finish`](Self::finish) adds up.
    ///
    /// # Errors
    /// As [`gradient`](Self::gradient).
    pub fn start<'n, P: TrialGradient<T, Lane = L>>(
        &mut self,
        program: &P,
        groups: impl Iterator<Item = (&'n str, Range<usize>)>,
        trials: usize,
        clip: Option<&[Option<T>]>,
        parameters: usize,
    ) -> Result<(), Error> {
        if trials == 0 {
            return Err(Error::EmptyBatch);
        }
        self.groups.clear();
        for (at, (name, range)) in groups.enumerate() {
            check_clip(name, clip.and_then(|clip| clip.get(at).copied()).flatten())?;
            self.groups.push(range);
        }
        if let Some(found) = clip.map(<[_]>::len).filter(|&found| found != self.groups.len()) {
            return Err(Error::ClipLength { expected: self.groups.len(), found });
        }
        let count = self.count.min(trials);
        if self.lanes.len() != count || self.totals.first().is_some_and(|total| total.sum.len() != parameters)
        {
            let lane = || Lane { work: program.lane(self.memory), trial: AVec::new(0), is_first: true };
            self.lanes = (0..count).map(|_| lane()).collect();
            let total =
                || LaneTotal { sum: AVec::new(0), results: Vec::new(), events: EventCounts::default() };
            self.totals = (0..count).map(|_| total()).collect();
        }
        for (lane, total) in self.lanes.iter_mut().zip(&mut self.totals) {
            lane.is_first = true;
            if lane.trial.is_empty() {
                // The last batch's sum is not needed any more: a lane with a single trial needs one gradient's memory.
                std::mem::swap(&mut total.sum, &mut lane.trial);
            }
            lane.trial.resize(parameters, T::zero());
            total.results.clear();
            total.events = EventCounts::default();
        }
        (self.added, self.of) = (0, trials);
        Ok(())
    }

    /// Adds the next trials of the batch. A batch has the same bits in whatever parts it comes.
    ///
    /// # Errors
    /// As [`gradient`](Self::gradient).
    pub fn add<P: TrialGradient<T, Lane = L>>(
        &mut self,
        program: &P,
        trials: &[P::Trial],
        clip: Option<&[Option<T>]>,
        reducer: &dyn Reducer<T>,
    ) -> Result<(), P::Error> {
        let (added, count, groups) = (self.added, self.lanes.len(), &self.groups);
        self.added += trials.len();
        let lanes = self.lanes.par_iter_mut().zip(&mut self.totals).enumerate();
        lanes.try_for_each(|(index, (lane, total))| {
            // The first of these trials that is the lane's own.
            let skip = (index + count - added % count) % count;
            match reducer.runs(index, count) {
                true => lane.run(total, program, groups, trials.iter().skip(skip).step_by(count), clip),
                false => Ok(()),
            }
        })
    }

    /// Writes the mean gradient of the trials that were added since [`start`](Self::start).
    ///
    /// # Errors
    /// If the lanes cannot be added up.
    pub fn finish(&mut self, reducer: &dyn Reducer<T>, gradient: &mut [T]) -> Result<BatchResult<T>, Error> {
        for (lane, total) in self.lanes.iter().zip(&mut self.totals) {
            if lane.is_first {
                total.sum.clear();
                total.sum.resize(gradient.len(), T::zero());
            }
        }
        reducer.add_up(&mut self.totals).map_err(Error::Reducer)?;
        let count = self.lanes.len();
        let mut lanes: Vec<_> = self.totals.iter_mut().map(|total| total.results.drain(..)).collect();
        let trials: Vec<_> = (0..self.of).filter_map(|b| lanes[b % count].next()).collect();
        drop(lanes);
        let (mut cost, mut finite) = (Total::default(), 0);
        for &trial in trials.iter().filter_map(|trial| trial.cost.as_ref().ok()) {
            cost += trial;
            finite += 1;
        }
        let mean = T::one() / T::from_subset(&f64::from(finite.max(1)));
        if let Some(total) = self.totals.first() {
            gradient.iter_mut().zip(&*total.sum).for_each(|(target, &sum)| *target = mean * sum);
        }
        let events = self.totals.iter().map(|total| total.events).sum();
        Ok(BatchResult { cost: mean * cost.value(), events, trials, in_lockstep: false })
    }
}

/// Refuses a largest norm that is negative or not a number.
fn check_clip<T: RealField + Copy>(name: &str, largest: Option<T>) -> Result<(), Error> {
    match largest.filter(|&largest| !(largest >= T::zero())) {
        Some(largest) => Err(Error::Clip { name: name.to_owned(), value: largest.to_subset_unchecked() }),
        None => Ok(()),
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

impl<T: RealField + Copy, L: Send> Lane<T, L> {
    fn run<'t, P: TrialGradient<T, Lane = L>>(
        &mut self,
        total: &mut LaneTotal<T>,
        program: &P,
        groups: &[Range<usize>],
        trials: impl Iterator<Item = &'t P::Trial>,
        clip: Option<&[Option<T>]>,
    ) -> Result<(), P::Error>
    where
        P::Trial: 't,
    {
        let parameters = self.trial.len().max(total.sum.len());
        for trial in trials {
            // Each trial has a place of its own, so that one that fails half-way leaves nothing behind.
            self.trial.resize(parameters, T::zero());
            self.trial.fill(T::zero());
            let mut events = (total.events.spikes == 0).then(EventCounts::default);
            let cost = program.gradient(trial, &mut self.work, &mut self.trial, events.as_mut())?;
            let cost = match cost {
                Err(error) => Err(of_trial(error)?),
                cost => cost,
            };
            let mut norms = Vec::new();
            if cost.is_ok() {
                if let Some(events) = events {
                    total.events += events;
                }
                for (g, range) in groups.iter().enumerate() {
                    let part = &mut self.trial[range.clone()];
                    let mut factor = T::one();
                    if let Some(clip) = clip {
                        let norm = program.norm(g, part);
                        factor = clip_factor(part, norm, clip[g]);
                        norms.push(norm);
                    }
                    if !self.is_first {
                        add_scaled(&mut total.sum[range.clone()], factor, part);
                    } else if factor != T::one() {
                        part.iter_mut().for_each(|x| *x *= factor);
                    }
                }
                if self.is_first {
                    std::mem::swap(&mut total.sum, &mut self.trial);
                    self.is_first = false;
                }
            }
            total.results.push(TrialResult { cost, norms });
        }
        Ok(())
    }
}
