//! P, QRS, T and background around R peaks.

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::error::to_py;
use crate::matrix::{Vector, empty_matrix};

type Columns<'py, A, B> =
    (Bound<'py, PyArray1<A>>, Bound<'py, PyArray1<B>>, Bound<'py, PyArray1<B>>, Bound<'py, PyArray1<B>>);

/// Wave (0 P, 1 QRS, 2 T, 3 background), start, stop and beat of each segment of `n` samples.
#[pyfunction]
pub fn segment<'py>(
    py: Python<'py>,
    n: usize,
    rpeaks: PyReadonlyArray1<'py, i64>,
    fs: f64,
) -> PyResult<Columns<'py, i8, i64>> {
    let rpeaks = rpeaks.as_slice()?;
    let found = py.detach(|| biotl_core::segment::segment(n, rpeaks, fs)).map_err(to_py)?;
    Ok((
        PyArray1::from_vec(py, found.wave),
        PyArray1::from_vec(py, found.start),
        PyArray1::from_vec(py, found.stop),
        PyArray1::from_vec(py, found.beat),
    ))
}

/// Each segment of `x`, resampled linearly to `length` values.
#[pyfunction]
pub fn resample_segments<'py>(
    py: Python<'py>,
    x: Vector<'py>,
    start: PyReadonlyArray1<'py, i64>,
    stop: PyReadonlyArray1<'py, i64>,
    length: usize,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let (start, stop) = (start.as_slice()?, stop.as_slice()?);
    let out = empty_matrix::<f32>(py, start.len(), length)?;
    {
        let mut rows = out.readwrite();
        let rows = rows.as_slice_mut()?;
        match x {
            Vector::F32(x) => {
                let x = x.as_slice()?;
                py.detach(|| biotl_core::segment::resample(x, start, stop, length, rows))
            }
            Vector::F64(x) => {
                let x = x.as_slice()?;
                py.detach(|| biotl_core::segment::resample(x, start, stop, length, rows))
            }
        }
        .map_err(to_py)?;
    }
    Ok(out)
}
