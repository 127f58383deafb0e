//! Checkpointed sweeps over networks: the bits of the stored sweep, nothing allocated from the second trial on, and the
//! memory that was allowed.

use crate::common::{Model, Problem, normal, problem, specs};
use allocation_counter::measure;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use spikegrad::adjoint::{BoxError, Error};
use spikegrad::integrators::{Divergence, Total};
use spikegrad::models::for_each_neuron;
use spikegrad::network::Scalar;
use spikegrad::prelude::*;

/// Everything that a sweep says, in bits.
fn bits<T: Scalar, S: StepVjp<T>>(sweep: &mut Sweep<T, S::Tape>, step: &S) -> Result<Vec<u64>, BoxError> {
    let mut gradient = vec![T::zero(); step.n_parameters()];
    let cost = sweep.gradient(step, &mut gradient)?;
    Ok(all(cost, &gradient, sweep.state(), sweep.state_bar()))
}

/// The same of steps that are taken one by one.
fn one_by_one<T: Scalar, S: StepVjp<T>>(step: &S) -> Vec<u64> {
    let (mut x, mut tape, mut cost) = (vec![T::zero(); step.dim()], S::Tape::default(), Total::default());
    step.start(&mut x);
    step.rewind(&x, &mut tape);
    for n in 0..step.steps() {
        cost += step.step(n, &mut x, &mut tape);
    }
    let (mut x_bar, mut gradient) = (vec![T::zero(); step.dim()], vec![T::zero(); step.n_parameters()]);
    for n in (0..step.steps()).rev() {
        step.step_vjp(n, &mut tape, T::one(), &mut x_bar, &mut gradient);
    }
    step.start_vjp(&mut x_bar, &mut gradient);
    all(cost.value(), &gradient, &x, &x_bar)
}

fn all<T: Scalar>(cost: T, gradient: &[T], x: &[T], x_bar: &[T]) -> Vec<u64> {
    // In double precision, which holds every bit of single precision.
    let bits = |&x: &T| {
        let double: f64 = x.to_subset_unchecked();
        double.to_bits()
    };
    [cost].iter().chain(gradient).chain(x).chain(x_bar).map(bits).collect()
}

/// Compares every kind of memory, and steps that are taken one by one, with the stored sweep; `part` of the bytes of a stored
/// sweep are its budget.
fn check<T: Scalar, S: StepVjp<T>>(step: &S, length: usize, part: f64) -> Result<(), BoxError> {
    let expected = bits(&mut Sweep::new(), step)?;
    if one_by_one(step) != expected {
        return Err("other bits than those of steps one by one".into());
    }
    let tape = step.tape_bytes().ok_or("the size of a step")?;
    let state = step.dim() * size_of::<T>() + size_of::<usize>();
    let budget = state + tape + (part * (step.steps() * tape) as f64) as usize;
    for memory in [Memory::SqrtSteps, Memory::Every(length), Memory::Bytes(budget)] {
        let mut sweep = Sweep::new().memory(memory);
        // The second time in the room of the first.
        for _ in 0..2 {
            if bits(&mut sweep, step)? != expected {
                return Err(format!("{memory:?}: other bits than the stored sweep").into());
            }
        }
    }
    Ok(())
}

/// Checks both schemes and both paths, in double and in single precision.
fn check_all(p: &Problem, plain: bool, tableau: Tableau, length: usize, part: f64) -> Result<(), BoxError> {
    let (network, trial) = (p.network.to_f32(), p.trial.map(|x| x as f32));
    let loss = p.loss.map(|x| x as f32);
    let step = SplitStep::with_method(&p.network, p.h, tableau)?;
    check(&step.run(&p.trial, &p.loss)?, length, part)?;
    check(&step.dense().run(&p.trial, &p.loss)?, length, part)?;
    let step = SplitStep::with_method(&network, p.h, tableau)?;
    check(&step.run(&trial, &loss)?, length, part)?;
    if plain {
        let step = PlainStep::new(&p.network, p.h, tableau)?;
        check(&step.run(&p.trial, &p.loss)?, length, part)?;
        let step = PlainStep::new(&network, p.h, tableau)?;
        check(&step.run(&trial, &loss)?, length, part)?;
    }
    Ok(())
}

