//! A run of the split step over a trial, and what can be asked of it.

use std::ops::Range;

use spikegrad_integrators::{Divergence, EventLog, Step, StepVjp, Total};

use super::conductances::{OpenPopulation, OpenScratch};
use super::scheme::{Frame, SplitStep};
use super::steps::{self, Backward, Forward, Steps};
use super::tape::SplitTape;
use crate::placed::{Placed, block};
use crate::populations::{Block, Context};
use crate::projections::Delays;
use crate::schemes::run::Run;
use crate::{Error, Loss, Network, Scalar, Spike, Trial};

/// A [`SplitStep`] on one trial. Its state is `[v | other membrane variables | latches | s_k | J_k]`, and behind it, for
/// projections with delays, what is on its way, and, where samples of several channels are held over several steps, `I_o + U i`.
#[derive(Clone, Copy)]
pub struct SplitRun<'a, T: 'static> {
    pub(super) scheme: &'a SplitStep<'a, T>,
    pub(super) run: Run<'a, T>,
}

impl<T: Scalar> SplitStep<'_, T> {
    /// A run over a trial, judged by a loss.
    ///
    /// # Errors
    /// If the trial does not fit the network, `h` does not divide its sample interval, it has more steps than can be counted, or it
    /// brings an initial state to a network that trains its own; [`Error::State`] if it goes on from a state of another network or
    /// scheme.
    pub fn run<'a>(&'a self, trial: &'a Trial<T>, loss: &'a dyn Loss<T>) -> Result<SplitRun<'a, T>, Error> {
        if let Some(state) = &trial.state {
            self.check_state("the trial's state", state)?;
        }
        let mut run = SplitRun { scheme: self, run: Run::new(self.network, self.h, trial, loss)? };
        run.run.outputs = self.outputs();
        run.check_accumulators()?;
        Ok(run)
    }
}

/// Where the gradient by what a trial gives lies, behind that by the parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenRanges {
    /// The derivative by the inputs, `samples x inputs`.
    pub inputs: Range<usize>,
    /// The derivative by currents injected into each neuron, `samples x N`, whether the trial has any or not.
    pub currents: Range<usize>,
    /// The derivative by the charges of the events.
    pub charges: Range<usize>,
}

