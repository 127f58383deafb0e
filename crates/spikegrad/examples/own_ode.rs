//! Exact gradients of an ordinary differential equation of one's own, with no neuron in it:
//! `cargo run --release --example own_ode -p spikegrad`.
//!
//! A damped pendulum is observed; stiffness, damping and the initial state are fitted to it. Only `spikegrad-integrators`,
//! `spikegrad-adjoint` and `spikegrad-training` are at work.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::ops::ControlFlow;

use spikegrad::adjoint::{Dual64, Error as SweepError};
use spikegrad::integrators::{EventCounts, ParameterGroup, Parametric, RungeKuttaTape};
use spikegrad::prelude::*;
use spikegrad::training::{Error as TrainingError, Lbfgs, Program, TrialGradient};

// region: field
/// `d angle/dt = speed`, `d speed/dt = -stiffness sin(angle) - damping speed`.
struct Pendulum<T> {
    stiffness: T,
    damping: T,
}

impl<T: RealField + Copy> VectorField<T> for Pendulum<T> {
    fn dim(&self) -> usize {
        2
    }
    fn rhs(&self, _t: T, x: &[T], dx: &mut [T]) {
        dx[0] = x[1];
        dx[1] = -self.stiffness * x[0].sin() - self.damping * x[1];
    }
}

impl<T: RealField + Copy> VectorFieldVjp<T> for Pendulum<T> {
    fn n_parameters(&self) -> usize {
        2
    }
    fn rhs_vjp(&self, _t: T, x: &[T], dx_bar: &[T], x_bar: &mut [T], parameters_bar: &mut [T]) {
        x_bar[0] -= self.stiffness * x[0].cos() * dx_bar[1];
        x_bar[1] += dx_bar[0] - self.damping * dx_bar[1];
        parameters_bar[0] -= x[0].sin() * dx_bar[1];
        parameters_bar[1] -= x[1] * dx_bar[1];
    }
}
// endregion

// region: cost
/// Half the squared distance of the angle from what was observed, integrated over time.
struct Misfit<'a> {
    observed: &'a [f64],
    h: f64,
}

impl Misfit<'_> {
    fn error<T: RealField + Copy>(&self, n: usize, x: &[T]) -> T {
        x[0] - T::from_subset(&self.observed[n])
    }
}

impl<T: RealField + Copy> Cost<T> for Misfit<'_> {
    fn cost(&self, n: usize, _t: T, x: &[T]) -> T {
        let error = self.error(n, x);
        error * error * T::from_subset(&(0.5 * self.h))
    }
}

impl<T: RealField + Copy> CostVjp<T> for Misfit<'_> {
    fn cost_vjp(&self, n: usize, _t: T, x: &[T], cost_bar: T, x_bar: &mut [T], _parameters_bar: &mut [T]) {
        x_bar[0] += cost_bar * T::from_subset(&self.h) * self.error(n, x);
    }
}
// endregion

const NAMES: [&str; 4] = ["stiffness", "damping", "angle(0)", "speed(0)"];
const H: f64 = 0.1;
const STEPS: usize = 60;

/// The pendulum with parameters `p` (stiffness, damping, initial angle, initial speed), judged by `cost`.
fn pendulum<T: RealField + Copy, C>(
    p: &[T],
    cost: C,
) -> Result<RungeKutta<T, Pendulum<T>, C>, spikegrad::integrators::Error> {
    let field = Pendulum { stiffness: p[0], damping: p[1] };
    let h = T::from_subset(&H);
    RungeKutta::new(tableau::RK4, field, p[2..].to_vec(), h, STEPS, cost)
}

// region: program
/// The pendulum as a program that can be fitted: parameters with names, and the gradient of its one trial.
struct Fit<'a> {
    parameters: [f64; 4],
    observed: &'a [f64],
}

impl Parametric<f64> for Fit<'_> {
    type Group = &'static str;
    fn groups(&self) -> impl Iterator<Item = ParameterGroup<'_, &'static str>> {
        NAMES.into_iter().enumerate().map(|(i, name)| ParameterGroup {
            group: name,
            name,
            range: i..i + 1,
            // Stiffness and damping are fitted by their logarithms.
            is_positive: i < 2,
            is_trainable: true,
        })
    }
    fn values(&self) -> &[f64] {
        &self.parameters
    }
    fn values_mut(&mut self) -> &mut [f64] {
        &mut self.parameters
    }
}

