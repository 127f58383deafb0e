//! Predictive coding (equations (44), (45)): a network of non-leaky integrate-and-fire neurons learns to represent its
//! input with few, well-coordinated spikes.
//!
//! Sources: Boerlin, Machens & Deneve (2013); learned by gradient descent in Huh & Sejnowski (2018).

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use spikegrad_models::{GateShape, Nif};
use spikegrad_network::{
    Group, InitialState, Loss, Network, Population, Projection, Recording, Scalar, Trial,
};

use crate::task::{MOST_NUMBERS, Task};
use crate::{Clip, Error, LearningRate, QuadraticLoss, Schedule, SumOfLosses, TrainingOptions, VoltageFloor};
use crate::{Purpose, TrainingStage, generator};

/// Time constants of the filters that pass before a trial, so that it starts in their stationary state.
const WARM_UP: f64 = 10.0;

/// A linear dynamical system that the readout is to follow: `do_d/dt = A o_d + B i`.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearSystem {
    /// `A`, `outputs x outputs`, 1/ms.
    pub a: DMatrix<f64>,
    /// `B`, `outputs x inputs`.
    pub b: DMatrix<f64>,
}

impl LinearSystem {
    /// Auto-encoding: the same filter that the slow synapse is, `tau do_d/dt = -o_d + i`.
    pub fn autoencoder(dimension: usize, tau: f64) -> Self {
        let identity = DMatrix::identity(dimension, dimension) / tau;
        Self { a: -&identity, b: identity }
    }

    /// `A` and `B` over a step `h`, with the rows that hold the input.
    fn block(&self, h: f64) -> DMatrix<f64> {
        let (n, m) = self.b.shape();
        let mut block = DMatrix::zeros(n + m, n + m);
        block.view_mut((0, 0), (n, n)).copy_from(&(&self.a * h));
        block.view_mut((0, n), (n, m)).copy_from(&(&self.b * h));
        block
    }

    /// Whether the system can be stepped by `h`.
    fn check(&self, h: f64) -> Result<(), Error> {
        let (n, m) = self.b.shape();
        Error::unless(n > 0, "rows of system.b", n as f64, "give at least one output")?;
        Error::unless(m > 0, "columns of system.b", m as f64, "give at least one input")?;
        let (rows, columns) = self.a.shape();
        let expected = "it must be a square matrix with as many rows as `system.b`";
        Error::unless(rows == n, "rows of system.a", rows as f64, expected)?;
        Error::unless(columns == n, "columns of system.a", columns as f64, expected)?;
        // The exponential of the block must not leave the range of numbers.
        let size: f64 = self.block(h).iter().map(|x| x.abs()).sum();
        let expected = "it must be at most 500: take a smaller step, or a system in units of its own size";
        Error::unless(size <= 500.0, "the sum of |system.a h| and |system.b h|", size, expected)
    }

    /// The exact step with the input held: `o' = e^{A h} o + (int_0^h e^{A t} dt) B i`. For the auto-encoder it is the
    /// discretisation of the slow synapse, so that there is no bias between the two.
    fn step(&self, h: f64) -> (DMatrix<f64>, DMatrix<f64>) {
        let (n, m) = self.b.shape();
        let exponential = self.block(h).exp();
        (exponential.view((0, 0), (n, n)).into_owned(), exponential.view((0, n), (n, m)).into_owned())
    }
}

/// The predictive-coding task.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictiveCoding {
    /// The system to follow.
    pub system: LinearSystem,
    /// Step size and sample interval, ms.
    pub h: f64,
    /// Time constant of the slow synapses, ms.
    pub tau: f64,
    /// Time constant of the fast synapses, ms.
    pub tau_fast: f64,
    /// Time constant of the two filters that the input passes, ms.
    pub input_tau: f64,
    /// Standard deviation of each input, 1/ms.
    pub input_std: f64,
    /// Length of the first and of the last training trials, ms; it grows over `growth` of the training.
    pub duration: (f64, f64),
    /// Part of training over which trials grow.
    pub growth: f64,
    /// Length of held-out trials, ms.
    pub test_duration: f64,
    /// Number of neurons.
    pub neurons: usize,
    /// Initial voltages are drawn for each trial, uniform between these two.
    pub initial_v: (f64, f64),
    /// Squared error and synaptic activity, and a floor under the voltages.
    pub loss: SumOfLosses<QuadraticLoss<f64>, VoltageFloor<f64>>,
}

