//! A spike with its time.

/// A spike, or as many spikes of a neuron as one step has when these are too many to be told apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spike {
    /// The neuron.
    pub neuron: usize,
    /// The time at which the voltage reached threshold inside the step, ms. A hard reset is located there by the step itself; a
    /// voltage that wraps, or passes threshold without a reset, is taken to move along a straight line in the step.
    pub time: f64,
    /// How many spikes this is: 1, unless the neuron fired more than [`EACH`](Self::EACH) times in the step. Then it is all of
    /// them, at the time of the first, so that the memory of a recording is bounded whatever the rates.
    pub count: u64,
}

impl Spike {
    /// The most spikes of a neuron in one step that have an entry each.
    pub const EACH: u64 = 8;
}
