//! The scalars that a network may have, and all that depends on which one it is: wide vectors, and loops that were compiled with
//! this crate.

use nalgebra::RealField;
use num_dual::Dual64;

/// A scalar of networks: `f32`, `f64` or [`Dual64`], the dual number of forward sensitivities. There are no others, so that all
/// loops of floats over neurons and weights are compiled with this crate; those of dual numbers are compiled with the programs that use
/// them.
pub trait Scalar: RealField + Copy + Choose {}

impl Scalar for f32 {}
impl Scalar for f64 {}
impl Scalar for Dual64 {}

/// Something that there is for each scalar. Only what a program asks for is compiled, if each answer is inlined: what is there for dual
/// numbers is compiled by the programs that use dual numbers, which are few, and not with this crate.
pub trait ForEach {
    /// The one for scalar `T`.
    type Of<T: 'static>;

    /// The one for `f32`.
    fn single(&self) -> Self::Of<f32>;
    /// The one for `f64`.
    fn double(&self) -> Self::Of<f64>;
    /// The one for dual numbers.
    fn dual(&self) -> Self::Of<Dual64>;
}

/// Chooses by scalar. It is public, because bounds of public traits are, in a private module, so that nobody else implements it.
pub trait Choose: Sized + 'static {
    /// Whether loops gain from the machine's wide vectors: a dual number is wider than those of loops that do.
    const VECTORISES: bool;

    /// What there is for this scalar.
    fn choose<F: ForEach>(of: &F) -> F::Of<Self>;
}

impl Choose for f32 {
    const VECTORISES: bool = true;

    #[inline(always)]
    fn choose<F: ForEach>(of: &F) -> F::Of<Self> {
        of.single()
    }
}

impl Choose for f64 {
    const VECTORISES: bool = true;

    #[inline(always)]
    fn choose<F: ForEach>(of: &F) -> F::Of<Self> {
        of.double()
    }
}

impl Choose for Dual64 {
    const VECTORISES: bool = false;

    #[inline(always)]
    fn choose<F: ForEach>(of: &F) -> F::Of<Self> {
        of.dual()
    }
}
