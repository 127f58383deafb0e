//! The tutorial `docs/tutorials/classifier.md`: spiking neurons tell the three parts of the Yin-Yang figure apart:
//! `cargo run --release --example classifier`.

#![allow(clippy::print_stdout, reason = "an example prints")]

// region: data
use spikegrad::data::yin_yang;
use spikegrad::prelude::*;

/// Points of the figure, a class for each, as trials of 30 ms: 2000 to train on, 500 to watch the training by, 1000 to judge by.
fn task() -> Result<DatasetTask<f32>, Failure> {
    let presentation = Presentation { interval: 30.0, after: 0.0, warm_up: 0.0, first_neuron: 0 };
    let trials = |points, seed| Ok::<_, Failure>(presentation.trials(&yin_yang(points, seed)?)?);
    let loss = CrossEntropy { of: Score::Mean, smoothing: 0.0 };
    let reading = Reading::Class(Score::Mean);
    Ok(DatasetTask::new(trials(2000, 1)?, trials(500, 2)?, trials(1000, 3)?, loss, reading, 1))
}
// endregion

// region: network
/// Four coordinates go in, one hidden layer of 100 neurons without recurrent weights, a readout for each class comes out.
fn network() -> Result<Network<f32>, Failure> {
    let mut network = Network::builder()
        .population(Population::new("hidden", Lif::default(), 100, GateShape::RaisedCosine, 0.9))
        .synapse("slow", 10.0)
        .inputs(4)
        .outputs(3)
        .build()?;
    network.set_mask(Group::Weight(0), |_, _| false)?;
    let start = Initialisation { rate: 20.0, spread: 0.5, input: 3.0, ..Initialisation::default() };
    network.initialise(&start, &mut generator(1, Purpose::Initialisation, 0))?;
    Ok(network.to_f32())
}
// endregion

// region: options
fn options(task: &DatasetTask<f32>) -> TrainingOptions {
    let rate = |group, rate| LearningRate { group, rate };
    TrainingOptions {
        h: 0.5,
        batch: 50,
        iterations: task.iterations(15.0, 50), // 15 times through the training part
        rates: vec![rate(Group::Input, 0.01), rate(Group::Bias, 0.003), rate(Group::Readout(0), 1.0)],
        schedule: Schedule::Cosine { last: 0.02 },
        validation: Some(Validation::keep_best(40, 500, 1000)),
        ..TrainingOptions::default()
    }
}
// endregion

/// Trains, and returns the parts of right answers on the points that judge, before and after.
fn trained(iterations: Option<usize>) -> Result<[f64; 2], Failure> {
    // region: train
    let (task, mut network) = (task()?, network()?);
    let mut options = options(&task);
    options.iterations = iterations.unwrap_or(options.iterations);
    let accuracy = |network: &Network<f32>| -> Result<f64, Failure> {
        let right =
            evaluate(network, &task, &options, Purpose::Test, 1000, |trial, run| task.score(trial, run))?;
        Ok(right.iter().sum::<f64>() / right.len() as f64)
    };
    let before = accuracy(&network)?;
    train(&mut network, &task, &options, &mut progress_bar(options.iterations))?;
    let after = accuracy(&network)?;
    println!(
        "right answers on 1000 new points: {:.1} % before, {:.1} % after",
        100.0 * before,
        100.0 * after
    );
    // endregion
    Ok([before, after])
}

fn main() -> Result<(), Failure> {
    trained(None).map(|_| ())
}

#[test]
fn a_short_training_is_better_than_none() -> Result<(), Failure> {
    let [before, after] = trained(Some(60))?;
    assert!(after > before + 0.1, "{before} {after}");
    Ok(())
}
