//! Training: batches of fresh trials, clipped gradients, an optimiser, a history; watched and interruptible.

use spikegrad_adjoint::Sweep;
use spikegrad_integrators::{EventLog, is_granted};
use spikegrad_network::{Event, Group, Network, Parameters, Scalar, Spike, SplitStep, Trial};

use crate::checkpoint::{self, Checkpoint, Training};
use crate::clip::RunningQuantile;
use crate::evaluate::validate;
use crate::origin::{Origin, origin};
use crate::task::{Purpose, TrainingStage, generator};
use crate::validation::{Course, Next};
use crate::{
    Batch, BatchResult, CheckpointError, Error, Iteration, JUDGED_CROSSINGS, Observer, Optimiser, Task,
    TrainingOptions, file,
};

/// Trains `network` on `task` and returns what every iteration did.
///
/// The same network, options and seed give the same weights to the bit, on any number of threads. With a checkpoint in
/// the options, training that was stopped or killed goes on from it, to the same bits as if nothing had happened; the
/// history then has the earlier iterations as well. Training that has done all of its iterations goes on when it is given
/// more: to the bits of one that was given them at once where neither schedule nor task asks for their number, and with the
/// schedule of the new number otherwise. The file is that of one network's start and one task, and of no other: fingerprints
/// of the initial parameters, and of the task's trials (the first one, where they are drawn) and its loss, tell.
///
/// With validation in the options, the network ends with the best parameters that were seen at the last level of
/// difficulty; without, or if that level was not reached, with those of the last iteration or their average.
///
/// # Errors
/// If an option is out of its domain, the checkpoint cannot be written, or is that of another network, task or start or of
/// other options: all this before the first iteration. If the network was never given weights that a signal could go
/// through, a trial does not fit, every trial of a batch becomes non-finite, a step would take a parameter out of its
/// domain, or most crossings of the active zone take too few steps; the network, and the checkpoint, then hold the last good parameters.
pub fn train<T: Scalar>(
    network: &mut Network<T>,
    task: &dyn Task<T>,
    options: &TrainingOptions,
    observer: &mut dyn Observer<T>,
) -> Result<Vec<Iteration>, Error> {
    Trainer::new(network, options)?.run(network, task, options, observer)
}

/// The state of a training run besides the network's parameters.
struct Trainer<T> {
    optimiser: Optimiser<T>,
    quantiles: Vec<RunningQuantile>,
    gradient: Parameters<T>,
    batch: Batch<T>,
    trials: Vec<Trial<T>>,
    course: Course,
    origin: Origin,
}

impl<T: Scalar> Trainer<T> {
    fn new(network: &Network<T>, options: &TrainingOptions) -> Result<Self, Error> {
        if let Some(clip) = &options.clip {
            clip.check()?;
        }
        if let Some(validation) = &options.validation {
            validation.check()?;
        }
        options.schedule.check()?;
        let expected = "a share must lie in [0, 1]";
        let is_share = (0.0..=1.0).contains(&options.short_crossings);
        Error::unless(is_share, "short_crossings", options.short_crossings, expected)?;
        if options.batch == 0 {
            return Err(Error::EmptyBatch);
        }
        Ok(Self {
            optimiser: Optimiser::new(network, options.rule, &options.rates)?
                .pull(network, &options.pulls)?
                .average(network, options.average)?,
            quantiles: vec![RunningQuantile::default(); network.parameters.layout().entries().len()],
            gradient: network.parameters.zeros_like(),
            batch: Batch::with_lanes(options.lanes).memory(options.memory),
            trials: Vec::new(),
            course: Course::default(),
            origin: Origin::default(),
        })
    }

