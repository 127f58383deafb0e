//! Metrics of classes: accuracy and the confusion matrix.

use std::fmt;

use crate::Error;

/// The share of samples whose class was predicted, with a confidence interval.
///
/// ```
/// use spikegrad_data::metrics::Accuracy;
///
/// let accuracy = Accuracy::of(&[0, 1, 2, 1], &[0, 1, 2, 2])?;
/// assert_eq!(accuracy.value(), 0.75);
/// println!("{accuracy}");
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accuracy {
    correct: usize,
    total: usize,
}

impl Accuracy {
    /// The accuracy of `predictions` for samples of the classes `labels`.
    ///
    /// # Errors
    /// If there are none, or not as many predictions as labels.
    pub fn of(labels: &[usize], predictions: &[usize]) -> Result<Self, Error> {
        check_lengths(labels.len(), predictions.len(), "predictions")?;
        let correct =
            labels.iter().zip(predictions).filter(|(label, prediction)| label == prediction).count();
        Ok(Self { correct, total: labels.len() })
    }

    /// Number of samples whose class was predicted.
    pub fn correct(&self) -> usize {
        self.correct
    }

    /// Number of samples.
    pub fn total(&self) -> usize {
        self.total
    }

    /// The accuracy, from 0 to 1.
    pub fn value(&self) -> f64 {
        self.correct as f64 / self.total as f64
    }

    /// The 95 % confidence interval of Wilson (1927): with `n` samples, accuracy `p` and `z = 1.96`, its ends are
    /// `(p + z^2 / 2n ± z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)`.
    pub fn interval(&self) -> (f64, f64) {
        const Z: f64 = 1.959_963_984_540_054;
        let (n, p) = (self.total as f64, self.value());
        let square = Z * Z / n;
        let half = Z * (p * (1.0 - p) / n + square / (4.0 * n)).sqrt();
        let centre = p + square / 2.0;
        (((centre - half) / (1.0 + square)).max(0.0), ((centre + half) / (1.0 + square)).min(1.0))
    }
}

impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.interval();
        let percent = [self.value(), low, high].map(|share| 100.0 * share);
        let Self { correct, total } = self;
        write!(
            f,
            "{:.1} % ({correct} of {total}; 95 % interval {:.1} to {:.1} %)",
            percent[0], percent[1], percent[2]
        )
    }
}

/// How often samples of each class were predicted to be of each class. It prints as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionMatrix {
    names: Vec<String>,
    counts: Vec<usize>,
}

impl ConfusionMatrix {
    /// The matrix of `predictions` for samples of the classes `labels`; both are indices into `names`.
    ///
    /// # Errors
    /// If there are none, not as many predictions as labels, or one is no index of a class.
    pub fn new(labels: &[usize], predictions: &[usize], names: &[String]) -> Result<Self, Error> {
        check_lengths(labels.len(), predictions.len(), "predictions")?;
        let mut counts = vec![0; names.len() * names.len()];
        for (sample, pair) in labels.iter().zip(predictions).enumerate() {
            let (&label, &prediction) = pair;
            if let Some(wrong) = [label, prediction].into_iter().find(|class| *class >= names.len()) {
                let expected = format!("there are {} classes, counted from 0", names.len());
                return Err(Error::Label { label: wrong.to_string(), expected }.in_sample(sample));
            }
            counts[label * names.len() + prediction] += 1;
        }
        Ok(Self { names: names.to_vec(), counts })
    }

    /// Number of samples of class `label` that were predicted to be of class `prediction`.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn count(&self, label: usize, prediction: usize) -> usize {
        assert!(prediction < self.names.len(), "class {prediction} of {}", self.names.len());
        self.counts[label * self.names.len() + prediction]
    }

    /// The share of the samples of class `label` that were predicted to be of it, if there are any.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn recall(&self, label: usize) -> Option<f64> {
        let all: usize = (0..self.names.len()).map(|prediction| self.count(label, prediction)).sum();
        (all > 0).then(|| self.count(label, label) as f64 / all as f64)
    }

    /// The accuracy over all classes.
    pub fn accuracy(&self) -> Accuracy {
        let correct = (0..self.names.len()).map(|class| self.count(class, class)).sum();
        Accuracy { correct, total: self.counts.iter().sum() }
    }
}

/// A row for each class, a column for each prediction, and the recall.
impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CORNER: &str = "true \\ predicted";
        let first =
            self.names.iter().map(|name| name.chars().count()).chain([CORNER.len()]).max().unwrap_or(0);
        let digits = self.counts.iter().map(|count| count.to_string().len()).max().unwrap_or(1);
        let widths: Vec<usize> = self.names.iter().map(|name| name.chars().count().max(digits)).collect();
        write!(f, "{CORNER:first$}")?;
        for (name, &width) in self.names.iter().zip(&widths) {
            write!(f, "  {name:>width$}")?;
        }
        f.write_str("  recall")?;
        for (label, name) in self.names.iter().enumerate() {
            write!(f, "\n{name:first$}")?;
            for (prediction, &width) in widths.iter().enumerate() {
                write!(f, "  {:>width$}", self.count(label, prediction))?;
            }
            match self.recall(label) {
                Some(recall) => write!(f, "  {:>4.0} %", 100.0 * recall)?,
                None => write!(f, "  {:>6}", "-")?,
            }
        }
        Ok(())
    }
}

/// Refuses none at all, and two numbers that differ.
pub(super) fn check_lengths(expected: usize, found: usize, what: &'static str) -> Result<(), Error> {
    if expected == 0 {
        return Err(Error::Empty { what: "samples to judge" });
    }
    if expected != found { Err(Error::Count { what, expected, found }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_wilson() {
        // Newcombe (1998), table I: 81 of 263, and 0 of 20.
        for (correct, total, low, high) in
            [(81, 263, 0.2553, 0.3662), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0)]
        {
            let interval = Accuracy { correct, total }.interval();
            assert!((interval.0 - low).abs() < 5e-5 && (interval.1 - high).abs() < 5e-5, "{interval:?}");
        }
        let text = Accuracy { correct: 81, total: 263 }.to_string();
        assert_eq!(text, "30.8 % (81 of 263; 95 % interval 25.5 to 36.6 %)");
    }

    #[test]
    fn a_matrix_counts_and_prints() {
        let names = ["yin", "yang", "dot"].map(str::to_owned);
        let matrix = ConfusionMatrix::new(&[0, 0, 1, 1, 1], &[0, 1, 1, 1, 2], &names).unwrap();
        assert_eq!((matrix.count(0, 1), matrix.count(1, 2), matrix.count(2, 2)), (1, 1, 0));
        assert_eq!(matrix.accuracy(), Accuracy { correct: 3, total: 5 });
        assert_eq!((matrix.recall(0), matrix.recall(2)), (Some(0.5), None));
        let expected = "true \\ predicted  yin  yang  dot  recall\n\
                        yin                 1     1    0    50 %\n\
                        yang                0     2    1    67 %\n\
                        dot                 0     0    0       -";
        assert_eq!(matrix.to_string(), expected);
    }

    #[test]
    fn labels_are_checked() {
        assert!(Accuracy::of(&[], &[]).is_err());
        assert!(Accuracy::of(&[0], &[0, 1]).is_err());
        let names = ["a".to_owned()];
        let error = ConfusionMatrix::new(&[0, 0], &[0, 1], &names).unwrap_err().to_string();
        assert_eq!(error, "sample 1: label 1 is not a class: there are 1 classes, counted from 0");
    }
}
