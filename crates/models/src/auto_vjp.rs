//! The derivatives of a model from its equations alone, by dual numbers in forward mode.

use crate::neuron::{Array, Integration, Locate, Neuron, NeuronVjp, Parameter, Reset};
use crate::real::Real;
use crate::tangent::Tangent;

/// A model with the exact derivatives of its equations, for which nothing is written by hand: `AutoVjp(neuron)` implements
/// [`NeuronVjp`] for any [`Neuron`].
///
/// The equations are evaluated with dual numbers, in the directions of the state, the current and the parameters. So the
/// derivatives are exact to rounding, in `f32` and `f64`, of whatever the equations do: branches, resets, jumps and refractory times
/// included. Rounding functions such as [`Real::floor`] have the derivative zero. Where a function has none, as `sqrt` at 0,
/// the derivative is infinite or `NaN`.
///
/// Parameters are seeded only where they are trained: a population of which no parameter is trained asks for
/// [`rhs_vjp_by_state`](NeuronVjp::rhs_vjp_by_state), in which they are constants. Those of a population that trains some of them are
/// seeded together, for the compiler has to know in advance which numbers are constants.
///
/// The wrapped model keeps its [`NAME`](Neuron::NAME), and a description of a network finds it by that. Names of models of this
/// crate are taken: a network refuses `AutoVjp<Lif>`, whose derivatives are written by hand anyway. What it costs is on
/// [the crate's page](crate#a-model-without-derivatives).
///
/// ```
/// use spikegrad_models::{AutoVjp, Integration, Neuron, NeuronVjp, Parameter, Real, Reset};
///
/// /// `dv/dt = v (v - a) + I`.
/// #[derive(Clone, Copy, Debug)]
/// struct Quadratic {
///     a: f64,
/// }
///
/// impl Neuron for Quadratic {
///     const NAME: &'static str = "quadratic";
///     const PARAMETERS: &'static [Parameter] = &[Parameter::new("a", "1")];
///     const METHOD: Integration = Integration::RungeKutta4;
///     type State<T: Real> = [T; 1];
///     type Params<T: Real> = [T; 1];
///     fn params(&self) -> [f64; 1] {
///         [self.a]
///     }
///     fn from_params(&[a]: &[f64; 1]) -> Self {
///         Self { a }
///     }
///     fn rhs<T: Real>(&[a]: &[T; 1], &[v]: &[T; 1], current: T) -> [T; 1] {
///         [v * (v - a) + current]
///     }
///     fn reset<T: Real>(_: &[T; 1]) -> Reset<T> {
///         Reset::Latch { threshold: T::one() }
///     }
///     fn rest(&self) -> [f64; 1] {
///         [0.0]
///     }
/// }
///
/// let (mut v_bar, mut a_bar) = ([0.0], [0.0]);
/// let current_bar = AutoVjp::<Quadratic>::rhs_vjp(&[0.5], &[2.0], 0.1, &[1.0], &mut v_bar, &mut a_bar);
/// assert_eq!((v_bar, a_bar, current_bar), ([3.5], [-2.0], 1.0)); // 2 v - a, -v, 1
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AutoVjp<N>(pub N);

impl<N: Neuron> Neuron for AutoVjp<N> {
    const NAME: &'static str = N::NAME;
    const PARAMETERS: &'static [Parameter] = N::PARAMETERS;
    const VARIABLES: &'static [Parameter] = N::VARIABLES;
    const CURRENT: &'static str = N::CURRENT;
    const METHOD: Integration = N::METHOD;
    const LOCATE: Locate = N::LOCATE;
    const HAS_VOLTAGE: bool = N::HAS_VOLTAGE;
    const RELAXES: bool = N::RELAXES;
    type State<T: Real> = N::State<T>;
    type Params<T: Real> = N::Params<T>;

    fn params(&self) -> N::Params<f64> {
        self.0.params()
    }

    fn from_params(params: &N::Params<f64>) -> Self {
        Self(N::from_params(params))
    }