    fn run(
        mut self,
        network: &mut Network<T>,
        task: &dyn Task<T>,
        options: &TrainingOptions,
        observer: &mut dyn Observer<T>,
    ) -> Result<Vec<Iteration>, Error> {
        task.check()?;
        let mut history = self.resume(network, task, options)?;
        let start = history.len();
        // A run that ended early is not gone on with.
        let range =
            if self.course.goes_on(options.validation.as_ref()) { start..options.iterations } else { 0..0 };
        if let Some(Checkpoint { path, .. }) = &options.checkpoint {
            // What could not be kept later is refused now.
            checkpoint::check(path, network, Some(&self.state(network, options, &history)))?;
        }
        for iteration in range {
            let (done, next) = self.iterate(network, task, options, iteration)?;
            let flow = observer.iteration(&done, network);
            history.push(done);
            let ended = next == Next::End || iteration + 1 == options.iterations;
            let last = flow.is_break() || ended;
            let due = options.checkpoint.as_ref();
            let due = due.filter(|c| last || (iteration + 1).is_multiple_of(c.every.max(1)));
            if last || due.is_some() {
                self.look(network, task, options, iteration)?;
            }
            let state = due.map(|checkpoint| (checkpoint, self.state(network, options, &history)));
            if ended {
                // The file of a training that ended has the network that is returned.
                self.finish(network);
            }
            if let Some((checkpoint, state)) = state {
                checkpoint::save_training(&checkpoint.path, network, &state)?;
            }
            if last {
                break;
            }
        }
        self.finish(network);
        Ok(history)
    }

    /// Gives the network the parameters that training found: the best, or else the averaged ones.
    fn finish(&self, network: &mut Network<T>) {
        self.average(network);
        self.course.apply_best(network.parameters.values_mut());
    }

    fn average(&self, network: &mut Network<T>) {
        if let Some(mean) = self.optimiser.mean() {
            network.parameters.values_mut().copy_from_slice(mean);
        }
    }

    /// Goes on from the checkpoint, if there is one.
    fn resume(
        &mut self,
        network: &mut Network<T>,
        task: &dyn Task<T>,
        options: &TrainingOptions,
    ) -> Result<Vec<Iteration>, Error> {
        let Some(checkpoint) = &options.checkpoint else { return Ok(Vec::new()) };
        file::prepare(&checkpoint.path)?;
        self.origin = origin(network, task, options);
        if !checkpoint.path.exists() {
            return Ok(Vec::new());
        }
        let mut resumed = network.clone();
        let training = checkpoint::load_training(&checkpoint.path, &mut resumed)?;
        let fits = |what, expected: String, found: String| match expected == found {
            true => Ok(()),
            false => Err(CheckpointError::Mismatch { path: checkpoint.path.clone(), what, expected, found }),
        };
        let (expected, found) = (options.identity(), &training.options);
        for at in 0..expected.len().max(found.len()) {
            let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
            fits("options", line(&expected), line(found))?;
        }
        let print = |what: &str, print: u32| format!("{what} with the fingerprint {print:08x}");
        let task = |origin: &Origin| print("trials and a loss", origin.task);
        fits("task", task(&self.origin), task(&training.origin))?;
        // Who goes on with a network that training has returned gives that one.
        if network.parameters.values() != resumed.parameters.values() {
            let start = |origin: &Origin| print("a network", origin.start);
            fits("start", start(&self.origin), start(&training.origin))?;
        }
        let done = training.history.len();
        if done > options.iterations {
            fits("number of iterations", format!("at most {}", options.iterations), format!("{done} done"))?;
        }
        let parameters = network.parameters.values().len();
        let is_whole = training.quantiles.len() == self.quantiles.len()
            && training.course.fits(parameters)
            && training.last.len() == parameters
            && self.optimiser.restore(training.optimiser());
        if !is_whole {
            return Err(CheckpointError::Corrupt { path: checkpoint.path.clone() }.into());
        }
        *network = resumed;
        for (target, value) in network.parameters.values_mut().iter_mut().zip(&training.last) {
            *target = T::from_subset(value);
        }
        self.quantiles = training.quantiles;
        self.course = training.course;
        self.origin = training.origin;
        Ok(training.history)
    }

    /// What is to be kept of a run whose last iteration left `network` so.
    fn state(&self, network: &Network<T>, options: &TrainingOptions, history: &[Iteration]) -> Training {
        Training::new(
            options.identity(),
            self.origin,
            network.parameters.values(),
            self.optimiser.state(),
            self.quantiles.clone(),
            self.course.clone(),
            history.to_vec(),
        )
    }

