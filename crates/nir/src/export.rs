//! A network as a graph.
//!
//! NIR counts time in seconds, and a spike is a Dirac pulse of that time. A charge per millisecond, which currents are here, is a
//! thousand charges per second there, and so are the traces of synapses; weights between neurons are the same numbers.
//!
//! Leaky neurons whose whole current goes through synapses of one time constant are a `CubaLIF`, and spikes reach it over linear nodes.
//! Every other synapse is an `LI` behind the presynaptic neurons, and so is a trace that a readout reads. An `LI` is added where a node
//! reads it first.

use std::collections::BTreeMap;

use serde::Deserialize;
use spikegrad_network::Network;

use crate::error::Error;
use crate::graph::{Graph, MS, Matrix, Node, UNUSED};

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

/// Where the current of a population comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Drive {
    /// Input weights and tonic currents alone.
    Inputs,
    /// Synapses of this time constant alone, in milliseconds.
    Synapse(f64),
    /// Anything else.
    Mixed,
}

/// Presynaptic neurons of a projection with one node.
#[derive(Clone)]
struct Pre {
    /// The neurons, counted from the first presynaptic neuron of the projection.
    part: Part,
    /// The name of the projection, with the name of these neurons if there are others.
    name: String,
    /// The time constants of the synapses, in seconds.
    tau: Vec<f64>,
    /// The node that the spikes leave: the neurons, or the delay behind them.
    spikes: String,
    /// The node of the traces, once a node reads them.
    trace: Option<String>,
}

/// A graph that grows.
struct Export<'n> {
    network: &'n Network<f64>,
    described: Described,
    graph: Graph,
    populations: Vec<Part>,
    sources: Vec<Part>,
    /// Where the current of each population comes from.
    drives: Vec<Drive>,
    /// The presynaptic neurons of each projection.
    pre: Vec<Vec<Pre>>,
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
    let (drives, pre) = (Vec::new(), Vec::new());
    let mut export = Export { network, described, graph, populations, sources, drives, pre };
    export.drives = (0..export.populations.len()).map(|at| export.drive(at)).collect();
    export.neurons()?;
    export.inputs()?;
    (0..export.described.projections.len()).try_for_each(|k| export.projection(k))?;
    export.own_readout()?;
    (0..export.described.readouts.len()).try_for_each(|r| export.readout(r))?;
    export.spikes();
    let notes = export.notes();
    Ok(Exported { graph: export.graph, notes })
}

/// A value for each of so many neurons.
fn each(values: &[f64], size: usize) -> Vec<f64> {
    if values.len() == 1 { vec![values[0]; size] } else { values.to_vec() }
}

fn inside(part: &Part, range: &std::ops::Range<usize>) -> bool {
    part.start >= range.start && part.end() <= range.end
}

fn seconds(times: &[f64]) -> Vec<f64> {
    times.iter().map(|time| time * MS).collect()
}

