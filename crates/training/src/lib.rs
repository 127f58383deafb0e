#![doc = include_str!("../README.md")]
//!
//! # What is here
//!
//! - [`Program`] and its [`TrialGradient`]: what can be trained; [`train`] trains it by [`TrainingOptions`];
//! - [`Optimiser`] with its [`UpdateRule`], [`LearningRate`], [`Pull`]; [`Schedule`], [`Clip`]; [`Lbfgs`] for small fits;
//! - [`Lanes`]: the gradient of a batch, the same bits on any number of threads and in any number of parts; [`Reducer`] adds lanes up;
//! - [`Validation`]: held-out trials that steer training; [`TrainingStage`], [`Purpose`], [`generator`]: which trial is asked for;
//! - [`Observer`], [`progress_bar`]: who watches; [`Checkpoint`], [`history`]: what is kept; [`write_whole`]: any file, whole or not at all;
//! - [`Finding`]: what makes a result worth little.
//!
//! Equation numbers refer to `docs/equations.md` in the repository.

pub mod checkpoint;
mod clip;
mod error;
pub mod file;
mod findings;
mod fingerprint;
mod gradient;
mod lanes;
mod lbfgs;
mod observer;
mod optimiser;
mod options;
mod program;
mod schedule;
mod stage;
mod train;
mod update_rules;
mod validation;
mod values;
mod vector;

pub use checkpoint::{Checkpoint, history};
pub use clip::{Clip, RunningQuantile, clip_factor, clip_norm, factor_for};
pub use error::{CheckpointError, Error};
pub use file::write_whole;
pub use findings::{Finding, GRAZING_SPIKES, NEGATIVE_CONDUCTANCES, SHORT_CROSSINGS};
pub use fingerprint::fingerprint;
pub use gradient::{BatchResult, TrialGradient, TrialResult, WholeBatch, of_trial};
pub use lanes::{DEFAULT_LANES, LaneTotal, Lanes, Reducer, Tree};
pub use lbfgs::{Lbfgs, Minimum, Stopped};
pub use observer::{Iteration, Observer, progress_bar};
pub use optimiser::{LearningRate, Optimiser, Pull};
pub use options::TrainingOptions;
pub use program::{FirstBatch, Program};
pub use schedule::Schedule;
pub use stage::{Purpose, TrainingStage, generator};
pub use train::{train, train_with};
pub use update_rules::UpdateRule;
pub use validation::{Course, Next, Validated, Validation};
