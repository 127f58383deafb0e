//! What is done to a series before it is presented to a network.

use spikegrad::data::{Dataset, Error, Inputs, Resampling, Series};

/// What is done to the series of a data set, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::experiments) struct Front {
    /// The number of time points that every series is stretched or thinned to; `None` to leave them as they are.
    pub(in crate::experiments) points: Option<usize>,
    /// How many time points the network sees at once: the present one and those before it. 1 for the present one alone.
    pub(in crate::experiments) taps: usize,
    /// Time points between two of these.
    pub(in crate::experiments) apart: usize,
    /// Channels that tell which part of the series it is: channel `k` of `n` has its height in the middle of the `k`-th of `n` equal parts
    /// and falls to 0 at the middles of the parts beside it. 0 for none.
    pub(in crate::experiments) clock: usize,
    /// That height, where the other channels have a standard deviation of 1: at 1 the clock is one channel among others, at 8 it decides
    /// in which parts of the series a neuron fires at all.
    pub(in crate::experiments) height: f64,
}

impl Front {
    /// Nothing is done.
    pub(in crate::experiments) const NOTHING: Self =
        Self { points: None, taps: 1, apart: 1, clock: 0, height: 1.0 };

    /// A data set that is presented so.
    pub(super) fn apply(&self, data: &Dataset) -> Result<Dataset, Error> {
        let resampled = match self.points {
            Some(points) => Resampling::HoldTo(points).apply(data)?,
            None => data.clone(),
        };
        let Inputs::Series(all) = resampled.inputs() else { return Ok(resampled) };
        let series = all.iter().map(|series| self.presented(series)).collect::<Result<_, _>>()?;
        Dataset::new(Inputs::Series(series), resampled.targets().clone())
    }

    /// One series with its taps and its clock. Before its first time point a series is what it is there.
    fn presented(&self, series: &Series) -> Result<Series, Error> {
        let points = series.time_points();
        let channels = series.channels() * self.taps + self.clock;
        let mut values = Vec::with_capacity(points * channels);
        for point in 0..points {
            for tap in 0..self.taps {
                values.extend_from_slice(series.point(point.saturating_sub(tap * self.apart)));
            }
            let part = (point as f64 + 0.5) / points as f64 * self.clock as f64 - 0.5;
            let part = part.clamp(0.0, self.clock.saturating_sub(1) as f64);
            values.extend(
                (0..self.clock).map(|k| (self.height * (1.0 - (part - k as f64).abs()).max(0.0)) as f32),
            );
        }
        Series::new(channels, values)
    }
}

#[cfg(test)]
mod tests {
    use spikegrad::data::Targets;

    use super::*;

    fn presented(front: Front, values: &[f32]) -> Vec<f32> {
        let inputs = Inputs::Series(vec![Series::new(1, values.to_vec()).unwrap()]);
        let data = front.apply(&Dataset::new(inputs, Targets::None).unwrap()).unwrap();
        let Inputs::Series(all) = data.inputs() else { panic!("series became something else") };
        all[0].values().to_vec()
    }

    #[test]
    fn taps_are_the_time_points_before() {
        let front = Front { taps: 3, apart: 2, ..Front::NOTHING };
        let seen = presented(front, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(seen[..3], [1.0, 1.0, 1.0]);
        assert_eq!(seen[9..12], [4.0, 2.0, 1.0]);
        assert_eq!(seen[15..], [6.0, 4.0, 2.0]);
    }

    #[test]
    fn a_clock_goes_from_the_first_channel_to_the_last() {
        let front = Front { clock: 2, ..Front::NOTHING };
        let seen = presented(front, &[7.0; 4]);
        assert_eq!(seen, [7.0, 1.0, 0.0, 7.0, 0.75, 0.25, 7.0, 0.25, 0.75, 7.0, 0.0, 1.0]);
    }

    #[test]
    fn series_are_stretched_before_they_are_seen() {
        let front = Front { points: Some(4), taps: 2, ..Front::NOTHING };
        assert_eq!(presented(front, &[1.0, 2.0]), [1.0, 1.0, 1.0, 1.0, 2.0, 1.0, 2.0, 2.0]);
    }
}
