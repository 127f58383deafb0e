//! Pools of threads, of a size that a machine can bear.

use std::num::NonZeroUsize;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::Error;

/// Threads that may be asked for on any machine; on one with more cores, as many as it has.
const MOST: usize = 256;

/// The number of threads that was asked for, or else that of the cores.
pub(crate) fn threads(asked: Option<NonZeroUsize>) -> usize {
    asked.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
}

/// A pool of `threads` threads.
pub(crate) fn pool(threads: usize) -> Result<ThreadPool, Error> {
    let most = self::threads(None).max(MOST);
    if threads > most {
        return Err(Error::TooManyThreads { threads, most });
    }
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|source| Error::Threads { threads, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_threads_than_a_machine_can_bear_are_refused() {
        assert_eq!(pool(3).unwrap().current_num_threads(), 3);
        for threads in [100_000, usize::MAX] {
            let error = pool(threads).unwrap_err();
            assert!(matches!(error, Error::TooManyThreads { most, .. } if most >= MOST), "{error}");
        }
    }
}
