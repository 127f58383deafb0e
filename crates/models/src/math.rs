//! Elementary functions that the models share, written once so that every machine computes the same bits: sine and
//! cosine of a full turn as polynomials (no platform library, no fused multiply-add), branch-free so that a loop over
//! neurons vectorises, and a floor that dual numbers have as well.

use crate::real::Real;

/// The constant `x` as a `T`.
#[inline(always)]
pub fn real<T: Real>(x: f64) -> T {
    T::constant(x)
}

/// The largest integer not above `x`. Its derivative is zero wherever it has one, which is what dual numbers get.
#[inline(always)]
pub fn floor<T: Real>(x: T) -> T {
    x.floor()
}

/// `v` up to `top`, and beyond it a value that levels off at `top + room` (equation (51)); with the derivative by `v`.
///
/// Models that shoot up at threshold bound their upstroke by it: the stages of a step may lie far above threshold, where
/// no solution ever is. It can be differentiated twice at `top`, so that no method loses order up to the fourth.
///
/// ```
/// use spikegrad_models::math::ceiling;
/// assert_eq!(ceiling(-60.0, -40.0, 2.0), (-60.0, 1.0));
/// assert_eq!(ceiling(1e9, -40.0, 2.0), (-38.0, 0.0));
/// ```
#[inline(always)]
pub fn ceiling<T: Real>(v: T, top: T, room: T) -> (T, T) {
    if v <= top {
        return (v, T::one());
    }
    let level = ((v - top) / room).tanh();
    (top + room * level, T::one() - level * level)
}

// (sin r / r - 1) / r^2 and (cos r - 1 + r^2 / 2) / r^4 by powers of r^2 on [0, pi/2], such that the largest error of the
// sine and of the cosine is least: 2e-19 and 6e-18 for `f64`, 5e-9 and 4e-10 for `f32`.
const SIN: [f64; 8] = [
    -1.666_666_666_666_666_6e-1,
    8.333_333_333_333_115e-3,
    -1.984_126_984_118_596_2e-4,
    2.755_731_920_778_696_8e-6,
    -2.505_210_660_663_957_6e-8,
    1.605_892_783_653_817_5e-10,
    -7.642_712_929_277_582e-13,
    2.718_496_382_525_878e-15,
];
const COS: [f64; 7] = [
    4.166_666_666_666_583e-2,
    -1.388_888_888_883_005e-3,
    2.480_158_728_578_391_6e-5,
    -2.755_731_706_851_25e-7,
    2.087_659_259_262_445_5e-9,
    -1.146_363_544_138_024_8e-11,
    4.616_135_097_792_085e-14,
];
const SIN_SINGLE: [f64; 4] = [
    -1.666_665_709_650_872_7e-1,
    8.333_017_291_656_102e-3,
    -1.980_661_520_755_544e-4,
    2.600_054_780_233_956_6e-6,
];
const COS_SINGLE: [f64; 4] = [
    4.166_665_577_316_456_4e-2,
    -1.388_856_916_189_673_8e-3,
    2.476_930_424_451_173_8e-5,
    -2.619_381_528_822_437e-7,
];

/// A polynomial in `z`, with even and odd powers apart: two short chains of operations take less time than one.
#[inline(always)]
fn polynomial<T: Real, const N: usize>(z: T, coefficients: &[f64; N]) -> T {
    let (square, last) = (z * z, N - 1);
    let mut sums = [T::zero(); 2];
    (sums[last % 2], sums[(last - 1) % 2]) = (real(coefficients[last]), real(coefficients[last - 1]));
    for i in (0..last - 1).rev() {
        sums[i % 2] = sums[i % 2] * square + real(coefficients[i]);
    }
    sums[0] + z * sums[1]
}

#[inline(always)]
fn horner<T: Real>(z: T, coefficients: &[f64]) -> T {
    let (last, rest) = match coefficients.split_last() {
        Some(split) => split,
        None => return T::zero(),
    };
    rest.iter().rev().fold(real(*last), |sum, &c| sum * z + real(c))
}

