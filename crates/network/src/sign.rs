//! What a neuron that obeys Dale's law does to its targets.

use crate::Scalar;

/// What a neuron does to its targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// The neuron's weights are not negative.
    Excitatory,
    /// The neuron's weights are not positive.
    Inhibitory,
}

impl Sign {
    /// The sign's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Excitatory => "excitatory",
            Self::Inhibitory => "inhibitory",
        }
    }

    /// The nearest weight of this sign: `w` or zero.
    pub(crate) fn project<T: Scalar>(self, w: T) -> T {
        let fits = match self {
            Self::Excitatory => w > T::zero(),
            Self::Inhibitory => w < T::zero(),
        };
        if fits { w } else { T::zero() }
    }
}
