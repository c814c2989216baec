//! Pulses of a photoplethysmogram: its steepest rises, joined into the likeliest rhythm.
//!
//! The slope over 0.1 s stands above dicrotic notches and drift. Of its maxima, `tempo::chain` picks those that are
//! steepest and most even, so that a burst of motion has to be both stronger and in step to be taken for pulses; what an
//! accelerometer explains of the slope is taken off before, where there is one.

mod dicrotic;
pub(crate) mod jumps;
pub(crate) mod motion;
mod polarity;
mod tempo;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::peaks::average::{average, running_sum};
use crate::peaks::level::levels;
use crate::{Error, Float, Result, filter};
use tempo::Event;

/// Width of the Gaussian whose derivative measures the slope, in seconds.
const SIGMA_S: f64 = 0.035;
/// Heights are taken above their mean over this long, in seconds: breath and drift are slower.
const LEVEL_S: f64 = 1.5;
/// Length of the blocks whose largest slopes make the local level, in seconds.
const BLOCK_S: f64 = 1.5;
/// Share of the local level that a rise must reach, and beyond which steeper is no better.
const STEEP: (f32, f32) = (0.08, 1.2);
/// The crest of a pulse lies at most this share of a period, and this many seconds, after its steepest rise.
const CREST: (f32, f64) = (0.5, 0.4);
/// Pulses before and after whose scores tell whether there is a pulse wave at all, and the median that there must be.
const GATE: (usize, f32) = (5, 0.08);
/// From how long before a rise to how long after it pulses should be alike, in seconds, and correlations with the pulses
/// around that count nothing.
const ALIKE: (f64, f64, f32) = (0.2, 0.3, 0.4);
/// A rise within this many seconds of a jump that was mended follows it.
const FOLLOWS_S: f64 = 0.08;
/// What is up within this many seconds is up at once; the share of its height by which a pulse may be, and a step is.
const AT_ONCE: (f64, f32, f32) = (1.0 / 30.0, 0.65, 0.85);

/// Pulses with the weight of each.
pub struct Pulses {
    /// Sample of the systolic peak of each pulse, ascending.
    pub at: Vec<i64>,
    /// How far its rise stands above those that were passed over beside it: 0 to 1.
    pub score: Vec<f32>,
    /// Whether pulses point up where the channel ends.
    pub up: bool,
}

/// Which way pulses point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Polarity {
    /// Up in the signal as it is.
    Up,
    /// Down: the sensor counts less light for more blood.
    Down,
    /// As their shape says, with evidence from before that they point up, if positive, or down.
    Shape(f32),
}

/// Samples where the channel jumps, each the first after a jump: a step, a spike, a wrap of the codes.
///
/// # Errors
/// A rate below 20 Hz, or a sample that is not finite.
pub fn ppg_jumps<T: Float>(x: &[T], fs: f64) -> Result<Vec<i64>> {
    check_rate(fs)?;
    filter::check(x.iter().all(|v| v.finite()), x)?;
    Ok(jumps::jumps(x, fs).into_iter().map(|jump| jump.at as i64).collect())
}

fn check_rate(fs: f64) -> Result<()> {
    if (20.0..=100_000.0).contains(&fs) { Ok(()) } else { Err(Error::parameter("fs", fs, "20 to 100000 Hz")) }
}

/// Pulses of one channel, less what the axes of an accelerometer explain, as long as the channel, if any; `stop` ends the
/// work early.
///
/// # Errors
/// A rate below 20 Hz, axes of another length, or a sample that is not finite.
pub fn ppg_peaks<T: Float>(x: &[T], axes: &[&[f32]], fs: f64, polarity: Polarity, stop: &AtomicBool) -> Result<Pulses> {
    let mut pulses = Pulses { at: Vec::new(), score: Vec::new(), up: true };
    check_rate(fs)?;
    if let Some(axis) = axes.iter().find(|axis| axis.len() != x.len()) {
        return Err(Error::parameter("motion", format!("{} samples", axis.len()), format!("{} as of x", x.len())));
    }
    let step = ((fs / 120.0) as usize).max(1);
    let low_fs = fs / step as f64;
    filter::check(x.iter().all(|v| v.finite()), x)?;
    let jumps = jumps::jumps(x, fs);
    let mut low = if jumps.is_empty() { average(x, step)? } else { average(&jumps::mend(x, &jumps), step)? }.0;
    let mut slope = slopes(&low, low_fs);
    if !axes.is_empty() {
        let lows = axes.iter().map(|axis| Ok(slopes(&average(axis, step)?.0, low_fs))).collect::<Result<Vec<_>>>()?;
        slope = motion::without(&slope, &lows, low_fs);
    }
    let mut height = heights(&slope, low_fs);
    let signs = match polarity {
        Polarity::Up => vec![1.0; low.len()],
        Polarity::Down => vec![-1.0; low.len()],
        Polarity::Shape(prior) => polarity::signs(&slope, &height, low_fs, prior),
    };
    for values in [&mut slope, &mut low, &mut height] {
        values.iter_mut().zip(&signs).for_each(|(v, sign)| *v *= sign);
    }
    pulses.up = signs.last().is_none_or(|&sign| sign > 0.0);
    if stop.load(Relaxed) {
        return Ok(pulses);
    }
    let rises = rises(&slope, low_fs);
    if stop.load(Relaxed) {
        return Ok(pulses);
    }
    let chain = tempo::chain(&slope, &rises, low_fs, stop);
    let chain = dicrotic::without(&chain, &rises, &slope, low_fs);
    if stop.load(Relaxed) {
        return Ok(pulses);
    }
    let jumps: Vec<usize> = jumps.iter().filter(|jump| !jump.wrap).map(|jump| jump.at / step).collect();
    let mut score = scores(&slope, &rises, &chain, low_fs);
    for (score, gradual) in score.iter_mut().zip(gradual(&low, &rises, &chain, &jumps, low_fs)) {
        *score *= gradual;
    }
    for (n, event) in chain.iter().enumerate() {
        let place = crest(&slope, rises[event.index].0, event.period, low_fs) * step as f64 + (step - 1) as f64 / 2.0;
        let at = (place.round() as i64).min(x.len() as i64 - 1);
        if median_around(&score, n) >= GATE.1 && pulses.at.last().is_none_or(|&last| last < at) {
            pulses.at.push(at);
            pulses.score.push(score[n]);
        }
    }
    Ok(pulses)
}

