//! `spikegrad convert`: a network's parameters in another format.

use std::path::PathBuf;

use spikegrad::network::Network;
use spikegrad::tasks::{describe, load, save, write_whole};

use crate::{Error, arrays};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A network, or the checkpoint of a training
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// The file to write: `.safetensors` (network and parameters), `.npz` (the parameters by their names), `.toml` or `.json` (the
    /// network without its parameters)
    #[arg(value_name = "TO")]
    to: PathBuf,
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
    match kind.as_str() {
        "safetensors" => match load::<f32>(&args.from) {
            Ok(network) => save(&network, &args.to)?,
            Err(_) => save(&load::<f64>(&args.from)?, &args.to)?,
        },
        "npz" => {
            // Numbers of f32 are the same in f64.
            let network: Network<f64> = match load::<f32>(&args.from) {
                Ok(network) => network.to_f64(),
                Err(_) => load::<f64>(&args.from)?,
            };
            let named = network.named_parameters().map(|named| {
                let values = &network.parameters.values()[named.range.clone()];
                arrays::Array::column_major(named.name, values, named.shape)
            });
            arrays::write(&args.to, named)?;
        }
        "toml" => text(toml::to_string(&describe(&args.from)?).map_err(|e| unwritten(e.to_string()))?)?,
        "json" => {
            text(serde_json::to_string_pretty(&describe(&args.from)?).map_err(|e| unwritten(e.to_string()))?)?
        }
        _ => {
            let known = ".safetensors, .npz, .toml or .json";
            return Err(Error::Kind { path: args.to.clone(), known });
        }
    }
    say!("{} written", args.to.display());
    Ok(())
}
