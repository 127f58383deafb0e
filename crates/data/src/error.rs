//! What can go wrong with data and their files.

use std::path::{Path, PathBuf};

/// Why a file could not be read, or data were refused.
///
/// An error that belongs to a file is wrapped in [`Error::File`], one that belongs to a sample in [`Error::Sample`], so that the
/// message reads from the outside in: the file, the sample, the channel and the time point, then what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An error in a file.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the file.
        source: Box<Error>,
    },
    /// An error in a sample.
    #[error("sample {sample}: {source}")]
    Sample {
        /// Index of the sample, counted from 0.
        sample: usize,
        /// The error of the sample.
        source: Box<Error>,
    },
    /// An error in the target of a sample.
    #[error("target: {source}")]
    Target {
        /// The error of the target.
        source: Box<Error>,
    },
    /// The system refused.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A device or a pipe.
    #[error("not a regular file: give the path of a file or of a folder")]
    NotAFile,
    /// A file of no kind that is read.
    #[error("cannot tell what kind of file this is: give its `kind`, one of {known}")]
    UnknownKind {
        /// The kinds that are read.
        known: String,
    },
    /// A kind that the call cannot read.
    #[error("{kind} data cannot be read here: {change}")]
    KindNotRead {
        /// The kind.
        kind: &'static str,
        /// What to do instead.
        change: &'static str,
    },
    /// A file whose contents are not of its format.
    #[error("not a valid {format} file: {reason}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// The fault of the contents.
        reason: String,
    },
    /// A file that uses a part of its format which is not read.
    #[error("{what} is not read: {change}")]
    Unsupported {
        /// What the file has.
        what: String,
        /// What to do instead.
        change: String,
    },
    /// An entry of a text file.
    #[error("{}: found `{found}`, expected {expected}", in_line(*line, place.as_deref()))]
    Text {
        /// The line, counted from 1.
        line: u64,
        /// The place in the line where it has several: `column v`, or `dimension 1, value 3`, both counted from 1.
        place: Option<String>,
        /// The text that is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// An array or data set that the file does not have.
    #[error(
        "there is no array `{name}`; the file has {present}: rename it in the file, or give its name in the options"
    )]
    MissingArray {
        /// The name of the array.
        name: String,
        /// The names that are there.
        present: String,
    },
    /// An array of another type or shape.
    #[error("array `{name}` is {found}, expected {expected}")]
    Array {
        /// The name of the array.
        name: String,
        /// The type or shape of the array.
        found: String,
        /// The types or shapes that are read.
        expected: String,
    },
    /// A missing value in a text file, where nothing stands in for missing values.
    #[error(
        "{}: found `{found}`, expected a number; choose what stands in for missing values (`missing`)",
        in_line(*line, place.as_deref())
    )]
    MissingValue {
        /// The line, counted from 1.
        line: u64,
        /// The place in the line, as in [`Error::Text`].
        place: Option<String>,
        /// The mark of the missing value.
        found: String,
    },
    /// A column whose name is near to a name with a meaning that no column has.
    #[error(
        "column `{found}` may be a misspelt `{name}`, and there is no column `{name}`: rename it to `{name}`, or give its name in the \
         options as `columns.{option}`{}",
        if *needed { String::new() } else { format!("; if it is a channel, give `columns.{option}` an empty name") }
    )]
    NearColumn {
        /// The name of the column.
        found: String,
        /// The name that it is near to.
        name: String,
        /// The field of [`ColumnNames`](crate::ColumnNames) that has the name.
        option: &'static str,
        /// Whether a table without such a column cannot be read.
        needed: bool,
    },
    /// A column that a table does not have.
    #[error(
        "there is no column `{name}`; the header has {present}: rename it in the file, or give its name in the options"
    )]
    MissingColumn {
        /// The name of the column.
        name: String,
        /// The names that are there.
        present: String,
    },
    /// Nothing where something is needed.
    #[error("no {what}: give at least one")]
    Empty {
        /// What there is none of.
        what: &'static str,
    },
    /// Series whose time points are an unknown time apart.
    #[error("the interval between time points is not known: give it as `interval`, in ms")]
    NoInterval,
    /// Numbers that do not agree.
    #[error("{found} {what}, expected {expected}")]
    Count {
        /// The things that are counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// NaN or an infinity.
    #[error(
        "channel {channel}, time point {position}: {value} is not a finite 32-bit number; correct it, or choose what stands in for missing \
         values (`missing`) if it is one"
    )]
    NonFinite {
        /// Channel or output, counted from 0.
        channel: usize,
        /// Time point, counted from 0.
        position: usize,
        /// The value.
        value: f64,
    },
    /// A channel without a single value.
    #[error(
        "channel {channel} has missing values only: leave the sample out, or choose a value for missing ones"
    )]
    AllMissing {
        /// The channel, counted from 0.
        channel: usize,
    },
    /// A spike outside of its sample.
    #[error(
        "spike {position} in channel {channel} is at {time} ms, expected a time from 0 to the duration of {duration} ms"
    )]
    SpikeTime {
        /// The channel.
        channel: u32,
        /// Index of the spike in the sample, counted from 0.
        position: usize,
        /// The time of the spike, ms.
        time: f64,
        /// Duration of the sample, ms.
        duration: f64,
    },
    /// Spikes out of order.
    #[error(
        "spike {position} is at {time} ms, before the spike at {before} ms that it follows: sort the spikes by time"
    )]
    Unsorted {
        /// Index of the spike, counted from 0.
        position: usize,
        /// The time of the spike, ms.
        time: f64,
        /// Time of the spike before it, ms.
        before: f64,
    },
    /// A spike in a channel that is not there.
    #[error("spike {position} is in channel {channel}, but there are {channels} channels, counted from 0")]
    SpikeChannel {
        /// Index of the spike, counted from 0.
        position: usize,
        /// The channel of the spike.
        channel: u64,
        /// Number of channels.
        channels: usize,
    },
    /// A class that is not there.
    #[error("label {label} is not a class: {expected}")]
    Label {
        /// The label.
        label: String,
        /// What labels may be.
        expected: String,
    },
    /// A sample that is not there.
    #[error("there is no sample {index}: the data set has {len}, counted from 0")]
    Index {
        /// The index.
        index: usize,
        /// Number of samples.
        len: usize,
    },
    /// A part of a split without samples.
    #[error(
        "part {part} of the split has no samples: {len} samples are too few for a share of {share}; make it larger"
    )]
    EmptyPart {
        /// The part, counted from 0.
        part: usize,
        /// The share of the part.
        share: f64,
        /// Number of samples of the data set.
        len: usize,
    },
    /// Something done to the wrong sort of data.
    #[error("{action} needs {needed}, and the data set has {found}")]
    Sort {
        /// What was attempted.
        action: &'static str,
        /// What it works on.
        needed: &'static str,
        /// What there is.
        found: &'static str,
    },
    /// An option or argument out of its domain.
    #[error("{option} = {value}: {expected}")]
    Option {
        /// The option.
        option: &'static str,
        /// The value of the option.
        value: f64,
        /// What it must be.
        expected: &'static str,
    },
}

