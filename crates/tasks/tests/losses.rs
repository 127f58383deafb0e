//! Losses: every one has an exact gradient in networks of several populations, whatever is kept of the run, and its value is that of an
//! independent closed form.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failure in a helper fails the test that called it; reports are printed"
)]

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use spikegrad_adjoint::{GradientCheck, GradientReport, Memory, Sweep};
use spikegrad_models::{GateShape, Lif, Nif, Theta};
use spikegrad_network::{
    Error, Group, Loss, Network, Population, Projection, Recording, Scalar, Spike, SplitStep, Trial,
};
use spikegrad_tasks::{
    Activity, CrossEntropy, Losses, NetworkObjective, QuadraticLoss, RateBand, Scheme, Score, SquaredError,
    SumOfLosses, VanRossum, VoltageFloor, Weighted,
};

const H: f64 = 0.5;

/// Every loss with its name, for networks of at least six neurons with two outputs.
fn losses<T: Scalar>() -> Vec<(String, Box<dyn Loss<T> + Send>)> {
    let real = |x: f64| T::from_subset(&x);
    let of = [
        Score::Mean,
        Score::Last,
        Score::Maximum,
        Score::Counts(1..5),
        Score::FirstSpike { neurons: 1..5, scale: 3.0 },
    ];
    let mut all: Vec<(String, Box<dyn Loss<T> + Send>)> = Vec::new();
    for of in of {
        all.push((format!("error of {of:?}"), Box::new(SquaredError { of: of.clone() })));
        all.push((format!("cross-entropy of {of:?}"), Box::new(CrossEntropy { of, smoothing: 0.2 })));
    }
    let trains = VanRossum { neurons: 1..5, tau: 8.0 };
    let rates = RateBand { neurons: 1..5, low: 60.0, high: 70.0 };
    let activity = Activity { weight: real(0.7) };
    let quadratic = QuadraticLoss { lambda: real(0.1) };
    let classes = CrossEntropy { of: Score::Maximum, smoothing: 0.0 };
    let times = CrossEntropy { of: Score::FirstSpike { neurons: 0..2, scale: 4.0 }, smoothing: 0.1 };
    all.push(("distance".into(), Box::new(trains.clone())));
    all.push(("rates".into(), Box::new(rates.clone())));
    all.push(("activity".into(), Box::new(activity)));
    all.push(("quadratic".into(), Box::new(quadratic)));
    all.push(("floor".into(), Box::new(SumOfLosses(quadratic, VoltageFloor { weight: real(0.3) }))));
    all.push(("weighted".into(), Box::new(Weighted { weight: real(-0.7), loss: trains.clone() })));
    all.push(("pair".into(), Box::new(SumOfLosses(quadratic, SumOfLosses(trains.clone(), classes.clone())))));
    all.push((
        "list".into(),
        Box::new(Losses(vec![
            (real(0.5), Box::new(times)),
            (real(0.1), Box::new(activity)),
            (real(1e-3), Box::new(rates)),
            (real(2.0), Box::new(trains)),
            (T::one(), Box::new(SumOfLosses(classes, quadratic))),
        ])),
    ));
    all
}

/// A random network of three populations, and a trial without a label.
fn random(seed: u64) -> (Network<f64>, Trial<f64>) {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let (gate, mut size) = (GateShape::RaisedCosine, || rng.random_range(2..5_usize));
    let mut network = Network::builder()
        .population(Population::new("a", Theta::default(), size(), gate, 0.4))
        .population(Population::new("b", Lif::default(), size(), gate, 0.4))
        .population(Population::new("c", Nif, size(), gate, 0.4))
        .inputs(1)
        .outputs(2)
        .projection(Projection::new("all", 9.0))
        .projection(Projection::new("ab", 5.0).between("a", "b"))
        .projection(Projection::new("ca", 7.0).between("c", "a").axonal_delays(1.3))
        .read_from("all")
        .build()
        .expect("a network");
    network.unfreeze_all();
    let n = network.neurons();
    let mut normal = |size: f64, values: &mut [f64]| {
        values.iter_mut().for_each(|x| *x = size * rng.sample::<f64, _>(StandardNormal));
    };
    (0..3).for_each(|k| normal(0.1, network.parameters.group_mut(Group::Weight(k))));
    normal(0.014, network.parameters.bias_mut());
    network.parameters.bias_mut().iter_mut().for_each(|b| *b += 0.07);
    normal(0.02, network.parameters.group_mut(Group::Input));
    normal(5.0 / (n as f64).sqrt(), network.parameters.group_mut(Group::Readout(0)));
    let mut trial = Trial::silent(80, H, 1);
    normal(1.0, &mut trial.inputs);
    trial.targets = vec![0.0; 160];
    normal(0.3, &mut trial.targets);
    let x = network.parameters.group_mut(Group::Initial);
    x.iter_mut().for_each(|v| *v = rng.random_range(0.1..0.95));
    let weight = |_| if rng.random_bool(0.3) { 0.0 } else { rng.random_range(0.5..2.0) };
    trial.weights = (0..80).map(weight).collect();
    let mut times: Vec<f64> = (0..6).map(|_| rng.random_range(0.0..40.0)).collect();
    times.sort_by(f64::total_cmp);
    let spike = |time| Spike { neuron: rng.random_range(0..n), time, count: rng.random_range(1..3) };
    trial.target_spikes = times.into_iter().map(spike).collect();
    (network, trial)
}

