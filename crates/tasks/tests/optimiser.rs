//! The optimiser on networks: what it moves, what it leaves, what it refuses.

#![allow(clippy::expect_used, reason = "a failure in a helper fails the test that called it")]

use spikegrad_models::{GateShape, Theta};
use spikegrad_network::Population;
use spikegrad_network::{Group, Network};
use spikegrad_tasks::{LearningRate, Optimiser, Pull, UpdateRule};
use spikegrad_training::Error;

fn network() -> Network<f64> {
    let population = Population::new("theta", Theta::default(), 3, GateShape::RaisedCosine, 0.3);
    Network::builder().population(population).synapse("slow", 20.0).build().expect("a network")
}

#[test]
fn a_pull_goes_part_of_the_way_back_to_the_start() {
    let mut network = network();
    network.parameters.bias_mut().fill(2.0);
    let pulls = [Pull { group: Group::Bias, part: 0.25 }];
    let optimiser = Optimiser::new(&network, UpdateRule::Sgd { momentum: 0.0 }, &[]).expect("an optimiser");
    let mut optimiser = optimiser.pull(&network, &pulls).expect("a pull");
    network.parameters.bias_mut().fill(6.0);
    let none = network.parameters.zeros_like();
    optimiser.step(&mut network, &none, 1.0).expect("a step");
    assert_eq!(network.parameters.group(Group::Bias), [5.0; 3]);
    optimiser.step(&mut network, &none, 0.5).expect("half a step");
    assert_eq!(network.parameters.group(Group::Bias), [4.625; 3]);
}

#[test]
fn parameters_are_averaged_over_the_last_steps() {
    let mut network = network();
    let optimiser = Optimiser::new(&network, UpdateRule::Sgd { momentum: 0.0 }, &[]).expect("an optimiser");
    assert!(optimiser.mean().is_none());
    assert!(optimiser.clone().average(&network, 0).is_err());
    let mut optimiser = optimiser.average(&network, 2).expect("an average");
    let none = network.parameters.zeros_like();
    let range = network.parameters.layout().range(Group::Bias);
    let mut see = |bias: f64| {
        network.parameters.bias_mut().fill(bias);
        optimiser.step(&mut network, &none, 1.0).expect("a step");
        optimiser.mean().expect("an average")[range.start]
    };
    // The first value, the mean of two, and then half of each new one.
    assert_eq!([see(4.0), see(2.0), see(5.0), see(0.0)], [4.0, 3.0, 4.0, 2.0]);
}

#[test]
fn a_pull_beyond_the_start_is_refused() {
    let pulls = [Pull { group: Group::Bias, part: 1.5 }];
    let optimiser = Optimiser::new(&network(), UpdateRule::ADAM, &[]).expect("an optimiser");
    let error = optimiser.pull(&network(), &pulls).expect_err("refused").to_string();
    assert!(error.contains("pull") && error.contains("[0, 1]"), "{error}");
}

/// What is frozen or masked once an optimiser has its momenta, a pull and an average stays as it is, to the bit.
#[test]
fn what_is_not_trained_is_not_moved() {
    for rule in [UpdateRule::ADAM, UpdateRule::Sgd { momentum: 0.9 }] {
        let population = Population::new("theta", Theta::default(), 3, GateShape::Box, 0.3);
        let builder = Network::builder().population(population).synapse("slow", 20.0).inputs(2);
        let mut network = builder.build().expect("a network");
        network.parameters.values_mut().iter_mut().enumerate().for_each(|(i, x)| *x += 0.01 * (i + 1) as f64);
        let weights = Group::Weight(0);
        let groups = [weights, Group::Input, Group::Bias];
        let rates = groups.map(|group| LearningRate { group, rate: 0.01 });
        let pulls = groups.map(|group| Pull { group, part: 0.1 });
        let mut optimiser = Optimiser::new(&network, rule, &rates).expect("an optimiser");
        optimiser =
            optimiser.pull(&network, &pulls).expect("a pull").average(&network, 3).expect("an average");
        let mut gradient = network.parameters.zeros_like();
        gradient.values_mut().fill(1.0);
        (0..3).for_each(|_| optimiser.step(&mut network, &gradient, 1.0).expect("a step"));

        network.set_mask(weights, |post, pre| post != pre).expect("a mask");
        network.freeze_entries(Group::Input, |row, _| row == 1).expect("a group");
        network.freeze(Group::Bias).expect("a group");
        // Of the wrong sign, which is as good as any other where nothing is trained.
        network.freeze_entries(weights, |post, pre| (post, pre) == (0, 1)).expect("a group");
        network.set_signs(|neuron| (neuron == 1).then_some(spikegrad_network::Sign::Excitatory));
        network.parameters.weight_mut(0)[(0, 1)] = -0.5;
        network.parameters.weight_mut(0)[(2, 1)] = -0.5;
        let before = network.parameters.clone();
        // Also those of a gradient that somebody formed without the network's masks.
        optimiser.step(&mut network, &gradient, 1.0).expect("a step");
        optimiser.step(&mut network, &gradient, 1.0).expect("a step");
        let (after, mean) = (network.parameters.values(), optimiser.mean().expect("an average"));
        let fixed: Vec<usize> = network.untrained().flatten().collect();
        for &i in &fixed {
            assert_eq!(after[i].to_bits(), before.values()[i].to_bits(), "{rule:?}: entry {i} has moved");
            assert_eq!(mean[i].to_bits(), before.values()[i].to_bits(), "{rule:?}: the mean of entry {i}");
        }
        let w = network.parameters.weight(0);
        assert_eq!((w[(0, 1)], w[(1, 1)], w[(2, 1)]), (-0.5, 0.0, 0.0));
        for group in [weights, Group::Input] {
            let range = network.parameters.layout().range(group);
            assert!(range.clone().any(|i| !fixed.contains(&i) && after[i] != before.values()[i]), "{group}");
        }
        // Nothing is left of what was remembered, either.
        network.unfreeze(Group::Bias).expect("a group");
        let none = network.parameters.zeros_like();
        let bias = network.parameters.layout().range(Group::Bias);
        let mut unpulled = optimiser.clone().pull(&network, &[]).expect("no pull");
        unpulled.step(&mut network, &none, 1.0).expect("a step");
        assert_eq!(network.parameters.values()[bias.clone()], before.values()[bias]);
    }
}

