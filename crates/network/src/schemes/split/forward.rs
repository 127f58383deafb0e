//! A run without a loss, and its transpose for any loss that somebody else has: the vector-Jacobian product of a trial.

use spikegrad_integrators::{Step, Total};

use super::run::SplitRun;
use super::scheme::SplitStep;
use super::tape::SplitTape;
use crate::schemes::grid::Grid;
use crate::{Error, Network, NetworkState, NoLoss, Parameters, Scalar, SpecDifference, Trial, memory};

/// A run of [`SplitStep::forward`] that can be gone back over: the tape of all its steps and the trial, which it owns. It borrows the
/// scheme alone, may be sent to another thread, and any number of tapes may be there at once.
#[derive(Clone, Debug)]
pub struct RunTape<'s, T: 'static> {
    pub(super) scheme: &'s SplitStep<'s, T>,
    pub(super) trial: Trial<T>,
    pub(super) grid: Grid<T>,
    /// The last state.
    pub(super) x: Vec<T>,
    pub(super) tape: SplitTape<T>,
}

/// A [`RunTape`] without the scheme that it borrowed, for programs that cannot hold both: it owns all that it has, and may outlive the
/// scheme. [`SplitStep::tape`] makes a tape of it again.
#[derive(Clone, Debug)]
pub struct KeptTape<T: 'static> {
    trial: Trial<T>,
    grid: Grid<T>,
    /// The last state, which knows the network, the step and the path that it belongs to.
    state: NetworkState<T>,
    x: Vec<T>,
    tape: SplitTape<T>,
}

/// Derivatives of what some other program computes from the outputs of a run, by everything that the run was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<T> {
    /// The derivative by the parameters; zero for what is frozen or masked.
    pub parameters: Parameters<T>,
    /// The derivative by the trial's inputs, `samples x inputs`.
    pub inputs: Vec<T>,
    /// The derivative by currents injected into each neuron, `samples x N`, whether the trial had any or not.
    pub currents: Vec<T>,
    /// The derivative by the charges of the trial's events.
    pub charges: Vec<T>,
    /// By the state of the earlier run that the trial went on from: the cotangent to hand back to that run; `None` after a fresh start.
    pub state: Option<NetworkState<T>>,
}

impl<T: Scalar> SplitStep<'_, T> {
    /// Runs a trial without any loss. Returns the outputs at the end of each sample, `samples x outputs`, one sample after the other
    /// as the inputs are, and a tape that turns derivatives by these outputs into a gradient, equation (90).
    ///
    /// So the loss, and layers before and behind the network, may be those of any other program. Targets, weights and scale of the
    /// trial are left to that program. Where inputs are held over several steps, outputs are those of the last step of their sample;
    /// for the outputs of every step, give samples of one step each.
    ///
    /// ```
    /// use spikegrad_models::{GateShape, Theta};
    /// use spikegrad_network::{Network, Population, SplitStep, Trial};
    ///
    /// let mut network = Network::builder()
    ///     .population(Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3))
    ///     .synapse("slow", 20.0)
    ///     .inputs(2)
    ///     .outputs(1)
    ///     .build()?;
    /// network.parameters.bias_mut().fill(0.03);
    /// network.parameters.readout_mut(0).fill(1.0);
    /// network.parameters.input_mut().fill(0.001);
    /// let scheme = SplitStep::new(&network, 0.5)?;
    /// let mut tapes = Vec::new();
    /// for strength in [1.0, 2.0] {
    ///     let trial = Trial { inputs: vec![strength; 100 * 2], ..Trial::silent(100, 1.0, 2) };
    ///     tapes.push(scheme.forward(trial)?);
    /// }
    /// // The loss of somebody else: half the sum of squares, whose derivatives are the outputs.
    /// for (outputs, tape) in &mut tapes {
    ///     let gradient = tape.vjp(outputs, None)?;
    ///     assert_eq!((outputs.len(), gradient.inputs.len()), (100, 200));
    ///     assert!(gradient.inputs[0] != 0.0 && gradient.parameters.bias()[0] > 0.0);
    /// }
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`run`](Self::run); [`Error::MemoryLimit`] or [`Error::OutOfMemory`] if the tape does not fit into memory, before
    /// anything is run; [`Error::Diverged`] or [`Error::NonFiniteOutput`] if the run does not stay finite.
    pub fn forward(&self, mut trial: Trial<T>) -> Result<(Vec<T>, RunTape<'_, T>), Error> {
        // Whoever has the loss has these.
        (trial.targets, trial.weights, trial.scale) = (Vec::new(), Vec::new(), 1.0);
        let run = self.run(&trial, &NoLoss)?.by_inputs();
        let (steps, what) = (run.steps(), "the tape of the run");
        let limit = self.network.memory_limit;
        memory::check(what, memory::bytes::<T>(&[steps + 1, self.stride]), limit)?;
        memory::ask(what, steps as f64 * run.tape_bytes().unwrap_or_default() as f64)?;
        let (mut x, mut tape) = (vec![T::zero(); run.dim()], SplitTape::default());
        run.start(&mut x);
        run.rewind(&x, &mut tape);
        run.advance(0..steps, &mut x, &mut tape, &mut Total::default());
        let outputs = run.outputs(&tape)?;
        if !x.iter().fold(true, |finite, x| finite & x.is_finite()) {
            // A state that is not finite stays so: only a run that went wrong is repeated to find out where.
            run.watch(|_, _, _| ())?;
        }
        let grid = run.run.grid;
        Ok((outputs, RunTape { scheme: self, trial, grid, x, tape }))
    }
}

