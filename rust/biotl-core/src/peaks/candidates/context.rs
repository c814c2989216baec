//! What the second network is told of a maximum: the rhythm and the shape of the beats around.

use std::ops::Range;

use super::{CONTEXT, Candidates, LOCAL, REFRACTORY_S, SHAPE, ln, sureness};
use crate::peaks::envelope::Envelope;
use crate::simd;

/// Beats to either side that make the rhythm and the shape to compare with.
const AROUND: usize = 4;
/// Values side by side in a register.
const REGISTER: usize = 8;

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

    /// How likely the best other maximum is within 0.3 s before and after.
    fn rivals(&self, i: usize, f: &mut [f32]) {
        let (at, reach) = (self.at[i], (0.3 * self.fs) as usize);
        let best = |best: f32, j: usize| best.max(sureness(self.logit[j]));
        f[1] = (0..i).rev().take_while(|&j| at - self.at[j] < reach).fold(-3.0, best);
        f[2] = (i + 1..self.at.len()).take_while(|&j| self.at[j] - at < reach).fold(-3.0, best);
    }

    /// Times and shapes against the beats around, the maximum itself and its refractory period left out.
    ///
    /// `passed` counts the beats that lie before the maximum and those not after it, and goes on from one maximum to the
    /// next.
    #[inline(always)]
    fn rhythm(&self, own: usize, wanted: &Wanted, passed: &mut [usize; 2], f: &mut [f32]) {
        let Wanted { index, log_value, shapes, beats } = wanted;
        let (at, fs) = (self.at[index[own]], self.fs as f32);
        let reach = (REFRACTORY_S * self.fs) as usize;
        // a beat further away says nothing of the rhythm here; no window of the detector reaches further either
        let far = (8.0 * self.fs) as usize;
        let time = |beat: usize| self.at[index[beat]];
        while beats.get(passed[0]).is_some_and(|&b| time(b) + reach <= at) {
            passed[0] += 1;
        }
        while beats.get(passed[1]).is_some_and(|&b| time(b) < at + reach) {
            passed[1] += 1;
        }
        let [before_end, after_start] = *passed;
        let mut first = before_end.saturating_sub(AROUND);
        let mut last = (after_start + AROUND).min(beats.len());
        while first < before_end && at - time(beats[first]) >= far {
            first += 1;
        }
        while last > after_start && time(beats[last - 1]) - at >= far {
            last -= 1;
        }
        let (before, after) = (&beats[first..before_end], &beats[after_start..last]);
        // no beat for 3 s and no beat at all are the same
        let gap = |b: Option<&usize>| b.map_or(3.0, |&b| (time(b).abs_diff(at) as f32 / fs).min(3.0));
        let (previous, next) = (gap(before.last()), gap(after.first()));
        // sorted in samples, since whole numbers compare sooner
        let mut intervals = [u32::MAX; 2 * AROUND];
        let mut n = 0;
        for pair in before.windows(2).chain(after.windows(2)) {
            intervals[n] = (time(pair[1]) - time(pair[0])) as u32;
            n += 1;
        }
        sort(&mut intervals);
        let intervals = &intervals[..n];
        let seconds = |interval: &u32| *interval as f32 / fs;
        // 75 beats a minute where there is no rhythm yet
        let usual = intervals.get(n / 2).map_or(0.8, |v| seconds(v).min(3.0));
        let spread = intervals.iter().map(|v| (seconds(v) - usual).abs()).sum::<f32>() / n.max(1) as f32;
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
        // relative amplitudes as logarithms: a beat half as high and one twice as high are as odd
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
                let first = at as i64 + self.shape[0];
                if first >= 0 && at as i64 + self.shape[SHAPE - 1] <= last {
                    let around = &lead.even[first as usize..];
                    for (p, offset) in part.iter_mut().zip(self.shape) {
                        *p = weight * around[(offset - self.shape[0]) as usize];
                    }
                } else {
                    for (p, offset) in part.iter_mut().zip(self.shape) {
                        *p = weight * lead.even[(at as i64 + offset).clamp(0, last) as usize];
                    }
                }
            }
            // unit norm, so that a product of two is their correlation; the even part has no mean to take off
            let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            for v in row {
                *v /= norm;
            }
        }
        Shapes { width, values }
    }
}

/// Sorts eight numbers by a network of comparisons (Batcher 1968): none is a branch to be guessed.
#[inline(always)]
fn sort(values: &mut [u32; 2 * AROUND]) {
    const PAIRS: [usize; 38] = [
        0, 1, 2, 3, 4, 5, 6, 7, 0, 2, 1, 3, 4, 6, 5, 7, 1, 2, 5, 6, 0, 4, 1, 5, 2, 6, 3, 7, 2, 4, 3, 5, 1, 2, 3, 4, 5,
        6,
    ];
    for &[a, b] in PAIRS.as_chunks::<2>().0 {
        (values[a], values[b]) = (values[a].min(values[b]), values[a].max(values[b]));
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
        let mut passed = [0; 2];
        for place in places {
            let i = wanted.index[place];
            let mut f = [0.0; CONTEXT];
            let (own, rest) = f.split_at_mut(LOCAL);
            own.copy_from_slice(&candidates.local[i]);
            rest[0] = sureness(candidates.logit[i]);
            candidates.rivals(i, rest);
            candidates.rhythm(place, &wanted, &mut passed, rest);
            features.push(f);
        }
        features
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_network_of_comparisons_sorts(values in any::<[u32; 8]>()) {
            let (mut sorted, mut wanted) = (values, values);
            super::sort(&mut sorted);
            wanted.sort_unstable();
            prop_assert_eq!(sorted, wanted);
        }
    }
}
