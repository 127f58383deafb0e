//! A network as data: everything but what becomes of its numbers, to be written as text and read again.

use serde::{Deserialize, Serialize};

use crate::populations::{GateSpec, PopulationSpec};
use crate::projections::{Connector, Projection};
use crate::readout::Readout;

/// A network as data, in any format that [`serde`] writes: what there is and how it is connected, and the values that its
/// parameters begin with. [`build`](Self::build) makes the network, [`Network::spec`](crate::Network::spec) gives the description
/// back. Random connections are described by their rule and seed.
///
/// Every name that the text does not know, everything that is there twice and everything that is missing is an error. Numbers that a
/// network was given since it was built, such as weights, are in its [`Parameters`](crate::Parameters).
///
/// ```
/// use spikegrad_network::NetworkSpec;
///
/// let spec: NetworkSpec = toml::from_str(
///     r#"
///     inputs = 2
///     outputs = 1
///     read_from = "inside"
///
///     [[populations]]
///     name = "hidden"
///     model = "LIF"
///     size = 100
///     sign = "excitatory"
///     gate = { shape = "raised cosine", width = 0.3 }
///     parameters = { tau_v = 20.0, v_theta = 1.0, v_reset = 0.0 }
///
///     [[populations]]
///     name = "out"
///     model = "theta"
///     size = 10
///     gate = { shape = "box", width = 0.2 }
///     parameters = { tau_v = 25.0 }
///
///     [[projections]]
///     name = "forward"
///     tau = 5.0
///     between = { pre = "hidden", post = "out" }
///     delay = { axonal = 1.5 }
///
///     [[projections]]
///     name = "inside"
///     tau = 10.0
///     autapses = false
///     between = { pre = "hidden", post = "hidden" }
///     connector = { probability = { probability = 0.1, seed = 1 } }
///     "#,
/// )?;
/// let network = spec.build()?;
/// assert_eq!(network.parameters.weight(0).shape(), (10, 100));
/// assert_eq!(network.parameters.get("forward.delay")?[99], 1.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct NetworkSpec {
    /// Number of inputs.
    pub inputs: usize,
    /// Number of outputs of the network's own readout.
    pub outputs: usize,
    /// The projection whose traces the network's own readout reads; `None` for the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_from: Option<String>,
    /// The most bytes that the parameters, or a recording, may take; `None` for 16 GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<usize>,
    /// The groups that are not trained, by their names in the [`Layout`](crate::Layout): `slow.tau`, `bias`, `initial`. `None` for
    /// all but weights, tonic currents and readout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Vec<String>>,
    /// The populations; neurons are numbered population by population.
    pub populations: Vec<PopulationSpec>,
    /// The event sources; their channels are numbered source by source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceSpec>,
    /// The projections.
    pub projections: Vec<Projection>,
    /// Readouts with names, beside the network's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub readouts: Vec<Readout>,
}

/// A source of charges from outside the network, as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSpec {
    /// The source's name, from which projections come.
    pub name: String,
    /// Number of channels.
    pub channels: usize,
}

/// The first thing in which two descriptions of networks differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecDifference {
    /// The field that differs, as in `populations[0].size`.
    pub field: String,
    /// The field's value in the first description.
    pub left: String,
    /// The field's value in the second description.
    pub right: String,
}

impl NetworkSpec {
    /// The first difference in structure, which decides whether two networks can have each other's parameters; `None` where there
    /// is none. The values that parameters begin with, gate widths among them, signs, what is frozen and the memory limit are no
    /// structure.
    pub fn difference(&self, other: &Self) -> Option<SpecDifference> {
        // All fields by name, so that a new one is not forgotten.
        let Self {
            inputs,
            outputs,
            read_from: _,
            memory_limit: _,
            frozen: _,
            populations,
            sources,
            projections,
            readouts,
        } = self;
        let first = |spec: &Self| {
            let first = spec.projections.first().map(|p| p.name().to_owned());
            spec.read_from.clone().or(first).unwrap_or_default()
        };
        let pairs = populations.iter().zip(&other.populations).enumerate();
        let population = pairs.flat_map(|(i, (a, b))| of_population(&format!("populations[{i}]"), a, b));
        let pairs = projections.iter().zip(&other.projections).enumerate();
        let projection = pairs.flat_map(|(i, (a, b))| of_projection(&format!("projections[{i}]"), a, b));
        let sizes = [
            differs("number of populations", populations.len(), other.populations.len()),
            differs("number of projections", projections.len(), other.projections.len()),
            differs("sources", named(sources), named(&other.sources)),
            differs("inputs", *inputs, other.inputs),
            differs("outputs", *outputs, other.outputs),
            differs("read_from", first(self), first(other)),
            differs("readouts", structures(readouts), structures(&other.readouts)),
        ];
        population.chain(projection).chain(sizes.into_iter().flatten()).next()
    }
}

