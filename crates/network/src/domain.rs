//! Where a step of the parameters may go: not to entries that are not trained, and not out of what belongs together. Signs
//! of neurons (equation (69)) and the joint domain of threshold, reset, gate width and initial voltage (equation (73)) are
//! projected onto, so that training goes on along their edge.

use std::ops::Range;

use crate::projections::Delayed;
use crate::{Group, Network, Scalar};

/// How often the constraints of a population are gone through, since one that is met may break another.
const ROUNDS: usize = 32;

/// What a constraint sees of a parameter: its group, its index in the group, and its coefficient.
type Term<T> = (Group, usize, T);

impl<T: Scalar> Network<T> {
    /// The parts of the flat vector of parameters that are not trained: frozen groups, frozen entries and entries that a mask
    /// excludes. Some may be named more than once. An optimiser leaves them as they are, whatever it remembers of them.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Nif};
    /// # use spikegrad_network::{Group, Network, Population};
    /// # let population = Population::new("nif", Nif, 3, GateShape::Box, 0.3);
    /// # let mut network = Network::builder().population(population).synapse("slow", 10.0).build()?;
    /// network.freeze_entries(Group::Bias, |neuron, _| neuron == 1)?;
    /// let bias = network.parameters.layout().range(Group::Bias);
    /// assert!(network.untrained().any(|range| range == (bias.start + 1..bias.start + 2)));
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    pub fn untrained(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let layout = self.parameters.layout();
        let delays = (0..self.wires.len())
            .filter(|&k| self.wires[k].delayed == Delayed::Connections)
            .filter_map(|k| Some((Group::Delay(k), self.mask(Group::Delay(k))?)));
        let masks = self.masks.iter().map(|(group, mask)| (*group, mask.as_slice())).chain(delays);
        let masked = masks.flat_map(move |(group, mask)| runs(mask, false, layout.range(group).start));
        let entries = self.frozen_entries.iter();
        let entries = entries.flat_map(move |(group, f)| runs(f, true, layout.range(*group).start));
        let groups = self.frozen.iter().map(move |group| layout.range(*group));
        masked.chain(entries).chain(groups)
    }

    /// Sets the gradient of what is not trained to zero.
    pub(crate) fn mask_gradient(&self, gradient: &mut [T]) {
        self.untrained().for_each(|range| gradient[range].fill(T::zero()));
    }

    /// Whether an entry of a group is trained.
    fn trains(&self, group: Group, index: usize) -> bool {
        let at = |flags: Option<&[bool]>, missing| flags.map_or(missing, |f| f[index]);
        self.is_trainable(group) && at(self.mask(group), true) && !at(self.frozen_entries(group), false)
    }

    /// Puts parameters that a step took out of what belongs together back to the nearest ones that obey: weights to the signs
    /// of their neurons (equation (69)); threshold, reset voltage, gate width and initial voltage to where the zone fits between
    /// reset and threshold and a neuron starts below its threshold (equation (73)). An optimiser does this after every step.
    ///
    /// Parameters that are not trained, and parameters that obey already, keep their bits. A parameter that no projection can
    /// help, such as one that is not finite, is left to [`validate`](Self::validate).
    pub fn project(&mut self) {
        self.keep_signs();
        self.keep_below_one();
        for population in 0..self.places.len() {
            let place = &self.places[population];
            let (sets, size) = (if place.per_neuron { place.size } else { 1 }, place.size);
            let trains_start = self.is_trainable(Group::Initial);
            if !place.trains_neurons && !place.trains_width && !trains_start {
                continue;
            }
            for _ in 0..ROUNDS {
                let mut moved = false;
                for set in 0..sets {
                    let zone = self.zone(population, set);
                    moved |= zone.is_some_and(|(excess, terms)| self.give_way(excess, terms));
                }
                for neuron in 0..size {
                    let start = self.start_below(population, neuron);
                    moved |= start.is_some_and(|(excess, terms)| self.give_way(excess, terms));
                }
                if !moved {
                    break;
                }
            }
        }
    }

