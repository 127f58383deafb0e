//! Two kinds of neurons in one network: adaptive exponential ones that excite and leaky ones that inhibit, each with gates
//! of its own, which learn a signal under Dale's law.

use std::ops::ControlFlow;

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use spikegrad::models::{AdEx, GateShape, Lif};
use spikegrad::network::{Group, Network, Population, Recording, Sign, SplitStep};
use spikegrad::tasks::{
    Iteration, LearningRate, Observer, Purpose, Schedule, Task, TrainingOptions, generator, train,
};
use spikegrad_report::plot::{BLACK, BLUE, ORANGE, PURPLE, Panel, Plot, Style, VERMILLION};

use super::{Bench, Best, METHOD, REDUCTION, Signal, TAU};
use crate::Error;
use crate::experiments::Context;
use crate::report::Report;

/// Neurons that excite, and neurons that inhibit: 80 and 20 percent.
const SIZES: [usize; 2] = [32, 8];
/// Shape of the gates, and part of the way from reset or rest to threshold that is their zone.
const GATES: [(GateShape, f64); 2] = [(GateShape::RaisedCosine, 0.5), (GateShape::Triangular, 0.4)];

/// The cell of Brette & Gerstner (2005) with currents in nA instead of pA, capacitance in nF and conductances in uS: the same
/// equation, in units in which its currents and those of [`inhibitory`] are of one size, as one learning rate for all weights
/// asks.
fn excitatory() -> AdEx {
    let adex = AdEx::default();
    AdEx {
        capacitance: 1e-3 * adex.capacitance,
        g_l: 1e-3 * adex.g_l,
        a: 1e-3 * adex.a,
        b: 1e-3 * adex.b,
        ..adex
    }
}

/// A leaky neuron with its threshold 15 mV above rest; its current in mV/ms.
fn inhibitory() -> Lif {
    Lif { tau_v: 20.0, v_theta: 15.0, v_reset: 0.0 }
}

/// What stays the same.
pub(super) fn settings(report: &mut Report) {
    report.setting("mixed: excitatory AdEx, inhibitory LIF", format!("{}, {}", SIZES[0], SIZES[1]));
    for (name, (shape, zone)) in ["excitatory", "inhibitory"].into_iter().zip(GATES) {
        report.setting(format!("mixed: {name} gate"), format!("{}, {zone} of the way", shape.name()));
    }
}

