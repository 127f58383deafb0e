//! The gradient of a batch, trials in parallel, the same bits on any number of threads and however the batch is cut into parts.
//!
//! Trial `b` goes to lane `b mod lanes`; a lane adds its trials in order, and the lanes are added in a fixed tree. Which
//! thread works on which lane does not matter, and memory does not grow with the batch.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use aligned_vec::AVec;
use nalgebra::RealField;
use rayon::prelude::*;
use spikegrad_adjoint::{BoxError, Error as SweepError, Memory};
use spikegrad_integrators::{EventCounts, Total, add_in_tree};

use crate::Error;
use crate::clip::clip_factor;
use crate::gradient::{BatchResult, GroupSize, TrialGradient, TrialResult, WholeBatch, of_trial};
use crate::vector::add_scaled;

/// Lanes unless said otherwise.
pub const DEFAULT_LANES: usize = 8;

/// Parameters that are added up over the lanes at once: 8 of 32 KiB in f32.
const PIECE: usize = 8192;

/// Groups of trials that are run together, for each thread, before their lanes take them.
const ROUND: usize = 4;

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

/// The workspace of a batch's gradient: after the first batch nothing is allocated in the loops over steps.
#[derive(Debug)]
pub struct Lanes<T, L> {
    lanes: Vec<Lane<T, L>>,
    totals: Vec<LaneTotal<T>>,
    count: usize,
    memory: Memory,
    /// The groups that are clipped, each by itself, and the largest norm of each where there is one.
    groups: Vec<Range<usize>>,
    clip: Option<Vec<Option<T>>>,
    parameters: usize,
    /// Trials of the batch that were added so far, and that there will be.
    added: usize,
    of: usize,
    /// The trials of a round, in groups that are run together.
    groups_of_trials: Vec<Group<T>>,
}

/// Trials that are run together.
#[derive(Debug)]
struct Group<T> {
    gradients: Vec<AVec<T>>,
    /// What was counted in the trials of each lane up to the first one with a spike.
    events: Vec<EventCounts>,
}

impl<T> Default for Group<T> {
    fn default() -> Self {
        Self { gradients: Vec::new(), events: Vec::new() }
    }
}

/// The cost and the gradient of a trial that was run together with others, before its lane takes them.
type Ran<'g, T> = (Result<T, SweepError>, &'g mut AVec<T>);

#[derive(Debug)]
struct Lane<T, L> {
    work: L,
    /// One trial's gradient, which becomes the sum if it is the lane's first.
    trial: AVec<T>,
    is_first: bool,
}

impl<T: RealField + Copy, L: Send> Lanes<T, L> {
    /// A workspace with as many lanes: at most so many threads work at once, and memory is that of so many gradients and, where a program runs trials together, of those
    /// of four [groups](crate::GroupSize) a thread.
    /// The result depends on the number of lanes (in its last bits) and on nothing else. Each lane keeps as much of the trial that it works
    /// on as `memory` says.
    pub fn new(lanes: usize, memory: Memory) -> Self {
        Self {
            lanes: Vec::new(),
            totals: Vec::new(),
            count: lanes.max(1),
            memory,
            groups: Vec::new(),
            clip: None,
            parameters: 0,
            added: 0,
            of: 0,
            groups_of_trials: Vec::new(),
        }
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
        self.add(program, trials, &Tree)?;
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
        if self.lanes.len() != count || self.parameters != parameters {
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
            total.results.clear();
            total.events = EventCounts::default();
        }
        self.clip = clip.map(<[_]>::to_vec);
        (self.parameters, self.added, self.of) = (parameters, 0, trials);
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
        reducer: &dyn Reducer<T>,
    ) -> Result<(), P::Error> {
        let size = if self.memory == Memory::Stored { program.group_size() } else { None };
        let workers = rayon::current_num_threads().clamp(1, self.lanes.len());
        if let Some(GroupSize { least, most }) = size {
            // A group takes as long as its least number of trials one by one, however few it has.
            let groups = trials.len().div_ceil(most);
            if groups.div_ceil(workers) * least <= trials.len().div_ceil(workers) {
                return self.add_groups(program, trials, reducer, (most, workers));
            }
        }
        let (added, count) = (self.added, self.lanes.len());
        let of = Of { groups: &self.groups, clip: self.clip.as_deref(), parameters: self.parameters };
        self.added += trials.len();
        let lanes = self.lanes.par_iter_mut().zip(&mut self.totals).enumerate();
        lanes.try_for_each(|(index, (lane, total))| {
            // The first of these trials that is the lane's own.
            let skip = (index + count - added % count) % count;
            match reducer.runs(index, count) {
                true => lane.run(total, program, &of, trials.iter().skip(skip).step_by(count)),
                false => Ok(()),
            }
        })
    }

