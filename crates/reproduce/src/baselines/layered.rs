//! Baselines on data sets with classes: one hidden layer that moves a leaky integrator for each class, as the gated network does, of
//! integrate-and-fire neurons with a surrogate gradient or of rate units.
//!
//! With `keep = exp(-h / tau_v)`, and likewise for the synapses (`a`, `b = (1 - a) / h`) and the integrators of the classes,
//!
//! ```text
//! u = keep v + (1 - keep) tau_v (U i + I_o)
//! z = 1 if u >= 1 else 0 ,  v' = u - z        neurons
//! z = h tanh(u) ,           v' = u            rate units
//! J' = a J + b O z ,   o' = keep_o o + (1 - keep_o) tau_o (J' + c)
//! ```
//!
//! and the score of a class is the mean of its `o'`. The derivative of a spike `z` by `u` is zero almost everywhere; in its place stands
//! `gamma max(0, 1 - |u - 1|)`, which makes a surrogate of the gradient. That of the rate units is exact.

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use spikegrad::adjoint::{Error as SweepError, Memory};
#[cfg(test)]
use spikegrad::integrators::EventLog;
use spikegrad::integrators::{Divergence, EventCounts, ParameterGroup, Parametric, first_non_finite};
use spikegrad::network::kernels::{axpy, dot};
use spikegrad::network::{Scalar, Trial};
use spikegrad::tasks::{DatasetTask, Purpose, Task, TrainingStage, generator};
use spikegrad::training::{Error, Program, TrialGradient};

use super::kernels::{add_outer, add_product};

/// What the hidden layer is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unit {
    /// Integrate-and-fire neurons, and the height of their surrogate derivative.
    Spiking { gamma: f64 },
    /// Rate units.
    Rate,
    /// Neurons whose spikes are graded by the integral of the surrogate derivative, which is then no surrogate.
    #[cfg(test)]
    Graded { gamma: f64 },
}

/// What does not learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LayeredConstants {
    /// What the hidden layer is made of.
    pub(crate) unit: Unit,
    /// Time constants of membranes, synapses and integrators of the classes, ms.
    pub(crate) tau: [f64; 3],
    /// The step, ms.
    pub(crate) h: f64,
    /// The share of each label that is spread over all classes.
    pub(crate) smoothing: f64,
}

/// How the network starts, as that of the gated network does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LayeredStart {
    /// The rate that a neuron fires at by its tonic current alone, Hz.
    pub(crate) rate: f64,
    /// Standard deviation of the tonic currents, as a part of them.
    pub(crate) spread: f64,
    /// The current that an input of 1 in every channel gives, as a part of the tonic one.
    pub(crate) input: f64,
    /// Standard deviation of the scores where all neurons fire at that rate.
    pub(crate) readout: f64,
}

/// The network.
#[derive(Clone, Debug)]
pub(crate) struct Layered<T> {
    units: usize,
    inputs: usize,
    classes: usize,
    constants: LayeredConstants,
    /// `U` and `O` by columns, `I_o` and `c` behind each.
    parameters: Vec<T>,
}

/// The names of the groups, in the order in which they lie.
const GROUPS: [&str; 4] = ["U", "I_o", "O", "c"];

/// What the transpose needs: of every step the distance of `u` from threshold and the spikes.
#[derive(Clone, Debug)]
pub(crate) struct LayeredTape<T> {
    distance: Vec<T>,
    z: Vec<T>,
    scores: Vec<T>,
    /// The current of a sample, which its steps share.
    current: Vec<T>,
}

impl<T: Scalar> Default for LayeredTape<T> {
    fn default() -> Self {
        Self { distance: Vec::new(), z: Vec::new(), scores: Vec::new(), current: Vec::new() }
    }
}

impl Layered<f64> {
    /// A network with random weights.
    pub(crate) fn new(
        [units, inputs, classes]: [usize; 3],
        constants: LayeredConstants,
        start: LayeredStart,
        seed: u64,
    ) -> Self {
        let mut rng = generator(seed, Purpose::Initialisation, 4);
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let [tau_v, _, tau_out] = constants.tau;
        let tonic = 1.0 / (tau_v * (1.0 - (-1e3 / (start.rate * tau_v)).exp()));
        // A rate unit is in its middle at rest, and half-way up where a neuron fires at 500 Hz.
        let (mean, rate) = if constants.unit == Unit::Rate { (0.0, 500.0) } else { (1.0, start.rate) };
        let input = start.input * tonic / (inputs as f64).sqrt();
        let readout = start.readout * 1e3 / (rate * tau_out * (units as f64).sqrt());
        let mut parameters: Vec<f64> = (0..units * inputs).map(|_| input * normal()).collect();
        parameters.extend((0..units).map(|_| tonic * (mean + start.spread * normal())));
        parameters.extend((0..units * classes).map(|_| readout * normal()));
        parameters.resize(parameters.len() + classes, 0.0);
        Self { units, inputs, classes, constants, parameters }
    }

