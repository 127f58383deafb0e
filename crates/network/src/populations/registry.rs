//! The neurons of `spikegrad-models`: their loops are compiled with this crate, once, and not again in every program that
//! uses them. A model of one's own is compiled where it is first put into a population.

use std::any::TypeId;
use std::marker::PhantomData;

use num_dual::Dual64;
use spikegrad_models::{Neuron, NeuronVjp, for_each_model};

use super::dense_output::is_on_dense_output;
use super::loops::{PopulationLoops, StepLoops};
use super::model::Model;
use super::open::{Open, takes_conductances};
use crate::scalar::ForEach;
use crate::{Error, Scalar};

/// The loops of a model for each scalar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ModelLoops {
    single: &'static dyn PopulationLoops<f32>,
    double: &'static dyn PopulationLoops<f64>,
    /// The loops for dual numbers; `None` for a known model, see [`known_dual`].
    dual: Option<DualLoops>,
    /// Loops of neurons with a conductance as a parameter; `None` for models without a voltage, and for models whose resets are
    /// located on the dense output, which have it beside their parameters.
    open: Option<OpenModelLoops>,
}

/// The loops of neurons with a conductance as a parameter, for each float.
#[derive(Clone, Copy, Debug)]
struct OpenModelLoops {
    single: &'static dyn StepLoops<f32>,
    double: &'static dyn StepLoops<f64>,
}

/// The loops of a model for dual numbers.
#[derive(Clone, Copy, Debug)]
struct DualLoops {
    all: &'static dyn PopulationLoops<Dual64>,
    open: Option<&'static dyn StepLoops<Dual64>>,
}

impl ModelLoops {
    /// The loops for scalar `T`.
    #[inline(always)]
    pub(crate) fn of<T: Scalar>(self) -> &'static dyn PopulationLoops<T> {
        T::choose(&self)
    }

    /// The loops for scalar `T` of neurons with a conductance as a parameter.
    pub(crate) fn open<T: Scalar>(self) -> Option<&'static dyn StepLoops<T>> {
        T::choose(&ForOpen(self))
    }

    #[inline]
    fn for_dual(&self) -> DualLoops {
        match self.dual {
            Some(loops) => loops,
            None => known_dual(self.double.id()),
        }
    }
}

impl ForEach for ModelLoops {
    type Of<T: 'static> = &'static dyn PopulationLoops<T>;

    #[inline(always)]
    fn single(&self) -> &'static dyn PopulationLoops<f32> {
        self.single
    }

    #[inline(always)]
    fn double(&self) -> &'static dyn PopulationLoops<f64> {
        self.double
    }

    #[inline]
    fn dual(&self) -> &'static dyn PopulationLoops<Dual64> {
        self.for_dual().all
    }
}

struct ForOpen(ModelLoops);

impl ForEach for ForOpen {
    type Of<T: 'static> = Option<&'static dyn StepLoops<T>>;

    fn single(&self) -> Option<&'static dyn StepLoops<f32>> {
        Some(self.0.open?.single)
    }

    fn double(&self) -> Option<&'static dyn StepLoops<f64>> {
        Some(self.0.open?.double)
    }

    #[inline]
    fn dual(&self) -> Option<&'static dyn StepLoops<Dual64>> {
        self.0.for_dual().open
    }
}

/// The loops of a model; `None` for one that has the name of another.
pub(super) fn loops_of<N: NeuronVjp>() -> Option<ModelLoops> {
    // Decided at compile time, so that the loops of a known model are not compiled again.
    if const { is_known(N::NAME) } { known(TypeId::of::<N>()) } else { Some(of::<N>()) }
}

const fn of<N: NeuronVjp>() -> ModelLoops {
    ModelLoops {
        single: &Model::<N>(PhantomData),
        double: &Model::<N>(PhantomData),
        // What a constant leaves out is not compiled.
        dual: const { if is_known(N::NAME) { None } else { Some(dual_of::<N>()) } },
        open: const {
            if has_open_loops::<N>() {
                Some(OpenModelLoops {
                    single: &Model::<Open<N>>(PhantomData),
                    double: &Model::<Open<N>>(PhantomData),
                })
            } else {
                None
            }
        },
    }
}

const fn dual_of<N: NeuronVjp>() -> DualLoops {
    DualLoops {
        all: &Model::<N>(PhantomData),
        open: const { if has_open_loops::<N>() { Some(&Model::<Open<N>>(PhantomData)) } else { None } },
    }
}

const fn has_open_loops<N: Neuron>() -> bool {
    takes_conductances::<N>() && !is_on_dense_output::<N>()
}

/// The loops of a known model for dual numbers.
// Inlined, because it is compiled only where it is called: a fifth of this crate would be for dual numbers, which few programs use.
#[inline]
fn known_dual(model: TypeId) -> DualLoops {
    macro_rules! compare {
        ($module:ident, $neuron:ty) => {
            if model == TypeId::of::<$neuron>() {
                return dual_of::<$neuron>();
            }
        };
    }
    for_each_model!(compare);
    unreachable!("a model that has no loops of its own is one of the list")
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
