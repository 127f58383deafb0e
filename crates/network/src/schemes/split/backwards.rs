//! The way back over a tape, all at once or sample by sample.

use spikegrad_integrators::{Step, StepVjp};

use super::forward::{Gradients, RunTape};
use super::run::SplitRun;
use crate::schemes::run::Run;
use crate::{Error, Loss, NetworkState, Sample, SampleBar, Scalar, memory};

/// The derivatives of another program's loss by the outputs at the end of every sample.
struct OutputBar<'a, T> {
    /// The derivatives from sample `first` on.
    values: &'a [T],
    first: usize,
    hold: usize,
}

impl<T: Scalar> Loss<T> for OutputBar<'_, T> {
    fn value(&self, _: &Sample<'_, T>) -> T {
        T::zero()
    }

    /// They are derivatives already, so that the weight of a step is not theirs.
    fn vjp(&self, at: &Sample<'_, T>, _: T, bar: &mut SampleBar<'_, T>) {
        if !(at.step + 1).is_multiple_of(self.hold) {
            return;
        }
        let (sample, outputs) = (at.step / self.hold - self.first, bar.output.len());
        let given = self.values.get(sample * outputs..).unwrap_or_default();
        for (bar, &given) in bar.output.iter_mut().zip(given) {
            *bar += given;
        }
    }
}

/// The way back over a tape, sample by sample from the last to the first: for loops through another program, in which the derivatives
/// by the outputs of a sample depend on those by the inputs of the next one.
///
/// ```
/// # use spikegrad_models::{GateShape, Theta};
/// # use spikegrad_network::*;
/// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
/// # let mut network = Network::builder().population(population).synapse("slow", 20.0).inputs(1).outputs(1).build()?;
/// # network.parameters.bias_mut().fill(0.02);
/// # network.parameters.input_mut().fill(0.005);
/// # network.parameters.readout_mut(0).fill(4.0);
/// let scheme = SplitStep::new(&network, 0.5)?;
/// // A loop: x' = x - 0.01 o(x), and the cost is the last x.
/// let cost = |start: f64| -> Result<_, Error> {
///     let (mut x, mut stepper) = (start, scheme.stepper(1.0, None)?.with_tape());
///     for _ in 0..100 {
///         x -= 0.01 * stepper.step(&[x])?[0];
///     }
///     Ok((x, stepper.into_tape()))
/// };
/// let (_, mut tape) = cost(1.0)?;
/// let (mut x_bar, mut back) = (1.0, tape.backwards(None)?);
/// for _ in 0..100 {
///     x_bar += back.step(&[-0.01 * x_bar])?[0];
/// }
/// let gradient = back.finish()?.parameters;
/// assert!(gradient.bias()[0] < 0.0);
/// let difference = (cost(1.0 + 1e-6)?.0 - cost(1.0 - 1e-6)?.0) / 2e-6;
/// assert!((difference - x_bar).abs() < 1e-6);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Backwards<'t, 's, T: 'static> {
    tape: &'t mut RunTape<'s, T>,
    /// Samples that are not yet taken back.
    left: usize,
    x_bar: Vec<T>,
    bar: Vec<T>,
}

impl<'s, T: Scalar> RunTape<'s, T> {
    /// Goes back sample by sample, from the state in which the run ended, whose cotangent is `state_bar`.
    ///
    /// # Errors
    /// [`Error::State`] if `state_bar` is of another state, [`Error::OutOfMemory`] if the gradient does not fit into memory.
    pub fn backwards(&mut self, state_bar: Option<&NetworkState<T>>) -> Result<Backwards<'_, 's, T>, Error> {
        if let Some(state_bar) = state_bar {
            self.scheme.check_state_bar(state_bar, self.taken())?;
        }
        let loss = OutputBar { values: &[], first: 0, hold: self.grid.hold };
        let run = run(self, &loss);
        let mut x_bar = vec![T::zero(); run.dim()];
        if let Some(state_bar) = state_bar {
            x_bar[..state_bar.x.len()].copy_from_slice(&state_bar.x);
        }
        let mut bar = memory::room("the gradient", run.n_parameters())?;
        bar.resize(run.n_parameters(), T::zero());
        // All steps are there still, whether they were taken back before or not; what a way back that was given up has left is not.
        self.tape.steps = self.trial.samples * self.grid.hold;
        self.tape.forget_what_waits(self.scheme);
        Ok(Backwards { left: self.trial.samples, tape: self, x_bar, bar })
    }
}

