//! Tests of `train.rs`.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use spikegrad_models::{GateShape, Lif, Theta};
use spikegrad_network::{Group, Loss, Population, Recording, Trial};
use spikegrad_training::Error as TrainingError;

use super::*;
use crate::predictive_coding::PredictiveCoding;
use crate::{
    Activity, Checkpoint, CrossEntropy, DatasetTask, LearningRate, QuadraticLoss, Reading, Schedule, Score,
    SumOfLosses, TrainingStage, UpdateRule, load_into as load, progress_bar,
};

/// The readout is to follow an input of random height.
#[derive(Clone)]
struct Follow {
    highest: f64,
    /// The first iterations of training have no input, and no gradient.
    quiet: usize,
    loss: QuadraticLoss<f64>,
}

impl Default for Follow {
    fn default() -> Self {
        Self { highest: 1.0, quiet: 0, loss: QuadraticLoss { lambda: 0.1 } }
    }
}

impl Task<f64> for Follow {
    fn trial(&self, stage: TrainingStage, rng: &mut rand_chacha::ChaCha8Rng) -> Trial<f64> {
        let mut trial = Trial::silent(40, 1.0, 1);
        let level = 0.5 + 0.5 * rand::RngExt::random::<f64>(rng);
        trial.inputs.fill(if stage.iteration < self.quiet { 0.0 } else { self.highest * level });
        trial.targets = trial.inputs.clone();
        trial
    }
    fn loss(&self) -> &dyn Loss<f64> {
        &self.loss
    }
    fn score(&self, _: &Trial<f64>, recording: &Recording<f64>) -> f64 {
        -recording.cost
    }
}

fn network() -> Network<f64> {
    let population = Population::new("theta", Theta::default(), 4, GateShape::RaisedCosine, 0.3);
    let builder = Network::builder().population(population).synapse("slow", 10.0).inputs(1).outputs(1);
    builder.build().expect("a network")
}

/// The network with weights that make all of its neurons fire.
fn driven() -> Network<f64> {
    let mut network = network();
    let parameters = &mut network.parameters;
    for (group, scale) in [(Group::Input, 0.05), (Group::Weight(0), 0.01)] {
        let values = parameters.group_mut(group).iter_mut();
        values.zip(1..).for_each(|(w, i)| *w = scale * f64::from(i));
    }
    parameters.readout_mut(0).fill(1.0);
    network
}

fn options(iterations: usize) -> TrainingOptions {
    TrainingOptions { iterations, batch: 3, ..TrainingOptions::default() }
}

fn kept(path: &Path, every: usize) -> Option<Checkpoint> {
    Some(Checkpoint { path: path.to_owned(), every })
}

fn learn(network: &mut Network<f64>, options: &TrainingOptions) -> Result<Vec<Iteration>, Error> {
    train(network, &Follow::default(), options, &mut ())
}

#[test]
fn steps_out_of_the_domain_leave_the_last_good_state_in_memory_and_on_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut start = driven();
    start.unfreeze(Group::Tau(0)).expect("a group");
    let task = Follow { quiet: 2, ..Follow::default() };
    // A time constant becomes 0 or infinite through its logarithm, a weight goes there directly.
    for group in [Group::Tau(0), Group::Readout(0)] {
        let path = directory.path().join(group.to_string());
        let options = TrainingOptions {
            rule: UpdateRule::Sgd { momentum: 0.0 },
            clip: None,
            rates: vec![LearningRate { group, rate: 1e308 }],
            checkpoint: kept(&path, 1),
            ..options(5)
        };
        let mut network = start.clone();
        let error = train(&mut network, &task, &options, &mut ()).expect_err("refused");
        match (group, &error) {
            (Group::Tau(0), Error::Training(TrainingError::Step { iteration: 2, .. })) => {}
            // A weight of 1e306 is a number, under which no trial has a finite cost.
            (Group::Readout(0), Error::Training(TrainingError::NoFiniteTrial { iteration: 2, .. })) => {}
            other => panic!("{other:?}"),
        }
        // The file of the two iterations before is there, and is what is in memory.
        let mut on_disk = start.clone();
        load(&mut on_disk, &path).expect("a good file");
        assert_eq!((&on_disk.parameters, &network.parameters), (&start.parameters, &start.parameters));
        let before = std::fs::read(&path).expect("bytes");
        // A restart is refused in the same way and ruins nothing.
        let again = train(&mut start.clone(), &task, &options, &mut ()).expect_err("refused");
        assert_eq!(again.to_string(), error.to_string());
        assert_eq!(std::fs::read(&path).expect("bytes"), before);
        // The same in the midst of training, where nothing is due to be kept.
        let mut network = start.clone();
        let unkept = TrainingOptions { checkpoint: None, ..options.clone() };
        train(&mut network, &task, &unkept, &mut ()).expect_err("refused");
        assert_eq!(network.parameters, start.parameters);
        // With a lower rate and a file of its own, training goes on.
        let rates = vec![LearningRate { group, rate: 1e-4 }];
        let better =
            TrainingOptions { rates, checkpoint: kept(&path.with_extension("better"), 9), ..options };
        train(&mut on_disk, &task, &better, &mut ()).expect("trained");
        assert_ne!(on_disk.parameters, start.parameters);
    }
}

