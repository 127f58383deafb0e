//! The answer of the experiment, in words that its figures choose.

use super::courses::{BATCHES, Course, Worth};
use super::results::{
    NO_VARIANCE, Results, Side, Spread, best, gain_of_clipping, predicted, shown, way_ratio,
};
use super::stages::{Clipped, STAGES, Stage};
use super::within::Way;
use crate::experiments::intervals::Mean;

/// The factor within which the noise scale is to predict the useful batch.
const FACTOR: f64 = 3.0;

/// A ratio of costs up to this is no difference.
const LITTLE: f64 = 1.1;
/// A ratio of noise scales up to this is none that is prominent.
pub(super) const PROMINENT: f64 = 2.0;

/// The answer, in words that the figures choose.
pub(super) fn sentences(results: &Results, worths: &[Vec<Worth>]) -> Vec<String> {
    let Some((spiking_name, spiking)) = results.courses.get(1) else { return Vec::new() };
    let (rate, spike) = (results.cell(&results.courses[0].0), results.cell(spiking_name));
    let narrow = results.stages.iter().rposition(|(name, _)| name.starts_with("width")).unwrap_or(spike);
    vec![
        different(results, [rate, spike, narrow]),
        why(results, [rate, spike, narrow]),
        larger_batches(results, worths),
        clipping(results, [(rate, &results.courses[0].1), (spike, spiking)], spiking_name),
        advice(results, worths),
    ]
}

/// The last stage of training.
const LAST: usize = STAGES.len() - 1;

fn different(results: &Results, [rate, spike, narrow]: [usize; 3]) -> String {
    let (spiking_name, narrow_name) = (&results.stages[spike].0, &results.stages[narrow].0);
    let scale = |cell, stage| results.stage(cell, stage, |s| s.adam_scale);
    let cosine = |cell| results.mean(cell, LAST, |s| s.groups[0].cosine);
    let ratio = results.over([spike, rate], LAST, |s| s.adam_scale);
    format!(
        "<b>{}</b> At the end of training the cosine of one trial's gradient by W<sub>f</sub> with the mean is {:.2} in the rate network and {:.2} \
         with {spiking_name}; the noise scale in Adam's metric is {} trials for the rate network, {} with {spiking_name} and {} with \
         {narrow_name}: with {spiking_name} it is {} times that of the rate network. At the start it is {} and {}. {}.",
        match ratio.side(PROMINENT) {
            Side::Same => "No prominent difference between rate and spikes at this width.",
            Side::Unknown => "Rate and spikes may differ, but the seeds do not agree.",
            Side::Less | Side::More => "Rate and spikes differ.",
        },
        cosine(rate),
        cosine(spike),
        scale(rate, LAST).text(),
        scale(spike, LAST).text(),
        scale(narrow, LAST).text(),
        ratio.text(),
        scale(rate, 0).text(),
        scale(spike, 0).text(),
        match results.stages[rate].1.len() {
            1 => "One seed has no intervals".to_owned(),
            seeds => format!("Intervals are 95 % over {seeds} seeds"),
        },
    )
}

fn why(results: &Results, cells: [usize; 3]) -> String {
    let [rate, spike, narrow] = cells;
    let hill = |cell| results.group(cell, LAST, 0, |g| g.hill);
    let mean = |of: fn(&Stage) -> f64| cells.map(|cell| results.mean(cell, LAST, of));
    let largest = mean(|s| 100.0 * s.groups[0].largest);
    let silent = mean(|s| 100.0 * s.groups[0].silent);
    let (growth, lyapunov) = (mean(|s| s.growth), mean(|s| s.lyapunov));
    // Signs need all of the interval where there is one.
    let is_above = |x: &Mean, edge: f64| x.mean > edge && !(x.mean - x.half <= edge);
    let faster = results.stages[spike].1.iter().zip(&results.stages[rate].1);
    let faster: Vec<f64> = faster.map(|(spike, rate)| spike[LAST].growth - rate[LAST].growth).collect();
    let reasons: Vec<&str> = [
        (
            hill(narrow).mean() < NO_VARIANCE || hill(spike).mean() < NO_VARIANCE,
            "tails so heavy that a variance does not exist",
        ),
        (
            hill(spike).mean() < 0.75 * hill(rate).mean() && hill(spike).mean() >= NO_VARIANCE,
            "heavier tails, with a variance",
        ),
        (
            is_above(&lyapunov[1], 0.0) && !is_above(&lyapunov[0], 0.0),
            "chaos, which the rate network is free of",
        ),
        (is_above(&Mean::of(&faster), 0.005), "gradients that grow faster along the trial"),
        (silent[1].mean > 1.0 || silent[2].mean > 1.0, "trials without any gradient (silence)"),
    ]
    .into_iter()
    .filter_map(|(holds, reason)| holds.then_some(reason))
    .collect();
    let three = |all: &[Mean; 3], digits: usize| {
        format!("{:.digits$}, {:.digits$} and {:.digits$}", all[0], all[1], all[2])
    };
    format!(
        "<b>Why: {}.</b> The exponent of the tail of the norms by W<sub>f</sub> is {} for the rate network, {} with {} and {} with {} (below \
         {NO_VARIANCE} there is no variance and no noise scale); the largest 1 % of trials have {} % of the squares. Gradients grow with the \
         length of the trial by {} per ms, small differences of trajectories by {}. Trials without a gradient: {} %.",
        if reasons.is_empty() {
            "neither tails, nor chaos, nor silence set them apart".to_owned()
        } else {
            reasons.join("; ")
        },
        hill(rate).text(),
        hill(spike).text(),
        results.stages[spike].0,
        hill(narrow).text(),
        results.stages[narrow].0,
        three(&largest, 0),
        three(&growth, 4),
        three(&lyapunov, 4),
        three(&silent, 1),
    )
}