/// Trains the network, and adds a figure, judged numbers and a row of the table.
pub(super) fn show(
    context: &Context,
    iterations: usize,
    duration: f64,
    report: &mut Report,
) -> Result<Vec<String>, Error> {
    let (adex, lif) = (Bench::of(excitatory())?, Bench::of(inhibitory())?);
    let h = adex.h.min(lif.h);
    let signal = Signal::new(duration, h);
    let mut network = untrained(context, &adex, &lif, signal.trial.inputs.len() / signal.trial.samples)?;
    let record = |network: &Network<f64>| {
        let scheme = SplitStep::with_method(network, h, METHOD).map_err(Error::experiment)?;
        scheme.run(&signal.trial, signal.loss()).and_then(|run| run.record()).map_err(Error::experiment)
    };
    let first = record(&network)?;
    let before = network.parameters.group(Group::Weight(0)).to_vec();
    let current = adex.current.min(lif.current);
    let rate = |group, rate| LearningRate { group, rate };
    let options = TrainingOptions {
        h,
        method: METHOD.into(),
        iterations,
        batch: 1,
        seed: context.seed,
        rates: vec![
            rate(Group::Weight(0), 0.01 * current * TAU / (network.neurons() as f64).sqrt()),
            rate(Group::Input, 0.02 * current),
            rate(Group::Bias, 0.01 * current),
            rate(Group::Readout(0), 0.02 * TAU),
        ],
        schedule: Schedule::Cosine { last: 0.02 },
        ..TrainingOptions::default()
    };
    let bar = context.bar(iterations as u64, "mixed");
    let best = Best { bar: &bar, cost: f64::INFINITY, network: network.clone(), before: network.clone() };
    let mut watch = Watch { best, wrong: 0 };
    let history = train(&mut network, &signal, &options, &mut watch).map_err(Error::experiment)?;
    bar.finish_and_clear();
    let mut last = record(&network)?;
    if last.cost > watch.best.cost {
        network.clone_from(&watch.best.network);
        last = record(&network)?;
    }
    let factor = first.cost / last.cost;
    report.heading("Excitation and inhibition");
    report.prose(format!(
        "{} AdEx neurons that excite and {} LIF neurons that inhibit, at once: other equations, other units, other gates \
         ({}, {}), one exact gradient. Over all iterations, not only at the end, {} weights had a sign against Dale's law.",
        SIZES[0],
        SIZES[1],
        GATES[0].0.name(),
        GATES[1].0.name(),
        watch.wrong
    ));
    report.figure("mixed: cost before over cost after training", factor, "", Some([REDUCTION, f64::MAX]));
    report.figure(
        "mixed: weights of the wrong sign, all iterations",
        watch.wrong as f64,
        "",
        Some([0.0, 0.0]),
    );
    report.plot(
        "mixed",
        "Excitation and inhibition.",
        CAPTION,
        plot(&network, &before, &signal, [&first, &last], &history)?,
    );
    let seconds = duration * 1e-3;
    let counts = last.spike_counts();
    let rates: Vec<String> = network
        .populations()
        .map(|(_, range)| {
            let neurons = range.len() as f64;
            let spikes: u64 = counts[range].iter().sum();
            format!("{:.1}", spikes as f64 / (neurons * seconds))
        })
        .collect();
    Ok(vec![
        "AdEx and LIF".to_owned(),
        format!("{h}"),
        format!("{:.4}, {:.4}", adex.current, lif.current),
        rates.join(", "),
        format!("{:.4}", first.cost),
        format!("{:.5}", last.cost),
        format!("{factor:.1}"),
    ])
}

const CAPTION: &str = "Voltages of an excitatory AdEx neuron and of an inhibitory LIF neuron after training; spikes, those of \
    the inhibitory neurons above the line; the readout before and after training; the cost on the way; recurrent weights \
    before and after.";

fn plot(
    network: &Network<f64>,
    before: &[f64],
    signal: &Signal,
    [first, last]: [&Recording<f64>; 2],
    history: &[Iteration],
) -> Result<String, spikegrad_report::Error> {
    let n = network.neurons();
    let voltage = |i: usize| -> Vec<f64> { last.v.iter().skip(i).step_by(n).copied().collect() };
    let spikes = last.spike_times();
    // The neurons in the middle of either population by their rates, which are typical ones.
    let typical = |range: std::ops::Range<usize>| {
        let mut order: Vec<usize> = range.collect();
        order.sort_by_key(|&i| spikes[i].len());
        order[order.len() / 2]
    };
    let (e, i) = (typical(0..SIZES[0]), typical(SIZES[0]..n));
    let iterations: Vec<f64> = (0..history.len()).map(|k| k as f64 + 1.0).collect();
    let costs: Vec<f64> = history.iter().map(|iteration| iteration.cost).collect();
    let time = |title: &str| Panel::new(title).x_label("time (ms)");
    let (after, split) = (network.parameters.group(Group::Weight(0)), n * SIZES[0]);
    Plot::new(3)
        .letters()
        .size(900.0, 170.0)
        .panel(time("Excitatory: AdEx").y_label("v (mV)").line(&last.time, &voltage(e), Style::new(BLUE)))
        .panel(time("Inhibitory: LIF").y_label("v (mV)").line(
            &last.time,
            &voltage(i),
            Style::new(VERMILLION),
        ))
        .panel(time("Spikes").y_label("neuron").raster(&spikes, BLACK).hline(SIZES[0] as f64 - 0.5))
        .panel(
            time("Readout")
                .y_label("o")
                .line(&last.time, &first.output, Style::new(ORANGE).label("before"))
                .line(&last.time, &last.output, Style::new(BLUE).label("after"))
                .line(&last.time, &signal.trial.targets, Style::new(BLACK).dashed().label("target")),
        )
        .panel(Panel::new("Learning").x_label("iteration").y_label("cost").log_y().line(
            &iterations,
            &costs,
            Style::new(PURPLE),
        ))
        .panel(
            Panel::new("Weights")
                .x_label("w before")
                .y_label("w after")
                .scatter(&before[..split], &after[..split], Style::new(BLUE).label("excitatory"))
                .scatter(&before[split..], &after[split..], Style::new(VERMILLION).label("inhibitory"))
                .hline(0.0)
                .identity(),
        )
        .render()
}

