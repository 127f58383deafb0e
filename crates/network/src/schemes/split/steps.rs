//! The loops of a split step and of its transpose. They are compiled with this crate, once for each scalar, and not again in every
//! program that steps a network.

use std::fmt::Debug;
use std::ops::Range;

use aligned_vec::AVec;
use num_dual::Dual64;
use spikegrad_integrators::Total;

use super::phases::FlowBars;
use super::scheme::SplitStep;
use super::tape::SplitTape;
use crate::kernels::{prefetch, vectorise};
use crate::populations::Released;
use crate::projections::{
    ColumnsBackward, ColumnsForward, ProjectionBar, ProjectionStep, Reading, Scratch, Waiting, Wire, decay_at,
};
use crate::scalar::ForEach;
use crate::schemes::run::Run;
use crate::{Event, Scalar};

/// A run, as its loops see it.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a, T: 'static> {
    pub(super) scheme: &'a SplitStep<'a, T>,
    pub(super) run: &'a Run<'a, T>,
}

impl<T: Scalar> Steps<'_, T> {
    /// Some steps, to be inlined into code for the widest vectors of the machine. What is the same in all of them is looked up
    /// before the first: at small networks, to find where vectors lie takes as long as what is done to them.
    #[inline(always)]
    fn forward(&self, steps: Range<usize>, x: &mut [T], tape: &mut SplitTape<T>, cost: &mut Total<T>) {
        let (scheme, network, run) = (self.scheme, self.scheme.network, self.run);
        let (size, len) = (network.neurons, scheme.membrane);
        let (stride, state) = (scheme.stride, scheme.state);
        let (membrane, synapses) = x.split_at_mut(len);
        let (s, j) = synapses.split_at_mut(network.traces);
        let (j, way) = j.split_at_mut(network.currents);
        let (way, rest) = way.split_at_mut(scheme.way);
        tape.forget_what_was_taken_back(scheme, run.kept_accumulators());
        let start = tape.steps * stride;
        let end = start + (steps.len() + 1) * stride;
        if tape.frames.len() < end {
            tape.grow(end, (run.steps + 1) * stride);
        }
        tape.ends.reserve(steps.len());
        let mut frames = &mut tape.frames[start..end];
        let (sparse, parameters) = (&scheme.sparse[..], network.parameters.values());
        let has_sources = network.channels > 0;
        let (has_readouts, has_channels) =
            (!network.readouts.all.is_empty(), !scheme.conductances.is_empty());
        for n in steps.clone() {
            if scheme.kept > 0 {
                tape.synapses.extend_from_slice(s);
                if !scheme.dense {
                    tape.synapses.extend_from_slice(j);
                }
            }
            let (frame, next) = std::mem::take(&mut frames).split_at_mut(stride);
            let (before, frame) = frame.split_at_mut(state);
            let (current, output) = frame.split_at_mut(size);
            let before = &before[..len];
            let (after, kept) = next[..state].split_at_mut(len);

            let first = tape.released.len();
            let (of_neurons, kept_apart) =
                ((before, &mut *current, &mut *after), (&mut tape.released, &mut tape.open));
            self.flow(n, of_neurons, (j, rest), kept_apart, has_channels);
            // s' and J', equations (19), (20)
            let end = tape.released.len();
            if has_sources {
                self.release_events(n, &mut tape.released, &mut tape.local);
            }
            tape.ends.push(tape.released.len());
            let (neurons, charges) = tape.released.part(&(first..end));
            let mut sums = [T::zero(); 2];
            scheme.columns.forward(ColumnsForward {
                size,
                projections: sparse,
                parameters,
                neurons,
                charges,
                s,
                j,
                reading: if scheme.reads {
                    Some(Reading { o: run.readout(), kept, sums: &mut sums })
                } else {
                    None
                },
            });
            if sparse.len() < scheme.projections.len() {
                let released = tape.released.part(&(first..tape.released.len()));
                let kept = (&mut tape.arrived, &mut tape.scratch, &mut tape.local);
                self.step_apart(run.first + n, released, kept, s, j, way);
            }
            if scheme.dense {
                tape.synapses.extend_from_slice(s);
            }
            let read = if scheme.reads { Some(sums) } else { None };
            let (cost_of_step, read, kept) = self.read(n, read, s, after, kept, output, has_readouts);
            *cost += cost_of_step;
            if run.over_run.is_some() {
                let released = tape.released.part(&(first..end));
                let at = (n, read, kept, &after[..network.membrane]);
                *cost += self.accumulate(at, released, rest, &mut tape.accumulated);
            }
            frames = next;
        }
        membrane.copy_from_slice(&frames[..len]);
        if run.over_run.is_some() {
            tape.end.clear();
            tape.end.extend_from_slice(&rest[..run.accumulators]);
        }
        tape.steps += steps.len();
    }

    /// The transpose of [`forward`](Self::forward).
    #[inline(always)]
    fn backward(
        &self,
        steps: Range<usize>,
        tape: &mut SplitTape<T>,
        cost_bar: T,
        x_bar: &mut [T],
        parameters_bar: &mut [T],
    ) {
        let (scheme, network, run) = (self.scheme, self.scheme.network, self.run);
        let (size, len) = (network.neurons, scheme.membrane);
        let (stride, state) = (scheme.stride, scheme.state);
        let (membrane_bar, synapses_bar) = x_bar.split_at_mut(len);
        let (s_bar, j_bar) = synapses_bar.split_at_mut(network.traces);
        let (j_bar, way_bar) = j_bar.split_at_mut(network.currents);
        let (way_bar, rest_bar) = way_bar.split_at_mut(scheme.way);
        let is_uniform = network.whole && !scheme.dense;
        let (has_sources, has_readouts) = (network.channels > 0, !network.readouts.all.is_empty());
        let has_channels = !scheme.conductances.is_empty();
        let taken = tape.steps;
        let left = taken - steps.len();
        let frames = std::mem::replace(&mut tape.frames, AVec::new(0));
        let mut unread = &frames[..taken * stride + state];
        for (n, index) in steps.zip(left..taken).rev() {
            let (earlier, frame) = unread.split_at(unread.len() - stride - state);
            unread = &unread[..unread.len() - stride];
            // The tape of a trial does not fit into the nearest caches.
            if let Some(start) = earlier.len().checked_sub(stride) {
                prefetch(&earlier[start..]);
            }
            let frame = scheme.frame_of(frame);
            let bars = (&mut *s_bar, &mut *membrane_bar, &mut *parameters_bar);
            self.cost_vjp(
                n,
                &frame,
                cost_bar,
                (&mut tape.output_bar, &mut tape.named_bar),
                bars,
                has_readouts,
            );
            if run.over_run.is_some() {
                let bars = (&mut rest_bar[..run.accumulators], &mut *s_bar, &mut *membrane_bar);
                self.accumulate_vjp((n, index), &frames, tape, cost_bar, bars, parameters_bar);
            }

            // q_bar and W_bar, equations (22), (23)
            let mut part = tape.part(index);
            if has_sources {
                part.end = self.end_of_neurons(tape, &part);
            }
            if scheme.waits {
                for sparse in &scheme.sparse {
                    if scheme.projections[sparse.number].parts.trains_weights {
                        tape.waiting.keep(sparse.number, &j_bar[sparse.current..][..size]);
                    }
                }
            }
            let (neurons, charges) = tape.released.part(&part);
            scheme.columns.backward(ColumnsBackward {
                size,
                projections: &scheme.sparse,
                parameters: network.parameters.values(),
                neurons,
                charges,
                s_bar,
                j_bar,
                parameters_bar,
                charge_bar: &mut tape.charge_bar[..part.len()],
                gain_bar: &mut tape.gain_bar,
            });
            if has_sources {
                let all = tape.part(index).len();
                if tape.charge_bar.len() < all {
                    tape.charge_bar.resize(all, T::zero());
                }
                tape.charge_bar[part.len()..all].fill(T::zero());
            }
            if scheme.keeps_synapses || scheme.sparse.len() < scheme.projections.len() {
                self.step_apart_vjp((n, index), tape, s_bar, j_bar, way_bar, parameters_bar);
            }

            if run.over_run.is_some() {
                tape.add_counted();
            }

            if has_sources && run.by_inputs {
                self.release_events_vjp(n, tape, part.len(), parameters_bar);
            }

            // x_bar and I_bar, equation (24)
            let SplitTape { released, charge_bar, current_bar, open, synapses, .. } = &mut *tape;
            if has_channels {
                let kept = &synapses[index * scheme.kept + network.traces..][..network.currents];
                scheme.conductances.find(kept, &frame.before[..size], open);
            }
            let bars = FlowBars { charge: charge_bar, membrane: membrane_bar, current: current_bar };
            self.flow_vjp(&frame, (released, &part), bars, open, parameters_bar, has_channels);
            if has_channels {
                let kept = &synapses[index * scheme.kept + network.traces..][..network.currents];
                let of_start = (kept, &frame.before[..size]);
                scheme.conductances.open_vjp(of_start, current_bar, open, membrane_bar, parameters_bar);
            }
            // J_bar, s_bar, U_bar, I_o_bar, equation (25)
            if is_uniform {
                self.decay_vjp(s_bar, j_bar, current_bar);
            } else {
                self.decay_apart_vjp(s_bar, j_bar, current_bar, &open.channel_bar);
            }
            if rest_bar.len() == run.accumulators {
                run.current_vjp(n, current_bar, parameters_bar);
            } else {
                run.held_current_vjp(n, &mut rest_bar[run.accumulators..], current_bar, parameters_bar);
            }

            if scheme.waits {
                let (neurons, charges) = tape.released.part(&part);
                if !tape.waiting.goes_on(neurons, charges) || index == 0 {
                    self.finish_weights(&mut tape.waiting, parameters_bar);
                }
            }
        }
        tape.frames = frames;
        tape.steps = left;
    }

    /// Adds the events of step `n` to what the step released, in the order of their channels.
    #[inline(never)]
    fn release_events(&self, n: usize, released: &mut Released<T>, order: &mut Vec<u32>) {
        let (_, events) = self.run.events(n);
        by_channel(events, order);
        released.make_room(events.len());
        for event in order.iter().map(|&i| &events[i as usize]) {
            released.push(self.scheme.network.neurons + event.channel as usize, event.charge);
        }
    }

    /// The transpose of [`release_events`](Self::release_events), where the cotangents of the neurons' charges are so many.
    #[inline(never)]
    fn release_events_vjp(
        &self,
        n: usize,
        tape: &mut SplitTape<T>,
        neurons: usize,
        parameters_bar: &mut [T],
    ) {
        let (first, events) = self.run.events(n);
        let [.., charges] = self.run.given();
        by_channel(events, &mut tape.local);
        for (&i, &bar) in tape.local.iter().zip(&tape.charge_bar[neurons..]) {
            parameters_bar[charges.start + first + i as usize] += bar;
        }
    }

    /// Where the neurons end in what a step released; events follow.
    #[inline(never)]
    pub(super) fn end_of_neurons(&self, tape: &SplitTape<T>, part: &Range<usize>) -> usize {
        let neurons = tape.released.part(part).0;
        part.start + neurons.partition_point(|&i| (i as usize) < self.scheme.network.neurons)
    }

    /// What step `n` does to the projections that are not on the sparse path. It stands apart, because loops that seldom run make
    /// the others slow.
    #[inline(never)]
    fn step_apart(
        &self,
        n: usize,
        released: (&[u32], &[T]),
        (arrived, scratch, local): (&mut Vec<T>, &mut Scratch<T>, &mut Vec<u32>),
        s: &mut [T],
        j: &mut [T],
        way: &mut [T],
    ) {
        let (scheme, wires) = (self.scheme, &self.scheme.network.wires);
        for (projection, wire) in scheme.projections.iter().zip(wires).filter(|(p, _)| !p.is_sparse()) {
            projection.step(
                scheme.arch,
                ProjectionStep {
                    n,
                    parameters: scheme.network.parameters.values(),
                    released: presynaptic(wire, released, local).0,
                    s: &mut s[wire.traces()],
                    j: &mut j[wire.currents()],
                    way: &mut *way,
                    rows: &mut *arrived,
                    keeps: scheme.keeps_synapses,
                    scratch: &mut *scratch,
                },
            );
        }
    }

    /// The transpose of the decay of traces and currents, where not all projections are alike.
    #[inline(never)]
    fn decay_apart_vjp(&self, s_bar: &mut [T], j_bar: &mut [T], current_bar: &[T], channel_bar: &[T]) {
        let (scheme, wires) = (self.scheme, &self.scheme.network.wires);
        for (projection, wire) in scheme.projections.iter().zip(wires) {
            let (s_bar, j_bar) = (&mut s_bar[wire.traces()], &mut j_bar[wire.currents()]);
            let decays = &projection.parts.decays;
            let current_bar = match wire.receptor {
                None => &current_bar[wire.post.clone()],
                Some(_) => &channel_bar[wire.currents()],
            };
            for (i, s_bar) in s_bar.iter_mut().enumerate() {
                *s_bar *= decay_at(decays, i).a;
            }
            if scheme.dense {
                j_bar.copy_from_slice(current_bar);
                continue;
            }
            for (j_bar, &current_bar) in j_bar.iter_mut().zip(current_bar) {
                *j_bar = decays[0].a * *j_bar + current_bar;
            }
        }
    }

    /// The transpose of what step `n`, number `index` of the tape, did to projections that are not on the sparse path, and time
    /// constants of those that are.
    #[inline(never)]
    fn step_apart_vjp(
        &self,
        (n, index): (usize, usize),
        tape: &mut SplitTape<T>,
        s_bar: &mut [T],
        j_bar: &[T],
        way_bar: &mut [T],
        parameters_bar: &mut [T],
    ) {
        let (scheme, n) = (self.scheme, self.run.first + n);
        let part = tape.part(index);
        let SplitTape { released, charge_bar, gain_bar, synapses, arrived, scratch, blocks, local, .. } =
            tape;
        let released = released.part(&part);
        let mut rows = &arrived[index * scheme.kept_arrivals..];
        for (k, (projection, wire)) in scheme.projections.iter().zip(&scheme.network.wires).enumerate() {
            let row;
            (row, rows) = rows.split_at(projection.kept(scheme.keeps_synapses));
            let (released, range) = presynaptic(wire, released, local);
            projection.step_vjp(
                scheme.arch,
                ProjectionBar {
                    n,
                    parameters: scheme.network.parameters.values(),
                    released,
                    charge_bar: &mut charge_bar[range],
                    gain_bar: gain_bar[k],
                    s_bar: &mut s_bar[wire.traces()],
                    j_bar: &j_bar[wire.currents()],
                    way_bar: &mut *way_bar,
                    kept: self.kept_synapses(synapses, index, wire),
                    row,
                    scratch: &mut *scratch,
                    waiting: &mut blocks[k],
                    is_last: index == 0,
                    parameters_bar: &mut *parameters_bar,
                },
            );
        }
    }

    /// Adds what waited to the gradients of the weights.
    #[inline(never)]
    fn finish_weights(&self, waiting: &mut Waiting<T>, parameters_bar: &mut [T]) {
        let size = self.scheme.network.neurons;
        waiting.sort();
        for (k, projection) in self.scheme.projections.iter().enumerate() {
            let parts = &projection.parts;
            if parts.trains_weights && projection.is_sparse() {
                let (rows, gain) = (waiting.rows(k), parts.decays[0].b);
                let w_bar = &mut parameters_bar[parts.weights.clone()];
                self.scheme.columns.add_outer(size, rows, gain, waiting.bursts(), w_bar);
            }
        }
        waiting.done();
    }

    /// What the tape keeps of a projection for step `index`: `s_k` at its start, and `J_k` there or `s_k` at its end; nothing where
    /// it keeps neither.
    fn kept_synapses<'t>(&self, synapses: &'t [T], index: usize, wire: &Wire) -> (&'t [T], &'t [T]) {
        if self.scheme.kept == 0 {
            return (&[], &[]);
        }
        let (s, second) = synapses[index * self.scheme.kept..].split_at(self.scheme.network.traces);
        let second = if self.scheme.dense { &second[wire.traces()] } else { &second[wire.currents()] };
        (&s[wire.traces()], second)
    }
}

