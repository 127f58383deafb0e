//! Random theta networks: the constants of the problems that `cargo xtask compare` reads, weights
//! `N(0, 0.05^2 / N)`, two inputs, one output, and a tonic current for a wanted rate.

use spikegrad::models::{GateShape, Theta};
use spikegrad::nalgebra::RealField;
use spikegrad::network::{Error, Group, InitialState, Network, Population, SplitStep, Trial, WorkCounters};
use spikegrad::rand::{RngExt as _, SeedableRng as _};
use spikegrad::rand_chacha::ChaCha8Rng;
use spikegrad::tasks::Quadratic;

/// Time constant of the slow synapses, ms.
pub const TAU: f64 = 20.0;
/// Time constant of the fast synapses, ms.
pub const TAU_FAST: f64 = 5.0;
/// Membrane time constant, ms.
pub const TAU_V: f64 = 25.0;
/// Width of the raised-cosine gate.
pub const WIDTH: f64 = 0.2;
/// Weight of synaptic activity in the loss.
pub const LAMBDA: f64 = 1e-3;

/// How large a problem is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// Neurons.
    pub neurons: usize,
    /// Trials.
    pub batch: usize,
    /// Steps of 1 ms in a trial.
    pub steps: usize,
    /// Rate that the tonic current alone would give, Hz.
    pub rate: f64,
}

/// A network with its trials.
#[derive(Clone, Debug)]
pub struct Problem<T: 'static> {
    /// The network.
    pub network: Network<T>,
    /// The trials.
    pub trials: Vec<Trial<T>>,
}

/// A pair of standard normal numbers, by the method of Box and Muller.
fn normal(rng: &mut ChaCha8Rng) -> [f64; 2] {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * rng.random::<f64>()).sin_cos();
    [radius * cos, radius * sin]
}

fn fill(rng: &mut ChaCha8Rng, deviation: f64, values: &mut [f64]) {
    for pair in values.chunks_mut(2) {
        for (value, z) in pair.iter_mut().zip(normal(rng)) {
            *value = deviation * z;
        }
    }
}

impl Problem<f64> {
    /// A problem of a size; the same seed gives the same numbers.
    ///
    /// A theta neuron with a constant current `I` fires at `2 sqrt(I / tau_v)` per ms. Neurons start at random phases of
    /// that period, so that the rate is the same from the first step on.
    ///
    /// # Errors
    /// If there are no neurons.
    pub fn random(size: Size, seed: u64) -> Result<Self, Error> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let n = size.neurons;
        let mut network = Network::builder()
            .population(Population::new("theta", Theta { tau_v: TAU_V }, n, GateShape::RaisedCosine, WIDTH))
            .synapse("slow", TAU)
            .synapse("fast", TAU_FAST)
            .inputs(2)
            .outputs(1)
            .build()?;
        let tonic = TAU_V * (size.rate * 1e-3 / 2.0).powi(2);
        let parameters = &mut network.parameters;
        for class in 0..2 {
            fill(&mut rng, 0.05 / (n as f64).sqrt(), parameters.group_mut(Group::Recurrent(class)));
        }
        fill(&mut rng, 0.2 * tonic, parameters.group_mut(Group::Input));
        fill(&mut rng, 1.0 / (n as f64).sqrt(), parameters.group_mut(Group::Readout));
        parameters.bias_mut().fill(tonic);
        let trials = (0..size.batch).map(|_| {
            let mut trial = Trial::silent(size.steps, 1.0, 2);
            let frequencies = [rng.random_range(0.01..0.05), rng.random_range(0.01..0.05)];
            for (m, input) in trial.inputs.chunks_exact_mut(2).enumerate() {
                for (input, frequency) in input.iter_mut().zip(frequencies) {
                    *input = (frequency * m as f64).sin();
                }
            }
            trial.targets = (0..size.steps).map(|m| 0.01 * (0.02 * m as f64).sin()).collect();
            let phase = (tonic * TAU_V).sqrt();
            let start = |p: f64| {
                0.5 + (phase * (std::f64::consts::PI * (p - 0.5)).tan()).atan() / std::f64::consts::PI
            };
            let x = (0..n).map(|_| start(rng.random())).collect();
            trial.initial = Some(InitialState { x, s: Vec::new() });
            trial
        });
        let trials = trials.collect();
        Ok(Self { network, trials })
    }

    /// The same problem in single precision.
    pub fn to_f32(&self) -> Problem<f32> {
        Problem {
            network: self.network.to_f32(),
            trials: self.trials.iter().map(|t| t.map(|x| x as f32)).collect(),
        }
    }
}

impl<T: RealField + Copy> Problem<T> {
    /// The loss.
    pub fn loss(&self) -> Quadratic<T> {
        Quadratic { lambda: T::from_subset(&LAMBDA) }
    }

    /// The step of 1 ms.
    ///
    /// # Errors
    /// If a parameter is out of its domain, which those of a random problem are not.
    pub fn scheme(&self) -> Result<SplitStep<'_, T>, Error> {
        SplitStep::new(&self.network, 1.0)
    }

    /// The work of the gradient over all trials.
    ///
    /// # Errors
    /// As [`scheme`](Self::scheme).
    pub fn work(&self) -> Result<WorkCounters, Error> {
        let (scheme, loss) = (self.scheme()?, self.loss());
        let mut work = WorkCounters::default();
        for trial in &self.trials {
            work += scheme.run(trial, &loss)?.work();
        }
        Ok(work)
    }

    /// The part of the columns of dense products that the gradient visits, between 0 and 1.
    ///
    /// # Errors
    /// As [`scheme`](Self::scheme).
    pub fn activity(&self) -> Result<f64, Error> {
        let work = self.work()?;
        let dense = work.steps as f64 * (4 * self.network.neurons()) as f64;
        Ok(work.columns() as f64 / dense)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tonic_current_gives_the_wanted_rate_and_the_seed_the_same_numbers() {
        for rate in [20.0, 40.0] {
            let size = Size { neurons: 200, batch: 2, steps: 500, rate };
            let problem = Problem::random(size, 1).unwrap();
            let again = Problem::random(size, 1).unwrap();
            assert_eq!(problem.network.parameters, again.network.parameters);
            assert_eq!(problem.trials, again.trials);
            let scheme = problem.scheme().unwrap();
            let loss = problem.loss();
            let spikes: usize =
                problem.trials.iter().map(|t| scheme.run(t, &loss).unwrap().record().spikes.len()).sum();
            let found = spikes as f64 / (200.0 * 2.0 * 0.5);
            assert!((found / rate - 1.0).abs() < 0.2, "{found} Hz for {rate} Hz");
        }
    }
}
