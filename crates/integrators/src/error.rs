//! What can be wrong with a tableau or a step.

/// Why a tableau or a step was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A step size that is not positive and finite.
    #[error("step size h = {h}: give a positive, finite number of ms")]
    StepSize {
        /// The value given.
        h: f64,
    },
    /// An initial state that has not one entry for each variable of the equation.
    #[error(
        "the initial state has {found} entries, the equation {expected} variables: give one entry for each"
    )]
    StateLength {
        /// Variables of the equation.
        expected: usize,
        /// Entries given.
        found: usize,
    },
    /// A table whose rows do not have the lengths of an explicit method.
    #[error(
        "tableau {name}: {stages} weights need {stages} nodes and rows of a with 0, 1, ..., {stages} - 1 entries"
    )]
    TableauShape {
        /// The tableau's name.
        name: &'static str,
        /// Number of stages, from the weights.
        stages: usize,
    },
    /// A row that does not add up to its node, or weights that do not add up to one.
    #[error("tableau {name}: {what} adds up to {sum}, not {expected}: look for a mistyped coefficient")]
    TableauSum {
        /// The tableau's name.
        name: &'static str,
        /// The name of the sum.
        what: String,
        /// What it is.
        sum: f64,
        /// What consistency asks for.
        expected: f64,
    },
    /// More stages than the workspaces hold.
    #[error("tableau {name}: {stages} stages, at most {max} are supported")]
    TooManyStages {
        /// The tableau's name.
        name: &'static str,
        /// Number of stages.
        stages: usize,
        /// The most there may be.
        max: usize,
    },
}