/// The indices of events by channel, then by time.
fn by_channel<T>(events: &[Event<T>], order: &mut Vec<u32>) {
    order.clear();
    order.extend(0..events.len() as u32);
    order.sort_unstable_by_key(|&i| (events[i as usize].channel, i));
}

/// What of the released charges belongs to a projection's presynaptic neurons, numbered from the first of them, and its range.
#[inline(always)]
fn presynaptic<'r, T>(
    wire: &Wire,
    (neurons, charges): (&'r [u32], &'r [T]),
    local: &'r mut Vec<u32>,
) -> ((&'r [u32], &'r [T]), Range<usize>) {
    let range = wire.presynaptic(neurons);
    let (neurons, charges) = (&neurons[range.clone()], &charges[range.clone()]);
    if wire.pre.start == 0 {
        return ((neurons, charges), range);
    }
    local.clear();
    local.extend(neurons.iter().map(|&i| i - wire.pre.start as u32));
    ((local, charges), range)
}

/// The loops for one scalar.
trait Compiled<T: 'static>: Debug + Send + Sync {
    fn forward(&self, step: Forward<'_, '_, T>);
    fn backward(&self, step: Backward<'_, '_, T>);
}

#[derive(Debug)]
struct StepLoops;

// Statics, because a constant would be compiled where it is used.
static SINGLE: &dyn Compiled<f32> = &StepLoops;
static DOUBLE: &dyn Compiled<f64> = &StepLoops;

