//! FitzHugh-Nagumo neuron: excitability in two variables, without a reset (equation (61)).
//!
//! Sources: FitzHugh (1961); Nagumo, Arimoto & Yoshizawa (1962).

use crate::math::real;
use crate::neuron::{Integration, Neuron, NeuronVjp, Parameter, Reset};
use crate::real::Real;

/// FitzHugh-Nagumo: `dv/dt = v - v^3 / 3 - w + I`, `dw/dt = (v + a - b w) / tau_w`.
///
/// Voltage, recovery and current have no unit; the time constant of the voltage is 1 ms. It fires repetitively between
/// the currents 0.33 and 1.42. Charge is released while `v` rises through the gate's zone below `v_theta`.
///
/// ```
/// use spikegrad_models::{FitzHughNagumo, Neuron};
/// let neuron = FitzHughNagumo::default();
/// let [v, w] = neuron.rest();
/// assert!((v + 1.1994).abs() < 1e-4 && (w + 0.6243).abs() < 1e-4);
/// let [dv, dw] = FitzHughNagumo::rhs(&neuron.params(), &[v, w], 0.5);
/// assert!((dv - 0.5).abs() < 1e-12 && dw.abs() < 1e-12);
/// ```
#[doc(alias = "FHN")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitzHughNagumo {
    /// Offset of the recovery's nullcline.
    pub a: f64,
    /// Slope of the recovery's nullcline.
    pub b: f64,
    /// Time constant of the recovery, ms.
    pub tau_w: f64,
    /// Upper end of the gate's zone.
    pub v_theta: f64,
}

impl Default for FitzHughNagumo {
    /// FitzHugh's `a = 0.7`, `b = 0.8`, `tau_w = 12.5`; the zone ends at 1.
    fn default() -> Self {
        Self { a: 0.7, b: 0.8, tau_w: 12.5, v_theta: 1.0 }
    }
}

impl Neuron for FitzHughNagumo {
    const NAME: &'static str = "FitzHugh-Nagumo";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::new("a", "1"),
        Parameter::positive("b", "1"),
        Parameter::positive("tau_w", "ms"),
        Parameter::new("v_theta", "1"),
    ];
    const VARIABLES: &'static [Parameter] = &[Parameter::new("v", "1"), Parameter::new("w", "1")];
    const CURRENT: &'static str = "1";
    const METHOD: Integration = Integration::RungeKutta4;
    type State<T: Real> = [T; 2];
    type Params<T: Real> = [T; 4];

    fn params(&self) -> [f64; 4] {
        [self.a, self.b, self.tau_w, self.v_theta]
    }

    fn from_params(&[a, b, tau_w, v_theta]: &[f64; 4]) -> Self {
        Self { a, b, tau_w, v_theta }
    }

    #[inline(always)]
    fn rhs<T: Real>(&[a, b, tau_w, _]: &[T; 4], &[v, w]: &[T; 2], current: T) -> [T; 2] {
        [v - v * v * v * real(1.0 / 3.0) - w + current, (v + a - b * w) / tau_w]
    }

    #[inline(always)]
    fn reset<T: Real>(params: &[T; 4]) -> Reset<T> {
        Reset::Latch { threshold: params[3] }
    }

    fn rest(&self) -> [f64; 2] {
        // On the recovery's nullcline dv/dt falls from plus to minus infinity; its first zero from below is the rest.
        let w = |v: f64| (v + self.a) / self.b;
        let slope = |v: f64| v - v * v * v / 3.0 - w(v);
        let (mut low, mut high) = (-1e3, -1e3);
        while slope(high) > 0.0 && high < 1e3 {
            (low, high) = (high, high * 0.99 + 0.01 * high.abs().min(1.0));
        }
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if slope(middle) > 0.0 { low = middle } else { high = middle }
        }
        let v = 0.5 * (low + high);
        [v, w(v)]
    }
}

impl NeuronVjp for FitzHughNagumo {
    #[inline(always)]
    fn rhs_vjp<T: Real>(
        &[a, b, tau_w, _]: &[T; 4],
        &[v, w]: &[T; 2],
        _: T,
        &[fv_bar, fw_bar]: &[T; 2],
        [v_bar, w_bar]: &mut [T; 2],
        [a_bar, b_bar, tau_bar, _]: &mut [T; 4],
    ) -> T {
        let recovery = fw_bar / tau_w;
        *v_bar += fv_bar * (T::one() - v * v) + recovery;
        *w_bar -= fv_bar + recovery * b;
        *a_bar += recovery;
        *b_bar -= recovery * w;
        *tau_bar -= recovery * (v + a - b * w) / tau_w;
        fv_bar
    }

