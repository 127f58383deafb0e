//! Standardisation of targets, and the way back to their own unit.

use serde::{Deserialize, Serialize};

use crate::{Dataset, Error, Series, Targets};

/// Means and standard deviations of the outputs of target values or series, `y = (x - mean) / deviation`.
///
/// They are computed on the samples that are given, which should be those of the training part. An output whose target never changes is
/// centred and not scaled.
///
/// ```
/// use spikegrad_data::{Dataset, Inputs, Series, StandardiseTargets, Target, Targets};
///
/// let inputs = Inputs::Series(vec![Series::new(1, vec![0.0])?, Series::new(1, vec![1.0])?, Series::new(1, vec![2.0])?]);
/// let data = Dataset::new(inputs, Targets::Values(vec![vec![100.0], vec![300.0], vec![500.0]]))?;
/// // Samples 0 and 1 are the training part: mean 200, deviation 100.
/// let standardise = StandardiseTargets::fit(&data, &[0, 1])?;
/// let scaled = standardise.apply(&data)?;
/// assert_eq!(scaled.sample(2).map(|sample| sample.target), Some(Target::Values(&[3.0])));
/// assert_eq!(standardise.restore(0, 3.0), 500.0);
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StandardiseTargets {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

/// The numbers of the targets of a sample, the outputs of a time point one behind the other.
fn numbers(targets: &Targets, sample: usize) -> Result<&[f32], Error> {
    match targets {
        Targets::Values(all) => Ok(&all[sample]),
        Targets::Series(all) => Ok(all[sample].values()),
        Targets::None => Err(other("no targets")),
        Targets::Classes { .. } => Err(other("classes")),
        Targets::Spikes(_) => Err(other("spike trains")),
    }
}

fn other(found: &'static str) -> Error {
    Error::Sort { action: "standardising targets", needed: "values or series as targets", found }
}

impl StandardiseTargets {
    /// The means and deviations over all values, or all time points, of the samples `indices`.
    ///
    /// # Errors
    /// If the targets are neither values nor series, there are no indices, or there is no such sample.
    pub fn fit(data: &Dataset, indices: &[usize]) -> Result<Self, Error> {
        if indices.is_empty() {
            return Err(Error::Empty { what: "samples to compute the mean of" });
        }
        data.check_indices(indices)?;
        let outputs = data.outputs();
        let all = indices
            .iter()
            .map(|&sample| numbers(data.targets(), sample))
            .collect::<Result<Vec<&[f32]>, Error>>()?;
        let of = |output: usize| {
            let all = all.iter().flat_map(move |numbers| numbers.iter().skip(output).step_by(outputs));
            all.map(|&x| f64::from(x))
        };
        let (mut means, mut deviations) = (Vec::with_capacity(outputs), Vec::with_capacity(outputs));
        for output in 0..outputs {
            let count = of(output).count() as f64;
            let first = of(output).next().unwrap_or_default();
            // The deviation of equal numbers may be a rounding error instead of 0.
            let (mean, deviation) = if of(output).all(|x| x == first) {
                (first, 0.0)
            } else {
                let mean = of(output).sum::<f64>() / count;
                (mean, (of(output).map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt())
            };
            means.push(mean);
            deviations.push(deviation);
        }
        Ok(Self { mean: means, deviation: deviations })
    }

    /// The data set with its targets standardised.
    ///
    /// # Errors
    /// If the targets are neither values nor series, have another number of outputs, or become too large for 32-bit numbers.
    pub fn apply(&self, data: &Dataset) -> Result<Dataset, Error> {
        numbers(data.targets(), 0)?;
        if data.outputs() != self.mean.len() {
            let (expected, found) = (self.mean.len(), data.outputs());
            return Err(Error::Count { what: "outputs", expected, found });
        }
        let one = |output: usize, x: f32| ((f64::from(x) - self.mean[output]) / self.scale(output)) as f32;
        let row = |row: &Vec<f32>| row.iter().enumerate().map(|(output, &x)| one(output, x)).collect();
        let targets = match data.targets() {
            Targets::Values(all) => Targets::Values(all.iter().map(row).collect()),
            Targets::Series(all) => {
                Targets::Series(all.iter().map(|series: &Series| series.map(one)).collect())
            }
            other => other.clone(),
        };
        data.with_inputs_and_targets(data.inputs().clone(), targets)
    }

    /// What an output is divided by.
    fn scale(&self, output: usize) -> f64 {
        self.deviation.get(output).copied().filter(|deviation| *deviation > 0.0).unwrap_or(1.0)
    }

    /// A standardised number of an output in the unit of the targets; of an output that was not there when the means were computed,
    /// the number itself.
    pub fn restore(&self, output: usize, x: f64) -> f64 {
        x * self.scale(output) + self.mean.get(output).copied().unwrap_or_default()
    }

    /// The mean of each output.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The standard deviation of each output; 0 where the target never changes.
    pub fn deviation(&self) -> &[f64] {
        &self.deviation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Inputs, Target};

    fn inputs(lengths: &[usize]) -> Inputs {
        Inputs::Series(lengths.iter().map(|&length| Series::new(1, vec![0.5; length]).unwrap()).collect())
    }

    #[test]
    fn the_fitted_samples_get_mean_0_and_deviation_1_and_come_back() {
        let series = |values: &[f32]| Series::new(2, values.to_vec()).unwrap();
        let targets = vec![series(&[1.0, 7.0, 5.0, 7.0]), series(&[9.0, 7.0]), series(&[100.0, -3.0])];
        let data = Dataset::new(inputs(&[2, 1, 1]), Targets::Series(targets)).unwrap();
        let fit = StandardiseTargets::fit(&data, &[0, 1]).unwrap();
        assert_eq!((fit.mean(), fit.deviation()[1]), (&[5.0, 7.0][..], 0.0));
        let scaled = fit.apply(&data).unwrap();
        let numbers = |data: &Dataset, sample: usize| match data.sample(sample).unwrap().target {
            Target::Series(series) => series.values().to_vec(),
            _ => panic!("targets became something else"),
        };
        let first: Vec<f64> = [numbers(&scaled, 0), numbers(&scaled, 1)]
            .concat()
            .iter()
            .step_by(2)
            .map(|&x| f64::from(x))
            .collect();
        let mean = first.iter().sum::<f64>() / 3.0;
        let square = first.iter().map(|x| x * x).sum::<f64>() / 3.0;
        assert!(mean.abs() < 1e-6 && (square - 1.0).abs() < 1e-6, "{first:?}");
        for sample in 0..3 {
            for (k, (x, y)) in numbers(&scaled, sample).iter().zip(numbers(&data, sample)).enumerate() {
                assert!((fit.restore(k % 2, f64::from(*x)) - f64::from(y)).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn other_targets_are_refused() {
        let names = vec!["a".to_owned()];
        let classes = Dataset::new(inputs(&[1]), Targets::Classes { labels: vec![0], names }).unwrap();
        let error = StandardiseTargets::fit(&classes, &[0]).unwrap_err().to_string();
        assert!(error.contains("values or series as targets") && error.contains("classes"), "{error}");
        let values = Dataset::new(inputs(&[1]), Targets::Values(vec![vec![1.0]])).unwrap();
        assert!(matches!(StandardiseTargets::fit(&values, &[]), Err(Error::Empty { .. })));
        let fit = StandardiseTargets::fit(&values, &[0]).unwrap();
        let two = Dataset::new(inputs(&[1]), Targets::Values(vec![vec![1.0, 2.0]])).unwrap();
        assert!(fit.apply(&two).unwrap_err().to_string().contains("2 outputs, expected 1"));
    }
}
