//! Rational resampling through an anti-aliasing filter, polyphase: whole signals, or a stream in parts.

mod beyond;
mod stream;
mod taps;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::filter::check;
use crate::simd::{LaneKernel, Lanes, Wide, dispatch_lanes, prefetch};
use crate::{Error, Float, Result};
pub use beyond::Beyond;
pub use stream::Stream;
use taps::design;

/// Outputs of one phase that share its taps, in two times four lanes.
const LANES: usize = 8;

/// One sample of each lane, on a cache line of its own: a load across two lines costs double.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Aligned([[f64; 4]; 2]);

/// A ratio of rates in lowest terms, with a row of taps for each phase between two input samples.
#[derive(Debug, Clone)]
pub struct Resampler {
    up: usize,
    down: usize,
    /// Taps of a phase.
    length: usize,
    /// Phases that share the samples they read, and so a row.
    shared: usize,
    /// For each row, sample by sample from the first one of its first phase on, the tap of each of its phases.
    rows: Vec<f64>,
    /// Samples of a row, an even number.
    width: usize,
    /// First input sample of each phase, less the input sample of output 0.
    first: Vec<isize>,
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
            return Err(Error::parameter("fs_new", format!("{up}/{down} of fs"), "a ratio of integers up to 1000000"));
        }
        let (up, down) = (up / divisor, down / divisor);
        let taps = design(up, down);
        let half = (taps.len() / 2) as isize;
        let (step, jump) = (up as isize, down as isize);
        // output j lies at j * down on the grid of up, input k at k * up
        let first: Vec<isize> = (0..step).map(|phase| -((half - phase * jump).div_euclid(step))).collect();
        let length = taps.len().div_ceil(up);
        // as few phases as possible are added to fill the last row
        let shared = [5, 4, 2].into_iter().min_by_key(|&shared| up.next_multiple_of(shared)).unwrap_or(2);
        // those of one row begin apart
        let spread = first.chunks(shared).map(|shared| shared[shared.len() - 1] - shared[0]).max().unwrap_or(0);
        let width = (length + spread as usize).next_multiple_of(2);
        let tap = &|phase: usize, sample: isize| {
            let at = phase as isize * jump + half - sample * step;
            usize::try_from(at).ok().filter(|_| phase < up).and_then(|at| taps.get(at)).copied().unwrap_or(0.0)
        };
        let row = |phase: usize| {
            let begin = first[phase];
            let sample = move |sample: isize| (phase..phase + shared).map(move |phase| tap(phase, sample));
            (begin..begin + width as isize).flat_map(sample)
        };
        let rows = (0..up).step_by(shared).flat_map(row).collect();
        Ok(Self { up, down, length, shared, rows, width, first })
    }

    /// Samples out for `n` samples in.
    #[must_use]
    pub fn len_out(&self, n: usize) -> usize {
        (n * self.up).div_ceil(self.down)
    }

    /// Input sample that output `j` begins at.
    fn start(&self, j: usize) -> isize {
        (j / self.up * self.down) as isize + self.first[j % self.up]
    }

    /// Resamples one lead; `stop` ends the work early.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the first sample at fault.
    pub fn run<T: Float>(&self, x: &[T], beyond: Beyond, stop: &AtomicBool, out: &mut [T]) -> Result<()> {
        if self.up == self.down {
            out.copy_from_slice(x);
        } else {
            dispatch_lanes(Outputs { resampler: self, x, beyond, origin: 0, first: 0, stop, out });
        }
        check(out.iter().fold(true, |finite, y| finite & y.finite()), x)
    }
}

/// Outputs `first..` from samples `origin..` of a lead; those before and after them go on as `beyond` says.
struct Outputs<'a, T> {
    resampler: &'a Resampler,
    x: &'a [T],
    beyond: Beyond,
    origin: isize,
    first: usize,
    stop: &'a AtomicBool,
    out: &'a mut [T],
}

impl<T: Float> LaneKernel for Outputs<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes, W: Wide, const FMA: bool>(self) {
        // sums enough that none need wait for the addition before it, and no more than there are registers
        match self.resampler.shared {
            5 => self.rounds::<V, 5, 1>(),
            4 => self.rounds::<V, 4, 1>(),
            _ => self.rounds::<V, 2, 2>(),
        }
    }
}

