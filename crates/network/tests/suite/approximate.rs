//! The backward pass with replaced parts: with none replaced it is the exact gradient, and each part that is replaced by itself changes
//! nothing; what is replaced by something else changes what it has to.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use spikegrad_integrators::{Step, StepVjp, Total};
use spikegrad_models::{GateShape, Lif, Nif, Theta};
use spikegrad_network::{
    ApproximateAdjoint, ApproximateWork, BackwardParts, Error, GateSlope, Group, InitialState, Loss, Network,
    NoLoss, Population, Projection, ReadoutPath, RecurrentPath, Sample, SampleBar, SplitStep, SplitTape,
    Trial,
};

const N: usize = 12;

/// Squared error, activity and a price of voltages.
struct Everything;

impl Loss<f64> for Everything {
    fn value(&self, at: &Sample<'_, f64>) -> f64 {
        let error: f64 = at.output.iter().zip(at.target).map(|(o, d)| (o - d) * (o - d)).sum();
        let voltage: f64 = at.x.iter().map(|x| x * x).sum();
        0.5 * (at.weight * error + 0.3 * at.square + 0.01 * voltage)
    }

    fn vjp(&self, at: &Sample<'_, f64>, value_bar: f64, bar: &mut SampleBar<'_, f64>) {
        for ((bar, o), d) in bar.output.iter_mut().zip(at.output).zip(at.target) {
            *bar += value_bar * at.weight * (o - d);
        }
        *bar.square += 0.15 * value_bar;
        for (bar, x) in bar.x.iter_mut().zip(at.x) {
            *bar += 0.01 * value_bar * x;
        }
    }
}

/// A network of each kind of neuron that is taken, with two projections, a mask and two outputs, and a trial in which each sample is
/// held for two steps.
fn problem(is_theta: bool, seed: u64) -> (Network<f64>, Trial<f64>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let population = if is_theta {
        Population::new("all", Theta { tau_v: 25.0 }, N, GateShape::RaisedCosine, 0.3)
    } else {
        Population::new("all", Nif, N, GateShape::RaisedCosine, 0.4)
    };
    let mut network = Network::builder()
        .population(population)
        .synapse("slow", 20.0)
        .projection(Projection::new("fast", 5.0).without_autapses())
        .inputs(2)
        .outputs(2)
        .build()
        .unwrap();
    let mut draw = |size: f64| size * (2.0 * rng.random::<f64>() - 1.0);
    let (weights, tonic) = if is_theta { (0.05, 0.01) } else { (0.1, 0.03) };
    for k in 0..2 {
        let mut w = network.parameters.weight_mut(k);
        for j in 0..N {
            for i in (0..N).filter(|&i| k == 0 || i != j) {
                w[(i, j)] = draw(weights);
            }
        }
    }
    network.parameters.input_mut().iter_mut().for_each(|u| *u = draw(0.01));
    network.parameters.bias_mut().iter_mut().for_each(|b| *b = tonic + draw(0.5 * tonic));
    network.parameters.readout_mut(0).iter_mut().for_each(|o| *o = draw(2.0));
    let mut trial = Trial::silent(120, 1.0, 2);
    trial.inputs.iter_mut().for_each(|i| *i = draw(1.0));
    trial.targets = (0..240).map(|_| draw(0.1)).collect();
    trial.weights = (0..120).map(|m| if m < 10 { 0.0 } else { 1.0 + draw(0.5) }).collect();
    let x = (0..N).map(|_| 0.5 + draw(0.4)).collect();
    trial.initial = Some(InitialState { x, s: (0..2 * N).map(|_| 0.02 + draw(0.02)).collect() });
    (network, trial)
}

/// The engine's exact gradient, and the cost.
fn exact(network: &Network<f64>, trial: &Trial<f64>) -> (f64, Vec<f64>) {
    let scheme = SplitStep::new(network, 0.5).unwrap();
    let run = scheme.run(trial, &Everything).unwrap();
    let (mut x, mut tape, mut cost) = (vec![0.0; run.dim()], SplitTape::default(), Total::default());
    run.start(&mut x);
    run.rewind(&x, &mut tape);
    run.advance(0..run.steps(), &mut x, &mut tape, &mut cost);
    let (mut x_bar, mut gradient) = (vec![0.0; run.dim()], vec![0.0; run.n_parameters()]);
    run.advance_vjp(0..run.steps(), &mut tape, 1.0, &mut x_bar, &mut gradient);
    run.start_vjp(&mut x_bar, &mut gradient);
    (cost.value(), gradient)
}

fn approximate(network: &Network<f64>, trial: &Trial<f64>, parts: &BackwardParts<f64>) -> (f64, Vec<f64>) {
    let scheme = SplitStep::new(network, 0.5).unwrap();
    let adjoint = ApproximateAdjoint::new(scheme.run(trial, &Everything).unwrap(), parts).unwrap();
    let (mut work, mut direction) = (ApproximateWork::default(), network.parameters.zeros_like());
    // A workspace that was used before changes nothing.
    adjoint.approximate_gradient(&mut work, direction.values_mut()).unwrap();
    direction.values_mut().fill(0.0);
    let cost = adjoint.approximate_gradient(&mut work, direction.values_mut()).unwrap();
    (cost, direction.values().to_vec())
}

const GROUPS: [Group; 5] = [Group::Weight(0), Group::Weight(1), Group::Input, Group::Bias, Group::Readout(0)];

/// The largest difference in a group, over the largest entry.
fn difference(network: &Network<f64>, group: Group, one: &[f64], other: &[f64]) -> f64 {
    let range = network.parameters.layout().range(group);
    let most = |x: &mut dyn Iterator<Item = f64>| x.fold(0.0, f64::max);
    let largest = most(&mut one[range.clone()].iter().map(|x| x.abs()));
    assert!(largest > 0.0, "no gradient by {group}");
    most(&mut range.map(|i| (one[i] - other[i]).abs())) / largest
}

