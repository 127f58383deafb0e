//! Problems in the exchange format: a theta network, its input and, from another system, its cost and gradients.
//!
//! The format is an `.npz` archive of C-ordered arrays: `W`, `Wf` (`N x N`, row = postsynaptic), `U` (`N x inputs`), `b`
//! (`N`), `O` (`outputs x N`), `v0` (`B x N`), `x` (`T x B x inputs`), `target` (`T x B x outputs`), and the results
//! `cost`, `v_final` (`B x N`, unwrapped), `grad_W`, `grad_Wf`, `grad_U`, `grad_b`, `grad_O`. The model's constants are
//! those of this file.

use std::collections::HashMap;
use std::io::{Read, Seek};
use std::path::Path;

use spikegrad::models::{GateShape, Theta};
use spikegrad::network::{Group, InitialState, Network, Population, Trial};

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

/// The groups of the format, with the names of its arrays.
pub const GROUPS: [(&str, Group); 5] = [
    ("W", Group::Recurrent(0)),
    ("Wf", Group::Recurrent(1)),
    ("U", Group::Input),
    ("b", Group::Bias),
    ("O", Group::Readout),
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
    /// An array of the archive cannot be read.
    #[error("array `{name}` cannot be read ({source}): write it again, as float64 or float32")]
    Array {
        /// The array.
        name: String,
        /// The reader's reason.
        source: std::io::Error,
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
        expected: Vec<u64>,
        /// Its shape.
        found: Vec<u64>,
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

struct Array {
    shape: Vec<u64>,
    data: Vec<f64>,
}

impl Array {
    fn read(name: &str, reader: impl Read) -> Result<Self, ProblemError> {
        let failed = |source| ProblemError::Array { name: name.to_owned(), source };
        let file = npyz::NpyFile::new(reader).map_err(failed)?;
        let shape = file.shape().to_vec();
        let fortran = file.order() == npyz::Order::Fortran && shape.len() > 1;
        if fortran {
            return Err(failed(std::io::Error::other("it is in Fortran order, not C order")));
        }
        let single = file.dtype().descr().contains("f4");
        let data = if single {
            file.into_vec::<f32>().map(|v| v.into_iter().map(f64::from).collect())
        } else {
            file.into_vec::<f64>()
        };
        Ok(Self { shape, data: data.map_err(failed)? })
    }

    fn expect(self, name: &str, expected: &[usize]) -> Result<Vec<f64>, ProblemError> {
        let expected: Vec<u64> = expected.iter().map(|&n| n as u64).collect();
        if self.shape != expected {
            return Err(ProblemError::Shape { name: name.to_owned(), expected, found: self.shape });
        }
        Ok(self.data)
    }

    /// From C order to columns.
    fn columns(self, name: &str, rows: usize, columns: usize) -> Result<Vec<f64>, ProblemError> {
        let data = self.expect(name, &[rows, columns])?;
        Ok((0..rows * columns).map(|i| data[i % rows * columns + i / rows]).collect())
    }
}

impl Problem {
    /// Reads a problem.
    ///
    /// # Errors
    /// If the file is no such archive, an array is missing or misshapen, or the numbers make no network.
    pub fn load(path: &Path) -> Result<Self, ProblemError> {
        let shown = path.display().to_string();
        let file =
            std::fs::File::open(path).map_err(|source| ProblemError::Io { path: shown.clone(), source })?;
        Self::read(std::io::BufReader::new(file), &shown)
    }

    /// Reads a problem from an archive; `shown` is its name in messages.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn read(reader: impl Read + Seek, shown: &str) -> Result<Self, ProblemError> {
        let damaged = |source| ProblemError::Archive { path: shown.to_owned(), source };
        let mut archive = zip::ZipArchive::new(reader).map_err(damaged)?;
        let mut arrays = HashMap::new();
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(damaged)?;
            let name = entry.name().map_err(damaged)?.into_owned();
            if let Some(name) = name.strip_suffix(".npy") {
                // The checksum is compared at the end of an entry, so every entry is read to its end.
                let mut bytes = Vec::new();
                let failed = |source| ProblemError::Array { name: name.to_owned(), source };
                entry.read_to_end(&mut bytes).map_err(failed)?;
                arrays.insert(name.to_owned(), Array::read(name, bytes.as_slice())?);
            }
        }
        Self::assemble(arrays)
    }

    fn assemble(mut arrays: HashMap<String, Array>) -> Result<Self, ProblemError> {
        let mut take = |name: &'static str| arrays.remove(name).ok_or(ProblemError::Missing { name });
        let (bias, x, u, o) = (take("b")?, take("x")?, take("U")?, take("O")?);
        let side = |array: &Array, axis: usize| array.shape.get(axis).map_or(0, |&n| n as usize);
        let n = side(&bias, 0);
        let (steps, batch, inputs, outputs) = (side(&x, 0), side(&x, 1), side(&u, 1), side(&o, 0));
        let mut network = Network::builder()
            .population(Population::new("theta", Theta { tau_v: TAU_V }, n, GateShape::RaisedCosine, WIDTH))
            .synapse("slow", TAU)
            .synapse("fast", TAU_FAST)
            .inputs(inputs)
            .outputs(outputs)
            .build()?;
        network.parameters.set(Group::Recurrent(0), &take("W")?.columns("W", n, n)?)?;
        network.parameters.set(Group::Recurrent(1), &take("Wf")?.columns("Wf", n, n)?)?;
        network.parameters.set(Group::Input, &u.columns("U", n, inputs)?)?;
        network.parameters.set(Group::Bias, &bias.expect("b", &[n])?)?;
        network.parameters.set(Group::Readout, &o.columns("O", outputs, n)?)?;
        let x = x.expect("x", &[steps, batch, inputs])?;
        let target = take("target")?.expect("target", &[steps, batch, outputs])?;
        let v0 = take("v0")?.expect("v0", &[batch, n])?;
        let part = |data: &[f64], width: usize, b: usize| -> Vec<f64> {
            (0..steps).flat_map(|t| data[(t * batch + b) * width..][..width].iter().copied()).collect()
        };
        let trials = (0..batch).map(|b| Trial {
            interval: H,
            samples: steps,
            inputs: part(&x, inputs, b),
            targets: part(&target, outputs, b),
            weights: Vec::new(),
            initial: Some(InitialState { x: v0[b * n..][..n].to_vec(), s: Vec::new() }),
            scale: 1.0,
        });
        let trials = trials.collect();

        let mut gradients = HashMap::new();
        for (name, group) in GROUPS {
            if let Some(array) = arrays.remove(&format!("grad_{name}")) {
                let values = match group {
                    Group::Bias => array.expect("grad_b", &[n])?,
                    Group::Input => array.columns("grad_U", n, inputs)?,
                    Group::Readout => array.columns("grad_O", outputs, n)?,
                    _ => array.columns(&format!("grad_{name}"), n, n)?,
                };
                gradients.insert(name, values);
            }
        }
        let v_final = arrays.remove("v_final").map(|a| a.expect("v_final", &[batch, n])).transpose()?;
        let cost = arrays.remove("cost").and_then(|a| a.data.first().copied());
        Ok(Self { network, trials, cost, v_final, gradients })
    }
}
