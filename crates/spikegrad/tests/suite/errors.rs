//! Bad input: a typed error that names the argument and says what to change; and states that stop being finite.

use rand_chacha::ChaCha8Rng;
use spikegrad::adjoint::{Error as AdjointError, Sweep};
use spikegrad::integrators::{Divergence, tableau};
use spikegrad::models::{
    AdEx, AutoVjp, GateShape, Integration, Lif, Locate, MorrisLecar, Neuron, NeuronVjp, Nif, Parameter, Real,
    RectifiedNif, Reset, Theta,
};
use spikegrad::network::{
    Error, Group, InitialState, Loss, Network, NetworkBuilder, NoLoss, PlainStep, Population, Recording,
    Sample, SampleBar, SplitStep, Trial, pontryagin,
};
use spikegrad::tasks::{
    Batch, Clip, Error as TaskError, LearningRate, Optimiser, QuadraticLoss, Task, TrainingOptions,
    TrainingStage, UpdateRule, train,
};
use spikegrad::training::Error as TrainingError;

/// Asserts that `result` is the error of the variant `$variant` with this message.
macro_rules! refused {
    ($result:expr, $variant:pat, $message:literal) => {
        match $result {
            Ok(_) => panic!("accepted, but should say: {}", $message),
            Err(error) => {
                assert_eq!(error.to_string(), $message);
                assert!(matches!(error, $variant), "{error:?}");
            }
        }
    };
}

fn population<N: NeuronVjp>(neuron: N, width: f64) -> Population {
    Population::new("cells", neuron, 3, GateShape::RaisedCosine, width)
}

fn builder<N: NeuronVjp>(neuron: N, width: f64) -> NetworkBuilder {
    Network::builder()
        .population(population(neuron, width))
        .synapse("slow", 10.0)
        .synapse("fast", 2.0)
        .inputs(2)
        .outputs(1)
}

fn network() -> Network<f64> {
    builder(Theta::default(), 0.3).build().expect("a network")
}

fn trial() -> Trial<f64> {
    Trial { targets: vec![0.0; 10], ..Trial::silent(10, 1.0, 2) }
}

#[test]
fn networks_without_a_part_that_they_need() {
    refused!(
        Network::builder().synapse("slow", 10.0).build(),
        Error::Empty { .. },
        "there is no population: add at least one"
    );
    refused!(
        Network::builder().population(population(Nif, 0.3)).build(),
        Error::Empty { .. },
        "there is no projection: add at least one"
    );
    let nobody = Population::new("cells", Nif, 0, GateShape::Box, 0.3);
    refused!(
        Network::builder().population(nobody).synapse("slow", 10.0).build(),
        Error::Empty { .. },
        "there is no neuron in one of the populations: add at least one"
    );
}

#[test]
fn names_that_clash_or_are_unknown() {
    refused!(
        builder(Nif, 0.3).population(population(Nif, 0.3)).build(),
        Error::Duplicate { .. },
        "population `cells` exists already: choose another name"
    );
    refused!(
        builder(Nif, 0.3).synapse("fast", 1.0).build(),
        Error::Duplicate { .. },
        "projection `fast` exists already: choose another name"
    );
    refused!(
        builder(Nif, 0.3).change("quick", |p| p.without_autapses()).build(),
        Error::Unknown { .. },
        "there is no projection `quick`: choose one of slow, fast"
    );
}

