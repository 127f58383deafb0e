//! Problems in the exchange format: a theta network, its input and, from another system, its cost and gradients.
//!
//! The format is an `.npz` archive of C-ordered arrays: `W`, `Wf` (`N x N`, row = postsynaptic), `U` (`N x inputs`), `b`
//! (`N`), `O` (`outputs x N`), `v0` (`B x N`), `x` (`T x B x inputs`), `target` (`T x B x outputs`), and the results
//! `cost`, `v_final` (`B x N`, unwrapped), `grad_W`, `grad_Wf`, `grad_U`, `grad_b`, `grad_O`, any of which may be missing.
//! Nothing else may be there. The model's constants are those of this file.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use spikegrad::models::{GateShape, Theta};
use spikegrad::network::{Group, InitialState, Network, Population, Trial};

use crate::npy::{Array, ArrayError};

/// Step size and sample interval, ms.
pub const H: f64 = 1.0;
/// Time constant of the slow synapses, ms.
const TAU: f64 = 20.0;
/// Time constant of the fast synapses, ms.
const TAU_FAST: f64 = 5.0;
/// Membrane time constant, ms.
const TAU_V: f64 = 25.0;
/// Width of the raised-cosine gate.
const WIDTH: f64 = 0.2;
/// Weight of synaptic activity in the loss.
pub const LAMBDA: f64 = 1e-3;

/// An archive is unpacked to at most so many times its size, or to [`SMALL`] bytes.
const EXPANSION: u64 = 32;
/// What any archive may be unpacked to, bytes.
const SMALL: u64 = 1 << 26;

/// The arrays that a problem is made of.
const NEEDED: [&str; 8] = ["W", "Wf", "U", "b", "O", "v0", "x", "target"];
/// The results that may be stored with it.
const STORED: [&str; 7] = ["cost", "v_final", "grad_W", "grad_Wf", "grad_U", "grad_b", "grad_O"];

/// The groups of the format, with the names of its arrays.
pub const GROUPS: [(&str, Group); 5] = [
    ("W", Group::Weight(0)),
    ("Wf", Group::Weight(1)),
    ("U", Group::Input),
    ("b", Group::Bias),
    ("O", Group::Readout(0)),
];

/// Why a problem could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {source}; give the path of an .npz archive")]
    Io {
        /// The path.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is not a zip archive, or a damaged one.
    #[error("{path} is not a readable .npz archive ({source}): write it again with numpy.savez")]
    Archive {
        /// The path.
        path: String,
        /// The archive reader's reason.
        source: zip::result::ZipError,
    },
    /// An archive that is much larger than its file.
    #[error("{path} has {packed} bytes and would be unpacked to {unpacked}: write it again with numpy.savez")]
    Expansion {
        /// The path.
        path: String,
        /// Size of the file.
        packed: u64,
        /// Size of its contents.
        unpacked: u64,
    },
    /// An array of the archive cannot be read.
    #[error("array `{name}` cannot be read ({source}): write it again, as float64 or float32")]
    Array {
        /// The array.
        name: String,
        /// The reason.
        source: ArrayError,
    },
    /// A file of the archive that is no array of the format.
    #[error(
        "the archive has `{name}`, which is no array of a problem: remove it, or name it as one of {}",
        known.join(", ")
    )]
    Unknown {
        /// The file's name.
        name: String,
        /// The arrays that there can be.
        known: Vec<&'static str>,
    },
    /// An array that is there twice.
    #[error("array `{name}` is there twice: remove one of them")]
    Twice {
        /// The array.
        name: &'static str,
    },
    /// An array that the format needs is missing.
    #[error("array `{name}` is missing: the problem needs W, Wf, U, b, O, v0, x and target")]
    Missing {
        /// The array.
        name: &'static str,
    },
    /// An array of the wrong shape.
    #[error("array `{name}` has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The array.
        name: String,
        /// The shape that the other arrays ask for.
        expected: Vec<usize>,
        /// The shape of the array.
        found: Vec<usize>,
    },
    /// An initial voltage that is not on the circle.
    #[error("array `v0` has {value:?} at index {index}: initial voltages lie in [0, 1)")]
    Voltage {
        /// The index of the number, in C order.
        index: usize,
        /// The value.
        value: f64,
    },
    /// The numbers do not make a network.
    #[error(transparent)]
    Network(#[from] spikegrad::network::Error),
}

/// A problem, ready to run.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The network.
    pub network: Network<f64>,
    /// One trial for each element of the batch.
    pub trials: Vec<Trial<f64>>,
    /// The stored cost, if any.
    pub cost: Option<f64>,
    /// The stored final voltages, unwrapped, `B x N` in C order, if any.
    pub v_final: Option<Vec<f64>>,
    /// The stored gradients by array name, laid out like the network's groups.
    pub gradients: HashMap<&'static str, Vec<f64>>,
}

