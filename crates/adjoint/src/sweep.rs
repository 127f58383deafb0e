//! The discrete adjoint: one sweep forwards over the steps of a program, one backwards over their transposes (equation
//! (37)). It is the exact gradient of the discretised program, to rounding.

use std::ops::Range;

use aligned_vec::AVec;
use simba::scalar::RealField;
use spikegrad_integrators::{Divergence, EventLog, Step, StepVjp, Total, first_non_finite, is_granted};

use crate::checkpoint::Plan;
use crate::{Error, Memory};

/// The memory of a sweep, to be used again: from the second run of the same size on, nothing is allocated.
///
/// `T` is `f32`, `f64` or a dual number, `Tape` the tape of the steps that it will run, [`Step::Tape`], which is inferred
/// where the sweep is used.
///
/// ```
/// # use spikegrad_integrators::{Cost, CostVjp, RungeKutta, VectorField, VectorFieldVjp, tableau};
/// # struct Leak(f64);
/// # impl VectorField<f64> for Leak {
/// #     fn dim(&self) -> usize { 1 }
/// #     fn rhs(&self, _: f64, x: &[f64], dx: &mut [f64]) { dx[0] = -self.0 * x[0]; }
/// # }
/// # impl VectorFieldVjp<f64> for Leak {
/// #     fn n_parameters(&self) -> usize { 1 }
/// #     fn rhs_vjp(&self, _: f64, x: &[f64], dx_bar: &[f64], x_bar: &mut [f64], bar: &mut [f64]) {
/// #         x_bar[0] -= self.0 * dx_bar[0];
/// #         bar[0] -= x[0] * dx_bar[0];
/// #     }
/// # }
/// # struct Last;
/// # impl Cost<f64> for Last {
/// #     fn cost(&self, n: usize, _: f64, x: &[f64]) -> f64 { if n == 9 { x[0] } else { 0.0 } }
/// # }
/// # impl CostVjp<f64> for Last {
/// #     fn cost_vjp(&self, n: usize, _: f64, _: &[f64], cost_bar: f64, x_bar: &mut [f64], _: &mut [f64]) {
/// #         if n == 9 { x_bar[0] += cost_bar; }
/// #     }
/// # }
/// use spikegrad_adjoint::Sweep;
/// // dx/dt = -k x from x = 2; the cost is the last state.
/// let step = RungeKutta::new(tableau::RK4, Leak(0.5), vec![2.0], 0.1, 10, Last)?;
/// let mut sweep = Sweep::new();
/// let mut gradient = [0.0; 2]; // by k and by the initial state
/// let cost = sweep.gradient(&step, &mut gradient)?;
/// let exact = 2.0 * (-0.5_f64).exp();
/// assert!((cost - exact).abs() < 1e-6);
/// assert!((gradient[0] + exact).abs() < 1e-6 && (gradient[1] - exact / 2.0).abs() < 1e-6);
/// assert_eq!(sweep.state(), [cost]);
/// // The same bits with the tape of three steps and one state.
/// use spikegrad_adjoint::Memory;
/// let mut checkpointed = [0.0; 2];
/// Sweep::new().memory(Memory::SqrtSteps).gradient(&step, &mut checkpointed)?;
/// assert_eq!(checkpointed, gradient);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
// States begin at a line of the caches: a step reads them in wide vectors, of which every other one would lie in two lines.
#[derive(Clone, Debug)]
pub struct Sweep<T, Tape> {
    memory: Memory,
    state: AVec<T>,
    state_bar: AVec<T>,
    tape: Tape,
    /// The state of what is run again.
    again: AVec<T>,
    plan: Plan,
    /// The segments whose first state is held, in order, and those states one after the other.
    held: Vec<usize>,
    states: Vec<T>,
    /// Bytes that the system was asked for, and that it has.
    granted: f64,
}

impl<T: RealField + Copy, Tape: Default + Send> Default for Sweep<T, Tape> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: RealField + Copy, Tape: Default + Send> Sweep<T, Tape> {
    /// An empty workspace; it takes its size from the first step that it runs.
    pub fn new() -> Self {
        Self {
            memory: Memory::Stored,
            state: AVec::new(0),
            state_bar: AVec::new(0),
            tape: Tape::default(),
            again: AVec::new(0),
            plan: Plan::default(),
            held: Vec::new(),
            states: Vec::new(),
            granted: 0.0,
        }
    }

