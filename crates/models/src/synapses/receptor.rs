//! What a receptor is: a conductance towards a reversal potential, which the voltage may open.

use std::fmt::Debug;

use crate::{Array, Parameter, Real};

/// A receptor: the trace of the synapse is a conductance, `I = G m(v) (e_rev - v)`, in place of a current (equations (83), (84)). `m` is
/// the part of the channels that the voltage leaves open.
///
/// ```
/// use spikegrad_models::{Nmda, Receptor};
/// let nmda = Nmda { e_rev: 0.0, v_half: -20.0, slope: 16.0 };
/// assert_eq!(Nmda::open(&nmda.params(), -20.0), 0.5);
/// ```
pub trait Receptor: Copy + Debug + Send + Sync + 'static {
    /// The name, as descriptions of networks write it.
    const NAME: &'static str;
    /// The parameters, in the order of [`Params`](Self::Params); the first one is the reversal potential `e_rev`. The unit `voltage`
    /// stands for the unit of the postsynaptic voltage.
    const PARAMETERS: &'static [Parameter];
    /// Whether [`open`](Self::open) depends on the voltage.
    const BY_VOLTAGE: bool;

    /// The parameters of one synapse as an array.
    type Params<T: Real>: Array<T>;

    /// The parameter values.
    fn params(&self) -> Self::Params<f64>;

    /// The part of the channels that is open at the voltage `v`, `m(v)`.
    fn open<T: Real>(params: &Self::Params<T>, v: T) -> T;

    /// The transpose of [`open`](Self::open): adds to `params_bar` and returns the cotangent of the voltage.
    fn open_vjp<T: Real>(params: &Self::Params<T>, v: T, open_bar: T, params_bar: &mut Self::Params<T>) -> T;
}
