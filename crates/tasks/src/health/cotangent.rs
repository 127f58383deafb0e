//! Cotangents on their way back in time: how fast they grow or decay, and how far back the cost depends on anything.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use spikegrad_adjoint::Sweep;
use spikegrad_integrators::{Step, norm};
use spikegrad_network::{Scalar, SplitRun, SplitTape};

use super::thresholds::VANISHED;

/// Cotangents beyond this size, and below its inverse, are brought back to 1.
const RANGE: f64 = 1e12;

/// The growth of the cotangent of the voltages back in time, 1/ms: the largest Lyapunov exponent of the run, by least squares of the
/// logarithm of the norm over time. It starts from random numbers at the end of the run and sees no cost.
///
/// `None` if the norm is zero or not finite before two steps were taken back.
pub(super) fn growth<T: Scalar>(
    run: &SplitRun<'_, T>,
    sweep: &mut Sweep<T, SplitTape<T>>,
    gradient: &mut [T],
) -> Result<Option<f64>, spikegrad_adjoint::Error> {
    let neurons = run.network().neurons();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let start: Vec<T> = (0..neurons).map(|_| T::from_subset(&normal())).collect();
    gradient.fill(T::zero());
    let (mut fit, mut scale, mut ended) = (Line::default(), 0.0, false);
    let end = run.time(run.steps());
    let ran = sweep.cotangents(run, (T::zero(), &start), gradient, |n, x_bar| {
        let norm = norm(&x_bar[..neurons]);
        let size: f64 = norm.to_subset_unchecked();
        ended |= !(size > 0.0 && size.is_finite());
        if ended {
            return;
        }
        fit.add(end - run.time(n), scale + size.ln());
        if !(1.0 / RANGE..RANGE).contains(&size) {
            x_bar.iter_mut().for_each(|bar| *bar /= norm);
            scale += size.ln();
        }
    });
    match ran {
        // What the gradient of nothing comes to does not matter.
        Ok(_) | Err(spikegrad_adjoint::Error::NonFiniteGradient { .. }) => Ok(fit.slope()),
        Err(error) => Err(error),
    }
}

/// The earliest time at which the cotangent of the voltages has [`VANISHED`] of its largest norm, from the norms that a way back has
/// shown, the last step first.
pub(super) fn reach<T: Scalar>(run: &SplitRun<'_, T>, norms: &[(usize, f64)]) -> Option<f64> {
    let largest = norms.iter().map(|(_, norm)| *norm).fold(0.0, f64::max);
    let is_seen = |(_, norm): &&(usize, f64)| *norm > 0.0 && *norm >= VANISHED * largest;
    norms.iter().rev().find(is_seen).map(|(n, _)| run.time(*n))
}

/// Sums for a straight line through points.
#[derive(Debug, Default)]
struct Line {
    points: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

impl Line {
    /// Adds a point. Means and sums of squares about them keep their digits (Welford 1962).
    fn add(&mut self, x: f64, y: f64) {
        self.points += 1.0;
        let (from_x, from_y) = (x - self.x, y - self.y);
        self.x += from_x / self.points;
        self.y += from_y / self.points;
        self.xx += from_x * (x - self.x);
        self.xy += from_x * (y - self.y);
    }

    fn slope(&self) -> Option<f64> {
        (self.xx > 0.0).then(|| self.xy / self.xx)
    }
}
