//! Order of convergence of every tableau, and its transpose against dual numbers, in f64 and f32.

#![allow(clippy::expect_used, reason = "a helper of tests")]

use num_dual::Dual64;
use proptest::prelude::*;
use simba::scalar::RealField;
use spikegrad_integrators::{
    Cost, CostVjp, Error, RungeKutta, Step, StepVjp, VectorField, VectorFieldVjp, tableau,
};

/// A forced nonlinear pendulum with damping `p[0]` and stiffness `p[1]`: smooth, coupled and explicit in time.
struct Pendulum<T>([T; 2]);

impl<T: RealField + Copy> VectorField<T> for Pendulum<T> {
    fn dim(&self) -> usize {
        2
    }
    fn rhs(&self, t: T, x: &[T], dx: &mut [T]) {
        let [damping, stiffness] = self.0;
        dx[0] = x[1];
        dx[1] = t.cos() - damping * x[1] - stiffness * x[0].sin();
    }
}

impl<T: RealField + Copy> VectorFieldVjp<T> for Pendulum<T> {
    fn n_parameters(&self) -> usize {
        2
    }
    fn rhs_vjp(&self, _: T, x: &[T], dx_bar: &[T], x_bar: &mut [T], parameters_bar: &mut [T]) {
        let [damping, stiffness] = self.0;
        x_bar[0] -= stiffness * x[0].cos() * dx_bar[1];
        x_bar[1] += dx_bar[0] - damping * dx_bar[1];
        parameters_bar[0] -= x[1] * dx_bar[1];
        parameters_bar[1] -= x[0].sin() * dx_bar[1];
    }
}

struct HalfSquare;

impl<T: RealField + Copy> Cost<T> for HalfSquare {
    fn cost(&self, n: usize, t: T, x: &[T]) -> T {
        (x[0] * x[0] + x[1] * t) * T::from_subset(&(0.5 + n as f64))
    }
}

impl<T: RealField + Copy> CostVjp<T> for HalfSquare {
    fn cost_vjp(&self, n: usize, t: T, x: &[T], cost_bar: T, x_bar: &mut [T], _: &mut [T]) {
        let weight = T::from_subset(&(0.5 + n as f64)) * cost_bar;
        x_bar[0] += weight * (x[0] + x[0]);
        x_bar[1] += weight * t;
    }
}

fn run<T: RealField + Copy>(step: &impl Step<T>) -> (Vec<T>, T) {
    let (mut x, mut tape, mut cost) = (vec![T::zero(); step.dim()], Default::default(), T::zero());
    step.start(&mut x);
    step.rewind(&x, &mut tape);
    for n in 0..step.steps() {
        cost += step.step(n, &mut x, &mut tape);
    }
    (x, cost)
}

fn pendulum<T: RealField + Copy>(
    method: tableau::Tableau,
    p: [T; 2],
    x: [T; 2],
    h: f64,
    steps: usize,
) -> RungeKutta<T, Pendulum<T>, HalfSquare> {
    RungeKutta::new(method, Pendulum(p), x.to_vec(), T::from_subset(&h), steps, HalfSquare)
        .expect("a positive step")
}

#[test]
fn every_tableau_converges_with_its_order() {
    let end =
        |method, steps: usize| run(&pendulum(method, [0.3, 2.0], [1.0, 0.0], 2.0 / steps as f64, steps)).0;
    let exact = end(tableau::DORMAND_PRINCE5, 4000);
    for method in tableau::ALL {
        let error = |steps| {
            let x = end(method, steps);
            f64::hypot(x[0] - exact[0], x[1] - exact[1])
        };
        let order = (error(40) / error(80)).log2();
        let expected = f64::from(method.order());
        assert!((order - expected).abs() < 0.3, "{}: measured {order}, stated {expected}", method.name());
    }
}

#[test]
fn single_precision_is_the_same_code() {
    for method in tableau::ALL {
        let double = run(&pendulum::<f64>(method, [0.3, 2.0], [1.0, 0.0], 0.1, 20));
        let single = run(&pendulum::<f32>(method, [0.3, 2.0], [1.0, 0.0], 0.1, 20));
        assert!((double.0[0] - f64::from(single.0[0])).abs() < 1e-5, "{}", method.name());
        assert!((double.1 / f64::from(single.1) - 1.0).abs() < 1e-5, "{}", method.name());
    }
}

#[test]
fn an_initial_state_of_another_length_is_refused() {
    for len in [0, 1, 3] {
        let step = RungeKutta::new(tableau::RK4, Pendulum([0.0, 1.0]), vec![0.0; len], 0.1, 1, HalfSquare);
        assert!(matches!(step, Err(Error::StateLength { expected: 2, found }) if found == len), "{len}");
    }
}

#[test]
fn a_bad_step_size_is_refused() {
    for h in [0.0, -0.1, f64::NAN, f64::INFINITY] {
        let step = RungeKutta::new(tableau::RK4, Pendulum([0.0, 1.0]), vec![0.0; 2], h, 1, HalfSquare);
        assert!(matches!(step, Err(Error::StepSize { .. })), "{h}");
    }
}

proptest! {
    #[test]
    fn every_transpose_equals_dual_numbers(p in prop::array::uniform2(0.0..2.0), x in prop::array::uniform2(-2.0..2.0), h in 0.01..0.2) {
        for method in tableau::ALL {
            let step = pendulum::<f64>(method, p, x, h, 7);
            let (mut state, mut tape) = (vec![0.0; 2], Default::default());
            step.start(&mut state);
            step.rewind(&state, &mut tape);
            (0..7).for_each(|n| { step.step(n, &mut state, &mut tape); });
            let (mut x_bar, mut bar) = (vec![0.0; 2], vec![0.0; 4]);
            (0..7).rev().for_each(|n| step.step_vjp(n, &mut tape, 1.0, &mut x_bar, &mut bar));
            step.start_vjp(&mut x_bar, &mut bar);
            for i in 0..4 {
                let seed = |value: f64, j: usize| Dual64::new(value, f64::from(i == j));
                let dual = pendulum(method, [seed(p[0], 0), seed(p[1], 1)], [seed(x[0], 2), seed(x[1], 3)], h, 7);
                let oracle = run(&dual).1.eps;
                prop_assert!((bar[i] - oracle).abs() < 1e-12 * (1.0 + oracle.abs()), "{} {i}: {} {oracle}", method.name(), bar[i]);
            }
        }
    }
}
