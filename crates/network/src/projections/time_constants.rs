//! Synaptic time constants of a projection: one for all of its neurons, or one each.

use spikegrad_integrators::Decay;

use crate::Scalar;

/// The time constants of a projection, `1` or `N` values.
#[derive(Clone, Copy)]
pub(crate) struct TimeConstants<'a, T>(pub(crate) &'a [T]);

impl<T: Scalar> TimeConstants<'_, T> {
    /// The time constant of presynaptic neuron `i`.
    #[inline(always)]
    pub(crate) fn at(&self, i: usize) -> T {
        self.0[if self.0.len() == 1 { 0 } else { i }]
    }

    /// `y += sign x / tau`.
    pub(crate) fn add_over(&self, y: &mut [T], sign: T, x: &[T]) {
        for (i, (y, &x)) in y.iter_mut().zip(x).enumerate() {
            *y += sign * x / self.at(i);
        }
    }

    /// Adds the derivative of `sum_i sign bar_i x_i / tau_i` to `tau_bar`.
    pub(crate) fn add_over_vjp(&self, tau_bar: &mut [T], sign: T, bar: &[T], x: &[T]) {
        let shared = tau_bar.len() == 1;
        for (i, (&bar, &x)) in bar.iter().zip(x).enumerate() {
            let tau = self.at(i);
            tau_bar[if shared { 0 } else { i }] -= sign * bar * x / (tau * tau);
        }
    }
}

/// The decay of neuron `i`.
#[inline(always)]
pub(crate) fn decay_at<T: Copy>(decays: &[Decay<T>], i: usize) -> Decay<T> {
    decays[if decays.len() == 1 { 0 } else { i }]
}
