//! What a network of integrate-and-fire neurons becomes in the limit of many small spikes, written down without a neuron: an oracle for
//! the dial of `RectifiedNif` (equation (110)) that shares no code with the network crate.
//!
//! With `I = sum_k W_k s_k + U i + b` and `a_k = exp(-h / tau_k)`,
//!
//! ```text
//! threshold-linear:  q = h max(I, 0)
//! running maximum:   V' = V + h I ,  M' = max(M, V') ,  q = M' - M ,  V = M = 0 at the start
//! both:              s_k' = a_k s_k + (1 - a_k) q / h ,  o = O s_0
//! ```
//!
//! The first is a network of threshold-linear rate units. The second is where the paper's neuron goes, which has no floor: what it has
//! lost below zero it has to win back before it fires again.

use nalgebra::{DMatrix, DVector};
use spikegrad::network::{Group, Network, Trial};

/// What takes the place of the neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A threshold-linear rate unit.
    ThresholdLinear,
    /// The running maximum of the integrated current.
    RunningMaximum,
}

/// A network of these units with the parameters of a network of one population.
#[derive(Clone, Debug)]
pub(crate) struct LimitNetwork {
    unit: Unit,
    taus: Vec<f64>,
    weights: Vec<DMatrix<f64>>,
    input: DMatrix<f64>,
    bias: DVector<f64>,
    readout: DMatrix<f64>,
}

/// A trial, run.
pub(crate) struct LimitRun {
    /// The output at every sample, `samples x outputs`.
    pub(crate) output: Vec<f64>,
    /// Squared error and price of activity, equations (6), (21).
    pub(crate) cost: f64,
    /// The largest and the least current that a unit had.
    pub(crate) currents: [f64; 2],
    steps: Vec<Step>,
}

/// What the transpose needs of a step: the currents, the traces before it and those after it.
struct Step {
    current: DVector<f64>,
    before: Vec<DVector<f64>>,
    after: DVector<f64>,
}

impl LimitRun {
    /// Whether the same units have a positive current in every step, so that no kink lies between two runs.
    pub(crate) fn is_on_the_piece_of(&self, other: &Self) -> bool {
        let is_open = |step: &Step| step.current.map(|current| current > 0.0);
        self.steps.iter().zip(&other.steps).all(|(a, b)| is_open(a) == is_open(b))
    }
}

impl LimitNetwork {
    /// The limit of a network with a step of one sample.
    pub(crate) fn of(network: &Network<f64>, unit: Unit) -> Self {
        let p = &network.parameters;
        let classes = 0..network.projections().len();
        Self {
            unit,
            taus: classes.clone().map(|k| p.group(Group::Tau(k))[0]).collect(),
            weights: classes.map(|k| p.weight(k).into_owned()).collect(),
            input: p.input().into_owned(),
            bias: DVector::from_column_slice(p.bias()),
            readout: p.readout(0).into_owned(),
        }
    }

    /// Every parameter that is trained: weights class by class, `U`, `b`, `O`.
    pub(crate) fn groups(&self) -> Vec<Group> {
        let weights = (0..self.weights.len()).map(Group::Weight);
        weights.chain([Group::Input, Group::Bias, Group::Readout(0)]).collect()
    }

    /// The values of a group.
    pub(crate) fn group_mut(&mut self, group: Group) -> &mut [f64] {
        match group {
            Group::Weight(k) => self.weights[k].as_mut_slice(),
            Group::Input => self.input.as_mut_slice(),
            Group::Bias => self.bias.as_mut_slice(),
            _ => self.readout.as_mut_slice(),
        }
    }

    fn decays(&self, h: f64) -> Vec<f64> {
        self.taus.iter().map(|tau| (-h / tau).exp()).collect()
    }

    /// Runs a trial, each sample a step, with the activity of the first class at the price `lambda`.
    pub(crate) fn run(&self, trial: &Trial<f64>, lambda: f64) -> LimitRun {
        let (h, n, inputs) = (trial.interval, self.bias.len(), self.input.ncols());
        let outputs = self.readout.nrows();
        let a = self.decays(h);
        let mut s = vec![DVector::zeros(n); self.taus.len()];
        let (mut v, mut most) = (DVector::<f64>::zeros(n), DVector::<f64>::zeros(n));
        let mut run = LimitRun {
            output: Vec::new(),
            cost: 0.0,
            currents: [f64::NEG_INFINITY, f64::INFINITY],
            steps: Vec::new(),
        };
        for m in 0..trial.samples {
            let before = s.clone();
            let mut current = self.bias.clone();
            current += &self.input * DVector::from_column_slice(&trial.inputs[m * inputs..][..inputs]);
            for (w, s) in self.weights.iter().zip(&s) {
                current += w * s;
            }
            let released = match self.unit {
                Unit::ThresholdLinear => current.map(|i| h * i.max(0.0)),
                Unit::RunningMaximum => {
                    v += h * &current;
                    let new = most.sup(&v);
                    let released = &new - &most;
                    most = new;
                    released
                }
            };
            for (s, a) in s.iter_mut().zip(&a) {
                *s = *a * &*s + (1.0 - a) / h * &released;
            }
            let output = &self.readout * &s[0];
            let target = DVector::from_column_slice(&trial.targets[m * outputs..][..outputs]);
            let price = (&output - target).norm_squared() + lambda * s[0].norm_squared();
            run.cost += 0.5 * h / trial.scale * price;
            run.output.extend(output.iter());
            run.currents = [run.currents[0].max(current.max()), run.currents[1].min(current.min())];
            run.steps.push(Step { current, before, after: s[0].clone() });
        }
        run
    }

