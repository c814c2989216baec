//! What one frame says: how likely each rate is by the spectrum of what the accelerometer does not explain.

use std::f64::consts::PI;
use std::ops::Range;

use super::{COUNT, FS, RATES};
use crate::ppg::jumps;
use crate::ppg::motion::solve;
use crate::simd;

/// Samples of a frame, 8 s, and from one frame to the next, 1 s.
pub const FRAME: usize = 200;
pub const HOP: usize = 25;
/// First lag of an axis and the one after the last, in samples: motion leads what it does to the pulse by up to 0.45 s.
const LAGS: Range<isize> = -3..12;
/// Weight of the ridge against the mean power of the lagged axes.
const RIDGE: f64 = 0.1;
/// Last frequency of a spectrum, beats per minute: the second harmonic of the fastest rate.
const LAST: usize = 2 * RATES.1;
const BINS: usize = LAST - RATES.0 + 1;
/// Weight of what is left of the signal beside the signal as it is.
const LEFT: f64 = 0.9;
/// Weight of the second harmonic beside the first, and of the least of three in step, which narrow pulses have.
const HARMONIC: f64 = 0.4;
const IN_STEP: f64 = 0.5;
/// Power grows with this exponent of the frequency, against drift and breath.
const TILT: f64 = 0.75;
/// Rates that the largest power is looked for in, in beats per minute: 0.7 to 3.5 Hz.
const PLAIN: (usize, usize) = (42, 210);
/// Half the width of a line, in beats per minute: of the window's main lobe.
const LINE: (usize, usize) = (8, 9);
/// Added to the evidence against its mean before the logarithm: no frame rules a rate out.
const FLOOR: f64 = 0.1;
/// A pulse has these shares of the power in a line and its harmonics, power growing with the first or second exponent of
/// the frequency up to some times that at 60 a minute: white noise has less of the first, brown noise of the second.
const PULSE: [(f64, f64, f64); 2] = [(1.0, 3.0, 0.36), (2.0, 8.0, 0.31)];
/// Log-odds of a pulse for a share of 1 more, and most of them.
const ODDS: (f64, f64) = (10.0, 3.0);

/// What a frame says.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Power at each rate with that at its double, against the mean.
    power: Vec<f64>,
    /// Log-likelihood of each rate, at most 0.
    pub rates: Vec<f64>,
    /// Log-odds that there is a pulse.
    pub pulse: f64,
    /// The rate of the largest power of the signal as it is.
    pub raw: usize,
}

impl Evidence {
    /// Place of the largest power in a range of rates, between them; none at its ends.
    pub fn peak(&self, range: Range<usize>) -> Option<f64> {
        let (first, last) = (range.start, range.end.saturating_sub(1));
        let at = range.max_by(|&a, &b| self.power[a].total_cmp(&self.power[b]))?;
        if at == first || at == last {
            return None;
        }
        let (a, b, c) = (self.power[at - 1], self.power[at], self.power[at + 1]);
        Some(at as f64 + 0.5 * (a - c) / (a - 2.0 * b + c).min(-f64::MIN_POSITIVE))
    }
}

/// Tables that every frame needs.
#[derive(Clone, Debug)]
pub struct Spectra {
    /// For each sample of the second half the window times cosine and sine at each frequency, counted from the middle:
    /// the first half has the same cosines, and sines of the other sign.
    waves: Vec<f32>,
    tilt: Vec<f64>,
    pulse: [Vec<f64>; 2],
}

impl Spectra {
    pub fn new() -> Self {
        let middle = (FRAME - 1) as f64 / 2.0;
        let window = |i: usize| 0.5 - 0.5 * (2.0 * PI * i as f64 / (FRAME - 1) as f64).cos();
        let angle = |i: usize, bin: usize| 2.0 * PI * (RATES.0 + bin) as f64 / 60.0 * (i as f64 - middle) / FS;
        let wave = |i: usize| {
            let row = move |turn: fn(f64) -> f64| (0..BINS).map(move |bin| (window(i) * turn(angle(i, bin))) as f32);
            row(f64::cos).chain(row(f64::sin))
        };
        let tilt = |exponent: f64, most: f64| {
            (0..BINS).map(|bin| ((RATES.0 + bin) as f64 / 60.0).clamp(0.3, most).powf(exponent)).collect()
        };
        Self {
            waves: (FRAME / 2..FRAME).flat_map(wave).collect(),
            tilt: tilt(TILT, PULSE[0].1),
            pulse: PULSE.map(|(exponent, most, _)| tilt(exponent, most)),
        }
    }

