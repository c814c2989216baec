//! The wavelet front end of the R peaks: the energy of a QRS complex, whatever its polarity, at a low rate.
//!
//! Each lead is averaged down to 150-300 Hz; the first and second derivative of a Gaussian of 10 ms (a band around
//! 8-25 Hz, where QRS complexes stand above P, T and drift) are its odd and even part, and their norm the envelope.
//! What comes after works on the maxima of that envelope, so that its cost does not depend on the rate. Several leads
//! add up, each in units of its own level and the more so the further its beats stand out.

use crate::{Error, Float, Result, simd};

/// Width of the Gaussian whose derivatives are the wavelets, in seconds.
const SIGMA_S: f64 = 0.010;
/// Length of the blocks whose maxima make the local level.
const BLOCK_S: f64 = 1.3;
/// Blocks that the local level looks at before and after its own.
const BLOCKS: (usize, usize) = (5, 3);
/// Outputs filtered at a time, so that they stay in the first cache.
const TILE: usize = 256;

/// One or more leads at the low rate, with their joint envelope.
pub struct Envelope {
    /// Samples of the input per sample here.
    pub step: usize,
    /// Low rate, Hz.
    pub fs: f64,
    /// Joint norm of the wavelet pairs.
    pub value: Vec<f32>,
    /// The leads.
    pub leads: Vec<Lead>,
    /// Running sum of `value`, one longer.
    sum: Vec<f64>,
    /// Per block, the median and the largest of the maxima of the blocks around.
    level: Vec<(f32, f32)>,
    block: usize,
}

/// One lead at the low rate.
pub struct Lead {
    /// The averaged signal, less its first sample.
    pub low: Vec<f32>,
    /// The even part of the wavelet pair: positive on a peak that points up.
    pub even: Vec<f32>,
    /// Running sum of `low`, one longer.
    sum: Vec<f64>,
    /// Per block, what the lead counts among the others.
    weight: Vec<f32>,
}

/// Seven offsets in samples, half a width apart: the edges of an odd and an even Haar wavelet.
pub struct Haar([i64; 7]);

impl Envelope {
    /// Average, filter and take levels of leads of one length.
    ///
    /// # Errors
    /// A rate outside 50 Hz to 100 kHz, leads that differ in length, or a sample that is not finite.
    pub fn new<T: Float>(leads: &[&[T]], fs: f64) -> Result<Self> {
        if !(50.0..=100_000.0).contains(&fs) {
            return Err(Error::parameter("fs", fs, "50 to 100000 Hz"));
        }
        let step = ((fs / 150.0) as usize).max(1);
        let fs = fs / step as f64;
        let (odd, even) = wavelets(fs);
        let block = (BLOCK_S * fs) as usize;
        if let Some(other) = leads.iter().find(|lead| lead.len() != leads[0].len()) {
            return Err(Error::parameter(
                "x",
                format!("leads of {} and {} samples", leads[0].len(), other.len()),
                "one length",
            ));
        }
        let mut values = Vec::with_capacity(leads.len());
        let mut filtered = Vec::with_capacity(leads.len());
        for x in leads {
            let (low, sum) = average(x, step)?;
            let (value, even) = filter(&low, &odd, &even);
            values.push(value);
            filtered.push(Lead { low, even, sum, weight: Vec::new() });
        }
        let value = join(values, &mut filtered, block);
        let level = levels(&value, block);
        Ok(Self { step, fs, sum: running_sum(&value), value, leads: filtered, level, block })
    }

    /// Local maxima that nothing within `reach` samples exceeds and that reach `share` of their level.
    pub fn maxima(&self, reach: usize, share: f32) -> Vec<usize> {
        let v = &self.value;
        let mut kept: Vec<usize> = Vec::new();
        for (block, &(usual, _)) in self.level.iter().enumerate() {
            let least = share * usual;
            for i in (block * self.block).max(1)..((block + 1) * self.block).min(v.len().saturating_sub(1)) {
                if v[i] <= least || v[i] < v[i - 1] || v[i] <= v[i + 1] {
                    continue;
                }
                while kept.last().is_some_and(|&last| i - last <= reach && v[last] < v[i]) {
                    kept.pop();
                }
                if kept.last().is_none_or(|&last| i - last > reach) {
                    kept.push(i);
                }
            }
        }
        kept
    }

