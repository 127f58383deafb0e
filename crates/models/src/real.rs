//! The scalar of a model's equations: what a floating-point number and a dual number have in common.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use simba::scalar::{ComplexField, RealField, SupersetOf};

/// A real number in the equations of a model: `f32`, `f64`, or a dual number. Every `RealField + Copy` is one.
///
/// The trait asks for less than `RealField` does, so that [`AutoVjp`](crate::AutoVjp) can have dual numbers of its own: a
/// `RealField` has to have the lanes of wide vectors, with functions that are `unsafe`. Two things are left out on purpose.
/// There is no fused multiply-add, which would not have the same bits on every machine, and no remainder, which the dual
/// numbers of other crates do not have: `x - y * (x / y).floor()` takes its place.
///
/// Constants are written [`real(0.5)`](crate::math::real).
pub trait Real:
    Copy
    + Debug
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
{
    /// 0.
    fn zero() -> Self;
    /// 1.
    fn one() -> Self;
    /// The constant `x`, rounded to this type.
    fn constant(x: f64) -> Self;
    /// The value in double precision, without derivatives.
    fn value(self) -> f64;
    /// Whether the value is neither infinite nor `NaN`.
    fn is_finite(self) -> bool;

    /// The smaller of two numbers.
    fn min(self, other: Self) -> Self;
    /// The larger of two numbers.
    fn max(self, other: Self) -> Self;
    /// The number, or the end of `[low, high]` that it is beyond.
    fn clamp(self, low: Self, high: Self) -> Self;
    /// The absolute value.
    fn abs(self) -> Self;
    /// 1 with the number's sign.
    fn signum(self) -> Self;
    /// The largest integer that is not above. The derivative is zero, as those of the next three.
    fn floor(self) -> Self;
    /// The smallest integer that is not below.
    fn ceil(self) -> Self;
    /// The nearest integer; halves go away from zero.
    fn round(self) -> Self;
    /// The integer part, towards zero.
    fn trunc(self) -> Self;
    /// What [`trunc`](Self::trunc) leaves, with the sign of the number.
    fn fract(self) -> Self;

    /// `1 / x`.
    fn recip(self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// The cube root.
    fn cbrt(self) -> Self;
    /// `sqrt(x^2 + y^2)`.
    fn hypot(self, other: Self) -> Self;
    /// `x^n` for a whole `n`.
    fn powi(self, n: i32) -> Self;
    /// `x^n` for any `n`.
    fn powf(self, n: Self) -> Self;
    /// `e^x`.
    fn exp(self) -> Self;
    /// `2^x`.
    fn exp2(self) -> Self;
    /// `e^x - 1`, with all digits near 0.
    fn exp_m1(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// `ln(1 + x)`, with all digits near 0.
    fn ln_1p(self) -> Self;
    /// The logarithm to base 2.
    fn log2(self) -> Self;
    /// The logarithm to base 10.
    fn log10(self) -> Self;
    /// The logarithm to a base.
    fn log(self, base: Self) -> Self;
    /// The sine.
    fn sin(self) -> Self;
    /// The cosine.
    fn cos(self) -> Self;
    /// Sine and cosine.
    fn sin_cos(self) -> (Self, Self);
    /// The tangent.
    fn tan(self) -> Self;
    /// The inverse sine.
    fn asin(self) -> Self;
    /// The inverse cosine.
    fn acos(self) -> Self;
    /// The inverse tangent.
    fn atan(self) -> Self;
    /// The angle of the point `(x, y)`, for `y.atan2(x)`.
    fn atan2(self, x: Self) -> Self;
    /// The hyperbolic sine.
    fn sinh(self) -> Self;
    /// The hyperbolic cosine.
    fn cosh(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The inverse hyperbolic sine.
    fn asinh(self) -> Self;
    /// The inverse hyperbolic cosine.
    fn acosh(self) -> Self;
    /// The inverse hyperbolic tangent.
    fn atanh(self) -> Self;
}

/// Functions of [`ComplexField`] under the same name.
macro_rules! same {
    ($($name:ident)*) => {
        $(
            #[inline(always)]
            fn $name(self) -> Self {
                ComplexField::$name(self)
            }
        )*
    };
}

/// Functions that jump between integers. The dual numbers of num-dual panic in those of [`ComplexField`]; the size tells them
/// apart at compile time, and floats keep the one instruction that processors have for it.
macro_rules! flat {
    ($($name:ident)*) => {
        $(
            #[inline(always)]
            fn $name(self) -> Self {
                if size_of::<Self>() <= size_of::<f64>() {
                    ComplexField::$name(self)
                } else {
                    Self::constant(self.value().$name())
                }
            }
        )*
    };
}

impl<T: RealField + Copy> Real for T {
    same! {
        abs signum recip sqrt cbrt exp exp2 exp_m1 ln ln_1p log2 log10
        sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh
    }
    flat! { floor ceil round trunc }

    #[inline(always)]
    fn zero() -> Self {
        T::zero()
    }

    #[inline(always)]
    fn one() -> Self {
        T::one()
    }

    #[inline(always)]
    fn constant(x: f64) -> Self {
        T::from_subset(&x)
    }

    #[inline(always)]
    fn value(self) -> f64 {
        SupersetOf::<f64>::to_subset_unchecked(&self)
    }

    #[inline(always)]
    fn is_finite(self) -> bool {
        ComplexField::is_finite(&self)
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        RealField::min(self, other)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        RealField::max(self, other)
    }

    #[inline(always)]
    fn clamp(self, low: Self, high: Self) -> Self {
        RealField::clamp(self, low, high)
    }

    #[inline(always)]
    fn fract(self) -> Self {
        self - Real::trunc(self)
    }

    #[inline(always)]
    fn hypot(self, other: Self) -> Self {
        ComplexField::hypot(self, other)
    }

    #[inline(always)]
    fn powi(self, n: i32) -> Self {
        ComplexField::powi(self, n)
    }

    #[inline(always)]
    fn powf(self, n: Self) -> Self {
        ComplexField::powf(self, n)
    }

    #[inline(always)]
    fn log(self, base: Self) -> Self {
        ComplexField::log(self, base)
    }

    #[inline(always)]
    fn sin_cos(self) -> (Self, Self) {
        ComplexField::sin_cos(self)
    }

    #[inline(always)]
    fn atan2(self, x: Self) -> Self {
        RealField::atan2(self, x)
    }
}
