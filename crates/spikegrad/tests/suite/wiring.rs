//! Wiring. Synaptic delays: a charge arrives when it should, to the bit, and delays, weights and all else behind them have
//! exact gradients, on the sparse and on the dense path. Dale's law: training keeps to it. Layers, recurrent ones and skip
//! connections, by masks.

use super::common::{by_dual_numbers, normal, passes_merged, random_trial};
use proptest::prelude::*;
use rand::RngExt;
use spikegrad::adjoint::{GradientCheck, GradientReport, Memory, Sweep};
use spikegrad::integrators::tableau;
use spikegrad::models::{AdEx, GateShape, Lif, NeuronVjp, Theta};
use spikegrad::network::{
    Error, Feature, Group, Network, NoLoss, PlainStep, Population, Sign, SplitStep, Trial, pontryagin,
};
use spikegrad::tasks::{
    LearningRate, NetworkObjective, Optimiser, Pull, Purpose, QuadraticLoss, Scheme, UpdateRule, generator,
    load_into, save,
};

const H: f64 = 0.5;

/// A random network: a class with axonal delays, one without, and one with delays of connections, unless every neuron has
/// time constants of its own, which these do not go with.
fn random<N: NeuronVjp>(neuron: N, n: usize, own_taus: bool, seed: u64) -> (Network<f64>, Trial<f64>) {
    let rng = &mut generator(seed, Purpose::Test, 0);
    let mut builder = Network::builder()
        .population(Population::new("p", neuron, n, GateShape::RaisedCosine, 0.4))
        .synapse("slow", 20.0)
        .synapse("fast", 5.0)
        .synapse("far", 8.0)
        .change("slow", |p| p.axonal_delays(1.3))
        .inputs(1)
        .outputs(2);
    builder = if own_taus {
        builder
            .change("slow", |p| p.tau_per_neuron())
            .change("fast", |p| p.tau_per_neuron())
            .change("far", |p| p.axonal_delays(2.2))
    } else {
        builder.change("far", |p| p.connection_delays(2.2))
    };
    let mut network = builder.build().expect("a network");
    network.unfreeze_all();
    let root = (n as f64).sqrt();
    for class in 0..3 {
        let w = network.parameters.group_mut(Group::Weight(class));
        w.iter_mut().for_each(|w| *w = 0.06 / root * normal(rng));
        let tau = network.parameters.group_mut(Group::Tau(class));
        tau.iter_mut().for_each(|tau| *tau *= rng.random_range(0.7..1.4));
        // From a part of a step to several steps.
        let delays = network.parameters.group_mut(Group::Delay(class));
        delays.iter_mut().for_each(|delay| *delay *= rng.random_range(0.05..2.0));
    }
    let exists: Vec<bool> = (0..n * n).map(|_| rng.random_bool(0.7)).collect();
    network.set_mask(Group::Weight(2), |post, pre| exists[pre * n + post]).expect("a mask");
    let trial = random_trial(&mut network, H, 0.3, rng);
    (network, trial)
}

fn check<N: NeuronVjp>(
    neuron: N,
    n: usize,
    own_taus: bool,
    seed: u64,
) -> Result<GradientReport, TestCaseError> {
    let (network, trial) = random(neuron, n, own_taus, seed);
    let loss = QuadraticLoss { lambda: 0.1 };
    let mut objective = NetworkObjective::new(network, &trial, &loss, Scheme::default(), H);
    let report =
        GradientCheck::default().run(&mut objective).map_err(|e| TestCaseError::fail(e.to_string()))?;
    prop_assert!(report.agreement().is_ok(), "{}\n{report}", N::NAME);
    let delays = report.groups.iter().filter(|g| g.name.ends_with(".delay"));
    prop_assert!(delays.filter(|g| g.norm > 0.0).count() == 2, "{report}");
    Ok(report)
}

