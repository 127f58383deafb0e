//! What the experiments on data sets with classes share: one layer of neurons that is trained to tell the classes apart, and what
//! stands beside it.
//!
//! Spikes of the hidden layer move leaky integrators, one for each class. The class whose integrator has the largest score is the
//! network's answer.

mod augment;
mod choice;
mod front;
mod page;
mod simple;

use rayon::prelude::*;
use spikegrad::data::metrics::{Accuracy, ConfusionMatrix};
use spikegrad::data::{Dataset, Inputs, Standardise};
use spikegrad::prelude::*;

use super::Context;
use super::clock::Clock;
use crate::baselines::layered::{Layered, LayeredConstants, LayeredStart, OnDataset, Unit};
use crate::report::Report;
use crate::{Error, file};

pub(super) use augment::Augment;
pub(super) use choice::choose;
pub(super) use front::Front;
pub(super) use page::{Contender, comparison, figures, others, pictures};
pub(super) use simple::{LogisticRegression, dynamic_time_warping, euclidean, features, nearest};

/// Iterations between two checkpoints.
const EVERY: usize = 100;
/// The width of gates through which hardly anything but whole spikes is sent; thresholds are at 1.
const HARD: f32 = 0.01;

/// What stands beside the gated networks.
pub(super) const SURROGATE: &str = "LIF, surrogate gradient";
const BASELINES: [(&str, Unit); 2] =
    [(SURROGATE, Unit::Spiking { gamma: GAMMA }), ("rate units, exact gradient", Unit::Rate)];
/// Height of the surrogate derivative, which no search chose.
const GAMMA: f64 = 0.5;

/// A network of one hidden layer, how data are presented to it, and how it is trained.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recipe {
    /// Hidden neurons, leaky integrate-and-fire.
    pub(super) neurons: usize,
    /// Their membrane time constant, ms; the threshold is 1 and the reset 0.
    pub(super) tau_v: f64,
    /// The width of their gates, raised cosines.
    pub(super) gate: f64,
    /// Whether the hidden neurons are connected with each other.
    pub(super) recurrent: bool,
    /// Time constant of all synapses, ms.
    pub(super) tau: f64,
    /// Time constant of the integrators of the classes, ms.
    pub(super) tau_out: f64,
    /// What is done to a series before it is presented.
    pub(super) front: Front,
    /// Whether every channel is brought to mean 0 and standard deviation 1, as measured on the training part.
    pub(super) standardise: bool,
    /// Copies with noise that are added to the training part.
    pub(super) augment: Augment,
    /// For how long each time point is presented, ms.
    pub(super) interval: f64,
    /// The step, ms.
    pub(super) h: f64,
    /// What weights and tonic currents begin with.
    pub(super) start: Initialisation,
    /// What a class is read from.
    pub(super) score: Score,
    /// The share of each label that is spread over all classes.
    pub(super) smoothing: f64,
    /// The learning rate of each group, as a part of the root mean square of the numbers that it begins with.
    pub(super) rate: f64,
    /// The learning rates at the end, as a part of those at the start: they fall along half a cosine.
    pub(super) last: f64,
    /// What part of the way back to its initial values every group goes in each iteration: weight decay towards the start.
    pub(super) pull: f64,
    /// The part of every weight that a step with a learning rate of 1 takes away (AdamW); 0 for plain Adam.
    pub(super) decay: f64,
    /// The network that is judged has its parameters averaged over about so many epochs; 0 for no average.
    pub(super) average: f64,
    /// How often training goes through the training part; copies count as the series that they are copies of.
    pub(super) epochs: f64,
    /// Trials of a batch.
    pub(super) batch: usize,
}

/// A score in words.
fn read_from(score: &Score) -> &'static str {
    match score {
        Score::Mean => "the mean over the trial",
        Score::Last => "the last value",
        Score::Maximum => "the largest value",
        _ => "spikes",
    }
}

