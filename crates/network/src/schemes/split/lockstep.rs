//! Trials of a large network that take every step together. By itself, a trial reads the columns of its active neurons from a cache that
//! is far away; in a group, a panel of the weights stays near while all trials go over it.
//!
//! Every number of a trial is formed by the operations that form it when the trial is run alone, in the same order: groups change no
//! bit.

use std::ops::Range;

use aligned_vec::AVec;
use spikegrad_integrators::{EventCounts, EventLog, Total, add_in_tree};

use super::scheme::SplitStep;
use super::tape::SplitTape;
use crate::kernels::{LANES, axpy, tree};
use crate::projections::{PanelLoops, PanelOuter, panels, panels_len, piece_rows, stride_of, to_panels};
use crate::{Error, Group, Loss, Scalar, Trial};

/// A network whose trials may take every step together, with the weights in panels: rows of all columns that are as many as a near
/// cache holds.
///
/// For the gradient of a batch: trials run in [groups](LockstepGroup), and each leaves what the gradient of the weights is made of, a
/// [`LockstepTrial`]. That gradient is then formed for some columns at a time, of all trials.
#[derive(Debug)]
pub struct Lockstep<'s, 'n, T: 'static> {
    pub(super) scheme: &'s SplitStep<'n, T>,
    pub(super) loops: &'static dyn PanelLoops<T>,
    /// The weights of each projection, in panels.
    pub(super) weights: Vec<AVec<T>>,
    /// Ones for the weights of each projection that are trained and zeros for others, in pieces; empty where all are trained.
    trained: Vec<AVec<T>>,
    /// The numbers of parameters that are weights, which come first, and of those that are not.
    pub(super) weights_len: usize,
    pub(super) others: usize,
}

impl<'n, T: Scalar> SplitStep<'n, T> {
    /// Whether trials gain from taking every step together: all projections go from all neurons to all through a matrix, at once, by
    /// an exponential synapse, their time constants are not trained, and the matrices are large.
    pub fn is_for_lockstep(&self) -> bool {
        let network = self.network;
        panels::<T>().is_some()
            && self.waits
            && network.whole
            && !self.keeps_synapses
            && self.kept_arrivals == 0
            && network.channels == 0
            && self.sparse.len() == self.projections.len()
    }

    /// The network with its weights in panels, written to those that another one [left](Lockstep::into_panels); `None` where
    /// [`is_for_lockstep`](Self::is_for_lockstep) says so.
    pub fn lockstep(&self, mut spare: Vec<AVec<T>>) -> Option<Lockstep<'_, 'n, T>> {
        let loops = panels::<T>().filter(|_| self.is_for_lockstep())?;
        let (network, size) = (self.network, self.network.neurons);
        let mut room = || {
            let mut room = spare.pop().unwrap_or_else(|| AVec::new(0));
            room.resize(panels_len::<T>(size, size), T::zero());
            room
        };
        let layout = network.parameters.layout();
        let (mut weights, mut trained) = (Vec::new(), Vec::new());
        for k in 0..self.sparse.len() {
            let mut panels = room();
            to_panels(network.parameters.group(Group::Weight(k)), size, &mut panels);
            weights.push(panels);
            let range = layout.range(Group::Weight(k));
            let inside = |part: &Range<usize>| range.start <= part.start && part.end <= range.end;
            let mut ones = Vec::new();
            for part in network.untrained().filter(inside) {
                ones.resize(range.len(), T::one());
                ones[part.start - range.start..part.end - range.start].fill(T::zero());
            }
            trained.push(by_pieces(&ones, size));
        }
        let weights_len = (0..self.sparse.len()).map(|k| layout.range(Group::Weight(k)).len()).sum();
        let others = layout.len() - weights_len;
        Some(Lockstep { scheme: self, loops, weights, trained, weights_len, others })
    }
}

/// A matrix by pieces of its rows, of which all columns stand together; nothing of nothing.
fn by_pieces<T: Scalar>(matrix: &[T], rows: usize) -> AVec<T> {
    let (piece, columns) = (piece_rows::<T>(), matrix.len() / rows);
    let mut pieces = AVec::new(0);
    pieces.resize(columns * stride_of::<T>(rows), T::zero());
    for (p, pieces) in pieces.chunks_exact_mut(piece * columns.max(1)).enumerate() {
        for (target, column) in pieces.chunks_exact_mut(piece).zip(matrix.chunks_exact(rows)) {
            let column = &column[p * piece..rows.min((p + 1) * piece)];
            target[..column.len()].copy_from_slice(column);
        }
    }
    pieces
}

