//! Builds a network, computes the gradient of a cost and proves it: `cargo run --release --example quickstart -p spikegrad`.

#![allow(clippy::print_stdout, reason = "an example prints")]

// region: quickstart
use spikegrad::prelude::*;

fn main() -> Result<(), Failure> {
    // Ten theta neurons behind slow synapses; gates are open over the last 0.3 below threshold.
    let mut network = Network::builder()
        .population(Population::new("theta", Theta { tau_v: 25.0 }, 10, GateShape::RaisedCosine, 0.3))
        .synapse("slow", 20.0)
        .inputs(1)
        .outputs(1)
        .build()?;
    network.parameters.input_mut().iter_mut().zip(1..).for_each(|(u, i)| *u = 0.0045 * f64::from(i));
    network.parameters.weight_mut(0).fill(0.01);
    network.parameters.readout_mut(0).fill(0.5);

    // 200 samples of 1 ms; an input pulse of 100 ms, and a readout that ought to outlast it.
    let mut trial = Trial::silent(200, 1.0, 1);
    trial.inputs[..100].fill(1.0);
    trial.targets = vec![0.1; 200];
    let loss = QuadraticLoss { lambda: 0.01 };

    let scheme = SplitStep::new(&network, 0.5)?;
    let mut gradient = network.parameters.zeros_like();
    let cost = Sweep::new().gradient(&scheme.run(&trial, &loss)?, gradient.values_mut())?;
    println!("cost {cost:.4}, norm of dC/dW {:.4}\n", gradient.norm(Group::Weight(0)));

    let mut objective = NetworkObjective::new(network, &trial, &loss, Scheme::default(), 0.5);
    println!("{}", assert_gradient(&mut objective)?);
    Ok(())
}
// endregion

#[test]
fn the_quickstart_runs() -> Result<(), Failure> {
    main()
}
