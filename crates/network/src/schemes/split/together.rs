//! The loops of trials that take every step together, and their transpose.

use std::ops::Range;

use num_dual::Dual64;
use spikegrad_integrators::{EventCounts, Step, Total, first_non_finite};

use super::lockstep::{Lockstep, LockstepGroup, LockstepTrial, Member};
use super::phases::FlowBars;
use super::run::SplitRun;
use super::tape::SplitTape;
use crate::kernels::{LANES, scale, tree, vectorise};
use crate::projections::{
    BLOCK, PanelBackward, PanelForward, SparseProjection, panels_of, piece_rows, stride_of,
};
use crate::scalar::ForEach;
use crate::{Error, Loss, Scalar, Trial};

impl<T: Scalar> Lockstep<'_, '_, T> {
    /// Runs some trials, forwards and backwards.
    ///
    /// # Errors
    /// As [`SplitStep::run`](crate::SplitStep::run).
    pub fn run<'t>(
        &self,
        trials: &[&'t Trial<T>],
        loss: &'t dyn Loss<T>,
        group: &mut LockstepGroup<T>,
    ) -> Result<Vec<LockstepTrial<T>>, Error> {
        let run = |trial: &&'t Trial<T>| {
            let mut run = self.scheme.run(trial, loss)?;
            run.run.skip(self.weights_len);
            Ok(run)
        };
        let runs = trials.iter().map(run).collect::<Result<Vec<_>, Error>>()?;
        group.members.resize_with(runs.len(), Member::default);
        group.taken.resize(runs.len(), 0);
        for (run, member) in runs.iter().zip(&mut group.members) {
            member.left = group.spare.pop().unwrap_or_default();
            self.start(run, member);
        }
        if let Some(loops) = T::choose(&GroupLoops) {
            loops.forward(self, &runs, group);
        }
        let LockstepGroup { members, log, .. } = &mut *group;
        for (run, member) in runs.iter().zip(members) {
            member.is_finite = member.cost.value().is_finite() && first_non_finite(&member.x).is_none();
            if member.is_finite {
                log.clear();
                run.log_crossings(0..run.run.steps, &member.tape, log);
                member.left.events = log.counts();
            }
        }
        if let Some(loops) = T::choose(&GroupLoops) {
            loops.backward(self, &runs, group);
        }
        let left = runs.iter().zip(&mut group.members).map(|(run, member)| self.finish(run, member));
        Ok(left.collect())
    }

    fn start(&self, run: &SplitRun<'_, T>, member: &mut Member<T>) {
        let (scheme, steps) = (self.scheme, run.run.steps);
        member.x.clear();
        member.x.resize(run.dim(), T::zero());
        run.start(&mut member.x);
        run.rewind(&member.x, &mut member.tape);
        let frames = (steps + 1) * scheme.stride;
        if member.tape.frames.len() < frames {
            member.tape.grow(frames, frames);
        }
        member.tape.ends.reserve(steps);
        member.cost = Total::default();
        member.x_bar.clear();
        member.x_bar.resize(run.dim(), T::zero());
        let left = &mut member.left;
        (left.steps, left.cost, left.events) = (steps, None, EventCounts::default());
        left.others.clear();
        left.others.resize(self.others, T::zero());
        left.current_bar.resize(steps * self.rows(), T::zero());
    }

    /// What the transpose of the start adds, and the charges neuron by neuron.
    fn finish(&self, run: &SplitRun<'_, T>, member: &mut Member<T>) -> LockstepTrial<T> {
        let mut left = std::mem::take(&mut member.left);
        if !member.is_finite {
            return left;
        }
        run.run.start_membrane_vjp(&mut member.x_bar, &mut left.others);
        let first = self.weights_len;
        for range in self.scheme.network.untrained().filter(|range| range.start >= first) {
            left.others[range.start - first..range.end - first].fill(T::zero());
        }
        if first_non_finite(&left.others).is_some() {
            return left;
        }
        left.cost = Some(member.cost.value());
        let (tape, size) = (&member.tape, self.scheme.network.neurons);
        let (neurons, _) = tape.released.part(&(0..tape.released.len()));
        left.starts.clear();
        left.starts.resize(size + 1, 0);
        for &neuron in neurons {
            left.starts[neuron as usize] += 1;
        }
        let mut start = 0;
        for place in &mut left.starts {
            start += std::mem::replace(place, start);
        }
        left.came.resize(neurons.len(), 0);
        left.charges.resize(neurons.len(), T::zero());
        for step in (0..left.steps).rev() {
            let (neurons, charges) = tape.released.part(&tape.part(step));
            for (&neuron, &charge) in neurons.iter().zip(charges) {
                let place = &mut left.starts[neuron as usize];
                (left.came[*place as usize], left.charges[*place as usize]) = (step as u32, charge);
                *place += 1;
            }
        }
        // Each has become the start of the next one.
        left.starts.rotate_right(1);
        left.starts[0] = 0;
        left
    }

    /// The panels of all projections, row by row.
    fn panels(&self) -> impl Iterator<Item = Panel<'_, T>> {
        let size = self.scheme.network.neurons;
        panels_of::<T>(size).flat_map(move |rows| {
            self.scheme.sparse.iter().enumerate().map(move |(k, projection)| {
                let stride = stride_of::<T>(rows.len());
                // All panels before have whole pieces.
                let weights = &self.weights[k][size * rows.start..][..size * stride];
                Panel { k, projection, rows: rows.clone(), stride, weights }
            })
        })
    }

    /// Takes every step of all trials, inlined into code for the widest vectors of the machine.
    #[inline(always)]
    fn forward(&self, runs: &[SplitRun<'_, T>], group: &mut LockstepGroup<T>) {
        let (scheme, network) = (self.scheme, self.scheme.network);
        let (size, len, stride, state) = (network.neurons, scheme.membrane, scheme.stride, scheme.state);
        let has_readouts = !network.readouts.all.is_empty();
        let longest = runs.iter().map(|run| run.run.steps).max().unwrap_or(0);
        let LockstepGroup { members, part, taken, .. } = group;
        for n in 0..longest {
            for (run, member) in runs.iter().zip(&mut *members).filter(|(run, _)| n < run.run.steps) {
                let Member { x, tape, .. } = member;
                let (j, rest) = x[len + network.traces..].split_at_mut(network.currents);
                let (frame, next) = tape.frames[n * stride..][..stride + state].split_at_mut(stride);
                let (before, frame) = frame.split_at_mut(state);
                let of_neurons = (&before[..len], &mut frame[..size], &mut next[..len]);
                let apart = (&mut tape.released, &mut tape.open);
                run.steps_of().flow(n, of_neurons, (j, rest), apart, false);
                tape.ends.push(tape.released.len());
            }
            for panel in self.panels() {
                let Panel { projection, stride, rows, .. } = &panel;
                let at = len + network.traces + projection.current;
                taken.fill(0);
                for (first, block) in panel.blocks() {
                    let keep = if first == 0 { projection.keep } else { T::one() };
                    let running = runs.iter().zip(&mut *members).zip(&mut *taken);
                    for ((_, member), taken) in running.filter(|((run, _), _)| n < run.run.steps) {
                        let Member { x, tape, .. } = member;
                        let (neurons, charges) = tape.released.part(&tape.part(n));
                        let visits = visits_below(neurons, taken, first + BLOCK);
                        if visits.is_empty() && first > 0 {
                            continue;
                        }
                        let j = &mut x[at..][rows.clone()];
                        let step = |y| PanelForward {
                            block,
                            first,
                            keep,
                            gain: projection.gain,
                            neurons: &neurons[visits.clone()],
                            charges: &charges[visits],
                            y,
                        };
                        if j.len() == *stride {
                            self.loops.forward(step(j));
                        } else {
                            self.loops.forward(step(padded(part, j, *stride)));
                            j.copy_from_slice(&part[..j.len()]);
                        }
                    }
                }
            }
            for (run, member) in runs.iter().zip(&mut *members).filter(|(run, _)| n < run.run.steps) {
                let Member { x, tape, cost, .. } = member;
                let (neurons, charges) = tape.released.part(&tape.part(n));
                let s = &mut x[len..][..network.traces];
                for projection in &scheme.sparse {
                    let s = &mut s[projection.trace..][..size];
                    scale(s, projection.keep);
                    for (&neuron, &charge) in neurons.iter().zip(charges) {
                        s[neuron as usize] += projection.gain * charge;
                    }
                }
                let (frame, next) = tape.frames[n * stride..][..stride + state].split_at_mut(stride);
                let (after, kept) = next.split_at_mut(len);
                let output = &mut frame[state + size..];
                let (cost_of_step, ..) = run.steps_of().read(n, None, s, after, kept, output, has_readouts);
                *cost += cost_of_step;
            }
        }
        for (run, Member { x, tape, .. }) in runs.iter().zip(members) {
            x[..len].copy_from_slice(&tape.frames[run.run.steps * stride..][..len]);
            tape.steps = run.run.steps;
        }
    }

    /// The transpose of [`forward`](Self::forward) for the trials that stayed finite.
    #[inline(always)]
    fn backward(&self, runs: &[SplitRun<'_, T>], group: &mut LockstepGroup<T>) {
        let (scheme, network) = (self.scheme, self.scheme.network);
        let (size, len, rows_of) = (network.neurons, scheme.membrane, piece_rows::<T>());
        let has_readouts = !network.readouts.all.is_empty();
        let longest = runs.iter().map(|run| run.run.steps).max().unwrap_or(0);
        let LockstepGroup { members, sums, part, taken, .. } = group;
        for n in (0..longest).rev() {
            let mut visits = 0;
            let takes = |run: &SplitRun<'_, T>, member: &Member<T>| member.is_finite && n < run.run.steps;
            for (run, member) in runs.iter().zip(&mut *members).filter(|(run, m)| takes(run, m)) {
                let Member { x_bar, tape, left, .. } = member;
                let (membrane_bar, synapses_bar) = x_bar.split_at_mut(len);
                let frame = scheme.frame(&tape.frames, n);
                let bars = (&mut synapses_bar[..network.traces], membrane_bar, &mut left.others[..]);
                let read = (&mut tape.output_bar, &mut tape.named_bar);
                run.steps_of().cost_vjp(n, &frame, T::one(), read, bars, has_readouts);
                visits += scheme.sparse.len() * tape.part(n).len();
            }
            sums.clear();
            sums.resize(visits, [T::zero(); LANES]);
            for panel in self.panels() {
                let Panel { k, projection, stride, rows, .. } = &panel;
                let at = len + network.traces + projection.current;
                taken.fill(0);
                for (first, block) in panel.blocks() {
                    let mut rest = &mut sums[..];
                    let running = runs.iter().zip(&*members).zip(&mut *taken);
                    for ((_, member), taken) in running.filter(|((run, member), _)| takes(run, member)) {
                        let Member { x_bar, tape, .. } = member;
                        let (neurons, _) = tape.released.part(&tape.part(n));
                        let own;
                        (own, rest) = rest.split_at_mut(scheme.sparse.len() * neurons.len());
                        let visits = visits_below(neurons, taken, first + BLOCK);
                        if visits.is_empty() {
                            continue;
                        }
                        let y = &x_bar[at..][rows.clone()];
                        let y = if y.len() == *stride { y } else { padded(part, y, *stride) };
                        let sums = &mut own[k * neurons.len()..][visits.clone()];
                        self.loops.backward(PanelBackward {
                            block,
                            first,
                            neurons: &neurons[visits],
                            y,
                            sums,
                        });
                    }
                }
            }
            let mut left_sums = &mut sums[..];
            for (run, member) in runs.iter().zip(&mut *members).filter(|(run, m)| takes(run, m)) {
                let Member { x_bar, tape, left, is_finite, .. } = member;
                let (membrane_bar, synapses_bar) = x_bar.split_at_mut(len);
                let (s_bar, j_bar) = synapses_bar.split_at_mut(network.traces);
                let (j_bar, rest_bar) = j_bar.split_at_mut(network.currents);
                let part = tape.part(n);
                let SplitTape { released, frames, charge_bar, current_bar, open, .. } = tape;
                let (neurons, _) = released.part(&part);
                for (k, projection) in scheme.sparse.iter().enumerate() {
                    let sums;
                    (sums, left_sums) = left_sums.split_at_mut(neurons.len());
                    let s_bar = &s_bar[projection.trace..][..size];
                    for ((&neuron, sums), bar) in neurons.iter().zip(sums).zip(&mut *charge_bar) {
                        let total = if k == 0 { T::zero() } else { *bar };
                        *bar = total + projection.gain * (s_bar[neuron as usize] + tree(sums));
                    }
                }
                let frame = scheme.frame(frames, n);
                let bars = FlowBars { charge: charge_bar, membrane: membrane_bar, current: current_bar };
                let (run, others) = (run.steps_of(), &mut left.others[..]);
                run.flow_vjp(&frame, (released, &part), bars, open, others, false);
                run.decay_vjp(s_bar, j_bar, current_bar);
                if rest_bar.is_empty() {
                    run.run.current_vjp(n, current_bar, others);
                } else {
                    run.run.held_current_vjp(n, rest_bar, current_bar, others);
                }
                for (piece, bar) in current_bar.chunks(rows_of).enumerate() {
                    let first = (piece * left.steps + n) * rows_of;
                    let (rows, below) = left.current_bar[first..][..rows_of].split_at_mut(bar.len());
                    rows.copy_from_slice(bar);
                    // Another trial may have left something there.
                    below.fill(T::zero());
                }
                *is_finite = first_non_finite(current_bar).is_none();
            }
        }
    }
}

/// Some rows of the weights of a projection.
struct Panel<'a, T> {
    /// The projection's number.
    k: usize,
    projection: &'a SparseProjection<T>,
    rows: Range<usize>,
    /// The length of a column, in whole pieces.
    stride: usize,
    weights: &'a [T],
}

