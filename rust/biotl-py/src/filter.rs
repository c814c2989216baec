//! Filters designed and run.

use biotl_core::filter;
use biotl_core::filter::design::{self, Band, Kind, Section};
use numpy::{PyArray2, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::error::to_py;
use crate::leads::fill;
use crate::matrix::Matrix;

fn to_array<'py>(py: Python<'py>, sections: &[Section]) -> Bound<'py, PyArray2<f64>> {
    let row = |s: &Section| [s.b[0], s.b[1], s.b[2], 1.0, s.a[0], s.a[1]];
    let rows = sections.iter().flat_map(row).collect();
    ndarray::Array2::from_shape_vec((sections.len(), 6), rows)
        .map_or_else(|_| PyArray2::zeros(py, [0, 6], false), |rows| PyArray2::from_owned_array(py, rows))
}

pub fn to_sections(sos: &PyReadonlyArray2<'_, f64>) -> Vec<Section> {
    let section = |s: ndarray::ArrayView1<f64>| Section { b: [s[0], s[1], s[2]], a: [s[4], s[5]] };
    sos.as_array().rows().into_iter().map(section).collect()
}

/// Sections (n, 6) of a Butterworth (no `rs`) or a Chebyshev II filter; no `low` makes a low-pass, no `high` a high-pass.
#[pyfunction]
#[pyo3(signature = (order, fs, *, low=None, high=None, stop=false, rs=None))]
pub fn design_sos(
    py: Python<'_>,
    order: usize,
    fs: f64,
    low: Option<f64>,
    high: Option<f64>,
    stop: bool,
    rs: Option<f64>,
) -> PyResult<Bound<'_, PyArray2<f64>>> {
    let band = match (low, high) {
        (Some(low), Some(high)) if stop => Band::Stop(low, high),
        (Some(low), Some(high)) => Band::Pass(low, high),
        (Some(low), None) => Band::High(low),
        (None, high) => Band::Low(high.unwrap_or(f64::NAN)),
    };
    let kind = rs.map_or(Kind::Butterworth, |attenuation_db| Kind::ChebyshevII { attenuation_db });
    Ok(to_array(py, &design::design(order, kind, band, fs).map_err(to_py)?))
}

/// Sections (1, 6) of a notch.
#[pyfunction]
#[pyo3(signature = (freq, q, fs))]
pub fn design_notch(py: Python<'_>, freq: f64, q: f64, fs: f64) -> PyResult<Bound<'_, PyArray2<f64>>> {
    Ok(to_array(py, &design::notch(freq, q, fs).map_err(to_py)?))
}

/// Leads (n, samples) filtered once from rest, into `out`.
#[pyfunction]
pub fn sosfilt(py: Python<'_>, x: Matrix<'_>, sos: PyReadonlyArray2<'_, f64>, out: &Bound<'_, PyAny>) -> PyResult<()> {
    let sections = to_sections(&sos);
    match x {
        Matrix::F32(x) => fill(py, &x, out, |x: &[f32], stop, y| filter::sosfilt(&sections, x, stop, y)),
        Matrix::F64(x) => fill(py, &x, out, |x: &[f64], stop, y| filter::sosfilt(&sections, x, stop, y)),
    }
}

/// Leads (n, samples) filtered forward and backward, into `out`.
#[pyfunction]
pub fn sosfiltfilt(
    py: Python<'_>,
    x: Matrix<'_>,
    sos: PyReadonlyArray2<'_, f64>,
    out: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let sections = to_sections(&sos);
    match x {
        Matrix::F32(x) => fill(py, &x, out, |x: &[f32], stop, y| filter::sosfiltfilt(&sections, x, stop, y)),
        Matrix::F64(x) => fill(py, &x, out, |x: &[f64], stop, y| filter::sosfiltfilt(&sections, x, stop, y)),
    }
}

/// Samples that the impulse response covers, all but a thousandth.
#[pyfunction]
pub fn sos_reach(py: Python<'_>, sos: PyReadonlyArray2<'_, f64>) -> usize {
    let sections = to_sections(&sos);
    py.detach(|| filter::reach(&sections))
}
