//! Quadratic integrate-and-fire neuron (QIF) with a hard reset (equation (55)).
//!
//! Sources: Latham, Richmond, Nelson & Nirenberg (2000); Hansel & Mato (2001).

use crate::math::{ceiling, real};
use crate::neuron::{Integration, Locate, Neuron, NeuronVjp, Parameter, Reset};
use crate::real::Real;

/// How far above threshold the field still changes, mV.
const ROOM: f64 = 10.0;

/// Quadratic integrate-and-fire: `tau_v dv/dt = (v - v_rest) (v - v_c) / (v_c - v_rest) + I`, `v -> v_reset` at `v_theta`.
/// Voltages and current in mV. Rheobase `(v_c - v_rest) / 4`. With threshold and reset at infinity it is the
/// [`Theta`](crate::Theta) neuron.
///
/// ```
/// use spikegrad_models::{Neuron, Qif};
/// let qif = Qif::default();
/// let middle = 0.5 * (qif.v_rest + qif.v_c);
/// assert_eq!(Qif::rhs(&qif.params(), &[middle], qif.rheobase()), [0.0]);
/// ```
#[doc(alias = "QIF")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Qif {
    /// Membrane time constant, ms.
    pub tau_v: f64,
    /// Resting voltage without current, mV.
    pub v_rest: f64,
    /// Critical voltage above which it fires without current, mV.
    pub v_c: f64,
    /// Where the upstroke is cut off, mV.
    pub v_theta: f64,
    /// Reset voltage, mV.
    pub v_reset: f64,
}

impl Default for Qif {
    /// 10 ms, rest at -65 mV, critical voltage -50 mV (Latham et al. 2000), from 0 mV to -70 mV at a spike.
    fn default() -> Self {
        Self { tau_v: 10.0, v_rest: -65.0, v_c: -50.0, v_theta: 0.0, v_reset: -70.0 }
    }
}

impl Qif {
    /// The least constant current at which it fires, `(v_c - v_rest) / 4`.
    pub fn rheobase(&self) -> f64 {
        0.25 * (self.v_c - self.v_rest)
    }
}

impl Neuron for Qif {
    const NAME: &'static str = "quadratic IF";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::positive("tau_v", "ms"),
        Parameter::new("v_rest", "mV"),
        Parameter::new("v_c", "mV"),
        Parameter::new("v_theta", "mV"),
        Parameter::new("v_reset", "mV"),
    ];
    const VARIABLES: &'static [Parameter] = &[Parameter::new("v", "mV")];
    const CURRENT: &'static str = "mV";
    const METHOD: Integration = Integration::RungeKutta4;
    const LOCATE: Locate = Locate::DenseOutput;
    type State<T: Real> = [T; 1];
    type Params<T: Real> = [T; 5];

    fn params(&self) -> [f64; 5] {
        [self.tau_v, self.v_rest, self.v_c, self.v_theta, self.v_reset]
    }

    fn from_params(&[tau_v, v_rest, v_c, v_theta, v_reset]: &[f64; 5]) -> Self {
        Self { tau_v, v_rest, v_c, v_theta, v_reset }
    }

    #[inline]
    fn rhs<T: Real>(params: &[T; 5], &[v]: &[T; 1], current: T) -> [T; 1] {
        let [tau_v, v_rest, v_c, v_theta, _] = *params;
        let (v, _) = ceiling(v, v_theta, real(ROOM));
        [((v - v_rest) * (v - v_c) / (v_c - v_rest) + current) / tau_v]
    }

    #[inline]
    fn reset<T: Real>(params: &[T; 5]) -> Reset<T> {
        Reset::To { threshold: params[3], value: params[4] }
    }

    fn rest(&self) -> [f64; 1] {
        [self.v_rest]
    }
}

impl NeuronVjp for Qif {
    #[inline]
    fn rhs_vjp<T: Real>(
        params: &[T; 5],
        &[v]: &[T; 1],
        current: T,
        &[f_bar]: &[T; 1],
        [v_bar]: &mut [T; 1],
        params_bar: &mut [T; 5],
    ) -> T {
        let [tau_v, v_rest, v_c, v_theta, _] = *params;
        let (v, slope) = ceiling(v, v_theta, real(ROOM));
        let (above, over, span) = (v - v_rest, v - v_c, v_c - v_rest);
        let square = above * over / span;
        let a = f_bar / tau_v;
        let limited_bar = a * (above + over) / span;
        *v_bar += limited_bar * slope;
        let add = [
            -a * (square + current) / tau_v,
            a * (square - over) / span,
            -a * (square + above) / span,
            limited_bar * (T::one() - slope),
        ];
        for (target, value) in params_bar.iter_mut().zip(add) {
            *target += value;
        }
        a
    }

    #[inline]
    fn relaxation_vjp<T: Real>(_: &[T; 5], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 5]) {}

    #[inline]
    fn reset_vjp<T: Real>(_: &[T; 5], threshold_bar: T, value_bar: T, params_bar: &mut [T; 5]) {
        params_bar[3] += threshold_bar;
        params_bar[4] += value_bar;
    }

    #[inline]
    fn jump_vjp<T: Real>(_: &[T; 5], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 5]) {}

    #[inline]
    fn refractory_vjp<T: Real>(_: &[T; 5], _: T, _: &mut [T; 5]) {}
}
