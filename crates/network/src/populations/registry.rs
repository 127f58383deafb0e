//! The neurons of `spikegrad-models`: their loops are compiled with this crate, once, and not again in every program that
//! uses them. A model of one's own is compiled where it is first put into a population.

use std::any::TypeId;
use std::marker::PhantomData;

use spikegrad_models::{Neuron, NeuronVjp, for_each_model};

use super::dense_output::is_on_dense_output;
use super::loops::{ModelLoops, OpenModelLoops};
use super::model::Model;
use super::open::{Open, takes_conductances};
use crate::Error;

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
        // Not compiled where it is never asked for.
        open: const {
            if takes_conductances::<N>() && !is_on_dense_output::<N>() {
                Some(OpenModelLoops {
                    single: &Model::<Open<N>>(PhantomData),
                    double: &Model::<Open<N>>(PhantomData),
                    dual: &Model::<Open<N>>(PhantomData),
                })
            } else {
                None
            }
        },
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
    for_each_model!(compare);
    false
}

/// The loops of a model of `spikegrad-models`, by its name.
#[inline(never)]
fn by_name(name: &str) -> Option<ModelLoops> {
    macro_rules! compare {
        ($module:ident, $neuron:ty) => {
            if name == <$neuron as Neuron>::NAME {
                return Some(of::<$neuron>());
            }
        };
    }
    for_each_model!(compare);
    None
}

/// The models that a description of a network may name: those of `spikegrad-models`, and those added here.
///
/// ```
/// use spikegrad_models::Theta;
/// use spikegrad_network::Models;
///
/// // `Theta` stands for a model of one's own; those of spikegrad are known already.
/// let models = Models::new().with::<Theta>();
/// assert!(models.names().any(|name| name == "theta"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Models {
    own: Vec<ModelLoops>,
    /// A model that was added with the name of another one, which stays an error.
    twice: Option<&'static str>,
}

impl Models {
    /// The models of `spikegrad-models`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a model, which descriptions name by its [`NAME`](Neuron::NAME). If another model has this name, no network is built.
    #[must_use]
    pub fn with<N: NeuronVjp>(mut self) -> Self {
        match loops_of::<N>() {
            Some(loops) => self.add(loops),
            None => self.twice = Some(N::NAME),
        }
        self
    }

    /// The models of these loops.
    pub(crate) fn of(loops: impl Iterator<Item = ModelLoops>) -> Self {
        let mut models = Self::new();
        loops.for_each(|loops| models.add(loops));
        models
    }

    fn add(&mut self, loops: ModelLoops) {
        let new = loops.double;
        match self.own.iter().find(|known| known.double.model() == new.model()) {
            Some(known) if known.double.id() == new.id() => {}
            Some(_) => self.twice = Some(new.model()),
            None => self.own.push(loops),
        }
    }

    /// The names of all models.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        let mut known = Vec::new();
        macro_rules! push {
            ($module:ident, $neuron:ty) => {
                known.push(<$neuron as Neuron>::NAME);
            };
        }
        for_each_model!(push);
        let own = self.own.iter().map(|loops| loops.double.model()).filter(|name| !is_known(name));
        let own: Vec<_> = own.collect();
        known.into_iter().chain(own)
    }

    /// Refuses two models of one name.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.twice {
            Some(name) => Err(Error::Duplicate { what: "model", name: name.to_owned() }),
            None => Ok(()),
        }
    }

    /// The loops of the model of this name.
    pub(crate) fn find(&self, name: &str) -> Result<ModelLoops, Error> {
        self.check()?;
        let own = self.own.iter().find(|loops| loops.double.model() == name).copied();
        own.or_else(|| by_name(name)).ok_or_else(|| Error::Unknown {
            what: "model",
            name: name.to_owned(),
            known: self.names().collect::<Vec<_>>().join(", "),
        })
    }
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
    for_each_model!(compare);
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
