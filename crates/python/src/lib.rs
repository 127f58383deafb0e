//! The part of the Python package `spikegrad` that is Rust: networks, trials, gradients and training on arrays. What users call is in
//! `python/spikegrad`, which checks and converts what it is given; this module trusts no shape and no type either.
#![allow(
    missing_docs,
    reason = "what users see is documented in Python, and the module exports nothing to Rust"
)]

mod arrays;
mod changes;
mod check;
mod error;
mod float;
mod losses;
mod models;
mod network;
mod pool;
mod recordings;
mod tapes;
mod training;
mod trials;

#[pyo3::pymodule]
mod _spikegrad {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::network::Core;
    #[pymodule_export]
    use crate::tapes::Tape;
    #[pymodule_export]
    use crate::trials::{State, Trials};

    /// The number of threads that compute; 0 for one a core.
    #[pyfunction]
    fn num_threads() -> usize {
        crate::pool::asked()
    }

    /// Sets the number of threads that compute; 0 for one a core. Results do not depend on it.
    #[pyfunction]
    fn set_num_threads(threads: usize) {
        crate::pool::ask(threads);
    }

    /// Every neuron model by its name: the parameters that it begins with, and whether it spikes.
    #[pyfunction]
    fn models() -> std::collections::BTreeMap<&'static str, crate::models::Model> {
        crate::models::models()
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
