//! `spikegrad convert`: a network's parameters in another format.

use std::path::{Path, PathBuf};

use spikegrad::network::{Network, Scalar};
use spikegrad::tasks::{describe, load, save, write_whole};
use spikegrad_data::NamedArray;

use crate::{Error, arrays};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A network, the checkpoint of a training, or an `.npz` of parameters by their names, with --like
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// The file to write: `.safetensors` (network and parameters), `.npz` (the parameters by their names), `.toml` or `.json` (the
    /// network without its parameters)
    #[arg(value_name = "TO")]
    to: PathBuf,
    /// The network that the arrays of an `.npz` are parameters of; those that are not in the archive are its own
    #[arg(long, value_name = "NETWORK")]
    like: Option<PathBuf>,
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
    match kind.as_str() {
        "safetensors" if args.like.is_some() || is_npz(&args.from) => from_arrays(args)?,
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
