//! What a network says of itself: masks, frozen groups, other float types, the events of its first step.

use proptest::prelude::*;
use spikegrad_integrators::{EventLog, Step, StepVjp};
use spikegrad_models::{GateShape, Lif, MorrisLecar, NeuronVjp, Nif, Theta, for_each_neuron};
use spikegrad_network::{
    Domain, Error, Group, Loss, Network, NetworkSpec, Parameters, Population, Sample, SampleBar, Sign,
    SplitStep, SplitTape, Trial,
};

/// `|o|^2 + |s|^2`, halved.
struct Squares;

impl Loss<f64> for Squares {
    fn value(&self, at: &Sample<'_, f64>) -> f64 {
        at.output.iter().chain(at.s).map(|x| 0.5 * x * x).sum()
    }
    fn vjp(&self, at: &Sample<'_, f64>, value_bar: f64, bar: &mut SampleBar<'_, f64>) {
        bar.output.iter_mut().zip(at.output).for_each(|(bar, o)| *bar += value_bar * o);
        bar.s.iter_mut().zip(at.s).for_each(|(bar, s)| *bar += value_bar * s);
    }
}

const GROUPS: [Group; 10] = [
    Group::Weight(0),
    Group::Weight(1),
    Group::Input,
    Group::Bias,
    Group::Readout(0),
    Group::Tau(0),
    Group::Tau(1),
    Group::Neuron { population: 1, parameter: 0 },
    Group::GateWidth(0),
    Group::Initial,
];

/// NIF, theta and LIF neurons that fire, with weights from a list of numbers in [-1, 1].
fn network(noise: &[f64]) -> Network<f64> {
    let mut network = Network::builder()
        .population(Population::new("nif", Nif, 2, GateShape::Box, 0.4))
        .population(Population::new("theta", Theta::default(), 2, GateShape::RaisedCosine, 0.3))
        .population(Population::new("lif", Lif::default(), 1, GateShape::Triangular, 0.5).per_neuron())
        .synapse("slow", 15.0)
        .synapse("fast", 4.0)
        .inputs(2)
        .outputs(2)
        .build()
        .expect("a network");
    network.unfreeze_all();
    let mut noise = noise.iter().cycle();
    let scales =
        [(Group::Weight(0), 0.1), (Group::Weight(1), 0.1), (Group::Input, 0.02), (Group::Readout(0), 3.0)];
    for (group, scale) in scales {
        network.parameters.group_mut(group).iter_mut().zip(&mut noise).for_each(|(w, x)| *w = scale * x);
    }
    network.parameters.bias_mut().iter_mut().zip(&mut noise).for_each(|(b, x)| *b = 0.07 + 0.02 * x);
    network.parameters.group_mut(Group::Initial).iter_mut().zip(noise).for_each(|(v, x)| *v = 0.5 + 0.3 * x);
    network
}

fn trial() -> Trial<f64> {
    let mut trial = Trial::silent(40, 1.0, 2);
    trial.inputs.iter_mut().enumerate().for_each(|(m, i)| *i = (0.2 * m as f64).sin());
    trial
}

fn gradient(network: &Network<f64>) -> Parameters<f64> {
    let (step, trial) = (SplitStep::new(network, 1.0).expect("a step"), trial());
    let run = step.run(&trial, &Squares).expect("a run");
    let mut gradient = network.parameters.zeros_like();
    let (mut x, mut tape) = (vec![0.0; run.dim()], SplitTape::default());
    run.start(&mut x);
    run.rewind(&x, &mut tape);
    (0..run.steps()).for_each(|n| {
        run.step(n, &mut x, &mut tape);
    });
    x.fill(0.0);
    (0..run.steps()).rev().for_each(|n| run.step_vjp(n, &mut tape, 1.0, &mut x, gradient.values_mut()));
    run.start_vjp(&mut x, gradient.values_mut());
    gradient
}

fn noise() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(-1.0..1.0_f64, 40)
}

