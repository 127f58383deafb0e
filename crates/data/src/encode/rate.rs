//! Values as firing rates.

use serde::{Deserialize, Serialize};

use super::latency::check_range;
use crate::random::{Purpose, generator, uniform};
use crate::{Error, Series, SpikeEvents};

/// The most spikes that a channel of a sample is expected to have.
const MOST_SPIKES: f64 = (1_u64 << 24) as f64;

/// Poisson spikes whose rate follows the values.
///
/// With `z = (x - low) / (high - low)`, clipped to `[0, 1]`, the rate of a channel is `rate_low + (rate_high - rate_low) z`, constant from
/// one time point to the next. Channel `c` of the spikes is channel `c` of the series. A series of `T` time points gives a sample of
/// `T` intervals; a single value lasts one interval.
///
/// The spikes are a function of the values, the seed and the index of the sample: the same on every machine, and for any number of
/// threads.
///
/// ```
/// use spikegrad_data::{Series, encode::Rate};
///
/// // One value for one second, at 100 spikes per second.
/// let spikes = Rate { rate_high: 100.0, ..Rate::default() }.encode(&Series::new(1, vec![1.0])?, 1000.0, 0)?;
/// assert!((60..140).contains(&spikes.len()));
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rate {
    /// The value of the lowest rate.
    pub low: f64,
    /// The value of the highest rate.
    pub high: f64,
    /// The lowest rate, spikes per second.
    pub rate_low: f64,
    /// The highest rate, spikes per second.
    pub rate_high: f64,
    /// Seed of the random numbers.
    pub seed: u64,
}

impl Default for Rate {
    /// Values from 0 to 1 give rates from 0 to 100 spikes per second.
    fn default() -> Self {
        Self { low: 0.0, high: 1.0, rate_low: 0.0, rate_high: 100.0, seed: 0 }
    }
}

impl Rate {
    /// The spikes of a series whose time points are `interval` ms apart; `sample` is the index of the sample.
    ///
    /// # Errors
    /// If `low < high` or `0 <= rate_low <= rate_high` does not hold, a number is not finite, the interval is not positive, or more than
    /// 2^24 spikes are expected in a channel.
    pub fn encode(&self, series: &Series, interval: f64, sample: u64) -> Result<SpikeEvents, Error> {
        check_range(self.low, self.high)?;
        Error::unless_positive("interval", interval)?;
        let valid = self.rate_low >= 0.0;
        Error::unless(valid, "rate_low", self.rate_low, "give a rate that is not negative")?;
        let valid = self.rate_high >= self.rate_low && self.rate_high.is_finite();
        Error::unless(valid, "rate_high", self.rate_high, "give a finite rate that is not below `rate_low`")?;
        let duration = interval * series.time_points() as f64;
        let expected = self.rate_high / 1000.0 * duration;
        let few = expected <= MOST_SPIKES;
        Error::unless(
            few,
            "rate_high",
            self.rate_high,
            "more than 2^24 spikes are expected in a channel; lower it",
        )?;
        let mut spikes = Vec::new();
        let mut rng = generator(self.seed, Purpose::RateEncoding, sample);
        // In the time in which the expected count grows by 1 per unit, spikes come at intervals of a unit exponential. The logarithm is
        // libm's: that of the system differs between machines in its last place.
        let mut unit_exponential = || -libm::log(1.0 - uniform(&mut rng));
        for (channel, unit) in (0..series.channels()).zip(0_u32..) {
            let mut until_next = unit_exponential();
            for (point, x) in series.channel(channel).enumerate() {
                let z = ((f64::from(x) - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
                let per_ms = (self.rate_low + (self.rate_high - self.rate_low) * z) / 1000.0;
                let (mut elapsed, whole) = (0.0, per_ms * interval);
                while elapsed + until_next < whole {
                    elapsed += until_next;
                    let time = point as f64 * interval + elapsed / per_ms;
                    spikes.push((time.min(duration), unit));
                    until_next = unit_exponential();
                }
                until_next -= whole - elapsed;
            }
        }
        SpikeEvents::from_unsorted(series.channels(), duration, spikes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_a_poisson_process() {
        // Two channels; in the first the rate is 0, 50 and 100 per second for a second each, in the second it is 20 throughout.
        let series = Series::new(2, vec![0.0, 0.2, 0.5, 0.2, 1.0, 0.2]).unwrap();
        let encoder = Rate { seed: 3, ..Rate::default() };
        let trials = 400;
        let mut counts = vec![[0.0; 6]; trials];
        for (sample, counts) in counts.iter_mut().enumerate() {
            let spikes = encoder.encode(&series, 1000.0, sample as u64).unwrap();
            for (time, unit) in spikes.times().iter().zip(spikes.units()) {
                counts[2 * (time / 1000.0) as usize + *unit as usize] += 1.0;
            }
        }
        for (k, expected) in [0.0, 20.0, 50.0, 20.0, 100.0, 20.0].into_iter().enumerate() {
            let mean = counts.iter().map(|c| c[k]).sum::<f64>() / trials as f64;
            let variance = counts.iter().map(|c| (c[k] - mean).powi(2)).sum::<f64>() / trials as f64;
            // Five standard errors; the variance of a Poisson count is its mean.
            let error = 5.0 * f64::sqrt(expected / trials as f64);
            assert!((mean - expected).abs() <= error, "{k}: mean {mean}");
            let error = 5.0 * expected * f64::sqrt(2.0 / trials as f64) + error;
            assert!((variance - expected).abs() <= error, "{k}: variance {variance}");
        }
    }

    #[test]
    fn gaps_are_exponential() {
        let series = Series::new(1, vec![1.0]).unwrap();
        let spikes = Rate::default().encode(&series, 200_000.0, 1).unwrap();
        let gaps: Vec<f64> = spikes.times().windows(2).map(|pair| pair[1] - pair[0]).collect();
        // The share of gaps above 10 ms at 100 spikes per second is 1 / e.
        let share = gaps.iter().filter(|gap| **gap > 10.0).count() as f64 / gaps.len() as f64;
        assert!((share - (-1.0_f64).exp()).abs() < 0.02, "{share}");
    }

    #[test]
    fn spikes_depend_on_seed_and_sample_only() {
        let series = Series::new(1, vec![1.0; 50]).unwrap();
        let encode = |seed, sample| Rate { seed, ..Rate::default() }.encode(&series, 10.0, sample).unwrap();
        assert_eq!(encode(1, 2), encode(1, 2));
        assert_ne!(encode(1, 2), encode(1, 3));
        assert_ne!(encode(1, 2), encode(2, 2));
    }

    #[test]
    fn what_cannot_be_encoded_is_refused() {
        let one = Series::new(1, vec![0.0]).unwrap();
        let good = Rate::default();
        for bad in [
            Rate { rate_low: -1.0, ..good },
            Rate { rate_high: f64::INFINITY, ..good },
            Rate { rate_low: 101.0, ..good },
            Rate { rate_high: 1e12, ..good },
            Rate { high: -1.0, ..good },
        ] {
            assert!(matches!(bad.encode(&one, 1000.0, 0), Err(Error::Option { .. })), "{bad:?}");
        }
        assert!(good.encode(&one, 0.0, 0).is_err());
    }
}
