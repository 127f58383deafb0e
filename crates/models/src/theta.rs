//! Theta neuron, the quadratic integrate-and-fire neuron (QIF) on a circle (equation (30)).
//!
//! Sources: Ermentrout & Kopell (1986); in this form Huh & Sejnowski (2018).

use simba::scalar::RealField;

use crate::math::sin_cos_turn;
use crate::neuron::{Neuron, NeuronVjp, Parameter, Reset};

/// Theta neuron: `dv/dt = (1 + cos 2 pi v) / tau_v + (1 - cos 2 pi v) I` on the circle `v in [0, 1)`. Voltage
/// dimensionless, current 1/ms; it fires at `2 sqrt(I / tau_v)` per ms for a constant positive current.
///
/// ```
/// use spikegrad_models::{Neuron, Theta};
/// let theta = Theta { tau_v: 25.0 };
/// let [dv] = Theta::rhs(&theta.params(), &[0.0], 0.01);
/// assert_eq!(dv, 2.0 / 25.0);
/// ```
#[doc(alias = "QIF")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Theta {
    /// Membrane time constant, ms.
    pub tau_v: f64,
}

impl Default for Theta {
    /// The paper's membrane, `tau_v = 25 ms`.
    fn default() -> Self {
        Self { tau_v: 25.0 }
    }
}

impl Neuron for Theta {
    const NAME: &'static str = "theta";
    const PARAMETERS: &'static [Parameter] = &[Parameter::positive("tau_v", "ms")];
    type State<T: RealField + Copy> = [T; 1];
    type Params<T: RealField + Copy> = [T; 1];

    fn params(&self) -> [f64; 1] {
        [self.tau_v]
    }

    #[inline(always)]
    fn rhs<T: RealField + Copy>([tau_v]: &[T; 1], [v]: &[T; 1], current: T) -> [T; 1] {
        let (cos, rate) = (sin_cos_turn(*v).1, T::one() / *tau_v);
        [(T::one() + cos) * rate + (T::one() - cos) * current]
    }

    #[inline(always)]
    fn reset<T: RealField + Copy>(_: &[T; 1]) -> Reset<T> {
        Reset::Periodic
    }

    fn rest(&self) -> [f64; 1] {
        [0.5]
    }
}

impl NeuronVjp for Theta {
    #[inline(always)]
    fn rhs_vjp<T: RealField + Copy>(
        [tau_v]: &[T; 1],
        [v]: &[T; 1],
        current: T,
        [f_bar]: &[T; 1],
        [v_bar]: &mut [T; 1],
        [tau_v_bar]: &mut [T; 1],
    ) -> T {
        let (sin, cos) = sin_cos_turn(*v);
        let rate = T::one() / *tau_v;
        *v_bar += T::two_pi() * sin * (current - rate) * *f_bar;
        *tau_v_bar -= (T::one() + cos) * rate * rate * *f_bar;
        (T::one() - cos) * *f_bar
    }
}
