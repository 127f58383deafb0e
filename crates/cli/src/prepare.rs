//! From settings to what is trained: the data in parts, the network with its first numbers, the options.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use spikegrad::network::Scalar;
use spikegrad::prelude::*;
use spikegrad::tasks::{
    self, DatasetTask, LossKind, LossSettings, Losses, Presentation, Reading, learning_rates,
};
use spikegrad::training;
use spikegrad_data::{Dataset, Inputs, Standardise, StandardiseTargets, Targets, open, split};

use crate::settings::Settings;
use crate::{Error, Part, Source};

/// Outputs whose means are listed.
const LISTED: usize = 6;

/// The data for training, validation and test, and which samples of the file they are.
type Parts = [Option<Dataset>; 3];
type Samples = [Vec<usize>; 3];

/// Everything that a training is made of.
pub(crate) struct Prepared {
    pub(crate) settings: Settings,
    /// Where the training is kept.
    pub(crate) folder: PathBuf,
    /// The command's own words about its settings, to be said again.
    said: String,
    pub(crate) data: Dataset,
    pub(crate) task: DatasetTask<f32>,
    /// The network before training.
    pub(crate) network: Network<f32>,
    pub(crate) options: TrainingOptions,
    /// Channels that have one value in the whole training part.
    pub(crate) constant: Vec<usize>,
    /// How targets were brought to mean 0 and deviation 1.
    scaled: Option<StandardiseTargets>,
    /// Which samples of the file each part has.
    samples: Samples,
}

impl Prepared {
    pub(crate) fn new(source: &Source) -> Result<Self, Error> {
        let settings = Settings::read(&source.settings, &source.set)?;
        let folder = source.out.clone().unwrap_or_else(|| source.settings.with_extension(""));
        if folder == source.settings {
            return Err(Error::together(
                &source.settings.display().to_string(),
                "a training is kept in a folder with the name of the settings without `.toml`: let the name end in that, or give --out",
            ));
        }
        settings.check_files(&source.settings, &source.set)?;
        let data = data(&settings, &settings.data.file, settings.data.labels.as_deref(), None)?;
        check_targets(&settings.loss, &data)?;
        settings.check()?;
        let (mut parts, samples) = parts(&settings, &data)?;
        let constant = standardise(&settings, &mut parts)?;
        let scaled = standardise_targets(&settings, &mut parts)?;
        if let Some(encoder) = &settings.data.encoder {
            for part in parts.iter_mut().flatten() {
                *part = encoder.apply(part)?;
            }
        }
        let network = network(&settings, parts[0].as_ref().unwrap_or(&data))?;
        check_population(&settings.loss, &data, &network)?;
        let series = matches!(data.targets(), Targets::Series(_));
        let loss = settings.loss.loss::<f32>(&network, series)?;
        let first_neuron = population(&settings.loss, &network).map_or(0, |neurons| neurons.start);
        let interval = interval(&settings, &data, parts[0].as_ref())?;
        check_step(interval, settings.training.h)?;
        let presentation = Presentation {
            interval,
            after: settings.data.after,
            warm_up: settings.data.warm_up,
            first_neuron,
        };
        let trials = |part: &Option<Dataset>| match part {
            Some(part) => presentation.trials::<f32>(part).map_err(Error::from),
            None => Ok(Vec::new()),
        };
        let [training, validation, test] = [trials(&parts[0])?, trials(&parts[1])?, trials(&parts[2])?];
        let reading = settings.loss.reading(&network, series)?;
        let task = DatasetTask::new(training, validation, test, loss, reading, settings.seed);
        let mut prepared = Self {
            options: TrainingOptions::default(),
            said: said(source),
            settings,
            folder,
            data,
            task,
            network,
            constant,
            scaled,
            samples,
        };
        prepared.options = prepared.training_options()?;
        Ok(prepared)
    }

