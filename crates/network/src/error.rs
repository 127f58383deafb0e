//! What can be wrong with a network, a trial or a scheme; every message says what to change.

use spikegrad_integrators::Divergence;

use crate::{Feature, Group, SpecDifference};

/// Why a network, a trial or a scheme was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A label that means nothing to the loss.
    #[error("entry {index} of the trial's label {why}")]
    Label {
        /// The entry's number.
        index: usize,
        /// The fault of the entry, and what the entry should be.
        why: String,
    },
    /// A network without neurons, synapses, inputs' columns, ... that a simulation needs.
    #[error("there is no {what}: add at least one")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// Two populations, projections, models or parameters of one name.
    #[error("{what} `{name}` exists already: choose another name")]
    Duplicate {
        /// Population, projection, model or parameter.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A name that cannot be one.
    #[error("a {what} cannot be called `{name}`: {why}; choose another name")]
    Name {
        /// Population or projection.
        what: &'static str,
        /// The name.
        name: String,
        /// Why nothing can have this name.
        why: &'static str,
    },
    /// A value that a description does not give.
    #[error("{of} has no value for `{name}`, which its model has: give it one of each of {known}")]
    MissingValue {
        /// The population or projection.
        of: String,
        /// The parameter or state variable.
        name: String,
        /// All that the model has.
        known: String,
    },
    /// A value for what the model does not have.
    #[error("{of} has a value for `{name}`, which its model does not have: choose from {known}")]
    UnknownValue {
        /// The population or projection.
        of: String,
        /// The parameter or state variable.
        name: String,
        /// All that the model has; `nothing` if there is none.
        known: String,
    },
    /// A model with the name of another one.
    #[error(
        "the model of population `{population}` is called `{model}`, as one of spikegrad's own: give it another `NAME`"
    )]
    ModelName {
        /// The population.
        population: String,
        /// The name of its model.
        model: String,
    },
    /// A population, a projection, a model or a parameter that does not exist.
    #[error("there is no {what} `{name}`: choose one of {known}")]
    Unknown {
        /// What has no such name.
        what: &'static str,
        /// The name given.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A slice or matrix of the wrong size.
    #[error("{what}: give {expected} entries, not {found}")]
    Shape {
        /// The argument.
        what: String,
        /// What the network needs.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// A value that must lie between 0 and 1 and does not.
    #[error("{what} = {value}: give a number between 0 and 1, both excluded")]
    NotFraction {
        /// The argument.
        what: String,
        /// The argument's value.
        value: f64,
    },
    /// A value that must be positive and is not, or is not finite.
    #[error("{what} = {value}: give a positive, finite number")]
    NotPositive {
        /// The argument.
        what: String,
        /// The argument's value.
        value: f64,
    },
    /// NaN or an infinity in an argument.
    #[error("{what} has a non-finite value at index {index}: remove it")]
    NonFinite {
        /// The argument.
        what: String,
        /// The place.
        index: usize,
    },
    /// A run whose state or cost became infinite or not a number.
    #[error(transparent)]
    Diverged(#[from] Divergence),
    /// A value that the network's float type does not hold.
    #[error(
        "{what} = {value:e} becomes {rounded:e} in the network's float type: choose one within its range, or use f64 instead \
         of f32"
    )]
    Unrepresentable {
        /// The argument.
        what: &'static str,
        /// The argument's value.
        value: f64,
        /// The value as it was rounded.
        rounded: f64,
    },
    /// More memory than the network may take.
    #[error(
        "{what} would take {}, more than the limit of {}: make the network or the trial smaller, or raise the limit with \
         `NetworkBuilder::memory_limit`",
        readable(*bytes),
        readable(*limit as f64)
    )]
    MemoryLimit {
        /// What needs the memory.
        what: String,
        /// Bytes that it would take.
        bytes: f64,
        /// The most bytes allowed.
        limit: usize,
    },
    /// Memory that the system does not give.
    #[error("{what} would take {}, which the system does not give: make it smaller", readable(*bytes))]
    OutOfMemory {
        /// What needs the memory.
        what: String,
        /// Bytes that it would take.
        bytes: f64,
    },
    /// More neurons than can be numbered.
    #[error("{neurons} neurons are more than can be numbered, {}: make the populations smaller", u32::MAX)]
    TooManyNeurons {
        /// Number of neurons.
        neurons: usize,
    },
    /// A trial of more steps than can be counted.
    #[error(
        "a trial of {samples} samples, {interval} ms each, has {steps:.1e} steps of {h} ms, more than can be counted: choose \
         fewer samples, a shorter interval or a longer step"
    )]
    Steps {
        /// Samples of the trial.
        samples: usize,
        /// The interval between two samples, ms.
        interval: f64,
        /// The step, ms.
        h: f64,
        /// The number of steps.
        steps: f64,
    },
    /// A trial that brings its own initial state for a network that trains its initial state.
    #[error(
        "the trial brings its own initial state, so that its cost does not depend on the network's, whose gradient is asked for: freeze \
         `Group::Initial`, or set the trial's `initial` to `None`"
    )]
    InitialState,
    /// A trial that brings an initial state and a state in which an earlier run ended.
    #[error(
        "the trial brings an initial state and the state of an earlier run: set `initial` or `state` to `None`"
    )]
    TwoStarts,
    /// A tape of another network or of another scheme.
    #[error(
        "the tape does not fit the scheme: its {} is {}, not {}; go back over a tape with the network, the step and the trained \
         parameters that its run had",
        difference.field,
        difference.left,
        difference.right
    )]
    Tape {
        /// What differs: tape left, scheme right.
        difference: Box<SpecDifference>,
    },
    /// A state of another network or of another scheme.
    #[error(
        "{what} does not fit the run: its {} is {}, not {}; hand on states between runs of one network with one step on one path, or set \
         the trial's `state` to `None`",
        difference.field,
        difference.left,
        difference.right
    )]
    State {
        /// The argument.
        what: &'static str,
        /// What differs: what the state has, and what the run has.
        difference: Box<SpecDifference>,
    },
    /// An output that is not finite although the states are.
    #[error(
        "output {output} is not finite at {time} ms although the states are: make the weights of its readout smaller, or use f64 \
         instead of f32"
    )]
    NonFiniteOutput {
        /// The output.
        output: usize,
        /// The time, ms.
        time: f64,
    },
    /// A gradient that is not finite although the states are.
    #[error(
        "the gradient by {by} is not finite although the states are: it overflowed, so hand on states between shorter runs without \
         their cotangents, lower the recurrent gain or use f64; or a derivative is singular there"
    )]
    NonFiniteGradient {
        /// The first parameter whose gradient is not finite, or what else.
        by: String,
    },
    /// A gate wider than the way from reset to threshold.
    #[error(
        "gate width of population `{population}` is {width}: it must lie in (0, {widest}], between reset and threshold"
    )]
    GateWidth {
        /// The population.
        population: String,
        /// The width given.
        width: f64,
        /// The widest zone that the reset allows.
        widest: f64,
    },
    /// An initial voltage at or above the threshold of a neuron with a reset.
    #[error("initial voltage of neuron {neuron} is {v}, not below its threshold {threshold}: start it below")]
    AboveThreshold {
        /// The neuron.
        neuron: usize,
        /// The neuron's voltage.
        v: f64,
        /// The neuron's threshold.
        threshold: f64,
    },
    /// A sample interval that the step size does not divide.
    #[error("the sample interval {interval} ms is not a multiple of h = {h} ms: choose h = interval / k")]
    Interval {
        /// The interval of the trial.
        interval: f64,
        /// The step.
        h: f64,
    },
    /// A hard reset in a scheme that has no closed form for it.
    #[error(
        "population `{population}` has a reset inside the step, which the plain field does not locate: use SplitStep"
    )]
    HardReset {
        /// The population.
        population: String,
    },
    /// A model that releases what rises only, in a scheme whose charge is a function of the voltage.
    #[error(
        "population `{population}` releases charge while its voltage rises and withdraws none when it falls, for which {scheme} has no \
         equation: use SplitStep and the discrete adjoint"
    )]
    Rectified {
        /// The population.
        population: String,
        /// The scheme.
        scheme: &'static str,
    },
    /// A model whose reset and whose `LOCATE` say different things.
    #[error(
        "the model of population `{population}` {}: set `LOCATE` to {}",
        if *hard { "has a reset at a threshold, and does not say how it is located inside a step" }
        else { "says how a reset is located inside a step, and has none at a threshold" },
        if *hard { "`Locate::ClosedForm` if f is affine in v, or else to `Locate::DenseOutput` with the `METHOD` that is right for f" } else { "`Locate::No`" }
    )]
    Locate {
        /// The population.
        population: String,
        /// Whether it has a reset at a threshold.
        hard: bool,
    },
    /// Resets that the continuous adjoint does not carry across.
    #[error(
        "population `{population}` has resets without a closed form or a refractory time, which the continuous adjoint \
         does not carry across: use the discrete adjoint"
    )]
    ContinuousReset {
        /// The population.
        population: String,
    },
    /// A model that says that it is affine and is not.
    #[error(
        "the model of population `{population}` locates its resets by the closed form of an f that is affine in v, which f is \
         not: set `LOCATE` to `Locate::DenseOutput`, and `METHOD` to one that is right for f"
    )]
    NotAffine {
        /// The population.
        population: String,
    },
    /// A loss that compares with targets on a trial that has none.
    #[error(
        "the loss compares the readout with targets, and the trial has none: give samples x outputs values"
    )]
    NoTargets,
    /// A loss of the run as a whole in a scheme that does not carry what it accumulates.
    #[error(
        "the loss sees the run as a whole, which {scheme} does not carry: use the discrete adjoint of `SplitStep`"
    )]
    RunLoss {
        /// The scheme.
        scheme: &'static str,
    },
    /// A network or a trial that the approximate backward pass does not take.
    #[error(
        "the approximate backward pass does not take {found}: give it one population of neurons whose voltages wrap or are reset by \
         subtraction, plain projections from all neurons to all, and a trial with a fresh start"
    )]
    Approximate {
        /// What the network, the trial or the loss has.
        found: &'static str,
    },
    /// A value on a connection that the mask says does not exist.
    #[error("{name} is masked at entry {index}, but its value is {value}: set it to zero")]
    Masked {
        /// The group.
        group: Group,
        /// The group's name.
        name: String,
        /// The index of the entry, column-major.
        index: usize,
        /// The value found there.
        value: f64,
    },
    /// A weight of the sign that its presynaptic neuron does not have.
    #[error(
        "{name} is {value} at entry {index}, but neuron {neuron} is {sign}: call `project`, or give the neuron another sign"
    )]
    WrongSign {
        /// The group.
        group: Group,
        /// The group's name.
        name: String,
        /// The index of the entry, column-major.
        index: usize,
        /// The value found there.
        value: f64,
        /// The presynaptic neuron.
        neuron: usize,
        /// What it does to its targets.
        sign: &'static str,
    },
    /// A group that cannot have what was asked of it.
    #[error("{name} has no mask: only weights that are a matrix, input.weight and readout.weight do")]
    NoMask {
        /// The group.
        group: Group,
        /// The group's name.
        name: String,
    },
    /// A group that the network does not have.
    #[error("the network has no {group}: choose one of {known}")]
    NoGroup {
        /// The group.
        group: Group,
        /// The groups that there are.
        known: String,
    },
    /// A rank that is no rank of a matrix of this shape.
    #[error(
        "the weights of projection {projection} cannot be of rank {rank}: choose from 1 to {most}, the lesser of its sizes"
    )]
    Rank {
        /// The projection.
        projection: String,
        /// The rank that was asked for.
        rank: usize,
        /// The highest rank.
        most: usize,
    },
    /// What a projection has together with what does not go with it.
    #[error(
        "projection {projection} has {feature}, which does not go with {other}: build the network without one of them"
    )]
    Excluded {
        /// The projection.
        projection: String,
        /// What the projection has.
        feature: Feature,
        /// What does not go with it.
        other: Feature,
    },
    /// A population that spikes and has no gate, or one that never spikes and has one.
    #[error("population `{population}` of model {model} {}", if *spikes {
        "spikes: give it a gate, with a shape and a width"
    } else {
        "never spikes: leave its gate out, as `Population::without_spikes` does"
    })]
    Gate {
        /// The population.
        population: String,
        /// The model.
        model: &'static str,
        /// Whether the model spikes.
        spikes: bool,
    },
    /// Conductances on neurons without a voltage.
    #[error(
        "projection `{projection}` opens channels of population `{population}`, whose model {model} has no voltage that a reversal \
         potential could be compared with, or more than 31 parameters: let it send currents, or take another model"
    )]
    NoVoltage {
        /// The projection.
        projection: String,
        /// The population.
        population: String,
        /// The population's model.
        model: &'static str,
    },
    /// A negative weight where traces are conductances.
    #[error(
        "{name} is {value} at entry {index}: a conductance is not negative; the reversal potential says what it does"
    )]
    NegativeConductance {
        /// The name of the weights.
        name: String,
        /// The index of the entry, column-major.
        index: usize,
        /// The value found there.
        value: f64,
    },
    /// A projection from a population that never spikes.
    #[error(
        "projection `{projection}` comes from population `{population}`, which never spikes and sends nothing: read its voltages by \
         a readout"
    )]
    NeverSpikes {
        /// The projection.
        projection: String,
        /// The population.
        population: String,
    },
    /// A readout without outputs, or one that reads nothing.
    #[error(
        "readout `{readout}` has no outputs or reads nothing: give it outputs, and traces or voltages to read"
    )]
    EmptyReadout {
        /// The readout.
        readout: String,
    },
    /// A value that must not be negative and is, or is not finite.
    #[error("{what} = {value}: give a finite number that is not negative")]
    Negative {
        /// The argument.
        what: String,
        /// The argument's value.
        value: f64,
    },
    /// A rate that no tonic current gives.
    #[error(
        "no current makes population `{population}` fire at {rate} Hz: ask for a lower rate, or for a smaller step"
    )]
    NeverFires {
        /// The population.
        population: String,
        /// The rate that was asked for, Hz.
        rate: f64,
    },
    /// A rate so low that nobody would wait for a neuron that fires at it.
    #[error(
        "a rate of {rate} Hz takes runs of {steps:.1e} steps of {h} ms to find: ask for a higher rate or give a longer step"
    )]
    SlowRate {
        /// The rate that was asked for, Hz.
        rate: f64,
        /// The step, ms.
        h: f64,
        /// The steps of a run.
        steps: f64,
    },
    /// A projection that goes to a source.
    #[error("projection {projection} goes to an event source: let it go to a population")]
    IntoSource {
        /// The projection.
        projection: String,
    },
    /// A trial's event that no run can take.
    #[error("event {index} of the trial {why}")]
    Event {
        /// The index of the event.
        index: usize,
        /// What is wrong with the event, and what to change.
        why: String,
    },
    /// A spike that no neuron can be asked for.
    #[error("target spike {index} of the trial {why}")]
    TargetSpike {
        /// The index of the spike.
        index: usize,
        /// What is wrong with the spike, and what to change.
        why: String,
    },
    /// A number of a loss that is out of its domain.
    #[error("{what} is {value}: give {domain}")]
    LossSetting {
        /// The number of the loss.
        what: &'static str,
        /// The number's value.
        value: f64,
        /// What the number may be.
        domain: String,
    },
    /// Connections that cannot be made.
    #[error("projection {projection} cannot connect {what}: choose another connector, or other populations")]
    Connector {
        /// The projection.
        projection: String,
        /// What was asked for.
        what: String,
    },
}

/// A number of bytes as messages write it.
fn readable(bytes: f64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut bytes = bytes;
    for unit in UNITS {
        if bytes < 999.5 {
            return format!("{bytes:.0} {unit}");
        }
        bytes /= 1000.0;
    }
    format!("{:.0e} EB", bytes * 1000.0)
}