    /// The same network in single precision, to be trained.
    pub(crate) fn to_f32(&self) -> Layered<f32> {
        Layered {
            units: self.units,
            inputs: self.inputs,
            classes: self.classes,
            constants: self.constants,
            parameters: self.parameters.iter().map(|&p| p as f32).collect(),
        }
    }
}

impl<T: Scalar> Layered<T> {
    /// The places of the groups among all parameters.
    fn ranges(&self) -> [Range<usize>; 4] {
        let u = self.units * self.inputs;
        let bias = u + self.units;
        let o = bias + self.units * self.classes;
        [0..u, u..bias, bias..o, o..o + self.classes]
    }

    /// The groups with the root mean square of each, by which learning rates are measured.
    pub(crate) fn sizes(&self) -> [(&'static str, f64); 4] {
        let size = |range: Range<usize>| {
            let values = &self.parameters[range];
            let squares = values.iter().map(|&x| -> f64 { (x * x).to_subset_unchecked() }).sum::<f64>();
            (squares / values.len() as f64).sqrt()
        };
        let ranges = self.ranges().map(size);
        [0, 1, 2, 3].map(|k| (GROUPS[k], ranges[k]))
    }

    /// How much of a spike a neuron sends at a distance of `u` from its threshold, and the derivative that stands for that of it.
    fn sent(&self, distance: T) -> (T, T) {
        let real = |x: f64| T::from_subset(&x);
        let triangle = |gamma: f64| real(gamma) * (T::one() - distance.abs()).max(T::zero());
        match self.constants.unit {
            Unit::Spiking { gamma } => {
                let z = if distance >= T::zero() { T::one() } else { T::zero() };
                (z, triangle(gamma))
            }
            Unit::Rate => {
                let r = (distance + T::one()).tanh();
                let h = real(self.constants.h);
                (h * r, h * (T::one() - r * r))
            }
            #[cfg(test)]
            Unit::Graded { gamma } => {
                let half = real(0.5);
                let x = distance.max(-T::one()).min(T::one());
                let rising = (x + T::one()) * (x + T::one()) * half;
                let falling = T::one() - (T::one() - x) * (T::one() - x) * half;
                (real(gamma) * if x < T::zero() { rising } else { falling }, triangle(gamma))
            }
        }
    }

    /// What a spike takes from the voltage; rate units keep theirs.
    fn reset(&self) -> T {
        if self.constants.unit == Unit::Rate { T::zero() } else { T::one() }
    }

    /// `keep` and `(1 - keep) tau` of a time constant.
    fn decay(&self, tau: f64) -> (T, T) {
        let keep = (-self.constants.h / tau).exp();
        (T::from_subset(&keep), T::from_subset(&((1.0 - keep) * tau)))
    }

    /// Steps of a sample.
    fn steps(&self, trial: &Trial<T>) -> usize {
        ((trial.interval / self.constants.h).round() as usize).max(1)
    }

    /// Runs a trial; the scores of its classes are on the tape.
    pub(crate) fn run(&self, trial: &Trial<T>, tape: &mut LayeredTape<T>) {
        let n = self.units;
        let [u, bias, o, c] = self.ranges();
        let p = &self.parameters;
        let ((keep, gain), (keep_o, gain_o)) =
            (self.decay(self.constants.tau[0]), self.decay(self.constants.tau[2]));
        let (a, b) = self.synapse();
        let (steps, reset) = (self.steps(trial), self.reset());
        tape.distance.clear();
        tape.z.clear();
        let (mut v, mut j, mut out) =
            (vec![T::zero(); n], vec![T::zero(); self.classes], vec![T::zero(); self.classes]);
        tape.scores.clear();
        tape.scores.resize(self.classes, T::zero());
        for input in trial.inputs.chunks_exact(self.inputs) {
            tape.current.clear();
            tape.current.extend_from_slice(&p[bias.clone()]);
            add_product(&p[u.clone()], input, &mut tape.current);
            for _ in 0..steps {
                j.iter_mut().for_each(|j| *j *= a);
                for (k, (v, &current)) in v.iter_mut().zip(&tape.current).enumerate() {
                    let u = keep * *v + gain * current;
                    let (z, _) = self.sent(u - T::one());
                    *v = u - reset * z;
                    tape.distance.push(u - T::one());
                    tape.z.push(z);
                    if z != T::zero() {
                        axpy(&mut j, b * z, &p[o.clone()][k * self.classes..(k + 1) * self.classes]);
                    }
                }
                for (((out, score), &j), &c) in
                    out.iter_mut().zip(&mut tape.scores).zip(&j).zip(&p[c.clone()])
                {
                    *out = keep_o * *out + gain_o * (j + c);
                    *score += *out;
                }
            }
        }
        let whole = T::from_subset(&((steps * trial.samples) as f64));
        tape.scores.iter_mut().for_each(|score| *score /= whole);
    }

    /// The class with the largest score, the first of equal ones.
    pub(crate) fn answer(&self, trial: &Trial<T>) -> usize {
        let mut tape = LayeredTape::default();
        self.run(trial, &mut tape);
        let z = &tape.scores;
        (0..z.len()).reduce(|best, k| if z[k] > z[best] { k } else { best }).unwrap_or(0)
    }

    /// `a` and `b` of the synapses.
    fn synapse(&self) -> (T, T) {
        let a = (-self.constants.h / self.constants.tau[1]).exp();
        (T::from_subset(&a), T::from_subset(&((1.0 - a) / self.constants.h)))
    }

    /// The cross-entropy of a trial, whose gradient is added where one is asked for.
    pub(crate) fn cost(&self, trial: &Trial<T>, tape: &mut LayeredTape<T>, gradient: Option<&mut [T]>) -> T {
        self.run(trial, tape);
        let real = |x: f64| T::from_subset(&x);
        let smoothing = real(self.constants.smoothing);
        let even = smoothing / real(self.classes as f64);
        let most = tape.scores.iter().fold(tape.scores[0], |most, &z| most.max(z));
        let sum = tape.scores.iter().fold(T::zero(), |sum, &z| sum + (z - most).exp());
        let (mut cost, mut scores_bar) = (T::zero(), Vec::with_capacity(self.classes));
        for (&z, &label) in tape.scores.iter().zip(&trial.label) {
            let wanted = (T::one() - smoothing) * label + even;
            cost -= wanted * (z - most - sum.ln());
            scores_bar.push((z - most).exp() / sum - wanted);
        }
        if let Some(gradient) = gradient {
            self.back(trial, tape, &scores_bar, gradient);
        }
        cost
    }

    /// Goes back over the steps of the tape.
    fn back(&self, trial: &Trial<T>, tape: &LayeredTape<T>, scores_bar: &[T], bar: &mut [T]) {
        let n = self.units;
        let [u, bias, o, c] = self.ranges();
        let p = &self.parameters;
        let ((keep, gain), (keep_o, gain_o)) =
            (self.decay(self.constants.tau[0]), self.decay(self.constants.tau[2]));
        let (a, b) = self.synapse();
        let (steps, reset) = (self.steps(trial), self.reset());
        let whole = T::from_subset(&((steps * trial.samples) as f64));
        let (mut v_bar, mut j_bar, mut out_bar) =
            (vec![T::zero(); n], vec![T::zero(); self.classes], vec![T::zero(); self.classes]);
        let mut current_bar = vec![T::zero(); n];
        let mut at = tape.z.len();
        for input in trial.inputs.chunks_exact(self.inputs).rev() {
            current_bar.fill(T::zero());
            for _ in 0..steps {
                at -= n;
                for (k, (out_bar, j_bar)) in out_bar.iter_mut().zip(&mut j_bar).enumerate() {
                    *out_bar += scores_bar[k] / whole;
                    *j_bar += gain_o * *out_bar;
                    bar[c.start + k] += gain_o * *out_bar;
                    *out_bar *= keep_o;
                }
                for k in 0..n {
                    let (distance, z) = (tape.distance[at + k], tape.z[at + k]);
                    let column = o.start + k * self.classes..o.start + (k + 1) * self.classes;
                    let (_, slope) = self.sent(distance);
                    let mut u_bar = v_bar[k];
                    if slope != T::zero() {
                        u_bar += slope * (b * dot(&p[column.clone()], &j_bar) - reset * v_bar[k]);
                    }
                    if z != T::zero() {
                        axpy(&mut bar[column], b * z, &j_bar);
                    }
                    current_bar[k] += gain * u_bar;
                    v_bar[k] = keep * u_bar;
                }
                j_bar.iter_mut().for_each(|j_bar| *j_bar *= a);
            }
            add_outer(&mut bar[u.clone()], &current_bar, input);
            axpy(&mut bar[bias.clone()], T::one(), &current_bar);
        }
    }

    /// Notes which smooth piece a run went through.
    #[cfg(test)]
    fn pieces(tape: &LayeredTape<T>, log: &mut EventLog) {
        for &distance in &tape.distance {
            let above = |edge: f64| u64::from(distance >= T::from_subset(&edge));
            log.piece(above(-1.0) + above(0.0) + above(1.0));
        }
    }
}

/// A network that is trained on a data set.
pub(crate) struct OnDataset<'a> {
    /// The network.
    pub(crate) model: &'a mut Layered<f32>,
    /// The data set.
    pub(crate) task: &'a DatasetTask<f32>,
}

