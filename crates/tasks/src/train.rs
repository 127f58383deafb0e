//! Training: batches of fresh trials, clipped gradients, an optimiser, a history; watched and interruptible.

use std::ops::ControlFlow;

use nalgebra::RealField;
use spikegrad_adjoint::Memory;
use spikegrad_integrators::{Divergence, Method};
use spikegrad_network::{Error as NetworkError, Group, Network, Parameters, Recording, SplitStep, Trial};

use crate::checkpoint::{self, Checkpoint, CheckpointError, Training};
use crate::clip::RunningQuantile;
use crate::task::{Purpose, Stage, generator};
use crate::validation::{Course, Next};
use crate::{
    Batch, Clip, DEFAULT_LANES, Error, Optimiser, Rate, Rule, Schedule, Task, Validated, Validation, file,
};

/// How a network is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Step size of the split step, ms.
    pub h: f64,
    /// One method for all neurons without a closed form; `None` for that which each model names
    /// ([`Neuron::METHOD`](spikegrad_models::Neuron::METHOD)).
    pub method: Option<Method>,
    /// Number of iterations.
    pub iterations: usize,
    /// Trials in a batch.
    pub batch: usize,
    /// Seed of the trials.
    pub seed: u64,
    /// The optimiser's rule.
    pub rule: Rule,
    /// Step size of each group that is trained.
    pub rates: Vec<Rate>,
    /// What part of the way back to its initial values a group goes in each iteration, times the schedule's factor.
    pub pulls: Vec<Rate>,
    /// How step sizes change.
    pub schedule: Schedule,
    /// The network that is validated, and returned, has its parameters averaged over about so many iterations (equation
    /// (72)); 1 for the network as the last iteration left it.
    pub average: usize,
    /// Clipping of each trial's gradient by group; `None` for none.
    pub clip: Option<Clip>,
    /// Groups that are not clipped. A readout's gradient is tame and would be biased by clipping.
    pub unclipped: Vec<Group>,
    /// Lanes of a batch: at most so many threads work at once.
    pub lanes: usize,
    /// How much each lane keeps of the trial that it works on. Weights do not depend on it.
    pub memory: Memory,
    /// Steering by held-out trials: levels of difficulty, the best network, the end. `None` for training at the last level
    /// for all iterations.
    pub validation: Option<Validation>,
    /// Where training is kept and gone on with; `None` for nowhere.
    pub checkpoint: Option<Checkpoint>,
}

impl Default for Options {
    /// Adam at 1e-3 for weights, tonic currents and readout of one synapse class, 1000 iterations of 20 trials, `h` 1 ms.
    fn default() -> Self {
        let groups = [Group::Recurrent(0), Group::Input, Group::Bias, Group::Readout];
        Self {
            h: 1.0,
            method: None,
            iterations: 1000,
            batch: 20,
            seed: 1,
            rule: Rule::ADAM,
            rates: groups.map(|group| Rate { group, rate: 1e-3 }).to_vec(),
            pulls: Vec::new(),
            schedule: Schedule::Constant,
            average: 1,
            clip: Some(Clip { quantile: 0.6, factor: 1.0 }),
            unclipped: vec![Group::Readout],
            lanes: DEFAULT_LANES,
            memory: Memory::Stored,
            validation: None,
            checkpoint: None,
        }
    }
}

impl Options {
    /// What must be the same for training to go on to the same bits: all but where it is kept and how much memory it has.
    fn identity(&self) -> Self {
        Self { checkpoint: None, memory: Memory::Stored, ..self.clone() }
    }
}

/// What an iteration did.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Iteration {
    /// Which one, from 0.
    pub iteration: usize,
    /// Mean cost of the batch before the step.
    pub cost: f64,
    /// Trials that became non-finite and were left out.
    pub skipped: usize,
    /// Factor on all step sizes.
    pub factor: f64,
    /// Level of difficulty.
    pub level: f64,
    /// What was found on held-out trials after the step, if it was time for that.
    pub validation: Option<Validated>,
}

/// Watches training; may end it.
pub trait Observer<T: 'static> {
    /// Called after every iteration with the network as it is now. `Break` ends training, and nothing is lost.
    fn iteration(&mut self, done: &Iteration, network: &Network<T>) -> ControlFlow<()>;
}

