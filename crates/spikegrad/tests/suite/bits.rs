//! The same binary on the same machine gives the same bits on any number of threads: trained weights, histories, and the
//! clipped gradient of a batch, in f32 and f64.

use crate::common::{normal, on, real};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use spikegrad::models::{GateShape, Theta};
use spikegrad::network::{
    Group, InitialState, Loss, Network, Population, Recording, Scalar, SplitStep, Trial,
};
use spikegrad::tasks::predictive_coding::PredictiveCoding;
use spikegrad::tasks::{
    Batch, Clip, Iteration, LearningRate, Purpose, QuadraticLoss, SumOfLosses, Task, TrainingOptions,
    TrainingStage, VoltageFloor, generator, train,
};

/// Both float types are compared as what they are in f64, where distinct ones stay distinct.
fn bits<T: Scalar>(values: &[T]) -> Vec<u64> {
    values.iter().map(|&x| nalgebra::try_convert::<T, f64>(x).expect("a float").to_bits()).collect()
}

/// Theta neurons that are to answer a pulse with a slow wave, from a random start.
struct Wave<T>(QuadraticLoss<T>);

const NEURONS: usize = 12;

fn theta_network() -> Network<f64> {
    let mut network = Network::builder()
        .population(Population::new("theta", Theta::default(), NEURONS, GateShape::RaisedCosine, 0.3))
        .synapse("slow", 20.0)
        .synapse("fast", 5.0)
        .change("fast", |p| p.without_autapses())
        .inputs(2)
        .outputs(1)
        .build()
        .expect("a network");
    let rng = &mut generator(3, Purpose::Initialisation, 0);
    let (parameters, n) = (&mut network.parameters, NEURONS);
    parameters.weight_mut(0).iter_mut().for_each(|w| *w = 0.02 * normal(rng));
    parameters.weight_mut(1).iter_mut().enumerate().for_each(|(i, w)| {
        *w = if i % n == i / n { 0.0 } else { 0.02 * normal(rng) };
    });
    parameters.input_mut().iter_mut().for_each(|u| *u = 0.01 * normal(rng));
    parameters.bias_mut().iter_mut().for_each(|b| *b = 0.01 + 0.003 * normal(rng));
    parameters.readout_mut(0).iter_mut().for_each(|o| *o = normal(rng));
    network.unfreeze(Group::Tau(1)).expect("a group");
    network
}

impl<T: Scalar> Task<T> for Wave<T> {
    fn trial(&self, _: TrainingStage, rng: &mut ChaCha8Rng) -> Trial<T> {
        let samples = 60;
        let mut trial = Trial::silent(samples, 1.0, 2);
        let (channel, onset) = (rng.random_range(0..2), rng.random_range(0..20));
        for m in onset..onset + 10 {
            trial.inputs[2 * m + channel] = T::one();
        }
        trial.targets =
            (0..samples).map(|m| real((m as f64 / 10.0).sin() * (channel as f64 - 0.5))).collect();
        let x = (0..NEURONS).map(|_| real(rng.random::<f64>())).collect();
        trial.initial = Some(InitialState { x, s: Vec::new() });
        trial
    }

    fn loss(&self) -> &dyn Loss<T> {
        &self.0
    }

    fn score(&self, _: &Trial<T>, recording: &Recording<T>) -> f64 {
        nalgebra::try_convert(recording.cost).unwrap_or(f64::NAN)
    }
}

/// Predictive coding in single precision.
struct Single(PredictiveCoding, SumOfLosses<QuadraticLoss<f32>, VoltageFloor<f32>>);

impl Task<f32> for Single {
    fn trial(&self, stage: TrainingStage, rng: &mut ChaCha8Rng) -> Trial<f32> {
        self.0.trial(stage, rng).map(|x| x as f32)
    }

    fn loss(&self) -> &dyn Loss<f32> {
        &self.1
    }

    fn score(&self, _: &Trial<f32>, recording: &Recording<f32>) -> f64 {
        f64::from(recording.cost)
    }
}

fn predictive_coding() -> PredictiveCoding {
    PredictiveCoding { duration: (10.0, 25.0), ..PredictiveCoding::autoencoder(10) }
}

/// Trains on 1, 2 and 3 threads and compares every bit.
fn train_everywhere<T: Scalar>(network: &Network<T>, task: &dyn Task<T>, options: &TrainingOptions) {
    let outcome = |threads| {
        let mut network = network.clone();
        let history = on(threads, || train(&mut network, task, options, &mut ()).expect("training"));
        (bits(network.parameters.values()), history)
    };
    let (weights, history) = outcome(1);
    assert_ne!(weights, bits(network.parameters.values()), "nothing was learned");
    assert_eq!(history.len(), options.iterations);
    let costs =
        |history: &[Iteration]| history.iter().map(|i| (i.cost.to_bits(), i.skipped)).collect::<Vec<_>>();
    for threads in [2, 3] {
        let (others, other) = outcome(threads);
        assert_eq!(others, weights, "{threads} threads give other weights");
        assert_eq!(costs(&other), costs(&history), "{threads} threads give another history");
        assert_eq!(other, history);
    }
}

