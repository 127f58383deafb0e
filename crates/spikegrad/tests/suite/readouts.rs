//! Readouts with names and populations that never spike: their gradients are exact, and their outputs are the sums that they say.

use super::common::{by_dual_numbers, normal, passes_merged, random_trial};
use super::projections::{populations, randomise};
use proptest::prelude::*;
use rand::RngExt;
use spikegrad::adjoint::{GradientCheck, Memory, Sweep};
use spikegrad::integrators::tableau;
use spikegrad::models::{GateShape, LeakyIntegrator, Lif, Nif, Theta};
use spikegrad::network::{
    Error, Feature, Group, Initialisation, Network, NetworkSpec, NoLoss, PlainStep, Population, Projection,
    Readout, Sample, SplitStep, Trial, pontryagin,
};
use spikegrad::tasks::{NetworkObjective, Purpose, QuadraticLoss, Scheme, generator};

const H: f64 = 0.5;
const LOSS: QuadraticLoss<f64> = QuadraticLoss { lambda: 0.1 };

/// Three populations and leaky integrators, read in every way that there is, and a trial whose targets are those of all outputs.
pub(crate) fn random(own: usize, seed: u64) -> (Network<f64>, Trial<f64>) {
    let rng = &mut generator(seed, Purpose::Test, 7);
    let mut builder = populations([3, 3, 2])
        .outputs(own)
        .population(Population::without_spikes("v", LeakyIntegrator { tau_v: 30.0 }, 2))
        .projection(Projection::new("w", 8.0))
        .projection(Projection::new("x", 6.0).between("b", "v"))
        .source("s", 2)
        .read_from(if rng.random_bool(0.5) { "w" } else { "x" });
    let parts: [fn(Readout) -> Readout; 5] = [
        |r| r.voltages("v"),
        |r| r.traces("x"),
        |r| r.filtered("a", 12.0),
        |r| r.filtered("b", 25.0).voltages("c"),
        |r| r.traces("w").filtered("s", 9.0),
    ];
    for name in ["choice", "speed"] {
        let readout = Readout::new(name, rng.random_range(1..3));
        builder = builder.readout(parts[rng.random_range(0..parts.len())](readout));
    }
    let mut network = builder.build().expect("a network");
    network.unfreeze_all();
    randomise(&mut network, rng);
    let mut trial = random_trial(&mut network, H, 0.0, rng);
    for r in 1..3 {
        network.parameters.readout_mut(r).iter_mut().for_each(|o| *o = normal(rng));
    }
    trial.targets = (0..80 * network.outputs()).map(|_| 0.3 * normal(rng)).collect();
    // Samples without weight stand between the others.
    trial.weights =
        (0..80).map(|_| if rng.random_bool(0.2) { 0.0 } else { rng.random_range(0.5..2.0) }).collect();
    (network, trial)
}

#[test]
fn readouts_with_names_have_an_exact_gradient() {
    passes_merged(&(0..3_usize, any::<u32>()), |(own, seed)| {
        let (network, trial) = random(own, u64::from(seed));
        let mut objective = NetworkObjective::new(network, &trial, &LOSS, Scheme::default(), H);
        let report =
            GradientCheck::default().run(&mut objective).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert!(report.agreement().is_ok(), "{report}");
        Ok(vec![report])
    });
}

