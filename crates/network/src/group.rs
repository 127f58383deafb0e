//! The groups of a network's parameters.

use std::fmt;

/// A group of parameters that is trained, frozen, clipped and checked together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Group {
    /// Recurrent weights `W_k` of a synapse class, `N x N`, row = postsynaptic.
    #[doc(alias = "W")]
    Recurrent(usize),
    /// Time constant `tau_k` of a synapse class, ms.
    Tau(usize),
    /// Input weights `U`, `N x inputs`.
    #[doc(alias = "U")]
    Input,
    /// Tonic current `I_o`, `N`.
    #[doc(alias = "I_o")]
    Bias,
    /// Readout `O`, `outputs x N`.
    #[doc(alias = "O")]
    Readout,
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
    /// Delays of a synapse class, ms: `N`, one for each presynaptic neuron, or `N x N`, one for each connection; empty
    /// unless the class has them.
    Delay(usize),
    /// Left factor of a synapse class's weights, `W_k = L R`, `N x r`, row = postsynaptic; empty unless they are of low rank.
    #[doc(alias = "L")]
    Left(usize),
    /// Right factor of a synapse class's weights, `r x N`, column = presynaptic; empty unless they are of low rank.
    #[doc(alias = "R")]
    Right(usize),
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recurrent(k) => write!(f, "W[{k}]"),
            Self::Tau(k) => write!(f, "tau[{k}]"),
            Self::Input => f.write_str("U"),
            Self::Bias => f.write_str("I_o"),
            Self::Readout => f.write_str("O"),
            Self::Initial => f.write_str("x_0"),
            Self::Neuron { population, parameter } => write!(f, "neuron[{population}][{parameter}]"),
            Self::GateWidth(p) => write!(f, "gate_width[{p}]"),
            Self::Delay(k) => write!(f, "delay[{k}]"),
            Self::Left(k) => write!(f, "L[{k}]"),
            Self::Right(k) => write!(f, "R[{k}]"),
        }
    }
}
