//! Networks through graphs and back, and what is refused.

use proptest::prelude::*;
use spikegrad_models::{AlphaSynapse, Conductance, Depression, GateShape, LeakyIntegrator, Lif, Nif, Theta};
use spikegrad_network::{Connector, Network, Population, Projection, Readout, SplitStep, Trial};

use crate::{Error, Graph, Matrix, Node, export, import};

const SHAPE: GateShape = GateShape::RaisedCosine;
const WIDTH: f64 = 0.3;

/// Numbers that depend on their index alone, about zero.
fn numbers(len: usize, scale: f64) -> Vec<f64> {
    (0..len).map(|i| scale * (1.7 * i as f64 + 0.3).sin()).collect()
}

/// Everything that has a counterpart: two kinds of spiking neurons, a leaky integrator, delays, readouts of all kinds.
fn everything() -> Network<f64> {
    let mut network = Network::builder()
        .population(
            Population::new("lif", Lif { tau_v: 15.0, v_theta: 1.2, v_reset: 0.1 }, 5, SHAPE, WIDTH)
                .per_neuron(),
        )
        .population(Population::new("nif", Nif, 4, SHAPE, WIDTH))
        .population(Population::without_spikes("slow", LeakyIntegrator { tau_v: 50.0 }, 2))
        .projection(Projection::new("inside", 10.0).between("lif", "lif"))
        .projection(Projection::new("across", 5.0).between("lif", "nif").axonal_delays(2.0))
        .projection(
            Projection::new("sparse", 7.0)
                .between("nif", "lif")
                .connected(Connector::Pairs(vec![(0, 1), (3, 2)])),
        )
        .projection(Projection::new("thin", 8.0).between("nif", "nif").low_rank(1))
        .projection(Projection::new("late", 3.0).between("nif", "slow"))
        .inputs(2)
        .outputs(2)
        .read_from("inside")
        .readout(Readout::new("choice", 2).voltages("slow"))
        .readout(Readout::new("rates", 1).filtered("nif", 30.0).traces("across"))
        .build()
        .expect("a network");
    for (index, name) in [
        "inside.weight",
        "across.weight",
        "sparse.weight",
        "late.weight",
        "readout.weight",
        "choice.weight",
        "rates.weight",
    ]
    .into_iter()
    .enumerate()
    {
        let values = network.parameters.get_mut(name).expect("a parameter");
        let scale = if name.starts_with("late") { 2.0 } else { 0.3 };
        let drawn = numbers(values.len() + index, scale);
        values.copy_from_slice(&drawn[index..]);
    }
    for group in ["thin.left", "thin.right"] {
        if let Ok(values) = network.parameters.get_mut(group) {
            let drawn = numbers(values.len(), 0.4);
            values.copy_from_slice(&drawn);
        }
    }
    network.parameters.input_mut().iter_mut().zip(numbers(22, 0.1)).for_each(|(u, x)| *u = x);
    network.parameters.bias_mut().iter_mut().zip(numbers(11, 0.02)).for_each(|(b, x)| *b = 0.1 + x);
    let taus = network.parameters.get_mut("lif.tau_v").expect("a parameter");
    taus.iter_mut().zip(numbers(5, 2.0)).for_each(|(tau, x)| *tau += x);
    network
}

/// The outputs of a run with an input.
fn outputs(network: &Network<f64>) -> Vec<f64> {
    let mut trial = Trial::silent(200, 0.5, network.inputs());
    trial.inputs = numbers(200 * network.inputs(), 1.0);
    let scheme = SplitStep::new(network, 0.5).expect("a scheme");
    scheme.forward(trial).expect("finite").0
}

fn through_bytes(graph: &Graph) -> Graph {
    let again = Graph::from_bytes(&graph.to_bytes().expect("bytes")).expect("a graph");
    assert_eq!(again, *graph);
    again
}