impl<T: Scalar> SplitRun<'_, T> {
    /// This run with a longer gradient: behind the gradient by the parameters stand those by the trial's inputs, by injected currents and by the
    /// charges of its events, which [`given`](Self::given) finds.
    ///
    /// ```
    /// # use spikegrad_integrators::StepVjp;
    /// # use spikegrad_models::{GateShape, Theta};
    /// # use spikegrad_network::*;
    /// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// # let network = Network::builder().population(population).synapse("slow", 20.0).inputs(2).outputs(1).build()?;
    /// let trial = Trial::silent(100, 1.0, network.inputs());
    /// let scheme = SplitStep::new(&network, 0.5)?;
    /// let run = scheme.run(&trial, &NoLoss)?.by_inputs();
    /// // What a sweep writes: a number for each parameter, each input and each injected current.
    /// let gradient = vec![0.0; run.n_parameters()];
    /// let input_bar = &gradient[run.given().inputs];
    /// assert_eq!(input_bar.len(), 100 * 2);
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    #[must_use]
    pub fn by_inputs(mut self) -> Self {
        self.run.by_inputs = true;
        self
    }

    /// This run without the end of the loss over the run: another run goes on from its state, with what the loss has accumulated.
    #[must_use]
    pub fn unfinished(mut self) -> Self {
        self.run.ends = false;
        self
    }

    /// Where the gradient by what the trial gives lies; empty ranges unless [`by_inputs`](Self::by_inputs) asked for that gradient.
    pub fn given(&self) -> GivenRanges {
        let [inputs, currents, charges] = self.run.given();
        GivenRanges { inputs, currents, charges }
    }

    /// Runs the trial forwards and shows `visit(n, x_{n+1}, tape)` every step, on a tape that holds that step alone; returns the
    /// cost.
    ///
    /// # Errors
    /// [`Error::Diverged`] after the first step whose state or cost is not finite, which is not shown.
    pub fn watch(&self, mut visit: impl FnMut(usize, &[T], &SplitTape<T>)) -> Result<T, Error> {
        let (mut x, mut tape) = (vec![T::zero(); self.dim()], SplitTape::default());
        let mut cost = Total::default();
        self.start(&mut x);
        for n in 0..self.steps() {
            self.rewind(&x, &mut tape);
            cost += self.step(n, &mut x, &mut tape);
            Divergence::check(self, n, &x, cost.value())?;
            visit(n, &x, &tape);
        }
        Ok(cost.value())
    }

    /// Calls `visit(neuron, spikes)` for every neuron that completed spikes in the last step of the tape.
    pub fn last_spikes(&self, tape: &SplitTape<T>, mut visit: impl FnMut(usize, u64)) {
        self.last_firing(tape, |firing| visit(firing.place.offset + firing.i, firing.count));
    }

    /// Calls `visit` for the spikes of step `n`, the last one of the tape, neuron by neuron.
    pub(crate) fn locate_spikes(&self, n: usize, tape: &SplitTape<T>, mut visit: impl FnMut(Spike)) {
        let (start, end) = (self.time(n), self.time(n + 1));
        let mut open = self.channels();
        if let Some(last) = tape.steps.checked_sub(1) {
            self.open_channels(last, tape, &mut open);
        }
        self.last_firing(tape, |Firing { p, place, at, before, after, current, i, count }| {
            let (most, each) = if count <= Spike::EACH { (count, 1) } else { (1, count) };
            let mut left = most;
            let OpenPopulation { loops, at } = &self.population(p, &open, place, at);
            loops.spike_times(at, before, after, current, i, count, &mut |time| {
                if left > 0 {
                    left -= 1;
                    let time: f64 = time.to_subset_unchecked();
                    // Rounding may take a spike out of its step.
                    let time = (start + time.max(0.0)).min(end);
                    visit(Spike { neuron: place.offset + i, time, count: each });
                }
            });
            // Not reached unless a count and its times were rounded apart.
            (0..left).for_each(|_| visit(Spike { neuron: place.offset + i, time: end, count: each }));
        });
    }

    /// Room for the conductances of a step; none where no traces are conductances.
    fn channels(&self) -> OpenScratch<T> {
        let mut open = OpenScratch::default();
        let network = self.scheme.network;
        self.scheme.conductances.make_room(network.neurons, network.currents, &mut open);
        open
    }

    /// Finds the conductances of step `index` of the tape, if traces are conductances.
    fn open_channels(&self, index: usize, tape: &SplitTape<T>, open: &mut OpenScratch<T>) {
        if let Some(kept) = self.kept_conductances(index, tape) {
            let before = self.scheme.frame(&tape.frames, index).before;
            self.scheme.conductances.find(kept, before, open);
        }
    }

    /// The conductances at the start of step `index` of the tape, among the currents of all projections.
    fn kept_conductances<'t>(&self, index: usize, tape: &'t SplitTape<T>) -> Option<&'t [T]> {
        let (scheme, network) = (self.scheme, self.scheme.network);
        let kept = || &tape.synapses[index * scheme.kept + network.traces..][..network.currents];
        (!scheme.conductances.is_empty()).then(kept)
    }

    /// Population `p` in the step whose conductances were found last: its loops, and what they need to know.
    fn population<'o>(
        &self,
        p: usize,
        open: &'o OpenScratch<T>,
        place: &Placed,
        at: &Context<'o, T>,
    ) -> OpenPopulation<'o, T> {
        if self.scheme.conductances.opens(p) {
            open.population(place, at)
        } else {
            OpenPopulation { loops: place.loops.of::<T>(), at: *at }
        }
    }

    /// Logs how many conductances step `index` of the tape held, and how many were below zero.
    fn log_conductances(&self, index: usize, tape: &SplitTape<T>, log: &mut EventLog) {
        if let Some(kept) = self.kept_conductances(index, tape) {
            let (all, negative) = self.scheme.conductances.count(kept);
            log.conductances(all, negative);
        }
    }

    /// Every neuron that completed spikes in the last step of the tape.
    fn last_firing(&self, tape: &SplitTape<T>, mut visit: impl FnMut(Firing<'_, T>)) {
        let Some(index) = tape.steps.checked_sub(1) else { return };
        let membrane = self.scheme.network.membrane;
        let Frame { before, after, current, .. } = self.scheme.frame(&tape.frames, index);
        for (neuron, &charge) in tape.last_charges() {
            for (p, (place, at)) in self.scheme.places().enumerate() {
                if (place.offset..place.offset + place.size).contains(&neuron) {
                    let (before, after) = (block(place, membrane, before), block(place, membrane, after));
                    let (i, current) = (neuron - place.offset, current[neuron]);
                    let count = place.loops.of::<T>().spikes(at, before, after, i, charge);
                    if count > 0 {
                        visit(Firing { p, place, at, before, after, current, i, count });
                    }
                }
            }
        }
    }

    /// Logs what the neurons in the active zone did in `steps`, the last ones of the tape: spikes, grazing ones, crossings of the
    /// zone. It goes over these neurons only and leaves out the signature, for which [`Step::events`] goes over all of them.
    pub fn log_crossings(&self, steps: Range<usize>, tape: &SplitTape<T>, log: &mut EventLog) {
        let (network, first) = (self.scheme.network, tape.steps - steps.len().min(tape.steps));
        let mut open = self.channels();
        for (n, index) in steps.zip(first..tape.steps) {
            log.step(n);
            self.open_channels(index, tape, &mut open);
            self.log_conductances(index, tape, log);
            let Frame { before, after, current, .. } = self.scheme.frame(&tape.frames, index);
            let (neurons, charges) = tape.released.part(&tape.part(index));
            let mut active = neurons.iter().map(|&i| i as usize).zip(charges).peekable();
            // Neurons are released in ascending order, population by population.
            for (p, (place, at)) in self.scheme.places().enumerate() {
                let OpenPopulation { loops, at } = &self.population(p, &open, place, at);
                let end = place.offset + place.size;
                let (before, after) =
                    (block(place, network.membrane, before), block(place, network.membrane, after));
                while let Some((neuron, &charge)) = active.next_if(|&(neuron, _)| neuron < end) {
                    let at_neuron = (place.offset, neuron - place.offset);
                    loops.log_crossing(at, before, after, current[neuron], at_neuron, charge, log);
                }
            }
        }
    }

    /// The current of the last step of the tape, `N`.
    pub fn last_current<'t>(&self, tape: &'t SplitTape<T>) -> &'t [T] {
        tape.steps.checked_sub(1).map_or(&[], |index| self.scheme.frame(&tape.frames, index).current)
    }

    /// The readout at the end of the last step of the tape, `outputs`.
    pub fn last_output<'t>(&self, tape: &'t SplitTape<T>) -> &'t [T] {
        tape.steps.checked_sub(1).map_or(&[], |index| self.scheme.frame(&tape.frames, index).read.output)
    }

    pub(super) fn steps_of(&self) -> Steps<'_, T> {
        Steps { scheme: self.scheme, run: &self.run }
    }

    /// The network that is run.
    pub fn network(&self) -> &Network<T> {
        self.scheme.network
    }

    pub(crate) fn h(&self) -> T {
        self.scheme.h
    }

    pub(crate) fn scheme(&self) -> &SplitStep<'_, T> {
        self.scheme
    }

    /// The populations with what their loops need to know.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&Placed, &Context<'_, T>)> {
        self.scheme.places()
    }

    pub(crate) fn shared(&self) -> &Run<'_, T> {
        &self.run
    }

    /// Where the traces `s_k` of a projection lie in the state.
    pub fn synapses(&self, projection: usize) -> Range<usize> {
        let Range { start, end } = self.scheme.network.wires[projection].traces();
        self.scheme.membrane + start..self.scheme.membrane + end
    }

    /// Where the currents `J_k = W_k s_k` of a projection lie in the state.
    pub fn synaptic_current(&self, projection: usize) -> Range<usize> {
        let Range { start, end } = self.scheme.network.wires[projection].currents();
        let first = self.scheme.membrane + self.scheme.network.traces;
        first + start..first + end
    }
}

