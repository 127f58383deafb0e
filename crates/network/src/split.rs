//! The gated split step (equations (17)-(21)) and its sparse exact transpose (equations (22)-(27)): an exact gradient
//! whose cost follows the spikes.
//!
//! `J_k = W_k s_k` is a state of its own, so that a step touches only the columns of neurons that released charge, and
//! its transpose only those of neurons in the active zone. The dense path, for time constants that differ between
//! neurons, forms the product anew at every step.

use std::fmt::Debug;
use std::ops::Range;

use aligned_vec::AVec;
use nalgebra::RealField;
use num_dual::Dual64;
use spikegrad_integrators::{Decay, Divergence, EventLog, Method, Step, StepVjp, Total};

use crate::bursts::Waiting;
use crate::columns::{self, Charges, Columns, Reading, columns};
use crate::delay::{Delayed, Delays, ReleaseBar};
use crate::kernels::{ARCH, LANES, LINE, axpy, copy, dot, each, prefetch, scale};
use crate::low_rank::{LowRank, Modes};
use crate::network::{Place, block};
use crate::population::{Block, Flow, FlowBar, Released, Setting, vectorise};
use crate::product::{add_outer, add_transposed, multiply};
use crate::run::{Read, Run, step_size};
use crate::{Error, Group, Loss, Network, Spike, Trial, memory};

/// The split step of a network: exact decay of the synapses, the neurons' flow with the current held. It has order 1 in the
/// step and takes every network; [`PlainStep`](crate::PlainStep#when-to-take-which-scheme) says when that is the better scheme.
///
/// ```
/// # use spikegrad_models::{GateShape, Theta};
/// # use spikegrad_network::*;
/// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
/// # let network = Network::builder().population(population).synapse("slow", 20.0).inputs(1).build()?;
/// let scheme = SplitStep::new(&network, 0.5)?;
/// let trial = Trial::silent(100, 1.0, network.inputs());
/// let run = scheme.run(&trial, &NoLoss)?;
/// # Ok::<(), spikegrad_network::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SplitStep<'n, T: 'static> {
    network: &'n Network<T>,
    /// The widest vectors of this machine.
    arch: pulp::Arch,
    columns: &'static dyn Columns<T>,
    /// Of each population.
    settings: Vec<Setting<'n, T>>,
    h: T,
    classes: Vec<Class<T>>,
    /// What is left of the traces and currents of each after a step, where all neurons have one time constant.
    keep: Vec<T>,
    /// Those on the sparse path, as the loops over columns see them.
    sparse: Vec<columns::Class<T>>,
    /// Length of `[v | rest | latches]`.
    membrane: usize,
    /// Length of a frame of [`SplitTape::frames`], and of the state that it begins with.
    stride: usize,
    state: usize,
    /// Length of what is on its way.
    way: usize,
    /// Whether all columns are visited at every step.
    dense: bool,
    /// Whether the loops over columns read out the synapses, too: one output, of a class on the sparse path.
    reads: bool,
    /// Whether any time constant is trainable: their gradient needs `s` and `J` of every step.
    keeps_synapses: bool,
    /// Whether the gradient of any weights waits for further steps.
    waits: bool,
    /// What a step adds to [`SplitTape::synapses`].
    kept: usize,
    /// What a step adds to [`SplitTape::arrived`].
    kept_arrivals: usize,
}

/// A synapse class as a step sees it.
#[derive(Clone, Debug)]
struct Class<T> {
    /// One for all neurons, or one each.
    decays: Vec<Decay<T>>,
    path: Path<T>,
    /// Where the weights lie in the parameters.
    weights: Range<usize>,
    tau: Range<usize>,
    delay: Range<usize>,
    trains_weights: bool,
    trains_tau: bool,
    trains_delay: bool,
}

/// How charges come to the traces and currents of a class.
#[derive(Clone, Debug)]
enum Path<T> {
    /// At once, by the columns of the neurons that released any.
    Sparse,
    /// At once, by all columns.
    Dense,
    /// At once, through two factors of the weights.
    LowRank(LowRank),
    /// Later.
    Delayed(Delays<T>),
}

impl<'n, T: RealField + Copy> SplitStep<'n, T> {
    /// The split step of `h` ms, each population by the method that its model names, [`Neuron::METHOD`].
    ///
    /// [`Neuron::METHOD`]: spikegrad_models::Neuron::METHOD
    ///
    /// ```
    /// use spikegrad_models::{GateShape, HodgkinHuxley};
    /// use spikegrad_network::{Network, NoLoss, Population, SplitStep, Trial};
    ///
    /// let population = Population::new("squid", HodgkinHuxley::default(), 1, GateShape::RaisedCosine, 30.0);
    /// let mut network = Network::builder().population(population).synapse("slow", 5.0).build()?;
    /// network.parameters.bias_mut()[0] = 10.0; // uA/cm2
    /// // By the exponential midpoint. Explicit methods need a fifth of this step.
    /// let scheme = SplitStep::new(&network, 0.25)?;
    /// let recording = scheme.run(&Trial::silent(400, 0.25, 0), &NoLoss)?.record()?;
    /// assert_eq!(recording.spike_counts(), [7]);
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    ///
    /// # Errors
    /// If `h` is not positive and finite in the network's float type, a parameter of the network is out of its domain, one synapse
    /// class has delays of connections and another a time constant for each neuron, or delays are so many steps long that what is
    /// on its way does not fit into memory.
    pub fn new(network: &'n Network<T>, h: f64) -> Result<Self, Error> {
        Self::with_method(network, h, None)
    }

