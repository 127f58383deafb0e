//! Readouts with names, beside the network's own: weighted sums of traces or of voltages.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use spikegrad_models::{ExponentialSynapse, Kinetics};

use crate::assemble::{find, neurons};
use crate::parameters::Layout;
use crate::projections::{Connector, Delayed, Wire, kinetics};
use crate::{Error, Group, NetworkSpec};

/// A readout with a name: outputs `o = O r` of its own, weighted sums of what [`traces`](Self::traces),
/// [`filtered`](Self::filtered) and [`voltages`](Self::voltages) name, one behind the other. Its outputs follow those of the
/// network's own readout and of the readouts before it, in a loss, in targets and in recordings.
///
/// ```
/// use spikegrad_models::{GateShape, Lif};
/// use spikegrad_network::{Network, Population, Projection, Readout};
///
/// let network = Network::builder()
///     .population(Population::new("hidden", Lif::default(), 20, GateShape::RaisedCosine, 0.3))
///     .projection(Projection::new("fast", 5.0))
///     .outputs(1)
///     .readout(Readout::new("choice", 2).filtered("hidden", 50.0))
///     .readout(Readout::new("speed", 1).traces("fast"))
///     .build()?;
/// assert_eq!(network.outputs(), 4);
/// assert_eq!(network.parameters.readout(1).shape(), (2, 20));
/// assert_eq!(network.parameters.get("choice.hidden.tau")?, [50.0]);
/// let outputs: Vec<_> = network.readouts().collect();
/// assert_eq!(outputs, [("readout", 0..1), ("choice", 1..3), ("speed", 3..4)]);
/// # Ok::<(), spikegrad_network::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Readout {
    pub(crate) name: String,
    pub(crate) outputs: usize,
    pub(crate) from: Vec<ReadFrom>,
}

/// What a readout reads, as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ReadFrom {
    /// The traces of a projection.
    Traces(String),
    /// Traces of a population or source, with a time constant of their own, ms.
    Filtered { population: String, tau: f64 },
    /// The voltages of a population.
    Voltages(String),
}

impl Readout {
    /// A readout of so many outputs that reads nothing yet.
    pub fn new(name: &str, outputs: usize) -> Self {
        Self { name: name.to_owned(), outputs, from: Vec::new() }
    }

    /// Reads the traces of a projection, one for each of its presynaptic neurons.
    #[must_use]
    pub fn traces(mut self, projection: &str) -> Self {
        self.from.push(ReadFrom::Traces(projection.to_owned()));
        self
    }

    /// Reads a population, or a source, through exponential synapses of the readout's own, with a time constant in ms. The
    /// parameter is called `READOUT.POPULATION.tau`.
    #[must_use]
    pub fn filtered(mut self, population: &str, tau: f64) -> Self {
        self.from.push(ReadFrom::Filtered { population: population.to_owned(), tau });
        self
    }

    /// Reads the voltages of a population, one for each neuron: of leaky integrators, or of neurons whose voltage does not jump.
    /// No gradient of a sum over grid points contains what a jump adds to the integral when spikes move.
    #[must_use]
    pub fn voltages(mut self, population: &str) -> Self {
        self.from.push(ReadFrom::Voltages(population.to_owned()));
        self
    }

    /// The readout's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The populations that it reads through synapses of its own, and their time constants.
    pub(crate) fn filters(&self) -> impl Iterator<Item = (&str, f64)> {
        self.from.iter().filter_map(|from| match from {
            ReadFrom::Filtered { population, tau } => Some((population.as_str(), *tau)),
            _ => None,
        })
    }

    /// Everything that decides about the shapes of its parameters, in words.
    pub(crate) fn structure(&self) -> String {
        let part = |from: &ReadFrom| match from {
            ReadFrom::Traces(projection) => format!("traces of {projection}"),
            ReadFrom::Filtered { population, .. } => format!("traces of its own of {population}"),
            ReadFrom::Voltages(population) => format!("voltages of {population}"),
        };
        let parts = self.from.iter().map(part).collect::<Vec<_>>().join(" and ");
        format!("{} of {} outputs from {parts}", self.name, self.outputs)
    }
}

