//! The page of a training: one file with everything that there is to see.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use spikegrad::prelude::*;
use spikegrad::tasks::write_whole;
use spikegrad_report::plot::{BLACK, BLUE, GREY, Panel, Plot, Style, VERMILLION, cycle};
use spikegrad_report::{Page, Tone};

use crate::eval::{Judged, Quality};
use crate::prepare::Prepared;
use crate::{Error, inspect, train};

/// Trials that are drawn.
const TRIALS: usize = 3;
/// Voltages and outputs that are drawn of each.
const TRACES: usize = 4;
const OUTPUTS: usize = 6;
/// Points of a curve.
const POINTS: usize = 400;

/// Writes the page and returns its path.
pub(crate) fn write(
    prepared: &Prepared,
    network: &Network<f32>,
    history: &[Iteration],
    judged: &Judged,
    took: Duration,
) -> Result<PathBuf, Error> {
    let name = prepared.folder.file_name().and_then(|name| name.to_str()).unwrap_or("training");
    let mut page = Page::new(name);
    page.kicker("spikegrad training").meta([
        format!("seed {}", prepared.settings.seed),
        format!("version {}", env!("CARGO_PKG_VERSION")),
        format!("{} iterations", history.len()),
        spikegrad_report::numbers::minutes(took.as_secs_f64()),
    ]);
    let health = examine(prepared, network)?;
    let mut findings = train::last_findings(history);
    for finding in health.findings() {
        if !findings.iter().any(|known| std::mem::discriminant(known) == std::mem::discriminant(&finding)) {
            findings.push(finding);
        }
    }
    let (head, text) = headline(judged);
    // Whatever was found, a result that is no better than a guess is no result.
    let tone = match &judged.quality {
        Quality::Classes { interval, guess, .. } if interval.0 <= *guess => Tone::Bad,
        Quality::Values { r_squared, .. } if r_squared.iter().flatten().any(|&r| r <= 0.0) => Tone::Bad,
        Quality::Trains { coincidence, .. } if coincidence.iter().all(|x| x.is_none_or(|x| x <= 0.0)) => {
            Tone::Bad
        }
        _ if findings.is_empty() => Tone::Good,
        _ => Tone::Caution,
    };
    page.banner(tone, head, text);
    page.list(findings.iter().map(ToString::to_string));

    page.heading("Learning").plot(
        "Learning curve",
        "Cost of the batches, each point the mean of as many as lie between two points, and what validation found.",
        learning(prepared, history).render()?,
    );
    quality(&mut page, judged, prepared)?;
    activity(&mut page, prepared, network)?;
    weights(&mut page, network)?;

    page.heading("Health")
        .prose("The trained network on some of its training trials, with the exact gradient of each.");
    page.code(health.to_string());
    page.heading("Data and network").code(prepared.summary());
    page.heading("Settings").code(prepared.settings.text()?);
    page.heading("Again").code(prepared.command("train"));
    let path = prepared.folder.join("report.html");
    write_whole(&path, &[page.render().as_bytes()])?;
    Ok(path)
}

/// An examination of the trained network. Whether the network can be trained need not be tried any more.
fn examine(prepared: &Prepared, network: &Network<f32>) -> Result<Health, Error> {
    let options = HealthOptions { steps: 0, ..HealthOptions::of(prepared.options.clone()) };
    let (training, held_out) =
        (prepared.task.part(Purpose::Training), prepared.task.part(Purpose::Validation));
    Ok(Health::examine(network, training, held_out, prepared.task.loss(), &options)?)
}

fn headline(judged: &Judged) -> (String, String) {
    let rate = format!("{} test trials, {:.1} Hz.", judged.trials, judged.rate);
    match &judged.quality {
        Quality::Classes { accuracy, interval, guess, .. } => (
            format!("{:.2} % right", 100.0 * accuracy),
            format!(
                "95 % interval {:.1} to {:.1} %; always the most frequent class would be {:.1} %. {rate}",
                100.0 * interval.0,
                100.0 * interval.1,
                100.0 * guess
            ),
        ),
        Quality::Values { r_squared, mean_squared_error, .. } => {
            let known: Vec<f64> = r_squared.iter().copied().flatten().collect();
            let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
            (format!("R^2 {mean:.3}"), format!("Mean squared error {mean_squared_error:.4}. {rate}"))
        }
        Quality::Trains { window, coincidence, .. } => {
            let known: Vec<f64> = coincidence.iter().copied().flatten().collect();
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            match known.is_empty() {
                true => ("No spikes to compare".to_owned(), rate),
                false => (
                    format!("Coincidence factor {mean:.3}"),
                    format!(
                        "Spikes within {window} ms of the target's, beyond chance; 1 is all of them. {} of {} trains have one. Cost {:.4}. {rate}",
                        known.len(),
                        coincidence.len(),
                        judged.cost
                    ),
                ),
            }
        }
        Quality::Cost {} => (format!("Cost {:.4}", judged.cost), rate),
    }
}

