//! The experiment `neurons`: every neuron model of the registry, alone (voltage, synapse, current-frequency curve, what the
//! voltage is worth along a trial) and twenty of them in a network that learns a signal by gradient descent.
//!
//! Nothing here knows a model: its natural current is the one at which it fires at [`RATE`], found by bisection, and all
//! weights are measured by it.

mod mixed;

use std::ops::ControlFlow;

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use spikegrad::adjoint::Sweep;
use spikegrad::integrators::{Exponential, Step, StepVjp};
use spikegrad::models::{Gate, GateShape, NeuronVjp, Reset, for_each_neuron};
use spikegrad::network::{
    Error as NetworkError, Group, Loss, Network, NoLoss, Population, Recording, SplitStep, SplitTape, Trial,
};
use spikegrad::tasks::{
    Iteration, LearningRate, Observer, Purpose, QuadraticLoss, Schedule, Task, TrainingOptions,
    TrainingStage, generator, train,
};
use spikegrad_report::plot::{BLACK, BLUE, GREEN, ORANGE, PURPLE, Panel, Plot, Style, VERMILLION};

use super::{Activity, Context};
use crate::Error;
use crate::report::Report;

/// The frequency that defines a model's natural current, Hz.
const RATE: f64 = 15.0;
/// Time constant of the synapses, ms.
const TAU: f64 = 30.0;
/// Neurons in a network.
const NEURONS: usize = 20;
/// The least factor by which training must lower the cost.
const REDUCTION: f64 = 10.0;
/// Part of the way from rest or reset to threshold that is the active zone.
const ZONE: f64 = 0.5;
/// Longest and shortest step, ms.
const STEPS: (f64, f64) = (0.4, 0.05);
/// Part of the way to threshold that a voltage may rise in one step, so that a spike is seen to rise.
const RISE: f64 = 0.2;
/// Follows what relaxes; for all other models this is the explicit midpoint.
const METHOD: Exponential = Exponential::Midpoint;

/// Runs the experiment.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let (iterations, duration) = amounts(context);
    report.prose(format!(
        "One program runs them all: phases on a circle, hard resets inside the step, action potentials without a reset. \
         Nothing below was tuned to a model; its currents and weights are measured by the current at which it fires at \
         {RATE} Hz."
    ));
    let mut rows = Vec::new();
    macro_rules! add {
        ($module:ident, $neuron:ty) => {
            let bench = Bench::of(<$neuron>::default())?;
            let alone = bench.alone(context.quick)?;
            let trained = bench.train(context, iterations, duration)?;
            rows.push(bench.show(report, &alone, &trained)?);
        };
    }
    for_each_neuron!(add);
    rows.push(mixed::show(context, iterations, duration, report)?);
    report.heading("In numbers");
    report.table(
        "Every model and what twenty of them learned; at the end what two kinds learned together.",
        &["model", "h (ms)", "natural current", "rate (Hz)", "cost before", "cost after", "factor"],
        rows,
    );
    Ok(())
}

/// Iterations, and the length of a trial, ms.
fn amounts(context: &Context) -> (usize, f64) {
    if context.quick { (6, 100.0) } else { (400, 400.0) }
}

/// What stays the same.
pub(super) fn settings(context: &Context, report: &mut Report) {
    let (iterations, duration) = amounts(context);
    report
        .setting("neurons", NEURONS)
        .setting("gate", format!("{}, {ZONE} of the way to threshold", GateShape::RaisedCosine.name()))
        .setting("tau (ms)", TAU)
        .setting("method", METHOD.name())
        .setting("iterations", iterations)
        .setting("trial (ms)", duration);
    mixed::settings(report);
}

/// A model with its scales.
struct Bench<N> {
    neuron: N,
    gate: Gate<f64>,
    /// The current at which it fires at [`RATE`].
    current: f64,
    h: f64,
}

/// One neuron of a model.
struct Alone {
    recording: Recording<f64>,
    /// The paper's adjoint of the voltage, for the integral of `s` as the cost.
    p_v: Vec<f64>,
    currents: Vec<f64>,
    rates: Vec<f64>,
}

/// A network before and after training.
struct Trained {
    before: f64,
    after: f64,
    costs: Vec<f64>,
    first: Recording<f64>,
    last: Recording<f64>,
    targets: Vec<f64>,
}

