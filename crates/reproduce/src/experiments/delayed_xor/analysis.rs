//! What a trained network does inside: its spikes in the six kinds of trials, where it keeps the pulses, how the adjoint
//! flows back, and what became of its weights.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use spikegrad::integrators::{Decay, Divergence, Step, StepVjp};
use spikegrad::models::Gate;
use spikegrad::network::{Group, Loss, Network, NoLoss, Recording, SplitStep, Trial};
use spikegrad::tasks::delayed_xor::{DelayedXor, Episode, Timing};
use spikegrad::tasks::{Purpose, generator};

use super::scoring::Gated;
use super::training::GATE;
use crate::Error;

/// The delays of trials that are looked at one by one, ms: the middle of what networks are trained on.
pub(super) const DELAY: f64 = 175.0;
/// Silence before the first pulse of such a trial, ms.
pub(super) const LEAD: f64 = 50.0;

/// The six kinds of trials: signs of the first pulse and of the second, 0 for none.
pub(super) const KINDS: [(f64, f64, &str); 6] = [
    (1.0, 1.0, "+ +"),
    (-1.0, -1.0, "\u{2212} \u{2212}"),
    (1.0, -1.0, "+ \u{2212}"),
    (-1.0, 1.0, "\u{2212} +"),
    (1.0, 0.0, "+ alone"),
    (-1.0, 0.0, "\u{2212} alone"),
];

/// An episode with the delays of [`DELAY`].
pub(super) fn episode(first: f64, second: f64, timing: Timing) -> Episode {
    Episode { lead: LEAD, first, gap: DELAY, second, delay: DELAY, timing }
}

/// The traces of a trial.
pub(super) fn record(gated: &Gated, trial: &Trial<f32>) -> Result<Recording<f32>, Error> {
    let scheme = SplitStep::new(&gated.network, gated.h).map_err(Error::experiment)?;
    scheme.run(trial, &NoLoss).and_then(|run| run.record()).map_err(Error::experiment)
}

/// The mean rate of every neuron over `trials` held-out trials, Hz.
pub(super) fn rates(
    gated: &Gated,
    task: &DelayedXor<f32>,
    trials: u64,
    seed: u64,
) -> Result<Vec<f64>, Error> {
    let n = gated.network.neurons();
    let counts = (0..trials).into_par_iter().map(|index| {
        let episodes = task.episodes(1, &mut generator(seed, Purpose::Test, index));
        let trial = task.trial_of(&episodes).map_err(Error::experiment)?;
        Ok((record(gated, &trial)?.spike_counts(), trial.duration()))
    });
    let counts: Vec<(Vec<u64>, f64)> = counts.collect::<Result<_, Error>>()?;
    let seconds = counts.iter().map(|c| c.1).sum::<f64>() * 1e-3;
    Ok((0..n).map(|i| counts.iter().map(|c| c.0[i]).sum::<u64>() as f64 / seconds).collect())
}

/// How well a linear readout tells, at each time, what the network has to keep.
pub(super) struct Decoding {
    /// Time from the first pulse, ms.
    pub(super) time: Vec<f64>,
    /// Part of held-out trials in which the sign of the first pulse, of the second and of their product is told rightly.
    pub(super) accuracy: [Vec<f64>; 3],
}

impl Decoding {
    /// The accuracies at the first decoding at `time` or after it.
    pub(super) fn at(&self, time: f64) -> [f64; 3] {
        let place = self.time.iter().position(|&t| t >= time).unwrap_or(self.time.len() - 1);
        [0, 1, 2].map(|k| self.accuracy[k][place])
    }
}

/// Trials are split in so many parts, each decoded by what the others teach.
const FOLDS: usize = 5;
/// Time between two decodings, ms.
const STRIDE: usize = 10;

