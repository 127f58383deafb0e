//! How well a model predicts held-out seconds.

use spikegrad::data::metrics::coincidence_factor;

use super::data::{HELD_OUT, Recording, SAMPLE};
use crate::Error;

/// Two spikes coincide within this time, ms.
pub(super) const WINDOW: f64 = 2.0;
/// Standard deviation of the Gaussian that rates are smoothed by before they are compared, ms.
pub(super) const SMOOTHING: f64 = 2.0;

/// The correlation of numbers in several stretches, taken together.
pub(super) fn correlation(one: &[Vec<f64>], other: &[Vec<f64>]) -> f64 {
    let pairs = || one.iter().flatten().zip(other.iter().flatten());
    let n = pairs().count() as f64;
    let (mean_x, mean_y) = pairs().fold((0.0, 0.0), |(x, y), (a, b)| (x + a / n, y + b / n));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs() {
        let (x, y) = (x - mean_x, y - mean_y);
        (xx, yy, xy) = (xx + x * x, yy + y * y, xy + x * y);
    }
    if xx > 0.0 && yy > 0.0 { xy / (xx * yy).sqrt() } else { 0.0 }
}

/// Numbers of samples, smoothed by a Gaussian; beyond the ends there is nothing.
pub(super) fn smoothed(values: &[f64]) -> Vec<f64> {
    let width = (4.0 * SMOOTHING / SAMPLE) as i64;
    let kernel: Vec<f64> =
        (-width..=width).map(|k| (-0.5 * (k as f64 * SAMPLE / SMOOTHING).powi(2)).exp()).collect();
    let sum: f64 = kernel.iter().sum();
    let at = |sample: i64| {
        let terms = (-width..=width).zip(&kernel).filter_map(|(k, weight)| {
            let index = usize::try_from(sample + k).ok()?;
            Some(weight / sum * values.get(index)?)
        });
        terms.sum()
    };
    (0..values.len() as i64).map(at).collect()
}

/// The coincidence factor of spikes of the held-out seconds, ms from the start of each, with the recorded ones.
pub(super) fn coincidence(recording: &Recording, model: &[Vec<f64>]) -> Result<f64, Error> {
    // One second after the other, far enough apart that no spike coincides with one of another second.
    let apart = |second: usize, time: f64| time + second as f64 * (1000.0 + 2.0 * WINDOW);
    let recorded = HELD_OUT.into_iter().enumerate().flat_map(|(k, second)| {
        let from = 1e3 * second as f64;
        recording.spikes_in(from, from + 1e3).map(move |time| apart(k, time))
    });
    let recorded: Vec<f64> = recorded.collect();
    let modelled =
        model.iter().enumerate().flat_map(|(k, times)| times.iter().map(move |&time| apart(k, time)));
    let modelled: Vec<f64> = modelled.collect();
    coincidence_factor(&recorded, &modelled, WINDOW, 1e3 * HELD_OUT.len() as f64).map_err(Error::experiment)
}

/// The correlation of the smoothed rate of the held-out seconds with the recorded one.
pub(super) fn rate_correlation(recording: &Recording, rate: &[Vec<f64>]) -> f64 {
    let recorded: Vec<_> = HELD_OUT.iter().map(|&second| smoothed(&recording.counts(second))).collect();
    let modelled: Vec<_> = rate.iter().map(|rate| smoothed(rate)).collect();
    correlation(&modelled, &recorded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::grasshopper::data::counts;

    #[test]
    fn a_recording_predicts_itself() {
        let [recording, other] = Recording::all().unwrap();
        let of = |recording: &Recording| -> Vec<Vec<f64>> {
            let times = |&second: &usize| {
                let from = 1e3 * second as f64;
                recording.spikes_in(from, from + 1e3).collect()
            };
            HELD_OUT.iter().map(times).collect()
        };
        let rates = |trains: &[Vec<f64>]| {
            trains.iter().map(|times| counts(times.iter().copied())).collect::<Vec<_>>()
        };
        assert!((coincidence(&recording, &of(&recording)).unwrap() - 1.0).abs() < 1e-12);
        assert!((rate_correlation(&recording, &rates(&of(&recording))) - 1.0).abs() < 1e-12);
        // The other recording heard something else.
        assert!(coincidence(&recording, &of(&other)).unwrap().abs() < 0.2);
        assert!(rate_correlation(&recording, &rates(&of(&other))).abs() < 0.2);
    }

    #[test]
    fn smoothing_keeps_the_sum() {
        let mut one = vec![0.0; 400];
        one[200] = 1.0;
        let smooth = smoothed(&one);
        assert!((smooth.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(smooth[200] > smooth[204] && (smooth[196] - smooth[204]).abs() < 1e-15);
    }
}
