//! Random networks below chaos, whatever the neuron: currents, voltages and states are scaled by what the model itself
//! needs to fire, so that a new model is covered without being asked.

use nalgebra::RealField;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use spikegrad::adjoint::{
    BoxError, CheckedGroup, Dual64, GradientReport, Objective, Sweep, forward_sensitivity,
};
use spikegrad::integrators::{EventLog, tableau};
use spikegrad::models::{GateShape, Locate, NeuronVjp, Reset, for_each_neuron};
use spikegrad::network::{
    Group, InitialState, Loss, Network, NoLoss, Population, Sample, SampleBar, Scalar, SplitStep, Trial,
};
use spikegrad::tasks::{NetworkObjective, Purpose, QuadraticLoss, Scheme, generator};

pub(crate) fn real<T: RealField>(x: f64) -> T {
    T::from_subset(&x)
}

/// Runs `work` where rayon has so many threads.
pub(crate) fn on<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    pool.install(work)
}

/// The loss that sees everything: weighted squared error, synaptic activity and the membrane state, explicit in time.
#[derive(Clone, Debug)]
pub(crate) struct Everything<T> {
    /// Weight of `|s|^2 / 2`.
    pub(crate) activity: T,
    /// Weight of `x^2 / 2` for every membrane variable.
    pub(crate) membrane: Vec<T>,
}

impl<T: Scalar> Everything<T> {
    pub(crate) fn map<U: Scalar>(&self, f: impl Fn(T) -> U) -> Everything<U> {
        Everything {
            activity: f(self.activity),
            membrane: self.membrane.iter().map(|&weight| f(weight)).collect(),
        }
    }

    /// How much dearer the membrane state is as time goes by.
    fn rise(at: &Sample<'_, T>) -> T {
        T::one() + at.time / real(50.0)
    }
}

impl<T: Scalar> Loss<T> for Everything<T> {
    fn value(&self, at: &Sample<'_, T>) -> T {
        let error = at.output.iter().zip(at.target).fold(T::zero(), |sum, (&o, &d)| sum + (o - d) * (o - d));
        let activity = at.s.iter().fold(T::zero(), |sum, &s| sum + s * s);
        let membrane = self.membrane.iter().zip(at.x).fold(T::zero(), |sum, (&w, &x)| sum + w * x * x);
        real::<T>(0.5) * (at.weight * error + self.activity * activity + Self::rise(at) * membrane)
    }

    fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        for ((bar, &o), &d) in bar.output.iter_mut().zip(at.output).zip(at.target) {
            *bar += value_bar * at.weight * (o - d);
        }
        for (bar, &s) in bar.s.iter_mut().zip(at.s) {
            *bar += value_bar * self.activity * s;
        }
        for ((bar, &x), &weight) in bar.x.iter_mut().zip(at.x).zip(&self.membrane) {
            *bar += value_bar * Self::rise(at) * weight * x;
        }
    }
}

/// A neuron model with the scales of its voltage, current and time.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) name: &'static str,
    population: fn(&str, usize, GateShape, f64) -> Population,
    /// Parameters of a neuron.
    parameters: usize,
    /// The least current that makes it fire soon.
    pub(crate) current: f64,
    /// The way that a voltage may go from rest or reset to threshold.
    pub(crate) voltage: f64,
    /// A step that resolves it, ms.
    pub(crate) h: f64,
    /// Whether it has an action potential without a reset, which takes steps finer than the way to a threshold.
    pub(crate) action_potential: bool,
    /// Whether voltages are in mV or there are several variables: entries of a group are then of different sizes.
    pub(crate) mixed_units: bool,
    /// The range of each state variable when it fires.
    ranges: Vec<f64>,
    /// Whether the plain field can run it.
    pub(crate) plain: bool,
    /// Whether its voltage is one that a reversal potential can be compared with.
    pub(crate) has_voltage: bool,
    /// Whether it has a part that exponential methods follow.
    pub(crate) relaxes: bool,
    /// States that it passes through when it fires.
    states: Vec<Vec<f64>>,
}