impl<T: Float> Outputs<'_, T> {
    /// Every output, from rows of `SHARED` phases, in rounds: a round is every phase of as many periods as there are
    /// lanes, begun at phase 0. What lies over the ends of signal or outputs goes through a copy.
    #[inline(always)]
    fn rounds<V: Lanes, const SHARED: usize, const CHAINS: usize>(self) {
        let Self { resampler, x, beyond, origin, first, stop, out } = self;
        let Resampler { up, down, width, .. } = *resampler;
        let lowest = resampler.first.iter().copied().min().unwrap_or(0);
        let reach = (down + width).next_multiple_of(4);
        let (samples, outputs) = ((LANES - 1) * down + reach, LANES * up);
        let (mut some_x, mut some_out) = (vec![T::default(); samples], vec![T::default(); outputs]);
        let mut lanes = vec![Aligned([[0.0; 4]; 2]); reach];
        let mut start = first / up * up;
        while start < first + out.len() && !stop.load(Relaxed) {
            let from = (start / up * down) as isize + lowest - origin;
            let inside = usize::try_from(from).ok().and_then(|from| x.get(from..from + samples));
            side_by_side::<V, T>(inside.unwrap_or_else(|| around(x, from, beyond, &mut some_x)), down, &mut lanes);

            let whole = start.checked_sub(first).filter(|at| at + outputs <= out.len());
            // the samples of the next round that this one has not read, some for each row
            let new = usize::try_from(from).ok().and_then(|from| x.get(from + samples..)).unwrap_or_default();
            let some = (LANES * down).div_ceil(up.div_ceil(SHARED));
            // of a long period a short part needs few phases
            let begin = first.saturating_sub(start);
            let asked = (first + out.len() - start).saturating_sub(begin);
            let needed = |phase: usize| asked >= up || (phase + up - begin % up) % up < asked;
            let made = whole.map_or(&mut some_out[..], |at| &mut out[at..at + outputs]);
            for (row, taps) in resampler.rows.chunks_exact(width * SHARED).enumerate() {
                let phase = SHARED * row;
                if !(phase..phase + SHARED).any(needed) {
                    continue;
                }
                prefetch(new.get(row * some..(row + 1) * some).unwrap_or_default());
                let lanes = &lanes[(resampler.first[phase] - lowest) as usize..][..width];
                let sums = dot::<V, SHARED, CHAINS>(taps.as_chunks().0, lanes);
                for (phase, sums) in (phase..up).zip(sums) {
                    for (lane, sum) in sums.as_flattened().iter().enumerate() {
                        made[lane * up + phase] = T::from_f64(*sum);
                    }
                }
            }
            if whole.is_none() {
                let (skipped, at) = (first.saturating_sub(start), start.saturating_sub(first));
                out[at..].iter_mut().zip(&some_out[skipped..]).for_each(|(to, y)| *to = *y);
            }
            start += outputs;
        }
    }
}

/// As many samples as `into` holds from `from` on, those that `x` has not as `beyond` says: a line of one
/// sample is level.
fn around<'a, T: Float>(x: &[T], from: isize, beyond: Beyond, into: &'a mut [T]) -> &'a [T] {
    let (first, last) = (x.first().map_or(0.0, |v| v.to_f64()), x.last().map_or(0.0, |v| v.to_f64()));
    let slope = if beyond == Beyond::Line && x.len() > 1 { (last - first) / (x.len() - 1) as f64 } else { 0.0 };
    let start = if beyond == Beyond::Line { first } else { 0.0 };
    for (at, v) in (from..).zip(&mut *into) {
        *v = beyond.stands(at, x.len()).map_or(T::from_f64(start + slope * at as f64), |at| x[at]);
    }
    into
}

/// Lane `k` becomes the samples from `k * down` on.
#[inline(always)]
fn side_by_side<V: Lanes, T: Float>(samples: &[T], down: usize, lanes: &mut [Aligned]) {
    for half in 0..2 {
        let first = 4 * half;
        let [a, b, c, d] = [0, 1, 2, 3].map(|k| samples[(first + k) * down..][..lanes.len()].as_chunks::<4>().0);
        for ((((&a, &b), &c), &d), to) in a.iter().zip(b).zip(c).zip(d).zip(lanes.as_chunks_mut::<4>().0) {
            let columns = V::transpose([T::to_lanes(a), T::to_lanes(b), T::to_lanes(c), T::to_lanes(d)]);
            for k in 0..4 {
                to[k].0[half] = columns[k].to_array();
            }
        }
    }
}