#[test]
fn values_out_of_their_domain() {
    let one = || Network::builder().population(population(Nif, 0.3));
    refused!(
        one().synapse("slow", 0.0).build(),
        Error::NotPositive { .. },
        "slow.tau = 0: give a positive, finite number"
    );
    refused!(
        one().synapse("slow", -5.0).build(),
        Error::NotPositive { .. },
        "slow.tau = -5: give a positive, finite number"
    );
    refused!(
        one().synapse("slow", f64::NAN).build(),
        Error::NonFinite { .. },
        "slow.tau has a non-finite value at index 0: remove it"
    );
    refused!(
        builder(Theta { tau_v: -25.0 }, 0.3).build(),
        Error::NotPositive { .. },
        "cells.tau_v = -25: give a positive, finite number"
    );
    refused!(
        builder(Nif, 0.0).build(),
        Error::NotPositive { .. },
        "cells.gate_width = 0: give a positive, finite number"
    );
    refused!(
        builder(Nif, -0.3).build(),
        Error::NotPositive { .. },
        "cells.gate_width = -0.3: give a positive, finite number"
    );
    refused!(
        builder(Theta::default(), 1.25).build(),
        Error::GateWidth { .. },
        "gate width of population `cells` is 1.25: it must lie in (0, 1], between reset and threshold"
    );
    refused!(
        builder(Lif { v_reset: 0.5, ..Lif::default() }, 0.75).build(),
        Error::GateWidth { .. },
        "gate width of population `cells` is 0.75: it must lie in (0, 0.5], between reset and threshold"
    );
    assert!(builder(Theta::default(), 1.0).build().is_ok());
    // An action potential has no reset to respect.
    assert!(builder(MorrisLecar::default(), 90.0).build().is_ok());

    let mut off = builder(Lif::default(), 0.9).build().expect("a network");
    off.parameters.group_mut(Group::Neuron { population: 0, parameter: 2 })[0] = 0.25;
    refused!(
        SplitStep::new(&off, 1.0),
        Error::GateWidth { .. },
        "gate width of population `cells` is 0.9: it must lie in (0, 0.75], between reset and threshold"
    );
}

#[test]
fn parameters_that_are_not_what_the_network_needs() {
    let mut weights = network();
    refused!(
        weights.parameters.set(Group::Weight(1), &[0.0; 8]),
        Error::Shape { .. },
        "fast.weight: give 9 entries, not 8"
    );
    refused!(
        weights.parameters.set(Group::Readout(0), &[0.0; 4]),
        Error::Shape { .. },
        "readout.weight: give 3 entries, not 4"
    );
    weights.parameters.weight_mut(1)[(2, 0)] = f64::NAN;
    for step in
        [SplitStep::new(&weights, 1.0).map(|_| ()), PlainStep::new(&weights, 1.0, tableau::RK4).map(|_| ())]
    {
        refused!(step, Error::NonFinite { .. }, "fast.weight has a non-finite value at index 2: remove it");
    }
    let mut infinite = network();
    infinite.parameters.bias_mut()[1] = f64::INFINITY;
    refused!(
        infinite.validate(),
        Error::NonFinite { .. },
        "cells.bias has a non-finite value at index 1: remove it"
    );

    let mut masked = builder(Nif, 0.3).change("fast", |p| p.without_autapses()).build().expect("a network");
    masked.parameters.weight_mut(1)[(1, 1)] = 0.5;
    refused!(
        masked.validate(),
        Error::Masked { .. },
        "fast.weight is masked at entry 4, but its value is 0.5: set it to zero"
    );
    refused!(
        masked.set_mask(Group::Bias, |_, _| true),
        Error::NoMask { .. },
        "bias has no mask: only weights that are a matrix, input.weight and readout.weight do"
    );
}

#[test]
fn steps_that_cannot_be_taken() {
    let (theta, lif) = (network(), builder(Lif::default(), 0.3).build().expect("a network"));
    refused!(
        SplitStep::new(&theta, 0.0),
        Error::NotPositive { .. },
        "step size h = 0: give a positive, finite number"
    );
    refused!(
        SplitStep::new(&theta, -0.5),
        Error::NotPositive { .. },
        "step size h = -0.5: give a positive, finite number"
    );
    refused!(
        PlainStep::new(&theta, f64::NAN, tableau::RK4),
        Error::NotPositive { .. },
        "step size h = NaN: give a positive, finite number"
    );
    refused!(
        SplitStep::new(&theta, f64::INFINITY),
        Error::NotPositive { .. },
        "step size h = inf: give a positive, finite number"
    );
    refused!(
        PlainStep::new(&lif, 1.0, tableau::RK4),
        Error::HardReset { .. },
        "population `cells` has a reset inside the step, which the plain field does not locate: use SplitStep"
    );
    let rectified = builder(RectifiedNif, 0.3).build().expect("a network");
    refused!(
        PlainStep::new(&rectified, 1.0, tableau::RK4),
        Error::Rectified { .. },
        "population `cells` releases charge while its voltage rises and withdraws none when it falls, for which the plain field has no \
         equation: use SplitStep and the discrete adjoint"
    );
    refused!(
        SplitStep::new(&theta, 0.3).expect("a step").run(&trial(), &NoLoss),
        Error::Interval { .. },
        "the sample interval 1 ms is not a multiple of h = 0.3 ms: choose h = interval / k"
    );
    refused!(
        SplitStep::new(&theta, 2.0).expect("a step").run(&trial(), &NoLoss),
        Error::Interval { .. },
        "the sample interval 1 ms is not a multiple of h = 2 ms: choose h = interval / k"
    );
}

