//! Exponential integrate-and-fire neuron (EIF) with a hard reset and a refractory time (equation (53)).
//!
//! Source: Fourcaud-Trocmé, Hansel, van Vreeswijk & Brunel (2003).

use crate::math::{ceiling, real};
use crate::neuron::{Integration, Locate, Neuron, NeuronVjp, Parameter, Reset};
use crate::real::Real;

/// How far above threshold the field still changes, mV.
const ROOM: f64 = 4.0;

/// Where the upstroke is cut off unless said otherwise, in units of `Delta_T` above `V_T`.
const CUT: f64 = 3.0;

/// Exponential integrate-and-fire: `C dv/dt = -g_L (v - V_L) + g_L Delta_T exp((v - V_T) / Delta_T) + I`, `v -> v_reset`
/// at `v_theta`, held there for `t_ref`. Voltages in mV, current in µA/cm². Rheobase `g_L (V_T - V_L - Delta_T)`.
///
/// The upstroke is cut off at `V_T + 3 Delta_T`, from where it takes less than `0.05 C / g_L` to infinity: a spike comes 0.5 ms
/// before it would without a cut, whatever drives it. Higher cuts, as the -40 mV of the source, come closer to the upstroke and
/// ask for much smaller steps: the time of a spike, however well it is located, has an error that depends on where in its step
/// the spike falls, and an error `e` that repeats from step to step gives the gradient an error of `e / h`. In random networks a
/// step of RK4 of 0.25 ms has the gradient to 3 % with this cut and misses it by 47 % with that of -40 mV, although the costs of
/// both are right to 0.1 %. The measure is `h df/dv` at threshold, `h (g_L / C) (exp((v_theta - V_T) / Delta_T) - 1)`, which should
/// be 1 at most; it is 0.5 with this cut and 7.6 with the higher one. [`cut_off_at`](Self::cut_off_at) sets any other.
///
/// ```
/// use spikegrad_models::{Eif, Neuron};
/// let eif = Eif::default();
/// assert!((eif.rheobase() - 0.162).abs() < 1e-12);
/// // At V_T the exponential is 1, and the steady current is at its maximum there.
/// let [dv] = Eif::rhs(&eif.params(), &[eif.v_t], eif.rheobase());
/// assert!(dv.abs() < 1e-12);
/// ```
#[doc(alias = "exponential integrate-and-fire")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eif {
    /// Capacitance `C`, µF/cm².
    pub capacitance: f64,
    /// Leak conductance, mS/cm².
    pub g_l: f64,
    /// Leak potential, mV.
    pub v_l: f64,
    /// Soft threshold `V_T`, where the slope of the steady current is zero, mV.
    pub v_t: f64,
    /// Sharpness `Delta_T` of the spike's onset, mV.
    pub delta_t: f64,
    /// Where the upstroke is cut off, mV.
    pub v_theta: f64,
    /// Reset voltage, mV.
    pub v_reset: f64,
    /// Absolute refractory time, ms.
    pub t_ref: f64,
}

impl Default for Eif {
    /// The fit of Fourcaud-Trocmé et al. (2003) to a conductance-based model, cut off at `V_T + 3 Delta_T`.
    fn default() -> Self {
        let eif = Self {
            capacitance: 1.0,
            g_l: 0.1,
            v_l: -65.0,
            v_t: -59.9,
            delta_t: 3.48,
            v_theta: 0.0,
            v_reset: -68.0,
            t_ref: 1.7,
        };
        eif.cut_off_at(CUT)
    }
}

impl Eif {
    /// This neuron with the upstroke cut off at `V_T + cut Delta_T`: `v_theta` is set, all else is kept.
    #[must_use]
    pub fn cut_off_at(self, cut: f64) -> Self {
        Self { v_theta: self.v_t + cut * self.delta_t, ..self }
    }

    /// The least constant current at which it fires, `g_L (V_T - V_L - Delta_T)`.
    pub fn rheobase(&self) -> f64 {
        self.g_l * (self.v_t - self.v_l - self.delta_t)
    }
}

