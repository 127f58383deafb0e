//! Exponential steps: what relaxes in an equation is followed by an exponential with its coefficients frozen (equation
//! (64)), so that a step may be longer than the time constants; and their exact transpose, equation (65).
//!
//! For a gating variable `dx/dt = (x_inf(v) - x) / tau_x(v)` the first-order method is that of Rush & Larsen (1978).

use std::fmt;

use simba::scalar::RealField;

use crate::Affine;
use crate::tableau::Tableau;

/// The most stages of an exponential method.
const STAGES: usize = 2;

/// An explicit exponential method for equations `dx/dt = f(x)` of which each variable relaxes at a rate `r(x) >= 0` that
/// the equation names. Where `r` is zero the methods are those of Euler and of the explicit midpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exponential {
    /// Order 1, one stage (Rush & Larsen 1978).
    Euler,
    /// Order 2, two stages (Börgers & Nectow 2013).
    Midpoint,
}

/// A point of a step with the slope and the relaxation there.
#[derive(Clone, Copy, Debug)]
struct Stage<X> {
    point: X,
    slope: X,
    relaxation: X,
}

/// `(exp(-r t) - 1) / (-r)`, the length of a step `t` that relaxes at the rate `r`.
#[inline(always)]
fn affine<T: RealField + Copy>(relaxation: T) -> Affine<T> {
    Affine { a: -relaxation, c: T::zero() }
}

impl Exponential {
    /// Every exponential method; tests loop over it.
    pub const ALL: [Self; 2] = [Self::Euler, Self::Midpoint];

    /// The method's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Euler => "exponential Euler",
            Self::Midpoint => "exponential midpoint",
        }
    }

    /// Order of convergence on smooth problems.
    pub const fn order(self) -> u32 {
        match self {
            Self::Euler => 1,
            Self::Midpoint => 2,
        }
    }

    /// The method that it is where nothing relaxes.
    pub const fn explicit(self) -> Tableau {
        match self {
            Self::Euler => crate::tableau::EULER,
            Self::Midpoint => crate::tableau::MIDPOINT,
        }
    }

    /// How far stage `i` is from the start of the step whose increment it gives, in parts of `h`.
    #[inline(always)]
    fn reach<T: RealField + Copy>(self, i: usize, h: T) -> T {
        match (self, i) {
            (Self::Midpoint, 0) => h * T::from_subset(&0.5),
            _ => h,
        }
    }

    /// Number of evaluations a step.
    pub const fn stages(self) -> usize {
        match self {
            Self::Euler => 1,
            Self::Midpoint => 2,
        }
    }

    /// One step from `x`. `f(X, slope, relaxation)` writes `f(X)` and `r(X)`.
    ///
    /// ```
    /// use spikegrad_integrators::Exponential;
    /// // dx/dt = (1 - x) / 0.01: a step of a hundred time constants ends where the equation does.
    /// let end = Exponential::Euler.step(1.0, [0.2], |x, slope, relaxation| {
    ///     *slope = [(1.0 - x[0]) / 0.01];
    ///     *relaxation = [1.0 / 0.01];
    /// });
    /// assert!((end[0] - 1.0_f64).abs() < 1e-12);
    /// ```
    #[inline(always)]
    pub fn step<T, X>(self, h: T, x: X, f: impl FnMut(&X, &mut X, &mut X)) -> X
    where
        T: RealField + Copy,
        X: Copy + AsRef<[T]> + AsMut<[T]>,
    {
        self.run(h, x, f).1
    }

    #[inline(always)]
    fn run<T, X>(self, h: T, x: X, mut f: impl FnMut(&X, &mut X, &mut X)) -> ([Stage<X>; STAGES], X)
    where
        T: RealField + Copy,
        X: Copy + AsRef<[T]> + AsMut<[T]>,
    {
        let mut stages = [Stage { point: x, slope: x, relaxation: x }; STAGES];
        let mut end = x;
        for (i, stage) in stages.iter_mut().enumerate().take(self.stages()) {
            stage.point = end;
            f(&stage.point, &mut stage.slope, &mut stage.relaxation);
            let t = self.reach(i, h);
            for (c, end) in end.as_mut().iter_mut().enumerate() {
                let (x, point) = (x.as_ref()[c], stage.point.as_ref()[c]);
                let relaxation = stage.relaxation.as_ref()[c];
                // What the slope would be at the start of the step with the coefficients of this stage.
                let slope = stage.slope.as_ref()[c] + relaxation * (point - x);
                *end = x + affine(relaxation).phi(t) * slope;
            }
        }
        (stages, end)
    }

    /// The transpose of [`step`](Self::step): turns `x_bar` of the step's end into that of its start, `x`.
    ///
    /// `f_vjp(X, slope_bar, relaxation_bar, X_bar)` adds the transposed products of `f` and `r` to `X_bar`.
    #[inline(always)]
    pub fn step_vjp<T, X>(
        self,
        h: T,
        x: X,
        x_bar: &mut X,
        f: impl FnMut(&X, &mut X, &mut X),
        mut f_vjp: impl FnMut(&X, &X, &X, &mut X),
    ) where
        T: RealField + Copy,
        X: Copy + AsRef<[T]> + AsMut<[T]>,
    {
        let (stages, _) = self.run(h, x, f);
        // Of what the stage's increment is added to, and of the start by all other ways.
        let (mut end_bar, mut start_bar) = (*x_bar, *x_bar);
        start_bar.as_mut().fill(T::zero());
        for i in (0..self.stages()).rev() {
            let (stage, t) = (&stages[i], self.reach(i, h));
            let (mut slope_bar, mut relaxation_bar, mut point_bar) = (end_bar, end_bar, end_bar);
            for c in 0..x.as_ref().len() {
                let (way, relaxation) =
                    (stage.point.as_ref()[c] - x.as_ref()[c], stage.relaxation.as_ref()[c]);
                let (flow, bar) = (affine(relaxation), end_bar.as_ref()[c]);
                let slope = stage.slope.as_ref()[c] + relaxation * way;
                let by_slope = flow.phi(t) * bar;
                slope_bar.as_mut()[c] = by_slope;
                relaxation_bar.as_mut()[c] = by_slope * way - flow.phi_by_a(t) * slope * bar;
                point_bar.as_mut()[c] = relaxation * by_slope;
                start_bar.as_mut()[c] += bar - relaxation * by_slope;
            }
            f_vjp(&stage.point, &slope_bar, &relaxation_bar, &mut point_bar);
            end_bar = point_bar;
        }
        // The first stage stands at the start.
        for (x_bar, (&end, &start)) in
            x_bar.as_mut().iter_mut().zip(end_bar.as_ref().iter().zip(start_bar.as_ref()))
        {
            *x_bar = end + start;
        }
    }
}

