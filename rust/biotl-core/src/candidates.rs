//! What is known of each maximum of the envelope: the features that the R-peak networks judge.
//!
//! Every feature is a ratio, a time or a correlation, so that neither unit nor rate nor polarity matters; every one
//! looks at a bounded stretch of signal, so that a stream sees the same as a whole record.

use crate::envelope::{Envelope, Haar};

/// Features that a maximum has by itself and among its neighbours.
pub const LOCAL: usize = 24;
/// Hidden units of the network that judges them.
pub const LOCAL_HIDDEN: usize = 16;
/// Features that a maximum has in the rhythm and by the shape of the beats around, and its local ones.
pub const CONTEXT: usize = LOCAL + 16;
/// Hidden units of the network that judges those.
pub const CONTEXT_HIDDEN: usize = 32;
/// Two beats of one heart are further apart than this, in seconds.
const REFRACTORY_S: f64 = 0.2;
/// Maxima closer than this to a larger one are the same wave, in seconds.
const SAME_WAVE_S: f64 = 0.1;
/// Share of the local level below which a maximum is not looked at.
const SHARE: f32 = 0.1;
/// Stretches, in seconds from a maximum, whose mean is compared with it.
const SPANS_S: [(f64, f64); 6] = [(-0.06, 0.06), (-0.25, -0.1), (0.1, 0.25), (-0.5, -0.25), (0.25, 0.5), (-2.0, 2.0)];
/// Widths of the broader wavelets that are compared with it, in seconds.
const WIDTHS_S: [f64; 4] = [0.02, 0.04, 0.08, 0.16];
/// Beats to either side that make the rhythm and the shape to compare with.
const AROUND: usize = 4;
/// Points of a shape, 10 ms apart.
const SHAPE: usize = 19;

/// The maxima of an envelope.
pub struct Candidates<'a> {
    envelope: &'a Envelope,
    /// Where they lie, in samples of the envelope.
    pub at: Vec<usize>,
    spans: [(i64, i64); SPANS_S.len()],
    widths: [Haar; WIDTHS_S.len()],
    shape: [i64; SHAPE],
}

/// A likely beat, as maxima nearby see it.
struct Beat {
    index: usize,
    log_value: f32,
    shape: Vec<f32>,
}

impl<'a> Candidates<'a> {
    /// Every maximum worth a look.
    pub fn new(envelope: &'a Envelope) -> Self {
        let at = envelope.maxima((SAME_WAVE_S * envelope.fs) as usize, SHARE);
        let samples = |seconds: f64| (seconds * envelope.fs).round() as i64;
        Self {
            envelope,
            at,
            spans: SPANS_S.map(|(from, to)| (samples(from), samples(to))),
            widths: WIDTHS_S.map(|width| envelope.haar(width)),
            shape: std::array::from_fn(|n| samples(0.01 * (n as f64 - (SHAPE / 2) as f64))),
        }
    }

    /// Local features of every maximum.
    pub fn local(&self) -> Vec<[f32; LOCAL]> {
        (0..self.at.len()).map(|i| self.local_of(i)).collect()
    }

