//! The parts of a split step and of its transpose that belong to one trial, whether it takes the step alone or with others.

use std::ops::Range;

use super::conductances::{OpenPopulation, OpenScratch};
use super::scheme::Frame;
use super::steps::Steps;
use crate::Scalar;
use crate::kernels::{copy, each};
use crate::populations::{Flow, FlowBar, ParameterBar, Released};
use crate::schemes::run::Read;

/// Cotangents that the flow of a step takes back.
pub(super) struct FlowBars<'a, T> {
    /// Cotangents of the charges of the step, which are used up.
    pub(super) charge: &'a mut [T],
    /// Cotangents of the membrane state, turned from those at the end of the step into those at its start.
    pub(super) membrane: &'a mut [T],
    /// Cotangents of the current, which are written.
    pub(super) current: &'a mut [T],
}

/// The parts of a step, and of its transpose, that belong to a single trial whether or not others take the step with it. What is the
/// same in all steps of a run is handed over by whoever looked it up.
impl<T: Scalar> Steps<'_, T> {
    /// `I`, equation (17), and `(x', q)`, equation (18).
    #[inline(always)]
    pub(super) fn flow(
        &self,
        n: usize,
        (before, current, after): (&[T], &mut [T], &mut [T]),
        (j, rest): (&[T], &mut [T]),
        (released, open): (&mut Released<T>, &mut OpenScratch<T>),
        has_channels: bool,
    ) {
        let (scheme, run, size) = (self.scheme, self.run, self.scheme.network.neurons);
        if rest.len() == run.accumulators {
            run.current(n, j, current);
        } else {
            run.held_current(n, &mut rest[run.accumulators..], j, current);
        }
        if has_channels {
            scheme.conductances.open(j, &before[..size], current, open);
        }
        let mut flow = Flow { before, after, current, released };
        for (p, (place, at)) in scheme.places().enumerate() {
            if has_channels && scheme.conductances.opens(p) {
                let OpenPopulation { loops, at } = open.population(place, at);
                loops.forward(&at, &mut flow);
            } else {
                place.loops.of::<T>().forward(at, &mut flow);
            }
        }
    }

    /// Keeps the traces that are read out and reads them, if the loops over columns have not; returns what the step adds to the cost,
    /// equation (21), what was read, and the traces that the network's own readout reads.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "the arguments are those of the step")]
    pub(super) fn read<'t>(
        &self,
        n: usize,
        read: Option<[T; 2]>,
        s: &[T],
        after: &[T],
        kept: &'t mut [T],
        output: &'t mut [T],
        has_readouts: bool,
    ) -> (T, Read<'t, T>, &'t [T]) {
        let (scheme, network, run) = (self.scheme, self.scheme.network, self.run);
        let (output, square) = output.split_at_mut(network.outputs);
        // Most networks have none, and each of their steps counts.
        let kept = if has_readouts {
            let (kept, named) = kept.split_at_mut(scheme.read.len());
            network.keep_traces(s, named);
            run.read_named(named, after, output);
            kept
        } else {
            kept
        };
        let read = if let Some([product, square]) = read {
            output[0] = product;
            Read { output, square }
        } else {
            copy(kept, &s[scheme.read.clone()]);
            run.read(kept, output)
        };
        square[0] = read.square;
        (run.cost(n, read, kept, &after[..network.membrane]), read, kept)
    }

    /// The transpose of [`read`](Self::read).
    #[inline(always)]
    pub(super) fn cost_vjp(
        &self,
        n: usize,
        frame: &Frame<'_, T>,
        cost_bar: T,
        (output_bar, named_bar): (&mut Vec<T>, &mut Vec<T>),
        (s_bar, membrane_bar, parameters_bar): (&mut [T], &mut [T], &mut [T]),
        has_readouts: bool,
    ) {
        let (scheme, network, run) = (self.scheme, self.scheme.network, self.run);
        let (own, named) =
            if has_readouts { frame.s.split_at(scheme.read.len()) } else { (frame.s, &[][..]) };
        let counts = run.cost_vjp(
            n,
            own,
            &frame.after[..network.membrane],
            cost_bar,
            (frame.read, output_bar),
            &mut s_bar[scheme.read.clone()],
            &mut membrane_bar[..network.membrane],
            parameters_bar,
        );
        if has_readouts && counts {
            let bars = (&mut named_bar[..], membrane_bar);
            run.read_named_vjp((named, frame.after), output_bar, bars, parameters_bar);
            network.keep_traces_vjp(named_bar, s_bar);
        }
    }

    /// `x_bar` and `I_bar`, equation (24).
    #[inline(always)]
    pub(super) fn flow_vjp(
        &self,
        frame: &Frame<'_, T>,
        (released, part): (&Released<T>, &Range<usize>),
        bars: FlowBars<'_, T>,
        open: &mut OpenScratch<T>,
        parameters_bar: &mut [T],
        has_channels: bool,
    ) {
        let scheme = self.scheme;
        let FlowBars { charge: charge_bar, membrane: membrane_bar, current: current_bar } = bars;
        let mut from = part.start;
        for (p, (place, at)) in scheme.places().enumerate() {
            // The last population has what is left: a search would go wrong at every other branch.
            let to = if p + 1 == scheme.contexts.len() {
                part.end
            } else {
                let end = place.offset + place.size;
                from + released.part(&(from..part.end)).0.partition_point(|&i| (i as usize) < end)
            };
            // Built where it is used: to move it would cost as much as a small network's neurons.
            macro_rules! bar {
                ($parameters:expr) => {
                    FlowBar {
                        before: frame.before,
                        after: frame.after,
                        current: frame.current,
                        active: released.active(&(from..to)),
                        charge_bar: &mut charge_bar[from - part.start..to - part.start],
                        bar: &mut *membrane_bar,
                        current_bar: &mut *current_bar,
                        parameters: $parameters,
                        conductance_bar: &mut [],
                    }
                };
            }
            if has_channels && scheme.conductances.opens(p) {
                let bar = bar!(ParameterBar { neuron: None, width: None });
                open.backward(place, at, bar, parameters_bar);
            } else {
                place
                    .loops
                    .of::<T>()
                    .backward(at, &mut bar!(place.parameter_bar(parameters_bar, self.run.skipped)));
            }
            from = to;
        }
    }

    /// `J_bar` and `s_bar`, equation (25), where all projections are alike.
    #[inline(always)]
    pub(super) fn decay_vjp(&self, s_bar: &mut [T], j_bar: &mut [T], current_bar: &[T]) {
        let size = self.scheme.network.neurons;
        let (mut s_bar, mut j_bar, current_bar) = (s_bar, j_bar, &current_bar[..size]);
        for &keep in &self.scheme.keep {
            let (s, j);
            ((s, s_bar), (j, j_bar)) = (s_bar.split_at_mut(size), j_bar.split_at_mut(size));
            each(
                [s, j],
                [current_bar],
                #[inline(always)]
                |[s_bar, j_bar], [current_bar]| [s_bar * keep, keep * j_bar + current_bar],
            );
        }
    }
}