impl<N: NeuronVjp> Bench<N> {
    /// Finds the scales of a neuron.
    fn of(neuron: N) -> Result<Self, Error> {
        let threshold = N::reset(&neuron.params()).threshold();
        let gate = Gate { shape: GateShape::RaisedCosine, width: 1.0, threshold };
        let mut bench = Self { neuron, gate, current: 1e-4, h: STEPS.1 };
        let way = bench.way();
        bench.gate.width = ZONE * way;
        while bench.rate(bench.current)? < RATE && bench.current < 1e6 {
            bench.current *= 1.25;
        }
        if bench.current >= 1e6 {
            let why = format!("{} does not fire at {RATE} Hz whatever its current", N::NAME);
            return Err(Error::experiment(std::io::Error::other(why)));
        }
        let (mut low, mut high) = (bench.current / 1.25, bench.current);
        for _ in 0..12 {
            let middle = 0.5 * (low + high);
            if bench.rate(middle)? < RATE { low = middle } else { high = middle }
        }
        bench.current = high;
        // The longest step in which it does not rise too far at a time; a reset goes the other way.
        bench.h = STEPS.0;
        while bench.h > STEPS.1 && bench.steepest()? > RISE * way {
            bench.h /= 2.0;
        }
        Ok(bench)
    }

    /// The way of the voltage to threshold, from reset or rest.
    fn way(&self) -> f64 {
        let reset = N::reset(&self.neuron.params());
        reset.widest_zone().unwrap_or(reset.threshold() - self.neuron.rest().as_ref()[0])
    }

    /// Neurons without connections, each with its tonic current.
    fn network(&self, currents: &[f64]) -> Result<Network<f64>, Error> {
        let population = self.population(currents.len());
        let mut network = Network::builder()
            .population(population)
            .synapse("slow", TAU)
            .build()
            .map_err(Error::experiment)?;
        network.parameters.bias_mut().copy_from_slice(currents);
        Ok(network)
    }

    fn population(&self, size: usize) -> Population {
        Population::new(N::NAME, self.neuron, size, self.gate.shape, self.gate.width)
    }

    /// Runs neurons from rest, each with its tonic current.
    fn run(&self, currents: &[f64], duration: f64) -> Result<Recording<f64>, Error> {
        self.record(&self.network(currents)?, duration).map_err(Error::experiment)
    }

    fn record(&self, network: &Network<f64>, duration: f64) -> Result<Recording<f64>, NetworkError> {
        let scheme = SplitStep::with_method(network, self.h, METHOD)?;
        let trial = Trial::silent((duration / self.h).round() as usize, self.h, 0);
        scheme.run(&trial, &NoLoss)?.record()
    }

    /// Frequencies, Hz, at constant currents, once the neurons have settled.
    fn rates(&self, currents: &[f64], duration: f64) -> Result<Vec<f64>, Error> {
        let settle = 0.3 * duration;
        let mut rates = vec![0.0; currents.len()];
        for spike in self.run(currents, duration)?.spikes {
            if spike.time > settle {
                rates[spike.neuron] += spike.count as f64 * 1e3 / (duration - settle);
            }
        }
        Ok(rates)
    }

    /// The same from the mean interval between spikes: a count of spikes would make stairs of a curve.
    fn frequencies(&self, currents: &[f64], duration: f64) -> Result<Vec<f64>, Error> {
        let settle = 0.3 * duration;
        let mut seen = vec![(0, 0.0, 0.0); currents.len()];
        for spike in self.run(currents, duration)?.spikes.iter().filter(|spike| spike.time > settle) {
            let (count, first, last) = &mut seen[spike.neuron];
            if *count == 0 {
                *first = spike.time;
            }
            (*count, *last) = (*count + spike.count, spike.time);
        }
        let frequency = |(count, first, last): (u64, f64, f64)| match count {
            0 => 0.0,
            // One spike in the time that it was looked for.
            1 => 1e3 / (duration - settle),
            more => (more - 1) as f64 * 1e3 / (last - first),
        };
        Ok(seen.into_iter().map(frequency).collect())
    }

    /// The units of voltage and current, `1` where a quantity has none.
    fn units(&self) -> Result<(String, String), Error> {
        let network = self.network(&[0.0])?;
        let layout = network.parameters.layout();
        let unit = |group: Group| {
            layout.names().iter().find(|named| named.group == group).map(|named| named.unit.clone())
        };
        let unit = |group| unit(group).unwrap_or_else(|| "1".to_owned());
        Ok((unit(Group::Initial), unit(Group::Bias)))
    }