/// A readout in a network.
#[derive(Clone, Debug)]
pub(crate) struct PlacedReadout {
    /// The readout's outputs among all.
    pub(crate) outputs: Range<usize>,
    /// The readout's weights in the flat vector, `outputs x columns`.
    pub(crate) weights: Range<usize>,
    pub(crate) parts: Vec<ReadPart>,
}

/// Where what is read lies.
#[derive(Clone, Debug)]
pub(crate) enum ReadPart {
    /// Among all traces, and among those that are kept of a step for the readouts.
    Traces { of: Range<usize>, kept: Range<usize> },
    /// Among all voltages.
    Voltages(Range<usize>),
}

/// The readouts beside the network's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readouts {
    pub(crate) all: Vec<PlacedReadout>,
    /// How many traces they read.
    pub(crate) traces: usize,
}

/// The traces that readouts have of their own: projections to no neurons.
pub(crate) fn filters(spec: &NetworkSpec, wires: &mut Vec<Wire>) -> Result<(), Error> {
    for readout in &spec.readouts {
        for (population, _) in readout.filters() {
            let name = format!("{}.{population}", readout.name);
            let pre = neurons(spec, "population or source", population)?;
            let connections =
                Connector::Pairs(Vec::new()).connect(&name, (0, pre.len()), true, usize::MAX)?;
            let end = wires.last().map_or((0, 0), |wire| (wire.traces().end, wire.currents().end));
            wires.push(Wire {
                name,
                pre,
                post: 0..0,
                trace: end.0,
                current: end.1,
                delayed: Delayed::Not,
                rank: None,
                connections,
                own_taus: false,
                kinetics: kinetics(ExponentialSynapse::NAME)?,
                short_term: None,
                receptor: None,
            });
        }
    }
    Ok(())
}

impl Readouts {
    /// Where the readouts of a description lie, and their weights in the layout.
    pub(crate) fn place(
        spec: &NetworkSpec,
        wires: &[Wire],
        voltage: impl Fn(&str) -> Result<(Range<usize>, &'static str), Error>,
        layout: &mut Layout,
    ) -> Result<Self, Error> {
        let mut readouts = Self::default();
        let mut outputs = spec.outputs;
        let mut filter = spec.projections.len();
        for (index, readout) in spec.readouts.iter().enumerate() {
            if readout.outputs == 0 || readout.from.is_empty() {
                return Err(Error::EmptyReadout { readout: readout.name.clone() });
            }
            let (mut parts, mut columns, mut units) = (Vec::new(), 0_usize, Vec::new());
            for from in &readout.from {
                let wire = match from {
                    ReadFrom::Voltages(population) => {
                        let (range, unit) = voltage(population)?;
                        columns = columns.saturating_add(range.len());
                        units.push(if unit == "1" { "1".to_owned() } else { format!("1/{unit}") });
                        parts.push(ReadPart::Voltages(range));
                        continue;
                    }
                    ReadFrom::Traces(projection) => {
                        &wires[find("projection", projection, spec.projections.iter().map(|p| &p.name))?]
                    }
                    ReadFrom::Filtered { .. } => {
                        filter += 1;
                        &wires[filter - 1]
                    }
                };
                let (of, kept) = (wire.traces(), readouts.traces);
                readouts.traces = kept.saturating_add(of.len());
                columns = columns.saturating_add(of.len());
                units.push("ms".to_owned());
                parts.push(ReadPart::Traces { of, kept: kept..readouts.traces });
            }
            // Outputs have no unit.
            units.dedup();
            let unit = if let [unit] = &units[..] { unit } else { "various" };
            let start = layout.len();
            let name = format!("{}.weight", readout.name);
            layout.push(Group::Readout(index + 1), name, &[readout.outputs, columns], unit);
            let (first, end) = (outputs, outputs.saturating_add(readout.outputs));
            outputs = end;
            readouts.all.push(PlacedReadout { outputs: first..end, weights: start..layout.len(), parts });
        }
        Ok(readouts)
    }
}
