//! A loss times a weight (equation (102)).

use spikegrad_network::{Loss, RunLoss, Sample, SampleBar, Scalar};

use super::terms::{Terms, run_loss_of_terms};

/// Another loss, single samples and the run as a whole, times a weight, equation (102). The other loss may be a `Box<dyn Loss<T>>`.
///
/// ```
/// use spikegrad_tasks::{CrossEntropy, RateBand, Score, SumOfLosses, Weighted};
///
/// let rates = RateBand { neurons: 0..100, low: 1.0, high: 40.0 };
/// let classes = CrossEntropy { of: Score::Maximum, smoothing: 0.0 };
/// let loss = SumOfLosses(classes, Weighted { weight: 1e-4, loss: rates });
/// # use spikegrad_network::Loss;
/// # assert!(Loss::<f64>::over_run(&loss).is_some());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighted<T, L> {
    /// The weight.
    pub weight: T,
    /// The other loss.
    pub loss: L,
}

impl<T: Scalar, L: Loss<T>> Loss<T> for Weighted<T, L> {
    fn value(&self, at: &Sample<'_, T>) -> T {
        self.weight * self.loss.value(at)
    }

    fn needs_targets(&self) -> bool {
        self.loss.needs_targets()
    }

    fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        self.loss.vjp(at, self.weight * value_bar, bar);
    }

    fn over_run(&self) -> Option<&dyn RunLoss<T>> {
        self.loss.over_run().map(|_| self as _)
    }

    fn reads_state(&self) -> bool {
        self.loss.reads_state()
    }
}

impl<T: Scalar, L: Loss<T>> Terms<T> for Weighted<T, L> {
    fn terms<'s>(&'s self) -> impl Iterator<Item = (T, &'s dyn Loss<T>)>
    where
        T: 's,
    {
        std::iter::once((self.weight, &self.loss as &dyn Loss<T>))
    }
}

run_loss_of_terms!(Weighted<T, L>, L);
