#![doc = include_str!("../README.md")]
//!
//! # To do X, take Y
//!
//! | you want | take |
//! |---|---|
//! | to read a file | [`open`]; [`read`] where there are several files, [`ReadOptions`] where the kind or the names are not the usual ones |
//! | arrays by their names | [`arrays`] |
//! | a data set of your own numbers | [`Dataset::new`] with [`Inputs`] of [`Series`] or [`SpikeEvents`], and [`Targets`] |
//! | parts for training, validation and test | [`split`]; for cross-validation, [`folds`] |
//! | the order of an epoch | [`epoch_order`] |
//! | channels of equal size; targets of equal size | [`Standardise`]; [`StandardiseTargets`] |
//! | series of equal length | [`pad`], [`Resampling`] |
//! | currents or spikes of series | [`encode`] |
//! | accuracy, errors, distances of spike trains | [`metrics`] |
//! | data without a file | [`yin_yang`] |

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
