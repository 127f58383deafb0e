//! How does a gradient's time grow with neurons, steps, trials, threads and firing rate? One of them varies at a time,
//! the others stay at N = 256, T = 250, 16 trials, one thread, 15 Hz.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench: Criterion's macro, and failures that end it")]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use spikegrad::prelude::*;
use spikegrad_benches::{Problem, Size};

const BASE: Size = Size { neurons: 256, batch: 16, steps: 250, rate: 15.0 };

fn run(c: &mut Criterion, what: &str, value: impl std::fmt::Display, size: Size, threads: usize) {
    let problem = Problem::random(size, 1).unwrap().to_f32();
    let (scheme, loss) = (problem.scheme().unwrap(), problem.loss());
    let mut gradient = problem.network.parameters.zeros_like();
    let mut batch = Batch::default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut group = c.benchmark_group("scaling");
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements((size.neurons * size.batch * size.steps) as u64));
    group.bench_function(BenchmarkId::new(what, value), |b| {
        pool.install(|| {
            b.iter(|| batch.gradient(&scheme, &problem.trials, &loss, None, &mut gradient).unwrap().cost);
        });
    });
}

fn scaling(c: &mut Criterion) {
    for neurons in [64, 128, 256, 512, 1024] {
        run(c, "neurons", neurons, Size { neurons, batch: 4, ..BASE }, 1);
    }
    for steps in [125, 250, 500, 1000] {
        run(c, "steps", steps, Size { steps, ..BASE }, 1);
    }
    for batch in [1, 4, 16, 64] {
        run(c, "batch", batch, Size { batch, ..BASE }, 1);
    }
    let most = std::thread::available_parallelism().map_or(1, usize::from);
    for threads in [1, 2, 4, 8].into_iter().filter(|&threads| threads <= most) {
        run(c, "threads", threads, BASE, threads);
    }
    for rate in [2.0, 5.0, 15.0, 40.0] {
        run(c, "rate", rate, Size { rate, ..BASE }, 1);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = scaling
}
criterion_main!(benches);
