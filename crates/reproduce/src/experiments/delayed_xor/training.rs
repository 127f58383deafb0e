//! The gated networks that the experiment trains.

use std::time::Instant;

use rand_distr::{Distribution, StandardNormal};
use spikegrad::models::{GateShape, Theta};
use spikegrad::network::{Group, Network, Population};
use spikegrad::tasks::delayed_xor::DelayedXor;
use spikegrad::tasks::{Iteration, Observer, Options, Purpose, Rate, Schedule, generator, train};

use super::scoring::Gated;
use super::{Amounts, NEURONS};
use crate::Error;
use crate::experiments::Context;
use crate::file;

/// Shape and width of the gate.
pub(super) const GATE: (GateShape, f64) = (GateShape::RaisedCosine, 0.3);
/// Iterations between two checkpoints.
const EVERY: usize = 50;

/// A trained network.
pub(super) struct Trained {
    /// What it is called in figures.
    pub(super) name: &'static str,
    /// The network.
    pub(super) gated: Gated,
    /// The network before training.
    pub(super) initial: Network<f32>,
    /// Trials of a batch.
    pub(super) batch: usize,
    /// Cost of every batch.
    pub(super) cost: Vec<f64>,
    /// Part of cues answered rightly in validation, beside the iteration.
    pub(super) validation: Vec<(usize, f64)>,
    /// Wall time of training, over all interruptions, s.
    pub(super) seconds: f64,
    /// The part of it that was spent before the last interruption.
    pub(super) seconds_before: f64,
    /// What it was trained on.
    pub(super) task: DelayedXor<f32>,
    /// Which tests it is judged by.
    pub(super) tests: &'static [&'static str],
}

/// What networks are trained on: both timings, streams of one to three episodes.
pub(super) fn task() -> DelayedXor<f32> {
    DelayedXor { controlled: 0.5, stream: (1, 3), outside: (0.1, 0.3), ..DelayedXor::default() }
}

/// How they are trained.
pub(super) fn options(amounts: &Amounts, seed: u64) -> Options {
    let rate = |group, rate| Rate { group, rate };
    Options {
        h: 1.0,
        iterations: amounts.iterations,
        batch: amounts.batch,
        seed,
        rates: vec![
            rate(Group::Recurrent(0), 3e-5),
            rate(Group::Recurrent(1), 3e-5),
            rate(Group::Readout, 3e-3),
            rate(Group::Input, 6e-6),
            rate(Group::Bias, 1.5e-6),
        ],
        schedule: Schedule::Cosine { last: 0.1 },
        ..Options::default()
    }
}

/// Trains all networks, or goes on where an earlier run was interrupted.
pub(super) fn trained(context: &Context, amounts: &Amounts) -> Result<Vec<Trained>, Error> {
    let initial = network(context.seed)?;
    let mut network = initial.clone();
    let checkpoint = context.checkpoint("mixed", EVERY);
    let options = Options { checkpoint: Some(checkpoint), ..options(amounts, context.seed) };
    let mut bar = context.bar(amounts.iterations as u64, "gated network");
    let mut clock = Clock::new(context, "mixed");
    let mut watch = Watch { bar: &mut bar, clock: &mut clock };
    let history = train(&mut network, &task(), &options, &mut watch).map_err(Error::experiment)?;
    clock.keep();
    bar.finish_and_clear();
    Ok(vec![Trained {
        name: "gated, exact gradient",
        gated: Gated { network, h: options.h },
        initial,
        batch: options.batch,
        cost: history.iter().map(|done| done.cost).collect(),
        validation: history
            .iter()
            .filter_map(|done| Some((done.iteration + 1, done.validation?.score)))
            .collect(),
        seconds: clock.seconds(),
        seconds_before: clock.before,
        task: task(),
        tests: &["standard", "controlled", "standard-stream", "controlled-stream"],
    }])
}

/// The network before training: strong autapses, everything else weak.
fn network(seed: u64) -> Result<Network<f32>, Error> {
    let mut network = Network::builder()
        .population(Population::new("theta", Theta::default(), NEURONS, GATE.0, GATE.1))
        .synapse("slow", 20.0)
        .synapse("fast", 5.0)
        .inputs(2)
        .outputs(1)
        .build()
        .map_err(Error::experiment)?;
    let mut rng = generator(seed, Purpose::Initialisation, 0);
    let mut normal = |mean: f64, scale: f64| {
        let x: f64 = StandardNormal.sample(&mut rng);
        mean + scale * x
    };
    let root = (NEURONS as f64).sqrt();
    for class in 0..2 {
        network
            .parameters
            .group_mut(Group::Recurrent(class))
            .iter_mut()
            .for_each(|w| *w = normal(0.0, 0.02 / root));
    }
    for i in 0..NEURONS {
        network.parameters.group_mut(Group::Recurrent(0))[i * (NEURONS + 1)] += normal(0.5, 0.1);
    }
    for (at, u) in network.parameters.group_mut(Group::Input).iter_mut().enumerate() {
        *u = normal(0.0, if at < NEURONS { 0.02 } else { 0.005 });
    }
    network.parameters.bias_mut().iter_mut().for_each(|i| *i = normal(-0.005, 0.003));
    network.parameters.group_mut(Group::Initial).fill(0.5);
    Ok(network.to_f32())
}

/// Moves a progress bar and keeps the time.
struct Watch<'a> {
    bar: &'a mut indicatif::ProgressBar,
    clock: &'a mut Clock,
}

impl Observer<f32> for Watch<'_> {
    fn iteration(&mut self, done: &Iteration, network: &Network<f32>) -> std::ops::ControlFlow<()> {
        if (done.iteration + 1).is_multiple_of(EVERY) {
            self.clock.keep();
        }
        self.bar.iteration(done, network)
    }
}

/// Wall time of a training that may be interrupted.
pub(super) struct Clock {
    path: std::path::PathBuf,
    before: f64,
    start: Instant,
}

impl Clock {
    /// Goes on from what was kept under this name.
    pub(super) fn new(context: &Context, name: &str) -> Self {
        let path = context.state.join(format!("{name}.seconds.json"));
        Self { before: file::read_json(&path).unwrap_or(0.0), path, start: Instant::now() }
    }

    /// Seconds so far.
    pub(super) fn seconds(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }

    /// Writes them down. A clock that cannot be written is no reason to stop training.
    fn keep(&self) {
        let _ = file::write(&self.path, &self.seconds().to_string());
    }
}
