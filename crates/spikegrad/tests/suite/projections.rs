//! Projections between populations, with matrices, factors, delays and lists of connections: their gradients are exact, and they
//! are those of the network in which the same weights stand in matrices over all neurons.

use super::common::{by_dual_numbers, normal, passes_merged, random_trial};
use super::synapses::random_synapse;
use proptest::prelude::*;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use spikegrad::adjoint::{GradientCheck, Memory, Sweep};
use spikegrad::integrators::tableau;
use spikegrad::models::{AdEx, Depression, DifferenceOfExponentials, GateShape, Lif, Nif, Theta};
use spikegrad::network::{
    Connector, Error, Feature, Group, InitialState, Network, NetworkBuilder, PlainStep, Population,
    Projection, Scalar, Sign, SplitStep, Trial, pontryagin,
};
use spikegrad::tasks::{NetworkObjective, Purpose, QuadraticLoss, Scheme, generator};

const H: f64 = 0.5;
const LOSS: QuadraticLoss<f64> = QuadraticLoss { lambda: 0.1 };

/// Three populations of different sizes and models.
pub(crate) fn populations(sizes: [usize; 3]) -> NetworkBuilder {
    let gate = GateShape::RaisedCosine;
    Network::builder()
        .population(Population::new("a", Theta::default(), sizes[0], gate, 0.4))
        .population(Population::new("b", Lif::default(), sizes[1], gate, 0.4))
        .population(Population::new("c", Nif, sizes[2], gate, 0.4))
        .inputs(1)
        .outputs(2)
}

/// Every way in which a projection can have its weights and delays.
pub(crate) const KINDS: [fn(Projection, u64) -> Projection; 9] = [
    |p, _| p,
    |p, _| p.without_autapses(),
    |p, _| p.low_rank(1),
    |p, _| p.axonal_delays(1.3),
    |p, _| p.connection_delays(0.9),
    |p, seed| p.connected(Connector::Probability { probability: 0.6, seed }),
    |p, seed| p.connected(Connector::InDegree { degree: 1, seed }).without_autapses(),
    |p, seed| p.connected(Connector::Probability { probability: 0.6, seed }).axonal_delays(1.1),
    |p, seed| p.connected(Connector::Probability { probability: 0.7, seed }).connection_delays(1.7),
];

const ENDS: [Option<(&str, &str)>; 6] =
    [None, Some(("a", "b")), Some(("b", "a")), Some(("b", "b")), Some(("c", "a")), Some(("b", "c"))];

/// The ways that go with time constants of each neuron, for which currents are formed anew at every step.
const DENSE_KINDS: [fn(Projection, u64) -> Projection; 4] = [
    |p, _| p.tau_per_neuron(),
    |p, _| p.tau_per_neuron().without_autapses(),
    |p, _| p.tau_per_neuron().axonal_delays(1.3),
    |p, _| p,
];

/// A network with four random projections, from which the outputs are read at random, and a trial; on the dense path or not.
pub(crate) fn random(sizes: [usize; 3], dense: bool, seed: u64) -> (Network<f64>, Trial<f64>) {
    let rng = &mut generator(seed, Purpose::Test, 0);
    let names = ["w", "x", "y", "z"];
    let mut builder = populations(sizes).read_from(names[rng.random_range(0..4)]);
    for (k, name) in names.into_iter().enumerate() {
        let tau = rng.random_range(4.0..15.0);
        // One has synapses of any kind.
        let projection =
            if k == 1 { random_synapse(name, tau, dense, rng) } else { Projection::new(name, tau) };
        let projection = match ENDS[rng.random_range(0..ENDS.len())] {
            None => projection,
            Some((pre, post)) => projection.between(pre, post),
        };
        let kinds = if dense { &DENSE_KINDS[..] } else { &KINDS };
        // The first one decides for all.
        let kind = if dense && k == 0 { 0 } else { rng.random_range(0..kinds.len()) };
        builder = builder.projection(kinds[kind](projection, seed + k as u64));
    }
    let mut network = builder.build().expect("a network");
    network.unfreeze_all();
    randomise(&mut network, rng);
    let mut trial = random_trial(&mut network, H, 0.0, rng);
    if rng.random_bool(0.3) {
        network.freeze(Group::Initial).expect("an initial state");
        let x = network.parameters.group(Group::Initial).to_vec();
        let s = (0..network.traces()).map(|_| 0.02 * rng.random::<f64>()).collect();
        trial.initial = Some(InitialState { x, s });
    }
    (network, trial)
}

