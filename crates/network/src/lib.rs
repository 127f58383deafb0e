#![doc = include_str!("../README.md")]
//!
//! # What is here
//!
//! - [`Network`]: populations, synapse classes, masks and [`Parameters`], in named [`Group`]s;
//! - [`Trial`] and [`Loss`]: what a network is run on and judged by;
//! - [`SplitStep`]: the gated split step with its sparse exact transpose, the default;
//! - [`Recording`]: the traces and spikes of a run; [`WorkCounters`]: its work;
//! - [`PlainStep`]: the plain field in charge coordinates under any Runge-Kutta method;
//! - [`pontryagin()`]: the paper's adjoint equations, integrated backwards.
//!
//! Equation numbers refer to `docs/equations.md` in the repository.

mod bursts;
mod columns;
mod dale;
mod delay;
mod domain;
mod error;
pub mod kernels;
mod located;
mod low_rank;
mod memory;
mod network;
mod parameters;
mod plain;
mod pontryagin;
mod population;
mod product;
mod record;
mod registry;
mod run;
mod split;
mod taus;
mod trial;
mod work;

pub use dale::Sign;
pub use error::Error;
pub use network::{Network, NetworkBuilder};
pub use parameters::{Entry, Group, Layout, Parameters};
pub use plain::{PlainRun, PlainStep, PlainTape};
pub use pontryagin::{Pontryagin, pontryagin};
pub use population::Population;
pub use record::{Recording, Spike};
pub use split::{SplitRun, SplitStep, SplitTape};
pub use trial::{InitialState, Loss, NoLoss, Sample, SampleBar, Trial};
pub use work::WorkCounters;
