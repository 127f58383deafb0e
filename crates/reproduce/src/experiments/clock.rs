//! Wall time of a training that may be interrupted.

use std::path::PathBuf;
use std::time::Instant;

use super::Context;
use crate::file;

/// Counts the wall time of a training over all interruptions.
pub(super) struct Clock {
    path: PathBuf,
    /// What was spent before the last interruption, s.
    pub(super) before: f64,
    start: Instant,
}

impl Clock {
    /// Goes on from what was kept under this name.
    pub(super) fn new(context: &Context, name: &str) -> Self {
        let path = context.state.join(format!("{name}.seconds.json"));
        let kept = file::read_json(&path).filter(|seconds: &f64| *seconds >= 0.0);
        Self { before: kept.unwrap_or(0.0), path, start: Instant::now() }
    }

    /// Seconds so far.
    pub(super) fn seconds(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }

    /// Writes them down. A clock that cannot be written is no reason to stop training.
    pub(super) fn keep(&self) {
        let _ = file::write(&self.path, &self.seconds().to_string());
    }
}