#[test]
fn networks_with_delays_have_an_exact_gradient() {
    passes_merged(&(2..8_usize, any::<bool>(), any::<u64>()), |(n, own_taus, seed)| {
        Ok(vec![check(Theta::default(), n, own_taus, seed)?, check(Lif::default(), n, own_taus, seed)?])
    });
}

#[test]
fn dual_numbers_agree_with_the_adjoint_behind_delays() {
    let loss = QuadraticLoss { lambda: 0.1 };
    for (seed, own_taus) in [(1, false), (2, false), (3, true)] {
        let (network, trial) = random(Theta::default(), 4, own_taus, seed);
        let mut gradient = network.parameters.zeros_like();
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        let run = scheme.run(&trial, &loss).expect("a run");
        Sweep::new().gradient(&run, gradient.values_mut()).expect("finite");
        let forward = by_dual_numbers(&network, &trial, H, loss.lambda);
        for entry in network.parameters.layout().entries() {
            let mask = network.mask(entry.group);
            let norm = gradient.norm(entry.group);
            for (i, at) in entry.range.clone().enumerate() {
                let (backward, exists) = (gradient.values()[at], mask.is_none_or(|mask| mask[i]));
                let expected = if exists { forward[at] } else { 0.0 };
                assert!(
                    (backward - expected).abs() <= 1e-10 * norm + 1e-16,
                    "{} {i}: {backward} {expected}",
                    entry.name
                );
            }
        }
    }
}

/// Neuron 0 fires and drives neuron 1, which is too weakly coupled to fire: its current for a delay.
fn current(delay: Option<(bool, f64)>) -> Vec<f64> {
    let mut builder = Network::builder()
        .population(Population::new("lif", Lif::default(), 2, GateShape::RaisedCosine, 0.4))
        .synapse("slow", 10.0);
    builder = match delay {
        Some((true, delay)) => builder.change("slow", |p| p.axonal_delays(delay)),
        Some((false, delay)) => builder.change("slow", |p| p.connection_delays(delay)),
        None => builder,
    };
    let mut network = builder.build().expect("a network");
    network.parameters.bias_mut()[0] = 0.1;
    network.parameters.weight_mut(0)[(1, 0)] = 0.1;
    let scheme = SplitStep::new(&network, H).expect("a scheme");
    let recording = scheme.run(&Trial::silent(200, H, 0), &NoLoss).expect("a run").record().expect("finite");
    assert!(recording.spikes.iter().all(|spike| spike.neuron == 0) && recording.spikes.len() > 3);
    recording.synaptic_current[0].iter().skip(1).step_by(2).copied().collect()
}

#[test]
fn a_delay_shifts_the_arrival_exactly() {
    let prompt = current(None);
    let earlier = |n: usize, steps: usize| n.checked_sub(steps).map_or(0.0, |n| prompt[n]);
    assert!(prompt.iter().any(|&j| j > 1e-3));
    for axonal in [true, false] {
        for steps in [1, 2, 7, 30] {
            let late = current(Some((axonal, steps as f64 * H)));
            for (n, &j) in late.iter().enumerate() {
                assert!((j - earlier(n, steps)).abs() <= 1e-17, "{axonal}, {steps} steps, {n}");
            }
        }
        // A part of a step is a part of the charge, a step later.
        let late = current(Some((axonal, 3.25 * H)));
        for (n, &j) in late.iter().enumerate() {
            let expected = 0.75 * earlier(n, 3) + 0.25 * earlier(n, 4);
            assert!((j - expected).abs() <= 1e-16, "{axonal}, {n}: {j} {expected}");
        }
    }
}

