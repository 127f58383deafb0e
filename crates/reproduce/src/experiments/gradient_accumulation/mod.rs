//! The experiment `gradient-accumulation`: how gradients of single trials differ between a rate network and spiking ones, what that
//! predicts for the batch, and what training shows.

mod answer;
mod courses;
mod halves;
pub(super) mod other;
mod page;
mod results;
mod stages;
mod within;

use std::ops::ControlFlow;

use rayon::prelude::*;
use spikegrad::network::Network;
use spikegrad::tasks::predictive_coding::PredictiveCoding;
use spikegrad::tasks::{Iteration, Observer, train};

use super::Context;
use super::dial::{Cell, network, options, task};
use crate::report::Report;
use crate::{Error, file};
use courses::{BATCHES, Course, FACTORS, Plan, held_out};
use results::Results;
use stages::{Amounts, Stage, look};
use within::{Trained, Way};

/// Length of a trial and the step, ms.
const DURATION: f64 = 100.0;
const STEP: f64 = 0.05;
/// Length of the trials that are cut into pieces, ms.
const LONG: f64 = 250.0;

/// Networks whose gradients are looked at.
const CELLS: [Cell; 6] =
    [Cell::Dial(1.0), Cell::Dial(0.5), Cell::Dial(0.2), Cell::Dial(0.1), Cell::Dial(0.05), Cell::Theta(0.3)];
/// Networks that are trained with every batch.
const TRAINED: [Cell; 2] = [Cell::Dial(1.0), Cell::Dial(0.2)];

/// How much is done.
struct Work {
    /// Iterations of the training that has three stages.
    iterations: usize,
    look: Amounts,
    /// Trials of every training by batches, held-out trials that judge it, and trials that are timed.
    trials: usize,
    held_out: usize,
    timed: usize,
    /// Trials of every training within trials.
    cut: usize,
}

const FULL: Work = Work {
    iterations: 300,
    look: Amounts { trials: 2000, duration: DURATION, resampled: 200, grown: 48, longest: 400.0 },
    trials: 2048,
    held_out: 24,
    timed: 512,
    cut: 1024,
};

const QUICK: Work = Work {
    iterations: 6,
    look: Amounts { trials: 60, duration: 20.0, resampled: 20, grown: 4, longest: 40.0 },
    trials: 256,
    held_out: 4,
    timed: 32,
    cut: 64,
};

fn work(context: &Context) -> &'static Work {
    if context.quick { &QUICK } else { &FULL }
}

fn duration(context: &Context) -> f64 {
    if context.quick { 20.0 } else { DURATION }
}

/// What stays the same over the experiment.
pub(super) fn settings(context: &Context, report: &mut Report) {
    let work = work(context);
    let of_training = options(&task(DURATION, STEP), work.iterations, 1.0, 0);
    report
        .setting("neurons", super::dial::NEURONS)
        .setting("networks", CELLS.map(Cell::name).to_vec())
        .setting("networks trained with every batch", TRAINED.map(Cell::name).to_vec())
        .setting("trial length, step (ms)", vec![duration(context), STEP])
        .setting("recipe: iterations, trials a batch", vec![work.iterations, of_training.batch])
        .setting(
            "recipe: learning rates",
            of_training.rates.iter().map(|r| format!("{} {}", r.group, r.rate)).collect::<Vec<_>>(),
        )
        .setting("recipe: clipping of trials", of_training.clip.map(|c| vec![c.quantile, c.factor]))
        .setting("trials whose gradients are taken", work.look.trials)
        .setting("bootstraps", work.look.resampled)
        .setting("tail", format!("the largest {} of norms", stages::TAIL))
        .setting(
            "growth: trials of each length, longest (ms)",
            vec![work.look.grown as f64, work.look.longest],
        )
        .setting("batches", BATCHES.to_vec())
        .setting("factors on the learning rates", FACTORS.to_vec())
        .setting("trials of a training, held-out trials", vec![work.trials, work.held_out])
        .setting("pieces: trial length (ms), trials a batch, pieces", format!("{LONG}, {:?}", within::CUT))
        .setting("micro-batches, trials of each", format!("{:?}", within::MICRO))
        .setting("pieces and micro-batches: trials of a training", work.cut)
        .setting("seeds", context.seeds.clone());
}

/// Runs the experiment.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let work = work(context);
    let task = task(duration(context), STEP);
    let steps = context.seeds.len() * (CELLS.len() + 2 * TRAINED.len()) + 1;
    let bar = context.bar(steps as u64, "gradient-accumulation");
    let mut results = Results { trials: work.look.trials, budget: work.trials, ..Results::default() };
    for cell in CELLS {
        let mut of_cell = Vec::new();
        for &seed in &context.seeds {
            bar.set_message(cell.name());
            of_cell.push(stages_of(context, &task, cell, seed)?);
            bar.inc(1);
        }
        results.stages.push((cell.name(), of_cell));
    }
    for cell in TRAINED {
        let (mut courses, mut within) = (Vec::new(), Vec::new());
        for &seed in &context.seeds {
            bar.set_message(format!("{}, batches", cell.name()));
            courses.push(courses_of(context, &task, cell, seed)?);
            bar.inc(1);
            within.push(within_of(context, cell, seed)?);
            bar.inc(1);
        }
        results.courses.push((cell.name(), courses));
        results.within.push((cell.name(), within));
    }
    for cell in TRAINED {
        let plan = Plan { task: &task, trials: work.trials, held_out: &[] };
        let times = BATCHES.map(|batch| plan.time(cell, context.seed, batch, work.timed.max(batch)));
        results.times.push(times.into_iter().collect::<Result<_, _>>()?);
    }
    bar.finish_and_clear();
    page::write(report, &results)
}

