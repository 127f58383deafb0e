//! The settings of a training as a text file in TOML: what is read, what may be set on the command line, and what is said about a
//! mistake.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use spikegrad::network::NetworkSpec;
use spikegrad::tasks::{LossSettings, OptimiserKind};
use spikegrad_data::ReadOptions;
use spikegrad_data::encode::Encoder;

use crate::{Error, mistake};

/// Everything that a training is made of.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The seed of weights, splits and orders.
    #[serde(default = "one")]
    pub(crate) seed: u64,
    pub(crate) data: Data,
    pub(crate) network: NetworkSpec,
    #[serde(default)]
    pub(crate) initialise: Initialise,
    pub(crate) loss: LossSettings,
    pub(crate) training: Training,
}

/// The keys of [`Settings`].
const TABLES: [&str; 6] = ["seed", "data", "network", "initialise", "loss", "training"];

/// Where the samples come from, and how they reach the network.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data {
    /// The file or folder, from the folder of the settings.
    pub(crate) file: PathBuf,
    /// A file with the samples that judge the result; without one, a part of `file` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) test_file: Option<PathBuf>,
    /// The labels of a file of images, from the folder of the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) labels: Option<PathBuf>,
    /// The labels of a test file of images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) test_labels: Option<PathBuf>,
    /// Time between two samples of a series, ms; where it is missing, the file says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) interval: Option<f64>,
    /// The part of the samples that steers the training.
    #[serde(default = "part")]
    pub(crate) validation: f64,
    /// The part of the samples that judges the result, if there is no file of its own.
    #[serde(default = "part")]
    pub(crate) test: f64,
    /// Whether every channel is brought to mean 0 and standard deviation 1, as measured on the training part.
    #[serde(default = "yes")]
    pub(crate) standardise: bool,
    /// Whether every output of target values or series is brought to mean 0 and standard deviation 1, as measured on the training part.
    /// Metrics and outputs keep the unit of the file.
    #[serde(default, skip_serializing_if = "is_not")]
    pub(crate) standardise_targets: bool,
    /// How the file is read, where that is not as usual.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub(crate) read: ReadOptions,
    /// How a series becomes spikes; without it, the channels are currents through the input weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) encoder: Option<Encoder>,
    /// The silent time after each sample, ms.
    #[serde(default)]
    pub(crate) after: f64,
    /// The time at the start of each trial at which the loss does not look, ms.
    #[serde(default)]
    pub(crate) warm_up: f64,
}

/// How the network's numbers are drawn before training.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Initialise {
    pub(crate) rate: f64,
    pub(crate) spread: f64,
    pub(crate) gain: f64,
    pub(crate) input: f64,
    pub(crate) readout: f64,
}

impl Default for Initialise {
    fn default() -> Self {
        let usual = spikegrad::network::Initialisation::default();
        Self {
            rate: usual.rate,
            spread: usual.spread,
            gain: usual.gain,
            input: usual.input,
            readout: usual.readout,
        }
    }
}

/// How the network is trained.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Training {
    /// The step, ms.
    pub(crate) h: f64,
    /// How often the training goes through the training part.
    pub(crate) epochs: f64,
    /// Trials in a batch.
    pub(crate) batch: usize,
    #[serde(default)]
    pub(crate) optimiser: OptimiserKind,
    /// The learning rates at the end, as a part of those at the start: they fall along half a cosine.
    #[serde(default = "tenth")]
    pub(crate) last_rate: f64,
    /// The learning rate of each group of parameters, by its name. Groups that are not named are not trained.
    pub(crate) rates: BTreeMap<String, f64>,
    /// The quantile of earlier norms at which each trial's gradient is clipped, group by group; 1 for no clipping.
    #[serde(default = "clip")]
    pub(crate) clip: f64,
    /// Training ends after so many epochs without a better validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) patience: Option<usize>,
    /// The share of crossings of the active zone that may be too short in the first batch.
    #[serde(default = "half")]
    pub(crate) short_crossings: f64,
}

fn is_usual(read: &ReadOptions) -> bool {
    *read == ReadOptions::default()
}
fn is_not(set: &bool) -> bool {
    !set
}
fn one() -> u64 {
    1
}
fn part() -> f64 {
    0.15
}
fn yes() -> bool {
    true
}
fn tenth() -> f64 {
    0.1
}
fn clip() -> f64 {
    0.9
}
fn half() -> f64 {
    0.5
}

