//! `spikegrad eval`: how good a trained network is on data that it was not trained on.

use std::fmt;
use std::ops::Range;

use serde::Serialize;
use spikegrad::prelude::*;
use spikegrad::tasks::Reading;
use spikegrad_data::metrics::{ConfusionMatrix, coincidence_factor, r_squared};

use crate::prepare::Prepared;
use crate::{Error, Part, Source};

/// Two spikes coincide within this part of the time constant of the loss.
const COINCIDES: f64 = 0.5;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// The part of the data
    #[arg(long, value_enum, default_value_t = Part::Test)]
    part: Part,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let prepared = Prepared::new(&args.source)?;
    let network = prepared.trained()?;
    if let Some(stopped) = prepared.stopped() {
        note!("note: the training was {stopped}");
    }
    let judged = judge(&prepared, &network, args.part)?;
    if args.json {
        let text =
            serde_json::to_string_pretty(&judged).map_err(|e| Error::together("--json", e.to_string()))?;
        say!("{text}");
    } else {
        say!("{judged}");
    }
    Ok(())
}

/// What a network makes of a part of the data.
#[derive(Serialize)]
pub(crate) struct Judged {
    pub(crate) part: &'static str,
    pub(crate) trials: usize,
    /// Which samples of the file the trials are, counted from 0.
    pub(crate) samples: Vec<usize>,
    /// Mean cost of a trial.
    pub(crate) cost: f64,
    /// Mean rate of the neurons that spike, Hz.
    pub(crate) rate: f64,
    #[serde(flatten)]
    pub(crate) quality: Quality,
}

/// How good the network is, in the measure of its task.
#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Quality {
    Classes {
        accuracy: f64,
        /// 95 % confidence interval.
        interval: (f64, f64),
        /// The names that labels and predictions are indices of.
        classes: Vec<String>,
        labels: Vec<usize>,
        predictions: Vec<usize>,
        #[serde(skip)]
        confusion: ConfusionMatrix,
        /// Accuracy of always saying the most frequent class.
        guess: f64,
    },
    Values {
        /// `R^2` of each output; none for one whose targets are all equal.
        r_squared: Vec<Option<f64>>,
        mean_squared_error: f64,
        targets: Vec<Vec<f64>>,
        outputs: Vec<Vec<f64>>,
    },
    /// Spike trains of the neurons of a population.
    Trains {
        /// Two spikes coincide within this time, ms.
        window: f64,
        /// The coincidence factor of each train over all trials; none where it has no spikes, or so many that all coincide.
        coincidence: Vec<Option<f64>>,
        /// Rates of each train in Hz: of the targets, and of the network.
        wanted_rates: Vec<f64>,
        rates: Vec<f64>,
    },
    Cost {},
}

/// The figures of one trial.
struct Look {
    read: Vec<f64>,
    wanted: Vec<f64>,
    weights: Vec<f64>,
    cost: f64,
    rate: f64,
    /// Target spikes and spikes of each train where the loss looks, ms.
    trains: Vec<[Vec<f64>; 2]>,
    /// How long the loss looks, and the length of the trial, ms.
    looked: f64,
    length: f64,
}

/// The target spikes and spikes of each train at samples that have a weight, ms.
fn trains(neurons: Range<usize>, trial: &Trial<f32>, recording: &Recording<f32>) -> Vec<[Vec<f64>; 2]> {
    let counts = |time: f64| {
        // A spike at the very end is one of the last sample.
        let sample = ((time / trial.interval) as usize).min(trial.samples.saturating_sub(1));
        trial.weights.get(sample).is_none_or(|&weight| weight > 0.0)
    };
    let of = |spikes: &[Spike], neuron: usize| {
        let mine = spikes.iter().filter(|spike| spike.neuron == neuron && counts(spike.time));
        let each = mine.flat_map(|spike| (0..spike.count).map(|_| spike.time));
        each.collect::<Vec<f64>>()
    };
    neurons.map(|neuron| [of(&trial.target_spikes, neuron), of(&recording.spikes, neuron)]).collect()
}