impl ForEach for StepLoops {
    type Of<T: 'static> = &'static dyn Compiled<T>;

    fn single(&self) -> &'static dyn Compiled<f32> {
        SINGLE
    }

    fn double(&self) -> &'static dyn Compiled<f64> {
        DOUBLE
    }

    #[inline]
    fn dual(&self) -> &'static dyn Compiled<Dual64> {
        &Self
    }
}

impl<T: Scalar> Compiled<T> for StepLoops {
    fn forward(&self, step: Forward<'_, '_, T>) {
        vectorise::<T, _>(step.run.scheme.arch, step);
    }

    fn backward(&self, step: Backward<'_, '_, T>) {
        vectorise::<T, _>(step.run.scheme.arch, step);
    }
}

/// Takes some steps.
#[inline(never)]
pub(super) fn forward<T: Scalar>(step: Forward<'_, '_, T>) {
    T::choose(&StepLoops).forward(step);
}

/// Takes some steps back: the transpose of [`forward`].
#[inline(never)]
pub(super) fn backward<T: Scalar>(step: Backward<'_, '_, T>) {
    T::choose(&StepLoops).backward(step);
}

// A closure that only borrows reaches `dispatch` through a shim that is not inlined and so never sees the wide vectors;
// these two are closures written out.

pub(super) struct Forward<'s, 'a, T: 'static> {
    pub(super) run: Steps<'a, T>,
    pub(super) steps: Range<usize>,
    pub(super) x: &'s mut [T],
    pub(super) tape: &'s mut SplitTape<T>,
    pub(super) cost: &'s mut Total<T>,
}

impl<T: Scalar> pulp::NullaryFnOnce for Forward<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.run.forward(self.steps, self.x, self.tape, self.cost);
    }
}

pub(super) struct Backward<'s, 'a, T: 'static> {
    pub(super) run: Steps<'a, T>,
    pub(super) steps: Range<usize>,
    pub(super) tape: &'s mut SplitTape<T>,
    pub(super) cost_bar: T,
    pub(super) x_bar: &'s mut [T],
    pub(super) parameters_bar: &'s mut [T],
}

impl<T: Scalar> pulp::NullaryFnOnce for Backward<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.run.backward(self.steps, self.tape, self.cost_bar, self.x_bar, self.parameters_bar);
    }
}
