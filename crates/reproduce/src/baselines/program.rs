//! A network on one trial as a program with a transpose: one step a sample, from a state of zeros, compiled for the widest
//! vectors of the machine.

use spikegrad::integrators::{EventLog, Step, StepVjp};
use spikegrad::network::Scalar;
use spikegrad::network::Trial;

/// What a network does in a step, and the transpose of it.
pub(crate) trait Passes<T: Scalar>: Sync {
    /// What the transpose needs to know of the steps.
    type Tape: Default + Send + Sync;

    /// The trial.
    fn trial(&self) -> &Trial<T>;
    /// Length of the state.
    fn dim(&self) -> usize;
    /// Number of units.
    fn units(&self) -> usize;
    /// Number of parameters.
    fn n_parameters(&self) -> usize;
    /// Empties the tape.
    fn clear(&self, tape: &mut Self::Tape);
    /// Step `n`: turns the state, pushes to the tape, returns the cost.
    fn forward(&self, n: usize, x: &mut [T], tape: &mut Self::Tape) -> T;
    /// The transpose of the step, as [`StepVjp::step_vjp`].
    fn backward(
        &self,
        n: usize,
        tape: &mut Self::Tape,
        cost_bar: T,
        x_bar: &mut [T],
        parameters_bar: &mut [T],
    );
    /// The smooth pieces of the last step.
    fn events(&self, _: &Self::Tape, _: &mut EventLog) {}
}

/// The program of a network on a trial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program<P>(pub(crate) P);

impl<T: Scalar, P: Passes<T>> Step<T> for Program<P> {
    type Tape = P::Tape;

    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn steps(&self) -> usize {
        self.0.trial().samples
    }

    fn time(&self, n: usize) -> f64 {
        n as f64 * self.0.trial().interval
    }

    fn neuron(&self, component: usize) -> usize {
        component % self.0.units()
    }

    fn start(&self, x: &mut [T]) {
        x.fill(T::zero());
    }

    fn rewind(&self, _: &[T], tape: &mut Self::Tape) {
        self.0.clear(tape);
    }

    fn step(&self, n: usize, x: &mut [T], tape: &mut Self::Tape) -> T {
        pulp::Arch::new().dispatch(Forward { passes: &self.0, n, x, tape })
    }

    fn events(&self, _: usize, tape: &Self::Tape, log: &mut EventLog) {
        self.0.events(tape, log);
    }
}

impl<T: Scalar, P: Passes<T>> StepVjp<T> for Program<P> {
    fn n_parameters(&self) -> usize {
        self.0.n_parameters()
    }

    fn step_vjp(
        &self,
        n: usize,
        tape: &mut Self::Tape,
        cost_bar: T,
        x_bar: &mut [T],
        parameters_bar: &mut [T],
    ) {
        pulp::Arch::new().dispatch(Backward { passes: &self.0, n, tape, cost_bar, x_bar, parameters_bar });
    }

    // Every program starts from zeros.
    fn start_vjp(&self, _: &mut [T], _: &mut [T]) {}
}

// Closures that only borrow are not inlined into the dispatched code; these two are closures written out.

struct Forward<'s, T: Scalar, P: Passes<T>> {
    passes: &'s P,
    n: usize,
    x: &'s mut [T],
    tape: &'s mut P::Tape,
}

impl<T: Scalar, P: Passes<T>> pulp::NullaryFnOnce for Forward<'_, T, P> {
    type Output = T;

    #[inline(always)]
    fn call(self) -> T {
        self.passes.forward(self.n, self.x, self.tape)
    }
}

struct Backward<'s, T: Scalar, P: Passes<T>> {
    passes: &'s P,
    n: usize,
    tape: &'s mut P::Tape,
    cost_bar: T,
    x_bar: &'s mut [T],
    parameters_bar: &'s mut [T],
}

impl<T: Scalar, P: Passes<T>> pulp::NullaryFnOnce for Backward<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.passes.backward(self.n, self.tape, self.cost_bar, self.x_bar, self.parameters_bar);
    }
}
