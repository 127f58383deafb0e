//! The exact gradient of recurrent weights, step by step, as the product of three factors, equation (8):
//!
//! ```text
//! dC/dW_ij = sum_n s_j(n) d_I f_i(n) h p_i(n)
//! ```
//!
//! presynaptic trace, postsynaptic sensitivity and error. The last two together are the derivative of the cost by a current into neuron `i` in
//! step `n`, which the engine gives for injected currents: nothing of the engine is changed to see it.

use spikegrad::adjoint::Sweep;
use spikegrad::integrators::StepVjp;
use spikegrad::network::{Group, Network, SplitStep, Trial};
use spikegrad::tasks::Task;

use crate::Error;

/// A trial with everything that the gradient of one projection's weights is made of.
pub(super) struct Factors {
    /// Number of neurons, and of steps.
    pub(super) n: usize,
    pub(super) steps: usize,
    /// The step, ms.
    pub(super) h: f64,
    /// What the trial costs.
    pub(super) cost: f64,
    /// Presynaptic traces at the start of each step, `steps x N`.
    pub(super) trace: Vec<f64>,
    /// Postsynaptic sensitivities `d_I f` at the start of each step, `steps x N`.
    pub(super) sensitivity: Vec<f64>,
    /// Derivatives of the cost by the current into each neuron in each step, `h p d_I f`, `steps x N`.
    pub(super) current_bar: Vec<f64>,
    /// Charge that each neuron released in each step, `steps x N`.
    pub(super) charge: Vec<f64>,
    /// Derivatives of the cost by charge that arrives in a step at the synapses onto each neuron: the currents that it will make times the
    /// derivatives by them, `b J_bar'`, `steps x N`.
    pub(super) arrival_bar: Vec<f64>,
    /// What one more unit of charge of each neuron in each step would add to the squared error by way of the readout alone, `steps x N`. It is the
    /// error that a neuron could be told without a way back through the network.
    pub(super) error: Vec<f64>,
    /// When each neuron fired, ms.
    pub(super) spikes: Vec<Vec<f64>>,
    /// The exact gradient by the weights, `N x N` by columns, as the engine has it.
    pub(super) gradient: Vec<f64>,
}

impl Factors {
    /// The factors of a trial for the weights of projection `k`; nothing for a trial that does not stay finite. The trial has one sample
    /// for each step, and its network one population without a reset inside the step.
    pub(super) fn of(
        network: &Network<f64>,
        task: &dyn Task<f64>,
        k: usize,
        h: f64,
        trial: &Trial<f64>,
    ) -> Result<Option<Self>, Error> {
        let scheme = SplitStep::new(network, h).map_err(Error::experiment)?;
        let run = scheme.run(trial, task.loss()).map_err(Error::experiment)?.by_inputs();
        let (n, steps, parameters) = (network.neurons(), trial.samples, &network.parameters);
        let mut all = vec![0.0; run.n_parameters()];
        let Ok(cost) = Sweep::new().gradient(&run, &mut all) else { return Ok(None) };
        let recording = run.record().map_err(Error::experiment)?;
        let mut charge = vec![0.0; steps * n];
        let watched = run.watch(|step, _, tape| {
            tape.last_charges().for_each(|(i, &q)| charge[step * n + i] = q);
        });
        watched.map_err(Error::experiment)?;
        // At the start of a step stands what the step before left.
        let earlier = |first: &[f64], later: &[f64]| -> Vec<f64> {
            first.iter().chain(&later[..(steps - 1) * n]).copied().collect()
        };
        let initial = trial.initial.as_ref();
        let v_0 = initial.map_or(parameters.group(Group::Initial), |initial| &initial.x);
        let s_0: Vec<f64> = match initial {
            Some(initial) if !initial.s.is_empty() => initial.s[k * n..][..n].to_vec(),
            _ => vec![0.0; n],
        };
        let v = earlier(&v_0[..n], &recording.v);
        let current_bar = all[run.given().currents].to_vec();
        let read = parameters.group(Group::Tau(network.read_from()))[0];
        let error = to_readout(network, trial, &recording.output, h, read);
        Ok(Some(Self {
            n,
            steps,
            h,
            cost,
            trace: earlier(&s_0, &recording.s[k]),
            sensitivity: sensitivities(network, &v),
            arrival_bar: arrivals(&current_bar, n, parameters.group(Group::Tau(k))[0], h),
            current_bar,
            charge,
            error,
            spikes: recording.spike_times(),
            gradient: all[parameters.layout().range(Group::Weight(k))].to_vec(),
        }))
    }

