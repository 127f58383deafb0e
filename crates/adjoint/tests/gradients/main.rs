//! Gradients of ordinary differential equations: under the public check, and by every method against each other.

mod agreement;
mod check;
mod checkpoints;
mod rates;

/// 32 cases a property, or what `PROPTEST_CASES` says.
fn cases() -> proptest::test_runner::Config {
    let default = proptest::test_runner::Config::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    proptest::test_runner::Config { cases: if asked { default.cases } else { 32 }, ..default }
}
