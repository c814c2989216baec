//! Jumps of a slow signal mended: steps of its supply, lost samples, codes that wrapped from top to bottom.
//!
//! A pulse wave is smooth, so a difference from one sample to the next that stands far above the usual largest one, or
//! that spans most of the range with hardly one of half its size beside it, is not of the pulse. It is replaced by
//! what a straight line between its neighbours gives, and all that follows moves along.

use crate::Float;

/// Length of the blocks whose largest differences are compared, in seconds, and how many to either side.
const BLOCK_S: f64 = 1.5;
const AROUND: usize = 5;
/// Differences this many times the usual largest one are jumps: at 20 Hz a narrow pulse is up within two samples.
const OUTLIER: f64 = 5.0;
/// Length of the stretches whose range codes may have wrapped over, in seconds: some pulses each.
const STRETCH_S: f64 = 4.0;
/// Shares of that range that a wrap spans at least, and that a difference of half its size does.
const WRAP: (f64, f64) = (0.6, 0.25);
/// One difference of half the size for so many wraps is an accident.
const RARE: usize = 10;
/// A spike is back after at most this many samples.
const SPIKE: usize = 3;

/// One jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The first sample after it.
    pub at: usize,
    /// Whether it is that of codes from one end of their range to the other.
    pub wrap: bool,
}

/// Where the signal jumps, ascending. None of a signal shorter than three samples.
pub fn jumps<T: Float>(x: &[T], fs: f64) -> Vec<Jump> {
    if x.len() < 3 {
        return Vec::new();
    }
    let signed: Vec<f64> = x.windows(2).map(|pair| pair[1].to_f64() - pair[0].to_f64()).collect();
    let steps: Vec<f64> = signed.iter().map(|step| step.abs()).collect();
    let (mut jumped, mut wrapped) = (vec![false; steps.len()], vec![false; steps.len()]);
    let stretch = ((STRETCH_S * fs) as usize).max(2);
    for from in (0..steps.len()).step_by(stretch) {
        let to = (from + stretch).min(steps.len());
        let range = spread(x[from..=to].iter().map(|v| v.to_f64()));
        let count = |share: f64| steps[from..to].iter().filter(|&&step| step > share * range).count();
        let (wraps, half) = (count(WRAP.0), count(WRAP.1));
        if wraps == 0 || (half - wraps) * RARE > wraps {
            continue;
        }
        let wide: Vec<usize> = (from..to).filter(|&i| steps[i] > WRAP.0 * range).collect();
        let mut level = 0.0;
        let wrap = spread((from..to).map(|i| {
            level += if steps[i] > WRAP.0 * range { 0.0 } else { signed[i] };
            level
        })) > range;
        let back =
            |pair: &[usize]| pair.len() == 2 && pair[1] - pair[0] <= SPIKE && signed[pair[0]] * signed[pair[1]] < 0.0;
        // what goes from one level to another and back, and stays there, is a square wave
        if wrap || wide.len() == 1 || wide.chunks(2).all(back) {
            for i in wide {
                (jumped[i], wrapped[i]) = (true, wrap);
            }
        }
    }
    let block = ((BLOCK_S * fs) as usize).max(1);
    let largest: Vec<f64> = steps
        .chunks(block)
        .zip(jumped.chunks(block))
        .map(|(steps, jumped)| steps.iter().zip(jumped).filter(|pair| !pair.1).fold(0.0, |most, pair| pair.0.max(most)))
        .collect();
    for (n, (steps, jumped)) in steps.chunks(block).zip(jumped.chunks_mut(block)).enumerate() {
        let around = &largest[n.saturating_sub(AROUND)..(n + AROUND + 1).min(largest.len())];
        let mut moving: Vec<f64> = around.iter().copied().filter(|&step| step > 0.0).collect();
        moving.sort_unstable_by(f64::total_cmp);
        let Some(&usual) = moving.get(moving.len() / 2) else { continue };
        for (jumped, &step) in jumped.iter_mut().zip(steps) {
            *jumped |= step > OUTLIER * usual;
        }
    }
    (0..steps.len()).filter(|&i| jumped[i]).map(|i| Jump { at: i + 1, wrap: wrapped[i] }).collect()
}

