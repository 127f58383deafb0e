#![doc = include_str!("../README.md")]
//!
//! # To do X, take Y
//!
//! | you want | take |
//! |---|---|
//! | to describe a network | [`Network::builder`] with [`Population`]s, [`Projection`]s and [`Readout`]s; as data, [`NetworkSpec`] |
//! | to say which neurons are connected | [`Connector`], or [`Network::set_mask`] |
//! | numbers to start with | [`Network::initialise`], [`Network::draw`] |
//! | to read or set parameters | [`Parameters`], by name or by [`Group`] |
//! | to choose what is trained | [`Network::freeze`], [`Network::unfreeze`] |
//! | inputs and targets | [`Trial`]; spikes from outside are [`Event`]s |
//! | a run with its gradient | [`SplitStep`]; `Sweep` of `spikegrad-adjoint` goes over its steps |
//! | voltages, traces and spikes of a run | [`SplitRun::record`]; only some of them, [`Probes`] |
//! | a loss of your own | [`Loss`], for each step; [`RunLoss`], for the run as a whole |
//! | a loss of another program | [`SplitStep::forward`], whose [`RunTape`] takes derivatives by the outputs |
//! | to go on from the end of a run | [`NetworkState`] |
//! | a closed loop, sample by sample | [`Stepper`] |
//! | models of your own in descriptions | [`Models`] |
//! | an independent program to compare with | [`PlainStep`]; the paper's adjoint equations are [`pontryagin()`] |
//! | to count work | [`WorkCounters`] |
//! | an approximate backward pass, as biologically plausible rules have it (it is not the gradient) | [`ApproximateAdjoint`] |
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
    ReadoutPath, Recording, RecurrentPath, RunTape, SideBySide, SideTape, SplitRun, SplitStep, SplitTape,
    Stepper, Stimulus, WorkCounters, pontryagin,
};
pub use sign::Sign;
pub use spec::{NetworkSpec, SourceSpec, SpecDifference};
pub use spike::Spike;
pub use state::NetworkState;
pub use trial::{InitialState, Loss, NoLoss, Sample, SampleBar, Trial};
