//! The experiment `ucr`: data sets of the UCR and UEA archives of time series, by one recipe for all of them.

use spikegrad::data::{Dataset, ReadOptions, folds, open};
use spikegrad::prelude::*;

use super::Context;
use super::classify::{
    self, Augment, Contender, Front, LogisticRegression, Recipe, dynamic_time_warping, euclidean, features,
    nearest,
};
use crate::Error;
use crate::report::Report;

/// The data sets that are taken where none is named.
pub(super) const SETS: &[&str] = &["BasicMotions", "ArrowHead", "OSULeaf"];

/// What a quick run has of each data set.
const QUICK_TRIALS: usize = 20;
const QUICK_EPOCHS: f64 = 2.0;

/// Accuracies that the archives' authors published for the same split: `(data set, (classifier, accuracy))`.
const PUBLISHED: [(&str, [(&str, f64); 3]); 2] = [
    ("OSULeaf", [("HIVE-COTE 2", 0.967), ("InceptionTime", 0.921), ("FreshPRINCE", 0.868)]),
    ("ArrowHead", [("HIVE-COTE 2", 0.869), ("InceptionTime", 0.863), ("FreshPRINCE", 0.629)]),
];

/// One recipe for all data sets: what a neuron sees is a window of the series, so that its input weights are a filter, and the score of a
/// class is a mean over time, so that it does not matter where in the series a shape is.
fn recipe(context: &Context) -> Recipe {
    Recipe {
        neurons: 128,
        tau_v: 10.0,
        gate: 0.9,
        recurrent: false,
        tau: 5.0,
        tau_out: 20.0,
        front: Front { points: Some(250), taps: 20, apart: 2, ..Front::NOTHING },
        standardise: true,
        augment: Augment::NOTHING,
        interval: 1.0,
        h: 1.0,
        start: Initialisation { rate: 30.0, spread: 0.3, gain: 0.1, input: 1.0, readout: 0.3, h: 1.0 },
        score: Score::Mean,
        smoothing: 0.1,
        rate: 0.1,
        last: 0.0,
        pull: 0.0,
        decay: 0.0,
        average: 5.0,
        epochs: if context.quick { QUICK_EPOCHS } else { 60.0 },
        batch: 10,
    }
}

/// Folds of the choice, and the seed that they are drawn with.
const FOLDS: usize = 5;
const FOLD_SEED: u64 = 1;

/// The recipes that are compared, the first one being the one that is used.
fn candidates(context: &Context) -> Vec<(&'static str, Recipe)> {
    let used = || recipe(context);
    let front = |front: Front| Recipe { front, ..used() };
    let augment = |copies, noise, shift| Recipe { augment: Augment { copies, noise, shift }, ..used() };
    let clock = |clock, height| front(Front { clock, height, ..used().front });
    vec![
        ("the recipe that is used", used()),
        ("five parts that the network is told apart", clock(5, 3.0)),
        ("ten parts that the network is told apart", clock(10, 3.0)),
        ("noise of 0.3", augment(10, 0.3, 0.0)),
        (
            "ten parts, noise of 0.3",
            Recipe { augment: Augment { copies: 10, noise: 0.3, shift: 0.0 }, ..clock(10, 3.0) },
        ),
        ("windows half as long", front(Front { taps: 10, ..used().front })),
        ("windows twice as long", front(Front { taps: 40, ..used().front })),
    ]
}

/// What stays the same over the choice.
pub(super) fn choice_settings(context: &Context, report: &mut Report) {
    settings(context, report);
    let names: Vec<&str> = candidates(context).iter().map(|(name, _)| *name).collect();
    report.setting("candidates", names).setting("folds, and their seed", vec![FOLDS as u64, FOLD_SEED]);
}

/// Compares the candidates on one data set.
pub(super) fn choose(context: &Context, report: &mut Report) -> Result<(), Error> {
    let [training, _] = data(context)?;
    let folds = folds(&training, FOLDS, FOLD_SEED).map_err(Error::experiment)?;
    report.prose(
        "Every candidate is trained on four fifths of the training part of the archive and asked about the last fifth, five times over and \
         with each seed. The test part has no part in this.",
    );
    classify::choose(context, report, &training, folds, &candidates(context))
}

