//! `spikegrad train`: trains, shows how far it is, can be stopped and goes on where it was stopped.

use std::collections::VecDeque;
use std::fs::{File, TryLockError};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget};
use spikegrad::prelude::*;
use spikegrad::tasks::{Finding, write_whole};

use crate::prepare::Prepared;
use crate::{Error, Source, eval, page};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// Begin anew, whatever was trained before
    #[arg(long)]
    fresh: bool,
    /// No progress bar, and no lines of progress where there is no terminal
    #[arg(long)]
    quiet: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let start = Instant::now();
    let prepared = Prepared::new(&args.source)?;
    let checkpoint = prepared.checkpoint();
    std::fs::create_dir_all(&prepared.folder).map_err(|e| Error::io("make", &prepared.folder, e))?;
    let lock = prepared.folder.join("training.lock");
    let lock_file = File::create(&lock).map_err(|e| Error::io("write", &lock, e))?;
    if matches!(lock_file.try_lock(), Err(TryLockError::WouldBlock)) {
        let folder = prepared.folder.display();
        return Err(Error::together(
            "--out",
            format!("another training is running in {folder}: wait, or give another folder"),
        ));
    }
    if !args.fresh && checkpoint.exists() {
        prepared.check_kept(true)?;
    }
    let kept_before = std::fs::read(prepared.kept_file()).ok();
    // What was trained before is thrown away only once there is something new to keep.
    let before = prepared.folder.join("training.before");
    if args.fresh && checkpoint.exists() {
        std::fs::rename(&checkpoint, &before).map_err(|e| Error::io("move", &checkpoint, e))?;
    }
    say!("{}", prepared.summary());
    if checkpoint.exists() {
        say!("going on from {}", checkpoint.display());
    }

    prepared.keep(None)?;
    let mut network = prepared.network.clone();
    let mut watcher = Watcher::new(&prepared, args.quiet);
    let trained = train(&mut network, &prepared.task, &prepared.options, &mut watcher);
    watcher.bar.finish_and_clear();
    if before.exists() && checkpoint.exists() {
        std::fs::remove_file(&before).map_err(|e| Error::io("remove", &before, e))?;
    } else if before.exists() {
        std::fs::rename(&before, &checkpoint).map_err(|e| Error::io("move", &before, e))?;
        write_whole(&prepared.kept_file(), &[&kept_before.unwrap_or_default()])?;
    }
    let history = trained.map_err(|error| prepared.explained(error))?;
    save(&network, &prepared.network_file())?;
    if watcher.stop.load(Ordering::Relaxed) && history.len() < prepared.options.iterations {
        prepared.keep(Some(history.len()))?;
        say!(
            "stopped after {} of {} iterations, which are kept in {}; go on with\n  {}",
            history.len(),
            prepared.options.iterations,
            checkpoint.display(),
            prepared.command("train"),
        );
        return Ok(());
    }
    for finding in last_findings(&history) {
        say!("note: {finding}");
    }
    let judged = eval::judge(&prepared, &network, prepared.judged_part())?;
    say!("{judged}");
    let page = page::write(&prepared, &network, &history, &judged, start.elapsed())?;
    say!("network: {}\npage:    {}", prepared.network_file().display(), page.display());
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
    /// Where there is no terminal for the bar: when training began and when it was last spoken of, and of how many iterations it is.
    spoken: Option<(Instant, Instant)>,
    iterations: usize,
}

/// Where there is no terminal, a line is written this often.
const LINES: Duration = Duration::from_secs(20);

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
            note!("\nstopping after this iteration; press Ctrl-C again to stop at once");
        });
        let epoch = prepared.task.iterations(1.0, prepared.options.batch);
        let spoken = (!quiet && bar.is_hidden()).then(|| (Instant::now(), Instant::now()));
        let (reading, iterations) = (prepared.score_name(), prepared.options.iterations);
        Self { bar, stop, costs: VecDeque::new(), epoch, reading, validated: None, spoken, iterations }
    }
}

impl Observer<Network<f32>> for Watcher {
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
            // A score that is no accuracy is minus an error.
            let shown = if self.reading == "accuracy" { score } else { -score };
            message += &format!(", validation {} {shown:.3}", self.reading);
        }
        if let Some(finding) = done.findings().first() {
            message += &format!("; {finding}");
        }
        if let Some((start, last)) = &mut self.spoken
            && last.elapsed() >= LINES
        {
            *last = Instant::now();
            let (done, all) = (done.iteration + 1, self.iterations);
            note!("iteration {done} of {all}, after {:.0} s: {message}", start.elapsed().as_secs_f64());
        }
        self.bar.set_position(done.iteration as u64 + 1);
        self.bar.set_message(message);
        if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
