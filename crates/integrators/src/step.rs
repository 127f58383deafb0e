//! The step of a discrete-time program and its transpose: what every sweep, check and training loop is written
//! against; and the Runge-Kutta step of an ordinary differential equation.

use simba::scalar::RealField;

use crate::tableau::MAX_STAGES;
use crate::{Error, EventLog, Tableau, VectorField, VectorFieldVjp};

/// A discrete-time program `x_{n+1} = step(n, x_n)`, `n = 0 .. steps`, that adds to a cost as it goes.
pub trait Step<T: RealField + Copy> {
    /// What the transpose needs to know of the steps taken, as a stack: a step pushes, its transpose pops. It keeps its
    /// memory when it is rewound, so that later runs allocate nothing.
    type Tape: Default + Send;

    /// Length of the state.
    fn dim(&self) -> usize;

    /// Number of steps.
    fn steps(&self) -> usize;

    /// Time of `x_n`, ms.
    fn time(&self, n: usize) -> f64;

    /// Which neuron a component of the state belongs to, for messages. For a general equation, the component itself.
    fn neuron(&self, component: usize) -> usize {
        component
    }

    /// Writes the initial state `x_0`.
    fn start(&self, x: &mut [T]);

    /// Empties the tape and starts it at the state `x`, from which the next step will be taken.
    fn rewind(&self, x: &[T], tape: &mut Self::Tape);

    /// Turns `x_n` into `x_{n+1}`, pushes to the tape and returns what the step adds to the cost.
    fn step(&self, n: usize, x: &mut [T], tape: &mut Self::Tape) -> T;

    /// Logs the events of step `n`, the last one pushed: which smooth piece each event function lies in, spikes,
    /// crossings. A smooth program has none.
    fn events(&self, _n: usize, _tape: &Self::Tape, _log: &mut EventLog) {}
}

/// The exact transpose of a [`Step`]. Every product *adds* plus Jacobian-transpose to its targets; `x_bar` is turned
/// from that of the step's end into that of its start.
pub trait StepVjp<T: RealField + Copy>: Step<T> {
    /// Length of `parameters_bar`.
    fn n_parameters(&self) -> usize;

    /// The transpose of [`step`](Step::step): pops step `n` from the tape.
    fn step_vjp(
        &self,
        n: usize,
        tape: &mut Self::Tape,
        cost_bar: T,
        x_bar: &mut [T],
        parameters_bar: &mut [T],
    );

    /// The transpose of [`start`](Step::start).
    fn start_vjp(&self, _x_bar: &[T], _parameters_bar: &mut [T]) {}
}

/// What a state adds to the cost: `C = sum_n cost(n, t_{n+1}, x_{n+1})`. For the integral of a running cost, multiply
/// by the step size.
pub trait Cost<T> {
    /// The cost of the state `x = x_{n+1}` at `t = t_{n+1}`.
    fn cost(&self, n: usize, t: T, x: &[T]) -> T;
}

/// The exact derivatives of a [`Cost`].
pub trait CostVjp<T>: Cost<T> {
    /// Adds `cost_bar` times the derivatives to `x_bar` and `parameters_bar` (the parameters of the vector field).
    fn cost_vjp(&self, n: usize, t: T, x: &[T], cost_bar: T, x_bar: &mut [T], parameters_bar: &mut [T]);
}

/// An ordinary differential equation stepped by an explicit Runge-Kutta method with a fixed step.
///
/// `parameters_bar` of its transpose has the field's parameters first and then the initial state, which is a parameter
/// like any other.
#[derive(Clone, Debug)]
pub struct RungeKutta<T, F, C> {
    /// The equation.
    pub field: F,
    /// The cost of a trajectory.
    pub cost: C,
    /// The initial state.
    pub initial: Vec<T>,
    tableau: Tableau,
    h: T,
    steps: usize,
}

impl<T: RealField + Copy, F: VectorField<T>, C> RungeKutta<T, F, C> {
    /// Integrates `field` from `initial` over `steps` steps of `h`.
    ///
    /// # Errors
    /// If `h` is not positive and finite.
    pub fn new(
        tableau: Tableau,
        field: F,
        initial: Vec<T>,
        h: T,
        steps: usize,
        cost: C,
    ) -> Result<Self, Error> {
        if !(h > T::zero() && h.is_finite()) {
            return Err(Error::StepSize { h: h.to_subset_unchecked() });
        }
        Ok(Self { field, cost, initial, tableau, h, steps })
    }