impl<T: Scalar> Step<T> for SplitRun<'_, T> {
    type Tape = SplitTape<T>;

    fn dim(&self) -> usize {
        let drive = if self.run.holds_drive() { self.scheme.network.neurons } else { 0 };
        self.scheme.state_len() + self.run.accumulators + drive
    }

    fn steps(&self) -> usize {
        self.run.steps
    }

    fn time(&self, n: usize) -> f64 {
        self.run.time(n)
    }

    fn neuron(&self, component: usize) -> usize {
        let network = self.scheme.network;
        let way = self.scheme.membrane + network.traces + network.currents;
        let Some(component) = component.checked_sub(way) else { return self.run.neuron(component) };
        if let Some(behind) = component.checked_sub(self.scheme.way) {
            // What a loss has accumulated is nobody's.
            return behind.saturating_sub(self.run.accumulators);
        }
        let projections = self.scheme.projections.iter().zip(&network.wires);
        let mut neurons = projections.filter_map(|(p, wire)| p.neuron(wire, component));
        neurons.next().unwrap_or_default()
    }

    fn start(&self, x: &mut [T]) {
        if let Some(state) = &self.run.trial().state {
            return self.start_from(state, x);
        }
        let network = self.scheme.network;
        self.run.start_membrane(x);
        let (s, j) = x[self.scheme.membrane..].split_at_mut(network.traces);
        self.run.start_synapses(s);
        // Nothing is on its way yet, and the first step forms its input.
        j.fill(T::zero());
        for (projection, wire) in self.scheme.projections.iter().zip(&network.wires) {
            projection.start(network.parameters.values(), &s[wire.traces()], &mut j[wire.currents()]);
        }
        let way = &mut j[network.currents..][..self.scheme.way];
        self.scheme.projections.iter().for_each(|projection| projection.start_way(way));
        self.start_accumulators(x);
    }

    fn rewind(&self, x: &[T], tape: &mut Self::Tape) {
        let network = self.scheme.network;
        tape.steps = 0;
        tape.synapses.clear();
        tape.arrived.clear();
        tape.accumulated.clear();
        tape.ends.clear();
        tape.released.clear(network.neurons);
        if tape.frames.len() < self.scheme.stride {
            tape.grow(self.scheme.stride, self.scheme.stride);
        }
        tape.frames[..self.scheme.membrane].copy_from_slice(&x[..self.scheme.membrane]);
        tape.output_bar.resize(network.outputs, T::zero());
        tape.named_bar.resize(network.readouts.traces, T::zero());
        tape.current_bar.resize(network.neurons, T::zero());
        tape.charge_bar.resize(network.neurons, T::zero());
        tape.gain_bar.resize(self.scheme.projections.len(), T::zero());
        tape.forget_what_waits(self.scheme);
        self.scheme.conductances.make_room(network.neurons, network.currents, &mut tape.open);
    }

    fn tape_bytes(&self) -> Option<usize> {
        let n = self.scheme.network.neurons;
        // A frame, and charges with the slopes at both ends, of which there are at most `N` and those of the events.
        let released = n + self.run.most_events();
        let kept = self.scheme.kept + self.scheme.kept_arrivals + self.run.kept_accumulators();
        let numbers = self.scheme.stride + kept + 3 * released;
        Some(numbers * size_of::<T>() + released * size_of::<u32>() + size_of::<usize>())
    }

    fn reserve(&self, steps: usize, tape: &mut Self::Tape) {
        let n = self.scheme.network.neurons;
        let frames = (steps + 1) * self.scheme.stride;
        tape.frames.reserve_exact(frames.saturating_sub(tape.frames.len()));
        tape.synapses.reserve_exact(steps * self.scheme.kept);
        tape.arrived.reserve_exact(steps * self.scheme.kept_arrivals);
        tape.accumulated.reserve_exact(steps * self.run.kept_accumulators());
        tape.ends.reserve_exact(steps);
        tape.released.reserve_exact(steps * n);
        // One step's worth, for as many active neurons as there may be.
        tape.scratch.products.clear();
        tape.scratch.products.reserve_exact(n);
        tape.local.clear();
        tape.local.reserve_exact(n);
        for waiting in std::iter::once(&mut tape.waiting).chain(&mut tape.blocks).filter(|w| w.is_used()) {
            waiting.reserve();
        }
        if self.scheme.dense {
            tape.scratch.lanes.clear();
            tape.scratch.lanes.reserve_exact(n);
        }
    }

    fn step(&self, n: usize, x: &mut [T], tape: &mut Self::Tape) -> T {
        let mut cost = Total::default();
        self.advance(n..n + 1, x, tape, &mut cost);
        cost.value()
    }

    fn advance(&self, steps: Range<usize>, x: &mut [T], tape: &mut Self::Tape, cost: &mut Total<T>) {
        steps::forward(Forward { run: self.steps_of(), steps, x, tape, cost });
    }

    fn events(&self, n: usize, tape: &Self::Tape, log: &mut EventLog) {
        let Some(index) = tape.steps.checked_sub(1) else { return };
        log.step(n);
        let network = self.scheme.network;
        let Frame { before, after, current, .. } = self.scheme.frame(&tape.frames, index);
        let (neurons, charges) = tape.released.part(&tape.part(index));
        // Neurons are released in ascending order, population by population.
        let charge_of = |i: usize| match neurons.binary_search(&(i as u32)) {
            Ok(at) => charges[at],
            Err(_) => T::zero(),
        };
        if n == 0 {
            // A delay is a kink where it is a whole number of steps.
            self.scheme.delays().flat_map(Delays::pieces).for_each(|piece| log.piece(piece));
        }
        let mut open = self.channels();
        self.open_channels(index, tape, &mut open);
        self.log_conductances(index, tape, log);
        for (p, (place, at)) in self.scheme.places().enumerate() {
            let (before, after) =
                (block(place, network.membrane, before), block(place, network.membrane, after));
            if n == 0 {
                // The charge of the first step depends on the piece that the initial state lies in.
                place.loops.of::<T>().pieces(at, before, log);
            }
            let current = &current[place.offset..][..place.size];
            let OpenPopulation { loops, at } = &self.population(p, &open, place, at);
            loops.events(at, before, after, current, place.offset, &charge_of, log);
        }
        if let Some(over_run) = self.run.over_run.filter(|_| n + 1 == self.steps()) {
            over_run.pieces(&self.run.end(&tape.end), &mut |piece| log.piece(piece));
        }
    }
}

