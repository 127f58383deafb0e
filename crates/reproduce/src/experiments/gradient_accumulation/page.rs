//! The page of the accumulation of gradients: figures, tables and plots.

use spikegrad_report::plot::{BLACK, Panel, Plot, Style, cycle};

use super::answer::sentences;
use super::courses::{BATCHES, FACTORS, Worth, worth};
use super::halves::SET;
use super::other::{Stored, table};
use super::results::{NO_VARIANCE, Results, Spread, best, predicted, short, shown, way_cost};
use super::stages::{Clipped, OfGroup, QUANTILES, STAGES, Stage, certainty, names};
use super::within::Way;
use crate::Error;
use crate::report::Report;

/// The share of groups in which the estimates have to agree with the halves: of 95 % intervals, 95 % are expected.
const AGREE: [f64; 2] = [0.85, 1.0];
/// The share in which the square of the mean may agree before the check says nothing.
const TELL: [f64; 2] = [0.0, 0.2];

/// A figure of a stage.
type OfStage = fn(&Stage) -> f64;

/// Writes the page.
pub(super) fn write(report: &mut Report, results: &Results) -> Result<(), Error> {
    let worths: Vec<Vec<Worth>> =
        results.courses.iter().map(|(_, seeds)| seeds.iter().map(|seed| worth(seed)).collect()).collect();
    for sentence in sentences(results, &worths) {
        report.answer(sentence);
    }
    of_stages(report, results)?;
    figures_of_batches(report, results, &worths);
    batches(report, results, &worths)?;
    ways(report, results);
    report.heading("Other tasks").prose(
        "The same statistics on a task that needs a memory and on a data set with classes. They were not run with this page, and have the dates below; \
         <code>reproduce gradient-accumulation-tasks</code> runs them anew, each with a page of its own. Where neurons fire more than half a spike in a step, at 2000 Hz and above, a comparison says nothing of spikes.",
    );
    Stored::all()?.iter().for_each(|stored| table(report, stored));
    Ok(())
}

/// What is said of the stages of training on any task.
pub(super) fn of_stages(report: &mut Report, results: &Results) -> Result<(), Error> {
    against_halves(report, results);
    figures_of_stages(report, results);
    noise(report, results)?;
    clipping(report, results);
    Ok(())
}

fn figures_of_stages(report: &mut Report, results: &Results) {
    for (cell, (name, _)) in results.stages.iter().enumerate() {
        for (stage, when) in STAGES.iter().enumerate() {
            let who = format!("{name}, {when}");
            let scales = [
                ("noise scale of W_f", results.group(cell, stage, 0, |g| g.scale), "trials"),
                (
                    "noise scale of all groups in Adam's metric",
                    results.stage(cell, stage, |s| s.adam_scale),
                    "trials",
                ),
                ("exponent of the tail of W_f", results.group(cell, stage, 0, |g| g.hill), ""),
            ];
            for (what, found, unit) in scales {
                report.figure(found.named(&format!("{who}: {what}")), found.mean(), unit, None);
            }
            let means: [(&str, OfStage, &str); 3] = [
                ("cosine of one trial with the mean, W_f", |s| s.groups[0].cosine, ""),
                ("growth of the gradient", |s| s.growth, "1/ms"),
                ("Lyapunov exponent", |s| s.lyapunov, "1/ms"),
            ];
            for (what, of, unit) in means {
                if results.is_measured(of) {
                    report.figure(format!("{who}: {what}"), results.mean(cell, stage, of).mean, unit, None);
                }
            }
        }
    }
}

fn figures_of_batches(report: &mut Report, results: &Results, worths: &[Vec<Worth>]) {
    for ((name, _), worths) in results.courses.iter().zip(worths) {
        let cell = results.cell(name);
        let (said, found) = (predicted(results, cell), shown(worths));
        report
            .figure(
                said.named(&format!("{name}: batch that the noise scale predicts")),
                said.mean(),
                "trials",
                None,
            )
            .figure(
                found.named(&format!("{name}: batch at which training takes twice the trials")),
                found.mean(),
                "trials",
                None,
            )
            .figure(format!("{name}: predicted over shown"), said.mean() / found.mean(), "", None);
    }
}

/// The groups with a variance, by all networks, stages and seeds.
fn with_variance(results: &Results) -> impl Iterator<Item = &OfGroup> {
    let stages = results.stages.iter().flat_map(|(_, seeds)| seeds.iter().flatten());
    stages.flat_map(|stage| &stage.groups).filter(|group| group.variance > 0.0 && group.hill > NO_VARIANCE)
}

