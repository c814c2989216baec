//! Segmentation of an ECG into P, QRS, T and background around its R peaks, by fixed timings.

use rayon::prelude::*;

use crate::share::least;
use crate::simd::prefetch;
use crate::{Error, Float, Result};

// These three are the timings of the public code of ECGBERT (arXiv:2306.06340), and tokens are made of them: a vocabulary
// learnt on others is another vocabulary.
/// Seconds of QRS on either side of the R peak.
const QRS_S: f64 = 0.05;
/// Seconds of P before QRS.
const P_S: f64 = 0.1;
/// Seconds of T after QRS.
const T_S: f64 = 0.15;

const P: i8 = 0;
const QRS: i8 = 1;
const T: i8 = 2;
const BACKGROUND: i8 = 3;

/// Segments that tile a recording, sorted by start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Segments {
    /// 0 P, 1 QRS, 2 T, 3 background.
    pub wave: Vec<i8>,
    /// First sample.
    pub start: Vec<i64>,
    /// One past the last sample.
    pub stop: Vec<i64>,
    /// Index of the R peak that the segment belongs to, -1 for background.
    pub beat: Vec<i64>,
}

impl Segments {
    /// Room for so many, so that none is moved.
    fn with_capacity(most: usize) -> Self {
        let column = || Vec::with_capacity(most);
        Self { wave: Vec::with_capacity(most), start: column(), stop: column(), beat: column() }
    }

    fn push(&mut self, wave: i8, start: i64, stop: i64, beat: i64) {
        if start < stop {
            self.wave.push(wave);
            self.start.push(start);
            self.stop.push(stop);
            self.beat.push(beat);
        }
    }
}

/// Refuses R peaks that do not rise strictly within `n` samples.
///
/// # Errors
/// [`Error::Parameter`] with the first at fault.
pub fn check_peaks(n: usize, rpeaks: &[i64]) -> Result<()> {
    let outside = rpeaks.iter().find(|&&r| !(0..n as i64).contains(&r));
    if let Some(r) = outside {
        return Err(Error::parameter("rpeaks", r, format!("sample indices from 0 to below {n}")));
    }
    if let Some((r, next)) = rpeaks.iter().zip(rpeaks.iter().skip(1)).find(|(r, next)| r >= next) {
        return Err(Error::parameter("rpeaks", format!("{r} before {next}"), "strictly rising indices"));
    }
    Ok(())
}

/// Cuts `n` samples into waves around the R peaks.
///
/// QRS is R ± 0.05 s, P the 0.1 s before it, T the 0.15 s after it, clipped to the recording; the rest is background.
/// Where beats are too close, QRS comes first: two that overlap meet halfway between their R peaks. Then, where the
/// gap between two QRS is shorter than T and P together, the two share it in the proportion of their lengths, 3 to 2.
///
/// # Errors
/// [`Error::Parameter`] if `fs` is below 20 Hz, or the peaks do not rise strictly within the recording.
pub fn segment(n: usize, rpeaks: &[i64], fs: f64) -> Result<Segments> {
    if !(20.0..=1e9).contains(&fs) {
        return Err(Error::parameter("fs", fs, "20 Hz to 1 GHz, so that each wave has a sample"));
    }
    check_peaks(n, rpeaks)?;
    let n = n as i64;
    let samples = |seconds: f64| (seconds * fs).round() as i64;
    let (half, p, t) = (samples(QRS_S), samples(P_S), samples(T_S));

    let mut segments = Segments::with_capacity(4 * rpeaks.len() + 1);
    let mut free = 0; // first sample that no wave has taken yet
    for (beat, &r) in rpeaks.iter().enumerate() {
        let next = rpeaks.get(beat + 1);
        // halfway rounded up, so that each R peak stays in its own QRS
        let start = beat.checked_sub(1).map_or(0, |before| middle(rpeaks[before], r)).max(r - half);
        let stop = next.map_or(n, |&next| middle(r, next)).min(r + half);
        let beat = beat as i64;
        if beat == 0 {
            let onset = (start - p).max(0);
            segments.push(BACKGROUND, 0, onset, -1);
            segments.push(P, onset, start, beat);
        }
        segments.push(QRS, start, stop, beat);
        free = stop;
        if let Some(&next) = next {
            let end = middle(r, next).max(next - half);
            let gap = end - stop;
            let (t, p) = if gap < t + p { (gap * t / (t + p), gap - gap * t / (t + p)) } else { (t, p) };
            segments.push(T, stop, stop + t, beat);
            segments.push(BACKGROUND, stop + t, end - p, -1);
            segments.push(P, end - p, end, beat + 1);
        } else {
            free = (stop + t).min(n);
            segments.push(T, stop, free, beat);
        }
    }
    segments.push(BACKGROUND, free, n, -1);
    Ok(segments)
}