    fn local_of(&self, i: usize) -> [f32; LOCAL] {
        let e = self.envelope;
        let at = self.at[i];
        let own = ln(e.value[at]);
        let share = |v: f32| (ln(v) - own).clamp(-5.0, 5.0);
        let (usual, largest) = e.level(at);
        let mut f = [0.0; LOCAL];
        f[0] = -share(usual);
        f[1] = -share(largest);
        for (f, &span) in f[2..].iter_mut().zip(&self.spans) {
            *f = share(e.mean(at, span));
        }
        for (f, width) in f[8..].iter_mut().zip(&self.widths) {
            *f = share(e.broad(at, width));
        }
        f[12] = e.weighted(at).map(|(lead, weight)| (weight * lead.even[at]).powi(2)).sum::<f32>().sqrt() / e.value[at];
        let far = |n: usize| i.checked_sub(n).map(|j| self.at[j]);
        let neighbours = [far(1), far(2), self.at.get(i + 1).copied(), self.at.get(i + 2).copied()];
        for (f, neighbour) in f[13..].chunks_mut(2).zip(neighbours) {
            f[0] = neighbour.map_or(2.0, |b| (b.abs_diff(at) as f64 / e.fs).min(2.0) as f32);
            f[1] = neighbour.map_or(-4.0, |b| share(e.value[b]));
        }
        let reach = e.fs as usize;
        let mut highest = [0.0_f32; 3];
        for &b in self.at[..i].iter().rev().take_while(|&&b| at - b < reach) {
            raise(&mut highest, e.value[b]);
        }
        for &b in self.at[i + 1..].iter().take_while(|&&b| b - at < reach) {
            raise(&mut highest, e.value[b]);
        }
        for (f, v) in f[21..].iter_mut().zip(highest) {
            *f = share(v);
        }
        f
    }

    /// Context features of the maxima that `wanted` names, given the logit of every maximum.
    pub fn context(&self, local: &[[f32; LOCAL]], logit: &[f32], wanted: &[usize]) -> Vec<[f32; CONTEXT]> {
        let likely: Vec<usize> = wanted.iter().copied().filter(|&i| logit[i] > 0.0).collect();
        let beats: Vec<Beat> = self.thin(&likely, logit).into_iter().map(|i| self.beat(i)).collect();
        let features = |&i: &usize| {
            let mut f = [0.0; CONTEXT];
            let (own, rest) = f.split_at_mut(LOCAL);
            own.copy_from_slice(&local[i]);
            rest[0] = sureness(logit[i]);
            self.rivals(i, logit, rest);
            match beats.binary_search_by_key(&i, |b| b.index) {
                Ok(known) => self.rhythm(&beats[known], &beats, logit, rest),
                Err(_) => self.rhythm(&self.beat(i), &beats, logit, rest),
            }
            f
        };
        wanted.iter().map(features).collect()
    }

    /// Keep the likeliest of those that lie within the refractory period of one another.
    pub fn thin(&self, likely: &[usize], logit: &[f32]) -> Vec<usize> {
        let reach = (REFRACTORY_S * self.envelope.fs) as usize;
        let mut kept: Vec<usize> = Vec::with_capacity(likely.len());
        for &i in likely {
            while kept.last().is_some_and(|&k| self.at[i] - self.at[k] < reach && logit[k] < logit[i]) {
                kept.pop();
            }
            if kept.last().is_none_or(|&k| self.at[i] - self.at[k] >= reach) {
                kept.push(i);
            }
        }
        kept
    }

    /// How likely the best other maximum is within 0.3 s before and after.
    fn rivals(&self, i: usize, logit: &[f32], f: &mut [f32]) {
        let (at, reach) = (self.at[i], (0.3 * self.envelope.fs) as usize);
        let best = |best: f32, j: usize| best.max(sureness(logit[j]));
        f[1] = (0..i).rev().take_while(|&j| at - self.at[j] < reach).fold(-3.0, best);
        f[2] = (i + 1..self.at.len()).take_while(|&j| self.at[j] - at < reach).fold(-3.0, best);
    }

