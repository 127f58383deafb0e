//! Delayed-memory XOR: two pulses, some time apart, and a go-cue, some time later. The network answers the cue with the
//! exclusive-or of the pulses' signs, so that it has to keep both for as long as the delays last.
//!
//! Source: Huh & Sejnowski (2018), section 3.2.

use std::f64::consts::TAU;
use std::ops::Range;

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use spikegrad_models::{GateShape, Theta};
use spikegrad_network::{Group, Loss, Network, Population, Recording, Scalar, Trial};

use crate::task::{MOST_NUMBERS, Task};
use crate::{
    Clip, Error, LearningRate, Pull, QuadraticLoss, Schedule, TrainingOptions, UpdateRule, Validation,
};
use crate::{Purpose, TrainingStage, generator};

/// Trials over which the pairs of pulses are dealt out.
const PATTERNS: usize = 8;

/// Number of neurons of [`DelayedXor::network`].
const NEURONS: usize = 80;

/// The first of them, which the cue switches on and which keeps itself on.
const RELAY: usize = 0;

/// The next one, which the first relay switches on after some time and which keeps itself on.
const SECOND_RELAY: usize = 1;

/// The next one, which the second relay switches on after some time and which switches all others off.
const CLEARING: usize = 2;

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
    pub fn memory(&self, task: &DelayedXor<impl Scalar>) -> f64 {
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

/// How training grows harder from the first level, 0, to the last, 1: first the delays grow, then the weight of the time
/// outside the response windows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curriculum {
    /// What gaps and delays are multiplied by at first, at most 1. Pulses close together are easily told apart, and memory then has to
    /// be stretched only; at full length from the start networks do not find the difference between two pulses of one
    /// sign and one alone for thousands of iterations.
    pub shorten: f64,
    /// Weight in the loss of samples outside the response windows at first and at last. A small weight at first keeps networks
    /// from staying silent; an equal one at last makes the squared error of the whole trial small.
    pub outside: (f64, f64),
    /// The level at which gaps and delays have their full length.
    pub stretched: f64,
}

impl Default for Curriculum {
    /// From 0.15 of the length over six tenths of the levels, then from a weight of 0.3 to 1.
    fn default() -> Self {
        Self { shorten: 0.15, outside: (0.3, 1.0), stretched: 0.6 }
    }
}

impl Curriculum {
    /// What gaps and delays are multiplied by, and the weight outside the response windows.
    fn at(&self, level: f64) -> (f64, f64) {
        let (first, second) = (level / self.stretched, (level - self.stretched) / (1.0 - self.stretched));
        let between = |start: f64, end: f64, part: f64| start * (end / start).powf(part.clamp(0.0, 1.0));
        (between(self.shorten, 1.0, first), between(self.outside.0, self.outside.1, second))
    }
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
/// let trial = task.trial_of(&episodes)?;
/// let answers: Vec<Answer> = task.cues(&trial).into_iter().map(|cue| cue.answer).collect();
/// assert_eq!(answers, episodes.iter().map(|e| e.answer()).collect::<Vec<_>>());
/// # Ok::<(), spikegrad_tasks::Error>(())
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
    /// How training grows harder with its level.
    pub curriculum: Curriculum,
    /// Squared error, and synaptic activity.
    pub loss: QuadraticLoss<T>,
}

impl<T: Scalar> Default for DelayedXor<T> {
    /// Single episodes, pulses and cue of 50 ms, delays between 100 and 250 ms, a response of 100 ms, a quarter of
    /// episodes with one pulse, half the trials with controlled timing.
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
            controlled: 0.5,
            curriculum: Curriculum::default(),
            loss: QuadraticLoss { lambda: T::from_subset(&0.003) },
        }
    }
}

impl<T: Scalar> DelayedXor<T> {
    /// Streams of one to three episodes. The time outside the response windows gains less weight than in single episodes, 0.4:
    /// at equal weights networks lose answers to streams that they had learned.
    pub fn streams() -> Self {
        let task = Self::default();
        let curriculum = Curriculum { outside: (0.3, 0.4), ..task.curriculum };
        Self { stream: (1, 3), curriculum, ..task }
    }