/// For each phase of a row the sum of products of its taps with each lane, summed in `CHAINS` parts.
#[inline(always)]
fn dot<V: Lanes, const SHARED: usize, const CHAINS: usize>(
    row: &[[f64; SHARED]],
    lanes: &[Aligned],
) -> [[[f64; 4]; 2]; SHARED] {
    // loops rather than closures, for the sake of the instruction set
    let mut sums = [[[V::splat(0.0); 2]; SHARED]; CHAINS];
    for (taps, lanes) in row.as_chunks::<CHAINS>().0.iter().zip(lanes.as_chunks::<CHAINS>().0) {
        for chain in 0..CHAINS {
            let x = [V::from_array(lanes[chain].0[0]), V::from_array(lanes[chain].0[1])];
            for phase in 0..SHARED {
                let tap = V::splat(taps[chain][phase]);
                for half in 0..2 {
                    sums[chain][phase][half] = tap.times_plus(x[half], sums[chain][phase][half]);
                }
            }
        }
    }
    let mut out = [[[0.0; 4]; 2]; SHARED];
    for (phase, out) in out.iter_mut().enumerate() {
        for (half, out) in out.iter_mut().enumerate() {
            let mut sum = sums[0][phase][half];
            for part in &sums[1..] {
                sum = sum.plus(part[phase][half]);
            }
            *out = sum.to_array();
        }
    }
    out
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition: zeros between samples, the filter, every `down`-th.
    fn plainly(x: &[f64], beyond: Beyond, up: usize, down: usize) -> Vec<f64> {
        let taps = design(up, down);
        let half = taps.len() as isize / 2;
        let sum = |j: usize| {
            let middle = (j * down) as isize;
            let samples = (middle - half).div_euclid(up as isize)..=(middle + half).div_euclid(up as isize);
            let tap = |k: isize| usize::try_from(middle + half - k * up as isize).ok().and_then(|at| taps.get(at));
            let value = |k: isize| around(x, k, beyond, &mut [0.0])[0];
            samples.filter_map(|k| tap(k).map(|tap| tap * value(k))).sum()
        };
        (0..(x.len() * up).div_ceil(down)).map(sum).collect()
    }

    #[test]
    fn beyond_its_ends_a_signal_goes_on_as_asked() {
        let row =
            |beyond: Beyond| (-5..9).map(|at| beyond.stands(at, 3).map_or(-1, |at| at as i32)).collect::<Vec<_>>();
        assert_eq!(row(Beyond::Zero), [-1, -1, -1, -1, -1, 0, 1, 2, -1, -1, -1, -1, -1, -1]);
        assert_eq!(row(Beyond::Edge), [0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(row(Beyond::Symmetric), [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2]);
        assert_eq!(row(Beyond::Reflect), [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0]);
        assert_eq!(row(Beyond::Wrap), [1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
        assert_eq!(Beyond::Reflect.stands(-7, 1), Some(0));
        assert_eq!(Beyond::Edge.stands(-1, 0), None);
    }

    proptest! {
        #[test]
        fn a_stream_of_any_parts_is_the_whole_signal(
            x in prop::collection::vec(-1e3..1e3, 0..400),
            cuts in prop::collection::vec(0usize..60, 0..30),
            (up, down) in (1usize..9, 1usize..9),
            other in prop::sample::select(vec![
                Beyond::Zero, Beyond::Symmetric, Beyond::Reflect, Beyond::Wrap, Beyond::Line,
            ]),
        ) {
            let resampler = Resampler::new(up, down).unwrap();
            let mut whole = vec![0.0; resampler.len_out(x.len())];
            let divisor = gcd(up, down);
            for beyond in [other, Beyond::Edge] {
                resampler.run(&x, beyond, &AtomicBool::new(false), &mut whole).unwrap();
                if up != down {
                    for (got, wanted) in whole.iter().zip(plainly(&x, beyond, up / divisor, down / divisor)) {
                        prop_assert!((got - wanted).abs() < 1e-9, "{got} {wanted}");
                    }
                }
            }
            let mut stream = Stream::new(resampler);
            let (mut rest, mut parts) = (&x[..], Vec::new());
            for cut in cuts {
                let (part, after) = rest.split_at(cut.min(rest.len()));
                parts.extend(stream.push(part).unwrap());
                rest = after;
            }
            parts.extend(stream.push(rest).unwrap());
            parts.extend(stream.finish());
            prop_assert_eq!(parts, whole);
        }
    }
}
