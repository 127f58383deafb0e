//! Leaky integrate-and-fire neurons whose spikes are all or none, trained with a surrogate gradient.
//!
//! The wiring is that of the gated network: slow and fast synapses, `I = W s + W_f s_f + U i + I_o`. A neuron moves by the
//! closed form of its leak and is reset by subtraction,
//!
//! ```text
//! u = a_v v + (1 - a_v) tau_v I ,   z = 1 if u >= 1 + beta a, else 0 ,   v' = u - z
//! a' = a_a a + z ,   s_k' = a_k s_k + b_k z
//! ```
//!
//! with a threshold that adapts where `beta > 0` (Bellec et al. 2018). The derivative of `z` by `u` is zero almost
//! everywhere. In its place the transpose has the triangle
//!
//! ```text
//! psi = gamma max(0, 1 - |u - 1 - beta a|)
//! ```
//!
//! so that what it computes is no gradient of this network, and the gradient assertion fails on it, as a test shows. It is
//! the gradient of another one, whose spikes are graded by the integral of `psi`; on that one the assertion passes.

use std::ops::Range;

use rand_distr::{Distribution, StandardNormal};
use spikegrad::integrators::{Decay, EventLog};
use spikegrad::network::Scalar;
use spikegrad::network::Trial;
use spikegrad::network::kernels::{axpy, dot};
use spikegrad::tasks::{Purpose, generator};

use super::kernels::{add_outer, add_product};
use super::{Group, Model, Passes, Program, judge};

/// Projections: slow, which is read out, and fast.
const CLASSES: usize = 2;

/// What does not learn.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct LifConstants {
    /// Membrane time constant, ms.
    pub(crate) tau_v: f64,
    /// Time constants of slow and fast synapses, ms.
    pub(crate) tau: [f64; CLASSES],
    /// Time constant of the threshold's adaptation, ms.
    pub(crate) tau_a: f64,
    /// What a spike adds to the threshold.
    pub(crate) beta: f64,
    /// Part of the neurons that adapt.
    pub(crate) adaptive: f64,
    /// Height of the surrogate derivative.
    pub(crate) gamma: f64,
}

/// How the network starts.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct LifStart {
    /// Diagonal of `W`.
    pub(crate) autapse: f64,
    /// Standard deviation of `W` and of `W_f` times the root of the number of neurons.
    pub(crate) recurrent: [f64; CLASSES],
    /// Standard deviation of `U`, 1/ms.
    pub(crate) input: f64,
    /// Mean and standard deviation of `I_o`, 1/ms.
    pub(crate) bias: (f64, f64),
}

/// Whether a neuron near its threshold spikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spike {
    /// All or none.
    Hard,
    /// By the integral of the surrogate derivative, which is then no surrogate.
    #[cfg(test)]
    Graded,
}

/// The network.
#[derive(Clone, Debug)]
pub(crate) struct Lif<T> {
    neurons: usize,
    inputs: usize,
    constants: LifConstants,
    spike: Spike,
    /// `W`, `W_f` and `U` by columns, `I_o`, `O`.
    parameters: Vec<T>,
}

impl Lif<f64> {
    /// A network with random weights; `O` is zero.
    pub(crate) fn new(
        neurons: usize,
        inputs: usize,
        constants: LifConstants,
        start: LifStart,
        seed: u64,
    ) -> Self {
        let mut rng = generator(seed, Purpose::Initialisation, 3);
        let mut normal = |mean: f64, scale: f64| {
            let x: f64 = StandardNormal.sample(&mut rng);
            mean + scale * x
        };
        let root = (neurons as f64).sqrt();
        let mut parameters = Vec::new();
        for spread in start.recurrent {
            parameters.extend((0..neurons * neurons).map(|_| normal(0.0, spread / root)));
        }
        (0..neurons).for_each(|i| parameters[i * (neurons + 1)] += start.autapse);
        parameters.extend((0..neurons * inputs).map(|_| normal(0.0, start.input)));
        parameters.extend((0..neurons).map(|_| normal(start.bias.0, start.bias.1)));
        parameters.resize(parameters.len() + neurons, 0.0);
        Self { neurons, inputs, constants, spike: Spike::Hard, parameters }
    }

