//! A network as a graph.
//!
//! NIR counts time in seconds, and a spike is a Dirac pulse of that time. A charge per millisecond, which currents are here, is a
//! thousand charges per second there, and so are the traces of synapses; weights between neurons are the same numbers.

use std::collections::BTreeMap;

use serde::Deserialize;
use spikegrad_network::Network;

use crate::error::Error;
use crate::graph::{Graph, MS, Matrix, Node};

/// A graph, and what of the network is not in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    /// The graph.
    pub graph: Graph,
    /// What the graph does not say of the network, in words.
    pub notes: Vec<String>,
}

/// What of a network's description is looked at.
#[derive(Deserialize)]
struct Described {
    #[serde(default)]
    inputs: usize,
    #[serde(default)]
    outputs: usize,
    populations: Vec<Population>,
    #[serde(default)]
    sources: Vec<Source>,
    projections: Vec<Projection>,
    #[serde(default)]
    readouts: Vec<Readout>,
}

#[derive(Deserialize)]
struct Population {
    name: String,
    model: String,
    size: usize,
    gate: Option<Gate>,
}

#[derive(Deserialize)]
struct Gate {
    width: f64,
}

#[derive(Deserialize)]
struct Source {
    name: String,
    channels: usize,
}

#[derive(Deserialize)]
struct Projection {
    name: String,
    kinetics: Option<String>,
    short_term: Option<String>,
    receptor: Option<String>,
    delay: Option<BTreeMap<String, f64>>,
}

#[derive(Deserialize)]
struct Readout {
    name: String,
    from: Vec<ReadFrom>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReadFrom {
    Traces(String),
    Filtered { population: String, tau: f64 },
    Voltages(String),
}

/// Neurons with one node: those of a population, or the channels of a source.
#[derive(Clone)]
struct Part {
    name: String,
    start: usize,
    size: usize,
}

impl Part {
    fn end(&self) -> usize {
        self.start + self.size
    }
}

/// A graph that grows.
struct Export<'n> {
    network: &'n Network<f64>,
    described: Described,
    graph: Graph,
    populations: Vec<Part>,
    sources: Vec<Part>,
    /// The nodes of the traces of each projection: the first presynaptic neuron of each among those of the projection, and the name.
    traces: Vec<Vec<(Part, String)>>,
}

/// The network as a graph of NIR, whose neurons have hard spikes: gates are left out.
///
/// # Errors
/// [`Error::Unsupported`] for the first thing that NIR does not have, by its name.
pub fn export(network: &Network<f64>) -> Result<Exported, Error> {
    let text = serde_json::to_value(network.spec()).and_then(serde_json::from_value::<Described>);
    let described =
        text.map_err(|error| Error::unsupported("the network's description", error.to_string()))?;
    let part = |name: &str, start: usize, size: usize| Part { name: name.to_owned(), start, size };
    let populations: Vec<_> =
        network.populations().map(|(name, range)| part(name, range.start, range.len())).collect();
    let mut first = network.neurons();
    let sources = described.sources.iter().map(|source| {
        first += source.channels;
        part(&source.name, first - source.channels, source.channels)
    });
    let sources = sources.collect();
    let graph = Graph::default();
    let mut export = Export { network, described, graph, populations, sources, traces: Vec::new() };
    export.neurons()?;
    export.inputs()?;
    (0..export.described.projections.len()).try_for_each(|k| export.projection(k))?;
    export.own_readout()?;
    (0..export.described.readouts.len()).try_for_each(|r| export.readout(r))?;
    let notes = export.notes();
    Ok(Exported { graph: export.graph, notes })
}

/// A value for each of so many neurons.
fn each(values: &[f64], size: usize) -> Vec<f64> {
    if values.len() == 1 { vec![values[0]; size] } else { values.to_vec() }
}

fn seconds(times: &[f64]) -> Vec<f64> {
    times.iter().map(|time| time * MS).collect()
}

