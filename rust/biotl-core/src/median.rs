//! The exact running median, nearest sample beyond the edges.
//!
//! A chunk of the signal is turned into small integers of the same order, so that a window is a histogram with a median
//! pointer (Huang, Yang, Tang 1979) and a second median runs on the integers of the first. A bit for each
//! occupied bin lets the pointer step over 64 empty bins at once.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::{Error, Result};

/// Samples of output that are ranked together, unless the window asks for more.
const CHUNK: usize = 8192;

/// Integers that span less than this are their own codes.
const DENSE: u64 = 8192;

/// Codes between neighbours up to which a median pointer had better visit every code on its way.
const STRIDE: u64 = 16;

/// Samples of the longest window.
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

/// Medians over `sizes`, one after the other, each of the samples about each sample (`scipy.ndimage.median_filter`, mode
/// "nearest"); `write(index, median)` takes the last one.
fn medians<T: Sample>(x: &[T], sizes: &[usize], stop: &AtomicBool, mut write: impl FnMut(usize, T)) -> Result<()> {
    let halo: usize = sizes.iter().map(|size| size / 2).sum();
    for &size in sizes {
        if size.is_multiple_of(2) || halo > LONGEST / 2 {
            let wanted = format!("an odd number of samples up to {LONGEST}");
            return Err(Error::parameter("size", size, wanted));
        }
    }
    let n = x.len();
    let mut ranks = Ranks { codes: Vec::new(), values: Vec::new(), keys: Vec::new(), spare: Vec::new() };
    let mut tally = Tally::default();
    let mut coarse = Vec::new();
    let chunk = CHUNK.max(4 * halo);
    for start in (0..n).step_by(chunk) {
        if stop.load(Relaxed) {
            break;
        }
        let stop = (start + chunk).min(n);
        let mut from = start.saturating_sub(halo);
        let mut to = (stop + halo).min(n);
        ranks.rank(&x[from..to], from)?;
        tally.fit(ranks.values.len());
        let dense = ranks.dense();
        for &size in sizes {
            let half = size / 2;
            // beyond an end of the signal its last code is repeated; elsewhere the windows that fit are what later stages need
            if from == 0 {
                let first = ranks.codes[0];
                ranks.codes.splice(..0, std::iter::repeat_n(first, half));
            }
            if to == n {
                let last = ranks.codes[ranks.codes.len() - 1];
                ranks.codes.extend(std::iter::repeat_n(last, half));
            }
            if dense {
                tally.medians::<true>(&mut ranks.codes, size, &mut coarse);
            } else {
                tally.medians::<false>(&mut ranks.codes, size, &mut coarse);
            }
            std::mem::swap(&mut ranks.codes, &mut coarse);
            (from, to) = (if from == 0 { 0 } else { from + half }, if to == n { n } else { to - half });
        }
        for i in start..stop {
            write(i, ranks.values[ranks.codes[i - from] as usize]);
        }
    }
    Ok(())
}

/// Median of the `size` samples about each sample; `stop` ends the work early.
///
/// # Errors
/// [`Error::Parameter`] if `size` is even or too long to hold, [`Error::NotFinite`] with the first sample at fault.
pub fn median_filter<T: Sample>(x: &[T], size: usize, stop: &AtomicBool, out: &mut [T]) -> Result<()> {
    medians(x, &[size], stop, |i, median| out[i] = median)
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
    medians(x, &[short, long], stop, |i, median| out[i] = x[i].minus(median))
}

/// Samples of a chunk as integers of the same order, and the sample that each integer stands for.
struct Ranks<T> {
    codes: Vec<u32>,
    values: Vec<T>,
    keys: Vec<u64>,
    spare: Vec<u64>,
}

/// Bits of a key that one pass sorts by, and passes.
const DIGIT: u32 = 11;
const PLACES: f64 = ((1u64 << (2 * DIGIT)) - 1) as f64;
const TWO_52: f64 = (1u64 << 52) as f64;

impl<T: Sample> Ranks<T> {
    /// A median moves no further in all than its signal: do neighbours lie few codes apart?
    fn dense(&self) -> bool {
        let path: u64 = self.codes.windows(2).map(|w| u64::from(w[0].abs_diff(w[1]))).sum();
        path < STRIDE * self.codes.len() as u64
    }

    fn rank(&mut self, x: &[T], offset: usize) -> Result<()> {
        let (mut low, mut high) = (x[0], x[0]);
        for &v in x {
            low = if v < low { v } else { low };
            high = if v > high { v } else { high };
        }
        self.codes.clear();
        self.values.clear();
        if let Some(steps) = high.steps_above(low).filter(|&steps| steps < DENSE) {
            self.values.extend((0..=steps as u32).map(|step| low.step_up(step)));
            self.codes.extend(x.iter().map(|v| v.steps_above(low).unwrap_or(0) as u32));
            return Ok(());
        }
        // NaN passes comparisons by, infinities do not, and either makes this sum NaN
        if x.iter().fold(0.0, |sum, v| sum + v.nearest() * 0.0).is_nan() {
            let at = x.iter().position(|v| !v.nearest().is_finite()).unwrap_or(0);
            return Err(Error::NotFinite { index: offset + at, value: x[at].nearest() });
        }
        self.sort(x, low.nearest(), high.nearest());
        Ok(())
    }

