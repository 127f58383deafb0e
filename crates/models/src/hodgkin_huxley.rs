//! Hodgkin-Huxley neuron: sodium, potassium and leak currents of the squid's giant axon (equations (62), (63)).
//!
//! Source: Hodgkin & Huxley (1952), table 3, in the modern sign convention with the rest at -65 mV.

use crate::math::{linoid, linoid_derivative, real};
use crate::neuron::{Integration, Neuron, NeuronVjp, Parameter, Reset};
use crate::real::Real;

/// Hodgkin-Huxley: `C dv/dt = I - g_Na m^3 h (v - E_Na) - g_K n^4 (v - E_K) - g_L (v - E_L)` with gates
/// `dx/dt = alpha_x(v) (1 - x) - beta_x(v) x`, `x = m, h, n`, at 6.3 degrees Celsius.
///
/// Voltage in mV, time in ms, current in uA/cm2, conductance in mS/cm2; the state is `(v, m, h, n)`. It fires
/// repetitively from 6.3 uA/cm2 on, at once with about 50 Hz. Charge is released while `v` rises through the gate's zone
/// below `v_theta`.
///
/// ```
/// use spikegrad_models::{HodgkinHuxley, Neuron};
/// let neuron = HodgkinHuxley::default();
/// let [v, m, h, n] = neuron.rest();
/// assert!((v + 65.0).abs() < 1e-2 && (m - 0.053).abs() < 1e-3);
/// assert!((h - 0.596).abs() < 1e-3 && (n - 0.318).abs() < 1e-3);
/// let [dv, ..] = HodgkinHuxley::rhs(&neuron.params(), &neuron.rest(), 10.0);
/// assert!((dv - 10.0).abs() < 1e-9);
/// ```
#[doc(alias = "HH")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HodgkinHuxley {
    /// Membrane capacitance `C`, uF/cm2.
    pub capacitance: f64,
    /// Sodium conductance, mS/cm2.
    pub g_na: f64,
    /// Potassium conductance, mS/cm2.
    pub g_k: f64,
    /// Leak conductance, mS/cm2.
    pub g_l: f64,
    /// Sodium reversal potential, mV.
    pub e_na: f64,
    /// Potassium reversal potential, mV.
    pub e_k: f64,
    /// Leak reversal potential, mV.
    pub e_l: f64,
    /// Upper end of the gate's zone, mV.
    pub v_theta: f64,
}

impl Default for HodgkinHuxley {
    /// The squid's giant axon; the zone ends at 0 mV.
    fn default() -> Self {
        Self {
            capacitance: 1.0,
            g_na: 120.0,
            g_k: 36.0,
            g_l: 0.3,
            e_na: 50.0,
            e_k: -77.0,
            e_l: -54.387,
            v_theta: 0.0,
        }
    }
}

/// Opening and closing rates of the gates at a voltage, or their derivatives by it.
struct Gates<T> {
    open: [T; 3],
    close: [T; 3],
}

/// `alpha_x(v)` and `beta_x(v)` of `m`, `h`, `n`, equation (63), 1/ms.
#[inline]
fn gates<T: Real>(v: T) -> Gates<T> {
    let exp = |from: f64, scale: f64| ((real::<T>(from) - v) * real(1.0 / scale)).exp();
    Gates {
        open: [
            linoid((v + real(40.0)) * real(0.1)),
            real::<T>(0.07) * exp(-65.0, 20.0),
            linoid((v + real(55.0)) * real(0.1)) * real(0.1),
        ],
        close: [
            real::<T>(4.0) * exp(-65.0, 18.0),
            T::one() / (T::one() + exp(-35.0, 10.0)),
            real::<T>(0.125) * exp(-65.0, 80.0),
        ],
    }
}

/// The derivatives of [`gates`] by the voltage, 1/(ms mV).
#[inline]
fn gates_by_v<T: Real>(v: T, at: &Gates<T>) -> Gates<T> {
    let [_, open_h, _] = at.open;
    let [close_m, close_h, close_n] = at.close;
    Gates {
        open: [
            linoid_derivative((v + real(40.0)) * real(0.1)) * real(0.1),
            open_h * real(-1.0 / 20.0),
            linoid_derivative((v + real(55.0)) * real(0.1)) * real(0.01),
        ],
        close: [
            close_m * real(-1.0 / 18.0),
            close_h * (T::one() - close_h) * real(0.1),
            close_n * real(-1.0 / 80.0),
        ],
    }
}

