//! A graph as a network.
//!
//! What a graph says of a current is found by going back from a neuron over linear nodes to synapses and inputs.

use std::collections::BTreeMap;

use spikegrad_models::{GateShape, LeakyIntegrator, Lif, Nif};
use spikegrad_network::{Connector, Network, Population, Projection, Readout};

use crate::error::Error;
use crate::graph::{Graph, MS, Matrix, Node, UNUSED};

/// Neurons of the network that a node becomes.
#[derive(Clone, Debug)]
struct Neurons {
    name: String,
    /// What a unit of NIR's current per second is here, a charge per millisecond, for each neuron.
    gain: Vec<f64>,
    /// The tonic current that the leak potential is.
    leak: Vec<f64>,
}

/// What a linear path begins with.
#[derive(Clone, Debug, PartialEq)]
enum Begin {
    /// The inputs.
    Input,
    /// The filter of a synapse.
    Trace(String),
    /// The voltages of leaky integrators.
    Voltages(String),
    /// The spikes of neurons, without a filter, and their delays.
    Spikes(String, Option<Vec<f64>>),
}

/// A linear path to a node: from where, by which weights, with which constant.
#[derive(Clone, Debug)]
struct Reach {
    begin: Begin,
    /// The linear node, if there is one.
    linear: Option<String>,
    weight: Matrix,
    bias: Vec<f64>,
}

/// The filter of a synapse: whose spikes it filters, how late, and with which time constants.
#[derive(Clone, Debug)]
struct Trace {
    from: String,
    delay: Option<Vec<f64>>,
    tau: Vec<f64>,
    r: Vec<f64>,
}

struct Import<'g> {
    graph: &'g Graph,
    neurons: BTreeMap<String, Neurons>,
    traces: BTreeMap<String, Trace>,
    input: Option<String>,
}

/// The network of a graph; its spiking neurons get gates of this shape and width, which NIR does not have.
///
/// # Errors
/// [`Error::Unsupported`] for the first thing that has no counterpart, by its name; [`Error::Graph`] for a graph that is not whole;
/// [`Error::Network`] for numbers out of their domains.
pub fn import(graph: &Graph, shape: GateShape, width: f64) -> Result<Network<f64>, Error> {
    graph.check()?;
    let mut import = Import { graph, neurons: BTreeMap::new(), traces: BTreeMap::new(), input: None };
    import.sort_nodes()?;
    import.network(shape, width)
}

/// A name that a network can have.
fn plain(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c == '.' || c.is_whitespace() { '_' } else { c }).collect();
    if matches!(plain.as_str(), "input" | "readout" | "bias" | "initial") {
        format!("{plain}_node")
    } else {
        plain
    }
}

fn millis(times: &[f64]) -> Vec<f64> {
    times.iter().map(|time| time / MS).collect()
}

/// One value for all, if they are alike.
fn alike(values: &[f64]) -> Option<f64> {
    values.first().copied().filter(|first| values.iter().all(|value| value == first))
}