impl<T: Scalar> SplitStep<'_, T> {
    /// The tape that [`RunTape::keep`] took from a scheme of the same network, parameters, method and step. A tape holds what the run
    /// was, not what it was run with: with other parameters or another method the gradient would be that of no run, and whoever keeps
    /// a tape keeps the network, too.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Theta};
    /// # use spikegrad_network::*;
    /// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// # let mut network = Network::builder().population(population).synapse("slow", 20.0).outputs(1).build()?;
    /// # network.parameters.bias_mut().fill(0.03);
    /// # network.parameters.readout_mut(0).fill(1.0);
    /// // Something that owns a network and a run of it.
    /// struct Owner(Network<f64>, KeptTape<f64>);
    /// let kept = SplitStep::new(&network, 0.5)?.forward(Trial::silent(100, 1.0, 0))?.1.keep();
    /// let owner = Owner(network, kept);
    /// let scheme = SplitStep::new(&owner.0, 0.5)?;
    /// let gradient = scheme.tape(owner.1)?.vjp(&[1.0; 100], None)?;
    /// assert!(gradient.parameters.bias()[0] > 0.0);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Tape`] if the tape is of another network or step, or other parameters were trained.
    pub fn tape(&self, kept: KeptTape<T>) -> Result<RunTape<'_, T>, Error> {
        let KeptTape { trial, grid, state, x, tape } = kept;
        self.check_state("the tape", &state).map_err(|error| match error {
            Error::State { difference, .. } => Error::Tape { difference },
            error => error,
        })?;
        // A tape keeps what the trained groups need; two networks of one structure may train others.
        let steps = trial.samples * grid.hold;
        let kept = |tape: &SplitTape<T>| [tape.synapses.len(), tape.arrived.len()];
        let (found, expected) = (kept(&tape), [steps * self.kept, steps * self.kept_arrivals]);
        if found != expected {
            let field = "what is trained".into();
            let [left, right] =
                [found, expected].map(|[s, y]| format!("{} numbers kept of all steps", s + y));
            return Err(Error::Tape { difference: Box::new(SpecDifference { field, left, right }) });
        }
        Ok(RunTape { scheme: self, trial, grid, x, tape })
    }
}