    /// `sum_n s_j(n) h p_i(n) d_I f_i(n)` over the steps that `keep` weighs, by neuron `i` and step, `N x N` by columns.
    pub(super) fn sum(&self, keep: impl Fn(usize, usize) -> f64) -> Vec<f64> {
        let n = self.n;
        let mut sum = vec![0.0; n * n];
        let mut kept = vec![0.0; n];
        for step in 0..self.steps {
            for (i, (kept, bar)) in kept.iter_mut().zip(&self.current_bar[step * n..]).enumerate() {
                *kept = bar * keep(i, step);
            }
            if kept.iter().all(|x| *x == 0.0) {
                continue;
            }
            for (column, s) in sum.chunks_exact_mut(n).zip(&self.trace[step * n..][..n]) {
                column.iter_mut().zip(&kept).for_each(|(sum, kept)| *sum += s * kept);
            }
        }
        sum
    }

    /// The same sum by charges: `sum_n q_j(n) b J_bar'_i(n)`.
    #[cfg(test)]
    pub(super) fn sum_by_charges(&self) -> Vec<f64> {
        let n = self.n;
        let mut sum = vec![0.0; n * n];
        for step in 0..self.steps {
            for (column, q) in sum.chunks_exact_mut(n).zip(&self.charge[step * n..][..n]) {
                let arrival_bar = &self.arrival_bar[step * n..][..n];
                column.iter_mut().zip(arrival_bar).for_each(|(sum, bar)| *sum += q * bar);
            }
        }
        sum
    }

    /// The time of the end of a step, ms.
    pub(super) fn time(&self, step: usize) -> f64 {
        (step + 1) as f64 * self.h
    }

    /// The error of neuron `i` at the step in which a time lies.
    pub(super) fn error_at(&self, i: usize, time: f64) -> f64 {
        let step = ((time / self.h) as usize).min(self.steps - 1);
        self.error[step * self.n + i]
    }
}

/// `d_I f` at the voltages of neurons of one model: one for integrators, and `1 - cos 2 pi v` for theta neurons, which have a parameter
/// where integrators have none.
fn sensitivities(network: &Network<f64>, v: &[f64]) -> Vec<f64> {
    let mut names = network.parameters.layout().names().iter();
    let is_theta = names.any(|named| named.name.ends_with(".tau_v"));
    let of = |&v: &f64| if is_theta { 1.0 - (std::f64::consts::TAU * v).cos() } else { 1.0 };
    v.iter().map(of).collect()
}

/// `b J_bar'` of each step: `J_bar = a J_bar' + I_bar` backwards.
fn arrivals(current_bar: &[f64], n: usize, tau: f64, h: f64) -> Vec<f64> {
    let a = (-h / tau).exp();
    let b = (1.0 - a) / h;
    let (mut all, mut later) = (vec![0.0; current_bar.len()], vec![0.0; n]);
    for (all, current_bar) in all.chunks_exact_mut(n).zip(current_bar.chunks_exact(n)).rev() {
        for ((all, later), current_bar) in all.iter_mut().zip(&mut later).zip(current_bar) {
            *all = b * *later;
            *later = a * *later + current_bar;
        }
    }
    all
}

