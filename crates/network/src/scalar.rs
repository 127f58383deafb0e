//! The scalars that a network may have, and all that depends on which one it is: wide vectors, and loops that were compiled with
//! this crate.

use nalgebra::RealField;
use num_dual::Dual64;

/// A scalar of networks: `f32`, `f64` or [`Dual64`], the dual number of forward sensitivities. There are no others, so that all
/// loops over neurons and weights are compiled with this crate.
pub trait Scalar: RealField + Copy + Choose {}

impl Scalar for f32 {}
impl Scalar for f64 {}
impl Scalar for Dual64 {}

/// Something that there is for each scalar.
pub trait ForEach {
    /// The one for scalar `T`.
    type Of<T: 'static>;
}

/// Chooses by scalar. It is public, because bounds of public traits are, in a private module, so that nobody else implements it.
pub trait Choose: Sized + 'static {
    /// Whether loops gain from the machine's wide vectors: a dual number is wider than those of loops that do.
    const VECTORISES: bool;

    /// What there is for this scalar.
    fn choose<F: ForEach>(single: F::Of<f32>, double: F::Of<f64>, dual: F::Of<Dual64>) -> F::Of<Self>;
}

impl Choose for f32 {
    const VECTORISES: bool = true;

    #[inline(always)]
    fn choose<F: ForEach>(single: F::Of<f32>, _: F::Of<f64>, _: F::Of<Dual64>) -> F::Of<Self> {
        single
    }
}

impl Choose for f64 {
    const VECTORISES: bool = true;

    #[inline(always)]
    fn choose<F: ForEach>(_: F::Of<f32>, double: F::Of<f64>, _: F::Of<Dual64>) -> F::Of<Self> {
        double
    }
}

impl Choose for Dual64 {
    const VECTORISES: bool = false;

    #[inline(always)]
    fn choose<F: ForEach>(_: F::Of<f32>, _: F::Of<f64>, dual: F::Of<Dual64>) -> F::Of<Self> {
        dual
    }
}
