//! `reproduce` and `compare`: both belong to the binary of `spikegrad-reproduce`.

use std::ffi::OsString;
use std::process::Command;

use crate::cargo;

/// The command that runs `spikegrad-reproduce SUBCOMMAND ARGS` where the caller stands, built in release mode. Standard output is
/// the binary's alone.
pub(crate) fn command(subcommand: &str, args: &[OsString]) -> Command {
    command_in("release", subcommand, args)
}

/// The same, built in another profile.
pub(crate) fn command_in(profile: &str, subcommand: &str, args: &[OsString]) -> Command {
    let mut command = cargo::cargo_here("run");
    command.args(["--profile", profile, "--quiet", "--package", "spikegrad-reproduce", "--manifest-path"]);
    command.arg(cargo::root().join("Cargo.toml"));
    command.arg("--").arg(subcommand).args(args);
    command
}
