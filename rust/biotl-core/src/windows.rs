//! z-score of windows that slide over each channel.

use rayon::prelude::*;

use crate::{Error, Float, Result};

/// Windows of `size` samples every `hop` samples in `n`.
///
/// # Errors
/// [`Error::Parameter`] if `size` or `hop` is 0.
pub fn count(n: usize, size: usize, hop: usize) -> Result<usize> {
    if size == 0 || hop == 0 {
        return Err(Error::parameter("size, hop", format!("{size}, {hop}"), "at least 1 sample each"));
    }
    Ok(n.checked_sub(size).map_or(0, |rest| rest / hop + 1))
}

/// Writes every window of every channel of `n` samples to `out`, (windows, channels, size), with mean 0 and standard
/// deviation 1; a window that is flat to the resolution of its type gives zeros.
///
/// # Errors
/// [`Error::Parameter`] if `size` or `hop` is 0, or `out` has another number of values.
pub fn zscore_windows<T: Float>(x: &[T], n: usize, size: usize, hop: usize, out: &mut [T]) -> Result<()> {
    let windows = count(n, size, hop)?;
    let channels = x.len().checked_div(n).unwrap_or(0);
    if out.len() != windows * channels * size {
        return Err(Error::parameter("out", out.len(), format!("{windows} x {channels} x {size} values")));
    }
    if channels == 0 {
        return Ok(());
    }
    out.par_chunks_exact_mut(size).enumerate().with_min_len(64).for_each(|(i, out)| {
        let start = (i % channels) * n + (i / channels) * hop;
        zscore(&x[start..start + size], out);
    });
    Ok(())
}

/// Writes `x` to `out` with mean 0 and standard deviation 1, or zeros if it is flat.
fn zscore<T: Float>(x: &[T], out: &mut [T]) {
    // measured from the first sample, so that the mean of a flat window is exact
    let level = x.first().map_or(0.0, |first| first.to_f64());
    let mean = level + x.iter().fold(0.0, |sum, value| sum + (value.to_f64() - level)) / x.len() as f64;
    let square = |sum: f64, value: &T| sum + (value.to_f64() - mean).powi(2);
    let deviation = (x.iter().fold(0.0, square) / x.len() as f64).sqrt();
    // below the resolution of the type there is nothing but rounding to normalise
    let scale = if deviation <= T::EPSILON * mean.abs() { 0.0 } else { 1.0 / deviation };
    for (y, value) in out.iter_mut().zip(x) {
        *y = T::from_f64((value.to_f64() - mean) * scale);
    }
}
