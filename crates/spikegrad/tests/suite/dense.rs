//! The dense path: the same gradient as the sparse one to rounding, and exact where each neuron has time constants of its
//! own, which only it can do.

use allocation_counter::measure;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use spikegrad::adjoint::{GradientCheck, Memory, Sweep};
use spikegrad::integrators::tableau;
use spikegrad::models::{GateShape, Lif, MorrisLecar, NeuronVjp, Nif, Theta};
use spikegrad::network::{Group, InitialState, Network, PlainStep, Population, SplitStep, Trial};
use spikegrad::tasks::{NetworkObjective, QuadraticLoss, Scheme};

/// A random network below chaos, all of it trainable, and a trial on which it fires.
fn random<N: NeuronVjp>(neuron: N, n: usize, own_taus: bool, seed: u64) -> (Network<f64>, Trial<f64>, f64) {
    let latch = N::NAME == "Morris-Lecar";
    let (h, samples, width) = if latch { (0.1, 400, 20.0) } else { (1.0, 60, 0.3) };
    let mut builder = Network::builder()
        .population(Population::new("p", neuron, n, GateShape::RaisedCosine, width))
        .synapse("slow", 20.0)
        .synapse("fast", 5.0)
        .change("fast", |p| p.without_autapses())
        .inputs(2)
        .outputs(2);
    if own_taus {
        builder = builder.change("slow", |p| p.tau_per_neuron()).change("fast", |p| p.tau_per_neuron());
    }
    let mut network = builder.build().expect("a network");
    network.unfreeze_all();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = |scale: f64| {
        let x: f64 = StandardNormal.sample(&mut rng);
        scale * x
    };
    let (drive, gain) = if latch { (60.0, 20.0) } else { (0.06, 0.05) };
    for class in 0..2 {
        let w = network.parameters.group_mut(Group::Weight(class));
        w.iter_mut().for_each(|w| *w = normal(gain / (n as f64).sqrt()));
        network.parameters.group_mut(Group::Tau(class)).iter_mut().for_each(|tau| *tau *= normal(0.2).exp());
    }
    network.set_mask(Group::Weight(1), |post, pre| post != pre).expect("a mask");
    network.parameters.bias_mut().iter_mut().for_each(|b| *b = drive + normal(0.2 * drive));
    network.parameters.group_mut(Group::Input).iter_mut().for_each(|u| *u = normal(0.2 * drive));
    network.parameters.group_mut(Group::Readout(0)).iter_mut().for_each(|o| *o = normal(1.0));
    let mut trial = Trial::silent(samples, h, 2);
    trial.inputs.iter_mut().enumerate().for_each(|(m, i)| *i = (0.1 * h * m as f64).sin());
    trial.targets = (0..2 * samples).map(|m| 0.1 * (0.07 * h * m as f64).cos()).collect();
    if !latch {
        let x = (0..n).map(|_| 0.5 + normal(0.1)).map(|v: f64| v.clamp(0.0, 0.95)).collect::<Vec<_>>();
        network.parameters.group_mut(Group::Initial).copy_from_slice(&x);
    }
    (network, trial, h)
}

fn gradient(scheme: &SplitStep<'_, f64>, trial: &Trial<f64>) -> (f64, Vec<f64>) {
    let loss = QuadraticLoss { lambda: 0.05 };
    let mut gradient = scheme.network().parameters.zeros_like();
    let run = scheme.run(trial, &loss).expect("a run");
    let cost = Sweep::new().gradient(&run, gradient.values_mut()).expect("finite");
    (cost, gradient.values().to_vec())
}

fn both_paths_agree<N: NeuronVjp>(neuron: N, n: usize, seed: u64) -> Result<(), TestCaseError> {
    let (mut network, mut trial, h) = random(neuron, n, false, seed);
    for with_synapses in [false, true] {
        if with_synapses {
            let x = network.parameters.group(Group::Initial).to_vec();
            trial.initial = Some(InitialState { x, s: (0..2 * n).map(|i| 0.01 * i as f64).collect() });
            network.freeze(Group::Initial).expect("an initial state");
        }
        let sparse = SplitStep::new(&network, h).expect("a scheme");
        let dense = sparse.clone().dense();
        prop_assert!(dense.is_dense() && !sparse.is_dense());
        let ((cost, sparse), (dense_cost, dense)) = (gradient(&sparse, &trial), gradient(&dense, &trial));
        prop_assert!((cost - dense_cost).abs() <= 1e-12 * cost.abs(), "{cost} {dense_cost}");
        for entry in network.parameters.layout().entries() {
            let (a, b) = (&sparse[entry.range.clone()], &dense[entry.range.clone()]);
            let norm = a.iter().map(|x| x * x).sum::<f64>().sqrt();
            let off = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
            prop_assert!(off <= 1e-9 * norm + 1e-14, "{} {}: {off:e} of {norm:e}", N::NAME, entry.name);
        }
    }
    Ok(())
}