    /// The split step with one method, a table or an exponential one, for all neurons that have no closed form, whatever their
    /// models name; `None` is as [`new`](Self::new).
    ///
    /// ```
    /// use spikegrad_integrators::tableau;
    /// use spikegrad_models::{GateShape, Theta};
    /// use spikegrad_network::{Network, Population, SplitStep};
    ///
    /// let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// let network = Network::builder().population(population).synapse("slow", 20.0).build()?;
    /// let scheme = SplitStep::with_method(&network, 0.5, tableau::RK4)?;
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_method(
        network: &'n Network<T>,
        h: f64,
        method: impl Into<Option<Method>>,
    ) -> Result<Self, Error> {
        let h = step_size(h)?;
        network.validate()?;
        let method = method.into();
        let setting = |place: &Place<T>| {
            let at = network.setting(place, h, method);
            Setting { growth: place.dynamics.growth(&at), ..at }
        };
        let layout = network.parameters.layout();
        let class = |k| {
            let taus = network.parameters.group(Group::Tau(k));
            Class {
                decays: taus.iter().map(|&tau| Decay::new(tau, h)).collect(),
                path: Path::Sparse,
                weights: layout.range(Group::Recurrent(k)),
                tau: layout.range(Group::Tau(k)),
                delay: layout.range(Group::Delay(k)),
                trains_weights: network.is_trainable(Group::Recurrent(k)),
                trains_tau: network.is_trainable(Group::Tau(k)),
                trains_delay: network.is_trainable(Group::Delay(k)),
            }
        };
        let classes: Vec<_> = (0..network.classes.len()).map(class).collect();
        let dense = classes.iter().any(|class| class.decays.len() > 1);
        let mut scheme = Self {
            network,
            arch: *ARCH,
            columns: columns(),
            settings: network.places.iter().map(setting).collect(),
            h,
            keeps_synapses: classes.iter().any(|class| class.trains_tau),
            keep: classes.iter().map(|class| class.decays[0].a).collect(),
            classes,
            sparse: Vec::new(),
            membrane: network.membrane + network.latches,
            // Frames begin at lines of the caches, as their vector does.
            stride: (network.membrane + network.latches + 2 * network.neurons + network.outputs + 1)
                .next_multiple_of((LINE / size_of::<T>()).max(1)),
            state: network.membrane + network.latches + network.neurons,
            way: 0,
            dense: false,
            reads: false,
            waits: false,
            kept: 0,
            kept_arrivals: 0,
        };
        scheme.lay_out(dense)?;
        // Every run takes a state. To ask for its memory now turns what would abort later into an error.
        memory::ask(
            "the state, with all charge on its way behind delays,",
            memory::bytes::<T>(&[scheme.way]),
        )?;
        Ok(scheme)
    }

    /// Chooses the path of each class and makes the rings of the delays.
    fn lay_out(&mut self, dense: bool) -> Result<(), Error> {
        let network = self.network;
        (self.dense, self.way) = (dense, 0);
        for (k, (class, &delayed)) in self.classes.iter_mut().zip(&network.delayed).enumerate() {
            if dense && delayed == Delayed::Connections {
                return Err(Error::DenseDelays { class: k });
            }
            class.path = if delayed != Delayed::Not {
                let values = network.parameters.group(Group::Delay(k));
                let (size, limit) = (network.neurons, network.memory_limit);
                let delays = Delays::new(k, values, delayed, size, self.h, dense, self.way, limit)?;
                self.way += delays.len();
                Path::Delayed(delays)
            } else if dense {
                Path::Dense
            } else {
                LowRank::new(network, k).map_or(Path::Sparse, Path::LowRank)
            };
        }
        let sparse = self.classes.iter().enumerate().filter(|(_, class)| class.is_sparse());
        let waits = Waiting::<T>::is_worth_it(network.neurons);
        self.waits = waits && sparse.clone().any(|(_, class)| class.trains_weights);
        let columns = |(number, class): (usize, &Class<T>)| columns::Class {
            number,
            weights: class.weights.start,
            keep: class.decays[0].a,
            gain: class.decays[0].b,
            writes: class.trains_weights && !waits,
        };
        self.sparse = sparse.map(columns).collect();
        self.reads = network.outputs == 1 && self.sparse.first().is_some_and(|class| class.number == 0);
        let keeps = self.keeps_synapses || dense;
        self.kept = if keeps { 2 * self.classes.len() * network.neurons } else { 0 };
        let rows = self.delays().map(|delays| delays.row(0).len()).sum();
        self.kept_arrivals = if self.keeps_synapses { rows } else { 0 };
        Ok(())
    }

    /// Those of the classes that have any.
    fn delays(&self) -> impl Iterator<Item = &Delays<T>> {
        self.classes.iter().filter_map(|class| match &class.path {
            Path::Delayed(delays) => Some(delays),
            _ => None,
        })
    }

    /// Takes the dense path: `J_k = W_k s_k` as a product at every step instead of column by column where charge was
    /// released. Networks with a time constant for each neuron always do, since their `J_k` does not decay as a whole;
    /// others gain from it only where most neurons stand in the active zone most of the time (see
    /// `docs/performance.md`). Both paths give the same gradient to rounding.
    /// Networks with a delay for each connection or with weights of low rank have no dense path and keep the sparse one.
    #[must_use]
    pub fn dense(mut self) -> Self {
        let full_rank = self.network.ranks.iter().all(Option::is_none);
        if full_rank && !self.network.delayed.contains(&Delayed::Connections) {
            // Only delays of connections are refused.
            let laid_out = self.lay_out(true);
            debug_assert!(laid_out.is_ok());
        }
        self
    }

    /// Whether this is the dense path.
    pub fn is_dense(&self) -> bool {
        self.dense
    }

    /// A run over a trial, judged by a loss.
    ///
    /// # Errors
    /// If the trial does not fit the network, `h` does not divide its sample interval, it has more steps than can be counted, or it
    /// brings an initial state to a network that trains its own.
    pub fn run<'a>(&'a self, trial: &'a Trial<T>, loss: &'a dyn Loss<T>) -> Result<SplitRun<'a, T>, Error> {
        Ok(SplitRun { scheme: self, run: Run::new(self.network, self.h, trial, loss)? })
    }

    /// The network that is stepped.
    pub fn network(&self) -> &'n Network<T> {
        self.network
    }

    /// What a tape keeps of step `index`.
    fn frame<'t>(&self, frames: &'t [T], index: usize) -> Frame<'t, T> {
        self.frame_of(&frames[index * self.stride..][..self.stride + self.state])
    }

    /// The same, of a frame and the state that the next one begins with.
    #[inline(always)]
    fn frame_of<'t>(&self, frame: &'t [T]) -> Frame<'t, T> {
        let (frame, next) = frame.split_at(self.stride);
        let (before, rest) = frame.split_at(self.state);
        let (current, rest) = rest.split_at(self.network.neurons);
        let (output, square) = rest.split_at(self.network.outputs);
        let (after, s) = next.split_at(self.membrane);
        Frame {
            before: &before[..self.membrane],
            current,
            read: Read { output, square: square[0] },
            after,
            s,
        }
    }

    /// The populations with their settings.
    fn places(&self) -> impl Iterator<Item = (&Place<T>, &Setting<'_, T>)> {
        self.network.places.iter().zip(&self.settings)
    }
}

