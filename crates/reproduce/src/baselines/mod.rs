//! Other networks on the same task, to compare with: a [network of rate units](rate), and [integrate-and-fire
//! neurons](lif) with a surrogate gradient. Both are programs with a transpose like the gated network, are swept by the same
//! discrete adjoint, and are trained by the small loop of this file: fresh trials, each one's gradient clipped at a running
//! quantile, Adam (equations (41), (43)), the same bits on any number of threads.

mod kernels;
pub(crate) mod lif;
pub(crate) mod rate;

use std::ops::Range;

use nalgebra::RealField;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use spikegrad::adjoint::Sweep;
use spikegrad::integrators::{Step, StepVjp};
use spikegrad::network::Trial;
use spikegrad::tasks::delayed_xor::DelayedXor;
use spikegrad::tasks::{Purpose, RunningQuantile, Schedule, Stage, Task, generator};

/// Trials of a batch are added up in so many lanes.
const LANES: usize = 8;
/// Constants of Adam.
const ADAM: (f32, f32, f32) = (0.9, 0.999, 1e-8);
/// Norms are clipped at this quantile of those that came before.
const QUANTILE: f64 = 0.6;
/// Iterations between two validations.
const EVERY: usize = 50;
/// Trials of a validation.
const VALIDATION: u64 = 100;

/// A named group of parameters.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Its name.
    pub(crate) name: &'static str,
    /// Where it lies.
    pub(crate) range: Range<usize>,
}

/// A network that can be trained: a program for each trial.
pub(crate) trait Model: Clone + Send + Sync {
    /// What its transpose needs to know of the steps.
    type Tape: Default + Send + Sync;
    /// The network on a trial.
    type Program<'a>: StepVjp<f32, Tape = Self::Tape>
    where
        Self: 'a;

    /// The network on a trial.
    fn run<'a>(&'a self, trial: &'a Trial<f32>) -> Self::Program<'a>;
    /// The groups of its parameters; the last one is the readout.
    fn groups(&self) -> Vec<Group>;
    /// All parameters.
    fn parameters(&self) -> &[f32];
    /// All parameters.
    fn parameters_mut(&mut self) -> &mut [f32];
    /// Number of units.
    fn units(&self) -> usize;
    /// Output and number of spikes of the last step on the tape.
    fn last(&self, tape: &Self::Tape) -> (f32, usize);

    /// The output at every sample of a trial, and the number of spikes.
    fn respond(&self, trial: &Trial<f32>) -> (Vec<f32>, usize) {
        let (program, mut tape) = (self.run(trial), Self::Tape::default());
        let mut x = vec![0.0; program.dim()];
        let (mut output, mut spikes) = (Vec::with_capacity(program.steps()), 0);
        program.start(&mut x);
        for n in 0..program.steps() {
            program.rewind(&x, &mut tape);
            program.step(n, &mut x, &mut tape);
            let (o, count) = self.last(&tape);
            output.push(o);
            spikes += count;
        }
        (output, spikes)
    }
}

/// What an output costs at a sample, and the derivative by the output: the quadratic loss, weighted as the trial says,
/// equation (21).
#[inline(always)]
fn judge<T: RealField + Copy>(trial: &Trial<T>, m: usize, output: T) -> (T, T) {
    let weight = trial.weights.get(m).copied().unwrap_or_else(T::one);
    let error = output - trial.targets[m];
    let bar = weight * error * T::from_subset(&(trial.interval / trial.scale));
    (bar * error * T::from_subset(&0.5), bar)
}

/// How a network is trained.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Training {
    /// Number of iterations.
    pub(crate) iterations: usize,
    /// Trials in a batch.
    pub(crate) batch: usize,
    /// Step size of each group.
    pub(crate) rates: Vec<f64>,
    /// How the step sizes change.
    pub(crate) schedule: Schedule,
    /// What delays are multiplied by at the beginning; over the first half of training they grow to what they are in the task.
    pub(crate) delays: f64,
    /// Seed of the trials.
    pub(crate) seed: u64,
}

/// How training went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    /// Cost of every batch.
    pub(crate) cost: Vec<f32>,
    /// Part of cues answered rightly in validation, beside the iteration.
    pub(crate) validation: Vec<(usize, f64)>,
    /// Trials that were left out because they became non-finite.
    pub(crate) skipped: usize,
}

