//! Tables of comma-separated values with a header.

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use super::options::{ColumnNames, Missing, TimeUnit, finite};
use crate::{Error, Series};

/// A table as it is read, row by row.
pub(super) struct Table<'a> {
    rows: csv::StringRecordsIntoIter<&'a [u8]>,
    pub(super) header: Vec<String>,
}

/// A row with its line in the file.
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) entries: StringRecord,
}

impl<'a> Table<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        // The mark that some programs put before text in UTF-8.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(bytes);
        let header: Vec<String> = reader.headers().map_err(text)?.iter().map(str::to_owned).collect();
        for (i, name) in header.iter().enumerate() {
            if header[..i].contains(name) {
                return Err(Error::text(1, Some(name), name, "a header that names each column once"));
            }
            // A file without a header would lose its first row.
            if name.parse::<f64>().is_ok() {
                return Err(Error::text(1, None, name, "a header with the names of the columns"));
            }
        }
        Ok(Self { rows: reader.into_records(), header })
    }

    /// The column `name`, if there is one. No column has the empty name.
    pub(super) fn optional(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name && !name.is_empty())
    }

    /// The column `name`, if there is one; a column with nearly this name instead is refused. The name is the field `option` of the names.
    pub(super) fn special(
        &self,
        name: &str,
        option: &'static str,
        names: &ColumnNames,
    ) -> Result<Option<usize>, Error> {
        let known = |column: &str| {
            [&names.trial, &names.time, &names.label]
                .into_iter()
                .chain(&names.targets)
                .any(|known| known == column)
        };
        let at = self.optional(name);
        let near = self.header.iter().find(|column| at.is_none() && !known(column) && is_near(column, name));
        match near {
            Some(found) => Err(Error::NearColumn {
                found: found.clone(),
                name: name.to_owned(),
                option,
                needed: option == "trial",
            }),
            None => Ok(at),
        }
    }

    /// The column `name`, which must be there.
    pub(super) fn column(&self, name: &str) -> Result<usize, Error> {
        let missing = || Error::MissingColumn { name: name.to_owned(), present: self.header.join(", ") };
        self.optional(name).ok_or_else(missing)
    }
}

/// Whether a column may be meant to have `name`: one letter is wrong, missing, superfluous or changed places with its neighbour, letters are of
/// the other case, or a unit or the like stands behind the name.
fn is_near(column: &str, name: &str) -> bool {
    /// A name with fewer letters is near to too many others.
    const SHORTEST: usize = 4;
    let (column, name) = (column.to_lowercase(), name.to_lowercase());
    if column == name {
        return !name.is_empty();
    }
    let followed =
        column.strip_prefix(&name).is_some_and(|rest| rest.starts_with(|c: char| !c.is_alphanumeric()));
    name.chars().count() >= SHORTEST && (followed || strsim::osa_distance(&column, &name) == 1)
}

impl Iterator for Table<'_> {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        Some(row.map_err(text).map(|entries| {
            let line = entries.position().map_or(0, csv::Position::line);
            Row { line, entries }
        }))
    }
}

/// An error of the reader of tables.
fn text(error: csv::Error) -> Error {
    let line = error.position().map_or(1, csv::Position::line);
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Error::text(line, None, &format!("{len} entries"), format!("{expected_len}, as in the header"))
        }
        ErrorKind::Utf8 { .. } => Error::text(line, None, "other bytes", "text in UTF-8"),
        _ => Error::malformed("csv", error.to_string()),
    }
}

/// Which columns of a table are what.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) time: Option<usize>,
    pub(super) inputs: Vec<usize>,
    pub(super) targets: Vec<usize>,
    /// What may hold text, in messages.
    text: String,
}

impl Columns {
    /// All columns but those named `others` and the time are channels or targets.
    pub(super) fn new(table: &Table<'_>, names: &ColumnNames, others: &[usize]) -> Result<Self, Error> {
        let targets = names.targets.iter().map(|name| table.column(name)).collect::<Result<Vec<_>, _>>()?;
        let time = table.special(&names.time, "time", names)?;
        let free = |i: &usize| !others.contains(i) && !targets.contains(i) && Some(*i) != time;
        let inputs: Vec<usize> = (0..table.header.len()).filter(free).collect();
        if inputs.is_empty() {
            return Err(Error::Empty { what: "columns of channels" });
        }
        let text = match others.is_empty() {
            true => "labels are text in `labels.csv` only".to_owned(),
            false => format!("only the columns `{}` and `{}` may hold text", names.trial, names.label),
        };
        Ok(Self { time, inputs, targets, text })
    }

    /// The names of the channels.
    pub(super) fn channel_names(&self, header: &[String]) -> Vec<String> {
        self.inputs.iter().map(|&i| header[i].clone()).collect()
    }

