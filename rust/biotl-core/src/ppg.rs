//! Pulses of a photoplethysmogram: its steepest rises, joined into the likeliest rhythm.
//!
//! The slope over 0.1 s stands above dicrotic notches and drift. Among its maxima, dynamic programming picks the chain
//! that is steepest and most even in time (after Ellis 2007, who tracks musical beats so), so that a burst of motion has
//! to be both stronger and in step to be taken for pulses.

use crate::envelope::{average, levels};
use crate::{Error, Float, Result};

/// Width of the Gaussian whose derivative measures the slope, in seconds.
const SIGMA_S: f64 = 0.035;
/// Length of the blocks whose largest slopes make the local level, in seconds.
const BLOCK_S: f64 = 1.5;
/// Length of the stretch that the period is taken from, and from one to the next, in seconds.
const TEMPO_S: (f64, f64) = (8.0, 1.0);
/// Shortest and longest period between pulses, in seconds.
const PERIOD_S: (f64, f64) = (0.27, 2.0);
/// What an interval that is `e` times the period too long or too short costs, in pulses.
const UNEVEN: f32 = 1.0;
/// Share of the local level that a rise must reach.
const SHARE: f32 = 0.15;
/// The crest of a pulse lies at most this share of a period, and this many seconds, after its steepest rise.
const CREST: (f64, f64) = (0.5, 0.4);

/// Pulses with the weight of each.
pub struct Pulses {
    /// Sample of the systolic peak of each pulse, ascending.
    pub at: Vec<i64>,
    /// Steepness against the local level, less what the interval before is out of step: 0 to 1.
    pub score: Vec<f32>,
}

