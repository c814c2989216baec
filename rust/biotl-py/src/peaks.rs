//! R peaks.

use crate::error::to_py;
use biotl_core::peaks;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

/// One contiguous lead of either width.
#[derive(FromPyObject)]
pub enum Lead<'py> {
    F32(PyReadonlyArray1<'py, f32>),
    F64(PyReadonlyArray1<'py, f64>),
}

/// R peaks of one contiguous lead, which must not be written to meanwhile.
#[pyfunction]
pub fn rpeaks<'py>(py: Python<'py>, x: Lead<'py>, fs: f64) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let found = match &x {
        Lead::F32(x) => {
            let x = x.as_slice()?;
            py.detach(|| peaks::rpeaks(x, fs))
        }
        Lead::F64(x) => {
            let x = x.as_slice()?;
            py.detach(|| peaks::rpeaks(x, fs))
        }
    };
    Ok(found.map_err(to_py)?.into_pyarray(py))
}
