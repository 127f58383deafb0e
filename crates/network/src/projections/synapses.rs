//! The synapses of `spikegrad-models` by their names, as data and as loops that are compiled with this crate.

use std::fmt::Debug;
use std::marker::PhantomData;

use num_dual::Dual64;
use spikegrad_models::{
    Array, Kinetics, Parameter, Receptor, ShortTermPlasticity, for_each_kinetics, for_each_receptor,
    for_each_short_term,
};

use super::short_term::{Released, ReleasedBar, ShortTermLoops};
use crate::scalar::ForEach;
use crate::{Error, Scalar};

/// What kinetics say of themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KineticsModel {
    pub(crate) name: &'static str,
    /// The parameters, `tau` first.
    pub(crate) parameters: &'static [Parameter],
    /// Which of them is the time constant of each filter.
    pub(crate) stages: &'static [usize],
}

/// What short-term plasticity says of itself, and its loops.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortTermModel {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [Parameter],
    /// What its variables recover to, and which parameters are the time constants of that.
    pub(crate) rest: &'static [f64],
    pub(crate) recovery: &'static [usize],
    single: &'static dyn ShortTermLoops<f32>,
    double: &'static dyn ShortTermLoops<f64>,
    dual: &'static dyn ShortTermLoops<Dual64>,
}

/// What a receptor says of itself, and its loops.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceptorModel {
    pub(crate) name: &'static str,
    /// The parameters, the reversal potential first.
    pub(crate) parameters: &'static [Parameter],
    single: &'static dyn ReceptorLoops<f32>,
    double: &'static dyn ReceptorLoops<f64>,
    dual: &'static dyn ReceptorLoops<Dual64>,
}

/// The loops over the channels of a projection, behind which the type of the receptor disappears.
pub(crate) trait ReceptorLoops<T>: Debug + Send + Sync {
    /// Writes the open part at each voltage.
    fn open(&self, params: &[T], v: &[T], open: &mut [T]);
    /// The transpose of [`open`](Self::open): adds to `v_bar` and `params_bar`.
    fn open_vjp(&self, params: &[T], v: &[T], open_bar: &[T], v_bar: &mut [T], params_bar: &mut [T]);
}

struct ForLoops;

impl ForEach for ForLoops {
    type Of<T: 'static> = &'static dyn ShortTermLoops<T>;
}

struct ForReceptors;

impl ForEach for ForReceptors {
    type Of<T: 'static> = &'static dyn ReceptorLoops<T>;
}

impl ReceptorModel {
    /// The loops for a scalar.
    pub(crate) fn of<T: Scalar>(&self) -> &'static dyn ReceptorLoops<T> {
        T::choose::<ForReceptors>(self.single, self.double, self.dual)
    }
}

impl ShortTermModel {
    /// The loops for a scalar.
    pub(crate) fn of<T: Scalar>(&self) -> &'static dyn ShortTermLoops<T> {
        T::choose::<ForLoops>(self.single, self.double, self.dual)
    }
}

/// The kinetics of this name.
pub(crate) fn kinetics(name: &str) -> Result<KineticsModel, Error> {
    let mut known = Vec::new();
    macro_rules! compare {
        ($module:ident, $kinetics:ty) => {
            let found = KineticsModel {
                name: <$kinetics>::NAME,
                parameters: <$kinetics>::PARAMETERS,
                stages: <$kinetics>::STAGES,
            };
            if found.name == name {
                return Ok(found);
            }
            known.push(found.name);
        };
    }
    for_each_kinetics!(compare);
    Err(unknown("kinetics", name, &known))
}

/// The short-term plasticity of this name.
pub(crate) fn short_term(name: &str) -> Result<ShortTermModel, Error> {
    let mut known = Vec::new();
    macro_rules! compare {
        ($module:ident, $short_term:ty) => {
            let found = ShortTermModel {
                name: <$short_term>::NAME,
                parameters: <$short_term>::PARAMETERS,
                rest: <$short_term>::REST,
                recovery: <$short_term>::RECOVERY,
                single: &Of::<$short_term>(PhantomData),
                double: &Of::<$short_term>(PhantomData),
                dual: &Of::<$short_term>(PhantomData),
            };
            if found.name == name {
                return Ok(found);
            }
            known.push(found.name);
        };
    }
    for_each_short_term!(compare);
    Err(unknown("short-term plasticity", name, &known))
}

/// The receptor of this name.
pub(crate) fn receptor(name: &str) -> Result<ReceptorModel, Error> {
    let mut known = Vec::new();
    macro_rules! compare {
        ($module:ident, $receptor:ty) => {
            let found = ReceptorModel {
                name: <$receptor>::NAME,
                parameters: <$receptor>::PARAMETERS,
                single: &Of::<$receptor>(PhantomData),
                double: &Of::<$receptor>(PhantomData),
                dual: &Of::<$receptor>(PhantomData),
            };
            if found.name == name {
                return Ok(found);
            }
            known.push(found.name);
        };
    }
    for_each_receptor!(compare);
    Err(unknown("receptor", name, &known))
}

fn unknown(what: &'static str, name: &str, known: &[&str]) -> Error {
    Error::Unknown { what, name: name.to_owned(), known: known.join(", ") }
}

/// The loops of a model.
#[derive(Debug)]
struct Of<P>(PhantomData<P>);

impl<T: Scalar, P: ShortTermPlasticity> ShortTermLoops<T> for Of<P> {
    fn release(&self, params: &[T], state: &mut [T], released: Released<'_, T>) {
        super::short_term::release::<T, P>(params, state, released);
    }

    fn release_vjp(&self, params: &[T], start: &[T], state_bar: &mut [T], bar: ReleasedBar<'_, T>) {
        super::short_term::release_vjp::<T, P>(params, start, state_bar, bar);
    }
}

impl<T: Scalar, R: Receptor> ReceptorLoops<T> for Of<R> {
    fn open(&self, params: &[T], v: &[T], open: &mut [T]) {
        let params = R::Params::from_fn(|i| params[i]);
        open.iter_mut().zip(v).for_each(|(open, &v)| *open = R::open(&params, v));
    }

    fn open_vjp(&self, params: &[T], v: &[T], open_bar: &[T], v_bar: &mut [T], params_bar: &mut [T]) {
        if const { !R::BY_VOLTAGE } {
            return;
        }
        let params = R::Params::from_fn(|i| params[i]);
        let mut bar = R::Params::from_fn(|_| T::zero());
        for ((&v, &open_bar), v_bar) in v.iter().zip(open_bar).zip(v_bar) {
            *v_bar += R::open_vjp(&params, v, open_bar, &mut bar);
        }
        params_bar.iter_mut().zip(bar.as_ref()).for_each(|(to, &bar)| *to += bar);
    }
}
