//! Closed loops: stepped sample by sample, a network has the bits of one run with the same inputs, takes no memory, and the gradient
//! through whatever looks at its outputs in between is exact.

use super::common::{Function, Model, passes_merged, problem};
use super::forward::{outside, spec};
use super::projections::KINDS;
use super::sources::driven;
use super::states::cut;
use super::{projections, readouts};
use allocation_counter::measure;
use proptest::prelude::*;
use spikegrad::adjoint::{BoxError, GradientCheck, Sweep};
use spikegrad::integrators::{Divergence, EventLog, tableau};
use spikegrad::models::{AdEx, GateShape, HodgkinHuxley, Theta, for_each_neuron};
use spikegrad::network::{
    Error, Event, Network, NoLoss, Population, Projection, Scalar, SplitStep, Stepper, Stimulus, Trial,
};

const H: f64 = 0.5;

/// Gives the samples of a trial one by one and returns all outputs.
fn step_through<T: Scalar>(stepper: &mut Stepper<'_, T>, trial: &Trial<T>, network: &Network<T>) -> Vec<T> {
    let mut outputs = Vec::new();
    for m in 0..trial.samples {
        let of = |all: &[T], width: usize| {
            if all.is_empty() { Vec::new() } else { all[m * width..][..width].to_vec() }
        };
        let (start, end) = (m as f64 * trial.interval, (m + 1) as f64 * trial.interval);
        let events = trial.events.iter().filter(|event| (start..end).contains(&event.time));
        let events: Vec<_> = events.map(|event| Event { time: event.time - start, ..*event }).collect();
        let inputs = of(&trial.inputs, network.inputs());
        let currents = of(&trial.currents, network.neurons());
        let stimulus = Stimulus { inputs: &inputs, currents: &currents, events: &events };
        outputs.extend_from_slice(stepper.step(stimulus).expect("finite"));
    }
    outputs
}

/// Asserts that a stepped run is a run, from a fresh start and from a state, with a tape and without.
fn is_a_run<T: Scalar>(scheme: &SplitStep<'_, T>, trial: &Trial<T>) {
    // A stepper starts where the network does, or from a state.
    let trial = Trial { initial: None, ..trial.clone() };
    let network = scheme.network();
    let (whole, mut tape) = scheme.forward(trial.clone()).expect("finite");
    let new = || scheme.stepper(trial.interval, None).expect("a stepper");
    let mut bare = new();
    assert_eq!(step_through(&mut bare, &trial, network), whole);
    assert_eq!((bare.state(), bare.samples()), (tape.state(), trial.samples));
    let mut taped = new().with_tape();
    assert_eq!(step_through(&mut taped, &trial, network), whole);
    assert_eq!(taped.state(), tape.state());
    // The same tape, and so the same gradient.
    let (_, output_bar) = outside(&whole, 0);
    let expected = tape.vjp(&output_bar, None).expect("finite");
    let mut found = taped.into_tape();
    assert_eq!(found.vjp(&output_bar, None).expect("finite"), expected);
    // Sample by sample, weights are not put together over as many steps.
    let mut back = found.backwards(None).expect("a way back");
    for m in (0..trial.samples).rev() {
        let outputs = network.outputs();
        let inputs_bar = back.step(&output_bar[m * outputs..][..outputs]).expect("finite");
        assert_eq!(inputs_bar, &expected.inputs[m * network.inputs()..][..network.inputs()]);
    }
    assert!(back.left() == 0 && back.step(&[]).expect("nothing").is_empty());
    assert_eq!(back.finish().expect("finite"), expected);
    // Half without a tape, half with one, which is a run from the state in between.
    let [first, second] = cut(&trial, network, trial.samples / 2);
    let mut mixed = new();
    let before = step_through(&mut mixed, &first, network);
    let state = mixed.state();
    let mut mixed = mixed.with_tape();
    let after = step_through(&mut mixed, &second, network);
    assert_eq!([&before[..], &after].concat(), whole);
    assert_eq!((mixed.samples(), mixed.state()), (trial.samples, tape.state()));
    let behind = mixed.into_tape().vjp(&output_bar[before.len()..], None).expect("finite");
    let second = Trial { state: Some(state.clone()), ..second };
    let (_, mut late) = scheme.forward(second.clone()).expect("finite");
    assert_eq!(late.vjp(&output_bar[before.len()..], None).expect("finite"), behind);
    let mut goes_on = scheme.stepper(trial.interval, Some(state)).expect("a stepper");
    assert_eq!(step_through(&mut goes_on, &second, network), after);
}

