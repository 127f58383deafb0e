//! Planted faults, each of which the report names, and healthy networks, which get no finding.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use spikegrad_adjoint::Sweep;
use spikegrad_models::{GateShape, Lif, MorrisLecar, RefractoryLif, Theta};
use spikegrad_network::{
    Draw, Group, InitialState, Initialisation, Network, NoLoss, Population, Scalar, SplitStep, Trial,
};

use super::*;
use crate::{Batch, Clip, CrossEntropy, LearningRate, Optimiser, QuadraticLoss, Score, UpdateRule};

const LOSS: QuadraticLoss<f64> = QuadraticLoss { lambda: 0.0 };

/// A kind of network, and how it is to be trained.
struct Case {
    population: Population,
    h: f64,
    /// The rate that neurons are to fire at, Hz.
    rate: f64,
    /// The current that inputs of 1 give, as a part of the tonic one.
    input: f64,
    /// Learning rates are these times the size of the tonic current, and of the readout.
    rates: [f64; 2],
}

fn cases() -> [Case; 3] {
    let shape = GateShape::RaisedCosine;
    [
        Case {
            population: Population::new("hidden", Theta::default(), 16, shape, 0.3),
            h: 0.5,
            rate: 40.0,
            input: 1.0,
            rates: [0.02, 0.3],
        },
        Case {
            population: Population::new("hidden", Lif::default(), 16, shape, 0.3),
            h: 0.5,
            rate: 40.0,
            input: 1.0,
            rates: [0.02, 0.3],
        },
        Case {
            population: Population::new("hidden", MorrisLecar::default(), 16, shape, 20.0),
            h: 0.5,
            rate: 20.0,
            input: 0.1,
            rates: [0.02, 0.3],
        },
    ]
}

impl Case {
    fn network(&self) -> Network<f64> {
        let builder = Network::builder().population(self.population.clone()).synapse("slow", 20.0);
        let mut network = builder.inputs(2).outputs(1).build().expect("a network");
        let how =
            Initialisation { rate: self.rate, spread: 0.05, input: self.input, ..Initialisation::default() };
        network.initialise(&how, &mut ChaCha8Rng::seed_from_u64(1)).expect("currents");
        network
    }

    fn options(&self, network: &Network<f64>) -> HealthOptions {
        let current = network.parameters.bias()[0].abs();
        let rate = |group, rate| LearningRate { group, rate };
        let [slow, fast] = self.rates;
        HealthOptions::of(TrainingOptions {
            h: self.h,
            rates: vec![
                rate(Group::Weight(0), slow * current),
                rate(Group::Input, slow * current),
                rate(Group::Bias, slow * current),
                rate(Group::Readout(0), fast),
            ],
            ..TrainingOptions::default()
        })
    }
}

/// The readout is to follow the mean of two inputs that jump to random levels.
fn trials(seeds: std::ops::Range<u64>) -> Vec<Trial<f64>> {
    let trial = |seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut trial = Trial::silent(200, 1.0, 2);
        let mut levels = [0.0; 2];
        for m in 0..200 {
            if m % 40 == 0 {
                levels = [rng.random_range(0.0..1.0), rng.random_range(0.0..1.0)];
            }
            trial.inputs[2 * m..][..2].copy_from_slice(&levels);
            trial.targets.push(0.5 * (levels[0] + levels[1]));
        }
        trial.scale = trial.duration();
        trial
    };
    seeds.map(trial).collect()
}

fn examine(network: &Network<f64>, trials: &[Trial<f64>], options: &HealthOptions) -> Health {
    Health::examine(network, trials, &[], &LOSS, options).expect("examined")
}

/// The network, the trials and the report in single precision.
fn examine_single(network: &Network<f64>, trials: &[Trial<f64>], options: &HealthOptions) -> Health {
    let trials: Vec<_> = trials.iter().map(|trial| trial.map(|x| x as f32)).collect();
    let loss = QuadraticLoss { lambda: 0.0_f32 };
    Health::examine(&network.to_f32(), &trials, &[], &loss, options).expect("examined")
}

