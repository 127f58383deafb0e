//! How the recipe of `japanese-vowels` was chosen: cross-validation within the 270 utterances of the training part. The test part is not
//! looked at.

use spikegrad::data::{Fold, folds};
use spikegrad::prelude::*;

use super::{Recipe, chosen, data};
use crate::experiments::Context;
use crate::experiments::classify::Front;
use crate::report::Report;
use crate::{Error, file};

/// Folds, and the seed that they are drawn with.
const FOLDS: usize = 5;
const FOLD_SEED: u64 = 1;

/// The recipes that are compared, the first one being the one that is used. Each differs from it in what its name says.
fn candidates() -> Vec<(&'static str, Recipe)> {
    let used = chosen;
    let front = |front: Front| Recipe { front, ..used() };
    vec![
        ("the recipe that is used", used()),
        ("a weak clock", front(Front { height: 1.0, ..used().front })),
        ("no clock", front(Front { clock: 0, ..used().front })),
        (
            "five points of the past at once in place of the clock, read at the end",
            Recipe {
                front: Front { clock: 0, taps: 5, apart: 4, ..used().front },
                score: Score::Last,
                ..used()
            },
        ),
        ("learning rates half as large", Recipe { rate: 0.5 * used().rate, ..used() }),
        ("a pull towards the start", Recipe { pull: 0.001, ..used() }),
        ("recurrent weights", Recipe { recurrent: true, ..used() }),
    ]
}

/// What stays the same.
pub(in crate::experiments) fn settings(context: &Context, report: &mut Report) {
    chosen().settings(report);
    let names: Vec<&str> = candidates().iter().map(|(name, _)| *name).collect();
    report.setting("candidates", names).setting("folds, and their seed", vec![FOLDS as u64, FOLD_SEED]);
    report.setting("seeds", context.seeds.clone());
}

/// Compares the candidates.
pub(in crate::experiments) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let [training, _] = data()?;
    let mut folds = folds(&training, FOLDS, FOLD_SEED).map_err(Error::experiment)?;
    if context.quick {
        folds.truncate(2);
    }
    let path = context.state.join("right.json");
    // By candidate, seed and fold: how many utterances were given to the right speaker.
    let mut right: Vec<usize> = file::read_json(&path).unwrap_or_default();
    let tested: usize = folds.iter().map(|fold| fold.test.len()).sum();
    let runs = context.seeds.len() * folds.len();
    let mut rows = Vec::new();
    for (number, (name, recipe)) in candidates().into_iter().enumerate() {
        let recipe = if context.quick { Recipe { epochs: super::QUICK_EPOCHS, ..recipe } } else { recipe };
        for run in 0..runs {
            if right.len() > number * runs + run {
                continue;
            }
            let (seed, fold) = (context.seeds[run / folds.len()], run % folds.len());
            let Fold { training: on, test } = &folds[fold];
            let part = |samples: &[usize]| training.subset(samples).map_err(Error::experiment);
            let key = format!("candidate {number}, seed {seed}, fold {fold}");
            let trained = recipe.train(context, &key, [&part(on)?, &part(test)?], seed)?;
            right.push(trained.judged.accuracy().correct());
            let text = serde_json::to_string(&right)
                .map_err(|source| Error::Json { name: "the results of the folds".to_owned(), source })?;
            file::write(&path, &text)?;
        }
        let all: usize = right[number * runs..(number + 1) * runs].iter().sum();
        let accuracy = 100.0 * all as f64 / (tested * context.seeds.len()) as f64;
        report.figure(format!("{name}: accuracy in cross-validation"), accuracy, "%", None);
        rows.push((name, accuracy));
    }
    let best = rows.iter().map(|row| row.1).fold(0.0, f64::max);
    let used = rows.first().map_or(0.0, |row| row.1);
    report.figure("best candidate above the one that is used", best - used, "%", Some([0.0, 0.0]));
    report.prose(
        "Every candidate is trained on four fifths of the 270 utterances and asked about the last fifth, five times over and with each seed. \
         The recipe of the experiment is among those with the most right answers. The 370 utterances that judge it have no part in this.",
    );
    let rows = rows.into_iter().map(|(name, accuracy)| vec![name.to_owned(), format!("{accuracy:.2}")]);
    report.table("Accuracy in cross-validation, per cent.", &["recipe", "accuracy"], rows.collect());
    Ok(())
}
