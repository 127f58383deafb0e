//! Runs that diverge: the first step after which a state or a cost is infinite or not a number.

use simba::scalar::RealField;

use crate::Step;

/// What of a run is not finite, and after which step for the first time. Simulations and gradients return the same error.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Divergence {
    /// A state that is infinite or not a number.
    #[error(
        "the state of neuron {neuron} is not finite after step {step} (t = {time} ms): take a smaller step, or look \
         for an input, weight or time constant out of range"
    )]
    State {
        /// The step, counted from 0.
        step: usize,
        /// The time of its end, ms.
        time: f64,
        /// The neuron, or the component of the state of a general equation.
        neuron: usize,
    },
    /// A cost that is infinite or not a number although every state is finite.
    #[error(
        "the cost is not finite after step {step} (t = {time} ms) although the state is: activity without bounds, as \
         weights that are too large make it, leaves the range of the cost first; otherwise look at the cost's formula and its \
         targets"
    )]
    Cost {
        /// The step, counted from 0.
        step: usize,
        /// The time of its end, ms.
        time: f64,
    },
}

impl Divergence {
    /// Looks at the state `x` and the cost after step `n` of a program.
    ///
    /// # Errors
    /// If the state or the cost is not finite.
    pub fn check<T: RealField + Copy, S: Step<T> + ?Sized>(
        program: &S,
        n: usize,
        x: &[T],
        cost: T,
    ) -> Result<(), Self> {
        // Without a branch for each number.
        if cost.is_finite() & x.iter().fold(true, |finite, x| finite & x.is_finite()) {
            return Ok(());
        }
        let (step, time) = (n, program.time(n + 1));
        Err(match x.iter().position(|x| !x.is_finite()) {
            Some(component) => Self::State { step, time, neuron: program.neuron(component) },
            None => Self::Cost { step, time },
        })
    }
}
