//! Spike events as arrays of NumPy, flat: one entry for each spike.
//!
//! - `times`: the time of each spike, in the unit of time of the options.
//! - `units`: the channel of each spike, counted from 0.
//! - `trial`: the sample of each spike, counted from 0. Spikes may be in any order.
//! - `labels`, if it is there: the targets, one for each sample, as `y` of series.
//! - `duration`, if it is there: one number, or one for each sample, in the unit of time of the options.
//! - `classes`, if it is there: the names of the classes.

use super::archive::Archive;
use super::options::ReadOptions;
use super::spike_lists::SpikeLists;
use crate::{Dataset, Error};

pub(super) fn read(bytes: &[u8], options: &ReadOptions) -> Result<Dataset, Error> {
    let names = &options.arrays;
    let ms = options.time_unit.ms();
    let mut archive = Archive::new(bytes)?;
    let times = archive.array(&names.times)?;
    let [spikes] = times.shape[..] else {
        return Err(times.unexpected("one dimension, one time for each spike"));
    };
    let mut flat = |name: &str| {
        let array = archive.array(name)?;
        if array.shape == [spikes] {
            array.i64s()
        } else {
            Err(array.unexpected(&format!("{spikes} entries, one for each time")))
        }
    };
    let (units, trials) = (flat(&names.units)?, flat(&names.trial)?);
    let labels = archive.optional(&names.labels)?;
    // A side of length 0 leaves the others without bound.
    if let Some(empty) = labels.as_ref().filter(|labels| labels.shape.contains(&0)) {
        return Err(empty.unexpected("a label for each sample"));
    }
    let samples = match labels.as_ref().and_then(|labels| labels.shape.first()) {
        Some(&samples) => samples,
        // Without labels, nothing says how many samples there are besides the spikes; one number must not stand for more than there can be.
        None => {
            let last = trials.iter().copied().max().unwrap_or(-1);
            let samples = usize::try_from(last.saturating_add(1)).unwrap_or(usize::MAX);
            if samples > spikes {
                let expected =
                    format!("there are only {spikes} spikes; save `{}`, one for each sample", names.labels);
                let name = names.trial.clone();
                return Err(Error::Array { name, found: format!("up to {last}"), expected });
            }
            samples
        }
    };
    let mut lists = SpikeLists::new(samples);
    for (position, (time, (&unit, &trial))) in
        times.f64s()?.into_iter().zip(units.iter().zip(&trials)).enumerate()
    {
        let sample = usize::try_from(trial).ok().filter(|trial| *trial < samples);
        let wrong = || {
            let found = format!("{trial} at spike {position}");
            let expected = format!("a sample of the {samples} that there are, counted from 0");
            Error::Array { name: names.trial.clone(), found, expected }
        };
        let sample = sample.ok_or_else(wrong)?;
        lists.push(sample, time * ms, unit)?;
    }
    if let Some(array) = archive.optional(&names.duration)? {
        let durations = array.f64s()?;
        if durations.len() != 1 && durations.len() != samples {
            return Err(array.unexpected("one duration, or one for each sample"));
        }
        lists.durations(durations.into_iter().map(|duration| duration * ms).collect());
    }
    let inputs = lists.finish(options)?;
    let classes = options.classes.as_deref();
    let targets = archive.targets(&names.labels, classes, &names.classes, (0, &vec![0; samples]))?;
    Dataset::new(inputs, targets)
}
