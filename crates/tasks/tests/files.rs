//! Networks in files: what is saved comes back to the bit without any code, and nothing else does.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure in a helper fails the test that called it"
)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use spikegrad_adjoint::Sweep;
use spikegrad_models::{
    GateShape, Integration, LeakyIntegrator, Lif, Neuron, NeuronVjp, Parameter, Real, Reset, Theta,
    for_each_neuron,
};
use spikegrad_network::{
    Connector, Error, Group, Models, Network, NetworkSpec, Population, Projection, Readout, Scalar, Sign,
    SplitStep, Trial,
};
use spikegrad_tasks::{CheckpointError, QuadraticLoss, load, load_into, load_with, save};

/// Numbers that differ, of a given size.
fn scatter(values: &mut [f64], size: f64) {
    values.iter_mut().zip(1..).for_each(|(x, i)| *x = size * (f64::from(i) * 0.7).sin());
}

/// Two populations of a model, one of them with parameters of each neuron, and projections of these kinds.
fn network<N: NeuronVjp + Default>(projections: Vec<Projection>) -> Network<f64> {
    let population = |name, size| Population::new(name, N::default(), size, GateShape::RaisedCosine, 0.3);
    let mut builder = Network::builder()
        .population(population("cells", 4))
        .population(population("others", 3).per_neuron())
        .source("drive", 5)
        .inputs(2)
        .outputs(2);
    for projection in projections {
        builder = builder.projection(projection);
    }
    let mut network = builder.build().expect("a network");
    network.unfreeze_all();
    let groups: Vec<_> = network.parameters.layout().entries().iter().map(|e| e.group).collect();
    for group in groups {
        let mask = network.mask(group).map(<[bool]>::to_vec);
        let values = network.parameters.group_mut(group);
        match group {
            Group::Weight(_) | Group::Left(_) | Group::Right(_) => scatter(values, 0.05),
            Group::Input => scatter(values, 0.01),
            Group::Bias => values.iter_mut().zip(0..).for_each(|(b, i)| *b = 0.07 + 0.003 * f64::from(i)),
            Group::Readout(0) => scatter(values, 1.0),
            Group::Delay(_) => values.iter_mut().zip(0..).for_each(|(d, i)| *d += 0.3 * f64::from(i)),
            Group::Neuron { population: 1, .. } => {
                values.iter_mut().zip(0..).for_each(|(p, i)| *p += 1e-3 * p.abs() * f64::from(i));
            }
            _ => {}
        }
        if let (Group::Weight(_), Some(mask)) = (group, mask) {
            values.iter_mut().zip(mask).filter(|(_, exists)| !exists).for_each(|(w, _)| *w = 0.0);
        }
    }
    network
}

fn pairs() -> Connector {
    Connector::Pairs(vec![(2, 0), (0, 3), (1, 0), (2, 2)])
}

