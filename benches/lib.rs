//! What the benches and the report of `cargo xtask bench` share: random theta networks, and the gradient of the same
//! networks by dense products, to compare with.

pub mod dense;
mod problem;

pub use problem::{LAMBDA, Problem, Size, TAU, TAU_FAST, TAU_V, WIDTH};