/// Gives a trial the label that a loss asks for.
fn labelled<T: Scalar>(trial: &Trial<f64>, network: &Network<f64>, loss: &dyn Loss<T>) -> Trial<f64> {
    let labels = loss.over_run().map_or(0, |over_run| over_run.labels(network.outputs()));
    let label = (0..labels).map(|k| 0.1 + 0.9 * (k as f64 * 1.7).sin().abs()).collect();
    Trial { label, ..trial.clone() }
}

fn gradient<T: Scalar>(
    network: &Network<T>,
    trial: &Trial<T>,
    loss: &dyn Loss<T>,
    memory: Memory,
) -> (T, Vec<T>) {
    let scheme = SplitStep::new(network, H).expect("a scheme");
    let run = scheme.run(trial, loss).expect("a run");
    let mut gradient = network.parameters.zeros_like();
    let cost = Sweep::new().memory(memory).gradient(&run, gradient.values_mut()).expect("finite");
    (cost, gradient.values().to_vec())
}

fn cost(network: &Network<f64>, trial: &Trial<f64>, loss: &dyn Loss<f64>, h: f64) -> f64 {
    let scheme = SplitStep::new(network, h).expect("a scheme");
    Sweep::new().cost(&scheme.run(trial, loss).expect("a run")).expect("finite")
}

/// A runner that draws the same cases every time, unless it is asked for others; a quarter of the cases that are asked for, since every
/// loss has its own.
fn runner() -> TestRunner {
    let default = Config::default();
    let rng_seed = match default.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        asked => asked,
    };
    let cases = (default.cases / 4).max(4);
    TestRunner::new(Config { failure_persistence: None, rng_seed, cases, ..default })
}

#[test]
fn every_loss_has_an_exact_gradient_in_networks_of_several_populations() {
    for index in 0..losses::<f64>().len() {
        let merged = std::cell::RefCell::new(None::<GradientReport>);
        let (name, loss) = losses::<f64>().swap_remove(index);
        let outcome = runner().run(&any::<u32>(), |seed| {
            let (network, trial) = random(u64::from(seed));
            let trial = labelled(&trial, &network, &*loss);
            let mut objective = NetworkObjective::new(network, &trial, &*loss, Scheme::default(), H);
            let check = GradientCheck { directions: 2, ..GradientCheck::default() };
            let report = check.run(&mut objective).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert!(report.agreement().is_ok(), "{report}");
            match &mut *merged.borrow_mut() {
                Some(merged) => merged.merge(report),
                empty => *empty = Some(report),
            }
            Ok(())
        });
        assert!(outcome.is_ok(), "{name}: {}", outcome.expect_err("a failure"));
        let report = merged.into_inner().expect("a report");
        println!("{name}\n{report}");
        assert!(report.passed() && report.events.spikes > 50, "{name}\n{report}");
    }
}

