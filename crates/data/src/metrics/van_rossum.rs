//! The distance of van Rossum between spike trains.

use super::check_train;
use crate::Error;

/// The distance of van Rossum (2001) between two spike trains, with time constant `tau`, ms.
///
/// Each train is filtered by a causal exponential, `f(t) = sum_i H(t - t_i) exp(-(t - t_i) / tau)`, and
/// `D^2 = (1 / tau) ∫ (f - g)^2 dt`, as in the paper. The result is `D`. A spike that only one train has adds `D^2 = 1/2`; two single
/// spikes `d` apart have `D^2 = 1 - exp(-d / tau)`.
///
/// The integral is computed in closed form, `D^2 = 1/2 sum_ij s_i s_j exp(-|t_i - t_j| / tau)` over the spikes of both trains with
/// `s = 1` for one train and `-1` for the other, in time proportional to the number of spikes.
///
/// ```
/// use spikegrad_data::metrics::van_rossum_distance;
///
/// assert_eq!(van_rossum_distance(&[1.0, 5.0], &[1.0, 5.0], 10.0)?, 0.0);
/// assert_eq!(van_rossum_distance(&[1.0], &[], 10.0)?, 0.5_f64.sqrt());
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
///
/// # Errors
/// If `tau` is not positive and finite, or times are not finite or not ascending.
pub fn van_rossum_distance(a: &[f64], b: &[f64], tau: f64) -> Result<f64, Error> {
    Error::unless_positive("tau", tau)?;
    check_train(a)?;
    check_train(b)?;
    let (mut i, mut j) = (0, 0);
    // The difference f - g just before the present spike, and the time that it was last computed for.
    let (mut difference, mut last) = (0.0, f64::NEG_INFINITY);
    let mut sum = 0.0;
    while i < a.len() || j < b.len() {
        let from_a = j == b.len() || (i < a.len() && a[i] <= b[j]);
        let (time, sign) = if from_a { (a[i], 1.0) } else { (b[j], -1.0) };
        (i, j) = if from_a { (i + 1, j) } else { (i, j + 1) };
        difference *= (-(time - last) / tau).exp();
        // The terms of this spike with itself, and twice those with the spikes before.
        sum += 1.0 + 2.0 * sign * difference;
        difference += sign;
        last = time;
    }
    Ok((sum / 2.0).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn train(most: usize) -> impl Strategy<Value = Vec<f64>> {
        proptest::collection::vec(0.0_f64..100.0, 0..most).prop_map(|mut times| {
            times.sort_by(f64::total_cmp);
            times
        })
    }

    proptest! {
        #[test]
        fn it_is_the_double_sum_and_the_integral(a in train(12), b in train(12), tau in 0.5_f64..50.0) {
            let distance = van_rossum_distance(&a, &b, tau).unwrap();
            let signed: Vec<(f64, f64)> =
                a.iter().map(|t| (*t, 1.0)).chain(b.iter().map(|t| (*t, -1.0))).collect();
            let mut sum = 0.0;
            for (t, s) in &signed {
                for (u, r) in &signed {
                    sum += 0.5 * s * r * (-(t - u).abs() / tau).exp();
                }
            }
            prop_assert!((distance * distance - sum).abs() < 1e-9, "{distance} {sum}");
            prop_assert_eq!(van_rossum_distance(&b, &a, tau).unwrap() > 0.0, distance > 0.0);
            // The integral, piece by piece: on the piece from one spike to the next, f - g decays from d.
            let mut merged = signed.clone();
            merged.sort_by(|x, y| x.0.total_cmp(&y.0));
            let (mut integral, mut d) = (0.0, 0.0);
            for (k, (t, s)) in merged.iter().enumerate() {
                d += s;
                let gap = merged.get(k + 1).map_or(f64::INFINITY, |next| next.0 - t);
                integral += 0.5 * d * d * (1.0 - (-2.0 * gap / tau).exp());
                d *= (-gap / tau).exp();
            }
            prop_assert!((distance * distance - integral).abs() < 1e-9);
        }

        #[test]
        fn it_is_a_distance(a in train(8), b in train(8), c in train(8)) {
            let d = |x: &[f64], y: &[f64]| van_rossum_distance(x, y, 10.0).unwrap();
            prop_assert_eq!(d(&a, &a), 0.0);
            prop_assert!((d(&a, &b) - d(&b, &a)).abs() < 1e-7);
            prop_assert!(d(&a, &c) <= d(&a, &b) + d(&b, &c) + 1e-7);
        }
    }

    #[test]
    fn shifted_spikes_have_their_closed_form() {
        for shift in [0.0, 0.1, 3.0, 50.0, 1e6] {
            let distance = van_rossum_distance(&[5.0], &[5.0 + shift], 10.0).unwrap();
            assert!((distance.powi(2) - (1.0 - (-shift / 10.0_f64).exp())).abs() < 1e-12);
        }
        assert!(van_rossum_distance(&[], &[], 0.0).is_err());
        assert_eq!(van_rossum_distance(&[], &[], 1.0).unwrap(), 0.0);
    }
}
