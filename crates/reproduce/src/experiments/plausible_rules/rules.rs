//! The rules: which part of the exact adjoint each one replaces, and by what.

use rand_distr::{Distribution, StandardNormal};
use spikegrad::network::{BackwardParts, GateSlope, Group, Network, ReadoutPath, RecurrentPath};
use spikegrad::tasks::{Purpose, generator};

/// The stream of random feedback among those of a seed's networks.
const FEEDBACK: u64 = 0xfeed;

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    /// The name in tables.
    pub(super) name: &'static str,
    /// The name of its files.
    pub(super) key: &'static str,
    /// What the rule replaces, in a sentence.
    pub(super) says: &'static str,
    random_readout: bool,
    recurrent: Sent,
    slope: GateSlope,
}

/// What goes back through recurrent synapses.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sent {
    Exact,
    Random,
    Autapses,
    Nothing,
}

const EXACT: Rule = Rule {
    name: "exact",
    key: "exact",
    says: "nothing is replaced",
    random_readout: false,
    recurrent: Sent::Exact,
    slope: GateSlope::Exact,
};

/// All rules, the exact adjoint first.
pub(super) const RULES: [Rule; 8] = [
    EXACT,
    Rule {
        name: "random O^T",
        key: "random-readout",
        says: "errors of the outputs come to the neurons through a fixed random matrix",
        random_readout: true,
        ..EXACT
    },
    Rule {
        name: "random W^T",
        key: "random-recurrent",
        says: "errors go through a fixed random matrix in place of the transposed recurrent weights",
        recurrent: Sent::Random,
        ..EXACT
    },
    Rule {
        name: "random O^T and W^T",
        key: "random-both",
        says: "both are random",
        random_readout: true,
        recurrent: Sent::Random,
        ..EXACT
    },
    Rule {
        name: "local",
        key: "local",
        says: "no error goes through a recurrent synapse",
        recurrent: Sent::Nothing,
        ..EXACT
    },
    Rule {
        name: "local, own synapses",
        key: "local-autapses",
        says: "errors go through the synapses of a neuron onto itself and through no others",
        recurrent: Sent::Autapses,
        ..EXACT
    },
    Rule {
        name: "local, random O^T",
        key: "local-random",
        says: "no error goes through a recurrent synapse, and those of the outputs come through a fixed random matrix",
        random_readout: true,
        recurrent: Sent::Nothing,
        ..EXACT
    },
    Rule {
        name: "surrogate slope",
        key: "surrogate",
        says: "the slope of a fast sigmoid as wide as the gate stands in place of the gate's density, on the way back only",
        slope: GateSlope::Surrogate { width: 0.3 },
        ..EXACT
    },
];

impl Rule {
    /// Whether the rule is another one than `local` on this network: not where no neuron has a synapse onto itself.
    pub(super) fn is_of(&self, network: &Network<f64>) -> bool {
        let n = network.neurons();
        let projections = 0..network.projections().len();
        let has_autapses = projections.into_iter().any(|k| {
            let is_free = |i: usize| network.mask(Group::Weight(k)).is_none_or(|mask| mask[i * n + i]);
            (0..n).any(is_free)
        });
        self.recurrent != Sent::Autapses || has_autapses
    }

    /// Whether nothing is replaced.
    #[cfg(test)]
    pub(super) fn is_exact(&self) -> bool {
        *self == EXACT
    }

    /// Whether errors of the outputs come through a random matrix.
    pub(super) fn has_random_readout(&self) -> bool {
        self.random_readout
    }

    /// The parts of the backward pass, for a network before training. Random readout matrices have entries of variance `1 / outputs`, the
    /// size of a readout that is learned; random recurrent matrices have the entries of the initial weights, each in another place among
    /// those that exist.
    pub(super) fn parts(&self, start: &Network<f64>, seed: u64) -> BackwardParts<f64> {
        let n = start.neurons();
        let mut rng = generator(seed, Purpose::Initialisation, FEEDBACK);
        let size = 1.0 / (start.outputs() as f64).sqrt();
        let readout: Vec<f64> = (0..start.outputs() * n)
            .map(|_| {
                let x: f64 = StandardNormal.sample(&mut rng);
                size * x
            })
            .collect();
        let recurrent = match self.recurrent {
            Sent::Exact => RecurrentPath::Exact,
            Sent::Autapses => RecurrentPath::Autapses,
            Sent::Nothing => RecurrentPath::Cut,
            Sent::Random => RecurrentPath::Fixed(
                (0..start.projections().len()).map(|k| elsewhere(start, k, &mut rng)).collect(),
            ),
        };
        let readout = if self.random_readout { ReadoutPath::Fixed(readout) } else { ReadoutPath::Exact };
        BackwardParts { readout, recurrent, slope: self.slope }
    }
}

/// The weights of projection `k`, each in the place of another one that exists.
fn elsewhere(network: &Network<f64>, k: usize, rng: &mut impl rand::Rng) -> Vec<f64> {
    use rand::seq::SliceRandom;
    let mut weights = network.parameters.group(Group::Weight(k)).to_vec();
    let exists = |i: usize| network.mask(Group::Weight(k)).is_none_or(|mask| mask[i]);
    let places: Vec<usize> = (0..weights.len()).filter(|&i| exists(i)).collect();
    let mut values: Vec<f64> = places.iter().map(|&i| weights[i]).collect();
    values.shuffle(rng);
    for (i, value) in places.into_iter().zip(values) {
        weights[i] = value;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::super::super::small_tasks::SmallTask;
    use super::*;

    #[test]
    fn random_matrices_have_the_entries_of_the_start_in_other_places() {
        for small in [SmallTask::autoencoding(), SmallTask::xor()] {
            let network = small.network(1).unwrap();
            let parts = RULES[3].parts(&network, 1);
            let (RecurrentPath::Fixed(matrices), ReadoutPath::Fixed(readout)) =
                (parts.recurrent, parts.readout)
            else {
                panic!("random matrices")
            };
            for (k, matrix) in matrices.iter().enumerate() {
                let weights = network.parameters.group(Group::Weight(k));
                let sorted = |x: &[f64]| {
                    let mut x = x.to_vec();
                    x.sort_by(f64::total_cmp);
                    x
                };
                assert_eq!(sorted(matrix), sorted(weights));
                assert!(weights.iter().all(|w| *w == 0.0) || matrix != weights);
                if let Some(mask) = network.mask(Group::Weight(k)) {
                    assert!(matrix.iter().zip(mask).all(|(w, exists)| *exists || *w == 0.0));
                }
            }
            let square = readout.iter().map(|x| x * x).sum::<f64>() / readout.len() as f64;
            assert!((square * network.outputs() as f64 - 1.0).abs() < 0.5, "{square}");
            assert_eq!(RULES[3].parts(&network, 1), RULES[3].parts(&network, 1));
            assert_ne!(RULES[3].parts(&network, 1), RULES[3].parts(&network, 2));
            // No neuron of the auto-encoder has a synapse onto itself.
            assert_eq!(RULES[5].is_of(&network), small.is_better_above);
        }
    }
}