/// Sources in words.
fn named(sources: &[SourceSpec]) -> String {
    let named = sources.iter().map(|source| format!("{} of {} channels", source.name, source.channels));
    if sources.is_empty() { "none".into() } else { named.collect::<Vec<_>>().join(", ") }
}

/// Readouts in words.
fn structures(readouts: &[Readout]) -> String {
    let readouts = readouts.iter().map(Readout::structure).collect::<Vec<_>>().join(", ");
    if readouts.is_empty() { "none".into() } else { readouts }
}

fn differs<V: PartialEq + std::fmt::Display>(field: &str, left: V, right: V) -> Option<SpecDifference> {
    let different =
        || SpecDifference { field: field.to_owned(), left: left.to_string(), right: right.to_string() };
    (left != right).then(different)
}

/// All differences in structure of two populations, the first one first.
fn of_population(at: &str, a: &PopulationSpec, b: &PopulationSpec) -> Vec<SpecDifference> {
    let PopulationSpec { name, model, size, per_neuron, sign: _, gate, parameters, rest: _ } = a;
    let names = |of: &std::collections::BTreeMap<String, f64>| {
        of.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    };
    let shape = |gate: &Option<GateSpec>| gate.map_or("none", |gate| gate.shape.name());
    let field = |field: &str| format!("{at}.{field}");
    let all = [
        differs(&field("name"), name, &b.name),
        differs(&field("model"), model, &b.model),
        differs(&field("size"), *size, b.size),
        differs(&field("gate.shape"), shape(gate), shape(&b.gate)),
        differs(&field("per_neuron"), *per_neuron, b.per_neuron),
        differs(&field("parameters"), names(parameters), names(&b.parameters)),
    ];
    all.into_iter().flatten().collect()
}

/// All differences in structure of two projections, the first one first.
fn of_projection(at: &str, a: &Projection, b: &Projection) -> Vec<SpecDifference> {
    let Projection {
        name,
        tau: _,
        kinetics,
        short_term,
        receptor,
        parameters: _,
        tau_per_neuron,
        rank,
        autapses,
        between,
        delay: _,
        connector,
    } = a;
    let named = |model: &Option<String>| model.clone().unwrap_or_else(|| "none".to_owned());
    let ends = |p: &Option<crate::projections::Between>| match p {
        None => "all to all".to_owned(),
        Some(ends) => format!("{} to {}", ends.pre, ends.post),
    };
    let rank_of = |rank: Option<usize>| rank.map_or_else(|| "none".to_owned(), |rank| rank.to_string());
    let field = |field: &str| format!("{at}.{field}");
    let connectors = (connector != &b.connector).then(|| SpecDifference {
        field: field("connector"),
        left: connected(connector),
        right: connected(&b.connector),
    });
    let all = [
        differs(&field("name"), name, &b.name),
        differs(&field("between"), ends(between), ends(&b.between)),
        differs(&field("kinetics"), kinetics.as_str(), &b.kinetics),
        differs(&field("short_term"), named(short_term), named(&b.short_term)),
        differs(&field("receptor"), named(receptor), named(&b.receptor)),
        differs(&field("tau_per_neuron"), *tau_per_neuron, b.tau_per_neuron),
        differs(&field("rank"), rank_of(*rank), rank_of(b.rank)),
        differs(&field("autapses"), *autapses, b.autapses),
        differs(&field("delay"), a.delays().0.name(), b.delays().0.name()),
        connectors,
    ];
    all.into_iter().flatten().collect()
}