impl PredictiveCoding {
    /// Auto-encoding of a two-dimensional signal by `neurons` neurons. Training trials grow to 150 ms only: the adjoint of a
    /// network that comes close to tight balance grows along the trial, and the noise of the gradients of longer trials
    /// leaves some seeds short of the balanced network.
    pub fn autoencoder(neurons: usize) -> Self {
        Self {
            system: LinearSystem::autoencoder(2, 10.0),
            h: 0.1,
            tau: 10.0,
            tau_fast: 1.0,
            input_tau: 20.0,
            input_std: 0.3,
            duration: (100.0, 150.0),
            growth: 0.6,
            test_duration: 1000.0,
            neurons,
            initial_v: (0.0, 1.0),
            loss: SumOfLosses(QuadraticLoss { lambda: 0.03 }, VoltageFloor { weight: 1e-4 }),
        }
    }

    /// A general linear system; the network then has slow recurrent synapses to keep the state that its input does not
    /// bring. Training trials grow to 250 ms, since what is kept for long shows in long trials only.
    pub fn linear_system(neurons: usize, system: LinearSystem) -> Self {
        Self { system, duration: (100.0, 250.0), ..Self::autoencoder(neurons) }
    }

    /// Whether the slow synapses themselves already are the system, so that no slow recurrent weights are needed.
    pub fn is_autoencoder(&self) -> bool {
        let n = self.system.a.nrows();
        self.system == LinearSystem::autoencoder(n, self.tau)
    }

    /// Whether a trial of `duration` ms can be made.
    fn check_length(&self, duration: f64) -> Result<(), Error> {
        Error::unless_positive("the duration of a trial", duration)?;
        let (outputs, inputs) = self.system.b.shape();
        let numbers = (duration + WARM_UP * self.input_tau) / self.h * (outputs + inputs) as f64;
        let expected =
            "there may be at most 2^26: take a shorter trial, shorter time constants or a longer step";
        Error::unless(numbers <= MOST_NUMBERS, "inputs and targets of a trial", numbers, expected)
    }

    /// The network to be trained: input weights of random directions and norm 1, spread evenly over the circle for two
    /// inputs; small random readout and fast weights; no slow recurrent weights for auto-encoding.
    ///
    /// # Errors
    /// If one of the task's own numbers is out of its domain, or they do not make a network.
    pub fn network(&self, shape: GateShape, width: f64, seed: u64) -> Result<Network<f64>, Error> {
        self.check()?;
        let (outputs, inputs) = self.system.b.shape();
        let mut network = Network::builder()
            .population(Population::new("nif", Nif, self.neurons, shape, width))
            .synapse("slow", self.tau)
            .projection(Projection::new("fast", self.tau_fast).without_autapses())
            .inputs(inputs)
            .outputs(outputs)
            .build()?;
        if self.is_autoencoder() {
            network.set_mask(Group::Weight(0), |_, _| false)?;
            network.freeze(Group::Weight(0))?;
        }
        let mut rng = generator(seed, Purpose::Initialisation, 0);
        let mut normal = |scale: f64| {
            let x: f64 = StandardNormal.sample(&mut rng);
            scale * x
        };
        let turn = normal(1.0);
        for i in 0..self.neurons {
            let direction = match inputs {
                2 => {
                    let angle = turn + std::f64::consts::TAU * i as f64 / self.neurons as f64;
                    DVector::from_vec(vec![angle.cos(), angle.sin()])
                }
                _ => DVector::from_fn(inputs, |_, _| normal(1.0)).normalize(),
            };
            network.parameters.input_mut().row_mut(i).tr_copy_from(&direction);
        }
        network
            .parameters
            .readout_mut(0)
            .iter_mut()
            .for_each(|o| *o = normal(0.05 / (outputs as f64).sqrt()));
        let scale = 0.05 / (self.neurons as f64).sqrt();
        let n = self.neurons;
        for class in if self.is_autoencoder() { 1..2 } else { 0..2 } {
            let weights = network.parameters.group_mut(Group::Weight(class));
            for (i, w) in weights.iter_mut().enumerate() {
                if class == 0 || i % n != i / n {
                    *w = normal(scale);
                }
            }
        }
        Ok(network)
    }

