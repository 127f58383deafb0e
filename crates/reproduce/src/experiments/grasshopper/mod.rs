//! The experiment `grasshopper`: neuron models fitted to an auditory receptor neuron's spikes by exact gradients (recordings of Rokem
//! et al. 2006), and what they predict of seconds that they were not fitted to.

mod data;
mod fit;
mod linear;
mod score;

use spikegrad::prelude::*;
use spikegrad_report::plot::{BLACK, Panel, Plot, Style, cycle};

use super::Context;
use crate::Error;
use crate::report::Report;
use data::{HELD_OUT, Recording, SAMPLE};
use fit::{Fitted, MODELS};
use linear::{LinearNonlinear, random_spikes, regular_spikes};
use score::{SMOOTHING, WINDOW, coincidence, rate_correlation};

/// Random starts of every fit.
const STARTS: u64 = 2;
/// Draws of spikes that the linear-nonlinear model's coincidences are the mean of.
const DRAWS: u64 = 20;
/// How alike the filters of two starts must be, and by how many per cent their constants may differ: starts differ by 15 % (standard deviation)
/// in each time constant and in the strength of the filter.
const ALIKE: [f64; 2] = [0.9, 1.0];
const APART: [f64; 2] = [0.0, 40.0];
/// Time of a held-out second that is drawn, ms.
const DRAWN: f64 = 400.0;

/// Iterations of each stage of a fit.
fn iterations(context: &Context) -> usize {
    if context.quick { 3 } else { 80 }
}

/// How well something predicts the held-out seconds.
struct Scores {
    name: String,
    coincidence: f64,
    correlation: f64,
    /// Mean distance of the fitted trials before and after the fit; none for what is not fitted by it.
    cost: Option<(f64, f64)>,
}

/// What stays the same over the experiment.
pub(super) fn settings(context: &Context, report: &mut Report) {
    report
        .setting("models", MODELS.iter().map(|model| model.name).collect::<Vec<_>>())
        .setting("seconds held out, from 0", HELD_OUT.map(|second| second as u64).to_vec())
        .setting("h, sample (ms)", vec![fit::H, SAMPLE])
        .setting("time constant of the distance (ms)", fit::DISTANCE)
        .setting("width of the gates in each stage, as parts of the model's own", fit::GATES.to_vec())
        .setting("iterations of each stage, trials a batch", vec![iterations(context), fit::BATCH])
        .setting("random starts", STARTS)
        .setting("coincidence window, smoothing of rates (ms)", vec![WINDOW, SMOOTHING]);
}

/// Runs the experiment.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    explain(report);
    for recording in &Recording::all()? {
        let linear = LinearNonlinear::fit(recording);
        let mut fits = Vec::new();
        for model in &MODELS {
            let fit =
                |start| model.fit(context, recording, &linear, context.seed + start, iterations(context));
            fits.push((0..STARTS).map(fit).collect::<Result<Vec<_>, _>>()?);
        }
        judge(report, recording, &linear, &fits)?;
        figures(report, recording, &linear, &fits)?;
    }
    Ok(())
}

fn explain(report: &mut Report) {
    report.heading("The task").prose(
        "An auditory receptor neuron of a grasshopper hears a sound whose amplitude changes at random for ten seconds; the recordings have \
         the amplitude and the spikes. Every model sees the same features of the past: amplitude and its logarithm 4 to 12 ms ago, and means of \
         the logarithm over longer times. The <b>linear-nonlinear</b> model turns a weighted sum of them into a rate by ridge regression \
         and a measured curve. The <b>neuron models</b> take a weighted sum as their current, and their weights and the constants of their \
         membranes follow the exact gradient of van Rossum's distance between their spikes and the recorded ones.",
    );
    report.prose(
        "A fit begins with the filter of the linear-nonlinear model at a random strength, with noise on it, and with the tonic current that \
         makes as many spikes as were recorded; time constants are random too. The exact gradient is that of the smooth parts of the cost. \
         Where a neuron with a hard threshold gains or loses a spike the cost jumps, and the gradient does not say so; it grows without \
         bound just before a spike is lost. Therefore trials are short, with five spikes or so, the gradient of each is clipped at a tenth of the norms \
         before it, and the best parameters on the way are kept.",
    );
    report.prose(
        "Seven seconds are there for the fits, three judge. The <b>coincidence factor</b> counts recorded spikes that the model has within \
         2 ms, beyond what chance would have; 1 is every spike. The linear-nonlinear model's spikes come whenever its rate has grown by a \
         whole spike, or by chance with this rate; the better of the two stands against the neurons. The <b>rate correlation</b> is that \
         of rates smoothed over 2 ms; a neuron's rate is the mean of runs with a noisy current, whose strength is chosen in the fitted \
         seconds.",
    );
}