/// The workspace of trials that take every step together.
#[derive(Debug)]
pub struct LockstepGroup<T> {
    pub(super) members: Vec<Member<T>>,
    /// Partial sums of the products of columns, for every charge of a step and every projection.
    pub(super) sums: Vec<[T; LANES]>,
    /// The part of a vector that ends inside the last piece of a panel.
    pub(super) part: Vec<T>,
    /// The number of charges of a step, for each trial, that lie in blocks that were gone over.
    pub(super) taken: Vec<usize>,
    pub(super) log: EventLog,
    /// Memory of trials of earlier batches, to be used again.
    pub(super) spare: Vec<LockstepTrial<T>>,
}

impl<T> Default for LockstepGroup<T> {
    fn default() -> Self {
        let (members, sums, part, taken) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { members, sums, part, taken, log: EventLog::default(), spare: Vec::new() }
    }
}

impl<T> LockstepGroup<T> {
    /// Takes back what a trial left, so that the next one need not ask for memory.
    pub fn give_back(&mut self, trial: LockstepTrial<T>) {
        self.spare.push(trial);
    }
}

/// A trial of a group.
#[derive(Debug)]
pub(super) struct Member<T> {
    pub(super) x: AVec<T>,
    pub(super) x_bar: AVec<T>,
    pub(super) tape: SplitTape<T>,
    pub(super) cost: Total<T>,
    /// Whether all of its numbers are finite so far.
    pub(super) is_finite: bool,
    pub(super) left: LockstepTrial<T>,
}

/// What a trial of a group leaves: its cost, its gradient by everything but the weights, and what the gradient of the weights is made of.
#[derive(Debug)]
pub struct LockstepTrial<T> {
    /// The cost; `None` where the trial or its gradient is not finite.
    pub cost: Option<T>,
    /// What the neurons did, if the trial is finite.
    pub events: EventCounts,
    /// The gradient by everything but the weights, which come before.
    pub others: AVec<T>,
    /// Cotangents of the currents of every step, piece by piece.
    pub(super) current_bar: AVec<T>,
    pub(super) steps: usize,
    /// The places in `came` and `charges` at which the parts of the neurons begin.
    pub(super) starts: Vec<u32>,
    /// The steps in which each neuron released charge, from the last to the first.
    pub(super) came: Vec<u32>,
    /// The charges of these steps.
    pub(super) charges: Vec<T>,
}

impl<T: Scalar> LockstepTrial<T> {
    /// Whether the gradient by the weights is zero, and not only too small to be squared: no neuron came near its threshold, or the cost
    /// does not depend on the currents.
    pub fn has_no_gradient(&self) -> bool {
        self.charges.is_empty() || self.current_bar.iter().all(|bar| *bar == T::zero())
    }
}

impl<'s, 'n, T: Scalar> Lockstep<'s, 'n, T> {
    /// The scheme that takes the steps.
    pub fn scheme(&self) -> &'s SplitStep<'n, T> {
        self.scheme
    }

    /// The panels, to be written again.
    pub fn into_panels(self) -> Vec<AVec<T>> {
        self.weights
    }

    /// How many bytes a trial of so many steps takes while its group runs, and what it leaves.
    pub fn bytes(&self, steps: usize) -> [f64; 2] {
        let network = self.scheme.network;
        let size = size_of::<T>() as f64;
        // A frame of the tape, and charges with two slopes; most of the neurons are silent most of the time.
        let tape = self.scheme.stride as f64 + network.neurons as f64 / 2.0;
        [steps as f64 * tape * size, steps as f64 * 1.25 * self.rows() as f64 * size]
    }

    /// Neurons, rounded up to whole pieces.
    pub(super) fn rows(&self) -> usize {
        stride_of::<T>(self.scheme.network.neurons)
    }

    /// The pieces of a column: the number of each, and its rows.
    fn pieces(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let (size, len) = (self.scheme.network.neurons, piece_rows::<T>());
        (0..size).step_by(len).map(move |first| first..(first + len).min(size)).enumerate()
    }

