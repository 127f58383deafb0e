//! The ways to a gradient against each other: discrete adjoint, dual numbers, continuous adjoint; and what a sweep says of
//! numbers that are not finite.

use super::rates::{Flaw, Problem, Setting, parameters};
use proptest::prelude::*;
use spikegrad_adjoint::{
    ContinuousAdjoint, Dual64, Error, Memory, Sweep, directional_derivative, forward_sensitivity,
};
use spikegrad_integrators::{Divergence, EventLog, Step, StepVjp, tableau};

fn distance(a: &[f64], b: &[f64]) -> f64 {
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut b.iter().copied())
}

proptest! {
    #![proptest_config(super::cases())]

    #[test]
    fn discrete_adjoint_equals_dual_numbers(
        (dim, parameters) in (1..5_usize).prop_flat_map(|dim| (Just(dim), parameters(dim))),
        steps in 1..50_usize,
        choice in 0..tableau::ALL.len(),
    ) {
        let setting =
            Setting { tableau: tableau::ALL[choice], dim, h: 0.1, steps, flaw: Flaw::None };
        let step = setting.problem(&parameters).expect("a problem");
        let mut gradient = vec![0.0; step.n_parameters()];
        let cost = Sweep::new().gradient(&step, &mut gradient).expect("finite");
        let mut sweep = Sweep::<Dual64, _>::new();
        let mut program = |p: &[Dual64]| sweep.cost(&setting.problem(p).expect("a problem"));
        let (forward_cost, forward) = forward_sensitivity(&parameters, &mut program).expect("finite");
        prop_assert!((cost - forward_cost).abs() <= 1e-13 * cost);
        prop_assert!(distance(&gradient, &forward) <= 1e-12);
        let (_, along) = directional_derivative(&parameters, &forward, &mut program).expect("finite");
        let square: f64 = forward.iter().map(|g| g * g).sum();
        prop_assert!((along - square).abs() <= 1e-12 * square);
    }

    #[test]
    fn a_sweep_says_the_same_however_it_runs(parameters in parameters(3), steps in 1..50_usize) {
        let setting = Setting { tableau: tableau::RK4, dim: 3, h: 0.1, steps, flaw: Flaw::None };
        let step = setting.problem(&parameters).expect("a problem");
        let mut sweep = Sweep::new();
        let mut gradient = vec![0.0; step.n_parameters()];
        let cost = sweep.gradient(&step, &mut gradient).expect("finite");
        let end = sweep.state().to_vec();
        prop_assert_eq!(sweep.state_bar(), &gradient[gradient.len() - 3..]);
        let once = gradient.clone();
        prop_assert_eq!(sweep.gradient(&step, &mut gradient).expect("finite"), cost);
        // It adds to what is there.
        let doubled: Vec<_> = once.iter().map(|g| g + g).collect();
        prop_assert!(distance(&gradient, &doubled) < 1e-14);
        let mut log = EventLog::default();
        let mut visits = Vec::new();
        let runs = [
            sweep.cost(&step).expect("finite"),
            sweep.events(&step, &mut log).expect("finite"),
            sweep.run(&step, |n, x, cost| visits.push((n, x.to_vec(), cost))).expect("finite"),
        ];
        prop_assert_eq!(runs, [cost; 3]);
        prop_assert_eq!(visits.len(), steps);
        prop_assert_eq!(visits.last(), Some(&(steps - 1, end, cost)));
    }
}

fn problem(tableau: tableau::Tableau, steps: usize) -> Result<Problem<f64>, spikegrad_integrators::Error> {
    let setting = Setting { tableau, dim: 3, h: 4.0 / steps as f64, steps, flaw: Flaw::None };
    let parameters: Vec<_> = (0..setting.n_parameters()).map(|i| (1.7 * i as f64).sin()).collect();
    setting.problem(&parameters)
}

#[test]
fn continuous_adjoint_converges_to_the_discrete_one() {
    for method in tableau::ALL {
        let error = |steps| {
            let step = problem(method, steps).expect("a problem");
            let (mut discrete, mut continuous) =
                (vec![0.0; step.n_parameters()], vec![0.0; step.n_parameters()]);
            let cost = Sweep::new().gradient(&step, &mut discrete).expect("finite");
            let mut adjoint = ContinuousAdjoint::new(method);
            assert_eq!(adjoint.gradient(&step, &mut continuous).expect("finite"), cost);
            assert_eq!(adjoint.state_bar(), &continuous[continuous.len() - 3..]);
            distance(&continuous, &discrete)
        };
        let steps = if method.order() < 4 { 160 } else { 40 };
        let (coarse, fine) = (error(steps), error(2 * steps));
        let order = (coarse / fine).log2();
        let expected = f64::from(method.order().min(4));
        assert!(fine < 0.01 && order > expected - 0.25, "{}: {coarse:e} {fine:e} {order}", method.name());
    }
}

