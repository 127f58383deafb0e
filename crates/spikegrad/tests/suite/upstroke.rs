//! Upstrokes that are located inside a step: the gradient of the program is that of the equation as long as the step resolves
//! the upstroke at threshold, and where it does not, the report says so.

use rand::RngExt;
use spikegrad::adjoint::{GradientCheck, Sweep};
use spikegrad::integrators::{EventLog, RESOLVED_UPSTROKE, tableau};
use spikegrad::models::{AdEx, Eif, GateShape, NeuronVjp};
use spikegrad::network::{Group, Network, Population, SplitStep, Trial};
use spikegrad::tasks::{NetworkObjective, Purpose, QuadraticLoss, Scheme, generator};

use crate::common::normal;

const LOSS: QuadraticLoss<f64> = QuadraticLoss { lambda: 0.0 };

/// A random network of six neurons with a gate from `v_t` to threshold, currents between `drive`, weights of `gain`.
fn network<N: NeuronVjp>(
    neuron: N,
    v_t: f64,
    drive: [f64; 2],
    gain: f64,
    seed: u64,
) -> (Network<f64>, Trial<f64>) {
    let rng = &mut generator(seed, Purpose::Test, 0);
    let zone = N::reset(&neuron.params()).threshold() - v_t;
    let mut network = Network::builder()
        .population(Population::new("cells", neuron, 6, GateShape::RaisedCosine, zone))
        .synapse("slow", 20.0)
        .inputs(1)
        .outputs(1)
        .build()
        .expect("a network");
    let (parameters, spread) = (&mut network.parameters, drive[1] - drive[0]);
    let weights = parameters.group_mut(Group::Weight(0));
    weights.iter_mut().for_each(|w| *w = gain * 20.0 / 6.0_f64.sqrt() * normal(rng));
    parameters.bias_mut().iter_mut().for_each(|b| *b = rng.random_range(drive[0]..drive[1]));
    parameters.group_mut(Group::Input).iter_mut().for_each(|u| *u = 0.1 * spread * normal(rng));
    parameters.group_mut(Group::Readout(0)).iter_mut().for_each(|o| *o = 5.0 * normal(rng));
    let voltages = &mut parameters.group_mut(Group::Initial)[..6];
    voltages.iter_mut().for_each(|v| *v += rng.random_range(0.0..4.0));
    let mut trial = Trial::silent(120, 1.0, 1);
    trial.inputs.iter_mut().for_each(|i| *i = normal(rng));
    trial.targets = (0..120).map(|t| (0.05 * f64::from(t)).sin()).collect();
    (network, trial)
}

/// Over random networks, the median error of the derivative by the weights at 0.25 ms, relative to that at 0.01 ms, and the
/// steepest upstroke at 0.25 ms.
fn error<N: NeuronVjp>(neuron: N, v_t: f64, drive: [f64; 2], gain: f64) -> (f64, f64) {
    let (mut errors, mut log) = (Vec::new(), EventLog::default());
    for seed in 0..9 {
        let (network, trial) = network(neuron, v_t, drive, gain, seed);
        let mut gradient = |h: f64| {
            let scheme = SplitStep::with_method(&network, h, tableau::RK4).expect("a scheme");
            let run = scheme.run(&trial, &LOSS).expect("a run");
            let (mut sweep, mut gradient) = (Sweep::new(), network.parameters.zeros_like());
            sweep.gradient(&run, gradient.values_mut()).expect("finite");
            if h == 0.25 {
                let mut of_run = EventLog::default();
                sweep.events(&run, &mut of_run).expect("finite");
                assert!(of_run.counts().spikes > 6, "{}: {} spikes", N::NAME, of_run.counts().spikes);
                log.upstroke(of_run.counts().upstroke);
            }
            gradient.group(Group::Weight(0)).to_vec()
        };
        let (coarse, fine) = (gradient(0.25), gradient(0.01));
        let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
        let distance = norm(&mut coarse.iter().zip(&fine).map(|(a, b)| a - b));
        errors.push(distance / norm(&mut fine.iter().copied()));
    }
    errors.sort_by(f64::total_cmp);
    println!("{}, {v_t}: upstroke {:.2}, errors {errors:.3?}", N::NAME, log.counts().upstroke);
    (errors[errors.len() / 2], log.counts().upstroke)
}

/// The figures of "What is exact and what is not" on the page of equations.
#[test]
fn presets_have_the_gradient_of_their_equation_at_ordinary_steps() {
    let eif = Eif::default();
    let adex = AdEx::default();
    let (eif_drive, adex_drive) = ([0.3, 1.0], [800.0, 1600.0]);
    for (error, upstroke) in [error(eif, eif.v_t, eif_drive, 0.15), error(adex, adex.v_t, adex_drive, 100.0)]
    {
        assert!(error < 0.08 && upstroke < RESOLVED_UPSTROKE, "{error}, upstroke {upstroke}");
    }
    // The cut of the source.
    let source = Eif { v_theta: -40.0, ..eif };
    let (error, upstroke) = error(source, eif.v_t, eif_drive, 0.15);
    let expected = 0.25 * 0.1 * ((19.9_f64 / 3.48).exp() - 1.0);
    assert!(error > 0.2 && (upstroke / expected - 1.0).abs() < 1e-12, "{error}, upstroke {upstroke}");
}

#[test]
fn a_check_reports_upstrokes_that_outrun_the_step() {
    let report = |eif: Eif| {
        let (network, trial) = network(eif, eif.v_t, [0.3, 1.0], 0.15, 1);
        let scheme = Scheme::Split(Some(tableau::RK4.into()));
        let mut objective = NetworkObjective::new(network, &trial, &LOSS, scheme, 0.25);
        GradientCheck { directions: 1, ..GradientCheck::default() }.run(&mut objective).expect("a check")
    };
    let (low, high) = (report(Eif::default()), report(Eif::default().cut_off_at(5.0)));
    let warning = "far from that of the equation; take steps shorter by this factor";
    assert!(low.events.upstroke < RESOLVED_UPSTROKE && !low.to_string().contains(warning), "{low}");
    assert!((3.6..3.8).contains(&high.events.upstroke) && high.to_string().contains(warning), "{high}");
    // The gradient of the program is exact all the same.
    assert!(low.agreement().is_ok() && high.agreement().is_ok(), "{low}\n{high}");
}
