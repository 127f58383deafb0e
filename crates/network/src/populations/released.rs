//! The charges that steps release: a short list of neurons that is found without a branch.

use std::ops::Range;

use crate::Scalar;
use crate::kernels::LANES;

/// Neurons whose marks make one number.
const CHUNK: usize = size_of::<u64>();

/// Which bits of a byte are set, upwards, and zeros for the others.
static SET: [[u32; CHUNK]; 1 << CHUNK] = {
    let mut set = [[0; CHUNK]; 1 << CHUNK];
    let mut byte = 0;
    while byte < set.len() {
        let (mut bit, mut count) = (0, 0);
        while bit < CHUNK {
            if byte >> bit & 1 == 1 {
                set[byte][count] = bit as u32;
                count += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    set
};

/// Active neurons whose gates are computed together; a few of 80 are active at a time.
pub(super) const GROUP: usize = 8;

/// Charges released in some steps, for the neurons that released any or stand in the active zone.
// Vectors are written whole groups at a time and longer than what is in them, because to push would take longer.
#[derive(Clone, Debug)]
pub(crate) struct Released<T> {
    pub(super) len: usize,
    pub(super) neurons: Vec<u32>,
    pub(super) charge: Vec<T>,
    /// The gate's density at the start of the step and at its end, which the transpose asks for: sine and cosine come together.
    pub(super) slopes: [Vec<T>; 2],
    /// Whether each neuron may have released charge in a step: room for the loop that looks for them.
    touched: Vec<u8>,
}

impl<T> Default for Released<T> {
    fn default() -> Self {
        let (neurons, charge, slopes) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
        Self { len: 0, neurons, charge, slopes, touched: Vec::new() }
    }
}

impl<T: Scalar> Released<T> {
    /// How many there are.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Forgets all, and makes room to look through so many neurons.
    pub(crate) fn clear(&mut self, size: usize) {
        self.len = 0;
        self.touched.resize(size.next_multiple_of(LANES), 0);
    }

    /// Makes room for so many more.
    pub(crate) fn reserve_exact(&mut self, more: usize) {
        let more = (self.len + more + GROUP).saturating_sub(self.neurons.len());
        self.neurons.reserve_exact(more);
        self.charge.reserve_exact(more);
        self.slopes.iter_mut().for_each(|slopes| slopes.reserve_exact(more));
    }

    /// Makes sure that a population of so many neurons can be added.
    #[inline(always)]
    pub(crate) fn make_room(&mut self, size: usize) {
        let needed = self.len + size + GROUP;
        if needed > self.neurons.len() {
            self.grow(needed);
        }
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        // No more than what was made room for, as long as that is enough.
        let len = if needed <= self.neurons.capacity() {
            self.neurons.capacity().min(2 * needed)
        } else {
            2 * needed
        };
        self.neurons.resize(len, 0);
        self.charge.resize(len, T::zero());
        self.slopes.iter_mut().for_each(|slopes| slopes.resize(len, T::zero()));
    }

    /// Forgets all but the first ones.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Adds a neuron, for which room was made.
    #[inline(always)]
    pub(crate) fn push(&mut self, neuron: usize, charge: T) {
        self.neurons[self.len] = neuron as u32;
        self.charge[self.len] = charge;
        self.len += 1;
    }

    /// Has the last neuron followed by itself, so that what is done to whole groups is done to neurons of its population.
    #[inline(always)]
    pub(super) fn pad(&mut self) {
        if let Some(last) = self.len.checked_sub(1) {
            let neuron = self.neurons[last];
            self.neurons[self.len..][..GROUP].fill(neuron);
        }
    }

    /// Adds the neurons of which something is true by their voltages at both ends of a step, without any charge yet; compares in
    /// whole vectors.
    #[inline(always)]
    pub(super) fn look(
        &mut self,
        offset: usize,
        before: &[T],
        after: &[T],
        is: impl Fn(usize, T, T) -> bool,
    ) {
        let size = before.len();
        let marks = &mut self.touched[..size.next_multiple_of(LANES)];
        let (before, before_rest) = before.as_chunks::<LANES>();
        let (after, after_rest) = after[..size].as_chunks::<LANES>();
        // By lanes, because a search for marks that were written in smaller pieces would wait for them.
        let (blocks, rest) = marks.split_at_mut(before.len() * LANES);
        for (block, marks) in blocks.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            // Copies, which the marks do not overlap.
            let (old, new) = (before[block], after[block]);
            let mut marked = [0; LANES];
            for lane in 0..LANES {
                marked[lane] = u8::from(is(block * LANES + lane, old[lane], new[lane]));
            }
            *marks = marked;
        }
        if !rest.is_empty() {
            rest.fill(0);
            let start = size - before_rest.len();
            for (i, mark) in rest[..before_rest.len()].iter_mut().enumerate() {
                *mark = u8::from(is(start + i, before_rest[i], after_rest[i]));
            }
        }
        self.len += find(marks, offset, &mut self.neurons[self.len..]);
    }

    /// The neurons of one step that belong to one population.
    #[inline(always)]
    pub(crate) fn active(&self, part: &Range<usize>) -> Active<'_, T> {
        let [start, end] = &self.slopes;
        Active { neurons: &self.neurons[part.clone()], slopes: [&start[part.clone()], &end[part.clone()]] }
    }

    /// A neuron and its charge.
    #[inline(always)]
    pub(crate) fn at(&self, place: usize) -> (usize, T) {
        (self.neurons[place] as usize, self.charge[place])
    }

    /// The neurons and charges of one step.
    #[inline(always)]
    pub(crate) fn part(&self, part: &Range<usize>) -> (&[u32], &[T]) {
        (&self.neurons[part.clone()], &self.charge[part.clone()])
    }
}

/// The neurons of a population that released charge or stand in the active zone, and the gate's densities at both ends.
#[derive(Clone, Copy)]
pub(crate) struct Active<'a, T> {
    pub(crate) neurons: &'a [u32],
    pub(crate) slopes: [&'a [T]; 2],
}

/// Finds the neurons that are marked by a one, upwards, without a branch, and numbers them from `offset` on; returns how many they
/// are. Marks come in whole chunks, and whole chunks are written.
#[inline(always)]
fn find(marks: &[u8], offset: usize, found: &mut [u32]) -> usize {
    // Moves the lowest bit of byte `k` to bit `k` of the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (mut room, mut first) = (found, [offset as u32; CHUNK]);
    let size = room.len();
    for &marks in marks.as_chunks::<CHUNK>().0 {
        let ones = (u64::from_le_bytes(marks).wrapping_mul(GATHER) >> (u64::BITS - u8::BITS)) as u8;
        // All of them are written, so that the compiler knows how many.
        let (neurons, set) = (&mut room[..CHUNK], &SET[usize::from(ones)]);
        for k in 0..CHUNK {
            neurons[k] = first[k] + set[k];
            first[k] += CHUNK as u32;
        }
        room = &mut room[ones.count_ones() as usize..];
    }
    size - room.len()
}

/// One number of each of some neurons.
#[inline(always)]
pub(super) fn gather<T: Copy, const G: usize>(of: &[T], offset: usize, neurons: &[u32; G]) -> [T; G] {
    std::array::from_fn(
        #[inline(always)]
        |lane| of[neurons[lane] as usize - offset],
    )
}

/// One number of each of at most `G` neurons, of which there is at least one; that of the last neuron fills up the vector. Its
/// length is fixed, so that it need not be put together in memory.
#[inline(always)]
pub(super) fn gathered<T: Copy, const G: usize>(of: &[T], offset: usize, neurons: &[u32]) -> [T; G] {
    std::array::from_fn(
        #[inline(always)]
        |lane| of[neurons[lane.min(neurons.len() - 1)] as usize - offset],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_in_order() {
        for size in [1_usize, 7, 8, 9, 63, 64, 65, 80, 200] {
            for every in 1..12 {
                let marks: Vec<u8> = (0..size).map(|i| u8::from(i * i % every == 0)).collect();
                let expected: Vec<u32> = (0..size as u32).filter(|&i| marks[i as usize] == 1).collect();
                let (mut chunks, mut found) = (marks.clone(), vec![0; size + CHUNK]);
                chunks.resize(size.next_multiple_of(CHUNK), 0);
                let count = find(&chunks, 3, &mut found);
                let found: Vec<u32> = found[..count].iter().map(|i| i - 3).collect();
                assert_eq!(found, expected, "{size} {every}");
            }
        }
    }
}
