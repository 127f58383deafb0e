//! What does the transpose of a step cost? The second half of a gradient over 200 steps, the first half not timed;
//! throughput in neuron-steps.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench: Criterion's macro, and failures that end it")]

use spikegrad::network::Scalar;
use std::time::{Duration, Instant};

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
    let mut x_bar = x.clone();
    let mut gradient = vec![T::zero(); run.n_parameters()];
    let mut group = c.benchmark_group("step_backward");
    group.throughput(Throughput::Elements((n * STEPS) as u64));
    group.bench_function(BenchmarkId::new(dtype, n), |b| {
        b.iter_custom(|iterations| {
            let mut time = Duration::ZERO;
            for _ in 0..iterations {
                run.start(&mut x);
                run.rewind(&x, &mut tape);
                for step in 0..STEPS {
                    run.step(step, &mut x, &mut tape);
                }
                x_bar.fill(T::zero());
                let start = Instant::now();
                for step in (0..STEPS).rev() {
                    run.step_vjp(step, &mut tape, T::one(), &mut x_bar, &mut gradient);
                }
                time += start.elapsed();
            }
            time
        });
    });
}

fn step_backward(c: &mut Criterion) {
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
    targets = step_backward
}
criterion_main!(benches);
