//! What a neuron model is: a membrane equation, its exact derivatives and the rule for a spike.

use std::fmt::Debug;

use crate::math::real;
use crate::real::Real;

/// A fixed-length array of `T`, `[T; N]`: the state or the parameters of one neuron.
pub trait Array<T>: Copy + Debug + AsRef<[T]> + AsMut<[T]> {
    /// Number of entries.
    const LEN: usize;
    /// The array whose entry `i` is `f(i)`.
    fn from_fn(f: impl FnMut(usize) -> T) -> Self;
}

impl<T: Copy + Debug, const N: usize> Array<T> for [T; N] {
    const LEN: usize = N;

    #[inline(always)]
    fn from_fn(f: impl FnMut(usize) -> T) -> Self {
        std::array::from_fn(f)
    }
}

/// What happens to the membrane when it has fired, as data. The gate's zone ends at the threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reset<T> {
    /// The voltage is a phase on the circle `[0, 1)`: threshold 1 is 0 again, and a step below 0 goes back to the top.
    Periodic,
    /// At threshold 1 the voltage falls by 1; the flow does not depend on where it starts, so that it may be taken
    /// after the step. Below 0 there is no wrap.
    Subtract,
    /// As [`Subtract`](Self::Subtract), with a floor: the voltage does not fall below 0, and a step releases charge only by as much as the
    /// voltage before the floor has risen in it (equation (110)). What falls withdraws nothing.
    Rectify,
    /// At `threshold` the voltage is set to `value`, at the very time of the crossing inside a step.
    To {
        /// Firing threshold `v_theta`.
        threshold: T,
        /// Reset voltage `v_r`.
        value: T,
    },
    /// No reset: the equations themselves bring the action potential down. Charge is released by the rising phase
    /// only, up to `threshold` (the latch of equation (34)).
    Latch {
        /// Upper end of the gate's zone.
        threshold: T,
    },
    /// The neuron never spikes: it has no gate, and releases no charge.
    Never,
}

/// Beyond the voltages of all units, and finite in single precision even when it is divided by the width of a gate.
const BEYOND: f64 = 1e30;

impl<T: Real> Reset<T> {
    /// Upper end `v_theta` of the gate's zone; beyond every voltage for a neuron that never spikes.
    #[inline(always)]
    pub fn threshold(&self) -> T {
        match *self {
            Self::Periodic | Self::Subtract | Self::Rectify => T::one(),
            Self::To { threshold, .. } | Self::Latch { threshold } => threshold,
            Self::Never => real(BEYOND),
        }
    }

    /// Whether the voltage falls by 1 for every whole cycle after the step, whose flow does not depend on where it starts.
    #[inline(always)]
    pub const fn wraps(&self) -> bool {
        matches!(self, Self::Periodic | Self::Subtract | Self::Rectify)
    }

    /// Whether a voltage has to begin below threshold: above it a neuron with such a reset cannot be. On a circle every voltage is a phase,
    /// and a neuron with a latch may begin anywhere.
    #[inline]
    pub const fn starts_below_threshold(&self) -> bool {
        matches!(self, Self::Subtract | Self::Rectify | Self::To { .. })
    }

    /// The widest zone that a gate may have, where the reset limits it: from the reset voltage to threshold.
    #[inline]
    pub fn widest_zone(&self) -> Option<T> {
        match *self {
            Self::Periodic | Self::Subtract | Self::Rectify => Some(T::one()),
            Self::To { threshold, value } => Some(threshold - value),
            Self::Latch { .. } | Self::Never => None,
        }
    }
}

/// Name, unit and sign of a neuron parameter, or name and unit of a state variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The field's usual symbol, as in `tau_v`.
    pub name: &'static str,
    /// Unit, as in `ms`; `1` where it has none.
    pub unit: &'static str,
    /// Whether only positive values make sense.
    pub positive: bool,
    /// Whether only values below 1 make sense.
    pub below_one: bool,
}