    fn iterate(
        &mut self,
        network: &mut Network<T>,
        task: &dyn Task<T>,
        options: &TrainingOptions,
        iteration: usize,
    ) -> Result<(Iteration, Next), Error> {
        let validation = options.validation.as_ref();
        let level = self.course.level(validation);
        self.trials.clear();
        for trial in 0..options.batch {
            let stage = TrainingStage::training(iteration, options.iterations, options.batch, trial);
            let rng = &mut generator(options.seed, Purpose::Training, stage.index);
            let trial = task.trial(TrainingStage { level, ..stage }, rng);
            if self.trials.capacity() < options.batch {
                make_room(&mut self.trials, options.batch, &trial)?;
            }
            self.trials.push(trial);
        }
        let unseen = |quantiles: &[RunningQuantile]| quantiles.iter().filter(|q| q.is_empty()).count();
        let before = unseen(&self.quantiles);
        let mut result = self.sweep(network, task, options)?;
        if options.clip.is_some() && unseen(&self.quantiles) < before {
            // A group's first norms, at the start or after a silence, clip the batch that they come from.
            result = self.sweep(network, task, options)?;
        }
        let skipped = result.skipped();
        if skipped == options.batch {
            // Under the parameters before there was a finite one.
            self.optimiser.undo(network);
            let first = result.trials.into_iter().find_map(|t| t.cost.err());
            return Err(match first {
                Some(first) => Error::NoFiniteTrial { iteration, trials: skipped, first },
                None => Error::EmptyBatch,
            });
        }
        if iteration == 0 {
            let (crossings, share) = (result.events.crossings, result.events.short_crossing_share());
            if crossings >= JUDGED_CROSSINGS && share > options.short_crossings {
                let (h, allowed) = (options.h, options.short_crossings);
                return Err(Error::ShortCrossings { h, crossings, share, allowed });
            }
            self.check_weights(network, task, options)?;
        }
        let factor = options.schedule.factor(iteration, options.iterations) * self.course.factor(validation);
        self.optimiser.step(network, &self.gradient, factor)?;
        // Whatever the next iteration would refuse, this one does, while there is a way back.
        if let Err(reason) = SplitStep::with_method(network, options.h, options.method) {
            self.optimiser.undo(network);
            return Err(self.optimiser.refusal(reason));
        }
        let (mut found, mut next, mut events) = (None, Next::GoOn, result.events);
        if let Some(validation) = validation.filter(|v| (iteration + 1).is_multiple_of(v.every)) {
            let mut averaged = network.clone();
            self.average(&mut averaged);
            let (validated, seen) = validate(&averaged, task, options, validation.trials, level)?;
            events += seen;
            next = self.course.take(validation, validated, averaged.parameters.values_mut());
            if next == Next::GoBack {
                self.optimiser.go_on_from(averaged.parameters.values());
                *network = averaged;
            }
            found = Some(validated);
        }
        let cost = result.cost.to_subset_unchecked();
        Ok((Iteration { iteration, cost, skipped, events, factor, level, validation: found }, next))
    }

    /// Looks at what the last step has made of the network, before it is kept or returned: one trial of its batch has to be
    /// finite. Otherwise the step is taken back.
    fn look(
        &mut self,
        network: &mut Network<T>,
        task: &dyn Task<T>,
        options: &TrainingOptions,
        iteration: usize,
    ) -> Result<(), Error> {
        let mut found = None;
        {
            let scheme = SplitStep::with_method(network, options.h, options.method)?;
            let mut sweep = Sweep::new();
            for trial in &self.trials {
                match sweep.cost(&scheme.run(trial, task.loss())?) {
                    Ok(_) => return Ok(()),
                    Err(error) => found = found.or(Some(error)),
                }
            }
        }
        self.optimiser.undo(network);
        let trials = self.trials.len();
        found.map_or(Ok(()), |first| Err(Error::NoFiniteTrial { iteration, trials, first }))
    }

