//! The experiment `japanese-vowels`: who of nine speakers said it, by 12 cepstrum coefficients over 7 to 29 time points. The recipe
//! was chosen by cross-validation within the training part; [`choice`] repeats that.

pub(super) mod choice;

use spikegrad::data::{Dataset, Kind, ReadOptions, read};
use spikegrad::prelude::*;

use super::Context;
use super::classify::{
    self, Augment, Contender, Front, LogisticRegression, Recipe, SURROGATE, features, mean,
};
use crate::Error;
use crate::report::Report;

/// 270 utterances to train on, 370 to judge by: `data/README.md` has their source.
const TRAINING: &[u8] = include_bytes!("../../../../../data/japanese-vowels-train.npz");
const TEST: &[u8] = include_bytes!("../../../../../data/japanese-vowels-test.npz");

/// Epochs of a quick run.
const QUICK_EPOCHS: f64 = 3.0;
/// Mean accuracy of the seeds in per cent that the experiment asks for.
const BAND: [f64; 2] = [98.5, 100.0];

/// The recipe that the cross-validation chose.
fn chosen() -> Recipe {
    Recipe {
        neurons: 128,
        tau_v: 20.0,
        gate: 0.9,
        recurrent: false,
        tau: 5.0,
        tau_out: 20.0,
        front: Front { points: Some(20), clock: 5, height: 6.0, ..Front::NOTHING },
        standardise: true,
        augment: Augment { copies: 10, noise: 0.5, shift: 0.3 },
        interval: 5.0,
        h: 1.0,
        start: Initialisation { rate: 30.0, spread: 0.3, gain: 0.1, input: 1.0, readout: 0.3, h: 1.0 },
        score: Score::Mean,
        smoothing: 0.1,
        rate: 0.1,
        last: 0.0,
        pull: 0.0,
        decay: 0.0,
        average: 5.0,
        epochs: 60.0,
        batch: 18,
    }
}

/// The recipe of this run.
fn recipe(context: &Context) -> Recipe {
    let recipe = chosen();
    if context.quick { Recipe { epochs: QUICK_EPOCHS, ..recipe } } else { recipe }
}

/// The two parts of the data set: to train on, and to judge by.
pub(super) fn data() -> Result<[Dataset; 2], Error> {
    let part = |bytes| read(bytes, Kind::Npz, &ReadOptions::default()).map_err(Error::experiment);
    Ok([part(TRAINING)?, part(TEST)?])
}

/// What stays the same over the experiment.
pub(super) fn settings(context: &Context, report: &mut Report) {
    recipe(context).settings(report);
    report.setting("seeds", context.seeds.clone()).setting(
        "chosen by",
        "cross-validation within the training part, on fifths that follow each other: reproduce japanese-vowels-choice",
    );
}

/// Runs the experiment.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let [training, test] = data()?;
    let recipe = recipe(context);
    let trained = recipe.train_all(context, [&training, &test])?;

    let accuracy = 100.0 * mean(trained.iter().map(|one| one.judged.accuracy().value()));
    report.figure("accuracy on 370 utterances, mean of all seeds", accuracy, "%", Some(BAND));
    for one in &trained {
        report.figure(
            format!("seed {}: accuracy", one.seed),
            100.0 * one.judged.accuracy().value(),
            "%",
            None,
        );
    }
    let baselines = recipe.baselines(context, [&training, &test])?;
    let surrogate = baselines.iter().find(|one| one.name == SURROGATE).map(Contender::percent);
    let contenders = contenders(&training, &test, &trained, baselines)?;
    classify::others(report, &contenders[1..], &context.seeds);
    if let Some(surrogate) = surrogate {
        let name = "accuracy above that of the surrogate gradient";
        report.figure(name, accuracy - surrogate, "%", Some([0.0, 100.0]));
    }
    classify::figures(report, &trained);

    report.heading("The task").prose(
        "Nine speakers utter two Japanese vowels; an utterance is a series of 12 LPC cepstrum coefficients over 7 to 29 time points (Kudo, \
         Toyama and Shimbo 1999; UCI Machine Learning Repository). The published split has 270 utterances to train on and 370 to judge by. \
         It is an easy set: a linear classifier on the means of five segments of each utterance leaves little to gain. The recipe was \
         chosen by the cross-validation of <code>japanese-vowels-choice</code> within the 270.",
    );
    classify::comparison(report, &contenders, &[]);
    classify::pictures(report, &trained, &test)
}

/// The networks, and what stands beside them.
fn contenders(
    training: &Dataset,
    test: &Dataset,
    trained: &[classify::Trained],
    baselines: Vec<Contender>,
) -> Result<Vec<Contender>, Error> {
    let mut all = vec![Contender::gated(trained, "one hidden layer, all 270 utterances")];
    all.extend(baselines);
    let (labels, asked) = (training.labels().unwrap_or_default(), test.labels().unwrap_or_default());
    for (segments, name) in [(1, "the mean"), (5, "the means of five segments")] {
        let fitted = LogisticRegression::fit(&features(training, segments), labels, training.outputs());
        let said = fitted.predict(&features(test, segments));
        let name = format!("logistic regression on {name}");
        all.push(Contender::fixed(name, asked, &said, "standardised features, unit prior")?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use spikegrad::data::metrics::Accuracy;

    use super::*;

    #[test]
    fn logistic_regression_finds_the_speakers() {
        let [training, test] = data().unwrap();
        assert_eq!((training.len(), test.len(), training.channels(), training.outputs()), (270, 370, 12, 9));
        for (segments, least) in [(1, 0.96), (5, 0.985)] {
            let labels = training.labels().unwrap();
            let fitted = LogisticRegression::fit(&features(&training, segments), labels, 9);
            let said = fitted.predict(&features(&test, segments));
            let found = Accuracy::of(test.labels().unwrap(), &said).unwrap().value();
            assert!(found >= least, "{segments} segments: {found}");
        }
    }
}