/// Derivative of a Gaussian against the signal.
fn slopes(low: &[f32], fs: f64) -> Vec<f32> {
    let reach = (4.0 * SIGMA_S * fs).ceil() as usize;
    let time = |k: usize| k as f64 / fs / SIGMA_S;
    let kernel: Vec<f32> = (1..=reach).map(|k| (time(k) * (-time(k).powi(2) / 2.0).exp()) as f32).collect();
    let last = low.len().saturating_sub(1);
    (0..low.len())
        .map(|i| {
            let pairs = kernel.iter().enumerate();
            pairs.map(|(k, c)| c * (low[(i + k + 1).min(last)] - low[i.saturating_sub(k + 1)])).sum()
        })
        .collect()
}

/// Heights above their mean over `LEVEL_S`, from the slope, so that what was taken off it is not in them.
fn heights(slope: &[f32], fs: f64) -> Vec<f32> {
    let (mut height, mut sum) = (vec![0.0; slope.len()], vec![0.0; slope.len() + 1]);
    let mut total = 0.0;
    for (h, &v) in height.iter_mut().zip(slope) {
        total += f64::from(v);
        *h = total as f32;
    }
    running_sum(&height, 0, &mut sum);
    let half = ((LEVEL_S / 2.0 * fs) as usize).max(1);
    for (i, h) in height.iter_mut().enumerate() {
        let (from, to) = (i.saturating_sub(half), (i + half + 1).min(slope.len()));
        *h -= ((sum[to] - sum[from]) / (to - from) as f64) as f32;
    }
    height
}

/// Maxima of the slope, and how steep they are against the local level.
fn rises(slope: &[f32], fs: f64) -> Vec<(usize, f32)> {
    let block = (BLOCK_S * fs) as usize;
    let level = levels(slope, block);
    let steep = |i: usize| (slope[i] / level[i / block].0.max(f32::MIN_POSITIVE)).min(STEEP.1);
    (1..slope.len().saturating_sub(1))
        .filter(|&i| slope[i] > 0.0 && slope[i] >= slope[i - 1] && slope[i] > slope[i + 1])
        .map(|i| (i, steep(i)))
        .filter(|&(_, steep)| steep > STEEP.0)
        .collect()
}

/// Steepness of each rise of the chain, its share among those passed over on either side, and how far the pulse is like
/// those around, multiplied. A dicrotic wave is one rise passed over; noise and hum have many.
fn scores(slope: &[f32], rises: &[(usize, f32)], chain: &[Event], fs: f64) -> Vec<f32> {
    let power = |from: usize, to: usize| rises[from..to].iter().map(|r| r.1 * r.1).sum::<f32>();
    let (before, after) = ((ALIKE.0 * fs) as usize, (ALIKE.1 * fs) as usize);
    let last = slope.len().saturating_sub(1);
    let wave = |event: &Event| {
        let rise = rises[event.index].0;
        let mut wave: Vec<f32> =
            (rise..=rise + before + after).map(|i| slope[i.saturating_sub(before).min(last)]).collect();
        // less its mean: breath and drift are alike everywhere
        let mean = wave.iter().sum::<f32>() / wave.len() as f32;
        let norm = wave.iter().map(|v| (v - mean).powi(2)).sum::<f32>().sqrt();
        for v in &mut wave {
            *v = (*v - mean) / norm.max(f32::MIN_POSITIVE);
        }
        wave
    };
    let waves: Vec<Vec<f32>> = chain.iter().map(wave).collect();
    (0..chain.len())
        .map(|n| {
            let own = chain[n].index;
            let first = if n > 0 { chain[n - 1].index + 1 } else { own };
            let end = chain.get(n + 1).map_or(own + 1, |next| next.index);
            let passed = 0.5 * (power(first, own) + power(own + 1, end)) / power(own, own + 1);
            let around = n.saturating_sub(GATE.0)..(n + GATE.0 + 1).min(chain.len());
            let mut usual = vec![0.0; before + after + 1];
            for other in around.filter(|&m| m != n) {
                for (u, w) in usual.iter_mut().zip(&waves[other]) {
                    *u += w;
                }
            }
            let norm = usual.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            let alike = usual.iter().zip(&waves[n]).map(|(u, w)| u * w).sum::<f32>() / norm;
            let alike = ((alike - ALIKE.2) / (1.0 - ALIKE.2)).max(0.0);
            (rises[own].1.min(1.0) * alike / (1.0 + passed * passed)).clamp(0.0, 1.0)
        })
        .collect()
}

