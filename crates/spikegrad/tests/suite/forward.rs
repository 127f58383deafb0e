//! Runs without a loss: their transpose is that of a sweep whose loss says the same, whoever computes it and wherever.

use super::common::{Function, Model, normal, passes_merged, problem, real};
use super::projections::KINDS;
use super::sources::{driven, numbers, with};
use super::{projections, readouts};
use proptest::prelude::*;
use spikegrad::adjoint::{BoxError, GradientCheck, Sweep};
use spikegrad::integrators::{Divergence, EventLog, StepVjp, tableau};
use spikegrad::models::{GateShape, HodgkinHuxley, Theta, for_each_neuron};
use spikegrad::network::{
    Error, Gradients, Group, Loss, Network, NoLoss, Population, RunTape, Sample, SampleBar, Scalar,
    SplitStep, Trial,
};
use spikegrad::tasks::{Purpose, generator};

const H: f64 = 0.5;

/// What a loss of another program does with an output: `c o + o^2 / 2`, with a weight `c` for each.
fn foreign<T: Scalar>(at: usize) -> T {
    real((at as f64).sin())
}

/// The cost of all outputs, `samples x outputs`, and its derivatives by them.
pub(crate) fn outside<T: Scalar>(outputs: &[T], first: usize) -> (T, Vec<T>) {
    let parts = outputs.iter().enumerate().map(|(i, &o)| (foreign::<T>(first + i), o));
    let cost = parts.clone().fold(T::zero(), |sum, (c, o)| sum + c * o + o * o * real(0.5));
    (cost, parts.map(|(c, o)| c + o).collect())
}

/// The same as a loss that looks at the last step of each sample of so many steps, in steps of `h`.
struct Inside<T> {
    hold: usize,
    h: T,
}

impl<T: Scalar> Inside<T> {
    fn counts(&self, at: &Sample<'_, T>) -> Option<usize> {
        (at.step + 1).is_multiple_of(self.hold).then_some(at.step / self.hold * at.output.len())
    }
}

impl<T: Scalar> Loss<T> for Inside<T> {
    fn value(&self, at: &Sample<'_, T>) -> T {
        self.counts(at).map_or_else(T::zero, |first| outside(at.output, first).0 / self.h)
    }

    fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        let Some(first) = self.counts(at) else { return };
        for (bar, by) in bar.output.iter_mut().zip(outside(at.output, first).1) {
            *bar += value_bar / self.h * by;
        }
    }
}

/// All that a vjp returns but for the state, in the order of a sweep.
pub(crate) fn flat<T: Scalar>(gradients: &Gradients<T>) -> Vec<T> {
    let Gradients { parameters, inputs, currents, charges, .. } = gradients;
    [parameters.values(), inputs, currents, charges].concat()
}

/// Compares the vjp of a run with the sweep over the same loss, to `tolerance` of the largest derivative.
fn compare<T: Scalar>(scheme: &SplitStep<'_, T>, trial: &Trial<T>, h: f64, tolerance: f64) -> RunOutcome<T> {
    let trial = Trial { scale: 1.0, weights: Vec::new(), ..trial.clone() };
    let loss = Inside { hold: (trial.interval / h).round() as usize, h: real(h) };
    let run = scheme.run(&trial, &loss).expect("a run").by_inputs();
    let mut expected = vec![T::zero(); run.n_parameters()];
    let cost = Sweep::new().gradient(&run, &mut expected).expect("finite");
    let (outputs, mut tape) = scheme.forward(trial.clone()).expect("finite");
    let (value, output_bar) = outside(&outputs, 0);
    let close = |a: T, b: T, scale: f64| {
        let difference: f64 = (a - b).to_subset_unchecked();
        assert!(difference.abs() <= tolerance * scale, "{a} {b}");
    };
    let size: f64 = cost.abs().to_subset_unchecked();
    close(value, cost, 1.0 + size);
    let gradient = tape.vjp(&output_bar, None).expect("finite");
    let found = flat(&gradient);
    assert!(found.len() == expected.len() && gradient.state.is_none());
    let scale = expected.iter().fold(0.0_f64, |most, x| most.max(x.abs().to_subset_unchecked()));
    for (&found, &expected) in found.iter().zip(&expected) {
        close(found, expected, scale);
    }
    // A tape can be gone over again.
    assert_eq!(tape.vjp(&output_bar, None).expect("finite"), gradient);
    // So can one that was kept, by another scheme.
    let (kept, network) = (tape.keep(), scheme.network().clone());
    let again = SplitStep::new(&network, h).expect("a scheme");
    let mut tape = again.tape(kept).expect("the same network");
    assert_eq!(tape.vjp(&output_bar, None).expect("finite"), gradient);
    (outputs, flat(&gradient))
}

