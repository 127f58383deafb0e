//! Names and values of a program's parameters as bytes: what a checkpoint keeps of a program that does not say more.

use std::path::Path;

use nalgebra::RealField;
use spikegrad_integrators::{ParameterGroup, Parametric};

use crate::{CheckpointError, file};

/// Bytes of a number, and the groups with their numbers as f64, which f32 survives unchanged.
type Kept<Name = String> = (u8, Vec<(Name, Vec<f64>)>);

fn kept<T: RealField + Copy>(program: &(impl Parametric<T> + ?Sized)) -> Kept {
    let named = |ParameterGroup { name, range, .. }: ParameterGroup<'_, _>| {
        let values = program.values()[range].iter().map(|x| x.to_subset_unchecked()).collect();
        (name.to_owned(), values)
    };
    (size_of::<T>() as u8, program.groups().map(named).collect())
}

fn bytes_of(path: &Path, kept: &Kept) -> Result<Vec<u8>, CheckpointError> {
    bincode::serde::encode_to_vec(kept, bincode::config::standard())
        .map_err(|e| file::io("encode", path)(std::io::Error::other(e)))
}

/// Names and values of a program's parameters.
pub(crate) fn encode<T: RealField + Copy>(
    path: &Path,
    program: &(impl Parametric<T> + ?Sized),
) -> Result<Vec<u8>, CheckpointError> {
    bytes_of(path, &kept(program))
}

/// Takes over what [`encode`] made.
pub(crate) fn decode<T: RealField + Copy>(
    path: &Path,
    program: &mut (impl Parametric<T> + ?Sized),
    bytes: &[u8],
) -> Result<(), CheckpointError> {
    let corrupt = || CheckpointError::Corrupt { path: path.to_owned() };
    let decoded = bincode::serde::borrow_decode_from_slice(bytes, bincode::config::standard());
    let (found, _): (Kept<&str>, usize) = decoded.map_err(|_| corrupt())?;
    let found: Kept = (found.0, found.1.into_iter().map(|(name, x)| (name.to_owned(), x)).collect());
    let what = |kept: &Kept| {
        let groups = kept.1.iter().map(|(name, x)| format!("{name} of {} numbers", x.len()));
        format!("{} of {} bytes", groups.collect::<Vec<_>>().join(", "), kept.0)
    };
    let (expected, in_file) = (what(&kept(program)), what(&found));
    if expected != in_file {
        let path = path.to_owned();
        return Err(CheckpointError::Mismatch { path, what: "parameters", expected, found: in_file });
    }
    // Nothing in a file is passed over.
    if bytes_of(path, &found)? != bytes {
        return Err(corrupt());
    }
    let ranges: Vec<_> = program.groups().map(|group| group.range).collect();
    for (range, (_, x)) in ranges.into_iter().zip(found.1) {
        let place = &mut program.values_mut()[range];
        place.iter_mut().zip(x).for_each(|(place, x)| *place = T::from_subset(&x));
    }
    Ok(())
}