    /// The file of a training that goes on.
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.folder.join("training.spikegrad")
    }

    /// The file of the network that training returned.
    pub(crate) fn network_file(&self) -> PathBuf {
        self.folder.join("network.safetensors")
    }

    /// Which samples of the file a part has.
    pub(crate) fn samples(&self, part: Part) -> &[usize] {
        &self.samples[part as usize]
    }

    /// The part that a result is judged by: the test part, or the next best one where there is none.
    pub(crate) fn judged_part(&self) -> Part {
        let parts = [Part::Test, Part::Validation, Part::Training];
        let has = |part: &Part| !self.task.part(part.purpose()).is_empty();
        parts.into_iter().find(has).unwrap_or(Part::Training)
    }

    /// The trained network.
    pub(crate) fn trained(&self) -> Result<Network<f32>, Error> {
        let path = self.network_file();
        if !path.exists() {
            return Err(Error::Untrained { path, command: self.command("train") });
        }
        self.check_kept(false)?;
        let mut network = self.network.clone();
        tasks::load_into(&mut network, &path)?;
        Ok(network)
    }

    /// The trained network, or the one before training where there is none yet.
    pub(crate) fn trained_or_fresh(&self) -> Result<Network<f32>, Error> {
        if self.network_file().exists() {
            return self.trained();
        }
        note!("note: there is no {} yet: this is the network before training", self.network_file().display());
        Ok(self.network.clone())
    }

    /// A trial of a part.
    pub(crate) fn trial(&self, part: Part, index: usize) -> Result<&Trial<f32>, Error> {
        let trials = self.task.part(part.purpose());
        trials.get(index).ok_or(Error::NoTrial { index, part: part.name(), count: trials.len() })
    }

    /// The loss for a network in another float type.
    pub(crate) fn loss<T: Scalar>(&self, network: &Network<T>) -> Result<Losses<T>, Error> {
        Ok(self.settings.loss.loss(network, *self.task.reading() == Reading::Series)?)
    }

    /// A number of an output, or of its target, in the unit of the file.
    pub(crate) fn in_unit(&self, output: usize, x: f64) -> f64 {
        self.scaled.as_ref().map_or(x, |scaled| scaled.restore(output, x))
    }

    /// The population whose spikes are the answer, where the loss compares spike trains.
    pub(crate) fn trains(&self) -> Option<Range<usize>> {
        let is_trains = self.settings.loss.kind == LossKind::VanRossum;
        is_trains.then(|| population(&self.settings.loss, &self.network)).flatten()
    }

    /// The command that does something else with the same settings.
    pub(crate) fn command(&self, command: &str) -> String {
        format!("spikegrad {command} {}", self.said)
    }

    /// What a score of the validation is called.
    pub(crate) fn score_name(&self) -> &'static str {
        match self.task.reading() {
            Reading::Class(_) => "accuracy",
            Reading::Cost => "cost",
            _ => "squared error",
        }
    }

    /// An error of training, with the way out that the command offers.
    pub(crate) fn explained(&self, error: tasks::Error) -> Error {
        match error {
            tasks::Error::Training(training::Error::Checkpoint(
                why @ tasks::CheckpointError::Mismatch { .. },
            )) => Error::Other { why: why.to_string(), again: format!("{} --fresh", self.command("train")) },
            error => error.into(),
        }
    }

    /// The data, the network and the training in a few lines, for the user to see before training begins.
    pub(crate) fn summary(&self) -> String {
        let (network, options) = (&self.network, &self.options);
        let mut text = format!("data:     {}\n", self.data.to_string().replace('\n', "\n          "));
        let count = |part: Part| self.task.part(part.purpose()).len();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "parts:    {} training, {} validation, {} test",
            count(Part::Training),
            count(Part::Validation),
            count(Part::Test)
        );
        if !self.constant.is_empty() {
            let _ = writeln!(
                text,
                "note:     channels {} have one value throughout and tell the network nothing",
                self.constant.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            );
        }
        if let Some(scaled) = &self.scaled {
            let each = scaled.mean().iter().zip(scaled.deviation());
            let each: Vec<String> =
                each.take(LISTED).map(|(mean, deviation)| format!("{mean:.4} and {deviation:.4}")).collect();
            let more = if scaled.mean().len() > LISTED { ", ..." } else { "" };
            let _ = writeln!(
                text,
                "targets:  learned as numbers of mean 0 and deviation 1; their means and deviations are {}{more}",
                each.join(", ")
            );
        }
        if let Some(note) = self.far_targets() {
            let _ = writeln!(text, "note:     {note}");
        }
        let populations: Vec<String> =
            network.populations().map(|(name, range)| format!("{name} ({})", range.len())).collect();
        let trained: usize = network.named_parameters().filter(|p| p.trained).map(|p| p.range.len()).sum();
        let _ = writeln!(
            text,
            "network:  {}; {} parameters, {trained} of them trained",
            populations.join(", "),
            network.parameters.layout().len(),
        );
        let steps =
            self.task.part(Purpose::Training).first().map_or(0.0, |trial| trial.duration() / options.h);
        let _ = write!(
            text,
            "training: {} iterations of {} trials, {:.1} epochs, steps of {} ms ({steps:.0} in the first trial)",
            options.iterations, options.batch, self.settings.training.epochs, options.h,
        );
        text
    }

    /// What there is to say of targets that are far from the outputs of a network before training, which are of the size 1 about 0.
    fn far_targets(&self) -> Option<String> {
        // Constant targets stay constant when they are standardised: there is nothing more to set.
        if self.scaled.is_some() {
            return None;
        }
        let trials = self.task.part(Purpose::Training);
        let all = || {
            let of = |trial: &Trial<f32>| match self.task.reading() {
                Reading::Values(_) => trial.label.clone(),
                Reading::Series => trial.targets.clone(),
                _ => Vec::new(),
            };
            trials.iter().flat_map(of).map(f64::from)
        };
        let n = all().count() as f64;
        let mean = all().sum::<f64>() / n;
        let deviation = (all().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        let far = n > 0.0 && (mean.abs() > 3.0 * deviation.max(1.0) || !(0.03..=30.0).contains(&deviation));
        far.then(|| format!("the targets have mean {mean:.3} and deviation {deviation:.3}; set data.standardise_targets = true, or they are learned slowly"))
    }

    fn training_options(&mut self) -> Result<TrainingOptions, Error> {
        let training = &self.settings.training;
        let iterations = self.task.iterations(training.epochs, training.batch);
        let epoch = self.task.iterations(1.0, training.batch);
        let rates = learning_rates(&mut self.network, &training.rates)?;
        let unclipped = (0..self.network.readouts().count()).map(Group::Readout).collect();
        let trials = self.task.part(Purpose::Validation).len();
        let patience = training.patience.unwrap_or(usize::MAX);
        let validation = (trials > 0).then(|| Validation::keep_best(epoch.min(iterations), trials, patience));
        Ok(TrainingOptions {
            h: training.h,
            iterations,
            batch: training.batch,
            seed: self.settings.seed,
            rule: training.optimiser.rule(),
            rates,
            schedule: Schedule::Cosine { last: training.last_rate },
            clip: (training.clip < 1.0).then_some(Clip { quantile: training.clip, factor: 1.0 }),
            unclipped,
            short_crossings: training.short_crossings,
            validation,
            checkpoint: Some(Checkpoint { path: self.checkpoint(), every: epoch.max(iterations / 100) }),
            ..TrainingOptions::default()
        })
    }
}