    /// The same network in single precision, to be trained.
    pub(crate) fn to_f32(&self) -> Lif<f32> {
        Lif {
            neurons: self.neurons,
            inputs: self.inputs,
            constants: self.constants,
            spike: self.spike,
            parameters: self.parameters.iter().map(|&p| p as f32).collect(),
        }
    }
}

impl<T: Scalar> Lif<T> {
    /// Where `W`, `W_f`, `U`, `I_o` and `O` lie.
    fn ranges(&self) -> [Range<usize>; 5] {
        let (n, w) = (self.neurons, self.neurons * self.neurons);
        let u = 2 * w + n * self.inputs;
        [0..w, w..2 * w, 2 * w..u, u..u + n, u + n..u + 2 * n]
    }

    /// The program of a trial, one step a sample.
    pub(crate) fn program<'a>(&'a self, trial: &'a Trial<T>) -> Program<LifRun<'a, T>> {
        let real = |x: f64| T::from_subset(&x);
        let (h, c) = (trial.interval, &self.constants);
        let keep = (-h / c.tau_v).exp();
        let adaptive = (c.adaptive * self.neurons as f64).round() as usize;
        Program(LifRun {
            network: self,
            trial,
            keep: real(keep),
            gain: real((1.0 - keep) * c.tau_v),
            keep_a: real((-h / c.tau_a).exp()),
            beta: (0..self.neurons).map(|i| real(if i < adaptive { c.beta } else { 0.0 })).collect(),
            gamma: real(c.gamma),
            decays: c.tau.map(|tau| Decay::new(real(tau), real(h))),
        })
    }
}

/// A network on one trial. Its state is `[v | a | s | s_f | J | J_f]` with `J_k = W_k s_k`.
#[derive(Clone, Debug)]
pub(crate) struct LifRun<'a, T> {
    network: &'a Lif<T>,
    trial: &'a Trial<T>,
    keep: T,
    gain: T,
    keep_a: T,
    beta: Vec<T>,
    gamma: T,
    decays: [Decay<T>; CLASSES],
}

/// What the transpose needs of every step: distance from threshold, spikes, `s'` and the derivative of the cost by the
/// output.
#[derive(Clone, Debug)]
pub(crate) struct LifTape<T> {
    distance: Vec<T>,
    z: Vec<T>,
    s: Vec<T>,
    output_bar: Vec<T>,
    output: T,
    current: Vec<T>,
    z_bar: Vec<T>,
}

impl<T: Scalar> Default for LifTape<T> {
    fn default() -> Self {
        Self {
            distance: Vec::new(),
            z: Vec::new(),
            s: Vec::new(),
            output_bar: Vec::new(),
            output: T::zero(),
            current: Vec::new(),
            z_bar: Vec::new(),
        }
    }
}

impl<T: Scalar> LifRun<'_, T> {
    #[inline(always)]
    fn spike(&self, distance: T) -> T {
        match self.network.spike {
            Spike::Hard => {
                if distance >= T::zero() {
                    T::one()
                } else {
                    T::zero()
                }
            }
            #[cfg(test)]
            Spike::Graded => {
                let half = T::from_subset(&0.5);
                let x = distance.max(-T::one()).min(T::one());
                let rising = (x + T::one()) * (x + T::one()) * half;
                let falling = T::one() - (T::one() - x) * (T::one() - x) * half;
                self.gamma * if x < T::zero() { rising } else { falling }
            }
        }
    }

    #[inline(always)]
    fn input(&self, m: usize) -> &[T] {
        &self.trial.inputs[m * self.network.inputs..][..self.network.inputs]
    }
}