impl Import<'_> {
    /// What each node is: neurons, the filter of a synapse, the input.
    fn sort_nodes(&mut self) -> Result<(), Error> {
        for (name, node) in &self.graph.nodes {
            let what = || format!("node `{name}` ({})", node.kind());
            match node {
                Node::If { r, v_threshold, v_reset } => {
                    if v_threshold.iter().any(|&v| v != 1.0) || v_reset.iter().any(|&v| v != 0.0) {
                        let why = "its threshold must be 1 and its reset 0: divide its weights and potentials by the threshold";
                        return Err(Error::unsupported(what(), why));
                    }
                    let gain = r.iter().map(|r| r * MS).collect();
                    self.add(name, gain, vec![0.0; r.len()]);
                }
                Node::Lif { tau, r, v_leak, .. } | Node::CubaLif { tau_mem: tau, r, v_leak, .. } => {
                    self.leaky(name, tau, r, v_leak);
                }
                Node::Li { tau, r, v_leak } => {
                    // What filters spikes is a synapse, what integrates currents is a neuron.
                    let before: Vec<&str> = self.graph.before(name).collect();
                    match self.spiking_source(&before)? {
                        Some((from, delay)) => {
                            if v_leak.iter().any(|&v| v != 0.0) {
                                let why = "the filter of a synapse cannot have a leak potential: set it to 0";
                                return Err(Error::unsupported(what(), why));
                            }
                            let trace = Trace { from, delay, tau: millis(tau), r: r.clone() };
                            self.traces.insert(name.clone(), trace);
                        }
                        None => self.leaky(name, tau, r, v_leak),
                    }
                }
                Node::Input { .. } => {
                    let mut behind = self.graph.behind(name);
                    if behind.any(|to| {
                        matches!(self.graph.nodes.get(to), Some(Node::Li { .. } | Node::Delay { .. }))
                    }) {
                        let why = "spikes that come from outside are not read: a network has them from an event source";
                        return Err(Error::unsupported(what(), why));
                    }
                    if let Some(other) = self.input.replace(name.clone()) {
                        let why = format!("there is another input, `{other}`: join them into one");
                        return Err(Error::unsupported(what(), why));
                    }
                }
                Node::Affine { .. } | Node::Linear { .. } | Node::Delay { .. } | Node::Output { .. } => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, gain: Vec<f64>, leak: Vec<f64>) {
        self.neurons.insert(name.to_owned(), Neurons { name: plain(name), gain, leak });
    }

    fn leaky(&mut self, name: &str, tau: &[f64], r: &[f64], v_leak: &[f64]) {
        // Where the resistance is the time constant, currents are those of here.
        let gain = r.iter().zip(tau).map(|(r, tau)| if r == tau { MS } else { r / (tau / MS) }).collect();
        let leak =
            v_leak.iter().zip(tau).map(|(v, tau)| if *v == 0.0 { 0.0 } else { v / tau * MS }).collect();
        self.add(name, gain, leak);
    }

    /// The spiking neurons that are all that is before a node, and the delay between.
    fn spiking_source(&self, before: &[&str]) -> Result<Option<Origin>, Error> {
        let [before] = before else { return Ok(None) };
        let node = self.graph.node(before)?;
        if node.spikes() {
            return Ok(Some(((*before).to_owned(), None)));
        }
        let Node::Delay { delay } = node else { return Ok(None) };
        let earlier: Vec<&str> = self.graph.before(before).collect();
        match earlier[..] {
            [from] if self.graph.node(from)?.spikes() => Ok(Some((from.to_owned(), Some(millis(delay))))),
            _ => Err(Error::unsupported(
                format!("node `{before}` (Delay)"),
                "a delay must come right behind the neurons whose spikes it delays",
            )),
        }
    }

    /// All linear paths that end at a node.
    fn reaches(&self, name: &str) -> Result<Vec<Reach>, Error> {
        let mut all = Vec::new();
        for from in self.graph.before(name) {
            let node = self.graph.node(from)?;
            let size = node.sizes().1;
            let begin = |begin: Begin| Reach {
                begin,
                linear: None,
                weight: Matrix::identity(size),
                bias: vec![0.0; size],
            };
            match node {
                Node::Linear { weight } => all.extend(self.through(from, weight, &vec![0.0; weight.rows])?),
                Node::Affine { weight, bias } => all.extend(self.through(from, weight, bias)?),
                Node::Input { .. } => all.push(begin(Begin::Input)),
                Node::Li { .. } if self.traces.contains_key(from) => {
                    all.push(begin(Begin::Trace(from.to_owned())))
                }
                Node::Li { .. } => all.push(begin(Begin::Voltages(from.to_owned()))),
                node => {
                    if let Some((neurons, delay)) = self.spiking_source(&[from])? {
                        all.push(begin(Begin::Spikes(neurons, delay)));
                        continue;
                    }
                    let why = format!("it leads to `{name}`, which has no counterpart here");
                    return Err(Error::unsupported(format!("node `{from}` ({})", node.kind()), why));
                }
            }
        }
        Ok(all)
    }

    /// The paths to a linear node, with its weights behind them.
    fn through(&self, name: &str, weight: &Matrix, bias: &[f64]) -> Result<Vec<Reach>, Error> {
        for from in self.graph.before(name) {
            if self.graph.node(from)?.weight().is_some() {
                let why = format!("it follows `{from}`, which is linear, too: multiply them into one");
                return Err(Error::unsupported(format!("node `{name}`"), why));
            }
        }
        let mut paths = self.reaches(name)?;
        if paths.is_empty() && bias.iter().any(|&bias| bias != 0.0) {
            return Err(Error::graph(format!("node `{name}`"), "has a bias and nothing before it"));
        }
        for (index, path) in paths.iter_mut().enumerate() {
            path.linear = Some(name.to_owned());
            path.weight = weight.clone();
            // What several paths have in common is added once.
            path.bias = if index == 0 { bias.to_vec() } else { vec![0.0; weight.rows] };
        }
        Ok(paths)
    }

    fn network(&self, shape: GateShape, width: f64) -> Result<Network<f64>, Error> {
        let mut builder = Network::builder();
        if let Some(Node::Input { size }) = self.input.as_ref().and_then(|name| self.graph.nodes.get(name)) {
            builder = builder.inputs(*size);
        }
        for (name, neurons) in &self.neurons {
            builder = builder.population(population(self.graph.node(name)?, &neurons.name, shape, width));
        }
        let (mut projections, inputs, bias) = self.currents()?;
        self.name_projections(&mut projections);
        for projection in &projections {
            builder = builder.projection(self.described(projection));
        }
        if projections.is_empty()
            && let Some(neurons) = self.neurons.values().find(|neurons| !self.is_silent(neurons))
        {
            // A network has one; this one does nothing and has as few numbers as can be.
            let unused = Projection::new(UNUSED, 1.0).between(&neurons.name, &neurons.name);
            builder = builder.projection(unused.connected(Connector::OneToOne));
        }
        let outputs = self.outputs(&projections)?;
        for output in &outputs {
            builder = match output {
                Output::Own { projection, weight } => builder.outputs(weight.rows).read_from(projection),
                Output::Named { readout, .. } => builder.readout(readout.clone()),
            };
        }
        let mut network = builder.build()?;
        self.write_neurons(&mut network)?;
        for Wired { name, weight, trace, .. } in &projections {
            write(&mut network, &format!("{name}.weight"), weight)?;
            spread(&mut network, &format!("{name}.tau"), &trace.tau)?;
            if let Some(delay) = &trace.delay {
                spread(&mut network, &format!("{name}.delay"), delay)?;
            }
        }
        let ranges: BTreeMap<String, usize> =
            network.populations().map(|(name, range)| (name.to_owned(), range.start)).collect();
        for (population, weight) in inputs {
            let mut input = network.parameters.input_mut();
            for row in 0..weight.rows {
                for column in 0..weight.columns {
                    input[(ranges[&population] + row, column)] +=
                        weight.values[row * weight.columns + column];
                }
            }
        }
        for (population, of_path) in bias {
            let start = ranges[&population];
            let all = network.parameters.bias_mut()[start..].iter_mut();
            all.zip(of_path).for_each(|(bias, of_path)| *bias += of_path);
        }
        for output in outputs {
            match output {
                Output::Own { weight, .. } => write(&mut network, "readout.weight", &weight)?,
                Output::Named { readout, weight } => {
                    write(&mut network, &format!("{}.weight", readout.name()), &weight)?;
                }
            }
        }
        network.validate()?;
        Ok(network)
    }

    /// Whether neurons never spike.
    fn is_silent(&self, neurons: &Neurons) -> bool {
        let node = self.neurons.iter().find(|(_, other)| other.name == neurons.name);
        node.is_some_and(|(node, _)| matches!(self.graph.nodes.get(node), Some(Node::Li { .. })))
    }

    /// What comes to each population: from synapses, from the inputs, and constant.
    fn currents(&self) -> Result<Currents, Error> {
        let (mut projections, mut inputs, mut bias) = (Vec::new(), Vec::new(), Vec::new());
        for (name, neurons) in &self.neurons {
            bias.push((neurons.name.clone(), neurons.leak.clone()));
            let filter = match self.graph.node(name)? {
                Node::CubaLif { tau_syn, w_in, .. } => Some((millis(tau_syn), w_in)),
                _ => None,
            };
            let refused = |why: &str| Err(Error::unsupported(format!("node `{name}`"), why));
            for path in self.reaches(name)? {
                let gain = &neurons.gain;
                if path.bias.iter().any(|&bias| bias != 0.0) {
                    if filter.is_some() {
                        return refused(
                            "a constant current goes through its synapse: make it a LIF behind an LI",
                        );
                    }
                    let of_path = path.bias.iter().zip(gain).map(|(bias, gain)| bias * gain).collect();
                    bias.push((neurons.name.clone(), of_path));
                }
                let mut weight = path.weight;
                match (&path.begin, &filter) {
                    (Begin::Input, None) => {
                        weight.scale(|row, _| gain[row]);
                        inputs.push((neurons.name.clone(), weight));
                    }
                    (Begin::Trace(node), None) => {
                        let trace = self.traces[node].clone();
                        // A trace of NIR is a thousand of here, a current likewise.
                        weight.scale(|row, column| gain[row] / MS * trace.r[column]);
                        let (name, node, target) = (node.clone(), Some(node.clone()), name.clone());
                        projections.push(Wired { name, node, trace, weight, target });
                    }
                    (Begin::Spikes(from, delay), Some((tau_syn, w_in))) => {
                        let Some(tau) = alike(tau_syn) else {
                            return refused(
                                "its synapses have different time constants, which belong to the neurons before them here",
                            );
                        };
                        weight.scale(|row, _| gain[row] / MS * w_in[row]);
                        let size = weight.columns;
                        let trace = Trace {
                            from: from.clone(),
                            delay: delay.clone(),
                            tau: vec![tau; size],
                            r: vec![1.0; size],
                        };
                        // As an export names the weights of a projection.
                        let named = path.linear.as_deref().and_then(|linear| linear.strip_suffix("_weight"));
                        let label = named.map_or_else(|| format!("{from}_{name}"), str::to_owned);
                        let node = self.same_trace(&label, name, &trace);
                        let target = name.clone();
                        projections.push(Wired { name: label, node, trace, weight, target });
                    }
                    (Begin::Spikes(from, _), None) => {
                        return refused(&format!(
                            "spikes of `{from}` reach it without a synapse: put an LI between them"
                        ));
                    }
                    (Begin::Voltages(from), _) => {
                        return refused(&format!(
                            "voltages of `{from}` reach it, and neurons here send spikes"
                        ));
                    }
                    (Begin::Input | Begin::Trace(_), Some(_)) => {
                        return refused(
                            "currents go through its synapse: make it a LIF, with an LI behind the neurons that spike",
                        );
                    }
                }
            }
        }
        Ok((projections, inputs, bias))
    }

    /// The filter that an output reads and that bears the name of a projection into a node which has the synapse inside.
    fn same_trace(&self, label: &str, target: &str, of_projection: &Trace) -> Option<String> {
        let suffix = format!("_{target}");
        let mut names = [Some(label), label.strip_suffix(&suffix)].into_iter().flatten();
        let same = |trace: &Trace| {
            trace.from == of_projection.from
                && trace.delay == of_projection.delay
                && trace.tau == of_projection.tau
        };
        names.find(|name| self.traces.get(*name).is_some_and(same)).map(str::to_owned)
    }

    /// Gives each projection a name of its own: that of its filter, with that of its target where the filter has several.
    fn name_projections(&self, projections: &mut [Wired]) {
        let labels: Vec<String> = projections.iter().map(|wired| wired.name.clone()).collect();
        let mut taken: Vec<String> = self.neurons.values().map(|neurons| neurons.name.clone()).collect();
        for (wired, label) in projections.iter_mut().zip(&labels) {
            let shared = labels.iter().filter(|other| *other == label).count() > 1;
            let target = &self.neurons[&wired.target].name;
            let mut name = plain(&if shared { format!("{label}_{target}") } else { label.clone() });
            while taken.contains(&name) {
                name += "_2";
            }
            taken.push(name.clone());
            wired.name = name;
        }
    }

    fn described(&self, wired: &Wired) -> Projection {
        let Wired { name, trace, target, .. } = wired;
        let (pre, post) = (&self.neurons[&trace.from].name, &self.neurons[target].name);
        let first = trace.tau.first().copied().unwrap_or(1.0);
        let mut projection = Projection::new(name, first).between(pre, post);
        if alike(&trace.tau).is_none() {
            projection = projection.tau_per_neuron();
        }
        match trace.delay.as_ref().and_then(|delay| delay.first()) {
            Some(&delay) => projection.axonal_delays(delay),
            None => projection,
        }
    }

    /// What each output reads.
    fn outputs(&self, projections: &[Wired]) -> Result<Vec<Output>, Error> {
        let mut all = Vec::new();
        for (name, node) in &self.graph.nodes {
            let Node::Output { size } = node else { continue };
            let paths = self.reaches(name)?;
            if paths.iter().any(|path| path.bias.iter().any(|&bias| bias != 0.0)) {
                return Err(Error::unsupported(
                    format!("node `{name}` (Output)"),
                    "it has a bias, which readouts here have not",
                ));
            }
            let of_trace = |node: &str| projections.iter().find(|wired| wired.node.as_deref() == Some(node));
            if let [Reach { begin: Begin::Trace(node), weight, .. }] = &paths[..]
                && name == "output"
                && let Some(wired) = of_trace(node)
            {
                let mut weight = weight.clone();
                weight.scale(|_, column| self.traces[node].r[column] / MS);
                all.push(Output::Own { projection: wired.name.clone(), weight });
                continue;
            }
            let mut readout = Readout::new(&plain(name), *size);
            let mut parts = Vec::new();
            for Reach { begin, mut weight, .. } in paths {
                readout = match begin {
                    Begin::Trace(node) => {
                        let trace = &self.traces[&node];
                        weight.scale(|_, column| trace.r[column] / MS);
                        match (of_trace(&node), alike(&trace.tau), &trace.delay) {
                            (Some(wired), ..) => readout.traces(&wired.name),
                            (None, Some(tau), None) => readout.filtered(&self.neurons[&trace.from].name, tau),
                            (None, ..) => {
                                let why = "only an output reads it, and there it can have one time constant and no delay";
                                return Err(Error::unsupported(format!("node `{node}` (LI)"), why));
                            }
                        }
                    }
                    Begin::Voltages(node) => readout.voltages(&self.neurons[&node].name),
                    // Spikes are outputs of a run as they are.
                    Begin::Spikes(_, None) => continue,
                    Begin::Spikes(from, Some(_)) => {
                        let why = format!(
                            "it has the spikes of `{from}` with a delay, which outputs here have not"
                        );
                        return Err(Error::unsupported(format!("node `{name}` (Output)"), why));
                    }
                    Begin::Input => {
                        let why = "it reads the input, which no readout does";
                        return Err(Error::unsupported(format!("node `{name}` (Output)"), why));
                    }
                };
                parts.push(weight);
            }
            if !parts.is_empty() {
                all.push(Output::Named { readout, weight: Matrix::beside(&parts) });
            }
        }
        Ok(all)
    }

    /// The parameters of the neurons.
    fn write_neurons(&self, network: &mut Network<f64>) -> Result<(), Error> {
        for (name, Neurons { name: population, .. }) in &self.neurons {
            let of = |what: &str| format!("{population}.{what}");
            match self.graph.node(name)? {
                Node::Lif { tau, v_threshold, v_reset, .. }
                | Node::CubaLif { tau_mem: tau, v_threshold, v_reset, .. } => {
                    spread(network, &of("tau_v"), &millis(tau))?;
                    spread(network, &of("v_theta"), v_threshold)?;
                    spread(network, &of("v_reset"), v_reset)?;
                }
                Node::Li { tau, .. } => spread(network, &of("tau_v"), &millis(tau))?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// A projection that a graph has.
#[derive(Clone, Debug)]
struct Wired {
    name: String,
    /// The node that filters; there is none if the neurons behind it do and no output reads the traces.
    node: Option<String>,
    trace: Trace,
    weight: Matrix,
    /// The node of the neurons behind it.
    target: String,
}

/// Currents: from synapses, from the inputs into populations, and constant ones.
type Currents = (Vec<Wired>, Vec<(String, Matrix)>, Vec<(String, Vec<f64>)>);

/// The neurons whose spikes are filtered, and the delay of each.
type Origin = (String, Option<Vec<f64>>);

/// What an output of a graph becomes.
enum Output {
    Own { projection: String, weight: Matrix },
    Named { readout: Readout, weight: Matrix },
}

/// The neurons of a node.
fn population(node: &Node, name: &str, shape: GateShape, width: f64) -> Population {
    let first = |values: &[f64]| values.first().copied().unwrap_or_default();
    let own = |all: &[&Vec<f64>], population: Population| {
        if all.iter().all(|values| alike(values).is_some()) { population } else { population.per_neuron() }
    };
    match node {
        Node::Lif { tau, v_threshold, v_reset, .. }
        | Node::CubaLif { tau_mem: tau, v_threshold, v_reset, .. } => {
            let lif = Lif { tau_v: first(tau) / MS, v_theta: first(v_threshold), v_reset: first(v_reset) };
            own(&[tau, v_threshold, v_reset], Population::new(name, lif, tau.len(), shape, width))
        }
        Node::Li { tau, .. } => {
            let model = LeakyIntegrator { tau_v: first(tau) / MS };
            own(&[tau], Population::without_spikes(name, model, tau.len()))
        }
        node => Population::new(name, Nif, node.sizes().1, shape, width),
    }
}

/// Writes a matrix to a parameter.
fn write(network: &mut Network<f64>, name: &str, weight: &Matrix) -> Result<(), Error> {
    let values = network.parameters.get_mut(name)?;
    for row in 0..weight.rows {
        for column in 0..weight.columns {
            // Parameters are column-major.
            values[column * weight.rows + row] = weight.values[row * weight.columns + column];
        }
    }
    Ok(())
}

/// Writes a value for each neuron to a parameter that has one for each, or one for all.
fn spread(network: &mut Network<f64>, name: &str, values: &[f64]) -> Result<(), Error> {
    let target = network.parameters.get_mut(name)?;
    target.iter_mut().zip(values).for_each(|(target, value)| *target = *value);
    Ok(())
}