impl Settings {
    /// The settings of a file, with `key=value` pairs put over them. Relative paths are turned into paths from the file's folder.
    ///
    /// # Errors
    /// If the file cannot be read, is no TOML, or says something that is not known: with line, key and the nearest known key.
    pub(crate) fn read(path: &Path, set: &[String]) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        let mut table: toml::Table = toml::from_str(&text).map_err(|e| mistake::in_file(path, &text, &e))?;
        if let Some(error) = mistake::unknown_table(path, &text, &table, &TABLES) {
            return Err(error);
        }
        // Mistakes of the file are told by its lines, before anything is set.
        let mut settings: Self = toml::from_str(&text).map_err(|e| mistake::in_file(path, &text, &e))?;
        if !set.is_empty() {
            for pair in set {
                put(&mut table, pair)?;
            }
            settings = table.try_into().map_err(|e: toml::de::Error| Error::Set {
                given: set.join(" "),
                why: mistake::in_set(&e),
            })?;
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        // Whole paths: the settings that are kept beside a network are read from another folder.
        let whole =
            |file: &Path| std::path::absolute(folder.join(file)).unwrap_or_else(|_| folder.join(file));
        settings.data.file = whole(&settings.data.file);
        for file in [&mut settings.data.test_file, &mut settings.data.labels, &mut settings.data.test_labels]
            .into_iter()
            .flatten()
        {
            *file = whole(file);
        }
        Ok(settings)
    }

    /// Refuses names of files that are not there. The settings were read from `path`, and `set` was put over them.
    ///
    /// # Errors
    /// If there is no such file: with line, key and the nearest name in its folder.
    pub(crate) fn check_files(&self, path: &Path, set: &[String]) -> Result<(), Error> {
        let Data { file, test_file, labels, test_labels, .. } = &self.data;
        let all = [
            ("data.file", Some(file)),
            ("data.labels", labels.as_ref()),
            ("data.test_file", test_file.as_ref()),
            ("data.test_labels", test_labels.as_ref()),
        ];
        for (key, file) in all {
            if let Some(file) = file.filter(|file| !file.exists()) {
                let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
                return Err(mistake::no_file(path, &text, set, key, file));
            }
        }
        Ok(())
    }

    /// The settings as TOML.
    pub(crate) fn text(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(|e| Error::together("the settings", e.to_string()))
    }

    /// Refuses numbers that mean nothing, by their keys.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let Self { data, initialise, loss, training, .. } = self;
        let positive = |x: f64| x > 0.0 && x.is_finite();
        let not_negative = |x: f64| x >= 0.0 && x.is_finite();
        let (above, from) = ("it must be above 0, and finite", "it must be 0 or above, and finite");
        let rates = loss.rates;
        let all = [
            ("data.interval", data.interval.unwrap_or(1.0), positive(data.interval.unwrap_or(1.0)), above),
            ("data.after", data.after, not_negative(data.after), from),
            ("data.warm_up", data.warm_up, not_negative(data.warm_up), from),
            ("initialise.rate", initialise.rate, positive(initialise.rate), above),
            ("initialise.spread", initialise.spread, not_negative(initialise.spread), from),
            ("initialise.gain", initialise.gain, not_negative(initialise.gain), from),
            ("initialise.input", initialise.input, not_negative(initialise.input), from),
            ("initialise.readout", initialise.readout, not_negative(initialise.readout), from),
            (
                "loss.label_smoothing",
                loss.label_smoothing,
                (0.0..1.0).contains(&loss.label_smoothing),
                "it must lie in [0, 1)",
            ),
            ("loss.activity", loss.activity, not_negative(loss.activity), from),
            ("loss.time_constant", loss.time_constant, positive(loss.time_constant), above),
            (
                "loss.rates.weight",
                rates.map_or(0.0, |r| r.weight),
                rates.is_none_or(|r| not_negative(r.weight)),
                from,
            ),
            ("training.h", training.h, positive(training.h), above),
            (
                "training.epochs",
                training.epochs,
                training.epochs > 0.0 && training.epochs <= 1e6,
                "it must lie above 0, up to 1e6",
            ),
            (
                "training.last_rate",
                training.last_rate,
                (0.0..=1.0).contains(&training.last_rate),
                "it must lie in [0, 1]",
            ),
            (
                "training.clip",
                training.clip,
                training.clip > 0.0 && training.clip <= 1.0,
                "it must lie above 0, up to 1, which clips nothing",
            ),
            (
                "training.short_crossings",
                training.short_crossings,
                (0.0..=1.0).contains(&training.short_crossings),
                "it must lie in [0, 1]",
            ),
        ];
        for (key, value, fits, expected) in all {
            if !fits {
                return Err(Error::together(&format!("{key} = {value}"), expected));
            }
        }
        for (name, &rate) in &training.rates {
            if !not_negative(rate) {
                return Err(Error::together(&format!("training.rates.\"{name}\" = {rate}"), from));
            }
        }
        if training.rates.is_empty() {
            return Err(Error::together(
                "training.rates",
                "nothing would be trained: name parameters with their learning rates",
            ));
        }
        if training.batch == 0 {
            return Err(Error::together("training.batch = 0", "it must be at least 1"));
        }
        if training.patience == Some(0) {
            return Err(Error::together("training.patience = 0", "it must be at least 1"));
        }
        Ok(())
    }
}