impl Problem {
    /// Reads a problem.
    ///
    /// # Errors
    /// If the file is no such archive, an array is missing, unknown or misshapen, or the numbers make no network.
    pub fn load(path: &Path) -> Result<Self, ProblemError> {
        let shown = path.display().to_string();
        let failed = |source| ProblemError::Io { path: shown.clone(), source };
        // A pipe is not even opened: that would wait for somebody who writes.
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(failed(io::Error::other("it is not a regular file")));
        }
        let file = std::fs::File::open(path).map_err(failed)?;
        Self::read(io::BufReader::new(file), &shown)
    }

    /// Reads a problem from an archive; `shown` is its name in messages.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn read(mut reader: impl Read + Seek, shown: &str) -> Result<Self, ProblemError> {
        let path = || shown.to_owned();
        let damaged = |source| ProblemError::Archive { path: path(), source };
        let packed =
            reader.seek(SeekFrom::End(0)).map_err(|source| ProblemError::Io { path: path(), source })?;
        let mut archive = zip::ZipArchive::new(reader).map_err(damaged)?;
        let (mut arrays, mut unpacked) = (HashMap::new(), 0_u64);
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(damaged)?;
            let name = entry.name().map_err(damaged)?.into_owned();
            let mut known = NEEDED.into_iter().chain(STORED);
            let Some(name) = known.find(|known| name.strip_suffix(".npy") == Some(known)) else {
                return Err(ProblemError::Unknown {
                    name,
                    known: NEEDED.into_iter().chain(STORED).collect(),
                });
            };
            let size = entry.size();
            unpacked = unpacked.saturating_add(size);
            if unpacked > packed.saturating_mul(EXPANSION).max(SMALL) {
                return Err(ProblemError::Expansion { path: path(), packed, unpacked });
            }
            let failed = |source| ProblemError::Array { name: name.to_owned(), source };
            let array = Array::read(io::BufReader::new(entry), size).map_err(failed)?;
            if arrays.insert(name, array).is_some() {
                return Err(ProblemError::Twice { name });
            }
        }
        Self::assemble(arrays)
    }

    fn assemble(mut arrays: HashMap<&'static str, Array>) -> Result<Self, ProblemError> {
        if let Some(name) = NEEDED.into_iter().find(|name| !arrays.contains_key(name)) {
            return Err(ProblemError::Missing { name });
        }
        let side = |name, axis: usize| arrays.get(name).and_then(|a| a.shape.get(axis)).map_or(0, |&n| n);
        let n = side("b", 0);
        let (steps, batch, inputs, outputs) = (side("x", 0), side("x", 1), side("U", 1), side("O", 0));
        // All shapes are checked before a network of that size is made.
        let shape = |name: &str| match name.strip_prefix("grad_").unwrap_or(name) {
            "W" | "Wf" => vec![n, n],
            "U" => vec![n, inputs],
            "b" => vec![n],
            "O" => vec![outputs, n],
            "x" => vec![steps, batch, inputs],
            "target" => vec![steps, batch, outputs],
            "cost" => vec![],
            // v0 and v_final
            _ => vec![batch, n],
        };
        for name in NEEDED.into_iter().chain(STORED) {
            let (expected, found) = (shape(name), arrays.get(name).map(|array| &array.shape));
            if let Some(found) = found.filter(|found| **found != expected) {
                return Err(ProblemError::Shape { name: name.to_owned(), expected, found: found.clone() });
            }
        }
        let mut take = |name: &str| arrays.remove(name).map(|array| array.data);
        let mut need = |name: &'static str| take(name).ok_or(ProblemError::Missing { name });
        let (x, target, v0) = (need("x")?, need("target")?, need("v0")?);
        if let Some(index) = v0.iter().position(|v| !(0.0..1.0).contains(v)) {
            return Err(ProblemError::Voltage { index, value: v0[index] });
        }
        let mut network = Network::builder()
            .population(Population::new("theta", Theta { tau_v: TAU_V }, n, GateShape::RaisedCosine, WIDTH))
            .synapse("slow", TAU)
            .synapse("fast", TAU_FAST)
            .inputs(inputs)
            .outputs(outputs)
            .build()?;
        // From C order to columns.
        let columns = |name: &str, data: Vec<f64>| match shape(name)[..] {
            [rows, columns] => (0..data.len()).map(|i| data[i % rows * columns + i / rows]).collect(),
            _ => data,
        };
        for (name, group) in GROUPS {
            network.parameters.set(group, &columns(name, need(name)?))?;
        }
        network.validate()?;
        let part = |data: &[f64], width: usize, b: usize| -> Vec<f64> {
            (0..steps).flat_map(|t| data[(t * batch + b) * width..][..width].iter().copied()).collect()
        };
        let trials = (0..batch).map(|b| Trial {
            inputs: part(&x, inputs, b),
            targets: part(&target, outputs, b),
            initial: Some(InitialState { x: v0[b * n..][..n].to_vec(), s: Vec::new() }),
            ..Trial::silent(steps, H, 0)
        });
        let trials = trials.collect();
        let mut gradients = HashMap::new();
        for (name, _) in GROUPS {
            if let Some(data) = take(&format!("grad_{name}")) {
                gradients.insert(name, columns(name, data));
            }
        }
        let (v_final, cost) = (take("v_final"), take("cost"));
        Ok(Self { network, trials, cost: cost.and_then(|cost| cost.first().copied()), v_final, gradients })
    }
}
