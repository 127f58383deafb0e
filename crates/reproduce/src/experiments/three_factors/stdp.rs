//! What rules of spike-timing-dependent plasticity with a third factor catch of the exact gradient.
//!
//! Every rule is a sum over pairs of spikes of a window of the time from the presynaptic to the postsynaptic one, times a third factor: the
//! reward of the trial, which is the same for all synapses, or the error of the postsynaptic neuron at its spike. The window is the
//! classical one, or the one that fits the gradient of half of the trials best; rules are judged on the other half.

use nalgebra::{DMatrix, DVector};
use rand::seq::SliceRandom;
use spikegrad::tasks::{Purpose, generator};

use super::super::statistics::cosine;
use super::factors::Factors;

/// The classical window: its time constant in ms, and depression over potentiation (Song, Miller and Abbott 2000).
const CLASSICAL: (f64, f64) = (20.0, 1.05);
/// The edges of the bins of a window that is fitted, ms.
pub(super) const EDGES: [f64; 13] =
    [-50.0, -30.0, -20.0, -10.0, -5.0, -2.0, 0.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0];
const BINS: usize = EDGES.len() - 1;
/// How often third factors are shuffled.
const SHUFFLES: usize = 10;

/// The rules.
pub(super) const RULES: [&str; 5] = [
    "classical window, reward",
    "classical window, error of the neuron",
    "fitted window, reward",
    "fitted window, error of the neuron",
    "no spikes: trace, sensitivity, error of the neuron",
];

/// What rules are made of, of one trial; matrices are `N x N` by columns, as the weights are.
struct Features {
    reward: f64,
    /// Pairs by the classical window, and by bin.
    classical: Vec<f64>,
    binned: Vec<Vec<f64>>,
    /// Pairs by the classical window, and by bin, times minus the error of the postsynaptic neuron.
    classical_error: Vec<f64>,
    binned_error: Vec<Vec<f64>>,
    /// Trace times sensitivity times minus the error.
    continuous: Vec<f64>,
}

/// The classical window at a time from pre- to postsynaptic spike.
fn classical(from: f64) -> f64 {
    let (tau, depression) = CLASSICAL;
    if from > 0.0 { (-from / tau).exp() } else { -depression * (from / tau).exp() }
}

/// The bin of a time; spikes at the same time are in none, as in the classical rule.
fn bin(from: f64) -> Option<usize> {
    let at = EDGES.partition_point(|&edge| edge <= from);
    (at > 0 && at < EDGES.len() && from != 0.0).then(|| at - 1)
}

impl Features {
    /// `of` says whose error each neuron is told: its own, or that of another one.
    fn new(factors: &Factors, of: &[usize]) -> Self {
        let n = factors.n;
        let zeros = vec![0.0; n * n];
        let mut all = Self {
            reward: -factors.cost,
            classical: zeros.clone(),
            binned: vec![zeros.clone(); BINS],
            classical_error: zeros.clone(),
            binned_error: vec![zeros.clone(); BINS],
            continuous: zeros,
        };
        for i in 0..n {
            for &post in &factors.spikes[i] {
                let told = -factors.error_at(of[i], post);
                for j in 0..n {
                    let at = j * n + i;
                    for &pre in &factors.spikes[j] {
                        let from = post - pre;
                        let Some(bin) = bin(from) else { continue };
                        let window = classical(from);
                        all.classical[at] += window;
                        all.classical_error[at] += told * window;
                        all.binned[bin][at] += 1.0;
                        all.binned_error[bin][at] += told;
                    }
                }
            }
        }
        let mut told = vec![0.0; n];
        for step in 0..factors.steps {
            let at = step * n;
            for (i, told) in told.iter_mut().enumerate() {
                *told = -factors.error[at + of[i]] * factors.sensitivity[at + i];
            }
            for (column, s) in all.continuous.chunks_exact_mut(n).zip(&factors.trace[at..][..n]) {
                column.iter_mut().zip(&told).for_each(|(sum, told)| *sum += s * told);
            }
        }
        all
    }
}

/// Sums of the features of half of the trials, as the directions that rules take.
struct Half {
    /// Against the gradient, of the weights that exist.
    target: Vec<f64>,
    classical: Vec<f64>,
    binned: Vec<Vec<f64>>,
    classical_error: Vec<f64>,
    binned_error: Vec<Vec<f64>>,
    continuous: Vec<f64>,
}

