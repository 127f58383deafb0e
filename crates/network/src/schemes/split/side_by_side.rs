//! Trials of a small network that lie side by side: a number of a neuron is a row of numbers, one of each trial, so that what a step
//! costs beside its neurons and columns is paid once for all trials, and the lanes of vectors are full.
//!
//! Every number of a trial is formed by the operations that form it when the trial is run alone, in the same order: company changes no
//! bit. What a trial has that others have not is left to the trial alone, as is a trial that does not stay finite.

use aligned_vec::AVec;
use spikegrad_integrators::{EventCounts, EventLog, Step, StepVjp, Total, first_non_finite};

use super::run::SplitRun;
use super::scheme::SplitStep;
use super::side_steps::side_loops;
use crate::populations::{Block, Context, Offsets, Released};
use crate::projections::{Path, Row, RowLoops, SparseProjection, TRIALS, row_loops, rows_of};
use crate::{Group, Scalar};

/// The most neurons, which have a bit each.
const MOST_NEURONS: usize = u64::BITS as usize;

/// Weights above which trials are faster one by one: a trial visits few columns in a step, and all together visit most.
const MOST_WEIGHTS: usize = 2048;

/// A network whose trials may lie side by side.
#[derive(Debug)]
pub struct SideBySide<'s, 'n, T: 'static> {
    pub(super) scheme: &'s SplitStep<'n, T>,
    pub(super) loops: &'static dyn RowLoops<T>,
    /// The projections in the order in which they are visited: from all neurons to all first.
    pub(super) projections: Vec<RowProjection<T>>,
    /// The parameters of each population of neurons that differ, a row each; empty where they share them.
    own: Vec<Vec<T>>,
    /// Where the gradient by input weights, tonic currents and the readout begins.
    pub(super) starts: [usize; 3],
}

/// A projection as trials that lie side by side see it.
#[derive(Clone, Debug)]
pub(super) struct RowProjection<T> {
    pub(super) of: SparseProjection<T>,
    /// Its presynaptic neurons, and how many postsynaptic ones there are.
    pub(super) pre: std::ops::Range<usize>,
    pub(super) post: usize,
}

impl<'n, T: Scalar> SplitStep<'n, T> {
    /// The network for trials side by side; `None` where they gain nothing from that or what the network has is not made for it: it has
    /// more than 64 neurons or 2048 weights, event sources, named readouts, delays, lists of connections, weights of low rank, synapses other than
    /// exponential ones, conductances, or trains a time constant, a gate's width or parameters that neurons share.
    pub fn side_by_side(&self) -> Option<SideBySide<'_, 'n, T>> {
        let (network, loops) = (self.network, row_loops::<T>()?);
        let shares =
            |place: &crate::placed::Placed| place.trains_width || place.trains_neurons && !place.per_neuron;
        let weights: usize = network.wires.iter().map(|wire| wire.pre.len() * wire.post.len()).sum();
        let is_made_for = network.neurons <= MOST_NEURONS
            && weights <= MOST_WEIGHTS
            && !self.dense
            && !self.waits
            && !self.keeps_synapses
            && self.kept_arrivals == 0
            && self.way == 0
            && network.channels == 0
            && network.readouts.all.is_empty()
            && self.conductances.is_empty()
            && !network.places.iter().any(shares);
        if !is_made_for {
            return None;
        }
        let mut projections = Vec::with_capacity(self.projections.len());
        for whole in [true, false] {
            for (number, (projection, wire)) in self.projections.iter().zip(&network.wires).enumerate() {
                if !wire.is_plain() || !matches!(projection.path, Path::Sparse | Path::Block(_)) {
                    return None;
                }
                if projection.is_sparse() == whole {
                    let of = projection.to_sparse(number, wire, false);
                    projections.push(RowProjection { of, pre: wire.pre.clone(), post: wire.post.len() });
                }
            }
        }
        let own = |place: &crate::placed::Placed| {
            let values = &network.parameters.values()[place.parameters.clone()];
            let row = |&value: &T| std::iter::repeat_n(value, TRIALS);
            if place.per_neuron { values.iter().flat_map(row).collect() } else { Vec::new() }
        };
        let layout = network.parameters.layout();
        Some(SideBySide {
            scheme: self,
            loops,
            projections,
            own: network.places.iter().map(own).collect(),
            starts: [Group::Input, Group::Bias, Group::Readout(0)].map(|group| layout.range(group).start),
        })
    }
}

