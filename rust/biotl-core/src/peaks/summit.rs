//! Where a QRS complex points furthest, to the sample of the input.

use super::envelope::Envelope;
use crate::simd;

/// Width of the Gaussian whose second derivative places the peak, in seconds: about that of an R wave with its slopes.
const SUMMIT_S: f64 = 0.02;
/// How far from the maximum of the envelope the peak may lie, in seconds: half of a wide complex.
const SUMMIT_REACH_S: f64 = 0.075;
/// Room for the samples that placing a peak looks at, at any low rate: at 300 Hz 24 to either side of 48.
const ROOM: usize = 96;
/// Places that are looked at side by side.
const WIDE: usize = 16;
/// An R wave counts this much more than a Q or S wave: where both are alike, annotators mark what points up.
const UPWARD: f32 = 1.07;

/// Where a QRS complex points furthest: the extremum of a wavelet as wide as the complex.
///
/// The signal's own extremum jumps between the R and the S of beats where both are alike; this does so less.
pub(super) struct Summit {
    /// One side of the second derivative of a Gaussian, its middle first.
    kernel: Vec<f32>,
    /// Samples to either side that are looked at.
    reach: usize,
}

impl Summit {
    /// At a rate in Hz.
    pub(super) fn new(fs: f64) -> Self {
        let time = |i: usize| i as f64 / fs / SUMMIT_S;
        let side = (4.0 * SUMMIT_S * fs).ceil() as usize;
        let mut kernel: Vec<f32> =
            (0..=side).map(|i| ((1.0 - time(i).powi(2)) * (-time(i).powi(2) / 2.0).exp()) as f32).collect();
        let mean = (kernel[0] + 2.0 * kernel[1..].iter().sum::<f32>()) / (2 * side + 1) as f32;
        for k in &mut kernel {
            *k -= mean;
        }
        Self { kernel, reach: (SUMMIT_REACH_S * fs).round() as usize }
    }

    /// Sample of the input where the complex at a maximum of the envelope points furthest.
    pub(super) fn refine(&self, envelope: &Envelope, at: usize) -> i64 {
        let side = self.kernel.len() - 1;
        let (mut low, span) = ([0.0_f32; ROOM], 2 * self.reach + 1);
        let (mut own, mut height) = (low, low);
        let mut most = 0.0;
        for (lead, weight) in envelope.weighted(at) {
            let last = lead.low.len() as i64 - 1;
            let from = at as i64 - (self.reach + side) as i64;
            let width = span + 2 * side;
            if from >= 0 && from + width as i64 <= lead.low.len() as i64 {
                low[..width].copy_from_slice(&lead.low[from as usize..][..width]);
            } else {
                for (n, v) in low[..width].iter_mut().enumerate() {
                    *v = lead.low[(from + n as i64).clamp(0, last) as usize];
                }
            }
            simd::dispatch(Even { low: &low, kernel: &self.kernel, span, out: &mut own });
            // The lead in which the complex is largest speaks for all.
            let largest = weight * own[..span].iter().fold(0.0_f32, |m, v| m.max(v.abs()));
            if largest > most {
                most = largest;
                height = own;
            }
        }
        let height = &height[..span];
        // numbers that are not negative stand in the order of their bits
        let rank = |v: f32| (if v > 0.0 { v * UPWARD } else { -v }).to_bits().cast_signed();
        let (mut best, mut highest) = (self.reach, i32::MIN);
        for (i, &v) in height.iter().enumerate().take(height.len() - 1).skip(1) {
            if rank(v) >= highest {
                (best, highest) = (i, rank(v));
            }
        }
        let (a, b, c) = (height[best - 1], height[best], height[best + 1]);
        // the vertex of the parabola through three points: the low rate is coarser than a mark should be
        let curve = a - 2.0 * b + c;
        let part = if curve.abs() > 0.0 { (0.5 * (a - c) / curve).clamp(-0.5, 0.5) } else { 0.0 };
        // the middle of an average is where it stands, half a step minus half a sample after its first
        let low = at as f64 + best as f64 - self.reach as f64 + f64::from(part);
        let sample = ((low + 0.5) * envelope.step as f64 - 0.5).round();
        sample.clamp(0.0, (envelope.value.len() * envelope.step - 1) as f64) as i64
    }
}

/// A symmetric filter, one side of its kernel given; what it puts behind `span` means nothing.
struct Even<'a> {
    low: &'a [f32; ROOM],
    kernel: &'a [f32],
    span: usize,
    out: &'a mut [f32; ROOM],
}

impl simd::Kernel for Even<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let side = self.kernel.len() - 1;
        for (n, out) in self.out.as_chunks_mut::<WIDE>().0[..self.span.div_ceil(WIDE)].iter_mut().enumerate() {
            let at = |offset: usize| &self.low[n * WIDE + offset..][..WIDE];
            // the sums stay in a register
            let mut sums = [0.0; WIDE];
            for (h, &v) in sums.iter_mut().zip(at(side)) {
                *h = self.kernel[0] * v;
            }
            for (k, &c) in self.kernel.iter().enumerate().skip(1) {
                for ((h, &a), &b) in sums.iter_mut().zip(at(side + k)).zip(at(side - k)) {
                    *h += c * (a + b);
                }
            }
            *out = sums;
        }
    }
}
