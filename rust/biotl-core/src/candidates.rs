//! What is known of each maximum of the envelope: the features that the R-peak networks judge.
//!
//! Every feature is a ratio, a time or a correlation, so that neither unit nor rate nor polarity matters; every one
//! looks at a bounded stretch of signal, so that a stream sees the same as a whole record.

use std::ops::Range;

use crate::envelope::{Envelope, Haar};
use crate::perceptron::Perceptron;
use crate::simd;

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
/// Values side by side in a register.
const REGISTER: usize = 8;

/// Blocks that the local features look ahead: 2 s.
const AHEAD: usize = 2;

/// The maxima of an envelope, and what the first network makes of them.
pub struct Candidates {
    fs: f64,
    /// Where they lie, in samples of the envelope.
    pub at: Vec<usize>,
    /// Their local features.
    pub local: Vec<[f32; LOCAL]>,
    /// What the first network makes of those.
    pub logit: Vec<f32>,
    spans: [(i64, i64); SPANS_S.len()],
    widths: [Haar; WIDTHS_S.len()],
    shape: [i64; SHAPE],
}

/// Even parts around some maxima, in every lead, each row at unit norm and filled up with zeros to whole registers.
struct Shapes {
    width: usize,
    values: Vec<f32>,
}

impl Shapes {
    fn row(&self, place: usize) -> &[f32] {
        &self.values[place * self.width..][..self.width]
    }

    /// Correlation of two shapes.
    #[inline(always)]
    fn likeness(&self, one: usize, other: usize) -> f32 {
        let mut strands = [0.0; REGISTER];
        for (a, b) in self.row(one).as_chunks::<REGISTER>().0.iter().zip(self.row(other).as_chunks::<REGISTER>().0) {
            for ((s, a), b) in strands.iter_mut().zip(a).zip(b) {
                *s += a * b;
            }
        }
        strands.iter().sum()
    }
}

/// Maxima that are judged: where each stands among all, what it looks like, and which of them are likely beats.
struct Wanted<'a> {
    index: &'a [usize],
    log_value: Vec<f32>,
    shapes: Shapes,
    beats: Vec<usize>,
}

impl Candidates {
    /// None yet.
    pub fn new(fs: f64) -> Self {
        let samples = |seconds: f64| (seconds * fs).round() as i64;
        Self {
            fs,
            at: Vec::new(),
            local: Vec::new(),
            logit: Vec::new(),
            spans: SPANS_S.map(|(from, to)| (samples(from), samples(to))),
            widths: WIDTHS_S.map(|width| Haar::new(width, fs)),
            shape: std::array::from_fn(|n| samples(0.01 * (n as f64 - (SHAPE / 2) as f64))),
        }
    }

    /// Every maximum worth a look in the window of an envelope that has just moved on.
    pub fn follow(&mut self, envelope: &Envelope, net: &Perceptron<LOCAL, LOCAL_HIDDEN>) {
        let gone = self.at.partition_point(|&at| at < envelope.gone);
        let first = (envelope.fresh / envelope.block).saturating_sub(AHEAD);
        let kept = self.at.partition_point(|&at| at < envelope.gone + first * envelope.block).max(gone);
        self.at.truncate(kept);
        self.at.drain(..gone);
        for at in &mut self.at {
            *at -= envelope.gone;
        }
        self.local.truncate(kept);
        self.local.drain(..gone);
        self.logit.truncate(kept);
        self.logit.drain(..gone);
        let kept = self.at.len();
        envelope.maxima((SAME_WAVE_S * self.fs) as usize, SHARE, first, &mut self.at);
        let mut local = std::mem::take(&mut self.local);
        simd::dispatch(Local { candidates: self, envelope, rows: &mut local });
        self.local = local;
        self.logit.extend(net.logits(&self.local[kept..]));
    }