/// Pulses of one channel.
///
/// # Errors
/// A rate below 20 Hz, or a sample that is not finite.
pub fn ppg_peaks<T: Float>(x: &[T], fs: f64) -> Result<Pulses> {
    if !(20.0..=100_000.0).contains(&fs) {
        return Err(Error::parameter("fs", fs, "20 to 100000 Hz"));
    }
    let step = ((fs / 60.0) as usize).max(1);
    let (mut low, _) = average(x, step)?;
    let fs = fs / step as f64;
    let mut slope = slopes(&low, fs);
    // Blood rushes in faster than it runs off, so a steep fall means a sensor that counts downwards.
    let sign = slope.iter().map(|&v| f64::from(v).powi(3)).sum::<f64>().signum();
    for v in low.iter_mut().chain(&mut slope) {
        *v *= sign as f32;
    }
    let period = periods(&slope, fs);
    let (chain, score) = chain(&slope, &period, fs);
    let mut at: Vec<i64> = Vec::with_capacity(chain.len());
    let mut kept = Vec::with_capacity(chain.len());
    for (&rise, score) in chain.iter().zip(score) {
        let reach = (CREST.0 * f64::from(period[tempo_of(rise, fs, period.len())])).min(CREST.1 * fs) as usize;
        let span = rise..(rise + reach + 1).min(low.len());
        let crest = span.max_by(|&a, &b| low[a].total_cmp(&low[b])).unwrap_or(rise);
        let first = crest * step;
        let within = first..(first + step).min(x.len());
        let peak = within.max_by(|&a, &b| (sign * x[a].to_f64()).total_cmp(&(sign * x[b].to_f64()))).unwrap_or(first);
        if at.last().is_none_or(|&last| last < peak as i64) {
            at.push(peak as i64);
            kept.push(score);
        }
    }
    Ok(Pulses { at, score: kept })
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

/// The period in samples for each second: where the slope is most like itself.
fn periods(slope: &[f32], fs: f64) -> Vec<f32> {
    let (length, hop) = ((TEMPO_S.0 * fs) as usize, (TEMPO_S.1 * fs) as usize);
    let (shortest, longest) = ((PERIOD_S.0 * fs) as usize, (PERIOD_S.1 * fs) as usize);
    let mut rough: Vec<f32> = (0..slope.len().div_ceil(hop).max(1))
        .map(|n| {
            let middle = n * hop + hop / 2;
            let from = middle.saturating_sub(length / 2).min(slope.len().saturating_sub(length));
            let around = &slope[from..(from + length).min(slope.len())];
            let mean = around.iter().sum::<f32>() / around.len().max(1) as f32;
            let like = |lag: usize| {
                let pairs = around.iter().zip(around.get(lag..).unwrap_or(&[]));
                let n = around.len().saturating_sub(lag).max(1) as f32;
                pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f32>() / n
            };
            let likeness: Vec<f32> = (shortest..=longest).map(like).collect();
            let best = likeness.iter().copied().fold(f32::MIN, f32::max);
            // Twice the period is as alike as the period: take the first summit that comes near the best.
            let first = (1..likeness.len().saturating_sub(1)).find(|&i| {
                likeness[i] >= 0.6 * best && likeness[i] >= likeness[i - 1] && likeness[i] >= likeness[i + 1]
            });
            (shortest + first.unwrap_or(longest / 2)) as f32
        })
        .collect();
    let raw = rough.clone();
    for (n, period) in rough.iter_mut().enumerate() {
        let mut around = raw[n.saturating_sub(4)..(n + 5).min(raw.len())].to_vec();
        around.sort_unstable_by(f32::total_cmp);
        *period = around[around.len() / 2];
    }
    rough
}

fn tempo_of(at: usize, fs: f64, count: usize) -> usize {
    (at / (TEMPO_S.1 * fs) as usize).min(count - 1)
}

/// The steepest and most even chain of rises, and the score of each.
fn chain(slope: &[f32], period: &[f32], fs: f64) -> (Vec<usize>, Vec<f32>) {
    let block = (BLOCK_S * fs) as usize;
    let level = levels(slope, block);
    let steep = |i: usize| (slope[i] / level[i / block].0.max(f32::MIN_POSITIVE)).min(1.2);
    let rises: Vec<usize> = (1..slope.len().saturating_sub(1))
        .filter(|&i| slope[i] > 0.0 && slope[i] >= slope[i - 1] && slope[i] > slope[i + 1] && steep(i) > SHARE)
        .collect();
    let mut total = vec![0.0_f32; rises.len()];
    let mut before: Vec<Option<usize>> = vec![None; rises.len()];
    let mut cost = vec![0.0_f32; rises.len()];
    for (n, &i) in rises.iter().enumerate() {
        let usual = period[tempo_of(i, fs, period.len())];
        total[n] = steep(i);
        for m in (0..n).rev() {
            let gap = (i - rises[m]) as f32;
            if gap > 4.0 * usual {
                break;
            }
            let uneven = UNEVEN * (gap / usual).ln().powi(2);
            let sum = total[m] + steep(i) - uneven;
            if gap > PERIOD_S.0 as f32 * fs as f32 && sum > total[n] {
                (total[n], before[n], cost[n]) = (sum, Some(m), uneven);
            }
        }
        // A pause breaks the chain, but what was found stays found.
        if before[n].is_none() {
            let earlier = (0..n).rev().find(|&m| (i - rises[m]) as f32 > 4.0 * usual);
            if let Some(m) = earlier {
                (total[n], before[n]) = (total[n] + total[m], earlier);
            }
        }
    }
    let mut next = (0..rises.len()).max_by(|&a, &b| total[a].total_cmp(&total[b]));
    let (mut found, mut score) = (Vec::new(), Vec::new());
    while let Some(n) = next {
        found.push(rises[n]);
        score.push((steep(rises[n]) - 0.5 * cost[n]).clamp(0.0, 1.0));
        next = before[n];
    }
    found.reverse();
    score.reverse();
    (found, score)
}

#[cfg(test)]
mod tests {
    use super::ppg_peaks;
    use proptest::prelude::*;

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
                let found = ppg_peaks(&pulses(fs, 40.0, sign), fs).unwrap().at;
                assert!((48..=51).contains(&found.len()), "{fs} Hz, {sign}: {}", found.len());
            }
        }
    }

    #[test]
    fn a_flat_line_has_no_pulse() {
        assert!(ppg_peaks(&[1.0_f32; 1000], 125.0).unwrap().at.is_empty());
        assert!(ppg_peaks::<f32>(&[], 125.0).unwrap().at.is_empty());
    }

    proptest! {
        #[test]
        fn pulses_ascend_and_lie_inside(x in proptest::collection::vec(-5.0_f32..5.0, 0..2000), fs in 20.0..300.0_f64) {
            let found = ppg_peaks(&x, fs).unwrap().at;
            prop_assert!(found.windows(2).all(|w| w[0] < w[1]));
            prop_assert!(found.iter().all(|&p| p >= 0 && (p as usize) < x.len()));
        }
    }
}
