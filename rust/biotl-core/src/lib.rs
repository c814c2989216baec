//! The signal kernels of biotl. Data moves down this list and never back up:
//! file, filter, peaks, waves, segments, tokens and windows.
//!
//! Kernels take slices or `ndarray` views, accumulate in `f64`, never panic on data and return [`Error`] with the numbers.

mod average;
mod candidates;
pub mod cascade;
pub mod design;
mod envelope;
pub mod error;
pub mod filter;
pub mod float;
pub mod kmeans;
mod level;
pub mod median;
mod motion;
pub mod network;
pub mod peaks;
mod peaks_weights;
mod perceptron;
pub mod ppg;
pub mod resample;
pub mod segments;
mod share;
pub mod simd;
mod tempo;
pub mod wavelet;
pub mod waves;
pub mod wfdb;
pub mod windows;
mod zerophase;
pub mod zones;

pub use error::{Error, Result};
pub use float::Float;