impl Recipe {
    /// Writes everything down.
    pub(super) fn settings(&self, report: &mut Report) {
        let Self {
            neurons, tau_v, gate, recurrent, tau, tau_out, front, standardise, augment, interval, ..
        } = self;
        let Self { h, start, score, smoothing, rate, last, pull, decay, average, epochs, batch, .. } = self;
        let points = front.points.map_or_else(|| "as in the data".to_owned(), |points| points.to_string());
        report
            .setting("hidden neurons, LIF", *neurons)
            .setting("tau_v, tau, tau of the classes (ms)", vec![*tau_v, *tau, *tau_out])
            .setting("gate", format!("raised cosine, width {gate}"))
            .setting("recurrent weights", *recurrent)
            .setting("time points of a series", points)
            .setting("time points seen at once, and between two of them", vec![front.taps, front.apart])
            .setting(
                "channels that tell the part of the series, and their height",
                vec![front.clock as f64, front.height],
            )
            .setting("channels standardised", *standardise)
            .setting(
                "copies of a series in training, their noise and shift",
                vec![augment.copies as f64, augment.noise, augment.shift],
            )
            .setting("a time point, h (ms)", vec![*interval, *h])
            .setting(
                "start",
                format!(
                    "{} Hz, tonic currents spread by {}, input {}, readout {}, recurrent gain {}",
                    start.rate, start.spread, start.input, start.readout, start.gain
                ),
            )
            .setting("classes are read from", format!("{} of the integrators", read_from(score)))
            .setting("label smoothing", *smoothing)
            .setting("optimiser", "Adam")
            .setting("weight decay, relative to the learning rate", *decay)
            .setting("learning rates, relative to the root mean square at the start", *rate)
            .setting("learning rates at the end, relative to those at the start", *last)
            .setting("pull towards the start, a step", *pull)
            .setting("epochs that parameters are averaged over", *average)
            .setting("epochs, trials a batch", vec![*epochs, *batch as f64])
            .setting("baselines", BASELINES.map(|(name, _)| name).to_vec())
            .setting("height of the surrogate derivative", GAMMA);
    }

    /// The task of these parts, brought into the form in which they are presented.
    fn task(&self, parts: [&Dataset; 2], seed: u64) -> Result<DatasetTask<f32>, Error> {
        let [training, test] = self.presented(parts, seed)?;
        let presentation =
            Presentation { interval: self.interval, after: 0.0, warm_up: 0.0, first_neuron: 0 };
        let trials = |part: &Dataset| presentation.trials::<f32>(part).map_err(Error::experiment);
        let loss = CrossEntropy { of: self.score.clone(), smoothing: self.smoothing };
        let reading = Reading::Class(self.score.clone());
        Ok(DatasetTask::new(trials(&training)?, Vec::new(), trials(&test)?, loss, reading, seed))
    }

    /// The parts as the network sees them.
    fn presented(&self, [training, test]: [&Dataset; 2], seed: u64) -> Result<[Dataset; 2], Error> {
        let front = |part: &Dataset| self.front.apply(part).map_err(Error::experiment);
        let training_front =
            |part: &Dataset| front(&*self.augment.apply(part, seed).map_err(Error::experiment)?);
        if !self.standardise || !matches!(training.inputs(), Inputs::Series(_)) {
            return Ok([training_front(training)?, front(test)?]);
        }
        let all: Vec<usize> = (0..training.len()).collect();
        let fitted = Standardise::fit(training, &all).map_err(Error::experiment)?;
        let apply = |part: &Dataset| fitted.apply(part).map_err(Error::experiment);
        Ok([training_front(&apply(training)?)?, front(&apply(test)?)?])
    }