/// Trains `model` on `task`; `watch` is told of every iteration.
pub(crate) fn train<M: Model>(
    model: &mut M,
    task: &DelayedXor<f32>,
    training: &Training,
    mut watch: impl FnMut(usize, f32),
) -> History {
    let groups = model.groups();
    let mut quantiles = vec![RunningQuantile::default(); groups.len()];
    let mut adam = Adam::new(model.parameters().len());
    let mut lanes: Vec<Lane<M::Tape>> = (0..LANES).map(|_| Lane::new(model.parameters().len())).collect();
    let mut history = History::default();
    for iteration in 0..training.iterations {
        let stage = Stage { iteration, iterations: training.iterations };
        let first = (iteration * training.batch) as u64;
        let now = with_delays(task, training.delays, stage.progress());
        let trials: Vec<_> = (first..first + training.batch as u64)
            .map(|index| now.trial(stage, &mut generator(training.seed, Purpose::Training, index)))
            .collect();
        let clip: Vec<f32> = quantiles
            .iter()
            .enumerate()
            .map(|(g, q)| q.quantile(QUANTILE).filter(|_| g + 1 < groups.len()).map_or(f32::INFINITY, |q| q as f32))
            .collect();
        lanes.par_iter_mut().enumerate().for_each(|(lane, work)| work.run(model, &groups, &clip, &trials, lane));
        for b in 0..trials.len() {
            for (quantile, &norm) in quantiles.iter_mut().zip(&lanes[b % LANES].norms[b / LANES]) {
                quantile.push(norm);
            }
        }
        let (cost, finite) = add_up(&mut lanes);
        history.skipped += trials.len() - finite;
        history.cost.push(cost);
        let factor = training.schedule.factor(iteration, training.iterations);
        // The first batch is there for its norms only.
        if iteration > 0 && finite > 0 {
            adam.step(model.parameters_mut(), &lanes[0].sum, finite, &groups, &training.rates, factor);
        }
        if (iteration + 1).is_multiple_of(EVERY) || iteration + 1 == training.iterations {
            history.validation.push((iteration + 1, validate(model, task, training.seed)));
        }
        watch(iteration, cost);
    }
    history
}

/// The task with delays that grow from `first` times theirs.
fn with_delays(task: &DelayedXor<f32>, first: f64, progress: f64) -> DelayedXor<f32> {
    let factor = first + (1.0 - first) * (2.0 * progress).min(1.0);
    let times = |range: &Range<f64>| factor * range.start..factor * range.end;
    DelayedXor { gap: times(&task.gap), delay: times(&task.delay), ..task.clone() }
}

/// The part of cues that are answered rightly on validation trials.
fn validate<M: Model>(model: &M, task: &DelayedXor<f32>, seed: u64) -> f64 {
    let stage = Stage { iteration: 1, iterations: 1 };
    let answers: Vec<_> = (0..VALIDATION)
        .into_par_iter()
        .flat_map_iter(|index| {
            let trial = task.trial(stage, &mut generator(seed, Purpose::Validation, index));
            task.answers(&trial, &model.respond(&trial).0)
        })
        .collect();
    answers.iter().filter(|(answered, right)| answered == right).count() as f64 / answers.len() as f64
}

/// What one thread at a time works on: every trial whose number leaves the same remainder.
struct Lane<Tape> {
    sweep: Sweep<f32, Tape>,
    sum: Vec<f32>,
    trial: Vec<f32>,
    cost: f32,
    finite: usize,
    /// Norms of each trial's gradient by group.
    norms: Vec<Vec<f32>>,
}

impl<Tape: Default + Send> Lane<Tape> {
    fn new(parameters: usize) -> Self {
        let zeros = || vec![0.0; parameters];
        Self { sweep: Sweep::new(), sum: zeros(), trial: zeros(), cost: 0.0, finite: 0, norms: Vec::new() }
    }

    fn run<M: Model<Tape = Tape>>(
        &mut self,
        model: &M,
        groups: &[Group],
        clip: &[f32],
        trials: &[Trial<f32>],
        lane: usize,
    ) {
        self.sum.fill(0.0);
        self.norms.clear();
        (self.cost, self.finite) = (0.0, 0);
        for trial in trials.iter().skip(lane).step_by(LANES) {
            self.trial.fill(0.0);
            let Ok(cost) = self.sweep.gradient(&model.run(trial), &mut self.trial) else {
                self.norms.push(vec![f32::NAN; groups.len()]);
                continue;
            };
            self.cost += cost;
            self.finite += 1;
            let mut norms = Vec::with_capacity(groups.len());
            for (group, &clip) in groups.iter().zip(clip) {
                let part = &self.trial[group.range.clone()];
                let norm = part.iter().map(|x| x * x).sum::<f32>().sqrt();
                let factor = if norm > clip { clip / norm } else { 1.0 };
                self.sum[group.range.clone()].iter_mut().zip(part).for_each(|(sum, x)| *sum += factor * x);
                norms.push(norm);
            }
            self.norms.push(norms);
        }
    }
}

/// Adds all lanes to the first one, in order: mean cost and number of finite trials.
fn add_up<Tape>(lanes: &mut [Lane<Tape>]) -> (f32, usize) {
    let Some((first, others)) = lanes.split_first_mut() else { return (f32::NAN, 0) };
    for lane in others {
        first.sum.iter_mut().zip(&lane.sum).for_each(|(a, b)| *a += b);
        first.cost += lane.cost;
        first.finite += lane.finite;
    }
    (first.cost / first.finite as f32, first.finite)
}