impl Parametric<f32> for OnDataset<'_> {
    type Group = &'static str;

    fn groups(&self) -> impl Iterator<Item = ParameterGroup<'_, &'static str>> {
        GROUPS.into_iter().zip(self.model.ranges()).map(|(name, range)| ParameterGroup {
            group: name,
            name,
            range,
            is_positive: false,
            is_trainable: true,
        })
    }

    fn values(&self) -> &[f32] {
        &self.model.parameters
    }

    fn values_mut(&mut self) -> &mut [f32] {
        &mut self.model.parameters
    }
}

impl TrialGradient<f32> for OnDataset<'_> {
    type Trial = Trial<f32>;
    type Lane = LayeredTape<f32>;
    type Error = Error;

    fn lane(&self, _: Memory) -> Self::Lane {
        LayeredTape::default()
    }

    fn gradient(
        &self,
        trial: &Trial<f32>,
        lane: &mut Self::Lane,
        gradient: &mut [f32],
        _: Option<&mut EventCounts>,
    ) -> Result<Result<f32, SweepError>, Error> {
        let cost = self.model.cost(trial, lane, Some(gradient));
        let step = trial.samples * self.model.steps(trial);
        Ok(match first_non_finite(gradient) {
            _ if !cost.is_finite() => Err(Divergence::Cost { step, time: trial.duration() }.into()),
            Some(parameter) => Err(SweepError::NonFiniteGradient { parameter }),
            None => Ok(cost),
        })
    }
}