#[test]
fn the_gradient_of_every_loss_has_the_same_bits_whatever_is_kept_of_the_run() {
    for (seed, (name, loss)) in losses::<f64>().iter().enumerate() {
        let (network, trial) = random(seed as u64);
        let trial = labelled(&trial, &network, &**loss);
        let stored = gradient(&network, &trial, &**loss, Memory::Stored);
        assert!(stored.1.iter().any(|bar| *bar != 0.0), "{name}");
        for memory in [Memory::SqrtSteps, Memory::Every(7), Memory::Bytes(20_000)] {
            assert_eq!(stored, gradient(&network, &trial, &**loss, memory), "{name}, {memory:?}");
        }
    }
}

#[test]
fn padding_changes_no_bit_of_any_loss() {
    for (seed, (name, loss)) in losses::<f64>().iter().enumerate() {
        let (network, trial) = random(30 + seed as u64);
        let trial = labelled(&trial, &network, &**loss);
        let mut padded = Trial { samples: trial.samples + 20, ..trial.clone() };
        padded.inputs.resize(padded.samples, 0.7);
        padded.targets.resize(2 * padded.samples, -3.0);
        padded.weights.resize(padded.samples, 0.0);
        padded.target_spikes.push(Spike { neuron: 2, time: 43.0, count: 3 });
        let bits = |trial| gradient(&network, trial, &**loss, Memory::Stored);
        assert_eq!(bits(&trial), bits(&padded), "{name}");
    }
}

#[test]
fn single_precision_is_the_same_loss() {
    for (seed, ((name, loss), (_, single))) in losses::<f64>().iter().zip(losses::<f32>()).enumerate() {
        let (network, trial) = random(60 + seed as u64);
        let trial = labelled(&trial, &network, &**loss);
        let (double, _) = gradient(&network, &trial, &**loss, Memory::Stored);
        let (found, _) = gradient(&network.to_scalar(), &trial.map(|x| x as f32), &*single, Memory::Stored);
        assert!((f64::from(found) - double).abs() < 2e-3 * double.abs(), "{name}: {found} {double}");
    }
}

/// Neurons without a leak, each of which fires at constant intervals.
fn clocks(intervals: &[f64], width: f64) -> Network<f64> {
    let nif = Population::new("nif", Nif, intervals.len(), GateShape::Box, width);
    let mut network =
        Network::builder().population(nif).synapse("w", 5.0).outputs(2).build().expect("a network");
    let rates = intervals.iter().map(|interval| 1.0 / interval);
    network.parameters.bias_mut().iter_mut().zip(rates).for_each(|(bias, rate)| *bias = rate);
    network
}

/// The distance of two trains by the sums over pairs of their spikes.
fn distance(train: &[f64], target: &[f64], tau: f64) -> f64 {
    let pairs = |a: &[f64], b: &[f64]| -> f64 {
        a.iter().flat_map(|t| b.iter().map(move |u| (-(t - u).abs() / tau).exp())).sum()
    };
    pairs(train, train) / 2.0 - pairs(train, target) + pairs(target, target) / 2.0
}

#[test]
fn the_distance_of_spike_trains_is_the_sum_over_pairs_of_their_spikes() {
    let intervals = [7.3, 11.9, 23.1, 400.0];
    let target = [(3.3, 0), (6.1, 1), (17.7, 1), (18.4, 0), (22.9, 3), (30.2, 0), (30.2, 1), (41.6, 0)];
    let mut trial = Trial::silent(50, 1.0, 0);
    trial.target_spikes = target.iter().map(|&(time, neuron)| Spike { neuron, time, count: 1 }).collect();
    for tau in [0.5, 6.0, 300.0] {
        let train = |interval: f64| (1..).map(move |k| f64::from(k) * interval).take_while(|t| *t < 50.0);
        let expected: f64 = (0..4)
            .map(|i| {
                let wanted = target.iter().filter(|(_, neuron)| *neuron == i).map(|(time, _)| *time);
                distance(&train(intervals[i]).collect::<Vec<_>>(), &wanted.collect::<Vec<_>>(), tau)
            })
            .sum();
        let loss = VanRossum { neurons: 0..4, tau };
        for h in [0.1, 0.05, 0.02, 0.005] {
            // A zone that a voltage crosses in a small part of a step.
            let found = cost(&clocks(&intervals, 1e-3 * h), &trial, &loss, h);
            println!("tau = {tau}, h = {h}: {found} {expected}");
            assert!((found - expected).abs() < 12.0 * h / tau, "{h}: {found} {expected}");
        }
    }
}

