//! `biotl._core`: the list of exports. Bindings live one noun a file and hold no arithmetic.

mod error;
mod peaks;

/// Compiled kernels of biotl; use them through `biotl.signal` and `biotl.records`.
#[pyo3::pymodule]
mod _core {
    #[pymodule_export]
    use super::peaks::rpeaks;
}
