//! The one place where errors of the core become Python exceptions.

use biotl_core::Error;
use pyo3::{PyErr, import_exception};

import_exception!(biotl.errors, RecordError);
import_exception!(biotl.errors, SignalError);

/// A file at fault raises `RecordError(path, field, got, wanted)`, everything else `SignalError`.
pub fn to_py(error: Error) -> PyErr {
    match error {
        Error::File { path, field, got, wanted } => {
            RecordError::new_err((path.display().to_string(), field, got, wanted))
        }
        other => SignalError::new_err(other.to_string()),
    }
}
