//! Losses of a run as a whole: counts, means, maxima and last values over time have an exact gradient, whatever is kept of the run, and
//! go on from one run to the next.

use std::ops::Range;

use super::common::{Model, normal, passes_merged, problem};
use super::forward::spec;
use super::projections::KINDS;
use super::sources::driven;
use super::states::cut;
use super::{projections, readouts};
use allocation_counter::measure;
use proptest::prelude::*;
use rand::RngExt;
use spikegrad::adjoint::{
    BoxError, Dual64, GradientCheck, GradientReport, Memory, Sweep, forward_sensitivity,
};
use spikegrad::integrators::{EventLog, tableau};
use spikegrad::models::{GateShape, Lif, Nif, Theta, for_each_neuron};
use spikegrad::network::{
    Error, Loss, Network, NetworkState, NoLoss, PlainStep, Population, Scalar, Spike, SplitStep, Trial,
    pontryagin,
};
use spikegrad::tasks::{
    CrossEntropy, Losses, NetworkObjective, Purpose, QuadraticLoss, RateBand, Scheme, Score, SquaredError,
    SumOfLosses, VanRossum, generator,
};

const H: f64 = 0.5;

/// Every loss of a run as a whole, for a network of at least two neurons.
fn losses<T: Scalar>() -> Vec<Box<dyn Loss<T>>> {
    let quadratic = QuadraticLoss { lambda: T::from_subset(&0.1) };
    let classes = |of| CrossEntropy { of, smoothing: 0.0 };
    let first = CrossEntropy { of: Score::FirstSpike { neurons: 0..2, scale: 4.0 }, smoothing: 0.1 };
    let rates = RateBand { neurons: 0..2, low: 60.0, high: 70.0 };
    let times_and_rates = Losses(vec![
        (T::one(), Box::new(first) as Box<dyn Loss<T> + Send>),
        (T::from_subset(&1e-3), Box::new(rates)),
    ]);
    vec![
        Box::new(classes(Score::Mean)),
        Box::new(classes(Score::Last)),
        Box::new(classes(Score::Maximum)),
        Box::new(classes(Score::Counts(0..2))),
        Box::new(counts(0..2)),
        Box::new(SumOfLosses(quadratic, classes(Score::Maximum))),
        Box::new(SumOfLosses(counts(0..1), classes(Score::Counts(0..2)))),
        Box::new(SumOfLosses(classes(Score::Mean), quadratic)),
        Box::new(VanRossum { neurons: 0..2, tau: 6.0 }),
        Box::new(times_and_rates),
    ]
}

/// The error of spike counts.
fn counts(neurons: Range<usize>) -> SquaredError {
    SquaredError { of: Score::Counts(neurons) }
}

/// Gives a trial the label that a loss asks for, target spikes, and weights some of which are zero.
fn labelled(trial: &Trial<f64>, network: &Network<f64>, loss: &dyn Loss<f64>, seed: u64) -> Trial<f64> {
    let rng = &mut generator(seed, Purpose::Test, 11);
    let labels = loss.over_run().map_or(0, |over_run| over_run.labels(network.outputs()));
    let label = (0..labels).map(|_| rng.random_range(0.0..1.0)).collect();
    let weight = |_| if rng.random_bool(0.3) { 0.0 } else { rng.random_range(0.5..2.0) };
    let weights = (0..trial.samples).map(weight).collect();
    let mut times: Vec<f64> = (0..4).map(|_| rng.random_range(0.0..trial.duration())).collect();
    times.sort_by(f64::total_cmp);
    let spike = |time| Spike { neuron: rng.random_range(0..2), time, count: 1 };
    let target_spikes = times.into_iter().map(spike).collect();
    Trial { label, weights, target_spikes, ..trial.clone() }
}

