//! Izhikevich's simple model of spiking neurons (equation (56)): two variables, a hard reset of both.
//!
//! Source: Izhikevich (2003).

use crate::math::{ceiling, real};
use crate::neuron::{Integration, Locate, Neuron, NeuronVjp, Parameter, Reset};
use crate::real::Real;

/// How far above threshold the field still changes, mV.
const ROOM: f64 = 10.0;

/// Izhikevich: `dv/dt = 0.04 v^2 + 5 v + 140 - u + I`, `du/dt = a (b v - u)`; at `v_theta` = 30 mV, `v -> c` and
/// `u -> u + d`. Voltages in mV; `u` and the current, as the right-hand side, in mV/ms.
///
/// The presets are those of the paper. Published figures are drawn with Euler steps of 1 ms, and half of it for `v`; RK4
/// resolves the upstroke in steps of 0.25 ms.
///
/// ```
/// use spikegrad_models::{Izhikevich, Neuron};
/// let [v, u] = Izhikevich::regular_spiking().rest();
/// assert_eq!((v.round(), u.round()), (-70.0, -14.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Izhikevich {
    /// Rate of recovery, 1/ms.
    pub a: f64,
    /// Sensitivity of recovery to the voltage, 1/ms.
    pub b: f64,
    /// Reset voltage, mV.
    pub c: f64,
    /// Recovery by a spike, mV/ms.
    pub d: f64,
    /// Peak of a spike, mV.
    pub v_theta: f64,
}

impl Default for Izhikevich {
    /// Regular spiking.
    fn default() -> Self {
        Self::regular_spiking()
    }
}

impl Izhikevich {
    fn of(a: f64, b: f64, c: f64, d: f64) -> Self {
        Self { a, b, c, d, v_theta: 30.0 }
    }

    /// Regular spiking (RS), an excitatory cell of the cortex.
    pub fn regular_spiking() -> Self {
        Self::of(0.02, 0.2, -65.0, 8.0)
    }

    /// Intrinsically bursting (IB).
    pub fn intrinsically_bursting() -> Self {
        Self::of(0.02, 0.2, -55.0, 4.0)
    }

    /// Chattering (CH): bursts of closely spaced spikes.
    pub fn chattering() -> Self {
        Self::of(0.02, 0.2, -50.0, 2.0)
    }

    /// Fast spiking (FS), an inhibitory cell.
    pub fn fast_spiking() -> Self {
        Self::of(0.1, 0.2, -65.0, 2.0)
    }

    /// Low-threshold spiking (LTS), an inhibitory cell.
    pub fn low_threshold_spiking() -> Self {
        Self::of(0.02, 0.25, -65.0, 2.0)
    }

    /// Thalamo-cortical (TC).
    pub fn thalamo_cortical() -> Self {
        Self::of(0.02, 0.25, -65.0, 0.05)
    }

    /// Resonator (RZ).
    pub fn resonator() -> Self {
        Self::of(0.1, 0.26, -65.0, 2.0)
    }
}

impl Neuron for Izhikevich {
    const NAME: &'static str = "Izhikevich";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::positive("a", "1/ms"),
        Parameter::new("b", "1/ms"),
        Parameter::new("c", "mV"),
        Parameter::new("d", "mV/ms"),
        Parameter::new("v_theta", "mV"),
    ];
    const VARIABLES: &'static [Parameter] = &[Parameter::new("v", "mV"), Parameter::new("u", "mV/ms")];
    const CURRENT: &'static str = "mV/ms";
    const METHOD: Integration = Integration::RungeKutta4;
    const LOCATE: Locate = Locate::DenseOutput;
    type State<T: Real> = [T; 2];
    type Params<T: Real> = [T; 5];

    fn params(&self) -> [f64; 5] {
        [self.a, self.b, self.c, self.d, self.v_theta]
    }

    fn from_params(&[a, b, c, d, v_theta]: &[f64; 5]) -> Self {
        Self { a, b, c, d, v_theta }
    }

    #[inline]
    fn rhs<T: Real>(params: &[T; 5], &[v, u]: &[T; 2], current: T) -> [T; 2] {
        let [a, b, _, _, v_theta] = *params;
        let (v, _) = ceiling(v, v_theta, real(ROOM));
        [(real::<T>(0.04) * v + real(5.0)) * v + real(140.0) - u + current, a * (b * v - u)]
    }

    #[inline]
    fn reset<T: Real>(params: &[T; 5]) -> Reset<T> {
        Reset::To { threshold: params[4], value: params[2] }
    }

    #[inline]
    fn jump<T: Real>(params: &[T; 5], &[v, u]: &[T; 2]) -> [T; 2] {
        [v, u + params[3]]
    }

    fn rest(&self) -> [f64; 2] {
        // The lower root of 0.04 v^2 + (5 - b) v + 140, or the minimum where there is none.
        let slope = 5.0 - self.b;
        let v = (-slope - (slope * slope - 22.4).max(0.0).sqrt()) / 0.08;
        [v, self.b * v]
    }
}

impl NeuronVjp for Izhikevich {
    #[inline]
    fn rhs_vjp<T: Real>(
        params: &[T; 5],
        &[v, u]: &[T; 2],
        _: T,
        &[fv_bar, fu_bar]: &[T; 2],
        [v_bar, u_bar]: &mut [T; 2],
        params_bar: &mut [T; 5],
    ) -> T {
        let [a, b, _, _, v_theta] = *params;
        let (v, slope) = ceiling(v, v_theta, real(ROOM));
        let limited_bar = (real::<T>(0.08) * v + real(5.0)) * fv_bar + a * b * fu_bar;
        *v_bar += limited_bar * slope;
        *u_bar -= fv_bar + a * fu_bar;
        params_bar[0] += (b * v - u) * fu_bar;
        params_bar[1] += a * v * fu_bar;
        params_bar[4] += limited_bar * (T::one() - slope);
        fv_bar
    }

    #[inline]
    fn relaxation_vjp<T: Real>(_: &[T; 5], _: &[T; 2], _: &[T; 2], _: &mut [T; 2], _: &mut [T; 5]) {}

    #[inline]
    fn reset_vjp<T: Real>(_: &[T; 5], threshold_bar: T, value_bar: T, params_bar: &mut [T; 5]) {
        params_bar[4] += threshold_bar;
        params_bar[2] += value_bar;
    }

    #[inline]
    fn jump_vjp<T: Real>(
        _: &[T; 5],
        _: &[T; 2],
        &[v_bar, u_bar]: &[T; 2],
        before_bar: &mut [T; 2],
        params_bar: &mut [T; 5],
    ) {
        before_bar[0] += v_bar;
        before_bar[1] += u_bar;
        params_bar[3] += u_bar;
    }

    #[inline]
    fn refractory_vjp<T: Real>(_: &[T; 5], _: T, _: &mut [T; 5]) {}
}