/// `(m^3 h, n^4)`: the open parts of sodium and potassium channels.
#[inline(always)]
fn open<T: Real>([m, h, n]: [T; 3]) -> (T, T) {
    (m * m * m * h, n * n * n * n)
}

/// Adds to the cotangents of `m`, `h`, `n` for those of the two open parts.
#[inline(always)]
fn open_vjp<T: Real>([m, h, n]: [T; 3], sodium_bar: T, potassium_bar: T, x_bar: &mut [T; 4]) {
    x_bar[1] += sodium_bar * real::<T>(3.0) * m * m * h;
    x_bar[2] += sodium_bar * m * m * m;
    x_bar[3] += potassium_bar * real::<T>(4.0) * n * n * n;
}

impl Neuron for HodgkinHuxley {
    const NAME: &'static str = "Hodgkin-Huxley";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::positive("C", "uF/cm2"),
        Parameter::positive("g_Na", "mS/cm2"),
        Parameter::positive("g_K", "mS/cm2"),
        Parameter::positive("g_L", "mS/cm2"),
        Parameter::new("E_Na", "mV"),
        Parameter::new("E_K", "mV"),
        Parameter::new("E_L", "mV"),
        Parameter::new("v_theta", "mV"),
    ];
    const VARIABLES: &'static [Parameter] = &[
        Parameter::new("v", "mV"),
        Parameter::new("m", "1"),
        Parameter::new("h", "1"),
        Parameter::new("n", "1"),
    ];
    const CURRENT: &'static str = "uA/cm2";
    const METHOD: Integration = Integration::ExponentialMidpoint;
    const RELAXES: bool = true;
    type State<T: Real> = [T; 4];
    type Params<T: Real> = [T; 8];

    fn params(&self) -> [f64; 8] {
        let Self { capacitance, g_na, g_k, g_l, e_na, e_k, e_l, v_theta } = *self;
        [capacitance, g_na, g_k, g_l, e_na, e_k, e_l, v_theta]
    }

    fn from_params(&[capacitance, g_na, g_k, g_l, e_na, e_k, e_l, v_theta]: &[f64; 8]) -> Self {
        Self { capacitance, g_na, g_k, g_l, e_na, e_k, e_l, v_theta }
    }

    #[inline]
    fn rhs<T: Real>(params: &[T; 8], &[v, m, h, n]: &[T; 4], current: T) -> [T; 4] {
        let [c, g_na, g_k, g_l, e_na, e_k, e_l, _] = *params;
        let (sodium, potassium) = open([m, h, n]);
        let Gates { open, close } = gates(v);
        let gate = |i: usize, x: T| open[i] * (T::one() - x) - close[i] * x;
        [
            (current - g_na * sodium * (v - e_na) - g_k * potassium * (v - e_k) - g_l * (v - e_l)) / c,
            gate(0, m),
            gate(1, h),
            gate(2, n),
        ]
    }

    #[inline]
    fn relaxation<T: Real>(params: &[T; 8], &[v, m, h, n]: &[T; 4]) -> [T; 4] {
        let [c, g_na, g_k, g_l, ..] = *params;
        let (sodium, potassium) = open([m, h, n]);
        let Gates { open: [m, h, n], close } = gates(v);
        [(g_na * sodium + g_k * potassium + g_l) / c, m + close[0], h + close[1], n + close[2]]
    }

    #[inline]
    fn reset<T: Real>(params: &[T; 8]) -> Reset<T> {
        Reset::Latch { threshold: params[7] }
    }

    fn rest(&self) -> [f64; 4] {
        let p = self.params();
        let steady = |v: f64| {
            let Gates { open, close } = gates(v);
            let x = |i: usize| open[i] / (open[i] + close[i]);
            [v, x(0), x(1), x(2)]
        };
        // The steady current falls with the voltage from the potassium potential to the sodium potential.
        let (mut low, mut high) = (self.e_k.min(self.e_l), self.e_na);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if Self::rhs(&p, &steady(middle), 0.0)[0] > 0.0 { low = middle } else { high = middle }
        }
        steady(0.5 * (low + high))
    }
}

