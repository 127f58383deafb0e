//! The state of a network between two runs, to be handed on from one to the next.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{NetworkSpec, Scalar};

/// The whole state in which a run of [`SplitStep`](crate::SplitStep) ended: membrane, latches, refractory times, traces, currents
/// and what is on its way behind delays. A trial that brings it as its [`state`](crate::Trial::state) goes on from there, and two runs
/// in a row are one run, to the bit.
///
/// The cotangent of a state is a state, too: [`RunTape::vjp`](crate::RunTape::vjp) takes that of the state in which its run ended and
/// returns that of the state in which the run began, equation (91).
///
/// A state belongs to networks of one structure, whatever their numbers, and to one step and path: another scheme refuses it. After an
/// update of weights, currents are those that were sent under the old ones. It can be written in any format of [`serde`].
///
/// ```
/// # use spikegrad_models::{GateShape, Theta};
/// # use spikegrad_network::*;
/// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
/// # let mut network = Network::builder().population(population).synapse("slow", 20.0).outputs(1).build()?;
/// network.parameters.bias_mut().fill(0.03);
/// network.parameters.readout_mut(0).fill(1.0);
/// let scheme = SplitStep::new(&network, 0.5)?;
/// let (whole, _) = scheme.forward(Trial::silent(100, 1.0, 0))?;
/// let (first, tape) = scheme.forward(Trial::silent(60, 1.0, 0))?;
/// let goes_on = Trial { state: Some(tape.state()), ..Trial::silent(40, 1.0, 0) };
/// let (second, _) = scheme.forward(goes_on)?;
/// assert_eq!([first, second].concat(), whole);
/// # Ok::<(), spikegrad_network::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkState<T> {
    /// The network's structure.
    #[serde(with = "shared")]
    pub(crate) network: Arc<NetworkSpec>,
    /// The step, ms.
    pub(crate) h: f64,
    /// Whether currents are formed anew at every step.
    pub(crate) dense: bool,
    /// Steps since the fresh start, by which the rings of delays have turned.
    pub(crate) taken: u64,
    /// Rows of the ring of each projection with delays.
    pub(crate) rings: Vec<u64>,
    /// The flat state of the scheme.
    pub(crate) x: Vec<T>,
    /// What a loss has accumulated.
    pub(crate) m: Vec<T>,
}

impl<T> NetworkState<T> {
    /// All numbers of the state, in an order of the scheme's own.
    pub fn values(&self) -> &[T] {
        &self.x
    }

    /// All numbers of the state, to add cotangents of a state that several runs went on from.
    pub fn values_mut(&mut self) -> &mut [T] {
        &mut self.x
    }

    /// The state without what a loss has accumulated so far, for a run that is judged by itself.
    #[must_use]
    pub fn without_accumulators(mut self) -> Self {
        self.m.clear();
        self
    }

    /// Steps since the fresh start.
    pub(crate) fn taken(&self) -> usize {
        // A scheme refuses more than it can count.
        usize::try_from(self.taken).unwrap_or(0)
    }
}

impl<T: Scalar> NetworkState<T> {
    /// The state with another scalar.
    pub fn map<U: Scalar>(&self, f: impl Fn(T) -> U) -> NetworkState<U> {
        NetworkState {
            network: Arc::clone(&self.network),
            h: self.h,
            dense: self.dense,
            taken: self.taken,
            rings: self.rings.clone(),
            x: self.x.iter().map(|&x| f(x)).collect(),
            m: self.m.iter().map(|&m| f(m)).collect(),
        }
    }
}

/// A description that is shared in memory and written out in a file.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::NetworkSpec;

    pub(super) fn serialize<S: Serializer>(spec: &Arc<NetworkSpec>, to: S) -> Result<S::Ok, S::Error> {
        spec.as_ref().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<NetworkSpec>, D::Error> {
        NetworkSpec::deserialize(from).map(Arc::new)
    }
}
