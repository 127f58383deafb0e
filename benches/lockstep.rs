//! Do trials of a large network gain from taking every step together? The same gradient (f32, 15 Hz, the same bits) with trials together
//! and one by one: by neurons, by trials, on two threads, and clipped.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench: Criterion's macro, and failures that end it")]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use spikegrad::prelude::*;
use spikegrad_benches::{Problem, Size};

fn lockstep(c: &mut Criterion) {
    let mut group = c.benchmark_group("lockstep");
    group.sampling_mode(SamplingMode::Flat);
    for (neurons, batch, steps, threads, clipped) in [
        (512, 128, 50, 1, false),
        (1024, 128, 50, 1, false),
        (2048, 128, 50, 1, false),
        (2048, 128, 50, 2, false),
        (2048, 128, 50, 1, true),
        (2048, 64, 50, 1, false),
        (2048, 32, 50, 1, false),
        (4096, 64, 20, 1, false),
    ] {
        let problem = Problem::random(Size { neurons, batch, steps, rate: 15.0 }, 1).unwrap().to_f32();
        let (scheme, loss) = (problem.scheme().unwrap(), problem.loss());
        let mut gradient = problem.network.parameters.zeros_like();
        let limits = vec![Some(1e-3); problem.network.parameters.layout().entries().len()];
        let clip = clipped.then_some(&limits[..]);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let name = format!("{neurons} neurons, {batch} trials{}", if clipped { ", clipped" } else { "" });
        for together in [true, false] {
            let mut work = Batch::default().lockstep(Some(together));
            let way = if together { "together" } else { "one by one" };
            group.bench_function(BenchmarkId::new(way, format!("{name}, threads: {threads}")), |b| {
                pool.install(|| {
                    b.iter(|| {
                        work.gradient(&scheme, &problem.trials, &loss, clip, &mut gradient).unwrap().cost
                    });
                });
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = lockstep
}
criterion_main!(benches);
