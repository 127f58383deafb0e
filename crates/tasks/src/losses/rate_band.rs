//! A band in which rates are to lie (equation (99)).

use std::ops::Range;

use spikegrad_network::{Error, Release, RunEnd, RunLoss, Sample, SampleBar, Scalar};

use super::charges::{check_neurons, count, count_vjp};

/// A price of rates outside a band, `sum_i (max(0, low - r_i)^2 + max(0, r_i - high)^2) / n` over `n` neurons, equation (99), in Hz². The rate
/// `r` of a neuron is the charge that the neuron releases in the trial, one for every spike, divided by the duration of the trial; samples
/// count by their weights. The trial needs no label. The price wants a weight of its own beside another loss:
/// [`Weighted`](crate::Weighted), [`Losses`](crate::Losses).
///
/// A rate is a count, and with samples of equal weights there is hardly a gradient, as [`SquaredError`](crate::SquaredError) says: give later
/// samples smaller weights.
///
/// ```
/// use spikegrad_adjoint::Sweep;
/// use spikegrad_models::{GateShape, Nif};
/// use spikegrad_network::{Network, Population, SplitStep, Trial};
/// use spikegrad_tasks::RateBand;
///
/// let population = Population::new("cells", Nif, 3, GateShape::Box, 0.3);
/// let mut network = Network::builder().population(population).synapse("slow", 20.0).build()?;
/// // Rates of 10, 50 and 100 Hz.
/// network.parameters.bias_mut().copy_from_slice(&[0.01, 0.05, 0.1]);
/// let (trial, scheme) = (Trial::silent(1000, 1.0, 0), SplitStep::new(&network, 0.5)?);
/// let loss = RateBand { neurons: 0..3, low: 20.0, high: 60.0 };
/// let cost: f64 = Sweep::new().cost(&scheme.run(&trial, &loss)?)?;
/// assert!((cost - (10.0 * 10.0 + 40.0 * 40.0) / 3.0).abs() < 1e-6 * cost);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RateBand {
    /// The neurons whose rates are judged.
    pub neurons: Range<usize>,
    /// The lowest rate that costs nothing, Hz.
    pub low: f64,
    /// The highest rate that costs nothing, Hz; infinite for no upper end.
    pub high: f64,
}

of_the_run_alone!(RateBand);

/// Rates are in Hz, and time is in ms.
const MS_PER_SECOND: f64 = 1000.0;

impl RateBand {
    /// The number that turns a charge into a rate, and how far the rate of each neuron is outside the band: below zero for too low a rate.
    fn outside<'r, T: Scalar>(&self, run: &RunEnd<'r, T>) -> (T, impl Iterator<Item = T> + use<'r, T>) {
        let (charges, duration) = match run.m.split_last() {
            Some((&duration, charges)) => (charges, duration),
            None => (&[][..], T::zero()),
        };
        // Where no sample counts, no charge does.
        let duration = if duration == T::zero() { T::one() } else { duration };
        let rate = T::from_subset(&MS_PER_SECOND) / duration;
        let [low, high] = [self.low, self.high].map(|rate| T::from_subset(&rate));
        let outside = move |&charge: &T| {
            let r = rate * charge;
            if r < low {
                r - low
            } else if r > high {
                r - high
            } else {
                T::zero()
            }
        };
        (rate, charges.iter().map(outside))
    }
}

impl<T: Scalar> RunLoss<T> for RateBand {
    fn accumulators(&self, _: usize) -> usize {
        self.neurons.len() + 1
    }

    fn check(&self, neurons: usize, _: usize) -> Result<(), Error> {
        let refused = |what, value, domain| Err(Error::LossSetting { what, value, domain });
        if !(self.low >= 0.0 && self.low.is_finite()) {
            let domain = "a finite rate that is not negative, in Hz".to_owned();
            return refused("the lower end of the band of rates", self.low, domain);
        }
        if !(self.high >= self.low) {
            let domain = format!("a rate of at least {} Hz, the lower end", self.low);
            return refused("the upper end of the band of rates", self.high, domain);
        }
        check_neurons(&self.neurons, neurons)
    }

    fn start(&self, _: usize, m: &mut [T]) {
        m.fill(T::zero());
    }

    fn accumulate(&self, at: &Sample<'_, T>, release: &Release<'_, T>, m: &mut [T]) {
        let Some((duration, charges)) = m.split_last_mut() else { return };
        count(&self.neurons, at.weight, release, charges);
        *duration += at.weight * release.h;
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
        let (_, outside) = self.outside(run);
        outside.fold(T::zero(), |sum, r| sum + r * r) / T::from_subset(&(self.neurons.len() as f64))
    }

    fn end_vjp(&self, run: &RunEnd<'_, T>, value_bar: T, m_bar: &mut [T]) {
        let (rate, outside) = self.outside(run);
        let factor = T::from_subset(&(2.0 / self.neurons.len() as f64)) * value_bar * rate;
        for (bar, r) in m_bar.iter_mut().zip(outside) {
            *bar += factor * r;
        }
    }
}
