//! Training with batches of one to many trials, at equal numbers of trials: what a larger batch is worth.

use std::ops::ControlFlow;
use std::time::Instant;

use spikegrad::network::{Network, Trial};
use spikegrad::tasks::predictive_coding::PredictiveCoding;
use spikegrad::tasks::{Iteration, Observer, Purpose, Schedule, Task, TrainingOptions, train};

use crate::Error;
use crate::experiments::dial::{Cell, costs, network, options, trials};

/// Trials of a batch.
pub(super) const BATCHES: [usize; 5] = [1, 4, 16, 64, 256];
/// Factors on the learning rates of the recipe, the same for all networks and batches.
pub(super) const FACTORS: [f64; 3] = [0.25, 1.0, 4.0];

/// One training.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Course {
    pub(super) batch: usize,
    pub(super) factor: f64,
    pub(super) clip: bool,
    /// Trials that were trained on, and the cost on held-out trials then.
    pub(super) costs: Vec<(usize, f64)>,
    /// Why training ended early.
    pub(super) error: Option<String>,
}

impl Course {
    /// The cost at the end; infinite for a training that ended early.
    pub(super) fn last(&self) -> f64 {
        let last = self.costs.last().map_or(f64::INFINITY, |(_, cost)| *cost);
        if self.error.is_some() { f64::INFINITY } else { last }
    }

    /// Trials until the cost was first below `target`, by interpolation of logarithms; infinite if that never was.
    pub(super) fn trials_to(&self, target: f64) -> f64 {
        let Some(at) = self.costs.iter().position(|(_, cost)| *cost <= target) else { return f64::INFINITY };
        let (trials, cost) = self.costs[at];
        let Some((before, higher)) = at.checked_sub(1).map(|before| self.costs[before]) else {
            return trials as f64;
        };
        let part = ((higher / target).ln() / (higher / cost).ln()).clamp(0.0, 1.0);
        let (from, to) = ((before as f64).max(1.0), trials as f64);
        from + part * (to - from)
    }
}

/// What is trained, and how long.
pub(super) struct Plan<'a> {
    pub(super) task: &'a PredictiveCoding,
    pub(super) trials: usize,
    pub(super) held_out: &'a [Trial<f64>],
}

/// Held-out trials that courses are judged by.
pub(super) fn held_out(task: &PredictiveCoding, seed: u64, count: usize) -> Result<Vec<Trial<f64>>, Error> {
    trials(task, task.duration.1, (seed, Purpose::Validation), count, 1)
}

/// The mean cost of trials; infinite if one of them does not stay finite.
pub(super) fn cost(network: &Network<f64>, task: &PredictiveCoding, given: &[Trial<f64>]) -> f64 {
    match costs(network, task.h, task.loss(), given) {
        Ok(costs) => costs.iter().sum::<f64>() / costs.len() as f64,
        Err(_) => f64::INFINITY,
    }
}

impl Plan<'_> {
    /// One training. What ends it early is a part of the result.
    pub(super) fn course(
        &self,
        cell: Cell,
        seed: u64,
        (batch, factor, clip): (usize, f64, bool),
    ) -> Result<Course, Error> {
        let mut network = network(self.task, cell, seed)?;
        let options = self.options(seed, (batch, factor, clip));
        let first = cost(&network, self.task, self.held_out);
        let mut watch = Watch { plan: self, batch, next: 1, costs: vec![(0, first)] };
        let error = train(&mut network, self.task, &options, &mut watch).err().map(|error| error.to_string());
        Ok(Course { batch, factor, clip, costs: watch.costs, error })
    }

    fn options(&self, seed: u64, (batch, factor, clip): (usize, f64, bool)) -> TrainingOptions {
        let mut options = options(self.task, self.trials / batch, factor, seed);
        options.batch = batch;
        options.schedule = Schedule::Constant;
        if !clip {
            options.clip = None;
        }
        options
    }

    /// Time of a trial in training with such batches, ms, on the threads that the experiment has.
    pub(super) fn time(&self, cell: Cell, seed: u64, batch: usize, trials: usize) -> Result<f64, Error> {
        let mut network = network(self.task, cell, seed)?;
        let options =
            TrainingOptions { iterations: (trials / batch).max(1), ..self.options(seed, (batch, 1.0, true)) };
        let start = Instant::now();
        train(&mut network, self.task, &options, &mut ()).map_err(Error::experiment)?;
        Ok(start.elapsed().as_secs_f64() * 1e3 / (options.iterations * batch) as f64)
    }
}

/// Looks at held-out trials whenever the number of trials has doubled, and at every sixteenth of the whole.
struct Watch<'a> {
    plan: &'a Plan<'a>,
    batch: usize,
    next: usize,
    costs: Vec<(usize, f64)>,
}

