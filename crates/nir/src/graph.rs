//! A graph of NIR: the primitives that networks of this project have a counterpart of, in NIR's units, which are seconds.

use std::collections::BTreeMap;

use crate::error::Error;

/// A millisecond, which times are counted in here, in seconds, which NIR counts in.
pub(crate) const MS: f64 = 1e-3;

/// The name of the projection of a network whose neurons are not connected.
pub(crate) const UNUSED: &str = "unused";

/// A matrix, row by row; row = what it goes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// The entries, row by row.
    pub values: Vec<f64>,
}

impl Matrix {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, values: vec![0.0; rows * columns] }
    }

    /// Multiplies every entry by a factor of its row and column.
    pub(crate) fn scale(&mut self, factor: impl Fn(usize, usize) -> f64) {
        for (index, value) in self.values.iter_mut().enumerate() {
            *value *= factor(index / self.columns, index % self.columns);
        }
    }

    /// Matrices of as many rows side by side.
    pub(crate) fn beside(parts: &[Self]) -> Self {
        let rows = parts.first().map_or(0, |part| part.rows);
        let mut values = Vec::new();
        for row in 0..rows {
            for part in parts {
                values.extend_from_slice(&part.values[row * part.columns..][..part.columns]);
            }
        }
        Self { rows, columns: parts.iter().map(|part| part.columns).sum(), values }
    }

    /// The identity.
    pub(crate) fn identity(size: usize) -> Self {
        let mut identity = Self::zeros(size, size);
        (0..size).for_each(|i| identity.values[i * size + i] = 1.0);
        identity
    }
}

/// A primitive of NIR (Pedersen et al. 2024). Vectors have one entry for each neuron; times are in seconds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Node {
    /// What comes in, so many channels.
    Input {
        /// Number of channels.
        size: usize,
    },
    /// What comes out, so many channels.
    Output {
        /// Number of channels.
        size: usize,
    },
    /// `y = W x + b`.
    Affine {
        /// `W`.
        weight: Matrix,
        /// `b`, one entry for each row.
        bias: Vec<f64>,
    },
    /// `y = W x`.
    Linear {
        /// `W`.
        weight: Matrix,
    },
    /// `y(t) = x(t - delay)`.
    Delay {
        /// The delay.
        delay: Vec<f64>,
    },
    /// `tau dv/dt = v_leak - v + r I`: a leaky integrator, or the filter of a synapse.
    Li {
        /// Time constant.
        tau: Vec<f64>,
        /// Resistance.
        r: Vec<f64>,
        /// Leak potential.
        v_leak: Vec<f64>,
    },
    /// `dv/dt = r I`, which spikes at its threshold and is reset.
    If {
        /// Resistance.
        r: Vec<f64>,
        /// Threshold.
        v_threshold: Vec<f64>,
        /// Reset potential.
        v_reset: Vec<f64>,
    },
    /// `tau dv/dt = v_leak - v + r I`, which spikes at its threshold and is reset.
    Lif {
        /// Time constant.
        tau: Vec<f64>,
        /// Resistance.
        r: Vec<f64>,
        /// Leak potential.
        v_leak: Vec<f64>,
        /// Threshold.
        v_threshold: Vec<f64>,
        /// Reset potential.
        v_reset: Vec<f64>,
    },
    /// A leaky neuron behind one exponential synapse, `tau_syn dI/dt = -I + w_in S`.
    CubaLif {
        /// Time constant of the synapse.
        tau_syn: Vec<f64>,
        /// Time constant of the membrane.
        tau_mem: Vec<f64>,
        /// Resistance.
        r: Vec<f64>,
        /// Leak potential.
        v_leak: Vec<f64>,
        /// Threshold.
        v_threshold: Vec<f64>,
        /// Reset potential.
        v_reset: Vec<f64>,
        /// Input weight of each neuron.
        w_in: Vec<f64>,
    },
}

