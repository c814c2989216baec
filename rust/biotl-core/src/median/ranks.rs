//! Samples turned into integers of the same order.

use super::Sample;
use crate::simd::{Kernel, dispatch};
use crate::{Error, Result};

/// Integers that span less than this are their own codes.
const DENSE: u64 = 8192;

/// Codes between neighbours up to which a median pointer had better visit every code on its way: of a signal's ranks, and
/// of small whole numbers, whose visits cost least and need no ranking before.
pub const STRIDES: [u64; 2] = [16, 64];

/// A median moves no further in all than its signal: do neighbours lie less than `stride` codes apart?
pub fn dense<C: Copy + Into<u32>>(codes: &[C], stride: u64) -> bool {
    dispatch(Path(codes)) < stride * codes.len() as u64
}

/// Codes from neighbour to neighbour, all added up.
struct Path<'a, C>(&'a [C]);

impl<C: Copy + Into<u32>> Kernel for Path<'_, C> {
    type Output = u64;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> u64 {
        // 32 bits hold so many leaps; what is farther than 16 bits is far either way
        const SOME: usize = 4096;
        let after = self.0.get(1..).unwrap_or_default();
        let mut path = 0;
        for (before, after) in self.0.chunks(SOME).zip(after.chunks(SOME)) {
            let mut some = 0;
            for (&a, &b) in before.iter().zip(after) {
                some += a.into().abs_diff(b.into()).min(1 << 16);
            }
            path += u64::from(some);
        }
        path
    }
}

/// The least and the greatest sample.
fn extremes<T: Sample>(x: &[T]) -> (T, T) {
    let (mut low, mut high) = (x[0], x[0]);
    for &v in x {
        low = if v < low { v } else { low };
        high = if v > high { v } else { high };
    }
    (low, high)
}

/// Writes to `codes` the steps from the least sample to each, which is returned: whole numbers within a small span.
pub fn steps<T: Sample>(x: &[T], codes: &mut Vec<u16>) -> Option<T> {
    let (low, high) = extremes(x);
    high.steps_above(low).filter(|&steps| steps < DENSE)?;
    codes.clear();
    codes.extend(x.iter().map(|v| v.steps_above(low).unwrap_or(0) as u16));
    Some(low)
}

/// Samples of a chunk as integers of the same order, and the sample that each integer stands for.
pub struct Ranks<T> {
    /// The code of each sample.
    pub codes: Vec<u32>,
    /// The sample of each code.
    pub values: Vec<T>,
    keys: Vec<u64>,
    spare: Vec<u64>,
}

/// Bits of a key that one pass sorts by, and passes.
const DIGIT: u32 = 11;
const PLACES: f64 = ((1u64 << (2 * DIGIT)) - 1) as f64;
const TWO_52: f64 = (1u64 << 52) as f64;

impl<T: Sample> Ranks<T> {
    /// Of no samples.
    pub fn new() -> Self {
        Self { codes: Vec::new(), values: Vec::new(), keys: Vec::new(), spare: Vec::new() }
    }

    /// Ranks samples from `offset` on.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the first sample at fault.
    pub fn rank(&mut self, x: &[T], offset: usize) -> Result<()> {
        let (low, high) = extremes(x);
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
