//! Dicrotic waves as steep as the pulses before them, told from pulses: one or two come after each, evenly, and climb less.
//!
//! A wave that follows the pulse half a period later makes as good a rhythm at twice the rate. Weak beats that take
//! turns with strong ones begin as low as these, or come early.

use super::tempo::Event;

/// Events before and after that are looked at, and the share of them that must agree.
const AROUND: usize = 10;
const AGREE: f32 = 0.85;
/// Share of the climbs that are smaller than a usual pulse's, where each has up to three waves after it.
const USUAL: f32 = 0.8;
/// A dicrotic wave climbs at most the first share of what its pulse does and begins at least the second share of that
/// above its foot, or below it in an undershoot; or it climbs at most the third.
const CLIMB: (f32, f32, f32) = (0.75, 0.12, 0.5);
/// Longest time from a pulse to the first wave after it and to the last, in seconds, and least share of the time to the
/// first of that from there to the next event.
const AFTER_S: (f64, f64) = (0.5, 0.8);
const EVEN: f32 = 0.65;

/// The chain without its dicrotic waves.
pub fn without(chain: &[Event], rises: &[(usize, f32)], slope: &[f32], fs: f64) -> Vec<Event> {
    let rise = |event: &Event| rises[event.index].0;
    let foot = |event: &Event| (0..rise(event)).rev().find(|&i| slope[i] <= 0.0).unwrap_or(0);
    // of two without a fall between them one is the shoulder of the other
    let climbs: Vec<&[Event]> = chain.chunk_by(|a, b| foot(a) == foot(b)).collect();
    let steepest = |climb: &&[Event]| climb.iter().max_by(|a, b| slope[rise(a)].total_cmp(&slope[rise(b)])).copied();
    let lone: Vec<Event> = climbs.iter().filter_map(steepest).collect();
    let chain = &lone;
    let at: Vec<usize> = chain.iter().map(rise).collect();
    let foot: Vec<usize> = chain.iter().map(foot).collect();
    let sum = |from: usize, to: usize| slope[from..to.max(from)].iter().sum::<f32>();
    let climb: Vec<f32> = foot.iter().map(|&f| slope[f + 1..].iter().take_while(|&&v| v > 0.0).sum()).collect();
    let gap = |from: usize, to: usize| (at[to] - at[from]) as f32;
    let soon = |from: usize, to: usize, seconds: f64| gap(from, to) <= (seconds * fs) as f32;
    let wave = |pulse: usize, n: usize| {
        let low = climb[n] <= CLIMB.2 * climb[pulse];
        let notch = sum(foot[pulse], foot[n]).abs() >= CLIMB.1 * climb[pulse];
        let first =
            n > pulse + 1 || soon(pulse, n, AFTER_S.0) && (n + 1 >= at.len() || gap(pulse, n) >= EVEN * gap(n, n + 1));
        first && soon(pulse, n, AFTER_S.1) && (low || notch && climb[n] <= CLIMB.0 * climb[pulse])
    };
    let dicrotic = |n: usize| {
        let around = n.saturating_sub(AROUND)..(n + AROUND + 1).min(at.len());
        let mut sorted = climb[around.clone()].to_vec();
        sorted.sort_unstable_by(f32::total_cmp);
        let strong = CLIMB.0 * sorted[((sorted.len() - 1) as f32 * USUAL) as usize];
        if climb[n] >= strong || around.len() <= AROUND {
            return false;
        }
        let (mut pulse, mut pulses, mut followed, mut waves, mut others) = (None, 0, 0, 0, 0);
        for i in around.clone() {
            if climb[i] >= strong {
                pulse = Some(i);
                pulses += 1;
                followed += usize::from(i + 1 < around.end && climb[i + 1] < strong);
            } else if let Some(pulse) = pulse {
                others += 1;
                waves += usize::from(wave(pulse, i));
            }
        }
        // the last pulse may have its wave beyond
        let most = |part: usize, all: usize| part as f32 >= AGREE * all as f32;
        most(followed + 1, pulses) && most(waves, others)
    };
    let keep: Vec<bool> = (0..at.len()).map(|n| !dicrotic(n)).collect();
    let times = |n: usize| 1 + keep[n + 1..].iter().take_while(|&&keep| !keep).count();
    let kept = chain.iter().enumerate().filter(|&(n, _)| keep[n]);
    kept.map(|(n, event)| Event { period: event.period * times(n) as f32, ..*event }).collect()
}
