//! The gradient of a batch of a large network, whose trials take every step together (`Lockstep`). It has the bits that it has trial by
//! trial, so that whatever does not go together is left to that way.

use std::ops::Range;

use aligned_vec::AVec;
use rayon::prelude::*;
use spikegrad_adjoint::{Memory, Sweep};
use spikegrad_integrators::{
    EventCounts, Total, add_in_tree, first_non_finite, is_granted, keeps_digits, norm,
};
use spikegrad_network::kernels::sum_by_columns;
use spikegrad_network::kernels::wide::axpy;
use spikegrad_network::{Group, Lockstep, LockstepGroup, LockstepTrial, Loss, Scalar, SplitStep, Trial};
use spikegrad_training::{BatchResult, TrialResult, WholeBatch, clip_factor, factor_for, of_trial};

use crate::Error;

/// Fewer trials than these do not take steps together: a block of columns would be read for too few of them.
const LEAST: usize = 64;

/// Bytes of weights below which trials by themselves are faster: the weights then lie in caches that are fast enough.
const LARGE: usize = 1 << 23;

/// The most trials of a group, which share what is read of the weights.
const MOST: usize = 128;

/// Bytes that all groups take while they run, and bytes that all trials leave, at most.
const BYTES: f64 = (1_u64 << 29) as f64;

/// Columns of a gradient that are formed together.
const COLUMNS: usize = 256;

/// A trial that ran, with what its gradient is multiplied by, by group of parameters.
struct Ran<T> {
    trial: LockstepTrial<T>,
    result: TrialResult<T>,
    factors: Vec<T>,
}

/// Some columns of the gradient by a projection's weights: the projection's number, its place among the groups, and which columns.
struct Columns {
    k: usize,
    group: usize,
    columns: Range<usize>,
}

/// What groups of trials work with, from batch to batch.
#[derive(Debug)]
pub(crate) struct Together<T> {
    /// Whether trials take every step together, where they can; `None` where that is faster.
    pub(crate) lockstep: Option<bool>,
    groups: Vec<LockstepGroup<T>>,
    panels: Vec<AVec<T>>,
    /// Bytes that the system was asked for beside those of single trials, and that it has.
    granted: f64,
}

impl<T> Default for Together<T> {
    fn default() -> Self {
        Self { lockstep: None, groups: Vec::new(), panels: Vec::new(), granted: 0.0 }
    }
}

impl<T: Scalar> Together<T> {
    /// Writes the gradient of a batch whose trials take every step together; `None` where they do not, or where only the gradient of
    /// each trial by itself tells what is wrong.
    pub(crate) fn gradient(
        &mut self,
        scheme: &SplitStep<'_, T>,
        batch: &WholeBatch<'_, T, Trial<T>>,
        loss: &dyn Loss<T>,
        gradient: &mut [T],
    ) -> Result<Option<BatchResult<T>>, Error> {
        let network = scheme.network();
        let weights = network.projections().len() * network.neurons().pow(2) * size_of::<T>();
        let is_worth_it = batch.trials.len() >= LEAST && weights >= LARGE;
        let together = self.lockstep.unwrap_or(is_worth_it) && batch.memory == Memory::Stored;
        if !together || !scheme.is_for_lockstep() || !self.is_granted(weights as f64) {
            return Ok(None);
        }
        let Some(lockstep) = scheme.lockstep(std::mem::take(&mut self.panels)) else { return Ok(None) };
        let result = self.with_panels(&lockstep, batch, loss, gradient);
        self.panels = lockstep.into_panels();
        result
    }

    /// Whether there is so much memory beside that of single trials; asks the system where it has not granted as much before.
    fn is_granted(&mut self, bytes: f64) -> bool {
        let is_granted = bytes <= self.granted || is_granted(bytes);
        if is_granted {
            self.granted = self.granted.max(bytes);
        }
        is_granted
    }

