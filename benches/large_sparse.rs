//! What does a gradient of a large sparse network cost? 50 000 LIF neurons with 1 % of all connections, 1000 steps of 1 ms, f32, one
//! thread, at about 15 Hz, in a regime that training accepts: fluctuating currents of each neuron's own, and a zone of the gate that is
//! crossed in three steps or more by most. It says rate, steps in the zone and the share of short crossings before it measures.

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
    let arg = |name: &str, default: f64| std::env::var(name).map_or(default, |x| x.parse().unwrap());
    let neurons = arg("NEURONS", NEURONS as f64) as usize;
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let population =
        Population::new("lif", Lif::default(), neurons, GateShape::RaisedCosine, arg("WIDTH", 0.3));
    let connector = Connector::Probability { probability: 0.01, seed: 1 };
    let mut network: Network<f64> = Network::builder()
        .population(population)
        .projection(Projection::new("slow", 20.0).connected(connector))
        .outputs(1)
        .build()
        .unwrap();
    network.draw(Group::Weight(0), Draw::FanIn { gain: 0.02 }, rng).unwrap();
    network.parameters.readout_mut(0).fill(1.0 / neurons as f64);
    let network = network.to_f32();
    let mut trial = Trial::<f32>::silent(STEPS, 1.0, 0);
    trial.targets = vec![0.015; STEPS];
    let drive = (arg("MEAN", 0.04), arg("DEVIATION", 0.02));
    trial.currents = fluctuating_currents(STEPS, neurons, 1.0, drive, arg("TAU", 20.0), rng).unwrap();
    let (scheme, loss) = (SplitStep::new(&network, 1.0).unwrap(), QuadraticLoss { lambda: 0.0 });
    let trials = [trial];
    let mut gradient = network.parameters.zeros_like();
    let mut batch = Batch::default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let start = std::time::Instant::now();
    let result = pool.install(|| batch.gradient(&scheme, &trials, &loss, None, &mut gradient).unwrap());
    let (events, seconds) = (result.events, STEPS as f64 / 1000.0);
    println!(
        "{:.1} Hz, {:.2} crossings a spike, {:.0} % of them short, {:.1} s",
        events.spikes as f64 / neurons as f64 / seconds,
        events.crossings as f64 / events.spikes as f64,
        100.0 * events.short_crossing_share(),
        start.elapsed().as_secs_f64(),
    );
    if neurons < NEURONS {
        return;
    }
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