#[test]
fn no_charge_is_lost_on_the_way() {
    // Charge read back from the trace of either class is that of a network without delays, once all has arrived.
    let total = |delay: Option<f64>| {
        let mut builder = Network::builder()
            .population(Population::new("theta", Theta::default(), 1, GateShape::Box, 0.3))
            .synapse("slow", 10.0)
            .inputs(1);
        if let Some(delay) = delay {
            builder = builder.change("slow", |p| p.axonal_delays(delay));
        }
        let mut network = builder.build().expect("a network");
        network.parameters.input_mut()[(0, 0)] = 0.05;
        let mut trial = Trial::silent(400, H, 1);
        trial.inputs[..200].fill(1.0);
        trial.inputs[200..].fill(-1.0);
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        let s = scheme.run(&trial, &NoLoss).expect("a run").record().expect("finite").s.remove(0);
        let a = (-H / 10.0_f64).exp();
        s.iter()
            .scan(0.0, |before, &s| Some((s - a * std::mem::replace(before, s)) * H / (1.0 - a)))
            .sum::<f64>()
    };
    let prompt = total(None);
    assert!(prompt > 2.0);
    for delay in [0.01, 0.5, 3.3, 20.0] {
        assert!((total(Some(delay)) - prompt).abs() < 1e-11, "{delay}");
    }
}

#[test]
fn checkpointed_gradient_behind_delays_has_the_bits_of_the_stored_one() {
    let loss = QuadraticLoss { lambda: 0.1 };
    for own_taus in [false, true] {
        let (network, trial) = random(Theta::default(), 5, own_taus, 4);
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        let run = scheme.run(&trial, &loss).expect("a run");
        let gradient = |memory| {
            let mut gradient = network.parameters.zeros_like();
            Sweep::new().memory(memory).gradient(&run, gradient.values_mut()).expect("finite");
            gradient
        };
        assert_eq!(gradient(Memory::Stored), gradient(Memory::SqrtSteps));
    }
}

#[test]
fn schemes_without_delays_refuse_them() {
    let (network, trial) = random(Theta::default(), 3, false, 5);
    assert!(matches!(
        PlainStep::new(&network, H, tableau::RK4),
        Err(Error::Excluded { feature: Feature::AxonalDelays | Feature::ConnectionDelays, .. })
    ));
    let scheme = SplitStep::new(&network, H).expect("a scheme");
    let run = scheme.run(&trial, &NoLoss).expect("a run");
    assert!(matches!(
        pontryagin(&run),
        Err(Error::Excluded { feature: Feature::AxonalDelays | Feature::ConnectionDelays, .. })
    ));
    // Delays of connections keep the sparse path.
    assert!(!scheme.dense().is_dense());
    let both = Network::builder()
        .population(Population::new("p", Theta::default(), 2, GateShape::Box, 0.3))
        .synapse("slow", 5.0)
        .change("slow", |p| p.tau_per_neuron())
        .change("slow", |p| p.connection_delays(1.0));
    assert!(matches!(
        both.build(),
        Err(Error::Excluded { feature: Feature::ConnectionDelays, other: Feature::DensePath, .. })
    ));
}

/// A column behind an axonal delay is visited twice each way, and only if its neuron released charge.
#[test]
fn columns_behind_delays_are_those_of_neurons_in_the_active_zone() {
    let work = |delay: Option<f64>| {
        let mut builder = Network::builder()
            .population(Population::new("theta", Theta::default(), 20, GateShape::Box, 0.3))
            .synapse("slow", 10.0);
        if let Some(delay) = delay {
            builder = builder.change("slow", |p| p.axonal_delays(delay));
        }
        let mut network = builder.build().expect("a network");
        network.parameters.bias_mut().fill(0.03);
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        scheme.run(&Trial::silent(100, H, 0), &NoLoss).expect("a run").work().expect("finite")
    };
    let (prompt, late) = (work(None), work(Some(2.0)));
    assert!(prompt.columns() > 0 && prompt.columns() < 2000);
    assert_eq!(late.columns(), 2 * prompt.columns());
}