/// What the split step and the plain step say of a trial; both must say the same.
fn judge(network: &Network<f64>, trial: &Trial<f64>) -> Result<(), Error> {
    let step = SplitStep::new(network, 0.5).expect("a step");
    let split = step.run(trial, &NoLoss).map(|_| ());
    if let Ok(step) = PlainStep::new(network, 0.5, tableau::HEUN) {
        // As strings, since a NaN in an error is not equal to itself.
        assert_eq!(format!("{:?}", step.run(trial, &NoLoss).map(|_| ())), format!("{split:?}"));
    }
    split
}

#[test]
fn trials_that_do_not_fit() {
    let theta = network();
    let with = |change: fn(&mut Trial<f64>)| {
        let mut trial = trial();
        change(&mut trial);
        judge(&theta, &trial)
    };
    assert_eq!(with(|_| ()), Ok(()));
    refused!(
        with(|t| t.interval = 0.0),
        Error::NotPositive { .. },
        "the trial's sample interval = 0: give a positive, finite number"
    );
    refused!(
        with(|t| t.scale = f64::NAN),
        Error::NotPositive { .. },
        "the trial's scale = NaN: give a positive, finite number"
    );
    refused!(
        with(|t| (t.samples, t.inputs) = (0, Vec::new())),
        Error::Empty { .. },
        "there is no sample in the trial: add at least one"
    );
    refused!(
        with(|t| t.inputs.truncate(19)),
        Error::Shape { .. },
        "the trial's inputs (samples x inputs): give 20 entries, not 19"
    );
    refused!(
        with(|t| t.targets = vec![0.0; 11]),
        Error::Shape { .. },
        "the trial's targets (samples x outputs): give 10 entries, not 11"
    );
    refused!(
        with(|t| t.weights = vec![1.0; 2]),
        Error::Shape { .. },
        "the trial's weights (samples): give 10 entries, not 2"
    );
    refused!(
        with(|t| t.inputs[7] = f64::NAN),
        Error::NonFinite { .. },
        "the trial's inputs (samples x inputs) has a non-finite value at index 7: remove it"
    );
    refused!(
        with(|t| t.targets = vec![f64::INFINITY; 10]),
        Error::NonFinite { .. },
        "the trial's targets (samples x outputs) has a non-finite value at index 0: remove it"
    );
    refused!(
        with(|t| t.initial = Some(InitialState { x: vec![0.0; 2], s: Vec::new() })),
        Error::Shape { .. },
        "the initial membrane state: give 3 entries, not 2"
    );
    refused!(
        with(|t| t.initial = Some(InitialState { x: vec![0.0; 3], s: vec![0.0; 3] })),
        Error::Shape { .. },
        "the trial's initial traces (projections x presynaptic neurons): give 6 entries, not 3"
    );
    refused!(
        with(|t| t.initial = Some(InitialState { x: vec![0.0, 0.0, f64::NAN], s: Vec::new() })),
        Error::NonFinite { .. },
        "the initial membrane state has a non-finite value at index 2: remove it"
    );
}

#[test]
fn a_loss_that_needs_targets() {
    let (theta, loss) = (network(), QuadraticLoss { lambda: 1.0 });
    let step = SplitStep::new(&theta, 1.0).expect("a step");
    let aimless = Trial::silent(10, 1.0, 2);
    refused!(
        step.run(&aimless, &loss),
        Error::NoTargets,
        "the loss compares the readout with targets, and the trial has none: give samples x outputs values"
    );
    assert!(step.run(&aimless, &NoLoss).is_ok());
}

/// `dv/dt = I - v^2` with a reset inside the step, which needs the closed form of a flow that is affine in `v`; whether it
/// says that it has one, and whether there is a reset, is up to the test.
#[derive(Clone, Copy, Debug)]
struct Curved<const CLOSED: bool, const RESET: bool = true, const OWN_NAME: bool = true>;

