//! The experiment `rate-limit`: what a rate network has to do with a spiking one. The same weights as a network of threshold-linear
//! units, with gates from the whole cycle down to a fiftieth of it, with ever smaller spikes, and by the paper's own equation.

mod measure;
mod page;

use spikegrad::network::{Network, Trial};
use spikegrad::tasks::predictive_coding::PredictiveCoding;
use spikegrad::tasks::{Purpose, QuadraticLoss, Task, evaluate, train};

use super::Context;
use super::dial::{Cell, LAMBDA, network, options, task, with_cell};
use crate::Error;
use crate::report::Report;
use measure::{OfSeed, Signals, currents, equality, paper_limit, signals, time, with_positive_currents};

/// Length of training trials and of signals, ms, and the step.
const DURATION: f64 = 100.0;
const STEP: f64 = 0.05;
/// Steps of a sample where widths are compared, so that the narrowest gate is resolved.
const PARTS: f64 = 4.0;
/// Width of the gate where spikes are made smaller.
const WIDTH: f64 = 0.2;
/// Steps that a crossing of the zone takes at least, where spikes are made smaller.
const RESOLVED: f64 = 12.0;
/// Tonic current over the largest input current, where all currents are to be positive.
const ROOM: f64 = 1.6;

/// How much is done.
struct Amounts {
    iterations: usize,
    /// Signals and initial phases of each where widths are compared.
    signals: (usize, usize),
    /// The same where spikes are made smaller, with the length of trials with positive currents and with others, ms.
    small: (usize, usize),
    durations: [f64; 2],
    widths: &'static [f64],
    positive: &'static [f64],
    mixed: &'static [f64],
    paper: &'static [f64],
    held_out: usize,
}

const FULL: Amounts = Amounts {
    iterations: 300,
    signals: (8, 16),
    small: (4, 12),
    durations: [20.0, 50.0],
    widths: &[1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02],
    positive: &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0],
    mixed: &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0],
    paper: &[1.0, 4.0, 16.0, 64.0, 256.0],
    held_out: 10,
};

const QUICK: Amounts = Amounts {
    iterations: 10,
    signals: (2, 4),
    small: (2, 3),
    durations: [10.0, 10.0],
    widths: &[1.0, 0.3, 0.1],
    positive: &[1.0, 4.0, 16.0],
    mixed: &[1.0, 4.0],
    paper: &[1.0, 16.0],
    held_out: 2,
};

/// What is trained, and what the trained weights are run in.
const TRAINED: [Cell; 5] =
    [Cell::Dial(1.0), Cell::Dial(0.5), Cell::Dial(0.2), Cell::Dial(0.1), Cell::Paper(0.2)];
const RUN_IN: [Cell; 6] =
    [Cell::Dial(1.0), Cell::Dial(0.5), Cell::Dial(0.2), Cell::Dial(0.1), Cell::Dial(0.02), Cell::Paper(0.2)];

fn amounts(context: &Context) -> &'static Amounts {
    if context.quick { &QUICK } else { &FULL }
}

/// What stays the same over the experiment.
pub(super) fn settings(context: &Context, report: &mut Report) {
    let amounts = amounts(context);
    let of_training = options(&task(DURATION, STEP), amounts.iterations, 1.0, 0);
    report
        .setting("neurons", super::dial::NEURONS)
        .setting("gate", "box")
        .setting("trial length, step (ms)", vec![DURATION, STEP])
        .setting("iterations, trials a batch", vec![amounts.iterations, of_training.batch])
        .setting(
            "learning rates",
            of_training.rates.iter().map(|r| format!("{} {}", r.group, r.rate)).collect::<Vec<_>>(),
        )
        .setting("trained", TRAINED.map(Cell::name).to_vec())
        .setting("widths", amounts.widths.to_vec())
        .setting("step where widths are compared (ms)", STEP / PARTS)
        .setting("signals, initial phases of each", vec![amounts.signals.0, amounts.signals.1])
        .setting("small spikes: width", WIDTH)
        .setting("small spikes: k, positive currents", amounts.positive.to_vec())
        .setting("small spikes: k, currents of both signs", amounts.mixed.to_vec())
        .setting("small spikes: k, the paper's neuron", amounts.paper.to_vec())
        .setting("small spikes: signals, initial phases", vec![amounts.small.0, amounts.small.1])
        .setting("small spikes: trial lengths (ms)", amounts.durations.to_vec())
        .setting("small spikes: steps of a crossing, room of the tonic current", vec![RESOLVED, ROOM])
        .setting("held-out trials", amounts.held_out)
        .setting("seeds", context.seeds.clone());
}

