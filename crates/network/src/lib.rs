#![doc = include_str!("../README.md")]
//!
//! # What is here
//!
//! - [`Network`]: populations, projections, masks and [`Parameters`], in named [`Group`]s;
//! - [`NetworkSpec`]: a network as data, in any format that `serde` writes; [`Models`]: the models that it may name;
//! - [`Trial`] and [`Loss`]: what a network is run on and judged by, step by step or as a whole ([`RunLoss`]);
//! - [`SplitStep`]: the gated split step with its sparse exact transpose, the default;
//! - [`SplitStep::forward`]: a run without a loss, whose [`RunTape`] takes any program's derivatives back; [`NetworkState`]: a run that
//!   another one goes on from; [`Stepper`]: closed loops;
//! - [`Recording`]: the traces and spikes of a run, as many as its [`Probes`] ask for; [`WorkCounters`]: its work;
//! - [`PlainStep`]: the plain field in charge coordinates under any Runge-Kutta method;
//! - [`pontryagin()`]: the paper's adjoint equations, integrated backwards;
//! - [`ApproximateAdjoint`]: the backward pass with one part replaced, as by rules that are called biologically plausible. No gradient.
//!
//! Equation numbers refer to `docs/equations.md` in the repository.

mod assemble;
mod builder;
mod dale;
mod domain;
mod error;
mod event;
mod feature;
mod group;
mod initialise;
pub mod kernels;
mod memory;
mod named;
mod network;
mod once;
mod parameters;
mod parametric;
mod placed;
mod populations;
mod projections;
mod readout;
mod ready;
mod rules;
mod run_loss;
mod scalar;
mod schemes;
mod sign;
mod spec;
mod spike;
mod state;
mod trial;
mod validate;

pub use builder::NetworkBuilder;
pub use error::Error;
pub use event::{Event, fluctuating_currents, poisson_events};
pub use feature::Feature;
pub use group::Group;
pub use initialise::{Draw, Initialisation, TonicCurrent};
pub use named::{Domain, NamedParameter};
pub use network::Network;
pub use parameters::{Entry, Layout, Named, Parameters};
pub use populations::{GateSpec, Models, Population, PopulationSpec};
pub use projections::{Connections, Connector, Projection};
pub use readout::Readout;
pub use run_loss::{Release, RunEnd, RunLoss};
pub use scalar::Scalar;
pub use schemes::{
    ApproximateAdjoint, ApproximateWork, BackwardParts, Backwards, GateSlope, GivenRanges, Gradients,
    KeptTape, Lockstep, LockstepGroup, LockstepTrial, PlainRun, PlainStep, PlainTape, Pontryagin, Probes,
    ReadoutPath, Recording, RecurrentPath, RunTape, SplitRun, SplitStep, SplitTape, Stepper, Stimulus,
    WorkCounters, pontryagin,
};
pub use sign::Sign;
pub use spec::{NetworkSpec, SourceSpec, SpecDifference};
pub use spike::Spike;
pub use state::NetworkState;
pub use trial::{InitialState, Loss, NoLoss, Sample, SampleBar, Trial};
