//! A population in a network: where its neurons, their variables and their parameters lie in the vectors of all.

use std::ops::Range;

use spikegrad_models::GateShape;

use crate::populations::{Block, BlockMut, ModelLoops, Offsets, ParameterBar};

/// A population of a network, with its loops.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) name: String,
    pub(crate) offset: usize,
    pub(crate) size: usize,
    /// Start of the other state variables, behind the `N` voltages.
    pub(crate) rest: usize,
    /// Start of the latches or refractory times, behind all membrane variables; empty for models that have neither.
    pub(crate) latch: usize,
    pub(crate) latches: usize,
    pub(crate) dim: usize,
    /// The gate's shape, of any kind for neurons that never spike.
    pub(crate) shape: GateShape,
    pub(crate) per_neuron: bool,
    pub(crate) loops: ModelLoops,
    /// Start and length of the model's parameters in the flat vector.
    pub(crate) parameters: Range<usize>,
    /// Where the gate's width lies in the flat vector, behind the model's parameters; `None` for neurons that never spike.
    pub(crate) width: Option<usize>,
    /// Whether any parameter of the neurons is trainable, which every step asks, and whether the gate's width is.
    pub(crate) trains_neurons: bool,
    pub(crate) trains_width: bool,
}

impl Placed {
    /// Where the population lies, in a network whose voltages and other state variables are so many numbers.
    #[inline(always)]
    pub(crate) fn offsets(&self, membrane: usize) -> Offsets {
        Offsets { offset: self.offset, size: self.size, rest: self.rest, latch: membrane + self.latch }
    }

    /// How many other state variables and how many latches the population has.
    #[inline(always)]
    fn lengths(&self) -> (usize, usize) {
        ((self.dim - 1) * self.size, self.latches)
    }

    /// The part that the population's loops add to of a gradient that leaves out the first `skipped` parameters.
    #[inline(always)]
    pub(crate) fn parameter_bar<'a, T>(&self, gradient: &'a mut [T], skipped: usize) -> ParameterBar<'a, T> {
        // Most are not trained, and every step asks.
        if !self.trains_neurons && !self.trains_width {
            return ParameterBar { neuron: None, width: None };
        }
        let (neuron, rest) = gradient[self.parameters.start - skipped..].split_at_mut(self.parameters.len());
        ParameterBar {
            neuron: self.trains_neurons.then_some(neuron),
            width: self.trains_width.then_some(&mut rest[0]),
        }
    }
}

/// A population's part of a membrane state, of which voltages and other state variables are so many numbers.
#[inline(always)]
pub(crate) fn block<'a, T>(place: &Placed, membrane: usize, x: &'a [T]) -> Block<'a, T> {
    place.offsets(membrane).block(x, place.lengths())
}

/// A population's part of a membrane state, to be written.
#[inline(always)]
pub(crate) fn block_mut<'a, T>(place: &Placed, membrane: usize, x: &'a mut [T]) -> BlockMut<'a, T> {
    place.offsets(membrane).block_mut(x, place.lengths())
}