/// A place in a text file.
fn in_line(line: u64, place: Option<&str>) -> String {
    match place {
        Some(place) => format!("line {line}, {place}"),
        None => format!("line {line}"),
    }
}

/// The place of an entry of a table.
pub(crate) fn in_column(column: &str) -> String {
    format!("column {column}")
}

impl Error {
    /// The error as one of sample `sample`.
    #[must_use]
    pub fn in_sample(self, sample: usize) -> Self {
        Self::Sample { sample, source: Box::new(self) }
    }

    /// The error as one of the file at `path`.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        Self::File { path: path.to_owned(), source: Box::new(self) }
    }

    /// The error as one of a target.
    pub(crate) fn in_target(self) -> Self {
        Self::Target { source: Box::new(self) }
    }

    pub(crate) fn malformed(format: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed { format, reason: reason.into() }
    }

    /// An entry of a text file; what is found is cut to a length that fits into a message.
    pub(crate) fn text(line: u64, column: Option<&str>, found: &str, expected: impl Into<String>) -> Self {
        const LONGEST: usize = 40;
        let mut cut: String = found.chars().take(LONGEST).collect();
        if cut.len() < found.len() {
            cut.push_str("...");
        }
        Self::Text { line, place: column.map(in_column), found: cut, expected: expected.into() }
    }

    /// Refuses another number of things than there should be.
    pub(crate) fn same_count(what: &'static str, expected: usize, found: usize) -> Result<(), Self> {
        if found == expected { Ok(()) } else { Err(Self::Count { what, expected, found }) }
    }

    /// Refuses the value of an option unless it is within its domain.
    pub(crate) fn unless(
        valid: bool,
        option: &'static str,
        value: f64,
        expected: &'static str,
    ) -> Result<(), Self> {
        if valid { Ok(()) } else { Err(Self::Option { option, value, expected }) }
    }

    /// Refuses the value of an option unless it is positive and finite.
    pub(crate) fn unless_positive(option: &'static str, value: f64) -> Result<(), Self> {
        Self::unless(value > 0.0 && value.is_finite(), option, value, "give a positive and finite number")
    }
}
