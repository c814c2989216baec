//! WFDB recordings and annotations.

use std::path::PathBuf;

use biotl_core::wfdb::{Recording, annotation::Marks, value::Value};
use numpy::{Element, IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadwriteArray2};
use pyo3::prelude::*;

use crate::error::to_py;
use crate::interrupt::answering;
use crate::leads::LONG;
use crate::matrix::empty_matrix;

/// Rate, (name, unit, samples a frame) of each channel, and comments.
type About = (f64, Vec<(String, String, usize)>, Vec<String>);

/// What `wfdb_annotations` returns; see `_core.pyi`.
type Annotations<'py> = (
    Bound<'py, PyArray1<i64>>,
    (usize, Bound<'py, PyArray1<u32>>),
    Vec<(usize, String)>,
    Bound<'py, PyArray1<i8>>,
    Bound<'py, PyArray1<u8>>,
    Bound<'py, PyArray1<i8>>,
    Option<f64>,
);

/// Physical values of a record, one row a channel; frames of several samples are averaged.
#[pyfunction]
pub fn wfdb_read(py: Python<'_>, path: PathBuf, verify: bool) -> PyResult<(About, Bound<'_, PyArray2<f32>>)> {
    let recording = py.detach(|| Recording::open(&path)).map_err(to_py)?;
    let out = smooth(py, &recording, verify)?;
    Ok((about(recording), out))
}

/// ADC codes of a record, one row a channel; frames of several samples are averaged.
#[pyfunction]
pub fn wfdb_codes(py: Python<'_>, path: PathBuf, verify: bool) -> PyResult<(About, Bound<'_, PyArray2<i32>>)> {
    let recording = py.detach(|| Recording::open(&path)).map_err(to_py)?;
    let out = smooth(py, &recording, verify)?;
    Ok((about(recording), out))
}

/// Physical values of a record, each channel as one row at its own rate.
#[pyfunction]
pub fn wfdb_native(py: Python<'_>, path: PathBuf, verify: bool) -> PyResult<(About, Vec<Bound<'_, PyArray2<f32>>>)> {
    let recording = py.detach(|| Recording::open(&path)).map_err(to_py)?;
    let lengths = recording.channels.iter().map(|channel| recording.samples * channel.per_frame);
    let outs = lengths.map(|length| empty_matrix(py, 1, length)).collect::<PyResult<Vec<_>>>()?;
    let mut writes: Vec<PyReadwriteArray2<f32>> = outs.iter().map(PyArrayMethods::readwrite).collect();
    let mut rows = writes.iter_mut().map(|out| Ok(out.as_slice_mut()?)).collect::<PyResult<Vec<_>>>()?;
    answering(py, long(&recording), |stop| recording.read(&mut rows, verify, stop))?.map_err(to_py)?;
    drop(writes);
    Ok((about(recording), outs))
}

/// Marks of one annotation file.
#[pyfunction]
pub fn wfdb_annotations(py: Python<'_>, path: PathBuf) -> PyResult<Annotations<'_>> {
    let (marks, (width, symbols)) = py
        .detach(|| Marks::read(&path).map(|marks| (marks.symbols(), marks)))
        .map(|(symbols, marks)| (marks, symbols))
        .map_err(to_py)?;
    Ok((
        marks.sample.into_pyarray(py),
        (width, symbols.into_pyarray(py)),
        marks.aux,
        marks.subtype.into_pyarray(py),
        marks.channel.into_pyarray(py),
        marks.number.into_pyarray(py),
        marks.resolution,
    ))
}

fn about(recording: Recording) -> About {
    let channels = recording.channels.into_iter().map(|channel| (channel.name, channel.units, channel.per_frame));
    (recording.fs, channels.collect(), recording.comments)
}

fn long(recording: &Recording) -> bool {
    let per_frame: usize = recording.channels.iter().map(|channel| channel.per_frame).sum();
    recording.samples.saturating_mul(per_frame) >= LONG
}

fn smooth<'py, T: Value + Element>(
    py: Python<'py>,
    recording: &Recording,
    verify: bool,
) -> PyResult<Bound<'py, PyArray2<T>>> {
    let out = empty_matrix(py, recording.channels.len(), recording.samples)?;
    let mut write = out.readwrite();
    let mut rest = write.as_slice_mut()?;
    let mut rows = Vec::with_capacity(recording.channels.len());
    for _ in &recording.channels {
        let (row, after) = rest.split_at_mut(recording.samples);
        rows.push(row);
        rest = after;
    }
    answering(py, long(recording), |stop| recording.read(&mut rows, verify, stop))?.map_err(to_py)?;
    drop(write);
    Ok(out)
}