    fn rate(&self, current: f64) -> Result<f64, Error> {
        Ok(self.rates(&[current], 700.0)?[0])
    }

    /// The largest rise of the voltage in one step.
    fn steepest(&self) -> Result<f64, Error> {
        let v = match self.record(&self.network(&[1.5 * self.current])?, 200.0) {
            // A step that is lost altogether is too long as well.
            Err(NetworkError::Diverged(_)) => return Ok(f64::INFINITY),
            recorded => recorded.map_err(Error::experiment)?.v,
        };
        let circle = N::reset(&self.neuron.params()).wraps();
        let rise = |pair: &[f64]| {
            let rise = pair[1] - pair[0];
            if circle && rise < 0.0 { rise + 1.0 } else { rise }
        };
        Ok(v.windows(2).map(rise).fold(0.0, f64::max))
    }

    fn alone(&self, quick: bool) -> Result<Alone, Error> {
        let duration = 200.0;
        let network = self.network(&[1.2 * self.current])?;
        let scheme = SplitStep::with_method(&network, self.h, METHOD).map_err(Error::experiment)?;
        let trial = Trial::silent((duration / self.h).round() as usize, self.h, 0);
        let run = scheme.run(&trial, &Activity).map_err(Error::experiment)?;
        let recording = run.record().map_err(Error::experiment)?;

        // Backwards by hand, to look at the cotangents on the way: p_v = v_bar + g(v) q_bar, equation (28).
        let (mut x, mut tape) = (vec![0.0; run.dim()], SplitTape::default());
        run.start(&mut x);
        run.rewind(&x, &mut tape);
        for n in 0..run.steps() {
            run.step(n, &mut x, &mut tape);
        }
        let (mut x_bar, mut gradient) = (vec![0.0; run.dim()], network.parameters.zeros_like());
        let gain = (1.0 - (-self.h / TAU).exp()) / self.h;
        let s = run.synapses(0).start;
        let mut p_v = vec![0.0; run.steps()];
        for n in (0..run.steps()).rev() {
            // What is left of a unit of charge that is released in this step.
            let charge_bar = gain * (x_bar[s] + self.h);
            run.step_vjp(n, &mut tape, 1.0, &mut x_bar, gradient.values_mut());
            let before = if n == 0 { self.neuron.rest().as_ref()[0] } else { recording.v[n - 1] };
            p_v[n] = x_bar[0] + self.open(&recording, n, before) * charge_bar;
        }
        let count = if quick { 8 } else { 28 };
        let currents: Vec<f64> =
            (0..count).map(|k| self.current * (0.6 + 2.4 * f64::from(k) / f64::from(count - 1))).collect();
        let rates = self.frequencies(&currents, if quick { 300.0 } else { 2000.0 })?;
        Ok(Alone { recording, p_v, currents, rates })
    }

    /// The gate's density at the start of step `n`, zero where a latch holds the charge.
    fn open(&self, recording: &Recording<f64>, n: usize, v: f64) -> f64 {
        let latched = matches!(N::reset(&self.neuron.params()), Reset::Latch { .. });
        let falls = recording.v[n] < v;
        if latched && falls { 0.0 } else { self.gate.density(v) }
    }

    /// Twenty neurons at random places of their cycles, random weights in the model's own units.
    fn untrained(&self, context: &Context, inputs: usize) -> Result<Network<f64>, Error> {
        let mut network = Network::builder()
            .population(self.population(NEURONS))
            .synapse("slow", TAU)
            .inputs(inputs)
            .outputs(1)
            .build()
            .map_err(Error::experiment)?;
        let mut rng = generator(context.seed, Purpose::Initialisation, 0);
        let states = self.states()?;
        let variables = states[0].len();
        for i in 0..NEURONS {
            let state = &states[rng.random_range(0..states.len())];
            let x = network.parameters.group_mut(Group::Initial);
            (0..variables).for_each(|c| x[c * NEURONS + i] = state[c]);
        }
        let mut normal = |scale: f64| {
            let x: f64 = StandardNormal.sample(&mut rng);
            scale * x
        };
        let root = (NEURONS as f64).sqrt();
        let parameters = &mut network.parameters;
        for w in parameters.group_mut(Group::Weight(0)) {
            *w = normal(0.2 * self.current * TAU / root);
        }
        for u in parameters.group_mut(Group::Input) {
            *u = normal(0.4 * self.current);
        }
        parameters.bias_mut().iter_mut().for_each(|bias| *bias = self.current * (1.2 + normal(0.2)));
        parameters.group_mut(Group::Readout(0)).iter_mut().for_each(|o| *o = normal(0.1 * TAU / root));
        Ok(network)
    }

