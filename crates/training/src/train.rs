//! Training: batches of fresh trials, clipped gradients, an optimiser, a history; watched and interruptible.

use nalgebra::RealField;
use rayon::prelude::*;
use spikegrad_integrators::{EventCounts, is_granted};

use crate::checkpoint::{self, Checkpoint, Origin, Training};
use crate::clip::RunningQuantile;
use crate::gradient::{BatchResult, TrialGradient, WholeBatch, of_trial};
use crate::stage::{Purpose, TrainingStage, generator};
use crate::validation::{Course, Next};
use crate::{
    CheckpointError, Error, FirstBatch, Iteration, Lanes, Observer, Optimiser, Program, Reducer,
    TrainingOptions, Tree, Validated, file, fingerprint,
};

/// Trains a program and returns what every iteration did.
///
/// The same program, options and seed give the same parameters to the bit, on any number of threads and with any
/// [`micro_batch`](TrainingOptions::micro_batch). With a checkpoint in
/// the options, training that was stopped or killed goes on from it, to the same bits as if nothing had happened; the
/// history then has the earlier iterations as well. Training that has done all of its iterations goes on when it is given
/// more: to the bits of one that was given them at once where neither schedule nor trials ask for their number, and with the
/// schedule of the new number otherwise. The file is that of one start and one task, and of no other: fingerprints
/// of the initial parameters, and of the trials and their cost ([`Program::fingerprint`]), tell.
///
/// With validation in the options, the program ends with the best parameters that were seen at the last level of
/// difficulty; without, or if that level was not reached, with those of the last iteration or their average.
///
/// # Errors
/// If an option is out of its domain, the checkpoint cannot be written, or is that of another program, task or start or of
/// other options: all this before the first iteration. If a trial does not fit, every trial of a batch becomes non-finite, or a step
/// would take a parameter out of its domain; the program, and the checkpoint, then hold the last good parameters.
pub fn train<T: RealField + Copy, P: Program<T>>(
    program: &mut P,
    options: &TrainingOptions<P::Group>,
    observer: &mut dyn Observer<P>,
) -> Result<Vec<Iteration>, P::Error> {
    train_with(program, options, observer, &Tree)
}

/// [`train`], with lanes that are added up by `reducer`.
///
/// # Errors
/// As [`train`]; if the lanes cannot be added up.
pub fn train_with<T: RealField + Copy, P: Program<T>>(
    program: &mut P,
    options: &TrainingOptions<P::Group>,
    observer: &mut dyn Observer<P>,
    reducer: &dyn Reducer<T>,
) -> Result<Vec<Iteration>, P::Error> {
    Trainer::new(program, options, reducer)?.run(program, observer)
}

/// The state of a training run besides the program's parameters.
struct Trainer<'o, T: RealField + Copy, P: Program<T>> {
    options: &'o TrainingOptions<P::Group>,
    reducer: &'o dyn Reducer<T>,
    optimiser: Optimiser<T, P::Group>,
    quantiles: Vec<RunningQuantile>,
    gradient: Vec<T>,
    lanes: Lanes<T, P::Lane>,
    trials: Vec<P::Trial>,
    course: Course,
    origin: Origin,
}

impl<'o, T: RealField + Copy, P: Program<T>> Trainer<'o, T, P> {
    fn new(
        program: &P,
        options: &'o TrainingOptions<P::Group>,
        reducer: &'o dyn Reducer<T>,
    ) -> Result<Self, Error> {
        options.check()?;
        Ok(Self {
            optimiser: Optimiser::new(program, options.rule, &options.rates)?
                .pull(program, &options.pulls)?
                .average(program, options.average)?,
            quantiles: vec![RunningQuantile::default(); program.groups().count()],
            gradient: vec![T::zero(); program.values().len()],
            lanes: Lanes::new(options.lanes, options.memory),
            trials: Vec::new(),
            course: Course::default(),
            origin: Origin::default(),
            options,
            reducer,
        })
    }