    /// The evidence of a frame and of the axes beside it.
    pub fn evidence(&self, x: &[f64], axes: &[Vec<f64>]) -> Evidence {
        let mut y = jumps::mend(x, &jumps::jumps(x, FS));
        level(&mut y);
        let left = residual(&y, axes);
        let [raw, left] = if let Some(left) = &left {
            simd::dispatch(Power { waves: &self.waves, signals: [&y, left] })
        } else {
            let [power] = simd::dispatch(Power { waves: &self.waves, signals: [&y] });
            [power.clone(), power]
        };
        let share = |power: &[f64]| {
            let tilted: Vec<f64> = power.iter().zip(&self.tilt).map(|(p, t)| p * t).collect();
            let sum = tilted.iter().sum::<f64>().max(f64::MIN_POSITIVE);
            tilted.into_iter().map(|p| p / sum).collect::<Vec<f64>>()
        };
        let (of_left, of_raw) = (share(&left), share(&raw));
        let mixed: Vec<f64> = of_left.iter().zip(&of_raw).map(|(l, r)| LEFT * l + (1.0 - LEFT) * r).collect();
        // rate and frequency k lie at RATES.0 + k
        let third = |k: usize| mixed.get(3 * k + 2 * RATES.0).copied().unwrap_or(0.0);
        let rate = |k: usize| {
            let (first, second) = (mixed[k], mixed[2 * k + RATES.0]);
            first + HARMONIC * second + IN_STEP * first.min(second).min(third(k))
        };
        let mut power: Vec<f64> = (0..COUNT).map(rate).collect();
        let mean = power.iter().sum::<f64>() / COUNT as f64;
        for p in &mut power {
            *p /= mean.max(f64::MIN_POSITIVE);
        }
        let at = (0..COUNT).max_by(|&a, &b| power[a].total_cmp(&power[b])).unwrap_or(0);
        let line = power[at.saturating_sub(LINE.0)..(at + LINE.0 + 1).min(COUNT)].iter().sum::<f64>() / COUNT as f64;
        let likely = |p: f64| line * (p + FLOOR).ln();
        let most = likely(power[at]);
        let rates = power.iter().map(|&p| likely(p) - most).collect();
        let rates_in = PLAIN.0 - RATES.0..=PLAIN.1 - RATES.0;
        let plain = rates_in.max_by(|&a, &b| raw[a].total_cmp(&raw[b])).unwrap_or(0);
        let above = |n: usize| combed(&left, &self.pulse[n], at) - PULSE[n].2;
        let pulse = (ODDS.0 * above(0).min(above(1))).clamp(-ODDS.1, ODDS.1);
        Evidence { power, rates, pulse, raw: plain }
    }
}

/// Power of signals at each frequency.
struct Power<'a, const N: usize> {
    waves: &'a [f32],
    signals: [&'a [f64]; N],
}

impl<const N: usize> simd::Kernel for Power<'_, N> {
    type Output = [Vec<f64>; N];

    #[inline(always)]
    fn run<const FMA: bool>(self) -> [Vec<f64>; N] {
        let mut sums = [[[0.0_f32; BINS]; 2]; N];
        for (n, wave) in self.waves.chunks_exact(2 * BINS).enumerate() {
            let (cos, sin) = wave.split_at(BINS);
            for (sum, y) in sums.iter_mut().zip(self.signals) {
                let (late, early) = (y[FRAME / 2 + n], y[FRAME / 2 - 1 - n]);
                let (even, odd) = ((late + early) as f32, (late - early) as f32);
                let [re, im] = sum;
                for (sum, c) in re.iter_mut().zip(cos) {
                    *sum += even * c;
                }
                for (sum, s) in im.iter_mut().zip(sin) {
                    *sum += odd * s;
                }
            }
        }
        sums.map(|[re, im]| re.iter().zip(im).map(|(a, b)| f64::from(a * a + b * b)).collect())
    }
}

/// Share of the power, times a tilt, near a rate, its double and its triple.
fn combed(power: &[f64], tilt: &[f64], rate: usize) -> f64 {
    let value = |k: usize| power[k] * tilt[k];
    let near = (1..=3).flat_map(|times| {
        let middle = times * (RATES.0 + rate) - RATES.0;
        middle.saturating_sub(LINE.1).min(BINS)..(middle + LINE.1 + 1).min(BINS)
    });
    near.map(value).sum::<f64>() / (0..BINS).map(value).sum::<f64>().max(f64::MIN_POSITIVE)
}

/// Takes mean and straight line off.
fn level(y: &mut [f64]) {
    let n = y.len() as f64;
    let mean = y.iter().sum::<f64>() / n;
    let place = |i: usize| i as f64 - (n - 1.0) / 2.0;
    let slope = y.iter().enumerate().map(|(i, v)| place(i) * v).sum::<f64>() / (n * (n * n - 1.0) / 12.0);
    for (i, v) in y.iter_mut().enumerate() {
        *v -= mean + slope * place(i);
    }
}

/// What ridge regression on the lagged axes leaves of a frame; none without axes that move.
fn residual(y: &[f64], axes: &[Vec<f64>]) -> Option<Vec<f64>> {
    let mut columns = Vec::with_capacity(axes.len() * LAGS.len());
    for axis in axes {
        let mut axis = axis.clone();
        level(&mut axis);
        let at = |i: usize, lag: isize| axis[(i as isize - lag).clamp(0, FRAME as isize - 1) as usize];
        columns.extend(LAGS.map(|lag| (0..FRAME).map(|i| at(i, lag)).collect::<Vec<f64>>()));
    }
    let (n, lags) = (columns.len(), LAGS.len());
    let mut gram = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            // a column is the one of a lag less, a sample later: so are products of two
            gram[i][j] = if i % lags == 0 || j % lags == 0 {
                dot(&columns[i], &columns[j])
            } else {
                gram[i - 1][j - 1] - columns[i - 1][FRAME - 1] * columns[j - 1][FRAME - 1]
                    + columns[i][0] * columns[j][0]
            };
        }
    }
    let power = (0..n).map(|i| gram[i][i]).sum::<f64>() / n.max(1) as f64;
    if power <= 0.0 {
        return None;
    }
    for (i, row) in gram.iter_mut().enumerate() {
        row[i] += RIDGE * power;
    }
    let weights = solve(gram, columns.iter().map(|column| dot(column, y)).collect());
    let mut left = y.to_vec();
    for (column, w) in columns.iter().zip(weights) {
        for (v, c) in left.iter_mut().zip(column) {
            *v -= w * c;
        }
    }
    Some(left)
}

/// Sum of products, four at a time, since each addition waits for the one before.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    for (a, b) in a.as_chunks::<4>().0.iter().zip(b.as_chunks::<4>().0) {
        for k in 0..4 {
            sums[k] += a[k] * b[k];
        }
    }
    sums.iter().sum()
}
