//! Recordings: a run that diverges is an error and no trace; spikes have the time at which they happened, and a count where they
//! are too many to be told apart.

use crate::common::Model;
use rand_chacha::ChaCha8Rng;
use spikegrad::adjoint::{Error as SweepError, Sweep};
use spikegrad::integrators::{Divergence, EventLog, Method, tableau};
use spikegrad::models::{GateShape, HodgkinHuxley, Lif, MorrisLecar, NeuronVjp, Nif, Qif, Theta};
use spikegrad::network::{
    Error, Group, Loss, Network, Population, Recording, Spike, SplitStep, Trial, pontryagin,
};
use spikegrad::tasks::{
    Error as TaskError, Purpose, QuadraticLoss, Task, TrainingOptions, TrainingStage, Validation, evaluate,
    train,
};

/// Neurons without connections, each with its tonic current.
fn network<N: NeuronVjp>(neuron: N, currents: &[f64], width: f64) -> Network<f64> {
    let population = Population::new("cells", neuron, currents.len(), GateShape::RaisedCosine, width);
    let mut network = Network::builder()
        .population(population)
        .synapse("slow", 10.0)
        .inputs(1)
        .outputs(1)
        .build()
        .expect("a network");
    network.parameters.bias_mut().copy_from_slice(currents);
    network
}

fn record(network: &Network<f64>, h: f64, steps: usize, method: impl Into<Option<Method>>) -> Recording<f64> {
    let scheme = SplitStep::with_method(network, h, method).expect("a scheme");
    let trial = Trial { targets: vec![0.0; steps], ..Trial::silent(steps, h, 1) };
    scheme.run(&trial, &QuadraticLoss { lambda: 0.0 }).expect("a run").record().expect("finite")
}

/// A squid's axon under Euler's method at a step that is too long for it: 27 steps go well.
fn squid() -> (Network<f64>, Trial<f64>) {
    let trial = Trial { targets: vec![0.0; 300], ..Trial::silent(300, 0.1, 1) };
    (network(HodgkinHuxley::default(), &[15.0], 30.0), trial)
}

#[test]
fn a_simulation_that_diverges_has_the_error_of_its_gradient() {
    let (network, trial) = squid();
    let scheme = SplitStep::with_method(&network, 0.1, tableau::EULER).expect("a scheme");
    let run = scheme.run(&trial, &QuadraticLoss { lambda: 0.0 }).expect("a run");
    let mut gradient = network.parameters.zeros_like();
    let Err(SweepError::Diverged(expected)) = Sweep::new().gradient(&run, gradient.values_mut()) else {
        panic!("the gradient is not finite");
    };
    assert!(matches!(expected, Divergence::State { step: 26, neuron: 0, .. }), "{expected}");
    let mut shown = 0;
    let simulations = [
        ("record", run.record().map(drop)),
        ("work", run.work().map(drop)),
        ("watch", run.watch(|_, _, _| shown += 1).map(drop)),
        ("pontryagin", pontryagin(&run).map(drop)),
    ];
    for (what, result) in simulations {
        let error = result.expect_err(what);
        assert_eq!((&error, error.to_string()), (&Error::Diverged(expected), expected.to_string()), "{what}");
    }
    assert_eq!(shown, 26, "what was not finite was shown");
    for result in [Sweep::new().cost(&run), Sweep::new().events(&run, &mut EventLog::default())] {
        assert!(matches!(result, Err(SweepError::Diverged(found)) if found == expected), "{result:?}");
    }
}

#[test]
fn a_cost_that_is_not_finite_is_an_error_of_the_recording() {
    let network = network(Theta::default(), &[0.05], 0.3);
    let mut trial = Trial { targets: vec![0.0; 10], ..Trial::silent(10, 1.0, 1) };
    trial.targets[6] = 1e200;
    let scheme = SplitStep::new(&network, 1.0).expect("a scheme");
    let recorded = scheme.run(&trial, &QuadraticLoss { lambda: 0.0 }).expect("a run").record();
    assert_eq!(recorded.map(drop), Err(Error::Diverged(Divergence::Cost { step: 6, time: 7.0 })));
}

/// Trials of a network that is pushed in iteration 1, which is that of held-out trials, and left alone in iteration 0.
struct Push(QuadraticLoss<f64>);

impl Task<f64> for Push {
    fn trial(&self, stage: TrainingStage, _: &mut ChaCha8Rng) -> Trial<f64> {
        let mut trial = Trial { targets: vec![0.0; 60], ..Trial::silent(60, 0.1, 1) };
        trial.inputs.fill(if stage.iteration == 1 && stage.trial == 2 { 1e6 } else { 1.0 });
        trial
    }
    fn loss(&self) -> &dyn Loss<f64> {
        &self.0
    }
    fn score(&self, _: &Trial<f64>, recording: &Recording<f64>) -> f64 {
        // What a task that counts spikes would find in a network that fell silent.
        1.0 - recording.spikes.len() as f64
    }
}

#[test]
fn held_out_trials_that_diverge_have_no_score() {
    let mut network = network(HodgkinHuxley::default(), &[0.0], 30.0);
    network.parameters.input_mut().fill(1.0);
    let task = Push(QuadraticLoss { lambda: 0.0 });
    let options = TrainingOptions {
        h: 0.1,
        method: tableau::EULER.into(),
        iterations: 1,
        batch: 2,
        validation: Some(Validation {
            every: 1,
            trials: 4,
            rise_at: 2.0,
            fall_below: -2.0,
            go_back: None,
            rise: 1.0,
            slow: 1.0,
            patience: 3,
        }),
        ..TrainingOptions::default()
    };
    let look = |_: &Trial<f64>, recording: &Recording<f64>| recording.cost;
    assert!(evaluate(&network, &task, &options, Purpose::Test, 2, look).is_ok());
    let error = evaluate(&network, &task, &options, Purpose::Test, 4, look).expect_err("trial 2 diverges");
    assert!(matches!(error, TaskError::HeldOut { trial: 2, why: Divergence::State { .. } }), "{error}");
    assert!(
        error.to_string().starts_with("held-out trial 2: the state of neuron 0 is not finite"),
        "{error}"
    );
    let history = train(&mut network, &task, &options, &mut ()).expect("training goes on");
    let validated = history[0].validation.expect("a validation");
    assert!(validated.score.is_nan() && validated.cost.is_nan(), "{validated:?}");
}