/// A method for the smooth part of a neuron's step: a Runge-Kutta table or an exponential method.
#[derive(Clone, Copy, PartialEq)]
pub enum Method {
    /// An explicit Runge-Kutta method.
    RungeKutta(Tableau),
    /// An exponential method; what does not relax is stepped by [`Exponential::explicit`].
    Exponential(Exponential),
}

impl Method {
    /// The method's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RungeKutta(tableau) => tableau.name(),
            Self::Exponential(method) => method.name(),
        }
    }

    /// The exponential method, if it is one.
    pub fn exponential(&self) -> Option<Exponential> {
        match self {
            Self::RungeKutta(_) => None,
            Self::Exponential(method) => Some(*method),
        }
    }

    /// The explicit method that it is, where nothing relaxes.
    pub fn explicit(&self) -> Tableau {
        match self {
            Self::RungeKutta(tableau) => *tableau,
            Self::Exponential(method) => method.explicit(),
        }
    }
}

impl From<Tableau> for Method {
    fn from(tableau: Tableau) -> Self {
        Self::RungeKutta(tableau)
    }
}

impl From<Exponential> for Method {
    fn from(method: Exponential) -> Self {
        Self::Exponential(method)
    }
}

// So that a method may be given where it is left open.
impl From<Tableau> for Option<Method> {
    fn from(tableau: Tableau) -> Self {
        Some(tableau.into())
    }
}

impl From<Exponential> for Option<Method> {
    fn from(method: Exponential) -> Self {
        Some(method.into())
    }
}

// A table is written as itself, so that training which was kept with one can be gone on with.
impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RungeKutta(tableau) => tableau.fmt(f),
            Self::Exponential(method) => f.debug_tuple("Exponential").field(method).finish(),
        }
    }
}
