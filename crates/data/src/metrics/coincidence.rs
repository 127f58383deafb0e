//! The coincidence factor of a model's spike train with a recorded one.

use super::check_train;
use crate::Error;

/// The coincidence factor of a model's spike train with a recorded one, within `±window` ms, both of `duration` ms.
///
/// Of Kistler, Gerstner and van Hemmen (1997), in the form of Jolivet et al. (2008):
///
/// `Γ = (N_coinc - 2 ν Δ N_data) / (1/2 (N_data + N_model)) · 1 / (1 - 2 ν Δ)`
///
/// with `N_coinc`, the number of recorded spikes with a spike of the model within `Δ = window`; `N_data` and `N_model`, the spikes
/// of the two trains; and `ν = N_model / duration`, the model's rate, so that `2 ν Δ N_data` coincidences are expected of a Poisson
/// process of that rate. Γ is 1 for equal trains and 0 on average for that Poisson process. Each spike of the model takes part in one
/// coincidence at most.
///
/// ```
/// use spikegrad_data::metrics::coincidence_factor;
///
/// assert_eq!(coincidence_factor(&[10.0, 50.0], &[11.0, 49.0], 2.0, 1000.0)?, 1.0);
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
///
/// # Errors
/// If a number is not positive and finite, times are not finite or not ascending, both trains are empty, or the model fires so often
/// that `2 ν Δ` is not below 1.
pub fn coincidence_factor(data: &[f64], model: &[f64], window: f64, duration: f64) -> Result<f64, Error> {
    Error::unless_positive("window", window)?;
    Error::unless_positive("duration", duration)?;
    check_train(data)?;
    check_train(model)?;
    if data.is_empty() && model.is_empty() {
        return Err(Error::Empty { what: "spikes in either train" });
    }
    let (recorded, modelled) = (data.len() as f64, model.len() as f64);
    let chance = 2.0 * modelled / duration * window;
    let expected = "the windows of the model's spikes cover the whole duration; take a shorter one";
    Error::unless(chance < 1.0, "window", window, expected)?;
    // Both trains are sorted, so that taking the earliest partner finds the most coincidences.
    let (mut coincidences, mut next) = (0.0, 0);
    for time in data {
        while next < model.len() && model[next] < time - window {
            next += 1;
        }
        if next < model.len() && model[next] <= time + window {
            coincidences += 1.0;
            next += 1;
        }
    }
    Ok((coincidences - chance * recorded) / (0.5 * (recorded + modelled)) / (1.0 - chance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Series, encode::Rate};

    #[test]
    fn closed_forms() {
        let gamma = |a: &[f64], b: &[f64]| coincidence_factor(a, b, 2.0, 100.0).unwrap();
        assert_eq!(gamma(&[10.0, 20.0], &[10.0, 20.0]), 1.0);
        // One of two coincides; expected by chance are 2 * 0.02 * 2 * 2 = 0.16.
        assert!((gamma(&[10.0, 20.0], &[10.0, 50.0]) - (1.0 - 0.16) / 2.0 / 0.92).abs() < 1e-12);
        // No spikes of the model: no coincidences, none expected.
        assert_eq!(gamma(&[10.0], &[]), 0.0);
        assert_eq!(gamma(&[], &[10.0]), 0.0);
        // Two recorded spikes share one of the model: one coincidence.
        assert!((gamma(&[10.0, 11.0], &[10.5]) - (1.0 - 0.08) / 1.5 / 0.96).abs() < 1e-12);
    }

    #[test]
    fn a_poisson_process_has_no_coincidences_beyond_chance() {
        let series = Series::new(2, vec![1.0, 1.0]).unwrap();
        let rate = Rate { rate_high: 20.0, ..Rate::default() };
        let mut sum = 0.0;
        for sample in 0..200 {
            let spikes = rate.encode(&series, 10_000.0, sample).unwrap();
            sum += coincidence_factor(&spikes.channel_times(0), &spikes.channel_times(1), 2.0, 10_000.0)
                .unwrap();
        }
        // Pairs that share a partner make it a little negative.
        assert!((sum / 200.0).abs() < 0.01, "{sum}");
    }

    #[test]
    fn what_has_no_factor_is_refused() {
        assert!(coincidence_factor(&[], &[], 2.0, 100.0).is_err());
        assert!(coincidence_factor(&[1.0], &[1.0, 2.0], 30.0, 100.0).is_err());
        assert!(coincidence_factor(&[1.0], &[1.0], 0.0, 100.0).is_err());
    }
}
