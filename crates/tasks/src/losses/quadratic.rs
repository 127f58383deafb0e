//! The quadratic loss (equation (5)).

use spikegrad_network::{Loss, Sample, SampleBar, Scalar};

/// The quadratic loss `l = (w |o - o_d|^2 + lambda |s|^2) / 2`, equation (5), `w` the sample's weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuadraticLoss<T> {
    /// Weight `lambda` of the synaptic activity.
    pub lambda: T,
}

impl<T: Scalar> Loss<T> for QuadraticLoss<T> {
    fn value(&self, at: &Sample<'_, T>) -> T {
        let sum = at.output.iter().zip(at.target).fold(T::zero(), |sum, (&o, &d)| sum + (o - d) * (o - d));
        (at.weight * sum + self.lambda * at.square) * T::from_subset(&0.5)
    }

    fn needs_targets(&self) -> bool {
        true
    }

    fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        let weight = value_bar * at.weight;
        for ((bar, &o), &d) in bar.output.iter_mut().zip(at.output).zip(at.target) {
            *bar += weight * (o - d);
        }
        *bar.square += value_bar * self.lambda * T::from_subset(&0.5);
    }

    fn reads_state(&self) -> bool {
        false
    }
}
