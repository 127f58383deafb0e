//! States that are handed on: two runs in a row are one run, to the bit, and so is their gradient, to rounding. A state that does
//! not fit is refused.

use super::common::{Function, Model, passes_merged, problem};
use super::forward::{flat, outside, spec};
use super::projections::{KINDS, populations};
use super::sources::driven;
use super::{projections, readouts};
use proptest::prelude::*;
use spikegrad::adjoint::{BoxError, GradientCheck, Sweep};
use spikegrad::integrators::{EventLog, tableau};
use spikegrad::models::{GateShape, for_each_neuron};
use spikegrad::network::{
    Error, Event, Group, InitialState, Network, NetworkState, NoLoss, PlainStep, Projection, Recording,
    Scalar, Spike, SplitStep, Trial,
};

const H: f64 = 0.5;

/// A trial in two, the second of which has no state yet.
pub(crate) fn cut<T: Scalar>(trial: &Trial<T>, network: &Network<T>, at: usize) -> [Trial<T>; 2] {
    let part = |all: &[T], width: usize| {
        let (first, second) = all.split_at(if all.is_empty() { 0 } else { at * width });
        [first.to_vec(), second.to_vec()]
    };
    let [inputs, more_inputs] = part(&trial.inputs, network.inputs());
    let [currents, more_currents] = part(&trial.currents, network.neurons());
    let [targets, more_targets] = part(&trial.targets, network.outputs());
    let [weights, more_weights] = part(&trial.weights, 1);
    let time = at as f64 * trial.interval;
    let (before, after): (Vec<_>, Vec<_>) = trial.events.iter().copied().partition(|event| event.time < time);
    let after = after.into_iter().map(|event| Event { time: event.time - time, ..event }).collect();
    let (target_spikes, later): (Vec<_>, Vec<_>) =
        trial.target_spikes.iter().copied().partition(|spike| spike.time < time);
    let more_spikes = later.into_iter().map(|spike| Spike { time: spike.time - time, ..spike }).collect();
    [
        Trial {
            samples: at,
            inputs,
            currents,
            targets,
            weights,
            events: before,
            target_spikes,
            ..trial.clone()
        },
        Trial {
            samples: trial.samples - at,
            inputs: more_inputs,
            currents: more_currents,
            targets: more_targets,
            weights: more_weights,
            events: after,
            target_spikes: more_spikes,
            initial: None,
            ..trial.clone()
        },
    ]
}

/// What is the same in a recording whether it was cut in two or not.
type Traces<T> = (Vec<T>, Vec<Vec<T>>, Vec<Vec<T>>, Vec<T>, Vec<T>);

fn traces<T: Scalar>(recordings: &[Recording<T>]) -> Traces<T> {
    let all = |of: fn(&Recording<T>) -> &[T]| recordings.iter().flat_map(|r| of(r).iter().copied()).collect();
    let each = |of: fn(&Recording<T>) -> &[Vec<T>]| {
        let wires = of(&recordings[0]).len();
        (0..wires).map(|k| recordings.iter().flat_map(|r| of(r)[k].iter().copied()).collect()).collect()
    };
    (all(|r| &r.v), each(|r| &r.s), each(|r| &r.synaptic_current), all(|r| &r.current), all(|r| &r.output))
}

