//! A task of a finite number of trials, such as those of a data set: passed through in a new random order in every epoch, with
//! parts of their own for validation and test.

use std::iter::once;
use std::sync::Mutex;

use rand_chacha::ChaCha8Rng;
use spikegrad_data::epoch_order;
use spikegrad_network::{Loss, Recording, Scalar, Trial};

use crate::origin::trial_numbers;
use crate::{Error, Purpose, Score, Task, TrainingStage};
use spikegrad_training::fingerprint;

/// What is read from a run, and how well it fits the trial.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// The class with the largest score. A trial has the score 1 if it is the class with the largest entry of the label, 0 otherwise.
    Class(Score),
    /// A value for each score, as in the label. A trial has the score minus their mean squared error.
    Values(Score),
    /// The outputs at every sample, as in the targets. A trial has the score minus their mean squared error, by the samples' weights.
    Series,
    /// Nothing but the cost. A trial has the score minus its cost.
    Cost,
}

impl Reading {
    /// What is read from a run: the scores of classes, values, or the outputs at the end of each sample, `samples x outputs`.
    pub fn read<T: Scalar>(&self, trial: &Trial<T>, recording: &Recording<T>) -> Vec<f64> {
        match self {
            Self::Class(score) | Self::Values(score) => score.of_recording(trial, recording),
            Self::Series => sampled(trial, recording),
            Self::Cost => vec![recording.cost.to_subset_unchecked()],
        }
    }

    /// The class of scores, or of a label: the index of the largest number, of the first one where several are; `None` if there is none or
    /// one is not a number.
    pub fn class_of(numbers: &[f64]) -> Option<usize> {
        if numbers.iter().any(|x| x.is_nan()) {
            return None;
        }
        (0..numbers.len()).reduce(|best, i| if numbers[i] > numbers[best] { i } else { best })
    }

    /// How well what was read fits the trial; the larger the better.
    pub fn score<T: Scalar>(&self, trial: &Trial<T>, read: &[f64]) -> f64 {
        let wide = |x: &T| -> f64 { x.to_subset_unchecked() };
        match self {
            Self::Class(_) => {
                let label: Vec<f64> = trial.label.iter().map(wide).collect();
                let class = Self::class_of(read);
                f64::from(class.is_some() && class == Self::class_of(&label))
            }
            Self::Values(_) => {
                let squares = read.iter().zip(&trial.label).map(|(z, d)| (z - wide(d)).powi(2));
                -squares.sum::<f64>() / read.len() as f64
            }
            Self::Series => {
                let outputs = read.len() / trial.samples.max(1);
                let weight = |m: usize| trial.weights.get(m).map_or(1.0, wide);
                let (mut sum, mut whole) = (0.0, 0.0);
                let samples = read.chunks(outputs.max(1)).zip(trial.targets.chunks(outputs.max(1)));
                for (m, (read, target)) in samples.enumerate() {
                    let squares = read.iter().zip(target).map(|(o, d)| (o - wide(d)).powi(2));
                    sum += weight(m) * squares.sum::<f64>() / outputs as f64;
                    whole += weight(m);
                }
                -sum / whole
            }
            Self::Cost => -read.iter().sum::<f64>(),
        }
    }
}

/// The outputs at the end of each sample.
fn sampled<T: Scalar>(trial: &Trial<T>, recording: &Recording<T>) -> Vec<f64> {
    let steps = recording.time.len();
    let outputs = recording.output.len().checked_div(steps).unwrap_or(0);
    let ends = (1..=trial.samples).map(|m| m * steps / trial.samples);
    let at = |end: usize| &recording.output[end.saturating_sub(1) * outputs..end * outputs];
    ends.filter(|&end| end > 0).flat_map(at).map(|o| o.to_subset_unchecked()).collect()
}