macro_rules! every_neuron {
    ($module:ident, $neuron:ty) => {
        mod $module {
            use super::*;

            #[test]
            fn stepped_sample_by_sample_a_run_has_the_same_bits() {
                let model = Model::of::<$neuron>();
                for (seed, own_taus) in [(1, false), (2, true)] {
                    let p = problem(&[&model], GateShape::RaisedCosine, &spec(seed, own_taus));
                    is_a_run(&SplitStep::new(&p.network, p.h).expect("a scheme"), &p.trial);
                    let single = p.network.to_f32();
                    is_a_run(&SplitStep::new(&single, p.h).expect("a scheme"), &p.trial.map(|x| x as f32));
                }
            }
        }
    };
}
for_each_neuron!(every_neuron);

#[test]
fn every_kind_of_projection_and_readout_is_stepped_with_the_bits_of_a_run() {
    for kind in 0..KINDS.len() {
        for hold in 1..4 {
            let (network, mut trial) = driven(kind, hold, 40 + kind as u64);
            let scheme = SplitStep::new(&network, H).expect("a scheme");
            is_a_run(&scheme, &trial);
            // Currents that are there for some of the samples only.
            trial.currents[..180].fill(0.0);
            is_a_run(&scheme, &trial);
        }
    }
    for seed in 0..4 {
        let (network, trial) = projections::random([3, 3, 2], seed % 2 == 0, seed);
        is_a_run(&SplitStep::new(&network, H).expect("a scheme"), &trial);
        let (network, trial) = readouts::random(seed as usize % 3, seed);
        is_a_run(&SplitStep::new(&network, H).expect("a scheme"), &trial);
    }
}

#[test]
fn a_stepper_without_a_tape_allocates_nothing_after_the_first_sample() {
    for kind in 0..KINDS.len() {
        let (network, trial) = driven(kind, 2, 60);
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        let mut stepper = scheme.stepper(trial.interval, None).expect("a stepper");
        let inputs = &trial.inputs[..network.inputs()];
        let currents = &trial.currents[..network.neurons()];
        let events = [Event { time: 0.2, channel: 1, charge: 1.0 }];
        let stimulus = Stimulus { inputs, currents, events: &events };
        stepper.step(stimulus).expect("finite");
        let count = measure(|| {
            for _ in 0..300 {
                stepper.step(stimulus).expect("finite");
            }
        });
        assert_eq!(count.count_total, 0, "{kind}");
    }
}

const PUSH: f64 = 0.2;

/// A plant that is pushed by the first output and seen by the first input: `x' = x + h (v)`, `v' = v - h (k o + x)`, with the cost
/// `sum x^2`; the gradient goes through the loop.
fn in_a_loop(
    network: &Network<f64>,
    trial: &Trial<f64>,
    log: Option<&mut EventLog>,
) -> Result<(f64, Vec<f64>), BoxError> {
    let scheme = SplitStep::new(network, H)?;
    let samples = trial.samples;
    let mut stepper = scheme.stepper(trial.interval, None)?.with_tape();
    let (mut x, mut v, mut cost, mut seen) = (1.0, 0.0, 0.0, Vec::new());
    let mut positions = Vec::new();
    for _ in 0..samples {
        seen.push(x);
        let o = stepper.step(&[x])?[0];
        v -= 0.1 * (PUSH * o + x);
        x += 0.1 * v;
        cost += x * x;
        positions.push(x);
    }
    if let Some(log) = log {
        // A run with the same inputs, given in advance.
        let trial = Trial { inputs: seen, ..Trial::silent(samples, trial.interval, 1) };
        Sweep::new().events(&scheme.run(&trial, &NoLoss)?, log)?;
    }
    let mut tape = stepper.into_tape();
    let mut back = tape.backwards(None)?;
    let (mut x_bar, mut v_bar) = (0.0, 0.0);
    let mut output_bar = vec![0.0; network.outputs()];
    for m in (0..samples).rev() {
        x_bar += 2.0 * positions[m];
        v_bar += 0.1 * x_bar;
        output_bar[0] = -0.1 * PUSH * v_bar;
        x_bar -= 0.1 * v_bar;
        x_bar += back.step(&output_bar)?[0];
    }
    Ok((cost, back.finish()?.parameters.values().to_vec()))
}

