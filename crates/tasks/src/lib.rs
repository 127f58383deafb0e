#![doc = include_str!("../README.md")]
//!
//! # To do X, take Y
//!
//! | you want | take |
//! |---|---|
//! | a task with random trials | [`Task`] |
//! | a task of fixed data | [`DatasetTask`]; [`Presentation`] makes trials of samples, [`Reading`] is what is scored |
//! | to train a network | [`train`] with [`TrainingOptions`] |
//! | to judge it on trials that it has not seen | [`evaluate`] with a [`Purpose`] |
//! | to know why it does not learn | [`Health`] |
//! | to check its gradient | [`NetworkObjective`] with `assert_gradient` of `spikegrad-adjoint` |
//! | to save and load networks | [`save`], [`load`]; [`load_into`] keeps what is not in the file, [`load_with`] knows models of your own, [`describe`] reads the description alone |
//! | a training that survives an interruption | [`Checkpoint`] |
//! | outputs that follow a target | [`QuadraticLoss`] |
//! | classes | [`CrossEntropy`] of a [`Score`] |
//! | values, counts, times of first spikes | [`SquaredError`] of a [`Score`] |
//! | spike trains | [`VanRossum`] |
//! | calm networks | [`RateBand`], [`Activity`], [`VoltageFloor`] |
//! | several losses | [`SumOfLosses`], [`Losses`], [`Weighted`] |
//! | losses, optimisers and learning rates by name | [`LossSettings`], [`OptimiserKind`], [`learning_rates`] |
//! | the gradient of a mini-batch | [`Batch`] |
//! | the tasks of the paper | [`predictive_coding`], [`delayed_xor`] |
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