#[test]
fn dual_numbers_agree_with_the_adjoint() {
    for seed in 0..30 {
        let (network, trial) = random(seed as usize % 3, seed);
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        let run = scheme.run(&trial, &LOSS).expect("a run");
        let mut gradient = network.parameters.zeros_like();
        let cost = Sweep::new().gradient(&run, gradient.values_mut()).expect("finite");
        // Segments that are run again leave the same bits.
        let mut again = network.parameters.zeros_like();
        let memory = Memory::Every(7);
        let other = Sweep::new().memory(memory).gradient(&run, again.values_mut()).expect("finite");
        assert_eq!((cost, &gradient), (other, &again));
        let forward = by_dual_numbers(&network, &trial, H, LOSS.lambda);
        for entry in network.parameters.layout().entries() {
            let scale = gradient.values()[entry.range.clone()].iter().fold(1e-9, |m: f64, g| m.max(g.abs()));
            for i in entry.range.clone() {
                let (adjoint, forward) = (gradient.values()[i], forward[i]);
                assert!(
                    (adjoint - forward).abs() <= 1e-9 * scale,
                    "{seed} {}: {adjoint} {forward}",
                    entry.name
                );
            }
        }
    }
}

#[test]
fn outputs_are_the_sums_that_readouts_say() {
    for seed in 0..10 {
        let (network, mut trial) = random(2, seed);
        trial.targets = Vec::new();
        let scheme = SplitStep::new(&network, H).expect("a scheme");
        let recording = scheme.run(&trial, &NoLoss).expect("a run").record().expect("finite");
        let (n, outputs, steps) = (network.neurons(), network.outputs(), recording.time.len());
        // Which columns of a recording a readout reads is found from its description alone.
        let spec = serde_json::to_value(network.spec()).expect("data");
        let mut filter = network.projections().len();
        for (r, (name, range)) in network.readouts().enumerate().skip(1) {
            let described = spec["readouts"].as_array().expect("readouts").iter();
            let described = described.clone().find(|d| d["name"] == name).expect("a readout");
            let mut columns: Vec<Vec<f64>> = vec![Vec::new(); steps];
            for part in described["from"].as_array().expect("parts") {
                let of = |values: &[f64], width: usize, range: std::ops::Range<usize>, n: usize| {
                    values[n * width..][..width][range].to_vec()
                };
                let (kind, value) = part.as_object().and_then(|part| part.iter().next()).expect("a part");
                let (values, width, range) = match kind.as_str() {
                    "traces" => {
                        let k = network.projections().position(|p| p == value.as_str().expect("a name"));
                        let s = &recording.s[k.expect("a projection")];
                        (s, s.len() / steps, 0..s.len() / steps)
                    }
                    "filtered" => {
                        let s = &recording.s[filter];
                        filter += 1;
                        (s, s.len() / steps, 0..s.len() / steps)
                    }
                    _ => {
                        let mut all = network.populations();
                        let (_, range) =
                            all.find(|(p, _)| *p == value.as_str().expect("a name")).expect("one");
                        (&recording.v, n, range)
                    }
                };
                columns
                    .iter_mut()
                    .enumerate()
                    .for_each(|(n, c)| c.extend(of(values, width, range.clone(), n)));
            }
            let weights = network.parameters.readout(r);
            for (n, columns) in columns.iter().enumerate() {
                for (row, output) in range.clone().enumerate() {
                    let sum: f64 = weights.row(row).iter().zip(columns).map(|(o, x)| o * x).sum();
                    let found = recording.output[n * outputs + output];
                    assert!((sum - found).abs() < 1e-12, "{name}: {sum} {found}");
                }
            }
        }
    }
}

#[test]
fn leaky_integrators_follow_their_closed_form_at_any_step_and_stay_silent() {
    for h in [0.1, 1.0, 40.0] {
        let mut network = Network::builder()
            .population(Population::without_spikes("v", LeakyIntegrator { tau_v: 25.0 }, 3))
            .projection(Projection::new("none", 5.0))
            .build()
            .expect("a network");
        network.parameters.bias_mut().copy_from_slice(&[0.1, -0.3, 50.0]);
        network.parameters.get_mut("v.initial.v").expect("a start").copy_from_slice(&[0.0, 2.0, -7.0]);
        let scheme = SplitStep::new(&network, h).expect("a scheme");
        let recording =
            scheme.run(&Trial::silent(40, h, 0), &NoLoss).expect("a run").record().expect("finite");
        for (n, t) in recording.time.iter().enumerate() {
            for (i, (bias, start)) in [(0.1, 0.0), (-0.3, 2.0), (50.0, -7.0)].into_iter().enumerate() {
                let (end, v): (f64, f64) = (25.0 * bias, recording.v[n * 3 + i]);
                let exact = end + (start - end) * (-t / 25.0).exp();
                assert!((v - exact).abs() < 1e-12 * (1.0 + end.abs()), "{h} {t}: {v} {exact}");
            }
        }
        assert!(recording.spikes.is_empty() && recording.s[0].iter().all(|&s| s == 0.0));
        assert_eq!(recording.events.spikes, 0);
    }
}

