//! The distance of Victor and Purpura between spike trains.

use super::check_train;
use crate::Error;

/// The distance of Victor and Purpura (1996) between two spike trains: the least cost of changing one into the other, where adding or
/// removing a spike costs 1 and moving a spike by `d` ms costs `cost_per_ms * d`.
///
/// It takes time proportional to the product of the numbers of spikes.
///
/// ```
/// use spikegrad_data::metrics::victor_purpura_distance;
///
/// // Moving by 3 ms is cheaper than removing and adding; moving by 30 ms is not.
/// let distance = victor_purpura_distance(&[10.0, 50.0], &[13.0, 80.0], 0.1)?;
/// assert!((distance - (0.3 + 2.0)).abs() < 1e-12);
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
///
/// # Errors
/// If the cost is negative or not finite, or times are not finite or not ascending.
pub fn victor_purpura_distance(a: &[f64], b: &[f64], cost_per_ms: f64) -> Result<f64, Error> {
    let valid = cost_per_ms >= 0.0 && cost_per_ms.is_finite();
    Error::unless(valid, "cost_per_ms", cost_per_ms, "give a finite number that is not negative")?;
    check_train(a)?;
    check_train(b)?;
    // `row[j]` is the distance of the spikes of `a` so far from the first `j` spikes of `b`.
    let mut row: Vec<f64> = (0..=b.len()).map(|j| j as f64).collect();
    for time in a {
        let mut diagonal = row[0];
        row[0] += 1.0;
        for j in 0..b.len() {
            let moved = diagonal + cost_per_ms * (time - b[j]).abs();
            diagonal = row[j + 1];
            row[j + 1] = moved.min(row[j] + 1.0).min(diagonal + 1.0);
        }
    }
    Ok(row[b.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_forms() {
        let (a, b) = (&[1.0, 5.0, 9.0][..], &[2.0, 5.0][..]);
        // Free moves leave the difference of the counts; moves that cost too much leave what is not shared.
        assert_eq!(victor_purpura_distance(a, b, 0.0).unwrap(), 1.0);
        assert_eq!(victor_purpura_distance(a, b, 1e9).unwrap(), 3.0);
        assert_eq!(victor_purpura_distance(a, b, 0.5).unwrap(), 1.5);
        assert_eq!(victor_purpura_distance(b, a, 0.5).unwrap(), 1.5);
        assert_eq!(victor_purpura_distance(a, a, 0.5).unwrap(), 0.0);
        assert_eq!(victor_purpura_distance(a, &[], 0.5).unwrap(), 3.0);
        assert!(victor_purpura_distance(a, b, -1.0).is_err());
    }
}
