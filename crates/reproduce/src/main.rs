//! `spikegrad-reproduce`: see `spikegrad-reproduce --help`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use spikegrad_reproduce::cli::{self, Cli};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli::run(&cli, &mut std::io::stdout().lock()) {
        Ok(verdict) => verdict.into(),
        Err(error) => {
            // When even standard error is closed there is nobody left to tell; the exit code still says it.
            let _ = writeln!(std::io::stderr(), "error: {}", spikegrad_reproduce::explain(&error));
            ExitCode::from(2)
        }
    }
}