/// The decay of neuron `i`.
#[inline(always)]
fn decay_at<T: Copy>(decays: &[Decay<T>], i: usize) -> Decay<T> {
    decays[if decays.len() == 1 { 0 } else { i }]
}

/// A neuron that spikes in a step, number `i` of its population.
struct Firing<'t, T: 'static> {
    place: &'t Place<T>,
    at: &'t Setting<'t, T>,
    before: Block<'t, T>,
    after: Block<'t, T>,
    current: T,
    i: usize,
    count: u64,
}

/// A frame of the tape.
struct Frame<'t, T> {
    /// Membrane state at the start of the step, and at its end.
    before: &'t [T],
    after: &'t [T],
    current: &'t [T],
    /// Synapses read out at its end, and what was read.
    s: &'t [T],
    read: Read<'t, T>,
}

/// A [`SplitStep`] on one trial. Its state is `[v | other membrane variables | latches | s_k | J_k]`, and behind it, for
/// classes with delays, what is on its way.
#[derive(Clone, Copy)]
pub struct SplitRun<'a, T: 'static> {
    scheme: &'a SplitStep<'a, T>,
    run: Run<'a, T>,
}

/// What the transpose of the split step needs: membrane states, currents, read-out synapses and the sparse charges.
#[derive(Clone, Debug)]
pub struct SplitTape<T> {
    steps: usize,
    /// Of every step the membrane state at its start and the synapses that are read out (`N`), as they lie in the state, then the
    /// current (`N`) and what is read at its end, the readout and `|s|^2`; and in one more frame that part of the last state.
    /// Room that was taken is kept: `steps` says what is on the tape.
    frames: AVec<T>,
    /// `s_k` and `J_k` at the start of every step, where a time constant is trainable; on the dense path always `s_k` at
    /// the start and at the end.
    synapses: Vec<T>,
    /// What arrived in every step, where a time constant is trainable and there are delays.
    arrived: Vec<T>,
    /// Ends of the steps' parts of `released`.
    ends: Vec<usize>,
    released: Released<T>,
    output_bar: Vec<T>,
    current_bar: AVec<T>,
    /// Of one step, as many as there are neurons.
    charge_bar: Vec<T>,
    /// Of what a unit of charge adds to each class.
    gain_bar: Vec<T>,
    /// Products of factors of low rank with the cotangent of the current.
    products: Vec<T>,
    modes: Modes<T>,
    /// Partial sums of the products of the dense path.
    lanes: Vec<[T; LANES]>,
    /// Of the weights' gradients.
    waiting: Waiting<T>,
}

impl<T: RealField + Copy> Default for SplitTape<T> {
    fn default() -> Self {
        Self {
            steps: 0,
            frames: AVec::new(0),
            synapses: Vec::new(),
            arrived: Vec::new(),
            ends: Vec::new(),
            released: Released::default(),
            output_bar: Vec::new(),
            current_bar: AVec::new(0),
            charge_bar: Vec::new(),
            gain_bar: Vec::new(),
            products: Vec::new(),
            modes: Modes::default(),
            lanes: Vec::new(),
            waiting: Waiting::default(),
        }
    }
}

impl<T: RealField + Copy> SplitTape<T> {
    /// Makes the frames at least so long. Whoever takes a second step without rewinding keeps the whole trial, and gets all the
    /// room that it takes, `most`, at once.
    #[cold]
    fn grow(&mut self, len: usize, most: usize) {
        let target = if self.steps == 0 { len } else { most.max(len) };
        if len > self.frames.capacity() {
            self.frames.reserve_exact(target - self.frames.len());
        }
        self.frames.resize(len, T::zero());
    }
}

impl<T: RealField + Copy> SplitTape<T> {
    /// The part of `released` that belongs to step `index` of the tape.
    fn part(&self, index: usize) -> Range<usize> {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        start..self.ends[index]
    }

    /// Neurons that released charge or stood in the active zone in the last step, and the charges.
    pub fn last_charges(&self) -> impl Iterator<Item = (usize, &T)> {
        let part = if self.steps == 0 { 0..0 } else { self.part(self.steps - 1) };
        let (neurons, charges) = self.released.part(&part);
        neurons.iter().map(|&i| i as usize).zip(charges)
    }
}

