//! The two types of numbers that Python sees, and what holds numbers of either.

use spikegrad::network::Scalar;

/// `f32` or `f64`, in Rust and in NumPy.
pub(crate) trait Float: Scalar + numpy::Element {
    /// NumPy's name of the type.
    const NAME: &'static str;
}

impl Float for f32 {
    const NAME: &'static str = "float32";
}

impl Float for f64 {
    const NAME: &'static str = "float64";
}

/// Something with numbers of either type.
#[derive(Clone, Debug)]
pub(crate) enum Either<S, D> {
    /// A value of type `f32`.
    Single(S),
    /// A value of type `f64`.
    Double(D),
}

impl<S, D> Either<S, D> {
    /// NumPy's name of the type.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Single(_) => f32::NAME,
            Self::Double(_) => f64::NAME,
        }
    }
}

/// Does the same with either.
macro_rules! either {
    ($value:expr, $name:ident => $work:expr) => {
        match $value {
            $crate::float::Either::Single($name) => $work,
            $crate::float::Either::Double($name) => $work,
        }
    };
}

/// Does the same with two of one type, or refuses two of different ones.
macro_rules! both {
    ($left:expr, $right:expr, ($a:ident, $b:ident) => $work:expr) => {
        match ($left, $right) {
            ($crate::float::Either::Single($a), $crate::float::Either::Single($b)) => $work,
            ($crate::float::Either::Double($a), $crate::float::Either::Double($b)) => $work,
            (left, right) => {
                Err($crate::error::Error::Type { expected: left.name(), found: right.name() }.into())
            }
        }
    };
}

pub(crate) use {both, either};
