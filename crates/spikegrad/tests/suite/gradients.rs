//! The discrete adjoint by the gradient assertion, in f64: every neuron, gate and scheme, every group of parameters; and
//! that the assertion catches errors planted in the transpose of a network.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::time::Instant;

use crate::common::{Model, Problem, Spec, all_models, problem, runner, specs};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};
use spikegrad::adjoint::{BoxError, CheckedGroup, Error, GradientCheck, GradientReport, Objective, Sweep};
use spikegrad::integrators::{EventLog, Exponential, Step, StepVjp, Tableau, tableau};
use spikegrad::models::math::real;
use spikegrad::models::{
    AdEx, AutoVjp, FitzHughNagumo, GateShape, Integration, Lif, Locate, MorrisLecar, Neuron, NeuronVjp,
    Parameter, Real, RefractoryLif, Reset, Theta, for_each_neuron,
};
use spikegrad::network::{Group, InitialState, PlainStep, SplitRun, SplitStep, SplitTape};
use spikegrad::tasks::{NetworkObjective, Scheme};

/// Checks random networks of `models`, case by case under the schemes and gates that `deal` gives to it, and judges all
/// of them together: at most 5 % of the directions may be discarded, and neurons must fire.
fn prove(name: &str, models: &[&Model], deal: &dyn Fn(usize) -> Vec<(Scheme, GateShape)>) {
    // `deal` is dynamic, so that all of this is compiled once.
    // An action potential takes more steps than the way to a threshold. Its state, as the currents of mixed models, has
    // entries of mixed units, so that steps relative to the group's norm must be smaller.
    let action_potential = models.iter().any(|model| model.action_potential);
    let mixed_units = models.iter().any(|model| model.mixed_units);
    let steps = if action_potential { 50..150 } else { 30..120 };
    let smallest = if mixed_units { 1e-11 } else { 1e-8 };
    let started = Instant::now();
    let (merged, cases) = (RefCell::new(None::<GradientReport>), RefCell::new(0..));
    let outcome = runner().run(&specs(steps), |spec: Spec| {
        let case = cases.borrow_mut().next().unwrap_or(0);
        for (scheme, shape) in deal(case) {
            let p = problem(models, shape, &spec);
            let mut objective = NetworkObjective::new(p.network, &p.trial, &p.loss, scheme, p.h);
            let check =
                GradientCheck { directions: 2, seed: spec.seed, smallest, ..GradientCheck::default() };
            let report = check.run(&mut objective).map_err(|e| TestCaseError::fail(e.to_string()))?;
            if let Err(error) = report.agreement() {
                return Err(TestCaseError::fail(format!("{scheme:?}, {shape:?}: {error}\n{report}")));
            }
            match &mut *merged.borrow_mut() {
                Some(merged) => merged.merge(report),
                empty => *empty = Some(report),
            }
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{name}: {error}");
    }
    let report = merged.into_inner().expect("at least one case");
    println!("{name}, {:.1} s\n{report}", started.elapsed().as_secs_f64());
    assert!(report.passed(), "{name}: {report}");
    assert!(report.events.spikes > 0 && report.events.crossings > 0, "{name}: nothing fires\n{report}");
    // In a mixed network not every model need fire: each has all of its groups compared where it stands alone.
    if models.len() == 1 {
        assert!(report.not_compared().all(|group| group.size == 0), "{name}: a group is unproved\n{report}");
    }
}

/// Methods in turn.
fn method(number: usize) -> Tableau {
    tableau::ALL[number % tableau::ALL.len()]
}

/// Gates in turn, so that every method meets every gate.
fn gate(number: usize) -> GateShape {
    GateShape::ALL[number % GateShape::ALL.len()]
}

macro_rules! every_neuron {
    ($module:ident, $neuron:ty) => {
        mod $module {
            use super::*;

            #[test]
            fn split_step_with_every_gate_has_an_exact_gradient() {
                let model = Model::of::<$neuron>();
                prove(&format!("{}, split step", model.name), &[&model], &|_| {
                    GateShape::ALL.map(|shape| (Scheme::Split(tableau::EULER.into()), shape)).to_vec()
                });
            }

            #[test]
            fn split_step_with_every_tableau_has_an_exact_gradient() {
                let model = Model::of::<$neuron>();
                prove(&format!("{}, split step, tableaux", model.name), &[&model], &|case| {
                    let deal = |number: usize| (Scheme::Split(method(number).into()), gate(number));
                    (2 * case..2 * case + 2).map(deal).collect()
                });
            }

            #[test]
            fn plain_field_with_every_tableau_has_an_exact_gradient_or_is_refused() {
                let model = Model::of::<$neuron>();
                if model.plain {
                    prove(&format!("{}, plain field", model.name), &[&model], &|case| {
                        let deal = |number| (Scheme::Plain(method(number)), gate(number));
                        let count = if model.action_potential { 2 } else { 4 };
                        (count * case..count * (case + 1)).map(deal).collect()
                    });
                } else {
                    let p = problem(&[&model], GateShape::Box, &example());
                    let refused = PlainStep::new(&p.network, p.h, tableau::RK4);
                    use spikegrad::network::Error;
                    assert!(matches!(refused, Err(Error::HardReset { .. } | Error::Rectified { .. })));
                }
            }

            #[test]
            fn planted_errors_are_caught() {
                catch_planted_errors(&Model::of::<$neuron>());
            }
        }
    };
}
for_each_neuron!(every_neuron);

#[test]
fn mixed_populations_have_an_exact_gradient() {
    let models = all_models();
    prove("mixed, split step", &models.iter().collect::<Vec<_>>(), &|case| {
        vec![(Scheme::Split(method(case).into()), gate(case))]
    });
    let plain: Vec<_> = models.iter().filter(|model| model.plain).collect();
    prove("mixed, plain field", &plain, &|case| vec![(Scheme::Plain(method(case)), gate(case))]);
}

/// A model without derivatives, in which nothing that a spike does is linear in parameters or state; with a hard reset or without.
#[derive(Clone, Copy, Debug, Default)]
struct Curved<const RESET: bool>;

impl<const RESET: bool> Neuron for Curved<RESET> {
    const NAME: &'static str = if RESET { "curved" } else { "curved, without a reset" };
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::positive("tau_v", "ms"),
        Parameter::positive("height", "1"),
        Parameter::new("drop", "1"),
        Parameter::new("step", "1"),
        Parameter::positive("pause", "ms"),
    ];
    const METHOD: Integration = Integration::RungeKutta4;
    const LOCATE: Locate = if RESET { Locate::DenseOutput } else { Locate::No };
    type State<T: Real> = [T; 2];
    type Params<T: Real> = [T; 5];

    fn params(&self) -> [f64; 5] {
        [10.0, 1.0, 0.3, 0.4, 4.0]
    }

    fn from_params(_: &[f64; 5]) -> Self {
        Self
    }

    fn rhs<T: Real>(&[tau_v, _, drop, step, pause]: &[T; 5], &[v, w]: &[T; 2], current: T) -> [T; 2] {
        // Without a reset, what brings the voltage down grows with it.
        let (leak, w_inf, tau_w) = if RESET {
            (v - real::<T>(0.3) * v.powi(2), real::<T>(0.02) * v.tanh(), tau_v * real(3.0))
        } else {
            (v, drop * (v / step).exp().ln_1p(), pause * real(7.0))
        };
        [current - w - leak / tau_v, (w_inf - w) / tau_w]
    }

    fn reset<T: Real>(&[_, height, drop, ..]: &[T; 5]) -> Reset<T> {
        if RESET {
            Reset::To { threshold: height.sqrt(), value: -drop * drop / height }
        } else {
            Reset::Latch { threshold: height.sqrt() }
        }
    }

    fn jump<T: Real>(&[_, _, _, step, _]: &[T; 5], &[v, w]: &[T; 2]) -> [T; 2] {
        [v, w * (-step).exp() + real::<T>(0.02) * step * (v * v + T::one()).ln()]
    }

    fn refractory<T: Real>(&[tau_v, .., pause]: &[T; 5]) -> Option<T> {
        RESET.then(|| pause * pause / tau_v)
    }

    fn rest(&self) -> [f64; 2] {
        [0.0, 0.0]
    }
}

/// The derivatives of a model that has none, by its equations.
#[test]
fn a_model_without_derivatives_has_an_exact_gradient() {
    let (reset, latch) = (Model::of::<AutoVjp<Curved<true>>>(), Model::of::<AutoVjp<Curved<false>>>());
    for model in [&reset, &latch] {
        prove(model.name, &[model], &|case| vec![(Scheme::Split(method(case).into()), gate(case))]);
    }
    prove("curved, plain field", &[&latch], &|case| vec![(Scheme::Plain(method(case)), gate(case))]);
    // A mistake is found in each of its parameters.
    catch_planted_errors(&reset);
}

/// The equations of a model that has its derivatives, under another name and without these.
#[derive(Clone, Copy, Debug, Default)]
struct Bare<N>(N);

impl<N: Neuron> Neuron for Bare<N> {
    const NAME: &'static str = "bare";
    const PARAMETERS: &'static [Parameter] = N::PARAMETERS;
    const METHOD: Integration = N::METHOD;
    const LOCATE: Locate = N::LOCATE;
    const RELAXES: bool = N::RELAXES;
    type State<T: Real> = N::State<T>;
    type Params<T: Real> = N::Params<T>;

    fn params(&self) -> N::Params<f64> {
        self.0.params()
    }

    fn from_params(params: &N::Params<f64>) -> Self {
        Self(N::from_params(params))
    }

    fn rhs<T: Real>(params: &N::Params<T>, x: &N::State<T>, current: T) -> N::State<T> {
        N::rhs(params, x, current)
    }

    fn relaxation<T: Real>(params: &N::Params<T>, x: &N::State<T>) -> N::State<T> {
        N::relaxation(params, x)
    }

    fn reset<T: Real>(params: &N::Params<T>) -> Reset<T> {
        N::reset(params)
    }

    fn jump<T: Real>(params: &N::Params<T>, before: &N::State<T>) -> N::State<T> {
        N::jump(params, before)
    }

    fn refractory<T: Real>(params: &N::Params<T>) -> Option<T> {
        N::refractory(params)
    }

    fn rest(&self) -> N::State<f64> {
        self.0.rest()
    }
}

/// The cost and the gradient of a problem, by the method that its model names.
fn gradient(p: &Problem) -> (f64, Vec<f64>) {
    let mut gradient = p.network.parameters.zeros_like();
    let step = SplitStep::new(&p.network, p.h).expect("a step");
    let run = step.run(&p.trial, &p.loss).expect("a run");
    let cost = Sweep::new().gradient(&run, gradient.values_mut()).expect("finite");
    (cost, gradient.values().to_vec())
}

/// One model of each flow: closed form, dense output, Runge-Kutta steps and exponential ones. All models have their single products
/// compared in `spikegrad-models`.
#[test]
fn a_model_without_derivatives_has_the_gradient_of_those_by_hand() {
    fn check<N: NeuronVjp + Default>() {
        let (by_hand, auto) = (Model::of::<N>(), Model::of::<AutoVjp<Bare<N>>>());
        let largest = std::cell::Cell::new(0.0_f64);
        let outcome = runner().run(&specs(50..100), |spec: Spec| {
            let [by_hand, auto] = [&by_hand, &auto].map(|model| {
                let mut p = problem(&[model], gate(spec.steps), &spec);
                // Half of the networks train no parameter of their neurons.
                let frozen = spec.seed.is_multiple_of(2);
                for parameter in (0..N::PARAMETERS.len()).filter(|_| frozen) {
                    p.network.freeze(Group::Neuron { population: 0, parameter }).expect("a group");
                }
                (gradient(&p), p)
            });
            let (((cost, by_hand), p), ((other, auto), _)) = (by_hand, auto);
            prop_assert_eq!(cost, other);
            for entry in p.network.parameters.layout().entries() {
                let [a, b] = [&by_hand, &auto].map(|gradient| &gradient[entry.range.clone()]);
                let norm = a.iter().fold(0.0, |norm: f64, a| norm.hypot(*a));
                let distance = a.iter().zip(b).fold(0.0, |norm: f64, (a, b)| norm.hypot(a - b));
                prop_assert!(distance <= 1e-12 * norm, "{}: {distance:e} of {norm:e}", entry.name);
                largest.set(largest.get().max(if norm > 0.0 { distance / norm } else { 0.0 }));
            }
            Ok(())
        });
        assert!(outcome.is_ok(), "{}: {}", N::NAME, outcome.expect_err("a failure"));
        println!("{}: gradients differ by {:.1e} of a group's norm at most", N::NAME, largest.get());
    }
    check::<RefractoryLif>();
    check::<AdEx>();
    check::<FitzHughNagumo>();
    check::<MorrisLecar>();
}

/// Alone and beside neurons that do not relax.
#[test]
fn exponential_methods_have_an_exact_gradient() {
    let models = all_models();
    let deal = |case: usize| {
        let scheme = |number: usize| Scheme::Split(Exponential::ALL[number % Exponential::ALL.len()].into());
        vec![(scheme(case), gate(case / 2))]
    };
    for model in models.iter().filter(|model| model.relaxes) {
        prove(&format!("{}, exponential", model.name), &[model], &deal);
    }
    prove("mixed, exponential", &models.iter().collect::<Vec<_>>(), &deal);
}

/// What is planted.
#[derive(Clone, Debug)]
enum Flaw {
    None,
    /// The gradient of a group has the wrong sign.
    Sign(Range<usize>),
    /// What the steps add to a group is left out, what the start adds is not.
    Dropped(Range<usize>),
    /// What the steps add to a group is larger by 1e-3.
    Scale(Range<usize>),
    /// The cotangents of a part of the state have the wrong sign after one step in the middle.
    StateSign(Range<usize>),
    /// They are zero after that step.
    StateDropped(Range<usize>),
    /// They are larger by 1e-3 after every step.
    StateScale(Range<usize>),
    /// Those of voltages of LIF neurons pass a spike without the factor of equation (32).
    Saltation,
}

/// A run with a flaw in its transpose.
struct Planted<'a> {
    run: SplitRun<'a, f64>,
    flaw: &'a Flaw,
}