impl<const CLOSED: bool, const RESET: bool, const OWN_NAME: bool> Neuron for Curved<CLOSED, RESET, OWN_NAME> {
    const NAME: &'static str = if OWN_NAME { "curved" } else { "LIF" };
    const PARAMETERS: &'static [Parameter] = &[];
    const METHOD: Integration = Integration::RungeKutta4;
    const LOCATE: Locate = if CLOSED { Locate::ClosedForm } else { Locate::No };
    type State<T: Real> = [T; 1];
    type Params<T: Real> = [T; 0];

    fn params(&self) -> [f64; 0] {
        []
    }

    fn from_params(_: &[f64; 0]) -> Self {
        Self
    }
    fn rhs<T: Real>(_: &[T; 0], [v]: &[T; 1], current: T) -> [T; 1] {
        [current - *v * *v]
    }
    fn reset<T: Real>(_: &[T; 0]) -> Reset<T> {
        let threshold = T::one();
        if RESET { Reset::To { threshold, value: T::zero() } } else { Reset::Latch { threshold } }
    }
    fn rest(&self) -> [f64; 1] {
        [0.0]
    }
}

impl<const CLOSED: bool, const RESET: bool, const OWN_NAME: bool> NeuronVjp
    for Curved<CLOSED, RESET, OWN_NAME>
{
    fn rhs_vjp<T: Real>(
        _: &[T; 0],
        [v]: &[T; 1],
        _: T,
        [f_bar]: &[T; 1],
        [v_bar]: &mut [T; 1],
        _: &mut [T; 0],
    ) -> T {
        *v_bar -= (*v + *v) * *f_bar;
        *f_bar
    }

    fn relaxation_vjp<T: Real>(_: &[T; 0], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 0]) {}

    fn reset_vjp<T: Real>(_: &[T; 0], _: T, _: T, _: &mut [T; 0]) {}

    fn jump_vjp<T: Real>(_: &[T; 0], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 0]) {}

    fn refractory_vjp<T: Real>(_: &[T; 0], _: T, _: &mut [T; 0]) {}
}

#[test]
fn resets_that_no_closed_form_can_locate() {
    refused!(
        builder(Curved::<false>, 0.3).build(),
        Error::Locate { hard: true, .. },
        "the model of population `cells` has a reset at a threshold, and does not say how it is located inside a step: set \
         `LOCATE` to `Locate::ClosedForm` if f is affine in v, or else to `Locate::DenseOutput` with the \
         `METHOD` that is right for f"
    );
    refused!(
        builder(Curved::<true>, 0.3).build(),
        Error::NotAffine { .. },
        "the model of population `cells` locates its resets by the closed form of an f that is affine in v, which f is not: \
         set `LOCATE` to `Locate::DenseOutput`, and `METHOD` to one that is right for f"
    );
    refused!(
        builder(Curved::<true, false>, 0.3).build(),
        Error::Locate { hard: false, .. },
        "the model of population `cells` says how a reset is located inside a step, and has none at a threshold: set \
         `LOCATE` to `Locate::No`"
    );
}

#[test]
fn continuous_adjoints_across_resets_that_they_cannot_cross() {
    let cells = builder(AdEx::default(), 10.0).build().expect("a network");
    let (step, trial) = (SplitStep::new(&cells, 1.0).expect("a step"), trial());
    refused!(
        pontryagin(&step.run(&trial, &NoLoss).expect("a run")),
        Error::ContinuousReset { .. },
        "population `cells` has resets without a closed form or a refractory time, which the continuous adjoint does \
         not carry across: use the discrete adjoint"
    );
    let cells = builder(RectifiedNif, 0.3).build().expect("a network");
    let step = SplitStep::new(&cells, 1.0).expect("a step");
    refused!(
        pontryagin(&step.run(&trial, &NoLoss).expect("a run")),
        Error::Rectified { scheme: "the continuous adjoint", .. },
        "population `cells` releases charge while its voltage rises and withdraws none when it falls, for which the continuous adjoint \
         has no equation: use SplitStep and the discrete adjoint"
    );
}