/// A task of a finite number of trials: in training, those of the training part in a new random order in every epoch, which depends on the
/// seed and the epoch alone; [evaluated](crate::evaluate), those of any part in order.
///
/// ```
/// use spikegrad_network::Trial;
/// use spikegrad_tasks::{CrossEntropy, DatasetTask, Purpose, Reading, Score, Task, TrainingStage, generator};
///
/// let trial = |class: usize| {
///     let mut trial = Trial::<f64>::silent(20, 1.0, 1);
///     trial.inputs.fill(class as f64);
///     trial.label = vec![0.0; 2];
///     trial.label[class] = 1.0;
///     trial
/// };
/// let training: Vec<_> = (0..10).map(|i| trial(i % 2)).collect();
/// let loss = CrossEntropy { of: Score::Mean, smoothing: 0.0 };
/// let task = DatasetTask::new(training, vec![trial(0)], vec![trial(1)], loss, Reading::Class(Score::Mean), 1);
/// // Ten trials are an epoch: each of them comes once.
/// let epoch = (0..10).map(|b| task.trial(TrainingStage::training(0, 1, 10, b), &mut generator(1, Purpose::Training, 0)));
/// assert_eq!(epoch.filter(|trial| trial.label[0] == 1.0).count(), 5);
/// ```
pub struct DatasetTask<T> {
    training: Vec<Trial<T>>,
    validation: Vec<Trial<T>>,
    test: Vec<Trial<T>>,
    loss: Box<dyn Loss<T> + Send>,
    reading: Reading,
    seed: u64,
    /// An epoch, and its order.
    order: Mutex<(u64, Vec<usize>)>,
}

impl<T: Scalar> DatasetTask<T> {
    /// The task of these parts. `seed` is that of the orders.
    pub fn new(
        training: Vec<Trial<T>>,
        validation: Vec<Trial<T>>,
        test: Vec<Trial<T>>,
        loss: impl Loss<T> + Send + 'static,
        reading: Reading,
        seed: u64,
    ) -> Self {
        let order = Mutex::new((0, epoch_order(training.len(), seed, 0)));
        Self { training, validation, test, loss: Box::new(loss), reading, seed, order }
    }

    /// The trials of a part, in order; none for [`Purpose::Initialisation`].
    pub fn part(&self, purpose: Purpose) -> &[Trial<T>] {
        match purpose {
            Purpose::Training => &self.training,
            Purpose::Validation => &self.validation,
            Purpose::Test => &self.test,
            Purpose::Initialisation => &[],
        }
    }

    /// What is read from a run.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The number of iterations of so many epochs, which may be broken, in batches of `batch` trials; at least one.
    pub fn iterations(&self, epochs: f64, batch: usize) -> usize {
        ((epochs * self.training.len() as f64 / batch.max(1) as f64).ceil() as usize).max(1)
    }

    /// Which trial of the training part is number `index` of all that training asks for.
    fn place(&self, index: u64) -> usize {
        let length = self.training.len() as u64;
        let epoch = index / length;
        // A thread that panicked while it held the lock left a whole order behind.
        let mut order = self.order.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if order.0 != epoch {
            *order = (epoch, epoch_order(self.training.len(), self.seed, epoch));
        }
        order.1[(index % length) as usize]
    }
}

impl<T: Scalar> Task<T> for DatasetTask<T> {
    /// # Errors
    /// [`Error::NoTrials`] for a training part without trials.
    fn check(&self) -> Result<(), Error> {
        if self.training.is_empty() { Err(Error::NoTrials { part: "training" }) } else { Ok(()) }
    }

    /// The fingerprint of all trials of all parts: each of them influences the training.
    fn fingerprint(&self) -> u32 {
        // A trial that moves from one part to the next makes another task.
        let parts = [&self.training, &self.validation, &self.test].into_iter();
        fingerprint(parts.flat_map(|part| once(part.len() as f64).chain(part.iter().flat_map(trial_numbers))))
    }

    /// A trial of the part; a silent one of no sample, which every run refuses, where the part has none.
    fn trial(&self, stage: TrainingStage, _: &mut ChaCha8Rng) -> Trial<T> {
        let part = self.part(stage.purpose);
        if part.is_empty() {
            return Trial::silent(0, 1.0, 0);
        }
        let place = match stage.purpose {
            Purpose::Training if !stage.is_held_out() => self.place(stage.index),
            _ => (stage.index % part.len() as u64) as usize,
        };
        part[place].clone()
    }

    fn loss(&self) -> &dyn Loss<T> {
        &*self.loss
    }