impl Half {
    /// The half that consists of some trials with their rewards.
    fn new(features: &[&Features], rewards: &[f64], target: Vec<f64>, exists: &[bool]) -> Self {
        let mean = rewards.iter().sum::<f64>() / rewards.len() as f64;
        // Over the trials, each times a factor of its own; entries that exist.
        let sum = |factor: &dyn Fn(usize) -> f64, of: &dyn Fn(&Features) -> &[f64]| -> Vec<f64> {
            let mut sum = vec![0.0; exists.len()];
            for (k, features) in features.iter().enumerate() {
                let factor = factor(k);
                sum.iter_mut().zip(of(features)).for_each(|(sum, x)| *sum += factor * x);
            }
            kept(&sum, exists)
        };
        let (reward, one) = (|k: usize| rewards[k] - mean, |_: usize| 1.0);
        Self {
            target,
            classical: sum(&reward, &|f| &f.classical),
            binned: (0..BINS).map(|bin| sum(&reward, &|f| &f.binned[bin])).collect(),
            classical_error: sum(&one, &|f| &f.classical_error),
            binned_error: (0..BINS).map(|bin| sum(&one, &|f| &f.binned_error[bin])).collect(),
            continuous: sum(&one, &|f| &f.continuous),
        }
    }
}

/// The entries that exist.
pub(super) fn kept(matrix: &[f64], exists: &[bool]) -> Vec<f64> {
    matrix.iter().zip(exists).filter(|(_, exists)| **exists).map(|(x, _)| *x).collect()
}

/// The window that is nearest to the target: a weight for each bin, by least squares.
fn fit(target: &[f64], binned: &[Vec<f64>]) -> Option<Vec<f64>> {
    // Bins in units of their own size; what no pair falls into gets no weight.
    let size: Vec<f64> = binned.iter().map(|x| x.iter().map(|x| x * x).sum::<f64>().sqrt()).collect();
    let used: Vec<usize> = (0..binned.len()).filter(|&bin| size[bin] > 0.0).collect();
    if used.is_empty() {
        return None;
    }
    let matrix = DMatrix::from_fn(target.len(), used.len(), |row, k| binned[used[k]][row] / size[used[k]]);
    let fitted = matrix.svd(true, true).solve(&DVector::from_column_slice(target), 1e-10).ok()?;
    let mut window = vec![0.0; binned.len()];
    used.iter().zip(fitted.iter()).for_each(|(&bin, x)| window[bin] = x / size[bin]);
    Some(window)
}

/// The direction of a window.
fn direction(window: &[f64], binned: &[Vec<f64>]) -> Vec<f64> {
    let mut sum = vec![0.0; binned.first().map_or(0, Vec::len)];
    for (weight, binned) in window.iter().zip(binned) {
        sum.iter_mut().zip(binned).for_each(|(sum, x)| *sum += weight * x);
    }
    sum
}

/// The cosines of all rules with the gradient of the half that judges, the windows being fitted on the other, and the fitted windows.
fn judge(fits: &Half, judges: &Half) -> ([f64; RULES.len()], [Vec<f64>; 2]) {
    let fitted = |of: fn(&Half) -> &Vec<Vec<f64>>| match fit(&fits.target, of(fits)) {
        Some(window) => (cosine(&judges.target, &direction(&window, of(judges))), window),
        None => (f64::NAN, Vec::new()),
    };
    let ((reward, by_reward), (error, by_error)) =
        (fitted(|half| &half.binned), fitted(|half| &half.binned_error));
    let plain = |of: &[f64]| cosine(&judges.target, of);
    (
        [plain(&judges.classical), plain(&judges.classical_error), reward, error, plain(&judges.continuous)],
        [by_reward, by_error],
    )
}

/// What rules catch of a network's gradient.
#[derive(Clone, Debug)]
pub(super) struct Caught {
    /// Cosines of all rules with the step against the gradient.
    pub(super) cosines: [f64; RULES.len()],
    /// The mean of the cosines with third factors shuffled, and the largest of their sizes.
    pub(super) shuffled: [[f64; 2]; RULES.len()],
    /// The cosine of the gradients of both halves.
    pub(super) halves: f64,
    /// The fitted windows, by reward and by error.
    pub(super) windows: [Vec<f64>; 2],
}

