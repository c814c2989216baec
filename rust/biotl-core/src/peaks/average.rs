//! A lead averaged down to a low rate, and its running sum, from which means over any stretch come at once.

use std::ops::Range;

use crate::simd::{self, Eight, Lanes, Wide};
use crate::{Error, Float, Result};

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
    simd::dispatch_lanes(Sums { x: &x[from..], sums: &mut sums[from..] });
}

/// The inner loop of [`running_sum`]: eight values are summed by themselves, as many such rows side by side as there are
/// lanes, and then what is before them added; one after another, each addition would wait for the one before.
struct Sums<'a> {
    x: &'a [f32],
    sums: &'a mut [f64],
}

impl simd::LaneKernel for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes, W: Wide, const FMA: bool>(self) {
        let Some((&mut before, sums)) = self.sums.split_first_mut() else { return };
        let (mut total, zero) = (before, W::splat(0.0));
        let mut squares = self.x.chunks_exact(8 * W::WIDTH);
        let mut sums_of_squares = sums.chunks_exact_mut(8 * W::WIDTH);
        for (x, sums) in squares.by_ref().zip(sums_of_squares.by_ref()) {
            let (mut own, mut past) = ([zero; 8], zero);
            for half in (0..8).step_by(W::WIDTH) {
                let mut rows = [f32::narrow(zero); 8];
                for k in 0..W::WIDTH {
                    rows[k] = f32::row::<W>(&x[8 * k + half..]);
                }
                let columns = f32::turn::<W>(rows);
                for k in 0..W::WIDTH {
                    past = past.plus(f32::widen(columns[k]));
                    own[half + k] = past;
                }
            }
            let mut ends = Eight::default();
            past.store(&mut ends, 0);
            for end in &mut ends.0[..W::WIDTH] {
                (*end, total) = (total, total + *end);
            }
            let before = W::load(&ends, 0);
            for half in (0..8).step_by(W::WIDTH) {
                let mut columns = [zero; 8];
                for k in 0..W::WIDTH {
                    columns[k] = own[half + k].plus(before);
                }
                let rows = W::turn(columns);
                for k in 0..W::WIDTH {
                    rows[k].put_doubles(&mut sums[8 * k + half..]);
                }
            }
        }
        let rest = squares.remainder().chunks(8).zip(sums_of_squares.into_remainder().chunks_mut(8));
        for (x, sums) in rest {
            let mut own = 0.0;
            for (sum, &v) in sums.iter_mut().zip(x) {
                own += f64::from(v);
                *sum = own + total;
            }
            total += own;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lanes_sum_what_a_plain_loop_sums(x in prop::collection::vec(-5.0_f32..5.0, 0..100), from in 0_usize..50) {
            let from = from.min(x.len());
            let mut sums = vec![0.0; x.len() + 1];
            sums[from] = 7.0;
            super::running_sum(&x, from, &mut sums);
            let mut total = 7.0;
            for (sum, &v) in sums[from + 1..].iter().zip(&x[from..]) {
                total += f64::from(v);
                prop_assert!((sum - total).abs() < 1e-12);
            }
        }
    }
}
