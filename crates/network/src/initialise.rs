//! Where training starts: random weights by fan-in, tonic currents that make a population fire at a rate.

use rand::{Rng, RngExt};
use spikegrad_integrators::Step;

use crate::event::normal;
use crate::placed::Placed;
use crate::populations::{Block, BlockMut, Context, Population};
use crate::readout::ReadPart;
use crate::schemes::SplitStep;
use crate::{Error, Group, Network, NoLoss, Trial, memory};

/// A distribution that the entries of a group are drawn from. The fan-in of a neuron is the number of its connections in the
/// group: those that a mask or a list of connections leaves, or all.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Draw {
    /// Normal numbers.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        deviation: f64,
    },
    /// Numbers between two.
    Uniform {
        /// The least one.
        low: f64,
        /// The greatest one.
        high: f64,
    },
    /// Normal numbers of mean 0 and standard deviation `gain / sqrt(fan-in)`, so that a neuron's whole input does not grow with the
    /// number of its connections.
    FanIn {
        /// The standard deviation of a neuron with one connection.
        gain: f64,
    },
    /// Uniform numbers of the same mean and standard deviation as [`FanIn`](Self::FanIn).
    UniformFanIn {
        /// The standard deviation of a neuron with one connection.
        gain: f64,
    },
    /// Normal numbers on the diagonal, zero elsewhere: autapses, with which a neuron remembers by itself (the identity of rate
    /// networks).
    Diagonal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        deviation: f64,
    },
}

/// How [`Network::initialise`] chooses weights and tonic currents.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Initialisation {
    /// The rate that each population fires at by its tonic current alone, Hz. Models that cannot fire so slowly get 1.6
    /// times the least current that makes them fire.
    pub rate: f64,
    /// Standard deviation of the tonic currents, as a part of them: neurons that are all alike fire together.
    pub spread: f64,
    /// The current right after a spike of each of a neuron's presynaptic neurons at once, with random signs, as a part of the
    /// tonic one. Neurons that never spike get currents that make their voltages differ by `readout` where all others fire at `rate`. At 0.1 networks are below chaos: small differences stay small.
    pub gain: f64,
    /// The current that an input of 1 in every channel gives, with random signs, as a part of the tonic one.
    pub input: f64,
    /// Standard deviation of the readouts of traces of neurons that all fire at `rate`.
    pub readout: f64,
    /// The step of the runs that look for the tonic currents, ms: as in training.
    pub h: f64,
}

impl Default for Initialisation {
    /// 10 Hz, currents that differ by a tenth, a gain of 0.1, inputs of 0.3, a readout of 0.3, and steps of 0.1 ms.
    fn default() -> Self {
        Self { rate: 10.0, spread: 0.1, gain: 0.1, input: 0.3, readout: 0.3, h: 0.1 }
    }
}

/// A tonic current and the rate of a neuron that has no other one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TonicCurrent {
    /// The current.
    pub current: f64,
    /// The rate, Hz.
    pub rate: f64,
}

/// A model that fires so much faster than it was asked to, at the least current that makes it fire or right behind that, cannot fire
/// more slowly: it gets more current. Hodgkin and Huxley's can stay at rest, too, up to 1.56 times the least one (6.26 and 9.78).
const EDGE: f64 = 1.5;
const BEYOND: f64 = 1.6;

/// The time that a neuron is given at least to come to its rate, ms, and how many of its spikes are counted.
const SETTLE: f64 = 200.0;
const SPIKES: f64 = 10.0;

/// The most steps of a run, some seconds of one neuron.
const MOST_STEPS: f64 = 1e8;

