//! The wavelet front end of the R peaks: the energy of a QRS complex, whatever its polarity, at a low rate.
//!
//! Each lead is averaged down to 150-300 Hz; the first and second derivative of a Gaussian of 10 ms (a band around
//! 8-25 Hz, where QRS complexes stand above P, T and drift) are its odd and even part, and their norm the envelope.
//! What comes after works on the maxima of that envelope, so that its cost does not depend on the rate. Several leads
//! add up, each in units of its own level and the more so the further its beats stand out.

mod pair;

use std::ops::Range;

use super::average::{average_into, running_sum};
use super::level::{BLOCKS, around, levels_from};
use crate::{Error, Float, Result, simd};
use pair::{Pair, wavelets};

/// Length of the blocks whose maxima make the local level, in seconds: one beat at least at 46 a minute.
const BLOCK_S: f64 = 1.3;

/// One or more leads at the low rate, with their joint envelope: a window that moves over the record and fits a cache.
pub struct Envelope {
    /// Samples of the input per sample here.
    pub step: usize,
    /// Low rate, Hz.
    pub fs: f64,
    /// Samples here per block.
    pub block: usize,
    /// Samples here before the window.
    pub start: usize,
    /// Samples that have left the window when it last moved.
    pub gone: usize,
    /// What lies before this was the same before the window last moved.
    pub fresh: usize,
    /// Joint norm of the wavelet pairs.
    pub value: Vec<f32>,
    /// The leads.
    pub leads: Vec<Lead>,
    /// One side of the odd and of the even wavelet.
    wavelets: (Vec<f32>, Vec<f32>),
    /// Running sum of `value`, one longer.
    sum: Vec<f64>,
    /// Per block, the median and the largest of the maxima of the blocks around.
    level: Vec<(f32, f32)>,
}

/// One lead at the low rate.
#[derive(Default)]
pub struct Lead {
    /// The averaged signal, less the first sample of the record.
    pub low: Vec<f32>,
    /// The even part of the wavelet pair: positive on a peak that points up.
    pub even: Vec<f32>,
    /// Norm of the wavelet pair, where there are several leads.
    norm: Vec<f32>,
    /// Running sum of `low`, one longer.
    sum: Vec<f64>,
    /// Per block, what the lead counts among the others.
    weight: Vec<f32>,
}

/// Seven offsets in samples, half a width apart: the edges of an odd and an even Haar wavelet.
pub struct Haar([i64; 7]);

impl Haar {
    /// Those of a width in seconds.
    pub fn new(width_s: f64, fs: f64) -> Self {
        let edge = |half: i32| (f64::from(half) * 0.5 * width_s * fs + 0.5).floor() as i64;
        Self([-3, -2, -1, 0, 1, 2, 3].map(edge))
    }
}

impl Envelope {
    /// Choose a low rate, and nothing more.
    ///
    /// # Errors
    /// A rate outside 50 Hz to 100 kHz.
    pub fn new(leads: usize, fs: f64) -> Result<Self> {
        if !(50.0..=100_000.0).contains(&fs) {
            return Err(Error::parameter("fs", fs, "50 to 100000 Hz"));
        }
        // the band of the wavelet ends at 25 Hz, and whole samples are averaged, so that no rate needs a filter of its own
        let step = ((fs / 150.0) as usize).max(1);
        let fs = fs / step as f64;
        Ok(Self {
            step,
            fs,
            block: (BLOCK_S * fs) as usize,
            start: 0,
            gone: 0,
            fresh: 0,
            value: Vec::new(),
            leads: (0..leads).map(|_| Lead::default()).collect(),
            wavelets: wavelets(fs),
            sum: Vec::new(),
            level: Vec::new(),
        })
    }

