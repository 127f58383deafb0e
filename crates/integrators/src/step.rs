//! The step of a discrete-time program and its transpose: what every sweep, check and training loop is written
//! against; and the Runge-Kutta step of an ordinary differential equation.

use std::ops::Range;

use simba::scalar::RealField;

use crate::tableau::MAX_STAGES;
use crate::{Error, EventLog, Tableau, Total, VectorField, VectorFieldVjp};

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

    /// The most bytes that one step pushes to the tape, by which a budget of memory is divided; `None` if it cannot be told.
    fn tape_bytes(&self) -> Option<usize> {
        None
    }

    /// Makes room for `steps` steps on a tape that was just rewound, as many as [`tape_bytes`](Self::tape_bytes) says and
    /// no more: a tape that grows by itself may take twice of what it holds. To be called or not as one likes.
    fn reserve(&self, _steps: usize, _tape: &mut Self::Tape) {}

    /// Turns `x_n` into `x_{n+1}`, pushes to the tape and returns what the step adds to the cost.
    fn step(&self, n: usize, x: &mut [T], tape: &mut Self::Tape) -> T;

    /// Takes some [`step`](Self::step)s one after the other and adds to `cost` what they do, with the same bits. A program whose
    /// steps have preparations in common makes them once.
    fn advance(&self, steps: Range<usize>, x: &mut [T], tape: &mut Self::Tape, cost: &mut Total<T>) {
        for n in steps {
            *cost += self.step(n, x, tape);
        }
    }

    /// Logs the events of step `n`, the last one pushed: which smooth piece each event function lies in, spikes,
    /// crossings. A smooth program has none.
    fn events(&self, _n: usize, _tape: &Self::Tape, _log: &mut EventLog) {}
}

/// The exact transpose of a [`Step`]. Every product *adds* plus Jacobian-transpose to its targets; `x_bar` is turned
/// from that of the step's end into that of its start.
pub trait StepVjp<T: RealField + Copy>: Step<T> {
    /// Length of `parameters_bar`.
    fn n_parameters(&self) -> usize;

    /// The transpose of [`step`](Step::step): pops step `n` from the tape. What it adds to `parameters_bar` may wait for the
    /// steps before it, until the tape is empty at the latest; what still waits is lost when the tape is rewound.
    fn step_vjp(
        &self,
        n: usize,
        tape: &mut Self::Tape,
        cost_bar: T,
        x_bar: &mut [T],
        parameters_bar: &mut [T],
    );

    /// The transpose of [`advance`](Step::advance): [`step_vjp`](Self::step_vjp) for some steps, the last one first, with the same
    /// bits.
    fn advance_vjp(
        &self,
        steps: Range<usize>,
        tape: &mut Self::Tape,
        cost_bar: T,
        x_bar: &mut [T],
        parameters_bar: &mut [T],
    ) {
        for n in steps.rev() {
            self.step_vjp(n, tape, cost_bar, x_bar, parameters_bar);
        }
    }

    /// The transpose of [`start`](Step::start): hands `x_bar` of the initial state on to the parameters that it is made
    /// of. A start that is made of none of them has nothing to hand on.
    fn start_vjp(&self, x_bar: &mut [T], parameters_bar: &mut [T]);
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
    /// If `h` is not positive and finite, or `initial` has not [`VectorField::dim`] entries.
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
        let (expected, found) = (field.dim(), initial.len());
        if found != expected {
            return Err(Error::StateLength { expected, found });
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

    /// Time of stage `i` of step `n`.
    fn stage(&self, n: usize, i: usize) -> T {
        self.at(n) + self.h * T::from_subset(&self.tableau.node(i))
    }
}

/// The tape of Runge-Kutta steps: the stages and the end of every step. Schemes that do more in a step than
/// [`RungeKutta`] keep one inside their own tape.
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

impl<T: RealField + Copy> RungeKuttaTape<T> {
    /// Empties the tape, for states of length `dim`.
    pub fn rewind(&mut self, dim: usize) {
        self.steps = 0;
        if self.slope_bar.len() != dim {
            let blank = vec![T::zero(); dim];
            *self = Self {
                slopes: vec![blank.clone(); MAX_STAGES],
                points_bar: vec![blank.clone(); MAX_STAGES],
                slope_bar: blank,
                ..Self::default()
            };
        }
    }

