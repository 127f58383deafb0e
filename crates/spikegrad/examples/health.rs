//! A network that learns nothing, and a report that says why: `cargo run --release --example health -p spikegrad`. The guide
//! `docs/how-to/why-it-does-not-learn.md` walks through it.

#![allow(clippy::print_stdout, reason = "an example prints")]

// region: task
use spikegrad::prelude::*;

/// The readout is to follow the first of two inputs, which jump to random levels every 40 ms.
struct Follow(QuadraticLoss<f64>);

impl Task<f64> for Follow {
    fn trial(&self, _stage: TrainingStage, rng: &mut ChaCha8Rng) -> Trial<f64> {
        let mut trial = Trial::silent(200, 1.0, 2);
        let mut level = 0.0;
        for m in 0..trial.samples {
            if m % 40 == 0 {
                level = rng.random_range(0.0..1.0);
            }
            trial.inputs[2 * m] = level; // and the second channel is forgotten
            trial.targets.push(level);
        }
        trial.scale = trial.duration();
        trial
    }

    fn loss(&self) -> &dyn Loss<f64> {
        &self.0
    }

    fn score(&self, trial: &Trial<f64>, recording: &Recording<f64>) -> f64 {
        predictive_coding::nrmse(&recording.output, &trial.targets)
    }
}

/// Twenty theta neurons, all of which fire at 30 Hz or so.
fn sound() -> Result<Network<f64>, spikegrad::network::Error> {
    let mut network = Network::builder()
        .population(Population::new("hidden", Theta::default(), 20, GateShape::RaisedCosine, 0.3))
        .synapse("slow", 20.0)
        .inputs(2)
        .outputs(1)
        .build()?;
    let how = Initialisation { rate: 30.0, input: 1.0, ..Initialisation::default() };
    network.initialise(&how, &mut generator(1, Purpose::Initialisation, 0))?;
    Ok(network)
}

/// The same with strong recurrent weights, and five neurons that stay far below threshold.
fn faulty() -> Result<Network<f64>, spikegrad::network::Error> {
    let mut network = sound()?;
    network.draw(
        Group::Weight(0),
        Draw::FanIn { gain: 2.0 },
        &mut generator(2, Purpose::Initialisation, 0),
    )?;
    network.parameters.bias_mut().fill(0.04);
    for neuron in 0..5 {
        network.parameters.bias_mut()[neuron] = -0.1;
        network.parameters.weight_mut(0).row_mut(neuron).fill(0.0);
    }
    Ok(network)
}
// endregion

/// What is found in the faulty network.
fn examine() -> Result<Vec<Finding>, Failure> {
    let mut said = Vec::new();
    // region: report
    let task = Follow(QuadraticLoss { lambda: 0.0 });
    let rate = |group, rate| LearningRate { group, rate };
    let training = TrainingOptions {
        h: 0.5,
        rates: vec![
            rate(Group::Weight(0), 0.05),
            rate(Group::Input, 0.05),
            rate(Group::Bias, 0.05),
            rate(Group::Readout(0), 2.0),
        ],
        ..TrainingOptions::default()
    };
    let health = Health::of_task(&faulty()?, &task, &HealthOptions::of(training.clone()))?;
    println!("{health}");
    // endregion
    said.extend(health.findings());

    // region: repaired
    let rates = training.rates.iter().map(|r| LearningRate { rate: 0.01 * r.rate, ..*r }).collect();
    let options = HealthOptions::of(TrainingOptions { rates, ..training });
    let health = Health::of_task(&sound()?, &task, &options)?;
    println!("{health}");
    // What is left is the data's fault.
    assert_eq!(health.findings(), [Finding::ZeroInputs { channels: vec![1], of: 2 }]);
    // endregion
    Ok(said)
}

fn main() -> Result<(), Failure> {
    examine().map(drop)
}

/// The guide shows this report, whatever its figures.
#[test]
fn the_guide_has_the_words_of_the_report() -> Result<(), Failure> {
    let words = |text: &str| {
        let text: String = text.chars().map(|c| if c.is_ascii_digit() { ' ' } else { c }).collect();
        text.split(|c: char| c.is_whitespace() || c == '.')
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let page = words(include_str!("../../../docs/how-to/why-it-does-not-learn.md"));
    let said = examine()?;
    assert!(said.len() > 3);
    for finding in said {
        assert!(page.contains(&words(&finding.to_string())), "{finding}");
    }
    Ok(())
}