/// Adam, equation (41), with a step size for each group.
struct Adam {
    step: i32,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Adam {
    fn new(parameters: usize) -> Self {
        Self { step: 0, first: vec![0.0; parameters], second: vec![0.0; parameters] }
    }

    /// A step down the mean of `count` gradients.
    fn step(
        &mut self,
        parameters: &mut [f32],
        sum: &[f32],
        count: usize,
        groups: &[Group],
        rates: &[f64],
        factor: f64,
    ) {
        let (beta_1, beta_2, epsilon) = ADAM;
        self.step += 1;
        let correct = |beta: f32| 1.0 / (1.0 - beta.powi(self.step));
        let (correct_1, correct_2) = (correct(beta_1), correct(beta_2));
        for (group, rate) in groups.iter().zip(rates) {
            let rate = (rate * factor) as f32;
            for at in group.range.clone() {
                let g = sum[at] / count as f32;
                self.first[at] = beta_1 * self.first[at] + (1.0 - beta_1) * g;
                self.second[at] = beta_2 * self.second[at] + (1.0 - beta_2) * g * g;
                parameters[at] -=
                    rate * self.first[at] * correct_1 / ((self.second[at] * correct_2).sqrt() + epsilon);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rand::RngExt as _;
    use spikegrad::adjoint::{BoxError, Error, Group as CheckGroup, Objective};
    use spikegrad::integrators::EventLog;

    /// A program as an objective of the gradient check: `run` returns the cost and, where asked, adds the gradient.
    pub(crate) struct Check<F> {
        pub(crate) groups: Vec<(String, Range<usize>)>,
        pub(crate) parameters: Vec<f64>,
        pub(crate) run: F,
    }

    impl<F> Objective for Check<F>
    where
        F: FnMut(&[f64], &mut EventLog, Option<&mut [f64]>) -> Result<f64, Error>,
    {
        fn groups(&self) -> Vec<CheckGroup> {
            let group = |(name, range): &(String, Range<usize>)| CheckGroup { name: name.clone(), range: range.clone() };
            self.groups.iter().map(group).collect()
        }

        fn parameters(&self) -> Vec<f64> {
            self.parameters.clone()
        }

        fn cost(&mut self, parameters: &[f64], log: &mut EventLog) -> Result<f64, BoxError> {
            Ok((self.run)(parameters, log, None)?)
        }

        fn gradient(&mut self, parameters: &[f64], gradient: &mut [f64]) -> Result<f64, BoxError> {
            Ok((self.run)(parameters, &mut EventLog::default(), Some(gradient))?)
        }
    }

    /// Numbers between -1 and 1.
    pub(crate) fn random(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = generator(seed, Purpose::Test, 0);
        (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    /// A trial with two inputs, one target and weights.
    pub(crate) fn random_trial(samples: usize, seed: u64) -> Trial<f64> {
        let mut trial = Trial::silent(samples, 1.0, 2);
        let held = |seed| random(samples / 10 + 1, seed);
        let (one, two) = (held(seed), held(seed + 1));
        trial.inputs = (0..samples).flat_map(|m| [one[m / 10], two[m / 10]]).collect();
        trial.targets = random(samples, seed + 2);
        trial.weights = random(samples, seed + 3).iter().map(|x| x.abs()).collect();
        trial.scale = trial.duration();
        trial
    }

    fn small() -> (rate::Rate<f32>, DelayedXor<f32>, Training) {
        let start = rate::RateStart { identity: 1.0, recurrent: 0.3, input: 0.5 };
        let model = rate::Rate::new(12, 2, (20.0, 20.0), start, 1).to_f32();
        let training = Training {
            iterations: 25,
            batch: 10,
            rates: vec![1e-3, 1e-2, 1e-3, 3e-2],
            schedule: Schedule::Constant,
            delays: 1.0,
            seed: 1,
        };
        (model, DelayedXor { gap: 20.0..30.0, delay: 20.0..30.0, ..DelayedXor::default() }, training)
    }

    #[test]
    fn training_lowers_the_cost_and_has_the_same_bits_on_any_number_of_threads() {
        let run = |threads| {
            let (mut model, task, training) = small();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let history = pool.install(|| train(&mut model, &task, &training, |_, _| ()));
            (model.parameters().to_vec(), history)
        };
        let (parameters, history) = run(1);
        assert_eq!((parameters, history.clone()), run(2));
        let mean = |costs: &[f32]| costs.iter().sum::<f32>() / costs.len() as f32;
        assert!(mean(&history.cost[20..]) < 0.8 * mean(&history.cost[..5]), "{:?}", history.cost);
        assert_eq!((history.skipped, history.validation.len()), (0, 1));
    }
}
#[cfg(test)]
mod tune;
