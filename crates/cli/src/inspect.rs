//! `spikegrad inspect`: what a file holds, and what keeps a network from learning.

use std::path::{Path, PathBuf};

use serde::Serialize;
use spikegrad::prelude::*;
use spikegrad::tasks::{self, history};

use crate::prepare::Prepared;
use crate::{Error, Source};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A network or the checkpoint of a training, or a file of settings
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// With a file of settings: run a few trials and their gradients, and say what keeps the network from learning
    #[arg(long)]
    health: bool,
    /// With --health: the number of trials
    #[arg(long, value_name = "N", default_value_t = 16)]
    trials: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// With a file of settings: put a setting over that of the file
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// With a file of settings: where the training is kept
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let is_settings = args.file.extension().is_some_and(|extension| extension == "toml");
    if args.health && !is_settings {
        return Err(Error::together(
            "--health",
            "give the file of settings, which says what data the network is for",
        ));
    }
    if !is_settings {
        return file(args);
    }
    let source = Source { settings: args.file.clone(), set: args.set.clone(), out: args.out.clone() };
    let prepared = Prepared::new(&source)?;
    if args.health {
        return health(args, &prepared);
    }
    if !args.json {
        say!("{}\n", prepared.summary());
    }
    print(&parameters(&prepared.trained_or_fresh()?), args.json)
}

/// A parameter and the statistics of its numbers.
#[derive(Serialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) unit: String,
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
    pub(crate) least: f64,
    pub(crate) largest: f64,
    pub(crate) trained: bool,
}

pub(crate) fn parameters<T: spikegrad::network::Scalar>(network: &Network<T>) -> Vec<Line> {
    let there = network.named_parameters().filter(|named| !named.range.is_empty());
    let line = there.map(|named| {
        let values = &network.parameters.values()[named.range.clone()];
        let values = values.iter().map(|x| -> f64 { x.to_subset_unchecked() });
        let n = named.range.len() as f64;
        let mean = values.clone().sum::<f64>() / n;
        Line {
            name: named.name.to_owned(),
            shape: named.shape.to_vec(),
            unit: named.unit.to_owned(),
            mean,
            deviation: (values.clone().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt(),
            least: values.clone().fold(f64::INFINITY, f64::min),
            largest: values.fold(f64::NEG_INFINITY, f64::max),
            trained: named.trained,
        }
    });
    line.collect()
}

impl Line {
    pub(crate) fn shape(&self) -> String {
        self.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
    }

    pub(crate) fn trained(&self) -> &'static str {
        if self.trained { "yes" } else { "no" }
    }
}

fn print(lines: &[Line], json: bool) -> Result<(), Error> {
    if json {
        say!(
            "{}",
            serde_json::to_string_pretty(lines).map_err(|e| Error::together("--json", e.to_string()))?
        );
        return Ok(());
    }
    let width = lines.iter().map(|line| line.name.len()).max().unwrap_or(0).max(9);
    say!(
        "{:width$}  {:>11}  {:>5}  {:>10}  {:>10}  {:>10}  {:>10}  trained",
        "parameter",
        "shape",
        "unit",
        "mean",
        "deviation",
        "least",
        "largest"
    );
    for line in lines {
        say!(
            "{:width$}  {:>11}  {:>5}  {:>10.4}  {:>10.4}  {:>10.4}  {:>10.4}  {}",
            line.name,
            line.shape(),
            line.unit,
            line.mean,
            line.deviation,
            line.least,
            line.largest,
            line.trained(),
        );
    }
    Ok(())
}

/// A network, or the checkpoint of a training.
fn file(args: &Args) -> Result<(), Error> {
    let spec = tasks::describe(&args.file)?;
    if !args.json {
        say!("{}", toml::to_string(&spec).map_err(|e| Error::together("the network", e.to_string()))?);
    }
    let lines = match tasks::load::<f32>(&args.file) {
        Ok(network) => parameters(&network),
        Err(_) => parameters(&tasks::load::<f64>(&args.file)?),
    };
    print(&lines, args.json)?;
    if !args.json
        && let Some(history) = history(&args.file)?
    {
        curve(&args.file, &history);
    }
    Ok(())
}

/// How a training went, in at most twenty lines.
fn curve(path: &Path, history: &[Iteration]) {
    say!("\n{}: {} iterations\niteration        cost  validation", path.display(), history.len());
    let step = history.len().div_ceil(20).max(1);
    for part in history.chunks(step) {
        let mean = part.iter().map(|done| done.cost).sum::<f64>() / part.len() as f64;
        let validated = part.iter().filter_map(|done| done.validation).next_back();
        let shown = validated.map_or_else(String::new, |validated| format!("{:.4}", validated.score));
        say!("{:9}  {mean:10.5}  {shown:>10}", part[part.len() - 1].iteration + 1);
    }
}

/// What keeps the network from learning.
fn health(args: &Args, prepared: &Prepared) -> Result<(), Error> {
    let network = prepared.trained_or_fresh()?;
    let training = prepared.task.part(Purpose::Training);
    let options = HealthOptions { trials: args.trials, ..HealthOptions::of(prepared.options.clone()) };
    let held_out = prepared.task.part(Purpose::Validation);
    let health = Health::examine(&network, training, held_out, prepared.task.loss(), &options)?;
    if args.json {
        say!(
            "{}",
            serde_json::to_string_pretty(&health).map_err(|e| Error::together("--json", e.to_string()))?
        );
    } else {
        say!("{health}");
    }
    Ok(())
}
