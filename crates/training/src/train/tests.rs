//! Tests of `train.rs` on a program of its own: three springs, each of which is to rest where it is measured.

use std::path::Path;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use spikegrad_adjoint::{Error as SweepError, Memory};
use spikegrad_integrators::{Divergence, EventCounts, ParameterGroup, Parametric};

use super::*;
use crate::{Clip, LearningRate, TrialGradient, UpdateRule, Validation, checkpoint::load_run};

/// Rest lengths, and how stiff the springs are.
#[derive(Clone)]
struct Springs {
    parameters: [f32; 4],
    /// Every trial whose measure lies above this is not finite.
    highest: f32,
}

impl Parametric<f32> for Springs {
    type Group = &'static str;
    fn groups(&self) -> impl Iterator<Item = ParameterGroup<'_, &'static str>> {
        [("rest", 0..3), ("stiffness", 3..4)].into_iter().map(|(name, range)| ParameterGroup {
            group: name,
            name,
            range,
            is_positive: name == "stiffness",
            is_trainable: true,
        })
    }
    fn values(&self) -> &[f32] {
        &self.parameters
    }
    fn values_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }
}

impl TrialGradient<f32> for Springs {
    type Trial = [f32; 3];
    type Lane = ();
    type Error = Error;
    fn lane(&self, _: Memory) {}
    fn gradient(
        &self,
        trial: &[f32; 3],
        _: &mut (),
        gradient: &mut [f32],
        _: Option<&mut EventCounts>,
    ) -> Result<Result<f32, SweepError>, Error> {
        if trial[0] > self.highest {
            return Ok(Err(Divergence::State { step: 0, time: 0.0, neuron: 0 }.into()));
        }
        let stiffness = self.parameters[3];
        let mut energy = 0.0;
        for i in 0..3 {
            let stretch = self.parameters[i] - trial[i];
            gradient[i] += stiffness * stretch;
            energy += 0.5 * stretch * stretch;
        }
        // The cost of stiffness keeps it from falling to zero.
        gradient[3] += energy - 1.0 / stiffness;
        Ok(Ok(stiffness * energy - stiffness.ln()))
    }
}

impl Program<f32> for Springs {
    type Trial = [f32; 3];
    type Lane = ();
    type Error = Error;
    type Ready<'a> = &'a Self;
    fn ready(&self) -> Result<&Self, Error> {
        Ok(self)
    }
    fn trial(&self, _: TrainingStage, rng: &mut ChaCha8Rng) -> [f32; 3] {
        [1.0, 2.0, 3.0].map(|rest: f32| rest + rng.random_range(-0.5..0.5))
    }
    fn fingerprint(&self, first: &[f32; 3]) -> u32 {
        fingerprint(first.map(f64::from))
    }
}

fn springs() -> Springs {
    Springs { parameters: [0.0, 0.0, 0.0, 0.5], highest: f32::INFINITY }
}

fn options() -> TrainingOptions<&'static str> {
    TrainingOptions {
        iterations: 30,
        batch: 23,
        rates: ["rest", "stiffness"].map(|group| LearningRate { group, rate: 0.1 }).to_vec(),
        clip: Some(Clip { quantile: 0.6, factor: 1.0 }),
        unclipped: vec!["stiffness"],
        average: 3,
        ..TrainingOptions::default()
    }
}

fn bits(springs: &Springs) -> [u32; 4] {
    springs.parameters.map(f32::to_bits)
}

#[test]
fn a_batch_has_the_same_bits_in_any_parts_and_on_any_number_of_threads() {
    let run = |threads, micro_batch, lanes| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let mut trained = springs();
        let options = TrainingOptions { micro_batch, lanes, ..options() };
        let history = pool.install(|| train(&mut trained, &options, &mut ())).expect("training");
        (bits(&trained), history)
    };
    for lanes in [1, 3, 8, 40] {
        let whole = run(1, None, lanes);
        for micro_batch in [1, 2, 5, 8, 22, 23, 1000] {
            assert_eq!(run(2, Some(micro_batch), lanes), whole, "{micro_batch} at once in {lanes} lanes");
        }
    }
    assert_ne!(run(1, None, 3).0, run(1, None, 8).0, "lanes show in the last bits");
}

#[test]
fn a_trial_that_diverges_is_left_out_of_any_part() {
    let run = |micro_batch| {
        let mut trained = Springs { highest: 1.2, ..springs() };
        let options = TrainingOptions { micro_batch, iterations: 3, ..options() };
        let history = train(&mut trained, &options, &mut ()).expect("training");
        assert!(history.iter().any(|done| done.skipped > 0), "{history:?}");
        (bits(&trained), history)
    };
    assert_eq!(run(Some(4)), run(None));
    assert_eq!(run(Some(1)), run(None));

    // After the last step, too, it is the whole batch that is looked at: one trial that stays finite will do.
    let finish = |micro_batch| {
        let mut trained = Springs { highest: 0.9, ..springs() };
        let options = TrainingOptions { micro_batch, iterations: 1, clip: None, ..options() };
        train(&mut trained, &options, &mut ()).map(|_| bits(&trained)).expect("training")
    };
    (1..23).for_each(|parts| assert_eq!(finish(Some(parts)), finish(None), "{parts} at once"));

    let mut none = Springs { highest: f32::NEG_INFINITY, ..springs() };
    let refused = train(&mut none, &options(), &mut ()).expect_err("refused");
    assert!(matches!(refused, Error::NoFiniteTrial { iteration: 0, trials: 23, .. }), "{refused}");
    assert_eq!(bits(&none), bits(&springs()));
}

