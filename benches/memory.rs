//! How much memory does a gradient hold at its peak? Bytes allocated by one trial's gradient, its parameters and the
//! gradient itself left out: the tape and the state. A table and not a timing, so it has no use for Criterion.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench: it prints, and failures end it")]

use spikegrad::nalgebra::RealField;
use spikegrad::prelude::*;
use spikegrad_benches::{Problem, Size};

fn peak<T: RealField + Copy>(problem: &Problem<T>) -> u64 {
    let (scheme, loss) = (problem.scheme().unwrap(), problem.loss());
    let run = scheme.run(&problem.trials[0], &loss).unwrap();
    let mut gradient = problem.network.parameters.zeros_like();
    let allocations = allocation_counter::measure(|| {
        Sweep::new().gradient(&run, gradient.values_mut()).unwrap();
    });
    allocations.bytes_max
}

fn main() {
    println!("{:>6} {:>6} {:>6}  {:>14} {:>20}", "", "N", "T", "peak (KiB)", "bytes/neuron-step");
    for neurons in [80, 512] {
        for steps in [100, 1000, 10_000] {
            let size = Size { neurons, batch: 1, steps, rate: 15.0 };
            let problem = Problem::random(size, 1).unwrap();
            for (dtype, bytes) in [("f32", peak(&problem.to_f32())), ("f64", peak(&problem))] {
                let each = bytes as f64 / (neurons * steps) as f64;
                println!("{dtype:>6} {neurons:>6} {steps:>6}  {:>14} {each:>20.1}", bytes / 1024);
            }
        }
    }
}
