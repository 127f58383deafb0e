//! The other networks on the task, trained or found where an interrupted run had left them.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use spikegrad::indicatif;
use spikegrad::tasks::delayed_xor::DelayedXor;
use spikegrad::tasks::{Checkpoint, Iteration, LearningRate, Observer, Schedule, Validation};
use spikegrad::training::{TrainingOptions, train};

use super::scoring::Responder;
use super::training;
use super::{Amounts, NEURONS};
use crate::Error;
use crate::baselines::lif::{Lif, LifConstants, LifStart};
use crate::baselines::rate::{RateNetwork, RateStart};
use crate::baselines::{CLIP, Group, Model, OnTask};
use crate::experiments::Context;
use crate::experiments::clock::Clock;
use crate::file;
use crate::report::Report;

/// A baseline that has been trained.
pub(super) struct Compared {
    /// What it is called in figures.
    pub(super) name: &'static str,
    /// The network.
    pub(super) responder: Box<dyn Responder>,
    /// How training went.
    pub(super) history: Vec<Iteration>,
    /// Trials of a batch.
    pub(super) batch: usize,
    /// Wall time of training, s.
    pub(super) seconds: f64,
    /// What of that earlier runs had spent.
    pub(super) before: f64,
}

/// What is kept of a baseline.
#[derive(Serialize, Deserialize)]
struct Kept {
    parameters: Vec<f32>,
    history: Vec<Iteration>,
    seconds: f64,
}

/// Units and filters of the rate network, ms, its start and its learning rates (W, U, b, O).
const RATE: ((f64, f64), RateStart, [f64; 4]) =
    ((20.0, 20.0), RateStart { identity: 1.0, recurrent: 0.1, input: 0.5 }, [1e-3, 1e-3, 1e-3, 3e-3]);

/// The integrate-and-fire networks: name, constants, start, learning rates (W, W_f, U, I_o, O).
const LIF: [(&str, LifConstants, LifStart, [f64; 5]); 2] = [
    (
        "LIF, surrogate gradient",
        LifConstants { tau_v: 25.0, tau: [20.0, 5.0], tau_a: 400.0, beta: 0.0, adaptive: 0.0, gamma: 0.3 },
        LifStart { autapse: 0.8, recurrent: [0.3, 0.5], input: 0.1, bias: (0.045, 0.01) },
        [3e-3, 3e-3, 3e-4, 3e-4, 3e-2],
    ),
    (
        "adaptive LIF, surrogate gradient",
        LifConstants { tau_v: 25.0, tau: [20.0, 5.0], tau_a: 400.0, beta: 0.15, adaptive: 0.5, gamma: 0.3 },
        LifStart { autapse: 0.0, recurrent: [1.0, 0.5], input: 0.1, bias: (0.05, 0.01) },
        [3e-3, 3e-3, 3e-4, 3e-4, 3e-2],
    ),
];

const RATE_NAME: &str = "rate network, exact gradient";

/// Streams and both timings: one network for all tests.
fn task() -> DelayedXor<f32> {
    training::PLANS[1].task()
}

fn how(amounts: &Amounts, groups: &[Group], rates: &[f64], seed: u64) -> TrainingOptions<&'static str> {
    let rates = groups.iter().zip(rates);
    TrainingOptions {
        iterations: amounts.baseline,
        batch: training::PLANS[1].options(amounts, seed).batch,
        rates: rates.map(|(group, &rate)| LearningRate { group: group.name, rate }).collect(),
        clip: Some(CLIP),
        // The readout comes last.
        unclipped: groups.last().map(|group| group.name).into_iter().collect(),
        schedule: Schedule::Cosine { last: 0.05 },
        validation: Some(Validation {
            every: 25,
            trials: 100,
            rise_at: 0.9,
            fall_below: 0.0,
            go_back: None,
            rise: 0.1,
            slow: 1.0,
            patience: 40,
        }),
        seed,
        ..TrainingOptions::default()
    }
}

fn rate(seed: u64) -> RateNetwork<f32> {
    RateNetwork::new(NEURONS, 2, RATE.0, RATE.1, seed).to_f32()
}

