//! The recordings: what the neuron heard, as features of a stimulus that came some milliseconds ago, and when it fired.

use std::io::Cursor;

use nalgebra::{DMatrix, DVector};

use crate::Error;
use crate::npy::Array;

/// The two recordings: `data/README.md` has their source.
const FILES: [&[u8]; 2] = [
    include_bytes!("../../../../../data/grasshopper-1.npz"),
    include_bytes!("../../../../../data/grasshopper-2.npz"),
];

/// The time between two samples of the features, ms. The stimulus changes by up to some 200 Hz in one recording and 400 Hz in the other.
pub(super) const SAMPLE: f64 = 0.25;
/// The lags of the features: a receptor's spike answers a sound some 6 to 7 ms before it, by conduction along the nerve. From, to, apart, ms.
const LAGS: (f64, f64, f64) = (4.0, 12.0, 0.5);
/// Means over longer pasts, from lag to lag, ms: what the neuron adapts to.
const PASTS: [(f64, f64); 5] = [(12.0, 20.0), (20.0, 40.0), (40.0, 80.0), (80.0, 160.0), (160.0, 320.0)];
/// Samples of a second.
pub(super) const SECOND: usize = (1000.0 / SAMPLE) as usize;
/// The seconds that models are judged by, counted from 0; they are fitted to the others.
pub(super) const HELD_OUT: [usize; 3] = [2, 5, 8];
/// Seconds of a recording.
pub(super) const SECONDS: usize = 10;

/// A recording.
pub(super) struct Recording {
    /// The name of the recording.
    pub(super) name: &'static str,
    /// `samples x features`, each of mean 0 and standard deviation 1 over the seconds that models are fitted to.
    pub(super) features: Vec<f64>,
    /// Number of features.
    pub(super) width: usize,
    /// The features along the principal axes of the fitted seconds: neighbouring lags say nearly the same, and a gradient would see little
    /// but their sum. Every axis is scaled halfway to a standard deviation of 1.
    pub(super) rotated: Vec<f64>,
    /// What turns weights of the features into weights of the rotated ones, and back.
    into_rotated: DMatrix<f64>,
    out_of_rotated: DMatrix<f64>,
    /// Spike times, ms.
    pub(super) spikes: Vec<f64>,
}

/// The seconds that models are fitted to.
pub(super) fn fitted_seconds() -> impl Iterator<Item = usize> {
    (0..SECONDS).filter(|second| !HELD_OUT.contains(second))
}

impl Recording {
    /// Both recordings.
    pub(super) fn all() -> Result<[Self; 2], Error> {
        Ok([Self::read("recording 1", FILES[0])?, Self::read("recording 2", FILES[1])?])
    }

    fn read(name: &'static str, bytes: &[u8]) -> Result<Self, Error> {
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(Error::experiment)?;
        let mut array = |name: &str| {
            let entry = archive.by_name(&format!("{name}.npy")).map_err(Error::experiment)?;
            let size = entry.size();
            Ok::<_, Error>(Array::read(entry, size).map_err(Error::experiment)?.data)
        };
        let (stimulus, interval, spikes) = (array("stimulus")?, array("interval")?, array("spike_times")?);
        let every = (1e-3 * SAMPLE / interval[0]).round() as usize;
        let amplitude: Vec<f64> =
            stimulus.chunks_exact(every).map(|part| part.iter().sum::<f64>() / every as f64).collect();
        let (features, width) = features(&amplitude);
        let (into_rotated, out_of_rotated) = axes(&features, width);
        let samples = features.len() / width;
        // One sample behind the other, as the features are.
        let rotated = out_of_rotated.tr_mul(&DMatrix::from_column_slice(width, samples, &features));
        let rotated = rotated.as_slice().to_vec();
        let spikes = spikes.iter().map(|time| 1e3 * time).collect();
        Ok(Self { name, features, width, rotated, into_rotated, out_of_rotated, spikes })
    }

    /// Weights of the rotated features that make the same sum as these of the features.
    pub(super) fn rotate(&self, weights: &[f64]) -> Vec<f64> {
        (&self.into_rotated * DVector::from_column_slice(weights)).as_slice().to_vec()
    }

    /// Weights of the features that make the same sum as these of the rotated ones.
    pub(super) fn rotate_back(&self, weights: &[f64]) -> Vec<f64> {
        (&self.out_of_rotated * DVector::from_column_slice(weights)).as_slice().to_vec()
    }

    /// The features of one sample.
    pub(super) fn at(&self, sample: usize) -> &[f64] {
        &self.features[sample * self.width..(sample + 1) * self.width]
    }

    /// The spikes in a stretch of time, from its start on, ms.
    pub(super) fn spikes_in(&self, from: f64, to: f64) -> impl Iterator<Item = f64> {
        self.spikes.iter().filter(move |&&time| from <= time && time < to).map(move |time| time - from)
    }

    /// How many spikes each sample of a second has.
    pub(super) fn counts(&self, second: usize) -> Vec<f64> {
        let from = 1e3 * second as f64;
        counts(self.spikes_in(from, from + 1e3))
    }
}