/// A network of every kind of projection and of every constraint.
fn kinds() -> Vec<(&'static str, Network<f64>)> {
    let slow = || Projection::new("slow", 20.0);
    let forward = || Projection::new("forward", 5.0).between("cells", "others");
    let inside = || Projection::new("inside", 8.0).between("cells", "cells");
    let with = |connector| forward().connected(connector);
    let driven = || Projection::new("driven", 6.0).between("drive", "others");
    let mut all = vec![
        ("dense", network::<Theta>(vec![slow(), Projection::new("fast", 4.0).without_autapses()])),
        ("between", network::<Lif>(vec![forward(), inside().without_autapses()])),
        ("low rank", network::<Theta>(vec![slow().low_rank(2), forward().low_rank(1)])),
        ("one to one", network::<Theta>(vec![inside().connected(Connector::OneToOne)])),
        (
            "probability",
            network::<Lif>(vec![with(Connector::Probability { probability: 0.5, seed: u64::MAX / 4 })]),
        ),
        ("in-degree", network::<Theta>(vec![with(Connector::InDegree { degree: 2, seed: 3 })])),
        ("pairs", network::<Theta>(vec![slow(), with(pairs())])),
        ("no pairs", network::<Theta>(vec![slow(), with(Connector::Pairs(Vec::new()))])),
        (
            "axonal delays",
            network::<Theta>(vec![slow().axonal_delays(1.5), with(pairs()).axonal_delays(0.5)]),
        ),
        ("delays of connections", network::<Theta>(vec![inside().connection_delays(1.0)])),
        ("delays of a list", network::<Theta>(vec![with(pairs()).connection_delays(2.0)])),
        ("from a source", network::<Theta>(vec![slow(), driven().connected(pairs()).axonal_delays(1.0)])),
        ("a matrix from a source", network::<Lif>(vec![slow(), driven()])),
        ("time constants", network::<Theta>(vec![slow().tau_per_neuron(), forward()])),
    ];
    let mut builder = Network::builder()
        .population(Population::new("cells", Lif::default(), 4, GateShape::Box, 0.3))
        .population(Population::without_spikes("classes", LeakyIntegrator { tau_v: 30.0 }, 3).per_neuron())
        .source("drive", 3)
        .projection(Projection::new("inside", 8.0).between("cells", "cells"))
        .projection(Projection::new("out", 8.0).between("cells", "classes"));
    builder = builder.readout(Readout::new("choice", 2).voltages("classes").traces("inside"));
    builder = builder.readout(Readout::new("speed", 1).filtered("cells", 15.0).filtered("drive", 5.0));
    let mut read = builder.inputs(2).build().expect("a network");
    read.unfreeze_all();
    for group in [Group::Weight(0), Group::Weight(1), Group::Readout(1), Group::Readout(2)] {
        scatter(read.parameters.group_mut(group), 0.5);
    }
    read.parameters.bias_mut()[..4].fill(0.07);
    read.set_mask(Group::Readout(1), |output, column| output == 0 || column < 3).expect("a mask");
    read.freeze_entries(Group::Readout(2), |_, column| column == 1).expect("a group");
    all.push(("readouts with names", read));
    let mut masked = network::<Theta>(vec![inside().connection_delays(1.0), forward()]);
    masked.set_mask(Group::Weight(0), |post, pre| post != pre && post != 1).expect("a mask");
    masked.set_mask(Group::Input, |neuron, _| neuron < 4).expect("a mask");
    masked.set_mask(Group::Readout(0), |output, neuron| output != neuron).expect("a mask");
    all.push(("masks", masked));
    // A mask of the description that is no longer there.
    let mut unmasked = network::<Theta>(vec![inside().without_autapses()]);
    unmasked.set_mask(Group::Weight(0), |_, _| true).expect("a mask");
    unmasked.parameters.weight_mut(0).fill(0.01);
    all.push(("no mask", unmasked));
    let mut frozen = network::<Lif>(vec![slow(), with(pairs())]);
    for group in [Group::Tau(1), Group::Initial, Group::Neuron { population: 0, parameter: 1 }] {
        frozen.freeze(group).expect("a group");
    }
    frozen.freeze_entries(Group::Weight(0), |post, pre| post < pre).expect("a group");
    frozen.freeze_entries(Group::Weight(1), |post, _| post == 2).expect("a group");
    frozen.freeze_entries(Group::Bias, |neuron, _| neuron == 5).expect("a group");
    frozen.freeze_entries(Group::Initial, |neuron, _| neuron % 2 == 0).expect("a group");
    all.push(("frozen", frozen));
    let mut signed = network::<Theta>(vec![slow(), with(pairs())]);
    signed.set_signs(|neuron| [Some(Sign::Excitatory), Some(Sign::Inhibitory), None][neuron % 3]);
    all.push(("signs of neurons", signed));
    let mut signed = network::<Theta>(vec![slow()]);
    signed.set_signs(|neuron| (neuron < 4).then_some(Sign::Inhibitory));
    signed.set_memory_limit(Some(1 << 20));
    all.push(("signs of populations", signed));
    all
}

/// Every model, and every kind of projection.
fn all() -> Vec<(&'static str, Network<f64>)> {
    let mut all = kinds();
    macro_rules! push {
        ($module:ident, $neuron:ty) => {
            all.push((<$neuron>::NAME, network::<$neuron>(vec![Projection::new("slow", 10.0)])));
        };
    }
    for_each_neuron!(push);
    all
}

