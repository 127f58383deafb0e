//! What can go wrong between a network and a graph of NIR.

/// Why a network is no graph of NIR, a graph no network, or a file no graph.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something that the other side does not have.
    #[error("{what} cannot be converted: {why}")]
    Unsupported {
        /// The population, projection, readout or node, by its name.
        what: String,
        /// What it has that the other side does not, and what to change.
        why: String,
    },
    /// A graph that contradicts itself.
    #[error("the graph is not whole: {what} {why}")]
    Graph {
        /// The node or the edge.
        what: String,
        /// What does not fit.
        why: String,
    },
    /// A file that has no graph.
    #[error("the file is not a NIR graph: {reason}")]
    File {
        /// The part of the graph that is missing or cannot be read.
        reason: String,
    },
    /// A network that is refused.
    #[error(transparent)]
    Network(#[from] spikegrad_network::Error),
}

impl Error {
    pub(crate) fn unsupported(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into(), why: why.into() }
    }

    pub(crate) fn graph(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Graph { what: what.into(), why: why.into() }
    }

    pub(crate) fn file(reason: impl Into<String>) -> Self {
        Self::File { reason: reason.into() }
    }
}