/// The run of a tape, judged by derivatives by its outputs.
fn run<'a, T: Scalar>(tape: &'a RunTape<'_, T>, loss: &'a OutputBar<'_, T>) -> SplitRun<'a, T> {
    let mut run = Run::on(tape.grid, tape.scheme.network, &tape.trial, loss);
    run.outputs = tape.scheme.outputs();
    SplitRun { scheme: tape.scheme, run }.by_inputs()
}

impl<T: Scalar> Backwards<'_, '_, T> {
    /// Samples that are not yet taken back.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Takes the last sample that is left back: turns the derivatives `output_bar` by its outputs into those by its inputs, which it
    /// returns.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::NonFinite`] if `output_bar` is not one finite number for each output, or nothing at all where no
    /// sample is left.
    pub fn step(&mut self, output_bar: &[T]) -> Result<&[T], Error> {
        self.check(output_bar, self.left.min(1))?;
        let Some(sample) = self.left.checked_sub(1) else { return Ok(&[]) };
        self.advance(sample, output_bar);
        let loss = OutputBar { values: &[], first: 0, hold: self.tape.grid.hold };
        let inputs = run(self.tape, &loss).given().inputs;
        let width = self.tape.scheme.network.inputs;
        Ok(&self.bar[inputs][sample * width..][..width])
    }

    /// The derivatives by all that the run was given. Samples that are left are taken back without derivatives by their outputs.
    ///
    /// # Errors
    /// [`Error::NonFiniteGradient`].
    pub fn finish(mut self) -> Result<Gradients<T>, Error> {
        let network = self.tape.scheme.network;
        self.advance(0, &[]);
        let loss = OutputBar { values: &[], first: 0, hold: self.tape.grid.hold };
        let run = run(self.tape, &loss);
        run.start_vjp(&mut self.x_bar, &mut self.bar);
        let ranges = run.given();
        let Self { tape, mut bar, x_bar, .. } = self;
        if let Some(at) = bar.iter().chain(&x_bar).position(|bar| !bar.is_finite()) {
            let named = network.parameters.layout().names().iter().find(|named| named.range.contains(&at));
            let by = match named {
                Some(named) => named.name.clone(),
                None if ranges.inputs.contains(&at) => "the inputs".into(),
                None if ranges.currents.contains(&at) => "the injected currents".into(),
                None if ranges.charges.contains(&at) => "the charges of events".into(),
                None => "the initial state".into(),
            };
            return Err(Error::NonFiniteGradient { by });
        }
        let mut parameters = network.parameters.zeros_like();
        parameters.values_mut().copy_from_slice(&bar[..ranges.inputs.start]);
        let charges = bar.split_off(ranges.charges.start);
        let currents = bar.split_off(ranges.currents.start);
        let inputs = bar.split_off(ranges.inputs.start);
        let began = tape.trial.state.as_ref();
        let state = began.map(|state| tape.scheme.save_state(&x_bar, &[], state.taken()));
        Ok(Gradients { parameters, inputs, currents, charges, state })
    }

    /// Refuses what are no derivatives by the outputs of so many samples.
    pub(super) fn check(&self, output_bar: &[T], samples: usize) -> Result<(), Error> {
        let what = "the derivatives by the outputs (samples x outputs)";
        let (expected, found) = (samples * self.tape.scheme.network.outputs, output_bar.len());
        if found != expected {
            return Err(Error::Shape { what: what.into(), expected, found });
        }
        match output_bar.iter().position(|bar| !bar.is_finite()) {
            None => Ok(()),
            Some(index) => Err(Error::NonFinite { what: what.into(), index }),
        }
    }

    /// Takes the samples from `first` on back that are left.
    pub(super) fn advance(&mut self, first: usize, output_bar: &[T]) {
        let hold = self.tape.grid.hold;
        // The run borrows the tape's trial, and the steps go back over the tape.
        let mut steps = std::mem::take(&mut self.tape.tape);
        let loss = OutputBar { values: output_bar, first, hold };
        let run = run(self.tape, &loss);
        let taken_back = first * hold..self.left * hold;
        run.advance_vjp(taken_back, &mut steps, T::one(), &mut self.x_bar, &mut self.bar);
        self.tape.tape = steps;
        self.left = first;
    }
}