#[test]
fn a_readout_with_traces_of_its_own_is_a_projection_to_an_integrator_without_a_leak_apart() {
    // `tau do/dt = -o + O q` for one readout, against a voltage `tau dv/dt = -v + tau I` that gets the traces of a fast synapse.
    let build = |builder: spikegrad::network::NetworkBuilder| {
        let mut network = builder.inputs(1).build().expect("a network");
        network.parameters.bias_mut()[..4].copy_from_slice(&[0.06, 0.07, 0.08, 0.09]);
        network
    };
    let hidden = || {
        Network::builder()
            .population(Population::new("h", Lif::default(), 4, GateShape::RaisedCosine, 0.3))
            .projection(Projection::new("w", 5.0).between("h", "h"))
    };
    let mut filtered = build(hidden().readout(Readout::new("o", 1).filtered("h", 20.0)));
    filtered.parameters.get_mut("o.weight").expect("weights").copy_from_slice(&[1.0, -2.0, 3.0, 0.5]);
    let leaky = Population::without_spikes("v", LeakyIntegrator { tau_v: 20.0 }, 1);
    let mut voltage = build(
        hidden()
            .population(leaky)
            .projection(Projection::new("out", 1e-3).between("h", "v"))
            .readout(Readout::new("o", 1).voltages("v")),
    );
    voltage.parameters.get_mut("out.weight").expect("weights").copy_from_slice(&[1.0, -2.0, 3.0, 0.5]);
    voltage.parameters.get_mut("o.weight").expect("weights").fill(1.0 / 20.0);
    let h = 0.01;
    let outputs = [&filtered, &voltage].map(|network| {
        let scheme = SplitStep::new(network, h).expect("a scheme");
        let trial = Trial::silent(10_000, h, 1);
        scheme.run(&trial, &NoLoss).expect("a run").record().expect("finite").output
    });
    let most = outputs[0].iter().fold(0.0, |m: f64, o| m.max(o.abs()));
    let apart = outputs[0].iter().zip(&outputs[1]).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs()));
    assert!(most > 0.05 && apart < 2e-3 * most, "{most} {apart}");
}

