//! Splits into parts, and folds for cross-validation. Both keep the proportions of the classes.

use crate::random::{Purpose, generator, shuffle};
use crate::{Dataset, Error};

/// Indices of the samples of each part, ascending. `shares` are the parts' shares of the samples and sum to 1.
///
/// Where the targets are classes, the split is stratified: a part has its share of the samples of every class, rounded up or down.
/// The same seed gives the same split on every machine.
///
/// ```
/// use spikegrad_data::{split, yin_yang};
///
/// let data = yin_yang(1000, 1)?;
/// let parts = split(&data, &[0.8, 0.2], 7)?;
/// let (training, test) = (data.subset(&parts[0])?, data.subset(&parts[1])?);
/// assert_eq!(training.len() + test.len(), 1000);
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
///
/// # Errors
/// If a share is not positive, the shares do not sum to 1, or a part would have no samples.
pub fn split(data: &Dataset, shares: &[f64], seed: u64) -> Result<Vec<Vec<usize>>, Error> {
    for &share in shares {
        Error::unless_positive("share", share)?;
    }
    let sum: f64 = shares.iter().sum();
    Error::unless((sum - 1.0).abs() < 1e-6, "sum of shares", sum, "the shares of the parts must sum to 1")?;
    let mut parts = vec![Vec::new(); shares.len()];
    // How many samples of the classes so far each part should have, and does not yet.
    let mut owed = vec![0.0; shares.len()];
    for class in shuffled_classes(data, Purpose::Split, seed) {
        let mut counts = Vec::with_capacity(shares.len());
        for (part, share) in shares.iter().enumerate() {
            let exact = share * class.len() as f64;
            // A product such as 0.29 * 100 may miss the whole number that it is by a rounding error.
            let count = (exact + 1e-9).floor();
            counts.push(count as usize);
            owed[part] += exact - count;
        }
        // What rounding down left goes to the parts that are owed most, one sample each.
        let left = class.len().saturating_sub(counts.iter().sum());
        let mut order: Vec<usize> = (0..shares.len()).collect();
        order.sort_by(|&a, &b| owed[b].total_cmp(&owed[a]));
        for &part in order.iter().cycle().take(left) {
            counts[part] += 1;
            owed[part] -= 1.0;
        }
        let mut rest = class.as_slice();
        for (part, &count) in counts.iter().enumerate() {
            let (taken, after) = rest.split_at(count.min(rest.len()));
            parts[part].extend_from_slice(taken);
            rest = after;
        }
    }
    for (part, indices) in parts.iter_mut().enumerate() {
        if indices.is_empty() {
            return Err(Error::EmptyPart { part, share: shares[part], len: data.len() });
        }
        indices.sort_unstable();
    }
    Ok(parts)
}

/// One fold of a cross-validation: indices of samples, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The samples to train on.
    pub training: Vec<usize>,
    /// The samples to test on. Every sample is in the test part of one fold.
    pub test: Vec<usize>,
}

/// The `count` folds of a cross-validation.
///
/// Where the targets are classes, the folds are stratified: the numbers of samples of a class in two test parts differ by one at most,
/// and so do the sizes of the test parts. The same seed gives the same folds on every machine.
///
/// # Errors
/// If there are fewer than two folds, or more folds than samples.
pub fn folds(data: &Dataset, count: usize, seed: u64) -> Result<Vec<Fold>, Error> {
    Error::unless(
        (2..=data.len()).contains(&count),
        "folds",
        count as f64,
        "give at least two, and no more than there are samples",
    )?;
    let mut tests = vec![Vec::new(); count];
    // One class goes on where the one before it ended, so that the folds are of one size.
    for (i, index) in shuffled_classes(data, Purpose::Folds, seed).into_iter().flatten().enumerate() {
        tests[i % count].push(index);
    }
    let mut folds = Vec::with_capacity(count);
    for mut test in tests {
        test.sort_unstable();
        let training = (0..data.len()).filter(|index| test.binary_search(index).is_err()).collect();
        folds.push(Fold { training, test });
    }
    Ok(folds)
}

