//! The arrays of an `.npz` archive.

use std::io::Cursor;

use zip::ZipArchive;
use zip::result::ZipError;

use super::bytes::most_inflated;
use super::labels;
use super::npy::Array;
use crate::{Error, Series, Targets};

/// An archive of arrays in memory.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// The most bytes that an array can have.
    most: usize,
}

impl<'a> Archive<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let zip = ZipArchive::new(Cursor::new(bytes));
        let zip = zip.map_err(|error| Error::malformed("npz", error.to_string()))?;
        Ok(Self { zip, most: most_inflated(bytes.len()) })
    }

    /// The names of the arrays.
    pub(super) fn names(&self) -> Vec<String> {
        let short = |name: &str| name.strip_suffix(".npy").map(str::to_owned);
        let mut names: Vec<String> =
            self.zip.file_names().flatten().filter_map(|name| short(&name)).collect();
        names.sort();
        names
    }

    /// The array `name`, which must be there.
    pub(super) fn array(&mut self, name: &str) -> Result<Array, Error> {
        let missing =
            |names: Vec<String>| Error::MissingArray { name: name.to_owned(), present: names.join(", ") };
        match self.optional(name)? {
            Some(array) => Ok(array),
            None => Err(missing(self.names())),
        }
    }

    /// The array `name`, if it is there.
    pub(super) fn optional(&mut self, name: &str) -> Result<Option<Array>, Error> {
        let most = self.most;
        match self.zip.by_name(&format!("{name}.npy")) {
            Ok(file) => Array::read(name, file, most).map(Some),
            Err(ZipError::FileNotFound) => Ok(None),
            Err(error) => Err(Error::malformed("npz", format!("array `{name}`: {error}"))),
        }
    }

    /// The targets that array `name` stands for, if it is there: classes if it has one dimension of whole numbers or text, values if
    /// it has one or two of numbers, series if it has three. Series of `padded` time points are cut to `lengths`.
    pub(super) fn targets(
        &mut self,
        name: &str,
        classes: Option<&[String]>,
        classes_name: &str,
        (padded, lengths): (usize, &[usize]),
    ) -> Result<Targets, Error> {
        let Some(array) = self.optional(name)? else { return Ok(Targets::None) };
        let expected = format!(
            "{} targets of one to three dimensions, the first one that of the samples",
            lengths.len()
        );
        let named = match (classes, self.optional(classes_name)?) {
            (Some(classes), _) => Some(classes.to_vec()),
            (None, Some(array)) => Some(array.strings()?),
            (None, None) => None,
        };
        if array.shape.first() != Some(&lengths.len()) || array.shape.contains(&0) {
            return Err(array.unexpected(&expected));
        }
        match array.shape[1..] {
            [] if array.is_text() => labels::from_names(&array.strings()?, named.as_deref()),
            [] if array.is_whole() => labels::from_numbers(&array.i64s()?, named.as_deref()),
            [] => Ok(Targets::Values(array.f32s()?.into_iter().map(|value| vec![value]).collect())),
            [outputs] => {
                Ok(Targets::Values(array.f32s()?.chunks_exact(outputs).map(<[f32]>::to_vec).collect()))
            }
            [points, outputs] => {
                let values = array.f32s()?;
                let each = values.chunks_exact(points * outputs).zip(lengths);
                let cut = |(all, &length): (&[f32], &usize)| {
                    let points = if points == padded { length } else { points };
                    Series::new(outputs, all[..points * outputs].to_vec())
                };
                Ok(Targets::Series(each.map(cut).collect::<Result<_, _>>()?))
            }
            _ => Err(array.unexpected(&expected)),
        }
    }
}
