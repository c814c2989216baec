//! Running medians.

use biotl_core::median;
use pyo3::prelude::*;

use crate::leads::{Samples, fill};

/// Running median of leads (n, samples) over an odd `size`, into `out` of the same type.
#[pyfunction]
pub fn median_filter(py: Python<'_>, x: Samples<'_>, size: usize, out: &Bound<'_, PyAny>) -> PyResult<()> {
    match x {
        Samples::F32(x) => fill(py, &x, out, |x: &[f32], stop, y| median::median_filter(x, size, stop, y)),
        Samples::F64(x) => fill(py, &x, out, |x: &[f64], stop, y| median::median_filter(x, size, stop, y)),
        Samples::I16(x) => fill(py, &x, out, |x: &[i16], stop, y| median::median_filter(x, size, stop, y)),
        Samples::I32(x) => fill(py, &x, out, |x: &[i32], stop, y| median::median_filter(x, size, stop, y)),
        Samples::I64(x) => fill(py, &x, out, |x: &[i64], stop, y| median::median_filter(x, size, stop, y)),
    }
}

/// Leads (n, samples) less their running medians over `short` and then `long` samples, into `out`: float64 for integers.
#[pyfunction]
pub fn remove_median(
    py: Python<'_>,
    x: Samples<'_>,
    short: usize,
    long: usize,
    out: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let sizes = (short, long);
    match x {
        Samples::F32(x) => fill(py, &x, out, |x: &[f32], stop, y| median::remove_median(x, sizes, stop, y)),
        Samples::F64(x) => fill(py, &x, out, |x: &[f64], stop, y| median::remove_median(x, sizes, stop, y)),
        Samples::I16(x) => fill(py, &x, out, |x: &[i16], stop, y| median::remove_median(x, sizes, stop, y)),
        Samples::I32(x) => fill(py, &x, out, |x: &[i32], stop, y| median::remove_median(x, sizes, stop, y)),
        Samples::I64(x) => fill(py, &x, out, |x: &[i64], stop, y| median::remove_median(x, sizes, stop, y)),
    }
}
