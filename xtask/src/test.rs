//! `test`: every test of the workspace, with the arguments of `cargo test`.

use std::ffi::{OsStr, OsString};
use std::process::Command;

use crate::cargo;

/// The command that runs unit, integration and documentation tests, and builds the examples.
pub(crate) fn command(args: &[OsString]) -> Command {
    // Not `--all-targets`: that would run the benches, and leave the documentation tests out.
    let mut command = cargo::cargo("test");
    if !names_packages(args) {
        command.arg("--workspace");
    }
    command.args(args);
    command
}

/// Whether the arguments choose packages, which `--workspace` would override.
fn names_packages(args: &[OsString]) -> bool {
    args.iter().take_while(|arg| *arg != OsStr::new("--")).filter_map(|arg| arg.to_str()).any(|arg| {
        arg == "--package"
            || arg.starts_with("--package=")
            || (arg.starts_with("-p") && !arg.starts_with("--"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &[&str], expected: bool) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        assert_eq!(names_packages(&args), expected, "{args:?}");
    }

    #[test]
    fn packages_are_found_before_the_double_dash_only() {
        check(&[], false);
        check(&["gates", "--", "--nocapture"], false);
        check(&["-p", "spikegrad-models"], true);
        check(&["-pspikegrad-models"], true);
        check(&["--package=spikegrad-models", "gates"], true);
        check(&["--profile", "release", "--", "-p"], false);
    }
}