impl Model {
    pub(crate) fn of<N: NeuronVjp + Default>() -> Self {
        let neuron = N::default();
        let (reset, rest) = (N::reset(&neuron.params()), neuron.rest());
        let action_potential = matches!(reset, Reset::Latch { .. });
        // Action potentials and upstrokes are faster than the way to a threshold.
        let h = if action_potential {
            0.1
        } else if N::LOCATE == Locate::DenseOutput {
            0.25
        } else {
            0.5
        };
        let voltage = reset.widest_zone().unwrap_or(reset.threshold() - rest.as_ref()[0]);
        let mut model = Self {
            name: N::NAME,
            population: |name, size, shape, width| Population::new(name, N::default(), size, shape, width),
            parameters: N::PARAMETERS.len(),
            current: 0.01,
            voltage,
            h,
            action_potential,
            mixed_units: action_potential || N::LOCATE == Locate::DenseOutput,
            ranges: Vec::new(),
            plain: !matches!(reset, Reset::To { .. } | Reset::Rectify),
            has_voltage: !reset.wraps(),
            relaxes: N::RELAXES,
            states: Vec::new(),
        };
        while !model.fires() {
            model.current *= 1.3;
            assert!(model.current < 1e6, "{} never fires", model.name);
        }
        while action_potential && model.longest_way() > 0.2 * voltage {
            model.h /= 2.0;
            assert!(model.fires(), "{} fires at any step", model.name);
        }
        let range = |c: usize| {
            let values = model.states.iter().map(|x| (x[c] - rest.as_ref()[c]).abs());
            values.fold(f64::MIN_POSITIVE, f64::max)
        };
        model.ranges = (0..rest.as_ref().len()).map(range).collect();
        if reset.starts_below_threshold() {
            // So that thresholds can be varied without one of these lying above.
            let rest = rest.as_ref();
            for (x, rest) in model.states.iter_mut().flat_map(|x| x.iter_mut().zip(rest)) {
                *x = rest + 0.85 * (*x - rest);
            }
        }
        model
    }

    pub(crate) fn population(&self, name: &str, size: usize, shape: GateShape, width: f64) -> Population {
        (self.population)(name, size, shape, width)
    }

    /// A resting state.
    pub(crate) fn start(&self) -> Vec<f64> {
        let one =
            Network::builder().population(self.population("one", 1, GateShape::Box, 0.5 * self.voltage));
        let network = one.synapse("slow", 10.0).build().expect("a neuron");
        network.parameters.group(Group::Initial).to_vec()
    }

    /// The longest way of the voltage in one step.
    fn longest_way(&self) -> f64 {
        self.states.windows(2).map(|pair| (pair[1][0] - pair[0][0]).abs()).fold(0.0, f64::max)
    }

    /// Runs one neuron from rest for 60 ms, keeps its states and says whether it fires: twice, or one action potential.
    fn fires(&mut self) -> bool {
        let mut network = Network::builder()
            .population(self.population("one", 1, GateShape::Box, 0.5 * self.voltage))
            .synapse("slow", 10.0)
            .build()
            .expect("a neuron");
        network.parameters.bias_mut()[0] = self.current;
        let step = SplitStep::with_method(&network, self.h, tableau::RK4).expect("a step");
        let trial = Trial::silent((60.0 / self.h).round() as usize, self.h, 0);
        let run = step.run(&trial, &NoLoss).expect("a run");
        let states = &mut self.states;
        states.clear();
        Sweep::new().run(&run, |_, x, _| states.push(x[..network.membrane()].to_vec())).expect("finite");
        let spikes = run.record().expect("finite").spikes;
        if let (true, Some(spike)) = (self.action_potential, spikes.first()) {
            // Most of the time nothing happens: only what leads to an action potential is kept, and a little after it.
            let at = (spike.time / self.h).ceil() as usize;
            states.truncate(at + 50);
            states.drain(..at.saturating_sub(150));
        }
        spikes.len() >= if self.action_potential { 1 } else { 2 }
    }
}

/// One of each neuron there is.
pub(crate) fn all_models() -> Vec<Model> {
    let mut models = Vec::new();
    macro_rules! add {
        ($module:ident, $neuron:ty) => {
            models.push(Model::of::<$neuron>());
        };
    }
    for_each_neuron!(add);
    models
}

/// What a random problem is drawn from.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    /// Number of neurons, dealt to the populations in turn.
    pub(crate) neurons: usize,
    /// Number of synapse classes.
    pub(crate) classes: usize,
    /// Steps of the trial.
    pub(crate) steps: usize,
    /// Whether every neuron has parameters of its own.
    pub(crate) per_neuron: bool,
    /// Whether every neuron has synaptic time constants of its own, which takes the dense path.
    pub(crate) own_taus: bool,
    /// Whether the trial says where the network starts.
    pub(crate) given_start: bool,
    /// Seed of everything else.
    pub(crate) seed: u64,
}

/// A runner of property tests that draws the same cases every time: one case in some million is ill-conditioned, and a run
/// that fails should fail again. `PROPTEST_CASES` asks for more of them, `PROPTEST_RNG_SEED` for others.
pub(crate) fn runner() -> TestRunner {
    let default = Config::default();
    let rng_seed = match default.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        asked => asked,
    };
    TestRunner::new(Config { failure_persistence: None, rng_seed, ..default })
}

