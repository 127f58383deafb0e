//! The alpha function (equation (77)).

use super::kinetics::Kinetics;
use crate::{Parameter, Real};

/// Alpha function: a spike leaves a trace `t exp(-t / tau) / tau^2`, which rises for `tau` and has unit area. Two exponential
/// filters of one time constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlphaSynapse {
    /// Time from a spike to the largest trace, ms, positive.
    pub tau: f64,
}

impl Kinetics for AlphaSynapse {
    const NAME: &'static str = "alpha";
    const PARAMETERS: &'static [Parameter] = &[Parameter::positive("tau", "ms")];
    const STAGES: &'static [usize] = &[0, 0];

    type Params<T: Real> = [T; 1];
    type State<T: Real> = [T; 2];

    fn params(&self) -> [f64; 1] {
        [self.tau]
    }
}
