//! What do derivatives cost that nobody wrote? Gradients of 100 neurons of FitzHugh and Nagumo, once with products that are
//! written by hand and once by [`AutoVjp`], one thread, with and without the neurons' parameters among what is trained.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench: Criterion's macro, and failures that end it")]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spikegrad::models::NeuronVjp;
use spikegrad::network::Scalar;
use spikegrad::prelude::*;

const NEURONS: usize = 100;
const STEPS: usize = 500;

/// `dv/dt = v - v^3 / 3 - w + I`, `dw/dt = (v + a - b w) / tau_w`, under a name of its own: `BY_HAND` with the derivatives of the
/// model that spikegrad has, and otherwise without any.
#[derive(Clone, Copy, Debug)]
struct Excitable<const BY_HAND: bool>;

impl<const BY_HAND: bool> Neuron for Excitable<BY_HAND> {
    const NAME: &'static str = if BY_HAND { "excitable by hand" } else { "excitable" };
    const PARAMETERS: &'static [Parameter] = FitzHughNagumo::PARAMETERS;
    const METHOD: Integration = FitzHughNagumo::METHOD;
    type State<T: Real> = [T; 2];
    type Params<T: Real> = [T; 4];

    fn params(&self) -> [f64; 4] {
        FitzHughNagumo::default().params()
    }

    fn from_params(_: &[f64; 4]) -> Self {
        Self
    }

    #[inline(always)]
    fn rhs<T: Real>(params: &[T; 4], x: &[T; 2], current: T) -> [T; 2] {
        FitzHughNagumo::rhs(params, x, current)
    }

    #[inline(always)]
    fn reset<T: Real>(params: &[T; 4]) -> Reset<T> {
        FitzHughNagumo::reset(params)
    }

    fn rest(&self) -> [f64; 2] {
        FitzHughNagumo::default().rest()
    }
}

impl NeuronVjp for Excitable<true> {
    #[inline(always)]
    fn rhs_vjp<T: Real>(
        params: &[T; 4],
        x: &[T; 2],
        current: T,
        f_bar: &[T; 2],
        x_bar: &mut [T; 2],
        params_bar: &mut [T; 4],
    ) -> T {
        FitzHughNagumo::rhs_vjp(params, x, current, f_bar, x_bar, params_bar)
    }

    fn relaxation_vjp<T: Real>(_: &[T; 4], _: &[T; 2], _: &[T; 2], _: &mut [T; 2], _: &mut [T; 4]) {}

    #[inline(always)]
    fn reset_vjp<T: Real>(params: &[T; 4], threshold_bar: T, value_bar: T, params_bar: &mut [T; 4]) {
        FitzHughNagumo::reset_vjp(params, threshold_bar, value_bar, params_bar);
    }

    fn jump_vjp<T: Real>(_: &[T; 4], _: &[T; 2], _: &[T; 2], _: &mut [T; 2], _: &mut [T; 4]) {}

    fn refractory_vjp<T: Real>(_: &[T; 4], _: T, _: &mut [T; 4]) {}
}

/// Neurons that fire at slightly different rates, without effect on each other worth mentioning.
fn network<N: NeuronVjp>(neuron: N, trained: bool) -> Network<f64> {
    let population = Population::new("cells", neuron, NEURONS, GateShape::RaisedCosine, 1.5);
    let builder = Network::builder().population(population).synapse("slow", 20.0);
    let mut network = builder.inputs(1).outputs(1).build().unwrap();
    for parameter in 0..4 {
        if trained {
            network.unfreeze(Group::Neuron { population: 0, parameter }).unwrap();
        }
    }
    network.parameters.weight_mut(0).fill(1e-4);
    for (bias, i) in network.parameters.bias_mut().iter_mut().zip(0..) {
        *bias = 0.5 + 0.002 * f64::from(i);
    }
    network.parameters.readout_mut(0).fill(0.1);
    network
}

fn run<T: Scalar>(c: &mut Criterion, case: &str, derivatives: &str, network: &Network<T>) {
    let (scheme, loss) = (SplitStep::new(network, 0.25).unwrap(), QuadraticLoss { lambda: T::zero() });
    let mut trial = Trial::silent(STEPS, 1.0, 1);
    trial.targets = vec![T::zero(); STEPS];
    let (mut gradient, mut sweep) = (network.parameters.zeros_like(), Sweep::new());
    let mut group = c.benchmark_group("auto_vjp");
    group.throughput(Throughput::Elements((NEURONS * STEPS * 4) as u64));
    group.bench_function(BenchmarkId::new(case, derivatives), |b| {
        b.iter(|| sweep.gradient(&scheme.run(&trial, &loss).unwrap(), gradient.values_mut()).unwrap());
    });
}

fn auto_vjp(c: &mut Criterion) {
    for (trained, what) in [(true, "parameters trained"), (false, "parameters frozen")] {
        let by_hand = network(Excitable::<true>, trained);
        let auto = network(AutoVjp(Excitable::<false>), trained);
        for (derivatives, network) in [("by hand", by_hand), ("auto", auto)] {
            run(c, &format!("f64, {what}"), derivatives, &network);
            run(c, &format!("f32, {what}"), derivatives, &network.to_f32());
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    targets = auto_vjp
}
criterion_main!(benches);