fn gradient<T: Scalar>(
    scheme: &SplitStep<'_, T>,
    trial: &Trial<T>,
    loss: &dyn Loss<T>,
    memory: Memory,
) -> (T, Vec<T>) {
    let run = scheme.run(trial, loss).expect("a run");
    let mut gradient = scheme.network().parameters.zeros_like();
    let cost = Sweep::new().memory(memory).gradient(&run, gradient.values_mut()).expect("finite");
    (cost, gradient.values().to_vec())
}

/// Checks the gradient by the assertion, and that it has the same bits whatever is kept of the run.
fn check(
    network: Network<f64>,
    trial: &Trial<f64>,
    loss: &dyn Loss<f64>,
    check: &GradientCheck,
    h: f64,
) -> Result<GradientReport, TestCaseError> {
    {
        let scheme = SplitStep::new(&network, h).expect("a scheme");
        let stored = gradient(&scheme, trial, loss, Memory::Stored);
        for memory in [Memory::SqrtSteps, Memory::Every(7), Memory::Bytes(20_000)] {
            prop_assert!(stored == gradient(&scheme, trial, loss, memory), "{memory:?}");
        }
    }
    let mut objective = NetworkObjective::new(network, trial, loss, Scheme::default(), h);
    let report = check.run(&mut objective).map_err(|e| TestCaseError::fail(e.to_string()))?;
    prop_assert!(report.agreement().is_ok(), "{report}");
    Ok(report)
}

#[test]
fn losses_of_the_run_have_an_exact_gradient_in_every_kind_of_network() {
    let half = losses::<f64>().len() / 2;
    passes_merged(&(0..half, 0..KINDS.len() + 2, 1..4_usize, any::<u32>()), |(index, kind, hold, seed)| {
        let mut reports = Vec::new();
        for loss in [index, half + index].map(|index| losses().swap_remove(index)) {
            let (network, trial) = match kind.checked_sub(KINDS.len()) {
                None => driven(kind, hold, u64::from(seed)),
                Some(0) => projections::random([3, 3, 2], true, u64::from(seed)),
                Some(_) => readouts::random(1, u64::from(seed)),
            };
            let trial = labelled(&trial, &network, &*loss, u64::from(seed));
            reports.push(check(network, &trial, &*loss, &GradientCheck::default(), H)?);
        }
        Ok(reports)
    });
}

macro_rules! every_neuron {
    ($module:ident, $neuron:ty) => {
        mod $module {
            use super::*;

            #[test]
            fn losses_of_the_run_have_an_exact_gradient() {
                let model = Model::of::<$neuron>();
                let smallest = if model.mixed_units { 1e-11 } else { 1e-8 };
                let checked = GradientCheck { directions: 2, smallest, ..GradientCheck::default() };
                let mut merged = None::<GradientReport>;
                for (seed, loss) in losses().iter().enumerate() {
                    let mut spec = spec(1 + seed as u64, seed == 1);
                    spec.given_start = false;
                    let p = problem(&[&model], GateShape::ALL[seed % GateShape::ALL.len()], &spec);
                    // One of the pairs is ill-conditioned in one of these networks: its differences drown in rounding.
                    let pair = (5..8).contains(&seed) && p.network.outputs() != 2;
                    let simple: Box<dyn Loss<f64>> = Box::new(counts(0..6));
                    let loss = if pair { &simple } else { loss };
                    let trial = labelled(&p.trial, &p.network, &**loss, seed as u64);
                    let report = check(p.network, &trial, &**loss, &checked, p.h).expect("an exact gradient");
                    match &mut merged {
                        Some(merged) => merged.merge(report),
                        empty => *empty = Some(report),
                    }
                }
                let report = merged.expect("a report");
                assert!(report.passed(), "{report}");
            }
        }
    };
}
for_each_neuron!(every_neuron);