    fn with_panels(
        &mut self,
        lockstep: &Lockstep<'_, '_, T>,
        &WholeBatch { trials, lanes, clip, .. }: &WholeBatch<'_, T, Trial<T>>,
        loss: &dyn Loss<T>,
        gradient: &mut [T],
    ) -> Result<Option<BatchResult<T>>, Error> {
        let Some(ran) = self.run_groups(lockstep, trials, loss)? else { return Ok(None) };
        let mut all = Vec::with_capacity(trials.len());
        for (ran, trial) in ran.into_iter().zip(trials) {
            let cost = match ran.cost {
                Some(cost) => Ok(cost),
                None => {
                    // By itself, a trial says what went wrong in it.
                    let mut own = vec![T::zero(); gradient.len()];
                    let run = lockstep.scheme().run(trial, loss)?;
                    match Sweep::new().gradient(&run, &mut own) {
                        Ok(_) => return Ok(None),
                        Err(error) => Err(of_trial(error)?),
                    }
                }
            };
            all.push(Ran {
                trial: ran,
                result: TrialResult { cost, norms: Vec::new() },
                factors: Vec::new(),
            });
        }
        let columns = all_columns(lockstep);
        if !find_factors(lockstep, &columns, &mut all, clip) {
            return Ok(None);
        }
        let network = lockstep.scheme().network();
        let (layout, size) = (network.parameters.layout(), network.neurons());
        let finite = all.iter().filter(|ran| ran.result.cost.is_ok()).count();
        let mean = T::one() / T::from_subset(&f64::from(finite.max(1) as u32));
        let (weights, others) = gradient.split_at_mut(layout.len() - lockstep.others());
        write_others(lockstep, &all, (lanes, mean), others);
        for entry in layout.entries().iter().filter(|entry| !network.is_trainable(entry.group)) {
            if let Some(frozen) = weights.get_mut(entry.range.clone()) {
                frozen.fill(T::zero());
            }
        }
        // Weights come first, projection by projection, and columns one behind the other.
        let (mut rest, mut at) = (weights, 0);
        let mut targets = Vec::with_capacity(columns.len());
        for part in &columns {
            let start = layout.range(Group::Weight(part.k)).start + part.columns.start * size;
            let (target, behind) = rest.split_at_mut(start - at).1.split_at_mut(part.columns.len() * size);
            (rest, at) = (behind, start + target.len());
            targets.push((part, target));
        }
        let is_finite = targets.into_par_iter().map(|(part, target)| {
            let trials = all.iter().enumerate().filter(|(_, ran)| ran.result.cost.is_ok());
            let trials = trials.map(|(b, ran)| (b % lanes, ran.factors[part.group], &ran.trial));
            lockstep.write_columns(part.k, part.columns.clone(), trials, (lanes, mean), target);
            first_non_finite(target).is_none()
        });
        if !is_finite.reduce(|| true, |a, b| a & b) {
            return Ok(None);
        }
        Ok(Some(self.result(all, lanes, mean)))
    }

    /// Runs all trials in groups; `None` where they do not go together.
    fn run_groups(
        &mut self,
        lockstep: &Lockstep<'_, '_, T>,
        trials: &[Trial<T>],
        loss: &dyn Loss<T>,
    ) -> Result<Option<Vec<LockstepTrial<T>>>, Error> {
        let (mut longest, mut left) = (0, 0.0);
        for trial in trials {
            let Some(steps) = lockstep.steps(trial, loss)? else { return Ok(None) };
            longest = longest.max(steps);
            left += lockstep.bytes(steps)[1];
        }
        let workers = rayon::current_num_threads().clamp(1, trials.len());
        let [each, _] = lockstep.bytes(longest);
        let room = (BYTES / (each * workers as f64)) as usize;
        if left > BYTES || room == 0 {
            return Ok(None);
        }
        let groups = trials.len().div_ceil(room.min(MOST)).next_multiple_of(workers);
        let size = trials.len().div_ceil(groups);
        if !self.is_granted(left + each * (size * workers) as f64) {
            return Ok(None);
        }
        self.groups.resize_with(workers, Default::default);
        let chunks: Vec<Vec<&Trial<T>>> = trials.chunks(size).map(|chunk| chunk.iter().collect()).collect();
        let run = |(index, group): (usize, &mut _)| {
            let chunks = chunks.iter().skip(index).step_by(workers);
            chunks.map(|chunk| lockstep.run(chunk, loss, group)).collect::<Result<Vec<_>, _>>()
        };
        let ran = self.groups.par_iter_mut().enumerate().map(run).collect::<Result<Vec<_>, _>>()?;
        let mut ran: Vec<_> = ran.into_iter().map(Vec::into_iter).collect();
        Ok(Some((0..chunks.len()).filter_map(|chunk| ran[chunk % workers].next()).flatten().collect()))
    }

    /// What became of the trials; their memory is kept for the next batch.
    fn result(&mut self, all: Vec<Ran<T>>, lanes: usize, mean: T) -> BatchResult<T> {
        let (mut cost, mut events) = (Total::default(), EventCounts::default());
        let mut spikes = vec![false; lanes];
        let (groups, mut trials) = (self.groups.len(), Vec::with_capacity(all.len()));
        for (b, Ran { trial, result, .. }) in all.into_iter().enumerate() {
            if let Ok(found) = result.cost {
                cost += found;
                if !spikes[b % lanes] {
                    events += trial.events;
                    spikes[b % lanes] = trial.events.spikes > 0;
                }
            }
            self.groups[b % groups].give_back(trial);
            trials.push(result);
        }
        BatchResult { cost: mean * cost.value(), events, trials, in_lockstep: true }
    }
}