    /// The weights that theory gives for the input weights that the network has (equation (45)): `O` the transposed
    /// input directions, `W_f = -U O` without its diagonal, `W = U (tau A + 1) O`.
    ///
    /// # Errors
    /// If one of the task's own numbers is out of its domain, or the network is not one of this task.
    pub fn set_analytic_weights(&self, network: &mut Network<f64>) -> Result<(), Error> {
        self.check()?;
        let (n, (outputs, inputs)) = (self.neurons, self.system.b.shape());
        let sizes = [
            ("neurons of the network", network.neurons(), n),
            ("inputs of the network", network.inputs(), inputs),
            ("outputs of the network", network.outputs(), outputs),
            ("projections of the network", network.projections().len(), 2),
        ];
        for (what, found, expected) in sizes {
            Error::unless(found == expected, what, found as f64, "take a network that this task made")?;
        }
        let u: DMatrix<f64> = network.parameters.input().into_owned();
        // Input enters as U (tau B i): the columns of U seen by the readout are those of u (tau B)^+.
        let gain = &self.system.b * self.tau;
        let encoder = match gain.clone().pseudo_inverse(1e-9) {
            Ok(inverse) => &u * inverse,
            Err(_) => u,
        };
        let readout = DMatrix::from_fn(encoder.ncols(), n, |k, j| {
            let norm = encoder.row(j).norm_squared();
            if norm > 0.0 { encoder[(j, k)] / norm } else { 0.0 }
        });
        let mut fast = -(&encoder * &readout);
        fast.fill_diagonal(0.0);
        network.parameters.weight_mut(1).copy_from(&fast);
        if !self.is_autoencoder() {
            let slow =
                &encoder * (&self.system.a * self.tau + DMatrix::identity(outputs, outputs)) * &readout;
            network.parameters.weight_mut(0).copy_from(&slow);
        }
        network.parameters.readout_mut(0).copy_from(&readout);
        Ok(())
    }

    /// The recipe: Adam at 0.015 with cosine decay, a tenth of it for tonic currents, batches of 20. For auto-encoding
    /// gradients of trials are clipped at twice their median norm, and input weights have 0.03 of the learning rate, so that
    /// they stay spread as evenly as they were; for general linear systems it is four times and a tenth.
    pub fn options(&self, iterations: usize, seed: u64) -> TrainingOptions {
        let rate = 0.015;
        let (turn, factor) = if self.is_autoencoder() { (0.03, 2.0) } else { (0.1, 4.0) };
        let mut rates = vec![
            LearningRate { group: Group::Weight(1), rate },
            LearningRate { group: Group::Readout(0), rate },
            LearningRate { group: Group::Input, rate: turn * rate },
            LearningRate { group: Group::Bias, rate: 0.1 * rate },
        ];
        if !self.is_autoencoder() {
            rates.push(LearningRate { group: Group::Weight(0), rate });
        }
        TrainingOptions {
            h: self.h,
            iterations,
            batch: 20,
            seed,
            rates,
            schedule: Schedule::Cosine { last: 0.01 },
            clip: Some(Clip { quantile: 0.5, factor }),
            unclipped: Vec::new(),
            ..TrainingOptions::default()
        }
    }

