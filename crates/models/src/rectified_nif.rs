//! Non-leaky integrate-and-fire neuron with a floor, whose rises alone release charge (equation (110)): the gate's width is a dial from
//! a threshold-linear rate unit to a spiking neuron.
//!
//! Source: this project. It is not the neuron of Huh & Sejnowski (2018), which has no floor and withdraws charge.

use crate::neuron::{Integration, Neuron, NeuronVjp, Parameter, Reset};
use crate::nif::Nif;
use crate::real::Real;

/// Rectified non-leaky integrate-and-fire: `dv/dt = I` not below 0, `v -> v - 1` at threshold 1, and a fall of the voltage releases
/// nothing ([`Reset::Rectify`]). Voltage dimensionless, current 1/ms.
///
/// With a box gate of width 1 a step releases `h max(I, 0)` wherever the voltage is, so that the synapse behind the neuron is the
/// threshold-linear rate unit `tau ds/dt = -s + max(I, 0)`, gradient included. A narrow gate makes a spiking neuron of it.
///
/// ```
/// use spikegrad_models::{Neuron, RectifiedNif};
/// let (mut x, mut wait) = ([0.5], 0.0);
/// assert_eq!(RectifiedNif::step(&[], &mut x, &mut wait, -1.0, 1.0), 0);
/// assert_eq!(x, [0.0]);
/// assert_eq!(RectifiedNif::step(&[], &mut x, &mut wait, 1.25, 1.0), 1);
/// assert_eq!(x, [0.25]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RectifiedNif;

impl Neuron for RectifiedNif {
    const NAME: &'static str = "rectified NIF";
    const PARAMETERS: &'static [Parameter] = Nif::PARAMETERS;
    const METHOD: Integration = Nif::METHOD;
    const HAS_VOLTAGE: bool = Nif::HAS_VOLTAGE;
    type State<T: Real> = [T; 1];
    type Params<T: Real> = [T; 0];

    fn params(&self) -> [f64; 0] {
        []
    }

    fn from_params(_: &[f64; 0]) -> Self {
        Self
    }

    #[inline(always)]
    fn rhs<T: Real>(params: &[T; 0], x: &[T; 1], current: T) -> [T; 1] {
        Nif::rhs(params, x, current)
    }

    #[inline(always)]
    fn reset<T: Real>(_: &[T; 0]) -> Reset<T> {
        Reset::Rectify
    }

    fn rest(&self) -> [f64; 1] {
        Nif.rest()
    }
}

impl NeuronVjp for RectifiedNif {
    #[inline(always)]
    fn rhs_vjp<T: Real>(
        params: &[T; 0],
        x: &[T; 1],
        current: T,
        f_bar: &[T; 1],
        x_bar: &mut [T; 1],
        params_bar: &mut [T; 0],
    ) -> T {
        Nif::rhs_vjp(params, x, current, f_bar, x_bar, params_bar)
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
