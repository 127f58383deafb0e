//! Losses (equations (5), (44)). A pair of losses is their sum. No loss is asked about a sample of weight 0.

use spikegrad_network::{Loss, Sample, SampleBar, Scalar};

/// The quadratic loss `l = (w |o - o_d|^2 + lambda |s|^2) / 2`, `w` the sample's weight.
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
}

/// A floor under the voltages, `l = weight sum_i max(-v_i, 0)^2 / 2`: a neuron without a leak that nothing drives would
/// otherwise drift away and be lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoltageFloor<T> {
    /// The weight.
    pub weight: T,
}

impl<T: Scalar> Loss<T> for VoltageFloor<T> {
    fn value(&self, at: &Sample<'_, T>) -> T {
        let square = |v: T| if v < T::zero() { v * v } else { T::zero() };
        let voltages = &at.x[..at.s.len()];
        self.weight * voltages.iter().fold(T::zero(), |sum, &v| sum + square(v)) * T::from_subset(&0.5)
    }

    fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        for (bar, &v) in bar.x.iter_mut().zip(&at.x[..at.s.len()]) {
            if v < T::zero() {
                *bar += value_bar * self.weight * v;
            }
        }
    }
}

/// The sum of two losses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SumOfLosses<A, B>(pub A, pub B);

impl<T: Scalar, A: Loss<T>, B: Loss<T>> Loss<T> for SumOfLosses<A, B> {
    fn value(&self, at: &Sample<'_, T>) -> T {
        self.0.value(at) + self.1.value(at)
    }

    fn needs_targets(&self) -> bool {
        self.0.needs_targets() || self.1.needs_targets()
    }

    fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        self.0.vjp(at, value_bar, bar);
        self.1.vjp(at, value_bar, bar);
    }
}
