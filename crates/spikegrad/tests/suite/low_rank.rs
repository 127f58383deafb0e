//! Recurrent weights of low rank: their gradient is exact, it is that of the network with the product as its weights by the
//! chain rule, and it costs less.

use super::common::{by_dual_numbers, normal, passes_merged, random_trial};
use proptest::prelude::*;
use spikegrad::adjoint::{GradientCheck, Memory, Sweep};
use spikegrad::integrators::tableau;
use spikegrad::models::{GateShape, Lif, NeuronVjp, Theta};
use spikegrad::network::{
    Error, Feature, Group, Network, NetworkBuilder, NoLoss, Parameters, PlainStep, Population, Sign,
    SplitStep, Trial, pontryagin,
};
use spikegrad::tasks::{
    LearningRate, NetworkObjective, Optimiser, Purpose, QuadraticLoss, Scheme, UpdateRule, generator,
    load_into, save,
};

const H: f64 = 0.5;
const LOSS: QuadraticLoss<f64> = QuadraticLoss { lambda: 0.1 };

/// `n` neurons with a class of low rank before and behind a full one.
fn builder<N: NeuronVjp>(neuron: N, n: usize) -> NetworkBuilder {
    Network::builder()
        .population(Population::new("p", neuron, n, GateShape::RaisedCosine, 0.4))
        .synapse("slow", 20.0)
        .synapse("fast", 5.0)
        .synapse("slower", 40.0)
        .inputs(1)
        .outputs(2)
}

/// Everything random, and trainable.
fn random<N: NeuronVjp>(neuron: N, n: usize, ranks: [usize; 2], seed: u64) -> (Network<f64>, Trial<f64>) {
    let rng = &mut generator(seed, Purpose::Test, 0);
    let low = builder(neuron, n)
        .change("slow", |p| p.low_rank(ranks[0]))
        .change("slower", |p| p.low_rank(ranks[1]));
    fill(low.build().expect("a network"), ranks, rng)
}

fn fill(
    mut network: Network<f64>,
    ranks: [usize; 2],
    rng: &mut rand_chacha::ChaCha8Rng,
) -> (Network<f64>, Trial<f64>) {
    let n = network.neurons();
    network.unfreeze_all();
    let root = (n as f64).sqrt();
    for (k, rank) in [(0, ranks[0]), (2, ranks[1])] {
        let each = (0.06 / root / (rank as f64).sqrt()).sqrt();
        for group in [Group::Left(k), Group::Right(k)] {
            network.parameters.group_mut(group).iter_mut().for_each(|x| *x = each * normal(rng));
        }
    }
    let w = network.parameters.group_mut(Group::Weight(1));
    w.iter_mut().for_each(|w| *w = 0.06 / root * normal(rng));
    let trial = random_trial(&mut network, H, 0.5, rng);
    (network, trial)
}

fn gradient(network: &Network<f64>, trial: &Trial<f64>, memory: Memory) -> (f64, Parameters<f64>) {
    let mut gradient = network.parameters.zeros_like();
    let scheme = SplitStep::with_method(network, H, tableau::MIDPOINT).expect("a scheme");
    let run = scheme.run(trial, &LOSS).expect("a run");
    let cost = Sweep::new().memory(memory).gradient(&run, gradient.values_mut()).expect("finite");
    (cost, gradient)
}

#[test]
fn networks_of_low_rank_have_an_exact_gradient() {
    let check = |network: Network<f64>, trial: &Trial<f64>, seed| {
        let mut objective = NetworkObjective::new(network, trial, &LOSS, Scheme::default(), H);
        let check = GradientCheck { seed, ..GradientCheck::default() };
        let report = check.run(&mut objective).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert!(report.agreement().is_ok(), "{report}");
        let factors =
            report.groups.iter().filter(|g| g.name.ends_with(".left") || g.name.ends_with(".right"));
        prop_assert!(factors.filter(|g| g.norm > 0.0).count() == 4, "{report}");
        Ok(report)
    };
    passes_merged(&(3..9_usize, 1..4_usize, any::<u64>()), |(n, rank, seed)| {
        let (network, trial) = random(Theta::default(), n, [rank, 1], seed);
        let first = check(network, &trial, seed)?;
        // The projection in the middle with delays.
        let low = builder(Lif::default(), n)
            .change("slow", |p| p.low_rank(1))
            .change("slower", |p| p.low_rank(rank));
        let network = low.change("fast", |p| p.axonal_delays(1.3)).build().expect("a network");
        let rng = &mut generator(seed, Purpose::Test, 1);
        let (network, trial) = fill(network, [1, rank], rng);
        Ok(vec![first, check(network, &trial, seed)?])
    });
}