    /// Times and shapes against the beats around, the maximum itself and its refractory period left out.
    fn rhythm(&self, own: &Beat, beats: &[Beat], logit: &[f32], f: &mut [f32]) {
        let (at, fs) = (self.at[own.index], self.envelope.fs as f32);
        let reach = (REFRACTORY_S * self.envelope.fs) as usize;
        let far = (8.0 * self.envelope.fs) as usize;
        let before_end = beats.partition_point(|b| self.at[b.index] + reach <= at);
        let after_start = beats.partition_point(|b| self.at[b.index] < at + reach);
        let mut first = before_end.saturating_sub(AROUND);
        let mut last = (after_start + AROUND).min(beats.len());
        while first < before_end && at - self.at[beats[first].index] >= far {
            first += 1;
        }
        while last > after_start && self.at[beats[last - 1].index] - at >= far {
            last -= 1;
        }
        let (before, after) = (&beats[first..before_end], &beats[after_start..last]);
        let gap = |b: Option<&Beat>| b.map_or(3.0, |b| (self.at[b.index].abs_diff(at) as f32 / fs).min(3.0));
        let (previous, next) = (gap(before.last()), gap(after.first()));
        let mut intervals = [0.0; 2 * AROUND];
        let mut n = 0;
        for pair in before.windows(2).chain(after.windows(2)) {
            intervals[n] = (self.at[pair[1].index] - self.at[pair[0].index]) as f32 / fs;
            n += 1;
        }
        let intervals = &mut intervals[..n];
        intervals.sort_unstable_by(f32::total_cmp);
        let usual = intervals.get(n / 2).map_or(0.8, |&v| v.min(3.0));
        let spread = intervals.iter().map(|v| (v - usual).abs()).sum::<f32>() / n.max(1) as f32;
        let log_usual = ln(usual);
        f[3] = ln(previous) - log_usual;
        f[4] = ln(next) - log_usual;
        f[5] = ln(previous + next) - log_usual;
        f[6] = previous;
        f[7] = next;
        f[8] = usual;
        f[9] = spread / usual;
        let (mut best, mut mean, mut value, mut square, mut sure) = (-1.0_f32, 0.0, 0.0, 0.0, 0.0);
        let n = before.len() + after.len();
        let part = 1.0 / n.max(1) as f32;
        for beat in before.iter().chain(after) {
            let likeness: f32 = own.shape.iter().zip(&beat.shape).map(|(a, b)| a * b).sum();
            best = best.max(likeness);
            mean += likeness * part;
            value += beat.log_value * part;
            square += beat.log_value * beat.log_value * part;
            sure += sureness(logit[beat.index]) * part;
        }
        f[10] = best;
        f[11] = mean;
        f[12] = if n == 0 { 0.0 } else { (own.log_value - value).clamp(-4.0, 4.0) };
        f[13] = (square - value * value).max(0.0).sqrt();
        f[14] = sure;
        f[15] = n as f32 / (2 * AROUND) as f32;
    }

    /// The even part around a maximum, in every lead, at unit norm.
    fn beat(&self, index: usize) -> Beat {
        let e = self.envelope;
        let at = self.at[index];
        let last = e.value.len() as i64 - 1;
        let mut shape = Vec::with_capacity(SHAPE * e.leads.len());
        for (lead, weight) in e.weighted(at) {
            shape.extend(self.shape.map(|offset| weight * lead.even[(at as i64 + offset).clamp(0, last) as usize]));
        }
        let norm = shape.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        for s in &mut shape {
            *s /= norm;
        }
        Beat { index, log_value: ln(e.value[at]), shape }
    }
}

/// Log-odds in the range of the other features.
fn sureness(logit: f32) -> f32 {
    (logit / 4.0).clamp(-3.0, 3.0)
}

/// Natural logarithm to 1e-4, from the exponent and a polynomial of the fraction; of nothing, that of the least number.
fn ln(x: f32) -> f32 {
    let bits = x.max(f32::MIN_POSITIVE).to_bits();
    let exponent = (bits >> 23) as f32 - 127.0;
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000);
    let fraction = -1.741_793_9 + (2.821_202_6 + (-1.469_956_8 + (0.447_179_55 - 0.056_570_85 * m) * m) * m) * m;
    exponent * std::f32::consts::LN_2 + fraction
}

/// Put a value into a short descending list.
fn raise(highest: &mut [f32; 3], value: f32) {
    if let Some(place) = highest.iter().position(|&h| value > h) {
        highest[place..].rotate_right(1);
        highest[place] = value;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_quick_logarithm_is_right_to_a_thousandth(x in 1e-30_f32..1e30) {
            prop_assert!((super::ln(x) - x.ln()).abs() < 1e-3);
        }
    }
}
