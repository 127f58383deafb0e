//! What does a step forwards cost? A run of 200 steps on a growing tape, as in a gradient's first half; throughput in
//! neuron-steps.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench: Criterion's macro, and failures that end it")]

use spikegrad::network::Scalar;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spikegrad::network::SplitTape;
use spikegrad::prelude::*;
use spikegrad_benches::{Problem, Size};

const STEPS: usize = 200;

fn run<T: Scalar>(c: &mut Criterion, dtype: &str, problem: &Problem<T>) {
    let n = problem.network.neurons();
    let (scheme, loss) = (problem.scheme().unwrap(), problem.loss());
    let run = scheme.run(&problem.trials[0], &loss).unwrap();
    let (mut x, mut tape) = (vec![T::zero(); run.dim()], SplitTape::default());
    let mut group = c.benchmark_group("step_forward");
    group.throughput(Throughput::Elements((n * STEPS) as u64));
    group.bench_function(BenchmarkId::new(dtype, n), |b| {
        b.iter(|| {
            run.start(&mut x);
            run.rewind(&x, &mut tape);
            let mut cost = T::zero();
            for step in 0..STEPS {
                cost += run.step(step, &mut x, &mut tape);
            }
            cost
        });
    });
}

fn step_forward(c: &mut Criterion) {
    for neurons in [80, 512, 2048] {
        let size = Size { neurons, batch: 1, steps: STEPS, rate: 15.0 };
        let problem = Problem::random(size, 1).unwrap();
        run(c, "f32", &problem.to_f32());
        run(c, "f64", &problem);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = step_forward
}
criterion_main!(benches);