/// The network with `W = L R` in place of both factors.
fn product(low: &Network<f64>) -> Network<f64> {
    let mut full = builder(Theta::default(), low.neurons()).build().expect("a network");
    full.unfreeze_all();
    for entry in low.parameters.layout().entries() {
        if !matches!(entry.group, Group::Left(_) | Group::Right(_)) {
            full.parameters.set(entry.group, low.parameters.group(entry.group)).expect("a group");
        }
    }
    for k in [0, 2] {
        let w = low.parameters.left(k) * low.parameters.right(k);
        full.parameters.weight_mut(k).copy_from(&w);
    }
    full
}

fn close(name: &str, a: &[f64], b: &[f64]) {
    let norm = b.iter().map(|b| b * b).sum::<f64>().sqrt();
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= 1e-11 * norm + 1e-16, "{name}: {a} {b}");
    }
}

#[test]
fn a_network_of_low_rank_is_the_one_with_the_product_as_its_weights() {
    for (n, ranks, seed) in [(4, [1, 2], 1), (10, [2, 3], 2), (20, [3, 1], 3), (6, [6, 6], 4)] {
        let (low, trial) = random(Theta::default(), n, ranks, seed);
        let full = product(&low);
        let (cost, gradient_low) = gradient(&low, &trial, Memory::Stored);
        let (expected, gradient_full) = gradient(&full, &trial, Memory::Stored);
        assert!((cost / expected - 1.0).abs() < 1e-12, "{cost} {expected}");
        for entry in low.parameters.layout().entries() {
            match entry.group {
                Group::Left(k) => {
                    let by_w = gradient_full.weight(k) * low.parameters.right(k).transpose();
                    close(&entry.name, gradient_low.group(entry.group), by_w.as_slice());
                }
                Group::Right(k) => {
                    let by_w = low.parameters.left(k).transpose() * gradient_full.weight(k);
                    close(&entry.name, gradient_low.group(entry.group), by_w.as_slice());
                }
                group => close(&entry.name, gradient_low.group(group), gradient_full.group(group)),
            }
        }
        let checkpointed = gradient(&low, &trial, Memory::SqrtSteps);
        assert_eq!((cost, gradient_low), checkpointed);
    }
}

#[test]
fn dual_numbers_agree_with_the_adjoint_of_low_rank() {
    for (n, ranks, seed) in [(4, [1, 2], 1), (5, [2, 1], 2)] {
        let (network, trial) = random(Lif::default(), n, ranks, seed);
        let mut backward = network.parameters.zeros_like();
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        Sweep::new()
            .gradient(&scheme.run(&trial, &LOSS).expect("a run"), backward.values_mut())
            .expect("finite");
        let forward = by_dual_numbers(&network, &trial, H, LOSS.lambda);
        for entry in network.parameters.layout().entries() {
            close(&entry.name, backward.group(entry.group), &forward[entry.range.clone()]);
        }
    }
}

/// `N r` for a step in which anything was released, in place of `N` for each neuron.
#[test]
fn low_rank_costs_its_rank() {
    let (n, rank) = (200, 2);
    let population = || Population::new("theta", Theta::default(), n, GateShape::Box, 0.3);
    let work = |network: Result<Network<f64>, Error>| {
        let mut network = network.expect("a network");
        let spread = |i: usize| 0.03 * (1.0 + 0.3 * (i as f64).sin());
        network.parameters.bias_mut().iter_mut().enumerate().for_each(|(i, b)| *b = spread(i));
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        scheme.run(&Trial::silent(200, H, 0), &NoLoss).expect("a run").work().expect("finite")
    };
    let start = || Network::builder().population(population()).synapse("slow", 10.0);
    let (full, low) = (work(start().build()), work(start().change("slow", |p| p.low_rank(rank)).build()));
    println!("columns {} and {}, operations {} and {}", full.columns(), low.columns(), full.flops, low.flops);
    assert!(low.columns_forward <= 200 * rank as u64 && low.columns_forward > 100);
    assert!(full.columns() > 10 * low.columns(), "{full:?} {low:?}");
    assert!(full.flops > 5 * low.flops && full.bytes > 3 * low.bytes, "{full:?} {low:?}");
}

