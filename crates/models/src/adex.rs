//! Adaptive exponential integrate-and-fire neuron (AdEx, equation (54)): two variables, a hard reset of both.
//!
//! Sources: Brette & Gerstner (2005); firing patterns: Naud, Marcille, Clopath & Gerstner (2008), table 1.

use crate::math::{ceiling, real};
use crate::neuron::{Integration, Locate, Neuron, NeuronVjp, Parameter, Reset};
use crate::real::Real;

/// How far above threshold the field still changes, mV.
const ROOM: f64 = 4.0;

/// Where the upstroke is cut off unless said otherwise, in units of `Delta_T` above `V_T`.
const CUT: f64 = 3.0;

/// Adaptive exponential integrate-and-fire: `C dv/dt = -g_L (v - E_L) + g_L Delta_T exp((v - V_T) / Delta_T) - w + I`,
/// `tau_w dw/dt = a (v - E_L) - w`; at `v_theta`, `v -> v_reset` and `w -> w + b`. Voltages in mV, capacitance in pF,
/// conductances in nS, currents in pA.
///
/// The upstroke is cut off at `V_T + 3 Delta_T`, as that of [`Eif`](crate::Eif), for the same reason: at a step of 0.25 ms
/// `h df/dv` at threshold is 0.2 to 0.7 for the presets, and with a cut at `V_T + 5 Delta_T` 1.8 to 5.1, where the gradient of the
/// program is no longer that of the equation. A spike comes `0.05 C / g_L` before it would without a cut, 0.4 to 1 ms for the
/// presets. The firing patterns are the published ones with either cut; [`cut_off_at`](Self::cut_off_at) sets any other.
///
/// ```
/// use spikegrad_models::{AdEx, Neuron};
/// let bursting = AdEx::regular_bursting();
/// let p = bursting.params();
/// // A spike resets the voltage and adds b to the adaptation current.
/// assert_eq!(AdEx::after_spike(&p, &[bursting.v_theta, 20.0]), [-46.0, 120.0]);
/// ```
#[doc(alias = "adaptive exponential integrate-and-fire")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdEx {
    /// Capacitance `C`, pF.
    pub capacitance: f64,
    /// Leak conductance, nS.
    pub g_l: f64,
    /// Leak reversal potential, mV.
    pub e_l: f64,
    /// Soft threshold `V_T`, mV.
    pub v_t: f64,
    /// Sharpness `Delta_T` of the spike's onset, mV.
    pub delta_t: f64,
    /// Time constant of adaptation, ms.
    pub tau_w: f64,
    /// Adaptation below threshold, nS.
    pub a: f64,
    /// Adaptation by a spike, pA.
    pub b: f64,
    /// Where the upstroke is cut off, mV.
    pub v_theta: f64,
    /// Reset voltage, mV.
    pub v_reset: f64,
}

impl Default for AdEx {
    /// The pyramidal cell of Brette & Gerstner (2005).
    fn default() -> Self {
        Self::of([281.0, 30.0, -70.6, -50.4, 144.0, 4.0, 80.5, -70.6])
    }
}

impl AdEx {
    fn of([capacitance, g_l, e_l, v_t, tau_w, a, b, v_reset]: [f64; 8]) -> Self {
        let delta_t = 2.0;
        Self { capacitance, g_l, e_l, v_t, delta_t, tau_w, a, b, v_theta: 0.0, v_reset }.cut_off_at(CUT)
    }

    /// This neuron with the upstroke cut off at `V_T + cut Delta_T`: `v_theta` is set, all else is kept.
    #[must_use]
    pub fn cut_off_at(self, cut: f64) -> Self {
        Self { v_theta: self.v_t + cut * self.delta_t, ..self }
    }

    /// Fires at an even rate (Naud et al. 2008, table 1; 500 pA).
    pub fn tonic() -> Self {
        Self::of([200.0, 10.0, -70.0, -50.0, 30.0, 2.0, 0.0, -58.0])
    }

    /// Fires at a rate that falls (Naud et al. 2008, table 1; 500 pA).
    pub fn adapting() -> Self {
        Self::of([200.0, 12.0, -70.0, -50.0, 300.0, 2.0, 60.0, -58.0])
    }

    /// Fires a burst, then single spikes (Naud et al. 2008, table 1; 400 pA).
    pub fn initial_burst() -> Self {
        Self::of([130.0, 18.0, -58.0, -50.0, 150.0, 4.0, 120.0, -50.0])
    }

    /// Fires bursts at an even rate (Naud et al. 2008, table 1; 210 pA).
    pub fn regular_bursting() -> Self {
        Self::of([200.0, 10.0, -58.0, -50.0, 120.0, 2.0, 100.0, -46.0])
    }

    /// Fires faster and faster after a delay (Naud et al. 2008, table 1; 300 pA).
    pub fn delayed_accelerating() -> Self {
        Self::of([200.0, 12.0, -70.0, -50.0, 300.0, -10.0, 0.0, -58.0])
    }

    /// Fires at the onset of a current and no more (Naud et al. 2008, table 1; 180 pA): a single spike at 180 pA, two at
    /// 250 pA. At 300 pA and above it fires on and on.
    pub fn transient() -> Self {
        Self::of([100.0, 10.0, -65.0, -50.0, 90.0, 10.0, 100.0, -47.0])
    }
}