pub(crate) fn randomise(network: &mut Network<f64>, rng: &mut ChaCha8Rng) {
    let projections = network.projections().len();
    for k in 0..projections {
        let (gain, mask) = (0.3 / 3.0, network.mask(Group::Weight(k)).map(<[bool]>::to_vec));
        for group in [Group::Left(k), Group::Right(k), Group::Weight(k)] {
            network.parameters.group_mut(group).iter_mut().for_each(|w| *w = gain * normal(rng));
        }
        let weights = network.parameters.group_mut(Group::Weight(k));
        weights
            .iter_mut()
            .zip(mask.iter().flatten())
            .filter(|(_, exists)| !**exists)
            .for_each(|(w, _)| *w = 0.0);
        let taus = network.parameters.group_mut(Group::Tau(k));
        taus.iter_mut().for_each(|tau| *tau *= rng.random_range(0.8..1.2));
        for parameter in 0.. {
            let group = Group::Synapse { projection: k, parameter };
            if network.parameters.group(group).is_empty() {
                break;
            }
            network.parameters.group_mut(group)[0] *= rng.random_range(0.8..1.2);
        }
        let delays = network.parameters.group_mut(Group::Delay(k));
        delays.iter_mut().for_each(|delay| *delay *= rng.random_range(0.05..2.0));
    }
}

fn gradient<T: Scalar>(network: &Network<T>, trial: &Trial<T>, memory: Memory) -> (T, Vec<T>) {
    let loss = QuadraticLoss { lambda: T::from_subset(&0.1) };
    let scheme = SplitStep::new(network, H).expect("a scheme");
    let run = scheme.run(trial, &loss).expect("a run");
    let mut gradient = network.parameters.zeros_like();
    let cost = Sweep::new().memory(memory).gradient(&run, gradient.values_mut()).expect("finite");
    (cost, gradient.values().to_vec())
}

#[test]
fn projections_between_populations_have_an_exact_gradient() {
    let sizes = (2..5_usize, 2..5_usize, 2..4_usize);
    passes_merged(&(sizes, any::<bool>(), any::<u32>()), |((a, b, c), dense, seed)| {
        let (network, trial) = random([a, b, c], dense, u64::from(seed));
        let mut objective = NetworkObjective::new(network, &trial, &LOSS, Scheme::default(), H);
        let report =
            GradientCheck::default().run(&mut objective).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert!(report.agreement().is_ok(), "{report}");
        Ok(vec![report])
    });
}

#[test]
fn dual_numbers_agree_with_the_adjoint_of_every_kind() {
    for (seed, dense) in (0..40).flat_map(|seed| [(seed, false), (seed, true)]) {
        let (network, trial) = random([3, 2, 2], dense, seed);
        assert_eq!(SplitStep::new(&network, H).expect("a scheme").is_dense(), dense);
        let (_, gradient) = gradient(&network, &trial, Memory::Stored);
        let forward = by_dual_numbers(&network, &trial, H, LOSS.lambda);
        for entry in network.parameters.layout().entries() {
            if !network.is_trainable(entry.group) {
                continue;
            }
            let masked = |i: usize| network.mask(entry.group).is_some_and(|mask| !mask[i]);
            let scale = gradient[entry.range.clone()].iter().fold(1e-9, |m: f64, g| m.max(g.abs()));
            for i in entry.range.clone().filter(|i| !masked(i - entry.range.start)) {
                let error = (gradient[i] - forward[i]).abs();
                assert!(error <= 1e-9 * scale, "{seed} {}: {} {}", entry.name, gradient[i], forward[i]);
            }
        }
    }
}

