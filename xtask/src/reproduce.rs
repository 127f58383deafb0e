//! `reproduce` and `compare`: both belong to the binary of `spikegrad-reproduce`.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{cargo, test};

/// What is said before anything is built, which may take minutes.
const FIRST: &str = "Building the experiments in release mode (minutes the first time, seconds later) ...";

/// The command that runs `spikegrad-reproduce SUBCOMMAND ARGS` where the caller stands, built in release mode. Standard output is
/// the binary's alone.
///
/// The examples' packages are built with it, so that `cargo run --release --example quickstart` afterwards finds everything as it needs
/// it: the same packages are chosen, and so the features of all dependencies are the same.
pub(crate) fn command(subcommand: &str, args: &[OsString]) -> Result<Command, String> {
    eprintln!("{FIRST}");
    let mut build = cargo::cargo_here("build");
    build.args(["--release", "--bin", "spikegrad-reproduce", "--example", "quickstart"]);
    build.args(["--message-format", "json-render-diagnostics", "--manifest-path"]);
    build.arg(cargo::root().join("Cargo.toml"));
    let mut command = Command::new(built(&mut build, "spikegrad-reproduce", "bin")?);
    command.arg(subcommand).args(args);
    Ok(command)
}

/// The same binary, as the tests of all packages have it built.
pub(crate) fn with_tests(subcommand: &str, args: &[OsString]) -> Result<Command, String> {
    let mut command = built_with_tests("spikegrad-reproduce", "bin")?;
    command.arg(subcommand).args(args);
    Ok(command)
}

/// A program, a `bin` or an `example`, as the tests of all packages have it built. Were it asked for by its own package, its
/// dependencies would have other features, and all would be built again.
pub(crate) fn built_with_tests(name: &str, kind: &str) -> Result<Command, String> {
    let mut build =
        test::command(&["--no-run", "--message-format", "json-render-diagnostics"].map(OsString::from));
    let mut command = Command::new(built(&mut build, name, kind)?);
    command.current_dir(cargo::root());
    Ok(command)
}

/// Builds, and finds the path of a program. Cargo shows its progress.
fn built(build: &mut Command, name: &str, kind: &str) -> Result<String, String> {
    let line = cargo::line(build);
    let output = build.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("`{line}` could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` failed with {}", output.status));
    }
    executable(&output.stdout, name, kind).ok_or_else(|| format!("`{line}` built no {kind} {name}"))
}

/// The path of a program among the messages of a build.
fn executable(messages: &[u8], name: &str, kind: &str) -> Option<String> {
    let messages = messages.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    let mut programs = messages.filter(|message: &Value| {
        let target = &message["target"];
        message["reason"] == "compiler-artifact"
            && target["name"] == name
            && target["kind"][0] == kind
            && message["profile"]["test"] == false
    });
    Some(programs.next()?["executable"].as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::executable;

    #[test]
    fn the_binary_is_told_from_its_tests() {
        let message = |name: &str, kind: &str, test: bool, path: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"name":"{name}","kind":["{kind}"]}},"profile":{{"test":{test}}},"executable":"{path}"}}"#
            )
        };
        let messages = [
            message("spikegrad-reproduce", "bin", true, "a"),
            message("suite", "test", true, "b"),
            "no message".to_owned(),
            message("spikegrad-reproduce", "bin", false, "c"),
        ];
        assert_eq!(
            executable(messages.join("\n").as_bytes(), "spikegrad-reproduce", "bin").as_deref(),
            Some("c")
        );
        assert_eq!(executable(messages[..3].join("\n").as_bytes(), "spikegrad-reproduce", "bin"), None);
    }
}
