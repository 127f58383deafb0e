#![doc = include_str!("../README.md")]
//!
//! # What is here
//!
//! - [`Sweep`]: the discrete adjoint of any step, forward runs, events; [`Memory`]: checkpointed, in as much memory as you
//!   like;
//! - [`ContinuousAdjoint`]: the adjoint differential equation, to compare with;
//! - [`forward_sensitivity`]: the gradient by dual numbers, without any transpose;
//! - [`assert_gradient`] and [`GradientCheck`]: the proof, for any [`Objective`]; [`StepObjective`] makes one of any step.
//!
//! Equation numbers refer to `docs/equations.md` in the repository.

mod check;
mod checkpoint;
mod continuous;
mod error;
mod forward;
mod report;
mod sweep;

pub use check::{CheckedGroup, GradientCheck, Objective, StepObjective, assert_gradient};
pub use checkpoint::Memory;
pub use continuous::ContinuousAdjoint;
pub use error::{BoxError, Error};
pub use forward::{directional_derivative, forward_sensitivity};
pub use num_dual::Dual64;
pub use report::{Comparison, GradientReport, GroupReport, Limits};
pub use sweep::Sweep;
