//! Leaky integrate-and-fire neuron with a hard reset (equations (31), (32)).
//!
//! Source: Gerstner, Kistler, Naud & Paninski, *Neuronal Dynamics* (2014), section 1.3.

use crate::neuron::{Integration, Locate, Neuron, NeuronVjp, Parameter, Reset};
use crate::real::Real;

/// Leaky integrate-and-fire: `dv/dt = -v / tau_v + I`, `v -> v_reset` at `v_theta`. Voltage dimensionless, current
/// 1/ms. Rheobase `v_theta / tau_v`.
///
/// ```
/// use spikegrad_models::{Lif, Neuron};
/// let lif = Lif { tau_v: 20.0, ..Lif::default() };
/// assert_eq!(Lif::rhs(&lif.params(), &[1.0], 0.05), [0.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lif {
    /// Membrane time constant, ms.
    pub tau_v: f64,
    /// Firing threshold.
    pub v_theta: f64,
    /// Reset voltage, below threshold.
    pub v_reset: f64,
}

impl Default for Lif {
    /// 20 ms, threshold 1, reset 0.
    fn default() -> Self {
        Self { tau_v: 20.0, v_theta: 1.0, v_reset: 0.0 }
    }
}

impl Neuron for Lif {
    const NAME: &'static str = "LIF";
    const PARAMETERS: &'static [Parameter] =
        &[Parameter::positive("tau_v", "ms"), Parameter::new("v_theta", "1"), Parameter::new("v_reset", "1")];
    // Not asked: the closed form takes the step.
    const METHOD: Integration = Integration::Euler;
    const LOCATE: Locate = Locate::ClosedForm;
    type State<T: Real> = [T; 1];
    type Params<T: Real> = [T; 3];

    fn params(&self) -> [f64; 3] {
        [self.tau_v, self.v_theta, self.v_reset]
    }

    fn from_params(&[tau_v, v_theta, v_reset]: &[f64; 3]) -> Self {
        Self { tau_v, v_theta, v_reset }
    }

    #[inline(always)]
    fn rhs<T: Real>([tau_v, ..]: &[T; 3], [v]: &[T; 1], current: T) -> [T; 1] {
        [current - *v / *tau_v]
    }

    #[inline(always)]
    fn reset<T: Real>(&[_, threshold, value]: &[T; 3]) -> Reset<T> {
        Reset::To { threshold, value }
    }

    fn rest(&self) -> [f64; 1] {
        [0.0]
    }
}

impl NeuronVjp for Lif {
    #[inline(always)]
    fn rhs_vjp<T: Real>(
        [tau_v, ..]: &[T; 3],
        [v]: &[T; 1],
        _: T,
        [f_bar]: &[T; 1],
        [v_bar]: &mut [T; 1],
        [tau_v_bar, ..]: &mut [T; 3],
    ) -> T {
        *v_bar -= *f_bar / *tau_v;
        *tau_v_bar += *v / (*tau_v * *tau_v) * *f_bar;
        *f_bar
    }

    #[inline(always)]
    fn relaxation_vjp<T: Real>(_: &[T; 3], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 3]) {}

    #[inline(always)]
    fn reset_vjp<T: Real>(_: &[T; 3], threshold_bar: T, value_bar: T, params_bar: &mut [T; 3]) {
        params_bar[1] += threshold_bar;
        params_bar[2] += value_bar;
    }

    #[inline(always)]
    fn jump_vjp<T: Real>(_: &[T; 3], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 3]) {}

    #[inline(always)]
    fn refractory_vjp<T: Real>(_: &[T; 3], _: T, _: &mut [T; 3]) {}
}
