//! What short-term plasticity is: a state of the presynaptic neuron that decides how much of a charge is released.

use std::fmt::Debug;

use crate::{Array, Parameter, Real};

/// Short-term plasticity: of a charge `q` the synapse releases `e`, which depends on what was released before. Its state belongs to
/// the presynaptic neuron. A charge may be a part of a spike's: parts of a charge release together what the whole one does, and a
/// charge that is withdrawn, `q < 0`, undoes what it did.
///
/// Between charges every variable recovers by itself, `tau dy/dt = y_rest - y`.
pub trait ShortTermPlasticity: Copy + Debug + Send + Sync + 'static {
    /// The name, as descriptions of networks write it.
    const NAME: &'static str;
    /// The parameters, in the order of [`Params`](Self::Params).
    const PARAMETERS: &'static [Parameter];
    /// Names and units of the variables, in the order of [`State`](Self::State).
    const VARIABLES: &'static [Parameter];
    /// What each variable recovers to.
    const REST: &'static [f64];
    /// For every variable, which of the parameters is the time constant of its recovery.
    const RECOVERY: &'static [usize];

    /// The parameters of one synapse as an array.
    type Params<T: Real>: Array<T>;
    /// The variables as an array.
    type State<T: Real>: Array<T>;

    /// The parameter values.
    fn params(&self) -> Self::Params<f64>;

    /// Releases a charge `q`: returns the part of it that the synapse lets out, and the variables afterwards.
    fn release<T: Real>(params: &Self::Params<T>, state: &Self::State<T>, q: T) -> (T, Self::State<T>);

    /// The transpose of [`release`](Self::release), for the cotangents of what is released and of the variables after it: adds to
    /// `state_bar` and `params_bar` and returns the cotangent of the charge.
    fn release_vjp<T: Real>(
        params: &Self::Params<T>,
        state: &Self::State<T>,
        q: T,
        bars: (T, &Self::State<T>),
        state_bar: &mut Self::State<T>,
        params_bar: &mut Self::Params<T>,
    ) -> T;
}
