#![doc = include_str!("../README.md")]
//!
//! # To do X, take Y
//!
//! `use spikegrad::prelude::*;` brings all of these in.
//!
//! | you want | take |
//! |---|---|
//! | a network | [`Network::builder`](network::Network::builder), [`Population`](network::Population), [`Projection`](network::Projection) |
//! | numbers to start with | [`Network::initialise`](network::Network::initialise) |
//! | inputs and targets | [`Trial`](network::Trial) |
//! | a run | [`SplitStep`](network::SplitStep), then `run(&trial, &loss)` and `record()` |
//! | the gradient of a run | [`Sweep::gradient`](adjoint::Sweep::gradient) |
//! | to check it | [`assert_gradient`](adjoint::assert_gradient) of a [`NetworkObjective`](tasks::NetworkObjective) |
//! | to train on random trials | [`Task`](tasks::Task), then [`train`](tasks::train()) with [`TrainingOptions`](tasks::TrainingOptions) |
//! | to train on fixed data | [`DatasetTask`](tasks::DatasetTask); files are read by [`data::open`] |
//! | a loop of your own | [`Optimiser`](training::Optimiser) |
//! | to judge a network | [`evaluate`](tasks::evaluate()) |
//! | to know why it does not learn | [`Health`](tasks::Health) |
//! | to save and load it | [`save`](tasks::save), [`load`](tasks::load) |
//! | a neuron model of your own | [`Neuron`](models::Neuron) behind [`AutoVjp`](models::AutoVjp) |
//! | gradients of any differential equation | [`VectorFieldVjp`](integrators::VectorFieldVjp), [`RungeKutta`](integrators::RungeKutta) |
//! | the loss of another program | [`SplitStep::forward`](network::SplitStep::forward) |
//!
//! # Layers, recurrence and skip connections
//!
//! A network is wired by the mask of each of its matrices. Layers are ranges of neurons, or populations; a block of the
//! recurrent matrix below the diagonal feeds forward, one on it is a recurrent layer, and one that leaves out a layer is a
//! skip connection. What does not exist has a gradient of zero, to the bit, and stays zero:
//!
//! ```
//! use spikegrad::prelude::*;
//!
//! // Three layers of four neurons: the input reaches the first, the third is read out.
//! let layer = |neuron: usize| neuron / 4;
//! let mut network = Network::builder()
//!     .population(Population::new("theta", Theta::default(), 12, GateShape::RaisedCosine, 0.3))
//!     .synapse("slow", 20.0)
//!     .inputs(1)
//!     .outputs(1)
//!     .build()?;
//! network.parameters.weight_mut(0).fill(0.05);
//! network.parameters.input_mut().fill(0.08);
//! network.parameters.readout_mut(0).fill(1.0);
//! network.parameters.bias_mut().iter_mut().zip(1..).for_each(|(b, i)| *b = 0.002 * f64::from(i));
//! // From each layer to the next, from the first to the third, and within the second.
//! network.set_mask(Group::Weight(0), |post, pre| {
//!     matches!((layer(pre), layer(post)), (0, 1) | (1, 2) | (0, 2) | (1, 1))
//! })?;
//! network.set_mask(Group::Input, |post, _| layer(post) == 0)?;
//! network.set_mask(Group::Readout(0), |_, pre| layer(pre) == 2)?;
//!
//! let mut trial = Trial::silent(200, 1.0, 1);
//! trial.inputs.fill(1.0);
//! trial.targets = (0..200).map(|t| 0.2 * (0.03 * f64::from(t)).sin()).collect();
//! let loss = QuadraticLoss { lambda: 0.0 };
//! let rates = [Group::Weight(0), Group::Input, Group::Bias, Group::Readout(0)]
//!     .map(|group| LearningRate { group, rate: 0.002 });
//! let mut optimiser = Optimiser::new(&network, UpdateRule::ADAM, &rates)?;
//! let (mut sweep, mut costs) = (Sweep::new(), Vec::new());
//! for _ in 0..20 {
//!     let mut gradient = network.parameters.zeros_like();
//!     let scheme = SplitStep::new(&network, 0.5)?;
//!     costs.push(sweep.gradient(&scheme.run(&trial, &loss)?, gradient.values_mut())?);
//!     let (w_bar, exists) = (gradient.weight(0), |post, pre| network.mask(Group::Weight(0)).unwrap()[pre * 12 + post]);
//!     for (post, pre) in (0..12).flat_map(|post| (0..12).map(move |pre| (post, pre))) {
//!         assert!(exists(post, pre) || w_bar[(post, pre)] == 0.0);
//!     }
//!     optimiser.step(&mut network, &gradient, 1.0)?;
//! }
//! assert!(costs[19] < 0.5 * costs[0]);
//! let w = network.parameters.weight(0);
//! assert!(w[(8, 0)] != 0.0 && w[(0, 8)] == 0.0 && w[(0, 1)] == 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod failure;

