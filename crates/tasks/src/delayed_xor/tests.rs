//! Tests of `delayed_xor.rs`.

use super::*;
use crate::predictive_coding::tests::any;
use proptest::prelude::*;

fn task(controlled: f64) -> DelayedXor<f64> {
    DelayedXor { controlled, ..DelayedXor::default() }
}

/// Training trials of one batch at the last level, with their episodes read back from the inputs.
fn batch(task: &DelayedXor<f64>, trials: usize) -> Vec<Trial<f64>> {
    let stage = |trial| TrainingStage::training(0, 10, trials, trial);
    let trial = |b: usize| task.trial(stage(b), &mut generator(1, Purpose::Training, b as u64));
    (0..trials).map(trial).collect()
}

#[test]
fn a_batch_has_every_kind_of_trial_in_its_share() {
    let trials = batch(&task(0.5), 48);
    let of = |answer| trials.iter().filter(|trial| task(0.5).cues(trial)[0].answer == answer).count();
    assert_eq!(of(Answer::Nothing), 12);
    assert!((17..=19).contains(&of(Answer::Same)) && of(Answer::Same) + of(Answer::Opposite) == 36);
}

#[test]
fn controlled_timing_gives_nothing_away() {
    let times = |single: f64| -> Vec<usize> {
        let task = DelayedXor { single, ..task(1.0) };
        let trial = |index| {
            task.trial(TrainingStage::held_out(Purpose::Test, 0), &mut generator(1, Purpose::Test, index))
        };
        (0..50).map(|index| task.cues(&trial(index))[0].window.start).collect()
    };
    assert_eq!(times(0.0), times(1.0));
    let standard = DelayedXor { single: 1.0, ..task(0.0) };
    let trial =
        standard.trial(TrainingStage::held_out(Purpose::Test, 0), &mut generator(1, Purpose::Test, 0));
    assert!(standard.cues(&trial)[0].window.start < times(1.0)[0]);
}

#[test]
fn desired_outputs_score_one_and_silence_answers_nothing() {
    let task = DelayedXor { stream: (5, 5), ..task(0.5) };
    for index in 0..20 {
        let trial =
            task.trial(TrainingStage::held_out(Purpose::Test, 0), &mut generator(1, Purpose::Test, index));
        let answers = task.answers(&trial, &trial.targets);
        assert_eq!(answers.len(), 5);
        assert!(answers.iter().all(|(answered, right)| answered == right));
        let silent = task.answers(&trial, &vec![0.0; trial.samples]);
        assert!(silent.iter().all(|(answered, _)| *answered == Answer::Nothing));
        // Less than half of a pulse is no answer.
        let weak: Vec<f64> = trial.targets.iter().map(|d| 0.49 * d).collect();
        assert!(task.answers(&trial, &weak).iter().all(|(answered, _)| *answered == Answer::Nothing));
    }
}

#[test]
fn delays_grow_before_the_time_outside_gains_weight() {
    let curriculum = Curriculum { shorten: 0.25, outside: (0.1, 0.4), stretched: 0.5 };
    let near = |level: f64, expected: (f64, f64)| {
        let (stretch, outside) = curriculum.at(level);
        assert!((stretch - expected.0).abs() < 1e-12 && (outside - expected.1).abs() < 1e-12, "{level}");
    };
    near(0.0, (0.25, 0.1));
    near(0.25, (0.5, 0.1));
    near(0.5, (1.0, 0.1));
    near(0.75, (1.0, 0.2));
    near(1.0, (1.0, 0.4));
}

#[test]
fn a_cue_clears_the_memory_of_a_network_for_streams() {
    let active = |stream: (usize, usize)| {
        let task = DelayedXor { stream, ..task(0.5) };
        let network = task.network(0.3, 1).expect("a network");
        let scheme = spikegrad_network::SplitStep::new(&network, 1.0).expect("a scheme");
        let (mut before, mut after) = (0.0, 0.0);
        for index in 0..10 {
            let mut rng = generator(1, Purpose::Test, index);
            let trial = task.trial_of(&task.episodes(1, &mut rng)).expect("a trial");
            let recording = scheme.run(&trial, task.loss()).expect("a run").record().expect("finite");
            let cue = task.cues(&trial)[0].window.start - 20;
            let sum = |n: usize| recording.s[0][n * NEURONS..][..NEURONS].iter().sum::<f64>();
            (before, after) = (before + sum(cue - 1), after + sum(cue + 130));
        }
        after / before
    };
    assert!(active((1, 2)) < 0.2, "{}", active((1, 2)));
    assert!(active((1, 1)) > 0.8, "{}", active((1, 1)));
}

