//! Onset, peak and offset of P, QRS and T for given R peaks, or that a wave is absent.
//!
//! One small convolutional network a wave ([`network`]) looks at the beat ([`zones`]) and answers with
//! three times, how far each may be off, and the log-odds that the wave is there. Times of the complex count from the R
//! peak, those of P and T from the onset of the complex, which is where their networks look out from.

pub mod alike;
pub mod network;
pub mod rows;
pub mod zones;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::weights::Weights;
use crate::{Float, Result};
use network::{Network, OUTPUTS};
use zones::{REVISION, ROWS, Zones};

/// Log-odds from which a wave is there: P, QRS, T. For P, a mean over beats, the tenth at which sensitivity and positive
/// predictivity come nearest (96.8 and 96.7 %) on the hearts of LUDB 1-70, each left out of the training in its turn.
const PRESENT: [f32; 3] = [0.3, f32::NEG_INFINITY, 0.0];
/// A point is right when it is within this many seconds.
const RIGHT_S: f32 = 0.04;
/// An R wave rises above the line from onset to offset by this share of the height and depth of its complex.
const RISES: f64 = 0.02;
/// Beats that the networks answer at a time.
const BEATS: usize = 1024;
/// Waves of the beats of one lead, each list as long as the R peaks.
pub struct Waves {
    /// Onset, peak and offset of P, QRS and T; -1 where the wave is absent or outside the record.
    pub points: [Vec<i64>; 9],
    /// Probability, by the beat alone, that the wave is there and a point of it within 40 ms.
    pub confidence: [Vec<f32>; 3],
}

/// Delineate one lead; `stop` ends the work early.
///
/// # Errors
/// A rate below 50 Hz, peaks outside the record or not ascending, or a sample that is not finite.
pub fn delineate<T: Float>(x: &[T], rpeaks: &[i64], fs: f64, stop: &AtomicBool) -> Result<Waves> {
    let mut waves = Waves {
        points: std::array::from_fn(|_| vec![-1; rpeaks.len()]),
        confidence: std::array::from_fn(|_| vec![0.0; rpeaks.len()]),
    };
    let zones = Zones::new(x, rpeaks, fs)?;
    let [p, qrs, t] = networks()?;
    if stop.load(Relaxed) {
        return Ok(waves);
    }
    let complexes = run(qrs, &zones.complexes()?, stop);
    if stop.load(Relaxed) {
        return Ok(waves);
    }
    let point = |n: usize| zones.alike.smooth(&complexes.iter().map(|a| a[n]).collect::<Vec<_>>());
    let onsets = point(0);
    let [before, after] = zones.surroundings(&onsets, &point(2))?;
    let answers = [run(p, &before, stop), complexes, run(t, &after, stop)];
    // what is no complex has nothing around it either
    let alone = |wave: usize, beat: usize| answers[wave][beat][6].min(answers[1][beat][6]);
    // a weak P wave is one of many, noise is not: beats of one shape and rhythm say together whether they have one
    let rhythms = zones.alike.agree(&(0..rpeaks.len()).map(|beat| alone(0, beat)).collect::<Vec<_>>());
    for (wave, own) in answers.iter().enumerate() {
        for (beat, answer) in own.iter().enumerate() {
            // an error of Laplace's distribution, which training fits, is under 40 ms with this probability
            let right: f32 = answer[3..6].iter().map(|log| 1.0 - (-RIGHT_S / log.exp()).exp()).sum::<f32>() / 3.0;
            waves.confidence[wave][beat] = right / (1.0 + (-alone(wave, beat)).exp());
            let there = if wave == 0 { rhythms[beat].min(answers[1][beat][6]) } else { alone(wave, beat) };
            if there <= PRESENT[wave] {
                continue;
            }
            let from_s = if wave == 1 { 0.0 } else { onsets[beat] };
            for (points, &after_s) in waves.points[3 * wave..].iter_mut().zip(&answer[..3]) {
                points[beat] = rpeaks[beat] + (f64::from(from_s + after_s) * fs).round() as i64;
            }
        }
    }
    // each network answers for itself: only here do waves of one beat and of the next meet
    settle(&mut waves.points, rpeaks, x.len() as i64);
    for beat in 0..rpeaks.len() {
        let (on, off) = (waves.points[3][beat], waves.points[5][beat]);
        if let Some(after) = x.get(on as usize..=off as usize).and_then(r_wave) {
            waves.points[4][beat] = on + after as i64;
        }
    }
    Ok(waves)
}