#[test]
fn a_gate_is_trained_along_the_edge_of_its_domain() {
    let population = Population::new("lif", Lif::default(), 4, GateShape::RaisedCosine, 0.5);
    let builder = Network::builder().population(population).synapse("slow", 10.0).inputs(1).outputs(1);
    let mut network = builder.build().expect("a network");
    network.parameters.input_mut().iter_mut().zip(2..).for_each(|(u, i)| *u = 0.05 * f64::from(i));
    network.parameters.readout_mut(0).fill(1.0);
    let (width, threshold) = (Group::GateWidth(0), Group::Neuron { population: 0, parameter: 1 });
    let mut seen = Vec::new();
    for groups in [vec![width], vec![width, threshold]] {
        let mut network = network.clone();
        groups.iter().for_each(|&group| network.unfreeze(group).expect("a group"));
        let rates = groups.iter().map(|&group| LearningRate { group, rate: 0.2 }).collect();
        let options = TrainingOptions { rates, average: 3, clip: None, ..options(30) };
        learn(&mut network, &options).expect("trained");
        network.validate().expect("valid");
        seen.push(network.parameters.group(width)[0]);
    }
    println!("widths {seen:?}");
}

#[test]
fn a_file_that_cannot_be_written_is_found_before_the_first_iteration() {
    struct Never;
    impl Observer<Network<f64>> for Never {
        fn iteration(&mut self, _: &Iteration, _: &Network<f64>) -> ControlFlow<()> {
            panic!("an iteration was run");
        }
    }
    let directory = tempfile::tempdir().expect("a directory");
    for path in [directory.path().join("missing").join("run"), directory.path().to_owned()] {
        let options = TrainingOptions { checkpoint: kept(&path, 1000), ..options(100_000) };
        let start = Instant::now();
        let error = train(&mut driven(), &Follow::default(), &options, &mut Never).expect_err("refused");
        assert!(matches!(error, Error::Training(TrainingError::Checkpoint(_))), "{error}");
        assert!(start.elapsed().as_secs() < 5);
    }
    // Trying leaves nothing behind where the first iteration fails.
    let path = directory.path().join("run");
    let options = TrainingOptions { checkpoint: kept(&path, 1), ..options(10) };
    assert!(matches!(learn(&mut network(), &options), Err(Error::NoWeights { .. })));
    assert_eq!(std::fs::read_dir(directory.path()).expect("entries").count(), 0);
}

