//! Which trial is asked for, and the generator of its random numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Which trial is asked for, and how far training has come, for tasks that grow harder on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingStage {
    /// What the trial is for.
    pub purpose: Purpose,
    /// Number of the trial among all trials of its purpose. A task with a finite number of trials goes through them by it.
    pub index: u64,
    /// The iteration.
    pub iteration: usize,
    /// How many there will be.
    pub iterations: usize,
    /// Index of the trial in its batch.
    pub trial: usize,
    /// Level of difficulty, from 0 to 1; it rises with the validation score, and is 1 where nothing is validated.
    pub level: f64,
}

impl TrainingStage {
    /// The stage of trial `trial` of a batch of `batch` trials, in iteration `iteration` of `iterations`, at the last level.
    pub fn training(iteration: usize, iterations: usize, batch: usize, trial: usize) -> Self {
        let index = (iteration as u64).wrapping_mul(batch as u64).wrapping_add(trial as u64);
        Self { purpose: Purpose::Training, index, iteration, iterations, trial, level: 1.0 }
    }

    /// The stage of a held-out trial: training is over, the difficulty the last.
    pub fn held_out(purpose: Purpose, trial: usize) -> Self {
        Self { purpose, index: trial as u64, iteration: 1, iterations: 1, trial, level: 1.0 }
    }

    /// Whether training is over: the trial is looked at, and nothing is trained on it.
    pub fn is_held_out(&self) -> bool {
        self.iteration >= self.iterations
    }

    /// The part of training that is done, in `[0, 1]`.
    pub fn progress(&self) -> f64 {
        self.iteration as f64 / self.iterations.max(1) as f64
    }
}

/// What a generator is for; each purpose has streams of its own, so that held-out trials were never trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Weights at the start.
    Initialisation,
    /// Training trials.
    Training,
    /// Trials that steer training.
    Validation,
    /// Trials that judge the result.
    Test,
}

/// The generator of trial `index` of a seed: portable, and independent of every other index and purpose.
pub fn generator(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    // A stream has 60 bits for the index. The others go into the key, where they can meet no other purpose.
    let mut key = ChaCha8Rng::seed_from_u64(seed).get_seed();
    key[0] ^= (index >> STREAM_BITS) as u8;
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream((purpose as u64) << STREAM_BITS | index & (u64::MAX >> (64 - STREAM_BITS)));
    rng
}

/// Bits of a stream's number that belong to the index; those above them are the purpose.
const STREAM_BITS: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn no_two_streams_are_the_same() {
        let purposes = [Purpose::Initialisation, Purpose::Training, Purpose::Validation, Purpose::Test];
        let one = 1 << STREAM_BITS;
        let indices = [0, 1, 2, 100, one - 1, one, one + 1, 2 * one, 3 * one, 15 * one, u64::MAX];
        let mut first = std::collections::HashMap::new();
        for seed in [0, 1, 2, u64::MAX] {
            for purpose in purposes {
                for index in indices {
                    let mut rng = generator(seed, purpose, index);
                    let key = (rng.next_u64(), rng.next_u64());
                    let other = first.insert(key, (seed, purpose, index));
                    assert_eq!(other, None, "{:?}", (seed, purpose, index));
                }
            }
        }
    }

    #[test]
    fn streams_keep_their_bits() {
        let of = |purpose, index| generator(1, purpose, index).next_u64();
        let mut plain = ChaCha8Rng::seed_from_u64(1);
        assert_eq!(of(Purpose::Initialisation, 0), plain.next_u64());
        plain.set_stream(1 << 60 | 7);
        plain.set_word_pos(0);
        assert_eq!(of(Purpose::Training, 7), plain.next_u64());
    }
}