/// Fits, at every tenth millisecond, a ridge regression of the signs on the slow synapses, and scores it on trials that it
/// was not fitted on. Trials have the delays of [`DELAY`]; what differs between trials of one kind is how long the silence
/// before the first pulse was, and the episode before that where the network knows streams.
pub(super) fn decoding(
    gated: &Gated,
    task: &DelayedXor<f32>,
    trials: usize,
    seed: u64,
) -> Result<Decoding, Error> {
    let (before, length) = (50, (LEAD + 2.0 * (task.pulse + DELAY) + task.latency + task.response) as usize);
    let times: Vec<usize> = (0..length).step_by(STRIDE).collect();
    let n = gated.network.neurons();
    let looks = (0..trials as u64).into_par_iter().map(|index| {
        let mut rng = generator(seed, Purpose::Test, index);
        let mut episodes = task.episodes(if task.stream.1 > 1 { 2 } else { 1 }, &mut rng);
        let at = episodes.len() - 1;
        let sign = |bit: u64| if index >> bit & 1 == 0 { 1.0 } else { -1.0 };
        let lead = episodes[at].lead;
        episodes[at] = Episode { lead, ..episode(sign(0), sign(1), Timing::Standard) };
        let trial_of = |episodes: &[Episode]| task.trial_of(episodes).map_err(Error::experiment);
        let start = if at == 0 { 0 } else { trial_of(&episodes[..at])?.samples - task.tail as usize };
        let first = start + lead as usize;
        let s = &record(gated, &trial_of(&episodes)?)?.s[0];
        // Whatever happened before the trial began was silence.
        let row = |time: usize| match (first + time).checked_sub(before + 1) {
            Some(step) => s[step * n..][..n].iter().map(|&s| f64::from(s)).collect(),
            None => vec![0.0; n],
        };
        Ok(([sign(0), sign(1), -sign(0) * sign(1)], times.iter().map(|&t| row(t)).collect::<Vec<_>>()))
    });
    let looks: Vec<([f64; 3], Vec<Vec<f64>>)> = looks.collect::<Result<_, Error>>()?;
    let labels = DMatrix::from_fn(trials, 3, |row, column| looks[row].0[column]);
    let at_times: Vec<[f64; 3]> = (0..times.len())
        .into_par_iter()
        .map(|t| {
            cross_validated(&DMatrix::from_fn(trials, n, |row, column| looks[row].1[t][column]), &labels)
        })
        .collect();
    let accuracy = [0, 1, 2].map(|k| at_times.iter().map(|a| a[k]).collect());
    Ok(Decoding { time: times.iter().map(|&t| t as f64 - before as f64).collect(), accuracy })
}

/// The part of signs in `y` (`trials x 3`) that ridge regressions on `x` (`trials x N`) tell rightly for trials left out. A
/// readout that tells neither sign is right in one half of the cases, as if it guessed.
fn cross_validated(x: &DMatrix<f64>, y: &DMatrix<f64>) -> [f64; 3] {
    let mut right = [0.0; 3];
    for fold in 0..FOLDS {
        // Kinds of trials repeat every four, so that whole groups of four are left out.
        let out = |row: &usize| row / 4 % FOLDS == fold;
        let (test, fit): (Vec<usize>, Vec<usize>) = (0..x.nrows()).partition(out);
        let (x_fit, y_fit) = (x.select_rows(&fit), y.select_rows(&fit));
        let mean = x_fit.row_mean();
        let centred = |mut x: DMatrix<f64>| {
            x.row_iter_mut().for_each(|mut row| row -= &mean);
            x
        };
        let x_fit = centred(x_fit);
        let mut square = x_fit.tr_mul(&x_fit);
        let ridge = 1e-3 * square.trace() / square.nrows() as f64 + f64::MIN_POSITIVE;
        (0..square.nrows()).for_each(|i| square[(i, i)] += ridge);
        let weights = match square.cholesky() {
            Some(cholesky) => cholesky.solve(&x_fit.tr_mul(&y_fit)),
            None => DMatrix::zeros(x.ncols(), y.ncols()),
        };
        let told = centred(x.select_rows(&test)) * weights;
        for (at, &row) in test.iter().enumerate() {
            for (k, right) in right.iter_mut().enumerate() {
                let agreement = told[(at, k)] * y[(row, k)];
                *right += if agreement > 0.0 { 1.0 } else { 0.5 * f64::from(u8::from(agreement == 0.0)) };
            }
        }
    }
    right.map(|right| right / x.nrows() as f64)
}

/// The adjoint along a trial, at the right end of every step, `steps x N` each.
pub(super) struct Adjoint {
    /// Time, ms.
    pub(super) time: Vec<f64>,
    /// Voltage.
    pub(super) v: Vec<f64>,
    /// Whether the neuron is in the active zone, at the right end of the step or at the left.
    pub(super) active: Vec<bool>,
    /// Spikes as (neuron, step).
    pub(super) spikes: Vec<(usize, usize)>,
    /// `p_v`, equation (28).
    pub(super) p_v: Vec<f64>,
    /// `p_s` of the slow and the fast synapses, equation (9).
    pub(super) p_s: [Vec<f64>; 2],
    /// The error current, `d_I f p_v`: what is summed to the gradient of weights and input, equation (8).
    pub(super) error: Vec<f64>,
    /// Number of neurons.
    pub(super) neurons: usize,
}