fn quick(options: HealthOptions) -> HealthOptions {
    HealthOptions { halve: false, steps: 0, ..options }
}

#[test]
fn healthy_networks_of_several_models_get_no_finding() {
    for case in cases() {
        let network = case.network();
        let options = case.options(&network);
        for health in
            [examine(&network, &trials(0..5), &options), examine_single(&network, &trials(0..5), &options)]
        {
            assert_eq!(health.findings(), [], "{health}");
            assert!(health.to_string().contains("nothing is found"), "{health}");
        }
    }
}

#[test]
fn chaos_is_named_with_its_time() {
    let case = &cases()[0];
    let mut network = case.network();
    let options = quick(case.options(&network));
    network
        .draw(Group::Weight(0), Draw::FanIn { gain: 2.0 }, &mut ChaCha8Rng::seed_from_u64(5))
        .expect("weights");
    network.parameters.bias_mut().fill(0.02);
    for health in
        [examine(&network, &trials(0..4), &options), examine_single(&network, &trials(0..4), &options)]
    {
        let findings = health.findings();
        let chaos = findings.iter().find(|finding| matches!(finding, Finding::Chaos { .. }));
        let Some(Finding::Chaos { folding, decades }) = chaos else { panic!("{health}") };
        assert!(*folding < 40.0 && *decades > 2.0, "{health}");
    }
}

#[test]
fn silent_and_idle_neurons_are_counted() {
    for case in cases() {
        let mut network = case.network();
        let options = quick(case.options(&network));
        // Neurons 0 to 4 are driven by nothing, and sit far below threshold.
        let low = -network.parameters.bias()[0].abs();
        for neuron in 0..5 {
            network.parameters.bias_mut()[neuron] = low;
            network.parameters.input_mut().row_mut(neuron).fill(0.0);
            network.parameters.weight_mut(0).row_mut(neuron).fill(0.0);
        }
        let health = examine(&network, &trials(0..3), &options);
        let idle = Finding::NeverActive { population: "hidden".into(), neurons: 5, of: 16 };
        assert!(health.findings().contains(&idle), "{health}");
        assert_eq!(health.silent_trials, 0);
        network.parameters.bias_mut().fill(low);
        network.parameters.input_mut().fill(0.0);
        let health = examine(&network, &trials(0..3), &options);
        let findings = health.findings();
        assert!(findings.contains(&Finding::Silence { trials: 3 }), "{health}");
        let has_none = |finding: &Finding| match finding {
            Finding::NoGradient { groups, zero: 3, of: 3 } => groups.contains(&"slow.weight".to_owned()),
            _ => false,
        };
        assert!(findings.iter().any(has_none), "{health}");
    }
}

#[test]
fn saturated_neurons_are_counted() {
    let shape = GateShape::RaisedCosine;
    let refractory = Population::new("hidden", RefractoryLif::default(), 16, shape, 0.3);
    let saturated = [
        (&cases()[0].population, 2.0),
        (&cases()[1].population, 2.0),
        // Refractory for 2 ms: no faster than 500 Hz at any step.
        (&refractory, 5.0),
    ];
    for (population, current) in saturated {
        let case = Case { population: population.clone(), h: 0.5, rate: 40.0, input: 1.0, rates: [0.0; 2] };
        let mut network = case.network();
        network.parameters.bias_mut()[..4].fill(current);
        let health = examine(&network, &trials(0..2), &quick(case.options(&network)));
        let findings = health.findings();
        let found = findings.iter().find(|finding| matches!(finding, Finding::Saturated { .. }));
        assert!(matches!(found, Some(Finding::Saturated { neurons: 4, of: 16, .. })), "{health}");
    }
}