/// The columns of all weights that are trained, as many together as are formed together.
fn all_columns<T: Scalar>(lockstep: &Lockstep<'_, '_, T>) -> Vec<Columns> {
    let network = lockstep.scheme().network();
    let (size, entries) = (network.neurons(), network.parameters.layout().entries());
    let of = |k| {
        let group = entries.iter().position(|entry| entry.group == Group::Weight(k)).unwrap_or(0);
        let columns = (0..size).step_by(COLUMNS).map(move |first| first..(first + COLUMNS).min(size));
        columns.map(move |columns| Columns { k, group, columns })
    };
    lockstep.trained().flat_map(of).collect()
}

/// Finds the norms of all groups of each trial's gradient, and what clipping multiplies the groups by. Returns whether there is such a
/// factor for all.
fn find_factors<T: Scalar>(
    lockstep: &Lockstep<'_, '_, T>,
    columns: &[Columns],
    all: &mut [Ran<T>],
    clip: Option<&[Option<T>]>,
) -> bool {
    let layout = lockstep.scheme().network().parameters.layout();
    let (entries, first) = (layout.entries(), layout.len() - lockstep.others());
    for ran in all.iter_mut() {
        ran.factors = vec![T::one(); entries.len()];
    }
    let Some(clip) = clip else { return true };
    let of_columns = |part: &Columns| -> Vec<Vec<T>> {
        let of = |ran: &Ran<T>| match ran.result.cost {
            Ok(_) => lockstep.squares(part.k, part.columns.clone(), &ran.trial),
            Err(_) => Vec::new(),
        };
        all.iter().map(of).collect()
    };
    let squares: Vec<_> = columns.par_iter().map(of_columns).collect();
    for (b, ran) in all.iter_mut().enumerate().filter(|(_, ran)| ran.result.cost.is_ok()) {
        let mut norms = vec![T::zero(); entries.len()];
        for (part, squares) in columns.iter().zip(&squares) {
            norms[part.group] = squares[b].iter().fold(norms[part.group], |sum, &x| sum + x);
        }
        for (g, entry) in entries.iter().enumerate() {
            if entry.range.start >= first {
                let part = &mut ran.trial.others[entry.range.start - first..entry.range.end - first];
                norms[g] = norm(part);
                ran.factors[g] = clip_factor(part, norms[g], clip[g]);
                continue;
            }
            // Squares that are zero may be those of very small numbers.
            let is_zero = || norms[g] == T::zero() && ran.trial.has_no_gradient();
            if columns.iter().any(|part| part.group == g) && !keeps_digits(norms[g]) && !is_zero() {
                return false;
            }
            norms[g] = norms[g].sqrt();
            let Some(factor) = factor_for(norms[g], clip[g]) else { return false };
            ran.factors[g] = factor;
        }
        ran.result.norms = norms;
    }
    true
}

/// The norm of a matrix of so many rows, as a group of trials forms it.
pub(crate) fn norm_by_columns<T: Scalar>(matrix: &[T], rows: usize) -> T {
    let sum = sum_by_columns(matrix, rows);
    if keeps_digits(sum) { sum.sqrt() } else { norm(matrix) }
}

/// Writes the mean over the trials of what is not a weight, added as lanes are.
fn write_others<T: Scalar>(
    lockstep: &Lockstep<'_, '_, T>,
    all: &[Ran<T>],
    (count, mean): (usize, T),
    target: &mut [T],
) {
    let layout = lockstep.scheme().network().parameters.layout();
    let first = layout.len() - target.len();
    let mut lanes = vec![vec![T::zero(); target.len()]; count];
    for (b, ran) in all.iter().enumerate().filter(|(_, ran)| ran.result.cost.is_ok()) {
        let entries = layout.entries().iter().zip(&ran.factors);
        for (entry, &factor) in entries.filter(|(entry, _)| entry.range.start >= first) {
            let range = entry.range.start - first..entry.range.end - first;
            axpy(&mut lanes[b % count][range.clone()], factor, &ran.trial.others[range]);
        }
    }
    add_in_tree(&mut lanes, |low, high| axpy(low, T::one(), high));
    for (target, &sum) in target.iter_mut().zip(&lanes[0]) {
        *target = mean * sum;
    }
}
