//! Arrays of numbers by their names, whatever they stand for.

use std::path::Path;

use super::archive::Archive;
use super::file::read_file;
use crate::Error;

/// An array of numbers with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedArray {
    /// The array's name.
    pub name: String,
    /// The array's sides.
    pub shape: Vec<usize>,
    /// The array's numbers, the last index fastest.
    pub values: Vec<f64>,
}

/// The arrays of an NPZ file, in the order of their names.
///
/// ```no_run
/// for array in spikegrad_data::arrays("weights.npz")? {
///     println!("{}: {:?}", array.name, array.shape);
/// }
/// # Ok::<(), spikegrad_data::Error>(())
/// ```
///
/// # Errors
/// If the file cannot be read, is no archive of arrays, or has an array that is damaged or not of numbers.
pub fn arrays(path: impl AsRef<Path>) -> Result<Vec<NamedArray>, Error> {
    let path = path.as_ref();
    let read = || {
        let bytes = read_file(path)?;
        let mut archive = Archive::new(&bytes)?;
        let names = archive.names();
        let named = |name: String| {
            let array = archive.array(&name)?;
            if array.is_text() {
                return Err(array.unexpected("numbers"));
            }
            Ok(NamedArray { shape: array.shape.clone(), values: array.f64s()?, name })
        };
        names.into_iter().map(named).collect::<Result<Vec<_>, Error>>()
    };
    read().map_err(|error| error.in_file(path))
}