impl Parameter {
    /// A parameter of any sign.
    pub const fn new(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, positive: false, below_one: false }
    }

    /// A parameter that must be positive.
    pub const fn positive(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, positive: true, below_one: false }
    }

    /// A parameter between 0 and 1, both excluded, without a unit.
    pub const fn fraction(name: &'static str) -> Self {
        Self { name, unit: "1", positive: true, below_one: true }
    }
}

/// The numerical method that is right for a membrane equation, as data: who takes steps maps it to a method of his own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integration {
    /// Explicit Euler (order 1), for an `f` that is slow all the way to threshold. Next to an upstroke or a fast variable it
    /// is late by milliseconds.
    Euler,
    /// The classical Runge-Kutta method (order 4), for everything that is smooth and whose time constants are longer than
    /// the step.
    RungeKutta4,
    /// The exponential midpoint (order 2), for gating variables that relax within a step. The model gives
    /// [`Neuron::relaxation`]; without it this is the explicit midpoint.
    ExponentialMidpoint,
}

/// How the resets of a model are located inside a step. A [`Reset::To`] has to be located, and no other reset is: a network refuses
/// a model whose `LOCATE` contradicts its reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locate {
    /// Nothing is located: the voltage wraps, falls by 1 or is brought down by the equations.
    No,
    /// By the closed form of an `f` that is affine in its only state variable at a rate that does not depend on the current,
    /// `f(v, I) = f(0, I) + v (f(1, 0) - f(0, 0))`. The whole step is taken by it, so that no method takes its place.
    ClosedForm,
    /// As a root of the step's dense output (equation (47)), for want of a closed form. `f` should then be tame above threshold,
    /// where the stages of a step may go but no solution ever is: [`math::ceiling`](crate::math::ceiling).
    DenseOutput,
}

/// The most spikes in one step.
const MAX_SPIKES: u32 = 1000;

/// Euler's method.
#[inline(always)]
fn euler<N: Neuron, T: Real>(params: &N::Params<T>, x: &mut N::State<T>, current: T, h: T) {
    let f = N::rhs(params, x, current);
    for (x, &f) in x.as_mut().iter_mut().zip(f.as_ref()) {
        *x += h * f;
    }
}

