//! The distance of spike trains (equations (97), (98)).

use std::ops::Range;

use spikegrad_network::{Error, Release, RunEnd, RunLoss, Sample, SampleBar, Scalar};

use super::charges::{check_neurons, every_charge, every_target};

/// The distance of van Rossum (2001) between the spike trains of neurons and those that they should have,
/// `D^2 = (1 / tau) int sum_i (f_i - g_i)^2 dt`, equation (97): `f` is the train of a neuron, filtered by `exp(-t / tau)`, and `g` that
/// of its [`target_spikes`](spikegrad_network::Trial::target_spikes), whose times are in ms. Trains that differ in one spike are at
/// `D^2 = 1/2`, trains that differ in the time of a spike by `t` at `1 - exp(-t / tau)`. The trial needs no label. Target spikes of
/// neurons outside the range are left to other losses; a neuron without any is to be silent.
///
/// The charge of the gate stands for the spikes, which makes the gradient exact. What a step releases is spread evenly over it, and a
/// target spike over the step that its time lies in. A neuron that passes its active zone in that step is at distance zero; a
/// neuron that takes several steps begins to release a spike before it reaches threshold, and stays at a small distance from any
/// target. The integral goes on after the end of the trial, with the weight of the last sample, while the filtered trains decay.
///
/// A sample's weight multiplies `(f - g)^2`. In a sample of weight 0 the distance stands still: no time passes for `f` and `g`, and neither
/// charges nor target spikes of the sample are seen.
///
/// ```
/// use spikegrad_adjoint::Sweep;
/// use spikegrad_models::{GateShape, Nif};
/// use spikegrad_network::{Network, NoLoss, Population, SplitStep, Trial};
/// use spikegrad_tasks::VanRossum;
///
/// let population = Population::new("cells", Nif, 2, GateShape::Box, 0.05);
/// let mut network = Network::builder().population(population).synapse("slow", 20.0).build()?;
/// network.parameters.bias_mut().copy_from_slice(&[0.052, 0.103]);
/// let scheme = SplitStep::new(&network, 0.1)?;
/// let mut trial = Trial::silent(100, 1.0, 0);
///
/// // The network is to fire as it does, but for one spike.
/// trial.target_spikes = scheme.run(&trial, &NoLoss)?.record()?.spikes;
/// trial.target_spikes.remove(3);
/// let loss = VanRossum { neurons: 0..2, tau: 100.0 };
/// let distance: f64 = Sweep::new().cost(&scheme.run(&trial, &loss)?)?;
/// assert!((distance - 0.5).abs() < 0.05);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct VanRossum {
    /// The neurons whose spike trains are compared.
    pub neurons: Range<usize>,
    /// Time constant of the filter, ms: spikes that are further apart are two errors, and spikes that are closer are one error or less.
    pub tau: f64,
}

of_the_run_alone!(VanRossum);

/// What is accumulated for all neurons, behind the `f_i - g_i` of each: `D^2` so far, and the weight of the last sample.
const SHARED: usize = 2;

/// What a step makes of `f - g` and adds to `D^2`, equation (98).
struct Filter<T> {
    /// What is left of `f - g`.
    a: T,
    /// What a charge adds to it.
    b: T,
    /// What its square, twice its product with the charge, and the square of the charge add to `D^2`.
    squares: [T; 3],
}

impl<T: Scalar> Filter<T> {
    fn new(h: T, tau: f64) -> Self {
        let h: f64 = h.to_subset_unchecked();
        let x = h / tau;
        let lost = -(-x).exp_m1();
        let squares = [lost * (2.0 - lost) / 2.0, lost * lost / (2.0 * x), charge_alone(x)];
        let real = |x: f64| T::from_subset(&x);
        Self { a: real(1.0 - lost), b: real(lost / x), squares: squares.map(real) }
    }
}

/// `(x - 3/2 + 2 exp(-x) - exp(-2 x) / 2) / x^2`, which is `x / 3` for small `x`.
fn charge_alone(x: f64) -> f64 {
    if x > 0.5 {
        let lost = -(-x).exp_m1();
        return (x - lost - lost * lost / 2.0) / (x * x);
    }
    // The terms of the quotient cancel: it is summed by powers of x.
    let (mut power, mut half, mut sum) = (x / 6.0, 4.0, 0.0);
    for k in 4..24 {
        sum += (half - 2.0) * power;
        power *= -x / f64::from(k);
        half *= 2.0;
    }
    sum
}

impl VanRossum {
    /// What each neuron has released in a step beyond its target spikes, with its place in the release.
    fn excess<'r, T: Scalar>(
        &self,
        release: &Release<'r, T>,
    ) -> impl Iterator<Item = (Option<usize>, T)> + use<'r, T> {
        let charges = every_charge(&self.neurons, release).zip(every_target(&self.neurons, release));
        charges.map(|((place, charge), target): (_, T)| (place, charge - target))
    }
}