/// The two parts of the data set, `NAME_TRAIN.ts` and `NAME_TEST.ts` in the directory or in `NAME` below it.
fn data(context: &Context) -> Result<[Dataset; 2], Error> {
    let set = context.set.as_deref().unwrap_or(SETS[0]);
    let directory =
        context.data("ucr", "the .ts files of the archive, which the package aeon of PyPI has some of")?;
    let part = |part: &str, classes: Option<Vec<String>>| {
        let file = format!("{set}_{part}.ts");
        let path = [directory.join(&file), directory.join(set).join(&file)];
        let path = path.iter().find(|path| path.is_file()).unwrap_or(&path[0]);
        let data = open(path, &ReadOptions { classes, ..ReadOptions::default() });
        let data = data.map_err(Error::experiment)?;
        if !context.quick || data.len() <= QUICK_TRIALS {
            return Ok(data);
        }
        // Neighbours are often of one class.
        let few: Vec<usize> = (0..QUICK_TRIALS).map(|k| k * data.len() / QUICK_TRIALS).collect();
        data.subset(&few).map_err(Error::experiment)
    };
    let training = part("TRAIN", None)?;
    let test = part("TEST", training.class_names().map(<[String]>::to_vec))?;
    Ok([training, test])
}

/// What stays the same over the experiment.
pub(super) fn settings(context: &Context, report: &mut Report) {
    recipe(context).settings(report);
    report
        .setting("data set", context.set.clone().unwrap_or_default())
        .setting(
            "directory of the data",
            context.data.as_ref().map_or_else(String::new, |d| d.display().to_string()),
        )
        .setting("seeds", context.seeds.clone());
}

/// Runs the experiment on one data set.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let [training, test] = data(context)?;
    let recipe = recipe(context);
    let trained = recipe.train_all(context, [&training, &test])?;
    let contenders = contenders(context, &recipe, [&training, &test], &trained)?;
    report.figure("accuracy, mean of all seeds", contenders[0].percent(), "%", None);
    for one in &trained {
        let (low, high) = one.judged.accuracy().interval();
        let accuracy = 100.0 * one.judged.accuracy().value();
        report
            .figure(format!("seed {}: accuracy", one.seed), accuracy, "%", None)
            .figure(format!("seed {}: 95 % interval, low", one.seed), 100.0 * low, "%", None)
            .figure(format!("seed {}: 95 % interval, high", one.seed), 100.0 * high, "%", None);
    }
    classify::others(report, &contenders[1..], &context.seeds);
    classify::figures(report, &trained);

    report.heading("The data set").prose(format!(
        "{} of the UCR and UEA archives of time series, with the archive's own split: {} series to train on, {} to judge by, {} channels, \
         {} classes. One recipe serves all data sets of this experiment, and nothing in it was chosen by test series.",
        context.set.as_deref().unwrap_or_default(),
        training.len(),
        test.len(),
        training.channels(),
        training.outputs(),
    ));
    let set = PUBLISHED.iter().find(|(name, _)| Some(*name) == context.set.as_deref());
    classify::comparison(report, &contenders, set.map_or(&[], |(_, published)| published));
    classify::pictures(report, &trained, &test)
}

/// The networks, and what stands beside them.
fn contenders(
    context: &Context,
    recipe: &Recipe,
    [training, test]: [&Dataset; 2],
    trained: &[classify::Trained],
) -> Result<Vec<Contender>, Error> {
    let asked = test.labels().unwrap_or_default();
    let mut all = vec![Contender::gated(trained, "one hidden layer, one recipe for all sets")];
    all.extend(recipe.baselines(context, [training, test])?);
    let near = |distance: fn(&spikegrad::data::Series, &spikegrad::data::Series) -> f64| {
        nearest(training, test, distance).map_err(Error::experiment)
    };
    all.push(Contender::fixed("1-nearest-neighbour, Euclidean", asked, &near(euclidean)?, "")?);
    let warped = near(dynamic_time_warping)?;
    all.push(Contender::fixed(
        "1-nearest-neighbour, dynamic time warping",
        asked,
        &warped,
        "no limit to the warping",
    )?);
    let labels = training.labels().unwrap_or_default();
    let linear = LogisticRegression::fit(&features(training, 5), labels, training.outputs());
    let said = linear.predict(&features(test, 5));
    all.push(Contender::fixed("logistic regression on the means of five segments", asked, &said, "")?);
    Ok(all)
}
