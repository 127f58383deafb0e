//! What can go wrong in a sweep or a check.

use std::error::Error as StdError;

use spikegrad_integrators::Divergence;

/// An error of an [`Objective`](crate::Objective), whatever its type.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a sweep or a check failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A state or a cost that is infinite or not a number.
    #[error(transparent)]
    Diverged(#[from] Divergence),
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
    /// A cotangent of the last state that is longer than the state.
    #[error("{found} entries for the cotangent of a state of {expected}: give at most so many")]
    CotangentLength {
        /// Length of the state.
        expected: usize,
        /// Length given.
        found: usize,
    },
    /// A budget of memory that no sweep can keep.
    #[error("{budget} bytes do not hold one state and one step of the tape: allow at least {least} bytes")]
    Budget {
        /// Bytes allowed.
        budget: usize,
        /// The least number of bytes that will do.
        least: usize,
    },
    /// A budget of memory for a step that does not say what it pushes to the tape.
    #[error(
        "the step does not say how many bytes it pushes to the tape: implement Step::tape_bytes, or keep the state \
         every so many steps instead, Memory::SqrtSteps"
    )]
    TapeSize,
    /// A tape and states that do not fit into memory.
    #[error(
        "the tape of {steps} steps and the states that are kept may take {bytes:.1e} bytes, which the system does not give: \
         keep less of the run, Memory::SqrtSteps or Memory::Bytes, or take fewer steps"
    )]
    OutOfMemory {
        /// Steps that are on the tape at once.
        steps: usize,
        /// The most bytes that may be taken.
        bytes: f64,
    },
    /// What an [`Objective`](crate::Objective) returned at the parameters that are checked.
    #[error("the objective failed at the parameters to be checked: {0}")]
    Objective(#[source] BoxError),
    /// A group of parameters that the objective does not have.
    #[error("group {name} is {start}..{end} of {parameters} parameters: give a non-empty range within them")]
    Group {
        /// The group's name.
        name: String,
        /// First index.
        start: usize,
        /// One past the last index.
        end: usize,
        /// Number of parameters.
        parameters: usize,
    },
    /// An objective whose gradient belongs to another cost.
    #[error(
        "the gradient's forward pass gives the cost {gradient_cost}, the forward pass alone {cost}: let both run the \
         same program"
    )]
    CostMismatch {
        /// The error of [`Objective::cost`](crate::Objective::cost).
        cost: f64,
        /// The error of [`Objective::gradient`](crate::Objective::gradient).
        gradient_cost: f64,
    },
    /// A gradient that differs from central differences.
    #[error(
        "the gradient by {group} is wrong: along the worst direction it is {analytic:.9e}, central differences give \
         {numerical:.9e}; they differ by {error:.1e} of the group's norm, at most {tolerance:.0e} is allowed. Look at \
         the transposed product that adds to {group}"
    )]
    GradientMismatch {
        /// The group's name.
        group: String,
        /// The gradient's derivative along the direction.
        analytic: f64,
        /// The extrapolated central difference.
        numerical: f64,
        /// Their difference over the norm of the group's gradient.
        error: f64,
        /// The largest such error allowed, beside rounding.
        tolerance: f64,
    },
    /// A Taylor remainder that does not fall as the square of the step.
    #[error(
        "the Taylor remainder by {group} falls with order {order:.2}, less than {limit}: the gradient by {group} is \
         wrong, or the program has events that it does not log"
    )]
    TaylorOrder {
        /// The group's name.
        group: String,
        /// The smallest order over the directions.
        order: f64,
        /// What it must exceed.
        limit: f64,
    },
    /// Too many directions without a comparable pair of runs.
    #[error(
        "{discarded} of {directions} directions could not be compared, at most {:.0} % of them may be: events too \
         close to each other, a trained parameter at a kink, such as a delay of a whole number of steps, or a gradient lost \
         in rounding; use fewer steps or a calmer model, move such a parameter a little, or merge the reports of several checks",
        100.0 * share
    )]
    TooManyDiscarded {
        /// Directions discarded.
        discarded: usize,
        /// Directions tried.
        directions: usize,
        /// The share allowed.
        share: f64,
    },
    /// A check in which no direction told a right gradient from a wrong one.
    #[error(
        "nothing was compared: of {directions} directions none changes the cost by more than rounding, and the gradient is \
         zero as well, so that a wrong derivative would pass; check at parameters and on a trial at which neurons fire and \
         the cost depends on what is trained"
    )]
    FlatCost {
        /// Directions tried.
        directions: usize,
    },
    /// A group without a single direction that could be compared.
    #[error(
        "nothing is known of the gradient by {group}: none of its directions could be compared; use fewer steps or \
         a calmer model, or merge the reports of several checks"
    )]
    NothingCompared {
        /// The group's name.
        group: String,
    },
}