fn check<N: NeuronVjp>(neuron: N, n: usize, seed: u64, plain: bool) -> Result<u64, TestCaseError> {
    let (network, trial, h) = random(neuron, n, true, seed);
    let loss = QuadraticLoss { lambda: 0.05 };
    prop_assert!(SplitStep::new(&network, h).expect("a scheme").is_dense());
    let scheme = if plain { Scheme::Plain(tableau::RK4) } else { Scheme::default() };
    let mut objective = NetworkObjective::new(network, &trial, &loss, scheme, h);
    let report = GradientCheck::default().run(&mut objective).expect("a report");
    prop_assert!(report.agreement().is_ok(), "{}\n{report}", N::NAME);
    Ok(report.events.spikes)
}

proptest! {
    #[test]
    fn dense_path_gives_the_sparse_gradient(n in 2..20_usize, seed in 0..u64::MAX) {
        both_paths_agree(Theta::default(), n, seed)?;
        both_paths_agree(Nif, n, seed)?;
        both_paths_agree(Lif::default(), n, seed)?;
        both_paths_agree(MorrisLecar::default(), n, seed)?;
    }

    #[test]
    fn time_constants_of_each_neuron_have_exact_gradients(n in 2..7_usize, seed in 0..u64::MAX) {
        check(Theta::default(), n, seed, false)?;
        check(Nif, n, seed, false)?;
        check(Lif::default(), n, seed, false)?;
        check(Theta::default(), n, seed, true)?;
        check(Nif, n, seed, true)?;
    }
}

/// Neurons enough for gradients of weights to wait for one another, see `crates/network/src/projections/waiting.rs`.
const MANY: usize = 96;

#[test]
fn large_networks_have_an_exact_gradient() {
    for seed in 0..3 {
        both_paths_agree(Theta::default(), MANY, seed).expect("theta");
        both_paths_agree(Lif::default(), MANY, seed).expect("LIF");
        both_paths_agree(MorrisLecar::default(), MANY, seed).expect("Morris-Lecar");
    }
    let (network, trial, h) = random(Theta::default(), MANY, false, 3);
    let loss = QuadraticLoss { lambda: 0.05 };
    let mut objective = NetworkObjective::new(network, &trial, &loss, Scheme::default(), h);
    GradientCheck::default().assert(&mut objective).expect("an exact gradient");
}

#[test]
fn large_networks_have_the_same_bits_with_any_memory_and_allocate_nothing() {
    let (network, trial, h) = random(Theta::default(), MANY, false, 4);
    let scheme = SplitStep::new(&network, h).expect("a scheme");
    let loss = QuadraticLoss { lambda: 0.05 };
    let run = scheme.run(&trial, &loss).expect("a run");
    let (_, expected) = gradient(&scheme, &trial);
    for memory in [Memory::Stored, Memory::SqrtSteps, Memory::Every(11), Memory::Every(3)] {
        let (mut sweep, mut found) = (Sweep::new().memory(memory), network.parameters.zeros_like());
        sweep.gradient(&run, found.values_mut()).expect("finite");
        assert_eq!(found.values(), expected, "{memory:?}");
        let used = measure(|| {
            sweep.gradient(&run, found.values_mut()).expect("finite");
        });
        assert_eq!(used.count_total, 0, "{memory:?}");
    }
}

#[test]
fn own_time_constants_converge_to_the_plain_field() {
    let (network, trial, _) = random(Theta::default(), 8, true, 7);
    let fine = PlainStep::new(&network, 0.01, tableau::RK4).expect("a scheme");
    let loss = QuadraticLoss { lambda: 0.05 };
    let truth = Sweep::new().cost(&fine.run(&trial, &loss).expect("a run")).expect("finite");
    let error = |h: f64| {
        let scheme = SplitStep::new(&network, h).expect("a scheme");
        let run = scheme.run(&trial, &loss).expect("a run");
        (Sweep::new().cost(&run).expect("finite") - truth).abs()
    };
    let order = (error(0.1) / error(0.025)).log2() / 2.0;
    assert!(order > 0.8, "order {order}");
}