/// A neuron model: the membrane equation `dx/dt = f(x, I)` (equation (3)), `x = (v, ...)`, one neuron at a time.
///
/// The type's own fields are the parameter values in f64; the equations are generic over the scalar, so that the same
/// code runs in f32, f64 and dual numbers. The first state variable is the voltage `v`.
///
/// A model that implements only this trait can be simulated, by [`step`](Self::step) alone; one that also has the exact derivatives
/// implements [`NeuronVjp`] and can be trained.
pub trait Neuron: Copy + Debug + Send + Sync + 'static {
    /// The model's name, as reports and messages write it.
    const NAME: &'static str;
    /// The parameters, in the order of [`Params`](Self::Params).
    const PARAMETERS: &'static [Parameter];
    /// Names and units of the state variables, in the order of [`State`](Self::State): voltage first. A variable that has no name
    /// here is called by its place, `x1` for the one behind the voltage.
    const VARIABLES: &'static [Parameter] = &[Parameter::new("v", "1")];
    /// Unit of the current `I`.
    const CURRENT: &'static str = "1/ms";
    /// The method that is right for the equation, and that a network takes unless another one is asked for. Measure it: the
    /// spike times of one neuron at the step that it is meant for, against those at a hundredth of it. The figures for the
    /// models of this crate, with their steps, are on [its page](crate#which-method-and-which-step). A model whose resets are
    /// [`Locate::ClosedForm`] is stepped by that form and is not asked.
    const METHOD: Integration;
    /// How its resets are located inside a step.
    const LOCATE: Locate = Locate::No;
    /// Whether the first variable is a voltage that a reversal potential can be compared with, and not a phase or a count.
    const HAS_VOLTAGE: bool = true;

    /// The state of one neuron, `[T; 1]`, `[T; 2]`, ...: voltage first.
    type State<T: Real>: Array<T>;
    /// The parameters of one neuron as an array.
    type Params<T: Real>: Array<T>;

    /// The parameter values.
    fn params(&self) -> Self::Params<f64>;

    /// The neuron with these parameter values, [`params`](Self::params) backwards: what a description of a network by names and
    /// numbers is turned into.
    fn from_params(params: &Self::Params<f64>) -> Self;

    /// `f(x, I)`: the time derivative of the state, per ms.
    fn rhs<T: Real>(params: &Self::Params<T>, x: &Self::State<T>, current: T) -> Self::State<T>;

    /// Whether [`relaxation`](Self::relaxation) is anything but zero.
    const RELAXES: bool = false;

    /// How fast each state variable relaxes with all others held, 1/ms: `1 / tau_x(v)` for a gating variable
    /// `dx/dt = (x_inf(v) - x) / tau_x(v)`, the total conductance over the capacitance for the voltage, zero for what has
    /// no such part. A step that follows the relaxation by an exponential (equation (64)) is stable where `h` is longer
    /// than the time constants; other steps do not ask.
    #[inline(always)]
    fn relaxation<T: Real>(_params: &Self::Params<T>, _x: &Self::State<T>) -> Self::State<T> {
        Self::State::<T>::from_fn(|_| T::zero())
    }

    /// The rule for a spike.
    fn reset<T: Real>(params: &Self::Params<T>) -> Reset<T>;

    /// What a spike does to the state variables behind the voltage of a model whose resets are located on the
    /// [dense output](Locate::DenseOutput). The first entry is not looked at, and is still the voltage before the spike: the whole state after a spike is that of
    /// [`after_spike`](Self::after_spike).
    #[inline(always)]
    fn jump<T: Real>(_params: &Self::Params<T>, before: &Self::State<T>) -> Self::State<T> {
        *before
    }

    /// The whole state after a spike, for the state `before` it, at threshold or above: the voltage by [`Reset`], the other
    /// variables by [`jump`](Self::jump). A model without a reset stays where it is.
    ///
    /// A voltage on a circle, or one that is reset by subtraction, falls by 1; take it again while it is still at threshold.
    ///
    /// ```
    /// use spikegrad_models::{AdEx, Neuron, Nif};
    /// let adex = AdEx::default();
    /// assert_eq!(AdEx::after_spike(&adex.params(), &[adex.v_theta, 20.0]), [adex.v_reset, 20.0 + adex.b]);
    /// assert_eq!(Nif::after_spike(&[], &[1.25]), [0.25]);
    /// ```
    #[inline(always)]
    fn after_spike<T: Real>(params: &Self::Params<T>, before: &Self::State<T>) -> Self::State<T> {
        let (mut after, v) = (Self::jump(params, before), before.as_ref()[0]);
        after.as_mut()[0] = match Self::reset(params) {
            Reset::To { value, .. } => value,
            Reset::Periodic | Reset::Subtract | Reset::Rectify => v - T::one(),
            Reset::Latch { .. } | Reset::Never => v,
        };
        after
    }

    /// The absolute refractory time of a model with a [`Reset::To`], ms, not negative: for so long the voltage is held at
    /// its reset value, while the other state variables go on.
    #[inline(always)]
    fn refractory<T: Real>(_params: &Self::Params<T>) -> Option<T> {
        None
    }

    /// One step of `h` ms of one neuron under a constant current, with all that a spike does: turns `x` and what is `wait`ed for of
    /// the refractory time (0 at first) into those at the end of the step, and returns how often the neuron fired.
    ///
    /// The method is Euler's. A hard reset stands at the time at which the chord of the step crosses the threshold: reset, jump and
    /// refractory time take place there, and the rest of the step goes on from the state after the spike. Several spikes in one step
    /// are several, and a state already above threshold fires at once. Without a reset, a spike is counted where the voltage comes
    /// up to the threshold.
    ///
    /// A network that is stepped by Euler's method does the same, but for models with a [closed form](Locate::ClosedForm), which it
    /// steps by that. The order is 1, so that `h` has to be short: 0.01 ms next to an upstroke. Where that is too slow, `ResetStep`
    /// of `spikegrad-integrators` has the same legs in steps of any method. A neuron that fires more than a thousand times in one step
    /// gets the state NaN.
    ///
    /// ```
    /// use spikegrad_models::{Neuron, RefractoryLif};
    /// let neuron = RefractoryLif { tau_v: 20.0, v_theta: 1.0, v_reset: 0.0, t_ref: 2.0 };
    /// let (params, mut x, mut wait) = (neuron.params(), neuron.rest(), 0.0);
    /// let spikes: u32 = (0..10_000).map(|_| RefractoryLif::step(&params, &mut x, &mut wait, 0.1, 0.1)).sum();
    /// let period = 2.0 + 20.0 * 2.0_f64.ln(); // refractory, and from 0 to 1 on the way to 2
    /// assert_eq!(spikes, (1000.0 / period) as u32);
    /// ```
    fn step<T: Real>(
        params: &Self::Params<T>,
        x: &mut Self::State<T>,
        wait: &mut T,
        current: T,
        h: T,
    ) -> u32 {
        let (reset, start) = (Self::reset(params), x.as_ref()[0]);
        if !matches!(reset, Reset::To { .. }) {
            euler::<Self, T>(params, x, current, h);
            let v = &mut x.as_mut()[0];
            let whole = match reset {
                Reset::Periodic => v.floor(),
                Reset::Subtract => v.max(T::zero()).floor(),
                Reset::Rectify => {
                    *v = v.max(T::zero());
                    v.floor()
                }
                _ => return u32::from(start < reset.threshold() && *v >= reset.threshold()),
            };
            *v -= whole;
            return whole.value() as u32;
        }
        let (mut left, threshold) = (h, reset.threshold());
        for spikes in 0..=MAX_SPIKES {
            if *wait > T::zero() {
                let (v, held) = (x.as_ref()[0], if *wait < left { *wait } else { left });
                euler::<Self, T>(params, x, current, held);
                x.as_mut()[0] = v;
                (*wait, left) = (*wait - held, left - held);
            }
            if left <= T::zero() {
                return spikes;
            }
            let before = *x;
            euler::<Self, T>(params, x, current, left);
            let (low, high) = (before.as_ref()[0], x.as_ref()[0]);
            let theta = if low >= threshold {
                T::zero()
            } else if high >= threshold {
                (threshold - low) / (high - low)
            } else {
                return spikes;
            };
            let mut at = before;
            for (at, &end) in at.as_mut().iter_mut().zip(x.as_ref()) {
                *at += theta * (end - *at);
            }
            at.as_mut()[0] = threshold;
            *x = Self::after_spike(params, &at);
            *wait = Self::refractory(params).unwrap_or_else(T::zero);
            left *= T::one() - theta;
        }
        x.as_mut().fill(real(f64::NAN));
        MAX_SPIKES
    }

    /// A resting state for zero current.
    fn rest(&self) -> Self::State<f64>;
}

