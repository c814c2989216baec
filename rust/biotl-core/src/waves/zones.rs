//! What the delineation networks see of a beat: its complex, and from the onset of that what lies before and after it,
//! alone and averaged with the beats around that look alike, in units of its own amplitude.

use super::alike::{Alike, dot};
use super::rows::{Row, Rows};
use crate::segment::check_peaks;
use crate::{Error, Float, Result};

// The grids and constants below make the features, and the weights have learnt on them: to change any is to raise the
// revision and to run benches/train_waves.py. All are in seconds.
/// Points in the complex, from the R peak: 8 ms apart, new samples in each at any rate from 125 Hz on.
const WITHIN: Grid<51> = Grid { from: -0.18, pitch: 0.008, half: 0.004 };
/// Points about the complex, from the R peak: coarse, for where it ends when the T wave runs into it.
const ABOUT: Grid<12> = Grid { from: -0.46, pitch: 0.08, half: 0.03 };
/// Points before the complex, from its onset: a P wave of a first-degree block begins 0.4 s before it.
const BEFORE: Grid<48> = Grid { from: -0.43, pitch: 0.010, half: 0.008 };
/// Points after it, from its onset: T waves are broad, and of a slow heart end 0.7 s after.
const AFTER: Grid<33> = Grid { from: 0.06, pitch: 0.020, half: 0.012 };
/// Raised whenever a feature changes its meaning: weights that learnt the old one are then refused.
pub const REVISION: &str = "1";
/// What the networks for P, QRS and T see.
pub const ROWS: [Row; 3] = [
    Row { streams: 2, points: 48, context: 11, from_s: BEFORE.from, pitch_s: BEFORE.pitch },
    Row { streams: 2, points: 51, context: 16, from_s: WITHIN.from, pitch_s: WITHIN.pitch },
    Row { streams: 3, points: 33, context: 4, from_s: AFTER.from, pitch_s: AFTER.pitch },
];
/// Waves are not looked for closer than this to the R peaks of the beats before and after, in seconds: those are their
/// complexes.
const APART_S: [f64; 2] = [0.10, 0.06];

struct Grid<const N: usize> {
    from: f64,
    pitch: f64,
    half: f64,
}

/// Running sum of a lead, from which means between any two times are read.
struct Means {
    sum: Vec<f64>,
    fs: f64,
}

/// A complex in units of its own amplitude.
struct Complex {
    within: [f32; 51],
    about: [f32; 12],
    /// `within` at zero mean and unit norm.
    shape: [f32; 51],
    base: f32,
    scale: f32,
    previous: f32,
    next: f32,
}

/// The beats of a lead.
pub struct Zones {
    means: Means,
    times: Vec<f64>,
    complexes: Vec<Complex>,
    /// Which beats look alike.
    pub alike: Alike,
}

impl Zones {
    /// Look at the complexes.
    ///
    /// # Errors
    /// A rate below 50 Hz, peaks outside the record or not ascending, or a sample that is not finite.
    pub fn new<T: Float>(x: &[T], rpeaks: &[i64], fs: f64) -> Result<Self> {
        if !(50.0..=100_000.0).contains(&fs) {
            return Err(Error::parameter("fs", fs, "50 to 100000 Hz"));
        }
        check_peaks(x.len(), rpeaks)?;
        let means = Means::new(x, fs)?;
        let times: Vec<f64> = rpeaks.iter().map(|&p| p as f64 / fs).collect();
        let complexes: Vec<Complex> = (0..times.len()).map(|i| Complex::new(&means, &times, i)).collect();
        let shapes: Vec<&[f32]> = complexes.iter().map(|complex| &complex.shape[..]).collect();
        let alike = Alike::new(&shapes, complexes.iter().map(|complex| complex.previous).collect());
        Ok(Self { means, times, complexes, alike })
    }