#[test]
fn checkpoints_have_the_bits_of_the_stored_tape() {
    for seed in 0..30 {
        let (network, trial) = random([4, 3, 2], seed % 3 == 0, seed);
        let stored = gradient(&network, &trial, Memory::Stored);
        for memory in [Memory::SqrtSteps, Memory::Every(7)] {
            assert_eq!(stored, gradient(&network, &trial, memory), "{seed}");
        }
    }
}

/// The network of `network`'s weights in matrices over all neurons, with a projection for each.
fn spread(network: &Network<f64>, builder: NetworkBuilder) -> Network<f64> {
    let mut whole = builder.build().expect("a network");
    for k in 0..network.projections().len() {
        let (pre, post) = network.ends(k);
        let weights = network.parameters.group(Group::Weight(k));
        let dense = match network.connections(k) {
            Some(list) => list.to_dense(weights, post.len()),
            None => weights.to_vec(),
        };
        let mut to = whole.parameters.weight_mut(k);
        for (at, &w) in dense.iter().enumerate() {
            to[(post.start + at % post.len(), pre.start + at / post.len())] = w;
        }
        let tau = network.parameters.group(Group::Tau(k))[0];
        whole.parameters.group_mut(Group::Tau(k)).fill(tau);
        for parameter in 0..3 {
            let group = Group::Synapse { projection: k, parameter };
            let value = network.parameters.group(group).to_vec();
            whole.parameters.group_mut(group).copy_from_slice(&value);
        }
    }
    for group in [Group::Bias, Group::Input, Group::Initial] {
        let values = network.parameters.group(group).to_vec();
        whole.parameters.set(group, &values).expect("the same sizes");
    }
    let (pre, _) = network.ends(network.read_from());
    let readout = network.parameters.readout(0).clone_owned();
    whole.parameters.readout_mut(0).columns_mut(pre.start, pre.len()).copy_from(&readout);
    whole.unfreeze_all();
    whole
}

/// The largest difference of two vectors by the largest entry of the second.
fn difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1e-300, |m: f64, x| m.max(x.abs()));
    a.iter().zip(b).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs())) / largest
}

#[test]
fn blocks_and_connections_equal_matrices_over_all_neurons() {
    let sizes = [70, 50, 40];
    let names = ["w", "x", "y", "z"];
    for (seed, delay) in [(1, None), (2, Some(1.2)), (3, None)] {
        let with = |p: Projection| {
            // The third one has synapses of two filters that depress.
            let p = if seed == 3 { p.short_term(Depression { u: 0.3, tau_rec: 20.0 }) } else { p };
            delay.map_or(p.clone(), |delay| p.axonal_delays(delay))
        };
        let of = |name: &str, tau| match seed {
            3 => Projection::with(name, DifferenceOfExponentials { tau, tau_rise: 2.0 }),
            _ => Projection::new(name, tau),
        };
        let half = Connector::Probability { probability: 0.3, seed };
        let mut builder = populations(sizes)
            .projection(with(of("w", 9.0).between("b", "a")))
            .projection(with(of("x", 5.0).between("b", "b").connected(half.clone())))
            .projection(with(of("y", 12.0).connected(half)));
        let mut of_all = populations(sizes);
        builder = builder.projection(with(of("z", 7.0).between("a", "c"))).read_from("w");
        for name in names {
            of_all = of_all.projection(with(of(name, 10.0)));
        }
        let mut network = builder.build().expect("a network");
        network.unfreeze_all();
        let rng = &mut generator(seed, Purpose::Test, 1);
        randomise(&mut network, rng);
        for k in 0..4 {
            network.parameters.group_mut(Group::Weight(k)).iter_mut().for_each(|w| *w *= 0.2);
            network.parameters.group_mut(Group::Delay(k)).fill(delay.unwrap_or(1.0));
        }
        let trial = random_trial(&mut network, H, 0.0, rng);
        let whole = spread(&network, of_all.read_from("w"));
        // The readout of all neurons sees those of the others with weights of zero, the activity does not.
        let loss = QuadraticLoss { lambda: 0.0 };
        let gradient = |network: &Network<f64>| {
            let scheme = SplitStep::new(network, H).expect("a scheme");
            let run = scheme.run(&trial, &loss).expect("a run");
            let mut bar = network.parameters.zeros_like();
            let cost = Sweep::new().gradient(&run, bar.values_mut()).expect("finite");
            assert!(run.record().expect("finite").spikes.len() > 100);
            (cost, bar)
        };
        let ((cost, bar), (other, all)) = (gradient(&network), gradient(&whole));
        assert!((cost - other).abs() <= 1e-12 * cost, "{cost} {other}");
        for k in 0..4 {
            let (pre, post) = network.ends(k);
            let block = all.weight(k).view((post.start, pre.start), (post.len(), pre.len())).clone_owned();
            let expected: Vec<f64> = match network.connections(k) {
                None => block.iter().copied().collect(),
                Some(list) => list.pairs().map(|(i, j)| block[(i, j)]).collect(),
            };
            assert!(difference(bar.group(Group::Weight(k)), &expected) < 1e-10, "{k}");
            assert!(difference(bar.group(Group::Tau(k)), all.group(Group::Tau(k))) < 1e-10, "{k}");
        }
        for group in [Group::Bias, Group::Input, Group::Initial] {
            assert!(difference(bar.group(group), all.group(group)) < 1e-10, "{group}");
        }
    }
}

