//! Padding: series of unequal lengths to one length, with weights that tell what is real.

use crate::{Dataset, Error, Inputs, Series, Targets};

/// Series of one length. The time points that were there are untouched, to the bit; those after them are 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Padded {
    /// The data set, its inputs of one length. Targets that are series are padded with 0 as their inputs are.
    pub data: Dataset,
    /// For each sample a series of one channel: 1 at time points that were there, 0 at those that were added.
    pub weights: Vec<Series>,
}

/// Pads the series of `data` with zeros to `length` time points, or to the longest one.
///
/// ```
/// use spikegrad_data::{Dataset, Inputs, Series, Targets, pad};
///
/// let inputs = vec![Series::new(1, vec![1.0, 2.0, 3.0])?, Series::new(1, vec![4.0])?];
/// let padded = pad(&Dataset::new(Inputs::Series(inputs), Targets::None)?, None)?;
/// let Inputs::Series(series) = padded.data.inputs() else { unreachable!() };
/// assert_eq!(series[1].values(), [4.0, 0.0, 0.0]);
/// assert_eq!(padded.weights[1].values(), [1.0, 0.0, 0.0]);
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
///
/// # Errors
/// If the inputs are not series, one is longer than `length`, or a target is a series of another length than its input.
pub fn pad(data: &Dataset, length: Option<usize>) -> Result<Padded, Error> {
    let all = data.series("padding")?;
    let length = length.unwrap_or_else(|| all.iter().map(Series::time_points).max().unwrap_or(0));
    let mut inputs = Vec::with_capacity(all.len());
    let mut weights = Vec::with_capacity(all.len());
    for (sample, series) in all.iter().enumerate() {
        let points = series.time_points();
        if points > length {
            let error = Error::Count { what: "time points to pad", expected: length, found: points };
            return Err(error.in_sample(sample));
        }
        inputs.push(longer(series, length)?);
        weights.push(longer(&Series::new(1, vec![1.0; points])?, length)?);
    }
    let targets = match data.targets() {
        Targets::Series(targets) => {
            data.check_target_lengths()?;
            Targets::Series(targets.iter().map(|target| longer(target, length)).collect::<Result<_, _>>()?)
        }
        other => other.clone(),
    };
    Ok(Padded { data: data.with_inputs_and_targets(Inputs::Series(inputs), targets)?, weights })
}

fn longer(series: &Series, length: usize) -> Result<Series, Error> {
    let mut values = Vec::with_capacity(length * series.channels());
    values.extend_from_slice(series.values());
    values.resize(length * series.channels(), 0.0);
    Series::new(series.channels(), values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn real_time_points_are_untouched(lengths in proptest::collection::vec(1_usize..9, 1..6), more in 0_usize..4) {
            let series = |i: usize, points: usize| {
                Series::new(2, (0..2 * points).map(|k| 0.1 + (i * 100 + k) as f32).collect()).unwrap()
            };
            let all: Vec<Series> = lengths.iter().enumerate().map(|(i, &points)| series(i, points)).collect();
            let data = Dataset::new(Inputs::Series(all.clone()), Targets::Series(all.clone())).unwrap();
            let length = lengths.iter().max().unwrap() + more;
            let padded = pad(&data.with_interval(0.5).unwrap(), Some(length)).unwrap();
            prop_assert_eq!(padded.data.interval(), Some(0.5));
            let Inputs::Series(inputs) = padded.data.inputs() else { panic!() };
            let Targets::Series(targets) = padded.data.targets() else { panic!() };
            for (i, old) in all.iter().enumerate() {
                for new in [&inputs[i], &targets[i]] {
                    prop_assert_eq!(new.time_points(), length);
                    let (real, added) = new.values().split_at(old.values().len());
                    let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                    prop_assert_eq!(bits(real), bits(old.values()));
                    prop_assert!(added.iter().all(|x| *x == 0.0));
                }
                let weights = padded.weights[i].values();
                prop_assert!((0..length).all(|t| weights[t] == f32::from(t < lengths[i])));
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let one = |points: usize| Series::new(1, vec![1.0; points]).unwrap();
        let data = Dataset::new(Inputs::Series(vec![one(1), one(3)]), Targets::None).unwrap();
        assert!(pad(&data, Some(2)).unwrap_err().to_string().starts_with("sample 1: 3 time points"));
        let inputs = Inputs::Series(vec![one(2)]);
        let data = Dataset::new(inputs, Targets::Series(vec![one(1)])).unwrap();
        assert!(pad(&data, None).unwrap_err().to_string().contains("sample 0: target: 1 time points"));
    }
}
