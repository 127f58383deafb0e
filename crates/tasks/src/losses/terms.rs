//! Losses that are made of others, each with its weight: what they accumulate lies one behind the other.

use spikegrad_network::{Loss, RunLoss};

/// The losses that another one is made of.
pub(super) trait Terms<T> {
    /// Every loss with its weight.
    fn terms<'s>(&'s self) -> impl Iterator<Item = (T, &'s dyn Loss<T>)>
    where
        T: 's;

    /// The parts of the losses that see the run as a whole.
    fn parts<'s>(&'s self) -> impl Iterator<Item = (T, &'s dyn RunLoss<T>)>
    where
        T: 's,
    {
        self.terms().filter_map(|(weight, loss)| Some((weight, loss.over_run()?)))
    }
}

/// The part of a loss of [`Terms`] that sees the run as a whole, equation (102). Each term sees as many entries of the label as it asks for,
/// from the first one on.
macro_rules! run_loss_of_terms {
    ($loss:ty $(, $of:ident)*) => {
        impl<T, $($of),*> spikegrad_network::RunLoss<T> for $loss
        where
            T: spikegrad_network::Scalar,
            $($of: spikegrad_network::Loss<T>,)*
        {
            fn accumulators(&self, outputs: usize) -> usize {
                self.parts().map(|(_, part): (T, _)| part.accumulators(outputs)).sum()
            }

            fn labels(&self, outputs: usize) -> usize {
                self.parts().map(|(_, part): (T, _)| part.labels(outputs)).max().unwrap_or(0)
            }

            fn check(&self, neurons: usize, outputs: usize) -> Result<(), spikegrad_network::Error> {
                self.parts().try_for_each(|(_, part): (T, _)| part.check(neurons, outputs))
            }

            fn check_label(&self, label: &[T], outputs: usize) -> Result<(), spikegrad_network::Error> {
                self.parts()
                    .try_for_each(|(_, part)| part.check_label(&label[..part.labels(outputs)], outputs))
            }

            fn start(&self, outputs: usize, m: &mut [T]) {
                let mut left = m;
                for (_, part) in self.parts() {
                    let (own, others) = left.split_at_mut(part.accumulators(outputs));
                    part.start(outputs, own);
                    left = others;
                }
            }

            fn accumulate(
                &self,
                at: &spikegrad_network::Sample<'_, T>,
                release: &spikegrad_network::Release<'_, T>,
                m: &mut [T],
            ) {
                let mut left = m;
                for (_, part) in self.parts() {
                    let (own, others) = left.split_at_mut(part.accumulators(at.output.len()));
                    part.accumulate(at, release, own);
                    left = others;
                }
            }

            fn looks_back(&self) -> bool {
                self.parts().any(|(_, part): (T, _)| part.looks_back())
            }

            fn accumulate_vjp(
                &self,
                at: &spikegrad_network::Sample<'_, T>,
                release: &spikegrad_network::Release<'_, T>,
                m: &[T],
                m_bar: &mut [T],
                bar: &mut spikegrad_network::SampleBar<'_, T>,
                charge_bar: &mut [T],
            ) {
                let (mut left, mut left_bar) = (m, m_bar);
                for (_, part) in self.parts() {
                    let count = part.accumulators(at.output.len());
                    // Where no term looks back, there is nothing to look at.
                    let (own, others) = left.split_at(count.min(left.len()));
                    let (own_bar, others_bar) = left_bar.split_at_mut(count);
                    part.accumulate_vjp(at, release, own, own_bar, bar, charge_bar);
                    (left, left_bar) = (others, others_bar);
                }
            }

            fn end(&self, run: &spikegrad_network::RunEnd<'_, T>) -> T {
                let (mut left, mut sum) = (run.m, T::zero());
                for (weight, part) in self.parts() {
                    let (m, others) = left.split_at(part.accumulators(run.outputs));
                    let label = &run.label[..part.labels(run.outputs)];
                    sum += weight * part.end(&spikegrad_network::RunEnd { m, label, outputs: run.outputs });
                    left = others;
                }
                sum
            }

            fn end_vjp(&self, run: &spikegrad_network::RunEnd<'_, T>, value_bar: T, m_bar: &mut [T]) {
                let (mut left, mut left_bar) = (run.m, m_bar);
                for (weight, part) in self.parts() {
                    let count = part.accumulators(run.outputs);
                    let (m, others) = left.split_at(count);
                    let (own_bar, others_bar) = left_bar.split_at_mut(count);
                    let label = &run.label[..part.labels(run.outputs)];
                    let end = spikegrad_network::RunEnd { m, label, outputs: run.outputs };
                    part.end_vjp(&end, weight * value_bar, own_bar);
                    (left, left_bar) = (others, others_bar);
                }
            }

            fn pieces(&self, run: &spikegrad_network::RunEnd<'_, T>, piece: &mut dyn FnMut(u64)) {
                let mut left = run.m;
                for (_, part) in self.parts() {
                    let (m, others) = left.split_at(part.accumulators(run.outputs));
                    let label = &run.label[..part.labels(run.outputs)];
                    part.pieces(&spikegrad_network::RunEnd { m, label, outputs: run.outputs }, piece);
                    left = others;
                }
            }
        }
    };
}
pub(super) use run_loss_of_terms;
