//! The threads that compute. A process has a pool of its own: threads do not come along through `fork`, and a child that waited for
//! those of its parent would wait for ever.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::Python;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::Error;

/// The pool, and the process and the number of threads that it is for.
struct Made {
    process: u32,
    threads: usize,
    pool: Arc<ThreadPool>,
}

/// Whoever holds the lock is attached to the interpreter and does not detach, as whoever forks is: no process begins with the lock held.
static MADE: Mutex<Option<Made>> = Mutex::new(None);

/// The number of threads that was asked for; 0 for one a core.
static THREADS: Mutex<usize> = Mutex::new(0);

/// The pool of this process.
pub(crate) fn pool(_: Python<'_>) -> Result<Arc<ThreadPool>, Error> {
    let (process, threads) = (std::process::id(), asked());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = made.as_ref().filter(|made| made.process == process && made.threads == threads) {
        return Ok(Arc::clone(&made.pool));
    }
    let pool = Arc::new(ThreadPoolBuilder::new().num_threads(threads).build()?);
    let old = made.replace(Made { process, threads, pool: Arc::clone(&pool) });
    if let Some(old) = old.filter(|old| old.process != process) {
        // Its threads are those of the parent: to end them would be to wait for them.
        std::mem::forget(old);
    }
    Ok(pool)
}

/// The number of threads that was asked for.
pub(crate) fn asked() -> usize {
    *THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets the number of threads; 0 for one a core.
pub(crate) fn ask(threads: usize) {
    *THREADS.lock().unwrap_or_else(PoisonError::into_inner) = threads;
}

/// Computes on the pool, while other threads of Python go on.
pub(crate) fn compute<R: Send>(py: Python<'_>, work: impl FnOnce() -> R + Send) -> Result<R, Error> {
    let pool = pool(py)?;
    Ok(py.detach(|| pool.install(work)))
}
