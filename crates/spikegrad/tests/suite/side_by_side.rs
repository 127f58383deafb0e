//! Trials of a small network that lie side by side have the bits that they have one by one.

use spikegrad::adjoint::Sweep;
use spikegrad::integrators::{EventCounts, EventLog};
use spikegrad::models::{AdEx, GateShape, LeakyIntegrator, Lif, RectifiedNif, RefractoryLif, Theta};
use spikegrad::network::{
    Group, InitialState, Loss, Network, Population, Projection, Scalar, SideBySide, SideTape, Spike,
    SplitStep, Trial,
};
use spikegrad::rand::{RngExt as _, SeedableRng as _};
use spikegrad::rand_chacha::ChaCha8Rng;
use spikegrad::tasks::{
    Activity, Batch, CrossEntropy, Losses, QuadraticLoss, RateBand, Score, SquaredError, VanRossum,
    VoltageFloor,
};

use crate::common::{Spec, all_models, on, problem};

/// Freezes what trials side by side do not train.
fn freeze(network: &mut Network<f64>) {
    let entries = network.parameters.layout().entries();
    let groups: Vec<Group> = entries.iter().map(|entry| entry.group).collect();
    for group in groups {
        if matches!(group, Group::Tau(_) | Group::GateWidth(_)) {
            network.freeze(group).expect("a group");
        }
    }
}

/// Trials of several lengths, some without an input at the end, with an initial state, with samples without weight, or with injected
/// currents, which keep a trial by itself.
fn trials(network: &Network<f64>, count: usize, interval: f64, current: f64) -> Vec<Trial<f64>> {
    let rng = &mut ChaCha8Rng::seed_from_u64(7);
    let (n, inputs, outputs) = (network.neurons(), network.inputs(), network.outputs());
    let trial = |b: usize| {
        let samples = 30 + 7 * (b % 4);
        let mut trial = Trial::silent(samples, interval, inputs);
        trial.inputs.iter_mut().for_each(|i| *i = rng.random_range(-1.0..1.0));
        trial.targets = (0..samples * outputs).map(|_| rng.random_range(-0.1..0.1)).collect();
        // Losses of a single output ask for no label.
        let labels = if outputs > 1 { outputs } else { 0 };
        trial.label = (0..labels).map(|k| f64::from(u8::from(k == b % outputs))).collect();
        trial.target_spikes = (0..3)
            .map(|k| Spike { neuron: b % n, time: f64::from(k) * interval * 8.0 + 0.1, count: 1 })
            .collect();
        if b % 5 == 2 {
            trial.weights = (0..samples).map(|m| f64::from(u8::from(m % 4 != 0))).collect();
        }
        if b % 7 == 3 {
            trial.currents = (0..samples * n).map(|_| 0.1 * current * rng.random_range(-1.0..1.0)).collect();
        }
        if b % 6 == 4 && !network.is_trainable(Group::Initial) {
            let x = network.parameters.group(Group::Initial).to_vec();
            let projections = network.projections().len();
            let traces: usize = (0..projections).map(|k| network.ends(k).0.len()).sum();
            let s = (0..traces).map(|_| rng.random_range(0.0..0.02)).collect();
            trial.initial = Some(InitialState { x, s });
        }
        trial
    };
    (0..count).map(trial).collect()
}

/// The numbers' bits, which differ for zeros of both signs.
fn bits<T: Scalar>(x: &[T]) -> Vec<u64> {
    let wide = |x: &T| -> f64 { x.to_subset_unchecked() };
    x.iter().map(|x| wide(x).to_bits()).collect()
}

/// Compares the trials side by side with each by itself, to the bit: costs, gradients, what was counted. Returns the number of spikes.
fn agree<T: Scalar>(network: &Network<T>, h: f64, trials: &[Trial<T>], loss: &dyn Loss<T>) -> u64 {
    let scheme = SplitStep::new(network, h).expect("a step");
    let side = scheme.side_by_side().expect("a network whose trials lie side by side");
    let all: Vec<&Trial<T>> = trials.iter().collect();
    let (mut tape, mut spikes, zeros) = (SideTape::default(), 0, network.parameters.zeros_like());
    // The workspace is used again; a few trials are not worth it.
    let full = SideBySide::<T>::TRIALS;
    for trials in all.chunks(full).chain([&all[..2], &all[..full]]) {
        let mut found: Vec<Vec<T>> = trials.iter().map(|_| zeros.values().to_vec()).collect();
        let mut gradients: Vec<&mut [T]> = found.iter_mut().map(|g| &mut g[..]).collect();
        let costs = side.gradients(trials, loss, &mut tape, &mut gradients).expect("trials that fit");
        for (place, (trial, cost)) in trials.iter().zip(costs).enumerate() {
            let run = scheme.run(trial, loss).expect("a run");
            let (mut gradient, mut log) = (zeros.values().to_vec(), EventLog::default());
            let expected = Sweep::new().watched_gradient(&run, &mut gradient, |steps, tape| {
                run.log_crossings(steps, tape, &mut log);
            });
            let is_run = trials.len() == full && trial.currents.is_empty();
            let Some(expected) = expected.ok().filter(|_| is_run) else {
                assert_eq!(cost, None, "trial {place}");
                continue;
            };
            assert_eq!(cost.map(|cost| bits(&[cost])), Some(bits(&[expected])), "trial {place}");
            assert_eq!(bits(&found[place]), bits(&gradient), "trial {place}");
            assert_eq!(side.events(&mut tape, place), log.counts(), "trial {place}");
            spikes += log.counts().spikes;
        }
        assert_eq!(side.events(&mut tape, trials.len()), EventCounts::default());
    }
    let nothing = side.gradients(&[], loss, &mut tape, &mut []).expect("no trial");
    assert!(nothing.is_empty());
    spikes
}