    /// The states of one neuron that fires.
    fn states(&self) -> Result<Vec<Vec<f64>>, Error> {
        let network = self.network(&[1.3 * self.current])?;
        let scheme = SplitStep::with_method(&network, self.h, METHOD).map_err(Error::experiment)?;
        let trial = Trial::silent((200.0 / self.h).round() as usize, self.h, 0);
        let run = scheme.run(&trial, &NoLoss).map_err(Error::experiment)?;
        let mut states = Vec::new();
        let keep = |n: usize, x: &[f64], _: f64| {
            if n as f64 * self.h > 100.0 {
                states.push(x[..network.membrane()].to_vec());
            }
        };
        Sweep::new().run(&run, keep).map_err(Error::experiment)?;
        Ok(states)
    }

    fn train(&self, context: &Context, iterations: usize, duration: f64) -> Result<Trained, Error> {
        let signal = Signal::new(duration, self.h);
        let mut network = self.untrained(context, signal.trial.inputs.len() / signal.trial.samples)?;
        let record = |network: &Network<f64>| {
            let scheme = SplitStep::with_method(network, self.h, METHOD).map_err(Error::experiment)?;
            scheme.run(&signal.trial, signal.loss()).and_then(|run| run.record()).map_err(Error::experiment)
        };
        let first = record(&network)?;
        let rate = |group, rate| LearningRate { group, rate };
        let options = TrainingOptions {
            h: self.h,
            method: METHOD.into(),
            iterations,
            batch: 1,
            seed: context.seed,
            rates: vec![
                rate(Group::Weight(0), 0.01 * self.current * TAU / (NEURONS as f64).sqrt()),
                rate(Group::Input, 0.02 * self.current),
                rate(Group::Bias, 0.01 * self.current),
                rate(Group::Readout(0), 0.02 * TAU),
            ],
            schedule: Schedule::Cosine { last: 0.02 },
            ..TrainingOptions::default()
        };
        let bar = context.bar(iterations as u64, N::NAME);
        let mut best =
            Best { bar: &bar, cost: f64::INFINITY, network: network.clone(), before: network.clone() };
        let history = train(&mut network, &signal, &options, &mut best).map_err(Error::experiment)?;
        bar.finish_and_clear();
        let mut last = record(&network)?;
        if !(last.cost <= best.cost) {
            last = record(&best.network)?;
        }
        Ok(Trained {
            before: first.cost,
            after: last.cost,
            costs: history.iter().map(|i| i.cost).collect(),
            first,
            last,
            targets: signal.trial.targets.clone(),
        })
    }