    /// The median and the largest of the block maxima around a sample.
    pub fn level(&self, at: usize) -> (f32, f32) {
        self.level[at / self.block]
    }

    /// Mean of the envelope from one offset to another, in samples.
    pub fn mean(&self, at: usize, (from, to): (i64, i64)) -> f32 {
        mean(&self.sum, at as i64 + from, at as i64 + to)
    }

    /// Norm of the Haar wavelets at a sample: what broad waves answer to.
    pub fn broad(&self, at: usize, Haar(o): &Haar) -> f32 {
        let square = |(lead, weight): (&Lead, f32)| {
            let mean = |a: usize, b: usize| mean(&lead.sum, at as i64 + o[a], at as i64 + o[b]);
            let odd = mean(3, 5) - mean(1, 3);
            let even = mean(2, 4) - 0.5 * (mean(0, 2) + mean(4, 6));
            weight * weight * (odd * odd + even * even)
        };
        self.weighted(at).map(square).sum::<f32>().sqrt()
    }

    /// The leads, and what each counts around a sample.
    pub fn weighted(&self, at: usize) -> impl Iterator<Item = (&Lead, f32)> {
        let block = at / self.block;
        self.leads.iter().map(move |lead| (lead, lead.weight[block]))
    }

    /// The offsets of the Haar wavelets of a width in seconds.
    pub fn haar(&self, width_s: f64) -> Haar {
        let edge = |half: i32| (f64::from(half) * 0.5 * width_s * self.fs + 0.5).floor() as i64;
        Haar([-3, -2, -1, 0, 1, 2, 3].map(edge))
    }
}

/// Means of `step` samples less the first sample, so that single precision holds them, and their running sum.
pub(crate) fn average<T: Float>(x: &[T], step: usize) -> Result<(Vec<f32>, Vec<f64>)> {
    let low = match step {
        1 => average_by::<T, 1>(x),
        2 => average_by::<T, 2>(x),
        3 => average_by::<T, 3>(x),
        _ => average_chunks(x.chunks_exact(step), x.first(), step),
    };
    let sum = running_sum(&low);
    if !sum[sum.len() - 1].is_finite() {
        let index = x.iter().position(|v| !v.finite()).unwrap_or(0);
        return Err(Error::NotFinite { index, value: x[index].to_f64() });
    }
    Ok((low, sum))
}

/// The common small steps, known to the compiler.
fn average_by<T: Float, const N: usize>(x: &[T]) -> Vec<f32> {
    average_chunks(x.as_chunks::<N>().0.iter().map(<[T; N]>::as_slice), x.first(), N)
}

#[inline(always)]
fn average_chunks<'a, T: Float>(chunks: impl Iterator<Item = &'a [T]>, first: Option<&T>, step: usize) -> Vec<f32> {
    let offset = first.map_or(0.0, |v| v.to_f64());
    let scale = 1.0 / step as f64;
    chunks.map(|c| ((c.iter().map(|v| v.to_f64()).sum::<f64>()) * scale - offset) as f32).collect()
}

/// One side of the first and second derivative of a Gaussian; the even one, whose middle comes first, sums to zero.
fn wavelets(fs: f64) -> (Vec<f32>, Vec<f32>) {
    let reach = (4.0 * SIGMA_S * fs).ceil() as usize;
    let time = |i: usize| i as f64 / fs / SIGMA_S;
    let gauss = |i: usize| (-time(i).powi(2) / 2.0).exp();
    let odd: Vec<f64> = (1..=reach).map(|i| time(i) * gauss(i)).collect();
    let mut even: Vec<f64> = (0..=reach).map(|i| (1.0 - time(i).powi(2)) * gauss(i)).collect();
    let mean = (even[0] + 2.0 * even[1..].iter().sum::<f64>()) / (2 * reach + 1) as f64;
    for v in &mut even {
        *v -= mean;
    }
    let odd_norm = (2.0 * odd.iter().map(|v| v * v).sum::<f64>()).sqrt();
    let even_norm = (even[0].powi(2) + 2.0 * even[1..].iter().map(|v| v * v).sum::<f64>()).sqrt();
    let scaled = |kernel: Vec<f64>, norm: f64| kernel.into_iter().map(|v| (v / norm) as f32).collect();
    (scaled(odd, odd_norm), scaled(even, even_norm))
}