    /// The step size.
    pub fn h(&self) -> T {
        self.h
    }

    fn at(&self, n: usize) -> T {
        self.h * T::from_subset(&(n as f64))
    }
}

/// The tape of [`RungeKutta`]: the stages and the end of every step.
#[derive(Clone, Debug)]
pub struct RungeKuttaTape<T> {
    steps: usize,
    points: Vec<Vec<T>>,
    ends: Vec<Vec<T>>,
    slopes: Vec<Vec<T>>,
    slope_bar: Vec<T>,
    points_bar: Vec<Vec<T>>,
}

impl<T> Default for RungeKuttaTape<T> {
    fn default() -> Self {
        Self {
            steps: 0,
            points: Vec::new(),
            ends: Vec::new(),
            slopes: Vec::new(),
            slope_bar: Vec::new(),
            points_bar: Vec::new(),
        }
    }
}

impl<T: RealField + Copy, F: VectorField<T>, C: Cost<T>> Step<T> for RungeKutta<T, F, C> {
    type Tape = RungeKuttaTape<T>;

    fn dim(&self) -> usize {
        self.field.dim()
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn time(&self, n: usize) -> f64 {
        self.at(n).to_subset_unchecked()
    }

    fn start(&self, x: &mut [T]) {
        x.copy_from_slice(&self.initial);
    }

    fn rewind(&self, x: &[T], tape: &mut Self::Tape) {
        tape.steps = 0;
        if tape.slope_bar.len() != x.len() {
            let blank = vec![T::zero(); x.len()];
            *tape = RungeKuttaTape {
                slopes: vec![blank.clone(); MAX_STAGES],
                points_bar: vec![blank.clone(); MAX_STAGES],
                slope_bar: blank,
                ..RungeKuttaTape::default()
            };
        }
    }

    fn step(&self, n: usize, x: &mut [T], tape: &mut Self::Tape) -> T {
        let (stages, at) = (self.tableau.stages(), tape.steps);
        if tape.ends.len() == at {
            tape.ends.push(x.to_vec());
            tape.points.resize_with((at + 1) * stages, || vec![T::zero(); self.field.dim()]);
        }
        let end = &mut tape.ends[at];
        end.copy_from_slice(x);
        let points = &mut tape.points[at * stages..][..stages];
        self.tableau.step(self.h, end, points, &mut tape.slopes, |i, point, slope| {
            let t = self.at(n) + self.h * T::from_subset(&self.tableau.node(i));
            self.field.rhs(t, point, slope);
        });
        tape.steps += 1;
        x.copy_from_slice(end);
        self.cost.cost(n, self.at(n + 1), x)
    }
}

impl<T, F, C> StepVjp<T> for RungeKutta<T, F, C>
where
    T: RealField + Copy,
    F: VectorFieldVjp<T>,
    C: CostVjp<T>,
{
    fn n_parameters(&self) -> usize {
        self.field.n_parameters() + self.field.dim()
    }

    fn step_vjp(
        &self,
        n: usize,
        tape: &mut Self::Tape,
        cost_bar: T,
        x_bar: &mut [T],
        parameters_bar: &mut [T],
    ) {
        let stages = self.tableau.stages();
        tape.steps -= 1;
        let at = tape.steps;
        let parameters_bar = &mut parameters_bar[..self.field.n_parameters()];
        self.cost.cost_vjp(n, self.at(n + 1), &tape.ends[at], cost_bar, x_bar, parameters_bar);
        let RungeKuttaTape { points, slopes, slope_bar, points_bar, .. } = tape;
        let x_end_bar = &mut slopes[0];
        x_end_bar.copy_from_slice(x_bar);
        self.tableau.step_vjp(
            self.h,
            &points[at * stages..][..stages],
            x_end_bar,
            points_bar,
            slope_bar,
            |i, point, slope_bar, point_bar| {
                let t = self.at(n) + self.h * T::from_subset(&self.tableau.node(i));
                self.field.rhs_vjp(t, point, slope_bar, point_bar, parameters_bar);
            },
        );
        x_bar.copy_from_slice(x_end_bar);
    }

    fn start_vjp(&self, x_bar: &[T], parameters_bar: &mut [T]) {
        for (bar, &x) in parameters_bar[self.field.n_parameters()..].iter_mut().zip(x_bar) {
            *bar += x;
        }
    }
}
