//! Cross-entropy of the scores of a run (equations (94), (96)).

use spikegrad_network::{Error, Release, RunEnd, RunLoss, Sample, SampleBar, Scalar};

use super::charges::check_not_negative;
use super::score::Score;

/// Cross-entropy of the scores of a run, `-sum_k p_k log softmax(z)_k`, equation (94). The trial's
/// [`label`](spikegrad_network::Trial::label) has the probability `p` of each class: one for the right class and zero for the others. A
/// multiple of these weighs the trial. Scores have no unit: a difference of 1 makes a class `e` times as probable.
///
/// ```
/// use spikegrad_adjoint::Sweep;
/// use spikegrad_models::{GateShape, Theta};
/// use spikegrad_network::{Network, Population, SplitStep, Trial};
/// use spikegrad_tasks::{CrossEntropy, Score};
///
/// let mut network = Network::builder()
///     .population(Population::new("theta", Theta::default(), 10, GateShape::RaisedCosine, 0.3))
///     .synapse("slow", 20.0)
///     .outputs(3)
///     .build()?;
/// network.parameters.bias_mut().fill(0.03);
/// let trial = Trial { label: vec![0.0, 1.0, 0.0], ..Trial::silent(200, 1.0, 0) };
/// let loss = CrossEntropy { of: Score::Maximum, smoothing: 0.1 };
/// let scheme = SplitStep::new(&network, 0.5)?;
/// let mut gradient = network.parameters.zeros_like();
/// let cost = Sweep::new().gradient(&scheme.run(&trial, &loss)?, gradient.values_mut())?;
/// // Three classes without a readout yet: as good as a guess.
/// assert!((cost - 3.0_f64.ln()).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CrossEntropy {
    /// The scores.
    pub of: Score,
    /// The share of each label that is spread evenly over all classes, equation (96), from 0 to less than 1; 0 leaves labels as they are.
    /// Scores then need not grow without end to lower the cost.
    pub smoothing: f64,
}

of_the_run_alone!(CrossEntropy);

/// What all scores have in common: the index of the largest one and its value, and the sum of `exp(z - largest)` over the others. The largest
/// one's own 1 stays out of the sum: beside it a cost near zero, and the derivatives of one, would lose their digits.
struct Normaliser<T> {
    at: usize,
    largest: T,
    others: T,
}

impl CrossEntropy {
    fn normaliser<T: Scalar>(&self, run: &RunEnd<'_, T>) -> Normaliser<T> {
        let scores = || self.of.values(run).enumerate();
        let (at, largest) = scores().reduce(|a, b| if b.1 > a.1 { b } else { a }).unwrap_or((0, T::zero()));
        let others = scores().filter(|(k, _)| *k != at);
        let others = others.fold(T::zero(), |sum, (_, z)| sum + (z - largest).exp());
        Normaliser { at, largest, others }
    }

    /// The smoothed probability of every class.
    fn probabilities<'r, T: Scalar>(&self, run: &RunEnd<'r, T>) -> impl Iterator<Item = T> + use<'r, T> {
        let keep = T::from_subset(&(1.0 - self.smoothing));
        let even = T::from_subset(&(self.smoothing / run.label.len() as f64)) * whole(run);
        run.label.iter().map(move |&p| keep * p + even)
    }
}

/// The sum of the label: 1, or what weighs the trial.
fn whole<T: Scalar>(run: &RunEnd<'_, T>) -> T {
    run.label.iter().fold(T::zero(), |whole, &p| whole + p)
}

impl<T: Scalar> RunLoss<T> for CrossEntropy {
    fn accumulators(&self, outputs: usize) -> usize {
        self.of.accumulators(outputs)
    }

    fn labels(&self, outputs: usize) -> usize {
        self.of.classes(outputs)
    }

    fn check(&self, neurons: usize, outputs: usize) -> Result<(), Error> {
        if !(0.0..1.0).contains(&self.smoothing) {
            let domain = "a number from 0 to less than 1".to_owned();
            return Err(Error::LossSetting {
                what: "the smoothing of labels",
                value: self.smoothing,
                domain,
            });
        }
        self.of.check(neurons, outputs)
    }

    fn check_label(&self, label: &[T], _: usize) -> Result<(), Error> {
        check_not_negative(label, "the probability of a class")?;
        if label.iter().any(|&p| p > T::zero()) {
            return Ok(());
        }
        let why = "and all others are 0, so that no class is asked for: set that of the right class to 1"
            .to_owned();
        Err(Error::Label { index: 0, why })
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
        let Normaliser { largest, others, .. } = self.normaliser(run);
        let rest = others.ln_1p();
        let scores = self.of.values(run).zip(self.probabilities(run));
        scores.fold(T::zero(), |cost, (z, p)| cost + p * ((largest - z) + rest))
    }

    fn end_vjp(&self, run: &RunEnd<'_, T>, value_bar: T, m_bar: &mut [T]) {
        let Normaliser { at, largest, others } = self.normaliser(run);
        let (whole, sum) = (whole(run), T::one() + others);
        let scores = self.of.values(run).zip(self.probabilities(run)).enumerate();
        let bars = scores.map(|(k, (z, p))| {
            let difference = if k == at {
                (whole - p) - whole * others / sum
            } else {
                whole * (z - largest).exp() / sum - p
            };
            value_bar * difference
        });
        self.of.values_vjp(run, bars, m_bar);
    }

    fn pieces(&self, run: &RunEnd<'_, T>, piece: &mut dyn FnMut(u64)) {
        self.of.pieces(run, piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Costs and derivatives of scores that are far apart, in f32: `ln(1 + exp(-d))` for the right class ahead by `d`.
    #[test]
    fn a_small_cost_keeps_its_digits() {
        let loss = CrossEntropy { of: Score::Last, smoothing: 0.0 };
        for ahead in [1.0_f32, 10.0, 20.0, 60.0] {
            let (m, label) = ([7.0, 7.0 - ahead], [1.0, 0.0]);
            let run = RunEnd { m: &m, label: &label, outputs: 2 };
            let exact = f64::from(-ahead).exp().ln_1p();
            let cost = f64::from(loss.end(&run));
            assert!((cost - exact).abs() < 1e-6 * exact, "{ahead}: {cost} for {exact}");
            let mut bar = [0.0; 2];
            loss.end_vjp(&run, 1.0, &mut bar);
            let slope = 1.0 / (1.0 + f64::from(ahead).exp());
            for (bar, sign) in bar.into_iter().zip([-1.0, 1.0]) {
                assert!((f64::from(bar) - sign * slope).abs() < 1e-6 * slope, "{ahead}: {bar} for {slope}");
            }
        }
    }
}