    /// The network to be trained: 80 theta neurons (`tau_v` 25 ms) with slow (20 ms) and fast (5 ms) synapses.
    ///
    /// Every neuron is connected to itself strongly enough to be nearly bistable, silent or firing at some 60 Hz: it keeps a
    /// pulse for hundreds of ms, while the weak connections to others leave the network far from chaos. It is the spiking
    /// counterpart of the identity initialisation of rate networks (Le, Jaitly & Hinton 2015).
    ///
    /// For streams such a memory has to be cleared once it has been asked for. The first neuron is then a relay that the cue
    /// switches on; it charges the slow synapse of a second relay until that switches on in turn, and this one that of a third
    /// neuron, which clears: it fires some 95 ms after the cue began and inhibits all others, the relays as well, through fast
    /// and slow synapses. That is late enough for the answer, and leaves the first pulse of the next episode a silent network.
    /// Nothing else reaches these three, and what reaches them is not trained: they keep their time. What the third one does
    /// to the others is trained.
    ///
    /// # Errors
    /// If one of the task's own numbers, or the gate's width, is out of its domain.
    pub fn network(&self, width: f64, seed: u64) -> Result<Network<f64>, Error> {
        self.check()?;
        let theta = Population::new("theta", Theta { tau_v: 25.0 }, NEURONS, GateShape::RaisedCosine, width);
        let builder = Network::builder().population(theta).synapse("slow", 20.0).synapse("fast", 5.0);
        let mut network = builder.inputs(2).outputs(1).build()?;
        let mut rng = generator(seed, Purpose::Initialisation, 0);
        let mut normal = |mean: f64, deviation: f64| {
            let x: f64 = StandardNormal.sample(&mut rng);
            mean + deviation * x
        };
        let parameters = &mut network.parameters;
        let weak = 0.05 / (NEURONS as f64).sqrt();
        for class in 0..2 {
            parameters.weight_mut(class).iter_mut().for_each(|w| *w = normal(0.0, weak));
        }
        for i in 0..NEURONS {
            parameters.weight_mut(0)[(i, i)] += normal(0.5, 0.1);
            parameters.bias_mut()[i] = normal(-0.005, 0.003);
            parameters.input_mut()[(i, 0)] = normal(0.0, 0.01);
            parameters.input_mut()[(i, 1)] = normal(0.0, 0.007);
        }
        parameters.group_mut(Group::Initial).fill(0.5);
        if self.has_streams() {
            clear_after_cues(&mut network, normal)?;
        }
        Ok(network)
    }

    /// Whether there is ever more than one episode.
    fn has_streams(&self) -> bool {
        self.stream.1 > 1
    }

