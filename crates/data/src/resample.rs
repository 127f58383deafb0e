//! Resampling of series to more or fewer time points.

use serde::{Deserialize, Serialize};

use crate::{Dataset, Error, Inputs, Series, Targets};

/// How a series is resampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Resampling {
    /// The mean of every so many time points that follow each other. The last mean is of what is left.
    MeanOf(usize),
    /// So many time points, each the mean of a block; the blocks' lengths differ by one at most. The series must have at least as
    /// many time points.
    MeanTo(usize),
    /// Every time point so many times.
    HoldFor(usize),
    /// So many time points, time point `k` of `n` being time point `floor(k T / n)` of the `T` that were there.
    HoldTo(usize),
}

impl Resampling {
    /// Resamples one series.
    ///
    /// ```
    /// use spikegrad_data::{Resampling, Series};
    ///
    /// let series = Series::new(1, vec![1.0, 3.0, 5.0])?;
    /// assert_eq!(Resampling::MeanOf(2).series(&series)?.values(), [2.0, 5.0]);
    /// assert_eq!(Resampling::HoldFor(2).series(&series)?.values(), [1.0, 1.0, 3.0, 3.0, 5.0, 5.0]);
    /// # Ok::<(), spikegrad_data::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the number is 0 or too large, or a mean is asked for of fewer time points than it should give.
    pub fn series(self, series: &Series) -> Result<Series, Error> {
        let old = series.time_points();
        let (Self::MeanOf(number) | Self::MeanTo(number) | Self::HoldFor(number) | Self::HoldTo(number)) =
            self;
        let allowed = 1..=u32::MAX as usize;
        Error::unless(
            allowed.contains(&number),
            "resampling",
            number as f64,
            "give a number from 1 to 2^32 - 1",
        )?;
        let new = match self {
            Self::MeanOf(factor) => old.div_ceil(factor),
            Self::HoldFor(factor) => old * factor,
            Self::MeanTo(points) | Self::HoldTo(points) => points,
        };
        let mut values = Vec::with_capacity(new * series.channels());
        for k in 0..new {
            let (begin, end) = match self {
                Self::MeanOf(factor) => (k * factor, ((k + 1) * factor).min(old)),
                Self::MeanTo(points) if points > old => {
                    return Err(Error::Count {
                        what: "time points to take means of",
                        expected: points,
                        found: old,
                    });
                }
                Self::MeanTo(points) => (k * old / points, (k + 1) * old / points),
                Self::HoldFor(factor) => (k / factor, k / factor + 1),
                Self::HoldTo(points) => (k * old / points, k * old / points + 1),
            };
            for channel in 0..series.channels() {
                let sum: f64 = (begin..end).map(|point| f64::from(series.point(point)[channel])).sum();
                values.push((sum / (end - begin) as f64) as f32);
            }
        }
        Series::new(series.channels(), values)
    }

    /// Resamples all inputs of a data set, and its targets if they are series. The interval changes with the lengths; it is no longer
    /// known where a number of time points is asked for and the lengths differed.
    ///
    /// # Errors
    /// If the inputs are not series, a target is a series of another length than its input, or a series cannot be resampled.
    pub fn apply(self, data: &Dataset) -> Result<Dataset, Error> {
        let resample = |all: &[Series]| {
            let each = all.iter().enumerate();
            each.map(|(sample, one)| self.series(one).map_err(|error| error.in_sample(sample)))
                .collect::<Result<Vec<_>, _>>()
        };
        let all = data.series("resampling")?;
        let inputs = Inputs::Series(resample(all)?);
        let targets = match data.targets() {
            Targets::Series(targets) => {
                data.check_target_lengths()?;
                Targets::Series(resample(targets)?)
            }
            other => other.clone(),
        };
        let old = all[0].time_points();
        let factor = match self {
            Self::MeanOf(factor) => Some(factor as f64),
            Self::HoldFor(factor) => Some(1.0 / factor as f64),
            Self::MeanTo(points) | Self::HoldTo(points) => {
                all.iter().all(|series| series.time_points() == old).then(|| old as f64 / points as f64)
            }
        };
        let resampled = Dataset::new(inputs, targets)?;
        match data.interval().zip(factor) {
            Some((interval, factor)) => resampled.with_interval(interval * factor),
            None => Ok(resampled),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ramp(points: usize) -> Series {
        Series::new(2, (0..points).flat_map(|t| [t as f32, -(t as f32)]).collect()).unwrap()
    }

    #[test]
    fn means_and_holds_have_their_closed_forms() {
        let five = ramp(5);
        let first = |how: Resampling| how.series(&five).unwrap().channel(0).collect::<Vec<_>>();
        assert_eq!(first(Resampling::MeanOf(2)), [0.5, 2.5, 4.0]);
        assert_eq!(first(Resampling::MeanOf(9)), [2.0]);
        assert_eq!(first(Resampling::MeanTo(2)), [0.5, 3.0]);
        assert_eq!(first(Resampling::HoldFor(2)), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
        assert_eq!(first(Resampling::HoldTo(2)), [0.0, 2.0]);
        assert_eq!(first(Resampling::HoldTo(7)), [0.0, 0.0, 1.0, 2.0, 2.0, 3.0, 4.0]);
        assert!(Resampling::MeanTo(6).series(&five).is_err());
        assert!(Resampling::MeanOf(0).series(&five).is_err());
    }

    proptest! {
        #[test]
        fn holding_and_taking_the_mean_is_nothing(points in 1_usize..20, factor in 1_usize..9) {
            let series = ramp(points);
            let held = Resampling::HoldFor(factor).series(&series).unwrap();
            prop_assert_eq!(&Resampling::MeanOf(factor).series(&held).unwrap(), &series);
            prop_assert_eq!(&Resampling::MeanTo(points).series(&held).unwrap(), &series);
            prop_assert_eq!(&Resampling::HoldTo(points).series(&held).unwrap(), &series);
        }
    }

    #[test]
    fn the_interval_follows() {
        let data = |lengths: [usize; 2]| {
            let inputs = lengths.iter().map(|&points| ramp(points)).collect::<Vec<_>>();
            let data = Dataset::new(Inputs::Series(inputs.clone()), Targets::Series(inputs)).unwrap();
            data.with_interval(2.0).unwrap()
        };
        let interval = |how: Resampling, lengths| how.apply(&data(lengths)).unwrap().interval();
        assert_eq!(interval(Resampling::MeanOf(2), [4, 6]), Some(4.0));
        assert_eq!(interval(Resampling::HoldFor(4), [4, 6]), Some(0.5));
        assert_eq!(interval(Resampling::MeanTo(2), [4, 4]), Some(4.0));
        assert_eq!(interval(Resampling::HoldTo(2), [4, 6]), None);
    }
}
