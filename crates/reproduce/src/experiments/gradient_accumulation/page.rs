//! The page of the accumulation of gradients: figures, an answer in words that are chosen by them, tables and plots.

use spikegrad_report::numbers::value;
use spikegrad_report::plot::{BLACK, Panel, Plot, Style, cycle};

use super::courses::{BATCHES, Course, FACTORS, Worth, worth};
use super::stages::{OfGroup, QUANTILES, STAGES, Stage, certainty, names};
use super::within::{Trained, Way};
use crate::Error;
use crate::experiments::statistics::quantile;
use crate::report::Report;

/// The factor within which the noise scale is to predict the useful batch.
const FACTOR: f64 = 3.0;
/// The largest departure of the bootstrap from what is taken off as its bias.
const BOOTSTRAP: [f64; 2] = [0.85, 1.15];
/// The exponent of the tail below which there is no variance.
const NO_VARIANCE: f64 = 2.0;

/// All results. A network has one entry for each seed.
#[derive(Default)]
pub(super) struct Results {
    /// Trials whose gradients were taken, and trials of a training by batches.
    pub(super) trials: usize,
    pub(super) budget: usize,
    /// The three stages of every seed.
    pub(super) stages: Vec<(String, Vec<Vec<Stage>>)>,
    pub(super) courses: Vec<(String, Vec<Vec<Course>>)>,
    pub(super) within: Vec<(String, Vec<Vec<Trained>>)>,
    /// Time of a trial by batch, ms.
    pub(super) times: Vec<Vec<f64>>,
}

/// Geometric mean of the seeds' values, the least and the largest. Seeds without a finite, positive value are counted, not averaged.
#[derive(Clone, Debug)]
struct Spread {
    mean: f64,
    least: f64,
    largest: f64,
    missing: usize,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let all: Vec<f64> = values.collect();
        let finite: Vec<f64> = all.iter().copied().filter(|x| x.is_finite() && *x > 0.0).collect();
        let mean = (finite.iter().map(|x| x.ln()).sum::<f64>() / finite.len() as f64).exp();
        Self {
            mean,
            least: finite.iter().copied().fold(f64::INFINITY, f64::min),
            largest: finite.iter().copied().fold(0.0, f64::max),
            missing: all.len() - finite.len(),
        }
    }

    fn text(&self) -> String {
        if !self.mean.is_finite() {
            return "none".to_owned();
        }
        let missing = if self.missing > 0 { format!(", {} without", self.missing) } else { String::new() };
        format!("{} ({} to {}{missing})", short(self.mean), short(self.least), short(self.largest))
    }
}

/// Three digits.
fn short(x: f64) -> String {
    match x.abs() {
        size if size >= 100.0 => format!("{x:.0}"),
        size if size >= 10.0 => format!("{x:.1}"),
        size if size >= 1.0 => format!("{x:.2}"),
        _ => value(Some((x * 1e4).round() / 1e4)),
    }
}

impl Results {
    fn stage(&self, cell: usize, stage: usize, of: impl Fn(&Stage) -> f64) -> Spread {
        Spread::of(self.stages[cell].1.iter().map(|seed| of(&seed[stage])))
    }

    fn group(&self, cell: usize, stage: usize, group: usize, of: impl Fn(&OfGroup) -> f64) -> Spread {
        self.stage(cell, stage, |stage| of(&stage.groups[group]))
    }

    /// The arithmetic mean over seeds, for what may be negative.
    fn mean(&self, cell: usize, stage: usize, of: impl Fn(&Stage) -> f64) -> f64 {
        let seeds = &self.stages[cell].1;
        seeds.iter().map(|seed| of(&seed[stage])).sum::<f64>() / seeds.len() as f64
    }

    /// Where the stages of a trained network are.
    fn cell(&self, name: &str) -> usize {
        self.stages.iter().position(|(other, _)| other == name).unwrap_or(0)
    }
}

/// Writes the page.
pub(super) fn write(report: &mut Report, results: &Results) -> Result<(), Error> {
    let worths: Vec<Vec<Worth>> =
        results.courses.iter().map(|(_, seeds)| seeds.iter().map(|seed| worth(seed)).collect()).collect();
    figures(report, results, &worths);
    for sentence in sentences(results, &worths) {
        report.answer(sentence);
    }
    noise(report, results)?;
    clipping(report, results);
    batches(report, results, &worths)?;
    ways(report, results);
    Ok(())
}

/// The batch that the noise predicts for a network, seed by seed: the noise scale in Adam's metric in the middle of training.
fn predicted(results: &Results, cell: usize) -> Spread {
    results.stage(cell, 1, |stage| stage.adam_scale)
}

