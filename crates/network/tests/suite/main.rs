//! The tests of this crate that need a whole network, in one program.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a failure in a helper fails the test that called it"
)]

mod approximate;
mod network;
mod work;
