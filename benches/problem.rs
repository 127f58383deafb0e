//! Random theta networks: the constants of the problems that `cargo xtask compare` reads, weights
//! `N(0, 0.05^2 / N)`, two inputs, one output, and a tonic current for a wanted rate.

use std::f64::consts::PI;

use spikegrad::models::{GateShape, Theta};
use spikegrad::network::{
    Error, Group, InitialState, Network, Population, Scalar, SplitStep, Trial, WorkCounters,
};
use spikegrad::rand::{RngExt as _, SeedableRng as _};
use spikegrad::rand_chacha::ChaCha8Rng;
use spikegrad::tasks::QuadraticLoss;

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
    /// Wanted rate, Hz; networks keep it to about a tenth.
    pub rate: f64,
}

/// A network with its trials.
#[derive(Clone, Debug)]
pub struct Problem<T: 'static> {
    /// The network.
    pub network: Network<T>,
    /// The trials.
    pub trials: Vec<Trial<T>>,
    /// The wanted rate, Hz.
    pub rate: f64,
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

/// The constant current with which a theta neuron by itself fires at `rate` Hz: `2 sqrt(I / tau_v)` is its rate in 1/ms.
fn drive(rate: f64) -> f64 {
    TAU_V * (rate * 1e-3 / 2.0).powi(2)
}

/// The tonic current for `rate` Hz in a network: in a quiet one the fluctuations of the recurrent currents alone give
/// about 5 Hz, which is taken off; in a lively one they make no difference. The numbers are fitted.
fn tonic(rate: f64) -> f64 {
    drive(rate) - 2.6e-4 * (-(rate / 6.0).powi(2)).exp()
}

/// The voltage at a phase, between 0 and 1, of the period at `rate` Hz.
fn voltage(rate: f64, phase: f64) -> f64 {
    0.5 + ((drive(rate) * TAU_V).sqrt() * (PI * (phase - 0.5)).tan()).atan() / PI
}

/// The phase at a voltage.
fn phase(rate: f64, voltage: f64) -> f64 {
    0.5 + ((PI * (voltage - 0.5)).tan() / (drive(rate) * TAU_V).sqrt()).atan() / PI
}

impl Problem<f64> {
    /// A problem of a size; the same seed gives the same numbers.
    ///
    /// Neurons start at random phases of the period of their rate, so that it is the same from the first step on.
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
        let parameters = &mut network.parameters;
        for class in 0..2 {
            fill(&mut rng, 0.05 / (n as f64).sqrt(), parameters.group_mut(Group::Weight(class)));
        }
        fill(&mut rng, 0.2 * drive(size.rate), parameters.group_mut(Group::Input));
        fill(&mut rng, 1.0 / (n as f64).sqrt(), parameters.group_mut(Group::Readout(0)));
        parameters.bias_mut().fill(tonic(size.rate));
        let trials = (0..size.batch).map(|_| {
            let mut trial = Trial::silent(size.steps, 1.0, 2);
            let frequencies = [rng.random_range(0.01..0.05), rng.random_range(0.01..0.05)];
            for (m, input) in trial.inputs.chunks_exact_mut(2).enumerate() {
                for (input, frequency) in input.iter_mut().zip(frequencies) {
                    *input = (frequency * m as f64).sin();
                }
            }
            trial.targets = (0..size.steps).map(|m| 0.01 * (0.02 * m as f64).sin()).collect();
            let x = (0..n).map(|_| voltage(size.rate, rng.random())).collect();
            trial.initial = Some(InitialState { x, s: Vec::new() });
            trial
        });
        let trials = trials.collect();
        Ok(Self { network, trials, rate: size.rate })
    }

    /// The same problem in single precision.
    pub fn to_f32(&self) -> Problem<f32> {
        Problem {
            network: self.network.to_f32(),
            trials: self.trials.iter().map(|t| t.map(|x| x as f32)).collect(),
            rate: self.rate,
        }
    }
}

impl<T: Scalar> Problem<T> {
    /// The loss.
    pub fn loss(&self) -> QuadraticLoss<T> {
        QuadraticLoss { lambda: T::from_subset(&LAMBDA) }
    }

    /// The problem with its first `batch` trials only.
    pub fn take(&self, batch: usize) -> Self {
        let trials = self.trials.iter().take(batch).cloned().collect();
        Self { network: self.network.clone(), trials, rate: self.rate }
    }

    /// Changes the tonic current, and what goes with it, to that of another rate, Hz; all else stays.
    pub fn set_rate(&mut self, rate: f64) {
        let before = std::mem::replace(&mut self.rate, rate);
        self.network.parameters.bias_mut().fill(T::from_subset(&tonic(rate)));
        let ratio = T::from_subset(&(drive(rate) / drive(before)));
        self.network.parameters.group_mut(Group::Input).iter_mut().for_each(|u| *u *= ratio);
        for v in self.trials.iter_mut().filter_map(|t| t.initial.as_mut()).flat_map(|i| &mut i.x) {
            *v = T::from_subset(&voltage(rate, phase(before, v.to_subset_unchecked())));
        }
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
            work += scheme.run(trial, &loss)?.work()?;
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
    fn networks_keep_the_wanted_rate() {
        for rate in [2.0, 5.0, 15.0, 40.0] {
            let size = Size { neurons: 300, batch: 2, steps: 300, rate };
            let mut problem = Problem::random(Size { rate: 7.0, ..size }, 1).unwrap();
            problem.set_rate(rate);
            let again = Problem::random(size, 1).unwrap();
            let norm = |p: &Problem<f64>, g| p.network.parameters.norm(g);
            for group in [Group::Weight(0), Group::Input, Group::Bias] {
                assert!((norm(&problem, group) / norm(&again, group) - 1.0).abs() < 1e-12);
            }
            let scheme = problem.scheme().unwrap();
            let loss = problem.loss();
            let spikes: usize = problem
                .trials
                .iter()
                .map(|t| scheme.run(t, &loss).unwrap().record().unwrap().spikes.len())
                .sum();
            let found = spikes as f64 / (300.0 * 2.0 * 0.3);
            assert!((found - rate).abs() < 1.0 + 0.1 * rate, "{found} Hz for {rate} Hz");
        }
    }
}