#[test]
fn a_step_that_is_too_coarse_is_found_by_halving_it() {
    for (case, coarse) in cases().into_iter().zip([4.0, 4.0, 5.0]) {
        let network = case.network();
        let mut options = case.options(&network);
        options.steps = 0;
        options.training.h = coarse;
        let trials: Vec<_> = trials(0..4)
            .into_iter()
            .map(|mut trial| {
                // A grid that the step divides.
                trial.interval = coarse;
                trial.scale = trial.duration();
                trial
            })
            .collect();
        let health = examine(&network, &trials, &options);
        let findings = health.findings();
        let is_coarse = |finding: &Finding| matches!(finding, Finding::CoarseStep { .. });
        assert!(findings.iter().any(is_coarse), "{health}");
        let message = findings.iter().find(|finding| is_coarse(finding)).expect("one").to_string();
        assert!(message.contains("take a smaller step h"), "{message}");
    }
}

#[test]
fn learning_rates_that_are_too_large_or_too_small_are_named() {
    let case = &cases()[0];
    let mut network = case.network();
    // Far from having learned anything.
    network.parameters.readout_mut(0).iter_mut().for_each(|o| *o *= 0.2);
    let before = network.parameters.clone();
    let with = |factor: f64| {
        let mut options = HealthOptions { halve: false, ..case.options(&network) };
        options.training.rates.iter_mut().for_each(|rate| rate.rate *= factor);
        examine(&network, &trials(0..4), &options)
    };
    let health = with(100.0);
    let findings = health.findings();
    let rises = |finding: &Finding| matches!(finding, Finding::CostRises { before, after: Some(after), falls_at: Some(0.1 | 0.01) } if after > before);
    assert!(findings.iter().any(rises), "{health}");
    assert!(
        findings.iter().any(|f| matches!(f, Finding::LargeUpdate { size, .. } if *size > 1.0)),
        "{health}"
    );
    let health = with(1e-8);
    let findings = health.findings();
    assert!(findings.iter().any(|f| matches!(f, Finding::SmallUpdates { .. })), "{health}");
    let health = with(1e-3);
    let findings = health.findings();
    assert!(
        findings.iter().any(|f| matches!(f, Finding::OtherRates { factor, .. } if *factor > 1.0)),
        "{health}"
    );
    assert_eq!(network.parameters, before);
}

#[test]
fn faults_of_the_data_are_named() {
    let case = &cases()[1];
    let network = case.network();
    let options = quick(case.options(&network));
    let mut dead = trials(0..3);
    dead.iter_mut().for_each(|trial| trial.inputs.iter_mut().skip(1).step_by(2).for_each(|i| *i = 0.0));
    let health = examine(&network, &dead, &options);
    let zero = Finding::ZeroInputs { channels: vec![1], of: 2 };
    assert!(health.findings().contains(&zero), "{health}");
    dead.iter_mut().for_each(|trial| {
        trial.inputs.iter_mut().skip(1).step_by(2).for_each(|i| *i = 0.5);
        trial.targets.fill(0.25);
    });
    let findings = examine(&network, &dead, &options).findings();
    assert!(findings.contains(&Finding::ConstantInputs { channels: vec![1], of: 2 }), "{findings:?}");
    assert!(findings.contains(&Finding::ConstantTarget { output: 0, value: 0.25 }), "{findings:?}");

    let mut broken = trials(0..4);
    broken[2].inputs[2 * 37 + 1] = f64::NAN;
    broken[3].targets[5] = f64::INFINITY;
    let health = examine(&network, &broken, &options);
    let first = Finding::NonFiniteData { what: "inputs", trial: 2, sample: 37, channel: 1, trials: 2 };
    assert_eq!(health.findings().first(), Some(&first), "{health}");
    assert!(first.to_string().starts_with("the inputs of trial 2 are not finite at sample 37, channel 1"));
    let second = NonFinite { what: "targets", trial: 3, sample: 5, channel: 0 };
    assert_eq!((health.data.non_finite[1], health.trials), (second, 2));
    // Where no trial is left, the report still says why.
    let broken = [broken.swap_remove(2)];
    let health = examine(&network, &broken, &options);
    assert_eq!((health.trials, health.findings().len()), (0, 1), "{health}");
}