/// What stays the same.
pub(super) fn settings(amounts: &Amounts, seed: u64, report: &mut Report) {
    let mut add = |name: &str, what: String, groups: &[Group], rates: &[f64]| {
        let how = how(amounts, groups, rates, seed);
        let rates = groups.iter().zip(rates).map(|(group, rate)| format!("{} {rate}", group.name));
        let rates: Vec<String> = rates.collect();
        let iterations = how.iterations;
        report.setting(
            name,
            format!("{what}; at most {iterations} iterations; learning rates {}", rates.join(", ")),
        );
    };
    let ((tau, tau_s), start, rates) = RATE;
    let RateStart { identity, recurrent, input } = start;
    let what = format!(
        "units {tau} ms, filters {tau_s} ms; start: diagonal {identity}, recurrent gain {recurrent}, inputs {input}"
    );
    add(RATE_NAME, what, &rate(seed).groups(), &rates);
    for (name, constants, start, rates) in LIF {
        let groups = Lif::new(NEURONS, 2, constants, start, seed).to_f32().groups();
        let LifConstants { tau_v, tau: [slow, fast], tau_a, beta, adaptive, gamma } = constants;
        let LifStart { autapse, recurrent: [w, w_f], input, bias: (bias, spread) } = start;
        let adapts = match adaptive {
            0.0 => String::new(),
            part => format!(", {part} of the neurons adapt by {beta} a spike over {tau_a} ms"),
        };
        let what = format!(
            "membrane {tau_v} ms, synapses {slow} and {fast} ms, surrogate of height {gamma}{adapts}; start: autapses {autapse}, recurrent \
             gains {w} and {w_f}, inputs {input}, tonic currents {bias} with a spread of {spread} (1/ms)"
        );
        add(name, what, &groups, &rates);
    }
}

/// Trains all baselines, or finds what an interrupted run had left.
pub(super) fn trained(context: &Context, amounts: &Amounts) -> Result<Vec<Compared>, Error> {
    let seed = context.seed;
    let rate = rate(seed);
    let options = how(amounts, &rate.groups(), &RATE.2, seed);
    let mut all = vec![one(context, RATE_NAME, rate, options)?];
    for (name, constants, start, rates) in LIF {
        let lif = Lif::new(NEURONS, 2, constants, start, seed).to_f32();
        let options = how(amounts, &lif.groups(), &rates, seed);
        all.push(one(context, name, lif, options)?);
    }
    Ok(all)
}

/// Iterations between two writings of what an interrupted run goes on from.
const EVERY: usize = 50;

/// Moves a progress bar, and keeps the time.
struct Watch<'a> {
    bar: &'a indicatif::ProgressBar,
    clock: &'a Clock,
}

impl<P> Observer<P> for Watch<'_> {
    fn iteration(&mut self, done: &Iteration, trained: &P) -> ControlFlow<()> {
        if (done.iteration + 1).is_multiple_of(EVERY) {
            self.clock.keep();
        }
        self.bar.clone().iteration(done, trained)
    }
}

fn one<M: Model + 'static>(
    context: &Context,
    name: &'static str,
    mut model: M,
    mut options: TrainingOptions<&'static str>,
) -> Result<Compared, Error> {
    let path = context.state.join(format!("{}.json", file::safe_name(name)));
    let found: Option<Kept> = file::read_json(&path);
    let fits = |kept: &Kept| {
        kept.parameters.len() == model.parameters().len() && kept.parameters.iter().all(|x| x.is_finite())
    };
    if let Some(kept) = found.filter(fits) {
        model.parameters_mut().copy_from_slice(&kept.parameters);
        let (history, seconds) = (kept.history, kept.seconds);
        let responder = Box::new(model);
        return Ok(Compared { name, responder, history, batch: options.batch, seconds, before: seconds });
    }
    // An interrupted run goes on from here.
    options.checkpoint = Some(Checkpoint { path: path.with_extension("training"), every: EVERY });
    let bar = context.bar(options.iterations as u64, name);
    let clock = Clock::new(context, &file::safe_name(name));
    let mut program = OnTask { model: &mut model, task: &task() };
    let history =
        train(&mut program, &options, &mut Watch { bar: &bar, clock: &clock }).map_err(Error::experiment)?;
    bar.finish_and_clear();
    let (seconds, before) = (clock.seconds(), clock.before);
    let kept = Kept { parameters: model.parameters().to_vec(), history, seconds };
    let text =
        serde_json::to_string(&kept).map_err(|source| Error::Json { name: name.to_owned(), source })?;
    file::write(&path, &text)?;
    let responder = Box::new(model);
    Ok(Compared { name, responder, history: kept.history, batch: options.batch, seconds, before })
}
