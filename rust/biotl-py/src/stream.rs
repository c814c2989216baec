//! Filters and resamplers that are fed a signal in parts.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use biotl_core::filter::Causal;
use biotl_core::filter::design::Section;
use biotl_core::resample::{Resampler, Stream};
use numpy::{PyArray1, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

use crate::error::to_py;
use crate::filter::to_sections;
use crate::matrix::Vector;

/// One lead filtered causally, part by part.
#[pyclass]
pub struct SosStream {
    sections: Vec<Section>,
    filter: Mutex<Causal>,
}

#[pymethods]
impl SosStream {
    #[new]
    fn new(sos: PyReadonlyArray2<'_, f64>) -> Self {
        let sections = to_sections(&sos);
        Self { filter: Mutex::new(Causal::new(&sections)), sections }
    }

    /// Filters the next part of the lead.
    fn push<'py>(&self, py: Python<'py>, x: Vector<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match x {
            Vector::F32(x) => self.filtered(py, &x)?.into_any(),
            Vector::F64(x) => self.filtered(py, &x)?.into_any(),
        })
    }

    /// A stream of its own from here on.
    fn __deepcopy__(&self, _memo: &Bound<'_, PyAny>) -> Self {
        let filter = self.filter.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        Self { sections: self.sections.clone(), filter: Mutex::new(filter) }
    }

    /// Forgets what has passed.
    fn reset(&self) {
        *self.filter.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Causal::new(&self.sections);
    }
}

impl SosStream {
    fn filtered<'py, T: numpy::Element + biotl_core::Float>(
        &self,
        py: Python<'py>,
        x: &PyReadonlyArray1<'py, T>,
    ) -> PyResult<Bound<'py, PyArray1<T>>> {
        let x = x.as_slice()?;
        let run = || {
            let mut out = vec![T::default(); x.len()];
            let mut filter = self.filter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            filter.push(x, &AtomicBool::new(false), &mut out).map(|()| out)
        };
        Ok(PyArray1::from_vec(py, py.detach(run).map_err(to_py)?))
    }
}

/// One lead resampled, part by part; computed and kept in float64.
#[pyclass]
pub struct ResampleStream {
    stream: Mutex<Stream<f64>>,
}

#[pymethods]
impl ResampleStream {
    #[new]
    fn new(up: usize, down: usize) -> PyResult<Self> {
        Ok(Self { stream: Mutex::new(Stream::new(Resampler::new(up, down).map_err(to_py)?)) })
    }

    /// Takes the next part; returns the samples that no later part can change.
    fn push<'py>(&self, py: Python<'py>, x: PyReadonlyArray1<'py, f64>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let x = x.as_slice()?;
        let run = || self.stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(x);
        Ok(PyArray1::from_vec(py, py.detach(run).map_err(to_py)?))
    }

    /// A stream of its own from here on.
    fn __deepcopy__(&self, _memo: &Bound<'_, PyAny>) -> Self {
        let stream = self.stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        Self { stream: Mutex::new(stream) }
    }

    /// Ends the signal; returns the remaining samples.
    fn finish<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        let run = || self.stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner).finish();
        PyArray1::from_vec(py, py.detach(run))
    }
}
