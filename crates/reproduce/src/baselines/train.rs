//! Training of the baselines, in the manner of [`spikegrad::tasks::train`], whose optimiser is tied to gated networks: fresh
//! trials, each one's gradient clipped at a running quantile, Adam (equations (41), (43)), validation that raises the level
//! of difficulty and ends training; the same bits on any number of threads.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use spikegrad::adjoint::Sweep;
use spikegrad::network::Trial;
use spikegrad::tasks::delayed_xor::DelayedXor;
use spikegrad::tasks::{
    Course, Next, Purpose, RunningQuantile, Schedule, Task, TrainingStage, Validated, Validation, clip_norm,
    generator,
};

use super::{Group, Model};

/// Trials of a batch are added up in so many lanes.
const LANES: usize = 8;
/// Constants of Adam.
const ADAM: (f32, f32, f32) = (0.9, 0.999, 1e-8);
/// Norms are clipped at this quantile of those that came before.
const QUANTILE: f64 = 0.6;

/// How a network is trained.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Training {
    /// Number of iterations, unless validation ends it earlier.
    pub(crate) iterations: usize,
    /// Trials in a batch.
    pub(crate) batch: usize,
    /// Step size of each group.
    pub(crate) rates: Vec<f64>,
    /// How the learning rates change.
    pub(crate) schedule: Schedule,
    /// When the level of difficulty rises and when training ends.
    pub(crate) validation: Validation,
    /// Seed of the trials.
    pub(crate) seed: u64,
}

/// How training went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    /// Cost of every batch.
    pub(crate) cost: Vec<f32>,
    /// What validation found, beside the iteration.
    pub(crate) validation: Vec<(usize, Validated)>,
    /// Trials that were left out because they became non-finite.
    pub(crate) skipped: usize,
}

/// Trains `model` on `task`; `watch` is told of every iteration. The model ends with the best parameters of those that were
/// validated at the last level of difficulty.
pub(crate) fn train<M: Model>(
    model: &mut M,
    task: &DelayedXor<f32>,
    training: &Training,
    mut watch: impl FnMut(usize, f32),
) -> History {
    let mut work = Work::new(model);
    let mut adam = Adam::new(model.parameters().len());
    let (mut history, mut course) = (History::default(), Course::default());
    let validation = &training.validation;
    for iteration in 0..training.iterations {
        let level = course.level(Some(validation));
        let trials: Vec<_> = (0..training.batch)
            .map(|trial| {
                let stage = TrainingStage::training(iteration, training.iterations, training.batch, trial);
                let rng = &mut generator(training.seed, Purpose::Training, stage.index);
                task.trial(TrainingStage { level, ..stage }, rng)
            })
            .collect();
        let (cost, finite) = work.gradient(model, &trials);
        history.skipped += trials.len() - finite;
        history.cost.push(cost);
        // The first batch is there for its norms only.
        if iteration > 0 && finite > 0 {
            let factor =
                training.schedule.factor(iteration, training.iterations) * course.factor(Some(validation));
            adam.step(model.parameters_mut(), work.sum(), finite, &work.groups, &training.rates, factor);
        }
        watch(iteration, cost);
        if (iteration + 1).is_multiple_of(validation.every) {
            let found = validate(model, task, training, level);
            history.validation.push((iteration + 1, found));
            if course.take(validation, found, model.parameters_mut()) == Next::End {
                break;
            }
        }
    }
    course.apply_best(model.parameters_mut());
    history
}

