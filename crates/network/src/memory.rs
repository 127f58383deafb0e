//! Sizes, counted before any memory is taken: what does not fit is an error that says how much it would need.

use spikegrad_integrators::is_granted;

use crate::Error;

/// The most bytes that one large vector of a network takes, unless
/// [`NetworkBuilder::memory_limit`](crate::NetworkBuilder::memory_limit) says otherwise: 16 GiB.
pub(crate) const MEMORY_LIMIT: usize = usize::MAX >> usize::BITS.saturating_sub(34);

/// Bytes of a vector of so many values, the product of `counts`. In floating point nothing overflows.
pub(crate) fn bytes<T>(counts: &[usize]) -> f64 {
    counts.iter().fold(size_of::<T>() as f64, |bytes, &count| bytes * count as f64)
}

/// Refuses what takes more than `limit` bytes. What passes can be counted in a `usize`.
pub(crate) fn check(what: &str, bytes: f64, limit: usize) -> Result<(), Error> {
    // No vector may be longer than `isize::MAX` bytes, whatever the limit.
    let limit = limit.min(isize::MAX as usize);
    if bytes <= limit as f64 { Ok(()) } else { Err(Error::MemoryLimit { what: what.into(), bytes, limit }) }
}

/// An empty vector with room for so many values.
pub(crate) fn room<T>(what: &str, len: usize) -> Result<Vec<T>, Error> {
    let mut room = Vec::new();
    match room.try_reserve_exact(len) {
        Ok(()) => Ok(room),
        Err(_) => Err(Error::OutOfMemory { what: what.into(), bytes: bytes::<T>(&[len]) }),
    }
}

/// Refuses as many bytes as the system does not give.
pub(crate) fn ask(what: &str, bytes: f64) -> Result<(), Error> {
    if is_granted(bytes) { Ok(()) } else { Err(Error::OutOfMemory { what: what.into(), bytes }) }
}

/// A vector of so many values that may not be there.
pub(crate) fn collect<T>(what: &str, values: impl ExactSizeIterator<Item = T>) -> Result<Vec<T>, Error> {
    let mut all = room(what, values.len())?;
    all.extend(values);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_do_not_overflow_and_are_readable() {
        let sizes =
            [&[0][..], &[999 / 8], &[300_000, 300_000], &[usize::MAX], &[usize::MAX, usize::MAX, 1 << 40]];
        let written = sizes
            .map(|counts| Error::OutOfMemory { what: "it".into(), bytes: bytes::<f64>(counts) }.to_string());
        for (text, size) in written.iter().zip(["0 B", "992 B", "720 GB", "148 EB", "3e33 EB"]) {
            assert!(text.starts_with(&format!("it would take {size},")), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(check("it", 8.0, 8), Ok(()));
        let refused = check("it", 9.0, 8).expect_err("more than the limit");
        assert_eq!(refused, Error::MemoryLimit { what: "it".into(), bytes: 9.0, limit: 8 });
        assert!(check("it", 1e19, usize::MAX).is_err() && check("it", f64::NAN, 8).is_err());
        let refused = room::<f64>("it", usize::MAX / 16).expect_err("more than any system has");
        assert!(matches!(refused, Error::OutOfMemory { bytes, .. } if bytes > 9e18), "{refused}");
    }
}
