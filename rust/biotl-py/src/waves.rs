//! Waves around given R peaks.

use crate::error::to_py;
use crate::interrupt::answering;
use crate::leads::LONG;
use crate::matrix::{Vector, rows};
use biotl_core::waves::zones::{ROWS, Zones};
use biotl_core::{Float, waves};
use numpy::{Element, IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1};
use pyo3::prelude::*;

type Surroundings<'py> = (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<f32>>, Bound<'py, PyArray1<f32>>);
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
    // a beat costs what a thousand samples cost
    let long = x.len() >= LONG || rpeaks.len() >= LONG >> 10;
    answering(py, long, |stop| waves::delineate(x, rpeaks, fs, stop))?.map_err(to_py)
}

/// What the delineation network for QRS sees of every beat of one lead.
#[pyfunction]
pub fn wave_complexes<'py>(
    py: Python<'py>,
    x: PyReadonlyArray1<'py, f64>,
    rpeaks: PyReadonlyArray1<'py, i64>,
    fs: f64,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let (x, rpeaks) = (x.as_slice()?, rpeaks.as_slice()?);
    let features = py.detach(|| Zones::new(x, rpeaks, fs)?.complexes()).map_err(to_py)?;
    rows(py, features, ROWS[1].width())
}

/// What the networks for P and T see, given where each complex begins and ends, in seconds from its R peak; and the
/// onsets that they look out from, which are those given, averaged over beats that look alike.
#[pyfunction]
pub fn wave_surroundings<'py>(
    py: Python<'py>,
    x: PyReadonlyArray1<'py, f64>,
    rpeaks: PyReadonlyArray1<'py, i64>,
    fs: f64,
    onset: PyReadonlyArray1<'py, f32>,
    offset: PyReadonlyArray1<'py, f32>,
) -> PyResult<Surroundings<'py>> {
    let (x, rpeaks) = (x.as_slice()?, rpeaks.as_slice()?);
    let (onset, offset) = (onset.as_slice()?, offset.as_slice()?);
    let ([before, after], onset) = py
        .detach(|| {
            let zones = Zones::new(x, rpeaks, fs)?;
            let onset = zones.alike.smooth(onset);
            Ok((zones.surroundings(&onset, &zones.alike.smooth(offset))?, onset))
        })
        .map_err(to_py)?;
    Ok((rows(py, before, ROWS[0].width())?, rows(py, after, ROWS[2].width())?, onset.into_pyarray(py)))
}
