//! Pulses.

use crate::error::to_py;
use crate::interrupt::answering;
use crate::leads::LONG;
use crate::matrix::Vector;
use biotl_core::ppg::{self, Pulses};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

/// Pulses and their scores of one contiguous channel, with the contiguous axes (axes, samples) of an accelerometer,
/// none of which must be written to meanwhile.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn ppg_peaks<'py>(
    py: Python<'py>,
    x: Vector<'py>,
    motion: PyReadonlyArray2<'py, f32>,
    fs: f64,
) -> PyResult<(Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f32>>)> {
    let samples = motion.as_array().ncols().max(1);
    let axes: Vec<&[f32]> = motion.as_slice()?.chunks_exact(samples).collect();
    let Pulses { at, score } = match &x {
        Vector::F32(x) => {
            let x = x.as_slice()?;
            answering(py, x.len() >= LONG, |stop| ppg::ppg_peaks(x, &axes, fs, stop))?
        }
        Vector::F64(x) => {
            let x = x.as_slice()?;
            answering(py, x.len() >= LONG, |stop| ppg::ppg_peaks(x, &axes, fs, stop))?
        }
    }
    .map_err(to_py)?;
    Ok((at.into_pyarray(py), score.into_pyarray(py)))
}