/// Largest value less smallest.
fn spread(values: impl Iterator<Item = f64>) -> f64 {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), v| (v.min(low), v.max(high)));
    high - low
}

/// The signal without its jumps.
pub fn mend<T: Float>(x: &[T], jumps: &[Jump]) -> Vec<f64> {
    let mut out: Vec<f64> = x.iter().map(|v| v.to_f64()).collect();
    let step = |i: usize| x[i].to_f64() - x[i - 1].to_f64();
    let (mut moved, mut next) = (0.0, 0);
    while next < jumps.len() {
        let first = jumps[next].at;
        let run = jumps[next..].iter().enumerate().take_while(|&(n, jump)| jump.at == first + n).count();
        let last = first + run - 1;
        let before = if first > 1 { step(first - 1) } else { 0.0 };
        let after = if last + 1 < x.len() { step(last + 1) } else { 0.0 };
        for (n, i) in (first..=last).enumerate() {
            let share = (n + 1) as f64 / (run + 1) as f64;
            moved += before + share * (after - before) - step(i);
            out[i] += moved;
        }
        next += run;
        let end = jumps.get(next).map_or(x.len(), |jump| jump.at);
        for v in &mut out[last + 1..end] {
            *v += moved;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wave(n: usize, fs: f64) -> Vec<f64> {
        (0..n)
            .map(|i| {
                let t = (i as f64 / fs) % 0.8;
                (-((t - 0.3) / 0.08).powi(2) / 2.0).exp() + 0.4 * (-((t - 0.55) / 0.09).powi(2) / 2.0).exp()
            })
            .collect()
    }

    fn off(got: &[f64], wanted: &[f64]) -> f64 {
        let shift = got[0] - wanted[0];
        got.iter().zip(wanted).map(|(a, b)| (a - b - shift).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn a_smooth_wave_has_none_and_a_step_a_spike_and_wraps_are_mended() {
        for fs in [25.0, 64.0, 250.0] {
            let clean = wave((30.0 * fs) as usize, fs);
            assert!(jumps(&clean, fs).is_empty(), "{fs} Hz");
            let mut step = clean.clone();
            step[300..].iter_mut().for_each(|v| *v -= 40.0);
            let found = jumps(&step, fs);
            assert_eq!(found, [Jump { at: 300, wrap: false }]);
            assert!(off(&mend(&step, &found), &clean) < 0.2);
            let mut spike = clean.clone();
            spike[200] += 30.0;
            let found = jumps(&spike, fs);
            assert_eq!(found.iter().map(|jump| jump.at).collect::<Vec<_>>(), [200, 201]);
            assert!(off(&mend(&spike, &found), &clean) < 0.3);
        }
        let clean = wave(3000, 125.0);
        let wrapped: Vec<f64> = clean.iter().map(|v| (v * 3.0 + 0.2).rem_euclid(1.0)).collect();
        let found = jumps(&wrapped, 125.0);
        assert!(found.len() > 100 && found.iter().all(|jump| jump.wrap));
        let square: Vec<f64> = (0..3000).map(|i| f64::from(u8::from(i / 62 % 2 == 0))).collect();
        assert!(jumps(&square, 125.0).is_empty());
        let three: Vec<f64> = clean.iter().map(|v| 3.0 * v).collect();
        assert!(off(&mend(&wrapped, &found), &three) < 0.5, "{}", off(&mend(&wrapped, &found), &three));
    }

    proptest! {
        #[test]
        fn what_is_mended_differs_by_a_constant_between_jumps(
            x in prop::collection::vec(-100.0_f64..100.0, 0..600), fs in 20.0..300.0_f64,
        ) {
            let found = jumps(&x, fs);
            prop_assert!(found.iter().all(|jump| jump.at > 0 && jump.at < x.len()) && found.is_sorted_by_key(|jump| jump.at));
            let mended = mend(&x, &found);
            for i in (1..x.len()).filter(|&i| found.iter().all(|jump| jump.at != i)) {
                prop_assert!((mended[i] - mended[i - 1] - x[i] + x[i - 1]).abs() < 1e-6);
            }
        }
    }
}
