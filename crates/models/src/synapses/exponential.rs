//! The exponential synapse (equations (1), (2)).

use simba::scalar::RealField;

use super::kinetics::Kinetics;
use crate::Parameter;

/// Exponential synapse: `tau ds/dt = -s + drive`, where the drive is `g(v) dv/dt` of the presynaptic neuron. `s` is an
/// average of the charge released, 1/ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExponentialSynapse {
    /// Time constant, ms, positive.
    pub tau: f64,
}

impl Kinetics for ExponentialSynapse {
    const NAME: &'static str = "exponential";
    const PARAMETERS: &'static [Parameter] = &[Parameter::positive("tau", "ms")];
    const STAGES: &'static [usize] = &[0];

    type Params<T: RealField + Copy> = [T; 1];
    type State<T: RealField + Copy> = [T; 1];

    fn params(&self) -> [f64; 1] {
        [self.tau]
    }
}