    /// How much [`gradient`](Self::gradient) keeps of a run; [`Memory::Stored`] unless said otherwise.
    #[must_use]
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = memory;
        self
    }

    /// The last state that was reached, length [`Step::dim`].
    pub fn state(&self) -> &[T] {
        &self.state
    }

    /// `dC/dx_0`, the cotangent of the initial state, length [`Step::dim`]; of use after [`gradient`](Self::gradient).
    pub fn state_bar(&self) -> &[T] {
        &self.state_bar
    }

    /// Runs forwards and returns the cost. The memory does not grow with the number of steps.
    ///
    /// # Errors
    /// [`Error::Diverged`].
    pub fn cost<S: Step<T, Tape = Tape> + ?Sized>(&mut self, step: &S) -> Result<T, Error> {
        self.run(step, |_, _, _| ())
    }

    /// Runs forwards and shows `visit(n, x_{n+1}, cost so far)` every state on the way; returns the cost.
    ///
    /// States that are not finite are shown as well, before the error is returned.
    ///
    /// # Errors
    /// [`Error::Diverged`].
    pub fn run<S: Step<T, Tape = Tape> + ?Sized>(
        &mut self,
        step: &S,
        mut visit: impl FnMut(usize, &[T], T),
    ) -> Result<T, Error> {
        let cost = self.forget_as_you_go(step, |n, x, cost, _| visit(n, x, cost));
        self.check(step, cost)
    }

    /// Runs forwards, logs the events of every step and returns the cost. Adds to the log; clear it before.
    ///
    /// # Errors
    /// [`Error::Diverged`].
    pub fn events<S: Step<T, Tape = Tape> + ?Sized>(
        &mut self,
        step: &S,
        log: &mut EventLog,
    ) -> Result<T, Error> {
        let cost = self.forget_as_you_go(step, |n, _, _, tape| step.events(n, tape, log));
        self.check(step, cost)
    }

    /// Runs forwards and backwards, equation (37): *adds* `dC/dp` to `parameters_bar`, length
    /// [`StepVjp::n_parameters`], and returns the cost `C`. The bits are the same whatever the [`Memory`].
    ///
    /// # Errors
    /// [`Error::ParametersLength`], [`Error::Budget`], [`Error::TapeSize`] or [`Error::OutOfMemory`] before anything is run;
    /// [`Error::Diverged`] after the forward half, with `parameters_bar` untouched; [`Error::NonFiniteGradient`] at the end.
    pub fn gradient<S: StepVjp<T, Tape = Tape> + ?Sized>(
        &mut self,
        step: &S,
        parameters_bar: &mut [T],
    ) -> Result<T, Error> {
        self.watched_gradient(step, parameters_bar, |_, _| ())
    }

    /// The same, and shows `watch` every step once on the way forwards: some steps, in order, and the tape whose last ones they
    /// are.
    ///
    /// # Errors
    /// As [`gradient`](Self::gradient); the steps of a run that does not stay finite are shown before.
    pub fn watched_gradient<S: StepVjp<T, Tape = Tape> + ?Sized>(
        &mut self,
        step: &S,
        parameters_bar: &mut [T],
        watch: impl FnMut(Range<usize>, &Tape),
    ) -> Result<T, Error> {
        self.both_ways(step, &[], parameters_bar, watch, |segment, tape, x_bar, parameters_bar| {
            step.advance_vjp(segment, tape, T::one(), x_bar, parameters_bar);
        })
    }

    /// Runs forwards, and goes back from given cotangents of the cost, `cost_bar`, and of the last state, `state_bar`; where `state_bar` is
    /// shorter than the state, the cotangents of the other components are zero. `watch(n, x_bar)` sees the cotangent of every state `x_n`
    /// on the way back, the last one first, and may change the cotangent that the way back goes on with.
    ///
    /// With `cost_bar` 1 and no `state_bar`, the sweep gives the gradient, to the bit, and shows where the cost depends on the state. With
    /// `cost_bar` 0 and a random `state_bar`, the sweep shows how fast cotangents grow and decay, whatever the cost.
    ///
    /// ```
    /// # use spikegrad_integrators::{Cost, CostVjp, RungeKutta, VectorField, VectorFieldVjp, tableau};
    /// # struct Leak(f64);
    /// # impl VectorField<f64> for Leak {
    /// #     fn dim(&self) -> usize { 1 }
    /// #     fn rhs(&self, _: f64, x: &[f64], dx: &mut [f64]) { dx[0] = -self.0 * x[0]; }
    /// # }
    /// # impl VectorFieldVjp<f64> for Leak {
    /// #     fn n_parameters(&self) -> usize { 1 }
    /// #     fn rhs_vjp(&self, _: f64, x: &[f64], dx_bar: &[f64], x_bar: &mut [f64], bar: &mut [f64]) {
    /// #         x_bar[0] -= self.0 * dx_bar[0];
    /// #         bar[0] -= x[0] * dx_bar[0];
    /// #     }
    /// # }
    /// # struct Nothing;
    /// # impl Cost<f64> for Nothing {
    /// #     fn cost(&self, _: usize, _: f64, _: &[f64]) -> f64 { 0.0 }
    /// # }
    /// # impl CostVjp<f64> for Nothing {
    /// #     fn cost_vjp(&self, _: usize, _: f64, _: &[f64], _: f64, _: &mut [f64], _: &mut [f64]) {}
    /// # }
    /// use spikegrad_adjoint::Sweep;
    /// // dx/dt = -x / 2, ten steps of 0.1.
    /// let step = RungeKutta::new(tableau::RK4, Leak(0.5), vec![2.0], 0.1, 10, Nothing)?;
    /// let mut sizes = Vec::new();
    /// Sweep::new().cotangents(&step, (0.0, &[1.0]), &mut [0.0; 2], |_, x_bar| sizes.push(x_bar[0]))?;
    /// assert_eq!(sizes.len(), 10);
    /// assert!((sizes[9] - (-0.5_f64).exp()).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`gradient`](Self::gradient), and [`Error::CotangentLength`] if `state_bar` is longer than the state.
    pub fn cotangents<S: StepVjp<T, Tape = Tape> + ?Sized>(
        &mut self,
        step: &S,
        (cost_bar, state_bar): (T, &[T]),
        parameters_bar: &mut [T],
        mut watch: impl FnMut(usize, &mut [T]),
    ) -> Result<T, Error> {
        let back = |segment: Range<usize>, tape: &mut Tape, x_bar: &mut [T], parameters_bar: &mut [T]| {
            for n in segment.rev() {
                step.step_vjp(n, tape, cost_bar, x_bar, parameters_bar);
                watch(n, x_bar);
            }
        };
        self.both_ways(step, state_bar, parameters_bar, |_, _| (), back)
    }

    /// Runs forwards, and backwards by `back(steps, tape, x_bar, parameters_bar)`, segment by segment.
    fn both_ways<S: StepVjp<T, Tape = Tape> + ?Sized>(
        &mut self,
        step: &S,
        state_bar: &[T],
        parameters_bar: &mut [T],
        watch: impl FnMut(Range<usize>, &Tape),
        mut back: impl FnMut(Range<usize>, &mut Tape, &mut [T], &mut [T]),
    ) -> Result<T, Error> {
        let (expected, found) = (step.n_parameters(), parameters_bar.len());
        if found != expected {
            return Err(Error::ParametersLength { expected, found });
        }
        let (expected, found) = (step.dim(), state_bar.len());
        if found > expected {
            return Err(Error::CotangentLength { expected, found });
        }
        self.make_room(step)?;
        let mut state = std::mem::replace(&mut self.state, AVec::new(0));
        let cost = self.forwards(step, self.plan.segments(), &mut state, watch);
        self.state = state;
        let cost = self.check(step, cost)?;

        self.state_bar.clear();
        self.state_bar.extend_from_slice(state_bar);
        self.state_bar.resize(step.dim(), T::zero());
        for segment in (0..self.plan.segments()).rev() {
            if segment + 1 < self.plan.segments() {
                let mut again = std::mem::replace(&mut self.again, AVec::new(0));
                self.forwards(step, segment + 1, &mut again, |_, _| ());
                self.again = again;
            }
            back(self.plan.steps_of(segment), &mut self.tape, &mut self.state_bar, parameters_bar);
            if self.held.last() == Some(&segment) {
                self.held.pop();
                self.states.truncate(self.held.len() * step.dim());
            }
        }
        step.start_vjp(&mut self.state_bar, parameters_bar);
        match first_non_finite(parameters_bar) {
            None => Ok(cost),
            Some(parameter) => Err(Error::NonFiniteGradient { parameter }),
        }
    }

    /// Plans where to keep states and makes room for them.
    fn make_room<S: Step<T, Tape = Tape> + ?Sized>(&mut self, step: &S) -> Result<(), Error> {
        let dim = step.dim();
        let state = dim * size_of::<T>() + size_of::<usize>();
        let plan = Plan::new(self.memory, step.steps(), state, step.tape_bytes())?;
        if matches!(self.memory, Memory::Bytes(_)) && plan != self.plan {
            // What was taken for another plan does not count against this one.
            (self.tape, self.states, self.held) = (Tape::default(), Vec::new(), Vec::new());
        }
        // What a step pushes is known to within the neurons that are active.
        let states = plan.states as f64 * state as f64;
        let bytes = states + plan.tape() as f64 * step.tape_bytes().unwrap_or(0) as f64;
        if bytes > self.granted {
            if !is_granted(bytes) {
                return Err(Error::OutOfMemory { steps: plan.tape(), bytes });
            }
            self.granted = bytes;
        }
        self.plan = plan;
        self.held.clear();
        self.states.clear();
        self.held.reserve_exact(plan.states);
        self.states.reserve_exact(plan.states * dim);
        Ok(())
    }

    /// Runs `x` from the last state that is held, or from the start, to the start of segment `end` and keeps states on the
    /// way; only the last segment is on the tape. Returns what the steps add to the cost.
    fn forwards<S: Step<T, Tape = Tape> + ?Sized>(
        &mut self,
        step: &S,
        end: usize,
        x: &mut AVec<T>,
        mut watch: impl FnMut(Range<usize>, &Tape),
    ) -> T {
        let Self { memory, tape, plan, held, states, .. } = self;
        let dim = step.dim();
        x.clear();
        let mut at = match held.last() {
            Some(&segment) => {
                x.extend_from_slice(&states[(held.len() - 1) * dim..]);
                segment
            }
            None => {
                x.resize(dim, T::zero());
                step.start(x);
                0
            }
        };
        step.rewind(x, tape);
        if *memory != Memory::Stored {
            step.reserve(plan.tape(), tape);
        }
        let mut cost = Total::default();
        while at + 1 < end {
            let next = plan.next(at, end, held.len());
            // The tape has room for a segment; to rewind it at every step would cost time.
            for segment in at..next {
                step.rewind(x, tape);
                step.advance(plan.steps_of(segment), x, tape, &mut cost);
                watch(plan.steps_of(segment), tape);
            }
            at = next;
            if at + 1 < end {
                held.push(at);
                states.extend_from_slice(x);
            }
        }
        step.rewind(x, tape);
        let last = plan.first(at)..plan.first(end);
        step.advance(last.clone(), x, tape, &mut cost);
        watch(last, tape);
        cost.value()
    }

    fn start<S: Step<T, Tape = Tape> + ?Sized>(&mut self, step: &S) {
        self.state.clear();
        self.state.resize(step.dim(), T::zero());
        step.start(&mut self.state);
        step.rewind(&self.state, &mut self.tape);
    }

    /// Runs forwards on a tape that never holds more than one step.
    fn forget_as_you_go<S: Step<T, Tape = Tape> + ?Sized>(
        &mut self,
        step: &S,
        mut visit: impl FnMut(usize, &[T], T, &Tape),
    ) -> T {
        self.start(step);
        let mut cost = Total::default();
        for n in 0..step.steps() {
            if n > 0 {
                step.rewind(&self.state, &mut self.tape);
            }
            cost += step.step(n, &mut self.state, &mut self.tape);
            visit(n, &self.state, cost.value(), &self.tape);
        }
        cost.value()
    }

    /// What is not finite stays so: one look at the end of a run is enough, and only a run that went wrong is repeated
    /// to find out where.
    fn check<S: Step<T, Tape = Tape> + ?Sized>(&mut self, step: &S, cost: T) -> Result<T, Error> {
        if cost.is_finite() && self.state.iter().all(|x| x.is_finite()) {
            return Ok(cost);
        }
        let mut first = None;
        self.forget_as_you_go(step, |n, x, cost, _| {
            if first.is_none() {
                first = Divergence::check(step, n, x, cost).err();
            }
        });
        // Without a step there is only the initial state to blame.
        Err(Error::Diverged(first.unwrap_or_else(|| {
            let component = self.state.iter().position(|x| !x.is_finite()).unwrap_or(0);
            Divergence::State { step: 0, time: step.time(0), neuron: step.neuron(component) }
        })))
    }
}
