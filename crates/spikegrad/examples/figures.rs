//! Figures of a network as JSON: costs, outputs and gradients in both precisions, for programs in other languages to be held against.

#![allow(clippy::print_stdout, reason = "an example prints")]

use serde_json::{Value, json};
use spikegrad::adjoint::BoxError;
use spikegrad::prelude::*;

const SAMPLES: usize = 60;
const INTERVAL: f64 = 1.0;
const H: f64 = 0.5;
const CLASSES: [usize; 3] = [0, 1, 1];

/// A recurrent network of two populations, drawn from a seed.
fn network() -> Result<Network<f64>, BoxError> {
    let mut network = Network::builder()
        .population(Population::new("lif", Lif::default(), 6, GateShape::RaisedCosine, 0.5))
        .population(Population::new("theta", Theta::default(), 5, GateShape::Triangular, 0.3))
        .projection(Projection::new("slow", 20.0))
        .projection(Projection::new("fast", 5.0).between("lif", "theta"))
        .inputs(2)
        .outputs(2)
        .build()?;
    let how = Initialisation { rate: 30.0, input: 0.5, ..Initialisation::default() };
    network.initialise(&how, &mut spikegrad::tasks::generator(1, Purpose::Initialisation, 0))?;
    network.unfreeze_all();
    Ok(network)
}

fn trials<T: Scalar>() -> Vec<Trial<T>> {
    let trial = |(index, &class): (usize, &usize)| {
        let mut trial = Trial::<T>::silent(SAMPLES, INTERVAL, 2);
        for (at, input) in trial.inputs.iter_mut().enumerate() {
            *input = real((0.1 * at as f64 + index as f64).sin());
        }
        trial.label = vec![T::zero(); 2];
        trial.label[class] = T::one();
        trial.scale = trial.duration();
        trial
    };
    CLASSES.iter().enumerate().map(trial).collect()
}

fn numbers<T: Scalar>(values: &[T]) -> Vec<f64> {
    values.iter().map(|x| x.to_subset_unchecked()).collect()
}

/// The gradient of a batch, and the transpose of every run with its outputs as derivatives.
fn figures<T: Scalar>(network: &Network<T>) -> Result<Value, BoxError> {
    let (scheme, trials) = (SplitStep::new(network, H)?, trials::<T>());
    let loss = CrossEntropy { of: Score::Mean, smoothing: 0.0 };
    let mut gradient = network.parameters.zeros_like();
    let batch = Batch::default().gradient(&scheme, &trials, &loss, None, &mut gradient)?;
    let (mut outputs, mut inputs_bar, mut vjp) = (Vec::new(), Vec::new(), Vec::new());
    for trial in trials {
        let (of_trial, mut tape) = scheme.forward(trial)?;
        let bar = tape.vjp(&of_trial, None)?;
        outputs.push(numbers(&of_trial));
        inputs_bar.push(numbers(&bar.inputs));
        vjp.push(numbers(bar.parameters.values()));
    }
    let cost: f64 = batch.cost.to_subset_unchecked();
    let gradient = numbers(gradient.values());
    Ok(json!({"cost": cost, "gradient": gradient, "outputs": outputs, "inputs_bar": inputs_bar, "vjp": vjp}))
}

fn main() -> Result<(), Failure> {
    let all = || -> Result<Value, BoxError> {
        let network = network()?;
        let parameters: serde_json::Map<String, Value> = network
            .named_parameters()
            .map(|p| (p.name.to_owned(), json!(network.parameters.values()[p.range.clone()])))
            .collect();
        let inputs: Vec<f64> = trials::<f64>().iter().flat_map(|trial| trial.inputs.clone()).collect();
        Ok(json!({
            "spec": network.spec(),
            "parameters": parameters,
            "trials": CLASSES.len(),
            "samples": SAMPLES,
            "interval": INTERVAL,
            "h": H,
            "inputs": inputs,
            "labels": CLASSES,
            "float64": figures(&network)?,
            "float32": figures(&network.to_f32())?,
        }))
    };
    let figures = all().map_err(std::io::Error::other)?;
    println!("{figures}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_spikes_and_a_gradient_in_the_figures() {
        let network = network().expect("a network");
        let found = figures(&network).expect("figures");
        assert!(found["cost"].as_f64().is_some_and(|cost| cost > 0.0));
        let moved = found["gradient"].as_array().expect("numbers").iter().filter(|x| x.as_f64() != Some(0.0));
        assert!(moved.count() > 50);
    }
}
