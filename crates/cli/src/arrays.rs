//! Arrays by name in a file of NumPy's format NPZ.

use std::io::Cursor;
use std::path::Path;

use npyz::WriterBuilder as _;
use spikegrad::tasks::write_whole;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::Error;

/// An array in row-major order.
pub(crate) struct Array {
    name: String,
    values: Vec<f64>,
    shape: Vec<u64>,
}

impl Array {
    /// An array whose last index goes fastest.
    pub(crate) fn new(name: impl Into<String>, values: Vec<f64>, shape: &[usize]) -> Self {
        Self { name: name.into(), values, shape: shape.iter().map(|&n| n as u64).collect() }
    }

    /// An array whose first index goes fastest, as a network's parameters lie.
    pub(crate) fn column_major(name: impl Into<String>, values: &[f64], shape: &[usize]) -> Self {
        let turned = match *shape {
            [rows, columns] => (0..rows)
                .flat_map(|row| (0..columns).map(move |column| values[column * rows + row]))
                .collect(),
            _ => values.to_vec(),
        };
        Self::new(name, turned, shape)
    }
}

/// Writes arrays to a file, whole or not at all.
pub(crate) fn write(path: &Path, arrays: impl IntoIterator<Item = Array>) -> Result<(), Error> {
    let io = |e: std::io::Error| Error::io("write", path, e);
    let mut file = ZipWriter::new(Cursor::new(Vec::new()));
    for array in arrays {
        let options = SimpleFileOptions::default();
        file.start_file(format!("{}.npy", array.name), options).map_err(|e| io(e.into()))?;
        let options = npyz::WriteOptions::new().default_dtype().shape(&array.shape);
        let mut writer = options.writer(&mut file).begin_nd().map_err(io)?;
        writer.extend(array.values).map_err(io)?;
        writer.finish().map_err(io)?;
    }
    let bytes = file.finish().map_err(|e| io(e.into()))?;
    Ok(write_whole(path, &[bytes.get_ref()])?)
}
