//! Rational resampling.

use biotl_core::resample::Resampler;
use pyo3::prelude::*;

use crate::error::to_py;
use crate::leads::map_leads;
use crate::matrix::Matrix;

/// Leads (n, samples) at `up / down` times their rate.
#[pyfunction]
pub fn resample<'py>(py: Python<'py>, x: Matrix<'py>, up: usize, down: usize) -> PyResult<Bound<'py, PyAny>> {
    let resampler = Resampler::new(up, down).map_err(to_py)?;
    map_leads!(py, x, |n| resampler.len(n), |x, y| resampler.run(x, y))
}