/// Runs the split step forwards and backwards and keeps the paper's adjoint variables of the discrete sweep.
pub(super) fn adjoint(
    network: &Network<f64>,
    h: f64,
    trial: &Trial<f64>,
    loss: &dyn Loss<f64>,
) -> Result<Adjoint, Error> {
    let scheme = SplitStep::new(network, h).map_err(Error::experiment)?;
    let run = scheme.run(trial, loss).map_err(Error::experiment)?;
    let (n, steps, parameters) = (network.neurons(), run.steps(), &network.parameters);
    let (mut x, mut tape) = (vec![0.0; run.dim()], Default::default());
    run.start(&mut x);
    run.rewind(&x, &mut tape);
    let gate = Gate { shape: GATE.0, width: parameters.group(Group::GateWidth(0))[0], threshold: 1.0 };
    let mut all = Adjoint {
        time: (1..=steps).map(|n| run.time(n)).collect(),
        v: Vec::with_capacity(steps * n),
        active: Vec::with_capacity(steps * n),
        spikes: Vec::new(),
        p_v: vec![0.0; steps * n],
        p_s: [vec![0.0; steps * n], vec![0.0; steps * n]],
        error: vec![0.0; steps * n],
        neurons: n,
    };
    // d_I f at the left end of every step, and what the cost adds to the cotangent of s at the right end.
    let (mut by_current, mut cost_bar) = (Vec::with_capacity(steps * n), Vec::with_capacity(steps));
    for step in 0..steps {
        by_current.extend(x[..n].iter().map(|v| 1.0 - (std::f64::consts::TAU * v).cos()));
        let before: Vec<bool> = x[..n].iter().map(|&v| gate.density(v) > 0.0).collect();
        let cost = run.step(step, &mut x, &mut tape);
        Divergence::check(&run, step, &x, cost).map_err(Error::experiment)?;
        all.v.extend_from_slice(&x[..n]);
        all.active.extend(x[..n].iter().zip(before).map(|(&v, before)| before || gate.density(v) > 0.0));
        run.last_spikes(&tape, |neuron, _| all.spikes.push((neuron, step)));
        let weight = trial.weights.get(step).copied().unwrap_or(1.0);
        cost_bar.push(weight * (run.last_output(&tape)[0] - trial.targets[step]) * h / trial.scale);
    }
    let (mut bar, mut gradient) = (vec![0.0; run.dim()], vec![0.0; run.n_parameters()]);
    for step in (0..steps).rev() {
        let row = step * n..(step + 1) * n;
        let mut charge_bar = vec![0.0; n];
        for class in 0..2 {
            let tau = parameters.group(Group::Tau(class))[0];
            let decay = Decay::new(tau, h);
            // s_bar' + W^T J_bar', with the cost's own derivative, equation (22)
            let j_bar = DVector::from_column_slice(&bar[run.synaptic_current(class)]);
            let mut total = parameters.weight(class).tr_mul(&j_bar);
            total += DVector::from_column_slice(&bar[run.synapses(class)]);
            if class == 0 {
                total += parameters.readout(0).row(0).transpose() * cost_bar[step];
            }
            charge_bar.iter_mut().zip(total.iter()).for_each(|(q, t)| *q += decay.b * t);
            all.p_s[class][row.clone()].iter_mut().zip(total.iter()).for_each(|(p, t)| *p = t / tau);
        }
        for (i, at) in row.enumerate() {
            all.p_v[at] = bar[i] + gate.density(all.v[at]) * charge_bar[i];
            all.error[at] = by_current[at] * all.p_v[at];
        }
        run.step_vjp(step, &mut tape, 1.0, &mut bar, &mut gradient);
    }
    Ok(all)
}

impl Adjoint {
    /// The part of time and neurons that lies in the active zone.
    pub(super) fn active_share(&self) -> f64 {
        self.active.iter().filter(|a| **a).count() as f64 / self.active.len() as f64
    }

    /// The part of the sum of `|x|` that lies in the active zone; no number if there is nothing.
    pub(super) fn share_in_zone(&self, x: &[f64]) -> f64 {
        let inside: f64 =
            x.iter().zip(&self.active).filter(|(_, active)| **active).map(|(x, _)| x.abs()).sum();
        inside / x.iter().map(|x| x.abs()).sum::<f64>()
    }

    /// Mean of `|x|` at `reach` steps before a spike to `reach` after it, relative to its mean over all neurons that spike.
    pub(super) fn around_spikes(&self, x: &[f64], reach: usize) -> Vec<f64> {
        let steps = self.time.len();
        let mut spiking = vec![false; self.neurons];
        self.spikes.iter().for_each(|&(neuron, _)| spiking[neuron] = true);
        let of_spiking =
            x.iter().enumerate().filter(|(at, _)| spiking[at % self.neurons]).map(|(_, x)| x.abs());
        let (sum, count) = of_spiking.fold((0.0, 0), |(sum, count), x| (sum + x, count + 1));
        let mean = sum / f64::from(count);
        let lag = |lag: usize| {
            let inside = self.spikes.iter().filter_map(|&(neuron, step)| {
                let at = (step + lag).checked_sub(reach).filter(|at| *at < steps)?;
                Some(x[at * self.neurons + neuron].abs())
            });
            let (sum, count) = inside.fold((0.0, 0), |(sum, count), x| (sum + x, count + 1));
            sum / f64::from(count) / mean
        };
        (0..=2 * reach).map(lag).collect()
    }
}

