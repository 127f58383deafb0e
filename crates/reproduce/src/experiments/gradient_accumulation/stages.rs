//! The gradients of many single trials at three stages of training, and what their statistics are.

use spikegrad::adjoint::Sweep;
use spikegrad::network::{InitialState, Network, SplitStep, Trial};
use spikegrad::tasks::predictive_coding::PredictiveCoding;
use spikegrad::tasks::{Purpose, Task, generator};

use super::halves::Halves;
use crate::Error;
use crate::experiments::dial::{GROUPS, NEURONS, gradients, ranges, trials};
use crate::experiments::statistics::{Sample, distance, hill, norm, quantile, share_of_largest, slope};

/// The stages of training.
pub(super) const STAGES: [&str; 3] = ["start", "middle", "end"];
/// The part of the norms that the exponent of the tail is taken from.
pub(super) const TAIL: f64 = 0.05;
/// The quantiles of norms that are shown, and that trials are clipped at.
pub(super) const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];
/// Trials of a batch that is clipped as a whole.
pub(super) const BATCH: usize = 20;
/// Lengths of trials by which the growth of gradients is measured, as parts of the longest.
const LENGTHS: [f64; 4] = [0.125, 0.25, 0.5, 1.0];
/// Size of the change of the initial state by which the Lyapunov exponent is measured.
const CHANGE: f64 = 1e-7;

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amounts {
    /// Trials whose gradients are taken, and their length, ms.
    pub(super) trials: usize,
    pub(super) duration: f64,
    /// Bootstraps.
    pub(super) resampled: usize,
    /// Trials of each length, and the longest, ms.
    pub(super) grown: usize,
    pub(super) longest: f64,
}

/// What clipping does to the mean of gradients.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Clipped {
    /// The distance of the mean from that without clipping, over the norm of the latter.
    pub(super) bias: f64,
    /// The variance, over that without clipping.
    pub(super) variance: f64,
    /// The cosine of both means.
    pub(super) cosine: f64,
}

/// The statistics of a group.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct OfGroup {
    /// `|mean|^2 - tr(Sigma) / n` and `tr(Sigma)`.
    pub(super) signal: f64,
    pub(super) variance: f64,
    /// The noise scale as it is, of trials clipped at their median, and in Adam's metric; not a number where no signal was found.
    pub(super) scale: f64,
    pub(super) clipped_scale: f64,
    pub(super) adam_scale: f64,
    /// Signal and noise by independent halves of the trials.
    pub(super) halves: Halves,
    /// Quantiles of the norms over their median, and the largest.
    pub(super) quantiles: [f64; 4],
    /// Exponent of the tail of norms; below 2 there is no variance.
    pub(super) hill: f64,
    /// Share of the largest 1 % of trials in the sum of squares.
    pub(super) largest: f64,
    /// Mean cosine of a trial with the mean of all others.
    pub(super) cosine: f64,
    /// Clipping trials at a quantile of their norms, quantile by quantile.
    pub(super) by_quantile: Vec<Clipped>,
    /// Clipping the mean of a batch at the median of such means' norms, against the same means.
    pub(super) by_batch: Clipped,
    /// Share of trials without any gradient.
    pub(super) silent: f64,
}

/// A network at a stage of training.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Stage {
    pub(super) cost: f64,
    /// The statistics of every group, in the order of [`GROUPS`].
    pub(super) groups: Vec<OfGroup>,
    /// Noise scale of all groups together in Adam's metric.
    pub(super) adam_scale: f64,
    /// Spikes per second and neuron, and the share of crossings of the zone in fewer than three steps.
    pub(super) rate: f64,
    pub(super) short: f64,
    /// Growth of the median norm by the recurrent weights with the length of the trial, and of small differences of trajectories,
    /// 1/ms; not a number where the growth was not measured.
    pub(super) growth: f64,
    pub(super) lyapunov: f64,
}

