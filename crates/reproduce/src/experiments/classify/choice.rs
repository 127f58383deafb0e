//! Cross-validation within a training part: which of several recipes is right most often.

use spikegrad::data::{Dataset, Fold};

use super::Recipe;
use crate::experiments::Context;
use crate::report::Report;
use crate::{Error, file};

/// Folds of a quick run.
const QUICK_FOLDS: usize = 2;

/// A recipe and what it differs in from the one that is used.
pub(in crate::experiments) type Candidate = (&'static str, Recipe);

/// Trains every candidate on all folds with all seeds, and writes down how often each is right. The first candidate is the one that is used.
/// What an interrupted run has found is found again.
pub(in crate::experiments) fn choose(
    context: &Context,
    report: &mut Report,
    training: &Dataset,
    mut folds: Vec<Fold>,
    candidates: &[Candidate],
) -> Result<(), Error> {
    if context.quick {
        folds.truncate(QUICK_FOLDS);
    }
    let path = context.state.join("found.json");
    // By candidate, seed and fold: how many trials were given to the right class, and the sum of their cross-entropies.
    let mut found: Vec<(usize, f64)> = file::read_json(&path).unwrap_or_default();
    let tested: usize = folds.iter().map(|fold| fold.test.len()).sum();
    let runs = context.seeds.len() * folds.len();
    let mut rows = Vec::new();
    for (number, (name, recipe)) in candidates.iter().enumerate() {
        for run in 0..runs {
            if found.len() > number * runs + run {
                continue;
            }
            let (seed, fold) = (context.seeds[run / folds.len()], run % folds.len());
            let Fold { training: on, test } = &folds[fold];
            let part = |samples: &[usize]| training.subset(samples).map_err(Error::experiment);
            let key = format!("candidate {number}, seed {seed}, fold {fold}");
            let trained = recipe.train(context, &key, [&part(on)?, &part(test)?], seed)?;
            let judged = &trained.judged;
            found.push((judged.accuracy().correct(), judged.cross_entropy * test.len() as f64));
            let text = serde_json::to_string(&found)
                .map_err(|source| Error::Json { name: "the results of the folds".to_owned(), source })?;
            file::write(&path, &text)?;
        }
        let asked = (tested * context.seeds.len()) as f64;
        let mine = &found[number * runs..(number + 1) * runs];
        let accuracy = 100.0 * mine.iter().map(|one| one.0 as f64).sum::<f64>() / asked;
        let cross_entropy = mine.iter().map(|one| one.1).sum::<f64>() / asked;
        report.figure(format!("{name}: accuracy in cross-validation"), accuracy, "%", None).figure(
            format!("{name}: cross-entropy in cross-validation"),
            cross_entropy,
            "",
            None,
        );
        rows.push((*name, accuracy, cross_entropy));
    }
    let best = rows.iter().map(|row| row.1).fold(0.0, f64::max);
    let used = rows.first().map_or(0.0, |row| row.1);
    report.figure("best candidate above the one that is used", best - used, "%", None);
    let row = |(name, accuracy, cross_entropy): (&str, f64, f64)| {
        vec![name.to_owned(), format!("{accuracy:.2}"), format!("{cross_entropy:.4}")]
    };
    report.table(
        "Cross-validation: accuracy in per cent, and mean cross-entropy of the held-out trials.",
        &["recipe", "accuracy", "cross-entropy"],
        rows.into_iter().map(row).collect(),
    );
    Ok(())
}