/// The workspace of trials that lie side by side.
#[derive(Debug)]
pub struct SideTape<T> {
    /// Of every step the membrane state at its start, the current, the charges, the traces at its end that are read out, the outputs trial
    /// by trial, and `|s|^2`; and in one more frame the membrane state at the end.
    pub(super) frames: AVec<Row<T>>,
    pub(super) released: Released<T>,
    /// Ends of the steps' parts of `released`.
    pub(super) ends: Vec<usize>,
    /// The neurons of each step that released charge or stand in the active zone in any trial, a bit each.
    pub(super) visited: Vec<u64>,
    /// Those of one step.
    pub(super) neurons: Vec<u32>,
    /// The inputs of every sample, a row for each channel; zero behind the end of a shorter trial.
    pub(super) inputs: AVec<Row<T>>,
    /// Traces and currents of all projections, and the part of the current that does not depend on them; their cotangents.
    pub(super) s: AVec<Row<T>>,
    pub(super) j: AVec<Row<T>>,
    pub(super) drive: AVec<Row<T>>,
    pub(super) s_bar: AVec<Row<T>>,
    pub(super) j_bar: AVec<Row<T>>,
    pub(super) drive_bar: AVec<Row<T>>,
    pub(super) membrane_bar: AVec<Row<T>>,
    pub(super) current_bar: AVec<Row<T>>,
    /// A row for each parameter.
    pub(super) parameters_bar: AVec<Row<T>>,
    /// Work space: charges times a gain, and the cotangents of the charges of all neurons.
    pub(super) gains: AVec<Row<T>>,
    pub(super) row_bar: AVec<Row<T>>,
    /// Cotangents of the outputs of a step, and of `|s|^2` behind them.
    pub(super) output_bar: AVec<Row<T>>,
    pub(super) charge_bar: Vec<T>,
    pub(super) members: Vec<SideMember<T>>,
    /// How many trials there are, and the most steps of one.
    pub(super) count: usize,
    pub(super) longest: usize,
    log: EventLog,
    /// The step and the place in `released` of the charges of each trial; empty until somebody asks for events.
    of_trials: Vec<Vec<(u32, u32)>>,
}

/// What a trial has for itself.
#[derive(Debug)]
pub(super) struct SideMember<T> {
    pub(super) steps: usize,
    pub(super) cost: Total<T>,
    /// The state at the start, then the cotangent of it.
    x: Vec<T>,
    /// What the loss accumulates, its cotangent, what it kept of it, and what it had at the end.
    pub(super) m: Vec<T>,
    pub(super) m_bar: Vec<T>,
    pub(super) kept: Vec<T>,
    /// The neurons that released charge in a step, the charges, their places among all, and the cotangents.
    pub(super) neurons: Vec<u32>,
    pub(super) charges: Vec<T>,
    pub(super) places: Vec<usize>,
    pub(super) counted_bar: Vec<T>,
    pub(super) output_bar: Vec<T>,
    /// Traces and membrane state, for a loss that looks at them, and the cotangents.
    pub(super) seen: [Vec<T>; 2],
    pub(super) seen_bar: [Vec<T>; 2],
}

impl<T: Scalar> Default for SideTape<T> {
    fn default() -> Self {
        let rows = || AVec::new(0);
        Self {
            frames: rows(),
            released: Released::default(),
            ends: Vec::new(),
            visited: Vec::new(),
            neurons: Vec::new(),
            inputs: rows(),
            s: rows(),
            j: rows(),
            drive: rows(),
            s_bar: rows(),
            j_bar: rows(),
            drive_bar: rows(),
            membrane_bar: rows(),
            current_bar: rows(),
            parameters_bar: rows(),
            gains: rows(),
            row_bar: rows(),
            output_bar: rows(),
            charge_bar: Vec::new(),
            members: Vec::new(),
            count: 0,
            longest: 0,
            log: EventLog::default(),
            of_trials: Vec::new(),
        }
    }
}

impl<T: Scalar> Default for SideMember<T> {
    fn default() -> Self {
        Self {
            steps: 0,
            cost: Total::default(),
            x: Vec::new(),
            m: Vec::new(),
            m_bar: Vec::new(),
            kept: Vec::new(),
            neurons: Vec::new(),
            charges: Vec::new(),
            places: Vec::new(),
            counted_bar: Vec::new(),
            output_bar: Vec::new(),
            seen: [Vec::new(), Vec::new()],
            seen_bar: [Vec::new(), Vec::new()],
        }
    }
}

/// Where the parts of a frame of [`SideTape::frames`] begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct SideFrame {
    pub(super) current: usize,
    pub(super) charge: usize,
    pub(super) s: usize,
    pub(super) output: usize,
    pub(super) square: usize,
    pub(super) stride: usize,
}

impl<'s, 'n, T: Scalar> SideBySide<'s, 'n, T> {
    /// How many trials lie side by side.
    pub const TRIALS: usize = TRIALS;

