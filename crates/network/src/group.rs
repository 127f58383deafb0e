//! The groups of a network's parameters.

use std::fmt;

/// A group of parameters that is trained, frozen, clipped and checked together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Group {
    /// Weights `W_k` of a projection, `N_post x N_pre`, row = postsynaptic; of a sparse one as many as there are connections.
    #[doc(alias = "W")]
    Weight(usize),
    /// Time constant `tau_k` of a projection, ms: one, or one for each presynaptic neuron.
    Tau(usize),
    /// A parameter of a projection's synapses behind `tau`, such as `tau_rise`: those of its kinetics, of its short-term
    /// plasticity and of its receptor.
    Synapse {
        /// The projection's index.
        projection: usize,
        /// The parameter's index.
        parameter: usize,
    },
    /// Input weights `U`, `N x inputs`.
    #[doc(alias = "U")]
    Input,
    /// Tonic current `I_o`, `N`.
    #[doc(alias = "I_o")]
    Bias,
    /// Weights `O` of a readout, `outputs x N`: 0 is the network's own, those with names follow.
    #[doc(alias = "O")]
    Readout(usize),
    /// Initial membrane state: the `N` voltages, then the other state variables.
    Initial,
    /// A parameter of a population's neurons, such as `tau_v`.
    Neuron {
        /// The population's index.
        population: usize,
        /// The parameter's index in the model's list.
        parameter: usize,
    },
    /// Width `Delta` of a population's gate.
    #[doc(alias = "Delta")]
    GateWidth(usize),
    /// Delays of a projection, ms: one for each presynaptic neuron, or one for each connection; empty unless the projection has
    /// them.
    Delay(usize),
    /// Left factor of a projection's weights, `W_k = L R`, `N_post x r`, row = postsynaptic; empty unless they are of low rank.
    #[doc(alias = "L")]
    Left(usize),
    /// Right factor of a projection's weights, `r x N_pre`, column = presynaptic; empty unless they are of low rank.
    #[doc(alias = "R")]
    Right(usize),
}

/// In words, for who does not know the network; in a network a group has a name, [`Entry::name`](crate::Entry::name).
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weight(k) => write!(f, "weight of projection {k}"),
            Self::Tau(k) => write!(f, "tau of projection {k}"),
            Self::Synapse { projection, parameter } => {
                write!(f, "parameter {parameter} of the synapses of projection {projection}")
            }
            Self::Input => f.write_str("input.weight"),
            Self::Bias => f.write_str("bias"),
            Self::Readout(0) => f.write_str("readout.weight"),
            Self::Readout(r) => write!(f, "weight of readout {r}"),
            Self::Initial => f.write_str("initial"),
            Self::Neuron { population, parameter } => {
                write!(f, "parameter {parameter} of population {population}")
            }
            Self::GateWidth(p) => write!(f, "gate_width of population {p}"),
            Self::Delay(k) => write!(f, "delay of projection {k}"),
            Self::Left(k) => write!(f, "left of projection {k}"),
            Self::Right(k) => write!(f, "right of projection {k}"),
        }
    }
}
