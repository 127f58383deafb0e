//! Clipping of each trial's gradient, group by group, at a running quantile of that group's norms (equation (43)).
//!
//! Gradient norms of spiking networks are heavy-tailed over trials: without clipping, a few trials decide the mean. The threshold
//! of a batch comes from earlier trials only and is updated after the batch, in trial order, so that it does not depend
//! on how trials were spread over threads.

use std::collections::VecDeque;

use nalgebra::RealField;
use spikegrad_integrators::{Parametric, norm};

use crate::Error;

/// Where a group's norms are clipped: at `factor` times their running `quantile`.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Clip {
    /// The quantile, in (0, 1).
    pub quantile: f64,
    /// What it is multiplied by.
    pub factor: f64,
}

impl std::fmt::Display for Clip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at {} times the {} quantile", self.factor, self.quantile)
    }
}

impl Clip {
    /// Whether quantile and factor are in their domains.
    ///
    /// # Errors
    /// The number that is not.
    pub fn check(&self) -> Result<(), Error> {
        let is_inside = self.quantile > 0.0 && self.quantile < 1.0;
        Error::unless(is_inside, "clip.quantile", self.quantile, "the quantile must lie in (0, 1)")?;
        let is_inside = self.factor > 0.0 && self.factor.is_finite();
        Error::unless(is_inside, "clip.factor", self.factor, "the factor must be positive and finite")
    }

    /// The largest norm that each group's gradient may have, by the norms that were seen; `None` for a group without any, and for those
    /// that are not clipped.
    ///
    /// # Errors
    /// If the quantile does not lie in `[0, 1]`.
    pub fn largest<T: RealField + Copy, P: Parametric<T> + ?Sized>(
        &self,
        quantiles: &[RunningQuantile],
        program: &P,
        unclipped: &[P::Group],
    ) -> Result<Vec<Option<T>>, Error> {
        let largest = |(quantile, group): (&RunningQuantile, P::Group)| {
            let norm = quantile.quantile(self.quantile)?.filter(|_| !unclipped.contains(&group));
            Ok(norm.map(|norm| T::from_subset(&(norm * self.factor))))
        };
        quantiles.iter().zip(program.groups().map(|of| of.group)).map(largest).collect()
    }
}

/// How many of the last trials' norms a quantile is taken over.
const WINDOW: usize = 512;

/// The norms above zero of the last trials of one group. A trial that a group has no gradient in, a silent one for instance, says
/// nothing about the scale of that group's gradients.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RunningQuantile {
    norms: VecDeque<f64>,
}

impl RunningQuantile {
    /// Adds the norm of one trial. Zero and numbers that are not finite are passed over.
    pub fn push<T: RealField + Copy>(&mut self, norm: T) {
        let norm: f64 = norm.to_subset_unchecked();
        if norm > 0.0 && norm.is_finite() {
            if self.norms.len() == WINDOW {
                self.norms.pop_front();
            }
            self.norms.push_back(norm);
        }
    }

    /// Whether [`push`](Self::push) can have led here.
    pub(crate) fn is_sound(&self) -> bool {
        self.norms.len() <= WINDOW && self.norms.iter().all(|norm| norm.is_finite() && *norm > 0.0)
    }

    /// Whether no norm was seen yet.
    pub fn is_empty(&self) -> bool {
        self.norms.is_empty()
    }

    /// The quantile of what was seen lately, by linear interpolation; `None` before the first norm.
    ///
    /// # Errors
    /// If `q` does not lie in `[0, 1]`.
    pub fn quantile(&self, q: f64) -> Result<Option<f64>, Error> {
        Error::unless((0.0..=1.0).contains(&q), "the quantile", q, "it must lie in [0, 1]")?;
        let mut sorted: Vec<f64> = self.norms.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return Ok(None) };
        let at = q * last as f64;
        let (low, part) = (at.floor() as usize, at.fract());
        Ok(Some(sorted[low] + part * (sorted[(low + 1).min(last)] - sorted[low])))
    }
}

/// Scales a gradient down to the norm `largest` if it is longer, and returns the norm that it had. `None` and zero clip nothing:
/// a gradient is never multiplied by zero.
pub fn clip_norm<T: RealField + Copy>(gradient: &mut [T], largest: Option<T>) -> T {
    let norm = norm(gradient);
    let factor = clip_factor(gradient, norm, largest);
    if factor != T::one() {
        gradient.iter_mut().for_each(|x| *x *= factor);
    }
    norm
}

