//! What a run adds up: the cost of many steps in single precision, and samples of weight zero, which are out of the loss.

use crate::common::{Everything, normal, real};
use spikegrad::integrators::{EventLog, RungeKutta, VectorField, VectorFieldVjp};
use spikegrad::network::{Scalar, SplitRun, pontryagin};
use spikegrad::prelude::*;

/// A large cost in the first step and 1 in every other: the sum is a number of single precision, but no plain sum gets to it.
struct Steep;

const FIRST: f32 = (1 << 24) as f32;
const STEPS: usize = 1001;
const SUM: f32 = ((1 << 24) + STEPS - 1) as f32;

impl<T: Scalar> Loss<T> for Steep {
    fn value(&self, at: &Sample<'_, T>) -> T {
        if at.step == 0 { real(f64::from(FIRST)) } else { T::one() }
    }

    fn vjp(&self, _: &Sample<'_, T>, _: T, _: &mut SampleBar<'_, T>) {}
}

fn network(outputs: usize) -> Network<f64> {
    let population = Population::new("theta", Theta::default(), 6, GateShape::RaisedCosine, 0.3);
    let mut network = Network::builder()
        .population(population)
        .synapse("slow", 20.0)
        .inputs(1)
        .outputs(outputs)
        .build()
        .expect("a network");
    let rng = &mut generator(5, Purpose::Initialisation, 0);
    let parameters = &mut network.parameters;
    parameters.weight_mut(0).iter_mut().for_each(|w| *w = 0.05 * normal(rng));
    parameters.bias_mut().iter_mut().for_each(|b| *b = 0.03 + 0.01 * normal(rng));
    parameters.readout_mut(0).iter_mut().for_each(|o| *o = normal(rng));
    parameters.input_mut().iter_mut().for_each(|u| *u = 0.01 * normal(rng));
    network
}

#[test]
fn the_cost_of_many_steps_is_the_sum_in_single_precision() {
    let network = network(1).to_f32();
    let trial = Trial::silent(STEPS, 1.0, 1);
    let split = SplitStep::new(&network, 1.0).expect("a step");
    let run = split.run(&trial, &Steep).expect("a run");
    let mut gradient = network.parameters.zeros_like();
    for memory in [Memory::Stored, Memory::SqrtSteps, Memory::Every(7)] {
        let mut sweep = Sweep::new().memory(memory);
        assert_eq!(sweep.gradient(&run, gradient.values_mut()).expect("finite"), SUM, "{memory:?}");
    }
    assert_eq!(Sweep::new().cost(&run).expect("finite"), SUM);
    assert_eq!(Sweep::new().events(&run, &mut EventLog::default()).expect("finite"), SUM);
    let mut last = 0.0;
    Sweep::new().run(&run, |_, _, cost| last = cost).expect("finite");
    assert_eq!(last, SUM);
    assert_eq!(run.record().expect("finite").cost, SUM);
    assert_eq!(pontryagin(&run).expect("finite").cost, SUM);
    let plain = PlainStep::new(&network, 1.0, tableau::EULER).expect("a step");
    let run = plain.run(&trial, &Steep).expect("a run");
    assert_eq!(Sweep::new().gradient(&run, gradient.values_mut()).expect("finite"), SUM);
    // And over the trials of a batch.
    let trials = vec![trial; 3];
    let result = Batch::default().gradient(&split, &trials, &Steep, None, &mut gradient).expect("finite");
    assert_eq!(result.cost, SUM);
}

/// `dx/dt = 0` with the same cost.
struct Still;

impl VectorField<f32> for Still {
    fn dim(&self) -> usize {
        1
    }

    fn rhs(&self, _: f32, _: &[f32], dx: &mut [f32]) {
        dx[0] = 0.0;
    }
}

impl VectorFieldVjp<f32> for Still {
    fn n_parameters(&self) -> usize {
        0
    }

    fn rhs_vjp(&self, _: f32, _: &[f32], _: &[f32], _: &mut [f32], _: &mut [f32]) {}
}

impl Cost<f32> for Still {
    fn cost(&self, n: usize, _: f32, _: &[f32]) -> f32 {
        if n == 0 { FIRST } else { 1.0 }
    }
}

impl CostVjp<f32> for Still {
    fn cost_vjp(&self, _: usize, _: f32, _: &[f32], _: f32, _: &mut [f32], _: &mut [f32]) {}
}

#[test]
fn the_cost_of_any_equation_is_the_sum_in_single_precision() {
    let step = RungeKutta::new(tableau::HEUN, Still, vec![1.0], 0.1, STEPS, Still).expect("a step");
    assert_eq!(Sweep::new().gradient(&step, &mut [0.0]).expect("finite"), SUM);
    let mut continuous = spikegrad::adjoint::ContinuousAdjoint::new(tableau::HEUN);
    assert_eq!(continuous.gradient(&step, &mut [0.0]).expect("finite"), SUM);
}

