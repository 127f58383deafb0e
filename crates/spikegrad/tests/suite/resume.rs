//! Training that is killed goes on from its last checkpoint to the same bits as if nothing had happened.

use std::ops::ControlFlow;

use spikegrad::models::GateShape;
use spikegrad::network::{Group, Network};
use spikegrad::tasks::predictive_coding::PredictiveCoding;
use spikegrad::tasks::{
    Checkpoint, Error, Iteration, Observer, Pull, TrainingOptions, Validation, load_into, train,
};

fn task() -> PredictiveCoding {
    PredictiveCoding { duration: (10.0, 20.0), ..PredictiveCoding::autoencoder(6) }
}

fn start() -> Network<f64> {
    task().network(GateShape::RaisedCosine, 0.3, 3).expect("a network")
}

fn options(checkpoint: Option<Checkpoint>) -> TrainingOptions {
    TrainingOptions { batch: 4, checkpoint, ..task().options(12, 3) }
}

/// Copies the checkpoint away at some iteration, as a killed process would have left it.
struct Thief<'a> {
    from: &'a std::path::Path,
    to: &'a std::path::Path,
    at: usize,
}

impl Observer<Network<f64>> for Thief<'_> {
    fn iteration(&mut self, done: &Iteration, _: &Network<f64>) -> ControlFlow<()> {
        if done.iteration == self.at {
            std::fs::copy(self.from, self.to).expect("copied");
        }
        ControlFlow::Continue(())
    }
}

struct Stop(usize);

impl Observer<Network<f64>> for Stop {
    fn iteration(&mut self, done: &Iteration, _: &Network<f64>) -> ControlFlow<()> {
        if done.iteration == self.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn killed_and_stopped_training_goes_on_to_the_same_bits() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, stolen) = (directory.path().join("run"), directory.path().join("stolen"));
    let mut whole = start();
    let history = train(&mut whole, &task(), &options(None), &mut ()).expect("trained");
    assert_eq!(history.len(), 12);

    // Killed after iteration 8 with a checkpoint every 5: the file on disk is that of iteration 5.
    let mut watched = start();
    let checkpoint = Checkpoint { path: path.clone(), every: 5 };
    let mut thief = Thief { from: &path, to: &stolen, at: 7 };
    train(&mut watched, &task(), &options(Some(checkpoint)), &mut thief).expect("trained");
    let mut resumed = start();
    let checkpoint = Checkpoint { path: stolen.clone(), every: 100 };
    let again = train(&mut resumed, &task(), &options(Some(checkpoint)), &mut ()).expect("trained");
    assert_eq!(resumed.parameters, whole.parameters);
    assert_eq!(again, history);

    // Stopped at iteration 3 by its observer: written there and then.
    let stopped = directory.path().join("stopped");
    let with = || options(Some(Checkpoint { path: stopped.clone(), every: 100 }));
    let first = train(&mut start(), &task(), &with(), &mut Stop(3)).expect("stopped");
    assert_eq!(first.len(), 4);
    let mut resumed = start();
    assert_eq!(train(&mut resumed, &task(), &with(), &mut ()).expect("trained"), history);
    assert_eq!(resumed.parameters, whole.parameters);

    // Finished: nothing is left to do.
    let mut loaded = start();
    assert_eq!(train(&mut loaded, &task(), &with(), &mut ()).expect("loaded"), history);
    assert_eq!(loaded.parameters, whole.parameters);
}

/// With levels, a best network, an average and a pull; scores are errors, so that a level rises at any of them.
fn steered(checkpoint: Option<Checkpoint>) -> TrainingOptions {
    let validation = Validation {
        every: 2,
        trials: 3,
        rise_at: 0.0,
        fall_below: 0.0,
        go_back: None,
        rise: 0.5,
        slow: 0.5,
        patience: 2,
    };
    let pulls = vec![Pull { group: Group::Weight(1), part: 0.1 }];
    TrainingOptions { iterations: 30, validation: Some(validation), pulls, average: 3, ..options(checkpoint) }
}

#[test]
fn steered_training_goes_on_to_the_same_bits_and_its_file_has_the_best_network() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run");
    let mut whole = start();
    let history = train(&mut whole, &task(), &steered(None), &mut ()).expect("trained");
    // Two validations raise the level, the next ones look for the best network, and patience ends training early.
    assert!(history.len() < 30 && history.iter().any(|done| done.level == 1.0), "{history:?}");

    let with = || steered(Some(Checkpoint { path: path.clone(), every: 100 }));
    for stop in [1, 5, history.len() - 2] {
        train(&mut start(), &task(), &with(), &mut Stop(stop)).expect("stopped");
    }
    let mut resumed = start();
    assert_eq!(train(&mut resumed, &task(), &with(), &mut ()).expect("trained"), history);
    assert_eq!(resumed.parameters, whole.parameters);
    let mut loaded = start();
    load_into(&mut loaded, &path).expect("loaded");
    assert_eq!(loaded.parameters, whole.parameters);
    assert_eq!(train(&mut start(), &task(), &with(), &mut ()).expect("nothing left to do"), history);
}

#[test]
fn a_checkpoint_of_other_options_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let checkpoint = Checkpoint { path: directory.path().join("run"), every: 1 };
    let few = TrainingOptions { iterations: 2, ..options(Some(checkpoint)) };
    train(&mut start(), &task(), &few, &mut ()).expect("trained");
    let mut network = start();
    let before = network.parameters.clone();
    let other = TrainingOptions { seed: 4, ..few };
    let error = train(&mut network, &task(), &other, &mut ()).expect_err("refused");
    assert!(
        matches!(error, Error::Training(spikegrad::training::Error::Checkpoint(_)))
            && error.to_string().contains("does not fit the options"),
        "{error}"
    );
    assert_eq!(network.parameters, before);
}
