//! The signal kernels of biotl, one folder a verb. Data moves down this list and never back up:
//! file (`wfdb`), filter, peaks, waves, segment, tokens (`kmeans`) and windows.
//!
//! Kernels take slices or `ndarray` views, accumulate in `f64`, never panic on data and return [`Error`] with the numbers.

pub mod error;
pub mod filter;
pub mod float;
pub mod heart_rate;
pub mod kmeans;
pub mod median;
pub mod peaks;
pub mod ppg;
pub mod resample;
pub mod segment;
mod share;
pub mod simd;
pub mod wavelet;
pub mod waves;
mod weights;
pub mod wfdb;
pub mod windows;

pub use error::{Error, Result};
pub use float::Float;
