//! Neurons with open channels (equation (83)): a conductance `G` towards reversal potentials adds `G (E - v)` to the current inside the
//! flow of a step, where every stage sees it. What does not depend on the voltage belongs to the current; what is left is a neuron
//! whose equation is `f(v, I - G v)`, a model like any other with one more parameter of each neuron, so that all loops take it.

use std::fmt::{self, Debug};
use std::marker::PhantomData;

use spikegrad_models::{Array, Integration, Locate, Neuron, NeuronVjp, Parameter, Real, Reset};

use super::dense_output::is_on_dense_output;

/// The most parameters of a model, and one more.
const MOST: usize = 32;

/// The model `N` with a conductance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open<N>(N);

/// The parameters of `N`, and behind them the conductance.
pub(super) struct OpenParams<N, T> {
    values: [T; MOST],
    model: PhantomData<N>,
}

impl<N: Neuron, T: Real> Clone for OpenParams<N, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<N: Neuron, T: Real> Copy for OpenParams<N, T> {}

impl<N: Neuron, T: Real> Debug for OpenParams<N, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_ref()).finish()
    }
}

impl<N: Neuron, T: Real> AsRef<[T]> for OpenParams<N, T> {
    #[inline(always)]
    fn as_ref(&self) -> &[T] {
        &self.values[..Self::LEN]
    }
}

impl<N: Neuron, T: Real> AsMut<[T]> for OpenParams<N, T> {
    #[inline(always)]
    fn as_mut(&mut self) -> &mut [T] {
        &mut self.values[..Self::LEN]
    }
}

impl<N: Neuron, T: Real> Array<T> for OpenParams<N, T> {
    const LEN: usize = <N::Params<T> as Array<T>>::LEN + 1;

    #[inline(always)]
    fn from_fn(mut f: impl FnMut(usize) -> T) -> Self {
        let mut values = [T::zero(); MOST];
        for (i, value) in values[..Self::LEN].iter_mut().enumerate() {
            *value = f(i);
        }
        Self { values, model: PhantomData }
    }
}

impl<N: Neuron, T: Real> OpenParams<N, T> {
    /// The parameters of the model alone.
    #[inline(always)]
    fn of_model(&self) -> N::Params<T> {
        N::Params::from_fn(|i| self.values[i])
    }

    #[inline(always)]
    fn conductance(&self) -> T {
        self.values[Self::LEN - 1]
    }

    /// Adds the model's cotangents and that of the conductance.
    #[inline(always)]
    fn add(&mut self, of_model: &N::Params<T>, conductance: T) {
        for (to, &bar) in self.values.iter_mut().zip(of_model.as_ref()) {
            *to += bar;
        }
        self.values[Self::LEN - 1] += conductance;
    }
}

/// Whether channels may end on neurons of a model: it has a voltage, and so few parameters that there is room for one more.
pub(super) const fn takes_conductances<N: Neuron>() -> bool {
    N::HAS_VOLTAGE && (is_on_dense_output::<N>() || <N::Params<f64> as Array<f64>>::LEN < MOST)
}

/// The state whose first entry is `x`, and all others zero.
#[inline(always)]
fn of_voltage<N: Neuron, T: Real>(x: T) -> N::State<T> {
    N::State::from_fn(|c| if c == 0 { x } else { T::zero() })
}

/// How much a unit of current adds to the slope of the voltage, in which `f` is affine.
#[inline(always)]
fn by_current<N: Neuron, T: Real>(params: &N::Params<T>, x: &N::State<T>) -> T {
    let slope = |current: T| N::rhs(params, x, current).as_ref()[0];
    slope(T::one()) - slope(T::zero())
}

impl<N: Neuron> Neuron for Open<N> {
    const NAME: &'static str = N::NAME;
    const PARAMETERS: &'static [Parameter] = N::PARAMETERS;
    const VARIABLES: &'static [Parameter] = N::VARIABLES;
    const CURRENT: &'static str = N::CURRENT;
    const METHOD: Integration = N::METHOD;
    const LOCATE: Locate = N::LOCATE;
    const RELAXES: bool = true;

    type State<T: Real> = N::State<T>;
    type Params<T: Real> = OpenParams<N, T>;

    fn params(&self) -> OpenParams<N, f64> {
        let params = self.0.params();
        OpenParams::from_fn(|i| params.as_ref().get(i).copied().unwrap_or_default())
    }