/// Means of so many neighbours that few points are left, and the place of each.
fn thinned(values: impl ExactSizeIterator<Item = f64>) -> (Vec<f64>, Vec<f64>) {
    let width = values.len().div_ceil(POINTS).max(1);
    let values: Vec<f64> = values.collect();
    let chunks = values.chunks(width).enumerate();
    chunks
        .map(|(k, part)| {
            let middle = (k * width) as f64 + part.len() as f64 / 2.0;
            (middle, part.iter().sum::<f64>() / part.len() as f64)
        })
        .unzip()
}

fn learning(prepared: &Prepared, history: &[Iteration]) -> Plot {
    let (x, cost) = thinned(history.iter().map(|done| done.cost));
    let validated: Vec<_> =
        history.iter().filter_map(|done| Some((done.iteration as f64 + 1.0, done.validation?))).collect();
    let at: Vec<f64> = validated.iter().map(|v| v.0).collect();
    let mut panel = Panel::new("cost").x_label("iteration").y_label("cost").line(
        &x,
        &cost,
        Style::new(BLUE).label("training"),
    );
    if !at.is_empty() {
        let costs: Vec<f64> = validated.iter().map(|v| v.1.cost).collect();
        panel = panel.line(&at, &costs, Style::new(VERMILLION).label("validation"));
    }
    let mut plot = Plot::new(if at.is_empty() { 1 } else { 2 }).panel(panel);
    if !at.is_empty() {
        let name = prepared.score_name();
        let scores: Vec<f64> = validated.iter().map(|v| v.1.score).collect();
        plot = plot.panel(Panel::new(format!("validation {name}")).x_label("iteration").y_label(name).line(
            &at,
            &scores,
            Style::new(VERMILLION),
        ));
    }
    plot
}

fn quality(page: &mut Page, judged: &Judged, prepared: &Prepared) -> Result<(), Error> {
    match &judged.quality {
        Quality::Classes { confusion, .. } => {
            let names = prepared.data.class_names().unwrap_or_default();
            let counts = |label: usize| (0..names.len()).map(|k| confusion.count(label, k) as u64).collect();
            let rows: Vec<Vec<u64>> = (0..names.len()).map(counts).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let panel = Panel::new("test trials").confusion(&rows, &names);
            page.heading("Classes").plot(
                "Confusion",
                "Test trials of each class (rows) by the class that the network says (columns).",
                Plot::new(1).panel(panel).render()?,
            );
        }
        Quality::Values { targets, outputs, .. } => {
            let shown = targets.len().min(OUTPUTS);
            let mut plot = Plot::new(shown.clamp(1, 3));
            for k in 0..shown {
                let step = targets[k].len().div_ceil(POINTS).max(1);
                let every = |x: &[f64]| x.iter().copied().step_by(step).collect::<Vec<_>>();
                plot = plot.panel(
                    Panel::new(format!("output {k}"))
                        .x_label("target")
                        .y_label("output")
                        .scatter(&every(&targets[k]), &every(&outputs[k]), Style::new(BLUE))
                        .identity(),
                );
            }
            page.heading("Fit").plot(
                "Fit",
                "What the network says of test trials, by what it should say.",
                plot.render()?,
            );
        }
        Quality::Trains { window, coincidence, wanted_rates, rates } => {
            let row = |(train, factor): (usize, &Option<f64>)| {
                let factor = factor.map_or_else(String::new, |x| format!("{x:.3}"));
                let rate = |x: f64| format!("{x:.1}");
                vec![train.to_string(), factor, rate(wanted_rates[train]), rate(rates[train])]
            };
            page.heading("Spike trains").table(
                format!("Test trials: the coincidence factor within {window} ms, and rates in Hz."),
                &["train", "coincidence factor", "rate of the target", "rate of the network"],
                coincidence.iter().enumerate().map(row).collect(),
            );
        }
        Quality::Cost {} => {}
    }
    Ok(())
}

