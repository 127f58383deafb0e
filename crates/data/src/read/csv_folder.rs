//! Series as a folder of tables: a file for each sample, a row for each time point.
//!
//! Each table has a header; the column `time` need not be there, all others are channels or targets. The labels are in a table
//! `labels.csv` with the columns `file` and `label`, or are the names of the sub-folders that the files are in. Samples are in the order of
//! `labels.csv`, or in that of the names of folders and files.

use std::fs;
use std::path::{Path, PathBuf};

use super::csv_long::dataset;
use super::file::{io, read_file};
use super::labels;
use super::options::ReadOptions;
use super::table::{Columns, Rows, Table, TableSample};
use crate::{Dataset, Error};

/// The table of the labels.
const LABELS: &str = "labels.csv";

pub(super) fn read(folder: &Path, options: &ReadOptions) -> Result<Dataset, Error> {
    let (folders, mut files) = list(folder)?;
    let table = folder.join(LABELS);
    let (paths, labels) = if files.contains(&table) {
        files.retain(|file| *file != table);
        let (paths, labels) = labelled(folder, &table)?;
        if let Some(file) = files.iter().find(|file| !paths.contains(file)) {
            let change = "`labels.csv` has no row for it; add one, or remove the file".to_owned();
            return Err(Error::Unsupported { what: file.display().to_string(), change });
        }
        (paths, Some(labels))
    } else if files.is_empty() {
        let (mut paths, mut labels) = (Vec::new(), Vec::new());
        for folder in folders {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let (_, files) = list(&folder)?;
            labels.extend(files.iter().map(|_| name.clone()));
            paths.extend(files);
        }
        (paths, Some(labels))
    } else {
        (files, None)
    };
    if paths.is_empty() {
        return Err(Error::Empty { what: "files with the extension .csv in the folder" });
    }
    let (mut samples, mut header) = (Vec::with_capacity(paths.len()), Vec::new());
    let mut channels = Vec::new();
    for path in &paths {
        let sample = read_file(path).and_then(|bytes| one(&bytes, &mut header, &mut channels, options));
        samples.push(sample.map_err(|error| error.in_file(path))?);
    }
    let labels = match labels {
        Some(labels) => Some(labels::from_names(&labels, options.classes.as_deref())?),
        None => None,
    };
    dataset(samples, labels)?.with_channel_names(channels)
}

/// The sub-folders and the tables of a folder, in the order of their names.
fn list(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Error> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(io("list"))? {
        let path = entry.map_err(io("list"))?.path();
        if path.is_dir() {
            folders.push(path);
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            files.push(path);
        }
    }
    folders.sort();
    files.sort();
    Ok((folders, files))
}

/// The files of a table of labels, and their labels.
fn labelled(folder: &Path, path: &Path) -> Result<(Vec<PathBuf>, Vec<String>), Error> {
    let read = || {
        let bytes = read_file(path)?;
        let mut table = Table::new(&bytes)?;
        let (file, label) = (table.column("file")?, table.column("label")?);
        let (mut paths, mut labels) = (Vec::new(), Vec::new());
        for row in &mut table {
            let row = row?;
            let entry = |i: usize| row.entries.get(i).unwrap_or_default();
            // A name with folders in it, or `..`, would read files from elsewhere.
            let name = Path::new(entry(file));
            if name.file_name() != Some(name.as_os_str()) {
                return Err(Error::text(
                    row.line,
                    Some("file"),
                    entry(file),
                    "the name of a file in the same folder",
                ));
            }
            paths.push(folder.join(name));
            labels.push(entry(label).to_owned());
        }
        Ok((paths, labels))
    };
    read().map_err(|error: Error| error.in_file(path))
}

/// The sample of one file. All files have the header of the first one, in the same order.
fn one(
    bytes: &[u8],
    header: &mut Vec<String>,
    channels: &mut Vec<String>,
    options: &ReadOptions,
) -> Result<TableSample, Error> {
    let mut table = Table::new(bytes)?;
    if header.is_empty() {
        header.clone_from(&table.header);
    } else if *header != table.header {
        let expected = format!("{}, as in the first file", header.join(","));
        return Err(Error::text(1, None, &table.header.join(","), expected));
    }
    let columns = Columns::new(&table, &options.columns, &[])?;
    *channels = columns.channel_names(header);
    let mut rows = Rows::default();
    for row in &mut table {
        rows.push(&row?, header, &columns, options.missing)?;
    }
    rows.finish(&columns, options.missing, options.time_unit)
}
