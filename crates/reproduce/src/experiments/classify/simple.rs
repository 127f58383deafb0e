//! Classifiers that know nothing of neurons: logistic regression on means of segments, and nearest neighbours.

use rayon::prelude::*;
use spikegrad::data::{Dataset, Error, Inputs, Series};

/// The features of each series: the means of every channel over so many segments of equal length, one behind the other. A series with
/// fewer time points than segments has some of them in two segments.
pub(in crate::experiments) fn features(data: &Dataset, segments: usize) -> Vec<Vec<f64>> {
    let Inputs::Series(all) = data.inputs() else { return Vec::new() };
    let means = |series: &Series| {
        let points = series.time_points();
        let mut means = Vec::with_capacity(segments * series.channels());
        for k in 0..segments {
            let begin = k * points / segments;
            let end = ((k + 1) * points / segments).max(begin + 1);
            for channel in 0..series.channels() {
                let sum: f64 = (begin..end).map(|point| f64::from(series.point(point)[channel])).sum();
                means.push(sum / (end - begin) as f64);
            }
        }
        means
    };
    all.iter().map(means).collect()
}

/// Multinomial logistic regression on standardised features, with a Gaussian prior of unit variance on each weight and none on the
/// offsets: what scikit-learn fits with `C = 1`.
pub(in crate::experiments) struct LogisticRegression {
    mean: Vec<f64>,
    deviation: Vec<f64>,
    /// `classes x (features + 1)`, the offset of each class last.
    weights: Vec<Vec<f64>>,
}

impl LogisticRegression {
    /// Iterations of the fit, and of the search for its curvature.
    const ITERATIONS: usize = 1000;
    const POWERS: usize = 30;

    /// Fits the weights by accelerated gradient descent (Nesterov 1983), with steps by a bound on the curvature.
    pub(in crate::experiments) fn fit(features: &[Vec<f64>], labels: &[usize], classes: usize) -> Self {
        let (n, d) = (features.len() as f64, features.first().map_or(0, Vec::len));
        let mean: Vec<f64> = (0..d).map(|j| features.iter().map(|x| x[j]).sum::<f64>() / n).collect();
        let deviation = |j: usize| {
            let square = features.iter().map(|x| (x[j] - mean[j]).powi(2)).sum::<f64>() / n;
            if square > 0.0 { square.sqrt() } else { 1.0 }
        };
        let deviation: Vec<f64> = (0..d).map(deviation).collect();
        let mut fitted = Self { mean, deviation, weights: vec![vec![0.0; d + 1]; classes] };
        let rows: Vec<Vec<f64>> = features.iter().map(|x| fitted.standardised(x)).collect();
        // The softmax has curvature 1/2 at most in any direction, and the prior 1.
        let curvature = 0.5 * largest_eigenvalue(&rows) + 1.0;
        let (mut ahead, mut momentum) = (fitted.weights.clone(), 1.0_f64);
        for _ in 0..Self::ITERATIONS {
            let mut gradient = ahead.clone();
            gradient.iter_mut().for_each(|row| row[d] = 0.0);
            for (row, &label) in rows.iter().zip(labels) {
                for (class, (gradient, p)) in gradient.iter_mut().zip(softmax(&ahead, row)).enumerate() {
                    let error = p - f64::from(u8::from(class == label));
                    gradient.iter_mut().zip(row).for_each(|(g, x)| *g += error * x);
                }
            }
            let next = 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt());
            for (class, (ahead, gradient)) in ahead.iter_mut().zip(&gradient).enumerate() {
                for (j, (ahead, g)) in ahead.iter_mut().zip(gradient).enumerate() {
                    let before = fitted.weights[class][j];
                    let after = *ahead - g / curvature;
                    fitted.weights[class][j] = after;
                    *ahead = after + (momentum - 1.0) / next * (after - before);
                }
            }
            momentum = next;
        }
        fitted
    }

    /// The most probable class of each sample.
    pub(in crate::experiments) fn predict(&self, features: &[Vec<f64>]) -> Vec<usize> {
        features.iter().map(|x| largest(&softmax(&self.weights, &self.standardised(x)))).collect()
    }

    /// The features of a sample as the weights expect them, with a 1 for the offset.
    fn standardised(&self, features: &[f64]) -> Vec<f64> {
        let scaled = features.iter().zip(self.mean.iter().zip(&self.deviation));
        scaled.map(|(x, (mean, deviation))| (x - mean) / deviation).chain([1.0]).collect()
    }
}

/// The largest eigenvalue of the rows' matrix of second moments, from above.
fn largest_eigenvalue(rows: &[Vec<f64>]) -> f64 {
    let mut direction = vec![1.0; rows.first().map_or(0, Vec::len)];
    let mut largest = 0.0;
    for _ in 0..LogisticRegression::POWERS {
        let norm = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
        direction.iter_mut().for_each(|x| *x /= norm);
        let mut next = vec![0.0; direction.len()];
        for row in rows {
            let along: f64 = row.iter().zip(&direction).map(|(x, v)| x * v).sum();
            next.iter_mut().zip(row).for_each(|(next, x)| *next += along * x);
        }
        largest = next.iter().map(|x| x * x).sum::<f64>().sqrt();
        direction = next;
    }
    // Powers come near to the eigenvalue from below.
    1.1 * largest
}

