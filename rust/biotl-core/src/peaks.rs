//! R peaks: a pair of wavelets in quadrature, a local level, a refractory period and a search back.
//!
//! The signal is averaged down to 100-200 Hz; the first and second derivative of a Gaussian of 10 ms (a band around
//! 8-25 Hz, where QRS complexes stand above P, T and drift) give an envelope that does not depend on the polarity of
//! the complex. What decides works on the maxima of that envelope, so that its cost does not depend on the rate.

use crate::{Error, Result};

/// Width of the Gaussian whose derivatives are the wavelets, in seconds.
const SIGMA_S: f64 = 0.010;
/// Two beats of one heart are further apart than this.
const REFRACTORY_S: f64 = 0.2;
/// Length of the blocks whose maxima make the local level.
const BLOCK_S: f64 = 1.2;
/// Blocks to either side that the local level looks at.
const REACH: usize = 4;
/// Share of the local level that a beat must reach.
const ACCEPT: f64 = 0.4;
/// Share of the local level that a beat found by searching back must reach.
const ACCEPT_BACK: f64 = 0.2;

/// The envelope of the wavelet pair at `fs / step`.
struct Envelope {
    value: Vec<f64>,
    step: usize,
    fs: f64,
}

/// Sample indices of the R peaks of one lead.
///
/// # Errors
/// A rate below 50 Hz, or a sample that is not finite.
pub fn rpeaks<T: Copy + Into<f64>>(x: &[T], fs: f64) -> Result<Vec<i64>> {
    if !(50.0..=100_000.0).contains(&fs) {
        return Err(Error::parameter("fs", fs, "50 to 100000 Hz"));
    }
    let envelope = Envelope::new(x, fs)?;
    let candidates = envelope.maxima();
    let level = envelope.level();
    let found = decide(&envelope, &candidates, &level);
    let mut peaks: Vec<i64> = found.iter().map(|&i| refine(x, &envelope, i)).collect();
    peaks.dedup();
    Ok(peaks)
}

impl Envelope {
    fn new<T: Copy + Into<f64>>(x: &[T], fs: f64) -> Result<Self> {
        let step = ((fs / 100.0) as usize).max(1);
        let scale = 1.0 / step as f64;
        let mut low = Vec::with_capacity(x.len() / step);
        for (block, samples) in x.chunks_exact(step).enumerate() {
            let mean = samples.iter().map(|&v| v.into()).sum::<f64>() * scale;
            if !mean.is_finite() {
                let at = samples.iter().position(|&v| !v.into().is_finite()).unwrap_or(0);
                return Err(Error::NotFinite { index: block * step + at, value: samples[at].into() });
            }
            low.push(mean);
        }
        let fs = fs * scale;
        let (odd, even) = wavelets(fs);
        let reach = odd.len() / 2;
        let (first, last) = (low.first().copied().unwrap_or(0.0), low.last().copied().unwrap_or(0.0));
        let mut padded = vec![first; reach];
        padded.extend_from_slice(&low);
        padded.resize(low.len() + 2 * reach, last);
        let value = padded
            .windows(odd.len())
            .map(|w| {
                let (mut o, mut e) = (0.0, 0.0);
                for ((&v, &ko), &ke) in w.iter().zip(&odd).zip(&even) {
                    o += v * ko;
                    e += v * ke;
                }
                o.hypot(e)
            })
            .collect();
        Ok(Self { value, step, fs })
    }

    /// Local maxima that nothing within the refractory period exceeds.
    fn maxima(&self) -> Vec<usize> {
        let reach = (REFRACTORY_S * self.fs) as usize;
        let v = &self.value;
        let mut kept: Vec<usize> = Vec::new();
        for i in 1..v.len().saturating_sub(1) {
            if v[i] < v[i - 1] || v[i] <= v[i + 1] {
                continue;
            }
            while kept.last().is_some_and(|&last| i - last <= reach && v[last] < v[i]) {
                kept.pop();
            }
            if kept.last().is_none_or(|&last| i - last > reach) {
                kept.push(i);
            }
        }
        kept
    }

    /// For each block, the median of the block maxima around it.
    fn level(&self) -> Vec<f64> {
        let size = (BLOCK_S * self.fs) as usize;
        let maxima: Vec<f64> = self.value.chunks(size).map(|b| b.iter().copied().fold(0.0, f64::max)).collect();
        (0..maxima.len())
            .map(|i| {
                let mut around = maxima[i.saturating_sub(REACH)..(i + REACH + 1).min(maxima.len())].to_vec();
                median(&mut around)
            })
            .collect()
    }
}

