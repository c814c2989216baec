//! Nearest centroids, and centroids.

use std::sync::atomic::AtomicBool;

use biotl_core::{Float, kmeans};
use numpy::{Element, PyArray1, PyArrayMethods, PyReadonlyArray2};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::error::to_py;
use crate::interrupt::answering;
use crate::leads::LONG;
use crate::matrix::{Matrix, rows};

/// Index of the nearest row of `centroids` for each row of `x`, ties to the lowest.
#[pyfunction]
pub fn assign<'py>(py: Python<'py>, x: Matrix<'py>, centroids: Matrix<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
    match (x, centroids) {
        (Matrix::F32(x), Matrix::F32(centroids)) => nearest(py, &x, &centroids),
        (Matrix::F64(x), Matrix::F64(centroids)) => nearest(py, &x, &centroids),
        _ => Err(PyTypeError::new_err("centroids: got another dtype than x")),
    }
}

fn nearest<'py, T: Float + Element>(
    py: Python<'py>,
    x: &PyReadonlyArray2<'py, T>,
    centroids: &PyReadonlyArray2<'py, T>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let (values, [rows, length]) = (x.as_slice()?, [x.as_array().nrows(), x.as_array().ncols()]);
    let centroids = centroids.as_slice()?;
    let out = PyArray1::zeros(py, rows, false);
    {
        let mut labels = out.readwrite();
        let labels = labels.as_slice_mut()?;
        answering(py, values.len() >= LONG, |stop| kmeans::assign(values, centroids, length, stop, labels))?
            .map_err(to_py)?;
    }
    Ok(out)
}

/// Centroids of `k` clusters of the rows of `x`, and the inertia.
#[pyfunction]
pub fn kmeans_fit<'py>(
    py: Python<'py>,
    x: Matrix<'py>,
    k: usize,
    seed: u64,
    iterations: usize,
) -> PyResult<(Bound<'py, PyAny>, f64)> {
    match x {
        Matrix::F32(x) => fit(py, &x, k, seed, iterations),
        Matrix::F64(x) => fit(py, &x, k, seed, iterations),
    }
}

fn fit<'py, T: Float + Element>(
    py: Python<'py>,
    x: &PyReadonlyArray2<'py, T>,
    k: usize,
    seed: u64,
    iterations: usize,
) -> PyResult<(Bound<'py, PyAny>, f64)> {
    let (values, length) = (x.as_slice()?, x.as_array().ncols());
    let fit = |stop: &AtomicBool| kmeans::fit(values, length, k, seed, iterations, stop);
    let found = answering(py, values.len() >= LONG >> 4, fit)?.map_err(to_py)?;
    Ok((rows(py, found.centroids, length)?.into_any(), found.inertia))
}