#[test]
fn work_follows_the_connections() {
    let one_percent = Connector::Probability { probability: 0.01, seed: 1 };
    let neurons = || Population::new("lif", Lif::default(), 2000, GateShape::RaisedCosine, 0.3);
    let build = |p: Projection| {
        let mut network = Network::builder().population(neurons()).projection(p).build().expect("a network");
        network.parameters.bias_mut().fill(0.06);
        network
    };
    let work = |network: &Network<f64>| {
        let scheme = SplitStep::new(network, H).expect("a scheme");
        let trial = Trial::silent(100, H, 0);
        scheme.run(&trial, &LOSS).expect("a run").work().expect("finite")
    };
    let dense = build(Projection::new("slow", 10.0));
    let sparse = build(Projection::new("slow", 10.0).connected(one_percent));
    let (all, some) = (work(&dense), work(&sparse));
    assert_eq!(all.columns(), some.columns());
    let share = sparse.parameters.weight(0).len() as f64 / dense.parameters.weight(0).len() as f64;
    assert!((0.0098..0.0102).contains(&share), "{share}");
    // What is left is the vectors over neurons and the tape.
    assert!(some.bytes < all.bytes / 10 && some.flops < all.flops / 10, "{some:?} {all:?}");
}

#[test]
fn connectors_connect_as_they_say() {
    let connect = |connector: Connector, autapses: bool| {
        let projection = Projection::new("p", 5.0).between("b", "b").connected(connector);
        let projection = if autapses { projection } else { projection.without_autapses() };
        populations([3, 200, 4]).projection(projection).build()
    };
    let pairs =
        |network: &Network<f64>| -> Vec<_> { network.connections(0).expect("a list").pairs().collect() };
    let drawn = connect(Connector::Probability { probability: 0.1, seed: 1 }, true).expect("a network");
    let found = pairs(&drawn);
    // Four standard deviations.
    assert!((3760..4240).contains(&found.len()), "{}", found.len());
    assert!(found.windows(2).all(|w| (w[0].1, w[0].0) < (w[1].1, w[1].0)));
    let again = connect(Connector::Probability { probability: 0.1, seed: 1 }, true).expect("a network");
    assert_eq!(found, pairs(&again));
    let none = connect(Connector::Probability { probability: 0.0, seed: 1 }, true).expect("a network");
    assert!(pairs(&none).is_empty());
    let all = connect(Connector::Probability { probability: 1.0, seed: 1 }, false).expect("a network");
    assert_eq!(pairs(&all).len(), 200 * 199);
    let degree = connect(Connector::InDegree { degree: 7, seed: 2 }, false).expect("a network");
    let mut into = [0; 200];
    for (i, j) in pairs(&degree) {
        assert_ne!(i, j);
        into[i] += 1;
    }
    assert_eq!(into, [7; 200]);
    let one = connect(Connector::OneToOne, true).expect("a network");
    assert!(pairs(&one).into_iter().eq((0..200).map(|i| (i, i))));
    let listed = connect(Connector::Pairs(vec![(5, 1), (2, 1), (0, 7)]), true).expect("a network");
    assert_eq!(pairs(&listed), [(2, 1), (5, 1), (0, 7)]);
    for (connector, autapses) in [
        (Connector::Probability { probability: 1.5, seed: 1 }, true),
        (Connector::Probability { probability: f64::NAN, seed: 1 }, true),
        (Connector::InDegree { degree: 200, seed: 1 }, false),
        (Connector::Pairs(vec![(200, 0)]), true),
        (Connector::Pairs(vec![(1, 0), (1, 0)]), true),
        (Connector::Pairs(vec![(3, 3)]), false),
    ] {
        let refused = connect(connector.clone(), autapses);
        assert!(matches!(refused, Err(Error::Connector { .. })), "{connector:?}");
    }
    let uneven = Projection::new("p", 5.0).between("a", "b").connected(Connector::OneToOne);
    assert!(matches!(populations([3, 5, 4]).projection(uneven).build(), Err(Error::Connector { .. })));
    let nowhere = populations([3, 5, 4]).projection(Projection::new("p", 5.0).between("a", "d"));
    let error = nowhere.build().expect_err("no such population");
    assert_eq!(error.to_string(), "there is no population `d`: choose one of a, b, c");
}