impl Export<'_> {
    fn value(&self, name: &str) -> Result<&[f64], Error> {
        Ok(self.network.parameters.get(name)?)
    }

    fn neurons(&mut self) -> Result<(), Error> {
        for at in 0..self.described.populations.len() {
            let Population { name, model, size, .. } = &self.described.populations[at];
            let parameter = |what: &str| Ok::<_, Error>(each(self.value(&format!("{name}.{what}"))?, *size));
            let (zeros, ones) = (vec![0.0; *size], vec![1.0; *size]);
            let node = match model.as_str() {
                "NIF" => Node::If { r: ones.clone(), v_threshold: ones, v_reset: zeros },
                "LIF" => {
                    let tau = seconds(&parameter("tau_v")?);
                    let (v_threshold, v_reset) = (parameter("v_theta")?, parameter("v_reset")?);
                    Node::Lif { r: tau.clone(), tau, v_leak: zeros, v_threshold, v_reset }
                }
                "leaky integrator" => {
                    let tau = seconds(&parameter("tau_v")?);
                    Node::Li { r: tau.clone(), tau, v_leak: zeros }
                }
                model => {
                    let why = format!(
                        "NIR has no neuron of the model {model}, only LIF, NIF and leaky integrator have a counterpart"
                    );
                    return Err(Error::unsupported(format!("population `{name}`"), why));
                }
            };
            let name = name.clone();
            self.graph.add(&name, node);
        }
        for source in &self.sources {
            self.graph.add(&source.name, Node::Input { size: source.size });
        }
        Ok(())
    }

    /// Input weights and tonic currents.
    fn inputs(&mut self) -> Result<(), Error> {
        let (channels, parameters) = (self.described.inputs, &self.network.parameters);
        let (input, bias) = (parameters.input(), parameters.bias());
        if channels == 0 && bias.iter().all(|&bias| bias == 0.0) {
            return Ok(());
        }
        // Tonic currents alone come through an input that nothing depends on.
        let name = self.graph.add("input", Node::Input { size: channels.max(1) });
        for part in self.populations.clone() {
            let mut weight = Matrix::zeros(part.size, channels.max(1));
            for row in 0..part.size {
                for column in 0..channels {
                    weight.values[row * weight.columns + column] = input[(part.start + row, column)] / MS;
                }
            }
            let bias: Vec<f64> = bias[part.start..part.end()].iter().map(|bias| bias / MS).collect();
            let affine = self.graph.add(&format!("{}_input", part.name), Node::Affine { weight, bias });
            self.graph.connect(&name, &affine);
            self.graph.connect(&affine, &part.name);
        }
        Ok(())
    }

    /// The weights of a projection as a matrix, whatever they are stored as.
    fn weights(&self, k: usize) -> Matrix {
        let (pre, post) = self.network.ends(k);
        let mut weight = Matrix::zeros(post.len(), pre.len());
        let parameters = &self.network.parameters;
        if let Some(list) = self.network.connections(k) {
            for ((post, pre), &w) in list.pairs().zip(parameters.weight(k).iter()) {
                weight.values[post * weight.columns + pre] = w;
            }
            return weight;
        }
        let matrix = match parameters.left(k).ncols() {
            0 => parameters.weight(k).clone_owned(),
            _ => parameters.left(k) * parameters.right(k),
        };
        for row in 0..weight.rows {
            for column in 0..weight.columns {
                weight.values[row * weight.columns + column] = matrix[(row, column)];
            }
        }
        weight
    }

    fn projection(&mut self, k: usize) -> Result<(), Error> {
        let Projection { name, kinetics, short_term, receptor, delay } = &self.described.projections[k];
        let name = name.clone();
        let refused = |why: String| Err(Error::unsupported(format!("projection `{name}`"), why));
        if let Some(kinetics) = kinetics.as_deref().filter(|kinetics| *kinetics != "exponential") {
            return refused(format!("NIR has no {kinetics} synapse, only exponential ones"));
        }
        if let Some(model) = short_term {
            return refused(format!("NIR has no short-term plasticity, which {model} is"));
        }
        if let Some(model) = receptor {
            return refused(format!("NIR has no conductance, which {model} is"));
        }
        if delay.as_ref().is_some_and(|delay| !delay.contains_key("axonal")) {
            return refused(
                "NIR has delays of axons and none of single connections: make them axonal".into(),
            );
        }
        let ((pre, post), weight) = (self.network.ends(k), self.weights(k));
        let tau = each(self.value(&format!("{name}.tau"))?, pre.len());
        let delay = match delay {
            Some(_) => Some(each(self.value(&format!("{name}.delay"))?, pre.len())),
            None => None,
        };
        let inside = |part: &&Part, range: &std::ops::Range<usize>| {
            part.start >= range.start && part.end() <= range.end
        };
        let from: Vec<_> =
            self.populations.iter().chain(&self.sources).filter(|part| inside(part, &pre)).cloned().collect();
        let to: Vec<_> = self.populations.iter().filter(|part| inside(part, &post)).cloned().collect();
        // Leaky integrators send nothing.
        let silent = |part: &Part| matches!(self.graph.nodes.get(&part.name), Some(Node::Li { .. }));
        let from: Vec<_> = from.into_iter().filter(|part| !silent(part)).collect();
        let mut traces = Vec::new();
        for part in &from {
            let local = part.start - pre.start..part.end() - pre.start;
            let traced = if from.len() == 1 { name.clone() } else { format!("{name}_{}", part.name) };
            let (r, v_leak) = (vec![1.0; part.size], vec![0.0; part.size]);
            let synapse = self.graph.add(&traced, Node::Li { tau: seconds(&tau[local.clone()]), r, v_leak });
            match &delay {
                Some(delay) => {
                    let delay = Node::Delay { delay: seconds(&delay[local.clone()]) };
                    let delay = self.graph.add(&format!("{synapse}_delay"), delay);
                    self.graph.connect(&part.name, &delay);
                    self.graph.connect(&delay, &synapse);
                }
                None => self.graph.connect(&part.name, &synapse),
            }
            for target in &to {
                let block = target.start - post.start..target.end() - post.start;
                let mut values = Vec::with_capacity(block.len() * local.len());
                for row in block.clone() {
                    values.extend_from_slice(&weight.values[row * weight.columns..][local.clone()]);
                }
                let weight = Matrix { rows: block.len(), columns: local.len(), values };
                let suffix = if to.len() == 1 { String::new() } else { format!("_{}", target.name) };
                let linear = self.graph.add(&format!("{synapse}{suffix}_weight"), Node::Linear { weight });
                self.graph.connect(&synapse, &linear);
                self.graph.connect(&linear, &target.name);
            }
            traces.push((Part { start: local.start, ..part.clone() }, synapse));
        }
        self.traces.push(traces);
        Ok(())
    }

    /// Columns of a readout's weights, times a factor, as a node from what they read to an output.
    fn read(
        &mut self,
        weights: &Matrix,
        first: usize,
        factor: f64,
        (from, size): (&str, usize),
        output: &str,
    ) {
        let mut values = Vec::with_capacity(weights.rows * size);
        for row in 0..weights.rows {
            let columns = &weights.values[row * weights.columns..][first..first + size];
            values.extend(columns.iter().map(|weight| factor * weight));
        }
        let linear = Node::Linear { weight: Matrix { rows: weights.rows, columns: size, values } };
        let linear = self.graph.add(&format!("{output}_{from}"), linear);
        self.graph.connect(from, &linear);
        self.graph.connect(&linear, output);
    }

    /// The weights of a readout.
    fn readout_weights(&self, number: usize) -> Matrix {
        let matrix = self.network.parameters.readout(number);
        let mut weights = Matrix::zeros(matrix.nrows(), matrix.ncols());
        for row in 0..weights.rows {
            for column in 0..weights.columns {
                weights.values[row * weights.columns + column] = matrix[(row, column)];
            }
        }
        weights
    }

    fn own_readout(&mut self) -> Result<(), Error> {
        if self.described.outputs == 0 {
            return Ok(());
        }
        let weights = self.readout_weights(0);
        let output = self.graph.add("output", Node::Output { size: weights.rows });
        for (part, synapse) in self.traces[self.network.read_from()].clone() {
            self.read(&weights, part.start, MS, (&synapse, part.size), &output);
        }
        Ok(())
    }

    fn readout(&mut self, number: usize) -> Result<(), Error> {
        let weights = self.readout_weights(number + 1);
        let name = self.described.readouts[number].name.clone();
        let output = self.graph.add(&name, Node::Output { size: weights.rows });
        let mut first = 0;
        for at in 0..self.described.readouts[number].from.len() {
            first += match &self.described.readouts[number].from[at] {
                ReadFrom::Traces(projection) => {
                    let projections = &self.described.projections;
                    let k =
                        projections.iter().position(|known| known.name == *projection).unwrap_or_default();
                    for (part, synapse) in self.traces[k].clone() {
                        self.read(&weights, first + part.start, MS, (&synapse, part.size), &output);
                    }
                    self.network.ends(k).0.len()
                }
                ReadFrom::Voltages(population) => {
                    let population = population.clone();
                    let size = self.graph.node(&population)?.sizes().1;
                    if self.graph.node(&population)?.spikes() {
                        let why =
                            "NIR has no voltages of neurons that spike as outputs: read leaky integrators";
                        return Err(Error::unsupported(format!("readout `{name}`"), why));
                    }
                    self.read(&weights, first, 1.0, (&population, size), &output);
                    size
                }
                ReadFrom::Filtered { population, tau } => {
                    let (population, initial) = (population.clone(), *tau);
                    let tau = self.value(&format!("{name}.{population}.tau")).map_or(initial, |tau| tau[0]);
                    let size = self.graph.node(&population)?.sizes().1;
                    let (r, v_leak) = (vec![1.0; size], vec![0.0; size]);
                    let filter = Node::Li { tau: vec![tau * MS; size], r, v_leak };
                    let filter = self.graph.add(&format!("{name}_{population}_trace"), filter);
                    self.graph.connect(&population, &filter);
                    self.read(&weights, first, MS, (&filter, size), &output);
                    size
                }
            };
        }
        Ok(())
    }

    /// Sentences on what the network has and the graph has not.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for Population { name, gate, .. } in &self.described.populations {
            if let Some(Gate { width }) = gate {
                notes.push(format!(
                    "population `{name}` has a gate of width {width}, and a neuron of NIR spikes at its threshold at once"
                ));
            }
            let start = self.network.parameters.get(&format!("{name}.initial.v")).unwrap_or_default();
            if start.iter().any(|&v| v != 0.0) {
                notes.push(format!(
                    "population `{name}` has initial voltages, and a neuron of NIR starts at zero"
                ));
            }
        }
        notes
    }
}