/// How many of the times of a second fall into each of its samples.
pub(super) fn counts(times: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut counts = vec![0.0; SECOND];
    for time in times {
        counts[((time / SAMPLE) as usize).min(SECOND - 1)] += 1.0;
    }
    counts
}

/// The amplitude and its logarithm at every lag, and the logarithm's means over longer pasts.
fn features(amplitude: &[f64]) -> (Vec<f64>, usize) {
    let (from, to, apart) = LAGS;
    let lags = (0..=((to - from) / apart).round() as usize).map(|k| from + apart * k as f64);
    let lags: Vec<usize> = lags.map(|lag| (lag / SAMPLE).round() as usize).collect();
    let logarithm: Vec<f64> = amplitude.iter().map(|x| x.ln()).collect();
    let mut sums = vec![0.0];
    for x in &logarithm {
        sums.push(sums[sums.len() - 1] + x);
    }
    let width = 2 * lags.len() + PASTS.len();
    let mut all = Vec::with_capacity(amplitude.len() * width);
    for sample in 0..amplitude.len() {
        // Before its first sample the stimulus is what it is there.
        all.extend(lags.iter().map(|&lag| amplitude[sample.saturating_sub(lag)]));
        all.extend(lags.iter().map(|&lag| logarithm[sample.saturating_sub(lag)]));
        for (near, far) in PASTS {
            let end = sample.saturating_sub((near / SAMPLE) as usize).max(1);
            let start = sample.saturating_sub((far / SAMPLE) as usize).min(end - 1);
            all.push((sums[end] - sums[start]) / (end - start) as f64);
        }
    }
    let fitted = || fitted_seconds().flat_map(|second| second * SECOND..(second + 1) * SECOND);
    let count = fitted().count() as f64;
    for feature in 0..width {
        let at = |sample: usize| sample * width + feature;
        let mean = fitted().map(|sample| all[at(sample)]).sum::<f64>() / count;
        let square = fitted().map(|sample| (all[at(sample)] - mean).powi(2)).sum::<f64>() / count;
        for sample in 0..amplitude.len() {
            all[at(sample)] = (all[at(sample)] - mean) / square.sqrt();
        }
    }
    (all, width)
}

/// The matrices that turn weights of the features into those of the rotated ones, and back.
fn axes(features: &[f64], width: usize) -> (DMatrix<f64>, DMatrix<f64>) {
    // Variances below this part of that of a feature are taken to be noise.
    const FLOOR: f64 = 0.003;
    let mut covariance = DMatrix::zeros(width, width);
    let count = (fitted_seconds().count() * SECOND) as f64;
    for second in fitted_seconds() {
        let part = &features[second * SECOND * width..(second + 1) * SECOND * width];
        let part = DMatrix::from_column_slice(width, SECOND, part);
        covariance += &part * part.transpose() / count;
    }
    let axes = covariance.symmetric_eigen();
    let scales = axes.eigenvalues.map(|variance| (variance.max(0.0) + FLOOR).powf(-0.25));
    let out = &axes.eigenvectors * DMatrix::from_diagonal(&scales);
    let into = DMatrix::from_diagonal(&scales.map(|scale| 1.0 / scale)) * axes.eigenvectors.transpose();
    (into, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_have_ten_seconds_and_their_spikes() {
        let all = Recording::all().unwrap();
        assert_eq!(all.each_ref().map(|one| one.spikes.len()), [929, 868]);
        for one in &all {
            assert_eq!(one.features.len(), SECONDS * SECOND * one.width);
            let counted: f64 = (0..SECONDS).flat_map(|second| one.counts(second)).sum();
            assert_eq!(counted, one.spikes.len() as f64);
            let mean = fitted_seconds().map(|s| one.at(s * SECOND)[0]).sum::<f64>() / 7.0;
            assert!(mean.abs() < 3.0 && one.features.iter().all(|x| x.is_finite()));
        }
    }

    #[test]
    fn rotated_features_make_the_same_sums() {
        let [one, _] = Recording::all().unwrap();
        let weights: Vec<f64> = (0..one.width).map(|k| (1.3 * k as f64).sin()).collect();
        let rotated = one.rotate(&weights);
        let sum = |x: &[f64], w: &[f64]| x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>();
        for sample in [0, 777, 39_999] {
            let there = sum(&one.rotated[sample * one.width..(sample + 1) * one.width], &rotated);
            assert!((there - sum(one.at(sample), &weights)).abs() < 1e-8);
        }
        let back = one.rotate_back(&rotated);
        assert!(back.iter().zip(&weights).all(|(x, y)| (x - y).abs() < 1e-8));
    }

    #[test]
    fn features_are_what_was_heard_before() {
        let amplitude: Vec<f64> = (0..SECONDS * SECOND).map(|k| 2.0 + (0.37 * k as f64).sin()).collect();
        let (all, width) = features(&amplitude);
        // Standardised, a feature at one time is that of another lag at another time.
        let lag = (LAGS.2 / SAMPLE) as usize;
        for sample in [5000, 20_000] {
            let (near, far) = (all[sample * width], all[(sample + lag) * width + 1]);
            assert!((near - far).abs() < 0.01, "{near} {far}");
        }
    }
}
