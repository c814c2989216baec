//! Waves around given R peaks.

use crate::error::to_py;
use crate::matrix::{Vector, rows};
use biotl_core::{Float, waves, zones};
use numpy::{Element, IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1};
use pyo3::prelude::*;

type Waves<'py> = (Vec<Bound<'py, PyArray1<i64>>>, Vec<Bound<'py, PyArray1<f32>>>);

/// Nine lists of points and three of confidences, for one lead, which must not be written to meanwhile.
#[pyfunction]
pub fn delineate<'py>(
    py: Python<'py>,
    x: Vector<'py>,
    rpeaks: PyReadonlyArray1<'py, i64>,
    fs: f64,
) -> PyResult<Waves<'py>> {
    let waves = match &x {
        Vector::F32(x) => find(py, x, &rpeaks, fs)?,
        Vector::F64(x) => find(py, x, &rpeaks, fs)?,
    };
    let points = waves.points.map(|p| p.into_pyarray(py)).into();
    Ok((points, waves.confidence.map(|c| c.into_pyarray(py)).into()))
}

fn find<T: Float + Element>(
    py: Python<'_>,
    x: &PyReadonlyArray1<'_, T>,
    rpeaks: &PyReadonlyArray1<'_, i64>,
    fs: f64,
) -> PyResult<waves::Waves> {
    let (x, rpeaks) = (x.as_slice()?, rpeaks.as_slice()?);
    py.detach(|| waves::delineate(x, rpeaks, fs)).map_err(to_py)
}

/// What the three delineation networks see of every beat of one lead.
#[pyfunction]
pub fn wave_features<'py>(
    py: Python<'py>,
    x: PyReadonlyArray1<'py, f64>,
    rpeaks: PyReadonlyArray1<'py, i64>,
    fs: f64,
) -> PyResult<Vec<Bound<'py, PyArray2<f32>>>> {
    let (x, rpeaks) = (x.as_slice()?, rpeaks.as_slice()?);
    let features = py.detach(|| zones::zones(x, rpeaks, fs)).map_err(to_py)?;
    features.into_iter().zip(zones::INPUTS).map(|(f, n)| rows(py, f, n)).collect()
}
