//! The published experiments, reproduced and judged.
//!
//! An experiment is a function from a [`Context`](experiments::Context) to a [`Report`](report::Report). The report
//! holds settings, figures judged against bands, prose, tables and plots, and writes itself as `metrics.json`, SVG
//! files and one self-contained page; plots and pages are those of `spikegrad-report`. The [command line](cli) chooses
//! experiments, runs them and turns their verdicts into an exit code. Nothing outside [`experiments`] knows what any one
//! of them computes.

mod baselines;
pub mod bench;
pub mod cli;
pub mod compare;
mod error;
pub mod experiments;
mod file;
pub mod index;
mod npy;
mod pool;
pub mod problem;
pub mod report;
mod resume;
pub mod verdict;

pub use error::{Error, explain};
pub use npy::ArrayError;