/// The probabilities of the classes.
fn softmax(weights: &[Vec<f64>], row: &[f64]) -> Vec<f64> {
    let score = |weights: &Vec<f64>| weights.iter().zip(row).map(|(w, x)| w * x).sum::<f64>();
    let mut scores: Vec<f64> = weights.iter().map(score).collect();
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter_mut().for_each(|z| *z = (*z - most).exp());
    let sum: f64 = scores.iter().sum();
    scores.iter_mut().for_each(|p| *p /= sum);
    scores
}

/// The index of the largest number.
fn largest(numbers: &[f64]) -> usize {
    (0..numbers.len()).reduce(|best, k| if numbers[k] > numbers[best] { k } else { best }).unwrap_or(0)
}

/// The class of the nearest training series of each test series, the first of equally near ones.
///
/// # Errors
/// If the inputs are not series.
pub(in crate::experiments) fn nearest(
    training: &Dataset,
    test: &Dataset,
    distance: impl Fn(&Series, &Series) -> f64 + Sync,
) -> Result<Vec<usize>, Error> {
    let (Inputs::Series(known), Inputs::Series(asked), Some(labels)) =
        (training.inputs(), test.inputs(), training.labels())
    else {
        return Err(Error::Empty { what: "series with classes" });
    };
    let of = |one: &Series| {
        let distances: Vec<f64> = known.iter().map(|other| -distance(one, other)).collect();
        labels[largest(&distances)]
    };
    Ok(asked.par_iter().map(of).collect())
}

/// The squared Euclidean distance of two series, over the time points that both have.
pub(in crate::experiments) fn euclidean(one: &Series, other: &Series) -> f64 {
    one.values().iter().zip(other.values()).map(|(x, y)| f64::from(x - y).powi(2)).sum()
}

/// The squared distance of two series under dynamic time warping of all channels together, without a limit to the warping.
pub(in crate::experiments) fn dynamic_time_warping(one: &Series, other: &Series) -> f64 {
    let columns = other.time_points();
    // The cheapest ways to the points of the row before, with a border on the left.
    let mut before = vec![f64::INFINITY; columns + 1];
    before[0] = 0.0;
    let mut row = before.clone();
    for i in 0..one.time_points() {
        row[0] = f64::INFINITY;
        let point = one.point(i);
        for j in 0..columns {
            let square: f64 = point.iter().zip(other.point(j)).map(|(x, y)| f64::from(x - y).powi(2)).sum();
            row[j + 1] = square + before[j].min(before[j + 1]).min(row[j]);
        }
        std::mem::swap(&mut row, &mut before);
    }
    before[columns]
}

#[cfg(test)]
mod tests {
    use spikegrad::data::Targets;

    use super::*;

    fn series(values: &[f32]) -> Series {
        Series::new(1, values.to_vec()).unwrap()
    }

    fn data(inputs: Vec<Series>, labels: Vec<usize>) -> Dataset {
        let names = vec!["a".to_owned(), "b".to_owned()];
        Dataset::new(Inputs::Series(inputs), Targets::Classes { labels, names }).unwrap()
    }

    #[test]
    fn features_are_means_of_segments() {
        let all = data(vec![series(&[1.0, 2.0, 3.0, 4.0, 6.0]), series(&[5.0])], vec![0, 1]);
        assert_eq!(features(&all, 2), [vec![1.5, 13.0 / 3.0], vec![5.0, 5.0]]);
    }

    #[test]
    fn logistic_regression_meets_the_conditions_of_its_minimum() {
        // Two classes that overlap: the gradient of the penalised likelihood is zero at the fitted weights.
        let x: Vec<Vec<f64>> = (0..40).map(|i| vec![f64::from(i % 7), f64::from(i * i % 11)]).collect();
        let y: Vec<usize> = (0..40).map(|i| usize::from((i % 7) + (i % 3) > 4)).collect();
        let fitted = LogisticRegression::fit(&x, &y, 2);
        let rows: Vec<Vec<f64>> = x.iter().map(|x| fitted.standardised(x)).collect();
        for class in 0..2 {
            for j in 0..3 {
                let penalty = if j < 2 { fitted.weights[class][j] } else { 0.0 };
                let terms = rows.iter().zip(&y).map(|(row, &label)| {
                    (softmax(&fitted.weights, row)[class] - f64::from(u8::from(label == class))) * row[j]
                });
                let gradient = penalty + terms.sum::<f64>();
                assert!(gradient.abs() < 1e-6, "class {class}, weight {j}: {gradient}");
            }
        }
        let right = fitted.predict(&x).iter().zip(&y).filter(|(a, b)| a == b).count();
        assert!(right > 30, "{right}");
    }

    #[test]
    fn warping_forgives_what_comes_late() {
        let (early, late) = (series(&[0.0, 1.0, 0.0, 0.0, 0.0]), series(&[0.0, 0.0, 0.0, 1.0, 0.0]));
        let flat = series(&[0.1; 5]);
        assert_eq!(dynamic_time_warping(&early, &late), 0.0);
        assert_eq!(euclidean(&early, &late), 2.0);
        let training = data(vec![early, flat], vec![0, 1]);
        let test = data(vec![late], vec![0]);
        assert_eq!(nearest(&training, &test, euclidean).unwrap(), [1]);
        assert_eq!(nearest(&training, &test, dynamic_time_warping).unwrap(), [0]);
    }
}