/// Specifications with 2 to 20 neurons, small ones more often, and 1 to 3 synapse classes.
pub(crate) fn specs(steps: std::ops::Range<usize>) -> impl Strategy<Value = Spec> {
    let neurons = prop_oneof![4 => 2..=5_usize, 2 => 6..=10_usize, 1 => 11..=20_usize];
    let flags = (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.3));
    (neurons, 1..=3_usize, steps, flags, any::<u64>()).prop_map(
        |(neurons, classes, steps, (per_neuron, own_taus, given_start), seed)| Spec {
            neurons,
            classes,
            steps,
            per_neuron,
            own_taus,
            given_start,
            seed,
        },
    )
}

/// A network, what it is run on and what it is judged by.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) network: Network<f64>,
    pub(crate) trial: Trial<f64>,
    pub(crate) loss: Everything<f64>,
    pub(crate) h: f64,
}

/// A standard normal number.
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    // Box & Muller (1958); the logarithm needs a number above zero.
    let (u, turn): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * turn).cos()
}

/// A network of populations of `models` with gates of `shape`, everything trainable and random, with a trial in which
/// neurons fire.
pub(crate) fn problem(models: &[&Model], shape: GateShape, spec: &Spec) -> Problem {
    let rng = &mut generator(spec.seed, Purpose::Test, 0);
    let (inputs, outputs) = (rng.random_range(0..=3), rng.random_range(1..=3));
    let h = models.iter().fold(f64::INFINITY, |h, model| h.min(model.h));
    let taus = [12.0, 4.0, 30.0].map(|tau: f64| tau * rng.random_range(0.8..1.2));
    let mut builder = Network::builder().inputs(inputs).outputs(outputs);
    for (k, name) in ["slow", "fast", "slower"].iter().enumerate().take(spec.classes) {
        builder = builder.synapse(name, taus[k]);
        if spec.own_taus {
            builder = builder.change(name, |p| p.tau_per_neuron());
        }
    }
    if spec.classes > 1 {
        builder = builder.change("fast", |p| p.without_autapses());
    }
    // The model of each neuron.
    let mut of = Vec::new();
    for (p, model) in models.iter().enumerate() {
        let size = (spec.neurons + models.len() - 1 - p) / models.len();
        let width = model.voltage * rng.random_range(0.25..0.6);
        let population = model.population(&format!("p{p}"), size.max(1), shape, width);
        builder = builder.population(if spec.per_neuron { population.per_neuron() } else { population });
        of.extend(std::iter::repeat_n(*model, size.max(1)));
    }
    let mut network = builder.build().expect("a network");
    network.unfreeze_all();
    let n = network.neurons();
    let gain = 0.3 / (n as f64).sqrt();
    for k in 0..spec.classes {
        if spec.own_taus {
            let own = network.parameters.group_mut(Group::Tau(k));
            own.iter_mut().for_each(|tau| *tau *= rng.random_range(0.8..1.2));
        }
        let masked = network.mask(Group::Weight(k)).is_some();
        let mut weights = network.parameters.weight_mut(k);
        for j in 0..n {
            for i in 0..n {
                if !(masked && i == j) {
                    weights[(i, j)] = gain * taus[k] * of[i].current * normal(rng);
                }
            }
        }
    }
    for (i, model) in of.iter().enumerate() {
        for p in 0..inputs {
            network.parameters.input_mut()[(i, p)] = 0.3 * model.current * normal(rng);
        }
        network.parameters.bias_mut()[i] = model.current * rng.random_range(0.9..1.6);
        for r in 0..outputs {
            network.parameters.readout_mut(0)[(r, i)] = taus[0] / (n as f64).sqrt() * normal(rng);
        }
    }
    for (population, model) in models.iter().enumerate() {
        for parameter in 0..model.parameters {
            for value in network.parameters.group_mut(Group::Neuron { population, parameter }) {
                *value *= 1.0 + 0.03 * rng.random_range(-1.0..1.0);
                // Parameters that are zero unless said otherwise, as reset voltages are.
                *value +=
                    if *value == 0.0 { 0.03 * model.voltage * rng.random_range(-1.0..1.0) } else { 0.0 };
            }
        }
    }
    let masked: Vec<Group> = (0..spec.classes)
        .filter(|&k| k != 1)
        .map(Group::Weight)
        .chain([Group::Input, Group::Readout(0)])
        .filter(|_| rng.random_bool(0.4))
        .collect();
    for group in masked {
        let density = rng.random_range(0.4..0.9);
        let rows = network.parameters.layout().entry(group).expect("a group").rows;
        let exists: Vec<bool> =
            (0..network.parameters.group(group).len()).map(|_| rng.random_bool(density)).collect();
        network.set_mask(group, |row, column| exists[column * rows + row]).expect("a mask");
    }
    let start = random_start(&network, &of, rng);
    network.parameters.group_mut(Group::Initial).copy_from_slice(&start);

    let hold = rng.random_range(1..=4);
    let samples = spec.steps.div_ceil(hold);
    let mut trial = Trial::silent(samples, hold as f64 * h, inputs);
    trial.inputs.iter_mut().for_each(|i| *i = if rng.random_bool(0.2) { 0.0 } else { normal(rng) });
    trial.targets = (0..samples * outputs).map(|_| normal(rng)).collect();
    if rng.random_bool(0.5) {
        trial.weights = (0..samples).map(|_| rng.random_range(0.0..2.0)).collect();
    }
    if rng.random_bool(0.5) {
        trial.scale = trial.duration();
    }
    if spec.given_start {
        let x = random_start(&network, &of, rng);
        let s = (0..spec.classes * n).map(|_| 0.03 * rng.random::<f64>()).collect();
        trial.initial = Some(InitialState { x, s });
        network.freeze(Group::Initial).expect("an initial state");
    }
    let weight = if rng.random_bool(0.5) { rng.random_range(0.05..0.2) } else { 0.0 };
    let mut membrane = vec![weight; network.membrane()];
    for (weight, model) in membrane.iter_mut().zip(&of) {
        *weight /= model.voltage * model.voltage;
    }
    let mut rest = n;
    for (_, range) in network.populations() {
        let model = of[range.start];
        for scale in &model.ranges[1..] {
            membrane[rest..][..range.len()].iter_mut().for_each(|weight| *weight /= scale.powi(2).max(1.0));
            rest += range.len();
        }
    }
    Problem { network, trial, loss: Everything { activity: 20.0, membrane }, h }
}

