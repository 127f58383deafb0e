//! Non-leaky integrate-and-fire neuron (equation (29)): `dv/dt = I`, threshold 1, reset by subtraction.
//!
//! Source: Huh & Sejnowski (2018).

use crate::neuron::{Integration, Neuron, NeuronVjp, Parameter, Reset};
use crate::real::Real;

/// Non-leaky integrate-and-fire: `dv/dt = I`, `v -> v - 1` at threshold 1. Voltage dimensionless, current 1/ms.
///
/// ```
/// use spikegrad_models::{Neuron, Nif};
/// assert_eq!(Nif::rhs(&[], &[0.3], 0.05), [0.05]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Nif;

impl Neuron for Nif {
    const NAME: &'static str = "NIF";
    const PARAMETERS: &'static [Parameter] = &[];
    // Exact, since f does not depend on the voltage.
    const METHOD: Integration = Integration::Euler;
    const HAS_VOLTAGE: bool = false;
    type State<T: Real> = [T; 1];
    type Params<T: Real> = [T; 0];

    fn params(&self) -> [f64; 0] {
        []
    }

    fn from_params(_: &[f64; 0]) -> Self {
        Self
    }

    #[inline(always)]
    fn rhs<T: Real>(_: &[T; 0], _: &[T; 1], current: T) -> [T; 1] {
        [current]
    }

    #[inline(always)]
    fn reset<T: Real>(_: &[T; 0]) -> Reset<T> {
        Reset::Subtract
    }

    fn rest(&self) -> [f64; 1] {
        [0.0]
    }
}

impl NeuronVjp for Nif {
    #[inline(always)]
    fn rhs_vjp<T: Real>(_: &[T; 0], _: &[T; 1], _: T, [f_bar]: &[T; 1], _: &mut [T; 1], _: &mut [T; 0]) -> T {
        *f_bar
    }

    #[inline(always)]
    fn relaxation_vjp<T: Real>(_: &[T; 0], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 0]) {}

    #[inline(always)]
    fn reset_vjp<T: Real>(_: &[T; 0], _: T, _: T, _: &mut [T; 0]) {}

    #[inline(always)]
    fn jump_vjp<T: Real>(_: &[T; 0], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 0]) {}

    #[inline(always)]
    fn refractory_vjp<T: Real>(_: &[T; 0], _: T, _: &mut [T; 0]) {}
}
