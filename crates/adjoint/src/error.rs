//! What can go wrong in a sweep or a check.

use std::error::Error as StdError;

/// An error of an [`Objective`](crate::Objective), whatever its type.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a sweep or a check failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A state that is infinite or not a number.
    #[error(
        "the state of neuron {neuron} is not finite after step {step} (t = {time} ms): take a smaller step, or look \
         for an input, weight or time constant out of range"
    )]
    NonFinite {
        /// The step, counted from 0, after which the state is not finite for the first time.
        step: usize,
        /// The time of its end, ms.
        time: f64,
        /// The neuron, or the component of the state of a general equation.
        neuron: usize,
    },
    /// A cost that is infinite or not a number although every state is finite.
    #[error(
        "the cost is not finite after step {step} (t = {time} ms) although the state is: look at the cost's formula \
         and its targets"
    )]
    NonFiniteCost {
        /// The step, counted from 0, after which the cost is not finite for the first time.
        step: usize,
        /// The time of its end, ms.
        time: f64,
    },
    /// A gradient that is infinite or not a number although every state is finite.
    #[error(
        "the derivative by parameter {parameter} is not finite although the states are: it overflowed, so shorten the \
         run, lower the recurrent gain or use f64; or a derivative is singular there"
    )]
    NonFiniteGradient {
        /// Index of the first such parameter.
        parameter: usize,
    },
    /// A slice for the gradient that has not one entry per parameter.
    #[error("{found} entries for the gradient by {expected} parameters: give a slice of length {expected}")]
    ParametersLength {
        /// Number of parameters.
        expected: usize,
        /// Length given.
        found: usize,
    },
}
