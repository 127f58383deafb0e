//! Data sets: inputs with their targets, in memory.

use std::fmt;

use crate::{Error, Series, SpikeEvents};

/// The inputs of all samples.
#[derive(Clone, Debug, PartialEq)]
pub enum Inputs {
    /// A series for each sample; lengths may differ.
    Series(Vec<Series>),
    /// Spike events for each sample; durations may differ.
    Spikes(Vec<SpikeEvents>),
}

/// The targets of all samples.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// No targets.
    None,
    /// A class for each sample.
    Classes {
        /// The class of each sample, an index into `names`.
        labels: Vec<usize>,
        /// The names of the classes. A class may have no samples.
        names: Vec<String>,
    },
    /// A vector of values for each sample, all of the same length.
    Values(Vec<Vec<f32>>),
    /// A series for each sample, time points x outputs.
    Series(Vec<Series>),
    /// Spike trains for each sample, one for each output.
    Spikes(Vec<SpikeEvents>),
}

/// The input of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input<'a> {
    /// A series.
    Series(&'a Series),
    /// Spike events.
    Spikes(&'a SpikeEvents),
}

/// The target of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target<'a> {
    /// No target.
    None,
    /// The index of a class.
    Class(usize),
    /// Values, one for each output.
    Values(&'a [f32]),
    /// A series, time points x outputs.
    Series(&'a Series),
    /// Spike trains, one for each output.
    Spikes(&'a SpikeEvents),
}

/// One sample of a data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// The input.
    pub input: Input<'a>,
    /// The target.
    pub target: Target<'a>,
}

/// Samples, each of an input and a target, all in memory. A data set that exists is valid: all inputs have the same channels, all
/// targets the same outputs, all numbers are finite.
///
/// ```
/// use spikegrad_data::{Dataset, Inputs, Series, Targets};
///
/// let inputs = vec![Series::new(1, vec![0.0, 1.0, 0.0])?, Series::new(1, vec![1.0, 1.0])?];
/// let names = vec!["pulse".to_owned(), "step".to_owned()];
/// let data = Dataset::new(Inputs::Series(inputs), Targets::Classes { labels: vec![0, 1], names })?;
/// println!("{data}");
/// assert_eq!((data.len(), data.channels()), (2, 1));
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    inputs: Inputs,
    targets: Targets,
    interval: Option<f64>,
    channel_names: Option<Vec<String>>,
}

impl Inputs {
    /// Number of samples.
    pub fn len(&self) -> usize {
        match self {
            Self::Series(all) => all.len(),
            Self::Spikes(all) => all.len(),
        }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the inputs are, in messages.
    pub(crate) fn sort(&self) -> &'static str {
        match self {
            Self::Series(_) => "series",
            Self::Spikes(_) => "spike events",
        }
    }
}

impl Dataset {
    /// A data set of `inputs` and their `targets`.
    ///
    /// # Errors
    /// If there is no sample, there are not as many targets as inputs, the samples differ in their channels or outputs, a number is not
    /// finite, or a label is no index of a class. The error names the sample.
    pub fn new(inputs: Inputs, targets: Targets) -> Result<Self, Error> {
        let len = inputs.len();
        if len == 0 {
            return Err(Error::Empty { what: "samples" });
        }
        match &inputs {
            Inputs::Series(all) => check_series(all, "channels")?,
            Inputs::Spikes(all) => check_spikes(all, "channels")?,
        }
        check_targets(&targets, len)?;
        Ok(Self { inputs, targets, interval: None, channel_names: None })
    }

    /// The data set with an interval of `interval` ms between the time points of its series.
    ///
    /// # Errors
    /// If the interval is not positive and finite.
    pub fn with_interval(mut self, interval: f64) -> Result<Self, Error> {
        Error::unless_positive("interval", interval)?;
        self.interval = Some(interval);
        Ok(self)
    }

    /// The data set with a name for each channel.
    ///
    /// # Errors
    /// If there are not as many names as channels.
    pub fn with_channel_names(mut self, names: Vec<String>) -> Result<Self, Error> {
        Error::same_count("names of channels", self.channels(), names.len())?;
        self.channel_names = Some(names);
        Ok(self)
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Always false: a data set has at least one sample.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Number of channels of the inputs.
    pub fn channels(&self) -> usize {
        match &self.inputs {
            Inputs::Series(all) => all[0].channels(),
            Inputs::Spikes(all) => all[0].channels(),
        }
    }

    /// The names of the channels, where the file has them.
    pub fn channel_names(&self) -> Option<&[String]> {
        self.channel_names.as_deref()
    }

    /// Number of outputs of the targets: classes, values, or channels of series and spike trains; 0 without targets.
    pub fn outputs(&self) -> usize {
        match &self.targets {
            Targets::None => 0,
            Targets::Classes { names, .. } => names.len(),
            Targets::Values(all) => all[0].len(),
            Targets::Series(all) => all[0].channels(),
            Targets::Spikes(all) => all[0].channels(),
        }
    }

    /// The interval between the time points of the series, ms, if it is known.
    pub fn interval(&self) -> Option<f64> {
        self.interval
    }

    /// All inputs.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// All targets.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The classes of all samples, where the targets are classes.
    pub fn labels(&self) -> Option<&[usize]> {
        if let Targets::Classes { labels, .. } = &self.targets { Some(labels) } else { None }
    }

    /// The names of the classes, where the targets are classes.
    pub fn class_names(&self) -> Option<&[String]> {
        if let Targets::Classes { names, .. } = &self.targets { Some(names) } else { None }
    }

    /// Sample `index`, if there is one.
    pub fn sample(&self, index: usize) -> Option<Sample<'_>> {
        let input = match &self.inputs {
            Inputs::Series(all) => Input::Series(all.get(index)?),
            Inputs::Spikes(all) => Input::Spikes(all.get(index)?),
        };
        let target = match &self.targets {
            Targets::None => Target::None,
            Targets::Classes { labels, .. } => Target::Class(*labels.get(index)?),
            Targets::Values(all) => Target::Values(all.get(index)?),
            Targets::Series(all) => Target::Series(all.get(index)?),
            Targets::Spikes(all) => Target::Spikes(all.get(index)?),
        };
        Some(Sample { input, target })
    }

    /// All samples, in their order.
    pub fn samples(&self) -> impl Iterator<Item = Sample<'_>> {
        (0..self.len()).filter_map(|index| self.sample(index))
    }

    /// The samples of `indices`, copied, in this order. The classes stay the same, also those that are left without samples.
    ///
    /// # Errors
    /// If there are no indices, or there is no such sample.
    pub fn subset(&self, indices: &[usize]) -> Result<Self, Error> {
        if indices.is_empty() {
            return Err(Error::Empty { what: "samples" });
        }
        self.check_indices(indices)?;
        let inputs = match &self.inputs {
            Inputs::Series(all) => Inputs::Series(pick(all, indices)),
            Inputs::Spikes(all) => Inputs::Spikes(pick(all, indices)),
        };
        let targets = match &self.targets {
            Targets::None => Targets::None,
            Targets::Classes { labels, names } => {
                Targets::Classes { labels: pick(labels, indices), names: names.clone() }
            }
            Targets::Values(all) => Targets::Values(pick(all, indices)),
            Targets::Series(all) => Targets::Series(pick(all, indices)),
            Targets::Spikes(all) => Targets::Spikes(pick(all, indices)),
        };
        Ok(Self { inputs, targets, interval: self.interval, channel_names: self.channel_names.clone() })
    }

    /// The series of the inputs.
    pub(crate) fn series(&self, action: &'static str) -> Result<&[Series], Error> {
        match &self.inputs {
            Inputs::Series(all) => Ok(all),
            other => Err(Error::Sort { action, needed: "series", found: other.sort() }),
        }
    }

    /// A data set of other inputs, with the same targets and interval.
    pub(crate) fn with_inputs(&self, inputs: Inputs) -> Result<Self, Error> {
        self.with_inputs_and_targets(inputs, self.targets.clone())
    }

    /// A data set with the same interval, and the same names where there are as many channels.
    pub(crate) fn with_inputs_and_targets(&self, inputs: Inputs, targets: Targets) -> Result<Self, Error> {
        let data = Self { interval: self.interval, ..Self::new(inputs, targets)? };
        let channel_names = self.channel_names.clone().filter(|names| names.len() == data.channels());
        Ok(Self { channel_names, ..data })
    }

    /// Refuses targets that are series of other lengths than the inputs.
    pub(crate) fn check_target_lengths(&self) -> Result<(), Error> {
        let (Inputs::Series(inputs), Targets::Series(targets)) = (&self.inputs, &self.targets) else {
            return Ok(());
        };
        for (sample, (input, target)) in inputs.iter().zip(targets).enumerate() {
            let (expected, found) = (input.time_points(), target.time_points());
            if expected != found {
                let error = Error::Count { what: "time points", expected, found };
                return Err(error.in_target().in_sample(sample));
            }
        }
        Ok(())
    }

    pub(crate) fn check_indices(&self, indices: &[usize]) -> Result<(), Error> {
        match indices.iter().find(|index| **index >= self.len()) {
            None => Ok(()),
            Some(&index) => Err(Error::Index { index, len: self.len() }),
        }
    }
}

