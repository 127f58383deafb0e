//! What a training run began with: fingerprints that tell whether a later run goes on from the same.

use spikegrad_network::{Network, RunEnd, Sample, Scalar, Trial};

use crate::task::{Purpose, TrainingStage, generator};
use crate::validation::Course;
use crate::{Task, TrainingOptions};

/// Fingerprints of what a training run began with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Origin {
    /// Of its first training trial and its loss.
    pub(crate) task: u32,
    /// Of its network's parameters.
    pub(crate) start: u32,
}

/// A number that tells other numbers from these.
pub(crate) fn fingerprint(numbers: impl IntoIterator<Item = f64>) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    numbers.into_iter().for_each(|x| hash.update(&x.to_bits().to_le_bytes()));
    hash.finalize()
}

/// All numbers of a trial.
pub(crate) fn trial_numbers<T: Scalar>(trial: &Trial<T>) -> impl Iterator<Item = f64> {
    let wide = |x: &T| -> f64 { x.to_subset_unchecked() };
    let initial = trial.initial.iter().flat_map(|initial| initial.x.iter().chain(&initial.s));
    let numbers = trial.inputs.iter().chain(&trial.targets).chain(&trial.weights).chain(&trial.currents);
    let events = trial.events.iter().flat_map(move |e| [e.time, f64::from(e.channel), wide(&e.charge)]);
    let spikes = trial.target_spikes.iter().flat_map(|s| [s.time, s.neuron as f64, s.count as f64]);
    let numbers = numbers.chain(&trial.label).chain(initial).map(wide);
    [trial.interval, trial.samples as f64, trial.scale].into_iter().chain(numbers).chain(events).chain(spikes)
}

/// Fingerprints of what training begins with: a network, the trials that it is trained on, and what the loss makes of a sample and of a run
/// that depend on nothing else.
pub(crate) fn origin<T: Scalar>(
    network: &Network<T>,
    task: &dyn Task<T>,
    options: &TrainingOptions,
) -> Origin {
    let wide = |x: &T| -> f64 { x.to_subset_unchecked() };
    let level = Course::default().level(options.validation.as_ref());
    let stage = TrainingStage { level, ..TrainingStage::training(0, 1, 1, 0) };
    let trial = task.trial(stage, &mut generator(options.seed, Purpose::Training, 0));
    let mut task_numbers: Vec<f64> = trial_numbers(&trial).collect();
    task_numbers.push(f64::from(task.fingerprint()));

    let numbers = |count: usize| -> Vec<T> {
        // Irregular ones: of evenly spaced scores, a loss may not tell the mean from the middle one.
        let number =
            |k: usize| T::from_subset(&(0.9 * (1.0 + 2.0 * k as f64).sin() / (1.0 + k as f64).sqrt()));
        (0..count).map(number).collect()
    };
    let (output, s, x) = (
        numbers(network.outputs()),
        numbers(network.parameters.readout(0).ncols()),
        numbers(network.membrane()),
    );
    // A trial whose targets do not fit is refused later, by name.
    let has_targets = trial.targets.len() == trial.samples.saturating_mul(network.outputs());
    if trial.samples > 0 && (has_targets || !task.loss().needs_targets()) {
        let at = Sample {
            step: 0,
            time: T::from_subset(&trial.interval),
            output: &output,
            target: if has_targets { &trial.targets[..network.outputs()] } else { &[] },
            weight: T::one(),
            s: &s,
            square: s.iter().fold(T::zero(), |sum, &s| sum + s * s),
            x: &x,
            neurons: network.neurons(),
        };
        task_numbers.push(wide(&task.loss().value(&at)));
    }
    let outputs = network.outputs();
    if let Some(over_run) = task.loss().over_run().filter(|of| trial.label.len() == of.labels(outputs)) {
        let (m, label) = (numbers(over_run.accumulators(outputs)), &trial.label);
        task_numbers.push(wide(&over_run.end(&RunEnd { m: &m, label, outputs })));
    }
    Origin {
        task: fingerprint(task_numbers),
        start: fingerprint(network.parameters.values().iter().map(wide)),
    }
}