fn middle(r: i64, next: i64) -> i64 {
    r + (next - r + 1) / 2
}

/// Resamples each segment of `x` linearly to `length` values, ends onto ends, into the rows of `out`.
///
/// # Errors
/// [`Error::Parameter`] if a segment is empty or outside `x`, or `length` is 0 or does not fit `out`.
pub fn resample<F: Float>(x: &[F], start: &[i64], stop: &[i64], length: usize, out: &mut [f32]) -> Result<()> {
    if length == 0 || out.len() != start.len() * length || start.len() != stop.len() {
        let got = format!("{length} values each of {} starts and {} stops", start.len(), stop.len());
        return Err(Error::parameter("length", got, "at least 1 value, as many starts as stops"));
    }
    let n = x.len() as i64;
    if let Some((a, b)) = start.iter().zip(stop).find(|&(&a, &b)| !(0 <= a && a < b && b <= n)) {
        return Err(Error::parameter(
            "segments",
            format!("{a} to {b}"),
            format!("start below stop, both within 0 to {n}"),
        ));
    }
    let segment = |i: usize| &x[start[i] as usize..stop[i] as usize];
    out.par_chunks_exact_mut(length).enumerate().with_min_len(least(64)).for_each(|(i, row)| {
        // segments lie apart: without this each would wait for memory
        prefetch(segment((i + AHEAD).min(start.len() - 1)));
        resample_one(segment(i), row);
    });
    Ok(())
}

/// Segments after which one that was asked for is read: cutting eight takes about as long as memory does to answer.
const AHEAD: usize = 8;

fn resample_one<F: Float>(x: &[F], out: &mut [f32]) {
    let (last, Some((end, out))) = (x.len() - 1, out.split_last_mut()) else { return };
    let steps = out.len();
    *end = x[if steps > 0 { last } else { 0 }].to_f64() as f32;
    if last == steps {
        out.iter_mut().zip(x).for_each(|(y, value)| *y = value.to_f64() as f32);
        return;
    }
    // the place (last i / steps) in fixed point: one addition from each value to the next
    let shift = (last as u64).leading_zeros().clamp(2, 62) - 1;
    let step = ((last as u64) << shift).checked_div(steps as u64).unwrap_or(0);
    let unit = 1.0 / (1_u64 << shift) as f64;
    let rights = &x[last.min(1)..];
    let lefts = &x[..rights.len()];
    let mut place = 0;
    for y in out {
        let index = (place >> shift) as usize;
        let (left, right) = (lefts[index], rights[index]);
        let part = (place & ((1 << shift) - 1)) as i64 as f64 * unit;
        *y = (left + (right - left) * F::from_f64(part)).to_f64() as f32;
        place += step;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn segments_tile_any_recording(
            n in 0_usize..5000,
            peaks in prop::collection::btree_set(0_i64..5000, 0..60),
            fs in 20.0_f64..2000.0,
        ) {
            let peaks: Vec<i64> = peaks.into_iter().filter(|&r| r < n as i64).collect();
            let found = segment(n, &peaks, fs).unwrap();
            let edges: Vec<i64> = std::iter::once(0).chain(found.stop.iter().copied()).collect();
            prop_assert_eq!(&edges[..found.start.len()], &found.start[..]);
            prop_assert_eq!(edges.last(), Some(&(n as i64)));
            prop_assert!(found.start.iter().zip(&found.stop).all(|(a, b)| a < b));
        }

        #[test]
        fn resampling_stays_within_the_segment(
            x in prop::collection::vec(-1e3_f32..1e3, 1..400),
            length in 1_usize..300,
        ) {
            let mut out = vec![f32::NAN; length];
            resample(&x, &[0], &[x.len() as i64], length, &mut out).unwrap();
            let (low, high) = x.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
            prop_assert!(out.iter().all(|&v| v >= low - 1e-3 && v <= high + 1e-3));
            prop_assert_eq!(out[0], x[0]);
        }
    }

    #[test]
    fn peaks_out_of_order_are_refused() {
        let message = segment(10, &[5, 4], 360.0).unwrap_err().to_string();
        assert_eq!(message, "rpeaks: got 5 before 4, wanted strictly rising indices");
    }
}
