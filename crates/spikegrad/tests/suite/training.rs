//! Training where statistics are degenerate: silent trials, norms beyond the float type, steps too coarse for the gate.

use rand_chacha::ChaCha8Rng;
use spikegrad::integrators::EventCounts;
use spikegrad::network::Recording;
use spikegrad::network::Scalar;
use spikegrad::prelude::*;
use spikegrad::tasks::{Error, Finding, Validation};

use crate::common::real;

/// Four theta neurons below threshold are to answer a push, which three of ten trials have; the others are silent.
struct Rare(QuadraticLoss<f64>);

fn network() -> Network<f64> {
    let mut network = Network::builder()
        .population(Population::new("theta", Theta::default(), 4, GateShape::RaisedCosine, 0.3))
        .synapse("slow", 20.0)
        .inputs(1)
        .outputs(1)
        .build()
        .expect("a network");
    let parameters = &mut network.parameters;
    parameters.group_mut(Group::Initial).fill(0.4);
    parameters.bias_mut().fill(-0.01);
    parameters.input_mut().copy_from_slice(&[0.03, 0.04, 0.05, 0.06]);
    parameters.readout_mut(0).fill(0.1);
    network
}

impl Task<f64> for Rare {
    fn trial(&self, stage: TrainingStage, _: &mut ChaCha8Rng) -> Trial<f64> {
        let mut trial = Trial::silent(100, 1.0, 1);
        trial.targets = vec![0.0; 100];
        if stage.trial % 10 < 3 {
            trial.inputs[10..60].fill(1.0);
            trial.targets[10..80].fill(0.4);
        }
        trial
    }

    fn loss(&self) -> &dyn Loss<f64> {
        &self.0
    }

    fn score(&self, _: &Trial<f64>, recording: &Recording<f64>) -> f64 {
        -recording.cost
    }
}

fn options() -> TrainingOptions {
    let rate = |group, rate| LearningRate { group, rate };
    TrainingOptions {
        iterations: 100,
        batch: 10,
        // The program is trained as it is, however fast the neurons become.
        short_crossings: 1.0,
        rates: vec![
            rate(Group::Weight(0), 3e-3),
            rate(Group::Input, 3e-3),
            rate(Group::Bias, 1e-4),
            rate(Group::Readout(0), 1e-2),
        ],
        ..TrainingOptions::default()
    }
}

#[test]
fn silent_trials_do_not_stop_the_others_from_learning() {
    let train = |clip: Option<Clip>| {
        let mut network = network();
        let options = TrainingOptions { clip, ..options() };
        let history =
            train(&mut network, &Rare(QuadraticLoss { lambda: 0.0 }), &options, &mut ()).expect("training");
        (network, history[0].cost, history[99].cost)
    };
    let start = network();
    let (free, first, last) = train(None);
    assert!(last < 0.5 * first, "without clipping: {first} {last}");
    let (clipped, first, last) = train(TrainingOptions::default().clip);
    assert!(last < 0.5 * first, "with clipping: {first} {last}");
    for group in [Group::Weight(0), Group::Input] {
        for trained in [&free, &clipped] {
            assert_ne!(trained.parameters.group(group), start.parameters.group(group), "{group}");
        }
    }
}

/// A loss whose gradient is as large as one likes.
struct Slope<T>(T);

impl<T: Scalar> Loss<T> for Slope<T> {
    fn value(&self, at: &Sample<'_, T>) -> T {
        self.0 * at.output[0]
    }

    fn vjp(&self, _: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        bar.output[0] += value_bar * self.0;
    }
}

#[test]
fn a_gradient_whose_squares_overflow_is_clipped_and_does_not_vanish() {
    let mut network = network();
    network.parameters.bias_mut().fill(0.05);
    let trial = Trial::<f64>::silent(100, 1.0, 1);
    let gradient = |slope: f64| {
        let network = network.to_f32();
        let clip = vec![Some(1.0_f32); network.parameters.layout().entries().len()];
        let scheme = SplitStep::new(&network, 1.0).expect("a step");
        let mut gradient = network.parameters.zeros_like();
        let trials = [trial.map(|x| x as f32)];
        let loss = Slope(real(slope));
        let result = Batch::default().gradient(&scheme, &trials, &loss, Some(&clip), &mut gradient);
        assert_eq!(result.expect("a gradient").skipped(), 0);
        gradient
    };
    let (small, large) = (gradient(1e3), gradient(1e25));
    for group in [Group::Weight(0), Group::Bias, Group::Readout(0)] {
        assert!((small.norm(group) - 1.0).abs() < 1e-6, "{group}: {}", small.norm(group));
        for (a, b) in small.group(group).iter().zip(large.group(group)) {
            assert!((a - b).abs() < 1e-6, "{group}: {a} {b}");
        }
    }
}

/// Half a second of four theta neurons under a constant current.
struct Steady {
    interval: f64,
    input: f64,
    loss: QuadraticLoss<f64>,
}

