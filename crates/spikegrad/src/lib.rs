#![doc = include_str!("../README.md")]

#[doc(no_inline)]
pub use {indicatif, nalgebra, rand, rand_chacha};
pub use {
    spikegrad_adjoint as adjoint, spikegrad_integrators as integrators, spikegrad_models as models,
    spikegrad_network as network, spikegrad_tasks as tasks,
};

/// What most programs need: `use spikegrad::prelude::*;`.
///
/// Errors stay in their modules, since each crate has one of its own, and so does [`adjoint::Group`],
/// whose name the [`Group`](crate::network::Group) of a network has.
pub mod prelude {
    #[doc(no_inline)]
    pub use nalgebra::RealField;
    #[doc(no_inline)]
    pub use rand::RngExt;
    #[doc(no_inline)]
    pub use rand_chacha::ChaCha8Rng;
    pub use spikegrad_adjoint::{
        ContinuousAdjoint, GradientCheck, GradientReport, Memory, Objective, StepObjective, Sweep,
        assert_gradient, directional_derivative, forward_sensitivity,
    };
    pub use spikegrad_integrators::{
        Cost, CostVjp, EventLog, Exponential, Method, RungeKutta, Step, StepVjp, Tableau, VectorField,
        VectorFieldVjp, tableau,
    };
    pub use spikegrad_models::math::real;
    pub use spikegrad_models::{
        FitzHughNagumo, Gate, GateShape, HodgkinHuxley, Lif, MorrisLecar, Neuron, NeuronVjp, Nif, Parameter,
        Reset, Theta,
    };
    pub use spikegrad_network::{
        Group, InitialState, Loss, Network, NoLoss, Parameters, PlainStep, Population, Recording, Sample,
        SampleBar, SplitStep, Trial, pontryagin,
    };
    pub use spikegrad_tasks::{
        Batch, Clip, Iteration, NetworkObjective, Observer, Optimiser, Options, Purpose, Quadratic, Rate,
        Rule, Schedule, Scheme, Stage, Sum, Task, VoltageFloor, evaluate, generator, predictive_coding,
        train,
    };
}