impl NeuronVjp for HodgkinHuxley {
    #[inline]
    fn rhs_vjp<T: Real>(
        params: &[T; 8],
        &[v, m, h, n]: &[T; 4],
        current: T,
        f_bar: &[T; 4],
        x_bar: &mut [T; 4],
        params_bar: &mut [T; 8],
    ) -> T {
        let [c, g_na, g_k, g_l, e_na, e_k, e_l, _] = *params;
        let (sodium, potassium) = open([m, h, n]);
        let (d_na, d_k, d_l) = (v - e_na, v - e_k, v - e_l);
        let a = f_bar[0] / c;
        x_bar[0] -= a * (g_na * sodium + g_k * potassium + g_l);
        open_vjp([m, h, n], -a * g_na * d_na, -a * g_k * d_k, x_bar);

        let at = gates(v);
        let slope = gates_by_v(v, &at);
        for (i, x) in [m, h, n].into_iter().enumerate() {
            let bar = f_bar[i + 1];
            x_bar[i + 1] -= bar * (at.open[i] + at.close[i]);
            x_bar[0] += bar * (slope.open[i] * (T::one() - x) - slope.close[i] * x);
        }

        let fv = (current - g_na * sodium * d_na - g_k * potassium * d_k - g_l * d_l) / c;
        let add = [
            -a * fv,
            -a * sodium * d_na,
            -a * potassium * d_k,
            -a * d_l,
            a * g_na * sodium,
            a * g_k * potassium,
            a * g_l,
        ];
        for (target, value) in params_bar.iter_mut().zip(add) {
            *target += value;
        }
        a
    }

    #[inline]
    fn relaxation_vjp<T: Real>(
        params: &[T; 8],
        &[v, m, h, n]: &[T; 4],
        relaxation_bar: &[T; 4],
        x_bar: &mut [T; 4],
        params_bar: &mut [T; 8],
    ) {
        let [c, g_na, g_k, g_l, ..] = *params;
        let (sodium, potassium) = open([m, h, n]);
        let a = relaxation_bar[0] / c;
        open_vjp([m, h, n], a * g_na, a * g_k, x_bar);
        let slope = gates_by_v(v, &gates(v));
        for i in 0..3 {
            x_bar[0] += relaxation_bar[i + 1] * (slope.open[i] + slope.close[i]);
        }
        let total = (g_na * sodium + g_k * potassium + g_l) / c;
        for (target, value) in params_bar.iter_mut().zip([-a * total, a * sodium, a * potassium, a]) {
            *target += value;
        }
    }

    #[inline]
    fn reset_vjp<T: Real>(_: &[T; 8], threshold_bar: T, _: T, params_bar: &mut [T; 8]) {
        params_bar[7] += threshold_bar;
    }

    #[inline]
    fn jump_vjp<T: Real>(
        _: &[T; 8],
        _: &[T; 4],
        after_bar: &[T; 4],
        before_bar: &mut [T; 4],
        _: &mut [T; 8],
    ) {
        before_bar[1] += after_bar[1];
        before_bar[2] += after_bar[2];
        before_bar[3] += after_bar[3];
    }

    #[inline]
    fn refractory_vjp<T: Real>(_: &[T; 8], _: T, _: &mut [T; 8]) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Orbit;
    use num_dual::Dual64;

    /// The steady state at a voltage and the current that holds it there.
    fn steady(v: f64) -> ([f64; 4], f64) {
        let Gates { open, close } = gates(v);
        let x = [0, 1, 2].map(|i| open[i] / (open[i] + close[i]));
        let x = [v, x[0], x[1], x[2]];
        let neuron = HodgkinHuxley::default();
        (x, -neuron.capacitance * HodgkinHuxley::rhs(&neuron.params(), &x, 0.0)[0])
    }