#[test]
fn predictive_coding_learns_the_same_weights_on_any_number_of_threads() {
    let task = predictive_coding();
    let network = task.network(GateShape::RaisedCosine, 0.3, 1).expect("a network");
    // Seven trials on four lanes: some lanes have two of them, one has one.
    let options = TrainingOptions { batch: 7, lanes: 4, ..task.options(6, 5) };
    train_everywhere(&network, &task, &options);
    let single = Single(task, SumOfLosses(QuadraticLoss { lambda: 0.03 }, VoltageFloor { weight: 1e-4 }));
    train_everywhere(&network.to_f32(), &single, &options);
}

#[test]
fn theta_networks_learn_the_same_weights_on_any_number_of_threads() {
    let network = theta_network();
    let groups =
        [Group::Weight(0), Group::Weight(1), Group::Input, Group::Bias, Group::Readout(0), Group::Tau(1)];
    let options = TrainingOptions {
        h: 0.5,
        iterations: 8,
        batch: 11,
        seed: 2,
        rates: groups.map(|group| LearningRate { group, rate: 1e-3 }).to_vec(),
        clip: Some(Clip { quantile: 0.6, factor: 1.0 }),
        ..TrainingOptions::default()
    };
    train_everywhere(&network, &Wave(QuadraticLoss { lambda: 0.01 }), &options);
    train_everywhere(&network.to_f32(), &Wave(QuadraticLoss { lambda: 0.01 }), &options);
}

/// Gradient, cost, and norms of every trial of a batch, as bits.
type BatchBits = (Vec<u64>, Vec<u64>, Vec<Vec<u64>>);

fn batch_everywhere<T: Scalar>(network: &Network<T>, loss: &(dyn Loss<T> + Sync), clip: bool) {
    let task = Wave(QuadraticLoss { lambda: T::zero() });
    let stage = TrainingStage::training(0, 1, 1, 0);
    let trials: Vec<_> =
        (0..13).map(|b| task.trial(stage, &mut generator(9, Purpose::Training, b))).collect();
    let step = SplitStep::new(network, 0.5).expect("a step");
    let norms = {
        // Half of the trials are clipped, in one group much, in another not at all.
        let mut gradient = network.parameters.zeros_like();
        let none = vec![None; network.parameters.layout().entries().len()];
        let result = Batch::default().gradient(&step, &trials, loss, Some(&none), &mut gradient);
        let mut trials = result.expect("a gradient").trials;
        trials.sort_by(|a, b| a.norms[0].partial_cmp(&b.norms[0]).expect("finite"));
        trials.swap_remove(6).norms
    };
    let largest: Vec<_> =
        norms.iter().enumerate().map(|(g, &norm)| (g % 3 != 2).then_some(norm * real(0.9))).collect();
    let outcome = |threads: usize| {
        on(threads, || {
            let mut batch = Batch::default();
            let mut gradient = network.parameters.zeros_like();
            let mut run = || -> BatchBits {
                let clip = clip.then_some(largest.as_slice());
                let result = batch.gradient(&step, &trials, loss, clip, &mut gradient).expect("a gradient");
                let norms = result.trials.iter().map(|trial| bits(&trial.norms)).collect();
                (bits(gradient.values()), bits(&[result.cost]), norms)
            };
            // The workspace keeps nothing of what it did before.
            let first = run();
            assert_eq!(run(), first);
            first
        })
    };
    let first = outcome(1);
    for threads in [2, 3, 8] {
        assert_eq!(outcome(threads), first, "{threads} threads");
    }
}

#[test]
fn batches_have_the_same_gradient_on_any_number_of_threads() {
    let network = theta_network();
    for clip in [false, true] {
        batch_everywhere(&network, &QuadraticLoss { lambda: 0.01 }, clip);
        batch_everywhere(&network.to_f32(), &QuadraticLoss { lambda: 0.01 }, clip);
    }
}

/// What is clipped, and what is added up, is the gradient that each trial has by itself.
#[test]
fn a_batch_is_the_mean_of_its_clipped_trials() {
    let (network, loss) = (theta_network(), QuadraticLoss { lambda: 0.01 });
    let stage = TrainingStage::training(0, 1, 1, 0);
    let task = Wave(loss);
    let trials: Vec<_> = (0..5).map(|b| task.trial(stage, &mut generator(4, Purpose::Training, b))).collect();
    let step = SplitStep::new(&network, 0.5).expect("a step");
    let layout = network.parameters.layout();
    let limit = 0.5;
    let clip: Vec<_> =
        layout.entries().iter().map(|e| (e.group != Group::Readout(0)).then_some(limit)).collect();
    let mut expected = vec![0.0; layout.len()];
    for trial in &trials {
        let mut gradient = network.parameters.zeros_like();
        let run = step.run(trial, &loss).expect("a run");
        spikegrad::adjoint::Sweep::new().gradient(&run, gradient.values_mut()).expect("finite");
        for entry in layout.entries() {
            let norm = gradient.norm(entry.group);
            let factor = if entry.group != Group::Readout(0) && norm > limit { limit / norm } else { 1.0 };
            for i in entry.range.clone() {
                expected[i] += factor * gradient.values()[i] / trials.len() as f64;
            }
        }
    }
    let mut gradient = network.parameters.zeros_like();
    Batch::default().gradient(&step, &trials, &loss, Some(&clip), &mut gradient).expect("a gradient");
    for (i, (&a, &b)) in gradient.values().iter().zip(&expected).enumerate() {
        assert!((a - b).abs() <= 1e-13 * (1.0 + b.abs()), "{i}: {a} {b}");
    }
}
