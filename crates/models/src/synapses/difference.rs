//! The difference of exponentials (equation (78)).

use super::kinetics::Kinetics;
use crate::{Parameter, Real};

/// Difference of exponentials, with a rise and a decay: a spike leaves a trace
/// `(exp(-t / tau) - exp(-t / tau_rise)) / (tau - tau_rise)`, of unit area. Two exponential filters, whose time constants may be
/// equal: then this is the alpha function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DifferenceOfExponentials {
    /// Time constant of the decay, ms, positive.
    pub tau: f64,
    /// Time constant of the rise, ms, positive.
    pub tau_rise: f64,
}

impl Kinetics for DifferenceOfExponentials {
    const NAME: &'static str = "difference of exponentials";
    const PARAMETERS: &'static [Parameter] =
        &[Parameter::positive("tau", "ms"), Parameter::positive("tau_rise", "ms")];
    const STAGES: &'static [usize] = &[1, 0];

    type Params<T: Real> = [T; 2];
    type State<T: Real> = [T; 2];

    fn params(&self) -> [f64; 2] {
        [self.tau, self.tau_rise]
    }
}