/// A loss that sees everything and pays no heed to weights.
fn everything() -> Everything<f64> {
    Everything { activity: 0.01, membrane: vec![0.3; 6] }
}

/// A projection that is read out may come from a source, or from a few of the neurons.
#[test]
fn a_floor_under_the_voltages_sees_all_neurons_whatever_is_read_out() {
    let population = |name: &str, size| Population::new(name, Lif::default(), size, GateShape::Box, 0.3);
    let of_source = Network::builder()
        .population(population("e", 3))
        .source("s", 50)
        .projection(Projection::new("p", 5.0).between("s", "e"));
    let of_one = Network::builder()
        .population(population("e", 3))
        .population(population("i", 1))
        .projection(Projection::new("p", 5.0).between("i", "e"));
    for builder in [of_source, of_one] {
        let mut network = builder.build().expect("a network");
        network.parameters.bias_mut().fill(-0.1);
        let (trial, loss) = (Trial::silent(20, 1.0, 0), VoltageFloor { weight: 0.5 });
        let scheme = SplitStep::new(&network, 1.0).expect("a step");
        let run = scheme.run(&trial, &loss).expect("a run");
        let recording = run.record().expect("finite");
        let by_hand: f64 = recording.v.iter().map(|v| 0.25 * v * v).sum();
        let mut gradient = network.parameters.zeros_like();
        let cost = Sweep::new().gradient(&run, gradient.values_mut()).expect("finite");
        assert!((cost - by_hand).abs() < 1e-12 && cost > 1.0, "{cost} {by_hand}");
        assert!(gradient.bias().iter().all(|bar| *bar < 0.0));
    }
}

/// The trial with so many samples of weight zero behind it, in which targets and inputs are anything.
fn padded(trial: &Trial<f64>, outputs: usize, padding: usize) -> Trial<f64> {
    let mut padded = trial.clone();
    padded.samples += padding;
    padded.inputs.extend((0..padding).map(|n| (n as f64).sin()));
    padded.targets.extend((0..padding * outputs).map(|n| 5.0 * (n as f64).cos()));
    padded.weights = vec![1.0; trial.samples];
    padded.weights.extend(vec![0.0; padding]);
    padded
}

#[test]
fn samples_of_weight_zero_change_neither_cost_nor_gradient() {
    let quadratic = SumOfLosses(QuadraticLoss { lambda: 0.01 }, VoltageFloor { weight: 0.1 });
    let losses: [&dyn Loss<f64>; 2] = [&quadratic, &everything()];
    for (outputs, loss) in [1, 2].into_iter().flat_map(|outputs| losses.map(|loss| (outputs, loss))) {
        let network = network(outputs);
        let rng = &mut generator(6, Purpose::Training, 0);
        let samples = 50;
        let mut trial = Trial::silent(samples, 1.0, 1);
        trial.inputs.iter_mut().for_each(|i| *i = normal(rng));
        trial.targets = (0..samples * outputs).map(|_| normal(rng)).collect();
        let longer = padded(&trial, outputs, 30);

        let split = SplitStep::new(&network, 0.5).expect("a step");
        let runs = [&trial, &longer].map(|trial| split.run(trial, loss).expect("a run"));
        let gradient = |memory: Memory, run: usize| {
            let mut gradient = network.parameters.zeros_like();
            let mut sweep = Sweep::new().memory(memory);
            let cost = sweep.gradient(&runs[run], gradient.values_mut()).expect("finite");
            (cost, gradient)
        };
        let expected = gradient(Memory::Stored, 0);
        assert!(expected.1.norm(Group::Weight(0)) > 0.0);
        for memory in [Memory::Stored, Memory::SqrtSteps] {
            assert_eq!(gradient(memory, 1), expected, "{memory:?}");
        }
        let [shorter, longer_run] = &runs;
        let recorded = |run: &SplitRun<'_, f64>| run.record().expect("finite").cost;
        assert_eq!(recorded(shorter), recorded(longer_run));
        let continuous = runs.map(|run| pontryagin(&run).expect("finite"));
        assert_eq!(continuous[0].cost, continuous[1].cost);
        assert_eq!(continuous[0].gradient, continuous[1].gradient);

        let plain = PlainStep::new(&network, 0.5, tableau::RK4).expect("a step");
        let plain = [&trial, &longer].map(|trial| {
            let mut gradient = network.parameters.zeros_like();
            let run = plain.run(trial, loss).expect("a run");
            (Sweep::new().gradient(&run, gradient.values_mut()).expect("finite"), gradient)
        });
        assert_eq!(plain[0], plain[1]);
        // A weight that is not zero keeps its sample in.
        let kept = Trial { weights: vec![1.0; longer.samples], ..longer };
        let run = split.run(&kept, loss).expect("a run");
        assert!(Sweep::new().cost(&run).expect("finite") > expected.0);
    }
}
