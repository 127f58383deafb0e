//! How well a network answers: held-out trials, three classes, and nothing that could flatter. The same for gated networks
//! and for the baselines.

use rayon::prelude::*;
use spikegrad::network::{Network, SplitStep, Trial};
use spikegrad::tasks::delayed_xor::{Answer, DelayedXor};
use spikegrad::tasks::{Purpose, Task, TrainingStage, generator};

use crate::Error;
use crate::baselines::Model;

/// What a network does on a trial.
pub(super) struct Response {
    /// The output at every sample.
    pub(super) output: Vec<f32>,
    /// Spikes of all neurons.
    pub(super) spikes: usize,
}

/// Whoever answers cues.
pub(super) trait Responder: Sync {
    /// The response to a trial.
    fn respond(&self, trial: &Trial<f32>) -> Result<Response, Error>;
    /// Number of neurons or units.
    fn neurons(&self) -> usize;
}

/// A gated network with the step at which it was trained, ms.
#[derive(Clone, Debug)]
pub(super) struct Gated {
    pub(super) network: Network<f32>,
    pub(super) h: f64,
}

impl Responder for Gated {
    fn respond(&self, trial: &Trial<f32>) -> Result<Response, Error> {
        let scheme = SplitStep::new(&self.network, self.h).map_err(Error::experiment)?;
        let run = scheme.run(trial, &spikegrad::network::NoLoss).map_err(Error::experiment)?;
        let mut response = Response { output: Vec::with_capacity(trial.samples), spikes: 0 };
        let watched = run.watch(|_, _, tape| {
            run.last_spikes(tape, |_, count| response.spikes += count as usize);
            response.output.push(run.last_output(tape)[0]);
        });
        watched.map(|_| response).map_err(Error::experiment)
    }

    fn neurons(&self) -> usize {
        self.network.neurons()
    }
}

impl<M: Model> Responder for M {
    fn respond(&self, trial: &Trial<f32>) -> Result<Response, Error> {
        let (output, spikes) = Model::respond(self, trial).map_err(Error::experiment)?;
        Ok(Response { output, spikes })
    }

    fn neurons(&self) -> usize {
        self.units()
    }
}

/// What came of a set of held-out trials.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Scores {
    /// Cues by the answer that was right and the one that was given, in the order of [`Answer::ALL`].
    pub(super) confusion: [[usize; 3]; 3],
    /// Squared error against the desired output over whole trials, and what it is for an output that stays silent.
    pub(super) error: f64,
    pub(super) silence: f64,
    pub(super) spikes: usize,
    /// Neurons times seconds.
    pub(super) neuron_seconds: f64,
}

impl Scores {
    fn add(mut self, other: &Self) -> Self {
        for (row, others) in self.confusion.iter_mut().zip(&other.confusion) {
            row.iter_mut().zip(others).for_each(|(a, b)| *a += b);
        }
        self.error += other.error;
        self.silence += other.silence;
        self.spikes += other.spikes;
        self.neuron_seconds += other.neuron_seconds;
        self
    }

    /// Cues, and those answered rightly.
    pub(super) fn cues(&self) -> (usize, usize) {
        let right = (0..3).map(|k| self.confusion[k][k]).sum();
        (self.confusion.iter().flatten().sum(), right)
    }

    /// The part of cues answered rightly.
    pub(super) fn accuracy(&self) -> f64 {
        let (all, right) = self.cues();
        right as f64 / all as f64
    }

    /// Cues of a class, and those answered rightly.
    pub(super) fn class(&self, class: usize) -> (usize, usize) {
        (self.confusion[class].iter().sum(), self.confusion[class][class])
    }

    /// The accuracy of the class that is answered worst, of those that occurred; no number if none did.
    pub(super) fn worst_class(&self) -> f64 {
        let accuracies = (0..3).map(|k| self.class(k)).filter(|c| c.0 > 0).map(|c| c.1 as f64 / c.0 as f64);
        accuracies.reduce(f64::min).unwrap_or(f64::NAN)
    }

    /// Squared error over whole trials as a part of what silence has.
    pub(super) fn error_ratio(&self) -> f64 {
        self.error / self.silence
    }

    /// Mean rate, Hz.
    pub(super) fn rate(&self) -> f64 {
        self.spikes as f64 / self.neuron_seconds
    }
}

/// The confidence interval of a part `right` of `all` at 95 % (Wilson 1927).
pub(super) fn wilson((all, right): (usize, usize)) -> [f64; 2] {
    const Z: f64 = 1.959_963_984_540_054;
    if all == 0 {
        return [0.0, 1.0];
    }
    let (n, p) = (all as f64, right as f64 / all as f64);
    let centre = p + Z * Z / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    [-1.0, 1.0].map(|sign| ((centre + sign * spread) / (1.0 + Z * Z / n)).clamp(0.0, 1.0))
}

