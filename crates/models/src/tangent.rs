//! Dual numbers for [`AutoVjp`](crate::AutoVjp): a value and its derivatives in `K` directions at a time.
//!
//! The dual numbers of num-dual need a concrete float inside, which code that is generic over the scalar does not have, and
//! panic where a model rounds. These have any [`Real`] inside, a dual number included.

use std::cmp::Ordering;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::math::real;
use crate::real::Real;

/// A value and its derivatives in `K` directions. Comparisons look at the value only, so that a function takes the branch that
/// it takes for plain numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tangent<T, const K: usize> {
    /// The value.
    value: T,
    /// The derivatives of the value; without meaning in a direction that does not move it.
    slopes: [T; K],
    /// Which directions move the value at all. The compiler mostly knows, and leaves out what is done for the others: it may not
    /// leave out a product with zero, which might be one with infinity. For the same reason a constant stays a constant where
    /// a function is infinitely steep.
    moved: [bool; K],
}

impl<T: Real, const K: usize> Tangent<T, K> {
    /// A number that does not depend on the directions.
    #[inline(always)]
    pub(crate) fn flat(value: T) -> Self {
        Self { value, slopes: [T::zero(); K], moved: [false; K] }
    }

    /// The number with the derivative one in direction `own`, which may be none of the `K` directions.
    #[inline(always)]
    pub(crate) fn along(mut self, own: usize) -> Self {
        if let (Some(slope), Some(moved)) = (self.slopes.get_mut(own), self.moved.get_mut(own)) {
            (*slope, *moved) = (T::one(), true);
        }
        self
    }

    /// A function with its `value` and its derivative here, by the chain rule.
    #[inline(always)]
    fn chain(mut self, value: T, slope: T) -> Self {
        self.value = value;
        for k in 0..K {
            self.slopes[k] *= slope;
        }
        self
    }

    /// A function of two numbers with its `value` and its derivatives by both here.
    // Compilers leave out products with 1 and sums with -0, and where they do not know what is moved, nothing here is a branch.
    #[inline(always)]
    fn chain_two(mut self, other: Self, value: T, [a, b]: [T; 2]) -> Self {
        self.value = value;
        for k in 0..K {
            let x = if self.moved[k] { self.slopes[k] * a } else { -T::zero() };
            let y = if other.moved[k] { other.slopes[k] * b } else { -T::zero() };
            self.slopes[k] = x + y;
            self.moved[k] |= other.moved[k];
        }
        self
    }

    /// `sum` and `bar` times the derivative in direction `k`.
    #[inline(always)]
    pub(crate) fn pull(&self, sum: T, bar: T, k: usize) -> T {
        sum + if self.moved[k] { self.slopes[k] * bar } else { -T::zero() }
    }

    /// Whether no direction moves the number.
    #[inline(always)]
    fn is_flat(&self) -> bool {
        self.moved == [false; K]
    }
}

impl<T: Real, const K: usize> PartialEq for Tangent<T, K> {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Real, const K: usize> PartialOrd for Tangent<T, K> {
    #[inline(always)]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }

    // Written out: the four operators of floats are one instruction each, and an `Ordering` is several.
    #[inline(always)]
    fn lt(&self, other: &Self) -> bool {
        self.value < other.value
    }

    #[inline(always)]
    fn le(&self, other: &Self) -> bool {
        self.value <= other.value
    }

    #[inline(always)]
    fn gt(&self, other: &Self) -> bool {
        self.value > other.value
    }

    #[inline(always)]
    fn ge(&self, other: &Self) -> bool {
        self.value >= other.value
    }
}

impl<T: Real, const K: usize> Neg for Tangent<T, K> {
    type Output = Self;

    #[inline(always)]
    fn neg(self) -> Self {
        self.chain(-self.value, -T::one())
    }
}

impl<T: Real, const K: usize> Add for Tangent<T, K> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.chain_two(other, self.value + other.value, [T::one(), T::one()])
    }
}

impl<T: Real, const K: usize> Sub for Tangent<T, K> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.chain_two(other, self.value - other.value, [T::one(), -T::one()])
    }
}

impl<T: Real, const K: usize> Mul for Tangent<T, K> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.chain_two(other, self.value * other.value, [other.value, self.value])
    }
}

