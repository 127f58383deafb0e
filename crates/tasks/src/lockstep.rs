//! The gradient of a batch of a large network, whose trials take every step together (`Lockstep`). It has the bits that it has trial by
//! trial, so that whatever does not go together is left to that way.

use std::ops::Range;

use aligned_vec::AVec;
use rayon::prelude::*;
use spikegrad_adjoint::{Error as SweepError, Memory, Sweep};
use spikegrad_integrators::{EventCounts, Total, norm};
use spikegrad_network::kernels::sum_by_columns;
use spikegrad_network::kernels::wide::axpy;
use spikegrad_network::{Group, Lockstep, LockstepTrial, Loss, Parameters, Scalar, SplitStep, Trial};

use crate::Error;
use crate::batch::{Batch, BatchResult, TrialResult, add_in_tree};
use crate::clip::{clip_factor, factor_for};

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

/// A trial with what it leaves, and what its gradient is multiplied by, by group of parameters.
struct Left<T> {
    trial: LockstepTrial<T>,
    /// Why the trial has no gradient.
    error: Option<SweepError>,
    norms: Vec<T>,
    factors: Vec<T>,
}

/// Some columns of the gradient of a projection's weights: its number, its place among the groups, and which columns.
#[derive(Clone)]
struct Part {
    k: usize,
    group: usize,
    columns: Range<usize>,
}

impl<T: Scalar> Batch<T> {
    /// Writes the gradient of a batch whose trials take every step together; `None` where they do not, or where only the gradient of
    /// each trial by itself tells what is wrong.
    pub(crate) fn in_lockstep(
        &mut self,
        scheme: &SplitStep<'_, T>,
        trials: &[Trial<T>],
        loss: &dyn Loss<T>,
        clip: Option<&[Option<T>]>,
        gradient: &mut Parameters<T>,
    ) -> Result<Option<BatchResult<T>>, Error> {
        let weights =
            scheme.network().projections().len() * scheme.network().neurons().pow(2) * size_of::<T>();
        let is_worth_it = trials.len() >= LEAST && weights >= LARGE;
        if !self.lockstep.unwrap_or(is_worth_it) || self.memory != Memory::Stored {
            return Ok(None);
        }
        let Some(lockstep) = scheme.lockstep(std::mem::take(&mut self.panels)) else { return Ok(None) };
        let result = self.with_panels(&lockstep, scheme, trials, loss, clip, gradient);
        self.panels = lockstep.into_panels();
        result
    }

    #[allow(clippy::too_many_arguments, reason = "the arguments are those of a gradient")]
    fn with_panels(
        &mut self,
        lockstep: &Lockstep<'_, '_, T>,
        scheme: &SplitStep<'_, T>,
        trials: &[Trial<T>],
        loss: &dyn Loss<T>,
        clip: Option<&[Option<T>]>,
        gradient: &mut Parameters<T>,
    ) -> Result<Option<BatchResult<T>>, Error> {
        let Some(left) = self.run_groups(lockstep, trials, loss)? else { return Ok(None) };
        let mut left: Vec<Left<T>> = left
            .into_iter()
            .map(|trial| Left { trial, error: None, norms: Vec::new(), factors: Vec::new() })
            .collect();
        for (left, trial) in left.iter_mut().zip(trials).filter(|(left, _)| left.trial.cost.is_none()) {
            // By itself, a trial says what went wrong in it.
            let mut own = gradient.zeros_like();
            match Sweep::new().gradient(&scheme.run(trial, loss)?, own.values_mut()) {
                Ok(_) => return Ok(None),
                Err(error) => left.error = Some(error),
            }
        }
        let layout = scheme.network().parameters.layout();
        let parts = parts(lockstep, scheme);
        if !find_factors(lockstep, scheme, &parts, &mut left, clip) {
            return Ok(None);
        }
        let count = self.count.min(trials.len());
        let finite = left.iter().filter(|left| left.error.is_none()).count();
        let mean = T::one() / T::from_subset(&f64::from(finite.max(1) as u32));
        let (weights, others) = gradient.values_mut().split_at_mut(layout.len() - lockstep.others());
        add_others(scheme, &left, (count, mean), others);
        for entry in layout.entries().iter().filter(|entry| !scheme.network().is_trainable(entry.group)) {
            if let Some(frozen) = weights.get_mut(entry.range.clone()) {
                frozen.fill(T::zero());
            }
        }
        let size = scheme.network().neurons();
        // Weights come first, projection by projection, and columns one behind the other.
        let mut rest = weights;
        let mut pieces = Vec::with_capacity(parts.len());
        let mut at = 0;
        for part in &parts {
            let start = layout.range(Group::Weight(part.k)).start + part.columns.start * size;
            let (_, from) = rest.split_at_mut(start - at);
            let (piece, behind) = from.split_at_mut(part.columns.len() * size);
            (rest, at) = (behind, start + piece.len());
            pieces.push((part, piece));
        }
        let is_finite = pieces.into_par_iter().map(|(part, piece)| {
            add_weights(lockstep, part, &left, (count, mean), piece);
            piece.iter().fold(true, |finite, x| finite & x.is_finite())
        });
        if !is_finite.reduce(|| true, |a, b| a & b) {
            return Ok(None);
        }
        Ok(Some(self.result(left, count, mean)))
    }

