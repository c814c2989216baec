//! Rational resampling.

use biotl_core::resample::Resampler;
use pyo3::prelude::*;

use crate::error::to_py;
use crate::leads::fill;
use crate::matrix::Matrix;

/// Leads (n, samples) at `up / down` times their rate, into `out`.
#[pyfunction]
pub fn resample(py: Python<'_>, x: Matrix<'_>, up: usize, down: usize, out: &Bound<'_, PyAny>) -> PyResult<()> {
    let resampler = Resampler::new(up, down).map_err(to_py)?;
    match x {
        Matrix::F32(x) => fill(py, &x, out, |x: &[f32], stop, y| resampler.run(x, stop, y)),
        Matrix::F64(x) => fill(py, &x, out, |x: &[f64], stop, y| resampler.run(x, stop, y)),
    }
}