    fn run(mut self, program: &mut P, observer: &mut dyn Observer<P>) -> Result<Vec<Iteration>, P::Error> {
        program.check()?;
        let options = self.options;
        let mut history = self.resume(program)?;
        let start = history.len();
        // A run that ended early is not gone on with.
        let range =
            if self.course.goes_on(options.validation.as_ref()) { start..options.iterations } else { 0..0 };
        if let Some(Checkpoint { path, .. }) = &options.checkpoint {
            // What could not be kept later is refused now.
            let state = self.state(program, &history);
            checkpoint::check(path, program, Some(&state)).map_err(Error::from)?;
        }
        for iteration in range {
            let (done, next) = self.iterate(program, iteration)?;
            let (flow, level) = (observer.iteration(&done, program), done.level);
            history.push(done);
            let ended = next == Next::End || iteration + 1 == options.iterations;
            let last = flow.is_break() || ended;
            let due = options.checkpoint.as_ref();
            let due = due.filter(|c| last || (iteration + 1).is_multiple_of(c.every.max(1)));
            if last || due.is_some() {
                self.look(program, (iteration, level))?;
            }
            let state = due.map(|checkpoint| (checkpoint, self.state(program, &history)));
            if ended {
                // The file of a training that ended has the program that is returned.
                self.finish(program);
            }
            if let Some((checkpoint, state)) = state {
                checkpoint::save_training(&checkpoint.path, program, &state).map_err(Error::from)?;
            }
            if last {
                break;
            }
        }
        self.finish(program);
        Ok(history)
    }

    /// Gives the program the parameters that training found: the best, or else the averaged ones.
    fn finish(&self, program: &mut P) {
        self.average(program);
        self.course.apply_best(program.values_mut());
    }

    fn average(&self, program: &mut P) {
        if let Some(mean) = self.optimiser.mean() {
            program.values_mut().copy_from_slice(mean);
        }
    }

    /// Goes on from the checkpoint, if there is one.
    fn resume(&mut self, program: &mut P) -> Result<Vec<Iteration>, P::Error> {
        let Some(Checkpoint { path, .. }) = &self.options.checkpoint else { return Ok(Vec::new()) };
        file::prepare(path).map_err(Error::from)?;
        let level = self.course.level(self.options.validation.as_ref());
        let stage = TrainingStage { level, ..TrainingStage::training(0, 1, 1, 0) };
        let first = program.trial(stage, &mut generator(self.options.seed, Purpose::Training, 0));
        let values = program.values().iter().map(|x| x.to_subset_unchecked());
        self.origin = Origin { task: program.fingerprint(&first), start: fingerprint(values) };
        if !path.exists() {
            return Ok(Vec::new());
        }
        // Nothing of a file that does not fit stays.
        let resumed = checkpoint::or_as_it_was(path, program, |program| self.take_over(path, program));
        Ok(resumed.map_err(Error::from)?)
    }

    fn take_over(
        &mut self,
        path: &std::path::Path,
        program: &mut P,
    ) -> Result<Vec<Iteration>, CheckpointError> {
        let options = self.options;
        let own = program.values().to_vec();
        let training = checkpoint::load_training(path, program)?;
        let fits = |what, expected: String, found: String| match expected == found {
            true => Ok(()),
            false => Err(CheckpointError::Mismatch { path: path.to_owned(), what, expected, found }),
        };
        let (expected, found) = (self.identity(program), &training.options);
        for at in 0..expected.len().max(found.len()) {
            let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
            fits("options", line(&expected), line(found))?;
        }
        let print = |what: &str, print: u32| format!("{what} with the fingerprint {print:08x}");
        let task = |origin: &Origin| print("trials and a loss", origin.task);
        fits("task", task(&self.origin), task(&training.origin))?;
        // Who goes on with a program that training has returned gives that one.
        if own != program.values() {
            let start = |origin: &Origin| print("parameters", origin.start);
            fits("start", start(&self.origin), start(&training.origin))?;
        }
        let done = training.history.len();
        if done > options.iterations {
            fits("number of iterations", format!("at most {}", options.iterations), format!("{done} done"))?;
        }
        let parameters = own.len();
        let is_whole = training.quantiles.len() == self.quantiles.len()
            && training.course.fits(parameters)
            && training.last.len() == parameters
            && self.optimiser.restore(training.optimiser());
        if !is_whole {
            return Err(CheckpointError::Corrupt { path: path.to_owned() });
        }
        for (target, value) in program.values_mut().iter_mut().zip(&training.last) {
            *target = T::from_subset(value);
        }
        self.quantiles = training.quantiles;
        self.course = training.course;
        self.origin = training.origin;
        Ok(training.history)
    }

