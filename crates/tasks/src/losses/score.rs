//! Scores of a run, what they are accumulated of, and the transpose (equations (94), (95), (100)): losses say what is made of them.

use std::ops::Range;

use spikegrad_network::{Error, Recording, Release, RunEnd, Sample, SampleBar, Scalar, Trial};

use super::charges::{check_neurons, count, count_vjp, every_charge};
use super::first_spike::{waiting, waiting_derivatives};

/// The scores of a run: numbers that [`CrossEntropy`](crate::CrossEntropy) compares with each other, one for each class, and
/// [`SquaredError`](crate::SquaredError) with what they should be. Samples of weight 0 are left out; others count by their weights in
/// means, counts and times.
#[derive(Clone, Debug, PartialEq)]
pub enum Score {
    /// The mean of each output over time.
    Mean,
    /// Each output at the end of the last step.
    Last,
    /// The maximum of each output over time. Of equal ones the first counts.
    Maximum,
    /// The charge that each of these neurons releases, one for every spike: one neuron for a class, in order. With samples of equal weights
    /// there is hardly a gradient, as [`SquaredError`](crate::SquaredError) says.
    Counts(Range<usize>),
    /// The time to the first spike of each of these neurons, equation (100): the score is `-t_first / scale`, so that a neuron that fires
    /// earlier has the larger one. `t_first` in ms is the integral of `max(0, 1 - c)` over the trial, where `c` is the charge that the
    /// neuron has released so far: it is the time of the first unit of charge, averaged over that charge. A neuron that releases
    /// nothing has the duration of the trial. A sample's weight multiplies the time, not the charge.
    FirstSpike {
        /// The neurons: one for a class, in order.
        neurons: Range<usize>,
        /// The unit of time in which scores are measured, ms: a class that is earlier by the scale is `e` times as probable.
        scale: f64,
    },
}

/// Where a maximum stands in `m`: its value, and its step, below zero where there is none yet. Where the time to a first spike stands:
/// the time so far, and the charge so far.
const PAIR: usize = 2;

impl Score {
    /// The scores of a run that was recorded at every step, with all outputs and spikes. Samples of weight 0 are left out, others count by
    /// their weights. Counts, and times to first spikes, are those of whole spikes.
    pub fn of_recording<T: Scalar>(&self, trial: &Trial<T>, recording: &Recording<T>) -> Vec<f64> {
        let wide = |x: T| -> f64 { x.to_subset_unchecked() };
        let weight = |time: f64| {
            let sample = (time / trial.interval) as usize;
            trial.weights.get(sample.min(trial.samples.saturating_sub(1))).map_or(1.0, |&weight| wide(weight))
        };
        let spikes = |neurons: &Range<usize>| {
            let of_these = neurons.clone();
            recording.spikes.iter().filter(move |spike| of_these.contains(&spike.neuron))
        };
        match self {
            Self::Counts(neurons) => {
                let mut counts = vec![0.0; neurons.len()];
                for spike in spikes(neurons) {
                    counts[spike.neuron - neurons.start] += weight(spike.time) * spike.count as f64;
                }
                counts
            }
            Self::FirstSpike { neurons, scale } => {
                let mut times = vec![trial.duration(); neurons.len()];
                for spike in spikes(neurons).filter(|spike| weight(spike.time) != 0.0) {
                    let time = &mut times[spike.neuron - neurons.start];
                    *time = time.min(spike.time);
                }
                times.iter().map(|time| -time / scale).collect()
            }
            Self::Mean | Self::Last | Self::Maximum => self.of_outputs(recording, weight),
        }
    }

    /// The scores that are read from outputs.
    fn of_outputs<T: Scalar>(&self, recording: &Recording<T>, weight: impl Fn(f64) -> f64) -> Vec<f64> {
        let steps = recording.time.len();
        let outputs = recording.output.len().checked_div(steps).unwrap_or(0);
        let h = recording.time.first().copied().unwrap_or(1.0);
        let (mut scores, mut whole) = (vec![0.0; outputs], 0.0);
        if *self == Self::Maximum {
            scores.fill(f64::NEG_INFINITY);
        }
        for (&time, output) in recording.time.iter().zip(recording.output.chunks(outputs.max(1))) {
            // The step ends at its time, and lies in the sample before it.
            let weight = weight(time - 0.5 * h);
            if weight == 0.0 {
                continue;
            }
            whole += weight;
            for (score, o) in scores.iter_mut().zip(output) {
                let o: f64 = o.to_subset_unchecked();
                match self {
                    Self::Mean => *score += weight * o,
                    Self::Maximum => *score = score.max(o),
                    _ => *score = o,
                }
            }
        }
        if *self == Self::Mean && whole != 0.0 {
            scores.iter_mut().for_each(|score| *score /= whole);
        }
        scores
    }

    /// How many scores there are, for a network of so many outputs.
    pub(super) fn classes(&self, outputs: usize) -> usize {
        match self {
            Self::Counts(neurons) | Self::FirstSpike { neurons, .. } => neurons.len(),
            _ => outputs,
        }
    }

    /// How many numbers are accumulated for a score.
    fn stride(&self) -> usize {
        if matches!(self, Self::Maximum | Self::FirstSpike { .. }) { PAIR } else { 1 }
    }

    pub(super) fn accumulators(&self, outputs: usize) -> usize {
        // Means have the weights' integral over time behind them.
        self.stride() * self.classes(outputs) + usize::from(*self == Self::Mean)
    }