    /// The network before training.
    fn network(&self, channels: usize, classes: usize, seed: u64) -> Result<Network<f32>, Error> {
        let lif = Lif { tau_v: self.tau_v, ..Lif::default() };
        let mut builder = Network::builder()
            .population(Population::new("hidden", lif, self.neurons, GateShape::RaisedCosine, self.gate))
            .population(Population::without_spikes(
                "classes",
                LeakyIntegrator { tau_v: self.tau_out },
                classes,
            ))
            .projection(Projection::new("out", self.tau).between("hidden", "classes"))
            .inputs(channels)
            .readout(Readout::new("score", classes).voltages("classes"));
        if self.recurrent {
            builder = builder.projection(Projection::new("inside", self.tau).between("hidden", "hidden"));
        }
        let mut network = builder.build().map_err(Error::experiment)?;
        let start = Initialisation { h: self.h, ..self.start };
        network
            .initialise(&start, &mut generator(seed, Purpose::Initialisation, 0))
            .map_err(Error::experiment)?;
        // The voltage of a class is its score. Inputs go to the hidden neurons only.
        let mut scores = network.parameters.readout_mut(1);
        scores.fill(0.0);
        scores.fill_diagonal(1.0);
        network.set_mask(Group::Input, |neuron, _| neuron < self.neurons).map_err(Error::experiment)?;
        network.freeze(Group::Readout(1)).map_err(Error::experiment)?;
        Ok(network.to_f32())
    }

    /// How the network is trained.
    fn options(&self, network: &Network<f32>, task: &DatasetTask<f32>, seed: u64) -> TrainingOptions {
        let groups = [Group::Weight(0), Group::Weight(1), Group::Input, Group::Bias];
        let exists = |group: &Group| !network.parameters.group(*group).is_empty();
        let trained = || groups.into_iter().filter(exists);
        let rate = |group| {
            let values = network.parameters.group(group);
            let squares: f64 = values.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            LearningRate { group, rate: self.rate * (squares / values.len().max(1) as f64).sqrt() }
        };
        TrainingOptions {
            h: self.h,
            iterations: self.iterations(task, self.epochs),
            batch: self.batch,
            seed,
            rule: self.rule(),
            rates: trained().map(rate).filter(|rate| rate.rate > 0.0).collect(),
            pulls: match self.pull > 0.0 {
                true => trained().map(|group| Pull { group, part: self.pull }).collect(),
                false => Vec::new(),
            },
            schedule: Schedule::Cosine { last: self.last },
            average: self.averaged(task),
            clip: None,
            ..TrainingOptions::default()
        }
    }

    /// What turns gradients into steps.
    fn rule(&self) -> UpdateRule {
        match (self.decay, UpdateRule::ADAM_W) {
            (decay, UpdateRule::AdamW { beta_1, beta_2, epsilon, .. }) if decay > 0.0 => {
                UpdateRule::AdamW { beta_1, beta_2, epsilon, decay }
            }
            _ => UpdateRule::ADAM,
        }
    }

    /// The iterations of so many epochs of the series without their copies.
    fn iterations(&self, task: &DatasetTask<f32>, epochs: f64) -> usize {
        task.iterations(epochs / self.augment.copies.max(1) as f64, self.batch)
    }

    /// Iterations that parameters are averaged over.
    fn averaged(&self, task: &DatasetTask<f32>) -> usize {
        let epoch = self.iterations(task, 1.0) as f64;
        ((self.average * epoch) as usize).max(1)
    }

    /// The baselines with the same budget: as many units, the same data, batches, epochs and schedule, learning rates chosen by the same
    /// rule, for each of the seeds.
    pub(super) fn baselines(&self, context: &Context, parts: [&Dataset; 2]) -> Result<Vec<Contender>, Error> {
        let of = |(name, unit): (&str, Unit)| {
            let one =
                |&seed: &u64| self.baseline(context, &format!("{name}, seed {seed}"), parts, seed, unit);
            let accuracy = context.seeds.iter().map(one).collect::<Result<Vec<_>, _>>()?;
            Ok(Contender { name: name.to_owned(), accuracy, note: "the same size and budget".to_owned() })
        };
        BASELINES.into_iter().map(of).collect()
    }

