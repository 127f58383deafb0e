//! Projections: how the charge that neurons release comes to traces and currents, each kind with its step and its transpose. A
//! projection is a synapse class as a step sees it.

mod delayed;
mod dense;
mod low_rank;
mod projection;
mod sparse;
mod step;
mod time_constants;
mod waiting;

pub(crate) use delayed::{Delayed, Delays};
pub(crate) use low_rank::LowRank;
pub(crate) use projection::{Path, Projection};
pub(crate) use sparse::{Columns, ColumnsBackward, ColumnsForward, Reading, SparseProjection, columns};
pub(crate) use step::{ProjectionBar, ProjectionStep, Scratch};
pub(crate) use time_constants::{TimeConstants, decay_at};
pub(crate) use waiting::Waiting;