/// Eighty percent theta neurons that excite, twenty percent LIF neurons that inhibit.
fn balanced(n: usize, seed: u64) -> Network<f64> {
    let rng = &mut generator(seed, Purpose::Initialisation, 0);
    let inhibitory = n / 5;
    let mut network = Network::builder()
        .population(
            Population::new("e", Theta::default(), n - inhibitory, GateShape::RaisedCosine, 0.4).excitatory(),
        )
        .population(
            Population::new("i", Lif::default(), inhibitory, GateShape::RaisedCosine, 0.4).inhibitory(),
        )
        .synapse("slow", 20.0)
        .synapse("fast", 5.0)
        .outputs(1)
        .build()
        .expect("a network");
    let root = (n as f64).sqrt();
    for class in 0..2 {
        let weights = network.parameters.group_mut(Group::Weight(class)).chunks_exact_mut(n);
        for (pre, column) in weights.enumerate() {
            let sign = if pre < n - inhibitory { 1.0 } else { -1.0 };
            column.iter_mut().for_each(|w| *w = sign * 0.03 / root * normal(rng).abs());
        }
    }
    network.parameters.bias_mut().iter_mut().for_each(|b| *b = 0.06 * (1.0 + 0.2 * normal(rng)));
    network.parameters.group_mut(Group::Readout(0)).iter_mut().for_each(|o| *o = 5.0 / root * normal(rng));
    let x = network.parameters.group_mut(Group::Initial);
    x.iter_mut().for_each(|v| *v = rng.random_range(0.0..0.9));
    network
}

#[test]
fn training_keeps_to_dales_law() {
    let mut network = balanced(20, 1);
    let mut trial = Trial::silent(200, H, 0);
    trial.targets = (0..200).map(|n| (0.05 * f64::from(n)).sin()).collect();
    let loss = QuadraticLoss { lambda: 0.0 };
    let groups = [(Group::Weight(0), 2e-3), (Group::Weight(1), 2e-3), (Group::Readout(0), 0.1)];
    let rates = groups.map(|(group, rate)| LearningRate { group, rate });
    let mut optimiser = Optimiser::new(&network, UpdateRule::ADAM, &rates).expect("an optimiser");
    let weights = |network: &Network<f64>| -> Vec<f64> {
        (0..2).flat_map(|class| network.parameters.group(Group::Weight(class)).to_vec()).collect()
    };
    let (mut costs, mut vanished, mut returned) = (Vec::new(), 0, 0);
    for _ in 0..60 {
        let mut gradient = network.parameters.zeros_like();
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        let run = scheme.run(&trial, &loss).expect("a run");
        costs.push(Sweep::new().gradient(&run, gradient.values_mut()).expect("finite"));
        let before = weights(&network);
        optimiser.step(&mut network, &gradient, 1.0).expect("a step");
        for (i, (&before, &after)) in before.iter().zip(&weights(&network)).enumerate() {
            let excitatory = i / 20 % 20 < 16;
            assert!(if excitatory { after >= 0.0 } else { after <= 0.0 }, "{i}: {after}");
            vanished += u32::from(before != 0.0 && after == 0.0);
            returned += u32::from(before == 0.0 && after != 0.0);
        }
    }
    assert!(vanished > 10 && returned > 0, "{vanished} {returned}");
    assert!(costs[59] < 0.9 * costs[0], "{} {}", costs[0], costs[59]);
}