macro_rules! every_neuron {
    ($module:ident, $neuron:ty) => {
        mod $module {
            use super::*;

            #[test]
            fn checkpointed_gradient_has_the_bits_of_the_stored_one() {
                let model = Model::of::<$neuron>();
                let mut runner = TestRunner::new(Config {
                    failure_persistence: None,
                    cases: Config::default().cases.min(64),
                    ..Config::default()
                });
                let cases =
                    (specs(1..150), 0..GateShape::ALL.len(), 0..tableau::ALL.len(), 0..160_usize, 0.0..0.5);
                let outcome = runner.run(&cases, |(spec, shape, tableau, length, part)| {
                    let p = problem(&[&model], GateShape::ALL[shape], &spec);
                    check_all(&p, model.plain, tableau::ALL[tableau], length, part)
                        .map_err(|error| TestCaseError::fail(error.to_string()))
                });
                if let Err(error) = outcome {
                    panic!("{}: {error}", model.name);
                }
            }
        }
    };
}
for_each_neuron!(every_neuron);

/// Theta neurons at about 15 Hz with two inputs and a readout.
fn theta(neurons: usize) -> Result<Network<f64>, spikegrad::network::Error> {
    let mut network = Network::builder()
        .population(Population::new("theta", Theta { tau_v: 25.0 }, neurons, GateShape::RaisedCosine, 0.2))
        .synapse("slow", 20.0)
        .inputs(2)
        .outputs(1)
        .build()?;
    let rng = &mut generator(3, Purpose::Test, 0);
    let gain = 0.05 / (neurons as f64).sqrt();
    network.parameters.weight_mut(0).iter_mut().for_each(|w| *w = gain * normal(rng));
    network.parameters.input_mut().iter_mut().for_each(|u| *u = 1e-3 * normal(rng));
    network.parameters.bias_mut().fill(1.4e-3);
    network.parameters.readout_mut(0).iter_mut().for_each(|o| *o = normal(rng));
    Ok(network)
}

/// A trial of steps of 1 ms with inputs of the given size.
fn trial(steps: usize, inputs: f64) -> Trial<f64> {
    let mut trial = Trial::silent(steps, 1.0, 2);
    trial.inputs.chunks_exact_mut(2).enumerate().for_each(|(n, i)| {
        let phase = n as f64 / 50.0;
        i.copy_from_slice(&[inputs * phase.sin(), inputs * phase.cos()]);
    });
    trial.targets = (0..steps).map(|n| 0.1 * (n as f64 / 80.0).sin()).collect();
    trial
}

const LOSS: QuadraticLoss<f64> = QuadraticLoss { lambda: 0.01 };

#[test]
fn nothing_is_allocated_from_the_second_trial_on() {
    let network = theta(20).expect("a network");
    let sparse = SplitStep::new(&network, 1.0).expect("a scheme");
    // The first trial is calm, the others fire as much as they like.
    let trials = [0.0, 1.0, 10.0].map(|inputs| trial(500, inputs));
    for (scheme, memory) in [sparse.clone().dense(), sparse].iter().flat_map(|scheme| {
        [Memory::SqrtSteps, Memory::Every(7), Memory::Bytes(20_000), Memory::Bytes(10_000_000)]
            .map(|memory| (scheme, memory))
    }) {
        let mut sweep = Sweep::new().memory(memory);
        let mut gradient = network.parameters.zeros_like();
        for (number, trial) in trials.iter().enumerate() {
            let run = scheme.run(trial, &LOSS).expect("a run");
            let mut cost = Ok(0.0);
            let used = measure(|| cost = sweep.gradient(&run, gradient.values_mut()));
            cost.expect("finite");
            assert_eq!(used.count_total == 0, number > 0, "{memory:?}, trial {number}: {used:?}");
            if let Memory::Bytes(bytes) = memory {
                // Two states and the vectors that a step works with.
                assert!(used.bytes_max as usize <= bytes + 10_000, "{memory:?}: {used:?}");
            }
        }
    }
}