    /// The steps of a trial, if it may be one of a group: its loss looks at single steps, and it begins without charge.
    ///
    /// # Errors
    /// As [`SplitStep::run`].
    pub fn steps(&self, trial: &Trial<T>, loss: &dyn Loss<T>) -> Result<Option<usize>, Error> {
        let run = self.scheme.run(trial, loss)?;
        let starts_empty = trial.initial.as_ref().is_none_or(|initial| initial.s.is_empty());
        let takes = trial.state.is_none() && starts_empty && run.run.over_run.is_none();
        Ok(takes.then_some(run.run.steps))
    }

    /// The projections whose weights are trained.
    pub fn trained(&self) -> impl Iterator<Item = usize> {
        let projections = self.scheme.projections.iter().enumerate();
        projections.filter(|(_, projection)| projection.parts.trains_weights).map(|(k, _)| k)
    }

    /// How many parameters are no weights.
    pub fn others(&self) -> usize {
        self.others
    }

    /// What a trial adds to some columns of the gradient of projection `k`, in piece `piece`.
    fn outer<'a>(
        &'a self,
        (k, piece): (usize, usize),
        columns: &Range<usize>,
        trial: &'a LockstepTrial<T>,
        rows: &'a mut AVec<T>,
    ) -> PanelOuter<'a, T> {
        let (len, size) = (piece_rows::<T>(), self.scheme.network.neurons);
        let all = trial.steps * len;
        rows.resize(all, T::zero());
        let projection = &self.scheme.sparse[k];
        self.loops.expand(projection.keep, &trial.current_bar[piece * all..][..all], rows);
        let trained = &self.trained[k];
        let first = (piece * size + columns.start) * len;
        PanelOuter {
            rows,
            gain: projection.gain,
            starts: &trial.starts[columns.start..=columns.end],
            steps: &trial.came,
            charges: &trial.charges,
            trained: if trained.is_empty() { &[] } else { &trained[first..first + columns.len() * len] },
        }
    }

    /// Writes some columns of the mean gradient by the weights of projection `k`: the sum over trials, each with its lane and a factor,
    /// times `mean`. The trials of a lane are added in order, and the lanes in the tree of [`add_in_tree`].
    pub fn write_columns<'t>(
        &self,
        k: usize,
        columns: Range<usize>,
        trials: impl Iterator<Item = (usize, T, &'t LockstepTrial<T>)> + Clone,
        (lanes, mean): (usize, T),
        target: &mut [T],
    ) {
        let (mut rows, len, size) = (AVec::new(0), piece_rows::<T>(), self.scheme.network.neurons);
        let mut lanes: Vec<AVec<T>> = (0..lanes).map(|_| AVec::new(0)).collect();
        for (piece, part) in self.pieces() {
            for lane in &mut lanes {
                lane.clear();
                lane.resize(columns.len() * len, T::zero());
            }
            for (lane, factor, trial) in trials.clone() {
                let outer = self.outer((k, piece), &columns, trial, &mut rows);
                self.loops.add_outer(outer, factor, &mut lanes[lane]);
            }
            add_in_tree(&mut lanes, |low, high| axpy(low, T::one(), high));
            for (column, sums) in target.chunks_exact_mut(size).zip(lanes[0].chunks_exact(len)) {
                for (target, &sum) in column[part.clone()].iter_mut().zip(sums) {
                    *target = mean * sum;
                }
            }
        }
    }

    /// The sum of the squares of each of some columns of a trial's gradient by the weights of projection `k`.
    pub fn squares(&self, k: usize, columns: Range<usize>, trial: &LockstepTrial<T>) -> Vec<T> {
        let (mut rows, mut sums) = (AVec::new(0), vec![[T::zero(); LANES]; columns.len()]);
        for (piece, _) in self.pieces() {
            self.loops.add_squares(self.outer((k, piece), &columns, trial, &mut rows), &mut sums);
        }
        sums.iter_mut().map(|sums| tree(sums)).collect()
    }
}

impl<T: Scalar> Default for Member<T> {
    fn default() -> Self {
        Self {
            x: AVec::new(0),
            x_bar: AVec::new(0),
            tape: SplitTape::default(),
            cost: Total::default(),
            is_finite: true,
            left: LockstepTrial::default(),
        }
    }
}

impl<T> Default for LockstepTrial<T> {
    fn default() -> Self {
        Self {
            cost: None,
            events: EventCounts::default(),
            others: AVec::new(0),
            current_bar: AVec::new(0),
            steps: 0,
            starts: Vec::new(),
            came: Vec::new(),
            charges: Vec::new(),
        }
    }
}
