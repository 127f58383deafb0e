//! Clipping of each trial's gradient, group by group, at a running quantile of that group's norms (equation (43)).
//!
//! Gradient norms of spiking networks are heavy-tailed over trials: a few of them would own the average. The threshold
//! of a batch comes from earlier trials only and is updated after the batch, in trial order, so that it does not depend
//! on how trials were spread over threads.

use std::collections::VecDeque;

use nalgebra::RealField;

use crate::Error;

/// Where a group's norms are clipped: at `factor` times their running `quantile`.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Clip {
    /// Which quantile, in (0, 1).
    pub quantile: f64,
    /// What it is multiplied by.
    pub factor: f64,
}

impl Clip {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(self.quantile > 0.0 && self.quantile < 1.0) {
            let expected = "the quantile must lie in (0, 1)";
            return Err(Error::Option { option: "clip.quantile", value: self.quantile, expected });
        }
        if !(self.factor > 0.0 && self.factor.is_finite()) {
            let expected = "the factor must be positive and finite";
            return Err(Error::Option { option: "clip.factor", value: self.factor, expected });
        }
        Ok(())
    }
}

/// How many of the last trials' norms a quantile is taken over.
const WINDOW: usize = 512;

/// The norms of the last trials of one group.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RunningQuantile {
    norms: VecDeque<f64>,
}

impl RunningQuantile {
    /// Adds the norm of one trial; non-finite ones are passed over.
    pub fn push<T: RealField + Copy>(&mut self, norm: T) {
        let norm: f64 = norm.to_subset_unchecked();
        if norm.is_finite() {
            if self.norms.len() == WINDOW {
                self.norms.pop_front();
            }
            self.norms.push_back(norm);
        }
    }

    /// Whether [`push`](Self::push) can have led here.
    pub(crate) fn is_sound(&self) -> bool {
        self.norms.len() <= WINDOW && self.norms.iter().all(|norm| norm.is_finite() && *norm >= 0.0)
    }

    /// The quantile of what was seen lately, by linear interpolation; `None` before the first trial.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let mut sorted: Vec<f64> = self.norms.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let at = q * last as f64;
        let (low, part) = (at.floor() as usize, at.fract());
        Some(sorted[low] + part * (sorted[(low + 1).min(last)] - sorted[low]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_last_trials() {
        let mut running = RunningQuantile::default();
        assert_eq!(running.quantile(0.5), None);
        (0..=10).for_each(|i| running.push(f64::from(i)));
        running.push(f64::NAN);
        assert_eq!(running.quantile(0.5), Some(5.0));
        assert!((running.quantile(0.55).expect("seen") - 5.5).abs() < 1e-12);
        (0..2 * WINDOW).for_each(|_| running.push(3.0));
        assert_eq!(running.quantile(0.99), Some(3.0));
    }
}