    /// A trial of `duration` ms.
    ///
    /// # Errors
    /// If the duration or one of the task's own numbers is out of its domain.
    pub fn trial_of(&self, duration: f64, rng: &mut ChaCha8Rng) -> Result<Trial<f64>, Error> {
        self.check()?;
        self.check_length(duration)?;
        let samples = (duration / self.h).round().max(1.0) as usize;
        let (outputs, inputs) = self.system.b.shape();
        let mut trial = Trial::silent(samples, self.h, inputs);
        // Two one-pole filters in a row have the variance (1 - a)^4 (1 + a^2) / (1 - a^2)^3 for white noise of one.
        let a = (-self.h / self.input_tau).exp();
        let variance = (1.0 - a).powi(4) * (1.0 + a * a) / (1.0 - a * a).powi(3);
        let scale = self.input_std / variance.sqrt();
        let (mut x, mut y) = (vec![0.0; inputs], vec![0.0; inputs]);
        let warm_up = (WARM_UP * self.input_tau / self.h) as usize;
        for n in 0..warm_up + samples {
            for k in 0..inputs {
                let noise: f64 = StandardNormal.sample(rng);
                x[k] = a * x[k] + (1.0 - a) * noise;
                y[k] = a * y[k] + (1.0 - a) * x[k];
                if n >= warm_up {
                    trial.inputs[(n - warm_up) * inputs + k] = scale * y[k];
                }
            }
        }
        let (decay, drive) = self.system.step(self.h);
        let mut o = DVector::zeros(outputs);
        trial.targets.reserve(samples * outputs);
        for input in trial.inputs.chunks_exact(inputs) {
            o = &decay * o + &drive * DVector::from_column_slice(input);
            trial.targets.extend(o.iter());
        }
        let (low, high) = self.initial_v;
        let voltages = (0..self.neurons).map(|_| low + (high - low) * rng.random::<f64>()).collect();
        trial.initial = Some(InitialState { x: voltages, s: Vec::new() });
        trial.scale = trial.duration();
        Ok(trial)
    }
}

impl Task<f64> for PredictiveCoding {
    fn check(&self) -> Result<(), Error> {
        let (low, high) = self.initial_v;
        for (option, value) in [
            ("h", self.h),
            ("tau", self.tau),
            ("tau_fast", self.tau_fast),
            ("input_tau", self.input_tau),
            ("duration.0", self.duration.0),
            ("duration.1", self.duration.1),
            ("growth", self.growth),
            ("test_duration", self.test_duration),
        ] {
            Error::unless_positive(option, value)?;
        }
        for (option, value) in [("input_std", self.input_std), ("initial_v.0", low), ("initial_v.1", high)] {
            Error::unless(value.is_finite(), option, value, "it must be finite")?;
        }
        Error::unless(self.neurons > 0, "neurons", self.neurons as f64, "give at least one")?;
        self.system.check(self.h)?;
        for duration in [self.duration.0, self.duration.1, self.test_duration] {
            self.check_length(duration)?;
        }
        Ok(())
    }

    fn trial(&self, stage: TrainingStage, rng: &mut ChaCha8Rng) -> Trial<f64> {
        let (short, long) = self.duration;
        let duration = if stage.is_held_out() {
            self.test_duration
        } else {
            short + (long - short) * (stage.progress() / self.growth).min(1.0)
        };
        // A task that was checked has its trials. Another one has an empty trial, which no scheme takes.
        self.trial_of(duration, rng).unwrap_or_else(|_| Trial::silent(0, self.h, 0))
    }

    fn loss(&self) -> &dyn Loss<f64> {
        &self.loss
    }

    /// The normalised root-mean-square error of the readout, equation (46).
    fn score(&self, trial: &Trial<f64>, recording: &Recording<f64>) -> f64 {
        nrmse(&recording.output, &trial.targets)
    }
}

