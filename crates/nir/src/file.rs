//! Graphs as files: HDF5, laid out as the reference implementation of NIR does.

use hdf5_pure::{Dataset, File, FileBuilder, Group, GroupBuilder};

use crate::error::Error;
use crate::graph::{Graph, Matrix, Node};

/// The version of the reference implementation whose layout this is.
const VERSION: &str = "1.0.8";

fn text(group: &mut GroupBuilder, name: &str, value: &str) {
    group.create_dataset(name).with_vlen_strings(&[value]).with_shape(&[]);
}

fn vector(group: &mut GroupBuilder, name: &str, values: &[f64]) {
    group.create_dataset(name).with_f64_data(values).with_shape(&[values.len() as u64]);
}

impl Graph {
    /// The graph as the bytes of an HDF5 file, which `nir.read` reads.
    ///
    /// # Errors
    /// If a name is none that HDF5 can hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let failed = |error: hdf5_pure::Error| Error::file(error.to_string());
        let mut file = FileBuilder::new();
        file.create_dataset("version").with_vlen_strings(&[VERSION]).with_shape(&[]);
        let mut graph = file.create_group("node");
        text(&mut graph, "type", "NIRGraph");
        let mut nodes = graph.create_group("nodes");
        for (name, node) in &self.nodes {
            if name.is_empty() || name.contains('/') || name == "." {
                return Err(Error::unsupported(
                    format!("node `{name}`"),
                    "HDF5 has no such name: choose another",
                ));
            }
            let mut group = nodes.create_group(name);
            text(&mut group, "type", node.kind());
            match node {
                Node::Input { size } | Node::Output { size } => {
                    group.create_dataset("shape").with_i64_data(&[*size as i64]).with_shape(&[1]);
                }
                node => {
                    if let Some(Matrix { rows, columns, values }) = node.weight() {
                        let shape = [*rows as u64, *columns as u64];
                        group.create_dataset("weight").with_f64_data(values).with_shape(&shape);
                    }
                    node.vectors().into_iter().for_each(|(name, values)| vector(&mut group, name, values));
                }
            }
            nodes.add_group(group.finish());
        }
        graph.add_group(nodes.finish());
        let ends: Vec<&str> = self.edges.iter().flat_map(|(from, to)| [from.as_str(), to.as_str()]).collect();
        let edges = [self.edges.len() as u64, 2];
        graph.create_dataset("edges").with_vlen_strings(&ends).with_shape(&edges);
        file.add_group(graph.finish());
        file.finish().map_err(failed)
    }

    /// The graph of the bytes of an HDF5 file that `nir.write` or [`to_bytes`](Self::to_bytes) made.
    ///
    /// # Errors
    /// If they are no such file, or there is a node in it that is not known; the error names it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let file = File::from_bytes(bytes.to_vec()).map_err(|error| Error::file(error.to_string()))?;
        let graph = file.group("node").map_err(|_| Error::file("there is no group `node`"))?;
        let kind = string(&graph, "type")?;
        if kind != "NIRGraph" {
            return Err(Error::file(format!("its node is of the type {kind}, not NIRGraph")));
        }
        let nodes = graph.group("nodes").map_err(|_| Error::file("there are no `nodes`"))?;
        let mut found = Self::default();
        for name in nodes.groups().map_err(|error| Error::file(error.to_string()))? {
            let group = nodes.group(&name).map_err(|error| Error::file(error.to_string()))?;
            found.nodes.insert(name.clone(), node(&name, &group)?);
        }
        let edges = dataset(&graph, "edges")?;
        let ends = edges.read_string().map_err(|error| Error::file(format!("`edges`: {error}")))?;
        for pair in ends.chunks(2) {
            let [from, to] = pair else { return Err(Error::file("`edges` are no pairs")) };
            found.edges.push((from.clone(), to.clone()));
        }
        found.check()?;
        Ok(found)
    }
}

