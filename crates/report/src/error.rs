//! The one error type of this crate.

/// Why a plot could not be drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A plot without panels.
    #[error("a plot without panels has nothing to draw; add one with `Plot::panel`")]
    NoPanel,
    /// The drawing library refused to draw.
    #[error("cannot draw the plot: {reason}; give it a size that its labels fit in")]
    Draw {
        /// The drawing library's reason.
        reason: String,
    },
}