    /// One figure, one judged number, one row of the table.
    fn show(&self, report: &mut Report, alone: &Alone, trained: &Trained) -> Result<Vec<String>, Error> {
        let factor = trained.before / trained.after;
        report.heading(N::NAME);
        report.figure(
            format!("{}: cost before over cost after training", N::NAME),
            factor,
            "",
            Some([REDUCTION, f64::MAX]),
        );
        let one = &alone.recording;
        let time = |title: &str| Panel::new(title).x_label("time (ms)");
        let starts: Vec<f64> = (0..alone.p_v.len()).map(|n| n as f64 * self.h).collect();
        let iterations: Vec<f64> = (0..trained.costs.len()).map(|n| n as f64 + 1.0).collect();
        let (voltage, current) = self.units()?;
        let (voltage, current) = (voltage.as_str(), current.as_str());
        let plot = Plot::new(3)
            .letters()
            .size(900.0, 190.0)
            .panel(
                time("Voltage")
                    .y_label(in_unit("v", voltage))
                    .named_hline(self.gate.threshold, "threshold")
                    .named_hline(self.gate.lower(), "zone")
                    .line(&one.time, &one.v, Style::new(BLACK)),
            )
            .panel(time("Synapse").y_label("s (1/ms)").line(&one.time, &one.s[0], Style::new(BLUE)))
            .panel(
                time("Adjoint of the voltage")
                    .y_label(if voltage == "1" {
                        "p_{v} (dimensionless)".to_owned()
                    } else {
                        format!("p_{{v}} (1/{voltage})")
                    })
                    .line(&starts, &alone.p_v, Style::new(VERMILLION)),
            )
            .panel(Panel::new("Frequency").x_label(in_unit("current", current)).y_label("rate (Hz)").line(
                &alone.currents,
                &alone.rates,
                Style::new(GREEN),
            ))
            .panel(
                time("Twenty of them")
                    .y_label("readout")
                    .line(&trained.last.time, &trained.first.output, Style::new(ORANGE).label("before"))
                    .line(&trained.last.time, &trained.last.output, Style::new(BLUE).label("after"))
                    .line(&trained.last.time, &trained.targets, Style::new(BLACK).dashed().label("target")),
            )
            .panel(Panel::new("Learning").x_label("iteration").y_label("cost").log_y().line(
                &iterations,
                &trained.costs,
                Style::new(PURPLE),
            ));
        report.plot(
            N::NAME,
            format!("{}.", N::NAME),
            "A, one neuron with a constant current: its voltage; the active zone lies between the two lines. B, the trace that its synapse \
             makes of it. C, the adjoint of the voltage: by how much the integral of the trace grows per unit of voltage that is added at \
             this time. D, frequency against current. E, the readout of twenty neurons before and after training, and its target. F, the cost in training.",
            plot.render()?,
        );
        let seconds = trained.last.time.last().copied().unwrap_or(1.0) * 1e-3;
        let spikes: u64 = trained.last.spike_counts().iter().sum();
        let rate = spikes as f64 / (NEURONS as f64 * seconds);
        Ok(vec![
            N::NAME.to_owned(),
            format!("{}", self.h),
            format!("{:.4}", self.current),
            format!("{rate:.1}"),
            format!("{:.4}", trained.before),
            format!("{:.5}", trained.after),
            format!("{factor:.1}"),
        ])
    }
}

/// A quantity with its unit, as an axis names it.
fn in_unit(quantity: &str, unit: &str) -> String {
    if unit == "1" { format!("{quantity} (dimensionless)") } else { format!("{quantity} ({unit})") }
}

/// A slow signal to be reproduced from two clocks.
struct Signal {
    trial: Trial<f64>,
    loss: QuadraticLoss<f64>,
}

impl Signal {
    fn new(duration: f64, h: f64) -> Self {
        let samples = (duration / h).round() as usize;
        let mut trial = Trial::silent(samples, h, 4);
        trial.scale = trial.duration();
        let turns = |m: usize| std::f64::consts::TAU * m as f64 * h / duration;
        for (m, input) in trial.inputs.chunks_exact_mut(4).enumerate() {
            let (one, two) = (turns(m).sin_cos(), (2.0 * turns(m)).sin_cos());
            input.copy_from_slice(&[one.0, one.1, two.0, two.1]);
        }
        trial.targets = (0..samples).map(|m| turns(m).sin() + 0.5 * (2.0 * turns(m) + 1.0).sin()).collect();
        Self { trial, loss: QuadraticLoss { lambda: 0.0 } }
    }
}

impl Task<f64> for Signal {
    fn trial(&self, _: TrainingStage, _: &mut rand_chacha::ChaCha8Rng) -> Trial<f64> {
        self.trial.clone()
    }

    fn loss(&self) -> &dyn Loss<f64> {
        &self.loss
    }

    fn score(&self, _: &Trial<f64>, recording: &Recording<f64>) -> f64 {
        recording.cost
    }
}

/// Keeps the best network on the way: near the end a spike that appears or goes may cost more than a step gains.
struct Best<'a> {
    bar: &'a indicatif::ProgressBar,
    cost: f64,
    network: Network<f64>,
    /// The network that the next cost is that of.
    before: Network<f64>,
}

impl Observer<Network<f64>> for Best<'_> {
    fn iteration(&mut self, done: &Iteration, network: &Network<f64>) -> ControlFlow<()> {
        if done.cost < self.cost {
            self.cost = done.cost;
            self.network.clone_from(&self.before);
        }
        self.before.clone_from(network);
        self.bar.inc(1);
        ControlFlow::Continue(())
    }
}
