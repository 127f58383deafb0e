#![doc = include_str!("../README.md")]
//!
//! # What is here
//!
//! - [`Task`]: a seeded trial generator with a loss and a score; [`predictive_coding`];
//! - losses of single samples: [`QuadraticLoss`], [`Activity`], [`VoltageFloor`]; of the run as a whole: [`CrossEntropy`] and
//!   [`SquaredError`] of any [`Score`], [`VanRossum`], [`RateBand`]; and [`SumOfLosses`], [`Weighted`], [`Losses`] of any of them;
//! - [`DatasetTask`], [`Presentation`], [`Reading`]: a task of the samples of a data set;
//! - [`Batch`]: the gradient of a mini-batch, the same bits on any number of threads;
//! - [`train`]: [`TrainingOptions`], [`Optimiser`], [`Schedule`], [`Clip`];
//! - [`Finding`]: whether what was trained can be trusted; [`Health`]: why a network does not learn;
//! - [`save`], [`load`], [`load_with`], [`load_into`], [`describe`] and [`Checkpoint`]: networks and training kept in files; [`write_whole`]: any file, whole or not at all;
//! - [`NetworkObjective`]: a network for the gradient check.
//!
//! Equation numbers refer to `docs/equations.md` in the repository.

mod batch;
mod checkpoint;
mod clip;
mod dataset_task;
pub mod delayed_xor;
mod error;
mod evaluate;
mod file;
mod findings;
pub mod health;
mod lockstep;
mod losses;
mod network_file;
mod objective;
mod observer;
mod optimiser;
mod options;
mod origin;
pub mod predictive_coding;
mod presentation;
mod safetensors;
mod schedule;
mod task;
mod train;
mod update_rules;
mod validation;

pub use batch::{Batch, BatchResult, DEFAULT_LANES, TrialResult};
pub use checkpoint::{Checkpoint, describe, history, load, load_into, load_with, save};
pub use clip::{Clip, RunningQuantile, clip_norm};
pub use dataset_task::{DatasetTask, Reading};
pub use error::{CheckpointError, Error};
pub use evaluate::evaluate;
pub use file::write_whole;
pub use findings::{Finding, GRAZING_SPIKES, NEGATIVE_CONDUCTANCES, SHORT_CROSSINGS};
pub use health::{Health, HealthOptions};
pub use losses::{
    Activity, CrossEntropy, Losses, QuadraticLoss, RateBand, Score, SquaredError, SumOfLosses, VanRossum,
    VoltageFloor, Weighted,
};
pub use objective::{NetworkObjective, Scheme};
pub use observer::{Iteration, Observer, progress_bar};
pub use optimiser::{LearningRate, Optimiser, Pull};
pub use options::{JUDGED_CROSSINGS, TrainingOptions};
pub use presentation::Presentation;
pub use schedule::Schedule;
pub use task::{Purpose, Task, TrainingStage, generator};
pub use train::train;
pub use update_rules::UpdateRule;
pub use validation::{Course, Next, Validated, Validation};