#[test]
fn readouts_of_zero_and_inputs_that_nobody_sees_are_named() {
    let case = &cases()[1];
    let mut network = case.network();
    let options = quick(case.options(&network));
    network.parameters.input_mut().fill(0.0);
    let findings = examine(&network, &trials(0..2), &options).findings();
    assert!(findings.contains(&Finding::InputsWithoutEffect { change: 0.0 }), "{findings:?}");
    network.parameters.readout_mut(0).fill(0.0);
    let health = examine(&network, &trials(0..2), &options);
    let findings = health.findings();
    assert!(findings.contains(&Finding::ZeroReadout { name: "readout.weight".into() }), "{health}");
    let cost = health.cost.expect("a cost");
    assert_eq!(Some(cost.mean), cost.guessing);
    network.parameters.readout_mut(0).fill(20.0);
    let findings = examine(&network, &trials(0..2), &options).findings();
    assert!(findings.iter().any(|f| matches!(f, Finding::WorseThanGuessing { .. })), "{findings:?}");
}

/// Trials of random inputs whose class of two is drawn from another stream.
fn shuffled(seeds: std::ops::Range<u64>) -> Vec<Trial<f64>> {
    let mut trials = trials(seeds.clone());
    for (trial, seed) in trials.iter_mut().zip(seeds) {
        let class = ChaCha8Rng::seed_from_u64(1000 + seed).random_range(0..2);
        trial.targets.clear();
        trial.label = vec![0.0; 2];
        trial.label[class] = 1.0;
    }
    trials
}

#[test]
fn labels_that_do_not_belong_to_the_inputs_are_found_on_held_out_trials() {
    let case = &cases()[1];
    let population = case.population.clone();
    let mut network = Network::builder()
        .population(population)
        .synapse("slow", 20.0)
        .inputs(2)
        .outputs(2)
        .build()
        .expect("a network");
    let how =
        Initialisation { rate: 40.0, spread: 0.2, input: 1.0, readout: 0.1, ..Initialisation::default() };
    network.initialise(&how, &mut ChaCha8Rng::seed_from_u64(1)).expect("currents");
    let (train, held_out, loss) =
        (shuffled(0..8), shuffled(100..108), CrossEntropy { of: Score::Mean, smoothing: 0.0 });
    let rates =
        [(Group::Readout(0), 5.0), (Group::Input, 2e-3), (Group::Weight(0), 2e-2), (Group::Bias, 1e-3)];
    let rates = rates.map(|(group, rate)| LearningRate { group, rate });
    let examine = |network: &Network<f64>| {
        let training = TrainingOptions { h: case.h, rates: rates.to_vec(), ..TrainingOptions::default() };
        let options = HealthOptions { halve: false, ..HealthOptions::of(training) };
        Health::examine(network, &train, &held_out, &loss, &options).expect("examined")
    };
    let cost = examine(&network).cost.expect("a cost");
    // Two classes, and a readout of zero.
    assert!((cost.guessing.expect("a readout") - 2.0_f64.ln()).abs() < 1e-12);
    let mut optimiser = Optimiser::new(&network, UpdateRule::ADAM, &rates).expect("an optimiser");
    let (mut batch, mut gradient) = (Batch::default(), network.parameters.zeros_like());
    for _ in 0..300 {
        let scheme = SplitStep::new(&network, case.h).expect("a scheme");
        let result = batch.gradient(&scheme, &train, &loss, None, &mut gradient).expect("a gradient");
        if result.cost < 0.05 {
            break;
        }
        optimiser.step(&mut network, &gradient, 1.0).expect("a step");
    }
    let health = examine(&network);
    let findings = health.findings();
    let found = findings.iter().find(|finding| matches!(finding, Finding::DoesNotGeneralise { .. }));
    assert!(
        found.is_some_and(|finding| finding.to_string().contains("labels that do not belong")),
        "{health}"
    );
    assert!(
        !findings.iter().any(|f| matches!(f, Finding::CannotFit { .. } | Finding::OtherRates { .. })),
        "{health}"
    );
}

