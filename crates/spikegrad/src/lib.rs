#![doc = include_str!("../README.md")]

pub use spikegrad_adjoint as adjoint;
pub use spikegrad_integrators as integrators;
pub use spikegrad_models as models;
pub use spikegrad_network as network;
pub use spikegrad_tasks as tasks;

/// What most programs need.
pub mod prelude {
    pub use spikegrad_adjoint::Sweep;
    pub use spikegrad_integrators::{Step, StepVjp, tableau};
    pub use spikegrad_models::{GateShape, Lif, MorrisLecar, Neuron, Nif, Theta};
    pub use spikegrad_network::{Group, Loss, Network, NoLoss, Parameters, Population, SplitStep, Trial};
    pub use spikegrad_tasks::*;
}
