//! From data sets to trials, and from runs to what was read.

#![allow(clippy::expect_used, reason = "a failure in a helper fails the test that called it")]

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use spikegrad_adjoint::Sweep;
use spikegrad_data::{Dataset, Inputs, Series, SpikeEvents, Targets};
use spikegrad_models::{GateShape, Lif};
use spikegrad_network::{Initialisation, Network, NoLoss, Population, Projection, SplitStep, Trial};
use spikegrad_tasks::{CrossEntropy, DatasetTask, Presentation, QuadraticLoss, Reading, Score, Task};

const AT_ONCE: Presentation = Presentation { interval: 2.0, after: 0.0, warm_up: 0.0, first_neuron: 0 };

fn series(channels: usize, values: &[f32]) -> Series {
    Series::new(channels, values.to_vec()).expect("a series")
}

fn data(inputs: Inputs, targets: Targets) -> Dataset {
    Dataset::new(inputs, targets).expect("a data set")
}

fn network(inputs: usize, outputs: usize) -> Network<f64> {
    let population = Population::new("hidden", Lif::default(), 12, GateShape::RaisedCosine, 0.5);
    let builder =
        Network::builder().population(population).synapse("slow", 20.0).inputs(inputs).outputs(outputs);
    let mut network = builder.build().expect("a network");
    let how = Initialisation { rate: 30.0, h: 0.5, ..Initialisation::default() };
    network.initialise(&how, &mut ChaCha8Rng::seed_from_u64(1)).expect("numbers");
    network
}

#[test]
fn series_become_inputs_and_targets() {
    let inputs = Inputs::Series(vec![series(2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])]);
    let data = data(inputs, Targets::Series(vec![series(1, &[7.0, 8.0, 9.0])]));
    let presentation = Presentation { after: 4.0, warm_up: 2.0, ..AT_ONCE };
    let [trial] = &presentation.trials::<f64>(&data).expect("a trial")[..] else { panic!("one trial") };
    assert_eq!((trial.samples, trial.interval), (5, 2.0));
    assert_eq!(trial.inputs, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(trial.targets, [7.0, 8.0, 9.0, 0.0, 0.0]);
    // The loss looks at two samples: neither at the start nor where there is no target.
    assert_eq!((&trial.weights[..], trial.scale), (&[0.0, 1.0, 1.0, 0.0, 0.0][..], 4.0));
}

#[test]
fn spikes_become_events_and_target_spikes() {
    let events = |times: &[f64], units: &[u32], duration| {
        SpikeEvents::new(3, duration, times.to_vec(), units.to_vec()).expect("events")
    };
    let inputs = Inputs::Spikes(vec![events(&[0.5, 6.0], &[2, 0], 6.0), events(&[1.0], &[1], 5.0)]);
    let data = data(inputs, Targets::Spikes(vec![events(&[3.5], &[1], 6.0), events(&[], &[], 5.0)]));
    let presentation = Presentation { first_neuron: 10, ..AT_ONCE };
    let trials = presentation.trials::<f64>(&data).expect("trials");
    // The spike at the very end needs a sample to arrive in.
    assert_eq!((trials[0].samples, trials[1].samples), (4, 3));
    let of: Vec<_> = trials[0].events.iter().map(|e| (e.time, e.channel, e.charge)).collect();
    assert_eq!(of, [(0.5, 2, 1.0), (6.0, 0, 1.0)]);
    let target = &trials[0].target_spikes[0];
    assert_eq!((target.time, target.neuron, target.count), (3.5, 11, 1));

    // A network takes them as they are.
    let population = Population::new("hidden", Lif::default(), 4, GateShape::Box, 0.5);
    let builder = Network::builder().population(population).source("in", 3);
    let builder = builder.projection(Projection::new("forward", 5.0).between("in", "hidden"));
    let network = builder.build().expect("a network");
    let scheme = SplitStep::new(&network, 0.5).expect("a step");
    let bare = |trial: &Trial<f64>| Trial { target_spikes: Vec::new(), ..trial.clone() };
    for trial in &trials {
        scheme.run(&bare(trial), &NoLoss).expect("a run").record().expect("finite");
    }
}