/// A membrane state with every neuron somewhere on its way.
pub(crate) fn random_start(network: &Network<f64>, of: &[&Model], rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut x = network.parameters.group(Group::Initial).to_vec();
    let mut rest = network.neurons();
    for (_, range) in network.populations() {
        let size = range.len();
        let variables = of[range.start].states[0].len();
        for i in range.clone() {
            let states = &of[i].states;
            let state = &states[rng.random_range(0..states.len())];
            x[i] = state[0];
            for c in 1..variables {
                x[rest + (c - 1) * size + i - range.start] = state[c];
            }
        }
        rest += (variables - 1) * size;
    }
    x
}

/// Checks random problems, `reports` for each, and judges all reports as one, in which enough neurons fired.
pub(crate) fn passes_merged<S: Strategy>(
    strategy: &S,
    reports: impl Fn(S::Value) -> Result<Vec<GradientReport>, TestCaseError>,
) {
    let merged = std::cell::RefCell::new(None::<GradientReport>);
    let outcome = runner().run(strategy, |value| {
        for report in reports(value)? {
            match &mut *merged.borrow_mut() {
                Some(merged) => merged.merge(report),
                empty => *empty = Some(report),
            }
        }
        Ok(())
    });
    assert!(outcome.is_ok(), "{}", outcome.expect_err("a failure"));
    let report = merged.into_inner().expect("a report");
    println!("{report}");
    assert!(report.passed() && report.events.spikes > 100, "{report}");
}

/// A function of a network, and of numbers beside its parameters, as an objective of the gradient check.
pub(crate) struct Function<'a, F> {
    network: Network<f64>,
    /// The groups of the network's parameters.
    of_network: NetworkObjective<'a>,
    /// Groups of numbers beside them, by their names.
    beside: Vec<(&'static str, Vec<f64>)>,
    /// The cost of both, and its gradient; logs what the runs did, if that is asked for.
    run: F,
}