#[test]
fn trains_that_differ_in_one_spike_are_half_apart() {
    let network = clocks(&[400.0, 400.0], 0.1);
    let spike = |neuron, time| Spike { neuron, time, count: 1 };
    for (h, bound) in [(0.5, 0.02), (0.05, 2e-3)] {
        let of = |target_spikes: Vec<Spike>, tau: f64| {
            let trial = Trial { target_spikes, ..Trial::silent(60, 1.0, 0) };
            cost(&network, &trial, &VanRossum { neurons: 0..1, tau }, h)
        };
        for time in [0.0, 31.2, 59.9, 60.0] {
            for tau in [5.0, 50.0] {
                // The other neuron is not looked at.
                let found = of(vec![spike(1, 0.0), spike(0, time)], tau);
                assert!((found - 0.5).abs() < bound, "{time}: {found}");
            }
        }
        assert!(of(Vec::new(), 5.0) == 0.0);
        // Two spikes in one step are as far from silence as two that are next to each other, and the weight of a step of any sample.
        let twice = of(vec![Spike { count: 2, ..spike(0, 9.1) }], 5.0);
        assert!((twice - 2.0).abs() < 4.0 * bound, "{twice}");
        let weights = vec![3.0; 60];
        let trial = Trial { target_spikes: vec![spike(0, 59.0)], weights, ..Trial::silent(60, 1.0, 0) };
        let weighted = cost(&network, &trial, &VanRossum { neurons: 0..1, tau: 5.0 }, h);
        assert!((weighted - 1.5).abs() < 3.0 * bound, "{weighted}");
    }
}

#[test]
fn a_recorded_train_is_its_own_target() {
    // No spike lies at the end of a step, where rounding decides which step it belongs to.
    let network = clocks(&[7.33, 11.94, 23.13], 1e-3);
    let silent = Trial::silent(50, 1.0, 0);
    let scheme = SplitStep::new(&network, 0.1).expect("a scheme");
    let recording = scheme.run(&silent, &Activity { weight: 1.0 }).expect("a run").record().expect("finite");
    let trial = Trial { target_spikes: recording.spikes, ..silent };
    assert!(trial.target_spikes.len() == 12);
    assert!(cost(&network, &trial, &VanRossum { neurons: 0..3, tau: 5.0 }, 0.1) < 1e-20);
}

#[test]
fn the_time_to_the_first_spike_is_that_of_the_voltage_and_does_not_depend_on_the_step() {
    // A voltage that rises along a straight line passes its zone, of width 0.3, at 0.85 of the time to threshold on average.
    let intervals = [17.3, 31.0, 400.0];
    let network = clocks(&intervals, 0.3);
    let expected = [0.85 * 17.3, 0.85 * 31.0, 100.0];
    for h in [0.5, 0.1, 0.02] {
        for (i, expected) in expected.into_iter().enumerate() {
            let loss = SquaredError { of: Score::FirstSpike { neurons: i..i + 1, scale: 2.0 } };
            let trial = |label| Trial { label: vec![label], ..Trial::silent(100, 1.0, 0) };
            let found = 2.0 * cost(&network, &trial(0.0), &loss, h).sqrt();
            assert!((found - expected).abs() < 0.05 * h, "{h}: {found} {expected}");
            let error = cost(&network, &trial(12.0), &loss, h);
            assert!((error - ((found - 12.0) / 2.0).powi(2)).abs() < 1e-9 * error, "{h}: {error}");
        }
    }
    // Its derivative by the current is that of 0.85 / I.
    let loss = SquaredError { of: Score::FirstSpike { neurons: 0..1, scale: 1.0 } };
    let trial = Trial { label: vec![10.0], ..Trial::silent(200, H, 0) };
    let (_, bar) = gradient(&network, &trial, &loss, Memory::Stored);
    let range = network.parameters.layout().range(Group::Bias);
    let expected = -2.0 * (0.85 * 17.3 - 10.0) * 0.85 * 17.3 * 17.3;
    assert!((bar[range.start] / expected - 1.0).abs() < 0.05, "{} {expected}", bar[range.start]);
}