    /// Move the window on: average, filter and take levels of what is new in it. The leads are as many as were said and of
    /// one length; a window begins with a block, and its end does not go back.
    ///
    /// # Errors
    /// A new sample that is not finite.
    pub fn fill<T: Float>(&mut self, leads: &[&[T]], window: Range<usize>) -> Result<()> {
        self.gone = window.start / self.step - self.start;
        self.start += self.gone;
        let (odd, even) = &self.wavelets;
        let (single, n) = (leads.len() == 1, window.len() / self.step);
        // the levels of the last blocks looked for blocks that were not there, and so did the weights of several leads
        let held = self.value.len().saturating_sub(self.gone) / self.block;
        let first = held.saturating_sub(if single { BLOCKS.1 } else { 2 * BLOCKS.1 } + 1);
        self.fresh = first * self.block;
        for (x, lead) in leads.iter().zip(&mut self.leads) {
            let kept = lead.low.len().saturating_sub(self.gone);
            shift(&mut lead.low, self.gone, n);
            shift(&mut lead.sum, self.gone, n + 1);
            let seen = window.start + kept * self.step;
            average_into(x, seen..window.end, self.step, kept, &mut lead.low, &mut lead.sum)?;
            // one lead is its own joint envelope: no second copy, and no weight
            let norm = if single { &mut self.value } else { &mut lead.norm };
            shift(norm, self.gone, n);
            shift(&mut lead.even, self.gone, n);
            simd::dispatch(Pair { low: &lead.low, odd, even, from: self.fresh, norm, evens: &mut lead.even });
        }
        if single {
            self.leads[0].weight.resize(self.value.len().div_ceil(self.block), 1.0);
        } else {
            self.join(first);
        }
        shift(&mut self.sum, self.gone, n + 1);
        running_sum(&self.value, self.fresh, &mut self.sum);
        forget(&mut self.level, self.gone / self.block);
        self.level.truncate(first);
        self.level.extend(levels_from(&self.value, self.block, first));
        Ok(())
    }

    /// The joint norm of several leads and their weights, from a block on.
    fn join(&mut self, first: usize) {
        let block = self.block;
        self.value.clear();
        self.value.resize(self.leads.first().map_or(0, |lead| lead.norm.len()), 0.0);
        for lead in &mut self.leads {
            let mean: Vec<f32> = lead.norm.chunks(block).map(|b| b.iter().sum::<f32>() / b.len() as f32).collect();
            let weigh = |(i, (usual, _)): (usize, (f32, f32))| {
                // A lead whose beats barely stand out of its own mean adds little but noise.
                let around = &mean[around(i, mean.len())];
                let mean = around.iter().sum::<f32>() / around.len() as f32;
                if usual > 0.0 { (usual / mean / 4.0).min(2.0).powi(2) / usual } else { 0.0 }
            };
            forget(&mut lead.weight, self.gone / block);
            lead.weight.truncate(first);
            lead.weight.extend((first..).zip(levels_from(&lead.norm, block, first)).map(weigh));
            for ((joint, value), &w) in self.value.chunks_mut(block).zip(lead.norm.chunks(block)).zip(&lead.weight) {
                for (j, &v) in joint.iter_mut().zip(value) {
                    *j += (w * v).powi(2);
                }
            }
        }
        for j in &mut self.value {
            *j = j.sqrt();
        }
    }

    /// Local maxima that nothing within `reach` samples exceeds and that reach `share` of their level, from a block on,
    /// after those before it.
    pub fn maxima(&self, reach: usize, share: f32, first: usize, kept: &mut Vec<usize>) {
        simd::dispatch(Maxima { envelope: self, reach, share, first, kept });
    }

    /// The median and the largest of the block maxima around a sample.
    pub fn level(&self, at: usize) -> (f32, f32) {
        self.level[at / self.block]
    }

    /// Means of the envelope from one offset to another, in samples, clipped to the record.
    #[inline(always)]
    pub fn means<const N: usize>(&self, at: usize, spans: &[(i64, i64); N]) -> [f32; N] {
        let last = self.value.len() as i64;
        let (mut sums, mut counts) = ([0.0; N], [0.0; N]);
        for (n, &(from, to)) in spans.iter().enumerate() {
            let (from, to) = ((at as i64 + from).clamp(0, last), (at as i64 + to).clamp(0, last));
            sums[n] = (self.sum[to as usize] - self.sum[from as usize]) as f32;
            counts[n] = (to - from) as f32;
        }
        ratios(&sums, &counts)
    }

