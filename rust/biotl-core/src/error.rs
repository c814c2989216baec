//! The one error of the core: what was refused, what was got, what was wanted.

use std::path::PathBuf;

/// Everything a kernel or a reader can refuse, with the numbers that it refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A parameter outside its range.
    #[error("{name}: got {got}, wanted {wanted}")]
    Parameter {
        /// Name of the parameter as the caller wrote it.
        name: &'static str,
        /// The value, printed.
        got: String,
        /// The accepted range, with its unit.
        wanted: String,
    },
    /// A sample that is NaN or infinite under `nan_policy="raise"`.
    #[error("x: sample {index} is {value}, wanted finite values; try nan_policy=\"interpolate\" or \"mask\"")]
    NotFinite {
        /// Index of the first such sample in its lead.
        index: usize,
        /// The value itself.
        value: f64,
    },
    /// Fewer samples than the operation needs.
    #[error("x: got {got} samples, wanted at least {wanted}")]
    TooShort {
        /// Samples given.
        got: usize,
        /// Samples needed.
        wanted: usize,
    },
    /// A file that does not hold what it says, or says what cannot be held.
    #[error("{}: {field}: got {got}, wanted {wanted}", path.display())]
    File {
        /// The file at fault.
        path: PathBuf,
        /// The field of the file at fault.
        field: String,
        /// What stands there.
        got: String,
        /// What should stand there, or what to try.
        wanted: String,
    },
}

/// The result of every fallible kernel.
pub type Result<T> = std::result::Result<T, Error>;

// by value: a caller writes `Error::parameter("high", high, ...)` with whatever it has at hand
#[allow(clippy::needless_pass_by_value)]
impl Error {
    /// A parameter outside its range.
    pub fn parameter(name: &'static str, got: impl ToString, wanted: impl ToString) -> Self {
        Self::Parameter { name, got: got.to_string(), wanted: wanted.to_string() }
    }

    /// A field of a file that cannot be right.
    pub fn file(path: impl Into<PathBuf>, field: impl ToString, got: impl ToString, wanted: impl ToString) -> Self {
        Self::File { path: path.into(), field: field.to_string(), got: got.to_string(), wanted: wanted.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn a_message_carries_the_numbers() {
        let message = Error::parameter("high", 200.0, "below half of fs = 360 Hz").to_string();
        assert_eq!(message, "high: got 200, wanted below half of fs = 360 Hz");
    }
}