    /// What must be the same for training to go on.
    fn identity(&self, program: &P) -> Vec<String> {
        program.identity().into_iter().chain(self.options.identity()).collect()
    }

    /// What is to be kept of a run whose last iteration left `program` so.
    fn state(&self, program: &P, history: &[Iteration]) -> Training {
        Training::new(
            self.identity(program),
            self.origin,
            program.values(),
            self.optimiser.state(),
            self.quantiles.clone(),
            self.course.clone(),
            history.to_vec(),
        )
    }

    fn iterate(&mut self, program: &mut P, iteration: usize) -> Result<(Iteration, Next), P::Error> {
        let options = self.options;
        let validation = options.validation.as_ref();
        let level = self.course.level(validation);
        let unseen = |quantiles: &[RunningQuantile]| quantiles.iter().filter(|q| q.is_empty()).count();
        let before = unseen(&self.quantiles);
        let mut result = self.sweep(program, (iteration, level))?;
        if options.clip.is_some() && unseen(&self.quantiles) < before {
            // A group's first norms, at the start or after a silence, clip the batch that they come from.
            result = self.sweep(program, (iteration, level))?;
        }
        let skipped = result.skipped();
        if skipped == options.batch {
            // Under the parameters before there was a finite one.
            self.optimiser.undo(program);
            let first = result.trials.into_iter().find_map(|t| t.cost.err());
            return Err(match first {
                Some(first) => Error::NoFiniteTrial { iteration, trials: skipped, first },
                None => Error::EmptyBatch,
            }
            .into());
        }
        if iteration == 0 {
            let trained = options.rates.iter().filter(|r| r.rate > 0.0).map(|r| r.group);
            program.check_first(&FirstBatch {
                count: options.batch,
                trial: &|trial| make_trial(program, options, (iteration, level), trial),
                events: &result.events,
                gradient: &self.gradient,
                trained: &trained.collect::<Vec<_>>(),
            })?;
        }
        if let Some(validation) = validation.filter(|_| iteration == 0 && level >= 1.0) {
            let (start, _) = self.validate(program, validation.trials, level)?;
            self.course.start(start, program.values());
        }
        let factor = options.schedule.factor(iteration, options.iterations) * self.course.factor(validation);
        self.optimiser.step(program, &self.gradient, factor)?;
        // Whatever the next iteration would refuse, this one does, while there is a way back.
        if let Err(reason) = program.ready().map(drop) {
            self.optimiser.undo(program);
            return Err(self.optimiser.refusal(Box::new(reason)).into());
        }
        let (mut found, mut next, mut events) = (None, Next::GoOn, result.events);
        if let Some(validation) = validation.filter(|v| (iteration + 1).is_multiple_of(v.every)) {
            let own = program.values().to_vec();
            self.average(program);
            let judged = self.validate(program, validation.trials, level);
            if judged.is_err() {
                program.values_mut().copy_from_slice(&own);
            }
            let (validated, seen) = judged?;
            events += seen;
            next = self.course.take(validation, validated, program.values_mut());
            if next == Next::GoBack {
                self.optimiser.go_on_from(program.values());
            } else {
                program.values_mut().copy_from_slice(&own);
            }
            found = Some(validated);
        }
        let cost = result.cost.to_subset_unchecked();
        Ok((Iteration { iteration, cost, skipped, events, factor, level, validation: found }, next))
    }

    /// Runs held-out trials: their mean score and cost, and what was counted in all of them.
    fn validate(&self, program: &P, trials: usize, level: f64) -> Result<(Validated, EventCounts), P::Error> {
        let ready = program.ready()?;
        let judge = |index: usize| {
            let rng = &mut generator(self.options.seed, Purpose::Validation, index as u64);
            let stage = TrainingStage { level, ..TrainingStage::held_out(Purpose::Validation, index) };
            // What diverges on a trial has no score, which is the worst one.
            let none = (Validated { score: f64::NAN, cost: f64::NAN }, EventCounts::default());
            Ok(program.judge(&ready, &program.trial(stage, rng), self.options.memory)?.unwrap_or(none))
        };
        let found: Vec<_> = (0..trials).into_par_iter().map(judge).collect::<Result<_, P::Error>>()?;
        let mean = |sum: f64| sum / trials as f64;
        let validated = Validated {
            score: mean(found.iter().map(|(found, _)| found.score).sum()),
            cost: mean(found.iter().map(|(found, _)| found.cost).sum()),
        };
        Ok((validated, found.iter().map(|(_, events)| *events).sum()))
    }