/// Watches nothing.
impl<T: 'static> Observer<T> for () {
    fn iteration(&mut self, _: &Iteration, _: &Network<T>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// A progress bar with the cost; the bar decides where it is drawn.
impl<T: 'static> Observer<T> for indicatif::ProgressBar {
    fn iteration(&mut self, done: &Iteration, _: &Network<T>) -> ControlFlow<()> {
        self.set_position(done.iteration as u64 + 1);
        self.set_message(format!("cost {:.4e}", done.cost));
        ControlFlow::Continue(())
    }
}

/// Trains `network` on `task` and returns what every iteration did.
///
/// The same network, options and seed give the same weights to the bit, on any number of threads. With a checkpoint in
/// the options, training that was stopped or killed goes on from it, to the same bits as if nothing had happened; the
/// history then has the earlier iterations as well.
///
/// With validation in the options, the network ends with the best parameters that were seen at the last level of
/// difficulty; without, or if that level was not reached, with those of the last iteration or their average.
///
/// # Errors
/// If an option is out of its domain, a trial does not fit, or every trial of a batch becomes non-finite; the network
/// then holds the last good parameters. If the checkpoint cannot be written, or is that of another network or of other
/// options.
pub fn train<T: RealField + Copy>(
    network: &mut Network<T>,
    task: &dyn Task<T>,
    options: &Options,
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
}