/// The settings as they were said on the command line.
fn said(source: &Source) -> String {
    let quoted = |text: &str| match text.chars().all(|c| c.is_ascii_alphanumeric() || "=._-/+".contains(c)) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    };
    let mut said = quoted(&source.settings.display().to_string());
    source.set.iter().for_each(|set| said += &format!(" --set {}", quoted(set)));
    if let Some(out) = &source.out {
        said += &format!(" --out {}", quoted(&out.display().to_string()));
    }
    said
}

/// The data of a file, with the classes of another one if they belong together.
fn data(
    settings: &Settings,
    file: &Path,
    labels: Option<&Path>,
    like: Option<&Dataset>,
) -> Result<Dataset, Error> {
    let mut options = settings.data.read.clone();
    options.interval = settings.data.interval.or(options.interval);
    options.labels = labels.map(Path::to_owned).or(options.labels);
    options.classes = like.and_then(Dataset::class_names).map(<[String]>::to_vec).or(options.classes);
    let trains = |data: &&Dataset| matches!(data.targets(), Targets::Spikes(_));
    options.outputs = like.filter(trains).map(Dataset::outputs).or(options.outputs);
    Ok(open(file, &options)?)
}

/// The time between two samples of a trial. Series that became spikes have their times; only target series still need time points.
fn interval(settings: &Settings, data: &Dataset, shown: Option<&Dataset>) -> Result<f64, Error> {
    let spikes = matches!(shown.unwrap_or(data).inputs(), Inputs::Spikes(_));
    let timed = matches!(data.targets(), Targets::Series(_));
    if spikes && (!timed || data.interval().is_none()) {
        return Ok(settings.training.h);
    }
    data.interval().ok_or_else(|| {
        Error::together(
            "data.interval",
            "the file does not say how far apart its time points are: set the interval in ms",
        )
    })
}

