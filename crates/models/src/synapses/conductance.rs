//! A conductance towards a reversal potential (equation (83)).

use super::receptor::Receptor;
use crate::{Parameter, Real};

/// A conductance towards a reversal potential, `I = G (e_rev - v)`: excitation with a reversal potential above threshold, inhibition
/// with one below.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conductance {
    /// Reversal potential, in the unit of the postsynaptic voltage.
    pub e_rev: f64,
}

impl Receptor for Conductance {
    const NAME: &'static str = "conductance";
    const PARAMETERS: &'static [Parameter] = &[Parameter::new("e_rev", "voltage")];
    const BY_VOLTAGE: bool = false;

    type Params<T: Real> = [T; 1];

    fn params(&self) -> [f64; 1] {
        [self.e_rev]
    }

    #[inline(always)]
    fn open<T: Real>(_: &[T; 1], _: T) -> T {
        T::one()
    }

    #[inline(always)]
    fn open_vjp<T: Real>(_: &[T; 1], _: T, _: T, _: &mut [T; 1]) -> T {
        T::zero()
    }
}