#[test]
fn a_gradient_in_f32_is_that_in_f64_to_rounding() {
    let setting = Setting { tableau: tableau::RK4, dim: 3, h: 0.1, steps: 40, flaw: Flaw::None };
    let p32: Vec<_> = (0..setting.n_parameters()).map(|i| (1.7 * i as f32).sin()).collect();
    let p64: Vec<_> = p32.iter().map(|&p| f64::from(p)).collect();
    let (mut g32, mut g64) = (vec![0.0_f32; p32.len()], vec![0.0; p64.len()]);
    Sweep::new().gradient(&setting.problem(&p32).expect("a problem"), &mut g32).expect("finite");
    Sweep::new().gradient(&setting.problem(&p64).expect("a problem"), &mut g64).expect("finite");
    let g32: Vec<_> = g32.into_iter().map(f64::from).collect();
    assert!(distance(&g32, &g64) < 1e-5, "{}", distance(&g32, &g64));
}

/// A chain `x <- 2 x` that is spoilt at one step.
struct Spoilt {
    state: Option<usize>,
    cost: Option<usize>,
    gradient: bool,
}

impl Step<f64> for Spoilt {
    type Tape = ();

    fn dim(&self) -> usize {
        3
    }
    fn steps(&self) -> usize {
        10
    }
    fn time(&self, n: usize) -> f64 {
        0.5 * n as f64
    }
    fn neuron(&self, component: usize) -> usize {
        component + 100
    }
    fn start(&self, x: &mut [f64]) {
        x.fill(1.0);
    }
    fn rewind(&self, _: &[f64], (): &mut ()) {}
    fn tape_bytes(&self) -> Option<usize> {
        Some(0)
    }
    fn step(&self, n: usize, x: &mut [f64], (): &mut ()) -> f64 {
        x.iter_mut().for_each(|x| *x *= 2.0);
        if self.state == Some(n) {
            x[1] = f64::INFINITY;
        }
        if self.cost == Some(n) { f64::NAN } else { x[0] }
    }
}

impl StepVjp<f64> for Spoilt {
    fn n_parameters(&self) -> usize {
        2
    }
    fn step_vjp(&self, _: usize, (): &mut (), cost_bar: f64, x_bar: &mut [f64], _: &mut [f64]) {
        x_bar[0] += cost_bar;
        x_bar.iter_mut().for_each(|x| *x *= 2.0);
    }
    fn start_vjp(&self, x_bar: &mut [f64], parameters_bar: &mut [f64]) {
        parameters_bar[1] += if self.gradient { f64::NAN } else { x_bar[0] };
    }
}

#[test]
fn numbers_that_are_not_finite_are_located() {
    for memory in [Memory::Stored, Memory::SqrtSteps, Memory::Every(4), Memory::Bytes(100)] {
        let sweep = || Sweep::new().memory(memory);
        let fine = Spoilt { state: None, cost: None, gradient: false };
        let mut gradient = [0.0; 2];
        let cost = sweep().gradient(&fine, &mut gradient).expect("finite");
        assert_eq!((cost, gradient), (2046.0, [0.0, 2046.0]));

        let step = Spoilt { state: Some(6), cost: Some(8), ..fine };
        gradient = [0.0; 2];
        for error in [sweep().cost(&step), sweep().gradient(&step, &mut gradient)] {
            assert!(
                matches!(error, Err(Error::Diverged(Divergence::State { step: 6, time: 3.5, neuron: 101 }))),
                "{error:?}"
            );
        }
        assert_eq!(gradient, [0.0; 2]);

        let step = Spoilt { state: None, cost: Some(8), ..fine };
        for error in [sweep().events(&step, &mut EventLog::default()), sweep().gradient(&step, &mut gradient)]
        {
            assert!(
                matches!(error, Err(Error::Diverged(Divergence::Cost { step: 8, time: 4.5 }))),
                "{error:?}"
            );
        }

        let step = Spoilt { gradient: true, ..fine };
        let error = sweep().gradient(&step, &mut gradient);
        assert!(matches!(error, Err(Error::NonFiniteGradient { parameter: 1 })), "{error:?}");
        let error = sweep().gradient(&step, &mut gradient[..1]);
        assert!(matches!(error, Err(Error::ParametersLength { expected: 2, found: 1 })), "{error:?}");
    }
}
