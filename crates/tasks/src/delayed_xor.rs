//! Delayed-memory XOR: two pulses, some time apart, and a go-cue, some time later. The network answers the cue with the
//! exclusive-or of the pulses' signs, so that it has to keep both for as long as the delays last.
//!
//! Source: Huh & Sejnowski (2018), section 3.2.

use std::f64::consts::TAU;
use std::ops::Range;

use nalgebra::RealField;
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use spikegrad_network::{Loss, Recording, Trial};

use crate::Quadratic;
use crate::task::{Stage, Task};

/// What the network should answer to a cue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// A negative pulse: both pulses had the same sign.
    Same,
    /// Nothing: there was one pulse only.
    Nothing,
    /// A positive pulse: the signs were opposite.
    Opposite,
}

impl Answer {
    /// All answers.
    pub const ALL: [Self; 3] = [Self::Same, Self::Nothing, Self::Opposite];

    /// The sign of the pulse, 0 for none.
    pub fn sign(self) -> f64 {
        match self {
            Self::Same => -1.0,
            Self::Nothing => 0.0,
            Self::Opposite => 1.0,
        }
    }

    /// The answer that an output gives whose projection on the response pulse is `projection`: thresholds at -0.5 and 0.5.
    pub fn of(projection: f64) -> Self {
        match projection {
            p if p > 0.5 => Self::Opposite,
            p if p < -0.5 => Self::Same,
            _ => Self::Nothing,
        }
    }
}

/// When the cue of an episode comes that has one pulse only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Timing {
    /// A random delay after the last pulse: earlier than with two pulses.
    Standard,
    /// When it would have come if there had been a second pulse, so that time alone tells nothing.
    Controlled,
}

/// One episode: one or two pulses, and a cue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Episode {
    /// Silence before the first pulse, ms.
    pub lead: f64,
    /// Sign of the first pulse.
    pub first: f64,
    /// Silence between the first pulse and the place of the second, ms.
    pub gap: f64,
    /// Sign of the second pulse; 0 for none.
    pub second: f64,
    /// Silence between the last pulse, or the place of the second, and the cue, ms.
    pub delay: f64,
    /// Whether an episode without a second pulse waits as if there had been one.
    pub timing: Timing,
}

impl Episode {
    /// What the network should answer.
    pub fn answer(&self) -> Answer {
        match self.first * self.second {
            p if p > 0.0 => Answer::Same,
            p if p < 0.0 => Answer::Opposite,
            _ => Answer::Nothing,
        }
    }

    /// For how long the first pulse has to be kept: from its end to the cue, ms.
    pub fn memory(&self, task: &DelayedXor<impl RealField + Copy>) -> f64 {
        if self.second == 0.0 && self.timing == Timing::Standard {
            self.delay
        } else {
            self.gap + task.pulse + self.delay
        }
    }
}

/// A cue of a trial and what should follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    /// Samples in which the response pulse lies.
    pub window: Range<usize>,
    /// The answer that is right.
    pub answer: Answer,
}

/// The delayed-memory XOR task: inputs are pulses of -1 or 1 (channel 0) and go-cues of 1 (channel 1), the output answers
/// each cue.
///
/// ```
/// use spikegrad_tasks::delayed_xor::{Answer, DelayedXor};
/// use spikegrad_tasks::{Purpose, generator};
///
/// let task = DelayedXor::<f64>::default();
/// let mut rng = generator(1, Purpose::Training, 0);
/// let episodes = task.episodes(3, &mut rng);
/// let trial = task.trial_of(&episodes);
/// let answers: Vec<Answer> = task.cues(&trial).into_iter().map(|cue| cue.answer).collect();
/// assert_eq!(answers, episodes.iter().map(|e| e.answer()).collect::<Vec<_>>());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DelayedXor<T> {
    /// Sample interval, ms.
    pub interval: f64,
    /// Silence before the first pulse of an episode, ms.
    pub lead: Range<f64>,
    /// Length of an input pulse, ms.
    pub pulse: f64,
    /// Silence between pulses, ms.
    pub gap: Range<f64>,
    /// Silence before the cue, ms.
    pub delay: Range<f64>,
    /// Length of the cue, ms.
    pub cue: f64,
    /// From the beginning of the cue to that of the response pulse, ms.
    pub latency: f64,
    /// Length of the response pulse, a raised cosine of height 1, ms.
    pub response: f64,
    /// Silence after the last response, ms.
    pub tail: f64,
    /// Part of episodes that have one pulse only.
    pub single: f64,
    /// How many episodes in a row a training or test trial has, at least and at most.
    pub stream: (usize, usize),
    /// Part of trials whose cue's timing tells nothing about the number of pulses ([`Timing::Controlled`]).
    pub controlled: f64,
    /// Weight in the loss of samples outside the response windows, at the first and at the last level of training.
    pub outside: (f64, f64),
    /// Squared error, and synaptic activity.
    pub loss: Quadratic<T>,
}

impl<T: RealField + Copy> Default for DelayedXor<T> {
    /// Single episodes, pulses and cue of 50 ms, delays between 100 and 250 ms, a response of 100 ms, a quarter of
    /// episodes with one pulse; equal weights.
    fn default() -> Self {
        Self {
            interval: 1.0,
            lead: 30.0..80.0,
            pulse: 50.0,
            gap: 100.0..250.0,
            delay: 100.0..250.0,
            cue: 50.0,
            latency: 20.0,
            response: 100.0,
            tail: 30.0,
            single: 0.25,
            stream: (1, 1),
            controlled: 0.0,
            outside: (1.0, 1.0),
            loss: Quadratic { lambda: T::zero() },
        }
    }
}

