//! How a description becomes a network, and a network gives its description back.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use spikegrad_models::{Locate, Reset};

use crate::memory::{self, MEMORY_LIMIT};
use crate::parameters::Layout;
use crate::placed::Placed;
use crate::populations::{Block, BlockMut, Context, ModelLoops, PopulationLoops};
use crate::projections::{Connector, Delayed, Wire, kinetics, receptor, short_term};
use crate::readout::{Readouts, filters};
use crate::ready::{Ready, current_unit, in_order, voltage_unit, weight_unit};
use crate::{Error, Feature, Group, Models, Network, NetworkSpec, Parameters, Readout, Scalar};

impl NetworkSpec {
    /// The network that is described, of the models of `spikegrad-models`: with all weights and tonic currents zero, and all
    /// other parameters as the description states them. See [`build_with`](Self::build_with) for other models.
    ///
    /// # Errors
    /// If there is no population, neuron or projection, a name occurs twice or is not known, a value is missing or out of its
    /// domain, what a projection has does not go together, or the parameters do not fit into memory.
    pub fn build(&self) -> Result<Network<f64>, Error> {
        self.build_with(&Models::new())
    }

    /// The network that is described, with models of one's own among the `models`.
    ///
    /// # Errors
    /// As [`build`](Self::build); two models of one name.
    pub fn build_with(&self, models: &Models) -> Result<Network<f64>, Error> {
        let loops = self.populations.iter().map(|population| models.find(&population.model).map(Some));
        assemble(self.clone(), &loops.collect::<Result<Vec<_>, _>>()?)
    }
}

impl<T: Scalar> Network<T> {
    /// The network as data: its populations and projections with the values that they were built with, the signs of populations
    /// and the frozen groups as they are now. Numbers, masks, frozen entries and signs of single neurons are not part of it.
    ///
    /// ```
    /// # use spikegrad_models::{GateShape, Theta};
    /// # use spikegrad_network::{Network, Population};
    /// # let population = Population::new("theta", Theta::default(), 5, GateShape::RaisedCosine, 0.3);
    /// let network = Network::builder().population(population).synapse("slow", 20.0).build()?;
    /// let again = network.spec().build()?;
    /// assert_eq!(again.spec(), network.spec());
    /// assert_eq!(again.parameters, network.parameters);
    /// # Ok::<(), spikegrad_network::Error>(())
    /// ```
    pub fn spec(&self) -> NetworkSpec {
        let mut spec = self.outline();
        for (projection, wire) in spec.projections.iter_mut().zip(&self.wires) {
            if let (Connector::Pairs(pairs), Some(list)) = (&mut projection.connector, &wire.connections) {
                // As many as there were when the network was built.
                pairs.extend(list.pairs().map(|(post, pre)| (post as u32, pre as u32)));
            }
        }
        spec
    }

    /// [`spec`](Self::spec) with no pairs in [`Connector::Pairs`], of which there may be millions;
    /// [`connections`](Self::connections) has them.
    pub fn outline(&self) -> NetworkSpec {
        let mut spec = NetworkSpec::clone(&self.description);
        for (population, place) in spec.populations.iter_mut().zip(&self.places) {
            let mut signs = self.signs[place.offset..][..place.size].iter();
            let first = signs.next().copied().flatten();
            population.sign = first.filter(|_| signs.all(|sign| *sign == first));
        }
        let frozen = self.parameters.layout().entries().iter().filter(|e| !self.is_trainable(e.group));
        spec.frozen = Some(frozen.map(|entry| entry.name.clone()).collect());
        spec.memory_limit = (self.memory_limit != MEMORY_LIMIT).then_some(self.memory_limit);
        spec
    }
}

