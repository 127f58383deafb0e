//! A neuron model with fast conductances, from its relaxation to a proved gradient in steps that are too long for an explicit
//! method: `cargo run --release --example stiff_neuron -p spikegrad`. The guide `docs/tutorials/new-neuron.md` walks through it.

#![allow(clippy::print_stdout, reason = "an example prints")]

// region: model
use spikegrad::prelude::*;

/// Persistent sodium and potassium of Izhikevich (2007), section 4.1, with a sodium gate that takes its time `tau_m`, though
/// little of it. Voltages in mV, times in ms, currents in uA/cm2, conductances in mS/cm2.
#[derive(Clone, Copy, Debug)]
struct SodiumPotassium {
    /// Sodium conductance, mS/cm2.
    g_na: f64,
    /// Time constants of the sodium and the potassium gate, ms.
    tau: [f64; 2],
}

const G_L: f64 = 8.0;
const G_K: f64 = 10.0;

/// `1 / (1 + exp((half - v) / slope))` and its derivative.
fn open<T: Real>(v: T, half: f64, slope: f64) -> (T, T) {
    let x = T::one() / (T::one() + ((real::<T>(half) - v) / real(slope)).exp());
    (x, x * (T::one() - x) / real(slope))
}

impl Neuron for SodiumPotassium {
    const NAME: &'static str = "sodium and potassium";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::positive("g_Na", "mS/cm2"),
        Parameter::positive("tau_m", "ms"),
        Parameter::positive("tau_n", "ms"),
    ];
    const METHOD: Integration = Integration::ExponentialMidpoint;
    const RELAXES: bool = true;
    type State<T: Real> = [T; 3];
    type Params<T: Real> = [T; 3];

    fn params(&self) -> [f64; 3] {
        [self.g_na, self.tau[0], self.tau[1]]
    }

    fn from_params(&[g_na, tau_m, tau_n]: &[f64; 3]) -> Self {
        Self { g_na, tau: [tau_m, tau_n] }
    }

    fn rhs<T: Real>(&[g_na, tau_m, tau_n]: &[T; 3], &[v, m, n]: &[T; 3], current: T) -> [T; 3] {
        let leak = real::<T>(G_L) * (v + real(80.0));
        let sodium = g_na * m * (v - real(60.0));
        let potassium = real::<T>(G_K) * n * (v + real(90.0));
        [
            current - leak - sodium - potassium,
            (open(v, -20.0, 15.0).0 - m) / tau_m,
            (open(v, -25.0, 5.0).0 - n) / tau_n,
        ]
    }

    // How fast each variable relaxes while the others are held: for v the total conductance (over C = 1).
    fn relaxation<T: Real>(&[g_na, tau_m, tau_n]: &[T; 3], &[_, m, n]: &[T; 3]) -> [T; 3] {
        [real::<T>(G_L) + g_na * m + real::<T>(G_K) * n, T::one() / tau_m, T::one() / tau_n]
    }

    fn reset<T: Real>(_: &[T; 3]) -> Reset<T> {
        Reset::Latch { threshold: real(-15.0) }
    }

    fn rest(&self) -> [f64; 3] {
        [-66.0, 0.045, 0.0]
    }
}
// endregion

// region: derivative
impl NeuronVjp for SodiumPotassium {
    fn rhs_vjp<T: Real>(
        &[g_na, tau_m, tau_n]: &[T; 3],
        &[v, m, n]: &[T; 3],
        _: T,
        &[v_bar, m_bar, n_bar]: &[T; 3],
        x_bar: &mut [T; 3],
        params_bar: &mut [T; 3],
    ) -> T {
        let ((m_inf, dm_inf), (n_inf, dn_inf)) = (open(v, -20.0, 15.0), open(v, -25.0, 5.0));
        let conductance = real::<T>(G_L) + g_na * m + real::<T>(G_K) * n;
        let (sodium, potassium) = (v - real(60.0), v + real(90.0));
        x_bar[0] += m_bar * dm_inf / tau_m + n_bar * dn_inf / tau_n - v_bar * conductance;
        x_bar[1] -= v_bar * g_na * sodium + m_bar / tau_m;
        x_bar[2] -= v_bar * real::<T>(G_K) * potassium + n_bar / tau_n;
        params_bar[0] -= v_bar * m * sodium;
        params_bar[1] -= m_bar * (m_inf - m) / (tau_m * tau_m);
        params_bar[2] -= n_bar * (n_inf - n) / (tau_n * tau_n);
        v_bar
    }