/// The estimates against the products of independent halves.
fn against_halves(report: &mut Report, results: &Results) {
    let share = |of: &dyn Fn(&OfGroup) -> bool| {
        let all = with_variance(results).count() as f64;
        with_variance(results).filter(|group| of(group)).count() as f64 / all
    };
    report
        .figure(
            format!("signal of sets of {SET} trials without bias beside independent halves, share of groups"),
            share(&|group| group.halves.agrees()),
            "",
            Some(AGREE),
        )
        .figure(
            "the same for |mean|^2 without correction, which has a bias",
            share(&|group| group.halves.agrees_uncorrected()),
            "",
            Some(TELL),
        )
        .figure(
            "signal over noise of all trials in the interval of independent halves, share of groups",
            share(&|group| group.halves.has(certainty(group, 1))),
            "",
            Some(AGREE),
        );
}

fn noise(report: &mut Report, results: &Results) -> Result<(), Error> {
    report.heading("Signal and noise of single trials").prose(format!(
        "{} trials of their own at the start, in the middle and at the end of training by the recipe. The signal is the square of the mean \
         gradient less what its number of trials leaves of the noise, |mean|² − tr(Σ)/n; the noise scale is tr(Σ) over the signal: the batch in \
         which both are alike. In Adam's metric every entry is measured by its root mean square. Values are geometric means over seeds with \
         their 95 % confidence intervals; a seed without a signal has no noise scale, and the number of the other seeds stands beside the mean.",
        results.trials
    ));
    let (groups, all) = (
        with_variance(results).count(),
        results
            .stages
            .iter()
            .flat_map(|(_, seeds)| seeds.iter().flatten())
            .map(|stage| stage.groups.len())
            .sum::<usize>(),
    );
    report.prose(format!(
        "The estimates are held against others that share no code with them and correct nothing. The mean of one half of some trials times that \
         of the other half is the squared mean gradient without bias, since the halves have no noise in common; half of the squared \
         difference of two trials is their noise. In sets of {SET} trials, where the correction tr(Σ)/n is large, the 95 % interval of the \
         difference (a bootstrap over the sets) has to contain zero in at least {:.0} % of the groups, networks, stages and seeds, and without the correction it may in \
         at most {:.0} %: otherwise the check could not tell. By all trials, signal over noise has to lie in the 95 % interval of a bootstrap over pairs of \
         trials. These are {groups} of {all} groups: a tail with an exponent below {NO_VARIANCE} has no variance that estimates could agree on.",
        100.0 * AGREE[0],
        100.0 * TELL[1],
    ));
    for (group, name) in names().into_iter().enumerate() {
        of_group(report, results, (group, name));
    }
    let mut rows = Vec::new();
    for (cell, (network, _)) in results.stages.iter().enumerate() {
        for (stage, when) in STAGES.iter().enumerate() {
            rows.push(vec![
                network.clone(),
                (*when).to_owned(),
                results.stage(cell, stage, |s| s.cost).text(),
                results.stage(cell, stage, |s| s.adam_scale).text(),
                match results.is_measured(|s| s.growth) {
                    true => format!("{:.4}", results.mean(cell, stage, |s| s.growth)),
                    false => "not measured".to_owned(),
                },
                format!("{:.4}", results.mean(cell, stage, |s| s.lyapunov)),
                format!("{:.0}", results.mean(cell, stage, |s| s.rate).mean),
                format!("{:.1} %", results.mean(cell, stage, |s| 100.0 * s.short).mean),
            ]);
        }
    }
    report.table(
        "The networks: cost, noise scale of all groups together in Adam's metric, growth of the median gradient by W_f with the length of the \
         trial and Lyapunov exponent (1/ms), spikes (Hz), crossings of the gate in fewer than three steps.",
        &["network", "stage", "cost", "noise scale", "growth", "Lyapunov", "spikes", "short"],
        rows,
    );
    let x: Vec<f64> = (0..STAGES.len()).map(|stage| stage as f64).collect();
    let ticks: Vec<(f64, &str)> = x.iter().copied().zip(STAGES).collect();
    let mut plot = Plot::new(3).letters();
    let panels: [(&str, OfStage, bool); 3] = [
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
            let mean = |stage| match title.starts_with("cosine") {
                true => results.mean(cell, stage, of).mean,
                false => results.stage(cell, stage, of).mean(),
            };
            let y: Vec<f64> = (0..STAGES.len()).map(mean).collect();
            panel = panel.line(&x, &y, Style::new(cycle(cell)).label(network.clone()));
        }
        plot = plot.panel(panel);
    }
    report.plot(
        "noise",
        "Gradients of single trials.",
        "Means over seeds at three stages of training, geometric but for the cosine.",
        plot.size(960.0, 360.0).render()?,
    );
    Ok(())
}

