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
//! - [`LossSettings`], [`OptimiserKind`], [`learning_rates`]: losses, optimisers and learning rates by name;
//! - [`NetworkObjective`]: a network for the gradient check.
//!
//! Equation numbers refer to `docs/equations.md` in the repository.

mod batch;
mod checkpoint;
mod dataset_task;
pub mod delayed_xor;
mod error;
mod evaluate;
pub mod health;
mod lockstep;
mod losses;
mod network_file;
mod network_on_task;
mod objective;
mod options;
mod origin;
pub mod predictive_coding;
mod presentation;
mod safetensors;
mod settings;
mod task;
mod train;

pub use batch::{Batch, NetworkLane};
pub use checkpoint::{describe, load, load_into, load_with, save};
pub use dataset_task::{DatasetTask, Reading};
pub use error::Error;
pub use evaluate::evaluate;
pub use health::{Health, HealthOptions};
pub use losses::{
    Activity, CrossEntropy, Losses, QuadraticLoss, RateBand, Score, SquaredError, SumOfLosses, VanRossum,
    VoltageFloor, Weighted,
};
pub use objective::{NetworkObjective, Scheme};
pub use options::{JUDGED_CROSSINGS, TrainingOptions};
pub use presentation::Presentation;
pub use settings::{LossKind, LossSettings, OptimiserKind, RateSettings, ScoreKind, learning_rates};
pub use spikegrad_training::{
    BatchResult, Checkpoint, CheckpointError, Clip, Course, DEFAULT_LANES, Finding, GRAZING_SPIKES,
    Iteration, LearningRate, NEGATIVE_CONDUCTANCES, Next, Observer, Optimiser, Pull, Purpose,
    RunningQuantile, SHORT_CROSSINGS, Schedule, TrainingStage, TrialResult, UpdateRule, Validated,
    Validation, clip_norm, generator, history, progress_bar, write_whole,
};
pub use task::Task;
pub use train::train;
