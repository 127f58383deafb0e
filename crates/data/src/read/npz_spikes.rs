//! Spike events as arrays of NumPy, flat: one entry for each spike.
//!
//! - `times`: the time of each spike, in the unit of time of the options.
//! - `units`: the channel of each spike, counted from 0.
//! - `trial`: the sample of each spike, counted from 0. Spikes may be in any order.
//! - `labels`, if it is there: the targets, one for each sample, as `y` of series.
//! - `target_times`, `target_units` and `target_trial`, if they are there: target spike trains in place of labels.
//! - `duration`, if it is there: one number, or one for each sample, in the unit of time of the options.
//! - `classes`, if it is there: the names of the classes.

use super::archive::Archive;
use super::flat_spikes::FlatSpikes;
use super::options::ReadOptions;
use super::spike_lists::SpikeLists;
use super::target_trains;
use crate::{Dataset, Error, Inputs};

pub(super) fn read(bytes: &[u8], options: &ReadOptions) -> Result<Dataset, Error> {
    let names = &options.arrays;
    let ms = options.time_unit.ms();
    let mut archive = Archive::new(bytes)?;
    let arrays = [names.times.as_str(), &names.units, &names.trial];
    let spikes = FlatSpikes::read(&mut archive, arrays, ms)?;
    let labels = archive.optional(&names.labels)?;
    // A side of length 0 leaves the others without bound.
    if let Some(empty) = labels.as_ref().filter(|labels| labels.shape.contains(&0)) {
        return Err(empty.unexpected("a label for each sample"));
    }
    let durations = archive.optional(&names.duration)?;
    let samples = match labels.as_ref().and_then(|labels| labels.shape.first()) {
        Some(&samples) => samples,
        // Without labels, durations may say how many samples there are besides the spikes.
        None => match durations.as_ref().map(|array| &array.shape[..]) {
            Some(&[samples]) if samples > 1 => samples,
            _ => spikes.samples(arrays, &names.labels)?,
        },
    };
    let mut lists = SpikeLists::inputs(samples, &names.units);
    spikes.fill(arrays, &mut lists)?;
    if let Some(array) = durations {
        let durations = array.f64s()?;
        if durations.len() != 1 && durations.len() != samples {
            return Err(array.unexpected("one duration, or one for each sample"));
        }
        lists.durations(durations.into_iter().map(|duration| duration * ms).collect());
    }
    let inputs = lists.finish(options.channels, options.duration)?;
    let classes = options.classes.as_deref();
    let labels = archive.targets(&names.labels, classes, &names.classes, (0, &vec![0; samples]))?;
    let durations = || Ok(target_trains::durations(&inputs));
    let targets = target_trains::read(&mut archive, options, durations, labels)?;
    Dataset::new(Inputs::Spikes(inputs), targets)
}
