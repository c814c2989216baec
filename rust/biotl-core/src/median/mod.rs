//! The exact running median, nearest sample beyond the edges.
//!
//! A chunk of the signal is turned into small integers of the same order, so that a window is a histogram with a median
//! pointer (Huang, Yang, Tang 1979) and a second median runs on the integers of the first. Whole numbers of a
//! small span are such integers as they are; elsewhere a bit for each occupied bin lets the pointer step over 64 empty
//! bins at once.

mod ranks;
mod tally;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::{Error, Result};
use ranks::{Ranks, STRIDES, dense, steps};
use tally::{Small, Tally};

/// Samples of output that are ranked together, unless the window asks for more: a second median finds
/// their codes still in the cache.
const CHUNK: usize = 8192;

/// Samples of the longest window: well within counts of 32 bits.
const LONGEST: usize = 1 << 24;

/// A sample that has an order.
pub trait Sample: Copy + PartialOrd + Send + Sync + 'static {
    /// What a sample less its median is: the same float, or `f64` for whole numbers.
    type Difference: Send;

    /// This sample less another.
    fn minus(self, other: Self) -> Self::Difference;

    /// The nearest `f64`; never turns the order round.
    fn nearest(self) -> f64;

    /// Whole numbers from `low` up to this one, if samples are whole numbers.
    fn steps_above(self, low: Self) -> Option<u64>;

    /// The sample `steps` whole numbers above this one.
    #[must_use]
    fn step_up(self, steps: u32) -> Self;
}

macro_rules! floats {
    ($($type:ty),*) => {$(
        impl Sample for $type {
            type Difference = Self;

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self - other
            }

            #[inline(always)]
            fn nearest(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn steps_above(self, _: Self) -> Option<u64> {
                None
            }

            #[inline(always)]
            fn step_up(self, _: u32) -> Self {
                self
            }
        }
    )*};
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Sample for $type {
            type Difference = f64;

            #[inline(always)]
            fn minus(self, other: Self) -> f64 {
                self as f64 - other as f64
            }

            #[inline(always)]
            fn nearest(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            fn steps_above(self, low: Self) -> Option<u64> {
                Some((self as i64).wrapping_sub(low as i64) as u64)
            }

            #[inline(always)]
            fn step_up(self, steps: u32) -> Self {
                self.wrapping_add(steps as Self)
            }
        }
    )*};
}

floats!(f32, f64);
integers!(i16, i32, i64);

/// What becomes of the medians of a lead.
enum Wanted<'a, T: Sample> {
    Median(&'a mut [T]),
    Rest(&'a mut [T::Difference]),
}

impl<T: Sample> Wanted<'_, T> {
    /// Takes the medians of the samples `x[start..]`.
    fn take(&mut self, x: &[T], start: usize, medians: impl Iterator<Item = T>) {
        match self {
            Self::Median(out) => out[start..].iter_mut().zip(medians).for_each(|(out, median)| *out = median),
            Self::Rest(out) => {
                for ((out, x), median) in out[start..].iter_mut().zip(&x[start..]).zip(medians) {
                    *out = x.minus(median);
                }
            }
        }
    }
}

/// A part of the signal as codes, and how far it reaches.
struct Part {
    from: usize,
    to: usize,
    n: usize,
}

impl Part {
    /// Medians in place, over one size after the other.
    fn medians<C: Copy>(
        &mut self,
        codes: &mut Vec<C>,
        sizes: &[usize],
        mut medians: impl FnMut(&mut Vec<C>, usize, &mut Vec<C>),
    ) {
        let mut coarse = Vec::new();
        for &size in sizes {
            let half = size / 2;
            // beyond an end of the signal its last code is repeated; elsewhere the windows that fit are what later stages need
            if self.from == 0 {
                let first = codes[0];
                codes.splice(..0, std::iter::repeat_n(first, half));
            } else {
                self.from += half;
            }
            if self.to == self.n {
                let last = codes[codes.len() - 1];
                codes.extend(std::iter::repeat_n(last, half));
            } else {
                self.to -= half;
            }
            medians(codes, size, &mut coarse);
            std::mem::swap(codes, &mut coarse);
        }
    }
}

