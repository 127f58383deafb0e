//! What comes from outside the network: spike events, injected currents, and the gradient by them and by the inputs.

use super::common::{normal, passes_merged, random_trial};
use super::projections::{KINDS, populations, randomise};
use super::synapses::random_synapse;
use proptest::prelude::*;
use rand::RngExt;
use spikegrad::adjoint::{Dual64, GradientCheck, Memory, Sweep, forward_sensitivity};
use spikegrad::integrators::{StepVjp, tableau};
use spikegrad::models::{GateShape, Lif, Theta};
use spikegrad::network::{
    Domain, Error, Event, Feature, Group, Network, NetworkBuilder, NoLoss, PlainStep, Population, Projection,
    Sign, SplitStep, Trial, fluctuating_currents, poisson_events, pontryagin,
};
use spikegrad::tasks::{NetworkObjective, Purpose, QuadraticLoss, Scheme, generator};

const H: f64 = 0.5;
const LOSS: QuadraticLoss<f64> = QuadraticLoss { lambda: 0.1 };

/// Three populations and two sources, whose projections are of the kind number `kind`, with a trial of inputs, injected currents
/// and events that is held over `hold` steps.
pub(crate) fn driven(kind: usize, hold: usize, seed: u64) -> (Network<f64>, Trial<f64>) {
    let rng = &mut generator(seed, Purpose::Test, 5);
    let of_kind = |p: Projection, seed| KINDS[kind](p, seed);
    let any_synapse = random_synapse("y", 12.0, false, rng);
    let builder: NetworkBuilder = populations([4, 3, 2])
        .source("near", 6)
        .source("far", 5)
        .projection(Projection::new("w", 9.0))
        .projection(of_kind(Projection::new("x", 5.0).between("near", "b"), seed))
        .projection(of_kind(any_synapse.between("far", "a"), seed + 1))
        .projection(of_kind(Projection::new("z", 7.0).between("b", "c"), seed + 2));
    let mut network = builder.build().expect("a network");
    network.unfreeze_all();
    randomise(&mut network, rng);
    for k in [1, 2] {
        network.parameters.group_mut(Group::Weight(k)).iter_mut().for_each(|w| *w *= 3.0);
    }
    let mut trial = random_trial(&mut network, H * hold as f64, 0.0, rng);
    (trial.samples, trial.targets) = (40, trial.targets[..80].to_vec());
    trial.inputs.truncate(40);
    trial.currents =
        fluctuating_currents(40, 9, trial.interval, (0.0, 0.02), 3.0, rng).expect("finite currents");
    trial.events = poisson_events(0..11, 200.0, trial.duration(), 1.0, rng).expect("finite rates");
    trial.events.iter_mut().for_each(|event| event.charge = 1.0 + 0.3 * normal(rng));
    assert!(!trial.events.is_empty());
    (network, trial)
}

#[test]
fn networks_that_are_driven_from_outside_have_an_exact_gradient() {
    passes_merged(&(0..KINDS.len(), 1..4_usize, any::<u32>()), |(kind, hold, seed)| {
        let (network, trial) = driven(kind, hold, u64::from(seed));
        let mut objective = NetworkObjective::new(network, &trial, &LOSS, Scheme::default(), H);
        let report =
            GradientCheck::default().run(&mut objective).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert!(report.agreement().is_ok(), "{kind}: {report}");
        Ok(vec![report])
    });
}

/// The gradient by inputs, injected currents and charges, one after the other.
fn given(network: &Network<f64>, trial: &Trial<f64>, memory: Memory) -> (f64, Vec<f64>, Vec<f64>) {
    let scheme = SplitStep::new(network, H).expect("a scheme");
    let run = scheme.run(trial, &LOSS).expect("a run").by_inputs();
    let mut bar = vec![0.0; run.n_parameters()];
    let cost = Sweep::new().memory(memory).gradient(&run, &mut bar).expect("finite");
    let ranges = run.given();
    assert_eq!(ranges.charges.end, bar.len());
    assert_eq!(ranges.inputs.start, network.parameters.layout().len());
    let behind = bar.split_off(ranges.inputs.start);
    (cost, bar, behind)
}

/// `trial` with numbers for its inputs, injected currents and charges, one after the other.
pub(crate) fn with<T: spikegrad::network::Scalar>(trial: &Trial<T>, numbers: &[T]) -> Trial<T> {
    let mut trial = trial.clone();
    let charges = trial.events.iter_mut().map(|event| &mut event.charge);
    let all = trial.inputs.iter_mut().chain(&mut trial.currents).chain(charges);
    all.zip(numbers).for_each(|(to, &x)| *to = x);
    trial
}