/// Compares all rules with the gradients of trials, each of which counts `weights` times; every other trial judges. `exists` says which
/// weights there are.
pub(super) fn caught(trials: &[Factors], weights: &[f64], exists: &[bool], seed: u64) -> Caught {
    let n = trials.first().map_or(0, |trial| trial.n);
    let own: Vec<usize> = (0..n).collect();
    let features = |of: &[usize]| -> Vec<Features> {
        use rayon::prelude::*;
        trials.par_iter().map(|trial| Features::new(trial, of)).collect()
    };
    let target = |half: usize| {
        let mut sum = vec![0.0; n * n];
        for (trial, weight) in trials.iter().zip(weights).skip(half).step_by(2) {
            sum.iter_mut().zip(&trial.gradient).for_each(|(sum, x)| *sum -= weight * x);
        }
        kept(&sum, exists)
    };
    let halves = |features: &[Features], rewards: &[f64]| {
        [0, 1].map(|half| {
            let these: Vec<&Features> = features.iter().skip(half).step_by(2).collect();
            let rewards: Vec<f64> = rewards.iter().copied().skip(half).step_by(2).collect();
            Half::new(&these, &rewards, target(half), exists)
        })
    };
    let plain = features(&own);
    let rewards: Vec<f64> = plain.iter().map(|features| features.reward).collect();
    let [fits, judges] = halves(&plain, &rewards);
    let (cosines, windows) = judge(&fits, &judges);
    let mut rng = generator(seed, Purpose::Test, u64::from(u32::MAX));
    let mut shuffled = [[0.0; 2]; RULES.len()];
    for _ in 0..SHUFFLES {
        let (mut of, mut rewards) = (own.clone(), rewards.clone());
        of.shuffle(&mut rng);
        rewards.shuffle(&mut rng);
        let [fits, judges] = halves(&features(&of), &rewards);
        for ([mean, most], cosine) in shuffled.iter_mut().zip(judge(&fits, &judges).0) {
            *mean += cosine / SHUFFLES as f64;
            *most = most.max(cosine.abs());
        }
    }
    Caught { cosines, shuffled, halves: cosine(&fits.target, &judges.target), windows }
}

#[cfg(test)]
mod tests {
    use super::super::super::small_tasks::SmallTask;
    use super::super::factors::tests::problem;
    use super::*;

    #[test]
    fn windows_have_their_signs_and_bins_their_edges() {
        assert!(classical(10.0) > 0.0 && classical(-10.0) < -classical(10.0));
        assert_eq!((bin(-50.0), bin(-0.1), bin(0.1), bin(49.9)), (Some(0), Some(5), Some(6), Some(11)));
        assert_eq!((bin(0.0), bin(50.0), bin(-51.0)), (None, None, None));
    }

    #[test]
    fn a_window_that_made_the_target_is_found() {
        let small = SmallTask::autoencoding();
        let trials: Vec<Factors> = (1..9)
            .map(|seed| {
                let (network, trial) = problem(&small, seed);
                Factors::of(&network, small.task(), 1, small.h(), &trial).unwrap().unwrap()
            })
            .collect();
        let n = trials[0].n;
        let (own, exists) = ((0..n).collect::<Vec<_>>(), vec![true; n * n]);
        // A gradient that is the rule with a window, the error being the third factor.
        let planted: Vec<f64> = (0..BINS).map(|bin| (bin as f64).cos()).collect();
        let made: Vec<Factors> = trials
            .into_iter()
            .map(|trial| {
                let features = Features::new(&trial, &own);
                let gradient = direction(&planted, &features.binned_error).iter().map(|x| -x).collect();
                Factors { gradient, ..trial }
            })
            .collect();
        let found = caught(&made, &vec![1.0; made.len()], &exists, 1);
        assert!((found.cosines[3] - 1.0).abs() < 1e-9, "{found:?}");
        for (found, planted) in found.windows[1].iter().zip(&planted) {
            assert!((found - planted).abs() < 1e-6, "{found} {planted}");
        }
        // Told another neuron's error, the rule does not find it.
        assert!(found.shuffled[3][1] < 0.9, "{:?}", found.shuffled[3]);
    }
}
