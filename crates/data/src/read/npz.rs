//! Series as arrays of NumPy.
//!
//! - `x`: samples x time points x channels, or samples x time points of one channel; any type of number, either order.
//! - `y`, if it is there: the targets. One dimension of whole numbers or text is classes, one or two of floating-point numbers are
//!   values, three are series.
//! - `target_times`, `target_units` and `target_trial`, if they are there: target spike trains in place of `y`.
//! - `lengths`, if it is there: how many time points of each sample are real. The others are left out, of the targets too if these have as many.
//! - `interval`, if it is there: one number, in the unit of time of the options.
//! - `classes`, if it is there: the names of the classes.

use super::archive::Archive;
use super::options::ReadOptions;
use super::target_trains;
use crate::{Dataset, Error, Inputs, Series};

pub(super) fn read(bytes: &[u8], options: &ReadOptions) -> Result<Dataset, Error> {
    let names = &options.arrays;
    let mut archive = Archive::new(bytes)?;
    let x = archive.array(&names.x)?;
    let (samples, points, channels) = match x.shape[..] {
        [samples, points] => (samples, points, 1),
        [samples, points, channels] => (samples, points, channels),
        _ => return Err(x.unexpected("samples x time points x channels, or samples x time points")),
    };
    if x.shape.contains(&0) {
        return Err(x.unexpected("at least one sample, time point and channel"));
    }
    let lengths = match archive.optional(&names.lengths)? {
        None => vec![points; samples],
        Some(array) => {
            if array.shape != [samples] {
                return Err(array.unexpected("one length for each sample"));
            }
            let mut lengths = Vec::with_capacity(samples);
            for (sample, length) in array.i64s()?.into_iter().enumerate() {
                let valid = usize::try_from(length).ok().filter(|length| (1..=points).contains(length));
                let error = || Error::Option {
                    option: "length",
                    value: length as f64,
                    expected: "give a number from 1 to the time points of the array",
                };
                lengths.push(valid.ok_or_else(|| error().in_sample(sample))?);
            }
            lengths
        }
    };
    let mut series = Vec::with_capacity(samples);
    let values = x.f32s()?;
    for (sample, (all, length)) in values.chunks_exact(points * channels).zip(&lengths).enumerate() {
        let mut values = all[..length * channels].to_vec();
        options.missing.fill(channels, &mut values).map_err(|error| error.in_sample(sample))?;
        series.push(Series::new(channels, values)?);
    }
    drop(values);
    let classes = options.classes.as_deref();
    let targets = archive.targets(&names.y, classes, &names.classes, (points, &lengths))?;
    let interval = match (options.interval, archive.optional(&names.interval)?) {
        (Some(interval), _) => Some(interval),
        (None, Some(array)) => Some(array.scalar()? * options.time_unit.ms()),
        (None, None) => None,
    };
    // Times of target spikes say nothing unless it is known when a time point is.
    let durations = || {
        let interval = interval.ok_or(Error::NoInterval)?;
        Ok(lengths.iter().map(|&length| length as f64 * interval).collect())
    };
    let targets = target_trains::read(&mut archive, options, durations, targets)?;
    let data = Dataset::new(Inputs::Series(series), targets)?;
    match interval {
        Some(interval) => data.with_interval(interval),
        None => Ok(data),
    }
}