impl Population {
    /// The least tonic current at which a neuron of the population fires at `rate` Hz or faster, found by halving an interval, in
    /// runs of twenty spikes and 200 ms with steps of `h` ms.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Lif};
    /// # use spikegrad_network::Population;
    /// let population = Population::new("lif", Lif::default(), 1, GateShape::RaisedCosine, 0.3);
    /// let found = population.tonic_current(10.0, 0.1)?;
    /// assert!((9.0..=11.5).contains(&found.rate));
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    ///
    /// # Errors
    /// If `rate` or `h` is not positive and finite, a run does not stay finite or takes more than 1e8 steps, or no current makes the
    /// neuron fire so fast.
    pub fn tonic_current(&self, rate: f64, h: f64) -> Result<TonicCurrent, Error> {
        if !(rate > 0.0 && rate.is_finite()) {
            return Err(Error::NotPositive { what: "the rate of a population".into(), value: rate });
        }
        let rate_at = |current: f64| Ok::<f64, Error>(self.rate_of(current, rate, h)?.rate);
        // Currents of models have sizes from 0.001 per ms to 1000 pA.
        let (mut low, mut high) = (0.0, 1e-3);
        while rate_at(high)? < rate {
            (low, high) = (high, 1.5 * high);
            if high > 1e6 {
                return Err(Error::NeverFires { population: self.name().to_owned(), rate });
            }
        }
        for _ in 0..20 {
            let middle = 0.5 * (low + high);
            *(if rate_at(middle)? < rate { &mut low } else { &mut high }) = middle;
        }
        self.rate_of(high, rate, h)
    }

    /// The rate of one neuron with a tonic current, counted over as long as ten spikes at `expected` Hz take.
    fn rate_of(&self, current: f64, expected: f64, h: f64) -> Result<TonicCurrent, Error> {
        let mut one = self.clone();
        (one.spec.size, one.spec.sign) = (1, None);
        let mut network = Network::builder().population(one).synapse("none", 10.0).build()?;
        network.parameters.bias_mut()[0] = current;
        let counted = SPIKES * 1e3 / expected;
        // As long again before that: some models fire a long train before they fall silent.
        let settle = SETTLE + counted;
        let scheme = SplitStep::new(&network, h)?;
        let steps = ((settle + counted) / h).ceil();
        if steps > MOST_STEPS {
            return Err(Error::SlowRate { rate: expected, h, steps });
        }
        let trial = Trial::silent(steps as usize, h, 0);
        let run = scheme.run(&trial, &NoLoss)?;
        let mut spikes = 0.0;
        run.watch(|n, _, tape| {
            if run.time(n) >= settle {
                run.last_spikes(tape, |_, count| spikes += count as f64);
            }
        })?;
        Ok(TonicCurrent { current, rate: spikes * 1e3 / counted })
    }
}

impl Network<f64> {
    /// Draws the entries of a group. Masked entries stay zero, and weights of neurons with a sign get that sign.
    ///
    /// ```
    /// # use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
    /// # use spikegrad_models::{GateShape, Theta};
    /// # use spikegrad_network::{Draw, Group, Network, Population};
    /// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// # let mut network = Network::builder().population(population).synapse("slow", 20.0).build()?;
    /// let rng = &mut ChaCha8Rng::seed_from_u64(1);
    /// network.draw(Group::Weight(0), Draw::FanIn { gain: 0.1 }, rng)?;
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the network does not have the group, or a number of the distribution is not finite.
    pub fn draw(&mut self, group: Group, draw: Draw, rng: &mut impl Rng) -> Result<(), Error> {
        self.draw_scaled(group, draw, |_| 1.0, rng)
    }

    /// [`draw`](Self::draw), with all entries of a row times a scale.
    fn draw_scaled(
        &mut self,
        group: Group,
        draw: Draw,
        scale: impl Fn(usize) -> f64,
        rng: &mut impl Rng,
    ) -> Result<(), Error> {
        let entry = self.check_group(group)?;
        let numbers = match draw {
            Draw::Normal { mean: a, deviation: b } | Draw::Diagonal { mean: a, deviation: b } => [a, b],
            Draw::Uniform { low, high } => [low, high],
            Draw::FanIn { gain } | Draw::UniformFanIn { gain } => [gain, gain],
        };
        if let Some(index) = numbers.iter().position(|x| !x.is_finite()) {
            return Err(Error::NonFinite { what: format!("the distribution of {}", entry.name), index });
        }
        let mask = self.mask(group);
        let exists = |i: usize| mask.is_none_or(|mask| mask[i]);
        let mut fan_in = Vec::new();
        for (_, (row, _)) in self.coordinates(entry).enumerate().filter(|(i, _)| exists(*i)) {
            if fan_in.len() <= row {
                fan_in.resize(row + 1, 0.0);
            }
            fan_in[row] += 1.0;
        }
        let mut drawn = memory::room("the entries that are drawn", entry.range.len())?;
        for (i, (row, column)) in self.coordinates(entry).enumerate() {
            if !exists(i) {
                drawn.push(0.0);
                continue;
            }
            let by_fan_in = |gain: f64| gain / f64::sqrt(fan_in[row]);
            let value = match draw {
                Draw::Normal { mean, deviation } => mean + deviation * normal(rng),
                Draw::Uniform { low, high } => low + (high - low) * rng.random::<f64>(),
                Draw::FanIn { gain } => by_fan_in(gain) * normal(rng),
                Draw::UniformFanIn { gain } => {
                    by_fan_in(gain) * f64::sqrt(3.0) * (2.0 * rng.random::<f64>() - 1.0)
                }
                Draw::Diagonal { mean, deviation } if row == column => mean + deviation * normal(rng),
                Draw::Diagonal { .. } => 0.0,
            };
            drawn.push(value * scale(row));
        }
        self.parameters.set(group, &drawn)?;
        if let Group::Weight(k) = group {
            self.turn_signs(k);
        }
        Ok(())
    }