/// Four in five neurons are adaptive exponential ones that excite, the others leaky ones that inhibit, with gates of their
/// own. Currents in nA and mV/ms, which are of one size.
fn cortical(n: usize, steps: usize, seed: u64) -> (Network<f64>, Trial<f64>) {
    let rng = &mut generator(seed, Purpose::Test, 0);
    let inhibitory = n / 5;
    let adex = AdEx::default();
    let adex = AdEx {
        capacitance: 1e-3 * adex.capacitance,
        g_l: 1e-3 * adex.g_l,
        a: 1e-3 * adex.a,
        b: 1e-3 * adex.b,
        ..adex
    };
    let lif = Lif { tau_v: 20.0, v_theta: 15.0, v_reset: 0.0 };
    let mut network = Network::builder()
        .population(
            Population::new("e", adex, n - inhibitory, GateShape::RaisedCosine, 14.0)
                .per_neuron()
                .excitatory(),
        )
        .population(Population::new("i", lif, inhibitory, GateShape::Triangular, 5.0).inhibitory())
        .synapse("slow", 20.0)
        .synapse("fast", 5.0)
        .inputs(1)
        .outputs(1)
        .build()
        .expect("a network");
    network.unfreeze_all();
    let root = (n as f64).sqrt();
    for (class, tau) in [20.0, 5.0].into_iter().enumerate() {
        let weights = network.parameters.group_mut(Group::Weight(class)).chunks_exact_mut(n);
        for (pre, column) in weights.enumerate() {
            let sign = if pre < n - inhibitory { 1.0 } else { -4.0 };
            column.iter_mut().for_each(|w| *w = sign * 0.05 * tau / root * (0.1 + normal(rng).abs()));
        }
    }
    network.parameters.bias_mut().iter_mut().for_each(|b| *b = 1.0 + 0.15 * normal(rng));
    network.parameters.group_mut(Group::Input).iter_mut().for_each(|u| *u = 0.2 * normal(rng));
    network.parameters.group_mut(Group::Readout(0)).iter_mut().for_each(|o| *o = 10.0 / root * normal(rng));
    let x = network.parameters.group_mut(Group::Initial);
    x[..n - inhibitory].iter_mut().for_each(|v| *v = rng.random_range(-70.0..-52.0));
    x[n - inhibitory..n].iter_mut().for_each(|v| *v = rng.random_range(0.0..14.0));
    let mut trial = Trial::silent(steps, 0.25, 1);
    trial.inputs = (0..steps).map(|m| (0.05 * m as f64).sin()).collect();
    trial.targets = (0..steps).map(|m| (0.03 * m as f64).cos()).collect();
    (network, trial)
}

#[test]
fn excitatory_adex_and_inhibitory_lif_neurons_have_an_exact_gradient_and_keep_their_signs() {
    let loss = QuadraticLoss { lambda: 0.1 };
    let mut merged: Option<GradientReport> = None;
    for (n, seed) in [(5, 1), (5, 2), (10, 3), (10, 4), (20, 5)] {
        let (network, trial) = cortical(n, 120, seed);
        for method in [tableau::EULER, tableau::RK4] {
            let mut objective =
                NetworkObjective::new(network.clone(), &trial, &loss, Scheme::Split(method.into()), 0.25);
            // Entries of a group are of different sizes.
            let check = GradientCheck { seed, smallest: 1e-11, ..GradientCheck::default() };
            let report = check.run(&mut objective).expect("a report");
            assert!(report.agreement().is_ok(), "{n} neurons, {}\n{report}", method.name());
            match &mut merged {
                Some(merged) => merged.merge(report),
                empty => *empty = Some(report),
            }
        }
    }
    let report = merged.expect("a report");
    println!("{report}");
    assert!(report.passed() && report.events.spikes > 100, "{report}");

    let (mut network, trial) = cortical(20, 800, 6);
    let groups =
        [(Group::Weight(0), 0.01), (Group::Weight(1), 0.01), (Group::Readout(0), 0.2), (Group::Bias, 0.005)];
    let rates = groups.map(|(group, rate)| LearningRate { group, rate });
    let mut optimiser = Optimiser::new(&network, UpdateRule::ADAM, &rates).expect("an optimiser");
    let (mut costs, mut vanished) = (Vec::new(), 0);
    for _ in 0..60 {
        let mut gradient = network.parameters.zeros_like();
        let scheme = SplitStep::with_method(&network, 0.25, tableau::MIDPOINT).expect("a scheme");
        let run = scheme.run(&trial, &loss).expect("a run");
        costs.push(Sweep::new().gradient(&run, gradient.values_mut()).expect("finite"));
        optimiser.step(&mut network, &gradient, 1.0).expect("a step");
        for class in 0..2 {
            let w = network.parameters.weight(class);
            assert!(w.columns(0, 16).iter().all(|&w| w >= 0.0) && w.columns(16, 4).iter().all(|&w| w <= 0.0));
            vanished += w.iter().filter(|&&w| w == 0.0).count();
        }
    }
    let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
    println!("cost {} to {least}, weights at zero {vanished}", costs[0]);
    assert!(vanished > 0 && least < 0.8 * costs[0], "{costs:?}");
}

