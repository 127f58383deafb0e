//! Losses of a run as a whole: cross-entropy of scores over time, and errors of spike counts (equations (94), (95)).

use std::ops::Range;

use spikegrad_network::{Error, Loss, Release, RunEnd, RunLoss, Sample, SampleBar, Scalar};

/// What gives each class its score. Samples of weight 0 are left out; others count by their weights in means and counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Score {
    /// The mean of each output over time.
    Mean,
    /// Each output at the end of the last step.
    Last,
    /// The maximum of each output over time. Of equal ones the first counts.
    Maximum,
    /// The charge that each of these neurons releases, one for every spike: one neuron for a class, in order. With samples of equal weights
    /// there is hardly a gradient, as [`CountError`] says.
    Counts(Range<usize>),
}

/// Cross-entropy of the scores of a run, `-sum_k p_k log softmax(z)_k`, equation (94). The trial's
/// [`label`](spikegrad_network::Trial::label) has the probability `p` of each class: one for the right class and zero for the others. A multiple of these weighs the trial.
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
/// let loss = CrossEntropy { of: Score::Maximum };
/// let scheme = SplitStep::new(&network, 0.5)?;
/// let mut gradient = network.parameters.zeros_like();
/// let cost = Sweep::new().gradient(&scheme.run(&trial, &loss)?, gradient.values_mut())?;
/// // Three classes without a readout yet: as good as a guess.
/// assert!((cost - 3.0_f64.ln()).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossEntropy {
    /// The scores.
    pub of: Score,
}

/// Mean squared error of spike counts, `sum_i (c_i - d_i)^2 / n` over `n` neurons, equation (95). The trial's
/// [`label`](spikegrad_network::Trial::label) has the desired count `d` of each of them. A count `c` is the charge that a neuron
/// releases in the trial: one for every spike.
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
/// use spikegrad_tasks::CountError;
///
/// let population = Population::new("cells", Nif, 2, GateShape::Box, 0.3);
/// let mut network = Network::builder().population(population).synapse("slow", 20.0).build()?;
/// network.parameters.bias_mut().copy_from_slice(&[0.05, 0.1]);
/// // Five and ten spikes in 100 ms; six and ten are wanted.
/// let trial = Trial { label: vec![6.0, 10.0], ..Trial::silent(100, 1.0, 0) };
/// let (loss, scheme) = (CountError { neurons: 0..2 }, SplitStep::new(&network, 0.5)?);
/// let cost = Sweep::new().cost(&scheme.run(&trial, &loss)?)?;
/// assert!((cost - 0.5_f64).abs() < 1e-9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountError {
    /// The neurons whose spikes are counted.
    pub neurons: Range<usize>,
}

/// A loss of nothing but the run as a whole.
macro_rules! of_the_run_alone {
    ($loss:ty) => {
        impl<T: Scalar> Loss<T> for $loss {
            fn value(&self, _: &Sample<'_, T>) -> T {
                T::zero()
            }

            fn vjp(&self, _: &Sample<'_, T>, _: T, _: &mut SampleBar<'_, T>) {}

            fn over_run(&self) -> Option<&dyn RunLoss<T>> {
                Some(self)
            }
        }
    };
}
of_the_run_alone!(CrossEntropy);
of_the_run_alone!(CountError);

/// Refuses neurons that a network does not have.
fn check_neurons(range: &Range<usize>, neurons: usize) -> Result<(), Error> {
    if range.start < range.end && range.end <= neurons {
        return Ok(());
    }
    let last = neurons.saturating_sub(1);
    let (what, name) = ("range of neurons to count", format!("{}..{}", range.start, range.end));
    Err(Error::Unknown { what, name, known: format!("those of 0 to {last}, at least one") })
}

/// Refuses labels with an entry below zero.
fn check_not_negative<T: Scalar>(label: &[T], what: &str) -> Result<(), Error> {
    match label.iter().position(|&entry| entry < T::zero()) {
        None => Ok(()),
        Some(index) => {
            let found: f64 = label[index].to_subset_unchecked();
            Err(Error::Label { index, why: format!("is {found}: it must be {what}, which is not negative") })
        }
    }
}

/// The charges of some neurons in a release, and the number of each among these neurons.
fn counted<'r, T>(
    range: &Range<usize>,
    release: &Release<'r, T>,
) -> (Range<usize>, impl Iterator<Item = usize> + use<'r, T>) {
    let below = |end: usize| release.neurons.partition_point(|&neuron| (neuron as usize) < end);
    let (part, start) = (below(range.start)..below(range.end), range.start);
    (part.clone(), release.neurons[part].iter().map(move |&neuron| neuron as usize - start))
}