pub(crate) fn numbers(trial: &Trial<f64>) -> Vec<f64> {
    let charges = trial.events.iter().map(|event| &event.charge);
    trial.inputs.iter().chain(&trial.currents).chain(charges).copied().collect()
}

#[test]
fn gradients_by_what_is_given_equal_dual_numbers_and_differences() {
    for kind in 0..KINDS.len() {
        let (network, trial) = driven(kind, 1 + kind % 3, 100 + kind as u64);
        let (cost, by_parameters, bar) = given(&network, &trial, Memory::Stored);
        let x = numbers(&trial);
        let scale = bar.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        assert!(scale > 0.0 && bar.len() == x.len());
        // Dual numbers share nothing with the transpose.
        let (dual, loss) = (network.to_dual(), QuadraticLoss { lambda: Dual64::from(0.1) });
        let silent = trial.map(Dual64::from);
        let (_, forward) = forward_sensitivity(&x, |numbers| {
            let trial = with(&silent, numbers);
            let step = SplitStep::new(&dual, H)?;
            let run = step.run(&trial, &loss)?;
            Ok::<_, spikegrad::adjoint::BoxError>(Sweep::new().run(&run, |_, _, _| {})?)
        })
        .expect("a sensitivity");
        for (i, (bar, forward)) in bar.iter().zip(&forward).enumerate() {
            assert!((bar - forward).abs() < 1e-10 * scale, "{kind} {i}: {bar} {forward}");
        }
        // Central differences along a random direction, where no spike comes or goes.
        let rng = &mut generator(kind as u64, Purpose::Test, 6);
        let direction: Vec<f64> = x.iter().map(|_| normal(rng)).collect();
        let cost_at = |e: f64| {
            let moved: Vec<f64> = x.iter().zip(&direction).map(|(x, d)| x + e * d).collect();
            let trial = with(&trial, &moved);
            let scheme = SplitStep::new(&network, H).expect("a scheme");
            Sweep::new().cost(&scheme.run(&trial, &LOSS).expect("a run")).expect("finite")
        };
        let slope: f64 = bar.iter().zip(&direction).map(|(bar, d)| bar * d).sum();
        let error = |e: f64| ((cost_at(e) - cost_at(-e)) / (2.0 * e) - slope).abs();
        let least = [1e-5, 1e-6, 1e-7].map(error).into_iter().fold(f64::INFINITY, f64::min);
        assert!(least < 1e-6 * (slope.abs() + scale), "{kind}: {least} of {slope}");
        // The gradient by the parameters does not mind, nor do segments.
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        let mut alone = network.parameters.zeros_like();
        let run = scheme.run(&trial, &LOSS).expect("a run");
        assert_eq!(cost, Sweep::new().gradient(&run, alone.values_mut()).expect("finite"));
        assert_eq!(by_parameters, alone.values());
        for memory in [Memory::SqrtSteps, Memory::Every(7)] {
            assert_eq!((cost, by_parameters.clone(), bar.clone()), given(&network, &trial, memory));
        }
    }
}

#[test]
fn an_event_is_a_spike_of_a_neuron() {
    // One channel that is where a neuron is in another network.
    let lif = |name, size| Population::new(name, Lif::default(), size, GateShape::RaisedCosine, 0.3);
    let firing = Network::builder().population(lif("pre", 1)).population(lif("post", 3));
    let mut firing =
        firing.projection(Projection::new("w", 6.0).between("pre", "post")).build().expect("a network");
    let driven = Network::builder().population(lif("post", 3)).source("pre", 1);
    let mut driven =
        driven.projection(Projection::new("w", 6.0).between("pre", "post")).build().expect("a network");
    for network in [&mut firing, &mut driven] {
        network.parameters.weight_mut(0).fill(4.0);
    }
    firing.parameters.bias_mut()[0] = 0.12;
    let scheme = SplitStep::new(&firing, H).expect("a scheme");
    let trial = Trial::silent(100, H, 0);
    let run = scheme.run(&trial, &NoLoss).expect("a run");
    let (mut events, mut step) = (Vec::new(), 0.0);
    run.watch(|_, _, tape| {
        let charges = tape.last_charges().filter(|(neuron, _)| *neuron == 0);
        events.extend(charges.map(|(_, &charge)| Event { time: step * H, channel: 0, charge }));
        step += 1.0;
    })
    .expect("finite");
    let of_neuron = run.record().expect("finite");
    let trial = Trial { events, ..Trial::silent(100, H, 0) };
    let scheme = SplitStep::new(&driven, H).expect("a scheme");
    let of_events = scheme.run(&trial, &NoLoss).expect("a run").record().expect("finite");
    assert!(of_events.spikes.len() > 5);
    assert_eq!((&of_events.s, &of_events.synaptic_current), (&of_neuron.s, &of_neuron.synaptic_current));
    let v: Vec<f64> = of_neuron.v.chunks(4).flat_map(|v| &v[1..]).copied().collect();
    assert_eq!(of_events.v, v);
}