/// Losses of every kind, of one sample and of the whole run.
fn losses<T: Scalar>(network: &Network<T>, voltages: bool) -> Losses<T> {
    let (real, n) = (|x: f64| T::from_subset(&x), network.neurons());
    let mut losses = Losses::default();
    let mut add = |weight: f64, loss: Box<dyn Loss<T> + Send>| losses.0.push((real(weight), loss));
    add(1.0, Box::new(QuadraticLoss { lambda: real(0.01) }));
    add(0.5, Box::new(Activity { weight: real(0.1) }));
    add(1e-3, Box::new(RateBand { neurons: 0..n, low: 5.0, high: 10.0 }));
    add(0.1, Box::new(VanRossum { neurons: 0..n, tau: 10.0 }));
    if network.outputs() > 1 {
        let classes = 0..network.outputs().min(n);
        let (counts, first) =
            (Score::Counts(classes.clone()), Score::FirstSpike { neurons: classes, scale: 10.0 });
        let of_spikes = if n < network.outputs() { vec![] } else { vec![counts, first] };
        for of in [Score::Mean, Score::Last, Score::Maximum].into_iter().chain(of_spikes) {
            add(0.3, Box::new(CrossEntropy { of, smoothing: 0.1 }));
        }
        add(0.3, Box::new(SquaredError { of: Score::Mean }));
    }
    if voltages {
        add(0.01, Box::new(VoltageFloor { weight: real(0.2) }));
    }
    losses
}

fn both_scalars(network: &Network<f64>, h: f64, trials: &[Trial<f64>]) -> u64 {
    let single: Vec<Trial<f32>> = trials.iter().map(|trial| trial.map(|x| x as f32)).collect();
    let spikes = agree(network, h, trials, &losses(network, true));
    agree(network, h, trials, &QuadraticLoss { lambda: 0.01 });
    let network = network.to_f32();
    agree(&network, h, &single, &losses(&network, false));
    spikes
}

#[test]
fn random_networks_of_all_models_have_the_same_bits_side_by_side() {
    for (index, model) in all_models().iter().enumerate() {
        let mut spikes = 0;
        for per_neuron in [true, false] {
            let seed = 11 + index as u64;
            let spec = Spec {
                neurons: 3 + 5 * (index % 5),
                classes: 1 + index % 3,
                steps: 20,
                per_neuron,
                own_taus: false,
                given_start: index % 2 == 0,
                seed,
            };
            let mut of = problem(&[model], GateShape::RaisedCosine, &spec);
            freeze(&mut of.network);
            if !per_neuron {
                let groups = of.network.parameters.layout().entries().iter().map(|e| e.group);
                let neurons: Vec<_> = groups.filter(|g| matches!(g, Group::Neuron { .. })).collect();
                let scheme = SplitStep::new(&of.network, of.h).expect("a step");
                assert_eq!(scheme.side_by_side().is_none(), !neurons.is_empty(), "{}", model.name);
                neurons.into_iter().for_each(|group| of.network.freeze(group).expect("a group"));
            }
            // A sample is held over several steps.
            let trials = trials(&of.network, 19, 2.0 * of.h, model.current);
            spikes += both_scalars(&of.network, of.h, &trials);
        }
        assert!(spikes > 0, "no {} neuron fired", model.name);
    }
}

