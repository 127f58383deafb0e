//! What a projection can have that does not go together with everything else, in one table.

use std::fmt;

/// What a projection can have, or be asked for, that does not go with everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feature {
    /// Weights that are the product of two factors.
    LowRank,
    /// A list of connections in place of a matrix.
    Connections,
    /// A mask of its weights.
    Mask,
    /// A delay for each presynaptic neuron.
    AxonalDelays,
    /// A delay for each connection.
    ConnectionDelays,
    /// Dale's law for any neuron of the network.
    Signs,
    /// Currents that are formed anew at every step, in a network with time constants of each neuron.
    DensePath,
    /// Kinetics of more than one filter.
    Stages,
    /// Short-term plasticity.
    ShortTerm,
    /// Traces that are conductances.
    Conductance,
    /// Traces that a readout has of its own.
    OwnTraces,
    /// An event source as where it comes from.
    EventSource,
    /// [`PlainStep`](crate::PlainStep).
    PlainField,
    /// [`pontryagin`](crate::pontryagin()).
    ContinuousAdjoint,
}

use Feature::{
    AxonalDelays, Conductance, ConnectionDelays, Connections, ContinuousAdjoint, DensePath, EventSource,
    LowRank, Mask, OwnTraces, PlainField, ShortTerm, Signs, Stages,
};

/// Pairs that exclude each other; all others go together.
const EXCLUDED: [(Feature, Feature); 27] = [
    (LowRank, Connections),
    (LowRank, Mask),
    (LowRank, AxonalDelays),
    (LowRank, ConnectionDelays),
    (LowRank, Signs),
    (LowRank, DensePath),
    (LowRank, PlainField),
    (LowRank, ContinuousAdjoint),
    (Connections, Mask),
    (Connections, DensePath),
    (ConnectionDelays, DensePath),
    (OwnTraces, DensePath),
    (AxonalDelays, PlainField),
    (ConnectionDelays, PlainField),
    (AxonalDelays, ContinuousAdjoint),
    (ConnectionDelays, ContinuousAdjoint),
    (Stages, DensePath),
    (Stages, PlainField),
    (Stages, ContinuousAdjoint),
    (ShortTerm, PlainField),
    (ShortTerm, ContinuousAdjoint),
    (Conductance, LowRank),
    (Conductance, DensePath),
    (Conductance, PlainField),
    (Conductance, ContinuousAdjoint),
    (EventSource, PlainField),
    (EventSource, ContinuousAdjoint),
];

/// The words of an error: 'projection `slow` has ..., which do not go with ...'.
impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LowRank => "weights of low rank",
            Connections => "a list of connections",
            Mask => "a mask",
            AxonalDelays => "axonal delays",
            ConnectionDelays => "a delay for each connection",
            Signs => "Dale's law",
            DensePath => "a time constant for each neuron, or the dense path that it takes",
            Stages => "kinetics of more than one filter",
            ShortTerm => "short-term plasticity",
            Conductance => "conductances",
            OwnTraces => "traces that a readout has of its own",
            EventSource => "an event source",
            PlainField => "the plain field",
            ContinuousAdjoint => "the continuous adjoint",
        })
    }
}

impl Feature {
    /// Whether the two can be had together.
    pub(crate) fn goes_with(self, other: Self) -> bool {
        !EXCLUDED.contains(&(self, other)) && !EXCLUDED.contains(&(other, self))
    }
}