#[test]
fn weights_are_one_in_response_windows_only() {
    let task = DelayedXor::<f64>::streams();
    for trial in batch(&task, 4) {
        let windows: Vec<_> = task.cues(&trial).into_iter().map(|cue| cue.window).collect();
        let inside = |n: usize| windows.iter().any(|window| window.contains(&n));
        let right = |(n, &weight): (usize, &f64)| weight == if inside(n) { 1.0 } else { 0.4 };
        assert!(trial.weights.iter().enumerate().all(right));
    }
    // Where all samples count the same there is nothing to tell.
    assert!(batch(&DelayedXor::default(), 4).iter().all(|trial| trial.weights.is_empty()));
}

#[test]
fn numbers_out_of_their_domain_are_refused() {
    let refused = |task: DelayedXor<f64>| {
        let error = task.check().expect_err("a number out of its domain").to_string();
        assert_eq!(task.network(0.3, 1).expect_err("no network").to_string(), error);
        assert_eq!(task.trial_of(&[]).expect_err("no trial").to_string(), error);
        let rng = &mut generator(1, Purpose::Training, 0);
        assert_eq!(task.trial(TrainingStage::held_out(Purpose::Test, 0), rng).samples, 0);
        error
    };
    let fine = || DelayedXor::<f64>::default();
    assert!(fine().check().is_ok());
    let error = refused(DelayedXor { interval: 0.0, ..fine() });
    assert_eq!(error, "interval = 0: it must be positive and finite");
    let error = refused(DelayedXor { gap: 100.0..50.0, ..fine() });
    assert_eq!(error, "gap.end = 50: it must be finite and not below the start");
    let error = refused(DelayedXor { stream: (2, 1), ..fine() });
    assert_eq!(error, "stream.1 = 1: it must not be below `stream.0`");
    let error = refused(DelayedXor { stream: (1, usize::MAX), ..fine() });
    assert!(error.starts_with("inputs and targets of a trial = "), "{error}");
    let episode =
        Episode { lead: 30.0, first: 1.0, gap: -1.0, second: 1.0, delay: 100.0, timing: Timing::Standard };
    let error = fine().trial_of(&[episode]).expect_err("a gap before the pulse").to_string();
    assert_eq!(error, "episode.gap = -1: it must be zero or positive, and finite");
}

proptest! {
    #[test]
    fn whatever_the_numbers_there_is_a_trial_or_an_error(
        times in (any(1.0), any(20.0), any(30.5), any(20.0), any(40.0), any(10.0), any(25.0)),
        more in (any(50.5), any(20.0), any(60.7), any(30.3)),
        (single, controlled, shorten, stretched, outside) in
            (any(0.25), any(0.5), any(0.15), any(0.6), any(0.4)),
        (least, most, iteration, level) in (0..4_usize, 0..4_usize, 0..4_usize, any(0.5)),
    ) {
        let task = DelayedXor::<f64> {
            interval: times.0,
            lead: times.1..times.2,
            gap: times.3..times.4,
            delay: times.5..times.6,
            pulse: more.0,
            cue: more.1,
            response: more.2,
            latency: more.3,
            stream: (least, most),
            single,
            controlled,
            curriculum: Curriculum { shorten, outside: (outside, 0.4), stretched },
            ..DelayedXor::default()
        };
        let rng = &mut generator(1, Purpose::Training, 0);
        let stage = TrainingStage { level, ..TrainingStage::training(iteration, 3, 1, usize::MAX) };
        let trial = task.trial(stage, rng);
        prop_assert_eq!(trial.samples > 0, task.check().is_ok());
        let answers = task.answers(&trial, &trial.targets);
        prop_assert!(answers.iter().all(|(answered, right)| answered == right));
        prop_assert!(task.check().is_err() || (least..=most).contains(&answers.len()));
        // Of another task, or cut short.
        let _ = (task.answers(&Trial::silent(7, 1.0, 1), &[]), task.answers(&trial, &[]));
        let _ = task.network(0.3, 1);
    }
}