    #[inline(always)]
    fn rhs<T: Real>(params: &N::Params<T>, x: &N::State<T>, current: T) -> N::State<T> {
        N::rhs(params, x, current)
    }

    #[inline(always)]
    fn relaxation<T: Real>(params: &N::Params<T>, x: &N::State<T>) -> N::State<T> {
        N::relaxation(params, x)
    }

    #[inline(always)]
    fn reset<T: Real>(params: &N::Params<T>) -> Reset<T> {
        N::reset(params)
    }

    #[inline(always)]
    fn jump<T: Real>(params: &N::Params<T>, before: &N::State<T>) -> N::State<T> {
        N::jump(params, before)
    }

    #[inline(always)]
    fn after_spike<T: Real>(params: &N::Params<T>, before: &N::State<T>) -> N::State<T> {
        N::after_spike(params, before)
    }

    #[inline(always)]
    fn refractory<T: Real>(params: &N::Params<T>) -> Option<T> {
        N::refractory(params)
    }

    fn step<T: Real>(params: &N::Params<T>, x: &mut N::State<T>, wait: &mut T, current: T, h: T) -> u32 {
        N::step(params, x, wait, current, h)
    }

    fn rest(&self) -> N::State<f64> {
        self.0.rest()
    }
}

/// Directions in which the equations are differentiated at a time. The bits do not depend on the number.
const K: usize = 8;

type Dual<T> = Tangent<T, K>;

/// Calls `pass` with the first of `K` directions, until there are as many as numbers in `A` and `B`, and `MORE`. The first passes
/// are written out, so that the compiler knows which number has which direction; what a model does not need is not compiled.
#[inline(always)]
fn passes<T, A: Array<T>, B: Array<T>, const MORE: usize>(mut pass: impl FnMut(usize)) {
    macro_rules! written_out {
        ($($number:literal)*) => {
            $(
                if const { A::LEN + B::LEN + MORE > $number * K } {
                    pass($number * K);
                }
            )*
        };
    }
    written_out!(0 1 2 3);
    if const { A::LEN + B::LEN + MORE > 4 * K } {
        for first in (4 * K..A::LEN + B::LEN + MORE).step_by(K) {
            pass(first);
        }
    }
}

/// The numbers `values`, which have the directions from `offset` on, for a pass that begins with direction `first`.
// Constants first, and then those that have a direction: of a loop over all numbers with a condition the compiler would not see
// which ones are constants.
#[inline(always)]
fn seeds<T: Real, A: Array<T>, D: Array<Dual<T>>>(values: &A, offset: usize, first: usize) -> D {
    let mut seeds = D::from_fn(|i| Dual::flat(values.as_ref()[i]));
    for k in 0..K {
        if let Some(seed) = seeds.as_mut().get_mut((first + k).wrapping_sub(offset)) {
            *seed = seed.along(k);
        }
    }
    seeds
}

/// The sum of `bar` times the derivatives of `values` in direction `k` of a pass.
#[inline(always)]
fn pull<T: Real>(values: &[Dual<T>], bar: &[T], k: usize) -> T {
    values.iter().zip(bar).fold(-T::zero(), |sum, (value, &bar)| value.pull(sum, bar, k))
}

/// Adds what direction `direction` pulls back to: a state variable, or a parameter behind them.
#[inline(always)]
fn add<T: Real>(direction: usize, bar: T, x_bar: &mut [T], params_bar: &mut [T]) {
    let dim = x_bar.len();
    if let Some(target) = x_bar.get_mut(direction) {
        *target += bar;
    } else if let Some(target) = params_bar.get_mut(direction - dim) {
        *target += bar;
    }
}

