//! The exact step of the exponential synapse (equation (19)).

use simba::scalar::RealField;

/// `s' = a s + b q` over a step `h`: `a = exp(-h / tau)`, `b = (1 - a) / h`, and their derivatives by `tau`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decay<T> {
    /// What is left of `s`.
    pub a: T,
    /// What a unit of charge adds, 1/ms.
    pub b: T,
    /// `da/dtau`, 1/ms.
    pub a_by_tau: T,
    /// `db/dtau`, 1/ms^2.
    pub b_by_tau: T,
}

impl<T: RealField + Copy> Decay<T> {
    /// The coefficients for a time constant `tau` and a step `h`, both positive, ms.
    pub fn new(tau: T, h: T) -> Self {
        let loss = (-h / tau).exp_m1();
        let a = T::one() + loss;
        // Where nothing is left, the square of the time constant may be zero as well.
        let a_by_tau = if a > T::zero() { a * h / (tau * tau) } else { T::zero() };
        Self { a, b: -loss / h, a_by_tau, b_by_tau: -a_by_tau / h }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decays_at_once_has_a_derivative_of_zero() {
        let (double, single) = (Decay::new(1e-200, 1.0), Decay::new(1e-30_f32, 1.0));
        assert_eq!(double, Decay { a: 0.0, b: 1.0, a_by_tau: 0.0, b_by_tau: 0.0 });
        assert_eq!(single, Decay { a: 0.0, b: 1.0, a_by_tau: 0.0, b_by_tau: 0.0 });
    }
}