/// Looks at a network that is trained on auto-encoding.
pub(super) fn look(
    task: &PredictiveCoding,
    network: &Network<f64>,
    amounts: Amounts,
    seed: u64,
) -> Result<Stage, Error> {
    let given = trials(task, amounts.duration, (seed, Purpose::Test), amounts.trials, 1)?;
    let found = look_at(task, task.h, network, &given, (amounts.resampled, seed))?;
    let (growth, lyapunov) = growth(task, network, amounts, seed)?;
    Ok(Stage { growth, lyapunov, ..found })
}

/// The statistics of the gradients of these trials, with as many bootstraps as are asked for. Neither the growth along a trial nor the
/// Lyapunov exponent is measured.
pub(super) fn look_at(
    task: &dyn Task<f64>,
    h: f64,
    network: &Network<f64>,
    given: &[Trial<f64>],
    (resampled, seed): (usize, u64),
) -> Result<Stage, Error> {
    let answers = gradients(network, h, task.loss(), given, false)?;
    let few = &given[..given.len().min(20)];
    let counted = gradients(network, h, task.loss(), few, true)?;
    let events: spikegrad::integrators::EventCounts = counted.iter().map(|answer| answer.events).sum();
    let rng = &mut generator(seed, Purpose::Test, 7);
    let of_group = |range: std::ops::Range<usize>| {
        let sample = Sample::new(answers.iter().map(|answer| &answer.gradient[range.clone()]));
        statistics(&sample, resampled, rng)
    };
    let groups: Vec<OfGroup> = ranges(network).into_iter().map(of_group).collect();
    let whole = Sample::new(answers.iter().map(|answer| answer.gradient.as_slice()));
    let seconds = few.iter().map(|trial| trial.duration() * 1e-3).sum::<f64>();
    Ok(Stage {
        cost: answers.iter().map(|answer| answer.cost).sum::<f64>() / answers.len() as f64,
        groups,
        adam_scale: whole.noise_by_adam().scale(),
        rate: events.spikes as f64 / (seconds * NEURONS as f64),
        short: events.short_crossing_share(),
        growth: f64::NAN,
        lyapunov: f64::NAN,
    })
}

/// The statistics of gradients by one group.
fn statistics(sample: &Sample, resampled: usize, rng: &mut rand_chacha::ChaCha8Rng) -> OfGroup {
    let (noise, norms) = (sample.noise(), sample.norms());
    let median = quantile(&norms, 0.5);
    let at = |q| quantile(&norms, q);
    let squares: Vec<f64> = norms.iter().map(|norm| norm * norm).collect();
    let batches = sample.batches(BATCH);
    OfGroup {
        signal: noise.signal,
        variance: noise.variance,
        scale: noise.scale(),
        clipped_scale: sample.clipped(median).noise().scale(),
        adam_scale: sample.noise_by_adam().scale(),
        halves: Halves::of(sample, &|set| set.noise().signal, resampled, rng),
        quantiles: [at(0.9) / median, at(0.99) / median, at(0.999) / median, at(1.0) / median],
        hill: hill(&norms, TAIL),
        largest: share_of_largest(&squares, 0.01),
        cosine: sample.cosine_with_others(),
        by_quantile: QUANTILES.iter().map(|&q| clipped(sample, at(q))).collect(),
        by_batch: clipped(&batches, quantile(&batches.norms(), 0.5)),
        silent: norms.iter().filter(|norm| **norm == 0.0).count() as f64 / norms.len() as f64,
    }
}

/// What clipping at a norm does.
fn clipped(sample: &Sample, largest: f64) -> Clipped {
    let (before, after) = (sample.mean(), sample.clipped(largest));
    let mean = after.mean();
    Clipped {
        bias: distance(&mean, &before) / norm(&before),
        variance: after.noise().variance / sample.noise().variance,
        cosine: crate::experiments::statistics::cosine(&mean, &before),
    }
}

