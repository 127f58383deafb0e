//! The linear-nonlinear model: a filter fitted by ridge regression, and behind it a nonlinearity without parameters.

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::data::{Recording, SAMPLE, SECOND, fitted_seconds};
use super::score::correlation;

/// Strengths of the ridge among which the fitted seconds choose.
const RIDGES: [f64; 6] = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5];
/// Bins of the nonlinearity, each with as many samples of the fitted seconds as any other.
const BINS: usize = 40;

/// A fitted model.
pub(super) struct LinearNonlinear {
    /// The weights of the features.
    pub(super) filter: Vec<f64>,
    /// The means of the bins, ascending, and the rate in each, spikes per ms.
    curve: Vec<(f64, f64)>,
    /// The strength of the ridge.
    pub(super) ridge: f64,
}

impl LinearNonlinear {
    /// Fits the model to the seconds that models are fitted to. The ridge is the one that predicts each of them best from the others.
    pub(super) fn fit(recording: &Recording) -> Self {
        let moments: Vec<_> = fitted_seconds().map(|second| (second, moments(recording, second))).collect();
        let solve = |ridge: f64, without: Option<usize>| {
            let width = recording.width;
            let (mut xx, mut xy) = (DMatrix::identity(width, width) * ridge, DVector::zeros(width));
            for (second, (own_xx, own_xy)) in &moments {
                if Some(*second) != without {
                    xx += own_xx;
                    xy += own_xy;
                }
            }
            // The matrix is positive definite by the ridge.
            xx.cholesky().map_or_else(|| vec![0.0; width], |factor| factor.solve(&xy).as_slice().to_vec())
        };
        let predicts = |ridge: f64| {
            let of = |second: usize| {
                let filter = solve(ridge, Some(second));
                let drive: Vec<f64> = drive(recording, &filter, second).collect();
                correlation(&[drive], &[recording.counts(second)])
            };
            fitted_seconds().map(of).sum::<f64>()
        };
        let better = |best: f64, ridge: f64| if predicts(ridge) > predicts(best) { ridge } else { best };
        let ridge = RIDGES.into_iter().reduce(better).unwrap_or(1.0);
        let filter = solve(ridge, None);
        let curve = curve(recording, &filter);
        Self { filter, curve, ridge }
    }

    /// The rate in every sample of a second, spikes per ms.
    pub(super) fn rate(&self, recording: &Recording, second: usize) -> Vec<f64> {
        drive(recording, &self.filter, second).map(|drive| self.at(drive)).collect()
    }

    /// The nonlinearity: straight lines between the bins.
    fn at(&self, drive: f64) -> f64 {
        let next = self.curve.partition_point(|point| point.0 < drive);
        match (self.curve.get(next.wrapping_sub(1)), self.curve.get(next)) {
            (Some(low), Some(high)) => {
                low.1 + (high.1 - low.1) * (drive - low.0) / (high.0 - low.0).max(f64::MIN_POSITIVE)
            }
            (Some(end), None) | (None, Some(end)) => end.1,
            (None, None) => 0.0,
        }
    }
}

/// Products of the features with each other and with the spikes, over a second.
fn moments(recording: &Recording, second: usize) -> (DMatrix<f64>, DVector<f64>) {
    let width = recording.width;
    let x = DMatrix::from_row_slice(
        SECOND,
        width,
        &recording.features[second * SECOND * width..(second + 1) * SECOND * width],
    );
    let y = DVector::from_vec(recording.counts(second));
    (x.tr_mul(&x), x.tr_mul(&y))
}

/// What the filter makes of a second.
fn drive(recording: &Recording, filter: &[f64], second: usize) -> impl Iterator<Item = f64> {
    let samples = second * SECOND..(second + 1) * SECOND;
    samples.map(move |sample| recording.at(sample).iter().zip(filter).map(|(x, w)| x * w).sum())
}

/// The mean rate by the filter's output.
fn curve(recording: &Recording, filter: &[f64]) -> Vec<(f64, f64)> {
    let mut pairs: Vec<(f64, f64)> = fitted_seconds()
        .flat_map(|second| drive(recording, filter, second).zip(recording.counts(second)).collect::<Vec<_>>())
        .collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let bin = |pairs: &[(f64, f64)]| {
        let n = pairs.len() as f64;
        let sum = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
        (sum(|pair| pair.0), sum(|pair| pair.1) / SAMPLE)
    };
    pairs.chunks(pairs.len().div_ceil(BINS).max(1)).map(bin).collect()
}

/// The spikes of a second that a rate predicts without chance: one whenever the rate's integral has grown by 1, the first at one half.
pub(super) fn regular_spikes(rate: &[f64]) -> Vec<f64> {
    let (mut integral, mut spikes) = (0.5, Vec::new());
    for (sample, rate) in rate.iter().enumerate() {
        integral += rate * SAMPLE;
        if integral >= 1.0 {
            integral -= 1.0;
            spikes.push((sample as f64 + 0.5) * SAMPLE);
        }
    }
    spikes
}

/// Spikes of a Poisson process with this rate.
pub(super) fn random_spikes(rate: &[f64], rng: &mut ChaCha8Rng) -> Vec<f64> {
    let fires = |(sample, rate): (usize, &f64)| {
        (rng.random::<f64>() < rate * SAMPLE).then_some((sample as f64 + 0.5) * SAMPLE)
    };
    rate.iter().enumerate().filter_map(fires).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_and_a_nonlinearity_are_found_again() {
        // Features of the recording, and spikes that a known filter and nonlinearity make of them.
        let [mut recording, _] = Recording::all().unwrap();
        let drive =
            |sample: usize, recording: &Recording| recording.at(sample)[4] - 0.5 * recording.at(sample)[10];
        let samples = recording.features.len() / recording.width;
        let fires = |&sample: &usize| drive(sample, &recording) > 1.0 && sample % 8 == 0;
        let spikes: Vec<f64> =
            (0..samples).filter(fires).map(|sample| (sample as f64 + 0.5) * SAMPLE).collect();
        recording.spikes = spikes;
        let fitted = LinearNonlinear::fit(&recording);
        let (predicted, true_rate): (Vec<f64>, Vec<f64>) = (2 * SECOND..3 * SECOND)
            .zip(fitted.rate(&recording, 2))
            .map(|(sample, rate)| (rate, f64::from(u8::from(drive(sample, &recording) > 1.0))))
            .unzip();
        let found = correlation(&[predicted], &[true_rate]);
        assert!(found > 0.85, "{found}");
    }

    #[test]
    fn regular_spikes_have_the_rate() {
        let rate = vec![0.05; SECOND];
        let spikes = regular_spikes(&rate);
        assert_eq!(spikes.len(), 50);
        assert!(spikes.windows(2).all(|pair| (pair[1] - pair[0] - 20.0).abs() <= SAMPLE));
    }
}
