//! What is too large for a machine or for a float type is a typed error that says by how much, before anything is taken or run.

use spikegrad::adjoint::{Error as SweepError, Memory, Sweep};
use spikegrad::integrators::{Step, tableau};
use spikegrad::models::{GateShape, Nif, Theta};
use spikegrad::network::{
    Error, Group, InitialState, Network, NetworkBuilder, NoLoss, PlainStep, Population, Scalar, SplitStep,
    Trial, pontryagin,
};

fn of(size: usize) -> NetworkBuilder {
    let population = Population::new("cells", Theta::default(), size, GateShape::RaisedCosine, 0.3);
    Network::builder().population(population).synapse("slow", 10.0)
}

/// The bytes of a network or a run that does not fit.
fn bytes<T>(result: Result<T, Error>) -> f64 {
    match result {
        Err(Error::MemoryLimit { bytes, limit, .. }) => {
            assert!(bytes > limit as f64);
            bytes
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn networks_that_do_not_fit_say_how_much_they_need() {
    let error = of(300_000).build().expect_err("720 GB of weights");
    assert_eq!(
        error.to_string(),
        "the network's parameters would take 720 GB, more than the limit of 17 GB: make the network or the trial \
         smaller, or raise the limit with `NetworkBuilder::memory_limit`"
    );
    let weights = (300_000_u64 * 300_000 * 8) as f64;
    let needed = bytes(of(300_000).build());
    assert!(needed > weights && needed < 1.0001 * weights, "{needed}");
    // Inputs and outputs whose product with the neurons is a multiple of 2^64.
    assert_eq!(bytes(of(4).inputs(1 << 62).build()).log2().round(), 67.0);
    assert_eq!(bytes(of(4).outputs(1 << 62).build()).log2().round(), 67.0);
    // Sizes whose sum and whose squares overflow.
    let half = usize::MAX / 2 + 1;
    let two = || of(half).population(Population::new("others", Nif, half, GateShape::Box, 0.3));
    assert!(bytes(two().build()) > 1e39);
    assert!(bytes(two().change("slow", |p| p.low_rank(1)).build()) > 1e20);
    assert!(
        bytes(
            of(usize::MAX)
                .change("slow", |p| p.connection_delays(1.0))
                .change("slow", |p| p.without_autapses())
                .build()
        ) > 1e39
    );
}

#[test]
fn the_limit_is_the_builders() {
    // 100 weights, tonic currents, initial voltages and a few parameters.
    assert!(of(10).memory_limit(1000).build().is_ok());
    assert_eq!(bytes(of(10).memory_limit(900).build()), 984.0);
    let network = of(10).memory_limit(1000).build().expect("a network");
    let (step, trial) = (SplitStep::new(&network, 1.0).expect("a step"), Trial::silent(10, 1.0, 0));
    // Time, voltage, current, trace and synaptic current of ten steps.
    assert_eq!(bytes(step.run(&trial, &NoLoss).expect("a run").record()), 3280.0);
    assert!(step.run(&Trial::silent(3, 1.0, 0), &NoLoss).expect("a run").record().is_ok());
}

#[test]
fn delays_longer_than_any_memory() {
    for (delay, h) in [(1e300, 1.0), (1e19, 1.0), (1e9, 1.0), (1.0, 1e-300)] {
        for connections in [false, true] {
            let builder = if connections {
                of(3).change("slow", |p| p.connection_delays(delay))
            } else {
                of(3).change("slow", |p| p.axonal_delays(delay))
            };
            let network = builder.build().expect("a network");
            let needed = bytes(SplitStep::new(&network, h));
            let width = if connections { 3.0 } else { 6.0 };
            assert!((needed / (delay / h * width * 8.0) - 1.0).abs() < 1e-6, "{delay}: {needed}");
        }
    }
    // Where a delay overflows in f32, the network is refused as before.
    let single = of(3).change("slow", |p| p.axonal_delays(1e300)).build().expect("a network").to_f32();
    assert!(matches!(SplitStep::new(&single, 1.0), Err(Error::NonFinite { .. })));
    let error =
        SplitStep::new(&of(3).change("slow", |p| p.axonal_delays(1e9)).build().expect("a network"), 1.0)
            .map(drop);
    assert_eq!(
        error.expect_err("48 GB").to_string(),
        "the ring of steps behind the delays of projection slow would take 48 GB, more than the limit of 17 GB: make the \
         network or the trial smaller, or raise the limit with `NetworkBuilder::memory_limit`"
    );
}

#[test]
fn trials_of_more_steps_than_can_be_counted() {
    let network = of(3).build().expect("a network");
    let step = SplitStep::new(&network, 1.0).expect("a step");
    let trial = |samples, interval| Trial::silent(samples, interval, 0);
    for trial in [trial(2, 2_f64.powi(63)), trial(usize::MAX, 2.0), trial(3, 1e300), trial(1 << 40, 16384.0)]
    {
        let refused = step.run(&trial, &NoLoss).map(|run| run.steps());
        assert!(matches!(refused, Err(Error::Steps { .. })), "{refused:?}");
        let plain = PlainStep::new(&network, 1.0, tableau::EULER).expect("a step");
        assert!(matches!(plain.run(&trial, &NoLoss).map(|run| run.steps()), Err(Error::Steps { .. })));
    }
    let error = step.run(&trial(2, 2_f64.powi(63)), &NoLoss).map(drop).expect_err("too many steps");
    assert!(error.to_string().contains("has 1.8e19 steps of 1 ms, more than can be counted"), "{error}");
    // The least step of f64, of which an interval has as many.
    let fine = SplitStep::new(&network, 5e-324).expect("a step");
    let refused = fine.run(&trial(1, 1.0), &NoLoss).map(|run| run.steps());
    assert!(matches!(refused, Err(Error::Steps { .. })), "{refused:?}");
}

#[test]
fn trials_and_recordings_larger_than_any_memory() {
    let network = of(3).inputs(2).outputs(1).build().expect("a network");
    let step = SplitStep::new(&network, 1.0).expect("a step");
    // A silent trial does not take what there is not, and a run says what is missing.
    let silent = Trial::silent(1 << 40, 1.0, 2);
    assert!(silent.inputs.is_empty());
    let refused = step.run(&silent, &NoLoss).map(drop).expect_err("no inputs");
    assert_eq!(
        refused.to_string(),
        "the trial's inputs (samples x inputs): give 2199023255552 entries, not 0"
    );
    // More than all addresses.
    let wide = of(3).inputs(300).build().expect("a network");
    let step = SplitStep::new(&wide, 1.0).expect("a step");
    assert!(bytes(step.run(&Trial::silent(1 << 52, 1.0, 300), &NoLoss)) > 1e19);
    let network = of(3).build().expect("a network");
    let step = SplitStep::new(&network, 1.0).expect("a step");
    let trial = Trial::silent(1 << 50, 1.0, 0);
    let run = step.run(&trial, &NoLoss).expect("a run that would take long");
    assert!(bytes(run.record()) > 1e17);
    assert!(bytes(pontryagin(&run)) > 1e17);
    let mut gradient = network.parameters.zeros_like();
    for memory in [Memory::Stored, Memory::Every(1), Memory::Every(usize::MAX)] {
        let refused = Sweep::new().memory(memory).gradient(&run, gradient.values_mut());
        assert!(matches!(refused, Err(SweepError::OutOfMemory { bytes, .. }) if bytes > 1e16), "{refused:?}");
    }
    let plain = PlainStep::new(&network, 1.0, tableau::RK4).expect("a step");
    let run = plain.run(&trial, &NoLoss).expect("a run");
    let refused = Sweep::new().gradient(&run, gradient.values_mut()).expect_err("more than any memory");
    assert!(matches!(refused, SweepError::OutOfMemory { .. }));
    assert!(refused.to_string().contains("Memory::SqrtSteps"), "{refused}");
}

#[test]
fn values_that_a_float_type_does_not_hold() {
    let double = of(3).outputs(1).build().expect("a network");
    let single = double.to_f32();
    for h in [1e-46, 1e-44, 1e39] {
        assert!(
            matches!(SplitStep::new(&single, h), Err(Error::Unrepresentable { value, .. }) if value == h)
        );
        let plain = PlainStep::new(&single, h, tableau::EULER);
        assert!(matches!(plain, Err(Error::Unrepresentable { value, .. }) if value == h));
        assert!(SplitStep::new(&double, h).is_ok());
    }
    let error = SplitStep::new(&single, 1e-46).map(drop).expect_err("a step of zero");
    assert_eq!(
        error.to_string(),
        "step size h = 1e-46 becomes 0e0 in the network's float type: choose one within its range, or use f64 instead of \
         f32"
    );
    fn scaled<T: Scalar>(network: &Network<T>, h: f64, scale: f64) -> Result<(), Error> {
        let trial = Trial { scale, ..Trial::silent(2, h, 0) };
        SplitStep::new(network, h).expect("a step").run(&trial, &NoLoss).map(drop)
    }
    // Neither the scale nor the weight of a step may vanish or overflow.
    for (h, scale) in [(1.0, 1e300), (1.0, 1e-46), (1e-25, 1e25), (1e25, 1e-25)] {
        assert_eq!(scaled(&double, h, scale), Ok(()), "{h} {scale}");
        let refused = scaled(&single, h, scale);
        assert!(matches!(refused, Err(Error::Unrepresentable { .. })), "{h} {scale}: {refused:?}");
    }
    assert!(matches!(scaled(&double, 1e-200, 1e200), Err(Error::Unrepresentable { rounded: 0.0, .. })));
    // A time constant that becomes zero is no positive number.
    let slow = Network::builder().population(Population::new("cells", Nif, 1, GateShape::Box, 0.3));
    let single = slow.synapse("slow", 1e-46).build().expect("a network").to_f32();
    assert!(matches!(SplitStep::new(&single, 1.0), Err(Error::NotPositive { value: 0.0, .. })));
}

#[test]
fn a_gradient_by_an_initial_state_that_the_trial_replaces() {
    let mut network = of(3).build().expect("a network");
    let x = network.parameters.group(Group::Initial).to_vec();
    let trial = Trial { initial: Some(InitialState { x, s: Vec::new() }), ..Trial::silent(5, 1.0, 0) };
    let runs = |network: &Network<f64>| {
        let split = SplitStep::new(network, 1.0).expect("a step").run(&trial, &NoLoss).map(drop);
        let plain =
            PlainStep::new(network, 1.0, tableau::EULER).expect("a step").run(&trial, &NoLoss).map(drop);
        assert_eq!(split, plain);
        split
    };
    assert_eq!(runs(&network), Ok(()));
    network.unfreeze(Group::Initial).expect("an initial state");
    let error = runs(&network).expect_err("x_0 has no influence");
    assert_eq!(error, Error::InitialState);
    assert!(error.to_string().contains("freeze `Group::Initial`"), "{error}");
}
