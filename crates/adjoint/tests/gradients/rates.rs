//! A small recurrent network of rate units: an ordinary differential equation with products, a nonlinearity, explicit time
//! and four groups of parameters, whose transposed product can be spoilt on purpose.

use proptest::prelude::*;
use simba::scalar::RealField;
use spikegrad_adjoint::{Objective, StepObjective};
use spikegrad_integrators::{Cost, CostVjp, Error, RungeKutta, Tableau, VectorField, VectorFieldVjp};

/// What is wrong with the transposed product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flaw {
    None,
    /// The leak's term of the state's cotangent has the wrong sign.
    Sign,
    /// The gradient by the bias is never added.
    DroppedTerm,
    /// The gradient by the weights is larger by a factor of 1.001.
    Scale,
}

/// `dx/dt = -leak x + tanh(W x + bias) + sin(t + i) / 2`; parameters: `W` (row by row), `bias`, `leak`.
#[derive(Clone, Debug)]
pub(crate) struct Rates<T> {
    pub(crate) dim: usize,
    pub(crate) parameters: Vec<T>,
    pub(crate) flaw: Flaw,
}

impl<T: RealField + Copy> Rates<T> {
    fn drive(&self, x: &[T], i: usize) -> T {
        let row = &self.parameters[i * self.dim..][..self.dim];
        let bias = self.parameters[self.dim * self.dim + i];
        row.iter().zip(x).fold(bias, |sum, (&w, &x)| sum + w * x).tanh()
    }

    fn leak(&self) -> T {
        self.parameters[self.dim * (self.dim + 1)]
    }
}

impl<T: RealField + Copy> VectorField<T> for Rates<T> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn rhs(&self, t: T, x: &[T], dx: &mut [T]) {
        for (i, dx) in dx.iter_mut().enumerate() {
            let input = (t + real(i as f64)).sin() * real(0.5);
            *dx = self.drive(x, i) - self.leak() * x[i] + input;
        }
    }
}

impl<T: RealField + Copy> VectorFieldVjp<T> for Rates<T> {
    fn n_parameters(&self) -> usize {
        self.parameters.len()
    }

    fn rhs_vjp(&self, _: T, x: &[T], dx_bar: &[T], x_bar: &mut [T], parameters_bar: &mut [T]) {
        let dim = self.dim;
        let scale: T = real(if self.flaw == Flaw::Scale { 1.001 } else { 1.0 });
        for i in 0..dim {
            let drive = self.drive(x, i);
            let bar = (T::one() - drive * drive) * dx_bar[i];
            for j in 0..dim {
                x_bar[j] += self.parameters[i * dim + j] * bar;
                parameters_bar[i * dim + j] += scale * bar * x[j];
            }
            if self.flaw != Flaw::DroppedTerm {
                parameters_bar[dim * dim + i] += bar;
            }
            let leak = if self.flaw == Flaw::Sign { -self.leak() } else { self.leak() };
            x_bar[i] -= leak * dx_bar[i];
            parameters_bar[dim * (dim + 1)] -= x[i] * dx_bar[i];
        }
    }
}

/// `h |x - cos t|^2 / 2` at every step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tracking<T> {
    pub(crate) h: T,
}

impl<T: RealField + Copy> Cost<T> for Tracking<T> {
    fn cost(&self, _: usize, t: T, x: &[T]) -> T {
        x.iter().fold(T::zero(), |sum, &x| sum + (x - t.cos()) * (x - t.cos())) * self.h * real(0.5)
    }
}

impl<T: RealField + Copy> CostVjp<T> for Tracking<T> {
    fn cost_vjp(&self, _: usize, t: T, x: &[T], cost_bar: T, x_bar: &mut [T], _: &mut [T]) {
        for (bar, &x) in x_bar.iter_mut().zip(x) {
            *bar += self.h * cost_bar * (x - t.cos());
        }
    }
}

pub(crate) type Problem<T> = RungeKutta<T, Rates<T>, Tracking<T>>;

/// Everything but the parameters of a problem.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) tableau: Tableau,
    pub(crate) dim: usize,
    pub(crate) h: f64,
    pub(crate) steps: usize,
    pub(crate) flaw: Flaw,
}

impl Setting {
    /// Number of parameters with the initial state.
    pub(crate) fn n_parameters(&self) -> usize {
        self.dim * (self.dim + 2) + 1
    }

    /// The problem with `parameters`: those of the field, then the initial state.
    pub(crate) fn problem<T: RealField + Copy>(&self, parameters: &[T]) -> Result<Problem<T>, Error> {
        let (field, initial) = parameters.split_at(parameters.len() - self.dim);
        let field = Rates { dim: self.dim, parameters: field.to_vec(), flaw: self.flaw };
        let h = real(self.h);
        RungeKutta::new(self.tableau, field, initial.to_vec(), h, self.steps, Tracking { h })
    }

    /// The gradient that is checked.
    pub(crate) fn objective(self, parameters: Vec<f64>) -> impl Objective {
        let (weights, units) = (self.dim * self.dim, self.dim);
        StepObjective::new(parameters, move |p: &[f64]| self.problem(p))
            .group("W", 0..weights)
            .group("bias", weights..weights + units)
            .group("leak", weights + units..weights + units + 1)
            .group("x_0", weights + units + 1..weights + 2 * units + 1)
    }
}

/// Parameters of order one.
pub(crate) fn parameters(dim: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-1.0..1.0_f64, dim * (dim + 2) + 1)
}

pub(crate) fn real<T: RealField>(x: f64) -> T {
    T::from_subset(&x)
}