/// The exact derivatives of a [`Neuron`], as Jacobian-transpose products. Every product *adds* to its targets.
///
/// No product has a default that could be forgotten: whoever overrides [`relaxation`](Neuron::relaxation), [`jump`](Neuron::jump) or
/// [`refractory`](Neuron::refractory), or makes a parameter of a threshold, is asked by the compiler for the derivative. Where
/// a model has nothing to add, an empty body says so.
///
/// ```compile_fail,E0046
/// # use spikegrad_models::{Integration, Locate, Neuron, NeuronVjp, Parameter, Real, Reset};
/// # #[derive(Clone, Copy, Debug)]
/// # struct Leaky;
/// # impl Neuron for Leaky {
/// #     const NAME: &'static str = "leaky";
/// #     const PARAMETERS: &'static [Parameter] = &[Parameter::new("v_theta", "1")];
/// #     const METHOD: Integration = Integration::Euler;
/// #     const LOCATE: Locate = Locate::ClosedForm;
/// #     type State<T: Real> = [T; 1];
/// #     type Params<T: Real> = [T; 1];
/// #     fn params(&self) -> [f64; 1] {
/// #         [1.0]
/// #     }
/// #     fn from_params(_: &[f64; 1]) -> Self {
/// #         Self
/// #     }
/// #     fn rhs<T: Real>(_: &[T; 1], &[v]: &[T; 1], current: T) -> [T; 1] {
/// #         [current - v]
/// #     }
/// #     fn reset<T: Real>(&[threshold]: &[T; 1]) -> Reset<T> {
/// #         Reset::To { threshold, value: T::zero() }
/// #     }
/// #     fn rest(&self) -> [f64; 1] {
/// #         [0.0]
/// #     }
/// # }
/// // The threshold of this model is a parameter, and nothing says what its cotangent is.
/// impl NeuronVjp for Leaky {
///     fn rhs_vjp<T: Real>(
///         _: &[T; 1],
///         _: &[T; 1],
///         _: T,
///         f_bar: &[T; 1],
///         x_bar: &mut [T; 1],
///         _: &mut [T; 1],
///     ) -> T {
///         x_bar[0] -= f_bar[0];
///         f_bar[0]
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no derivatives, which training needs",
    label = "this model does not implement `NeuronVjp`",
    note = "wrap a model that implements `Neuron` to get its exact derivatives: `AutoVjp(model)`",
    note = "or implement `NeuronVjp` by hand, which is faster for models of many parameters"
)]
pub trait NeuronVjp: Neuron {
    /// Adds `(df/dx)^T f_bar` to `x_bar`, `(df/dp)^T f_bar` to `params_bar` and returns `(df/dI)^T f_bar`.
    fn rhs_vjp<T: Real>(
        params: &Self::Params<T>,
        x: &Self::State<T>,
        current: T,
        f_bar: &Self::State<T>,
        x_bar: &mut Self::State<T>,
        params_bar: &mut Self::Params<T>,
    ) -> T;

