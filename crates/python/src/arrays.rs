//! Arrays of NumPy: what comes in is looked at where it lies, what goes out is handed over without a copy.

use numpy::{Element, IntoPyArray, PyArray, PyArrayDyn, PyArrayMethods, PyReadonlyArray};
use numpy::{Ix1, Ix2, Ix3, ndarray::Dimension};
use pyo3::prelude::*;

use crate::error::Error;
use crate::float::Float;

pub(crate) type Array1<'py, T> = PyReadonlyArray<'py, T, Ix1>;
pub(crate) type Array2<'py, T> = PyReadonlyArray<'py, T, Ix2>;
pub(crate) type Array3<'py, T> = PyReadonlyArray<'py, T, Ix3>;

/// An array of numbers of a type, with as many axes.
pub(crate) fn array<'py, T: Float, D: Dimension>(
    what: &'static str,
    given: &Bound<'py, PyAny>,
) -> Result<PyReadonlyArray<'py, T, D>, Error> {
    let axes = D::NDIM.unwrap_or_default();
    let refused = || Error::Array {
        what,
        expected: format!("give an array of {} with {axes} axes", T::NAME),
        found: given.get_type().to_string(),
    };
    let array = given.cast::<PyArray<T, D>>().map_err(|_| refused())?;
    array.try_readonly().map_err(|_| refused())
}

/// The numbers of an array, one row after the other.
pub(crate) fn numbers<'a, T: Element, D: Dimension>(
    what: &'static str,
    array: &'a PyReadonlyArray<'_, T, D>,
) -> Result<&'a [T], Error> {
    array.as_slice().map_err(|_| Error::Array {
        what,
        expected:
            "give an array whose numbers lie one after the other, as numpy.ascontiguousarray makes them"
                .into(),
        found: "one with gaps or another order".into(),
    })
}

/// An array of this shape, which takes the numbers as they are.
pub(crate) fn shaped<'py, T: Element>(
    py: Python<'py>,
    values: Vec<T>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyArrayDyn<T>>> {
    values.into_pyarray(py).reshape(shape)
}
