//! Morris-Lecar neuron: two state variables and a full action potential without a reset (equation (33)).
//!
//! Sources: Morris & Lecar (1981); the three sets of parameters: Rinzel & Ermentrout (1998), as in table 3.1 of Ermentrout
//! & Terman (2010).

use crate::math::real;
use crate::neuron::{Array, Integration, Neuron, NeuronVjp, Parameter, Reset};
use crate::real::Real;

/// Morris-Lecar: `C dv/dt = I - g_L (v - V_L) - g_Ca m(v) (v - V_Ca) - g_K w (v - V_K)`,
/// `dw/dt = phi (w_inf(v) - w) / tau_w(v)`, with `m = (1 + tanh((v - V_1) / V_2)) / 2`,
/// `w_inf = (1 + tanh((v - V_3) / V_4)) / 2`, `tau_w = 1 / cosh((v - V_3) / (2 V_4))`.
///
/// Voltage in mV, time in ms, current in uA/cm2, conductance in mS/cm2. Charge is released while `v` rises through the
/// gate's zone below `v_theta`.
///
/// ```
/// use spikegrad_models::{MorrisLecar, Neuron};
/// let neuron = MorrisLecar::default();
/// let [dv, dw] = MorrisLecar::rhs(&neuron.params(), &neuron.rest(), 0.0);
/// assert!(dv.abs() < 1e-9 && dw.abs() < 1e-9);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MorrisLecar {
    /// Membrane capacitance `C`, uF/cm2.
    pub capacitance: f64,
    /// Leak conductance, mS/cm2.
    pub g_l: f64,
    /// Calcium conductance, mS/cm2.
    pub g_ca: f64,
    /// Potassium conductance, mS/cm2.
    pub g_k: f64,
    /// Leak reversal potential, mV.
    pub v_l: f64,
    /// Calcium reversal potential, mV.
    pub v_ca: f64,
    /// Potassium reversal potential, mV.
    pub v_k: f64,
    /// Half-activation voltage of calcium, mV.
    pub v_1: f64,
    /// Activation slope of calcium, mV.
    pub v_2: f64,
    /// Half-activation voltage of potassium, mV.
    pub v_3: f64,
    /// Activation slope of potassium, mV.
    pub v_4: f64,
    /// Rate scale of the potassium gate, 1/ms.
    pub phi: f64,
    /// Upper end of the gate's zone, mV.
    pub v_theta: f64,
}

impl Default for MorrisLecar {
    /// [`snic`](Self::snic), type I excitability.
    fn default() -> Self {
        Self::snic()
    }
}

impl MorrisLecar {
    fn of([g_ca, v_3, v_4, phi]: [f64; 4]) -> Self {
        Self {
            capacitance: 20.0,
            g_l: 2.0,
            g_ca,
            g_k: 8.0,
            v_l: -60.0,
            v_ca: 120.0,
            v_k: -84.0,
            v_1: -1.2,
            v_2: 18.0,
            v_3,
            v_4,
            phi,
            v_theta: 0.0,
        }
    }

    /// Type II: firing sets in by a Hopf bifurcation at 94 uA/cm2 and ends by another at 212, at no small frequency.
    pub fn hopf() -> Self {
        Self::of([4.4, 2.0, 30.0, 0.04])
    }

    /// Type I: firing sets in by a saddle-node on an invariant circle at 40 uA/cm2, at zero frequency.
    pub fn snic() -> Self {
        Self::of([4.0, 12.0, 17.4, 0.067])
    }

    /// Faster recovery than [`snic`](Self::snic): firing ends by a homoclinic orbit below the saddle-node, and between the
    /// two a neuron may rest or fire.
    pub fn homoclinic() -> Self {
        Self::of([4.0, 12.0, 17.4, 0.23])
    }
}

/// `(1 + tanh x) / 2`.
#[inline(always)]
fn sigmoid<T: Real>(x: T) -> T {
    (T::one() + x.tanh()) * real(0.5)
}