impl Program<f32> for OnDataset<'_> {
    type Trial = Trial<f32>;
    type Lane = LayeredTape<f32>;
    type Error = Error;
    type Ready<'r>
        = &'r Self
    where
        Self: 'r;

    fn ready(&self) -> Result<&Self, Error> {
        Ok(self)
    }

    fn trial(&self, stage: TrainingStage, rng: &mut ChaCha8Rng) -> Trial<f32> {
        self.task.trial(stage, rng)
    }

    fn identity(&self) -> Vec<String> {
        vec![format!("{:?}", self.model.constants)]
    }

    fn fingerprint(&self, _: &Trial<f32>) -> u32 {
        self.task.fingerprint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines::tests::{Check, random};
    use spikegrad::adjoint::{Error, GradientCheck, GradientReport};

    /// The gradient check of a network of six units on the groups named.
    fn check(unit: Unit, names: &[&str]) -> GradientReport {
        let constants = LayeredConstants { unit, tau: [20.0, 5.0, 15.0], h: 1.0, smoothing: 0.1 };
        let start = LayeredStart { rate: 80.0, spread: 0.3, input: 1.0, readout: 1.0 };
        let network = Layered::new([6, 2, 3], constants, start, 3);
        let mut trial = Trial::silent(12, 5.0, 2);
        trial.inputs = random(24, 5);
        trial.label = vec![0.0, 1.0, 0.0];
        let all = GROUPS.map(str::to_owned).into_iter().zip(network.ranges());
        let mut check = Check {
            groups: all.filter(|(name, _)| names.contains(&name.as_str())).collect(),
            parameters: network.parameters.clone(),
            run: |p: &[f64], log: &mut _, gradient: Option<&mut [f64]>| {
                let network = Layered { parameters: p.to_vec(), ..network.clone() };
                let mut tape = LayeredTape::default();
                let cost = network.cost(&trial, &mut tape, gradient);
                Layered::pieces(&tape, log);
                Ok(cost)
            },
        };
        GradientCheck::default().run(&mut check).unwrap()
    }

    #[test]
    fn surrogate_of_a_layer_is_no_gradient() {
        for group in ["U", "I_o"] {
            let report = check(Unit::Spiking { gamma: 0.5 }, &[group]);
            assert!(matches!(report.verdict(), Err(Error::GradientMismatch { .. })), "{group}\n{report}");
        }
        // Readout and offsets do not pass through a spike.
        let report = check(Unit::Spiking { gamma: 0.5 }, &["O", "c"]);
        assert!(report.passed(), "{report}");
    }

    #[test]
    fn layers_of_graded_spikes_and_of_rates_have_exact_gradients() {
        for unit in [Unit::Graded { gamma: 0.5 }, Unit::Rate] {
            let report = check(unit, &GROUPS);
            assert!(report.passed(), "{unit:?}\n{report}");
        }
    }
}