    /// As [`add`](Self::add), for a program that runs at most `most` trials together, on so many threads. Who is run with whom does not change
    /// a bit.
    fn add_groups<P: TrialGradient<T, Lane = L>>(
        &mut self,
        program: &P,
        trials: &[P::Trial],
        reducer: &dyn Reducer<T>,
        (most, workers): (usize, usize),
    ) -> Result<(), P::Error> {
        let (added, count) = (self.added, self.lanes.len());
        let of = Of { groups: &self.groups, clip: self.clip.as_deref(), parameters: self.parameters };
        self.added += trials.len();
        let own = trials.iter().enumerate().map(|(at, trial)| ((added + at) % count, trial));
        let own: Vec<_> = own.filter(|&(lane, _)| reducer.runs(lane, count)).collect();
        if own.is_empty() {
            return Ok(());
        }
        let size = own.len().div_ceil(own.len().div_ceil(most));
        // Several groups for each thread, so that one that is held up does not hold up the others.
        let groups = own.len().div_ceil(size).min(ROUND * workers);
        self.groups_of_trials.resize_with(groups.max(self.groups_of_trials.len()), Group::default);
        for round in own.chunks(size * groups) {
            // The first trial of each lane with a spike that is known, among those of this round: what comes behind it is not counted.
            let first = |total: &LaneTotal<T>| if total.events.spikes > 0 { 0 } else { usize::MAX };
            let spiked: Vec<_> = self.totals.iter().map(|total| AtomicUsize::new(first(total))).collect();
            let trials = round.chunks(size).zip(&mut self.groups_of_trials);
            let left: Vec<_> = trials.map(|(trials, group)| Mutex::new((trials, group, None))).collect();
            let next = AtomicUsize::new(0);
            self.lanes[..workers.min(left.len())].par_iter_mut().for_each(|lane| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(group) = left.get(number) else { break };
                    let (trials, group, ran) = &mut *group.lock().unwrap_or_else(PoisonError::into_inner);
                    let events = (number * size, &spiked[..]);
                    *ran = Some(group.run(program, &mut lane.work, trials, of.parameters, events));
                }
            });
            let mut of_lanes: Vec<Vec<Ran<'_, T>>> = (0..count).map(|_| Vec::new()).collect();
            for group in left {
                let (trials, group, ran) = group.into_inner().unwrap_or_else(PoisonError::into_inner);
                let costs = ran.transpose()?.unwrap_or_default();
                for (total, &events) in self.totals.iter_mut().zip(&group.events) {
                    if total.events.spikes == 0 {
                        total.events += events;
                    }
                }
                for ((cost, gradient), &(lane, _)) in costs.into_iter().zip(&mut group.gradients).zip(trials)
                {
                    of_lanes[lane].push((cost, gradient));
                }
            }
            let lanes = self.lanes.par_iter_mut().zip(&mut self.totals).zip(of_lanes);
            lanes.try_for_each(|((lane, total), ran)| {
                ran.into_iter().try_for_each(|(cost, gradient)| {
                    take(&mut lane.is_first, total, program, &of, cost, gradient).map(drop)
                })
            })?;
        }
        Ok(())
    }

    /// Writes the mean gradient of the trials that were added since [`start`](Self::start).
    ///
    /// # Errors
    /// If the lanes cannot be added up.
    pub fn finish(&mut self, reducer: &dyn Reducer<T>, gradient: &mut [T]) -> Result<BatchResult<T>, Error> {
        let (count, expected, found) = (self.lanes.len(), self.parameters, gradient.len());
        if found != expected {
            return Err(Error::Length { what: "the gradient", expected, found });
        }
        for (index, (lane, total)) in self.lanes.iter().zip(&mut self.totals).enumerate() {
            if lane.is_first && reducer.runs(index, count) {
                total.sum.clear();
                total.sum.resize(expected, T::zero());
            }
        }
        reducer.add_up(&mut self.totals).map_err(Error::Reducer)?;
        self.check_totals()?;
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
            let pieces = gradient.par_chunks_mut(PIECE).zip(total.sum.par_chunks(PIECE));
            pieces.for_each(|(target, sum)| {
                target.iter_mut().zip(sum).for_each(|(target, &sum)| *target = mean * sum);
            });
        }
        let events = self.totals.iter().map(|total| total.events).sum();
        Ok(BatchResult { cost: mean * cost.value(), events, trials, in_lockstep: false })
    }
}

impl<T, L> Lanes<T, L> {
    /// Whether what a reducer left is that of all trials of the batch.
    fn check_totals(&self) -> Result<(), Error> {
        let refused = |why: String| Err(Error::Reducer(why.into()));
        let count = self.totals.len();
        for (lane, total) in self.totals.iter().enumerate() {
            let (expected, found) = (self.of.saturating_sub(lane).div_ceil(count), total.results.len());
            if found != expected {
                return refused(format!("lane {lane} has {found} results of its {expected} trials"));
            }
            let groups = if self.clip.is_some() { self.groups.len() } else { 0 };
            if total.results.iter().any(|trial| trial.cost.is_ok() && trial.norms.len() != groups) {
                return refused(format!(
                    "a trial of lane {lane} has not one norm for each of {groups} groups"
                ));
            }
        }
        let found = self.totals.first().map_or(0, |total| total.sum.len());
        if found != self.parameters {
            return refused(format!(
                "the sum of all lanes has {found} entries for {} parameters",
                self.parameters
            ));
        }
        Ok(())
    }
}

