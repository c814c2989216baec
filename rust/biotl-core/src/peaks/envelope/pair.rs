//! The wavelet pair: first and second derivative of a Gaussian.

use crate::simd;

/// Width of the Gaussian whose derivatives are the wavelets, in seconds.
const SIGMA_S: f64 = 0.010;
/// Outputs filtered at a time, so that they stay in the first cache.
const TILE: usize = 256;
/// No wavelet reaches further than this, in samples: the low rate is below 300 Hz.
const REACH: usize = 12;

/// One side of the first and second derivative of a Gaussian; the even one, whose middle comes first, sums to zero.
pub fn wavelets(fs: f64) -> (Vec<f32>, Vec<f32>) {
    let reach = (4.0 * SIGMA_S * fs).ceil() as usize;
    let time = |i: usize| i as f64 / fs / SIGMA_S;
    let gauss = |i: usize| (-time(i).powi(2) / 2.0).exp();
    let odd: Vec<f64> = (1..=reach).map(|i| time(i) * gauss(i)).collect();
    let mut even: Vec<f64> = (0..=reach).map(|i| (1.0 - time(i).powi(2)) * gauss(i)).collect();
    let mean = (even[0] + 2.0 * even[1..].iter().sum::<f64>()) / (2 * reach + 1) as f64;
    for v in &mut even {
        *v -= mean;
    }
    let odd_norm = (2.0 * odd.iter().map(|v| v * v).sum::<f64>()).sqrt();
    let even_norm = (even[0].powi(2) + 2.0 * even[1..].iter().map(|v| v * v).sum::<f64>()).sqrt();
    let scaled = |kernel: Vec<f64>, norm: f64| kernel.into_iter().map(|v| (v / norm) as f32).collect();
    (scaled(odd, odd_norm), scaled(even, even_norm))
}

/// The norm of both parts, and the even part; the signal goes on for ever as it begins and ends.
pub struct Pair<'a> {
    pub low: &'a [f32],
    pub odd: &'a [f32],
    pub even: &'a [f32],
    /// Where to begin.
    pub from: usize,
    pub norm: &'a mut [f32],
    pub evens: &'a mut [f32],
}

impl simd::Kernel for Pair<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let (reach, n) = (self.odd.len(), self.low.len());
        let mut padded = [0.0; TILE + 2 * REACH];
        let padded = &mut padded[..TILE + 2 * reach];
        let norms = self.norm[self.from..].chunks_mut(TILE);
        for (tile, (norm, evens)) in norms.zip(self.evens[self.from..].chunks_mut(TILE)).enumerate() {
            let start = self.from + tile * TILE;
            let source = if start >= reach && start + norm.len() + reach <= n {
                &self.low[start - reach..][..norm.len() + 2 * reach]
            } else {
                for (k, p) in padded.iter_mut().enumerate() {
                    *p = self.low[(start + k).saturating_sub(reach).min(n - 1)];
                }
                &*padded
            };
            for ((o, e), &m) in norm.iter_mut().zip(evens.iter_mut()).zip(&source[reach..]) {
                *o = 0.0;
                *e = self.even[0] * m;
            }
            for k in 1..=reach {
                let (ko, ke) = (self.odd[k - 1], self.even[k]);
                let before = &source[reach - k..][..norm.len()];
                let after = &source[reach + k..][..norm.len()];
                for (((o, e), &a), &b) in norm.iter_mut().zip(evens.iter_mut()).zip(after).zip(before) {
                    *o += ko * (a - b);
                    *e += ke * (a + b);
                }
            }
            for (o, &e) in norm.iter_mut().zip(evens.iter()) {
                *o = (*o * *o + e * e).sqrt();
            }
        }
    }
}
