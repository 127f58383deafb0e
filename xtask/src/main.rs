//! Project commands: `cargo xtask reproduce`, `test`, `ci` and what belongs to them.
//!
//! A light program on purpose: it knows the workspace by `cargo metadata` and spawns `cargo` for everything that is
//! heavy, so that `cargo xtask` itself is built in seconds and depends on nothing that it checks.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program reports by printing")]

mod bench;
mod book;
mod cargo;
mod ci;
mod docs;
mod figures;
mod layers;
mod metadata;
mod package;
mod png;
mod python;
mod reproduce;
mod scan;
mod test;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Commands of the spikegrad project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the experiments in release mode; all of them, or those named (--help lists them)
    #[command(disable_help_flag = true)]
    Reproduce(Passed),
    /// Compare cost and gradients with a problem stored by another system (--help says how)
    #[command(disable_help_flag = true)]
    Compare(Passed),
    /// Run unit, integration and documentation tests; arguments are those of `cargo test`
    Test(Passed),
    /// Run the benches and write their report. `report` alone: the report only (`report --help`); `--peers`: time other
    /// systems in turns with this one; other arguments are those of `cargo bench`
    Bench(Passed),
    /// Build the Python package, install it with PyTorch, JAX and scikit-learn into an environment of its own (several GB) and test
    /// it; arguments are those of pytest
    Python(Passed),
    /// Run every check that a change must pass, or only the steps named
    Ci {
        /// Steps to run; all if none is named
        #[arg(value_enum)]
        steps: Vec<ci::Step>,
        /// Package uncommitted changes too
        #[arg(long)]
        allow_dirty: bool,
    },
    /// Check the dependency edges of the workspace
    Layers,
    /// Check the paths, links, pages, equations, test names, code and figures that documentation and sources cite
    Docs,
    /// Keep the metrics of finished experiments, which the documentation quotes, in docs/results
    Keep {
        /// Directories of experiments, such as target/reproduce/yin-yang
        #[arg(required = true, value_name = "DIR")]
        directories: Vec<std::path::PathBuf>,
        /// The kind of machine that ran them, such as "2-core AMD EPYC with AVX-512"
        #[arg(long)]
        machine: String,
    },
    /// Build the book of the documentation into target/book; needs mdbook. Arguments are those of `mdbook build`: --open shows it
    Book(Passed),
    /// Write a PNG beside every SVG of target/reproduce, or of the directory named, by a program that is installed (resvg, chromium, ...)
    Png(Passed),
    /// Package every published crate and check that each package compiles
    Package {
        /// Package uncommitted changes too
        #[arg(long)]
        allow_dirty: bool,
    },
}

/// Arguments for the program that is spawned. They are declared here for the help text and taken from the command
/// line as they stand, because clap drops a leading `--` which belongs to that program.
#[derive(Args)]
struct Passed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    _args: Vec<OsString>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let passed: Vec<OsString> = std::env::args_os().skip(2).collect();
    let outcome = match cli.command {
        Command::Reproduce(_) => match reproduce::command("reproduce", &passed) {
            Ok(mut command) => return cargo::forward(&mut command),
            Err(message) => Err(message),
        },
        Command::Compare(_) => match reproduce::command("compare", &passed) {
            Ok(mut command) => return cargo::forward(&mut command),
            Err(message) => Err(message),
        },
        Command::Test(_) => return cargo::forward(&mut test::command(&passed)),
        Command::Bench(_) => match bench::command(&passed) {
            Ok(mut command) => return cargo::forward(&mut command),
            Err(message) => Err(message),
        },
        Command::Python(_) => python::run(&passed, true),
        Command::Ci { steps, allow_dirty } => ci::run(&steps, allow_dirty),
        Command::Layers => layers::run(),
        Command::Docs => docs::run(),
        Command::Keep { directories, machine } => figures::keep(&cargo::root(), &directories, &machine),
        Command::Book(_) => book::run(&passed),
        Command::Png(_) => png::run(&passed),
        Command::Package { allow_dirty } => package::run(allow_dirty),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