impl<T: Real, const K: usize> Div for Tangent<T, K> {
    type Output = Self;

    // The value is that of plain numbers to the bit; one more division serves all directions.
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        let (value, inverse) = (self.value / other.value, T::one() / other.value);
        self.chain_two(other, value, [inverse, -value * inverse])
    }
}

macro_rules! assign {
    ($($trait:ident $name:ident $operator:tt;)*) => {
        $(
            impl<T: Real, const K: usize> $trait for Tangent<T, K> {
                #[inline(always)]
                fn $name(&mut self, other: Self) {
                    *self = *self $operator other;
                }
            }
        )*
    };
}
assign! {
    AddAssign add_assign +;
    SubAssign sub_assign -;
    MulAssign mul_assign *;
    DivAssign div_assign /;
}

/// Functions of one number `x` with the value `y`, and their derivatives.
macro_rules! functions {
    ($($name:ident: |$x:ident, $y:ident| $slope:expr;)*) => {
        $(
            #[inline(always)]
            fn $name(self) -> Self {
                let $x = self.value;
                let $y = $x.$name();
                self.chain($y, $slope)
            }
        )*
    };
}

/// Functions that are constant between their jumps.
macro_rules! flat {
    ($($name:ident)*) => {
        $(
            #[inline(always)]
            fn $name(self) -> Self {
                Self::flat(self.value.$name())
            }
        )*
    };
}

impl<T: Real, const K: usize> Real for Tangent<T, K> {
    functions! {
        recip: |_x, y| -(y * y);
        sqrt: |_x, y| real::<T>(0.5) / y;
        cbrt: |_x, y| real::<T>(1.0 / 3.0) / (y * y);
        exp: |_x, y| y;
        exp2: |_x, y| y * real(std::f64::consts::LN_2);
        exp_m1: |_x, y| y + T::one();
        ln: |x, _y| x.recip();
        ln_1p: |x, _y| (T::one() + x).recip();
        log2: |x, _y| real::<T>(std::f64::consts::LOG2_E) / x;
        log10: |x, _y| real::<T>(std::f64::consts::LOG10_E) / x;
        sin: |x, _y| x.cos();
        cos: |x, _y| -x.sin();
        tan: |_x, y| T::one() + y * y;
        asin: |x, _y| ((T::one() - x) * (T::one() + x)).sqrt().recip();
        acos: |x, _y| -((T::one() - x) * (T::one() + x)).sqrt().recip();
        atan: |x, _y| (T::one() + x * x).recip();
        sinh: |x, _y| x.cosh();
        cosh: |x, _y| x.sinh();
        tanh: |_x, y| (T::one() - y) * (T::one() + y);
        asinh: |x, _y| (T::one() + x * x).sqrt().recip();
        acosh: |x, _y| ((x - T::one()) * (x + T::one())).sqrt().recip();
        atanh: |x, _y| ((T::one() - x) * (T::one() + x)).recip();
    }
    flat! { signum floor ceil round trunc }

    #[inline(always)]
    fn zero() -> Self {
        Self::flat(T::zero())
    }

    #[inline(always)]
    fn one() -> Self {
        Self::flat(T::one())
    }

    #[inline(always)]
    fn constant(x: f64) -> Self {
        Self::flat(real(x))
    }

    #[inline(always)]
    fn value(self) -> f64 {
        self.value.value()
    }

    #[inline(always)]
    fn is_finite(self) -> bool {
        self.value.is_finite()
    }

