//! R peaks: maxima of a wavelet envelope, judged by two small networks.
//!
//! The first network sees what a maximum is by itself and among its neighbours; the second also sees the rhythm and
//! the shape of the beats that the first found, and so does what thresholds, search-back and T-wave rules do elsewhere.

use crate::candidates::{CONTEXT, Candidates, LOCAL};
use crate::envelope::Envelope;
use crate::peaks_weights::{CONTEXT_NET, LOCAL_NET};
use crate::{Float, Result};

/// Maxima that the first network finds less likely than this (log-odds) are not shown to the second.
const HOPELESS: f32 = -7.0;
/// Log-odds from which a maximum is a beat: where misses and false beats of MIT-BIH DS1 balance.
const ACCEPT: f32 = -1.0;
/// Width of the Gaussian whose second derivative places the peak, in seconds.
const SUMMIT_S: f64 = 0.02;
/// How far from the maximum of the envelope the peak may lie, in seconds.
const SUMMIT_REACH_S: f64 = 0.075;
/// An R wave counts this much more than a Q or S wave.
const UPWARD: f32 = 1.07;

/// R peaks with the probability of each.
pub struct Peaks {
    /// Sample indices, ascending.
    pub at: Vec<i64>,
    /// Probability that the peak is a beat.
    pub score: Vec<f32>,
}

/// What the networks see, for the script that trains them: where each maximum lies, and its features.
pub struct Features {
    /// Sample indices of the maxima.
    pub at: Vec<i64>,
    /// Local features.
    pub local: Vec<[f32; LOCAL]>,
    /// Context features, by the present local network.
    pub context: Vec<[f32; CONTEXT]>,
}

/// R peaks of one heart in one or more leads.
///
/// # Errors
/// A rate below 50 Hz, leads that differ in length, or a sample that is not finite.
pub fn rpeaks<T: Float>(leads: &[&[T]], fs: f64) -> Result<Peaks> {
    let envelope = Envelope::new(leads, fs)?;
    let candidates = Candidates::new(&envelope);
    let local = candidates.local();
    let mut logit: Vec<f32> = local.iter().map(|f| LOCAL_NET.logit(f)).collect();
    let hopeful: Vec<usize> = (0..logit.len()).filter(|&i| logit[i] > HOPELESS).collect();
    let context = candidates.context(&local, &logit, &hopeful);
    for (&i, f) in hopeful.iter().zip(&context) {
        logit[i] = CONTEXT_NET.logit(f);
    }
    let likely: Vec<usize> = hopeful.into_iter().filter(|&i| logit[i] > ACCEPT).collect();
    let summit = Summit::new(envelope.fs);
    let mut peaks = Peaks { at: Vec::new(), score: Vec::new() };
    for i in candidates.thin(&likely, &logit) {
        let at = summit.refine(&envelope, candidates.at[i]);
        if peaks.at.last().is_none_or(|&last| last < at) {
            peaks.at.push(at);
            peaks.score.push(1.0 / (1.0 + (-logit[i]).exp()));
        }
    }
    Ok(peaks)
}

/// The features of every maximum of one lead.
///
/// # Errors
/// As [`rpeaks`].
pub fn features<T: Float>(x: &[T], fs: f64) -> Result<Features> {
    let envelope = Envelope::new(&[x], fs)?;
    let candidates = Candidates::new(&envelope);
    let local = candidates.local();
    let logit: Vec<f32> = local.iter().map(|f| LOCAL_NET.logit(f)).collect();
    let all: Vec<usize> = (0..logit.len()).collect();
    let context = candidates.context(&local, &logit, &all);
    let at = candidates.at.iter().map(|&i| (i * envelope.step + envelope.step / 2) as i64).collect();
    Ok(Features { at, local, context })
}

/// Where a QRS complex points furthest: the extremum of a wavelet as wide as the complex.
///
/// The signal's own extremum jumps between the R and the S of beats where both are alike; this does so less.
struct Summit {
    /// One side of the second derivative of a Gaussian, its middle first.
    kernel: Vec<f32>,
    /// Samples to either side that are looked at.
    reach: usize,
}

impl Summit {
    fn new(fs: f64) -> Self {
        let time = |i: usize| i as f64 / fs / SUMMIT_S;
        let side = (4.0 * SUMMIT_S * fs).ceil() as usize;
        let mut kernel: Vec<f32> =
            (0..=side).map(|i| ((1.0 - time(i).powi(2)) * (-time(i).powi(2) / 2.0).exp()) as f32).collect();
        let mean = (kernel[0] + 2.0 * kernel[1..].iter().sum::<f32>()) / (2 * side + 1) as f32;
        for k in &mut kernel {
            *k -= mean;
        }
        Self { kernel, reach: (SUMMIT_REACH_S * fs).round() as usize }
    }