/// What was kept under a name, or what `make` makes, which is then kept: as TOML, which has names for numbers that are not finite.
fn kept<T: serde::Serialize + serde::de::DeserializeOwned>(
    context: &Context,
    name: &str,
    make: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let path = context.state.join(format!("{}.toml", file::safe_name(name)));
    if let Some(Kept { all }) = file::read_toml(&path) {
        return Ok(all);
    }
    let made = Kept { all: make()? };
    file::write_toml(&path, &made)?;
    Ok(made.all)
}

/// A table, which is what a file of TOML is.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept<T> {
    all: T,
}

/// A network at the start, in the middle and at the end of training by the recipe.
fn stages_of(context: &Context, task: &PredictiveCoding, cell: Cell, seed: u64) -> Result<Vec<Stage>, Error> {
    let work = work(context);
    kept(context, &format!("stages-{}-{seed}", cell.name()), || {
        let mut trained = network(task, cell, seed)?;
        let mut snapshots = Snapshots { at: work.iterations / 2, taken: vec![trained.clone()] };
        let options = options(task, work.iterations, 1.0, seed);
        train(&mut trained, task, &options, &mut snapshots).map_err(Error::experiment)?;
        snapshots.taken.push(trained);
        snapshots.taken.iter().map(|network| look(task, network, work.look, seed)).collect()
    })
}

/// Keeps the network as an iteration leaves it.
struct Snapshots {
    at: usize,
    taken: Vec<Network<f64>>,
}

impl Observer<Network<f64>> for Snapshots {
    fn iteration(&mut self, done: &Iteration, network: &Network<f64>) -> ControlFlow<()> {
        if done.iteration + 1 == self.at {
            self.taken.push(network.clone());
        }
        ControlFlow::Continue(())
    }
}

/// Trainings with every batch, learning rate and clipping.
fn courses_of(
    context: &Context,
    task: &PredictiveCoding,
    cell: Cell,
    seed: u64,
) -> Result<Vec<Course>, Error> {
    let work = work(context);
    kept(context, &format!("courses-{}-{seed}", cell.name()), || {
        let held_out = held_out(task, seed, work.held_out)?;
        let plan = Plan { task, trials: work.trials, held_out: &held_out };
        let grid: Vec<(usize, f64, bool)> = BATCHES
            .iter()
            .flat_map(|&batch| {
                FACTORS.iter().flat_map(move |&factor| [true, false].map(|clip| (batch, factor, clip)))
            })
            .collect();
        grid.into_par_iter().map(|setting| plan.course(cell, seed, setting)).collect()
    })
}

/// Trainings by every way to accumulate, with every learning rate.
fn within_of(context: &Context, cell: Cell, seed: u64) -> Result<Vec<Trained>, Error> {
    let work = work(context);
    kept(context, &format!("within-{}-{seed}", cell.name()), || {
        let task = task(if context.quick { duration(context) } else { LONG }, STEP);
        let held_out = held_out(&task, seed, work.held_out)?;
        let grid: Vec<(Way, f64)> =
            Way::ALL.into_iter().flat_map(|way| FACTORS.map(|factor| (way, factor))).collect();
        grid.into_par_iter()
            .map(|setting| within::train(&task, cell, setting, (seed, work.cut), &held_out))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_found_again_to_the_bit() {
        let dir = tempfile::tempdir().unwrap();
        let context = crate::experiments::tests::context(dir.path(), &[1]);
        let made = vec![
            Course {
                batch: 4,
                factor: 0.25,
                clip: true,
                costs: vec![(0, 0.1 + 0.2), (4, f64::INFINITY)],
                error: None,
            },
            Course {
                batch: 1,
                factor: 4.0,
                clip: false,
                costs: vec![(0, 1e-300)],
                error: Some("lost".into()),
            },
        ];
        let again = || -> Result<Vec<Course>, Error> { Err(Error::Missing { what: "a second training" }) };
        assert!(kept(&context, "width 0.2", again).is_err());
        assert_eq!(kept(&context, "width 0.2", || Ok(made.clone())).unwrap(), made);
        assert_eq!(kept(&context, "width 0.2", again).unwrap(), made);
        // Not a number is not equal to itself.
        assert!(kept(&context, "none", || Ok(f64::NAN)).unwrap().is_nan());
        assert!(kept::<f64>(&context, "none", || Err(Error::Missing { what: "it" })).unwrap().is_nan());
    }
}
