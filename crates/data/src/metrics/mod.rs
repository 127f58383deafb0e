//! Metrics: how well outputs fit targets, and how much spike trains are alike.
//!
//! Spike trains are slices of times in ms, ascending; [`SpikeEvents::channel_times`](crate::SpikeEvents::channel_times) gives them.

mod classification;
mod coincidence;
mod rates;
mod regression;
mod van_rossum;
mod victor_purpura;

pub use classification::{Accuracy, ConfusionMatrix};
pub use coincidence::coincidence_factor;
pub use rates::firing_rates;
pub use regression::{nrmse, r_squared};
pub use van_rossum::van_rossum_distance;
pub use victor_purpura::victor_purpura_distance;

use crate::Error;

/// Refuses spike times that are not finite or not sorted.
fn check_train(times: &[f64]) -> Result<(), Error> {
    for (position, &time) in times.iter().enumerate() {
        if !time.is_finite() {
            return Err(Error::NonFinite { channel: 0, position, value: time });
        }
        if position > 0 && time < times[position - 1] {
            return Err(Error::Unsorted { position, time, before: times[position - 1] });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_distance_checks_its_trains() {
        type Distance = fn(&[f64], &[f64]) -> Result<f64, Error>;
        let distances: [Distance; 3] = [
            |a, b| van_rossum_distance(a, b, 10.0),
            |a, b| victor_purpura_distance(a, b, 0.1),
            |a, b| coincidence_factor(a, b, 2.0, 1000.0),
        ];
        for distance in distances {
            for bad in [&[2.0, 1.0][..], &[f64::NAN], &[1.0, f64::INFINITY]] {
                assert!(distance(bad, &[1.0]).is_err() && distance(&[1.0], bad).is_err());
            }
            let (a, b) = (&[1.0, 30.0, 31.0][..], &[2.5, 40.0][..]);
            assert!(distance(a, b).is_ok());
        }
    }
}