    /// Sample of the input where the complex at a maximum of the envelope points furthest.
    fn refine(&self, envelope: &Envelope, at: usize) -> i64 {
        let side = self.kernel.len() - 1;
        let mut height = vec![0.0_f32; 2 * self.reach + 1];
        let mut own = height.clone();
        let mut low = vec![0.0_f32; height.len() + 2 * side];
        let mut most = 0.0;
        for (lead, weight) in envelope.weighted(at) {
            let last = lead.low.len() as i64 - 1;
            let from = at as i64 - (self.reach + side) as i64;
            for (n, v) in low.iter_mut().enumerate() {
                *v = lead.low[(from + n as i64).clamp(0, last) as usize];
            }
            for (h, &v) in own.iter_mut().zip(&low[side..]) {
                *h = self.kernel[0] * v;
            }
            for (k, &c) in self.kernel.iter().enumerate().skip(1) {
                for ((h, &a), &b) in own.iter_mut().zip(&low[side + k..]).zip(&low[side - k..]) {
                    *h += c * (a + b);
                }
            }
            // The lead in which the complex is largest speaks for all.
            let largest = weight * own.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            if largest > most {
                most = largest;
                height.copy_from_slice(&own);
            }
        }
        let rank = |&i: &usize| if height[i] > 0.0 { height[i] * UPWARD } else { -height[i] };
        let best = (1..height.len() - 1).max_by(|a, b| rank(a).total_cmp(&rank(b))).unwrap_or(self.reach);
        let (a, b, c) = (height[best - 1], height[best], height[best + 1]);
        let curve = a - 2.0 * b + c;
        let part = if curve.abs() > 0.0 { (0.5 * (a - c) / curve).clamp(-0.5, 0.5) } else { 0.0 };
        let low = at as f64 + best as f64 - self.reach as f64 + f64::from(part);
        let sample = ((low + 0.5) * envelope.step as f64 - 0.5).round();
        sample.clamp(0.0, (envelope.value.len() * envelope.step - 1) as f64) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::rpeaks;
    use proptest::prelude::*;

    /// A beat every 0.8 s from 0.5 s on: a QRS of 12 ms and a T wave 0.3 s later.
    fn beats(fs: f64, seconds: f64, polarity: f64) -> Vec<f64> {
        let bump = |t: f64, at: f64, width: f64| (-((t - at) / width).powi(2) / 2.0).exp();
        (0..(fs * seconds) as usize)
            .map(|i| {
                let t = (i as f64 / fs - 0.1) % 0.8;
                polarity * (bump(t, 0.4, 0.012) + 0.3 * bump(t, 0.7, 0.04))
            })
            .collect()
    }

    #[test]
    fn every_rate_and_polarity_finds_the_same_beats() {
        for fs in [100.0, 128.0, 250.0, 360.0, 500.0, 1000.0] {
            for polarity in [1.0, -1.0] {
                let found = rpeaks(&[&beats(fs, 20.0, polarity)], fs).unwrap().at;
                assert_eq!(found.len(), 25, "{fs} Hz");
                for (n, &peak) in found.iter().enumerate() {
                    let wanted = (0.5 + 0.8 * n as f64) * fs;
                    assert!((peak as f64 - wanted).abs() <= 1.0, "{fs} Hz: {peak} for {wanted}");
                }
            }
        }
    }

    #[test]
    fn nothing_in_nothing_out() {
        assert!(rpeaks::<f32>(&[&[]], 360.0).unwrap().at.is_empty());
        assert!(rpeaks(&[&[1.0_f32]], 360.0).unwrap().at.is_empty());
        assert!(rpeaks(&[&vec![0.5_f64; 3600]], 360.0).unwrap().at.is_empty());
    }

    #[test]
    fn a_sample_that_is_not_finite_is_named() {
        let mut x = beats(360.0, 10.0, 1.0);
        x[1000] = f64::NAN;
        assert!(rpeaks(&[&x], 360.0).err().unwrap().to_string().starts_with("x: sample 1000 is NaN"));
    }

    proptest! {
        #[test]
        fn peaks_are_sorted_and_inside(x in proptest::collection::vec(-5.0_f32..5.0, 0..3000), fs in 50.0..1000.0_f64) {
            let found = rpeaks(&[&x], fs).unwrap().at;
            prop_assert!(found.windows(2).all(|w| w[0] < w[1]));
            prop_assert!(found.iter().all(|&p| p >= 0 && (p as usize) < x.len()));
        }
    }
}
