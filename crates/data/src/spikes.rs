//! Spike events: times and channels.

use crate::{Error, Series};

/// Spikes of several channels within a duration, in the order of their times. All times are in ms.
///
/// A spike takes 12 bytes.
///
/// ```
/// use spikegrad_data::SpikeEvents;
///
/// // Three spikes in two channels within 10 ms.
/// let events = SpikeEvents::new(2, 10.0, vec![0.5, 2.0, 7.5], vec![1, 0, 1])?;
/// assert_eq!(events.channel_times(1), [0.5, 7.5]);
/// assert_eq!(events.counts(5.0)?.values(), [1.0, 1.0, 0.0, 1.0]);
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SpikeEvents {
    channels: usize,
    duration: f64,
    times: Vec<f64>,
    units: Vec<u32>,
}

impl SpikeEvents {
    /// Spikes at `times`, ms, in the channels `units`. There may be none.
    ///
    /// # Errors
    /// If there are no channels, the duration is not positive and finite, there are not as many times as channels of spikes, the
    /// times are not sorted or not within `0..=duration`, or a spike is in a channel that is not there.
    pub fn new(channels: usize, duration: f64, times: Vec<f64>, units: Vec<u32>) -> Result<Self, Error> {
        if channels == 0 {
            return Err(Error::Empty { what: "channels" });
        }
        Error::unless_positive("duration", duration)?;
        if times.len() != units.len() {
            return Err(Error::Count {
                what: "channels of spikes",
                expected: times.len(),
                found: units.len(),
            });
        }
        for (position, (&time, &channel)) in times.iter().zip(&units).enumerate() {
            if !(0.0..=duration).contains(&time) {
                return Err(Error::SpikeTime { channel, position, time, duration });
            }
            if position > 0 && time < times[position - 1] {
                return Err(Error::Unsorted { position, time, before: times[position - 1] });
            }
            if channel as usize >= channels {
                return Err(Error::SpikeChannel { position, channel: channel.into(), channels });
            }
        }
        Ok(Self { channels, duration, times, units })
    }

    /// Spikes in any order, `(time, channel)`: they are sorted by time, and by channel where times are equal.
    ///
    /// # Errors
    /// As those of [`SpikeEvents::new`], except for the order.
    pub fn from_unsorted(channels: usize, duration: f64, mut spikes: Vec<(f64, u32)>) -> Result<Self, Error> {
        spikes.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (times, units) = spikes.into_iter().unzip();
        Self::new(channels, duration, times, units)
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Duration, ms.
    pub fn duration(&self) -> f64 {
        self.duration
    }

    /// Number of spikes.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is no spike.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The times of all spikes, ms, ascending.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// The channels of all spikes, in the order of [`SpikeEvents::times`].
    pub fn units(&self) -> &[u32] {
        &self.units
    }

    /// The times of the spikes of one channel, ms, ascending.
    pub fn channel_times(&self, channel: usize) -> Vec<f64> {
        let pairs = self.times.iter().zip(&self.units);
        pairs.filter(|(_, unit)| **unit as usize == channel).map(|(time, _)| *time).collect()
    }

    /// The spikes counted in bins of `interval` ms, bins x channels. Bin `k` covers `k interval <= t < (k + 1) interval`; the last bin
    /// also has the spikes at the end of the duration, and may reach beyond it.
    ///
    /// # Errors
    /// If the interval is not positive and finite, or there would be more than 2^32 counts.
    pub fn counts(&self, interval: f64) -> Result<Series, Error> {
        Error::unless_positive("interval", interval)?;
        // A duration of a whole number of bins may miss it by a rounding error.
        let bins = (self.duration / interval - 1e-9).ceil().max(1.0);
        let most = (1_u64 << 32) as f64;
        Error::unless(
            bins * self.channels as f64 <= most,
            "interval",
            interval,
            "it makes more than 2^32 bins; take a longer one",
        )?;
        let bins = bins as usize;
        let mut values = vec![0.0; bins * self.channels];
        for (&time, &unit) in self.times.iter().zip(&self.units) {
            let bin = ((time / interval) as usize).min(bins - 1);
            values[bin * self.channels + unit as usize] += 1.0;
        }
        Series::new(self.channels, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spikes_are_checked() {
        let new = |times: &[f64], units: &[u32]| SpikeEvents::new(2, 10.0, times.to_vec(), units.to_vec());
        assert!(new(&[0.0, 10.0], &[0, 1]).is_ok());
        assert!(new(&[], &[]).is_ok_and(|events| events.is_empty()));
        assert!(matches!(new(&[-1.0], &[0]), Err(Error::SpikeTime { position: 0, .. })));
        assert!(matches!(new(&[f64::NAN], &[0]), Err(Error::SpikeTime { .. })));
        assert!(matches!(new(&[1.0, 10.5], &[0, 1]), Err(Error::SpikeTime { position: 1, channel: 1, .. })));
        assert!(matches!(new(&[2.0, 1.0], &[0, 0]), Err(Error::Unsorted { position: 1, .. })));
        assert!(matches!(new(&[2.0], &[2]), Err(Error::SpikeChannel { channel: 2, .. })));
        assert!(matches!(new(&[2.0], &[]), Err(Error::Count { .. })));
        assert!(SpikeEvents::new(0, 1.0, vec![], vec![]).is_err());
        assert!(SpikeEvents::new(1, f64::NAN, vec![], vec![]).is_err());
    }

    #[test]
    fn bins_hold_every_spike_once() {
        // 0.3 / 0.1 is a little less than 3, and 3 * 0.1 a little more than 0.3.
        let events =
            SpikeEvents::from_unsorted(1, 0.3, vec![(0.3, 0), (0.0, 0), (0.1, 0), (0.25, 0)]).unwrap();
        let counts = events.counts(0.1).unwrap();
        assert_eq!(counts.time_points(), 3);
        assert_eq!(counts.values(), [1.0, 1.0, 2.0]);
        assert!(events.counts(0.0).is_err());
        assert!(events.counts(1e-300).is_err());
    }
}