#[test]
fn what_does_not_go_with_a_list_of_connections_is_refused() {
    let list = || Projection::new("p", 5.0).connected(Connector::Probability { probability: 0.5, seed: 1 });
    let refused = |p: Projection| match populations([3, 4, 2]).projection(p).build() {
        Err(Error::Excluded { feature, other, .. }) => (feature, other),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(list().low_rank(1)).1, Feature::Connections);
    assert_eq!(refused(list().tau_per_neuron()), (Feature::Connections, Feature::DensePath));
    let mut network = populations([3, 4, 2]).projection(list()).build().expect("a network");
    assert!(matches!(network.set_mask(Group::Weight(0), |_, _| true), Err(Error::NoMask { .. })));
    assert!(!SplitStep::new(&network, H).expect("a scheme").dense().is_dense());
    // What belongs to single connections goes by the connections.
    network.parameters.group_mut(Group::Weight(0)).fill(0.1);
    network.set_signs(|i| (i == 1).then_some(Sign::Inhibitory));
    network.freeze_entries(Group::Weight(0), |post, pre| post == 2 && pre == 1).expect("connections");
    let list = network.connections(0).expect("a list");
    let weights = network.parameters.group(Group::Weight(0));
    let frozen =
        network.frozen_entries(Group::Weight(0)).map_or_else(|| vec![false; list.len()], <[bool]>::to_vec);
    for ((pair, &w), frozen) in list.pairs().zip(weights).zip(frozen) {
        assert_eq!(w, if pair.1 == 1 { -0.1 } else { 0.1 });
        assert_eq!(frozen, pair == (2, 1));
    }
}