/// How a file is read, by `data.read.KEY=VALUE` pairs alone, and the table `[data.read]` that says so.
///
/// # Errors
/// If a key is another one, or a value is not of its kind.
pub(crate) fn reading(set: &[String]) -> Result<(ReadOptions, String), Error> {
    #[derive(Default, Deserialize)]
    struct Only {
        #[serde(default)]
        data: Reading,
    }
    #[derive(Default, Deserialize)]
    struct Reading {
        #[serde(default)]
        read: ReadOptions,
    }
    let mut table = toml::Table::new();
    for pair in set {
        let key = pair.split_once('=').map_or(pair.as_str(), |(key, _)| key).trim();
        if pair.contains('=') && !key.starts_with("data.read.") {
            return Err(Error::Set {
                given: pair.clone(),
                why: "new settings are made by how the file is read, `data.read.KEY`, as in data.read.missing=hold: change others in \
                      the file of settings that is written"
                    .to_owned(),
            });
        }
        put(&mut table, pair)?;
    }
    let text = toml::to_string(&table).map_err(|e| Error::together("data.read", e.to_string()))?;
    let read: Only = table
        .try_into()
        .map_err(|e: toml::de::Error| Error::Set { given: set.join(" "), why: mistake::in_set(&e) })?;
    Ok((read.data.read, text))
}

/// Puts `a.b.c=value` into a table. The value is read as TOML, or else as a text.
fn put(table: &mut toml::Table, pair: &str) -> Result<(), Error> {
    let refused = |why: &str| Error::Set { given: pair.to_owned(), why: why.to_owned() };
    let (key, value) =
        pair.split_once('=').ok_or_else(|| refused("write it as key=value, as in training.h=0.5"))?;
    let value = toml::from_str::<toml::Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut read| read.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let names = names(key.trim());
    let (last, names) = names.split_last().ok_or_else(|| refused("the key is empty"))?;
    let mut at = table;
    let mut rest = names.iter();
    while let Some(name) = rest.next() {
        let entry = at.entry(name.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        at = match entry {
            toml::Value::Table(table) => table,
            // One of several populations or projections, by its number.
            toml::Value::Array(all) => {
                let index = rest.next().and_then(|index| index.parse::<usize>().ok());
                match index.and_then(|index| all.get_mut(index)) {
                    Some(toml::Value::Table(table)) => table,
                    _ => {
                        return Err(refused(&format!(
                            "`{name}` is a list: name one of its parts by its number, as in {name}.0"
                        )));
                    }
                }
            }
            _ => return Err(refused(&format!("`{name}` has no parts"))),
        };
    }
    at.insert(last.clone(), value);
    Ok(())
}

/// The names of a dotted key. A name in quotes may hold dots, as in `training.rates."slow.weight"`; a key below `training.rates` needs
/// no quotes.
fn names(key: &str) -> Vec<String> {
    const RATES: &str = "training.rates.";
    if let Some(name) = key.strip_prefix(RATES) {
        return vec!["training".into(), "rates".into(), name.trim_matches('"').to_owned()];
    }
    let (mut all, mut name, mut quoted) = (Vec::new(), String::new(), false);
    for c in key.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => all.push(std::mem::take(&mut name)),
            c => name.push(c),
        }
    }
    all.push(name);
    all.retain(|name| !name.is_empty());
    all
}