impl Planted<'_> {
    /// The neurons that fired in the last step of the tape, and by what their cotangents jump.
    fn saltation(&self, tape: &SplitTape<f64>) -> Vec<(usize, f64)> {
        let parameter =
            &|parameter| self.run.network().parameters.group(Group::Neuron { population: 0, parameter })[0];
        let (tau_v, v_theta, v_reset) = (parameter(0), parameter(1), parameter(2));
        let current = self.run.last_current(tape);
        let mut factors = Vec::new();
        self.run.last_spikes(tape, |i, spikes| {
            let factor: f64 = (current[i] - v_reset / tau_v) / (current[i] - v_theta / tau_v);
            factors.push((i, factor.powi(spikes as i32)));
        });
        factors
    }
}

impl Step<f64> for Planted<'_> {
    type Tape = SplitTape<f64>;

    fn dim(&self) -> usize {
        self.run.dim()
    }
    fn steps(&self) -> usize {
        self.run.steps()
    }
    fn time(&self, n: usize) -> f64 {
        self.run.time(n)
    }
    fn start(&self, x: &mut [f64]) {
        self.run.start(x);
    }
    fn rewind(&self, x: &[f64], tape: &mut Self::Tape) {
        self.run.rewind(x, tape);
    }
    fn step(&self, n: usize, x: &mut [f64], tape: &mut Self::Tape) -> f64 {
        self.run.step(n, x, tape)
    }
}