    /// Puts trained parameters that must stay below 1 half of the digits below it.
    fn keep_below_one(&mut self) {
        let entries = self.parameters.layout().entries().iter().map(|entry| entry.group);
        let groups: Vec<_> = entries.filter(|&g| self.is_below_one(g) && self.is_trainable(g)).collect();
        let most = T::one() - T::default_epsilon().sqrt();
        for group in groups {
            self.parameters.group_mut(group).iter_mut().filter(|x| **x >= T::one()).for_each(|x| *x = most);
        }
    }

    /// By how much the zone of a population, with one set of its parameters, is wider than the way from reset to threshold,
    /// and what changes that.
    fn zone(&self, population: usize, set: usize) -> Option<(T, Vec<Term<T>>)> {
        let place = &self.places[population];
        let at = self.context(place, T::one(), None);
        let reset = place.loops.of::<T>().reset(&at, set);
        let (width, widest) = (at.width, reset.widest_zone()?);
        if width <= widest {
            return None;
        }
        let mut terms = vec![(Group::GateWidth(population), 0, T::one())];
        terms.extend(self.reset_terms(population, set, -T::one(), T::one()));
        let size = width + reset.threshold().abs() + (reset.threshold() - widest).abs();
        Some((width - widest + rounding(size), terms))
    }

    /// By how much a neuron's initial voltage is not below its threshold, and what changes that.
    fn start_below(&self, population: usize, neuron: usize) -> Option<(T, Vec<Term<T>>)> {
        let place = &self.places[population];
        let set = if place.per_neuron { neuron } else { 0 };
        let at = self.context(place, T::one(), None);
        let reset = place.loops.of::<T>().reset(&at, set);
        let index = place.offset + neuron;
        let (v, threshold) = (self.parameters.group(Group::Initial)[index], reset.threshold());
        if !reset.starts_below_threshold() || v < threshold {
            return None;
        }
        // The domain is open: half of the digits below its edge.
        let below = T::default_epsilon().sqrt() * reset.widest_zone()?.abs();
        let mut terms = vec![(Group::Initial, index, T::one())];
        terms.extend(self.reset_terms(population, set, -T::one(), T::zero()));
        Some((v - threshold + below + rounding(v.abs() + threshold.abs()), terms))
    }

    /// The derivative of `a threshold + b value` by a neuron's parameters.
    fn reset_terms(&self, population: usize, set: usize, a: T, b: T) -> Vec<Term<T>> {
        let place = &self.places[population];
        let mut bar = vec![T::zero(); place.loops.of::<T>().parameters().len()];
        let at = self.context(place, T::one(), None);
        place.loops.of::<T>().reset_vjp(&at, set, (a, b), &mut bar);
        let index = if place.per_neuron { set } else { 0 };
        let term = |(parameter, bar)| (Group::Neuron { population, parameter }, index, bar);
        bar.into_iter().enumerate().map(term).collect()
    }

    /// Moves those parameters of a constraint that are trained by the least that brings it down by `excess`; whether there was
    /// one to move. Positive ones that would not stay positive keep their value.
    fn give_way(&mut self, excess: T, mut terms: Vec<Term<T>>) -> bool {
        terms.retain(|&(group, index, a)| a != T::zero() && self.trains(group, index));
        loop {
            let norm = terms.iter().fold(T::zero(), |sum, &(.., a)| sum + a * a);
            let moved = |x: T, a: T| x - a * (excess / norm);
            let kept = terms.len();
            let parameters = &self.parameters;
            terms.retain(|&(group, index, a)| {
                !self.is_positive(group) || moved(parameters.group(group)[index], a) > T::zero()
            });
            if terms.len() == kept {
                for &(group, index, a) in &terms {
                    let x = &mut self.parameters.group_mut(group)[index];
                    *x = moved(*x, a);
                }
                return !terms.is_empty();
            }
        }
    }
}

/// A few units in the last place of numbers of this size.
fn rounding<T: Scalar>(size: T) -> T {
    T::from_subset(&4.0) * T::default_epsilon() * size
}

/// The runs of equal `flags` that are `which`, counted from `start`.
fn runs(flags: &[bool], which: bool, start: usize) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut end = start;
    let run = move |run: &[bool]| {
        let begin = end;
        end += run.len();
        (run.first() == Some(&which)).then_some(begin..end)
    };
    flags.chunk_by(|a, b| a == b).filter_map(run)
}
