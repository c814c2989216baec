//! Arrays that cross the boundary: (leads, samples), contiguous, float32 or float64 in and the same out.

use numpy::{PyArrayMethods, PyReadonlyArray2};
use pyo3::prelude::*;

/// Filters `x` into a new array of `samples` columns with a kernel that is generic over the sample type, GIL released.
///
/// The input is borrowed while the GIL is away: it must not be written meanwhile.
pub fn map<'py, T: numpy::Element + biotl_core::Float>(
    py: Python<'py>,
    x: &PyReadonlyArray2<'py, T>,
    samples: usize,
    kernel: impl Fn(&[T], &mut [T]) -> biotl_core::Result<()> + Send + Sync,
) -> PyResult<Bound<'py, PyAny>> {
    let x = x.as_array();
    let out = crate::matrix::empty::<T>(py, x.nrows(), samples)?;
    {
        let mut out = out.readwrite();
        let out = out.as_array_mut();
        py.detach(|| biotl_core::filter::each_lead(&x, out, kernel)).map_err(crate::error::to_py)?;
    }
    Ok(out.into_any())
}

/// Calls `map` with the sample type of the leads at hand.
macro_rules! map_leads {
    ($py:expr, $x:expr, $samples:expr, $kernel:expr) => {
        match $x {
            crate::matrix::Matrix::F32(x) => crate::leads::map($py, &x, $samples(x.as_array().ncols()), $kernel),
            crate::matrix::Matrix::F64(x) => crate::leads::map($py, &x, $samples(x.as_array().ncols()), $kernel),
        }
    };
}
pub(crate) use map_leads;