#[test]
fn of_two_neurons_the_class_of_the_earlier_one_is_the_more_probable() {
    let network = clocks(&[20.0, 30.0], 0.3);
    let trial = |label| Trial { label, ..Trial::silent(100, 1.0, 0) };
    let loss = CrossEntropy { of: Score::FirstSpike { neurons: 0..2, scale: 5.0 }, smoothing: 0.0 };
    let [first, second] = [[1.0, 0.0], [0.0, 1.0]].map(|p| cost(&network, &trial(p.to_vec()), &loss, 0.01));
    // The scores differ by 0.85 (30 - 20) / 5.
    assert!((second - first - 1.7).abs() < 1e-2, "{first} {second}");
    assert!((first - (1.0 + (-1.7_f64).exp()).ln()).abs() < 1e-2);
}

#[test]
fn rates_and_counts_do_not_depend_on_the_step() {
    let network = clocks(&[7.3, 11.9, 23.1, 400.0], 0.3);
    let (rates, counts) =
        (RateBand { neurons: 0..4, low: 50.0, high: 100.0 }, SquaredError { of: Score::Counts(0..4) });
    let silent = Trial::silent(100, 1.0, 0);
    let trial = Trial { label: vec![10.0, 8.0, 5.0, 1.0], ..silent.clone() };
    // 13, 8, 4 and 0 spikes in 100 ms, and parts of the next ones that the voltage has passed at the end.
    let part = |interval: f64| ((100.0 / interval).fract() - 0.7_f64).max(0.0) / 0.3;
    let charge = [13.0 + part(7.3), 8.0 + part(11.9), 4.0 + part(23.1), 0.0];
    let outside = [10.0 * charge[0] - 100.0, 0.0, 10.0 * charge[2] - 50.0, -50.0];
    let expected = outside.map(|r: f64| r.max(0.0).powi(2) + r.min(0.0).powi(2)).iter().sum::<f64>() / 4.0;
    let errors = charge.iter().zip(&trial.label).map(|(c, d)| (c - d) * (c - d)).sum::<f64>() / 4.0;
    for h in [0.5, 0.25, 0.02] {
        let found = [cost(&network, &silent, &rates, h), cost(&network, &trial, &counts, h)];
        assert!((found[0] - expected).abs() < 1e-9 * expected, "{h}: {found:?} {expected}");
        assert!((found[1] - errors).abs() < 1e-9 * errors, "{h}: {found:?} {errors}");
    }
    // No upper end.
    let open = RateBand { high: f64::INFINITY, ..rates };
    let low = outside[2].powi(2) + outside[3].powi(2);
    assert!((cost(&network, &silent, &open, H) - low / 4.0).abs() < 1e-9 * low);
}

fn recorded(network: &Network<f64>, trial: &Trial<f64>) -> Recording<f64> {
    let scheme = SplitStep::new(network, H).expect("a scheme");
    let run = scheme.run(trial, &Activity { weight: 0.0 }).expect("a run");
    run.record().expect("finite")
}

#[test]
fn scores_are_those_of_the_recording() {
    let (network, mut trial) = random(7);
    let recording = recorded(&network, &trial);
    let output = |class| recording.output.iter().skip(class).step_by(2);
    let counted = |class| output(class).zip(&trial.weights).filter(|(_, w)| **w != 0.0);
    let whole: f64 = trial.weights.iter().sum();
    let scores = [
        (Score::Mean, [0, 1].map(|k| counted(k).map(|(o, w)| o * w).sum::<f64>() / whole)),
        (Score::Last, [0, 1].map(|k| *counted(k).next_back().expect("a sample").0)),
        (Score::Maximum, [0, 1].map(|k| counted(k).fold(f64::MIN, |max, (o, _)| max.max(*o)))),
    ];
    for (of, z) in scores {
        trial.label = vec![0.3, -0.8];
        let error = cost(&network, &trial, &SquaredError { of: of.clone() }, H);
        let expected = ((z[0] - 0.3).powi(2) + (z[1] + 0.8).powi(2)) / 2.0;
        assert!((error - expected).abs() < 1e-12 * expected, "{of:?}: {error} {expected}");
        // A trial of weight 2, of the second class, a fifth of which is spread over both.
        trial.label = vec![0.0, 2.0];
        let entropy = cost(&network, &trial, &CrossEntropy { of: of.clone(), smoothing: 0.2 }, H);
        let log = |k: usize| (z[k].exp() / (z[0].exp() + z[1].exp())).ln();
        let expected = -0.2 * log(0) - 1.8 * log(1);
        assert!((entropy - expected).abs() < 1e-12 * expected, "{of:?}: {entropy} {expected}");
    }
}

