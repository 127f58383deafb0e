//! What a run came to, for whoever started it.

use std::process::ExitCode;

/// What the run as a whole came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No band was missed.
    Fine,
    /// A band was missed.
    Missed,
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Fine => Self::SUCCESS,
            Verdict::Missed => Self::from(1),
        }
    }
}
