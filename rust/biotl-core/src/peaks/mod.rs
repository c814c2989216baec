//! R peaks: maxima of a wavelet envelope, judged by two small networks.
//!
//! The first network sees what a maximum is by itself and among its neighbours; the second also sees the rhythm and
//! the shape of the beats that the first found, and so does what thresholds, search-back and T-wave rules do elsewhere.

pub(crate) mod average;
mod candidates;
mod envelope;
pub(crate) mod level;
mod perceptron;
mod summit;

use crate::weights::Weights;
use crate::{Error, Float, Result};
use candidates::{CONTEXT, CONTEXT_HIDDEN, Candidates, LOCAL, LOCAL_HIDDEN, REVISION};
use envelope::Envelope;
use perceptron::Perceptron;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use summit::Summit;

/// Maxima that the first network finds less likely than this (log-odds) are not shown to the second: one in a
/// thousand, by the opinion of the first.
const HOPELESS: f32 = -7.0;
/// Log-odds from which a maximum is a beat: where misses and false beats of MIT-BIH DS1 balance.
const ACCEPT: f32 = -1.0;
/// Blocks of the envelope that are decided on at a time, so that they stay in a second-level cache of 1 MB (with half as many
/// it takes 3 % longer, for what lies before and after is moved as often), and those before and after that their decisions
/// look at: the rhythm 8 s to either side, to beats whose levels look 4 s ahead.
const STRETCH: usize = 128;
const BEFORE: usize = 8;
const AFTER: usize = 14;

/// Within how many seconds of a peak its complex lies, and its surroundings: the latter with its T wave and, below 150 a
/// minute, without the next beat.
const AROUND_S: (f64, f64) = (0.1, 0.4);
/// A complex no higher than this many steps of the converter has to stand out of its surroundings: what flickers by one
/// step either way spans two.
const STEPS: f64 = 3.0;
/// Steps that are looked at before the height of the complex is measured.
const QUICK: usize = 16;

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
    /// Context features.
    pub context: Vec<[f32; CONTEXT]>,
}

/// The first network judges a maximum by itself and its neighbours, the second also by the rhythm and the beats around.
struct Networks {
    local: Perceptron<LOCAL, LOCAL_HIDDEN>,
    context: Perceptron<CONTEXT, CONTEXT_HIDDEN>,
}

fn networks() -> Result<&'static Networks> {
    static NETWORKS: OnceLock<Result<Networks>> = OnceLock::new();
    let read = || {
        let (bytes, sha256) = (include_bytes!("peaks.safetensors"), include_str!("peaks.sha256"));
        let mut weights = Weights::open("peaks.safetensors", bytes, sha256, REVISION)?;
        let local = Perceptron::read(&mut weights, "local")?;
        let context = Perceptron::read(&mut weights, "context")?;
        weights.end().map(|()| Networks { local, context })
    };
    NETWORKS.get_or_init(read).as_ref().map_err(Clone::clone)
}

/// R peaks of one heart in one or more leads; `stop` ends the work early.
///
/// # Errors
/// A rate below 50 Hz, leads that differ in length, or a sample that is not finite.
pub fn rpeaks<T: Float>(leads: &[&[T]], fs: f64, stop: &AtomicBool) -> Result<Peaks> {
    let n = leads.first().map_or(0, |lead| lead.len());
    if let Some(other) = leads.iter().find(|lead| lead.len() != n) {
        return Err(Error::parameter("x", format!("leads of {n} and {} samples", other.len()), "one length"));
    }
    let networks = networks()?;
    let mut envelope = Envelope::new(leads.len(), fs)?;
    let mut candidates = Candidates::new(envelope.fs);
    let summit = Summit::new(envelope.fs);
    let mut peaks = Peaks { at: Vec::new(), score: Vec::new() };
    let mut real = Vec::new();
    let block = envelope.block * envelope.step;
    for own in (0..n).step_by(STRETCH * block) {
        if stop.load(Relaxed) {
            break;
        }
        envelope.fill(leads, own.saturating_sub(BEFORE * block)..(own + (STRETCH + AFTER) * block).min(n))?;
        candidates.follow(&envelope, &networks.local);
        let first = own / envelope.step - envelope.start;
        let own = first..first + STRETCH * envelope.block;
        find(&envelope, &candidates, &networks.context, &summit, own, &mut peaks);
        // here the samples are still in the cache, at the end of a day's record they would not be
        let found = &peaks.at[real.len()..];
        real.extend(found.iter().map(|&at| leads.iter().any(|lead| !last_bit(lead, at as usize, fs))));
    }
    // what fills no step at the end has no average, and so was not looked at
    for lead in leads {
        if let Some(index) = (n - n % envelope.step..n).find(|&i| !lead[i].finite()) {
            return Err(Error::NotFinite { index, value: lead[index].to_f64() });
        }
    }
    let all = peaks.at.into_iter().zip(peaks.score).zip(real);
    let (at, score) = all.filter_map(|(peak, real)| real.then_some(peak)).unzip();
    Ok(Peaks { at, score })
}

