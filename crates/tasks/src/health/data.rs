//! The data that a network is given: numbers that are none, channels that say nothing, labels.

use spikegrad_network::{Loss, Network, Scalar, Trial};

/// What the trials consist of.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct DataHealth {
    /// Number of trials that were looked at.
    pub trials: usize,
    /// The first number of every array of a trial that is not finite. Such trials are not run.
    pub non_finite: Vec<NonFinite>,
    /// Number of input channels.
    pub inputs: usize,
    /// Input channels that are zero in every sample of every trial.
    pub zero_inputs: Vec<usize>,
    /// Input channels that have one other value in every sample of every trial.
    pub constant_inputs: Vec<usize>,
    /// Number of channels of event sources.
    pub channels: usize,
    /// Channels without an event in any trial.
    pub silent_channels: Vec<usize>,
    /// Targets that are the same in every sample of every trial, if the loss needs targets.
    pub constant_targets: Vec<ConstantTarget>,
    /// How many trials each class has; `None` unless every label asks for one class.
    pub classes: Option<Vec<usize>>,
}

/// A number of a trial that is NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct NonFinite {
    /// The array: `inputs`, `targets`, `weights`, `currents` or `label`.
    pub what: &'static str,
    /// The trial, counted from 0.
    pub trial: usize,
    /// The sample, counted from 0; 0 in a label.
    pub sample: usize,
    /// The channel, output or neuron, or the entry of a label.
    pub channel: usize,
}

/// A target that is the same in every sample of every trial.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct ConstantTarget {
    /// The output.
    pub output: usize,
    /// The target of the output.
    pub value: f64,
}

impl DataHealth {
    /// Looks at all the trials.
    pub(super) fn of<T: Scalar>(network: &Network<T>, trials: &[Trial<T>], loss: &dyn Loss<T>) -> Self {
        let (inputs, outputs) = (network.inputs(), network.outputs());
        let non_finite: Vec<_> =
            trials.iter().enumerate().flat_map(|(trial, data)| non_finite(network, trial, data)).collect();
        let (mut by_input, mut by_target) = (vec![Channel::default(); inputs], Vec::new());
        by_target.resize(outputs, Channel::default());
        let mut has_event = vec![false; network.channels()];
        for trial in trials {
            if inputs > 0 {
                trial.inputs.chunks_exact(inputs).for_each(|sample| see(&mut by_input, sample));
            }
            if outputs > 0 && loss.needs_targets() {
                let counts = |m: usize| trial.weights.get(m).is_none_or(|&weight| weight != T::zero());
                let samples = trial.targets.chunks_exact(outputs).enumerate();
                samples.filter(|(m, _)| counts(*m)).for_each(|(_, sample)| see(&mut by_target, sample));
            }
            for event in &trial.events {
                if let Some(has_event) = has_event.get_mut(event.channel as usize) {
                    *has_event = true;
                }
            }
        }
        let constant = |channels: &[Channel]| -> Vec<(usize, f64)> {
            channels.iter().enumerate().filter_map(|(k, channel)| Some((k, channel.value()?))).collect()
        };
        let of_inputs = constant(&by_input);
        let which = |zero: bool| {
            let these = of_inputs.iter().filter(|(_, value)| (*value == 0.0) == zero);
            these.map(|(k, _)| *k).collect()
        };
        let targets = constant(&by_target).into_iter();
        Self {
            trials: trials.len(),
            inputs,
            zero_inputs: which(true),
            constant_inputs: which(false),
            channels: has_event.len(),
            silent_channels: (0..has_event.len()).filter(|&channel| !has_event[channel]).collect(),
            constant_targets: targets.map(|(output, value)| ConstantTarget { output, value }).collect(),
            classes: classes(outputs, trials, loss),
            non_finite,
        }
    }

    /// Whether a trial can be run.
    pub(super) fn is_finite(&self, trial: usize) -> bool {
        self.non_finite.iter().all(|found| found.trial != trial)
    }

    /// Trials with a number that is not finite.
    pub(super) fn left_out(&self) -> usize {
        let mut trials: Vec<usize> = self.non_finite.iter().map(|found| found.trial).collect();
        trials.dedup();
        trials.len()
    }

    /// How probable it is that a class is missing from so many trials if all classes are equally probable, at most.
    pub(super) fn missing_by_chance(&self) -> f64 {
        let classes = self.classes.as_ref().map_or(0, Vec::len) as f64;
        classes * (1.0 - 1.0 / classes).powf(self.trials as f64)
    }
}

/// What one channel was seen to be.
#[derive(Clone, Copy, Debug, Default)]
struct Channel {
    first: Option<f64>,
    varies: bool,
}

impl Channel {
    /// The value that it always had.
    fn value(&self) -> Option<f64> {
        self.first.filter(|_| !self.varies)
    }
}

/// Adds a sample to what the channels were seen to be.
fn see<T: Scalar>(channels: &mut [Channel], sample: &[T]) {
    for (channel, value) in channels.iter_mut().zip(sample) {
        let value: f64 = value.to_subset_unchecked();
        let first = *channel.first.get_or_insert(value);
        // NaN is reported by itself, and is no constant.
        channel.varies |= value != first;
    }
}

/// The first number of each array that is not finite.
fn non_finite<T: Scalar>(network: &Network<T>, trial: usize, data: &Trial<T>) -> Vec<NonFinite> {
    let arrays = [
        ("inputs", &data.inputs, network.inputs()),
        ("targets", &data.targets, network.outputs()),
        ("weights", &data.weights, 1),
        ("currents", &data.currents, network.neurons()),
        ("label", &data.label, data.label.len()),
    ];
    let found = arrays.into_iter().filter_map(|(what, values, width)| {
        let at = values.iter().position(|value| !value.is_finite())?;
        Some(NonFinite { what, trial, sample: at / width.max(1), channel: at % width.max(1) })
    });
    found.collect()
}

/// How many trials each class has, if every label is that of one class.
fn classes<T: Scalar>(outputs: usize, trials: &[Trial<T>], loss: &dyn Loss<T>) -> Option<Vec<usize>> {
    let classes = loss.over_run()?.labels(outputs);
    if classes < 2 || trials.is_empty() {
        return None;
    }
    let mut counts = vec![0; classes];
    for trial in trials {
        let mut asked = trial.label.iter().enumerate().filter(|(_, p)| **p != T::zero());
        let (class, _) = asked.next()?;
        if asked.next().is_some() {
            return None;
        }
        *counts.get_mut(class)? += 1;
    }
    Some(counts)
}