/// The network of a description, with the models of its populations.
pub(crate) fn assemble(spec: NetworkSpec, loops: &[Option<ModelLoops>]) -> Result<Network<f64>, Error> {
    let empty = |what| Err(Error::Empty { what });
    if spec.populations.is_empty() {
        return empty("population");
    }
    if spec.projections.is_empty() {
        return empty("projection");
    }
    if spec.populations.iter().any(|p| p.size == 0) {
        return empty("neuron in one of the populations");
    }
    if spec.sources.iter().any(|source| source.channels == 0) {
        return empty("channel in one of the sources");
    }
    check_names(&spec)?;
    // A sum that overflows is more than any memory, which is found below.
    let n = spec.populations.iter().fold(0_usize, |n, p| n.saturating_add(p.size));
    let memory_limit = spec.memory_limit.unwrap_or(MEMORY_LIMIT);
    let mut wires = wires(&spec, n, memory_limit)?;
    filters(&spec, &mut wires)?;
    let read = match &spec.read_from {
        None => 0,
        Some(name) => find("projection", name, spec.projections.iter().map(|p| &p.name))?,
    };
    let ready = spec.populations.iter().zip(loops).map(|(population, &loops)| Ready::new(population, loops));
    let ready = ready.collect::<Result<Vec<_>, _>>()?;
    Models::of(ready.iter().map(|p| p.loops)).check()?;
    check_senders(&spec, &ready)?;
    let mut layout = Layout::default();
    wire_groups(&mut layout, &wires, &ready);
    let readouts = rest_of_groups(&mut layout, &spec, (n, read), &wires, &ready)?;
    let (places, rest, latch) = place(&mut layout, n, &ready)?;
    distinct("parameter", layout.names().iter().map(|named| &named.name))?;

    memory::check("the network's parameters", layout.bytes::<f64>(), memory_limit)?;
    // Channels are numbered as neurons are.
    let channels = spec.sources.iter().fold(0_usize, |all, source| all.saturating_add(source.channels));
    if n.saturating_add(channels) > u32::MAX as usize {
        return Err(Error::TooManyNeurons { neurons: n.saturating_add(channels) });
    }
    let mut parameters = Parameters::zeros(Arc::new(layout))?;
    for (k, projection) in spec.projections.iter().enumerate() {
        parameters.group_mut(Group::Tau(k)).fill(projection.tau);
        parameters.group_mut(Group::Delay(k)).fill(projection.delays().1);
        let names: Vec<_> = wires[k].parameters().map(|p| p.name.to_owned()).collect();
        let of = || format!("projection `{}`", projection.name);
        let values = in_order(of, &names, &projection.parameters)?;
        for (parameter, value) in values.into_iter().enumerate() {
            parameters.group_mut(Group::Synapse { projection: k, parameter }).fill(value);
        }
    }
    let filters = spec.readouts.iter().flat_map(Readout::filters);
    for (k, (_, tau)) in (spec.projections.len()..).zip(filters) {
        parameters.group_mut(Group::Tau(k)).fill(tau);
    }
    for (index, (place, p)) in places.iter().zip(&ready).enumerate() {
        for (parameter, &value) in p.parameters.iter().enumerate() {
            parameters.group_mut(Group::Neuron { population: index, parameter }).fill(value);
        }
        parameters.group_mut(Group::GateWidth(index)).fill(p.gate().width);
        let x = parameters.group_mut(Group::Initial);
        x[place.offset..][..place.size].fill(p.rest[0]);
        for (c, &value) in p.rest.iter().enumerate().skip(1) {
            x[place.rest + (c - 1) * place.size..][..place.size].fill(value);
        }
    }
    let frozen = frozen(&spec, parameters.layout())?;
    let mut signs = memory::room("the neurons' signs", n)?;
    for population in &spec.populations {
        signs.extend(std::iter::repeat_n(population.sign, population.size));
    }
    let inputs = spec.inputs;
    let outputs = readouts.all.last().map_or(spec.outputs, |readout| readout.outputs.end);
    let mut network = Network {
        frozen,
        frozen_entries: Vec::new(),
        parameters,
        places,
        traces: wires.last().map_or(0, |wire| wire.traces().end),
        currents: wires.last().map_or(0, |wire| wire.currents().end),
        whole: wires.iter().all(|wire| wire.is_whole(n) && wire.receptor.is_none()),
        wires,
        channels,
        read,
        readouts,
        signs,
        masks: Vec::new(),
        neurons: n,
        membrane: rest,
        latches: latch,
        inputs,
        outputs,
        memory_limit,
        description: Arc::new(without_lists(spec)),
    };
    network.note_frozen();
    let described = Arc::clone(&network.description);
    for (k, projection) in described.projections.iter().enumerate().filter(|(_, p)| !p.autapses) {
        let wire = &network.wires[k];
        // A list of connections leaves them out already.
        if wire.connections.is_none() && wire.pre == wire.post {
            if wire.rank.is_some() {
                let (feature, other) = (Feature::LowRank, Feature::Mask);
                return Err(Error::Excluded { projection: projection.name.clone(), feature, other });
            }
            network.set_mask(Group::Weight(k), |post, pre| post != pre)?;
        }
    }
    network.check_receptors()?;
    network.validate()?;
    Ok(network)
}

