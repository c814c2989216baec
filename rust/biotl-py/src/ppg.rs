//! Pulses.

use crate::error::to_py;
use crate::interrupt::answering;
use crate::leads::LONG;
use crate::matrix::Vector;
use biotl_core::ppg::{self, Polarity, Pulses};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

/// Pulses and their scores of one contiguous channel, with the contiguous axes (axes, samples) of an accelerometer,
/// none of which must be written to meanwhile; whether pulses point up at its end. A `polarity` of infinity states it,
/// any other is evidence from before.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn ppg_peaks<'py>(
    py: Python<'py>,
    x: Vector<'py>,
    motion: PyReadonlyArray2<'py, f32>,
    fs: f64,
    polarity: f32,
) -> PyResult<(Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<f32>>, bool)> {
    let samples = motion.as_array().ncols().max(1);
    let axes: Vec<&[f32]> = motion.as_slice()?.chunks_exact(samples).collect();
    let polarity = match polarity {
        f32::INFINITY => Polarity::Up,
        f32::NEG_INFINITY => Polarity::Down,
        prior => Polarity::Shape(prior),
    };
    let Pulses { at, score, up } = match &x {
        Vector::F32(x) => {
            let x = x.as_slice()?;
            answering(py, x.len() >= LONG, |stop| ppg::ppg_peaks(x, &axes, fs, polarity, stop))?
        }
        Vector::F64(x) => {
            let x = x.as_slice()?;
            answering(py, x.len() >= LONG, |stop| ppg::ppg_peaks(x, &axes, fs, polarity, stop))?
        }
    }
    .map_err(to_py)?;
    Ok((at.into_pyarray(py), score.into_pyarray(py), up))
}

/// Samples where one contiguous channel jumps.
#[pyfunction]
pub fn ppg_jumps<'py>(py: Python<'py>, x: Vector<'py>, fs: f64) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let jumps = match &x {
        Vector::F32(x) => ppg::ppg_jumps(x.as_slice()?, fs),
        Vector::F64(x) => ppg::ppg_jumps(x.as_slice()?, fs),
    };
    Ok(jumps.map_err(to_py)?.into_pyarray(py))
}