    fn relaxation_vjp<T: Real>(
        &[g_na, tau_m, tau_n]: &[T; 3],
        &[_, m, _]: &[T; 3],
        &[rv_bar, rm_bar, rn_bar]: &[T; 3],
        x_bar: &mut [T; 3],
        params_bar: &mut [T; 3],
    ) {
        x_bar[1] += rv_bar * g_na;
        x_bar[2] += rv_bar * real::<T>(G_K);
        params_bar[0] += rv_bar * m;
        params_bar[1] -= rm_bar / (tau_m * tau_m);
        params_bar[2] -= rn_bar / (tau_n * tau_n);
    }

    fn reset_vjp<T: Real>(_: &[T; 3], _: T, _: T, _: &mut [T; 3]) {}

    fn jump_vjp<T: Real>(
        _: &[T; 3],
        _: &[T; 3],
        after_bar: &[T; 3],
        before_bar: &mut [T; 3],
        _: &mut [T; 3],
    ) {
        before_bar[1] += after_bar[1];
        before_bar[2] += after_bar[2];
    }

    fn refractory_vjp<T: Real>(_: &[T; 3], _: T, _: &mut [T; 3]) {}
}
// endregion

/// Six of them behind slow synapses, each with a drive of its own, and the trial that they are run on.
fn problem<N: NeuronVjp>(neuron: N) -> Result<(Network<f64>, Trial<f64>), Failure> {
    let mut network = Network::builder()
        .population(Population::new("cell", neuron, 6, GateShape::RaisedCosine, 40.0))
        .synapse("slow", 20.0)
        .inputs(1)
        .outputs(1)
        .build()?;
    (0..3).try_for_each(|parameter| network.unfreeze(Group::Neuron { population: 0, parameter }))?;
    network.parameters.input_mut().iter_mut().zip(0..).for_each(|(u, i)| *u = 5.1 + 1.3 * f64::from(i));
    network.parameters.weight_mut(0).fill(2.0);
    network.parameters.readout_mut(0).fill(1.0);
    let mut trial = Trial::silent(60, 1.0, 1);
    trial.inputs.fill(1.0);
    trial.targets = (0..60).map(|t| 0.9 * (f64::from(t) * std::f64::consts::PI / 60.0).sin()).collect();
    Ok((network, trial))
}

const LOSS: QuadraticLoss<f64> = QuadraticLoss { lambda: 0.01 };
/// Five time constants of the sodium gate.
const H: f64 = 0.05;

// region: spikes
/// How many spikes a run has.
fn spikes(method: Method, h: f64) -> Result<usize, Failure> {
    let (network, trial) = problem(SodiumPotassium { g_na: 20.0, tau: [0.01, 1.0] })?;
    let scheme = SplitStep::with_method(&network, h, method)?;
    Ok(scheme.run(&trial, &LOSS)?.record()?.spikes.len())
}
// endregion

// region: check
fn check<N: NeuronVjp>(neuron: N, method: Method) -> Result<GradientReport, Failure> {
    let (network, trial) = problem(neuron)?;
    let mut objective = NetworkObjective::new(network, &trial, &LOSS, Scheme::Split(Some(method)), H);
    Ok(GradientCheck::default().run(&mut objective)?)
}
// endregion

/// The same neuron with a mistake: it says that its relaxation has no derivatives.
#[derive(Clone, Copy, Debug)]
struct Mistaken(SodiumPotassium);

impl Neuron for Mistaken {
    const NAME: &'static str = "mistaken";
    const PARAMETERS: &'static [Parameter] = SodiumPotassium::PARAMETERS;
    const METHOD: Integration = Integration::ExponentialMidpoint;
    const RELAXES: bool = true;
    type State<T: Real> = [T; 3];
    type Params<T: Real> = [T; 3];

