//! The experiment `yin-yang`: which of three parts of a figure a point lies in (Kriener, Göltz and Petrovici 2022).

use spikegrad::data::{Dataset, Inputs, yin_yang};
use spikegrad::prelude::*;
use spikegrad_report::plot::{Colour, Panel, Plot, Style, cycle};

use super::Context;
use super::classify::{self, Augment, Contender, Front, LogisticRegression, Recipe, features};
use crate::Error;
use crate::report::Report;

/// Points to train on, as many as in the published set, and points that judge.
const TRAINING: usize = 5000;
const TEST: usize = 10_000;
/// Seeds of these points, the same for all networks.
const SEEDS: [u64; 2] = [42, 40];
/// What a quick run has of them.
const QUICK: (usize, usize, f64) = (200, 200, 2.0);
/// The accuracy of each seed in per cent that the experiment asks for.
const BAND: [f64; 2] = [97.5, 100.0];
/// Points that are drawn.
const DRAWN: usize = 4000;
/// Accuracies that were published for the set, in per cent, in the paper that introduces it.
const PUBLISHED: [(&str, f64); 1] = [("rate network 4-30-3 (Kriener et al. 2022)", 0.976)];

/// The network, and how it is trained.
fn recipe(context: &Context) -> Recipe {
    Recipe {
        neurons: 120,
        tau_v: 20.0,
        gate: 0.9,
        recurrent: false,
        tau: 5.0,
        tau_out: 10.0,
        front: Front::NOTHING,
        standardise: true,
        augment: Augment::NOTHING,
        interval: 30.0,
        h: 0.25,
        start: Initialisation { rate: 20.0, spread: 0.5, gain: 0.1, input: 3.0, readout: 0.3, h: 0.25 },
        score: Score::Mean,
        smoothing: 0.0,
        rate: 0.15,
        last: 0.0,
        pull: 0.0,
        decay: 0.0,
        average: 1.0,
        epochs: if context.quick { QUICK.2 } else { 30.0 },
        batch: 50,
    }
}

/// The points to train on and those that judge.
fn data(context: &Context) -> Result<[Dataset; 2], Error> {
    let [training, test] = if context.quick { [QUICK.0, QUICK.1] } else { [TRAINING, TEST] };
    let part = |points, seed| yin_yang(points, seed).map_err(Error::experiment);
    Ok([part(training, SEEDS[0])?, part(test, SEEDS[1])?])
}

/// What stays the same over the experiment.
pub(super) fn settings(context: &Context, report: &mut Report) {
    recipe(context).settings(report);
    let points = if context.quick { [QUICK.0, QUICK.1] } else { [TRAINING, TEST] };
    report
        .setting("points to train on, points that judge", points.to_vec())
        .setting("seeds of these", SEEDS.to_vec())
        .setting("seeds", context.seeds.clone());
}

/// Runs the experiment.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let [training, test] = data(context)?;
    let recipe = recipe(context);
    let trained = recipe.train_all(context, [&training, &test])?;
    for one in &trained {
        let accuracy = 100.0 * one.judged.accuracy().value();
        report.figure(
            format!("seed {}: accuracy on {} points", one.seed, test.len()),
            accuracy,
            "%",
            Some(BAND),
        );
    }
    let contenders = contenders(context, &recipe, [&training, &test], &trained)?;
    classify::others(report, &contenders[1..], &context.seeds);
    classify::figures(report, &trained);

    report.heading("The task").prose(
        "A point of a disc lies in the yin, in the yang or in one of two dots. The network sees its coordinates and their complements as \
         four currents that stay the same for the whole trial. As in the published set, 5000 points are there to train on.",
    );
    classify::comparison(report, &contenders, &PUBLISHED);
    if let Some(first) = trained.first() {
        map(report, first, &test)?;
    }
    classify::pictures(report, &trained, &test)
}

/// The networks, and what stands beside them.
fn contenders(
    context: &Context,
    recipe: &Recipe,
    [training, test]: [&Dataset; 2],
    trained: &[classify::Trained],
) -> Result<Vec<Contender>, Error> {
    let (labels, asked) = (training.labels().unwrap_or_default(), test.labels().unwrap_or_default());
    let linear = LogisticRegression::fit(&features(training, 1), labels, training.outputs());
    let said = linear.predict(&features(test, 1));
    let mut all = vec![Contender::gated(trained, format!("{} hidden neurons", recipe.neurons))];
    all.extend(recipe.baselines(context, [training, test])?);
    all.push(Contender::fixed("logistic regression", asked, &said, "a linear classifier")?);
    Ok(all)
}

/// The test points by what the network says, and those that it is wrong about.
fn map(report: &mut Report, one: &classify::Trained, test: &Dataset) -> Result<(), Error> {
    let Inputs::Series(points) = test.inputs() else { return Ok(()) };
    let labels = test.labels().unwrap_or_default();
    let said = &one.judged.said;
    let of = |keep: &dyn Fn(usize) -> bool| -> (Vec<f64>, Vec<f64>) {
        let kept = (0..points.len().min(DRAWN)).filter(|&k| keep(k));
        kept.map(|k| (f64::from(points[k].values()[0]), f64::from(points[k].values()[1]))).unzip()
    };
    let mut answers = Panel::new("what the network says").x_label("x").y_label("y");
    for (class, name) in test.class_names().unwrap_or_default().iter().enumerate() {
        let (x, y) = of(&|k| said[k] == class);
        answers = answers.scatter(&x, &y, Style::new(cycle(class)).label(name.clone()));
    }
    let (x, y) = of(&|k| said[k] == labels[k]);
    let (wrong_x, wrong_y) = of(&|k| said[k] != labels[k]);
    let errors = Panel::new("where it is wrong")
        .x_label("x")
        .y_label("y")
        .scatter(&x, &y, Style::new(Colour(220, 220, 220)))
        .scatter(&wrong_x, &wrong_y, Style::new(cycle(1)));
    report.plot(
        "map",
        "The figure",
        format!(
            "Test points by the answer of seed {}, and the points that it gives the wrong answer for.",
            one.seed
        ),
        Plot::new(2).panel(answers).panel(errors).size(900.0, 420.0).render()?,
    );
    Ok(())
}
