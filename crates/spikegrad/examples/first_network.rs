//! The tutorial `docs/tutorials/first-network.md`: a network, its spikes, its gradient, the check of the gradient, and a training in a
//! loop of one's own: `cargo run --release --example first_network`.

#![allow(clippy::print_stdout, reason = "an example prints")]

// region: network
use spikegrad::prelude::*;

/// Thirty leaky integrate-and-fire neurons, all connected with all, one input channel and one readout.
fn network() -> Result<Network<f64>, Failure> {
    let mut network = Network::builder()
        .population(Population::new("hidden", Lif::default(), 30, GateShape::RaisedCosine, 0.3))
        .synapse("slow", 20.0)
        .inputs(1)
        .outputs(1)
        .build()?;
    let start = Initialisation { rate: 30.0, ..Initialisation::default() };
    network.initialise(&start, &mut generator(1, Purpose::Initialisation, 0))?;
    Ok(network)
}
// endregion

// region: trial
/// 400 ms: a sine of 5 Hz goes in, and a sine of twice the frequency is to come out.
fn trial() -> Trial<f64> {
    let mut trial = Trial::silent(400, 1.0, 1);
    for sample in 0..trial.samples {
        let phase = std::f64::consts::TAU * sample as f64 / 200.0;
        trial.inputs[sample] = phase.sin();
        trial.targets.push(0.5 * (2.0 * phase).sin());
    }
    trial.scale = trial.duration(); // the cost is a mean over time
    trial
}
// endregion

/// The cost before and after the training.
fn learned() -> Result<[f64; 2], Failure> {
    // region: run
    let mut network = network()?;
    let trial = trial();
    let loss = QuadraticLoss { lambda: 0.0 };

    let scheme = SplitStep::new(&network, 0.5)?; // steps of 0.5 ms
    let recording = scheme.run(&trial, &loss)?.record()?;
    let spikes = recording.spikes.len();
    println!("{spikes} spikes, {:.1} Hz", spikes as f64 / 30.0 / 0.4);
    // endregion

    // region: gradient
    let mut gradient = network.parameters.zeros_like();
    let cost = Sweep::new().gradient(&scheme.run(&trial, &loss)?, gradient.values_mut())?;
    println!("cost {cost:.4}");
    for name in ["slow.weight", "input.weight", "hidden.bias", "readout.weight"] {
        let entries = gradient.get(name)?;
        let largest = entries.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
        println!("d cost / d {name:14} {:4} numbers, at most {largest:.2e}", entries.len());
    }
    // endregion

    // region: check
    let mut objective = NetworkObjective::new(network.clone(), &trial, &loss, Scheme::default(), 0.5);
    println!("\n{}", assert_gradient(&mut objective)?);
    // endregion

    // region: loop
    let rate = |group, rate| LearningRate { group, rate };
    let rates = [
        rate(Group::Weight(0), 1e-3),
        rate(Group::Input, 1e-3),
        rate(Group::Bias, 1e-3),
        rate(Group::Readout(0), 0.3),
    ];
    let mut optimiser = Optimiser::new(&network, UpdateRule::ADAM, &rates)?;
    let mut sweep = Sweep::new();
    for iteration in 0..=300 {
        let mut gradient = network.parameters.zeros_like();
        let scheme = SplitStep::new(&network, 0.5)?;
        let cost = sweep.gradient(&scheme.run(&trial, &loss)?, gradient.values_mut())?;
        if iteration % 100 == 0 {
            println!("iteration {iteration:3}: cost {cost:.4}");
        }
        optimiser.step(&mut network, &gradient, 1.0)?;
    }
    // endregion

    let scheme = SplitStep::new(&network, 0.5)?;
    let mut gradient = network.parameters.zeros_like();
    Ok([cost, sweep.gradient(&scheme.run(&trial, &loss)?, gradient.values_mut())?])
}

fn main() -> Result<(), Failure> {
    learned().map(|_| ())
}

#[test]
fn the_first_network_learns() -> Result<(), Failure> {
    let [first, last] = learned()?;
    assert!(last < 0.1 * first, "{first} {last}");
    Ok(())
}
