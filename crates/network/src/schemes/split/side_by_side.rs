//! Trials of a small network that lie side by side: a number of a neuron is a row of numbers, one of each trial, so that what a step
//! costs beside its neurons and columns is paid once for all trials, and the lanes of vectors are full.
//!
//! Every number of a trial is formed by the operations that form it when the trial is run alone, in the same order: company changes no
//! bit. What a trial has that others have not is left to the trial alone, as is a trial that does not stay finite.

use std::ops::Range;

use aligned_vec::AVec;
use spikegrad_integrators::{EventCounts, EventLog, Step, StepVjp, Total, first_non_finite, is_granted};

use super::run::SplitRun;
use super::scheme::SplitStep;
use super::side_steps::{SideLoops, side_loops};
use crate::populations::{Block, Context, Offsets, Released};
use crate::projections::{Path, Row, RowLoops, SparseProjection, TRIALS, row_loops, rows_of};
use crate::{Error, Group, Loss, Scalar, Trial};

/// The most neurons, which have a bit each.
const MOST_NEURONS: usize = u64::BITS as usize;

/// Weights above which trials are faster one by one: a trial visits few columns in a step, and all together visit most.
const MOST_WEIGHTS: usize = 2048;

/// The most parameters, whose gradients by all trials lie in a second cache.
const MOST_PARAMETERS: usize = 1 << 14;

/// Bytes of a tape beyond which trials do not lie side by side.
const MOST_BYTES: f64 = (1_u64 << 27) as f64;

/// A network whose trials may lie side by side.
#[derive(Debug)]
pub struct SideBySide<'s, 'n, T: 'static> {
    pub(super) scheme: &'s SplitStep<'n, T>,
    pub(super) loops: &'static dyn RowLoops<T>,
    steps: &'static dyn SideLoops<T>,
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
    /// Its presynaptic and its postsynaptic neurons.
    pub(super) pre: Range<usize>,
    pub(super) post: Range<usize>,
}

impl<'n, T: Scalar> SplitStep<'n, T> {
    /// The network for trials side by side; `None` where that is no gain, or where it is not written: for more than 64 neurons, 2048
    /// weights between neurons or 16384 parameters, dual numbers, the dense path (time constants of each neuron take it), event sources, named readouts, delays,
    /// lists of connections, weights of low rank, synapses other than exponential ones, conductances, and where a time constant, a gate's
    /// width or a parameter that neurons share is trained.
    pub fn side_by_side(&self) -> Option<SideBySide<'_, 'n, T>> {
        let (network, loops, steps) = (self.network, row_loops::<T>()?, side_loops::<T>()?);
        let shares =
            |place: &crate::placed::Placed| place.trains_width || place.trains_neurons && !place.per_neuron;
        let weights: usize = network.wires.iter().map(|wire| wire.pre.len() * wire.post.len()).sum();
        let is_made_for = network.neurons <= MOST_NEURONS
            && weights <= MOST_WEIGHTS
            && network.parameters.values().len() <= MOST_PARAMETERS
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
                    projections.push(RowProjection { of, pre: wire.pre.clone(), post: wire.post.clone() });
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
            steps,
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
    /// The numbers of these neurons in one step.
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
    /// The gradient: a row for each parameter.
    pub(super) parameters_bar: AVec<Row<T>>,
    /// Charges of a step times a gain, and the cotangents of the charges of all neurons.
    pub(super) gains: AVec<Row<T>>,
    pub(super) row_bar: AVec<Row<T>>,
    /// Cotangents of the outputs of a step, and of `|s|^2` behind them.
    pub(super) output_bar: AVec<Row<T>>,
    pub(super) charge_bar: Vec<T>,
    pub(super) members: Vec<SideMember<T>>,
    /// The most steps of a trial.
    pub(super) longest: usize,
    log: EventLog,
    /// The step and the place in `released` of the charges of each trial, if somebody asked for events.
    of_trials: Vec<Vec<(u32, u32)>>,
    is_dealt: bool,
    /// The numbers of the trials that lie side by side.
    trials: Vec<usize>,
    /// Bytes that the system has for this tape.
    granted: f64,
}

/// What a trial has for itself.
#[derive(Debug)]
pub(super) struct SideMember<T> {
    pub(super) steps: usize,
    pub(super) cost: Total<T>,
    /// Whether the part of the current of the last sample that does not depend on the synapses is finite.
    pub(super) is_driven: bool,
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
            longest: 0,
            log: EventLog::default(),
            of_trials: Vec::new(),
            is_dealt: false,
            trials: Vec::new(),
            granted: 0.0,
        }
    }
}

