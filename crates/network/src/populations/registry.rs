//! The neurons of `spikegrad-models`: their loops are compiled with this crate, once, and not again in every program that
//! uses them. A model of one's own is compiled where it is first put into a population.

use std::any::TypeId;
use std::marker::PhantomData;

use spikegrad_models::{Neuron, NeuronVjp, for_each_neuron};

use super::loops::ModelLoops;
use super::model::Model;

/// The loops of a model; `None` for one that has the name of another.
pub(super) fn loops_of<N: NeuronVjp>() -> Option<ModelLoops> {
    // Decided at compile time, so that the loops of a known model are not compiled again.
    if const { is_known(N::NAME) } { known(TypeId::of::<N>()) } else { Some(of::<N>()) }
}

const fn of<N: NeuronVjp>() -> ModelLoops {
    ModelLoops {
        single: &Model::<N>(PhantomData),
        double: &Model::<N>(PhantomData),
        dual: &Model::<N>(PhantomData),
    }
}

/// Whether a model of this name is one of `spikegrad-models`.
const fn is_known(name: &str) -> bool {
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
fn known(model: TypeId) -> Option<ModelLoops> {
    macro_rules! compare {
        ($module:ident, $neuron:ty) => {
            if model == TypeId::of::<$neuron>() {
                return Some(of::<$neuron>());
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