impl<T> Panel<'_, T> {
    /// The blocks of columns: the number of the first column of each, and the columns.
    fn blocks(&self) -> impl Iterator<Item = (usize, &[T])> {
        (0..).step_by(BLOCK).zip(self.weights.chunks(BLOCK * self.stride))
    }
}

/// A vector that ends inside a piece, followed by zeros to whole pieces.
fn padded<'p, T: Scalar>(part: &'p mut Vec<T>, y: &[T], stride: usize) -> &'p mut [T] {
    part.clear();
    part.extend_from_slice(y);
    part.resize(stride, T::zero());
    part
}

/// The neurons below number `end` of some in ascending order, the first of which were `taken` before.
#[inline(always)]
fn visits_below(neurons: &[u32], taken: &mut usize, end: usize) -> Range<usize> {
    let start = *taken;
    while neurons.get(*taken).is_some_and(|&neuron| (neuron as usize) < end) {
        *taken += 1;
    }
    start..*taken
}

/// The loops of groups for one scalar, compiled with this crate.
trait Compiled<T: 'static>: Sync {
    fn forward(&self, of: &Lockstep<'_, '_, T>, runs: &[SplitRun<'_, T>], group: &mut LockstepGroup<T>);
    fn backward(&self, of: &Lockstep<'_, '_, T>, runs: &[SplitRun<'_, T>], group: &mut LockstepGroup<T>);
}

struct GroupLoops;

static SINGLE: &dyn Compiled<f32> = &GroupLoops;
static DOUBLE: &dyn Compiled<f64> = &GroupLoops;

impl ForEach for GroupLoops {
    type Of<T: 'static> = Option<&'static dyn Compiled<T>>;

    fn single(&self) -> Option<&'static dyn Compiled<f32>> {
        Some(SINGLE)
    }

    fn double(&self) -> Option<&'static dyn Compiled<f64>> {
        Some(DOUBLE)
    }

    // Dual numbers have no vectors, and so no panels.
    fn dual(&self) -> Option<&'static dyn Compiled<Dual64>> {
        None
    }
}

