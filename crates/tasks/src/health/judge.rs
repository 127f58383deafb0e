//! What the figures of a report mean: from which threshold on each is a finding.

use super::Health;
use super::activity::PopulationHealth;
use super::gradients::GroupHealth;
use super::learning::LearningHealth;
use super::thresholds::{
    CHAOS, CLIPPED_AWAY, COST_CHANGE, GRADIENT_CHANGE, GUESSED, HEAVY_TAIL, IDLE_NEURONS, INPUT_EFFECT,
    LARGE_UPDATE, LEARNED, MISSING_BY_CHANCE, RISE, SILENT_TRIALS, SMALL_COURSE, SUBTHRESHOLD_NEURONS,
    UNSEEN, WORSE_THAN_GUESSING, ZERO_GRADIENTS,
};
use crate::Finding;

/// Everything that is wrong, causes before what follows from them.
pub(super) fn judge(health: &Health) -> Vec<Finding> {
    let mut findings = of_data(health);
    findings.extend(health.zero_readouts.iter().map(|name| Finding::ZeroReadout { name: name.clone() }));
    if let Some(first) = &health.failure {
        let (trials, of) = (health.diverged, health.trials);
        findings.push(Finding::Diverged { trials, of, first: first.clone() });
    }
    findings.extend(Finding::of(&health.events));
    let is_silent = health.events.spikes == 0;
    let finite = health.trials - health.diverged;
    if !is_silent && health.silent_trials as f64 > SILENT_TRIALS * finite as f64 {
        findings.push(Finding::SilentTrials { silent: health.silent_trials, of: finite });
    }
    findings.extend(health.populations.iter().flat_map(|population| of_population(population, is_silent)));
    findings.extend(of_cotangents(health));
    findings.extend(of_groups(&health.groups));
    // In a chaotic network every step leads elsewhere.
    if !findings.iter().any(|finding| matches!(finding, Finding::Chaos { .. })) {
        findings.extend(of_step(health));
    }
    if let Some(change) =
        health.cost.as_ref().and_then(|cost| cost.without_inputs).filter(|c| *c < INPUT_EFFECT)
    {
        findings.push(Finding::InputsWithoutEffect { change });
    }
    if let Some(learning) = &health.learning {
        findings.extend(of_learning(health, learning));
    }
    findings.extend(of_cost(health));
    findings
}

fn of_data(health: &Health) -> Vec<Finding> {
    let data = &health.data;
    let mut findings = Vec::new();
    if let Some(first) = data.non_finite.first() {
        findings.push(Finding::NonFiniteData {
            what: first.what,
            trial: first.trial,
            sample: first.sample,
            channel: first.channel,
            trials: data.left_out(),
        });
    }
    let channels = |channels: &Vec<usize>| (!channels.is_empty()).then(|| channels.clone());
    let of = data.inputs;
    findings.extend(channels(&data.zero_inputs).map(|channels| Finding::ZeroInputs { channels, of }));
    findings.extend(channels(&data.constant_inputs).map(|channels| Finding::ConstantInputs { channels, of }));
    let of = data.channels;
    findings.extend(channels(&data.silent_channels).map(|channels| Finding::SilentChannels { channels, of }));
    let target = |target: &super::ConstantTarget| Finding::ConstantTarget {
        output: target.output,
        value: target.value,
    };
    findings.extend(data.constant_targets.iter().map(target));
    if let Some(counts) = &data.classes {
        let classes: Vec<usize> = (0..counts.len()).filter(|&class| counts[class] == 0).collect();
        if !classes.is_empty() && data.missing_by_chance() < MISSING_BY_CHANCE {
            findings.push(Finding::MissingClasses { classes, of: counts.len(), trials: data.trials });
        }
    }
    findings
}

fn of_population(found: &PopulationHealth, is_silent: bool) -> Vec<Finding> {
    let (population, of) = (found.name.clone(), found.neurons);
    let is_many = |neurons: usize, share: f64| neurons as f64 > share * of as f64;
    let mut findings = Vec::new();
    if is_many(found.never_active, IDLE_NEURONS) {
        let neurons = found.never_active;
        findings.push(Finding::NeverActive { population: population.clone(), neurons, of });
    }
    if !is_silent && is_many(found.never_spike, SUBTHRESHOLD_NEURONS) {
        findings.push(Finding::NeverSpike { population: population.clone(), neurons: found.never_spike, of });
    }
    if is_many(found.saturated, IDLE_NEURONS) {
        let (neurons, rate, most) = (found.saturated, found.rates.max, found.most);
        findings.push(Finding::Saturated { population: population.clone(), neurons, of, rate, most });
    }
    if is_many(found.long_in_zone, IDLE_NEURONS) {
        let (neurons, share) = (found.long_in_zone, found.zone.max);
        findings.push(Finding::LongInZone { population: population.clone(), neurons, of, share });
    }
    if is_many(found.grazing, IDLE_NEURONS) {
        findings.push(Finding::GrazingNeurons { population, neurons: found.grazing, of });
    }
    findings
}

