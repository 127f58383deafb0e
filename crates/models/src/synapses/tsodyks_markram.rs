//! Short-term facilitation and depression (equation (81)).

use super::short_term::ShortTermPlasticity;
use crate::math::real;
use crate::{Parameter, Real};

/// Short-term facilitation and depression: a spike first raises the use `y` of resources, `y' = y + u (1 - y)`, then releases
/// `e = y' x` of the resources `x`. `y` decays to 0, `x` recovers to 1. Of a charge `q`, with `w = 1 - y` and `L = ln(1 - u)`, it is
/// `w' = w exp(q L)`, `x' = x exp(q ln w + q (q + 1) L / 2)` and `e = x - x'`.
///
/// ```
/// use spikegrad_models::{ShortTermPlasticity, TsodyksMarkram};
/// let params = TsodyksMarkram { u: 0.25, tau_rec: 200.0, tau_facil: 600.0 }.params();
/// let (first, after) = TsodyksMarkram::release(&params, &[0.0, 1.0], 1.0);
/// assert!((first - 0.25_f64).abs() < 1e-15);
/// let (second, _) = TsodyksMarkram::release(&params, &after, 1.0);
/// // y' = 0.25 + 0.25 * 0.75 of what is left, 0.75.
/// assert!((second - 0.4375 * 0.75_f64).abs() < 1e-15);
/// ```
///
/// Source: Markram, Wang & Tsodyks 1998; for parts of a charge, this project.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TsodyksMarkram {
    /// How much a spike raises the use of resources at rest, between 0 and 1.
    pub u: f64,
    /// Time constant of the recovery from depression, ms, positive.
    pub tau_rec: f64,
    /// Time constant of the decay of facilitation, ms, positive.
    pub tau_facil: f64,
}

impl ShortTermPlasticity for TsodyksMarkram {
    const NAME: &'static str = "Tsodyks-Markram";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::fraction("u"),
        Parameter::positive("tau_rec", "ms"),
        Parameter::positive("tau_facil", "ms"),
    ];
    const VARIABLES: &'static [Parameter] = &[Parameter::new("y", "1"), Parameter::new("x", "1")];
    const REST: &'static [f64] = &[0.0, 1.0];
    const RECOVERY: &'static [usize] = &[2, 1];

    type Params<T: Real> = [T; 3];
    type State<T: Real> = [T; 2];

    fn params(&self) -> [f64; 3] {
        [self.u, self.tau_rec, self.tau_facil]
    }

    #[inline(always)]
    fn release<T: Real>(&[u, ..]: &[T; 3], &[y, x]: &[T; 2], q: T) -> (T, [T; 2]) {
        let log = (-u).ln_1p();
        let released = -x * (q * (-y).ln_1p() + real::<T>(0.5) * q * (q + T::one()) * log).exp_m1();
        // 1 - (1 - y) exp(q L)
        let used = y - (T::one() - y) * (q * log).exp_m1();
        (released, [used, x - released])
    }

    #[inline(always)]
    fn release_vjp<T: Real>(
        &[u, ..]: &[T; 3],
        &[y, x]: &[T; 2],
        q: T,
        (released_bar, after_bar): (T, &[T; 2]),
        state_bar: &mut [T; 2],
        params_bar: &mut [T; 3],
    ) -> T {
        let (one, half) = (T::one(), real::<T>(0.5));
        let (log, log_w) = ((-u).ln_1p(), (-y).ln_1p());
        let (grown, lost) = ((q * log).exp_m1(), (q * log_w + half * q * (q + one) * log).exp_m1());
        // e = -x lost, x' = x + x lost
        let by = after_bar[1] - released_bar;
        state_bar[1] += after_bar[1] + by * lost;
        let exponent_bar = by * x * (one + lost);
        // y' = y - (1 - y) grown
        let used_bar = after_bar[0];
        state_bar[0] += used_bar * (one + grown) - exponent_bar * q / (one - y);
        let growth_bar = -used_bar * (one - y) * (one + grown);
        let log_bar = growth_bar * q + exponent_bar * half * q * (q + one);
        params_bar[0] -= log_bar / (one - u);
        growth_bar * log + exponent_bar * (log_w + half * (q + q + one) * log)
    }
}
