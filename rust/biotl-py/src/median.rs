//! Running median.

use biotl_core::median;
use pyo3::prelude::*;

use crate::leads::map_leads;
use crate::matrix::Matrix;

/// Running median of leads (n, samples) over an odd `size`.
#[pyfunction]
pub fn median_filter<'py>(py: Python<'py>, x: Matrix<'py>, size: usize) -> PyResult<Bound<'py, PyAny>> {
    map_leads!(py, x, |n| n, |x, y| median::median_filter(x, size, y))
}

/// Leads (n, samples) less their running medians over `short` and then `long` samples.
#[pyfunction]
pub fn remove_median<'py>(py: Python<'py>, x: Matrix<'py>, short: usize, long: usize) -> PyResult<Bound<'py, PyAny>> {
    map_leads!(py, x, |n| n, |x, y| median::remove_median(x, short, long, y))
}