/// The description without what its wires hold anyway.
fn without_lists(mut spec: NetworkSpec) -> NetworkSpec {
    for projection in &mut spec.projections {
        if let Connector::Pairs(pairs) = &mut projection.connector {
            *pairs = Vec::new();
        }
    }
    spec
}

/// The groups that are not trained.
fn frozen(spec: &NetworkSpec, layout: &Layout) -> Result<HashSet<Group>, Error> {
    let entries = layout.entries();
    let Some(names) = &spec.frozen else {
        let frozen = entries.iter().map(|e| e.group).filter(|g| {
            let weights = matches!(g, Group::Weight(_) | Group::Left(_) | Group::Right(_));
            !weights && !matches!(g, Group::Input | Group::Bias | Group::Readout(_))
        });
        return Ok(frozen.collect());
    };
    distinct("frozen group", names.iter())?;
    let group = |name: &String| {
        Ok(entries[find("group of parameters", name, entries.iter().map(|e| &e.name))?].group)
    };
    names.iter().map(group).collect()
}

/// Refuses names that occur twice or would make two parameters of one name.
fn check_names(spec: &NetworkSpec) -> Result<(), Error> {
    let populations = spec.populations.iter().map(|p| ("population", &p.name));
    let projections = spec.projections.iter().map(|p| ("projection", &p.name));
    let sources = spec.sources.iter().map(|source| ("source", &source.name));
    distinct("population", spec.populations.iter().map(|p| &p.name))?;
    distinct("projection", spec.projections.iter().map(|p| &p.name))?;
    let readouts = spec.readouts.iter().map(|readout| ("readout", &readout.name));
    let all = populations.chain(projections).chain(sources).chain(readouts);
    for (what, name) in all.clone() {
        let why = if name == "input" || name == "readout" {
            "the network's own weights of input and readout have this name"
        } else if name.is_empty() || name.contains('.') {
            "the name of a parameter is this name, a full stop and what it is"
        } else {
            continue;
        };
        return Err(Error::Name { what, name: name.clone(), why });
    }
    distinct("population, projection, source or readout", all.map(|(_, name)| name))
}