impl StepVjp<f64> for Planted<'_> {
    fn n_parameters(&self) -> usize {
        self.run.n_parameters()
    }

    fn step_vjp(&self, n: usize, tape: &mut Self::Tape, cost_bar: f64, x_bar: &mut [f64], bar: &mut [f64]) {
        let before = bar.to_vec();
        let factors = match self.flaw {
            Flaw::Saltation => self.saltation(tape),
            _ => Vec::new(),
        };
        self.run.step_vjp(n, tape, cost_bar, x_bar, bar);
        factors.into_iter().for_each(|(neuron, factor)| x_bar[neuron] /= factor);
        let scale = |x: &mut [f64], range: &Range<usize>, factor: f64| {
            x[range.clone()].iter_mut().for_each(|x| *x *= factor);
        };
        let middle = n == self.steps() / 2;
        match self.flaw {
            Flaw::Dropped(range) => bar[range.clone()].copy_from_slice(&before[range.clone()]),
            Flaw::Scale(range) => {
                bar[range.clone()]
                    .iter_mut()
                    .zip(&before[range.clone()])
                    .for_each(|(b, a)| *b += 1e-3 * (*b - a));
            }
            Flaw::StateSign(range) if middle => scale(x_bar, range, -1.0),
            Flaw::StateDropped(range) if middle => scale(x_bar, range, 0.0),
            Flaw::StateScale(range) => scale(x_bar, range, 1.0 + 1e-3),
            _ => {}
        }
    }

    fn start_vjp(&self, x_bar: &mut [f64], bar: &mut [f64]) {
        self.run.start_vjp(x_bar, bar);
        if let Flaw::Sign(range) = self.flaw {
            bar[range.clone()].iter_mut().for_each(|x| *x = -*x);
        }
    }
}