    /// Whether the model has a [`rhs_vjp_by_state`](Self::rhs_vjp_by_state) of its own, which a network asks for only then.
    const BY_STATE: bool = false;

    /// [`rhs_vjp`](Self::rhs_vjp) where no parameter is trained. The default is exact, and no derivative is forgotten by it: the
    /// cotangents of the parameters are computed and dropped. Compilers see that nobody reads them, and leave out products that are
    /// written by hand; [`AutoVjp`](crate::AutoVjp) leaves out the evaluations that it needs for parameters.
    #[inline(always)]
    fn rhs_vjp_by_state<T: Real>(
        params: &Self::Params<T>,
        x: &Self::State<T>,
        current: T,
        f_bar: &Self::State<T>,
        x_bar: &mut Self::State<T>,
    ) -> T {
        let mut dropped = Self::Params::<T>::from_fn(|_| T::zero());
        Self::rhs_vjp(params, x, current, f_bar, x_bar, &mut dropped)
    }

    /// Adds the transposed products of [`relaxation`](Neuron::relaxation) to `x_bar` and `params_bar`. Nothing to add if the
    /// model does not relax.
    fn relaxation_vjp<T: Real>(
        params: &Self::Params<T>,
        x: &Self::State<T>,
        relaxation_bar: &Self::State<T>,
        x_bar: &mut Self::State<T>,
        params_bar: &mut Self::Params<T>,
    );

    /// The transposed product of [`reset`](Neuron::reset): adds the cotangents of threshold and reset voltage, times their
    /// derivatives, to the parameters that they are made of. Nothing to add if both are constants.
    fn reset_vjp<T: Real>(
        params: &Self::Params<T>,
        threshold_bar: T,
        value_bar: T,
        params_bar: &mut Self::Params<T>,
    );

    /// The transposed product of [`jump`](Neuron::jump): adds to `before_bar` and `params_bar`. The first entry of
    /// `after_bar` is zero, since the voltage is set by the reset. State variables that a spike leaves alone hand their
    /// cotangent from `after_bar` to `before_bar`; with the voltage as the only variable there is nothing to add.
    fn jump_vjp<T: Real>(
        params: &Self::Params<T>,
        before: &Self::State<T>,
        after_bar: &Self::State<T>,
        before_bar: &mut Self::State<T>,
        params_bar: &mut Self::Params<T>,
    );

    /// The transposed product of [`refractory`](Neuron::refractory), which adds to the parameters that the time is made of.
    /// Nothing to add if the model has none.
    fn refractory_vjp<T: Real>(params: &Self::Params<T>, refractory_bar: T, params_bar: &mut Self::Params<T>);
}
