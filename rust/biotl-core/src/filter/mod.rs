//! Second-order sections run over leads: causal, or forward and backward for zero phase.

pub mod cascade;
pub mod design;
mod eight;
mod zerophase;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use crate::share::least;
use crate::simd::{Kernel, dispatch, dispatch_lanes};
use crate::{Error, Float, Result};
use cascade::{Cascade, State, TILE};
use design::Section;
use zerophase::ZeroPhase;

/// What a warm-up leaves of a wrong state, next to the state itself: a few roundings of the sums that a filter ends with.
const FORGOTTEN: f64 = 1e-14;

/// Runs `kernel(input, output)` over the leads of an array, in parallel.
///
/// # Errors
/// Whatever `kernel` returns first, in order of leads.
pub fn each_lead<T: Sync, U: Send>(
    x: &ArrayView2<T>,
    mut out: ArrayViewMut2<U>,
    kernel: impl Fn(&[T], &mut [U]) -> Result<()> + Sync,
) -> Result<()> {
    let run = |(lead, mut out): (ndarray::ArrayView1<T>, ndarray::ArrayViewMut1<U>)| match (
        lead.as_slice(),
        out.as_slice_mut(),
    ) {
        (Some(lead), Some(out)) => kernel(lead, out),
        _ => Err(Error::parameter("x", "strided leads", "contiguous leads")),
    };
    let leads: Vec<_> = x.axis_iter(Axis(0)).zip(out.axis_iter_mut(Axis(0))).collect();
    leads.into_par_iter().with_min_len(least(1)).map(run).collect::<Vec<_>>().into_iter().collect()
}

/// A lead filtered once, forward from rest, in parts of any length: to the bit what one long part gives.
#[derive(Debug, Clone)]
pub struct Causal {
    cascade: Cascade,
    state: State,
    /// Samples of the current tile that have been seen, so that tiles begin where they do in one long part.
    seen: usize,
}

impl Causal {
    /// A filter at rest.
    #[must_use]
    pub fn new(sections: &[Section]) -> Self {
        let cascade = Cascade::new(sections);
        Self { state: cascade.at_rest_on(0.0), cascade, seen: 0 }
    }

    /// Filters the next part of the lead; `stop` ends the work early.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the first sample at fault, counted from the start of this part; the filter is then as
    /// it was before.
    pub fn push<T: Float>(&mut self, x: &[T], stop: &AtomicBool, out: &mut [T]) -> Result<()> {
        let before = (self.state.clone(), self.seen);
        dispatch(Push { filter: self, stop, x, out });
        let checked = check(self.state.is_finite(), x);
        if checked.is_err() {
            (self.state, self.seen) = before;
        }
        checked
    }
}

struct Push<'a, T> {
    filter: &'a mut Causal,
    stop: &'a AtomicBool,
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> Kernel for Push<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Causal { cascade, state, seen } = self.filter;
        let mut tile = [0.0; TILE];
        let mut start = 0;
        while start < self.x.len() && !self.stop.load(Relaxed) {
            // only where a tile begins, or a stream would be silenced elsewhere than one long part
            if *seen == 0 {
                state.hush();
            }
            let len = (TILE - *seen).min(self.x.len() - start);
            let tile = &mut tile[..len];
            for (to, from) in tile.iter_mut().zip(&self.x[start..]) {
                *to = from.to_f64();
            }
            cascade.run::<FUSED, false>(state, tile);
            for (to, from) in self.out[start..].iter_mut().zip(&*tile) {
                *to = T::from_f64(*from);
            }
            start += len;
            *seen = (*seen + len) % TILE;
        }
    }
}

/// Filters one lead once, from a state at rest (`scipy.signal.sosfilt`); `stop` ends the work early.
///
/// # Errors
/// [`Error::NotFinite`] with the first sample at fault.
pub fn sosfilt<T: Float>(sections: &[Section], x: &[T], stop: &AtomicBool, out: &mut [T]) -> Result<()> {
    Causal::new(sections).push(x, stop, out)
}