/// The sum of the squares of `f - g`, over two: what its decay adds to `D^2` after the end.
fn rest<T: Scalar>(differences: &[T]) -> T {
    differences.iter().fold(T::zero(), |sum, &d| sum + d * d) * T::from_subset(&0.5)
}

impl<T: Scalar> RunLoss<T> for VanRossum {
    fn accumulators(&self, _: usize) -> usize {
        self.neurons.len() + SHARED
    }

    fn check(&self, neurons: usize, _: usize) -> Result<(), Error> {
        if !(self.tau > 0.0 && self.tau.is_finite()) {
            let what = "the time constant of the distance of spike trains".into();
            return Err(Error::NotPositive { what, value: self.tau });
        }
        check_neurons(&self.neurons, neurons)
    }

    fn start(&self, _: usize, m: &mut [T]) {
        m.fill(T::zero());
    }

    fn accumulate(&self, at: &Sample<'_, T>, release: &Release<'_, T>, m: &mut [T]) {
        let Some((differences, [distance, weight])) = m.split_last_chunk_mut::<SHARED>() else { return };
        let Filter { a, b, squares: [own, mixed, charge] } = Filter::new(release.h, self.tau);
        let mut sum = T::zero();
        for (d, (_, q)) in differences.iter_mut().zip(self.excess(release)) {
            let product = mixed * *d * q;
            sum += own * *d * *d + (product + product) + charge * q * q;
            *d = a * *d + b * q;
        }
        *distance += at.weight * sum;
        *weight = at.weight;
    }

    fn looks_back(&self) -> bool {
        true
    }

    fn accumulate_vjp(
        &self,
        at: &Sample<'_, T>,
        release: &Release<'_, T>,
        m: &[T],
        m_bar: &mut [T],
        _: &mut SampleBar<'_, T>,
        charge_bar: &mut [T],
    ) {
        let Some((differences_bar, [distance_bar, weight_bar])) = m_bar.split_last_chunk_mut::<SHARED>()
        else {
            return;
        };
        let Filter { a, b, squares: [own, mixed, charge] } = Filter::new(release.h, self.tau);
        let sum_bar = at.weight * *distance_bar;
        let twice = sum_bar + sum_bar;
        for ((d_bar, &d), (place, q)) in differences_bar.iter_mut().zip(m).zip(self.excess(release)) {
            if let Some(place) = place {
                charge_bar[place] += b * *d_bar + twice * (mixed * d + charge * q);
            }
            *d_bar = a * *d_bar + twice * (own * d + mixed * q);
        }
        *weight_bar = T::zero();
    }

    fn end(&self, run: &RunEnd<'_, T>) -> T {
        let Some((differences, &[distance, weight])) = run.m.split_last_chunk::<SHARED>() else {
            return T::zero();
        };
        distance + weight * rest(differences)
    }

    fn end_vjp(&self, run: &RunEnd<'_, T>, value_bar: T, m_bar: &mut [T]) {
        let Some((differences, &[_, weight])) = run.m.split_last_chunk::<SHARED>() else { return };
        let Some((bars, [distance_bar, weight_bar])) = m_bar.split_last_chunk_mut::<SHARED>() else { return };
        for (bar, &d) in bars.iter_mut().zip(differences) {
            *bar += value_bar * weight * d;
        }
        *distance_bar += value_bar;
        *weight_bar += value_bar * rest(differences);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_meets_the_quotient() {
        let quotient = |x: f64| (x - 1.5 + 2.0 * (-x).exp() - (-2.0 * x).exp() / 2.0) / (x * x);
        for x in [0.2, 0.499, 0.501, 1.0, 7.0] {
            assert!((charge_alone(x) / quotient(x) - 1.0).abs() < 1e-12, "{x}");
        }
        assert!((charge_alone(1e-9) / 1e-9 - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_step_is_two_steps_of_half_of_it() {
        let (d, q, tau) = (0.7, -0.4, 3.0);
        let step = |h: f64, d: f64, q: f64| {
            let Filter { a, b, squares: [own, mixed, charge] } = Filter::<f64>::new(h, tau);
            (a * d + b * q, own * d * d + 2.0 * mixed * d * q + charge * q * q)
        };
        for h in [1e-6, 0.1, 2.0, 40.0] {
            let (whole, added) = step(h, d, q);
            let (half, first) = step(h / 2.0, d, q / 2.0);
            let (end, second) = step(h / 2.0, half, q / 2.0);
            assert!((end - whole).abs() < 1e-14 && (first + second - added).abs() < 1e-14, "{h}");
        }
    }
}
