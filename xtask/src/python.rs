//! `python`: the wheel of the Python package and its tests, in a virtual environment of their own below `target`.
//!
//! Everything else of the workspace is built and tested without Python.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::{self, Outcome};
use crate::{metadata, reproduce};

/// The oldest Python that the wheel is for.
const OLDEST: (u32, u32) = (3, 9);

/// What the tests need in CI. Tests of libraries that are not there are skipped, and say so.
const LIGHT: &[&str] = &["maturin", "numpy", "pytest", "safetensors", "scikit-learn", "nir", "jax"];

/// What all tests need beside that; PyTorch takes several gigabytes.
const HEAVY: &[&str] = &["matplotlib", "tqdm", "torch"];

/// The first Python that starts and is not too old.
pub(crate) fn interpreter() -> Option<&'static str> {
    let (major, minor) = OLDEST;
    let code = format!("import sys, venv; sys.exit(sys.version_info < ({major}, {minor}))");
    let starts = |name: &&str| {
        let mut command = Command::new(name);
        command.args(["-c", &code]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    ["python3", "python"].into_iter().find(starts)
}

/// Builds the wheel, installs it and runs its tests, with the arguments of pytest: all of them, or, as one of all checks, those that light
/// libraries are enough for, with what was built before. Such a check is skipped, and says so, where these libraries cannot be installed.
pub(crate) fn run(args: &[OsString], all: bool) -> Outcome {
    let (major, minor) = OLDEST;
    let python = interpreter().ok_or_else(|| {
        format!(
            "Python {major}.{minor} or later, with its venv module, is not there: install it as `python3`"
        )
    })?;
    let (root, out) = (cargo::root(), metadata::read()?.target.join("python"));
    let package = root.join("crates").join("python");
    let here = match environment(python, &out, all) {
        Err(why) if !all => {
            println!("skipped: the libraries that the tests need cannot be installed: {why}");
            return Ok(());
        }
        here => here?,
    };

    let wheels = out.join("wheels");
    // What an earlier version left would be installed again.
    if wheels.exists() {
        std::fs::remove_dir_all(&wheels).map_err(|error| format!("{}: {error}", wheels.display()))?;
    }
    // In the profile of the tests, whose builds of the other crates it shares.
    let mut build = Command::new(program(&here, "maturin"));
    build.args(["build", "--locked", "--quiet", "--manifest-path"]).arg(package.join("Cargo.toml"));
    build.arg("--interpreter").arg(program(&here, "python")).arg("--out").arg(&wheels);
    start(&mut build)?;
    let wheel = only_file(&wheels)?;
    start(pip(&here).args(["install", "--quiet", "--no-deps", "--force-reinstall"]).arg(&wheel))?;

    // What the same functions give in Rust, for Python to be held against.
    let figures = out.join("figures.json");
    let mut command = match !all {
        true => reproduce::built_with_tests("figures", "example")?,
        false => {
            let mut command = cargo::cargo("run");
            command.args(["--quiet", "--package", "spikegrad", "--example", "figures"]);
            command
        }
    };
    let printed = command.stderr(Stdio::inherit()).output();
    let printed =
        printed.map_err(|error| format!("`{}` could not be started: {error}", cargo::line(&command)))?;
    if !printed.status.success() {
        return Err(format!("`{}` failed with {}", cargo::line(&command), printed.status));
    }
    std::fs::write(&figures, printed.stdout).map_err(|error| format!("{}: {error}", figures.display()))?;

    let mut tests = Command::new(program(&here, "python"));
    tests.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).args(args).arg(package.join("tests"));
    tests.env("SPIKEGRAD_FIGURES", &figures).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(&out);
    start(&mut tests)
}

/// The environment, with everything that is needed installed.
fn environment(python: &str, out: &Path, all: bool) -> Result<PathBuf, String> {
    let here = out.join(if all { "environment" } else { "light" });
    if !program(&here, "python").exists() {
        start(Command::new(python).args(["-m", "venv"]).arg(&here))?;
    }
    start(pip(&here).args(["install", "--quiet"]).args(LIGHT).args(if all { HEAVY } else { &[] }))?;
    Ok(here)
}

/// A program of the environment.
fn program(environment: &Path, name: &str) -> PathBuf {
    let folder = if cfg!(windows) { "Scripts" } else { "bin" };
    environment.join(folder).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

fn pip(environment: &Path) -> Command {
    let mut command = Command::new(program(environment, "python"));
    command.args(["-m", "pip", "--disable-pip-version-check"]);
    command
}

/// The wheel in a folder that has nothing else.
fn only_file(folder: &Path) -> Result<PathBuf, String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", folder.display());
    let entries =
        std::fs::read_dir(folder).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    match &entries[..] {
        [entry] if entry.path().extension() == Some(OsStr::new("whl")) => Ok(entry.path()),
        _ => Err(format!("{} has not one wheel: delete it and run this again", folder.display())),
    }
}

/// Runs a command that is not cargo's to its end; a failure names it.
fn start(command: &mut Command) -> Outcome {
    let line = || {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    };
    let line = line();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` failed with {status}")),
        Err(error) => Err(format!("`{line}` could not be started: {error}")),
    }
}