/// Populations of several models, with projections between some of them, and weights that are frozen or masked.
fn populations() -> Network<f64> {
    let gate = GateShape::RaisedCosine;
    let refractory = RefractoryLif { tau_v: 20.0, v_theta: 1.0, v_reset: 0.0, t_ref: 2.0 };
    let mut network = Network::builder()
        .population(Population::new("lif", Lif::default(), 9, gate, 0.3))
        .population(Population::new("refractory", refractory, 5, gate, 0.3).per_neuron())
        .population(Population::new("theta", Theta { tau_v: 25.0 }, 12, gate, 0.3))
        .population(Population::new("rectified", RectifiedNif, 4, gate, 0.5))
        .projection(Projection::new("forward", 10.0).between("lif", "theta"))
        .synapse("slow", 20.0)
        .projection(Projection::new("back", 5.0).between("theta", "refractory"))
        .projection(Projection::new("rest", 5.0).between("refractory", "rectified"))
        .inputs(3)
        .outputs(3)
        .build()
        .expect("a network");
    let rng = &mut ChaCha8Rng::seed_from_u64(5);
    let projections = network.projections().len();
    for k in 0..projections {
        let weights = network.parameters.group_mut(Group::Weight(k));
        weights.iter_mut().for_each(|w| *w = 0.05 * rng.random_range(-1.0..1.0));
    }
    network.parameters.input_mut().iter_mut().for_each(|u| *u = 0.02 * rng.random_range(-1.0..1.0));
    network.parameters.bias_mut().iter_mut().for_each(|b| *b = 0.06 * rng.random_range(0.8..1.2));
    network.parameters.readout_mut(0).iter_mut().for_each(|o| *o = rng.random_range(-1.0..1.0));
    network.set_mask(Group::Weight(1), |i, j| (i + j) % 5 != 0).expect("a mask");
    network.freeze_entries(Group::Bias, |i, _| i == 3).expect("tonic currents");
    network.freeze(Group::Weight(2)).expect("weights");
    network
}

#[test]
fn populations_and_projections_have_the_same_bits_side_by_side() {
    let network = populations();
    for interval in [0.5, 2.0] {
        let mut trials = trials(&network, 37, interval, 0.06);
        assert!(both_scalars(&network, 0.5, &trials) > 100);
        // A trial that does not stay finite keeps nobody from it.
        let inputs = trials[5].inputs.len();
        trials[5].inputs[inputs / 2..].fill(1e308);
        agree(&network, 0.5, &trials, &losses(&network, true));
    }
}

/// A network without inputs, whose outputs nobody reads or that has none, and neurons that never spike.
#[test]
fn networks_without_inputs_and_outputs_have_the_same_bits_side_by_side() {
    for outputs in [0, 1] {
        let lif = Population::new("lif", Lif::default(), 6, GateShape::Box, 0.4);
        let leaky = Population::without_spikes("leaky", LeakyIntegrator::default(), 2);
        let builder = Network::builder().population(lif).population(leaky).synapse("slow", 20.0);
        let mut network = builder.outputs(outputs).build().expect("a network");
        network.parameters.bias_mut().fill(0.07);
        for (i, w) in network.parameters.group_mut(Group::Weight(0)).iter_mut().enumerate() {
            *w = 0.02 * (i as f64).sin();
        }
        assert!(both_scalars(&network, 0.5, &trials(&network, 16, 1.0, 0.06)) > 0);
    }
}

/// What a batch says does not depend on who lies beside whom: lanes, threads, clipping, trials that diverge.
#[test]
fn batches_have_the_same_bits_side_by_side_and_one_by_one() {
    let network = populations();
    let (scheme, loss) = (SplitStep::new(&network, 0.5).expect("a step"), losses(&network, false));
    assert!(scheme.side_by_side().is_some());
    for count in [1, 2, 5, 37] {
        let mut trials = trials(&network, count, 1.0, 0.06);
        if count > 5 {
            let inputs = trials[5].inputs.len();
            trials[5].inputs[inputs / 2..].fill(1e308);
        }
        let groups = network.parameters.layout().entries().len();
        for clip in [None, Some(vec![Some(1e-3); groups])] {
            for lanes in [1, 3, 8] {
                let outcome = |mut batch: Batch<f64>| {
                    let mut gradient = network.parameters.zeros_like();
                    let result = batch.gradient(&scheme, &trials, &loss, clip.as_deref(), &mut gradient);
                    let result = result.expect("a gradient");
                    let said = format!("{:?} {:?} {:?}", result.cost, result.events, result.trials);
                    (said, gradient.values().to_vec())
                };
                let alone = outcome(Batch::with_lanes(lanes).side_by_side(false));
                for threads in [1, 2] {
                    let together = on(threads, || outcome(Batch::with_lanes(lanes)));
                    assert!(alone == together, "{count} trials, {lanes} lanes, {threads} threads");
                }
            }
        }
    }
}

#[test]
fn what_is_not_made_for_it_is_run_one_by_one() {
    let build = |change: fn(&mut Network<f64>)| {
        let population = Population::new("adex", AdEx::adapting(), 6, GateShape::Triangular, 6.0);
        let mut network =
            Network::builder().population(population).synapse("slow", 20.0).build().expect("a network");
        change(&mut network);
        SplitStep::new(&network, 0.5).expect("a step").side_by_side().is_some()
    };
    assert!(build(|_| ()));
    assert!(!build(|network| network.unfreeze(Group::Tau(0)).expect("a group")));
    assert!(!build(|network| network.unfreeze(Group::GateWidth(0)).expect("a group")));
    let large = Population::new("theta", Theta { tau_v: 25.0 }, 65, GateShape::RaisedCosine, 0.3);
    let large = Network::<f64>::builder().population(large).synapse("slow", 20.0).build().expect("a network");
    assert!(SplitStep::new(&large, 0.5).expect("a step").side_by_side().is_none());
}
