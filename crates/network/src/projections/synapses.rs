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

impl ForEach for ReceptorModel {
    type Of<T: 'static> = &'static dyn ReceptorLoops<T>;

    fn single(&self) -> &'static dyn ReceptorLoops<f32> {
        self.single
    }

    fn double(&self) -> &'static dyn ReceptorLoops<f64> {
        self.double
    }

    fn dual(&self) -> &'static dyn ReceptorLoops<Dual64> {
        self.dual
    }
}

impl ForEach for ShortTermModel {
    type Of<T: 'static> = &'static dyn ShortTermLoops<T>;

    fn single(&self) -> &'static dyn ShortTermLoops<f32> {
        self.single
    }

    fn double(&self) -> &'static dyn ShortTermLoops<f64> {
        self.double
    }

    fn dual(&self) -> &'static dyn ShortTermLoops<Dual64> {
        self.dual
    }
}

impl ReceptorModel {
    /// The loops for a scalar.
    pub(crate) fn of<T: Scalar>(&self) -> &'static dyn ReceptorLoops<T> {
        T::choose(self)
    }
}

impl ShortTermModel {
    /// The loops for a scalar.
    pub(crate) fn of<T: Scalar>(&self) -> &'static dyn ShortTermLoops<T> {
        T::choose(self)
    }
}

/// The kinetics of this name.
pub(crate) fn kinetics(name: &str) -> Result<KineticsModel, Error> {
    let mut all = Vec::new();
    macro_rules! add {
        ($module:ident, $kinetics:ty) => {
            all.push(KineticsModel {
                name: <$kinetics>::NAME,
                parameters: <$kinetics>::PARAMETERS,
                stages: <$kinetics>::STAGES,
            });
        };
    }
    for_each_kinetics!(add);
    by_name("kinetics", name, all, |model| model.name)
}

/// The short-term plasticity of this name.
pub(crate) fn short_term(name: &str) -> Result<ShortTermModel, Error> {
    let mut all = Vec::new();
    macro_rules! add {
        ($module:ident, $short_term:ty) => {
            all.push(ShortTermModel {
                name: <$short_term>::NAME,
                parameters: <$short_term>::PARAMETERS,
                rest: <$short_term>::REST,
                recovery: <$short_term>::RECOVERY,
                single: &Of::<$short_term>(PhantomData),
                double: &Of::<$short_term>(PhantomData),
                dual: &Of::<$short_term>(PhantomData),
            });
        };
    }
    for_each_short_term!(add);
    by_name("short-term plasticity", name, all, |model| model.name)
}

/// The receptor of this name.
pub(crate) fn receptor(name: &str) -> Result<ReceptorModel, Error> {
    let mut all = Vec::new();
    macro_rules! add {
        ($module:ident, $receptor:ty) => {
            all.push(ReceptorModel {
                name: <$receptor>::NAME,
                parameters: <$receptor>::PARAMETERS,
                single: &Of::<$receptor>(PhantomData),
                double: &Of::<$receptor>(PhantomData),
                dual: &Of::<$receptor>(PhantomData),
            });
        };
    }
    for_each_receptor!(add);
    by_name("receptor", name, all, |model| model.name)
}

/// The one of `all` that has this name.
fn by_name<M>(
    what: &'static str,
    name: &str,
    all: Vec<M>,
    name_of: impl Fn(&M) -> &'static str,
) -> Result<M, Error> {
    let known = all.iter().map(&name_of).collect::<Vec<_>>().join(", ");
    let found = all.into_iter().find(|model| name_of(model) == name);
    found.ok_or_else(|| Error::Unknown { what, name: name.to_owned(), known })
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