/// Where held-out trials come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    seed: u64,
    purpose: Purpose,
    /// The index of the first trial.
    first: u64,
}

impl Draw {
    /// The held-out trials that judge networks.
    pub(super) fn test(seed: u64) -> Self {
        Self { seed, purpose: Purpose::Test, first: 0 }
    }

    /// The trials that confirm, before any test, what training has found: trials of validation beyond those that steer training.
    pub(super) fn confirmation(seed: u64) -> Self {
        Self { seed, purpose: Purpose::Validation, first: 1 << 32 }
    }
}

/// Runs `trials` held-out trials of `task`, whose weights do not matter here.
pub(super) fn score(
    responder: &dyn Responder,
    task: &DelayedXor<f32>,
    trials: usize,
    draw: Draw,
) -> Result<Scores, Error> {
    let each = (0..trials).into_par_iter().map(|index| {
        let rng = &mut generator(draw.seed, draw.purpose, draw.first + index as u64);
        let trial = task.trial(TrainingStage::held_out(draw.purpose, index), rng);
        let response = responder.respond(&trial)?;
        Ok(judge(task, &trial, &response, responder.neurons()))
    });
    let each = each.collect::<Result<Vec<_>, Error>>()?;
    // In order: the sums do not depend on the number of threads.
    Ok(each.iter().fold(Scores::default(), Scores::add))
}

fn judge(task: &DelayedXor<f32>, trial: &Trial<f32>, response: &Response, neurons: usize) -> Scores {
    let mut scores = Scores {
        spikes: response.spikes,
        neuron_seconds: neurons as f64 * trial.duration() * 1e-3,
        ..Scores::default()
    };
    let place = |answer: Answer| Answer::ALL.iter().position(|a| *a == answer).unwrap_or(0);
    for (answered, right) in task.answers(trial, &response.output) {
        scores.confusion[place(right)][place(answered)] += 1;
    }
    for (&o, &d) in response.output.iter().zip(&trial.targets) {
        scores.error += f64::from(o - d).powi(2);
        scores.silence += f64::from(d).powi(2);
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every cue as `answer` says, by looking at the target.
    struct Oracle(fn(Answer) -> Answer);

    impl Responder for Oracle {
        fn respond(&self, trial: &Trial<f32>) -> Result<Response, Error> {
            let sign = |target: f32| {
                Answer::of(f64::from(10.0 * target.signum()) * f64::from(u8::from(target != 0.0)))
            };
            let output = trial.targets.iter().map(|&d| d.abs() * self.0(sign(d)).sign() as f32).collect();
            Ok(Response { output, spikes: 50 })
        }
        fn neurons(&self) -> usize {
            2
        }
    }

    #[test]
    fn right_answers_wrong_ones_and_silence_are_told_apart() {
        let task = DelayedXor::<f32> { stream: (2, 2), ..DelayedXor::default() };
        let right = score(&Oracle(|a| a), &task, 50, Draw::test(1)).unwrap();
        assert_eq!((right.cues(), right.accuracy(), right.worst_class()), ((100, 100), 1.0, 1.0));
        assert_eq!(right.error_ratio(), 0.0);
        assert!(right.rate() > 10.0 && right.rate() < 50.0);

        let silent = score(&Oracle(|_| Answer::Nothing), &task, 50, Draw::test(1)).unwrap();
        let null = right.class(1).0;
        assert_eq!(silent.cues(), (100, null));
        assert_eq!((silent.worst_class(), silent.error_ratio()), (0.0, 1.0));

        let swapped = |a| match a {
            Answer::Same => Answer::Opposite,
            Answer::Opposite => Answer::Same,
            Answer::Nothing => Answer::Nothing,
        };
        let wrong = score(&Oracle(swapped), &task, 50, Draw::test(1)).unwrap();
        assert_eq!(wrong.confusion[0][2], right.confusion[0][0]);
        assert!((wrong.error_ratio() - 4.0).abs() < 1e-5);
    }

    #[test]
    fn a_score_over_nothing_is_no_number() {
        let nothing = Scores::default();
        assert!(nothing.accuracy().is_nan() && nothing.worst_class().is_nan());
        assert!(nothing.error_ratio().is_nan() && nothing.rate().is_nan());
    }

    #[test]
    fn confidence_intervals_are_wilsons() {
        // Published worked example: 81 of 263.
        let [low, high] = wilson((263, 81));
        assert!((low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4, "{low} {high}");
        let [low, high] = wilson((1000, 1000));
        assert!(low > 0.996 && high == 1.0);
        assert_eq!(wilson((0, 0)), [0.0, 1.0]);
    }
}
