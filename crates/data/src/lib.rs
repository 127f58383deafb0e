#![doc = include_str!("../README.md")]
//!
//! # What is here
//!
//! - [`Dataset`]: [`Inputs`] of [`Series`] or [`SpikeEvents`], with [`Targets`];
//! - [`open`] and [`read`]: files of every [`Kind`], as [`ReadOptions`] say;
//! - [`epoch_order`], [`split`], [`folds`]: seeded orders and parts;
//! - [`Standardise`], [`StandardiseTargets`], [`pad`], [`Resampling`]: what is done to series before training;
//! - [`encode`]: from series to currents and spikes;
//! - [`metrics`]: of classes, values and spike trains;
//! - [`yin_yang`]: a data set that is generated.

mod dataset;
pub mod encode;
mod error;
pub mod metrics;
mod order;
mod pad;
mod random;
mod read;
mod resample;
mod series;
mod spikes;
mod split;
mod standardise;
mod standardise_targets;
mod yin_yang;

pub use dataset::{Dataset, Input, Inputs, Sample, Target, Targets};
pub use error::Error;
pub use order::epoch_order;
pub use pad::{Padded, pad};
pub use read::{
    ArrayNames, ColumnNames, Kind, Missing, NamedArray, Pixels, ReadOptions, TimeUnit, arrays, open, read,
};
pub use resample::Resampling;
pub use series::Series;
pub use spikes::SpikeEvents;
pub use split::{Fold, folds, split};
pub use standardise::Standardise;
pub use standardise_targets::StandardiseTargets;
pub use yin_yang::yin_yang;
