//! Projections: how the charge that neurons release comes to traces and currents, each kind with its step and its transpose.

mod block;
mod connected;
mod connector;
mod delayed;
mod dense;
mod description;
mod low_rank;
mod pathway;
mod short_term;
mod sparse;
mod stages;
mod step;
mod synapses;
mod time_constants;
mod waiting;
mod wire;

pub use connector::{Connections, Connector};
pub(crate) use delayed::Delays;
pub(crate) use description::Between;
pub use description::Projection;
pub(crate) use low_rank::LowRank;
pub(crate) use pathway::{Path, Pathway};
pub(crate) use sparse::{
    BLOCK, Columns, ColumnsBackward, ColumnsForward, PanelBackward, PanelForward, PanelLoops, PanelOuter,
    Reading, Row, RowBackward, RowColumns, RowForward, RowLoops, SparseProjection, TRIALS, columns, panels,
    panels_len, panels_of, piece_rows, row_loops, rows_of, stride_of, to_panels,
};
pub(crate) use step::{ProjectionBar, ProjectionStep, Scratch};
pub(crate) use synapses::{ReceptorModel, kinetics, receptor, short_term};
pub(crate) use time_constants::{TimeConstants, decay_at};
pub(crate) use waiting::Waiting;
pub(crate) use wire::{Delayed, Wire};