    /// Bytes of one step of a state of length `dim` on the tape.
    pub fn step_bytes(tableau: &Tableau, dim: usize) -> usize {
        (tableau.stages() + 1) * (dim * size_of::<T>() + size_of::<Vec<T>>())
    }

    /// Makes room for `steps` steps of a state of length `dim` and no more. To be called on an empty tape.
    pub fn reserve(&mut self, tableau: &Tableau, dim: usize, steps: usize) {
        for (vectors, count) in [(&mut self.ends, steps), (&mut self.points, steps * tableau.stages())] {
            vectors.reserve_exact(count.saturating_sub(vectors.len()));
            vectors.resize_with(vectors.len().max(count), || vec![T::zero(); dim]);
        }
    }

    /// Takes and pushes a step of `x` along the slopes that `f(stage, point, slope)` writes.
    pub fn push(&mut self, tableau: &Tableau, h: T, x: &mut [T], mut f: impl FnMut(usize, &[T], &mut [T])) {
        let (stages, at) = (tableau.stages(), self.steps);
        if self.ends.len() == at {
            self.ends.push(x.to_vec());
        }
        // Earlier steps may have been those of a method with fewer stages.
        if self.points.len() < (at + 1) * stages {
            self.points.resize_with((at + 1) * stages, || vec![T::zero(); x.len()]);
        }
        let end = &mut self.ends[at];
        end.copy_from_slice(x);
        let points = &mut self.points[at * stages..][..stages];
        tableau.step(h, end, points, &mut self.slopes, |i, point, slope| f(i, point, slope));
        self.steps += 1;
        x.copy_from_slice(end);
    }

    /// The transpose of [`push`](Self::push): pops a step; `f_vjp(stage, point, slope_bar, point_bar)` adds the
    /// field's product to `point_bar`.
    pub fn pop(
        &mut self,
        tableau: &Tableau,
        h: T,
        x_bar: &mut [T],
        mut f_vjp: impl FnMut(usize, &[T], &[T], &mut [T]),
    ) {
        self.steps -= 1;
        let stages = tableau.stages();
        let Self { points, slopes, slope_bar, points_bar, .. } = self;
        let end_bar = &mut slopes[0];
        end_bar.copy_from_slice(x_bar);
        let points = &points[self.steps * stages..][..stages];
        tableau.step_vjp(h, points, end_bar, points_bar, slope_bar, |i, point, slope_bar, point_bar| {
            f_vjp(i, point, slope_bar, point_bar);
        });
        x_bar.copy_from_slice(end_bar);
    }

    /// The stages of the last step.
    pub fn points(&self, tableau: &Tableau) -> &[Vec<T>] {
        let stages = tableau.stages();
        if self.steps == 0 { &[] } else { &self.points[(self.steps - 1) * stages..][..stages] }
    }

    /// The end of the last step.
    pub fn end(&self) -> &[T] {
        self.steps.checked_sub(1).map_or(&[], |last| &self.ends[last])
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
        tape.rewind(x.len());
    }

    fn tape_bytes(&self) -> Option<usize> {
        Some(RungeKuttaTape::<T>::step_bytes(&self.tableau, self.field.dim()))
    }

    fn reserve(&self, steps: usize, tape: &mut Self::Tape) {
        tape.reserve(&self.tableau, self.field.dim(), steps);
    }

    fn step(&self, n: usize, x: &mut [T], tape: &mut Self::Tape) -> T {
        tape.push(&self.tableau, self.h, x, |i, point, slope| self.field.rhs(self.stage(n, i), point, slope));
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
        let parameters_bar = &mut parameters_bar[..self.field.n_parameters()];
        self.cost.cost_vjp(n, self.at(n + 1), tape.end(), cost_bar, x_bar, parameters_bar);
        tape.pop(&self.tableau, self.h, x_bar, |i, point, slope_bar, point_bar| {
            self.field.rhs_vjp(self.stage(n, i), point, slope_bar, point_bar, parameters_bar);
        });
    }

    fn start_vjp(&self, x_bar: &mut [T], parameters_bar: &mut [T]) {
        for (bar, &mut x) in parameters_bar[self.field.n_parameters()..].iter_mut().zip(x_bar) {
            *bar += x;
        }
    }
}
