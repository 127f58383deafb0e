//! The neurons of `spikegrad-models`: their loops are compiled with this crate, once, and not again in every program that
//! uses them. A model of one's own is compiled where it is first put into a population.

use std::any::TypeId;
use std::marker::PhantomData;

use spikegrad_models::{Neuron, for_each_neuron};

use crate::population::{Dynamics, Model};

/// Whether a model of this name is one of `spikegrad-models`.
pub(crate) const fn is_known(name: &str) -> bool {
    macro_rules! compare {
        ($module:ident, $neuron:ty) => {
            if equal(name.as_bytes(), <$neuron as Neuron>::NAME.as_bytes()) {
                return true;
            }
        };
    }
    for_each_neuron!(compare);
    false
}

/// Its loops; `None` for another type that goes by the same name.
// Were it inlined into other crates, these would compile the loops of all models again.
#[inline(never)]
pub(crate) fn known(model: TypeId) -> Option<&'static dyn Dynamics<f64>> {
    macro_rules! compare {
        ($module:ident, $neuron:ty) => {
            if model == TypeId::of::<$neuron>() {
                return Some(&Model::<$neuron>(PhantomData));
            }
        };
    }
    for_each_neuron!(compare);
    None
}

/// `a == b`, which traits cannot say at compile time.
const fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