impl Node {
    /// NIR's name of the primitive.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Input { .. } => "Input",
            Self::Output { .. } => "Output",
            Self::Affine { .. } => "Affine",
            Self::Linear { .. } => "Linear",
            Self::Delay { .. } => "Delay",
            Self::Li { .. } => "LI",
            Self::If { .. } => "IF",
            Self::Lif { .. } => "LIF",
            Self::CubaLif { .. } => "CubaLIF",
        }
    }

    /// The vectors of the node by the names that NIR gives them.
    pub(crate) fn vectors(&self) -> Vec<(&'static str, &Vec<f64>)> {
        match self {
            Self::Input { .. } | Self::Output { .. } | Self::Linear { .. } => Vec::new(),
            Self::Affine { bias, .. } => vec![("bias", bias)],
            Self::Delay { delay } => vec![("delay", delay)],
            Self::Li { tau, r, v_leak } => vec![("tau", tau), ("r", r), ("v_leak", v_leak)],
            Self::If { r, v_threshold, v_reset } => {
                vec![("r", r), ("v_threshold", v_threshold), ("v_reset", v_reset)]
            }
            Self::Lif { tau, r, v_leak, v_threshold, v_reset } => vec![
                ("tau", tau),
                ("r", r),
                ("v_leak", v_leak),
                ("v_threshold", v_threshold),
                ("v_reset", v_reset),
            ],
            Self::CubaLif { tau_syn, tau_mem, r, v_leak, v_threshold, v_reset, w_in } => vec![
                ("tau_syn", tau_syn),
                ("tau_mem", tau_mem),
                ("r", r),
                ("v_leak", v_leak),
                ("v_threshold", v_threshold),
                ("v_reset", v_reset),
                ("w_in", w_in),
            ],
        }
    }

    /// The weights of the node, if it has any.
    pub(crate) fn weight(&self) -> Option<&Matrix> {
        match self {
            Self::Affine { weight, .. } | Self::Linear { weight } => Some(weight),
            _ => None,
        }
    }

    /// Whether the node fires.
    pub(crate) fn spikes(&self) -> bool {
        matches!(self, Self::If { .. } | Self::Lif { .. } | Self::CubaLif { .. })
    }

    /// Numbers of channels that go in and that come out.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        match self {
            Self::Input { size } | Self::Output { size } => (*size, *size),
            Self::Affine { weight, .. } | Self::Linear { weight } => (weight.columns, weight.rows),
            Self::Delay { delay } => (delay.len(), delay.len()),
            Self::Li { tau, .. } | Self::Lif { tau, .. } | Self::CubaLif { tau_mem: tau, .. } => {
                (tau.len(), tau.len())
            }
            Self::If { r, .. } => (r.len(), r.len()),
        }
    }
}

/// A graph of NIR: nodes by their names, and edges between them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// The nodes.
    pub nodes: BTreeMap<String, Node>,
    /// The edges, each from one node to another.
    pub edges: Vec<(String, String)>,
}

impl Graph {
    /// Adds a node; a name that is taken gets a number. Returns the name that the node has.
    pub(crate) fn add(&mut self, name: &str, node: Node) -> String {
        let mut free = name.to_owned();
        let mut number = 1;
        while self.nodes.contains_key(&free) {
            number += 1;
            free = format!("{name}_{number}");
        }
        self.nodes.insert(free.clone(), node);
        free
    }

    pub(crate) fn connect(&mut self, from: &str, to: &str) {
        self.edges.push((from.to_owned(), to.to_owned()));
    }

    /// The node of a name.
    pub(crate) fn node(&self, name: &str) -> Result<&Node, Error> {
        self.nodes.get(name).ok_or_else(|| Error::graph(format!("edges name `{name}`,"), "which is no node"))
    }

    /// The names of the nodes before and behind one.
    pub(crate) fn before<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.edges.iter().filter(move |(_, to)| to == name).map(|(from, _)| from.as_str())
    }

    pub(crate) fn behind<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.edges.iter().filter(move |(from, _)| from == name).map(|(_, to)| to.as_str())
    }

    /// Whether all edges join nodes of one size, and all numbers are finite and as many as there are channels.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for (from, to) in &self.edges {
            let (out, into) = (self.node(from)?.sizes().1, self.node(to)?.sizes().0);
            if out != into {
                let why = format!("joins {out} channels to {into}");
                return Err(Error::graph(format!("the edge from `{from}` to `{to}`"), why));
            }
        }
        for (name, node) in &self.nodes {
            let size = node.sizes().1;
            for (what, values) in node.vectors() {
                if values.len() != size {
                    let why = format!("has {} numbers for `{what}`, expected {size}", values.len());
                    return Err(Error::graph(format!("node `{name}`"), why));
                }
                if !values.iter().all(|x| x.is_finite()) {
                    return Err(Error::graph(
                        format!("node `{name}`"),
                        format!("has a `{what}` that is not finite"),
                    ));
                }
            }
            if node.weight().is_some_and(|weight| !weight.values.iter().all(|x| x.is_finite())) {
                return Err(Error::graph(format!("node `{name}`"), "has a weight that is not finite"));
            }
        }
        Ok(())
    }
}