/// The highest sample of a complex above the line between its ends; none in a complex that only goes down (QS).
///
/// Who marks a lead by eye marks its R wave, however deep S is: on LUDB 1-70 this lies within 10 ms of 92 % of the marks,
/// the deflection that stands out most on 63 %.
fn r_wave<T: Float>(complex: &[T]) -> Option<usize> {
    let (first, last) = (complex.first()?.to_f64(), complex.last()?.to_f64());
    let slope = (last - first) / (complex.len() - 1).max(1) as f64;
    let (mut lowest, mut highest, mut at) = (0.0, 0.0, 0);
    for (i, v) in complex.iter().enumerate() {
        let height = v.to_f64() - first - slope * i as f64;
        if height > highest {
            (highest, at) = (height, i);
        }
        lowest = f64::min(lowest, height);
    }
    (highest > RISES * (highest - lowest)).then_some(at)
}

/// The answers of a network to the rows of all beats, some at a time; nothing in particular once `stop` is up.
fn run(network: &Network, rows: &[f32], stop: &AtomicBool) -> Vec<[f32; OUTPUTS]> {
    let width = network.row.width();
    let some = |rows: &[f32]| {
        if stop.load(Relaxed) { vec![[0.0; OUTPUTS]; rows.len() / width] } else { network.run(rows) }
    };
    rows.chunks(BEATS * width).flat_map(some).collect()
}

/// Put the points in order, beat by beat: the complex around its R peak, P before it, T after it and before what is next.
///
/// Where waves collide the complex comes first, then T; a P wave that begins after the crest of T ends that T.
fn settle(points: &mut [Vec<i64>; 9], rpeaks: &[i64], samples: i64) {
    let mut free = 0;
    for beat in 0..rpeaks.len() {
        let peak = rpeaks[beat];
        let next = rpeaks.get(beat + 1).copied().unwrap_or(samples);
        let onset = points[3][beat].min(peak).max(free);
        // a complex ends before half of the way to the next, or two beats of a run would share samples
        let offset = points[5][beat].clamp(peak, i64::midpoint(peak, next - 1));
        (points[3][beat], points[4][beat], points[5][beat]) = (onset, peak, offset);
        order(points, beat, 0, free, onset - 1);
        let follows = |list: &[i64]| list.get(beat + 1).copied().filter(|&on| on > points[7][beat]);
        let limit = follows(&points[0]).or(follows(&points[3])).unwrap_or(next).min(next);
        order(points, beat, 6, offset + 1, limit - 1);
        free = points[8][beat].max(offset) + 1;
    }
}

/// Clip a wave to what is free for it; a wave whose peak lies outside is absent.
fn order(points: &mut [Vec<i64>; 9], beat: usize, first: usize, from: i64, to: i64) {
    let [on, peak, off] = [0, 1, 2].map(|n| points[first + n][beat]);
    let wave = if peak < from || peak > to { [-1; 3] } else { [on.clamp(from, peak), peak, off.clamp(peak, to)] };
    for (n, v) in wave.into_iter().enumerate() {
        points[first + n][beat] = v;
    }
}

/// The networks for P, QRS and T.
fn networks() -> Result<&'static [Network; 3]> {
    static NETWORKS: OnceLock<Result<[Network; 3]>> = OnceLock::new();
    let read = || {
        let (bytes, sha256) = (include_bytes!("waves.safetensors"), include_str!("waves.sha256"));
        let mut weights = Weights::open("waves.safetensors", bytes, sha256, REVISION)?;
        let [p, qrs, t] = ROWS;
        let mut network = |wave, row| Network::read(row, |name, shape| weights.take(&format!("{wave}.{name}"), shape));
        let networks = [network("p", p)?, network("qrs", qrs)?, network("t", t)?];
        weights.end().map(|()| networks)
    };
    NETWORKS.get_or_init(read).as_ref().map_err(Clone::clone)
}