/// Asserts that a run cut in two has the bits of the run, and its gradient to `tolerance`.
fn goes_on<T: Scalar>(scheme: &SplitStep<'_, T>, trial: &Trial<T>, at: usize, tolerance: f64) {
    let [first, second] = cut(trial, scheme.network(), at);
    let (whole, mut tape) = scheme.forward(trial.clone()).expect("finite");
    let (before, mut early) = scheme.forward(first.clone()).expect("finite");
    let second = Trial { state: Some(early.state()), ..second };
    let (after, mut late) = scheme.forward(second.clone()).expect("finite");
    assert_eq!([&before[..], &after].concat(), whole);
    assert_eq!(late.state(), tape.state());

    // The same from sweeps and recordings.
    let run = scheme.run(&first, &NoLoss).expect("a run");
    let mut sweep = Sweep::new();
    sweep.cost(&run).expect("finite");
    assert_eq!(run.state(sweep.state()).expect("a state"), early.state());
    let record = |trial| scheme.run(trial, &NoLoss).expect("a run").record().expect("finite");
    assert_eq!(traces(&[record(&first), record(&second)]), traces(&[record(trial)]));

    // The gradient passes through.
    let (_, output_bar) = outside(&whole, 0);
    let (early_bar, late_bar) = output_bar.split_at(before.len());
    let expected = tape.vjp(&output_bar, None).expect("finite");
    let behind = late.vjp(late_bar, None).expect("finite");
    let front = early.vjp(early_bar, behind.state.as_ref()).expect("finite");
    assert!(behind.state.is_some() && front.state.is_none());
    let n = expected.parameters.values().len();
    let sum = front.parameters.values().iter().zip(behind.parameters.values()).map(|(&a, &b)| a + b);
    let given = [
        [&front.inputs[..], &behind.inputs].concat(),
        [&front.currents[..], &behind.currents].concat(),
        [&front.charges[..], &behind.charges].concat(),
    ];
    let found: Vec<T> = sum.chain(given.concat()).collect();
    let expected = flat(&expected);
    assert_eq!(found.len(), expected.len());
    // Each of the groups by its own scale.
    let mut ranges: Vec<_> =
        scheme.network().parameters.layout().entries().iter().map(|entry| entry.range.clone()).collect();
    ranges.push(n..expected.len());
    for range in ranges {
        let scale = expected[range.clone()].iter().fold(0.0_f64, |m, x| m.max(x.abs().to_subset_unchecked()));
        for i in range {
            let difference: f64 = (found[i] - expected[i]).to_subset_unchecked();
            assert!(difference.abs() <= tolerance * scale, "{i}: {} {}", found[i], expected[i]);
        }
    }
}

macro_rules! every_neuron {
    ($module:ident, $neuron:ty) => {
        mod $module {
            use super::*;

            #[test]
            fn two_runs_in_a_row_are_one() {
                let model = Model::of::<$neuron>();
                for (seed, own_taus) in [(1, false), (2, true), (3, false)] {
                    let p = problem(&[&model], GateShape::RaisedCosine, &spec(seed, own_taus));
                    let scheme = SplitStep::new(&p.network, p.h).expect("a scheme");
                    for at in [1, p.trial.samples / 2, p.trial.samples - 1] {
                        goes_on(&scheme, &p.trial, at, 1e-12);
                    }
                    let single = p.network.to_f32();
                    let scheme = SplitStep::new(&single, p.h).expect("a scheme");
                    goes_on(&scheme, &p.trial.map(|x| x as f32), p.trial.samples / 3, 1e-3);
                }
            }
        }
    };
}
for_each_neuron!(every_neuron);

#[test]
fn two_runs_in_a_row_are_one_with_every_kind_of_projection_and_readout() {
    for kind in 0..KINDS.len() {
        for hold in 1..4 {
            let (network, trial) = driven(kind, hold, 20 + kind as u64);
            let scheme = SplitStep::new(&network, H).expect("a scheme");
            (0..4).for_each(|part| goes_on(&scheme, &trial, 1 + 12 * part, 1e-12));
        }
    }
    for seed in 0..8 {
        let (network, trial) = projections::random([3, 3, 2], seed % 2 == 0, seed);
        goes_on(&SplitStep::new(&network, H).expect("a scheme"), &trial, 13 + 7 * seed as usize, 1e-12);
        // Leaky integrators among them.
        let (network, trial) = readouts::random(seed as usize % 3, seed);
        goes_on(&SplitStep::new(&network, H).expect("a scheme"), &trial, 13 + 7 * seed as usize, 1e-12);
    }
}

/// Two runs in a row, judged from outside, with the state between them moved by some numbers: cost, gradient by the parameters, which
/// passes through the state, and by the numbers, which is the state's cotangent.
fn in_two(
    network: &Network<f64>,
    [first, second]: &[Trial<f64>; 2],
    moved: &[f64],
    log: Option<&mut EventLog>,
) -> Result<(f64, Vec<f64>), BoxError> {
    let scheme = SplitStep::new(network, H)?;
    let (before, mut early) = scheme.forward(first.clone())?;
    let mut state = early.state();
    state.values_mut().iter_mut().zip(moved).for_each(|(x, moved)| *x += moved);
    let second = Trial { state: Some(state), ..second.clone() };
    if let Some(log) = log {
        Sweep::new().events(&scheme.run(first, &NoLoss)?, log)?;
        Sweep::new().events(&scheme.run(&second, &NoLoss)?, log)?;
    }
    let (after, mut late) = scheme.forward(second)?;
    let ((cost, before_bar), (more, after_bar)) = (outside(&before, 0), outside(&after, before.len()));
    let behind = late.vjp(&after_bar, None)?;
    let front = early.vjp(&before_bar, behind.state.as_ref())?;
    let sum = front.parameters.values().iter().zip(behind.parameters.values()).map(|(a, b)| a + b);
    let state_bar = behind.state.ok_or("no cotangent of a state that was handed on")?;
    // Where a delay that is moved becomes another number of steps, the state has another length.
    let by_state = state_bar.values().iter().copied().chain(std::iter::repeat(0.0)).take(moved.len());
    Ok((cost + more, sum.chain(by_state).collect()))
}

