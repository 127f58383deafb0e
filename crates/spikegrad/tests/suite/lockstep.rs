//! Trials of a large network that take every step together have the bits that they have one by one.

use spikegrad::models::{AdEx, GateShape, Izhikevich, Lif, RefractoryLif, Theta};
use spikegrad::network::{Group, Network, Population, Scalar, SplitStep, Trial};
use spikegrad::rand::{RngExt as _, SeedableRng as _};
use spikegrad::rand_chacha::ChaCha8Rng;
use spikegrad::tasks::{Batch, QuadraticLoss};

use crate::common::on;

/// Random weights, inputs, tonic currents and readouts, for neurons that fire by the tonic current `bias`.
fn fill(network: &mut Network<f64>, bias: f64, spread: f64) {
    let rng = &mut ChaCha8Rng::seed_from_u64(5);
    let n = network.neurons() as f64;
    let projections = network.projections().len();
    for k in 0..projections {
        for w in network.parameters.weight_mut(k).iter_mut() {
            *w = spread * rng.random_range(-1.0..1.0) / n.sqrt();
        }
    }
    network.parameters.input_mut().iter_mut().for_each(|u| *u = 0.2 * bias * rng.random_range(-1.0..1.0));
    network.parameters.bias_mut().iter_mut().for_each(|b| *b = bias * rng.random_range(0.8..1.2));
    network.parameters.readout_mut(0).iter_mut().for_each(|o| *o = rng.random_range(-1.0..1.0));
}

/// Theta neurons, no whole number of panels of them, with a mask, frozen entries and trained parameters of all kinds.
fn theta() -> Network<f64> {
    let population = Population::new("theta", Theta { tau_v: 25.0 }, 150, GateShape::RaisedCosine, 0.3);
    let mut network = Network::builder()
        .population(population)
        .synapse("slow", 20.0)
        .synapse("fast", 5.0)
        .inputs(3)
        .outputs(2)
        .build()
        .expect("a network");
    fill(&mut network, 0.02, 0.05);
    network.set_mask(Group::Weight(0), |i, j| (i + j) % 5 != 0).expect("a mask");
    network.freeze_entries(Group::Weight(1), |i, j| i < 70 && j % 2 == 0).expect("weights");
    network.freeze_entries(Group::Bias, |i, _| i == 3).expect("tonic currents");
    for group in [Group::GateWidth(0), Group::Neuron { population: 0, parameter: 0 }, Group::Initial] {
        network.unfreeze(group).expect("a group");
    }
    network
}

/// Populations of several models, with hard resets by both ways, refractory times and further state variables.
fn mixed() -> Network<f64> {
    let gate = GateShape::RaisedCosine;
    let refractory = RefractoryLif { tau_v: 20.0, v_theta: 1.0, v_reset: 0.0, t_ref: 2.0 };
    let mut network = Network::builder()
        .population(Population::new("lif", Lif::default(), 60, gate, 0.3))
        .population(Population::new("refractory", refractory, 40, gate, 0.3))
        .population(Population::new("theta", Theta { tau_v: 25.0 }, 60, gate, 0.3))
        .synapse("slow", 20.0)
        .inputs(1)
        .outputs(1)
        .build()
        .expect("a network");
    fill(&mut network, 0.06, 0.1);
    network
}

/// Models whose resets are located on the dense output; the weights of one of the projections are frozen.
fn located() -> Network<f64> {
    let gate = GateShape::Triangular;
    let mut network = Network::builder()
        .population(Population::new("adex", AdEx::adapting(), 70, gate, 6.0))
        .population(Population::new("izhikevich", Izhikevich::default(), 66, gate, 20.0))
        .synapse("slow", 20.0)
        .synapse("frozen", 8.0)
        .outputs(1)
        .build()
        .expect("a network");
    fill(&mut network, 500.0, 20.0);
    network.parameters.bias_mut()[70..].iter_mut().for_each(|b| *b *= 0.02);
    network.freeze(Group::Weight(1)).expect("weights");
    network
}

/// Trials of several lengths; some have injected currents, an initial state, or samples without weight.
fn trials(network: &Network<f64>, count: usize) -> Vec<Trial<f64>> {
    let rng = &mut ChaCha8Rng::seed_from_u64(7);
    let (n, inputs, outputs) = (network.neurons(), network.inputs(), network.outputs());
    let trial = |b: usize| {
        let samples = 40 + 7 * (b % 4);
        let mut trial = Trial::silent(samples, 1.0, inputs);
        trial.inputs.iter_mut().for_each(|i| *i = rng.random_range(-1.0..1.0));
        trial.targets = (0..samples * outputs).map(|_| rng.random_range(-0.1..0.1)).collect();
        if b % 3 == 1 {
            let size = network.parameters.bias()[0];
            trial.currents = (0..samples * n).map(|_| 0.1 * size * rng.random_range(-1.0..1.0)).collect();
        }
        if b % 5 == 2 {
            trial.weights = (0..samples).map(|m| f64::from(u8::from(m % 4 != 0))).collect();
        }
        trial
    };
    (0..count).map(trial).collect()
}