    #[inline(always)]
    fn local_of(&self, e: &Envelope, i: usize) -> [f32; LOCAL] {
        let at = self.at[i];
        let own = e.value[at];
        // all that becomes the logarithm of a share of the own value, side by side
        let mut f = [own; LOCAL];
        (f[0], f[1]) = e.level(at);
        f[2..8].copy_from_slice(&e.means(at, &self.spans));
        f[8..12].copy_from_slice(&e.broad(at, &self.widths));
        let neighbours = [i.checked_sub(1), i.checked_sub(2), Some(i + 1), Some(i + 2)];
        let neighbours = neighbours.map(|j| j.and_then(|j| self.at.get(j).copied()));
        for (f, neighbour) in f[14..].iter_mut().step_by(2).zip(neighbours) {
            *f = neighbour.map_or(own, |b| e.value[b]);
        }
        let reach = e.fs as usize;
        let mut highest = [0.0_f32; 3];
        for &b in self.at[..i].iter().rev().take_while(|&&b| at - b < reach) {
            raise(&mut highest, e.value[b]);
        }
        for &b in self.at[i + 1..].iter().take_while(|&&b| b - at < reach) {
            raise(&mut highest, e.value[b]);
        }
        f[21..].copy_from_slice(&highest);
        let log_own = ln(own);
        for f in &mut f {
            *f = (ln(*f) - log_own).clamp(-5.0, 5.0);
        }
        (f[0], f[1]) = (-f[0], -f[1]);
        f[12] = e.weighted(at).map(|(lead, weight)| (weight * lead.even[at]).powi(2)).sum::<f32>().sqrt() / own;
        for (f, neighbour) in f[13..21].chunks_mut(2).zip(neighbours) {
            f[0] = neighbour.map_or(2.0, |b| (b.abs_diff(at) as f64 / e.fs).min(2.0) as f32);
            if neighbour.is_none() {
                f[1] = -4.0;
            }
        }
        f
    }

    /// Context features of some of the maxima that `index` names, ascending: those in `places` of it.
    pub fn context(&self, envelope: &Envelope, index: &[usize], places: Range<usize>) -> Vec<[f32; CONTEXT]> {
        let likely: Vec<usize> = index.iter().copied().filter(|&i| self.logit[i] > 0.0).collect();
        let place = |i| index.partition_point(|&j| j < i);
        let wanted = Wanted {
            index,
            log_value: index.iter().map(|&i| ln(envelope.value[self.at[i]])).collect(),
            shapes: self.shapes(envelope, index),
            beats: self.thin(&likely, &self.logit).into_iter().map(place).collect(),
        };
        simd::dispatch(Context { candidates: self, wanted, places })
    }