fn pick<T: Clone>(all: &[T], indices: &[usize]) -> Vec<T> {
    indices.iter().map(|&index| all[index].clone()).collect()
}

fn check_series(all: &[Series], what: &'static str) -> Result<(), Error> {
    for (sample, series) in all.iter().enumerate() {
        let (expected, found) = (all[0].channels(), series.channels());
        let equal = if expected == found { Ok(()) } else { Err(Error::Count { what, expected, found }) };
        equal.and_then(|()| series.check_finite()).map_err(|error| error.in_sample(sample))?;
    }
    Ok(())
}

fn check_spikes(all: &[SpikeEvents], what: &'static str) -> Result<(), Error> {
    for (sample, events) in all.iter().enumerate() {
        let (expected, found) = (all[0].channels(), events.channels());
        if expected != found {
            return Err(Error::Count { what, expected, found }.in_sample(sample));
        }
    }
    Ok(())
}

fn check_targets(targets: &Targets, len: usize) -> Result<(), Error> {
    let count = match targets {
        Targets::None => return Ok(()),
        Targets::Classes { labels, .. } => labels.len(),
        Targets::Values(all) => all.len(),
        Targets::Series(all) => all.len(),
        Targets::Spikes(all) => all.len(),
    };
    Error::same_count("targets", len, count)?;
    match targets {
        Targets::None => Ok(()),
        Targets::Classes { labels, names } => {
            match labels.iter().enumerate().find(|(_, label)| **label >= names.len()) {
                None => Ok(()),
                Some((sample, label)) => Err(Error::Label {
                    label: label.to_string(),
                    expected: format!("there are {} classes, counted from 0", names.len()),
                }
                .in_sample(sample)),
            }
        }
        Targets::Values(all) => {
            let expected = all[0].len();
            for (sample, values) in all.iter().enumerate() {
                if values.is_empty() {
                    return Err(Error::Empty { what: "target values" }.in_sample(sample));
                }
                if values.len() != expected {
                    let found = values.len();
                    return Err(Error::Count { what: "target values", expected, found }.in_sample(sample));
                }
                if let Some(channel) = values.iter().position(|x| !x.is_finite()) {
                    let value = values[channel].into();
                    let error = Error::NonFinite { channel, position: 0, value }.in_target();
                    return Err(error.in_sample(sample));
                }
            }
            Ok(())
        }
        Targets::Series(all) => check_series(all, "outputs").map_err(Error::in_target),
        Targets::Spikes(all) => check_spikes(all, "outputs").map_err(Error::in_target),
    }
}

