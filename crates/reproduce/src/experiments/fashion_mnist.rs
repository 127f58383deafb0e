//! The experiment `fashion-mnist`: which of ten pieces of clothing an image shows (Xiao, Rasul and Vollgraf 2017).

use spikegrad::data::{Dataset, Pixels, ReadOptions, open};
use spikegrad::prelude::*;

use super::Context;
use super::classify::{self, Augment, Contender, Front, Recipe};
use crate::Error;
use crate::report::Report;

/// The accuracy of each seed in per cent, and the wall time of its training in minutes, that the experiment asks for.
const BAND: [f64; 2] = [89.0, 100.0];
const TIME: [f64; 2] = [0.0, 30.0];

/// What a quick run has.
const QUICK_IMAGES: usize = 300;
const QUICK_EPOCHS: f64 = 1.0;

/// The names of the classes, in the order of the labels.
const NAMES: [&str; 10] =
    ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

/// The network, and how it is trained.
fn recipe(context: &Context) -> Recipe {
    Recipe {
        neurons: 512,
        tau_v: 20.0,
        gate: 0.9,
        recurrent: false,
        tau: 5.0,
        tau_out: 10.0,
        front: Front::NOTHING,
        standardise: false,
        augment: Augment::NOTHING,
        interval: 20.0,
        h: 0.5,
        start: Initialisation { rate: 20.0, spread: 0.3, gain: 0.1, input: 3.0, readout: 0.3, h: 0.5 },
        score: Score::Mean,
        smoothing: 0.0,
        rate: 0.05,
        last: 0.0,
        pull: 0.0,
        decay: 0.0,
        average: 0.5,
        epochs: if context.quick { QUICK_EPOCHS } else { 10.0 },
        batch: 64,
    }
}

/// The two parts.
fn data(context: &Context) -> Result<[Dataset; 2], Error> {
    let directory = context
        .data("fashion-mnist", "the four IDX files, which the package dataset-fashion-mnist of Debian has")?;
    let part = |name: &str| {
        let names = ["images-idx3-ubyte.gz", "images-idx3-ubyte"]
            .map(|kind| directory.join(format!("{name}-{kind}")));
        let path = names.iter().find(|path| path.is_file()).unwrap_or(&names[0]);
        let classes = Some(NAMES.map(str::to_owned).to_vec());
        let options = ReadOptions { pixels: Pixels::Channels, classes, ..ReadOptions::default() };
        let data = open(path, &options).map_err(Error::experiment)?;
        if !context.quick {
            return Ok(data);
        }
        let few: Vec<usize> = (0..data.len().min(QUICK_IMAGES)).collect();
        data.subset(&few).map_err(Error::experiment)
    };
    Ok([part("train")?, part("t10k")?])
}

/// What stays the same over the experiment.
pub(super) fn settings(context: &Context, report: &mut Report) {
    recipe(context).settings(report);
    report
        .setting(
            "directory of the data",
            context.data.as_ref().map_or_else(String::new, |d| d.display().to_string()),
        )
        .setting("seeds", context.seeds.clone());
}

/// Runs the experiment.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<(), Error> {
    let [training, test] = data(context)?;
    let recipe = recipe(context);
    let trained = recipe.train_all(context, [&training, &test])?;
    for one in &trained {
        let accuracy = 100.0 * one.judged.accuracy().value();
        report
            .figure(
                format!("seed {}: accuracy on {} images", one.seed, test.len()),
                accuracy,
                "%",
                Some(BAND),
            )
            .figure(
                format!("seed {}: wall time of training", one.seed),
                one.seconds / 60.0,
                "min",
                Some(TIME),
            );
    }
    let mut all = vec![Contender::gated(&trained, format!("{} hidden neurons", recipe.neurons))];
    all.extend(recipe.baselines(context, [&training, &test])?);
    classify::others(report, &all[1..], &context.seeds);
    classify::figures(report, &trained);

    report.heading("The task").prose(
        "Grey images of 28 x 28 pixels show pieces of clothing of ten kinds: 60 000 to train on, 10 000 to judge by. Every pixel is a \
         current that stays the same for the whole trial.",
    );
    classify::comparison(report, &all, &[]);
    classify::pictures(report, &trained, &test)
}