fn bits<T: Scalar>(values: &[T]) -> Vec<u64> {
    let number = |&x: &T| -> f64 { x.to_subset_unchecked() };
    values.iter().map(|x| number(x).to_bits()).collect()
}

/// Cost and gradient of a trial.
fn gradient<T: Scalar>(network: &Network<T>) -> Vec<u64> {
    let real = |x: f64| T::from_subset(&x);
    let mut trial = Trial::silent(60, 1.0, network.inputs());
    trial.inputs.iter_mut().zip(0..).for_each(|(x, i)| *x = real(f64::from(i % 7) * 0.3));
    trial.targets = (0..60 * network.outputs()).map(|i| real((i as f64 * 0.1).sin())).collect();
    let loss = QuadraticLoss { lambda: real(0.1) };
    let step = SplitStep::new(network, 0.25).expect("a scheme");
    let run = step.run(&trial, &loss).expect("a run");
    let mut gradient = network.parameters.zeros_like();
    let cost = Sweep::new().gradient(&run, gradient.values_mut()).expect("a gradient");
    let mut all = bits(&[cost]);
    all.extend(bits(gradient.values()));
    all
}

/// Whether two networks are one in every respect.
fn assert_same<T: Scalar>(a: &Network<T>, b: &Network<T>, what: &str) {
    assert_eq!(a.spec(), b.spec(), "{what}");
    assert_eq!(a.parameters.layout(), b.parameters.layout(), "{what}");
    assert_eq!(bits(a.parameters.values()), bits(b.parameters.values()), "{what}");
    for entry in a.parameters.layout().entries() {
        assert_eq!(a.mask(entry.group), b.mask(entry.group), "{what}: {}", entry.name);
        assert_eq!(a.frozen_entries(entry.group), b.frozen_entries(entry.group), "{what}: {}", entry.name);
        assert_eq!(a.is_trainable(entry.group), b.is_trainable(entry.group), "{what}: {}", entry.name);
    }
    assert!((0..a.neurons()).all(|neuron| a.sign(neuron) == b.sign(neuron)), "{what}");
    assert!((0..a.projections().len()).all(|k| a.connections(k) == b.connections(k)), "{what}");
    assert_eq!((a.read_from(), a.memory_limit()), (b.read_from(), b.memory_limit()), "{what}");
}

fn round_trip<T: Scalar>(network: &Network<T>, path: &Path, what: &str) {
    save(network, path).unwrap_or_else(|error| panic!("{what}: {error}"));
    let loaded: Network<T> = load(path).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_same(&loaded, network, what);
    assert_eq!(gradient(&loaded), gradient(network), "{what}");
    let bytes = fs::read(path).expect("bytes");
    save(&loaded, path).expect("saved");
    assert!(fs::read(path).expect("bytes") == bytes, "{what}: other bytes");
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("network");
    (directory, path)
}

#[test]
fn every_network_comes_back_to_the_bit_without_any_code() {
    let (_directory, path) = place();
    for (what, network) in all() {
        round_trip(&network, &path, what);
        round_trip(&network.to_f32(), &path, what);
    }
}

#[test]
fn descriptions_survive_text() {
    for (what, network) in all() {
        let spec = network.spec();
        let text = toml::to_string(&spec).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(toml::from_str::<NetworkSpec>(&text).expect("a description"), spec, "{text}");
        let text = serde_json::to_string_pretty(&spec).expect("text");
        assert_eq!(serde_json::from_str::<NetworkSpec>(&text).expect("a description"), spec, "{text}");
        let again = spec.build().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(again.spec().difference(&spec), None, "{what}");
        assert_eq!(again.parameters.layout(), network.parameters.layout(), "{what}");
    }
}

/// A network with a mask, signs and frozen entries that no other one here has.
fn particular() -> Network<f64> {
    let mut network = small(4);
    network.parameters.weight_mut(0).fill(0.25);
    network.set_signs(|neuron| [None, Some(Sign::Inhibitory), Some(Sign::Excitatory), None][neuron]);
    network.set_mask(Group::Weight(0), |post, pre| post != pre && post != 0).expect("a mask");
    network.freeze_entries(Group::Weight(0), |post, _| post == 3).expect("a group");
    network
}

