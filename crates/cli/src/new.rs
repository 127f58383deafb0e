//! `spikegrad new`: looks at data and writes a commented file of settings for it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use spikegrad::prelude::*;
use spikegrad::tasks::write_whole;
use spikegrad_data::encode::{Current, Encoder, Latency, LevelCrossing, Rate};
use spikegrad_data::{Dataset, Inputs, ReadOptions, Series, Standardise, Targets, open};

use crate::settings::{Initialise, reading};
use crate::{Error, mistake};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the training: NAME.toml is written, and results go to the folder NAME
    #[arg(value_name = "NAME")]
    name: PathBuf,
    /// The data: .npz, .csv, a folder of .csv, .ts, IDX images or .h5
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The labels of IDX images
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// A file of the same kind that the result is judged by
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// The labels of IDX images of the test
    #[arg(long, value_name = "FILE")]
    test_labels: Option<PathBuf>,
    /// Turn series into spikes (rate, latency, level-crossing) or scale them (current) [default: channels are currents]
    #[arg(long, value_enum, value_name = "KIND")]
    encoder: Option<EncoderKind>,
    /// Say how the files are read, as in `--set data.read.missing=hold`; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Number of hidden neurons
    #[arg(long, value_name = "N", default_value_t = 128)]
    neurons: usize,
    /// Overwrite NAME.toml
    #[arg(long)]
    force: bool,
}

/// The encoders.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum EncoderKind {
    /// Currents, scaled
    Current,
    /// Poisson spikes, more for larger values
    Rate,
    /// One spike a channel, earlier for larger values; for series of one time point
    Latency,
    /// A spike for each level that a value crosses
    LevelCrossing,
}

impl EncoderKind {
    /// The encoder for channels of mean 0 and deviation 1.
    fn encoder(self) -> Encoder {
        let (low, high) = (-2.0, 2.0);
        match self {
            Self::Current => Encoder::Current(Current::default()),
            Self::Rate => Encoder::Rate(Rate { low, high, ..Rate::default() }),
            Self::Latency => Encoder::Latency(Latency {
                low,
                high,
                earliest: 0.0,
                latest: 40.0,
                duration: 60.0,
                silent_below: None,
            }),
            Self::LevelCrossing => Encoder::LevelCrossing(LevelCrossing { delta: 0.5 }),
        }
    }

    /// The meaning of the encoder's numbers, as a comment in the settings.
    fn explained(self) -> &'static str {
        match self {
            Self::Current => "Currents: values times `gain`, plus `offset`.",
            Self::Rate => {
                "Poisson spikes: `rate_low` spikes a second at the value `low`, `rate_high` at the value `high`."
            }
            Self::Latency => {
                "One spike a channel: at `earliest` ms for the value `high`, at `latest` for `low`, in a trial of `duration` ms."
            }
            Self::LevelCrossing => {
                "A spike for each level, `delta` apart, that a value crosses: upwards in one channel, downwards in another."
            }
        }
    }
}

/// The longest step that settings begin with, ms.
const LONGEST_STEP: f64 = 0.5;

/// The duration that a trial is given if nothing says how long it is, ms.
const DURATION: f64 = 200.0;

/// Trials that are much shorter or longer than a neuron's own times get an interval of their own, ms.
const SHORTEST: f64 = 20.0;
const LONGEST: f64 = 5000.0;

/// Iterations of a training unless its epochs are too few or too many.
const ITERATIONS: f64 = 2000.0;

