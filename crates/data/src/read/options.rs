//! How files are read: the kind, the names in it, its unit of time, and what stands in for missing values.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::error::in_column;

/// The kinds of files that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// Series as arrays of NumPy, `.npz`.
    Npz,
    /// Spike events as arrays of NumPy, `.npz`.
    SpikesNpz,
    /// Series as a table in long form, `.csv`.
    Csv,
    /// Series as a folder of tables, one for each sample.
    CsvFolder,
    /// Series in the format of the UCR and UEA archives, `.ts`.
    Ts,
    /// Images in the format of MNIST, with or without `.gz`.
    Idx,
    /// Spike events in the layout of the Heidelberg data sets SHD and SSC, `.h5`.
    Hdf5,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Npz, Self::SpikesNpz, Self::Csv, Self::CsvFolder, Self::Ts, Self::Idx, Self::Hdf5];

    /// The name of the kind in files of settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Npz => "npz",
            Self::SpikesNpz => "spikes-npz",
            Self::Csv => "csv",
            Self::CsvFolder => "csv-folder",
            Self::Ts => "ts",
            Self::Idx => "idx",
            Self::Hdf5 => "hdf5",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The unit of all times in a file: spike times, durations, intervals and time columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeUnit {
    /// Seconds.
    #[default]
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
}

impl TimeUnit {
    /// Milliseconds in a unit.
    pub fn ms(self) -> f64 {
        match self {
            Self::Seconds => 1000.0,
            Self::Milliseconds => 1.0,
        }
    }
}

/// What stands in for missing values in input series: `?` or nothing in text, NaN in arrays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// A missing value is an error.
    #[default]
    Refuse,
    /// The value of the same channel before it; at the beginning, the first value that there is.
    Hold,
    /// This value.
    Value(f32),
}

impl Missing {
    /// Replaces NaN in `T x C` values.
    pub(super) fn fill(self, channels: usize, values: &mut [f32]) -> Result<(), Error> {
        match self {
            // The data set refuses what is left, and names the sample.
            Self::Refuse => Ok(()),
            Self::Value(value) => {
                values.iter_mut().filter(|x| x.is_nan()).for_each(|x| *x = value);
                Ok(())
            }
            Self::Hold => {
                for channel in 0..channels {
                    let mut one = values.iter_mut().skip(channel).step_by(channels);
                    let first = one.find(|x| !x.is_nan()).map(|x| *x);
                    let Some(mut held) = first else { return Err(Error::AllMissing { channel }) };
                    for x in values.iter_mut().skip(channel).step_by(channels) {
                        if x.is_nan() {
                            *x = held;
                        }
                        held = *x;
                    }
                }
                Ok(())
            }
        }
    }

    /// A number of a text file; NaN where it is missing and may be.
    pub(super) fn number(self, token: &str, line: u64, column: Option<&str>) -> Result<f32, Error> {
        let token = token.trim();
        if matches!(token, "" | "?") || token.eq_ignore_ascii_case("nan") {
            return match self {
                Self::Refuse => {
                    Err(Error::MissingValue { line, place: column.map(in_column), found: token.to_owned() })
                }
                _ => Ok(f32::NAN),
            };
        }
        finite(token, line, column).map(|x| x as f32)
    }
}

/// A number of a text file that is finite, in 32 bits too.
pub(super) fn finite(token: &str, line: u64, column: Option<&str>) -> Result<f64, Error> {
    let number = token.trim().parse::<f64>().ok().filter(|x| (*x as f32).is_finite());
    number.ok_or_else(|| Error::text(line, column, token, "a finite number"))
}

/// Names of arrays in `.npz` files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArrayNames {
    /// Inputs: samples x time points x channels, or samples x time points.
    pub x: String,
    /// Targets of series.
    pub y: String,
    /// Number of time points of each sample.
    pub lengths: String,
    /// The interval between time points, one number.
    pub interval: String,
    /// Names of classes.
    pub classes: String,
    /// Times of spikes.
    pub times: String,
    /// Channels of spikes.
    pub units: String,
    /// Samples of spikes.
    pub trial: String,
    /// Targets of spike events.
    pub labels: String,
    /// Durations of spike events, one number or one for each sample.
    pub duration: String,
    /// Times of target spikes.
    pub target_times: String,
    /// Outputs of target spikes.
    pub target_units: String,
    /// Samples of target spikes.
    pub target_trial: String,
}

impl Default for ArrayNames {
    /// Every array is named as its field is.
    fn default() -> Self {
        let [x, y, lengths, interval, classes] =
            ["x", "y", "lengths", "interval", "classes"].map(str::to_owned);
        let [times, units, trial, labels, duration] =
            ["times", "units", "trial", "labels", "duration"].map(str::to_owned);
        let [target_times, target_units, target_trial] =
            ["target_times", "target_units", "target_trial"].map(str::to_owned);
        Self {
            x,
            y,
            lengths,
            interval,
            classes,
            times,
            units,
            trial,
            labels,
            duration,
            target_times,
            target_units,
            target_trial,
        }
    }
}