impl Observer<Network<f64>> for Watch<'_> {
    fn iteration(&mut self, done: &Iteration, network: &Network<f64>) -> ControlFlow<()> {
        let trials = (done.iteration + 1) * self.batch;
        if trials >= self.next {
            let part = (self.plan.trials / 16).max(1);
            self.next = (2 * trials).min((trials / part + 1) * part);
            self.costs.push((trials, cost(network, self.plan.task, self.plan.held_out)));
        }
        ControlFlow::Continue(())
    }
}

/// What larger batches are worth: the fewest trials that each batch takes to a cost, over learning rates and clipping.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Worth {
    /// The cost that is to be reached.
    pub(super) target: f64,
    /// The fewest trials of every batch; infinite where the cost was not reached.
    pub(super) trials: Vec<f64>,
    /// The batch beyond which a larger one no longer pays: where `trials(B) = trials(0) (1 + B / B_c)` fits best.
    pub(super) useful: f64,
    /// Whether the largest learning rate was the best for the largest batch that got there: the grid then ends before the return does.
    pub(super) at_edge: bool,
}

/// Where the return of larger batches ends.
pub(super) fn worth(courses: &[Course]) -> Worth {
    let best = courses.iter().map(Course::last).fold(f64::INFINITY, f64::min);
    let start = courses.first().and_then(|course| course.costs.first()).map_or(f64::NAN, |(_, cost)| *cost);
    // A quarter of the way from the best end to the start, on a logarithmic scale.
    let target = best * (start / best).powf(0.25);
    let of_batch = |batch: usize| courses.iter().filter(move |course| course.batch == batch);
    let trials: Vec<f64> = BATCHES
        .iter()
        .map(|&batch| of_batch(batch).map(|course| course.trials_to(target)).fold(f64::INFINITY, f64::min))
        .collect();
    let largest =
        BATCHES.iter().zip(&trials).rfind(|(_, trials)| trials.is_finite()).map(|(batch, _)| *batch);
    let at_edge = largest.is_some_and(|batch| {
        let fastest = of_batch(batch).min_by(|a, b| a.trials_to(target).total_cmp(&b.trials_to(target)));
        fastest.is_some_and(|course| course.factor == FACTORS[FACTORS.len() - 1])
    });
    let points: Vec<(f64, f64)> = BATCHES
        .iter()
        .zip(&trials)
        .filter(|(_, t)| t.is_finite())
        .map(|(b, t)| (*b as f64, t.ln()))
        .collect();
    Worth { target, useful: useful_batch(&points), trials, at_edge }
}

/// The `B_c` of the least-squares fit of `ln trials = c + ln(1 + B / B_c)`, over a fine grid; not a number for fewer than three points.
fn useful_batch(points: &[(f64, f64)]) -> f64 {
    if points.len() < 3 {
        return f64::NAN;
    }
    let misfit = |critical: f64| {
        let rest: Vec<f64> = points.iter().map(|(b, y)| y - (1.0 + b / critical).ln()).collect();
        let mean = rest.iter().sum::<f64>() / rest.len() as f64;
        rest.iter().map(|r| (r - mean).powi(2)).sum::<f64>()
    };
    let grid = (0..=400).map(|at| 10.0_f64.powf(-1.0 + 5.0 * f64::from(at) / 400.0));
    grid.min_by(|a, b| misfit(*a).total_cmp(&misfit(*b))).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(batch: usize, factor: f64, costs: &[(usize, f64)]) -> Course {
        Course { batch, factor, clip: true, costs: costs.to_vec(), error: None }
    }

    #[test]
    fn a_useful_batch_is_found_where_trials_double() {
        for critical in [3.0, 40.0] {
            let points: Vec<(f64, f64)> =
                BATCHES.iter().map(|&b| (b as f64, (500.0 * (1.0 + b as f64 / critical)).ln())).collect();
            let found = useful_batch(&points);
            assert!((found / critical - 1.0).abs() < 0.03, "{found} for {critical}");
        }
        assert!(useful_batch(&[(1.0, 2.0)]).is_nan());
    }

    #[test]
    fn trials_to_a_cost_are_those_of_the_best_learning_rate() {
        let slow = course(4, 1.0, &[(0, 8.0), (100, 4.0), (200, 2.0)]);
        assert_eq!(slow.trials_to(2.0), 200.0);
        assert!((slow.trials_to(8.0_f64.sqrt()) - 150.0).abs() < 1e-9);
        assert_eq!(slow.trials_to(1.0), f64::INFINITY);
        let fast = course(4, 4.0, &[(0, 8.0), (100, 0.5)]);
        let failed = Course { error: Some("diverged".into()), ..course(1, 1.0, &[(0, 8.0), (1, 0.1)]) };
        assert_eq!(failed.last(), f64::INFINITY);
        let found = worth(&[slow, fast.clone()]);
        assert_eq!(found.trials[1], fast.trials_to(found.target));
        assert!(found.at_edge && found.trials[0].is_infinite());
        assert!((found.target - 0.5 * 16.0_f64.powf(0.25)).abs() < 1e-12);
    }
}