#[test]
fn low_rank_allocates_nothing_after_the_first_trial() {
    let (network, trial) = random(Theta::default(), 8, [2, 3], 7);
    let scheme = SplitStep::new(&network, H).expect("a scheme");
    let run = scheme.run(&trial, &LOSS).expect("a run");
    let (mut sweep, mut gradient) = (Sweep::new(), network.parameters.zeros_like());
    sweep.gradient(&run, gradient.values_mut()).expect("finite");
    let count = allocation_counter::measure(|| {
        sweep.gradient(&run, gradient.values_mut()).expect("finite");
    });
    assert_eq!(count.count_total, 0);
}

#[test]
fn networks_of_low_rank_train_and_are_kept_in_files() {
    let (mut network, trial) = random(Theta::default(), 12, [2, 1], 5);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("network");
    let groups = [(Group::Left(0), 3e-3), (Group::Right(0), 3e-3), (Group::Readout(0), 0.1)];
    let rates = groups.map(|(group, rate)| LearningRate { group, rate });
    let mut optimiser = Optimiser::new(&network, UpdateRule::ADAM, &rates).expect("an optimiser");
    let (first, _) = gradient(&network, &trial, Memory::Stored);
    let before = network.parameters.left(0).clone_owned();
    for _ in 0..60 {
        let (_, bar) = gradient(&network, &trial, Memory::Stored);
        optimiser.step(&mut network, &bar, 1.0).expect("a step");
    }
    let (last, _) = gradient(&network, &trial, Memory::Stored);
    assert!(last < 0.9 * first && network.parameters.left(0) != before, "{first} {last}");
    save(&network, &path).expect("a file");
    let (mut other, _) = random(Theta::default(), 12, [2, 1], 6);
    load_into(&mut other, &path).expect("the same structure");
    assert_eq!(other.parameters, network.parameters);
    // Another rank is another structure.
    let (mut other, _) = random(Theta::default(), 12, [1, 1], 6);
    load_into(&mut other, &path).expect_err("another structure");
    let single = network.to_f32();
    assert_eq!(single.parameters.right(0).shape(), (2, 12));
    assert!(SplitStep::new(&single, H).is_ok());
}

#[test]
fn what_needs_every_weight_refuses_low_rank() {
    let low = || builder(Theta::default(), 5).change("slow", |p| p.low_rank(2));
    let refused = |builder: NetworkBuilder| {
        matches!(builder.build(), Err(Error::Excluded { feature: Feature::LowRank, .. }))
    };
    assert!(refused(low().change("slow", |p| p.axonal_delays(1.0))));
    assert!(refused(low().change("slow", |p| p.connection_delays(1.0))));
    assert!(refused(low().change("fast", |p| p.tau_per_neuron())));
    assert!(refused(low().change("slow", |p| p.without_autapses())));
    let inhibitory = Population::new("i", Lif::default(), 2, GateShape::Box, 0.4).inhibitory();
    assert!(refused(low().population(inhibitory)));
    for rank in [0, 6] {
        let build = builder(Theta::default(), 5).change("slow", |p| p.low_rank(rank)).build();
        assert!(matches!(build, Err(Error::Rank { rank: found, most: 5, .. }) if found == rank));
    }
    let mut network = low().build().expect("a network");
    assert!(matches!(network.set_mask(Group::Left(0), |_, _| true), Err(Error::NoMask { .. })));
    assert!(matches!(
        PlainStep::new(&network, H, tableau::RK4),
        Err(Error::Excluded { feature: Feature::LowRank, .. })
    ));
    let scheme = SplitStep::new(&network, H).expect("a scheme").dense();
    assert!(!scheme.is_dense());
    let trial = Trial::silent(10, H, 1);
    let run = scheme.run(&trial, &NoLoss).expect("a run");
    assert!(matches!(pontryagin(&run), Err(Error::Excluded { feature: Feature::LowRank, .. })));
    network.set_signs(|_| Some(Sign::Excitatory));
    assert!(matches!(SplitStep::new(&network, H), Err(Error::Excluded { feature: Feature::LowRank, .. })));
    // Delays of another class do not mind.
    assert!(low().change("fast", |p| p.axonal_delays(1.0)).build().is_ok());
}