    /// Norms of the Haar wavelets of some widths at a sample: what broad waves answer to.
    #[inline(always)]
    pub fn broad<const N: usize>(&self, at: usize, haars: &[Haar; N]) -> [f32; N] {
        let last = self.value.len() as i64;
        let (mut edges, mut squares) = ([[0_i64; N]; 7], [0.0_f32; N]);
        for (n, Haar(offsets)) in haars.iter().enumerate() {
            for (edge, offset) in edges.iter_mut().zip(offsets) {
                edge[n] = (at as i64 + offset).clamp(0, last);
            }
        }
        for (lead, weight) in self.weighted(at) {
            let mut sums = [[0.0_f64; N]; 7];
            for (sum, edge) in sums.iter_mut().zip(&edges) {
                for n in 0..N {
                    sum[n] = lead.sum[edge[n] as usize];
                }
            }
            let mean = |a: usize, b: usize| {
                let (mut part, mut count) = ([0.0; N], [0.0; N]);
                for n in 0..N {
                    part[n] = (sums[b][n] - sums[a][n]) as f32;
                    count[n] = (edges[b][n] - edges[a][n]) as f32;
                }
                ratios(&part, &count)
            };
            let (after, before) = (mean(3, 5), mean(1, 3));
            let (middle, left, right) = (mean(2, 4), mean(0, 2), mean(4, 6));
            for n in 0..N {
                let odd = after[n] - before[n];
                let even = middle[n] - 0.5 * (left[n] + right[n]);
                squares[n] += weight * weight * (odd * odd + even * even);
            }
        }
        squares.map(f32::sqrt)
    }

    /// The leads, and what each counts around a sample.
    pub fn weighted(&self, at: usize) -> impl Iterator<Item = (&Lead, f32)> {
        let block = at / self.block;
        self.leads.iter().map(move |lead| (lead, lead.weight[block]))
    }
}

/// Samples that are looked at for maxima at a time: a loop over few is guessed wrong at the end of each.
const WIDE: usize = 64;

/// The search of [`Envelope::maxima`].
struct Maxima<'a> {
    envelope: &'a Envelope,
    reach: usize,
    share: f32,
    first: usize,
    kept: &'a mut Vec<usize>,
}

impl simd::Kernel for Maxima<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_bitwise_bool)] // what branches has no lanes
    #[allow(clippy::needless_range_loop)] // nor have iterators over three slices
    fn run<const FMA: bool>(self) {
        let v = &self.envelope.value;
        let (block, kept) = (self.envelope.block, self.kept);
        for (b, &(usual, _)) in self.envelope.level.iter().enumerate().skip(self.first) {
            // blocks of the level, since it changes only there
            let least = self.share * usual;
            let (mut i, end) = ((b * block).max(1), ((b + 1) * block).min(v.len().saturating_sub(1)));
            while i < end {
                // Many at a time, since few are maxima: a bit for each, gathered without a branch.
                let mut found = 0_u64;
                if let (Some(before), Some(own), Some(after)) =
                    (v[i - 1..].first_chunk::<WIDE>(), v[i..].first_chunk::<WIDE>(), v[i + 1..].first_chunk::<WIDE>())
                {
                    let mut is = [0_u8; WIDE];
                    for k in 0..WIDE {
                        is[k] = u8::from((own[k] > least) & (own[k] >= before[k]) & (own[k] > after[k]));
                    }
                    for (n, &eight) in is.as_chunks().0.iter().enumerate() {
                        // the factor brings each of eight bytes, zero or one, to a bit of the highest
                        found |= (u64::from_le_bytes(eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * n);
                    }
                } else {
                    for k in 0..WIDE.min(end - i) {
                        let at = i + k;
                        found |= u64::from(v[at] > least && v[at] >= v[at - 1] && v[at] > v[at + 1]) << k;
                    }
                }
                while found != 0 {
                    let at = i + found.trailing_zeros() as usize;
                    found &= found - 1;
                    if at >= end {
                        break;
                    }
                    // a larger one takes the place of those it is too near to; of equals the first stays
                    while kept.last().is_some_and(|&last| at - last <= self.reach && v[last] < v[at]) {
                        kept.pop();
                    }
                    if kept.last().is_none_or(|&last| at - last > self.reach) {
                        kept.push(at);
                    }
                }
                i += WIDE;
            }
        }
    }
}

/// Move what stays in the window to its front, in room for `n`; behind it lies what lay there, to be written over: to clear
/// it first would cost as much as to fill it.
fn shift<T: Copy + Default>(held: &mut Vec<T>, gone: usize, n: usize) {
    let gone = gone.min(held.len());
    held.copy_within(gone.., 0);
    held.resize(n, T::default());
}

/// Drop what has left the window.
fn forget<T>(held: &mut Vec<T>, gone: usize) {
    held.drain(..gone.min(held.len()));
}

/// Sums by their counts; nothing where there is nothing.
#[inline(always)]
fn ratios<const N: usize>(sums: &[f32; N], counts: &[f32; N]) -> [f32; N] {
    let mut ratios = [0.0; N];
    for n in 0..N {
        ratios[n] = if counts[n] > 0.0 { sums[n] / counts[n] } else { 0.0 };
    }
    ratios
}
