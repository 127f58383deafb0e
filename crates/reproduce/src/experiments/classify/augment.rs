//! Copies of training series with noise, so that a network cannot learn the training part by heart.

use std::borrow::Cow;

use rand_distr::{Distribution, StandardNormal};
use spikegrad::data::{Dataset, Error, Inputs, Series, Targets};
use spikegrad::prelude::*;

/// How the training part is made larger than it is. Deviations are in the units of the series: of channels with a standard deviation
/// of 1 where they are standardised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::experiments) struct Augment {
    /// How often every series is there. The first copy is the series itself.
    pub(in crate::experiments) copies: usize,
    /// Standard deviation of the noise of the other copies, drawn for every time point and channel.
    pub(in crate::experiments) noise: f64,
    /// Standard deviation of what is added to a channel throughout such a copy.
    pub(in crate::experiments) shift: f64,
}

impl Augment {
    /// Every series once.
    pub(in crate::experiments) const NOTHING: Self = Self { copies: 1, noise: 0.0, shift: 0.0 };

    /// The data set with its copies, all series of the first copy before those of the second one.
    pub(super) fn apply<'d>(&self, data: &'d Dataset, seed: u64) -> Result<Cow<'d, Dataset>, Error> {
        let (Inputs::Series(all), Targets::Classes { labels, names }) = (data.inputs(), data.targets())
        else {
            return Ok(Cow::Borrowed(data));
        };
        if self.copies <= 1 {
            return Ok(Cow::Borrowed(data));
        }
        let mut series = all.clone();
        for copy in 1..self.copies {
            for (index, one) in all.iter().enumerate() {
                let stream = (copy * all.len() + index) as u64;
                series.push(self.noisy(one, &mut generator(seed, Purpose::Training, stream))?);
            }
        }
        let targets = Targets::Classes { labels: labels.repeat(self.copies), names: names.clone() };
        Dataset::new(Inputs::Series(series), targets).map(Cow::Owned)
    }

    /// A copy of a series.
    fn noisy(&self, series: &Series, rng: &mut rand_chacha::ChaCha8Rng) -> Result<Series, Error> {
        let mut normal = || -> f64 { StandardNormal.sample(rng) };
        let shifts: Vec<f64> = (0..series.channels()).map(|_| self.shift * normal()).collect();
        let values = series.values().iter().enumerate();
        let values = values.map(|(k, &x)| x + (shifts[k % shifts.len()] + self.noise * normal()) as f32);
        Series::new(series.channels(), values.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_have_the_asked_noise_and_their_labels() {
        let series = |x: f32| Series::new(2, vec![x; 2000]).unwrap();
        let names = vec!["a".to_owned(), "b".to_owned()];
        let targets = Targets::Classes { labels: vec![1, 0], names };
        let data = Dataset::new(Inputs::Series(vec![series(1.0), series(5.0)]), targets).unwrap();
        let augment = Augment { copies: 200, noise: 0.5, shift: 0.3 };
        let more = augment.apply(&data, 3).unwrap();
        assert_eq!((more.len(), &more.labels().unwrap()[..4]), (400, &[1, 0, 1, 0][..]));
        let Inputs::Series(all) = more.inputs() else { panic!("series became something else") };
        assert_eq!(all[1], series(5.0));
        // Within a channel of a copy the noise deviates by 0.5, and the channel's mean by the shift of 0.3.
        let channel = |one: &Series| one.channel(1).map(f64::from).collect::<Vec<_>>();
        let (mut within, mut between) = (0.0, 0.0);
        for one in all.iter().skip(2).step_by(2) {
            let values = channel(one);
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            within += values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64 / 199.0;
            between += (mean - 1.0).powi(2) / 199.0;
        }
        assert!((within.sqrt() - 0.5).abs() < 0.01, "{within}");
        assert!((between.sqrt() - 0.3).abs() < 0.05, "{between}");
        assert_eq!(more, augment.apply(&data, 3).unwrap());
        assert_ne!(more, augment.apply(&data, 4).unwrap());
    }
}