#[test]
fn a_program_goes_on_from_its_checkpoint_to_the_same_bits() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run");
    let with = |iterations, path: &Path| TrainingOptions {
        iterations,
        validation: Some(Validation::keep_best(4, 5, 90)),
        checkpoint: Some(Checkpoint { path: path.to_owned(), every: 7 }),
        ..options()
    };
    let mut once = springs();
    let whole = train(&mut once, &with(30, &directory.path().join("once")), &mut ()).expect("training");
    for iterations in [11, 30] {
        let mut parts = springs();
        let history = train(&mut parts, &with(iterations, &path), &mut ()).expect("training");
        assert_eq!(history, whole[..iterations]);
        if iterations == 30 {
            assert_eq!(bits(&parts), bits(&once));
        }
    }
    let mut loaded = springs();
    assert_eq!(load_run(&path, &mut loaded).expect("a run"), whole);
    assert_eq!(bits(&loaded), bits(&once));

    // Other options, other trials and another start are told apart, and nothing has changed.
    let others = [
        (TrainingOptions { batch: 22, ..with(30, &path) }, springs(), "batch = 22"),
        (with(30, &path), Springs { parameters: [0.5; 4], ..springs() }, "parameters with the fingerprint"),
        (TrainingOptions { seed: 2, ..with(30, &path) }, springs(), "seed = 2"),
    ];
    for (options, mut other, why) in others {
        let before = bits(&other);
        let error = train(&mut other, &options, &mut ()).expect_err("refused").to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(bits(&other), before);
    }
    let bytes = std::fs::read(&path).expect("bytes");
    for at in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 16;
        std::fs::write(&path, &damaged).expect("written");
        let mut other = springs();
        assert!(load_run(&path, &mut other).is_err(), "byte {at}");
        assert_eq!(bits(&other), bits(&springs()));
    }
}

#[test]
fn a_training_that_only_makes_things_worse_returns_its_start() {
    let near = Springs { parameters: [1.0, 2.0, 3.0, 5.0], ..springs() };
    let with = |rate, validation| {
        let mut trained = near.clone();
        let rates = vec![LearningRate { group: "rest", rate }];
        let options = TrainingOptions { rates, validation, iterations: 8, ..options() };
        train(&mut trained, &options, &mut ()).expect("training");
        bits(&trained)
    };
    let keep_best = || Some(Validation::keep_best(4, 40, 90));
    assert_ne!(with(1e3, None), bits(&near));
    assert_eq!(with(1e3, keep_best()), bits(&near));
}

/// Keeps the sums of lanes as they come, and adds them up as another machine would.
struct Elsewhere;

impl Reducer<f32> for Elsewhere {
    fn add_up(&self, lanes: &mut [crate::LaneTotal<f32>]) -> Result<(), spikegrad_adjoint::BoxError> {
        let mut sums: Vec<Vec<f32>> = lanes.iter().map(|lane| lane.sum.to_vec()).collect();
        spikegrad_integrators::add_in_tree(&mut sums, |low, high| {
            low.iter_mut().zip(high).for_each(|(a, b)| *a += b)
        });
        lanes[0].sum.copy_from_slice(&sums[0]);
        Ok(())
    }
}

/// A reducer of several machines that does not know what became of a lane's trials.
struct Silent;

impl Reducer<f32> for Silent {
    fn runs(&self, lane: usize, _: usize) -> bool {
        lane != 5
    }

    fn add_up(&self, lanes: &mut [crate::LaneTotal<f32>]) -> Result<(), spikegrad_adjoint::BoxError> {
        lanes[5].sum = lanes[4].sum.clone();
        crate::Tree.add_up(lanes)
    }
}

/// A reducer that lost a lane.
struct Lost;

impl Reducer<f32> for Lost {
    fn add_up(&self, _: &mut [crate::LaneTotal<f32>]) -> Result<(), spikegrad_adjoint::BoxError> {
        Err("machine 3 does not answer".into())
    }
}

#[test]
fn lanes_may_be_added_up_by_somebody_else() {
    let (mut here, mut elsewhere) = (springs(), springs());
    train(&mut here, &options(), &mut ()).expect("training");
    train_with(&mut elsewhere, &options(), &mut (), &Elsewhere).expect("training");
    assert_eq!(bits(&here), bits(&elsewhere));
    let refused = train_with(&mut here, &options(), &mut (), &Silent).expect_err("refused").to_string();
    assert!(refused.contains("lane 5 has 0 results of its 3 trials"), "{refused}");
    let refused = train_with(&mut here, &options(), &mut (), &Lost).expect_err("refused").to_string();
    assert!(refused.contains("machine 3 does not answer"), "{refused}");
}

#[test]
fn a_cost_that_is_no_number_is_not_passed_on() {
    // The logarithm of the stiffness, which the gradient does not know of.
    let mut broken = Springs { parameters: [1.0, 2.0, 3.0, f32::INFINITY], ..springs() };
    let refused = train(&mut broken, &options(), &mut ()).expect_err("refused").to_string();
    assert!(refused.starts_with("the cost of a trial is not finite"), "{refused}");
}

#[test]
fn options_out_of_their_domain_are_refused_by_name() {
    let refused = |options: TrainingOptions<&'static str>| {
        train(&mut springs(), &options, &mut ()).expect_err("refused").to_string()
    };
    let error = refused(TrainingOptions { micro_batch: Some(0), ..options() });
    assert!(error.starts_with("micro_batch = 0: it must be at least 1"), "{error}");
    let rates = vec![LearningRate { group: "mass", rate: 0.1 }];
    let error = refused(TrainingOptions { rates, ..options() });
    assert_eq!(error, "the rates name mass, which does not exist: remove it");
    let error = refused(TrainingOptions { rule: UpdateRule::Sgd { momentum: 1.0 }, ..options() });
    assert!(error.starts_with("momentum = 1"), "{error}");
}
