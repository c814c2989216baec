//! Wavelet decomposition, reconstruction and baseline removal.

use biotl_core::Float;
use biotl_core::wavelet::{self, Mode, Wavelet};
use numpy::{Element, PyArray2, PyArrayMethods, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::error::to_py;
use crate::matrix::{Matrix, rows};

/// Approximation and details, from coarse to fine, of each row.
#[pyfunction]
pub fn wavedec<'py>(
    py: Python<'py>,
    x: Matrix<'py>,
    wavelet: &str,
    mode: &str,
    level: usize,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let (wavelet, mode) = (Wavelet::named(wavelet).map_err(to_py)?, Mode::named(mode).map_err(to_py)?);
    match x {
        Matrix::F32(x) => decompose(py, &x, wavelet, mode, level),
        Matrix::F64(x) => decompose(py, &x, wavelet, mode, level),
    }
}

fn decompose<'py, T: Float + Element>(
    py: Python<'py>,
    x: &PyReadonlyArray2<'py, T>,
    wavelet: Wavelet,
    mode: Mode,
    level: usize,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let (values, length) = (x.as_slice()?, x.as_array().ncols());
    let levels = py.detach(|| wavelet::wavedec(values, length, wavelet, mode, level)).map_err(to_py)?;
    levels.into_iter().map(|level| Ok(rows(py, level.values, level.length)?.into_any())).collect()
}

/// Rows from their coefficients; all of one type.
#[pyfunction]
pub fn waverec<'py>(
    py: Python<'py>,
    coeffs: &Bound<'py, PyAny>,
    wavelet: &str,
    mode: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let (wavelet, mode) = (Wavelet::named(wavelet).map_err(to_py)?, Mode::named(mode).map_err(to_py)?);
    if let Ok(coeffs) = coeffs.extract::<Vec<PyReadonlyArray2<'py, f32>>>() {
        reconstruct(py, &coeffs, wavelet, mode)
    } else {
        reconstruct(py, &coeffs.extract::<Vec<PyReadonlyArray2<'py, f64>>>()?, wavelet, mode)
    }
}

fn reconstruct<'py, T: Float + Element>(
    py: Python<'py>,
    coeffs: &[PyReadonlyArray2<'py, T>],
    wavelet: Wavelet,
    mode: Mode,
) -> PyResult<Bound<'py, PyAny>> {
    let coeffs =
        coeffs.iter().map(|level| Ok((level.as_slice()?, level.as_array().ncols()))).collect::<PyResult<Vec<_>>>()?;
    let x = py.detach(|| wavelet::waverec(&coeffs, wavelet, mode)).map_err(to_py)?;
    Ok(rows(py, x.values, x.length)?.into_any())
}

/// Coarsest level whose approximation covers everything below the cut-off.
#[pyfunction]
pub fn baseline_level(fs: f64, cutoff: f64) -> PyResult<usize> {
    wavelet::baseline_level(fs, cutoff).map_err(to_py)
}

/// Rows without what db4 holds below `cutoff`.
#[pyfunction]
pub fn remove_wavelet_baseline<'py>(
    py: Python<'py>,
    x: Matrix<'py>,
    fs: f64,
    cutoff: f64,
) -> PyResult<Bound<'py, PyAny>> {
    match x {
        Matrix::F32(x) => remove_baseline(py, &x, fs, cutoff),
        Matrix::F64(x) => remove_baseline(py, &x, fs, cutoff),
    }
}

fn remove_baseline<'py, T: Float + Element>(
    py: Python<'py>,
    x: &PyReadonlyArray2<'py, T>,
    fs: f64,
    cutoff: f64,
) -> PyResult<Bound<'py, PyAny>> {
    let (values, [leads, length]) = (x.as_slice()?, [x.as_array().nrows(), x.as_array().ncols()]);
    let out = PyArray2::zeros(py, [leads, length], false);
    {
        let mut out = out.readwrite();
        let out = out.as_slice_mut()?;
        py.detach(|| wavelet::remove_baseline(values, length, fs, cutoff, out)).map_err(to_py)?;
    }
    Ok(out.into_any())
}
