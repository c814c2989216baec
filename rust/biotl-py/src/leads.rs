//! Leads (n, samples) through a kernel: GIL released, in parallel, Ctrl-C answered.

use std::sync::atomic::AtomicBool;

use biotl_core::filter::each_lead;
use numpy::{Element, PyReadonlyArray2, PyReadwriteArray2};
use pyo3::prelude::*;

use crate::error::to_py;
use crate::interrupt::answering;

/// Below this many samples a call is over before a user could regret it.
pub const LONG: usize = 1 << 22;

/// Leads to read, of any type that a median takes.
#[derive(FromPyObject)]
pub enum Samples<'py> {
    /// float32
    F32(PyReadonlyArray2<'py, f32>),
    /// float64
    F64(PyReadonlyArray2<'py, f64>),
    /// int16
    I16(PyReadonlyArray2<'py, i16>),
    /// int32
    I32(PyReadonlyArray2<'py, i32>),
    /// int64
    I64(PyReadonlyArray2<'py, i64>),
}

/// Fills `out` from `x` with a kernel `(lead, stop, out)`. Both are borrowed while the GIL is away: nobody may write to them.
pub fn fill<T: Element + Sync, U: Element + Send>(
    py: Python<'_>,
    x: &PyReadonlyArray2<'_, T>,
    out: &Bound<'_, PyAny>,
    kernel: impl Fn(&[T], &AtomicBool, &mut [U]) -> biotl_core::Result<()> + Send + Sync,
) -> PyResult<()> {
    let mut out: PyReadwriteArray2<'_, U> = out.extract()?;
    let (x, out) = (x.as_array(), out.as_array_mut());
    answering(py, x.len() >= LONG, |stop| each_lead(&x, out, |x, out| kernel(x, stop, out)))?.map_err(to_py)
}
