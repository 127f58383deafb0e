//! The price of synaptic activity alone (equation (101)).

use spikegrad_network::{Loss, Sample, SampleBar, Scalar};

/// The price of synaptic activity, `l = weight |s|^2 / 2`, equation (101): the second term of
/// [`QuadraticLoss`](crate::QuadraticLoss), to stand beside a loss that has none, such as a [`CrossEntropy`](crate::CrossEntropy).
/// `s` are the traces that the network's own readout reads, in 1/ms. The price is an integral over time, which the trial's
/// [`scale`](spikegrad_network::Trial::scale) divides; as there, the weight of a sample does not multiply the price.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activity<T> {
    /// The weight of the activity.
    pub weight: T,
}

impl<T: Scalar> Loss<T> for Activity<T> {
    fn value(&self, at: &Sample<'_, T>) -> T {
        self.weight * at.square * T::from_subset(&0.5)
    }

    fn vjp(&self, _: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        *bar.square += value_bar * self.weight * T::from_subset(&0.5);
    }

    fn reads_state(&self) -> bool {
        false
    }
}
