//! The wavelet pair: first and second derivative of a Gaussian.

use crate::simd;

/// Width of the Gaussian whose derivatives are the wavelets, in seconds: they pass 8 to 25 Hz, where QRS stands out.
const SIGMA_S: f64 = 0.010;
/// Outputs whose sums stay in registers: one of 64 bytes for either part.
const WIDE: usize = 16;
/// No wavelet reaches further than this, in samples: the low rate is below 300 Hz.
const REACH: usize = 12;
/// Samples that some outputs look at, at any rate: with a length that the compiler knows no offset has to be checked.
type Window = [f32; WIDE + 2 * REACH];
/// One side of a wavelet, its middle first, and room up to the longest.
type Side = [f32; REACH + 1];

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
        let (mut odd, mut even) = ([0.0; REACH + 1], [0.0; REACH + 1]);
        let reach = self.odd.len().min(REACH);
        odd[1..=reach].copy_from_slice(&self.odd[..reach]);
        even[..=reach].copy_from_slice(&self.even[..=reach]);
        let sides = (&odd, &even, reach);
        let (norms, last_norms) = self.norm[self.from..].as_chunks_mut::<WIDE>();
        let (wides, last_evens) = self.evens[self.from..].as_chunks_mut::<WIDE>();
        let rest = self.from + norms.len() * WIDE;
        for (block, (norm, evens)) in norms.iter_mut().zip(wides).enumerate() {
            (*norm, *evens) = pair(self.low, self.from + block * WIDE, sides);
        }
        if !last_norms.is_empty() {
            let (norm, evens) = pair(self.low, rest, sides);
            last_norms.copy_from_slice(&norm[..last_norms.len()]);
            last_evens.copy_from_slice(&evens[..last_evens.len()]);
        }
    }
}

/// The norm and the even part from a place on. No closure: it would be compiled for the narrowest instruction set.
#[inline(always)]
fn pair(low: &[f32], start: usize, sides: (&Side, &Side, usize)) -> ([f32; WIDE], [f32; WIDE]) {
    if let Some(window) = start.checked_sub(REACH).and_then(|first| low[first..].first_chunk()) {
        inside(window, sides)
    } else {
        let mut window = [0.0; WIDE + 2 * REACH];
        for (k, v) in window.iter_mut().enumerate() {
            *v = low[(start + k).saturating_sub(REACH).min(low.len() - 1)];
        }
        inside(&window, sides)
    }
}

/// The norm and the even part at the places in the middle of a window; the sums always in the same order.
#[inline(always)]
fn inside(window: &Window, (odd, even, reach): (&Side, &Side, usize)) -> ([f32; WIDE], [f32; WIDE]) {
    let (mut o, mut e) = ([0.0; WIDE], [0.0; WIDE]);
    for i in 0..WIDE {
        e[i] = even[0] * window[REACH + i];
    }
    for k in 1..=reach.min(REACH) {
        // a loop each: one of both would be too long to be unrolled into registers
        for i in 0..WIDE {
            o[i] += odd[k] * (window[REACH + k + i] - window[REACH - k + i]);
        }
        for i in 0..WIDE {
            e[i] += even[k] * (window[REACH + k + i] + window[REACH - k + i]);
        }
    }
    for i in 0..WIDE {
        o[i] = (o[i] * o[i] + e[i] * e[i]).sqrt();
    }
    (o, e)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_pair_is_two_sums_of_products(low in prop::collection::vec(-5.0_f32..5.0, 1..100), fs in 50.0..300.0, from in 0_usize..40) {
            let (odd, even) = wavelets(fs);
            let (n, from) = (low.len(), from.min(low.len()));
            let (mut norm, mut evens) = (vec![0.0; n], vec![0.0; n]);
            simd::dispatch(Pair { low: &low, odd: &odd, even: &even, from, norm: &mut norm, evens: &mut evens });
            for i in from..n {
                let at = |k: i64| low[(i as i64 + k).clamp(0, n as i64 - 1) as usize];
                let (mut o, mut e) = (0.0, even[0] * at(0));
                for k in 1..=odd.len() {
                    o += odd[k - 1] * (at(k as i64) - at(-(k as i64)));
                    e += even[k] * (at(k as i64) + at(-(k as i64)));
                }
                prop_assert_eq!((norm[i], evens[i]), ((o * o + e * e).sqrt(), e));
            }
        }
    }
}