fn dataset(group: &Group, name: &str) -> Result<Dataset, Error> {
    group.dataset(name).map_err(|_| Error::file(format!("there is no `{name}`")))
}

fn string(group: &Group, name: &str) -> Result<String, Error> {
    let strings = dataset(group, name)?.read_string();
    let strings = strings.map_err(|error| Error::file(format!("`{name}`: {error}")))?;
    strings.into_iter().next().ok_or_else(|| Error::file(format!("`{name}` is empty")))
}

/// The numbers of a data set, whatever their type, and its shape.
fn numbers(node: &str, group: &Group, name: &str) -> Result<(Vec<f64>, Vec<usize>), Error> {
    let of_node = |why: String| Error::file(format!("node `{node}`: `{name}`: {why}"));
    let data = group.dataset(name).map_err(|_| of_node("it is not there".into()))?;
    let shape = data.shape().map_err(|error| of_node(error.to_string()))?;
    let values = data.read_f64().map_err(|error| of_node(error.to_string()))?;
    Ok((values, shape.into_iter().map(|size| size as usize).collect()))
}

/// A node of its group.
fn node(name: &str, group: &Group) -> Result<Node, Error> {
    let kind = string(group, "type").map_err(|error| Error::file(format!("node `{name}`: {error}")))?;
    let vector = |what: &str| -> Result<Vec<f64>, Error> { Ok(numbers(name, group, what)?.0) };
    // Older files have no reset potential, which is zero then.
    let reset = |like: &[f64]| match group.dataset("v_reset") {
        Ok(_) => vector("v_reset"),
        Err(_) => Ok(vec![0.0; like.len()]),
    };
    let size = || -> Result<usize, Error> {
        let (shape, _) = numbers(name, group, "shape")?;
        match shape[..] {
            [size] if size >= 0.0 => Ok(size as usize),
            _ => Err(Error::unsupported(
                format!("node `{name}`"),
                format!("it has the shape {shape:?}: flatten it to one dimension"),
            )),
        }
    };
    let matrix = || -> Result<Matrix, Error> {
        let (values, shape) = numbers(name, group, "weight")?;
        match shape[..] {
            [rows, columns] => Ok(Matrix { rows, columns, values }),
            _ => Err(Error::unsupported(
                format!("node `{name}`"),
                format!("its weight has the shape {shape:?}, and must be a matrix"),
            )),
        }
    };
    Ok(match kind.as_str() {
        "Input" => Node::Input { size: size()? },
        "Output" => Node::Output { size: size()? },
        "Affine" => Node::Affine { weight: matrix()?, bias: vector("bias")? },
        "Linear" => Node::Linear { weight: matrix()? },
        "Delay" => Node::Delay { delay: vector("delay")? },
        "LI" => Node::Li { tau: vector("tau")?, r: vector("r")?, v_leak: vector("v_leak")? },
        "IF" => {
            let v_threshold = vector("v_threshold")?;
            Node::If { r: vector("r")?, v_reset: reset(&v_threshold)?, v_threshold }
        }
        "LIF" => {
            let v_threshold = vector("v_threshold")?;
            Node::Lif {
                tau: vector("tau")?,
                r: vector("r")?,
                v_leak: vector("v_leak")?,
                v_reset: reset(&v_threshold)?,
                v_threshold,
            }
        }
        "CubaLIF" => {
            let v_threshold = vector("v_threshold")?;
            Node::CubaLif {
                tau_syn: vector("tau_syn")?,
                tau_mem: vector("tau_mem")?,
                r: vector("r")?,
                v_leak: vector("v_leak")?,
                v_reset: reset(&v_threshold)?,
                w_in: vector("w_in")?,
                v_threshold,
            }
        }
        kind => {
            let why = format!("there is no counterpart of {kind} here");
            return Err(Error::unsupported(format!("node `{name}`"), why));
        }
    })
}