/// First and second derivative of a Gaussian, each of unit energy and zero mean.
fn wavelets(fs: f64) -> (Vec<f64>, Vec<f64>) {
    let reach = (4.0 * SIGMA_S * fs).ceil() as i64;
    let time = |i: i64| i as f64 / fs / SIGMA_S;
    let mut odd: Vec<f64> = (-reach..=reach).map(|i| -time(i) * (-time(i).powi(2) / 2.0).exp()).collect();
    let mut even: Vec<f64> =
        (-reach..=reach).map(|i| (1.0 - time(i).powi(2)) * (-time(i).powi(2) / 2.0).exp()).collect();
    for kernel in [&mut odd, &mut even] {
        let mean = kernel.iter().sum::<f64>() / kernel.len() as f64;
        let norm = kernel.iter().map(|v| (v - mean).powi(2)).sum::<f64>().sqrt();
        for v in kernel.iter_mut() {
            *v = (*v - mean) / norm;
        }
    }
    (odd, even)
}

/// Maxima above their share of the local level, and the best of each gap that is too long for the rhythm.
fn decide(envelope: &Envelope, candidates: &[usize], level: &[f64]) -> Vec<usize> {
    let size = (BLOCK_S * envelope.fs) as usize;
    let share = |i: usize| envelope.value[i] / level[i / size].max(f64::MIN_POSITIVE);
    let strong: Vec<usize> = candidates.iter().copied().filter(|&i| share(i) > ACCEPT).collect();
    let mut intervals: Vec<f64> = strong.windows(2).map(|w| (w[1] - w[0]) as f64).collect();
    let usual = median(&mut intervals);
    let (after, before) = ((0.36 * envelope.fs) as usize, (0.3 * envelope.fs) as usize);
    let mut found = Vec::with_capacity(strong.len());
    for (n, &beat) in strong.iter().enumerate() {
        found.push(beat);
        let Some(&next) = strong.get(n + 1) else { break };
        if (next - beat) as f64 > 1.5 * usual {
            let missed = candidates.iter().copied().filter(|&i| i > beat + after && i + before < next);
            found.extend(missed.filter(|&i| share(i) > ACCEPT_BACK).max_by(|&a, &b| share(a).total_cmp(&share(b))));
        }
    }
    found
}

/// The sample that lies furthest from the local baseline within 60 ms of an envelope maximum.
fn refine<T: Copy + Into<f64>>(x: &[T], envelope: &Envelope, at: usize) -> i64 {
    let fs = envelope.fs * envelope.step as f64;
    let centre = at * envelope.step + envelope.step / 2;
    let reach = (0.06 * fs) as usize;
    let span = |n: usize| centre.saturating_sub(n)..(centre + n + 1).min(x.len());
    let mut around: Vec<f64> = x[span(2 * reach)].iter().map(|&v| v.into()).collect();
    let baseline = median(&mut around);
    let peak = span(reach).max_by(|&a, &b| (x[a].into() - baseline).abs().total_cmp(&(x[b].into() - baseline).abs()));
    peak.unwrap_or(centre) as i64
}

fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
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
                let found = rpeaks(&beats(fs, 20.0, polarity), fs).unwrap();
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
        assert!(rpeaks::<f32>(&[], 360.0).unwrap().is_empty());
        assert!(rpeaks(&[1.0_f32], 360.0).unwrap().is_empty());
        assert!(rpeaks(&vec![0.5_f64; 3600], 360.0).unwrap().is_empty());
    }

    #[test]
    fn a_sample_that_is_not_finite_is_named() {
        let mut x = beats(360.0, 10.0, 1.0);
        x[1000] = f64::NAN;
        assert!(rpeaks(&x, 360.0).unwrap_err().to_string().starts_with("x: sample 1000 is NaN"));
    }

    proptest! {
        #[test]
        fn peaks_are_sorted_and_inside(x in proptest::collection::vec(-5.0_f32..5.0, 0..3000), fs in 50.0..1000.0_f64) {
            let found = rpeaks(&x, fs).unwrap();
            prop_assert!(found.windows(2).all(|w| w[0] < w[1]));
            prop_assert!(found.iter().all(|&p| p >= 0 && (p as usize) < x.len()));
        }
    }
}
