//! Signal and noise by another way, which the estimates are held against: products of the means of independent halves of the trials, and
//! squared differences of pairs. No line of it is shared with the estimates of `statistics.rs`, and nothing has to be corrected: two halves
//! have no noise in common.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::experiments::statistics::Sample;

/// Trials of a set in which the correction for bias is looked at: so few that the bias is large.
pub(super) const SET: usize = 20;
/// The part of bootstraps that lies below a 95 % interval, and above it.
const TAIL: f64 = 0.025;

/// An estimate of the squared mean of vectors.
pub(super) type Estimate<'a> = &'a dyn Fn(&Sample) -> f64;

/// What the halves say. Intervals are 95 % intervals of bootstraps: over sets of trials for differences, over pairs of trials for the rest.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Halves {
    /// The estimated signal of a set of [`SET`] trials less the product of the means of its halves, in the mean over the sets. Where the
    /// estimate has no bias the interval contains zero.
    pub(super) excess: [f64; 2],
    /// The same for the square of the mean, from which nothing is taken off.
    pub(super) uncorrected: [f64; 2],
    /// The signal over the noise of one trial, by all trials, and its interval.
    pub(super) ratio: f64,
    pub(super) interval: [f64; 2],
}

impl Halves {
    /// Of vectors, the first half of each set or pair against the second one. `signal` is the estimate on trial.
    pub(super) fn of(sample: &Sample, signal: Estimate<'_>, bootstraps: usize, rng: &mut ChaCha8Rng) -> Self {
        let rows: Vec<&[f64]> = sample.rows().collect();
        let (mut excess, mut uncorrected) = (Vec::new(), Vec::new());
        for set in rows.chunks_exact(SET) {
            let (first, second) = set.split_at(SET / 2);
            let product = product(&total(first), &total(second)) / (SET / 2 * (SET / 2)) as f64;
            let all = total(set);
            excess.push(signal(&Sample::new(set.iter().copied())) - product);
            uncorrected.push(self::product(&all, &all) / (SET * SET) as f64 - product);
        }
        let mean_of = |drawn: &[f64]| drawn.iter().sum::<f64>() / drawn.len() as f64;
        let of_sets = |values: &[f64], rng: &mut ChaCha8Rng| {
            interval(bootstraps, || {
                let drawn: Vec<f64> =
                    (0..values.len()).map(|_| values[rng.random_range(0..values.len())]).collect();
                mean_of(&drawn)
            })
        };
        let (excess, uncorrected) = (of_sets(&excess, rng), of_sets(&uncorrected, rng));
        let pairs: Vec<[&[f64]; 2]> = rows.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
        let half_squares: Vec<f64> = pairs
            .iter()
            .map(|[a, b]| 0.5 * a.iter().zip(*b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>())
            .collect();
        let ratio_of = |drawn: &[usize]| {
            let half = |which: usize| total(&drawn.iter().map(|&k| pairs[k][which]).collect::<Vec<_>>());
            let noise = drawn.iter().map(|&k| half_squares[k]).sum::<f64>();
            product(&half(0), &half(1)) / (drawn.len() as f64 * noise)
        };
        let everyone: Vec<usize> = (0..pairs.len()).collect();
        let interval = interval(bootstraps, || {
            let drawn: Vec<usize> = everyone.iter().map(|_| rng.random_range(0..pairs.len())).collect();
            ratio_of(&drawn)
        });
        Self { excess, uncorrected, ratio: ratio_of(&everyone), interval }
    }

    /// Whether the estimate has no bias that sets of trials show.
    pub(super) fn agrees(&self) -> bool {
        contains(self.excess, 0.0)
    }

    /// The same for the square of the mean: where this holds, too, the sets cannot tell.
    pub(super) fn agrees_uncorrected(&self) -> bool {
        contains(self.uncorrected, 0.0)
    }

    /// Whether an estimate of the signal over the noise of one trial lies in the interval.
    pub(super) fn has(&self, ratio: f64) -> bool {
        contains(self.interval, ratio)
    }
}

fn contains([low, high]: [f64; 2], x: f64) -> bool {
    low <= x && x <= high
}

/// The sum of vectors.
fn total(rows: &[&[f64]]) -> Vec<f64> {
    let mut sum = vec![0.0; rows.first().map_or(0, |row| row.len())];
    for row in rows {
        for (sum, x) in sum.iter_mut().zip(*row) {
            *sum += x;
        }
    }
    sum
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The 95 % interval of what is drawn so many times.
fn interval(times: usize, mut draw: impl FnMut() -> f64) -> [f64; 2] {
    let mut drawn: Vec<f64> = (0..times).map(|_| draw()).collect();
    drawn.sort_by(f64::total_cmp);
    let out = (TAIL * times as f64) as usize;
    match times {
        0 => [f64::NAN; 2],
        _ => [drawn[out], drawn[times - 1 - out]],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, StandardNormal};
    use spikegrad::tasks::{Purpose, generator};

    const DIM: usize = 8;
    /// The planted signal and noise of a trial.
    const SIGNAL: f64 = 0.08;
    const NOISE: f64 = 8.0;

    /// Normal vectors about a mean whose square is [`SIGNAL`], with a variance of 1 in each entry.
    fn planted(n: usize, index: u64) -> Sample {
        let mut rng = generator(11, Purpose::Test, index);
        let values: Vec<f64> = (0..DIM * n)
            .map(|_| {
                let x: f64 = StandardNormal.sample(&mut rng);
                x + (SIGNAL / DIM as f64).sqrt()
            })
            .collect();
        Sample::new(values.chunks_exact(DIM))
    }

    fn found(index: u64, signal: Estimate<'_>) -> Halves {
        Halves::of(&planted(2000, index), signal, 200, &mut generator(12, Purpose::Test, index))
    }

    #[test]
    fn a_planted_signal_is_found_and_the_estimate_is_right() {
        let all: Vec<Halves> = (0..40).map(|index| found(index, &|set| set.noise().signal)).collect();
        let share = |of: &dyn Fn(&Halves) -> bool| all.iter().filter(|one| of(one)).count();
        // 38 are expected; fewer than 34 have a probability below 2 %, and seeds are fixed.
        assert!(share(&Halves::agrees) >= 34, "{all:?}");
        assert_eq!(share(&Halves::agrees_uncorrected), 0);
        assert!(share(&|one| one.has(SIGNAL / NOISE)) >= 34, "{all:?}");
        let estimated = |index: u64| {
            let noise = planted(2000, index).noise();
            noise.signal / noise.variance
        };
        assert!((0..40).zip(&all).filter(|(index, one)| one.has(estimated(*index))).count() >= 34);
        // The estimates scatter about what was planted.
        let mean = all.iter().map(|one| one.ratio).sum::<f64>() / 40.0;
        assert!((mean / (SIGNAL / NOISE) - 1.0).abs() < 0.05, "{mean}");
    }

    #[test]
    fn spoilt_estimates_are_seen() {
        let spoilt: [(&str, Estimate<'_>); 4] = [
            ("no correction", &|set| set.noise().signal + set.noise().variance / SET as f64),
            ("twice the correction", &|set| set.noise().signal - set.noise().variance / SET as f64),
            ("the noise of a trial", &|set| set.noise().signal - set.noise().variance),
            ("half of the noise", &|set| set.noise().signal + 0.5 * set.noise().variance / SET as f64),
        ];
        for (what, signal) in spoilt {
            let seen = (0..10).filter(|&index| !found(index, signal).agrees()).count();
            assert_eq!(seen, 10, "{what}");
        }
        // A ratio of signal and noise that is much too large or too small lies in no interval.
        for index in 0..10 {
            let halves = found(index, &|set| set.noise().signal);
            assert!(!halves.has(2.0 * SIGNAL / NOISE) && !halves.has(0.2 * SIGNAL / NOISE), "{halves:?}");
        }
    }

    #[test]
    fn too_few_trials_agree_with_nothing() {
        let few = Halves::of(&planted(1, 0), &|_| 0.0, 20, &mut generator(1, Purpose::Test, 0));
        assert!(!few.agrees() && !few.has(0.0), "{few:?}");
    }
}