#[test]
fn classes_are_counted_and_missed() {
    let network = Network::builder()
        .population(cases()[1].population.clone())
        .synapse("slow", 20.0)
        .inputs(2)
        .outputs(2);
    let network = network.build().expect("a network");
    let loss = CrossEntropy { of: Score::Mean, smoothing: 0.0 };
    let mut trials = shuffled(0..12);
    trials.iter_mut().for_each(|trial| trial.label = vec![0.0, 1.0]);
    let data = DataHealth::of(&network, &trials, &loss);
    assert_eq!(data.classes, Some(vec![0, 12]));
    let options = HealthOptions { trials: 1, ..quick(HealthOptions::default()) };
    let findings = Health::examine(&network, &trials, &[], &loss, &options).expect("examined").findings();
    assert!(
        findings.contains(&Finding::MissingClasses { classes: vec![0], of: 2, trials: 12 }),
        "{findings:?}"
    );
    // Four trials may well be of one class of two.
    let findings =
        Health::examine(&network, &trials[..4], &[], &loss, &options).expect("examined").findings();
    assert!(!findings.iter().any(|f| matches!(f, Finding::MissingClasses { .. })), "{findings:?}");
}

#[test]
fn trials_that_cannot_be_fitted_are_told() {
    // The same inputs, and opposite targets: nothing can do better than their mean, which a readout of zero has.
    let case = &cases()[1];
    let mut network = case.network();
    let options = HealthOptions { halve: false, steps: 8, fit_trials: 2, ..case.options(&network) };
    network.parameters.readout_mut(0).fill(1e-3);
    let mut trials = [trials(0..1), trials(0..1)].concat();
    trials[0].targets.iter_mut().for_each(|target| *target = if *target > 0.5 { 1.0 } else { -1.0 });
    trials[1].targets = trials[0].targets.iter().map(|target| -target).collect();
    let health = examine(&network, &trials, &options);
    let findings = health.findings();
    assert!(findings.iter().any(|f| matches!(f, Finding::CannotFit { trials: 2, .. })), "{health}");
}

/// The growth of a cotangent back in time, 1/ms.
fn growth<T: Scalar>(network: &Network<T>, trial: &Trial<T>, h: f64) -> f64 {
    let scheme = SplitStep::new(network, h).expect("a scheme");
    let run = scheme.run(trial, &NoLoss).expect("a run");
    let mut gradient = network.parameters.zeros_like();
    let found = cotangent::growth(&run, &mut Sweep::new(), gradient.values_mut());
    found.expect("finite").expect("a growth")
}

#[test]
fn a_voltage_that_leaks_decays_at_the_rate_of_its_leak() {
    for (tau_v, h) in [(20.0, 0.5), (20.0, 2.0), (5.0, 0.25)] {
        let lif = Lif { tau_v, ..Lif::default() };
        let population = Population::new("lif", lif, 6, GateShape::RaisedCosine, 0.3);
        let builder = Network::builder().population(population).synapse("slow", 10.0);
        let mut network: Network<f64> = builder.build().expect("a network");
        network.parameters.bias_mut().fill(0.3 / tau_v);
        let trial = Trial::silent(400, 2.0, 0);
        let found = growth(&network, &trial, h);
        assert!((found * tau_v + 1.0).abs() < 1e-9, "{tau_v} {h}: {found}");
        let single = growth(&network.to_f32(), &trial.map(|x| x as f32), h);
        assert!((single * tau_v + 1.0).abs() < 1e-4, "{tau_v} {h}: {single}");
    }
}