/// The eigenvalues of a projection's weights: real parts and imaginary parts.
pub(super) fn spectrum(network: &Network<f32>, class: usize) -> (Vec<f64>, Vec<f64>) {
    let w = network.parameters.weight(class).map(f64::from);
    w.complex_eigenvalues().iter().map(|z| (z.re, z.im)).unzip()
}

/// How many eigenvalues of a class's weights lie farther from the centre of those of `before` than any of those does.
pub(super) fn apart(before: &Network<f32>, after: &Network<f32>, class: usize) -> usize {
    let ((re, im), all) = (spectrum(before, class), spectrum(after, class));
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let centre = (mean(&re), mean(&im));
    let distances = |(re, im): (Vec<f64>, Vec<f64>)| {
        re.into_iter().zip(im).map(move |(re, im)| (re - centre.0).hypot(im - centre.1))
    };
    let farthest = distances((re, im)).fold(0.0, f64::max);
    distances(all).filter(|distance| *distance > farthest).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use spikegrad::adjoint::Sweep;
    use spikegrad::models::Theta;
    use spikegrad::network::Population;
    use spikegrad::tasks::QuadraticLoss;

    fn network() -> Network<f64> {
        let mut network = Network::builder()
            .population(Population::new("theta", Theta::default(), 8, GATE.0, GATE.1))
            .synapse("slow", 20.0)
            .synapse("fast", 5.0)
            .inputs(2)
            .outputs(1)
            .build()
            .unwrap();
        let mut rng = generator(1, Purpose::Initialisation, 0);
        use rand::RngExt as _;
        for (group, scale) in [
            (Group::Weight(0), 0.1),
            (Group::Weight(1), 0.1),
            (Group::Input, 0.03),
            (Group::Bias, 0.01),
            (Group::Readout(0), 1.0),
        ] {
            network
                .parameters
                .group_mut(group)
                .iter_mut()
                .for_each(|x| *x = scale * rng.random_range(-1.0..1.0));
        }
        network.parameters.group_mut(Group::Initial).fill(0.5);
        network
    }

    #[test]
    fn adjoint_adds_up_to_the_gradient() {
        let (network, task, loss) = (network(), DelayedXor::<f64>::default(), QuadraticLoss { lambda: 0.0 });
        let trial = task.trial_of(&[episode(1.0, -1.0, Timing::Standard)]).unwrap();
        let all = adjoint(&network, 1.0, &trial, &loss).unwrap();
        assert!(all.spikes.len() > 20 && all.active_share() > 0.02, "{} spikes", all.spikes.len());
        let scheme = SplitStep::new(&network, 1.0).unwrap();
        let mut gradient = network.parameters.zeros_like();
        Sweep::new().gradient(&scheme.run(&trial, &loss).unwrap(), gradient.values_mut()).unwrap();
        // Equation (8) for I_o, step by step: with h = 1 the integral is the sum.
        for i in 0..8 {
            let sum: f64 = all.error.iter().skip(i).step_by(8).sum();
            let exact = gradient.bias()[i];
            assert!((sum - exact).abs() <= 1e-9 * exact.abs().max(1e-3), "neuron {i}: {sum} {exact}");
        }
    }

    #[test]
    fn decoding_finds_what_is_there_and_nothing_else() {
        let sign = |row: usize, bit: usize| if row >> bit & 1 == 0 { 1.0 } else { -1.0 };
        let y =
            DMatrix::from_fn(400, 3, |row, k| [sign(row, 0), sign(row, 1), -sign(row, 0) * sign(row, 1)][k]);
        let noise = |row: usize, column: usize| ((17 * row + 31 * column) as f64).sin();
        let x =
            DMatrix::from_fn(400, 10, |row, k| 0.5 * noise(row, k) + if k == 3 { sign(row, 1) } else { 0.0 });
        let [first, second, product] = cross_validated(&x, &y);
        assert!(second > 0.98, "{second}");
        assert!((first - 0.5).abs() < 0.1 && (product - 0.5).abs() < 0.1, "{first} {product}");
        // A readout of a silent network tells nothing, and counts as a guess.
        assert_eq!(cross_validated(&DMatrix::zeros(400, 10), &y), [0.5; 3]);
    }
}