#[test]
fn signs_turn_weights_and_are_kept_in_any_precision() {
    let mut network = balanced(10, 2);
    network.parameters.weight_mut(0).fill(0.1);
    network.set_signs(|neuron| match neuron {
        0 => None,
        1..8 => Some(Sign::Excitatory),
        _ => Some(Sign::Inhibitory),
    });
    let w = network.parameters.weight(0);
    assert!(w.columns(0, 8).iter().all(|&w| w == 0.1) && w.columns(8, 2).iter().all(|&w| w == -0.1));
    let mut single = network.to_f32();
    single.parameters.weight_mut(0).fill(-0.1);
    single.project();
    let w = single.parameters.weight(0);
    assert!(w.column(0).iter().all(|&w| w == -0.1_f32) && w.columns(1, 7).iter().all(|&w| w == 0.0));
    assert!(w.columns(8, 2).iter().all(|&w| w == -0.1_f32));
}

/// Networks with delays and signs go to a file and come back.
#[test]
fn delays_and_signs_are_kept_in_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("network");
    let (network, _) = random(Theta::default(), 4, false, 6);
    save(&network, &path).expect("a file");
    let (mut other, _) = random(Theta::default(), 4, false, 7);
    load_into(&mut other, &path).expect("the same structure");
    assert_eq!(other.parameters, network.parameters);
    assert_eq!(other.mask(Group::Delay(2)), network.mask(Group::Delay(2)));
}

/// A mask takes no column away and adds none: the cost is that of the neurons in the active zone.
#[test]
fn masked_networks_keep_the_sparse_cost() {
    let mut network = balanced(20, 3);
    network.parameters.weight_mut(0).fill(0.0);
    network.parameters.weight_mut(1).fill(0.0);
    network.parameters.bias_mut().fill(0.02);
    let work = |network: &Network<f64>| {
        let scheme = SplitStep::new(network, H).expect("a scheme");
        scheme.run(&Trial::silent(100, H, 0), &NoLoss).expect("a run").work().expect("finite")
    };
    let full = work(&network);
    network.set_mask(Group::Weight(0), |post, pre| (post + pre) % 3 == 0).expect("a mask");
    network.set_mask(Group::Weight(1), |post, pre| post / 5 == pre / 5 + 1).expect("a mask");
    assert_eq!(work(&network), full);
    assert!(full.columns() > 0 && full.columns() < 2 * 2 * 20 * 100 / 2, "{full:?}");
}