/// Whether a peak is but the last bits of a converter flickering: a few steps high, and what is around it not
/// much less.
fn last_bit<T: Float>(lead: &[T], at: usize, fs: f64) -> bool {
    let reach = |seconds: f64| (at.saturating_sub((seconds * fs) as usize), (at + 1 + (seconds * fs) as usize));
    let ((from, to), (first, end)) = (reach(AROUND_S.0), reach(AROUND_S.1));
    let (to, end) = (to.min(lead.len()), end.min(lead.len()));
    let mut steps = lead[from..to].windows(2).map(|pair| (pair[1].to_f64() - pair[0].to_f64()).abs());
    // one small step tells, and most leads have one at once: two samples may show that the complex is high enough for it
    let least = (lead[at.min(to - 1)].to_f64() - lead[from].to_f64()).abs();
    if steps.clone().take(QUICK).any(|step| step > 0.0 && least > STEPS * step) {
        return false;
    }
    let own = height(&lead[from..to]);
    !steps.any(|step| step > 0.0 && own > STEPS * step)
        && 2.0 * height(&lead[first..from]).max(height(&lead[to..end])) >= own
}

/// From the lowest to the highest of some samples; of none, less than any.
fn height<T: Float>(part: &[T]) -> f64 {
    let Some(&first) = part.first() else { return f64::NEG_INFINITY };
    let (sixteens, rest) = part.as_chunks::<16>();
    let (mut low, mut high) = ([first; 16], [first; 16]);
    for own in sixteens {
        for k in 0..16 {
            low[k] = if own[k] < low[k] { own[k] } else { low[k] };
            high[k] = if own[k] > high[k] { own[k] } else { high[k] };
        }
    }
    let lowest = low.iter().chain(rest).fold(first, |a, &b| if b < a { b } else { a });
    let highest = high.iter().chain(rest).fold(first, |a, &b| if b > a { b } else { a });
    highest.to_f64() - lowest.to_f64()
}

/// The beats of a window, those within `own` only.
fn find(
    envelope: &Envelope,
    candidates: &Candidates,
    net: &Perceptron<CONTEXT, CONTEXT_HIDDEN>,
    summit: &Summit,
    own: Range<usize>,
    peaks: &mut Peaks,
) {
    let mut logit = candidates.logit.clone();
    let hopeful: Vec<usize> = (0..logit.len()).filter(|&i| logit[i] > HOPELESS).collect();
    // a block more than its own, whose beats may take the place of some that lie there
    let place = |at: usize| hopeful.partition_point(|&i| candidates.at[i] < at);
    let places = place(own.start.saturating_sub(envelope.block))..place(own.end + envelope.block);
    let context = candidates.context(envelope, &hopeful, places.clone());
    let judged = &hopeful[places];
    for (&i, better) in judged.iter().zip(net.logits(&context)) {
        logit[i] = better;
    }
    let likely: Vec<usize> = judged.iter().copied().filter(|&i| logit[i] > ACCEPT).collect();
    for i in candidates.thin(&likely, &logit) {
        if !own.contains(&candidates.at[i]) {
            continue;
        }
        let at = (envelope.start * envelope.step) as i64 + summit.refine(envelope, candidates.at[i]);
        if peaks.at.last().is_none_or(|&last| last < at) {
            peaks.at.push(at);
            peaks.score.push(1.0 / (1.0 + (-logit[i]).exp()));
        }
    }
}

