//! `biotl._core`: the list of exports. Bindings live one noun a file and hold no arithmetic.

#![allow(clippy::needless_pass_by_value)] // arguments come out of Python by value

mod error;
mod filter;
mod heart_rate;
mod interrupt;
mod kmeans;
mod leads;
mod matrix;
mod median;
mod peaks;
mod ppg;
mod resample;
mod segment;
mod stream;
mod wavelet;
mod waves;
mod wfdb;
mod windows;

/// Compiled kernels of biotl; use them through `biotl.signal` and `biotl.records`.
#[pyo3::pymodule]
mod _core {
    #[pymodule_export]
    use super::filter::{design_notch, design_sos, sos_reach, sosfilt, sosfiltfilt};
    #[pymodule_export]
    use super::heart_rate::HeartRateStream;
    #[pymodule_export]
    use super::kmeans::{assign, kmeans_fit};
    #[pymodule_export]
    use super::matrix::empty;
    #[pymodule_export]
    use super::median::{median_filter, remove_median};
    #[pymodule_export]
    use super::peaks::{rpeak_features, rpeaks};
    #[pymodule_export]
    use super::ppg::{ppg_jumps, ppg_peaks};
    #[pymodule_export]
    use super::resample::resample;
    #[pymodule_export]
    use super::segment::{resample_segments, segment};
    #[pymodule_export]
    use super::stream::{ResampleStream, SosStream};
    #[pymodule_export]
    use super::wavelet::{baseline_level, remove_wavelet_baseline, wavedec, waverec};
    #[pymodule_export]
    use super::waves::{delineate, wave_complexes, wave_surroundings};
    #[pymodule_export]
    use super::wfdb::{wfdb_annotations, wfdb_codes, wfdb_native, wfdb_read};
    #[pymodule_export]
    use super::windows::{count_windows, zscore_windows};
}
