//! Squared error of the scores of a run (equation (95)).

use spikegrad_network::{Error, Release, RunEnd, RunLoss, Sample, SampleBar, Scalar};

use super::charges::check_not_negative;
use super::score::Score;

/// Mean squared error of the scores of a run, `sum_k (z_k - d_k)^2 / K` over `K` scores, equation (95): regression on a value for each
/// trial, numbers of spikes, or times of first spikes. The trial's [`label`](spikegrad_network::Trial::label) has what each score should
/// be: the value of an output for [`Score::Mean`], [`Score::Last`] and [`Score::Maximum`], in the unit of the output; the number of spikes of a
/// neuron for [`Score::Counts`]; for [`Score::FirstSpike`] the time of a neuron's first spike in ms, from the start of the trial, so that
/// the error of a neuron is `((t_first - d) / scale)^2`.
///
/// With samples of equal weights the counts know little of how they came about: what a neuron has released since the start is its spikes and
/// the part of a spike that it is on the way to, so that the gradient is zero but for neurons that stand in the active zone at the
/// end. Give later samples smaller weights ([`Trial::weights`](spikegrad_network::Trial::weights)), or score a readout of slow traces
/// ([`Score::Mean`], [`Score::Last`]).
///
/// ```
/// use spikegrad_adjoint::Sweep;
/// use spikegrad_models::{GateShape, Nif};
/// use spikegrad_network::{Network, Population, SplitStep, Trial};
/// use spikegrad_tasks::{Score, SquaredError};
///
/// let population = Population::new("cells", Nif, 2, GateShape::Box, 0.3);
/// let mut network = Network::builder().population(population).synapse("slow", 20.0).build()?;
/// network.parameters.bias_mut().copy_from_slice(&[0.05, 0.1]);
/// // Five and ten spikes in 100 ms; six and ten are wanted.
/// let trial = Trial { label: vec![6.0, 10.0], ..Trial::silent(100, 1.0, 0) };
/// let (loss, scheme) = (SquaredError { of: Score::Counts(0..2) }, SplitStep::new(&network, 0.5)?);
/// let cost = Sweep::new().cost(&scheme.run(&trial, &loss)?)?;
/// assert!((cost - 0.5_f64).abs() < 1e-9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SquaredError {
    /// The scores.
    pub of: Score,
}

of_the_run_alone!(SquaredError);

impl SquaredError {
    /// Shows the error of every score.
    fn errors<'r, T: Scalar>(&self, run: &RunEnd<'r, T>) -> impl Iterator<Item = T> + use<'r, T> {
        // Times of first spikes are given in ms.
        let unit = if matches!(self.of, Score::FirstSpike { .. }) { self.of.unit(run) } else { T::one() };
        self.of.values(run).zip(run.label).map(move |(z, &d)| z - d / unit)
    }
}

impl<T: Scalar> RunLoss<T> for SquaredError {
    fn accumulators(&self, outputs: usize) -> usize {
        self.of.accumulators(outputs)
    }

    fn labels(&self, outputs: usize) -> usize {
        self.of.classes(outputs)
    }

    fn check(&self, neurons: usize, outputs: usize) -> Result<(), Error> {
        self.of.check(neurons, outputs)
    }

    fn check_label(&self, label: &[T], _: usize) -> Result<(), Error> {
        match self.of {
            Score::Counts(_) => check_not_negative(label, "the spikes wanted of a neuron"),
            Score::FirstSpike { .. } => check_not_negative(label, "the time of a neuron's first spike"),
            _ => Ok(()),
        }
    }

    fn start(&self, _: usize, m: &mut [T]) {
        self.of.start(m);
    }

    fn accumulate(&self, at: &Sample<'_, T>, release: &Release<'_, T>, m: &mut [T]) {
        self.of.accumulate(at, release, m);
    }

    fn looks_back(&self) -> bool {
        self.of.looks_back()
    }

    fn accumulate_vjp(
        &self,
        at: &Sample<'_, T>,
        release: &Release<'_, T>,
        m: &[T],
        m_bar: &mut [T],
        bar: &mut SampleBar<'_, T>,
        charge_bar: &mut [T],
    ) {
        self.of.accumulate_vjp(at, release, m, m_bar, bar, charge_bar);
    }

    fn end(&self, run: &RunEnd<'_, T>) -> T {
        let scores = T::from_subset(&(run.label.len() as f64));
        self.errors(run).fold(T::zero(), |sum, error| sum + error * error) / scores
    }

    fn end_vjp(&self, run: &RunEnd<'_, T>, value_bar: T, m_bar: &mut [T]) {
        let factor = T::from_subset(&(2.0 / run.label.len() as f64)) * value_bar;
        self.of.values_vjp(run, self.errors(run).map(|error| factor * error), m_bar);
    }

    fn pieces(&self, run: &RunEnd<'_, T>, piece: &mut dyn FnMut(u64)) {
        self.of.pieces(run, piece);
    }
}
