//! What the transpose of the split step needs of the steps.

use std::ops::Range;

use aligned_vec::AVec;

use super::conductances::OpenScratch;
use super::scheme::SplitStep;
use crate::Scalar;
use crate::populations::Released;
use crate::projections::{Path, Scratch, Waiting};

/// What the transpose of the split step needs: membrane states, currents, read-out synapses and the sparse charges.
#[derive(Clone, Debug)]
pub struct SplitTape<T> {
    pub(super) steps: usize,
    /// Of every step the membrane state at its start and the traces that are read out, then the
    /// current (`N`) and what is read at its end, the readout and `|s|^2`; and in one more frame that part of the last state.
    /// Room that was taken is kept: `steps` says what is on the tape.
    pub(super) frames: AVec<T>,
    /// `s_k` and `J_k` at the start of every step, where a time constant is trainable or traces are conductances; on the dense path always `s_k` at
    /// the start and at the end.
    pub(super) synapses: Vec<T>,
    /// What projections keep of every step, [`Pathway::kept`](crate::projections::Pathway::kept): what arrived behind delays or at
    /// filters, where a time constant is trainable, and the state of short-term plasticity.
    pub(super) arrived: Vec<T>,
    /// What the loss had accumulated at the start of every step, where it looks back.
    pub(super) accumulated: Vec<T>,
    /// What the loss has accumulated at the end of the last step.
    pub(super) end: Vec<T>,
    /// Cotangents of the charges of one step that the loss accumulated.
    pub(super) counted_bar: Vec<T>,
    /// Ends of the steps' parts of `released`.
    pub(super) ends: Vec<usize>,
    pub(super) released: Released<T>,
    pub(super) output_bar: Vec<T>,
    /// Cotangents of the traces that readouts with names read.
    pub(super) named_bar: Vec<T>,
    pub(super) current_bar: AVec<T>,
    /// Cotangents of the charges of one step, room for `N`.
    pub(super) charge_bar: Vec<T>,
    /// Cotangents of what a unit of charge adds to the traces of each projection.
    pub(super) gain_bar: Vec<T>,
    pub(super) scratch: Scratch<T>,
    /// Gradients of weights that wait for further steps.
    pub(super) waiting: Waiting<T>,
    /// Gradients of weights of each projection between some of the neurons that wait for further steps.
    pub(super) blocks: Vec<Waiting<T>>,
    /// What channels do, where traces are conductances.
    pub(super) open: OpenScratch<T>,
    /// The neurons that released charge, as a projection numbers them.
    pub(super) local: Vec<u32>,
}

impl<T: Scalar> Default for SplitTape<T> {
    fn default() -> Self {
        Self {
            steps: 0,
            frames: AVec::new(0),
            synapses: Vec::new(),
            arrived: Vec::new(),
            accumulated: Vec::new(),
            end: Vec::new(),
            counted_bar: Vec::new(),
            ends: Vec::new(),
            released: Released::default(),
            output_bar: Vec::new(),
            named_bar: Vec::new(),
            current_bar: AVec::new(0),
            charge_bar: Vec::new(),
            gain_bar: Vec::new(),
            scratch: Scratch::default(),
            waiting: Waiting::default(),
            blocks: Vec::new(),
            open: OpenScratch::default(),
            local: Vec::new(),
        }
    }
}

impl<T: Scalar> SplitTape<T> {
    /// Makes the frames at least so long. Whoever takes a second step without rewinding keeps the whole trial, and gets all the
    /// room that it takes, `most`, at once.
    #[cold]
    pub(super) fn grow(&mut self, len: usize, most: usize) {
        let target = if self.steps == 0 { len } else { most.max(len) };
        if len > self.frames.capacity() {
            self.frames.reserve_exact(target - self.frames.len());
        }
        self.frames.resize(len, T::zero());
    }

    /// Makes room for the next step where steps that were taken back left what they had pushed: a tape that is whole can be
    /// gone over again.
    #[inline(always)]
    pub(super) fn forget_what_was_taken_back(&mut self, scheme: &SplitStep<'_, T>, kept: usize) {
        let released = if self.steps == 0 { 0 } else { self.ends[self.steps - 1] };
        self.released.truncate(released);
        self.ends.truncate(self.steps);
        self.synapses.truncate(self.steps * scheme.kept);
        self.arrived.truncate(self.steps * scheme.kept_arrivals);
        self.accumulated.truncate(self.steps * kept);
    }

    /// Adds the cotangents of charges that the loss accumulated to those of the charges.
    #[inline(never)]
    pub(super) fn add_counted(&mut self) {
        for (bar, &counted) in self.charge_bar.iter_mut().zip(&self.counted_bar) {
            *bar += counted;
        }
    }

    /// Forgets gradients that wait for steps before: those of a way back that ends here, or that was given up.
    pub(super) fn forget_what_waits(&mut self, scheme: &SplitStep<'_, T>) {
        let (network, n) = (scheme.network, scheme.network.neurons);
        self.waiting.clear(n, n, if scheme.waits { network.wires.len() } else { 0 });
        self.blocks.resize_with(network.wires.len(), Waiting::default);
        for ((projection, wire), waiting) in
            scheme.projections.iter().zip(&network.wires).zip(&mut self.blocks)
        {
            let (pre, post) = (wire.pre.len(), wire.post.len());
            if matches!(projection.path, Path::Block(_)) && Waiting::<T>::is_worth_it(pre, post) {
                waiting.clear(pre, post, 1);
            } else {
                waiting.clear(0, 0, 0);
            }
        }
    }

    /// The part of `released` that belongs to step `index` of the tape.
    pub(super) fn part(&self, index: usize) -> Range<usize> {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        start..self.ends[index]
    }

    /// Neurons that released charge or stood in the active zone in the last step, and the charges; then the channels of event
    /// sources, which are numbered after the neurons.
    pub fn last_charges(&self) -> impl Iterator<Item = (usize, &T)> {
        let part = if self.steps == 0 { 0..0 } else { self.part(self.steps - 1) };
        let (neurons, charges) = self.released.part(&part);
        neurons.iter().map(|&i| i as usize).zip(charges)
    }
}
