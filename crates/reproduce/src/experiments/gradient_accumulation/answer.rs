//! The answer of the experiment, in words that its figures choose.

use super::courses::{BATCHES, Course, Worth};
use super::results::{NO_VARIANCE, Results, best, predicted, shown, way_cost};
use super::stages::STAGES;
use super::within::Way;

/// The factor within which the noise scale is to predict the useful batch.
const FACTOR: f64 = 3.0;

/// How many times as large, in words.
fn times(ratio: f64) -> String {
    if !ratio.is_finite() {
        "not to be compared with".to_owned()
    } else if (0.8..1.25).contains(&ratio) {
        "about the same as".to_owned()
    } else if ratio > 1.0 {
        format!("{ratio:.1} times")
    } else {
        format!("1/{:.1} of", 1.0 / ratio)
    }
}

/// The answer, in words that the figures choose.
pub(super) fn sentences(results: &Results, worths: &[Vec<Worth>]) -> Vec<String> {
    let Some((spiking_name, spiking)) = results.courses.get(1) else { return Vec::new() };
    let (rate, spike) = (results.cell(&results.courses[0].0), results.cell(spiking_name));
    let last = STAGES.len() - 1;
    let scale = |cell, stage| results.stage(cell, stage, |s| s.adam_scale).mean;
    let narrow = results.stages.iter().rposition(|(name, _)| name.starts_with("width")).unwrap_or(spike);
    let narrow_name = &results.stages[narrow].0;
    let ratio = scale(spike, last) / scale(rate, last);
    let is_same = (0.5..2.0).contains(&ratio);
    let first = format!(
        "<b>{}</b> At the end of training one trial tells the rate network {:.2} (cosine of its gradient by W<sub>f</sub> with the mean) and \
         the network with {spiking_name} {:.2}; the noise scale in Adam's metric is {:.0} trials for the rate network, {:.0} with {spiking_name} \
         and {:.0} with {narrow_name}: with {spiking_name} it is {} that of the rate network. At the start it is {:.1} and {:.1}.",
        if is_same {
            "No prominent difference between rate and spikes at this width."
        } else {
            "Rate and spikes differ."
        },
        results.mean(rate, last, |s| s.groups[0].cosine),
        results.mean(spike, last, |s| s.groups[0].cosine),
        scale(rate, last),
        scale(spike, last),
        scale(narrow, last),
        times(ratio),
        scale(rate, 0),
        scale(spike, 0),
    );
    let hill = |cell| results.group(cell, last, 0, |g| g.hill).mean;
    let largest = |cell| 100.0 * results.group(cell, last, 0, |g| g.largest).mean;
    let growth = |cell| results.mean(cell, last, |s| s.growth);
    let lyapunov = |cell| results.mean(cell, last, |s| s.lyapunov);
    let silent = |cell| 100.0 * results.mean(cell, last, |s| s.groups[0].silent);
    let reasons: Vec<String> = [
        (
            hill(narrow) < NO_VARIANCE || hill(spike) < NO_VARIANCE,
            "tails so heavy that a variance does not exist",
        ),
        (hill(spike) < 0.75 * hill(rate) && hill(spike) >= NO_VARIANCE, "heavier tails, with a variance"),
        (lyapunov(spike) > 0.0 && lyapunov(rate) <= 0.0, "chaos, which the rate network is free of"),
        (growth(spike) > growth(rate) + 0.005, "gradients that grow faster along the trial"),
        (silent(spike) > 1.0 || silent(narrow) > 1.0, "trials without any gradient (silence)"),
    ]
    .into_iter()
    .filter(|(holds, _)| *holds)
    .map(|(_, reason)| reason.to_owned())
    .collect();
    let second = format!(
        "<b>Why: {}.</b> The exponent of the tail of the norms by W<sub>f</sub> is {:.1} for the rate network, {:.1} with {spiking_name} and \
         {:.1} with {narrow_name} (below {NO_VARIANCE} there is no variance and no noise scale); the largest 1 % of trials have {:.0} %, {:.0} % \
         and {:.0} % of the squares. Gradients grow with the length of the trial by {:.4}, {:.4} and {:.4} per ms, small differences of \
         trajectories by {:.4}, {:.4} and {:.4}. Trials without a gradient: {:.1} %, {:.1} % and {:.1} %.",
        if reasons.is_empty() {
            "neither tails, nor chaos, nor silence set them apart".to_owned()
        } else {
            reasons.join("; ")
        },
        hill(rate),
        hill(spike),
        hill(narrow),
        largest(rate),
        largest(spike),
        largest(narrow),
        growth(rate),
        growth(spike),
        growth(narrow),
        lyapunov(rate),
        lyapunov(spike),
        lyapunov(narrow),
        silent(rate),
        silent(spike),
        silent(narrow),
    );
    let predictions: Vec<String> = results
        .courses
        .iter()
        .zip(worths)
        .map(|((name, _), worths)| {
            let cell = results.cell(name);
            let (said, found) = (predicted(results, cell).mean, shown(worths).mean);
            let ratio = said / found;
            let edge = worths.iter().filter(|worth| worth.at_edge).count();
            let reason = if !ratio.is_finite() {
                "there is nothing to compare".to_owned()
            } else if (1.0 / FACTOR..=FACTOR).contains(&ratio) {
                "within a factor of 3".to_owned()
            } else if 2 * edge > worths.len() {
                "not within a factor of 3: the largest batch that got there was fastest at the largest learning rate of the grid, so the number \
                 of steps, not noise, ends the return"
                    .to_owned()
            } else if results.group(cell, 1, 0, |g| g.hill).mean < NO_VARIANCE {
                "not within a factor of 3: the tail has no variance, so the noise scale is that of a few trials".to_owned()
            } else {
                "not within a factor of 3: the noise scale is that of one stage and of small steps, and training takes larger ones over all \
                 stages"
                    .to_owned()
            };
            format!("{name}: predicted {said:.0}, shown {found:.0} ({reason})")
        })
        .collect();
    let third = format!("<b>Where larger batches stop to pay.</b> {}.", predictions.join("; "));
    let clipped = |seeds: &[Vec<Course>], clip: bool| best(seeds, |course| course.clip == clip).mean;
    let gain = |seeds: &[Vec<Course>]| clipped(seeds, false) / clipped(seeds, true);
    let (rate_gain, spike_gain) = (gain(&results.courses[0].1), gain(spiking));
    let bias = |cell: usize| results.group(cell, last, 0, |g| g.by_quantile[0].bias).mean;
    let fourth = format!(
        "<b>Clipping each trial at twice the median of norms {} with spikes and {} with rates.</b> The best cost without clipping is {spike_gain:.2} \
         times that with it for {spiking_name}, and {rate_gain:.2} times for the rate network. At the end of training clipping at the median itself shortens \
         or turns the mean gradient by W<sub>f</sub> by {:.0} % ({spiking_name}) and {:.0} % (rate) of its norm, and leaves {:.0} % and {:.0} % of \
         the variance.",
        helps(spike_gain),
        helps(rate_gain),
        100.0 * bias(spike),
        100.0 * bias(rate),
        100.0 * results.group(spike, last, 0, |g| g.by_quantile[0].variance).mean,
        100.0 * results.group(rate, last, 0, |g| g.by_quantile[0].variance).mean,
    );
    vec![first, second, third, fourth, advice(results, worths)]
}

