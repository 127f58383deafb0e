//! Leaky integrate-and-fire neuron with an absolute refractory time (equations (31), (52)).
//!
//! Source: Gerstner, Kistler, Naud & Paninski, *Neuronal Dynamics* (2014), section 1.3.

use crate::neuron::{Integration, Locate, Neuron, NeuronVjp, Parameter, Reset};
use crate::real::Real;

/// Leaky integrate-and-fire, `dv/dt = -v / tau_v + I`, `v -> v_reset` at `v_theta`, held there for `t_ref`. Voltage
/// dimensionless, current 1/ms. For a constant current it fires every `t_ref + tau_v ln((v_inf - v_reset) / (v_inf -
/// v_theta))` ms, `v_inf = tau_v I`.
///
/// ```
/// use spikegrad_models::{Neuron, RefractoryLif};
/// let neuron = RefractoryLif { t_ref: 3.0, ..RefractoryLif::default() };
/// assert_eq!(RefractoryLif::refractory(&neuron.params()), Some(3.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RefractoryLif {
    /// Membrane time constant, ms.
    pub tau_v: f64,
    /// Firing threshold.
    pub v_theta: f64,
    /// Reset voltage, below threshold.
    pub v_reset: f64,
    /// Absolute refractory time, ms.
    pub t_ref: f64,
}

impl Default for RefractoryLif {
    /// 20 ms, threshold 1, reset 0, refractory for 2 ms.
    fn default() -> Self {
        Self { tau_v: 20.0, v_theta: 1.0, v_reset: 0.0, t_ref: 2.0 }
    }
}

impl Neuron for RefractoryLif {
    const NAME: &'static str = "refractory LIF";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::positive("tau_v", "ms"),
        Parameter::new("v_theta", "1"),
        Parameter::new("v_reset", "1"),
        Parameter::positive("t_ref", "ms"),
    ];
    // Not asked: the closed form takes the step.
    const METHOD: Integration = Integration::Euler;
    const LOCATE: Locate = Locate::ClosedForm;
    type State<T: Real> = [T; 1];
    type Params<T: Real> = [T; 4];

    fn params(&self) -> [f64; 4] {
        [self.tau_v, self.v_theta, self.v_reset, self.t_ref]
    }

    fn from_params(&[tau_v, v_theta, v_reset, t_ref]: &[f64; 4]) -> Self {
        Self { tau_v, v_theta, v_reset, t_ref }
    }

    #[inline(always)]
    fn rhs<T: Real>([tau_v, ..]: &[T; 4], [v]: &[T; 1], current: T) -> [T; 1] {
        [current - *v / *tau_v]
    }

    #[inline(always)]
    fn reset<T: Real>(&[_, threshold, value, _]: &[T; 4]) -> Reset<T> {
        Reset::To { threshold, value }
    }

    #[inline(always)]
    fn refractory<T: Real>(params: &[T; 4]) -> Option<T> {
        Some(params[3])
    }

    fn rest(&self) -> [f64; 1] {
        [0.0]
    }
}

impl NeuronVjp for RefractoryLif {
    #[inline(always)]
    fn rhs_vjp<T: Real>(
        [tau_v, ..]: &[T; 4],
        [v]: &[T; 1],
        _: T,
        [f_bar]: &[T; 1],
        [v_bar]: &mut [T; 1],
        [tau_v_bar, ..]: &mut [T; 4],
    ) -> T {
        *v_bar -= *f_bar / *tau_v;
        *tau_v_bar += *v / (*tau_v * *tau_v) * *f_bar;
        *f_bar
    }

    #[inline(always)]
    fn relaxation_vjp<T: Real>(_: &[T; 4], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 4]) {}

    #[inline(always)]
    fn reset_vjp<T: Real>(_: &[T; 4], threshold_bar: T, value_bar: T, params_bar: &mut [T; 4]) {
        params_bar[1] += threshold_bar;
        params_bar[2] += value_bar;
    }

    #[inline(always)]
    fn jump_vjp<T: Real>(_: &[T; 4], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 4]) {}

    #[inline(always)]
    fn refractory_vjp<T: Real>(_: &[T; 4], refractory_bar: T, params_bar: &mut [T; 4]) {
        params_bar[3] += refractory_bar;
    }
}