impl Neuron for AdEx {
    const NAME: &'static str = "AdEx";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::positive("C", "pF"),
        Parameter::positive("g_L", "nS"),
        Parameter::new("E_L", "mV"),
        Parameter::new("V_T", "mV"),
        Parameter::positive("Delta_T", "mV"),
        Parameter::positive("tau_w", "ms"),
        Parameter::new("a", "nS"),
        Parameter::new("b", "pA"),
        Parameter::new("v_theta", "mV"),
        Parameter::new("v_reset", "mV"),
    ];
    const VARIABLES: &'static [Parameter] = &[Parameter::new("v", "mV"), Parameter::new("w", "pA")];
    const CURRENT: &'static str = "pA";
    const METHOD: Integration = Integration::RungeKutta4;
    const LOCATE: Locate = Locate::DenseOutput;
    type State<T: Real> = [T; 2];
    type Params<T: Real> = [T; 10];

    fn params(&self) -> [f64; 10] {
        let Self { capacitance, g_l, e_l, v_t, delta_t, tau_w, a, b, v_theta, v_reset } = *self;
        [capacitance, g_l, e_l, v_t, delta_t, tau_w, a, b, v_theta, v_reset]
    }

    fn from_params(
        &[capacitance, g_l, e_l, v_t, delta_t, tau_w, a, b, v_theta, v_reset]: &[f64; 10],
    ) -> Self {
        Self { capacitance, g_l, e_l, v_t, delta_t, tau_w, a, b, v_theta, v_reset }
    }

    #[inline]
    fn rhs<T: Real>(params: &[T; 10], &[v, w]: &[T; 2], current: T) -> [T; 2] {
        let [c, g_l, e_l, v_t, delta_t, tau_w, a, _, v_theta, _] = *params;
        let (v, _) = ceiling(v, v_theta, real(ROOM));
        let upstroke = delta_t * ((v - v_t) / delta_t).exp();
        [(g_l * (upstroke - (v - e_l)) - w + current) / c, (a * (v - e_l) - w) / tau_w]
    }

    #[inline]
    fn reset<T: Real>(params: &[T; 10]) -> Reset<T> {
        Reset::To { threshold: params[8], value: params[9] }
    }

    #[inline]
    fn jump<T: Real>(params: &[T; 10], &[v, w]: &[T; 2]) -> [T; 2] {
        [v, w + params[7]]
    }

    fn rest(&self) -> [f64; 2] {
        // w = a (v - E_L) leaves a leak of g_L + a against the exponential. Below the minimum of their sum the field falls
        // with the voltage.
        let p = self.params();
        let steady = |v: f64| [v, self.a * (v - self.e_l)];
        let turn = self.v_t + self.delta_t * (1.0 + self.a / self.g_l).ln();
        let (mut low, mut high) = (self.e_l, turn);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if Self::rhs(&p, &steady(middle), 0.0)[0] > 0.0 { low = middle } else { high = middle }
        }
        steady(0.5 * (low + high))
    }
}

impl NeuronVjp for AdEx {
    #[inline]
    fn rhs_vjp<T: Real>(
        params: &[T; 10],
        &[v, w]: &[T; 2],
        current: T,
        &[fv_bar, fw_bar]: &[T; 2],
        [v_bar, w_bar]: &mut [T; 2],
        params_bar: &mut [T; 10],
    ) -> T {
        let [c, g_l, e_l, v_t, delta_t, tau_w, a, _, v_theta, _] = *params;
        let (v, slope) = ceiling(v, v_theta, real(ROOM));
        let x = (v - v_t) / delta_t;
        let exp = x.exp();
        let drive = delta_t * exp - (v - e_l);
        let (p, q) = (fv_bar / c, fw_bar / tau_w);
        let limited_bar = p * g_l * (exp - T::one()) + q * a;
        *v_bar += limited_bar * slope;
        *w_bar -= p + q;
        let add = [
            -p * (g_l * drive - w + current) / c,
            p * drive,
            p * g_l - q * a,
            -p * g_l * exp,
            p * g_l * exp * (T::one() - x),
            -q * (a * (v - e_l) - w) / tau_w,
            q * (v - e_l),
            T::zero(),
            limited_bar * (T::one() - slope),
        ];
        for (target, value) in params_bar.iter_mut().zip(add) {
            *target += value;
        }
        p
    }

    #[inline]
    fn relaxation_vjp<T: Real>(_: &[T; 10], _: &[T; 2], _: &[T; 2], _: &mut [T; 2], _: &mut [T; 10]) {}

    #[inline]
    fn reset_vjp<T: Real>(_: &[T; 10], threshold_bar: T, value_bar: T, params_bar: &mut [T; 10]) {
        params_bar[8] += threshold_bar;
        params_bar[9] += value_bar;
    }

    #[inline]
    fn jump_vjp<T: Real>(
        _: &[T; 10],
        _: &[T; 2],
        &[v_bar, w_bar]: &[T; 2],
        before_bar: &mut [T; 2],
        params_bar: &mut [T; 10],
    ) {
        before_bar[0] += v_bar;
        before_bar[1] += w_bar;
        params_bar[7] += w_bar;
    }

    #[inline]
    fn refractory_vjp<T: Real>(_: &[T; 10], _: T, _: &mut [T; 10]) {}
}
