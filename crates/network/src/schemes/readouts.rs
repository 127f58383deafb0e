//! What a step does to the readouts with names, and its transpose. A network's own readout is part of the loops themselves.

use crate::kernels::{axpy, copy, dot};
use crate::readout::ReadPart;
use crate::schemes::run::Run;
use crate::{Network, Scalar};

impl<T: Scalar> Network<T> {
    /// Writes those of all traces `s` that readouts with names read.
    pub(crate) fn keep_traces(&self, s: &[T], kept: &mut [T]) {
        for (of, to) in self.kept_traces() {
            copy(&mut kept[to], &s[of]);
        }
    }

    /// The transpose of [`keep_traces`](Self::keep_traces).
    pub(crate) fn keep_traces_vjp(&self, kept_bar: &[T], s_bar: &mut [T]) {
        for (of, to) in self.kept_traces() {
            axpy(&mut s_bar[of], T::one(), &kept_bar[to]);
        }
    }

    fn kept_traces(&self) -> impl Iterator<Item = (std::ops::Range<usize>, std::ops::Range<usize>)> {
        let parts = self.readouts.all.iter().flat_map(|readout| &readout.parts);
        parts.filter_map(|part| match part {
            ReadPart::Traces { of, kept } => Some((of.clone(), kept.clone())),
            ReadPart::Voltages(_) => None,
        })
    }
}

impl<T: Scalar> Run<'_, T> {
    /// Writes the outputs of the readouts with names, for the traces that are kept for them and the membrane state `x`.
    #[inline(never)]
    pub(crate) fn read_named(&self, kept: &[T], x: &[T], output: &mut [T]) {
        let network = self.network();
        for readout in &network.readouts.all {
            let output = &mut output[readout.outputs.clone()];
            output.fill(T::zero());
            let mut columns = network.parameters.values()[readout.weights.clone()].chunks_exact(output.len());
            for part in &readout.parts {
                let values = match part {
                    ReadPart::Traces { kept: range, .. } => &kept[range.clone()],
                    ReadPart::Voltages(range) => &x[range.clone()],
                };
                for (&value, column) in values.iter().zip(&mut columns) {
                    axpy(output, value, column);
                }
            }
        }
    }

    /// The transpose of [`read_named`](Self::read_named); writes `kept_bar` and adds to the others.
    #[inline(never)]
    pub(crate) fn read_named_vjp(
        &self,
        (kept, x): (&[T], &[T]),
        output_bar: &[T],
        (kept_bar, x_bar): (&mut [T], &mut [T]),
        parameters_bar: &mut [T],
    ) {
        let (network, skipped) = (self.network(), self.skipped);
        kept_bar.fill(T::zero());
        for readout in &network.readouts.all {
            let output_bar = &output_bar[readout.outputs.clone()];
            let outputs = output_bar.len();
            let mut columns = network.parameters.values()[readout.weights.clone()].chunks_exact(outputs);
            let mut columns_bar = parameters_bar[readout.weights.start - skipped..][..readout.weights.len()]
                .chunks_exact_mut(outputs);
            for part in &readout.parts {
                let (values, bars) = match part {
                    ReadPart::Traces { kept: range, .. } => {
                        (&kept[range.clone()], &mut kept_bar[range.clone()])
                    }
                    ReadPart::Voltages(range) => (&x[range.clone()], &mut x_bar[range.clone()]),
                };
                let columns = (&mut columns).zip(&mut columns_bar);
                for ((&value, bar), (column, column_bar)) in values.iter().zip(bars).zip(columns) {
                    *bar += dot(column, output_bar);
                    axpy(column_bar, value, output_bar);
                }
            }
        }
    }
}
