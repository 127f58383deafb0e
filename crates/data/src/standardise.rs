//! Standardisation: every channel to mean 0 and standard deviation 1.

use serde::{Deserialize, Serialize};

use crate::{Dataset, Error, Inputs};

/// Means and standard deviations of the channels of series, `y = (x - mean) / deviation`.
///
/// They are computed on the samples that are given, which should be those of the training part, and applied to any data set: the
/// test part must have no influence on them. A channel that never changes is centred and not scaled.
///
/// ```
/// use spikegrad_data::{Dataset, Inputs, Series, Standardise, Targets};
///
/// let inputs = vec![Series::new(1, vec![1.0, 3.0])?, Series::new(1, vec![5.0])?];
/// let data = Dataset::new(Inputs::Series(inputs), Targets::None)?;
/// // Sample 0 is the training part: mean 2, deviation 1.
/// let standardise = Standardise::fit(&data, &[0])?;
/// let Inputs::Series(series) = standardise.apply(&data)?.inputs().clone() else { unreachable!() };
/// assert_eq!((series[0].values(), series[1].values()), (&[-1.0, 1.0][..], &[3.0][..]));
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standardise {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Standardise {
    /// The means and deviations over all time points of the samples `indices`. The deviation is that of the population: the mean
    /// squared difference from the mean, and its root.
    ///
    /// # Errors
    /// If the inputs are not series, there are no indices, or there is no such sample.
    pub fn fit(data: &Dataset, indices: &[usize]) -> Result<Self, Error> {
        let all = data.series("standardising")?;
        if indices.is_empty() {
            return Err(Error::Empty { what: "samples to compute the mean of" });
        }
        data.check_indices(indices)?;
        let channels = data.channels();
        let points: usize = indices.iter().map(|&index| all[index].time_points()).sum();
        let average = |term: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0.0; channels];
            for &index in indices {
                for (i, &x) in all[index].values().iter().enumerate() {
                    sums[i % channels] += term(i % channels, x.into());
                }
            }
            sums.iter().map(|sum| sum / points as f64).collect::<Vec<f64>>()
        };
        let mut mean = average(&|_, x| x);
        let mut deviation = average(&|channel, x| (x - mean[channel]).powi(2));
        for channel in 0..channels {
            let mut values = indices.iter().flat_map(|&index| all[index].channel(channel));
            let first = values.next().unwrap_or_default();
            // The deviation of equal numbers may be a rounding error instead of 0.
            if values.all(|x| x == first) {
                (mean[channel], deviation[channel]) = (first.into(), 0.0);
            }
            deviation[channel] = deviation[channel].sqrt();
        }
        Ok(Self { mean, deviation })
    }

    /// The data set with its inputs standardised.
    ///
    /// # Errors
    /// If the inputs are not series, have another number of channels, or become too large for 32-bit numbers.
    pub fn apply(&self, data: &Dataset) -> Result<Dataset, Error> {
        let all = data.series("standardising")?;
        if data.channels() != self.mean.len() {
            let (expected, found) = (self.mean.len(), data.channels());
            return Err(Error::Count { what: "channels", expected, found });
        }
        let one = |channel: usize, x: f32| {
            let deviation = self.deviation.get(channel).copied().filter(|d| *d > 0.0).unwrap_or(1.0);
            ((f64::from(x) - self.mean[channel]) / deviation) as f32
        };
        let inputs = all.iter().map(|series| series.map(one)).collect();
        data.with_inputs(Inputs::Series(inputs))
    }

    /// The mean of each channel.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The standard deviation of each channel; 0 where the channel never changes.
    pub fn deviation(&self) -> &[f64] {
        &self.deviation
    }

    /// The channels that never change in the samples of the fit. They are centred and not scaled, and tell a network nothing.
    pub fn constant_channels(&self) -> Vec<usize> {
        (0..self.deviation.len()).filter(|&channel| self.deviation[channel] == 0.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Series, SpikeEvents, Targets};

    fn data(channels: usize, samples: &[&[f32]]) -> Dataset {
        let inputs = samples.iter().map(|values| Series::new(channels, values.to_vec()).unwrap()).collect();
        Dataset::new(Inputs::Series(inputs), Targets::None).unwrap()
    }

    proptest! {
        #[test]
        fn the_fitted_samples_get_mean_0_and_deviation_1(
            values in proptest::collection::vec(-100.0_f32..100.0, 8..60), scale in 0.01_f32..100.0,
        ) {
            let values: Vec<f32> = values.iter().map(|x| x * scale).collect();
            let whole = values.len() / 2 * 2;
            let data = data(2, &[&values[..4], &values[4..whole]]);
            let fit = Standardise::fit(&data, &[0, 1]).unwrap();
            prop_assume!(fit.constant_channels().is_empty());
            let again = Standardise::fit(&fit.apply(&data).unwrap(), &[0, 1]).unwrap();
            for channel in 0..2 {
                prop_assert!(again.mean()[channel].abs() < 1e-4);
                prop_assert!((again.deviation()[channel] - 1.0).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn a_constant_channel_is_centred_and_named() {
        // The mean of seven times 0.1 is not 0.1 in floating point.
        let values: Vec<f32> = (0..7).flat_map(|i| [0.1, i as f32]).collect();
        let data = data(2, &[&values, &[1.1, 0.0]]);
        let fit = Standardise::fit(&data, &[0]).unwrap();
        assert_eq!(fit.constant_channels(), [0]);
        assert_eq!(fit.mean()[0], f64::from(0.1_f32));
        let Inputs::Series(series) = fit.apply(&data).unwrap().inputs().clone() else { panic!() };
        assert!(series[0].channel(0).all(|x| x == 0.0));
        assert!(series[1].channel(0).eq([1.0]));
    }

    #[test]
    fn only_the_samples_that_are_given_count() {
        let data = data(1, &[&[1.0, 3.0], &[1e6]]);
        let fit = Standardise::fit(&data, &[0]).unwrap();
        assert_eq!((fit.mean(), fit.deviation()), (&[2.0][..], &[1.0][..]));
        assert!(Standardise::fit(&data, &[]).is_err());
        assert!(Standardise::fit(&data, &[2]).is_err());
        assert!(fit.apply(&super::tests::data(2, &[&[1.0, 2.0]])).is_err());
    }

    #[test]
    fn spikes_are_refused() {
        let spikes = Inputs::Spikes(vec![SpikeEvents::new(1, 1.0, vec![], vec![]).unwrap()]);
        let data = Dataset::new(spikes, Targets::None).unwrap();
        let error = Standardise::fit(&data, &[0]).unwrap_err().to_string();
        assert_eq!(error, "standardising needs series, and the data set has spike events");
    }

    #[test]
    fn a_file_keeps_it() {
        let fit = Standardise::fit(&data(1, &[&[0.1, 0.7, 5.3]]), &[0]).unwrap();
        let text = serde_json::to_string(&fit).unwrap();
        assert_eq!(serde_json::from_str::<Standardise>(&text).unwrap(), fit);
    }
}