#[test]
fn losses_of_the_run_have_the_gradient_of_dual_numbers() {
    for index in 0..losses::<f64>().len() {
        let (network, trial) = driven(index % KINDS.len(), 2, 100 + index as u64);
        let (loss, dual_loss) = (&losses::<f64>()[index], &losses::<Dual64>()[index]);
        let trial = labelled(&trial, &network, &**loss, 1);
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        let (cost, expected) = gradient(&scheme, &trial, &**loss, Memory::Stored);
        let (mut dual, trial) = (network.to_dual(), trial.map(Dual64::from));
        let (value, found) = forward_sensitivity(network.parameters.values(), |parameters| {
            dual.parameters.values_mut().copy_from_slice(parameters);
            let step = SplitStep::new(&dual, H)?;
            Ok::<_, BoxError>(Sweep::new().cost(&step.run(&trial, &**dual_loss)?)?)
        })
        .expect("dual numbers");
        assert!((value - cost).abs() < 1e-12 * (1.0 + cost.abs()));
        let layout = network.parameters.layout();
        for entry in layout.entries().iter().filter(|entry| network.mask(entry.group).is_none()) {
            let scale = expected[entry.range.clone()].iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            for i in entry.range.clone() {
                assert!((expected[i] - found[i]).abs() <= 1e-10 * scale, "{index}, {}: {i}", entry.name);
            }
        }
    }
}

#[test]
fn counts_and_means_do_not_depend_on_the_step() {
    // Charge is one for every spike, at any step; between two resets a voltage has released a part of it.
    let lif = Population::new("lif", Lif::default(), 2, GateShape::RaisedCosine, 0.3);
    let mut network =
        Network::builder().population(lif).synapse("w", 9.0).outputs(2).build().expect("a network");
    network.parameters.bias_mut().copy_from_slice(&[0.11, 0.17]);
    network
        .parameters
        .group_mut(spikegrad::network::Group::Readout(0))
        .copy_from_slice(&[9.0, 0.0, 0.0, 5.0]);
    for loss in [&losses::<f64>()[0], &losses()[2], &losses()[3], &losses()[4]] {
        let labels = loss.over_run().expect("a loss of the run").labels(2);
        let trial = Trial { label: vec![3.0; labels], ..Trial::silent(100, 1.0, 0) };
        let cost = |h: f64| {
            let scheme = SplitStep::new(&network, h).expect("a scheme");
            Sweep::new().cost(&scheme.run(&trial, &**loss).expect("a run")).expect("finite")
        };
        let (coarse, finer, finest) = (cost(0.5), cost(0.25), cost(0.01));
        assert!((coarse / finest - 1.0).abs() < 0.03, "{coarse} {finest}");
        assert!((finer - finest).abs() <= 0.7 * (coarse - finest).abs() + 1e-9, "{coarse} {finer} {finest}");
    }
}

#[test]
fn padding_of_weight_zero_changes_no_loss_of_the_run() {
    for (index, loss) in losses::<f64>().iter().enumerate() {
        let (network, trial) = driven(0, 2, 130 + index as u64);
        let mut short = labelled(&trial, &network, &**loss, 2);
        // The events of the padding would not lie in the short trial.
        short.events.clear();
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        let samples = short.samples;
        let mut long = Trial { samples: samples + 15, ..short.clone() };
        long.inputs.resize((samples + 15) * network.inputs(), 0.7);
        long.targets.resize((samples + 15) * network.outputs(), -3.0);
        long.currents.resize((samples + 15) * network.neurons(), 0.05);
        long.weights.resize(samples + 15, 0.0);
        let [(cost, bar), (longer, long_bar)] =
            [&short, &long].map(|trial| gradient(&scheme, trial, &**loss, Memory::Stored));
        assert!((cost - longer).abs() <= 1e-13 * (1.0 + cost.abs()), "{index}: {cost} {longer}");
        let scale = bar.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        assert!(bar.iter().zip(&long_bar).all(|(a, b)| (a - b).abs() <= 1e-13 * scale), "{index}");
    }
}

