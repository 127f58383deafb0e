//! Series in the `.ts` format of the UCR and UEA archives, as aeon and sktime read it.
//!
//! Lines that begin with `#` or `%` are comments. Lines that begin with `@` describe the data, in any order; of these
//! `@dimensions`, `@univariate`, `@equalLength`, `@seriesLength`, `@classLabel` and `@targetLabel` are held against the data.
//! After `@data`, a line is a sample: the values of a dimension are separated by commas, dimensions by colons, and the class or target comes
//! last. Missing values are `?`. Lengths of samples may differ; all dimensions of a sample have the same length.

use super::labels;
use super::options::{ReadOptions, finite};
use crate::{Dataset, Error, Inputs, Series, Targets};

/// What the header says.
#[derive(Debug, Default)]
struct Header {
    dimensions: Option<usize>,
    length: Option<usize>,
    equal_length: bool,
    /// The names of the classes, where there are classes.
    classes: Option<Vec<String>>,
    target: bool,
}

pub(super) fn read(bytes: &[u8], options: &ReadOptions) -> Result<Dataset, Error> {
    let (mut header, mut in_data) = (Header::default(), false);
    let (mut inputs, mut labels, mut values) = (Vec::<Series>::new(), Vec::new(), Vec::new());
    for (line, text) in (1_u64..).zip(bytes.split(|byte| *byte == b'\n')) {
        let text =
            str::from_utf8(text).map_err(|_| Error::text(line, None, "other bytes", "text in UTF-8"))?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() || text.starts_with(['#', '%']) {
            continue;
        }
        if !in_data {
            in_data = header.line(text, line)?;
            continue;
        }
        let (series, label) = match header.classes.is_some() || header.target {
            false => (text, None),
            true => match text.rsplit_once(':') {
                Some((series, label)) => (series, Some(label.trim())),
                None => {
                    return Err(Error::text(line, None, text, "a series, a colon, and a class or target"));
                }
            },
        };
        let series = header.series(series, line, inputs.first(), options)?;
        inputs.push(series);
        match (&header.classes, label) {
            (Some(classes), Some(label)) => {
                // Some archives write a class in other cases than its header does.
                let exact = classes.iter().find(|class| *class == label);
                let known = exact.or_else(|| classes.iter().find(|class| class.eq_ignore_ascii_case(label)));
                let expected = || format!("one of the classes of @classLabel: {}", classes.join(", "));
                let known = known.ok_or_else(|| Error::text(line, None, label, expected()))?;
                labels.push(known.clone());
            }
            (None, Some(target)) => values.push(vec![finite(target, line, None)? as f32]),
            (_, None) => {}
        }
    }
    if !in_data {
        return Err(Error::malformed("ts", "it has no line `@data`"));
    }
    let targets = match header.classes {
        Some(classes) => labels::from_names(&labels, options.classes.as_deref().or(Some(&classes)))?,
        None if header.target => Targets::Values(values),
        None => Targets::None,
    };
    Dataset::new(Inputs::Series(inputs), targets)
}

impl Header {
    /// Reads a line of the header; the result is whether the data begin after it.
    fn line(&mut self, text: &str, line: u64) -> Result<bool, Error> {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default().to_ascii_lowercase();
        let value = words.next().unwrap_or_default();
        let wrong = |expected: &str| Error::text(line, None, text, expected);
        let flag = || match value.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(wrong("`true` or `false` after the name")),
        };
        let number = || {
            let number = value.parse().ok().filter(|number| *number > 0);
            number.ok_or_else(|| wrong("a positive whole number after the name"))
        };
        match name.as_str() {
            "@data" => return Ok(true),
            "@timestamps" if flag()? => {
                let what = format!("line {line}: data with time stamps");
                let change = "resample to equal intervals and write `@timeStamps false`".to_owned();
                return Err(Error::Unsupported { what, change });
            }
            // A file that says that it has several dimensions may have one.
            "@univariate" if flag()? => self.dimensions = Some(1),
            "@dimensions" | "@dimension" => self.dimensions = Some(number()?),
            "@equallength" => self.equal_length = flag()?,
            "@serieslength" => self.length = Some(number()?),
            "@classlabel" if flag()? => {
                let classes: Vec<String> = words.map(str::to_owned).collect();
                if classes.is_empty() {
                    return Err(wrong("the names of the classes after `true`"));
                }
                self.classes = Some(classes);
            }
            "@targetlabel" => self.target = flag()?,
            name if name.starts_with('@') => {}
            _ => return Err(wrong("a line that begins with `@`, or `@data` before the data")),
        }
        Ok(false)
    }

    /// Reads the dimensions of a sample.
    fn series(
        &self,
        text: &str,
        line: u64,
        first: Option<&Series>,
        options: &ReadOptions,
    ) -> Result<Series, Error> {
        let dimensions: Vec<&str> = text.split(':').collect();
        let count = dimensions.len();
        let expected = self.dimensions.or(first.map(Series::channels)).unwrap_or(count);
        if count != expected {
            let why = if self.classes.is_some() || self.target {
                "; the row may be cut off, or its class or target may be missing"
            } else if count < expected {
                "; the row may be cut off"
            } else {
                ""
            };
            return Err(Error::text(line, None, &format!("{count} dimensions"), format!("{expected}{why}")));
        }
        let lengths = dimensions.iter().map(|values| values.split(',').count());
        let (shortest, length) = (lengths.clone().min().unwrap_or(0), lengths.max().unwrap_or(0));
        if shortest != length {
            let found = format!("dimensions of {shortest} to {length} values");
            return Err(Error::text(line, None, &found, "as many values in every dimension"));
        }
        if self.equal_length {
            let expected = self.length.or(first.map(Series::time_points)).unwrap_or(length);
            if length != expected {
                let found = format!("{length} values in a dimension");
                return Err(Error::text(line, None, &found, format!("{expected}, since lengths are equal")));
            }
        }
        let mut values = vec![0.0; count * length];
        for (channel, dimension) in dimensions.into_iter().enumerate() {
            for (point, value) in dimension.split(',').enumerate() {
                let place = || format!("dimension {}, value {}", channel + 1, point + 1);
                let value = options.missing.number(value, line, None);
                let value = value.map_err(|error| at_place(error, place()))?;
                values[point * count + channel] = value;
            }
        }
        options.missing.fill(count, &mut values).map_err(|error| {
            let Error::AllMissing { channel } = error else { return error };
            Error::text(line, None, "?", format!("a value in dimension {}, which has none", channel + 1))
        })?;
        Series::new(count, values)
    }
}