fn helps(gain: f64) -> &'static str {
    if gain > 1.1 {
        "helps"
    } else if gain < 0.9 {
        "harms"
    } else {
        "changes little"
    }
}

/// What to do.
fn advice(results: &Results, worths: &[Vec<Worth>]) -> String {
    let of = |cell: usize| {
        let costs: Vec<f64> = BATCHES
            .iter()
            .map(|&batch| best(&results.courses[cell].1, |course| course.batch == batch).mean)
            .collect();
        let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
        let near: Vec<String> = BATCHES
            .iter()
            .zip(&costs)
            .filter(|(_, cost)| **cost < 1.1 * least)
            .map(|(batch, _)| batch.to_string())
            .collect();
        let largest = shown(&worths[cell]).mean;
        format!(
            "{}: batches of {} come within 10 % of the best cost for {} trials, and beyond {largest:.0} trials a batch the number of trials to a \
             cost doubles",
            results.courses[cell].0,
            near.join(", "),
            results.budget
        )
    };
    let way = |cell: usize, way: Way| way_cost(&results.within[cell].1, way).mean;
    let spiking = results.courses.len() - 1;
    let pieces = way(spiking, Way::Pieces) / way(spiking, Way::WholeTrials);
    let behind = way(spiking, Way::BehindOptimiser) / way(spiking, Way::BeforeOptimiser);
    format!(
        "<b>What to do.</b> {}; {}. An update after every fifth of a trial, with states handed on, {} against one update a trial (cost {pieces:.2} \
         times, with spikes, at equal trials). Add gradients up {} the optimiser: behind it the cost is {behind:.2} times.",
        of(0),
        of(spiking),
        if pieces < 0.9 {
            "pays"
        } else if pieces > 1.1 {
            "costs accuracy"
        } else {
            "changes little"
        },
        if behind > 1.1 {
            "before"
        } else if behind < 0.9 {
            "behind"
        } else {
            "before or behind"
        },
    )
}
