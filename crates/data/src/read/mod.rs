//! Reading of files.

mod archive;
mod arrays;
mod bytes;
mod csv_folder;
mod csv_long;
mod file;
mod flat_spikes;
#[cfg(feature = "hdf5")]
mod hdf5;
mod idx;
mod labels;
mod npy;
mod npz;
mod npz_spikes;
mod options;
#[cfg(feature = "hdf5")]
mod shd;
mod spike_lists;
mod table;
mod target_trains;
mod ts;

use std::path::{Path, PathBuf};

pub use arrays::{NamedArray, arrays};
pub use options::{ArrayNames, ColumnNames, Kind, Missing, Pixels, ReadOptions, TimeUnit};

use crate::{Dataset, Error};

/// Reads the data set at `path`, a file or a folder.
///
/// Without a kind in the options, the kind is told from the contents, and for text from the extension: `.npz` of NumPy, with spike
/// events if it has arrays of their times and channels; `.csv`; a folder of `.csv` files; `.ts`; IDX, with or without `.gz`; HDF5.
///
/// ```no_run
/// use spikegrad_data::{ReadOptions, open};
///
/// let data = open("JapaneseVowels_TRAIN.ts", &ReadOptions::default())?;
/// println!("{data}");
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
///
/// # Errors
/// If the file cannot be read, is of no kind that is read, or has no valid data set. The error names the file, and in it the sample,
/// the channel and the time point, or the line and the column.
pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Dataset, Error> {
    let path = path.as_ref();
    let folder = path.is_dir();
    let read_folder = || match options.kind {
        None | Some(Kind::CsvFolder) => with_interval(csv_folder::read(path, options)?, options),
        Some(kind) => {
            Err(Error::KindNotRead { kind: kind.name(), change: "give the path of a file, not of a folder" })
        }
    };
    let read_file = || {
        let bytes = file::read_file(path)?;
        let kind = options.kind.or_else(|| tell(&bytes, path.extension().and_then(|e| e.to_str()), options));
        let labels = if kind == Some(Kind::Idx) { labels_beside(path, options) } else { None };
        let labels = match &labels {
            Some(path) => Some(file::read_file(path).map_err(|error| error.in_file(path))?),
            None => None,
        };
        match kind {
            Some(kind) => read_kind(&bytes, labels.as_deref(), kind, options),
            None => Err(Error::UnknownKind { known: Kind::ALL.map(Kind::name).join(", ") }),
        }
    };
    if folder { read_folder() } else { read_file() }.map_err(|error| error.in_file(path))
}

/// Reads the contents of one file of a kind. Images are read without their labels.
///
/// ```
/// use spikegrad_data::{Kind, ReadOptions, read};
///
/// let table = b"trial,label,v\n0,low,0.5\n0,low,0.25\n1,high,9.5\n";
/// let data = read(table, Kind::Csv, &ReadOptions::default())?;
/// assert_eq!(data.len(), 2);
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
///
/// # Errors
/// If the kind is a folder, or the contents are no valid data set.
pub fn read(bytes: &[u8], kind: Kind, options: &ReadOptions) -> Result<Dataset, Error> {
    read_kind(bytes, None, kind, options)
}

fn read_kind(
    bytes: &[u8],
    labels: Option<&[u8]>,
    kind: Kind,
    options: &ReadOptions,
) -> Result<Dataset, Error> {
    let data = match kind {
        Kind::Npz => npz::read(bytes, options),
        Kind::SpikesNpz => npz_spikes::read(bytes, options),
        Kind::Csv => csv_long::read(bytes, options),
        Kind::Ts => ts::read(bytes, options),
        Kind::Idx => idx::read(bytes, labels, options),
        #[cfg(feature = "hdf5")]
        Kind::Hdf5 => shd::read(bytes, options),
        #[cfg(not(feature = "hdf5"))]
        Kind::Hdf5 => Err(Error::KindNotRead { kind: kind.name(), change: "build with the feature `hdf5`" }),
        Kind::CsvFolder => {
            Err(Error::KindNotRead { kind: kind.name(), change: "give the path of a folder to `open`" })
        }
    };
    with_interval(data?, options)
}

fn with_interval(data: Dataset, options: &ReadOptions) -> Result<Dataset, Error> {
    match options.interval {
        Some(interval) => data.with_interval(interval),
        None => Ok(data),
    }
}

/// The kind of a file.
fn tell(bytes: &[u8], extension: Option<&str>, options: &ReadOptions) -> Option<Kind> {
    if bytes.starts_with(b"PK") {
        let names = archive::Archive::new(bytes).map(|archive| archive.names()).unwrap_or_default();
        let has = |name: &String| names.contains(name);
        let spikes = has(&options.arrays.times) && has(&options.arrays.units);
        return Some(if spikes { Kind::SpikesNpz } else { Kind::Npz });
    }
    if bytes.starts_with(b"\x89HDF") {
        return Some(Kind::Hdf5);
    }
    // Compressed, IDX is the only format that is read.
    if bytes.starts_with(&idx::GZIP) || matches!(bytes, [0, 0, 0x08..=0x0e, 1..=4, ..]) {
        return Some(Kind::Idx);
    }
    match extension?.to_ascii_lowercase().as_str() {
        "csv" => Some(Kind::Csv),
        "ts" => Some(Kind::Ts),
        "h5" | "hdf5" => Some(Kind::Hdf5),
        "npz" => Some(Kind::Npz),
        _ => None,
    }
}

/// The file of the labels of images: that of the options, or the one that the archives name after the images.
fn labels_beside(images: &Path, options: &ReadOptions) -> Option<PathBuf> {
    if options.labels.is_some() {
        return options.labels.clone();
    }
    let name = images.file_name()?.to_str()?;
    let beside = name.replace("images-idx3", "labels-idx1").replace("images.idx3", "labels.idx1");
    let path = images.with_file_name(&beside);
    (beside != name && path.is_file()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_from_contents_and_extensions() {
        let options = ReadOptions::default();
        for (bytes, extension, kind) in [
            (&b"\x89HDF\r\n\x1a\n"[..], None, Some(Kind::Hdf5)),
            (&[0, 0, 8, 3, 0, 0], None, Some(Kind::Idx)),
            (&[0x1f, 0x8b, 8], Some("gz"), Some(Kind::Idx)),
            (b"PK\x03\x04", Some("zip"), Some(Kind::Npz)),
            (b"trial,v\n", Some("CSV"), Some(Kind::Csv)),
            (b"@data\n", Some("ts"), Some(Kind::Ts)),
            (b"%PDF", Some("pdf"), None),
            (b"", None, None),
        ] {
            assert_eq!(tell(bytes, extension, &options), kind, "{bytes:?}");
        }
    }
}
