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
        // With the charge as a variable that stays as it is, the step is the exponential of one matrix `M`; beside it, above the
        // diagonal of twice as large a matrix, stands its derivative in a direction: exp [M D; 0 M] = [exp M, L; 0, exp M].
        let size = stages + 1;
        // What relaxes faster than this in a step has nothing left to the last digit.
        let rate = |tau: T| (h / tau).min(real(1e15));
        let m = |row: usize, column: usize| match row {
            0 => T::zero(),
            _ if column == row => -rate(taus[row - 1]),
            _ if column + 1 == row => rate(taus[row - 1]),
            _ => T::zero(),
        };
        let in_direction = |stage: Option<usize>| {
            let mut both = vec![T::zero(); 4 * size * size];
            for row in 0..size {
                for column in 0..size {
                    let entry = m(row, column);
                    both[row * 2 * size + column] = entry;
                    both[(size + row) * 2 * size + size + column] = entry;
                    if stage.is_some_and(|stage| row == stage + 1) && h / taus[row - 1] < real(1e15) {
                        both[row * 2 * size + size + column] = -entry / taus[row - 1];
                    }
                }
            }
            exponential(both, 2 * size)
        };
        let block = |all: &[T], right: usize| {
            let rows = (1..size).flat_map(|row| (0..size).map(move |column| (row, column)));
            rows.map(|(row, column)| all[row * 2 * size + right + column]).collect::<Vec<_>>()
        };
        let step = block(&in_direction(None), 0);
        let by_tau = (0..stages).map(|stage| block(&in_direction(Some(stage)), size)).collect();
        Self { stages, step, by_tau, h }
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

/// The exponential of a square matrix by scaling, a Taylor polynomial and squaring: exact to rounding for the small stable
/// matrices of a cascade, and the same for dual numbers.
fn exponential<T: RealField + Copy>(mut m: Vec<T>, size: usize) -> Vec<T> {
    let norm = m.iter().fold(T::zero(), |most, x| most.max(x.abs()));
    let (mut squarings, mut scale) = (0, T::one());
    while norm * scale > real(0.25) {
        (squarings, scale) = (squarings + 1, scale * real(0.5));
    }
    m.iter_mut().for_each(|x| *x *= scale);
    let product = |a: &[T], b: &[T]| {
        let entry =
            |i: usize, j: usize| (0..size).fold(T::zero(), |sum, k| sum + a[i * size + k] * b[k * size + j]);
        (0..size * size).map(|at| entry(at / size, at % size)).collect::<Vec<_>>()
    };
    let identity = |at: usize| if at / size == at % size { T::one() } else { T::zero() };
    // Horner's rule; 0.5^18 / 18! is below the rounding of a double.
    let mut sum: Vec<T> = (0..size * size).map(identity).collect();
    for k in (1..=18).rev() {
        sum = product(&m, &sum);
        let over = T::one() / real(f64::from(k));
        sum.iter_mut().enumerate().for_each(|(at, x)| *x = *x * over + identity(at));
    }
    for _ in 0..squarings {
        sum = product(&sum, &sum);
    }
    sum
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