/// Derivatives of the squared error by the charge of each neuron in each step by way of the readout: `b sum_m a^(m - n) O^T (o - o_d)(m)`.
fn to_readout(network: &Network<f64>, trial: &Trial<f64>, output: &[f64], h: f64, tau: f64) -> Vec<f64> {
    let (n, outputs) = (network.neurons(), network.outputs());
    let o = network.parameters.group(Group::Readout(0));
    let a = (-h / tau).exp();
    let b = (1.0 - a) / h;
    let (mut all, mut later) = (vec![0.0; trial.samples * n], vec![0.0; n]);
    for (step, all) in all.chunks_exact_mut(n).enumerate().rev() {
        let weight = trial.weights.get(step).copied().unwrap_or(1.0) * h / trial.scale;
        let error = output[step * outputs..].iter().zip(&trial.targets[step * outputs..]);
        let error: Vec<f64> = error.take(outputs).map(|(o, d)| weight * (o - d)).collect();
        for (j, (all, later)) in all.iter_mut().zip(&mut later).enumerate() {
            let told: f64 = error.iter().zip(&o[j * outputs..]).map(|(e, o)| e * o).sum();
            *later = a * *later + told;
            *all = b * *later;
        }
    }
    all
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::super::small_tasks::SmallTask;
    use super::*;
    use spikegrad::tasks::{Purpose, TrainingStage, generator};

    /// A network that is read out, on a short trial.
    pub(in super::super) fn problem(small: &SmallTask, seed: u64) -> (Network<f64>, Trial<f64>) {
        let mut network = small.network(seed).unwrap();
        network
            .parameters
            .readout_mut(0)
            .iter_mut()
            .enumerate()
            .for_each(|(i, o)| *o += 0.3 * (i as f64).sin());
        let rng = &mut generator(seed, Purpose::Test, 0);
        (network, small.task().trial(TrainingStage::training(0, 100, 4, 0), rng))
    }

    #[test]
    fn the_sum_of_the_three_factors_is_the_exact_gradient() {
        for small in [SmallTask::autoencoding(), SmallTask::xor()] {
            for seed in 1..4 {
                let (network, trial) = problem(&small, seed);
                let k = small.recurrent;
                let factors = Factors::of(&network, small.task(), k, small.h(), &trial).unwrap().unwrap();
                let mask = network.mask(Group::Weight(k));
                let largest = factors.gradient.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
                assert!(largest > 0.0 && factors.spikes.iter().any(|spikes| !spikes.is_empty()));
                for sum in [factors.sum(|_, _| 1.0), factors.sum_by_charges()] {
                    for (at, (sum, gradient)) in sum.iter().zip(&factors.gradient).enumerate() {
                        if mask.is_none_or(|mask| mask[at]) {
                            assert!(
                                (sum - gradient).abs() <= 1e-10 * largest,
                                "{} {at}: {sum} {gradient}",
                                small.name
                            );
                        }
                    }
                }
                // Parts of time are parts of the sum.
                let [early, late] = [0, 1].map(|part| factors.sum(|_, n| f64::from(u8::from(n % 2 == part))));
                let whole = factors.sum(|_, _| 1.0);
                assert!((0..whole.len()).all(|i| (early[i] + late[i] - whole[i]).abs() <= 1e-12 * largest));
            }
        }
    }

    #[test]
    fn the_error_that_a_neuron_is_told_is_the_derivative_by_its_charge() {
        // A charge more in a step, by hand: the squared error of the outputs with its trace added.
        let small = SmallTask::autoencoding();
        let (network, trial) = problem(&small, 1);
        let factors = Factors::of(&network, small.task(), 1, small.h(), &trial).unwrap().unwrap();
        let scheme = SplitStep::new(&network, small.h()).unwrap();
        let output = scheme.run(&trial, small.task().loss()).unwrap().record().unwrap().output;
        let (neuron, step, h, tau) = (4, 300, small.h(), 10.0);
        let a = (-h / tau).exp();
        let cost = |charge: f64| -> f64 {
            (0..trial.samples)
                .map(|m| {
                    let trace =
                        if m < step { 0.0 } else { charge * (1.0 - a) / h * a.powi((m - step) as i32) };
                    let o = network.parameters.readout(0).column(neuron).into_owned();
                    let error = |d: usize| output[2 * m + d] + o[d] * trace - trial.targets[2 * m + d];
                    0.5 * h / trial.scale * (error(0).powi(2) + error(1).powi(2))
                })
                .sum()
        };
        let difference = (cost(1e-4) - cost(-1e-4)) / 2e-4;
        let found = factors.error[step * factors.n + neuron];
        assert!((difference - found).abs() <= 1e-8 * found.abs(), "{difference} {found}");
    }
}