/// Rasters, voltages and outputs of the first test trials.
fn activity(page: &mut Page, prepared: &Prepared, network: &Network<f32>) -> Result<(), Error> {
    let scheme = SplitStep::new(network, prepared.options.h)?;
    page.heading("Activity");
    let part = prepared.judged_part();
    let count = prepared.task.part(part.purpose()).len();
    // Neighbours are often of one class.
    for index in (0..count.min(TRIALS)).map(|k| k * count / count.min(TRIALS)) {
        let trial = prepared.trial(part, index)?;
        let recording = scheme.run(trial, prepared.task.loss())?.record()?;
        let (time, n) = (&recording.time, network.neurons());
        let outputs = network.outputs();
        let column = |values: &[f32], width: usize, k: usize| -> Vec<f64> {
            values.iter().skip(k).step_by(width).map(|&x| f64::from(x)).collect()
        };
        let in_unit = |output: usize, values: Vec<f64>| -> Vec<f64> {
            values.into_iter().map(|x| prepared.in_unit(output, x)).collect()
        };
        let raster = Panel::new("spikes")
            .y_label("neuron")
            .x_range(0.0, trial.duration())
            .raster(&recording.spike_times(), BLACK);
        // Neurons that fire most: of a silent neuron there is little to see.
        let mut order: Vec<usize> = (0..n).collect();
        let counts = recording.spike_counts();
        order.sort_by_key(|&neuron| std::cmp::Reverse(counts[neuron]));
        let mut voltages = Panel::new("voltages").y_label("v").x_range(0.0, trial.duration());
        for (k, &neuron) in order.iter().take(TRACES).enumerate() {
            let style = Style::new(cycle(k)).label(format!("neuron {neuron}"));
            voltages = voltages.line(time, &column(&recording.v, n, neuron), style);
        }
        let mut plot = Plot::new(1).panel(raster).panel(voltages);
        if let Some(neurons) = prepared.trains() {
            plot = plot.panel(compared(neurons, trial, &recording));
        }
        if outputs > 0 {
            let mut read =
                Panel::new("outputs").x_label("time (ms)").y_label("output").x_range(0.0, trial.duration());
            let names = prepared.data.class_names();
            // The right class, then as many others as can be told apart.
            let right = trial.label.iter().position(|&p| p == 1.0).filter(|_| names.is_some());
            let others = (0..outputs).filter(|&k| Some(k) != right);
            for k in right.into_iter().chain(others).take(OUTPUTS) {
                let label =
                    names.and_then(|names| names.get(k).cloned()).unwrap_or_else(|| format!("output {k}"));
                read = read.line(
                    time,
                    &in_unit(k, column(&recording.output, outputs, k)),
                    Style::new(cycle(k)).label(label),
                );
                if !trial.targets.is_empty() {
                    let sample = |m: usize| (m as f64 + 1.0) * trial.interval;
                    let at: Vec<f64> = (0..trial.samples).map(sample).collect();
                    let target = in_unit(k, column(&trial.targets, outputs, k));
                    read = read.line(&at, &target, Style::new(GREY).dashed());
                }
            }
            plot = plot.panel(read);
        }
        let label = trial.label.iter().position(|&p| p == 1.0);
        let class = label.and_then(|k| prepared.data.class_names()?.get(k));
        let class = class.map_or_else(String::new, |class| format!(" Its class: {class}."));
        page.plot(
            format!("Trial {index} of the {} part", part.name()),
            format!("Spikes, voltages of the busiest neurons, outputs.{class}"),
            plot.render()?,
        );
    }
    Ok(())
}

/// The spikes of the first trains, each below the target's.
fn compared(neurons: Range<usize>, trial: &Trial<f32>, recording: &Recording<f32>) -> Panel {
    let times = |spikes: &[Spike], neuron: usize| -> Vec<f64> {
        spikes.iter().filter(|spike| spike.neuron == neuron).map(|spike| spike.time).collect()
    };
    let shown = neurons.clone().take(OUTPUTS);
    let rows: Vec<Vec<f64>> = shown
        .flat_map(|neuron| [times(&trial.target_spikes, neuron), times(&recording.spikes, neuron)])
        .collect();
    let names: Vec<String> =
        (0..rows.len() / 2).flat_map(|k| [format!("target {k}"), format!("network {k}")]).collect();
    let ticks: Vec<(f64, &str)> = names.iter().enumerate().map(|(k, name)| (k as f64, &name[..])).collect();
    Panel::new("spike trains").x_range(0.0, trial.duration()).y_ticks(&ticks).raster(&rows, BLACK)
}

/// The weights of every projection, input and readout.
fn weights(page: &mut Page, network: &Network<f32>) -> Result<(), Error> {
    let mut plot = Plot::new(3);
    for named in network.named_parameters().filter(|named| named.shape.len() == 2 && !named.range.is_empty())
    {
        let values = &network.parameters.values()[named.range.clone()];
        let (rows, columns) = (named.shape[0], named.shape[1]);
        let row = |row: usize| (0..columns).map(|column| f64::from(values[column * rows + row])).collect();
        let all: Vec<Vec<f64>> = (0..rows).map(row).collect();
        plot = plot.panel(Panel::new(named.name).x_label("from").y_label("to").heat(&all, ""));
    }
    page.heading("Weights").plot(
        "Weights",
        "Every matrix of weights: blue below zero, red above.",
        plot.render()?,
    );
    let number = |x: f64| format!("{x:.4}");
    let table = inspect::parameters(network).into_iter().map(|line| {
        let (shape, trained) = (line.shape(), line.trained().to_owned());
        let numbers = [line.mean, line.deviation, line.least, line.largest].map(number);
        [line.name, shape, line.unit].into_iter().chain(numbers).chain([trained]).collect()
    });
    page.table(
        "Parameters",
        &["name", "shape", "unit", "mean", "deviation", "least", "largest", "trained"],
        table.collect(),
    );
    Ok(())
}
