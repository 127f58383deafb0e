//! The tutorial `docs/tutorials/recorded-neuron.md`: a leaky integrate-and-fire neuron is fitted to the spikes of an auditory receptor
//! neuron of a grasshopper: `cargo run --release --example recorded_neuron`.

#![allow(clippy::print_stdout, reason = "an example prints")]

// region: data
use spikegrad::data::{arrays, metrics::coincidence_factor};
use spikegrad::prelude::*;

/// Time between two samples of the stimulus as the model sees it, ms.
const SAMPLE: f64 = 0.25;
/// The delays of the input channels, in samples: a spike answers a sound that came some 6 ms earlier.
const DELAYS: [usize; 6] = [16, 20, 24, 28, 32, 36];

/// What was recorded.
struct Recorded {
    /// The logarithm of the sound's amplitude, of mean 0 and standard deviation 1, a value every [`SAMPLE`].
    sound: Vec<f64>,
    /// Spike times, ms.
    spikes: Vec<f64>,
}

fn recorded() -> Result<Recorded, Failure> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/grasshopper-1.npz");
    let found = arrays(path)?;
    let array = |name: &str| {
        let array = found.iter().find(|array| array.name == name).map(|array| array.values.clone());
        array.ok_or_else(|| std::io::Error::other(format!("the file has no array `{name}`")))
    };
    // Five values of 0.05 ms are one of 0.25 ms.
    let mut sound: Vec<f64> =
        array("stimulus")?.chunks_exact(5).map(|part| (part.iter().sum::<f64>() / 5.0).ln()).collect();
    let mean = sound.iter().sum::<f64>() / sound.len() as f64;
    let deviation = (sound.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / sound.len() as f64).sqrt();
    sound.iter_mut().for_each(|x| *x = (*x - mean) / deviation);
    Ok(Recorded { sound, spikes: array("spike_times")?.iter().map(|s| 1e3 * s).collect() })
}
// endregion

// region: trial
/// Samples before those that count, in which the state of the model comes to depend on the sound alone: 100 ms.
const BEFORE: usize = 400;

/// `samples` samples from sample `start` on.
fn trial(recorded: &Recorded, start: usize, samples: usize) -> Trial<f64> {
    let from = start - BEFORE;
    let mut trial = Trial::silent(BEFORE + samples, SAMPLE, DELAYS.len());
    for sample in 0..trial.samples {
        for (channel, delay) in DELAYS.iter().enumerate() {
            trial.inputs[sample * DELAYS.len() + channel] =
                recorded.sound[(from + sample).saturating_sub(*delay)];
        }
    }
    trial.weights = vec![1.0; trial.samples];
    trial.weights[..BEFORE].fill(0.0);
    let [first, last] = [from, from + trial.samples].map(|sample| sample as f64 * SAMPLE);
    let inside = recorded.spikes.iter().filter(|&&time| first <= time && time < last);
    trial.target_spikes = inside.map(|time| Spike { neuron: 0, time: time - first, count: 1 }).collect();
    trial
}
// endregion

// region: model
/// One neuron. Input weights, tonic current, membrane time constant and reset are fitted.
fn neuron() -> Result<Network<f64>, Failure> {
    let cell = Population::new("cell", Lif { tau_v: 5.0, ..Lif::default() }, 1, GateShape::RaisedCosine, 0.5);
    let mut network =
        Network::builder().population(cell).synapse("none", 10.0).inputs(DELAYS.len()).build()?;
    network.freeze(Group::Weight(0))?;
    network.parameters.input_mut().fill(0.02);
    network.parameters.bias_mut()[0] = 0.24; // 1.2 times the current that reaches threshold
    Ok(network)
}
// endregion

// region: judge
/// The seconds that nothing is fitted to, counted from 0.
const HELD_OUT: [usize; 3] = [2, 5, 8];

/// The mean coincidence factor of the model's spikes with the recorded ones in these seconds: 1 for equal trains, 0 for chance. Spikes
/// that are less than 2 ms apart coincide.
fn coincidence(network: &Network<f64>, recorded: &Recorded) -> Result<f64, Failure> {
    let scheme = SplitStep::new(network, SAMPLE)?;
    let start = BEFORE as f64 * SAMPLE;
    let counted = |spikes: &[Spike]| -> Vec<f64> {
        spikes.iter().map(|spike| spike.time - start).filter(|&time| time >= 0.0).collect()
    };
    let mut sum = 0.0;
    for second in HELD_OUT {
        let trial = trial(recorded, second * 4000, 4000);
        let run = scheme.run(&trial, &NoLoss)?.record()?;
        sum += coincidence_factor(&counted(&trial.target_spikes), &counted(&run.spikes), 2.0, 1000.0)?;
    }
    Ok(sum / HELD_OUT.len() as f64)
}
// endregion

/// Fits, and returns the distance at the first and at the last iteration.
fn fitted(iterations: usize) -> Result<[f64; 2], Failure> {
    // region: fit
    let recorded = recorded()?;
    let mut network = neuron()?;
    let before = coincidence(&network, &recorded)?;
    // Quarters of all seconds but the first one, which nothing comes before, and those that judge.
    let fitted = (1..10).filter(|second| !HELD_OUT.contains(second));
    let quarters = fitted.flat_map(|second| (0..4).map(move |quarter| second * 4000 + quarter * 1000));
    let trials: Vec<Trial<f64>> = quarters.map(|start| trial(&recorded, start, 1000)).collect();
    let all = trials.len();
    let loss = VanRossum { neurons: 0..1, tau: 10.0 };
    let task = DatasetTask::new(trials, Vec::new(), Vec::new(), loss, Reading::Cost, 1);
    let mut rates = Vec::new();
    for (name, rate) in
        [("input.weight", 1e-4), ("cell.bias", 2e-4), ("cell.tau_v", 5e-4), ("cell.v_reset", 5e-4)]
    {
        let group = network.parameters.layout().find(name)?.group;
        network.unfreeze(group)?;
        rates.push(LearningRate { group, rate });
    }
    let options = TrainingOptions {
        h: SAMPLE,
        iterations,
        batch: all, // every iteration sees all trials
        rates,
        schedule: Schedule::Cosine { last: 0.05 },
        clip: None, // the batch is always the same: no trial decides it by chance
        ..TrainingOptions::default()
    };
    let history = train(&mut network, &task, &options, &mut progress_bar(iterations))?;
    for done in history.iter().step_by((iterations / 5).max(1)) {
        println!("iteration {:4}: distance {:.2}", done.iteration, done.cost);
    }
    let after = coincidence(&network, &recorded)?;
    println!("coincidence in seconds that were not fitted: {before:.2} before, {after:.2} after");
    for name in ["cell.tau_v", "cell.v_reset", "cell.bias", "input.weight"] {
        println!("{name:13} {:.3?}", network.parameters.get(name)?);
    }
    // endregion
    Ok([history[0].cost, history[history.len() - 1].cost])
}

fn main() -> Result<(), Failure> {
    fitted(150).map(|_| ())
}

#[test]
fn a_fit_brings_the_spikes_nearer() -> Result<(), Failure> {
    let [first, last] = fitted(20)?;
    assert!(last < 0.97 * first, "{first} {last}");
    Ok(())
}
