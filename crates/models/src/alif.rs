//! Leaky integrate-and-fire neuron with an adaptive threshold (ALIF, equation (57)).
//!
//! Sources: Bellec, Salaj, Subramoney, Legenstein & Maass (2018), with the values of the program that they published,
//! IGITUGraz/LSNN-official; the reset by subtraction: Bellec et al. (2020).

use crate::neuron::{Integration, Locate, Neuron, NeuronVjp, Parameter, Reset};
use crate::real::Real;

/// Leaky integrate-and-fire with the threshold `v_theta + beta a`: `du/dt = -u / tau_v + I`, `da/dt = -a / tau_a`; at
/// threshold `u` falls by `v_theta` and `a` rises by 1. Voltage dimensionless, current 1/ms.
///
/// The state is `(v, a)` with `v = u - beta a`, the membrane voltage seen from its moving threshold: it fires at `v_theta`,
/// a constant, from where both rules of a spike together take it to `-beta`, another. The gate's zone moves with the
/// threshold.
///
/// ```
/// use spikegrad_models::{AdaptiveLif, Neuron, Reset};
/// let neuron = AdaptiveLif { beta: 0.5, ..AdaptiveLif::default() };
/// assert_eq!(AdaptiveLif::reset(&neuron.params()), Reset::To { threshold: 1.0, value: -0.5 });
/// assert_eq!(neuron.membrane(&[0.2, 0.6]), 0.5);
/// ```
#[doc(alias = "ALIF")]
#[doc(alias = "LSNN")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveLif {
    /// Membrane time constant, ms.
    pub tau_v: f64,
    /// Time constant of the threshold, ms.
    pub tau_a: f64,
    /// Threshold at rest.
    pub v_theta: f64,
    /// Rise of the threshold by a spike.
    pub beta: f64,
}

impl Default for AdaptiveLif {
    /// 20 ms, a threshold of 1 that rises by 0.8 and comes back in 200 ms: what the program of Bellec et al. (2018) starts
    /// from. There the threshold is 0.01, and a spike of weight `1 / tau_a` raises it by `1.6 / tau_a` (their `beta` is
    /// 1.6), 0.8 of itself. For sequential MNIST it is 0.26 in 700 ms.
    fn default() -> Self {
        Self { tau_v: 20.0, tau_a: 200.0, v_theta: 1.0, beta: 0.8 }
    }
}

impl AdaptiveLif {
    /// The membrane voltage `u = v + beta a` of a state.
    pub fn membrane(&self, &[v, a]: &[f64; 2]) -> f64 {
        v + self.beta * a
    }
}

impl Neuron for AdaptiveLif {
    const NAME: &'static str = "ALIF";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::positive("tau_v", "ms"),
        Parameter::positive("tau_a", "ms"),
        Parameter::new("v_theta", "1"),
        Parameter::new("beta", "1"),
    ];
    const VARIABLES: &'static [Parameter] = &[Parameter::new("v", "1"), Parameter::new("a", "1")];
    const METHOD: Integration = Integration::RungeKutta4;
    const LOCATE: Locate = Locate::DenseOutput;
    type State<T: Real> = [T; 2];
    type Params<T: Real> = [T; 4];

    fn params(&self) -> [f64; 4] {
        [self.tau_v, self.tau_a, self.v_theta, self.beta]
    }

    fn from_params(&[tau_v, tau_a, v_theta, beta]: &[f64; 4]) -> Self {
        Self { tau_v, tau_a, v_theta, beta }
    }

    #[inline(always)]
    fn rhs<T: Real>(params: &[T; 4], &[v, a]: &[T; 2], current: T) -> [T; 2] {
        let [tau_v, tau_a, _, beta] = *params;
        let fall = a / tau_a;
        [current - (v + beta * a) / tau_v + beta * fall, -fall]
    }

    #[inline(always)]
    fn reset<T: Real>(&[_, _, threshold, beta]: &[T; 4]) -> Reset<T> {
        Reset::To { threshold, value: -beta }
    }

    #[inline(always)]
    fn jump<T: Real>(_: &[T; 4], &[v, a]: &[T; 2]) -> [T; 2] {
        [v, a + T::one()]
    }

    fn rest(&self) -> [f64; 2] {
        [0.0, 0.0]
    }
}

impl NeuronVjp for AdaptiveLif {
    #[inline(always)]
    fn rhs_vjp<T: Real>(
        params: &[T; 4],
        &[v, a]: &[T; 2],
        _: T,
        &[fv_bar, fa_bar]: &[T; 2],
        [v_bar, a_bar]: &mut [T; 2],
        params_bar: &mut [T; 4],
    ) -> T {
        let [tau_v, tau_a, _, beta] = *params;
        let (leak_bar, fall_bar) = (fv_bar / tau_v, (beta * fv_bar - fa_bar) / tau_a);
        *v_bar -= leak_bar;
        *a_bar += fall_bar - beta * leak_bar;
        params_bar[0] += (v + beta * a) / tau_v * leak_bar;
        params_bar[1] -= a / tau_a * fall_bar;
        params_bar[3] += a * (fv_bar / tau_a - leak_bar);
        fv_bar
    }

    #[inline(always)]
    fn relaxation_vjp<T: Real>(_: &[T; 4], _: &[T; 2], _: &[T; 2], _: &mut [T; 2], _: &mut [T; 4]) {}

    #[inline(always)]
    fn reset_vjp<T: Real>(_: &[T; 4], threshold_bar: T, value_bar: T, params_bar: &mut [T; 4]) {
        params_bar[2] += threshold_bar;
        params_bar[3] -= value_bar;
    }

    #[inline(always)]
    fn jump_vjp<T: Real>(
        _: &[T; 4],
        _: &[T; 2],
        after_bar: &[T; 2],
        before_bar: &mut [T; 2],
        _: &mut [T; 4],
    ) {
        before_bar[1] += after_bar[1];
    }

    #[inline(always)]
    fn refractory_vjp<T: Real>(_: &[T; 4], _: T, _: &mut [T; 4]) {}
}