    /// Whether a run may be one of those that lie side by side with `first`: they have [nothing but inputs](SplitRun::has_only_inputs), of which
    /// a sample is as many steps.
    pub fn takes(&self, run: &SplitRun<'_, T>, first: &SplitRun<'_, T>) -> bool {
        run.has_only_inputs() && run.run.grid.hold == first.run.grid.hold
    }

    /// How many bytes runs of so many steps take.
    pub fn bytes(&self, steps: usize) -> f64 {
        let parameters = self.scheme.network.parameters.values().len();
        let rows = (steps + 1) as f64 * (self.frame().stride + self.scheme.network.neurons / 2) as f64;
        (rows + parameters as f64) * size_of::<Row<T>>() as f64
    }

    pub(super) fn frame(&self) -> SideFrame {
        let (scheme, network) = (self.scheme, self.scheme.network);
        let current = scheme.membrane;
        let charge = current + network.neurons;
        let s = charge + network.neurons;
        let output = s + scheme.read.len();
        let square = output + network.outputs;
        SideFrame { current, charge, s, output, square, stride: square + 1 }
    }

    /// What the loops of each population need to know, for rows of neurons.
    pub(super) fn contexts(&self) -> Vec<Context<'_, T>> {
        let rows = |of: Offsets| Offsets {
            offset: of.offset * TRIALS,
            size: of.size * TRIALS,
            rest: of.rest * TRIALS,
            latch: of.latch * TRIALS,
        };
        let mut contexts = Vec::with_capacity(self.own.len());
        for (&at, own) in self.scheme.contexts.iter().zip(&self.own) {
            let parameters = if own.is_empty() { at.parameters } else { own };
            contexts.push(Context { parameters, offsets: rows(at.offsets), ..at });
        }
        contexts
    }

    /// Runs trials that [go together](Self::takes), at most [`TRIALS`](Self::TRIALS) of them, forwards and backwards. Adds the gradient of each to
    /// its own, and returns the costs; `None` for a trial that did not stay finite, which by itself says what is wrong, and whose gradient
    /// is not to be used.
    pub fn gradients(
        &self,
        runs: &[SplitRun<'_, T>],
        tape: &mut SideTape<T>,
        gradients: &mut [&mut [T]],
    ) -> Vec<Option<T>> {
        let Some(loops) = side_loops::<T>() else { return vec![None; runs.len()] };
        let runs = &runs[..runs.len().min(TRIALS)];
        self.start(runs, tape);
        loops.forward(self, runs, tape);
        let is_finite = self.are_finite(tape);
        loops.backward(self, runs, tape);
        let finish = |(trial, (run, gradient)): (usize, (&SplitRun<'_, T>, &mut &mut [T]))| {
            if !is_finite[trial] || !tape.members[trial].cost.value().is_finite() {
                return None;
            }
            self.finish(run, trial, tape, gradient);
            first_non_finite(gradient).is_none().then(|| tape.members[trial].cost.value())
        };
        runs.iter().zip(gradients).enumerate().map(finish).collect()
    }

    /// Counts what the neurons of a trial did in the runs before, if the trial stayed finite.
    pub fn events(&self, tape: &mut SideTape<T>, trial: usize) -> EventCounts {
        if tape.of_trials.is_empty() {
            Self::find_own(tape);
        }
        let mut log = std::mem::take(&mut tape.log);
        log.clear();
        let (network, at, contexts) = (self.scheme.network, self.frame(), self.contexts());
        let mut own = tape.of_trials[trial].iter().peekable();
        for n in 0..tape.members[trial].steps {
            log.step(n);
            if own.peek().is_none_or(|(step, _)| *step as usize > n) {
                continue;
            }
            let frame = &tape.frames[n * at.stride..];
            let (before, after) = (frame.as_flattened(), frame[at.stride..].as_flattened());
            let current = frame[at.current..].as_flattened();
            for (place, context) in network.places.iter().zip(&contexts) {
                let Offsets { offset, size, .. } = context.offsets;
                let lengths = ((place.dim - 1) * size, place.latches * TRIALS);
                let block = |x| -> Block<'_, T> { context.offsets.block(x, lengths) };
                let (before, after, loops) = (block(before), block(after), place.loops.of::<T>());
                let is_here = |&&(step, at): &&(u32, u32)| {
                    step as usize == n && tape.released.at(at as usize).0 < offset + size
                };
                while let Some(&(_, at)) = own.next_if(is_here) {
                    let (i, charge) = tape.released.at(at as usize);
                    let at_neuron = (offset, i - offset);
                    loops.log_crossing(context, before, after, current[i], at_neuron, charge, &mut log);
                }
            }
        }
        let counts = log.counts();
        tape.log = log;
        counts
    }

    /// Finds which of all charges are whose.
    fn find_own(tape: &mut SideTape<T>) {
        tape.of_trials.resize_with(TRIALS, Vec::new);
        let mut start = 0;
        for (n, &end) in tape.ends.iter().enumerate() {
            let (neurons, _) = tape.released.part(&(start..end));
            for (at, &i) in (start..end).zip(neurons) {
                tape.of_trials[i as usize % TRIALS].push((n as u32, at as u32));
            }
            start = end;
        }
    }

    /// Writes the state at the start of all trials. Places without a trial get what the first one has, and no input.
    fn start(&self, runs: &[SplitRun<'_, T>], tape: &mut SideTape<T>) {
        let (scheme, network) = (self.scheme, self.scheme.network);
        let at = self.frame();
        (tape.count, tape.longest) = (runs.len(), runs.iter().map(|run| run.run.steps).max().unwrap_or(0));
        tape.members.resize_with(TRIALS.max(tape.members.len()), SideMember::default);
        rows_of(&mut tape.frames, (tape.longest + 1) * at.stride);
        rows_of(&mut tape.s, network.traces);
        rows_of(&mut tape.j, network.currents);
        rows_of(&mut tape.drive, network.neurons);
        rows_of(&mut tape.current_bar, network.neurons);
        rows_of(&mut tape.output_bar, network.outputs + 1);
        for bar in [
            (&mut tape.s_bar, network.traces),
            (&mut tape.j_bar, network.currents),
            (&mut tape.drive_bar, network.neurons),
            (&mut tape.membrane_bar, scheme.membrane),
            (&mut tape.parameters_bar, network.parameters.values().len()),
        ] {
            rows_of(bar.0, bar.1);
            bar.0.fill([T::zero(); TRIALS]);
        }
        for scratch in [&mut tape.gains, &mut tape.row_bar] {
            rows_of(scratch, network.neurons);
        }
        tape.released.clear(network.neurons * TRIALS);
        tape.ends.clear();
        tape.visited.clear();
        tape.of_trials.clear();
        for (run, member) in runs.iter().zip(&mut tape.members) {
            member.steps = run.run.steps;
            member.cost = Total::default();
            member.x.clear();
            member.x.resize(run.dim(), T::zero());
            run.start(&mut member.x);
            let accumulators = run.run.accumulators;
            member.m.clear();
            member.m.extend_from_slice(&member.x[scheme.state_len()..][..accumulators]);
            member.m_bar.clear();
            member.m_bar.resize(accumulators, T::zero());
            member.kept.clear();
            member.output_bar.resize(network.outputs, T::zero());
        }
        let samples = runs.iter().map(|run| run.run.trial().samples).max().unwrap_or(0);
        rows_of(&mut tape.inputs, samples * network.inputs);
        if runs.len() < TRIALS || runs.iter().any(|run| run.run.trial().samples < samples) {
            tape.inputs.fill([T::zero(); TRIALS]);
        }
        for (trial, run) in runs.iter().enumerate() {
            let inputs = &run.run.trial().inputs;
            tape.inputs.iter_mut().zip(inputs).for_each(|(row, &input)| row[trial] = input);
        }
        for trial in 0..TRIALS {
            let x = &tape.members[if trial < runs.len() { trial } else { 0 }].x;
            let (membrane, synapses) = x.split_at(scheme.membrane);
            let (s, j) = synapses.split_at(network.traces);
            let parts =
                [(&mut tape.frames, membrane), (&mut tape.s, s), (&mut tape.j, &j[..network.currents])];
            for (rows, x) in parts {
                rows.iter_mut().zip(x).for_each(|(row, &x)| row[trial] = x);
            }
        }
    }

    /// Whether the last state of each trial is finite. A state that is not stays so.
    fn are_finite(&self, tape: &SideTape<T>) -> [bool; TRIALS] {
        let last = &tape.frames[tape.longest * self.frame().stride..][..self.scheme.membrane];
        let mut finite = [true; TRIALS];
        for row in last.iter().chain(tape.s.iter()).chain(tape.j.iter()) {
            for trial in 0..TRIALS {
                finite[trial] &= row[trial].is_finite();
            }
        }
        finite
    }

    /// Adds a trial's gradient to its own, and the transpose of its start.
    fn finish(&self, run: &SplitRun<'_, T>, trial: usize, tape: &mut SideTape<T>, gradient: &mut [T]) {
        for (to, row) in gradient.iter_mut().zip(tape.parameters_bar.iter()) {
            *to += row[trial];
        }
        let x_bar = &mut tape.members[trial].x;
        let parts = tape.membrane_bar.iter().chain(tape.s_bar.iter()).chain(tape.j_bar.iter());
        x_bar.iter_mut().zip(parts).for_each(|(to, row)| *to = row[trial]);
        run.start_vjp(x_bar, gradient);
    }
}
