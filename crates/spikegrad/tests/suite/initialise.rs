//! Where training starts: networks of every model fire at moderate rates below chaos, and nothing that is trained has a gradient of
//! zero.

use super::common::{Model, normal};
use spikegrad::adjoint::Sweep;
use spikegrad::integrators::Step;
use spikegrad::models::{GateShape, Lif, RefractoryLif, for_each_neuron};
use spikegrad::network::{
    Connector, Draw, Error, Group, Initialisation, Network, NoLoss, Population, Projection, Sign, SplitStep,
    Trial,
};
use spikegrad::tasks::{Purpose, QuadraticLoss, generator};

/// A network of 30 neurons of a model, as its defaults make it, with the rate of a neuron by itself.
fn initialised(model: &Model, seed: u64) -> (Network<f64>, f64) {
    let mut network = Network::builder()
        .population(model.population("p", 30, GateShape::RaisedCosine, 0.4 * model.voltage))
        .synapse("slow", 20.0)
        .projection(Projection::new("fast", 5.0).without_autapses())
        .inputs(2)
        .outputs(1)
        .build()
        .expect("a network");
    let how = Initialisation { h: model.h.min(0.25), ..Initialisation::default() };
    let found =
        network.initialise(&how, &mut generator(seed, Purpose::Initialisation, 0)).expect("tonic currents");
    (network, found[0].rate)
}

#[test]
fn networks_of_every_model_start_below_chaos_and_learn() {
    let mut models = Vec::new();
    macro_rules! push {
        ($module:ident, $neuron:ty) => {
            models.push(Model::of::<$neuron>());
        };
    }
    for_each_neuron!(push);
    for model in &models {
        let (network, alone) = initialised(model, 1);
        let h = model.h.min(0.25);
        let scheme = SplitStep::new(&network, h).expect("a scheme");
        let trial = Trial::silent((1000.0 / h) as usize, h, 2);
        let run = scheme.run(&trial, &NoLoss).expect("a run");
        // The same start with a small part of a voltage more.
        let traces = |x0: f64| {
            let mut network = network.clone();
            let rng = &mut generator(2, Purpose::Test, 0);
            let v = &mut network.parameters.group_mut(Group::Initial)[..30];
            v.iter_mut().for_each(|v| *v -= model.voltage * (0.3 + 0.2 * normal(rng).abs().min(1.0) + x0));
            let scheme = SplitStep::new(&network, h).expect("a scheme");
            let run = scheme.run(&trial, &NoLoss).expect("a run");
            run.record().expect("finite").s.swap_remove(0)
        };
        let (a, b) = (traces(0.0), traces(1e-6));
        let distance = |from: f64, to: f64| {
            let part = (from / h) as usize * 30..(to / h) as usize * 30;
            a[part.clone()].iter().zip(&b[part]).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        };
        // Behind what the first spikes make of the difference.
        let growth = distance(800.0, 1000.0) / distance(200.0, 400.0).max(1e-300);
        let spikes = run.record().expect("finite").spikes.len();
        let rate = spikes as f64 / 30.0;
        println!("{}: {alone:.1} Hz alone, {rate:.1} Hz, differences grow {growth:.2} times", model.name);
        assert!((0.4 * alone..2.0 * alone).contains(&rate), "{}: {rate}", model.name);
        assert!(alone < 20.0 || model.action_potential, "{}: {alone}", model.name);
        // Full action potentials are sensitive near the edge of firing; the guide on scales has the figure.
        assert!(growth < if model.action_potential { 300.0 } else { 10.0 }, "{}: {growth}", model.name);
        // A gradient in everything that is trained.
        let mut trial = Trial::silent((200.0 / h) as usize, h, 2);
        trial.inputs.fill(1.0);
        trial.targets = vec![1.0; trial.samples];
        let loss = QuadraticLoss { lambda: 0.0 };
        let run = scheme.run(&trial, &loss).expect("a run");
        let mut bar = network.parameters.zeros_like();
        Sweep::new().gradient(&run, bar.values_mut()).expect("finite");
        for group in [Group::Weight(0), Group::Weight(1), Group::Input, Group::Bias, Group::Readout(0)] {
            assert!(bar.norm(group) > 0.0, "{} {group}", model.name);
        }
        assert_eq!(run.steps(), trial.samples);
    }
}

fn lif(size: usize) -> Population {
    Population::new("p", Lif::default(), size, GateShape::RaisedCosine, 0.3)
}

#[test]
fn draws_have_their_spread_and_keep_to_masks_lists_and_signs() {
    let rng = &mut generator(3, Purpose::Initialisation, 0);
    let half = Connector::Probability { probability: 0.5, seed: 1 };
    let build =
        |p: Projection| Network::builder().population(lif(400)).projection(p).build().expect("a network");
    let deviation = |w: &[f64]| (w.iter().map(|w| w * w).sum::<f64>() / w.len() as f64).sqrt();
    for (projection, expected) in
        [(Projection::new("w", 5.0), 0.1), (Projection::new("w", 5.0).connected(half), 0.1 * 2.0_f64.sqrt())]
    {
        let mut network = build(projection);
        for draw in [Draw::FanIn { gain: 2.0 }, Draw::UniformFanIn { gain: 2.0 }] {
            network.draw(Group::Weight(0), draw, rng).expect("weights");
            let found = deviation(network.parameters.group(Group::Weight(0)));
            assert!((found - expected).abs() < 0.01 * expected, "{draw:?}: {found}");
        }
    }
    let mut network = build(Projection::new("w", 5.0).without_autapses());
    network.set_signs(|i| Some(if i % 2 == 0 { Sign::Excitatory } else { Sign::Inhibitory }));
    network.draw(Group::Weight(0), Draw::Normal { mean: 0.0, deviation: 1.0 }, rng).expect("weights");
    assert!(network.validate().is_ok() && network.check_signs().is_ok());
    let mut network = build(Projection::new("w", 5.0));
    network.draw(Group::Weight(0), Draw::Diagonal { mean: 0.5, deviation: 0.0 }, rng).expect("weights");
    assert_eq!(network.parameters.weight(0), nalgebra::DMatrix::identity(400, 400) * 0.5);
    let error = network.draw(Group::Weight(0), Draw::FanIn { gain: f64::NAN }, rng).expect_err("no gain");
    assert!(matches!(error, Error::NonFinite { .. }));
    assert!(matches!(
        network.draw(Group::Left(0), Draw::FanIn { gain: 1.0 }, rng),
        Err(Error::NoGroup { .. })
    ));
}

#[test]
fn tonic_currents_give_their_rates() {
    for rate in [5.0, 10.0, 40.0] {
        let found = lif(7).tonic_current(rate, 0.1).expect("a current");
        assert!((rate..1.2 * rate).contains(&found.rate), "{found:?}");
    }
    assert!(matches!(lif(7).tonic_current(0.0, 0.1), Err(Error::NotPositive { .. })));
    // Faster than its refractory time of 2 ms allows a neuron to fire.
    let slow = Population::new("p", RefractoryLif::default(), 1, GateShape::RaisedCosine, 0.3);
    assert!(matches!(slow.tonic_current(2000.0, 0.1), Err(Error::NeverFires { .. })));
}
