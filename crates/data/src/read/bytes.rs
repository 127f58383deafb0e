//! Numbers in the bytes of a file.

/// Bytes that are read one after the other; reading past the end gives `None`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// What has not been read yet.
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// A little-endian number of `width` bytes, 8 at most.
    #[cfg(any(test, feature = "hdf5"))]
    pub(super) fn le(&mut self, width: usize) -> Option<u64> {
        self.take(width).map(|bytes| unsigned(bytes, false))
    }

    /// A big-endian number of `width` bytes, 8 at most.
    pub(super) fn be(&mut self, width: usize) -> Option<u64> {
        self.take(width).map(|bytes| unsigned(bytes, true))
    }
}

/// The unsigned number in at most 8 bytes.
pub(super) fn unsigned(bytes: &[u8], big_endian: bool) -> u64 {
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    if big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) }
}

/// The value of a 16-bit floating-point number.
pub(super) fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    let magnitude = match exponent {
        0 => fraction / 16384.0,
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        // A power of two is exact.
        exponent => (1.0 + fraction) * f64::from_bits(((exponent - 15 + 1023) as u64) << 52),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// The most bytes that `compressed` bytes can become in the deflate format, whose best ratio is 1032.
pub(super) fn most_inflated(compressed: usize) -> usize {
    compressed.saturating_mul(1032).saturating_add(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_both_endiannesses() {
        let mut bytes = Bytes::new(&[1, 2, 3, 4, 5]);
        assert_eq!((bytes.le(2), bytes.be(2)), (Some(0x0201), Some(0x0304)));
        assert_eq!((bytes.take(2), bytes.rest()), (None, &[5][..]));
    }

    #[test]
    fn halves_have_their_values() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_625e-5),
            (0x0001, 5.960_464_477_539_063e-8),
            (0x3555, 0.333_251_953_125),
            (0x7c00, f64::INFINITY),
            (0x8000, -0.0),
        ] {
            assert_eq!(half(bits), value, "{bits:x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
