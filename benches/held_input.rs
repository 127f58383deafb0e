//! What do many input channels cost that are held over several steps? 784 channels, as an image has pixels, new every 5 ms, steps of
//! 1 ms, 256 theta neurons, f32, one thread.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench: Criterion's macro, and failures that end it")]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use spikegrad::prelude::*;

const CHANNELS: usize = 784;

fn held_input(c: &mut Criterion) {
    let population = Population::new("theta", Theta::default(), 256, GateShape::RaisedCosine, 0.2);
    let builder = Network::builder().population(population).synapse("slow", 20.0);
    let mut network = builder.inputs(CHANNELS).outputs(10).build().unwrap();
    let number = |i: usize| (12.9898 * i as f64).sin();
    let fill = |values: &mut [f64], scale: f64| {
        values.iter_mut().enumerate().for_each(|(i, x)| *x = scale * number(i));
    };
    let parameters = &mut network.parameters;
    fill(parameters.group_mut(Group::Input), 1e-3);
    parameters.bias_mut().iter_mut().enumerate().for_each(|(i, x)| *x = 1.4e-3 + 1e-3 * number(i));
    let network = network.to_f32();
    let mut trial = Trial::<f32>::silent(40, 5.0, CHANNELS);
    trial.inputs.iter_mut().enumerate().for_each(|(i, x)| *x = number(7 * i) as f32);
    trial.targets = vec![0.1; 40 * 10];
    let (scheme, loss) = (SplitStep::new(&network, 1.0).unwrap(), QuadraticLoss { lambda: 0.0 });
    let run = scheme.run(&trial, &loss).unwrap();
    let (mut sweep, mut gradient) = (Sweep::new(), network.parameters.zeros_like());
    c.bench_function("held_input/784 channels", |b| {
        b.iter(|| sweep.gradient(&run, gradient.values_mut()).unwrap());
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = held_input
}
criterion_main!(benches);
