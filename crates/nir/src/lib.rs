#![doc = include_str!("../README.md")]

mod error;
mod export;
mod file;
mod graph;
mod import;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use export::{Exported, export};
pub use graph::{Graph, Matrix, Node};
pub use import::import;