impl<T: RealField + Copy> Trainer<T> {
    fn new(network: &Network<T>, options: &Options) -> Result<Self, Error> {
        if let Some(clip) = &options.clip {
            clip.check()?;
        }
        if let Some(validation) = &options.validation {
            validation.check()?;
        }
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
        })
    }

    fn run(
        mut self,
        network: &mut Network<T>,
        task: &dyn Task<T>,
        options: &Options,
        observer: &mut dyn Observer<T>,
    ) -> Result<Vec<Iteration>, Error> {
        let mut history = self.resume(network, options)?;
        let start = history.len();
        // A run that ended early is not gone on with.
        let range =
            if self.course.goes_on(options.validation.as_ref()) { start..options.iterations } else { 0..0 };
        for iteration in range {
            let (done, next) = self.iterate(network, task, options, iteration)?;
            let flow = observer.iteration(&done, network);
            history.push(done);
            let ended = next == Next::End || iteration + 1 == options.iterations;
            let last = flow.is_break() || ended;
            if ended {
                // The file of a training that ended has the network that is returned.
                self.finish(network);
            }
            if let Some(checkpoint) = &options.checkpoint
                && (last || (iteration + 1) % checkpoint.every.max(1) == 0)
            {
                checkpoint::save_training(&checkpoint.path, network, &self.state(options, &history))?;
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
    fn resume(&mut self, network: &mut Network<T>, options: &Options) -> Result<Vec<Iteration>, Error> {
        let Some(checkpoint) = &options.checkpoint else { return Ok(Vec::new()) };
        file::prepare(&checkpoint.path)?;
        if !checkpoint.path.exists() {
            return Ok(Vec::new());
        }
        let mut resumed = network.clone();
        let training = checkpoint::load_training(&checkpoint.path, &mut resumed)?;
        let other = |what| CheckpointError::Mismatch {
            path: checkpoint.path.clone(),
            what,
            expected: format!("{:?}", options.identity()),
            found: training.options.clone(),
        };
        let fits = self.optimiser.restore(training.optimiser());
        if training.options != format!("{:?}", options.identity())
            || training.quantiles.len() != self.quantiles.len()
        {
            return Err(other("options").into());
        }
        if !fits || !training.course.fits(network.parameters.values().len()) {
            return Err(other("optimiser").into());
        }
        *network = resumed;
        self.quantiles = training.quantiles;
        self.course = training.course;
        Ok(training.history)
    }

    fn state(&self, options: &Options, history: &[Iteration]) -> Training {
        Training::new(
            format!("{:?}", options.identity()),
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
        options: &Options,
        iteration: usize,
    ) -> Result<(Iteration, Next), Error> {
        let validation = options.validation.as_ref();
        let level = self.course.level(validation);
        let first = (iteration * options.batch) as u64;
        self.trials.clear();
        self.trials.extend((0..options.batch).map(|trial| {
            let stage = Stage { iteration, iterations: options.iterations, trial, level };
            task.trial(stage, &mut generator(options.seed, Purpose::Training, first + trial as u64))
        }));
        if options.clip.is_some() && iteration == 0 {
            // No norm has been seen yet: the first batch is run twice, the first time for its norms only.
            self.sweep(network, task, options)?;
        }
        let result = self.sweep(network, task, options)?;
        let skipped = result.skipped();
        if skipped == options.batch {
            let first = result.trials.into_iter().find_map(|t| t.cost.err());
            return Err(match first {
                Some(first) => Error::NoFiniteTrial { iteration, trials: skipped, first },
                None => Error::EmptyBatch,
            });
        }
        let factor = options.schedule.factor(iteration, options.iterations) * self.course.factor(validation);
        self.optimiser.step(network, &self.gradient, factor)?;
        let (mut found, mut next) = (None, Next::GoOn);
        if let Some(validation) = validation.filter(|v| (iteration + 1).is_multiple_of(v.every)) {
            let mut averaged = network.clone();
            self.average(&mut averaged);
            let validated = validate(&averaged, task, options, validation.trials, level)?;
            next = self.course.take(validation, validated, averaged.parameters.values_mut());
            if next == Next::GoBack {
                self.optimiser.go_on_from(averaged.parameters.values());
                *network = averaged;
            }
            found = Some(validated);
        }
        let cost = result.cost.to_subset_unchecked();
        Ok((Iteration { iteration, cost, skipped, factor, level, validation: found }, next))
    }

    /// The batch's gradient, clipped at what earlier batches say; then the quantiles learn of this one, in trial order.
    fn sweep(
        &mut self,
        network: &Network<T>,
        task: &dyn Task<T>,
        options: &Options,
    ) -> Result<crate::BatchResult<T>, Error> {
        let entries = network.parameters.layout().entries();
        let clip: Option<Vec<Option<T>>> = options.clip.map(|clip| {
            let largest = |(quantile, group): (&RunningQuantile, Group)| {
                let quantile =
                    quantile.quantile(clip.quantile).filter(|_| !options.unclipped.contains(&group));
                quantile.map(|q| T::from_subset(&(q * clip.factor)))
            };
            self.quantiles.iter().zip(entries.iter().map(|e| e.group)).map(largest).collect()
        });
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

/// Runs `trials` held-out trials of a task and returns what `look` makes of each, in order.
///
/// # Errors
/// If a trial does not fit the network, or [`Error::HeldOut`] for the first trial that does not stay finite.
pub fn evaluate<T: RealField + Copy, R: Send>(
    network: &Network<T>,
    task: &dyn Task<T>,
    options: &Options,
    trials: usize,
    look: impl Fn(&Trial<T>, &Recording<T>) -> R + Sync,
) -> Result<Vec<R>, Error> {
    let looks = run_held_out(network, task, options, Purpose::Test, trials, Stage::held_out, look)?;
    let finite =
        |(trial, look): (usize, Result<R, Divergence>)| look.map_err(|why| Error::HeldOut { trial, why });
    looks.into_iter().enumerate().map(finite).collect()
}

fn validate<T: RealField + Copy>(
    network: &Network<T>,
    task: &dyn Task<T>,
    options: &Options,
    trials: usize,
    level: f64,
) -> Result<Validated, Error> {
    let look = |trial: &Trial<T>, recording: &Recording<T>| {
        let cost: f64 = recording.cost.to_subset_unchecked();
        (task.score(trial, recording), cost)
    };
    let held_out = |index| Stage { level, ..Stage::held_out(index) };
    let found = run_held_out(network, task, options, Purpose::Validation, trials, held_out, look)?;
    // A network that diverges on a trial has no score, which is the worst one.
    let found: Vec<_> = found.into_iter().map(|found| found.unwrap_or((f64::NAN, f64::NAN))).collect();
    let mean = |sum: f64| sum / trials as f64;
    Ok(Validated {
        score: mean(found.iter().map(|f| f.0).sum()),
        cost: mean(found.iter().map(|f| f.1).sum()),
    })
}

/// What `look` makes of each trial that stays finite.
fn run_held_out<T: RealField + Copy, R: Send>(
    network: &Network<T>,
    task: &dyn Task<T>,
    options: &Options,
    purpose: Purpose,
    trials: usize,
    stage: impl Fn(usize) -> Stage + Sync,
    look: impl Fn(&Trial<T>, &Recording<T>) -> R + Sync,
) -> Result<Vec<Result<R, Divergence>>, Error> {
    use rayon::prelude::*;
    let scheme = SplitStep::with_method(network, options.h, options.method)?;
    (0..trials)
        .into_par_iter()
        .map(|index| {
            let rng = &mut generator(options.seed, purpose, index as u64);
            let trial = task.trial(stage(index), rng);
            match scheme.run(&trial, task.loss())?.record() {
                Ok(recording) => Ok(Ok(look(&trial, &recording))),
                Err(NetworkError::Diverged(why)) => Ok(Err(why)),
                Err(error) => Err(error.into()),
            }
        })
        .collect()
}