// Closures written out, because one that only borrows is not inlined into the code for wide vectors.
struct Forward<'a, 's, 'n, 'r, T: 'static>(
    &'a Lockstep<'s, 'n, T>,
    &'a [SplitRun<'r, T>],
    &'a mut LockstepGroup<T>,
);
struct Backward<'a, 's, 'n, 'r, T: 'static>(
    &'a Lockstep<'s, 'n, T>,
    &'a [SplitRun<'r, T>],
    &'a mut LockstepGroup<T>,
);

impl<T: Scalar> pulp::NullaryFnOnce for Forward<'_, '_, '_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.0.forward(self.1, self.2);
    }
}

impl<T: Scalar> pulp::NullaryFnOnce for Backward<'_, '_, '_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.0.backward(self.1, self.2);
    }
}

impl<T: Scalar> Compiled<T> for GroupLoops {
    fn forward(&self, of: &Lockstep<'_, '_, T>, runs: &[SplitRun<'_, T>], group: &mut LockstepGroup<T>) {
        vectorise::<T, _>(of.scheme.arch, Forward(of, runs, group));
    }

    fn backward(&self, of: &Lockstep<'_, '_, T>, runs: &[SplitRun<'_, T>], group: &mut LockstepGroup<T>) {
        vectorise::<T, _>(of.scheme.arch, Backward(of, runs, group));
    }
}