    /// Refuses a network that was never given weights: one with no gradient in anything that is trained, since nothing drives
    /// its neurons, or since they fire and nothing reads them. Weights that are zero where training can change that are a
    /// legitimate start.
    fn check_weights(
        &self,
        network: &Network<T>,
        task: &dyn Task<T>,
        options: &TrainingOptions,
    ) -> Result<(), Error> {
        let is_zero = |values: &[T]| values.iter().all(|&x| x == T::zero());
        let trained = || options.rates.iter().filter(|r| r.rate > 0.0).map(|r| r.group);
        if trained().next().is_none() || trained().any(|group| !is_zero(self.gradient.group(group))) {
            return Ok(());
        }
        let zero = |group| is_zero(network.parameters.group(group));
        let silent_class = |k| match network.parameters.layout().entry(Group::Left(k)) {
            Some(_) => zero(Group::Left(k)) || zero(Group::Right(k)),
            None => zero(Group::Weight(k)),
        };
        // Then no trial moves its neurons in another way than the first batch did.
        let injected = self.trials.iter().any(|trial| !trial.currents.is_empty());
        let undriven = !injected && zero(Group::Input) && (0..network.projections().len()).all(silent_class);
        let mut readouts = (0..network.readouts().count()).map(Group::Readout);
        let unread =
            network.outputs() > 0 && readouts.all(|readout| zero(readout) && trained().all(|g| g != readout));
        let fires = || -> Result<bool, Error> {
            let scheme = SplitStep::with_method(network, options.h, options.method)?;
            let (mut sweep, mut log) = (Sweep::new(), EventLog::default());
            for trial in &self.trials {
                // A trial that became non-finite has been counted, and says nothing here.
                let _ = sweep.events(&scheme.run(trial, task.loss())?, &mut log);
            }
            Ok(log.counts().spikes > 0)
        };
        if !(undriven || unread && fires()?) {
            return Ok(());
        }
        let weights = |e: &&spikegrad_network::Entry| {
            let weights = matches!(e.group, Group::Weight(_) | Group::Left(_) | Group::Right(_));
            weights || matches!(e.group, Group::Input | Group::Bias | Group::Readout(_))
        };
        let entries = network.parameters.layout().entries().iter().filter(weights);
        let named = entries.filter(|e| !e.range.is_empty() && zero(e.group)).map(|e| e.name.as_str());
        Err(Error::NoWeights { groups: named.collect::<Vec<_>>().join(", ") })
    }

    /// The batch's gradient, clipped at what earlier batches say; then the quantiles learn of this one, in trial order.
    fn sweep(
        &mut self,
        network: &Network<T>,
        task: &dyn Task<T>,
        options: &TrainingOptions,
    ) -> Result<BatchResult<T>, Error> {
        let entries = network.parameters.layout().entries();
        let clip = options.clip.map(|clip| clip.largest(&self.quantiles, entries, &options.unclipped));
        let clip = clip.transpose()?;
        let scheme = SplitStep::with_method(network, options.h, options.method)?;
        let result =
            self.batch.gradient(&scheme, &self.trials, task.loss(), clip.as_deref(), &mut self.gradient)?;
        for trial in &result.trials {
            for (quantile, &norm) in self.quantiles.iter_mut().zip(&trial.norms) {
                quantile.push(norm);
            }
        }
        Ok(result)
    }
}

/// Makes room for a batch of trials like this one, before memory is taken trial by trial.
fn make_room<T>(trials: &mut Vec<Trial<T>>, batch: usize, like: &Trial<T>) -> Result<(), Error> {
    let initial = like.initial.as_ref().map_or(0, |initial| initial.x.len() + initial.s.len());
    let state = like.state.as_ref().map_or(0, |state| state.values().len());
    let given =
        like.inputs.len() + like.targets.len() + like.weights.len() + like.currents.len() + like.label.len();
    let numbers = given + initial + state;
    let events = like.events.len() * size_of::<Event<T>>() + like.target_spikes.len() * size_of::<Spike>();
    let bytes = batch as u128 * (size_of::<Trial<T>>() + numbers * size_of::<T>() + events) as u128;
    let refused = Error::BatchMemory { trials: batch, bytes };
    // What the system would not give at once, it would not give piece by piece either.
    let fits = is_granted(bytes as f64) && trials.try_reserve_exact(batch).is_ok();
    if fits { Ok(()) } else { Err(refused) }
}

#[cfg(test)]
mod tests;