impl<'a, F> Function<'a, F>
where
    F: FnMut(&Network<f64>, &[f64], Option<&mut EventLog>) -> Result<(f64, Vec<f64>), BoxError>,
{
    pub(crate) fn new(
        network: Network<f64>,
        trial: &'a Trial<f64>,
        beside: Vec<(&'static str, Vec<f64>)>,
        run: F,
    ) -> Self {
        let of_network = NetworkObjective::new(network.clone(), trial, &NoLoss, Scheme::default(), 1.0);
        Self { network, of_network, beside, run }
    }

    fn run(&mut self, parameters: &[f64], log: Option<&mut EventLog>) -> Result<(f64, Vec<f64>), BoxError> {
        let (of_network, beside) = parameters.split_at(self.network.parameters.layout().len());
        self.network.parameters.values_mut().copy_from_slice(of_network);
        (self.run)(&self.network, beside, log)
    }
}

impl<F> Objective for Function<'_, F>
where
    F: FnMut(&Network<f64>, &[f64], Option<&mut EventLog>) -> Result<(f64, Vec<f64>), BoxError>,
{
    fn groups(&self) -> Vec<CheckedGroup> {
        let mut groups = self.of_network.groups();
        let mut start = self.network.parameters.layout().len();
        for (name, numbers) in &self.beside {
            let range = start..start + numbers.len();
            start = range.end;
            groups.push(CheckedGroup { name: (*name).to_owned(), range });
        }
        groups
    }

    fn parameters(&self) -> Vec<f64> {
        let mut parameters = self.network.parameters.values().to_vec();
        self.beside.iter().for_each(|(_, numbers)| parameters.extend_from_slice(numbers));
        parameters
    }

    fn is_free(&self, parameter: usize) -> bool {
        parameter >= self.network.parameters.layout().len() || self.of_network.is_free(parameter)
    }

    fn cost(&mut self, parameters: &[f64], log: &mut EventLog) -> Result<f64, BoxError> {
        Ok(self.run(parameters, Some(log))?.0)
    }

    fn gradient(&mut self, parameters: &[f64], gradient: &mut [f64]) -> Result<f64, BoxError> {
        let (cost, all) = self.run(parameters, None)?;
        gradient.iter_mut().zip(all).for_each(|(to, bar)| *to += bar);
        Ok(cost)
    }
}

/// The gradient of the split step by the parameters in dual numbers, which share nothing with its transpose.
pub(crate) fn by_dual_numbers(network: &Network<f64>, trial: &Trial<f64>, h: f64, lambda: f64) -> Vec<f64> {
    let mut dual = network.to_dual();
    let trial = trial.map(Dual64::from);
    let loss = QuadraticLoss { lambda: Dual64::from(lambda) };
    let (_, forward) = forward_sensitivity(network.parameters.values(), |parameters| {
        dual.parameters.values_mut().copy_from_slice(parameters);
        let step = SplitStep::new(&dual, h)?;
        Ok::<_, BoxError>(Sweep::new().cost(&step.run(&trial, &loss)?)?)
    })
    .expect("dual numbers");
    forward
}

/// The slope of the least-squares line through `(ln h, ln error)`: the order of convergence.
pub(crate) fn order(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), (h, e)| (x + h.ln() / n, y + e.ln() / n));
    let covariance: f64 = points.iter().map(|(h, e)| (h.ln() - x) * (e.ln() - y)).sum();
    covariance / points.iter().map(|(h, _)| (h.ln() - x).powi(2)).sum::<f64>()
}

/// The root of the mean square.
pub(crate) fn rms(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0), |(sum, count), x| (sum + x * x, count + 1));
    (sum / f64::from(count)).sqrt()
}

/// Random tonic currents, input weights, readout and initial voltages, and a random trial of 80 samples of `interval` ms with two
/// outputs, which starts with charged synapses of three classes in a part `charged` of the cases.
pub(crate) fn random_trial(
    network: &mut Network<f64>,
    interval: f64,
    charged: f64,
    rng: &mut ChaCha8Rng,
) -> Trial<f64> {
    let n = network.neurons();
    network.parameters.bias_mut().iter_mut().for_each(|b| *b = 0.07 * (1.0 + 0.2 * normal(rng)));
    network.parameters.group_mut(Group::Input).iter_mut().for_each(|u| *u = 0.02 * normal(rng));
    let readout = network.parameters.group_mut(Group::Readout(0));
    readout.iter_mut().for_each(|o| *o = 5.0 / (n as f64).sqrt() * normal(rng));
    let x = network.parameters.group_mut(Group::Initial);
    x.iter_mut().for_each(|v| *v = rng.random_range(0.1..0.95));
    let mut trial = Trial::silent(80, interval, 1);
    trial.inputs.iter_mut().for_each(|i| *i = normal(rng));
    trial.targets = (0..160).map(|_| 0.3 * normal(rng)).collect();
    if rng.random_bool(charged) {
        network.freeze(Group::Initial).expect("an initial state");
        let x = network.parameters.group(Group::Initial).to_vec();
        trial.initial = Some(InitialState { x, s: (0..3 * n).map(|_| 0.02 * rng.random::<f64>()).collect() });
    }
    trial
}
