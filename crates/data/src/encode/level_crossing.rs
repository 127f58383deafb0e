//! Changes as spikes: the send-on-delta code of event-based sensors.

use serde::{Deserialize, Serialize};

use crate::{Error, Series, SpikeEvents};

/// The most spikes that a sample gives.
const MOST_SPIKES: f64 = (1_u64 << 26) as f64;

/// A spike whenever a value has changed by `delta`.
///
/// The levels of a channel are `x(0) + n delta`, with `n` any whole number and `x(0)` its first value. The channel starts at level 0. When the
/// value reaches the level above the present one, there is an upward spike and that level is the present one; when it reaches the
/// level below, a downward spike. So noise of less than `delta` about a level makes no spikes. Values between time points are
/// interpolated linearly, and a spike is at the time when the line reaches the level.
///
/// Channel `c` of the spikes has the upward spikes of channel `c` of the `C` channels of the series, channel `C + c` the downward
/// ones. A series of `T` time points gives a sample of `T` intervals.
///
/// ```
/// use spikegrad_data::{Series, encode::LevelCrossing};
///
/// // Up by two levels within the first ms, and down by one within the second one.
/// let series = Series::new(1, vec![0.0, 2.0, 1.0])?;
/// let spikes = LevelCrossing { delta: 1.0 }.encode(&series, 1.0)?;
/// assert_eq!((spikes.times(), spikes.units()), (&[0.5, 1.0, 2.0][..], &[0, 0, 1][..]));
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelCrossing {
    /// Distance between levels, in units of the values.
    pub delta: f64,
}

impl LevelCrossing {
    /// The spikes of a series whose time points are `interval` ms apart.
    ///
    /// # Errors
    /// If `delta` or the interval is not positive and finite, or there would be more than 2^26 spikes.
    pub fn encode(&self, series: &Series, interval: f64) -> Result<SpikeEvents, Error> {
        let delta = self.delta;
        Error::unless_positive("delta", delta)?;
        Error::unless_positive("interval", interval)?;
        let channels = series.channels();
        let mut travelled = 0.0;
        for channel in 0..channels {
            let later = series.channel(channel).skip(1);
            travelled += series
                .channel(channel)
                .zip(later)
                .map(|(a, b)| (f64::from(b) - f64::from(a)).abs())
                .sum::<f64>();
        }
        let few = travelled / delta <= MOST_SPIKES;
        Error::unless(few, "delta", delta, "the values cross more than 2^26 levels; take a larger distance")?;
        let duration = interval * series.time_points() as f64;
        let mut spikes = Vec::new();
        for (channel, unit) in (0..channels).zip(0_u32..) {
            let down = unit + channels as u32;
            let mut values = series.channel(channel).map(f64::from);
            let first = values.next().unwrap_or_default();
            // Levels are counted, not added up, so that their rounding errors do not grow.
            let (mut level, mut before) = (0_i64, first);
            for (point, value) in values.enumerate() {
                loop {
                    let above = first + (level + 1) as f64 * delta;
                    let below = first + (level - 1) as f64 * delta;
                    let (step, reached, unit) = match (value >= above, value <= below) {
                        (true, _) => (1, above, unit),
                        (_, true) => (-1, below, down),
                        _ => break,
                    };
                    let share = ((reached - before) / (value - before)).clamp(0.0, 1.0);
                    spikes.push(((point as f64 + share) * interval, unit));
                    level += step;
                }
                before = value;
            }
        }
        SpikeEvents::from_unsorted(2 * channels, duration, spikes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_series_is_known_to_within_delta(
            values in proptest::collection::vec(-10.0_f32..10.0, 2..60), delta in 0.05_f64..3.0,
        ) {
            let series = Series::new(2, values[..values.len() / 2 * 2].to_vec()).unwrap();
            let spikes = LevelCrossing { delta }.encode(&series, 1.0).unwrap();
            prop_assert_eq!(spikes.channels(), 4);
            for channel in 0..2 {
                let first = series.channel(channel).next().unwrap();
                let (up, down) = (spikes.channel_times(channel), spikes.channel_times(channel + 2));
                for (t, x) in series.channel(channel).enumerate() {
                    let so_far = |times: &[f64]| times.iter().filter(|time| **time <= t as f64 + 1e-9).count() as f64;
                    let known = f64::from(first) + delta * (so_far(&up) - so_far(&down));
                    prop_assert!((f64::from(x) - known).abs() < delta * (1.0 + 1e-6));
                }
            }
        }
    }

    #[test]
    fn noise_below_delta_makes_no_spikes() {
        let series = Series::new(1, vec![0.0, 0.9, -0.9, 0.9, -0.9]).unwrap();
        assert!(LevelCrossing { delta: 1.0 }.encode(&series, 1.0).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_encoded_is_refused() {
        let series = Series::new(1, vec![0.0, f32::MAX, f32::MIN]).unwrap();
        for delta in [0.0, -1.0, f64::NAN, 1e-6] {
            assert!(LevelCrossing { delta }.encode(&series, 1.0).is_err(), "{delta}");
        }
        assert!(LevelCrossing { delta: 1e38 }.encode(&series, 1.0).is_ok());
        assert!(LevelCrossing { delta: 1.0 }.encode(&Series::new(1, vec![1.0]).unwrap(), 0.0).is_err());
    }
}