/// A network of the same structure with constraints of its own.
fn other() -> Network<f64> {
    let mut network = small(4);
    network.parameters.readout_mut(0).fill(1.5);
    network.parameters.get_mut("slow.tau").expect("a name").fill(30.0);
    network.set_signs(|neuron| (neuron == 0).then_some(Sign::Inhibitory));
    network.set_mask(Group::Readout(0), |_, column| column == 1).expect("a mask");
    network.freeze_entries(Group::Readout(0), |_, column| column == 0).expect("a group");
    network.freeze(Group::Weight(0)).expect("a group");
    network.unfreeze(Group::Tau(0)).expect("a group");
    network
}

fn small(neurons: usize) -> Network<f64> {
    let population = Population::new("theta", Theta::default(), neurons, GateShape::RaisedCosine, 0.3);
    let slow = Projection::new("slow", 20.0).without_autapses();
    let builder = Network::builder().population(population).projection(slow);
    let mut network = builder.inputs(1).outputs(1).build().expect("a network");
    network.parameters.bias_mut().iter_mut().zip(1..).for_each(|(b, i)| *b = 0.1 / f64::from(i));
    network.freeze(Group::Input).expect("a group");
    network
}

#[test]
fn a_loaded_network_is_the_saved_one_in_every_respect() {
    let (_directory, path) = place();
    for (saved, target) in [(particular(), other()), (other(), particular()), (small(4), particular())] {
        save(&saved, &path).expect("saved");
        let mut loaded = target;
        load_into(&mut loaded, &path).expect("loaded");
        assert_same(&loaded, &saved, "another network's constraints");
    }
}

#[test]
fn what_could_not_be_loaded_is_not_saved() {
    let (_directory, path) = place();
    save(&particular(), &path).expect("saved");
    let before = fs::read(&path).expect("bytes");
    fn of_network(error: &CheckpointError) -> Option<&Error> {
        match error {
            CheckpointError::Parameters { source, .. } => source.downcast_ref(),
            _ => None,
        }
    }
    let mut ruined = particular();
    ruined.parameters.bias_mut()[2] = f64::NAN;
    let error = save(&ruined, &path).expect_err("refused");
    assert!(matches!(of_network(&error), Some(Error::NonFinite { .. })), "{error}");
    let mut ruined = particular();
    ruined.parameters.weight_mut(0)[(1, 2)] = -0.5;
    let error = save(&ruined, &path).expect_err("refused");
    assert!(matches!(of_network(&error), Some(Error::WrongSign { .. })), "{error}");
    let error = save(&particular().to_dual(), &path).expect_err("refused");
    assert!(matches!(error, CheckpointError::Float { bytes: 16, .. }), "{error}");
    assert_eq!(fs::read(&path).expect("bytes"), before);
}

