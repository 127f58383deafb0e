//! A task of one's own and a small network trained on it: `cargo run --release --example train -p spikegrad`. The guide
//! `docs/how-to/new-task.md` walks through it.
//!
//! Twenty theta neurons with synapses of 20 ms learn to remember for 60 ms: the readout is to follow a leaky integral of the input.

#![allow(clippy::print_stdout, reason = "an example prints")]

// region: task
use spikegrad::prelude::*;

/// The readout is to follow `memory do_d/dt = -o_d + i` for an input `i` that jumps to a random level every 50 ms.
struct LeakyIntegrator {
    /// Time constant of the integral, ms.
    memory: f64,
    loss: QuadraticLoss<f64>,
}

impl Task<f64> for LeakyIntegrator {
    fn trial(&self, _stage: TrainingStage, rng: &mut ChaCha8Rng) -> Trial<f64> {
        let mut trial = Trial::silent(400, 1.0, 1);
        let decay = (-trial.interval / self.memory).exp();
        let (mut level, mut target) = (0.0, 0.0);
        for m in 0..trial.samples {
            if m % 50 == 0 {
                level = rng.random_range(0.0..1.0);
            }
            target = decay * target + (1.0 - decay) * level;
            trial.inputs[m] = level;
            trial.targets.push(target);
        }
        trial.scale = trial.duration(); // the mean over time
        trial
    }

    fn loss(&self) -> &dyn Loss<f64> {
        &self.loss
    }

    /// The error relative to the size of the target.
    fn score(&self, trial: &Trial<f64>, recording: &Recording<f64>) -> f64 {
        predictive_coding::nrmse(&recording.output, &trial.targets)
    }
}
// endregion

// region: network
fn network() -> Result<Network<f64>, spikegrad::network::Error> {
    let mut network = Network::builder()
        .population(Population::new("theta", Theta { tau_v: 25.0 }, 20, GateShape::RaisedCosine, 0.3))
        .synapse("slow", 20.0)
        .inputs(1)
        .outputs(1)
        .build()?;
    // Weights at random, from a stream of their own.
    let mut rng = generator(1, Purpose::Initialisation, 0);
    let parameters = &mut network.parameters;
    parameters.input_mut().iter_mut().for_each(|u| *u = rng.random_range(0.0..0.04));
    parameters.bias_mut().iter_mut().for_each(|b| *b = rng.random_range(-0.01..0.01));
    parameters.weight_mut(0).iter_mut().for_each(|w| *w = rng.random_range(-0.01..0.01));
    Ok(network)
}
// endregion

fn main() -> Result<(), Failure> {
    // region: train
    let task = LeakyIntegrator { memory: 60.0, loss: QuadraticLoss { lambda: 0.01 } };
    let mut network = network()?;
    let rate = |group, rate| LearningRate { group, rate };
    let options = TrainingOptions {
        iterations: 400,
        batch: 10,
        rates: vec![
            rate(Group::Weight(0), 1e-3),
            rate(Group::Input, 3e-4),
            rate(Group::Bias, 3e-4),
            rate(Group::Readout(0), 3e-2),
        ],
        schedule: Schedule::Cosine { last: 0.01 },
        ..TrainingOptions::default()
    };
    let score = |network: &Network<f64>| -> Result<f64, spikegrad::tasks::Error> {
        let scores = evaluate(network, &task, &options, Purpose::Test, 20, |trial, recording| {
            task.score(trial, recording)
        })?;
        Ok(scores.iter().sum::<f64>() / scores.len() as f64)
    };
    println!("error on held-out trials before training: {:5.1} %", 100.0 * score(&network)?);

    let mut bar = progress_bar(options.iterations);
    let history = train(&mut network, &task, &options, &mut bar)?;
    bar.finish_and_clear();

    println!("iteration      cost  skipped trials");
    for done in history.iter().step_by(50) {
        println!("{:9} {:9.5} {:15}", done.iteration, done.cost, done.skipped);
    }
    println!("error on held-out trials after training:  {:5.1} %", 100.0 * score(&network)?);
    // endregion
    Ok(())
}

#[test]
fn training_runs() -> Result<(), Failure> {
    main()
}