#[test]
fn the_plain_field_and_the_continuous_adjoint_take_blocks() {
    let half = Connector::Probability { probability: 0.5, seed: 1 };
    let mut network = Network::builder()
        .population(Population::new("a", Theta::default(), 4, GateShape::RaisedCosine, 0.4))
        .population(Population::new("c", Theta::default(), 3, GateShape::RaisedCosine, 0.4))
        .projection(Projection::new("x", 8.0).between("a", "c"))
        .projection(Projection::new("y", 15.0).between("c", "a").connected(half))
        .read_from("y")
        .inputs(1)
        .outputs(2)
        .build()
        .expect("a network");
    network.unfreeze_all();
    let rng = &mut generator(3, Purpose::Test, 2);
    randomise(&mut network, rng);
    let trial = random_trial(&mut network, H, 0.0, rng);
    // Exact in the plain field.
    let scheme = Scheme::Plain(tableau::RK4);
    let mut objective = NetworkObjective::new(network.clone(), &trial, &LOSS, scheme, H);
    let report = GradientCheck::default().run(&mut objective).expect("a report");
    assert!(report.agreement().is_ok(), "{report}");
    // All three go to the same gradient.
    let fine = 0.01;
    let plain = PlainStep::new(&network, fine, tableau::RK4).expect("a scheme");
    let split = SplitStep::with_method(&network, fine, tableau::RK4).expect("a scheme");
    let mut bars = [network.parameters.zeros_like(), network.parameters.zeros_like()];
    Sweep::new().gradient(&plain.run(&trial, &LOSS).expect("a run"), bars[0].values_mut()).expect("finite");
    let run = split.run(&trial, &LOSS).expect("a run");
    Sweep::new().gradient(&run, bars[1].values_mut()).expect("finite");
    let continuous = pontryagin(&run).expect("an adjoint");
    for k in 0..2 {
        let group = Group::Weight(k);
        assert!(difference(bars[1].group(group), bars[0].group(group)) < 0.02, "{k}");
        assert!(difference(continuous.gradient.group(group), bars[0].group(group)) < 0.02, "{k}");
    }
}

#[test]
fn a_network_of_layers_has_matrices_of_its_layers() {
    let layer = |name, size| Population::new(name, AdEx::default(), size, GateShape::RaisedCosine, 2.0);
    let network = Network::builder()
        .population(layer("hidden", 30))
        .population(layer("out", 5))
        .projection(Projection::new("forward", 5.0).between("hidden", "out"))
        .projection(Projection::new("read", 20.0).between("out", "out"))
        .read_from("read")
        .outputs(3)
        .build()
        .expect("a network");
    assert_eq!(network.parameters.weight(0).shape(), (5, 30));
    assert_eq!(network.parameters.weight(1).shape(), (5, 5));
    assert_eq!(network.parameters.readout(0).shape(), (3, 5));
    let run = SplitStep::new(&network, 0.1).expect("a scheme");
    let trial = Trial::silent(10, 0.1, 0);
    let recording = run.run(&trial, &LOSS).map(|run| run.record().expect("finite"));
    assert!(matches!(recording, Err(Error::NoTargets)));
    let recording = run.run(&trial, &spikegrad::network::NoLoss).expect("a run").record().expect("finite");
    assert_eq!([recording.s[0].len(), recording.synaptic_current[0].len()], [300, 50]);
}

#[test]
fn samples_that_are_held_are_what_they_are_step_by_step() {
    let mut network = populations([4, 3, 2])
        .inputs(5)
        .projection(Projection::new("w", 9.0).axonal_delays(1.2))
        .projection(Projection::new("x", 5.0).between("b", "a"))
        .build()
        .expect("a network");
    network.unfreeze_all();
    let rng = &mut generator(5, Purpose::Test, 3);
    randomise(&mut network, rng);
    random_trial(&mut network, H, 0.0, rng);
    let mut held = Trial::silent(30, 4.0 * H, 5);
    held.inputs.iter_mut().for_each(|i| *i = if rng.random_bool(0.3) { 0.0 } else { normal(rng) });
    held.targets = (0..60).map(|_| normal(rng)).collect();
    let each = |values: &[f64], width: usize| -> Vec<f64> {
        values.chunks(width).flat_map(|sample| std::iter::repeat_n(sample, 4)).flatten().copied().collect()
    };
    let steps = Trial {
        interval: H,
        samples: 120,
        inputs: each(&held.inputs, 5),
        targets: each(&held.targets, 2),
        ..held.clone()
    };
    let (cost, bar) = gradient(&network, &held, Memory::Stored);
    let (other, all) = gradient(&network, &steps, Memory::Stored);
    assert_eq!(cost.to_bits(), other.to_bits());
    assert!(difference(&bar, &all) < 1e-13);
    // A segment may begin inside a sample.
    for memory in [Memory::SqrtSteps, Memory::Every(7)] {
        assert_eq!((cost, bar.clone()), gradient(&network, &held, memory));
    }
}