type Arrays = HashMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// The file of `network`, changed by another program and written without a checksum.
fn forge(network: &Network<f64>, change: impl FnOnce(&mut Arrays, &mut HashMap<String, String>)) -> Vec<u8> {
    let (_directory, path) = place();
    save(network, &path).expect("saved");
    let bytes = fs::read(&path).expect("bytes");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
    let mut texts: HashMap<_, _> = header.metadata().clone().expect("texts").into_iter().collect();
    texts.remove("spikegrad.checksum");
    let file = SafeTensors::deserialize(&bytes).expect("a file");
    let array = |(name, view): (String, TensorView<'_>)| {
        (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
    };
    let mut arrays: Arrays = file.tensors().into_iter().map(array).collect();
    change(&mut arrays, &mut texts);
    let views = arrays.iter().map(|(name, (dtype, shape, data))| {
        (name.clone(), TensorView::new(*dtype, shape.clone(), data).expect("an array"))
    });
    serialize(views, Some(texts.into_iter().collect())).expect("bytes")
}

fn put(arrays: &mut Arrays, name: &str, index: usize, value: f64) {
    let (_, _, data) = arrays.get_mut(name).expect("an array");
    data[8 * index..][..8].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn what_another_program_changed_is_loaded() {
    let (_directory, path) = place();
    let bytes = forge(&particular(), |arrays, texts| {
        put(arrays, "theta.bias", 2, 0.5);
        // Row 1, column 2 of a row-major array.
        put(arrays, "slow.weight", 6, 0.125);
        texts.insert("format".into(), "np".into());
    });
    fs::write(&path, bytes).expect("written");
    let loaded: Network<f64> = load(&path).expect("loaded");
    assert_eq!(loaded.parameters.bias()[2], 0.5);
    assert_eq!(loaded.parameters.weight(0)[(1, 2)], 0.125);
}

#[test]
fn files_that_contradict_themselves_are_refused_by_name() {
    let (_directory, path) = place();
    let saved = particular();
    let spec = |from: &'static str, to: &'static str| {
        forge(&saved, |_, texts| {
            let text = texts.get_mut("spikegrad.spec").expect("a description");
            assert!(text.contains(from), "{text}");
            *text = text.replacen(from, to, 1);
        })
    };
    let flags = |name: &'static str, flag: u8| {
        forge(&saved, |arrays, _| {
            arrays.insert(name.into(), (Dtype::BOOL, vec![4, 4], vec![flag; 16]));
        })
    };
    let listed = network::<Theta>(vec![Projection::new("slow", 20.0).connected(pairs())]);
    let random = Connector::Probability { probability: 0.5, seed: 1 };
    let random = network::<Theta>(vec![Projection::new("slow", 20.0).connected(random)]);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (forge(&saved, |a, _| put(a, "slow.weight", 0, 0.01)), "slow.weight is masked at entry 0"),
        (forge(&saved, |a, _| put(a, "slow.weight", 9, 0.5)), "slow.weight is 0.5 at entry 6, but neuron 1"),
        (
            forge(&saved, |a, _| put(a, "theta.bias", 1, f64::NAN)),
            "theta.bias has a non-finite value at index 1",
        ),
        (forge(&saved, |a, _| put(a, "slow.tau", 0, 0.0)), "slow.tau = 0"),
        (forge(&saved, |a, _| put(a, "theta.gate_width", 0, 1.5)), "gate width of population `theta`"),
        (
            forge(&saved, |a, _| drop(a.remove("theta.bias"))),
            "has nothing for `theta.bias`, expected f64 of shape [4]",
        ),
        (
            forge(&saved, |a, _| a.get_mut("slow.weight").expect("an array").1 = vec![2, 8]),
            "has f64 of shape [2, 8] for `slow.weight`, expected f64 of shape [4, 4]",
        ),
        (forge(&saved, |a, _| a.get_mut("slow.tau").expect("an array").0 = Dtype::I64), "is damaged"),
        (
            forge(&saved, |a, _| drop(a.insert("more".into(), (Dtype::F64, vec![1], vec![0; 8])))),
            "has an array for `more`, expected nothing",
        ),
        (forge(&saved, |_, t| drop(t.insert("more".into(), "text".into()))), "a text that no network has"),
        (forge(&saved, |_, t| drop(t.remove("spikegrad.spec"))), "does not describe a network"),
        (
            forge(&saved, |_, t| drop(t.remove("spikegrad.connections"))),
            "the connections that its rules make",
        ),
        (flags("slow.weight.mask", 2), "the entries of a mask"),
        (flags("slow.weight.mask", 1), "has an array for `slow.weight.mask`, expected nothing"),
        (flags("slow.weight.frozen", 0), "has an array for `slow.weight.frozen`, expected nothing"),
        (flags("slow.tau.mask", 0), "`slow.tau.mask`, expected bool of shape [1]"),
        (
            forge(&saved, |a, _| drop(a.insert("slow.tau.mask".into(), (Dtype::BOOL, vec![1], vec![0])))),
            "a mask of what has none",
        ),
        (forge(&saved, |a, _| a.get_mut("signs").expect("an array").2[0] = 2), "the signs of its neurons"),
        (spec("\"theta\",\"model\":\"theta\"", "\"theta\",\"model\":\"beta\""), "there is no model `beta`"),
        (spec("\"size\":4", "\"size\":5"), "`signs`, expected i8 of shape [5]"),
        (spec("\"size\":4", "\"size\":4000000000"), "the sizes of its network"),
        (spec("\"inputs\":1", "\"inputs\":1000000000"), "the sizes of its network"),
        (spec("\"inputs\":1", "\"input\":1"), "unknown field `input`"),
        (spec("\"tau_v\"", "\"tau_w\""), "which its model does not have"),
        (spec("\"input.weight\"", "\"input.waits\""), "there is no group of parameters `input.waits`"),
        (spec("\"inputs\":1", "\"inputs\": 1"), "contents that are not those of the network"),
        (
            forge(&listed, |a, _| a.get_mut("slow.connections").expect("an array").2.swap(0, 8)),
            "contradicts itself",
        ),
        (
            forge(&listed, |a, _| a.get_mut("slow.connections").expect("an array").2.fill(0)),
            "the pair (0, 0) twice",
        ),
        (
            forge(&random, |_, t| {
                let text = t.get_mut("spikegrad.connections").expect("fingerprints");
                *text = "{\"slow\":\"00000000\"}".into();
            }),
            "the connections that its rules make",
        ),
    ];
    for (bytes, reason) in &cases {
        fs::write(&path, bytes).expect("written");
        let error = load::<f64>(&path).expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}\n instead of {reason}");
        let mut target = other();
        load_into(&mut target, &path).expect_err(reason);
        assert_same(&target, &other(), reason);
    }
}