    /// Random episodes of one stream, all of one [`Timing`].
    pub fn episodes(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<Episode> {
        self.stretched_episodes(count, 1.0, rng)
    }

    /// The same with gaps and delays times `stretch`.
    fn stretched_episodes(&self, count: usize, stretch: f64, rng: &mut ChaCha8Rng) -> Vec<Episode> {
        let timing =
            if rng.random::<f64>() < self.controlled { Timing::Controlled } else { Timing::Standard };
        (0..count).map(|_| self.episode(timing, stretch, rng)).collect()
    }

    fn episode(&self, timing: Timing, stretch: f64, rng: &mut ChaCha8Rng) -> Episode {
        let mut sign = || if rng.random::<bool>() { 1.0 } else { -1.0 };
        let (first, second) = (sign(), sign());
        let second = if rng.random::<f64>() < self.single { 0.0 } else { second };
        let mut between = |range: &Range<f64>, stretch: f64| self.whole(stretch * uniform(range, rng));
        let lead = between(&self.lead, 1.0);
        let (gap, delay) = (between(&self.gap, stretch), between(&self.delay, stretch));
        Episode { lead, first, gap, second, delay, timing }
    }

    /// Deals out the pairs of pulses over the trials of a batch, so that no batch is all of one kind. Signs and the share of
    /// single pulses stay as they are on average.
    fn balance(&self, episodes: &mut [Episode], stage: TrainingStage, rng: &mut ChaCha8Rng) {
        let signs = |k: usize| if k.is_multiple_of(2) { 1.0 } else { -1.0 };
        for (index, episode) in episodes.iter_mut().enumerate() {
            let shift = if index == 0 { 0 } else { rng.random_range(0..PATTERNS) };
            let k = stage.trial.wrapping_add(stage.iteration).wrapping_add(shift);
            let single = ((k % PATTERNS) as f64) < self.single * PATTERNS as f64;
            let pair = k / PATTERNS + k % PATTERNS;
            (episode.first, episode.second) = (signs(pair), if single { 0.0 } else { signs(pair / 2) });
        }
    }

    /// The nearest whole number of samples, in ms.
    fn whole(&self, time: f64) -> f64 {
        (time / self.interval).round() * self.interval
    }

    /// The recipe: Adam with a learning rate for each group, in the ratio of how much the groups may move, which stay as they are
    /// until some part of the iterations and then fall, and a short memory of the gradient's scale; each trial's gradient
    /// clipped, except the readout's; averaged parameters; validation that leads through the [`Curriculum`], and a way back
    /// where the score falls. For streams, smaller steps; for single episodes, larger batches, which are as many samples.
    pub fn options(&self, iterations: usize, seed: u64) -> TrainingOptions {
        let rate = |group, rate| LearningRate { group, rate };
        let streams = self.has_streams();
        let (weights, batch, hold, slow, fall_below) =
            if streams { (1e-5, 48, 0.3, 0.4, 0.75) } else { (3e-5, 96, 0.25, 0.3, 0.85) };
        TrainingOptions {
            h: self.interval,
            iterations,
            batch,
            seed,
            rule: UpdateRule::Adam { beta_1: 0.9, beta_2: 0.98, epsilon: 1e-8 },
            rates: vec![
                rate(Group::Weight(0), weights),
                rate(Group::Weight(1), weights),
                rate(Group::Readout(0), 1e-2),
                rate(Group::Input, 6e-6),
                rate(Group::Bias, 1.5e-6),
            ],
            pulls: [0, 1].map(|k| Pull { group: Group::Weight(k), part: 5e-4 }).to_vec(),
            schedule: Schedule::HeldCosine { hold, last: 0.03 },
            average: 50,
            clip: Some(Clip { quantile: 0.6, factor: 1.0 }),
            unclipped: vec![Group::Readout(0)],
            validation: Some(Validation {
                every: 25,
                trials: 200,
                rise_at: 0.9,
                fall_below,
                go_back: Some(0.05),
                rise: 0.03,
                slow,
                patience: 200,
            }),
            ..TrainingOptions::default()
        }
    }

    /// The nearest whole number of samples.
    fn samples(&self, time: f64) -> usize {
        (time / self.interval).round() as usize
    }

    /// Samples of an episode.
    fn length(&self, episode: &Episode) -> usize {
        let parts = [episode.lead, self.pulse, episode.memory(self), self.latency, self.response];
        parts.iter().map(|&time| self.samples(time)).sum()
    }

    /// The trial that presents these episodes in a row.
    ///
    /// # Errors
    /// If a time of an episode or one of the task's own numbers is out of its domain.
    pub fn trial_of(&self, episodes: &[Episode]) -> Result<Trial<T>, Error> {
        self.check()?;
        let mut time = self.tail;
        for e in episodes {
            for (option, value) in
                [("episode.lead", e.lead), ("episode.gap", e.gap), ("episode.delay", e.delay)]
            {
                Error::unless(value >= 0.0 && value.is_finite(), option, value, NOT_NEGATIVE)?;
            }
            time += e.lead + self.pulse + e.memory(self) + self.latency + self.response;
        }
        self.check_length(time)?;
        let total = episodes.iter().map(|e| self.length(e)).sum::<usize>() + self.samples(self.tail);
        let mut trial = Trial::silent(total, self.interval, 2);
        trial.targets = vec![T::zero(); total];
        let mut at = 0;
        for episode in episodes {
            let mut present = |from: usize, time: f64, channel: usize, value: f64| {
                let to = from + self.samples(time);
                // A cue may last longer than the trial.
                for n in from..to.min(total) {
                    trial.inputs[2 * n + channel] = T::from_subset(&value);
                }
                to
            };
            let end = present(at + self.samples(episode.lead), self.pulse, 0, episode.first);
            let cue = end + self.samples(episode.memory(self));
            if episode.second != 0.0 {
                present(end + self.samples(episode.gap), self.pulse, 0, episode.second);
            }
            present(cue, self.cue, 1, 1.0);
            at = cue + self.samples(self.latency);
            for (n, &shape) in self.response_pulse::<T>().iter().enumerate() {
                trial.targets[at + n] = shape * T::from_subset(&episode.answer().sign());
            }
            at += self.samples(self.response);
        }
        trial.scale = trial.duration();
        Ok(trial)
    }

    /// Whether a trial of so many ms can be made.
    fn check_length(&self, time: f64) -> Result<(), Error> {
        // Two inputs, a target and a weight for each sample.
        let numbers = 4.0 * time / self.interval;
        let expected = "there may be at most 2^26: take fewer or shorter episodes, or a longer interval";
        Error::unless(numbers <= MOST_NUMBERS, "inputs and targets of a trial", numbers, expected)
    }

    /// The response pulse, sample by sample: a raised cosine of height 1.
    fn response_pulse<U: Scalar>(&self) -> Vec<U> {
        let samples = self.samples(self.response);
        let phase = |n: usize| (n as f64 + 0.5) / samples as f64;
        (0..samples).map(|n| U::from_subset(&(0.5 - 0.5 * (TAU * phase(n)).cos()))).collect()
    }

    /// The cues of a trial, found in its inputs and targets; none in a trial of another task, which lacks either.
    pub fn cues(&self, trial: &Trial<T>) -> Vec<Cue> {
        let half = T::from_subset(&0.5);
        let on: Vec<bool> = trial.inputs.chunks_exact(2).map(|input| input[1] > half).collect();
        let onsets = (0..on.len()).filter(|&n| on[n] && (n == 0 || !on[n - 1]));
        let windows = onsets.map(|n| {
            let start = n.saturating_add(self.samples(self.latency));
            start..start.saturating_add(self.samples(self.response))
        });
        let cue = |window: Range<usize>| {
            let answer = Answer::of(self.projection(&trial.targets, &window));
            Cue { window, answer }
        };
        windows.filter(|w| w.end <= trial.targets.len()).map(cue).collect()
    }

    /// The projection of an output, one value a sample, on the response pulse in a window: 1 for the pulse itself. Not a number
    /// where the output ends before the window.
    pub fn projection(&self, output: &[T], window: &Range<usize>) -> f64 {
        let (mut product, mut power) = (0.0, 0.0);
        for (&o, shape) in output.get(window.clone()).unwrap_or(&[]).iter().zip(self.response_pulse::<f64>())
        {
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

/// Makes the first three neurons a circuit that clears the memory.
fn clear_after_cues(
    network: &mut Network<f64>,
    mut normal: impl FnMut(f64, f64) -> f64,
) -> Result<(), Error> {
    let circuit = [RELAY, SECOND_RELAY, CLEARING];
    let exists = |class: usize, to: usize, from: usize| match (to, from) {
        (RELAY, RELAY | CLEARING) | (SECOND_RELAY, RELAY | SECOND_RELAY | CLEARING) => class == 0,
        (CLEARING, SECOND_RELAY) => class == 0,
        (to, from) => !circuit.contains(&to) && (from == CLEARING || !circuit.contains(&from)),
    };
    for class in 0..2 {
        network.set_mask(Group::Weight(class), |to, from| exists(class, to, from))?;
        network.freeze_entries(Group::Weight(class), |to, _| circuit.contains(&to))?;
    }
    network.set_mask(Group::Input, |to, channel| !circuit.contains(&to) || (to, channel) == (RELAY, 1))?;
    network.freeze_entries(Group::Input, |to, _| circuit.contains(&to))?;
    network.freeze_entries(Group::Bias, |to, _| circuit.contains(&to))?;

    let parameters = &mut network.parameters;
    parameters.input_mut()[(RELAY, 1)] = 0.012;
    for (neuron, current) in [(RELAY, -0.005), (SECOND_RELAY, -0.005), (CLEARING, -0.008)] {
        parameters.bias_mut()[neuron] = current;
    }
    let mut slow = parameters.weight_mut(0);
    slow[(RELAY, RELAY)] = 0.42;
    slow[(SECOND_RELAY, SECOND_RELAY)] = 0.42;
    slow[(SECOND_RELAY, RELAY)] = 0.25;
    slow[(CLEARING, SECOND_RELAY)] = 0.225;
    slow[(RELAY, CLEARING)] = -3.0;
    slow[(SECOND_RELAY, CLEARING)] = -3.0;
    for (class, weight) in [(0, 1.1), (1, 1.5)] {
        for to in circuit.len()..NEURONS {
            parameters.weight_mut(class)[(to, CLEARING)] = -normal(weight, 0.1 * weight);
        }
    }
    Ok(())
}

fn uniform(range: &Range<f64>, rng: &mut impl Rng) -> f64 {
    range.start + (range.end - range.start) * rng.random::<f64>()
}

/// What a time or a weight must be that may be zero.
const NOT_NEGATIVE: &str = "it must be zero or positive, and finite";

impl<T: Scalar> Task<T> for DelayedXor<T> {
    fn check(&self) -> Result<(), Error> {
        for (option, value) in [
            ("interval", self.interval),
            ("pulse", self.pulse),
            ("cue", self.cue),
            ("response", self.response),
            ("curriculum.shorten", self.curriculum.shorten),
            ("curriculum.outside.0", self.curriculum.outside.0),
            ("curriculum.outside.1", self.curriculum.outside.1),
        ] {
            Error::unless_positive(option, value)?;
        }
        for (option, value) in [
            ("lead.start", self.lead.start),
            ("gap.start", self.gap.start),
            ("delay.start", self.delay.start),
            ("latency", self.latency),
            ("tail", self.tail),
        ] {
            Error::unless(value >= 0.0 && value.is_finite(), option, value, NOT_NEGATIVE)?;
        }
        for (option, range) in [("lead.end", &self.lead), ("gap.end", &self.gap), ("delay.end", &self.delay)]
        {
            let valid = range.end >= range.start && range.end.is_finite();
            Error::unless(valid, option, range.end, "it must be finite and not below the start")?;
        }
        for (option, value) in [("single", self.single), ("controlled", self.controlled)] {
            Error::unless((0.0..=1.0).contains(&value), option, value, "it must lie in [0, 1]")?;
        }
        // Longer ones than at the last level would not be in the length that is checked below.
        let shorten = self.curriculum.shorten;
        Error::unless(shorten <= 1.0, "curriculum.shorten", shorten, "it must not be above 1")?;
        let stretched = self.curriculum.stretched;
        let valid = stretched > 0.0 && stretched < 1.0;
        Error::unless(valid, "curriculum.stretched", stretched, "it must lie in (0, 1)")?;
        let (least, most) = self.stream;
        Error::unless(least > 0, "stream.0", least as f64, "a stream has at least one episode")?;
        Error::unless(most >= least, "stream.1", most as f64, "it must not be below `stream.0`")?;
        let samples = self.response / self.interval;
        Error::unless(samples >= 0.5, "samples of a response", samples, "take a shorter interval")?;
        let ends = self.lead.end + self.gap.end + self.delay.end;
        let episode = ends + 2.0 * self.pulse + self.cue + self.latency + self.response;
        self.check_length(most as f64 * episode + self.tail)
    }

    fn trial(&self, stage: TrainingStage, rng: &mut ChaCha8Rng) -> Trial<T> {
        // A task that was checked has its trials. Another one has an empty trial, which no scheme takes.
        let none = || Trial::silent(0, self.interval, 2);
        if self.check().is_err() {
            return none();
        }
        let (least, most) = self.stream;
        let (stretch, outside) = self.curriculum.at(stage.level);
        let count = if least < most { rng.random_range(least..=most) } else { least };
        let mut episodes = self.stretched_episodes(count, stretch, rng);
        if !stage.is_held_out() {
            self.balance(&mut episodes, stage, rng);
        }
        let mut trial = self.trial_of(&episodes).unwrap_or_else(|_| none());
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

#[cfg(test)]
mod tests;