    fn from_params(params: &OpenParams<N, f64>) -> Self {
        Self(N::from_params(&params.of_model()))
    }

    #[inline(always)]
    fn rhs<T: Real>(params: &OpenParams<N, T>, x: &N::State<T>, current: T) -> N::State<T> {
        N::rhs(&params.of_model(), x, current - params.conductance() * x.as_ref()[0])
    }

    #[inline(always)]
    fn relaxation<T: Real>(params: &OpenParams<N, T>, x: &N::State<T>) -> N::State<T> {
        let of_model = params.of_model();
        let mut relaxation = N::relaxation(&of_model, x);
        relaxation.as_mut()[0] += params.conductance() * by_current::<N, T>(&of_model, x);
        relaxation
    }

    #[inline(always)]
    fn reset<T: Real>(params: &OpenParams<N, T>) -> Reset<T> {
        N::reset(&params.of_model())
    }

    #[inline(always)]
    fn jump<T: Real>(params: &OpenParams<N, T>, before: &N::State<T>) -> N::State<T> {
        N::jump(&params.of_model(), before)
    }

    #[inline(always)]
    fn refractory<T: Real>(params: &OpenParams<N, T>) -> Option<T> {
        N::refractory(&params.of_model())
    }

    fn rest(&self) -> N::State<f64> {
        self.0.rest()
    }
}

impl<N: NeuronVjp> NeuronVjp for Open<N> {
    #[inline(always)]
    fn rhs_vjp<T: Real>(
        params: &OpenParams<N, T>,
        x: &N::State<T>,
        current: T,
        f_bar: &N::State<T>,
        x_bar: &mut N::State<T>,
        params_bar: &mut OpenParams<N, T>,
    ) -> T {
        let (of_model, g, v) = (params.of_model(), params.conductance(), x.as_ref()[0]);
        let mut bar = N::Params::from_fn(|_| T::zero());
        let current_bar = N::rhs_vjp(&of_model, x, current - g * v, f_bar, x_bar, &mut bar);
        x_bar.as_mut()[0] -= g * current_bar;
        params_bar.add(&bar, -v * current_bar);
        current_bar
    }

    #[inline(always)]
    fn relaxation_vjp<T: Real>(
        params: &OpenParams<N, T>,
        x: &N::State<T>,
        relaxation_bar: &N::State<T>,
        x_bar: &mut N::State<T>,
        params_bar: &mut OpenParams<N, T>,
    ) {
        let (of_model, by) = (params.of_model(), relaxation_bar.as_ref()[0]);
        let mut bar = N::Params::from_fn(|_| T::zero());
        N::relaxation_vjp(&of_model, x, relaxation_bar, x_bar, &mut bar);
        let scaled = by * params.conductance();
        N::rhs_vjp(&of_model, x, T::one(), &of_voltage::<N, T>(scaled), x_bar, &mut bar);
        N::rhs_vjp(&of_model, x, T::zero(), &of_voltage::<N, T>(-scaled), x_bar, &mut bar);
        params_bar.add(&bar, by * by_current::<N, T>(&of_model, x));
    }

    #[inline(always)]
    fn reset_vjp<T: Real>(
        params: &OpenParams<N, T>,
        threshold_bar: T,
        value_bar: T,
        params_bar: &mut OpenParams<N, T>,
    ) {
        let mut bar = N::Params::from_fn(|_| T::zero());
        N::reset_vjp(&params.of_model(), threshold_bar, value_bar, &mut bar);
        params_bar.add(&bar, T::zero());
    }

    #[inline(always)]
    fn jump_vjp<T: Real>(
        params: &OpenParams<N, T>,
        before: &N::State<T>,
        after_bar: &N::State<T>,
        before_bar: &mut N::State<T>,
        params_bar: &mut OpenParams<N, T>,
    ) {
        let mut bar = N::Params::from_fn(|_| T::zero());
        N::jump_vjp(&params.of_model(), before, after_bar, before_bar, &mut bar);
        params_bar.add(&bar, T::zero());
    }

    #[inline(always)]
    fn refractory_vjp<T: Real>(
        params: &OpenParams<N, T>,
        refractory_bar: T,
        params_bar: &mut OpenParams<N, T>,
    ) {
        let mut bar = N::Params::from_fn(|_| T::zero());
        N::refractory_vjp(&params.of_model(), refractory_bar, &mut bar);
        params_bar.add(&bar, T::zero());
    }
}