pub use failure::Failure;
#[doc(no_inline)]
pub use {indicatif, nalgebra, rand, rand_chacha};
pub use {
    spikegrad_adjoint as adjoint, spikegrad_data as data, spikegrad_integrators as integrators,
    spikegrad_models as models, spikegrad_network as network, spikegrad_tasks as tasks,
    spikegrad_training as training,
};

/// What most programs need: `use spikegrad::prelude::*;`.
///
/// Errors stay in their modules, since each crate has one of its own.
pub mod prelude {
    pub use crate::Failure;
    #[doc(no_inline)]
    pub use nalgebra::RealField;
    #[doc(no_inline)]
    pub use rand::RngExt;
    #[doc(no_inline)]
    pub use rand_chacha::ChaCha8Rng;
    pub use spikegrad_adjoint::{
        CheckedGroup, ContinuousAdjoint, GradientCheck, GradientReport, Memory, Objective, StepObjective,
        Sweep, assert_gradient, directional_derivative, forward_sensitivity,
    };
    pub use spikegrad_integrators::{
        Cost, CostVjp, EventLog, Exponential, Method, RungeKutta, Step, StepVjp, Tableau, VectorField,
        VectorFieldVjp, tableau,
    };
    pub use spikegrad_models::math::real;
    pub use spikegrad_models::{
        AdEx, AdaptiveLif, AlphaSynapse, AutoVjp, Conductance, Depression, DifferenceOfExponentials, Eif,
        ExponentialSynapse, FitzHughNagumo, Gate, GateShape, HodgkinHuxley, Integration, Izhikevich,
        Kinetics, LeakyIntegrator, Lif, Locate, MorrisLecar, Neuron, NeuronVjp, Nif, Nmda, Parameter, Qif,
        Real, Receptor, RectifiedNif, RefractoryLif, Reset, ShortTermPlasticity, Theta, TsodyksMarkram,
    };
    pub use spikegrad_network::{
        Connector, Draw, Event, Group, InitialState, Initialisation, Loss, Models, Network, NetworkSpec,
        NetworkState, NoLoss, Parameters, PlainStep, Population, Probes, Projection, Readout, Recording,
        Sample, SampleBar, Scalar, Sign, Spike, SplitStep, Stimulus, Trial, pontryagin,
    };
    pub use spikegrad_tasks::{
        Activity, Batch, Checkpoint, Clip, CrossEntropy, DatasetTask, Finding, Health, HealthOptions,
        Iteration, LearningRate, Losses, NetworkObjective, Observer, Optimiser, Presentation, Pull, Purpose,
        QuadraticLoss, RateBand, Reading, Schedule, Scheme, Score, SquaredError, SumOfLosses, Task,
        TrainingOptions, TrainingStage, UpdateRule, Validation, VanRossum, VoltageFloor, Weighted, evaluate,
        generator, load, load_into, load_with, predictive_coding, progress_bar, save, train,
    };
}