proptest! {
    #[test]
    fn masked_entries_are_zero_and_stay_out_of_the_gradient(
        noise in noise(), exists in proptest::collection::vec(any::<bool>(), 25), which in 0..4_usize,
    ) {
        let group = [Group::Weight(0), Group::Weight(1), Group::Input, Group::Readout(0)][which];
        let mut masked = network(&noise);
        let rows = masked.parameters.layout().entry(group).expect("a group").rows;
        masked.set_mask(group, |row, column| exists[column * rows + row]).expect("a mask");
        prop_assert!(masked.validate().is_ok());
        let len = masked.parameters.group(group).len();
        // A mask that lets every entry be is none.
        let mask = Some(&exists[..len]).filter(|mask| mask.contains(&false));
        prop_assert_eq!(masked.mask(group), mask);
        let mut open = masked.clone();
        open.set_mask(group, |_, _| true).expect("a mask");
        let (with, without) = (gradient(&masked), gradient(&open));
        for entry in masked.parameters.layout().entries() {
            for (i, (&a, &b)) in with.group(entry.group).iter().zip(without.group(entry.group)).enumerate() {
                let exists = entry.group != group || exists[i];
                prop_assert_eq!(a.to_bits(), if exists { b } else { 0.0 }.to_bits(), "{} {}", &entry.name, i);
                prop_assert!(entry.group != group || exists || masked.parameters.group(group)[i] == 0.0);
            }
        }
    }

    #[test]
    fn a_frozen_group_has_no_gradient_and_leaves_the_others_alone(noise in noise(), which in 0..GROUPS.len()) {
        let all = network(&noise);
        let mut some = all.clone();
        some.freeze(GROUPS[which]).expect("a group");
        prop_assert!(all.is_trainable(GROUPS[which]) && !some.is_trainable(GROUPS[which]));
        let (full, partial) = (gradient(&all), gradient(&some));
        prop_assert!(partial.group(GROUPS[which]).iter().all(|&g| g == 0.0));
        for entry in all.parameters.layout().entries().iter().filter(|e| e.group != GROUPS[which]) {
            prop_assert_eq!(full.group(entry.group), partial.group(entry.group), "{}", &entry.name);
        }
        some.unfreeze(GROUPS[which]).expect("a group");
        prop_assert_eq!(gradient(&some), full);
    }

    #[test]
    fn other_float_types_hold_the_same_network(noise in noise()) {
        let mut double = network(&noise);
        double.set_mask(Group::Weight(1), |post, pre| post != pre).expect("a mask");
        double.freeze(Group::Input).expect("a group");
        let single = double.to_f32();
        let rounded: Vec<f32> = double.parameters.values().iter().map(|&x| x as f32).collect();
        prop_assert_eq!(single.parameters.values(), &rounded[..]);
        // What f32 can hold comes back as it was.
        let back = single.to_f64();
        let exact: Vec<f64> = rounded.iter().map(|&x| f64::from(x)).collect();
        prop_assert_eq!(back.parameters.values(), &exact[..]);
        prop_assert_eq!(back.to_f32().parameters, single.parameters.clone());
        prop_assert_eq!(double.to_f64().parameters, double.parameters.clone());
        let dual = double.to_dual();
        let values = dual.parameters.values().iter();
        prop_assert!(values.zip(double.parameters.values()).all(|(d, &x)| d.re == x && d.eps == 0.0));
        prop_assert_eq!(single.mask(Group::Weight(1)), double.mask(Group::Weight(1)));
        prop_assert!(!single.is_trainable(Group::Input) && single.is_trainable(Group::Bias));
        prop_assert!(gradient(&back).group(Group::Input).iter().all(|&g| g == 0.0));

        let step = SplitStep::new(&back, 0.5).expect("a step");
        let expected = step.run(&trial(), &Squares).expect("a run").record().expect("finite");
        let (step, single_trial) = (SplitStep::new(&single, 0.5).expect("a step"), trial().map(|x| x as f32));
        let recording = step.run(&single_trial, &spikegrad_network::NoLoss).expect("a run").record().expect("finite");
        let off = recording.s[0].iter().zip(&expected.s[0]).map(|(&a, &b)| (f64::from(a) - b).abs());
        prop_assert!(off.fold(0.0, f64::max) < 1e-5);
    }
}

