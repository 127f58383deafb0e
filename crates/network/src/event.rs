//! Spike events: charges that come from outside the network, and random ones.

use std::ops::Range;

use rand::{Rng, RngExt};

use crate::memory::{self, MEMORY_LIMIT};
use crate::{Error, Scalar};

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
    /// This event with another scalar.
    pub(crate) fn map<U: Scalar>(&self, f: impl Fn(T) -> U) -> Event<U> {
        Event { time: self.time, channel: self.channel, charge: f(self.charge) }
    }
}

/// The events of independent Poisson processes, one for each of `channels`, at `rate` Hz for `duration` ms, each of the charge
/// `charge`, in order of time. The same generator gives the same events on all machines.
///
/// ```
/// # use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
/// let rng = &mut ChaCha8Rng::seed_from_u64(1);
/// let events = spikegrad_network::poisson_events(0..100, 10.0, 1000.0, 1.0, rng)?;
/// assert!((850..1150).contains(&events.len()));
/// # Ok::<(), spikegrad_network::Error>(())
/// ```
///
/// # Errors
/// If the rate or the duration is negative or not finite, or so many events do not fit into memory.
pub fn poisson_events<T: Scalar>(
    channels: Range<u32>,
    rate: f64,
    duration: f64,
    charge: T,
    rng: &mut impl Rng,
) -> Result<Vec<Event<T>>, Error> {
    check_not_negative("the rate of events", rate)?;
    check_not_negative("the duration of events", duration)?;
    let (what, per_ms) = ("random events", rate * 1e-3);
    let expected = channels.len() as f64 * per_ms * duration;
    memory::check(what, expected * size_of::<Event<T>>() as f64, MEMORY_LIMIT)?;
    // Six standard deviations more than are expected.
    let mut events = memory::room(what, (expected + 6.0 * expected.sqrt()).ceil() as usize)?;
    for channel in channels.filter(|_| per_ms > 0.0) {
        let mut time = 0.0;
        loop {
            let u: f64 = rng.random();
            time -= libm::log1p(-u) / per_ms;
            if time >= duration {
                break;
            }
            events.push(Event { time, channel, charge });
        }
    }
    events.sort_by(|a, b| a.time.total_cmp(&b.time).then(a.channel.cmp(&b.channel)));
    Ok(events)
}

/// A current for each of `neurons` that fluctuates as an Ornstein-Uhlenbeck process: Gaussian with mean `mean` and standard
/// deviation `deviation`, correlated over `tau` ms, sampled every `interval` ms: `samples x neurons`, as
/// [`Trial::currents`](crate::Trial::currents) has them. Samples are exact for the process whatever the interval; `tau` of zero
/// gives independent ones. The same generator gives the same currents on all machines.
///
/// ```
/// # use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
/// let rng = &mut ChaCha8Rng::seed_from_u64(1);
/// let currents: Vec<f64> = spikegrad_network::fluctuating_currents(1000, 5, 1.0, (0.05, 0.01), 5.0, rng)?;
/// let mean = currents.iter().sum::<f64>() / 5000.0;
/// assert!((0.048..0.052).contains(&mean));
/// # Ok::<(), spikegrad_network::Error>(())
/// ```
///
/// # Errors
/// If the interval, the deviation or the time constant is negative or not finite, the mean is not finite, or so many currents do not
/// fit into memory.
pub fn fluctuating_currents<T: Scalar>(
    samples: usize,
    neurons: usize,
    interval: f64,
    (mean, deviation): (f64, f64),
    tau: f64,
    rng: &mut impl Rng,
) -> Result<Vec<T>, Error> {
    check_not_negative("the interval of random currents", interval)?;
    check_not_negative("the standard deviation of random currents", deviation)?;
    check_not_negative("the time constant of random currents", tau)?;
    if !mean.is_finite() {
        return Err(Error::NonFinite { what: "the mean of random currents".into(), index: 0 });
    }
    let what = "random currents";
    memory::check(what, memory::bytes::<T>(&[samples, neurons]), MEMORY_LIMIT)?;
    let mut currents = memory::room(what, samples * neurons)?;
    let mut state = memory::room(what, neurons)?;
    let keep = if tau > 0.0 { libm::exp(-interval / tau) } else { 0.0 };
    let fresh = libm::sqrt(1.0 - keep * keep);
    state.resize(neurons, 0.0);
    for sample in 0..samples {
        for x in &mut state {
            let normal = normal(rng);
            *x = if sample == 0 { normal } else { keep * *x + fresh * normal };
            currents.push(T::from_subset(&(mean + deviation * *x)));
        }
    }
    Ok(currents)
}

fn check_not_negative(what: &str, value: f64) -> Result<(), Error> {
    if value >= 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(Error::Negative { what: what.to_owned(), value })
    }
}

/// A standard normal number.
pub(crate) fn normal(rng: &mut impl Rng) -> f64 {
    // Box & Muller (1958); the logarithm needs a number above zero.
    let (u, turn): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    libm::sqrt(-2.0 * libm::log(u)) * libm::cos(std::f64::consts::TAU * turn)
}