type RunOutcome<T> = (Vec<T>, Vec<T>);

macro_rules! every_neuron {
    ($module:ident, $neuron:ty) => {
        mod $module {
            use super::*;

            #[test]
            fn the_vjp_of_a_run_is_a_sweep_over_the_same_loss() {
                let model = Model::of::<$neuron>();
                for (seed, own_taus) in [(1, false), (2, true), (3, false)] {
                    let spec = super::spec(seed, own_taus);
                    let p = problem(&[&model], GateShape::RaisedCosine, &spec);
                    let scheme = SplitStep::new(&p.network, p.h).expect("a scheme");
                    let (_, gradient) = compare(&scheme, &p.trial, p.h, 1e-12);
                    // Synapses are charged at the start of the last one, whoever fires.
                    assert!(seed < 3 || gradient.iter().any(|bar| *bar != 0.0));
                    let single = p.network.to_f32();
                    let scheme = SplitStep::new(&single, p.h).expect("a scheme");
                    compare(&scheme, &p.trial.map(|x| x as f32), p.h, 1e-3);
                }
            }
        }
    };
}
for_each_neuron!(every_neuron);

pub(crate) fn spec(seed: u64, own_taus: bool) -> super::common::Spec {
    let given_start = seed == 3;
    super::common::Spec {
        neurons: 6,
        classes: 2,
        steps: 120,
        per_neuron: seed == 2,
        own_taus,
        given_start,
        seed,
    }
}

#[test]
fn vjps_of_every_kind_of_projection_and_readout_are_those_of_sweeps() {
    for kind in 0..KINDS.len() {
        for hold in 1..4 {
            let (network, trial) = driven(kind, hold, 7 + kind as u64);
            let scheme = SplitStep::new(&network, H).expect("a scheme");
            compare(&scheme, &trial, H, 1e-12);
        }
    }
    for seed in 0..6 {
        let (network, trial) = projections::random([3, 3, 2], seed % 2 == 0, seed);
        compare(&SplitStep::new(&network, H).expect("a scheme"), &trial, H, 1e-12);
        let (network, trial) = readouts::random(seed as usize % 3, seed);
        compare(&SplitStep::new(&network, H).expect("a scheme"), &trial, H, 1e-12);
    }
}

