#![doc = include_str!("../README.md")]
//!
//! # To do X, take Y
//!
//! | you want | take |
//! |---|---|
//! | an equation of your own | [`VectorField`]; for gradients also [`VectorFieldVjp`] |
//! | to solve it with fixed steps | [`RungeKutta`] with a method of [`tableau`], for instance [`tableau::RK4`], and a [`Cost`] |
//! | its gradient | the crate `spikegrad-adjoint`, for anything that is a [`StepVjp`] |
//! | a Runge-Kutta method of your own | [`Tableau`], a table; [`tableau::ALL`] has all that there are |
//! | a step that is no Runge-Kutta method | [`Step`] and [`StepVjp`] |
//! | variables that relax faster than a step | [`Exponential`], or [`Method`] for either kind |
//! | resets located inside a step | [`ResetStep`] for a [`FiringField`]; [`Affine`] where the step has a closed form |
//! | exact steps of synapses | [`Decay`], [`Cascade`] |
//! | to know where the program is not smooth | [`EventLog`], [`EventCounts`] |
//! | to know where a run became infinite | [`Divergence`] |
//! | parameters with names and domains | [`Parametric`] |
//! | sums that keep their digits, in a fixed order | [`Total`], [`norm`], [`add_in_tree`]; [`is_granted`] says whether there is memory |
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