/// Costs by the bits of the parameters, which no flaw changes: checks with one flaw after another ask for the same ones.
type Costs = RefCell<HashMap<Vec<u64>, (Result<f64, String>, EventLog)>>;

/// The objective of a network with a flaw in its gradient.
struct Spoilt<'a> {
    costs: &'a Costs,
    problem: &'a Problem,
    right: NetworkObjective<'a>,
    flaw: Flaw,
}

impl<'a> Spoilt<'a> {
    fn new(problem: &'a Problem, costs: &'a Costs, flaw: Flaw) -> Self {
        let (network, scheme) = (problem.network.clone(), Scheme::default());
        let right = NetworkObjective::new(network, &problem.trial, &problem.loss, scheme, problem.h);
        Self { costs, problem, right, flaw }
    }
}

impl Objective for Spoilt<'_> {
    fn groups(&self) -> Vec<CheckedGroup> {
        self.right.groups()
    }
    fn parameters(&self) -> Vec<f64> {
        self.right.parameters()
    }
    fn is_free(&self, parameter: usize) -> bool {
        self.right.is_free(parameter)
    }
    fn cost(&mut self, parameters: &[f64], log: &mut EventLog) -> Result<f64, BoxError> {
        let key = parameters.iter().map(|p| p.to_bits()).collect();
        let mut costs = self.costs.borrow_mut();
        let (cost, events) = costs.entry(key).or_insert_with(|| {
            let mut events = EventLog::default();
            let cost = self.right.cost(parameters, &mut events).map_err(|error| error.to_string());
            (cost, events)
        });
        log.clone_from(events);
        cost.clone().map_err(BoxError::from)
    }
    fn gradient(&mut self, parameters: &[f64], gradient: &mut [f64]) -> Result<f64, BoxError> {
        let mut network = self.problem.network.clone();
        network.parameters.values_mut().copy_from_slice(parameters);
        let step = SplitStep::new(&network, self.problem.h)?;
        let run = step.run(&self.problem.trial, &self.problem.loss)?;
        Ok(Sweep::new().gradient(&Planted { run, flaw: &self.flaw }, gradient)?)
    }
}

