//! `reproduce` and `compare`: both belong to the binary of `spikegrad-reproduce`, built in release mode.

use std::ffi::OsString;
use std::process::Command;

use crate::cargo;

/// The command that runs `spikegrad-reproduce SUBCOMMAND ARGS` where the caller stands. Standard output is the binary's alone.
pub(crate) fn command(subcommand: &str, args: &[OsString]) -> Command {
    let mut command = cargo::cargo_here("run");
    command.args(["--release", "--quiet", "--package", "spikegrad-reproduce", "--manifest-path"]);
    command.arg(cargo::root().join("Cargo.toml"));
    command.arg("--").arg(subcommand).args(args);
    command
}
