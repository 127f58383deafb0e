//! Fingerprints: numbers that tell other numbers from these.

/// A number that tells other numbers from these, to the bit.
pub fn fingerprint(numbers: impl IntoIterator<Item = f64>) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    numbers.into_iter().for_each(|x| hash.update(&x.to_bits().to_le_bytes()));
    hash.finalize()
}