/// The smallest and largest of some numbers, as "3" or "3 to 7".
fn range<T: PartialOrd + Copy + fmt::Display>(numbers: impl Iterator<Item = T>) -> String {
    let mut ends: Option<(T, T)> = None;
    for x in numbers {
        let (low, high) = ends.unwrap_or((x, x));
        ends = Some((if x < low { x } else { low }, if x > high { x } else { high }));
    }
    match ends {
        Some((low, high)) if low < high => format!("{low} to {high}"),
        Some((low, _)) => low.to_string(),
        None => "0".to_owned(),
    }
}

/// A description of a few lines: samples, channels, lengths, classes with their counts.
impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Classes that are listed.
        const LISTED: usize = 20;
        /// Channels that are listed.
        const CHANNELS: usize = 12;
        write!(f, "samples: {}, channels: {}", self.len(), self.channels())?;
        if let Some(names) = &self.channel_names {
            write!(f, " ({}", names[..names.len().min(CHANNELS)].join(", "))?;
            if names.len() > CHANNELS {
                write!(f, " and {} more", names.len() - CHANNELS)?;
            }
            f.write_str(")")?;
        }
        f.write_str("\n")?;
        match &self.inputs {
            Inputs::Series(all) => {
                write!(f, "inputs: series of {} time points", range(all.iter().map(Series::time_points)))?;
            }
            Inputs::Spikes(all) => {
                let counts = range(all.iter().map(SpikeEvents::len));
                let durations = range(all.iter().map(SpikeEvents::duration));
                write!(f, "inputs: spike events, {counts} spikes within {durations} ms")?;
            }
        }
        if let Some(interval) = self.interval {
            write!(f, ", {interval} ms apart")?;
        }
        f.write_str("\ntargets: ")?;
        match &self.targets {
            Targets::None => f.write_str("none"),
            Targets::Classes { labels, names } => {
                let mut counts = vec![0_usize; names.len()];
                labels.iter().for_each(|&label| counts[label] += 1);
                write!(f, "{} classes:", names.len())?;
                for (i, (name, count)) in names.iter().zip(&counts).take(LISTED).enumerate() {
                    write!(f, "{} {name} ({count})", if i == 0 { "" } else { "," })?;
                }
                if names.len() > LISTED { write!(f, " and {} more", names.len() - LISTED) } else { Ok(()) }
            }
            Targets::Values(_) => write!(f, "{} values", self.outputs()),
            Targets::Series(all) => {
                let points = range(all.iter().map(Series::time_points));
                write!(f, "series of {points} time points, {} outputs", self.outputs())
            }
            Targets::Spikes(_) => write!(f, "spike trains of {} outputs", self.outputs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(channels: usize, values: &[f32]) -> Series {
        Series::new(channels, values.to_vec()).unwrap()
    }

    fn two() -> Inputs {
        Inputs::Series(vec![series(1, &[1.0, 2.0]), series(1, &[3.0])])
    }

    fn message(inputs: Inputs, targets: Targets) -> String {
        Dataset::new(inputs, targets).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_sample_and_the_place() {
        assert!(message(Inputs::Series(vec![]), Targets::None).contains("no samples"));
        let unequal = Inputs::Series(vec![series(1, &[1.0]), series(2, &[1.0, 2.0])]);
        assert_eq!(message(unequal, Targets::None), "sample 1: 2 channels, expected 1");
        let infinite = Inputs::Series(vec![series(1, &[1.0]), series(1, &[1.0, f32::INFINITY])]);
        assert!(message(infinite, Targets::None).starts_with("sample 1: channel 0, time point 1: inf"));
        let names = vec!["a".to_owned()];
        let labels = Targets::Classes { labels: vec![0, 1], names };
        assert!(message(two(), labels).starts_with("sample 1: label 1 is not a class"));
        assert!(message(two(), Targets::Values(vec![vec![1.0]])).contains("1 targets, expected 2"));
        assert!(message(two(), Targets::Values(vec![vec![1.0], vec![]])).contains("sample 1"));
        let nan = Targets::Values(vec![vec![1.0], vec![f32::NAN]]);
        assert!(message(two(), nan).starts_with("sample 1: target: channel 0"));
        let outputs = Targets::Series(vec![series(1, &[1.0]), series(2, &[1.0, 2.0])]);
        assert!(message(two(), outputs).contains("2 outputs, expected 1"));
    }

    #[test]
    fn subsets_keep_order_classes_and_interval() {
        let names = vec!["a".to_owned(), "b".to_owned()];
        let data = Dataset::new(two(), Targets::Classes { labels: vec![0, 1], names }).unwrap();
        let data = data.with_interval(0.5).unwrap();
        let turned = data.subset(&[1, 0, 1]).unwrap();
        assert_eq!(turned.labels(), Some(&[1, 0, 1][..]));
        assert_eq!(turned.sample(0), data.sample(1));
        assert_eq!(turned.interval(), Some(0.5));
        assert_eq!(data.subset(&[0]).unwrap().outputs(), 2);
        assert!(matches!(data.subset(&[2]), Err(Error::Index { index: 2, len: 2 })));
        assert!(data.subset(&[]).is_err() && data.sample(2).is_none());
        assert_eq!(data.samples().count(), 2);
    }

    #[test]
    fn a_description_counts() {
        let names = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let data = Dataset::new(two(), Targets::Classes { labels: vec![1, 1], names }).unwrap();
        let text = data.with_interval(2.0).unwrap().to_string();
        assert_eq!(
            text,
            "samples: 2, channels: 1\ninputs: series of 1 to 2 time points, 2 ms apart\n\
             targets: 3 classes: a (0), b (2), c (0)"
        );
    }
}