/// Filters one lead forward and backward (`scipy.signal.sosfiltfilt`): odd extension at both ends, states begun at rest
/// on the first sample of each pass; `stop` ends the work early.
///
/// # Errors
/// [`Error::TooShort`] if the lead does not exceed the extension, [`Error::NotFinite`] with the first sample at fault.
pub fn sosfiltfilt<T: Float>(sections: &[Section], x: &[T], stop: &AtomicBool, out: &mut [T]) -> Result<()> {
    let (edge, n) = (padding(sections), x.len());
    if n == 0 {
        return Ok(());
    }
    if n <= edge {
        return Err(Error::TooShort { got: n, wanted: edge + 1 });
    }
    let cascade = Cascade::new(sections);
    check(dispatch_lanes(ZeroPhase { cascade: &cascade, stop, edge, warm_up: warm_up(sections), x, out }), x)
}

/// Samples that `SciPy` extends each end by: three times the number of taps.
#[must_use]
pub fn padding(sections: &[Section]) -> usize {
    // SciPy counts taps as of one transfer function, whose order zeros or poles at the origin lower
    let zeros = sections.iter().filter(|s| s.b[2] == 0.0).count();
    let poles = sections.iter().filter(|s| s.a[1] == 0.0).count();
    3 * (2 * sections.len() + 1 - zeros.min(poles))
}

/// Samples after which the response to a wrong state has fallen to `FORGOTTEN` of it, from the slowest pole; none if it
/// never does.
fn warm_up(sections: &[Section]) -> Option<usize> {
    let radius = |s: &Section| {
        let discriminant = s.a[0] * s.a[0] - 4.0 * s.a[1];
        if discriminant < 0.0 { s.a[1].sqrt() } else { f64::midpoint(s.a[0].abs(), discriminant.sqrt()) }
    };
    let slowest = sections.iter().map(radius).fold(0.0, f64::max);
    // a cascade of n equal poles grows like t^(n-1) before it falls
    let samples = (FORGOTTEN.ln() / slowest.ln()).ceil();
    let growth = samples.max(1.0).ln() * (sections.len() as f64) / -slowest.ln();
    (slowest < 1.0 && samples + growth < 1e12).then_some((samples + growth) as usize + 1)
}

/// Samples after which less than a thousandth of the impulse response (sum of magnitudes) is left.
#[must_use]
pub fn reach(sections: &[Section]) -> usize {
    let cascade = Cascade::new(sections);
    let mut state = cascade.at_rest_on(0.0);
    let (mut response, mut total): (Vec<f64>, f64) = (Vec::new(), 0.0);
    loop {
        let mut tile = [0.0; TILE];
        tile[0] = f64::from(u8::from(response.is_empty()));
        cascade.run::<false, false>(&mut state, &mut tile);
        let part: f64 = tile.iter().map(|h| h.abs()).sum();
        total += part;
        response.extend(tile.map(f64::abs));
        // a filter that rings for 2^24 samples covers every signal
        if part < 1e-6 * total || response.len() >= 1 << 24 {
            break;
        }
    }
    let mut left = 0.0;
    let tail = response.iter().rev().take_while(|h| {
        left += **h;
        left < 1e-3 * total
    });
    response.len() - tail.count()
}