#[test]
fn a_spike_has_the_time_at_which_the_voltage_wraps() {
    // A voltage that rises linearly from 0 reaches every whole number at a known time, several of them in a step or none.
    for (current, h) in [(0.3, 0.25), (0.3, 1.0), (2.7, 1.0), (7.9, 1.0), (0.013, 5.0)] {
        let recording = record(&network(Nif, &[current], 0.3), h, 64, tableau::EULER);
        let times = &recording.spike_times()[0];
        assert_eq!(times.len(), (current * 64.0 * h) as usize, "{current} {h}");
        for (k, time) in times.iter().enumerate() {
            assert!((time - (k + 1) as f64 / current).abs() < 1e-11, "{current} {h}: {k} at {time}");
        }
    }
}

#[test]
fn a_spike_has_the_time_at_which_the_voltage_passes_threshold() {
    let (neuron, h) = (MorrisLecar::default(), 0.5);
    let recording = record(&network(neuron, &[100.0, 110.0], 20.0), h, 1000, tableau::RK4);
    let threshold = neuron.v_theta;
    for (i, times) in recording.spike_times().iter().enumerate() {
        assert!(times.len() > 3, "neuron {i} fires {} times", times.len());
        for time in times {
            let n = (time / h) as usize;
            let [before, after] = [n - 1, n].map(|n| recording.v[2 * n + i]);
            let at = before + (after - before) * (time / h - n as f64);
            assert!(before < threshold && threshold <= after && (at - threshold).abs() < 1e-9, "{at}");
        }
    }
}

#[test]
fn a_spike_has_the_time_at_which_the_reset_was_located() {
    let model = Model::of::<Qif>();
    let network = network(Qif::default(), &[3.0 * model.current], 0.3 * model.voltage);
    let fine = record(&network, 0.002, 50_000, tableau::RK4).spike_times().remove(0);
    for h in [0.05, 0.25] {
        let times = record(&network, h, (100.0 / h) as usize, tableau::RK4).spike_times().remove(0);
        assert!(times.len() == fine.len() && times.len() > 3, "{} and {} spikes", times.len(), fine.len());
        let worst = times.iter().zip(&fine).fold(0.0_f64, |worst, (a, b)| worst.max((a - b).abs()));
        println!("QIF at h = {h}: spikes within {worst:.1e} ms");
        assert!(worst < 0.1 * h, "{h}: {worst}");
        let on_the_grid =
            times.iter().filter(|&time| (time / h).fract().min(1.0 - (time / h).fract()) < 1e-6);
        assert!(on_the_grid.count() * 4 < times.len());
    }
}

#[test]
fn spikes_are_in_order_of_time_whoever_fires() {
    let mut drives: Vec<f64> = (0..9).map(|i| 0.3 + 0.17 * f64::from(i * 4 % 9)).collect();
    drives[3] = 5.5;
    let recording = record(&network(Lif::default(), &drives, 0.3), 1.0, 200, tableau::EULER);
    assert!(recording.spikes.is_sorted_by(|a, b| a.time <= b.time) && recording.spikes.len() > 300);
    assert!(recording.spikes.windows(2).any(|pair| pair[1].neuron < pair[0].neuron));
    let counts: Vec<u64> = recording.spike_times().iter().map(|times| times.len() as u64).collect();
    assert_eq!(recording.spike_counts(), counts);
}

#[test]
fn more_spikes_than_can_be_told_apart_are_counted() {
    // A million turns in every step: one entry each, at the time of the first.
    let recording = record(&network(Nif, &[1e6 + 0.25], 0.3), 1.0, 5, tableau::EULER);
    assert_eq!(recording.spikes.len(), 5);
    assert_eq!(recording.spike_counts(), [5_000_001]);
    let first = recording.spikes[0];
    assert!(first.count == 1_000_000 && (first.time - 1.0 / (1e6 + 0.25)).abs() < 1e-12, "{first:?}");
    // As many as are told apart, and one more.
    for (each, entries) in [(Spike::EACH, Spike::EACH as usize), (Spike::EACH + 1, 1)] {
        let recording = record(&network(Nif, &[each as f64], 0.3), 1.0, 1, tableau::EULER);
        assert_eq!((recording.spikes.len(), recording.spike_counts()), (entries, vec![each]));
    }
    // What took 32 GB: the theta neuron goes round a billion times in five steps.
    let mut theta = network(Theta::default(), &[1e9], 0.3);
    theta.parameters.group_mut(Group::Initial).fill(0.5);
    let recording = record(&theta, 1.0, 5, tableau::EULER);
    assert!(
        recording.spikes.len() <= 5 * Spike::EACH as usize && recording.spike_counts()[0] > 1_000_000_000
    );
    // A closed form has many spikes in a step, too.
    let lif = record(&network(Lif::default(), &[1e4], 0.3), 1.0, 5, tableau::EULER);
    assert_eq!(lif.spikes.len(), 5);
    assert!(lif.spike_counts()[0] > 40_000, "{:?}", lif.spike_counts());
}
