//! The exponential synapse (equations (1), (2)).

use simba::scalar::RealField;

/// Exponential synapse: `tau ds/dt = -s + drive`, where the drive is `g(v) dv/dt` of the presynaptic neuron. `s` is an
/// average of the charge released, 1/ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExponentialSynapse<T> {
    /// Time constant, ms, positive.
    pub tau: T,
}

impl<T: RealField + Copy> ExponentialSynapse<T> {
    /// `ds/dt = (drive - s) / tau`.
    #[inline(always)]
    pub fn rhs(&self, s: T, drive: T) -> T {
        (drive - s) / self.tau
    }

    /// Adds to `s_bar` and `tau_bar` and returns what `drive_bar` grows by.
    #[inline(always)]
    pub fn rhs_vjp(&self, s: T, drive: T, f_bar: T, s_bar: &mut T, tau_bar: &mut T) -> T {
        let rate = f_bar / self.tau;
        *s_bar -= rate;
        *tau_bar -= rate * (drive - s) / self.tau;
        rate
    }
}