#[test]
fn models_with_a_name_that_is_taken() {
    refused!(
        builder(Curved::<false, true, false>, 0.3).build(),
        Error::ModelName { .. },
        "the model of population `cells` is called `LIF`, as one of spikegrad's own: give it another `NAME`"
    );
    // Its derivatives are written by hand.
    refused!(
        builder(AutoVjp(Lif::default()), 0.3).build(),
        Error::ModelName { .. },
        "the model of population `cells` is called `LIF`, as one of spikegrad's own: give it another `NAME`"
    );
}

#[test]
fn initial_voltages_above_threshold() {
    let mut nif = builder(Nif, 0.3).build().expect("a network");
    let mut above = trial();
    above.initial = Some(InitialState { x: vec![0.5, 1.0, 0.5], s: Vec::new() });
    refused!(
        judge(&nif, &above),
        Error::AboveThreshold { .. },
        "initial voltage of neuron 1 is 1, not below its threshold 1: start it below"
    );
    nif.parameters.group_mut(Group::Initial)[2] = 1.5;
    refused!(
        SplitStep::new(&nif, 1.0),
        Error::AboveThreshold { .. },
        "initial voltage of neuron 2 is 1.5, not below its threshold 1: start it below"
    );
    let lif = builder(Lif { v_theta: 0.75, ..Lif::default() }, 0.3).build().expect("a network");
    above.initial = Some(InitialState { x: vec![0.5, 0.5, 0.8], s: Vec::new() });
    refused!(
        judge(&lif, &above),
        Error::AboveThreshold { .. },
        "initial voltage of neuron 2 is 0.8, not below its threshold 0.75: start it below"
    );
    // A phase is any number, an action potential may start at its peak.
    let cells = builder(MorrisLecar::default(), 20.0).build().expect("a network");
    above.initial = Some(InitialState { x: vec![30.0, 0.0, -60.0, 0.1, 0.1, 0.1], s: Vec::new() });
    assert_eq!(judge(&cells, &above), Ok(()));
    above.initial = Some(InitialState { x: vec![7.25, -0.5, 1.0], s: Vec::new() });
    assert_eq!(judge(&network(), &above), Ok(()));
}

#[test]
fn batches_and_gradients_of_the_wrong_size() {
    let theta = network();
    let step = SplitStep::new(&theta, 1.0).expect("a step");
    let mut gradient = theta.parameters.zeros_like();
    let loss = QuadraticLoss { lambda: 1.0 };
    refused!(
        Batch::default().gradient(&step, &[], &loss, None, &mut gradient),
        TaskError::Training(TrainingError::EmptyBatch),
        "the batch is empty: give at least one trial"
    );
    let small = Network::builder().population(population(Nif, 0.3)).synapse("slow", 10.0);
    let mut other = small.build().expect("a network").parameters;
    refused!(
        Batch::default().gradient(&step, &[trial()], &loss, None, &mut other),
        TaskError::Training(TrainingError::Length { .. }),
        "the gradient has 17 entries, there are 37 parameters: use one made for them"
    );
    let (fine, mut wrong) = (trial(), trial());
    wrong.inputs[3] = f64::NAN;
    refused!(
        Batch::default().gradient(&step, &[trial(), wrong], &loss, None, &mut gradient),
        TaskError::Network(Error::NonFinite { .. }),
        "the trial's inputs (samples x inputs) has a non-finite value at index 3: remove it"
    );
    let run = step.run(&fine, &loss).map(|run| Sweep::new().gradient(&run, &mut [0.0; 5]));
    refused!(
        run.expect("a run"),
        AdjointError::ParametersLength { .. },
        "5 entries for the gradient by 37 parameters: give a slice of length 37"
    );
}

#[test]
fn largest_norms_that_nothing_can_be_clipped_at() {
    let (network, loss) = (network(), QuadraticLoss { lambda: 1.0 });
    let step = SplitStep::new(&network, 1.0).expect("a step");
    let mut gradient = network.parameters.zeros_like();
    let mut with =
        |clip: &[Option<f64>]| Batch::default().gradient(&step, &[trial()], &loss, Some(clip), &mut gradient);
    let groups = network.parameters.layout().entries().len();
    assert!(with(&vec![Some(0.0); groups]).is_ok() && with(&vec![Some(f64::INFINITY); groups]).is_ok());
    refused!(
        with(&[Some(1.0)]),
        TaskError::Training(TrainingError::ClipLength { .. }),
        "there are 1 largest norms for 10 groups of parameters: give one for each group"
    );
    let mut clip = vec![None; groups];
    clip[1] = Some(f64::NAN);
    refused!(
        with(&clip),
        TaskError::Training(TrainingError::Clip { .. }),
        "the largest norm of fast.weight is NaN: give a number above zero, or `None` for a group that is not clipped"
    );
    clip[1] = Some(-0.5);
    refused!(
        with(&clip),
        TaskError::Training(TrainingError::Clip { .. }),
        "the largest norm of fast.weight is -0.5: give a number above zero, or `None` for a group that is not clipped"
    );
}

