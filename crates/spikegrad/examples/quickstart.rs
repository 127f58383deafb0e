//! Builds a network, computes the gradient of a cost and checks it: `cargo run --release --example quickstart`.

#![allow(clippy::print_stdout, reason = "an example prints")]

// region: quickstart
use spikegrad::prelude::*;

fn main() -> Result<(), Failure> {
    let neurons = Population::new("hidden", Lif::default(), 20, GateShape::RaisedCosine, 0.3);
    let mut network =
        Network::builder().population(neurons).synapse("slow", 20.0).inputs(1).outputs(1).build()?;
    network.initialise(&Initialisation::default(), &mut generator(1, Purpose::Initialisation, 0))?;

    // 200 samples of 1 ms: a constant input, and a readout that is to be 0.1.
    let trial = Trial { inputs: vec![1.0; 200], targets: vec![0.1; 200], ..Trial::silent(200, 1.0, 1) };
    let loss = QuadraticLoss { lambda: 0.0 };

    let mut gradient = network.parameters.zeros_like();
    let scheme = SplitStep::new(&network, 0.5)?; // steps of 0.5 ms
    let cost = Sweep::new().gradient(&scheme.run(&trial, &loss)?, gradient.values_mut())?;
    println!("cost {cost:.4}, norm of dC/dW {:.4}\n", gradient.norm(Group::Weight(0)));

    let mut objective = NetworkObjective::new(network, &trial, &loss, Scheme::default(), 0.5);
    println!("{}", assert_gradient(&mut objective)?); // against central differences
    Ok(())
}
// endregion

#[test]
fn the_quickstart_runs() -> Result<(), Failure> {
    main()
}
