//! `spikegrad convert`: a network in another format.

use std::path::{Path, PathBuf};

use spikegrad::models::GateShape;
use spikegrad::network::{Network, NetworkSpec, Scalar};
use spikegrad::tasks::{load, save, write_whole};
use spikegrad_data::NamedArray;
use spikegrad_nir::{Graph, export, import};

use crate::{Error, arrays, narrow};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A network, the checkpoint of a training, a graph of NIR (`.nir`), or an `.npz` of parameters by their names, with --like
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// The file to write: `.safetensors` (network and parameters), `.npz` (the parameters by their names), `.toml` or `.json` (the
    /// network without its parameters), `.nir` (a graph of the Neuromorphic Intermediate Representation, whose neurons have hard spikes)
    #[arg(value_name = "TO")]
    to: PathBuf,
    /// The network that the arrays of an `.npz` are parameters of; those that are not in the archive are its own
    #[arg(long, value_name = "NETWORK")]
    like: Option<PathBuf>,
    /// The width of the gates that the neurons of a graph of NIR get, which has none
    #[arg(long, value_name = "WIDTH", default_value_t = 0.3)]
    gate_width: f64,
    /// With `.nir`: run these data, and say by how much outputs change when the gates are narrowed to hard spikes
    #[arg(long, value_name = "DATA")]
    measure: Option<PathBuf>,
    /// Time between two samples of the data that are measured, ms; the file's, unless said otherwise
    #[arg(long, value_name = "MS")]
    interval: Option<f64>,
    /// The step in which the data are measured, ms
    #[arg(long, value_name = "MS", default_value_t = 0.5)]
    h: f64,
    /// Overwrite the file if it is there
    #[arg(long)]
    force: bool,
}

fn is_npz(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"))
}

/// Writes the network that `--like` names with the parameters of an archive of arrays.
fn from_arrays(args: &Args) -> Result<(), Error> {
    let Some(like) = args.like.as_ref().filter(|_| is_npz(&args.from)) else {
        let why = match args.like {
            Some(_) => "is for an archive of arrays: give an `.npz` as FROM, or leave --like out",
            None => "give the network that the arrays are parameters of, as in --like network.safetensors",
        };
        return Err(Error::together("--like", why));
    };
    let arrays = spikegrad_data::arrays(&args.from)?;
    match load::<f32>(like) {
        Ok(mut network) => {
            fill(&mut network, &arrays)?;
            save(&network, &args.to)?;
        }
        Err(_) => {
            let mut network = load::<f64>(like)?;
            fill(&mut network, &arrays)?;
            save(&network, &args.to)?;
        }
    }
    Ok(())
}

/// Sets parameters by their names.
fn fill<T: Scalar>(network: &mut Network<T>, arrays: &[NamedArray]) -> Result<(), Error> {
    let named = network.named_parameters();
    let named: Vec<_> =
        named.map(|named| (named.name.to_owned(), named.shape.to_vec(), named.range.clone())).collect();
    for NamedArray { name, shape, values } in arrays {
        let Some((_, needed, range)) = named.iter().find(|(known, ..)| known == name) else {
            let known: Vec<_> = named.iter().map(|(known, ..)| known.as_str()).collect();
            let why = format!("is no parameter of the network; it has {}", known.join(", "));
            return Err(Error::together(name, why));
        };
        if shape != needed {
            let why = format!("has the shape {shape:?}, the network needs {needed:?}");
            return Err(Error::together(name, why));
        }
        let turned = match *shape.as_slice() {
            // As a network's parameters lie, the first index fastest.
            [rows, columns] => (0..columns)
                .flat_map(|column| (0..rows).map(move |row| values[row * columns + column]))
                .collect(),
            _ => values.clone(),
        };
        let place = &mut network.parameters.values_mut()[range.clone()];
        place.iter_mut().zip(turned).for_each(|(place, x)| *place = T::from_subset(&x));
    }
    Ok(())
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let kind = args.to.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    if args.to.exists() && !args.force {
        return Err(Error::Exists { path: args.to.clone() });
    }
    if args.like.is_some() && kind != "safetensors" {
        let why = "puts arrays into a network: give TO the ending .safetensors, or leave --like out";
        return Err(Error::together("--like", why));
    }
    let text = |text: String| write_whole(&args.to, &[text.as_bytes()]).map_err(Error::from);
    let unwritten = |why: String| Error::together(&args.to.display().to_string(), why);
    if args.like.is_some() || is_npz(&args.from) {
        from_arrays(args)?;
        say!("{} written", args.to.display());
        return Ok(());
    }
    let source = Source::read(args)?;
    match kind.as_str() {
        "safetensors" => match &source {
            Source::Single(network) => save(network, &args.to)?,
            Source::Double(network) => save(network, &args.to)?,
        },
        "npz" => {
            // Numbers of f32 are the same in f64.
            let network = source.double();
            let named = network.named_parameters().map(|named| {
                let values = &network.parameters.values()[named.range.clone()];
                arrays::Array::column_major(named.name, values, named.shape)
            });
            arrays::write(&args.to, named)?;
        }
        "toml" => text(toml::to_string(&source.spec()).map_err(|e| unwritten(e.to_string()))?)?,
        "json" => text(serde_json::to_string_pretty(&source.spec()).map_err(|e| unwritten(e.to_string()))?)?,
        "nir" => {
            let network = source.double();
            let exported = export(&network).map_err(|e| unwritten(e.to_string()))?;
            let bytes = exported.graph.to_bytes().map_err(|e| unwritten(e.to_string()))?;
            exported.notes.iter().for_each(|note| say!("note: {note}"));
            if let Some(data) = &args.measure {
                say!("{}", narrow::measure(&network, data, args.interval, args.h)?);
            }
            write_whole(&args.to, &[&bytes])?;
        }
        _ => {
            let known = ".safetensors, .npz, .toml, .json or .nir";
            return Err(Error::Kind { path: args.to.clone(), known });
        }
    }
    say!("{} written", args.to.display());
    Ok(())
}

/// A network as it was read.
enum Source {
    Single(Network<f32>),
    Double(Network<f64>),
}

impl Source {
    fn read(args: &Args) -> Result<Self, Error> {
        if args.from.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("nir")) {
            let bytes = std::fs::read(&args.from).map_err(|e| Error::io("read", &args.from, e))?;
            let refused =
                |e: spikegrad_nir::Error| Error::together(&args.from.display().to_string(), e.to_string());
            let graph = Graph::from_bytes(&bytes).map_err(refused)?;
            return Ok(Self::Double(
                import(&graph, GateShape::RaisedCosine, args.gate_width).map_err(refused)?,
            ));
        }
        match load::<f32>(&args.from) {
            Ok(network) => Ok(Self::Single(network)),
            Err(_) => Ok(Self::Double(load::<f64>(&args.from)?)),
        }
    }

    fn double(&self) -> Network<f64> {
        match self {
            Self::Single(network) => network.to_f64(),
            Self::Double(network) => network.clone(),
        }
    }

    fn spec(&self) -> NetworkSpec {
        match self {
            Self::Single(network) => network.spec(),
            Self::Double(network) => network.spec(),
        }
    }
}