#[test]
fn a_network_comes_back_from_its_file_and_runs_as_before() {
    let network = everything();
    let exported = export(&network).expect("a graph");
    assert_eq!(exported.notes.len(), 2);
    let again = import(&through_bytes(&exported.graph), SHAPE, WIDTH).expect("a network");
    for name in ["inside.weight", "across.weight", "across.delay", "late.weight", "choice.weight"] {
        let (found, expected) = (again.parameters.get(name), network.parameters.get(name));
        let (found, expected) = (found.expect("a parameter"), expected.expect("a parameter"));
        assert_eq!(found.len(), expected.len(), "{name}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 4e-16 * expected.abs(), "{name}: {found} {expected}");
        }
    }
    // Outputs may have another order: that of the nodes' names.
    let ranges = |network: &Network<f64>| -> Vec<(String, std::ops::Range<usize>)> {
        network
            .readouts()
            .map(|(name, range)| (name.to_owned(), range))
            .filter(|(_, range)| !range.is_empty())
            .collect()
    };
    let (width, before, after) = (network.outputs(), outputs(&network), outputs(&again));
    assert_eq!(again.outputs(), width);
    let mut compared = 0;
    for (name, range) in ranges(&network) {
        let (_, other) = ranges(&again).into_iter().find(|(other, _)| *other == name).expect("the readout");
        for sample in 0..200 {
            let a = &before[sample * width..][range.clone()];
            let b = &after[sample * width..][other.clone()];
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() <= 1e-9 * (1.0 + a.abs()), "{name} at {sample}: {a} {b}");
                compared += usize::from(*a != 0.0);
            }
        }
    }
    assert!(compared > 400, "{compared}");
    // What was imported is exported as it was, up to the rounding of units.
    let twice = export(&again).expect("a graph");
    let third = import(&twice.graph, SHAPE, WIDTH).expect("a network");
    assert_eq!(third.spec().difference(&again.spec()), None);
    let (found, expected) = (third.parameters.values(), again.parameters.values());
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 4e-16 * b.abs()));
}

#[test]
fn units_are_seconds() {
    let network = everything();
    let graph = export(&network).expect("a graph").graph;
    let Node::Lif { tau, r, v_threshold, v_reset, .. } = &graph.nodes["lif"] else { panic!("a LIF") };
    let expected = network.parameters.get("lif.tau_v").expect("a parameter")[0] * 1e-3;
    assert!((tau[0] - expected).abs() < 1e-18 && r == tau && v_threshold[0] == 1.2 && v_reset[0] == 0.1);
    let Node::Affine { weight, bias } = &graph.nodes["lif_input"] else { panic!("an affine node") };
    assert!((weight.values[0] - 1e3 * network.parameters.input()[(0, 0)]).abs() < 1e-12);
    assert!((bias[1] - 1e3 * network.parameters.bias()[1]).abs() < 1e-10);
    // Row = postsynaptic, one row after the other.
    let Node::Linear { weight } = &graph.nodes["across_weight"] else { panic!("a linear node") };
    assert_eq!((weight.rows, weight.columns), (4, 5));
    assert_eq!(weight.values[5], network.parameters.weight(1)[(1, 0)]);
    let Node::Delay { delay } = &graph.nodes["across_delay"] else { panic!("a delay") };
    assert_eq!(delay, &[0.002; 5]);
    // A steady input of 1: the leaky neuron settles where it does here, at tau_v I.
    let drive = 1e3 * network.parameters.input()[(0, 0)];
    assert!((r[0] * drive - network.parameters.input()[(0, 0)] * expected * 1e3).abs() < 1e-12);
}

#[test]
fn what_has_no_counterpart_is_refused_by_its_name() {
    let lif = |name: &str| Population::new(name, Lif::default(), 3, SHAPE, WIDTH);
    let refused = |builder: spikegrad_network::NetworkBuilder, what: &str, why: &str| {
        let error = export(&builder.build().expect("a network")).expect_err("refused");
        assert!(matches!(&error, Error::Unsupported { what: found, .. } if found.contains(what)), "{error}");
        assert!(error.to_string().contains(why), "{error}");
    };
    let network = || Network::builder().population(lif("a"));
    let theta = Population::new("phase", Theta::default(), 3, SHAPE, WIDTH);
    refused(Network::builder().population(theta).synapse("s", 5.0), "population `phase`", "theta");
    refused(
        network().projection(Projection::with("bent", AlphaSynapse { tau: 5.0 })),
        "projection `bent`",
        "alpha",
    );
    let tired = Projection::new("tired", 5.0).short_term(Depression { u: 0.3, tau_rec: 100.0 });
    refused(network().projection(tired), "projection `tired`", "short-term");
    let open = Projection::new("open", 5.0).receptor(Conductance { e_rev: 3.0 });
    refused(network().projection(open), "projection `open`", "conductance");
    let late = Projection::new("late", 5.0).connection_delays(2.0);
    refused(network().projection(late), "projection `late`", "axonal");
}