/// Three layers: feed-forward, recurrent, feed-forward, with a connection that skips the second.
fn layered(width: usize, seed: u64) -> (Network<f64>, Trial<f64>) {
    let rng = &mut generator(seed, Purpose::Test, 0);
    let n = 3 * width;
    let mut network = Network::builder()
        .population(Population::new("first", Theta::default(), width, GateShape::RaisedCosine, 0.4))
        .population(Population::new("second", Lif::default(), width, GateShape::Triangular, 0.4))
        .population(Population::new("third", Theta::default(), width, GateShape::Box, 0.3))
        .synapse("slow", 20.0)
        .synapse("fast", 5.0)
        .inputs(2)
        .outputs(1)
        .build()
        .expect("a network");
    network.unfreeze_all();
    let root = (width as f64).sqrt();
    for class in 0..2 {
        let weights = network.parameters.group_mut(Group::Weight(class)).iter_mut();
        weights.for_each(|w| *w = 0.15 / root * normal(rng));
    }
    network.parameters.bias_mut().iter_mut().for_each(|b| *b = 0.06 * (1.0 + 0.2 * normal(rng)));
    network.parameters.group_mut(Group::Input).iter_mut().for_each(|u| *u = 0.03 * normal(rng));
    network.parameters.group_mut(Group::Readout(0)).iter_mut().for_each(|o| *o = 5.0 / root * normal(rng));
    let x = network.parameters.group_mut(Group::Initial);
    x.iter_mut().for_each(|v| *v = rng.random_range(0.1..0.9));
    let layer = move |neuron: usize| neuron / width;
    let wiring =
        move |post: usize, pre: usize| matches!((layer(pre), layer(post)), (0, 1) | (1, 1) | (1, 2) | (0, 2));
    network.set_mask(Group::Weight(0), wiring).expect("a mask");
    // Fast synapses feed forward only, without the recurrence.
    let forward = move |post: usize, pre: usize| layer(post) == layer(pre) + 1;
    network.set_mask(Group::Weight(1), forward).expect("a mask");
    network.set_mask(Group::Input, move |post, _| layer(post) == 0).expect("a mask");
    network.set_mask(Group::Readout(0), move |_, pre| layer(pre) == 2).expect("a mask");
    let steps = 120;
    let mut trial = Trial::silent(steps, H, 2);
    trial.inputs.iter_mut().for_each(|i| *i = normal(rng));
    trial.targets = (0..steps).map(|m| (0.1 * m as f64).sin()).collect();
    assert_eq!(network.neurons(), n);
    (network, trial)
}

#[test]
fn layers_with_recurrence_and_skip_connections_have_an_exact_gradient() {
    let loss = QuadraticLoss { lambda: 0.1 };
    let mut merged: Option<GradientReport> = None;
    for (width, seed) in [(1, 1), (2, 2), (2, 3), (4, 4), (6, 5)] {
        let (network, trial) = layered(width, seed);
        let mut objective = NetworkObjective::new(network, &trial, &loss, Scheme::default(), H);
        let report =
            GradientCheck { seed, ..GradientCheck::default() }.run(&mut objective).expect("a report");
        assert!(report.agreement().is_ok(), "{width} neurons in a layer\n{report}");
        match &mut merged {
            Some(merged) => merged.merge(report),
            empty => *empty = Some(report),
        }
    }
    let report = merged.expect("a report");
    println!("{report}");
    assert!(report.passed() && report.events.spikes > 50, "{report}");
}

/// What does not exist has a gradient that is zero to the bit, before and after the optimiser, and a first layer that
/// nothing leads back to feels nothing of the others.
#[test]
fn connections_that_do_not_exist_stay_zero_through_training() {
    let (mut network, trial) = layered(4, 6);
    let loss = QuadraticLoss { lambda: 0.0 };
    let groups = [Group::Weight(0), Group::Weight(1), Group::Input, Group::Readout(0)];
    let rates =
        groups.map(|group| LearningRate { group, rate: if group == Group::Readout(0) { 0.5 } else { 5e-3 } });
    let mut optimiser = Optimiser::new(&network, UpdateRule::ADAM, &rates).expect("an optimiser");
    let first = |network: &Network<f64>| {
        let scheme = SplitStep::new(network, H).expect("a scheme");
        scheme
            .run(&trial, &loss)
            .expect("a run")
            .record()
            .expect("finite")
            .v
            .chunks_exact(12)
            .map(|v| v[0])
            .collect::<Vec<_>>()
    };
    let mut costs = Vec::new();
    for _ in 0..40 {
        let mut gradient = network.parameters.zeros_like();
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        costs.push(
            Sweep::new()
                .gradient(&scheme.run(&trial, &loss).expect("a run"), gradient.values_mut())
                .expect("finite"),
        );
        let mut moved = 0;
        for group in groups {
            let exists = network.mask(group).expect("a mask");
            for (i, &bar) in gradient.group(group).iter().enumerate() {
                assert!(exists[i] || bar.to_bits() == 0, "{group} {i}: {bar}");
                moved += usize::from(bar != 0.0);
            }
        }
        assert!(moved > 40, "{moved}");
        optimiser.step(&mut network, &gradient, 1.0).expect("a step");
        for group in groups {
            let exists = network.mask(group).expect("a mask");
            assert!(
                network.parameters.group(group).iter().zip(exists).all(|(&w, &exists)| exists || w == 0.0)
            );
        }
    }
    assert!(costs[39] < 0.9 * costs[0], "{costs:?}");
    let before = first(&network);
    for class in 0..2 {
        network.parameters.group_mut(Group::Weight(class)).iter_mut().for_each(|w| *w *= 1.1);
    }
    assert_eq!(first(&network), before);
}

