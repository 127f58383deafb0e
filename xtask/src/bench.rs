//! `bench`: the Criterion benches, with the arguments of `cargo bench`.

use std::ffi::OsString;
use std::process::Command;

use crate::cargo;

/// The command that runs the benches; what follows a `--` goes to Criterion.
pub(crate) fn command(args: &[OsString]) -> Command {
    let mut command = cargo::cargo("bench");
    command.args(["--package", "spikegrad-benches"]).args(args);
    command
}
