//! Random draws that are the same on every machine: a function of a seed, a purpose and an index.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What random numbers are for; each purpose has numbers of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    EpochOrder = 1,
    Split,
    Folds,
    RateEncoding,
    YinYang,
}

/// The generator of one purpose and one index of a seed.
pub(crate) fn generator(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut key = ChaCha8Rng::seed_from_u64(seed).get_seed();
    key[31] ^= purpose as u8;
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(index);
    rng
}

/// A uniform number in `[0, 1)`.
pub(crate) fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;
    (rng.next_u64() >> 11) as f64 * UNIT
}

/// A uniform whole number below `bound`, which must not be 0.
pub(crate) fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    let bound = bound as u64;
    // Draws above the largest multiple of the bound are rejected: the others are uniform.
    let accepted = u64::MAX - (u64::MAX % bound + 1) % bound;
    loop {
        let draw = rng.next_u64();
        if draw <= accepted {
            return (draw % bound) as usize;
        }
    }
}

/// A random order, by Fisher and Yates.
pub(crate) fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(rng, last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_uniform_within_their_bounds() {
        let mut rng = generator(1, Purpose::Split, 0);
        let mut counts = [0_i32; 7];
        for _ in 0..70_000 {
            counts[below(&mut rng, 7)] += 1;
            assert!((0.0..1.0).contains(&uniform(&mut rng)));
        }
        // Five standard deviations of a count are 463.
        assert!(counts.iter().all(|count| (count - 10_000).abs() < 463), "{counts:?}");
        assert!((0..100).all(|_| below(&mut rng, 1) == 0));
    }

    #[test]
    fn draws_are_those_of_every_machine() {
        let draw = |seed, purpose, index| generator(seed, purpose, index).next_u64();
        let base = draw(1, Purpose::Split, 2);
        for other in [draw(2, Purpose::Split, 2), draw(1, Purpose::Folds, 2), draw(1, Purpose::Split, 3)] {
            assert_ne!(base, other);
        }
        assert_eq!(base, 10_557_104_434_596_682_235);
    }
}
