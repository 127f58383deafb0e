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
fn main() -> Result<(), Failure> {
    let task = task()?;
    let mut network = Network::builder()
        .population(Population::new("hidden", Lif::default(), 128, GateShape::RaisedCosine, 0.5))
        .synapse("slow", 20.0)
        .inputs(12)
        .outputs(9)
        .build()?;
    network.initialise(&Initialisation::default(), &mut generator(1, Purpose::Initialisation, 0))?;
    let mut network = network.to_f32();
    let rate = |group, rate| LearningRate { group, rate };
    let options = TrainingOptions {
        h: 0.5,
        iterations: 300,
        rates: vec![
            rate(Group::Weight(0), 1e-3),
            rate(Group::Input, 1e-3),
            rate(Group::Bias, 1e-3),
            rate(Group::Readout(0), 0.1),
        ],
        validation: Some(Validation::keep_best(10, 40, 100)),
        ..TrainingOptions::default()
    };
    train(&mut network, &task, &options, &mut progress_bar(options.iterations))?;
    let right = evaluate(&network, &task, &options, Purpose::Test, 370, |trial, run| task.score(trial, run))?;
    println!(
        "{:.1} % of 370 test utterances are given to the right speaker",
        right.iter().sum::<f64>() / 3.7
    );
    Ok(())
}
// endregion

#[test]
fn the_data_are_there() -> Result<(), Failure> {
    let task = task()?;
    let parts =
        [Purpose::Training, Purpose::Validation, Purpose::Test].map(|purpose| task.part(purpose).len());
    assert_eq!((parts[0] + parts[1], parts[2]), (270, 370));
    assert_eq!(
        (task.part(Purpose::Test)[0].label.len(), task.part(Purpose::Test)[0].inputs.len() % 12),
        (9, 0)
    );
    Ok(())
}