    /// Inputs of the network for QRS.
    ///
    /// # Errors
    /// None, unless this and [`ROWS`] say different things.
    pub fn complexes(&self) -> Result<Vec<f32>> {
        let mut rows = Rows::new(ROWS[1], self.times.len());
        for (i, beat) in self.complexes.iter().enumerate() {
            let joint = self.alike.average(i, |j| &self.complexes[j].within);
            let number = self.alike.number(i) / 11.0;
            let context = [beat.previous.ln(), beat.next.ln(), number, width(&beat.within)];
            rows.push(&[&beat.within, &joint, &beat.about, &context])?;
        }
        Ok(rows.values())
    }

    /// Inputs of the networks for P and T, given where each complex begins and ends, in seconds from its R peak.
    ///
    /// # Errors
    /// None, unless this and [`ROWS`] say different things.
    pub fn surroundings(&self, onset: &[f32], offset: &[f32]) -> Result<[Vec<f32>; 2]> {
        let beats = self.times.len();
        let mut before: Vec<[f32; 48]> = Vec::with_capacity(beats);
        let mut after: Vec<[f32; 33]> = Vec::with_capacity(beats);
        for (i, beat) in self.complexes.iter().enumerate() {
            let time = self.times[i] + f64::from(onset[i]);
            let earliest = i.checked_sub(1).map_or(f64::MIN, |j| self.times[j] + APART_S[0]);
            let latest = self.times.get(i + 1).map_or(f64::MAX, |t| t - APART_S[1]);
            let unit = |v: f32| ((v - beat.base) * beat.scale).clamp(-9.0, 9.0);
            before.push(self.means.grid(&BEFORE, time, earliest, f64::MAX).map(unit));
            after.push(self.means.grid(&AFTER, time, f64::MIN, latest).map(unit));
        }
        let mut rows = [0, 2].map(|n| Rows::new(ROWS[n], beats));
        for (i, beat) in self.complexes.iter().enumerate() {
            let duration = 10.0 * (offset[i] - onset[i]);
            let gaps = [beat.previous.ln(), beat.next.ln()];
            self.before(i, &before, gaps, duration, &mut rows[0])?;
            let (own, joint) = (&after[i], self.alike.average(i, |j| &after[j]));
            let (level, wide) = (mean(own), spread(own));
            let alone = own.map(|v| (v - level) / wide);
            rows[1].push(&[own, &joint, &alone, &[wide.ln(), gaps[0], gaps[1], duration]])?;
        }
        Ok(rows.map(Rows::values))
    }

    /// Append the inputs of P for one beat.
    fn before(&self, i: usize, before: &[[f32; 48]], gaps: [f32; 2], duration: f32, rows: &mut Rows) -> Result<()> {
        let level = mean(&before[i]);
        let own = before[i].map(|v| v - level);
        let joint = self.alike.average(i, |j| &before[j]);
        let level_of_all = mean(&joint);
        let joint = joint.map(|v| v - level_of_all);
        let n = self.alike.number(i);
        let mut others = joint;
        for (o, v) in others.iter_mut().zip(&own) {
            *o = *o * n - v;
        }
        // a P wave comes again at its place, noise does not: that is what tells them apart when both are as high
        let coherence = dot(&others, &own) / (norm(&others) * norm(&own)).max(1e-9);
        // in fibrillation RR intervals jump, and there is no P wave to find
        let (usual, jump) = rhythm(&self.times, i);
        let against = |gap: f32| (gap / usual).ln().clamp(-1.0, 1.0);
        let (alone, together) = (spread(&own), spread(&joint));
        let beat = &self.complexes[i];
        rows.push(&[
            &own.map(|v| v / alone),
            &joint.map(|v| v / together),
            &[alone.ln(), together.ln(), level, gaps[0], gaps[1], (4.0 * jump).min(2.0), n / 11.0],
            &[against(beat.previous), against(beat.next), coherence, duration],
        ])
    }
}

impl Means {
    fn new<T: Float>(x: &[T], fs: f64) -> Result<Self> {
        // less the first sample, so that the sum of a day on a large offset keeps its last digits
        let offset = x.first().map_or(0.0, |v| v.to_f64());
        let mut total = 0.0;
        let mut sum = Vec::with_capacity(x.len() + 1);
        sum.push(total);
        for v in x {
            total += v.to_f64() - offset;
            sum.push(total);
        }
        if !total.is_finite() {
            let Some(index) = x.iter().position(|v| !v.finite()) else {
                return Err(Error::parameter("x", "samples whose sum overflows", "smaller samples"));
            };
            return Err(Error::NotFinite { index, value: x[index].to_f64() });
        }
        Ok(Self { sum, fs })
    }

