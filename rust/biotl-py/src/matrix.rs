//! Rows of either sample type, C-contiguous.

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// A matrix of float32 or float64; anything else is refused by name.
#[derive(FromPyObject)]
pub enum Matrix<'py> {
    /// float32
    F32(PyReadonlyArray2<'py, f32>),
    /// float64
    F64(PyReadonlyArray2<'py, f64>),
}

/// A vector of float32 or float64.
#[derive(FromPyObject)]
pub enum Vector<'py> {
    /// float32
    F32(PyReadonlyArray1<'py, f32>),
    /// float64
    F64(PyReadonlyArray1<'py, f64>),
}

/// A matrix of whatever the memory holds, to be written over.
///
/// It comes from `numpy.empty`: zeroing would cost as much as a fast kernel, and large arrays get huge pages.
pub fn empty<T: numpy::Element>(py: Python<'_>, rows: usize, columns: usize) -> PyResult<Bound<'_, PyArray2<T>>> {
    static EMPTY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let array = EMPTY.import(py, "numpy", "empty")?.call1(((rows, columns), numpy::dtype::<T>(py)))?;
    Ok(array.cast_into()?)
}

/// Hands values to `NumPy` as rows of `columns`, without a copy.
pub fn rows<T: numpy::Element>(py: Python<'_>, values: Vec<T>, columns: usize) -> PyResult<Bound<'_, PyArray2<T>>> {
    let rows = values.len().checked_div(columns).unwrap_or(0);
    PyArray1::from_vec(py, values).reshape([rows, columns])
}
