//! Wavelet decomposition, reconstruction and baseline removal.

use biotl_core::Float;
use biotl_core::wavelet::{self, Mode, Wavelet};
use numpy::{Element, PyArrayMethods, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::error::to_py;
use crate::interrupt::answering;
use crate::leads::{LONG, fill};
use crate::matrix::{Matrix, empty_matrix};

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
    let (rows, n, x) = (x.as_array().nrows(), x.as_array().ncols(), x.as_slice()?);
    let lengths = wavelet::lengths(n, wavelet, mode, level).map_err(to_py)?;
    let out = lengths.iter().map(|&n| empty_matrix::<T>(py, rows, n)).collect::<PyResult<Vec<_>>>()?;
    {
        let mut levels: Vec<_> = out.iter().map(PyArrayMethods::readwrite).collect();
        let levels = levels.iter_mut().zip(lengths).map(|(level, n)| Ok((level.as_slice_mut()?, n)));
        let levels = levels.collect::<PyResult<_>>()?;
        answering(py, x.len() >= LONG, |stop| wavelet::wavedec(x, n, (wavelet, mode), stop, levels))?;
    }
    Ok(out.into_iter().map(Bound::into_any).collect())
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
    let lengths: Vec<_> = coeffs.iter().map(|level| level.as_array().ncols()).collect();
    let n = wavelet::signal_length(&lengths, wavelet, mode).map_err(to_py)?;
    let levels = coeffs.iter().zip(lengths).map(|(level, n)| Ok((level.as_slice()?, n)));
    let levels = levels.collect::<PyResult<Vec<_>>>()?;
    let out = empty_matrix::<T>(py, coeffs[0].as_array().nrows(), n)?;
    {
        let mut out = out.readwrite();
        let out = out.as_slice_mut()?;
        answering(py, out.len() >= LONG, |stop| wavelet::waverec(&levels, n, (wavelet, mode), stop, out))?
            .map_err(to_py)?;
    }
    Ok(out.into_any())
}

/// Coarsest level whose approximation covers everything below the cut-off.
#[pyfunction]
pub fn baseline_level(fs: f64, cutoff: f64) -> PyResult<usize> {
    wavelet::baseline_level(fs, cutoff).map_err(to_py)
}

/// Leads (n, samples) without what db4 holds below `cutoff`, into `out`.
#[pyfunction]
pub fn remove_wavelet_baseline(
    py: Python<'_>,
    x: Matrix<'_>,
    fs: f64,
    cutoff: f64,
    out: &Bound<'_, PyAny>,
) -> PyResult<()> {
    match x {
        Matrix::F32(x) => fill(py, &x, out, |x: &[f32], stop, y| wavelet::remove_baseline(x, fs, cutoff, stop, y)),
        Matrix::F64(x) => fill(py, &x, out, |x: &[f64], stop, y| wavelet::remove_baseline(x, fs, cutoff, stop, y)),
    }
}
