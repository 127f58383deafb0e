//! Two networks as files of NIR: a layer that gets inputs, and such a layer with a second one behind it.
//!
//! `cargo run -p spikegrad-nir --example layers -- FOLDER` writes `one.nir` and `two.nir`, which `peers/nir_spikes.py` runs in other simulators.

use std::path::PathBuf;

use spikegrad_models::{GateShape, Lif};
use spikegrad_network::{Network, Population, Projection};
use spikegrad_nir::export;

const FIRST: usize = 8;
const SECOND: usize = 4;

/// Numbers between -1 and 1 that depend on their index alone.
fn number(index: usize) -> f64 {
    (1.7 * index as f64 + 0.3).sin()
}

fn network(two: bool) -> Result<Network<f64>, spikegrad_network::Error> {
    let lif = |name, size| Population::new(name, Lif::default(), size, GateShape::RaisedCosine, 0.1);
    let mut builder = Network::builder().population(lif("first", FIRST)).inputs(2);
    if two {
        let forward = Projection::new("forward", 5.0).between("first", "second");
        builder = builder.population(lif("second", SECOND)).projection(forward);
    } else {
        // A network has a projection. The one of this name, with weights of zero, is no node of a graph.
        builder = builder.projection(Projection::new("unused", 5.0).between("first", "first"));
    }
    let mut network = builder.build()?;
    for row in 0..FIRST {
        (0..2).for_each(|column| {
            network.parameters.input_mut()[(row, column)] = 0.04 * number(2 * row + column)
        });
        network.parameters.bias_mut()[row] = 0.08 + 0.01 * number(100 + row);
    }
    if two {
        let mut weights = network.parameters.weight_mut(0);
        weights.iter_mut().enumerate().for_each(|(index, weight)| *weight = 0.25 + 0.2 * number(200 + index));
    }
    Ok(network)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("name a folder for the files")?);
    std::fs::create_dir_all(&folder)?;
    for (name, two) in [("one.nir", false), ("two.nir", true)] {
        std::fs::write(folder.join(name), export(&network(two)?)?.graph.to_bytes()?)?;
    }
    Ok(())
}