/// The transposed product of a function of state and parameters, in that order.
#[inline(always)]
fn by_state_and_params<N: Neuron, T: Real>(
    params: &N::Params<T>,
    x: &N::State<T>,
    bar: &[T],
    x_bar: &mut N::State<T>,
    params_bar: &mut N::Params<T>,
    f: impl Fn(&N::Params<Dual<T>>, &N::State<Dual<T>>) -> N::State<Dual<T>>,
) {
    let dim = N::State::<T>::LEN;
    passes::<T, N::State<T>, N::Params<T>, 0>(
        #[inline(always)]
        |first| {
            let value = f(&seeds(params, dim, first), &seeds(x, 0, first));
            for k in 0..K {
                add(first + k, pull(value.as_ref(), bar, k), x_bar.as_mut(), params_bar.as_mut());
            }
        },
    );
}

impl<N: Neuron> NeuronVjp for AutoVjp<N> {
    const BY_STATE: bool = true;

    #[inline(always)]
    fn rhs_vjp<T: Real>(
        params: &N::Params<T>,
        x: &N::State<T>,
        current: T,
        f_bar: &N::State<T>,
        x_bar: &mut N::State<T>,
        params_bar: &mut N::Params<T>,
    ) -> T {
        // In the order of state, parameters and current.
        let (dim, last) = (N::State::<T>::LEN, N::State::<T>::LEN + N::Params::<T>::LEN);
        let mut current_bar = T::zero();
        passes::<T, N::State<T>, N::Params<T>, 1>(
            #[inline(always)]
            |first| {
                let current = Dual::flat(current).along(last.wrapping_sub(first));
                let f = N::rhs(&seeds(params, dim, first), &seeds(x, 0, first), current);
                for k in 0..K {
                    let bar = pull(f.as_ref(), f_bar.as_ref(), k);
                    if first + k == last {
                        current_bar = bar;
                    } else {
                        add(first + k, bar, x_bar.as_mut(), params_bar.as_mut());
                    }
                }
            },
        );
        current_bar
    }

    #[inline(always)]
    fn rhs_vjp_by_state<T: Real>(
        params: &N::Params<T>,
        x: &N::State<T>,
        current: T,
        f_bar: &N::State<T>,
        x_bar: &mut N::State<T>,
    ) -> T {
        let dim = N::State::<T>::LEN;
        let constants = N::Params::<Dual<T>>::from_fn(|i| Dual::flat(params.as_ref()[i]));
        let mut current_bar = T::zero();
        passes::<T, N::State<T>, [T; 0], 1>(
            #[inline(always)]
            |first| {
                let current = Dual::flat(current).along(dim.wrapping_sub(first));
                let f = N::rhs(&constants, &seeds(x, 0, first), current);
                for k in 0..K {
                    let bar = pull(f.as_ref(), f_bar.as_ref(), k);
                    if first + k == dim {
                        current_bar = bar;
                    } else {
                        add(first + k, bar, x_bar.as_mut(), &mut []);
                    }
                }
            },
        );
        current_bar
    }

    #[inline(always)]
    fn relaxation_vjp<T: Real>(
        params: &N::Params<T>,
        x: &N::State<T>,
        relaxation_bar: &N::State<T>,
        x_bar: &mut N::State<T>,
        params_bar: &mut N::Params<T>,
    ) {
        if N::RELAXES {
            by_state_and_params::<N, T>(params, x, relaxation_bar.as_ref(), x_bar, params_bar, N::relaxation);
        }
    }

    #[inline(always)]
    fn reset_vjp<T: Real>(
        params: &N::Params<T>,
        threshold_bar: T,
        value_bar: T,
        params_bar: &mut N::Params<T>,
    ) {
        passes::<T, [T; 0], N::Params<T>, 0>(
            #[inline(always)]
            |first| {
                let (threshold, value) = match N::reset::<Dual<T>>(&seeds(params, 0, first)) {
                    Reset::To { threshold, value } => (threshold, value),
                    Reset::Latch { threshold } => (threshold, Dual::zero()),
                    Reset::Periodic | Reset::Subtract | Reset::Rectify | Reset::Never => return,
                };
                for k in 0..K {
                    let bar = pull(&[threshold, value], &[threshold_bar, value_bar], k);
                    add(first + k, bar, &mut [], params_bar.as_mut());
                }
            },
        );
    }