    /// Runs all trials in groups; `None` where they do not go together.
    fn run_groups(
        &mut self,
        lockstep: &Lockstep<'_, '_, T>,
        trials: &[Trial<T>],
        loss: &dyn Loss<T>,
    ) -> Result<Option<Vec<LockstepTrial<T>>>, Error> {
        let (mut longest, mut all) = (0, 0.0);
        for trial in trials {
            let Some(steps) = lockstep.steps(trial, loss)? else { return Ok(None) };
            longest = longest.max(steps);
            all += lockstep.bytes(steps)[1];
        }
        let workers = rayon::current_num_threads().clamp(1, trials.len());
        let room = (BYTES / (lockstep.bytes(longest)[0] * workers as f64)) as usize;
        if all > BYTES || room == 0 {
            return Ok(None);
        }
        let groups = trials.len().div_ceil(room.min(MOST)).next_multiple_of(workers);
        let size = trials.len().div_ceil(groups);
        self.groups.resize_with(workers, Default::default);
        let chunks: Vec<Vec<&Trial<T>>> = trials.chunks(size).map(|chunk| chunk.iter().collect()).collect();
        let run = |(index, group): (usize, &mut _)| {
            let chunks = chunks.iter().skip(index).step_by(workers);
            chunks.map(|chunk| lockstep.run(chunk, loss, group)).collect::<Result<Vec<_>, _>>()
        };
        let left = self.groups.par_iter_mut().enumerate().map(run).collect::<Result<Vec<_>, _>>()?;
        let mut left: Vec<_> = left.into_iter().map(Vec::into_iter).collect();
        Ok(Some((0..chunks.len()).filter_map(|chunk| left[chunk % workers].next()).flatten().collect()))
    }

    /// What became of the trials; their memory is kept for the next batch.
    fn result(&mut self, left: Vec<Left<T>>, count: usize, mean: T) -> BatchResult<T> {
        let (mut cost, mut events) = (Total::default(), EventCounts::default());
        let mut spikes = vec![false; count];
        let (groups, mut results) = (self.groups.len(), Vec::with_capacity(left.len()));
        for (b, left) in left.into_iter().enumerate() {
            let Left { trial, error, norms, .. } = left;
            let result = match (error, trial.cost) {
                (Some(error), _) => Err(error),
                (None, found) => Ok(found.unwrap_or_else(T::zero)),
            };
            if let Ok(found) = result {
                cost += found;
                if !spikes[b % count] {
                    events += trial.events;
                    spikes[b % count] = trial.events.spikes > 0;
                }
            }
            self.groups[b % groups].give_back(trial);
            results.push(TrialResult { cost: result, norms });
        }
        BatchResult { cost: mean * cost.value(), events, trials: results }
    }
}

/// The columns of all weights that are trained, in parts that are formed one by one.
fn parts<T: Scalar>(lockstep: &Lockstep<'_, '_, T>, scheme: &SplitStep<'_, T>) -> Vec<Part> {
    let (size, layout) = (scheme.network().neurons(), scheme.network().parameters.layout());
    let mut parts = Vec::new();
    for k in lockstep.trained() {
        let group = layout.entries().iter().position(|entry| entry.group == Group::Weight(k)).unwrap_or(0);
        let columns = (0..size).step_by(COLUMNS).map(|first| first..(first + COLUMNS).min(size));
        parts.extend(columns.map(|columns| Part { k, group, columns }));
    }
    parts
}

