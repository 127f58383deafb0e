//! The exact step of a cascade of exponential filters (equation (79)).

use simba::scalar::RealField;

/// `r_i' = sum_j phi_ij r_j + gamma_i q` over a step `h` in which the charge `q` is released evenly, for filters one behind the other,
/// `tau_1 dr_1/dt = -r_1 + q/h`, `tau_i dr_i/dt = -r_i + r_{i-1}`; and the derivatives by every time constant.
///
/// ```
/// use spikegrad_integrators::Cascade;
/// // Two filters of 5 ms are an alpha function: the first leaves h / tau exp(-h / tau) to the second.
/// let cascade = Cascade::new(&[5.0, 5.0], 0.5);
/// assert!((cascade.phi(1, 0) - 0.1 * f64::exp(-0.1)).abs() < 1e-15);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Cascade<T> {
    stages: usize,
    /// Row by row, with `h gamma` in column 0 and `phi` behind it.
    step: Vec<T>,
    /// The same, differentiated by the time constant of each filter.
    by_tau: Vec<Vec<T>>,
    h: T,
}

impl<T: RealField + Copy> Cascade<T> {
    /// The coefficients for time constants and a step `h`, all positive, ms.
    pub fn new(taus: &[T], h: T) -> Self {
        let stages = taus.len();
        // What relaxes faster than this in a step has nothing left to the last digit.
        let largest = real(1e15);
        let rate = |stage: usize| (h / taus[stage]).min(largest);
        // The charge, which stays as it is, and the filters: nodes of the divided differences.
        let nodes: Vec<T> = std::iter::once(T::zero()).chain((0..stages).map(|stage| -rate(stage))).collect();
        let entries = || (1..=stages).flat_map(|to| (0..=stages).map(move |from| (to, from)));
        let product = |to: usize, from: usize| (from..to).fold(T::one(), |product, l| product * rate(l));
        let step = entries().map(|(to, from)| match from <= to {
            true => product(to, from) * difference::<T, false>(&nodes[from..=to]),
            false => T::zero(),
        });
        let by_tau = (0..stages).map(|stage| {
            let node = stage + 1;
            let entry = |(to, from): (usize, usize)| {
                if !(from..=to).contains(&node) || h / taus[stage] > largest {
                    return T::zero();
                }
                let mut between = nodes[from..=to].to_vec();
                between.push(nodes[node]);
                if from == node {
                    return product(to, from) * rate(stage) / taus[stage] * difference::<T, false>(&between);
                }
                -product(to, from) / taus[stage] * difference::<T, true>(&between)
            };
            entries().map(entry).collect()
        });
        Self { stages, step: step.collect(), by_tau: by_tau.collect(), h }
    }

    /// Number of filters.
    pub fn stages(&self) -> usize {
        self.stages
    }

    /// What filter `to` has at the end of a step of a unit that filter `from` had at its start; zero where `from` comes later.
    pub fn phi(&self, to: usize, from: usize) -> T {
        self.step[to * (self.stages + 1) + 1 + from]
    }

    /// What a unit of charge adds to a filter, 1/ms.
    pub fn gamma(&self, to: usize) -> T {
        self.step[to * (self.stages + 1)] / self.h
    }

    /// The derivative of [`phi`](Self::phi) by the time constant of a filter, 1/ms.
    pub fn phi_by_tau(&self, to: usize, from: usize, of: usize) -> T {
        self.by_tau[of][to * (self.stages + 1) + 1 + from]
    }

    /// The derivative of [`gamma`](Self::gamma) by the time constant of a filter, 1/ms^2.
    pub fn gamma_by_tau(&self, to: usize, of: usize) -> T {
        self.by_tau[of][to * (self.stages + 1)] / self.h
    }
}

/// The constant `x` as a `T`.
fn real<T: RealField>(x: f64) -> T {
    T::from_subset(&x)
}

/// The divided difference of `exp(x)` over some nodes, or of `x exp(x)`, any of which may coincide (equation (79)): exact to rounding
/// wherever they lie, and for dual numbers too. The exponential of a matrix as a whole is not: where one filter relaxes much faster than
/// another, the rounding of the one is as large as what the other does.
fn difference<T: RealField + Copy, const TIMES_X: bool>(nodes: &[T]) -> T {
    let mut sorted = nodes.to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    of_sorted::<T, TIMES_X>(&sorted)
}

