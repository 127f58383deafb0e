//! What other systems computed, met to rounding.

#![allow(clippy::expect_used, clippy::panic, reason = "a step that fails fails the test")]

mod compare;
mod foreign;
