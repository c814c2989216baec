//! Rational resampling through an anti-aliasing filter, polyphase.

use std::f64::consts::PI;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::{Error, Float, Result};

/// A ratio of rates in lowest terms with its filter.
#[derive(Debug, Clone)]
pub struct Resampler {
    up: usize,
    down: usize,
    half: usize,
    taps: Vec<f64>,
}

impl Resampler {
    /// The filter that `scipy.signal.resample_poly` designs by default: a sinc of ten zero crossings a side under a Kaiser
    /// window of beta 5 (Kaiser 1974), unit gain at zero frequency.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a factor is zero or the filter would be too long to hold.
    pub fn new(up: usize, down: usize) -> Result<Self> {
        let divisor = gcd(up, down);
        if up == 0 || down == 0 || up.max(down) / divisor > 1_000_000 {
            return Err(Error::parameter("fs_new", format!("{up}/{down} of fs"), "a ratio of integers below 1000000"));
        }
        let (up, down) = (up / divisor, down / divisor);
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
        let mut taps: Vec<f64> = (0..=2 * half).map(|i| sinc(i) * window(i)).collect();
        let gain = up as f64 / taps.iter().sum::<f64>();
        for t in &mut taps {
            *t *= gain;
        }
        Ok(Self { up, down, half, taps })
    }

    /// Samples out for `n` samples in.
    #[must_use]
    pub fn len(&self, n: usize) -> usize {
        (n * self.up).div_ceil(self.down)
    }

    /// Resamples one lead, zeros beyond its ends; `stop` ends the work early.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the first sample at fault.
    pub fn run<T: Float>(&self, x: &[T], stop: &AtomicBool, out: &mut [T]) -> Result<()> {
        if let Some(index) = x.iter().position(|v| !v.to_f64().is_finite()) {
            return Err(Error::NotFinite { index, value: x[index].to_f64() });
        }
        if self.up == self.down {
            out.copy_from_slice(x);
            return Ok(());
        }
        for (j, y) in out.iter_mut().enumerate().take_while(|_| !stop.load(Relaxed)) {
            // output j lies at j * down on the grid of up; input k at k * up
            let centre = j * self.down;
            let first = centre.saturating_sub(self.half).div_ceil(self.up);
            let last = ((centre + self.half) / self.up).min(x.len().saturating_sub(1));
            let sum: f64 = (first..=last).map(|k| x[k].to_f64() * self.taps[centre + self.half - k * self.up]).sum();
            *y = T::from_f64(sum);
        }
        Ok(())
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

/// Modified Bessel function of the first kind, order 0, by its power series; `x` up to about 20.
fn bessel_i0(x: f64) -> f64 {
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-18 {
        term *= (x / (2.0 * k)).powi(2);
        sum += term;
        k += 1.0;
    }
    sum
}