#[test]
fn a_batch_does_not_depend_on_its_memory() {
    let network = theta(12).expect("a network");
    let scheme = SplitStep::new(&network, 1.0).expect("a scheme");
    let trials: Vec<_> = [0.0, 1.0, 3.0].map(|inputs| trial(120, inputs)).to_vec();
    let gradient = |memory| {
        let mut gradient = network.parameters.zeros_like();
        let mut batch = Batch::with_lanes(2).memory(memory);
        batch.gradient(&scheme, &trials, &LOSS, None, &mut gradient).map(|result| (result.cost, gradient))
    };
    let expected = gradient(Memory::Stored).expect("a gradient");
    for memory in [Memory::SqrtSteps, Memory::Every(50), Memory::Bytes(10_000)] {
        assert_eq!(gradient(memory).expect("a gradient"), expected, "{memory:?}");
    }
    // A budget that cannot be met is no trial to be left out.
    let refused = gradient(Memory::Bytes(100));
    use spikegrad::training::Error as TrainingError;
    let Err(spikegrad::tasks::Error::Training(TrainingError::Adjoint(Error::Budget { budget: 100, least }))) =
        refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(gradient(Memory::Bytes(least)).expect("a gradient"), expected);
}

#[test]
fn a_state_that_is_not_finite_is_found_as_by_the_stored_sweep() {
    let mut network = theta(5).expect("a network");
    network.parameters.input_mut()[(3, 1)] = 10.0;
    let scheme = SplitStep::new(&network, 1.0).expect("a scheme");
    let mut trial = trial(100, 0.0);
    trial.inputs[2 * 61 + 1] = f64::MAX;
    let run = scheme.run(&trial, &LOSS).expect("a run");
    for memory in [Memory::Stored, Memory::SqrtSteps, Memory::Every(9), Memory::Bytes(5000)] {
        let mut gradient = network.parameters.zeros_like();
        let failed = Sweep::new().memory(memory).gradient(&run, gradient.values_mut());
        assert!(
            matches!(failed, Err(Error::Diverged(Divergence::State { step: 61, time: 62.0, neuron: 3 }))),
            "{memory:?}: {failed:?}"
        );
        assert_eq!(gradient, network.parameters.zeros_like(), "{memory:?}");
    }
}

#[test]
fn a_long_trial_stays_within_its_memory() {
    const MIB: usize = 1 << 20;
    let network = theta(80).expect("a network");
    let scheme = SplitStep::new(&network, 1.0).expect("a scheme");
    let trial = trial(100_000, 1.0);
    let run = scheme.run(&trial, &LOSS).expect("a run");
    let mut costs = Vec::new();
    // Two states and the vectors that a step works with.
    let beside = 64 * 1024;
    for (memory, most) in [
        (Memory::SqrtSteps, 2 * MIB),
        (Memory::Bytes(32 * MIB), 32 * MIB + beside),
        (Memory::Bytes(MIB), MIB + beside),
    ] {
        let mut gradient = network.parameters.zeros_like();
        let mut cost = Ok(0.0);
        let used = measure(|| cost = Sweep::new().memory(memory).gradient(&run, gradient.values_mut()));
        println!("{memory:?}: {:.2} MiB", used.bytes_max as f64 / MIB as f64);
        assert!(used.bytes_max as usize <= most.min(64 * MIB), "{memory:?}: {used:?}");
        costs.push((cost.expect("finite"), gradient));
    }
    assert!(costs.iter().all(|cost| *cost == costs[0]));
}