#[test]
fn the_gradient_through_a_state_is_exact_and_so_is_its_cotangent() {
    passes_merged(&(0..KINDS.len(), any::<bool>(), 1..40_usize, any::<u32>()), |(kind, dense, at, seed)| {
        let (network, trial) = if dense {
            projections::random([3, 3, 2], true, u64::from(seed))
        } else {
            driven(kind, 1 + kind % 2, u64::from(seed))
        };
        let scheme = SplitStep::new(&network, H).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let (_, tape) = scheme.forward(trial.clone()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let state = tape.state().values().len();
        let parts = cut(&trial, &network, at);
        let beside = vec![("state", vec![0.0; state])];
        let mut objective = Function::new(network.clone(), &trial, beside, |network, moved, log| {
            in_two(network, &parts, moved, log)
        });
        let report =
            GradientCheck::default().run(&mut objective).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert!(report.agreement().is_ok(), "{kind}: {report}");
        Ok(vec![report])
    });
}

#[test]
fn a_state_survives_text_and_a_forged_one_is_refused() {
    let (network, trial) = driven(3, 1, 4);
    let scheme = SplitStep::new(&network, H).expect("a scheme");
    let (_, tape) = scheme.forward(trial.clone()).expect("finite");
    let state = tape.state();
    let text = serde_json::to_string(&state).expect("text");
    let read: NetworkState<f64> = serde_json::from_str(&text).expect("a state");
    assert_eq!(read, state);
    let run = |state: NetworkState<f64>| {
        let [_, second] = cut(&trial, &network, 20);
        scheme.forward(Trial { state: Some(state), ..second }).map(drop)
    };
    assert_eq!(run(read), Ok(()));
    let mut value: serde_json::Value = serde_json::from_str(&text).expect("text");
    let rings = value["rings"].clone();
    let slots = rings[0].as_u64().expect("a number");
    for (field, forged) in [
        ("taken", u64::MAX.into()),
        ("rings", serde_json::json!([])),
        ("rings", serde_json::json!([rings[0], rings[1], rings[2], rings[2]])),
        ("rings", serde_json::json!([0, rings[1], rings[2]])),
        ("rings", serde_json::json!([u64::MAX, rings[1], rings[2]])),
        ("rings", serde_json::json!([slots + 1, rings[1], rings[2]])),
        ("x", serde_json::json!([1.0, 2.0])),
        ("h", 0.25.into()),
        ("dense", true.into()),
    ] {
        let right = std::mem::replace(&mut value[field], forged.clone());
        let read: NetworkState<f64> = serde_json::from_value(value.clone()).expect("a state");
        let error = run(read).expect_err("forged");
        assert!(matches!(error, Error::Shape { .. } | Error::State { .. }), "{field}: {error}");
        value[field] = right;
    }
    let mut spoilt = state.clone();
    spoilt.values_mut()[3] = f64::NAN;
    assert!(matches!(run(spoilt), Err(Error::NonFinite { index: 3, .. })));
}

#[test]
fn states_that_do_not_fit_are_refused_by_what_differs() {
    let (network, trial) = driven(0, 1, 4);
    let scheme = SplitStep::new(&network, H).expect("a scheme");
    let [first, second] = cut(&trial, &network, 20);
    let (outputs, mut tape) = scheme.forward(first.clone()).expect("finite");
    let state = tape.state();
    let second = Trial { state: Some(state.clone()), ..second };
    let refused = |error: Result<(), Error>, field: &str| {
        let Err(Error::State { difference, .. }) = &error else { panic!("{error:?}") };
        assert_eq!(difference.field, field, "{error:?}");
        let text = error.expect_err("refused").to_string();
        assert!(text.contains("hand on states between runs of one network"), "{text}");
    };
    // Networks of the same number of variables, and of others.
    let (other, _) = driven(3, 1, 4);
    let wrong = SplitStep::new(&other, H).expect("a scheme");
    refused(wrong.forward(second.clone()).map(drop), "projections[1].delay");
    let wrong = SplitStep::new(&network, 0.25).expect("a scheme");
    refused(wrong.run(&second, &NoLoss).map(drop), "step");
    let wrong = SplitStep::new(&network, H).expect("a scheme").dense();
    if wrong.is_dense() {
        refused(wrong.run(&second, &NoLoss).map(drop), "path");
    }
    let (plain, plain_trial) = {
        let builder = Network::builder().population(Model::of::<spikegrad::models::Theta>().population(
            "theta",
            3,
            GateShape::RaisedCosine,
            0.3,
        ));
        (builder.synapse("w", 9.0).build().expect("a network"), Trial::silent(20, H, 0))
    };
    let split = SplitStep::new(&plain, H).expect("a scheme");
    let (_, plain_tape) = split.forward(plain_trial.clone()).expect("finite");
    let plain_trial = Trial { state: Some(plain_tape.state()), ..plain_trial };
    let field = PlainStep::new(&plain, H, tableau::RK4).expect("a scheme");
    refused(field.run(&plain_trial, &NoLoss).map(drop), "scheme");
    let dense = SplitStep::new(&plain, H).expect("a scheme").dense();
    refused(dense.run(&plain_trial, &NoLoss).map(drop), "path");

    // Two starts are one too many.
    let x = network.parameters.group(Group::Initial).to_vec();
    let both = Trial { initial: Some(InitialState { x, s: Vec::new() }), ..second.clone() };
    assert_eq!(scheme.run(&both, &NoLoss).map(drop).unwrap_err(), Error::TwoStarts);
    // A cotangent of another state.
    let (_, late) = scheme.forward(second).expect("finite");
    refused(tape.vjp(&outputs, Some(&late.state())).map(drop), "number of steps");
    assert!(tape.vjp(&outputs, Some(&state)).is_ok());
    let run = scheme.run(&first, &NoLoss).expect("a run");
    assert!(matches!(run.state(&[0.0; 3]), Err(Error::Shape { found: 3, .. })));
}

#[test]
fn delays_may_change_between_two_runs_while_nothing_is_lost() {
    let network = |delay: f64| {
        let mut network = populations([2, 2, 2])
            .projection(Projection::new("w", 9.0).axonal_delays(3.0))
            .projection(Projection::new("x", 5.0).between("a", "b").connection_delays(2.0))
            .build()
            .expect("a network");
        network.parameters.bias_mut().fill(0.1);
        network.parameters.group_mut(Group::Weight(0)).fill(0.3);
        network.parameters.group_mut(Group::Weight(1)).fill(0.2);
        network.parameters.group_mut(Group::Delay(0)).fill(delay);
        network
    };
    let trial = Trial::silent(37, H, 1);
    let before = network(3.0);
    let scheme = SplitStep::new(&before, H).expect("a scheme");
    let (_, tape) = scheme.forward(trial.clone()).expect("finite");
    let state = tape.state();
    let goes_on = Trial { state: Some(state.clone()), ..trial };
    // Longer delays, and back again: what was on its way arrives as it would have.
    let after = network(5.5);
    let longer = SplitStep::new(&after, H).expect("a scheme");
    let run = longer.run(&goes_on, &NoLoss).expect("a run");
    let mut x = vec![0.0; spikegrad::integrators::Step::dim(&run)];
    spikegrad::integrators::Step::start(&run, &mut x);
    let sum = |x: &[f64]| x.iter().sum::<f64>();
    assert!(x.len() > state.values().len() && (sum(&x) - sum(state.values())).abs() < 1e-12);
    let way = |recording: &Recording<f64>| recording.s[0][..6 * 6].to_vec();
    let record =
        |scheme: &SplitStep<'_, f64>| scheme.run(&goes_on, &NoLoss).expect("a run").record().expect("finite");
    // Six steps go by before the first charge of the second run arrives, under either delay.
    assert_eq!(way(&record(&longer)), way(&record(&scheme)));
    // Shorter ones have no room for what is on its way.
    let after = network(1.0);
    let shorter = SplitStep::new(&after, H).expect("a scheme");
    let error = shorter.run(&goes_on, &NoLoss).map(drop).expect_err("lost");
    assert!(
        error.to_string().contains("charge on its way in projection w is later than its delays"),
        "{error}"
    );
}