#[test]
fn the_plain_field_and_the_continuous_adjoint_read_in_every_way() {
    let population = |name, size| Population::new(name, Theta::default(), size, GateShape::RaisedCosine, 0.4);
    let mut network = Network::builder()
        .population(population("a", 3))
        .population(Population::without_spikes("v", LeakyIntegrator::default(), 2))
        .projection(Projection::new("w", 8.0).between("a", "a"))
        .projection(Projection::new("x", 6.0).between("a", "v"))
        .readout(Readout::new("one", 2).voltages("v").filtered("a", 15.0))
        .readout(Readout::new("two", 1).traces("w"))
        .inputs(1)
        .build()
        .expect("a network");
    network.unfreeze_all();
    let rng = &mut generator(11, Purpose::Test, 7);
    randomise(&mut network, rng);
    let mut trial = random_trial(&mut network, H, 0.0, rng);
    for r in 1..3 {
        network.parameters.readout_mut(r).iter_mut().for_each(|o| *o = normal(rng));
    }
    trial.targets = (0..80 * 3).map(|_| 0.3 * normal(rng)).collect();
    let scheme = Scheme::Plain(tableau::RK4);
    let mut objective = NetworkObjective::new(network.clone(), &trial, &LOSS, scheme, H);
    let report = GradientCheck::default().run(&mut objective).expect("a report");
    assert!(report.agreement().is_ok(), "{report}");
    let fine = 0.01;
    let plain = PlainStep::new(&network, fine, tableau::RK4).expect("a scheme");
    let split = SplitStep::with_method(&network, fine, tableau::RK4).expect("a scheme");
    let mut bars = [network.parameters.zeros_like(), network.parameters.zeros_like()];
    Sweep::new().gradient(&plain.run(&trial, &LOSS).expect("a run"), bars[0].values_mut()).expect("finite");
    let run = split.run(&trial, &LOSS).expect("a run");
    Sweep::new().gradient(&run, bars[1].values_mut()).expect("finite");
    let continuous = pontryagin(&run).expect("an adjoint").gradient;
    for group in [Group::Weight(0), Group::Weight(1), Group::Bias, Group::Readout(1), Group::Readout(2)] {
        let expected = bars[0].group(group);
        let norm = expected.iter().map(|x| x * x).sum::<f64>().sqrt();
        for found in [&bars[1], &continuous] {
            let apart = found.group(group).iter().zip(expected).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            assert!(apart.sqrt() < 0.02 * norm, "{group}: {} of {norm}", apart.sqrt());
        }
    }
}

/// A loss sees the outputs of all readouts, one readout behind the other, and the traces of the network's own one.
#[test]
fn a_loss_sees_all_outputs() {
    struct Sizes;
    impl spikegrad::network::Loss<f64> for Sizes {
        fn value(&self, at: &Sample<'_, f64>) -> f64 {
            assert_eq!((at.output.len(), at.s.len()), (1 + 2 + 1, 4));
            0.0
        }
        fn vjp(&self, _: &Sample<'_, f64>, _: f64, _: &mut spikegrad::network::SampleBar<'_, f64>) {}
    }
    let network = Network::builder()
        .population(Population::new("a", Nif, 4, GateShape::Box, 0.3))
        .projection(Projection::new("w", 5.0))
        .outputs(1)
        .readout(Readout::new("b", 2).traces("w").voltages("a"))
        .readout(Readout::new("c", 1).voltages("a"))
        .build()
        .expect("a network");
    assert_eq!(network.parameters.readout(1).shape(), (2, 8));
    let scheme = SplitStep::new(&network, H).expect("a scheme");
    let cost = scheme.run(&Trial::silent(3, H, 0), &Sizes).expect("a run").record().expect("finite").cost;
    assert_eq!(cost, 0.0);
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let gate = (GateShape::Box, 0.3);
    let spiking = || Population::new("a", Nif, 4, gate.0, gate.1);
    let silent = || Population::without_spikes("v", LeakyIntegrator::default(), 2);
    let base = || Network::builder().population(spiking()).population(silent()).synapse("w", 5.0);
    let refused =
        |builder: spikegrad::network::NetworkBuilder| builder.build().expect_err("refused").to_string();
    let with_gate = Population::new("u", LeakyIntegrator::default(), 2, gate.0, gate.1);
    assert_eq!(
        refused(base().population(with_gate)),
        "population `u` of model leaky integrator never spikes: leave its gate out, as `Population::without_spikes` does"
    );
    assert_eq!(
        refused(base().population(Population::without_spikes("u", Nif, 2))),
        "population `u` of model NIF spikes: give it a gate, with a shape and a width"
    );
    assert_eq!(
        refused(base().projection(Projection::new("x", 5.0).between("v", "a"))),
        "projection `x` comes from population `v`, which never spikes and sends nothing: read its voltages by a readout"
    );
    for empty in [Readout::new("o", 0).voltages("v"), Readout::new("o", 2)] {
        assert_eq!(
            refused(base().readout(empty)),
            "readout `o` has no outputs or reads nothing: give it outputs, and traces or voltages to read"
        );
    }
    for (readout, unknown) in [
        (Readout::new("o", 1).traces("x"), "there is no projection `x`: choose one of w"),
        (Readout::new("o", 1).voltages("w"), "there is no population `w`: choose one of a, v"),
        (Readout::new("o", 1).filtered("w", 5.0), "there is no population or source `w`: choose one of a, v"),
        (Readout::new("w", 1).voltages("v"), "population, projection, source or readout `w` exists already"),
        (Readout::new("readout", 1).voltages("v"), "a readout cannot be called `readout`"),
    ] {
        let error = refused(base().readout(readout));
        assert!(error.starts_with(unknown), "{error}");
    }
    let twice = Readout::new("o", 1).filtered("a", 5.0).filtered("a", 9.0);
    assert_eq!(refused(base().readout(twice)), "parameter `o.a.tau` exists already: choose another name");
    let negative = Readout::new("o", 1).filtered("a", -5.0);
    assert!(refused(base().readout(negative)).starts_with("o.a.tau = -5"));
    let dense =
        base().change("w", Projection::tau_per_neuron).readout(Readout::new("o", 1).filtered("a", 5.0));
    let error = dense.build().expect_err("refused");
    let (feature, other) = (Feature::OwnTraces, Feature::DensePath);
    assert_eq!(error, Error::Excluded { projection: "o.a".into(), feature, other });
}