/// The learning rate of a group, as a part of the size of its numbers.
const RELATIVE_RATE: f64 = 0.02;

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let path = match args.name.extension() {
        Some(extension) if extension == "toml" => args.name.clone(),
        _ => PathBuf::from(format!("{}.toml", args.name.display())),
    };
    if path.exists() && !args.force {
        return Err(Error::Exists { path });
    }
    let files = [
        ("--data", Some(&args.data)),
        ("--labels", args.labels.as_ref()),
        ("--test", args.test.as_ref()),
        ("--test-labels", args.test_labels.as_ref()),
    ];
    for (option, file) in files {
        if let Some(file) = file.filter(|file| !file.exists()) {
            return Err(Error::together(option, mistake::not_there(file)));
        }
    }
    let (read, _) = reading(&args.set)?;
    let with = |labels: &Option<PathBuf>| ReadOptions {
        labels: labels.clone().or(read.labels.clone()),
        ..read.clone()
    };
    let data = open(&args.data, &with(&args.labels))?;
    if let Some(test) = &args.test {
        open(test, &with(&args.test_labels))?;
    }
    say!("{data}");
    let (encoder, shown) = encoded(args, &data)?;
    let text = settings(args, &path, &data, encoder.as_ref(), &shown)?;
    write_whole(&path, &[text.as_bytes()])?;
    say!("\n{} written; look at it, then\n  spikegrad train {}", path.display(), path.display());
    Ok(())
}

/// A number of the form 1, 2 or 5 times a power of ten, near `x`.
fn round(x: f64) -> f64 {
    let power = 10_f64.powf(x.log10().floor());
    let part = x / power;
    let nice = if part < 1.5 {
        1.0
    } else if part < 3.5 {
        2.0
    } else if part < 7.5 {
        5.0
    } else {
        10.0
    };
    nice * power
}

/// The time between two time points, and why it is that.
fn interval(data: &Dataset) -> Option<(f64, &'static str)> {
    let Inputs::Series(all) = data.inputs() else { return None };
    let longest = all.iter().map(Series::time_points).max().unwrap_or(1) as f64;
    let chosen = round(DURATION / longest).max(1.0);
    match data.interval() {
        // Target spikes have times of their own, which an interval that is made up would miss.
        Some(interval) if matches!(data.targets(), Targets::Spikes(_)) => {
            Some((interval, "as the file says"))
        }
        Some(interval) if (SHORTEST..=LONGEST).contains(&(interval * longest)) => {
            Some((interval, "as the file says"))
        }
        Some(_) => Some((
            chosen,
            "not that of the file: a trial is to last as long as some time constants of the neurons",
        )),
        None => Some((
            chosen,
            "chosen so that a trial lasts about 200 ms, since the file does not say it: yours may differ",
        )),
    }
}

/// A path as it is seen from the folder of another file.
fn seen_from(folder: &Path, path: &Path) -> PathBuf {
    // An absolute path is right everywhere.
    if path.is_absolute() || folder.as_os_str().is_empty() {
        return path.to_owned();
    }
    match path.strip_prefix(folder) {
        Ok(inside) => inside.to_owned(),
        Err(_) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    }
}

fn quoted(path: &Path) -> String {
    toml::Value::String(path.display().to_string()).to_string()
}

/// The encoder that is asked for, and the data as the network is shown them.
fn encoded(args: &Args, data: &Dataset) -> Result<(Option<Encoder>, Dataset), Error> {
    let Some(kind) = args.encoder else { return Ok((None, data.clone())) };
    let encoder = kind.encoder();
    let all: Vec<usize> = (0..data.len()).collect();
    let refused = |why: spikegrad_data::Error| Error::together("--encoder", why.to_string());
    let scaled = Standardise::fit(data, &all).and_then(|fitted| fitted.apply(data)).map_err(refused)?;
    let scaled = match interval(data) {
        Some((interval, _)) => scaled.with_interval(interval)?,
        None => scaled,
    };
    let shown = encoder.apply(&scaled).map_err(refused)?;
    Ok((Some(encoder), shown))
}