/// The batch that training shows.
fn shown(worths: &[Worth]) -> Spread {
    Spread::of(worths.iter().map(|worth| worth.useful))
}

fn figures(report: &mut Report, results: &Results, worths: &[Vec<Worth>]) {
    let ratios = results.stages.iter().flat_map(|(_, seeds)| seeds.iter().flatten());
    let ratios: Vec<f64> = ratios
        .flat_map(|stage| &stage.groups)
        .filter(|group| group.variance > 0.0 && group.hill > NO_VARIANCE)
        .map(|group| group.bootstrap.0)
        .collect();
    report.figure(
        "bootstrap bias of |mean|^2 over tr(Sigma)/n, median of all groups, stages and networks",
        quantile(&ratios, 0.5),
        "",
        Some(BOOTSTRAP),
    );
    for (cell, (name, _)) in results.stages.iter().enumerate() {
        for (stage, when) in STAGES.iter().enumerate() {
            let who = format!("{name}, {when}");
            report
                .figure(
                    format!("{who}: noise scale of W_f"),
                    results.group(cell, stage, 0, |g| g.scale).mean,
                    "trials",
                    None,
                )
                .figure(
                    format!("{who}: noise scale of all groups in Adam's metric"),
                    results.stage(cell, stage, |s| s.adam_scale).mean,
                    "trials",
                    None,
                )
                .figure(
                    format!("{who}: exponent of the tail of W_f"),
                    results.group(cell, stage, 0, |g| g.hill).mean,
                    "",
                    None,
                )
                .figure(
                    format!("{who}: cosine of one trial with the mean, W_f"),
                    results.mean(cell, stage, |s| s.groups[0].cosine),
                    "",
                    None,
                )
                .figure(
                    format!("{who}: growth of the gradient"),
                    results.mean(cell, stage, |s| s.growth),
                    "1/ms",
                    None,
                )
                .figure(
                    format!("{who}: Lyapunov exponent"),
                    results.mean(cell, stage, |s| s.lyapunov),
                    "1/ms",
                    None,
                );
        }
    }
    for ((name, _), worths) in results.courses.iter().zip(worths) {
        let cell = results.cell(name);
        let (said, found) = (predicted(results, cell), shown(worths));
        report
            .figure(format!("{name}: batch that the noise scale predicts"), said.mean, "trials", None)
            .figure(
                format!("{name}: batch at which training takes twice the trials"),
                found.mean,
                "trials",
                None,
            )
            .figure(format!("{name}: predicted over shown"), said.mean / found.mean, "", None);
    }
}

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

/// The best end of trainings that satisfy a condition, over a grid of settings, seed by seed.
fn best(seeds: &[Vec<Course>], keep: impl Fn(&Course) -> bool) -> Spread {
    Spread::of(seeds.iter().map(|courses| {
        courses.iter().filter(|course| keep(course)).map(Course::last).fold(f64::INFINITY, f64::min)
    }))
}

