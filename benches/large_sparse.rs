//! What does a gradient of a large sparse network cost? 50 000 LIF neurons with 1 % of all connections, 1000 steps of 1 ms, f32, one
//! thread, at about 16 Hz, in a regime that training accepts: fluctuating currents of each neuron's own, and a zone of the gate that is
//! crossed in three steps or more by nine spikes in ten. It says rate and share of short crossings before it measures.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench: Criterion's macro, failures that end it, and what the network does"
)]

use std::time::Duration;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use spikegrad::network::fluctuating_currents;
use spikegrad::prelude::*;

const NEURONS: usize = 50_000;
const STEPS: usize = 1000;

fn large_sparse(c: &mut Criterion) {
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let population = Population::new("lif", Lif::default(), NEURONS, GateShape::RaisedCosine, 0.15);
    let connector = Connector::Probability { probability: 0.01, seed: 1 };
    let mut network: Network<f64> = Network::builder()
        .population(population)
        .projection(Projection::new("slow", 20.0).connected(connector))
        .outputs(1)
        .build()
        .unwrap();
    network.draw(Group::Weight(0), Draw::FanIn { gain: 0.02 }, rng).unwrap();
    network.parameters.readout_mut(0).fill(1.0 / NEURONS as f64);
    let network = network.to_f32();
    let mut trial = Trial::<f32>::silent(STEPS, 1.0, 0);
    trial.targets = vec![0.015; STEPS];
    trial.currents = fluctuating_currents(STEPS, NEURONS, 1.0, (0.042, 0.045), 5.0, rng).unwrap();
    let (scheme, loss) = (SplitStep::new(&network, 1.0).unwrap(), QuadraticLoss { lambda: 0.0 });
    let trials = [trial];
    let mut gradient = network.parameters.zeros_like();
    let mut batch = Batch::default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let result = pool.install(|| batch.gradient(&scheme, &trials, &loss, None, &mut gradient).unwrap());
    let (events, seconds) = (result.events, STEPS as f64 / 1000.0);
    println!(
        "{:.1} Hz, {:.0} % of {} crossings of the zone in too few steps",
        events.spikes as f64 / NEURONS as f64 / seconds,
        100.0 * events.short_crossing_share(),
        events.crossings,
    );
    let mut group = c.benchmark_group("large_sparse");
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function("gradient", |b| {
        pool.install(|| {
            b.iter(|| batch.gradient(&scheme, &trials, &loss, None, &mut gradient).unwrap().cost)
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(1));
    targets = large_sparse
}
criterion_main!(benches);