#[test]
fn fast_synapses_can_do_without_autapses() {
    let network = Network::builder()
        .population(Population::new("nif", Nif, 3, GateShape::Box, 0.3))
        .synapse("slow", 10.0)
        .synapse("fast", 1.0)
        .change("fast", |p| p.without_autapses())
        .build()
        .expect("a network");
    let diagonal = |i: usize| i.is_multiple_of(4);
    assert_eq!(network.mask(Group::Weight(0)), None);
    let mask = network.mask(Group::Weight(1)).expect("a mask");
    assert!(mask.iter().enumerate().all(|(i, &exists)| exists != diagonal(i)));
}

/// The signature of a run tells on which side of the zone's edge it starts: the charge of the first step depends on it.
#[test]
fn the_piece_of_the_initial_state_is_logged() {
    fn signature(population: Population, v: f64) -> u64 {
        let mut network =
            Network::builder().population(population).synapse("slow", 10.0).build().expect("a network");
        network.parameters.bias_mut()[0] = 0.02;
        network.parameters.group_mut(Group::Initial)[0] = v;
        let (step, trial) = (SplitStep::new(&network, 0.5).expect("a step"), Trial::silent(1, 0.5, 0));
        let run = step.run(&trial, &Squares).expect("a run");
        let (mut x, mut tape, mut log) = (vec![0.0; run.dim()], SplitTape::default(), EventLog::default());
        run.start(&mut x);
        run.rewind(&x, &mut tape);
        run.step(0, &mut x, &mut tape);
        run.events(0, &tape, &mut log);
        log.signature()
    }
    // Both ends of the step lie in the same piece, below the zone for Morris-Lecar, in it for the others.
    let check = |population: Population, edge: f64| {
        let [below, near, above] = [-2e-6, -1e-6, 1e-6].map(|x| signature(population.clone(), edge + x));
        assert_eq!(below, near, "{}", population.model());
        assert_ne!(below, above, "{}", population.model());
    };
    check(Population::new("one", Nif, 1, GateShape::Box, 0.25), 0.75);
    check(Population::new("one", Theta::default(), 1, GateShape::Box, 0.25), 0.75);
    check(Population::new("one", Lif { tau_v: 1e3, ..Lif::default() }, 1, GateShape::Box, 0.25), 0.75);
    check(Population::new("one", MorrisLecar::default(), 1, GateShape::Box, 20.0), -20.0);
}

#[test]
fn groups_that_the_network_does_not_have_are_not_frozen() {
    let mut network = network(&[0.5]);
    for group in [Group::Weight(9), Group::Delay(0), Group::Neuron { population: 0, parameter: 0 }] {
        for refused in [network.freeze(group), network.unfreeze(group)] {
            let error = refused.expect_err("refused");
            assert!(matches!(&error, Error::NoGroup { group: named, .. } if *named == group));
            assert!(
                error.to_string().contains(
                    ": choose one of slow.weight, fast.weight, input.weight, bias, readout.weight, slow.tau,"
                ),
                "{error}"
            );
        }
        assert!(network.freeze_entries(group, |_, _| true).is_err());
    }
}

/// A population of two neurons in which everything is trained.
fn trained<N: NeuronVjp>(neuron: N, per_neuron: bool) -> Network<f64> {
    let population = Population::new("cells", neuron, 2, GateShape::Box, 0.3);
    let population = if per_neuron { population.per_neuron() } else { population };
    let mut network =
        Network::builder().population(population).synapse("slow", 10.0).build().expect("a network");
    network.unfreeze_all();
    network
}

const WIDTH: Group = Group::GateWidth(0);
const THRESHOLD: Group = Group::Neuron { population: 0, parameter: 1 };
const RESET: Group = Group::Neuron { population: 0, parameter: 2 };

