//! A network of rate units, the usual yardstick of a recurrent task: no spikes, and a gradient by backpropagation through
//! time that is as exact as that of the spiking network.
//!
//! With `r = tanh(x)` and `kappa = h / tau`,
//!
//! ```text
//! x' = (1 - kappa) x + kappa (W r + U i + b)
//! s' = a s + (1 - a) r ,   a = exp(-h / tau_s) ,   o = O s
//! ```
//!
//! so that the output passes through the same filter as that of the spiking networks.

use std::ops::Range;

use rand_distr::{Distribution, StandardNormal};
use spikegrad::network::Scalar;
use spikegrad::network::Trial;
use spikegrad::network::kernels::{axpy, dot};
use spikegrad::tasks::{Purpose, generator};

use super::kernels::{add_outer, add_product};
use super::{Group, Model, Passes, Program, judge};

/// The network.
#[derive(Clone, Debug)]
pub(crate) struct RateNetwork<T> {
    units: usize,
    inputs: usize,
    /// Time constant of the units, ms.
    pub(crate) tau: f64,
    /// Time constant of the readout's filter, ms.
    pub(crate) tau_s: f64,
    /// `W` and `U` by columns, `b`, `O`.
    parameters: Vec<T>,
}

/// How the network starts.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct RateStart {
    /// Diagonal of `W`: at 1 a unit forgets nothing as long as it is small.
    pub(crate) identity: f64,
    /// Standard deviation of `W` times the root of the number of units.
    pub(crate) recurrent: f64,
    /// Standard deviation of `U`.
    pub(crate) input: f64,
}

impl RateNetwork<f64> {
    /// A network with random weights; `b` and `O` are zero.
    pub(crate) fn new(
        units: usize,
        inputs: usize,
        (tau, tau_s): (f64, f64),
        start: RateStart,
        seed: u64,
    ) -> Self {
        let mut rng = generator(seed, Purpose::Initialisation, 2);
        let mut normal = |scale: f64| {
            let x: f64 = StandardNormal.sample(&mut rng);
            scale * x
        };
        let spread = start.recurrent / (units as f64).sqrt();
        let mut parameters: Vec<f64> = (0..units * units).map(|_| normal(spread)).collect();
        (0..units).for_each(|i| parameters[i * (units + 1)] += start.identity);
        parameters.extend((0..units * inputs).map(|_| normal(start.input)));
        parameters.resize(parameters.len() + 2 * units, 0.0);
        Self { units, inputs, tau, tau_s, parameters }
    }

    /// The same network in single precision, to be trained.
    pub(crate) fn to_f32(&self) -> RateNetwork<f32> {
        RateNetwork {
            units: self.units,
            inputs: self.inputs,
            tau: self.tau,
            tau_s: self.tau_s,
            parameters: self.parameters.iter().map(|&p| p as f32).collect(),
        }
    }
}

impl<T: Scalar> RateNetwork<T> {
    /// Where `W`, `U`, `b` and `O` lie.
    fn ranges(&self) -> [Range<usize>; 4] {
        let (n, w) = (self.units, self.units * self.units);
        let u = w + n * self.inputs;
        [0..w, w..u, u..u + n, u + n..u + 2 * n]
    }

    /// The program of a trial, one step a sample.
    pub(crate) fn program<'a>(&'a self, trial: &'a Trial<T>) -> Program<RateRun<'a, T>> {
        let real = |x: f64| T::from_subset(&x);
        Program(RateRun {
            network: self,
            trial,
            kappa: real(trial.interval / self.tau),
            a: real((-trial.interval / self.tau_s).exp()),
        })
    }
}

/// A network on one trial. Its state is `[x | s]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateRun<'a, T> {
    network: &'a RateNetwork<T>,
    trial: &'a Trial<T>,
    kappa: T,
    a: T,
}

/// What the transpose needs of every step: `r`, `s'` and the derivative of the cost by the output.
#[derive(Clone, Debug)]
pub(crate) struct RateTape<T> {
    r: Vec<T>,
    s: Vec<T>,
    output_bar: Vec<T>,
    output: T,
    y: Vec<T>,
}

impl<T: Scalar> Default for RateTape<T> {
    fn default() -> Self {
        Self { r: Vec::new(), s: Vec::new(), output_bar: Vec::new(), output: T::zero(), y: Vec::new() }
    }
}

impl<T: Scalar> RateRun<'_, T> {
    #[inline(always)]
    fn input(&self, m: usize) -> &[T] {
        &self.trial.inputs[m * self.network.inputs..][..self.network.inputs]
    }
}