impl Neuron for MorrisLecar {
    const NAME: &'static str = "Morris-Lecar";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::positive("C", "uF/cm2"),
        Parameter::positive("g_L", "mS/cm2"),
        Parameter::positive("g_Ca", "mS/cm2"),
        Parameter::positive("g_K", "mS/cm2"),
        Parameter::new("V_L", "mV"),
        Parameter::new("V_Ca", "mV"),
        Parameter::new("V_K", "mV"),
        Parameter::new("V_1", "mV"),
        Parameter::positive("V_2", "mV"),
        Parameter::new("V_3", "mV"),
        Parameter::positive("V_4", "mV"),
        Parameter::positive("phi", "1/ms"),
        Parameter::new("v_theta", "mV"),
    ];
    const VARIABLES: &'static [Parameter] = &[Parameter::new("v", "mV"), Parameter::new("w", "1")];
    const CURRENT: &'static str = "uA/cm2";
    const METHOD: Integration = Integration::RungeKutta4;
    const RELAXES: bool = true;
    type State<T: Real> = [T; 2];
    type Params<T: Real> = [T; 13];

    fn params(&self) -> [f64; 13] {
        let Self { capacitance, g_l, g_ca, g_k, v_l, v_ca, v_k, v_1, v_2, v_3, v_4, phi, v_theta } = *self;
        [capacitance, g_l, g_ca, g_k, v_l, v_ca, v_k, v_1, v_2, v_3, v_4, phi, v_theta]
    }

    fn from_params(
        &[capacitance, g_l, g_ca, g_k, v_l, v_ca, v_k, v_1, v_2, v_3, v_4, phi, v_theta]: &[f64; 13],
    ) -> Self {
        Self { capacitance, g_l, g_ca, g_k, v_l, v_ca, v_k, v_1, v_2, v_3, v_4, phi, v_theta }
    }

    #[inline]
    fn rhs<T: Real>(params: &[T; 13], &[v, w]: &[T; 2], current: T) -> [T; 2] {
        let [c, g_l, g_ca, g_k, v_l, v_ca, v_k, v_1, v_2, v_3, v_4, phi, _] = *params;
        let m = sigmoid((v - v_1) / v_2);
        let y = (v - v_3) / v_4;
        [
            (current - g_l * (v - v_l) - g_ca * m * (v - v_ca) - g_k * w * (v - v_k)) / c,
            phi * (sigmoid(y) - w) * (y * real(0.5)).cosh(),
        ]
    }

    #[inline]
    fn relaxation<T: Real>(params: &[T; 13], &[v, w]: &[T; 2]) -> [T; 2] {
        let [c, g_l, g_ca, g_k, _, _, _, v_1, v_2, v_3, v_4, phi, _] = *params;
        let m = sigmoid((v - v_1) / v_2);
        [(g_l + g_ca * m + g_k * w) / c, phi * ((v - v_3) / v_4 * real(0.5)).cosh()]
    }

    #[inline]
    fn reset<T: Real>(params: &[T; 13]) -> Reset<T> {
        Reset::Latch { threshold: params[12] }
    }

    fn rest(&self) -> [f64; 2] {
        // The steady current-voltage curve is followed up from the potassium potential to its first zero.
        let p = self.params();
        let steady = |v: f64| {
            let w = sigmoid((v - self.v_3) / self.v_4);
            (Self::rhs(&p, &[v, w], 0.0)[0], w)
        };
        let (mut low, mut high) = (self.v_k, self.v_k);
        while steady(high).0 > 0.0 && high < self.v_ca {
            low = high;
            high += 0.5;
        }
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if steady(middle).0 > 0.0 { low = middle } else { high = middle }
        }
        let v = 0.5 * (low + high);
        [v, steady(v).1]
    }
}

impl NeuronVjp for MorrisLecar {
    #[inline]
    fn rhs_vjp<T: Real>(
        params: &[T; 13],
        &[v, w]: &[T; 2],
        current: T,
        &[fv_bar, fw_bar]: &[T; 2],
        [v_bar, w_bar]: &mut [T; 2],
        params_bar: &mut [T; 13],
    ) -> T {
        let [c, g_l, g_ca, g_k, v_l, v_ca, v_k, v_1, v_2, v_3, v_4, phi, _] = *params;
        let half = real::<T>(0.5);
        let (x, y) = ((v - v_1) / v_2, (v - v_3) / v_4);
        let (m, w_inf) = (sigmoid(x), sigmoid(y));
        // d sigmoid / dx = (1 - tanh^2) / 2 = 2 s (1 - s).
        let (dm, dw_inf) = (real::<T>(2.0) * m * (T::one() - m), real::<T>(2.0) * w_inf * (T::one() - w_inf));
        let (cosh, sinh) = ((y * half).cosh(), (y * half).sinh());
        let (e_l, e_ca, e_k) = (v - v_l, v - v_ca, v - v_k);

        let a = fv_bar / c;
        let m_bar = -a * g_ca * e_ca;
        let x_bar = m_bar * dm;
        let b = fw_bar * phi;
        let y_bar = b * (dw_inf * cosh + (w_inf - w) * sinh * half);
        *v_bar += x_bar / v_2 + y_bar / v_4 - a * (g_l + g_ca * m + g_k * w);
        *w_bar -= a * g_k * e_k + b * cosh;

        let fv = (current - g_l * e_l - g_ca * m * e_ca - g_k * w * e_k) / c;
        let add = [
            -a * fv,
            -a * e_l,
            -a * m * e_ca,
            -a * w * e_k,
            a * g_l,
            a * g_ca * m,
            a * g_k * w,
            -x_bar / v_2,
            -x_bar * x / v_2,
            -y_bar / v_4,
            -y_bar * y / v_4,
            fw_bar * (w_inf - w) * cosh,
        ];
        for (target, value) in params_bar.as_mut().iter_mut().zip(add) {
            *target += value;
        }
        a
    }