#[test]
fn files_of_another_network_say_what_differs() {
    let (directory, path) = place();
    save(&small(5), &path).expect("saved");
    let error = load_into(&mut small(6), &path).expect_err("refused").to_string();
    assert!(
        error.contains("it has `populations[0].size = 5`, expected `populations[0].size = 6`"),
        "{error}"
    );
    let error = load::<f32>(&path).expect_err("refused").to_string();
    assert!(error.contains("fit the float type: it has `f64`, expected `f32`"), "{error}");
    let missing = load::<f64>(&directory.path().join("none"));
    assert!(matches!(missing, Err(CheckpointError::Io { action: "read", .. })));
    let delayed = |change: fn(Projection) -> Projection| {
        let population = Population::new("theta", Theta::default(), 1, GateShape::RaisedCosine, 0.3);
        let slow = change(Projection::new("slow", 20.0));
        Network::builder().population(population).projection(slow).build().expect("a network")
    };
    // One delay of a neuron is not one of a connection.
    save(&delayed(|p| p.axonal_delays(1.0)), &path).expect("saved");
    let error =
        load_into(&mut delayed(|p| p.connection_delays(1.0)), &path).expect_err("refused").to_string();
    assert!(error.contains("projections[0].delay = connection"), "{error}");
}

#[test]
fn files_of_other_formats_are_refused_by_what_they_are() {
    let (_directory, path) = place();
    let write = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        load::<f64>(&path).expect_err("refused")
    };
    let error = write(&forge(&particular(), |_, texts| {
        texts.insert("spikegrad.format".into(), "9".into());
        texts.insert("spikegrad.version".into(), "7.5.3".into());
    }));
    assert!(matches!(&error, CheckpointError::Version { found: 9, by: Some(by), .. } if by == "7.5.3"));
    assert!(error.to_string().contains("written by spikegrad 7.5.3"), "{error}");
    for foreign in [&b""[..], b"text", &forge(&particular(), |_, texts| texts.clear())] {
        let error = write(foreign);
        assert!(matches!(error, CheckpointError::Foreign { .. }), "{error}");
    }
}

#[test]
fn damaged_files_are_never_another_network() {
    let (_directory, path) = place();
    let saved = network::<Theta>(vec![
        Projection::new("slow", 20.0),
        Projection::new("forward", 5.0).between("cells", "others").connected(pairs()),
    ]);
    save(&saved, &path).expect("saved");
    let good = fs::read(&path).expect("bytes");
    let rng = &mut ChaCha8Rng::seed_from_u64(5);
    let mut loaded = 0;
    for case in 0..3 * good.len() {
        let mut bad = good.clone();
        match case / good.len() {
            0 => bad[case] ^= 1 << rng.random_range(0..8),
            1 => bad.truncate(case - good.len()),
            _ => {
                let at = rng.random_range(0..bad.len());
                let to = (at + rng.random_range(0..9)).min(bad.len());
                let fresh: Vec<u8> = (0..rng.random_range(0..9)).map(|_| rng.next_u32() as u8).collect();
                bad.splice(at..to, fresh);
            }
        }
        if bad == good {
            continue;
        }
        fs::remove_file(&path).expect("removed");
        fs::write(&path, &bad).expect("written");
        if let Ok(network) = load::<f64>(&path) {
            loaded += 1;
            assert_same(&network, &saved, "damaged");
        }
    }
    // Such as one space for another between the parts of the header.
    assert!(loaded < 10, "{loaded}");
}

