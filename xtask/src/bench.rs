//! `bench`: the Criterion benches and the report that `spikegrad-reproduce` writes to `target/bench/report.html`; or with
//! `--peers`, this library against others.

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};

use crate::{cargo, metadata, reproduce};

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
enum Plan<'a> {
    /// Benches and report, at length or in short.
    All { quick: bool },
    /// The report alone, with its own arguments.
    Report(&'a [OsString]),
    /// Other systems, with the arguments of `peers/run.py`.
    Peers(Vec<&'a OsStr>),
    /// Some of the benches, with the arguments of `cargo bench`.
    Benches(&'a [OsString]),
}

fn plan(args: &[OsString]) -> Plan<'_> {
    match args {
        [] => Plan::All { quick: false },
        [flag] if flag == "--quick" => Plan::All { quick: true },
        [word, rest @ ..] if word == "report" => Plan::Report(rest),
        _ => match args.iter().take_while(|arg| *arg != "--").position(|arg| arg == "--peers") {
            Some(at) => {
                Plan::Peers(args[..at].iter().chain(&args[at + 1..]).map(OsString::as_os_str).collect())
            }
            None => Plan::Benches(args),
        },
    }
}

/// The last command of what the arguments ask for; those before it are run.
pub(crate) fn command(args: &[OsString]) -> Result<Command, String> {
    match plan(args) {
        Plan::Peers(args) => peers(&args),
        Plan::Benches(args) => Ok(benches(args)),
        Plan::Report(args) => report(args),
        Plan::All { quick } => {
            let short: [OsString; 2] = ["--".into(), "--quick".into()];
            cargo::run(&mut benches(if quick { &short } else { &[] }))?;
            report(if quick { &short[1..] } else { &[] })
        }
    }
}

/// The command that runs the benches; what follows a `--` goes to Criterion.
fn benches(args: &[OsString]) -> Command {
    let mut command = cargo::cargo("bench");
    command.args(["--package", "spikegrad-benches"]).args(args);
    command
}

/// The command that measures and writes the report; it fails where a band is missed.
fn report(args: &[OsString]) -> Result<Command, String> {
    let mut command = reproduce::command("bench", args)?;
    command.current_dir(cargo::root());
    Ok(command)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &[&str], expected: &str) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        assert_eq!(format!("{:?}", plan(&args)), expected);
    }

    #[test]
    fn arguments_choose_benches_report_or_peers() {
        check(&[], "All { quick: false }");
        check(&["--quick"], "All { quick: true }");
        check(&["report", "--quick"], r#"Report(["--quick"])"#);
        check(&["--peers", "--quick"], r#"Peers(["--quick"])"#);
        check(&["--bench", "gradient", "--", "f32"], r#"Benches(["--bench", "gradient", "--", "f32"])"#);
        check(&["--", "--peers"], r#"Benches(["--", "--peers"])"#);
    }
}
