//! Where a QRS complex points furthest, to the sample of the input.

use super::envelope::Envelope;
use crate::simd;

/// Width of the Gaussian whose second derivative places the peak, in seconds: about that of an R wave with its slopes.
const SUMMIT_S: f64 = 0.02;
/// How far from the maximum of the envelope the peak may lie, in seconds: half of a wide complex.
const SUMMIT_REACH_S: f64 = 0.075;
/// No side of the kernel is longer, at any low rate: below 300 Hz 24 samples.
const SIDE: usize = 24;
/// Places that are looked at side by side, and room for all of them: below 300 Hz 47.
const WIDE: usize = 16;
const PLACES: usize = 3 * WIDE;
/// Room for the samples that placing a peak looks at.
const ROOM: usize = PLACES + 2 * SIDE;
/// An R wave counts this much more than a Q or S wave: where both are alike, annotators mark what points up.
const UPWARD: f32 = 1.07;

/// Where a QRS complex points furthest: the extremum of a wavelet as wide as the complex.
///
/// The signal's own extremum jumps between the R and the S of beats where both are alike; this does so less.
pub(super) struct Summit {
    /// One side of the second derivative of a Gaussian, its middle first.
    kernel: [f32; SIDE + 1],
    /// Samples of a side.
    side: usize,
    /// Samples to either side that are looked at.
    reach: usize,
}

impl Summit {
    /// At a rate in Hz.
    pub(super) fn new(fs: f64) -> Self {
        let time = |i: usize| i as f64 / fs / SUMMIT_S;
        // at four deviations the Gaussian has fallen to 3e-4 of its height
        let side = ((4.0 * SUMMIT_S * fs).ceil() as usize).min(SIDE);
        let mut kernel = [0.0; SIDE + 1];
        for (i, k) in kernel[..=side].iter_mut().enumerate() {
            *k = ((1.0 - time(i).powi(2)) * (-time(i).powi(2) / 2.0).exp()) as f32;
        }
        let mean = (kernel[0] + 2.0 * kernel[1..=side].iter().sum::<f32>()) / (2 * side + 1) as f32;
        for k in &mut kernel[..=side] {
            *k -= mean;
        }
        Self { kernel, side, reach: ((SUMMIT_REACH_S * fs).round() as usize).min(PLACES / 2 - 1) }
    }

    /// Sample of the input where the complex at a maximum of the envelope points furthest.
    pub(super) fn refine(&self, envelope: &Envelope, at: usize) -> i64 {
        let span = 2 * self.reach + 1;
        let (mut height, mut most) = ([0.0; PLACES], 0);
        for (lead, weight) in envelope.weighted(at) {
            // places begin one reach before the maximum, and what they look at one side before that
            let first = at as i64 - (self.reach + SIDE) as i64;
            let inside = usize::try_from(first).ok().and_then(|first| lead.low.get(first..)?.first_chunk());
            let own = if let Some(low) = inside {
                simd::dispatch(Even { low, summit: self })
            } else {
                let last = lead.low.len() as i64 - 1;
                let low = std::array::from_fn(|n| lead.low[(first + n as i64).clamp(0, last) as usize]);
                simd::dispatch(Even { low: &low, summit: self })
            };
            // The lead in which the complex is largest speaks for all.
            let largest = simd::dispatch(Largest { values: &own, span });
            let largest = (weight * f32::from_bits(largest)).to_bits();
            if largest > most {
                (height, most) = (own, largest);
            }
        }
        let best = simd::dispatch(Furthest { height: &height, span });
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

/// A symmetric filter; what it returns behind the places means nothing.
struct Even<'a> {
    low: &'a [f32; ROOM],
    summit: &'a Summit,
}

impl simd::Kernel for Even<'_> {
    type Output = [f32; PLACES];

    #[inline(always)]
    fn run<const FMA: bool>(self) -> [f32; PLACES] {
        let Self { low, summit: Summit { kernel, side, reach } } = self;
        let mut out = [0.0; PLACES];
        for (n, out) in out.as_chunks_mut::<WIDE>().0.iter_mut().enumerate() {
            if n * WIDE > 2 * reach {
                break;
            }
            // a length that the compiler knows: no offset has to be checked, and the sums stay in a register
            let Some(low) = low[n * WIDE..].first_chunk::<{ WIDE + 2 * SIDE }>() else { break };
            let mut sums = [0.0; WIDE];
            for i in 0..WIDE {
                sums[i] = kernel[0] * low[SIDE + i];
            }
            for k in 1..=(*side).min(SIDE) {
                for i in 0..WIDE {
                    sums[i] += kernel[k] * (low[SIDE + k + i] + low[SIDE - k + i]);
                }
            }
            *out = sums;
        }
        out
    }
}

/// The bits of the largest magnitude: numbers that are not negative stand in the order of their bits.
struct Largest<'a> {
    values: &'a [f32; PLACES],
    span: usize,
}

impl simd::Kernel for Largest<'_> {
    type Output = u32;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> u32 {
        let magnitudes: [u32; PLACES] =
            std::array::from_fn(|i| if i < self.span { self.values[i].abs().to_bits() } else { 0 });
        magnitudes.into_iter().fold(0, u32::max)
    }
}

/// The last place that points furthest, the first and the last of all left out.
struct Furthest<'a> {
    height: &'a [f32; PLACES],
    span: usize,
}

impl simd::Kernel for Furthest<'_> {
    type Output = usize;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> usize {
        let rank = |v: f32| (if v > 0.0 { v * UPWARD } else { -v }).to_bits().cast_signed();
        let inner = |i: usize| i >= 1 && i + 1 < self.span;
        let mut ranks = [i32::MIN; PLACES];
        for (i, (own, &v)) in ranks.iter_mut().zip(self.height).enumerate() {
            *own = if inner(i) { rank(v) } else { i32::MIN };
        }
        let highest = ranks.into_iter().fold(i32::MIN, i32::max);
        let mut best = 0;
        for (i, &own) in ranks.iter().enumerate() {
            best = best.max(if inner(i) && own == highest { i as u32 } else { 0 });
        }
        best as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lanes_place_what_plain_loops_place(
            low in prop::collection::vec(prop_oneof![-5.0_f32..5.0, Just(0.0), Just(1.0)], ROOM),
            fs in 50.0..300.0,
        ) {
            let summit = Summit::new(fs);
            let (low, span): (&[f32; ROOM], _) = (low.as_slice().try_into().unwrap(), 2 * summit.reach + 1);
            let height = simd::dispatch(Even { low, summit: &summit });
            for (i, &got) in height.iter().enumerate().take(span) {
                let mut wanted = summit.kernel[0] * low[SIDE + i];
                for k in 1..=summit.side {
                    wanted += summit.kernel[k] * (low[SIDE + i + k] + low[SIDE + i - k]);
                }
                prop_assert_eq!(got, wanted);
            }
            let largest = height[..span].iter().fold(0.0_f32, |most, v| most.max(v.abs()));
            prop_assert_eq!(f32::from_bits(simd::dispatch(Largest { values: &height, span })), largest);
            let rank = |&i: &usize| (if height[i] > 0.0 { height[i] * UPWARD } else { -height[i] }).to_bits().cast_signed();
            let wanted = (1..span - 1).max_by_key(rank).unwrap();
            prop_assert_eq!(simd::dispatch(Furthest { height: &height, span }), wanted);
        }
    }
}
