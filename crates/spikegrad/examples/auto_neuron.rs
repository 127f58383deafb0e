//! A neuron model of one's own without a derivative written by hand, proved and trained:
//! `cargo run --release --example auto_neuron -p spikegrad`. The guide `docs/tutorials/new-neuron.md` begins with it.

#![allow(clippy::print_stdout, reason = "an example prints")]

// region: model
use spikegrad::prelude::*;

/// A leaky neuron that tires: a spike adds `b` to the current `w`, which works against the input and decays.
#[derive(Clone, Copy, Debug)]
struct Tiring([f64; 3]);

impl Neuron for Tiring {
    const NAME: &'static str = "tiring";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::positive("tau_v", "ms"),
        Parameter::positive("tau_w", "ms"),
        Parameter::new("b", "1/ms"),
    ];
    const METHOD: Integration = Integration::RungeKutta4;
    const LOCATE: Locate = Locate::DenseOutput;
    type State<T: Real> = [T; 2];
    type Params<T: Real> = [T; 3];

    fn params(&self) -> [f64; 3] {
        self.0
    }

    fn from_params(params: &[f64; 3]) -> Self {
        Self(*params)
    }

    fn rhs<T: Real>(&[tau_v, tau_w, _]: &[T; 3], &[v, w]: &[T; 2], current: T) -> [T; 2] {
        [current - w - v / tau_v, -w / tau_w]
    }

    fn reset<T: Real>(_: &[T; 3]) -> Reset<T> {
        Reset::To { threshold: T::one(), value: T::zero() }
    }

    fn jump<T: Real>(&[_, _, b]: &[T; 3], &[v, w]: &[T; 2]) -> [T; 2] {
        [v, w + b]
    }

    fn rest(&self) -> [f64; 2] {
        [0.0, 0.0]
    }
}
// endregion

// region: network
const LOSS: QuadraticLoss<f64> = QuadraticLoss { lambda: 0.01 };
const H: f64 = 0.5;

/// Eight of them behind slow synapses, each with a drive of its own, and the signal that they are to draw.
fn problem() -> Result<(Network<f64>, Trial<f64>), Failure> {
    let cells = AutoVjp(Tiring([20.0, 100.0, 0.01]));
    let mut network = Network::builder()
        .population(Population::new("cells", cells, 8, GateShape::RaisedCosine, 0.5))
        .synapse("slow", 20.0)
        .inputs(1)
        .outputs(1)
        .build()?;
    for parameter in 0..3 {
        network.unfreeze(Group::Neuron { population: 0, parameter })?;
    }
    network.parameters.input_mut().iter_mut().zip(1..).for_each(|(u, i)| *u = 0.05 + 0.01 * f64::from(i));
    network.parameters.weight_mut(0).fill(0.02);
    network.parameters.readout_mut(0).fill(1.0);
    let mut trial = Trial::silent(200, 1.0, 1);
    trial.inputs.fill(1.0);
    trial.targets = (0..200).map(|t| 0.4 * (f64::from(t) * std::f64::consts::PI / 200.0).sin()).collect();
    Ok((network, trial))
}
// endregion

// region: check
fn check() -> Result<(), Failure> {
    let (network, trial) = problem()?;
    let mut objective = NetworkObjective::new(network, &trial, &LOSS, Scheme::default(), H);
    let report = GradientCheck::default().run(&mut objective)?;
    println!("{report}\n");
    Ok(report.verdict()?)
}
// endregion

// region: train
fn train() -> Result<(), Failure> {
    let (mut network, trial) = problem()?;
    let neuron = [0, 1, 2].map(|parameter| Group::Neuron { population: 0, parameter });
    let groups = [Group::Weight(0), Group::Input, Group::Readout(0), neuron[0], neuron[1], neuron[2]];
    let rates = groups.map(|group| LearningRate { group, rate: 0.002 });
    let mut optimiser = Optimiser::new(&network, UpdateRule::ADAM, &rates)?;
    let mut sweep = Sweep::new();
    for iteration in 0..=200 {
        let scheme = SplitStep::new(&network, H)?;
        let mut gradient = network.parameters.zeros_like();
        let cost = sweep.gradient(&scheme.run(&trial, &LOSS)?, gradient.values_mut())?;
        if iteration % 50 == 0 {
            let [tau_v, tau_w, b] = neuron.map(|group| network.parameters.group(group)[0]);
            println!("{iteration:3}: cost {cost:.3}, tau_v {tau_v:.2} ms, tau_w {tau_w:.2} ms, b {b:.4}/ms");
        }
        optimiser.step(&mut network, &gradient, 1.0)?;
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    check()?;
    train()
}
// endregion

#[test]
fn a_neuron_without_written_derivatives_is_proved_and_trained() -> Result<(), Failure> {
    main()
}