#[test]
fn events_that_no_run_can_take_are_refused() {
    let network =
        populations([2, 2, 2]).source("s", 3).projection(Projection::new("w", 5.0).between("s", "a"));
    let network = network.build().expect("a network");
    let scheme = SplitStep::new(&network, H).expect("a scheme");
    let event = |time, channel, charge| Event { time, channel, charge };
    let run = |events: Vec<Event<f64>>| {
        let trial = Trial { events, ..Trial::silent(20, H, 1) };
        scheme.run(&trial, &NoLoss).map(drop)
    };
    assert!(run(vec![event(0.0, 0, 1.0), event(9.99, 2, -1.0)]).is_ok());
    for (events, index, words) in [
        (
            vec![event(0.0, 0, 1.0), event(10.0, 0, 1.0)],
            1,
            "is at 10 ms, not from 0 to less than 10: move it into",
        ),
        (vec![event(f64::NAN, 0, 1.0)], 0, "NaN"),
        (vec![event(5.0, 0, 1.0), event(4.0, 0, 1.0)], 1, "sort the events by time"),
        (vec![event(5.0, 3, 1.0)], 0, "is of channel 3, but there are 3"),
        (vec![event(5.0, 0, f64::INFINITY)], 0, "a charge that is not finite"),
    ] {
        let error = run(events).expect_err("no event");
        assert!(matches!(&error, Error::Event { index: found, .. } if *found == index), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let trial = Trial { currents: vec![0.1; 7], ..Trial::silent(20, H, 1) };
    assert!(matches!(scheme.run(&trial, &NoLoss).map(drop), Err(Error::Shape { expected: 120, .. })));
    let into = populations([2, 2, 2]).source("s", 3).projection(Projection::new("w", 5.0).between("a", "s"));
    assert!(matches!(into.build(), Err(Error::IntoSource { .. })));
    let same = populations([2, 2, 2]).source("a", 3).synapse("w", 5.0);
    assert!(matches!(same.build(), Err(Error::Duplicate { .. })));
    assert!(matches!(
        PlainStep::new(&network, H, tableau::RK4),
        Err(Error::Excluded { feature: Feature::EventSource, .. })
    ));
    let trial = Trial::silent(20, H, 1);
    assert!(matches!(
        pontryagin(&scheme.run(&trial, &NoLoss).expect("a run")),
        Err(Error::Excluded { feature: Feature::EventSource, .. })
    ));
}

#[test]
fn random_drive_has_its_statistics_and_the_same_bits_again() {
    let rng = || generator(1, Purpose::Test, 7);
    let drawn = |channels, rate, duration, rng: &mut _| {
        poisson_events(channels, rate, duration, 0.5, rng).expect("finite rates")
    };
    let events = drawn(3..13, 40.0, 10_000.0, &mut rng());
    assert_eq!(events, drawn(3..13, 40.0, 10_000.0, &mut rng()));
    // 4000 are expected; four standard deviations.
    assert!((3750..4250).contains(&events.len()), "{}", events.len());
    assert!(events.is_sorted_by_key(|event| event.time));
    assert!(events.iter().all(|event| (3..13).contains(&event.channel) && event.charge == 0.5));
    assert!(drawn(0..5, 0.0, 100.0, &mut rng()).is_empty());
    let currents: Vec<f64> =
        fluctuating_currents(20_000, 2, 1.0, (0.1, 0.02), 5.0, &mut rng()).expect("currents");
    let mean = currents.iter().sum::<f64>() / currents.len() as f64;
    let variance = currents.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / currents.len() as f64;
    let pairs = currents.windows(11).step_by(2).map(|w| (w[0] - mean) * (w[10] - mean));
    let correlation = pairs.sum::<f64>() / (currents.len() / 2) as f64 / variance;
    assert!((mean - 0.1).abs() < 0.003 && (variance.sqrt() - 0.02).abs() < 0.002, "{mean} {variance}");
    // Five samples of 1 ms apart, by a time constant of 5 ms.
    assert!((correlation - (-1.0_f64).exp()).abs() < 0.06, "{correlation}");
    let mut other = rng();
    let _: u64 = other.random();
    assert_ne!(drawn(0..3, 40.0, 1000.0, &mut other), drawn(0..3, 40.0, 1000.0, &mut rng()));
    // What is no process, or more than any memory.
    for (rate, duration) in [(-1.0, 1.0), (f64::NAN, 1.0), (1.0, f64::INFINITY)] {
        let refused = poisson_events(0..3, rate, duration, 1.0, &mut rng());
        assert!(matches!(refused, Err(Error::Negative { .. })), "{rate} {duration}");
    }
    let refused = poisson_events(0..u32::MAX, 1e6, 1e9, 1.0, &mut rng());
    assert!(matches!(refused, Err(Error::MemoryLimit { .. })));
    for (interval, deviation, tau) in [(-1.0, 1.0, 1.0), (1.0, f64::NAN, 1.0), (1.0, 1.0, f64::INFINITY)] {
        let refused = fluctuating_currents::<f64>(3, 2, interval, (0.0, deviation), tau, &mut rng());
        assert!(matches!(refused, Err(Error::Negative { .. })), "{interval} {deviation} {tau}");
    }
    let refused = fluctuating_currents::<f64>(3, 2, 1.0, (f64::NAN, 1.0), 1.0, &mut rng());
    assert!(matches!(refused, Err(Error::NonFinite { .. })));
    let refused = fluctuating_currents::<f32>(usize::MAX, 2, 1.0, (0.0, 1.0), 1.0, &mut rng());
    assert!(matches!(refused, Err(Error::MemoryLimit { .. })));
}

#[test]
fn an_injected_current_is_a_tonic_one_in_every_scheme() {
    let theta = Population::new("theta", Theta::default(), 4, GateShape::RaisedCosine, 0.4);
    let builder = Network::builder().population(theta).synapse("w", 9.0).inputs(1).outputs(2);
    let mut network = builder.build().expect("a network");
    network.unfreeze_all();
    let rng = &mut generator(9, Purpose::Test, 8);
    randomise(&mut network, rng);
    let trial = random_trial(&mut network, H, 0.0, rng);
    let tonic: Vec<f64> = network.parameters.bias().to_vec();
    let mut injected = network.clone();
    injected.parameters.bias_mut().fill(0.0);
    let currents = tonic.repeat(trial.samples);
    let with = Trial { currents, ..trial.clone() };
    let costs = |network: &Network<f64>, trial: &Trial<f64>| {
        let split = SplitStep::new(network, H).expect("a scheme");
        let plain = PlainStep::new(network, H, tableau::RK4).expect("a scheme");
        [
            Sweep::new().cost(&split.run(trial, &LOSS).expect("a run")).expect("finite"),
            Sweep::new().cost(&plain.run(trial, &LOSS).expect("a run")).expect("finite"),
        ]
    };
    for (with, tonic) in costs(&injected, &with).into_iter().zip(costs(&network, &trial)) {
        assert!((with / tonic - 1.0).abs() < 1e-10, "{with} {tonic}");
    }
    let [with, without] = [costs(&injected, &with), costs(&injected, &trial)];
    assert!((0..2).all(|k| (with[k] / without[k] - 1.0).abs() > 1e-3), "{with:?} {without:?}");
}

#[test]
fn a_network_with_sources_says_what_it_is() {
    let signed =
        populations([2, 2, 2]).source("s", 9).projection(Projection::new("w", 5.0).between("s", "a"));
    let mut network = signed.build().expect("a network");
    network.set_signs(|_| Some(Sign::Excitatory));
    let parameters: Vec<_> = network.named_parameters().map(|p| (p.name, p.domain)).collect();
    // No channel has a sign.
    assert!(parameters.contains(&("w.weight", Domain::Any)));
    assert_eq!((network.ends(0), network.channels()), ((6..15, 0..2), 9));
    let again = network.spec().build().expect("a network");
    assert_eq!(again.spec().sources, network.spec().sources);
    let found = network
        .spec()
        .difference(&populations([2, 2, 2]).synapse("w", 5.0).build().expect("a network").spec());
    assert!(found.is_some());
}