    fn score(&self, trial: &Trial<T>, recording: &Recording<T>) -> f64 {
        self.reading.score(trial, &self.reading.read(trial, recording))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CrossEntropy, generator};

    /// Trials that are told apart by their input.
    fn trials(count: usize) -> Vec<Trial<f64>> {
        let trial =
            |i: usize| Trial { inputs: vec![i as f64], label: vec![1.0, 0.0], ..Trial::silent(1, 1.0, 1) };
        (0..count).map(trial).collect()
    }

    fn task(training: usize) -> DatasetTask<f64> {
        let loss = CrossEntropy { of: Score::Mean, smoothing: 0.0 };
        DatasetTask::new(trials(training), trials(3), trials(2), loss, Reading::Class(Score::Mean), 7)
    }

    fn asked(task: &DatasetTask<f64>, stage: TrainingStage) -> usize {
        task.trial(stage, &mut generator(1, stage.purpose, 0)).inputs[0] as usize
    }

    #[test]
    fn every_trial_comes_once_an_epoch_in_a_new_order() {
        let task = task(10);
        // Batches of four: the third one reaches into the next epoch.
        let seen: Vec<usize> = (0..10)
            .flat_map(|iteration| (0..4).map(move |b| TrainingStage::training(iteration, 10, 4, b)))
            .map(|stage| asked(&task, stage))
            .collect();
        let epochs: Vec<&[usize]> = seen.chunks(10).collect();
        for epoch in &epochs {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(epochs[0], epochs[1]);
        // Whoever asks in another order gets the same trials.
        for (k, &trial) in seen.iter().enumerate().rev() {
            assert_eq!(asked(&task, TrainingStage::training(k / 4, 10, 4, k % 4)), trial);
        }
        assert_eq!((task.iterations(2.0, 4), task.iterations(0.1, 4), task.iterations(1.5, 4)), (5, 1, 4));
    }

    #[test]
    fn parts_are_kept_apart() {
        let task = task(10);
        let held_out =
            |purpose| (0..4).map(|i| asked(&task, TrainingStage::held_out(purpose, i))).collect::<Vec<_>>();
        assert_eq!(held_out(Purpose::Validation), [0, 1, 2, 0]);
        assert_eq!(held_out(Purpose::Test), [0, 1, 0, 1]);
        // Where nothing is trained on them, those of the training part come in order too.
        assert_eq!(held_out(Purpose::Training), [0, 1, 2, 3]);
        let none = self::task(0);
        assert!(matches!(none.check(), Err(Error::NoTrials { part: "training" })));
        assert_eq!(
            none.trial(TrainingStage::training(0, 1, 1, 0), &mut generator(1, Purpose::Training, 0)).samples,
            0
        );
    }

    #[test]
    fn every_trial_of_every_part_is_in_the_fingerprint() {
        let print = task(10).fingerprint();
        for part in 0..3 {
            let mut other = task(10);
            let trials = [&mut other.training, &mut other.validation, &mut other.test][part].last_mut();
            trials.expect("a trial").label[1] = 0.5;
            assert_ne!(other.fingerprint(), print);
        }
        assert_ne!(task(9).fingerprint(), print);
        assert_eq!(task(10).fingerprint(), print);
    }

    #[test]
    fn readings_are_scored() {
        let mut trial = Trial::<f64>::silent(2, 1.0, 0);
        trial.label = vec![0.0, 1.0, 0.0];
        let class = Reading::Class(Score::Mean);
        assert_eq!(class.score(&trial, &[0.1, 0.2, 0.15]), 1.0);
        assert_eq!(class.score(&trial, &[0.3, 0.2, 0.15]), 0.0);
        // No number is no answer.
        assert_eq!(class.score(&trial, &[f64::NAN, 0.2, 0.15]), 0.0);
        assert_eq!(Reading::Values(Score::Mean).score(&trial, &[1.0, 1.0, 1.0]), -2.0 / 3.0);
        trial.targets = vec![1.0, 2.0];
        assert_eq!(Reading::Series.score(&trial, &[1.0, 4.0]), -2.0);
        trial.weights = vec![1.0, 0.0];
        assert_eq!(Reading::Series.score(&trial, &[3.0, 4.0]), -4.0);
    }
}
