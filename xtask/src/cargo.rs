//! Spawning `cargo`, the same one that runs this program, on any system and without a shell.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What a check or a step ends with; the error is for a person and says what to do.
pub(crate) type Outcome = Result<(), String>;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&xtask).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// `cargo SUBCOMMAND`, in the directory of the caller, so that relative paths among further arguments keep their meaning.
pub(crate) fn cargo_here(subcommand: &str) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let mut command = Command::new(program);
    command.arg(subcommand);
    // `cargo run` describes xtask in the environment; whatever the spawned cargo builds must not read that description.
    for (name, _) in std::env::vars_os() {
        if let Some(text) = name.to_str()
            && ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    command
}

/// `cargo SUBCOMMAND` at the root of the workspace.
pub(crate) fn cargo(subcommand: &str) -> Command {
    let mut command = cargo_here(subcommand);
    command.current_dir(root());
    command
}

/// Runs a command to its end; a failure names the command.
pub(crate) fn run(command: &mut Command) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` failed with {status}", line(command))),
        Err(error) => Err(format!("`{}` could not be started: {error}", line(command))),
    }
}

/// Runs a command in place of this program: prints nothing of its own and passes the exit code on.
pub(crate) fn forward(command: &mut Command) -> ExitCode {
    match command.status() {
        Ok(status) => {
            // No code means that a signal ended it.
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            code.map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            eprintln!("error: `{}` could not be started: {error}", line(command));
            ExitCode::FAILURE
        }
    }
}

/// A command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let mut words = vec!["cargo".to_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}
