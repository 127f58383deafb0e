//! Training, watched and interrupted from Python.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use pyo3::prelude::*;
use serde::Deserialize;
use spikegrad::network::{Group, Network, Trial};
use spikegrad::tasks::{
    Checkpoint, Clip, DatasetTask, Iteration, LossSettings, Observer, OptimiserKind, Schedule,
    TrainingOptions, Validation, learning_rates, train as train_task,
};

use crate::error::Error;
use crate::float::Float;
use crate::pool::pool;

/// How often the thread that waits looks whether somebody has pressed Ctrl-C.
const LOOK: Duration = Duration::from_millis(50);

/// How a network is trained.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// The step, ms.
    h: f64,
    epochs: f64,
    batch: usize,
    seed: u64,
    optimiser: OptimiserKind,
    /// Learning rates by the names of groups or parameters.
    rates: BTreeMap<String, f64>,
    /// The learning rates at the end, as a part of those at the start.
    last_rate: f64,
    /// The quantile at which each trial's gradient is clipped; 1 for no clipping.
    clip: f64,
    short_crossings: f64,
    patience: Option<usize>,
    checkpoint: Option<PathBuf>,
}

impl Options {
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text)
            .map_err(|error| Error::Text { what: "the options of the training", why: error.to_string() })
    }

    /// The options, for so many trials and held-out ones.
    pub(crate) fn training<T: Float>(
        &self,
        network: &mut Network<T>,
        trials: usize,
        held_out: usize,
    ) -> Result<TrainingOptions, Error> {
        if !(self.epochs > 0.0 && self.epochs <= 1e6) {
            return Err(Error::argument(
                format!("epochs = {}", self.epochs),
                "give a number above 0, up to 1e6",
            ));
        }
        if self.rates.is_empty() {
            let why = "nothing would be trained: name parameters with their learning rates";
            return Err(Error::argument("rates", why));
        }
        let batch = self.batch.max(1) as f64;
        let epoch = ((trials as f64 / batch).ceil() as usize).max(1);
        let iterations = ((self.epochs * trials as f64 / batch).ceil() as usize).max(1);
        let rates = learning_rates(network, &self.rates)?;
        let patience = self.patience.unwrap_or(usize::MAX);
        let every = epoch.min(iterations);
        Ok(TrainingOptions {
            h: self.h,
            iterations,
            batch: self.batch,
            seed: self.seed,
            rule: self.optimiser.rule(),
            rates,
            schedule: Schedule::Cosine { last: self.last_rate },
            clip: (self.clip < 1.0).then_some(Clip { quantile: self.clip, factor: 1.0 }),
            unclipped: (0..network.readouts().count()).map(Group::Readout).collect(),
            short_crossings: self.short_crossings,
            validation: (held_out > 0).then(|| Validation::keep_best(every, held_out, patience)),
            checkpoint: self
                .checkpoint
                .clone()
                .map(|path| Checkpoint { path, every: epoch.max(iterations / 100) }),
            ..TrainingOptions::default()
        })
    }
}

/// Tells the thread of Python what an iteration did, and waits for its answer.
struct Told {
    iterations: SyncSender<Iteration>,
    answers: Receiver<ControlFlow<()>>,
}

impl<T: Float> Observer<Network<T>> for Told {
    fn iteration(&mut self, done: &Iteration, _: &Network<T>) -> ControlFlow<()> {
        // Whoever does not listen any more does not want more.
        match self.iterations.send(done.clone()) {
            Ok(()) => self.answers.recv().unwrap_or(ControlFlow::Break(())),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// What Python says to an iteration: whether it goes on.
fn answer(watch: Option<&Py<PyAny>>, done: &Iteration) -> PyResult<ControlFlow<()>> {
    Python::attach(|py| {
        py.check_signals()?;
        let Some(watch) = watch else { return Ok(ControlFlow::Continue(())) };
        let text = serde_json::to_string(done)
            .map_err(|error| Error::Text { what: "the iteration", why: error.to_string() })?;
        let ends = watch.call1(py, (text,))?.is_truthy(py)?;
        Ok(if ends { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
}

/// Trains a copy of the network. What was learned is returned beside what became of the training: an interrupted or refused training
/// leaves the last good parameters.
///
/// The training has a thread of its own, because signals reach Python's main thread alone, which therefore waits and answers.
pub(crate) fn train<T: Float>(
    py: Python<'_>,
    network: &Network<T>,
    (trials, validation): (&[Trial<T>], &[Trial<T>]),
    loss: &LossSettings,
    options: &Options,
    watch: Option<&Py<PyAny>>,
) -> PyResult<(Arc<Network<T>>, PyResult<String>)> {
    let mut network = network.clone();
    let series = trials.first().is_some_and(|trial| !trial.targets.is_empty());
    let (losses, reading) = (
        loss.loss::<T>(&network, series).map_err(Error::from)?,
        loss.reading(&network, series).map_err(Error::from)?,
    );
    let training = options.training(&mut network, trials.len(), validation.len())?;
    let task =
        DatasetTask::new(trials.to_vec(), validation.to_vec(), Vec::new(), losses, reading, options.seed);
    let pool = pool(py)?;
    let (mut failure, trained) = (None, &mut network);
    let history = py.detach(|| {
        std::thread::scope(|scope| {
            let (iterations, told) = sync_channel(0);
            let (answers, asked) = sync_channel(1);
            let mut observer = Told { iterations, answers: asked };
            let (task, training) = (&task, &training);
            let thread =
                scope.spawn(move || pool.install(|| train_task(trained, task, training, &mut observer)));
            let mut refuse = |error: PyErr| {
                failure.get_or_insert(error);
                ControlFlow::Break(())
            };
            loop {
                match told.recv_timeout(LOOK) {
                    Ok(done) => {
                        let flow = answer(watch, &done).unwrap_or_else(&mut refuse);
                        if answers.send(flow).is_err() {
                            break;
                        }
                        if flow.is_break() {
                            break;
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {
                        if let Err(error) = Python::attach(|py| py.check_signals()) {
                            _ = refuse(error);
                            // The next iteration is the last one: nobody listens to it.
                            break;
                        }
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            drop((told, answers));
            thread.join()
        })
    });
    let history = match (failure, history) {
        (Some(failure), _) => Err(failure),
        (None, Ok(Ok(history))) => serde_json::to_string(&history)
            .map_err(|error| Error::Text { what: "the history", why: error.to_string() }.into()),
        (None, Ok(Err(error))) => Err(Error::from(error).into()),
        (None, Err(_)) => Err(Error::Poisoned.into()),
    };
    Ok((Arc::new(network), history))
}