    #[inline(always)]
    fn relaxation_vjp<T: Real>(_: &[T; 4], _: &[T; 2], _: &[T; 2], _: &mut [T; 2], _: &mut [T; 4]) {}

    #[inline(always)]
    fn reset_vjp<T: Real>(_: &[T; 4], threshold_bar: T, _: T, params_bar: &mut [T; 4]) {
        params_bar[3] += threshold_bar;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Orbit;

    /// 400 ms from the rest at a constant current.
    fn firing(current: f64) -> Orbit {
        let neuron = FitzHughNagumo::default();
        let p = neuron.params();
        Orbit::new(|x| FitzHughNagumo::rhs(&p, x, current), neuron.rest(), 0.005, 80_000, 0.0)
    }

    /// The rest loses its stability where the trace of the Jacobian vanishes, at `v = -+sqrt(1 - b / tau_w)` (FitzHugh
    /// 1961): with `w = (v + a) / b` that is at the currents 0.3313 and 1.4187.
    #[test]
    fn fires_between_the_two_hopf_bifurcations() {
        let FitzHughNagumo { a, b, tau_w, .. } = FitzHughNagumo::default();
        let at = |v: f64| (v + a) / b - v + v * v * v / 3.0;
        let edge = (1.0 - b / tau_w).sqrt();
        assert!((at(-edge) - 0.331_3).abs() < 1e-4 && (at(edge) - 1.418_7).abs() < 1e-4);
        assert!(firing(0.30).crossings.len() <= 1 && firing(1.45).crossings.len() <= 1);
        assert!(firing(0.34).crossings.len() > 5 && firing(1.41).crossings.len() > 5);
    }

    /// Without `a`, `b` and current the model is van der Pol's oscillator, from which FitzHugh made it, `v'' - (1 - v^2) v' + v
    /// = 0` at `tau_w` = 1 ms. Its period and amplitude are known to hundreds of digits (Amore 2021). For other `tau_w` it is
    /// that of the damping `mu = sqrt(tau_w)`, with time in units of `mu`, and its frequency has the series of Andersen & Geer
    /// (1982).
    #[test]
    fn limit_cycle_of_van_der_pol_has_its_published_period_and_amplitude() {
        let cycle = |tau_w: f64| {
            let p = FitzHughNagumo { a: 0.0, b: 0.0, tau_w, ..FitzHughNagumo::default() }.params();
            Orbit::new(|x| FitzHughNagumo::rhs(&p, x, 0.0), [2.0, 0.0], 1e-3, 100_000, 0.0)
        };
        let orbit = cycle(1.0);
        assert!((orbit.period() - 6.663_286_859_323).abs() < 1e-10, "{}", orbit.period());
        for extreme in orbit.extremes {
            assert!((extreme.abs() - 2.008_619_860_875).abs() < 1e-6, "{extreme}");
        }
        let period = cycle(0.25).period();
        let (mu, e) = (0.5, 0.25_f64);
        let series = [1.0, -1.0 / 16.0, 17.0 / 3072.0, 35.0 / 884_736.0, -678_899.0 / 5_096_079_360.0];
        let frequency = series.iter().rev().fold(0.0, |sum, c| sum * e + c);
        assert!((period / mu * frequency - std::f64::consts::TAU).abs() < 1e-6, "{period}");
    }

    /// At `I = 0.5` the limit cycle of the textbooks runs between the outer branches of the cubic, `v = -2` and `v = 2`;
    /// the figures are those of an independent solution of the fourth order.
    #[test]
    fn limit_cycle_has_its_period_and_amplitude() {
        let orbit = firing(0.5);
        let (period, [low, high]) = (orbit.period(), orbit.extremes);
        assert!((period - 39.474).abs() < 0.01, "{period}");
        assert!((low + 1.970).abs() < 2e-3 && (high - 1.852).abs() < 2e-3, "{low} {high}");
    }
}