impl<T: RealField + Copy> DelayedXor<T> {
    /// Random episodes of one stream, all of one [`Timing`].
    pub fn episodes(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<Episode> {
        let timing =
            if rng.random::<f64>() < self.controlled { Timing::Controlled } else { Timing::Standard };
        (0..count).map(|_| self.episode(timing, rng)).collect()
    }

    fn episode(&self, timing: Timing, rng: &mut ChaCha8Rng) -> Episode {
        let mut sign = || if rng.random::<bool>() { 1.0 } else { -1.0 };
        let (first, second) = (sign(), sign());
        let second = if rng.random::<f64>() < self.single { 0.0 } else { second };
        let mut between = |range: &Range<f64>| self.whole(uniform(range, rng));
        let (lead, gap, delay) = (between(&self.lead), between(&self.gap), between(&self.delay));
        Episode { lead, first, gap, second, delay, timing }
    }

    /// The nearest whole number of samples, in ms.
    fn whole(&self, time: f64) -> f64 {
        (time / self.interval).round() * self.interval
    }

    /// The trial that presents these episodes in a row.
    pub fn trial_of(&self, episodes: &[Episode]) -> Trial<T> {
        let samples = |time: f64| (time / self.interval).round() as usize;
        let length = |e: &Episode| e.lead + self.pulse + e.memory(self) + self.latency + self.response;
        let total = samples(episodes.iter().map(length).sum::<f64>() + self.tail);
        let mut trial = Trial::silent(total, self.interval, 2);
        trial.targets = vec![T::zero(); total];
        let mut at = 0;
        for episode in episodes {
            let mut present = |from: usize, time: f64, channel: usize, value: f64| {
                for n in from..from + samples(time) {
                    trial.inputs[2 * n + channel] = T::from_subset(&value);
                }
                from + samples(time)
            };
            let end = present(at + samples(episode.lead), self.pulse, 0, episode.first);
            let cue = end + samples(episode.memory(self));
            if episode.second != 0.0 {
                present(end + samples(episode.gap), self.pulse, 0, episode.second);
            }
            present(cue, self.cue, 1, 1.0);
            at = cue + samples(self.latency);
            for (n, &shape) in self.response_pulse::<T>().iter().enumerate() {
                trial.targets[at + n] = shape * T::from_subset(&episode.answer().sign());
            }
            at += samples(self.response);
        }
        trial.scale = trial.duration();
        trial
    }

    /// The response pulse, sample by sample: a raised cosine of height 1.
    fn response_pulse<U: RealField + Copy>(&self) -> Vec<U> {
        let samples = (self.response / self.interval).round() as usize;
        let phase = |n: usize| (n as f64 + 0.5) / samples as f64;
        (0..samples).map(|n| U::from_subset(&(0.5 - 0.5 * (TAU * phase(n)).cos()))).collect()
    }

    /// The cues of a trial, found in its inputs and targets.
    pub fn cues(&self, trial: &Trial<T>) -> Vec<Cue> {
        let half = T::from_subset(&0.5);
        let (latency, response) = (self.latency / self.interval, self.response / self.interval);
        let on = |n: usize| trial.inputs[2 * n + 1] > half;
        let onsets = (0..trial.samples).filter(|&n| on(n) && (n == 0 || !on(n - 1)));
        let windows = onsets.map(|n| {
            let start = n + latency.round() as usize;
            start..start + response.round() as usize
        });
        let cue = |window: Range<usize>| {
            let answer = Answer::of(self.projection(&trial.targets, &window));
            Cue { window, answer }
        };
        windows.filter(|w| w.end <= trial.samples).map(cue).collect()
    }

    /// The projection of an output, one value a sample, on the response pulse in a window: 1 for the pulse itself.
    pub fn projection(&self, output: &[T], window: &Range<usize>) -> f64 {
        let (mut product, mut power) = (0.0, 0.0);
        for (&o, shape) in output[window.clone()].iter().zip(self.response_pulse::<f64>()) {
            let o: f64 = o.to_subset_unchecked();
            product += o * shape;
            power += shape * shape;
        }
        product / power
    }

    /// What the output answers to each cue of a trial, beside what is right: `(answered, right)`.
    pub fn answers(&self, trial: &Trial<T>, output: &[T]) -> Vec<(Answer, Answer)> {
        let answered = |cue: &Cue| Answer::of(self.projection(output, &cue.window));
        self.cues(trial).iter().map(|cue| (answered(cue), cue.answer)).collect()
    }
}

fn uniform(range: &Range<f64>, rng: &mut impl Rng) -> f64 {
    range.start + (range.end - range.start) * rng.random::<f64>()
}

impl<T: RealField + Copy> Task<T> for DelayedXor<T> {
    fn trial(&self, stage: Stage, rng: &mut ChaCha8Rng) -> Trial<T> {
        let (least, most) = self.stream;
        let count = if least < most { rng.random_range(least..=most) } else { least };
        let mut trial = self.trial_of(&self.episodes(count, rng));
        let outside = self.outside.0 + (self.outside.1 - self.outside.0) * stage.progress();
        if outside != 1.0 {
            trial.weights = vec![T::from_subset(&outside); trial.samples];
            for cue in self.cues(&trial) {
                trial.weights[cue.window].fill(T::one());
            }
        }
        trial
    }

    fn loss(&self) -> &dyn Loss<T> {
        &self.loss
    }

    /// The part of cues that are answered rightly.
    fn score(&self, trial: &Trial<T>, recording: &Recording<T>) -> f64 {
        let answers = self.answers(trial, &recording.output);
        answers.iter().filter(|(answered, right)| answered == right).count() as f64 / answers.len() as f64
    }
}
