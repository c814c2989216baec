//! `biotl._core`: the list of exports. Bindings live one noun a file and hold no arithmetic.

mod error;

/// Compiled kernels of biotl; use them through `biotl.signal` and `biotl.records`.
#[pyo3::pymodule]
mod _core {}