/// `c' = c + w q`.
fn count<T: Scalar>(range: &Range<usize>, weight: T, release: &Release<'_, T>, counts: &mut [T]) {
    let (part, neurons) = counted(range, release);
    for (neuron, &charge) in neurons.zip(&release.charge[part]) {
        counts[neuron] += weight * charge;
    }
}

/// The transpose of [`count`]. The cotangents of the counts stay as they are.
fn count_vjp<T: Scalar>(
    range: &Range<usize>,
    weight: T,
    release: &Release<'_, T>,
    counts_bar: &[T],
    charge_bar: &mut [T],
) {
    let (part, neurons) = counted(range, release);
    for (neuron, bar) in neurons.zip(&mut charge_bar[part]) {
        *bar += weight * counts_bar[neuron];
    }
}

/// Where the maximum of an output stands in `m`: its value, and its step, below zero where there is none yet.
const MAXIMUM: usize = 2;

impl CrossEntropy {
    fn classes(&self, outputs: usize) -> usize {
        match &self.of {
            Score::Counts(neurons) => neurons.len(),
            _ => outputs,
        }
    }

    /// Shows every class' score.
    fn scores<'r, T: Scalar>(&self, run: &RunEnd<'r, T>) -> impl Iterator<Item = T> + Clone + use<'r, T> {
        let (stride, classes) = match self.of {
            Score::Maximum => (MAXIMUM, run.m.len() / MAXIMUM),
            Score::Mean => (1, run.m.len().saturating_sub(1)),
            _ => (1, run.m.len()),
        };
        let duration = self.duration(run);
        run.m.iter().step_by(stride).take(classes).map(move |&m| m / duration)
    }

    /// What the scores are divided by: the weights' integral over time, if they are means of any samples.
    fn duration<T: Scalar>(&self, run: &RunEnd<'_, T>) -> T {
        match (&self.of, run.m.last()) {
            (Score::Mean, Some(&duration)) if duration != T::zero() => duration,
            _ => T::one(),
        }
    }

    /// The largest score, and the sum of `exp(z - largest)`.
    fn normaliser<T: Scalar>(&self, run: &RunEnd<'_, T>) -> (T, T) {
        let scores = self.scores(run);
        let largest = scores.clone().reduce(|a, b| if b > a { b } else { a }).unwrap_or_else(T::zero);
        (largest, scores.fold(T::zero(), |sum, z| sum + (z - largest).exp()))
    }
}

impl<T: Scalar> RunLoss<T> for CrossEntropy {
    fn accumulators(&self, outputs: usize) -> usize {
        match &self.of {
            Score::Mean => outputs + 1,
            Score::Last => outputs,
            Score::Maximum => MAXIMUM * outputs,
            Score::Counts(neurons) => neurons.len(),
        }
    }

    fn labels(&self, outputs: usize) -> usize {
        self.classes(outputs)
    }

    fn check(&self, neurons: usize, outputs: usize) -> Result<(), Error> {
        match &self.of {
            Score::Counts(range) => check_neurons(range, neurons),
            _ if outputs == 0 => Err(Error::Empty { what: "output for the scores of the loss" }),
            _ => Ok(()),
        }
    }

    fn check_label(&self, label: &[T]) -> Result<(), Error> {
        check_not_negative(label, "the probability of a class")?;
        if label.iter().any(|&p| p > T::zero()) {
            return Ok(());
        }
        let why = "and all others are 0, so that no class is asked for: set that of the right class to 1"
            .to_owned();
        Err(Error::Label { index: 0, why })
    }

    fn start(&self, _: usize, m: &mut [T]) {
        m.fill(T::zero());
        if self.of == Score::Maximum {
            m.iter_mut().skip(1).step_by(MAXIMUM).for_each(|step| *step = -T::one());
        }
    }

    fn accumulate(&self, at: &Sample<'_, T>, release: &Release<'_, T>, m: &mut [T]) {
        match &self.of {
            Score::Mean => {
                let weight = at.weight * release.h;
                for (m, &o) in m.iter_mut().zip(at.output) {
                    *m += weight * o;
                }
                if let Some(duration) = m.last_mut() {
                    *duration += weight;
                }
            }
            Score::Last => m.copy_from_slice(at.output),
            Score::Maximum => {
                for (m, &o) in m.chunks_exact_mut(MAXIMUM).zip(at.output) {
                    if m[1] < T::zero() || o > m[0] {
                        (m[0], m[1]) = (o, T::from_subset(&(at.step as f64)));
                    }
                }
            }
            Score::Counts(range) => count(range, at.weight, release, m),
        }
    }