/// The error with its place in the line, which is named only now that it is needed.
fn at_place(error: Error, place: String) -> Error {
    let place = Some(place);
    match error {
        Error::Text { line, found, expected, .. } => Error::Text { line, place, found, expected },
        Error::MissingValue { line, found, .. } => Error::MissingValue { line, place, found },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Input, Missing, Target};

    fn data(text: &str) -> Result<Dataset, Error> {
        read(text.as_bytes(), &ReadOptions::default())
    }

    const HEADER: &str =
        "# a comment\n@problemName Test\n@timeStamps false\n@univariate false\n@dimensions 2\n";

    #[test]
    fn dimensions_are_channels_and_lengths_may_differ() {
        let data = data(&format!("{HEADER}@classLabel true b a\n@data\n1,2,3:10,20,30:a\n4:40:B\n")).unwrap();
        assert_eq!(data.class_names(), Some(&["b".to_owned(), "a".to_owned()][..]));
        assert_eq!(data.labels(), Some(&[1, 0][..]));
        let Some(Input::Series(first)) = data.sample(0).map(|sample| sample.input) else { panic!() };
        assert_eq!(first.values(), [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]);
    }

    #[test]
    fn regression_targets_are_values() {
        let data = data("@univariate true\r\n@targetlabel true\r\n@DATA\r\n1,2:0.5\r\n").unwrap();
        assert_eq!(data.sample(0).unwrap().target, Target::Values(&[0.5]));
        let unlabelled = super::tests::data("@classLabel false\n@data\n1,2\n").unwrap();
        assert_eq!(unlabelled.sample(0).unwrap().target, Target::None);
    }

    #[test]
    fn missing_values_need_a_choice() {
        let text = format!("{HEADER}@data\n1,?,3:10,20,30\n");
        let error = data(&text).unwrap_err().to_string();
        assert!(error.starts_with("line 7, dimension 1, value 2: found `?`"), "{error}");
        let options = ReadOptions { missing: Missing::Hold, ..ReadOptions::default() };
        let held = read(text.as_bytes(), &options).unwrap();
        let Some(Input::Series(first)) = held.sample(0).map(|sample| sample.input) else { panic!() };
        assert!(first.channel(0).eq([1.0, 1.0, 3.0]));
    }

    #[test]
    fn errors_name_the_line_and_what_was_expected() {
        for (text, expected) in [
            ("@data\n1,2,3:1,2\n", "line 2: found `dimensions of 2 to 3 values`"),
            ("@dimensions 3\n@data\n1:2\n", "line 3: found `2 dimensions`, expected 3"),
            (
                "@dimensions 3\n@classLabel true a b\n@data\n1:2:3:a\n1:2\n",
                "line 5: found `1 dimensions`, expected 3; the row may be cut off, or its class or target may be missing",
            ),
            ("@dimensions 2\n@data\n1\n", "expected 2; the row may be cut off"),
            ("@data\n1\n1:2\n", "line 3: found `2 dimensions`, expected 1"),
            ("@equalLength true\n@data\n1,2\n1\n", "line 4: found `1 values in a dimension`, expected 2"),
            ("@equalLength true\n@seriesLength 3\n@data\n1,2\n", "expected 3"),
            (
                "@classLabel true a b\n@data\n1,2:c\n",
                "line 3: found `c`, expected one of the classes of @classLabel: a, b",
            ),
            ("@classLabel true a b\n@data\n1,2\n", "a colon, and a class"),
            ("@classLabel true\n@data\n", "names of the classes"),
            ("@targetLabel true\n@data\n1:x\n", "line 3: found `x`, expected a finite number"),
            ("@timeStamps true\n@data\n", "line 1: data with time stamps is not read"),
            ("@univariate maybe\n", "`true` or `false`"),
            ("@dimensions none\n", "a positive whole number"),
            ("1,2,3\n", "`@data` before the data"),
            ("@univariate true\n", "no line `@data`"),
            ("@data\n", "no samples"),
            ("@data\n1,inf\n", "line 2, dimension 1, value 2: found `inf`"),
        ] {
            let error = data(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
