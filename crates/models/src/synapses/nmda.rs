//! The NMDA receptor (equation (84)).

use super::receptor::Receptor;
use crate::{Parameter, Real};

/// NMDA receptor: a conductance that magnesium blocks at low voltages, `I = G m(v) (e_rev - v)` with
/// `m(v) = 1 / (1 + exp(-(v - v_half) / slope))`. Jahr & Stevens measured `m = 1 / (1 + exp(-0.062 v) [Mg] / 3.57)`, that is a slope of
/// 16.13 mV and a half-voltage of -20.5 mV at 1 mM of magnesium: [`Default`].
///
/// Source: Jahr & Stevens 1990.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nmda {
    /// Reversal potential, in the unit of the postsynaptic voltage.
    pub e_rev: f64,
    /// Voltage at which half of the channels are blocked, in the same unit.
    pub v_half: f64,
    /// Voltage in which the ratio of open to blocked channels grows by e, in the same unit, positive.
    pub slope: f64,
}

/// Jahr & Stevens's block at 1 mM of magnesium, and a reversal potential of 0, for voltages in mV.
impl Default for Nmda {
    fn default() -> Self {
        // ln(1 / 3.57) / 0.062, 1 / 0.062
        Self { e_rev: 0.0, v_half: -20.525_251_545_024_96, slope: 16.129_032_258_064_516 }
    }
}

impl Receptor for Nmda {
    const NAME: &'static str = "NMDA";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::new("e_rev", "voltage"),
        Parameter::new("v_half", "voltage"),
        Parameter::positive("slope", "voltage"),
    ];
    const BY_VOLTAGE: bool = true;

    type Params<T: Real> = [T; 3];

    fn params(&self) -> [f64; 3] {
        [self.e_rev, self.v_half, self.slope]
    }

    #[inline(always)]
    fn open<T: Real>(&[_, v_half, slope]: &[T; 3], v: T) -> T {
        // Either way no exponential overflows.
        let x = (v - v_half) / slope;
        let small = (-x.abs()).exp();
        (if x > T::zero() { T::one() } else { small }) / (T::one() + small)
    }

    #[inline(always)]
    fn open_vjp<T: Real>(params: &[T; 3], v: T, open_bar: T, params_bar: &mut [T; 3]) -> T {
        let &[_, v_half, slope] = params;
        let open = Self::open(params, v);
        let v_bar = open_bar * open * (T::one() - open) / slope;
        params_bar[1] -= v_bar;
        params_bar[2] -= v_bar * (v - v_half) / slope;
        v_bar
    }
}