    #[inline]
    fn relaxation_vjp<T: Real>(
        params: &[T; 13],
        &[v, w]: &[T; 2],
        &[rv_bar, rw_bar]: &[T; 2],
        [v_bar, w_bar]: &mut [T; 2],
        params_bar: &mut [T; 13],
    ) {
        let [c, g_l, g_ca, g_k, _, _, _, v_1, v_2, v_3, v_4, phi, _] = *params;
        let half = real::<T>(0.5);
        let (x, y) = ((v - v_1) / v_2, (v - v_3) / v_4);
        let m = sigmoid(x);
        let a = rv_bar / c;
        let x_bar = a * g_ca * real(2.0) * m * (T::one() - m);
        let y_bar = rw_bar * phi * (y * half).sinh() * half;
        *v_bar += x_bar / v_2 + y_bar / v_4;
        *w_bar += a * g_k;
        let total = (g_l + g_ca * m + g_k * w) / c;
        let add = [
            (0, -a * total),
            (1, a),
            (2, a * m),
            (3, a * w),
            (7, -x_bar / v_2),
            (8, -x_bar * x / v_2),
            (9, -y_bar / v_4),
            (10, -y_bar * y / v_4),
            (11, rw_bar * (y * half).cosh()),
        ];
        for (parameter, value) in add {
            params_bar[parameter] += value;
        }
    }

    fn reset_vjp<T: Real>(_: &[T; 13], threshold_bar: T, _: T, params_bar: &mut [T; 13]) {
        params_bar[<[T; 13] as Array<T>>::LEN - 1] += threshold_bar;
    }

    #[inline]
    fn jump_vjp<T: Real>(
        _: &[T; 13],
        _: &[T; 2],
        after_bar: &[T; 2],
        before_bar: &mut [T; 2],
        _: &mut [T; 13],
    ) {
        before_bar[1] += after_bar[1];
    }

    #[inline]
    fn refractory_vjp<T: Real>(_: &[T; 13], _: T, _: &mut [T; 13]) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Orbit;

    /// The steady state at a voltage and the current that holds it there.
    fn steady(neuron: &MorrisLecar, v: f64) -> ([f64; 2], f64) {
        let x = [v, sigmoid((v - neuron.v_3) / neuron.v_4)];
        (x, -neuron.capacitance * MorrisLecar::rhs(&neuron.params(), &x, 0.0)[0])
    }

    /// Trace and determinant of the Jacobian.
    fn linearised(neuron: &MorrisLecar, x: &[f64; 2], current: f64) -> (f64, f64) {
        let p = neuron.params();
        let row = |f_bar: [f64; 2]| {
            let (mut x_bar, mut params_bar) = ([0.0; 2], [0.0; 13]);
            MorrisLecar::rhs_vjp(&p, x, current, &f_bar, &mut x_bar, &mut params_bar);
            x_bar
        };
        let ([a, b], [c, d]) = (row([1.0, 0.0]), row([0.0, 1.0]));
        (a + d, a * d - b * c)
    }

    /// The current at which a quantity of the steady state changes its sign between two voltages.
    fn edge(neuron: &MorrisLecar, between: [f64; 2], sign: impl Fn(&[f64; 2], f64) -> f64) -> f64 {
        let [mut low, mut high] = between;
        let of = |v: f64| {
            let (x, current) = steady(neuron, v);
            sign(&x, current)
        };
        let before = of(low);
        assert!(before * of(high) < 0.0, "no change of sign");
        for _ in 0..80 {
            let middle = 0.5 * (low + high);
            if of(middle) * before > 0.0 { low = middle } else { high = middle }
        }
        steady(neuron, low).1
    }

    /// Upward crossings of 0 mV over a second from a state.
    fn spikes(neuron: &MorrisLecar, start: [f64; 2], current: f64) -> usize {
        let p = neuron.params();
        Orbit::new(|x| MorrisLecar::rhs(&p, x, current), start, 0.02, 50_000, 0.0).crossings.len()
    }

