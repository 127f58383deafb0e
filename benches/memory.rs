//! How much memory does a gradient hold at its peak? Bytes allocated by one trial's gradient, its parameters and the
//! gradient itself left out: tape and states, for every way to keep a run. A table and not a timing, so it has no use for
//! Criterion.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench: it prints, and failures end it")]

use spikegrad::network::Scalar;
use spikegrad::prelude::*;
use spikegrad_benches::{Problem, Size};

fn peak<T: Scalar>(problem: &Problem<T>, memory: Memory) -> u64 {
    let (scheme, loss) = (problem.scheme().unwrap(), problem.loss());
    let run = scheme.run(&problem.trials[0], &loss).unwrap();
    let mut gradient = problem.network.parameters.zeros_like();
    let allocations = allocation_counter::measure(|| {
        Sweep::new().memory(memory).gradient(&run, gradient.values_mut()).unwrap();
    });
    allocations.bytes_max
}

fn main() {
    println!(
        "{:>6} {:>6} {:>7}  {:>16} {:>11} {:>18}",
        "", "N", "T", "memory", "peak (KiB)", "bytes/neuron-step"
    );
    for (neurons, steps) in [(80, 1000), (80, 10_000), (80, 100_000), (512, 1000)] {
        let mut problem = Problem::random(Size { neurons, batch: 1, steps, rate: 15.0 }, 1).unwrap();
        // Without recurrent weights: over many seconds their gradient grows beyond all bounds.
        for class in 0..2 {
            problem.network.parameters.weight_mut(class).fill(0.0);
        }
        let single = problem.to_f32();
        for memory in [Memory::Stored, Memory::SqrtSteps, Memory::Bytes(8 << 20)] {
            for (dtype, bytes) in [("f32", peak(&single, memory)), ("f64", peak(&problem, memory))] {
                let each = bytes as f64 / (neurons * steps) as f64;
                let name = format!("{memory:?}");
                println!("{dtype:>6} {neurons:>6} {steps:>7}  {name:>16} {:>11} {each:>18.2}", bytes / 1024);
            }
        }
    }
}
