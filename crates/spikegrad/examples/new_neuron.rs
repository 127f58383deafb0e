//! A neuron model of one's own, from its equation to a proved gradient and a small trained network:
//! `cargo run --release --example new_neuron -p spikegrad`. The guide `docs/tutorials/new-neuron.md` walks through it.

#![allow(clippy::print_stdout, reason = "an example prints")]

// region: model
use spikegrad::prelude::*;

/// The relaxation oscillator of Terman & Wang (1995), its time in ms. At rest it stands at the edge of firing; the
/// recovery variable `w` ends an action potential, so that there is no reset.
#[derive(Clone, Copy, Debug)]
struct TermanWang {
    /// Time constant of the voltage, ms.
    tau_v: f64,
    /// How much slower the recovery is.
    epsilon: f64,
}

/// `6 (1 + tanh(v / 0.1))`, where the recovery variable is drawn to, and its derivative.
fn recovery<T: Real>(v: T) -> (T, T) {
    let tanh = (v * real(10.0)).tanh();
    (real::<T>(6.0) * (T::one() + tanh), real::<T>(60.0) * (T::one() - tanh * tanh))
}

impl Neuron for TermanWang {
    const NAME: &'static str = "Terman-Wang";
    const PARAMETERS: &'static [Parameter] =
        &[Parameter::positive("tau_v", "ms"), Parameter::positive("epsilon", "1")];
    const METHOD: Integration = Integration::RungeKutta4;
    type State<T: Real> = [T; 2];
    type Params<T: Real> = [T; 2];

    fn params(&self) -> [f64; 2] {
        [self.tau_v, self.epsilon]
    }

    fn from_params(&[tau_v, epsilon]: &[f64; 2]) -> Self {
        Self { tau_v, epsilon }
    }

    fn rhs<T: Real>(&[tau_v, epsilon]: &[T; 2], &[v, w]: &[T; 2], current: T) -> [T; 2] {
        let cubic = real::<T>(3.0) * v - v * v * v + real(2.0);
        [(cubic - w + current) / tau_v, epsilon * (recovery(v).0 - w) / tau_v]
    }

    fn reset<T: Real>(_: &[T; 2]) -> Reset<T> {
        Reset::Latch { threshold: T::one() }
    }

    fn rest(&self) -> [f64; 2] {
        [-1.0, 0.0]
    }
}
// endregion

// region: derivative
impl NeuronVjp for TermanWang {
    fn rhs_vjp<T: Real>(
        params @ &[tau_v, epsilon]: &[T; 2],
        x @ &[v, w]: &[T; 2],
        current: T,
        f_bar: &[T; 2],
        x_bar: &mut [T; 2],
        params_bar: &mut [T; 2],
    ) -> T {
        let [dv, dw] = Self::rhs(params, x, current);
        let (target, slope) = recovery(v);
        let (a, b) = (f_bar[0] / tau_v, f_bar[1] / tau_v);
        x_bar[0] += a * (real::<T>(3.0) - real::<T>(3.0) * v * v) + b * epsilon * slope;
        x_bar[1] -= a + b * epsilon;
        params_bar[0] -= a * dv + b * dw;
        params_bar[1] += b * (target - w);
        a
    }

    fn relaxation_vjp<T: Real>(_: &[T; 2], _: &[T; 2], _: &[T; 2], _: &mut [T; 2], _: &mut [T; 2]) {}

    fn reset_vjp<T: Real>(_: &[T; 2], _: T, _: T, _: &mut [T; 2]) {}

    fn jump_vjp<T: Real>(
        _: &[T; 2],
        _: &[T; 2],
        after_bar: &[T; 2],
        before_bar: &mut [T; 2],
        _: &mut [T; 2],
    ) {
        before_bar[1] += after_bar[1];
    }

    fn refractory_vjp<T: Real>(_: &[T; 2], _: T, _: &mut [T; 2]) {}
}
// endregion

// region: network
/// Eight of them behind slow synapses, each with a drive of its own, and the trial that they are run on.
fn problem<N: NeuronVjp>(neuron: N) -> Result<(Network<f64>, Trial<f64>), Failure> {
    let mut network = Network::builder()
        .population(Population::new("excitable", neuron, 8, GateShape::RaisedCosine, 1.5))
        .synapse("slow", 20.0)
        .inputs(1)
        .outputs(1)
        .build()?;
    network.unfreeze(Group::Neuron { population: 0, parameter: 0 })?;
    network.unfreeze(Group::Neuron { population: 0, parameter: 1 })?;
    network.parameters.input_mut().iter_mut().zip(1..).for_each(|(u, i)| *u = 0.13 * f64::from(i));
    network.parameters.weight_mut(0).fill(0.3);
    network.parameters.readout_mut(0).fill(1.0);
    let mut trial = Trial::silent(150, 1.0, 1);
    trial.inputs.fill(1.0);
    trial.targets = (0..150).map(|t| 0.4 * (f64::from(t) * std::f64::consts::PI / 150.0).sin()).collect();
    Ok((network, trial))
}
// endregion

const LOSS: QuadraticLoss<f64> = QuadraticLoss { lambda: 0.01 };
const H: f64 = 0.25;