/// Five neurons with two synapse classes, in a trial that is long enough for some of them to fire.
fn example() -> Spec {
    Spec {
        neurons: 5,
        classes: 2,
        steps: 200,
        per_neuron: false,
        own_taus: false,
        given_start: false,
        seed: 1,
    }
}

fn catch_planted_errors(model: &Model) {
    let mut problem = problem(&[model], GateShape::RaisedCosine, &example());
    problem.loss.membrane.fill(0.1 / (model.voltage * model.voltage));
    let (check, costs) = (GradientCheck::default(), Costs::default());
    let report = check.run(&mut Spoilt::new(&problem, &costs, Flaw::None)).expect("a check");
    assert!(report.passed() && report.events.spikes > 0, "{}: {report}", model.name);

    let entries = problem.network.parameters.layout().entries();
    let of = |name: &str| entries.iter().find(|e| e.name == name).map(|e| e.range.clone());
    for group in report.groups.iter().filter(|group| group.norm > 0.0) {
        let range = of(&group.name).expect("a group of the layout");
        let mut flaws = vec![Flaw::Sign(range.clone())];
        // What the initial state and the gate's width get comes, for some models, from the start alone.
        if group.name != "initial" {
            flaws.extend([Flaw::Dropped(range.clone()), Flaw::Scale(range)]);
        }
        for flaw in flaws {
            let report = check.run(&mut Spoilt::new(&problem, &costs, flaw.clone())).expect("a check");
            let wrong: Vec<_> = report.groups.iter().filter(|g| g.mismatches > 0).map(|g| &g.name).collect();
            assert_eq!(wrong, [&group.name], "{}, {flaw:?}: {report}", model.name);
            assert!(matches!(report.verdict(), Err(Error::GradientMismatch { .. })), "{report}");
        }
    }

    let step = SplitStep::new(&problem.network, problem.h).expect("a step");
    let run = step.run(&problem.trial, &problem.loss).expect("a run");
    // The trace of the second class is not read: its part in the gradient is that of its current.
    let parts =
        [0..problem.network.neurons(), run.synapses(0), run.synaptic_current(0), run.synaptic_current(1)];
    for part in parts {
        for flaw in
            [Flaw::StateSign(part.clone()), Flaw::StateDropped(part.clone()), Flaw::StateScale(part.clone())]
        {
            let report = check.run(&mut Spoilt::new(&problem, &costs, flaw.clone())).expect("a check");
            assert!(report.groups.iter().any(|g| g.mismatches > 0), "{}, {flaw:?}: {report}", model.name);
        }
    }
}