impl<T: Scalar> Passes<T> for LifRun<'_, T> {
    type Tape = LifTape<T>;

    fn trial(&self) -> &Trial<T> {
        self.trial
    }

    fn dim(&self) -> usize {
        (2 + 2 * CLASSES) * self.network.neurons
    }

    fn units(&self) -> usize {
        self.network.neurons
    }

    fn n_parameters(&self) -> usize {
        self.network.parameters.len()
    }

    fn clear(&self, tape: &mut LifTape<T>) {
        tape.distance.clear();
        tape.z.clear();
        tape.s.clear();
        tape.output_bar.clear();
    }

    #[inline(always)]
    fn forward(&self, m: usize, state: &mut [T], tape: &mut LifTape<T>) -> T {
        let n = self.network.neurons;
        let [w, w_f, u, bias, o] = self.network.ranges();
        let p = &self.network.parameters;
        let (membrane, synapses) = state.split_at_mut(2 * n);
        let (v, a) = membrane.split_at_mut(n);
        let (s, j) = synapses.split_at_mut(CLASSES * n);
        let current = &mut tape.current;
        current.clear();
        current.extend_from_slice(&p[bias]);
        add_product(&p[u], self.input(m), current);
        for j in j.chunks_exact(n) {
            axpy(current, T::one(), j);
        }
        for ((v, a), (&i, &beta)) in v.iter_mut().zip(a).zip(current.iter().zip(&self.beta)) {
            let u = self.keep * *v + self.gain * i;
            let distance = u - T::one() - beta * *a;
            let z = self.spike(distance);
            *v = u - z;
            *a = self.keep_a * *a + z;
            tape.distance.push(distance);
            tape.z.push(z);
        }
        let z = &tape.z[tape.z.len() - n..];
        for ((decay, w), (s, j)) in
            self.decays.iter().zip([w, w_f]).zip(s.chunks_exact_mut(n).zip(j.chunks_exact_mut(n)))
        {
            for (s, j) in s.iter_mut().zip(j.iter_mut()) {
                *s *= decay.a;
                *j *= decay.a;
            }
            axpy(s, decay.b, z);
            for (&z, column) in z.iter().zip(p[w].chunks_exact(n)) {
                if z != T::zero() {
                    axpy(j, decay.b * z, column);
                }
            }
        }
        tape.s.extend_from_slice(&s[..n]);
        tape.output = dot(&p[o], &s[..n]);
        let (cost, output_bar) = judge(self.trial, m, tape.output);
        tape.output_bar.push(output_bar);
        cost
    }

    #[inline(always)]
    fn backward(&self, m: usize, tape: &mut LifTape<T>, cost_bar: T, state_bar: &mut [T], bar: &mut [T]) {
        let n = self.network.neurons;
        let [w, w_f, u, bias, o] = self.network.ranges();
        let p = &self.network.parameters;
        let (membrane, synapses) = state_bar.split_at_mut(2 * n);
        let (v_bar, a_bar) = membrane.split_at_mut(n);
        let (s_bar, j_bar) = synapses.split_at_mut(CLASSES * n);
        let start = tape.z.len() - n;
        let (distance, z, s) = (&tape.distance[start..], &tape.z[start..], &tape.s[start..]);
        let output_bar = cost_bar * tape.output_bar.pop().unwrap_or_else(T::zero);
        axpy(&mut s_bar[..n], output_bar, &p[o.clone()]);
        axpy(&mut bar[o], output_bar, s);

        // What a spike is worth: its charge, the reset that it causes, the threshold that it raises.
        let z_bar = &mut tape.z_bar;
        z_bar.clear();
        z_bar.extend(v_bar.iter().zip(a_bar.iter()).map(|(&v_bar, &a_bar)| a_bar - v_bar));
        for ((decay, w), (s_bar, j_bar)) in
            self.decays.iter().zip([w, w_f]).zip(s_bar.chunks_exact_mut(n).zip(j_bar.chunks_exact(n)))
        {
            let columns = p[w.clone()].chunks_exact(n);
            for ((z_bar, column), s_bar) in z_bar.iter_mut().zip(columns).zip(s_bar) {
                *z_bar += decay.b * (*s_bar + dot(column, j_bar));
                *s_bar *= decay.a;
            }
            for (&z, column) in z.iter().zip(bar[w].chunks_exact_mut(n)) {
                if z != T::zero() {
                    axpy(column, decay.b * z, j_bar);
                }
            }
        }
        let current_bar = &mut tape.current;
        current_bar.clear();
        for (i, (&distance, &z_bar)) in distance.iter().zip(z_bar.iter()).enumerate() {
            // The surrogate, in place of the derivative.
            let slope = self.gamma * (T::one() - distance.abs()).max(T::zero());
            let u_bar = v_bar[i] + slope * z_bar;
            current_bar.push(self.gain * u_bar);
            v_bar[i] = self.keep * u_bar;
            a_bar[i] = self.keep_a * a_bar[i] - self.beta[i] * slope * z_bar;
        }
        for (decay, j_bar) in self.decays.iter().zip(j_bar.chunks_exact_mut(n)) {
            for (j_bar, &current_bar) in j_bar.iter_mut().zip(current_bar.iter()) {
                *j_bar = decay.a * *j_bar + current_bar;
            }
        }
        add_outer(&mut bar[u], current_bar, self.input(m));
        axpy(&mut bar[bias], T::one(), current_bar);
        tape.distance.truncate(start);
        tape.z.truncate(start);
        tape.s.truncate(start);
    }

    fn events(&self, tape: &LifTape<T>, log: &mut EventLog) {
        for &distance in &tape.distance[tape.distance.len() - self.network.neurons..] {
            let above = |edge: f64| u64::from(distance >= T::from_subset(&edge));
            log.piece(above(-1.0) + above(0.0) + above(1.0));
        }
    }
}