impl<T: Scalar> SplitRun<'_, T> {
    /// The outputs at the end of every sample, for a tape of the whole run.
    fn outputs(&self, tape: &SplitTape<T>) -> Result<Vec<T>, Error> {
        let (hold, samples) = (self.run.grid.hold, self.run.trial().samples);
        let width = self.scheme.network.outputs;
        let mut outputs = memory::room("the outputs (samples x outputs)", samples * width)?;
        for sample in 0..samples {
            let last = (sample + 1) * hold - 1;
            outputs.extend_from_slice(self.scheme.frame(&tape.frames, last).read.output);
        }
        match outputs.iter().position(|output| !output.is_finite()) {
            None => Ok(outputs),
            Some(at) => {
                // It may be the state that is to blame.
                self.watch(|_, _, _| ())?;
                Err(Error::NonFiniteOutput { output: at % width, time: self.time((at / width + 1) * hold) })
            }
        }
    }
}

impl<T: Scalar> RunTape<'_, T> {
    /// The network that was run.
    pub fn network(&self) -> &Network<T> {
        self.scheme.network
    }

    /// The state in which the run ended, for another one to go on from.
    pub fn state(&self) -> NetworkState<T> {
        self.scheme.save_state(&self.x, self.accumulated(), self.taken())
    }

    /// The tape without the scheme, to be handed to [`SplitStep::tape`] later.
    pub fn keep(self) -> KeptTape<T> {
        let state = self.state();
        let Self { trial, grid, x, tape, .. } = self;
        KeptTape { trial, grid, state, x, tape }
    }

    /// What the loss of an earlier run had accumulated, which a run without a loss hands on as it is.
    fn accumulated(&self) -> &[T] {
        self.trial.state.as_ref().map_or(&[], |state| &state.m)
    }

    /// Steps since the fresh start.
    pub(super) fn taken(&self) -> usize {
        self.trial.state.as_ref().map_or(0, NetworkState::taken) + self.trial.samples * self.grid.hold
    }

    /// The vector-Jacobian product of the run, equation (90): turns the derivatives `output_bar` of anything by the outputs, `samples x
    /// outputs`, into those by all that the run was given. A tape can be gone over again with others.
    ///
    /// `state_bar` is the cotangent of the state in which the run ended, which the `vjp` of a run that went on from there returned;
    /// `None` where no run did, or to cut the gradient off there (truncated backpropagation through time).
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Theta};
    /// # use spikegrad_network::*;
    /// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// # let mut network = Network::builder().population(population).synapse("slow", 20.0).outputs(1).build()?;
    /// # network.parameters.bias_mut().fill(0.03);
    /// # network.parameters.readout_mut(0).fill(1.0);
    /// let scheme = SplitStep::new(&network, 0.5)?;
    /// let (whole, mut tape) = scheme.forward(Trial::silent(100, 1.0, 0))?;
    /// let gradient = tape.vjp(&whole, None)?.parameters;
    /// // The same in two runs.
    /// let (first, mut early) = scheme.forward(Trial::silent(60, 1.0, 0))?;
    /// let goes_on = Trial { state: Some(early.state()), ..Trial::silent(40, 1.0, 0) };
    /// let (second, mut late) = scheme.forward(goes_on)?;
    /// let behind = late.vjp(&second, None)?;
    /// let before = early.vjp(&first, behind.state.as_ref())?;
    /// for (i, &whole) in gradient.values().iter().enumerate() {
    ///     let parts = before.parameters.values()[i] + behind.parameters.values()[i];
    ///     assert!((parts - whole).abs() <= 1e-12 * (1.0 + whole.abs()));
    /// }
    /// // Truncated: nothing of what happens in the second run is traced back to the first.
    /// let truncated = early.vjp(&first, None)?;
    /// assert_ne!(truncated.parameters, before.parameters);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::NonFinite`] if `output_bar` is not `samples x outputs` finite numbers, [`Error::State`] if
    /// `state_bar` is of another state; [`Error::NonFiniteGradient`].
    pub fn vjp(
        &mut self,
        output_bar: &[T],
        state_bar: Option<&NetworkState<T>>,
    ) -> Result<Gradients<T>, Error> {
        let mut back = self.backwards(state_bar)?;
        back.check(output_bar, back.left())?;
        back.advance(0, output_bar);
        back.finish()
    }
}
