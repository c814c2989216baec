//! The wavelet pair: first and second derivative of a Gaussian.

use crate::simd;

/// Width of the Gaussian whose derivatives are the wavelets, in seconds: they pass 8 to 25 Hz, where QRS stands out.
const SIGMA_S: f64 = 0.010;
/// Outputs filtered at a time, so that they stay in the first cache.
const TILE: usize = 256;
/// Outputs whose sums stay in registers: two of 64 bytes for either part.
const WIDE: usize = 32;
/// No wavelet reaches further than this, in samples: the low rate is below 300 Hz.
const REACH: usize = 12;

/// One side of the first and second derivative of a Gaussian; the even one, whose middle comes first, sums to zero.
pub fn wavelets(fs: f64) -> (Vec<f32>, Vec<f32>) {
    // beyond four deviations the Gaussian is below 4e-4 of its height
    let reach = (4.0 * SIGMA_S * fs).ceil() as usize;
    let time = |i: usize| i as f64 / fs / SIGMA_S;
    let gauss = |i: usize| (-time(i).powi(2) / 2.0).exp();
    let odd: Vec<f64> = (1..=reach).map(|i| time(i) * gauss(i)).collect();
    let mut even: Vec<f64> = (0..=reach).map(|i| (1.0 - time(i).powi(2)) * gauss(i)).collect();
    // a cut and sampled wavelet no longer sums to zero, and drift would come through
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
        let (kernels, reach, n) = ((self.odd, self.even), self.odd.len(), self.low.len());
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
            let (norms, norm) = norm.as_chunks_mut::<WIDE>();
            let (wides, evens) = evens.as_chunks_mut::<WIDE>();
            for (n, (norm, evens)) in norms.iter_mut().zip(wides).enumerate() {
                let (mut odd, mut even) = ([0.0; WIDE], [0.0; WIDE]);
                sums(kernels, &source[n * WIDE..], &mut odd, &mut even);
                for i in 0..WIDE {
                    norm[i] = (odd[i] * odd[i] + even[i] * even[i]).sqrt();
                }
                *evens = even;
            }
            let mut odd = [0.0; WIDE];
            let odd = &mut odd[..norm.len()];
            sums(kernels, &source[norms.len() * WIDE..], odd, evens);
            for ((norm, &o), &e) in norm.iter_mut().zip(&*odd).zip(&*evens) {
                *norm = (o * o + e * e).sqrt();
            }
        }
    }
}

/// Both parts at some places, of samples that begin one reach before the first; always in the same order.
#[inline(always)]
fn sums(kernels: (&[f32], &[f32]), source: &[f32], odd: &mut [f32], even: &mut [f32]) {
    let (reach, n) = (kernels.0.len(), odd.len());
    for ((o, e), &m) in odd.iter_mut().zip(even.iter_mut()).zip(&source[reach..]) {
        *o = 0.0;
        *e = kernels.1[0] * m;
    }
    for k in 1..=reach {
        let (ko, ke) = (kernels.0[k - 1], kernels.1[k]);
        let (before, after) = (&source[reach - k..][..n], &source[reach + k..][..n]);
        for (((o, e), &a), &b) in odd.iter_mut().zip(even.iter_mut()).zip(after).zip(before) {
            *o += ko * (a - b);
            *e += ke * (a + b);
        }
    }
}
