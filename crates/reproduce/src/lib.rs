//! The published experiments, reproduced and judged.

mod error;
mod markup;
pub mod plot;

pub use error::Error;