impl<T: Scalar> Default for SideMember<T> {
    fn default() -> Self {
        Self {
            steps: 0,
            cost: Total::default(),
            is_driven: true,
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
    /// The most trials that lie side by side.
    pub const TRIALS: usize = TRIALS;

    /// So many trials one by one take about as long as [`TRIALS`](Self::TRIALS) of them side by side with 20 neurons; fewer do not lie side by
    /// side.
    pub const LEAST: usize = 10;

    /// An upper bound of the bytes of a tape.
    fn bytes(&self, steps: usize, samples: usize) -> f64 {
        let network = self.scheme.network;
        let rows =
            (steps + 1) * self.frame().stride + samples * network.inputs + network.parameters.values().len();
        // A charge with two slopes and a number of each neuron, of which as many may be asked for again, and what finds those of a trial.
        let charge = 2 * (3 * size_of::<T>() + size_of::<u32>()) + size_of::<(u32, u32)>();
        rows as f64 * size_of::<Row<T>>() as f64 + (steps * network.neurons * TRIALS * charge) as f64
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

    /// Runs the first [`TRIALS`](Self::TRIALS) of some trials, forwards and backwards. Adds the gradient of each to its own, of as many
    /// parameters as the network has, and returns the costs. `None` stands for a trial that does not stay finite, whose gradient is not to be used; and
    /// for one that was not run: it has injected currents, goes on from a state, or divides a sample into other steps than the first ones,
    /// or there are fewer than [`LEAST`](Self::LEAST) full trials' worth of steps, or memory for them is not there. [`Sweep`] runs such a trial alone, and says
    /// what is wrong.
    ///
    /// [`Sweep`]: https://docs.rs/spikegrad-adjoint/latest/spikegrad_adjoint/struct.Sweep.html
    ///
    /// # Errors
    /// As [`SplitStep::run`], for the first trial that does not fit.
    pub fn gradients(
        &self,
        trials: &[&Trial<T>],
        loss: &dyn Loss<T>,
        tape: &mut SideTape<T>,
        gradients: &mut [&mut [T]],
    ) -> Result<Vec<Option<T>>, Error> {
        let runs = trials.iter().take(TRIALS).map(|trial| self.scheme.run(trial, loss));
        let runs = runs.collect::<Result<Vec<_>, _>>()?;
        let takes =
            |run: &SplitRun<'_, T>| run.run.trial().state.is_none() && run.run.trial().currents.is_empty();
        let hold = runs.iter().find(|run| takes(run)).map(|run| run.run.grid.hold);
        let taken = runs.iter().enumerate().filter(|(_, run)| takes(run) && Some(run.run.grid.hold) == hold);
        tape.trials.clear();
        tape.trials.extend(taken.map(|(trial, _)| trial));
        let runs: Vec<_> = tape.trials.iter().map(|&trial| runs[trial]).collect();
        let mut costs = vec![None; trials.len()];
        if !self.is_worth_it(&runs, tape) {
            tape.trials.clear();
            return Ok(costs);
        }
        self.start(&runs, tape);
        self.steps.forward(self, &runs, tape);
        let is_finite = self.are_finite(tape);
        self.steps.backward(self, &runs, tape);
        for (place, run) in runs.iter().enumerate() {
            let (trial, cost) = (tape.trials[place], tape.members[place].cost.value());
            if is_finite[place] && cost.is_finite() {
                let gradient = &mut *gradients[trial];
                self.finish(run, place, tape, gradient);
                costs[trial] = first_non_finite(gradient).is_none().then_some(cost);
            }
        }
        Ok(costs)
    }

    /// Whether runs gain from lying side by side, and there is memory for them: all take as many steps as the longest one.
    fn is_worth_it(&self, runs: &[SplitRun<'_, T>], tape: &mut SideTape<T>) -> bool {
        let longest = runs.iter().map(|run| run.run.steps).max().unwrap_or(0);
        let steps: usize = runs.iter().map(|run| run.run.steps).sum();
        let samples = runs.iter().map(|run| run.run.trial().samples).max().unwrap_or(0);
        let bytes = self.bytes(longest, samples);
        if runs.is_empty() || steps < Self::LEAST * longest || bytes > MOST_BYTES {
            return false;
        }
        if bytes > tape.granted {
            if !is_granted(bytes) {
                return false;
            }
            tape.granted = bytes;
        }
        true
    }

    /// Counts what the neurons of a trial did in the runs that this tape was last used for, if the trial stayed finite; nothing for one
    /// that was not run.
    pub fn events(&self, tape: &mut SideTape<T>, trial: usize) -> EventCounts {
        let Some(place) = tape.trials.iter().position(|&other| other == trial) else {
            return EventCounts::default();
        };
        if !std::mem::replace(&mut tape.is_dealt, true) {
            Self::find_own(tape);
        }
        let mut log = std::mem::take(&mut tape.log);
        log.clear();
        let (network, at, contexts) = (self.scheme.network, self.frame(), self.contexts());
        let mut own = tape.of_trials[place].iter().peekable();
        for n in 0..tape.members[place].steps {
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
        tape.of_trials.iter_mut().for_each(Vec::clear);
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
        tape.longest = runs.iter().map(|run| run.run.steps).max().unwrap_or(0);
        tape.members.resize_with(TRIALS, SideMember::default);
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
        tape.is_dealt = false;
        for (run, member) in runs.iter().zip(&mut tape.members) {
            member.steps = run.run.steps;
            member.cost = Total::default();
            member.is_driven = true;
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

    /// Whether the last state of each trial is finite, with what its loss accumulated and the current of its last sample. A state that is not
    /// stays so.
    fn are_finite(&self, tape: &SideTape<T>) -> [bool; TRIALS] {
        let last = &tape.frames[tape.longest * self.frame().stride..][..self.scheme.membrane];
        let mut finite = [true; TRIALS];
        for row in last.iter().chain(tape.s.iter()).chain(tape.j.iter()) {
            for trial in 0..TRIALS {
                finite[trial] &= row[trial].is_finite();
            }
        }
        for (finite, member) in finite.iter_mut().zip(&tape.members) {
            *finite &= member.is_driven && first_non_finite(&member.m).is_none();
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