#[test]
fn what_a_loss_has_accumulated_goes_on_from_run_to_run() {
    for (index, loss) in losses::<f64>().iter().enumerate() {
        let (network, trial) = driven(4, 1, 150 + index as u64);
        let trial = labelled(&trial, &network, &**loss, 3);
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        let [first, second] = cut(&trial, &network, 17);
        let cost = |trial: &Trial<f64>, ends: bool| {
            let run = scheme.run(trial, &**loss).expect("a run");
            let run = if ends { run } else { run.unfinished() };
            let mut sweep = Sweep::new();
            let cost = sweep.cost(&run).expect("finite");
            (cost, run.state(sweep.state()).expect("a state"))
        };
        let (whole, end) = cost(&trial, true);
        let (before, state) = cost(&first, false);
        let goes_on = Trial { state: Some(state.clone()), ..second.clone() };
        let (after, other_end) = cost(&goes_on, true);
        assert!((before + after - whole).abs() <= 1e-13 * (1.0 + whole.abs()), "{index}");
        // A maximum knows its step, which each run counts from its own start.
        if [2, 5].contains(&index) {
            let without = |state: &NetworkState<f64>| state.clone().without_accumulators();
            assert_eq!(without(&end), without(&other_end));
        } else {
            assert_eq!(end, other_end);
        }
        // A run without a loss hands it on as it is.
        let (_, tape) = scheme.forward(goes_on.clone()).expect("finite");
        let run = scheme.run(&goes_on, &NoLoss).expect("a run");
        let mut sweep = Sweep::new();
        sweep.cost(&run).expect("finite");
        assert_eq!(run.state(sweep.state()).expect("a state"), tape.state());
        // The mean goes on in every sample.
        assert!(index > 0 || tape.state() != end);
        assert_eq!(tape.state().without_accumulators(), end.clone().without_accumulators());
        // A run that is judged by itself.
        let afresh = Trial { state: Some(state.clone().without_accumulators()), ..second };
        let alone = cost(&afresh, true).1;
        // The last value is that of the last run; a mean is that of both.
        assert!(index > 1 || (alone == end) == (index == 1), "{index}");
        // Another loss does not take it for its own.
        let other = counts(0..5);
        let goes_on = Trial { label: vec![1.0; 5], ..goes_on };
        let refused = scheme.run(&goes_on, &other).map(drop).expect_err("another loss");
        assert!(refused.to_string().contains("number of what the loss has accumulated"), "{refused}");
    }
}

#[test]
fn the_step_of_a_maximum_belongs_to_the_signature() {
    // Two neurons that fire one after the other; the readout weighs one more than the other.
    let nif = Population::new("nif", Nif, 2, GateShape::Box, 0.3);
    let mut network =
        Network::builder().population(nif).synapse("w", 5.0).outputs(1).build().expect("a network");
    network.parameters.bias_mut().copy_from_slice(&[0.02, 0.012]);
    let signature = |network: &Network<f64>, of: Score| {
        let trial = Trial { label: vec![1.0], ..Trial::silent(90, 1.0, 0) };
        let loss = CrossEntropy { of, smoothing: 0.0 };
        let scheme = SplitStep::new(network, 0.5).expect("a scheme");
        let mut log = EventLog::default();
        Sweep::new().events(&scheme.run(&trial, &loss).expect("a run"), &mut log).expect("finite");
        log.signature()
    };
    let [first, second] = [[1.0, 4.0], [4.0, 1.0]].map(|weights| {
        let mut network = network.clone();
        network.parameters.readout_mut(0).copy_from_slice(&weights);
        [signature(&network, Score::Maximum), signature(&network, Score::Mean)]
    });
    assert_ne!(first[0], second[0]);
    assert_eq!(first[1], second[1]);
}

