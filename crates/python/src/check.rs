//! The gradient check and the report on a network's health.

use spikegrad::adjoint::{GradientCheck, GradientReport, Limits};
use spikegrad::network::{Network, Trial};
use spikegrad::tasks::{Finding, Health, HealthOptions, LossSettings, NetworkObjective, Scheme};

use crate::error::Error;
use crate::float::Float;
use crate::training::Options;

/// How a gradient is checked.
pub(crate) struct Settings {
    pub(crate) h: f64,
    pub(crate) directions: usize,
    pub(crate) discarded: f64,
    pub(crate) seed: u64,
}

fn json<V: serde::Serialize>(value: &V) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Text { what: "the report", why: error.to_string() })
}

/// Compares the gradient of each trial with central differences, in double precision.
pub(crate) fn check<T: Float>(
    network: &Network<T>,
    trials: &[Trial<T>],
    loss: &LossSettings,
    settings: &Settings,
) -> Result<(bool, String, String), Error> {
    let double = network.to_f64();
    let usual = GradientCheck::default();
    let check = GradientCheck {
        directions: settings.directions,
        seed: settings.seed,
        limits: Limits { discarded: settings.discarded, ..usual.limits },
        ..usual
    };
    let mut whole: Option<GradientReport> = None;
    for (index, trial) in trials.iter().enumerate() {
        let trial = trial.map(|x| -> f64 { x.to_subset_unchecked() });
        let loss = loss.loss::<f64>(&double, !trial.targets.is_empty())?;
        let mut objective =
            NetworkObjective::new(double.clone(), &trial, &loss, Scheme::default(), settings.h);
        let report = check.run(&mut objective).map_err(|error| Error::from(error).of_trial(index))?;
        match &mut whole {
            Some(whole) => whole.merge(report),
            None => whole = Some(report),
        }
    }
    let report = whole.ok_or_else(|| Error::argument("trials", "there are none: give at least one"))?;
    let findings = Finding::of(&report.events).into_iter().map(|finding| format!("\nnote: {finding}"));
    let text = findings.fold(report.to_string(), |text, finding| text + &finding);
    Ok((report.passed(), text, json(&report)?))
}

/// What keeps the network from learning: the report in words, its findings, and the report as JSON.
pub(crate) fn health<T: Float>(
    network: &Network<T>,
    trials: &[Trial<T>],
    held_out: &[Trial<T>],
    loss: &LossSettings,
    options: &Options,
) -> Result<(String, Vec<String>, String), Error> {
    let series = trials.first().is_some_and(|trial| !trial.targets.is_empty());
    let loss = loss.loss::<T>(network, series)?;
    let mut network = network.clone();
    let training = options.training(&mut network, trials.len(), held_out.len())?;
    let health = Health::examine(&network, trials, held_out, &loss, &HealthOptions::of(training))
        .map_err(Error::from)?;
    let findings = health.findings().iter().map(ToString::to_string).collect();
    Ok((health.to_string(), findings, json(&health)?))
}