    /// The error of an entry that is no number, with what may hold text.
    fn explained(&self, error: Error) -> Error {
        match error {
            Error::Text { line, place, found, expected } if found.parse::<f64>().is_err() => {
                Error::Text { line, place, found, expected: format!("{expected}; {}", self.text) }
            }
            other => other,
        }
    }
}

/// The rows of one sample while they are gathered.
#[derive(Debug, Default)]
pub(super) struct Rows {
    first_line: u64,
    times: Vec<f64>,
    inputs: Vec<f32>,
    targets: Vec<f32>,
}

/// A sample of a table.
#[derive(Debug)]
pub(super) struct TableSample {
    pub(super) input: Series,
    pub(super) target: Option<Series>,
    /// The interval between its time points, ms, where it has times and more than one.
    pub(super) interval: Option<f64>,
    /// The line that it begins at.
    pub(super) line: u64,
}

impl Rows {
    pub(super) fn push(
        &mut self,
        row: &Row,
        header: &[String],
        columns: &Columns,
        missing: Missing,
    ) -> Result<(), Error> {
        let entry = |i: usize| row.entries.get(i).unwrap_or_default();
        if self.inputs.is_empty() {
            self.first_line = row.line;
        }
        if let Some(i) = columns.time {
            let time =
                finite(entry(i), row.line, Some(&header[i])).map_err(|error| columns.explained(error))?;
            if let Some(before) = self.times.last().filter(|before| **before >= time) {
                let expected = format!("a time above {before}, that of the row before of the same sample");
                return Err(Error::text(row.line, Some(&header[i]), entry(i), expected));
            }
            self.times.push(time);
        }
        for &i in &columns.inputs {
            let number = missing.number(entry(i), row.line, Some(&header[i]));
            self.inputs.push(number.map_err(|error| columns.explained(error))?);
        }
        for &i in &columns.targets {
            let number = finite(entry(i), row.line, Some(&header[i]));
            self.targets.push(number.map_err(|error| columns.explained(error))? as f32);
        }
        Ok(())
    }

    pub(super) fn finish(
        mut self,
        columns: &Columns,
        missing: Missing,
        unit: TimeUnit,
    ) -> Result<TableSample, Error> {
        let channels = columns.inputs.len();
        missing.fill(channels, &mut self.inputs)?;
        let interval = self.interval()?.map(|interval| interval * unit.ms());
        let input = Series::new(channels, self.inputs)?;
        let target = match columns.targets.len() {
            0 => None,
            outputs => Some(Series::new(outputs, self.targets)?),
        };
        Ok(TableSample { input, target, interval, line: self.first_line })
    }

    /// The interval between the times, in their unit. A network takes its inputs at equal intervals.
    fn interval(&self) -> Result<Option<f64>, Error> {
        /// What a time may be off, as a share of the interval: times are often rounded.
        const TOLERANCE: f64 = 0.1;
        let ([first, .., last], count) = (&self.times[..], self.times.len()) else { return Ok(None) };
        let interval = (last - first) / (count - 1) as f64;
        for (k, time) in self.times.iter().enumerate() {
            let even = first + k as f64 * interval;
            if !((time - even).abs() <= TOLERANCE * interval) {
                let expected = format!("about {even}, since the times of a sample must be equally far apart");
                return Err(Error::text(
                    self.first_line,
                    Some("time"),
                    &format!("time {time} in row {k} of the sample"),
                    expected,
                ));
            }
        }
        Ok(Some(interval))
    }
}

/// The interval that all samples have, if any has one.
pub(super) fn common_interval(samples: &[TableSample]) -> Result<Option<f64>, Error> {
    /// By what share intervals of samples may differ.
    const TOLERANCE: f64 = 0.01;
    let mut known =
        samples.iter().filter_map(|sample| sample.interval.map(|interval| (sample.line, interval)));
    let Some((_, first)) = known.next() else { return Ok(None) };
    match known.find(|(_, interval)| !((interval - first).abs() <= TOLERANCE * first)) {
        None => Ok(Some(first)),
        Some((line, interval)) => {
            let found = format!("interval of {interval} ms");
            Err(Error::text(line, None, &found, format!("{first} ms, the interval of the samples before")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_told_from_others() {
        for (column, name) in [
            ("tiem", "time"),
            ("lable", "label"),
            ("trail", "trial"),
            ("Time", "time"),
            ("times", "time"),
            ("time_ms", "time"),
            ("time (s)", "time"),
            ("T", "t"),
        ] {
            assert!(is_near(column, name), "{column} {name}");
        }
        for (column, name) in
            [("v", "t"), ("timeline", "time"), ("temperature", "time"), ("x", "label"), ("a", ""), ("", "")]
        {
            assert!(!is_near(column, name), "{column} {name}");
        }
    }
}
