//! The tests that need several crates, in one program: what they instantiate is compiled once.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests, which print their figures"
)]

mod allocations;
mod bits;
mod charge;
mod checkpoints;
mod common;
mod convergence;
mod costs;
mod dense;
mod errors;
mod forward;
mod fuzz;
mod gradients;
mod initialise;
mod limits;
mod lockstep;
mod low_rank;
mod neurons;
mod probes;
mod projections;
mod readouts;
mod recordings;
mod resume;
mod rtrl;
mod run_losses;
mod side_by_side;
mod sources;
mod states;
mod stepper;
mod synapses;
mod training;
mod upstroke;
mod wiring;