    /// Sum up to a position, between samples by a straight line.
    fn at(&self, position: f64) -> f64 {
        // a straight line between sums is a mean over parts of samples: times need not fall on them at any rate
        let i = (position as usize).min(self.sum.len() - 2);
        self.sum[i] + (position - i as f64) * (self.sum[i + 1] - self.sum[i])
    }

    fn mean(&self, time: f64, half: f64) -> f32 {
        let clip = |t: f64| (t * self.fs + 0.5).clamp(0.0, (self.sum.len() - 1) as f64);
        let (from, to) = (clip(time - half), clip(time + half));
        ((self.at(to) - self.at(from)) / (to - from).max(1e-6)) as f32
    }

    /// Means about a time, none of them before the earliest or after the latest.
    fn grid<const N: usize>(&self, grid: &Grid<N>, time: f64, earliest: f64, latest: f64) -> [f32; N] {
        std::array::from_fn(|n| {
            self.mean((time + grid.from + n as f64 * grid.pitch).max(earliest).min(latest), grid.half)
        })
    }
}

impl Complex {
    fn new(means: &Means, times: &[f64], i: usize) -> Self {
        let time = times[i];
        let gap = |other: Option<&f64>| other.map_or(1.0, |&t| (t - time).abs()).clamp(0.25, 2.0);
        let (previous, next) = (gap(i.checked_sub(1).and_then(|j| times.get(j))), gap(times.get(i + 1)));
        let mut within = means.grid(&WITHIN, time, time - previous + APART_S[0], time + next - APART_S[1]);
        let mut about = means.grid(&ABOUT, time, time - previous + APART_S[0], time + next - APART_S[1]);
        // the median of a complex is its isoelectric line, however high its waves
        let base = median(&mut within.clone());
        let highest = within.iter().copied().fold(f32::MIN, f32::max);
        let lowest = within.iter().copied().fold(f32::MAX, f32::min);
        let scale = 1.0 / (highest - lowest).max(f32::MIN_POSITIVE);
        for v in within.iter_mut().chain(&mut about) {
            // nine heights are no wave but a spike or a lead that came off
            *v = ((*v - base) * scale).clamp(-9.0, 9.0);
        }
        let centre = mean(&within);
        let mut shape = within.map(|v| v - centre);
        let norm = 1.0 / norm(&shape).max(1e-9);
        for v in &mut shape {
            *v *= norm;
        }
        Self { within, about, shape, base, scale, previous: previous as f32, next: next as f32 }
    }
}

/// Mean distance from the usual level: large where the complex is wide.
fn width(within: &[f32]) -> f32 {
    let middle = median(&mut within.to_vec());
    4.0 * within.iter().map(|v| (v - middle).abs()).sum::<f32>() / within.len() as f32
}

/// The usual RR interval around a beat in seconds, and the usual change from one to the next against it.
fn rhythm(times: &[f64], i: usize) -> (f32, f32) {
    let around = &times[i.saturating_sub(8)..(i + 9).min(times.len())];
    let intervals: Vec<f32> = around.windows(2).map(|w| (w[1] - w[0]) as f32).collect();
    let mut jumps: Vec<f32> = intervals.windows(2).map(|w| (w[1] - w[0]).abs()).collect();
    if jumps.is_empty() {
        return (intervals.first().copied().unwrap_or(0.8), 0.05);
    }
    let usual = median(&mut intervals.clone());
    (usual, median(&mut jumps) / usual)
}

fn norm(a: &[f32]) -> f32 {
    dot(a, a).sqrt()
}

fn mean(a: &[f32]) -> f32 {
    a.iter().sum::<f32>() / a.len() as f32
}

fn spread(a: &[f32]) -> f32 {
    let level = mean(a);
    (a.iter().map(|v| (v - level).powi(2)).sum::<f32>() / a.len() as f32).sqrt().max(1e-6)
}

fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}