    #[inline(always)]
    fn jump_vjp<T: Real>(
        params: &N::Params<T>,
        before: &N::State<T>,
        after_bar: &N::State<T>,
        before_bar: &mut N::State<T>,
        params_bar: &mut N::Params<T>,
    ) {
        by_state_and_params::<N, T>(params, before, after_bar.as_ref(), before_bar, params_bar, N::jump);
    }

    #[inline(always)]
    fn refractory_vjp<T: Real>(params: &N::Params<T>, refractory_bar: T, params_bar: &mut N::Params<T>) {
        passes::<T, [T; 0], N::Params<T>, 0>(
            #[inline(always)]
            |first| {
                if let Some(time) = N::refractory::<Dual<T>>(&seeds(params, 0, first)) {
                    for k in 0..K {
                        add(first + k, pull(&[time], &[refractory_bar], k), &mut [], params_bar.as_mut());
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::real;

    const PARAMETERS: usize = 5 * K + 3;

    /// A model of more directions than the passes that are written out: `f_i = x_i sum_j j p_j + I p_last`.
    #[derive(Clone, Copy, Debug)]
    struct Wide;

    impl Neuron for Wide {
        const NAME: &'static str = "wide";
        const PARAMETERS: &'static [Parameter] = &[Parameter::new("p", "1"); PARAMETERS];
        const METHOD: Integration = Integration::Euler;
        type State<T: Real> = [T; 3];
        type Params<T: Real> = [T; PARAMETERS];

        fn params(&self) -> [f64; PARAMETERS] {
            std::array::from_fn(|j| 0.1 * j as f64 - 1.0)
        }

        fn from_params(_: &[f64; PARAMETERS]) -> Self {
            Self
        }

        fn rhs<T: Real>(p: &[T; PARAMETERS], x: &[T; 3], current: T) -> [T; 3] {
            let sum = (0..PARAMETERS).fold(T::zero(), |sum, j| sum + real::<T>(j as f64) * p[j]);
            x.map(|x| x * sum + current * p[PARAMETERS - 1])
        }

        fn reset<T: Real>(p: &[T; PARAMETERS]) -> Reset<T> {
            Reset::Latch { threshold: p[PARAMETERS - 1] * p[1] }
        }

        fn rest(&self) -> [f64; 3] {
            [0.0; 3]
        }
    }

    #[test]
    fn models_of_any_size_are_differentiated_in_all_directions() {
        let (p, x, bar, current) = (Wide.params(), [0.5, -2.0, 3.0], [1.0, 0.5, -0.25], 2.0);
        let sum: f64 = p.iter().enumerate().map(|(j, p)| j as f64 * p).sum();
        let last = PARAMETERS - 1;
        // Products add to what is there.
        let (mut x_bar, mut p_bar) = ([1.0; 3], [1.0; PARAMETERS]);
        let current_bar = AutoVjp::<Wide>::rhs_vjp(&p, &x, current, &bar, &mut x_bar, &mut p_bar);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * (1.0 + b.abs()), "{a} {b}");
        close(current_bar, 1.25 * p[last]);
        for i in 0..3 {
            close(x_bar[i], 1.0 + bar[i] * sum);
        }
        let pulled: f64 = x.iter().zip(bar).map(|(x, bar)| x * bar).sum();
        for j in 0..PARAMETERS {
            let direct = if j == last { 1.25 * current } else { 0.0 };
            close(p_bar[j], 1.0 + j as f64 * pulled + direct);
        }
        let mut by_state = [1.0; 3];
        assert_eq!(AutoVjp::<Wide>::rhs_vjp_by_state(&p, &x, current, &bar, &mut by_state), current_bar);
        assert_eq!(by_state, x_bar);
        let mut p_bar = [0.0; PARAMETERS];
        AutoVjp::<Wide>::reset_vjp(&p, 2.0, 7.0, &mut p_bar);
        assert_eq!((p_bar[1], p_bar[last], p_bar[0]), (2.0 * p[last], 2.0 * p[1], 0.0));
    }
}