/// Runs the experiment.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let amounts = amounts(context);
    let task = task(DURATION, STEP);
    let parts = TRAINED.len() + 2 * amounts.widths.len() + amounts.positive.len() + amounts.mixed.len();
    let bar = context.bar((context.seeds.len() * parts) as u64, "rate-limit");
    let mut all = Vec::new();
    for &seed in &context.seeds {
        let mut networks = Vec::new();
        for (at, cell) in TRAINED.into_iter().enumerate() {
            bar.set_message(cell.name());
            networks.push(trained(context, &task, (cell, at), seed)?);
            bar.inc(1);
        }
        let start = network(&task, Cell::Dial(1.0), seed)?;
        all.push(measure_seed(amounts, &task, seed, [&start, &networks[0]], &networks, &|| bar.inc(1))?);
    }
    bar.finish_and_clear();
    page::write(report, &all, &TRAINED.map(Cell::name), &RUN_IN.map(Cell::name))
}

/// A network that was trained, or that goes on with its training.
fn trained(
    context: &Context,
    task: &PredictiveCoding,
    (cell, at): (Cell, usize),
    seed: u64,
) -> Result<Network<f64>, Error> {
    let mut options = options(task, amounts(context).iterations, 1.0, seed);
    options.checkpoint = Some(context.checkpoint(&format!("cell-{at}-seed-{seed}"), 100));
    let mut network = network(task, cell, seed)?;
    train(&mut network, task, &options, &mut ()).map_err(Error::experiment)?;
    Ok(network)
}

fn measure_seed(
    amounts: &Amounts,
    task: &PredictiveCoding,
    seed: u64,
    [start, rate]: [&Network<f64>; 2],
    networks: &[Network<f64>],
    done: &dyn Fn(),
) -> Result<OfSeed, Error> {
    let given = signals(task, DURATION, seed, amounts.signals)?;
    let firsts: Vec<_> = given.iter().step_by(amounts.signals.1).cloned().collect();
    let width_sweep = |weights: &Network<f64>| -> Result<_, Error> {
        let signals = Signals { trials: &given, phases: amounts.signals.1 };
        let h = STEP / PARTS;
        let reference = signals.reference(task, weights, h)?;
        let mut found = Vec::new();
        for &width in amounts.widths {
            let network = with_cell(task, weights, Cell::Dial(width))?;
            let mut beside = signals.compare(&network, h, 1.0, &reference)?;
            beside.ms = time(&network, STEP, &QuadraticLoss { lambda: LAMBDA }, &firsts)?;
            found.push((width, beside));
            done();
        }
        Ok(found)
    };
    let sweep = |weights: &Network<f64>, ks: &[f64], duration| -> Result<_, Error> {
        let given = signals(task, duration, seed, amounts.small)?;
        let signals = Signals { trials: &given, phases: amounts.small.1 };
        let largest = currents(weights, &given)[1];
        let network = with_cell(task, weights, Cell::Dial(WIDTH))?;
        let mut found = Vec::new();
        for &k in ks {
            let h = resolved_step(k * largest);
            let reference = signals.reference(task, weights, h)?;
            found.push((k, signals.compare(&network, h, k, &reference)?));
            done();
        }
        Ok(found)
    };
    let short = signals(task, amounts.durations[0], seed, amounts.small)?;
    let positive = with_positive_currents(start, &short, ROOM);
    Ok(OfSeed {
        seed,
        equality: [equality(task, start, &firsts)?, equality(task, rate, &firsts)?],
        widths: [width_sweep(start)?, width_sweep(rate)?],
        positive: sweep(&positive, amounts.positive, amounts.durations[0])?,
        positive_currents: currents(&positive, &short),
        mixed: sweep(rate, amounts.mixed, amounts.durations[1])?,
        paper: amounts
            .paper
            .iter()
            .map(|&k| paper_limit(task, start, (WIDTH, k), &firsts))
            .collect::<Result<_, _>>()?,
        conversion: conversion(task, networks, seed, amounts.held_out)?,
    })
}

/// A step that divides the sample and in which a current crosses the zone in [`RESOLVED`] steps at least.
fn resolved_step(current: f64) -> f64 {
    STEP / (STEP * RESOLVED * current / WIDTH).ceil().max(PARTS)
}

/// The normalised error of every trained network on held-out signals, run in every kind of cell.
fn conversion(
    task: &PredictiveCoding,
    networks: &[Network<f64>],
    seed: u64,
    held_out: usize,
) -> Result<Vec<Vec<f64>>, Error> {
    let task = PredictiveCoding { test_duration: 3.0 * DURATION, ..task.clone() };
    let of = |network: &Network<f64>, cell| -> Result<f64, Error> {
        let network = with_cell(&task, network, cell)?;
        let options = options(&task, 1, 1.0, seed);
        let score =
            |trial: &Trial<f64>, recording: &spikegrad::network::Recording<f64>| task.score(trial, recording);
        let scores =
            evaluate(&network, &task, &options, Purpose::Test, held_out, score).map_err(Error::experiment)?;
        Ok(scores.iter().sum::<f64>() / scores.len() as f64)
    };
    networks.iter().map(|network| RUN_IN.into_iter().map(|cell| of(network, cell)).collect()).collect()
}