/// The polynomials of [`half_angle`] by powers of `y^2`: sine over `y`, from that of `sin r`, and cosine.
const fn of_half<const N: usize, const M: usize>(series: &[f64], first: [f64; N]) -> [f64; M] {
    let (mut all, mut power, mut i) = ([0.0; M], std::f64::consts::SQRT_2, 0);
    while i < M {
        all[i] = power * if i < N { first[i] } else { series[i - N] };
        power *= std::f64::consts::PI * std::f64::consts::PI;
        i += 1;
    }
    all
}

const fn times_pi<const M: usize>(mut all: [f64; M]) -> [f64; M] {
    let mut i = 0;
    while i < M {
        all[i] *= std::f64::consts::PI;
        i += 1;
    }
    all
}

const HALF_SIN: [f64; 9] = times_pi(of_half(&SIN, [1.0]));
const HALF_COS: [f64; 9] = of_half(&COS, [1.0, -0.5]);
const HALF_SIN_SINGLE: [f64; 5] = times_pi(of_half(&SIN_SINGLE, [1.0]));
const HALF_COS_SINGLE: [f64; 6] = of_half(&COS_SINGLE, [1.0, -0.5]);

/// Sine and cosine of half the angle `2 pi x`, times `sqrt(2)`: `(s, c)` with `s^2 = 1 - cos 2 pi x`, `c^2 = 1 + cos 2 pi x` and
/// `s c = sin 2 pi x`, which need no fold and no sign to restore. `s = sqrt(2) sin pi y` and `c = sqrt(2) cos pi y`, where `y` in
/// `[-1/2, 1/2)` is what whole turns leave of `x`.
///
/// The absolute error is below `4 EPSILON` of the float type for `|x| <= 64` and grows with the spacing of `x` beyond.
///
/// ```
/// let (s, c) = spikegrad_models::math::half_angle(0.25_f64);
/// assert!((s * c - 1.0).abs() < 1e-15 && (s * s - 1.0).abs() < 1e-15);
/// ```
#[inline(always)]
pub fn half_angle<T: Real>(x: T) -> (T, T) {
    let y = x - floor(x + real(0.5));
    let z = y * y;
    if size_of::<T>() == size_of::<f32>() {
        (y * polynomial(z, &HALF_SIN_SINGLE), polynomial(z, &HALF_COS_SINGLE))
    } else {
        (y * polynomial(z, &HALF_SIN), polynomial(z, &HALF_COS))
    }
}

/// Half-width of the interval on which [`linoid`] is its series.
const LINOID_SERIES: f64 = 0.25;

// B_n / n! for the Bernoulli numbers with B_1 = 1/2: x / (1 - exp(-x)) = 1 + x/2 + x^2 (...).
const LINOID: [f64; 5] = [1.0 / 12.0, -1.0 / 720.0, 1.0 / 30_240.0, -1.0 / 1_209_600.0, 1.0 / 47_900_160.0];

/// `x / (1 - exp(-x))`, 1 at 0: the voltage dependence of many rates of ion channels (equation (63)).
///
/// Where the quotient is 0/0, or nearly so, it is summed as a series, so that value and derivative keep their digits in
/// dual numbers as well.
///
/// ```
/// use spikegrad_models::math::linoid;
/// assert_eq!(linoid(0.0), 1.0);
/// assert!((linoid(1.0_f64) - 1.0 / (1.0 - (-1.0_f64).exp())).abs() < 1e-15);
/// ```
#[inline]
pub fn linoid<T: Real>(x: T) -> T {
    if x.abs() < real(LINOID_SERIES) {
        let z = x * x;
        return T::one() + x * real(0.5) + z * horner(z, &LINOID);
    }
    -x / (-x).exp_m1()
}

