//! What is done stays done: a finished report with the same settings, seed and version is not made again, and an
//! experiment that was interrupted finds what it had kept, as long as that is of the same settings, seed and version.

use std::path::Path;

use crate::report::{Metrics, Outcome};
use crate::{Error, file};

/// What a finished run of `plan` left below `out`.
pub(crate) fn finished(plan: &Metrics, out: &Path) -> Option<Outcome> {
    let dir = out.join(file::safe_name(&plan.name));
    let metrics: Metrics = file::read_json(&dir.join("metrics.json"))?;
    let page = dir.join("report.html");
    let done = page.is_file() && metrics.is_sound() && metrics.is_same_run(&through_json(plan)?);
    done.then(|| Outcome { pass: metrics.pass, page, metrics })
}

/// Makes the directory `state` for a run of `plan`. What an interrupted run of the same plan left there stays, unless a
/// fresh start is wanted; what another one left is removed.
pub(crate) fn prepare(plan: &Metrics, state: &Path, fresh: bool) -> Result<(), Error> {
    let owner = state.join("run.json");
    let same = || Some(file::read_json::<Metrics>(&owner)?.is_same_run(&through_json(plan)?));
    if !fresh && same() == Some(true) {
        return Ok(());
    }
    file::remove_dir(state)?;
    file::create_dir(state)?;
    let json = serde_json::to_string_pretty(plan)
        .map_err(|source| Error::Json { name: plan.name.clone(), source })?;
    file::write(&owner, &json)
}

/// `plan` as it would be read back: not every number survives being written to its last bit.
fn through_json(plan: &Metrics) -> Option<Metrics> {
    serde_json::from_str(&serde_json::to_string(plan).ok()?).ok()
}