#[test]
fn what_is_no_trial_is_named() {
    let inputs = || Inputs::Series(vec![series(1, &[1.0, 2.0]), series(1, &[1.0, 2.0])]);
    let classes = || Targets::Classes { labels: vec![0, 1], names: vec!["a".into(), "b".into()] };
    let refused = |presentation: Presentation, targets: Targets| {
        let error = presentation.trials::<f64>(&data(inputs(), targets)).expect_err("refused");
        error.to_string()
    };
    let said = refused(Presentation { after: 3.0, ..AT_ONCE }, classes());
    assert!(said.contains("after = 3") && said.contains("whole number of intervals"), "{said}");
    let said = refused(Presentation { interval: 0.0, ..AT_ONCE }, classes());
    assert!(said.contains("interval = 0"), "{said}");
    let said = refused(Presentation { warm_up: 4.0, ..AT_ONCE }, classes());
    assert!(said.contains("warm_up = 4") && said.contains("nothing of the trial is left"), "{said}");
    let said = refused(AT_ONCE, Targets::Series(vec![series(1, &[1.0, 2.0]), series(1, &[1.0])]));
    assert!(said.starts_with("sample 1: the target has 1 time points, the input 2"), "{said}");
}

/// What is read from a recording is what the loss reads on its way.
#[test]
fn scores_of_a_recording_are_those_of_the_loss() {
    let network = network(2, 3);
    let mut trial = Trial::silent(40, 2.0, 2);
    trial.inputs = (0..80).map(|i| (0.3 * f64::from(i)).sin()).collect();
    trial.label = vec![0.0, 1.0, 0.0];
    let scheme = SplitStep::new(&network, 0.5).expect("a step");
    for weights in [vec![], (0..40).map(|m| f64::from(m % 3)).collect::<Vec<_>>()] {
        let trial = Trial { weights, ..trial.clone() };
        for of in [Score::Mean, Score::Last, Score::Maximum] {
            let loss = CrossEntropy { of: of.clone(), smoothing: 0.0 };
            let run = scheme.run(&trial, &loss).expect("a run");
            let recording = run.record().expect("finite");
            let scores = of.of_recording(&trial, &recording);
            let sum: f64 = scores.iter().map(|z| z.exp()).sum();
            assert!((recording.cost - (sum.ln() - scores[1])).abs() < 1e-12, "{of:?}: {scores:?}");
        }
    }
    let recording = scheme.run(&trial, &NoLoss).expect("a run").record().expect("finite");
    let counts = Score::Counts(2..7).of_recording(&trial, &recording);
    let expected: Vec<f64> = recording.spike_counts()[2..7].iter().map(|&c| c as f64).collect();
    assert!(counts == expected && counts.iter().sum::<f64>() > 0.0, "{counts:?}");
    let times = Score::FirstSpike { neurons: 0..12, scale: 10.0 }.of_recording(&trial, &recording);
    for (spikes, score) in recording.spike_times().iter().zip(&times) {
        let first = spikes.first().copied().unwrap_or(80.0);
        assert!((score + first / 10.0).abs() < 1e-12);
    }
}

#[test]
fn readings_of_a_run_are_scored_by_the_targets() {
    let network = network(1, 2);
    let inputs = vec![series(1, &[0.1, 0.2, 0.3, 0.4])];
    let targets = Targets::Series(vec![series(2, &[0.0; 8])]);
    let trials = AT_ONCE.trials::<f64>(&data(Inputs::Series(inputs), targets)).expect("trials");
    let loss = QuadraticLoss { lambda: 0.0 };
    let task = DatasetTask::new(trials.clone(), trials.clone(), trials.clone(), loss, Reading::Series, 1);
    let scheme = SplitStep::new(&network, 0.5).expect("a step");
    let recording = scheme.run(&trials[0], task.loss()).expect("a run").record().expect("finite");
    // Four steps a sample: the output at the end of each sample.
    let read = task.reading().read(&trials[0], &recording);
    let ends: Vec<f64> =
        (1..=4).flat_map(|m| recording.output[(4 * m - 1) * 2..4 * m * 2].to_vec()).collect();
    assert_eq!(read, ends);
    let square = ends.iter().map(|o| o * o).sum::<f64>() / 8.0;
    assert!((task.score(&trials[0], &recording) + square).abs() < 1e-15);
    let cost = Sweep::new().cost(&scheme.run(&trials[0], task.loss()).expect("a run")).expect("a cost");
    assert_eq!(Reading::Cost.read(&trials[0], &recording), [cost]);
}
