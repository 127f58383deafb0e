//! The command `spikegrad`: from somebody's data to a trained network, by one text file.

/// Writes a line to standard output. A reader that has gone away, as behind `| head`, is no reason to stop.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// Writes a line to standard error, beside whatever the command prints.
macro_rules! note {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod arrays;
mod check;
mod convert;
mod error;
mod eval;
mod inspect;
mod kept;
mod mistake;
mod models;
mod narrow;
mod new;
mod page;
mod prepare;
mod run;
mod settings;
#[cfg(test)]
mod tests;
mod train;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use spikegrad::prelude::Purpose;

use error::Error;

/// Trains spiking neural networks by exact gradient descent: `spikegrad new NAME --data FILE`, then `spikegrad train NAME.toml`.
#[derive(Debug, Parser)]
#[command(name = "spikegrad", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Worker threads [default: all cores]; results do not depend on it
    #[arg(long, global = true, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at data and write a commented file of settings for it
    New(new::Args),
    /// Train, or go on with a training that was stopped
    Train(train::Args),
    /// Judge a trained network on data that it was not trained on
    Eval(eval::Args),
    /// Run one trial and write its voltages, traces, spikes and outputs
    Run(run::Args),
    /// Check the gradient of this network on this data against central differences
    Check(check::Args),
    /// Say what a file holds, or what keeps a network from learning
    Inspect(inspect::Args),
    /// Write a network's parameters in another format, or put an archive of parameters into a network
    Convert(convert::Args),
    /// List the neuron models that settings may name, with their parameters
    Models(models::Args),
}

/// The settings that a command works with.
#[derive(Debug, Args)]
struct Source {
    /// The file of settings, as `spikegrad new` writes it
    #[arg(value_name = "SETTINGS.toml")]
    settings: PathBuf,
    /// Put a setting over that of the file, as in `--set training.h=0.5`; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where the training is kept [default: the name of the settings without `.toml`]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// A part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What the network is trained on
    Training,
    /// What steers the training
    Validation,
    /// What judges the result
    Test,
}

impl Part {
    fn purpose(self) -> Purpose {
        match self {
            Self::Training => Purpose::Training,
            Self::Validation => Purpose::Validation,
            Self::Test => Purpose::Test,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

fn run(cli: &Cli) -> Result<(), Error> {
    match &cli.command {
        Command::New(args) => new::run(args),
        Command::Train(args) => train::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Models(args) => models::run(args),
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let threads = cli.threads.map_or(0, NonZeroUsize::get);
    // The only pool of the program; a second attempt cannot be.
    if let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global() {
        note!("error: cannot start worker threads: {error}");
        return ExitCode::from(2);
    }
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note!("error: {error}");
            ExitCode::from(if matches!(error, Error::Check) { 1 } else { 2 })
        }
    }
}