    fn params(&self) -> [f64; 3] {
        self.0.params()
    }

    fn from_params(params: &[f64; 3]) -> Self {
        Self(SodiumPotassium::from_params(params))
    }

    fn rhs<T: Real>(params: &[T; 3], x: &[T; 3], current: T) -> [T; 3] {
        SodiumPotassium::rhs(params, x, current)
    }

    fn relaxation<T: Real>(params: &[T; 3], x: &[T; 3]) -> [T; 3] {
        SodiumPotassium::relaxation(params, x)
    }

    fn reset<T: Real>(params: &[T; 3]) -> Reset<T> {
        SodiumPotassium::reset(params)
    }

    fn rest(&self) -> [f64; 3] {
        self.0.rest()
    }
}

impl NeuronVjp for Mistaken {
    fn rhs_vjp<T: Real>(
        params: &[T; 3],
        x: &[T; 3],
        current: T,
        f_bar: &[T; 3],
        x_bar: &mut [T; 3],
        params_bar: &mut [T; 3],
    ) -> T {
        SodiumPotassium::rhs_vjp(params, x, current, f_bar, x_bar, params_bar)
    }

    fn relaxation_vjp<T: Real>(_: &[T; 3], _: &[T; 3], _: &[T; 3], _: &mut [T; 3], _: &mut [T; 3]) {}

    fn reset_vjp<T: Real>(params: &[T; 3], threshold_bar: T, value_bar: T, params_bar: &mut [T; 3]) {
        SodiumPotassium::reset_vjp(params, threshold_bar, value_bar, params_bar);
    }

    fn jump_vjp<T: Real>(
        params: &[T; 3],
        before: &[T; 3],
        after_bar: &[T; 3],
        before_bar: &mut [T; 3],
        params_bar: &mut [T; 3],
    ) {
        SodiumPotassium::jump_vjp(params, before, after_bar, before_bar, params_bar);
    }

    fn refractory_vjp<T: Real>(params: &[T; 3], refractory_bar: T, params_bar: &mut [T; 3]) {
        SodiumPotassium::refractory_vjp(params, refractory_bar, params_bar);
    }
}

fn main() -> Result<(), Failure> {
    let neuron = SodiumPotassium { g_na: 20.0, tau: [0.01, 1.0] };
    for (method, h) in [
        (tableau::RK4.into(), H / 20.0),
        (tableau::RK4.into(), H),
        (Exponential::Euler.into(), H),
        (Exponential::Midpoint.into(), H),
    ] {
        match spikes(method, h) {
            Ok(spikes) => println!("{spikes} spikes by {}, h = {h} ms", method.name()),
            Err(failure) => println!("{}, h = {h} ms: {failure}", method.name()),
        }
    }
    println!("\n{}\n", check(neuron, Exponential::Midpoint.into())?);
    println!("With an empty relaxation_vjp:\n{}", check(Mistaken(neuron), Exponential::Midpoint.into())?);
    Ok(())
}

#[test]
fn the_stiff_neuron_runs() -> Result<(), Failure> {
    main()
}

#[test]
fn exponential_methods_stand_where_an_explicit_one_is_lost() -> Result<(), Failure> {
    let fine = spikes(tableau::RK4.into(), H / 20.0)?;
    let lost = spikes(tableau::RK4.into(), H).expect_err("lost").to_string();
    assert!(lost.contains("is not finite after step 14"), "{lost}");
    assert!(spikes(Exponential::Midpoint.into(), H)?.abs_diff(fine) <= fine / 8);
    Ok(())
}

#[test]
fn a_relaxation_without_its_derivative_is_found() -> Result<(), Failure> {
    use spikegrad::adjoint::Error as Wrong;
    let neuron = SodiumPotassium { g_na: 20.0, tau: [0.01, 1.0] };
    for method in Exponential::ALL {
        let report = check(neuron, method.into())?;
        report.verdict()?;
        assert!(report.events.spikes > 20 && report.events.short_crossings == 0, "{report}");
        let verdict = check(Mistaken(neuron), method.into())?.verdict();
        assert!(matches!(verdict, Err(Wrong::GradientMismatch { .. })));
    }
    Ok(())
}
