//! The work of the split step, to the unit: a change that visits more columns or moves more bytes is slower on every
//! machine, and fails here even where a clock would not notice.

use spikegrad_integrators::{Step, StepVjp};
use spikegrad_models::{GateShape, Lif, NeuronVjp, Nif, Theta};
use spikegrad_network::{
    Group, Loss, Network, NoLoss, Population, Sample, SampleBar, SplitStep, SplitTape, Trial, WorkCounters,
};

const N: usize = 40;

/// `N` neurons of one model, two synapse classes, two inputs and an output, driven by tonic currents from 0 to `current`.
fn network(neuron: impl NeuronVjp, current: f64) -> (Network<f64>, Trial<f64>) {
    let population = Population::new("neurons", neuron, N, GateShape::RaisedCosine, 0.2);
    let mut network = Network::builder()
        .population(population)
        .synapse("slow", 20.0)
        .synapse("fast", 5.0)
        .inputs(2)
        .outputs(1)
        .build()
        .unwrap();
    let wave = |i: usize| ((3 * i + 1) as f64).sin();
    for k in 0..2 {
        for (i, w) in network.parameters.weight_mut(k).iter_mut().enumerate() {
            *w = 0.01 * wave(i + k);
        }
    }
    for (i, current_i) in network.parameters.bias_mut().iter_mut().enumerate() {
        *current_i = current * i as f64 / N as f64;
    }
    network.parameters.readout_mut(0).fill(1.0);
    let trial = Trial::silent(200, 1.0, 2);
    (network, trial)
}

fn work(network: &Network<f64>, trial: &Trial<f64>) -> WorkCounters {
    SplitStep::new(network, 1.0).unwrap().run(trial, &NoLoss).unwrap().work().unwrap()
}

fn check<N: NeuronVjp>(neuron: N, current: f64, columns: u64, flops: u64, bytes: u64) {
    let (network, trial) = network(neuron, current);
    let expected =
        WorkCounters { steps: 200, columns_forward: columns, columns_backward: columns, flops, bytes };
    assert_eq!(work(&network, &trial), expected, "{}", N::NAME);
}

#[test]
fn work_of_each_kind_of_neuron_is_pinned() {
    check(Theta::default(), 0.02, 2366, 719_840, 3_929_928);
    check(Nif, 0.05, 2942, 858_080, 4_683_336);
    check(Lif::default(), 0.1, 3930, 1_095_200, 5_975_640);
}

#[test]
fn columns_are_those_of_neurons_in_the_active_zone() {
    let (network, trial) = network(Theta::default(), 0.02);
    let recording = SplitStep::new(&network, 1.0).unwrap().run(&trial, &NoLoss).unwrap().record().unwrap();
    let start = vec![0.5; N];
    let befores = start.iter().chain(&recording.v);
    // A wrapped voltage is below 1/2 after a step that it began above.
    let visited = befores.zip(&recording.v).filter(|(before, after)| **before > 0.8 || **after > 0.8).count();
    let work = work(&network, &trial);
    assert_eq!((work.columns_forward, work.columns_backward), (2 * visited as u64, 2 * visited as u64));
    assert!(work.columns() < (4 * N * 200 / 5) as u64, "{work:?}");
}

#[test]
fn a_silent_network_visits_no_column() {
    let (network, trial) = network(Theta::default(), -0.02);
    let work = work(&network, &trial);
    assert_eq!((work.columns(), work.steps), (0, 200));
}

#[test]
fn the_dense_path_visits_every_column() {
    let (network, trial) = network(Theta::default(), 0.02);
    let scheme = SplitStep::new(&network, 1.0).unwrap().dense();
    let work = scheme.run(&trial, &NoLoss).unwrap().work().unwrap();
    let columns = 2 * N as u64 * 200;
    assert_eq!((work.columns_forward, work.columns_backward), (columns, columns));
    // Three dense products for each class, and little else.
    let products = 3 * 2 * 2 * (N * N * 200) as u64;
    assert!(work.flops > products && work.flops < products + products / 10, "{work:?}");
}

#[test]
fn frozen_weights_need_no_gradient() {
    let (mut network, trial) = network(Theta::default(), 0.02);
    let all = work(&network, &trial);
    network.freeze(Group::Weight(0)).expect("a group");
    network.freeze(Group::Weight(1)).expect("a group");
    let frozen = work(&network, &trial);
    assert_eq!(all.columns(), frozen.columns());
    // The axpy of equation (23): two operations and two accesses of eight bytes for each entry of a column.
    assert_eq!(all.flops - frozen.flops, 2 * N as u64 * all.columns_backward);
    assert_eq!(all.bytes - frozen.bytes, 16 * N as u64 * all.columns_backward);
}

/// The counters say what must be done; this asks the program whether it does more. Adding a product with zero to
/// `-0.0` leaves `0.0`, so a column of the gradient whose neuron released nothing shows whether it was touched.
#[test]
fn gradients_of_silent_columns_are_not_touched() {
    let (mut network, trial) = network(Theta::default(), 0.02);
    network.parameters.bias_mut()[..N / 2].fill(-0.02);
    let scheme = SplitStep::new(&network, 1.0).unwrap();
    let run = scheme.run(&trial, &Synapses).unwrap();
    let (mut x, mut tape, mut released) = (vec![0.0; run.dim()], SplitTape::default(), [false; N]);
    run.start(&mut x);
    run.rewind(&x, &mut tape);
    for n in 0..run.steps() {
        run.step(n, &mut x, &mut tape);
        tape.last_charges().for_each(|(i, _)| released[i] = true);
    }
    assert!(released.iter().any(|r| *r) && released.iter().any(|r| !*r));
    let mut x_bar = vec![0.0; run.dim()];
    let mut gradient = vec![-0.0; run.n_parameters()];
    for n in (0..run.steps()).rev() {
        run.step_vjp(n, &mut tape, 1.0, &mut x_bar, &mut gradient);
    }
    for k in 0..2 {
        let w_bar = &gradient[network.parameters.layout().range(Group::Weight(k))];
        for (i, column) in w_bar.chunks_exact(N).enumerate() {
            let touched = column.iter().any(|x| x.to_bits() != (-0.0_f64).to_bits());
            assert_eq!(touched, released[i], "column {i} of class {k}");
        }
    }
}

/// A loss that sends a cotangent of either sign to every neuron.
struct Synapses;

impl Loss<f64> for Synapses {
    fn value(&self, at: &Sample<'_, f64>) -> f64 {
        at.s.iter().sum()
    }

    fn vjp(&self, _: &Sample<'_, f64>, value_bar: f64, bar: &mut SampleBar<'_, f64>) {
        for (i, bar) in bar.s.iter_mut().enumerate() {
            *bar += if i % 2 == 0 { value_bar } else { -value_bar };
        }
    }
}