    /// Whether a steady state is stable, by the criterion of Routh and Hurwitz on its Jacobian.
    fn is_stable(x: [f64; 4]) -> bool {
        let p = HodgkinHuxley::default().params().map(Dual64::from);
        let mut jacobian = [[0.0; 4]; 4];
        for j in 0..4 {
            let x = std::array::from_fn(|i| Dual64::new(x[i], f64::from(i == j)));
            let f = HodgkinHuxley::rhs(&p, &x, Dual64::from(0.0));
            (0..4).for_each(|i| jacobian[i][j] = f[i].eps);
        }
        // The characteristic polynomial by the method of Faddeev and Le Verrier.
        let (mut m, mut c) = ([[0.0; 4]; 4], [1.0; 5]);
        for k in 1..=4 {
            let mut next = [[0.0; 4]; 4];
            for (i, row) in next.iter_mut().enumerate() {
                for (j, entry) in row.iter_mut().enumerate() {
                    let product: f64 = (0..4).map(|l| jacobian[i][l] * m[l][j]).sum();
                    *entry = product + if i == j { c[k - 1] } else { 0.0 };
                }
            }
            m = next;
            let trace: f64 =
                (0..4).flat_map(|i| (0..4).map(move |l| (i, l))).map(|(i, l)| jacobian[i][l] * m[l][i]).sum();
            c[k] = -trace / k as f64;
        }
        c[1] > 0.0 && c[4] > 0.0 && c[1] * c[2] * c[3] > c[3] * c[3] + c[1] * c[1] * c[4]
    }

    /// Hassard (1978), Rinzel & Miller (1980): at 6.3 degrees the rest is unstable between 9.78 and 154.5 uA/cm2. Hendrick
    /// (2026) proves 12 digits of both edges for this leak potential.
    #[test]
    fn rest_loses_and_regains_its_stability_where_it_should() {
        let edge = |mut low: f64, mut high: f64| {
            let before = is_stable(steady(low).0);
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if is_stable(steady(middle).0) == before { low = middle } else { high = middle }
            }
            steady(low).1
        };
        let (first, second) = (edge(-65.0, -55.0), edge(-50.0, -35.0));
        assert!((first - 9.775_437_995_393).abs() < 1e-9, "{first}");
        assert!((second - 154.522_433_665_808).abs() < 1e-9, "{second}");
    }

    /// 300 ms from the rest at a constant current; a crossing of -20 mV is a spike.
    fn firing(current: f64) -> Orbit {
        let neuron = HodgkinHuxley::default();
        let p = neuron.params();
        Orbit::new(|x| HodgkinHuxley::rhs(&p, x, current), neuron.rest(), 0.01, 30_000, -20.0)
    }

    /// Rinzel & Miller (1980): stable repetitive firing begins at 6.26 uA/cm2, with a frequency that is not small (class II
    /// of Hodgkin 1948). Hodgkin & Huxley (1952), figure 12: action potentials of about 100 mV. The periods are those of an
    /// independent solution of the fourth order.
    #[test]
    fn fires_with_the_published_onset_period_and_amplitude() {
        assert!(firing(6.2).crossings.len() < 6, "{:?}", firing(6.2).crossings);
        let orbit = firing(6.3);
        assert!(orbit.crossings.len() > 10 && (orbit.period() - 19.1).abs() < 0.3, "{}", orbit.period());
        let amplitude = orbit.peak - HodgkinHuxley::default().rest()[0];
        assert!((95.0..110.0).contains(&amplitude), "{amplitude}");
        // 68 Hz at 10 uA/cm2.
        let period = firing(10.0).period();
        assert!((period - 14.64).abs() < 0.05, "{period}");
    }

    /// Hendrick (2026), theorem 5: at 8 uA/cm2 the stable periodic orbit has a period of 16.007 712 803 838 ms, enclosed by
    /// ball arithmetic. It runs from -75.1403 to 30.9574 mV, 10.1403 below and 95.9574 above -65 mV.
    #[test]
    fn limit_cycle_has_its_proved_period_and_extent() {
        let p = HodgkinHuxley::default().params();
        // Far from the rest, which is stable at this current.
        let start = [-45.0, 0.24, 0.39, 0.42];
        let orbit = Orbit::new(|x| HodgkinHuxley::rhs(&p, x, 8.0), start, 0.0025, 64_000, -45.0);
        let (period, [low, high]) = (orbit.period(), orbit.extremes);
        assert!((period - 16.007_712_803_838).abs() < 1e-8, "{period}");
        assert!((low + 75.140_3).abs() < 1e-3 && (high - 30.957_4).abs() < 1e-3, "{low} {high}");
    }
}
