//! What the delineation networks see of a beat: the signal before, in and after its QRS complex, alone and averaged
//! with the beats around that look alike, in units of its own amplitude.

use crate::{Error, Float, Result};

/// Points before the QRS complex: from, pitch and half width of each mean, in seconds.
const BEFORE: Grid<39> = Grid { from: -0.40, pitch: 0.010, half: 0.008 };
/// Points in the complex.
const WITHIN: Grid<46> = Grid { from: -0.16, pitch: 0.008, half: 0.004 };
/// Points after it.
const AFTER: Grid<32> = Grid { from: 0.06, pitch: 0.020, half: 0.012 };
/// Inputs of the networks for P, QRS and T.
pub const INPUTS: [usize; 3] = [2 * 39 + 11, 46 + 13, 3 * 32 + 3];
/// Beats to either side that are averaged, and that make the rhythm.
const AROUND: usize = 5;
/// Correlation of the complexes from which two beats look alike.
const ALIKE: f32 = 0.85;
/// The wave after a beat is not looked for closer than this to the next R peak, in seconds.
const NEXT_S: f64 = 0.06;

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

/// One beat in units of its own amplitude.
struct Beat {
    before: [f32; 39],
    within: [f32; 46],
    after: [f32; 32],
    /// `within` at zero mean and unit norm.
    shape: [f32; 46],
    /// Level before the complex against the level in it.
    rest: f32,
    last_before: [f32; 8],
    previous: f32,
    next: f32,
}

/// Inputs of the three networks for every beat.
///
/// # Errors
/// A rate below 50 Hz, peaks outside the record or not ascending, or a sample that is not finite.
pub fn zones<T: Float>(x: &[T], rpeaks: &[i64], fs: f64) -> Result<[Vec<f32>; 3]> {
    if !(50.0..=100_000.0).contains(&fs) {
        return Err(Error::parameter("fs", fs, "50 to 100000 Hz"));
    }
    let ascending = rpeaks.windows(2).all(|w| w[0] < w[1]);
    if !ascending || rpeaks.first().is_some_and(|&p| p < 0) || rpeaks.last().is_some_and(|&p| p >= x.len() as i64) {
        return Err(Error::parameter(
            "rpeaks",
            "peaks out of order or outside",
            format!("ascending in 0..{}", x.len()),
        ));
    }
    let means = Means::new(x, fs)?;
    let times: Vec<f64> = rpeaks.iter().map(|&p| p as f64 / fs).collect();
    let beats: Vec<Beat> = (0..times.len()).map(|i| Beat::new(&means, &times, i)).collect();
    let mut rows = INPUTS.map(|n| Vec::with_capacity(n * beats.len()));
    for i in 0..beats.len() {
        inputs(&beats, &times, i, &mut rows);
    }
    Ok(rows)
}

impl Means {
    fn new<T: Float>(x: &[T], fs: f64) -> Result<Self> {
        let offset = x.first().map_or(0.0, |v| v.to_f64());
        let mut total = 0.0;
        let mut sum = Vec::with_capacity(x.len() + 1);
        sum.push(total);
        for v in x {
            total += v.to_f64() - offset;
            sum.push(total);
        }
        if !total.is_finite() {
            let index = x.iter().position(|v| !v.finite()).unwrap_or(0);
            return Err(Error::NotFinite { index, value: x[index].to_f64() });
        }
        Ok(Self { sum, fs })
    }

    /// Sum up to a position, between samples by a straight line.
    fn at(&self, position: f64) -> f64 {
        let i = (position as usize).min(self.sum.len() - 2);
        self.sum[i] + (position - i as f64) * (self.sum[i + 1] - self.sum[i])
    }

    fn mean(&self, time: f64, half: f64) -> f32 {
        let clip = |t: f64| (t * self.fs + 0.5).clamp(0.0, (self.sum.len() - 1) as f64);
        let (from, to) = (clip(time - half), clip(time + half));
        ((self.at(to) - self.at(from)) / (to - from).max(1e-6)) as f32
    }