/// `dv/dt = I - v / tau`, as a model of a user.
#[derive(Clone, Copy, Debug)]
struct Own<const OTHER: bool> {
    tau: f64,
}

impl<const OTHER: bool> Neuron for Own<OTHER> {
    const NAME: &'static str = "own";
    const PARAMETERS: &'static [Parameter] = &[Parameter::positive("tau", "ms")];
    const METHOD: Integration = Integration::RungeKutta4;
    type State<T: Real> = [T; 1];
    type Params<T: Real> = [T; 1];

    fn params(&self) -> [f64; 1] {
        [self.tau]
    }
    fn from_params(&[tau]: &[f64; 1]) -> Self {
        Self { tau }
    }
    fn rhs<T: Real>(&[tau]: &[T; 1], &[v]: &[T; 1], current: T) -> [T; 1] {
        [current - v / tau]
    }
    fn reset<T: Real>(_: &[T; 1]) -> Reset<T> {
        Reset::Latch { threshold: T::one() }
    }
    fn rest(&self) -> [f64; 1] {
        [0.0]
    }
}

impl<const OTHER: bool> NeuronVjp for Own<OTHER> {
    fn rhs_vjp<T: Real>(
        &[tau]: &[T; 1],
        &[v]: &[T; 1],
        _: T,
        &[f_bar]: &[T; 1],
        [v_bar]: &mut [T; 1],
        [tau_bar]: &mut [T; 1],
    ) -> T {
        *v_bar -= f_bar / tau;
        *tau_bar += f_bar * v / (tau * tau);
        f_bar
    }
    fn relaxation_vjp<T: Real>(_: &[T; 1], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 1]) {}
    fn reset_vjp<T: Real>(_: &[T; 1], _: T, _: T, _: &mut [T; 1]) {}
    fn jump_vjp<T: Real>(_: &[T; 1], _: &[T; 1], _: &[T; 1], _: &mut [T; 1], _: &mut [T; 1]) {}
    fn refractory_vjp<T: Real>(_: &[T; 1], _: T, _: &mut [T; 1]) {}
}

#[test]
fn a_model_of_a_user_is_found_by_its_name() {
    let (_directory, path) = place();
    let population = Population::new("cells", Own::<false> { tau: 12.0 }, 3, GateShape::Box, 0.3);
    let builder = Network::builder().population(population).synapse("slow", 10.0);
    let network = builder.outputs(1).build().expect("a network");
    save(&network, &path).expect("saved");
    let error = load::<f64>(&path).expect_err("refused").to_string();
    assert!(error.contains("there is no model `own`: choose one of NIF, theta"), "{error}");
    let loaded = load_with(&path, &Models::new().with::<Own<false>>()).expect("loaded");
    assert_same(&loaded, &network, "a model of one's own");
    load_into(&mut network.clone(), &path).expect("the models of the network are known");
    let twice = Models::new().with::<Own<false>>().with::<Own<false>>().with::<Own<true>>();
    let error = load_with::<f64>(&path, &twice).expect_err("refused").to_string();
    assert!(error.contains("model `own` exists already"), "{error}");
}

/// Where Python has the library, it reads the file, with the numbers in their rows and columns.
#[test]
fn python_reads_the_file() {
    let (_directory, path) = place();
    let network = network::<Theta>(vec![Projection::new("forward", 5.0).between("cells", "others")]);
    save(&network, &path).expect("saved");
    let program = "import sys, safetensors.numpy as s\nw = s.load_file(sys.argv[1])['forward.weight']\n\
                   print(w.shape[0], w.shape[1], repr(float(w[2, 1])))";
    let run = std::process::Command::new("python3").args(["-c", program]).arg(&path).output();
    let Some(output) = run.ok().filter(|output| output.status.success()) else { return };
    let expected = format!("3 4 {}\n", network.parameters.weight(0)[(2, 1)]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}