impl Export<'_> {
    fn value(&self, name: &str) -> Result<&[f64], Error> {
        Ok(self.network.parameters.get(name)?)
    }

    /// Whether the neurons send spikes, which leaky integrators do not.
    fn speaks(&self, part: &Part) -> bool {
        let mut populations = self.described.populations.iter();
        !populations.any(|population| population.name == part.name && population.model == "leaky integrator")
    }

    /// The presynaptic neurons of a projection that send spikes, by their nodes.
    fn speakers(&self, k: usize) -> Vec<Part> {
        let (pre, _) = self.network.ends(k);
        let parts = self.populations.iter().chain(&self.sources);
        parts.filter(|part| inside(part, &pre) && self.speaks(part)).cloned().collect()
    }

    /// Whether a projection is there because a network must have one: an import gives such a network this one.
    fn left_out(&self, k: usize) -> bool {
        let Described { outputs, projections, readouts, .. } = &self.described;
        let traced = |from: &ReadFrom| matches!(from, ReadFrom::Traces(name) if *name == projections[k].name);
        let read = (*outputs > 0 && self.network.read_from() == k)
            || readouts.iter().flat_map(|readout| &readout.from).any(traced);
        projections[k].name == UNUSED && !read && self.weights(k).values.iter().all(|&weight| weight == 0.0)
    }

    /// Where the current of a population comes from.
    fn drive(&self, at: usize) -> Drive {
        let part = &self.populations[at];
        let mut taus = Vec::new();
        for (k, projection) in self.described.projections.iter().enumerate() {
            let (pre, post) = self.network.ends(k);
            let from = self.speakers(k);
            if self.left_out(k) || from.is_empty() || !inside(part, &post) {
                continue;
            }
            // What is no exponential synapse has other time constants, and is refused later.
            let Ok(tau) = self.value(&format!("{}.tau", projection.name)) else { return Drive::Mixed };
            let tau = each(tau, pre.len());
            from.iter().for_each(|from| taus.extend_from_slice(&tau[from.start - pre.start..][..from.size]));
        }
        let parameters = &self.network.parameters;
        let (input, bias) = (parameters.input(), parameters.bias());
        let driven = (part.start..part.end()).any(|row| {
            bias[row] != 0.0 || (0..self.described.inputs).any(|column| input[(row, column)] != 0.0)
        });
        match taus.first() {
            None => Drive::Inputs,
            Some(&first) if !driven && taus.iter().all(|&tau| tau == first) => Drive::Synapse(first),
            Some(_) => Drive::Mixed,
        }
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
                    let (v_leak, v_threshold, v_reset) =
                        (zeros, parameter("v_theta")?, parameter("v_reset")?);
                    match self.drives[at] {
                        Drive::Synapse(tau_syn) => {
                            let (tau_syn, r, w_in) = (vec![tau_syn * MS; *size], tau.clone(), ones);
                            Node::CubaLif { tau_syn, tau_mem: tau, r, v_leak, v_threshold, v_reset, w_in }
                        }
                        Drive::Inputs => Node::Lif { tau, r: ones, v_leak, v_threshold, v_reset },
                        Drive::Mixed => Node::Lif { r: tau.clone(), tau, v_leak, v_threshold, v_reset },
                    }
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
            // A charge per millisecond in the units of the node's current.
            let unit: Vec<f64> = match self.graph.node(&part.name)? {
                // Nothing is added before a synapse; what would be is zero.
                Node::CubaLif { .. } => continue,
                // With a resistance of 1 the current is the voltage that it drives the neuron to.
                Node::Lif { r, tau, .. } if r != tau => {
                    each(self.value(&format!("{}.tau_v", part.name))?, part.size)
                }
                _ => vec![1.0 / MS; part.size],
            };
            let mut weight = Matrix::zeros(part.size, channels.max(1));
            for row in 0..part.size {
                for column in 0..channels {
                    weight.values[row * weight.columns + column] =
                        input[(part.start + row, column)] * unit[row];
                }
            }
            let bias =
                bias[part.start..part.end()].iter().zip(&unit).map(|(bias, unit)| bias * unit).collect();
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
        if self.left_out(k) {
            self.pre.push(Vec::new());
            return Ok(());
        }
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
        let from = self.speakers(k);
        let to: Vec<_> = self.populations.iter().filter(|part| inside(part, &post)).cloned().collect();
        self.pre.push(Vec::new());
        for (at, part) in from.iter().enumerate() {
            let local = part.start - pre.start..part.end() - pre.start;
            let named = if from.len() == 1 { name.clone() } else { format!("{name}_{}", part.name) };
            let spikes = match &delay {
                Some(delay) => {
                    let delay = Node::Delay { delay: seconds(&delay[local.clone()]) };
                    let delay = self.graph.add(&format!("{named}_delay"), delay);
                    self.graph.connect(&part.name, &delay);
                    delay
                }
                None => part.name.clone(),
            };
            let tau = seconds(&tau[local.clone()]);
            let part = Part { start: local.start, ..part.clone() };
            self.pre[k].push(Pre { part, name: named.clone(), tau, spikes: spikes.clone(), trace: None });
            for target in &to {
                let block = target.start - post.start..target.end() - post.start;
                let mut values = Vec::with_capacity(block.len() * local.len());
                for row in block.clone() {
                    values.extend_from_slice(&weight.values[row * weight.columns..][local.clone()]);
                }
                let weight = Matrix { rows: block.len(), columns: local.len(), values };
                // The synapse is inside the node, or before its weights.
                let before = match self.graph.node(&target.name)? {
                    Node::CubaLif { .. } => spikes.clone(),
                    _ => self.trace(k, at),
                };
                let suffix = if to.len() == 1 { String::new() } else { format!("_{}", target.name) };
                let linear = self.graph.add(&format!("{named}{suffix}_weight"), Node::Linear { weight });
                self.graph.connect(&before, &linear);
                self.graph.connect(&linear, &target.name);
            }
        }
        Ok(())
    }

    /// The node of the traces of presynaptic neurons, which is added when a node reads it first.
    fn trace(&mut self, k: usize, at: usize) -> String {
        let Pre { part, name, tau, spikes, trace } = self.pre[k][at].clone();
        trace.unwrap_or_else(|| {
            let (r, v_leak) = (vec![1.0; part.size], vec![0.0; part.size]);
            let trace = self.graph.add(&name, Node::Li { tau, r, v_leak });
            self.graph.connect(&spikes, &trace);
            self.pre[k][at].trace = Some(trace.clone());
            trace
        })
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

    /// The columns of a readout's weights, from one on, that the traces of a projection have.
    fn read_traces(&mut self, weights: &Matrix, first: usize, k: usize, output: &str) {
        for at in 0..self.pre[k].len() {
            let (Part { start, size, .. }, trace) = (self.pre[k][at].part.clone(), self.trace(k, at));
            self.read(weights, first + start, MS, (&trace, size), output);
        }
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
        self.read_traces(&weights, 0, self.network.read_from(), &output);
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
                    self.read_traces(&weights, first, k, &output);
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

    /// The spikes of a network without readouts as outputs: those of the populations that send none to another one, or all.
    fn spikes(&mut self) {
        if self.described.outputs > 0 || !self.described.readouts.is_empty() {
            return;
        }
        let speaking: Vec<_> = self.populations.iter().filter(|part| self.speaks(part)).cloned().collect();
        let sends = |part: &&Part| {
            (0..self.pre.len()).any(|k| {
                let (pre, post) = self.network.ends(k);
                let mut others = self.populations.iter().filter(|other| other.name != part.name);
                inside(part, &pre) && others.any(|other| inside(other, &post))
            })
        };
        let last: Vec<_> = speaking.iter().filter(|part| !sends(part)).cloned().collect();
        let last = if last.is_empty() { speaking } else { last };
        for part in &last {
            let name = if last.len() == 1 { "output".to_owned() } else { format!("output_{}", part.name) };
            let output = self.graph.add(&name, Node::Output { size: part.size });
            self.graph.connect(&part.name, &output);
        }
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
