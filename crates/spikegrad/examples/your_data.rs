//! A network that tells nine speakers apart, trained on files: `cargo run --release --example your_data -p spikegrad`. The guide
//! `docs/tutorials/your-data.md` has it.

#![allow(clippy::print_stdout, reason = "an example prints")]

// region: data
use spikegrad::data::{Dataset, ReadOptions, Standardise, open, split};
use spikegrad::prelude::*;

/// The Japanese vowels: training and test file, time points of 12 channels that are taken to be 10 ms apart.
fn task() -> Result<DatasetTask<f32>, Failure> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
    let data = open(folder.join("japanese-vowels-train.npz"), &ReadOptions::default())?;
    let test = open(folder.join("japanese-vowels-test.npz"), &ReadOptions::default())?;
    let parts = split(&data, &[0.85, 0.15], 1)?;
    let standardise = Standardise::fit(&data, &parts[0])?;
    let presentation = Presentation { interval: 10.0, after: 20.0, warm_up: 0.0, first_neuron: 0 };
    let trials = |data: Dataset| Ok::<_, Failure>(presentation.trials(&standardise.apply(&data)?)?);
    let [training, validation] = [trials(data.subset(&parts[0])?)?, trials(data.subset(&parts[1])?)?];
    let loss = CrossEntropy { of: Score::Mean, smoothing: 0.0 };
    Ok(DatasetTask::new(training, validation, trials(test)?, loss, Reading::Class(Score::Mean), 1))
}
// endregion

// region: train
/// Trains a network and returns the share of test utterances that are given to the right speaker.
fn learn(iterations: usize) -> Result<f64, Failure> {
    let task = task()?;
    let mut network = Network::builder()
        .population(Population::new("hidden", Lif::default(), 128, GateShape::RaisedCosine, 0.5))
        .synapse("slow", 20.0)
        .inputs(12)
        .outputs(9)
        .build()?;
    network.initialise(&Initialisation::default(), &mut generator(1, Purpose::Initialisation, 0))?;
    let mut network = network.to_f32();
    let lr = [(Group::Weight(0), 1e-3), (Group::Input, 1e-3), (Group::Bias, 1e-3), (Group::Readout(0), 0.1)];
    let options = TrainingOptions {
        h: 0.5,
        iterations,
        rates: lr.map(|(group, rate)| LearningRate { group, rate }).to_vec(),
        validation: Some(Validation::keep_best(10, 40, 100)),
        ..TrainingOptions::default()
    };
    train(&mut network, &task, &options, &mut progress_bar(options.iterations))?;
    let right = evaluate(&network, &task, &options, Purpose::Test, 370, |trial, run| task.score(trial, run))?;
    Ok(right.iter().sum::<f64>() / 370.0)
}
// endregion

fn main() -> Result<(), Failure> {
    println!("{:.1} % of 370 test utterances are given to the right speaker", 100.0 * learn(300)?);
    Ok(())
}

#[test]
fn a_short_training_is_better_than_a_guess() -> Result<(), Failure> {
    let task = task()?;
    let parts =
        [Purpose::Training, Purpose::Validation, Purpose::Test].map(|purpose| task.part(purpose).len());
    assert_eq!((parts[0] + parts[1], parts[2]), (270, 370));
    // Nine speakers: a guess is right in 11 % of the utterances, and always the most frequent speaker in 24 %.
    let right = learn(20)?;
    assert!(right > 0.4, "{right}");
    Ok(())
}

#[test]
fn forty_lines_are_enough() {
    let text = include_str!("your_data.rs");
    let program = text.split("#[test]").next().unwrap_or_default();
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//") && !line.starts_with("#!");
    let lines = program.lines().map(str::trim).filter(is_code).count();
    assert!((20..=40).contains(&lines), "{lines} lines");
}
