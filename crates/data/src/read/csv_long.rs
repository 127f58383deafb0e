//! Series as one table in long form: a row for each time point of each sample.
//!
//! A header names the columns. The column `trial` says which sample a row belongs to, by a number or a name; samples are in the
//! order in which they first occur, and their rows may be mixed. The columns `time` and `label` need not be there. All other columns are
//! channels, but for those that the options name as targets.

use std::collections::HashMap;

use super::labels;
use super::options::ReadOptions;
use super::table::{Columns, Rows, Table, TableSample, common_interval};
use crate::{Dataset, Error, Inputs, Targets};

pub(super) fn read(bytes: &[u8], options: &ReadOptions) -> Result<Dataset, Error> {
    let names = &options.columns;
    let mut table = Table::new(bytes)?;
    let trial = match table.special(&names.trial, "trial", names)? {
        Some(trial) => trial,
        None => table.column(&names.trial)?,
    };
    let label = table.special(&names.label, "label", names)?;
    let others: Vec<usize> = [Some(trial), label].into_iter().flatten().collect();
    let columns = Columns::new(&table, names, &others)?;
    let header = table.header.clone();
    let (mut samples, mut indices) = (Vec::<Rows>::new(), HashMap::<String, usize>::new());
    let mut labels = Vec::<String>::new();
    for row in &mut table {
        let row = row?;
        let entry = |i: usize| row.entries.get(i).unwrap_or_default();
        let next = samples.len();
        let sample = *indices.entry(entry(trial).to_owned()).or_insert(next);
        if sample == next {
            samples.push(Rows::default());
            labels.extend(label.map(|i| entry(i).to_owned()));
        }
        if let Some(i) = label
            && entry(i) != labels[sample]
        {
            let expected =
                format!("`{}`, the label of the other rows of trial {}", labels[sample], entry(trial));
            return Err(Error::text(row.line, Some(&header[i]), entry(i), expected));
        }
        samples[sample].push(&row, &header, &columns, options.missing)?;
    }
    let labels = match label {
        Some(_) => Some(labels::from_names(&labels, options.classes.as_deref())?),
        None => None,
    };
    let mut finished = Vec::with_capacity(samples.len());
    for (sample, rows) in samples.into_iter().enumerate() {
        let one = rows.finish(&columns, options.missing, options.time_unit);
        finished.push(one.map_err(|error| error.in_sample(sample))?);
    }
    dataset(finished, labels)?.with_channel_names(columns.channel_names(&header))
}

/// The data set of the samples of tables.
pub(super) fn dataset(samples: Vec<TableSample>, labels: Option<Targets>) -> Result<Dataset, Error> {
    let interval = common_interval(&samples)?;
    let (mut inputs, mut targets) = (Vec::with_capacity(samples.len()), Vec::new());
    for sample in samples {
        inputs.push(sample.input);
        targets.extend(sample.target);
    }
    let targets = match labels {
        _ if !targets.is_empty() => Targets::Series(targets),
        Some(labels) => labels,
        None => Targets::None,
    };
    let data = Dataset::new(Inputs::Series(inputs), targets)?;
    match interval {
        Some(interval) => data.with_interval(interval),
        None => Ok(data),
    }
}
