//! What a network is trained on: a fingerprint that tells whether a later run goes on with the same.

use spikegrad_network::{Network, RunEnd, Sample, Scalar, Trial};
use spikegrad_training::fingerprint;

use crate::Task;

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

/// A fingerprint of what a network is trained on: the first trial, and what the loss makes of a sample and of a run that depend on
/// nothing else.
pub(crate) fn fingerprint_of<T: Scalar>(network: &Network<T>, task: &dyn Task<T>, trial: &Trial<T>) -> u32 {
    let wide = |x: &T| -> f64 { x.to_subset_unchecked() };
    let mut task_numbers: Vec<f64> = trial_numbers(trial).collect();
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
    fingerprint(task_numbers)
}