#[test]
fn training_goes_on_for_more_iterations_than_were_planned() {
    let directory = tempfile::tempdir().expect("a directory");
    let average = |iterations| TrainingOptions { average: 3, ..options(iterations) };
    let mut whole = driven();
    let history = learn(&mut whole, &average(12)).expect("trained");
    for given_back in [false, true] {
        let path = directory.path().join(given_back.to_string());
        let with = |iterations| TrainingOptions { checkpoint: kept(&path, 4), ..average(iterations) };
        let mut network = driven();
        learn(&mut network, &with(7)).expect("trained");
        let mut network = if given_back { network } else { driven() };
        assert_eq!(learn(&mut network, &with(12)).expect("trained"), history);
        assert_eq!(network.parameters, whole.parameters);
        // What was done already is no training of five iterations.
        let error = learn(&mut driven(), &with(5)).expect_err("refused").to_string();
        assert!(
            error.contains("the number of iterations: it has `12 done`, expected `at most 5`"),
            "{error}"
        );
    }
    // A schedule is that of the new number from then on.
    let path = directory.path().join("schedule");
    let schedule = Schedule::Cosine { last: 0.1 };
    let with = |iterations| TrainingOptions { schedule, checkpoint: kept(&path, 4), ..options(iterations) };
    learn(&mut driven(), &with(5)).expect("trained");
    let history = learn(&mut driven(), &with(9)).expect("trained");
    let factors: Vec<f64> = history.iter().map(|done| done.factor).collect();
    let of = |n: std::ops::Range<usize>, total| n.map(move |n| schedule.factor(n, total));
    assert_eq!(factors, of(0..5, 5).chain(of(5..9, 9)).collect::<Vec<_>>());
}

#[test]
fn the_file_of_another_task_or_start_is_refused_in_words() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run");
    let with = |iterations| TrainingOptions { checkpoint: kept(&path, 2), ..options(iterations) };
    learn(&mut driven(), &with(4)).expect("trained");
    let before = std::fs::read(&path).expect("bytes");
    let mut other_start = driven();
    other_start.parameters.bias_mut()[0] = 1e-9;
    let inputs = Follow { highest: 0.5, ..Follow::default() };
    let loss = Follow { loss: QuadraticLoss { lambda: 0.2 }, ..Follow::default() };
    let cases = [
        (driven(), inputs, with(8), "does not fit the task"),
        (driven(), loss, with(8), "does not fit the task"),
        (other_start, Follow::default(), with(8), "does not fit the start"),
        (
            driven(),
            Follow::default(),
            TrainingOptions { seed: 9, ..with(8) },
            "it has `seed = 1`, expected `seed = 9`",
        ),
    ];
    for (mut network, task, options, message) in cases {
        let given = network.parameters.clone();
        let error = train(&mut network, &task, &options, &mut ()).expect_err(message).to_string();
        assert!(error.contains(message) && error.contains("delete the file"), "{error}");
        assert_eq!(network.parameters, given);
        assert_eq!(std::fs::read(&path).expect("bytes"), before);
    }
    let mut network = driven();
    learn(&mut network, &with(8)).expect("its own");
}

#[test]
fn a_network_that_was_never_given_weights_is_refused_by_name() {
    let refused = |mut network: Network<f64>, options: &TrainingOptions, groups: &str| {
        let before = network.parameters.clone();
        let error = learn(&mut network, options).expect_err("refused");
        assert!(matches!(&error, Error::NoWeights { groups: named } if named == groups), "{error}");
        assert_eq!(network.parameters, before);
    };
    refused(network(), &options(3), "slow.weight, input.weight, bias, readout.weight");
    let mut quiet = network();
    quiet.parameters.bias_mut().fill(-0.01);
    quiet.parameters.readout_mut(0).fill(1.0);
    refused(quiet, &options(3), "slow.weight, input.weight");
    // It fires, and nobody looks.
    let mut unread = driven();
    unread.parameters.readout_mut(0).fill(0.0);
    let rates = vec![LearningRate { group: Group::Bias, rate: 1e-3 }];
    let blind = Follow { loss: QuadraticLoss { lambda: 0.0 }, ..Follow::default() };
    let error =
        train(&mut unread, &blind, &TrainingOptions { rates, ..options(3) }, &mut ()).expect_err("refused");
    assert!(matches!(&error, Error::NoWeights { groups } if groups == "bias, readout.weight"), "{error}");
}

#[test]
fn legitimate_starts_with_zeros_are_trained() {
    // A readout that is zero, tonic currents alone, a silent batch whose inputs are weak.
    let mut unread = driven();
    unread.parameters.readout_mut(0).fill(0.0);
    let mut tonic = network();
    tonic.parameters.bias_mut().iter_mut().zip(1..).for_each(|(b, i)| *b = 0.02 * f64::from(i));
    let mut weak = driven();
    weak.parameters.input_mut().fill(1e-6);
    weak.parameters.weight_mut(0).fill(0.0);
    weak.parameters.readout_mut(0).fill(0.0);
    for (case, mut network) in [unread, tonic, weak].into_iter().enumerate() {
        learn(&mut network, &options(2)).unwrap_or_else(|error| panic!("case {case}: {error}"));
    }
    let task = PredictiveCoding { duration: (10.0, 20.0), ..PredictiveCoding::autoencoder(6) };
    let mut network = task.network(GateShape::RaisedCosine, 0.3, 3).expect("a network");
    train(&mut network, &task, &TrainingOptions { batch: 2, ..task.options(2, 3) }, &mut ())
        .expect("trained");
    // Nothing is trained, and nothing is missed.
    let none = TrainingOptions { rates: Vec::new(), ..options(2) };
    learn(&mut self::network(), &none).expect("nothing to do");
}

