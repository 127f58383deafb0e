//! Values as the times of first spikes.

use serde::{Deserialize, Serialize};

use crate::{Error, Series, SpikeEvents};

/// One spike a channel, earlier for larger values.
///
/// With `z = (x - low) / (high - low)`, clipped to `[0, 1]`, the spike of value `x` is at
/// `t = latest - (latest - earliest) z`. Channel `c` of the spikes is channel `c` of the series, which must have one time point.
///
/// ```
/// use spikegrad_data::{Series, encode::Latency};
///
/// let encoder = Latency { earliest: 0.0, latest: 10.0, duration: 20.0, ..Latency::default() };
/// let spikes = encoder.encode(&Series::new(3, vec![0.0, 1.0, 0.5])?)?;
/// assert_eq!((spikes.times(), spikes.units()), (&[0.0, 5.0, 10.0][..], &[1, 2, 0][..]));
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Latency {
    /// The value of the latest spike.
    pub low: f64,
    /// The value of the earliest spike.
    pub high: f64,
    /// Time of the earliest spike, ms.
    pub earliest: f64,
    /// Time of the latest spike, ms.
    pub latest: f64,
    /// Duration of the sample, ms.
    pub duration: f64,
    /// Values below this one give no spike.
    pub silent_below: Option<f64>,
}

impl Default for Latency {
    /// Values from 0 to 1 give spikes from 20 to 0 ms in a sample of 30 ms.
    fn default() -> Self {
        Self { low: 0.0, high: 1.0, earliest: 0.0, latest: 20.0, duration: 30.0, silent_below: None }
    }
}

impl Latency {
    /// The spikes of a series of one time point.
    ///
    /// # Errors
    /// If the series has more time points, `low < high` or `0 <= earliest <= latest <= duration` does not hold, or a number is not finite.
    pub fn encode(&self, series: &Series) -> Result<SpikeEvents, Error> {
        check_range(self.low, self.high)?;
        Error::unless_positive("duration", self.duration)?;
        let within = (0.0..=self.duration).contains(&self.latest);
        Error::unless(within, "latest", self.latest, "give a time from 0 to the duration")?;
        let within = (0.0..=self.latest).contains(&self.earliest);
        Error::unless(within, "earliest", self.earliest, "give a time from 0 to that of the latest spike")?;
        if series.time_points() != 1 {
            let found = series.time_points();
            return Err(Error::Count { what: "time points to encode as latencies", expected: 1, found });
        }
        let heard = |x: f64| self.silent_below.is_none_or(|least| x >= least);
        let values = series.values().iter().map(|&x| f64::from(x)).zip(0_u32..).filter(|(x, _)| heard(*x));
        let time = |x: f64| {
            let z = ((x - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
            // A rounding error must not take a spike past its bounds.
            (self.latest - (self.latest - self.earliest) * z).clamp(self.earliest, self.latest)
        };
        let spikes = values.map(|(x, channel)| (time(x), channel)).collect();
        SpikeEvents::from_unsorted(series.channels(), self.duration, spikes)
    }
}

/// Refuses a range of values that is empty or not finite.
pub(super) fn check_range(low: f64, high: f64) -> Result<(), Error> {
    Error::unless(low.is_finite(), "low", low, "give a finite number")?;
    Error::unless(high > low && high.is_finite(), "high", high, "give a finite number above `low`")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn larger_values_come_first(values in proptest::collection::vec(-2.0_f32..2.0, 1..40)) {
            let encoder = Latency { low: -1.0, ..Latency::default() };
            let spikes = encoder.encode(&Series::new(values.len(), values.clone()).unwrap()).unwrap();
            prop_assert_eq!(spikes.len(), values.len());
            for pair in spikes.units().windows(2) {
                let [first, second] = [pair[0], pair[1]].map(|unit| values[unit as usize].clamp(-1.0, 1.0));
                prop_assert!(first >= second);
            }
        }
    }

    #[test]
    fn small_values_can_be_silent() {
        let encoder = Latency { silent_below: Some(0.5), ..Latency::default() };
        let spikes = encoder.encode(&Series::new(3, vec![0.4, 0.5, 9.0]).unwrap()).unwrap();
        assert_eq!((spikes.times(), spikes.units()), (&[0.0, 10.0][..], &[2, 1][..]));
    }

    #[test]
    fn what_cannot_be_encoded_is_refused() {
        let good = Latency::default();
        let one = Series::new(1, vec![0.0]).unwrap();
        for bad in [
            Latency { high: 0.0, ..good },
            Latency { low: f64::NAN, ..good },
            Latency { latest: 31.0, ..good },
            Latency { earliest: 21.0, ..good },
            Latency { earliest: -1.0, ..good },
            Latency { duration: f64::INFINITY, ..good },
        ] {
            assert!(matches!(bad.encode(&one), Err(Error::Option { .. })), "{bad:?}");
        }
        assert!(good.encode(&Series::new(1, vec![0.0, 1.0]).unwrap()).is_err());
    }
}