#[test]
fn readouts_and_silent_populations_are_data() {
    let text = r#"
        [[populations]]
        name = "a"
        model = "LIF"
        size = 10
        gate = { shape = "box", width = 0.2 }
        parameters = { tau_v = 20.0, v_theta = 1.0, v_reset = 0.0 }
        [[populations]]
        name = "v"
        model = "leaky integrator"
        size = 2
        parameters = { tau_v = 50.0 }
        [[projections]]
        name = "w"
        tau = 5.0
        between = { pre = "a", post = "v" }
        [[readouts]]
        name = "choice"
        outputs = 3
        from = [{ voltages = "v" }, { filtered = { population = "a", tau = 40.0 } }, { traces = "w" }]
    "#;
    let spec: NetworkSpec = toml::from_str(text).expect("a description");
    let mut network = spec.build().expect("a network");
    assert_eq!(network.parameters.readout(1).shape(), (3, 2 + 10 + 10));
    assert!(network.parameters.get("v.gate_width").is_err());
    let again = network.spec().build().expect("a network");
    assert_eq!((again.spec(), &again.parameters), (network.spec(), &network.parameters));
    let names: Vec<_> = network.named_parameters().filter(|p| p.trained).map(|p| p.name).collect();
    let expected = ["w.weight", "input.weight", "a.bias", "v.bias", "readout.weight", "choice.weight"];
    assert_eq!(names, expected);
    // Voltages come to the size that was asked for, and every output gets something.
    let how = Initialisation { spread: 0.3, ..Initialisation::default() };
    let found = network.initialise(&how, &mut generator(1, Purpose::Test, 0)).expect("found");
    assert_eq!((found[1].current, found[1].rate), (0.0, 0.0));
    let scheme = SplitStep::new(&network, 0.5).expect("a scheme");
    let recording =
        scheme.run(&Trial::silent(4000, 0.5, 0), &NoLoss).expect("a run").record().expect("finite");
    let late = &recording.v[2000 * 12..];
    let voltages: Vec<f64> = late.chunks_exact(12).flat_map(|v| v[10..].to_vec()).collect();
    let size = (voltages.iter().map(|v| v * v).sum::<f64>() / voltages.len() as f64).sqrt();
    assert!((0.05..1.5).contains(&size), "{size}");
    assert!(recording.output[3999 * 3..].iter().all(|o| o.abs() > 1e-6));
}