#[test]
fn a_group_that_is_named_twice_is_refused() {
    let network = network();
    let twice = [1e-3, 1e-2].map(|rate| LearningRate { group: Group::Bias, rate });
    let refused = |error: Error, what: &str| {
        assert!(matches!(error, Error::Twice { .. }), "{error}");
        assert!(error.to_string().starts_with(&format!("{what} name bias twice")), "{error}");
    };
    refused(Optimiser::new(&network, UpdateRule::ADAM, &twice).expect_err("refused"), "rates");
    let optimiser = Optimiser::new(&network, UpdateRule::ADAM, &[]).expect("an optimiser");
    let twice = twice.map(|rate| Pull { group: rate.group, part: 0.5 });
    refused(optimiser.pull(&network, &twice).expect_err("refused"), "pulls");
}

#[test]
fn a_step_out_of_the_domain_changes_nothing() {
    let mut network = network();
    network.unfreeze(Group::Tau(0)).expect("a group");
    let tau = [LearningRate { group: Group::Tau(0), rate: 1.0 }];
    let bias = [LearningRate { group: Group::Bias, rate: 1e308 }];
    let sgd = UpdateRule::Sgd { momentum: 0.5 };
    for (rates, slope, value) in [(tau, 1e3, 0.0), (tau, -1e3, f64::INFINITY), (bias, -1e10, f64::INFINITY)] {
        let mut optimiser = Optimiser::new(&network, sgd, &rates).expect("an optimiser");
        optimiser = optimiser.average(&network, 2).expect("an average");
        let (mut stepped, mut twin, mut other) = (network.clone(), network.clone(), optimiser.clone());
        let mut gradient = network.parameters.zeros_like();
        gradient.values_mut().fill(slope);
        let error = optimiser.step(&mut stepped, &gradient, 1.0).expect_err("refused");
        assert!(matches!(error, Error::Step { iteration: 0, value: v, .. } if v == value), "{error}");
        let name = if rates == tau { "slow.tau" } else { "bias" };
        assert!(error.to_string().contains(&format!("would take {name} at entry 0 to")), "{error}");
        assert_eq!((&stepped.parameters, optimiser.steps()), (&network.parameters, 0));
        // It goes on as one that never saw that gradient.
        gradient.values_mut().fill(slope.signum() * 1e-310);
        optimiser.step(&mut stepped, &gradient, 1.0).expect("a step");
        other.step(&mut twin, &gradient, 1.0).expect("a step");
        let found = (stepped.parameters, optimiser.mean(), optimiser.steps());
        assert_eq!(found, (twin.parameters, other.mean(), other.steps()));
    }
    for factor in [f64::NAN, -1.0, f64::INFINITY] {
        let mut optimiser = Optimiser::new(&network, sgd, &[]).expect("an optimiser");
        let none = network.parameters.zeros_like();
        let error = optimiser.step(&mut network.clone(), &none, factor).expect_err("refused").to_string();
        assert!(error.starts_with("factor = "), "{error}");
    }
}

/// A second moment that is infinite would stop its entry for good, without a word.
#[test]
fn moments_that_overflow_are_refused() {
    let mut network = network().to_f32();
    let rates = [LearningRate { group: Group::Bias, rate: 1e-3 }];
    let mut optimiser = Optimiser::new(&network, UpdateRule::ADAM, &rates).expect("an optimiser");
    let mut gradient = network.parameters.zeros_like();
    gradient.group_mut(Group::Bias)[2] = 1e21;
    let before = network.parameters.clone();
    let error = optimiser.step(&mut network, &gradient, 1.0).expect_err("refused").to_string();
    assert!(error.contains("the second moment of bias at entry 2 to inf"), "{error}");
    assert_eq!(network.parameters, before);
}

#[test]
fn what_a_step_takes_out_of_a_joint_domain_comes_back_to_its_edge() {
    let population = Population::new("lif", spikegrad_models::Lif::default(), 3, GateShape::Box, 0.9);
    let builder = Network::builder().population(population).synapse("slow", 20.0);
    let mut network = builder.build().expect("a network");
    let (width, start) = (Group::GateWidth(0), Group::Initial);
    [width, start].into_iter().for_each(|group| network.unfreeze(group).expect("a group"));
    let rates = [width, start].map(|group| LearningRate { group, rate: 1.0 });
    let optimiser =
        Optimiser::new(&network, UpdateRule::Sgd { momentum: 0.0 }, &rates).expect("an optimiser");
    let mut optimiser = optimiser.average(&network, 7).expect("an average");
    let mut gradient = network.parameters.zeros_like();
    gradient.group_mut(width).fill(-1.0);
    gradient.group_mut(start)[1] = -1.0;
    for _ in 0..10 {
        optimiser.step(&mut network, &gradient, 1.0).expect("a step");
        assert!((network.parameters.group(width)[0] - 1.0).abs() < 1e-14);
        let x = network.parameters.group(start);
        assert!(x[1] < 1.0 && x[1] > 1.0 - 1e-6 && (x[0], x[2]) == (0.0, 0.0), "{x:?}");
    }
}