/// The two tables of a group: signal and noise, and tails.
fn of_group(report: &mut Report, results: &Results, (group, name): (usize, &str)) {
    let (mut noise, mut tails) = (Vec::new(), Vec::new());
    for (cell, (network, _)) in results.stages.iter().enumerate() {
        for (stage, when) in STAGES.iter().enumerate() {
            let of = |value: fn(&OfGroup) -> f64| results.group(cell, stage, group, value);
            let mean = |value: fn(&OfGroup) -> f64| results.mean(cell, stage, |s| value(&s.groups[group]));
            let hill = of(|g| g.hill);
            let mark = if hill.mean() < NO_VARIANCE { "*" } else { "" };
            let head = [network.clone(), (*when).to_owned()];
            let row = [
                of(|g| certainty(g, 1).sqrt()).brief(),
                format!("{}{mark}", of(|g| g.scale).text()),
                format!("{}{mark}", of(|g| 1.0 / g.halves.ratio).brief()),
                of(|g| g.clipped_scale).brief(),
                of(|g| g.adam_scale).text(),
            ];
            noise.push(head.iter().cloned().chain(row).collect());
            let row = [
                hill.text(),
                of(|g| g.quantiles[0]).brief(),
                of(|g| g.quantiles[1]).brief(),
                of(|g| g.quantiles[3]).brief(),
                format!("{:.0} %", mean(|g| 100.0 * g.largest).mean),
                format!("{:.2}", mean(|g| g.cosine)),
                format!("{:.1} %", mean(|g| 100.0 * g.silent).mean),
            ];
            tails.push(head.into_iter().chain(row).collect());
        }
    }
    report
        .table(
            format!(
                "Gradients by {name}: signal over noise of one trial, and the noise scale in trials as it is, by independent halves, of trials clipped at \
                 the median norm, and in Adam's metric. A star marks a tail without a variance."
            ),
            &["network", "stage", "signal / noise", "noise scale", "by halves", "clipped", "Adam's metric"],
            noise,
        )
        .table(
            format!(
                "Gradients by {name}: Hill's exponent of the largest 5 % of norms, quantiles and the largest norm over the median, the share of the \
                 largest 1 % of trials in the sum of squares, the cosine of one trial with the mean, and trials without a gradient."
            ),
            &["network", "stage", "exponent", "90 %", "99 %", "largest", "top 1 %", "cosine", "silent"],
            tails,
        );
}

fn clipping(report: &mut Report, results: &Results) {
    let mut rows = Vec::new();
    for (cell, (network, _)) in results.stages.iter().enumerate() {
        for (stage, when) in STAGES.iter().enumerate() {
            let mut row = vec![network.clone(), (*when).to_owned()];
            for at in 0..QUANTILES.len() {
                row.push(of_clipping(results, cell, stage, |g| g.by_quantile[at]));
            }
            row.push(of_clipping(results, cell, stage, |g| g.by_batch));
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

/// Bias, variance and cosine, arithmetic means over seeds.
fn of_clipping(
    results: &Results,
    cell: usize,
    stage: usize,
    clipped: impl Fn(&OfGroup) -> Clipped,
) -> String {
    let mean = |of: fn(&Clipped) -> f64| results.mean(cell, stage, |s| of(&clipped(&s.groups[0]))).mean;
    format!("{:.2} / {:.2} / {:.2}", mean(|c| c.bias), mean(|c| c.variance), mean(|c| c.cosine))
}

fn batches(report: &mut Report, results: &Results, worths: &[Vec<Worth>]) -> Result<(), Error> {
    report.heading("Training with batches of every size").prose(format!(
        "Every network is trained on {} trials, with Adam at a constant learning rate, for each batch with {} learning rates and with and \
         without clipping; the same grid for rates and spikes. A batch is worth what the best of its settings makes of it. The useful batch is \
         the B<sub>c</sub> of trials(B) = trials(0) (1 + B / B<sub>c</sub>), fitted to the trials to a cost a quarter of the way, in \
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
            let with = |clip: bool| best(seeds, |course| course.batch == batch && course.clip == clip);
            let failed = seeds
                .iter()
                .flatten()
                .filter(|course| course.batch == batch && course.error.is_some())
                .count();
            let ms = results.times.get(cell).map_or(f64::NAN, |times| times[at]);
            rows.push(vec![
                batch.to_string(),
                found.text(),
                with(true).brief(),
                with(false).brief(),
                best_of_first.map_or_else(String::new, |course| short(course.factor)),
                to.text(),
                short(ms),
                Spread::of(std::iter::once(to.mean() * ms * 1e-3)).brief(),
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
            format!("{name}: the best cost at the end over the grid, with and without clipping, the factor on its learning rates in the first seed, trials and time to the \
                 cost to be reached, and trainings that ended early."),
            &["batch", "best cost", "with clipping", "without", "rate x", "trials to cost", "ms a trial", "s to cost", "failed"],
            rows,
        );
    }
    report.plot(
        "batches",
        "Cost against trials.",
        "The best training of every batch, first seed; the dashed line is the cost to be reached.",
        plot.size(960.0, 400.0).render()?,
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
