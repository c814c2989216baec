//! Windows that slide, normalised.

use biotl_core::windows;
use numpy::PyReadwriteArray3;
use pyo3::prelude::*;

use crate::error::to_py;
use crate::interrupt::answering;
use crate::leads::LONG;
use crate::matrix::Matrix;

/// Number of windows of `size` samples every `hop` samples in `n`.
#[pyfunction]
pub fn count_windows(n: usize, size: usize, hop: usize) -> PyResult<usize> {
    windows::count(n, size, hop).map_err(to_py)
}

/// Writes the z-scored windows of each row of `x` to `out`, (windows, rows, size), of the type of `x`; `mask` makes a
/// window that holds a sample that is not finite NaN instead of refusing it.
#[pyfunction]
pub fn zscore_windows(
    py: Python<'_>,
    x: Matrix<'_>,
    size: usize,
    hop: usize,
    epsilon: f64,
    mask: bool,
    out: &Bound<'_, PyAny>,
) -> PyResult<()> {
    match x {
        Matrix::F32(x) => {
            let (values, n) = (x.as_slice()?, x.as_array().ncols());
            let mut out: PyReadwriteArray3<'_, f32> = out.extract()?;
            let out = out.as_slice_mut()?;
            answering(py, out.len() >= LONG, |stop| {
                windows::zscore_windows(values, n, (size, hop), epsilon, mask, stop, out)
            })?
            .map_err(to_py)
        }
        Matrix::F64(x) => {
            let (values, n) = (x.as_slice()?, x.as_array().ncols());
            let mut out: PyReadwriteArray3<'_, f64> = out.extract()?;
            let out = out.as_slice_mut()?;
            answering(py, out.len() >= LONG, |stop| {
                windows::zscore_windows(values, n, (size, hop), epsilon, mask, stop, out)
            })?
            .map_err(to_py)
        }
    }
}
