//! Comparison of a network problem stored as `.npz` with this library: cost, gradients, speed.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::Error;

/// The floating-point type to compute in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Dtype {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// The arguments of `compare`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The problem: weights, input, cost and gradients in NumPy's zipped format
    #[arg(value_name = "PROBLEM.npz")]
    pub problem: PathBuf,
    /// Floating-point type
    #[arg(long, value_enum, default_value_t = Dtype::F64)]
    pub dtype: Dtype,
    /// Worker threads [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// How often to time forward + backward
    #[arg(long, value_name = "K", default_value = "5")]
    pub repeat: NonZeroUsize,
    /// Print one JSON object on standard output and nothing else there
    #[arg(long)]
    pub json: bool,
}

/// Loads the problem, computes its cost and gradients and prints how they compare.
///
/// # Errors
///
/// If the problem cannot be read or computed.
pub fn run(_args: &Args) -> Result<(), Error> {
    Err(Error::Missing { what: "compare" })
}