#[test]
fn schedules_are_looked_at_before_anything_is_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run");
    for schedule in [Schedule::Cosine { last: f64::NAN }, Schedule::Exponential { last: -1.0 }] {
        let options = TrainingOptions { schedule, checkpoint: kept(&path, 1), ..options(3) };
        let mut network = driven();
        assert!(matches!(learn(&mut network, &options), Err(Error::Training(TrainingError::Option { .. }))));
        assert_eq!(network.parameters, driven().parameters);
        assert!(!path.exists());
    }
}

/// What a bar writes to a terminal of 80 columns.
#[derive(Clone, Debug, Default)]
struct Screen(std::sync::Arc<std::sync::Mutex<String>>);

impl indicatif::TermLike for Screen {
    fn width(&self) -> u16 {
        80
    }
    fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn write_line(&self, line: &str) -> std::io::Result<()> {
        self.write_str(line)
    }
    fn write_str(&self, text: &str) -> std::io::Result<()> {
        self.0.lock().expect("a lock").push_str(text);
        Ok(())
    }
    fn clear_line(&self) -> std::io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_progress_bar_shows_the_cost() {
    let screen = Screen::default();
    let mut bar = progress_bar(2);
    bar.set_draw_target(indicatif::ProgressDrawTarget::term_like(Box::new(screen.clone())));
    let history = train(&mut driven(), &Follow::default(), &options(2), &mut bar).expect("trained");
    bar.abandon();
    let shown = screen.0.lock().expect("a lock").clone();
    assert!(shown.contains("2/2") && shown.contains(&format!("cost {:.4e}", history[1].cost)), "{shown}");
}

/// A data set of which one trial in the midst has changed, and a loss without targets, are another task too.
#[test]
fn trials_and_losses_of_data_sets_are_told_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run");
    let task = |changed: f64, activity: f64, smoothing: f64| {
        let trial = |i: usize| {
            let mut trial = Trial::silent(20, 1.0, 1);
            trial.inputs.fill(0.1 * i as f64 + if i == 4 { changed } else { 0.0 });
            // The middle class, whose score is the mean of evenly spaced ones.
            trial.label = vec![0.0, 1.0, 0.0];
            trial
        };
        let trials: Vec<_> = (0..6).map(trial).collect();
        let loss = SumOfLosses(CrossEntropy { of: Score::Mean, smoothing }, Activity { weight: activity });
        DatasetTask::new(trials, Vec::new(), Vec::new(), loss, Reading::Class(Score::Mean), 1)
    };
    let network = || {
        let population = Population::new("theta", Theta::default(), 4, GateShape::RaisedCosine, 0.3);
        let builder = Network::builder().population(population).synapse("slow", 10.0).inputs(1).outputs(3);
        let mut network = builder.build().expect("a network");
        network.parameters.input_mut().fill(0.05);
        network.parameters.readout_mut(0).fill(1.0);
        network
    };
    let with = |iterations| TrainingOptions { checkpoint: kept(&path, 2), ..options(iterations) };
    train(&mut network(), &task(0.0, 0.1, 0.1), &with(2), &mut ()).expect("trained");
    for (changed, activity, smoothing) in [(1e-3, 0.1, 0.1), (0.0, 0.2, 0.1), (0.0, 0.1, 0.2)] {
        let task = task(changed, activity, smoothing);
        let error = train(&mut network(), &task, &with(4), &mut ()).expect_err("refused").to_string();
        assert!(error.contains("does not fit the task"), "{error}");
    }
    train(&mut network(), &task(0.0, 0.1, 0.1), &with(4), &mut ()).expect("goes on");
}