/// A graph of an input, one kind of neuron, and an output.
fn small(node: Node) -> Graph {
    let mut graph = Graph::default();
    graph.add("input", Node::Input { size: 2 });
    graph
        .add("fc", Node::Linear { weight: Matrix { rows: 2, columns: 2, values: vec![1.0, 2.0, 3.0, 4.0] } });
    graph.add("neurons", node);
    graph.add("output", Node::Output { size: 2 });
    for (from, to) in [("input", "fc"), ("fc", "neurons"), ("neurons", "output")] {
        graph.connect(from, to);
    }
    graph
}

fn lif(r: f64) -> Node {
    Node::Lif {
        tau: vec![0.02; 2],
        r: vec![r; 2],
        v_leak: vec![0.5; 2],
        v_threshold: vec![1.0; 2],
        v_reset: vec![0.0; 2],
    }
}

#[test]
fn resistances_and_leak_potentials_become_weights_and_currents() {
    let network = import(&through_bytes(&small(lif(1.0))), SHAPE, WIDTH).expect("a network");
    // tau dv/dt = v_leak - v + r W x, in milliseconds: dv/dt = -v / 20 + (0.5 + W x) / 20.
    let input = network.parameters.input();
    assert!((input[(0, 1)] - 2.0 / 20.0).abs() < 1e-15 && (input[(1, 0)] - 3.0 / 20.0).abs() < 1e-15);
    assert!(network.parameters.bias().iter().all(|bias| (bias - 0.5 / 20.0).abs() < 1e-15));
    assert_eq!(network.parameters.get("neurons.tau_v").expect("a parameter"), [20.0]);
}

#[test]
fn a_current_based_neuron_becomes_a_synapse_and_a_neuron() {
    let mut graph = small(lif(0.02));
    let two = |x: f64| vec![x; 2];
    graph.add(
        "recurrent",
        Node::Linear { weight: Matrix { rows: 2, columns: 2, values: vec![0.1, 0.2, 0.3, 0.4] } },
    );
    graph.add(
        "cuba",
        Node::CubaLif {
            tau_syn: two(0.005),
            tau_mem: two(0.02),
            r: two(0.04),
            v_leak: two(0.0),
            v_threshold: two(1.0),
            v_reset: two(0.0),
            w_in: two(3.0),
        },
    );
    graph.connect("neurons", "recurrent");
    graph.connect("recurrent", "cuba");
    let network = import(&through_bytes(&graph), SHAPE, WIDTH).expect("a network");
    assert_eq!(network.parameters.get("neurons_cuba.tau").expect("a parameter"), [5.0]);
    // r / tau = 2, w_in = 3.
    let expected = [0.6, 1.8, 1.2, 2.4];
    let found = network.parameters.get("neurons_cuba.weight").expect("a parameter");
    assert!(
        found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-14),
        "{found:?}"
    );
    // A current that would be filtered, too, is no current here.
    graph.connect("fc", "cuba");
    let error = import(&graph, SHAPE, WIDTH).expect_err("refused");
    assert!(
        error.to_string().contains("node `cuba` cannot be converted: currents go through its synapse"),
        "{error}"
    );
}

#[test]
fn graphs_that_are_no_network_are_refused_by_the_node() {
    let check = |change: &dyn Fn(&mut Graph), words: &str| {
        let mut graph = small(lif(0.02));
        change(&mut graph);
        let error = import(&graph, SHAPE, WIDTH).expect_err("refused").to_string();
        assert!(error.contains(words), "{error}");
    };
    let matrix = |rows, columns| Matrix { rows, columns, values: vec![0.5; rows * columns] };
    check(&|graph| graph.connect("neurons", "nowhere"), "edges name `nowhere`");
    check(
        &|graph| {
            graph.add("wide", Node::Linear { weight: matrix(2, 3) });
            graph.connect("neurons", "wide");
        },
        "from `neurons` to `wide` joins 2 channels to 3",
    );
    check(
        &|graph| {
            graph.add("again", Node::Linear { weight: matrix(2, 2) });
            graph.connect("neurons", "again");
            graph.connect("again", "neurons");
        },
        "spikes of `neurons` reach it without a synapse",
    );
    check(
        &|graph| {
            graph.add("second", Node::Linear { weight: matrix(2, 2) });
            graph.connect("fc", "second");
            graph.connect("second", "neurons");
        },
        "follows `fc`, which is linear, too",
    );
    check(
        &|graph| {
            graph.add("other", Node::Input { size: 2 });
        },
        "there is another input",
    );
    check(
        &|graph| {
            graph.nodes.insert(
                "fc".into(),
                Node::Linear { weight: Matrix { values: vec![f64::NAN; 4], ..matrix(2, 2) } },
            );
        },
        "node `fc` has a weight that is not finite",
    );
    check(
        &|graph| {
            let (r, v_threshold, v_reset) = (vec![1.0; 2], vec![2.0; 2], vec![0.0; 2]);
            graph.nodes.insert("neurons".into(), Node::If { r, v_threshold, v_reset });
        },
        "its threshold must be 1",
    );
    check(
        &|graph| {
            let Some(Node::Lif { tau, .. }) = graph.nodes.get_mut("neurons") else { return };
            tau[1] = -1.0;
        },
        "tau_v",
    );
}