/// The gradient of the cost on the trial.
fn gradient(network: &Network<f64>, trial: &Trial<f64>) -> Vec<f64> {
    let (loss, scheme) = (QuadraticLoss { lambda: 0.1 }, SplitStep::new(network, H).expect("a scheme"));
    let mut gradient = network.parameters.zeros_like();
    let run = scheme.run(trial, &loss).expect("a run");
    Sweep::new().gradient(&run, gradient.values_mut()).expect("finite");
    gradient.values().to_vec()
}

#[test]
fn frozen_entries_have_no_gradient_and_the_others_the_same_bits() {
    let (network, trial) = random(Theta::default(), 6, false, 5);
    let whole = gradient(&network, &trial);
    let groups = [Group::Weight(0), Group::Weight(1), Group::Input, Group::Bias, Group::Readout(0)];
    let mut partly = network.clone();
    let frozen = |row: usize, column: usize| (row + 2 * column).is_multiple_of(3);
    for group in groups {
        partly.freeze_entries(group, frozen).expect("a group");
    }
    let mut expected = whole.clone();
    let mut stopped = 0;
    for entry in groups.map(|g| network.parameters.layout().entry(g).expect("a group").clone()) {
        for (i, at) in entry.range.enumerate() {
            if frozen(i % entry.rows, i / entry.rows) {
                stopped += usize::from(whole[at] != 0.0);
                expected[at] = 0.0;
            }
        }
    }
    assert!(stopped > 20, "{stopped}");
    assert_eq!(gradient(&partly, &trial), expected);

    // Neither steps nor pulls change them.
    let rates = groups.map(|group| LearningRate { group, rate: 0.1 });
    let optimiser = Optimiser::new(&partly, UpdateRule::ADAM, &rates).expect("an optimiser");
    let mut optimiser = optimiser
        .pull(&partly, &rates.map(|LearningRate { group, rate }| Pull { group, part: rate }))
        .expect("a pull");
    let mut bar = partly.parameters.zeros_like();
    for _ in 0..3 {
        bar.values_mut().copy_from_slice(&gradient(&partly, &trial));
        optimiser.step(&mut partly, &bar, 1.0).expect("a step");
    }
    for entry in groups.map(|g| network.parameters.layout().entry(g).expect("a group").clone()) {
        let moved = |at: &usize| partly.parameters.values()[*at] != network.parameters.values()[*at];
        let still = |at: &usize| {
            let i = at - entry.range.start;
            frozen(i % entry.rows, i / entry.rows)
        };
        assert!(entry.range.clone().filter(still).all(|at| !moved(&at)), "{}", entry.name);
        assert!(entry.range.clone().any(|at| moved(&at)), "{}", entry.name);
    }

    partly.unfreeze(Group::Bias).expect("a group");
    assert!(partly.frozen_entries(Group::Bias).is_none() && partly.frozen_entries(Group::Input).is_some());
    partly.unfreeze_all();
    partly.parameters = network.parameters.clone();
    assert_eq!(gradient(&partly, &trial), whole);
    let error = partly.freeze_entries(Group::Left(0), frozen).expect_err("no such group").to_string();
    assert!(error.contains("has no"), "{error}");
}
