//! z-score of windows that slide over each channel.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rayon::prelude::*;

use crate::share::least;
use crate::simd::{self, Kernel, multiply_add};
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

/// Writes every window of every channel of `n` samples to `out`, (windows, channels, size), less its mean and over its
/// standard deviation plus `epsilon`; a window that is flat to the resolution of its type gives zeros.
///
/// A window with a sample that is not finite becomes NaN if `mask`. `stop` ends the work early.
///
/// # Errors
/// [`Error::Parameter`] if `size` or `hop` is 0, or `out` has another number of values; [`Error::NotFinite`] with the
/// first sample at fault unless `mask`.
pub fn zscore_windows<T: Float>(
    x: &[T],
    n: usize,
    (size, hop): (usize, usize),
    epsilon: f64,
    mask: bool,
    stop: &AtomicBool,
    out: &mut [T],
) -> Result<()> {
    let windows = count(n, size, hop)?;
    let channels = x.len().checked_div(n).unwrap_or(0);
    if out.len() != windows * channels * size {
        return Err(Error::parameter("out", out.len(), format!("{windows} x {channels} x {size} values")));
    }
    let start = |i: usize| (i % channels) * n + (i / channels) * hop;
    let bad = out.par_chunks_exact_mut(size).enumerate().with_min_len(least(64)).filter_map(|(i, out)| {
        let x = &x[start(i)..start(i) + size];
        (!stop.load(Relaxed) && !simd::dispatch(ZScore { x, epsilon, out })).then_some(i)
    });
    let bad: Vec<usize> = bad.collect();
    if mask {
        return Ok(());
    }
    bad.first().map_or(Ok(()), |&i| {
        let window = &x[start(i)..start(i) + size];
        Err(window.iter().position(|value| !value.finite()).map_or_else(
            || Error::parameter("x", "values whose squares overflow", "smaller values"),
            |at| Error::NotFinite { index: start(i) % n + at, value: window[at].to_f64() },
        ))
    })
}

/// One window; false, and NaN in `out`, if its standard deviation is not finite.
struct ZScore<'a, T> {
    x: &'a [T],
    epsilon: f64,
    out: &'a mut [T],
}

impl<T: Float> Kernel for ZScore<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> bool {
        let n = self.x.len() as f64;
        // Measured from the first sample the mean of a flat window is exact, and squares lose at most a factor n to
        // cancellation, since that sample is one of them.
        let level = self.x.first().map_or(0.0, |first| first.to_f64());
        let (mut sums, mut squares) = ([0.0; STRANDS], [0.0; STRANDS]);
        let (whole, rest) = self.x.as_chunks::<STRANDS>();
        for some in whole {
            for j in 0..STRANDS {
                let value = some[j].to_f64() - level;
                sums[j] += value;
                squares[j] = multiply_add::<FMA, f64>(value, value, squares[j]);
            }
        }
        for (j, value) in rest.iter().enumerate() {
            let value = value.to_f64() - level;
            sums[j] += value;
            squares[j] += value * value;
        }
        let offset = sums.iter().sum::<f64>() / n;
        let (mean, deviation) = (level + offset, (squares.iter().sum::<f64>() / n - offset * offset).max(0.0).sqrt());
        // below the resolution of the type there is nothing but rounding to normalise
        let flat = deviation <= T::EPSILON * mean.abs();
        let scale = if flat { 0.0 } else { 1.0 / (deviation + self.epsilon) };
        let finite = squares.iter().all(|sum| sum.is_finite());
        let scale = if finite { scale } else { f64::NAN };
        for (y, value) in self.out.iter_mut().zip(self.x) {
            *y = T::from_f64((value.to_f64() - mean) * scale);
        }
        finite
    }
}

/// Sums that need not wait for one another: two registers of 32 bytes.
const STRANDS: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn windows_have_mean_zero_and_deviation_one_or_are_flat(
            x in prop::collection::vec(-1e3_f64..1e3, 1..300),
            size in 1_usize..40,
            hop in 1_usize..40,
        ) {
            let windows = count(x.len(), size, hop).unwrap();
            let mut out = vec![f64::NAN; windows * size];
            zscore_windows(&x, x.len(), (size, hop), 0.0, false, &AtomicBool::new(false), &mut out).unwrap();
            for window in out.chunks_exact(size) {
                let mean = window.iter().sum::<f64>() / size as f64;
                let variance = window.iter().map(|v| v * v).sum::<f64>() / size as f64;
                prop_assert!(mean.abs() < 1e-9);
                prop_assert!((variance - 1.0).abs() < 1e-9 || variance == 0.0);
            }
        }
    }
}
