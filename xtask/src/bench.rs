//! `bench`: the Criterion benches, with the arguments of `cargo bench`; or with `--peers`, this library against others.

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};

use crate::{cargo, metadata};

/// The command that runs the benches, or the comparison; what follows a `--` goes to Criterion.
pub(crate) fn command(args: &[OsString]) -> Result<Command, String> {
    match args.iter().take_while(|arg| *arg != "--").position(|arg| arg == "--peers") {
        Some(at) => {
            let rest: Vec<&OsStr> =
                args[..at].iter().chain(&args[at + 1..]).map(OsString::as_os_str).collect();
            peers(&rest)
        }
        None => {
            let mut command = cargo::cargo("bench");
            command.args(["--package", "spikegrad-benches"]).args(args);
            Ok(command)
        }
    }
}

/// The command that times this library and its peers, which all but cargo's work is left to: `peers/run.py`.
fn peers(args: &[&OsStr]) -> Result<Command, String> {
    let python = python()?;
    let target = metadata::read()?.target;
    let mut build = cargo::cargo("build");
    cargo::run(build.args(["--release", "--package", "spikegrad-reproduce"]))?;
    let binary = format!("spikegrad-reproduce{}", std::env::consts::EXE_SUFFIX);
    let mut command = Command::new(python);
    command.arg("-B").arg(cargo::root().join("peers").join("run.py"));
    command.arg("--binary").arg(target.join("release").join(binary));
    command.arg("--out").arg(target.join("peers")).args(args);
    Ok(command)
}

/// A Python 3 that starts.
fn python() -> Result<&'static str, String> {
    let starts = |name: &&str| {
        let mut command = Command::new(name);
        command.args(["-c", "import sys; sys.exit(sys.version_info[0] != 3)"]);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let missing = "`bench --peers` needs Python 3.11 or later, with its venv module: install it as `python3`";
    ["python3", "python"].into_iter().find(starts).ok_or_else(|| missing.to_owned())
}