#[test]
fn growth_is_that_of_differences_between_trajectories() {
    let population = Population::new("theta", Theta::default(), 24, GateShape::RaisedCosine, 0.3);
    let builder = Network::builder().population(population).synapse("slow", 20.0);
    let mut network = builder.build().expect("a network");
    network.parameters.bias_mut().iter_mut().zip(0..).for_each(|(b, i)| *b = 0.015 + 0.001 * f64::from(i));
    let rng = &mut ChaCha8Rng::seed_from_u64(2);
    network.draw(Group::Weight(0), Draw::FanIn { gain: 1.0 }, rng).expect("weights");
    let mut trial = Trial::silent(800, 1.0, 0);
    let found = growth(&network, &trial, 0.5);
    assert!(found * 800.0 > CHAOS, "{found}");
    // A difference that is brought back to its size every 20 ms, as Benettin does it.
    let scheme = SplitStep::new(&network, 0.5).expect("a scheme");
    trial.samples = 20;
    let (mut sum, size) = (0.0, 1e-7);
    let end = |trial: &Trial<f64>| {
        let run = scheme.run(trial, &NoLoss).expect("a run");
        let mut sweep = Sweep::new();
        sweep.cost(&run).expect("finite");
        let (membrane, traces) = (network.membrane(), run.synapses(0));
        let state = sweep.state();
        InitialState { x: state[..membrane].to_vec(), s: state[traces].to_vec() }
    };
    let mut start = InitialState { x: vec![0.0; 24], s: vec![0.0; 24] };
    let mut other = InitialState { x: (0..24).map(|i| size * f64::from(i % 3)).collect(), s: vec![0.0; 24] };
    for part in 0..40 {
        let from = |state: &InitialState<f64>| Trial { initial: Some(state.clone()), ..trial.clone() };
        (start, other) = (end(&from(&start)), end(&from(&other)));
        let difference = |a: &[f64], b: &[f64]| -> Vec<f64> {
            // Voltages lie on a circle.
            a.iter().zip(b).map(|(a, b)| (b - a) - (b - a).round()).collect()
        };
        let (x, s) = (difference(&start.x, &other.x), difference(&start.s, &other.s));
        // Traces are rates in 1/ms; a charge of 1 changes one by 1/20.
        let norm = x.iter().chain(&s).map(|d| d * d).sum::<f64>().sqrt();
        if part >= 5 {
            sum += (norm / size).ln();
        }
        other.x = start.x.iter().zip(&x).map(|(a, d)| a + d * size / norm).collect();
        other.s = start.s.iter().zip(&s).map(|(a, d)| a + d * size / norm).collect();
        // The first ones give the direction time to turn.
    }
    let forwards = sum / (35.0 * 20.0);
    assert!((found / forwards - 1.0).abs() < 0.25, "backwards {found}, forwards {forwards}");
}

#[test]
fn a_cost_that_does_not_feel_its_inputs_is_told() {
    let case = &cases()[1];
    let lif = Lif { tau_v: 5.0, ..Lif::default() };
    let population = Population::new("hidden", lif, 16, GateShape::RaisedCosine, 0.3);
    let mut network = Network::builder()
        .population(population)
        .synapse("slow", 5.0)
        .inputs(2)
        .outputs(2)
        .build()
        .expect("a network");
    network.parameters.input_mut().iter_mut().zip(1..).for_each(|(u, i)| *u = 0.016 * f64::from(i));
    network.parameters.readout_mut(0).iter_mut().zip(1..).for_each(|(o, i)| *o = 0.3 * f64::from(i));
    network.parameters.bias_mut().fill(0.19);
    // Inputs for 40 of 200 ms, and a score at the end.
    let mut trials = shuffled(0..3);
    trials.iter_mut().for_each(|trial| trial.inputs[80..].fill(0.0));
    let options = quick(case.options(&network));
    let loss = CrossEntropy { of: Score::Last, smoothing: 0.0 };
    let health = Health::examine(&network, &trials, &[], &loss, &options).expect("examined");
    let findings = health.findings();
    let found = findings.iter().find(|finding| matches!(finding, Finding::Vanishing { .. }));
    let Some(Finding::Vanishing { before, duration: 200.0, .. }) = found else { panic!("{health}") };
    assert!(*before > 100.0 && *before < 190.0, "{health}");
}