#[test]
fn activity_is_the_second_term_of_the_quadratic_loss() {
    let (network, trial) = random(8);
    let without = |lambda| gradient(&network, &trial, &QuadraticLoss { lambda }, Memory::Stored);
    let (plain, both) = (without(0.0), without(0.6));
    let (cost, bar) = gradient(&network, &trial, &Activity { weight: 0.6 }, Memory::Stored);
    assert!((both.0 - plain.0 - cost).abs() < 1e-12 * both.0);
    let size = both.1.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
    assert!((0..bar.len()).all(|i| (both.1[i] - plain.1[i] - bar[i]).abs() < 1e-12 * size));
}

#[test]
fn a_sum_of_losses_is_the_sum_and_sees_of_the_label_what_each_asks_for() {
    let (network, trial) = random(9);
    let classes = CrossEntropy { of: Score::Mean, smoothing: 0.1 };
    let counts = SquaredError { of: Score::Counts(0..4) };
    let trains = VanRossum { neurons: 0..4, tau: 8.0 };
    let quadratic = QuadraticLoss { lambda: 0.1 };
    let label = [0.2, 0.9, 3.0, 1.0];
    let of = |loss: &dyn Loss<f64>, labels: usize| {
        let trial = Trial { label: label[..labels].to_vec(), ..trial.clone() };
        gradient(&network, &trial, loss, Memory::Stored)
    };
    let single = [of(&classes, 2), of(&counts, 4), of(&trains, 0), of(&quadratic, 0)];
    let weights = [0.5, 0.1, 2.0, -1.5];
    let list = Losses(vec![
        (weights[0], Box::new(classes.clone()) as Box<dyn Loss<f64> + Send>),
        (weights[1], Box::new(counts.clone())),
        (weights[2], Box::new(trains.clone())),
        (weights[3], Box::new(quadratic)),
    ]);
    let sum = |entry: &dyn Fn(usize) -> f64| (0..4).map(|k| weights[k] * entry(k)).sum::<f64>();
    let (cost, bar) = of(&list, 4);
    assert!((cost - sum(&|k| single[k].0)).abs() < 1e-12 * cost.abs());
    let size = bar.iter().fold(0.0, |max: f64, x| max.max(x.abs()));
    assert!((0..bar.len()).all(|i| (bar[i] - sum(&|k| single[k].1[i])).abs() < 1e-11 * size));

    // The same losses in pairs, and in boxes, have the same bits.
    let boxed = |weight, loss: Box<dyn Loss<f64> + Send>| Weighted { weight, loss };
    let pairs = SumOfLosses(
        SumOfLosses(boxed(weights[0], Box::new(classes)), boxed(weights[1], Box::new(counts))),
        SumOfLosses(boxed(weights[2], Box::new(trains)), boxed(weights[3], Box::new(quadratic))),
    );
    let (again, bar_again) = of(&pairs, 4);
    assert!((cost - again).abs() <= 1e-15 * cost.abs());
    assert_eq!(bar, bar_again);

    // No loss costs nothing.
    let nothing = of(&Losses::default(), 0);
    assert!(nothing.0 == 0.0 && nothing.1.iter().all(|x| *x == 0.0));
}