/// The factor that [`clip_norm`] multiplies a gradient of a norm by, for callers that have another pass over the gradient to make.
/// Where no single factor will do, the gradient is scaled here first.
pub fn clip_factor<T: RealField + Copy>(gradient: &mut [T], found: T, largest: Option<T>) -> T {
    factor_for(found, largest).unwrap_or_else(|| {
        gradient.iter_mut().for_each(|x| *x /= found);
        largest.map_or_else(T::one, |largest| largest / norm(gradient))
    })
}

/// The factor that takes a norm down to `largest`; `None` where it is below the range of the float type, or the norm was above it.
pub fn factor_for<T: RealField + Copy>(found: T, largest: Option<T>) -> Option<T> {
    let Some(largest) = largest.filter(|&largest| largest > T::zero() && found > largest) else {
        return Some(T::one());
    };
    let factor = largest / found;
    let is_rounded = !(factor * T::default_epsilon() > T::zero());
    let is_beyond = T::max_value().is_some_and(|most| found >= most);
    (!is_rounded && !is_beyond).then_some(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_last_trials() -> Result<(), Error> {
        let mut running = RunningQuantile::default();
        assert_eq!(running.quantile(0.5)?, None);
        (1..=11).for_each(|i| running.push(f64::from(i)));
        running.push(f64::NAN);
        assert_eq!(running.quantile(0.5)?, Some(6.0));
        assert!((running.quantile(0.55)?.unwrap_or(0.0) - 6.5).abs() < 1e-12);
        assert_eq!((running.quantile(0.0)?, running.quantile(1.0)?), (Some(1.0), Some(11.0)));
        (0..2 * WINDOW).for_each(|_| running.push(3.0));
        assert_eq!(running.quantile(0.99)?, Some(3.0));
        Ok(())
    }

    #[test]
    fn what_is_no_quantile_is_refused() {
        let mut running = RunningQuantile::default();
        for seen in 0..2 {
            for q in [-0.3, 2.0, f64::NAN, f64::INFINITY] {
                let refused = running.quantile(q);
                assert!(matches!(refused, Err(Error::Option { .. })), "{q} after {seen}: {refused:?}");
            }
            running.push(1.0);
        }
    }

    #[test]
    fn silent_trials_do_not_lower_a_quantile() -> Result<(), Error> {
        let mut running = RunningQuantile::default();
        (0..WINDOW).for_each(|_| running.push(0.0));
        assert_eq!(running.quantile(0.6)?, None);
        (0..10).for_each(|_| running.push(2.0_f32));
        (0..2 * WINDOW).for_each(|_| running.push(0.0));
        assert_eq!(running.quantile(0.6)?, Some(2.0));
        Ok(())
    }

    #[test]
    fn a_clipped_gradient_has_the_largest_norm_and_never_vanishes() {
        let clip = |x: &[f32], largest| {
            let mut x = x.to_vec();
            let found = clip_norm(&mut x, largest);
            (found, x)
        };
        assert_eq!(clip(&[3.0, 4.0], Some(1.0)), (5.0, vec![0.6, 0.8]));
        for none in [None, Some(0.0), Some(5.0), Some(f32::INFINITY)] {
            assert_eq!(clip(&[3.0, 4.0], none), (5.0, vec![3.0, 4.0]));
        }
        // Squares, the norm itself and the factor leave the range, the clipped gradient does not.
        for (x, y, largest) in
            [(3e30, 4e30, 2.0), (f32::MAX, f32::MAX, 1.0), (3e37, 4e37, 1e-20), (3e-30, 4e-30, 1e-32)]
        {
            let (found, clipped) = clip(&[x, y], Some(largest));
            assert!(found.is_finite() && found > largest);
            let norm = f64::from(x).hypot(f64::from(y));
            for (clipped, x) in clipped.into_iter().zip([x, y]) {
                let expected = f64::from(x) / norm * f64::from(largest);
                assert!((f64::from(clipped) / expected - 1.0).abs() < 1e-5, "{x} {y}: {clipped} {expected}");
            }
        }
    }
}