/// Refuses a largest norm that is negative or not a number.
fn check_clip<T: RealField + Copy>(name: &str, largest: Option<T>) -> Result<(), Error> {
    match largest.filter(|&largest| !(largest >= T::zero())) {
        Some(largest) => Err(Error::Clip { name: name.to_owned(), value: largest.to_subset_unchecked() }),
        None => Ok(()),
    }
}

/// What a lane has to know of a batch.
struct Of<'a, T> {
    groups: &'a [Range<usize>],
    clip: Option<&'a [Option<T>]>,
    parameters: usize,
}

impl<T: RealField + Copy, L: Send> Lane<T, L> {
    fn run<'t, P: TrialGradient<T, Lane = L>>(
        &mut self,
        total: &mut LaneTotal<T>,
        program: &P,
        of: &Of<'_, T>,
        trials: impl Iterator<Item = &'t P::Trial>,
    ) -> Result<(), P::Error>
    where
        P::Trial: 't,
    {
        for trial in trials {
            // Each trial has a place of its own, so that one that fails half-way leaves nothing behind.
            self.trial.resize(of.parameters, T::zero());
            self.trial.fill(T::zero());
            let mut events = (total.events.spikes == 0).then(EventCounts::default);
            let cost = program.gradient(trial, &mut self.work, &mut self.trial, events.as_mut())?;
            let has_cost = take(&mut self.is_first, total, program, of, cost, &mut self.trial)?;
            if let Some(events) = events.filter(|_| has_cost) {
                total.events += events;
            }
        }
        Ok(())
    }
}

/// Adds a trial that ran to what its lane has found, each group clipped by itself; returns whether the trial has a cost. The first
/// gradient of a lane becomes the sum.
fn take<T: RealField + Copy, P: TrialGradient<T>>(
    is_first: &mut bool,
    total: &mut LaneTotal<T>,
    program: &P,
    &Of { groups, clip, .. }: &Of<'_, T>,
    cost: Result<T, SweepError>,
    gradient: &mut AVec<T>,
) -> Result<bool, P::Error> {
    let cost = match cost {
        Err(error) => Err(of_trial(error)?),
        Ok(cost) if !cost.is_finite() => {
            let why = "the cost of a trial is not finite, and its program reported no error: let `TrialGradient::gradient` return one for a trial that diverged";
            return Err(Error::program(why).into());
        }
        cost => cost,
    };
    let (mut norms, has_cost) = (Vec::new(), cost.is_ok());
    if has_cost {
        for (g, range) in groups.iter().enumerate() {
            let part = &mut gradient[range.clone()];
            let mut factor = T::one();
            if let Some(clip) = clip {
                let norm = program.norm(g, part);
                factor = clip_factor(part, norm, clip[g]);
                norms.push(norm);
            }
            if !*is_first {
                add_scaled(&mut total.sum[range.clone()], factor, part);
            } else if factor != T::one() {
                part.iter_mut().for_each(|x| *x *= factor);
            }
        }
        if *is_first {
            std::mem::swap(&mut total.sum, gradient);
            *is_first = false;
        }
    }
    total.results.push(TrialResult { cost, norms });
    Ok(has_cost)
}

impl<T: RealField + Copy> Group<T> {
    /// Runs some trials, each of a lane, and returns their costs. `spiked` is the first trial of each lane with a spike that is known, the
    /// first one here being number `first`.
    fn run<P: TrialGradient<T>>(
        &mut self,
        program: &P,
        work: &mut P::Lane,
        trials: &[(usize, &P::Trial)],
        parameters: usize,
        (first, spiked): (usize, &[AtomicUsize]),
    ) -> Result<Vec<Result<T, SweepError>>, P::Error> {
        let Self { gradients, events } = self;
        gradients.resize_with(trials.len().max(gradients.len()), || AVec::new(0));
        let gradients = &mut gradients[..trials.len()];
        for gradient in &mut *gradients {
            gradient.resize(parameters, T::zero());
            gradient.fill(T::zero());
        }
        events.clear();
        events.resize(spiked.len(), EventCounts::default());
        let all: Vec<_> = trials.iter().map(|&(_, trial)| trial).collect();
        let costs = program.gradients(&all, work, gradients, &mut |index, counts| {
            let (lane, number) = (trials[index].0, first + index);
            if let Some(counts) = counts {
                events[lane] += counts;
                if counts.spikes > 0 {
                    spiked[lane].fetch_min(number, Ordering::Relaxed);
                }
            }
            spiked[lane].load(Ordering::Relaxed) > number
        })?;
        if costs.len() != trials.len() {
            let (found, expected) = (costs.len(), trials.len());
            let why = format!("`TrialGradient::gradients` returned {found} costs of {expected} trials");
            return Err(Error::program(why).into());
        }
        Ok(costs)
    }
}