fn of_sorted<T: RealField + Copy, const TIMES_X: bool>(x: &[T]) -> T {
    let (Some(&first), Some(&last)) = (x.first(), x.last()) else { return T::zero() };
    let width = last - first;
    if width > real(2.0) {
        // Both differences of `exp` are positive, and far enough from each other.
        let (upper, lower) = (&x[1..], &x[..x.len() - 1]);
        return (of_sorted::<T, TIMES_X>(upper) - of_sorted::<T, TIMES_X>(lower)) / width;
    }
    // The difference of `t^n` is the sum of all products of `n - k` nodes; Taylor's series around their middle.
    let middle = x.iter().fold(T::zero(), |sum, &x| sum + x) / real(x.len() as f64);
    let order = x.len() - 1;
    let mut products = vec![T::zero(); x.len()];
    let (mut sum, mut over) = (T::zero(), T::one());
    (1..=order).for_each(|n| over /= real(n as f64));
    for m in 0..32 {
        let n = order + m;
        let mut before = if m == 0 { T::one() } else { T::zero() };
        for (product, &x) in products.iter_mut().zip(x) {
            before += (x - middle) * *product;
            *product = before;
        }
        if m > 0 {
            over /= real(n as f64);
        }
        let coefficient = if TIMES_X { (middle + real(n as f64)) * over } else { over };
        sum += products[order] * coefficient;
    }
    middle.exp() * sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decay;

    #[test]
    fn one_filter_is_the_exponential_synapse() {
        for (tau, h) in [(5.0, 0.1), (5.0, 40.0), (1e-3, 1.0), (1e4, 0.1), (1e-200, 1.0)] {
            let (cascade, decay) = (Cascade::new(&[tau], h), Decay::new(tau, h));
            let found = [
                cascade.phi(0, 0),
                cascade.gamma(0),
                cascade.phi_by_tau(0, 0, 0),
                cascade.gamma_by_tau(0, 0),
            ];
            // Derivatives are of the size of what they differentiate over the time constant.
            let expected: [(f64, f64); 4] = [
                (decay.a, 1.0),
                (decay.b, 1.0 / h),
                (decay.a_by_tau, 1.0 / tau),
                (decay.b_by_tau, 1.0 / (h * tau)),
            ];
            for (found, (expected, size)) in found.into_iter().zip(expected) {
                let close = 1e-13 * f64::max(expected.abs(), size);
                assert!((found - expected).abs() <= close, "{tau} {h}: {found} {expected}");
            }
        }
    }

    /// Closed forms at any step, short and long against the time constants, which lie apart.
    #[test]
    fn two_filters_have_the_closed_forms() {
        for h in [1e-3, 0.1, 1.0, 40.0, 1e3] {
            for (rise, tau) in [(2.0, 10.0), (10.0, 2.0), (0.5, 50.0), (3.0, 3.5)] {
                let cascade = Cascade::new(&[rise, tau], h);
                let (a, b) = (f64::exp(-h / rise), f64::exp(-h / tau));
                let passed = rise / (rise - tau) * (a - b);
                // 1 - b - passed over h, which cancels where the step is short.
                let gamma = (1.0 - (tau * b - rise * a) / (tau - rise)) / h;
                let lost = 1e-15 * tau * rise / ((tau - rise) * h).abs().max(1e-300);
                assert!((cascade.phi(1, 0) - passed).abs() < 1e-12, "{h} {rise} {tau}");
                assert!((cascade.phi(1, 1) - b).abs() < 1e-13 && cascade.phi(0, 1) == 0.0);
                let close = 1e-12 * gamma.abs() + 4.0 * lost + 1e-15 / h;
                assert!((cascade.gamma(1) - gamma).abs() < close, "{h} {rise} {tau}");
            }
            let (tau, cascade) = (4.0, Cascade::new(&[4.0, 4.0], h));
            let alpha = h / tau * f64::exp(-h / tau);
            assert!((cascade.phi(1, 0) - alpha).abs() < 1e-14, "{h}");
            let gamma = -(f64::exp_m1(-h / tau) + alpha) / h;
            assert!((cascade.gamma(1) - gamma).abs() < 1e-12 * gamma + 1e-15 / h, "{h}");
        }
    }

    /// A filter that relaxes within a small part of a step leaves what the other one does by itself, in both float types, and the
    /// derivatives stay those of the limit.
    #[test]
    fn filters_far_faster_than_a_step_leave_the_other_one_alone() {
        let (tau, h) = (10.0_f64, 0.5);
        let decay = Decay::new(tau, h);
        // The charge arrives later by the fast time constant: its part of the slow filter is that of a shorter step.
        let by_fast = -(-h / tau).exp() / (h * tau);
        for fast in [1e-2, 1e-3, 1e-5, 1e-8, 1e-12, 1e-14] {
            for swapped in [false, true] {
                let (fast_of, slow_of) = if swapped { (1, 0) } else { (0, 1) };
                let taus = if swapped { [tau, fast] } else { [fast, tau] };
                let (double, single) =
                    (Cascade::new(&taus, h), Cascade::new(&taus.map(|tau| tau as f32), h as f32));
                let found = [
                    double.gamma(1),
                    double.gamma_by_tau(1, slow_of),
                    double.gamma_by_tau(1, fast_of),
                    double.phi(1, 0),
                ];
                let single = [
                    single.gamma(1),
                    single.gamma_by_tau(1, slow_of),
                    single.gamma_by_tau(1, fast_of),
                    single.phi(1, 0),
                ];
                // What comes out of the fast one behind the slow one is the slow one's, as a rate.
                let scale = if swapped { fast / tau } else { 1.0 };
                let expected = [decay.b, decay.b_by_tau, by_fast];
                for (found, expected) in found.iter().zip(expected).take(if swapped { 0 } else { 3 }) {
                    let close = 2.0 * fast / h * expected.abs() + 1e-13 * (1.0 + expected.abs());
                    assert!((found - expected).abs() < close, "{fast}: {found} {expected}");
                }
                for (found, single) in found.into_iter().zip(single) {
                    let close = 3e-6 * (found.abs() + scale / h);
                    assert!((f64::from(single) - found).abs() < close, "{fast} {swapped}: {single} {found}");
                }
            }
        }
    }

    /// Time constants anywhere, near each other and decades apart: single precision has the digits of double precision.
    #[test]
    fn single_precision_has_the_digits_of_double_precision() {
        let mut state = 1_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        for case in 0..20_000 {
            let first = 10_f64.powf(7.0 * uniform() - 4.0);
            let factor =
                if case % 2 == 0 { 10_f64.powf(4.0 * uniform() - 2.0) } else { 1.0 + 0.01 * uniform() };
            let (single, h) = ([first as f32, (first * factor) as f32], 0.1_f32);
            let taus = single.map(f64::from);
            let (single, double) = (Cascade::new(&single, h), Cascade::new(&taus, f64::from(h)));
            for to in 0..2 {
                let close = |found: f32, expected: f64, scale: f64| {
                    let error = (f64::from(found) - expected).abs();
                    assert!(error < 2e-6 * (scale + expected.abs()), "{taus:?}: {found} {expected}");
                };
                close(single.gamma(to), double.gamma(to), 0.0);
                for of in 0..2 {
                    close(
                        single.gamma_by_tau(to, of),
                        double.gamma_by_tau(to, of),
                        double.gamma(to) / taus[of],
                    );
                    for from in 0..=to {
                        // Exponentials of large numbers have their rounding.
                        let scale = 1.0 / taus[of];
                        close(single.phi_by_tau(to, from, of), double.phi_by_tau(to, from, of), scale);
                        close(single.phi(to, from), double.phi(to, from), 1.0);
                    }
                }
            }
        }
    }

    #[test]
    fn derivatives_are_those_of_dual_numbers() {
        use num_dual::Dual64;
        for (taus, h) in [([2.0, 10.0], 0.5), ([4.0, 4.0], 1.0), ([0.1, 30.0], 5.0), ([20.0, 1.0], 1e-2)] {
            let cascade = Cascade::new(&taus, h);
            for of in 0..2 {
                let seed = |i: usize| Dual64::new(taus[i], f64::from(i == of));
                let dual = Cascade::new(&[seed(0), seed(1)], Dual64::from(h));
                for to in 0..2 {
                    let (found, expected) = (cascade.gamma_by_tau(to, of), dual.gamma(to).eps);
                    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
                    for from in 0..2 {
                        let (found, expected) = (cascade.phi_by_tau(to, from, of), dual.phi(to, from).eps);
                        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
                    }
                }
            }
        }
    }
}