    /// Trains a baseline and judges it, or finds what an interrupted run had found.
    fn baseline(
        &self,
        context: &Context,
        key: &str,
        parts: [&Dataset; 2],
        seed: u64,
        unit: Unit,
    ) -> Result<Accuracy, Error> {
        let name = file::safe_name(key);
        let path = context.state.join(format!("{name}.said.json"));
        let labels = parts[1].labels().unwrap_or_default();
        let found: Option<Vec<usize>> = file::read_json(&path);
        if let Some(said) = found.filter(|said| said.len() == labels.len()) {
            return Accuracy::of(labels, &said).map_err(Error::experiment);
        }
        let task = self.task(parts, seed)?;
        let channels =
            task.part(Purpose::Training).first().map_or(0, |trial| trial.inputs.len() / trial.samples);
        let Self { tau_v, tau, tau_out, h, smoothing, .. } = *self;
        let constants = LayeredConstants { unit, tau: [tau_v, tau, tau_out], h, smoothing };
        let Initialisation { rate, spread, input, readout, .. } = self.start;
        let start = LayeredStart { rate, spread, input, readout };
        let sizes = [self.neurons, channels, parts[0].outputs()];
        let mut model = Layered::new(sizes, constants, start, seed).to_f32();
        let [u, bias, o, (offsets, _)] = model.sizes();
        // Tonic currents of the hidden layer and of the classes are one group in the gated network.
        let rates = [u, bias, o, (offsets, bias.1)];
        let options = spikegrad::training::TrainingOptions {
            iterations: self.iterations(&task, self.epochs),
            batch: self.batch,
            seed,
            rule: self.rule(),
            rates: rates.map(|(group, size)| LearningRate { group, rate: self.rate * size }).to_vec(),
            schedule: Schedule::Cosine { last: self.last },
            average: self.averaged(&task),
            checkpoint: Some(context.checkpoint(&name, EVERY)),
            ..spikegrad::training::TrainingOptions::default()
        };
        let mut bar = context.bar(options.iterations as u64, key);
        let mut program = OnDataset { model: &mut model, task: &task };
        spikegrad::training::train(&mut program, &options, &mut bar).map_err(Error::experiment)?;
        bar.finish_and_clear();
        let said = |trial: &Trial<f32>| model.answer(trial);
        let said: Vec<usize> = task.part(Purpose::Test).par_iter().map(said).collect();
        let text = serde_json::to_string(&said)
            .map_err(|source| Error::Json { name: "the answers of a baseline".to_owned(), source })?;
        file::write(&path, &text)?;
        Accuracy::of(labels, &said).map_err(Error::experiment)
    }

    /// Trains a network for each of the seeds on the first part and judges it on the second one.
    pub(super) fn train_all(&self, context: &Context, parts: [&Dataset; 2]) -> Result<Vec<Trained>, Error> {
        let train = |&seed: &u64| self.train(context, &format!("seed {seed}"), parts, seed);
        context.seeds.iter().map(train).collect()
    }

    /// Trains a network on the first part and judges it on the second one, or goes on where an earlier run was interrupted.
    pub(super) fn train(
        &self,
        context: &Context,
        key: &str,
        parts: [&Dataset; 2],
        seed: u64,
    ) -> Result<Trained, Error> {
        let name = file::safe_name(key);
        let task = self.task(parts, seed)?;
        let channels =
            task.part(Purpose::Training).first().map_or(0, |trial| trial.inputs.len() / trial.samples);
        let mut network = self.network(channels, parts[0].outputs(), seed)?;
        let options = self.options(&network, &task, seed);
        let options = TrainingOptions { checkpoint: Some(context.checkpoint(&name, EVERY)), ..options };
        let mut bar = context.bar(options.iterations as u64, key);
        let clock = Clock::new(context, &name);
        let history = train(&mut network, &task, &options, &mut bar).map_err(Error::experiment)?;
        clock.keep();
        bar.finish_and_clear();
        let judged = Judged::of(&network, &task, &options, parts[1])?;
        Ok(Trained { seed, network, task, h: self.h, history, judged, seconds: clock.seconds() })
    }
}

