#![doc = include_str!("../README.md")]
//!
//! # To do X, take Y
//!
//! | you want | take |
//! |---|---|
//! | a neuron model in your own simulator | [`Neuron::step`], which also takes the neuron through its spikes |
//! | integrate-and-fire neurons | [`Lif`], [`RefractoryLif`], [`AdaptiveLif`], [`Nif`] (no leak), [`RectifiedNif`] (a rate unit or a spiking neuron, by the width of its gate), [`LeakyIntegrator`] (never spikes, is read by its voltage) |
//! | neurons with an upstroke | [`Theta`], [`Qif`], [`Eif`], [`AdEx`], [`Izhikevich`] |
//! | neurons with a full action potential | [`HodgkinHuxley`], [`MorrisLecar`], [`FitzHughNagumo`] |
//! | a model of your own | [`Neuron`]; its derivatives come from [`AutoVjp`], or you write them as [`NeuronVjp`]; [`Real`] has the functions that equations may use |
//! | the charge that a rising voltage releases | [`Gate`] with a [`GateShape`] |
//! | how a synapse filters charge | [`Kinetics`]: [`ExponentialSynapse`], [`AlphaSynapse`], [`DifferenceOfExponentials`] |
//! | depression and facilitation | [`ShortTermPlasticity`]: [`Depression`], [`TsodyksMarkram`] |
//! | conductances in place of currents | [`Receptor`]: [`Conductance`], [`Nmda`] |
//! | the numerical method that a model needs | [`Integration`], which each [`Neuron`] names; [`Reset`] and [`Locate`] say what a spike does and how it is found |
//! | code for every model, as in a test | [`for_each_neuron!`], [`for_each_model!`], [`for_each_kinetics!`], [`for_each_short_term!`], [`for_each_receptor!`] |
//! | sine, cosine and constants in any scalar | [`math`] |
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
        // Behind the others, because tests deal cases by place.
        $with!(rectified_nif, $crate::RectifiedNif);
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
