#![doc = include_str!("../README.md")]
//!
//! # To do X, take Y
//!
//! | you want | take |
//! |---|---|
//! | to train something of your own | [`Program`], then [`train`] with [`TrainingOptions`] |
//! | learning rates | [`LearningRate`], one for each group; [`Schedule`] lets them fall |
//! | the rule of the step | [`UpdateRule`]: Adam, AdamW, Lion, gradient descent with momentum |
//! | a loop of your own | [`Optimiser::step`] |
//! | to tame single long gradients | [`Clip`] |
//! | to hold parameters near their start | [`Pull`] |
//! | held-out trials that steer training | [`Validation`] |
//! | to watch, or to end a training | [`Observer`], [`progress_bar`] |
//! | a training that survives an interruption | [`Checkpoint`]; [`history`] reads what was done; [`write_whole`] writes any file whole or not at all |
//! | a small fit without noise | [`Lbfgs`] |
//! | the gradient of a batch in parts | [`Lanes`], added up by [`Reducer`] |
//! | random numbers that depend on seed, purpose and index alone | [`generator`] with a [`Purpose`]; [`TrainingStage`] says which trial is asked for |
//! | to know what makes a result worth little | [`Finding`] |
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
pub use gradient::{
    BatchResult, Counted, GroupSize, TrialGradient, TrialResult, WholeBatch, gradient_alone, of_trial,
};
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