    /// Keep the likeliest of those that lie within the refractory period of one another.
    pub fn thin(&self, likely: &[usize], logit: &[f32]) -> Vec<usize> {
        let reach = (REFRACTORY_S * self.fs) as usize;
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
    fn rivals(&self, i: usize, f: &mut [f32]) {
        let (at, reach) = (self.at[i], (0.3 * self.fs) as usize);
        let best = |best: f32, j: usize| best.max(sureness(self.logit[j]));
        f[1] = (0..i).rev().take_while(|&j| at - self.at[j] < reach).fold(-3.0, best);
        f[2] = (i + 1..self.at.len()).take_while(|&j| self.at[j] - at < reach).fold(-3.0, best);
    }

    /// Times and shapes against the beats around, the maximum itself and its refractory period left out.
    #[inline(always)]
    fn rhythm(&self, own: usize, wanted: &Wanted, f: &mut [f32]) {
        let Wanted { index, log_value, shapes, beats } = wanted;
        let (at, fs) = (self.at[index[own]], self.fs as f32);
        let reach = (REFRACTORY_S * self.fs) as usize;
        let far = (8.0 * self.fs) as usize;
        let time = |beat: usize| self.at[index[beat]];
        let before_end = beats.partition_point(|&b| time(b) + reach <= at);
        let after_start = beats.partition_point(|&b| time(b) < at + reach);
        let mut first = before_end.saturating_sub(AROUND);
        let mut last = (after_start + AROUND).min(beats.len());
        while first < before_end && at - time(beats[first]) >= far {
            first += 1;
        }
        while last > after_start && time(beats[last - 1]) - at >= far {
            last -= 1;
        }
        let (before, after) = (&beats[first..before_end], &beats[after_start..last]);
        let gap = |b: Option<&usize>| b.map_or(3.0, |&b| (time(b).abs_diff(at) as f32 / fs).min(3.0));
        let (previous, next) = (gap(before.last()), gap(after.first()));
        let mut intervals = [0.0; 2 * AROUND];
        let mut n = 0;
        for pair in before.windows(2).chain(after.windows(2)) {
            intervals[n] = (time(pair[1]) - time(pair[0])) as f32 / fs;
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
        for &beat in before.iter().chain(after) {
            let likeness = shapes.likeness(own, beat);
            best = best.max(likeness);
            mean += likeness * part;
            value += log_value[beat] * part;
            square += log_value[beat] * log_value[beat] * part;
            sure += sureness(self.logit[index[beat]]) * part;
        }
        f[10] = best;
        f[11] = mean;
        f[12] = if n == 0 { 0.0 } else { (log_value[own] - value).clamp(-4.0, 4.0) };
        f[13] = (square - value * value).max(0.0).sqrt();
        f[14] = sure;
        f[15] = n as f32 / (2 * AROUND) as f32;
    }

    /// The shapes of the maxima that `index` names.
    fn shapes(&self, e: &Envelope, index: &[usize]) -> Shapes {
        let last = e.value.len() as i64 - 1;
        let width = (SHAPE * e.leads.len()).next_multiple_of(REGISTER).max(REGISTER);
        let mut values = vec![0.0; index.len() * width];
        for (&i, row) in index.iter().zip(values.chunks_exact_mut(width)) {
            let at = self.at[i];
            for ((lead, weight), part) in e.weighted(at).zip(row.chunks_mut(SHAPE)) {
                for (p, offset) in part.iter_mut().zip(self.shape) {
                    *p = weight * lead.even[(at as i64 + offset).clamp(0, last) as usize];
                }
            }
            let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            for v in row {
                *v /= norm;
            }
        }
        Shapes { width, values }
    }
}

/// Local features of the maxima that have none yet.
struct Local<'a> {
    candidates: &'a Candidates,
    envelope: &'a Envelope,
    rows: &'a mut Vec<[f32; LOCAL]>,
}

impl simd::Kernel for Local<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        for i in self.rows.len()..self.candidates.at.len() {
            self.rows.push(self.candidates.local_of(self.envelope, i));
        }
    }
}

/// The loop of [`Candidates::context`].
struct Context<'a> {
    candidates: &'a Candidates,
    wanted: Wanted<'a>,
    places: Range<usize>,
}

impl simd::Kernel for Context<'_> {
    type Output = Vec<[f32; CONTEXT]>;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> Self::Output {
        let Self { candidates, wanted, places } = self;
        let mut features = Vec::with_capacity(places.len());
        for place in places {
            let i = wanted.index[place];
            let mut f = [0.0; CONTEXT];
            let (own, rest) = f.split_at_mut(LOCAL);
            own.copy_from_slice(&candidates.local[i]);
            rest[0] = sureness(candidates.logit[i]);
            candidates.rivals(i, rest);
            candidates.rhythm(place, &wanted, rest);
            features.push(f);
        }
        features
    }
}

/// Log-odds in the range of the other features.
fn sureness(logit: f32) -> f32 {
    (logit / 4.0).clamp(-3.0, 3.0)
}

/// Natural logarithm to 1e-4, from the exponent and a polynomial of the fraction; of nothing, that of the least number.
#[inline(always)]
fn ln(x: f32) -> f32 {
    let bits = x.max(f32::MIN_POSITIVE).to_bits();
    let exponent = (bits >> 23) as f32 - 127.0;
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000);
    let fraction = -1.741_793_9 + (2.821_202_6 + (-1.469_956_8 + (0.447_179_55 - 0.056_570_85 * m) * m) * m) * m;
    exponent * std::f32::consts::LN_2 + fraction
}

/// Put a value into a short descending list.
#[inline(always)]
fn raise(highest: &mut [f32; 3], mut value: f32) {
    for h in highest {
        (*h, value) = if value > *h { (value, *h) } else { (*h, value) };
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