/// The norm of both parts, and the even part; the signal goes on for ever as it begins and ends.
fn filter(low: &[f32], odd: &[f32], even: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let reach = odd.len();
    let (Some(&first), Some(&last)) = (low.first(), low.last()) else {
        return (Vec::new(), Vec::new());
    };
    let mut padded = Vec::with_capacity(low.len() + 2 * reach);
    padded.resize(reach, first);
    padded.extend_from_slice(low);
    padded.resize(low.len() + 2 * reach, last);
    let (mut norm, mut evens) = (vec![0.0; low.len()], vec![0.0; low.len()]);
    simd::dispatch(Pair { padded: &padded, odd, even, norm: &mut norm, evens: &mut evens });
    (norm, evens)
}

/// The inner loop of [`filter`].
struct Pair<'a> {
    padded: &'a [f32],
    odd: &'a [f32],
    even: &'a [f32],
    norm: &'a mut [f32],
    evens: &'a mut [f32],
}

impl simd::Kernel for Pair<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let reach = self.odd.len();
        for (tile, (norm, evens)) in self.norm.chunks_mut(TILE).zip(self.evens.chunks_mut(TILE)).enumerate() {
            let start = tile * TILE;
            let middle = &self.padded[start + reach..][..norm.len()];
            for (e, &m) in evens.iter_mut().zip(middle) {
                *e = self.even[0] * m;
            }
            for k in 1..=reach {
                let (ko, ke) = (self.odd[k - 1], self.even[k]);
                let before = &self.padded[start + reach - k..][..norm.len()];
                let after = &self.padded[start + reach + k..][..norm.len()];
                for (((o, e), &a), &b) in norm.iter_mut().zip(evens.iter_mut()).zip(after).zip(before) {
                    *o += ko * (a - b);
                    *e += ke * (a + b);
                }
            }
            for (o, &e) in norm.iter_mut().zip(evens.iter()) {
                *o = (*o * *o + e * e).sqrt();
            }
        }
    }
}

/// The joint norm of all leads; sets their weights.
fn join(mut values: Vec<Vec<f32>>, leads: &mut [Lead], block: usize) -> Vec<f32> {
    let blocks = values.first().map_or(0, |v| v.len().div_ceil(block));
    if leads.len() == 1 {
        leads[0].weight = vec![1.0; blocks];
        return values.remove(0);
    }
    let mut joint = vec![0.0; values.first().map_or(0, Vec::len)];
    for (value, lead) in values.iter().zip(leads) {
        let mean = value.iter().sum::<f32>() / value.len().max(1) as f32;
        let weigh = |(usual, _): (f32, f32)| {
            // A lead whose beats barely stand out of its own mean adds little but noise.
            if usual > 0.0 { (usual / mean / 4.0).min(2.0).powi(2) / usual } else { 0.0 }
        };
        lead.weight = levels(value, block).into_iter().map(weigh).collect();
        for ((joint, value), &w) in joint.chunks_mut(block).zip(value.chunks(block)).zip(&lead.weight) {
            for (j, &v) in joint.iter_mut().zip(value) {
                *j += (w * v).powi(2);
            }
        }
    }
    for j in &mut joint {
        *j = j.sqrt();
    }
    joint
}

pub(crate) fn levels(value: &[f32], block: usize) -> Vec<(f32, f32)> {
    let maxima: Vec<f32> = value.chunks(block).map(|b| b.iter().copied().fold(0.0, f32::max)).collect();
    (0..maxima.len())
        .map(|i| {
            let mut around = maxima[i.saturating_sub(BLOCKS.0)..(i + BLOCKS.1 + 1).min(maxima.len())].to_vec();
            around.sort_unstable_by(f32::total_cmp);
            (around[around.len() / 2], around[around.len() - 1])
        })
        .collect()
}

fn running_sum(x: &[f32]) -> Vec<f64> {
    let mut sums = Vec::with_capacity(x.len() + 1);
    let mut total = 0.0;
    sums.push(total);
    for &v in x {
        total += f64::from(v);
        sums.push(total);
    }
    sums
}

/// Mean between two sample positions, clipped to the record.
fn mean(sum: &[f64], from: i64, to: i64) -> f32 {
    let last = sum.len() as i64 - 1;
    let (from, to) = (from.clamp(0, last), to.clamp(0, last));
    if to > from { ((sum[to as usize] - sum[from as usize]) as f32) / (to - from) as f32 } else { 0.0 }
}