#[test]
fn many_tapes_live_at_once_and_on_other_threads() {
    fn is_send<T: Send>(_: &T) {}
    let (network, trial) = driven(0, 2, 5);
    let scheme = SplitStep::new(&network, H).expect("a scheme");
    let alone = compare(&scheme, &trial, H, 1e-12);
    let mut other = trial.clone();
    other.inputs.iter_mut().for_each(|x| *x *= -1.0);
    let other_alone = compare(&scheme, &other, H, 1e-12);
    let tapes: Vec<_> = [&trial, &other, &trial]
        .map(|trial| scheme.forward(trial.clone()).expect("finite"))
        .into_iter()
        .collect();
    is_send(&tapes);
    let back = |(outputs, mut tape): (Vec<f64>, RunTape<'_, f64>)| {
        let (_, output_bar) = outside(&outputs, 0);
        (outputs, flat(&tape.vjp(&output_bar, None).expect("finite")))
    };
    let found: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = tapes.into_iter().map(|tape| scope.spawn(|| back(tape))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(found, [alone.clone(), other_alone, alone]);
}

/// A layer before the network, `i = tanh(u)`, and a loss behind it that is not a sum over time: the logarithm of a sum of squares.
fn layered(
    network: &Network<f64>,
    trial: &Trial<f64>,
    u: &[f64],
    log: Option<&mut EventLog>,
) -> Result<(f64, Vec<f64>), BoxError> {
    let trial = with(trial, &u.iter().map(|u| u.tanh()).collect::<Vec<_>>());
    let scheme = SplitStep::new(network, H)?;
    if let Some(log) = log {
        Sweep::new().events(&scheme.run(&trial, &NoLoss)?, log)?;
    }
    let (outputs, mut tape) = scheme.forward(trial)?;
    let sum = 1.0 + outputs.iter().map(|o| o * o).sum::<f64>();
    let output_bar: Vec<_> = outputs.iter().map(|o| 2.0 * o / sum).collect();
    let mut all = flat(&tape.vjp(&output_bar, None)?);
    let given_bar = &mut all[network.parameters.layout().len()..];
    given_bar.iter_mut().zip(u).for_each(|(bar, u)| *bar *= 1.0 - u.tanh().powi(2));
    Ok((sum.ln(), all))
}

#[test]
fn losses_and_layers_of_other_programs_have_an_exact_gradient() {
    passes_merged(&(0..KINDS.len(), 1..4_usize, any::<u32>()), |(kind, hold, seed)| {
        let (network, mut trial) = driven(kind, hold, u64::from(seed));
        // What a layer gives is the hyperbolic tangent of a number.
        let rng = &mut generator(u64::from(seed), Purpose::Test, 9);
        let charges = trial.events.iter_mut().map(|event| &mut event.charge);
        charges.chain(&mut trial.inputs).for_each(|x| *x = (0.5 * normal(rng)).tanh());
        let mut given: Vec<_> = numbers(&trial).iter().map(|x| x.atanh()).collect();
        let charges = given.split_off(trial.inputs.len() + trial.currents.len());
        let currents = given.split_off(trial.inputs.len());
        let beside = vec![("inputs", given), ("currents", currents), ("charges", charges)];
        let mut objective =
            Function::new(network, &trial, beside, |network, u, log| layered(network, &trial, u, log));
        let report =
            GradientCheck::default().run(&mut objective).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert!(report.agreement().is_ok(), "{kind}: {report}");
        Ok(vec![report])
    });
}

#[test]
fn what_no_vjp_can_take_is_refused() {
    let (network, trial) = driven(0, 1, 3);
    let scheme = SplitStep::new(&network, H).expect("a scheme");
    let (outputs, mut tape) = scheme.forward(trial.clone()).expect("finite");
    let refused = tape.vjp(&outputs[1..], None).expect_err("too short");
    assert!(matches!(refused, Error::Shape { expected: 80, found: 79, .. }), "{refused}");
    assert!(
        refused.to_string().contains("derivatives by the outputs (samples x outputs): give 80"),
        "{refused}"
    );
    let mut bad = outputs.clone();
    bad[7] = f64::NAN;
    assert!(matches!(tape.vjp(&bad, None), Err(Error::NonFinite { index: 7, .. })));
    bad.fill(f64::MAX);
    assert!(matches!(tape.vjp(&bad, None), Err(Error::NonFiniteGradient { .. })));
    // It does not mind.
    assert!(tape.vjp(&outputs, None).is_ok());

    // A tape that was kept, with another step, and where its run did not know that time constants are trained.
    let kept = tape.keep();
    let coarse = SplitStep::new(&network, 0.5 * H).expect("a scheme");
    let refused = coarse.tape(kept.clone()).map(drop).expect_err("another step");
    assert!(matches!(&refused, Error::Tape { difference } if difference.field == "step"), "{refused}");
    let mut other = network.clone();
    for entry in network.parameters.layout().entries() {
        if matches!(entry.group, Group::Tau(_)) {
            other.freeze(entry.group).expect("a group");
        }
    }
    let other = SplitStep::new(&other, H).expect("a scheme");
    let refused = other.tape(kept.clone()).map(drop).expect_err("another tape");
    assert!(
        matches!(&refused, Error::Tape { difference } if difference.field == "what is trained"),
        "{refused}"
    );
    assert!(scheme.tape(kept).is_ok());

    // A run that diverges, and outputs that do while the states are finite.
    let population = Population::new("squid", HodgkinHuxley::default(), 1, GateShape::RaisedCosine, 30.0);
    let mut squid =
        Network::builder().population(population).synapse("slow", 10.0).build().expect("a network");
    squid.parameters.bias_mut()[0] = 15.0;
    let wild = SplitStep::with_method(&squid, 0.1, tableau::EULER).expect("a scheme");
    let diverged = wild.forward(Trial::silent(300, 0.1, 0)).map(drop);
    assert!(
        matches!(diverged, Err(Error::Diverged(Divergence::State { step: 26, neuron: 0, .. }))),
        "{diverged:?}"
    );
    let theta = Population::new("theta", Theta::default(), 20, GateShape::RaisedCosine, 0.3);
    let mut theta =
        Network::builder().population(theta).synapse("slow", 10.0).outputs(1).build().expect("a network");
    theta.parameters.bias_mut().fill(0.1);
    theta.parameters.group_mut(Group::Readout(0)).fill(f64::MAX);
    theta.parameters.group_mut(Group::Tau(0)).fill(1e-3);
    let scheme = SplitStep::new(&theta, 1.0).expect("a scheme");
    let found = scheme.forward(Trial::silent(300, 1.0, 0)).map(drop);
    assert!(matches!(found, Err(Error::NonFiniteOutput { output: 0, .. })), "{found:?}");
    // A tape that is larger than the network may take.
    let mut small = network.clone();
    small.set_memory_limit(Some(2000));
    let scheme = SplitStep::new(&small, H);
    let refused = scheme.and_then(|scheme| scheme.forward(trial).map(drop));
    assert!(matches!(refused, Err(Error::MemoryLimit { .. })), "{refused:?}");
}