/// Part of cues that are answered rightly on validation trials, and mean squared error.
fn validate<M: Model>(model: &M, task: &DelayedXor<f32>, training: &Training, level: f64) -> Validated {
    let looks: Vec<_> = (0..training.validation.trials)
        .into_par_iter()
        .map(|index| {
            let mut rng = generator(training.seed, Purpose::Validation, index as u64);
            let trial = task.trial(
                TrainingStage { level, ..TrainingStage::held_out(Purpose::Validation, index) },
                &mut rng,
            );
            // A network that diverges on a trial has no score.
            let Ok((output, _)) = model.respond(&trial) else { return (f64::NAN, 0, f64::NAN) };
            let answers = task.answers(&trial, &output);
            let right = answers.iter().filter(|(answered, right)| answered == right).count();
            let square = |(o, d): (&f32, &f32)| f64::from((o - d) * (o - d));
            let error: f64 = output.iter().zip(&trial.targets).map(square).sum();
            (right as f64, answers.len(), error / output.len() as f64)
        })
        .collect();
    let (right, all) = looks.iter().fold((0.0, 0), |sum, look| (sum.0 + look.0, sum.1 + look.1));
    let cost = looks.iter().map(|look| look.2).sum::<f64>() / looks.len() as f64;
    Validated { score: right / all as f64, cost }
}

/// The gradient of a batch, and what is kept from one batch to the next.
struct Work<Tape> {
    groups: Vec<Group>,
    quantiles: Vec<RunningQuantile>,
    lanes: Vec<Lane<Tape>>,
}

impl<Tape: Default + Send + Sync> Work<Tape> {
    fn new(model: &impl Model<Tape = Tape>) -> Self {
        let groups = model.groups();
        Self {
            quantiles: vec![RunningQuantile::default(); groups.len()],
            groups,
            lanes: (0..LANES).map(|_| Lane::new(model.parameters().len())).collect(),
        }
    }

    /// Sums the clipped gradients of the trials: their mean cost, and how many were finite.
    fn gradient(&mut self, model: &impl Model<Tape = Tape>, trials: &[Trial<f32>]) -> (f32, usize) {
        let Self { groups, quantiles, lanes } = self;
        // The readout is not clipped: its gradient is tame, and clipping would bias it.
        let clip: Vec<Option<f32>> = quantiles
            .iter()
            .take(groups.len() - 1)
            .map(|q| q.quantile(QUANTILE).ok().flatten().map(|q| q as f32))
            .chain([None])
            .collect();
        lanes.par_iter_mut().enumerate().for_each(|(k, lane)| lane.run(model, groups, &clip, trials, k));
        for b in 0..trials.len() {
            let norms = &lanes[b % LANES].norms[b / LANES];
            quantiles.iter_mut().zip(norms).for_each(|(quantile, &norm)| quantile.push(norm));
        }
        add_up(lanes)
    }

    /// The sum of the last batch.
    fn sum(&self) -> &[f32] {
        &self.lanes[0].sum
    }
}

/// What one thread at a time works on: every trial whose number leaves the same remainder.
struct Lane<Tape> {
    sweep: Sweep<f32, Tape>,
    sum: Vec<f32>,
    trial: Vec<f32>,
    cost: f64,
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
        clip: &[Option<f32>],
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
            self.cost += f64::from(cost);
            self.finite += 1;
            let mut norms = Vec::with_capacity(groups.len());
            for (group, &clip) in groups.iter().zip(clip) {
                let part = &mut self.trial[group.range.clone()];
                norms.push(clip_norm(part, clip));
                self.sum[group.range.clone()].iter_mut().zip(part).for_each(|(sum, x)| *sum += *x);
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
    ((first.cost / first.finite as f64) as f32, first.finite)
}

/// Adam, equation (41), with a learning rate for each group.
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
mod tests {
    use super::*;
    use crate::baselines::rate::{RateNetwork, RateStart};

    fn small() -> (RateNetwork<f32>, DelayedXor<f32>, Training) {
        let start = RateStart { identity: 1.0, recurrent: 0.3, input: 0.5 };
        let model = RateNetwork::new(12, 2, (20.0, 20.0), start, 1).to_f32();
        let training = Training {
            iterations: 25,
            batch: 10,
            rates: vec![1e-3, 1e-2, 1e-3, 3e-2],
            schedule: Schedule::Constant,
            validation: Validation {
                every: 10,
                trials: 5,
                rise_at: 0.0,
                fall_below: 0.0,
                go_back: None,
                rise: 1.0,
                slow: 1.0,
                patience: 9,
            },
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
        assert_eq!((history.skipped, history.validation.len()), (0, 2));
    }
}
