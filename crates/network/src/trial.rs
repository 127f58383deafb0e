//! A trial, the data that a network is run on, and the loss that judges the run (equation (5)).

use std::ops::Range;

use rand::{Rng, RngExt};

use crate::event::Event;
use crate::memory::MEMORY_LIMIT;
use crate::{Group, Network, NetworkState, RunLoss, Scalar, Spike};

/// Where a network starts, when a trial says so instead of the network's own initial state.
#[derive(Clone, Debug, PartialEq)]
pub struct InitialState<T> {
    /// Membrane state: the `N` voltages, then the populations' other state variables.
    pub x: Vec<T>,
    /// Traces, projection by projection, one for each presynaptic neuron; empty for silence.
    pub s: Vec<T>,
}

impl<T: Scalar> InitialState<T> {
    /// Everything as the network's own initial state, which is at rest unless it was set or trained, except voltages:
    /// these are drawn uniformly from a range of voltages below threshold.
    ///
    /// ```
    /// # use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
    /// # use spikegrad_models::{GateShape, Theta};
    /// # use spikegrad_network::{InitialState, Network, Population, Trial};
    /// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// # let network = Network::builder().population(population).synapse("slow", 20.0).build()?;
    /// let mut rng = ChaCha8Rng::seed_from_u64(1);
    /// let mut trial = Trial::silent(100, 1.0, 0);
    /// trial.initial = Some(InitialState::random(&network, 0.0..1.0, &mut rng));
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    pub fn random(network: &Network<T>, voltages: Range<f64>, rng: &mut impl Rng) -> Self {
        let mut x = network.parameters.group(Group::Initial).to_vec();
        for v in &mut x[..network.neurons()] {
            let drawn = voltages.start + (voltages.end - voltages.start) * rng.random::<f64>();
            *v = T::from_subset(&drawn);
            // Rounding may reach the end of the range, which is no voltage below threshold.
            let rounded: f64 = v.to_subset_unchecked();
            if drawn < voltages.end && rounded >= voltages.end {
                *v = T::from_subset(&voltages.start);
            }
        }
        Self { x, s: Vec::new() }
    }
}

/// Inputs and targets of one trial, on a grid of samples of their own that the step size divides.
///
/// Input sample `m` holds over `[m, m + 1) interval`; target sample `m` is compared with the output at the right end of
/// each step in that interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial<T> {
    /// Time between samples, ms.
    pub interval: f64,
    /// Number of samples.
    pub samples: usize,
    /// Inputs, `samples x inputs`, one sample after the other.
    pub inputs: Vec<T>,
    /// Desired outputs `o_d`, `samples x outputs`, one sample after the other; empty where the loss needs none.
    pub targets: Vec<T>,
    /// Weight of each sample in the loss, `samples`; empty for 1 everywhere. A sample of weight 0 adds nothing to the cost,
    /// whatever the loss: padding at the end of a trial changes neither cost nor gradient. What another weight multiplies is for
    /// the loss to say.
    pub weights: Vec<T>,
    /// Currents injected into each neuron, `samples x N`, held as the inputs are; empty for none.
    pub currents: Vec<T>,
    /// Charges that the channels of the network's event sources release, in order of time.
    pub events: Vec<Event<T>>,
    /// What a loss compares the run as a whole with, as the loss says; empty for losses of single samples.
    pub label: Vec<T>,
    /// Spikes that neurons are to fire, in order of time from the start of the trial, for losses that compare spike trains; what a
    /// [`Recording`](crate::Recording) has of the spikes of another network's run is of this form. No spike is added to the run.
    pub target_spikes: Vec<Spike>,
    /// Where the run starts; `None` for the network's own initial state.
    pub initial: Option<InitialState<T>>,
    /// The state in which an earlier run of the same scheme ended, where this one goes on from there; `None` for a fresh start.
    /// A neuron that is above its threshold, because that was lowered meanwhile, fires at once.
    pub state: Option<NetworkState<T>>,
    /// The cost is the integral of the loss divided by this, ms: 1 for the integral, the duration for the mean.
    pub scale: f64,
}

impl<T: Scalar> Trial<T> {
    /// A trial of silence with the given grid: no targets, equal weights, the integral of the loss as its cost.
    ///
    /// Inputs that do not fit into memory are left out, which every run refuses by the number of entries that it needs.
    pub fn silent(samples: usize, interval: f64, inputs: usize) -> Self {
        let mut zeros = Vec::new();
        if let Some(entries) = samples.checked_mul(inputs)
            && entries <= MEMORY_LIMIT / size_of::<T>()
            && zeros.try_reserve_exact(entries).is_ok()
        {
            zeros.resize(entries, T::zero());
        }
        Self {
            interval,
            samples,
            inputs: zeros,
            targets: Vec::new(),
            weights: Vec::new(),
            currents: Vec::new(),
            events: Vec::new(),
            label: Vec::new(),
            target_spikes: Vec::new(),
            initial: None,
            state: None,
            scale: 1.0,
        }
    }