    /// Looks at what the last step has made of the program, before it is kept or returned: one trial of its batch has to be
    /// finite. Otherwise the step is taken back.
    fn look(&mut self, program: &mut P, (iteration, level): (usize, f64)) -> Result<(), P::Error> {
        let &TrainingOptions { batch, memory, .. } = self.options;
        let mut found = None;
        {
            let ready = program.ready()?;
            for trial in 0..batch {
                let trial = make_trial(program, self.options, (iteration, level), trial);
                match program.stays_finite(&ready, &trial, memory)? {
                    Ok(()) => return Ok(()),
                    Err(error) => found = found.or(Some(of_trial(error)?)),
                }
            }
        }
        self.optimiser.undo(program);
        match found {
            Some(first) => Err(Error::NoFiniteTrial { iteration, trials: batch, first }.into()),
            None => Ok(()),
        }
    }

    /// The batch's gradient, clipped at what earlier batches say; then the quantiles learn of this one, in trial order.
    fn sweep(&mut self, program: &P, (iteration, level): (usize, f64)) -> Result<BatchResult<T>, P::Error> {
        let Self { options, reducer, quantiles, gradient, lanes, trials, .. } = self;
        let clip = options.clip.map(|clip| clip.largest(quantiles, program, &options.unclipped));
        let clip = clip.transpose()?;
        let clip = clip.as_deref();
        let ready = program.ready()?;
        let part = options.micro_batch.unwrap_or(options.batch).min(options.batch);
        let groups = program.groups().map(|group| (group.name, group.range));
        lanes.start(&ready, groups, options.batch, clip, gradient.len())?;
        let count = options.lanes.clamp(1, options.batch);
        // Whoever runs some lanes elsewhere waits for them.
        let is_whole = part == options.batch && (0..count).all(|lane| reducer.runs(lane, count));
        let mut at_once = None;
        for first in (0..options.batch).step_by(part) {
            let part = part.min(options.batch - first);
            make_trials(program, options, (iteration, level), first..first + part, trials)?;
            if is_whole {
                let batch = WholeBatch { trials, lanes: count, memory: options.memory, clip };
                at_once = ready.batch_at_once(&batch, gradient)?;
            }
            if at_once.is_none() {
                lanes.add(&ready, trials, *reducer)?;
            }
        }
        let result = match at_once {
            Some(result) => result,
            None => lanes.finish(*reducer, gradient)?,
        };
        for trial in &result.trials {
            for (quantile, &norm) in quantiles.iter_mut().zip(&trial.norms) {
                quantile.push(norm);
            }
        }
        Ok(result)
    }
}

/// Makes a trial of an iteration's batch.
fn make_trial<T: RealField + Copy, P: Program<T>>(
    program: &P,
    options: &TrainingOptions<P::Group>,
    (iteration, level): (usize, f64),
    trial: usize,
) -> P::Trial {
    let stage = TrainingStage::training(iteration, options.iterations, options.batch, trial);
    let rng = &mut generator(options.seed, Purpose::Training, stage.index);
    program.trial(TrainingStage { level, ..stage }, rng)
}

/// Makes some trials of an iteration's batch.
fn make_trials<T: RealField + Copy, P: Program<T>>(
    program: &P,
    options: &TrainingOptions<P::Group>,
    at: (usize, f64),
    range: std::ops::Range<usize>,
    trials: &mut Vec<P::Trial>,
) -> Result<(), Error> {
    trials.clear();
    let count = range.len();
    for trial in range {
        let trial = make_trial(program, options, at, trial);
        if trials.capacity() < count {
            // Room for all of them, before memory is taken trial by trial: what the system would not give at once, it would not give
            // piece by piece either.
            let bytes = count as u128 * program.trial_bytes(&trial) as u128;
            if !(is_granted(bytes as f64) && trials.try_reserve_exact(count).is_ok()) {
                return Err(Error::BatchMemory { trials: count, bytes });
            }
        }
        trials.push(trial);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
