//! What does a whole gradient cost, in the three sizes that other systems are compared at, and in batches as large as users train with? One
//! thread, about 15 Hz; throughput in neuron-steps.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench: Criterion's macro, and failures that end it")]

use spikegrad::network::Scalar;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use spikegrad::prelude::*;
use spikegrad_benches::{Problem, Size};

const SIZES: [Size; 3] = [
    Size { neurons: 80, batch: 50, steps: 1000, rate: 15.0 },
    Size { neurons: 512, batch: 32, steps: 500, rate: 15.0 },
    Size { neurons: 2048, batch: 8, steps: 200, rate: 15.0 },
];

/// Large batches, in f32.
const LARGE_BATCHES: [Size; 3] = [
    Size { neurons: 2048, batch: 128, steps: 50, rate: 15.0 },
    Size { neurons: 512, batch: 256, steps: 100, rate: 15.0 },
    Size { neurons: 80, batch: 1024, steps: 100, rate: 15.0 },
];

fn run<T: Scalar>(c: &mut Criterion, dtype: &str, problem: &Problem<T>, size: Size) {
    let (scheme, loss) = (problem.scheme().unwrap(), problem.loss());
    let mut gradient = problem.network.parameters.zeros_like();
    let mut batch = Batch::default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut group = c.benchmark_group("gradient");
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements((size.neurons * size.batch * size.steps) as u64));
    group.bench_function(BenchmarkId::new(dtype, size.neurons), |b| {
        pool.install(|| {
            b.iter(|| batch.gradient(&scheme, &problem.trials, &loss, None, &mut gradient).unwrap().cost);
        });
    });
}

fn gradient(c: &mut Criterion) {
    for size in SIZES {
        let problem = Problem::random(size, 1).unwrap();
        run(c, "f32", &problem.to_f32(), size);
        run(c, "f64", &problem, size);
    }
    for size in LARGE_BATCHES {
        let problem = Problem::random(size, 1).unwrap();
        run(c, &format!("f32, {} trials", size.batch), &problem.to_f32(), size);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    targets = gradient
}
criterion_main!(benches);