/// Finds the norms of all groups of each trial's gradient, and what clipping multiplies the groups by. Returns whether there is such a
/// factor for all.
fn find_factors<T: Scalar>(
    lockstep: &Lockstep<'_, '_, T>,
    scheme: &SplitStep<'_, T>,
    parts: &[Part],
    left: &mut [Left<T>],
    clip: Option<&[Option<T>]>,
) -> bool {
    let layout = scheme.network().parameters.layout();
    let (entries, first) = (layout.entries(), layout.len() - lockstep.others());
    for left in left.iter_mut() {
        left.factors = vec![T::one(); entries.len()];
    }
    let Some(clip) = clip else { return true };
    let squares: Vec<Vec<Vec<T>>> = parts
        .par_iter()
        .map(|part| {
            let mut rows = AVec::new(0);
            let of = |left: &Left<T>| {
                let mut squares = vec![T::zero(); part.columns.len()];
                if left.error.is_none() {
                    lockstep.add_squares(part.k, part.columns.clone(), &left.trial, &mut rows, &mut squares);
                }
                squares
            };
            left.iter().map(of).collect()
        })
        .collect();
    for (b, left) in left.iter_mut().enumerate().filter(|(_, left)| left.error.is_none()) {
        left.norms = vec![T::zero(); entries.len()];
        for (part, squares) in parts.iter().zip(&squares) {
            left.norms[part.group] = squares[b].iter().fold(left.norms[part.group], |sum, &x| sum + x);
        }
        for (g, entry) in entries.iter().enumerate() {
            if entry.range.start >= first {
                let part = &mut left.trial.others[entry.range.start - first..entry.range.end - first];
                left.norms[g] = norm(part);
                left.factors[g] = clip_factor(part, left.norms[g], clip[g]);
                continue;
            }
            let sum = left.norms[g];
            let is_silent = sum == T::zero() && left.trial.is_silent();
            if !is_silent && !is_normal(sum) {
                return false;
            }
            left.norms[g] = sum.sqrt();
            let Some(factor) = factor_for(left.norms[g], clip[g]) else { return false };
            left.factors[g] = factor;
        }
    }
    true
}

/// Whether a number that is not negative is finite and keeps all its digits.
fn is_normal<T: Scalar>(x: T) -> bool {
    x.is_finite() && x * T::default_epsilon() > T::zero()
}

/// The norm of a matrix of so many rows, as a group of trials forms it.
pub(crate) fn norm_by_columns<T: Scalar>(matrix: &[T], rows: usize) -> T {
    let sum = sum_by_columns(matrix, rows);
    if is_normal(sum) { sum.sqrt() } else { norm(matrix) }
}

/// Writes the mean over the trials of what is not a weight, added as lanes are.
fn add_others<T: Scalar>(
    scheme: &SplitStep<'_, T>,
    left: &[Left<T>],
    (count, mean): (usize, T),
    target: &mut [T],
) {
    let layout = scheme.network().parameters.layout();
    let first = layout.len() - target.len();
    let mut lanes = vec![vec![T::zero(); target.len()]; count];
    for (b, left) in left.iter().enumerate().filter(|(_, left)| left.error.is_none()) {
        for (entry, &factor) in layout.entries().iter().zip(&left.factors) {
            if entry.range.start >= first {
                let range = entry.range.start - first..entry.range.end - first;
                axpy(&mut lanes[b % count][range.clone()], factor, &left.trial.others[range]);
            }
        }
    }
    add_in_tree(&mut lanes, |low, high| axpy(low, T::one(), high));
    for (target, &sum) in target.iter_mut().zip(&lanes[0]) {
        *target = mean * sum;
    }
}

/// Writes the mean over the trials of some columns of the gradient of weights, added as lanes are.
fn add_weights<T: Scalar>(
    lockstep: &Lockstep<'_, '_, T>,
    part: &Part,
    left: &[Left<T>],
    (count, mean): (usize, T),
    target: &mut [T],
) {
    let (mut rows, len) = (AVec::new(0), lockstep.piece_len());
    let mut lanes = Vec::new();
    lanes.resize_with(count, || {
        let mut lane = AVec::<T>::new(0);
        lane.resize(part.columns.len() * len, T::zero());
        lane
    });
    for piece in 0..lockstep.pieces() {
        lanes.iter_mut().for_each(|lane| lane.fill(T::zero()));
        for (b, left) in left.iter().enumerate().filter(|(_, left)| left.error.is_none()) {
            let (of, at) = ((&left.trial, left.factors[part.group]), (part.k, piece));
            lockstep.add_outer(at, part.columns.clone(), of, &mut rows, &mut lanes[b % count]);
        }
        add_in_tree(&mut lanes, |low, high| axpy(low, T::one(), high));
        let piece = lockstep.piece(piece);
        let columns = target.chunks_exact_mut(target.len() / part.columns.len());
        for (column, sums) in columns.zip(lanes[0].chunks_exact(len)) {
            for (target, &sum) in column[piece.clone()].iter_mut().zip(sums) {
                *target = mean * sum;
            }
        }
    }
}