/// Trials whose inputs are what the iteration says.
struct Push(QuadraticLoss<f64>, fn(usize) -> f64);

impl Task<f64> for Push {
    fn trial(&self, stage: TrainingStage, _: &mut ChaCha8Rng) -> Trial<f64> {
        let mut trial = trial();
        trial.inputs.fill((self.1)(stage.iteration));
        trial
    }
    fn loss(&self) -> &dyn Loss<f64> {
        &self.0
    }
    fn score(&self, _: &Trial<f64>, _: &Recording<f64>) -> f64 {
        0.0
    }
}

#[test]
fn options_out_of_their_domain() {
    let task = Push(QuadraticLoss { lambda: 1.0 }, |_| 0.0);
    let with = |change: fn(&mut TrainingOptions)| {
        let mut options = TrainingOptions { iterations: 1, batch: 2, ..TrainingOptions::default() };
        change(&mut options);
        let mut network = network();
        network.parameters.input_mut().fill(1e-3);
        train(&mut network, &task, &options, &mut ())
    };
    assert!(with(|_| ()).is_ok());
    refused!(
        with(|o| o.batch = 0),
        TaskError::Training(TrainingError::EmptyBatch),
        "the batch is empty: give at least one trial"
    );
    for batch in [usize::MAX, usize::MAX / 2, 1 << 50] {
        let mut options = TrainingOptions { iterations: 2, batch, ..TrainingOptions::default() };
        let refused = train(&mut network(), &task, &options, &mut ());
        assert!(
            matches!(refused, Err(TaskError::Training(TrainingError::BatchMemory { trials, .. })) if trials == batch),
            "{refused:?}"
        );
        options.iterations = 0;
        assert!(train(&mut network(), &task, &options, &mut ()).is_ok());
    }
    refused!(
        with(|o| o.clip = Some(Clip { quantile: 1.0, factor: 1.0 })),
        TaskError::Training(TrainingError::Option { .. }),
        "clip.quantile = 1: the quantile must lie in (0, 1)"
    );
    refused!(
        with(|o| o.clip = Some(Clip { quantile: 0.5, factor: 0.0 })),
        TaskError::Training(TrainingError::Option { .. }),
        "clip.factor = 0: the factor must be positive and finite"
    );
    refused!(
        with(|o| o.rates = vec![LearningRate { group: Group::Bias, rate: -1e-3 }]),
        TaskError::Training(TrainingError::Option { .. }),
        "rate = -0.001: a learning rate must be zero or positive, and finite"
    );
    refused!(
        with(|o| o.rule = UpdateRule::Sgd { momentum: 1.0 }),
        TaskError::Training(TrainingError::Option { .. }),
        "momentum = 1: it must lie in [0, 1)"
    );
    refused!(
        with(|o| o.rule = UpdateRule::Adam { beta_1: 0.9, beta_2: -0.1, epsilon: 1e-8 }),
        TaskError::Training(TrainingError::Option { .. }),
        "beta_2 = -0.1: it must lie in [0, 1)"
    );
    refused!(
        with(|o| o.rule = UpdateRule::Adam { beta_1: 0.9, beta_2: 0.9, epsilon: 0.0 }),
        TaskError::Training(TrainingError::Option { .. }),
        "epsilon = 0: it must be positive and finite"
    );
    refused!(
        with(|o| o.rates = vec![LearningRate { group: Group::Tau(0), rate: 1e-3 }]),
        TaskError::Training(TrainingError::Untrainable { .. }),
        "the rates name slow.tau, which is frozen: remove it, or unfreeze it"
    );
    refused!(
        with(|o| o.rates = vec![LearningRate { group: Group::Weight(2), rate: 1e-3 }]),
        TaskError::Training(TrainingError::Untrainable { .. }),
        "the rates name weight of projection 2, which does not exist: remove it"
    );
    refused!(
        with(|o| o.h = 0.0),
        TaskError::Network(Error::NotPositive { .. }),
        "step size h = 0: give a positive, finite number"
    );
    let other = Network::builder().population(population(Nif, 0.3)).synapse("slow", 10.0).build();
    let mut other = other.expect("a network");
    let gradient = other.parameters.zeros_like();
    let mut optimiser = Optimiser::new(&network(), UpdateRule::ADAM, &[]).expect("an optimiser");
    refused!(
        optimiser.step(&mut other, &gradient, 1.0),
        TrainingError::Length { .. },
        "the optimiser has 37 entries, there are 17 parameters: use one made for them"
    );
}

