//! Runs backwards over a trial of 100 000 steps in as much memory as one likes: the same gradient, a few figures.
//!
//! `cargo run --release --example long_trial -p spikegrad`, with the number of steps as an argument if you like another.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::time::Instant;

use spikegrad::prelude::*;

const MIB: usize = 1 << 20;

fn main() -> Result<(), Failure> {
    run(std::env::args().nth(1).map_or(Ok(100_000), |steps| steps.parse())?)
}

fn run(steps: usize) -> Result<(), Failure> {
    // Eighty theta neurons at about 15 Hz.
    let mut network = Network::builder()
        .population(Population::new("theta", Theta { tau_v: 25.0 }, 80, GateShape::RaisedCosine, 0.2))
        .synapse("slow", 20.0)
        .inputs(1)
        .outputs(1)
        .build()?;
    let rng = &mut generator(1, Purpose::Training, 0);
    network.parameters.weight_mut(0).iter_mut().for_each(|w| *w = 0.01 * rng.random_range(-1.0..1.0));
    network.parameters.input_mut().iter_mut().for_each(|u| *u = 1e-3 * rng.random_range(-1.0..1.0));
    network.parameters.bias_mut().fill(1.4e-3);
    network.parameters.readout_mut(0).iter_mut().for_each(|o| *o = rng.random_range(-1.0..1.0));
    let mut trial = Trial::silent(steps, 1.0, 1);
    trial.inputs.iter_mut().zip(0..).for_each(|(i, n)| *i = (f64::from(n) / 50.0).sin());
    trial.targets = trial.inputs.iter().map(|i| 0.1 * i).collect();
    let loss = QuadraticLoss { lambda: 0.01 };
    let scheme = SplitStep::new(&network, 1.0)?;
    let program = scheme.run(&trial, &loss)?;

    println!("{:>16}  {:>9}  {:>7}  {:>11}", "memory", "MiB", "s", "cost");
    let mut stored = None;
    for memory in [
        Memory::Stored,
        Memory::SqrtSteps,
        Memory::Bytes(64 * MIB),
        Memory::Bytes(MIB),
        Memory::Bytes(MIB / 4),
    ] {
        let mut sweep = Sweep::new().memory(memory);
        let mut gradient = network.parameters.zeros_like();
        let mut cost = Ok(0.0);
        let used = allocation_counter::measure(|| cost = sweep.gradient(&program, gradient.values_mut()));
        // Again, now that the memory is there.
        gradient.values_mut().fill(0.0);
        let start = Instant::now();
        let again = sweep.gradient(&program, gradient.values_mut())?;
        let seconds = start.elapsed().as_secs_f64();
        let name = match memory {
            Memory::Bytes(bytes) => format!("Bytes({} KiB)", bytes / 1024),
            memory => format!("{memory:?}"),
        };
        let mib = used.bytes_max as f64 / MIB as f64;
        println!("{name:>16}  {mib:>9.2}  {seconds:>7.3}  {again:>11.6}");
        let result = (cost?, again, gradient);
        if *stored.get_or_insert_with(|| result.clone()) != result {
            return Err(std::io::Error::other("not the gradient of the stored sweep").into());
        }
    }
    Ok(())
}

#[test]
fn a_long_trial_has_one_gradient() -> Result<(), Failure> {
    run(3000)
}