/// Where nothing fires, all gradients are zero, that of a wrong transpose too: such a check must not pass.
#[test]
fn a_check_that_compared_nothing_is_no_pass() {
    let mut problem = problem(&[&Model::of::<Theta>()], GateShape::RaisedCosine, &example());
    let neurons = problem.network.neurons();
    for group in [Group::Weight(0), Group::Weight(1), Group::Input] {
        problem.network.parameters.group_mut(group).fill(0.0);
    }
    problem.network.parameters.bias_mut().fill(-0.02);
    problem.network.parameters.group_mut(Group::Initial).fill(0.3);
    problem.loss.membrane.fill(0.0);
    let costs = Costs::default();
    for flaw in [Flaw::None, Flaw::StateSign(0..neurons), Flaw::StateDropped(0..neurons)] {
        let report = GradientCheck::default().run(&mut Spoilt::new(&problem, &costs, flaw)).expect("a check");
        assert!(
            report.agreement().is_ok() && report.events.spikes == 0 && report.compared() == 0,
            "{report}"
        );
        assert!(matches!(report.verdict(), Err(Error::FlatCost { directions: 1.. })), "{report}");
    }
    // Charged synapses are read out: the readout's gradient is compared, and the report says of what nothing is known.
    let x = problem.network.parameters.group(Group::Initial).to_vec();
    problem.network.freeze(Group::Initial).expect("a group");
    problem.trial.initial = Some(InitialState { x, s: vec![0.02; 2 * neurons] });
    let costs = Costs::default();
    let report =
        GradientCheck::default().run(&mut Spoilt::new(&problem, &costs, Flaw::None)).expect("a check");
    assert!(report.passed() && report.not_compared().any(|group| group.name == "bias"), "{report}");
    assert!(report.to_string().contains("nothing is known of the gradient by"), "{report}");
}

/// Leaving the jump of the adjoint at a reset out is wrong by far more than any tolerance.
#[test]
fn a_missing_saltation_factor_is_caught() {
    let problem = problem(&[&Model::of::<Lif>()], GateShape::RaisedCosine, &example());
    let report = GradientCheck::default()
        .run(&mut Spoilt::new(&problem, &Costs::default(), Flaw::Saltation))
        .expect("a check");
    for group in ["bias", "initial", "p0.tau_v"] {
        let found = report.groups.iter().find(|g| g.name == group).expect("a group");
        assert!(found.mismatches > 0, "{group}: {report}");
    }
    assert!(matches!(report.verdict(), Err(Error::GradientMismatch { .. })), "{report}");
}