    /// Ranks by two passes of a radix sort over the place of each sample between the least and the greatest; samples in the
    /// same place are then compared.
    fn sort(&mut self, x: &[T], low: f64, high: f64) {
        // halves, since the whole span may overflow; adding 2^52 leaves the rounded place in the low bits
        let scale = PLACES / (high / 2.0 - low / 2.0).max(f64::MIN_POSITIVE);
        let place = |v: &T| (((v.nearest() / 2.0 - low / 2.0) * scale).min(PLACES) + TWO_52).to_bits() << 32;
        self.keys.clear();
        self.keys.extend(x.iter().enumerate().map(|(i, v)| place(v) | i as u64));
        let mask = (1u64 << DIGIT) - 1;
        let mut counts = [[0u32; 1 << DIGIT]; 2];
        for key in &self.keys {
            counts[0][((key >> 32) & mask) as usize] += 1;
            counts[1][((key >> (32 + DIGIT)) & mask) as usize] += 1;
        }
        self.spare.resize(x.len(), 0);
        for (pass, counts) in counts.iter_mut().enumerate() {
            let mut total = 0;
            for count in counts.iter_mut() {
                total += std::mem::replace(count, total);
            }
            let shift = 32 + DIGIT * pass as u32;
            for &key in &self.keys {
                let place = &mut counts[((key >> shift) & mask) as usize];
                self.spare[*place as usize] = key;
                *place += 1;
            }
            std::mem::swap(&mut self.keys, &mut self.spare);
        }
        let sample = |key: &u64| x[(*key & u64::from(u32::MAX)) as usize];
        for run in self.keys.chunk_by_mut(|a, b| a >> 32 == b >> 32) {
            if !run.is_sorted_by(|a, b| sample(a) <= sample(b)) {
                run.sort_unstable_by(|a, b| sample(a).partial_cmp(&sample(b)).unwrap_or(std::cmp::Ordering::Equal));
            }
        }
        self.codes.resize(x.len(), 0);
        for key in &self.keys {
            let v = sample(key);
            if self.values.last().is_none_or(|last| *last < v) {
                self.values.push(v);
            }
            self.codes[(*key & u64::from(u32::MAX)) as usize] = self.values.len() as u32 - 1;
        }
    }
}

/// How often each code is in the window, and a bit for each code that is.
#[derive(Default)]
struct Tally {
    counts: Vec<u32>,
    words: Vec<u64>,
}

impl Tally {
    fn fit(&mut self, bins: usize) {
        if self.counts.len() < bins {
            self.counts.resize(bins, 0);
            self.words.resize(bins.div_ceil(64), 0);
        }
    }

    /// Medians of all windows of `size` codes; `STEP` walks from code to code, else from occupied code to occupied code.
    fn medians<const STEP: bool>(&mut self, codes: &mut Vec<u32>, size: usize, out: &mut Vec<u32>) {
        let (counts, words) = (self.counts.as_mut_slice(), self.words.as_mut_slice());
        for &code in &codes[..size] {
            enter::<STEP>(counts, words, code);
        }
        // the median is the code with at most half the window below it and more than half up to it
        let half = size as u32 / 2;
        let mut median = codes[size / 2];
        let mut below = codes[..size].iter().map(|&code| u32::from(code < median)).sum::<u32>();
        // the last window gives way to itself
        codes.push(codes[codes.len() - size]);
        out.resize(codes.len() - size, 0);
        for ((&gone, &come), out) in codes.iter().zip(&codes[size..]).zip(out.iter_mut()) {
            while below > half {
                median = if STEP { median - 1 } else { next_below(words, median) };
                below -= counts[median as usize];
            }
            while below + counts[median as usize] <= half {
                below += counts[median as usize];
                median = if STEP { median + 1 } else { next_above(words, median) };
            }
            *out = median;
            if gone != come {
                leave::<STEP>(counts, words, gone);
                enter::<STEP>(counts, words, come);
                below = below.wrapping_add(u32::from(come < median)).wrapping_sub(u32::from(gone < median));
            }
        }
        for &code in &codes[codes.len() - 1 - size..codes.len() - 1] {
            leave::<STEP>(counts, words, code);
        }
    }
}

#[inline(always)]
fn enter<const STEP: bool>(counts: &mut [u32], words: &mut [u64], code: u32) {
    counts[code as usize] += 1;
    if !STEP {
        words[code as usize / 64] |= 1 << (code % 64);
    }
}

#[inline(always)]
fn leave<const STEP: bool>(counts: &mut [u32], words: &mut [u64], code: u32) {
    counts[code as usize] -= 1;
    if !STEP {
        words[code as usize / 64] &= !(u64::from(counts[code as usize] == 0) << (code % 64));
    }
}

/// The next code in the window above `code`; there must be one.
#[inline(always)]
fn next_above(words: &[u64], code: u32) -> u32 {
    let mut at = code / 64;
    let mut word = words[at as usize] & (u64::MAX << (code % 64) << 1);
    while word == 0 {
        at += 1;
        word = words[at as usize];
    }
    at * 64 + word.trailing_zeros()
}

/// The next code in the window below `code`; there must be one.
#[inline(always)]
fn next_below(words: &[u64], code: u32) -> u32 {
    let mut at = code / 64;
    let mut word = words[at as usize] & ((1 << (code % 64)) - 1);
    while word == 0 {
        at -= 1;
        word = words[at as usize];
    }
    at * 64 + 63 - word.leading_zeros()
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