fn settings(
    args: &Args,
    path: &Path,
    data: &Dataset,
    encoder: Option<&Encoder>,
    shown: &Dataset,
) -> Result<String, Error> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let spikes = matches!(shown.inputs(), Inputs::Spikes(_));
    let trains = matches!(data.targets(), Targets::Spikes(_));
    let (channels, outputs) = (shown.channels(), data.outputs());
    // The step divides the interval.
    let h = interval(data).map_or(LONGEST_STEP, |(interval, _)| interval / (interval / LONGEST_STEP).ceil());

    let mut network = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(network, "[network]");
    if !spikes {
        let _ = writeln!(network, "inputs = {channels}");
    }
    if !trains {
        let _ = writeln!(network, "outputs = {outputs}\nread_from = \"slow\"");
    }
    if spikes {
        let _ = writeln!(network, "\n[[network.sources]]\nname = \"events\"\nchannels = {channels}");
    }
    let population = |name: &str, size: usize| {
        format!(
            "\n[[network.populations]]\nname = \"{name}\"\n# The neuron model; `spikegrad models` lists all, with their parameters.\n\
             model = \"LIF\"\nsize = {size}\n\
             \
             # The charge of a spike is released while the voltage rises through this width below the threshold.\ngate = {{ shape = \"raised cosine\", width = 0.5 }}\n\
             parameters = {{ tau_v = 20.0, v_theta = 1.0, v_reset = 0.0 }}\n"
        )
    };
    network += &population("hidden", args.neurons);
    if trains {
        network += &population("out", outputs);
    }
    let projection = |name: &str, tau: f64, between: Option<(&str, &str)>| {
        let mut text = format!(
            "\n[[network.projections]]\nname = \"{name}\"\n# Time constant of the synapses, ms.\ntau = {tau:.1}\n"
        );
        if let Some((pre, post)) = between {
            let _ = writeln!(text, "between = {{ pre = \"{pre}\", post = \"{post}\" }}");
        }
        text
    };
    network += &projection("slow", 20.0, Some(("hidden", "hidden")));
    if spikes {
        network += &projection("events_in", 5.0, Some(("events", "hidden")));
    }
    if trains {
        network += &projection("forward", 5.0, Some(("hidden", "out")));
    }
    let rates = rates(&network, h)?;

    let loss = match data.targets() {
        Targets::Classes { .. } => "kind = \"cross-entropy\"\n# What a class is read from: `mean`, `last` or `maximum` of its output over time, or `counts` or `first-spike` of the neurons of\n# `population`, one for a class.\nscore = \"mean\"\nlabel_smoothing = 0.0\n".to_owned(),
        Targets::Values(_) => "kind = \"squared-error\"\n# What a value is read from: `mean`, `last` or `maximum` of its output over time, or `counts` or `first-spike` of the neurons of\n# `population`, one for a value.\nscore = \"mean\"\n".to_owned(),
        Targets::Series(_) => "kind = \"squared-error\"\n".to_owned(),
        Targets::Spikes(_) => "kind = \"van-rossum\"\npopulation = \"out\"\n# Time constant of the distance, ms.\ntime_constant = 10.0\n".to_owned(),
        Targets::None => {
            return Err(Error::together(
                &args.data.display().to_string(),
                "there is nothing to learn in it: it has no labels and no targets",
            ));
        }
    };
    let training = data.len() as f64 * if args.test.is_some() { 0.85 } else { 0.7 };
    let batch =
        [32.0, 16.0, 8.0, 4.0, 2.0, 1.0].into_iter().find(|batch| training / batch >= 8.0).unwrap_or(1.0);
    let epochs = round((ITERATIONS * batch / training).clamp(2.0, 100.0));

    let mut text = format!(
        "# Settings of a training; `spikegrad train {}` trains, and `--set key=value` changes a setting for once.\n\
         # {}\n\n\
         # The seed of weights, splits and orders.\nseed = 1\n\n[data]\nfile = {}\n",
        path.display(),
        data.to_string().replace('\n', "\n# "),
        quoted(&seen_from(folder, &args.data)),
    );
    for (key, file) in
        [("labels", &args.labels), ("test_file", &args.test), ("test_labels", &args.test_labels)]
    {
        if let Some(file) = file {
            let _ = writeln!(text, "{key} = {}", quoted(&seen_from(folder, file)));
        }
    }
    if let Some((interval, why)) = interval(data) {
        let _ = writeln!(
            text,
            "# Time between two time points, ms; {why}.\n# The step `h` must divide it.\ninterval = {interval}"
        );
        text += "# Every channel is brought to mean 0 and deviation 1, as measured on the training part.\nstandardise = true\n";
        match encoder.zip(args.encoder) {
            Some((encoder, kind)) => {
                let encoder = toml::Value::try_from(encoder)
                    .map_err(|e| Error::together("--encoder", e.to_string()))?;
                let _ = writeln!(text, "# {}\nencoder = {encoder}", kind.explained());
            }
            None => {
                text += "# Channels are currents. For spikes, write the settings with `--encoder rate`, `latency` or `level-crossing`.\n";
            }
        }
    }
    if matches!(data.targets(), Targets::Values(_) | Targets::Series(_)) {
        text += "# Targets are learned with mean 0 and deviation 1; what is judged and drawn has their own unit.\nstandardise_targets = true\n";
    }
    text += "# Shares of the samples that steer the training and that judge its result.\nvalidation = 0.15\n";
    if args.test.is_none() {
        text += "test = 0.15\n";
    }
    text += "# Time without input after each sample, and time at its start at which the loss does not look, ms.\nafter = 0.0\nwarm_up = 0.0\n";
    if !args.set.is_empty() {
        let (_, table) = reading(&args.set)?;
        let _ = write!(text, "\n# How the files are read.\n{table}");
    }
    let usual = Initialise::default();
    let _ = write!(
        text,
        "\n# The network: populations of neurons, and projections of synapses between them.\n{network}\n\
         # Random numbers before training: tonic currents for a rate in Hz that differ by a spread, recurrent and input weights and a\n\
         # readout, as parts of what moves a neuron.\n\
         [initialise]\nrate = {:?}\nspread = {:?}\ngain = {:?}\ninput = {:?}\nreadout = {:?}\n\n\
         [loss]\n{loss}# Weight of the mean square of the traces that are read: keeps the network quiet.\nactivity = 0.0\n\n\
         [training]\n# The step, ms: half as long a step should change nothing.\nh = {h:?}\n\
         # How often the training goes through its samples.\nepochs = {epochs:?}\n# It ends earlier after so many epochs without a better validation.\npatience = 30\n# Samples in an iteration, whose gradients are averaged.\nbatch = {batch}\n# adam, adam-w, lion or sgd.\noptimiser = \"adam\"\n\
         # Learning rates fall to this part of themselves.\nlast_rate = 0.1\n\
         # Each trial's gradient is clipped at this quantile of the norms before it; 1 for no clipping.\nclip = 0.9\n\n\
         # What is trained, and how fast. `spikegrad inspect {}` lists all parameters.\n[training.rates]\n{rates}",
        usual.rate,
        usual.spread,
        usual.gain,
        usual.input,
        usual.readout,
        path.display(),
    );
    Ok(text)
}

/// Learning rates in proportion to the size of the numbers that training begins with.
fn rates(network: &str, h: f64) -> Result<String, Error> {
    let table: toml::Table =
        toml::from_str(network).map_err(|e| Error::together("network", e.to_string()))?;
    let spec = table.get("network").cloned().unwrap_or(toml::Value::Table(toml::Table::new()));
    let spec: NetworkSpec =
        spec.try_into().map_err(|e: toml::de::Error| Error::together("network", e.to_string()))?;
    let mut network = spec.build()?;
    let how = Initialisation { h, ..Initialisation::default() };
    network.initialise(&how, &mut generator(1, Purpose::Initialisation, 0))?;
    let mut text = String::new();
    for entry in network.parameters.layout().entries() {
        let values = network.parameters.group(entry.group);
        let size = (values.iter().map(|x| x * x).sum::<f64>() / values.len().max(1) as f64).sqrt();
        if network.is_trainable(entry.group) && size > 0.0 {
            let _ = writeln!(text, "\"{}\" = {}", entry.name, round(RELATIVE_RATE * size));
        }
    }
    Ok(text)
}
