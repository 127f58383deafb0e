//! From settings to what is trained: the data in parts, the network with its first numbers, the options.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use spikegrad::network::Scalar;
use spikegrad::prelude::*;
use spikegrad::tasks::{
    self, Activity, DatasetTask, Losses, Presentation, RateBand, Reading, SquaredError, VanRossum,
};
use spikegrad::training;
use spikegrad_data::{Dataset, Inputs, Standardise, Targets, open, split};

use crate::settings::{Loss as LossSettings, LossKind, OptimiserKind, ScoreKind, Settings};
use crate::{Error, Part, Source};

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
        let data = data(&settings, &settings.data.file, settings.data.labels.as_deref(), None)?;
        check_targets(&settings.loss, &data)?;
        settings.check()?;
        let (mut parts, samples) = parts(&settings, &data)?;
        let constant = standardise(&settings, &mut parts)?;
        if let Some(encoder) = &settings.data.encoder {
            for part in parts.iter_mut().flatten() {
                *part = encoder.apply(part)?;
            }
        }
        let network = network(&settings, parts[0].as_ref().unwrap_or(&data))?;
        let series = matches!(data.targets(), Targets::Series(_));
        let loss = loss::<f32>(&settings.loss, series, &network)?;
        let first_neuron = population(&settings.loss, &network).map_or(0, |neurons| neurons.start);
        let presentation = Presentation {
            interval: interval(&settings, &data)?,
            after: settings.data.after,
            warm_up: settings.data.warm_up,
            first_neuron,
        };
        let trials = |part: &Option<Dataset>| match part {
            Some(part) => presentation.trials::<f32>(part).map_err(Error::from),
            None => Ok(Vec::new()),
        };
        let [training, validation, test] = [trials(&parts[0])?, trials(&parts[1])?, trials(&parts[2])?];
        let reading = reading(&settings.loss, &network, &data)?;
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

    /// The loss in another float type.
    pub(crate) fn loss<T: Scalar>(&self) -> Result<Losses<T>, Error> {
        loss(&self.settings.loss, *self.task.reading() == Reading::Series, &self.network)
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
                "note:     channels {:?} have one value throughout and tell the network nothing",
                self.constant
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
        far.then(|| format!("the targets have mean {mean:.3} and deviation {deviation:.3}; scale them to about 0 and 1, or they are learned slowly"))
    }

    fn training_options(&mut self) -> Result<TrainingOptions, Error> {
        let training = &self.settings.training;
        let iterations = self.task.iterations(training.epochs, training.batch);
        let epoch = self.task.iterations(1.0, training.batch);
        let rates = rates(&self.settings, &mut self.network)?;
        let unclipped = (0..self.network.readouts().count()).map(Group::Readout).collect();
        let trials = self.task.part(Purpose::Validation).len();
        let patience = training.patience.unwrap_or(usize::MAX);
        let validation = (trials > 0).then(|| Validation::keep_best(epoch.min(iterations), trials, patience));
        Ok(TrainingOptions {
            h: training.h,
            iterations,
            batch: training.batch,
            seed: self.settings.seed,
            rule: match training.optimiser {
                OptimiserKind::Adam => UpdateRule::ADAM,
                OptimiserKind::AdamW => UpdateRule::ADAM_W,
                OptimiserKind::Lion => UpdateRule::LION,
                OptimiserKind::Sgd => UpdateRule::Sgd { momentum: 0.9 },
            },
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
    Ok(open(file, &options)?)
}

/// The time between two samples.
fn interval(settings: &Settings, data: &Dataset) -> Result<f64, Error> {
    data.interval()
        .or_else(|| matches!(data.inputs(), Inputs::Spikes(_)).then_some(settings.training.h))
        .ok_or_else(|| {
            Error::together(
                "data.interval",
                "the file does not say how far apart its time points are: set the interval in ms",
            )
        })
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

/// The neurons that are classes or spike trains, which there must be.
fn neurons(loss: &LossSettings, network: &Network<f32>) -> Result<Range<usize>, Error> {
    population(loss, network).ok_or_else(|| {
        let known: Vec<&str> = network.populations().map(|(name, _)| name).collect();
        Error::together(
            "loss.population",
            format!("name the population whose spikes are looked at, one of {}", known.join(", ")),
        )
    })
}

fn score(loss: &LossSettings, network: &Network<f32>) -> Result<Score, Error> {
    Ok(match loss.score {
        ScoreKind::Mean => Score::Mean,
        ScoreKind::Last => Score::Last,
        ScoreKind::Maximum => Score::Maximum,
        ScoreKind::Counts => Score::Counts(neurons(loss, network)?),
        ScoreKind::FirstSpike => {
            Score::FirstSpike { neurons: neurons(loss, network)?, scale: loss.time_constant }
        }
    })
}

/// The loss, in any float type.
fn loss<T: Scalar>(loss: &LossSettings, series: bool, network: &Network<f32>) -> Result<Losses<T>, Error> {
    let of = score(loss, network)?;
    let mut all: Vec<(T, Box<dyn Loss<T> + Send>)> = Vec::new();
    all.push((
        T::one(),
        match loss.kind {
            LossKind::CrossEntropy => Box::new(CrossEntropy { of, smoothing: loss.label_smoothing }),
            LossKind::SquaredError if series => Box::new(QuadraticLoss { lambda: T::zero() }),
            LossKind::SquaredError => Box::new(SquaredError { of }),
            LossKind::VanRossum => {
                Box::new(VanRossum { neurons: neurons(loss, network)?, tau: loss.time_constant })
            }
        },
    ));
    if loss.activity > 0.0 {
        all.push((T::one(), Box::new(Activity { weight: T::from_subset(&loss.activity) })));
    }
    if let Some(band) = loss.rates {
        let spiking = 0..network.neurons();
        all.push((
            T::from_subset(&band.weight),
            Box::new(RateBand { neurons: spiking, low: band.low, high: band.high }),
        ));
    }
    Ok(Losses(all))
}

fn reading(loss: &LossSettings, network: &Network<f32>, data: &Dataset) -> Result<Reading, Error> {
    Ok(match data.targets() {
        Targets::Classes { .. } => Reading::Class(score(loss, network)?),
        Targets::Values(_) => Reading::Values(score(loss, network)?),
        Targets::Series(_) => Reading::Series,
        Targets::Spikes(_) | Targets::None => Reading::Cost,
    })
}

/// The learning rates. What has one is trained, whatever was frozen; what has none is not.
fn rates(settings: &Settings, network: &mut Network<f32>) -> Result<Vec<LearningRate<Group>>, Error> {
    let mut rates: Vec<(LearningRate<Group>, &str)> = Vec::new();
    for (name, &rate) in &settings.training.rates {
        let key = format!("training.rates.\"{name}\"");
        let layout = network.parameters.layout();
        let group = match layout.entries().iter().find(|entry| entry.name == *name) {
            Some(entry) => entry.group,
            None => layout.find(name).map_err(|why| Error::together(&key, why.to_string()))?.group,
        };
        match rates.iter().find(|(known, _)| known.group == group) {
            // Tonic currents and initial states of all populations are one group.
            Some((known, other)) if known.rate != rate => {
                let why =
                    format!("`{name}` and `{other}` are trained together: give both the same learning rate");
                return Err(Error::together(&key, why));
            }
            Some(_) => {}
            None => rates.push((LearningRate { group, rate }, name)),
        }
    }
    for (rate, _) in &rates {
        network.unfreeze(rate.group)?;
    }
    Ok(rates.into_iter().map(|(rate, _)| rate).collect())
}
