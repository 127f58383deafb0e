//! `spikegrad run`: one trial with everything that happens in it, for plots and analyses of one's own.

use std::fmt::Write as _;
use std::path::PathBuf;

use spikegrad::prelude::*;
use spikegrad::tasks::write_whole;

use crate::arrays::{self, Array};
use crate::prepare::Prepared;
use crate::{Error, Part, Source};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// The part of the data that the trial is taken from
    #[arg(long, value_enum, default_value_t = Part::Test)]
    part: Part,
    /// Which trial of the part, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    trial: usize,
    /// The file to write: `.npz` with everything, or `.csv` with times, outputs and voltages and, in a second file, the spikes
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let kind = args.to.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    if !["npz", "csv"].contains(&kind.as_str()) {
        return Err(Error::Kind { path: args.to.clone(), known: ".npz or .csv" });
    }
    let prepared = Prepared::new(&args.source)?;
    let network = prepared.trained_or_fresh()?;
    let trial = prepared.trial(args.part, args.trial)?;
    let mut recording =
        SplitStep::new(&network, prepared.options.h)?.run(trial, prepared.task.loss())?.record()?;
    let outputs = network.outputs().max(1);
    for (k, output) in recording.output.iter_mut().enumerate() {
        *output = prepared.in_unit(k % outputs, f64::from(*output)) as f32;
    }
    if kind == "npz" {
        arrays::write(&args.to, recorded(&network, trial, &recording))?;
    } else {
        let spikes = args.to.with_extension("spikes.csv");
        write_whole(&args.to, &[series(&network, &recording).as_bytes()])?;
        write_whole(&spikes, &[spike_list(&recording).as_bytes()])?;
        say!("{} written", spikes.display());
    }
    say!(
        "{} written: {} steps of {} ms, {} neurons, {} spikes, cost {:.6}",
        args.to.display(),
        recording.time.len(),
        prepared.options.h,
        network.neurons(),
        recording.spikes.iter().map(|spike| spike.count).sum::<u64>(),
        recording.cost,
    );
    Ok(())
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// Everything that a run recorded, by names.
fn recorded(network: &Network<f32>, trial: &Trial<f32>, recording: &Recording<f32>) -> Vec<Array> {
    let steps = recording.time.len();
    let matrix = |name: String, values: &[f32]| {
        Array::new(name, wide(values), &[steps, values.len().checked_div(steps).unwrap_or(0)])
    };
    let mut all = vec![
        Array::new("time", recording.time.clone(), &[steps]),
        matrix("v".into(), &recording.v),
        matrix("current".into(), &recording.current),
        matrix("output".into(), &recording.output),
        Array::new(
            "spike_time",
            recording.spikes.iter().map(|s| s.time).collect(),
            &[recording.spikes.len()],
        ),
        Array::new(
            "spike_neuron",
            recording.spikes.iter().map(|s| s.neuron as f64).collect(),
            &[recording.spikes.len()],
        ),
        Array::new("input", wide(&trial.inputs), &[trial.samples, trial.inputs.len() / trial.samples.max(1)]),
        Array::new("interval", vec![trial.interval], &[1]),
    ];
    for (k, name) in network.projections().enumerate() {
        all.push(matrix(format!("{name}.trace"), &recording.s[k]));
        all.push(matrix(format!("{name}.current"), &recording.synaptic_current[k]));
    }
    all
}

/// Times, outputs and voltages as a table.
fn series(network: &Network<f32>, recording: &Recording<f32>) -> String {
    let (steps, n) = (recording.time.len(), network.neurons());
    let outputs = recording.output.len().checked_div(steps).unwrap_or(0);
    let mut text = String::from("time");
    text.extend((0..outputs).map(|i| format!(",output_{i}")));
    text.extend((0..n).map(|i| format!(",v_{i}")));
    for (step, time) in recording.time.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{time}");
        let row = recording.output[step * outputs..][..outputs].iter().chain(&recording.v[step * n..][..n]);
        text.extend(row.map(|x| format!(",{x}")));
    }
    text + "\n"
}

/// Times and neurons of all spikes as a table.
fn spike_list(recording: &Recording<f32>) -> String {
    let mut text = String::from("time,neuron,count\n");
    for spike in &recording.spikes {
        let _ = writeln!(text, "{},{},{}", spike.time, spike.neuron, spike.count);
    }
    text
}