impl<T: Scalar> Passes<T> for RateRun<'_, T> {
    type Tape = RateTape<T>;

    fn trial(&self) -> &Trial<T> {
        self.trial
    }

    fn dim(&self) -> usize {
        2 * self.network.units
    }

    fn units(&self) -> usize {
        self.network.units
    }

    fn n_parameters(&self) -> usize {
        self.network.parameters.len()
    }

    fn clear(&self, tape: &mut RateTape<T>) {
        tape.r.clear();
        tape.s.clear();
        tape.output_bar.clear();
    }

    #[inline(always)]
    fn forward(&self, m: usize, state: &mut [T], tape: &mut RateTape<T>) -> T {
        let n = self.network.units;
        let [w, u, b, o] = self.network.ranges();
        let p = &self.network.parameters;
        let (x, s) = state.split_at_mut(n);
        tape.r.extend(x.iter().map(|&x| x.tanh()));
        let r = &tape.r[tape.r.len() - n..];
        tape.y.clear();
        tape.y.extend_from_slice(&p[b]);
        add_product(&p[w], r, &mut tape.y);
        add_product(&p[u], self.input(m), &mut tape.y);
        let (keep, a, gain) = (T::one() - self.kappa, self.a, T::one() - self.a);
        for ((x, s), (&y, &r)) in x.iter_mut().zip(s.iter_mut()).zip(tape.y.iter().zip(r)) {
            *x = keep * *x + self.kappa * y;
            *s = a * *s + gain * r;
        }
        tape.s.extend_from_slice(s);
        tape.output = dot(&p[o], s);
        let (cost, output_bar) = judge(self.trial, m, tape.output);
        tape.output_bar.push(output_bar);
        cost
    }

    #[inline(always)]
    fn backward(&self, m: usize, tape: &mut RateTape<T>, cost_bar: T, state_bar: &mut [T], bar: &mut [T]) {
        let n = self.network.units;
        let [w, u, b, o] = self.network.ranges();
        let p = &self.network.parameters;
        let (x_bar, s_bar) = state_bar.split_at_mut(n);
        let start = tape.r.len() - n;
        let (r, s) = (&tape.r[start..], &tape.s[start..]);
        let output_bar = cost_bar * tape.output_bar.pop().unwrap_or_else(T::zero);
        axpy(s_bar, output_bar, &p[o.clone()]);
        axpy(&mut bar[o], output_bar, s);

        let (keep, a, gain) = (T::one() - self.kappa, self.a, T::one() - self.a);
        let y_bar = &mut tape.y;
        y_bar.clear();
        y_bar.extend(x_bar.iter().map(|&x_bar| self.kappa * x_bar));
        add_outer(&mut bar[w.clone()], y_bar, r);
        add_outer(&mut bar[u], y_bar, self.input(m));
        axpy(&mut bar[b], T::one(), y_bar);
        for ((x_bar, &r), column) in x_bar.iter_mut().zip(r).zip(s_bar.iter_mut().zip(p[w].chunks_exact(n))) {
            let (s_bar, column) = column;
            let r_bar = gain * *s_bar + dot(column, y_bar);
            *x_bar = keep * *x_bar + (T::one() - r * r) * r_bar;
            *s_bar *= a;
        }
        tape.r.truncate(start);
        tape.s.truncate(start);
    }
}

impl Model for RateNetwork<f32> {
    type Tape = RateTape<f32>;
    type Run<'a> = RateRun<'a, f32>;

    fn run<'a>(&'a self, trial: &'a Trial<f32>) -> Program<RateRun<'a, f32>> {
        self.program(trial)
    }

    fn groups(&self) -> Vec<Group> {
        let names = ["W", "U", "b", "O"].into_iter();
        names.zip(self.ranges()).map(|(name, range)| Group { name, range }).collect()
    }

    fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    fn units(&self) -> usize {
        self.units
    }

    fn describe(&self) -> String {
        format!("{} units, filters of {:?} ms", self.units, (self.tau, self.tau_s))
    }

    fn last(&self, tape: &RateTape<f32>) -> (f32, usize) {
        (tape.output, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines::tests::{Check, random, random_trial};
    use spikegrad::adjoint::{Sweep, assert_gradient};

    #[test]
    fn rate_network_has_an_exact_gradient() {
        let start = RateStart { identity: 0.9, recurrent: 0.8, input: 0.5 };
        let mut network = RateNetwork::new(7, 2, (20.0, 15.0), start, 3);
        network.parameters.iter_mut().zip(random(300, 4)).for_each(|(p, x)| *p += 0.3 * x);
        let trial = random_trial(60, 5);
        let mut check = Check {
            groups: ["W", "U", "b", "O"].map(str::to_owned).into_iter().zip(network.ranges()).collect(),
            parameters: network.parameters.clone(),
            run: |p: &[f64], log: &mut _, gradient: Option<&mut [f64]>| {
                let network = RateNetwork { parameters: p.to_vec(), ..network.clone() };
                let program = network.program(&trial);
                match gradient {
                    Some(gradient) => Sweep::new().gradient(&program, gradient),
                    None => Sweep::new().events(&program, log),
                }
            },
        };
        let report = assert_gradient(&mut check).unwrap();
        assert!(report.passed(), "{report}");
    }
}
