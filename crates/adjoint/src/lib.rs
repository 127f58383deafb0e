#![doc = include_str!("../README.md")]
//!
//! # To do X, take Y
//!
//! | you want | take |
//! |---|---|
//! | the exact gradient of a program | [`Sweep::gradient`], the discrete adjoint |
//! | to run a program without a gradient | [`Sweep::cost`], [`Sweep::run`] |
//! | the same gradient in less memory | [`Sweep::memory`] with a [`Memory`] |
//! | to check a gradient, and stop where it is wrong | [`assert_gradient`] |
//! | to look at the figures of a check | [`GradientCheck`], which returns a [`GradientReport`] |
//! | something that can be checked | [`Objective`]; [`StepObjective`] makes one of any step |
//! | a gradient that shares no derivative code | [`forward_sensitivity`], by dual numbers; slow |
//! | the adjoint differential equation, to compare with | [`ContinuousAdjoint`] |
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
