//! A floor under the voltages (equation (44)).

use spikegrad_network::{Loss, Sample, SampleBar, Scalar};

/// A floor under the voltages, `l = weight sum_i max(-v_i, 0)^2 / 2`, equation (44): a neuron without a leak that nothing drives
/// would otherwise drift away and be lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoltageFloor<T> {
    /// The weight.
    pub weight: T,
}

impl<T: Scalar> Loss<T> for VoltageFloor<T> {
    fn value(&self, at: &Sample<'_, T>) -> T {
        let square = |v: T| if v < T::zero() { v * v } else { T::zero() };
        self.weight
            * at.x[..at.neurons].iter().fold(T::zero(), |sum, &v| sum + square(v))
            * T::from_subset(&0.5)
    }

    fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        for (bar, &v) in bar.x.iter_mut().zip(&at.x[..at.neurons]) {
            if v < T::zero() {
                *bar += value_bar * self.weight * v;
            }
        }
    }
}