/// The features of every maximum of one lead, those of the context by a local network of the given weights.
///
/// # Errors
/// As [`rpeaks`], or another number of weights.
pub fn features<T: Float>(x: &[T], fs: f64, local_net: &[f32]) -> Result<Features> {
    let net = Perceptron::<LOCAL, LOCAL_HIDDEN>::from_flat(local_net)?;
    // the whole record as one window: training looks at every maximum once
    let mut envelope = Envelope::new(1, fs)?;
    envelope.fill(&[x], 0..x.len())?;
    let mut candidates = Candidates::new(envelope.fs);
    candidates.follow(&envelope, &net);
    let all: Vec<usize> = (0..candidates.at.len()).collect();
    let context = candidates.context(&envelope, &all, 0..all.len());
    let at = candidates.at.iter().map(|&i| (i * envelope.step + envelope.step / 2) as i64).collect();
    Ok(Features { at, local: candidates.local, context })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static GO: AtomicBool = AtomicBool::new(false);

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
                let found = rpeaks(&[&beats(fs, 20.0, polarity)], fs, &GO).unwrap().at;
                assert_eq!(found.len(), 25, "{fs} Hz");
                for (n, &peak) in found.iter().enumerate() {
                    let wanted = (0.5 + 0.8 * n as f64) * fs;
                    assert!((peak as f64 - wanted).abs() <= 1.0, "{fs} Hz: {peak} for {wanted}");
                }
            }
        }
    }

    #[test]
    fn a_beat_is_found_once_wherever_the_window_stands() {
        let (x, other) = (beats(100.0, 600.0, 1.0), beats(100.0, 600.0, -0.5));
        let wanted: Vec<i64> = (0..750).map(|n| 50 + 80 * n).collect();
        for leads in [&[&x[..]][..], &[&x[..], &other[..]]] {
            assert_eq!(rpeaks(leads, 100.0, &GO).unwrap().at, wanted);
        }
    }

    #[test]
    fn nothing_in_nothing_out() {
        assert!(rpeaks::<f32>(&[&[]], 360.0, &GO).unwrap().at.is_empty());
        assert!(rpeaks(&[&[1.0_f32]], 360.0, &GO).unwrap().at.is_empty());
        assert!(rpeaks(&[&vec![0.5_f64; 3600]], 360.0, &GO).unwrap().at.is_empty());
    }

    #[test]
    fn the_last_bit_of_a_converter_has_no_beats_and_a_coarse_converter_has_all() {
        let last_bit: Vec<f64> = (0..20_000_u64)
            .map(|i| f64::from(i.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23) % 11 == 0))
            .collect();
        assert!(rpeaks(&[&last_bit], 100.0, &GO).unwrap().at.is_empty());
        let coarse: Vec<f64> = beats(360.0, 20.0, 4.0).iter().map(|v| v.round()).collect();
        assert_eq!(rpeaks(&[&coarse], 360.0, &GO).unwrap().at.len(), 25);
    }

    #[test]
    fn a_sample_that_is_not_finite_is_named() {
        let mut x = beats(360.0, 10.0, 1.0);
        x[1000] = f64::NAN;
        assert!(rpeaks(&[&x], 360.0, &GO).err().unwrap().to_string().starts_with("x: sample 1000 is NaN"));
        // the last of an odd number has no partner to be averaged with
        let mut odd = beats(360.0, 10.0, 1.0);
        odd.push(f64::NAN);
        assert!(rpeaks(&[&odd], 360.0, &GO).err().unwrap().to_string().starts_with("x: sample 3600 is NaN"));
    }

    proptest! {
        #[test]
        fn peaks_are_sorted_and_inside(x in proptest::collection::vec(-5.0_f32..5.0, 0..3000), fs in 50.0..1000.0_f64) {
            let found = rpeaks(&[&x], fs, &GO).unwrap().at;
            prop_assert!(found.windows(2).all(|w| w[0] < w[1]));
            prop_assert!(found.iter().all(|&p| p >= 0 && (p as usize) < x.len()));
        }
    }
}
