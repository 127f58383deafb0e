//! Where a population lies in vectors over all neurons and in the membrane state of a network.

/// A population's membrane state: voltages, the other state variables one after the other, latches.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a, T> {
    pub(crate) v: &'a [T],
    pub(crate) rest: &'a [T],
    pub(crate) latch: &'a [T],
}

/// A population's membrane state to be written, or its cotangent.
pub(crate) struct BlockMut<'a, T> {
    pub(crate) v: &'a mut [T],
    pub(crate) rest: &'a mut [T],
    pub(crate) latch: &'a mut [T],
}

/// Where a population lies in vectors over all neurons and in the membrane state of a network.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offsets {
    pub(crate) offset: usize,
    pub(crate) size: usize,
    /// Start of the other state variables, and of the latches.
    pub(crate) rest: usize,
    pub(crate) latch: usize,
}

impl Offsets {
    /// The population's part of a vector over all neurons.
    #[inline(always)]
    pub(crate) fn of<'x, T>(&self, x: &'x [T]) -> &'x [T] {
        &x[self.offset..][..self.size]
    }

    /// The population's part of a membrane state `[v | rest | latches]`, for so many other state variables and latches.
    #[inline(always)]
    pub(crate) fn block<'x, T>(&self, x: &'x [T], (rest, latches): (usize, usize)) -> Block<'x, T> {
        Block {
            v: self.of(x),
            rest: if rest == 0 { &[] } else { &x[self.rest..][..rest] },
            latch: if latches == 0 { &[] } else { &x[self.latch..][..latches] },
        }
    }

    /// The population's part of a membrane state, to be written. Voltages, other variables and latches lie in this order, so that
    /// splitting twice is enough.
    #[inline(always)]
    pub(crate) fn block_mut<'x, T>(
        &self,
        x: &'x mut [T],
        (rest_len, latches): (usize, usize),
    ) -> BlockMut<'x, T> {
        let (x, latch) = x.split_at_mut(if latches == 0 { x.len() } else { self.latch });
        let behind = self.offset + self.size;
        let (v, rest) = x.split_at_mut(behind);
        BlockMut {
            v: &mut v[self.offset..],
            rest: if rest_len == 0 { &mut [] } else { &mut rest[self.rest - behind..][..rest_len] },
            latch: &mut latch[..latches],
        }
    }
}