#[test]
fn files_that_are_no_graph_are_refused() {
    for bytes in [&b""[..], b"no graph", &[0; 100]] {
        assert!(matches!(Graph::from_bytes(bytes), Err(Error::File { .. })));
    }
    let bytes = export(&everything()).expect("a graph").graph.to_bytes().expect("bytes");
    for length in [8, bytes.len() / 2] {
        assert!(Graph::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
}

/// Two layers: one that gets the inputs, and one whose current goes through a synapse.
fn layers() -> spikegrad_network::NetworkBuilder {
    let lif = |name: &str, size| Population::new(name, Lif::default(), size, SHAPE, WIDTH);
    Network::builder()
        .population(lif("first", 3))
        .population(lif("second", 2))
        .projection(Projection::new("forward", 5.0).between("first", "second"))
        .inputs(2)
}

fn driven(builder: spikegrad_network::NetworkBuilder) -> Network<f64> {
    let mut network = builder.build().expect("a network");
    (0..3).for_each(|row| network.parameters.input_mut()[(row, 1)] = 0.1);
    network.parameters.weight_mut(0).iter_mut().zip(numbers(6, 0.7)).for_each(|(w, x)| *w = x);
    network
}

fn kinds(graph: &Graph) -> Vec<(&str, &str)> {
    graph.nodes.iter().map(|(name, node)| (name.as_str(), node.kind())).collect()
}

#[test]
fn neurons_behind_one_synapse_are_current_based() {
    let network = driven(layers());
    let graph = export(&network).expect("a graph").graph;
    let expected = [
        ("first", "LIF"),
        ("first_input", "Affine"),
        ("forward_weight", "Linear"),
        ("input", "Input"),
        ("output", "Output"),
        ("second", "CubaLIF"),
    ];
    assert_eq!(kinds(&graph), expected);
    let mut edges: Vec<_> = graph.edges.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    edges.sort_unstable();
    let expected = [
        ("first", "forward_weight"),
        ("first_input", "first"),
        ("forward_weight", "second"),
        ("input", "first_input"),
        ("second", "output"),
    ];
    assert_eq!(edges, expected);
    let Node::CubaLif { tau_syn, tau_mem, r, v_leak, w_in, .. } = &graph.nodes["second"] else {
        panic!("a CubaLIF")
    };
    let Node::Linear { weight } = &graph.nodes["forward_weight"] else { panic!("a linear node") };
    assert_eq!((&tau_syn[..], &v_leak[..], &w_in[..]), (&[5.0 * 1e-3; 2][..], &[0.0; 2][..], &[1.0; 2][..]));
    // A pulse of the area 1 has the charge w_in W in the current, and r / tau_mem times that in the voltage: the weight here.
    assert!(r == tau_mem && weight.values[3] == network.parameters.weight(0)[(1, 0)]);
    // Neurons that get inputs alone have a resistance of 1, and the current is the voltage that they settle at: tau_v I.
    let Node::Lif { tau, r, .. } = &graph.nodes["first"] else { panic!("a LIF") };
    let Node::Affine { weight, .. } = &graph.nodes["first_input"] else { panic!("an affine node") };
    let tau_v = network.parameters.get("first.tau_v").expect("a parameter")[0];
    assert!(tau == &[tau_v * 1e-3; 3] && r == &[1.0; 3] && weight.values[1] == tau_v * 0.1);

    // A readout of traces has its LI, and nothing else reads it.
    let read = layers().outputs(1).readout(Readout::new("late", 1).traces("forward"));
    let network = driven(read);
    let graph = export(&network).expect("a graph").graph;
    assert_eq!((graph.nodes["forward"].kind(), graph.nodes["second"].kind()), ("LI", "CubaLIF"));
    assert_eq!(graph.behind("forward").collect::<Vec<_>>(), ["output_forward", "late_forward"]);
    let again = import(&through_bytes(&graph), SHAPE, WIDTH).expect("a network");
    assert_eq!(again.spec().difference(&network.spec()), None);

    // A delay comes before the weights, and an output cannot have it.
    let late = Projection::new("late", 5.0).between("first", "second").axonal_delays(2.0);
    let network = driven(layers().projection(late));
    let mut graph = export(&network).expect("a graph").graph;
    assert_eq!(graph.before("late_weight").collect::<Vec<_>>(), ["late_delay"]);
    let again = import(&through_bytes(&graph), SHAPE, WIDTH).expect("a network");
    assert_eq!(again.spec().difference(&network.spec()), None);
    graph.add("heard", Node::Output { size: 3 });
    graph.connect("late_delay", "heard");
    let error = import(&graph, SHAPE, WIDTH).expect_err("refused").to_string();
    assert!(
        error.contains("node `heard` (Output)") && error.contains("spikes of `first` with a delay"),
        "{error}"
    );

    // Currents of another kind are none of the synapse.
    let second = |change: &dyn Fn(&mut Network<f64>), builder| {
        let mut network = driven(builder);
        change(&mut network);
        export(&network).expect("a graph").graph.nodes["second"].kind()
    };
    assert_eq!(second(&|_| (), layers()), "CubaLIF");
    assert_eq!(second(&|network| network.parameters.bias_mut()[4] = 0.1, layers()), "LIF");
    assert_eq!(second(&|network| network.parameters.input_mut()[(3, 0)] = 0.1, layers()), "LIF");
    let again = |tau| Projection::new("again", tau).between("second", "second");
    assert_eq!(second(&|_| (), layers().projection(again(5.0))), "CubaLIF");
    assert_eq!(second(&|_| (), layers().projection(again(6.0))), "LIF");
    let source = |tau| {
        layers().source("events", 2).projection(Projection::new("outside", tau).between("events", "second"))
    };
    assert_eq!(second(&|_| (), source(5.0)), "CubaLIF");
    assert_eq!(second(&|_| (), source(6.0)), "LIF");
}

#[test]
fn a_layer_without_connections_has_no_synapse() {
    let network = import(&small(lif(1.0)), SHAPE, WIDTH).expect("a network");
    let graph = export(&network).expect("a graph").graph;
    let expected =
        [("input", "Input"), ("neurons", "LIF"), ("neurons_input", "Affine"), ("output", "Output")];
    assert_eq!(kinds(&graph), expected);
    let again = import(&through_bytes(&graph), SHAPE, WIDTH).expect("a network");
    assert_eq!(again.spec().difference(&network.spec()), None);
    // A connection is one, whatever its name.
    let mut connected = network.clone();
    connected.parameters.weight_mut(0)[(0, 0)] = 0.1;
    assert_eq!(export(&connected).expect("a graph").graph.nodes["unused"].kind(), "LI");
}

/// A population: its size, whether each neuron has parameters of its own, whether it gets inputs, and tonic currents.
type Neurons = (usize, bool, bool, bool);

/// A projection: from, to, the time constant, whether each neuron has its own, and whether it is delayed.
type Wire = (usize, usize, f64, bool, bool);

const NAMES: [&str; 3] = ["a", "b", "c"];

fn random(
    populations: &[Neurons],
    wires: &[Wire],
    (own, named): (usize, usize),
    seed: usize,
) -> Network<f64> {
    let mut builder = Network::builder().inputs(2);
    for (&(size, own, ..), name) in populations.iter().zip(NAMES) {
        let lif = Lif { tau_v: 12.0 + size as f64, v_theta: 1.1, v_reset: 0.1 };
        let population = Population::new(name, lif, size, SHAPE, WIDTH);
        builder = builder.population(if own { population.per_neuron() } else { population });
    }
    let wire = |index: usize| format!("wire{}", index % wires.len());
    for (index, &(from, to, tau, each, late)) in wires.iter().enumerate() {
        let projection = Projection::new(&wire(index), tau).between(NAMES[from], NAMES[to]);
        let projection = if late { projection.axonal_delays(1.5) } else { projection };
        builder = builder.projection(if each { projection.tau_per_neuron() } else { projection });
    }
    if own > 0 {
        builder = builder.outputs(2).read_from(&wire(own));
    }
    if named > 0 {
        builder = builder.readout(Readout::new("reads", 1).traces(&wire(named)));
    }
    let mut network = builder.build().expect("a network");
    let mut draw = seed;
    let mut drawn = |len: usize| {
        draw += 7;
        numbers(len + draw, 1.0).split_off(draw)
    };
    let names: Vec<_> = network.named_parameters().map(|named| named.name.to_owned()).collect();
    for name in names {
        let scale = match name.rsplit_once('.').map_or("", |(_, what)| what) {
            "weight" => 0.5,
            // Apart from one another, and positive.
            "tau" | "delay" | "tau_v" => 0.25,
            _ => continue,
        };
        let values = network.parameters.get_mut(&name).expect("a parameter");
        if name.starts_with("input") || (scale == 0.25 && values.len() == 1) {
            continue;
        }
        let drawn = drawn(values.len());
        values
            .iter_mut()
            .zip(drawn)
            .for_each(|(value, x)| *value = scale * x + if scale == 0.25 { *value } else { 0.0 });
    }
    let mut row = 0;
    for &(size, _, input, tonic) in populations {
        for row in row..row + size {
            let drawn = drawn(3);
            if input {
                (0..2).for_each(|column| network.parameters.input_mut()[(row, column)] = 0.2 * drawn[column]);
            }
            if tonic {
                network.parameters.bias_mut()[row] = 0.1 + 0.02 * drawn[2];
            }
        }
        row += size;
    }
    network
}

fn wires(populations: usize) -> impl Strategy<Value = Vec<Wire>> {
    let tau = prop::sample::select(vec![4.0, 7.0]);
    let one = (0..populations, 0..populations, tau, prop::bool::weighted(0.2), any::<bool>());
    prop::collection::vec(one, 1..5)
}

proptest! {
    #[test]
    fn random_networks_come_back(
        (populations, wires) in prop::collection::vec((2..4usize, any::<bool>(), any::<bool>(), prop::bool::weighted(0.3)), 1..4)
            .prop_flat_map(|populations| { let count = populations.len(); (Just(populations), wires(count)) }),
        readouts in (0..5usize, 0..5usize),
        seed in 0..100usize,
    ) {
        let network = random(&populations, &wires, readouts, seed);
        let graph = export(&network).expect("a graph").graph;
        for (index, &(.., input, tonic)) in populations.iter().enumerate() {
            let into: Vec<_> = wires.iter().filter(|wire| wire.1 == index).collect();
            let one = into.first().is_some_and(|first| into.iter().all(|wire| wire.2 == first.2 && !wire.3));
            let expected = if one && !input && !tonic { "CubaLIF" } else { "LIF" };
            prop_assert_eq!(graph.nodes[NAMES[index]].kind(), expected);
        }
        // What filters spikes is read.
        for (name, node) in &graph.nodes {
            prop_assert!(node.kind() != "LI" || graph.behind(name).next().is_some(), "{}", name);
        }
        let again = import(&through_bytes(&graph), SHAPE, WIDTH).expect("a network");
        let names = |network: &Network<f64>| -> std::collections::BTreeSet<String> {
            network.named_parameters().map(|named| named.name.to_owned()).collect()
        };
        prop_assert_eq!(names(&network), names(&again));
        for name in names(&network) {
            let (found, expected) = (again.parameters.get(&name)?, network.parameters.get(&name)?);
            prop_assert_eq!(found.len(), expected.len(), "{}", &name);
            // Weights between neurons are the same numbers; others are rounded when their unit changes, at most five times.
            let rounding = if name.starts_with("wire") && name.ends_with(".weight") { 0.0 } else { 2.5 * f64::EPSILON };
            for (found, expected) in found.iter().zip(expected) {
                prop_assert!((found - expected).abs() <= rounding * expected.abs(), "{}: {} {}", &name, found, expected);
            }
        }
        let (before, after) = (outputs(&network), outputs(&again));
        prop_assert_eq!(before.len(), after.len());
        for (a, b) in before.iter().zip(&after) {
            prop_assert!((a - b).abs() <= 1e-9 * (1.0 + a.abs()), "{} {}", a, b);
        }
        // What was read is written as it was read.
        let third = import(&export(&again).expect("a graph").graph, SHAPE, WIDTH).expect("a network");
        prop_assert_eq!(third.spec().difference(&again.spec()), None);
    }
}