/// The growth of gradients by the recurrent weights with the length of the trial, and that of small differences between trajectories.
fn growth(
    task: &PredictiveCoding,
    network: &Network<f64>,
    amounts: Amounts,
    seed: u64,
) -> Result<(f64, f64), Error> {
    let (mut points, mut exponents) = (Vec::new(), Vec::new());
    let range = ranges(network)[0].clone();
    for part in LENGTHS {
        let duration = part * amounts.longest;
        let given = trials(task, duration, (seed, Purpose::Validation), amounts.grown, 1)?;
        let answers = gradients(network, task.h, task.loss(), &given, false)?;
        let norms: Vec<f64> = answers.iter().map(|answer| norm(&answer.gradient[range.clone()])).collect();
        points.push((duration, quantile(&norms, 0.5).ln()));
        if part == 1.0 {
            for trial in &given {
                exponents.push(exponent(task, task.h, network, trial)?);
            }
        }
    }
    Ok((slope(&points), quantile(&exponents, 0.5)))
}

/// The growth of a small change of the initial traces and voltages, as it is seen in the traces at the end of the trial, 1/ms.
pub(super) fn exponent(
    task: &dyn Task<f64>,
    h: f64,
    network: &Network<f64>,
    trial: &Trial<f64>,
) -> Result<f64, Error> {
    let scheme = SplitStep::new(network, h).map_err(Error::experiment)?;
    let end = |by: f64| -> Result<Vec<f64>, Error> {
        let mut changed = trial.clone();
        let start = trial.initial.as_ref().map_or_else(Vec::new, |initial| initial.x.clone());
        let moved = |i: usize| by * if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        let x = start.iter().enumerate().map(|(i, v)| v + moved(i)).collect();
        let s = (0..network.projections().len() * NEURONS).map(|i| 1e-3 + moved(i / 2)).collect();
        changed.initial = Some(InitialState { x, s });
        let run = scheme.run(&changed, task.loss()).map_err(Error::experiment)?;
        let mut sweep = Sweep::new();
        sweep.cost(&run).map_err(Error::experiment)?;
        let traces = (0..network.projections().len()).flat_map(|k| sweep.state()[run.synapses(k)].to_vec());
        Ok(traces.collect())
    };
    let changes = (3.0 * NEURONS as f64).sqrt() * CHANGE;
    Ok((distance(&end(CHANGE)?, &end(0.0)?) / changes).max(f64::MIN_POSITIVE).ln() / trial.duration())
}

/// The names of the groups.
pub(super) fn names() -> [&'static str; GROUPS.len()] {
    GROUPS.map(|(_, name)| name)
}

/// The unbiased signal over what a mean of `n` trials has of noise; above 1, the mean of all trials is known.
pub(super) fn certainty(group: &OfGroup, n: usize) -> f64 {
    group.signal / (group.variance / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn statistics_of_heavy_tails_name_them() {
        let rng = &mut generator(3, Purpose::Test, 0);
        // Directions about a mean, lengths of a power law with exponent 1.5.
        let rows: Vec<[f64; 3]> = (0..4000)
            .map(|_| {
                let length = rng.random::<f64>().powf(-1.0 / 1.5);
                std::array::from_fn(|i| {
                    length * (rng.random_range(-1.0..1.0) + if i == 0 { 0.3 } else { 0.0 })
                })
            })
            .collect();
        let found = statistics(&Sample::new(rows.iter().map(<[f64; 3]>::as_slice)), 50, rng);
        assert!(found.hill < 2.0 && found.largest > 0.3, "{found:?}");
        assert!(found.by_quantile[0].variance < 0.1, "{:?}", found.by_quantile);
        assert!(found.by_quantile[0].bias > found.by_quantile[2].bias);
        assert!(found.clipped_scale < 40.0 && found.silent == 0.0);
        assert!(found.by_quantile[0].cosine.abs() <= 1.0 + 1e-12);
        assert!((found.quantiles[0] > 1.0) && (found.quantiles[3] >= found.quantiles[2]));
    }
}