    pub(super) fn check(&self, neurons: usize, outputs: usize) -> Result<(), Error> {
        match self {
            Self::Counts(range) => check_neurons(range, neurons),
            Self::FirstSpike { neurons: range, scale } => {
                if *scale > 0.0 && scale.is_finite() {
                    return check_neurons(range, neurons);
                }
                Err(Error::NotPositive { what: "the scale of times to first spikes".into(), value: *scale })
            }
            _ if outputs == 0 => Err(Error::Empty { what: "output for the scores of the loss" }),
            _ => Ok(()),
        }
    }

    pub(super) fn start<T: Scalar>(&self, m: &mut [T]) {
        m.fill(T::zero());
        if *self == Self::Maximum {
            m.iter_mut().skip(1).step_by(PAIR).for_each(|step| *step = -T::one());
        }
    }

    pub(super) fn accumulate<T: Scalar>(&self, at: &Sample<'_, T>, release: &Release<'_, T>, m: &mut [T]) {
        match self {
            Self::Mean => {
                let weight = at.weight * release.h;
                for (m, &o) in m.iter_mut().zip(at.output) {
                    *m += weight * o;
                }
                if let Some(duration) = m.last_mut() {
                    *duration += weight;
                }
            }
            Self::Last => m.copy_from_slice(at.output),
            Self::Maximum => {
                for (m, &o) in m.chunks_exact_mut(PAIR).zip(at.output) {
                    if m[1] < T::zero() || o > m[0] {
                        (m[0], m[1]) = (o, T::from_subset(&(at.step as f64)));
                    }
                }
            }
            Self::Counts(range) => count(range, at.weight, release, m),
            Self::FirstSpike { neurons, .. } => {
                let weight = at.weight * release.h;
                for (m, (_, charge)) in m.chunks_exact_mut(PAIR).zip(every_charge(neurons, release)) {
                    let after = m[1] + charge;
                    m[0] += weight * waiting(T::one() - m[1], T::one() - after);
                    m[1] = after;
                }
            }
        }
    }

    pub(super) fn looks_back(&self) -> bool {
        matches!(self, Self::Maximum | Self::FirstSpike { .. })
    }

    /// The transpose of [`accumulate`](Self::accumulate).
    pub(super) fn accumulate_vjp<T: Scalar>(
        &self,
        at: &Sample<'_, T>,
        release: &Release<'_, T>,
        m: &[T],
        m_bar: &mut [T],
        bar: &mut SampleBar<'_, T>,
        charge_bar: &mut [T],
    ) {
        match self {
            Self::Mean => {
                let weight = at.weight * release.h;
                for (bar, &m_bar) in bar.output.iter_mut().zip(&*m_bar) {
                    *bar += weight * m_bar;
                }
            }
            Self::Last => {
                for (bar, m_bar) in bar.output.iter_mut().zip(m_bar) {
                    *bar += std::mem::replace(m_bar, T::zero());
                }
            }
            Self::Maximum => {
                let before = m.chunks_exact(PAIR).zip(m_bar.chunks_exact_mut(PAIR));
                for ((bar, &o), (m, m_bar)) in bar.output.iter_mut().zip(at.output).zip(before) {
                    if m[1] < T::zero() || o > m[0] {
                        *bar += std::mem::replace(&mut m_bar[0], T::zero());
                    }
                }
            }
            Self::Counts(range) => count_vjp(range, at.weight, release, m_bar, charge_bar),
            Self::FirstSpike { neurons, .. } => {
                let weight = at.weight * release.h;
                let before = m.chunks_exact(PAIR).zip(m_bar.chunks_exact_mut(PAIR));
                for ((m, m_bar), (place, charge)) in before.zip(every_charge(neurons, release)) {
                    let after = m[1] + charge;
                    let (by_before, by_after) = waiting_derivatives(T::one() - m[1], T::one() - after);
                    let time_bar = weight * m_bar[0];
                    m_bar[1] -= time_bar * by_after;
                    if let Some(place) = place {
                        charge_bar[place] += m_bar[1];
                    }
                    m_bar[1] -= time_bar * by_before;
                }
            }
        }
    }

    /// Shows every score.
    pub(super) fn values<'r, T: Scalar>(
        &self,
        run: &RunEnd<'r, T>,
    ) -> impl Iterator<Item = T> + Clone + use<'r, T> {
        let unit = self.unit(run);
        run.m.iter().step_by(self.stride()).take(self.classes(run.outputs)).map(move |&m| m / unit)
    }

    /// The transpose of [`values`](Self::values): adds the cotangents of the scores, in order, to those of `m`.
    pub(super) fn values_vjp<T: Scalar>(
        &self,
        run: &RunEnd<'_, T>,
        values_bar: impl Iterator<Item = T>,
        m_bar: &mut [T],
    ) {
        let unit = self.unit(run);
        for (bar, value_bar) in m_bar.iter_mut().step_by(self.stride()).zip(values_bar) {
            *bar += value_bar / unit;
        }
    }

    /// What accumulated numbers are divided by: the weights' integral over time, if they are means of any samples; `-scale` for times to
    /// first spikes.
    pub(super) fn unit<T: Scalar>(&self, run: &RunEnd<'_, T>) -> T {
        match (self, run.m.last()) {
            (Self::Mean, Some(&duration)) if duration != T::zero() => duration,
            (Self::FirstSpike { scale, .. }, _) => T::from_subset(&-scale),
            _ => T::one(),
        }
    }

    /// Shows the steps of maxima, which belong to the smooth piece of a run.
    pub(super) fn pieces<T: Scalar>(&self, run: &RunEnd<'_, T>, piece: &mut dyn FnMut(u64)) {
        if *self == Self::Maximum {
            for step in run.m.iter().skip(1).step_by(PAIR) {
                let step: f64 = step.to_subset_unchecked();
                piece(step.to_bits());
            }
        }
    }
}