/// The samples of each class in random order; all samples together where the targets are not classes.
fn shuffled_classes(data: &Dataset, purpose: Purpose, seed: u64) -> Vec<Vec<usize>> {
    let mut classes = match (data.labels(), data.class_names()) {
        (Some(labels), Some(names)) => {
            let mut classes = vec![Vec::new(); names.len()];
            labels.iter().enumerate().for_each(|(index, &label)| classes[label].push(index));
            classes
        }
        _ => vec![(0..data.len()).collect()],
    };
    for (class, samples) in classes.iter_mut().enumerate() {
        shuffle(samples, &mut generator(seed, purpose, class as u64));
    }
    classes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Inputs, Series, Targets};

    fn data(labels: Vec<usize>) -> Dataset {
        let names = (0..5).map(|i| i.to_string()).collect();
        let inputs = labels.iter().map(|_| Series::new(1, vec![0.0]).unwrap()).collect();
        Dataset::new(Inputs::Series(inputs), Targets::Classes { labels, names }).unwrap()
    }

    fn count(labels: &[usize], indices: &[usize], class: usize) -> usize {
        indices.iter().filter(|index| labels[**index] == class).count()
    }

    proptest! {
        #[test]
        fn parts_are_disjoint_complete_and_stratified(
            labels in proptest::collection::vec(0_usize..5, 20..200),
            weights in proptest::collection::vec(0.2_f64..1.0, 1..4),
            seed: u64,
        ) {
            let sum: f64 = weights.iter().sum();
            let shares: Vec<f64> = weights.iter().map(|w| w / sum).collect();
            let parts = split(&data(labels.clone()), &shares, seed).unwrap();
            let mut all = parts.concat();
            all.sort();
            prop_assert!(all.into_iter().eq(0..labels.len()));
            for class in 0..5 {
                let whole = labels.iter().filter(|label| **label == class).count() as f64;
                for (part, share) in parts.iter().zip(&shares) {
                    let exact = share * whole;
                    prop_assert!((count(&labels, part, class) as f64 - exact).abs() < 1.0 + 1e-9);
                }
            }
            for (part, share) in parts.iter().zip(&shares) {
                let exact = share * labels.len() as f64;
                prop_assert!((part.len() as f64 - exact).abs() < 3.0, "{} of {exact}", part.len());
            }
        }

        #[test]
        fn every_sample_is_tested_once(
            labels in proptest::collection::vec(0_usize..5, 5..100), k in 2_usize..6, seed: u64,
        ) {
            let folds = folds(&data(labels.clone()), k, seed).unwrap();
            let mut tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test.clone()).collect();
            tested.sort();
            prop_assert!(tested.into_iter().eq(0..labels.len()));
            for fold in &folds {
                prop_assert_eq!(fold.training.len() + fold.test.len(), labels.len());
                prop_assert!(fold.training.iter().all(|index| !fold.test.contains(index)));
            }
            for class in 0..6 {
                let counts = folds.iter().map(|fold| match class {
                    5 => fold.test.len(),
                    class => count(&labels, &fold.test, class),
                });
                let (low, high) = (counts.clone().min().unwrap(), counts.max().unwrap());
                prop_assert!(high - low <= 1);
            }
        }
    }

    #[test]
    fn shares_that_are_whole_numbers_are_met_exactly() {
        let labels: Vec<usize> = (0..300).map(|i| i % 3).collect();
        let parts = split(&data(labels), &[0.29, 0.01, 0.7], 1).unwrap();
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [87, 3, 210]);
    }

    #[test]
    fn without_classes_all_samples_are_one_stratum() {
        let inputs = (0..10).map(|_| Series::new(1, vec![0.0]).unwrap()).collect();
        let data = Dataset::new(Inputs::Series(inputs), Targets::None).unwrap();
        let parts = split(&data, &[0.5, 0.5], 3).unwrap();
        assert_eq!((parts[0].len(), parts[1].len()), (5, 5));
        assert_ne!(parts, split(&data, &[0.5, 0.5], 4).unwrap());
        assert_eq!(folds(&data, 10, 1).unwrap().len(), 10);
    }

    #[test]
    fn what_cannot_be_split_is_refused() {
        let data = data(vec![0, 0, 0, 1]);
        for shares in [&[0.5, 0.4][..], &[1.0, 0.0], &[f64::NAN], &[], &[1.5, -0.5]] {
            assert!(matches!(split(&data, shares, 1), Err(Error::Option { .. })), "{shares:?}");
        }
        assert!(matches!(split(&data, &[0.999, 0.001], 1), Err(Error::EmptyPart { part: 1, .. })));
        for count in [0, 1, 5] {
            assert!(folds(&data, count, 1).is_err());
        }
    }
}