impl<T: Scalar> StepVjp<T> for SplitRun<'_, T> {
    fn n_parameters(&self) -> usize {
        self.run.given()[2].end
    }

    fn step_vjp(
        &self,
        n: usize,
        tape: &mut Self::Tape,
        cost_bar: T,
        x_bar: &mut [T],
        parameters_bar: &mut [T],
    ) {
        self.advance_vjp(n..n + 1, tape, cost_bar, x_bar, parameters_bar);
    }

    fn advance_vjp(
        &self,
        steps: Range<usize>,
        tape: &mut Self::Tape,
        cost_bar: T,
        x_bar: &mut [T],
        parameters_bar: &mut [T],
    ) {
        let run = self.steps_of();
        steps::backward(Backward { run, steps, tape, cost_bar, x_bar, parameters_bar });
    }

    fn start_vjp(&self, x_bar: &mut [T], parameters_bar: &mut [T]) {
        let (scheme, network) = (self.scheme, self.scheme.network);
        if self.run.trial().state.is_some() {
            // The state of an earlier run is no parameter, equation (91): its cotangent is for that run.
            return network.mask_gradient(parameters_bar);
        }
        // W_bar at n = 0, equation (27)
        if let Some(initial) = self.run.initial().filter(|initial| !initial.s.is_empty()) {
            let j_bar = &x_bar[scheme.membrane + network.traces..];
            for (projection, wire) in scheme.projections.iter().zip(&network.wires) {
                let (s, j_bar) = (&initial.s[wire.traces()], &j_bar[wire.currents()]);
                projection.start_vjp(network.parameters.values(), s, j_bar, parameters_bar);
            }
        }
        self.run.start_membrane_vjp(x_bar, parameters_bar);
        network.mask_gradient(parameters_bar);
    }
}

/// A neuron that spikes in a step, number `i` of its population.
struct Firing<'t, T: 'static> {
    /// The population's number.
    p: usize,
    place: &'t Placed,
    at: &'t Context<'t, T>,
    before: Block<'t, T>,
    after: Block<'t, T>,
    current: T,
    i: usize,
    count: u64,
}
