//! R peaks.

use crate::error::to_py;
use crate::interrupt::answering;
use crate::leads::LONG;
use crate::matrix::Matrix;
use biotl_core::Float;
use biotl_core::peaks::{self, Peaks};
use numpy::{Element, IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

type Scored<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f32>>);
type Features<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray2<f32>>, Bound<'py, PyArray2<f32>>);

/// R peaks and their scores of contiguous leads, which must not be written to meanwhile.
#[pyfunction]
pub fn rpeaks<'py>(py: Python<'py>, x: Matrix<'py>, fs: f64) -> PyResult<Scored<'py>> {
    let found = match &x {
        Matrix::F32(x) => find(py, x, fs)?,
        Matrix::F64(x) => find(py, x, fs)?,
    };
    Ok((found.at.into_pyarray(py), found.score.into_pyarray(py)))
}

fn find<T: Float + Element>(py: Python<'_>, x: &PyReadonlyArray2<'_, T>, fs: f64) -> PyResult<Peaks> {
    let (samples, all) = (x.shape()[1], x.as_slice()?);
    let leads: Vec<&[T]> = (0..x.shape()[0]).map(|i| &all[i * samples..][..samples]).collect();
    answering(py, all.len() >= LONG, |stop| peaks::rpeaks(&leads, fs, stop))?.map_err(to_py)
}

/// What the R-peak networks see of one contiguous lead: sample, local and context features of every maximum, the latter
/// by a local network whose weights stand one after another.
#[pyfunction]
pub fn rpeak_features<'py>(
    py: Python<'py>,
    x: PyReadonlyArray1<'py, f64>,
    fs: f64,
    local_net: PyReadonlyArray1<'py, f32>,
) -> PyResult<Features<'py>> {
    let (x, flat) = (x.as_slice()?, local_net.as_slice()?);
    let f = py.detach(|| peaks::features(x, fs, flat)).map_err(to_py)?;
    let local = ndarray::Array2::from(f.local).into_pyarray(py);
    let context = ndarray::Array2::from(f.context).into_pyarray(py);
    Ok((f.at.into_pyarray(py), local, context))
}