    /// Rinzel & Ermentrout (1998), figure 7.6: type I, repetitive firing sets in near 40 uA/cm2 at zero frequency, and
    /// the resting potential lies near -60 mV.
    #[test]
    fn fires_above_forty_microamperes_only() {
        let neuron = MorrisLecar::snic();
        let rest = neuron.rest();
        assert!((-61.0..-58.0).contains(&rest[0]), "{rest:?}");
        assert!(spikes(&neuron, rest, 38.0) <= 1);
        let (slow, fast) = (spikes(&neuron, rest, 41.0), spikes(&neuron, rest, 60.0));
        assert!((1..10).contains(&slow) && fast > slow, "{slow} {fast}");
    }

    /// The rest that the exercises to Rinzel & Ermentrout (1998) start from in the phase plane of type I is (-41.84, 0.002);
    /// 30 uA/cm2 hold it there.
    #[test]
    fn rests_where_it_should_at_thirty_microamperes() {
        let ([_, w], current) = steady(&MorrisLecar::snic(), -41.84);
        assert!((current - 30.0).abs() < 0.05 && (w - 0.002).abs() < 1e-3, "{current} {w}");
    }

    /// Ermentrout & Terman (2010), section 3.2: the rest loses its stability at 94 uA/cm2 and regains it at 212.
    #[test]
    fn hopf_bifurcations_are_where_they_should_be() {
        let neuron = MorrisLecar::hopf();
        let trace = |x: &[f64; 2], current: f64| linearised(&neuron, x, current).0;
        let (first, second) = (edge(&neuron, [-40.0, -10.0], trace), edge(&neuron, [0.0, 20.0], trace));
        assert!((first - 94.0).abs() < 0.5 && (second - 212.0).abs() < 0.5, "{first} {second}");
        assert!(spikes(&neuron, neuron.rest(), 80.0) <= 1 && spikes(&neuron, neuron.rest(), 100.0) > 5);
    }

    /// Ermentrout & Terman (2010), section 3.2: the same saddle-node at 40 uA/cm2 for both sets of type I, below which the
    /// homoclinic one has a rest and a firing state.
    #[test]
    fn rest_and_firing_coexist_below_the_saddle_node_of_the_homoclinic_set_only() {
        for (neuron, bistable) in [(MorrisLecar::snic(), false), (MorrisLecar::homoclinic(), true)] {
            let fold = edge(&neuron, [-40.0, -20.0], |x, current| linearised(&neuron, x, current).1);
            assert!((fold - 40.0).abs() < 0.5, "{fold}");
            let below = fold - 1.0;
            assert!(spikes(&neuron, neuron.rest(), below) <= 1);
            let depolarised = spikes(&neuron, [0.0, 0.0], below);
            assert_eq!(depolarised > 10, bistable, "{depolarised}");
        }
    }

    /// The example of the manual of MatCont (Dhooge, Govaerts & Kuznetsov 2003), without units: the Hopf bifurcation and both
    /// folds of the rest, and the fold of the limit cycles at the current 0.084 569 48 with the period 4.222 011, where a stable
    /// one and an unstable one meet. Near it the period goes with the square root of the distance.
    #[test]
    fn limit_cycle_ends_where_it_should_with_its_published_period() {
        let neuron = MorrisLecar {
            capacitance: 1.0,
            g_l: 0.5,
            g_ca: 1.0,
            g_k: 2.0,
            v_l: -0.5,
            v_ca: 1.0,
            v_k: -0.7,
            v_1: -0.01,
            v_2: 0.15,
            v_3: 0.1,
            v_4: 0.145,
            phi: 1.15,
            v_theta: 0.0,
        };
        let trace = |x: &[f64; 2], current: f64| linearised(&neuron, x, current).0;
        let determinant = |x: &[f64; 2], current: f64| linearised(&neuron, x, current).1;
        let found = [
            edge(&neuron, [0.0, 0.05], trace),
            edge(&neuron, [-0.1, 0.0], determinant),
            edge(&neuron, [-0.3, -0.2], determinant),
        ];
        for (found, published) in found.into_iter().zip([0.075_658, -0.020_727, 0.083_257]) {
            assert!((found - published).abs() < 2e-6, "{found} {published}");
        }
        let p = neuron.params();
        let cycle =
            |current: f64| Orbit::new(|x| MorrisLecar::rhs(&p, x, current), [0.2, 0.2], 0.02, 400_000, 0.04);
        let fold = 0.084_569_48;
        // A parabola of the square root, at zero.
        let [near, middle, far] = [1e-6, 4e-6, 9e-6].map(|distance| cycle(fold - distance).period());
        let at_fold = 3.0 * (near - middle) + far;
        assert!((at_fold - 4.222_011).abs() < 3e-4, "{at_fold}");
        // Beyond it, what is left of the cycle spirals into the rest.
        let last = |current: f64| cycle(current).crossings.last().copied();
        assert!(last(fold - 1e-6) > Some(7990.0) && last(fold + 1e-6) < Some(7000.0));
    }
}