/// Two Morris-Lecar neurons behind three theta neurons; the second one is driven beyond what a step can follow.
fn explosive() -> (Network<f64>, Trial<f64>) {
    let mut network = Network::builder()
        .population(population(Theta::default(), 0.3))
        .population(Population::new("muscle", MorrisLecar::default(), 2, GateShape::Box, 20.0))
        .synapse("slow", 10.0)
        .inputs(1)
        .outputs(1)
        .build()
        .expect("a network");
    network.parameters.input_mut()[(4, 0)] = 1.0;
    let mut trial = Trial { targets: vec![0.0; 10], ..Trial::silent(10, 2.0, 1) };
    trial.inputs[4] = 1e6;
    (network, trial)
}

#[test]
fn a_state_that_stops_being_finite_is_located() {
    let (network, trial) = explosive();
    let message = "the state of neuron 4 is not finite after step 9 (t = 10 ms): take a smaller step, or look for an \
                   input, weight or time constant out of range";
    let step = SplitStep::with_method(&network, 1.0, tableau::EULER).expect("a step");
    let run = step.run(&trial, &NoLoss).expect("a run");
    let mut gradient = network.parameters.zeros_like();
    let located = |result: Result<f64, AdjointError>| match result {
        Err(error @ AdjointError::Diverged(Divergence::State { step: 9, neuron: 4, time })) => {
            assert_eq!((error.to_string().as_str(), time), (message, 10.0));
        }
        other => panic!("{other:?}"),
    };
    located(Sweep::new().cost(&run));
    located(Sweep::new().gradient(&run, gradient.values_mut()));
    assert!(gradient.values().iter().all(|&g| g == 0.0));
    match pontryagin(&run) {
        Err(error @ Error::Diverged(Divergence::State { step: 9, neuron: 4, .. })) => {
            assert_eq!(error.to_string(), message);
        }
        other => panic!("{other:?}"),
    }
    let plain = PlainStep::new(&network, 1.0, tableau::EULER).expect("a step");
    located(Sweep::new().cost(&plain.run(&trial, &NoLoss).expect("a run")));
}

#[test]
fn exploding_weights_in_f32_are_located() {
    let mut network = builder(Nif, 0.3).build().expect("a network");
    network.parameters.bias_mut().copy_from_slice(&[0.5, 0.0, 0.0]);
    network.parameters.weight_mut(0)[(2, 0)] = 1e30;
    network.parameters.weight_mut(0)[(1, 2)] = 1e30;
    let network = network.to_f32();
    let trial = trial().map(|x| x as f32);
    let step = SplitStep::new(&network, 1.0).expect("a step");
    let error = Sweep::new().cost(&step.run(&trial, &NoLoss).expect("a run"));
    // Neuron 0 fires in step 1, neuron 2 explodes in step 2 and takes neuron 1 along.
    assert!(
        matches!(error, Err(AdjointError::Diverged(Divergence::State { step: 2, neuron: 1, time: 3.0 }))),
        "{error:?}"
    );
}

/// The root of the readout, which has no derivative where that is zero.
struct Root;

impl Loss<f64> for Root {
    fn value(&self, at: &Sample<'_, f64>) -> f64 {
        at.output[0].sqrt()
    }
    fn vjp(&self, at: &Sample<'_, f64>, value_bar: f64, bar: &mut SampleBar<'_, f64>) {
        bar.output[0] += value_bar / (2.0 * at.output[0].sqrt());
    }
}

#[test]
fn a_source_has_channels() {
    let error = builder(Nif, 0.3).source("s", 0).build().map(drop).expect_err("no channel");
    assert_eq!(error.to_string(), "there is no channel in one of the sources: add at least one");
}