/// The derivative of [`linoid`].
#[inline]
pub fn linoid_derivative<T: Real>(x: T) -> T {
    if x.abs() < real(LINOID_SERIES) {
        let [c0, c1, c2, c3, c4] = LINOID;
        let z = x * x;
        return real::<T>(0.5) + x * horner(z, &[2.0 * c0, 4.0 * c1, 6.0 * c2, 8.0 * c3, 10.0 * c4]);
    }
    // With y = 1 - exp(-x): (y - x exp(-x)) / y^2 = (1 + x - x / y) / y.
    let y = -(-x).exp_m1();
    (T::one() + x - x / y) / y
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_dual::Dual64;

    #[test]
    fn half_angle_keeps_its_error_bound() {
        let mut worst = (0.0_f64, 0.0_f64);
        let root = std::f64::consts::SQRT_2;
        for i in -200_000..=200_000 {
            let x = f64::from(i) * 1.234_567e-5;
            // The reference reduces the argument exactly first: pi x itself is rounded.
            let (s, c) = half_angle(x);
            let r = (x - (x + 0.5).floor()) * std::f64::consts::PI;
            worst.0 = worst.0.max((s - root * r.sin()).abs()).max((c - root * r.cos()).abs());
            let y = x as f32;
            let (s, c) = half_angle(y);
            let r = (f64::from(y) - f64::from(y + 0.5).floor()) * std::f64::consts::PI;
            worst.1 =
                worst.1.max((f64::from(s) - root * r.sin()).abs()).max((f64::from(c) - root * r.cos()).abs());
        }
        assert!(worst.0 < 4.0 * f64::EPSILON, "{worst:?}");
        assert!(worst.1 < 4.0 * f64::from(f32::EPSILON), "{worst:?}");
    }

    #[test]
    fn half_angle_has_the_derivative_of_sine_and_cosine() {
        for i in 0..1000 {
            let x = f64::from(i) * 0.001_7 - 0.6;
            let (s, c) = half_angle(Dual64::from(x).derivative());
            let pi = std::f64::consts::PI;
            assert!((s.eps - pi * c.re).abs() < 1e-13, "{x}: {} {}", s.eps, pi * c.re);
            assert!((c.eps + pi * s.re).abs() < 1e-13);
            assert_eq!(s.re, half_angle(x).0);
        }
    }

    #[test]
    fn floor_of_a_dual_number_is_flat() {
        let y = floor(Dual64::from(-1.25).derivative());
        assert_eq!((y.re, y.eps), (-2.0, 0.0));
    }

    #[test]
    fn linoid_keeps_its_digits_through_the_removable_singularity() {
        let mut xs: Vec<f64> = (-400..=400).map(|i| f64::from(i) * 0.05).collect();
        xs.extend([1e-300, -1e-17, 1e-9, -1e-5, 0.249_999, 0.250_001, -0.25, -50.0, 800.0]);
        for x in xs {
            let (y, slope) = (linoid(x), linoid_derivative(x));
            let dual = linoid(Dual64::from(x).derivative());
            assert!((dual.re - y).abs() <= 2.0 * f64::EPSILON * y, "{x}: {} {y}", dual.re);
            assert!((dual.eps - slope).abs() <= 1e-13, "{x}: {} {slope}", dual.eps);
            // x / (1 - exp(-x)) - x = -x / (1 - exp(x))
            assert!((y - x - linoid(-x)).abs() <= 4.0 * f64::EPSILON * y.max(x.abs()).max(1.0), "{x}: {y}");
            assert!((slope + linoid_derivative(-x) - 1.0).abs() < 1e-13, "{x}: {slope}");
            let single = linoid(x as f32);
            assert!((f64::from(single) - y).abs() <= 1e-6 * y.max(1e-30), "{x}: {single} {y}");
        }
        assert_eq!((linoid(0.0), linoid_derivative(0.0)), (1.0, 0.5));
    }
}