#[test]
fn clipping_and_tails_are_measured() {
    let clip = Clip { quantile: 0.6, factor: 1.0 };
    let figures: Vec<Figures> = [1.0, 1.0, 2.0, 2.0, 100.0, 0.0]
        .into_iter()
        .map(|norm| Figures { norms: vec![norm], ..Figures::default() })
        .collect();
    let found = GroupHealth::of((0, "slow.weight", 9), &figures, Some(clip)).expect("a group");
    assert_eq!((found.tail, found.zero, found.trials), (Some(50.0), 1, 6));
    let clipped = found.clipped.expect("clipped");
    assert_eq!((clipped.largest, clipped.share), (2.0, 0.2));
    assert!((clipped.left - 4.02 / 5.0).abs() < 1e-12);
    let case = &cases()[1];
    let network = case.network();
    let mut options = quick(case.options(&network));
    options.training.clip = Some(Clip { quantile: 0.6, factor: 1e-3 });
    let findings = examine(&network, &trials(0..3), &options).findings();
    let is_clipped = |finding: &Finding| match finding {
        // The readout is not clipped.
        Finding::ClippedAway { groups, left } => groups.len() == 3 && *left < 2e-3,
        _ => false,
    };
    assert!(findings.iter().any(is_clipped), "{findings:?}");
}

#[test]
fn a_report_is_data() {
    let case = &cases()[1];
    let network = case.network();
    let health = examine(&network, &trials(0..2), &quick(case.options(&network)));
    let json = serde_json::to_value(&health).expect("data");
    assert_eq!(json["trials"], 2);
    assert_eq!(json["populations"][0]["name"], "hidden");
    assert!(json["groups"][0]["norms"]["median"].as_f64().is_some_and(|norm| norm > 0.0));
    let finding = serde_json::to_value(Finding::Silence { trials: 3 }).expect("data");
    assert_eq!(finding, serde_json::json!({ "finding": "silence", "trials": 3 }));
    let nothing = Health::examine(&network, &[], &[], &LOSS, &HealthOptions::default());
    assert!(matches!(nothing, Err(Error::Training(spikegrad_training::Error::EmptyBatch))));
}

#[test]
fn findings_are_plain_words_with_figures() {
    let population = "hidden".to_owned();
    let said = Finding::NeverActive { population, neurons: 31, of: 80 }.to_string();
    assert_eq!(
        said,
        "31 of 80 neurons of `hidden` never enter the active zone: no gradient reaches them; raise their tonic currents or input \
         weights, or widen the gate"
    );
    let said = Finding::Chaos { folding: 35.0, decades: 4.2 }.to_string();
    assert!(
        said.starts_with("the gradient grows by a factor e every 35.0 ms going back in time, by 10^4.2"),
        "{said}"
    );
    let said = Finding::DoesNotGeneralise { cost: 0.1, held_out: 1.2, guessing: 1.1 }.to_string();
    assert!(said.contains("(cost 0.100) and not the held-out ones (1.200, guessing is 1.100)"), "{said}");
    let channels: Vec<usize> = (3..20).collect();
    let said = Finding::ZeroInputs { channels, of: 784 }.to_string();
    assert!(
        said.contains(
            "17 of 784 input channels are zero in all trials (channel 3, 4, 5, 6, 7, 8, 9, 10, ...)"
        ),
        "{said}"
    );
}
