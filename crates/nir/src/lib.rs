#![doc = include_str!("../README.md")]
//!
//! # To do X, take Y
//!
//! | you want | take |
//! |---|---|
//! | a network as a graph of NIR | [`export`], which also says what NIR cannot hold ([`Exported`]) |
//! | a graph as a network | [`import`] |
//! | a file | [`Graph::to_bytes`] and [`Graph::from_bytes`], the contents of a `.nir` file |
//! | the nodes of a graph | [`Node`], with their [`Matrix`] |

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