/// `sqrt(sum |o - o_d|^2 / sum |o_d|^2)`, equation (46).
pub fn nrmse<T: Scalar>(output: &[T], target: &[T]) -> f64 {
    let square = |x: T| -> f64 {
        let x: f64 = x.to_subset_unchecked();
        x * x
    };
    let error: f64 = output.iter().zip(target).map(|(&o, &d)| square(o - d)).sum();
    let power: f64 = target.iter().map(|&d| square(d)).sum();
    (error / power).sqrt()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(task: &PredictiveCoding) -> String {
        let rng = &mut generator(1, Purpose::Training, 0);
        let error = task.check().expect_err("a number out of its domain").to_string();
        let again = task.network(GateShape::RaisedCosine, 0.3, 1).expect_err("no network");
        assert_eq!(again.to_string(), error);
        assert_eq!(task.trial_of(100.0, rng).expect_err("no trial").to_string(), error);
        assert_eq!(task.trial(TrainingStage::held_out(Purpose::Test, 0), rng).samples, 0);
        error
    }

    #[test]
    fn numbers_out_of_their_domain_are_refused() {
        let fine = PredictiveCoding::autoencoder(4);
        assert!(fine.check().is_ok());
        let no_step = PredictiveCoding { h: 0.0, ..fine.clone() };
        assert_eq!(refused(&no_step), "h = 0: it must be positive and finite");
        let system = LinearSystem { a: DMatrix::identity(2, 2), b: DMatrix::zeros(2, 0) };
        let no_input = PredictiveCoding { system, ..fine.clone() };
        assert_eq!(refused(&no_input), "columns of system.b = 0: give at least one input");
        let system = LinearSystem { a: DMatrix::identity(3, 2), b: DMatrix::identity(2, 2) };
        let not_square = PredictiveCoding { system, ..fine.clone() };
        assert!(refused(&not_square).starts_with("rows of system.a = 3"));
        let steep = PredictiveCoding { system: LinearSystem::autoencoder(2, 1e-9), ..fine.clone() };
        assert!(refused(&steep).starts_with("the sum of |system.a h|"));
        let endless = PredictiveCoding { test_duration: 1e12, ..fine.clone() };
        assert!(refused(&endless).starts_with("inputs and targets of a trial"));

        let mut other = PredictiveCoding::autoencoder(5).network(GateShape::Box, 0.3, 1).expect("a network");
        let error = fine.set_analytic_weights(&mut other).expect_err("five neurons").to_string();
        assert_eq!(error, "neurons of the network = 5: take a network that this task made");
    }

    /// Numbers that break formulas, beside one that is fine.
    pub(crate) fn any(fine: f64) -> impl Strategy<Value = f64> {
        let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e-300, 1e300, f64::MAX];
        prop_oneof![6 => Just(fine), 1 => proptest::sample::select(bad.to_vec())]
    }

    proptest! {
        #[test]
        fn whatever_the_numbers_there_is_a_trial_or_an_error(
            times in (any(0.5), any(10.0), any(1.0), any(20.0), any(50.0), any(80.0), any(60.0)),
            (deviation, growth, low, high) in (any(0.3), any(0.6), any(0.0), any(1.0)),
            (sizes, entry) in ((0..4_usize, 0..4_usize, 0..4_usize, 0..4_usize, 0..4_usize), any(0.1)),
            (iteration, duration) in (0..4_usize, any(30.0)),
        ) {
            let (rows, columns, outputs, inputs, neurons) = sizes;
            let task = PredictiveCoding {
                system: LinearSystem {
                    a: DMatrix::from_element(rows, columns, entry),
                    b: DMatrix::from_element(outputs, inputs, entry),
                },
                h: times.0,
                tau: times.1,
                tau_fast: times.2,
                input_tau: times.3,
                duration: (times.4, times.5),
                test_duration: times.6,
                input_std: deviation,
                growth,
                initial_v: (low, high),
                neurons,
                ..PredictiveCoding::autoencoder(1)
            };
            let rng = &mut generator(1, Purpose::Training, 0);
            let trial = task.trial(TrainingStage::training(iteration, 3, 1, 0), rng);
            prop_assert_eq!(trial.samples > 0, task.check().is_ok());
            prop_assert!(task.trial_of(duration, rng).is_ok_and(|trial| trial.samples > 0) || !(duration > 0.0 && duration < 1e6 && task.check().is_ok()));
            let _ = task.network(GateShape::Triangular, 0.3, 1);
        }
    }
}
