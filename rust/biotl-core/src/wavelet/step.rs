//! One level down, and one level back.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::Mode;
use crate::Float;
use crate::simd::{self, Kernel, multiply_add};

/// Outputs worked on at a time: what a tile needs stays in the first cache.
const TILE: usize = 256;
/// Half of the longest filter.
const REACH: usize = 10;

/// Gives each output `k` the sum of the products of the taps with the values of `x` from `k` on, or adds it.
#[inline(always)]
fn correlate<const FMA: bool, T: Float>(out: &mut [T], taps: &[T], x: &[T], mut add: bool) {
    let (fours, rest) = taps.as_chunks::<4>();
    for (i, four) in fours.iter().enumerate() {
        correlate_some::<FMA, 4, T>(out, four, &x[4 * i..], add);
        add = true;
    }
    for (i, tap) in rest.iter().enumerate() {
        correlate_some::<FMA, 1, T>(out, &[*tap], &x[4 * fours.len() + i..], add);
        add = true;
    }
}

#[inline(always)]
fn correlate_some<const FMA: bool, const N: usize, T: Float>(out: &mut [T], taps: &[T; N], x: &[T], add: bool) {
    let n = out.len();
    let shifted: [&[T]; N] = std::array::from_fn(|j| &x[j..j + n]);
    let at = |k: usize, first: T| (0..N).fold(first, |sum, j| multiply_add::<FMA, T>(taps[j], shifted[j][k], sum));
    if add {
        for (k, y) in out.iter_mut().enumerate() {
            *y = at(k, *y);
        }
    } else {
        for (k, y) in out.iter_mut().enumerate() {
            *y = at(k, T::default());
        }
    }
}

/// A filter and where its half of the signal goes.
pub type Side<'a, T> = (&'a [T], &'a mut [T]);

/// Filters and halves: output `k` is the correlation of the taps with `x` from sample `2 k` on.
struct Analyse<'a, T, const SIDES: usize> {
    x: &'a [T],
    stop: &'a AtomicBool,
    sides: [Side<'a, T>; SIDES],
}

impl<T: Float, const SIDES: usize> Kernel for Analyse<'_, T, SIDES> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(mut self) {
        let half = self.sides[0].0.len() / 2;
        let outputs = self.sides[0].1.len();
        let mut phases = [[T::default(); TILE + REACH]; 2];
        for start in (0..outputs).step_by(TILE) {
            if self.stop.load(Relaxed) {
                return;
            }
            let n = TILE.min(outputs - start);
            let [even, odd] = &mut phases;
            let pairs = self.x[2 * start..2 * (start + n + half - 1)].as_chunks::<2>().0;
            for ((pair, even), odd) in pairs.iter().zip(even.iter_mut()).zip(odd.iter_mut()) {
                (*even, *odd) = (pair[0], pair[1]);
            }
            for (taps, out) in &mut self.sides {
                for (side, phase) in phases.iter().enumerate() {
                    let taps: [T; REACH] = every_other(taps.iter().skip(side));
                    correlate::<FMA, T>(&mut out[start..start + n], &taps[..half], phase, side == 1);
                }
            }
        }
    }
}

/// Every other tap from the first on, padded.
#[inline(always)]
fn every_other<'a, T: Float>(taps: impl Iterator<Item = &'a T>) -> [T; REACH] {
    let mut some = [T::default(); REACH];
    some.iter_mut().zip(taps.step_by(2)).for_each(|(place, tap)| *place = *tap);
    some
}

/// The halves of `x`, extended by `mode`; all outputs of one length. Here and below `stop` ends the work early.
pub fn analyse<T: Float, const SIDES: usize>(x: &[T], mode: Mode, stop: &AtomicBool, mut sides: [Side<T>; SIDES]) {
    let (width, outputs) = (sides[0].0.len(), sides[0].1.len());
    let shift = if mode == Mode::Periodization { width / 2 - 1 } else { width - 2 };
    // outputs from `first` to before `last` see nothing but the signal
    let first = shift.div_ceil(2).min(outputs);
    let last = (x.len() + shift).checked_sub(width).map_or(0, |n| n / 2 + 1).clamp(first, outputs);
    for (taps, out) in &mut sides {
        for k in (0..first).chain(last..outputs) {
            let start = 2 * k as isize - shift as isize;
            out[k] = taps.iter().zip(start..).fold(T::default(), |sum, (&tap, i)| sum + tap * mode.extend(x, i));
        }
    }
    if first < last {
        let inner = sides.map(|(taps, out)| (taps, &mut out[first..last]));
        simd::dispatch(Analyse { x: &x[2 * first - shift..], stop, sides: inner });
    }
}

/// Doubles and filters: the pair of samples `p` is the sum over the parts of what their coefficients from `p` on give.
struct Synthesise<'a, T> {
    parts: &'a [(&'a [T], &'a [T])],
    /// What the result is subtracted from.
    from: Option<&'a [T]>,
    stop: &'a AtomicBool,
    out: &'a mut [T],
}

impl<T: Float> Kernel for Synthesise<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for (tile, out) in self.out.chunks_mut(2 * TILE).enumerate() {
            if self.stop.load(Relaxed) {
                return;
            }
            let n = out.len().div_ceil(2);
            let mut phases = [[T::default(); TILE]; 2];
            for (part, taps) in self.parts {
                let half = taps.len() / 2;
                for (side, phase) in phases.iter_mut().enumerate() {
                    let taps: [T; REACH] = every_other(taps.iter().rev().skip(1 - side));
                    correlate::<FMA, T>(&mut phase[..n], &taps[..half], &part[tile * TILE..], true);
                }
            }
            let [even, odd] = &phases;
            let (pairs, single) = out.as_chunks_mut::<2>();
            if let Some(last) = single.first_mut() {
                *last = even[pairs.len()];
            }
            for ((pair, &even), &odd) in pairs.iter_mut().zip(even).zip(odd) {
                *pair = [even, odd];
            }
            if let Some(from) = self.from {
                for (y, &x) in out.iter_mut().zip(&from[tile * 2 * TILE..]) {
                    *y = x - *y;
                }
            }
        }
    }
}

/// One level back: parts (coefficients of one length, their taps) to `out`, which may leave off the last samples.
pub fn synthesise<T: Float>(parts: &[(&[T], &[T])], mode: Mode, from: Option<&[T]>, stop: &AtomicBool, out: &mut [T]) {
    if mode != Mode::Periodization {
        return simd::dispatch(Synthesise { parts, from, stop, out });
    }
    let (n, half) = parts.first().map_or((0, 0), |(part, taps)| (part.len(), taps.len() / 2));
    // pairs before `inner` see the coefficients without going around the circle
    let inner = (n + 1).saturating_sub(half);
    if inner > 0 {
        let end = out.len().min(half - 1 + 2 * inner);
        simd::dispatch(Synthesise { parts, from: None, stop, out: &mut out[half - 1..end] });
    }
    for (p, side) in (inner..n).flat_map(|p| [(p, 0), (p, 1)]) {
        if let Some(y) = out.get_mut((2 * p + half - 1 + side) % (2 * n)) {
            let sum = |part: &[T], taps: &[T]| {
                let taps = taps.iter().skip(side).step_by(2).rev();
                taps.zip(p..).fold(T::default(), |sum, (&tap, i)| sum + tap * part[i % n])
            };
            *y = parts.iter().fold(T::default(), |y, (part, taps)| y + sum(part, taps));
        }
    }
}
