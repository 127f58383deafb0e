//! What does a neuron-step cost in different models? Whole gradients of 80 neurons at 15 Hz, with gates whose zones a neuron
//! crosses in about four steps; one thread, in neuron-steps. Tonic currents and gates are such that all networks visit as many
//! columns in a step, to 5 %, which is checked.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench: Criterion's macro, and failures that end it")]

use spikegrad::network::Scalar;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spikegrad::models::{Lif, NeuronVjp, Nif, Theta};
use spikegrad::network::WorkCounters;
use spikegrad::prelude::*;

const NEURONS: usize = 80;
const TRIALS: usize = 20;
const STEPS: usize = 1000;

/// A number in `[0, 1)` for each index, evenly spread.
fn spread(index: usize) -> f64 {
    (index as f64 * 0.618_033_988_749_894_9).fract()
}

/// A network with tonic currents of `drive`, 1 % more or less, and weights too small to change rates.
fn network<N: NeuronVjp>(neuron: N, drive: f64, width: f64) -> Network<f64> {
    let population = Population::new("cells", neuron, NEURONS, GateShape::RaisedCosine, width);
    let builder = Network::builder().population(population).synapse("slow", 20.0).synapse("fast", 5.0);
    let mut network = builder.inputs(1).outputs(1).build().unwrap();
    for class in 0..2 {
        for (i, w) in network.parameters.weight_mut(class).iter_mut().enumerate() {
            *w = 1e-3 * (spread(i) - 0.5);
        }
    }
    for (i, b) in network.parameters.bias_mut().iter_mut().enumerate() {
        *b = drive * (0.99 + 0.02 * spread(i));
    }
    network.parameters.readout_mut(0).fill(0.1);
    network
}

fn trials<T: Scalar>() -> Vec<Trial<T>> {
    let trial = |index: usize| {
        let mut trial = Trial::silent(STEPS, 1.0, 1);
        trial.targets = vec![T::zero(); STEPS];
        let x = (0..NEURONS).map(|i| T::from_subset(&(0.9 * spread(index * NEURONS + i)))).collect();
        trial.initial = Some(InitialState { x, s: Vec::new() });
        trial
    };
    (0..TRIALS).map(trial).collect()
}

/// The columns that a network visits in a step, both ways, in the mean over the trials.
fn columns(network: &Network<f64>) -> f64 {
    let (scheme, loss) = (SplitStep::new(network, 1.0).unwrap(), QuadraticLoss { lambda: 0.0 });
    let mut work = WorkCounters::default();
    for trial in trials() {
        work += scheme.run(&trial, &loss).unwrap().work().unwrap();
    }
    work.columns() as f64 / work.steps as f64
}

fn run<T: Scalar>(c: &mut Criterion, dtype: &str, model: &str, network: &Network<T>) {
    let (scheme, loss) = (SplitStep::new(network, 1.0).unwrap(), QuadraticLoss { lambda: T::zero() });
    let trials = trials();
    let mut gradient = network.parameters.zeros_like();
    let mut batch = Batch::default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut group = c.benchmark_group("neurons");
    group.throughput(Throughput::Elements((NEURONS * TRIALS * STEPS) as u64));
    group.bench_function(BenchmarkId::new(dtype, model), |b| {
        pool.install(|| {
            b.iter(|| batch.gradient(&scheme, &trials, &loss, None, &mut gradient).unwrap().cost);
        });
    });
}

fn neurons(c: &mut Criterion) {
    let networks = [
        ("NIF", network(Nif, 0.015, 0.048)),
        ("theta", network(Theta { tau_v: 25.0 }, 0.0015, 0.2)),
        ("LIF", network(Lif { tau_v: 20.0, ..Lif::default() }, 0.0522, 0.007)),
    ];
    let expected = columns(&networks[1].1);
    for (model, network) in networks {
        let found = columns(&network);
        assert!((found / expected - 1.0).abs() < 0.05, "{model}: {found} columns a step, not {expected}");
        run(c, "f32", model, &network.to_f32());
        run(c, "f64", model, &network);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    targets = neurons
}
criterion_main!(benches);
