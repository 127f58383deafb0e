//! Populations: neurons of one model, and the loops over them that a step is made of.

mod block;
mod charge;
mod closed_form;
mod dense_output;
mod loops;
mod model;
mod neuron;
mod open;
mod plain;
mod population;
mod registry;
mod released;
mod smooth;
mod step;

pub(crate) use block::{Block, BlockMut, Offsets};
pub(crate) use loops::{Context, Flow, FlowBar, ParameterBar, PopulationLoops, StepLoops, method_of};
pub(crate) use population::variable_names;
pub use population::{GateSpec, Population, PopulationSpec};
pub(crate) use registry::ModelLoops;
pub use registry::Models;
pub(crate) use released::{Active, Released};