impl<T: RealField + Copy> SplitRun<'_, T> {
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
        self.last_firing(tape, |Firing { place, at, before, after, current, i, count }| {
            let (most, each) = if count <= Spike::EACH { (count, 1) } else { (1, count) };
            let mut left = most;
            place.dynamics.spike_times(at, before, after, current, i, count, &mut |time| {
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

    /// Every neuron that completed spikes in the last step of the tape.
    fn last_firing(&self, tape: &SplitTape<T>, mut visit: impl FnMut(Firing<'_, T>)) {
        let Some(index) = tape.steps.checked_sub(1) else { return };
        let membrane = self.scheme.network.membrane;
        let Frame { before, after, current, .. } = self.scheme.frame(&tape.frames, index);
        for (neuron, &charge) in tape.last_charges() {
            for (place, at) in self.scheme.places() {
                if (place.offset..place.offset + place.size).contains(&neuron) {
                    let (before, after) = (block(place, membrane, before), block(place, membrane, after));
                    let (i, current) = (neuron - place.offset, current[neuron]);
                    let count = place.dynamics.spikes(at, before, after, i, charge);
                    if count > 0 {
                        visit(Firing { place, at, before, after, current, i, count });
                    }
                }
            }
        }
    }

    /// Logs what the neurons in the active zone did in `steps`, the last ones of the tape: spikes, grazing ones, crossings of the
    /// zone. It goes over these neurons only and leaves out the signature, for which [`Step::events`] goes over all of them.
    pub fn log_crossings(&self, steps: Range<usize>, tape: &SplitTape<T>, log: &mut EventLog) {
        let (network, first) = (self.scheme.network, tape.steps - steps.len().min(tape.steps));
        for (n, index) in steps.zip(first..tape.steps) {
            log.step(n);
            let Frame { before, after, current, .. } = self.scheme.frame(&tape.frames, index);
            let (neurons, charges) = tape.released.part(&tape.part(index));
            let mut active = neurons.iter().map(|&i| i as usize).zip(charges).peekable();
            // Neurons are released in ascending order, population by population.
            for (place, at) in self.scheme.places() {
                let end = place.offset + place.size;
                let (before, after) =
                    (block(place, network.membrane, before), block(place, network.membrane, after));
                while let Some((neuron, &charge)) = active.next_if(|&(neuron, _)| neuron < end) {
                    let at_neuron = (place.offset, neuron - place.offset);
                    place.dynamics.log_crossing(at, before, after, current[neuron], at_neuron, charge, log);
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

    /// The populations with their settings.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&Place<T>, &Setting<'_, T>)> {
        self.scheme.places()
    }

    pub(crate) fn shared(&self) -> &Run<'_, T> {
        &self.run
    }

    /// Where `s_k` of a synapse class lies in the state.
    pub fn synapses(&self, class: usize) -> std::ops::Range<usize> {
        let start = self.scheme.membrane + class * self.scheme.network.neurons;
        start..start + self.scheme.network.neurons
    }

    /// Where the current `J_k = W_k s_k` of a synapse class lies in the state.
    pub fn synaptic_current(&self, class: usize) -> std::ops::Range<usize> {
        self.synapses(self.scheme.classes.len() + class)
    }
}

impl<T: RealField + Copy> SplitRun<'_, T> {
    /// Some steps, to be inlined into code for the widest vectors of the machine. What is the same in all of them is looked up
    /// before the first: at small networks, to find where vectors lie takes as long as what is done to them.
    #[inline(always)]
    fn forward(&self, steps: Range<usize>, x: &mut [T], tape: &mut SplitTape<T>, cost: &mut Total<T>) {
        let (scheme, network, run) = (self.scheme, self.scheme.network, &self.run);
        let (size, len, all) = (network.neurons, scheme.membrane, scheme.classes.len() * network.neurons);
        let (stride, state) = (scheme.stride, scheme.state);
        let (membrane, synapses) = x.split_at_mut(len);
        let (s, j) = synapses.split_at_mut(all);
        let (j, way) = j.split_at_mut(all);
        let start = tape.steps * stride;
        let end = start + (steps.len() + 1) * stride;
        if tape.frames.len() < end {
            tape.grow(end, (run.steps + 1) * stride);
        }
        tape.ends.reserve(steps.len());
        let mut frames = &mut tape.frames[start..end];
        let (classes, parameters) = (&scheme.sparse[..], network.parameters.values());
        for n in steps.clone() {
            if scheme.kept > 0 {
                tape.synapses.extend_from_slice(s);
                if !scheme.dense {
                    tape.synapses.extend_from_slice(j);
                }
            }
            let (frame, next) = std::mem::take(&mut frames).split_at_mut(stride);
            let (before, frame) = frame.split_at_mut(state);
            let (current, output) = frame.split_at_mut(size);
            let before = &before[..len];
            let (after, kept) = next[..state].split_at_mut(len);

            // I, equation (17)
            run.current(n, j, current);
            // (x', q), equation (18)
            let first = tape.released.len();
            let mut flow = Flow { before, after, current, released: &mut tape.released };
            for (place, at) in scheme.places() {
                place.dynamics.forward(at, &mut flow);
            }
            // s' and J', equations (19), (20)
            let end = tape.released.len();
            tape.ends.push(end);
            let (neurons, charges) = tape.released.part(&(first..end));
            let mut sums = [T::zero(); 2];
            scheme.columns.forward(columns::Forward {
                size,
                classes,
                parameters,
                neurons,
                charges,
                s,
                j,
                reading: if scheme.reads {
                    Some(Reading { o: run.readout(), kept, sums: &mut sums })
                } else {
                    None
                },
            });
            if classes.len() < scheme.classes.len() {
                for (k, class) in scheme.classes.iter().enumerate().filter(|(_, class)| !class.is_sparse()) {
                    let (s, j) = (&mut s[k * size..][..size], &mut j[k * size..][..size]);
                    let (arrived, modes) = (&mut tape.arrived, &mut tape.modes);
                    self.forward_apart(n, class, (neurons, charges), s, j, way, arrived, modes);
                }
            }
            if scheme.dense {
                tape.synapses.extend_from_slice(s);
            }
            let (output, square) = output.split_at_mut(network.outputs);
            let read = if scheme.reads {
                output[0] = sums[0];
                Read { output, square: sums[1] }
            } else {
                copy(kept, s);
                run.read(kept, output)
            };
            square[0] = read.square;
            *cost += run.cost(n, read, kept, &after[..network.membrane]);
            frames = next;
        }
        membrane.copy_from_slice(&frames[..len]);
        tape.steps += steps.len();
    }

    /// Their transpose.
    #[inline(always)]
    fn backward(
        &self,
        steps: Range<usize>,
        tape: &mut SplitTape<T>,
        cost_bar: T,
        x_bar: &mut [T],
        parameters_bar: &mut [T],
    ) {
        let (scheme, network, run) = (self.scheme, self.scheme.network, &self.run);
        let (size, len, all) = (network.neurons, scheme.membrane, scheme.classes.len() * network.neurons);
        let (stride, state) = (scheme.stride, scheme.state);
        let (membrane_bar, synapses_bar) = x_bar.split_at_mut(len);
        let (s_bar, j_bar) = synapses_bar.split_at_mut(all);
        let (j_bar, way_bar) = j_bar.split_at_mut(all);
        let taken = tape.steps;
        let left = taken - steps.len();
        let frames = std::mem::replace(&mut tape.frames, AVec::new(0));
        let mut unread = &frames[..taken * stride + state];
        for (n, index) in steps.zip(left..taken).rev() {
            let (earlier, frame) = unread.split_at(unread.len() - stride - state);
            unread = &unread[..unread.len() - stride];
            // The tape of a trial does not fit into the nearest caches.
            if let Some(start) = earlier.len().checked_sub(stride) {
                prefetch(&earlier[start..]);
            }
            // The cost, equation (21)
            let frame = scheme.frame_of(frame);
            run.cost_vjp(
                n,
                frame.s,
                &frame.after[..network.membrane],
                cost_bar,
                (frame.read, &mut tape.output_bar),
                &mut s_bar[..size],
                &mut membrane_bar[..network.membrane],
                parameters_bar,
            );

            // q_bar and W_bar, equations (22), (23)
            let part = tape.part(index);
            if scheme.waits {
                for class in scheme.sparse.iter().filter(|class| scheme.classes[class.number].trains_weights)
                {
                    tape.waiting.keep(class.number, &j_bar[class.number * size..][..size]);
                }
            }
            let (neurons, charges) = tape.released.part(&part);
            scheme.columns.backward(columns::Backward {
                size,
                classes: &scheme.sparse,
                parameters: network.parameters.values(),
                neurons,
                charges,
                s_bar,
                j_bar,
                parameters_bar,
                charge_bar: &mut tape.charge_bar[..part.len()],
                gain_bar: &mut tape.gain_bar,
            });
            if scheme.keeps_synapses || scheme.sparse.len() < scheme.classes.len() {
                let mut arrived = index * scheme.kept_arrivals;
                for (k, class) in scheme.classes.iter().enumerate() {
                    if !class.is_sparse() {
                        self.backward_apart(
                            (n, index),
                            k,
                            tape,
                            s_bar,
                            j_bar,
                            way_bar,
                            &mut arrived,
                            parameters_bar,
                        );
                    } else if class.trains_tau {
                        let kept = self.kept_synapses(&tape.synapses, index, k);
                        let bars = (&s_bar[k * size..][..size], &j_bar[k * size..][..size]);
                        class.tau_vjp(kept, bars, tape.gain_bar[k], parameters_bar);
                    }
                }
            }

            // x_bar and I_bar, equation (24)
            let SplitTape { released, charge_bar, current_bar, .. } = &mut *tape;
            let mut from = part.start;
            for (p, (place, at)) in scheme.places().enumerate() {
                // The last population has what is left: a search would go wrong at every other branch.
                let to = if p + 1 == scheme.settings.len() {
                    part.end
                } else {
                    let end = place.offset + place.size;
                    from + released.part(&(from..part.end)).0.partition_point(|&i| (i as usize) < end)
                };
                place.dynamics.backward(
                    at,
                    &mut FlowBar {
                        before: frame.before,
                        after: frame.after,
                        current: frame.current,
                        active: released.active(&(from..to)),
                        charge_bar: &mut charge_bar[from - part.start..to - part.start],
                        bar: membrane_bar,
                        current_bar,
                        parameters: place.parameter_bar(parameters_bar),
                    },
                );
                from = to;
            }
            // J_bar, s_bar, U_bar, I_o_bar, equation (25)
            if scheme.dense {
                for (class, (s_bar, j_bar)) in
                    scheme.classes.iter().zip(s_bar.chunks_exact_mut(size).zip(j_bar.chunks_exact_mut(size)))
                {
                    for (i, s_bar) in s_bar.iter_mut().enumerate() {
                        *s_bar *= decay_at(&class.decays, i).a;
                    }
                    j_bar.copy_from_slice(current_bar);
                }
            } else {
                let (mut s_bar, mut j_bar, current_bar) = (&mut *s_bar, &mut *j_bar, &current_bar[..size]);
                for &keep in &scheme.keep {
                    let (s, j);
                    ((s, s_bar), (j, j_bar)) = (s_bar.split_at_mut(size), j_bar.split_at_mut(size));
                    each(
                        [s, j],
                        [current_bar],
                        #[inline(always)]
                        |[s_bar, j_bar], [current_bar]| [s_bar * keep, keep * j_bar + current_bar],
                    );
                }
            }
            run.current_vjp(n, current_bar, parameters_bar);

            if scheme.waits {
                let (neurons, charges) = tape.released.part(&part);
                if !tape.waiting.goes_on(neurons, charges) || index == 0 {
                    self.finish_weights(&mut tape.waiting, parameters_bar);
                }
            }
            if scheme.kept_arrivals > 0 {
                tape.arrived.truncate(index * scheme.kept_arrivals);
            }
        }
        tape.frames = frames;
        tape.steps = left;
        let released = if left == 0 { 0 } else { tape.ends[left - 1] };
        tape.released.truncate(released);
        tape.ends.truncate(left);
        tape.synapses.truncate(left * scheme.kept);
    }

    /// What a step does to a class whose charges do not go straight to the columns. It stands apart, because loops that seldom
    /// run make the others slow.
    #[inline(never)]
    #[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
    fn forward_apart(
        &self,
        n: usize,
        class: &Class<T>,
        (neurons, charges): (&[u32], &[T]),
        s: &mut [T],
        j: &mut [T],
        way: &mut [T],
        arrived: &mut Vec<T>,
        modes: &mut Modes<T>,
    ) {
        let (scheme, values) = (self.scheme, self.scheme.network.parameters.values());
        let (decays, w) = (&class.decays[..], &values[class.weights.clone()]);
        vectorise::<T, _>(
            scheme.arch,
            #[inline(always)]
            || match &class.path {
                Path::Delayed(delays) => {
                    delays.release(n, neurons, charges, w, way);
                    let row = &mut way[delays.row(n)];
                    if scheme.keeps_synapses {
                        arrived.extend_from_slice(row);
                    }
                    arrive(delays, decays, row, (neurons, charges), s, j);
                    if scheme.dense {
                        multiply(w, s, j);
                    }
                    row.fill(T::zero());
                }
                Path::Dense => {
                    for (i, s) in s.iter_mut().enumerate() {
                        *s *= decay_at(decays, i).a;
                    }
                    for (&neuron, &charge) in neurons.iter().zip(charges) {
                        s[neuron as usize] += decay_at(decays, neuron as usize).b * charge;
                    }
                    multiply(w, s, j);
                }
                Path::LowRank(low_rank) => {
                    let decay = decays[0];
                    scale(s, decay.a);
                    scale(j, decay.a);
                    for (&neuron, &charge) in neurons.iter().zip(charges) {
                        s[neuron as usize] += decay.b * charge;
                    }
                    low_rank.add(values, Charges { neurons, charges, gain: decay.b }, modes, j);
                }
                Path::Sparse => {}
            },
        );
    }

    /// The transpose of [`forward_apart`](Self::forward_apart) for class `k`, up to the decay of traces and currents; `arrived` is
    /// where what the tape keeps of arrivals begins.
    #[inline(never)]
    #[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
    fn backward_apart(
        &self,
        (n, index): (usize, usize),
        k: usize,
        tape: &mut SplitTape<T>,
        s_bar: &mut [T],
        j_bar: &[T],
        way_bar: &mut [T],
        arrived: &mut usize,
        parameters_bar: &mut [T],
    ) {
        let (scheme, values) = (self.scheme, self.scheme.network.parameters.values());
        let (size, class) = (scheme.network.neurons, &scheme.classes[k]);
        let part = tape.part(index);
        let SplitTape { released, charge_bar, products, synapses, arrived: arrivals, modes, lanes, .. } =
            tape;
        let (neurons, charges) = released.part(&part);
        let (decays, w) = (&class.decays[..], &values[class.weights.clone()]);
        let (s_bar, j_bar) = (&mut s_bar[k * size..][..size], &j_bar[k * size..][..size]);
        vectorise::<T, _>(
            scheme.arch,
            #[inline(always)]
            || {
                if scheme.dense {
                    // J' = W s' at the end of the step, transposed
                    add_transposed(w, j_bar, s_bar, lanes);
                    if class.trains_weights {
                        let end = &synapses[(index * 2 + 1) * scheme.classes.len() * size..];
                        add_outer(
                            &mut parameters_bar[class.weights.clone()],
                            j_bar,
                            &end[k * size..][..size],
                        );
                    }
                }
                match &class.path {
                    Path::Delayed(delays) => {
                        let row_bar = &mut way_bar[delays.row(n)];
                        arrive_vjp(delays, decays, row_bar, (neurons, charge_bar), s_bar, j_bar);
                        if class.trains_tau {
                            let (s, j) = self.kept_synapses(synapses, index, k);
                            let j = (!scheme.dense).then_some(j);
                            let row = &arrivals[*arrived..][..delays.row(n).len()];
                            let tau_bar = &mut parameters_bar[class.tau.clone()];
                            tau_vjp(delays, decays, row, (neurons, charges), (s, j), (s_bar, j_bar), tau_bar);
                        }
                        if scheme.keeps_synapses {
                            *arrived += delays.row(n).len();
                        }
                        let (w_bar, delay_bar) =
                            weights_and_delays(parameters_bar, class.weights.clone(), class.delay.clone());
                        let mut bar = ReleaseBar {
                            charge: charge_bar,
                            w: (class.trains_weights && !scheme.dense).then_some(w_bar),
                            delay: class.trains_delay.then_some(delay_bar),
                        };
                        delays.release_vjp(n, neurons, charges, w, way_bar, &mut bar);
                    }
                    Path::Dense => {
                        let charges = neurons.iter().zip(charges);
                        for ((&neuron, _), charge_bar) in charges.clone().zip(charge_bar.iter_mut()) {
                            let i = neuron as usize;
                            *charge_bar += decay_at(decays, i).b * s_bar[i];
                        }
                        if class.trains_tau {
                            let (s, _) = self.kept_synapses(synapses, index, k);
                            let tau_bar = &mut parameters_bar[class.tau.clone()];
                            let last = tau_bar.len() - 1;
                            for (i, &s) in s.iter().enumerate() {
                                tau_bar[i.min(last)] += decay_at(decays, i).a_by_tau * s * s_bar[i];
                            }
                            for (&neuron, &charge) in charges {
                                let i = neuron as usize;
                                tau_bar[i.min(last)] += decay_at(decays, i).b_by_tau * charge * s_bar[i];
                            }
                        }
                    }
                    Path::LowRank(low_rank) => {
                        let gain = decays[0].b;
                        let released = Charges { neurons, charges, gain };
                        products.resize(neurons.len(), T::zero());
                        low_rank.add_vjp(values, released, modes, j_bar, parameters_bar, products);
                        let mut by_b = T::zero();
                        let of_neurons = neurons.iter().zip(charges).zip(products.iter());
                        for (((&neuron, &charge), &product), charge_bar) in
                            of_neurons.zip(charge_bar.iter_mut())
                        {
                            let worth = s_bar[neuron as usize] + product;
                            *charge_bar += gain * worth;
                            by_b += charge * worth;
                        }
                        if class.trains_tau {
                            let kept = self.kept_synapses(synapses, index, k);
                            class.tau_vjp(kept, (s_bar, j_bar), by_b, parameters_bar);
                        }
                    }
                    Path::Sparse => {}
                }
            },
        );
    }

    /// Adds what waited to the gradients of the weights.
    #[inline(never)]
    fn finish_weights(&self, waiting: &mut Waiting<T>, parameters_bar: &mut [T]) {
        let size = self.scheme.network.neurons;
        waiting.sort();
        for (k, class) in self.scheme.classes.iter().enumerate() {
            if class.trains_weights && class.is_sparse() {
                let (rows, gain) = (waiting.rows(k), class.decays[0].b);
                let w_bar = &mut parameters_bar[class.weights.clone()];
                self.scheme.columns.add_outer(size, rows, gain, waiting.bursts(), w_bar);
            }
        }
        waiting.done();
    }

    /// `s_k` and `J_k` at the start of step `index` of the tape.
    fn kept_synapses<'t>(&self, synapses: &'t [T], index: usize, k: usize) -> (&'t [T], &'t [T]) {
        let (classes, size) = (self.scheme.classes.len(), self.scheme.network.neurons);
        let start = &synapses[index * 2 * classes * size..];
        (&start[k * size..][..size], &start[(classes + k) * size..][..size])
    }
}

impl<T: RealField + Copy> Class<T> {
    fn is_sparse(&self) -> bool {
        matches!(self.path, Path::Sparse)
    }

    /// Adds the cotangent of a time constant that all neurons share, equation (26), for that of what a unit of charge adds.
    #[inline(always)]
    fn tau_vjp(&self, (s, j): (&[T], &[T]), (s_bar, j_bar): (&[T], &[T]), by_b: T, parameters_bar: &mut [T]) {
        let decay = self.decays[0];
        let by_a = dot(s, s_bar) + dot(j, j_bar);
        parameters_bar[self.tau.start] += decay.a_by_tau * by_a + decay.b_by_tau * by_b;
    }
}

/// What arrives in a step goes to traces and currents, equation (67).
#[inline(always)]
fn arrive<T: RealField + Copy>(
    delays: &Delays<T>,
    decays: &[Decay<T>],
    row: &[T],
    (neurons, charges): (&[u32], &[T]),
    s: &mut [T],
    j: &mut [T],
) {
    let (traces, currents) = delays.split(row);
    for (i, s) in s.iter_mut().enumerate() {
        *s *= decay_at(decays, i).a;
    }
    for (i, (s, &trace)) in s.iter_mut().zip(traces).enumerate() {
        *s += decay_at(decays, i).b * trace;
    }
    if !delays.delays_traces() {
        for (&neuron, &charge) in neurons.iter().zip(charges) {
            s[neuron as usize] += decay_at(decays, neuron as usize).b * charge;
        }
    }
    // Without currents in the ring, these are formed anew by the caller.
    for (j, &current) in j.iter_mut().zip(currents) {
        *j = decays[0].a * *j + decays[0].b * current;
    }
}

/// Its transpose, up to the decay of traces and currents: writes the cotangent of the row and adds to those of charges whose
/// traces are not delayed.
#[inline(always)]
fn arrive_vjp<T: RealField + Copy>(
    delays: &Delays<T>,
    decays: &[Decay<T>],
    row_bar: &mut [T],
    (neurons, charge_bar): (&[u32], &mut [T]),
    s_bar: &[T],
    j_bar: &[T],
) {
    let traces = if delays.delays_traces() { s_bar.len() } else { 0 };
    let (traces, currents) = row_bar.split_at_mut(traces);
    for (i, (trace, &s_bar)) in traces.iter_mut().zip(s_bar).enumerate() {
        *trace = decay_at(decays, i).b * s_bar;
    }
    for (current, &j_bar) in currents.iter_mut().zip(j_bar) {
        *current = decays[0].b * j_bar;
    }
    if !delays.delays_traces() {
        for (&neuron, charge_bar) in neurons.iter().zip(charge_bar) {
            *charge_bar += decay_at(decays, neuron as usize).b * s_bar[neuron as usize];
        }
    }
}

/// Adds the cotangents of the time constants of a class with delays, equation (26) with what arrived in place of `q` and
/// `W q`. On the dense path, without currents `j`, those of the currents are in `s_bar` already.
#[inline(always)]
fn tau_vjp<T: RealField + Copy>(
    delays: &Delays<T>,
    decays: &[Decay<T>],
    row: &[T],
    (neurons, charges): (&[u32], &[T]),
    (s, j): (&[T], Option<&[T]>),
    (s_bar, j_bar): (&[T], &[T]),
    tau_bar: &mut [T],
) {
    let (traces, currents) = delays.split(row);
    let last = tau_bar.len() - 1;
    for (i, (&s, &s_bar)) in s.iter().zip(s_bar).enumerate() {
        tau_bar[i.min(last)] += decay_at(decays, i).a_by_tau * s * s_bar;
    }
    for (i, (&trace, &s_bar)) in traces.iter().zip(s_bar).enumerate() {
        tau_bar[i.min(last)] += decay_at(decays, i).b_by_tau * trace * s_bar;
    }
    if !delays.delays_traces() {
        for (&neuron, &charge) in neurons.iter().zip(charges) {
            tau_bar[0] += decays[0].b_by_tau * charge * s_bar[neuron as usize];
        }
    }
    if let Some(j) = j {
        tau_bar[0] += decays[0].a_by_tau * dot(j, j_bar) + decays[0].b_by_tau * dot(currents, j_bar);
    }
}

/// The parts of a gradient that belong to a class's weights and delays; weights come first.
fn weights_and_delays<T>(
    gradient: &mut [T],
    weights: std::ops::Range<usize>,
    delays: std::ops::Range<usize>,
) -> (&mut [T], &mut [T]) {
    let (head, tail) = gradient.split_at_mut(delays.start);
    (&mut head[weights], &mut tail[..delays.end - delays.start])
}

/// The loops of a step and of its transpose. They are compiled with this crate, once for each scalar, and not again in every
/// program that steps a network: a [`Network`] says which ones are its own.
pub(crate) trait Steps<T: 'static>: Debug + Send + Sync {
    fn forward(&self, step: Forward<'_, '_, T>);
    fn backward(&self, step: Backward<'_, '_, T>);
}

#[derive(Debug)]
struct Compiled;

// Statics, because a constant would be compiled where it is used.
pub(crate) static SINGLE: &dyn Steps<f32> = &Compiled;
pub(crate) static DOUBLE: &dyn Steps<f64> = &Compiled;
pub(crate) static DUAL: &dyn Steps<Dual64> = &Compiled;

impl<T: RealField + Copy> Steps<T> for Compiled {
    fn forward(&self, step: Forward<'_, '_, T>) {
        vectorise::<T, _>(step.run.scheme.arch, step);
    }

    fn backward(&self, step: Backward<'_, '_, T>) {
        vectorise::<T, _>(step.run.scheme.arch, step);
    }
}

// A closure that only borrows reaches `dispatch` through a shim that is not inlined and so never sees the wide vectors;
// these two are closures written out.

pub(crate) struct Forward<'s, 'a, T: 'static> {
    run: &'s SplitRun<'a, T>,
    steps: Range<usize>,
    x: &'s mut [T],
    tape: &'s mut SplitTape<T>,
    cost: &'s mut Total<T>,
}

impl<T: RealField + Copy> pulp::NullaryFnOnce for Forward<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.run.forward(self.steps, self.x, self.tape, self.cost);
    }
}

