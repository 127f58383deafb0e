//! Where does the sparse transpose stop winning? The same gradient (N = 256, f32, one thread) by sparse columns and by
//! dense products, from a quiet network to one in which nearly every column is visited. The name of a bench holds the
//! wanted rate and the part of the columns that the sparse program visits. Dense programs are the library's own dense path
//! and products of nalgebra, a trial at a time (matrix times vector) or all 16 of them together (matrix times matrix).

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench: Criterion's macro, and failures that end it")]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use spikegrad::prelude::*;
use spikegrad_benches::dense::Dense;
use spikegrad_benches::{Problem, Size};

fn sparse_dense(c: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut group = c.benchmark_group("sparse_dense");
    group.sampling_mode(SamplingMode::Flat);
    let size = Size { neurons: 256, batch: 16, steps: 100, rate: 15.0 };
    let mut run = |name: BenchmarkId, problem: &Problem<f32>, dense: bool| {
        let scheme = problem.scheme().unwrap();
        let (scheme, loss) = (if dense { scheme.dense() } else { scheme }, problem.loss());
        let mut gradient = problem.network.parameters.zeros_like();
        let mut batch = Batch::default();
        group.bench_function(name, |b| {
            pool.install(|| {
                b.iter(|| batch.gradient(&scheme, &problem.trials, &loss, None, &mut gradient).unwrap().cost);
            });
        });
    };
    for rate in [2.0, 15.0, 40.0, 100.0, 200.0, 400.0] {
        let problem = Problem::random(Size { rate, ..size }, 1).unwrap().to_f32();
        let name = format!("{rate} Hz, {:.0} % visited", 100.0 * problem.activity().unwrap());
        run(BenchmarkId::new("sparse", name), &problem, false);
    }
    // Dense programs take the same time at any activity.
    let problem = Problem::random(size, 1).unwrap().to_f32();
    run(BenchmarkId::new("dense", "path of the library"), &problem, true);
    // One trial again and again takes the time of as many trials.
    let mut single = Dense::new(&problem.take(1));
    group.bench_function(BenchmarkId::new("dense", "trial by trial"), |b| {
        b.iter(|| (0..size.batch).map(|_| single.gradient()).sum::<f32>());
    });
    let mut dense = Dense::new(&problem);
    group.bench_function(BenchmarkId::new("dense", "16 trials together"), |b| b.iter(|| dense.gradient()));
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = sparse_dense
}
criterion_main!(benches);