fn larger_batches(results: &Results, worths: &[Vec<Worth>]) -> String {
    let predictions: Vec<String> = results
        .courses
        .iter()
        .zip(worths)
        .map(|((name, _), worths)| {
            let cell = results.cell(name);
            let (said, found) = (predicted(results, cell), shown(worths));
            let ratio = said.mean() / found.mean();
            let edge = worths.iter().filter(|worth| worth.at_edge).count();
            let reason = if !ratio.is_finite() {
                "there is nothing to compare"
            } else if (1.0 / FACTOR..=FACTOR).contains(&ratio) {
                "within a factor of 3"
            } else if 2 * edge > worths.len() {
                "not within a factor of 3: the largest batch that got there was fastest at the largest learning rate of the grid, so the number \
                 of steps, not noise, ends the return"
            } else if results.group(cell, 1, 0, |g| g.hill).mean() < NO_VARIANCE {
                "not within a factor of 3: the tail has no variance, so the noise scale is that of a few trials"
            } else {
                "not within a factor of 3: the noise scale is that of one stage and of small steps, and training takes larger ones over all \
                 stages"
            };
            format!("{name}: predicted {}, shown {} ({reason})", said.text(), found.text())
        })
        .collect();
    format!("<b>Where larger batches stop to pay.</b> {}.", predictions.join("; "))
}

fn clipping(results: &Results, [rate, spike]: [(usize, &[Vec<Course>]); 2], spiking_name: &str) -> String {
    let gains = [rate, spike].map(|(_, seeds)| gain_of_clipping(seeds));
    let percent = |cell: usize, of: fn(&Clipped) -> f64| {
        results.mean(cell, LAST, |s| 100.0 * of(&s.groups[0].by_quantile[0]))
    };
    let helps = |gain: &Spread| match gain.side(LITTLE) {
        Side::More => "helps",
        Side::Less => "harms",
        Side::Same => "changes little",
        Side::Unknown => "has an effect that differs between seeds",
    };
    format!(
        "<b>Clipping each trial at twice the median of norms {} with spikes and {} with rates.</b> The best cost without clipping is {} times that with \
         it for {spiking_name}, and {} times for the rate network. At the end of training clipping at the median itself shortens or turns the mean \
         gradient by W<sub>f</sub> by {:.0} % ({spiking_name}) and {:.0} % (rate) of its norm, and leaves {:.0} % and {:.0} % of the variance.",
        helps(&gains[1]),
        helps(&gains[0]),
        gains[1].text(),
        gains[0].text(),
        percent(spike.0, |c| c.bias),
        percent(rate.0, |c| c.bias),
        percent(spike.0, |c| c.variance),
        percent(rate.0, |c| c.variance),
    )
}

/// What to do.
fn advice(results: &Results, worths: &[Vec<Worth>]) -> String {
    let of = |cell: usize| {
        let costs: Vec<f64> = BATCHES
            .iter()
            .map(|&batch| best(&results.courses[cell].1, |course| course.batch == batch).mean())
            .collect();
        let least = costs.iter().copied().fold(f64::INFINITY, f64::min);
        let near: Vec<String> = BATCHES
            .iter()
            .zip(&costs)
            .filter(|(_, cost)| **cost < LITTLE * least)
            .map(|(batch, _)| batch.to_string())
            .collect();
        format!(
            "{}: batches of {} come within 10 % of the best cost for {} trials, and beyond {} trials a batch the number of trials to a \
             cost doubles",
            results.courses[cell].0,
            near.join(", "),
            results.budget,
            shown(&worths[cell]).text(),
        )
    };
    let spiking = results.courses.len() - 1;
    let ratio = |ways: [Way; 2]| way_ratio(&results.within[spiking].1, ways);
    let pieces = ratio([Way::Pieces, Way::WholeTrials]);
    let behind = ratio([Way::BehindOptimiser, Way::BeforeOptimiser]);
    format!(
        "<b>What to do.</b> {}; {}. An update after every fifth of a trial, with states handed on, {} against one update a trial (cost {} times, with \
         spikes, at equal trials). Add gradients up {} the optimiser: behind it the cost is {} times.",
        of(0),
        of(spiking),
        match pieces.side(LITTLE) {
            Side::Less => "pays",
            Side::More => "costs accuracy",
            Side::Same => "changes little",
            Side::Unknown => "pays in some seeds only",
        },
        pieces.text(),
        match behind.side(LITTLE) {
            Side::More => "before",
            Side::Less => "behind",
            Side::Same | Side::Unknown => "before or behind",
        },
        behind.text(),
    )
}
