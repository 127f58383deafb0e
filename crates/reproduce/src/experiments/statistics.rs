//! Statistics of many vectors, the gradients of single trials: signal and noise, tails, clipping; and least squares on a double-logarithmic
//! scale.
//!
//! Sources: the noise scale is that of McCandlish, Kaplan, Amodei et al. (2018), the tail exponent that of Hill (1975).

use super::intervals::median;

/// Vectors of one length, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    dim: usize,
    values: Vec<f64>,
}

/// The sum of squares.
pub(super) fn square(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum()
}

/// The Euclidean norm.
pub(super) fn norm(x: &[f64]) -> f64 {
    square(x).sqrt()
}

/// The cosine of two vectors.
pub(super) fn cosine(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / (norm(a) * norm(b))
}

/// What vectors with these norms are multiplied by when each is clipped at the median norm.
pub(super) fn weights_at_median(norms: impl Iterator<Item = f64>) -> Vec<f64> {
    let norms: Vec<f64> = norms.collect();
    let most = median(&norms);
    norms.into_iter().map(|norm| if norm > most { most / norm } else { 1.0 }).collect()
}

/// `|a - b|`.
pub(super) fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// A quantile by linear interpolation; not a number of nothing.
pub(super) fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = q * last as f64;
    let low = at.floor() as usize;
    sorted[low] + at.fract() * (sorted[(low + 1).min(last)] - sorted[low])
}

/// The slope of `ln y` by `ln x`, by least squares.
pub(super) fn order(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    slope(&logs)
}

/// The slope of `y` by `x`, by least squares.
pub(super) fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
    let cross = points.iter().map(|(a, b)| (a - x) * (b - y)).sum::<f64>();
    cross / points.iter().map(|(a, _)| (a - x).powi(2)).sum::<f64>()
}

/// Hill's estimate of the exponent of the tail, `P(|x| > r) ~ r^-alpha`, by the largest `share` of positive values. Below 2 the
/// variance does not exist.
pub(super) fn hill(values: &[f64], share: f64) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|x| *x > 0.0).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let k = ((share * sorted.len() as f64).round() as usize).clamp(1, sorted.len().saturating_sub(1).max(1));
    let Some(&edge) = sorted.get(k) else { return f64::NAN };
    k as f64 / sorted[..k].iter().map(|x| (x / edge).ln()).sum::<f64>()
}

/// The share of the largest `share` of non-negative values in their sum.
pub(super) fn share_of_largest(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let k = ((share * sorted.len() as f64).round() as usize).max(1).min(sorted.len());
    sorted[..k].iter().sum::<f64>() / sorted.iter().sum::<f64>()
}

/// Signal and noise of vectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Noise {
    /// The unbiased estimate of the square of the mean, `|mean|^2 - tr(Sigma) / n`; it may come out negative.
    pub(super) signal: f64,
    /// The trace of the covariance, `tr(Sigma)`.
    pub(super) variance: f64,
}

impl Noise {
    /// The noise scale, `tr(Sigma) / |mean|^2`: the batch in which signal and noise are alike. Not a number where no signal was found.
    pub(super) fn scale(&self) -> f64 {
        if self.signal > 0.0 { self.variance / self.signal } else { f64::NAN }
    }
}

impl Sample {
    /// The vectors `rows`, which have one length.
    pub(super) fn new<'a>(rows: impl IntoIterator<Item = &'a [f64]>) -> Self {
        let (mut dim, mut values) = (0, Vec::new());
        for row in rows {
            dim = row.len();
            values.extend_from_slice(row);
        }
        Self { dim, values }
    }

    /// The number of vectors.
    pub(super) fn len(&self) -> usize {
        self.values.len().checked_div(self.dim).unwrap_or(0)
    }

    /// One vector after the other.
    pub(super) fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.dim.max(1))
    }

    /// The mean of the vectors.
    pub(super) fn mean(&self) -> Vec<f64> {
        mean_of(self.dim, self.len(), self.rows())
    }

    /// The norms of the vectors.
    pub(super) fn norms(&self) -> Vec<f64> {
        self.rows().map(norm).collect()
    }

    /// The signal and the noise of the vectors.
    pub(super) fn noise(&self) -> Noise {
        let squares = self.rows().map(square).sum::<f64>();
        noise_of(self.len() as f64, square(&self.mean()), squares)
    }

    /// Signal and noise where every entry is measured by its root mean square, as Adam's steps are. Entries that are always zero are
    /// left out.
    pub(super) fn noise_by_adam(&self) -> Noise {
        let mut scaled = self.clone();
        let n = self.len() as f64;
        let mut mean_square = vec![0.0; self.dim];
        for row in self.rows() {
            mean_square.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * x / n);
        }
        for row in scaled.values.chunks_exact_mut(self.dim.max(1)) {
            for (x, &square) in row.iter_mut().zip(&mean_square) {
                *x = if square > 0.0 { *x / square.sqrt() } else { 0.0 };
            }
        }
        scaled.noise()
    }

    /// The mean cosine of a vector with the mean of all others. Vectors of norm zero have none and are left out.
    pub(super) fn cosine_with_others(&self) -> f64 {
        let (mean, n) = (self.mean(), self.len() as f64);
        let cosines: Vec<f64> = self
            .rows()
            .filter(|row| square(row) > 0.0)
            .map(|row| {
                let others: Vec<f64> = mean.iter().zip(row).map(|(m, x)| (n * m - x) / (n - 1.0)).collect();
                cosine(row, &others)
            })
            .collect();
        cosines.iter().sum::<f64>() / cosines.len() as f64
    }

    /// The vectors scaled down to the norm `largest` where they are longer.
    pub(super) fn clipped(&self, largest: f64) -> Self {
        let mut clipped = self.clone();
        for row in clipped.values.chunks_exact_mut(self.dim.max(1)) {
            let norm = norm(row);
            if norm > largest {
                row.iter_mut().for_each(|x| *x *= largest / norm);
            }
        }
        clipped
    }

    /// The means of successive vectors, `batch` at a time; those that are left over are left out.
    pub(super) fn batches(&self, batch: usize) -> Self {
        let means = self.values.chunks_exact((self.dim * batch).max(1));
        let means: Vec<Vec<f64>> =
            means.map(|rows| mean_of(self.dim, batch, rows.chunks_exact(self.dim))).collect();
        Self { dim: self.dim, values: means.concat() }
    }
}

