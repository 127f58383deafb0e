//! A series: values of several channels at successive time points.

use crate::Error;

/// Values of `C` channels at `T` time points, `T x C`: the channels of the first time point, then those of the second.
///
/// ```
/// use spikegrad_data::Series;
///
/// let series = Series::new(2, vec![0.0, 10.0, 1.0, 11.0, 2.0, 12.0])?;
/// assert_eq!((series.time_points(), series.channels()), (3, 2));
/// assert_eq!(series.point(1), [1.0, 11.0]);
/// assert!(series.channel(1).eq([10.0, 11.0, 12.0]));
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    channels: usize,
    values: Vec<f32>,
}

impl Series {
    /// A series of `channels` channels.
    ///
    /// # Errors
    /// If there are no channels or no values, or the values are no whole number of time points. Values that are not finite are
    /// refused by [`Dataset::new`](crate::Dataset::new).
    pub fn new(channels: usize, values: Vec<f32>) -> Result<Self, Error> {
        if channels == 0 {
            return Err(Error::Empty { what: "channels" });
        }
        if values.is_empty() {
            return Err(Error::Empty { what: "time points" });
        }
        if !values.len().is_multiple_of(channels) {
            return Err(Error::Count {
                what: "values at the last time point",
                expected: channels,
                found: values.len() % channels,
            });
        }
        Ok(Self { channels, values })
    }

    /// Number of channels, `C`.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Number of time points, `T`.
    pub fn time_points(&self) -> usize {
        self.values.len() / self.channels
    }

    /// All values, `T x C`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values of all channels at time point `point`.
    ///
    /// # Panics
    /// If there is no such time point.
    pub fn point(&self, point: usize) -> &[f32] {
        &self.values[point * self.channels..(point + 1) * self.channels]
    }

    /// The values of channel `channel` at all time points.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn channel(&self, channel: usize) -> impl Iterator<Item = f32> {
        assert!(channel < self.channels, "channel {channel} of {}", self.channels);
        self.values.iter().skip(channel).step_by(self.channels).copied()
    }

    /// The series with each value replaced by `value(channel, old)`.
    pub(crate) fn map(&self, mut value: impl FnMut(usize, f32) -> f32) -> Self {
        let values = self.values.iter().enumerate().map(|(i, &x)| value(i % self.channels, x)).collect();
        Self { channels: self.channels, values }
    }

    /// Whether all values are finite.
    pub(crate) fn check_finite(&self) -> Result<(), Error> {
        match self.values.iter().position(|x| !x.is_finite()) {
            None => Ok(()),
            Some(i) => Err(Error::NonFinite {
                channel: i % self.channels,
                position: i / self.channels,
                value: self.values[i].into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_checked() {
        assert!(matches!(Series::new(0, vec![1.0]), Err(Error::Empty { what: "channels" })));
        assert!(matches!(Series::new(2, vec![]), Err(Error::Empty { what: "time points" })));
        assert!(matches!(Series::new(2, vec![1.0; 5]), Err(Error::Count { expected: 2, found: 1, .. })));
    }

    #[test]
    fn the_place_of_a_value_that_is_not_finite_is_named() {
        let series = Series::new(2, vec![0.0, 1.0, 2.0, f32::NAN]).unwrap();
        let error = series.check_finite().unwrap_err().to_string();
        assert!(error.contains("channel 1, time point 1: NaN"), "{error}");
    }
}