/// Turns what the states saw into an error with the numbers.
pub(crate) fn check<T: Float>(finite: bool, x: &[T]) -> Result<()> {
    if finite {
        return Ok(());
    }
    match x.iter().position(|v| !v.finite()) {
        Some(index) => Err(Error::NotFinite { index, value: x[index].to_f64() }),
        None => Err(Error::parameter("x", "samples whose filtered values overflow", "smaller samples")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::design::{Band, Kind, design};
    use super::*;

    static GO: AtomicBool = AtomicBool::new(false);

    /// Transposed direct form II, section after section.
    fn plainly(sections: &[Section], x: &[f64]) -> Vec<f64> {
        let mut y = x.to_vec();
        for s in sections {
            let mut z = [0.0; 2];
            for v in &mut y {
                let out = s.b[0] * *v + z[0];
                z = [s.b[1] * *v - s.a[0] * out + z[1], s.b[2] * *v - s.a[1] * out];
                *v = out;
            }
        }
        y
    }

    proptest! {
        #[test]
        fn a_cascade_is_its_sections_in_turn(x in prop::collection::vec(-1e3..1e3, 0..2000), order in 1usize..9) {
            for band in [Band::Low(40.0), Band::High(5.0), Band::Pass(5.0, 40.0), Band::Stop(50.0, 60.0)] {
                let sections = design(order, Kind::Butterworth, band, 360.0).unwrap();
                let mut got = vec![0.0; x.len()];
                sosfilt(&sections, &x, &GO, &mut got).unwrap();
                let wanted = plainly(&sections, &x);
                let most = wanted.iter().fold(1e-3, |most: f64, v| most.max(v.abs()));
                for (got, wanted) in got.iter().zip(wanted) {
                    prop_assert!((got - wanted).abs() <= 1e-9 * most, "{got} {wanted}");
                }
            }
        }

        #[test]
        fn no_samples_make_a_filter_panic(x in prop::collection::vec(any::<f64>(), 0..300), order in 1usize..9) {
            let sections = design(order, Kind::Butterworth, Band::Pass(5.0, 40.0), 360.0).unwrap();
            let mut out = vec![0.0; x.len()];
            let finite = x.iter().all(|v| v.is_finite());
            let result = sosfiltfilt(&sections, &x, &GO, &mut out);
            prop_assert!(finite || result.is_err());
            prop_assert_eq!(result.is_ok(), result.is_ok() && out.iter().all(|v| v.is_finite()));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn eight_blocks_are_the_lead_in_one_piece(
            n in 1_000usize..12_000,
            seed in any::<u32>(),
            order in 1usize..7,
            band in prop::sample::select(vec![Band::Low(40.0), Band::High(9.0), Band::Pass(9.0, 40.0), Band::Stop(50.0, 60.0)]),
        ) {
            let sections = design(order, Kind::Butterworth, band, 360.0).unwrap();
            let noise = |i: usize| f64::from((i as u32 ^ seed).wrapping_mul(0x9E37_79B9).rotate_left(13) >> 16);
            let x: Vec<f64> = (0..n).map(noise).collect();
            let small: Vec<f32> = x.iter().map(|&v| v as f32).collect();
            let (mut blocks, mut piece, mut floats) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
            sosfiltfilt(&sections, &x, &GO, &mut blocks).unwrap();
            sosfiltfilt(&sections, &small, &GO, &mut floats).unwrap();
            let (cascade, edge) = (Cascade::new(&sections), padding(&sections));
            let alone = ZeroPhase { cascade: &cascade, stop: &GO, edge, warm_up: None, x: &x, out: &mut piece };
            prop_assert!(dispatch_lanes(alone));
            for i in 0..n {
                prop_assert!((blocks[i] - piece[i]).abs() < 65_536.0 * 1e-12, "{} {}", blocks[i], piece[i]);
                prop_assert!((f64::from(floats[i]) - piece[i]).abs() < 65_536.0 * 1e-6, "{} {}", floats[i], piece[i]);
            }
        }
    }

    #[test]
    fn a_sample_that_is_not_finite_is_found_in_any_block() {
        let sections = design(4, Kind::Butterworth, Band::Stop(50.0, 60.0), 360.0).unwrap();
        let mut x: Vec<f64> = (0..60_000).map(|i| f64::from(i % 100)).collect();
        let mut out = vec![0.0; x.len()];
        for index in [0, 14_999, 15_000, 31_234, 59_999] {
            let kept = std::mem::replace(&mut x[index], f64::INFINITY);
            let error = sosfiltfilt(&sections, &x, &GO, &mut out).unwrap_err();
            assert_eq!(error, Error::NotFinite { index, value: f64::INFINITY });
            x[index] = kept;
        }
        sosfiltfilt(&sections, &x, &GO, &mut out).unwrap();
    }
}