    /// Length of the trial, ms.
    pub fn duration(&self) -> f64 {
        self.interval * self.samples as f64
    }

    /// The same trial with another scalar.
    pub fn map<U: Scalar>(&self, f: impl Fn(T) -> U) -> Trial<U> {
        let all = |x: &[T]| x.iter().map(|&x| f(x)).collect();
        Trial {
            interval: self.interval,
            samples: self.samples,
            inputs: all(&self.inputs),
            targets: all(&self.targets),
            weights: all(&self.weights),
            currents: all(&self.currents),
            events: self.events.iter().map(|event| event.map(&f)).collect(),
            label: all(&self.label),
            target_spikes: self.target_spikes.clone(),
            initial: self.initial.as_ref().map(|i| InitialState { x: all(&i.x), s: all(&i.s) }),
            state: self.state.as_ref().map(|state| state.map(&f)),
            scale: self.scale,
        }
    }
}

/// What a loss sees at the right end of a step.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a, T> {
    /// Index of the step.
    pub step: usize,
    /// Time of its right end, ms.
    pub time: T,
    /// Readout `o = O s`, `outputs`.
    pub output: &'a [T],
    /// Desired readout, `outputs`; empty if the trial has none.
    pub target: &'a [T],
    /// The sample's weight, which is not zero: no loss is asked about a sample of weight 0.
    pub weight: T,
    /// The traces that are read out, one for each presynaptic neuron of the projection that they belong to.
    pub s: &'a [T],
    /// The sum of their squares, `|s|^2`.
    pub square: T,
    /// Membrane state: `N` voltages, then the other state variables.
    pub x: &'a [T],
    /// `N`, the number of neurons.
    pub neurons: usize,
}

/// The cotangents that a loss adds to.
#[derive(Debug)]
pub struct SampleBar<'a, T> {
    /// Cotangents of the readout.
    pub output: &'a mut [T],
    /// Cotangents of the synapses that are read out.
    pub s: &'a mut [T],
    /// Cotangent of the sum of their squares: a loss that adds to it need not add to those of the synapses, which is done on the way.
    pub square: &'a mut T,
    /// Cotangents of the membrane state.
    pub x: &'a mut [T],
}

/// A running loss `l(o, s, x, t)` with its exact derivatives; its integral over the trial is the cost.
///
/// A loss that sees the voltage should have the same value before and after a reset: no gradient of a sum over grid points
/// contains what a jump adds to the integral when spikes move.
///
/// ```
/// use spikegrad_network::{Loss, Sample, SampleBar, Scalar};
///
/// /// Keeps the voltages of neurons without a reset near zero.
/// struct Voltage;
///
/// impl<T: Scalar> Loss<T> for Voltage {
///     fn value(&self, at: &Sample<'_, T>) -> T {
///         at.x.iter().fold(T::zero(), |sum, &v| sum + v * v)
///     }
///     fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
///         for (bar, &v) in bar.x.iter_mut().zip(at.x) {
///             *bar += value_bar * (v + v);
///         }
///     }
/// }
/// ```
pub trait Loss<T>: Sync {
    /// `l` at the right end of a step.
    fn value(&self, at: &Sample<'_, T>) -> T;

    /// Whether trials must have targets.
    fn needs_targets(&self) -> bool {
        false
    }

    /// Adds `value_bar` times the derivatives of `l` to `bar`. The derivative by `O` follows from that by the output.
    fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>);

    /// The part of the loss that sees the run as a whole; by default, there is none.
    fn over_run(&self) -> Option<&dyn RunLoss<T>> {
        None
    }

    /// Whether the loss, or its part that sees the run as a whole, looks at single traces or at the membrane state ([`Sample::s`],
    /// [`Sample::x`]) or adds to their cotangents. By default it does. A loss of outputs, spikes and `|s|^2` alone may say that it does not, which
    /// makes batches of small networks faster; it may then be shown empty ones.
    fn reads_state(&self) -> bool {
        true
    }
}

/// A loss that was chosen while a program runs.
impl<T: Scalar, L: Loss<T> + ?Sized> Loss<T> for Box<L> {
    fn value(&self, at: &Sample<'_, T>) -> T {
        (**self).value(at)
    }

    fn needs_targets(&self) -> bool {
        (**self).needs_targets()
    }

    fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        (**self).vjp(at, value_bar, bar);
    }

    fn over_run(&self) -> Option<&dyn RunLoss<T>> {
        (**self).over_run()
    }

    fn reads_state(&self) -> bool {
        (**self).reads_state()
    }
}

/// No loss: a run for its traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoLoss;

impl<T: Scalar> Loss<T> for NoLoss {
    fn value(&self, _: &Sample<'_, T>) -> T {
        T::zero()
    }

    fn vjp(&self, _: &Sample<'_, T>, _: T, _: &mut SampleBar<'_, T>) {}

    fn reads_state(&self) -> bool {
        false
    }
}
