//! Angles between the exact gradient and the directions of the rules.

use rayon::prelude::*;
use spikegrad::adjoint::Sweep;
use spikegrad::network::{ApproximateWork, BackwardParts, Group, Network, SplitStep, Trial};

use super::super::intervals::{median, relative_difference, worse};
use super::super::small_tasks::SmallTask;
use super::super::statistics::{cosine, norm, weights_at_median};
use super::program::direction_of;
use crate::Error;

/// Directions of some trials, `trials x parameters`.
type Directions = Vec<Vec<f64>>;

/// The cosines of one rule with the exact gradient, by group in the order of [`SmallTask::groups`].
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Angles {
    /// The cosines of the means over the trials, each trial clipped at the median norm.
    pub(super) of_means: Vec<f64>,
    /// The median over single trials.
    pub(super) of_trials: Vec<f64>,
}

/// Trials as training has them at its end, that no training has seen; `second` for as many others.
fn trials(small: &SmallTask, seed: u64, count: usize, second: bool) -> Vec<Trial<f64>> {
    let first = if second { count } else { 0 };
    (0..count).map(|index| small.late_trial(seed, first + index, (index, count))).collect()
}

/// The exact gradients of trials by the engine.
fn exact(small: &SmallTask, network: &Network<f64>, trials: &[Trial<f64>]) -> Result<Directions, Error> {
    let scheme = SplitStep::new(network, small.h()).map_err(Error::experiment)?;
    let all: Result<Vec<Option<Vec<f64>>>, Error> = trials
        .par_iter()
        .map(|trial| {
            let run = scheme.run(trial, small.task().loss()).map_err(Error::experiment)?;
            let mut gradient = vec![0.0; network.parameters.values().len()];
            // A trial without a gradient has no angle.
            Ok(Sweep::new().gradient(&run, &mut gradient).is_ok().then_some(gradient))
        })
        .collect();
    Ok(all?.into_iter().map(Option::unwrap_or_default).collect())
}

/// The directions of a rule.
fn approximate(
    small: &SmallTask,
    network: &Network<f64>,
    parts: &BackwardParts<f64>,
    trials: &[Trial<f64>],
) -> Result<Directions, Error> {
    let scheme = SplitStep::new(network, small.h()).map_err(Error::experiment)?;
    let all: Result<Vec<Option<Vec<f64>>>, Error> = trials
        .par_iter()
        .map_init(ApproximateWork::default, |work, trial| {
            let mut direction = vec![0.0; network.parameters.values().len()];
            let found = direction_of(&scheme, small.task(), parts, trial, work, &mut direction);
            Ok(found.map_err(Error::experiment)?.is_ok().then_some(direction))
        })
        .collect();
    Ok(all?.into_iter().map(Option::unwrap_or_default).collect())
}

/// The mean of a group's directions, each scaled down to the median norm.
fn clipped_mean(directions: &[&[f64]]) -> Vec<f64> {
    let weights = weights_at_median(directions.iter().map(|x| norm(x)));
    let mut mean = vec![0.0; directions.first().map_or(0, |x| x.len())];
    for (direction, scale) in directions.iter().zip(weights) {
        mean.iter_mut().zip(*direction).for_each(|(mean, x)| *mean += scale * x);
    }
    mean
}

/// What the network's trials say of each rule, of the exact gradient of other trials, and how far the plain backward pass with all parts
/// exact is from the engine's gradient.
pub(super) struct Compared {
    pub(super) rules: Vec<Angles>,
    /// The exact gradient of as many other trials: no rule can be expected to be nearer to that of these.
    pub(super) other_trials: Vec<f64>,
    /// The largest difference over the largest entry of its group, for the rule with all parts exact.
    pub(super) error: f64,
}

