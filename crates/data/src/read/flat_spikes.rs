//! Spikes as three flat arrays of an `.npz` archive: the time, the channel and the sample of each spike, in any order.

use super::archive::Archive;
use super::spike_lists::SpikeLists;
use crate::Error;

/// The names of the arrays of times, channels and samples.
pub(super) type Names<'a> = [&'a str; 3];

/// The arrays, all of one length.
pub(super) struct FlatSpikes {
    times: Vec<f64>,
    units: Vec<i64>,
    trials: Vec<i64>,
}

impl FlatSpikes {
    /// The three arrays, which must be there. `ms` is the unit of times.
    pub(super) fn read(
        archive: &mut Archive<'_>,
        [times, units, trial]: Names<'_>,
        ms: f64,
    ) -> Result<Self, Error> {
        let times = archive.array(times)?;
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
        let (units, trials) = (flat(units)?, flat(trial)?);
        Ok(Self { times: times.f64s()?.into_iter().map(|time| time * ms).collect(), units, trials })
    }

    /// The number of samples that the spikes tell, if nothing else does: `others` is the array that could. One number must not stand for
    /// more samples than there are spikes.
    pub(super) fn samples(&self, [_, _, trial]: Names<'_>, others: &str) -> Result<usize, Error> {
        let (last, spikes) = (self.trials.iter().copied().max().unwrap_or(-1), self.times.len());
        let samples = usize::try_from(last.saturating_add(1)).unwrap_or(usize::MAX);
        if samples <= spikes {
            return Ok(samples);
        }
        let expected = format!("there are only {spikes} spikes; save `{others}`, one for each sample");
        Err(Error::Array { name: trial.to_owned(), found: format!("up to {last}"), expected })
    }

    /// Adds all spikes to the lists of their samples.
    pub(super) fn fill(self, [_, _, trial]: Names<'_>, lists: &mut SpikeLists<'_>) -> Result<(), Error> {
        let samples = lists.samples();
        let spikes = self.times.into_iter().zip(self.units.into_iter().zip(self.trials));
        for (position, (time, (unit, number))) in spikes.enumerate() {
            let sample = usize::try_from(number).ok().filter(|sample| *sample < samples);
            let wrong = || {
                let found = format!("{number} at spike {position}");
                let expected = format!("a sample of the {samples} that there are, counted from 0");
                Error::Array { name: trial.to_owned(), found, expected }
            };
            lists.push(sample.ok_or_else(wrong)?, time, unit)?;
        }
        Ok(())
    }
}
