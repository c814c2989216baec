//! The anti-aliasing filter: a windowed sinc, as `scipy.signal.resample_poly` takes by default.

use std::f64::consts::PI;

/// Taps for a ratio of rates in lowest terms: ten zero crossings to either side under a Kaiser window of 5.
pub fn design(up: usize, down: usize) -> Vec<f64> {
    let rate = up.max(down);
    let half = 10 * rate;
    let window = |i: usize| {
        let t = (i as f64 - half as f64) / half as f64;
        bessel_i0(5.0 * (1.0 - t * t).max(0.0).sqrt())
    };
    let sinc = |i: usize| {
        let t = PI * (i as f64 - half as f64) / rate as f64;
        if t == 0.0 { 1.0 } else { t.sin() / t }
    };
    let mut taps: Vec<f64> = (0..=half).map(|i| sinc(i) * window(i)).collect();
    taps.extend_from_within(..half);
    taps[half + 1..].reverse();
    let gain = up as f64 / taps.iter().sum::<f64>();
    taps.into_iter().map(|tap| tap * gain).collect()
}

/// Modified Bessel function of the first kind, order 0, by its power series; `x` up to about 20.
fn bessel_i0(x: f64) -> f64 {
    let (mut term, mut sum, mut k, quarter) = (1.0, 1.0, 1.0, x * x / 4.0);
    while term > sum * 1e-18 {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}