impl Neuron for Eif {
    const NAME: &'static str = "EIF";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::positive("C", "uF/cm2"),
        Parameter::positive("g_L", "mS/cm2"),
        Parameter::new("V_L", "mV"),
        Parameter::new("V_T", "mV"),
        Parameter::positive("Delta_T", "mV"),
        Parameter::new("v_theta", "mV"),
        Parameter::new("v_reset", "mV"),
        Parameter::positive("t_ref", "ms"),
    ];
    const VARIABLES: &'static [Parameter] = &[Parameter::new("v", "mV")];
    const CURRENT: &'static str = "uA/cm2";
    const METHOD: Integration = Integration::RungeKutta4;
    const LOCATE: Locate = Locate::DenseOutput;
    type State<T: Real> = [T; 1];
    type Params<T: Real> = [T; 8];

    fn params(&self) -> [f64; 8] {
        let Self { capacitance, g_l, v_l, v_t, delta_t, v_theta, v_reset, t_ref } = *self;
        [capacitance, g_l, v_l, v_t, delta_t, v_theta, v_reset, t_ref]
    }

    fn from_params(&[capacitance, g_l, v_l, v_t, delta_t, v_theta, v_reset, t_ref]: &[f64; 8]) -> Self {
        Self { capacitance, g_l, v_l, v_t, delta_t, v_theta, v_reset, t_ref }
    }

    #[inline]
    fn rhs<T: Real>(params: &[T; 8], &[v]: &[T; 1], current: T) -> [T; 1] {
        let [c, g_l, v_l, v_t, delta_t, v_theta, ..] = *params;
        let (v, _) = ceiling(v, v_theta, real(ROOM));
        let upstroke = delta_t * ((v - v_t) / delta_t).exp();
        [(g_l * (upstroke - (v - v_l)) + current) / c]
    }

    #[inline]
    fn reset<T: Real>(params: &[T; 8]) -> Reset<T> {
        Reset::To { threshold: params[5], value: params[6] }
    }

    #[inline]
    fn refractory<T: Real>(params: &[T; 8]) -> Option<T> {
        Some(params[7])
    }

    fn rest(&self) -> [f64; 1] {
        // Below V_T the field falls with the voltage, and at V_L it is positive.
        let p = self.params();
        let (mut low, mut high) = (self.v_l, self.v_t);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if Self::rhs(&p, &[middle], 0.0)[0] > 0.0 { low = middle } else { high = middle }
        }
        [0.5 * (low + high)]
    }
}

impl NeuronVjp for Eif {
    #[inline]
    fn rhs_vjp<T: Real>(
        params: &[T; 8],
        &[v]: &[T; 1],
        current: T,
        &[f_bar]: &[T; 1],
        [v_bar]: &mut [T; 1],
        params_bar: &mut [T; 8],
    ) -> T {
        let [c, g_l, v_l, v_t, delta_t, v_theta, ..] = *params;
        let (v, slope) = ceiling(v, v_theta, real(ROOM));
        let x = (v - v_t) / delta_t;
        let exp = x.exp();
        let drive = delta_t * exp - (v - v_l);
        let a = f_bar / c;
        let limited_bar = a * g_l * (exp - T::one());
        *v_bar += limited_bar * slope;
        let add = [
            -a * (g_l * drive + current) / c,
            a * drive,
            a * g_l,
            -a * g_l * exp,
            a * g_l * exp * (T::one() - x),
            limited_bar * (T::one() - slope),
        ];
        for (target, value) in params_bar.iter_mut().zip(add) {
            *target += value;
        }
        a
    }

    #[inline]
    fn relaxation_vjp<T: Real>(_: &[T; 8], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 8]) {}

    #[inline]
    fn reset_vjp<T: Real>(_: &[T; 8], threshold_bar: T, value_bar: T, params_bar: &mut [T; 8]) {
        params_bar[5] += threshold_bar;
        params_bar[6] += value_bar;
    }

    #[inline]
    fn jump_vjp<T: Real>(_: &[T; 8], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 8]) {}

    #[inline]
    fn refractory_vjp<T: Real>(_: &[T; 8], refractory_bar: T, params_bar: &mut [T; 8]) {
        params_bar[7] += refractory_bar;
    }
}
