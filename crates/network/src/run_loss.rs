//! What a loss sees of a run as a whole (equations (92), (93)): numbers that it accumulates over the steps, and what it makes of
//! them at the end.

use crate::{Error, Sample, SampleBar, Spike};

/// What a step released, and what it should have released.
#[derive(Clone, Copy, Debug)]
pub struct Release<'a, T> {
    /// The step, ms.
    pub h: T,
    /// The neurons that released charge or stand in the active zone, upwards.
    pub neurons: &'a [u32],
    /// The charge of each of them: one for a spike, a part of it on the way to one. A voltage that falls back withdraws what it released.
    pub charge: &'a [T],
    /// The trial's [`target_spikes`](crate::Trial::target_spikes) of this step, in order of time: a spike belongs to the step that its
    /// time lies in, as an event does.
    pub target_spikes: &'a [Spike],
}

/// What a loss has of a run at its end.
#[derive(Clone, Copy, Debug)]
pub struct RunEnd<'a, T> {
    /// What was accumulated.
    pub m: &'a [T],
    /// The trial's [`label`](crate::Trial::label).
    pub label: &'a [T],
    /// Number of outputs of the network.
    pub outputs: usize,
}

/// The part of a [`Loss`](crate::Loss) that sees the run as a whole: `m' = a(m, o, s, x, q)` in every step, and `Phi(m)` at the end, with
/// their exact transposes. The trial's scale does not divide `Phi`, and no step multiplies it: it is a part of the cost as it
/// stands.
///
/// Charges and rates are to be accumulated so that the sum does not depend on the step: `w q` and `w h o`, with `w` the sample's weight.
/// A number may depend on numbers before it in `m` as they were before the step. A sample of weight 0 is not accumulated.
///
/// ```
/// use spikegrad_network::*;
///
/// /// The square of the charge that all neurons release in a trial.
/// struct Total;
///
/// impl<T: Scalar> Loss<T> for Total {
///     fn value(&self, _: &Sample<'_, T>) -> T {
///         T::zero()
///     }
///     fn vjp(&self, _: &Sample<'_, T>, _: T, _: &mut SampleBar<'_, T>) {}
///     fn over_run(&self) -> Option<&dyn RunLoss<T>> {
///         Some(self)
///     }
/// }
///
/// impl<T: Scalar> RunLoss<T> for Total {
///     fn accumulators(&self, _: usize) -> usize {
///         1
///     }
///     fn start(&self, _: usize, m: &mut [T]) {
///         m.fill(T::zero());
///     }
///     fn accumulate(&self, at: &Sample<'_, T>, release: &Release<'_, T>, m: &mut [T]) {
///         release.charge.iter().for_each(|&q| m[0] += at.weight * q);
///     }
///     fn accumulate_vjp(
///         &self,
///         at: &Sample<'_, T>,
///         _: &Release<'_, T>,
///         _: &[T],
///         m_bar: &mut [T],
///         _: &mut SampleBar<'_, T>,
///         charge_bar: &mut [T],
///     ) {
///         charge_bar.iter_mut().for_each(|bar| *bar += at.weight * m_bar[0]);
///     }
///     fn end(&self, run: &RunEnd<'_, T>) -> T {
///         run.m[0] * run.m[0]
///     }
///     fn end_vjp(&self, run: &RunEnd<'_, T>, value_bar: T, m_bar: &mut [T]) {
///         m_bar[0] += value_bar * (run.m[0] + run.m[0]);
///     }
/// }
/// ```
pub trait RunLoss<T>: Sync {
    /// How many numbers `m` there are, for a network of so many outputs.
    fn accumulators(&self, outputs: usize) -> usize;

    /// How many numbers the label of a trial must have, for a network of so many outputs; by default, none is looked at.
    fn labels(&self, _outputs: usize) -> usize {
        0
    }

    /// Whether the loss goes with a network of so many neurons and outputs; by default, it does.
    ///
    /// # Errors
    /// If it does not, as [`Error::Unknown`] and the like, which say what to change.
    fn check(&self, _neurons: usize, _outputs: usize) -> Result<(), Error> {
        Ok(())
    }

    /// Whether the label of a trial, of the right length for a network of so many outputs, means something to the loss; by default, it
    /// does.
    ///
    /// # Errors
    /// [`Error::Label`] if it does not.
    fn check_label(&self, _label: &[T], _outputs: usize) -> Result<(), Error> {
        Ok(())
    }

    /// Writes `m` at a fresh start, for a network of so many outputs.
    fn start(&self, outputs: usize, m: &mut [T]);

    /// Turns `m` before a step into `m` after it.
    fn accumulate(&self, at: &Sample<'_, T>, release: &Release<'_, T>, m: &mut [T]);

    /// Whether [`accumulate_vjp`](Self::accumulate_vjp) looks at `m`, which then is on the tape for every step. What is only added up
    /// needs none.
    fn looks_back(&self) -> bool {
        false
    }

    /// The transpose of [`accumulate`](Self::accumulate): turns `m_bar` after the step into that before it, and adds to `bar` and, for
    /// each charge of the release, to `charge_bar`. `m` is what it was before the step, and empty unless the loss
    /// [looks back](Self::looks_back).
    #[allow(clippy::too_many_arguments, reason = "the arguments are those of the equation")]
    fn accumulate_vjp(
        &self,
        at: &Sample<'_, T>,
        release: &Release<'_, T>,
        m: &[T],
        m_bar: &mut [T],
        bar: &mut SampleBar<'_, T>,
        charge_bar: &mut [T],
    );

    /// `Phi` at the end of the run.
    fn end(&self, run: &RunEnd<'_, T>) -> T;

    /// Adds `value_bar` times the derivatives of `Phi` by `m` to `m_bar`.
    fn end_vjp(&self, run: &RunEnd<'_, T>, value_bar: T, m_bar: &mut [T]);

    /// Shows `piece` what makes `Phi` only piecewise smooth at the end of a run, such as the step of a maximum: runs with other pieces
    /// cannot be compared by finite differences. By default, it is smooth.
    fn pieces(&self, _run: &RunEnd<'_, T>, _piece: &mut dyn FnMut(u64)) {}
}