#[test]
fn costs_and_gradients_that_overflow_are_named() {
    let mut theta = network();
    theta.parameters.bias_mut().fill(0.05);
    theta.parameters.readout_mut(0).fill(1.0);
    let step = SplitStep::new(&theta, 1.0).expect("a step");
    let loss = QuadraticLoss { lambda: 0.0 };
    let mut far = trial();
    far.targets[6] = 1e200;
    let error = Sweep::new().cost(&step.run(&far, &loss).expect("a run")).expect_err("an infinite cost");
    assert!(matches!(error, AdjointError::Diverged(Divergence::Cost { step: 6, time: 7.0 })));
    assert_eq!(
        error.to_string(),
        "the cost is not finite after step 6 (t = 7 ms) although the state is: activity without bounds, as weights that are too \
         large make it, leaves the range of the cost first; otherwise look at the cost's formula and its targets"
    );

    let mut gradient = theta.parameters.zeros_like();
    let run = step.run(&far, &Root).expect("a run");
    assert!(Sweep::new().cost(&run).is_ok());
    let error = Sweep::new().gradient(&run, gradient.values_mut()).expect_err("an infinite derivative");
    let readout = theta.parameters.layout().range(Group::Readout(0));
    assert!(matches!(error, AdjointError::NonFiniteGradient { parameter } if readout.contains(&parameter)));
    assert!(error.to_string().contains("a derivative is singular there"), "{error}");
}

#[test]
fn a_trial_that_explodes_is_left_out_and_counted() {
    let (network, explosion) = explosive();
    let calm = |input: f64| {
        let mut trial = explosion.clone();
        trial.inputs.fill(input);
        trial
    };
    let step = SplitStep::new(&network, 0.1).expect("a step");
    let loss = QuadraticLoss { lambda: 1.0 };
    let (mut with, mut without) = (network.parameters.zeros_like(), network.parameters.zeros_like());
    let trials = [calm(60.0), explosion.clone(), calm(90.0)];
    let result = Batch::default().gradient(&step, &trials, &loss, None, &mut with).expect("a gradient");
    assert_eq!(result.skipped(), 1);
    assert!(matches!(
        result.trials[1].cost,
        Err(AdjointError::Diverged(Divergence::State { neuron: 4, .. }))
    ));
    let trials = [calm(60.0), calm(90.0)];
    let fine = Batch::default().gradient(&step, &trials, &loss, None, &mut without).expect("a gradient");
    assert_eq!(fine.skipped(), 0);
    assert!((result.cost - fine.cost).abs() <= 1e-15 * fine.cost.abs());
    let scale = without.values().iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    assert!(scale > 0.0);
    assert!(with.values().iter().zip(without.values()).all(|(a, b)| (a - b).abs() <= 1e-14 * scale));
}

#[test]
fn training_counts_what_it_skips_and_stops_when_nothing_is_left() {
    let mut start = network();
    // A weight that turns a large input into an overflow.
    start.parameters.input_mut().fill(1e-3);
    // What is tested are inputs far beyond those that the steps resolve.
    let options = TrainingOptions {
        iterations: 4,
        batch: 3,
        clip: None,
        short_crossings: 1.0,
        ..TrainingOptions::default()
    };
    let calm = Push(QuadraticLoss { lambda: 1.0 }, |_| 1.0);
    let history = train(&mut start.clone(), &calm, &options, &mut ()).expect("training");
    assert!(history.iter().all(|i| i.skipped == 0) && history.len() == 4);

    let explosion = Push(QuadraticLoss { lambda: 1.0 }, |iteration| if iteration == 2 { 1e308 } else { 1.0 });
    start.parameters.input_mut().fill(1e3);
    let mut network = start.clone();
    let error = train(&mut network, &explosion, &options, &mut ()).expect_err("an explosion");
    assert!(
        matches!(error, TaskError::Training(TrainingError::NoFiniteTrial { iteration: 2, trials: 3, .. })),
        "{error}"
    );
    let message =
        "all 3 trials of iteration 2 became non-finite, first of all: the state of neuron 0 is not finite";
    assert!(error.to_string().starts_with(message), "{error}");
    // What was learned before is kept, and it is finite.
    assert!(network.validate().is_ok());
}