/// Everything that a batch says, as text that differs where a bit does, and the gradient; asserts which way the batch took.
fn outcome<T: Scalar>(
    batch: &mut Batch<T>,
    network: &Network<T>,
    trials: &[Trial<T>],
    clip: Option<&[Option<T>]>,
    in_lockstep: bool,
) -> (String, Vec<T>) {
    let scheme = SplitStep::new(network, 0.5).expect("a step");
    let loss = QuadraticLoss { lambda: T::from_subset(&0.01) };
    let mut gradient = network.parameters.zeros_like();
    let result = batch.gradient(&scheme, trials, &loss, clip, &mut gradient).expect("a gradient");
    assert_eq!(result.in_lockstep, in_lockstep);
    let said = format!("{:?} {:?} {:?}", result.cost, result.events, result.trials);
    (said, gradient.values().to_vec())
}

fn agree<T: Scalar>(network: &Network<T>, trials: &[Trial<T>]) {
    assert!(SplitStep::new(network, 0.5).expect("a step").is_for_lockstep());
    let alone = |lanes| Batch::with_lanes(lanes).lockstep(Some(false));
    let entries = network.parameters.layout().entries();
    let unclipped = vec![None; entries.len()];
    let result = {
        let scheme = SplitStep::new(network, 0.5).expect("a step");
        let loss = QuadraticLoss { lambda: T::from_subset(&0.01) };
        let mut gradient = network.parameters.zeros_like();
        alone(8).gradient(&scheme, trials, &loss, Some(&unclipped), &mut gradient).expect("a gradient")
    };
    let mut norms: Vec<_> =
        result.trials.into_iter().map(|trial| trial.norms).filter(|n| !n.is_empty()).collect();
    norms.sort_by(|a, b| a[0].partial_cmp(&b[0]).expect("finite"));
    let median = norms.swap_remove(norms.len() / 2);
    assert!(
        entries
            .iter()
            .zip(&median)
            .all(|(e, &n)| n > T::zero() || e.range.is_empty() || !network.is_trainable(e.group))
    );
    // Half of the trials are clipped, in one group much, in another not at all.
    let clip: Vec<_> = median
        .iter()
        .enumerate()
        .map(|(g, &norm)| (g % 3 != 2).then_some(norm * T::from_subset(&0.9)))
        .collect();
    for clip in [None, Some(&clip[..])] {
        for lanes in [3, 8] {
            let (said, gradient) = outcome(&mut alone(lanes), network, trials, clip, false);
            assert!(gradient.iter().any(|x| *x != T::zero()));
            for threads in [1, 2] {
                on(threads, || {
                    let mut batch = Batch::with_lanes(lanes).lockstep(Some(true));
                    for round in 0..2 {
                        let (said_together, together) = outcome(&mut batch, network, trials, clip, true);
                        assert_eq!(said_together, said, "{lanes} lanes, {threads} threads, round {round}");
                        for (i, (a, b)) in together.iter().zip(&gradient).enumerate() {
                            assert!(a == b, "{i}: {a:?} {b:?}, {lanes} lanes, {threads} threads");
                        }
                    }
                });
            }
        }
    }
}

fn both_scalars(network: &Network<f64>) {
    let mut trials = trials(network, 13);
    agree(network, &trials);
    // A trial that does not stay finite is left out, and says why.
    let inputs = trials[3].inputs.len();
    if inputs > 0 {
        trials[3].inputs[inputs / 2..].fill(1e308);
        agree(network, &trials);
        trials[3].inputs[inputs / 2..].fill(1.0);
    }
    let single: Vec<Trial<f32>> = trials.iter().map(|trial| trial.map(|x| x as f32)).collect();
    agree(&network.to_f32(), &single);
}

#[test]
fn theta_neurons_have_the_same_bits_together_and_alone() {
    both_scalars(&theta());
}

#[test]
fn mixed_populations_have_the_same_bits_together_and_alone() {
    both_scalars(&mixed());
}

#[test]
fn located_resets_have_the_same_bits_together_and_alone() {
    both_scalars(&located());
}

/// A readout that is zero yet leaves all weights without a gradient: clipped trials go together all the same.
#[test]
fn weights_without_a_gradient_yet_do_not_keep_trials_apart() {
    let mut network = theta();
    network.parameters.readout_mut(0).fill(0.0);
    let (trials, scheme) = (trials(&network, 4), SplitStep::new(&network, 0.5).expect("a step"));
    let clip = vec![Some(1.0); network.parameters.layout().entries().len()];
    let [together, alone] = [true, false].map(|together| {
        let mut gradient = network.parameters.zeros_like();
        let mut batch = Batch::default().lockstep(Some(together));
        let loss = QuadraticLoss { lambda: 0.0 };
        let result = batch.gradient(&scheme, &trials, &loss, Some(&clip), &mut gradient).expect("a gradient");
        assert_eq!(result.in_lockstep, together);
        assert!(result.trials.iter().all(|trial| trial.norms[0] == 0.0));
        (gradient, format!("{:?}", result.trials))
    });
    assert!(together == alone && together.0.norm(Group::Readout(0)) > 0.0);
}

/// Few trials, and weights that lie in near caches, are faster one by one.
#[test]
fn small_batches_of_small_networks_are_run_one_by_one() {
    let network = theta();
    let (trials, scheme) = (trials(&network, 13), SplitStep::new(&network, 0.5).expect("a step"));
    let (mut gradient, loss) = (network.parameters.zeros_like(), QuadraticLoss { lambda: 0.01 });
    let result = Batch::default().gradient(&scheme, &trials, &loss, None, &mut gradient).expect("a gradient");
    assert!(!result.in_lockstep);
}