#[test]
fn losses_that_do_not_go_with_the_network_or_the_scheme_are_refused() {
    let theta = Population::new("theta", Theta::default(), 4, GateShape::RaisedCosine, 0.3);
    let build = |outputs| {
        let builder = Network::builder().population(theta.clone()).synapse("w", 9.0);
        builder.outputs(outputs).build().expect("a network")
    };
    let (network, silent) = (build(2), build(0));
    let scheme = SplitStep::new(&network, 1.0).expect("a scheme");
    let trial = |label: &[f64]| Trial { label: label.to_vec(), ..Trial::silent(10, 1.0, 0) };
    let refused =
        |loss: &dyn Loss<f64>, label: &[f64]| scheme.run(&trial(label), loss).map(drop).expect_err("refused");
    let mean = CrossEntropy { of: Score::Mean, smoothing: 0.0 };
    assert!(matches!(refused(&mean, &[]), Error::Shape { expected: 2, found: 0, .. }));
    assert!(matches!(refused(&mean, &[0.0, f64::NAN]), Error::NonFinite { index: 1, .. }));
    for neurons in [2..5, 4..4, 9..12] {
        let error = refused(&counts(neurons.clone()), &[0.0; 3]);
        assert!(error.to_string().contains("choose one of those of 0 to 3"), "{error}");
        let classes = CrossEntropy { of: Score::Counts(neurons), smoothing: 0.0 };
        assert!(matches!(refused(&classes, &[]), Error::Unknown { .. }));
    }
    for (loss, label, says) in [
        (&mean as &dyn Loss<f64>, [0.0, 0.0], "no class is asked for"),
        (&mean, [2.0, -1.0], "entry 1 of the trial's label is -1"),
        (&counts(0..2), [-3.0, 1.0], "entry 0 of the trial's label is -3"),
        (&SumOfLosses(mean.clone(), counts(0..2)), [-1.0, 2.0], "entry 0"),
    ] {
        let error = refused(loss, &label);
        assert!(matches!(error, Error::Label { .. }) && error.to_string().contains(says), "{error}");
    }
    let without = SplitStep::new(&silent, 1.0).expect("a scheme");
    assert!(matches!(without.run(&trial(&[]), &mean).map(drop), Err(Error::Empty { .. })));
    let plain = PlainStep::new(&network, 1.0, tableau::RK4).expect("a scheme");
    let error = plain.run(&trial(&[1.0, 0.0]), &mean).map(drop).expect_err("refused");
    assert!(error.to_string().contains("the plain field does not carry"), "{error}");
    let trial = trial(&[1.0, 0.0]);
    let error = pontryagin(&scheme.run(&trial, &mean).expect("a run")).map(drop).expect_err("refused");
    assert!(matches!(error, Error::RunLoss { .. }), "{error}");
}

#[test]
fn a_second_gradient_of_a_loss_of_the_run_allocates_nothing() {
    for loss in &losses::<f64>() {
        let (network, trial) = driven(0, 2, 170);
        let trial = labelled(&trial, &network, &**loss, 4);
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        let run = scheme.run(&trial, &**loss).expect("a run");
        let (mut sweep, mut bar) = (Sweep::new(), network.parameters.zeros_like());
        sweep.gradient(&run, bar.values_mut()).expect("finite");
        let count = measure(|| {
            sweep.gradient(&run, bar.values_mut()).expect("finite");
        });
        assert_eq!(count.count_total, 0);
    }
}

/// Scores are learned: a maximum over time has a gradient that goes down.
#[test]
fn a_step_against_the_gradient_lowers_the_loss() {
    let rng = &mut generator(5, Purpose::Test, 12);
    for loss in &losses::<f64>() {
        let (mut network, trial) = driven(0, 1, 190);
        let trial = labelled(&trial, &network, &**loss, 5);
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        let (before, bar) = gradient(&scheme, &trial, &**loss, Memory::Stored);
        drop(scheme);
        let square = bar.iter().map(|x| x * x).sum::<f64>();
        let step = 1e-7 * (1.0 + 0.1 * normal(rng)) / square.sqrt();
        network.parameters.values_mut().iter_mut().zip(&bar).for_each(|(p, bar)| *p -= step * bar);
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        let (after, _) = gradient(&scheme, &trial, &**loss, Memory::Stored);
        let fall = (before - after) / (step * square);
        assert!((fall - 1.0).abs() < 0.01, "{fall}");
    }
}