#[test]
fn gates_resets_and_thresholds_are_projected_onto_what_they_may_be_together() {
    let values = |network: &Network<f64>| [WIDTH, THRESHOLD, RESET].map(|g| network.parameters.group(g)[0]);
    let close = |found: [f64; 3], expected: [f64; 3]| {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} {expected:?}");
    };
    // (width, threshold, reset) = (1.3, 1, 0) is 0.3 too wide: each gives a third of it, those that are frozen nothing.
    let cases: [(&[Group], _); 4] = [
        (&[], [1.2, 1.1, -0.1]),
        (&[THRESHOLD, RESET], [1.0, 1.0, 0.0]),
        (&[WIDTH], [1.3, 1.15, -0.15]),
        (&[WIDTH, RESET], [1.3, 1.3, 0.0]),
    ];
    for (frozen, expected) in cases {
        let mut network = trained(Lif::default(), false);
        frozen.iter().for_each(|&group| network.freeze(group).expect("a group"));
        network.project();
        close(values(&network), [0.3, 1.0, 0.0]);
        network.parameters.group_mut(WIDTH)[0] = 1.3;
        assert!(matches!(network.validate(), Err(Error::GateWidth { .. })));
        network.project();
        network.validate().expect("projected");
        close(values(&network), expected);
    }
    // Thresholds that fell below resets, by much.
    let mut network = trained(Lif::default(), false);
    network.parameters.group_mut(THRESHOLD)[0] = -3.0;
    network.project();
    network.validate().expect("projected");
    // With parameters of each neuron, the one whose zone is too wide gives way, and the other stays to the bit.
    let mut network = trained(Lif::default(), true);
    network.freeze(WIDTH).expect("a group");
    network.parameters.group_mut(THRESHOLD)[1] = 0.1;
    network.project();
    network.validate().expect("projected");
    assert_eq!((network.parameters.group(THRESHOLD)[0], network.parameters.group(RESET)[0]), (1.0, 0.0));
    // Entries frozen one by one keep their values too, and then no projection can help.
    network.freeze_entries(THRESHOLD, |neuron, _| neuron == 1).expect("a group");
    network.freeze(RESET).expect("a group");
    network.parameters.group_mut(THRESHOLD)[1] = -5.0;
    network.project();
    assert_eq!(network.parameters.group(THRESHOLD)[1], -5.0);
    assert!(network.validate().is_err());
}

#[test]
fn every_model_is_projected_in_both_precisions() {
    macro_rules! tests {
        ($module:ident, $neuron:ty) => {
            let mut network = trained(<$neuron>::default(), false);
            // Wider than any zone, and far above any threshold.
            network.parameters.group_mut(WIDTH)[0] = 200.0;
            network.parameters.group_mut(Group::Initial)[1] = 150.0;
            let mut single = network.to_f32();
            network.project();
            single.project();
            network.validate().unwrap_or_else(|error| panic!("{}: {error}", stringify!($module)));
            single.validate().unwrap_or_else(|error| panic!("{} in f32: {error}", stringify!($module)));
        };
    }
    for_each_neuron!(tests);
}

#[test]
fn every_number_has_one_name() {
    let network = network(&[0.3]);
    let mut owners = vec![0; network.parameters.values().len()];
    for parameter in network.named_parameters() {
        assert_eq!(parameter.shape.iter().product::<usize>(), parameter.range.len(), "{}", parameter.name);
        let group = network.parameters.layout().range(parameter.group);
        assert!(group.start <= parameter.range.start && parameter.range.end <= group.end);
        parameter.range.for_each(|i| owners[i] += 1);
    }
    assert!(owners.iter().all(|&names| names == 1), "{owners:?}");
    let of = |name: &str| {
        let parameter = network.parameter(name).expect("a name");
        (parameter.shape.to_vec(), parameter.unit.to_owned(), parameter.domain)
    };
    assert_eq!(of("slow.weight"), (vec![5, 5], "1".into(), Domain::Any));
    assert_eq!(of("slow.tau"), (vec![1], "ms".into(), Domain::Positive));
    assert_eq!(of("lif.v_theta"), (vec![1], "1".into(), Domain::Any));
    assert_eq!(of("theta.gate_width"), (vec![1], "1".into(), Domain::Zone));
    assert_eq!(of("theta.initial.v"), (vec![2], "1".into(), Domain::Any));
    assert_eq!(of("lif.initial.v"), (vec![1], "1".into(), Domain::BelowThreshold));
    assert_eq!(of("theta.bias"), (vec![2], "1/ms".into(), Domain::Any));
    let mut signed = network.clone();
    signed.set_signs(|neuron| (neuron == 1).then_some(Sign::Excitatory));
    assert_eq!(signed.parameter("fast.weight").expect("a name").domain, Domain::SignOfNeuron);
    // Each population has its part of the group of all neurons.
    assert_eq!(network.parameters.get("lif.bias").expect("a name"), &network.parameters.bias()[4..]);
    let cells = Population::new("cells", MorrisLecar::default(), 2, GateShape::Box, 20.0);
    let cells = Network::builder().population(cells).synapse("slow", 5.0).build().expect("a network");
    let w = cells.parameter("cells.initial.w").expect("a name");
    assert_eq!((w.range.len(), w.unit, w.domain), (2, "1", Domain::Any));
    assert_eq!(cells.parameter("slow.weight").expect("a name").unit, "uA/cm2 ms");
}