/// Refuses projections from a population that never spikes.
fn check_senders(spec: &NetworkSpec, ready: &[Ready<'_>]) -> Result<(), Error> {
    for projection in &spec.projections {
        let from = projection.between.as_ref().map(|ends| &ends.pre);
        if let Some(p) = ready.iter().find(|p| Some(&p.spec.name) == from && !p.spikes()) {
            let (projection, population) = (projection.name.clone(), p.spec.name.clone());
            return Err(Error::NeverSpikes { projection, population });
        }
    }
    Ok(())
}

/// The neurons of a population, or the channels of a source, which are numbered after the neurons.
pub(crate) fn neurons(spec: &NetworkSpec, what: &'static str, name: &str) -> Result<Range<usize>, Error> {
    let populations = spec.populations.iter().map(|p| (&p.name, p.size));
    let parts = populations.chain(spec.sources.iter().map(|source| (&source.name, source.channels)));
    let index = find(what, name, parts.clone().map(|(name, _)| name))?;
    let mut ends = parts.scan(0_usize, |end, (_, size)| {
        let start = *end;
        *end = end.saturating_add(size);
        Some(start..*end)
    });
    Ok(ends.nth(index).unwrap_or_default())
}

/// Where each projection lies between `n` neurons.
fn wires(spec: &NetworkSpec, n: usize, memory_limit: usize) -> Result<Vec<Wire>, Error> {
    let (mut trace, mut current) = (0_usize, 0_usize);
    let mut wires = Vec::with_capacity(spec.projections.len());
    for projection in &spec.projections {
        let (pre, post) = match &projection.between {
            None => (0..n, 0..n),
            Some(ends) => {
                (neurons(spec, "population or source", &ends.pre)?, neurons(spec, "population", &ends.post)?)
            }
        };
        if post.start >= n {
            return Err(Error::IntoSource { projection: projection.name.clone() });
        }
        let (name, rank) = (projection.name.clone(), projection.rank);
        let own_taus = projection.tau_per_neuron;
        let most = pre.len().min(post.len());
        if let Some(rank) = rank
            && (rank == 0 || rank > most)
        {
            return Err(Error::Rank { projection: name, rank, most });
        }
        let autapses = projection.autapses || pre != post;
        let sizes = (post.len(), pre.len());
        let connections = projection.connector.connect(&name, sizes, autapses, memory_limit)?;
        let delayed = projection.delays().0;
        let kinetics = kinetics(&projection.kinetics)?;
        let short_term = projection.short_term.as_deref().map(short_term).transpose()?;
        let receptor = projection.receptor.as_deref().map(receptor).transpose()?;
        let (traces, currents) = (pre.len(), post.len());
        wires.push(Wire {
            name,
            pre,
            post,
            trace,
            current,
            delayed,
            rank,
            connections,
            own_taus,
            kinetics,
            short_term,
            receptor,
        });
        (trace, current) = (trace.saturating_add(traces), current.saturating_add(currents));
    }
    Ok(wires)
}

/// The weights of all projections.
fn wire_groups(layout: &mut Layout, wires: &[Wire], ready: &[Ready<'_>]) {
    for (k, Wire { name, pre, post, rank, connections, receptor, .. }) in wires.iter().enumerate() {
        let voltage = if receptor.is_some() { voltage_unit(ready, post.clone()) } else { "1" };
        let unit = match (current_unit(ready, post.clone()), voltage) {
            ("various", _) | (_, "various") => "various".to_owned(),
            (current, "1") => weight_unit(current),
            (current, voltage) => format!("{}/{voltage}", weight_unit(current)),
        };
        if post.is_empty() {
            continue;
        }
        match (rank, connections) {
            (Some(rank), _) => {
                layout.push(Group::Left(k), format!("{name}.left"), &[post.len(), *rank], &unit);
                layout.push(Group::Right(k), format!("{name}.right"), &[*rank, pre.len()], "1");
            }
            (None, Some(list)) => {
                layout.push(Group::Weight(k), format!("{name}.weight"), &[list.len()], &unit);
            }
            (None, None) => {
                layout.push(Group::Weight(k), format!("{name}.weight"), &[post.len(), pre.len()], &unit);
            }
        }
    }
}

/// Weights of inputs, tonic currents, readout, time constants and delays.
fn rest_of_groups(
    layout: &mut Layout,
    spec: &NetworkSpec,
    (n, read): (usize, usize),
    wires: &[Wire],
    ready: &[Ready<'_>],
) -> Result<Readouts, Error> {
    layout.push(Group::Input, "input.weight".into(), &[n, spec.inputs], current_unit(ready, 0..n));
    let bias = layout.push_group(Group::Bias, "bias".into(), n, 1).start;
    let mut from = 0_usize;
    for p in ready {
        let (name, size) = (format!("{}.bias", p.spec.name), p.spec.size);
        layout.push_part(Group::Bias, name, bias, from, size, p.loops.of::<f64>().current());
        from = from.saturating_add(size);
    }
    // Outputs have no unit.
    let read = wires[read].pre.len();
    layout.push(Group::Readout(0), "readout.weight".into(), &[spec.outputs, read], "ms");
    let voltage = |name: &str| {
        let index = find("population", name, spec.populations.iter().map(|p| &p.name))?;
        Ok((neurons(spec, "population", name)?, ready[index].voltage()))
    };
    let readouts = Readouts::place(spec, wires, voltage, layout)?;
    for (k, wire) in wires.iter().enumerate() {
        let taus = if wire.own_taus { wire.pre.len() } else { 1 };
        layout.push(Group::Tau(k), format!("{}.tau", wire.name), &[taus], "ms");
        for (parameter, info) in wire.parameters().enumerate() {
            let group = Group::Synapse { projection: k, parameter };
            let voltage = || voltage_unit(ready, wire.post.clone());
            let unit = if info.unit == "voltage" { voltage() } else { info.unit };
            layout.push(group, format!("{}.{}", wire.name, info.name), &[1], unit);
        }
    }
    for (k, Wire { name, pre, post, connections, delayed, .. }) in wires.iter().enumerate() {
        let name = format!("{name}.delay");
        match (delayed, connections) {
            (Delayed::Not, _) => {}
            (Delayed::Axonal, _) => layout.push(Group::Delay(k), name, &[pre.len()], "ms"),
            (Delayed::Connections, Some(list)) => layout.push(Group::Delay(k), name, &[list.len()], "ms"),
            (Delayed::Connections, None) => {
                layout.push(Group::Delay(k), name, &[post.len(), pre.len()], "ms");
            }
        }
    }
    Ok(readouts)
}

/// Where the populations of `n` neurons lie, with their parameters and their initial states, and the numbers of membrane variables
/// and of latches.
fn place(layout: &mut Layout, n: usize, ready: &[Ready<'_>]) -> Result<(Vec<Placed>, usize, usize), Error> {
    let mut places = Vec::new();
    let (mut offset, mut rest, mut latch) = (0_usize, n, 0_usize);
    for (index, p) in ready.iter().enumerate() {
        let (of_model, name, size) = (p.loops.of::<f64>(), &p.spec.name, p.spec.size);
        let each = if p.spec.per_neuron { size } else { 1 };
        let start = layout.len();
        for (parameter, info) in of_model.parameters().iter().enumerate() {
            let group = Group::Neuron { population: index, parameter };
            layout.push(group, format!("{name}.{}", info.name), &[each], info.unit);
        }
        let parameters = start..layout.len();
        let spikes = p.spikes();
        if spikes != p.spec.gate.is_some() {
            return Err(Error::Gate { population: name.clone(), model: of_model.model(), spikes });
        }
        let width = spikes.then(|| layout.len());
        if spikes {
            layout.push(Group::GateWidth(index), format!("{name}.gate_width"), &[1], p.voltage());
        }
        let dim = of_model.dim();
        let probe = p.probe();
        let hard = matches!(of_model.reset(&probe, 0), Reset::To { .. });
        if hard != (of_model.locate() != Locate::No) {
            return Err(Error::Locate { population: name.clone(), hard });
        }
        if of_model.locate() == Locate::ClosedForm && !is_affine(&probe, of_model) {
            return Err(Error::NotAffine { population: name.clone() });
        }
        let latches = if of_model.keeps(&probe) { size } else { 0 };
        places.push(Placed {
            name: name.clone(),
            offset,
            size,
            rest,
            latch,
            latches,
            dim,
            shape: p.gate().shape,
            per_neuron: p.spec.per_neuron,
            loops: p.loops,
            parameters,
            width,
            trains_neurons: false,
            trains_width: false,
        });
        offset = offset.saturating_add(size);
        rest = rest.saturating_add(size.saturating_mul(dim - 1));
        latch = latch.saturating_add(latches);
    }
    let initial = layout.push_group(Group::Initial, "initial".into(), rest, 1).start;
    for (place, p) in places.iter().zip(ready) {
        for (c, variable) in p.variables.iter().enumerate() {
            let unit = p.loops.of::<f64>().variables().get(c).map_or("1", |variable| variable.unit);
            let behind = c.saturating_sub(1).saturating_mul(place.size);
            let from = if c == 0 { place.offset } else { place.rest.saturating_add(behind) };
            let name = format!("{}.initial.{variable}", place.name);
            layout.push_part(Group::Initial, name, initial, from, place.size, unit);
        }
    }
    Ok((places, rest, latch))
}

/// Whether a model's `f` is affine in its only variable, at a rate that does not depend on the current, to rounding, between
/// rest and threshold.
fn is_affine(at: &Context<'_, f64>, of_model: &dyn PopulationLoops<f64>) -> bool {
    let f = |v: f64, current: f64| {
        let mut f = [0.0];
        let x = Block { v: &[v], rest: &[], latch: &[] };
        of_model.rhs(at, x, &[current], BlockMut { v: &mut f, rest: &mut [], latch: &mut [] });
        f[0]
    };
    if of_model.dim() != 1 {
        return false;
    }
    let (low, rate) = (f(0.0, 0.1), f(1.0, 0.0) - f(0.0, 0.0));
    let scale = low.abs().max(rate.abs()).max(f64::MIN_POSITIVE);
    [0.25, 0.5, 1.0].iter().all(|&v| (f(v, 0.1) - low - v * rate).abs() <= 1e-12 * scale)
}

/// The place of a name among those that there are.
pub(crate) fn find<'a>(
    what: &'static str,
    name: &str,
    names: impl Iterator<Item = &'a String> + Clone,
) -> Result<usize, Error> {
    names.clone().position(|n| n == name).ok_or_else(|| {
        let known = names.map(String::as_str).collect::<Vec<_>>().join(", ");
        Error::Unknown { what, name: name.to_owned(), known }
    })
}

/// Refuses a name that occurs twice.
fn distinct<'a>(what: &'static str, mut names: impl Iterator<Item = &'a String>) -> Result<(), Error> {
    let mut seen = HashSet::new();
    match names.find(|name| !seen.insert(*name)) {
        Some(name) => Err(Error::Duplicate { what, name: name.clone() }),
        None => Ok(()),
    }
}