/// Whether each rise of the chain, with those around, takes its time as that of a pulse, 1, or is up at once as a step or
/// a spike, or what follows one, 0.
fn gradual(low: &[f32], rises: &[(usize, f32)], chain: &[Event], jumps: &[usize], fs: f64) -> Vec<f32> {
    let (before, after) = ((ALIKE.0 * fs) as usize, (ALIKE.1 * fs) as usize);
    let at_once = ((AT_ONCE.0 * fs).round() as usize).max(1);
    let share = |event: &Event| {
        let rise = rises[event.index].0;
        let near = (FOLLOWS_S * fs) as usize;
        let jump = jumps.partition_point(|&at| at + near < rise);
        if jumps.get(jump).is_some_and(|&at| at <= rise + near) {
            return 1.0;
        }
        let wave = &low[rise.saturating_sub(before)..(rise + after).min(low.len())];
        let (foot, top) = wave.iter().fold((f32::MAX, f32::MIN), |(foot, top), &v| (v.min(foot), v.max(top)));
        let jump = wave.windows(at_once + 1).map(|w| w[at_once] - w[0]).fold(0.0, f32::max);
        jump / (top - foot).max(f32::MIN_POSITIVE)
    };
    let shares: Vec<f32> = chain.iter().map(share).collect();
    (0..chain.len())
        .map(|n| ((AT_ONCE.2 - median_around(&shares, n)) / (AT_ONCE.2 - AT_ONCE.1)).clamp(0.0, 1.0))
        .collect()
}

/// Median of a value and the `GATE.0` before and after it.
fn median_around(values: &[f32], n: usize) -> f32 {
    let mut around = values[n.saturating_sub(GATE.0)..(n + GATE.0 + 1).min(values.len())].to_vec();
    around.sort_unstable_by(f32::total_cmp);
    around[around.len() / 2]
}

/// Where the slope crosses zero after a rise, between samples.
fn crest(slope: &[f32], rise: usize, period: f32, fs: f64) -> f64 {
    let reach = (CREST.0 * period).min((CREST.1 * fs) as f32) as usize;
    let end = (rise + reach).min(slope.len() - 1);
    let below = (rise + 1..=end).find(|&i| slope[i] <= 0.0);
    below.map_or(end as f64, |i| i as f64 - f64::from(slope[i] / (slope[i] - slope[i - 1])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static GO: AtomicBool = AtomicBool::new(false);

    fn pulses(fs: f64, seconds: f64, sign: f64) -> Vec<f64> {
        (0..(fs * seconds) as usize)
            .map(|i| {
                let t = (i as f64 / fs + 0.3) % 0.8;
                let bump = |at: f64, width: f64| (-((t - at) / width).powi(2) / 2.0).exp();
                sign * (bump(0.3, 0.08) + 0.4 * bump(0.55, 0.09))
            })
            .collect()
    }

    #[test]
    fn either_sign_and_any_rate_gives_every_pulse_once() {
        for fs in [30.0, 64.0, 125.0, 500.0] {
            for sign in [1.0, -1.0] {
                let found = ppg_peaks(&pulses(fs, 40.0, sign), &[], fs, Polarity::Shape(0.0), &GO).unwrap().at;
                assert!((48..=51).contains(&found.len()), "{fs} Hz, {sign}: {}", found.len());
            }
        }
    }

    #[test]
    fn a_flat_line_has_no_pulse() {
        assert!(ppg_peaks(&[1.0_f32; 1000], &[], 125.0, Polarity::Shape(0.0), &GO).unwrap().at.is_empty());
        assert!(ppg_peaks::<f32>(&[], &[], 125.0, Polarity::Shape(0.0), &GO).unwrap().at.is_empty());
    }

    proptest! {
        #[test]
        fn pulses_ascend_and_lie_inside(x in proptest::collection::vec(-5.0_f32..5.0, 0..2000), fs in 20.0..300.0_f64) {
            let found = ppg_peaks(&x, &[], fs, Polarity::Shape(0.0), &GO).unwrap().at;
            prop_assert!(found.windows(2).all(|w| w[0] < w[1]));
            prop_assert!(found.iter().all(|&p| p >= 0 && (p as usize) < x.len()));
        }
    }
}