/// Scores of the linear-nonlinear model.
fn linear_scores(recording: &Recording, linear: &LinearNonlinear) -> Result<Vec<Scores>, Error> {
    let rates: Vec<_> = HELD_OUT.iter().map(|&second| linear.rate(recording, second)).collect();
    let correlation = rate_correlation(recording, &rates);
    let regular: Vec<_> = rates.iter().map(|rate| regular_spikes(rate)).collect();
    let mut sum = 0.0;
    for draw in 0..DRAWS {
        let rng = &mut generator(draw, Purpose::Test, 0);
        let random: Vec<_> = rates.iter().map(|rate| random_spikes(rate, rng)).collect();
        sum += coincidence(recording, &random)?;
    }
    let of = |name: &str, coincidence| Scores { name: name.to_owned(), coincidence, correlation, cost: None };
    Ok(vec![
        of("linear-nonlinear, regular spikes", coincidence(recording, &regular)?),
        of("linear-nonlinear, random spikes", sum / DRAWS as f64),
    ])
}

/// Scores of a fitted model.
fn scores(recording: &Recording, name: &str, fitted: &Fitted) -> Result<Scores, Error> {
    Ok(Scores {
        name: format!("{name}, start {}", fitted.start),
        coincidence: coincidence(recording, &fitted.trains(recording, &HELD_OUT)?)?,
        correlation: rate_correlation(recording, &fitted.rates(recording, &HELD_OUT)?),
        cost: Some((fitted.before, fitted.cost)),
    })
}

/// How much two filters point into the same direction.
fn cosine(one: &[f64], other: &[f64]) -> f64 {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    product(one, other) / (product(one, one) * product(other, other)).sqrt()
}

/// The figures and the table of a recording. Of the starts of a model, the one with the smallest distance in the fitted seconds counts.
fn judge(
    report: &mut Report,
    recording: &Recording,
    linear: &LinearNonlinear,
    fits: &[Vec<Fitted>],
) -> Result<(), Error> {
    let against = linear_scores(recording, linear)?;
    let best = against.iter().map(|one| one.coincidence).fold(f64::NEG_INFINITY, f64::max);
    let mut rows = Vec::new();
    for one in &against {
        report.figure(
            format!("{}, {}: coincidence factor", recording.name, one.name),
            one.coincidence,
            "",
            None,
        );
    }
    report.figure(
        format!("{}, linear-nonlinear: rate correlation", recording.name),
        against[0].correlation,
        "",
        None,
    );
    let mut all: Vec<Scores> = Vec::new();
    for (model, fits) in MODELS.iter().zip(fits) {
        let name = |what: &str| format!("{}, {}: {what}", recording.name, model.name);
        let scored =
            fits.iter().map(|fitted| scores(recording, model.name, fitted)).collect::<Result<Vec<_>, _>>()?;
        let counted = scored
            .iter()
            .min_by(|a, b| a.cost.map_or(f64::NAN, |c| c.1).total_cmp(&b.cost.map_or(f64::NAN, |c| c.1)));
        if let Some(counted) = counted {
            report.figure(name("coincidence factor"), counted.coincidence, "", Some([best, 1.0])).figure(
                name("rate correlation"),
                counted.correlation,
                "",
                Some([against[0].correlation, 1.0]),
            );
        }
        if let [first, second, ..] = &fits[..] {
            report.figure(
                name("cosine of the filters of two starts"),
                cosine(&first.filter(recording), &second.filter(recording)),
                "",
                Some(ALIKE),
            );
            report.figure(
                name("largest difference of a constant between two starts"),
                100.0 * first.difference(second),
                "%",
                Some(APART),
            );
        }
        all.extend(scored);
    }
    for one in against.iter().chain(&all) {
        rows.push(vec![
            one.name.clone(),
            format!("{:.3}", one.coincidence),
            format!("{:.3}", one.correlation),
            one.cost.map_or_else(String::new, |(before, _)| format!("{before:.3}")),
            one.cost.map_or_else(String::new, |(_, cost)| format!("{cost:.3}")),
        ]);
    }
    report.heading(recording.name).prose(format!(
        "The ridge of the linear-nonlinear model that predicts fitted seconds best from the others is {}.",
        linear.ridge
    ));
    report.table(
        "Held-out seconds, and the mean distance in the trials of the fitted seconds.",
        &["", "coincidence factor", "rate correlation", "distance before the fit", "after it"],
        rows,
    );
    let parameters: Vec<Vec<String>> = MODELS
        .iter()
        .zip(fits)
        .flat_map(|(model, fits)| fits.iter().map(move |fitted| (model, fitted)))
        .map(|(model, fitted)| {
            let values = fitted
                .network
                .named_parameters()
                .filter(|p| p.range.len() == 1 && p.trained)
                .map(|p| format!("{} {:.3}", p.name, fitted.network.parameters.values()[p.range.start]));
            vec![format!("{}, start {}", model.name, fitted.start), values.collect::<Vec<_>>().join(", ")]
        })
        .collect();
    report.table("Fitted constants: what two random starts agree about.", &["", "constants"], parameters);
    Ok(())
}

