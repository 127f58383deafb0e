#![doc = include_str!("../README.md")]
//!
//! # What is here
//!
//! - [`VectorField`], any ordinary differential equation, and its derivatives [`VectorFieldVjp`];
//! - [`Tableau`]: an explicit Runge-Kutta method as data ([`tableau::ALL`]), with the step and its transpose;
//! - [`Step`] and [`StepVjp`]: what sweeps and checks are written against; [`RungeKutta`] makes one of any equation;
//! - [`Exponential`]: methods that follow what relaxes by an exponential, with the step and its transpose;
//! - [`Affine`]: the closed-form step with a hard reset, [`Decay`] and [`Cascade`]: the exact steps of synapses;
//! - [`ResetStep`]: the step of any method with hard resets located inside it, for a [`FiringField`];
//! - [`EventLog`] and [`EventCounts`]: what makes a program only piecewise smooth;
//! - [`Parametric`]: parameters with names and domains, for optimisers;
//! - [`Divergence`]: where a run stopped being finite;
//! - [`Total`] and [`norm`]: sums that keep what plain ones lose; [`add_in_tree`]: sums in a fixed order; [`is_granted`]: whether there is memory.
//!
//! Equation numbers refer to `docs/equations.md` in the repository.

mod affine;
mod cascade;
mod decay;
mod divergence;
mod error;
mod events;
mod exponential;
mod field;
mod hermite;
mod located;
mod memory;
mod parametric;
mod step;
mod sum;
pub mod tableau;

pub use affine::{Affine, AffineBar, HardReset, Spike};
pub use cascade::Cascade;
pub use decay::Decay;
pub use divergence::Divergence;
pub use error::Error;
pub use events::{EventCounts, EventLog, RESOLVED_STEPS, RESOLVED_UPSTROKE};
pub use exponential::{Exponential, Method};
pub use field::{VectorField, VectorFieldVjp};
pub use located::{FiringField, FiringFieldVjp, MAX_SPIKES, ResetStep};
pub use memory::is_granted;
pub use parametric::{ParameterGroup, Parametric};
pub use step::{Cost, CostVjp, RungeKutta, RungeKuttaTape, Step, StepVjp};
pub use sum::{Total, add_in_tree, first_non_finite, keeps_digits, norm};
pub use tableau::Tableau;