fn mean_of<'a>(dim: usize, n: usize, rows: impl Iterator<Item = &'a [f64]>) -> Vec<f64> {
    let mut mean = vec![0.0; dim];
    for row in rows {
        mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    mean.iter_mut().for_each(|sum| *sum /= n as f64);
    mean
}

fn noise_of(n: f64, of_mean: f64, squares: f64) -> Noise {
    let variance = (squares - n * of_mean) / (n - 1.0);
    Noise { signal: of_mean - variance / n, variance }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use rand_distr::{Distribution, StandardNormal};
    use spikegrad::tasks::{Purpose, generator};

    /// Normal vectors of 8 entries about a mean of 0.1 with a standard deviation of 1.
    fn normal(n: usize, index: u64) -> Sample {
        let mut rng = generator(1, Purpose::Test, index);
        let values = (0..8 * n).map(|_| {
            let x: f64 = StandardNormal.sample(&mut rng);
            0.1 + x
        });
        Sample { dim: 8, values: values.collect() }
    }

    #[test]
    fn signal_and_noise_of_normal_vectors_are_unbiased() {
        // Of few vectors |mean|^2 itself would be 0.08 + 8 / 20.
        let found: Vec<Noise> = (0..2000).map(|index| normal(20, index).noise()).collect();
        let mean = |of: fn(&Noise) -> f64| found.iter().map(of).sum::<f64>() / found.len() as f64;
        assert!((mean(|noise| noise.signal) - 0.08).abs() < 0.015, "{}", mean(|noise| noise.signal));
        assert!((mean(|noise| noise.variance) - 8.0).abs() < 0.1);
        let scale = normal(200_000, 0).noise().scale();
        assert!((scale / 100.0 - 1.0).abs() < 0.05, "{scale}");
        // In Adam's metric every entry has the mean square 1.01.
        let adam = normal(200_000, 1).noise_by_adam();
        assert!((adam.variance - 8.0 / 1.01).abs() < 0.02 && (adam.scale() / 100.0 - 1.0).abs() < 0.05);
        assert!(Noise { signal: -1.0, variance: 1.0 }.scale().is_nan());
    }

    #[test]
    fn tails_of_a_power_law_have_its_exponent() {
        let mut rng = generator(4, Purpose::Test, 0);
        for exponent in [1.0, 1.5, 3.0] {
            let values: Vec<f64> = (0..100_000).map(|_| rng.random::<f64>().powf(-1.0 / exponent)).collect();
            let found = hill(&values, 0.05);
            assert!((found / exponent - 1.0).abs() < 0.06, "{found} for {exponent}");
        }
        assert!(hill(&[1.0], 0.05).is_nan());
    }

    #[test]
    fn quantiles_shares_and_slopes() {
        let values: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!([0.0, 0.255, 1.0].map(|q| quantile(&values, q)), [0.0, 25.5, 100.0]);
        assert!(quantile(&[], 0.5).is_nan());
        assert_eq!(weights_at_median([1.0, 2.0, 8.0].into_iter()), [1.0, 1.0, 0.25]);
        assert!((share_of_largest(&[1.0, 1.0, 6.0, 2.0], 0.25) - 0.6).abs() < 1e-15);
        let points: Vec<(f64, f64)> = (0..5).map(|k| (2.0_f64.powi(k), 3.0 * 2.0_f64.powi(-k))).collect();
        assert!((order(&points) + 1.0).abs() < 1e-12);
        assert!((slope(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn clipping_batches_and_cosines() {
        let sample = Sample::new([[3.0, 4.0].as_slice(), &[0.3, 0.4], &[0.6, 0.8], &[-0.6, -0.8]]);
        assert_eq!((sample.len(), sample.norms()[0]), (4, 5.0));
        let clipped = sample.clipped(1.0);
        assert!((norm(clipped.rows().next().unwrap()) - 1.0).abs() < 1e-15);
        assert_eq!(clipped.rows().nth(1), sample.rows().nth(1));
        let halves = sample.batches(2);
        assert_eq!((halves.len(), halves.mean()), (2, sample.mean()));
        // Three point along the mean of the others, one against it.
        assert!((sample.cosine_with_others() - 0.5).abs() < 1e-12);
        assert!((cosine(&[1.0, 0.0], &[1.0, 1.0]) - 0.5_f64.sqrt()).abs() < 1e-15);
        assert!((distance(&[1.0, 0.0], &[1.0, 2.0]) - 2.0).abs() < 1e-15);
    }
}