impl Model for Lif<f32> {
    type Tape = LifTape<f32>;
    type Run<'a> = LifRun<'a, f32>;

    fn run<'a>(&'a self, trial: &'a Trial<f32>) -> Program<LifRun<'a, f32>> {
        self.program(trial)
    }

    fn groups(&self) -> Vec<Group> {
        let names = ["W", "W_f", "U", "I_o", "O"].into_iter();
        names.zip(self.ranges()).map(|(name, range)| Group { name, range }).collect()
    }

    fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    fn units(&self) -> usize {
        self.neurons
    }

    fn describe(&self) -> String {
        format!("{} neurons, {:?}", self.neurons, self.constants)
    }

    fn last(&self, tape: &LifTape<f32>) -> (f32, usize) {
        let z = &tape.z[tape.z.len() - self.neurons..];
        (tape.output, z.iter().filter(|&&z| z > 0.0).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines::tests::{Check, random, random_trial};
    use spikegrad::adjoint::{Error, GradientCheck, GradientReport, Sweep};

    /// The gradient check of a network of six neurons on the groups named.
    fn check(spike: Spike, names: &[&str]) -> GradientReport {
        let constants =
            LifConstants { tau_v: 20.0, tau: [20.0, 5.0], tau_a: 40.0, beta: 0.3, adaptive: 0.5, gamma: 0.5 };
        let start = LifStart { autapse: 0.2, recurrent: [0.6, 0.6], input: 0.05, bias: (0.06, 0.02) };
        let mut network = Lif { spike, ..Lif::new(6, 2, constants, start, 3) };
        let [.., o] = network.ranges();
        network.parameters[o].copy_from_slice(&random(6, 4));
        let trial = random_trial(60, 5);
        let all = ["W", "W_f", "U", "I_o", "O"].map(str::to_owned).into_iter().zip(network.ranges());
        let mut check = Check {
            groups: all.filter(|(name, _)| names.contains(&name.as_str())).collect(),
            parameters: network.parameters.clone(),
            run: |p: &[f64], log: &mut _, gradient: Option<&mut [f64]>| {
                let network = Lif { parameters: p.to_vec(), ..network.clone() };
                let program = network.program(&trial);
                match gradient {
                    Some(gradient) => Sweep::new().gradient(&program, gradient),
                    None => Sweep::new().events(&program, log),
                }
            },
        };
        GradientCheck::default().run(&mut check).unwrap()
    }

    #[test]
    fn surrogate_is_no_gradient_of_the_network_that_spikes() {
        for group in ["W", "W_f", "U", "I_o"] {
            let report = check(Spike::Hard, &[group]);
            assert!(matches!(report.verdict(), Err(Error::GradientMismatch { .. })), "{group}\n{report}");
        }
        // The readout does not pass through a spike.
        let report = check(Spike::Hard, &["O"]);
        assert!(report.passed(), "{report}");
    }

    #[test]
    fn surrogate_is_the_gradient_of_the_network_with_graded_spikes() {
        let report = check(Spike::Graded, &["W", "W_f", "U", "I_o", "O"]);
        assert!(report.passed(), "{report}");
    }
}
