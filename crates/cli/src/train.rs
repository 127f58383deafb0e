//! `spikegrad train`: trains, shows how far it is, can be stopped and goes on where it was stopped.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget};
use spikegrad::prelude::*;
use spikegrad::tasks::{Finding, write_whole};

use crate::prepare::Prepared;
use crate::{Error, Part, Source, eval, page};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// Begin anew, whatever was trained before
    #[arg(long)]
    fresh: bool,
    /// No progress bar
    #[arg(long)]
    quiet: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let start = Instant::now();
    let prepared = Prepared::new(&args.source)?;
    let checkpoint = prepared.checkpoint();
    if args.fresh && checkpoint.exists() {
        std::fs::remove_file(&checkpoint).map_err(|e| Error::io("remove", &checkpoint, e))?;
    }
    std::fs::create_dir_all(&prepared.folder).map_err(|e| Error::io("make", &prepared.folder, e))?;
    println!("{}", prepared.summary());
    if checkpoint.exists() {
        println!("going on from {}", checkpoint.display());
    }

    let mut network = prepared.network.clone();
    let mut watcher = Watcher::new(&prepared, args.quiet);
    let trained = train(&mut network, &prepared.task, &prepared.options, &mut watcher);
    watcher.bar.finish_and_clear();
    let history = trained.map_err(|error| prepared.explained(error))?;
    let settings =
        toml::to_string(&prepared.settings).map_err(|e| Error::together("the settings", e.to_string()))?;
    write_whole(&prepared.folder.join("settings.toml"), &[settings.as_bytes()])?;
    save(&network, &prepared.network_file())?;
    if watcher.stop.load(Ordering::Relaxed) && history.len() < prepared.options.iterations {
        println!(
            "stopped after {} of {} iterations, which are kept in {}; go on with\n  {}",
            history.len(),
            prepared.options.iterations,
            checkpoint.display(),
            prepared.command("train"),
        );
        return Ok(());
    }
    for finding in last_findings(&history) {
        println!("note: {finding}");
    }
    let judged = eval::judge(&prepared, &network, Part::Test)?;
    println!("{judged}");
    let page = page::write(&prepared, &network, &history, &judged, start.elapsed())?;
    println!("network: {}\npage:    {}", prepared.network_file().display(), page.display());
    Ok(())
}

/// What there is to say of the last tenth of a training.
pub(crate) fn last_findings(history: &[Iteration]) -> Vec<Finding> {
    let last = &history[history.len() - history.len().div_ceil(10)..];
    Finding::of(&last.iter().map(|done| done.events).sum())
}

/// Shows progress, and listens for Ctrl-C.
struct Watcher {
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
    /// The costs of about one epoch.
    costs: VecDeque<f64>,
    epoch: usize,
    reading: &'static str,
    validated: Option<f64>,
}

impl Watcher {
    fn new(prepared: &Prepared, quiet: bool) -> Self {
        let bar = progress_bar(prepared.options.iterations);
        if quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        // Without a handler, Ctrl-C ends the program at once, and what was kept last is still there.
        let _ = ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            eprintln!("\nstopping after this iteration; press Ctrl-C again to stop at once");
        });
        let epoch = prepared.task.iterations(1.0, prepared.options.batch);
        Self { bar, stop, costs: VecDeque::new(), epoch, reading: prepared.score_name(), validated: None }
    }
}

impl Observer<f32> for Watcher {
    fn iteration(&mut self, done: &Iteration, _: &Network<f32>) -> ControlFlow<()> {
        self.costs.push_back(done.cost);
        if self.costs.len() > self.epoch {
            self.costs.pop_front();
        }
        if let Some(validation) = done.validation {
            self.validated = Some(validation.score);
        }
        let mean = self.costs.iter().sum::<f64>() / self.costs.len() as f64;
        let mut message = format!("cost {mean:.4}");
        if let Some(score) = self.validated {
            message += &format!(", validation {} {score:.3}", self.reading);
        }
        if let Some(finding) = done.findings().first() {
            message += &format!("; {finding}");
        }
        self.bar.set_position(done.iteration as u64 + 1);
        self.bar.set_message(message);
        if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