fn of_cotangents(health: &Health) -> Vec<Finding> {
    let found = &health.cotangents;
    let growth = found.growth.map(|growth| growth.median);
    let mut findings = Vec::new();
    if let Some(growth) = growth.filter(|growth| growth * found.duration > CHAOS) {
        let decades = growth * found.duration / std::f64::consts::LN_10;
        findings.push(Finding::Chaos { folding: 1.0 / growth, decades });
    }
    if let (Some(before), Some(first)) = (found.reach, found.first_input)
        && before > UNSEEN * found.duration
        && first < before
    {
        let folding = growth.filter(|growth| *growth < 0.0).map(|growth| -1.0 / growth);
        findings.push(Finding::Vanishing { before, duration: found.duration, folding });
    }
    findings
}

/// One finding for all groups that have a fault, with the figure of the worst of them.
fn of_groups(groups: &[GroupHealth]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let names = |these: &[(&GroupHealth, f64)]| these.iter().map(|(group, _)| group.name.clone()).collect();
    let with = |figure: &dyn Fn(&GroupHealth) -> Option<f64>| -> Vec<(&GroupHealth, f64)> {
        groups.iter().filter_map(|group| Some((group, figure(group)?))).collect()
    };
    let is_most = |group: &&GroupHealth| group.zero as f64 > ZERO_GRADIENTS * group.trials as f64;
    let zero: Vec<&GroupHealth> = groups.iter().filter(is_most).collect();
    if let Some(least) = zero.iter().min_by_key(|group| group.zero) {
        let groups = zero.iter().map(|group| group.name.clone()).collect();
        findings.push(Finding::NoGradient { groups, zero: least.zero, of: least.trials });
    }
    let tails = with(&|group| group.tail.filter(|ratio| *ratio > HEAVY_TAIL));
    if let Some(ratio) = tails.iter().map(|(_, ratio)| *ratio).reduce(f64::max) {
        findings.push(Finding::HeavyTail { groups: names(&tails), ratio });
    }
    let clipped =
        with(&|group| group.clipped.map(|clipped| clipped.left).filter(|left| *left < CLIPPED_AWAY));
    if let Some(left) = clipped.iter().map(|(_, left)| *left).reduce(f64::min) {
        findings.push(Finding::ClippedAway { groups: names(&clipped), left });
    }
    findings
}

/// One finding for the step, with the group whose gradient it changes most.
fn of_step(health: &Health) -> Option<Finding> {
    let cost = health.cost.as_ref()?.halved?;
    // How long the difference of the gradients is, so that turning and stretching count alike.
    let distance = |cosine: f64, ratio: f64| (1.0 + ratio * (ratio - 2.0 * cosine)).max(0.0).sqrt();
    let found = health.groups.iter().filter_map(|group| Some((group, group.cosine?, group.ratio?)));
    let worst = found.max_by(|a, b| distance(a.1, a.2).total_cmp(&distance(b.1, b.2)));
    let is_other = worst.is_some_and(|(_, cosine, ratio)| !(distance(cosine, ratio) <= GRADIENT_CHANGE));
    if cost <= COST_CHANGE && !is_other {
        return None;
    }
    let (group, cosine, ratio) =
        worst.map_or((None, 1.0, 1.0), |(group, cosine, ratio)| (Some(group.name.clone()), cosine, ratio));
    Some(Finding::CoarseStep { h: health.h, cost, group, cosine, ratio })
}

fn of_learning(health: &Health, found: &LearningHealth) -> Vec<Finding> {
    let mut findings = Vec::new();
    if found.after.is_none_or(|after| after - found.before > RISE * found.before.abs()) {
        let (before, after, falls_at) = (found.before, found.after, found.falls_at);
        findings.push(Finding::CostRises { before, after, falls_at });
    }
    let sizes = || found.updates.iter().filter_map(|update| Some((&update.group, update.size?)));
    let large = sizes().filter(|(_, size)| *size > LARGE_UPDATE);
    findings.extend(large.map(|(group, size)| Finding::LargeUpdate { group: group.clone(), size }));
    let fastest = sizes().map(|(_, size)| size).fold(0.0, f64::max);
    let all = fastest * health.iterations as f64;
    if fastest > 0.0 && all < SMALL_COURSE {
        findings.push(Finding::SmallUpdates { size: all, iterations: health.iterations });
    }
    let learned = health
        .cost
        .as_ref()
        .is_some_and(|cost| cost.guessing.is_some_and(|guessing| cost.mean < LEARNED * guessing));
    let Some(first) = found.fits.first().filter(|first| !learned && !found.is_fitted(first.cost)) else {
        return findings;
    };
    let (steps, before, best) = (found.steps, found.before, found.best());
    findings.push(if found.is_fitted(best.cost) {
        Finding::OtherRates { steps, before, after: first.cost, factor: best.factor, better: best.cost }
    } else {
        Finding::CannotFit { trials: found.trials, steps, before, after: best.cost }
    });
    findings
}

fn of_cost(health: &Health) -> Option<Finding> {
    let cost = health.cost.as_ref()?;
    let guessing = cost.guessing?;
    if guessing > 0.0 && cost.mean > WORSE_THAN_GUESSING * guessing {
        return Some(Finding::WorseThanGuessing { cost: cost.mean, guessing });
    }
    let (held_out, of_held_out) = (cost.held_out?, cost.held_out_guessing?);
    (cost.mean < LEARNED * guessing && held_out > GUESSED * of_held_out)
        .then_some(Finding::DoesNotGeneralise { cost: cost.mean, held_out, guessing: of_held_out })
}
