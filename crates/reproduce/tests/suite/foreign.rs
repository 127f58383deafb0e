//! Six networks whose cost, gradient and voltages another system computed: a program written from the page of equations and
//! differentiated by automatic differentiation in double precision. Together they have every neuron's kind of reset, every kind of
//! weights and of delays, and every method but the plain field's.
//!
//! `set` and `grad` have the values and the gradient of every group, by their symbols; matrices are column-major, row =
//! postsynaptic. `v` has the voltages at the ends of every tenth step.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use spikegrad::adjoint::Sweep;
use spikegrad::integrators::{Exponential, Method, Step, tableau};
use spikegrad::models::{AdEx, GateShape, HodgkinHuxley, Lif, Theta};
use spikegrad::network::{
    Group, InitialState, Loss, Network, Population, Sample, SampleBar, SplitStep, Trial,
};

#[derive(Deserialize)]
struct Problem {
    h: f64,
    method: String,
    populations: Vec<Neurons>,
    classes: Vec<Class>,
    inputs: usize,
    outputs: usize,
    set: BTreeMap<String, Vec<f64>>,
    trial: Data,
    lambda: f64,
    #[serde(default)]
    membrane: Vec<f64>,
    every: usize,
    expected: Expected,
}

#[derive(Deserialize)]
struct Neurons {
    model: String,
    size: usize,
    shape: String,
    width: f64,
    per_neuron: bool,
}

#[derive(Deserialize)]
struct Class {
    tau: f64,
    #[serde(default)]
    tau_per_neuron: bool,
    delays: Option<String>,
    rank: Option<usize>,
}

#[derive(Deserialize)]
struct Data {
    interval: f64,
    samples: usize,
    inputs: Vec<Vec<f64>>,
    targets: Vec<f64>,
    weights: Vec<f64>,
    s0: Vec<f64>,
    scale: f64,
}

#[derive(Deserialize)]
struct Expected {
    cost: f64,
    grad: BTreeMap<String, Vec<f64>>,
    v: Vec<f64>,
}

/// `(w |o - o_d|^2 + lambda |s|^2 + sum_i membrane_i x_i^2) / 2`.
struct Squares<'a> {
    lambda: f64,
    membrane: &'a [f64],
}

impl Loss<f64> for Squares<'_> {
    fn value(&self, at: &Sample<'_, f64>) -> f64 {
        let error: f64 = at.output.iter().zip(at.target).map(|(o, d)| (o - d) * (o - d)).sum();
        let membrane: f64 = self.membrane.iter().zip(at.x).map(|(w, x)| w * x * x).sum();
        0.5 * (at.weight * error + self.lambda * at.square + membrane)
    }

    fn vjp(&self, at: &Sample<'_, f64>, value_bar: f64, bar: &mut SampleBar<'_, f64>) {
        for ((bar, o), d) in bar.output.iter_mut().zip(at.output).zip(at.target) {
            *bar += value_bar * at.weight * (o - d);
        }
        *bar.square += value_bar * 0.5 * self.lambda;
        for ((bar, w), x) in bar.x.iter_mut().zip(self.membrane).zip(at.x) {
            *bar += value_bar * w * x;
        }
    }
}

/// The group that a symbol of the files stands for.
fn group(symbol: &str) -> Group {
    if let Some(parameter) = symbol.strip_prefix("neuron0.") {
        return Group::Neuron { population: 0, parameter: parameter.parse().expect("a parameter's number") };
    }
    let digits = symbol.len() - symbol.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (name, number) = symbol.split_at(symbol.len() - digits);
    let number = number.parse().unwrap_or(0);
    match name {
        "W" => Group::Weight(number),
        "L" => Group::Left(number),
        "R" => Group::Right(number),
        "tau" => Group::Tau(number),
        "delay" => Group::Delay(number),
        "width" => Group::GateWidth(number),
        "x" => Group::Initial,
        "U" => Group::Input,
        "I_o" => Group::Bias,
        "O" => Group::Readout(0),
        other => panic!("no group is called {other}"),
    }
}

