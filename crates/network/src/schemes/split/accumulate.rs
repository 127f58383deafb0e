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
        let Some(over_run) = run.over_run else { return };
        let frame = scheme.frame(frames, index);
        let mut part = tape.part(index);
        part.end = self.end_of_neurons(tape, &part);
        let SplitTape { released, accumulated, end, counted_bar, output_bar, named_bar, .. } = tape;
        if run.ends && n + 1 == run.steps {
            over_run.end_vjp(&run.end(end), cost_bar, m_bar);
        }
        counted_bar.clear();
        counted_bar.resize(part.len(), T::zero());
        let (s, named) = frame.s.split_at(scheme.read.len());
        let at = run.sample(n, frame.read, s, &frame.after[..network.membrane]);
        if at.weight == T::zero() {
            return;
        }
        output_bar.fill(T::zero());
        let mut square_bar = T::zero();
        let (neurons, charge) = released.part(&part);
        over_run.accumulate_vjp(
            &at,
            &Release { h: scheme.h, neurons, charge, target_spikes: run.target_spikes(n) },
            accumulated.get(index * run.accumulators..).unwrap_or_default(),
            m_bar,
            &mut SampleBar {
                output: output_bar,
                s: &mut s_bar[scheme.read.clone()],
                square: &mut square_bar,
                x: &mut membrane_bar[..network.membrane],
            },
            counted_bar,
        );
        run.read_vjp(s, (&output_bar[..], square_bar), &mut s_bar[scheme.read.clone()], parameters_bar);
        if !network.readouts.all.is_empty() {
            let bars = (&mut named_bar[..], &mut *membrane_bar);
            run.read_named_vjp((named, frame.after), output_bar, bars, parameters_bar);
            network.keep_traces_vjp(named_bar, s_bar);
        }
    }
}
