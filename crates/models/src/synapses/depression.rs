//! Short-term depression (equation (80)).

use super::short_term::ShortTermPlasticity;
use crate::{Parameter, Real};

/// Short-term depression: a spike releases the part `u` of the resources `x`, which recover to 1. Of a charge `q` it is
/// `x' = x (1 - u)^q`, `e = x - x'`.
///
/// ```
/// use spikegrad_models::{Depression, ShortTermPlasticity};
/// let params = Depression { u: 0.5, tau_rec: 800.0 }.params();
/// let (first, x) = Depression::release(&params, &[1.0], 1.0);
/// let (second, _) = Depression::release(&params, &x, 1.0);
/// assert_eq!((first, second), (0.5, 0.25));
/// ```
///
/// Source: Tsodyks & Markram 1997; for parts of a charge, this project.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Depression {
    /// The part of the resources that a spike releases, between 0 and 1.
    pub u: f64,
    /// Time constant of recovery, ms, positive.
    pub tau_rec: f64,
}

impl ShortTermPlasticity for Depression {
    const NAME: &'static str = "depression";
    const PARAMETERS: &'static [Parameter] =
        &[Parameter::fraction("u"), Parameter::positive("tau_rec", "ms")];
    const VARIABLES: &'static [Parameter] = &[Parameter::new("x", "1")];
    const REST: &'static [f64] = &[1.0];
    const RECOVERY: &'static [usize] = &[1];

    type Params<T: Real> = [T; 2];
    type State<T: Real> = [T; 1];

    fn params(&self) -> [f64; 2] {
        [self.u, self.tau_rec]
    }

    #[inline(always)]
    fn release<T: Real>(&[u, _]: &[T; 2], &[x]: &[T; 1], q: T) -> (T, [T; 1]) {
        let released = -x * (q * (-u).ln_1p()).exp_m1();
        (released, [x - released])
    }

    #[inline(always)]
    fn release_vjp<T: Real>(
        &[u, _]: &[T; 2],
        &[x]: &[T; 1],
        q: T,
        (released_bar, after_bar): (T, &[T; 1]),
        state_bar: &mut [T; 1],
        params_bar: &mut [T; 2],
    ) -> T {
        let log = (-u).ln_1p();
        let lost = (q * log).exp_m1();
        // e = -x lost, x' = x + x lost
        let by = after_bar[0] - released_bar;
        state_bar[0] += after_bar[0] + by * lost;
        let exponent_bar = by * x * (T::one() + lost);
        params_bar[0] -= exponent_bar * q / (T::one() - u);
        exponent_bar * log
    }
}