/// A connector in words; a list of connections, which may be long, by its length.
fn connected(connector: &Connector) -> String {
    match connector {
        Connector::AllToAll => "all to all".to_owned(),
        Connector::OneToOne => "one to one".to_owned(),
        Connector::Probability { probability, seed } => format!("probability {probability}, seed {seed}"),
        Connector::InDegree { degree, seed } => format!("in-degree {degree}, seed {seed}"),
        Connector::Pairs(pairs) => format!("a list of {} pairs", pairs.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        inputs = 1
        [[populations]]
        name = "a"
        model = "theta"
        size = 3
        gate = { shape = "box", width = 0.2 }
        parameters = { tau_v = 25.0 }
        [[projections]]
        name = "slow"
        tau = 5.0
        connector = { pairs = [[0, 1], [2, 0]] }
    "#;

    fn spec(text: &str) -> Result<NetworkSpec, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn the_first_difference_in_structure_is_named() {
        let base = spec(TEXT).expect("a description");
        for (from, to, field) in [
            ("name = \"a\"", "name = \"b\"", "populations[0].name"),
            ("model = \"theta\"", "model = \"NIF\"", "populations[0].model"),
            ("size = 3", "size = 4", "populations[0].size"),
            ("\"box\"", "\"triangular\"", "populations[0].gate.shape"),
            ("size = 3", "size = 3\nper_neuron = true", "populations[0].per_neuron"),
            ("tau_v", "tau_w", "populations[0].parameters"),
            ("name = \"slow\"", "name = \"fast\"", "projections[0].name"),
            ("tau = 5.0", "tau = 5.0\nbetween = { pre = \"a\", post = \"a\" }", "projections[0].between"),
            ("tau = 5.0", "tau = 5.0\ntau_per_neuron = true", "projections[0].tau_per_neuron"),
            ("tau = 5.0", "tau = 5.0\nkinetics = \"alpha\"", "projections[0].kinetics"),
            ("tau = 5.0", "tau = 5.0\nshort_term = \"depression\"", "projections[0].short_term"),
            ("tau = 5.0", "tau = 5.0\nreceptor = \"NMDA\"", "projections[0].receptor"),
            ("tau = 5.0", "tau = 5.0\nrank = 1", "projections[0].rank"),
            ("tau = 5.0", "tau = 5.0\nautapses = false", "projections[0].autapses"),
            ("tau = 5.0", "tau = 5.0\ndelay = { axonal = 1.0 }", "projections[0].delay"),
            ("[2, 0]", "[2, 1]", "projections[0].connector"),
            ("inputs = 1", "inputs = 2", "inputs"),
            ("inputs = 1", "inputs = 1\noutputs = 2", "outputs"),
            (
                "inputs = 1",
                "inputs = 1\nreadouts = [{ name = \"b\", outputs = 1, from = [{ traces = \"slow\" }] }]",
                "readouts",
            ),
        ] {
            let other = spec(&TEXT.replace(from, to)).expect("a description");
            let found = base.difference(&other).map(|difference| difference.field);
            assert_eq!(found.as_deref(), Some(field));
        }
        for (from, to) in [
            ("25.0", "20.0"),
            ("0.2", "0.1"),
            ("tau = 5.0", "tau = 6.0"),
            ("inputs = 1", "inputs = 1\nread_from = \"slow\"\nmemory_limit = 7\nfrozen = []"),
            ("size = 3", "size = 3\nsign = \"inhibitory\"\nrest = { v = 0.5 }"),
        ] {
            let other = spec(&TEXT.replace(from, to)).expect("a description");
            assert_eq!(base.difference(&other), None);
        }
    }

    #[test]
    fn text_that_says_too_much_or_too_little_is_refused() {
        for (from, to, reason) in [
            ("inputs", "input", "unknown field `input`"),
            ("size = 3", "sizes = 3", "unknown field `sizes`"),
            ("size = 3", "", "missing field `size`"),
            ("tau = 5.0", "", "missing field `tau`"),
            ("width = 0.2", "", "missing field `width`"),
            ("\"box\"", "\"square\"", "choose one of box, raised cosine, triangular"),
            ("pairs", "couples", "unknown variant `couples`"),
            ("tau = 5.0", "tau = 5.0\ndelay = { axonal = 1.0, connection = 1.0 }", "delay"),
        ] {
            let error = spec(&TEXT.replace(from, to)).expect_err("refused").to_string();
            assert!(error.contains(reason), "{error}");
        }
        let twice = r#"{"populations":[{"name":"a","model":"theta","size":1,"gate":{"shape":"box","width":0.2},
            "parameters":{"tau_v":1.0,"tau_v":2.0}}]}"#;
        let error = serde_json::from_str::<NetworkSpec>(twice).expect_err("refused").to_string();
        assert!(error.contains("`tau_v` is there twice"), "{error}");
    }
}