fn check<N: NeuronVjp>(neuron: N) -> Result<GradientReport, Failure> {
    // region: check
    let (network, trial) = problem(neuron)?;
    let mut objective = NetworkObjective::new(network, &trial, &LOSS, Scheme::default(), H);
    let report = GradientCheck::default().run(&mut objective)?;
    // endregion
    Ok(report)
}

/// The same neuron with a mistake: the derivative by `epsilon` has the wrong sign.
#[derive(Clone, Copy, Debug)]
struct Mistaken(TermanWang);

impl Neuron for Mistaken {
    const NAME: &'static str = "mistaken";
    const PARAMETERS: &'static [Parameter] = TermanWang::PARAMETERS;
    const METHOD: Integration = TermanWang::METHOD;
    type State<T: Real> = [T; 2];
    type Params<T: Real> = [T; 2];

    fn params(&self) -> [f64; 2] {
        self.0.params()
    }

    fn from_params(params: &[f64; 2]) -> Self {
        Self(TermanWang::from_params(params))
    }

    fn rhs<T: Real>(params: &[T; 2], x: &[T; 2], current: T) -> [T; 2] {
        TermanWang::rhs(params, x, current)
    }

    fn reset<T: Real>(params: &[T; 2]) -> Reset<T> {
        TermanWang::reset(params)
    }

    fn rest(&self) -> [f64; 2] {
        self.0.rest()
    }
}

impl NeuronVjp for Mistaken {
    fn rhs_vjp<T: Real>(
        params: &[T; 2],
        x: &[T; 2],
        current: T,
        f_bar: &[T; 2],
        x_bar: &mut [T; 2],
        params_bar: &mut [T; 2],
    ) -> T {
        let mut right = [T::zero(); 2];
        let current_bar = TermanWang::rhs_vjp(params, x, current, f_bar, x_bar, &mut right);
        params_bar[0] += right[0];
        params_bar[1] -= right[1];
        current_bar
    }

    fn relaxation_vjp<T: Real>(
        params: &[T; 2],
        x: &[T; 2],
        relaxation_bar: &[T; 2],
        x_bar: &mut [T; 2],
        params_bar: &mut [T; 2],
    ) {
        TermanWang::relaxation_vjp(params, x, relaxation_bar, x_bar, params_bar);
    }

    fn reset_vjp<T: Real>(params: &[T; 2], threshold_bar: T, value_bar: T, params_bar: &mut [T; 2]) {
        TermanWang::reset_vjp(params, threshold_bar, value_bar, params_bar);
    }

    fn jump_vjp<T: Real>(
        params: &[T; 2],
        before: &[T; 2],
        after_bar: &[T; 2],
        before_bar: &mut [T; 2],
        params_bar: &mut [T; 2],
    ) {
        TermanWang::jump_vjp(params, before, after_bar, before_bar, params_bar);
    }

    fn refractory_vjp<T: Real>(params: &[T; 2], refractory_bar: T, params_bar: &mut [T; 2]) {
        TermanWang::refractory_vjp(params, refractory_bar, params_bar);
    }
}

fn main() -> Result<(), Failure> {
    let neuron = TermanWang { tau_v: 4.0, epsilon: 0.25 };
    println!("{}\n", check(neuron)?);
    println!("With the wrong sign in the derivative by epsilon:\n{}\n", check(Mistaken(neuron))?);

    let (mut network, trial) = problem(neuron)?;
    // region: train
    let tau_v = Group::Neuron { population: 0, parameter: 0 };
    let epsilon = Group::Neuron { population: 0, parameter: 1 };
    let groups = [Group::Weight(0), Group::Input, Group::Readout(0), tau_v, epsilon];
    let rates = groups.map(|group| LearningRate { group, rate: 0.02 });
    let mut optimiser = Optimiser::new(&network, UpdateRule::ADAM, &rates)?;
    let mut sweep = Sweep::new();
    for iteration in 0..=200 {
        let scheme = SplitStep::new(&network, H)?;
        let mut gradient = network.parameters.zeros_like();
        let cost = sweep.gradient(&scheme.run(&trial, &LOSS)?, gradient.values_mut())?;
        if iteration % 40 == 0 {
            let [tau_v, epsilon] = [tau_v, epsilon].map(|group| network.parameters.group(group)[0]);
            println!("iteration {iteration:3}: cost {cost:.3}, tau_v {tau_v:.2} ms, epsilon {epsilon:.3}");
        }
        optimiser.step(&mut network, &gradient, 1.0)?;
    }
    // endregion
    Ok(())
}

#[test]
fn the_new_neuron_runs() -> Result<(), Failure> {
    main()
}

#[test]
fn the_gradient_is_proved_and_the_mistake_is_found() -> Result<(), Failure> {
    use spikegrad::adjoint::Error as Wrong;
    let neuron = TermanWang { tau_v: 4.0, epsilon: 0.25 };
    check(neuron)?.verdict()?;
    let verdict = check(Mistaken(neuron))?.verdict();
    assert!(matches!(verdict, Err(Wrong::GradientMismatch { group, .. }) if group == "excitable.epsilon"));
    Ok(())
}
