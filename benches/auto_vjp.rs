//! What do derivatives cost that nobody wrote? Gradients of 100 neurons, once with products that are written by hand and once by
//! [`AutoVjp`], one thread, with and without the neurons' parameters among what is trained: of FitzHugh and Nagumo's model, whose
//! seven directions are one pass of dual numbers, and of AdEx, whose thirteen are two.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench: Criterion's macro, and failures that end it")]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spikegrad::models::NeuronVjp;
use spikegrad::network::Scalar;
use spikegrad::prelude::*;

const NEURONS: usize = 100;
const STEPS: usize = 500;

/// A model of spikegrad under a name of its own: `BY_HAND` with the derivatives that it has, and otherwise without any.
#[derive(Clone, Copy, Debug)]
struct Named<N, const BY_HAND: bool>(N);

impl<N: Neuron, const BY_HAND: bool> Neuron for Named<N, BY_HAND> {
    const NAME: &'static str = if BY_HAND { "by hand" } else { "without derivatives" };
    const PARAMETERS: &'static [Parameter] = N::PARAMETERS;
    const METHOD: Integration = N::METHOD;
    const LOCATE: Locate = N::LOCATE;
    type State<T: Real> = N::State<T>;
    type Params<T: Real> = N::Params<T>;

    fn params(&self) -> N::Params<f64> {
        self.0.params()
    }

    fn from_params(params: &N::Params<f64>) -> Self {
        Self(N::from_params(params))
    }

    #[inline(always)]
    fn rhs<T: Real>(params: &N::Params<T>, x: &N::State<T>, current: T) -> N::State<T> {
        N::rhs(params, x, current)
    }

    #[inline(always)]
    fn reset<T: Real>(params: &N::Params<T>) -> Reset<T> {
        N::reset(params)
    }

    #[inline(always)]
    fn jump<T: Real>(params: &N::Params<T>, before: &N::State<T>) -> N::State<T> {
        N::jump(params, before)
    }

    fn rest(&self) -> N::State<f64> {
        self.0.rest()
    }
}

impl<N: NeuronVjp> NeuronVjp for Named<N, true> {
    #[inline(always)]
    fn rhs_vjp<T: Real>(
        params: &N::Params<T>,
        x: &N::State<T>,
        current: T,
        f_bar: &N::State<T>,
        x_bar: &mut N::State<T>,
        params_bar: &mut N::Params<T>,
    ) -> T {
        N::rhs_vjp(params, x, current, f_bar, x_bar, params_bar)
    }

    #[inline(always)]
    fn relaxation_vjp<T: Real>(
        params: &N::Params<T>,
        x: &N::State<T>,
        relaxation_bar: &N::State<T>,
        x_bar: &mut N::State<T>,
        params_bar: &mut N::Params<T>,
    ) {
        N::relaxation_vjp(params, x, relaxation_bar, x_bar, params_bar);
    }

    #[inline(always)]
    fn reset_vjp<T: Real>(
        params: &N::Params<T>,
        threshold_bar: T,
        value_bar: T,
        params_bar: &mut N::Params<T>,
    ) {
        N::reset_vjp(params, threshold_bar, value_bar, params_bar);
    }

    #[inline(always)]
    fn jump_vjp<T: Real>(
        params: &N::Params<T>,
        before: &N::State<T>,
        after_bar: &N::State<T>,
        before_bar: &mut N::State<T>,
        params_bar: &mut N::Params<T>,
    ) {
        N::jump_vjp(params, before, after_bar, before_bar, params_bar);
    }

    #[inline(always)]
    fn refractory_vjp<T: Real>(params: &N::Params<T>, refractory_bar: T, params_bar: &mut N::Params<T>) {
        N::refractory_vjp(params, refractory_bar, params_bar);
    }
}

/// Neurons that fire at slightly different rates under about `current`, without effect on each other worth mentioning.
fn network<N: NeuronVjp>(neuron: N, current: f64, zone: f64, trained: bool) -> Network<f64> {
    let population = Population::new("cells", neuron, NEURONS, GateShape::RaisedCosine, zone);
    let builder = Network::builder().population(population).synapse("slow", 20.0);
    let mut network = builder.inputs(1).outputs(1).build().unwrap();
    for parameter in (0..N::PARAMETERS.len()).filter(|_| trained) {
        network.unfreeze(Group::Neuron { population: 0, parameter }).unwrap();
    }
    network.parameters.weight_mut(0).fill(1e-4 * current);
    for (bias, i) in network.parameters.bias_mut().iter_mut().zip(0..) {
        *bias = current * (1.0 + 0.004 * f64::from(i));
    }
    network.parameters.readout_mut(0).fill(0.1);
    network
}

fn run<T: Scalar>(c: &mut Criterion, case: &str, derivatives: &str, network: &Network<T>) {
    let (scheme, loss) = (SplitStep::new(network, 0.25).unwrap(), QuadraticLoss { lambda: T::zero() });
    let mut trial = Trial::silent(STEPS, 0.25, 1);
    trial.targets = vec![T::zero(); STEPS];
    let (mut gradient, mut sweep) = (network.parameters.zeros_like(), Sweep::new());
    let mut group = c.benchmark_group("auto_vjp");
    group.throughput(Throughput::Elements((NEURONS * STEPS) as u64));
    group.bench_function(BenchmarkId::new(case, derivatives), |b| {
        b.iter(|| sweep.gradient(&scheme.run(&trial, &loss).unwrap(), gradient.values_mut()).unwrap());
    });
}

fn compare<N: NeuronVjp>(c: &mut Criterion, neuron: N, current: f64, zone: f64) {
    for (trained, what) in [(true, "parameters trained"), (false, "parameters frozen")] {
        let by_hand = network(Named::<N, true>(neuron), current, zone, trained);
        let auto = network(AutoVjp(Named::<N, false>(neuron)), current, zone, trained);
        for (derivatives, network) in [("by hand", by_hand), ("auto", auto)] {
            run(c, &format!("{}, f64, {what}", N::NAME), derivatives, &network);
            run(c, &format!("{}, f32, {what}", N::NAME), derivatives, &network.to_f32());
        }
    }
}

fn auto_vjp(c: &mut Criterion) {
    compare(c, FitzHughNagumo::default(), 0.5, 1.5);
    compare(c, AdEx::adapting(), 500.0, 4.0);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = auto_vjp
}
criterion_main!(benches);
