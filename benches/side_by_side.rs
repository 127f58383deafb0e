//! Do trials of a small network gain from lying side by side? The same gradient (f32, the same bits) with trials side by side and one by
//! one: theta neurons at 15 Hz by number of neurons and by trials, LIF neurons that stand in a wide gate most of the time, on one and two threads.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench: Criterion's macro, and failures that end it")]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use spikegrad::models::Lif;
use spikegrad::prelude::*;
use spikegrad::rand::SeedableRng as _;
use spikegrad_benches::{Problem, Size};

type Batched = (Network<f32>, Vec<Trial<f32>>);

/// Theta neurons with two projections and two inputs, in steps of 1 ms.
fn theta(neurons: usize, batch: usize) -> Batched {
    let problem = Problem::random(Size { neurons, batch, steps: 200, rate: 15.0 }, 1).unwrap().to_f32();
    (problem.network, problem.trials)
}

/// LIF neurons with one projection and one input for 100 ms, in steps of 0.5 ms.
fn lif(neurons: usize, batch: usize) -> Batched {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let population = Population::new("lif", Lif::default(), neurons, GateShape::RaisedCosine, 0.3);
    let mut network: Network<f64> =
        Network::builder().population(population).synapse("w", 10.0).inputs(1).outputs(1).build().unwrap();
    let weights = network.parameters.group_mut(Group::Weight(0));
    weights.iter_mut().for_each(|w| *w = 0.3 * rng.random_range(-1.0..1.0) / (neurons as f64).sqrt());
    network.parameters.bias_mut().iter_mut().for_each(|b| *b = rng.random_range(0.05..0.07));
    network.parameters.readout_mut(0).iter_mut().for_each(|o| *o = rng.random_range(-1.0..1.0));
    network.parameters.input_mut().iter_mut().for_each(|u| *u = 0.01 * rng.random_range(-1.0..1.0));
    let trial = |_| {
        let mut trial = Trial::silent(200, 0.5, 1);
        trial.inputs.iter_mut().for_each(|i| *i = rng.random_range(-1.0..1.0));
        trial.targets = (0..200).map(|_| 0.01 * rng.random_range(-1.0..1.0)).collect();
        trial.map(|x: f64| x as f32)
    };
    let trials = (0..batch).map(trial).collect();
    (network.to_f32(), trials)
}

fn side_by_side(c: &mut Criterion) {
    let mut group = c.benchmark_group("side_by_side");
    group.sampling_mode(SamplingMode::Flat);
    let theta: fn(usize, usize) -> Batched = theta;
    for (name, of, h, neurons, batch, threads) in [
        ("theta", theta, 1.0, 5, 64, 1),
        ("theta", theta, 1.0, 10, 64, 1),
        ("theta", theta, 1.0, 20, 64, 1),
        ("theta", theta, 1.0, 30, 64, 1),
        ("theta", theta, 1.0, 20, 16, 1),
        ("theta", theta, 1.0, 20, 1024, 1),
        ("theta", theta, 1.0, 20, 1024, 2),
        ("LIF", lif, 0.5, 20, 50, 1),
        ("LIF", lif, 0.5, 20, 50, 2),
    ] {
        let (network, trials) = of(neurons, batch);
        let (scheme, loss) = (SplitStep::new(&network, h).unwrap(), QuadraticLoss { lambda: 1e-3 });
        let mut gradient = network.parameters.zeros_like();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        for side in [true, false] {
            let mut work = Batch::default().side_by_side(side);
            let way = if side { "side by side" } else { "one by one" };
            let id = BenchmarkId::new(way, format!("{name}, {neurons} x {batch}, threads: {threads}"));
            group.bench_function(id, |b| {
                pool.install(|| {
                    b.iter(|| work.gradient(&scheme, &trials, &loss, None, &mut gradient).unwrap().cost);
                });
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = side_by_side
}
criterion_main!(benches);