pub(crate) struct Backward<'s, 'a, T: 'static> {
    run: &'s SplitRun<'a, T>,
    steps: Range<usize>,
    tape: &'s mut SplitTape<T>,
    cost_bar: T,
    x_bar: &'s mut [T],
    parameters_bar: &'s mut [T],
}

impl<T: RealField + Copy> pulp::NullaryFnOnce for Backward<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.run.backward(self.steps, self.tape, self.cost_bar, self.x_bar, self.parameters_bar);
    }
}

impl<T: RealField + Copy> Step<T> for SplitRun<'_, T> {
    type Tape = SplitTape<T>;

    fn dim(&self) -> usize {
        self.scheme.membrane + 2 * self.scheme.classes.len() * self.scheme.network.neurons + self.scheme.way
    }

    fn steps(&self) -> usize {
        self.run.steps
    }

    fn time(&self, n: usize) -> f64 {
        self.run.time(n)
    }

    fn neuron(&self, component: usize) -> usize {
        self.run.neuron(component)
    }

    fn start(&self, x: &mut [T]) {
        let (network, n) = (self.scheme.network, self.scheme.network.neurons);
        self.run.start_membrane(x);
        let (s, j) = x[self.scheme.membrane..].split_at_mut(self.scheme.classes.len() * n);
        self.run.start_synapses(s);
        // Nothing is on its way yet.
        j.fill(T::zero());
        for (k, (s, j)) in s.chunks_exact(n).zip(j.chunks_exact_mut(n)).enumerate() {
            if let Path::LowRank(low_rank) = &self.scheme.classes[k].path {
                low_rank.start(network.parameters.values(), s, j);
                continue;
            }
            let w = network.parameters.group(Group::Recurrent(k));
            for (&s, column) in s.iter().zip(w.chunks_exact(n)) {
                if s != T::zero() {
                    axpy(j, s, column);
                }
            }
        }
    }

    fn rewind(&self, x: &[T], tape: &mut Self::Tape) {
        let network = self.scheme.network;
        tape.steps = 0;
        tape.synapses.clear();
        tape.arrived.clear();
        tape.ends.clear();
        tape.released.clear(network.neurons);
        if tape.frames.len() < self.scheme.stride {
            tape.grow(self.scheme.stride, self.scheme.stride);
        }
        tape.frames[..self.scheme.state].copy_from_slice(&x[..self.scheme.state]);
        tape.output_bar.resize(network.outputs, T::zero());
        tape.current_bar.resize(network.neurons, T::zero());
        tape.charge_bar.resize(network.neurons, T::zero());
        tape.gain_bar.resize(self.scheme.classes.len(), T::zero());
        tape.waiting.clear(network.neurons, if self.scheme.waits { self.scheme.classes.len() } else { 0 });
    }

    fn tape_bytes(&self) -> Option<usize> {
        let n = self.scheme.network.neurons;
        // A frame, and charges with the slopes at both ends, of which there are at most `N`.
        let numbers = self.scheme.stride + self.scheme.kept + self.scheme.kept_arrivals + 3 * n;
        Some(numbers * size_of::<T>() + n * size_of::<u32>() + size_of::<usize>())
    }

    fn reserve(&self, steps: usize, tape: &mut Self::Tape) {
        let n = self.scheme.network.neurons;
        let frames = (steps + 1) * self.scheme.stride;
        tape.frames.reserve_exact(frames.saturating_sub(tape.frames.len()));
        tape.synapses.reserve_exact(steps * self.scheme.kept);
        tape.arrived.reserve_exact(steps * self.scheme.kept_arrivals);
        tape.ends.reserve_exact(steps);
        tape.released.reserve_exact(steps * n);
        // One step's worth, for as many active neurons as there may be.
        tape.products.clear();
        tape.products.reserve_exact(n);
        if self.scheme.waits {
            tape.waiting.reserve();
        }
        if self.scheme.dense {
            tape.lanes.clear();
            tape.lanes.reserve_exact(n);
        }
    }

    fn step(&self, n: usize, x: &mut [T], tape: &mut Self::Tape) -> T {
        let mut cost = Total::default();
        self.advance(n..n + 1, x, tape, &mut cost);
        cost.value()
    }

    fn advance(&self, steps: Range<usize>, x: &mut [T], tape: &mut Self::Tape, cost: &mut Total<T>) {
        self.scheme.network.steps.forward(Forward { run: self, steps, x, tape, cost });
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
        for (place, at) in self.scheme.places() {
            let (before, after) =
                (block(place, network.membrane, before), block(place, network.membrane, after));
            if n == 0 {
                // The charge of the first step depends on the piece that the initial state lies in.
                place.dynamics.pieces(at, before, log);
            }
            let current = &current[place.offset..][..place.size];
            place.dynamics.events(at, before, after, current, place.offset, &charge_of, log);
        }
    }
}

