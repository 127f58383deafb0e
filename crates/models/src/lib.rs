#![doc = include_str!("../README.md")]
//!
//! # What is here
//!
//! - [`Neuron`], which also names the numerical method that is right for it ([`Integration`]), and its derivatives [`NeuronVjp`]: [`Nif`], [`RectifiedNif`], [`Theta`], [`Lif`], [`RefractoryLif`], [`AdaptiveLif`],
//!   [`Qif`], [`Eif`], [`AdEx`], [`Izhikevich`], [`MorrisLecar`], [`FitzHughNagumo`], [`HodgkinHuxley`];
//!   [`for_each_neuron!`] runs a macro for every one of them;
//! - [`AutoVjp`], which gives a model its derivatives by its equations alone;
//! - [`Neuron::step`] and [`ExponentialSynapse::step`], for a simulator of your own;
//! - [`LeakyIntegrator`], which never spikes and is read by its voltage; [`for_each_model!`] has this one, too;
//! - [`AutoVjp`], the derivatives of any model by its equations; [`Real`], the scalar of these;
//! - [`Gate`] with its [`GateShape`];
//! - [`Kinetics`] of synapses: [`ExponentialSynapse`], [`AlphaSynapse`], [`DifferenceOfExponentials`]; and [`ShortTermPlasticity`]: [`Depression`],
//!   [`TsodyksMarkram`]; and [`Receptor`]s: [`Conductance`], [`Nmda`]; [`for_each_kinetics!`], [`for_each_short_term!`] and
//!   [`for_each_receptor!`] run a macro for every one of them;
//! - [`math`]: the elementary functions that they share.
//!
//! Equation numbers refer to `docs/equations.md` in the repository.

mod adex;
mod alif;
mod auto_vjp;
mod eif;
mod fitzhugh_nagumo;
mod gate;
mod hodgkin_huxley;
mod izhikevich;
mod leaky_integrator;
mod lif;
pub mod math;
mod morris_lecar;
mod neuron;
mod nif;
mod qif;
mod real;
mod rectified_nif;
#[cfg(test)]
mod reference;
mod refractory_lif;
mod synapses;
mod tangent;
mod theta;

pub use adex::AdEx;
pub use alif::AdaptiveLif;
pub use auto_vjp::AutoVjp;
pub use eif::Eif;
pub use fitzhugh_nagumo::FitzHughNagumo;
pub use gate::{Gate, GateShape};
pub use hodgkin_huxley::HodgkinHuxley;
pub use izhikevich::Izhikevich;
pub use leaky_integrator::LeakyIntegrator;
pub use lif::Lif;
pub use morris_lecar::MorrisLecar;
pub use neuron::{Array, Integration, Locate, Neuron, NeuronVjp, Parameter, Reset};
pub use nif::Nif;
pub use qif::Qif;
pub use real::Real;
pub use rectified_nif::RectifiedNif;
pub use refractory_lif::RefractoryLif;
pub use synapses::{
    AlphaSynapse, Conductance, Depression, DifferenceOfExponentials, ExponentialSynapse, Kinetics, Nmda,
    Receptor, ShortTermPlasticity, TsodyksMarkram,
};
pub use theta::Theta;

/// Runs `$with!(module_name, NeuronType)` for every neuron of this crate that spikes, so that a test over the registry covers a new
/// neuron without being asked.
///
/// ```
/// macro_rules! print_name {
///     ($module:ident, $neuron:ty) => {
///         println!("{}", <$neuron as spikegrad_models::Neuron>::NAME);
///     };
/// }
/// spikegrad_models::for_each_neuron!(print_name);
/// ```
#[macro_export]
macro_rules! for_each_neuron {
    ($with:ident) => {
        $with!(nif, $crate::Nif);
        $with!(rectified_nif, $crate::RectifiedNif);
        $with!(theta, $crate::Theta);
        $with!(lif, $crate::Lif);
        $with!(refractory_lif, $crate::RefractoryLif);
        $with!(alif, $crate::AdaptiveLif);
        $with!(qif, $crate::Qif);
        $with!(eif, $crate::Eif);
        $with!(adex, $crate::AdEx);
        $with!(izhikevich, $crate::Izhikevich);
        $with!(morris_lecar, $crate::MorrisLecar);
        $with!(fitzhugh_nagumo, $crate::FitzHughNagumo);
        $with!(hodgkin_huxley, $crate::HodgkinHuxley);
    };
}

/// [`for_each_neuron!`], and then the models that never spike.
#[macro_export]
macro_rules! for_each_model {
    ($with:ident) => {
        $crate::for_each_neuron!($with);
        $with!(leaky_integrator, $crate::LeakyIntegrator);
    };
}

/// Runs `$with!(module_name, KineticsType)` for the kinetics of synapses that there are.
#[macro_export]
macro_rules! for_each_kinetics {
    ($with:ident) => {
        $with!(exponential, $crate::ExponentialSynapse);
        $with!(alpha, $crate::AlphaSynapse);
        $with!(difference, $crate::DifferenceOfExponentials);
    };
}

/// Runs `$with!(module_name, ShortTermType)` for the kinds of short-term plasticity that there are.
#[macro_export]
macro_rules! for_each_short_term {
    ($with:ident) => {
        $with!(depression, $crate::Depression);
        $with!(tsodyks_markram, $crate::TsodyksMarkram);
    };
}

/// Runs `$with!(module_name, ReceptorType)` for the receptors that there are.
#[macro_export]
macro_rules! for_each_receptor {
    ($with:ident) => {
        $with!(conductance, $crate::Conductance);
        $with!(nmda, $crate::Nmda);
    };
}
