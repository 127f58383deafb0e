//! The exponential synapse (equations (1), (2)).

use super::kinetics::Kinetics;
use crate::math::real;
use crate::{Parameter, Real};

/// Exponential synapse: `tau ds/dt = -s + drive`, where the drive is `g(v) dv/dt` of the presynaptic neuron. `s` is an
/// average of the charge released, 1/ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExponentialSynapse {
    /// Time constant, ms, positive.
    pub tau: f64,
}

impl ExponentialSynapse {
    /// `s` after a step of `h` ms in which a `charge` is released evenly, exactly (equation (19)): `a s + b charge` with
    /// `a = exp(-h / tau)` and `b = (1 - a) / h`. A spike has the charge 1; [`Gate`](crate::Gate) makes a graded charge of the
    /// voltage's movement.
    ///
    /// ```
    /// use spikegrad_models::ExponentialSynapse;
    /// let synapse = ExponentialSynapse { tau: 5.0 };
    /// let (mut s, mut area, h) = (0.0, 0.0, 0.1);
    /// for n in 0..2000 {
    ///     s = synapse.step(s, if n == 0 { 1.0 } else { 0.0 }, h);
    ///     area += h * s;
    /// }
    /// assert!((area - 1.0_f64).abs() < 1e-9); // whatever the step
    /// ```
    #[inline(always)]
    pub fn step<T: Real>(&self, s: T, charge: T, h: T) -> T {
        let loss = (-h / real::<T>(self.tau)).exp_m1();
        (T::one() + loss) * s - loss / h * charge
    }
}

impl Kinetics for ExponentialSynapse {
    const NAME: &'static str = "exponential";
    const PARAMETERS: &'static [Parameter] = &[Parameter::positive("tau", "ms")];
    const STAGES: &'static [usize] = &[0];

    type Params<T: Real> = [T; 1];
    type State<T: Real> = [T; 1];

    fn params(&self) -> [f64; 1] {
        [self.tau]
    }
}