    // Smaller, larger and confined numbers have the derivatives of the number that was taken.
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        if self.value.min(other.value) == self.value { self } else { other }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        if self.value.max(other.value) == self.value { self } else { other }
    }

    #[inline(always)]
    fn clamp(self, low: Self, high: Self) -> Self {
        if self < low {
            low
        } else if self > high {
            high
        } else {
            self
        }
    }

    #[inline(always)]
    fn abs(self) -> Self {
        let negative = self.value < T::zero();
        self.chain(self.value.abs(), if negative { -T::one() } else { T::one() })
    }

    #[inline(always)]
    fn fract(self) -> Self {
        self.chain(self.value.fract(), T::one())
    }

    #[inline(always)]
    fn hypot(self, other: Self) -> Self {
        let value = self.value.hypot(other.value);
        self.chain_two(other, value, [self.value / value, other.value / value])
    }

    #[inline(always)]
    fn powi(self, n: i32) -> Self {
        if n == 0 {
            return Self::one();
        }
        let slope = real::<T>(f64::from(n)) * self.value.powi(n - 1);
        self.chain(self.value.powi(n), slope)
    }

    #[inline(always)]
    fn powf(self, n: Self) -> Self {
        let value = self.value.powf(n.value);
        let zero = T::zero();
        // x^0 is 1 for every x, also where x^-1 is infinite.
        let slope = if n.value == zero { zero } else { n.value * self.value.powf(n.value - T::one()) };
        // A negative base has no logarithm, and needs none where the exponent is a constant.
        let by_exponent = if n.is_flat() || value == zero { zero } else { value * self.value.ln() };
        self.chain_two(n, value, [slope, by_exponent])
    }

    #[inline(always)]
    fn log(self, base: Self) -> Self {
        let (value, ln) = (self.value.log(base.value), base.value.ln());
        self.chain_two(base, value, [(self.value * ln).recip(), -value / (base.value * ln)])
    }

    #[inline(always)]
    fn sin_cos(self) -> (Self, Self) {
        let (sin, cos) = self.value.sin_cos();
        (self.chain(sin, cos), self.chain(cos, -sin))
    }

    #[inline(always)]
    fn atan2(self, x: Self) -> Self {
        let square = self.value * self.value + x.value * x.value;
        self.chain_two(x, self.value.atan2(x.value), [x.value / square, -self.value / square])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_dual::Dual64;
    use proptest::prelude::*;

    type Two = Tangent<f64, 2>;

    /// A function at `x`, in direction 1 of two, and at `x` and `y`, in directions 0 and 1, against the dual numbers of num-dual.
    macro_rules! assert_equal {
        ($x:expr, $name:ident) => {{
            let x: f64 = $x;
            let (ours, dual) = (Two::flat(x).along(1).$name(), Real::$name(Dual64::new(x, 1.0)));
            assert_close(ours, Real::$name(x), [0.0, dual.eps], stringify!($name));
            prop_assert!(!ours.moved[0]);
            assert_close(Two::flat(x).$name(), Real::$name(x), [0.0; 2], stringify!($name));
        }};
        ($x:expr, $y:expr, |$a:ident, $b:ident| $f:expr) => {{
            let value = {
                let ($a, $b) = ($x, $y);
                $f
            };
            let slopes = [[1.0, 0.0], [0.0, 1.0]].map(|[da, db]| {
                let ($a, $b) = (Dual64::new($x, da), Dual64::new($y, db));
                let f: Dual64 = $f;
                f.eps
            });
            let f = |$a: Two, $b: Two| $f;
            let (x, y) = (Two::flat($x).along(0), Two::flat($y).along(1));
            assert_close(f(x, y), value, slopes, stringify!($f));
            assert_close(f(x, Two::flat($y)), value, [slopes[0], 0.0], stringify!($f));
            assert_close(f(Two::flat($x), y), value, [0.0, slopes[1]], stringify!($f));
            let same = {
                let ($a, $b) = (Dual64::new($x, 1.0), Dual64::new($y, 2.0));
                $f
            };
            let both = Two { slopes: [2.0, 0.0], ..Two::flat($y).along(0) };
            assert_close(f(x, both), value, [same.eps, 0.0], stringify!($f));
        }};
    }

    fn derivatives(x: Two) -> [f64; 2] {
        [0, 1].map(|k| x.pull(0.0, 1.0, k))
    }

    fn assert_close(ours: Two, value: f64, slopes: [f64; 2], what: &str) {
        assert!(ours.value == value, "{what}: {} is not {value}", ours.value);
        for (ours, slope) in derivatives(ours).into_iter().zip(slopes) {
            assert!((ours - slope).abs() <= 1e-12 * (1.0 + slope.abs()), "{what}: {ours} is not {slope}");
        }
    }

    proptest! {
        #[test]
        fn functions_of_one_number_equal_dual_numbers(x in -3.0..3.0_f64, u in -0.99..0.99_f64, p in 0.01..5.0_f64) {
            macro_rules! all {
                ($at:expr, $($name:ident)*) => { $(assert_equal!($at, $name);)* };
            }
            all!(x, exp exp2 exp_m1 sin cos tan atan sinh cosh tanh asinh abs signum floor ceil round trunc fract recip);
            all!(u, asin acos atanh);
            all!(p, sqrt cbrt ln ln_1p log2 log10);
            assert_equal!(1.0 + p, acosh);
            let (sin, cos) = Two::flat(x).along(0).sin_cos();
            assert_close(sin, x.sin_cos().0, [x.cos(), 0.0], "sin");
            assert_close(cos, x.sin_cos().1, [-x.sin(), 0.0], "cos");
            for n in -4..5 {
                let dual = Real::powi(Dual64::new(x, 1.0), n);
                assert_close(Two::flat(x).along(0).powi(n), x.powi(n), [dual.eps, 0.0], "powi");
            }
        }

        #[test]
        fn functions_of_two_numbers_equal_dual_numbers(
            x in -3.0..3.0_f64, y in -3.0..3.0_f64, p in 0.1..5.0_f64, base in 1.5..9.0_f64
        ) {
            assert_equal!(x, y, |a, b| a + b);
            assert_equal!(x, y, |a, b| a - b);
            assert_equal!(x, y, |a, b| a * b);
            assert_equal!(x, p, |a, b| a / b);
            assert_equal!(x, y, |a, b| -a * b);
            assert_equal!(x, y, |a, b| Real::max(a, b));
            assert_equal!(x, y, |a, b| Real::min(a, b));
            assert_equal!(x, p, |a, b| Real::clamp(a, -b, b));
            assert_equal!(x, p, |a, b| Real::atan2(a, b));
            assert_equal!(p, y, |a, b| Real::powf(a, b));
            assert_equal!(p, base, |a, b| Real::log(a, b));
            // num-dual takes the root of a sum of squares, which is not rounded as the library function is.
            let (ours, length) = (Two::flat(x).along(0).hypot(Two::flat(y).along(1)), x.hypot(y));
            assert_close(ours, length, [x / length, y / length], "hypot");
            let mut sum = Two::flat(x).along(0);
            sum += Two::flat(y).along(1);
            sum *= Two::flat(x).along(0);
            sum -= Two::flat(y);
            sum /= Two::flat(p);
            assert_close(sum, ((x + y) * x - y) / p, [(2.0 * x + y) / p, x / p], "assigning operators");
        }
    }

    #[test]
    fn constants_stay_constant_and_comparisons_look_at_values() {
        let zero = Two::flat(0.0);
        // Infinitely steep, and not moved.
        for flat in [zero.sqrt(), zero.cbrt(), zero.ln(), zero.powf(Two::flat(0.5)), zero.hypot(zero)] {
            assert_eq!(derivatives(flat), [0.0; 2]);
        }
        // A negative base has a derivative where the exponent is a constant; so has a base that is 0.
        let cube = |x: f64| Two::flat(x).along(0).powf(Two::flat(3.0));
        assert_eq!((cube(-2.0).value, derivatives(cube(-2.0))), (-8.0, [12.0, 0.0]));
        assert_eq!(derivatives(cube(0.0)), [0.0; 2]);
        assert_eq!(derivatives(Two::flat(0.0).along(0).powf(Two::one())), [1.0, 0.0]);
        assert_eq!(derivatives(Two::flat(0.0).along(0).powf(zero)), [0.0; 2]);
        assert_eq!(Two::flat(2.0).along(0), Two::flat(2.0).along(1));
        assert!(
            Two::flat(1.0).along(0) < Two::flat(2.0).along(0) && Two::flat(2.0).along(0) >= Two::flat(2.0)
        );
        assert!(Two::flat(f64::NAN).partial_cmp(&zero).is_none() && !Two::flat(f64::NAN).is_finite());
        // As for floats, a number is preferred to none.
        assert_eq!(derivatives(Two::flat(f64::NAN).max(Two::flat(1.0).along(0))), [1.0, 0.0]);
        assert_eq!(derivatives(Two::flat(1.0).along(0).min(Two::flat(f64::NAN))), [1.0, 0.0]);
    }
}
