//! Excitation through AMPA and NMDA receptors, inhibition that depresses: a network with synapses of several kinds, and the proof of its
//! gradient by every parameter of them: `cargo run --release --example synapses -p spikegrad`.

#![allow(clippy::print_stdout, reason = "an example prints")]

use spikegrad::prelude::*;

// region: network
/// Excitatory and inhibitory neurons with a voltage that goes from 0 at rest to 1 at threshold.
fn network() -> Result<Network<f64>, Failure> {
    let cells = |name, size| Population::new(name, Lif::default(), size, GateShape::RaisedCosine, 0.3);
    let ampa = Projection::new("ampa", 3.0).between("excitatory", "inhibitory");
    // Rises in 2 ms, decays in 60 ms; magnesium blocks half of the channels halfway to threshold.
    let nmda = Projection::with("nmda", DifferenceOfExponentials { tau: 60.0, tau_rise: 2.0 });
    let nmda = nmda.between("excitatory", "excitatory").without_autapses();
    let block = Nmda { e_rev: 4.5, v_half: 0.5, slope: 0.25 };
    let gaba = Projection::new("gaba", 8.0).between("inhibitory", "excitatory");
    let mut network = Network::builder()
        .population(cells("excitatory", 8))
        .population(cells("inhibitory", 4))
        .projection(ampa.receptor(Conductance { e_rev: 4.5 }))
        .projection(nmda.receptor(block))
        .projection(
            gaba.receptor(Conductance { e_rev: -0.7 }).short_term(Depression { u: 0.3, tau_rec: 100.0 }),
        )
        .inputs(1)
        .outputs(1)
        .build()?;
    // Time constants, reversal potentials, the block and the depression are trained, too.
    network.unfreeze_all();
    network.freeze(Group::Initial)?;
    network.initialise(&Initialisation::default(), &mut generator(1, Purpose::Initialisation, 0))?;
    Ok(network)
}
// endregion

fn main() -> Result<(), Failure> {
    let network = network()?;
    let mut trial = Trial::silent(100, 1.0, 1);
    trial.inputs.iter_mut().enumerate().for_each(|(n, i)| *i = f64::from(u8::from(n % 40 < 20)));
    trial.targets = vec![0.1; 100];
    let loss = QuadraticLoss { lambda: 0.01 };
    let recording = SplitStep::new(&network, 0.25)?.run(&trial, &loss)?.record()?;
    println!("spikes of each neuron: {:?}\n", recording.spike_counts());
    let mut objective = NetworkObjective::new(network, &trial, &loss, Scheme::default(), 0.25);
    println!("{}", assert_gradient(&mut objective)?);
    Ok(())
}

#[test]
fn the_gradient_by_every_parameter_of_the_synapses_is_exact() -> Result<(), Failure> {
    main()
}