/// Names of columns in `.csv` files. All other columns are channels. A column whose name is near to one of these is refused where no column
/// has the name itself; an empty name says that there is no such column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColumnNames {
    /// The sample that a row belongs to; in long form only, and needed there.
    pub trial: String,
    /// The time of a row; there need not be one.
    pub time: String,
    /// The class of a row's sample; there need not be one.
    pub label: String,
    /// Columns that make a target series instead of an input.
    pub targets: Vec<String>,
}

impl Default for ColumnNames {
    /// `trial`, `time`, `label`, and no targets.
    fn default() -> Self {
        let [trial, time, label] = ["trial", "time", "label"].map(str::to_owned);
        Self { trial, time, label, targets: Vec::new() }
    }
}

/// What becomes of the pixels of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pixels {
    /// A row of the image is a time point, a column a channel.
    #[default]
    Rows,
    /// All pixels are channels of a single time point.
    Channels,
}

/// How a file is read. The default reads files whose names of arrays and columns are the usual ones, with times in seconds.
///
/// ```
/// use spikegrad_data::{Kind, ReadOptions, TimeUnit};
///
/// let options = ReadOptions { time_unit: TimeUnit::Milliseconds, ..ReadOptions::default() };
/// assert_eq!(options.kind, None::<Kind>);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadOptions {
    /// The kind of the file; without it, [`open`](crate::open) tells it from the contents and the extension.
    pub kind: Option<Kind>,
    /// The unit of all times in the file; seconds unless set. Times in a data set are always in ms.
    pub time_unit: TimeUnit,
    /// What stands in for missing values; they are an error unless set.
    pub missing: Missing,
    /// The names of the classes, in their order. Files that belong together, such as those to train and to test on, may not have samples
    /// of the same classes: give the names of one when the others are read, so that a label means the same in all of them.
    pub classes: Option<Vec<String>>,
    /// The interval between time points, ms, instead of that of the file.
    pub interval: Option<f64>,
    /// Number of channels of spike events. Without it, the last channel is the largest one that has a spike in the file.
    pub channels: Option<usize>,
    /// Number of target spike trains. Without it, the last one is the largest one that has a spike in the file.
    pub outputs: Option<usize>,
    /// Duration of spike events, ms, instead of that of the file. Without either, all samples last until the last spike of the file.
    pub duration: Option<f64>,
    /// Names of arrays in `.npz` files.
    pub arrays: ArrayNames,
    /// Names of columns in `.csv` files.
    pub columns: ColumnNames,
    /// The file of the labels of images. Without it, a file `...labels-idx1...` beside a file `...images-idx3...` is read.
    pub labels: Option<PathBuf>,
    /// What becomes of the pixels of images.
    pub pixels: Pixels,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_values_are_filled_by_channel() {
        let nan = f32::NAN;
        let values = [nan, 10.0, 1.0, nan, nan, nan, 2.0, 13.0];
        let filled = |missing: Missing| {
            let mut values = values.to_vec();
            missing.fill(2, &mut values).map(|()| values)
        };
        assert_eq!(filled(Missing::Hold).unwrap(), [1.0, 10.0, 1.0, 10.0, 1.0, 10.0, 2.0, 13.0]);
        assert_eq!(filled(Missing::Value(0.5)).unwrap(), [0.5, 10.0, 1.0, 0.5, 0.5, 0.5, 2.0, 13.0]);
        assert!(filled(Missing::Refuse).unwrap()[0].is_nan());
        assert!(matches!(Missing::Hold.fill(1, &mut [nan, nan]), Err(Error::AllMissing { channel: 0 })));
    }

    #[test]
    fn numbers_in_text_are_finite_or_missing() {
        assert_eq!(Missing::Refuse.number(" -1.5e3 ", 1, None).unwrap(), -1500.0);
        for token in ["?", "", "NaN", "nan"] {
            assert!(Missing::Refuse.number(token, 1, None).unwrap_err().to_string().contains("`missing`"));
            assert!(Missing::Hold.number(token, 1, None).unwrap().is_nan());
        }
        for token in ["inf", "-Infinity", "1e39", "one", "1,5"] {
            let error = Missing::Hold.number(token, 7, Some("v")).unwrap_err().to_string();
            assert_eq!(error, format!("line 7, column v: found `{token}`, expected a finite number"));
        }
    }

    #[test]
    fn settings_name_kinds_as_messages_do() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
        let options: ReadOptions =
            serde_json::from_str(r#"{"kind": "ts", "time_unit": "ms", "missing": {"value": 0.0}}"#).unwrap();
        assert_eq!((options.kind, options.missing), (Some(Kind::Ts), Missing::Value(0.0)));
        assert!(serde_json::from_str::<ReadOptions>(r#"{"knid": "ts"}"#).is_err());
    }
}
