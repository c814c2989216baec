//! What is known of each maximum of the envelope: the features that the R-peak networks judge.
//!
//! Every feature is a ratio, a time or a correlation, so that neither unit nor rate nor polarity matters; every one
//! looks at a bounded stretch of signal, so that a stream sees the same as a whole record.

mod context;

use super::envelope::{Envelope, Haar};
use super::perceptron::Perceptron;
use crate::simd;

/// Raised whenever a feature changes its meaning: weights that learnt the old one are then refused.
pub const REVISION: &str = "1";
/// Features that a maximum has by itself and among its neighbours.
pub const LOCAL: usize = 24;
/// Hidden units of the network that judges them.
pub const LOCAL_HIDDEN: usize = 16;
/// Features that a maximum has in the rhythm and by the shape of the beats around, and its local ones.
pub const CONTEXT: usize = LOCAL + 16;
/// Hidden units of the network that judges those.
pub const CONTEXT_HIDDEN: usize = 32;
// What stands below makes the features, and the weights have learnt on them: to change any is to raise the revision and to
// run benches/train_rpeaks.py.
/// Two beats of one heart are further apart than this, in seconds: the ventricles do not answer sooner (Pan and Tompkins
/// 1985 take it so too).
const REFRACTORY_S: f64 = 0.2;
/// Maxima closer than this to a larger one are the same wave, in seconds: a narrow complex lasts about as long.
const SAME_WAVE_S: f64 = 0.1;
/// Share of the local level below which a maximum is not looked at: the noise between beats has many, and each costs as
/// much as a beat.
const SHARE: f32 = 0.1;
/// Stretches, in seconds from a maximum, whose mean is compared with it: the complex, what lies beside it, where a T wave
/// would be, and the usual noise.
const SPANS_S: [(f64, f64); 6] = [(-0.06, 0.06), (-0.25, -0.1), (0.1, 0.25), (-0.5, -0.25), (0.25, 0.5), (-2.0, 2.0)];
/// Widths of the broader wavelets that are compared with it, in seconds: from a QRS complex to a T wave.
const WIDTHS_S: [f64; 4] = [0.02, 0.04, 0.08, 0.16];
/// Points of a shape, 10 ms apart.
const SHAPE: usize = 19;
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
        // what looked ahead to where the window ended is looked at again, all before it stands
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
        // the levels are in the denominator: own over usual, where the others are theirs over own
        (f[0], f[1]) = (-f[0], -f[1]);
        f[12] = e.weighted(at).map(|(lead, weight)| (weight * lead.even[at]).powi(2)).sum::<f32>().sqrt() / own;
        for (f, neighbour) in f[13..21].chunks_mut(2).zip(neighbours) {
            // no neighbour is one far away and faint
            f[0] = neighbour.map_or(2.0, |b| (b.abs_diff(at) as f64 / e.fs).min(2.0) as f32);
            if neighbour.is_none() {
                f[1] = -4.0;
            }
        }
        f
    }

    /// Keep the likeliest of those that lie within the refractory period of one another.
    pub fn thin(&self, likely: &[usize], logit: &[f32]) -> Vec<usize> {
        let reach = (REFRACTORY_S * self.fs) as usize;
        let mut kept: Vec<usize> = Vec::with_capacity(likely.len());
        // a likelier one drops those before it that it makes impossible, so that one pass from left to right is enough
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
    // fitted to the fraction, from one to two; the networks learnt on this logarithm, so that its error is theirs too
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