#[test]
fn the_gradient_through_a_closed_loop_is_exact() {
    passes_merged(&(0..KINDS.len(), 1..3_usize, any::<u32>()), |(kind, hold, seed)| {
        let (network, trial) = driven(kind, hold, u64::from(seed));
        let mut objective =
            Function::new(network, &trial, Vec::new(), |network, _, log| in_a_loop(network, &trial, log));
        let report =
            GradientCheck::default().run(&mut objective).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert!(report.agreement().is_ok(), "{kind}: {report}");
        Ok(vec![report])
    });
}

/// In networks so large gradients of weights wait for the steps before, over the ends of samples, too.
#[test]
fn a_way_back_that_was_given_up_leaves_nothing_to_the_next_one() {
    let cells = |name| Population::new(name, Theta::default(), 100, GateShape::RaisedCosine, 0.3);
    let mut network = Network::builder()
        .population(cells("a"))
        .population(cells("b"))
        .projection(Projection::new("all", 20.0))
        .projection(Projection::new("part", 10.0).between("a", "b"))
        .outputs(1)
        .build()
        .expect("a network");
    let spread = |i: usize| (i as f64).sin();
    for (i, bias) in network.parameters.bias_mut().iter_mut().enumerate() {
        *bias = 0.03 * (1.0 + 0.3 * spread(i));
    }
    for k in 0..2 {
        let weights = network.parameters.weight_mut(k);
        weights.into_iter().enumerate().for_each(|(i, w)| *w = 1e-3 * spread(i));
    }
    network.parameters.readout_mut(0).iter_mut().enumerate().for_each(|(i, o)| *o = spread(3 * i));
    let scheme = SplitStep::new(&network, H).expect("a scheme");
    let (outputs, mut tape) = scheme.forward(Trial::silent(60, 1.0, 0)).expect("finite");
    let (_, bar) = outside(&outputs, 0);
    let expected = tape.vjp(&bar, None).expect("finite").parameters;
    let mut back = tape.backwards(None).expect("a way back");
    (0..60).rev().for_each(|m| assert!(back.step(&bar[m..=m]).is_ok()));
    let found = back.finish().expect("finite").parameters;
    for (found, expected) in found.values().iter().zip(expected.values()) {
        assert!((found - expected).abs() <= 1e-12 * (1.0 + expected.abs()), "{found} {expected}");
    }
    let mut back = tape.backwards(None).expect("a way back");
    (50..60).rev().for_each(|m| assert!(back.step(&bar[m..=m]).is_ok()));
    drop(back);
    assert_eq!(tape.vjp(&bar, None).expect("finite").parameters, expected);
}