impl<T: RealField + Copy> StepVjp<T> for SplitRun<'_, T> {
    fn n_parameters(&self) -> usize {
        self.scheme.network.parameters.layout().len()
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
        let step = Backward { run: self, steps, tape, cost_bar, x_bar, parameters_bar };
        self.scheme.network.steps.backward(step);
    }

    fn start_vjp(&self, x_bar: &mut [T], parameters_bar: &mut [T]) {
        let (scheme, network) = (self.scheme, self.scheme.network);
        let size = network.neurons;
        // W_bar at n = 0, equation (27)
        if let Some(initial) = self.run.initial() {
            let j_bar = &x_bar[scheme.membrane + scheme.classes.len() * size..];
            for (k, (s, j_bar)) in initial.s.chunks_exact(size).zip(j_bar.chunks_exact(size)).enumerate() {
                if let Path::LowRank(low_rank) = &scheme.classes[k].path {
                    low_rank.start_vjp(network.parameters.values(), s, j_bar, parameters_bar);
                    continue;
                }
                let w_bar = &mut parameters_bar[network.parameters.layout().range(Group::Recurrent(k))];
                for (&s, column) in s.iter().zip(w_bar.chunks_exact_mut(size)) {
                    axpy(column, s, j_bar);
                }
            }
        }
        self.run.start_membrane_vjp(x_bar, parameters_bar);
        network.mask_gradient(parameters_bar);
    }
}
