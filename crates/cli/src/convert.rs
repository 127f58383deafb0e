//! `spikegrad convert`: a network in another format.

use std::path::PathBuf;

use spikegrad::models::GateShape;
use spikegrad::network::{Network, NetworkSpec};
use spikegrad::tasks::{load, save, write_whole};
use spikegrad_nir::{Graph, export, import};

use crate::{Error, arrays, narrow};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A network, the checkpoint of a training, or a graph of NIR (`.nir`)
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// The file to write: `.safetensors` (network and parameters), `.npz` (the parameters by their names), `.toml` or `.json` (the
    /// network without its parameters), `.nir` (a graph of the Neuromorphic Intermediate Representation, whose neurons have hard spikes)
    #[arg(value_name = "TO")]
    to: PathBuf,
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

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let kind = args.to.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    if args.to.exists() && !args.force {
        return Err(Error::Exists { path: args.to.clone() });
    }
    let text = |text: String| write_whole(&args.to, &[text.as_bytes()]).map_err(Error::from);
    let unwritten = |why: String| Error::together(&args.to.display().to_string(), why);
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
