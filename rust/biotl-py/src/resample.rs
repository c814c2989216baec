//! Rational resampling.

use biotl_core::Error;
use biotl_core::resample::{Beyond, Resampler};
use pyo3::prelude::*;

use crate::error::to_py;
use crate::leads::fill;
use crate::matrix::Matrix;

/// Leads (n, samples) at `up / down` times their rate, going on beyond their ends as `beyond` says, into `out`.
#[pyfunction]
#[pyo3(signature = (x, up, down, out, beyond = "edge"))]
pub fn resample(
    py: Python<'_>,
    x: Matrix<'_>,
    up: usize,
    down: usize,
    out: &Bound<'_, PyAny>,
    beyond: &str,
) -> PyResult<()> {
    let beyond = match beyond {
        "constant" => Beyond::Zero,
        "edge" => Beyond::Edge,
        "symmetric" => Beyond::Symmetric,
        "reflect" => Beyond::Reflect,
        "wrap" => Beyond::Wrap,
        "line" => Beyond::Line,
        other => {
            return Err(to_py(Error::parameter("padtype", other, "constant, edge, line, symmetric, reflect or wrap")));
        }
    };
    let resampler = Resampler::new(up, down).map_err(to_py)?;
    match x {
        Matrix::F32(x) => fill(py, &x, out, |x: &[f32], stop, y| resampler.run(x, beyond, stop, y)),
        Matrix::F64(x) => fill(py, &x, out, |x: &[f64], stop, y| resampler.run(x, beyond, stop, y)),
    }
}
