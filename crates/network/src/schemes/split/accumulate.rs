//! What a loss accumulates in a step (equations (92), (93)), and its transpose. It stands apart from the loops, because most losses
//! look at single samples.

use super::steps::Steps;
use super::tape::SplitTape;
use crate::schemes::run::Read;
use crate::{Release, SampleBar, Scalar};

impl<T: Scalar> Steps<'_, T> {
    /// Lets the loss accumulate a step, equation (92); returns what the end of the run adds to the cost, equation (93).
    #[inline(never)]
    pub(super) fn accumulate(
        &self,
        (n, read, s, x): (usize, Read<'_, T>, &[T], &[T]),
        (neurons, charge): (&[u32], &[T]),
        rest: &mut [T],
        kept: &mut Vec<T>,
    ) -> T {
        let Some(over_run) = self.run.over_run else { return T::zero() };
        let (at, m) = (&self.run.sample(n, read, s, x), &mut rest[..self.run.accumulators]);
        if self.run.kept_accumulators() > 0 {
            kept.extend_from_slice(m);
        }
        if at.weight != T::zero() {
            let (h, target_spikes) = (self.scheme.h, self.run.target_spikes(n));
            over_run.accumulate(at, &Release { h, neurons, charge, target_spikes }, m);
        }
        if self.run.ends && at.step + 1 == self.run.steps {
            over_run.end(&self.run.end(m))
        } else {
            T::zero()
        }
    }

    /// The transpose of [`accumulate`](Self::accumulate), but for the cotangents of the charges, which are left on the tape.
    #[inline(never)]
    pub(super) fn accumulate_vjp(
        &self,
        (n, index): (usize, usize),
        frames: &[T],
        tape: &mut SplitTape<T>,
        cost_bar: T,
        (m_bar, s_bar, membrane_bar): (&mut [T], &mut [T], &mut [T]),
        parameters_bar: &mut [T],
    ) {
        let (scheme, network, run) = (self.scheme, self.scheme.network, self.run);
        let frame = scheme.frame(frames, index);
        let mut part = tape.part(index);
        part.end = self.end_of_neurons(tape, &part);
        let SplitTape { released, accumulated, end, counted_bar, output_bar, named_bar, .. } = tape;
        counted_bar.clear();
        counted_bar.resize(part.len(), T::zero());
        let (s, named) = frame.s.split_at(scheme.read.len());
        let square_bar = self.over_run_vjp(
            (n, frame.read, s, &frame.after[..network.membrane]),
            released.part(&part),
            (accumulated.get(index * run.accumulators..).unwrap_or_default(), end),
            cost_bar,
            (m_bar, counted_bar),
            (output_bar, &mut s_bar[scheme.read.clone()], &mut membrane_bar[..network.membrane]),
        );
        let Some(square_bar) = square_bar else { return };
        run.read_vjp(s, (&output_bar[..], square_bar), &mut s_bar[scheme.read.clone()], parameters_bar);
        if !network.readouts.all.is_empty() {
            let bars = (&mut named_bar[..], &mut *membrane_bar);
            run.read_named_vjp((named, frame.after), output_bar, bars, parameters_bar);
            network.keep_traces_vjp(named_bar, s_bar);
        }
    }

    /// The part of [`accumulate_vjp`](Self::accumulate_vjp) that is the loss's own, for what it had accumulated at the start of the step, if it
    /// looks back, and at the end of the run: writes the cotangents of the outputs, adds to the others, and returns that of `|s|^2`; nothing
    /// where the sample has no weight.
    pub(super) fn over_run_vjp(
        &self,
        (n, read, s, x): (usize, Read<'_, T>, &[T], &[T]),
        (neurons, charge): (&[u32], &[T]),
        (m, end): (&[T], &[T]),
        cost_bar: T,
        (m_bar, counted_bar): (&mut [T], &mut [T]),
        (output_bar, s_bar, x_bar): (&mut [T], &mut [T], &mut [T]),
    ) -> Option<T> {
        let run = self.run;
        let over_run = run.over_run?;
        if run.ends && n + 1 == run.steps {
            over_run.end_vjp(&run.end(end), cost_bar, m_bar);
        }
        let at = run.sample(n, read, s, x);
        if at.weight == T::zero() {
            return None;
        }
        output_bar.fill(T::zero());
        let mut square_bar = T::zero();
        let release = Release { h: self.scheme.h, neurons, charge, target_spikes: run.target_spikes(n) };
        let mut bar = SampleBar { output: output_bar, s: s_bar, square: &mut square_bar, x: x_bar };
        over_run.accumulate_vjp(&at, &release, m, m_bar, &mut bar, counted_bar);
        Some(square_bar)
    }
}