/// How well the spikes of all trials fit.
fn judge_trains(found: &[Look], window: f64) -> Quality {
    let count = found.first().map_or(0, |found| found.trains.len());
    let looked: f64 = found.iter().map(|found| found.looked).sum();
    // One trial after the other, far enough apart that no spike coincides with one of another trial.
    let all = |train: usize, which: usize| -> Vec<f64> {
        let mut start = 0.0;
        let mut times = Vec::new();
        for found in found {
            times.extend(found.trains[train][which].iter().map(|time| start + time));
            start += found.length + 3.0 * window;
        }
        times
    };
    let rate = |times: &[f64]| 1000.0 * times.len() as f64 / looked.max(f64::MIN_POSITIVE);
    let (mut coincidence, mut wanted_rates, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for train in 0..count {
        let (wanted, said) = (all(train, 0), all(train, 1));
        coincidence.push(coincidence_factor(&wanted, &said, window, looked).ok());
        wanted_rates.push(rate(&wanted));
        rates.push(rate(&said));
    }
    Quality::Trains { window, coincidence, wanted_rates, rates }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// Runs the network on a part of the data.
pub(crate) fn judge(prepared: &Prepared, network: &Network<f32>, part: Part) -> Result<Judged, Error> {
    let task = &prepared.task;
    let trials = task.part(part.purpose());
    if trials.is_empty() {
        return Err(Error::NoTrial { index: 0, part: part.name(), count: 0 });
    }
    let population = prepared.trains();
    let look = |trial: &Trial<f32>, recording: &Recording<f32>| Look {
        trains: population.clone().map_or_else(Vec::new, |neurons| trains(neurons, trial, recording)),
        looked: match trial.weights.iter().filter(|&&weight| weight > 0.0).count() {
            0 => trial.duration(),
            samples => samples as f64 * trial.interval,
        },
        length: trial.duration(),
        read: task.reading().read(trial, recording),
        wanted: if *task.reading() == Reading::Series { wide(&trial.targets) } else { wide(&trial.label) },
        weights: wide(&trial.weights),
        cost: f64::from(recording.cost),
        rate: recording.spikes.iter().map(|spike| spike.count).sum::<u64>() as f64 / trial.duration(),
    };
    let found = evaluate(network, task, &prepared.options, part.purpose(), trials.len(), look)?;
    let n = trials.len() as f64;
    let cost = found.iter().map(|found| found.cost).sum::<f64>() / n;
    let rate = 1000.0 * found.iter().map(|found| found.rate).sum::<f64>() / n / network.neurons() as f64;
    let quality = match task.reading() {
        Reading::Class(_) => {
            // A run that is not finite is an error, so that every trial has a class.
            let class_of = |numbers: &[f64]| Reading::class_of(numbers).unwrap_or_default();
            let labels: Vec<usize> = found.iter().map(|found| class_of(&found.wanted)).collect();
            let predictions: Vec<usize> = found.iter().map(|found| class_of(&found.read)).collect();
            let names = prepared.data.class_names().unwrap_or_default();
            let confusion = ConfusionMatrix::new(&labels, &predictions, names)?;
            let accuracy = confusion.accuracy();
            let most = (0..names.len()).map(|class| labels.iter().filter(|&&l| l == class).count()).max();
            let guess = most.unwrap_or(0) as f64 / n;
            let (value, interval, classes) = (accuracy.value(), accuracy.interval(), names.to_vec());
            Quality::Classes { accuracy: value, interval, classes, labels, predictions, confusion, guess }
        }
        Reading::Values(_) | Reading::Series => {
            let outputs = prepared.data.outputs();
            let (mut targets, mut read) = (vec![Vec::new(); outputs], vec![Vec::new(); outputs]);
            for found in &found {
                for (k, (x, y)) in found.read.iter().zip(&found.wanted).enumerate() {
                    let counts = found.weights.get(k / outputs).is_none_or(|&weight| weight > 0.0);
                    if *task.reading() != Reading::Series || counts {
                        read[k % outputs].push(prepared.in_unit(k % outputs, *x));
                        targets[k % outputs].push(prepared.in_unit(k % outputs, *y));
                    }
                }
            }
            let r_squared = targets.iter().zip(&read).map(|(y, x)| r_squared(y, x).ok()).collect();
            let squares = targets.iter().flatten().zip(read.iter().flatten()).map(|(y, x)| (y - x) * (y - x));
            let count = targets.iter().map(Vec::len).sum::<usize>().max(1);
            let mean_squared_error = squares.sum::<f64>() / count as f64;
            Quality::Values { r_squared, mean_squared_error, targets, outputs: read }
        }
        Reading::Cost if population.is_some() => {
            judge_trains(&found, COINCIDES * prepared.settings.loss.time_constant)
        }
        Reading::Cost => Quality::Cost {},
    };
    let samples = prepared.samples(part).to_vec();
    Ok(Judged { part: part.name(), trials: trials.len(), samples, cost, rate, quality })
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, trials, samples: _, cost, rate, quality } = self;
        let percent = |x: f64| 100.0 * x;
        write!(f, "{part}: {trials} trials, cost {cost:.4}, {rate:.1} Hz")?;
        match quality {
            Quality::Classes { accuracy, interval, confusion, guess, .. } => {
                write!(
                    f,
                    "\naccuracy {:.2} % (95 % interval {:.1} to {:.1}; always the most frequent class: {:.1})\n{confusion}",
                    percent(*accuracy),
                    percent(interval.0),
                    percent(interval.1),
                    percent(*guess)
                )
            }
            Quality::Values { r_squared, mean_squared_error, .. } => {
                write!(f, "\nmean squared error {mean_squared_error:.6}")?;
                for (output, r_squared) in r_squared.iter().enumerate() {
                    match r_squared {
                        Some(r_squared) => write!(f, "\noutput {output}: R^2 {r_squared:.4}")?,
                        None => write!(f, "\noutput {output}: all targets are equal, there is no R^2")?,
                    }
                }
                Ok(())
            }
            Quality::Trains { window, coincidence, wanted_rates, rates } => {
                write!(f, "\nspikes that coincide within {window} ms, beyond chance (1: all of them)")?;
                for (train, factor) in coincidence.iter().enumerate() {
                    let factor = factor.map_or_else(|| "none to tell".to_owned(), |x| format!("{x:.3}"));
                    write!(
                        f,
                        "\ntrain {train}: {factor}; {:.1} Hz, the target has {:.1} Hz",
                        rates[train], wanted_rates[train]
                    )?;
                }
                Ok(())
            }
            Quality::Cost {} => Ok(()),
        }
    }
}