/// Refuses a step that does not divide the interval between time points, with two steps near to it that do.
fn check_step(interval: f64, h: f64) -> Result<(), Error> {
    /// What the quotient may be off, as a share of itself: a step may be rounded.
    const TOLERANCE: f64 = 1e-5;
    /// The most parts that an interval is tried to be divided into, beside as many as the step asks for.
    const PARTS: f64 = 100.0;
    let parts = interval / h;
    if parts.round() >= 1.0 && (parts - parts.round()).abs() <= TOLERANCE * parts.round() {
        return Ok(());
    }
    // Numbers of few digits are preferred.
    let is_short = |step: f64| (step * 1000.0 - (step * 1000.0).round()).abs() < 1e-9 * step * 1000.0;
    let step = |parts: f64| interval / parts;
    let counts = |from: f64, to: f64| (from as u64..=to as u64).map(|parts| parts as f64);
    let (above, below) = (parts.floor(), parts.ceil());
    let shorter = counts(below, below + PARTS).map(step).find(|&step| is_short(step)).unwrap_or(step(below));
    let other = match above >= 1.0 {
        true => counts(1.0, above).rev().map(step).find(|&step| is_short(step)).unwrap_or(step(above)),
        false => {
            counts(below + 1.0, below + PARTS).map(step).find(|&step| is_short(step)).unwrap_or(step(2.0))
        }
    };
    Err(Error::together(
        &format!("training.h = {h}"),
        format!(
            "the step must divide the {interval} ms between two time points (`data.interval`), as {shorter} and {other} do"
        ),
    ))
}

/// The parts for training, validation and test.
fn parts(settings: &Settings, data: &Dataset) -> Result<(Parts, Samples), Error> {
    let of = &settings.data;
    let is_share = |share: f64| (0.0..1.0).contains(&share);
    if !is_share(of.validation) || !is_share(of.test) || of.validation + of.test >= 1.0 {
        return Err(Error::together(
            "data.validation and data.test",
            "each must lie in [0, 1), and both together below 1",
        ));
    }
    let test_share = if of.test_file.is_some() { 0.0 } else { of.test };
    let shares = [1.0 - of.validation - test_share, of.validation, test_share];
    let there: Vec<f64> = shares.into_iter().filter(|&share| share > 0.0).collect();
    let mut indices = split(data, &there, settings.seed)?.into_iter();
    let mut part = |share: f64| (share > 0.0).then(|| indices.next()).flatten().unwrap_or_default();
    let mut samples = [part(shares[0]), part(shares[1]), part(shares[2])];
    let subset = |samples: &Vec<usize>| match samples.is_empty() {
        true => Ok(None),
        false => data.subset(samples).map(Some),
    };
    let mut parts = [subset(&samples[0])?, subset(&samples[1])?, subset(&samples[2])?];
    if let Some(file) = &of.test_file {
        let test = self::data(settings, file, of.test_labels.as_deref(), Some(data))?;
        if (test.channels(), test.outputs()) != (data.channels(), data.outputs())
            || test.class_names() != data.class_names()
        {
            return Err(Error::together(
                "data.test_file",
                format!(
                    "it has {} channels and {} outputs, the training file {} and {}: both must be of one kind, with the same classes",
                    test.channels(),
                    test.outputs(),
                    data.channels(),
                    data.outputs()
                ),
            ));
        }
        samples[2] = (0..test.len()).collect();
        parts[2] = Some(test);
    }
    Ok((parts, samples))
}

