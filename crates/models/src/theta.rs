//! Theta neuron, the quadratic integrate-and-fire neuron (QIF) on a circle (equation (30)).
//!
//! Sources: Ermentrout & Kopell (1986); in this form Huh & Sejnowski (2018).

use crate::math::{half_angle, real};
use crate::neuron::{Integration, Neuron, NeuronVjp, Parameter, Reset};
use crate::real::Real;

/// Theta neuron: `dv/dt = (1 + cos 2 pi v) / tau_v + (1 - cos 2 pi v) I` on the circle `v in [0, 1)`. Voltage
/// dimensionless, current 1/ms; it fires at `2 sqrt(I / tau_v)` per ms for a constant positive current.
///
/// ```
/// use spikegrad_models::{Neuron, Theta};
/// let theta = Theta { tau_v: 25.0 };
/// let [dv] = Theta::rhs(&theta.params(), &[0.0], 0.01);
/// assert_eq!(dv, 2.0 / 25.0);
/// ```
#[doc(alias = "QIF")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Theta {
    /// Membrane time constant, ms.
    pub tau_v: f64,
}

impl Default for Theta {
    /// The paper's membrane, `tau_v = 25 ms`.
    fn default() -> Self {
        Self { tau_v: 25.0 }
    }
}

impl Neuron for Theta {
    const NAME: &'static str = "theta";
    const PARAMETERS: &'static [Parameter] = &[Parameter::positive("tau_v", "ms")];
    const METHOD: Integration = Integration::Euler;
    const HAS_VOLTAGE: bool = false;
    type State<T: Real> = [T; 1];
    type Params<T: Real> = [T; 1];

    fn params(&self) -> [f64; 1] {
        [self.tau_v]
    }

    fn from_params(&[tau_v]: &[f64; 1]) -> Self {
        Self { tau_v }
    }

    #[inline(always)]
    fn rhs<T: Real>([tau_v]: &[T; 1], [v]: &[T; 1], current: T) -> [T; 1] {
        // 1 + cos 2 pi v = 2 - s^2
        let ((s, _), rate) = (half_angle(*v), T::one() / *tau_v);
        [rate + rate + s * s * (current - rate)]
    }

    #[inline(always)]
    fn reset<T: Real>(_: &[T; 1]) -> Reset<T> {
        Reset::Periodic
    }

    fn rest(&self) -> [f64; 1] {
        [0.5]
    }
}

impl NeuronVjp for Theta {
    #[inline(always)]
    fn rhs_vjp<T: Real>(
        [tau_v]: &[T; 1],
        [v]: &[T; 1],
        current: T,
        [f_bar]: &[T; 1],
        [v_bar]: &mut [T; 1],
        [tau_v_bar]: &mut [T; 1],
    ) -> T {
        let ((s, c), rate) = (half_angle(*v), T::one() / *tau_v);
        let bar = s * *f_bar;
        *v_bar += c * (real::<T>(std::f64::consts::TAU) * (current - rate)) * bar;
        *tau_v_bar -= c * c * (rate * rate) * *f_bar;
        s * bar
    }

    #[inline(always)]
    fn relaxation_vjp<T: Real>(_: &[T; 1], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 1]) {}

    #[inline(always)]
    fn reset_vjp<T: Real>(_: &[T; 1], _: T, _: T, _: &mut [T; 1]) {}

    #[inline(always)]
    fn jump_vjp<T: Real>(_: &[T; 1], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 1]) {}

    #[inline(always)]
    fn refractory_vjp<T: Real>(_: &[T; 1], _: T, _: &mut [T; 1]) {}
}
