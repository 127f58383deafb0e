//! Closed loops: a network that is stepped sample by sample by a program that looks at its outputs in between.

use spikegrad_integrators::{Divergence, Step, Total, first_non_finite};

use super::forward::RunTape;
use super::run::SplitRun;
use super::scheme::SplitStep;
use super::tape::SplitTape;
use crate::schemes::grid::{Grid, MOST_STEPS, check_events, step_of};
use crate::schemes::run::Run;
use crate::{Error, Event, NetworkState, NoLoss, Scalar, Trial, memory};

/// A run whose inputs are not known in advance: each sample is given when the outputs of the one before have been seen. It has the
/// bits of one run with the same inputs. Without a tape it takes no memory after the first sample, however long it goes on; with one,
/// [`into_tape`](Self::into_tape) gives what [`SplitStep::forward`] gives of a trial, for a gradient through the loop.
///
/// ```
/// # use spikegrad_models::{GateShape, Theta};
/// # use spikegrad_network::*;
/// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
/// # let mut network = Network::builder().population(population).synapse("slow", 20.0).inputs(1).outputs(1).build()?;
/// network.parameters.bias_mut().fill(0.02);
/// network.parameters.input_mut().fill(0.005);
/// network.parameters.readout_mut(0).fill(4.0);
/// let scheme = SplitStep::new(&network, 0.5)?;
/// let mut stepper = scheme.stepper(1.0, None)?;
/// // A tank, whose level the network sees: what flows in is what its output lacks of 1.5.
/// let mut level = 0.0;
/// for _ in 0..3000 {
///     let output = stepper.step(&[level])?[0];
///     level += 0.02 * (1.5 - output);
/// }
/// // Five neurons at 2 sqrt(I / 25 ms) spikes per ms, with 4 for the trace of each.
/// assert!((level - 3.0_f64).abs() < 0.5, "{level}");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stepper<'s, T: 'static> {
    scheme: &'s SplitStep<'s, T>,
    grid: Grid<T>,
    /// All samples since the tape began, or the last one where there is no tape.
    trial: Trial<T>,
    keeps_tape: bool,
    /// Steps since the fresh start, up to the first of the trial, and samples of this stepper up to there.
    first: usize,
    before: usize,
    x: Vec<T>,
    /// The state before the last sample.
    start: Vec<T>,
    tape: SplitTape<T>,
}

/// What a network is given for one sample. A slice is that of its inputs.
#[derive(Clone, Copy, Debug)]
pub struct Stimulus<'a, T> {
    /// Inputs, held over the sample.
    pub inputs: &'a [T],
    /// Currents injected into each neuron, `N`, held over the sample; empty for none.
    pub currents: &'a [T],
    /// Charges of channels of event sources, in order of time, counted in ms from the start of the sample.
    pub events: &'a [Event<T>],
}

impl<T> Default for Stimulus<'_, T> {
    fn default() -> Self {
        Self { inputs: &[], currents: &[], events: &[] }
    }
}

impl<'a, T> From<&'a [T]> for Stimulus<'a, T> {
    fn from(inputs: &'a [T]) -> Self {
        Self { inputs, ..Self::default() }
    }
}

impl<'a, T, const N: usize> From<&'a [T; N]> for Stimulus<'a, T> {
    fn from(inputs: &'a [T; N]) -> Self {
        Self::from(&inputs[..])
    }
}

impl<'a, T> From<&'a Vec<T>> for Stimulus<'a, T> {
    fn from(inputs: &'a Vec<T>) -> Self {
        Self::from(&inputs[..])
    }
}

impl<T: Scalar> SplitStep<'_, T> {
    /// A network to be stepped sample by sample, `interval` ms each, from the state in which an earlier run ended or, with `None`, from
    /// the network's own initial state.
    ///
    /// # Errors
    /// If `h` does not divide the interval, or the state is of another network or scheme.
    pub fn stepper(&self, interval: f64, state: Option<NetworkState<T>>) -> Result<Stepper<'_, T>, Error> {
        let mut trial = Trial { state, ..Trial::silent(1, interval, self.network.inputs) };
        let run = self.run(&trial, &NoLoss)?.by_inputs();
        let (grid, first) = (run.run.grid, run.run.first);
        let mut x = vec![T::zero(); run.dim()];
        run.start(&mut x);
        let mut tape = SplitTape::default();
        run.rewind(&x, &mut tape);
        run.reserve(grid.hold, &mut tape);
        trial.samples = 0;
        trial.inputs.clear();
        let start = x.clone();
        Ok(Stepper { scheme: self, grid, trial, keeps_tape: false, first, before: 0, x, start, tape })
    }
}