/// The answer, in words that the figures choose.
fn sentences(results: &Results, worths: &[Vec<Worth>]) -> Vec<String> {
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
        (
            growth(spike) > growth(rate) + 0.005 || growth(narrow) > growth(rate) + 0.005,
            "growth along the trial (chaos)",
        ),
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
            let reason = if (1.0 / FACTOR..=FACTOR).contains(&ratio) {
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
        "<b>Clipping each trial at the median of norms {} with spikes and {} with rates.</b> The best cost without clipping is {spike_gain:.2} \
         times that with it for {spiking_name}, and {rate_gain:.2} times for the rate network. At the end of training such clipping shortens \
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

fn way_cost(seeds: &[Vec<Trained>], way: Way) -> Spread {
    Spread::of(
        seeds.iter().map(|all| {
            all.iter().filter(|one| one.way == way).map(|one| one.cost).fold(f64::INFINITY, f64::min)
        }),
    )
}

fn noise(report: &mut Report, results: &Results) -> Result<(), Error> {
    report.heading("Signal and noise of single trials").prose(format!(
        "{} trials of their own at the start, in the middle and at the end of training by the recipe. The signal is the square of the mean \
         gradient less what its number of trials leaves of the noise, |mean|² − tr(Σ)/n; the noise scale is tr(Σ) over the signal: the batch in \
         which both are alike. In Adam's metric every entry is measured by its root mean square. Values are geometric means over seeds, with \
         the least and the largest seed.",
        results.trials
    ));
    for (group, name) in names().into_iter().enumerate() {
        let mut rows = Vec::new();
        for (cell, (network, _)) in results.stages.iter().enumerate() {
            for (stage, when) in STAGES.iter().enumerate() {
                let of = |value: fn(&OfGroup) -> f64| results.group(cell, stage, group, value);
                let hill = of(|g| g.hill);
                let scale = of(|g| g.scale).text();
                rows.push(vec![
                    network.clone(),
                    (*when).to_owned(),
                    short(of(|g| certainty(g, 1)).mean.sqrt()),
                    if hill.mean < NO_VARIANCE { format!("no variance: {scale}") } else { scale },
                    of(|g| g.clipped_scale).text(),
                    of(|g| g.adam_scale).text(),
                    short(hill.mean),
                    of(|g| g.quantiles[0]).text(),
                    short(of(|g| g.quantiles[1]).mean),
                    short(of(|g| g.quantiles[3]).mean),
                    format!("{:.0} %", 100.0 * of(|g| g.largest).mean),
                    format!("{:.2}", results.mean(cell, stage, |s| s.groups[group].cosine)),
                    format!("{:.1} %", 100.0 * results.mean(cell, stage, |s| s.groups[group].silent)),
                ]);
            }
        }
        report.table(
            format!("Gradients by {name}. Quantiles and the largest norm over the median; the exponent is Hill's, of the largest 5 %."),
            &[
                "network", "stage", "signal over noise of a trial", "noise scale", "clipped at the median", "in Adam's metric", "tail exponent",
                "90 %", "99 %", "largest", "share of largest 1 %", "cosine", "silent",
            ],
            rows,
        );
    }
    let mut rows = Vec::new();
    for (cell, (network, _)) in results.stages.iter().enumerate() {
        for (stage, when) in STAGES.iter().enumerate() {
            rows.push(vec![
                network.clone(),
                (*when).to_owned(),
                results.stage(cell, stage, |s| s.cost).text(),
                results.stage(cell, stage, |s| s.adam_scale).text(),
                format!("{:.4}", results.mean(cell, stage, |s| s.growth)),
                format!("{:.4}", results.mean(cell, stage, |s| s.lyapunov)),
                format!("{:.0}", results.mean(cell, stage, |s| s.rate)),
                format!("{:.1} %", 100.0 * results.mean(cell, stage, |s| s.short)),
            ]);
        }
    }
    report.table(
        "The networks: cost, noise scale of all groups together in Adam's metric, growth of the median gradient by W_f with the length of the \
         trial, Lyapunov exponent over the longest trial, spikes, crossings of the gate in fewer than three steps.",
        &["network", "stage", "cost", "noise scale (Adam)", "growth (1/ms)", "Lyapunov (1/ms)", "spikes (Hz)", "short crossings"],
        rows,
    );
    let x: Vec<f64> = (0..STAGES.len()).map(|stage| stage as f64).collect();
    let ticks: Vec<(f64, &str)> = x.iter().copied().zip(STAGES).collect();
    let mut plot = Plot::new(3).letters();
    let panels: [(&str, fn(&Stage) -> f64, bool); 3] = [
        ("noise scale, Adam's metric (trials)", |s| s.adam_scale, true),
        ("exponent of the tail, W_{f}", |s| s.groups[0].hill, false),
        ("cosine with the mean, W_{f}", |s| s.groups[0].cosine, false),
    ];
    for (title, of, log) in panels {
        let mut panel = Panel::new("").y_label(title).x_ticks(&ticks);
        if log {
            panel = panel.log_y();
        }
        for (cell, (network, _)) in results.stages.iter().enumerate() {
            let y: Vec<f64> = (0..STAGES.len()).map(|stage| results.stage(cell, stage, of).mean).collect();
            panel = panel.line(&x, &y, Style::new(cycle(cell)).label(network.clone()));
        }
        plot = plot.panel(panel);
    }
    report.plot(
        "noise",
        "Gradients of single trials.",
        "Geometric means over seeds at three stages of training.",
        plot.size(1200.0, 420.0).render()?,
    );
    Ok(())
}

fn clipping(report: &mut Report, results: &Results) {
    let mut rows = Vec::new();
    for (cell, (network, _)) in results.stages.iter().enumerate() {
        for (stage, when) in STAGES.iter().enumerate() {
            let mut row = vec![network.clone(), (*when).to_owned()];
            for at in 0..QUANTILES.len() {
                let bias = results.group(cell, stage, 0, |g| g.by_quantile[at].bias).mean;
                let variance = results.group(cell, stage, 0, |g| g.by_quantile[at].variance).mean;
                let cosine = results.group(cell, stage, 0, |g| g.by_quantile[at].cosine).mean;
                row.push(format!("{bias:.2} / {variance:.2} / {cosine:.2}"));
            }
            let of = |value: fn(&OfGroup) -> f64| results.group(cell, stage, 0, value).mean;
            row.push(format!(
                "{:.2} / {:.2} / {:.2}",
                of(|g| g.by_batch.bias),
                of(|g| g.by_batch.variance),
                of(|g| g.by_batch.cosine)
            ));
            rows.push(row);
        }
    }
    report.heading("Clipping").table(
        "Gradients by W_f: bias of the mean over its norm / variance that is left / cosine of the clipped mean with the mean. Trials are clipped \
         at a quantile of their norms, batches of 20 at the median of theirs.",
        &["network", "stage", "trials at 50 %", "trials at 90 %", "trials at 99 %", "batches at 50 %"],
        rows,
    );
}

fn batches(report: &mut Report, results: &Results, worths: &[Vec<Worth>]) -> Result<(), Error> {
    report.heading("Training with batches of every size").prose(format!(
        "Every network is trained on {} trials, with Adam at a constant learning rate, for each batch with {} learning rates and with and \
         without clipping; the same grid for rates and spikes. A batch is worth what the best of its settings makes of it. The useful batch is \
         the B<sub>c</sub> of trials(B) = trials(1) (1 + B / B<sub>c</sub>), fitted to the trials to a cost a quarter of the way, in \
         logarithms, from the best end to the start.",
        results.budget,
        FACTORS.len()
    ));
    let mut plot = Plot::new(results.courses.len()).letters();
    for (cell, (name, seeds)) in results.courses.iter().enumerate() {
        let mut panel =
            Panel::new(name.clone()).x_label("trials").y_label("cost on held-out trials").log_x().log_y();
        let mut rows = Vec::new();
        for (at, &batch) in BATCHES.iter().enumerate() {
            let found = best(seeds, |course| course.batch == batch);
            let to = Spread::of(worths[cell].iter().map(|worth| worth.trials[at]));
            let best_of_first = seeds.first().and_then(|courses| {
                let of_batch = courses.iter().filter(|course| course.batch == batch);
                of_batch.min_by(|a, b| a.last().total_cmp(&b.last()))
            });
            if let Some(course) = best_of_first {
                let (x, y): (Vec<f64>, Vec<f64>) =
                    course.costs.iter().skip(1).map(|(t, c)| (*t as f64, *c)).unzip();
                panel = panel.line(&x, &y, Style::new(cycle(at)).label(format!("batch {batch}")));
            }
            let with = |clip: bool| best(seeds, |course| course.batch == batch && course.clip == clip).text();
            let failed = seeds
                .iter()
                .flatten()
                .filter(|course| course.batch == batch && course.error.is_some())
                .count();
            let ms = results.times.get(cell).map_or(f64::NAN, |times| times[at]);
            rows.push(vec![
                batch.to_string(),
                found.text(),
                with(true),
                with(false),
                best_of_first.map_or_else(String::new, |course| short(course.factor)),
                to.text(),
                short(ms),
                short(to.mean * ms * 1e-3),
                failed.to_string(),
            ]);
        }
        if let Some(worth) = worths[cell].first() {
            panel = panel.line(
                &[1.0, results.budget as f64],
                &[worth.target; 2],
                Style::new(BLACK).dashed().label("cost to be reached"),
            );
        }
        plot = plot.panel(panel);
        report.table(
            format!("{name}: the best end over the grid, trials and time to the cost to be reached, and trainings that ended early."),
            &["batch", "best cost", "with clipping", "without", "its learning rate, first seed", "trials to the cost", "ms a trial", "s to the cost", "failed"],
            rows,
        );
    }
    report.plot(
        "batches",
        "Cost against trials.",
        "The best training of every batch, first seed; the dashed line is the cost to be reached.",
        plot.size(1100.0, 420.0).render()?,
    );
    Ok(())
}

fn ways(report: &mut Report, results: &Results) {
    let mut rows = Vec::new();
    for (name, seeds) in &results.within {
        for way in Way::ALL {
            let updates = seeds
                .first()
                .and_then(|all| all.iter().find(|one| one.way == way))
                .map_or(0, |one| one.updates);
            let mut row =
                vec![name.clone(), way.name().to_owned(), updates.to_string(), way_cost(seeds, way).text()];
            for factor in FACTORS {
                let of = seeds.iter().map(|all| {
                    all.iter()
                        .find(|one| one.way == way && one.factor == factor)
                        .map_or(f64::NAN, |one| one.cost)
                });
                row.push(Spread::of(of).text());
            }
            rows.push(row);
        }
    }
    report.heading("Within a trial, and around the optimiser").table(
        "Cost on held-out trials at the end, at equal numbers of trials: pieces of a trial that hand their state on against whole trials; \
         micro-batches added up before the optimiser or behind it.",
        &["network", "way", "updates", "best cost", "learning rates x 0.25", "x 1", "x 4"],
        rows,
    );
}
