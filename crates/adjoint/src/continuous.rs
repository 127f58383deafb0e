//! The continuous adjoint of an ordinary differential equation (equation (38); Pontryagin et al. 1962): the adjoint
//! equation integrated backwards by a method of its own along the stored forward trajectory. It is not the gradient of
//! the discretised program, which [`Sweep::gradient`](crate::Sweep::gradient) is, and meets it as `h -> 0`.

use simba::scalar::RealField;
use spikegrad_integrators::{
    Cost, CostVjp, RungeKutta, RungeKuttaTape, Step, StepVjp, Tableau, VectorField, VectorFieldVjp,
};

use crate::{Error, Sweep};

/// The continuous adjoint with a Runge-Kutta method, one step of it for each step of the forward method; a workspace to
/// be used again.
///
/// The cost of a [`RungeKutta`] is a sum over the right ends of the steps, `C = sum_n cost(n, t_{n+1}, x_{n+1})`, so that
/// the running cost of equation (38) is a train of pulses: `lambda` jumps by `d cost(n) / dx` at `t_{n+1}` and follows
/// `-d lambda / dt = (df/dx)^T lambda` in between. For a cost that is a sum this is no approximation, and for `h l(t, x)`,
/// the rectangle rule of an integral, it converges to the adjoint of the integral with the sum itself. Parameters:
/// `dC/dp = int (df/dp)^T lambda dt`, by the weights of the same stages.
///
/// The stages need the trajectory between its grid points: a cubic Hermite interpolant through states and slopes, so that
/// with methods of order `p` and `q` it converges to the discrete adjoint with order `min(p, q, 4)`.
#[derive(Clone, Debug)]
pub struct ContinuousAdjoint<T> {
    tableau: Tableau,
    sweep: Sweep<T, RungeKuttaTape<T>>,
    states: Vec<T>,
    slopes: Vec<T>,
    point: Vec<T>,
    /// `lambda`, then what the quadrature of the parameters has come to.
    bar: Vec<T>,
    stages: Vec<Vec<T>>,
    stage_slopes: Vec<Vec<T>>,
}

impl<T: RealField + Copy> ContinuousAdjoint<T> {
    /// Integrates the adjoint equation by `tableau`.
    pub fn new(tableau: Tableau) -> Self {
        Self {
            tableau,
            sweep: Sweep::new(),
            states: Vec::new(),
            slopes: Vec::new(),
            point: Vec::new(),
            bar: Vec::new(),
            stages: Vec::new(),
            stage_slopes: Vec::new(),
        }
    }

    /// Runs `problem` forwards, then the adjoint equation backwards: *adds* the gradient to `parameters_bar`, length
    /// [`StepVjp::n_parameters`] (parameters of the field, then the initial state), and returns the cost.
    ///
    /// # Errors
    /// As [`Sweep::gradient`](crate::Sweep::gradient).
    pub fn gradient<F, C>(
        &mut self,
        problem: &RungeKutta<T, F, C>,
        parameters_bar: &mut [T],
    ) -> Result<T, Error>
    where
        F: VectorFieldVjp<T>,
        C: CostVjp<T>,
    {
        let (expected, found) = (problem.n_parameters(), parameters_bar.len());
        if found != expected {
            return Err(Error::ParametersLength { expected, found });
        }
        let cost = self.forwards(problem)?;
        let (dim, n_parameters) = (problem.dim(), problem.field.n_parameters());
        self.point.clear();
        self.point.resize(dim, T::zero());
        self.bar.clear();
        self.bar.resize(dim + n_parameters, T::zero());
        for work in [&mut self.stages, &mut self.stage_slopes] {
            work.resize_with(self.tableau.stages(), Vec::new);
            work.iter_mut().for_each(|x| x.resize(dim + n_parameters, T::zero()));
        }
        for n in (0..problem.steps()).rev() {
            self.backwards(problem, n);
        }
        problem.start_vjp(&mut self.bar[..dim], parameters_bar);
        for (p, &bar) in parameters_bar.iter_mut().zip(&self.bar[dim..]) {
            *p += bar;
        }
        match parameters_bar.iter().position(|p| !p.is_finite()) {
            None => Ok(cost),
            Some(parameter) => Err(Error::NonFiniteGradient { parameter }),
        }
    }

    /// `lambda(0)`, the cotangent of the initial state; of use after [`gradient`](Self::gradient).
    pub fn state_bar(&self) -> &[T] {
        &self.bar[..self.point.len()]
    }

    /// States and slopes at the grid points `t_0 .. t_steps`.
    fn forwards<F, C>(&mut self, problem: &RungeKutta<T, F, C>) -> Result<T, Error>
    where
        F: VectorField<T>,
        C: Cost<T>,
    {
        let dim = problem.dim();
        self.states.clear();
        self.states.extend_from_slice(&problem.initial);
        let cost = self.sweep.run(problem, |_, x, _| self.states.extend_from_slice(x))?;
        self.slopes.clear();
        self.slopes.resize(self.states.len(), T::zero());
        for n in 0..=problem.steps() {
            let grid = n * dim..(n + 1) * dim;
            problem.field.rhs(time(problem.h(), n), &self.states[grid.clone()], &mut self.slopes[grid]);
        }
        Ok(cost)
    }

    /// From `t_{n+1}`, where the cost of step `n` is added, to `t_n`.
    fn backwards<F, C>(&mut self, problem: &RungeKutta<T, F, C>, n: usize)
    where
        F: VectorFieldVjp<T>,
        C: CostVjp<T>,
    {
        let (h, dim) = (problem.h(), self.point.len());
        let Self { tableau, states, slopes, point, bar, stages, stage_slopes, .. } = self;
        let (from, to) = (n * dim..(n + 1) * dim, (n + 1) * dim..(n + 2) * dim);
        let end = time(h, n + 1);
        let (x_bar, parameters_bar) = bar.split_at_mut(dim);
        problem.cost.cost_vjp(n, end, &states[to.clone()], T::one(), x_bar, parameters_bar);
        tableau.step(h, bar, stages, stage_slopes, |i, stage, slope| {
            let back = T::from_subset(&tableau.node(i));
            let ends = [&states[from.clone()], &states[to.clone()]];
            let end_slopes = [&slopes[from.clone()], &slopes[to.clone()]];
            hermite(T::one() - back, h, ends, end_slopes, point);
            slope.fill(T::zero());
            let (x_bar, parameters_bar) = slope.split_at_mut(dim);
            problem.field.rhs_vjp(end - back * h, point, &stage[..dim], x_bar, parameters_bar);
        });
    }
}

fn time<T: RealField + Copy>(h: T, n: usize) -> T {
    h * T::from_subset(&(n as f64))
}

/// The cubic through two states with two slopes, at the fraction `s` of an interval `h`.
fn hermite<T: RealField + Copy>(s: T, h: T, x: [&[T]; 2], dx: [&[T]; 2], at: &mut [T]) {
    let (one, two) = (T::one(), T::one() + T::one());
    let rest = one - s;
    let weights = [rest * rest * (one + two * s), s * s * (one + two * rest)];
    let slope_weights = [h * s * rest * rest, -(h * s * s * rest)];
    for (i, at) in at.iter_mut().enumerate() {
        *at = weights[0] * x[0][i]
            + weights[1] * x[1][i]
            + slope_weights[0] * dx[0][i]
            + slope_weights[1] * dx[1][i];
    }
}