impl Problem {
    fn network(&self) -> Network<f64> {
        let mut builder = Network::builder().inputs(self.inputs).outputs(self.outputs);
        for neurons in &self.populations {
            let shape = match neurons.shape.as_str() {
                "raised_cosine" => GateShape::RaisedCosine,
                "triangular" => GateShape::Triangular,
                "box" => GateShape::Box,
                other => panic!("no gate is called {other}"),
            };
            let (size, width) = (neurons.size, neurons.width);
            let population = match neurons.model.as_str() {
                "lif" => Population::new("neurons", Lif::default(), size, shape, width),
                "theta" => Population::new("neurons", Theta::default(), size, shape, width),
                "adex" => Population::new("neurons", AdEx::default(), size, shape, width),
                "hodgkin_huxley" => Population::new("neurons", HodgkinHuxley::default(), size, shape, width),
                other => panic!("no model is called {other}"),
            };
            builder =
                builder.population(if neurons.per_neuron { population.per_neuron() } else { population });
        }
        for (k, class) in self.classes.iter().enumerate() {
            let name = k.to_string();
            builder = builder.synapse(&name, class.tau);
            builder =
                if class.tau_per_neuron { builder.change(&name, |p| p.tau_per_neuron()) } else { builder };
            builder = class.rank.map_or(builder.clone(), |rank| builder.change(&name, |p| p.low_rank(rank)));
            builder = match class.delays.as_deref() {
                None => builder,
                Some("axonal") => builder.change(&name, |p| p.axonal_delays(1.0)),
                Some("connections") => builder.change(&name, |p| p.connection_delays(1.0)),
                Some(other) => panic!("no delays are called {other}"),
            };
        }
        let mut network = builder.build().expect("a network");
        network.unfreeze_all();
        network.freeze(Group::Initial).expect("a group");
        for (symbol, values) in &self.set {
            network.parameters.set(group(symbol), values).expect("values of the group's size");
        }
        network
    }

    fn trial(&self, network: &Network<f64>) -> Trial<f64> {
        let data = &self.trial;
        Trial {
            interval: data.interval,
            samples: data.samples,
            inputs: data.inputs.concat(),
            targets: data.targets.clone(),
            weights: data.weights.clone(),
            currents: Vec::new(),
            events: Vec::new(),
            label: Vec::new(),
            target_spikes: Vec::new(),
            initial: Some(InitialState {
                x: network.parameters.group(Group::Initial).to_vec(),
                s: data.s0.clone(),
            }),
            state: None,
            scale: data.scale,
        }
    }

    fn method(&self) -> Method {
        match self.method.as_str() {
            "euler" => tableau::EULER.into(),
            "heun" => tableau::HEUN.into(),
            "rk4" => tableau::RK4.into(),
            "exp_midpoint" => Exponential::Midpoint.into(),
            other => panic!("no method is called {other}"),
        }
    }
}

fn norm(x: impl IntoIterator<Item = f64>) -> f64 {
    x.into_iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Cost to 1e-12, gradients to 1e-9 of the norm of their group, voltages to 1e-9 of the largest.
fn is_met(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("data").join("foreign");
    let text = std::fs::read_to_string(path.join(format!("{name}.json"))).expect("a file");
    let problem: Problem = serde_json::from_str(&text).expect("a problem");
    let network = problem.network();
    let (trial, scheme) = (
        problem.trial(&network),
        SplitStep::with_method(&network, problem.h, problem.method()).expect("a scheme"),
    );
    let loss = Squares { lambda: problem.lambda, membrane: &problem.membrane };
    let run = scheme.run(&trial, &loss).expect("a run");
    let mut gradient = network.parameters.zeros_like();
    let cost = Sweep::new().gradient(&run, gradient.values_mut()).expect("a gradient");

    let expected = &problem.expected;
    assert!((cost / expected.cost - 1.0).abs() < 1e-12, "{name}: cost {cost}, not {}", expected.cost);
    let groups = network.parameters.layout().entries().iter().filter(|e| e.group != Group::Initial);
    assert_eq!(expected.grad.len(), groups.filter(|e| !e.range.is_empty()).count(), "{name}: every group");
    for (symbol, expected) in &expected.grad {
        let found = gradient.group(group(symbol));
        assert_eq!(found.len(), expected.len(), "{name}: {symbol}");
        let distance = norm(found.iter().zip(expected).map(|(found, expected)| found - expected));
        let of = norm(expected.iter().copied());
        assert!(of > 0.0 && distance <= 1e-9 * of, "{name}: {symbol} is off by {distance:e} of {of:e}");
    }
    let recording = run.record().expect("a recording");
    let n = network.neurons();
    let voltages = recording.v.chunks_exact(n).skip(problem.every - 1).step_by(problem.every);
    let voltages: Vec<f64> = voltages.flatten().copied().collect();
    assert_eq!((voltages.len(), expected.v.len()), (expected.v.len(), n * (run.steps() / problem.every)));
    let largest = expected.v.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    for (found, expected) in voltages.iter().zip(&expected.v) {
        assert!((found - expected).abs() <= 1e-9 * largest, "{name}: voltage {found}, not {expected}");
    }
}

#[test]
fn hard_resets_in_closed_form_are_met() {
    is_met("lif");
}

#[test]
fn time_constants_of_each_neuron_are_met() {
    is_met("lif_taus");
}

#[test]
fn axonal_delays_and_delays_of_connections_are_met() {
    is_met("theta_delays");
}

#[test]
fn weights_of_low_rank_are_met() {
    is_met("theta_low_rank");
}

#[test]
fn resets_on_the_dense_output_are_met() {
    is_met("adex_rk4");
}

#[test]
fn exponential_steps_are_met() {
    is_met("hh_exponential");
}