impl TrialGradient<f64> for Fit<'_> {
    type Trial = ();
    type Lane = Sweep<f64, RungeKuttaTape<f64>>;
    type Error = TrainingError;
    fn lane(&self, memory: Memory) -> Self::Lane {
        Sweep::new().memory(memory)
    }
    fn gradient(
        &self,
        _: &(),
        lane: &mut Self::Lane,
        gradient: &mut [f64],
        _: Option<&mut EventCounts>,
    ) -> Result<Result<f64, SweepError>, TrainingError> {
        let step = pendulum(&self.parameters, Misfit { observed: self.observed, h: H });
        Ok(lane.gradient(&step.map_err(TrainingError::program)?, gradient))
    }
}

impl Program<f64> for Fit<'_> {
    type Trial = ();
    type Lane = Sweep<f64, RungeKuttaTape<f64>>;
    type Error = TrainingError;
    type Ready<'r>
        = &'r Self
    where
        Self: 'r;
    fn ready(&self) -> Result<&Self, TrainingError> {
        Ok(self)
    }
    fn trial(&self, _: TrainingStage, _: &mut ChaCha8Rng) {}
}
// endregion

fn main() -> Result<(), Failure> {
    // What is observed: the true pendulum.
    let truth = [4.0, 0.3, 1.5, 0.0];
    let silent = vec![0.0; STEPS];
    let mut observed = Vec::new();
    let record = pendulum(&truth, Misfit { observed: &silent, h: H })?;
    Sweep::new().run(&record, |_, x, _| observed.push(x[0]))?;
    let misfit = || Misfit { observed: &observed, h: H };

    // One gradient in three ways.
    let guess = [3.0, 0.1, 1.0, 0.5];
    let step = pendulum(&guess, misfit())?;
    let (mut discrete, mut continuous) = ([0.0; 4], [0.0; 4]);
    let cost = Sweep::new().gradient(&step, &mut discrete)?;
    ContinuousAdjoint::new(tableau::RK4).gradient(&step, &mut continuous)?;
    let program =
        |p: &[Dual64]| -> Result<Dual64, Failure> { Ok(Sweep::new().cost(&pendulum(p, misfit())?)?) };
    let (_, forward) = forward_sensitivity(&guess, program)?;
    println!("cost {cost:.6} at the first guess, and its gradient\n");
    println!("{:10} {:>18} {:>18} {:>18}", "", "discrete adjoint", "dual numbers", "continuous adjoint");
    for i in 0..4 {
        println!("{:10} {:18.12} {:18.12} {:18.12}", NAMES[i], discrete[i], forward[i], continuous[i]);
    }

    // region: check
    let build = |p: &[f64]| pendulum(p, misfit());
    let mut objective =
        StepObjective::new(guess.to_vec(), build).group("pendulum", 0..2).group("initial state", 2..4);
    println!("\n{}", assert_gradient(&mut objective)?);
    // endregion

    // region: fit
    let mut fit = Fit { parameters: guess, observed: &observed };
    println!("\niteration      cost");
    let mut watch = |iteration, cost| {
        if iteration % 5 == 0 {
            println!("{iteration:>9} {cost:9.2e}");
        }
        ControlFlow::Continue(())
    };
    let found = Lbfgs { tolerance: 1e-9, ..Lbfgs::default() }.minimise(&mut fit, &[()], &mut watch)?;
    println!("{:?} after {} gradients, cost {:.2e}\n", found.stopped, found.evaluations, found.cost);
    for ((name, found), truth) in NAMES.iter().zip(fit.parameters).zip(truth) {
        println!("{name:10} {found:12.8}, in truth {truth}");
    }
    // endregion
    assert!(fit.parameters.iter().zip(truth).all(|(found, truth)| (found - truth).abs() < 1e-4));
    Ok(())
}

#[test]
fn the_pendulum_runs() -> Result<(), Failure> {
    main()
}