    fn grid<const N: usize>(&self, grid: &Grid<N>, time: f64, latest: f64) -> [f32; N] {
        std::array::from_fn(|n| self.mean(time + (grid.from + n as f64 * grid.pitch).min(latest), grid.half))
    }
}

impl Beat {
    fn new(means: &Means, times: &[f64], i: usize) -> Self {
        let time = times[i];
        let gap = |other: Option<&f64>| other.map_or(1.0, |&t| (t - time).abs()).clamp(0.25, 2.0);
        let (previous, next) = (gap(i.checked_sub(1).and_then(|j| times.get(j))), gap(times.get(i + 1)));
        let mut before = means.grid(&BEFORE, time, f64::MAX);
        let mut within = means.grid(&WITHIN, time, f64::MAX);
        let mut after = means.grid(&AFTER, time, next - NEXT_S);
        let base = median(&mut within.clone());
        let highest = within.iter().copied().fold(f32::MIN, f32::max);
        let lowest = within.iter().copied().fold(f32::MAX, f32::min);
        let scale = 1.0 / (highest - lowest).max(f32::MIN_POSITIVE);
        for v in before.iter_mut().chain(&mut within).chain(&mut after) {
            *v = ((*v - base) * scale).clamp(-9.0, 9.0);
        }
        let rest = before[before.len() - 1];
        let last_before = std::array::from_fn(|n| before[before.len() - 8 + n]);
        let level = mean(&before);
        for v in &mut before {
            *v -= level;
        }
        let centre = mean(&within);
        let mut shape = within.map(|v| v - centre);
        let norm = 1.0 / norm(&shape).max(1e-9);
        for v in &mut shape {
            *v *= norm;
        }
        Self { before, within, after, shape, rest, last_before, previous: previous as f32, next: next as f32 }
    }
}

/// Append the inputs of beat `i` to those of P, QRS and T.
fn inputs(beats: &[Beat], times: &[f64], i: usize, rows: &mut [Vec<f32>; 3]) {
    let beat = &beats[i];
    let (first, last) = (i.saturating_sub(AROUND), (i + AROUND + 1).min(beats.len()));
    let (mut before, mut after, mut alike) = ([0.0_f32; 39], [0.0_f32; 32], 0.0_f32);
    for other in &beats[first..last] {
        if dot(&other.shape, &beat.shape) > ALIKE {
            alike += 1.0;
            add(&mut before, &other.before);
            add(&mut after, &other.after);
        }
    }
    let mut others = before;
    for (o, v) in others.iter_mut().zip(&beat.before) {
        *o -= v;
    }
    let coherence = dot(&others, &beat.before) / (norm(&others) * norm(&beat.before)).max(1e-9);
    let part = 1.0 / alike.max(1.0);
    before = before.map(|v| v * part);
    after = after.map(|v| v * part);
    let (usual, jump) = rhythm(times, i);
    let against = |gap: f32| (gap / usual).ln().clamp(-1.0, 1.0);
    let middle = median(&mut beat.within.clone());
    let width = beat.within.iter().map(|v| (v - middle).abs()).sum::<f32>() / beat.within.len() as f32;
    let (own, joint) = (spread(&beat.before), spread(&before));
    let (previous, next) = (beat.previous.ln(), beat.next.ln());
    let [p, qrs, t] = rows;
    p.extend(beat.before.iter().map(|v| v / own));
    p.extend(before.iter().map(|v| v / joint));
    p.extend([own.ln(), joint.ln(), beat.rest, previous, next]);
    p.extend([(4.0 * jump).min(2.0), alike / (last - first) as f32, against(beat.previous), against(beat.next)]);
    p.extend([coherence, 4.0 * width]);
    qrs.extend(beat.within);
    qrs.extend(beat.last_before);
    qrs.extend([beat.after[0], beat.after[1], beat.after[2], previous, next]);
    let (level, wide) = (mean(&beat.after), spread(&beat.after));
    t.extend(beat.after);
    t.extend(after);
    t.extend(beat.after.iter().map(|v| (v - level) / wide));
    t.extend([wide.ln(), previous, next]);
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

fn add(total: &mut [f32], part: &[f32]) {
    for (t, p) in total.iter_mut().zip(part) {
        *t += p;
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
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
