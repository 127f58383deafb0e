//! How far a network is from one with hard spikes, on data.

use std::path::Path;

use spikegrad::network::{Group, Network, SplitStep};
use spikegrad::tasks::Presentation;
use spikegrad_data::{Inputs, ReadOptions, open};

use crate::Error;

/// The width of a gate that is narrowed: a zone that a neuron crosses in far less than a step.
const NARROW: f64 = 1e-3;

/// Runs the data with the gates as they are and narrowed, and says by how much the outputs differ.
pub(crate) fn measure(
    network: &Network<f64>,
    data: &Path,
    interval: Option<f64>,
    h: f64,
) -> Result<String, Error> {
    let data = open(data, &ReadOptions { interval, ..ReadOptions::default() })?;
    let interval = data
        .interval()
        .or_else(|| matches!(data.inputs(), Inputs::Spikes(_)).then_some(h))
        .ok_or_else(|| {
            Error::together(
                "--interval",
                "the file does not say how far apart its time points are: give it in ms",
            )
        })?;
    let presentation = Presentation { interval, after: 0.0, warm_up: 0.0, first_neuron: 0 };
    let trials = presentation.trials::<f64>(&data).map_err(Error::from)?;
    let mut narrow = network.clone();
    for population in 0..network.populations().count() {
        narrow
            .parameters
            .group_mut(Group::GateWidth(population))
            .iter_mut()
            .for_each(|width| *width *= NARROW);
    }
    let (own, hard) = (SplitStep::new(network, h)?, SplitStep::new(&narrow, h)?);
    let (mut difference, mut whole) = (0.0, 0.0);
    for trial in &trials {
        let [own, hard] = [own.forward(trial.clone())?.0, hard.forward(trial.clone())?.0];
        difference += own.iter().zip(&hard).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        whole += own.iter().map(|a| a.powi(2)).sum::<f64>();
    }
    let share =
        if whole > 0.0 { format!("{:.2} %", 100.0 * (difference / whole).sqrt()) } else { "nothing".into() };
    Ok(format!(
        "hard spikes change the outputs of {} trials by {share} of their root mean square, in steps of {h} ms",
        trials.len()
    ))
}
