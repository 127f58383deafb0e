//! Sums of losses (equation (102)).

use spikegrad_network::{Loss, RunLoss, Sample, SampleBar, Scalar};

use super::terms::{Terms, run_loss_of_terms};

/// The sum of two losses, equation (102), for a program that knows both: what the first and the second loss do in a step is
/// compiled as one. Each sees as many entries of the trial's label as it asks for, from the first one on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SumOfLosses<A, B>(pub A, pub B);

impl<T: Scalar, A: Loss<T>, B: Loss<T>> Loss<T> for SumOfLosses<A, B> {
    fn value(&self, at: &Sample<'_, T>) -> T {
        self.0.value(at) + self.1.value(at)
    }

    fn needs_targets(&self) -> bool {
        self.0.needs_targets() || self.1.needs_targets()
    }

    fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        self.0.vjp(at, value_bar, bar);
        self.1.vjp(at, value_bar, bar);
    }

    fn over_run(&self) -> Option<&dyn RunLoss<T>> {
        let any = self.0.over_run().is_some() || self.1.over_run().is_some();
        any.then_some(self as _)
    }

    fn reads_state(&self) -> bool {
        self.0.reads_state() || self.1.reads_state()
    }
}

impl<T: Scalar, A: Loss<T>, B: Loss<T>> Terms<T> for SumOfLosses<A, B> {
    fn terms<'s>(&'s self) -> impl Iterator<Item = (T, &'s dyn Loss<T>)>
    where
        T: 's,
    {
        [&self.0 as &dyn Loss<T>, &self.1].into_iter().map(|loss| (T::one(), loss))
    }
}

run_loss_of_terms!(SumOfLosses<A, B>, A, B);

/// The weighted sum of any number of losses, equation (102), for a program that is told its losses when it runs. Each sees as many
/// entries of the trial's label as it asks for, from the first one on.
///
/// ```
/// use spikegrad_adjoint::Sweep;
/// use spikegrad_models::{GateShape, Theta};
/// use spikegrad_network::{Network, Population, SplitStep, Trial};
/// use spikegrad_tasks::{Activity, CrossEntropy, Losses, RateBand, Score};
///
/// let mut loss = Losses::<f64>::default();
/// loss.0.push((1.0, Box::new(CrossEntropy { of: Score::Mean, smoothing: 0.0 })));
/// loss.0.push((0.1, Box::new(Activity { weight: 0.5 })));
/// loss.0.push((1e-4, Box::new(RateBand { neurons: 0..10, low: 1.0, high: 50.0 })));
///
/// let mut network = Network::builder()
///     .population(Population::new("theta", Theta::default(), 10, GateShape::RaisedCosine, 0.3))
///     .synapse("slow", 20.0)
///     .outputs(2)
///     .build()?;
/// network.parameters.bias_mut().fill(0.03);
/// let trial = Trial { label: vec![0.0, 1.0], ..Trial::silent(200, 1.0, 0) };
/// let scheme = SplitStep::new(&network, 0.5)?;
/// let mut gradient = network.parameters.zeros_like();
/// Sweep::new().gradient(&scheme.run(&trial, &loss)?, gradient.values_mut())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Losses<T>(pub Vec<(T, Box<dyn Loss<T> + Send>)>);

impl<T> Default for Losses<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Scalar> Loss<T> for Losses<T> {
    fn value(&self, at: &Sample<'_, T>) -> T {
        self.0.iter().fold(T::zero(), |sum, (weight, loss)| sum + *weight * loss.value(at))
    }

    fn needs_targets(&self) -> bool {
        self.0.iter().any(|(_, loss)| loss.needs_targets())
    }

    fn vjp(&self, at: &Sample<'_, T>, value_bar: T, bar: &mut SampleBar<'_, T>) {
        for (weight, loss) in &self.0 {
            loss.vjp(at, *weight * value_bar, bar);
        }
    }

    fn over_run(&self) -> Option<&dyn RunLoss<T>> {
        let any = self.0.iter().any(|(_, loss)| loss.over_run().is_some());
        any.then_some(self as _)
    }

    fn reads_state(&self) -> bool {
        self.0.iter().any(|(_, loss)| loss.reads_state())
    }
}

impl<T: Scalar> Terms<T> for Losses<T> {
    fn terms<'s>(&'s self) -> impl Iterator<Item = (T, &'s dyn Loss<T>)>
    where
        T: 's,
    {
        self.0.iter().map(|(weight, loss)| (*weight, &**loss as &dyn Loss<T>))
    }
}

run_loss_of_terms!(Losses<T>);