impl<'s, T: Scalar> Stepper<'s, T> {
    /// Keeps a tape from here on.
    #[must_use]
    pub fn with_tape(mut self) -> Self {
        if self.samples() > 0 {
            // What came before is not on the tape: this is a state of an earlier run.
            self.trial.state = Some(self.state());
        }
        self.forget();
        self.keeps_tape = true;
        let mut run = Run::on(self.grid, self.scheme.network, &self.trial, &NoLoss);
        run.outputs = self.scheme.outputs();
        SplitRun { scheme: self.scheme, run }.by_inputs().rewind(&self.x, &mut self.tape);
        self
    }

    /// Takes the steps of one more sample and returns the outputs at its end, `outputs`.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::NonFinite`] or [`Error::Event`] if that is no stimulus for the network, and
    /// [`Error::MemoryLimit`] or [`Error::OutOfMemory`] if the tape does not fit into memory, all of them before anything is done;
    /// [`Error::Diverged`] or [`Error::NonFiniteOutput`] if the run does not stay finite. After any error the loop is where it was before
    /// the sample.
    pub fn step<'g>(&mut self, stimulus: impl Into<Stimulus<'g, T>>) -> Result<&[T], Error> {
        let stimulus = stimulus.into();
        self.check(&stimulus)?;
        if self.keeps_tape {
            self.make_room()?;
        } else {
            self.forget();
        }
        let (samples, events, taken) = (self.trial.samples, self.trial.events.len(), self.tape.steps);
        self.start.copy_from_slice(&self.x);
        self.take(&stimulus);
        let failed = self.run_sample(&stimulus).err();
        if let Some(error) = failed {
            // As if the sample had not been tried.
            let network = self.scheme.network;
            self.trial.samples = samples;
            self.trial.inputs.truncate(samples * network.inputs);
            self.trial.currents.truncate(samples * network.neurons);
            self.trial.events.truncate(events);
            self.tape.steps = taken;
            self.x.copy_from_slice(&self.start);
            return Err(error);
        }
        Ok(self.scheme.frame(&self.tape.frames, self.tape.steps - 1).read.output)
    }

    /// Runs the sample that was taken last.
    fn run_sample(&mut self, stimulus: &Stimulus<'_, T>) -> Result<(), Error> {
        let mut run = Run::on(self.grid, self.scheme.network, &self.trial, &NoLoss);
        run.outputs = self.scheme.outputs();
        run.first = self.first;
        let run = SplitRun { scheme: self.scheme, run }.by_inputs();
        if !self.keeps_tape {
            run.rewind(&self.x, &mut self.tape);
            // However many neurons are active at once, and in however late a sample.
            let neurons = self.scheme.network.neurons;
            self.tape.released.reserve_exact((self.grid.hold + 1) * neurons + stimulus.events.len());
        }
        let steps = run.steps();
        let before = self.before * self.grid.hold;
        for n in steps - self.grid.hold..steps {
            run.advance(n..n + 1, &mut self.x, &mut self.tape, &mut Total::default());
            if let Err(Divergence::State { neuron, .. }) = Divergence::check(&run, n, &self.x, T::zero()) {
                let time = self.trial.interval * self.before as f64 + run.time(n + 1);
                return Err(Divergence::State { step: before + n, time, neuron }.into());
            }
        }
        let time = self.trial.interval * self.samples() as f64;
        let outputs = self.scheme.frame(&self.tape.frames, self.tape.steps - 1).read.output;
        match outputs.iter().position(|output| !output.is_finite()) {
            None => Ok(()),
            Some(output) => Err(Error::NonFiniteOutput { output, time }),
        }
    }

    /// Samples that were taken.
    pub fn samples(&self) -> usize {
        self.before + self.trial.samples
    }

    /// The state after the last sample, for another run to go on from.
    pub fn state(&self) -> NetworkState<T> {
        let accumulated = self.trial.state.as_ref().map_or(&[][..], |state| &state.m);
        self.scheme.save_state(&self.x, accumulated, self.taken())
    }

    /// The tape of the samples since [`with_tape`](Self::with_tape); without that, a tape of no sample.
    pub fn into_tape(mut self) -> RunTape<'s, T> {
        if !self.keeps_tape {
            self = self.with_tape();
        }
        let Self { scheme, grid, trial, x, tape, .. } = self;
        RunTape { scheme, trial, grid, x, tape }
    }

    /// Steps since the fresh start.
    fn taken(&self) -> usize {
        self.first + self.trial.samples * self.grid.hold
    }

    /// Forgets the samples that were taken, but for the state that they left.
    fn forget(&mut self) {
        self.first = self.taken();
        self.before += self.trial.samples;
        self.trial.samples = 0;
        self.trial.inputs.clear();
        self.trial.currents.clear();
        self.trial.events.clear();
        self.tape.steps = 0;
    }

    fn check(&self, stimulus: &Stimulus<'_, T>) -> Result<(), Error> {
        let network = self.scheme.network;
        let check = |what: &str, values: &[T], expected: usize| {
            if values.len() != expected {
                return Err(Error::Shape { what: what.into(), expected, found: values.len() });
            }
            match first_non_finite(values) {
                None => Ok(()),
                Some(index) => Err(Error::NonFinite { what: what.into(), index }),
            }
        };
        check("the sample's inputs (inputs)", stimulus.inputs, network.inputs)?;
        if !stimulus.currents.is_empty() {
            check("the sample's injected currents (N)", stimulus.currents, network.neurons)?;
        }
        check_events(network, stimulus.events, self.trial.interval)?;
        // In a run with all samples, such an event would lie in the first step of the next one.
        let late = |event: &Event<T>| self.step_in_sample(event) >= self.grid.hold;
        if let Some(index) = stimulus.events.iter().position(late) {
            let why = "lies at the end of its sample: give it to the next one, at 0 ms".into();
            return Err(Error::Event { index, why });
        }
        let most = MOST_STEPS.min(isize::MAX as f64);
        let steps = self.taken() as f64 + self.grid.hold as f64;
        if steps > most {
            let (samples, interval) = (self.samples(), self.trial.interval);
            return Err(Error::Steps { samples, interval, h: self.grid.h.to_subset_unchecked(), steps });
        }
        Ok(())
    }

    /// The step of its sample that an event lies in.
    fn step_in_sample(&self, event: &Event<T>) -> usize {
        step_of(event.time, self.trial.interval / self.grid.hold as f64) as usize
    }

    /// Makes room for one more sample, twice as much each time.
    fn make_room(&mut self) -> Result<(), Error> {
        let (what, stride) = ("the tape of the closed loop", self.scheme.stride);
        let needed = self.tape.steps.saturating_add(self.grid.hold + 1);
        if self.tape.frames.capacity() / stride >= needed {
            return Ok(());
        }
        let steps = 2 * needed;
        memory::check(what, memory::bytes::<T>(&[needed, stride]), self.scheme.network.memory_limit)?;
        memory::ask(what, memory::bytes::<T>(&[steps, stride]))?;
        self.tape.frames.reserve_exact(steps * stride - self.tape.frames.len());
        Ok(())
    }

    /// Adds a sample to the trial.
    fn take(&mut self, stimulus: &Stimulus<'_, T>) {
        let (trial, hold) = (&mut self.trial, self.grid.hold);
        trial.inputs.extend_from_slice(stimulus.inputs);
        if !stimulus.currents.is_empty() || !trial.currents.is_empty() {
            let neurons = self.scheme.network.neurons;
            trial.currents.resize(trial.samples * neurons, T::zero());
            trial.currents.extend_from_slice(stimulus.currents);
            trial.currents.resize((trial.samples + 1) * neurons, T::zero());
        }
        let (interval, samples) = (trial.interval, trial.samples);
        let h = interval / hold as f64;
        trial.events.extend(stimulus.events.iter().map(|event| {
            // In the middle of its step, from which no rounding takes it.
            let step = (samples * hold) as f64 + step_of(event.time, h);
            Event { time: (step + 0.5) * h, ..*event }
        }));
        trial.samples += 1;
    }
}