/// Medians over `sizes`, one after the other, each of the samples about each sample (`scipy.ndimage.median_filter`, mode
/// "nearest").
fn medians<T: Sample>(x: &[T], sizes: &[usize], stop: &AtomicBool, mut wanted: Wanted<T>) -> Result<()> {
    let halo: usize = sizes.iter().map(|size| size / 2).sum();
    for &size in sizes {
        if size.is_multiple_of(2) || halo > LONGEST / 2 {
            let wanted = format!("an odd number of samples up to {LONGEST}");
            return Err(Error::parameter("size", size, wanted));
        }
    }
    let n = x.len();
    let (mut small, mut steps_up) = (None, Vec::new());
    let (mut ranks, mut tally) = (Ranks::new(), Tally::default());
    let chunk = CHUNK.max(4 * halo);
    for start in (0..n).step_by(chunk) {
        if stop.load(Relaxed) {
            break;
        }
        let end = (start + chunk).min(n);
        let mut part = Part { from: start.saturating_sub(halo), to: (end + halo).min(n), n };
        let (from, seen) = (part.from, &x[part.from..part.to]);
        let low = steps(seen, &mut steps_up).filter(|_| dense(&steps_up, STRIDES[1]));
        if let Some(low) = low {
            let small = small.get_or_insert_with(Small::new);
            part.medians(&mut steps_up, sizes, |codes, size, out| small.medians(codes, size, out));
            let medians = &steps_up[start - part.from..end - part.from];
            wanted.take(x, start, medians.iter().map(|&code| low.step_up(u32::from(code))));
            continue;
        }
        ranks.rank(seen, from)?;
        tally.fit(ranks.values.len());
        let Ranks { codes, values, .. } = &mut ranks;
        if dense(codes, STRIDES[0]) {
            part.medians(codes, sizes, |codes, size, out| tally.medians::<true>(codes, size, out));
        } else {
            part.medians(codes, sizes, |codes, size, out| tally.medians::<false>(codes, size, out));
        }
        let medians = &codes[start - part.from..end - part.from];
        wanted.take(x, start, medians.iter().map(|&code| values[code as usize]));
    }
    Ok(())
}

/// Median of the `size` samples about each sample; `stop` ends the work early.
///
/// # Errors
/// [`Error::Parameter`] if `size` is even or too long to hold, [`Error::NotFinite`] with the first sample at fault.
pub fn median_filter<T: Sample>(x: &[T], size: usize, stop: &AtomicBool, out: &mut [T]) -> Result<()> {
    medians(x, &[size], stop, Wanted::Median(out))
}

/// A signal less its running median over `short` and then `long` samples; `stop` ends the work early.
///
/// # Errors
/// As [`median_filter`].
pub fn remove_median<T: Sample>(
    x: &[T],
    (short, long): (usize, usize),
    stop: &AtomicBool,
    out: &mut [T::Difference],
) -> Result<()> {
    medians(x, &[short, long], stop, Wanted::Rest(out))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plainly(x: &[f64], size: usize) -> Vec<f64> {
        let at = |i: usize| x[i.saturating_sub(size / 2).min(x.len() - 1)];
        let middle = |i: usize| {
            let mut window: Vec<f64> = (i..i + size).map(at).collect();
            window.sort_by(f64::total_cmp);
            window[size / 2]
        };
        (0..x.len()).map(middle).collect()
    }

    proptest! {
        #[test]
        fn a_median_is_the_middle_of_its_sorted_window(
            codes in prop::collection::vec(-500i16..500, 1..300),
            half in 0usize..200,
            step in prop_oneof![Just(1.0), Just(0.37), Just(1e300)],
        ) {
            let (size, go) = (2 * half + 1, AtomicBool::new(false));
            let x: Vec<f64> = codes.iter().map(|&code| f64::from(code) * step).collect();
            let mut floats = x.clone();
            median_filter(&x, size, &go, &mut floats).unwrap();
            prop_assert_eq!(&floats, &plainly(&x, size));
            let mut whole = codes.clone();
            median_filter(&codes, size, &go, &mut whole).unwrap();
            prop_assert_eq!(whole.iter().map(|&code| f64::from(code) * step).collect::<Vec<_>>(), floats);
        }
    }
}
