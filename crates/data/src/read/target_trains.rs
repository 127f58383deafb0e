//! Target spike trains beside the inputs of an `.npz` archive.
//!
//! - `target_times`: the time of each target spike from the start of its sample, in the unit of time of the options.
//! - `target_units`: the output of each target spike, counted from 0.
//! - `target_trial`: the sample of each target spike, counted from 0. Target spikes may be in any order, and a sample may have none.

use super::archive::Archive;
use super::flat_spikes::FlatSpikes;
use super::options::ReadOptions;
use super::spike_lists::SpikeLists;
use crate::{Error, SpikeEvents, Targets};

/// The target spike trains of samples of these durations, ms, if the archive has any. `other` are targets that the archive has besides.
pub(super) fn read(
    archive: &mut Archive<'_>,
    options: &ReadOptions,
    durations: impl FnOnce() -> Result<Vec<f64>, Error>,
    other: Targets,
) -> Result<Targets, Error> {
    let names = &options.arrays;
    let arrays = [names.target_times.as_str(), &names.target_units, &names.target_trial];
    let present = archive.names();
    if !arrays.iter().any(|name| present.iter().any(|known| known == name)) {
        return Ok(other);
    }
    if other != Targets::None {
        return Err(both(arrays[0]));
    }
    let spikes = FlatSpikes::read(archive, arrays, options.time_unit.ms())?;
    let durations = durations()?;
    let mut lists = SpikeLists::targets(durations.len(), arrays[1]);
    spikes.fill(arrays, &mut lists)?;
    lists.durations(durations);
    lists.finish(options.outputs, None).map(Targets::Spikes)
}

/// A file has targets of two sorts.
pub(super) fn both(trains: &str) -> Error {
    let what = format!("a file with target spike trains (`{trains}`) and other targets");
    Error::Unsupported { what, change: "leave one of them out".to_owned() }
}

/// The durations of inputs.
pub(super) fn durations(inputs: &[SpikeEvents]) -> Vec<f64> {
    inputs.iter().map(SpikeEvents::duration).collect()
}