    /// Chooses tonic currents, weights of all projections, input weights and readout, so that the network fires at moderate rates
    /// below chaos and no gradient is zero. Returns the tonic current of each population, with the rate of a neuron by itself.
    ///
    /// ```
    /// use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
    /// use spikegrad_models::{AdEx, GateShape, Lif};
    /// use spikegrad_network::{Initialisation, Network, NoLoss, Population, SplitStep, Trial};
    ///
    /// let mut network = Network::builder()
    ///     .population(Population::new("e", AdEx::default(), 40, GateShape::RaisedCosine, 4.0).excitatory())
    ///     .population(Population::new("i", Lif::default(), 10, GateShape::RaisedCosine, 0.3).inhibitory())
    ///     .synapse("slow", 20.0)
    ///     .outputs(1)
    ///     .build()?;
    /// network.initialise(&Initialisation::default(), &mut ChaCha8Rng::seed_from_u64(1))?;
    /// let scheme = SplitStep::new(&network, 0.1)?;
    /// let recording = scheme.run(&Trial::silent(5000, 0.1, 0), &NoLoss)?.record()?;
    /// let rate = recording.spikes.len() as f64 / 50.0 / 0.5;
    /// assert!((2.0..30.0).contains(&rate), "{rate}");
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Population::tonic_current`]; a number of `how` that is not finite. The network then stays as it was.
    pub fn initialise(
        &mut self,
        how: &Initialisation,
        rng: &mut impl Rng,
    ) -> Result<Vec<TonicCurrent>, Error> {
        let numbers = [how.spread, how.gain, how.input, how.readout];
        if let Some(index) = numbers.iter().position(|x| !x.is_finite()) {
            return Err(Error::NonFinite { what: "spread, gain, input or readout".into(), index });
        }
        let mut found = Vec::with_capacity(self.places.len());
        for population in 0..self.places.len() {
            if self.places[population].width.is_none() {
                found.push(TonicCurrent { current: 0.0, rate: 0.0 });
                continue;
            }
            let described = self.as_described(population);
            let mut tonic = described.tonic_current(how.rate, how.h)?;
            let behind = described.rate_of(1.01 * tonic.current, how.rate, how.h)?;
            if tonic.rate.max(behind.rate) > EDGE * how.rate {
                // At the edge of firing the least difference decides whether a neuron fires, and for how long.
                tonic = described.rate_of(BEYOND * tonic.current, how.rate, how.h)?;
            }
            found.push(tonic);
        }
        let each = self.places.iter().zip(&found);
        let each = each.flat_map(|(place, found)| std::iter::repeat_n(found.current, place.size));
        for (bias, current) in self.parameters.bias_mut().iter_mut().zip(each) {
            *bias = current * (1.0 + how.spread * normal(rng));
        }
        // What a gain is a part of, and whether the neuron is there to be read.
        let each = self.places.iter().zip(&found);
        let each = each.flat_map(|(place, found)| {
            let silent = place.width.is_none();
            let scale = if silent { self.holding_current(place) } else { found.current };
            std::iter::repeat_n((scale, silent), place.size)
        });
        let scales: Vec<(f64, bool)> = each.collect();
        // The trace of a neuron at `rate` is `rate` per ms.
        let of_traces = how.readout * 1e3 / how.rate;
        for k in 0..self.wires.len() {
            if self.wires[k].post.is_empty() {
                continue;
            }
            let (tau, post) = (self.parameters.group(Group::Tau(k))[0], self.wires[k].post.clone());
            let start = self.parameters.group(Group::Initial)[post.clone()].to_vec();
            let e_rev = self.reversal_potential(k);
            let gain = |row: usize| {
                let (scale, silent) = scales[post.start + row];
                // A conductance moves its driving force's worth of current.
                let force = e_rev.map_or(1.0, |e_rev| (e_rev - start[row]).abs());
                let scale = if force > 0.0 { scale / force } else { scale };
                if silent { of_traces * scale } else { how.gain * tau * scale }
            };
            if let Some(rank) = self.wires[k].rank {
                // The product of two factors of such sizes has entries as those of a full matrix.
                let root = f64::sqrt(gain(0)) / (rank as f64).powf(0.25);
                let fan_in = (self.wires[k].pre.len() as f64).powf(0.25);
                for group in [Group::Left(k), Group::Right(k)] {
                    let draw = Draw::Normal { mean: 0.0, deviation: root / fan_in };
                    self.draw(group, draw, rng)?;
                }
                continue;
            }
            self.draw_scaled(Group::Weight(k), Draw::FanIn { gain: 1.0 }, gain, rng)?;
        }
        self.draw_scaled(Group::Input, Draw::FanIn { gain: how.input }, |row| scales[row].0, rng)?;
        self.draw(Group::Readout(0), Draw::FanIn { gain: of_traces }, rng)?;
        for r in 0..self.readouts.all.len() {
            // Voltages of neurons that never spike differ by `readout` already, and all others are of this size, too.
            let voltages = self.readouts.all[r].parts.iter().all(|p| matches!(p, ReadPart::Voltages(_)));
            let gain = if voltages { 1.0 } else { of_traces };
            self.draw(Group::Readout(r + 1), Draw::FanIn { gain }, rng)?;
        }
        Ok(found)
    }

    /// The reversal potential of a projection whose traces are conductances.
    fn reversal_potential(&self, k: usize) -> Option<f64> {
        let parameter = self.wires[k].receptor.map(|_| self.wires[k].receptor_from())?;
        self.parameters.group(Group::Synapse { projection: k, parameter }).first().copied()
    }

    /// The current that holds a neuron that never spikes at a voltage of 1 above its rest.
    fn holding_current(&self, place: &Placed) -> f64 {
        let loops = place.loops.of::<f64>();
        let each = if place.per_neuron { place.size } else { 1 };
        let parameters: Vec<f64> =
            self.context(place, 1.0, None).parameters.iter().step_by(each).copied().collect();
        let at = Context { parameters: &parameters, per_neuron: false, ..self.context(place, 1.0, None) };
        let rest = loops.rest(&parameters);
        let slope = |above: f64, current: f64| {
            let (mut v_dot, mut rest_dot) = ([0.0], vec![0.0; rest.len() - 1]);
            let x = Block { v: &[rest[0] + above], rest: &rest[1..], latch: &[] };
            let f = BlockMut { v: &mut v_dot, rest: &mut rest_dot, latch: &mut [] };
            loops.rhs(&at, x, &[current], f);
            v_dot[0]
        };
        ((slope(0.0, 0.0) - slope(1.0, 0.0)) / (slope(0.0, 1.0) - slope(0.0, 0.0))).abs()
    }

    /// A population as it was described, with the parameters that its first neuron has now.
    fn as_described(&self, index: usize) -> Population {
        let (place, mut spec) = (&self.places[index], self.description.populations[index].clone());
        for (parameter, info) in place.loops.of::<f64>().parameters().iter().enumerate() {
            let values = self.parameters.group(Group::Neuron { population: index, parameter });
            if let (Some(to), Some(&value)) = (spec.parameters.get_mut(info.name), values.first()) {
                *to = value;
            }
        }
        Population { spec, loops: Some(place.loops) }
    }
}