#[test]
fn with_all_parts_exact_the_direction_is_the_gradient() {
    for is_theta in [true, false] {
        for seed in 0..4 {
            let (network, trial) = problem(is_theta, seed);
            let (cost, gradient) = exact(&network, &trial);
            // Each part by itself, in another way.
            let by_themselves = BackwardParts {
                readout: ReadoutPath::Fixed(network.parameters.group(Group::Readout(0)).to_vec()),
                recurrent: RecurrentPath::Fixed(
                    [0, 1].map(|k| network.parameters.group(Group::Weight(k)).to_vec()).to_vec(),
                ),
                slope: GateSlope::Exact,
            };
            for parts in [BackwardParts::default(), by_themselves] {
                let (same_cost, direction) = approximate(&network, &trial, &parts);
                assert_eq!(cost.to_bits(), same_cost.to_bits(), "the forward pass is the exact one");
                for group in GROUPS {
                    let difference = difference(&network, group, &gradient, &direction);
                    assert!(difference < 1e-10, "theta {is_theta}, seed {seed}, {group}: {difference:e}");
                }
            }
        }
    }
}

#[test]
fn what_is_not_there_to_be_sent_can_be_cut() {
    let (mut network, trial) = problem(true, 7);
    // Without synapses between neurons, those onto themselves are all that there is; without any, nothing is cut.
    for with_autapses in [true, false] {
        for j in 0..N {
            for i in (0..N).filter(|&i| i != j || !with_autapses) {
                network.parameters.weight_mut(0)[(i, j)] = 0.0;
                network.parameters.weight_mut(1)[(i, j)] = 0.0;
            }
        }
        let recurrent = if with_autapses { RecurrentPath::Autapses } else { RecurrentPath::Cut };
        let (_, direction) =
            approximate(&network, &trial, &BackwardParts { recurrent, ..BackwardParts::default() });
        let (_, gradient) = exact(&network, &trial);
        for group in GROUPS {
            assert!(difference(&network, group, &gradient, &direction) < 1e-10, "{with_autapses} {group}");
        }
    }
}

#[test]
fn what_is_replaced_changes_what_it_has_to() {
    for is_theta in [true, false] {
        let (network, trial) = problem(is_theta, 3);
        let (_, gradient) = exact(&network, &trial);
        let flipped: Vec<f64> = network.parameters.group(Group::Readout(0)).iter().map(|o| -o).collect();
        let replaced = [
            BackwardParts { readout: ReadoutPath::Fixed(flipped), ..BackwardParts::default() },
            BackwardParts { recurrent: RecurrentPath::Cut, ..BackwardParts::default() },
            BackwardParts { recurrent: RecurrentPath::Autapses, ..BackwardParts::default() },
            BackwardParts { slope: GateSlope::Surrogate { width: 0.3 }, ..BackwardParts::default() },
        ];
        for parts in replaced {
            let (_, direction) = approximate(&network, &trial, &parts);
            for group in GROUPS {
                let difference = difference(&network, group, &gradient, &direction);
                // No rule replaces anything between the cost and the readout's own weights.
                if group == Group::Readout(0) {
                    assert!(difference < 1e-10, "{parts:?}: {difference:e}");
                } else {
                    assert!(difference > 1e-3, "{parts:?} {group}: {difference:e}");
                }
            }
            // Masked entries stay out of it.
            assert!((0..N).all(|i| direction[network.parameters.layout().range(Group::Weight(1))][i * N + i] == 0.0));
        }
    }
}

#[test]
fn what_is_not_taken_is_refused() {
    let (network, trial) = problem(true, 1);
    let scheme = SplitStep::new(&network, 0.5).unwrap();
    let refused = |parts: BackwardParts<f64>| {
        let run = scheme.run(&trial, &Everything).unwrap();
        ApproximateAdjoint::new(run, &parts).err().expect("refused").to_string()
    };
    let short = ReadoutPath::Fixed(vec![0.0; 3]);
    let text = refused(BackwardParts { readout: short, ..BackwardParts::default() });
    assert_eq!(text, "the fixed readout matrix: give 24 entries, not 3");
    let one = RecurrentPath::Fixed(vec![vec![0.0; N * N]]);
    let text = refused(BackwardParts { recurrent: one, ..BackwardParts::default() });
    assert_eq!(text, "the fixed recurrent matrices: give 2 entries, not 1");
    let infinite = RecurrentPath::Fixed(vec![vec![0.0; N * N], vec![f64::NAN; N * N]]);
    let text = refused(BackwardParts { recurrent: infinite, ..BackwardParts::default() });
    assert_eq!(text, "the fixed matrix of projection `fast` has a non-finite value at index 0: remove it");
    let text =
        refused(BackwardParts { slope: GateSlope::Surrogate { width: 0.0 }, ..BackwardParts::default() });
    assert_eq!(text, "the width of the surrogate slope = 0: give a positive, finite number");

    let lif = Population::new("lif", Lif::default(), 3, GateShape::RaisedCosine, 0.3);
    let network = Network::<f64>::builder().population(lif).synapse("slow", 20.0).build().unwrap();
    let (scheme, trial) = (SplitStep::new(&network, 0.5).unwrap(), Trial::silent(10, 1.0, 0));
    let parts = BackwardParts::default();
    let error = ApproximateAdjoint::new(scheme.run(&trial, &NoLoss).unwrap(), &parts).err().expect("refused");
    assert!(
        matches!(error, Error::Approximate { found } if found.contains("reset inside the step")),
        "{error}"
    );
}
