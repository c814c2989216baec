//! A lead averaged down to a low rate, and its running sum, from which means over any stretch come at once.

use std::ops::Range;

use crate::{Error, Float, Result, simd};

/// Means of `step` samples less the first sample, so that single precision holds them, and their running sum.
pub(crate) fn average<T: Float>(x: &[T], step: usize) -> Result<(Vec<f32>, Vec<f64>)> {
    let n = x.len() / step;
    let (mut low, mut sum) = (vec![0.0; n], vec![0.0; n + 1]);
    average_into(x, 0..x.len(), step, 0, &mut low, &mut sum)?;
    Ok((low, sum))
}

/// As [`average`], of a stretch, after the `held` means that are there; the sums are one longer than the means.
pub(crate) fn average_into<T: Float>(
    x: &[T],
    stretch: Range<usize>,
    step: usize,
    held: usize,
    low: &mut [f32],
    sum: &mut [f64],
) -> Result<()> {
    let part = &x[stretch.clone()];
    // less the first sample: 24 bits hold a signal, but not a signal on top of a large offset
    simd::dispatch(Average { x: part, step, offset: x.first().map_or(0.0, |v| v.to_f64()), low: &mut low[held..] });
    running_sum(low, held, sum);
    // a running sum never recovers from a value that is not finite: one look at its end is enough
    if !sum[low.len()].is_finite() {
        let Some(at) = part.iter().position(|v| !v.finite()) else {
            return Err(Error::parameter("x", "samples whose averages overflow", "smaller samples"));
        };
        return Err(Error::NotFinite { index: stretch.start + at, value: part[at].to_f64() });
    }
    Ok(())
}

/// The inner loop of [`average_into`].
struct Average<'a, T> {
    x: &'a [T],
    step: usize,
    offset: f64,
    low: &'a mut [f32],
}

impl<T: Float> Average<'_, T> {
    /// A small step, known to the compiler.
    #[inline(always)]
    fn by<const N: usize>(self) {
        let chunks = self.x.as_chunks::<N>().0;
        mean_chunks(self.low, chunks.iter().map(<[T; N]>::as_slice), self.offset, N);
    }
}

impl<T: Float> simd::Kernel for Average<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        match self.step {
            1 => self.by::<1>(),
            2 => self.by::<2>(),
            3 => self.by::<3>(),
            step => mean_chunks(self.low, self.x.chunks_exact(step), self.offset, step),
        }
    }
}

#[inline(always)]
fn mean_chunks<'a, T: Float>(low: &mut [f32], chunks: impl Iterator<Item = &'a [T]>, offset: f64, step: usize) {
    let scale = 1.0 / step as f64;
    for (low, chunk) in low.iter_mut().zip(chunks) {
        *low = (chunk.iter().map(|v| v.to_f64()).sum::<f64>() * scale - offset) as f32;
    }
}

/// Running sums, one longer than the values, of which those up to `from` stand already.
pub(crate) fn running_sum(x: &[f32], from: usize, sums: &mut [f64]) {
    let mut total = sums[from];
    let (four, rest) = x[from..].as_chunks::<4>();
    let (sums_of_four, sums_of_rest) = sums[from + 1..].as_chunks_mut::<4>();
    // Four at a time, since each addition waits for the one before.
    for (s, x) in sums_of_four.iter_mut().zip(four) {
        let [a, b, c, d] = x.map(f64::from);
        *s = [total + a, total + (a + b), total + (a + b + c), total + (a + b + c + d)];
        total = s[3];
    }
    for (s, &v) in sums_of_rest.iter_mut().zip(rest) {
        total += f64::from(v);
        *s = total;
    }
}
