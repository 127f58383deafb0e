//! The page of the accumulation of gradients: figures, tables and plots.

use spikegrad_report::plot::{BLACK, Panel, Plot, Style, cycle};

use super::answer::sentences;
use super::courses::{BATCHES, FACTORS, Worth, worth};
use super::results::{NO_VARIANCE, Results, Spread, best, predicted, short, shown, way_cost};
use super::stages::{OfGroup, QUANTILES, STAGES, Stage, certainty, names};
use super::within::Way;
use crate::Error;
use crate::experiments::statistics::quantile;
use crate::report::Report;

/// The largest departure of the bootstrap from what is taken off as its bias.
const BOOTSTRAP: [f64; 2] = [0.85, 1.15];

/// A figure of a stage.
type OfStage = fn(&Stage) -> f64;

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

fn figures(report: &mut Report, results: &Results, worths: &[Vec<Worth>]) {
    let ratios = results.stages.iter().flat_map(|(_, seeds)| seeds.iter().flatten());
    let ratios: Vec<f64> = ratios
        .flat_map(|stage| &stage.groups)
        .filter(|group| group.variance > 0.0 && group.hill > NO_VARIANCE)
        .map(|group| group.bootstrap.0)
        .collect();
    report.figure(
        "bootstrap bias of |mean|^2 over tr(Sigma)/n, median of groups with a tail exponent above 2",
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
                    short(of(|g| g.clipped_scale).mean),
                    of(|g| g.adam_scale).text(),
                    short(hill.mean),
                    short(of(|g| g.quantiles[0]).mean),
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
