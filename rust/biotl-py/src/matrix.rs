//! Rows of either sample type, C-contiguous.

use numpy::{
    PyArray1, PyArray2, PyArrayDescr, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2,
};
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

/// A matrix of whatever the memory holds, to be written over; see [`empty`].
pub fn empty_matrix<T: numpy::Element>(
    py: Python<'_>,
    rows: usize,
    columns: usize,
) -> PyResult<Bound<'_, PyArray2<T>>> {
    Ok(empty(py, vec![rows, columns], numpy::dtype::<T>(py))?.cast_into()?)
}

/// An array of whatever the memory holds, C-contiguous, to be written over: zeroing would cost as much as a fast kernel.
///
/// The memory is `NumPy`'s, so a lack of it is a `MemoryError`. From 4 MiB on it asks for huge pages, which the system
/// grants only to whole ones that are aligned. So the array begins on one, and the last one is had to its end: a few
/// page faults, where a megabyte in pages of 4 KiB costs 256, and more time than most kernels here.
#[pyfunction]
pub fn empty<'py>(py: Python<'py>, shape: Vec<usize>, dtype: Bound<'py, PyArrayDescr>) -> PyResult<Bound<'py, PyAny>> {
    static EMPTY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let numpy_empty = EMPTY.get_or_try_init(py, || {
        let empty = py.import("numpy")?.getattr("empty")?;
        // glibc keeps what is freed, up to the size of the largest block that was ever freed: what the system has to clear
        // and lend anew costs a sixth of files to tokens. This block is the largest that counts, and is never touched.
        drop(empty.call1((LARGEST, numpy::dtype::<u8>(py)))?);
        Ok::<_, PyErr>(empty.unbind())
    })?;
    let numpy_empty = numpy_empty.bind(py);
    let bytes = shape.iter().try_fold(dtype.itemsize(), |bytes, &n| bytes.checked_mul(n));
    let Some(bytes) = bytes.filter(|&bytes| (HUGE / 2..isize::MAX as usize / 2).contains(&bytes)) else {
        return numpy_empty.call1((shape, dtype));
    };
    let room = (bytes.next_multiple_of(HUGE) + HUGE).max(2 * HUGE);
    let raw: Bound<PyArray1<u8>> = numpy_empty.call1((room, numpy::dtype::<u8>(py)))?.cast_into()?;
    let start = raw.data().addr().wrapping_neg() % HUGE;
    raw.get_type().call1((shape, dtype, &raw, start))
}

/// Bytes of the largest block from which glibc learns (`DEFAULT_MMAP_THRESHOLD_MAX` of its `malloc.c`), less its own.
const LARGEST: usize = (32 << 20) - (64 << 10);
/// Bytes of a huge page, of most systems.
const HUGE: usize = 2 << 20;

/// Hands values to `NumPy` as rows of `columns`, without a copy.
pub fn rows<T: numpy::Element>(py: Python<'_>, values: Vec<T>, columns: usize) -> PyResult<Bound<'_, PyArray2<T>>> {
    let rows = values.len().checked_div(columns).unwrap_or(0);
    PyArray1::from_vec(py, values).reshape([rows, columns])
}