/// The network before training, with weights in units of what their targets need to fire.
fn untrained(
    context: &Context,
    adex: &Bench<AdEx>,
    lif: &Bench<Lif>,
    inputs: usize,
) -> Result<Network<f64>, Error> {
    let population = |name, size, k: usize| {
        let (shape, zone) = GATES[k];
        match k {
            0 => Population::new(name, adex.neuron, size, shape, zone * adex.way()).excitatory(),
            _ => Population::new(name, lif.neuron, size, shape, zone * lif.way()).inhibitory(),
        }
    };
    let mut network = Network::builder()
        .population(population("excitatory", SIZES[0], 0))
        .population(population("inhibitory", SIZES[1], 1))
        .synapse("slow", TAU)
        .inputs(inputs)
        .outputs(1)
        .build()
        .map_err(Error::experiment)?;
    let (n, mut rng) = (network.neurons(), generator(context.seed, Purpose::Initialisation, 0));
    let states = [adex.states()?, lif.states()?];
    let mut offset = n;
    let ranges: Vec<_> = network.populations().map(|(_, range)| range).collect();
    for (range, states) in ranges.iter().zip(&states) {
        for i in range.clone() {
            let state = &states[rng.random_range(0..states.len())];
            let x = network.parameters.group_mut(Group::Initial);
            x[i] = state[0];
            for (c, &value) in state.iter().enumerate().skip(1) {
                x[offset + (c - 1) * range.len() + i - range.start] = value;
            }
        }
        offset += (states[0].len() - 1) * range.len();
    }
    let mut normal = |scale: f64| {
        let x: f64 = StandardNormal.sample(&mut rng);
        scale * x
    };
    let current = |post: usize| if post < SIZES[0] { adex.current } else { lif.current };
    let root = (n as f64).sqrt();
    let parameters = &mut network.parameters;
    for (k, w) in parameters.group_mut(Group::Weight(0)).iter_mut().enumerate() {
        // One inhibitory weight balances four excitatory ones.
        let sign = if k / n < SIZES[0] { 1.0 } else { -4.0 };
        *w = sign * normal(0.1 * current(k % n) * TAU / root).abs();
    }
    for (k, u) in parameters.group_mut(Group::Input).iter_mut().enumerate() {
        *u = normal(0.4 * current(k % n));
    }
    for (i, bias) in parameters.bias_mut().iter_mut().enumerate() {
        *bias = current(i) * (1.2 + normal(0.2));
    }
    parameters.group_mut(Group::Readout(0)).iter_mut().for_each(|o| *o = normal(0.1 * TAU / root));
    Ok(network)
}

/// Counts weights of the wrong sign on the way.
struct Watch<'a> {
    best: Best<'a>,
    wrong: usize,
}

impl Observer<Network<f64>> for Watch<'_> {
    fn iteration(&mut self, done: &Iteration, network: &Network<f64>) -> ControlFlow<()> {
        let n = network.neurons();
        for (k, &w) in network.parameters.group(Group::Weight(0)).iter().enumerate() {
            self.wrong += usize::from(match network.sign(k / n) {
                Some(Sign::Excitatory) => w < 0.0,
                Some(Sign::Inhibitory) => w > 0.0,
                None => true,
            });
        }
        self.best.iteration(done, network)
    }
}
