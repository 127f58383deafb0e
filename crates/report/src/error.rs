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
    /// A raster or a matrix could not be encoded as a picture.
    #[error(
        "cannot encode a raster or a matrix as a picture; give the panel more room, and data of fewer rows"
    )]
    Picture {
        /// The encoder's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