#[test]
fn what_is_no_stimulus_is_refused_and_a_loop_that_diverges_says_when() {
    let (network, _) = driven(0, 2, 4);
    let scheme = SplitStep::new(&network, H).expect("a scheme");
    assert!(matches!(scheme.stepper(0.75, None).map(drop), Err(Error::Interval { .. })));
    let mut stepper = scheme.stepper(1.0, None).expect("a stepper");
    assert!(matches!(stepper.step(&[]).map(drop), Err(Error::Shape { expected: 1, found: 0, .. })));
    assert!(matches!(stepper.step(&[f64::NAN]).map(drop), Err(Error::NonFinite { index: 0, .. })));
    fn of<'a>(currents: &'a [f64], events: &'a [Event<f64>]) -> Stimulus<'a, f64> {
        Stimulus { inputs: &[0.0], currents, events }
    }
    assert!(matches!(
        stepper.step(of(&[0.0; 2], &[])).map(drop),
        Err(Error::Shape { expected: 9, found: 2, .. })
    ));
    for (time, channel, words) in [
        (1.0, 0, "not from 0 to less than 1"),
        (0.2, 99, "give the network another source"),
        (1.0 - 1e-12, 0, "give it to the next one"),
    ] {
        let events = [Event { time, channel, charge: 1.0 }];
        let error = stepper.step(of(&[], &events)).map(drop).expect_err("refused");
        assert!(
            matches!(error, Error::Event { index: 0, .. }) && error.to_string().contains(words),
            "{error}"
        );
    }
    // Nothing of that was taken.
    assert!(stepper.samples() == 0 && stepper.step(&[0.0]).is_ok());
    assert!(stepper.into_tape().vjp(&[], None).is_ok());

    let population = Population::new("squid", HodgkinHuxley::default(), 1, GateShape::RaisedCosine, 30.0);
    let mut squid =
        Network::builder().population(population).synapse("slow", 10.0).build().expect("a network");
    squid.parameters.bias_mut()[0] = 15.0;
    let wild = SplitStep::with_method(&squid, 0.1, tableau::EULER).expect("a scheme");
    for with_tape in [false, true] {
        let stepper = wild.stepper(0.1, None).expect("a stepper");
        let mut stepper = if with_tape { stepper.with_tape() } else { stepper };
        let error = (0..300).find_map(|_| stepper.step(&[]).map(drop).err()).expect("divergence");
        let Error::Diverged(Divergence::State { step: 26, time, neuron: 0 }) = error else {
            panic!("{error:?}")
        };
        assert!((time - 2.7).abs() < 1e-9);
    }
    let mut small = network.clone();
    small.set_memory_limit(Some(20_000));
    let scheme = SplitStep::new(&small, H).expect("a scheme");
    let mut stepper = scheme.stepper(1.0, None).expect("a stepper").with_tape();
    let error = (0..1000).find_map(|_| stepper.step(&[0.0]).map(drop).err()).expect("a limit");
    assert!(matches!(error, Error::MemoryLimit { .. }) && stepper.samples() > 20, "{error}");
}

#[test]
fn a_sample_that_does_not_stay_finite_leaves_the_loop_as_it_was() {
    let cells = Population::new("cells", AdEx::default(), 2, GateShape::RaisedCosine, 6.0);
    let mut network = Network::builder()
        .population(cells)
        .synapse("slow", 20.0)
        .inputs(1)
        .outputs(2)
        .build()
        .expect("a network");
    network.parameters.input_mut().fill(500.0);
    network.parameters.readout_mut(0).fill(1.0);
    for (h, tape) in [(0.5, true), (0.25, true), (1.0, true), (0.5, false)] {
        let scheme = SplitStep::new(&network, h).expect("a scheme");
        let new = || {
            let stepper = scheme.stepper(1.0, None).expect("a stepper");
            if tape { stepper.with_tape() } else { stepper }
        };
        let (mut stepper, mut smooth) = (new(), new());
        for m in 0..40 {
            if m % 9 == 4 {
                let (before, samples) = (stepper.state(), stepper.samples());
                let error = stepper.step(&[1e300]).expect_err("an explosion");
                assert!(matches!(error, Error::Diverged(_)), "{error}");
                assert_eq!((stepper.state(), stepper.samples()), (before, samples));
            }
            assert_eq!(stepper.step(&[1.0]).expect("finite"), smooth.step(&[1.0]).expect("finite"));
        }
        let bars = vec![1.0; if tape { 80 } else { 0 }];
        let [found, expected] =
            [stepper, smooth].map(|stepper| stepper.into_tape().vjp(&bars, None).expect("finite"));
        assert_eq!(found, expected);
    }
}