    /// The gradient of the cost of a run of threshold-linear units by every group, in the order of [`groups`](Self::groups); `None` for
    /// running maxima.
    pub(crate) fn gradient(&self, trial: &Trial<f64>, lambda: f64) -> Option<(f64, Vec<Vec<f64>>)> {
        if self.unit != Unit::ThresholdLinear {
            return None;
        }
        let run = self.run(trial, lambda);
        let (h, inputs, outputs) = (trial.interval, self.input.ncols(), self.readout.nrows());
        let (a, n) = (self.decays(h), self.bias.len());
        let mut weights_bar: Vec<_> = self.weights.iter().map(|w| 0.0 * w).collect();
        let (mut input_bar, mut bias_bar, mut readout_bar) =
            (0.0 * &self.input, 0.0 * &self.bias, 0.0 * &self.readout);
        let mut s_bar = vec![DVector::<f64>::zeros(n); a.len()];
        for (m, step) in run.steps.iter().enumerate().rev() {
            let price = h / trial.scale;
            let output = DVector::from_column_slice(&run.output[m * outputs..][..outputs]);
            let output_bar =
                price * (output - DVector::from_column_slice(&trial.targets[m * outputs..][..outputs]));
            readout_bar += &output_bar * step.after.transpose();
            s_bar[0] += self.readout.tr_mul(&output_bar) + price * lambda * &step.after;
            let mut current_bar = DVector::zeros(n);
            for (s_bar, a) in s_bar.iter().zip(&a) {
                current_bar += (1.0 - a) * s_bar;
            }
            for (bar, &current) in current_bar.iter_mut().zip(&step.current) {
                if !(current > 0.0) {
                    *bar = 0.0;
                }
            }
            for (k, before) in step.before.iter().enumerate() {
                weights_bar[k] += &current_bar * before.transpose();
                s_bar[k] = a[k] * &s_bar[k] + self.weights[k].tr_mul(&current_bar);
            }
            let input = DVector::from_column_slice(&trial.inputs[m * inputs..][..inputs]);
            input_bar += &current_bar * input.transpose();
            bias_bar += current_bar;
        }
        let matrices = weights_bar.into_iter().map(|w| w.as_slice().to_vec());
        let rest =
            [input_bar.as_slice().to_vec(), bias_bar.as_slice().to_vec(), readout_bar.as_slice().to_vec()];
        Some((run.cost, matrices.chain(rest).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines::tests::{Check, random};
    use spikegrad::adjoint::{Sweep, assert_gradient};
    use spikegrad::models::{GateShape, RectifiedNif};
    use spikegrad::network::{InitialState, Population, Projection, SplitStep};
    use spikegrad::tasks::QuadraticLoss;

    const SIZE: usize = 5;

    /// A network at the end of the dial, and a trial with currents of both signs.
    fn problem(seed: u64) -> (Network<f64>, Trial<f64>) {
        let mut network = Network::builder()
            .population(Population::new("units", RectifiedNif, SIZE, GateShape::Box, 1.0))
            .synapse("slow", 10.0)
            .projection(Projection::new("fast", 1.0))
            .inputs(2)
            .outputs(2)
            .build()
            .unwrap();
        let groups = [Group::Weight(0), Group::Weight(1), Group::Input, Group::Bias, Group::Readout(0)];
        for (group, scale) in groups.into_iter().zip([0.3, 0.3, 0.4, 0.05, 0.7]) {
            let values = network.parameters.group_mut(group);
            let drawn = random(values.len(), seed + 10 * group_number(group));
            values.iter_mut().zip(drawn).for_each(|(value, x)| *value = scale * x);
        }
        let samples = 300;
        let mut trial = Trial::silent(samples, 0.25, 2);
        let held = random(2 * samples / 10, seed + 7);
        trial.inputs = (0..2 * samples).map(|at| held[at / 20 * 2 + at % 2]).collect();
        trial.targets = random(2 * samples, seed + 8);
        trial.scale = trial.duration();
        let voltages = random(SIZE, seed + 9).iter().map(|x| 0.49 * (x + 1.0)).collect();
        trial.initial = Some(InitialState { x: voltages, s: Vec::new() });
        (network, trial)
    }

    fn group_number(group: Group) -> u64 {
        match group {
            Group::Weight(k) => 11 + k as u64,
            Group::Input => 21,
            Group::Bias => 22,
            _ => 23,
        }
    }

    #[test]
    fn the_dial_at_one_is_the_threshold_linear_network() {
        let lambda = 0.03;
        for seed in 0..8 {
            let (network, trial) = problem(100 * seed);
            let limit = LimitNetwork::of(&network, Unit::ThresholdLinear);
            let run = limit.run(&trial, lambda);
            assert!(run.currents[0] > 0.1 && run.currents[1] < -0.1, "{:?}", run.currents);
            let loss = QuadraticLoss { lambda };
            let scheme = SplitStep::new(&network, trial.interval).unwrap();
            let of_network = scheme.run(&trial, &loss).unwrap();
            let output = of_network.record().unwrap().output;
            let mut gradient = network.parameters.zeros_like();
            let cost = Sweep::new().gradient(&of_network, gradient.values_mut()).unwrap();
            let size = run.output.iter().fold(0.0_f64, |most, o| most.max(o.abs()));
            for (a, b) in output.iter().zip(&run.output) {
                assert!((a - b).abs() < 1e-12 * size, "{a} {b}");
            }
            let (of_limit, bars) = limit.gradient(&trial, lambda).unwrap();
            assert!((cost / of_limit - 1.0).abs() < 1e-12, "{cost} {of_limit}");
            for (group, bar) in limit.groups().into_iter().zip(bars) {
                let norm = bar.iter().map(|x| x * x).sum::<f64>().sqrt();
                assert!(norm > 0.0);
                for (a, b) in gradient.group(group).iter().zip(&bar) {
                    assert!((a - b).abs() < 1e-10 * norm, "{group}: {a} {b}, norm {norm}");
                }
            }
        }
    }

    #[test]
    fn the_dial_elsewhere_and_the_paper_s_neuron_are_other_networks() {
        let (mut network, trial) = problem(3);
        let limit = LimitNetwork::of(&network, Unit::ThresholdLinear);
        let run = limit.run(&trial, 0.0);
        network.parameters.group_mut(Group::GateWidth(0))[0] = 0.5;
        let scheme = SplitStep::new(&network, trial.interval).unwrap();
        let loss = QuadraticLoss { lambda: 0.0 };
        let output = scheme.run(&trial, &loss).unwrap().record().unwrap().output;
        let difference = output.iter().zip(&run.output).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let power = run.output.iter().map(|o| o * o).sum::<f64>();
        assert!(difference > 1e-4 * power, "{difference} of {power}");
        let other = LimitNetwork { unit: Unit::RunningMaximum, ..limit }.run(&trial, 0.0).output;
        let apart = other.iter().zip(&run.output).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        assert!(apart > 1e-2 * power, "{apart} of {power}");
    }

    #[test]
    fn threshold_linear_units_have_an_exact_gradient() {
        let (network, trial) = problem(5);
        let limit = LimitNetwork::of(&network, Unit::ThresholdLinear);
        let (mut groups, mut parameters) = (Vec::new(), Vec::new());
        for group in limit.groups() {
            let start = parameters.len();
            parameters.extend_from_slice(limit.clone().group_mut(group));
            groups.push((group.to_string(), start..parameters.len()));
        }
        let mut check = Check {
            groups,
            parameters,
            run: |p: &[f64], log: &mut spikegrad::integrators::EventLog, gradient: Option<&mut [f64]>| {
                let (mut limit, mut from) = (limit.clone(), 0);
                for group in limit.groups() {
                    let values = limit.group_mut(group);
                    values.copy_from_slice(&p[from..][..values.len()]);
                    from += values.len();
                }
                let run = limit.run(&trial, 0.03);
                for step in &run.steps {
                    step.current.iter().for_each(|&current| log.piece(u64::from(current > 0.0)));
                }
                if let Some(gradient) = gradient {
                    let bars = limit.gradient(&trial, 0.03).unwrap().1.concat();
                    gradient.iter_mut().zip(bars).for_each(|(target, bar)| *target += bar);
                }
                Ok(run.cost)
            },
        };
        let report = assert_gradient(&mut check).unwrap();
        assert!(report.passed(), "{report}");
    }
}