/// Compares all rules on a network; the first rule has all parts exact.
pub(super) fn compare(
    small: &SmallTask,
    network: &Network<f64>,
    rules: &[BackwardParts<f64>],
    seed: u64,
    count: usize,
) -> Result<Compared, Error> {
    let these = trials(small, seed, count, false);
    let gradients = exact(small, network, &these)?;
    let others = exact(small, network, &trials(small, seed, count, true))?;
    let layout = network.parameters.layout();
    let group_of = |directions: &'_ Directions, group: Group, kept: &[bool]| -> Vec<Vec<f64>> {
        let range = layout.range(group);
        let all = directions.iter().zip(kept).filter(|(_, kept)| **kept);
        all.map(|(direction, _)| direction[range.clone()].to_vec()).collect()
    };
    let mean = |directions: &[Vec<f64>]| {
        let all: Vec<&[f64]> = directions.iter().map(Vec::as_slice).collect();
        clipped_mean(&all)
    };
    let (mut found, mut error) = (Vec::new(), 0.0);
    for (number, parts) in rules.iter().enumerate() {
        let directions = approximate(small, network, parts, &these)?;
        let kept: Vec<bool> =
            gradients.iter().zip(&directions).map(|(a, b)| !a.is_empty() && !b.is_empty()).collect();
        if number == 0 && !kept.contains(&true) {
            // Where every trial was lost nothing was compared.
            error = f64::NAN;
        }
        let (mut of_means, mut of_trials) = (Vec::new(), Vec::new());
        for &(group, _) in small.groups {
            let (true_ones, rule_s) =
                (group_of(&gradients, group, &kept), group_of(&directions, group, &kept));
            of_means.push(cosine(&mean(&true_ones), &mean(&rule_s)));
            let each: Vec<f64> = true_ones.iter().zip(&rule_s).map(|(a, b)| cosine(a, b)).collect();
            of_trials.push(median(&each));
            if number == 0 {
                error =
                    true_ones.iter().zip(&rule_s).map(|(a, b)| relative_difference(a, b)).fold(error, worse);
            }
        }
        found.push(Angles { of_means, of_trials });
    }
    let is_there =
        |directions: &Directions| -> Vec<bool> { directions.iter().map(|x| !x.is_empty()).collect() };
    let other = |&(group, _): &(Group, &str)| {
        let pair = [&gradients, &others].map(|all| mean(&group_of(all, group, &is_there(all))));
        cosine(&pair[0], &pair[1])
    };
    Ok(Compared { rules: found, other_trials: small.groups.iter().map(other).collect(), error })
}

/// How far a readout has turned towards the random matrix that errors come through: the cosine of the two.
pub(super) fn alignment(network: &Network<f64>, fixed: &[f64]) -> f64 {
    cosine(network.parameters.group(Group::Readout(0)), fixed)
}

#[cfg(test)]
mod tests {
    use super::super::rules::RULES;
    use super::*;

    #[test]
    fn the_exact_rule_has_the_gradient_of_the_engine_and_the_others_have_not() {
        for small in [SmallTask::autoencoding(), SmallTask::xor()] {
            let mut network = small.network(2).unwrap();
            // A network that fires and is read out, so that there is something to be sent back.
            network
                .parameters
                .readout_mut(0)
                .iter_mut()
                .enumerate()
                .for_each(|(i, o)| *o += 0.2 * (i as f64).sin());
            let rules: Vec<_> = RULES.iter().map(|rule| rule.parts(&network, 2)).collect();
            let found = compare(&small, &network, &rules, 2, 4).unwrap();
            assert!(found.error < 1e-10, "{}: {:e}", small.name, found.error);
            for (rule, angles) in RULES.iter().zip(&found.rules) {
                for (&(group, name), &cosine) in small.groups.iter().zip(&angles.of_means) {
                    if rule.is_exact() || group == Group::Readout(0) {
                        assert!(cosine > 1.0 - 1e-9, "{} {name}: {cosine}", rule.name);
                    } else if rule.has_random_readout() {
                        assert!(cosine < 0.99, "{} {name}: {cosine}", rule.name);
                    }
                }
            }
        }
    }

    #[test]
    fn a_mean_of_clipped_directions_is_not_that_of_the_largest() {
        let (small, large) = ([1.0, 0.0], [0.0, 1e6]);
        assert_eq!(clipped_mean(&[&small, &small, &large]), [2.0, 1.0]);
    }
}
