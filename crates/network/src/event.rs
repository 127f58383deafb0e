//! Spike events: charges that come from outside the network, and random ones.

use rand::{Rng, RngExt};

use crate::Scalar;

/// A charge that a channel of an event source releases at a time, 1 for a spike of a neuron. The step that the time lies in
/// releases the charge, as if a presynaptic neuron had fired in it.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Event<T> {
    /// Time from the start of the trial, ms.
    pub time: f64,
    /// The channel, counted over all sources of the network in the order in which they were added.
    pub channel: u32,
    /// The charge.
    pub charge: T,
}

impl<T: Scalar> Event<T> {
    /// The same event with another scalar.
    pub(crate) fn map<U: Scalar>(&self, f: impl Fn(T) -> U) -> Event<U> {
        Event { time: self.time, channel: self.channel, charge: f(self.charge) }
    }
}

/// The events of independent Poisson processes, one for each of `channels`, at `rate` Hz for `duration` ms, each of the charge
/// `charge`, in order of time. The same generator gives the same events on all machines.
///
/// ```
/// # use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
/// let events = spikegrad_network::poisson_events(0..100, 10.0, 1000.0, 1.0, &mut ChaCha8Rng::seed_from_u64(1));
/// assert!((850..1150).contains(&events.len()));
/// ```
pub fn poisson_events<T: Scalar>(
    channels: std::ops::Range<u32>,
    rate: f64,
    duration: f64,
    charge: T,
    rng: &mut impl Rng,
) -> Vec<Event<T>> {
    let (mut events, per_ms) = (Vec::new(), rate * 1e-3);
    // Rates that are no rates have no events.
    for channel in channels.filter(|_| per_ms > 0.0 && per_ms.is_finite()) {
        let mut time = 0.0;
        loop {
            let u: f64 = rng.random();
            time -= libm::log1p(-u) / per_ms;
            if !(time < duration) {
                break;
            }
            events.push(Event { time, channel, charge });
        }
    }
    events.sort_by(|a, b| a.time.total_cmp(&b.time).then(a.channel.cmp(&b.channel)));
    events
}

/// A current for each of `neurons` that fluctuates as an Ornstein-Uhlenbeck process: Gaussian with mean `mean` and standard
/// deviation `deviation`, correlated over `tau` ms, sampled every `interval` ms: `samples x neurons`, as
/// [`Trial::currents`](crate::Trial::currents) has them. Samples are exact for the process whatever the interval; `tau` of zero
/// gives independent ones. The same generator gives the same currents on all machines.
///
/// ```
/// # use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
/// let mut rng = ChaCha8Rng::seed_from_u64(1);
/// let currents: Vec<f64> = spikegrad_network::fluctuating_currents(1000, 5, 1.0, (0.05, 0.01), 5.0, &mut rng);
/// let mean = currents.iter().sum::<f64>() / 5000.0;
/// assert!((0.048..0.052).contains(&mean));
/// ```
pub fn fluctuating_currents<T: Scalar>(
    samples: usize,
    neurons: usize,
    interval: f64,
    (mean, deviation): (f64, f64),
    tau: f64,
    rng: &mut impl Rng,
) -> Vec<T> {
    let keep = if tau > 0.0 { libm::exp(-interval / tau) } else { 0.0 };
    let fresh = libm::sqrt(1.0 - keep * keep);
    let mut state = vec![0.0; neurons];
    let mut currents = Vec::with_capacity(samples.saturating_mul(neurons));
    for sample in 0..samples {
        for x in &mut state {
            let normal = normal(rng);
            *x = if sample == 0 { normal } else { keep * *x + fresh * normal };
            currents.push(T::from_subset(&(mean + deviation * *x)));
        }
    }
    currents
}

/// A standard normal number.
pub(crate) fn normal(rng: &mut impl Rng) -> f64 {
    // Box & Muller (1958); the logarithm needs a number above zero.
    let (u, turn): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    libm::sqrt(-2.0 * libm::log(u)) * libm::cos(std::f64::consts::TAU * turn)
}