/// Spikes of a held-out second, and learning curves.
fn figures(
    report: &mut Report,
    recording: &Recording,
    linear: &LinearNonlinear,
    fits: &[Vec<Fitted>],
) -> Result<(), Error> {
    let second = HELD_OUT[0];
    let from = 1e3 * second as f64;
    let early = |times: Vec<f64>| times.into_iter().filter(|&time| time < DRAWN).collect::<Vec<_>>();
    let mut rows = vec![early(recording.spikes_in(from, from + 1e3).collect())];
    let mut names = vec!["recorded"];
    for (model, fits) in MODELS.iter().zip(fits) {
        let best = fits.iter().min_by(|a, b| a.cost.total_cmp(&b.cost));
        if let Some(best) = best {
            rows.push(early(best.trains(recording, &[second])?.remove(0)));
            names.push(model.name);
        }
    }
    rows.push(early(regular_spikes(&linear.rate(recording, second))));
    names.push("linear-nonlinear");
    let ticks: Vec<(f64, &str)> = names.iter().enumerate().map(|(row, name)| (row as f64, *name)).collect();
    let raster = Panel::new(format!("{}, second {second}", recording.name))
        .x_label("time (ms)")
        .x_range(0.0, DRAWN)
        .y_ticks(&ticks)
        .raster(&rows, BLACK);
    report.plot(
        &format!("spikes {}", recording.name),
        "Spikes of a held-out second",
        "Recorded spikes and those of the models.",
        Plot::new(1).panel(raster).size(900.0, 260.0).render()?,
    );
    let mut panel = Panel::new("distance").x_label("iteration").y_label("distance in a trial");
    for (k, (model, fits)) in MODELS.iter().zip(fits).enumerate() {
        for fitted in fits {
            let costs: Vec<f64> = fitted.history.iter().flatten().copied().collect();
            let x: Vec<f64> = (0..costs.len()).map(|iteration| iteration as f64).collect();
            let style = Style::new(cycle(k));
            let style = if fitted.start == fits[0].start { style.label(model.name) } else { style.dashed() };
            panel = panel.line(&x, &costs, style);
        }
    }
    report.plot(
        &format!("learning {}", recording.name),
        "Fits",
        "The mean distance of the trials of each batch, first with wide gates, then with narrow ones; two random starts of each model. The \
         parameters with the smallest distance in all fitted trials are kept.",
        Plot::new(1).panel(panel).render()?,
    );
    Ok(())
}