    fn looks_back(&self) -> bool {
        self.of == Score::Maximum
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
        match &self.of {
            Score::Mean => {
                let weight = at.weight * release.h;
                for (bar, &m_bar) in bar.output.iter_mut().zip(&*m_bar) {
                    *bar += weight * m_bar;
                }
            }
            Score::Last => {
                for (bar, m_bar) in bar.output.iter_mut().zip(m_bar) {
                    *bar += std::mem::replace(m_bar, T::zero());
                }
            }
            Score::Maximum => {
                let before = m.chunks_exact(MAXIMUM).zip(m_bar.chunks_exact_mut(MAXIMUM));
                for ((bar, &o), (m, m_bar)) in bar.output.iter_mut().zip(at.output).zip(before) {
                    if m[1] < T::zero() || o > m[0] {
                        *bar += std::mem::replace(&mut m_bar[0], T::zero());
                    }
                }
            }
            Score::Counts(range) => count_vjp(range, at.weight, release, m_bar, charge_bar),
        }
    }

    fn end(&self, run: &RunEnd<'_, T>) -> T {
        let (largest, sum) = self.normaliser(run);
        let all = largest + sum.ln();
        self.scores(run).zip(run.label).fold(T::zero(), |cost, (z, &p)| cost + p * (all - z))
    }

    fn end_vjp(&self, run: &RunEnd<'_, T>, value_bar: T, m_bar: &mut [T]) {
        let (largest, sum) = self.normaliser(run);
        let whole = run.label.iter().fold(T::zero(), |whole, &p| whole + p);
        let stride = if self.of == Score::Maximum { MAXIMUM } else { 1 };
        let factor = value_bar / self.duration(run);
        for ((z, &p), bar) in self.scores(run).zip(run.label).zip(m_bar.iter_mut().step_by(stride)) {
            *bar += factor * (whole * (z - largest).exp() / sum - p);
        }
    }

    fn pieces(&self, run: &RunEnd<'_, T>, piece: &mut dyn FnMut(u64)) {
        if self.of == Score::Maximum {
            for step in run.m.iter().skip(1).step_by(MAXIMUM) {
                let step: f64 = step.to_subset_unchecked();
                piece(step.to_bits());
            }
        }
    }
}

impl<T: Scalar> RunLoss<T> for CountError {
    fn accumulators(&self, _: usize) -> usize {
        self.neurons.len()
    }

    fn labels(&self, _: usize) -> usize {
        self.neurons.len()
    }

    fn check(&self, neurons: usize, _: usize) -> Result<(), Error> {
        check_neurons(&self.neurons, neurons)
    }

    fn check_label(&self, label: &[T]) -> Result<(), Error> {
        check_not_negative(label, "the spikes wanted of a neuron")
    }

    fn start(&self, _: usize, m: &mut [T]) {
        m.fill(T::zero());
    }

    fn accumulate(&self, at: &Sample<'_, T>, release: &Release<'_, T>, m: &mut [T]) {
        count(&self.neurons, at.weight, release, m);
    }

    fn accumulate_vjp(
        &self,
        at: &Sample<'_, T>,
        release: &Release<'_, T>,
        _: &[T],
        m_bar: &mut [T],
        _: &mut SampleBar<'_, T>,
        charge_bar: &mut [T],
    ) {
        count_vjp(&self.neurons, at.weight, release, m_bar, charge_bar);
    }

    fn end(&self, run: &RunEnd<'_, T>) -> T {
        let n = T::from_subset(&(run.m.len() as f64));
        run.m.iter().zip(run.label).fold(T::zero(), |sum, (&c, &d)| sum + (c - d) * (c - d)) / n
    }

    fn end_vjp(&self, run: &RunEnd<'_, T>, value_bar: T, m_bar: &mut [T]) {
        let factor = T::from_subset(&(2.0 / run.m.len() as f64)) * value_bar;
        for (bar, (&c, &d)) in m_bar.iter_mut().zip(run.m.iter().zip(run.label)) {
            *bar += factor * (c - d);
        }
    }
}