#[test]
fn what_means_nothing_is_refused_in_words() {
    let (network, trial) = random(10);
    let scheme = SplitStep::new(&network, H).expect("a scheme");
    let refused = |loss: &dyn Loss<f64>, label: &[f64]| {
        let trial = Trial { label: label.to_vec(), ..trial.clone() };
        scheme.run(&trial, loss).map(drop).expect_err("refused")
    };
    let mean = |smoothing| CrossEntropy { of: Score::Mean, smoothing };
    for smoothing in [1.0, -0.1, f64::NAN] {
        let error = refused(&mean(smoothing), &[1.0, 0.0]);
        assert!(matches!(error, Error::LossSetting { .. }), "{error}");
        assert!(error.to_string().contains("give a number from 0 to less than 1"), "{error}");
        // Inside sums as well.
        let inside =
            Losses(vec![(1.0, Box::new(SumOfLosses(Activity { weight: 1.0 }, mean(smoothing))) as _)]);
        assert_eq!(refused(&inside, &[1.0, 0.0]).to_string(), error.to_string());
    }
    for (low, high) in
        [(-1.0, 5.0), (f64::NAN, 5.0), (5.0, 4.9), (5.0, f64::NAN), (f64::INFINITY, f64::INFINITY)]
    {
        let error = refused(&RateBand { neurons: 0..3, low, high }, &[]);
        assert!(matches!(error, Error::LossSetting { .. }), "{error}");
    }
    for zero in [0.0, -2.0, f64::NAN, f64::INFINITY] {
        let first = Score::FirstSpike { neurons: 0..2, scale: zero };
        for loss in [
            &VanRossum { neurons: 0..3, tau: zero } as &dyn Loss<f64>,
            &SquaredError { of: first.clone() },
            &CrossEntropy { of: first, smoothing: 0.0 },
        ] {
            let error = refused(loss, &[1.0, 1.0]);
            assert!(matches!(error, Error::NotPositive { .. }), "{error}");
        }
    }
    let last = network.neurons();
    for neurons in [2..2, last - 1..last + 1] {
        for loss in [
            &VanRossum { neurons: neurons.clone(), tau: 1.0 } as &dyn Loss<f64>,
            &RateBand { neurons: neurons.clone(), low: 0.0, high: 1.0 },
            &SquaredError { of: Score::Counts(neurons.clone()) },
            &SquaredError { of: Score::FirstSpike { neurons: neurons.clone(), scale: 1.0 } },
        ] {
            let error = refused(loss, &[]);
            assert!(error.to_string().contains("choose one of those of 0 to"), "{error}");
        }
    }
    let first = SquaredError { of: Score::FirstSpike { neurons: 0..2, scale: 1.0 } };
    for (loss, label, says) in [
        (&mean(0.1) as &dyn Loss<f64>, [0.0, 0.0], "no class is asked for"),
        (&mean(0.1), [2.0, -1.0], "entry 1 of the trial's label is -1"),
        (&SquaredError { of: Score::Counts(0..2) }, [-3.0, 1.0], "the spikes wanted of a neuron"),
        (&first, [2.0, -1.0], "the time of a neuron's first spike"),
        (&Weighted { weight: 2.0, loss: first.clone() }, [2.0, -1.0], "the time of a neuron's first spike"),
    ] {
        let error = refused(loss, &label);
        assert!(matches!(error, Error::Label { .. }) && error.to_string().contains(says), "{error}");
        assert!(matches!(refused(loss, &[]), Error::Shape { expected: 2, .. }));
    }
    // An output may be asked to be below zero.
    let regression = SquaredError { of: Score::Mean };
    let labelled = Trial { label: vec![-1.0, 2.0], ..trial.clone() };
    assert!(scheme.run(&labelled, &regression).is_ok());
}

#[test]
fn target_spikes_that_no_run_can_have_are_refused() {
    let (network, trial) = random(11);
    let scheme = SplitStep::new(&network, H).expect("a scheme");
    let spike = |neuron, time| Spike { neuron, time, count: 1 };
    let last = network.neurons() - 1;
    for (spikes, wrong, says) in [
        (vec![spike(0, 3.0), spike(1, 2.9)], 1, "sort the spikes by time"),
        (vec![spike(0, -0.1)], 0, "move it into the trial"),
        (vec![spike(0, 1.0), spike(0, 40.1)], 1, "move it into the trial"),
        (vec![spike(0, f64::NAN)], 0, "move it into the trial"),
        (vec![spike(last, 1.0), spike(last + 1, 2.0)], 1, "choose a neuron of the network"),
    ] {
        // Whatever the loss.
        for loss in [&VanRossum { neurons: 0..2, tau: 3.0 } as &dyn Loss<f64>, &Activity { weight: 1.0 }] {
            let trial = Trial { target_spikes: spikes.clone(), ..trial.clone() };
            let error = scheme.run(&trial, loss).map(drop).expect_err("refused");
            assert!(matches!(error, Error::TargetSpike { index, .. } if index == wrong), "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
    let ends = Trial { target_spikes: vec![spike(0, 0.0), spike(last, 40.0)], ..trial };
    assert!(scheme.run(&ends, &Activity { weight: 1.0 }).is_ok());
}