/// A trained network.
pub(super) struct Trained {
    /// The seed of its start and of the order of its trials.
    pub(super) seed: u64,
    pub(super) network: Network<f32>,
    pub(super) task: DatasetTask<f32>,
    /// The step, ms.
    pub(super) h: f64,
    pub(super) history: Vec<Iteration>,
    pub(super) judged: Judged,
    /// Wall time of training over all interruptions, s.
    pub(super) seconds: f64,
}

/// What a network makes of the part that judges it.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) confusion: ConfusionMatrix,
    /// The class that each trial was taken for.
    pub(super) said: Vec<usize>,
    /// Mean cross-entropy of the trials, without label smoothing.
    pub(super) cross_entropy: f64,
    /// Mean rate of the hidden neurons, Hz.
    pub(super) rate: f64,
    /// The same trials with gates so narrow that nothing but whole spikes is sent, without any further training.
    pub(super) hard: Accuracy,
}

impl Judged {
    /// Runs the network on all trials of the test part, whose samples are those of `data`.
    fn of(
        network: &Network<f32>,
        task: &DatasetTask<f32>,
        options: &TrainingOptions,
        data: &Dataset,
    ) -> Result<Self, Error> {
        let mut hard = network.clone();
        hard.parameters.group_mut(Group::GateWidth(0)).fill(HARD);
        let hard = Self::with(&hard, task, options, data)?.accuracy();
        Ok(Self { hard, ..Self::with(network, task, options, data)? })
    }

    /// What one network makes of the trials, with its gates as they are.
    fn with(
        network: &Network<f32>,
        task: &DatasetTask<f32>,
        options: &TrainingOptions,
        data: &Dataset,
    ) -> Result<Self, Error> {
        let hidden = network.populations().next().map_or(0, |(_, range)| range.len());
        let look = |trial: &Trial<f32>, recording: &Recording<f32>| {
            let scores = task.reading().read(trial, recording);
            let spikes: u64 = recording.spikes.iter().map(|spike| spike.count).sum();
            let class = Reading::class_of(&scores).unwrap_or_default();
            (class, surprise(&scores, &trial.label), spikes as f64 / trial.duration())
        };
        let trials = task.part(Purpose::Test).len();
        let found =
            evaluate(network, task, options, Purpose::Test, trials, look).map_err(Error::experiment)?;
        let said: Vec<usize> = found.iter().map(|found| found.0).collect();
        let names = data.class_names().unwrap_or_default();
        let confusion = ConfusionMatrix::new(data.labels().unwrap_or_default(), &said, names);
        let confusion = confusion.map_err(Error::experiment)?;
        let rate = 1e3 * found.iter().map(|found| found.2).sum::<f64>() / (trials * hidden).max(1) as f64;
        let cross_entropy = mean(found.iter().map(|found| found.1));
        let hard = confusion.accuracy();
        Ok(Self { confusion, said, cross_entropy, rate, hard })
    }

    /// The share of trials whose class is found.
    pub(super) fn accuracy(&self) -> Accuracy {
        self.confusion.accuracy()
    }
}

/// The cross-entropy of scores with the class of a label.
fn surprise(scores: &[f64], label: &[f32]) -> f64 {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|z| (z - largest).exp()).sum();
    let right = label.iter().position(|&p| p == 1.0).and_then(|class| scores.get(class));
    right.map_or(f64::NAN, |right| largest + sum.ln() - right)
}

/// The mean of some numbers.
pub(super) fn mean(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = numbers.into_iter().fold((0.0, 0.0), |(sum, count), x| (sum + x, count + 1.0));
    sum / count
}