impl Task<f64> for Steady {
    fn trial(&self, _: TrainingStage, rng: &mut ChaCha8Rng) -> Trial<f64> {
        let samples = (600.0 / self.interval).round() as usize;
        let mut trial = Trial::silent(samples, self.interval, 1);
        trial.inputs.fill(self.input * (1.0 + 0.1 * rng.random::<f64>()));
        trial.targets = vec![0.02; samples];
        trial
    }

    fn loss(&self) -> &dyn Loss<f64> {
        &self.loss
    }

    fn score(&self, _: &Trial<f64>, recording: &Recording<f64>) -> f64 {
        -recording.cost
    }
}

#[test]
fn training_finds_steps_too_coarse_for_the_gate_and_neurons_that_are_silent() {
    let run = |h: f64, input: f64, short_crossings: f64| {
        let task = Steady { interval: h, input, loss: QuadraticLoss { lambda: 0.0 } };
        let validation = Validation {
            every: 2,
            trials: 3,
            rise_at: 0.0,
            fall_below: f64::NEG_INFINITY,
            go_back: None,
            rise: 1.0,
            slow: 1.0,
            patience: 9,
        };
        let validation = Some(validation);
        let options =
            TrainingOptions { h, iterations: 2, batch: 10, validation, short_crossings, ..options() };
        let mut trained = network();
        let history = match train(&mut trained, &task, &options, &mut ()) {
            Ok(history) => history,
            Err(error) => {
                assert_eq!(trained.parameters, network().parameters);
                return Err(error);
            }
        };
        // The same of held-out trials.
        let look = |_: &Trial<f64>, recording: &Recording<f64>| recording.events;
        let held_out: EventCounts = evaluate(&network(), &task, &options, Purpose::Test, 5, look)
            .expect("an evaluation")
            .into_iter()
            .sum();
        assert_eq!(Finding::of(&held_out).len(), history[0].findings().len());
        // The batch has eight lanes.
        assert!(history[0].events.runs >= 8 && history[1].events.runs >= 11);
        Ok(history)
    };
    let refused = run(20.0, 1.5, 0.5).expect_err("steps too coarse");
    assert!(matches!(refused, Error::ShortCrossings { share, .. } if share > 0.9), "{refused:?}");
    assert!(refused.to_string().contains("take a smaller step h or a wider gate"), "{refused}");
    // Whoever asks for the program as it is gets it, and what was found with it.
    let coarse = run(20.0, 1.5, 1.0).expect("training");
    let findings = coarse[0].findings();
    assert!(
        matches!(findings[..], [Finding::ShortCrossings { share, crossings }] if share > 0.9 && crossings > 20)
    );
    let said = coarse[0].to_string();
    assert!(said.contains("take fewer than 3 steps") && said.contains("take a smaller step h"), "{said}");

    let fine = run(0.5, 1.5, 0.0).expect("training");
    assert!(fine.iter().all(|done| done.findings().is_empty() && done.events.spikes > 20), "{}", fine[0]);

    let silent = run(0.5, 0.0, 0.5).expect("training");
    for (done, trials) in silent.iter().zip([10, 13]) {
        assert_eq!(done.findings(), [Finding::Silence { trials }]);
    }
}

#[test]
fn a_progress_bar_shows_what_there_is_to_find() {
    let events = EventCounts {
        runs: 1,
        spikes: 10,
        grazing_spikes: 1,
        crossings: 10,
        short_crossings: 5,
        ..EventCounts::default()
    };
    let done =
        Iteration { iteration: 4, cost: 0.25, skipped: 0, events, factor: 1.0, level: 1.0, validation: None };
    let mut bar = spikegrad::indicatif::ProgressBar::hidden();
    let flow = Observer::<Network<f64>>::iteration(&mut bar, &done, &network());
    assert!(flow.is_continue());
    let said = bar.message();
    assert!(said.starts_with("cost 2.5000e-1, 50 % short, 10 % grazing; 50 % of 10 crossings"), "{said}");
}

/// The crossings that a batch counts on the tape are those of the runs, whatever the memory.
#[test]
fn crossings_of_the_tape_are_those_of_the_run() {
    let mut network = network();
    network.parameters.bias_mut().fill(0.05);
    let task = Steady { interval: 1.0, input: 2.5, loss: QuadraticLoss { lambda: 0.0 } };
    let trial =
        task.trial(TrainingStage::held_out(Purpose::Training, 0), &mut generator(1, Purpose::Training, 0));
    let scheme = SplitStep::new(&network, 1.0).expect("a step");
    let run = scheme.run(&trial, &task.loss).expect("a run");
    let mut log = EventLog::default();
    Sweep::new().events(&run, &mut log).expect("finite");
    let expected = log.counts();
    let is_mixed = expected.short_crossings > 0 && expected.short_crossings < expected.crossings;
    assert!(expected.spikes > 20 && is_mixed, "{expected:?}");
    assert_eq!(run.record().expect("finite").events, expected);
    for memory in [Memory::Stored, Memory::SqrtSteps, Memory::Every(7)] {
        let mut gradient = network.parameters.zeros_like();
        let mut batch = Batch::default().memory(memory);
        let trials = [trial.clone()];
        let result = batch.gradient(&scheme, &trials, &task.loss, None, &mut gradient).expect("a gradient");
        assert_eq!(result.events, expected, "{memory:?}");
    }
}