#[test]
fn names_that_would_be_two_parameters_are_refused() {
    let build = |population: &str, projection: &str| {
        let population = Population::new(population, Nif, 2, GateShape::Box, 0.3);
        Network::builder().population(population).synapse(projection, 5.0).build().map(|_| ())
    };
    let message = |population, projection| build(population, projection).expect_err("refused").to_string();
    assert_eq!(
        message("a", "a"),
        "population, projection, source or readout `a` exists already: choose another name"
    );
    for name in ["input", "readout"] {
        let why = "the network's own weights of input and readout have this name; choose another name";
        assert_eq!(message("a", name), format!("a projection cannot be called `{name}`: {why}"));
        assert_eq!(message(name, "b"), format!("a population cannot be called `{name}`: {why}"));
    }
    for name in ["", "a.b"] {
        assert!(matches!(build("c", name), Err(Error::Name { what: "projection", .. })));
        assert!(matches!(build(name, "c"), Err(Error::Name { what: "population", .. })));
    }
}

#[test]
fn descriptions_with_wrong_names_say_which_there_are() {
    let spec = |parameters: &str, more: &str| -> NetworkSpec {
        toml::from_str(&format!(
            "{more}\n[[populations]]\nname = \"a\"\nmodel = \"LIF\"\nsize = 2\n\
             gate = {{ shape = \"box\", width = 0.3 }}\nparameters = {{ {parameters} }}\n\
             [[projections]]\nname = \"slow\"\ntau = 5.0\n"
        ))
        .expect("a description")
    };
    let message = |spec: NetworkSpec| spec.build().expect_err("refused").to_string();
    let good = "tau_v = 20.0, v_theta = 1.0, v_reset = 0.0";
    assert!(spec(good, "").build().is_ok());
    assert_eq!(
        message(spec("tau_v = 20.0, v_theta = 1.0", "")),
        "population `a` has no value for `v_reset`, which its model has: give it one of each of tau_v, v_theta, v_reset"
    );
    assert_eq!(
        message(spec("tau_v = 20.0, v_theta = 1.0, v_reset = 0.0, b = 1.0", "")),
        "population `a` has a value for `b`, which its model does not have: choose from tau_v, v_theta, v_reset"
    );
    assert_eq!(
        message(spec(good, "frozen = [\"slow.weigth\"]")),
        "there is no group of parameters `slow.weigth`: choose one of slow.weight, input.weight, bias, readout.weight, \
         slow.tau, a.tau_v, a.v_theta, a.v_reset, a.gate_width, initial"
    );
    let mut other = spec(good, "");
    other.populations[0].model = "lif".into();
    assert!(message(other).starts_with("there is no model `lif`: choose one of NIF, theta, LIF"));
    let network = spec(good, "frozen = [\"bias\"]").build().expect("a network");
    assert!(!network.is_trainable(Group::Bias) && network.is_trainable(Group::Tau(0)));
}
