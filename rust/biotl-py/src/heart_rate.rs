//! Heart rate, in parts.

use std::sync::{Mutex, PoisonError};

use biotl_core::heart_rate::{HeartRate, Row};
use numpy::{PyArray2, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::error::to_py;

/// A photoplethysmogram and the axes beside it; rows are (time, rate, low, high, confidence, plain).
#[pyclass]
pub struct HeartRateStream {
    stream: Mutex<HeartRate>,
}

#[pymethods]
impl HeartRateStream {
    #[new]
    fn new(up: usize, down: usize, axes: usize, ahead: Option<usize>) -> PyResult<Self> {
        Ok(Self { stream: Mutex::new(HeartRate::new(up, down, axes, ahead).map_err(to_py)?) })
    }

    /// Takes the next part of every channel, shape (channels, samples).
    fn push<'py>(&self, py: Python<'py>, x: PyReadonlyArray2<'py, f64>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let samples = x.as_array().ncols().max(1);
        let values = x.as_slice()?;
        let channels: Vec<&[f64]> =
            if values.is_empty() { vec![&[]; x.as_array().nrows()] } else { values.chunks_exact(samples).collect() };
        let run = || self.stream.lock().unwrap_or_else(PoisonError::into_inner).push(&channels);
        Ok(table(py, &py.detach(run).map_err(to_py)?))
    }

    /// Ends the signal.
    fn finish<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f64>> {
        let run = || self.stream.lock().unwrap_or_else(PoisonError::into_inner).finish();
        table(py, &py.detach(run))
    }

    /// A stream of its own from here on.
    fn __deepcopy__(&self, _memo: &Bound<'_, PyAny>) -> Self {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { stream: Mutex::new(stream) }
    }
}

fn table<'py>(py: Python<'py>, rows: &[Row]) -> Bound<'py, PyArray2<f64>> {
    let values =
        rows.iter().flat_map(|row| [row.time, row.rate, row.low, row.high, row.confidence, row.plain]).collect();
    let array = numpy::ndarray::Array2::from_shape_vec((rows.len(), 6), values).unwrap_or_default();
    PyArray2::from_owned_array(py, array)
}
