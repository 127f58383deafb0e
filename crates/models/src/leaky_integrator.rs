//! Leaky integrator: a membrane that never spikes, for readouts (equation (74)).
//!
//! Source: Gerstner, Kistler, Naud & Paninski, *Neuronal Dynamics* (2014), section 1.3, without a threshold.

use crate::neuron::{Integration, Neuron, NeuronVjp, Parameter, Reset};
use crate::real::Real;

/// Leaky integrator: `dv/dt = -v / tau_v + I`. It never spikes: it listens to others, and its voltage is what is read. Voltage
/// dimensionless, current 1/ms.
///
/// ```
/// use spikegrad_models::{LeakyIntegrator, Neuron};
/// let integrator = LeakyIntegrator { tau_v: 50.0 };
/// assert_eq!(LeakyIntegrator::rhs(&integrator.params(), &[1.0], 0.02), [0.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakyIntegrator {
    /// Membrane time constant, ms.
    pub tau_v: f64,
}

impl Default for LeakyIntegrator {
    /// 20 ms.
    fn default() -> Self {
        Self { tau_v: 20.0 }
    }
}

impl Neuron for LeakyIntegrator {
    const NAME: &'static str = "leaky integrator";
    const PARAMETERS: &'static [Parameter] = &[Parameter::positive("tau_v", "ms")];
    // Exact for a constant current, at any step.
    const METHOD: Integration = Integration::ExponentialMidpoint;
    const RELAXES: bool = true;
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
        [current - *v / *tau_v]
    }

    #[inline(always)]
    fn relaxation<T: Real>([tau_v]: &[T; 1], _: &[T; 1]) -> [T; 1] {
        [T::one() / *tau_v]
    }

    #[inline(always)]
    fn reset<T: Real>(_: &[T; 1]) -> Reset<T> {
        Reset::Never
    }

    fn rest(&self) -> [f64; 1] {
        [0.0]
    }
}

impl NeuronVjp for LeakyIntegrator {
    #[inline(always)]
    fn rhs_vjp<T: Real>(
        [tau_v]: &[T; 1],
        [v]: &[T; 1],
        _: T,
        [f_bar]: &[T; 1],
        [v_bar]: &mut [T; 1],
        [tau_v_bar]: &mut [T; 1],
    ) -> T {
        *v_bar -= *f_bar / *tau_v;
        *tau_v_bar += *v / (*tau_v * *tau_v) * *f_bar;
        *f_bar
    }

    #[inline(always)]
    fn relaxation_vjp<T: Real>(
        [tau_v]: &[T; 1],
        _: &[T; 1],
        [relaxation_bar]: &[T; 1],
        _: &mut [T; 1],
        [tau_v_bar]: &mut [T; 1],
    ) {
        *tau_v_bar -= *relaxation_bar / (*tau_v * *tau_v);
    }

    #[inline(always)]
    fn reset_vjp<T: Real>(_: &[T; 1], _: T, _: T, _: &mut [T; 1]) {}

    #[inline(always)]
    fn jump_vjp<T: Real>(_: &[T; 1], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 1]) {}

    #[inline(always)]
    fn refractory_vjp<T: Real>(_: &[T; 1], _: T, _: &mut [T; 1]) {}
}
