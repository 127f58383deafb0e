//! The experiment `synapse`.

use super::Context;
use crate::Error;
use crate::report::Report;

/// Runs the experiment.
pub(super) fn run(_context: &Context) -> Result<Report, Error> {
    Err(Error::Missing { what: "synapse" })
}