/// Brings the channels of all parts to the mean and deviation of the training part: the channels that are constant there.
fn standardise(settings: &Settings, parts: &mut Parts) -> Result<Vec<usize>, Error> {
    let Some(training) = &parts[0] else { return Ok(Vec::new()) };
    if !settings.data.standardise || matches!(training.inputs(), Inputs::Spikes(_)) {
        return Ok(Vec::new());
    }
    let all: Vec<usize> = (0..training.len()).collect();
    let fitted = Standardise::fit(training, &all)?;
    for part in parts.iter_mut().flatten() {
        *part = fitted.apply(part)?;
    }
    Ok(fitted.constant_channels())
}

/// Brings the targets of all parts to mean 0 and deviation 1, as measured on the training part.
fn standardise_targets(settings: &Settings, parts: &mut Parts) -> Result<Option<StandardiseTargets>, Error> {
    let Some(training) = parts[0].as_ref().filter(|_| settings.data.standardise_targets) else {
        return Ok(None);
    };
    let all: Vec<usize> = (0..training.len()).collect();
    let fitted = StandardiseTargets::fit(training, &all)
        .map_err(|why| Error::together("data.standardise_targets", why.to_string()))?;
    for part in parts.iter_mut().flatten() {
        *part = fitted.apply(part)?;
    }
    Ok(Some(fitted))
}

/// Refuses a population that has not a neuron for each class or spike train.
fn check_population(loss: &LossSettings, data: &Dataset, network: &Network<f32>) -> Result<(), Error> {
    let Some(neurons) = population(loss, network) else { return Ok(()) };
    let (found, expected) = (neurons.len(), data.outputs());
    let name = loss.population.as_deref().unwrap_or_default();
    let things = if matches!(data.targets(), Targets::Spikes(_)) { "target spike trains" } else { "outputs" };
    if found == expected {
        return Ok(());
    }
    let why =
        format!("`{name}` has {found} neurons, the data {expected} {things}: set its size to {expected}");
    Err(Error::together("loss.population", why))
}

/// Refuses a loss that the data have no targets for.
fn check_targets(loss: &LossSettings, data: &Dataset) -> Result<(), Error> {
    let (found, fits) = match data.targets() {
        Targets::None => ("no targets", false),
        Targets::Classes { .. } => ("classes", loss.kind == LossKind::CrossEntropy),
        Targets::Values(_) => ("values", loss.kind == LossKind::SquaredError),
        Targets::Series(_) => ("series", loss.kind == LossKind::SquaredError),
        Targets::Spikes(_) => ("spike trains", loss.kind == LossKind::VanRossum),
    };
    let known =
        "cross-entropy is for classes, squared-error for values and series, van-rossum for spike trains";
    if fits { Ok(()) } else { Err(Error::together("loss.kind", format!("the data have {found}: {known}"))) }
}

/// The network with its first numbers.
fn network(settings: &Settings, data: &Dataset) -> Result<Network<f32>, Error> {
    let mut network = settings.network.build()?;
    let (channels, outputs) = (data.channels(), data.outputs());
    let spikes = matches!(data.inputs(), Inputs::Spikes(_));
    let (key, found) = if spikes {
        ("the channels of network.sources", network.channels())
    } else {
        ("network.inputs", network.inputs())
    };
    if found != channels {
        return Err(Error::together(
            key,
            format!("the network has {found}, the data {channels}: set it to {channels}"),
        ));
    }
    let read = settings.loss.population.is_none();
    if read && network.outputs() != outputs {
        let found = network.outputs();
        return Err(Error::together(
            "network.outputs",
            format!("the network has {found}, the data {outputs}: set it to {outputs}"),
        ));
    }
    let of = &settings.initialise;
    let how = Initialisation {
        rate: of.rate,
        spread: of.spread,
        gain: of.gain,
        input: of.input,
        readout: of.readout,
        h: settings.training.h,
    };
    network.initialise(&how, &mut generator(settings.seed, Purpose::Initialisation, 0))?;
    Ok(network.to_f32())
}

/// The neurons that are classes or spike trains.
fn population(loss: &LossSettings, network: &Network<f32>) -> Option<Range<usize>> {
    let name = loss.population.as_ref()?;
    network.populations().find(|(known, _)| known == name).map(|(_, range)| range)
}
