#![doc = include_str!("../README.md")]

mod error;
mod sweep;

pub use error::{BoxError, Error};
pub use sweep::Sweep;
