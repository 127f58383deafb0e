//! Dale's law (equation (69)): a neuron excites all of its targets or inhibits all of them. The constraint belongs to the
//! network; whoever changes weights, such as an optimiser, puts them back inside with [`Network::project`].

use std::sync::Arc;

use crate::{Error, Group, Network, Scalar, Sign};

impl<T: Scalar> Network<T> {
    /// Says which neurons obey Dale's law, and with which sign, in all projections; `None` for those that may do both.
    /// Weights of the other sign are turned, so that random ones keep their size. Populations have signs of their own,
    /// [`Population::excitatory`](crate::Population::excitatory), which this replaces.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Theta};
    /// # use spikegrad_network::{Network, Population, Sign};
    /// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// # let mut network = Network::builder().population(population).synapse("slow", 20.0).build()?;
    /// network.parameters.weight_mut(0).fill(0.1);
    /// network.set_signs(|neuron| Some(if neuron < 4 { Sign::Excitatory } else { Sign::Inhibitory }));
    /// assert_eq!(network.parameters.weight(0)[(0, 4)], -0.1);
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    pub fn set_signs(&mut self, sign: impl Fn(usize) -> Option<Sign>) {
        self.signs = (0..self.neurons).map(sign).collect();
        (0..self.wires.len()).for_each(|k| self.turn_signs(k));
    }

    /// Turns the weights of a projection that have the wrong sign.
    pub(crate) fn turn_signs(&mut self, k: usize) {
        self.each_signed(k, |_, sign, w| {
            if sign.project(*w) != *w {
                *w = -*w;
            }
        });
    }

    /// The sign of a neuron, if it has one.
    pub fn sign(&self, neuron: usize) -> Option<Sign> {
        self.signs.get(neuron).copied().flatten()
    }

    /// Sets trained weights that have the wrong sign to zero, equation (69): a weight that is zero can grow again when its
    /// gradient turns.
    pub(crate) fn keep_signs(&mut self) {
        for k in 0..self.wires.len() {
            let group = Group::Weight(k);
            if self.is_trainable(group) {
                let frozen =
                    self.frozen_entries.iter().find(|(g, _)| *g == group).map(|(_, f)| Arc::clone(f));
                let trained = |i: usize| frozen.as_ref().is_none_or(|frozen| !frozen[i]);
                self.each_signed(k, |i, sign, w| {
                    if trained(i) {
                        *w = sign.project(*w);
                    }
                });
            }
        }
    }

    /// Checks that no weight, trained or not, has the wrong sign.
    ///
    /// # Errors
    /// The first weight that has.
    pub fn check_signs(&self) -> Result<(), Error> {
        for k in 0..self.wires.len() {
            let group = Group::Weight(k);
            let (wire, weights) = (&self.wires[k], self.parameters.group(group));
            // Reversal potentials say what conductances do.
            for neuron in wire.pre.clone().filter(|_| wire.receptor.is_none()) {
                let Some(sign) = self.sign(neuron) else { continue };
                let column = wire.column(neuron - wire.pre.start);
                if let Some(row) = weights[column.clone()].iter().position(|&w| sign.project(w) != w) {
                    let index = column.start + row;
                    let value = weights[index].to_subset_unchecked();
                    let (name, sign) = (self.parameters.layout().name(group), sign.name());
                    return Err(Error::WrongSign { group, name, index, value, neuron, sign });
                }
            }
        }
        Ok(())
    }

    /// Every weight from a neuron with a sign, and every weight of conductances, with its index in its group.
    fn each_signed(&mut self, k: usize, each: impl Fn(usize, Sign, &mut T)) {
        let conductance = self.wires[k].receptor.map(|_| Sign::Excitatory);
        if conductance.is_none() && self.signs.iter().all(Option::is_none) {
            return;
        }
        let (wire, signs) = (&self.wires[k], &self.signs);
        let weights = self.parameters.group_mut(Group::Weight(k));
        // Weights of low rank, which Dale's law does not go with, have no columns.
        for neuron in wire.pre.clone().filter(|_| wire.rank.is_none()) {
            // The channels of event sources have no signs, and weights of conductances are never negative.
            if let Some(sign) = conductance.or_else(|| signs.get(neuron).copied().flatten()) {
                let column = wire.column(neuron - wire.pre.start);
                column.for_each(|i| each(i, sign, &mut weights[i]));
            }
        }
    }
}
