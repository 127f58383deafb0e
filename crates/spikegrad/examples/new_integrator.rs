//! Integrators of one's own, with exact gradients: a Runge-Kutta method as a table, and a step that is no Runge-Kutta
//! method: `cargo run --release --example new_integrator -p spikegrad`. The guide `docs/how-to/new-integrator.md` walks through
//! it.

#![allow(clippy::print_stdout, reason = "an example prints")]

use spikegrad::prelude::*;

/// `dx/dt = cos(t) - x`, an equation with a known solution; it is only run forwards here, and needs no transpose.
struct Driven;

impl VectorField<f64> for Driven {
    fn dim(&self) -> usize {
        1
    }
    fn rhs(&self, t: f64, x: &[f64], dx: &mut [f64]) {
        dx[0] = t.cos() - x[0];
    }
}

struct NoCost;

impl Cost<f64> for NoCost {
    fn cost(&self, _n: usize, _t: f64, _x: &[f64]) -> f64 {
        0.0
    }
}

// region: table
/// The strong-stability-preserving method of order 3 (Shu & Osher 1988).
fn ssp3() -> Result<Tableau, spikegrad::integrators::Error> {
    Tableau::new(
        "SSP 3",
        3,
        &[0.0, 1.0, 0.5],
        &[&[], &[1.0], &[0.25, 0.25]],
        &[1.0 / 6.0, 1.0 / 6.0, 2.0 / 3.0],
    )
}
// endregion

// region: order
/// The order of convergence, measured.
fn order(method: Tableau) -> Result<f64, Failure> {
    let error = |steps: usize| -> Result<f64, Failure> {
        let mut sweep = Sweep::new();
        sweep.run(
            &RungeKutta::new(method, Driven, vec![0.5], 2.0 / steps as f64, steps, NoCost)?,
            |_, _, _| (),
        )?;
        let exact = 0.5 * (2.0_f64.cos() + 2.0_f64.sin());
        Ok((sweep.state()[0] - exact).abs())
    };
    Ok((error(40)? / error(80)?).log2())
}
// endregion

/// A small network whose neurons are stepped by `method`, under the gradient check.
fn check_network(method: Tableau) -> Result<GradientReport, Failure> {
    let mut network = Network::builder()
        .population(Population::new("theta", Theta::default(), 4, GateShape::RaisedCosine, 0.3))
        .synapse("slow", 20.0)
        .outputs(1)
        .build()?;
    network.parameters.bias_mut().copy_from_slice(&[0.011, 0.023, 0.034, 0.047]);
    network.parameters.weight_mut(0).fill(0.03);
    network.parameters.readout_mut(0).fill(0.5);
    let mut trial = Trial::silent(100, 1.0, 0);
    trial.targets = vec![0.05; 100];
    // region: network
    let loss = QuadraticLoss { lambda: 0.01 };
    let mut objective = NetworkObjective::new(network, &trial, &loss, Scheme::Split(method.into()), 0.5);
    Ok(assert_gradient(&mut objective)?)
    // endregion
}

// region: step
/// A frictionless pendulum, `d angle/dt = speed`, `d speed/dt = -stiffness sin(angle)`, by symplectic Euler: the speed
/// first, and the angle with the new speed. The cost is the integral of `angle^2 / 2`.
struct Symplectic {
    stiffness: f64,
    initial: [f64; 2],
    h: f64,
    steps: usize,
}

impl Step<f64> for Symplectic {
    /// The states at the start of each step.
    type Tape = Vec<[f64; 2]>;

    fn dim(&self) -> usize {
        2
    }
    fn steps(&self) -> usize {
        self.steps
    }
    fn time(&self, n: usize) -> f64 {
        self.h * n as f64
    }
    fn start(&self, x: &mut [f64]) {
        x.copy_from_slice(&self.initial);
    }
    fn rewind(&self, _x: &[f64], tape: &mut Self::Tape) {
        tape.clear();
    }
    fn step(&self, _n: usize, x: &mut [f64], tape: &mut Self::Tape) -> f64 {
        tape.push([x[0], x[1]]);
        x[1] -= self.h * self.stiffness * x[0].sin();
        x[0] += self.h * x[1];
        self.h * 0.5 * x[0] * x[0]
    }
}
// endregion

// region: transpose
impl StepVjp<f64> for Symplectic {
    fn n_parameters(&self) -> usize {
        3
    }
    fn step_vjp(
        &self,
        _n: usize,
        tape: &mut Self::Tape,
        cost_bar: f64,
        x_bar: &mut [f64],
        parameters_bar: &mut [f64],
    ) {
        let Some([angle, speed]) = tape.pop() else { return };
        let new_speed = speed - self.h * self.stiffness * angle.sin();
        let new_angle = angle + self.h * new_speed;
        // The lines of `step`, last one first.
        x_bar[0] += cost_bar * self.h * new_angle;
        x_bar[1] += self.h * x_bar[0];
        x_bar[0] -= self.h * self.stiffness * angle.cos() * x_bar[1];
        parameters_bar[0] -= self.h * angle.sin() * x_bar[1];
    }
    fn start_vjp(&self, x_bar: &mut [f64], parameters_bar: &mut [f64]) {
        parameters_bar[1] += x_bar[0];
        parameters_bar[2] += x_bar[1];
    }
}
// endregion

fn main() -> Result<(), Failure> {
    let method = ssp3()?;
    println!("{}: order {} stated, {:.2} measured\n", method.name(), method.order(), order(method)?);
    println!("a network whose neurons are stepped by it:\n{}\n", check_network(method)?);

    // region: check
    let build = |p: &[f64]| -> Result<Symplectic, std::convert::Infallible> {
        Ok(Symplectic { stiffness: p[0], initial: [p[1], p[2]], h: 0.1, steps: 100 })
    };
    let mut objective =
        StepObjective::new(vec![2.0, 1.0, 0.3], build).group("stiffness", 0..1).group("initial state", 1..3);
    println!("symplectic Euler:\n{}", assert_gradient(&mut objective)?);
    // endregion
    Ok(())
}

#[test]
fn the_new_integrators_run() -> Result<(), Failure> {
    assert!((order(ssp3()?)? - 3.0).abs() < 0.3);
    main()
}
